//! `POST /twilio/after`: a stream has ended; what happens next?

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use http::{HeaderMap, Uri};
use metrics::counter;
use tokio::sync::oneshot;
use tracing::info;

use super::answer::{fallback, hang_up, nonce};
use super::{Document, Refused};
use crate::aftercall::callback::complete_live;
use crate::agent::Agent;
use crate::call::{End, EndedBy, Status};
use crate::clock;
use crate::line::control::RETURNS_MAX;
use crate::line::registry::{AfterPlan, CallHandle, Command};
use crate::twilio::form::Form;
use crate::web::Front;

/// How long a call's task, or the database, may take to say what happens next.
const PLAN_LIMIT: Duration = Duration::from_secs(2);
/// How long the database may take to be told of a new token of a call that is here.
const RENEW_LIMIT: Duration = Duration::from_millis(250);

/// The safety net: nothing, back to the agent, or the fallback.
pub(super) async fn after(
    State(front): State<Arc<Front>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Document, Refused> {
    let form = Form::parse(&body)?;
    let call_sid = form.call_sid()?;
    let agent = front.agent_of(&form).await;
    front.check(agent.as_deref(), &uri, &headers, &form)?;
    let Some(agent) = agent else { return Ok(hang_up()) };
    let is_over = form.call_status().is_some_and(|status| status.is_over());
    let plan = match front.exchange.registry.find(call_sid) {
        Some(handle) if is_over => {
            // A task that is gone has ended the call already.
            let _ = handle.commands.send(Command::CallerLeft).await;
            AfterPlan::HangUp
        }
        Some(handle) => plan_here(&handle).await,
        None => front.plan_elsewhere(call_sid, is_over).await,
    };
    info!(call_sid, ?plan, "a stream has ended");
    counter!("frontdesk_after_total", "plan" => match plan {
        AfterPlan::Return => "return",
        AfterPlan::Fallback => "fallback",
        AfterPlan::HangUp => "hang up",
    })
    .increment(1);
    Ok(match plan {
        AfterPlan::Return => front.back_to_agent(&agent, call_sid).await,
        AfterPlan::Fallback => fallback(&agent),
        AfterPlan::HangUp => hang_up(),
    })
}

async fn plan_here(handle: &CallHandle) -> AfterPlan {
    let (answer, plan) = oneshot::channel();
    let asked = async {
        handle.commands.send(Command::After { answer }).await.ok()?;
        plan.await.ok()
    };
    // A task that is gone has ended the call; one that does not answer must not keep the caller.
    match clock::within(PLAN_LIMIT, asked).await {
        Some(plan) => plan.unwrap_or(AfterPlan::HangUp),
        None => AfterPlan::Fallback,
    }
}

impl Front {
    /// A call that is not here: its row says what is left to do.
    async fn plan_elsewhere(&self, call_sid: &str, is_over: bool) -> AfterPlan {
        if self.exchange.registry.has_ended(call_sid) {
            return AfterPlan::HangUp;
        }
        let row = match clock::within(PLAN_LIMIT, self.store.call_by_sid(call_sid)).await {
            Some(Ok(Some(row))) if !row.ended => row,
            Some(Ok(_)) => return AfterPlan::HangUp,
            // Nothing is known of the call, but somebody is on the line.
            Some(Err(_)) | None => return AfterPlan::Fallback,
        };
        if is_over {
            self.complete_elsewhere(call_sid.to_owned());
            AfterPlan::HangUp
        } else if row.stream_returns < RETURNS_MAX {
            AfterPlan::Return
        } else {
            let end = End { status: Status::NoAnswer, ended_by: EndedBy::Agent };
            // What cannot be completed now is the reconciler's.
            let _ = complete_live(&self.store, call_sid, Some(end)).await;
            AfterPlan::Fallback
        }
    }

    /// Back to the agent, with a token that is the only good one from now on.
    async fn back_to_agent(&self, agent: &Agent, call_sid: &str) -> Document {
        let nonce = nonce();
        self.exchange.registry.renew(call_sid, &nonce);
        if self.exchange.log.is_database_up() {
            let instance = self.exchange.instance_id;
            let counted = self.store.count_return(call_sid, &nonce, instance, RETURNS_MAX);
            // Without the database the token holds in this process.
            let _ = clock::within(RENEW_LIMIT, counted).await;
        }
        self.to_agent(agent, call_sid, &nonce)
    }

    /// Completes the row of a call that is over and is not here, unless its owner does so first.
    pub(super) fn complete_elsewhere(&self, call_sid: String) {
        /// The owner hears of the end as we do, and knows more.
        const OWNER_FIRST: Duration = Duration::from_secs(3);
        let store = self.store.clone();
        clock::spawn(async move {
            clock::pause(OWNER_FIRST).await;
            // What cannot be completed now is the reconciler's.
            let _ = complete_live(&store, &call_sid, None).await;
        });
    }
}
