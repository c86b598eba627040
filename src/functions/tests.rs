//! Rows from the model's side: what is offered, what is carried out, and what never is.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::dispatch::carry_out;
use super::fixture::{caller, function_services, request};
use super::test_service::{Reply, Service, json as answer, reply};
use super::*;
use crate::agent::AgentSource;
use crate::agent::function::FunctionSource;

mod flows;

fn row(n: u128, kind: &str, name: &str, data: Value, variables: Value) -> FunctionSource {
    FunctionSource {
        id: Uuid::from_u128(n),
        kind: Some(kind.to_owned()),
        data: data.into(),
        name: Some(name.to_owned()),
        purpose: Some(format!("This is {name}.")),
        variables: variables.into(),
        ..FunctionSource::default()
    }
}

fn agent(settings: Value, functions: Vec<FunctionSource>) -> Agent {
    let agent = Agent::new(AgentSource {
        number: Some("+15559870002".to_owned().into()),
        status: "active".to_owned(),
        private_settings: settings.into(),
        functions,
        ..AgentSource::default()
    });
    assert_eq!(agent.faults, []);
    agent
}

fn names(agent: &Agent) -> Vec<String> {
    signatures(&function_services(Vec::new()), agent).into_iter().map(|one| one.name).collect()
}

/// A wish of the model's after the caller has spoken once more.
fn later(name: &str, engine_call_id: &str, arguments: &str) -> FunctionRequest {
    FunctionRequest { turn: 2, ..request(name, engine_call_id, arguments) }
}

/// A phone call with these functions and one service, in which the caller speaks before each of
/// them.
struct Desk {
    function_services: Arc<FunctionServices>,
    caller: Arc<CallContext>,
    calls: u32,
}

impl Desk {
    fn new(service: Option<&Service>, functions: Vec<FunctionSource>) -> Self {
        let services = service.map(Service::allowed).into_iter().collect();
        let settings = json!({"transfer": {"targets": {"front desk": "+15550003333"}}});
        let caller = caller(agent(settings, functions), "+15551230001");
        Self {
            function_services: Arc::new(function_services(services)),
            caller: Arc::new(caller),
            calls: 0,
        }
    }

    async fn call(&mut self, name: &str, arguments: Value) -> Outcome {
        self.calls += 1;
        let id = format!("call_{}", self.calls);
        let request = request(name, &id, &arguments.to_string());
        let request = FunctionRequest { turn: self.calls, ..request };
        carry_out(&self.function_services, &self.caller, &request).await
    }
}

fn form(service: &Service) -> FunctionSource {
    let url = format!("http://{}/in", service.address);
    let variables = json!([{"name": "email", "type": "email"}]);
    row(1, "form", "sign_up", json!({"submit_url": url}), variables)
}

const BUILT_IN: [&str; 8] = [
    "check_availability",
    "book_appointment",
    "reschedule_appointment",
    "cancel_appointment",
    "take_message",
    "send_sms",
    "search_knowledge",
    "end_call",
];

#[tokio::test]
async fn built_in_functions_are_there_without_a_row() {
    assert_eq!(names(&agent(json!({}), vec![])), BUILT_IN);
    let targets = json!({"transfer": {"targets": {"sales": "+15550003333"}}});
    assert!(names(&agent(targets, vec![])).contains(&"transfer_call".to_owned()));
}

#[tokio::test]
async fn rows_add_tune_replace_and_take_away() {
    let builtin = |n, name: &str, builtin: &str| {
        row(n, "function", name, json!({"builtin": builtin}), Value::Null)
    };
    let mut off = builtin(1, "", "send_sms");
    off.is_active = Some(false);
    let url = json!({"url": "https://a.example/"});
    let agent = agent(
        json!({}),
        vec![
            off,
            builtin(2, "book_table", "book_appointment"),
            builtin(3, "", "take_message"),
            row(4, "json_api", "check_availability", url, json!([{"name": "day"}])),
            row(5, "function", "hang_up", json!({"builtin": "end_call"}), Value::Null),
        ],
    );
    let offered = signatures(&function_services(Vec::new()), &agent);
    let names: Vec<&str> = offered.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "book_table",
            "take_message",
            "check_availability",
            "hang_up",
            "reschedule_appointment",
            "cancel_appointment",
            "search_knowledge",
        ]
    );
    assert!(offered[0].description.starts_with("This is book_table. Book an appointment"));
    assert!(offered[0].parameters["properties"]["date"].is_object());
    assert_eq!(offered[2].parameters["properties"]["day"], json!({"type": "string"}));
    for taken in ["send_sms", "book_appointment", "transfer_call", "nobody"] {
        let request = request(taken, "call_1", "{}");
        let outcome =
            carry_out(&function_services(Vec::new()), &caller(agent.clone(), ""), &request).await;
        assert!(outcome.output["error"].as_str().unwrap().starts_with("there is no function"));
    }
    let mut desk = Desk::new(None, vec![builtin(1, "hang_up", "end_call")]);
    assert_eq!(
        desk.call("hang_up", json!({})).await.then,
        Some(AfterFunction::EndCall { words: None })
    );
}

#[tokio::test]
async fn a_transfer_row_names_whom_the_caller_can_be_put_through_to() {
    let data = json!({"builtin": "transfer_call", "targets": {"Ada": "+1 555 000 4444"}});
    let mut desk = Desk::new(None, vec![row(1, "function", "put_through", data, Value::Null)]);
    let outcome = desk.call("put_through", json!({"target": "ada"})).await;
    let Some(AfterFunction::Transfer { target, words: None }) = outcome.then else {
        panic!("{outcome:?}")
    };
    assert_eq!((target.name.as_str(), target.number.reveal().as_str()), ("Ada", "+15550004444"));
    let outcome = desk.call("put_through", json!({"target": "+15559990000"})).await;
    assert_eq!((outcome.ok, outcome.then), (false, None));
}

#[tokio::test]
async fn a_form_is_posted_once_with_its_values() {
    let service = Service::start(vec![answer(&json!({}))]).await;
    let mut desk = Desk::new(Some(&service), vec![form(&service)]);
    let schema = signatures(&desk.function_services, &desk.caller.agent).remove(0).parameters;
    assert_eq!(schema["properties"]["confirmed"]["type"], "boolean");
    assert_eq!(schema.get("required"), None);
    assert!(!desk.call("sign_up", json!({"email": "ada"})).await.ok);
    let outcome = desk.call("sign_up", json!({"email": "ada@example.com"})).await;
    assert_eq!(outcome.output["read_back"], json!({"email": "ada@example.com"}));
    // Another function in between changes nothing.
    assert!(!desk.call("cancel_everything", json!({})).await.ok);
    let confirmed = json!({"confirmed": true});
    assert_eq!(
        desk.call("sign_up", confirmed.clone()).await.output,
        json!({"ok": true, "done": true})
    );
    assert_eq!(desk.call("sign_up", confirmed).await.output["note"], "it was handed in before");
    let asked = service.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].starts_with("POST /in "), "{asked:?}");
    assert!(asked[0].contains(r#"{"email":"ada@example.com"}"#));
    let key = format!("idempotency-key: {}-{}", Uuid::from_u128(1), Uuid::from_u128(1));
    assert!(asked[0].to_lowercase().contains(&key), "{asked:?}");
}

#[tokio::test]
async fn two_confirmations_at_once_hand_a_form_in_once() {
    let service = Service::start(vec![answer(&json!({}))]).await;
    let mut desk = Desk::new(Some(&service), vec![form(&service)]);
    desk.call("sign_up", json!({"email": "ada@example.com"})).await;
    let confirm = |id: &str| {
        run(&desk.function_services, &desk.caller, later("sign_up", id, r#"{"confirmed":true}"#))
    };
    let (one, other) = futures_util::future::join(confirm("a"), confirm("b")).await;
    for event in [one, other] {
        let Event::FunctionDone { row, output, .. } = event else { panic!("{event:?}") };
        assert_eq!(row, Some(Uuid::from_u128(1).to_string()));
        assert!(output.contains("done") || output.contains("still being worked on"), "{output}");
    }
    assert_eq!(service.asked().len(), 1);
}

#[tokio::test]
async fn a_form_is_handed_in_although_the_caller_hangs_up() {
    let mut service = Service::start(vec![answer(&json!({}))]).await;
    let mut desk = Desk::new(Some(&service), vec![form(&service)]);
    desk.call("sign_up", json!({"email": "ada@example.com"})).await;
    drop(run(
        &desk.function_services,
        &desk.caller,
        later("sign_up", "a", r#"{"confirmed":true}"#),
    ));
    service.wait_for_connections(1).await;
}

#[tokio::test]
async fn a_form_that_is_refused_or_gets_no_answer_is_not_tried_again() {
    for (failure, is_open) in [(reply(500, "", ""), false), (Reply::Close, true)] {
        let service = Service::start(vec![failure]).await;
        let mut desk = Desk::new(Some(&service), vec![form(&service)]);
        desk.call("sign_up", json!({"email": "ada@example.com"})).await;
        for _ in 0..2 {
            let outcome = desk.call("sign_up", json!({"confirmed": true})).await;
            let error = outcome.output["error"].as_str().unwrap();
            assert!(!outcome.ok && error.contains("take a message"), "{error}");
            assert_eq!(error.contains("is not known"), is_open, "{error}");
        }
        assert_eq!(service.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_form_reaches_nothing_private() {
    let service = Service::start(vec![answer(&json!({}))]).await;
    let mut desk = Desk::new(None, vec![form(&service)]);
    desk.call("sign_up", json!({"email": "ada@example.com"})).await;
    assert!(!desk.call("sign_up", json!({"confirmed": true})).await.ok);
    assert!(service.asked().is_empty());
}

#[tokio::test]
async fn a_form_that_goes_nowhere_and_cannot_be_kept_is_not_done() {
    for save_data in [false, true] {
        let form = row(1, "form", "sign_up", json!({}), json!([{"name": "a"}]));
        let mut desk = Desk::new(None, vec![FunctionSource { save_data, ..form }]);
        desk.call("sign_up", json!({"a": "x"})).await;
        assert!(!desk.call("sign_up", json!({"confirmed": true})).await.ok);
    }
}

#[tokio::test]
async fn arguments_that_are_no_object_are_told_apart_from_none() {
    let flow = json!({"start": "a", "nodes": {"a": {"say": "Hello."}}});
    let desk = Desk::new(None, vec![row(1, "flows", "hello", flow, Value::Null)]);
    for (arguments, ok) in [
        ("", true),
        (" ", true),
        ("null", true),
        ("{}", true),
        ("[]", false),
        ("{", false),
        ("\"a\"", false),
        ("7", false),
    ] {
        let request = request("hello", "call_1", arguments);
        let outcome = carry_out(&desk.function_services, &desk.caller, &request).await;
        assert_eq!(outcome.ok, ok, "{arguments}: {outcome:?}");
    }
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(20_000));
    let outcome =
        carry_out(&desk.function_services, &desk.caller, &request("hello", "a", &long)).await;
    assert!(outcome.output["error"].as_str().unwrap().contains("too long"));
}

#[tokio::test]
async fn what_the_model_is_told_is_short() {
    let names: Vec<Value> = (0..40).map(|n| json!({"name": format!("f{n}")})).collect();
    let mut desk = Desk::new(None, vec![row(1, "form", "long", json!({}), json!(names))]);
    let given: serde_json::Map<String, Value> =
        (0..40).map(|n| (format!("f{n}"), json!("y".repeat(300)))).collect();
    let request = request("long", "a", &Value::Object(given).to_string());
    desk.calls += 1;
    let event = run(&desk.function_services, &desk.caller, request).await;
    let Event::FunctionDone { ok: true, output, .. } = event else { panic!("{event:?}") };
    assert!(output.len() <= 4096 && output.contains(r#""ok":true"#), "{}", output.len());
}

/// Begins a call of a function, and gives it up once the service has been asked.
async fn given_up(desk: &Desk, service: &mut Service, name: &str, arguments: &str) {
    let request = later(name, "given up", arguments);
    let mut working = Box::pin(carry_out(&desk.function_services, &desk.caller, &request));
    let asked = Box::pin(service.wait_for_connections(1));
    let waiting = futures_util::future::select(&mut working, asked).await;
    assert!(matches!(waiting, futures_util::future::Either::Right(_)), "it was not asked");
    // Meanwhile the model calls it again.
    let again = carry_out(&desk.function_services, &desk.caller, &request).await;
    assert!(again.output["error"].as_str().unwrap().contains("still being worked on"));
}

#[tokio::test]
async fn a_form_without_an_answer_in_time_is_not_handed_in_again() {
    let mut service = Service::start(vec![Reply::Silence]).await;
    let mut desk = Desk::new(Some(&service), vec![form(&service)]);
    desk.call("sign_up", json!({"email": "ada@example.com"})).await;
    given_up(&desk, &mut service, "sign_up", r#"{"confirmed":true}"#).await;
    let outcome = desk.call("sign_up", json!({"confirmed": true})).await;
    assert!(outcome.output["error"].as_str().unwrap().contains("is not known"), "{outcome:?}");
    assert_eq!(service.connections(), 1);
}
