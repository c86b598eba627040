//! What breaks during a call, and what the caller notices of it.

use frontdesk::rehearsal::phone::{
    AfterDrop, CallOptions, CallReport, Ended, PhoneEvent, PhoneEventKind, Step, StreamFault,
};
use frontdesk::rehearsal::speech::Fault;
use frontdesk::rehearsal::speech::script::ErrorBody;
use serde_json::json;
use tokio::net::TcpListener;

use crate::harness::{DEADLINE, FALLBACK, House, Plan, ms, say, turn};

const LOST: &str = "Agent: Sorry, the line was lost for a moment. Where were we?";

#[tokio::test]
async fn a_lost_stream_that_nobody_resumes_fails_the_call() {
    let house = House::with(vec![], json!({})).await;
    let steps = vec![Step::wait_for_agent(), Step::DropSocket(AfterDrop::Nothing)];
    let call = house.place(house.options(), steps).ended().await;
    assert_eq!(call.ended, Ended::Dropped);
    let row = house.row_within(&call.call_sid, DEADLINE).await;
    assert_eq!(row.end(), ("failed", "error"));
    house.emptied().await;
}

#[tokio::test]
async fn a_lost_stream_that_is_resumed_goes_on_in_the_same_row() {
    let house = House::with(vec![turn("Are you open?", "Yes.")], json!({})).await;
    let steps = vec![
        Step::wait_for_agent(),
        Step::DropSocket(AfterDrop::AskAction),
        Step::wait_for_agent(),
        say(0),
        Step::wait_for_agent(),
        Step::HangUp,
    ];
    let (call, row) = house.call(steps).await;
    assert_eq!((call.errors, call.ended), (vec![], Ended::Caller));
    assert_eq!(row.end(), ("completed", "caller"));
    assert_eq!(row.lines()[1..], [LOST, "Caller: Are you open?", "Agent: Yes."]);
    let streams = row.metadata()["stream_sids"].as_array().unwrap();
    assert!(streams.len() == 2 && streams[0] != streams[1], "{streams:?}");
    assert_eq!((house.rows().await, house.speech.observer().counts().opened), (1, 1));
}

#[tokio::test]
async fn a_caller_is_given_back_to_the_agent_twice_and_then_to_the_fallback() {
    let house = House::with(vec![], json!({})).await;
    let lose = [Step::wait_for_agent(), Step::DropSocket(AfterDrop::AskAction)];
    let (call, row) = house.call([lose.clone(), lose.clone(), lose].concat()).await;
    assert_eq!((call.said, call.ended), (vec![FALLBACK.to_owned()], Ended::Server));
    assert_eq!(row.end(), ("no-answer", "agent"));
    assert_eq!(row.metadata()["stream_sids"].as_array().unwrap().len(), 3);
    house.emptied().await;
}

/// Between the answer and the fallback's first word.
fn fell_back_after(call: &CallReport, seen: &[PhoneEvent]) -> std::time::Duration {
    assert_eq!((&call.said, call.ended), (&vec![FALLBACK.to_owned()], Ended::Server));
    let at = |kind: PhoneEventKind| seen.iter().find(|event| event.kind == kind).unwrap().at;
    at(PhoneEventKind::Said { text: FALLBACK.to_owned() }) - at(PhoneEventKind::Answered)
}

#[tokio::test]
async fn with_no_engine_listening_the_caller_hears_the_fallback_within_five_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let house = House::open(Plan { engine_url: Some(nobody), ..Plan::default() }).await;
    let (call, seen) = house.place(house.options(), vec![]).told().await;
    let waited = fell_back_after(&call, &seen);
    assert!(waited < ms(5_000), "{waited:?}");
    let row = house.row(&call.call_sid).await;
    assert_eq!((row.end(), row.lines()), (("no-answer", "agent"), vec![]));
    let kinds = house.kinds(&call.call_sid, "ended").await;
    assert!(kinds.iter().any(|kind| kind == "moved_to_fallback"), "{kinds:?}");
}

#[tokio::test]
async fn an_engine_that_refuses_the_key_is_not_asked_again() {
    let house = House::with(vec![], json!({})).await;
    house.speech.command(Fault::RefuseConnects { status: 401 });
    let (call, seen) = house.place(house.options(), vec![]).told().await;
    let waited = fell_back_after(&call, &seen);
    assert!(waited < ms(5_000), "{waited:?}");
    assert_eq!(house.row(&call.call_sid).await.end(), ("no-answer", "agent"));
    assert_eq!(house.speech.observer().counts().refused, 1);
}

#[tokio::test]
async fn an_engine_that_is_given_up_fails_the_call_if_nobody_asks_what_happens_next() {
    let house = House::with(vec![], json!({})).await;
    house.speech.command(Fault::RefuseConnects { status: 401 });
    let options = CallOptions { stream_fault: StreamFault::Unasked, ..house.options() };
    let call = house.place(options, vec![]);
    let row = house.row_within(&call.sid, DEADLINE).await;
    assert_eq!(row.end(), ("failed", "error"));
    assert!(row.metadata()["fallback_reason"].is_string(), "{}", row.metadata());
    house.emptied().await;
    call.freeze();
}

#[tokio::test]
async fn a_busy_engine_is_asked_once_more() {
    let house = House::with(vec![], json!({})).await;
    house.speech.command(Fault::RefuseConnects { status: 503 });
    let (call, seen) = house.place(house.options(), vec![]).told().await;
    fell_back_after(&call, &seen);
    assert_eq!(house.row(&call.call_sid).await.end(), ("no-answer", "agent"));
    assert_eq!(house.speech.observer().counts().refused, 2);
}

#[tokio::test]
async fn an_engine_that_says_nothing_is_given_up() {
    let house = House::with(vec![], json!({})).await;
    house.speech.command(Fault::Stall);
    let (call, seen) = house.place(house.options(), vec![]).told().await;
    fell_back_after(&call, &seen);
    assert_eq!(house.row(&call.call_sid).await.end(), ("no-answer", "agent"));
}

#[tokio::test]
async fn when_the_quota_is_used_up_the_caller_hears_the_fallback() {
    let house = House::with(vec![turn("Are you open?", "Yes.")], json!({})).await;
    let steps = vec![Step::wait_for_agent(), say(0), Step::wait_for_agent()];
    let mut call = house.place(house.options(), steps);
    call.heard_agent().await;
    call.heard_agent().await;
    let quota = "insufficient_quota".to_owned();
    let error = ErrorBody { kind: quota.clone(), code: Some(quota), message: String::new() };
    house.speech.command(Fault::Error { error });
    let call = call.ended().await;

    assert_eq!((call.errors, call.said), (vec![], vec![FALLBACK.to_owned()]));
    let row = house.row(&call.call_sid).await;
    assert_eq!(row.end(), ("no-answer", "agent"));
    assert_eq!(row.lines()[1..], ["Caller: Are you open?", "Agent: Yes."]);
    assert_eq!(house.speech.observer().counts().opened, 1);
}

#[tokio::test]
async fn an_engine_lost_in_mid_call_is_dialled_again_and_told_what_was_said() {
    let house = House::with(vec![turn("Are you open?", "Yes.")], json!({})).await;
    let steps = vec![
        Step::wait_for_agent(),
        say(0),
        Step::wait_for_agent(),
        Step::Wait(ms(3_000)),
        say(1),
        Step::wait_for_agent(),
        Step::HangUp,
    ];
    let mut call = house.place(house.options(), steps);
    call.heard_agent().await;
    call.heard_agent().await;
    house.speech.command(Fault::DropSockets);
    let call = call.ended().await;

    assert_eq!((call.errors, call.said, call.ended), (vec![], vec![], Ended::Caller));
    let row = house.row(&call.call_sid).await;
    assert_eq!(row.end(), ("completed", "caller"));
    // The new session's script begins anew.
    let exchange = ["Caller: Are you open?", "Agent: Yes."];
    assert_eq!(row.lines()[1..], [exchange, exchange].concat());
    let told = house.speech.observer().received("conversation.item.create");
    let history: Vec<_> = told
        .iter()
        .filter(|received| received.session == 2)
        .map(|received| {
            (&received.event["item"]["role"], &received.event["item"]["content"][0]["text"])
        })
        .collect();
    let said = [("assistant", "Good day."), ("user", "Are you open?"), ("assistant", "Yes.")];
    assert_eq!(history.len(), said.len(), "{history:?}");
    for ((role, text), said) in history.into_iter().zip(said) {
        assert_eq!((role.as_str(), text.as_str()), (Some(said.0), Some(said.1)));
    }
}

#[tokio::test]
async fn a_reply_that_fails_is_asked_for_again() {
    let mut failing = turn("Are you open?", "Yes.");
    failing.error =
        Some(ErrorBody { kind: "server_error".into(), code: None, message: String::new() });
    let house = House::with(vec![failing], json!({})).await;
    let steps = vec![Step::wait_for_agent(), say(0), Step::wait_for_agent(), Step::HangUp];
    let (call, row) = house.call(steps).await;
    assert_eq!((call.errors, row.end()), (vec![], ("completed", "caller")));
    assert_eq!(row.lines()[1..], ["Caller: Are you open?", "Agent: Yes."]);
}
