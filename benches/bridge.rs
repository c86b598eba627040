//! The least that can stand between the phone and the speech service: what `scripts/bench` measures
//! Frontdesk against.
//!
//! One task per call moves audio both ways and asks for a reply when the caller has spoken. It
//! checks no signature, keeps no state, places no marks, cannot be interrupted, writes nothing
//! down and survives nothing. Sockets have no delay and read 4 KiB at a time, as Frontdesk's do:
//! the library's 128 KiB would make the comparison of memory a present to us.
//!
//! `PORT` is where it listens on loopback, `OPENAI_BASE_URL` where the speech service is.
#![expect(clippy::disallowed_methods, reason = "a program of its own, without our clock")]

use std::error::Error;

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{accept_async_with_config, connect_async_with_config};

type Anything = Box<dyn Error + Send + Sync>;

const SESSION: &str = r#"{"type":"session.update","session":{"type":"realtime","output_modalities":["audio"],"audio":{"input":{"format":{"type":"audio/pcmu"},"turn_detection":{"type":"server_vad","threshold":0.5,"prefix_padding_ms":300,"silence_duration_ms":500,"create_response":false,"interrupt_response":false}},"output":{"format":{"type":"audio/pcmu"},"voice":"marin"}}}}"#;
const REPLY: &str = r#"{"type":"response.create"}"#;

/// What the phone sends, as far as it matters here.
#[derive(Deserialize)]
struct FromPhone<'a> {
    event: &'a str,
    #[serde(rename = "streamSid")]
    stream_sid: Option<&'a str>,
    #[serde(borrow)]
    media: Option<Payload<'a>>,
}

#[derive(Deserialize)]
struct Payload<'a> {
    payload: &'a str,
}

/// What the speech service sends, as far as it matters here.
#[derive(Deserialize)]
struct FromEngine<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    delta: Option<std::borrow::Cow<'a, str>>,
}

#[tokio::main]
async fn main() -> Result<(), Anything> {
    let port: u16 = std::env::var("PORT")?.parse()?;
    let engine: &'static str = format!(
        "{}/realtime?model=gpt-realtime-2.1",
        std::env::var("OPENAI_BASE_URL")?.replacen("http", "ws", 1)
    )
    .leak();
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = connection(stream, port, engine).await {
                eprintln!("bridge: {error}");
            }
        });
    }
}

/// A media stream is a GET; everything else is answered with the TwiML that asks for one.
async fn connection(mut stream: TcpStream, port: u16, engine: &str) -> Result<(), Anything> {
    stream.set_nodelay(true)?;
    let mut head = [0; 20];
    let length = stream.peek(&mut head).await?;
    if head[..length].starts_with(b"GET /twilio/stream") {
        return bridge(stream, engine).await;
    }
    // A form of a kilobyte comes in one or two pieces; what is left unread is of no interest.
    let mut request = vec![0; 4096];
    let _ = stream.read(&mut request).await?;
    let twiml = format!(
        r#"<Response><Connect><Stream url="ws://127.0.0.1:{port}/twilio/stream"/></Connect></Response>"#
    );
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{twiml}",
        twiml.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    // A close with something unread would be a reset.
    stream.shutdown().await?;
    while stream.read(&mut request).await? > 0 {}
    Ok(())
}

/// One call.
async fn bridge(stream: TcpStream, engine: &str) -> Result<(), Anything> {
    let config = WebSocketConfig::default().read_buffer_size(4096);
    let mut phone = accept_async_with_config(stream, Some(config)).await?;
    let mut request = engine.into_client_request()?;
    request.headers_mut().insert("authorization", HeaderValue::from_static("Bearer bench"));
    let dialling = connect_async_with_config(request, Some(config), true);
    let (mut engine, _) = Box::pin(dialling).await?;
    engine.send(Message::text(SESSION)).await?;
    engine.send(Message::text(REPLY)).await?;
    let mut stream_sid = String::new();
    loop {
        tokio::select! {
            message = phone.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let message: FromPhone<'_> = serde_json::from_str(&text)?;
                    match (message.event, message.media) {
                        ("media", Some(media)) => {
                            let text = format!(
                                r#"{{"type":"input_audio_buffer.append","audio":"{}"}}"#,
                                media.payload
                            );
                            engine.send(Message::text(text)).await?;
                        }
                        ("start", _) => {
                            message.stream_sid.unwrap_or_default().clone_into(&mut stream_sid);
                        }
                        _ => {}
                    }
                }
                Some(Ok(_)) => {}
                // The library answers a close, and this comes after it.
                Some(Err(_)) | None => return Ok(()),
            },
            message = engine.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let message: FromEngine<'_> = serde_json::from_str(&text)?;
                    match (message.kind, message.delta) {
                        ("response.output_audio.delta", Some(delta)) => {
                            let text = format!(
                                r#"{{"event":"media","streamSid":"{stream_sid}","media":{{"payload":"{delta}"}}}}"#
                            );
                            phone.send(Message::text(text)).await?;
                        }
                        ("input_audio_buffer.committed", _) => {
                            engine.send(Message::text(REPLY)).await?;
                        }
                        ("error", _) => eprintln!("bridge: the service says {text}"),
                        _ => {}
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(()),
            },
        }
    }
}
