//! When is the business open, in instants? Hours are by the clock on the wall, which is put on and
//! back.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::agent::hours::{DayHours, Hours};

/// The stretches in which the business is open, of those that begin on the days from `first` to
/// `last`: in order, with time between any two. On days on which it keeps no hours those between
/// `unkept`, hours of the day; on those that are not known, none.
pub(super) fn openings(
    hours: &Hours,
    first: Date,
    last: Date,
    (open, close): (i64, i64),
) -> Vec<(Timestamp, Timestamp)> {
    let mut ranges = Vec::new();
    for date in days(first, last) {
        let at = |hour| {
            date.to_datetime(Time::midnight()).saturating_add(SignedDuration::from_hours(hour))
        };
        match hours.of(date) {
            DayHours::Known(known) => ranges.extend(known),
            DayHours::NotKept => ranges.push((at(open), at(close))),
            DayHours::NotKnown => {}
        }
    }
    instants(hours.zone(), ranges)
}

fn days(first: Date, last: Date) -> impl Iterator<Item = Date> {
    first.series(1.day()).take_while(move |date| *date <= last)
}

/// Ranges are joined before they become instants, or the hour that comes twice would part two that
/// meet in it; and after, because what the clock skips parts none.
fn instants(zone: &TimeZone, ranges: Vec<(DateTime, DateTime)>) -> Vec<(Timestamp, Timestamp)> {
    let spans = joined(ranges).into_iter().filter_map(|(open, close)| {
        let open = instant(zone, open, Reading::Later)?;
        let close = instant(zone, close, Reading::Earlier)?;
        (open < close).then_some((open, close))
    });
    joined(spans.collect())
}

/// Which instant is meant by a time that the clock shows twice. What opens at the later and closes
/// at the earlier is open by both readings.
#[derive(Debug, Clone, Copy)]
enum Reading {
    Earlier,
    Later,
}

/// When the clock on the wall first shows this time or, where it skips it, a later one.
fn instant(zone: &TimeZone, local: DateTime, reading: Reading) -> Option<Timestamp> {
    let found = zone.to_ambiguous_timestamp(local);
    match (found.offset(), reading) {
        (AmbiguousOffset::Gap { .. }, _) => {
            let before = found.earlier().ok()?;
            zone.following(before).next().map(|transition| transition.timestamp())
        }
        (AmbiguousOffset::Fold { .. }, Reading::Later) => found.later().ok(),
        _ => found.earlier().ok(),
    }
}

/// In order, with those that meet or overlap made one.
fn joined<T: Ord + Copy>(mut spans: Vec<(T, T)>) -> Vec<(T, T)> {
    spans.sort_unstable();
    let mut result: Vec<(T, T)> = Vec::with_capacity(spans.len());
    for (from, until) in spans {
        match result.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(until),
            _ => result.push((from, until)),
        }
    }
    result
}
