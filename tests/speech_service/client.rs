//! A client that knows nothing of the service but the wire.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use frontdesk::clock::{Clock, within};
use frontdesk::rehearsal::speech::script::Script;
use frontdesk::rehearsal::speech::{Speech, SpeechOptions, serve};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

pub(crate) const LIMIT: Duration = Duration::from_secs(20);
pub(crate) const FIVE_SECONDS_OF_SILENCE: usize = 40_000;

pub(crate) async fn start(options: SpeechOptions) -> Speech {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    serve(listener, options, std::future::pending()).unwrap()
}

pub(crate) async fn start_script(script: &str) -> Speech {
    let script = Script::parse(script).unwrap();
    start(SpeechOptions { script, clock: Clock::faster(10), ..SpeechOptions::default() }).await
}

pub(crate) struct Client(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    pub(crate) async fn try_connect(
        speech: &Speech,
        query: &str,
        token: Option<&str>,
    ) -> Result<Self, Error> {
        let url = format!("ws://{}/v1/realtime{query}", speech.address());
        let mut request = url.into_client_request().unwrap();
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.headers_mut().insert("Authorization", value);
        }
        connect_async(request).await.map(|(socket, _)| Self(socket))
    }

    /// Connects and configures the session as a telephone bridge does.
    pub(crate) async fn ready(speech: &Speech, turn_detection: Value) -> Self {
        let mut client =
            Self::try_connect(speech, "?model=gpt-realtime-2.1", Some("sk-test")).await.unwrap();
        assert_eq!(client.next().await["type"], "session.created");
        client
            .send(json!({"type": "session.update", "session": {"type": "realtime", "audio": {
                "input": {"format": {"type": "audio/pcmu"},
                    "transcription": {"model": "gpt-transcribe"},
                    "turn_detection": turn_detection},
                "output": {"format": {"type": "audio/pcmu"}, "voice": "marin"}},
                "tools": [{"type": "function", "name": "book"}]}}))
            .await;
        assert_eq!(client.next().await["type"], "session.updated");
        client
    }

    pub(crate) async fn send(&mut self, event: Value) {
        self.0.send(Message::text(event.to_string())).await.unwrap();
    }

    /// Sends audio in pieces of 20 ms, faster than it would be spoken.
    pub(crate) async fn speak(&mut self, audio: &[u8]) {
        for frame in audio.chunks(160) {
            let audio = STANDARD.encode(frame);
            self.send(json!({"type": "input_audio_buffer.append", "audio": audio})).await;
        }
        let silence = STANDARD.encode(vec![0xFF; FIVE_SECONDS_OF_SILENCE]);
        self.send(json!({"type": "input_audio_buffer.append", "audio": silence})).await;
    }

    pub(crate) async fn next(&mut self) -> Value {
        match within(LIMIT, self.0.next()).await.expect("an event in time").unwrap().unwrap() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// All events up to the first of a type.
    pub(crate) async fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut events = vec![self.next().await];
        while events.last().unwrap()["type"] != kind {
            events.push(self.next().await);
        }
        events
    }

    pub(crate) async fn until_last(&mut self, kind: &str) -> Value {
        self.until(kind).await.pop().unwrap()
    }

    pub(crate) async fn error(&mut self) -> Value {
        self.until_last("error").await["error"].clone()
    }
}

pub(crate) fn client_driven() -> Value {
    json!({"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300,
        "silence_duration_ms": 500, "create_response": false, "interrupt_response": false})
}

pub(crate) fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

pub(crate) fn audio_bytes(events: &[Value]) -> usize {
    let deltas = events.iter().filter(|event| event["type"] == "response.output_audio.delta");
    deltas.map(|event| STANDARD.decode(event["delta"].as_str().unwrap()).unwrap().len()).sum()
}
