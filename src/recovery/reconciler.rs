//! The reconciler: gives this process's heartbeat, and completes the calls of processes that died.
//!
//! A process is dead when it gives no sign of life for [`DEAD_AFTER`] while this one could read
//! the database all that time (after an outage everybody's last sign is old), or when the lock of
//! its spool could be had. Two reconcilers at once do no harm: a call is completed only while it is
//! live, and in the epoch in which it was read.
//!
//! Where Twilio can be asked, the [status poller](super::status_poller) asks it before a call is
//! given up.
//!
//! A process also completes rows of its own that none of its calls has any more, and those of
//! callers who were out for too long.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::peers::Peers;
use super::status_poller::LeftCalls;
use crate::call::lifecycle::{self, News, Plan, Question, Standing};
use crate::call::{CallRecord, End, LogEvent, is_test};
use crate::clock::{self, Clock};
use crate::store::{Abandoned, CompletedCall, Completes, EventRow, Result, Store, StoreError};

/// How often this process gives a sign of life and looks for those of others.
pub const BEAT_PAUSE: Duration = Duration::from_secs(5);

/// How long a process gives no sign before it counts as dead.
pub const DEAD_AFTER: Duration = Duration::from_secs(20);

/// How long a live call that no process has must be quiet before it is completed, seconds.
const QUIET_SECONDS: i32 = 60;

/// How old a row of this process is at least before it must have a call, seconds.
const OWN_AGE_SECONDS: i32 = 30;

/// Every so many rounds the rows of this process are looked at.
const OWN_ROUNDS: u32 = 6;

/// The most calls that are completed in one round.
const CALLS_PER_ROUND: i64 = 50;

/// The pause when so many were handed on to whoever asks that there may be more.
const GIVEN_PAUSE: Duration = Duration::from_secs(1);

/// How long one round may take on the wall's clock, so that the signs of life are not late.
const ROUND_LIMIT: Duration = Duration::from_secs(4);

/// How long reading the others' signs of life may take on the wall's clock.
const OBSERVE_LIMIT: Duration = Duration::from_secs(2);

/// How long giving a sign of life may take on the wall's clock.
const BEAT_LIMIT: Duration = Duration::from_secs(2);

/// Gives signs of life and completes the calls of those that stopped to.
#[derive(Debug)]
pub struct Reconciler {
    store: Store,
    /// Where signs of life are written: no statement of ours may keep them waiting.
    signs: Store,
    instance_id: Uuid,
    watched: HashMap<Uuid, Watched>,
    proven_dead: BTreeSet<Uuid>,
    /// Rows of this process that had no call when they were last looked at.
    strays: BTreeSet<Uuid>,
    /// Who asks Twilio before a call is given up, if anybody can.
    left: Option<LeftCalls>,
    /// How many calls were handed on in this round.
    given: i64,
    peers: Peers,
}

/// The last sign of a process, and since when it is that.
#[derive(Debug)]
struct Watched {
    beat_us: Option<i64>,
    since: Duration,
}

impl Reconciler {
    /// For the process `instance_id`.
    pub fn new(store: Store, instance_id: Uuid) -> Self {
        let (watched, proven_dead, strays) = Default::default();
        let peers = Peers::default();
        let signs = store.clone();
        Self {
            store,
            signs,
            instance_id,
            watched,
            proven_dead,
            strays,
            left: None,
            given: 0,
            peers,
        }
    }

    /// Signs of life are written on the connections of `live`, which the hourly sweep and other
    /// long work do not have: peers take the calls of a process that gives none.
    pub fn with_signs_on(mut self, live: Store) -> Self {
        self.signs = live;
        self
    }

    /// Calls that no process has are handed on, so that Twilio is asked about them.
    pub fn asking(mut self, left: LeftCalls) -> Self {
        self.left = Some(left);
        self
    }

    /// Says there what other processes there are.
    pub fn telling(mut self, peers: Peers) -> Self {
        self.peers = peers;
        self
    }

    /// Runs for ever; drop the future to stop. `proven_dead` is asked in each round for processes
    /// that are known to be dead by other means, `is_live` whether this process has the call,
    /// and `is_draining` whether it takes no more calls.
    pub async fn run(
        mut self,
        clock: Clock,
        mut proven_dead: impl FnMut() -> Vec<Uuid> + Send,
        is_live: impl Fn(&Abandoned) -> bool + Send + Sync,
        is_draining: impl Fn() -> bool + Send + Sync,
    ) {
        for round in 1_u32.. {
            self.proven_dead.extend(proven_dead());
            let is_draining = is_draining();
            let beating = async {
                match is_draining {
                    // The database may have been away when it was said first.
                    true => self.signs.note_draining(self.instance_id).await,
                    false => self.signs.beat(self.instance_id).await,
                }
            };
            match clock::within(BEAT_LIMIT, beating).await {
                Some(Ok(())) => {}
                // The log says already that the database is away.
                Some(Err(_)) | None if self.store.is_out() => {}
                Some(Err(error)) => tracing::warn!(%error, "no sign of life could be given"),
                None => tracing::warn!("no sign of life could be given in time"),
            }
            if round.is_multiple_of(OWN_ROUNDS) {
                let round = clock::within(ROUND_LIMIT, self.own_round(&is_live)).await;
                report(&self.store, round);
            }
            self.given = 0;
            // While there were calls to complete there may be more.
            let round = clock::within(ROUND_LIMIT, self.round(clock.now())).await;
            if !report(&self.store, round) {
                let is_more = self.given >= CALLS_PER_ROUND;
                clock.sleep(if is_more { GIVEN_PAUSE } else { BEAT_PAUSE }).await;
            }
        }
    }

    /// Adds a process that is known to be dead. Its spool must have been told.
    pub fn add_proven_dead(&mut self, instance: Uuid) {
        self.proven_dead.insert(instance);
    }

    /// One round at `now`, on any clock that only goes forward. Gives how many calls were
    /// completed.
    ///
    /// # Errors
    /// [`StoreError`]; when the signs of life could not be read, the observations start anew.
    pub async fn round(&mut self, now: Duration) -> Result<usize> {
        let late = || Err(StoreError::Slow("signs of life took too long".to_owned()));
        let observed = clock::within(OBSERVE_LIMIT, self.observe(now)).await;
        let dead = observed.unwrap_or_else(late).inspect_err(|_| self.watched.clear())?;
        let calls = self.store.live_calls_of(&dead, CALLS_PER_ROUND).await?;
        let mut completed = 0;
        for call in &calls {
            completed += usize::from(self.complete(call).await?);
        }
        if calls.is_empty() && !dead.is_empty() {
            for instance in &self.store.forget_dead(&dead).await? {
                self.watched.remove(instance);
                self.proven_dead.remove(instance);
            }
        }
        for call in &self.store.ownerless_calls(QUIET_SECONDS, CALLS_PER_ROUND).await? {
            completed += usize::from(self.complete(call).await?);
        }
        for call in &self.store.overdue_outings(CALLS_PER_ROUND).await? {
            completed += usize::from(self.complete_overdue(call).await?);
        }
        Ok(completed)
    }

    /// Completes a call whose caller was out for longer than may be.
    async fn complete_overdue(&self, call: &Abandoned) -> Result<bool> {
        let events = self.store.events(call.id).await?;
        let completed = fold(call, &events, |record| end_of(record, true, Question::Overdue));
        self.store.complete(&completed, Completes::IfLive).await
    }

    /// Completes the rows of this process that no call of it has now or had in the last such
    /// round: one that is being taken over or written down is not seen twice. Gives how many.
    pub async fn own_round(&mut self, is_live: impl Fn(&Abandoned) -> bool) -> Result<usize> {
        let own = self.store.old_calls_of(self.instance_id, OWN_AGE_SECONDS).await?;
        let strays: Vec<_> = own.into_iter().filter(|call| !is_live(call)).collect();
        let known =
            std::mem::replace(&mut self.strays, strays.iter().map(|call| call.id).collect());
        let mut completed = 0;
        for call in strays.iter().filter(|call| known.contains(&call.id)) {
            completed += usize::from(self.complete(call).await?);
        }
        Ok(completed)
    }

    /// Looks at everybody's last sign and gives the dead.
    async fn observe(&mut self, now: Duration) -> Result<Vec<Uuid>> {
        let seen = self.store.instances().await?;
        let others = seen.iter().filter(|other| other.takes_calls && other.id != self.instance_id);
        self.peers.seen(others.map(|other| other.id).collect());
        self.watched.retain(|id, _| seen.iter().any(|instance| instance.id == *id));
        for instance in seen {
            let watched = self
                .watched
                .entry(instance.id)
                .or_insert(Watched { beat_us: instance.beat_us, since: now });
            if watched.beat_us != instance.beat_us {
                *watched = Watched { beat_us: instance.beat_us, since: now };
            }
        }
        let silent = self
            .watched
            .iter()
            .filter(|(_, watched)| now.saturating_sub(watched.since) >= DEAD_AFTER)
            .map(|(id, _)| *id);
        let dead: BTreeSet<Uuid> = silent.chain(self.proven_dead.iter().copied()).collect();
        Ok(dead.into_iter().filter(|id| *id != self.instance_id).collect())
    }

    /// Completes a call that no process has, or has Twilio asked about it first.
    async fn complete(&mut self, call: &Abandoned) -> Result<bool> {
        match &self.left {
            // Of a test Twilio knows nothing.
            Some(left) if !is_test(&call.call_sid) => {
                self.given += 1;
                left.give(call.clone());
                Ok(false)
            }
            Some(_) | None => {
                let unasked = Question::Abandoned { news: News::NoAccount, asks: 1 };
                complete_left(&self.store, call, unasked, None).await
            }
        }
    }
}

/// Says what came of a round; whether calls were completed or time ran out over them.
fn report(store: &Store, round: Option<Result<usize>>) -> bool {
    match round {
        Some(Ok(0)) => return false,
        // The log says already that the database is away.
        Some(Err(error)) if error.is_away() && store.is_out() => return false,
        Some(Ok(calls)) => tracing::info!(calls, "abandoned calls were completed"),
        Some(Err(error)) => {
            tracing::warn!(%error, "calls could not be reconciled");
            return false;
        }
        None => tracing::warn!("calls could not be reconciled in time"),
    }
    true
}

/// Completes a call that its process left, because of what this question comes to. `seconds`: how long
/// it was, if that is known better than by what was written last of it.
pub(super) async fn complete_left(
    store: &Store,
    call: &Abandoned,
    question: Question,
    seconds: Option<u64>,
) -> Result<bool> {
    let events = store.events(call.id).await?;
    let mut completed = fold(call, &events, |record| end_of(record, false, question));
    let told_ms = seconds.and_then(|seconds| i64::try_from(seconds).ok()?.checked_mul(1000));
    completed.duration_ms = completed.duration_ms.max(told_ms.unwrap_or_default());
    completed.ended_us = call.started_us.saturating_add(completed.duration_ms.saturating_mul(1000));
    match store.complete(&completed, Completes::IfAbandoned).await {
        Err(error) if !error.is_away() => {
            tracing::error!(%error, call = %call.id, "an abandoned call cannot be completed");
            Ok(false)
        }
        done => done,
    }
}

/// How a call ended that is completed because of this.
fn end_of(record: &CallRecord, is_out: bool, question: Question) -> End {
    match lifecycle::next(Standing::Live { record, is_out }, question) {
        Plan::Complete { end, .. } => end,
        // The call is completed all the same: no process has it.
        _ => lifecycle::LOST,
    }
}

/// The completed row, from what was written of the call. It ended with its last event.
pub(super) fn fold(
    call: &Abandoned,
    events: &[EventRow],
    end: impl FnOnce(&CallRecord) -> End,
) -> CompletedCall {
    let record = record_of(events);
    let end = end(&record);
    let mut metadata: Map<String, Value> = record.metadata();
    metadata.insert("ended_by".to_owned(), json!(end.ended_by));
    let duration_ms = events.iter().map(|event| event.at_ms).max().unwrap_or_default().max(0);
    CompletedCall {
        call_log_id: call.id,
        agent_id: Some(call.agent_id),
        call_sid: call.call_sid.clone(),
        is_partial: false,
        instance_id: call.instance_id,
        epoch: Some(call.epoch),
        status: json!(end.status).as_str().unwrap_or("failed").to_owned(),
        transcript: record.transcript().into(),
        metadata: Value::Object(metadata).into(),
        ended_us: call.started_us.saturating_add(duration_ms.saturating_mul(1000)),
        duration_ms,
    }
}

/// What was written of a call, folded.
pub fn record_of(events: &[EventRow]) -> CallRecord {
    let mut record = CallRecord::new();
    for event in events {
        // A kind that this version does not know is another version's.
        if let Some(known) = log_event(event) {
            record.apply(u64::try_from(event.at_ms).unwrap_or_default(), &known);
        }
    }
    record
}

/// What a row says that happened; none where this version does not know its kind.
pub fn log_event(event: &EventRow) -> Option<LogEvent> {
    serde_json::from_value(json!({"kind": event.kind, "data": event.data.reveal()})).ok()
}
