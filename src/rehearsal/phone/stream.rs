//! The media stream: speaks for the caller every 20 ms and plays what the server sends.

use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use rand::Rng;
use tokio_tungstenite::tungstenite::{self, Message};

use super::api::{Update, next_update};
use super::caller::Doing;
use super::connection::{Connection, open};
use super::journal::PhoneEventKind;
use super::placed::PlacedCall;
use super::playback::{Arrival, Mark, Playback};
use super::sample::{FRAME, FRAME_BYTES, Sample};
use super::script::{AfterDrop, AfterRing, StreamFault};
use super::webhook::{self, Signing};
use crate::audio::mulaw::SILENCE;
use crate::clock::{self, unix_now, within};
use crate::rehearsal::phone::media_peer::{self, Outbound, StreamIds};
use crate::rehearsal::phone::twiml_reader::Stream;
use crate::rehearsal::stamp;

/// How long the server may leave what it is sent unread.
const SEND_LIMIT: Duration = Duration::from_secs(5);
/// How long the close of a socket may take.
pub(super) const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Base64 characters of a stamp, which are whole: twelve bytes are sixteen characters.
const STAMP_CHARACTERS: usize = stamp::LENGTH / 3 * 4;

/// A frame of silence, encoded once.
static SILENT: LazyLock<Sample> = LazyLock::new(|| Sample::new("silence", &[SILENCE; FRAME_BYTES]));

/// How a stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StreamEnd {
    /// The server did not take it.
    Refused(String),
    /// The server closed it, or it broke.
    Server,
    /// The caller hung up.
    CallerHungUp,
    /// The script tore it down.
    Dropped(AfterDrop),
    /// The server gave the call something else to do.
    Moved(Update),
    /// The webhook is asked again, and what it says is done.
    RangAgain,
}

/// What is left of a stream's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Well,
    /// Nothing is read.
    Deaf,
    /// Nothing is read or sent.
    Frozen,
}

/// An open stream.
pub(super) struct Media<'a> {
    pub(super) call: &'a mut PlacedCall,
    pub(super) socket: Connection,
    pub(super) ids: StreamIds,
    playback: Playback,
    life: Life,
    pub(super) sequence: u64,
    chunk: u64,
    /// A frame that changes places with the next one.
    held_back: Option<String>,
    /// Decoded audio; kept for its memory.
    audio: Vec<u8>,
}

/// Runs a stream from the handshake to the closed socket.
pub(super) async fn run(
    call: &mut PlacedCall,
    stream: &Stream,
    stream_sid: &str,
    status_url: Option<&str>,
) -> StreamEnd {
    let socket = match open(call, &stream.url).await {
        Ok(socket) => socket,
        Err(why) => return StreamEnd::Refused(why),
    };
    call.journal.tell(PhoneEventKind::StreamOpened);
    let started = status_url.map(|url| {
        let (options, url) = (call.options.clone(), url.to_owned());
        let name = stream.name.as_deref().unwrap_or(stream_sid);
        let fields = webhook::stream_fields(&options, stream_sid, name, "stream-started", None);
        // Beside the stream, as Twilio does it: audio does not wait for the answer.
        clock::spawn(async move {
            webhook::post(&options, &url, &fields, Signing::AuthToken).await.map(|_| ())
        })
    });
    let ids = StreamIds {
        account_sid: call.options.account_sid.clone(),
        call_sid: call.options.call_sid.clone(),
        stream_sid: stream_sid.to_owned(),
    };
    call.caller.begin_stream(call.options.clock.now());
    let mut media = Media {
        call,
        socket,
        ids,
        playback: Playback::default(),
        life: Life::Well,
        sequence: 0,
        chunk: 0,
        held_back: None,
        audio: Vec::new(),
    };
    let end = match media.talk(&stream.parameters).await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    media.close(&end).await;
    if let Some(started) = started {
        match started.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => call.journal.error(error.to_string()),
            Err(_) => call.journal.error("the stream status callback was not posted"),
        }
    }
    end
}

impl Media<'_> {
    /// Everything between the handshake and the end, which is the error.
    async fn talk(
        &mut self,
        parameters: &[(String, String)],
    ) -> Result<std::convert::Infallible, StreamEnd> {
        let clock = self.call.options.clock;
        let fault = self.call.options.stream_fault;
        self.send(media_peer::connected()).await?;
        if fault == StreamFault::MediaBeforeStart {
            let frame = self.frame_message(SILENT.payload(0).to_owned());
            self.send(frame).await?;
        }
        if fault != StreamFault::NoStart {
            self.sequence += 1;
            self.send(media_peer::start(&self.ids, self.sequence, parameters)).await?;
        }
        let hang_up_at = self.call.hang_up_at();
        // Calls that begin together do not send together: real ones have no common phase.
        let mut frame_at = clock.now() + FRAME.mul_f64(rand::rng().random::<f64>());
        loop {
            let wake_at = self.playback.due_at().map_or(frame_at, |due_at| due_at.min(frame_at));
            tokio::select! {
                message = self.socket.next(), if self.life == Life::Well => {
                    self.receive(message).await?;
                }
                update = next_update(&mut self.call.reachable) => {
                    return Err(StreamEnd::Moved(update));
                }
                () = clock.sleep_until(wake_at.min(hang_up_at)) => {
                    let now = clock.now();
                    if now >= hang_up_at {
                        return Err(self.time_is_up());
                    }
                    while let Some(mark) = self.playback.next_due(now) {
                        if self.life != Life::Frozen {
                            self.echo(mark, false).await?;
                        }
                    }
                    while frame_at <= now {
                        // The time that it was due, so that a late wake-up moves no step.
                        self.frame(frame_at).await?;
                        frame_at += FRAME;
                    }
                }
            }
        }
    }

    fn time_is_up(&mut self) -> StreamEnd {
        if self.call.options.hang_up_after.is_none() {
            let longest_s = self.call.options.longest.as_secs();
            self.call.journal.error(format!("the call was not over after {longest_s} s"));
        }
        StreamEnd::CallerHungUp
    }

    /// One frame time of the caller.
    async fn frame(&mut self, now: Duration) -> Result<(), StreamEnd> {
        self.chunk += 1;
        if self.life == Life::Frozen {
            return Ok(());
        }
        if self.playback.reply_is_over(now) {
            self.call.journal.tell(PhoneEventKind::AgentEnded);
        }
        let fault = self.call.options.stream_fault;
        let journal = &mut self.call.journal;
        let (mut payload, mut special) = (None, None);
        let mut is_lost = matches!(fault, StreamFault::NoStart | StreamFault::NoMedia);
        match self.call.caller.next(now, &self.playback) {
            Doing::Silent => {}
            Doing::Speaking(sample, frame) => {
                if frame == 0 {
                    journal.tell(PhoneEventKind::CallerSpoke { name: sample.name().to_owned() });
                    self.playback.caller_speaks(now);
                }
                payload = Some(sample.payload(frame).to_owned());
            }
            Doing::Pressing(key) => {
                journal.tell(PhoneEventKind::Pressed { key });
                self.sequence += 1;
                special = Some(media_peer::dtmf(&self.ids, self.sequence, key).into());
            }
            Doing::SendingText(text) => special = Some(Message::text(text)),
            Doing::SendingBinary(bytes) => special = Some(Message::binary(bytes.to_vec())),
            Doing::LostPatience(waited) => {
                journal.error(format!("the agent did not answer within {} s", waited.as_secs()));
            }
            Doing::HangingUp => return Err(StreamEnd::CallerHungUp),
            Doing::Dropping(after) => return Err(StreamEnd::Dropped(after)),
            Doing::Losing => is_lost = true,
            Doing::StoppingToRead => self.life = Life::Deaf,
            Doing::Freezing => {
                self.life = Life::Frozen;
                return Ok(());
            }
            Doing::RingingAgain(AfterRing::Stay) => self.ring_again().await,
            Doing::RingingAgain(AfterRing::Follow) => return Err(StreamEnd::RangAgain),
        }
        if let Some(special) = special {
            self.send(special).await?;
        }
        match (payload, fault) {
            _ if is_lost => Ok(()),
            (None, StreamFault::NoSilentFrames) => Ok(()),
            (payload, _) => {
                let payload = payload.unwrap_or_else(|| SILENT.payload(0).to_owned());
                let message = self.frame_message(payload);
                self.send_frame(message).await
            }
        }
    }

    /// Posts the voice webhook once more, and does nothing of what it answers.
    async fn ring_again(&mut self) {
        let options = &self.call.options;
        let fields = webhook::call_fields(options, "in-progress");
        let asked = webhook::post(options, &options.voice_url, &fields, Signing::AuthToken).await;
        match asked {
            Ok(webhook::Answer { status: 200, body }) => self.call.journal.document(&body),
            Ok(webhook::Answer { status, .. }) => {
                self.call.journal.error(format!("asked again, the webhook answered {status}"));
            }
            Err(error) => self.call.journal.error(error.to_string()),
        }
    }

    /// The message of the present frame.
    fn frame_message(&mut self, mut payload: String) -> String {
        if self.call.options.stamps.is_some() {
            let head = STANDARD.encode(stamp::bytes(unix_us()));
            payload.replace_range(..STAMP_CHARACTERS, &head);
        }
        self.sequence += 1;
        let timestamp_ms = self.chunk * FRAME.as_millis() as u64;
        media_peer::media(&self.ids, self.sequence, self.chunk, timestamp_ms, &payload)
    }

    async fn send_frame(&mut self, message: String) -> Result<(), StreamEnd> {
        if self.call.options.stream_fault != StreamFault::OutOfOrder {
            return self.send(message).await;
        }
        match self.held_back.take() {
            None => self.held_back = Some(message),
            Some(earlier) => {
                self.send(message).await?;
                self.send(earlier).await?;
            }
        }
        Ok(())
    }

    /// A message of the server's, or the end of them.
    async fn receive(
        &mut self,
        message: Option<Result<Message, tungstenite::Error>>,
    ) -> Result<(), StreamEnd> {
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Binary(_))) => {
                self.call.journal.error("the server sent a binary message");
                return Ok(());
            }
            // Pings are answered by the library.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => return Ok(()),
            Some(Ok(Message::Close(_))) => return Err(StreamEnd::Server),
            Some(Err(error)) => {
                self.call.journal.error(format!("the media socket broke: {error}"));
                return Err(StreamEnd::Server);
            }
            None => {
                self.call.journal.error("the media socket ended without a close");
                return Err(StreamEnd::Server);
            }
        };
        let now = self.call.options.clock.now();
        match Outbound::parse(&text, &self.ids.stream_sid) {
            Outbound::Media { payload } => self.hear(now, &payload),
            Outbound::Mark { name } => self.playback.mark(now, name),
            Outbound::Clear => {
                let (marks, unheard) = self.playback.clear(now);
                self.call.journal.cleared(now, unheard);
                for mark in marks {
                    self.echo(mark, true).await?;
                }
            }
            Outbound::Unknown { why } => {
                self.call.journal.error(format!("the server sent a bad message: {why}"));
            }
        }
        Ok(())
    }

    /// Audio of the agent's.
    fn hear(&mut self, now: Duration, payload: &str) {
        self.audio.clear();
        let journal = &mut self.call.journal;
        if STANDARD.decode_vec(payload, &mut self.audio).is_err() {
            journal.error("the server sent audio that is not base64");
            return;
        }
        if let (Some(counted), Some(histogram)) =
            (&self.call.options.stamps, &mut journal.report.stamps)
            && counted.contains(&now)
            && let Some(sent_us) = stamp::read(&self.audio)
        {
            histogram.record(Duration::from_micros(unix_us().saturating_sub(sent_us)));
        }
        journal.report.agent_bytes += self.audio.len() as u64;
        if self.call.options.keep_audio {
            journal.report.agent_audio.extend_from_slice(&self.audio);
        }
        match self.playback.queue(now, self.audio.len()) {
            Arrival::Begins => journal.reply(now, self.call.caller.take_speech_end()),
            Arrival::Continues => {}
            Arrival::Gap => journal.report.underruns += 1,
        }
    }

    async fn echo(&mut self, mark: Mark, flushed: bool) -> Result<(), StreamEnd> {
        self.sequence += 1;
        self.send(media_peer::mark(&self.ids, self.sequence, &mark.name)).await?;
        self.call.journal.mark(mark.name, mark.received_at, flushed);
        Ok(())
    }

    async fn send(&mut self, message: impl Into<Message>) -> Result<(), StreamEnd> {
        let problem = match within(SEND_LIMIT, self.socket.send(message.into())).await {
            Some(Ok(())) => return Ok(()),
            Some(Err(error)) => error.to_string(),
            None => "the server did not read for 5 s".to_owned(),
        };
        // The server may have closed while this was on its way: that is no fault.
        let closed = within(CLOSE_LIMIT, async {
            while let Some(Ok(message)) = self.socket.next().await {
                if message.is_close() {
                    return true;
                }
            }
            false
        });
        if closed.await != Some(true) {
            self.call.journal.error(format!("the media socket broke: {problem}"));
        }
        Err(StreamEnd::Server)
    }
}

fn unix_us() -> u64 {
    u64::try_from(unix_now().as_micros()).unwrap_or(u64::MAX)
}
