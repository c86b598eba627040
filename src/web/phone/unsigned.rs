//! What a request may cost that is not signed as it should be: a count, a line in the log once a
//! minute for all of them, and a few questions to the database.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::time::Duration;

use metrics::counter;
use parking_lot::Mutex;
use tracing::warn;

use crate::clock::Stopwatch;

/// How often the log says that requests were refused.
const LOG_PAUSE: Duration = Duration::from_secs(60);
/// How many questions a second the database is asked about one number or agent, for requests whose
/// signature no token in memory explains. Once it was asked, an agent's token is in memory.
const READS_EACH: u32 = 2;

/// What such a request may need the database for. Each kind has a bound of its own, so that what
/// anybody can make up keeps nobody from what only Twilio would ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Asks {
    /// An agent with a token of its own that is known to be there and has not been read yet. However
    /// many requests there are, each agent is read once.
    First,
    /// A call whose number may have moved: the number's agent is in memory and has not signed.
    Moved,
    /// A number or agent that nothing is known of, which is what a stranger makes up.
    Unlisted,
}

impl Asks {
    /// How many questions of this kind the database is asked a second, in all.
    const fn reads_a_second(self) -> u32 {
        match self {
            Self::First => 50,
            Self::Moved => 20,
            Self::Unlisted => 10,
        }
    }
}

/// Counts requests that are not signed. Bounded whatever is sent.
#[derive(Debug)]
pub struct Unsigned {
    refusals: Mutex<Refusals>,
    reads: Mutex<Reads>,
    hasher: RandomState,
    since: Stopwatch,
}

#[derive(Debug, Default)]
struct Refusals {
    /// Refused since the log was last told.
    refused: u64,
    logged: Option<Stopwatch>,
}

/// The questions of one second. Only one that is let pass is counted, so there are never more
/// entries than questions.
#[derive(Debug, Default)]
struct Reads {
    second: u64,
    by_kind: HashMap<Asks, u32>,
    by_whose: HashMap<(Asks, u64), u32>,
}

impl Reads {
    /// `now` is since the process began.
    fn may_read(&mut self, now: Duration, asks: Asks, whose: u64) -> bool {
        if self.second != now.as_secs() {
            *self = Self { second: now.as_secs(), ..Self::default() };
        }
        let of_kind = self.by_kind.entry(asks).or_default();
        if *of_kind >= asks.reads_a_second() {
            return false;
        }
        let each = self.by_whose.entry((asks, whose)).or_default();
        if *each >= READS_EACH {
            return false;
        }
        *of_kind += 1;
        *each += 1;
        true
    }
}

impl Default for Unsigned {
    fn default() -> Self {
        Self {
            refusals: Mutex::default(),
            reads: Mutex::default(),
            hasher: RandomState::new(),
            since: Stopwatch::start(),
        }
    }
}

impl Unsigned {
    /// One was refused. `path`: the route, which the sender did not choose.
    pub(super) fn refused(&self, path: &str) {
        counter!("frontdesk_webhooks_refused_total", "reason" => "signature").increment(1);
        let count = {
            let mut refusals = self.refusals.lock();
            refusals.refused += 1;
            if refusals.logged.as_ref().is_some_and(|logged| logged.elapsed() < LOG_PAUSE) {
                return;
            }
            refusals.logged = Some(Stopwatch::start());
            std::mem::take(&mut refusals.refused)
        };
        warn!(
            path,
            count,
            "requests are not signed as they should be: check PUBLIC_URL and the auth token \
             (said once a minute)"
        );
    }

    /// Whether the database may be asked for one that is not known to be signed, about this number or
    /// agent.
    pub(super) fn may_read(&self, asks: Asks, whose: impl Hash) -> bool {
        let whose = self.hasher.hash_one(whose);
        let mut reads = self.reads.lock();
        reads.may_read(self.since.elapsed(), asks, whose)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_logged_once() {
        let unsigned = Unsigned::default();
        (0..10_000).for_each(|_| unsigned.refused("/twilio/voice"));
        let refusals = unsigned.refusals.lock();
        assert_eq!(refusals.refused, 9_999, "one line was logged, for the first");
    }

    #[test]
    fn a_flood_keeps_no_other_number_from_being_read() {
        const REAL: u64 = u64::MAX;
        let mut reads = Reads::default();
        for second in 0..3 {
            let now = Duration::from_millis(second * 1_000 + 500);
            // For one number, for numbers that nobody has, and for calls of a few that are known.
            let one = (0..10_000).filter(|_| reads.may_read(now, Asks::First, 1)).count();
            let unlisted = (0..10_000).filter(|n| reads.may_read(now, Asks::Unlisted, *n)).count();
            let moved = (0..10_000).filter(|n| reads.may_read(now, Asks::Moved, n % 5)).count();
            assert_eq!((one, unlisted, moved), (2, 10, 10), "{second}");
            assert!(reads.may_read(now, Asks::First, REAL), "{second}");
            assert!(reads.may_read(now, Asks::Moved, REAL), "{second}");
            // Bounded in all, and in memory.
            let first = (2..10_000).filter(|n| reads.may_read(now, Asks::First, *n)).count();
            assert_eq!(first, 50 - 3, "{second}");
            assert!(reads.by_whose.len() <= 80 + 1, "{}", reads.by_whose.len());
        }
    }
}
