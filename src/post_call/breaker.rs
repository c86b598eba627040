//! One breaker for each service that work after calls asks: while it fails, it is asked by one at a
//! time, and less and less often. Work waits untouched meanwhile.

use std::time::Duration;

use metrics::gauge;
use parking_lot::Mutex;

use crate::clock::Stopwatch;

/// Failures in a row, of whatever work, after which the service counts as away.
const FAILURES: u32 = 5;
/// The first pause; each is twice the one before.
const PAUSE: Duration = Duration::from_secs(2);
/// The longest pause: a service that was away for hours is asked again within minutes.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// The breaker of one service.
#[derive(Debug)]
pub(super) struct Breaker {
    service: &'static str,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Since the last failure.
    since: Option<Stopwatch>,
}

impl State {
    fn pause(&self) -> Duration {
        let doublings = self.failures.saturating_sub(FAILURES).min(16);
        PAUSE.saturating_mul(2_u32.pow(doublings)).min(PAUSE_MAX)
    }
}

impl Breaker {
    pub(super) fn new(service: &'static str) -> Self {
        Self { service, state: Mutex::default() }
    }

    /// How many may ask now.
    pub(super) fn room(&self) -> usize {
        let state = self.state.lock();
        if state.failures < FAILURES {
            return usize::MAX;
        }
        let is_due = state.since.is_none_or(|since| since.elapsed() >= state.pause());
        usize::from(is_due)
    }

    /// The service answered, whatever it said.
    pub(super) fn answered(&self) {
        let mut state = self.state.lock();
        if state.failures >= FAILURES {
            tracing::info!(service = self.service, "the service answers again");
            gauge!("frontdesk_aftercall_breaker_open", "service" => self.service).set(0.0);
        }
        *state = State::default();
    }

    /// The service is away, or will not for now.
    pub(super) fn failed(&self) {
        let mut state = self.state.lock();
        state.failures = state.failures.saturating_add(1);
        state.since = Some(Stopwatch::start());
        if state.failures == FAILURES {
            tracing::warn!(service = self.service, "the service fails: it is asked less often");
            gauge!("frontdesk_aftercall_breaker_open", "service" => self.service).set(1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_fails_is_asked_less_often_until_it_answers() {
        let breaker = Breaker::new("test");
        (1..FAILURES).for_each(|_| breaker.failed());
        assert_eq!(breaker.room(), usize::MAX);
        breaker.failed();
        assert_eq!(breaker.room(), 0, "its pause has only begun");
        let pauses: Vec<u64> = (0..10)
            .map(|_| {
                let pause = breaker.state.lock().pause().as_secs();
                breaker.failed();
                pause
            })
            .collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        breaker.state.lock().since = None;
        assert_eq!(breaker.room(), 1, "one tries whether it is back");
        breaker.answered();
        assert_eq!(breaker.room(), usize::MAX);
    }
}
