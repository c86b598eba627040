//! Texts spoken once and kept: a thousand calls of one script say the same few sentences.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::babble::{Spoken, speak};

/// Texts kept: beyond that all are forgotten, which no script in use comes to.
const TEXTS_MAX: usize = 512;
/// More is not said in one reply: two minutes.
const WORDS_MAX: usize = 360;

/// Speaks texts, and remembers how.
#[derive(Debug, Default)]
pub(super) struct Voice {
    known: Mutex<HashMap<String, Arc<Spoken>>>,
}

impl Voice {
    /// The text as audio. The first two minutes of it.
    pub(super) fn speak(&self, text: &str) -> Arc<Spoken> {
        let mut known = self.known.lock();
        if let Some(spoken) = known.get(text) {
            return spoken.clone();
        }
        if known.len() >= TEXTS_MAX {
            known.clear();
        }
        let words: Vec<_> = text.split_whitespace().take(WORDS_MAX).collect();
        let spoken = Arc::new(speak(&words.join(" ")));
        known.insert(text.to_owned(), spoken.clone());
        spoken
    }
}
