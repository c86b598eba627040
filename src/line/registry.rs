//! Who is on the line: the calls that this process holds, each in one slot, exactly counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use metrics::gauge;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

pub use super::call_handle::CallHandle;
pub(super) use super::command::Parted;
pub use super::command::{Command, Parting};
pub use super::exit::AfterPlan;
use super::known_calls::KnownCalls;
use super::line_shares::{LastBusinesses, Taken};
pub use super::slots::{Begin, Proof, SlotFor};
use super::transferred_calls::TransferredCalls;
use crate::agent::Agent;
use crate::store::{FIRST_EPOCH, LogPosition};

/// How many control messages may wait for a call's task. Control is never dropped: whoever sends
/// it waits.
const COMMANDS_MAX: usize = 8;

/// One in so many slots is for callers alone, and one at least: tests of the console are refused first.
const SPARED_PART: usize = 10;

struct Entry {
    handle: CallHandle,
    nonce: Option<String>,
    has_row: watch::Sender<bool>,
    /// Not known until it has one.
    is_row_in_database: Option<bool>,
    parted: Parted,
}

/// A call's CallSid and its agent.
type CallKey = (String, Uuid);

fn key(agent_id: Uuid, call_sid: &str) -> CallKey {
    (call_sid.to_owned(), agent_id)
}

/// All calls of this process.
pub struct Registry {
    /// Callers that this process sent to another party.
    pub kept: TransferredCalls,
    /// By CallSid and agent: what one agent's webhooks say never reaches a call of another, even if
    /// they name its CallSid.
    calls: Mutex<BTreeMap<CallKey, Entry>>,
    calls_max: usize,
    /// Whose calls were here, and which are over: what late webhooks about them are told even while
    /// the database is away.
    known: KnownCalls,
    businesses: Mutex<LastBusinesses>,
    draining: watch::Sender<bool>,
    live: watch::Sender<usize>,
}

/// A call's place. Dropped, it is free.
#[derive(Debug)]
pub struct Slot {
    registry: Arc<Registry>,
    key: CallKey,
    /// How many calls of the same agent were here before it.
    pub calls_before: usize,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut calls = self.registry.calls.lock();
        calls.remove(&self.key);
        self.registry.count(calls.len());
    }
}

impl Slot {
    /// The call is over: late webhooks are told so. The place is freed by dropping the slot.
    pub fn ended(&self) {
        let (call_sid, agent_id) = &self.key;
        self.registry.known.note_ended(*agent_id, call_sid);
    }

    /// The task ends and the call goes on: it may come back, and is gone on with from there.
    pub(super) fn note_position(&self, position: LogPosition) {
        let (call_sid, agent_id) = &self.key;
        self.registry.known.note_position(*agent_id, call_sid, position);
    }
}

/// What a stream's token is worth here.
#[derive(Debug)]
pub enum Claim {
    /// The token is the call's present one; it is spent now.
    Here(CallHandle, RowKnown),
    /// The call is here and the token is not its present one.
    Spent,
    /// The call is not here.
    Elsewhere,
}

/// Whether the database has the call's row, so that it can be asked about the token too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowKnown(pub bool);

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("calls_max", &self.calls_max).finish_non_exhaustive()
    }
}

impl Registry {
    /// An empty registry with `calls_max` slots.
    pub fn new(calls_max: usize) -> Arc<Self> {
        Arc::new(Self {
            kept: TransferredCalls::default(),
            calls: Mutex::default(),
            calls_max,
            known: KnownCalls::default(),
            businesses: Mutex::default(),
            draining: watch::channel(false).0,
            live: watch::channel(0).0,
        })
    }

    fn count(&self, calls: usize) {
        gauge!("frontdesk_calls_live").set(calls as f64);
        self.live.send_replace(calls);
    }

    /// Takes a slot for a call, or says why not.
    pub fn begin(
        self: &Arc<Self>,
        slot_for: SlotFor,
        proof: Proof,
        call_sid: &str,
        call_log_id: Uuid,
        agent: Arc<Agent>,
        nonce: &str,
    ) -> Begin {
        let key = key(agent.id, call_sid);
        let mut calls = self.calls.lock();
        if let Some(entry) = calls.get(&key) {
            return Begin::Live(entry.handle.clone());
        }
        if self.known.has_ended(agent.id, call_sid) {
            return Begin::Ended;
        }
        let is_test = slot_for == SlotFor::Test;
        let spared = if is_test { (self.calls_max / SPARED_PART).max(1) } else { 0 };
        if self.is_draining() || calls.len() >= self.calls_max.saturating_sub(spared) {
            return Begin::Full;
        }
        let of_same = |is_same: fn(&Agent, &Agent) -> bool| {
            calls.values().filter(|entry| is_same(&entry.handle.agent, &agent)).count()
        };
        let calls_before = of_same(|one, other| one.id == other.id);
        let taken = Taken { all: calls.len(), own: of_same(|one, other| one.owner == other.owner) };
        if let Some(refused) = self.refuses(slot_for, proof, &agent, taken) {
            return refused;
        }
        let (commands, listener) = mpsc::channel(COMMANDS_MAX);
        let (row, has_row) = watch::channel(false);
        let entry = Entry {
            handle: CallHandle {
                call_log_id,
                epoch: FIRST_EPOCH,
                agent,
                commands,
                has_streamed: false,
                has_row,
                renewing: Arc::default(),
            },
            has_row: row,
            nonce: Some(nonce.to_owned()),
            is_row_in_database: None,
            parted: Parted::No,
        };
        calls.insert(key.clone(), entry);
        self.count(calls.len());
        Begin::New(Slot { registry: Arc::clone(self), key, calls_before }, listener)
    }

    /// Why a call has none of the slots that are free.
    fn refuses(
        &self,
        slot_for: SlotFor,
        proof: Proof,
        agent: &Agent,
        taken: Taken,
    ) -> Option<Begin> {
        let is_test = slot_for == SlotFor::Test;
        let is_proven = is_test || proof != Proof::Signature || agent.credentials.is_none();
        if !is_proven && taken.is_scarce(self.calls_max) {
            return Some(Begin::Unproven);
        }
        if proof == Proof::Unsaid && taken.is_last_quarter(self.calls_max) {
            return Some(Begin::ShareTaken);
        }
        let are_others_about = match slot_for {
            SlotFor::NewCaller => self.businesses.lock().note(agent.owner),
            SlotFor::Test => false,
            SlotFor::KnownCaller => return None,
        };
        taken.is_share_taken(self.calls_max, are_others_about).then_some(Begin::ShareTaken)
    }

    /// The call has its row, in the database or in the spool, which turned out to have this id and
    /// epoch.
    pub fn has_row(
        &self,
        agent_id: Uuid,
        call_sid: &str,
        (call_log_id, epoch): (Uuid, i32),
        is_in_database: bool,
    ) {
        self.known.note(agent_id, call_sid);
        if let Some(entry) = self.calls.lock().get_mut(&key(agent_id, call_sid)) {
            (entry.handle.call_log_id, entry.handle.epoch) = (call_log_id, epoch);
            // Once memory alone decides, it goes on to.
            entry.is_row_in_database.get_or_insert(is_in_database);
            entry.has_row.send_replace(true);
        }
    }

    /// The row could not be told of the present token: memory alone decides about it.
    pub fn forget_row(&self, agent_id: Uuid, call_sid: &str) {
        if let Some(entry) = self.calls.lock().get_mut(&key(agent_id, call_sid)) {
            entry.is_row_in_database = Some(false);
        }
    }

    /// The call, if it is here.
    pub fn find(&self, agent_id: Uuid, call_sid: &str) -> Option<CallHandle> {
        self.calls.lock().get(&key(agent_id, call_sid)).map(|entry| entry.handle.clone())
    }

    /// Whether the call was here and is over.
    pub fn has_ended(&self, agent_id: Uuid, call_sid: &str) -> bool {
        self.known.has_ended(agent_id, call_sid)
    }

    /// What this agent's call, whose task here has ended, is gone on with if no other process has
    /// claimed it meanwhile.
    pub fn position_of(&self, agent_id: Uuid, call_sid: &str) -> Option<LogPosition> {
        self.known.position(agent_id, call_sid)
    }

    /// Remembers that a call is over.
    pub fn note_ended(&self, agent_id: Uuid, call_sid: &str) {
        self.known.note_ended(agent_id, call_sid);
    }

    /// Remembers whose a call is that has a row and no slot: its caller was sent elsewhere at once.
    pub fn note_owner(&self, agent_id: Uuid, call_sid: &str) {
        self.known.note(agent_id, call_sid);
    }

    /// Spends a stream token, if it is the call's present one.
    pub fn claim(&self, agent_id: Uuid, call_sid: &str, nonce: &str) -> Claim {
        match self.calls.lock().get_mut(&key(agent_id, call_sid)) {
            None => Claim::Elsewhere,
            Some(entry) => match entry.nonce.take_if(|present| present == nonce) {
                Some(_) => {
                    entry.handle.has_streamed = true;
                    Claim::Here(
                        entry.handle.clone(),
                        RowKnown(entry.is_row_in_database == Some(true)),
                    )
                }
                None => Claim::Spent,
            },
        }
    }

    /// Makes `nonce` the call's one good stream token.
    pub fn renew(&self, agent_id: Uuid, call_sid: &str, nonce: &str) {
        if let Some(entry) = self.calls.lock().get_mut(&key(agent_id, call_sid)) {
            entry.nonce = Some(nonce.to_owned());
        }
    }

    /// Notes how far a call is on its way elsewhere.
    pub(super) fn note_parted(&self, agent_id: Uuid, call_sid: &str, parted: Parted) {
        if let Some(entry) = self.calls.lock().get_mut(&key(agent_id, call_sid)) {
            entry.parted = parted;
        }
    }

    /// How far a call is on its way elsewhere.
    pub(super) fn parted(&self, agent_id: Uuid, call_sid: &str) -> Parted {
        self.calls.lock().get(&key(agent_id, call_sid)).map_or(Parted::No, |entry| entry.parted)
    }

    /// Whether the call has let go of its line here, to go on elsewhere.
    pub fn has_parted(&self, agent_id: Uuid, call_sid: &str) -> bool {
        self.parted(agent_id, call_sid) != Parted::No
    }

    /// The agents that have a call of this CallSid here, or sent its caller to another party. It is
    /// one; more only if a tenant named the CallSid of another's call as its own.
    pub fn agents_of(&self, call_sid: &str) -> Vec<Arc<Agent>> {
        let calls = self.calls.lock();
        let of_sid = calls.range(key(Uuid::nil(), call_sid)..=key(Uuid::max(), call_sid));
        let mut agents: Vec<_> = of_sid.map(|(_, entry)| Arc::clone(&entry.handle.agent)).collect();
        drop(calls);
        agents.extend(self.kept.agents_of(call_sid));
        agents
    }

    /// The agent whose call this was when this process last had to do with it, also if it is neither
    /// on the line here nor out from here.
    pub fn owner_of(&self, call_sid: &str) -> Option<Uuid> {
        self.known.agent_of(call_sid)
    }

    /// All calls that are here, by their CallSids.
    pub(super) fn calls(&self) -> Vec<(String, CallHandle)> {
        self.calls
            .lock()
            .iter()
            .map(|((sid, _), entry)| (sid.clone(), entry.handle.clone()))
            .collect()
    }

    /// How many calls are here.
    pub fn live(&self) -> usize {
        self.calls.lock().len()
    }

    /// Whether a slot is free.
    pub fn has_room(&self) -> bool {
        self.live() < self.calls_max
    }

    /// Whether the process takes no more calls.
    pub fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Waits until the process takes no more calls.
    pub async fn drained(&self) {
        let mut draining = self.draining.subscribe();
        // The sender lives as long as the registry.
        let _ = draining.wait_for(|draining| *draining).await;
    }

    /// Takes no more calls from now on.
    pub fn stop_taking_calls(&self) {
        self.draining.send_replace(true);
    }

    /// Tells every call the same.
    pub async fn tell_all(&self, command: fn() -> Command) {
        let handles: Vec<_> =
            self.calls.lock().values().map(|entry| entry.handle.clone()).collect();
        for handle in handles {
            // A task that is gone needs no telling.
            let _ = handle.commands.send(command()).await;
        }
    }

    /// Waits until no call is left.
    pub async fn empty(&self) {
        let mut live = self.live.subscribe();
        // The sender lives as long as the registry.
        let _ = live.wait_for(|calls| *calls == 0).await;
    }
}
