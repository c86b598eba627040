//! `POST /twilio/dial`: somebody was called for the caller, because the agent put them through or
//! because its fallback forwards. What came of it?

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Uri};
use metrics::counter;

use super::answer::{hang_up, sorry};
use super::{Document, PLAN_LIMIT, answer_once};
use crate::aftercall::callback::CameTo;
use crate::agent::Agent;
use crate::clock;
use crate::twilio::form::Form;
use crate::web::Front;

/// Answered, it was the end of the call; else the caller comes back, or hears an apology.
pub(super) async fn dial(
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
    let kept = front.exchange.registry.kept.take(agent.id, call_sid);
    let is_answered = form.dial_is_answered();
    let answered = if is_answered { "yes" } else { "no" };
    counter!("frontdesk_dials_total", "answered" => answered).increment(1);
    if is_answered || form.call_status().is_some_and(|status| status.is_over()) {
        let came_to = if is_answered { CameTo::Answered } else { CameTo::Over };
        front.conclude(agent.id, call_sid.to_owned(), came_to).await;
        return hang_up();
    }
    // Asked again: the caller is back already. A task that still waits to be asked where they go
    // has not heard that another process was.
    if let Some(handle) = front.exchange.registry.find(agent.id, call_sid)
        && clock::within(PLAN_LIMIT, handle.let_go(true)).await != Some(true)
    {
        return front.to_agent_again(agent, call_sid).await;
    }
    // Without the row nothing is known but that somebody is on the line, and what this process
    // remembers.
    let Some(row) = front.settled(agent.id, call_sid).await else {
        let back = match kept {
            Some(kept) => front.bring_back_from_memory(call_sid, kept).await,
            None => None,
        };
        if let Some(document) = back {
            return document;
        }
        front.conclude(agent.id, call_sid.to_owned(), CameTo::Nobody).await;
        return sorry(agent);
    };
    if row.ended {
        return hang_up();
    }
    let (_, record) = front.written(row.id).await;
    if record.transfer().is_none() {
        front.conclude(agent.id, call_sid.to_owned(), CameTo::Nobody).await;
        return sorry(agent);
    }
    match front.bring_back(agent, call_sid).await {
        Some(document) => document,
        None => {
            let why = "nobody answered, and the caller cannot come back once more";
            front.leave_for_fallback(agent, &row, call_sid, &record, why).await;
            front.fallback(agent, form)
        }
    }
}
