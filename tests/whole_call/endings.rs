//! How calls end, and what their rows say of it (CONTRACT 4).

use frontdesk::line::registry::Command;
use frontdesk::rehearsal::phone::twiml_reader::{self, Verb};
use frontdesk::rehearsal::phone::{CallReport, Ended, PhoneEventKind, Step, random_sid};
use frontdesk::rehearsal::speech::SpeechOptions;
use frontdesk::rehearsal::speech::script::{FunctionCall, Turn};
use frontdesk::twilio::rest::CallUpdate;
use serde_json::{Value, json};

use crate::harness::{
    DEADLINE, FALLBACK, GREETING, House, NUMBER, Plan, Row, TOKEN, ms, row, say, script,
    stream_url, turn,
};
use crate::proxy::Wire;

fn goodbye() -> Vec<Turn> {
    let end_call = FunctionCall { name: "end_call".to_owned(), arguments: Value::Null };
    let mut turn = turn("Goodbye then.", "Goodbye, come again!");
    turn.functions.push(end_call);
    vec![turn]
}

#[tokio::test]
async fn the_caller_hangs_up() {
    let house = House::with(vec![turn("Are you open?", "Yes, until six.")], json!({})).await;
    let steps = vec![Step::wait_for_agent(), say(0), Step::wait_for_agent(), Step::HangUp];
    let (call, row) = house.call(steps).await;

    assert_eq!((call.errors, call.ended), (vec![], Ended::Caller));
    assert_eq!(row.end(), ("completed", "caller"));
    assert_eq!(
        row.lines(),
        [&format!("Agent: {GREETING}"), "Caller: Are you open?", "Agent: Yes, until six."]
    );
    let (metadata, turn) = (row.metadata(), &row.metadata()["turns"][0]);
    assert_eq!(metadata["call_sid"], call.call_sid);
    assert_eq!(metadata["stream_sids"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&metadata["engine"], &metadata["model"]),
        (&json!("realtime"), &json!("gpt-realtime-2.1"))
    );
    assert!(metadata["usage"]["output_tokens"].as_u64().unwrap() > 0, "{metadata}");
    assert_eq!((&turn["n"], &turn["caller"]), (&json!(1), &json!("Are you open?")));
    assert_eq!((&turn["heard"], &turn["interrupted"]), (&json!("Yes, until six."), &json!(false)));
    assert!(turn["latency_ms"]["first_audio"].is_u64(), "{turn}");
    assert_eq!(row.0["caller_number"], "+15551230001");
    let kinds = house.kinds(&call.call_sid, "ended").await;
    for kind in ["line_opened", "engine_ready", "caller_said", "first_audio", "agent_said"] {
        assert!(kinds.iter().any(|written| written == kind), "{kind} in {kinds:?}");
    }
    assert_eq!(kinds.last().unwrap(), "ended");
    house.emptied().await;
}

#[tokio::test]
async fn the_agent_says_goodbye_and_is_heard_to_the_end() {
    let house = House::with(goodbye(), json!({})).await;
    let (call, row) = house.call(vec![Step::wait_for_agent(), say(4)]).await;

    assert_eq!((call.errors, call.ended), (vec![], Ended::Server));
    assert_eq!(row.end(), ("completed", "agent"));
    assert_eq!(row.lines()[1..], ["Caller: Goodbye then.", "Agent: Goodbye, come again!"]);
    let function = &row.metadata()["functions"][0];
    assert_eq!((&function["name"], &function["ok"]), (&json!("end_call"), &json!(true)));
    assert_eq!(row.metadata()["turns"][0]["functions"], json!(["end_call"]));
    assert!(call.documents.last().unwrap().contains("<Hangup/>"), "{:?}", call.documents);
}

#[tokio::test]
async fn a_caller_who_stays_silent_is_asked_and_then_left() {
    let settings = json!({"idle": {"reprompt_seconds": 2, "reprompts": 2}});
    let house = House::with(vec![], settings).await;
    let (call, row) = house.call(vec![]).await;

    assert_eq!((call.errors, call.ended), (vec![], Ended::Server));
    assert_eq!(row.end(), ("completed", "agent"));
    let asked = "Agent: Are you still there?";
    assert_eq!(row.lines()[1..], [asked, asked, "Agent: Thank you for calling. Goodbye!"]);
}

#[tokio::test]
async fn the_longest_call_ends_after_a_warning() {
    let house = House::with(vec![], json!({"limits": {"call_seconds": 50}})).await;
    let (call, row) = house.call(vec![]).await;

    assert_eq!((call.errors, call.ended), (vec![], Ended::Server));
    assert_eq!(row.end(), ("completed", "limit"));
    let lines = row.lines();
    assert!(lines[1].starts_with("Agent: We have less than a minute left."), "{lines:?}");
    assert_eq!(lines[2..], ["Agent: Thank you for calling. Goodbye!"]);
    assert!((50_000..60_000).contains(&call.duration_ms), "{} ms", call.duration_ms);
}

#[tokio::test]
async fn the_owner_ends_the_call() {
    let house = House::with(vec![], json!({})).await;
    let mut call = house.place(house.options(), vec![]);
    call.heard_agent().await;
    let handle = house.app.services.registry.find(house.agent, &call.sid).unwrap();
    handle.commands.send(Command::OwnerEnds { words: None }).await.unwrap();
    let call = call.ended().await;

    assert_eq!(call.ended, Ended::Server);
    let row = house.row(&call.call_sid).await;
    assert_eq!(row.end(), ("completed", "owner"));
    assert_eq!(row.lines()[1..], ["Agent: Thank you for calling. Goodbye!"]);
}

#[tokio::test]
async fn a_caller_who_hears_nothing_and_hangs_up_was_not_answered() {
    let slow = SpeechOptions {
        script: script(vec![]),
        first_audio: ms(10_000),
        ..SpeechOptions::default()
    };
    let house = House::open(Plan { speech: slow, ..Plan::default() }).await;
    let (call, row) = house.call(vec![Step::Wait(ms(1_000)), Step::HangUp]).await;

    assert_eq!((call.errors, call.agent_bytes), (vec![], 0));
    assert_eq!((row.end(), row.lines()), (("no-answer", "caller"), vec![]));
}

#[tokio::test]
async fn a_call_whose_stream_never_comes_was_not_answered_and_frees_its_slot() {
    let house = House::open(Plan { calls_max: 1, ..Plan::default() }).await;
    let sid = random_sid("CA");
    let since = house.clock.now();
    stream_url(&house.ring(&sid).await);
    assert_eq!(row(&house.pool, &sid).await.unwrap().0["status"], "in-progress");
    let row = house.row_within(&sid, DEADLINE).await;

    let waited = house.clock.now() - since;
    assert_eq!(row.end(), ("no-answer", "caller"));
    assert!(waited >= ms(15_000), "given up after {waited:?}");
    house.emptied().await;
    stream_url(&house.ring(&random_sid("CA")).await);
}

#[tokio::test]
async fn a_server_that_goes_down_says_goodbye_and_takes_no_more_calls() {
    let house = House::with(vec![], json!({})).await;
    let mut call = house.place(house.options(), vec![]);
    call.heard_agent().await;
    let (pool, sid) = (house.pool.clone(), call.sid.clone());
    house.app.shut_down(std::future::pending()).await;

    let row = row(&pool, &sid).await.unwrap();
    assert_eq!(row.end(), ("failed", "error"));
    assert_eq!(row.lines()[1..], ["Agent: Thank you for calling. Goodbye!"]);
    let (_, seen) = call.told().await;
    let begun = seen.iter().filter(|event| event.kind == PhoneEventKind::AgentBegan);
    assert_eq!(begun.count(), 2);
}

#[tokio::test]
async fn a_draining_server_sends_callers_to_the_fallback() {
    let house = House::with(vec![], json!({})).await;
    let mut call = house.place(house.options(), vec![]);
    call.heard_agent().await;
    house.app.services.registry.stop_taking_calls();
    let (second, row) = house.call(vec![]).await;
    assert_eq!((second.said, row.end()), (vec![FALLBACK.to_owned()], ("no-answer", "agent")));
    let ready = house.http.get(format!("http://{}/readyz", house.app.address)).send().await;
    assert_eq!(ready.unwrap().status(), 503);
}

/// A live call of another process, with its caller out if `is_out`.
async fn elsewhere(house: &House, is_out: bool) -> &'static str {
    let sid = "CA00000000000000000000000000000007";
    let out_until = if is_out { "now() + interval '1 hour'" } else { "null" };
    house
        .sql(&format!(
            "insert into call_logs (voice_agent_id, call_sid, caller_number, call_start, status,
                instance_id, out_until)
            values ('{}', '{sid}', '+15551230001', now(), 'in-progress', gen_random_uuid(),
                {out_until})",
            house.agent
        ))
        .await;
    sid
}

#[tokio::test]
async fn a_status_callback_counts_also_when_the_database_was_away() {
    let house = House::open(Plan { is_wired: true, ..Plan::default() }).await;
    // Its agent is known from here on.
    house.call(vec![Step::wait_for_agent(), Step::HangUp]).await;
    let sid = elsewhere(&house, true).await;
    let wire = house.wire.as_ref().unwrap();
    wire.set(Wire::Cut);
    let fields = [("CallSid", sid), ("CallStatus", "completed"), ("To", NUMBER)];
    let (status, _) = house.post("/twilio/status", &fields, Some(TOKEN)).await;
    assert_eq!(status, 204);
    // Longer than others are waited for first.
    frontdesk::clock::pause(ms(4_000)).await;
    wire.set(Wire::Joined);
    assert_eq!(house.row_within(sid, DEADLINE).await.end().0, "no-answer");
}

#[tokio::test]
async fn who_has_heard_a_goodbye_is_not_brought_back_while_it_is_written_down() {
    let house = House::with(vec![], json!({})).await;
    let sid = elsewhere(&house, false).await;
    house
        .sql(
            r#"insert into call_events (call_log_id, seq, at_ms, kind, data)
            select id, 1, 20000, 'ended', '{"status": "completed", "ended_by": "agent"}'
            from call_logs"#,
        )
        .await;
    let fields = [("CallSid", sid), ("CallStatus", "in-progress"), ("To", NUMBER)];
    let (status, document) = house.post("/twilio/after", &fields, Some(TOKEN)).await;
    let verbs = twiml_reader::parse(&document).unwrap();
    assert_eq!((status, verbs), (200, vec![Verb::Hangup]));
    // Whoever said it may have died before it was.
    assert_eq!(house.row_within(sid, DEADLINE).await.end(), ("completed", "agent"));
}

#[tokio::test]
async fn the_status_callback_alone_completes_a_call() {
    let house = House::with(vec![], json!({})).await;
    let mut call = house.place(house.options(), vec![]);
    call.heard_agent().await;
    let sid = call.sid.clone();
    let fields = [("CallSid", sid.as_str()), ("CallStatus", "completed"), ("To", NUMBER)];
    let (status, _) = house.post("/twilio/status", &fields, Some(TOKEN)).await;
    assert_eq!(status, 204);
    assert_eq!(house.row(&sid).await.end(), ("completed", "caller"));
}

/// Somebody else redirects a call whose agent has been heard, over Twilio's REST interface. Gives
/// the ended call once its row is completed.
async fn redirect(house: &House, update: CallUpdate<'_>) -> (CallReport, Row) {
    let mut call = house.place(house.options(), vec![]);
    call.heard_agent().await;
    let twilio = &house.app.services.function_services.twilio;
    let handle = house.app.services.registry.find(house.agent, &call.sid).unwrap();
    twilio.update_call(&handle.agent, &call.sid, update).await.unwrap();
    let sid = call.sid.clone();
    let row = house.row(&sid).await;
    (call.ended().await, row)
}

#[tokio::test]
async fn a_call_that_somebody_else_redirects_is_not_ended_by_its_caller() {
    let house = House::with(vec![], json!({})).await;
    let elsewhere = "<Response><Pause length=\"40\"/><Hangup/></Response>";
    let (call, row) = redirect(&house, CallUpdate::Twiml(elsewhere)).await;
    assert_eq!((call.errors, call.ended), (vec![], Ended::Server));
    assert_eq!(row.end(), ("completed", "owner"));
    assert_eq!(row.lines(), [&format!("Agent: {GREETING}")]);
    let kinds = house.kinds(&call.call_sid, "ended").await;
    assert_eq!(kinds[kinds.len() - 2..], ["redirected", "ended"], "{kinds:?}");
    assert_eq!(house.rows().await, 1);
    house.emptied().await;
}

#[tokio::test]
async fn a_call_that_is_ended_from_elsewhere_is_over() {
    let house = House::with(vec![], json!({})).await;
    let (call, row) = redirect(&house, CallUpdate::Completed).await;
    assert_eq!((call.ended, row.end()), (Ended::Server, ("completed", "caller")));
    let kinds = house.kinds(&call.call_sid, "ended").await;
    assert!(!kinds.iter().any(|kind| kind == "redirected"), "{kinds:?}");
}
