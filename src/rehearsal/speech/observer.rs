//! What the stand-in speech service has seen, for tests and for the load test's numbers.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;

use crate::clock::within;
use crate::rehearsal::stamp::{Histogram, Summary};

/// Events kept; the oldest go first.
const EVENTS_MAX: usize = 10_000;
/// Chat completions kept; the oldest go first.
const CHATS_MAX: usize = 100;

/// An event that a client sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// The session, counted from 1.
    pub session: u64,
    /// The event, as it was sent.
    pub event: Value,
}

/// How often what happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Sessions that were opened so far.
    pub opened: u64,
    /// Sessions that are open now.
    pub open: u64,
    /// Connects that were refused.
    pub refused: u64,
    /// Pieces of audio received; not counted under load.
    pub appends: u64,
    /// How long that was, in bytes; not counted under load.
    pub appended_bytes: u64,
    /// Embedding requests that came.
    pub embeddings: u64,
    /// Chat completions asked for.
    pub chats: u64,
    /// Events sent, by type; not counted under load.
    pub sent: BTreeMap<String, u64>,
}

/// Sees what clients do.
#[derive(Debug)]
pub struct SpeechObserver {
    seen: Mutex<Seen>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Seen {
    counts: Counts,
    received: VecDeque<Received>,
    chats: VecDeque<Value>,
    latency: Histogram,
}

impl SpeechObserver {
    pub(super) fn new() -> Self {
        Self { seen: Mutex::default(), changed: watch::Sender::new(()) }
    }

    /// How often what happened.
    pub fn counts(&self) -> Counts {
        self.seen.lock().counts.clone()
    }

    /// The events of a type that clients sent, oldest first. Audio is only counted.
    pub fn received(&self, kind: &str) -> Vec<Received> {
        let is_wanted = |received: &&Received| received.event["type"] == kind;
        self.seen.lock().received.iter().filter(is_wanted).cloned().collect()
    }

    /// Every event that clients sent but audio, oldest first.
    pub fn all_received(&self) -> Vec<Received> {
        self.seen.lock().received.iter().cloned().collect()
    }

    /// What was asked of the chat, as it was sent, oldest first.
    pub fn chats(&self) -> Vec<Value> {
        self.seen.lock().chats.iter().cloned().collect()
    }

    /// How long stamped audio took from the phone to here.
    pub fn latency(&self) -> Summary {
        self.seen.lock().latency.summary()
    }

    /// Forgets how long stamped audio has taken so far.
    pub fn forget_latency(&self) {
        self.seen.lock().latency = Histogram::default();
    }

    /// Waits until `is_so` gives something, at most `limit` of wall time.
    pub async fn wait_for<T>(
        &self,
        limit: Duration,
        mut is_so: impl FnMut(&Self) -> Option<T>,
    ) -> Option<T> {
        let mut changed = self.changed.subscribe();
        within(limit, async {
            loop {
                if let Some(found) = is_so(self) {
                    return Some(found);
                }
                changed.changed().await.ok()?;
            }
        })
        .await?
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.seen.lock().counts);
        self.changed.send_replace(());
    }

    pub(super) fn record_event(&self, session: u64, event: Value) {
        let mut seen = self.seen.lock();
        if seen.received.len() == EVENTS_MAX {
            seen.received.pop_front();
        }
        seen.received.push_back(Received { session, event });
        drop(seen);
        self.changed.send_replace(());
    }

    pub(super) fn record_chat(&self, request: Value) {
        let mut seen = self.seen.lock();
        if seen.chats.len() == CHATS_MAX {
            seen.chats.pop_front();
        }
        seen.chats.push_back(request);
        drop(seen);
        self.changed.send_replace(());
    }

    pub(super) fn record_latency(&self, latency_us: u64) {
        self.seen.lock().latency.record(Duration::from_micros(latency_us));
    }
}
