//! Rows of functions: read, offered, called with arguments that a model may write, filled in.

use frontdesk::agent::arguments::Parameters;
use frontdesk::agent::flow::FlowProgress;
use frontdesk::agent::form::{FormProgress, FormStep};
use frontdesk::agent::function::{AgentFunction, FunctionSource, Work};
use frontdesk::agent::template::{Facts, value_of};
use frontdesk::agent::{Agent, AgentSource};
use minijinja::value::Value as Context;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::flows::walk;
use crate::harness::{corpus, fuzz};
use crate::mutate::{Edit, edits, mutated};

/// The most that one request, or one word to the model, may come to, in bytes.
const MADE_MAX: usize = 4 * 1024 * 1024;

/// Rows of every type, with all that a row can have.
pub(crate) fn rows() -> Vec<Value> {
    let variables = json!([
        {"name": "date", "type": "string", "description": "When.", "required": true, "format": "date"},
        {"name": "party", "type": "integer", "description": "How many.", "minimum": 1, "maximum": 20},
        {"name": "area", "type": "string", "enum": ["terrace", "inside"]},
        {"name": "code", "type": "string", "pattern": "^[A-Z]{2}[0-9]{3,5}$"},
        {"name": "phone", "type": "string", "format": "phone", "required": false},
        {"name": "time", "type": "string", "format": "time"},
        {"name": "email", "type": "string", "format": "email"},
    ]);
    let api = json!({
        "method": "POST", "url": "https://api.example.com/v1/{{ args.area }}/book?src=phone",
        "headers": {"Authorization": "Bearer {{ secrets.CRM_KEY }}", "X-Call": "{{ call.sid }}"},
        "query": {"date": "{{ args.date }}", "party": "{{ args.party }}", "tags": ["{{ args.area }}", 7]},
        "body": {"name": "{{ caller.number }}", "party": "{{ args.party }}",
            "nested": [{"when": "{{ args.date }} {{ args.time | default('noon') }}"}]},
        "timeout_ms": 4000, "result": "/data/items",
    });
    let flow = json!({
        "start": "hello",
        "nodes": {
            "hello": {"say": "Let me see.", "next": "ask"},
            "ask": {"ask": "How many?", "collect": "guests", "type": "integer", "next": "large"},
            "large": {"branch": [{"if": "guests > 8", "next": "through"}], "next": "call"},
            "call": {"call": "check_availability", "arguments": {"date": "{{ date }}"},
                "save_as": "found", "next": "end", "on_error": "hello"},
            "through": {"transfer": "sales"},
            "end": {"end": "Goodbye, {{ guests }} of you."},
        },
    });
    vec![
        json!({"type": "json_api", "name": "book_table", "purpose": "Books.", "data": api, "variables": variables}),
        json!({"type": "form", "name": "intake", "trigger_reason": "A new caller.",
            "data": {"title": "Intake", "submit_url": "https://forms.example.com/x"}, "variables": variables}),
        json!({"type": "flows", "name": "reserve", "data": flow, "variables": variables}),
        json!({"type": "function", "name": "put_through",
            "data": {"builtin": "transfer_call", "targets": {"sales": "+15559990001"}}, "variables": null}),
        json!({"type": "json_api", "name": "look_up", "data": {"url": "http://crm.example/{{ args.id }}"},
            "variables": {"type": "object", "properties": {"id": {"type": ["string", "null"]}}, "required": ["id"]}}),
    ]
}

/// A row as the database has it.
fn source(row: &Value) -> FunctionSource {
    let text = |name: &str| row[name].as_str().map(str::to_owned);
    FunctionSource {
        id: Uuid::from_u128(7),
        kind: text("type"),
        data: row["data"].clone().into(),
        is_active: row["is_active"].as_bool(),
        name: text("name"),
        purpose: text("purpose"),
        trigger_reason: text("trigger_reason"),
        variables: row["variables"].clone().into(),
        ..FunctionSource::default()
    }
}

/// The agent that these rows come to.
pub(crate) fn agent(rows: &[Value]) -> Agent {
    Agent::new(AgentSource {
        number: Some("+12125550100".to_owned().into()),
        status: "active".to_owned(),
        functions: rows.iter().map(source).collect(),
        ..AgentSource::default()
    })
}

pub(crate) fn facts() -> Facts {
    Facts {
        caller: "+15551230001".into(),
        call_id: Uuid::nil().to_string(),
        call_sid: "CA1".into(),
        agent_id: Uuid::nil().to_string(),
        agent_name: "Mia".into(),
        agent_number: "+12125550100".into(),
    }
}

/// What a model may give.
fn arguments(edits: &[Edit]) -> Map<String, Value> {
    let usual = json!({"date": "2026-11-30", "party": 4, "area": "terrace", "code": "AB123",
        "phone": "(212) 555-0101", "time": "7 pm", "email": "ada@example.com", "id": "17",
        "answer": "5", "confirmed": true});
    match mutated(&usual, edits) {
        Value::Object(fields) => fields,
        other => Map::from_iter([("date".to_owned(), other)]),
    }
}

fn call(function: &AgentFunction, given: &Map<String, Value>) -> Result<(), TestCaseError> {
    let schema = function.parameters.schema().to_string();
    prop_assert!(schema.len() <= MADE_MAX);
    let checked = function.parameters.check_some(given);
    prop_assert!(checked.wrong.len() <= given.len() + function.parameters.names().len() + 1);
    if let Err(why) = function.parameters.check(given) {
        prop_assert!(why.len() <= MADE_MAX, "{} bytes of why", why.len());
    }
    match &function.work {
        Work::JsonApi(api) => {
            let mut values = facts().values();
            values.insert("args".to_owned(), value_of(&Value::Object(given.clone())));
            let secrets = Context::from_pairs([("CRM_KEY", "hunter2")]);
            values.insert("secrets".to_owned(), secrets);
            match api.request(&Context::from_pairs(values)) {
                Ok(request) => {
                    prop_assert!(matches!(request.url.scheme(), "http" | "https"));
                    let body = request.body.map_or(0, |body| body.len());
                    prop_assert!(body + request.url.as_str().len() <= MADE_MAX, "{} bytes", body);
                }
                Err(error) => {
                    let text = error.to_string();
                    prop_assert!(!text.contains("hunter2") && !text.contains("5551230001"));
                }
            }
        }
        Work::Form(form) => {
            prop_assert!(form.schema(&function.parameters).is_object());
            fill_in(&function.parameters, given)?;
        }
        Work::Flow(flow) => {
            prop_assert!(flow.schema(&function.parameters).is_object());
            let mut progress = FlowProgress::default();
            walk(flow, &function.parameters, &mut progress, given, &[3, 1, 4, 1, 5, 9])?;
        }
        Work::Builtin(..) => {}
    }
    Ok(())
}

/// However it is filled in, it is handed in at most once.
fn fill_in(fields: &Parameters, given: &Map<String, Value>) -> Result<(), TestCaseError> {
    let mut progress = FormProgress::default();
    let mut submitted = 0;
    for turn in 0..12 {
        match progress.take(fields, given, turn) {
            FormStep::Submit(values) => {
                submitted += 1;
                prop_assert!(fields.check(&values).is_ok() || values.len() < fields.names().len());
                let _ = progress.submitted([Some(true), Some(false), None][turn as usize % 3]);
            }
            FormStep::Tell { output, .. } => prop_assert!(output.to_string().len() <= MADE_MAX),
        }
    }
    prop_assert!(submitted <= 1);
    Ok(())
}

fn check(rows: &[Value], given: &Map<String, Value>) -> Result<(), TestCaseError> {
    let agent = agent(rows);
    prop_assert!(agent.faults.len() <= 50);
    let faults: usize = agent.faults.iter().map(|fault| fault.to_string().len()).sum();
    prop_assert!(faults <= 256 * 1024, "{} bytes of faults", faults);
    for function in &agent.functions.rows {
        call(function, given)?;
    }
    Ok(())
}

#[test]
fn fuzz_rows_of_functions() {
    let usual = arguments(&[]);
    for (name, text) in corpus("functions") {
        let row: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        check(&[row], &usual).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let all = rows();
    let read = agent(&all).functions.rows.len();
    assert_eq!(read, all.len(), "the rows are good: {:?}", agent(&all).faults);
    let strategy = (0..all.len(), edits(), edits());
    fuzz("functions", 80, strategy, move |(which, changes, given)| {
        check(&[mutated(&all[which], &changes)], &arguments(&given))
    });
}
