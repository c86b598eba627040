//! One phone call, pure: events go in, actions come out, and nothing else happens here.

mod action;
mod allowance;
mod barge_in;
mod caller;
mod deafness;
mod ending;
mod event;
mod function_batch;
mod functions;
mod goodbye;
mod idle;
mod input_watchdog;
pub mod lifecycle;
mod links;
mod log;
mod playout;
mod purpose;
mod question;
mod recalls;
mod reconnect;
mod record;
mod reply;
mod requests;
mod retrieval;
mod rollover;
mod session_rotation;
mod state;
mod timers;
mod transfer;
mod turn;

pub use action::{Action, GoodbyeReason, Purpose, Role, Said};
pub use event::{Event, ReplyOutcome, Sent, Usage, Utterance, Words};
pub use log::{Chunk, End, EndedBy, LogEvent, Retrieval, Status};
pub use question::question_key;
pub use record::CallRecord;
pub use state::Call;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::private::Private;

/// Time since the answer, in milliseconds. It prints and replays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallTime(u64);

impl CallTime {
    /// That many milliseconds after the answer.
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the answer.
    pub const fn ms(self) -> u64 {
        self.0
    }

    /// This time and `ms` more.
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// How long after `earlier` this is, in milliseconds; 0 if it is not after it.
    pub const fn ms_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl From<Duration> for CallTime {
    fn from(since_answer: Duration) -> Self {
        Self(u64::try_from(since_answer.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Whether a call's name is that of a test from the console: `FT` and 32 hexadecimal digits. Twilio knows
/// no such call, and is not asked about it.
pub fn is_test(call_sid: &str) -> bool {
    call_sid.starts_with("FT")
}

/// A reply, from 1. Issued by the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyId(pub u32);

/// One run of a function, from 1. Issued by the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionRun(pub u32);

/// One look-up in the agent's own knowledge, from 1. Issued by the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecallId(pub u32);

/// A piece of the agent's own knowledge.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    /// Its row in the agent's table.
    pub id: i64,
    /// Its cosine similarity to what was looked up.
    pub similarity: f64,
    /// The passage's text.
    pub text: String,
}

/// What came of a recall.
#[derive(Debug, Clone, PartialEq)]
pub enum Recollection {
    /// These passages, best first; none if none is similar enough.
    Found(Vec<Passage>),
    /// It could not be looked up.
    Failed,
}

/// Whom a caller is put through to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferTarget {
    /// What the owner calls them.
    pub name: String,
    /// The telephone number of the party, as E.164.
    pub number: Private<String>,
}

/// What the call is to do after a function was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterFunction {
    /// The call ends.
    EndCall {
        /// What is said before, word for word; none: what the agent has said, or a goodbye.
        words: Option<String>,
    },
    /// The caller is put through.
    Transfer {
        /// The party that the caller is put through to.
        target: TransferTarget,
        /// What is said before, word for word; none: what the agent has said, or that it does so.
        words: Option<String>,
    },
}

impl AfterFunction {
    /// The same, with these words if it has none.
    pub fn saying(mut self, said: Option<&str>) -> Self {
        let (Self::EndCall { words } | Self::Transfer { words, .. }) = &mut self;
        if words.is_none() {
            *words = said.map(str::to_owned);
        }
        self
    }

    /// Whether it has words of its own.
    pub(in crate::call) fn has_words(&self) -> bool {
        let (Self::EndCall { words } | Self::Transfer { words, .. }) = self;
        words.is_some()
    }
}

/// A mark in the audio that was sent: "when this comes back, `ms` of `reply` were played", unless
/// the line was cleared since, which its generation tells. On the wire `generation:reply:ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// How often the line had been cleared when the mark was placed.
    pub generation: u32,
    /// The reply that the audio before the mark belongs to.
    pub reply: ReplyId,
    /// How much of the reply had been sent, in milliseconds.
    pub ms: u64,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.generation, self.reply.0, self.ms)
    }
}

impl std::str::FromStr for Mark {
    type Err = NotOurMark;

    fn from_str(name: &str) -> Result<Self, NotOurMark> {
        let mut parts = name.split(':');
        let mut next = || parts.next().ok_or(NotOurMark);
        let generation = next()?.parse().map_err(|_| NotOurMark)?;
        let reply = ReplyId(next()?.parse().map_err(|_| NotOurMark)?);
        let ms = next()?.parse().map_err(|_| NotOurMark)?;
        if parts.next().is_some() { Err(NotOurMark) } else { Ok(Self { generation, reply, ms }) }
    }
}

/// A mark's name that we did not give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a mark of ours: expected generation:reply:ms")]
pub struct NotOurMark;

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Speech stopped and the engine has not said that it is part of the conversation.
    Commit,
    /// An answer waits for what the agent knows.
    Recall,
    /// The caller's keys are complete when no more come.
    Keys,
    /// Nobody has spoken for a while.
    Idle,
    /// The call is nearly as long as it may be.
    LimitWarning,
    /// The call is as long as it may be.
    Limit,
    /// A goodbye takes too long to be played.
    Goodbye,
    /// A reply was asked for and no audio of it has come.
    Reply,
    /// The engine was dialled and is not ready.
    Engine,
    /// The line was lost and has not come back.
    Line,
    /// Audio should long have been played and its mark has not come back.
    Played,
    /// A function is being carried out and nobody speaks.
    Filler,
    /// A function takes too long.
    Function,
    /// The call is over but for words still in transcription.
    Words,
    /// One attempt to reach the engine takes too long.
    Attempt,
    /// The engine is dialled again after a pause.
    Redial,
    /// A busy service is asked again after a pause.
    Retry,
    /// The session is to be replaced before it ends: from now on at a quiet moment, then at any.
    Rollover,
    /// It has been quiet for a moment.
    Lull,
    /// There was sound at the caller's end, and the engine has reported none of it.
    Deaf,
}

/// What a call needs to know of its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallSettings {
    /// Whether the agent speaks first.
    pub greets: bool,
    /// Whether the caller may interrupt the agent.
    pub interruptible: bool,
    /// Whether the caller may interrupt the greeting.
    pub greeting_interruptible: bool,
    /// After how long a silence the agent asks whether anybody is there, ms; 0 never.
    pub reprompt_after_ms: u64,
    /// How often it asks before it hangs up.
    pub reprompts: u32,
    /// The longest call, ms.
    pub limit_ms: u64,
    /// How long an answer waits for the agent's knowledge after the caller has stopped speaking,
    /// ms; none: there is no knowledge to look up.
    pub recall_budget_ms: Option<u64>,
}
