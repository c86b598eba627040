//! Flows: what they call, say and give to whom.

use super::*;

#[tokio::test]
async fn a_flow_calls_other_functions_and_puts_the_caller_through() {
    let service = Service::start(vec![answer(&json!({"state": "lost"}))]).await;
    let url = format!("http://{}/{{{{ args.order }}}}", service.address);
    let variables = json!([{"name": "order", "type": "integer", "required": true}]);
    let api = row(1, "json_api", "find_order", json!({"url": url}), variables);
    let flow = row(
        2,
        "flows",
        "parcel",
        json!({"start": "a", "nodes": {
            "a": {"ask": "Which order?", "collect": "order", "next": "b"},
            "b": {"call": "find_order", "arguments": {"order": "{{ order }}"}, "save_as": "found",
                  "next": "c", "on_error": "e"},
            "c": {"branch": [{"if": "found.state == 'lost'", "next": "d"}], "next": "e"},
            "d": {"transfer": "Front Desk"},
            "e": {"end": "We will call {{ caller }} back: {{ found.error }}"},
        }}),
        Value::Null,
    );
    let mut desk = Desk::new(Some(&service), vec![api, flow]);
    let outcome = desk.call("parcel", json!({})).await;
    assert_eq!(outcome.output["ask"], "Which order?");
    let outcome = desk.call("parcel", json!({"answer": "17"})).await;
    let Some(AfterFunction::Transfer { target, words: None }) = &outcome.then else {
        panic!("{outcome:?}")
    };
    assert_eq!(target.number.reveal(), "+15550003333");
    assert_eq!(outcome.output, json!({"ok": true, "done": true, "transfer": "front desk"}));
    assert!(service.asked()[0].starts_with("GET /17 "));
    // Arguments of a call are checked like the model's own.
    desk.call("parcel", json!({})).await;
    let outcome = desk.call("parcel", json!({"answer": "the blue one"})).await;
    let say = outcome.output["say"].as_str().unwrap();
    assert_eq!(outcome.then, Some(AfterFunction::EndCall { words: Some(say.to_owned()) }));
    assert!(
        say.starts_with("We will call +15551230001 back: order must be a whole number"),
        "{say}"
    );
    assert_eq!(service.asked().len(), 1);
}

#[tokio::test]
async fn a_flow_that_puts_through_to_nobody_says_so() {
    let nodes = json!({"start": "a", "nodes": {"a": {"transfer": "+15559990000"}}});
    let mut desk = Desk::new(None, vec![row(1, "flows", "out", nodes, Value::Null)]);
    let outcome = desk.call("out", json!({})).await;
    assert_eq!((outcome.ok, &outcome.then), (false, &None));
}

#[tokio::test]
async fn a_flow_keeps_all_that_called_functions_have_to_be_written_down() {
    let call = |text: &str, next: &str| json!({"call": "take_message", "arguments": {"text": text}, "next": next});
    let nodes = json!({"start": "a", "nodes": {
        "a": call("Call {{ agent.number }}", "b"),
        "b": call("Today", "c"),
        "c": {"say": "It is noted."},
    }});
    let mut desk = Desk::new(None, vec![row(1, "flows", "note", nodes, Value::Null)]);
    let outcome = desk.call("note", json!({})).await;
    assert!(outcome.ok && outcome.output["say"] == "It is noted.");
    let noted: Vec<&str> = outcome.notes.iter().map(message).collect();
    assert_eq!(noted, ["Call +15559870002", "Today"]);
}

#[tokio::test]
async fn a_flow_calls_a_built_in_function_that_a_row_has_renamed() {
    let renamed = row(1, "function", "note_it", json!({"builtin": "take_message"}), Value::Null);
    let nodes = json!({"start": "a", "nodes": {
        "a": {"call": "take_message", "arguments": {"text": "Today"}, "next": "b"},
        "b": {"say": "It is noted."},
    }});
    let mut desk = Desk::new(None, vec![renamed, row(2, "flows", "note", nodes, Value::Null)]);
    let outcome = desk.call("note", json!({})).await;
    assert_eq!(outcome.notes.iter().map(message).collect::<Vec<_>>(), ["Today"]);
}

fn message(note: &LogEvent) -> &str {
    let LogEvent::MessageTaken { text, .. } = note else { panic!("{note:?}") };
    text
}

#[tokio::test]
async fn what_a_flow_says_before_a_transfer_goes_with_it() {
    let nodes = json!({"start": "a", "nodes": {
        "a": {"say": "Hold the line.", "next": "b"},
        "b": {"transfer": "front desk"},
    }});
    let mut desk = Desk::new(None, vec![row(1, "flows", "out", nodes, Value::Null)]);
    let outcome = desk.call("out", json!({})).await;
    let Some(AfterFunction::Transfer { words, .. }) = outcome.then else { panic!("{outcome:?}") };
    assert_eq!(words.as_deref(), Some("Hold the line."));
}

#[tokio::test]
async fn a_flow_goes_on_from_a_call_without_an_answer_in_time() {
    let mut service = Service::start(vec![Reply::Silence]).await;
    let url = format!("http://{}/", service.address);
    let flow = json!({"start": "a", "nodes": {
        "a": {"call": "slow", "next": "b", "on_error": "c"},
        "b": {"say": "It is done."}, "c": {"say": "It may not be done."},
    }});
    let mut desk = Desk::new(
        Some(&service),
        vec![
            row(1, "json_api", "slow", json!({"method": "POST", "url": url}), Value::Null),
            row(2, "flows", "steps", flow, Value::Null),
        ],
    );
    given_up(&desk, &mut service, "steps", "{}").await;
    let outcome = desk.call("steps", json!({})).await;
    assert_eq!(outcome.output, json!({"ok": true, "say": "It may not be done.", "done": true}));
    assert_eq!(service.connections(), 1);
}
