//! The other processes on the same database, as they were at the last reading.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use uuid::Uuid;

use crate::clock::Stopwatch;

/// How long the last reading counts. Without the database nothing is known of the peers.
const COUNTS_FOR: Duration = Duration::from_secs(20);

/// The other processes that take calls, as they were read last. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Peers(Arc<Mutex<Option<Seen>>>);

/// What was read of the peers, and how long ago.
#[derive(Debug)]
struct Seen {
    since: Stopwatch,
    taking: BTreeSet<Uuid>,
}

impl Peers {
    /// Replaces the known peers: these take calls now.
    pub fn seen(&self, taking: BTreeSet<Uuid>) {
        let seen = Seen { since: Stopwatch::start(), taking };
        *self.0.lock() = Some(seen);
    }

    /// Whether this peer takes calls; none if that is not known.
    pub fn takes_calls(&self, instance: Uuid) -> Option<bool> {
        self.look(|taking| taking.contains(&instance))
    }

    /// Whether any peer takes calls, as far as is known.
    pub fn are_there(&self) -> bool {
        self.look(|taking| !taking.is_empty()).unwrap_or(false)
    }

    fn look<T>(&self, at: impl FnOnce(&BTreeSet<Uuid>) -> T) -> Option<T> {
        let seen = self.0.lock();
        let Seen { since, taking } = seen.as_ref()?;
        (since.elapsed() < COUNTS_FOR).then(|| at(taking))
    }
}
