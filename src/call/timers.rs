//! When does the core want to be woken, and why: at most one time for each reason.

use std::collections::BTreeMap;

use super::{CallTime, Timer};

/// The deadlines that are set.
#[derive(Default)]
pub(super) struct Timers(BTreeMap<Timer, CallTime>);

impl Timers {
    /// Sets a deadline, in place of an earlier one for the same reason.
    pub(super) fn set(&mut self, timer: Timer, at: CallTime) {
        self.0.insert(timer, at);
    }

    /// Takes a deadline back.
    pub(super) fn clear(&mut self, timer: Timer) {
        self.0.remove(&timer);
    }

    /// Takes all deadlines back.
    pub(super) fn clear_all(&mut self) {
        self.0.clear();
    }

    /// Whether there is a deadline for this reason.
    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.0.contains_key(&timer)
    }

    /// Removes the deadline if it has passed, and says whether it had. A report about a deadline
    /// that was moved or taken back since is false.
    pub(super) fn take_due(&mut self, timer: Timer, now: CallTime) -> bool {
        let due = self.0.get(&timer).is_some_and(|at| *at <= now);
        if due {
            self.0.remove(&timer);
        }
        due
    }

    /// The earliest deadline, and what it is for.
    pub(super) fn next(&self) -> Option<(CallTime, Timer)> {
        self.0.iter().map(|(timer, at)| (*at, *timer)).min()
    }
}
