//! What is asked for with a slot, and what comes of it.

use tokio::sync::mpsc;

use super::call_handle::CallHandle;
use super::command::Command;
use super::registry::Slot;

/// Whom a slot is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotFor {
    /// A caller whom nobody has answered yet.
    NewCaller,
    /// A caller who was answered before and is on the phone, whatever their business has.
    KnownCaller,
    /// A test of the console, which never takes one of the last slots.
    Test,
}

/// Who says that a call is one. Whoever enters a Twilio account of their own knows the token that its
/// webhooks are signed with, and can make calls up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The signature alone.
    Signature,
    /// Twilio knows the call.
    Twilio,
    /// Twilio does not say, of a caller who was answered before. The last quarter of the lines is for others.
    Unsaid,
}

/// What came of asking for a slot.
#[derive(Debug)]
pub enum Begin {
    /// The call has a slot; its task listens here.
    New(Slot, mpsc::Receiver<Command>),
    /// The call is already here, and has another token.
    Live(CallHandle),
    /// The call was here and is over.
    Ended,
    /// No slot is free, or none is given any more.
    Full,
    /// Half of all slots are taken: the rest is for calls that Twilio knows.
    Unproven,
    /// Slots are free, and the agent's business has its part of them all.
    ShareTaken,
}
