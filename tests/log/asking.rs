//! What Twilio says of calls that no process has, and what becomes of them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use frontdesk::agent::{Agent, AgentSource};
use frontdesk::call::{LogEvent, TransferTarget};
use frontdesk::clock::{self, Clock};
use frontdesk::config::TwilioAccount;
use frontdesk::recovery::reconciler::Reconciler;
use frontdesk::recovery::status_poller::{FindAgent, LeftCalls, StatusPoller};
use frontdesk::store::{Abandoned, EventRow, FIRST_EPOCH, NewCall, OffStream};
use frontdesk::twilio::rest::TwilioRest;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::fixture::{Fixture, NOON_US, eventually, fixture};

const AFTER: &str = "https://voice.example.com/twilio/after";

/// A Twilio that answers each question the same.
#[derive(Clone)]
struct Twilio {
    status: u16,
    body: &'static str,
    asked: Arc<Mutex<Vec<String>>>,
}

async fn answer(State(twilio): State<Twilio>, method: Method, uri: Uri, body: String) -> Response {
    let sid = uri.path().rsplit('/').next().unwrap().to_owned();
    twilio.asked.lock().unwrap().push(format!("{method} {sid} {body}"));
    (StatusCode::from_u16(twilio.status).unwrap(), twilio.body).into_response()
}

impl Twilio {
    async fn start(status: u16, body: &'static str) -> (Self, TwilioRest) {
        let twilio = Self { status, body, asked: Arc::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(twilio.clone());
        clock::spawn(async move { axum::serve(listener, router).await });
        (twilio, rest(&url))
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn rest(url: &str) -> TwilioRest {
    let account =
        TwilioAccount { account_sid: Some("AC1".into()), auth_token: Some("secret".into()) };
    TwilioRest::new(url.parse().unwrap(), account).unwrap()
}

/// Somebody who asks for the fixture's agent.
fn asker(fixture: &Fixture, twilio: TwilioRest) -> StatusPoller {
    let agents: FindAgent = Box::new(|id| {
        let agent = Agent::new(AgentSource { id, ..AgentSource::default() });
        Box::pin(async move { Some(Arc::new(agent)) })
    });
    StatusPoller::new(fixture.store.clone(), twilio, agents, AFTER)
}

async fn live_call(fixture: &Fixture, sid: &str, instance: Uuid) -> NewCall {
    let call = NewCall { limit: None, ..fixture.call(sid, instance) };
    fixture.store.admit(&call).await.unwrap();
    call
}

fn left(call: &NewCall) -> Abandoned {
    Abandoned {
        id: call.id,
        call_sid: call.call_sid.clone(),
        agent_id: call.agent_id,
        instance_id: Some(call.instance_id),
        epoch: FIRST_EPOCH,
        started_us: NOON_US,
    }
}

/// It is time to ask again.
async fn later(fixture: &Fixture) {
    fixture.sql("update call_logs set ask_at = now() where ask_at is not null").await;
}

async fn end(fixture: &Fixture, sid: &str) -> (Value, Value, Value) {
    let row = fixture.row(sid).await.unwrap();
    (row["status"].clone(), row["metadata"]["ended_by"].clone(), row["duration"].clone())
}

const OVER: &str = r#"{"status":"completed","duration":"42"}"#;
const LIVE: &str = r#"{"status":"in-progress","duration":null}"#;

#[tokio::test]
async fn a_left_call_that_is_over_is_completed_with_its_length() {
    let fixture = fixture().await;
    let call = live_call(&fixture, "CA1", Uuid::new_v4()).await;
    let (twilio, rest) = Twilio::start(200, OVER).await;
    asker(&fixture, rest).ask_left(&left(&call)).await.unwrap();
    let ended = (json!("failed"), json!("error"), json!("00:00:42"));
    assert_eq!(end(&fixture, "CA1").await, ended);
    assert_eq!(twilio.asked(), ["GET CA1.json "]);
}

#[tokio::test]
async fn a_call_that_was_over_while_its_process_lived_was_ended_by_its_caller() {
    let fixture = fixture().await;
    let owner = Uuid::new_v4();
    fixture.store.beat(owner).await.unwrap();
    let call = live_call(&fixture, "CA1", owner).await;
    let (_, rest) = Twilio::start(200, OVER).await;
    // A second after the call's end.
    fixture.sql("update frontdesk_instances set beat_at = '2026-11-22T12:00:43Z'").await;
    asker(&fixture, rest).ask_left(&left(&call)).await.unwrap();
    assert_eq!(end(&fixture, "CA1").await.0, "no-answer", "and had heard nothing");
    assert_eq!(end(&fixture, "CA1").await.1, "caller");
}

#[tokio::test]
async fn a_call_that_was_never_answered_says_so() {
    let fixture = fixture().await;
    for (sid, body) in [
        ("CA1", r#"{"status":"canceled"}"#),
        ("CA2", r#"{"status":"busy"}"#),
        ("CA3", r#"{"status":"no-answer"}"#),
    ] {
        let call = live_call(&fixture, sid, Uuid::new_v4()).await;
        let (_, rest) = Twilio::start(200, body).await;
        asker(&fixture, rest).ask_left(&left(&call)).await.unwrap();
        let (status, by, _) = end(&fixture, sid).await;
        assert_eq!((status, by), (json!("no-answer"), json!("caller")), "{body}");
    }
}

#[tokio::test]
async fn one_that_the_phone_company_has_forgotten_is_over() {
    let fixture = fixture().await;
    let call = live_call(&fixture, "CA1", Uuid::new_v4()).await;
    let (_, rest) = Twilio::start(404, r#"{"code":20404}"#).await;
    asker(&fixture, rest).ask_left(&left(&call)).await.unwrap();
    assert_eq!(end(&fixture, "CA1").await.0, "failed");
}

#[tokio::test]
async fn a_caller_who_is_still_there_is_asked_back_and_not_for_ever() {
    let fixture = fixture().await;
    let call = live_call(&fixture, "CA1", Uuid::new_v4()).await;
    let (twilio, rest) = Twilio::start(200, LIVE).await;
    let asker = asker(&fixture, rest);
    asker.ask_left(&left(&call)).await.unwrap();
    assert_eq!(twilio.asked(), ["GET CA1.json "], "the phone company may ask by itself");
    asker.ask_left(&left(&call)).await.unwrap();
    assert_eq!(twilio.asked().len(), 1, "not at once again");
    for asked in [3, 5] {
        later(&fixture).await;
        asker.ask_left(&left(&call)).await.unwrap();
        let questions = twilio.asked();
        assert_eq!(questions.len(), asked);
        let update = questions.last().unwrap();
        assert!(update.starts_with("POST CA1.json Twiml="), "{update}");
        assert!(update.contains("%2Ftwilio%2Fafter"), "{update}");
        assert_eq!(end(&fixture, "CA1").await.0, "in-progress");
    }
    later(&fixture).await;
    asker.ask_left(&left(&call)).await.unwrap();
    assert_eq!(end(&fixture, "CA1").await.0, "failed", "a row never stays in progress");
}

#[tokio::test]
async fn a_call_that_somebody_took_over_meanwhile_is_left_alone() {
    let fixture = fixture().await;
    let (dead, heir) = (Uuid::new_v4(), Uuid::new_v4());
    let call = live_call(&fixture, "CA1", dead).await;
    let heir = fixture.claimant("CA1", heir, None);
    fixture.store.count_return(heir, "fresh", 2).await.unwrap();
    let (twilio, rest) = Twilio::start(200, OVER).await;
    asker(&fixture, rest).ask_left(&left(&call)).await.unwrap();
    assert_eq!(twilio.asked(), [""; 0]);
    assert_eq!(end(&fixture, "CA1").await.0, "in-progress");
}

#[tokio::test]
async fn of_two_processes_one_asks() {
    let fixture = fixture().await;
    let call = live_call(&fixture, "CA1", Uuid::new_v4()).await;
    let (twilio, rest) = Twilio::start(200, LIVE).await;
    let (one, other) = (asker(&fixture, rest.clone()), asker(&fixture, rest));
    let left = left(&call);
    let (by_one, by_other) = tokio::join!(one.ask_left(&left), other.ask_left(&left));
    by_one.unwrap();
    by_other.unwrap();
    assert_eq!(twilio.asked().len(), 1);
}

#[tokio::test]
async fn a_phone_company_that_is_away_is_asked_twice_and_one_that_refuses_once() {
    let fixture = fixture().await;
    for (sid, status, asks) in [("CA1", 503, 2), ("CA2", 401, 1)] {
        let call = live_call(&fixture, sid, Uuid::new_v4()).await;
        let (_, rest) = Twilio::start(status, "{}").await;
        let asker = asker(&fixture, rest);
        for ask in 1..=asks {
            assert_eq!(end(&fixture, sid).await.0, "in-progress", "{sid} {ask}");
            later(&fixture).await;
            asker.ask_left(&left(&call)).await.unwrap();
        }
        let (status, by, _) = end(&fixture, sid).await;
        assert_eq!((status, by), (json!("failed"), json!("error")), "{sid}");
    }
}

#[tokio::test]
async fn without_an_account_a_left_call_is_completed_at_once() {
    let fixture = fixture().await;
    let call = live_call(&fixture, "CA1", Uuid::new_v4()).await;
    let nobody = TwilioAccount { account_sid: None, auth_token: Some("secret".into()) };
    let rest = TwilioRest::new("http://127.0.0.1:9".parse().unwrap(), nobody).unwrap();
    asker(&fixture, rest).ask_left(&left(&call)).await.unwrap();
    assert_eq!(end(&fixture, "CA1").await.0, "failed");
}

#[tokio::test]
async fn a_call_whose_agent_cannot_be_read_at_the_moment_is_not_given_up_at_once() {
    let fixture = fixture().await;
    let call = live_call(&fixture, "CA1", Uuid::new_v4()).await;
    let (twilio, rest) = Twilio::start(200, LIVE).await;
    let nobody: FindAgent = Box::new(|_| Box::pin(async { None }));
    let asker = StatusPoller::new(fixture.store.clone(), rest, nobody, AFTER);
    asker.ask_left(&left(&call)).await.unwrap();
    assert_eq!(end(&fixture, "CA1").await.0, "in-progress");
    later(&fixture).await;
    asker.ask_left(&left(&call)).await.unwrap();
    assert_eq!(end(&fixture, "CA1").await.0, "failed");
    assert_eq!(twilio.asked(), [""; 0]);
}

async fn out(fixture: &Fixture, sid: &str, is_transfer: bool) -> NewCall {
    let owner = Uuid::new_v4();
    let call = live_call(fixture, sid, owner).await;
    if is_transfer {
        let target =
            TransferTarget { name: "Sales".into(), number: "+15550003333".to_owned().into() };
        let event = LogEvent::TransferStarted { target };
        let row = EventRow::new(call.id, FIRST_EPOCH, 1, 900, &event);
        fixture.store.append_events(&[&row]).await.unwrap();
    }
    let until = clock::unix_now() + Duration::from_secs(3_600);
    let outing = OffStream {
        until_us: until.as_micros().try_into().unwrap(),
        ..fixture.outing(sid, owner, FIRST_EPOCH)
    };
    fixture.store.go_out(&outing).await.unwrap();
    call
}

#[tokio::test]
async fn callers_who_are_out_are_asked_about_after_a_minute_and_then_ever_less_often() {
    let fixture = fixture().await;
    out(&fixture, "CA1", true).await;
    assert_eq!(fixture.store.outings_to_ask_about(10).await.unwrap(), []);
    let pause = "select extract(epoch from ask_at - now())::int from call_logs";
    for seconds in ["120", "240", "480", "600", "600"] {
        later(&fixture).await;
        let due = fixture.store.outings_to_ask_about(10).await.unwrap();
        assert_eq!(due.len(), 1);
        assert_eq!(fixture.text(pause).await.unwrap(), seconds);
    }
}

#[tokio::test]
async fn a_caller_who_is_out_and_gone_is_completed_and_one_who_talks_is_not() {
    let fixture = fixture().await;
    let gone = out(&fixture, "CA1", true).await;
    let talks = out(&fixture, "CA2", true).await;
    let (_, over) = Twilio::start(200, OVER).await;
    let (_, live) = Twilio::start(200, LIVE).await;
    asker(&fixture, over).ask_out(&left(&gone)).await.unwrap();
    asker(&fixture, live).ask_out(&left(&talks)).await.unwrap();
    // Nothing says that anybody answered, and nothing that anybody heard the agent.
    let ended = (json!("no-answer"), json!("caller"), json!("00:00:42"));
    assert_eq!(end(&fixture, "CA1").await, ended);
    assert_eq!(end(&fixture, "CA2").await.0, "in-progress");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reconciler_has_the_phone_company_asked_and_beats_on_while_it_is_slow() {
    let fixture = fixture().await;
    let (dead, us) = (Uuid::new_v4(), Uuid::new_v4());
    fixture.store.beat(dead).await.unwrap();
    for n in 0..60 {
        live_call(&fixture, &format!("CA{n}"), dead).await;
    }
    let (left, given) = LeftCalls::queue();
    let (_, rest) = Twilio::start(404, "{}").await;
    let asking = clock::spawn(asker(&fixture, rest).run(Clock::real(), given));
    let mut reports = vec![dead];
    let reconciler = Reconciler::new(fixture.store.clone(), us).asking(left);
    let running = clock::spawn(reconciler.run(
        Clock::real(),
        move || std::mem::take(&mut reports),
        |_| true,
        || false,
    ));
    let live = "select count(*) from call_logs where call_end is null";
    eventually("the end of all", async || fixture.text(live).await.unwrap() == "0").await;
    assert_eq!(end(&fixture, "CA0").await.0, "failed");
    let known = "select count(*) from frontdesk_instances";
    eventually("only us", async || fixture.text(known).await.unwrap() == "1").await;
    running.abort();
    asking.abort();
}
