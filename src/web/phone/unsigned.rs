//! What a request may cost that is not signed as it should be: a count, a line in the log once a
//! minute for all of them, and a few questions to the database.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metrics::counter;
use tracing::warn;

use crate::clock::Stopwatch;

/// How often the log says that requests were refused.
const LOG_PAUSE: Duration = Duration::from_secs(60);
/// How many questions a second the database is asked for requests whose signature no token in
/// memory explains. The first call of an agent with a token of its own is one, and so is a callback
/// of a call whose number has moved; a process reads its agents at the start, so they are few.
const READS_A_SECOND: u32 = 5;

/// Counts requests that are not signed. Bounded whatever is sent.
#[derive(Debug, Default)]
pub struct Unsigned(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// Refused since the log was last told.
    refused: u64,
    logged: Option<Stopwatch>,
    /// Questions since `second` began.
    reads: u32,
    second: Option<Stopwatch>,
}

impl Unsigned {
    /// One was refused. `path`: the route, which the sender did not choose.
    pub(super) fn refused(&self, path: &str) {
        counter!("frontdesk_webhooks_refused_total", "reason" => "signature").increment(1);
        let count = {
            let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            counts.refused += 1;
            if counts.logged.as_ref().is_some_and(|logged| logged.elapsed() < LOG_PAUSE) {
                return;
            }
            counts.logged = Some(Stopwatch::start());
            std::mem::take(&mut counts.refused)
        };
        warn!(
            path,
            count,
            "requests are not signed as they should be: check PUBLIC_URL and the auth token \
             (said once a minute)"
        );
    }

    /// Whether the database may be asked for one that is not known to be signed.
    pub(super) fn may_read(&self) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |second: &Stopwatch| second.elapsed() < Duration::from_secs(1);
        if !counts.second.as_ref().is_some_and(is_same) {
            (counts.second, counts.reads) = (Some(Stopwatch::start()), 0);
        }
        counts.reads += 1;
        counts.reads <= READS_A_SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_asks_the_database_little_and_is_logged_once() {
        let (unsigned, since) = (Unsigned::default(), Stopwatch::start());
        let mut reads = 0;
        for _ in 0..10_000 {
            unsigned.refused("/twilio/voice");
            reads += u64::from(unsigned.may_read());
        }
        let seconds = since.elapsed().as_secs();
        assert!(reads >= READS_A_SECOND.into());
        assert!(reads <= u64::from(READS_A_SECOND) * (seconds + 1), "{reads} in {seconds} s");
        let counts = unsigned.0.lock().unwrap();
        assert_eq!(counts.refused, 9_999, "one line was logged, for the first");
    }
}
