//! Time stamps that ride in the audio itself, and the histogram they are counted in.
//!
//! A load test has to know how long the server between the two stand-ins kept a piece of audio.
//! Each stand-in writes the wall time of sending into the first bytes of a frame, the other one
//! finds it there: no clock is shared but the machine's, and the server needs no help.

use std::time::Duration;

use serde::Serialize;

/// What a stamp begins with: four bytes that speech does not produce in this order.
const MAGIC: [u8; 4] = [0xF5, 0xD0, 0x5A, 0xA7];

/// Length of a stamp: the magic and eight bytes of time. Twelve bytes are sixteen base64
/// characters exactly, so a stamp can be put into a payload that is encoded already.
pub const LENGTH: usize = 12;

/// The stamp that says `now_us`, microseconds since the Unix epoch.
pub fn bytes(now_us: u64) -> [u8; LENGTH] {
    let mut stamp = [0; LENGTH];
    write(&mut stamp, now_us);
    stamp
}

/// Writes the stamp for `now_us` over the head of `audio`; audio too short for it stays as it is.
pub fn write(audio: &mut [u8], now_us: u64) {
    if let Some(head) = audio.first_chunk_mut::<LENGTH>() {
        head[..4].copy_from_slice(&MAGIC);
        head[4..].copy_from_slice(&now_us.to_be_bytes());
    }
}

/// The microseconds since the Unix epoch that are stamped on the head of `audio`, if there are any.
pub fn read(audio: &[u8]) -> Option<u64> {
    let (magic, time) = audio.first_chunk::<LENGTH>()?.split_first_chunk::<4>()?;
    (*magic == MAGIC).then_some(())?;
    Some(u64::from_be_bytes(time.try_into().ok()?))
}

/// Values below this many microseconds have a bucket each.
const EXACT: u64 = 64;
/// Buckets to each doubling above: a bucket is at most 1/32 wide.
const STEPS: u64 = 32;
/// The largest power of two told apart, about 19 hours.
const LARGEST_POWER: u32 = 35;
const BUCKETS: usize = 64 + 30 * 32;

/// A log-linear histogram of microseconds: 4 KiB, values within 3 %.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    buckets: Box<[u32]>,
    count: u64,
    max_us: u64,
}

/// A histogram in four numbers, all but `count` in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// How many values were recorded.
    pub count: u64,
    /// Half of them were at most this.
    pub p50_us: u64,
    /// 99 of 100 were at most this.
    pub p99_us: u64,
    /// The largest value, exactly.
    pub max_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS].into_boxed_slice(), count: 0, max_us: 0 }
    }
}

impl Histogram {
    /// Adds one value to the histogram.
    pub fn record(&mut self, value: Duration) {
        let value_us = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(value_us)] += 1;
        self.count += 1;
        self.max_us = self.max_us.max(value_us);
    }

    /// Counts everything that `other` counted.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.max_us = self.max_us.max(other.max_us);
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The value, in microseconds, that `percent` of 100 values do not exceed; 0 when none were
    /// counted. It is the upper edge of its bucket, never more than the largest value.
    pub fn percentile_us(&self, percent: u64) -> u64 {
        let wanted = (self.count * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (index, &count) in self.buckets.iter().enumerate() {
            seen += u64::from(count);
            if seen >= wanted {
                return upper_edge(index as u64).min(self.max_us);
            }
        }
        0
    }

    /// The four numbers that a table shows.
    pub fn summary(&self) -> Summary {
        Summary {
            count: self.count,
            p50_us: self.percentile_us(50),
            p99_us: self.percentile_us(99),
            max_us: self.max_us,
        }
    }
}

fn bucket(value_us: u64) -> usize {
    if value_us < EXACT {
        return value_us as usize;
    }
    let power = value_us.ilog2();
    if power > LARGEST_POWER {
        return BUCKETS - 1;
    }
    let step = (value_us >> (power - 5)) - STEPS;
    (EXACT + u64::from(power - 6) * STEPS + step) as usize
}

fn upper_edge(bucket: u64) -> u64 {
    if bucket < EXACT {
        return bucket;
    }
    let (power, step) = ((bucket - EXACT) / STEPS, (bucket - EXACT) % STEPS);
    ((STEPS + step + 1) << (power + 1)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_back_and_speech_is_not_one() {
        let mut frame = [0xFF_u8; 160];
        assert_eq!(read(&frame), None);
        write(&mut frame, 1_795_372_800_123_456);
        assert_eq!(read(&frame), Some(1_795_372_800_123_456));
        assert_eq!(frame[LENGTH], 0xFF);
        assert_eq!(frame[..LENGTH], bytes(1_795_372_800_123_456));

        let mut short = [1_u8; LENGTH - 1];
        write(&mut short, 5);
        assert_eq!(short, [1; LENGTH - 1]);
        assert_eq!(read(&short), None);
    }

    #[test]
    fn every_value_lies_in_its_bucket_and_close_to_its_edge() {
        for value_us in (0..2_000).chain((11..35).map(|power| (1 << power) + 12_345)) {
            let edge_us = upper_edge(bucket(value_us) as u64);
            assert!(edge_us >= value_us, "{value_us} is above {edge_us}");
            assert!(edge_us - value_us <= value_us / 32, "{value_us} is far from {edge_us}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_of_two_merged_histograms() {
        let (mut low, mut high) = (Histogram::default(), Histogram::default());
        for value_us in 1..=99 {
            low.record(Duration::from_micros(value_us));
        }
        high.record(Duration::from_millis(80));
        low.merge(&high);
        let summary = low.summary();
        assert_eq!((summary.count, summary.p50_us, summary.max_us), (100, 50, 80_000));
        assert!((99..=101).contains(&summary.p99_us), "{summary:?}");
        assert_eq!(Histogram::default().summary(), Summary::default());
    }
}
