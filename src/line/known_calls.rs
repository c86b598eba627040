//! Whose the calls are that this process had to do with, on the line or not: while the database is
//! away nothing else says so.

use std::time::Duration;

use moka::sync::Cache;
use uuid::Uuid;

use crate::store::LogPosition;

/// How many are remembered; the oldest go first. The database has them all.
const KNOWN_MAX: u64 = 100_000;
/// How long: longer than callers may be at another party.
const KNOWN_TIME: Duration = Duration::from_secs(6 * 3600);

#[derive(Debug, Clone, Copy)]
struct Known {
    agent_id: Uuid,
    has_ended: bool,
    /// What this process's next event of it is written with, where it has no task and nobody else
    /// has claimed it, as far as is known.
    position: Option<LogPosition>,
}

/// The calls, by their CallSids. A call is one agent's: the last one whose call it was found to be.
#[derive(Debug)]
pub(super) struct KnownCalls(Cache<String, Known>);

impl Default for KnownCalls {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(KNOWN_MAX).time_to_live(KNOWN_TIME).build())
    }
}

impl KnownCalls {
    /// Remembers that a call is this agent's.
    pub(super) fn note(&self, agent_id: Uuid, call_sid: &str) {
        let has_ended = self.has_ended(agent_id, call_sid);
        self.0.insert(call_sid.to_owned(), Known { agent_id, has_ended, position: None });
    }

    /// Remembers what this agent's call is gone on with, whose task here has ended.
    pub(super) fn note_position(&self, agent_id: Uuid, call_sid: &str, position: LogPosition) {
        let has_ended = self.has_ended(agent_id, call_sid);
        self.0.insert(call_sid.to_owned(), Known { agent_id, has_ended, position: Some(position) });
    }

    /// What this agent's call is gone on with here, if this process had it last.
    pub(super) fn position(&self, agent_id: Uuid, call_sid: &str) -> Option<LogPosition> {
        self.0.get(call_sid).filter(|known| known.agent_id == agent_id)?.position
    }

    /// Remembers that this agent's call is over.
    pub(super) fn note_ended(&self, agent_id: Uuid, call_sid: &str) {
        self.0.insert(call_sid.to_owned(), Known { agent_id, has_ended: true, position: None });
    }

    /// Whether this agent's call is over.
    pub(super) fn has_ended(&self, agent_id: Uuid, call_sid: &str) -> bool {
        let known = self.0.get(call_sid);
        known.is_some_and(|known| known.agent_id == agent_id && known.has_ended)
    }

    /// Whose call it is.
    pub(super) fn agent_of(&self, call_sid: &str) -> Option<Uuid> {
        self.0.get(call_sid).map(|known| known.agent_id)
    }
}
