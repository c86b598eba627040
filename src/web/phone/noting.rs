//! What callbacks have written into calls that may be anywhere. Nobody waits for it, so it is bounded:
//! what is beyond a bound is dropped and counted, and the log has it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use metrics::counter;
use moka::sync::Cache;
use parking_lot::Mutex;
use uuid::Uuid;

/// How many are written at once, and how many of one agent's calls: no tenant keeps the others from
/// having theirs written.
const AT_ONCE: usize = 32;
const AT_ONCE_EACH: usize = 4;
/// How many are taken of one call. A call has a few streams, and something is wrong with few of them.
const OF_A_CALL: u32 = 32;
/// Of how many calls it is remembered how many were taken; the calls that were told of longest ago
/// are forgotten first. What is in the row's events bounds those too.
const CALLS_MAX: u64 = 10_000;

/// What is being written. Clones are of the same.
#[derive(Debug, Clone)]
pub struct Noting {
    /// How many of each agent's are being written.
    under_way: Arc<Mutex<HashMap<Uuid, usize>>>,
    of_calls: Cache<(Uuid, String), Arc<AtomicU32>>,
}

/// Leave to write one. Dropped, another may be written.
#[derive(Debug)]
pub(super) struct Leave {
    noting: Noting,
    agent_id: Uuid,
}

impl Default for Noting {
    fn default() -> Self {
        Self { under_way: Arc::default(), of_calls: Cache::new(CALLS_MAX) }
    }
}

impl Noting {
    /// Leave to write something into this call of the agent's, if there is room for it.
    pub(super) fn leave(&self, agent_id: Uuid, call_sid: &str) -> Option<Leave> {
        let of_call = self.of_calls.get_with((agent_id, call_sid.to_owned()), Arc::default);
        if of_call.load(Ordering::Relaxed) >= OF_A_CALL {
            dropped("call full");
            return None;
        }
        let mut under_way = self.under_way.lock();
        let of_agent = under_way.get(&agent_id).copied().unwrap_or_default();
        if of_agent >= AT_ONCE_EACH || under_way.values().sum::<usize>() >= AT_ONCE {
            drop(under_way);
            dropped("busy");
            return None;
        }
        under_way.insert(agent_id, of_agent + 1);
        drop(under_way);
        of_call.fetch_add(1, Ordering::Relaxed);
        Some(Leave { noting: self.clone(), agent_id })
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut under_way = self.noting.under_way.lock();
        if let Some(of_agent) = under_way.get_mut(&self.agent_id) {
            *of_agent = of_agent.saturating_sub(1);
            if *of_agent == 0 {
                under_way.remove(&self.agent_id);
            }
        }
    }
}

fn dropped(reason: &'static str) {
    counter!("frontdesk_callbacks_dropped_total", "reason" => reason).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_bounded_in_all_for_an_agent_and_for_a_call() {
        let noting = Noting::default();
        let leaves = |agent: u128, calls: usize| -> Vec<_> {
            let sids = (0..calls).map(|n| format!("CA{n}"));
            sids.filter_map(|sid| noting.leave(Uuid::from_u128(agent), &sid)).collect()
        };
        // One that floods leaves room for the others, and all of them have a bound.
        let flood = leaves(1, 10_000);
        assert_eq!(flood.len(), AT_ONCE_EACH);
        let others: Vec<_> = (2..100).flat_map(|agent| leaves(agent, 1)).collect();
        assert_eq!(others.len(), AT_ONCE - AT_ONCE_EACH);
        drop((flood, others));
        assert!(noting.under_way.lock().is_empty(), "agents are remembered");
        // One after the other: a call has its own bound, which is no other call's.
        let (agent, sid) = (Uuid::from_u128(200), "CA1");
        let taken = (0..1_000).filter(|_| noting.leave(agent, sid).is_some()).count();
        assert_eq!(taken, OF_A_CALL as usize);
        assert!(noting.leave(agent, "CA2").is_some());
    }
}
