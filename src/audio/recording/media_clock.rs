//! Twilio's clock, as it can be seen from here.
//!
//! Its frames say when they were spoken, on a clock of its own that need not run exactly as ours
//! does; they come late by what the network takes, and never early. So the least lateness that was
//! seen is the difference between the clocks, as long as it may rise a little with time.

use super::{SECOND, Samples};

/// How fast the clocks may run apart: 500 parts in a million, many times what clocks do.
const RUN_APART: i64 = 2_000;
/// A frame that is earlier than any before by more than this must be followed by others.
const EARLY_US: i64 = 40_000;
/// How many frames ahead of time count as early.
const EARLY_FRAMES: u8 = 5;

/// Where a time of ours is on the recording's clock.
#[derive(Debug, Default)]
pub(super) struct MediaClock {
    /// Where the stream's time stamps begin.
    base: Samples,
    /// Our time when they began.
    offset_us: i64,
    /// When it was last compared.
    compared_us: i64,
    /// How many frames in a row were too early, and the least early of them.
    early: (u8, i64),
}

impl MediaClock {
    /// A stream begins at `at_us`, and with it the recording's samples from `base` on.
    pub(super) fn begin(&mut self, at_us: i64, base: Samples) {
        *self = Self { base, offset_us: at_us, compared_us: at_us, early: (0, 0) };
    }

    /// Where the stream's time stamps begin.
    pub(super) fn base(&self) -> Samples {
        self.base
    }

    /// What the stream's time stamps say at `at_us`, in microseconds.
    pub(super) fn media_us(&self, at_us: i64) -> i64 {
        at_us - self.offset_us
    }

    /// Where `at_us` is on the recording's clock.
    pub(super) fn position(&self, at_us: i64) -> Samples {
        self.base + self.media_us(at_us) * SECOND / 1_000_000
    }

    /// At `at_us` a frame came whose end Twilio says was at `media_us`.
    pub(super) fn compare(&mut self, at_us: i64, media_us: i64) {
        let seen = at_us - media_us;
        let risen = self.offset_us + (at_us - self.compared_us).max(0) / RUN_APART;
        self.compared_us = self.compared_us.max(at_us);
        if seen >= risen - EARLY_US {
            self.early = (0, 0);
            self.offset_us = risen.min(seen);
            return;
        }
        let (frames, latest) = self.early;
        let latest = if frames == 0 { seen } else { latest.max(seen) };
        self.early = (frames + 1, latest);
        self.offset_us = risen;
        if frames + 1 >= EARLY_FRAMES {
            self.early = (0, 0);
            self.offset_us = latest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME_US: i64 = 20_000;

    /// Half an hour of frames on a clock that runs `ppm` parts in a million fast, some of them late.
    fn error_after_half_an_hour(ppm: i64) -> i64 {
        let mut clock = MediaClock::default();
        clock.begin(0, 0);
        let theirs = |at_us: i64| at_us + at_us * ppm / 1_000_000;
        for n in 1..=90_000 {
            let late = (n * 7_919 % 30) * 1_000;
            clock.compare(n * FRAME_US + late, theirs(n * FRAME_US));
        }
        let now = 90_000 * FRAME_US;
        clock.media_us(now) - theirs(now)
    }

    #[test]
    fn a_clock_that_runs_apart_is_followed() {
        for ppm in [-100, -50, 0, 50, 100] {
            let error_us = error_after_half_an_hour(ppm);
            assert!(error_us.abs() < 2_000, "{ppm} ppm: {error_us} µs");
        }
    }

    #[test]
    fn one_early_frame_is_not_believed_and_five_are() {
        let mut clock = MediaClock::default();
        clock.begin(1_000_000, 0);
        clock.compare(1_020_000, 1_000_000);
        assert!((clock.media_us(1_020_000) - 20_000).abs() < 100);
        for n in 1..=5 {
            clock.compare(1_020_000 + n * FRAME_US, 300_000 + n * FRAME_US);
        }
        assert_eq!(clock.media_us(1_120_000), 400_000);
    }
}
