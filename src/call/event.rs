//! What can happen in a call: everything that can wake the core, in one enum.

use super::{
    AfterFunction, FunctionRun, LogEvent, Mark, RecallId, Recollection, ReplyId, Timer,
    TransferTarget,
};

/// One thing that happened. Reports about what the core started carry the id that the core issued;
/// a report about anything that is not current is dropped in one place.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The media stream is open and audio can be sent: the first time, or again after it was lost.
    LineOpen,
    /// The media stream is gone although nobody ended the call. It may come back.
    LineLost,
    /// The caller has left; nothing more can be said.
    CallerLeft,
    /// The engine's session is configured and can be spoken to: the first time, or after a redial.
    EngineReady {
        /// How long the session may last from now on, in ms, if the service says so.
        lasts_ms: Option<u64>,
    },
    /// The engine's connection failed, was refused or was lost. With `fatal` a redial is pointless.
    EngineLost {
        /// The provider said that trying again will not help (no credit, bad key).
        fatal: bool,
        /// What was wrong, for the log: a code or an error class, never private data.
        why: String,
    },
    /// The service refuses one setting of the session, which goes on without it.
    SettingRefused {
        /// Its place in the session.
        field: String,
        /// What kind of value it has.
        value: String,
    },
    /// The session that is to take the present one's place is configured and can be spoken to.
    SuccessorReady {
        /// How long it may last from now on, in ms, if the service says so.
        lasts_ms: Option<u64>,
    },
    /// That session failed, was refused or was lost.
    SuccessorLost {
        /// The provider said that trying again will not help.
        fatal: bool,
        /// What was wrong, for the log.
        why: String,
    },
    /// It has become loud or quiet at the caller's end, measured by us and not by the engine. What
    /// is steady (comfort noise, a hum) counts as quiet.
    LineSound {
        /// Whether it is loud now.
        loud: bool,
    },
    /// The engine hears the caller speak.
    SpeechStarted {
        /// The engine's name for this stretch of speech.
        utterance: Utterance,
    },
    /// The engine hears that the caller has stopped.
    SpeechStopped {
        /// The engine's name for this stretch of speech.
        utterance: Utterance,
    },
    /// The stretch of speech is part of the conversation; a reply would take it into account.
    SpeechCommitted {
        /// The engine's name for this stretch of speech.
        utterance: Utterance,
    },
    /// What the caller said, as far as it is known.
    CallerWords {
        /// The engine's name for the stretch of speech that the words belong to.
        utterance: Utterance,
        /// How final the words are.
        words: Words,
    },
    /// The caller pressed a key: `0`-`9`, `*`, `#`, `A`-`D`.
    KeyPressed(char),
    /// The engine has begun to work on a reply.
    ReplyStarted {
        /// The core's id of the reply.
        reply: ReplyId,
    },
    /// A piece of the reply's audio was handed to the line.
    ReplyAudio {
        /// The core's id of the reply.
        reply: ReplyId,
        /// The engine's name for the item that the audio belongs to, which truncation needs.
        item: String,
        /// How much, in μ-law bytes at 8 kHz: 8 bytes are a millisecond.
        bytes: u32,
    },
    /// Some of the reply's words, in the order in which they are spoken.
    ReplyWords {
        /// The core's id of the reply.
        reply: ReplyId,
        /// A fragment of text.
        text: String,
    },
    /// The reply wants a function to be carried out. Arguments are complete.
    FunctionWanted {
        /// The core's id of the reply.
        reply: ReplyId,
        /// The engine's name for this call of the function.
        engine_call_id: String,
        /// The name of the function, as the model gave it.
        name: String,
        /// The arguments as the model wrote them: JSON, unless the model erred.
        arguments: String,
    },
    /// The engine has finished the reply; its audio may still be playing.
    ReplyEnded {
        /// The core's id of the reply.
        reply: ReplyId,
        /// How the engine ended the reply.
        outcome: ReplyOutcome,
        /// The tokens that the reply used.
        usage: Usage,
    },
    /// The reply's request, or the first piece of its audio, has left for the other side.
    Sent {
        /// The core's id of the reply.
        reply: ReplyId,
        /// Which of the two was sent.
        what: Sent,
        /// How long our own side took over it, from the wake that caused it, in microseconds.
        took_us: u32,
    },
    /// A function has been carried out, or has failed: either way this is its output.
    FunctionDone {
        /// Which run of it.
        run: FunctionRun,
        /// Whether it did what was asked.
        ok: bool,
        /// What the model is told, as JSON text.
        output: String,
        /// The `functions.id` of the row that it came from; none for a built-in without one.
        row: Option<String>,
        /// What it asks of the call.
        then: Option<AfterFunction>,
        /// What has to be written down besides, in this order.
        notes: Vec<LogEvent>,
    },
    /// A recall has ended.
    Recalled {
        /// The recall that has ended.
        recall: RecallId,
        /// What came of it.
        found: Recollection,
    },
    /// The other party could not be reached; the caller is coming back.
    TransferFailed,
    /// Twilio says that everything before this mark was played, or thrown away.
    MarkReturned(Mark),
    /// The owner ends the call.
    OwnerEnds {
        /// What is said last, word for word; none: a goodbye.
        words: Option<String>,
    },
    /// The owner has the caller put through.
    OwnerTransfers {
        /// The party that the caller is put through to.
        target: TransferTarget,
    },
    /// The server is going down and cannot wait for this call any longer.
    Drain,
    /// A deadline that the core asked for has passed.
    Due(Timer),
}

/// The engine's name for one stretch of the caller's speech.
pub type Utterance = String;

/// What the caller said, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Words {
    /// All words so far; later ones replace them.
    Partial(String),
    /// The words in their final form.
    Final(String),
    /// They will never be known.
    Inaudible,
}

/// How the engine ended a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyOutcome {
    /// It said all it had to say.
    Completed,
    /// The reply was cancelled.
    Cancelled,
    /// It was cut off by a limit or a filter.
    Incomplete {
        /// Which: `max_output_tokens`, `content_filter`, or another code.
        why: String,
    },
    /// It failed. With `fatal` another attempt would fail too.
    Failed {
        /// Whether another attempt is pointless.
        fatal: bool,
        /// An error code, for the log.
        why: String,
    },
    /// The service takes no more just now: another attempt has to wait a little.
    Busy {
        /// An error code, for the log.
        why: String,
    },
}

/// What was sent, in [`Event::Sent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The request for a reply, to the engine.
    Request,
    /// The first piece of a reply's audio, to the phone.
    FirstAudio,
}

/// The tokens that a reply used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens read by the model.
    pub input_tokens: u64,
    /// Tokens written by the model.
    pub output_tokens: u64,
}
