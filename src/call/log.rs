//! What is written down while it happens. The owner's timeline, crash recovery and the completed
//! row are all folded from these.

use serde::{Deserialize, Serialize};

use super::TransferTarget;

/// How a call ended, as `call_logs.status` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// A conversation was held and ended.
    Completed,
    /// Something broke and nothing took over.
    Failed,
    /// The caller left a message.
    Voicemail,
    /// Somebody else took the call.
    Transferred,
    /// The caller reached nobody.
    NoAnswer,
}

/// Who ended a call, as `metadata.ended_by` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndedBy {
    /// The caller hung up.
    Caller,
    /// The agent ended the call.
    Agent,
    /// The owner ended the call.
    Owner,
    /// The longest time was reached.
    Limit,
    /// Something broke, and the call ended.
    Error,
}

/// How a call ended, and who ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// `call_logs.status`.
    pub status: Status,
    /// `metadata.ended_by`.
    pub ended_by: EndedBy,
}

/// Whether the agent's knowledge was there when an answer was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Retrieval {
    /// The passages were there in time.
    Ready,
    /// It was not there in time.
    Late,
    /// It could not be looked up.
    Failed,
    /// There is none to look up.
    Off,
}

/// A passage that an answer was given.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    /// Its row in the agent's table.
    pub id: i64,
    /// Its cosine similarity to what the caller said.
    pub similarity: f64,
}

/// One thing that is written down, as the `kind` and `data` of a `call_events` row. The time is
/// beside it: milliseconds since the first stream's start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum LogEvent {
    /// A media stream opened; the first one is the transcript's 00:00.
    LineOpened {
        /// Twilio's name for the stream. The core leaves it empty, the shell fills it in.
        stream_sid: String,
    },
    /// The media stream was lost.
    LineLost {},
    /// Twilio says that a media stream could not be opened, or broke.
    StreamFailed {
        /// Its number for what was wrong; empty if it gave none.
        code: String,
    },
    /// The engine can be spoken to.
    EngineReady {},
    /// The engine was lost or refused.
    EngineLost {
        /// The class of the error, with nothing private in it.
        why: String,
        /// Whether a redial is pointless.
        fatal: bool,
    },
    /// The speech service refused one setting of the session, which went on without it.
    SettingRefused {
        /// Its place in the session.
        field: String,
        /// What kind of value it has.
        value: String,
    },
    /// Another session has taken the place of one that would soon have ended.
    EngineRenewed {
        /// Whether that was at a moment when nobody spoke.
        quiet: bool,
    },
    /// The caller spoke. Written again when the words are known; the last one counts.
    CallerSaid {
        /// The engine's name for the stretch of speech.
        utterance: String,
        /// The turn it belongs to, from 1.
        turn: u32,
        /// When the speech began, ms.
        started_ms: u64,
        /// The words, if they are known yet.
        text: Option<String>,
        /// Whether the words are settled, or settled to be inaudible.
        settled: bool,
    },
    /// A reply was asked for.
    ReplyRequested {
        /// The core's number of the reply.
        reply: u32,
        /// The turn it answers; none when the agent speaks unasked.
        turn: Option<u32>,
        /// What it is for: `greeting`, `answer`, `reprompt`, …
        purpose: String,
    },
    /// The reply's first audio left for the phone.
    FirstAudio {
        /// The core's number of the reply.
        reply: u32,
        /// The turn it answers.
        turn: Option<u32>,
        /// Speech stopped to first audio sent, ms.
        first_audio_ms: u64,
        /// Of that, our own time, in microseconds.
        server_us: u64,
    },
    /// What the agent said, so far or in the end; the last one for a reply counts.
    AgentSaid {
        /// The core's number of the reply.
        reply: u32,
        /// The turn it answers; none when the agent spoke unasked.
        turn: Option<u32>,
        /// When its first audio was sent, ms.
        started_ms: u64,
        /// All that was generated.
        generated: String,
        /// What the caller heard of it.
        heard: String,
        /// How long that was, ms.
        heard_ms: u64,
        /// Whether the caller cut it off.
        interrupted: bool,
    },
    /// The engine ended a reply before it was complete.
    ReplyCut {
        /// The core's number of the reply.
        reply: u32,
        /// Why: `max_output_tokens`, `content_filter`, or an error class.
        why: String,
    },
    /// The caller pressed keys.
    KeysPressed {
        /// The keys, in order.
        keys: String,
        /// The turn they began.
        turn: u32,
    },
    /// The model asked for a function.
    FunctionCalled {
        /// Which run of a function, from 1.
        run: u32,
        /// The turn, none when outside one.
        turn: Option<u32>,
        /// The name of the function, as the model gave it.
        name: String,
        /// Its arguments; a string when they were not JSON.
        arguments: serde_json::Value,
    },
    /// The function was carried out or failed.
    FunctionFinished {
        /// The core's number of the run.
        run: u32,
        /// Whether it did what was asked.
        ok: bool,
        /// How long it took, ms.
        took_ms: u64,
        /// What the model was told; a string when it was not JSON.
        result: serde_json::Value,
        /// The `functions.id` of the row that it came from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        row: Option<String>,
    },
    /// What an answer to the caller is grounded on; the last one of a turn counts.
    Grounded {
        /// The number of the caller's turn.
        turn: u32,
        /// Whether the agent's knowledge was there in time.
        retrieval: Retrieval,
        /// How long the look-up took, ms; none if it did not end.
        took_ms: Option<u64>,
        /// The passages that the engine was given.
        chunks: Vec<Chunk>,
    },
    /// The caller asked something that no passage is about.
    Gap {
        /// The number of the caller's turn.
        turn: u32,
        /// The caller's question.
        question: String,
    },
    /// The caller left a message with the agent.
    MessageTaken {
        /// The words of the message.
        text: String,
        /// Where the caller can be reached.
        callback: Option<String>,
    },
    /// The caller leaves the agent for another party.
    TransferStarted {
        /// The other party.
        target: TransferTarget,
    },
    /// That party answered and the conversation with it is over, or it did not answer.
    TransferEnded {
        /// Which of the two.
        answered: bool,
    },
    /// The caller left a recorded message.
    VoicemailLeft {
        /// Where the recording is.
        recording_url: String,
        /// How long it is.
        seconds: u64,
        /// Whether the token of the agent's own account signed for it: it is asked for with that account
        /// alone, since anybody may have made such a token up.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        own_account: bool,
    },
    /// Tokens that a reply used.
    TokensUsed {
        /// Tokens that the model read.
        input: u64,
        /// Tokens that the model wrote.
        output: u64,
    },
    /// The caller goes on to the agent's fallback.
    MovedToFallback {
        /// The reason, as `metadata.fallback_reason` has it.
        why: String,
    },
    /// Somebody else redirected the call, which goes on without the agent.
    Redirected {},
    /// The call ended, in this way.
    Ended(End),
    /// There was more than is written down of one call; the rest is not.
    LeftOut {
        /// `keys`: what the caller pressed. `events`: whatever happened.
        what: String,
    },
}
