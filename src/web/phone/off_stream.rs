//! Calls whose caller is off the media stream: with another party, or at the agent's fallback. No
//! task has such a call; only its row and its events say where it stands.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tracing::{info, warn};
use uuid::Uuid;

use super::admit::Taken;
use super::answer::nonce;
use super::made_up::Wanted;
use super::pending_writes::{Attempt, Callback};
use super::{Document, FIND_LIMIT};
use crate::agent::Agent;
use crate::call::lifecycle::{RETURNS_MAX, Standing};
use crate::call::{CallRecord, LogEvent};
use crate::clock;
use crate::line::exit::fallback_limit;
use crate::line::opening::Opening;
use crate::line::record::unix_us;
use crate::line::registry::{Begin, SlotFor};
use crate::line::transferred_calls::TransferredCall;
use crate::recovery::completion::{CameTo, complete_live, write};
use crate::store::{CallRow, OffStream, Returned};
use crate::web::AppState;

/// How long a process's last events of a call may take to reach the database.
const SETTLED_LIMIT: Duration = Duration::from_secs(1);
/// How long between looks whether it is there, first and at most: each is twice the one before.
const SETTLED_PAUSE: Duration = Duration::from_millis(50);
const SETTLED_PAUSE_MAX: Duration = Duration::from_millis(400);
/// How long a row that was read may take to be read again.
const FRESH_LIMIT: Duration = Duration::from_millis(500);
/// How long a callback waits for what it says to be written down.
const CONCLUDE_LIMIT: Duration = Duration::from_secs(2);

/// What the database says of a call.
pub(super) enum Row {
    Found(CallRow),
    /// It has no row.
    None,
    /// The database gives no answer.
    Away,
}

/// What the database says of a call, with its events.
pub(super) enum Found {
    /// Its row, and its events folded.
    Row {
        row: CallRow,
        record: Box<CallRecord>,
    },
    None,
    Away,
}

impl Found {
    /// As the lifecycle is asked about it. `returns`: how often the caller was given back to the agent,
    /// as this process remembers it, for when the database says nothing.
    pub(super) fn standing(&self, returns: Option<i32>) -> Standing<'_> {
        match self {
            Self::Row { row, .. } if row.ended => Standing::Complete { guessed: row.is_out },
            Self::Row { row, record } => Standing::Live { record, is_out: row.is_out },
            Self::None => Standing::Gone,
            Self::Away => Standing::Unread { returns },
        }
    }
}

impl AppState {
    /// Reads the events of a live call.
    pub(super) async fn found(&self, row: Row) -> Found {
        match row {
            Row::Found(row) if row.ended => Found::Row { row, record: Box::default() },
            Row::Found(row) => {
                let record = self.written(row.id).await.unwrap_or_default();
                Found::Row { row, record: Box::new(record) }
            }
            Row::None => Found::None,
            Row::Away => Found::Away,
        }
    }

    /// The row of a call whose caller is out or gone, once everything that was written of it before
    /// is there; as it is, if that does not come.
    pub(super) async fn settled(&self, agent_id: Uuid, call_sid: &str) -> Option<CallRow> {
        match self.look_for(agent_id, call_sid).await {
            Row::Found(row) => Some(row),
            Row::None | Row::Away => None,
        }
    }

    /// The same, with "there is no row" told apart from "the database is away".
    pub(super) async fn look_for(&self, agent_id: Uuid, call_sid: &str) -> Row {
        let settling = async {
            let mut pause = SETTLED_PAUSE;
            loop {
                match self.store.call_by_sid(agent_id, call_sid).await {
                    Ok(Some(row)) if row.ended || row.is_out => return Row::Found(row),
                    // Nothing of it is on its way from here.
                    Ok(None) if self.services.log.health().spool_bytes == 0 => return Row::None,
                    _ => clock::pause(pause).await,
                }
                pause = (pause * 2).min(SETTLED_PAUSE_MAX);
            }
        };
        match clock::within(SETTLED_LIMIT, settling).await {
            Some(row) => row,
            None => self.row_of(agent_id, call_sid).await,
        }
    }

    /// The row of a call as it is.
    pub(super) async fn row_of(&self, agent_id: Uuid, call_sid: &str) -> Row {
        match clock::within(FIND_LIMIT, self.store.call_by_sid(agent_id, call_sid)).await {
            Some(Ok(Some(row))) => Row::Found(row),
            Some(Ok(None)) => Row::None,
            Some(Err(_)) | None => Row::Away,
        }
    }

    /// Completes the row of a call whose caller is out as a callback says, when what was written of
    /// the call is there. An outage of the database is waited for, nobody says it again; but who
    /// asks is not kept waiting by one.
    pub(super) async fn conclude(&self, agent_id: Uuid, call_sid: String, came_to: CameTo) {
        let callback = Callback::new(agent_id, call_sid, came_to, unix_us(clock::unix_now()));
        match clock::within(CONCLUDE_LIMIT, self.try_callback(&callback)).await {
            Some(Attempt::Written) => {}
            Some(Attempt::Unknown) => self.unwritten.put_unknown(callback),
            Some(Attempt::Away) | None => self.unwritten.put(callback),
        }
    }

    /// Completes the row of a call that is over and is not here, unless who knows more does first:
    /// its process, or the callback of what the caller was out at. An outage of the database is
    /// waited for.
    pub(super) async fn complete_elsewhere(&self, agent_id: Uuid, call_sid: String) {
        let row = self.row_of(agent_id, &call_sid).await;
        let callback = Callback::new(agent_id, call_sid, CameTo::Over, unix_us(clock::unix_now()));
        match row {
            Row::Found(row) if row.ended => {}
            Row::None => self.unwritten.put_unknown(callback.after_others()),
            Row::Found(_) | Row::Away => self.unwritten.put(callback.after_others()),
        }
    }

    /// Tries once to write a callback's report to the row.
    pub(super) async fn try_callback(&self, callback: &Callback) -> Attempt {
        let Callback { call_sid, came_to, at_us, after_others, .. } = callback;
        let agent_id = callback.agent_id;
        let row = match after_others {
            // The others have had their time.
            true => self.row_of(agent_id, call_sid).await,
            false => self.look_for(agent_id, call_sid).await,
        };
        match row {
            Row::Found(_) if self.completed(agent_id, call_sid, came_to, *at_us).await => {
                Attempt::Written
            }
            Row::Found(_) | Row::Away => Attempt::Away,
            Row::None => Attempt::Unknown,
        }
    }

    /// Completes the row of a call as a callback says. `false`: the database is away.
    async fn completed(
        &self,
        agent_id: Uuid,
        call_sid: &str,
        came_to: &CameTo,
        at_us: i64,
    ) -> bool {
        let completing = complete_live(&self.store, agent_id, call_sid, came_to, at_us);
        match clock::within(FIND_LIMIT, completing).await {
            Some(Ok(true)) => info!(call_sid, "a call that is over elsewhere is completed"),
            Some(Ok(false)) => {}
            Some(Err(error)) if !error.is_away() => {
                warn!(call_sid, %error, "a call cannot be completed");
            }
            Some(Err(_)) | None => return false,
        }
        true
    }

    /// A caller of another process, or one who was out, comes back to the agent here: counted, with
    /// a fresh token. `None`: they cannot.
    pub(super) async fn bring_back(
        self: &Arc<Self>,
        agent: &Arc<Agent>,
        call_sid: &str,
        account_sid: Option<&str>,
    ) -> Option<Document> {
        let (registry, nonce) = (&self.services.registry, nonce());
        let claimed = async {
            let held = registry.position_of(agent.id, call_sid).map(|ours| ours.epoch);
            let who = self.claimant(agent.id, call_sid, held);
            let counted = self.store.count_return(who, &nonce, RETURNS_MAX);
            let Returned { returns, position } =
                clock::within(FIND_LIMIT, counted).await?.ok()??;
            Some(Taken { position, returns: Some(returns) })
        };
        if self.take_over(agent, call_sid, &nonce, account_sid, claimed).await.is_some() {
            return Some(self.to_agent(agent, call_sid, &nonce, false));
        }
        // Asked twice at once: the other one has brought them back, or tries to.
        let mut handle = registry.find(agent.id, call_sid)?;
        if clock::within(FIND_LIMIT, handle.is_taken()).await != Some(true) {
            return None;
        }
        self.to_agent_again(agent, call_sid).await
    }

    /// A caller whom nobody answered comes back to the agent although the database is away: from
    /// what this process remembers of the call, which it sent out itself.
    pub(super) async fn bring_back_from_memory(
        self: &Arc<Self>,
        call_sid: &str,
        account_sid: Option<&str>,
        kept: TransferredCall,
    ) -> Option<Document> {
        let (registry, nonce) = (&self.services.registry, nonce());
        let wanted = Wanted {
            slot_for: SlotFor::KnownCaller,
            agent: &kept.agent,
            call_sid,
            call_log_id: kept.call_log_id,
            nonce: &nonce,
            account_sid,
        };
        let Begin::New(slot, commands) = self.begin(wanted).await else { return None };
        info!(call_sid, "a caller whom nobody answered comes back, from memory");
        // Its token is this process's to spend.
        let row = (kept.call_log_id, kept.position.epoch);
        registry.has_row(kept.agent.id, call_sid, row, false);
        let document = self.to_agent(&kept.agent, call_sid, &nonce, false);
        let has_knowledge = self.services.function_services.knowledge.was_there(kept.agent.id);
        self.services.start(Opening {
            slot,
            commands,
            agent: kept.agent,
            call_log_id: kept.call_log_id,
            call_sid: call_sid.to_owned(),
            caller: kept.caller,
            history: kept.history,
            has_knowledge,
            started: kept.started,
            // No claim: the database is away, and what is written goes behind what was written before.
            position: kept.position,
            before: kept.record,
            is_partial: kept.is_partial,
            returns: kept.returns + 1,
            test: None,
        });
        Some(document)
    }

    /// A call that no task has goes to its agent's fallback because of `why`: its row says so.
    pub(super) async fn leave_for_fallback(
        &self,
        agent: &Agent,
        row: &CallRow,
        call_sid: &str,
        record: &CallRecord,
        why: &str,
    ) {
        let at_us = unix_us(clock::unix_now());
        // A claim whose answer was lost is ours all the same.
        let now = clock::within(FRESH_LIMIT, self.store.call_by_sid(agent.id, call_sid)).await;
        let row = now.and_then(|read| read.ok().flatten()).unwrap_or_else(|| row.clone());
        let row = &row;
        let mut happened = Vec::new();
        if record.transfer().is_some() {
            happened.push(LogEvent::TransferEnded { answered: false });
        }
        if !record.is_at_fallback() {
            happened.push(LogEvent::MovedToFallback { why: why.to_owned() });
        }
        let writing = write(&self.store, row, &happened, at_us);
        // Without it the call looks as if the caller were still there; they are out anyway.
        let _ = clock::within(FIND_LIMIT, writing).await;
        if let Some(limit) = fallback_limit(agent) {
            return self.go_out(row, call_sid, limit).await;
        }
        let completing = complete_live(&self.store, row.agent_id, call_sid, &CameTo::Nobody, at_us);
        // The reconciler completes what cannot be completed now.
        let _ = clock::within(FIND_LIMIT, completing).await;
    }

    /// The caller of a call that no task here has is out, for at most `limit` from now. The row is
    /// ours then: a process that still waits to be asked where they go must not complete it.
    pub(super) async fn go_out(&self, row: &CallRow, call_sid: &str, limit: Duration) {
        // A row without a process is completed as it is.
        let Some(instance_id) = row.instance_id else { return };
        self.services
            .log
            .go_out(OffStream {
                agent_id: Some(row.agent_id),
                call_sid: call_sid.to_owned(),
                call_log_id: Some(row.id),
                instance_id,
                epoch: Some(row.epoch),
                taken_by: Some(self.services.instance_id),
                until_us: unix_us(clock::unix_now().saturating_add(limit)),
                returns: row.stream_returns,
                metadata: json!({}).into(),
            })
            .await;
    }
}
