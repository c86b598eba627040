//! A speech service in trouble: whatever it is, the caller is answered, and the row says why.

use std::time::Duration;

use frontdesk::rehearsal::phone::{CallReport, Ended, PhoneEvent, PhoneEventKind, Step};
use frontdesk::rehearsal::speech::SpeechOptions;
use frontdesk::rehearsal::speech::fault::{Fault, TurnFault};
use frontdesk::rehearsal::speech::script::{ErrorBody, Script, Turn};
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::harness::{FALLBACK, House, Plan, add_agent, ms, say, script, turn};

const VOICEMAIL: &str = "+15559870002";
const FORWARD: &str = "+15559870003";
const PARTY: &str = "+15550003333";
/// From the stream's opening to the fallback's first word.
const FALLBACK_LIMIT: Duration = ms(5_000);

/// How a service is dead.
enum Dead {
    /// Nothing listens on its port.
    Closed,
    /// Connections are taken by a port that never says anything.
    Mute,
    /// This happens when it is dialled.
    Fault(Fault),
}

/// A call to each of three agents, each with a fallback of another kind, of a dead service; `why` is
/// what their rows give as the reason. The clock is the wall's, so that a second is left for the way
/// from the core's decision to the fallback, whatever else the machine does.
async fn falls_back(dead: Dead, why: &str) {
    // Bound, so that nobody else gets the port.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}/v1", socket.local_addr().unwrap());
    let (mut engine_url, mut faults, mut kept) = (None, Vec::new(), (None, None));
    match dead {
        Dead::Closed => (engine_url, kept.0) = (Some(url), Some(socket)),
        Dead::Mute => (engine_url, kept.1) = (Some(url), Some(socket.listen(64).unwrap())),
        Dead::Fault(fault) => faults.push(fault),
    }
    let script = Script { faults, ..script(vec![]) };
    let speech = SpeechOptions { script, ..SpeechOptions::default() };
    let house = House::open(Plan { engine_url, speech, speed: 1, ..Plan::default() }).await;
    let fallback =
        |kind: &str| json!({"fallback": {"kind": kind, "number": PARTY, "message": FALLBACK}});
    add_agent(&house.pool, VOICEMAIL, fallback("voicemail")).await;
    add_agent(&house.pool, FORWARD, fallback("forward")).await;

    let place = |number: Option<&str>| {
        let mut options = house.options();
        if let Some(number) = number {
            options.to = number.to_owned().into();
        }
        house.place(options, vec![]).told()
    };
    let (said, recorded, forwarded) =
        tokio::join!(place(None), place(Some(VOICEMAIL)), place(Some(FORWARD)));
    let end = check(&house, said, why, is_said).await;
    assert_eq!(end, ("no-answer".into(), "agent".into()), "{why}");
    let end = check(&house, recorded, why, is_said).await;
    assert_eq!(end.0, "no-answer", "{why}: nothing was said after the tone");
    let is_party =
        |kind: &PhoneEventKind| *kind == PhoneEventKind::Dialling { number: PARTY.into() };
    let end = check(&house, forwarded, why, is_party).await;
    assert_eq!(end, ("transferred".into(), "agent".into()), "{why}");
    house.emptied().await;
    drop(kept);
}

fn is_said(kind: &PhoneEventKind) -> bool {
    *kind == PhoneEventKind::Said { text: FALLBACK.to_owned() }
}

/// What the row says of the call's end, once it is seen that the fallback came in time and that it
/// says why.
async fn check(
    house: &House,
    (call, seen): (CallReport, Vec<PhoneEvent>),
    why: &str,
    is_fallback: impl Fn(&PhoneEventKind) -> bool,
) -> (String, String) {
    assert_eq!((&call.errors, call.ended), (&vec![], Ended::Server), "{why}");
    let at = |is_it: &dyn Fn(&PhoneEventKind) -> bool| {
        seen.iter().find(|event| is_it(&event.kind)).map(|event| event.at)
    };
    let opened = at(&|kind| *kind == PhoneEventKind::StreamOpened).expect("the stream opened");
    let fell_back = at(&is_fallback).unwrap_or_else(|| panic!("{why}: {seen:?}"));
    assert!(fell_back - opened < FALLBACK_LIMIT, "{why}: after {:?}", fell_back - opened);
    let row = house.row(&call.call_sid).await;
    // Of a refusal the body may be there or not.
    let reason = row.metadata()["fallback_reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with(why), "{why}: {reason}");
    let (status, ended_by) = row.end();
    (status.to_owned(), ended_by.to_owned())
}

#[tokio::test]
async fn nobody_listens() {
    falls_back(Dead::Closed, "cannot connect").await;
}

#[tokio::test]
async fn connections_are_taken_and_nothing_is_said() {
    falls_back(Dead::Mute, "the engine did not become ready in time").await;
}

#[tokio::test]
async fn the_handshake_is_not_answered() {
    falls_back(Dead::Fault(Fault::HangConnects), "the engine did not become ready in time").await;
}

#[tokio::test]
async fn the_session_never_begins() {
    falls_back(Dead::Fault(Fault::Stall), "the engine did not become ready in time").await;
}

#[tokio::test]
async fn the_key_is_refused() {
    let refused = Fault::RefuseConnects { status: 401 };
    falls_back(Dead::Fault(refused), "refused 401").await;
}

#[tokio::test]
async fn the_service_is_broken() {
    let refused = Fault::RefuseConnects { status: 500 };
    falls_back(Dead::Fault(refused), "refused 500").await;
}

#[tokio::test]
async fn the_service_takes_no_more() {
    let refused = Fault::RefuseConnects { status: 429 };
    falls_back(Dead::Fault(refused), "refused 429").await;
}

#[tokio::test]
async fn no_reply_is_given_for_want_of_credit() {
    let error = Some(error("insufficient_quota"));
    falls_back(Dead::Fault(Fault::FailResponses { error }), "insufficient_quota").await;
}

#[tokio::test]
async fn every_reply_is_refused_by_a_rate_limit() {
    let error = Some(error("rate_limit_exceeded"));
    falls_back(Dead::Fault(Fault::FailResponses { error }), "rate_limit_exceeded").await;
}

fn error(code: &str) -> ErrorBody {
    ErrorBody { kind: code.to_owned(), code: Some(code.to_owned()), message: String::new() }
}

/// Long enough to be broken off in the middle.
const ANSWER: &str = "Yes, we are open every day from nine in the morning until six in the evening, \
    and on Saturdays until noon, except in August, when the whole practice is closed.";

/// What a session says that is asked for an answer to what another one heard.
const OTHERWISE: &str = "Agent: I see. Is there anything else I can help you with?";

/// A question whose answer goes wrong in this way, and another.
fn spoilt(fault: TurnFault) -> Vec<Turn> {
    let spoilt = Turn { fault: Some(fault), ..turn("Are you open?", ANSWER) };
    vec![spoilt, turn("Thank you.", "You are welcome.")]
}

/// Waits until the agent has answered, also where there is a gap in what it says.
fn wait_for_answer() -> Step {
    Step::WaitForAgent { quiet: ms(9_000), limit: ms(40_000) }
}

/// A house with time to dial a service again: a slower one than usual.
async fn house(turns: Vec<Turn>) -> House {
    let speech = SpeechOptions { script: script(turns), ..SpeechOptions::default() };
    House::open(Plan { speech, speed: 3, ..Plan::default() }).await
}

fn steps() -> Vec<Step> {
    vec![Step::wait_for_agent(), say(0), wait_for_answer(), Step::HangUp]
}

/// Why the engine was lost, each time.
async fn losses(house: &House, sid: &str) -> Vec<String> {
    sqlx::query_scalar(
        "select e.data->>'why' from call_events e join call_logs l on l.id = e.call_log_id
         where l.call_sid = $1 and e.kind = 'engine_lost' order by e.epoch, e.seq",
    )
    .bind(sid)
    .fetch_all(&house.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_session_that_drops_in_the_middle_of_a_reply_is_replaced_and_asked_again() {
    let house = house(spoilt(TurnFault::Drop)).await;
    let (call, row) = house.call(steps()).await;
    assert_eq!((call.errors, row.end()), (vec![], ("completed", "caller")));
    let lines = row.lines();
    assert_eq!(lines[1], "Caller: Are you open?");
    // What was heard stays the agent's; the other session has nothing in its script to say.
    assert!(lines[2].starts_with("Agent: Yes"), "{lines:?}");
    assert_eq!(lines[3], OTHERWISE);
    assert_eq!(house.speech.observer().counts().opened, 2);
    let told = house.speech.observer().received("conversation.item.create");
    let told: Vec<_> = told.iter().filter(|told| told.session == 2).collect();
    let text = |n: usize| told[n].event["item"]["content"][0]["text"].as_str().unwrap();
    assert_eq!((text(0), text(1)), ("Good day.", "Are you open?"));
}

#[tokio::test]
async fn a_session_that_stops_reacting_in_the_middle_of_a_reply_is_replaced() {
    let house = house(spoilt(TurnFault::Stall)).await;
    let (call, row) = house.call(steps()).await;
    assert_eq!((call.errors, row.end()), (vec![], ("completed", "caller")));
    assert_eq!(losses(&house, &call.call_sid).await, ["the engine does not react"]);
    assert_eq!(house.speech.observer().counts().opened, 2);
    // Not greeted again.
    let greetings = row.lines().iter().filter(|line| **line == "Agent: Good day.").count();
    assert_eq!(greetings, 1, "{:?}", row.lines());
}

#[tokio::test]
async fn an_answer_that_never_begins_is_asked_for_again() {
    let house = house(spoilt(TurnFault::Silence)).await;
    let (call, row) = house.call(steps()).await;
    assert_eq!((call.errors, row.end()), (vec![], ("completed", "caller")));
    assert_eq!(row.lines()[1..], ["Caller: Are you open?", &format!("Agent: {ANSWER}")]);
    assert_eq!(house.speech.observer().counts().opened, 1);
}

#[tokio::test]
async fn an_answer_without_audio_is_asked_for_again() {
    let house = house(spoilt(TurnFault::NoAudio)).await;
    let (call, row) = house.call(steps()).await;
    assert_eq!((call.errors, row.end()), (vec![], ("completed", "caller")));
    assert_eq!(row.lines()[1..], ["Caller: Are you open?", &format!("Agent: {ANSWER}")]);
}

#[tokio::test]
async fn answers_without_audio_end_at_the_fallback() {
    let house = House::with(vec![turn("Are you open?", "Yes.")], json!({})).await;
    let steps = vec![Step::wait_for_agent(), say(0), Step::wait_for_agent()];
    let mut call = house.place(house.options(), steps);
    call.heard_agent().await;
    house.speech.command(Fault::MuteResponse);
    house.speech.command(Fault::MuteResponse);
    let call = call.ended().await;
    assert_eq!((call.errors, call.said), (vec![], vec![FALLBACK.to_owned()]));
    let row = house.row(&call.call_sid).await;
    assert_eq!(row.metadata()["fallback_reason"], "the reply was empty");
}

#[tokio::test]
async fn a_rate_limit_that_passes_is_waited_for() {
    let limited =
        Turn { error: Some(error("rate_limit_exceeded")), ..turn("Are you open?", "Yes.") };
    let house = House::with(vec![limited], json!({})).await;
    let (call, row) = house.call(steps()).await;
    assert_eq!((call.errors, row.end()), (vec![], ("completed", "caller")));
    assert_eq!(row.lines()[1..], ["Caller: Are you open?", "Agent: Yes."]);
    assert_eq!(house.speech.observer().counts().opened, 1);
}

#[tokio::test]
async fn a_service_that_talks_nonsense_is_replaced() {
    let house = house(spoilt(TurnFault::Nonsense)).await;
    let (call, row) = house.call(steps()).await;
    assert_eq!((call.errors, row.end()), (vec![], ("completed", "caller")));
    assert_eq!(losses(&house, &call.call_sid).await, ["too many malformed messages"]);
    // The words may have been on their way when the session was given up.
    assert_eq!(row.lines().last(), Some(&OTHERWISE));
}

#[tokio::test]
async fn a_few_messages_that_make_no_sense_are_survived() {
    let house = House::with(vec![turn("Are you open?", "Yes.")], json!({})).await;
    let steps = vec![Step::wait_for_agent(), say(0), Step::wait_for_agent(), Step::HangUp];
    let mut call = house.place(house.options(), steps);
    call.heard_agent().await;
    house.speech.command(Fault::Nonsense { messages: 20 });
    let call = call.ended().await;
    let row = house.row(&call.call_sid).await;
    assert_eq!((call.errors, row.end()), (vec![], ("completed", "caller")));
    assert_eq!(row.lines()[1..], ["Caller: Are you open?", "Agent: Yes."]);
    assert_eq!(house.speech.observer().counts().opened, 1);
}

#[tokio::test]
async fn an_engine_gone_deaf_is_replaced_and_the_caller_heard_again() {
    let deaf = Turn { fault: Some(TurnFault::Deaf), ..turn("Are you open?", "Yes.") };
    // What of the caller's words the other session hears is a matter of the moment.
    let again = || turn("Are you still open?", "Yes.");
    let house = house(vec![deaf, again(), again(), again(), again()]).await;
    let steps = vec![
        Step::wait_for_agent(),
        say(0),
        Step::wait_for_agent(),
        // Nobody hears these.
        say(1),
        say(2),
        say(3),
        say(1),
        Step::wait_for_agent(),
        say(0),
        Step::wait_for_agent(),
        Step::HangUp,
    ];
    let (call, row) = house.call(steps).await;
    assert_eq!((call.errors, row.end()), (vec![], ("completed", "caller")));
    assert_eq!(losses(&house, &call.call_sid).await, ["the engine does not hear the caller"]);
    let lines = row.lines();
    assert_eq!(lines[1..3], ["Caller: Are you open?", "Agent: Yes."]);
    assert_eq!(lines.last().unwrap(), &"Agent: Yes.", "{lines:?}");
}

#[tokio::test]
async fn a_session_near_its_end_is_replaced_and_nobody_notices() {
    let turns = vec![turn("Are you open?", "Yes."), turn("Until when?", "Until six.")];
    let script = Script { session_ms: Some(40_000), ..script(turns) };
    let speech = SpeechOptions { script, ..SpeechOptions::default() };
    let house = House::open(Plan { speech, ..Plan::default() }).await;
    let steps = vec![
        Step::wait_for_agent(),
        say(0),
        Step::wait_for_agent(),
        Step::Wait(ms(18_000)),
        say(1),
        Step::wait_for_agent(),
        Step::HangUp,
    ];
    let (call, row) = house.call(steps).await;
    assert_eq!((call.errors, call.clears, row.end()), (vec![], 0, ("completed", "caller")));
    let kinds = house.kinds(&call.call_sid, "ended").await;
    assert!(kinds.iter().any(|kind| kind == "engine_renewed"), "{kinds:?}");
    assert!(!kinds.iter().any(|kind| kind == "engine_lost"), "{kinds:?}");
    // The other session's script begins anew.
    let exchange = ["Caller: Are you open?", "Agent: Yes."];
    assert_eq!(row.lines()[1..], [exchange, exchange].concat());
    let observer = house.speech.observer();
    assert_eq!(observer.counts().opened, 2);
    let told = observer.received("conversation.item.create");
    let told: Vec<&Value> = told
        .iter()
        .filter(|told| told.session == 2)
        .map(|told| &told.event["item"]["content"][0]["text"])
        .collect();
    assert_eq!(told, ["Good day.", "Are you open?", "Yes."]);
}
