//! A business whose hours or zone cannot be read: the agent says that it does not know them, and no
//! appointment is written down.

use serde_json::{Value, json};

use crate::booking::{act, appointments, call, lines};
use crate::harness::House;

/// A call in which the model asks for free times on a Monday and books one. What both functions
/// answer.
async fn asks_and_books(schedule: Value, zone: &str) -> (House, Vec<Value>) {
    let booking = json!({"name": "Maria Lopez", "date": "2029-11-26", "time": "10:00", "service": "cleaning"});
    let turns = vec![
        act("On Monday?", vec![call("check_availability", json!({"date": "2029-11-26"}))], "So."),
        act("At ten.", vec![call("book_appointment", booking)], "I see."),
    ];
    let house = House::with(turns, json!({"knowledge": {"budget_ms": 5000}})).await;
    house
        .change(&format!(
            "insert into business_details (voice_agent_id, business_name, business_timezone,
                operating_schedule, default_appointment_length)
            values ('{}', 'Bright Smiles', '{zone}', '{schedule}', 30)",
            house.agent
        ))
        .await;
    let (report, row) = house.call(lines(2)).await;
    assert_eq!((report.errors, row.end()), (vec![], ("completed", "caller")));
    let functions = row.metadata()["functions"].as_array().unwrap().clone();
    assert_eq!(functions.len(), 2);
    (house, functions)
}

fn instructions(house: &House) -> String {
    let updates = house.speech.observer().received("session.update");
    updates[0].event["session"]["instructions"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_day_that_is_switched_off_is_closed_whatever_its_times_say() {
    let times =
        |switch: &str, value: Value| json!({"open": "09:00", "close": "17:00", switch: value});
    for monday in [times("closed", json!(true)), times("isOpen", json!(false))] {
        let tuesday = times("closed", json!(false));
        let schedule = json!({"monday": monday, "tuesday": tuesday});
        let (house, functions) = asks_and_books(schedule, "America/New_York").await;
        assert_eq!(functions[0]["result"]["free"], false, "{}", functions[0]);
        assert_eq!(functions[1]["ok"], false);
        let why = functions[1]["result"]["error"].as_str().unwrap();
        assert!(why.contains("not open") && why.contains("Nothing was booked"), "{why}");
        assert_eq!(appointments(&house).await.len(), 0);
    }
}

#[tokio::test]
async fn on_a_day_that_cannot_be_read_nothing_is_offered_or_booked_and_it_is_said() {
    let times = json!({"open": "09:00", "close": "17:00"});
    for schedule in [json!({"mon-fri": times}), json!({"monday": "9 to 5", "tuesday": times})] {
        let (house, functions) = asks_and_books(schedule, "America/New_York").await;
        let found = &functions[0]["result"];
        assert_eq!(found["free"], false, "{found}");
        assert_eq!(found["days_not_known"], json!([{"date": "2029-11-26", "weekday": "Monday"}]));
        assert_eq!(functions[1]["ok"], false);
        let why = functions[1]["result"]["error"].as_str().unwrap();
        assert!(why.contains("Monday 2029-11-26 are not known"), "{why}");
        assert_eq!(appointments(&house).await.len(), 0);
        let told = instructions(&house);
        assert!(told.contains(": not known"), "{told}");
    }
}

#[tokio::test]
async fn in_a_zone_that_cannot_be_read_nothing_is_offered_or_booked() {
    let times = json!({"open": "09:00", "close": "17:00"});
    let schedule = json!({"monday": times});
    let (house, functions) = asks_and_books(schedule.clone(), "Eastern Time Zone").await;
    for function in &functions {
        let why = function["result"]["error"].as_str().unwrap();
        assert!(why.contains("time zone is not known"), "{why}");
        assert_eq!(function["ok"], false);
    }
    assert_eq!(appointments(&house).await.len(), 0);
    assert!(instructions(&house).contains("another time zone, which is not known to you"));

    // A name of Windows is a zone.
    let (house, functions) = asks_and_books(schedule, "Eastern Standard Time").await;
    assert_eq!((&functions[0]["ok"], &functions[1]["ok"]), (&json!(true), &json!(true)));
    let booked = appointments(&house).await;
    assert_eq!((&booked[0]["date"], &booked[0]["time"]), (&json!("2029-11-26"), &json!("10:00")));
}
