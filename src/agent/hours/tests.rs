//! What schedules come to.

use serde_json::json;

use super::*;

fn hours(schedule: Value, zone: &str) -> Hours {
    let mut faults = Faults::default();
    let hours = Hours::read(Some(&schedule), Some(zone), &mut faults);
    assert_eq!(faults.0, []);
    hours
}

fn open(hours: &Hours, at: &str) -> Option<bool> {
    hours.is_open(at.parse().unwrap())
}

#[test]
fn open_within_hours_in_the_business_zone() {
    let hours = hours(
        json!({"monday":[{"open":"09:00","close":"12:00"},{"open":"1 pm","close":"5:30pm"}],
               "tue":{"open":"8","close":"24:00"},"sunday":"closed",
               "exceptions":{"2026-11-30":[]}}),
        "America/New_York",
    );
    // 2026-11-23 is a Monday; New York is five hours behind UTC.
    for (at, expected) in [
        ("2026-11-23T13:59:00Z", false),
        ("2026-11-23T14:00:00Z", true),
        ("2026-11-23T17:00:00Z", false),
        ("2026-11-23T22:29:59Z", true),
        ("2026-11-23T22:30:00Z", false),
        ("2026-11-25T04:59:00Z", true),
        ("2026-11-25T05:00:00Z", false),
        ("2026-11-22T15:00:00Z", false),
        ("2026-11-30T15:00:00Z", false),
    ] {
        assert_eq!(open(&hours, at), Some(expected), "{at}");
    }
}

#[test]
fn a_night_belongs_to_the_day_it_began_on() {
    let hours = hours(json!({"fri":[{"open":"18:00","close":"02:00"}]}), "UTC");
    for (at, expected) in [
        ("2026-11-27T17:59:00Z", false),
        ("2026-11-27T23:00:00Z", true),
        ("2026-11-28T01:59:00Z", true),
        ("2026-11-28T02:00:00Z", false),
        ("2026-11-27T01:00:00Z", false),
    ] {
        assert_eq!(open(&hours, at), Some(expected), "{at}");
    }
}

#[test]
fn hours_are_wall_clock_hours_across_summer_time() {
    let hours = hours(json!({"sun":[{"open":"09:00","close":"10:00"}]}), "Europe/London");
    assert_eq!(open(&hours, "2026-03-22T09:30:00Z"), Some(true));
    assert_eq!(open(&hours, "2026-03-29T08:30:00Z"), Some(true));
    assert_eq!(open(&hours, "2026-03-29T09:30:00Z"), Some(false));
    assert_eq!(open(&hours, "2026-10-25T09:30:00Z"), Some(true));
}

#[test]
fn no_schedule_means_not_known_and_never_closed() {
    for schedule in [json!(null), json!({}), json!({"exceptions":{"2026-12-25":[]}})] {
        assert_eq!(open(&hours(schedule, "UTC"), "2026-11-23T09:00:00Z"), None);
    }
}

#[test]
fn exceptions_alone_count_on_their_dates() {
    let exceptions = json!({"2026-12-25":[],"2026-12-31":[{"open":"20:00","close":"02:00"}]});
    let hours = hours(json!({"exceptions":exceptions}), "UTC");
    for (at, expected) in [
        ("2026-12-24T09:00:00Z", None),
        ("2026-12-25T09:00:00Z", Some(false)),
        ("2026-12-31T19:00:00Z", Some(false)),
        ("2026-12-31T21:00:00Z", Some(true)),
        ("2027-01-01T01:00:00Z", Some(true)),
        ("2027-01-01T03:00:00Z", None),
    ] {
        assert_eq!(open(&hours, at), expected, "{at}");
    }
    assert_eq!(hours.of("2026-12-25".parse().unwrap()), DayHours::Known(vec![]));
    assert_eq!(hours.of("2026-12-26".parse().unwrap()), DayHours::NotKept);
    let now: Zoned = "2026-12-24T12:00:00Z[UTC]".parse().unwrap();
    let told: Vec<_> = hours.coming_days(&now, 2).into_iter().map(|day| day.hours).collect();
    assert_eq!(told, [None, Some("closed".to_owned())]);
}

#[test]
fn what_cannot_be_read_is_reported_by_name() {
    let mut faults = Faults::default();
    let schedule = json!({"monday":7,"tuesday":[{"open":"x","close":"10:00"}],"someday":[],
        "wed":[{"open":"09:00","close":"10:00"},{}],"exceptions":{"soon":[]}});
    let hours = Hours::read(Some(&schedule), Some("Mars/Base"), &mut faults);
    let mut paths: Vec<&str> = faults.0.iter().map(|fault| fault.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "business_timezone",
            "operating_schedule.exceptions.soon",
            "operating_schedule.monday",
            "operating_schedule.someday",
            "operating_schedule.tuesday",
            "operating_schedule.wed",
        ]
    );
    // Not even of what could be read of Wednesday: without a zone no hour is one.
    assert_eq!(open(&hours, "2026-11-25T09:30:00Z"), None);
    assert!(!hours.has_zone());
}

#[test]
fn coming_days_are_told_with_their_hours() {
    let hours = hours(
        json!({"sun":[],"mon":[{"open":"09:00","close":"17:30"}],"tue":{"open":"00:00","close":"24:00"}}),
        "America/New_York",
    );
    let now: Zoned = "2026-11-23T03:00:00Z[UTC]".parse().unwrap();
    let days: Vec<String> = hours
        .coming_days(&now, 3)
        .into_iter()
        .map(|day| format!("{} {} {}", day.date, day.weekday, day.hours.unwrap()))
        .collect();
    assert_eq!(
        days,
        [
            "2026-11-22 Sunday closed",
            "2026-11-23 Monday 09:00-17:30",
            "2026-11-24 Tuesday 24 hours"
        ]
    );
}

/// What is told of the week from Monday, 2026-11-23, and the paths of what is wrong.
fn week(schedule: Value) -> (Vec<String>, Vec<String>) {
    let mut faults = Faults::default();
    let hours = Hours::read(Some(&schedule), Some("Europe/London"), &mut faults);
    let now: Zoned = "2026-11-23T12:00:00Z[UTC]".parse().unwrap();
    let told = hours.coming_days(&now, 7).into_iter();
    let told = told.map(|day| day.hours.unwrap_or_else(|| "-".to_owned())).collect();
    (told, faults.0.into_iter().map(|fault| fault.path).collect())
}

#[test]
fn a_switch_beside_the_times_wins() {
    let times = json!({"open": "09:00", "close": "17:00"});
    for (name, value, told) in [
        ("closed", json!(true), "closed"),
        ("closed", json!(false), "09:00-17:00"),
        ("closed", json!("yes"), "closed"),
        ("is_closed", json!(1), "closed"),
        ("isClosed", json!(true), "closed"),
        ("isOpen", json!(false), "closed"),
        ("isOpen", json!(true), "09:00-17:00"),
        ("is_open", json!("false"), "closed"),
        ("enabled", json!(false), "closed"),
        ("Enabled", json!(true), "09:00-17:00"),
        ("closed", json!(null), "09:00-17:00"),
        ("status", json!("Closed"), "closed"),
        ("note", json!("ring twice"), "09:00-17:00"),
        ("utc_offset", json!("0"), "09:00-17:00"),
        ("id", json!(7), "09:00-17:00"),
        ("break", json!(""), "09:00-17:00"),
        ("break", json!("12:00-13:00"), "not known"),
        ("lunch", json!({"open": "12:00", "close": "13:00"}), "not known"),
        ("breaks", json!([{"from": "12:00", "to": "13:00"}]), "not known"),
        ("closedFor", json!("lunch"), "not known"),
        ("day_off", json!("yes"), "not known"),
        ("closed", json!("perhaps"), "not known"),
        ("closed", json!([]), "not known"),
        ("available", json!(false), "not known"),
    ] {
        let mut day = times.clone();
        day[name] = value.clone();
        for monday in [day.clone(), json!([day])] {
            let (week, faults) = week(json!({"monday": monday, "tuesday": times}));
            assert_eq!(week[0], told, "{monday}");
            assert_eq!(week[1], "09:00-17:00");
            assert_eq!(faults.len(), usize::from(told == "not known"), "{faults:?}");
        }
    }
    for (day, told) in [
        (json!({"closed": true}), "closed"),
        (json!({"open": false}), "closed"),
        (json!({"closed": true, "isOpen": true, "open": "09:00", "close": "17:00"}), "not known"),
        (json!({"is_open": true}), "not known"),
        (json!({"closed": false}), "not known"),
        (json!({"enabled": false, "open": "", "close": ""}), "closed"),
    ] {
        assert_eq!(week(json!({"mon": day})).0[0], told, "{day}");
    }
}

#[test]
fn a_switch_beside_one_of_several_times_is_about_that_one() {
    let day = json!([{"open": "09:00", "close": "12:00"},
        {"open": "13:00", "close": "17:00", "closed": true}]);
    assert_eq!(week(json!({"mon": day})).0[0], "09:00-12:00");
    assert_eq!(week(json!({"mon": [{"closed": true}, "closed"]})).0[0], "closed");
}

#[test]
fn what_cannot_be_read_is_not_known_and_never_closed() {
    let times = json!({"open": "09:00", "close": "17:00"});
    let (told, faults) = week(json!({"mon-fri": times, "sat": "closed"}));
    let mut expected = ["not known"; 7];
    expected[5] = "closed";
    assert_eq!(told, expected);
    assert_eq!(faults, ["operating_schedule.mon-fri"]);

    for day in [
        json!(null),
        json!([times, {"closed": true}]),
        json!(["closed", times]),
        json!("9-5"),
        json!(7),
        json!([times, {}]),
        json!({"open": "nine"}),
        json!(true),
    ] {
        let (told, faults) = week(json!({"monday": day, "tuesday": times}));
        assert_eq!(told[..3], ["not known", "09:00-17:00", "closed"], "{day}");
        assert_eq!(faults, ["operating_schedule.monday"]);
    }
    for whole in [json!("Mon-Fri 9-5"), json!([times]), json!(7)] {
        assert_eq!(week(whole.clone()).0, ["not known"; 7], "{whole}");
    }
    let (told, faults) = week(json!({"mon": times, "monday": "closed"}));
    assert_eq!((told[0].as_str(), faults.len()), ("not known", 1));
    let (told, faults) =
        week(json!({"mon": times, "tue": times, "exceptions": {"2026-11-24": "early"}}));
    assert_eq!(told[..2], ["09:00-17:00", "not known"]);
    assert_eq!(faults, ["operating_schedule.exceptions.2026-11-24"]);
    let dates = json!(["2026-11-23", {"date": "2026-11-24", "open": "10:00", "close": "11:00"}, 7]);
    let (told, faults) = week(json!({"mon": times, "tue": times, "exceptions": dates}));
    assert_eq!(told[..2], ["closed", "10:00-11:00"]);
    assert_eq!(faults, ["operating_schedule.exceptions"]);
}

#[test]
fn whether_it_is_open_is_not_known_on_a_day_that_is_not() {
    let mut faults = Faults::default();
    let schedule = json!({"mon": "9-5", "sun": {"open": "20:00", "close": "02:00"}});
    let hours = Hours::read(Some(&schedule), Some("UTC"), &mut faults);
    // 2026-11-23 is a Monday.
    assert_eq!(open(&hours, "2026-11-23T01:00:00Z"), Some(true));
    assert_eq!(open(&hours, "2026-11-23T12:00:00Z"), None);
    assert_eq!(open(&hours, "2026-11-24T12:00:00Z"), Some(false));
    assert_eq!(hours.of("2026-11-23".parse().unwrap()), DayHours::NotKnown);
    assert!(hours.are_kept());
}

#[test]
fn a_minute_to_midnight_is_midnight() {
    let day = json!({"open": "08:00", "close": "23:59"});
    let hours = hours(json!({"mon": day, "tue": {"open": "00:00", "close": "11:59 pm"}}), "UTC");
    assert_eq!(open(&hours, "2026-11-23T23:59:30Z"), Some(true));
    assert_eq!(open(&hours, "2026-11-24T23:59:30Z"), Some(true));
    assert_eq!(open(&hours, "2026-11-25T00:00:00Z"), Some(false));
    let now: Zoned = "2026-11-23T12:00:00Z[UTC]".parse().unwrap();
    let told: Vec<_> = hours.coming_days(&now, 2).into_iter().map(|day| day.hours).collect();
    assert_eq!(told, [Some("08:00-00:00".to_owned()), Some("24 hours".to_owned())]);
}
