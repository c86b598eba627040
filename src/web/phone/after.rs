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
use super::{Document, FIND_LIMIT, PLAN_LIMIT, answer_once};
use crate::agent::Agent;
use crate::clock;
use crate::line::leaving::dial_limit;
use crate::line::registry::{AfterPlan, CallHandle, Command};
use crate::twilio::form::Form;
use crate::web::Front;

/// How long the last words of a call may take from an instance to the database.
const OWNER_WRITES: Duration = Duration::from_millis(400);

/// The safety net: nothing, back to the agent, on to somebody else, or the fallback.
pub(super) async fn after(
    State(front): State<Arc<Front>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer_once(front, uri, headers, body, |front, form, agent, call_sid| {
        Box::pin(next(front, form, agent, call_sid))
    })
    .await
}

async fn next(front: &Arc<Front>, form: &Form, agent: &Arc<Agent>, call_sid: &str) -> Document {
    let is_over = form.call_status().is_some_and(|status| status.is_over());
    if !is_over && front.is_for_another(agent.id, call_sid) {
        return front.ask_again();
    }
    let here = match front.exchange.registry.find(agent.id, call_sid) {
        Some(handle) if is_over => {
            // A task that is gone has ended the call already.
            let _ = handle.commands.send(Command::CallerLeft).await;
            Some(AfterPlan::HangUp)
        }
        Some(handle) => plan_here(&handle, form.stream_sid()).await,
        None => None,
    };
    let plan = match here {
        Some(plan) => plan,
        None => match front.plan_elsewhere(agent, call_sid, is_over).await {
            Elsewhere::Plan(plan) => plan,
            Elsewhere::TakenOver(document) => return document,
        },
    };
    info!(call_sid, plan = plan.name(), "a stream has ended");
    counter!("frontdesk_after_total", "plan" => plan.name()).increment(1);
    match plan {
        AfterPlan::Return => front.to_agent_again(agent, call_sid).await,
        // A process that took the call over without its webhook does not know who forwards it.
        AfterPlan::Transfer(number) if agent.is_forwarded_by(&number) => {
            front.fallback(agent, form)
        }
        AfterPlan::Transfer(number) => front.to_party(agent, form, &number),
        AfterPlan::Fallback => front.fallback(agent, form),
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

impl Front {
    /// A call that is not here: its row, and what was written of it, say what is left to do.
    async fn plan_elsewhere(
        self: &Arc<Self>,
        agent: &Arc<Agent>,
        call_sid: &str,
        is_over: bool,
    ) -> Elsewhere {
        let plan = |plan| Elsewhere::Plan(plan);
        if self.exchange.registry.has_ended(agent.id, call_sid) {
            return plan(AfterPlan::HangUp);
        }
        // An instance that has just ended the call is still writing so.
        clock::pause(OWNER_WRITES).await;
        let row = match clock::within(FIND_LIMIT, self.store.call_by_sid(agent.id, call_sid)).await
        {
            Some(Ok(Some(row))) if !row.ended => row,
            Some(Ok(_)) => return plan(AfterPlan::HangUp),
            // Nothing is known of the call, but somebody is on the line.
            Some(Err(_)) | None => return plan(AfterPlan::Fallback),
        };
        if is_over {
            self.complete_elsewhere(agent.id, call_sid.to_owned()).await;
            return plan(AfterPlan::HangUp);
        }
        let (_, record) = self.written(row.id).await;
        if let Some(target) = record.transfer() {
            // Asked again, or the process that was to put the caller through is gone.
            self.go_out(&row, call_sid, dial_limit(agent)).await;
            return plan(AfterPlan::Transfer(target.number.clone()));
        }
        if row.is_out {
            return plan(AfterPlan::Fallback);
        }
        if record.end().is_some() && !record.is_at_fallback() {
            // They have heard the goodbye, and who said it is still writing so.
            self.complete_elsewhere(agent.id, call_sid.to_owned()).await;
            return plan(AfterPlan::HangUp);
        }
        if !record.is_at_fallback()
            && let Some(document) = self.bring_back(agent, call_sid).await
        {
            return Elsewhere::TakenOver(document);
        }
        let why = "the media stream was lost too often";
        self.leave_for_fallback(agent, &row, call_sid, &record, why).await;
        plan(AfterPlan::Fallback)
    }
}
