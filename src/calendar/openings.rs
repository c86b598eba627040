//! When is the business open, in instants? Hours are by the clock on the wall, which is put on and
//! back.

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

use crate::agent::hours::Hours;

/// The stretches in which the business is open, of those that begin on the days from `first` to
/// `last`: in order, with time between any two. `None` if no hours are known.
pub(super) fn openings(
    hours: &Hours,
    first: Date,
    last: Date,
) -> Option<Vec<(Timestamp, Timestamp)>> {
    let mut ranges = Vec::new();
    for date in days(first, last) {
        ranges.extend(hours.ranges(date)?);
    }
    Some(instants(hours.zone(), ranges))
}

/// The same hours on each day, where none are known.
pub(super) fn assumed_openings(
    hours: &Hours,
    first: Date,
    last: Date,
    (open, close): (i8, i8),
) -> Vec<(Timestamp, Timestamp)> {
    let ranges = days(first, last).map(|date| (date.at(open, 0, 0, 0), date.at(close, 0, 0, 0)));
    instants(hours.zone(), ranges.collect())
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
