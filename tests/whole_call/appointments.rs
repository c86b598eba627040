//! Appointments by telephone: what the model is told, and what the rows say.

use frontdesk::rehearsal::phone::Step;
use frontdesk::rehearsal::speech::SpeechOptions;
use frontdesk::rehearsal::speech::script::{FunctionCall, Script, Turn};
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use serde_json::{Value, json};

use crate::harness::{DEADLINE, House, NUMBER, Plan, Row, TOKEN, say, script, turn, until, voice};
use crate::proxy::Wire;

const ZONE: &str = "Europe/London";
const CALLER: &str = "+15551230001";

/// A turn in which the model calls these.
fn calls(functions: &[(&str, Value)]) -> Turn {
    let call = |(name, arguments): &(&str, Value)| FunctionCall {
        name: (*name).to_owned(),
        arguments: arguments.clone(),
    };
    Turn {
        functions: functions.iter().map(call).collect(),
        after_functions: Some("So it is.".to_owned()),
        ..turn("Can you do that?", "")
    }
}

/// A business in London that is open from nine to five on weekdays and takes an hour for each.
async fn house(turns: Vec<Turn>, is_wired: bool) -> House {
    let speech = SpeechOptions { script: script(turns), ..SpeechOptions::default() };
    let house = House::open(Plan { speech, is_wired, ..Plan::default() }).await;
    let day = r#"{"open": "09:00", "close": "17:00"}"#;
    house
        .change(&format!(
            r#"insert into business_details (voice_agent_id, default_appointment_length,
                business_timezone, operating_schedule)
            values ('{}', 60, '{ZONE}', '{{"mon": {day}, "tue": {day}, "wed": {day},
                "thu": {day}, "fri": {day}, "sat": [], "sun": []}}')"#,
            house.agent
        ))
        .await;
    house
}

/// A call in which the caller says so many things, and its functions' results.
async fn call(house: &House, turns: usize, from: &str) -> (Vec<Value>, Row) {
    let mut steps = vec![Step::wait_for_agent()];
    steps.extend((0..turns).flat_map(|_| [say(0), Step::wait_for_agent()]));
    steps.push(Step::HangUp);
    let mut options = house.options();
    options.from = from.to_owned().into();
    let call = house.place(options, steps).ended().await;
    assert_eq!(call.errors, [""; 0]);
    let row = house.row(&call.call_sid).await;
    let functions = row.metadata()["functions"].as_array().unwrap();
    let results = functions.iter().map(|function| {
        assert_eq!(function["ok"], function["result"]["ok"], "{function}");
        function["result"].clone()
    });
    (results.collect(), row)
}

/// The Monday after next, where the business is.
fn monday() -> Date {
    let zone = TimeZone::get(ZONE).unwrap();
    let now = frontdesk::clock::unix_now();
    let now = Timestamp::from_second(i64::try_from(now.as_secs()).unwrap()).unwrap();
    let date = now.to_zoned(zone).date() + 7.days();
    date.nth_weekday(1, Weekday::Monday).unwrap()
}

fn tuesday() -> Date {
    monday().tomorrow().unwrap()
}

fn local(date: Date, time: &str) -> Zoned {
    date.to_datetime(time.parse::<Time>().unwrap()).in_tz(ZONE).unwrap()
}

/// An appointment that somebody else wrote.
async fn write(house: &House, date: Date, time: &str, name: &str, phone: &str) {
    let start = local(date, time).timestamp();
    house
        .sql(&format!(
            "insert into appointments (voice_agent_id, name, phone_number, service, schedule_time)
            values ('{}', '{name}', '{phone}', 'Check-up', '{start}')",
            house.agent
        ))
        .await;
}

/// All appointments: name, number, service, notes, status, minutes and when, in order.
async fn rows(house: &House) -> Vec<Value> {
    let rows = sqlx::query_scalar(
        "select jsonb_build_array(name, phone_number, service, special_notes, status,
            duration_minutes, extract(epoch from schedule_time)::bigint)
        from appointments order by schedule_time, name",
    );
    rows.fetch_all(&house.pool).await.unwrap()
}

fn said(date: Date, time: &str) -> Value {
    let weekday = date.strftime("%A").to_string();
    json!({"date": date.to_string(), "weekday": weekday, "time": time})
}

fn times(offers: &Value) -> Vec<&str> {
    offers.as_array().unwrap().iter().map(|offer| offer["time"].as_str().unwrap()).collect()
}

fn error(result: &Value) -> &str {
    assert_eq!(result["ok"], false, "{result}");
    result["error"].as_str().unwrap()
}

fn booking(date: Date, time: &str) -> (&'static str, Value) {
    let arguments = json!({"date": date.to_string(), "time": time, "name": "Ana Pérez"});
    ("book_appointment", arguments)
}

#[tokio::test]
async fn a_caller_finds_a_time_books_it_moves_it_and_cancels_it() {
    let (monday, tuesday) = (monday(), tuesday());
    let (_, mut booking) = booking(monday, "14:00");
    booking["service"] = "Check-up".into();
    booking["notes"] = "First visit".into();
    let moving =
        json!({"name": "ana perez", "new_date": tuesday.to_string(), "new_time": "9:30 am"});
    let turns = vec![
        calls(&[("check_availability", json!({"date": monday.to_string()}))]),
        calls(&[("book_appointment", booking)]),
        calls(&[("reschedule_appointment", moving)]),
        calls(&[("cancel_appointment", json!({"name": "Pérez"}))]),
    ];
    let house = house(turns, false).await;
    let (results, row) = call(&house, 4, CALLER).await;
    let [free, booked, moved, cancelled] = &results[..] else { panic!("{results:?}") };

    assert_eq!(
        (&free["ok"], &free["free"], &free["minutes"]),
        (&json!(true), &json!(true), &json!(60))
    );
    assert_eq!(free["offers"][0], said(monday, "09:00"));
    let offered = ["09:00", "10:00", "11:00", "12:00", "13:00", "14:00", "15:00", "16:00"];
    assert_eq!(times(&free["offers"]), offered, "some of fifteen");
    let mut expected = said(monday, "14:00");
    expected["name"] = "Ana Pérez".into();
    expected["service"] = "Check-up".into();
    assert_eq!(*booked, json!({"ok": true, "booked": expected}));
    expected["date"] = tuesday.to_string().into();
    expected["weekday"] = "Tuesday".into();
    expected["time"] = "09:30".into();
    let before = said(monday, "14:00");
    assert_eq!(*moved, json!({"ok": true, "rescheduled": expected, "before": before}));
    assert_eq!(*cancelled, json!({"ok": true, "cancelled": expected}));

    let when = local(tuesday, "09:30").timestamp().as_second();
    let expected = json!(["Ana Pérez", CALLER, "Check-up", "First visit", "cancelled", 60, when]);
    assert_eq!(rows(&house).await, [expected]);
    assert_eq!(row.metadata()["turns"][1]["functions"], json!(["book_appointment"]));
}

#[tokio::test]
async fn a_time_that_cannot_be_booked_is_refused_with_the_nearest_that_can() {
    let monday = monday();
    let change = |is_gap: bool| {
        let zone = TimeZone::get(ZONE).unwrap();
        let start = local(monday, "00:00").timestamp();
        let changes = zone.following(start).take(2).collect::<Vec<_>>();
        // At 01:00 UTC the clock goes to summer time and back.
        let found = changes.iter().find(|change| change.dst().is_dst() == is_gap).unwrap();
        zone.to_datetime(found.timestamp()).date()
    };
    let saturday = monday + 5.days();
    let turns = vec![calls(&[
        booking(monday, "14:30"),
        booking(saturday, "14:00"),
        booking(monday, "16:30"),
        booking(monday - 30.days(), "14:00"),
        booking(change(true), "01:30"),
        booking(change(false), "01:30"),
        ("book_appointment", json!({"date": "Monday", "time": "14:00", "name": "Ana"})),
        ("book_appointment", json!({"date": monday.to_string(), "time": "14:00"})),
        ("check_availability", json!({"date": monday.to_string(), "time": "14:00"})),
        ("check_availability", json!({"date": saturday.to_string(), "days": 2})),
    ])];
    let house = house(turns, false).await;
    write(&house, monday, "14:00", "Other", "+15559990000").await;
    let (results, _) = call(&house, 1, CALLER).await;
    let [taken, closed, too_long, past, skipped, twice, no_date, no_name, asked, weekend] =
        &results[..]
    else {
        panic!("{results:?}")
    };
    assert!(error(taken).contains("taken"), "{taken}");
    assert_eq!(times(&taken["offers"]), ["15:00", "15:30", "13:00"]);
    assert_eq!(taken["offers"][0], said(monday, "15:00"));
    assert!(error(closed).contains("not open"), "{closed}");
    assert_eq!(closed["offers"][0], said(monday + 4.days(), "16:00"));
    assert!(error(too_long).contains("not open for the 60 minutes"), "{too_long}");
    assert_eq!(too_long["offers"][0], said(monday, "16:00"));
    assert!(error(past).contains("passed"), "{past}");
    assert!(error(skipped).contains("no 01:30"), "{skipped}");
    assert!(error(twice).contains("comes twice"), "{twice}");
    for refused in [taken, closed, too_long, past, skipped, twice] {
        assert_eq!(refused["offers"].as_array().unwrap().len(), 3, "{refused}");
    }
    assert!(error(no_date).contains("YYYY-MM-DD"), "{no_date}");
    assert!(error(no_name).contains("name is missing"), "{no_name}");
    assert_eq!((&asked["ok"], &asked["free"]), (&json!(true), &json!(false)));
    assert!(asked["note"].as_str().unwrap().contains("taken"), "{asked}");
    assert_eq!(times(&asked["offers"]), ["13:00", "15:00", "12:30"]);
    assert_eq!(weekend["offers"][0], said(monday + 4.days(), "16:00"));
    assert!(weekend["note"].as_str().unwrap().contains("closed"), "{weekend}");
    assert_eq!(rows(&house).await.len(), 1);
}

#[tokio::test]
async fn nobody_reaches_anybody_elses_appointments() {
    let (monday, tuesday) = (monday(), tuesday());
    let cancel = |name: &str| ("cancel_appointment", json!({"name": name}));
    let moving = json!({"name": "Ana Pérez", "new_date": monday.to_string(), "new_time": "10:30"});
    let on_tuesday = json!({"name": "Perez", "date": tuesday.to_string()});
    let turns = vec![
        calls(&[
            cancel("Zoe Brown"),
            cancel("Nobody At All"),
            cancel("Bob Pérez"),
            cancel("Perez"),
            ("reschedule_appointment", moving),
        ]),
        calls(&[("cancel_appointment", on_tuesday)]),
    ];
    let house = house(turns, false).await;
    write(&house, monday, "10:00", "Zoe Brown", "+15559990000").await;
    write(&house, monday, "12:00", "Ana Pérez", "+1 (555) 123-0001").await;
    write(&house, tuesday, "12:00", "Leo Perez", CALLER).await;
    let (results, _) = call(&house, 2, CALLER).await;
    let [zoe, nobody, bob, which, moved, leo] = &results[..] else { panic!("{results:?}") };
    assert_eq!(zoe, nobody, "whether somebody else has one is private");
    assert_eq!(zoe, bob);
    assert!(error(zoe).contains("no coming appointment was found"), "{zoe}");
    error(which);
    assert_eq!(which["appointments"].as_array().unwrap().len(), 2, "{which}");
    assert!(error(moved).contains("taken"), "{moved}");
    assert!(!moved.to_string().contains("Zoe"), "{moved}");
    assert_eq!(leo["cancelled"]["name"], "Leo Perez");
    let status: Vec<Value> = rows(&house).await.iter().map(|row| row[4].clone()).collect();
    assert_eq!(status, ["pending", "pending", "cancelled"]);
}

#[tokio::test]
async fn of_a_callers_two_appointments_the_one_that_is_named_is_moved() {
    let (monday, tuesday) = (monday(), tuesday());
    let to = |which: Value, date: Date, time: &str| {
        let mut arguments =
            json!({"name": "Ana Pérez", "new_date": date.to_string(), "new_time": time});
        arguments.as_object_mut().unwrap().extend(which.as_object().unwrap().clone());
        ("reschedule_appointment", arguments)
    };
    let turns = vec![
        calls(&[to(json!({}), monday, "14:00")]),
        calls(&[to(json!({"date": tuesday.to_string()}), tuesday, "14:00")]),
        calls(&[to(json!({"time": "10:00"}), monday, "15:00")]),
    ];
    let house = house(turns, false).await;
    write(&house, monday, "10:00", "Ana Pérez", CALLER).await;
    write(&house, tuesday, "12:00", "Ana Pérez", CALLER).await;
    let (results, _) = call(&house, 3, CALLER).await;
    let [which, by_day, by_time] = &results[..] else { panic!("{results:?}") };
    assert!(error(which).contains("ask which one is meant"), "{which}");
    assert_eq!(times(&which["appointments"]), ["10:00", "12:00"]);
    assert_eq!(by_day["before"], said(tuesday, "12:00"), "{by_day}");
    assert_eq!(by_time["before"], said(monday, "10:00"), "{by_time}");
    let when: Vec<Value> = rows(&house).await.iter().map(|row| row[6].clone()).collect();
    assert_eq!(
        when,
        [(monday, "15:00"), (tuesday, "14:00")]
            .map(|(date, time)| json!(local(date, time).timestamp().as_second()))
    );
}

/// Whoever rehearses the demo's call once more has the appointment of the call before.
#[tokio::test]
async fn the_demos_caller_moves_the_new_appointment_beside_an_earlier_one() {
    let booking = |turn: &Turn| !turn.functions.is_empty() && turn.functions[0].name != "end_call";
    let turns: Vec<Turn> = Script::default().turns.into_iter().filter(booking).collect();
    assert_eq!(turns.len(), 3);
    let house = house(turns, false).await;
    write(&house, monday(), "14:00", "Maria Lopez", CALLER).await;
    let (results, row) = call(&house, 3, CALLER).await;
    let [free, booked, moved] = &results[..] else { panic!("{results:?}") };
    assert_eq!((&booked["ok"], &moved["ok"]), (&json!(true), &json!(true)), "{moved}");
    assert_eq!(moved["before"]["time"], free["offers"][1]["time"], "{moved}");
    assert_eq!(moved["rescheduled"]["time"], free["offers"][2]["time"], "{moved}");
    assert_eq!(row.metadata()["gaps"], json!([]));
}

#[tokio::test]
async fn who_withholds_a_number_is_asked_for_one_and_reaches_no_appointment() {
    let monday = monday();
    let with_phone = |time: &str, phone: &str| {
        let (name, mut arguments) = booking(monday, time);
        arguments["phone"] = phone.into();
        (name, arguments)
    };
    let turns = vec![calls(&[
        booking(monday, "09:00"),
        with_phone("10:00", "946 0958"),
        with_phone("11:00", "+44 20 7946 0958"),
        ("cancel_appointment", json!({"name": "Zoe"})),
    ])];
    let house = house(turns, false).await;
    // A word on the keys in place of a number: to appearances the same person's.
    write(&house, monday, "15:00", "Zoe", "+266696687").await;
    let (results, _) = call(&house, 1, "+266696687").await;
    let [unknown, incomplete, booked, withheld] = &results[..] else { panic!("{results:?}") };
    assert!(error(unknown).contains("ask for a number"), "{unknown}");
    assert!(error(incomplete).contains("country code"), "{incomplete}");
    assert_eq!(booked["booked"]["time"], "11:00");
    assert!(error(withheld).contains("withheld"), "{withheld}");
    assert_eq!(rows(&house).await[0][1], "+442079460958");

    // Who calls from a number books with it, whatever the model writes.
    house.sql("delete from appointments").await;
    let (results, _) = call(&house, 1, CALLER).await;
    assert!(results[2]["note"].as_str().unwrap().contains("calls from"), "{results:?}");
    let phones: Vec<Value> = rows(&house).await.iter().map(|row| row[1].clone()).collect();
    assert_eq!(phones, [CALLER; 3]);
}

/// While somebody holds the lock, the booking waits; the caller does not. Its first attempt fails
/// then, or the database might end what nobody waits for any more.
#[tokio::test]
async fn a_booking_goes_on_to_its_end_although_the_caller_has_left() {
    let house = house(vec![calls(&[booking(monday(), "14:00")])], false).await;
    let mut holder = house.pool.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1::uuid::text, 1))")
        .bind(house.agent)
        .execute(&mut *holder)
        .await
        .unwrap();
    let placed = house.place(house.options(), vec![Step::wait_for_agent(), say(0)]);
    let sid = placed.sid.clone();
    let waiting = || async {
        let waiting = "select pid from pg_locks where locktype = 'advisory' and not granted
            and database = (select oid from pg_database where datname = current_database())";
        sqlx::query_scalar::<_, i32>(waiting).fetch_optional(&house.pool).await.unwrap()
    };
    let attempt = until("a booking that waits", DEADLINE, waiting).await;
    let mut over = voice(&sid, NUMBER);
    over[2] = ("CallStatus", "completed");
    house.post("/twilio/status", &over, Some(TOKEN)).await;
    placed.ended().await;
    house.emptied().await;
    assert_eq!(rows(&house).await, [] as [Value; 0]);

    house.sql(&format!("select pg_cancel_backend({attempt})")).await;
    holder.commit().await.unwrap();
    let booked = || async { rows(&house).await.pop() };
    let booked = until("the appointment", DEADLINE, booked).await;
    assert_eq!(booked[4], "pending");
}

#[tokio::test]
async fn nothing_is_confirmed_while_the_database_is_away() {
    let all = calls(&[
        booking(monday(), "14:00"),
        ("check_availability", json!({})),
        ("cancel_appointment", json!({"name": "Ana Pérez"})),
    ]);
    let house = house(vec![all], true).await;
    let steps = vec![Step::wait_for_agent(), say(0), Step::wait_for_agent(), Step::HangUp];
    let mut call = house.place(house.options(), steps);
    call.heard_agent().await;
    house.wire.as_ref().unwrap().set(Wire::Cut);
    let sid = call.sid.clone();
    assert_eq!(call.ended().await.errors, [""; 0]);
    house.wire.as_ref().unwrap().set(Wire::Joined);
    let row = house.row_within(&sid, DEADLINE).await;
    let functions = row.metadata()["functions"].as_array().unwrap();
    let [booked, looked, cancelled] = &functions[..] else { panic!("{functions:?}") };
    assert!(error(&booked["result"]).contains("is not known"), "{booked}");
    for unknown in [looked, cancelled] {
        assert!(error(&unknown["result"]).contains("cannot be reached"), "{unknown}");
    }
    assert_eq!(rows(&house).await, [] as [Value; 0]);
}
