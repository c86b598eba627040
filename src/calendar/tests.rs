//! What can be booked, compared with hours and appointments minute by minute, where clocks change.

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::slots::{Busy, Calendar, Unbookable, spread};
use crate::agent::hours::Hours;
use crate::agent::{Agent, AgentSource, BusinessSource};

const ZONES: [&str; 12] = [
    "UTC",
    "America/New_York",
    "America/Santiago",
    "America/Havana",
    "America/St_Johns",
    "Europe/London",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
];
const DAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

fn hours(schedule: Value, zone: &str) -> Hours {
    let (hours, faults) = read(schedule, zone);
    assert_eq!(faults, 0);
    hours
}

/// Hours, and how many faults they have.
fn read(schedule: Value, zone: &str) -> (Hours, usize) {
    let business = BusinessSource {
        operating_schedule: Some(schedule),
        timezone: Some(zone.to_owned()),
        ..BusinessSource::default()
    };
    let status = "active".to_owned();
    let agent =
        Agent::new(AgentSource { status, business: Some(business), ..AgentSource::default() });
    (agent.hours, agent.faults.len())
}

fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

/// From `from`, a number of minutes.
fn busy(from: &str, length: i64) -> Busy {
    let from: Timestamp = from.parse().unwrap();
    Busy { from_us: from.as_microsecond(), until_us: (from + minutes(length)).as_microsecond() }
}

/// What is offered on these days, as the clock on the wall shows it.
fn free(calendar: Calendar<'_>, first: &str, days: i64, busy: &[Busy]) -> Vec<String> {
    let zone = calendar.hours.zone();
    let first: Date = first.parse().unwrap();
    let midnight = |date: Date| date.to_zoned(zone.clone()).unwrap().timestamp();
    let found = calendar.free(midnight(first), midnight(first + days.days()), busy);
    found.iter().map(|start| zone.to_datetime(*start).strftime("%d %H:%M").to_string()).collect()
}

fn check(calendar: Calendar<'_>, local: &str, busy: &[Busy]) -> Result<String, Unbookable> {
    calendar.check(local.parse().unwrap(), busy).map(|start| start.to_string())
}

const LONG_AGO: Timestamp = Timestamp::UNIX_EPOCH;

#[test]
fn an_hour_is_offered_every_half_hour_from_the_opening_and_around_what_is_booked() {
    let hours = hours(
        json!({"mon":[{"open":"09:15","close":"12:15"}],"exceptions":{"2026-12-07":[]}}),
        "America/New_York",
    );
    let calendar = Calendar { hours: &hours, minutes: 60, now: LONG_AGO };
    let all = ["30 09:15", "30 09:45", "30 10:15", "30 10:45", "30 11:15"];
    assert_eq!(free(calendar, "2026-11-30", 14, &[]), all, "and the 7th is an exception");
    // New York is five hours behind UTC.
    let taken = [busy("2026-11-30T15:20:00Z", 30)];
    assert_eq!(free(calendar, "2026-11-30", 1, &taken), ["30 09:15", "30 11:15"]);
    let late = Calendar { now: "2026-11-30T15:15:00Z".parse().unwrap(), ..calendar };
    assert_eq!(free(late, "2026-11-30", 1, &[]), ["30 10:45", "30 11:15"]);

    let at = |local: &str| check(late, local, &taken);
    assert_eq!(at("2026-11-30T10:15"), Err(Unbookable::Past));
    assert_eq!(at("2026-11-30T10:49"), Err(Unbookable::Taken));
    assert_eq!(at("2026-11-30T10:50"), Ok("2026-11-30T15:50:00Z".to_owned()));
    assert_eq!(at("2026-11-30T11:15"), Ok("2026-11-30T16:15:00Z".to_owned()));
    assert_eq!(at("2026-11-30T11:16"), Err(Unbookable::Closed));
    assert_eq!(at("2026-12-07T10:15"), Err(Unbookable::Closed));
}

#[test]
fn the_steps_fit_the_length() {
    let hours = hours(json!({"mon":[{"open":"09:00","close":"10:30"}]}), "UTC");
    for (length, expected) in [
        (45, &["30 09:00", "30 09:15", "30 09:30", "30 09:45"][..]),
        (50, &["30 09:00", "30 09:10", "30 09:20", "30 09:30", "30 09:40"]),
        (77, &["30 09:00", "30 09:05", "30 09:10"]),
        (90, &["30 09:00"]),
        (91, &[]),
        (1440, &[]),
    ] {
        let calendar = Calendar { hours: &hours, minutes: length, now: LONG_AGO };
        assert_eq!(free(calendar, "2026-11-30", 1, &[]), expected, "{length}");
    }
}

#[test]
fn no_time_is_offered_that_the_clock_skips_or_shows_twice() {
    let hours = hours(json!({"sun":[{"open":"00:00","close":"04:00"}]}), "Europe/London");
    let calendar = Calendar { hours: &hours, minutes: 60, now: LONG_AGO };
    let spring = ["29 00:00", "29 00:30", "29 02:00", "29 02:30", "29 03:00"];
    assert_eq!(free(calendar, "2026-03-29", 1, &[]), spring);
    assert_eq!(check(calendar, "2026-03-29T01:30", &[]), Err(Unbookable::Skipped));
    assert_eq!(check(calendar, "2026-03-29T00:30", &[]), Ok("2026-03-29T00:30:00Z".to_owned()));

    let autumn = ["25 00:00", "25 00:30", "25 02:00", "25 02:30", "25 03:00"];
    assert_eq!(free(calendar, "2026-10-25", 1, &[]), autumn);
    assert_eq!(check(calendar, "2026-10-25T01:30", &[]), Err(Unbookable::Twice));
    assert_eq!(check(calendar, "2026-10-25T02:00", &[]), Ok("2026-10-25T02:00:00Z".to_owned()));
}

#[test]
fn hours_that_meet_are_one_stretch_and_a_night_goes_on_after_midnight() {
    let day = json!({"open":"00:00","close":"24:00"});
    let always = hours(json!({"mon":day,"tue":day}), "UTC");
    let calendar = Calendar { hours: &always, minutes: 60, now: LONG_AGO };
    assert_eq!(check(calendar, "2026-11-30T23:30", &[]), Ok("2026-11-30T23:30:00Z".to_owned()));
    assert_eq!(check(calendar, "2026-12-01T23:30", &[]), Err(Unbookable::Closed));

    let night = hours(json!({"fri":[{"open":"22:00","close":"01:00"}]}), "UTC");
    let calendar = Calendar { hours: &night, minutes: 60, now: LONG_AGO };
    let offered = ["27 22:00", "27 22:30", "27 23:00", "27 23:30", "28 00:00"];
    assert_eq!(free(calendar, "2026-11-27", 2, &[]), offered);
    assert_eq!(free(calendar, "2026-11-28", 1, &[]), ["28 00:00"]);
}

#[test]
fn hours_that_meet_where_the_clock_changes_are_one_stretch() {
    let range = |open: &str, close: &str| json!({"open": open, "close": close});
    for (meet, again, local) in [
        ("01:30", "01:30", "2026-10-25T00:45"),
        // The half hour in between is skipped.
        ("01:15", "01:45", "2026-03-29T00:30"),
    ] {
        let day = json!({"sun": [range("00:00", meet), range(again, "04:00")]});
        let hours = hours(day, "Europe/London");
        let calendar = Calendar { hours: &hours, minutes: 60, now: LONG_AGO };
        assert!(check(calendar, local, &[]).is_ok(), "{local}");
    }
}

#[test]
fn without_known_hours_any_hour_will_do_and_those_of_the_day_are_offered() {
    let hours = hours(json!({}), "UTC");
    let calendar = Calendar { hours: &hours, minutes: 60, now: LONG_AGO };
    assert_eq!(check(calendar, "2026-11-29T03:00", &[]), Ok("2026-11-29T03:00:00Z".to_owned()));
    let offered = free(calendar, "2026-11-29", 1, &[]);
    assert_eq!((offered.len(), &*offered[0], &*offered[22]), (23, "29 08:00", "29 19:00"));
}

#[test]
fn what_is_not_known_is_neither_offered_nor_booked() {
    let day = json!({"open":"09:00","close":"11:00"});
    let (hours, faults) = read(json!({"mon":"9-11","tue":day,"wed":[day,{}]}), "UTC");
    assert_eq!(faults, 2);
    let calendar = Calendar { hours: &hours, minutes: 60, now: LONG_AGO };
    // 2026-11-30 is a Monday.
    assert_eq!(free(calendar, "2026-11-30", 7, &[]), ["01 09:00", "01 09:30", "01 10:00"]);
    assert_eq!(check(calendar, "2026-11-30T09:30", &[]), Err(Unbookable::NotKnown));
    assert_eq!(check(calendar, "2026-12-02T09:30", &[]), Err(Unbookable::NotKnown));
    assert_eq!(check(calendar, "2026-12-03T09:30", &[]), Err(Unbookable::Closed));
    assert_eq!(check(calendar, "2026-12-01T09:30", &[]), Ok("2026-12-01T09:30:00Z".to_owned()));

    let (hours, faults) = read(json!({"mon-fri":day}), "UTC");
    assert_eq!(faults, 1);
    let calendar = Calendar { hours: &hours, ..calendar };
    assert_eq!(free(calendar, "2026-11-30", 7, &[]), [""; 0]);
    assert_eq!(check(calendar, "2026-11-30T09:30", &[]), Err(Unbookable::NotKnown));
}

#[test]
fn in_a_zone_that_is_not_known_no_time_is_offered_or_booked() {
    for schedule in [json!({}), json!({"mon":{"open":"09:00","close":"17:00"}})] {
        let (hours, faults) = read(schedule, "Mars/Base");
        assert_eq!(faults, 1);
        let calendar = Calendar { hours: &hours, minutes: 60, now: LONG_AGO };
        assert_eq!(free(calendar, "2026-11-30", 7, &[]), [""; 0]);
        assert_eq!(check(calendar, "2026-11-30T10:00", &[]), Err(Unbookable::NoZone));
    }
}

#[test]
fn where_only_exceptions_are_kept_they_count_and_other_days_are_open() {
    let hours = hours(json!({"exceptions":{"2026-12-25":[]}}), "UTC");
    let calendar = Calendar { hours: &hours, minutes: 60, now: LONG_AGO };
    assert_eq!(check(calendar, "2026-12-25T10:00", &[]), Err(Unbookable::Closed));
    assert_eq!(free(calendar, "2026-12-25", 1, &[]), [""; 0]);
    assert_eq!(check(calendar, "2026-12-24T23:00", &[]), Ok("2026-12-24T23:00:00Z".to_owned()));
    assert_eq!(check(calendar, "2026-12-24T23:30", &[]), Err(Unbookable::Closed));
}

#[test]
fn the_nearest_come_first_and_a_choice_is_spread() {
    let hours = hours(json!({"mon":[{"open":"09:00","close":"17:00"}]}), "UTC");
    let calendar = Calendar { hours: &hours, minutes: 60, now: LONG_AGO };
    let at = |text: &str| -> Timestamp { text.parse().unwrap() };
    let span = (at("2026-11-29T00:00:00Z"), at("2026-12-08T00:00:00Z"));
    let taken = [busy("2026-11-30T14:00:00Z", 60)];
    let nearest = calendar.nearest(at("2026-11-30T14:00:00Z"), span, &taken, 3);
    let expected = ["2026-11-30T13:00:00Z", "2026-11-30T15:00:00Z", "2026-11-30T12:30:00Z"];
    assert_eq!(nearest, expected.map(at));

    let all = calendar.free(span.0, span.1, &[]);
    assert_eq!(all.len(), 30);
    let some = spread(&all, 4);
    assert_eq!(some, [all[0], all[9], all[19], all[29]]);
    assert_eq!(spread(&all[..3], 4), all[..3]);
    assert_eq!(spread(&[], 4), []);
}

#[test]
fn the_ends_of_the_calendar_are_no_times_to_book() {
    let hours = hours(json!({"mon":[{"open":"00:00","close":"24:00"}]}), "America/New_York");
    let calendar = Calendar { hours: &hours, minutes: 60, now: LONG_AGO };
    for local in [DateTime::MIN, DateTime::MAX] {
        assert!(calendar.check(local, &[]).is_err(), "{local}");
    }
    assert_eq!(calendar.free(Timestamp::MIN, Timestamp::MIN, &[]), []);
    assert_eq!(calendar.free(Timestamp::MAX, Timestamp::MAX, &[]), []);
}

/// A day near one on which the zone's clock changes, if it ever does.
fn near_a_change(zone: &TimeZone, change: usize, days: i64) -> Date {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let changes: Vec<Timestamp> =
        zone.following(start).take(6).map(|change| change.timestamp()).collect();
    let at = changes.get(change % changes.len().max(1)).copied().unwrap_or(start);
    zone.to_datetime(at).date() + days.days()
}

/// Hours that begin and end at quarters, of each day of the week.
fn schedule() -> impl Strategy<Value = Value> {
    let quarter = |n: u32| format!("{:02}:{:02}", n / 4, n % 4 * 15);
    let range = (0u32..96, 0u32..97)
        .prop_map(move |(open, close)| json!({"open": quarter(open), "close": quarter(close)}));
    prop::collection::vec(prop::collection::vec(range, 0..4), 7).prop_map(|days| {
        DAYS.iter().map(|day| (*day).to_owned()).zip(days.into_iter().map(Value::from)).collect()
    })
}

/// Appointments from a midnight on, in minutes, in order and without overlap.
fn booked() -> impl Strategy<Value = Vec<(i64, i64)>> {
    prop::collection::vec((0i64..400, 5i64..200), 0..8).prop_map(|gaps| {
        let mut at = -1440;
        gaps.into_iter()
            .map(|(gap, length)| {
                let from = at + gap;
                at = from + length;
                (from, at)
            })
            .collect()
    })
}

/// What is true of a time, found out in the slowest way.
fn expected(
    calendar: &Calendar<'_>,
    local: DateTime,
    busy: &[Busy],
) -> Result<Timestamp, Unbookable> {
    let found = calendar.hours.zone().to_ambiguous_timestamp(local);
    match found.offset() {
        AmbiguousOffset::Gap { .. } => return Err(Unbookable::Skipped),
        AmbiguousOffset::Fold { .. } => return Err(Unbookable::Twice),
        AmbiguousOffset::Unambiguous { .. } => {}
    }
    let start = found.compatible().unwrap();
    let length = i64::from(calendar.minutes);
    let end = start + minutes(length);
    // Hours begin and end at quarters, clocks change at half hours.
    let mut looks = (0..length).step_by(5).chain([length - 1]);
    let is_busy =
        |busy: &Busy| busy.from_us < end.as_microsecond() && busy.until_us > start.as_microsecond();
    if start <= calendar.now {
        Err(Unbookable::Past)
    } else if !looks.all(|at| calendar.hours.is_open(start + minutes(at)) == Some(true)) {
        Err(Unbookable::Closed)
    } else if busy.iter().any(is_busy) {
        Err(Unbookable::Taken)
    } else {
        Ok(start)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_time_can_be_booked_if_and_only_if_every_minute_of_it_can(
        zone in prop::sample::select(&ZONES[..]), schedule in schedule(), booked in booked(),
        length in prop::sample::select(&[5u32, 7, 15, 20, 30, 45, 60, 90, 180][..]),
        change in 0usize..6, days in -1i64..=1, now in -1440i64..720, offset in 0i64..5,
    ) {
        let hours = hours(schedule, zone);
        let date = near_a_change(hours.zone(), change, days);
        let midnight = date.to_zoned(hours.zone().clone()).unwrap().timestamp();
        let at = |count: i64| (midnight + minutes(count)).as_microsecond();
        let busy: Vec<Busy> = booked
            .iter()
            .map(|&(from, until)| Busy { from_us: at(from), until_us: at(until) })
            .collect();
        let calendar = Calendar { hours: &hours, minutes: length, now: midnight + minutes(now) };

        let first = date.yesterday().unwrap().at(0, 0, 0, 0) + minutes(offset);
        for local in first.series(15.minutes()).take(3 * 96) {
            let expected = expected(&calendar, local, &busy);
            prop_assert_eq!(calendar.check(local, &busy), expected, "{} {}", zone, local);
        }
        // What is offered is named by its local time and can be booked by it.
        let span = (midnight - minutes(1440), midnight + minutes(2 * 1440));
        let free = calendar.free(span.0, span.1, &busy);
        for start in &free {
            let local = hours.zone().to_datetime(*start);
            prop_assert_eq!(expected(&calendar, local, &busy), Ok(*start), "{} {}", zone, local);
        }
        prop_assert!(free.is_sorted());
        let nearest = calendar.nearest(midnight, span, &busy, 3);
        prop_assert_eq!(nearest.len(), free.len().min(3));
    }
}
