//! One session's socket, and the one task that owns it.

use std::fmt::Write as _;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::broadcast::error::RecvError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::Record;
use super::fault::Fault;
use super::service::Service;
use super::session::{Outgoing, Session};
use crate::clock::{unix_now, within};
use crate::rehearsal::stamp;
use crate::socket::{ServerSocket, small_buffers};

/// A client that takes nothing for this long is given up. Wall time.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// An append of 15 MiB and what is around it.
const MESSAGE_MAX_BYTES: usize = 16 * 1_024 * 1_024;

pub(super) fn config() -> WebSocketConfig {
    small_buffers(MESSAGE_MAX_BYTES).read_buffer_size(1024)
}

/// Runs a session until its socket ends.
pub(super) async fn run(mut socket: ServerSocket, service: Arc<Service>, model: String) {
    let number = service.open_session();
    let now = service.options.clock.now();
    let mut session = Session::new(number, &model, now, unix_now(), service.manner.clone());
    let ended = converse(&mut socket, &mut session, &service, number).await;
    service.close_session();
    if let Err(error) = ended {
        tracing::debug!(session = number, %error, "speech session ended");
    }
}

async fn converse(
    socket: &mut ServerSocket,
    session: &mut Session,
    service: &Service,
    number: u64,
) -> Result<(), Error> {
    let clock = service.options.clock;
    let mut faults = service.faults();
    let mut stalled = service.stalled();
    let mut deadline = session.deadline();
    let mut timer = pin!(clock.sleep_until(deadline));
    loop {
        if *stalled.borrow_and_update() {
            tokio::select! {
                Ok(()) = stalled.changed() => {}
                fault = faults.recv() => if !obey(fault, socket, session).await? { return Ok(()) },
                else => return Ok(()),
            }
            continue;
        }
        match send(socket, session, service).await? {
            Sent::All => {}
            Sent::Ended => return Ok(()),
            // Whether the other side goes away is known only by reading what it sends.
            Sent::Stalled => {
                while let Some(Ok(_)) = socket.next().await {}
                return Ok(());
            }
        }
        let next = session.deadline();
        if next != deadline {
            deadline = next;
            timer.set(clock.sleep_until(deadline));
        }
        tokio::select! {
            biased;
            fault = faults.recv() => if !obey(fault, socket, session).await? { return Ok(()) },
            () = &mut timer => session.due(deadline.max(clock.now())),
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => hear(session, service, number, &text),
                Some(Ok(Message::Close(_))) | None => return Ok(()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
            },
            Ok(()) = stalled.changed() => {}
        }
    }
}

fn hear(session: &mut Session, service: &Service, number: u64, text: &str) {
    let event = session.receive(service.options.clock.now(), text);
    match (service.options.record, event) {
        (Record::Events, Some(event)) => service.observer.record_event(number, event),
        (Record::Events, None) => {
            let bytes = std::mem::take(&mut session.appended_bytes);
            service.observer.count(|counts| {
                counts.appends += 1;
                counts.appended_bytes += bytes;
            });
        }
        (Record::Latency, _) => {
            if let Some(stamp_us) = session.heard_stamp.take() {
                let now_us = unix_now().as_micros() as u64;
                service.observer.record_latency(now_us.saturating_sub(stamp_us));
            }
        }
    }
}

/// Does what a fault says; whether the session goes on.
async fn obey(
    fault: Result<Fault, RecvError>,
    socket: &mut ServerSocket,
    session: &mut Session,
) -> Result<bool, Error> {
    match fault {
        Ok(Fault::DropSockets) | Err(RecvError::Closed) => return Ok(false),
        Ok(Fault::CloseSockets { code }) => return close(socket, code).await.map(|()| false),
        Ok(Fault::Error { error }) => session.error(&error),
        Ok(Fault::Deafen) => session.is_deaf = true,
        Ok(Fault::Nonsense { messages }) => session.talk_nonsense(messages),
        // The rest is the service's to obey.
        Ok(_) | Err(RecvError::Lagged(_)) => {}
    }
    Ok(true)
}

/// How the session goes on after sending.
enum Sent {
    All,
    Ended,
    Stalled,
}

/// Sends all that waits.
async fn send(
    socket: &mut ServerSocket,
    session: &mut Session,
    service: &Service,
) -> Result<Sent, Error> {
    if session.outbox.is_empty() {
        return Ok(Sent::All);
    }
    let all = async {
        while let Some(outgoing) = session.outbox.pop_front() {
            let text = match outgoing {
                Outgoing::Close(code) => return close(socket, code).await.map(|()| Sent::Ended),
                Outgoing::Drop => return drop_gently(socket).await.map(|()| Sent::Ended),
                Outgoing::Stall => return socket.flush().await.map(|()| Sent::Stalled),
                Outgoing::Raw(text) => text.to_owned(),
                Outgoing::Event(event) => {
                    if service.options.record == Record::Events {
                        service.count_sent(event["type"].as_str().unwrap_or_default());
                    }
                    event.to_string()
                }
                audio @ Outgoing::Audio { .. } => {
                    if service.options.record == Record::Events {
                        service.count_sent("response.output_audio.delta");
                    }
                    audio_event(&audio, service.options.record)
                }
            };
            socket.feed(Message::Text(text.into())).await?;
        }
        socket.flush().await.map(|()| Sent::All)
    };
    within(WRITE_LIMIT, all).await.unwrap_or(Err(Error::ConnectionClosed))
}

/// Ends a socket without a word, after all that was sent: with input unread its end would throw
/// away what the other side has not read yet.
async fn drop_gently(socket: &mut ServerSocket) -> Result<(), Error> {
    socket.flush().await?;
    socket.stream_mut().shutdown().await?;
    while let Some(Ok(_)) = socket.next().await {}
    Ok(())
}

async fn close(socket: &mut ServerSocket, code: u16) -> Result<(), Error> {
    socket.close(Some(CloseFrame { code: CloseCode::from(code), reason: "".into() })).await
}

/// The event of a piece of audio, written by hand: it is most of what a session sends.
fn audio_event(outgoing: &Outgoing, record: Record) -> String {
    let Outgoing::Audio { event_id, response_id, item_id, spoken, range } = outgoing else {
        return String::new();
    };
    let audio = &spoken.audio[range.clone()];
    let mut text = String::with_capacity(256 + audio.len() * 4 / 3);
    // The ids are our own and have nothing to escape; a String takes all that is written.
    let _ = write!(
        text,
        "{{\"type\":\"response.output_audio.delta\",\"event_id\":\"{event_id}\",\
         \"response_id\":\"{response_id}\",\"item_id\":\"{item_id}\",\"output_index\":0,\
         \"content_index\":0,\"delta\":\""
    );
    if record == Record::Latency {
        let mut stamped = audio.to_vec();
        stamp::write(&mut stamped, unix_now().as_micros() as u64);
        STANDARD.encode_string(stamped, &mut text);
    } else {
        STANDARD.encode_string(audio, &mut text);
    }
    text.push_str("\"}");
    text
}
