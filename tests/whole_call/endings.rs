//! How calls end, and what their rows say of it (CONTRACT 4).

use frontdesk::line::registry::Command;
use frontdesk::rehearsal::phone::{Ended, Step};
use frontdesk::rehearsal::speech::SpeechOptions;
use frontdesk::rehearsal::speech::script::FunctionCall;
use serde_json::{Value, json};

use crate::harness::{GREETING, House, Plan, ms, say, script, turn};

fn goodbye() -> Vec<frontdesk::rehearsal::speech::script::Turn> {
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

    assert_eq!((call.errors, call.held, call.ended), (vec![], true, Ended::Caller));
    assert_eq!(row.end(), ("completed", "caller"));
    assert_eq!(
        row.lines(),
        [&format!("Agent: {GREETING}"), "Caller: Are you open?", "Agent: Yes, until six."]
    );
    let (metadata, turn) = (row.metadata(), &row.metadata()["turns"][0]);
    assert_eq!(metadata["call_sid"], call.call_sid);
    assert_eq!(metadata["stream_sids"].as_array().unwrap().len(), 1);
    assert_eq!((&metadata["engine"], &metadata["model"]), (&json!("realtime"), &json!("gpt-realtime-2.1")));
    assert!(metadata["usage"]["output_tokens"].as_u64().unwrap() > 0, "{metadata}");
    assert_eq!((&turn["n"], &turn["caller"]), (&json!(1), &json!("Are you open?")));
    assert_eq!((&turn["heard"], &turn["interrupted"]), (&json!("Yes, until six."), &json!(false)));
    assert!(turn["latency_ms"]["first_audio"].is_u64(), "{turn}");
    assert_eq!(row.0["caller_number"], "+15551230001");
    let kinds = house.kinds(&call.call_sid, "ended").await;
    assert_eq!((kinds.first().unwrap().as_str(), kinds.last().unwrap().as_str()), ("engine_ready", "ended"));
    house.emptied().await;
}
