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
    let kept = state.services.registry.kept.take(agent.id, call_sid);
    let is_answered = form.dial_is_answered();
    let answered = if is_answered { "yes" } else { "no" };
    counter!("frontdesk_dials_total", "answered" => answered).increment(1);
    let over = form.call_status().is_some_and(|status| status.is_over());
    if is_answered || over {
        let came_to = if is_answered { CameTo::Answered } else { CameTo::Over };
        state.conclude(agent.id, call_sid.to_owned(), came_to).await;
        return hang_up();
    }
    // Asked again: the caller is back already. A task that still waits to be asked where they go
    // has not heard that another process was.
    if let Some(handle) = state.services.registry.find(agent.id, call_sid)
        && clock::within(PLAN_LIMIT, handle.let_go(true)).await != Some(true)
        && let Some(document) = state.to_agent_again(agent, call_sid).await
    {
        return document;
    }
    let found = match state.found(state.look_for(agent.id, call_sid).await).await {
        // A row that this process knows is still to be written.
        Found::None if kept.is_some() => Found::Away,
        found => found,
    };
    let standing = found.standing(kept.as_ref().map(|kept| kept.returns));
    let question = Question::Dialled { answered: false, over: false };
    match (lifecycle::next(standing, question), &found, kept) {
        (Plan::HangUp, ..) => hang_up(),
        (Plan::TakeOver { otherwise }, Found::Row { row, record }, _) => {
            if let Some(document) = state.bring_back(agent, call_sid, form.get("AccountSid")).await
            {
                return document;
            }
            state.leave_for_fallback(agent, row, call_sid, record, otherwise).await;
            state.fallback(agent, form)
        }
        (Plan::Remember, _, Some(kept)) => {
            match state.bring_back_from_memory(call_sid, form.get("AccountSid"), kept).await {
                Some(document) => document,
                None => apologise(state, agent, call_sid).await,
            }
        }
        _ => apologise(state, agent, call_sid).await,
    }
}

/// The caller had nobody.
async fn apologise(state: &Arc<AppState>, agent: &Arc<Agent>, call_sid: &str) -> Document {
    state.conclude(agent.id, call_sid.to_owned(), CameTo::Nobody).await;
    sorry(agent)
}
