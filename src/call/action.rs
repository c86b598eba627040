//! What the core asks for: everything that can be done in a call, in one enum.

use super::{End, FunctionRun, LogEvent, Mark, Passage, RecallId, ReplyId, TransferTarget};

/// One thing to do, in the order given.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Ask the engine for a reply.
    Reply {
        /// The id that every report about it carries.
        reply: ReplyId,
        /// What it is for.
        purpose: Purpose,
    },
    /// Tell the engine to stop working on a reply.
    CancelReply {
        /// The reply to cancel.
        reply: ReplyId,
    },
    /// Tell the engine that only the beginning of an item was heard.
    TruncateItem {
        /// The engine's name for the item.
        item: String,
        /// How much of it was heard, in milliseconds; never more than was sent.
        heard_ms: u64,
    },
    /// Tell the engine that nothing of an item was heard.
    DeleteItem {
        /// The engine's name for the item.
        item: String,
    },
    /// Look up what the agent's own knowledge has on this. Answered once, by `Event::Recalled`.
    Recall {
        /// The id that its result carries.
        recall: RecallId,
        /// What the caller said.
        query: String,
    },
    /// Put passages into the conversation, in the place of those that were put there before.
    SetContext {
        /// The passages, best first; none: only take the others away.
        passages: Vec<Passage>,
    },
    /// Put a message into the conversation without asking for a reply.
    AddMessage {
        /// The side that the message is put in the name of.
        role: Role,
        /// The text of the message.
        text: String,
    },
    /// Throw away all audio that the caller has not heard. Overtakes audio waiting to be sent.
    ClearLine,
    /// Ask Twilio to say when everything sent so far has been played.
    PlaceMark(Mark),
    /// Carry out a function. It is answered once, by `Event::FunctionDone`.
    RunFunction {
        /// The id that its result carries.
        run: FunctionRun,
        /// The caller's last turn that the model knew of; 0 before the first.
        turn: u32,
        /// The engine's name for this call, also the idempotency key.
        engine_call_id: String,
        /// The name of the function, as the model gave it.
        name: String,
        /// The arguments, JSON unless the model erred.
        arguments: String,
    },
    /// Give the engine a function's output. Every function call gets exactly one.
    GiveOutput {
        /// The engine's name for the call.
        engine_call_id: String,
        /// The output, JSON text.
        output: String,
    },
    /// Connect to the engine anew, with the conversation so far.
    DialEngine {
        /// What was said, oldest first.
        history: Vec<Said>,
    },
    /// Connect to the engine a second time, with the conversation so far, and keep the present
    /// session meanwhile.
    DialSuccessor {
        /// What was said, oldest first.
        history: Vec<Said>,
    },
    /// Let the present session go: the second one takes its place.
    Succeed,
    /// Write this event to the call's log.
    Note(LogEvent),
    /// Leave the media stream: the caller goes on to the agent's fallback. The call's row is
    /// completed by what happens there.
    MoveToFallback,
    /// Leave the media stream: the caller goes on to another party. The call is over for the core:
    /// should nobody answer there, it is resumed from what was written down.
    Transfer {
        /// The other party.
        target: TransferTarget,
    },
    /// End the call. Its last note has been written.
    HangUp(End),
}

/// What a reply is for. The log has it by its word.
#[derive(Debug, Clone, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Purpose {
    /// The agent's first words.
    Greeting,
    /// An answer to what the caller said, pressed, or to what a function returned.
    Answer,
    /// Nobody has spoken for a while; the n-th time, from 1.
    Reprompt(u32),
    /// The call will soon be as long as it may be.
    LimitWarning,
    /// The last words, because of this: these, or others.
    Goodbye(GoodbyeReason, Option<String>),
    /// The line was lost for a moment and is back.
    WelcomeBack,
    /// What the caller asked for takes a moment.
    Filler,
    /// The caller is about to be put through to this party: these words, or others.
    Handover(String, Option<String>),
    /// That party did not answer, and the caller is back.
    HandoverFailed(String),
}

/// Why the agent says goodbye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoodbyeReason {
    /// The conversation is over.
    Done,
    /// Nobody has spoken for too long.
    Idle,
    /// The longest time is reached.
    Limit,
    /// The owner or the server ends the call.
    Ended,
}

/// In whose name a message is put into the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The message counts as the caller's.
    Caller,
    /// The message counts as the agent's.
    Agent,
    /// The message counts as context, of neither side.
    System,
}

/// One line of the conversation, for a new engine session; of the system's, what a function
/// returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The side that said it.
    pub role: Role,
    /// What was heard of it.
    pub text: String,
}
