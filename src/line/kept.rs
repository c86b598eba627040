//! What this process remembers of callers that it sent to another party, for when nobody answers
//! there while the database is away.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::driver::Line;
use crate::agent::Agent;
use crate::agent::history::History;
use crate::call::{CallRecord, LogEvent};
use crate::private::Private;

/// How many are remembered; the oldest go first. The database has them all.
const KEPT_MAX: usize = 1_000;

/// A call whose caller is out.
pub struct Kept {
    /// Who had it.
    pub agent: Arc<Agent>,
    /// Its row.
    pub call_log_id: Uuid,
    /// Who calls.
    pub caller: Private<String>,
    /// What is known of them from before.
    pub history: History,
    /// When the webhook came, since the Unix epoch.
    pub started: Duration,
    /// The number of its next event.
    pub seq: i64,
    /// What was written down.
    pub record: CallRecord,
    /// How often the caller was given back to the agent.
    pub returns: i32,
}

/// The calls, by their names.
#[derive(Default)]
pub struct KeptCalls(Mutex<VecDeque<(String, Kept)>>);

impl KeptCalls {
    /// Remembers a call.
    pub(super) fn keep(&self, call_sid: &str, kept: Kept) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.retain(|(sid, other)| sid != call_sid || other.agent.id != kept.agent.id);
        if calls.len() == KEPT_MAX {
            calls.pop_front();
        }
        calls.push_back((call_sid.to_owned(), kept));
    }

    /// Takes out what is remembered of this agent's call.
    pub fn take(&self, agent_id: Uuid, call_sid: &str) -> Option<Kept> {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |(sid, kept): &(String, Kept)| sid == call_sid && kept.agent.id == agent_id;
        let at = calls.iter().position(is_it)?;
        calls.remove(at).map(|(_, kept)| kept)
    }

    /// The agents of which a call with this CallSid is remembered.
    pub(super) fn agents_of(&self, call_sid: &str) -> Vec<Arc<Agent>> {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_sid = calls.iter().filter(|(sid, _)| sid == call_sid);
        of_sid.map(|(_, kept)| Arc::clone(&kept.agent)).collect()
    }
}

impl Line {
    /// What is left of a call whose caller is out; its slot is free.
    pub(super) fn keep(self) -> Kept {
        let mut record = self.call.into_record();
        for stream_sid in self.notes.stream_sids() {
            // The core does not know their names, and by them it is known that the call has opened.
            record.apply(0, &LogEvent::LineOpened { stream_sid: stream_sid.clone() });
        }
        Kept {
            agent: self.agent,
            call_log_id: self.function_caller.call_log_id,
            caller: self.caller,
            history: self.history,
            started: self.notes.started(),
            seq: self.notes.next_seq(),
            record,
            returns: self.returns,
        }
    }
}
