//! Can an appointment begin then, and if not, when else?
//!
//! A time can be booked if it lies ahead, the clock on the business's wall shows it exactly once,
//! the whole appointment is within opening hours, and nothing else is booked in it. On a day for which
//! no hours are kept, any will do; on one whose hours are not known, none, and none on any day where
//! the business's zone is not known.
//!
//! Any such minute can be booked. What is *offered* is fewer: times counted from the opening in
//! steps of the greatest common divisor of the appointment's length and half an hour, which are 30
//! minutes for an appointment of 30, 60 or 90, 15 for one of 45, 10 for one of 20, and at least 5.

use jiff::civil::{Date, DateTime};
use jiff::tz::AmbiguousOffset;
use jiff::{SignedDuration, Timestamp};

use super::openings::openings;
use crate::agent::hours::{DayHours, Hours};

/// The hours of a day in which times are offered where no opening hours are kept.
const ASSUMED_HOURS: (i64, i64) = (8, 20);
/// The hours of a day in which times can be booked there.
const ALL_HOURS: (i64, i64) = (0, 24);
const STEP_MIN_MINUTES: u32 = 5;
const US_PER_MINUTE: i64 = 60_000_000;

/// A stretch of time in which something is booked, in microseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy {
    /// The beginning, microseconds since the Unix epoch.
    pub from_us: i64,
    /// When it is over.
    pub until_us: i64,
}

/// What decides whether a time can be booked, besides what is booked already.
#[derive(Debug, Clone, Copy)]
pub struct Calendar<'a> {
    /// When the business is open, and its zone.
    pub hours: &'a Hours,
    /// How long the appointment takes, minutes; at most some days.
    pub minutes: u32,
    /// What lies before this has passed.
    pub now: Timestamp,
}

/// Why a time cannot be booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unbookable {
    /// The clock on the wall is put on over it: on that day there is no such time.
    Skipped,
    /// The clock on the wall is put back over it: on that day it comes twice.
    Twice,
    /// The time has passed.
    Past,
    /// The business is not open for as long as the appointment takes.
    Closed,
    /// Something else is booked.
    Taken,
    /// When the business is open on that day is not known.
    NotKnown,
    /// In which zone the business is is not known.
    NoZone,
}

impl Calendar<'_> {
    /// The instant at which an appointment can begin when the clock on the wall shows `local`.
    /// `busy` is in order, with no overlap.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn check(&self, local: DateTime, busy: &[Busy]) -> Result<Timestamp, Unbookable> {
        if !self.hours.has_zone() {
            return Err(Unbookable::NoZone);
        }
        let found = self.hours.zone().to_ambiguous_timestamp(local);
        match found.offset() {
            AmbiguousOffset::Unambiguous { .. } => {}
            AmbiguousOffset::Gap { .. } => return Err(Unbookable::Skipped),
            AmbiguousOffset::Fold { .. } => return Err(Unbookable::Twice),
        }
        // Only at the ends of the calendar there is a local time and no instant.
        let start = found.compatible().map_err(|_| Unbookable::Skipped)?;
        if start <= self.now {
            Err(Unbookable::Past)
        } else if !self.is_open(start) {
            Err(self.why_not_open(start))
        } else if self.is_taken(start.as_microsecond(), busy) {
            Err(Unbookable::Taken)
        } else {
            Ok(start)
        }
    }

    /// The times that can be offered, from `from` to before `until`. `busy` is in order, with no
    /// overlap, and reaches an appointment's length beyond `until`.
    pub fn free(&self, from: Timestamp, until: Timestamp, busy: &[Busy]) -> Vec<Timestamp> {
        if !self.hours.has_zone() {
            return Vec::new();
        }
        let (first, last) = (self.day_before(from), self.date(until));
        let openings = openings(self.hours, first, last, ASSUMED_HOURS);
        let step_us = i64::from(step_minutes(self.minutes)) * US_PER_MINUTE;
        let step = usize::try_from(step_us).unwrap_or(usize::MAX);
        let starts = openings.into_iter().flat_map(|(open, close)| {
            (open.as_microsecond()..=close.as_microsecond() - self.length_us()).step_by(step)
        });
        let is_free = |start: &Timestamp| {
            *start >= from
                && *start < until
                && *start > self.now
                && !self.is_taken(start.as_microsecond(), busy)
                && self.comes_once(*start)
        };
        starts.filter_map(|start| Timestamp::from_microsecond(start).ok()).filter(is_free).collect()
    }

    /// Of the times that can be offered from `from` to before `until`, the `count` that are
    /// nearest to `wanted`, nearest first.
    pub fn nearest(
        &self,
        wanted: Timestamp,
        (from, until): (Timestamp, Timestamp),
        busy: &[Busy],
        count: usize,
    ) -> Vec<Timestamp> {
        let mut free = self.free(from, until, busy);
        free.sort_by_key(|start| start.duration_since(wanted).abs());
        free.truncate(count);
        free
    }

    fn is_open(&self, start: Timestamp) -> bool {
        let end = self.end(start);
        let openings = openings(self.hours, self.day_before(start), self.date(end), ALL_HOURS);
        openings.iter().any(|&(open, close)| open <= start && end <= close)
    }

    fn why_not_open(&self, start: Timestamp) -> Unbookable {
        let is_unknown = |at| self.hours.of(self.date(at)) == DayHours::NotKnown;
        match is_unknown(start) || is_unknown(self.end(start)) {
            true => Unbookable::NotKnown,
            false => Unbookable::Closed,
        }
    }

    fn end(&self, start: Timestamp) -> Timestamp {
        let length = SignedDuration::from_mins(self.minutes.into());
        start.checked_add(length).unwrap_or(Timestamp::MAX)
    }

    fn is_taken(&self, start_us: i64, busy: &[Busy]) -> bool {
        let next = busy.partition_point(|busy| busy.until_us <= start_us);
        busy.get(next).is_some_and(|busy| busy.from_us < start_us + self.length_us())
    }

    /// Whether the clock on the wall shows this time only now.
    fn comes_once(&self, start: Timestamp) -> bool {
        let zone = self.hours.zone();
        !zone.to_ambiguous_timestamp(zone.to_datetime(start)).is_ambiguous()
    }

    fn date(&self, at: Timestamp) -> Date {
        self.hours.zone().to_datetime(at).date()
    }

    /// A night's opening belongs to the day on which it began.
    fn day_before(&self, at: Timestamp) -> Date {
        let date = self.date(at);
        date.yesterday().unwrap_or(date)
    }

    fn length_us(&self) -> i64 {
        i64::from(self.minutes) * US_PER_MINUTE
    }
}

/// Up to `count` of `times`, evenly from first to last.
pub fn spread(times: &[Timestamp], count: usize) -> Vec<Timestamp> {
    if times.len() <= count || count < 2 {
        return times.iter().take(count).copied().collect();
    }
    (0..count).map(|n| times[n * (times.len() - 1) / (count - 1)]).collect()
}

fn step_minutes(length_minutes: u32) -> u32 {
    let (mut a, mut b) = (length_minutes, 30);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(STEP_MIN_MINUTES)
}
