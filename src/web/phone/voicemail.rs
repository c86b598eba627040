//! `POST /twilio/voicemail`: the caller has left a message, or has said nothing.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Uri};
use metrics::counter;

use super::answer::hang_up;
use super::signed::Whose;
use super::{Document, Refused, run_detached, without_agent};
use crate::recovery::completion::CameTo;
use crate::twilio::form::Form;
use crate::web::AppState;

/// Twilio asks this when a recording has ended, and, by the verb behind it, when there was none.
pub(super) async fn voicemail(
    State(state): State<Arc<AppState>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    run_detached(async move {
        let (form, agent) = state.signed(&uri, &headers, &body).await?;
        let agent = match agent {
            Whose::Agent(agent) => agent,
            whose => return Ok(without_agent(&whose)),
        };
        let came_to = came_to(&form, agent.credentials.is_some());
        state.conclude(agent.id, form.call_sid()?.to_owned(), came_to).await;
        Ok::<Document, Refused>(hang_up())
    })
    .await
}

/// What came of it. `own_account`: the agent's own token signed, which its owner may have made up, with the
/// place of somebody else's message.
fn came_to(form: &Form, own_account: bool) -> CameTo {
    let is_over = form.call_status().is_some_and(|status| status.is_over());
    let (left, came_to) = match form.recording() {
        Some((url, seconds)) => {
            ("yes", CameTo::Voicemail { recording_url: url.into(), seconds, own_account })
        }
        None if is_over => ("no", CameTo::Over),
        None => ("no", CameTo::Nobody),
    };
    counter!("frontdesk_voicemails_total", "left" => left).increment(1);
    came_to
}
