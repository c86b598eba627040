//! The stand-in phone against a server of a few lines, on real sockets and a clock ten times as
//! fast as the wall's.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Parser as _;
use frontdesk::clock::{self, Clock, within};
use frontdesk::commands::dial;
use frontdesk::private::Private;
use frontdesk::rehearsal::phone::{
    self, AfterDrop, CallOptions, CallReport, Ended, Sample, Step, StreamFault, WebhookFault,
};
use futures_util::{SinkExt, StreamExt};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request};

const TOKEN: &str = "12345";
/// Wall time that anything here may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// What was posted: the path, the fields in byte order, the signature.
#[derive(Debug, Clone)]
struct Post {
    path: String,
    fields: BTreeMap<String, String>,
    signature: Option<String>,
}

/// A server whose documents are fixed by path; what has none is answered with 204.
#[derive(Clone, Default)]
struct Server {
    documents: BTreeMap<&'static str, String>,
    posts: Arc<Mutex<Vec<Post>>>,
}

impl Server {
    /// Starts; gives the base URL.
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(self.clone());
        clock::spawn(async move { axum::serve(listener, router).await });
        base
    }

    fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().clone()
    }

    /// The paths in order, with the given field of each.
    fn paths(&self, field: &str) -> Vec<String> {
        let value = |post: &Post| post.fields.get(field).cloned().unwrap_or_default();
        self.posts().iter().map(|post| format!("{} {}", post.path, value(post))).collect()
    }
}

async fn answer(
    State(server): State<Server>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let fields = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let signature =
        headers.get("x-twilio-signature").map(|signature| signature.to_str().unwrap().to_owned());
    let path = uri.path().to_owned();
    let document = server.documents.get(path.as_str()).cloned();
    server.posts.lock().unwrap().push(Post { path, fields, signature });
    match document {
        Some(document) => ([("content-type", "text/xml")], document).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

/// The signature of protocols 1.4, written down a second time.
fn signature(url: &str, fields: &BTreeMap<String, String>) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(TOKEN.as_bytes()).unwrap();
    mac.update(url.as_bytes());
    for (name, value) in fields {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The server's end of a media stream.
struct Line {
    socket: WebSocketStream<TcpStream>,
    stream_sid: String,
}

/// Listens for a media stream; gives its URL and what takes it.
async fn media() -> (String, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (format!("ws://{}/twilio/stream/t0k3n", listener.local_addr().unwrap()), listener)
}

impl Line {
    /// Takes the stream, checks its signature, and reads up to `start`, which is given too.
    async fn take(url: &str, listener: TcpListener) -> (Self, Value) {
        let (stream, _) = listener.accept().await.unwrap();
        let expected = signature(url, &BTreeMap::new());
        #[expect(clippy::result_large_err, reason = "tungstenite's own signature")]
        let check = |request: &Request, response| match request.headers().get("x-twilio-signature")
        {
            Some(signature) if *signature == expected => Ok(response),
            _ => {
                let mut refusal = ErrorResponse::new(None);
                *refusal.status_mut() = StatusCode::FORBIDDEN;
                Err(refusal)
            }
        };
        let socket = tokio_tungstenite::accept_hdr_async(stream, check).await.unwrap();
        let mut line = Self { socket, stream_sid: String::new() };
        assert_eq!(
            line.next().await.unwrap(),
            json!({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        );
        let start = line.next().await.unwrap();
        assert_eq!(start["event"], "start");
        line.stream_sid = start["streamSid"].as_str().unwrap().to_owned();
        (line, start)
    }

    /// The next message; `None` at the end of the socket.
    async fn next(&mut self) -> Option<Value> {
        match self.socket.next().await? {
            Ok(Message::Text(text)) => Some(serde_json::from_str(&text).unwrap()),
            _ => None,
        }
    }

    /// The next message that is not audio.
    async fn next_special(&mut self) -> Option<Value> {
        loop {
            let message = self.next().await?;
            if message["event"] != "media" {
                return Some(message);
            }
        }
    }

    async fn send(&mut self, event: &str, more: Value) {
        let mut message = json!({"event": event, "streamSid": self.stream_sid});
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn audio(&mut self, milliseconds: usize) {
        let payload = STANDARD.encode(vec![0x10_u8; milliseconds * 8]);
        self.send("media", json!({"media": {"payload": payload}})).await;
    }

    async fn mark(&mut self, name: &str) {
        self.send("mark", json!({"mark": {"name": name}})).await;
    }
}

fn connect(url: &str, attributes: &str, after: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><Response><Connect{attributes}><Stream url="{url}"
        statusCallback="/stream-status"><Parameter name="token" value="a&amp;b"/></Stream></Connect>
        {after}</Response>"#
    )
}

fn server(documents: &[(&'static str, String)]) -> Server {
    Server { documents: documents.iter().cloned().collect(), ..Server::default() }
}

fn options(base: &str) -> CallOptions {
    let mut options = CallOptions::new(format!("{base}/voice"), "+15559870002", Clock::faster(10));
    options.auth_token = Some(Private::new(TOKEN.to_owned()));
    options.status_url = Some(format!("{base}/status"));
    options
}

async fn call(options: CallOptions, steps: Vec<Step>) -> CallReport {
    within(DEADLINE, phone::call(options, steps)).await.expect("the call ends")
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[tokio::test]
async fn a_call_speaks_listens_and_hangs_up() {
    let (url, listener) = media().await;
    let twiml = connect(&url, r#" action="/after""#, "<Say>never</Say>");
    let server = server(&[("/voice", twiml.clone())]);
    let base = server.start().await;
    let other_side = clock::spawn(async move {
        let (mut line, start) = Line::take(&url, listener).await;
        assert_eq!(start["start"]["customParameters"], json!({"token": "a&b"}));
        line.audio(500).await;
        line.mark("first").await;
        let (mut frames, mut loud, mut keys) = (0_u64, 0, String::new());
        loop {
            let message = line.next().await.expect("a stop before the end");
            match message["event"].as_str().unwrap() {
                "media" => {
                    frames += 1;
                    let media = &message["media"];
                    assert_eq!(media["chunk"], frames.to_string());
                    assert_eq!(media["timestamp"], (frames * 20).to_string());
                    let audio = STANDARD.decode(media["payload"].as_str().unwrap()).unwrap();
                    assert_eq!(audio.len(), 160);
                    loud += u64::from(audio.iter().any(|byte| *byte != 0xFF));
                }
                "dtmf" => keys += message["dtmf"]["digit"].as_str().unwrap(),
                "mark" => assert_eq!(message["mark"]["name"], "first"),
                "stop" => break,
                other => panic!("{other}"),
            }
        }
        assert!(line.next().await.is_none());
        (loud, keys)
    });
    let steps = vec![
        Step::WaitForAgent { quiet: ms(200), limit: ms(60_000) },
        Step::Say(Sample::new("hello", &[0x10; 16 * 160])),
        Step::Press("4#".into()),
        Step::HangUp,
    ];
    let report = call(options(&base), steps).await;
    assert_eq!(within(DEADLINE, other_side).await.unwrap().unwrap(), (16, "4#".to_owned()));

    assert_eq!(report.errors, [""; 0]);
    assert_eq!((report.ended, report.answered, report.held), (Ended::Caller, true, true));
    assert_eq!((report.agent_bytes, report.replies, report.underruns), (4_000, 1, 0));
    assert_eq!((report.said.len(), &report.documents), (0, &vec![twiml]));
    let [mark] = &report.marks[..] else { panic!("{:?}", report.marks) };
    let played_ms = mark.echoed_ms - report.first_audio_ms.unwrap();
    assert!(!mark.flushed && played_ms >= 499, "{mark:?} after {played_ms} ms");
    assert!(report.duration_ms >= 500 + 200 + 400, "{}", report.duration_ms);
    assert_eq!(
        server.paths("CallStatus"),
        [
            "/voice ringing",
            "/stream-status ",
            "/stream-status ",
            "/after completed",
            "/status completed"
        ]
    );
    for post in server.posts() {
        let expected = signature(&format!("{base}{}", post.path), &post.fields);
        assert_eq!(post.signature, Some(expected), "{}", post.path);
        assert_eq!(post.fields["CallSid"], report.call_sid);
    }
}

#[tokio::test]
async fn a_clear_flushes_marks_and_the_action_follows_a_close() {
    let (url, listener) = media().await;
    let server = server(&[
        ("/voice", connect(&url, r#" action="/after""#, "<Say>never</Say>")),
        ("/after", "<Response><Say>Goodbye</Say><Hangup/><Say>never</Say></Response>".into()),
    ]);
    let base = server.start().await;
    let other_side = clock::spawn(async move {
        let (mut line, _) = Line::take(&url, listener).await;
        line.audio(60_000).await;
        line.mark("a").await;
        line.mark("b").await;
        line.send("clear", json!({})).await;
        for name in ["a", "b"] {
            let echo = line.next_special().await.unwrap();
            assert_eq!((&echo["event"], &echo["mark"]["name"]), (&json!("mark"), &json!(name)));
        }
        line.mark("c").await;
        assert_eq!(line.next_special().await.unwrap()["mark"]["name"], "c");
        line.socket.close(None).await.unwrap();
        while line.next().await.is_some() {}
    });
    let report = call(options(&base), vec![]).await;
    within(DEADLINE, other_side).await.unwrap().unwrap();

    assert_eq!((&report.errors, &report.said), (&vec![], &vec!["Goodbye".to_owned()]));
    assert_eq!((report.ended, report.clears), (Ended::Server, 1));
    let flushed: Vec<_> =
        report.marks.iter().map(|mark| (mark.name.as_str(), mark.flushed)).collect();
    assert_eq!(flushed, [("a", true), ("b", true), ("c", false)]);
    assert_eq!(
        server.paths("StreamEvent"),
        [
            "/voice ",
            "/stream-status stream-started",
            "/stream-status stream-stopped",
            "/after ",
            "/status "
        ]
    );
    assert_eq!(server.posts()[3].fields["CallStatus"], "in-progress");
}

#[tokio::test]
async fn stamps_in_the_agents_audio_are_measured() {
    let (url, listener) = media().await;
    let server = server(&[("/voice", connect(&url, "", ""))]);
    let base = server.start().await;
    clock::spawn(async move {
        let (mut line, _) = Line::take(&url, listener).await;
        let mut frames = 0;
        while let Some(message) = line.next().await {
            if message["event"] == "media" && frames < 10 {
                frames += 1;
                let payload = message["media"]["payload"].clone();
                line.send("media", json!({"media": {"payload": payload}})).await;
            }
        }
    });
    let mut options = options(&base);
    options.stamps = true;
    let wait = Step::WaitForAgent { quiet: ms(500), limit: ms(60_000) };
    let report = call(options, vec![wait, Step::HangUp]).await;
    assert_eq!(report.errors, [""; 0]);
    let stamps = report.stamps.unwrap().summary();
    assert_eq!(stamps.count, report.agent_bytes / 160);
    assert!((1..=10).contains(&stamps.count), "{stamps:?}");
    assert!(stamps.max_us < 20_000_000, "{stamps:?}");
}

#[tokio::test]
async fn without_an_action_the_verb_behind_the_stream_runs() {
    let (url, listener) = media().await;
    let twiml = connect(&url, "", r#"<Pause length="2"/><Say>Sorry</Say>"#);
    let server = server(&[("/voice", twiml)]);
    let base = server.start().await;
    clock::spawn(async move {
        let (mut line, _) = Line::take(&url, listener).await;
        line.socket.close(None).await.unwrap();
        while line.next().await.is_some() {}
    });
    let report = call(options(&base), vec![]).await;
    assert_eq!((report.ended, report.said), (Ended::Server, vec!["Sorry".to_owned()]));
    assert!(report.duration_ms >= 2_000 + 5 * 60, "{}", report.duration_ms);
}

#[tokio::test]
async fn a_stream_that_is_refused_is_reported_and_the_action_asked() {
    let refusing = server(&[]).start().await;
    let url = format!("{}/twilio/stream/spent", refusing.replacen("http", "ws", 1));
    let server = server(&[
        ("/voice", connect(&url, r#" action="/after""#, "")),
        ("/after", "<Response><Reject/></Response>".into()),
    ]);
    let base = server.start().await;
    let report = call(options(&base), vec![Step::HangUp]).await;
    assert!(report.errors[0].contains("status 204"), "{:?}", report.errors);
    assert_eq!((report.failed, report.ended), (true, Ended::Rejected));
    assert_eq!(
        server.paths("StreamEvent"),
        ["/voice ", "/stream-status stream-error", "/after ", "/status "]
    );
}

#[tokio::test]
async fn a_dropped_socket_has_no_stop_and_the_call_may_go_on() {
    for (after, paths) in [
        (AfterDrop::AskAction, vec!["/voice ringing", "/after in-progress", "/status completed"]),
        (AfterDrop::Nothing, vec!["/voice ringing"]),
    ] {
        let (url, listener) = media().await;
        let twiml = connect(&url, r#" action="/after""#, "");
        let server = server(&[
            ("/voice", twiml.replace(r#"statusCallback="/stream-status""#, "")),
            ("/after", "<Response/>".into()),
        ]);
        let base = server.start().await;
        let other_side = clock::spawn(async move {
            let (mut line, _) = Line::take(&url, listener).await;
            line.next_special().await
        });
        let report = call(options(&base), vec![Step::Wait(ms(200)), Step::DropSocket(after)]).await;
        assert_eq!(within(DEADLINE, other_side).await.unwrap().unwrap(), None);
        let ended = if after == AfterDrop::Nothing { Ended::Dropped } else { Ended::Server };
        assert_eq!((report.ended, server.paths("CallStatus")), (ended, owned(&paths)));
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[tokio::test]
async fn a_stream_can_be_faulty() {
    for (fault, expected) in [
        (StreamFault::None, "connected start 1 2 3 4 {} 5 stop"),
        (StreamFault::NoStart, "connected {}"),
        (StreamFault::MediaBeforeStart, "connected 0 start 1 2 3 4 {} 5 stop"),
        (StreamFault::NoSilentFrames, "connected start 3 {} stop"),
        (StreamFault::OutOfOrder, "connected start 2 1 4 3 {} stop"),
    ] {
        let (url, listener) = media().await;
        let server = server(&[("/voice", connect(&url, "", ""))]);
        let base = server.start().await;
        let other_side = clock::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            let mut line = Line { socket, stream_sid: String::new() };
            let mut seen = Vec::new();
            while let Some(message) = line.next().await {
                let chunk = message["media"]["chunk"].as_str();
                let event = message["event"].as_str();
                seen.push(chunk.or(event).map_or_else(|| message.to_string(), str::to_owned));
            }
            seen.join(" ")
        });
        let mut options = options(&base);
        options.stream_fault = fault;
        let say = Step::Say(Sample::new("hm", &[0x10; 160]));
        let end = Step::SendText(String::from("{}"));
        let steps = vec![Step::Wait(ms(40)), say, Step::Wait(ms(20)), end, Step::HangUp];
        let report = call(options, steps).await;
        let seen = within(DEADLINE, other_side).await.unwrap().unwrap();
        assert_eq!((seen.as_str(), report.errors), (expected, vec![]), "{fault:?}");
    }
}

#[tokio::test]
async fn redirects_end_somewhere() {
    let server = server(&[("/voice", "<Response><Redirect>/voice</Redirect></Response>".into())]);
    let base = server.start().await;
    let report = call(options(&base), vec![]).await;
    assert_eq!(report.ended, Ended::Failed);
    assert_eq!(report.errors, ["the call asked for more than 20 documents"]);
    assert_eq!(server.paths("To").iter().filter(|post| post.starts_with("/voice")).count(), 20);
}

#[tokio::test]
async fn a_webhook_can_be_unsigned_wrongly_signed_or_repeated() {
    for (fault, signatures) in [
        (WebhookFault::None, vec![true]),
        (WebhookFault::Unsigned, vec![false]),
        (WebhookFault::WrongSignature, vec![false]),
        (WebhookFault::Repeated, vec![true, true]),
    ] {
        let server = server(&[("/voice", "<Response><Hangup/></Response>".into())]);
        let base = server.start().await;
        let mut options = options(&base);
        (options.webhook_fault, options.status_url) = (fault, None);
        call(options, vec![]).await;
        let right =
            |post: &Post| post.signature == Some(signature(&format!("{base}/voice"), &post.fields));
        assert_eq!(server.posts().iter().map(right).collect::<Vec<_>>(), signatures, "{fault:?}");
        let is_unsigned = server.posts()[0].signature.is_none();
        assert_eq!(is_unsigned, fault == WebhookFault::Unsigned);
    }
}

#[tokio::test]
async fn dial_places_each_call_under_its_own_name_and_exits_by_how_they_went() {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        arguments: dial::Arguments,
    }
    let server = server(&[("/voice", "<Response><Hangup/></Response>".into())]);
    let url = format!("{}/voice", server.start().await);
    let line = ["dial", "--url", &url, "--to", "+1 555 987 0002", "--auth-token", TOKEN];
    let many = ["--calls", "3", "--ramp", "0.05", "--json"];
    let Line { arguments } = Line::parse_from(line.iter().chain(&many));
    let code = within(DEADLINE, dial::run(arguments)).await.unwrap().unwrap();
    assert_eq!(code, ExitCode::FAILURE, "the server hung up before the caller spoke");

    let posts = server.posts();
    let names: BTreeSet<_> = posts.iter().map(|post| post.fields["CallSid"].clone()).collect();
    assert_eq!((posts.len(), names.len()), (3, 3));
    assert!(posts.iter().all(|post| post.fields["To"] == "+15559870002"));
    assert!(posts.iter().all(|post| post.signature == Some(signature(&url, &post.fields))));
}

#[tokio::test]
async fn what_is_no_document_ends_the_call_with_an_error() {
    let server = server(&[("/voice", "Hello".into())]);
    let base = server.start().await;
    let report = call(options(&base), vec![]).await;
    assert_eq!((report.ended, report.answered, report.failed), (Ended::Failed, false, true));
    assert!(report.errors[0].starts_with("no document from /voice: "), "{:?}", report.errors);

    let mut options = options(&base);
    options.voice_url = format!("{base}/elsewhere");
    let report = call(options, vec![]).await;
    assert_eq!(report.webhook_status, Some(204));
    assert!(report.failed);
}
