//! What this process remembers of callers that it sent to another party, for when nobody answers
//! there while the database is away.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use uuid::Uuid;

use super::exit::TALK_LIMIT;
use crate::agent::Agent;
use crate::agent::history::History;
use crate::call::CallRecord;
use crate::clock::Stopwatch;
use crate::private::Private;
use crate::store::LogPosition;

/// How many calls are remembered; the oldest are forgotten first. The database has them all.
const KEPT_MAX: usize = 1_000;
/// How long a call is remembered: as long as a caller may talk to the other party, and some more
/// for ringing.
const KEPT_TIME: Duration = TALK_LIMIT.saturating_add(Duration::from_secs(15 * 60));

/// What this process remembers of a call whose caller was transferred.
pub struct TransferredCall {
    /// The agent that had the call.
    pub agent: Arc<Agent>,
    /// The call's `call_logs.id`.
    pub call_log_id: Uuid,
    /// The caller, as Twilio gave them; not always a number.
    pub caller: Private<String>,
    /// What is known of them from before.
    pub history: History,
    /// When the webhook came, since the Unix epoch.
    pub started: Duration,
    /// What its next event is written with.
    pub position: LogPosition,
    /// What was written down.
    pub record: CallRecord,
    /// Whether that is not all, because what came before could not be read.
    pub is_partial: bool,
    /// How often the caller was given back to the agent.
    pub returns: i32,
}

/// The transferred calls by their CallSids, oldest first.
#[derive(Default)]
pub struct TransferredCalls(Mutex<VecDeque<(String, Stopwatch, TransferredCall)>>);

impl TransferredCalls {
    /// Remembers a call whose caller leaves for another party.
    pub(super) fn keep(&self, call_sid: &str, kept: TransferredCall) {
        let mut calls = self.0.lock();
        calls.retain(|(sid, _, other)| sid != call_sid || other.agent.id != kept.agent.id);
        if calls.len() == KEPT_MAX {
            calls.pop_front();
        }
        calls.push_back((call_sid.to_owned(), Stopwatch::start(), kept));
    }

    /// Removes and returns what is remembered of this agent's call.
    pub fn take(&self, agent_id: Uuid, call_sid: &str) -> Option<TransferredCall> {
        let mut calls = self.0.lock();
        let at =
            calls.iter().position(|(sid, _, kept)| sid == call_sid && kept.agent.id == agent_id)?;
        calls.remove(at).map(|(_, _, kept)| kept)
    }

    /// The agents of which a call with this CallSid is remembered.
    pub(super) fn agents_of(&self, call_sid: &str) -> Vec<Arc<Agent>> {
        let calls = self.0.lock();
        let of_sid = calls.iter().filter(|(sid, ..)| sid == call_sid);
        of_sid.map(|(_, _, kept)| Arc::clone(&kept.agent)).collect()
    }

    /// Forgets calls that are too old.
    pub fn expire(&self) {
        self.forget(KEPT_TIME);
    }

    /// Forgets calls that have been kept for so long.
    fn forget(&self, kept: Duration) {
        self.0.lock().retain(|(_, since, _)| since.elapsed() < kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::AgentSource;

    #[test]
    fn a_remembered_conversation_is_kept_while_its_caller_may_talk_and_not_for_ever() {
        let agent = Arc::new(Agent::new(AgentSource::default()));
        let calls = TransferredCalls::default();
        let call = TransferredCall {
            agent: Arc::clone(&agent),
            call_log_id: Uuid::nil(),
            caller: "+15551230001".to_owned().into(),
            history: History::default(),
            started: Duration::ZERO,
            position: LogPosition { epoch: 1, next_seq: 1 },
            record: CallRecord::new(),
            is_partial: false,
            returns: 0,
        };
        calls.keep("CA1", call);
        calls.expire();
        assert_eq!(calls.agents_of("CA1").len(), 1, "the other party may still be on the line");
        calls.forget(Duration::ZERO);
        assert_eq!(calls.agents_of("CA1").len(), 0);
        assert!(calls.take(agent.id, "CA1").is_none());
    }
}
