//! A speech service that refuses some of an agent's settings: the call is held without them, the row
//! says so, and the next call does not pay for it again.

use frontdesk::rehearsal::phone::Step;
use frontdesk::rehearsal::speech::SpeechOptions;
use frontdesk::rehearsal::speech::fault::Fault;
use frontdesk::rehearsal::speech::script::Script;
use serde_json::{Value, json};

use crate::harness::{House, Plan, say, script, turn};
use crate::privacy::kept_log;

fn steps() -> Vec<Step> {
    vec![Step::wait_for_agent(), say(0), Step::wait_for_agent(), Step::HangUp]
}

/// The sessions that were asked for, in order.
fn updates(house: &House) -> Vec<Value> {
    let updates = house.speech.observer().received("session.update");
    updates.into_iter().map(|update| update.event["session"].clone()).collect()
}

#[tokio::test]
async fn a_voice_that_the_service_does_not_have_costs_no_call() {
    let log = kept_log();
    let house = House::with(vec![turn("Are you open?", "Yes.")], json!({"voice": "nova"})).await;
    let (call, row) = house.call(steps()).await;
    assert_eq!((call.errors, row.end()), (vec![], ("completed", "caller")));
    assert_eq!(row.lines()[1..], ["Caller: Are you open?", "Agent: Yes."]);
    assert_eq!(row.metadata()["refused_settings"], json!(["audio.output.voice"]));
    assert_eq!(row.metadata()["fallback_reason"], Value::Null);
    let kinds = house.kinds(&call.call_sid, "ended").await;
    assert!(kinds.iter().any(|kind| kind == "setting_refused"), "{kinds:?}");
    assert!(!kinds.iter().any(|kind| kind == "engine_lost"), "{kinds:?}");
    let voices: Vec<Value> =
        updates(&house).iter().map(|session| session["audio"]["output"]["voice"].clone()).collect();
    assert_eq!(voices, [json!("nova"), Value::Null]);
    // Whoever runs the server reads which agent it is, which field, and what kind of value: not the value.
    let (agent, log) = (house.agent.to_string(), log.text());
    let refused: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("refuses a setting") && line.contains(&agent))
        .collect();
    let [line] = refused[..] else { panic!("{refused:?}") };
    for named in ["WARN", r#"field="audio.output.voice""#, r#"value="text""#] {
        assert!(line.contains(named), "{named}: {line}");
    }
    assert!(!line.contains("nova"), "{line}");

    // The next call knows, and says so too.
    let (call, row) = house.call(steps()).await;
    assert_eq!((call.errors, row.end()), (vec![], ("completed", "caller")));
    assert_eq!(row.metadata()["refused_settings"], json!(["audio.output.voice"]));
    assert_eq!(updates(&house).len(), 3);
}

#[tokio::test]
async fn a_service_that_refuses_much_is_spoken_to_all_the_same() {
    let refused = |field: &str, unnamed| Fault::RefuseSetting { field: field.into(), unnamed };
    let faults = vec![
        refused("audio.input.noise_reduction", false),
        refused("reasoning", true),
        refused("parallel_tool_calls", true),
        refused("audio.input.transcription.languages", false),
        refused("tools.take_message", false),
    ];
    let script = Script { faults, ..script(vec![turn("Are you open?", "Yes.")]) };
    let speech = SpeechOptions { script, ..SpeechOptions::default() };
    let house = House::open(Plan { speech, ..Plan::default() }).await;
    let (call, row) = house.call(steps()).await;
    assert_eq!((call.errors, row.end()), (vec![], ("completed", "caller")));
    assert_eq!(row.lines()[1..], ["Caller: Are you open?", "Agent: Yes."]);
    let mut fields: Vec<&str> = row.metadata()["refused_settings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| field.as_str().unwrap())
        .collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "audio.input.noise_reduction",
            "audio.input.transcription.language",
            "parallel_tool_calls",
            "reasoning",
            "tools.take_message",
        ]
    );
    let last = updates(&house).pop().unwrap();
    assert_eq!(last["audio"]["output"]["voice"], "marin", "what is not refused stays");
    let names = last["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]);
    assert!(
        names.clone().any(|name| name == "end_call") && !names.clone().any(|n| n == "take_message")
    );
}
