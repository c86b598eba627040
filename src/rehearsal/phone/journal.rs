//! What happened in a call: told as it happens, and counted for the report.

use std::time::Duration;

use serde::Serialize;
use tokio::sync::mpsc;

use super::far_end::DialStatus;
use crate::clock::Clock;
use crate::rehearsal::stamp::Histogram;

/// Entries that are kept of each kind; what is beyond it is counted where there is a count.
const KEPT: usize = 4_096;

/// How a call ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The caller hung up.
    Caller,
    /// The server did: `<Hangup/>`, or a document's end.
    Server,
    /// The server refused the call.
    Rejected,
    /// The script tore the socket down for good.
    Dropped,
    /// The server gave nothing that a call can go on with.
    #[default]
    Failed,
}

/// Something that happened, for whoever watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneEvent {
    /// The call's CallSid.
    pub call_sid: String,
    /// When, in call time since the webhook was posted.
    pub at: Duration,
    /// What happened.
    pub kind: PhoneEventKind,
}

/// What can happen in a call, from the phone's side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PhoneEventKind {
    /// The webhook is posted.
    Ringing,
    /// The webhook's answer takes the call.
    Answered,
    /// The media stream is open.
    StreamOpened,
    /// The media stream is closed.
    StreamEnded,
    /// The agent begins to be heard.
    AgentBegan,
    /// The agent has been silent for a while.
    AgentEnded,
    /// The server threw away what was not played yet.
    Cleared {
        /// How much that was.
        unheard: Duration,
    },
    /// The TwiML's `<Say>` speaks.
    Said {
        /// The words that are spoken.
        text: String,
    },
    /// The caller begins to speak.
    CallerSpoke {
        /// The name of the audio sample.
        name: String,
    },
    /// The caller pressed a key.
    Pressed {
        /// The key that was pressed.
        key: char,
    },
    /// The server has another party called.
    Dialling {
        /// The number of the other party.
        number: String,
    },
    /// The other party has answered.
    PutThrough,
    /// The call to them is over.
    DialEnded(DialStatus),
    /// The caller is being recorded.
    Recording,
    /// The recording of a message has ended.
    Recorded {
        /// How long it is, in seconds; 0 if nothing was said.
        seconds: u64,
    },
    /// The server gave the call another document while it was on the line.
    Moved,
    /// The call is over.
    Ended(Ended),
}

/// A call to another party.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dialled {
    /// The number of the other party.
    pub number: String,
    /// How the call to the other party ended.
    pub status: DialStatus,
    /// How long they talked, in milliseconds, if they answered.
    pub talked_ms: Option<u64>,
}

/// A mark of the server's and its echo, in milliseconds after the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MarkTime {
    /// The mark's name.
    pub name: String,
    /// When the mark was received, milliseconds.
    pub received_ms: u64,
    /// When it went back.
    pub echoed_ms: u64,
    /// Whether a `clear` sent it back.
    pub flushed: bool,
}

/// One call, told afterwards. Times are call time.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CallReport {
    /// The call's CallSid.
    pub call_sid: String,
    /// Whether the server took the call.
    pub answered: bool,
    /// How the call ended.
    pub ended: Ended,
    /// From the answer to the end.
    pub duration_ms: u64,
    /// What the first webhook's last answer was, if there was one.
    pub webhook_status: Option<u16>,
    /// How long the first webhook took, in microseconds of wall time.
    pub webhook_us: Option<u64>,
    /// From the answer to the first agent audio.
    pub first_audio_ms: Option<u64>,
    /// From each end of the caller's speech to the agent audio that answered it.
    pub turns_ms: Vec<u64>,
    /// How often the agent began to speak.
    pub replies: u64,
    /// How often the caller heard a gap in the middle of a reply.
    pub underruns: u64,
    /// How often the server sent `clear`.
    pub clears: u64,
    /// μ-law bytes that came from the agent.
    pub agent_bytes: u64,
    /// Whether it was not answered, or something went wrong.
    pub failed: bool,
    /// Whether it did not fail and the agent was heard, without a gap.
    pub held: bool,
    /// Whether the fallback address was asked.
    pub fell_back: bool,
    /// The words of each `<Say>`.
    pub said: Vec<String>,
    /// Who was called for the caller, in order.
    pub dialled: Vec<Dialled>,
    /// How long each recording with anything on it is, in seconds.
    pub recorded_s: Vec<u64>,
    /// Each thing that went wrong, for people.
    pub errors: Vec<String>,
    /// The TwiML documents, in order.
    #[serde(skip)]
    pub documents: Vec<String>,
    /// The marks in the order of their echoes.
    #[serde(skip)]
    pub marks: Vec<MarkTime>,
    /// When each `clear` came, in milliseconds after the answer.
    #[serde(skip)]
    pub clears_ms: Vec<u64>,
    /// The agent's audio, μ-law, if it was to be kept.
    #[serde(skip)]
    pub agent_audio: Vec<u8>,
    /// How old stamped audio was when it came, if it was to be measured.
    #[serde(skip)]
    pub stamps: Option<Histogram>,
}

/// The pen: the report so far, and the channel to whoever watches.
pub(super) struct Journal {
    pub(super) report: CallReport,
    clock: Clock,
    began_at: Duration,
    answered_at: Option<Duration>,
    events: Option<mpsc::Sender<PhoneEvent>>,
}

impl Journal {
    /// A journal of a call that begins now.
    pub(super) fn new(
        call_sid: String,
        clock: Clock,
        events: Option<mpsc::Sender<PhoneEvent>>,
    ) -> Self {
        let report = CallReport { call_sid, ..CallReport::default() };
        Self { report, clock, began_at: clock.now(), answered_at: None, events }
    }

    /// Tells that something happened.
    pub(super) fn tell(&self, kind: PhoneEventKind) {
        if let Some(events) = &self.events {
            let at = self.clock.now().saturating_sub(self.began_at);
            // Full or gone: the call goes on without being watched.
            let _ =
                events.try_send(PhoneEvent { call_sid: self.report.call_sid.clone(), at, kind });
        }
    }

    /// Writes down that something went wrong.
    pub(super) fn error(&mut self, what: impl Into<String>) {
        keep(&mut self.report.errors, what.into());
    }

    /// The server took the call; once only. Gives the time of the answer.
    pub(super) fn answered(&mut self) -> Duration {
        if let Some(answered_at) = self.answered_at {
            return answered_at;
        }
        let now = self.clock.now();
        self.answered_at = Some(now);
        self.report.answered = true;
        self.tell(PhoneEventKind::Answered);
        now
    }

    /// A TwiML document came.
    pub(super) fn document(&mut self, xml: &str) {
        keep(&mut self.report.documents, xml.to_owned());
    }

    /// Writes down that the TwiML's `<Say>` speaks.
    pub(super) fn said(&mut self, text: &str) {
        self.tell(PhoneEventKind::Said { text: text.to_owned() });
        keep(&mut self.report.said, text.to_owned());
    }

    /// A call to another party is over.
    pub(super) fn dialled(&mut self, dialled: Dialled) {
        self.tell(PhoneEventKind::DialEnded(dialled.status));
        keep(&mut self.report.dialled, dialled);
    }

    /// The caller was recorded for so long; 0 if nothing was said.
    pub(super) fn recorded(&mut self, seconds: u64) {
        self.tell(PhoneEventKind::Recorded { seconds });
        if seconds > 0 {
            keep(&mut self.report.recorded_s, seconds);
        }
    }

    /// The agent begins to be heard at `now`, maybe in answer to what the caller said last.
    pub(super) fn reply(&mut self, now: Duration, speech_ended_at: Option<Duration>) {
        self.report.replies += 1;
        let since_answer_ms = self.since_answer_ms(now);
        self.report.first_audio_ms.get_or_insert(since_answer_ms);
        if let Some(speech_ended_at) = speech_ended_at {
            keep(&mut self.report.turns_ms, milliseconds(now.saturating_sub(speech_ended_at)));
        }
        self.tell(PhoneEventKind::AgentBegan);
    }

    /// A mark went back.
    pub(super) fn mark(&mut self, name: String, received_at: Duration, flushed: bool) {
        let received_ms = self.since_answer_ms(received_at);
        let echoed_ms = self.since_answer_ms(self.clock.now());
        keep(&mut self.report.marks, MarkTime { name, received_ms, echoed_ms, flushed });
    }

    /// The server sent `clear`, and so much had not been played.
    pub(super) fn cleared(&mut self, now: Duration, unheard: Duration) {
        self.report.clears += 1;
        let at_ms = self.since_answer_ms(now);
        keep(&mut self.report.clears_ms, at_ms);
        self.tell(PhoneEventKind::Cleared { unheard });
    }

    /// The call is over.
    pub(super) fn finish(mut self, ended: Ended) -> CallReport {
        self.report.ended = ended;
        self.report.duration_ms = self.since_answer_ms(self.clock.now());
        self.report.failed = !self.report.answered || !self.report.errors.is_empty();
        self.report.held =
            !self.report.failed && self.report.replies > 0 && self.report.underruns == 0;
        self.tell(PhoneEventKind::Ended(ended));
        self.report
    }

    fn since_answer_ms(&self, at: Duration) -> u64 {
        self.answered_at.map_or(0, |answered_at| milliseconds(at.saturating_sub(answered_at)))
    }
}

fn keep<T>(list: &mut Vec<T>, entry: T) {
    if list.len() < KEPT {
        list.push(entry);
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
