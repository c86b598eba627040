//! The media stream: who may open it, and what it survives.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use frontdesk::audio::mulaw::SILENCE;
use frontdesk::clock::{unix_now, within};
use frontdesk::rehearsal::phone::media_peer::{self, StreamIds};
use frontdesk::rehearsal::phone::{Ended, Step, StreamFault, random_sid};
use frontdesk::twilio::token::{self, StreamClaims};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::harness::{DEADLINE, FALLBACK, House, TOKEN, ms, say, stream_url, turn};

/// A media WebSocket in a test's own hands.
pub(crate) struct Media(WebSocketStream<MaybeTlsStream<TcpStream>>, StreamIds);

impl Media {
    /// Connects, and sends nothing.
    pub(crate) async fn connect(url: &str) -> Self {
        let connecting = within(DEADLINE, Box::pin(connect_async(url)));
        let socket = connecting.await.unwrap().expect("the stream is admitted").0;
        let ids = StreamIds {
            account_sid: random_sid("AC"),
            call_sid: String::new(),
            stream_sid: random_sid("MZ"),
        };
        Self(socket, ids)
    }

    /// Connects and starts the stream of call `sid`.
    pub(crate) async fn open(url: &str, sid: &str) -> Self {
        let mut media = Self::connect(url).await;
        media.start(sid).await;
        media
    }

    pub(crate) async fn start(&mut self, sid: &str) {
        self.1.call_sid = sid.to_owned();
        self.0.send(media_peer::connected().into()).await.unwrap();
        self.0.send(media_peer::start(&self.1, 1, &[]).into()).await.unwrap();
    }

    /// The caller says this, and then nothing, in less than the two seconds that are kept of what
    /// comes too fast.
    pub(crate) async fn say(&mut self, mulaw: &[u8]) {
        let silence = [SILENCE; 5_600];
        for (number, frame) in mulaw.chunks(160).chain(silence.chunks(160)).enumerate() {
            let (number, payload) = (number as u64, BASE64_STANDARD.encode(frame));
            let media = media_peer::media(&self.1, number + 2, number + 1, number * 20, &payload);
            self.0.send(media.into()).await.unwrap();
        }
    }

    /// The stream's names.
    pub(crate) fn ids(&self) -> &StreamIds {
        &self.1
    }

    /// Sends a message.
    pub(crate) async fn send(&mut self, message: String) {
        self.0.send(message.into()).await.unwrap();
    }

    /// Waits for a message of this kind.
    pub(crate) async fn heard(&mut self, kind: &str) {
        let listening = async {
            while let Some(Ok(message)) = self.0.next().await {
                let Message::Text(text) = message else { continue };
                if serde_json::from_str::<Value>(&text).unwrap()["event"] == kind {
                    return;
                }
            }
            panic!("closed before {kind}");
        };
        within(DEADLINE, listening).await.expect("it comes in time");
    }

    /// Waits until the server has closed.
    pub(crate) async fn closed(mut self) {
        let reading = async { while let Some(Ok(_)) = self.0.next().await {} };
        within(DEADLINE, reading).await.expect("the server closes in time");
    }
}

/// The status that a handshake is refused with; 101 if it is not.
pub(crate) async fn refused(url: &str) -> u16 {
    match within(DEADLINE, Box::pin(connect_async(url))).await.unwrap() {
        Err(Error::Http(response)) => response.status().as_u16(),
        Ok((_, response)) => response.status().as_u16(),
        other => panic!("{other:?}"),
    }
}

/// The stream's URL with what `change` makes of its claims, minted under `key`.
pub(crate) fn reminted(url: &str, key: &str, change: impl FnOnce(&mut StreamClaims)) -> String {
    let (path, token) = url.rsplit_once('/').unwrap();
    let mut claims = token::peek(token).unwrap();
    change(&mut claims);
    format!("{path}/{}", token::mint(key, &claims))
}

#[tokio::test]
async fn a_token_admits_one_stream() {
    let house = House::with(vec![], json!({})).await;
    let sid = random_sid("CA");
    let url = stream_url(&house.ring(&sid).await);
    let mut media = Media::open(&url, &sid).await;
    assert_eq!(refused(&url).await, 403);
    media.heard("media").await;
}

/// Which of them is the good one, is known to whoever was answered last.
#[tokio::test(flavor = "multi_thread")]
async fn of_webhooks_at_the_same_moment_one_gets_the_token_that_admits() {
    let house = House::with(vec![], json!({"limits": {"concurrent_calls": 100}})).await;
    for _ in 0..12 {
        let sid = random_sid("CA");
        let ringing = (0..6).map(|_| house.ring(&sid));
        let answers = futures_util::future::join_all(ringing).await;
        let mut admitted = 0;
        for verbs in answers {
            let answer = within(DEADLINE, Box::pin(connect_async(stream_url(&verbs)))).await;
            admitted += usize::from(answer.unwrap().is_ok());
        }
        assert_eq!(admitted, 1);
    }
}

#[tokio::test]
async fn forged_expired_and_foreign_tokens_are_refused() {
    let house = House::with(vec![], json!({})).await;
    let sid = random_sid("CA");
    let url = stream_url(&house.ring(&sid).await);
    let expired = |claims: &mut StreamClaims| claims.expires_unix_s = unix_now().as_secs();
    let bad = [
        reminted(&url, "another key", |_| {}),
        reminted(&url, TOKEN, expired),
        reminted(&url, TOKEN, |claims| claims.nonce.push('x')),
        reminted(&url, TOKEN, |claims| claims.call_sid = random_sid("CA")),
        reminted(&url, TOKEN, |claims| claims.agent_id = uuid::Uuid::new_v4()),
        format!("{}x", url),
        url.rsplit_once('/').unwrap().0.to_owned() + "/token",
    ];
    for url in bad {
        assert_eq!(refused(&url).await, 403, "{url}");
    }
    Media::open(&url, &sid).await.heard("media").await;
}

#[tokio::test]
async fn a_token_in_a_plain_request_is_not_spent() {
    let house = House::with(vec![], json!({})).await;
    let sid = random_sid("CA");
    let url = stream_url(&house.ring(&sid).await);
    let plain = url.replacen("ws", "http", 1);
    assert_eq!(house.http.get(&plain).send().await.unwrap().status(), 400);
    Media::open(&url, &sid).await.heard("media").await;
}

#[tokio::test]
async fn another_call_s_start_ends_the_stream() {
    let house = House::with(vec![], json!({})).await;
    let sid = random_sid("CA");
    let mut media = Media::connect(&stream_url(&house.ring(&sid).await)).await;
    media.start(&random_sid("CA")).await;
    media.closed().await;
    assert!(
        house.app.services.registry.find(house.agent, &sid).is_some(),
        "the call itself may go on"
    );
}

#[tokio::test]
async fn a_second_stream_of_a_call_takes_the_first_one_s_place() {
    let house = House::with(vec![], json!({})).await;
    let sid = random_sid("CA");
    let mut first = Media::open(&stream_url(&house.ring(&sid).await), &sid).await;
    first.heard("media").await;
    let mut second = Media::open(&stream_url(&house.ring(&sid).await), &sid).await;
    first.closed().await;
    second.heard("media").await;
    assert_eq!(house.rows().await, 1);
}

#[tokio::test]
async fn a_stream_without_a_start_is_closed_after_five_seconds() {
    let house = House::with(vec![], json!({})).await;
    let sid = random_sid("CA");
    let media = Media::connect(&stream_url(&house.ring(&sid).await)).await;
    let since = house.clock.now();
    media.closed().await;
    let waited = house.clock.now() - since;
    assert!((ms(4_500)..ms(14_000)).contains(&waited), "{waited:?}");
}

#[tokio::test]
async fn a_caller_whose_streams_never_start_hears_the_fallback() {
    let house = House::with(vec![], json!({})).await;
    let mut options = house.options();
    options.stream_fault = StreamFault::NoStart;
    let call = house.place(options, vec![]).ended().await;
    assert_eq!((call.said, call.ended), (vec![FALLBACK.to_owned()], Ended::Server));
    assert_eq!(house.row(&call.call_sid).await.end(), ("no-answer", "agent"));
}

#[tokio::test]
async fn messages_that_make_no_sense_are_survived() {
    let house = House::with(vec![turn("Are you open?", "Yes.")], json!({})).await;
    let texts = [
        "",
        "not json",
        "[]",
        "{}",
        r#"{"event":7}"#,
        r#"{"event":"invented","streamSid":"MZ1","invented":{"new":true}}"#,
        r#"{"event":"media"}"#,
        r#"{"event":"media","media":{"payload":"%%%"}}"#,
        r#"{"event":"media","media":{"track":"inbound","chunk":-1,"timestamp":"x","payload":"/w=="}}"#,
        r#"{"event":"mark","mark":{"name":"nobody's"}}"#,
        r#"{"event":"mark","mark":{"name":"7:99:123456"}}"#,
        r#"{"event":"mark","mark":{}}"#,
        r#"{"event":"dtmf","dtmf":{}}"#,
        r#"{"event":"start"}"#,
        r#"{"event":"connected"}"#,
    ];
    let mut steps = vec![Step::wait_for_agent()];
    steps.extend(texts.map(|text| Step::SendText(text.to_owned())));
    steps.extend([
        Step::SendBinary(vec![0, 159, 146, 150]),
        say(0),
        Step::wait_for_agent(),
        Step::HangUp,
    ]);
    let (call, row) = house.call(steps).await;
    assert_eq!((call.errors, call.ended), (vec![], Ended::Caller));
    assert_eq!(row.end(), ("completed", "caller"));
    assert_eq!(row.lines()[1..], ["Caller: Are you open?", "Agent: Yes."]);
    assert_eq!(row.metadata()["stream_sids"].as_array().unwrap().len(), 1);
}

/// A call over a stream with this fault is held all the same.
async fn is_held(fault: StreamFault) {
    let house = House::with(vec![turn("Are you open?", "Yes.")], json!({})).await;
    let mut options = house.options();
    options.stream_fault = fault;
    let steps = vec![Step::wait_for_agent(), say(0), Step::wait_for_agent(), Step::HangUp];
    let call = house.place(options, steps).ended().await;
    assert_eq!(call.errors, [""; 0]);
    let row = house.row(&call.call_sid).await;
    assert_eq!(row.end(), ("completed", "caller"));
    assert_eq!(row.lines()[1..], ["Caller: Are you open?", "Agent: Yes."]);
}

#[tokio::test]
async fn audio_before_the_start_is_survived() {
    is_held(StreamFault::MediaBeforeStart).await;
}

#[tokio::test]
async fn frames_out_of_order_are_survived() {
    is_held(StreamFault::OutOfOrder).await;
}

#[tokio::test]
async fn a_carrier_that_sends_no_silence_is_survived() {
    let house = House::with(vec![], json!({"idle": {"reprompt_seconds": 2, "reprompts": 1}})).await;
    let mut options = house.options();
    options.stream_fault = StreamFault::NoSilentFrames;
    let call = house.place(options, vec![]).ended().await;
    assert_eq!((call.errors, call.ended), (vec![], Ended::Server));
    let row = house.row(&call.call_sid).await;
    assert_eq!((row.end(), row.lines().len()), (("completed", "agent"), 3));
}

#[tokio::test]
async fn an_oversized_message_ends_the_stream_and_not_the_call() {
    let house = House::with(vec![], json!({})).await;
    let steps = vec![
        Step::wait_for_agent(),
        Step::SendText("x".repeat(70_000)),
        Step::wait_for_agent(),
        Step::HangUp,
    ];
    let (call, row) = house.call(steps).await;
    assert_eq!((call.ended, row.end()), (Ended::Caller, ("completed", "caller")));
    assert_eq!(row.metadata()["stream_sids"].as_array().unwrap().len(), 2);
}
