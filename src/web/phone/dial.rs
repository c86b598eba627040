//! `POST /twilio/dial`: somebody was called for the caller, because the agent put them through or
//! because its fallback forwards. What came of it?

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Uri};
use metrics::counter;

use super::answer::{hang_up, sorry};
use super::off_stream::Found;
use super::{Document, PLAN_LIMIT, answer_once};
use crate::agent::Agent;
use crate::call::lifecycle::{self, Plan, Question};
use crate::clock;
use crate::recovery::completion::CameTo;
use crate::twilio::form::Form;
use crate::web::AppState;

/// Answered, it was the end of the call; else the caller comes back, or hears an apology.
pub(super) async fn dial(
    State(front): State<Arc<AppState>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer_once(front, uri, headers, body, |front, form, agent, call_sid| {
        Box::pin(next(front, form, agent, call_sid))
    })
    .await
}

async fn next(front: &Arc<AppState>, form: &Form, agent: &Arc<Agent>, call_sid: &str) -> Document {
    let kept = front.services.registry.kept.take(agent.id, call_sid);
    let is_answered = form.dial_is_answered();
    let answered = if is_answered { "yes" } else { "no" };
    counter!("frontdesk_dials_total", "answered" => answered).increment(1);
    let over = form.call_status().is_some_and(|status| status.is_over());
    if is_answered || over {
        let came_to = if is_answered { CameTo::Answered } else { CameTo::Over };
        front.conclude(agent.id, call_sid.to_owned(), came_to).await;
        return hang_up();
    }
    // Asked again: the caller is back already. A task that still waits to be asked where they go
    // has not heard that another process was.
    if let Some(handle) = front.services.registry.find(agent.id, call_sid)
        && clock::within(PLAN_LIMIT, handle.let_go(true)).await != Some(true)
        && let Some(document) = front.to_agent_again(agent, call_sid).await
    {
        return document;
    }
    let found = match front.found(front.look_for(agent.id, call_sid).await).await {
        // A row that this process knows is still to be written.
        Found::None if kept.is_some() => Found::Away,
        found => found,
    };
    let standing = found.standing(kept.as_ref().map(|kept| kept.returns));
    let question = Question::Dialled { answered: false, over: false };
    match (lifecycle::next(standing, question), &found, kept) {
        (Plan::HangUp, ..) => hang_up(),
        (Plan::TakeOver { otherwise }, Found::Row { row, record }, _) => {
            if let Some(document) = front.bring_back(agent, call_sid, form.get("AccountSid")).await
            {
                return document;
            }
            front.leave_for_fallback(agent, row, call_sid, record, otherwise).await;
            front.fallback(agent, form)
        }
        (Plan::Remember, _, Some(kept)) => {
            match front.bring_back_from_memory(call_sid, form.get("AccountSid"), kept).await {
                Some(document) => document,
                None => apologise(front, agent, call_sid).await,
            }
        }
        _ => apologise(front, agent, call_sid).await,
    }
}

/// The caller had nobody.
async fn apologise(front: &Arc<AppState>, agent: &Arc<Agent>, call_sid: &str) -> Document {
    front.conclude(agent.id, call_sid.to_owned(), CameTo::Nobody).await;
    sorry(agent)
}
