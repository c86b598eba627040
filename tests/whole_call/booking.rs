//! A caller asks, books and changes the booking: what was said, what was written and what is known
//! in the next call are one story.

use frontdesk::rehearsal::phone::Step;
use frontdesk::rehearsal::speech::script::{FunctionCall, Turn, Words};
use serde_json::{Value, json};

use crate::harness::{House, Row, say, turn};

const CALLER: &str = "+15551230001";
const INSURANCE: &str = "Which insurance plans do you accept? We accept Delta Dental and Cigna.";
const PARKING: &str = "There is free parking behind the building.";

/// Gives the house's agent a business that is open every day.
pub(crate) async fn furnish(house: &House) {
    let agent = house.agent;
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let hours = json!({"open": "09:00", "close": "17:00"});
    let schedule: Value = days.into_iter().map(|day| (day.to_owned(), hours.clone())).collect();
    house
        .change(&format!(
            "insert into business_details (voice_agent_id, business_name, business_timezone,
                operating_schedule, default_appointment_length)
            values ('{agent}', 'Bright Smiles', 'America/New_York', '{schedule}', 30)"
        ))
        .await;
}

/// A function call of the model.
pub(crate) fn call(name: &str, arguments: Value) -> FunctionCall {
    FunctionCall { name: name.to_owned(), arguments }
}

/// A turn in which the model calls functions and then says something.
pub(crate) fn act(heard: &str, functions: Vec<FunctionCall>, then: &str) -> Turn {
    Turn { functions, after_functions: Some(then.to_owned()), ..turn(heard, "") }
}

/// The agent's appointments, as JSON, in the order in which they were written.
pub(crate) async fn appointments(house: &House) -> Vec<Value> {
    let find = "select to_jsonb(a) || jsonb_build_object(
            'date', to_char(schedule_time at time zone 'America/New_York', 'YYYY-MM-DD'),
            'time', to_char(schedule_time at time zone 'America/New_York', 'HH24:MI'))
        from appointments a where voice_agent_id = $1 order by created_at";
    sqlx::query_scalar(find).bind(house.agent).fetch_all(&house.pool).await.unwrap()
}

/// The instructions of every session that was configured, oldest first.
fn instructions(house: &House) -> Vec<String> {
    let updates = house.speech.observer().received("session.update");
    let instructions = updates
        .iter()
        .filter_map(|update| update.event["session"]["instructions"].as_str().map(str::to_owned));
    instructions.collect()
}

fn turns() -> Vec<Turn> {
    // The first offer may be this minute, and over before it is booked.
    let offer = |n: u8, field: &str| format!("$(check_availability/offers/{n}/{field})");
    let booking = json!({"name": "Maria Lopez", "service": "cleaning",
        "date": offer(1, "date"), "time": offer(1, "time")});
    let change = json!({"name": "Maria Lopez",
        "new_date": offer(2, "date"), "new_time": offer(2, "time")});
    vec![
        turn("Which insurance plans do you accept?", "Delta Dental and Cigna."),
        act("When could I come?", vec![call("check_availability", json!({}))], "Soon."),
        act(
            "Maria Lopez, the first one.",
            vec![call("book_appointment", booking)],
            "Booked for $(book_appointment/booked/time).",
        ),
        act(
            "No, the second one.",
            vec![call("reschedule_appointment", change)],
            "Moved to $(reschedule_appointment/rescheduled/time).",
        ),
    ]
}

/// The caller says so many lines, each after the agent, and hangs up after the last answer.
pub(crate) fn lines(count: usize) -> Vec<Step> {
    let mut steps = vec![Step::wait_for_agent()];
    for n in 0..count {
        steps.extend([say(n % 5), Step::wait_for_agent()]);
    }
    steps.push(Step::HangUp);
    steps
}

/// What the row says of the turns.
fn check_turns(row: &Row) {
    let turns = row.metadata()["turns"].as_array().unwrap();
    assert_eq!(turns.len(), 4);
    for turn in turns {
        assert_eq!(turn["retrieval"], "ready", "{turn}");
        assert!(turn["latency_ms"]["retrieval"].is_u64(), "{turn}");
        assert!(turn["latency_ms"]["first_audio"].is_u64(), "{turn}");
    }
    let chunk = &turns[0]["chunks"][0];
    assert_eq!(chunk["id"], 2, "the passage about insurance");
    assert!(chunk["similarity"].as_f64().unwrap() > 0.5, "{chunk}");
    let functions: Vec<&Value> = turns.iter().map(|turn| &turn["functions"]).collect();
    let expected = [
        json!([]),
        json!(["check_availability"]),
        json!(["book_appointment"]),
        json!(["reschedule_appointment"]),
    ];
    assert_eq!(functions, expected.iter().collect::<Vec<_>>());
}

async fn asks_books_and_changes(words: Words) {
    let mut turns = turns();
    turns.iter_mut().for_each(|turn| turn.words = Some(words));
    // The clock is fast and the machine is not: what is ready must not depend on that.
    let house = House::with(turns, json!({"knowledge": {"budget_ms": 5000}})).await;
    furnish(&house).await;
    house.learn(&[PARKING, INSURANCE]).await;
    let (report, row) = house.call(lines(4)).await;
    assert_eq!((report.errors.clone(), row.end()), (vec![], ("completed", "caller")));
    check_turns(&row);

    let [found, booked, moved] = &row.metadata()["functions"].as_array().unwrap()[..] else {
        panic!("{}", row.metadata()["functions"])
    };
    for done in [found, booked, moved] {
        assert_eq!((&done["ok"], &done["id"]), (&json!(true), &Value::Null), "{done}");
    }
    let offers = &found["result"]["offers"];
    let [appointment] = &appointments(&house).await[..] else { panic!("not one appointment") };
    for field in ["date", "time"] {
        assert_eq!(booked["result"]["booked"][field], offers[1][field]);
        assert_eq!(moved["result"]["rescheduled"][field], offers[2][field]);
        assert_eq!(appointment[field], offers[2][field], "{appointment}");
    }
    let of = |name: &str| appointment[name].as_str().unwrap().to_owned();
    assert_eq!(
        (of("name"), of("phone_number"), of("service"), of("status")),
        ("Maria Lopez".into(), CALLER.into(), "cleaning".into(), "pending".into())
    );
    assert_eq!(appointment["duration_minutes"], 30);
    let time = |n: usize| offers[n]["time"].as_str().unwrap();
    let said = [format!("Agent: Booked for {}.", time(1)), format!("Agent: Moved to {}.", time(2))];
    let lines = row.lines();
    assert!(said.iter().all(|line| lines.contains(&line.as_str())), "{lines:?}");

    let context = house.speech.observer().received("conversation.item.create");
    let context = context.iter().find(|item| item.event["item"]["role"] == "system").unwrap();
    let text = context.event["item"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("<reference>") && text.contains(INSURANCE), "{text}");
    known_in_the_next_call(&house, appointment).await;
}

/// What the agent is told when the same number calls again, and when another one does.
async fn known_in_the_next_call(house: &House, appointment: &Value) {
    let when = format!(
        "{}, {}",
        appointment["date"].as_str().unwrap(),
        appointment["time"].as_str().unwrap()
    );
    let shown = "Appointments that are to come under that number: 1.";
    for (caller, is_known) in [(CALLER, true), ("+15551230002", false), ("anonymous", false)] {
        let mut options = house.options();
        options.from = caller.to_owned().into();
        let steps = vec![Step::wait_for_agent(), Step::HangUp];
        house.place(options, steps).ended().await;
        let told = instructions(house).pop().unwrap();
        assert_eq!(told.contains(shown), is_known, "{caller}: {told}");
        assert_eq!(told.contains("you spoke with the caller"), is_known, "{caller}: {told}");
        for hidden in ["Maria", "\"cleaning\"", &when] {
            assert!(!told.contains(hidden), "{hidden} is not for whoever calls: {told}");
        }
    }
}

#[tokio::test]
async fn a_caller_asks_books_and_changes_with_words_after_the_speech() {
    asks_books_and_changes(Words::AfterCommit).await;
}

#[tokio::test]
async fn a_caller_asks_books_and_changes_with_words_during_the_speech() {
    asks_books_and_changes(Words::During).await;
}
