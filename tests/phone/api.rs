//! Twilio's REST side of the stand-in's own calls, asked by the server's own client of it.

use frontdesk::agent::{Agent, AgentSource};
use frontdesk::clock;
use frontdesk::config::TwilioAccount;
use frontdesk::rehearsal::phone::api::{Api, Message};
use frontdesk::rehearsal::phone::{
    self, CallOptions, CallReport, DialStatus, Ended, FarEnd, PhoneEvent, PhoneEventKind, Step,
};
use frontdesk::twilio::form::CallStatus;
use frontdesk::twilio::rest::{CallNews, CallUpdate, RestError, TwilioRest, Updated};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::server::{DEADLINE, Line, TOKEN, connect, media, ms, options, server};

const ACCOUNT: &str = "AC00000000000000000000000000000001";

/// An interface, and the server's client of it.
struct Twilio {
    api: Api,
    url: String,
    rest: TwilioRest,
    agent: Agent,
}

async fn twilio() -> Twilio {
    let api = Api::new(Some(ACCOUNT.into()), Some(TOKEN.to_owned().into()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    api.serve(listener);
    let rest = rest(&url, TOKEN);
    Twilio { api, url, rest, agent: Agent::new(AgentSource::default()) }
}

fn rest(url: &str, token: &str) -> TwilioRest {
    let global =
        TwilioAccount { account_sid: Some(ACCOUNT.into()), auth_token: Some(token.into()) };
    TwilioRest::new(url.parse().unwrap(), global).unwrap()
}

impl Twilio {
    async fn status(&self, call_sid: &str) -> CallStatus {
        self.rest.fetch_call(&self.agent, call_sid).await.unwrap().status
    }

    async fn update(&self, call_sid: &str, update: CallUpdate<'_>) -> Updated {
        self.rest.update_call(&self.agent, call_sid, update).await.unwrap()
    }
}

/// A call on its way that can be watched.
struct Placed {
    sid: String,
    events: mpsc::Receiver<PhoneEvent>,
    call: JoinHandle<CallReport>,
}

impl Placed {
    fn place(mut options: CallOptions, api: &Api, steps: Vec<Step>) -> Self {
        let (sender, events) = mpsc::channel(1_024);
        options.events = Some(sender);
        options.api = Some(api.clone());
        let sid = options.call_sid.clone();
        Self { sid, events, call: clock::spawn(phone::call(options, steps)) }
    }

    async fn saw(&mut self, kind: PhoneEventKind) {
        let seeing = async { while self.events.recv().await.unwrap().kind != kind {} };
        clock::within(DEADLINE, seeing).await.expect("it happens");
    }

    async fn ended(self) -> CallReport {
        clock::within(DEADLINE, self.call).await.expect("the call ends").unwrap()
    }
}

#[tokio::test]
async fn an_updated_call_leaves_its_stream_and_follows_the_new_document() {
    let twilio = twilio().await;
    let (url, listener) = media().await;
    let server = server(&[
        ("/voice", connect(&url, r#" action="/after""#, "<Say>never</Say>")),
        ("/dial", "<Response><Say>They are gone.</Say></Response>".into()),
    ]);
    let base = server.start().await;
    let other_side = clock::spawn(async move {
        let (mut line, _) = Line::take(&url, listener).await;
        let stop = line.next_special().await.unwrap();
        assert!(line.next().await.is_none());
        stop
    });
    let mut placed = Placed::place(options(&base), &twilio.api, vec![]);
    placed.saw(PhoneEventKind::StreamOpened).await;
    assert_eq!(twilio.status(&placed.sid).await, CallStatus::InProgress);
    let twiml = r#"<Response><Dial action="/dial"><Number>+15550001111</Number></Dial></Response>"#;
    let sid = placed.sid.clone();
    assert_eq!(twilio.update(&sid, CallUpdate::Twiml(twiml)).await, Updated::Done);
    let report = placed.ended().await;

    let stop = clock::within(DEADLINE, other_side).await.unwrap().unwrap();
    assert_eq!((&stop["event"], &stop["stop"]["callSid"]), (&json!("stop"), &json!(sid)));
    assert_eq!((&report.errors, report.ended), (&vec![], Ended::Server));
    assert_eq!(report.said, ["They are gone."]);
    assert_eq!(report.dialled[0].status, DialStatus::Completed);
    assert_eq!(report.documents[1], twiml);
    let paths: Vec<_> = server.posts().into_iter().map(|post| post.path).collect();
    assert!(!paths.contains(&"/after".to_owned()), "a moved call asks nothing: {paths:?}");

    assert_eq!(twilio.status(&sid).await, CallStatus::Completed);
    assert_eq!(twilio.update(&sid, CallUpdate::Twiml(twiml)).await, Updated::AlreadyOver);
    assert_eq!(twilio.update(&sid, CallUpdate::Completed).await, Updated::AlreadyOver);
}

#[tokio::test]
async fn a_call_is_hung_up_and_its_action_told() {
    let twilio = twilio().await;
    let (url, listener) = media().await;
    let server = server(&[("/voice", connect(&url, r#" action="/after""#, ""))]);
    let base = server.start().await;
    clock::spawn(async move {
        let (mut line, _) = Line::take(&url, listener).await;
        while line.next().await.is_some() {}
    });
    let mut placed = Placed::place(options(&base), &twilio.api, vec![]);
    placed.saw(PhoneEventKind::StreamOpened).await;
    assert_eq!(twilio.update(&placed.sid, CallUpdate::Completed).await, Updated::Done);
    let report = placed.ended().await;
    assert_eq!((&report.errors, report.ended), (&vec![], Ended::Server));
    let statuses = server.paths("CallStatus");
    assert_eq!(statuses[statuses.len() - 2..], ["/after completed", "/status completed"]);
}

#[tokio::test]
async fn a_call_is_moved_from_wherever_it_is() {
    let dial = "<Response><Dial action='/action'>+15550001111</Dial></Response>";
    let record = "<Response><Record action='/action' timeout='600'/></Response>";
    let pause = "<Response><Pause length='600'/></Response>";
    let dialling = PhoneEventKind::Dialling { number: "+15550001111".into() };
    for (twiml, seen, dialled) in [
        (dial, dialling, vec![DialStatus::Canceled]),
        (record, PhoneEventKind::Recording, vec![]),
        (pause, PhoneEventKind::Answered, vec![]),
    ] {
        let twilio = twilio().await;
        let server = server(&[("/voice", twiml.into())]);
        let mut options = options(&server.start().await);
        options.far_ends.insert("+15550001111".into(), FarEnd::NoAnswer);
        options.longest = ms(900_000);
        let mut placed = Placed::place(options, &twilio.api, vec![]);
        placed.saw(seen).await;
        let moved = CallUpdate::Twiml("<Response><Say>Moved.</Say></Response>");
        // Answered is told a moment before the interface knows.
        while twilio.status(&placed.sid).await == CallStatus::Ringing {}
        assert_eq!(twilio.update(&placed.sid, moved).await, Updated::Done);
        let report = placed.ended().await;
        assert_eq!((&report.errors, report.said), (&vec![], vec!["Moved.".to_owned()]));
        let ends: Vec<_> = report.dialled.iter().map(|dialled| dialled.status).collect();
        assert_eq!(ends, dialled);
        assert_eq!(server.paths("CallStatus"), ["/voice ringing", "/status completed"]);
    }
}

#[tokio::test]
async fn messages_are_taken() {
    let Twilio { api, rest, agent, .. } = twilio().await;
    let send = async |to, from, body| rest.send_message(&agent, to, from, body).await;
    send("+15551230001", "+15559870002", "Grüße & more").await.unwrap();
    let long = "é".repeat(1_601);
    let refused = |code| Err(RestError::Refused { status: 400, code });
    assert_eq!(send("+15551230001", "+15559870002", &long).await, refused(21_617));
    assert_eq!(send("", "+15559870002", "x").await, refused(21_604));
    let message = Message {
        from: "+15559870002".into(),
        to: "+15551230001".into(),
        body: "Grüße & more".into(),
    };
    assert_eq!(api.messages(), [message]);
}

#[tokio::test]
async fn strangers_are_refused_in_twilios_words() {
    let Twilio { api, url, rest, agent } = twilio().await;
    let refused = |status, code| RestError::Refused { status, code };
    let stranger = self::rest(&url, "another token");
    let error = stranger.fetch_call(&agent, "CA1").await.unwrap_err();
    assert_eq!(error, refused(401, 20_003));
    let error = stranger.send_message(&agent, "+1", "+1", "x").await.unwrap_err();
    assert_eq!(error, refused(401, 20_003));
    assert_eq!(api.messages(), []);
    // A call that nobody has placed is over, as one that Twilio has forgotten.
    let news = CallNews { status: CallStatus::Completed, seconds: None };
    assert_eq!(rest.fetch_call(&agent, "CA1").await, Ok(news));
    let update = rest.update_call(&agent, "CA1", CallUpdate::Completed).await;
    assert_eq!(update, Ok(Updated::AlreadyOver));

    let unsigned = frontdesk::tls::http_client()
        .build()
        .unwrap()
        .get(format!("{url}/2010-04-01/Accounts/{ACCOUNT}/Calls/CA1.json"))
        .send();
    let unsigned = unsigned.await.unwrap();
    assert_eq!(unsigned.status(), 401);
    let error: Value = serde_json::from_str(&unsigned.text().await.unwrap()).unwrap();
    assert_eq!((&error["code"], &error["status"]), (&json!(20_003), &json!(401)));
}
