//! The phone's side of a call: one media stream.

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use metrics::counter;
use tokio::net::TcpStream;

use super::pace::{AUDIO_MS, MESSAGES, Pace};
use crate::audio::level::Level;
use crate::call::{Event, Mark};
use crate::clock::Stopwatch;
use crate::recording::recorder::Tap;
use crate::socket::{Received, ServerSocket, Socket};
use crate::twilio::media::{self, Inbound};

/// The largest message that is read from the phone's side. Twilio's are below 1 KiB.
pub(super) const MESSAGE_MAX: usize = 64 * 1024;
/// Audio is handed on in pieces of at most this many base64 characters: 1,536 bytes, 192 ms. A
/// multiple of four, so that every piece is base64 of its own, and of three bytes, so that only the
/// last one has padding.
const PIECE: usize = 2048;
/// How many messages may wait for a slow phone before nothing more is read from the engine.
const QUEUE_MAX: usize = 256;
/// The smallest gap in the caller's audio that is filled; what is less adds up until it is.
const GAP_MS: u64 = 100;
/// How much of a gap is filled. An engine that heard nothing for longer than that needs no more to
/// know that nobody spoke.
const GAP_MAX_MS: u64 = 10_000;
/// μ-law at 8 kHz.
const MULAW_BYTES_PER_MS: u64 = 8;
/// A message of audio counts as so much at least. Twilio's have as much.
const FRAME_MS: u64 = 20;
/// So many messages are read at once at the most, before others and what they make have their turn.
const READ_AT_ONCE: u32 = 64;
/// Messages that are not what the protocol says, after which the stream is given up.
const MALFORMED_MAX: u32 = 1000;

/// A media stream of Twilio's, from our side. What is looked at for each frame of audio stands at the beginning.
#[repr(C)]
pub(super) struct Phone {
    /// Listens where the call is recorded.
    tap: Option<Box<Tap>>,
    stream_sid: Option<String>,
    /// How far the caller's audio has come on the stream's clock, in milliseconds, silence that took
    /// the place of missing frames included; none: none has come.
    heard_until_ms: Option<u64>,
    frames: u64,
    level: Level,
    /// How fast what is not audio is taken, and how fast audio is.
    pace: Pace,
    audio_pace: Pace,
    /// How many times faster than the wall's the call's clock runs.
    speed: u32,
    /// For how long nothing is read, because too much came.
    rest: Option<Duration>,
    socket: Socket<TcpStream>,
    /// Since when there is the stream, on the wall's clock.
    open: Stopwatch,
    malformed: u32,
    call_sid: String,
}

/// What was heard of the caller.
pub(super) enum Heard<'a> {
    /// A frame of the caller's audio, in base64.
    Audio(&'a str),
    /// Nothing came for so many bytes' time.
    Silence(usize),
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
    /// Takes a fresh media WebSocket of the call `call_sid`, on which `tap` listens. Its caller speaks `speed`
    /// times as fast as people do.
    pub(super) fn new(socket: ServerSocket, call_sid: &str, tap: Option<Tap>, speed: u32) -> Self {
        Self {
            socket: Socket::new(socket),
            call_sid: call_sid.to_owned(),
            stream_sid: None,
            malformed: 0,
            tap: tap.map(Box::new),
            heard_until_ms: None,
            frames: 0,
            level: Level::default(),
            open: Stopwatch::start(),
            pace: Pace::new(&MESSAGES),
            audio_pace: Pace::new(&AUDIO_MS),
            speed,
            rest: None,
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

    /// For how long nothing is read, because more came than a call has use for: wall time, from the
    /// last look. Whoever polls looks again then.
    pub(super) fn rests_for(&self) -> Option<Duration> {
        self.rest
    }

    /// Whether a write or a read waits, without anything that wakes the task saying so.
    pub(super) fn is_held_up(&self) -> bool {
        self.socket.is_stuck() || self.rest.is_some()
    }

    /// Writes what is queued.
    ///
    /// # Errors
    /// The class of what went wrong; the stream is gone.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), &'static str> {
        self.socket.poll_write(cx)
    }

    /// How many messages have come, of whatever kind.
    pub(super) fn received(&self) -> u64 {
        self.socket.received()
    }

    /// How many frames of the caller's audio have come.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// Asks the other side for a sign of life.
    ///
    /// # Errors
    /// The class of what went wrong; the stream is gone.
    pub(super) fn ping(&mut self) -> Result<(), &'static str> {
        self.socket.ping()
    }

    /// Silence takes the place of frames that do not come, `ms` of it; gives its bytes.
    pub(super) fn fill(&mut self, ms: u64) -> usize {
        if let Some(heard_until_ms) = &mut self.heard_until_ms {
            *heard_until_ms += ms;
        }
        mulaw_bytes(ms)
    }

    /// Reads the next message that means something. The caller's audio goes to `hear`: it is nearly
    /// all there is, and wakes nobody else.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        mut hear: impl FnMut(Heard<'_>),
    ) -> Poll<FromPhone> {
        for _ in 0..READ_AT_ONCE {
            let now = || self.open.elapsed();
            let speed = self.speed;
            let rest = || self.audio_pace.rest(|| now() * speed).map(|rest| rest / speed);
            self.rest = self.pace.rest(now).or_else(rest);
            if self.rest.is_some() {
                return Poll::Pending;
            }
            let Poll::Ready(received) = self.socket.poll_read(cx) else { return Poll::Pending };
            let read = match received {
                Received::Text(text) => self.read(&text, &mut hear),
                Received::Binary => self.malformed(),
                Received::Control => {
                    self.pace.spend(1);
                    None
                }
                Received::Closed(_) => Some(FromPhone::Gone("closed")),
                Received::Broken(why) => Some(FromPhone::Gone(why)),
            };
            if let Some(read) = read {
                return Poll::Ready(read);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn read(&mut self, text: &str, hear: &mut impl FnMut(Heard<'_>)) -> Option<FromPhone> {
        let inbound = match Inbound::parse(text) {
            Ok(inbound) => inbound,
            Err(_) => return self.malformed(),
        };
        if !matches!(inbound, Inbound::Media(_)) || !self.has_started() {
            self.pace.spend(1);
        }
        match inbound {
            // Audio from before `start` is nothing that the caller said.
            Inbound::Media(_) if !self.has_started() => None,
            Inbound::Media(media) => {
                let Some(bytes) = media::decoded_len(&media.payload) else {
                    return self.malformed();
                };
                self.audio_pace.spend(FRAME_MS.max(bytes as u64 / MULAW_BYTES_PER_MS));
                if bytes == 0 {
                    return None;
                }
                if let Some(tap) = &mut self.tap {
                    tap.caller(media.timestamp_ms, &media.payload);
                }
                if let Some(missing_ms) = self.frame(media.timestamp_ms, bytes) {
                    self.audio_pace.spend(missing_ms);
                    hear(Heard::Silence(mulaw_bytes(missing_ms)));
                }
                hear(Heard::Audio(&media.payload));
                let changed = self.level.listen(&media.payload);
                changed.map(|loud| FromPhone::Event(Event::LineSound { loud }))
            }
            Inbound::Start(start) => self.start(start),
            Inbound::Mark { name } => {
                let mark = name.parse::<Mark>().ok()?;
                if let Some(tap) = &mut self.tap {
                    tap.mark_returned(mark);
                }
                Some(FromPhone::Event(Event::MarkReturned(mark)))
            }
            Inbound::Dtmf { digit } => Some(FromPhone::Event(Event::KeyPressed(digit))),
            Inbound::Stop { .. } => Some(FromPhone::Stopped),
            Inbound::Connected | Inbound::Unknown { .. } => None,
        }
    }

    /// Counts a frame of `bytes` at this time of the stream's clock; gives how much is missing
    /// before it, if that is a gap. Frames that change places or are a little late are none.
    fn frame(&mut self, timestamp_ms: Option<u64>, bytes: usize) -> Option<u64> {
        self.frames += 1;
        let at_ms = timestamp_ms?;
        let heard_until_ms = self.heard_until_ms.get_or_insert(at_ms);
        let missing_ms = at_ms.saturating_sub(*heard_until_ms);
        let is_gap = missing_ms >= GAP_MS;
        if is_gap {
            *heard_until_ms = at_ms;
        }
        *heard_until_ms = heard_until_ms.saturating_add(bytes as u64 / MULAW_BYTES_PER_MS);
        is_gap.then(|| missing_ms.min(GAP_MAX_MS))
    }

    /// The stream begins: whose it is, and how it sounds.
    pub(super) fn start(&mut self, start: media::Start) -> Option<FromPhone> {
        if self.has_started() {
            return self.malformed();
        }
        if start.call_sid != self.call_sid {
            return Some(FromPhone::Gone("another call's stream"));
        }
        if !start.format.is_mulaw_8k() {
            return Some(FromPhone::Gone("audio is not μ-law at 8 kHz"));
        }
        if let Some(tap) = &mut self.tap {
            tap.started();
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
            if let Some(tap) = &mut self.tap {
                tap.agent(payload);
            }
        }
    }

    /// Queues a mark behind the audio.
    pub(super) fn mark(&mut self, mark: Mark) {
        if let Some(stream_sid) = &self.stream_sid {
            self.socket.send(media::mark(stream_sid, &mark.to_string()));
            if let Some(tap) = &mut self.tap {
                tap.mark_placed(mark);
            }
        }
    }

    /// Throws away what is queued here, and tells Twilio to throw away what is queued there.
    pub(super) fn clear(&mut self) {
        if let Some(stream_sid) = &self.stream_sid {
            self.socket.overtake(media::clear(stream_sid));
            if let Some(tap) = &mut self.tap {
                tap.cleared();
            }
        }
    }

    /// Closes the stream: the call goes on with what `/twilio/after` answers.
    pub(super) async fn close(mut self) {
        // Audio that is sent while the stream closes is not recorded.
        self.tap = None;
        self.socket.close(Duration::from_secs(2)).await;
    }
}

fn mulaw_bytes(ms: u64) -> usize {
    usize::try_from(ms * MULAW_BYTES_PER_MS).unwrap_or(0)
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

#[cfg(test)]
#[path = "phone_tests.rs"]
mod tests;
