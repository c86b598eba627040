//! Engines: speech services that hear the caller and speak to them.
//!
//! An engine is polled by the call's one task. It takes audio and commands, which it queues, and
//! reports what happens in the core's language. What an engine does not have (turns, truncation)
//! it leaves out.

pub mod models;
pub mod realtime;

use std::task::{Context, Poll};

use bytes::Bytes;

use crate::call::{Event, ReplyId, Role};

/// A connection to a speech service, from its dialling to its loss.
pub trait Engine: Send {
    /// Writes what is queued and reads the next report. After `Event::EngineLost` it is pending
    /// for ever.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Report>;

    /// Writes what is queued, reads nothing.
    fn poll_write(&mut self, cx: &mut Context<'_>);

    /// Forwards the caller's audio: base64 of μ-law at 8 kHz. Beyond two seconds of backlog the
    /// oldest is replaced by silence.
    fn hear(&mut self, payload: &str);

    /// Time passed in which nothing came of the caller: so many bytes of silence take its place, so
    /// that the engine's clock stays true.
    fn hear_silence(&mut self, bytes: usize);

    /// Asks for a reply. With `instructions` the reply follows those instead of the session's;
    /// functions may be called only when there are none.
    fn reply(&mut self, reply: ReplyId, instructions: Option<&str>);

    /// Stops work on a reply.
    fn cancel(&mut self, reply: ReplyId);

    /// Says that only the beginning of an item was heard.
    fn truncate(&mut self, item: &str, heard_ms: u64);

    /// Says that nothing of an item was heard.
    fn delete(&mut self, item: &str);

    /// Puts a message into the conversation.
    fn add_message(&mut self, role: Role, text: &str);

    /// Puts a text beside the conversation, in the place of the one that was put there before.
    fn set_context(&mut self, text: Option<&str>);

    /// Gives a function's output.
    fn give_output(&mut self, engine_call_id: &str, output: &str);

    /// Whether everything asked for has been handed to the network.
    fn is_flushed(&self) -> bool;
}

/// What an engine reports.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// Something that the core must know.
    Event(Event),
    /// A piece of a reply's audio, which does not go through the core.
    Audio {
        /// The core's id of the reply.
        reply: ReplyId,
        /// The engine's name for the item.
        item: String,
        /// Base64 of μ-law at 8 kHz.
        payload: Bytes,
    },
}

/// A function as the model sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionSignature {
    /// The function's name, as the model calls it.
    pub name: String,
    /// What it is for and when to use it.
    pub description: String,
    /// Its parameters, a JSON Schema object.
    pub parameters: serde_json::Value,
}
