//! The phone's side of a call: one media stream.

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use metrics::counter;
use tokio::net::TcpStream;

use crate::audio::level::Level;
use crate::call::{Event, Mark};
use crate::socket::{Received, ServerSocket, Socket};
use crate::twilio::media::{self, Inbound};

/// The largest message that is read from the phone's side. Twilio's are below 1 KiB.
pub(super) const MESSAGE_MAX: usize = 64 * 1024;
/// Audio is handed on in pieces of at most this many base64 characters: 768 bytes, 96 ms. A
/// multiple of four, so that every piece is base64 of its own, and of three bytes, so that only the
/// last one has padding.
const PIECE: usize = 1024;
/// How many messages may wait for a slow phone before nothing more is read from the engine.
const QUEUE_MAX: usize = 256;
/// Messages that are not what the protocol says, after which the stream is given up.
const MALFORMED_MAX: u32 = 1000;

/// A media stream.
pub(super) struct Phone {
    socket: Socket<TcpStream>,
    call_sid: String,
    stream_sid: Option<String>,
    malformed: u32,
    level: Level,
}

/// What came from the phone.
pub(super) enum FromPhone {
    /// Something for the core.
    Event(Event),
    /// The stream has started under this name.
    Started(String),
    /// Twilio said `stop`: the call is over.
    Stopped,
    /// The stream is gone without that.
    Gone(&'static str),
}

impl Phone {
    /// Takes a fresh media WebSocket of the call `call_sid`.
    pub(super) fn new(socket: ServerSocket, call_sid: &str) -> Self {
        Self {
            socket: Socket::new(socket),
            call_sid: call_sid.to_owned(),
            stream_sid: None,
            malformed: 0,
            level: Level::default(),
        }
    }

    /// Whether `start` has come, without which nothing can be sent.
    pub(super) fn has_started(&self) -> bool {
        self.stream_sid.is_some()
    }

    /// The stream's name, once it has started.
    pub(super) fn stream_sid(&self) -> Option<&str> {
        self.stream_sid.as_deref()
    }

    /// Whether so much waits to be sent that nothing should be added.
    pub(super) fn is_full(&self) -> bool {
        self.socket.queued() >= QUEUE_MAX
    }

    /// Whether everything has been handed to the network.
    pub(super) fn is_flushed(&self) -> bool {
        self.socket.is_flushed()
    }

    /// How long the present write has made no progress.
    pub(super) fn stuck_for(&self) -> Option<Duration> {
        self.socket.stuck_for()
    }

    /// Writes what is queued.
    ///
    /// # Errors
    /// The class of what went wrong; the stream is gone.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), &'static str> {
        self.socket.poll_write(cx)
    }

    /// Reads the next message that means something. The caller's audio, in base64, goes to `hear`:
    /// it is nearly all there is, and wakes nobody else.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        mut hear: impl FnMut(&str),
    ) -> Poll<FromPhone> {
        loop {
            let Poll::Ready(received) = self.socket.poll_read(cx) else { return Poll::Pending };
            let read = match received {
                Received::Text(text) => self.read(&text, &mut hear),
                Received::Binary => self.malformed(),
                Received::Closed(_) => Some(FromPhone::Gone("closed")),
                Received::Broken(why) => Some(FromPhone::Gone(why)),
            };
            if let Some(read) = read {
                return Poll::Ready(read);
            }
        }
    }

    fn read(&mut self, text: &str, hear: &mut impl FnMut(&str)) -> Option<FromPhone> {
        let inbound = match Inbound::parse(text) {
            Ok(inbound) => inbound,
            Err(_) => return self.malformed(),
        };
        match inbound {
            // Audio from before `start` is nothing that the caller said.
            Inbound::Media(_) if !self.has_started() => None,
            Inbound::Media(media) if media::decoded_len(&media.payload).is_none() => {
                self.malformed()
            }
            Inbound::Media(media) => {
                hear(&media.payload);
                let changed = self.level.listen(&media.payload);
                changed.map(|loud| FromPhone::Event(Event::LineSound { loud }))
            }
            Inbound::Start(start) => self.start(start),
            Inbound::Mark { name } => {
                name.parse::<Mark>().ok().map(|mark| FromPhone::Event(Event::MarkReturned(mark)))
            }
            Inbound::Dtmf { digit } => Some(FromPhone::Event(Event::KeyPressed(digit))),
            Inbound::Stop { .. } => Some(FromPhone::Stopped),
            Inbound::Connected | Inbound::Unknown { .. } => None,
        }
    }

    fn start(&mut self, start: media::Start) -> Option<FromPhone> {
        if self.has_started() {
            return self.malformed();
        }
        if start.call_sid != self.call_sid {
            return Some(FromPhone::Gone("another call's stream"));
        }
        if !start.format.is_mulaw_8k() {
            return Some(FromPhone::Gone("audio is not μ-law at 8 kHz"));
        }
        self.stream_sid = Some(start.stream_sid.clone());
        Some(FromPhone::Started(start.stream_sid))
    }

    /// A message that is not what the protocol says is counted and survived, to a limit.
    fn malformed(&mut self) -> Option<FromPhone> {
        counter!("frontdesk_phone_malformed_total").increment(1);
        self.malformed += 1;
        (self.malformed > MALFORMED_MAX).then_some(FromPhone::Gone("too many malformed messages"))
    }

    /// Queues a piece of audio.
    pub(super) fn play(&mut self, payload: &str) {
        if let Some(stream_sid) = &self.stream_sid {
            self.socket.send(media::media(stream_sid, payload));
        }
    }

    /// Queues a mark behind the audio.
    pub(super) fn mark(&mut self, mark: Mark) {
        if let Some(stream_sid) = &self.stream_sid {
            self.socket.send(media::mark(stream_sid, &mark.to_string()));
        }
    }

    /// Throws away what is queued here, and tells Twilio to throw away what is queued there.
    pub(super) fn clear(&mut self) {
        if let Some(stream_sid) = &self.stream_sid {
            self.socket.overtake(media::clear(stream_sid));
        }
    }

    /// Closes the stream: the call goes on with what `/twilio/after` answers.
    pub(super) async fn close(self) {
        self.socket.close(Duration::from_secs(2)).await;
    }
}

/// Cuts base64 audio into pieces small enough for marks between them, with the number of bytes of
/// each. A payload that is not whole base64 gives nothing.
pub(super) fn pieces(payload: &Bytes) -> impl Iterator<Item = (&str, u32)> {
    let text = std::str::from_utf8(payload).unwrap_or_default();
    let is_whole = media::decoded_len(text).is_some();
    text.as_bytes().chunks(PIECE).filter(move |_| is_whole).filter_map(|piece| {
        let piece = std::str::from_utf8(piece).ok()?;
        Some((piece, u32::try_from(media::decoded_len(piece)?).ok()?))
    })
}
