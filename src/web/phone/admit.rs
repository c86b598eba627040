//! Admission: a call gets its slot, its row and its task, or the agent's fallback and a row.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tracing::{info, warn};
use uuid::Uuid;

use super::answer::{hang_up, nobody, nonce};
use super::made_up::Wanted;
use super::{Document, PLAN_LIMIT};
use crate::agent::Agent;
use crate::agent::history::History;
use crate::agent::phone_number::caller_number;
use crate::call::{CallRecord, lifecycle};
use crate::call_log::writer::Opened;
use crate::clock;
use crate::line::opening::Opening;
use crate::line::record::unix_us;
use crate::line::registry::{Begin, CallHandle, Command, Slot, SlotFor};
use crate::private::Private;
use crate::recovery::reconciler::record_of;
use crate::store::{AdmissionOutcome, Claimant, FIRST_EPOCH, LogPosition, NewCall, Renewal};
use crate::web::AppState;

/// How long the database may take to be told of a new token of a call that is here.
pub(super) const RENEW_LIMIT: Duration = Duration::from_millis(250);
/// How long it may take to be read what is known of a caller. It is read while the call's row is
/// written, which may take longer.
const HISTORY_LIMIT: Duration = Duration::from_millis(150);
/// How much longer than what is read beside it may take whether an agent has knowledge. The engine is
/// dialled after that, and Twilio answered: where the agent's table does not answer, what was known last
/// counts.
const KNOWLEDGE_GRACE: Duration = Duration::from_millis(50);
/// How long it may take to be read what another process wrote of a call.
const READ_LIMIT: Duration = Duration::from_secs(1);

/// Why a call beyond the agent's own limit is not taken.
const LINES_TAKEN: &str = "the agent's lines are taken";

/// Why one beyond the part of all lines that its business may have is not.
const SHARE_TAKEN: &str = "the business has its part of the lines";

/// Why one that nobody may have placed is not.
const MADE_UP: &str = "lines are scarce, and Twilio does not know the call";

/// The CallSid is that of another agent's call.
pub(super) struct Foreign;

/// Who calls.
pub(super) struct Caller {
    /// As Twilio gave them; not always a number.
    pub(super) number: Private<String>,
    /// Whose line forwarded the call, E.164, where that is known.
    pub(super) forwarder: Option<Private<String>>,
    /// The Twilio account that the webhook names.
    pub(super) account_sid: Option<String>,
}

/// A call that was claimed for this process.
pub(super) struct Taken {
    pub(super) position: LogPosition,
    /// How often its caller was given back to the agent; none: as often as its row says.
    pub(super) returns: Option<i32>,
}

impl AppState {
    /// Takes the call. `None`: it goes to the agent's fallback, and its row says so. [`Foreign`]:
    /// nothing was done, the call is not this agent's.
    pub(super) async fn admit(
        self: &Arc<Self>,
        agent: &Arc<Agent>,
        call_sid: &str,
        caller: Caller,
    ) -> Result<Option<Document>, Foreign> {
        let new = self.new_call(agent, call_sid, &caller);
        let wanted = Wanted {
            slot_for: SlotFor::NewCaller,
            agent,
            call_sid,
            call_log_id: new.id,
            nonce: &new.nonce,
            account_sid: caller.account_sid.as_deref(),
        };
        let registry = &self.services.registry;
        if registry.find(agent.id, call_sid).is_none() {
            if self.is_one_too_many(&wanted).await {
                return Ok(None);
            }
            if let Err(refusal) = agent.answers_now(now()) {
                return self.refuse(agent, new, &refusal.to_string()).await;
            }
        }
        let begun = match self.begin(wanted).await {
            Begin::Live(mut handle) => {
                // Twice at once: the first one may still be waiting for the row.
                if clock::within(READ_LIMIT, handle.is_taken()).await == Some(false) {
                    return Ok(Some(hang_up()));
                }
                if self.renew(&handle, call_sid, &new.nonce).await {
                    let is_new = !handle.has_streamed;
                    return Ok(Some(self.to_agent(&handle.agent, call_sid, &new.nonce, is_new)));
                }
                // It begins here anew, with what was written of it since.
                self.begin(wanted).await
            }
            begun => begun,
        };
        match begun {
            Begin::New(slot, commands) => {
                let opening = first_opening(agent, &new, (slot, commands));
                self.open(new, opening).await
            }
            // Somebody speaks, and twice at once something is amiss.
            Begin::Live(_) => Ok(None),
            Begin::Ended => Ok(Some(hang_up())),
            Begin::Full => {
                let why = if registry.is_draining() { "draining" } else { "all lines taken" };
                self.refuse(agent, new, why).await
            }
            Begin::Unproven => self.refuse(agent, new, MADE_UP).await,
            Begin::ShareTaken => self.refuse(agent, new, SHARE_TAKEN).await,
        }
    }

    /// A call that nobody has had before.
    fn new_call(&self, agent: &Agent, call_sid: &str, caller: &Caller) -> NewCall {
        let mut metadata = self.first_metadata(call_sid);
        if let Some(number) = &caller.forwarder {
            metadata["forwarded_by"] = json!(number.reveal());
        }
        NewCall {
            id: Uuid::now_v7(),
            agent_id: agent.id,
            call_sid: call_sid.to_owned(),
            caller: caller.number.clone(),
            instance_id: self.services.instance_id,
            nonce: nonce(),
            limit: Some(i32::try_from(agent.settings.limits.concurrent_calls).unwrap_or(i32::MAX)),
            metadata: metadata.into(),
            started_us: unix_us(clock::unix_now()),
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
        let (opened, history, has_knowledge) = self.row_and_what_is_known(&new).await;
        (opening.history, opening.has_knowledge) = (history, has_knowledge);
        match opened {
            Opened::Admitted(admission) => match admission.outcome {
                AdmissionOutcome::Admitted => {
                    (opening.call_log_id, opening.position) =
                        (admission.call_log_id, admission.position);
                }
                // Another instance had the call; the stream will come here.
                AdmissionOutcome::Repeated => {
                    (opening.call_log_id, opening.position) =
                        (admission.call_log_id, admission.position);
                    opening.returns = admission.returns;
                    let before = self.written(admission.call_log_id).await;
                    opening.is_partial = before.is_none();
                    opening.before = before.unwrap_or_default();
                }
                AdmissionOutcome::OverLimit => {
                    drop(opening);
                    let epoch = admission.position.epoch;
                    return Ok(self.reject(&agent, new, epoch, LINES_TAKEN).await);
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
                    return Ok(self.reject(&agent, new, FIRST_EPOCH, LINES_TAKEN).await);
                }
            }
        }
        let is_first = !opening.before.has_opened();
        let document = self.to_agent(&agent, &opening.call_sid, &new.nonce, is_first);
        let registry = &self.services.registry;
        let row = (opening.call_log_id, opening.position.epoch);
        registry.has_row(agent.id, &opening.call_sid, row, is_in_database);
        self.services.start(opening);
        Ok(Some(document))
    }

    /// Writes a call's row, and reads meanwhile what is known of its caller, and whether its agent has
    /// knowledge.
    async fn row_and_what_is_known(&self, new: &NewCall) -> (Opened, History, bool) {
        let history = self.history(new.agent_id, &new.caller);
        let row = self.services.log.open(new.clone());
        let row = async { tokio::join!(row, history) };
        let ((opened, history), has_knowledge) = self.and_knowledge(new.agent_id, row).await;
        (opened, history, has_knowledge)
    }

    /// A new token of a call that is here, one after the other, so that memory and the row end with
    /// the same one: the row is told, or memory alone decides about it. `false`: another process has
    /// taken the call over, and the task here, which can write nothing any more, has let go of it.
    async fn renew(&self, handle: &CallHandle, call_sid: &str, nonce: &str) -> bool {
        let (registry, agent_id) = (&self.services.registry, handle.agent.id);
        let turn = clock::within(RENEW_LIMIT, handle.renewing.lock()).await;
        registry.renew(agent_id, call_sid, nonce);
        let told = async {
            // Too many at once: another one's token is on its way into the row.
            let _turn = turn.as_ref()?;
            // It may have got its row since it was found; before that it holds nothing.
            let now = registry.find(agent_id, call_sid).filter(CallHandle::has_row)?;
            let who = self.claimant(agent_id, call_sid, Some(now.epoch));
            let renewed = self.store.renew_nonce(who, nonce);
            if !self.services.log.is_database_up() {
                return None;
            }
            clock::within(RENEW_LIMIT, renewed).await?.ok()
        };
        match told.await {
            Some(Renewal::Renewed) => {}
            Some(Renewal::Lost) => {
                info!(call_sid, "another process has taken the call over: its task here is let go");
                return clock::within(PLAN_LIMIT, handle.let_go(false)).await != Some(true);
            }
            Some(Renewal::Gone) | None => registry.forget_row(agent_id, call_sid),
        }
        true
    }

    /// A call that is here goes to its agent again, by a fresh token; the old one is void. `None`:
    /// another process has taken it over, and it has no task here any more.
    pub(super) async fn to_agent_again(&self, agent: &Agent, call_sid: &str) -> Option<Document> {
        let nonce = nonce();
        if let Some(handle) = self.services.registry.find(agent.id, call_sid)
            && !self.renew(&handle, call_sid, &nonce).await
        {
            return None;
        }
        // What comes before the stream was said before the first one.
        Some(self.to_agent(agent, call_sid, &nonce, false))
    }

    /// This process, as one that claims a call.
    pub(super) fn claimant<'a>(
        &self,
        agent_id: Uuid,
        call_sid: &'a str,
        held: Option<i32>,
    ) -> Claimant<'a> {
        Claimant { agent_id, call_sid, instance_id: self.services.instance_id, held }
    }

    /// A call that another process had, or none, goes on here, with an engine dialled anew, if
    /// `claimed` gives it to us. The slot comes first: a call that is claimed must have a task.
    pub(super) async fn take_over(
        self: &Arc<Self>,
        agent: &Arc<Agent>,
        call_sid: &str,
        nonce: &str,
        account_sid: Option<&str>,
        claimed: impl Future<Output = Option<Taken>>,
    ) -> Option<CallHandle> {
        let row =
            clock::within(READ_LIMIT, self.store.call_by_sid(agent.id, call_sid)).await?.ok()??;
        let registry = &self.services.registry;
        let slot_for = SlotFor::KnownCaller;
        let wanted = Wanted { slot_for, agent, call_sid, call_log_id: row.id, nonce, account_sid };
        let Begin::New(slot, commands) = self.begin(wanted).await else { return None };
        let Taken { mut position, returns } = claimed.await?;
        info!(call_sid, "a call of another instance goes on here");
        if let Some(ours) = registry.position_of(agent.id, call_sid)
            && lifecycle::continues(ours.epoch, position.epoch)
        {
            // What this process wrote before may still be on its way.
            position.next_seq = position.next_seq.max(ours.next_seq);
        }
        let before = self.written(row.id).await;
        let history = self.history(agent.id, &row.caller);
        let (history, has_knowledge) = self.and_knowledge(agent.id, history).await;
        registry.has_row(agent.id, call_sid, (row.id, position.epoch), true);
        self.services.start(Opening {
            slot,
            commands,
            agent: Arc::clone(agent),
            call_log_id: row.id,
            call_sid: call_sid.to_owned(),
            caller: row.caller,
            history,
            has_knowledge,
            started: Duration::from_micros(row.started_us.unsigned_abs()),
            position,
            is_partial: before.is_none(),
            before: before.unwrap_or_default(),
            returns: returns.unwrap_or(row.stream_returns),
            test: None,
        });
        registry.find(agent.id, call_sid)
    }

    /// What is read or written for a call, and whether its agent has knowledge to look things up in.
    /// That is asked meanwhile, and not waited for: the engine is dialled right after.
    pub(super) async fn and_knowledge<T>(
        &self,
        agent_id: Uuid,
        reading: impl Future<Output = T>,
    ) -> (T, bool) {
        let knowledge = &self.services.function_services.knowledge;
        let asking = knowledge.is_there(agent_id, self.services.log.is_database_up());
        let (read, found) = match select(pin!(reading), pin!(asking)).await {
            Either::Left((read, asking)) => (read, clock::within(KNOWLEDGE_GRACE, asking).await),
            Either::Right((found, reading)) => (reading.await, Some(found)),
        };
        (read, found.unwrap_or_else(|| knowledge.was_there(agent_id)))
    }

    /// What is known of a caller from before, if the database says it soon: nobody waits for that.
    pub(super) async fn history(&self, agent_id: Uuid, caller: &Private<String>) -> History {
        let Some(number) = caller_number(caller.reveal()) else { return History::default() };
        if !self.services.log.is_database_up() {
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

    /// What was written of a call. None: it could not be read.
    pub(super) async fn written(&self, call_log_id: Uuid) -> Option<CallRecord> {
        let events = clock::within(READ_LIMIT, self.store.events(call_log_id)).await?.ok()?;
        Some(record_of(&events))
    }

    /// What a row's `metadata` holds from the start.
    pub(super) fn first_metadata(&self, call_sid: &str) -> Value {
        let mut metadata = CallRecord::new().metadata();
        metadata.insert("call_sid".into(), json!(call_sid));
        metadata.insert("engine".into(), json!("realtime"));
        metadata.insert("model".into(), json!(self.services.engines.models.realtime));
        Value::Object(metadata)
    }
}

/// What a call begins with that nobody had before.
fn first_opening(
    agent: &Arc<Agent>,
    new: &NewCall,
    (slot, commands): (Slot, mpsc::Receiver<Command>),
) -> Opening {
    Opening {
        slot,
        commands,
        agent: Arc::clone(agent),
        call_log_id: new.id,
        call_sid: new.call_sid.clone(),
        caller: new.caller.clone(),
        history: History::default(),
        has_knowledge: true,
        started: Duration::from_micros(new.started_us.unsigned_abs()),
        position: LogPosition::FIRST,
        before: CallRecord::new(),
        is_partial: false,
        returns: 0,
        test: None,
    }
}

/// Wall time, for opening hours.
fn now() -> Timestamp {
    Timestamp::from_microsecond(unix_us(clock::unix_now())).unwrap_or(Timestamp::UNIX_EPOCH)
}
