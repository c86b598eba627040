//! `POST /twilio/after`: a stream has ended; what happens next?

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Uri};
use metrics::counter;
use tokio::sync::oneshot;
use tracing::info;

use super::answer::hang_up;
use super::off_stream::Found;
use super::{Document, PLAN_LIMIT, answer_once};
use crate::agent::Agent;
use crate::call::lifecycle::{self, Plan, Question};
use crate::clock;
use crate::line::exit::dial_limit;
use crate::line::registry::{AfterPlan, CallHandle, Command};
use crate::twilio::form::Form;
use crate::web::AppState;

/// How long the last words of a call may take from an instance to the database. No epoch can take the
/// place of this wait: whoever claims the call before they are there has nothing to know of them by, and
/// gives a caller who has heard the goodbye to the agent again.
const OWNER_WRITES: Duration = Duration::from_millis(400);

/// The safety net: nothing, back to the agent, on to somebody else, or the fallback.
pub(super) async fn after(
    State(state): State<Arc<AppState>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer_once(state, uri, headers, body, |state, form, agent, call_sid| {
        Box::pin(next(state, form, agent, call_sid))
    })
    .await
}

async fn next(state: &Arc<AppState>, form: &Form, agent: &Arc<Agent>, call_sid: &str) -> Document {
    let is_over = form.call_status().is_some_and(|status| status.is_over());
    if !is_over && state.is_for_another(agent.id, call_sid) {
        return state.ask_again();
    }
    let here = match state.services.registry.find(agent.id, call_sid) {
        Some(handle) if is_over => {
            // The send fails only where the task has ended, and then the call has ended too.
            let _ = handle.commands.send(Command::CallerLeft).await;
            Some(AfterPlan::HangUp)
        }
        Some(handle) => plan_here(&handle, form.stream_sid()).await,
        None => None,
    };
    let plan = match here {
        Some(plan) => plan,
        None => match state.plan_elsewhere(agent, call_sid, form).await {
            Elsewhere::Plan(plan) => plan,
            Elsewhere::TakenOver(document) => return document,
        },
    };
    info!(call_sid, plan = plan.name(), "a stream has ended");
    counter!("frontdesk_after_total", "plan" => plan.name()).increment(1);
    match plan {
        AfterPlan::Return => match state.to_agent_again(agent, call_sid).await {
            Some(document) => document,
            // Its task here had lost it: it is a call of elsewhere.
            None => Box::pin(next(state, form, agent, call_sid)).await,
        },
        // A process that took the call over without its webhook does not know who forwards it.
        AfterPlan::Transfer(number) if agent.is_forwarded_by(&number) => {
            state.fallback(agent, form)
        }
        AfterPlan::Transfer(number) => state.to_party(agent, form, &number),
        AfterPlan::Fallback => state.fallback(agent, form),
        AfterPlan::HangUp => hang_up(),
    }
}

/// What the call's task says; none if it has just ended.
async fn plan_here(handle: &CallHandle, stream_sid: Option<&str>) -> Option<AfterPlan> {
    let (answer, plan) = oneshot::channel();
    let stream_sid = stream_sid.map(str::to_owned);
    let asked = async {
        handle.commands.send(Command::After { stream_sid, answer }).await.ok()?;
        plan.await.ok()
    };
    // A task that does not answer must not keep the caller.
    clock::within(PLAN_LIMIT, asked).await.unwrap_or(Some(AfterPlan::Fallback))
}

/// What becomes of a call that no task here has.
enum Elsewhere {
    Plan(AfterPlan),
    /// It goes on here, with this answer.
    TakenOver(Document),
}

impl AppState {
    /// A call that is not here: its row, and what was written of it, say what is left to do.
    async fn plan_elsewhere(
        self: &Arc<Self>,
        agent: &Arc<Agent>,
        call_sid: &str,
        form: &Form,
    ) -> Elsewhere {
        let plan = |plan| Elsewhere::Plan(plan);
        if self.services.registry.has_ended(agent.id, call_sid) {
            return plan(AfterPlan::HangUp);
        }
        // An instance that has just ended the call is still writing so.
        clock::pause(OWNER_WRITES).await;
        let found = self.found(self.row_of(agent.id, call_sid).await).await;
        let question = Question::StreamEnded {
            over: form.call_status().is_some_and(|status| status.is_over()),
        };
        match (lifecycle::next(found.standing(None), question), &found) {
            (Plan::Complete { .. }, _) => {
                self.complete_elsewhere(agent.id, call_sid.to_owned()).await;
                plan(AfterPlan::HangUp)
            }
            (Plan::PutThrough, Found::Row { row, record }) => {
                self.go_out(row, call_sid, dial_limit(agent)).await;
                // The record names whom, or it would not be the plan.
                let number = record.transfer().map(|target| target.number.clone());
                plan(number.map_or(AfterPlan::Fallback, AfterPlan::Transfer))
            }
            (Plan::TakeOver { otherwise }, Found::Row { row, record }) => {
                if let Some(document) =
                    self.bring_back(agent, call_sid, form.get("AccountSid")).await
                {
                    return Elsewhere::TakenOver(document);
                }
                self.leave_for_fallback(agent, row, call_sid, record, otherwise).await;
                plan(AfterPlan::Fallback)
            }
            (Plan::Fallback { why: Some(why) }, Found::Row { row, record }) => {
                self.leave_for_fallback(agent, row, call_sid, record, why).await;
                plan(AfterPlan::Fallback)
            }
            (Plan::HangUp, _) => plan(AfterPlan::HangUp),
            // Also what is no answer to this question, which would be a bug: somebody speaks.
            _ => plan(AfterPlan::Fallback),
        }
    }
}
