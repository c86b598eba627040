//! How fast a stream's messages are taken that are not audio. Audio comes as fast as somebody
//! speaks; keys, marks and pings come as fast as the peer likes.

use std::time::Duration;

/// Messages that are taken at once. When the line is cleared, the marks behind all audio that was
/// not played come back together: about ten for each second of it.
const BURST: u32 = 4_096;
/// Messages taken in a second after that. A line gives back about ten marks a second, and nobody
/// presses that many keys.
const PER_SECOND: u32 = 200;

/// A bucket that fills with time.
#[derive(Debug)]
pub(super) struct Pace {
    left: u32,
    /// Up to when the bucket has been filled, in the time of whoever asks.
    filled: Duration,
}

impl Pace {
    pub(super) fn new(now: Duration) -> Self {
        Self { left: BURST, filled: now }
    }

    /// Counts a message.
    pub(super) fn spend(&mut self) {
        self.left = self.left.saturating_sub(1);
    }

    /// How long nothing is to be read; none: something may be. What time it is matters only to a stream that
    /// sends too much.
    pub(super) fn rest(&mut self, now: impl FnOnce() -> Duration) -> Option<Duration> {
        let one = Duration::from_secs(1) / PER_SECOND;
        if self.left > 0 {
            return None;
        }
        let now = now();
        let since = now.saturating_sub(self.filled);
        // The bucket never holds more than a full burst.
        let come = u32::try_from(since.as_nanos() / one.as_nanos()).unwrap_or(u32::MAX).min(BURST);
        if come == 0 {
            return Some(one - since);
        }
        (self.left, self.filled) = (come, now);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_taken_at_a_pace_and_a_burst_at_once() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(Duration::ZERO);
        let mut take = |at: Duration| {
            let mut taken = 0;
            while pace.rest(|| at).is_none() {
                pace.spend();
                taken += 1;
                assert!(taken <= BURST, "no end");
            }
            taken
        };
        assert_eq!(take(Duration::ZERO), BURST);
        assert_eq!(take(Duration::ZERO), 0);
        assert_eq!(take(second), PER_SECOND);
        assert_eq!(take(second + second / PER_SECOND), 1);
        // After an hour there is one bucket again, and not more.
        assert_eq!(take(3_600 * second), BURST);
    }
}
