//! How often a client may ask: a token bucket for each key (GCRA), in memory, bounded.

use std::time::Duration;

use moka::ops::compute::Op;
use moka::sync::Cache;

use crate::clock::Stopwatch;

/// The most keys that are remembered for one rule; the least used make way.
const KEYS_MAX: u64 = 20_000;

/// So many at once, and so many in a time.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// How many may come at once.
    pub burst: u32,
    /// In this time as many more.
    pub period: Duration,
}

impl Rule {
    /// The time that one request costs.
    fn cost(&self) -> Duration {
        self.period / self.burst.max(1)
    }
}

/// A rule and who has asked.
#[derive(Debug)]
pub struct RateLimit {
    rule: Rule,
    began: Stopwatch,
    /// For each key, when all that it asked for is paid, since `began`.
    paid_at: Cache<String, Duration>,
}

impl RateLimit {
    /// Nobody has asked.
    pub fn new(rule: Rule) -> Self {
        let paid_at = Cache::builder().max_capacity(KEYS_MAX).time_to_idle(rule.period * 2).build();
        Self { rule, began: Stopwatch::start(), paid_at }
    }

    /// Takes one for this key.
    ///
    /// # Errors
    /// None is left: in so many seconds there is one.
    pub fn take(&self, key: &str) -> Result<(), u64> {
        self.take_at(key, self.began.elapsed())
    }

    fn take_at(&self, key: &str, now: Duration) -> Result<(), u64> {
        let mut wait = Duration::ZERO;
        self.paid_at.entry(key.to_owned()).and_compute_with(|entry| {
            let paid_at = entry.map_or(now, |entry| entry.into_value().max(now));
            let next = paid_at + self.rule.cost();
            let over = next.saturating_sub(now + self.rule.period);
            if over.is_zero() {
                Op::Put(next)
            } else {
                wait = over;
                Op::Nop
            }
        });
        if wait.is_zero() { Ok(()) } else { Err(wait.as_secs() + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_and_then_one_at_a_time() {
        let limit = RateLimit::new(Rule { burst: 5, period: Duration::from_secs(60) });
        let at = |seconds: u64| Duration::from_secs(seconds);
        for _ in 0..5 {
            assert_eq!(limit.take_at("a", at(0)), Ok(()));
        }
        assert_eq!(limit.take_at("a", at(0)), Err(13));
        assert_eq!(limit.take_at("b", at(0)), Ok(()), "another key has its own");
        assert_eq!(limit.take_at("a", at(11)), Err(2));
        assert_eq!(limit.take_at("a", at(12)), Ok(()));
        assert!(limit.take_at("a", at(12)).is_err());
        for _ in 0..5 {
            assert_eq!(limit.take_at("a", at(500)), Ok(()));
        }
    }
}
