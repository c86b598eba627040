//! Admission: a call gets its slot, its row and its task, or the agent's fallback and a row.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use metrics::counter;
use serde_json::{Value, json};
use tracing::{info, warn};
use uuid::Uuid;

use super::Document;
use super::answer::{hang_up, nobody, nonce};
use crate::agent::Agent;
use crate::agent::history::History;
use crate::agent::phone_number::caller_number;
use crate::call::{CallRecord, End, EndedBy, Status};
use crate::call_log::writer::Opened;
use crate::clock;
use crate::line::exit::fallback_limit;
use crate::line::opening::Opening;
use crate::line::record::{UNREAD_SEQ, status_word, unix_us};
use crate::line::registry::{Begin, CallHandle};
use crate::private::Private;
use crate::recovery::completion::ROOM;
use crate::recovery::reconciler::record_of;
use crate::store::{Admission, AdmissionOutcome, CompletedCall, NewCall, OffStream};
use crate::web::AppState;

/// How long the database may take to be told of a new token of a call that is here.
const RENEW_LIMIT: Duration = Duration::from_millis(250);
/// How long it may take to be read what is known of a caller. It is read while the call's row is
/// written, which may take longer.
const HISTORY_LIMIT: Duration = Duration::from_millis(150);
/// How long it may take to be read what another process wrote of a call.
const READ_LIMIT: Duration = Duration::from_secs(1);

/// The CallSid is that of another agent's call.
pub(super) struct Foreign;

/// How often a call's caller was given back to the agent; none: as often as its row says.
pub(super) struct Returns(pub(super) Option<i32>);

impl AppState {
    /// Takes the call. `None`: it goes to the agent's fallback, and its row says so. [`Foreign`]:
    /// nothing was done, the call is not this agent's.
    pub(super) async fn admit(
        self: &Arc<Self>,
        agent: &Arc<Agent>,
        call_sid: &str,
        caller: Private<String>,
    ) -> Result<Option<Document>, Foreign> {
        let new = NewCall {
            id: Uuid::now_v7(),
            agent_id: agent.id,
            call_sid: call_sid.to_owned(),
            caller,
            instance_id: self.exchange.instance_id,
            nonce: nonce(),
            limit: Some(i32::try_from(agent.settings.limits.concurrent_calls).unwrap_or(i32::MAX)),
            metadata: self.first_metadata(call_sid).into(),
            started_us: unix_us(clock::unix_now()),
        };
        let registry = &self.exchange.registry;
        if registry.find(agent.id, call_sid).is_none()
            && let Err(refusal) = agent.answers_now(now())
        {
            return self.refuse(agent, new, &refusal.to_string()).await;
        }
        match registry.begin(call_sid, new.id, Arc::clone(agent), &new.nonce) {
            Begin::New(slot, commands) => {
                let opening = Opening {
                    slot,
                    commands,
                    agent: Arc::clone(agent),
                    call_log_id: new.id,
                    call_sid: call_sid.to_owned(),
                    caller: new.caller.clone(),
                    history: History::default(),
                    has_knowledge: true,
                    started: Duration::from_micros(new.started_us.unsigned_abs()),
                    seq: 1,
                    before: CallRecord::new(),
                    returns: 0,
                };
                self.open(new, opening).await
            }
            Begin::Live(mut handle) => {
                // Twice at once: the first one may still be waiting for the row.
                if clock::within(READ_LIMIT, handle.is_taken()).await == Some(false) {
                    return Ok(Some(hang_up()));
                }
                self.renew(&handle, call_sid, &new.nonce).await;
                let is_new = !handle.has_streamed;
                Ok(Some(self.to_agent(&handle.agent, call_sid, &new.nonce, is_new)))
            }
            Begin::Ended => Ok(Some(hang_up())),
            Begin::Full => {
                let why = if registry.is_draining() { "draining" } else { "all lines taken" };
                self.refuse(agent, new, why).await
            }
        }
    }

    /// Gets a call that has a slot its row, and starts it.
    async fn open(
        self: &Arc<Self>,
        new: NewCall,
        mut opening: Opening,
    ) -> Result<Option<Document>, Foreign> {
        let agent = Arc::clone(&opening.agent);
        let mut is_in_database = true;
        let history = self.history(agent.id, &new.caller);
        let knowledge = self.has_knowledge(agent.id);
        let row = self.exchange.log.open(new.clone());
        let (opened, history, has_knowledge) = tokio::join!(row, history, knowledge);
        (opening.history, opening.has_knowledge) = (history, has_knowledge);
        match opened {
            Opened::Admitted(admission) => match admission.outcome {
                AdmissionOutcome::Admitted => opening.call_log_id = admission.call_log_id,
                // Another instance has the call; the stream will come here.
                AdmissionOutcome::Repeated => {
                    opening.call_log_id = admission.call_log_id;
                    (opening.seq, opening.before) = self.written(admission.call_log_id).await;
                }
                AdmissionOutcome::OverLimit => {
                    drop(opening);
                    return Ok(self.reject(&agent, new, "the agent's lines are taken").await);
                }
                AdmissionOutcome::Ended => return Ok(Some(hang_up())),
                AdmissionOutcome::NoAgent => return Ok(Some(nobody())),
                AdmissionOutcome::Foreign => return Err(Foreign),
            },
            Opened::Spooled => {
                is_in_database = false;
                let limit = agent.settings.limits.concurrent_calls as usize;
                if opening.slot.calls_before >= limit {
                    drop(opening);
                    return Ok(self.reject(&agent, new, "the agent's lines are taken").await);
                }
            }
        }
        let is_first = !opening.before.has_opened();
        let document = self.to_agent(&agent, &opening.call_sid, &new.nonce, is_first);
        let registry = &self.exchange.registry;
        registry.has_row(agent.id, &opening.call_sid, opening.call_log_id, is_in_database);
        self.exchange.start(opening);
        Ok(Some(document))
    }

    /// A new token of a call that is here, one after the other, so that memory and the row end with
    /// the same one: the row is told, or memory alone decides about it.
    async fn renew(&self, handle: &CallHandle, call_sid: &str, nonce: &str) {
        let (registry, agent_id) = (&self.exchange.registry, handle.agent.id);
        let turn = clock::within(RENEW_LIMIT, handle.renewing.lock()).await;
        registry.renew(agent_id, call_sid, nonce);
        let told = async {
            // Too many at once: another one's token is on its way into the row.
            let _turn = turn.as_ref()?;
            let renewed =
                self.store.renew_nonce(agent_id, call_sid, nonce, self.exchange.instance_id);
            (self.exchange.log.is_database_up()
                && matches!(clock::within(RENEW_LIMIT, renewed).await, Some(Ok(true))))
            .then_some(())
        };
        if told.await.is_none() {
            registry.forget_row(agent_id, call_sid);
        }
    }

    /// A call that is here goes to its agent again, by a fresh token; the old one is void.
    pub(super) async fn to_agent_again(&self, agent: &Agent, call_sid: &str) -> Document {
        let nonce = nonce();
        if let Some(handle) = self.exchange.registry.find(agent.id, call_sid) {
            self.renew(&handle, call_sid, &nonce).await;
        }
        // The notice that comes before a stream was spoken before the first one.
        self.to_agent(agent, call_sid, &nonce, false)
    }

    /// A call that another process had, or none, goes on here, with an engine dialled anew, if
    /// `claimed` gives it to us, and says how often its caller was given back to the agent if that
    /// has changed. The slot comes first: a call that is claimed must have a task.
    pub(super) async fn take_over(
        self: &Arc<Self>,
        agent: &Arc<Agent>,
        call_sid: &str,
        nonce: &str,
        claimed: impl Future<Output = Option<Returns>>,
    ) -> Option<CallHandle> {
        let row =
            clock::within(READ_LIMIT, self.store.call_by_sid(agent.id, call_sid)).await?.ok()??;
        let registry = &self.exchange.registry;
        let begin = registry.begin(call_sid, row.id, Arc::clone(agent), nonce);
        let Begin::New(slot, commands) = begin else { return None };
        let Returns(returns) = claimed.await?;
        info!(call_sid, "a call of another instance goes on here");
        let (seq, before) = self.written(row.id).await;
        let history = self.history(agent.id, &row.caller);
        let (history, has_knowledge) = tokio::join!(history, self.has_knowledge(agent.id));
        registry.has_row(agent.id, call_sid, row.id, true);
        self.exchange.start(Opening {
            slot,
            commands,
            agent: Arc::clone(agent),
            call_log_id: row.id,
            call_sid: call_sid.to_owned(),
            caller: row.caller,
            history,
            has_knowledge,
            started: Duration::from_micros(row.started_us.unsigned_abs()),
            seq,
            before,
            returns: returns.unwrap_or(row.stream_returns),
        });
        registry.find(agent.id, call_sid)
    }

    /// Whether an agent has knowledge to look things up in. Asked while the call's row is written:
    /// the engine is dialled right after, and waits for nothing.
    pub(super) async fn has_knowledge(&self, agent_id: Uuid) -> bool {
        let may_ask = self.exchange.log.is_database_up();
        self.exchange.toolbox.knowledge.is_there(agent_id, may_ask).await
    }

    /// What is known of a caller from before, if the database says it soon: nobody waits for that.
    async fn history(&self, agent_id: Uuid, caller: &Private<String>) -> History {
        let Some(number) = caller_number(caller.reveal()) else { return History::default() };
        if !self.exchange.log.is_database_up() {
            return History::default();
        }
        let read = self.store.caller_history(agent_id, &number);
        match clock::within(HISTORY_LIMIT, read).await {
            Some(Ok(history)) => history,
            Some(Err(error)) => {
                warn!(%error, "a caller's earlier calls could not be read");
                History::default()
            }
            None => History::default(),
        }
    }

    /// What another process has written of a call, and the number of our next event, with room for
    /// what that process may still write.
    pub(super) async fn written(&self, call_log_id: Uuid) -> (i64, CallRecord) {
        match clock::within(READ_LIMIT, self.store.events(call_log_id)).await {
            Some(Ok(events)) => {
                (events.last().map_or(0, |last| last.seq) + ROOM, record_of(&events))
            }
            Some(Err(_)) | None => (UNREAD_SEQ, CallRecord::new()),
        }
    }

    /// The call is not taken: a row that says why, and no slot.
    async fn refuse(
        &self,
        agent: &Agent,
        new: NewCall,
        why: &str,
    ) -> Result<Option<Document>, Foreign> {
        // Another instance may have the call, and this be its repeated webhook: its row is its own.
        if self.exchange.log.is_database_up() {
            let known =
                clock::within(RENEW_LIMIT, self.store.call_by_sid(new.agent_id, &new.call_sid))
                    .await;
            if let Some(Ok(Some(row))) = known {
                return Ok(row.ended.then(hang_up));
            }
        }
        // A limit of none: the row is written and takes no line.
        let new = NewCall { limit: Some(0), ..new };
        match self.exchange.log.open(new.clone()).await {
            Opened::Admitted(Admission { outcome: AdmissionOutcome::Ended, .. }) => {
                Ok(Some(hang_up()))
            }
            Opened::Admitted(Admission { outcome: AdmissionOutcome::Foreign, .. }) => Err(Foreign),
            Opened::Admitted(_) | Opened::Spooled => Ok(self.reject(agent, new, why).await),
        }
    }

    /// The call goes to the fallback at once, and is counted.
    async fn reject(&self, agent: &Agent, new: NewCall, why: &str) -> Option<Document> {
        counter!("frontdesk_calls_rejected_total", "reason" => why.to_owned()).increment(1);
        self.leave_row(agent, new, why).await
    }

    /// The call goes to the fallback. Its row is completed by what comes of that, or now if nobody
    /// tells.
    pub(super) async fn leave_row(
        &self,
        agent: &Agent,
        new: NewCall,
        why: &str,
    ) -> Option<Document> {
        info!(call_sid = new.call_sid, why, "a call goes to the fallback");
        self.exchange.registry.note_owner(new.agent_id, &new.call_sid);
        let now_us = unix_us(clock::unix_now());
        let mut metadata = new.metadata.into_inner();
        metadata["fallback_reason"] = json!(why);
        if let Some(limit) = fallback_limit(agent) {
            let outing = OffStream {
                agent_id: Some(new.agent_id),
                call_sid: new.call_sid,
                instance_id: new.instance_id,
                taken_by: None,
                until_us: now_us.saturating_add(unix_us(limit)),
                returns: 0,
                metadata: metadata.into(),
            };
            self.exchange.log.go_out(outing).await;
            return None;
        }
        self.exchange.registry.note_ended(new.agent_id, &new.call_sid);
        let end = End { status: Status::NoAnswer, ended_by: EndedBy::Agent };
        metadata["ended_by"] = json!(end.ended_by);
        self.exchange
            .log
            .complete(CompletedCall {
                call_log_id: new.id,
                agent_id: Some(new.agent_id),
                call_sid: new.call_sid,
                is_partial: false,
                instance_id: Some(new.instance_id),
                status: status_word(end),
                transcript: String::new().into(),
                metadata: metadata.into(),
                ended_us: now_us,
                duration_ms: (now_us - new.started_us).max(0) / 1000,
            })
            .await;
        None
    }

    /// What a row's `metadata` holds from the start.
    pub(super) fn first_metadata(&self, call_sid: &str) -> Value {
        let mut metadata = CallRecord::new().metadata();
        metadata.insert("call_sid".into(), json!(call_sid));
        metadata.insert("engine".into(), json!("realtime"));
        metadata.insert("model".into(), json!(self.exchange.engines.models.realtime));
        Value::Object(metadata)
    }
}

/// Wall time, for opening hours.
fn now() -> Timestamp {
    Timestamp::from_microsecond(unix_us(clock::unix_now())).unwrap_or(Timestamp::UNIX_EPOCH)
}
