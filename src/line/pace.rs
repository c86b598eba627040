//! How fast a stream's messages are taken. Audio comes as fast as somebody speaks, keys, marks and pings seldom:
//! whoever sends more is read later.

use std::time::Duration;

/// How much is taken of one kind.
#[derive(Debug)]
pub(super) struct Bound {
    /// As much at once.
    burst: i64,
    /// As much in a second after that.
    per_second: i64,
}

/// Messages that are not audio. When the line is cleared, the marks behind all audio that was not played
/// come back together: about ten for each second of it. A line gives back about ten marks a second, and
/// nobody presses 200 keys.
pub(super) const MESSAGES: Bound = Bound { burst: 4_096, per_second: 200 };
/// Milliseconds of audio. A line that stood still may bring a minute of it at once; twice as fast as
/// anybody speaks is taken always.
pub(super) const AUDIO_MS: Bound = Bound { burst: 60_000, per_second: 2_000 };

const SECOND_NS: i128 = 1_000_000_000;

/// A bucket that fills with time. What is taken last may be more than there is: then it is owed.
#[derive(Debug)]
pub(super) struct Pace {
    left: i64,
    /// Up to when the bucket has been filled, in the time of whoever asks.
    filled: Duration,
    bound: &'static Bound,
}

impl Pace {
    pub(super) fn new(bound: &'static Bound) -> Self {
        Self { left: bound.burst, filled: Duration::ZERO, bound }
    }

    /// Counts so much.
    pub(super) fn spend(&mut self, much: u64) {
        self.left = self.left.saturating_sub_unsigned(much);
    }

    /// How long nothing is to be read; none: something may be. What time it is matters only to a stream that
    /// sends too much.
    pub(super) fn rest(&mut self, now: impl FnOnce() -> Duration) -> Option<Duration> {
        if self.left > 0 {
            return None;
        }
        let now = now();
        let since = now.saturating_sub(self.filled);
        let rate = i128::from(self.bound.per_second);
        let come = since.as_nanos() as i128 * rate / SECOND_NS;
        let left = i128::from(self.left) + come;
        if left <= 0 {
            let due = (1 - i128::from(self.left)) * SECOND_NS / rate;
            return Some(Duration::from_nanos(due as u64).saturating_sub(since));
        }
        // The bucket never holds more than a full burst.
        self.left = i64::try_from(left).unwrap_or(i64::MAX).min(self.bound.burst);
        self.filled = now;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How much is taken at this time, in pieces of `much`.
    fn take(pace: &mut Pace, at: Duration, much: u64) -> i64 {
        let mut taken = 0;
        while pace.rest(|| at).is_none() {
            pace.spend(much);
            taken += much as i64;
            assert!(taken <= 2 * pace.bound.burst, "no end");
        }
        taken
    }

    #[test]
    fn a_flood_is_taken_at_a_pace_and_a_burst_at_once() {
        let mut pace = Pace::new(&MESSAGES);
        let one = SECOND / 200;
        assert_eq!(take(&mut pace, Duration::ZERO, 1), 4_096);
        assert_eq!(take(&mut pace, Duration::ZERO, 1), 0);
        assert_eq!(take(&mut pace, SECOND, 1), 200);
        assert_eq!(take(&mut pace, SECOND + one, 1), 1);
        // After an hour there is one bucket again, and not more.
        assert_eq!(take(&mut pace, 3_600 * SECOND, 1), 4_096);
    }

    #[test]
    fn what_was_taken_beyond_the_bound_is_owed() {
        let mut pace = Pace::new(&AUDIO_MS);
        assert_eq!(take(&mut pace, Duration::ZERO, 6_001), 60_010);
        let rest = pace.rest(|| Duration::ZERO).expect("it has taken more than there is");
        assert!(pace.rest(|| rest - Duration::from_micros(500)).is_some());
        assert_eq!(take(&mut pace, rest, 20), 20);
    }

    #[test]
    fn a_caller_who_speaks_is_never_held_up() {
        let mut pace = Pace::new(&AUDIO_MS);
        for frame in 0..60 * 60 * 50 {
            assert_eq!(pace.rest(|| frame * SECOND / 50), None);
            pace.spend(20);
        }
    }
}
