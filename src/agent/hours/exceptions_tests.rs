//! What comes of the days that owners name by their date, as they write it.

use serde_json::json;

use super::*;

/// Open every day, so that whatever is not read shows.
fn every_day() -> Value {
    let times = json!({"open": "09:00", "close": "17:00"});
    json!({"mon": times, "tue": times, "wed": times, "thu": times, "fri": times, "sat": times, "sun": times})
}

fn read(schedule: &Value) -> (Hours, Vec<String>) {
    let mut faults = Faults::default();
    let hours = Hours::read(Some(schedule), Some("Europe/London"), &mut faults);
    (hours, faults.0.iter().map(ToString::to_string).collect())
}

/// The days of two years that are closed and those that are not known, in order.
fn odd_days(schedule: &Value) -> (Vec<String>, Vec<String>) {
    let (hours, _) = read(schedule);
    let first: Date = "2026-01-01".parse().unwrap();
    let days = std::iter::successors(Some(first), |date| date.tomorrow().ok()).take(730);
    let (mut closed, mut unknown) = (Vec::new(), Vec::new());
    for date in days {
        match hours.of(date) {
            DayHours::Known(ranges) if ranges.is_empty() => closed.push(date.to_string()),
            DayHours::NotKnown => unknown.push(date.to_string()),
            _ => {}
        }
    }
    (closed, unknown)
}

fn texts(days: &[&str]) -> Vec<String> {
    days.iter().map(ToString::to_string).collect()
}

/// Every way to write a day beside the week.
fn everywhere(name: &str, value: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for place in ["", "exceptions", "holidays"] {
        let mut schedule = every_day();
        match place {
            "" => schedule[name] = value.clone(),
            _ => schedule[place] = json!({ name: value }),
        }
        all.push(schedule);
    }
    all
}

#[test]
fn a_date_that_can_mean_one_day_only_is_read_wherever_it_stands() {
    let this_year = ["2026-12-25"].as_slice();
    let every_year = ["2026-12-25", "2027-12-25"].as_slice();
    for (name, days) in [
        ("2026-12-25", this_year),
        (" 2026-12-25 ", this_year),
        ("2026/12/25", this_year),
        ("2026.12.25", this_year),
        ("2026_12_25", this_year),
        ("20261225", this_year),
        ("2026‑12‑25", this_year),
        ("2026-12-25T00:00:00.000Z", this_year),
        ("2026-12-25 00:00:00", this_year),
        ("25.12.2026", this_year),
        ("25. 12. 2026", this_year),
        ("25-12-2026", this_year),
        ("12/25/2026", this_year),
        ("25/12/2026", this_year),
        ("12/25/26", this_year),
        ("25.12.26", this_year),
        ("25 Dec 2026", this_year),
        ("25-Dec-2026", this_year),
        ("25th of December, 2026", this_year),
        ("December 25, 2026", this_year),
        ("Dec. 25th 2026", this_year),
        ("Friday, December 25, 2026", this_year),
        ("Fri 25.12.2026", this_year),
        ("25. Dezember 2026", this_year),
        ("25 de diciembre de 2026", this_year),
        ("25 décembre 2026", this_year),
        ("12-25", every_year),
        ("12/25", every_year),
        ("25/12", every_year),
        ("25.12.", every_year),
        ("25.12", every_year),
        ("--12-25", every_year),
        ("Dec 25", every_year),
        ("25th December", every_year),
        ("25. Dez.", every_year),
        ("Christmas Day", every_year),
        ("christmas", every_year),
    ] {
        for schedule in everywhere(name, &json!("closed")) {
            let (closed, unknown) = odd_days(&schedule);
            assert_eq!(
                (closed.as_slice(), unknown.len()),
                (texts(days).as_slice(), 0),
                "{schedule}"
            );
            assert_eq!(read(&schedule).1, [""; 0], "{schedule}");
        }
    }
}

#[test]
fn a_date_that_may_mean_several_days_makes_all_of_them_not_known() {
    for (name, days) in [
        ("03/04/2026", ["2026-03-04", "2026-04-03"].as_slice()),
        ("3-4-2026", &["2026-03-04", "2026-04-03"]),
        ("03/04/26", &["2026-03-04", "2026-04-03"]),
        ("03/04", &["2026-03-04", "2026-04-03", "2027-03-04", "2027-04-03"]),
        ("closed on 03/04/2026", &["2026-03-04", "2026-04-03"]),
        ("26-12-27", &["2026-12-27", "2027-12-26"]),
        ("2026-12-24T23:00:00Z", &["2026-12-23", "2026-12-24", "2026-12-25"]),
        // A Friday.
        ("Monday, 25.12.2026", &["2026-12-25"]),
        ("Fri 25 Dec", &["2026-12-25", "2027-12-25"]),
        ("24, 25 and 26 Dec 2026", &["2026-12-24", "2026-12-25", "2026-12-26"]),
        (
            "Dec 24-26",
            &["2026-12-24", "2026-12-25", "2026-12-26", "2027-12-24", "2027-12-25", "2027-12-26"],
        ),
        ("2026-12-24 and 2026-12-26", &["2026-12-24", "2026-12-25", "2026-12-26"]),
        ("Company party (25.12.2026)", &["2026-12-25"]),
    ] {
        for schedule in everywhere(name, &json!("closed")) {
            let (closed, unknown) = odd_days(&schedule);
            assert_eq!((unknown, closed.len()), (texts(days), 0), "{schedule}");
            assert_eq!(read(&schedule).1.len(), 1, "{schedule}");
        }
    }
    // With dots the day is first.
    let schedule =
        json!({"mon": every_day()["mon"], "03.04.2026": [{"open": "10:00", "close": "11:00"}]});
    let (hours, faults) = read(&schedule);
    assert!(
        matches!(hours.of("2026-04-03".parse().unwrap()), DayHours::Known(of) if of.len() == 1)
    );
    assert_eq!(faults, [""; 0]);
    let (_, months) =
        odd_days(&json!({"mon": every_day()["mon"], "exceptions": {"August 2026": []}}));
    assert_eq!((months.len(), months[0].as_str()), (31, "2026-08-01"));
}

#[test]
fn several_days_are_written_in_one_line() {
    let days = ["2026-12-24", "2026-12-25", "2026-12-26"].map(str::to_owned);
    for name in [
        "2026-12-24 - 2026-12-26",
        "2026-12-24/2026-12-26",
        "2026-12-24 to 2026-12-26",
        "2026-12-24..2026-12-26",
        "2026-12-24 – 2026-12-26",
        "24.12.2026 bis 26.12.2026",
        "24.12. - 26.12.2026",
        "24.-26.12.2026",
        "24-26 December 2026",
        "24 Dec to 26 Dec 2026",
    ] {
        for schedule in everywhere(name, &json!([])) {
            assert_eq!(odd_days(&schedule), (days.to_vec(), vec![]), "{schedule}");
        }
    }
    let (closed, unknown) = odd_days(&everywhere("Dec 31 - Jan 1", &json!("closed"))[0]);
    assert_eq!(closed, ["2026-01-01", "2026-12-31", "2027-01-01", "2027-12-31"]);
    assert_eq!(unknown, [""; 0]);
    for item in [
        json!({"from": "2026-12-24", "to": "2026-12-26", "closed": true}),
        json!({"start_date": "24.12.2026", "endDate": "26.12.2026", "closed": true}),
        json!({"dates": ["2026-12-24", "2026-12-25", "26 Dec 2026"], "closed": true, "name": "Xmas"}),
    ] {
        for exceptions in [json!([item]), item.clone(), json!({"Winter": item})] {
            let mut schedule = every_day();
            schedule["exceptions"] = exceptions;
            assert_eq!(odd_days(&schedule), (days.to_vec(), vec![]), "{schedule}");
        }
    }
}

#[test]
fn lists_of_holidays_are_closed_days() {
    for (name, list) in [
        ("holidays", json!(["2026-12-25", "01.01.2027"])),
        ("Holidays", json!("2026-12-25, 01.01.2027")),
        ("closures", json!([{"date": "12/25/2026", "name": "Christmas"}, {"date": "2027-01-01"}])),
        ("holidays", json!({"Christmas party": "2026-12-25", "Hangover": "1 January 2027"})),
        ("closed_dates", json!([20_261_225, "20270101"])),
        ("closedDates", json!("Dec 25, 2026; Jan 1, 2027")),
    ] {
        let mut schedule = every_day();
        schedule[name] = list;
        let (closed, unknown) = odd_days(&schedule);
        assert_eq!(
            (closed.as_slice(), unknown.len()),
            (["2026-12-25", "2027-01-01"].map(str::to_owned).as_slice(), 0),
            "{schedule}"
        );
        assert_eq!(read(&schedule).1, [""; 0], "{schedule}");
    }
}

#[test]
fn what_is_not_understood_of_a_day_makes_it_not_known() {
    let day = vec!["2026-12-25".to_owned()];
    for exceptions in [
        json!({"2026-12-25": "early"}),
        json!({"25.12.2026": {"from": "9", "to": "12"}}),
        json!({"2026-12-25": false}),
        json!([{"date": "2026-12-25", "name": "Christmas"}]),
        json!([{"when": "2026-12-25", "closed": true}]),
        json!([["2026-12-25", "closed"]]),
        json!({"2026": {"25.12.2026": "closed"}}),
        json!({"closed": ["2026-12-25"]}),
        json!({"Party": "on 25 Dec 2026 from noon"}),
        json!("from 25.12.2026 on we are on holiday"),
        // Twice, and not the same.
        json!([{"date": "2026-12-25", "closed": true}, {"date": "25.12.2026", "open": "9", "close": "10"}]),
    ] {
        let mut schedule = every_day();
        schedule["exceptions"] = exceptions;
        assert_eq!(odd_days(&schedule), (vec![], day.clone()), "{schedule}");
        assert_eq!(read(&schedule).1.len(), 1, "{schedule}");
    }
    let mut schedule = every_day();
    schedule["days off"] = json!(["2026-12-25"]);
    assert_eq!(odd_days(&schedule), (vec![], day));
    // At two places: the year's own word counts, and where they are of one kind neither.
    let mut schedule = every_day();
    schedule["12-25"] = json!("closed");
    schedule["exceptions"] = json!({"2026-12-25": [{"open": "10:00", "close": "12:00"}]});
    assert_eq!(odd_days(&schedule), (vec!["2027-12-25".to_owned()], vec![]));
    schedule["holidays"] = json!(["2026-12-25"]);
    assert_eq!(odd_days(&schedule).1, ["2026-12-25"]);
}

#[test]
fn a_name_without_any_date_is_reported_and_closes_nothing() {
    for name in [
        "Thanksgiving",
        "easter_monday",
        "Labour Day",
        "2026-13-45",
        "31.02.2026",
        "32.13.2026",
        "25 Smarch 2026",
    ] {
        for schedule in everywhere(name, &json!("closed")) {
            assert_eq!(odd_days(&schedule), (vec![], vec![]), "{schedule}");
            let faults = read(&schedule).1;
            assert_eq!(faults.len(), 1, "{schedule}");
            assert!(faults[0].ends_with("no day is changed by it"), "{faults:?}");
        }
        // Nor is a day that was left out anything but closed.
        let (hours, _) = read(&json!({"mon": every_day()["mon"], name: "closed"}));
        assert_eq!(hours.of("2026-11-24".parse().unwrap()), DayHours::Known(vec![]));
        let (hours, _) = read(&json!({"exceptions": {name: "closed"}}));
        assert_eq!(hours.of("2026-11-24".parse().unwrap()), DayHours::NotKept);
    }
    // What may be about weekdays is: the days that are left out are not known.
    for name in ["weekdays", "09:00-17:00", "9-17", "mon-fri"] {
        let (hours, _) = read(&json!({name: ["mon", "tue"], "sat": "closed"}));
        assert_eq!(hours.of("2026-11-24".parse().unwrap()), DayHours::NotKnown, "{name}");
    }
}

#[test]
fn more_dates_than_anybody_keeps_are_not_read() {
    let mut schedule = every_day();
    let lines = (2000..2199).map(|year| (format!("{year}-01-01 to {year}-12-31"), json!([])));
    schedule["exceptions"] = Value::Object(lines.collect());
    let (hours, faults) = read(&schedule);
    assert_eq!(hours.of("2026-11-24".parse().unwrap()), DayHours::NotKnown);
    assert_eq!(faults.len(), 1, "{faults:?}");
}

#[test]
fn as_many_dates_as_are_said_to_be_kept_are_kept() {
    let first: jiff::civil::Date = "2026-12-01".parse().unwrap();
    let days = |count: i64| -> Vec<String> {
        (0..count).map(|n| first.saturating_add(jiff::Span::new().days(n)).to_string()).collect()
    };
    for (count, is_known) in [(2_000, true), (2_001, false)] {
        let mut schedule = every_day();
        schedule["exceptions"] = json!(days(count));
        let (hours, _) = read(&schedule);
        let tuesday = hours.of("2026-11-24".parse().unwrap());
        assert_eq!(tuesday != DayHours::NotKnown, is_known, "{count}");
        let closed = hours.of("2026-12-01".parse().unwrap()) == DayHours::Known(vec![]);
        assert_eq!(closed, is_known, "{count}");
    }
}

/// A row of a quarter of a megabyte held up all calls: the same few days were read 9,000 times.
#[test]
fn entries_that_name_the_same_days_again_are_counted_too() {
    for entry in ["0001-01-01 to 9999-12-31", "2026-01-01 to 2026-12-30", "2026-12-25", "some day"]
    {
        let mut schedule = every_day();
        schedule["exceptions"] = json!(vec![entry; 9_000]);
        let (hours, faults) = read(&schedule);
        assert_eq!(hours.of("2026-11-24".parse().unwrap()), DayHours::NotKnown, "{entry}");
        assert!(faults.len() <= 101, "{entry}: {}", faults.len());
    }
}
