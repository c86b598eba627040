//! The client of Twilio's REST interface against answers that a real one gives on bad days.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use frontdesk::agent::{Agent, AgentSource};
use frontdesk::clock;
use frontdesk::config::TwilioAccount;
use frontdesk::twilio::form::CallStatus;
use frontdesk::twilio::rest::{CallNews, CallUpdate, RestError, TwilioRest, Updated};
use tokio::net::TcpListener;

/// Gives these answers in turn, and the last one for ever; what was asked is kept.
#[derive(Clone)]
struct Odd {
    answers: Arc<Mutex<Vec<(u16, &'static str)>>>,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

async fn answer(State(odd): State<Odd>, uri: Uri, body: String) -> Response {
    odd.asked.lock().unwrap().push((uri.path().to_owned(), body));
    let mut answers = odd.answers.lock().unwrap();
    let (status, body) = if answers.len() > 1 { answers.remove(0) } else { answers[0] };
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

async fn odd(answers: &[(u16, &'static str)]) -> (Odd, TwilioRest) {
    let odd = Odd { answers: Arc::new(Mutex::new(answers.to_vec())), asked: Arc::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // A base may have a path and a slash.
    let url = format!("http://{}/edge/", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(odd.clone());
    clock::spawn(async move { axum::serve(listener, router).await });
    let rest = TwilioRest::new(url.parse().unwrap(), account()).unwrap();
    (odd, rest)
}

fn account() -> TwilioAccount {
    TwilioAccount { account_sid: Some("AC1".into()), auth_token: Some("secret".into()) }
}

impl Odd {
    fn asked(&self) -> Vec<(String, String)> {
        self.asked.lock().unwrap().clone()
    }
}

fn agent() -> Agent {
    Agent::new(AgentSource::default())
}

const BUSY: (u16, &str) = (429, r#"{"code":20429,"message":"Too Many Requests","status":429}"#);
const BROKEN: (u16, &str) = (503, "<html>");
const RINGING: (u16, &str) = (200, r#"{"status":"ringing","sid":"CA1","new":{}}"#);

#[tokio::test]
async fn a_read_is_tried_again_until_there_is_an_answer() {
    let (odd, rest) = odd(&[BUSY, BROKEN, RINGING]).await;
    let news = CallNews { status: CallStatus::Ringing, seconds: None };
    assert_eq!(rest.fetch_call(&agent(), "CA1").await, Ok(news));
    let path = "/edge/2010-04-01/Accounts/AC1/Calls/CA1.json".to_owned();
    assert_eq!(odd.asked(), vec![(path, String::new()); 3]);
}

#[tokio::test]
async fn a_call_that_is_over_says_how_long_it_was() {
    let over = |seconds| Ok(CallNews { status: CallStatus::Completed, seconds });
    for (body, seconds) in [
        (r#"{"status":"completed","duration":"12"}"#, Some(12)),
        (r#"{"status":"completed","duration":null}"#, None),
        (r#"{"status":"completed","duration":"soon"}"#, None),
    ] {
        let (_, rest) = odd(&[(200, body)]).await;
        assert_eq!(rest.fetch_call(&agent(), "CA1").await, over(seconds), "{body}");
    }
}

#[tokio::test]
async fn a_move_is_repeated_only_when_it_was_certainly_not_done() {
    let (odd, rest) = odd(&[BUSY, BROKEN, RINGING]).await;
    let update = rest.update_call(&agent(), "CA1", CallUpdate::Twiml("<Response/>")).await;
    assert_eq!(update, Err(RestError::Unknown));
    let bodies: Vec<_> = odd.asked().into_iter().map(|(_, body)| body).collect();
    assert_eq!(bodies, ["Twiml=%3CResponse%2F%3E"; 2]);
    // An ending may come twice.
    let update = rest.update_call(&agent(), "CA1", CallUpdate::Completed).await;
    assert_eq!((update, odd.asked()[2].1.as_str()), (Ok(Updated::Done), "Status=completed"));
}

#[tokio::test]
async fn a_message_is_never_sent_again_when_it_may_have_been() {
    let (odd, rest) = odd(&[BUSY, BROKEN, (201, "{}")]).await;
    let sent = rest.send_message(&agent(), "+1", "+2", "x").await;
    assert_eq!((sent, odd.asked().len()), (Err(RestError::Unknown), 2));
}

#[tokio::test]
async fn an_answer_counts_by_its_status_whatever_else_it_says() {
    let (_, taken) = odd(&[(201, "not JSON")]).await;
    assert_eq!(taken.send_message(&agent(), "+1", "+2", "x").await, Ok(()));
    let (_, mute) = odd(&[(400, "")]).await;
    let refused = RestError::Refused { status: 400, code: 0 };
    assert_eq!(mute.send_message(&agent(), "+1", "+2", "x").await, Err(refused));
    let (_, moved) = odd(&[(307, "")]).await;
    let refused = RestError::Refused { status: 307, code: 0 };
    assert_eq!(moved.send_message(&agent(), "+1", "+2", "x").await, Err(refused));
}

#[tokio::test]
async fn a_call_that_is_over_is_no_error() {
    for answer in [(400, r#"{"code":21220,"status":400}"#), (404, r#"{"code":20404}"#)] {
        let (_, rest) = odd(&[answer]).await;
        let update = rest.update_call(&agent(), "CA1", CallUpdate::Twiml("<Response/>")).await;
        assert_eq!(update, Ok(Updated::AlreadyOver), "{answer:?}");
        let news = CallNews { status: CallStatus::Completed, seconds: None };
        assert_eq!(rest.fetch_call(&agent(), "CA1").await, Ok(news));
        let sent = rest.send_message(&agent(), "+1", "+2", "x").await;
        assert!(matches!(sent, Err(RestError::Refused { .. })), "{answer:?}: {sent:?}");
    }
    // Whoever else answers that something is not there knows nothing of calls.
    let (_, rest) = odd(&[(404, "")]).await;
    let refused = Err(RestError::Refused { status: 404, code: 0 });
    assert_eq!(rest.fetch_call(&agent(), "CA1").await, refused);
}

#[tokio::test]
async fn what_cannot_be_asked_is_said_without_asking() {
    let (odd, rest) = odd(&[RINGING]).await;
    let long = "x".repeat(4_001);
    let update = rest.update_call(&agent(), "CA1", CallUpdate::Twiml(&long)).await;
    assert_eq!(update, Err(RestError::TooLong { characters: 4_001 }));
    let url = "http://127.0.0.1:1".parse().unwrap();
    let nobody = TwilioRest::new(url, TwilioAccount::default()).unwrap();
    assert_eq!(nobody.fetch_call(&agent(), "CA1").await, Err(RestError::NoAccount));
    assert_eq!(odd.asked(), []);
}

#[tokio::test]
async fn an_agents_own_account_comes_before_the_global_one() {
    let (odd, rest) = odd(&[RINGING]).await;
    let own = Agent::new(AgentSource {
        account_sid: Some("AC2/..".to_owned().into()),
        auth_token: Some("own".to_owned().into()),
        ..AgentSource::default()
    });
    rest.fetch_call(&own, "CA1").await.unwrap();
    assert_eq!(odd.asked()[0].0, "/edge/2010-04-01/Accounts/AC2%2F../Calls/CA1.json");
}

#[tokio::test]
async fn whoever_is_not_there_was_told_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let rest = TwilioRest::new(url, account()).unwrap();
    let sent = rest.send_message(&agent(), "+1", "+2", "x").await;
    assert_eq!(sent, Err(RestError::Unreachable));
}
