//! Tests of the editor: what is stored comes back, what is sent is understood, what is odd is named.

use serde_json::json;

use super::*;
use crate::agent::{Agent, AgentSource, BusinessSource};

fn hours(schedule: Value) -> Hours {
    let business = BusinessSource {
        operating_schedule: Some(schedule),
        timezone: Some("Europe/London".to_owned()),
        ..BusinessSource::default()
    };
    Agent::new(AgentSource { business: Some(business), ..AgentSource::default() }).hours
}

fn today() -> Date {
    Date::constant(2026, 11, 29)
}

fn sent(pairs: &[(&str, &str)]) -> Sent {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn faults(schedule: &Value) -> Vec<String> {
    let business =
        BusinessSource { operating_schedule: Some(schedule.clone()), ..BusinessSource::default() };
    let agent = Agent::new(AgentSource { business: Some(business), ..AgentSource::default() });
    let faults = agent.faults.iter().map(ToString::to_string);
    faults.filter(|fault| fault.starts_with("operating_schedule")).collect()
}

/// What is wrong with what is sent, where nothing is stored.
fn wrong(pairs: &[(&str, &str)]) -> Vec<Wrong> {
    let stored = Editor::stored(&hours(Value::Null), today());
    Editor::sent(&sent(pairs)).changed(&stored).unwrap_err()
}

fn fields(wrong: &[Wrong]) -> Vec<&str> {
    wrong.iter().map(|(field, _)| field.as_str()).collect()
}

#[test]
fn what_is_stored_comes_back_as_it_was() {
    let schedule = json!({
        "monday": [{"open": "09:00", "close": "12:00"}, {"open": "13:00", "close": "17:30"}],
        "tuesday": [{"open": "18:00", "close": "02:00"}], "wednesday": [], "thursday": [],
        "friday": [{"open": "00:00", "close": "23:59"}], "saturday": [], "sunday": [],
        "exceptions": {"2026-12-24": [], "2026-12-25": [], "2026-12-31":
            [{"open": "10:00", "close": "13:00"}], "01-01": [], "02-29": []},
    });
    let stored = Editor::stored(&hours(schedule.clone()), today());
    assert_eq!(stored.schedule(), Ok(schedule));
    let titles: Vec<String> = stored.dates.iter().map(Dated::title).collect();
    assert_eq!(
        titles,
        [
            "Thu 24 December 2026 to Fri 25 December 2026",
            "Thu 31 December 2026",
            "1 January, every year",
            "29 February, every year"
        ]
    );
    assert_eq!(stored.changed(&stored), Ok(None));
    let none = Editor::stored(&hours(Value::Null), today());
    assert_eq!((none.keeps, none.schedule()), (false, Ok(Value::Null)));
}

/// `07-04` was written for the 4th of July, and refused: it may be in April.
#[test]
fn every_day_of_the_year_is_read_as_it_was_chosen() {
    let first = Date::constant(2028, 1, 1);
    let nothing = Editor::stored(&hours(Value::Null), today());
    for day in std::iter::successors(Some(first), |day| day.tomorrow().ok()).take(366) {
        let chosen = day.to_string();
        let form = sent(&[("keeps", "none"), ("date0.from", &chosen), ("date0.yearly", "yes")]);
        let schedule = Editor::sent(&form).changed(&nothing).unwrap().unwrap();
        assert_eq!(faults(&schedule), [""; 0], "{schedule}");
        let read = hours(schedule.clone());
        let expected = (WrittenDay::Yearly(day.month(), day.day()), Written::Known(vec![]));
        assert_eq!(read.dates(), [expected], "{schedule}");
        // It is shown as what it is, and saved again it is the same.
        let shown = Editor::stored(&read, first);
        assert_eq!(shown.dates[0].from, chosen);
        assert_eq!(shown.schedule(), Ok(schedule));
    }
    let whole = [("date0.from", "2028-01-01"), ("date0.to", "2028-12-31"), ("date0.yearly", "yes")];
    let schedule = Editor::sent(&sent(&whole)).changed(&nothing).unwrap().unwrap();
    assert_eq!(hours(schedule).dates().len(), 366);
}

#[test]
fn a_fault_ends_with_one_full_stop() {
    let shown = |why: &str| {
        let wrong = [("exceptions.x".to_owned(), why.to_owned())];
        Editor::sent(&sent(&[])).fields(&wrong, "/x").into_string()
    };
    for why in ["choose a date", "Write a date such as 2026-12-25."] {
        let said = format!("{}.</p>", why.trim_end_matches('.'));
        assert!(shown(why).contains(&said), "{}", shown(why));
    }
}

#[test]
fn mondays_hours_are_copied_to_the_working_days() {
    let sent = sent(&[
        ("monday.0.open", "09:00"),
        ("monday.0.close", "17:00"),
        ("copy", "monday"),
        ("friday.0.open", "08:00"),
        ("friday.0.close", "12:00"),
        ("saturday.1.open", "10:00"),
        ("saturday.1.close", "12:00"),
    ]);
    let schedule = Editor::sent(&sent).schedule().unwrap();
    assert_eq!(schedule["friday"], json!([{"open": "09:00", "close": "17:00"}]));
    assert_eq!(schedule["saturday"], json!([{"open": "10:00", "close": "12:00"}]));
    assert_eq!(schedule["sunday"], json!([]));
    let shown = Editor::sent(&sent).fields(&[], "/x").into_string();
    assert!(shown.contains("Monday’s hours stand for Monday to Friday now."), "{shown}");
}

#[test]
fn what_is_not_written_in_full_is_named() {
    for (name, value, field) in [
        ("tuesday.0.open", "09:00", "tuesday.0.close"),
        ("tuesday.1.close", "09:00", "tuesday.0.open"),
        ("date0.from", "Christmas", "date0.from"),
        ("date0.to", "2026-12-25", "date0.from"),
        ("date0.0.open", "09:00", "date0.0.close"),
    ] {
        assert_eq!(wrong(&[(name, value)])[0].0, field, "{name}");
    }
    let twice = wrong(&[
        ("date0.from", "2026-12-20"),
        ("date0.to", "2026-12-26"),
        ("date1.from", "2026-12-25"),
    ]);
    assert_eq!(twice, [("date1.from".to_owned(), "2026-12-25 is there twice".to_owned())]);
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let pairs = [
        ("monday.0.open", "18:00"),
        ("monday.0.close", "09:00"),
        ("tuesday.0.open", "09:00"),
        ("wednesday.0.open", "08:00"),
        ("wednesday.0.close", "17:00"),
        ("wednesday.1.open", "16:00"),
        ("wednesday.1.close", "19:00"),
        ("date0.from", "2026-12-26"),
        ("date0.to", "2026-12-24"),
    ];
    let wrong = wrong(&pairs);
    let expected = ["monday.0.close", "tuesday.0.close", "wednesday.1.open", "date0.to"];
    assert_eq!(fields(&wrong), expected);
    let told = Editor::sent(&sent(&pairs)).told(&wrong);
    let told: Vec<_> = told.iter().map(|(id, name, _)| (id.as_str(), name.as_str())).collect();
    assert_eq!(
        told,
        [
            ("monday-0-close", "Monday"),
            ("tuesday-0-close", "Tuesday"),
            ("wednesday-1-open", "Wednesday"),
            ("date0-to", "Sat 26 December 2026 to Thu 24 December 2026"),
        ]
    );
    // Each is the id of a field.
    let shown = Editor::sent(&sent(&pairs)).fields(&wrong, "/x").into_string();
    for (id, _) in told {
        assert!(shown.contains(&format!("id=\"{id}\"")), "{id}: {shown}");
    }
    assert_eq!(shown.matches("aria-invalid=\"true\"").count(), expected.len(), "{shown}");
}

#[test]
fn a_night_that_is_ticked_is_taken_and_what_is_stored_may_stay() {
    let night =
        [("monday.0.open", "18:00"), ("monday.0.close", "02:00"), ("monday.0.overnight", "yes")];
    let nothing = Editor::stored(&hours(Value::Null), today());
    let schedule = Editor::sent(&sent(&night)).changed(&nothing).unwrap().unwrap();
    assert_eq!(schedule["monday"], json!([{"open": "18:00", "close": "02:00"}]));
    // The tick is shown where such hours are stored.
    let stored = Editor::stored(&hours(schedule), today());
    let shown = stored.fields(&[], "/x").into_string();
    assert!(shown.contains("name=\"monday.0.overnight\" value=\"yes\" checked"), "{shown}");
    // Hours that somebody wrote in SQL do not stand in the way of another day's.
    let odd = json!({"monday": [{"open": "09:00", "close": "17:00"},
        {"open": "16:00", "close": "19:00"}], "friday": []});
    let stored = Editor::stored(&hours(odd), today());
    let mut friday = vec![
        ("monday.0.open", "09:00"),
        ("monday.0.close", "17:00"),
        ("monday.1.open", "16:00"),
        ("monday.1.close", "19:00"),
        ("friday.0.open", "09:00"),
        ("friday.0.close", "12:00"),
    ];
    assert!(Editor::sent(&sent(&friday)).changed(&stored).unwrap().is_some());
    friday.push(("monday.2.open", "18:00"));
    friday.push(("monday.2.close", "20:00"));
    let wrong = Editor::sent(&sent(&friday)).changed(&stored).unwrap_err();
    assert_eq!(fields(&wrong), ["monday.1.open"]);
}

#[test]
fn what_cannot_be_read_is_written_anew() {
    let stored = Editor::stored(&hours(json!({"monday": "whenever"})), today());
    assert!(stored.unread[0] && stored.keeps);
    let sent = Editor { unread: [false; 7], ..stored.clone() };
    assert!(sent.changed(&stored).unwrap().is_some());
}
