//! What callbacks said and is not written down yet: one bounded queue and one worker for all of
//! them. A server that goes down waits for it.
//!
//! A callback is tried at once by whoever was called. It comes here if the database is away, if
//! others are to write first, or if the call has no row. A row that is not there may still be in
//! another process's spool, so a call without one is looked for a few times more; then it is
//! unknown and forgotten.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use metrics::counter;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tracing::warn;
use uuid::Uuid;

use crate::clock::{self, Stopwatch};
use crate::recovery::completion::CameTo;
use crate::web::AppState;

/// The most that waits. Beyond, the newest is dropped and counted: the reconciler asks Twilio about
/// its call.
const WAITING_MAX: usize = 4_096;
/// How many of these may be of one agent, and of one of its calls; beyond, the newest is dropped. What
/// waits already is not taken twice.
const OF_AN_AGENT_MAX: usize = WAITING_MAX / 8;
const OF_A_CALL_MAX: usize = 8;
/// How many of these may be about calls without a row; beyond, the oldest goes.
const UNKNOWN_MAX: usize = 256;
/// How long it is looked for a call without a row, in all, and how long between.
const UNKNOWN_PATIENCE: Duration = Duration::from_secs(30);
const UNKNOWN_PAUSE: Duration = Duration::from_secs(10);
/// How long the database is waited for, and how long between.
const PATIENCE: Duration = Duration::from_secs(16 * 60);
const PAUSE: Duration = Duration::from_secs(5);
/// How long others have to write that a call is over. They hear of its end as we do. They would be
/// let to write it later too, which the epoch is for; but the first completion is what the owner's
/// webhook and the summary are made from, and they know more of the call.
const OTHERS_FIRST: Duration = Duration::from_secs(3);
/// How long what the spool has may take to the database, before it is looked again.
const SPOOL_PAUSE: Duration = Duration::from_secs(1);
/// How often is looked for what is due, and how many are worked on at once.
const TICK: Duration = Duration::from_millis(500);
const AT_ONCE: usize = 4;

/// What a callback said, to be written down.
#[derive(Debug)]
pub(super) struct Callback {
    /// Whose token signed it: it says nothing of a call of another agent.
    pub(super) agent_id: Uuid,
    pub(super) call_sid: String,
    pub(super) came_to: CameTo,
    /// When it said so, microseconds since the Unix epoch.
    pub(super) at_us: i64,
    /// Whether it counts only if nobody who knows more has written, and after what the spool has.
    pub(super) after_others: bool,
    age: Stopwatch,
    /// Since when, and for how long, it waits.
    since: Stopwatch,
    wait: Duration,
    is_unknown: bool,
}

/// What became of one attempt to write a callback down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// It is written, or there is nothing to write.
    Written,
    /// The call has no row.
    Unknown,
    /// The database is away, or has not been given everything yet.
    Away,
}

impl Callback {
    /// One that was made just now.
    pub(super) fn new(agent_id: Uuid, call_sid: String, came_to: CameTo, at_us: i64) -> Self {
        let now = Stopwatch::start();
        Self {
            agent_id,
            call_sid,
            came_to,
            at_us,
            after_others: false,
            age: now,
            since: now,
            wait: PAUSE,
            is_unknown: false,
        }
    }

    /// The same, to be tried first when others have had time.
    pub(super) fn after_others(mut self) -> Self {
        (self.after_others, self.wait) = (true, OTHERS_FIRST);
        self
    }

    fn waiting_for(mut self, wait: Duration) -> Self {
        (self.since, self.wait) = (Stopwatch::start(), wait);
        self
    }

    fn is_due(&self) -> bool {
        self.since.elapsed() >= self.wait
    }
}

/// What is not written yet. Clones are of the same.
#[derive(Debug, Clone, Default)]
pub struct Unwritten(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    waiting: Mutex<VecDeque<Callback>>,
    /// How many there are, those included that are being worked on.
    count: watch::Sender<usize>,
    rung: Notify,
}

impl Unwritten {
    /// Takes one in.
    pub(super) fn put(&self, callback: Callback) {
        let mut waiting = self.0.waiting.lock();
        if let Some(reason) = no_room(&waiting, &callback) {
            return dropped(reason);
        }
        let unknown = |callback: &Callback| callback.is_unknown;
        if callback.is_unknown
            && waiting.iter().filter(|other| unknown(other)).count() >= UNKNOWN_MAX
            && let Some(oldest) = waiting.iter().position(unknown)
        {
            drop(waiting.remove(oldest));
            self.forget("unknown");
        }
        if waiting.len() >= WAITING_MAX {
            return dropped("queue full");
        }
        self.0.count.send_modify(|count| *count += 1);
        waiting.push_back(callback);
        drop(waiting);
        self.0.rung.notify_one();
    }

    /// Takes one in whose call has no row.
    pub(super) fn put_unknown(&self, callback: Callback) {
        self.put(Callback { is_unknown: true, ..callback.waiting_for(UNKNOWN_PAUSE) });
    }

    /// Waits until there is nothing more. Calls without a row are not waited for.
    pub async fn none(&self) {
        self.0.waiting.lock().retain(|callback| {
            if callback.is_unknown {
                self.forget("unknown");
            }
            !callback.is_unknown
        });
        // The sender is ours, so it lives.
        let _ = self.0.count.subscribe().wait_for(|count| *count == 0).await;
    }

    fn take_due(&self) -> Vec<Callback> {
        let mut waiting = self.0.waiting.lock();
        let (due, later) = waiting.drain(..).partition(Callback::is_due);
        *waiting = later;
        due.into()
    }

    fn done(&self) {
        self.0.count.send_modify(|count| *count = count.saturating_sub(1));
    }

    fn forget(&self, reason: &'static str) {
        dropped(reason);
        self.done();
    }
}

fn dropped(reason: &'static str) {
    counter!("frontdesk_callbacks_dropped_total", "reason" => reason).increment(1);
}

/// Why a callback is not taken in although the queue has room.
fn no_room(waiting: &VecDeque<Callback>, new: &Callback) -> Option<&'static str> {
    let of_agent = || waiting.iter().filter(|other| other.agent_id == new.agent_id);
    let of_call = || of_agent().filter(|other| other.call_sid == new.call_sid);
    if of_call().any(|other| other.came_to == new.came_to) {
        Some("repeated")
    } else if of_call().count() >= OF_A_CALL_MAX {
        Some("call full")
    } else if of_agent().count() >= OF_AN_AGENT_MAX {
        Some("agent full")
    } else {
        None
    }
}

impl AppState {
    /// Writes down what callbacks said, for as long as the process runs.
    pub async fn write_callbacks(self: Arc<Self>) {
        loop {
            let due = self.unwritten.take_due();
            if due.is_empty() {
                self.services.registry.kept.expire();
                clock::within(TICK, self.unwritten.0.rung.notified()).await;
                // Rung for what is not due yet: no busy loop.
                clock::pause(TICK / 10).await;
                continue;
            }
            stream::iter(due)
                .for_each_concurrent(AT_ONCE, |callback| self.write_callback(callback))
                .await;
        }
    }

    async fn write_callback(&self, mut callback: Callback) {
        let log = self.services.log.health();
        let attempt = match callback.after_others {
            _ if !log.database_up => Attempt::Away,
            // The spool's records of the call take precedence, and are replayed first.
            true if log.spool_bytes > 0 => Attempt::Away,
            _ => self.try_callback(&callback).await,
        };
        callback.is_unknown = attempt == Attempt::Unknown;
        let (patience, pause) = match attempt {
            Attempt::Written => return self.unwritten.done(),
            Attempt::Unknown => (UNKNOWN_PATIENCE, UNKNOWN_PAUSE),
            Attempt::Away if log.database_up && callback.after_others => (PATIENCE, SPOOL_PAUSE),
            Attempt::Away => (PATIENCE, PAUSE),
        };
        if callback.age.elapsed() < patience {
            self.unwritten.0.waiting.lock().push_back(callback.waiting_for(pause));
        } else if attempt == Attempt::Unknown {
            self.unwritten.forget("unknown");
        } else {
            let call_sid = callback.call_sid;
            warn!(call_sid, "what came of a call could not be written down");
            self.unwritten.forget("database away");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the call `n`; an agent has a hundred of them.
    fn callback(n: usize) -> Callback {
        let agent_id = Uuid::from_u128(n as u128 / 100);
        Callback::new(agent_id, format!("CA{n}"), CameTo::Nobody, 0)
    }

    #[tokio::test]
    async fn what_waits_is_bounded_and_unknown_calls_make_way() {
        let unwritten = Unwritten::default();
        (0..10_000).for_each(|n| unwritten.put_unknown(callback(n)));
        assert_eq!(unwritten.0.waiting.lock().len(), UNKNOWN_MAX);
        assert_eq!(*unwritten.0.count.borrow(), UNKNOWN_MAX);
        (0..10_000).for_each(|n| unwritten.put(callback(n)));
        assert_eq!(unwritten.0.waiting.lock().len(), WAITING_MAX);
        // A process that goes down does not wait for calls that nobody knows.
        unwritten.0.waiting.lock().retain(|callback| callback.is_unknown);
        unwritten.0.count.send_replace(UNKNOWN_MAX);
        let limit = Duration::from_secs(10);
        clock::within(limit, unwritten.none()).await.expect("nothing is waited for");
    }

    #[test]
    fn a_flood_about_one_agent_or_one_call_leaves_room_for_the_others() {
        let unwritten = Unwritten::default();
        let of = |sid: String, seconds| {
            let came_to = CameTo::Voicemail {
                recording_url: String::new().into(),
                seconds,
                own_account: false,
            };
            Callback::new(Uuid::nil(), sid, came_to, 0)
        };
        (0..10_000).for_each(|_| unwritten.put(of("CA1".to_owned(), 1)));
        assert_eq!(unwritten.0.waiting.lock().len(), 1, "the same again");
        (0..10_000).for_each(|n| unwritten.put(of("CA1".to_owned(), n)));
        assert_eq!(unwritten.0.waiting.lock().len(), OF_A_CALL_MAX);
        (0..10_000).for_each(|n| unwritten.put(of(format!("CB{n}"), n)));
        assert_eq!(unwritten.0.waiting.lock().len(), OF_AN_AGENT_MAX);
        unwritten.put(callback(1_000));
        assert_eq!(unwritten.0.waiting.lock().len(), OF_AN_AGENT_MAX + 1);
        assert_eq!(*unwritten.0.count.borrow(), OF_AN_AGENT_MAX + 1);
    }
}
