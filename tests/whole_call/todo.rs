//! What a whole call leaves to do, of each kind, and how an answer is known to the next call.

use std::sync::Arc;

use frontdesk::knowledge::answers::{Answered, Answers};
use frontdesk::rehearsal::phone::{CallOptions, FarEnd, Step, StreamFault};
use frontdesk::rehearsal::speech::{Fault, SpeechOptions};
use frontdesk::store::{Store, TaskRow};
use serde_json::json;

use crate::booking::{act, call, lines};
use crate::harness::{DEADLINE, FALLBACK, House, Plan, ms, say, script, turn, until};
use crate::transfers::{house, out_of_service, place, wait_until_back, wish};
use crate::viewer::{access, agents, owner_of};

/// The tasks of the house's only call, once there are so many.
async fn tasks(house: &House, count: usize) -> Vec<TaskRow> {
    let store = Store::new(house.pool.clone());
    let agents = agents(&house.pool, &owner_of(&house.pool, house.agent).await).await;
    let found = || async {
        let callers = store.open_tasks(&agents).await.unwrap().callers;
        let tasks: Vec<TaskRow> = callers.into_iter().flat_map(|caller| caller.tasks).collect();
        (tasks.len() == count).then_some(tasks)
    };
    until("the tasks", DEADLINE, found).await
}

/// Kind and text of each.
fn told(tasks: &[TaskRow]) -> Vec<(&'static str, &str)> {
    tasks.iter().map(|task| (task.kind.name(), task.text.reveal().as_str())).collect()
}

#[tokio::test]
async fn a_conversation_leaves_what_was_asked_for_and_what_was_not_done() {
    let message = call("take_message", json!({"text": "Late by ten minutes."}));
    let turns = vec![
        turn("I am in terrible pain. Do you take BUPA insurance?", "You are booked for Tuesday."),
        act("Tell them that I am late.", vec![message, call("order_status", json!({}))], "Done."),
    ];
    let settings = json!({"knowledge": {"budget_ms": 5000, "min_similarity": 0.6}});
    let house = House::with(turns, settings).await;
    house.learn(&["Parking is free behind the building."]).await;
    let data = json!({"method": "GET", "url": "https://127.0.0.1:1/order"});
    house
        .change(&format!(
            "insert into functions (type, name, data, assistant_id)
            values ('json_api', 'order_status', '{data}', '{}')",
            house.agent
        ))
        .await;
    let (report, row) = house.call(lines(2)).await;
    assert_eq!(report.errors, [""; 0]);
    let tasks = tasks(&house, 5).await;
    let asked = "I am in terrible pain. Do you take BUPA insurance?";
    assert_eq!(
        told(&tasks),
        [
            ("urgent", &*format!("Urgent: {asked}")),
            ("message", "Message: Late by ten minutes."),
            ("claim", "Agent said “You are booked for Tuesday.”, but no booking was made."),
            ("function_failed", "“order_status” did not work in this call."),
            ("gap", &*format!("Asked: “{asked}” — the agent had no answer.")),
        ],
        "{row:?}"
    );
    assert!(tasks.iter().all(|task| task.caller == Some("+15551230001".to_owned().into())));
}

#[tokio::test]
async fn a_party_that_does_not_answer_is_to_call_back() {
    let house = house(vec![wish()], json!({})).await;
    let steps = vec![Step::wait_for_agent(), say(0), wait_until_back(), Step::HangUp];
    let (_, row) = place(&house, FarEnd::Busy, steps).await;
    assert_eq!(row.metadata()["transfers"], json!([{"target": "sales", "answered": false}]));
    let text = "Asked to be put through to sales, and nobody answered.";
    assert_eq!(told(&tasks(&house, 1).await), [("transfer_unanswered", text)]);
}

#[tokio::test]
async fn a_recorded_message_and_a_missed_call_are_to_do() {
    let house = out_of_service(json!({"kind": "voicemail", "message": FALLBACK})).await;
    let wait = Step::WaitForAgent { quiet: ms(300), limit: ms(5_000) };
    let (call, _) = place(&house, FarEnd::default(), vec![wait, say(0), Step::HangUp]).await;
    let left = tasks(&house, 1).await;
    assert_eq!(left[0].kind.name(), "voicemail");
    assert!(left[0].text.reveal().contains(&call.recorded_s[0].to_string()), "{:?}", told(&left));

    let house = out_of_service(json!({"kind": "say", "message": FALLBACK})).await;
    place(&house, FarEnd::default(), vec![]).await;
    let missed = ("missed", "Missed call: the agent could not take it.");
    assert_eq!(told(&tasks(&house, 1).await), [missed]);
}

#[tokio::test]
async fn a_call_that_breaks_off_is_to_call_back() {
    let house = House::with(vec![], json!({})).await;
    house.speech.command(Fault::RefuseConnects { status: 401 });
    let options = CallOptions { stream_fault: StreamFault::Unasked, ..house.options() };
    let call = house.place(options, vec![]);
    let failed = ("call_failed", "The call broke off: a problem on our side.");
    assert_eq!(told(&tasks(&house, 1).await), [failed]);
    call.freeze();
}

#[tokio::test]
async fn what_there_is_to_do_does_not_wait_for_a_summary_that_does_not_come() {
    let message = call("take_message", json!({"text": "Late by ten minutes."}));
    let turns = vec![act("Tell them that I am late.", vec![message], "Done.")];
    let speech = SpeechOptions { script: script(turns), ..SpeechOptions::default() };
    let house = House::open(Plan { speech, ..Plan::default() }).await;
    house.speech.command(Fault::RefuseChats { status: 503 });
    let (_, row) = house.call(lines(1)).await;
    assert_eq!(told(&tasks(&house, 1).await), [("message", "Message: Late by ten minutes.")]);
    assert!(row.0["summary"].is_null(), "{row:?}");
}

#[tokio::test]
async fn what_is_answered_is_known_to_the_very_next_call() {
    let asked = "Do you take BUPA insurance?";
    let settings = json!({"knowledge": {"budget_ms": 5000, "min_similarity": 0.5}});
    let house = House::with(vec![turn(asked, "I do not know.")], settings).await;
    // So that something is searched.
    house.learn(&["Parking is free behind the building."]).await;
    let (_, row) = house.call(lines(1)).await;
    assert_eq!(row.metadata()["gaps"], json!([asked]));
    let store = Store::new(house.pool.clone());
    let owner = owner_of(&house.pool, house.agent).await;
    let access = access(&house.pool, &owner, house.agent).await;
    let gap = store.gaps(&access).await.unwrap().remove(0);
    // The answer is all that is written down.
    house.sql(&format!(r#"delete from public."zz_{}""#, house.agent)).await;
    let knowledge = Arc::clone(&house.app.services.function_services.knowledge);
    let answers = Answers::new(store, knowledge);
    let question = gap.question.reveal();
    let answered = answers.answer_gap(&access, &owner, question, "Yes, we do.").await;
    let Ok(Answered::Known(id)) = answered else { panic!("{answered:?}") };
    let (_, row) = house.call(lines(1)).await;
    let turn = &row.metadata()["turns"][0];
    assert_eq!((&turn["retrieval"], &turn["chunks"][0]["id"]), (&json!("ready"), &json!(id)));
    assert_eq!(row.metadata()["gaps"], json!([]));
}
