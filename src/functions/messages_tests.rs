//! What messages accept, and that no text is sent twice.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::agent::AgentSource;
use crate::call::FunctionRun;
use crate::clock::{self, within};
use crate::config::TwilioAccount;
use crate::functions::{FunctionRequest, FunctionServices, fixture};

const TAKEN: &str = "HTTP/1.1 201 Created\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
const OPTED_OUT: &str = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 14\r\n\
                         \r\n{\"code\":21610}";

fn agent(number: Option<&str>) -> Agent {
    let number = number.map(|number| number.to_owned().into());
    Agent::new(AgentSource { number, status: "active".into(), ..AgentSource::default() })
}

fn caller(from: &str) -> CallContext {
    fixture::caller(agent(Some("+15559870002")), from)
}

fn request(engine_call_id: &str) -> FunctionRequest {
    FunctionRequest {
        run: FunctionRun(1),
        turn: 1,
        engine_call_id: engine_call_id.into(),
        name: "send_sms".into(),
        arguments: String::new(),
    }
}

fn account() -> TwilioAccount {
    TwilioAccount { account_sid: Some("AC1".into()), auth_token: Some("secret".into()) }
}

fn function_services(api_url: &str, twilio: TwilioAccount) -> FunctionServices {
    let twilio = TwilioRest::new(api_url.parse().unwrap(), twilio).unwrap();
    FunctionServices { twilio, ..fixture::function_services(Vec::new()) }
}

/// A server that gives each connection the next answer, an empty one being none at all; what it
/// was asked comes at the end.
async fn answering(
    answers: &'static [&'static str],
) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = clock::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !is_whole(&String::from_utf8_lossy(&request)) {
                assert_ne!(socket.read_buf(&mut request).await.unwrap(), 0);
            }
            asked.push(String::from_utf8(request).unwrap());
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
        asked
    });
    (url, asked)
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| length.parse() == Ok(body.len()))
}

async fn send(
    function_services: &FunctionServices,
    caller: &CallContext,
    id: &str,
    text: &str,
) -> Outcome {
    let request = &request(id);
    send_sms(Run { function_services, caller, request }, &json!({"text": text}))
        .await
        .unwrap_or_else(Outcome::refused)
}

fn take(from: &str, arguments: Value) -> Outcome {
    take_message(&caller(from), &arguments).unwrap_or_else(Outcome::refused)
}

#[test]
fn a_message_is_noted_with_where_to_call_back() {
    for (from, given, expected) in [
        ("+15551230001", None, Some("+15551230001")),
        ("+15551230001", Some("+44 20 7946 0000"), Some("+442079460000")),
        ("+15551230001", Some("555 0100, after six"), Some("555 0100, after six")),
        ("anonymous", None, None),
        ("+266696687", None, None),
        ("+15551230001", Some("anonymous"), Some("+15551230001")),
        ("+15551230001", Some("+266696687"), Some("+15551230001")),
        ("+2562533", Some("+256 2533"), None),
        ("Restricted", Some("+86 282 452 253"), None),
    ] {
        let taken = take(from, json!({"text": " Call me. ", "callback": given}));
        let callback = expected.map(str::to_owned);
        assert_eq!(taken.output, json!({"ok": true, "callback": callback}), "{given:?}");
        let note = LogEvent::MessageTaken { text: "Call me.".into(), callback };
        assert_eq!(taken.notes, [note]);
    }
}

#[test]
fn a_message_without_words_or_with_a_callback_that_is_none_is_refused() {
    for (arguments, error) in [
        (json!({"text": "  "}), "text is missing"),
        (json!({"text": 7}), "text is missing"),
        (json!(null), "text is missing"),
        (json!({"text": "x".repeat(2_001)}), "text has 2001 characters: at most 2000"),
        (json!({"text": "x", "callback": "at work"}), "callback is not a telephone number"),
    ] {
        let refused = take("+15551230001", arguments);
        let said = refused.output["error"].as_str().unwrap();
        assert!(!refused.ok && said.starts_with(error) && refused.notes.is_empty(), "{said}");
    }
}

#[tokio::test]
async fn a_text_goes_to_the_caller_once_for_each_request_and_each_text() {
    let (url, asked) = answering(&[TAKEN, TAKEN, TAKEN]).await;
    let (function_services, caller) = (function_services(&url, account()), caller("+15551230001"));
    let sent = json!({"ok": true, "sent": true});
    assert_eq!(send(&function_services, &caller, "c1", "One & two").await.output, sent);
    for (id, text) in [("c1", "One & two"), ("c2", " One & two "), ("c1", "another")] {
        let again = send(&function_services, &caller, id, text).await;
        assert_eq!(again.output, json!({"ok": true, "sent": true, "before": true}));
    }
    assert!(send(&function_services, &caller, "c3", "Three").await.ok);
    assert!(send(&function_services, &caller, "c4", "Four").await.ok);
    let fourth = send(&function_services, &caller, "c5", "Five").await;
    assert!(fourth.output["error"].as_str().unwrap().starts_with("3 texts were sent"));

    let asked = within(Duration::from_secs(20), asked).await.unwrap().unwrap();
    let head = "POST /2010-04-01/Accounts/AC1/Messages.json HTTP/1.1";
    assert!(asked.iter().all(|request| request.starts_with(head)), "{asked:?}");
    // AC1:secret
    let credentials = "authorization: Basic QUMxOnNlY3JldA==";
    assert!(asked.iter().all(|request| request.contains(credentials)), "{asked:?}");
    let form = "To=%2B15551230001&From=%2B15559870002&Body=One+%26+two";
    assert!(asked[0].ends_with(form), "{}", asked[0]);
}

#[tokio::test]
async fn a_text_that_may_have_been_sent_is_not_sent_again() {
    let (url, asked) = answering(&[""]).await;
    let (function_services, caller) = (function_services(&url, account()), caller("+15551230001"));
    for id in ["c1", "c1", "c2"] {
        let outcome = send(&function_services, &caller, id, "Hello").await;
        assert_eq!(outcome.output, json!({"ok": false, "error": MAY_BE_SENT}));
    }
    let asked = within(Duration::from_secs(20), asked).await.unwrap().unwrap();
    assert_eq!(asked.len(), 1);
}

#[tokio::test]
async fn a_text_that_was_refused_may_be_tried_again() {
    let (url, asked) = answering(&[OPTED_OUT, TAKEN]).await;
    let (function_services, caller) = (function_services(&url, account()), caller("+15551230001"));
    let refused = send(&function_services, &caller, "c1", "Hello").await;
    assert!(refused.output["error"].as_str().unwrap().contains("opted out"), "{refused:?}");
    assert!(send(&function_services, &caller, "c2", "Hello").await.ok);
    within(Duration::from_secs(20), asked).await.unwrap().unwrap();
}

#[tokio::test]
async fn nobody_but_a_caller_with_a_number_is_texted() {
    // Whoever is asked here is not there.
    let function_services = function_services("http://localhost:1", account());
    for from in ["anonymous", "", "sip:mallory@example.com"] {
        let refused = send(&function_services, &caller(from), "c1", "Hello").await;
        assert!(refused.output["error"].as_str().unwrap().contains("withheld"), "{refused:?}");
    }
    let refused = send(&function_services, &caller("+15551230001"), "c1", &"x".repeat(1_601)).await;
    assert!(refused.output["error"].as_str().unwrap().contains("at most 1600"), "{refused:?}");
}

#[tokio::test]
async fn texts_are_offered_where_they_can_be_sent() {
    let url = "http://localhost:1";
    let offers = |agent: &Agent, twilio| {
        send_sms_signature(agent, &function_services(url, twilio).twilio).is_some()
    };
    assert!(offers(&agent(Some("+15559870002")), account()));
    assert!(!offers(&agent(None), account()));
    assert!(!offers(&agent(Some("+15559870002")), TwilioAccount::default()));
    let mut own = agent(Some("+15559870002"));
    own.credentials =
        Some(crate::agent::Credentials { account_sid: None, auth_token: "own".to_owned().into() });
    assert!(!offers(&own, account()), "a token without its account is not mixed with another");
}

/// What was written down of a run of a function.
fn record(calls: &[(&str, Value, Option<Value>)]) -> CallRecord {
    let mut record = CallRecord::new();
    for (run, (name, arguments, result)) in (1..).zip(calls) {
        let (name, arguments) = ((*name).to_owned(), arguments.clone());
        record.apply(0, &LogEvent::FunctionCalled { run, turn: None, name, arguments });
        let Some(result) = result.clone() else { continue };
        let ok = result["ok"] == true;
        let finished = LogEvent::FunctionFinished { run, ok, took_ms: 1, result, row: None };
        record.apply(0, &finished);
    }
    record
}

#[tokio::test]
async fn what_was_sent_before_the_call_was_taken_over_is_not_sent_again() {
    let text = |text: &str| json!({"text": text});
    let sent = || Some(json!({"ok": true, "sent": true}));
    let record = record(&[
        ("send_sms", text("Main St 1"), sent()),
        ("send_sms", text("Perhaps"), Some(json!({"ok": false, "error": MAY_BE_SENT}))),
        ("send_sms", text("Under way"), None),
        ("send_sms", text("Refused"), Some(json!({"ok": false, "error": "it was not sent"}))),
        ("send_sms", json!("odd"), sent()),
        ("take_message", text("A message"), sent()),
    ]);
    let caller = caller("+15551230001");
    let texts = Texts::of(&caller.agent, &record);
    let before = Outcome::done(json!({"sent": true, "before": true}));
    assert_eq!(texts.begin("c1", "Main St 1"), Some(before));
    assert_eq!(texts.begin("c2", "Perhaps"), Some(Outcome::refused(MAY_BE_SENT)));
    assert_eq!(texts.begin("c3", "Under way"), Some(Outcome::refused(MAY_BE_SENT)));
    let full = texts.begin("c4", "Refused").unwrap().output;
    assert!(full["error"].as_str().unwrap().contains("no more may be"), "{full}");
}

#[tokio::test]
async fn in_a_test_call_no_text_is_sent() {
    let function_services = function_services("http://localhost:1", account());
    let test = Some(crate::functions::TestCall { reaches_out: false });
    let caller = CallContext { test, ..caller("+15551230001") };
    let outcome = send(&function_services, &caller, "a", "See you.").await;
    let would = json!({"to": "+15551230001", "text": "See you."});
    assert_eq!((outcome.ok, &outcome.output["would_have_sent"]), (true, &would));
}
