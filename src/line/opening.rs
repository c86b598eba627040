//! What a call's task begins with: a new call, or one that another process had before.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use uuid::Uuid;

use super::Engines;
use super::registry::{Command, Slot};
use crate::agent::Agent;
use crate::agent::history::History;
use crate::call::{CallRecord, LogEvent};
use crate::functions::{CallContext, Dialogues, TestCall, Texts};
use crate::private::Private;
use crate::store::LogPosition;

/// What a call begins with.
pub struct Opening {
    /// Its place among the calls of the process.
    pub slot: Slot,
    /// Where its task is told things.
    pub commands: mpsc::Receiver<Command>,
    /// The agent that answers.
    pub agent: Arc<Agent>,
    /// The call's `call_logs.id`.
    pub call_log_id: Uuid,
    /// Twilio's name for it.
    pub call_sid: String,
    /// The caller, as Twilio gave them; not always a number.
    pub caller: Private<String>,
    /// What is known of them from before.
    pub history: History,
    /// Whether the agent has knowledge to look things up in.
    pub has_knowledge: bool,
    /// When the webhook came, since the Unix epoch.
    pub started: Duration,
    /// What its events are written with; the first one has the number 1 unless the call was had before.
    pub position: LogPosition,
    /// What was written down before.
    pub before: CallRecord,
    /// Whether that could not be read.
    pub is_partial: bool,
    /// How often the caller was given back to the agent.
    pub returns: i32,
    /// Whether it is a test from the console.
    pub test: Option<TestOpening>,
}

/// What is different about a test from the console.
#[derive(Debug, Clone)]
pub struct TestOpening {
    /// What it may do.
    pub call: TestCall,
    /// Which engines it has; none: those of all calls.
    pub engines: Option<Engines>,
    /// What an earlier test came to, which this one goes on from: events and their milliseconds.
    pub earlier: Vec<(u64, LogEvent)>,
}

impl Opening {
    /// Whom functions are carried out for.
    pub(super) fn function_caller(&self) -> CallContext {
        CallContext {
            agent: Arc::clone(&self.agent),
            call_log_id: self.call_log_id,
            call_sid: self.call_sid.clone(),
            caller: self.caller.clone(),
            texts: Texts::of(&self.agent, &self.before),
            dialogues: Dialogues::of(&self.agent, &self.before),
            test: self.test.as_ref().map(|test| test.call),
        }
    }
}
