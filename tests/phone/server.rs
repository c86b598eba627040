//! The server's side: documents by path, what was posted, and the far end of a media stream.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use frontdesk::clock::{self, Clock, within};
use frontdesk::private::Private;
use frontdesk::rehearsal::phone::{self, CallOptions, CallReport, Step};
use futures_util::{SinkExt, StreamExt};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request};

pub(super) const TOKEN: &str = "12345";
/// Wall time that anything here may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

/// What was posted: the path, the fields in byte order, the signature.
#[derive(Debug, Clone)]
pub(super) struct Post {
    pub(super) path: String,
    pub(super) fields: BTreeMap<String, String>,
    pub(super) signature: Option<String>,
}

/// A server whose documents are fixed by path; what has none is answered with 204.
#[derive(Clone, Default)]
pub(super) struct Server {
    pub(super) documents: BTreeMap<&'static str, String>,
    pub(super) posts: Arc<Mutex<Vec<Post>>>,
}

impl Server {
    /// Starts; gives the base URL.
    pub(super) async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(self.clone());
        clock::spawn(async move { axum::serve(listener, router).await });
        base
    }

    pub(super) fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().clone()
    }

    /// The paths in order, with the given field of each.
    pub(super) fn paths(&self, field: &str) -> Vec<String> {
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
pub(super) fn signature(url: &str, fields: &BTreeMap<String, String>) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(TOKEN.as_bytes()).unwrap();
    mac.update(url.as_bytes());
    for (name, value) in fields {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The server's end of a media stream.
pub(super) struct Line {
    pub(super) socket: WebSocketStream<TcpStream>,
    pub(super) stream_sid: String,
}

/// Listens for a media stream; gives its URL and what takes it.
pub(super) async fn media() -> (String, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (format!("ws://{}/twilio/stream/t0k3n", listener.local_addr().unwrap()), listener)
}

impl Line {
    /// Takes the stream, checks its signature, and reads up to `start`, which is given too.
    pub(super) async fn take(url: &str, listener: TcpListener) -> (Self, Value) {
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
    pub(super) async fn next(&mut self) -> Option<Value> {
        match self.socket.next().await? {
            Ok(Message::Text(text)) => Some(serde_json::from_str(&text).unwrap()),
            _ => None,
        }
    }

    /// The next message that is not audio.
    pub(super) async fn next_special(&mut self) -> Option<Value> {
        loop {
            let message = self.next().await?;
            if message["event"] != "media" {
                return Some(message);
            }
        }
    }

    pub(super) async fn send(&mut self, event: &str, more: Value) {
        let mut message = json!({"event": event, "streamSid": self.stream_sid});
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    pub(super) async fn audio(&mut self, milliseconds: usize) {
        let payload = STANDARD.encode(vec![0x10_u8; milliseconds * 8]);
        self.send("media", json!({"media": {"payload": payload}})).await;
    }

    pub(super) async fn mark(&mut self, name: &str) {
        self.send("mark", json!({"mark": {"name": name}})).await;
    }
}

pub(super) fn connect(url: &str, attributes: &str, after: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><Response><Connect{attributes}><Stream url="{url}"
        statusCallback="/stream-status"><Parameter name="token" value="a&amp;b"/></Stream></Connect>
        {after}</Response>"#
    )
}

pub(super) fn server(documents: &[(&'static str, String)]) -> Server {
    Server { documents: documents.iter().cloned().collect(), ..Server::default() }
}

pub(super) fn options(base: &str) -> CallOptions {
    let mut options = CallOptions::new(format!("{base}/voice"), "+15559870002", Clock::faster(10));
    options.auth_token = Some(Private::new(TOKEN.to_owned()));
    options.status_url = Some(format!("{base}/status"));
    options
}

pub(super) async fn call(options: CallOptions, steps: Vec<Step>) -> CallReport {
    within(DEADLINE, phone::call(options, steps)).await.expect("the call ends")
}

pub(super) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
