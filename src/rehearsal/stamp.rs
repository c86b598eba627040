//! Time stamps in the audio, for measuring what a server between the two stand-ins adds. Pure.
//!
//! In bench mode each stand-in writes the time of sending into the head of a piece of audio, and
//! the other reads it back. Both run on one machine, so that their clocks are one.

use serde::Serialize;

/// What a stamp begins with: four bytes that speech does not have in a row.
pub const MAGIC: [u8; 4] = [0xF5, 0xD0, 0x5A, 0xA7];

/// Bytes of a stamp: the magic and Unix microseconds, big-endian.
pub const LENGTH: usize = 12;

/// Writes a stamp over the head of `audio`; audio shorter than [`LENGTH`] stays as it is.
pub fn write(audio: &mut [u8], unix_us: u64) {
    if let Some(head) = audio.first_chunk_mut::<LENGTH>() {
        head[..4].copy_from_slice(&MAGIC);
        head[4..].copy_from_slice(&unix_us.to_be_bytes());
    }
}

/// The stamp at the head of `audio`, in Unix microseconds.
pub fn read(audio: &[u8]) -> Option<u64> {
    let (magic, rest) = audio.split_first_chunk::<4>()?;
    let time = rest.first_chunk::<8>()?;
    (*magic == MAGIC).then(|| u64::from_be_bytes(*time))
}

/// Below this many microseconds each has a bucket of its own.
const EXACT: u64 = 64;
/// Buckets for each doubling above that: an error of at most 3 %.
const PER_DOUBLING: usize = 32;
/// The highest power of two told apart: 2^32 µs are over an hour.
const TOP: usize = 32;
const BUCKETS: usize = EXACT as usize + (TOP - 6) * PER_DOUBLING;

/// Counts of durations in microseconds, in log-linear buckets: fixed memory, 3 % precise.
#[derive(Debug, Clone)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max_us: u64,
}

/// A histogram in a few numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LatencySummary {
    /// How many durations were recorded.
    pub count: u64,
    /// Half were at most this, in microseconds.
    pub p50_us: u64,
    /// 99 of 100 were at most this, in microseconds.
    pub p99_us: u64,
    /// The longest, in microseconds.
    pub max_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0, max_us: 0 }
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&mut self, duration_us: u64) {
        self.buckets[bucket(duration_us)] += 1;
        self.count += 1;
        self.max_us = self.max_us.max(duration_us);
    }

    /// Adds all that `other` has counted.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.max_us = self.max_us.max(other.max_us);
    }

    /// The duration that `share` (0 to 1) of all are at most as long as; 0 when there are none.
    pub fn quantile_us(&self, share: f64) -> u64 {
        let wanted = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return bucket_end(index).min(self.max_us);
            }
        }
        self.max_us
    }

    /// The numbers to print.
    pub fn summary(&self) -> LatencySummary {
        LatencySummary {
            count: self.count,
            p50_us: self.quantile_us(0.5),
            p99_us: self.quantile_us(0.99),
            max_us: self.max_us,
        }
    }
}

fn bucket(duration_us: u64) -> usize {
    if duration_us < EXACT {
        return duration_us as usize;
    }
    let power = duration_us.ilog2() as usize;
    let within = (duration_us >> (power - 5)) as usize - PER_DOUBLING;
    (EXACT as usize + (power - 6) * PER_DOUBLING + within).min(BUCKETS - 1)
}

/// The longest duration that falls into a bucket.
fn bucket_end(index: usize) -> u64 {
    if index < EXACT as usize {
        return index as u64;
    }
    let (doubling, within) = (
        (index - EXACT as usize) / PER_DOUBLING,
        (index - EXACT as usize) % PER_DOUBLING + PER_DOUBLING,
    );
    ((within as u64 + 1) << (doubling + 1)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_back_and_plain_audio_is_not_one() {
        let mut audio = [0x7F; 160];
        write(&mut audio, 1_795_000_000_123_456);
        assert_eq!(read(&audio), Some(1_795_000_000_123_456));
        assert_eq!(audio[LENGTH..], [0x7F; 148]);
        assert_eq!(read(&[0x7F; 160]), None);
        assert_eq!(read(&MAGIC), None);
        let mut short = [0x7F; 11];
        write(&mut short, 1);
        assert_eq!(short, [0x7F; 11]);
    }

    #[test]
    fn quantiles_are_three_percent_precise() {
        let mut histogram = Histogram::default();
        (1..=10_000).for_each(|us| histogram.record(us));
        let summary = histogram.summary();
        assert_eq!((summary.count, summary.max_us), (10_000, 10_000));
        assert!((5_000..=5_160).contains(&summary.p50_us), "{summary:?}");
        assert!((9_900..=10_000).contains(&summary.p99_us), "{summary:?}");
    }

    #[test]
    fn every_bucket_ends_where_the_next_begins() {
        for index in 0..BUCKETS - 1 {
            assert_eq!(bucket(bucket_end(index)), index);
            assert_eq!(bucket(bucket_end(index) + 1), index + 1);
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn merged_histograms_count_both() {
        let (mut one, mut other) = (Histogram::default(), Histogram::default());
        one.record(10);
        other.record(30);
        one.merge(&other);
        assert_eq!((one.summary().count, one.summary().max_us), (2, 30));
        assert_eq!(Histogram::default().summary().p99_us, 0);
    }
}
