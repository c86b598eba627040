//! The callbacks: how a call and how a stream fares. Both are optional, may come twice and out of
//! order.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use http::{HeaderMap, StatusCode, Uri};
use metrics::counter;
use tracing::warn;

use super::Refused;
use super::signed::Whose;
use crate::call::LogEvent;
use crate::line::registry::Command;
use crate::twilio::form::StreamEvent;
use crate::web::AppState;

/// `POST /twilio/status`: a call that is over is completed, if nothing else has done so.
pub(super) async fn status(
    State(state): State<Arc<AppState>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Refused> {
    let (form, agent) = state.signed(&uri, &headers, &body).await?;
    let call_sid = form.call_sid()?;
    let agent = match agent {
        Whose::Agent(agent) => agent,
        // There is nothing to complete.
        Whose::Nobody => return Ok(StatusCode::NO_CONTENT),
        Whose::Unread => return Err(Refused::Unavailable),
    };
    if form.call_status().is_some_and(|status| status.is_over()) {
        match state.services.registry.find(agent.id, call_sid) {
            Some(handle) => {
                // The send fails only where the task has ended, and then the call has ended too.
                let _ = handle.commands.send(Command::CallerLeft).await;
            }
            None if state.services.registry.has_ended(agent.id, call_sid) => {}
            None => state.complete_elsewhere(agent.id, call_sid.to_owned()).await,
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /twilio/stream-status`: the only place where a failed handshake shows.
pub(super) async fn stream_status(
    State(state): State<Arc<AppState>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Refused> {
    let (form, agent) = state.signed(&uri, &headers, &body).await?;
    let call_sid = form.call_sid()?;
    if let Some(StreamEvent::Error) = form.stream_event() {
        counter!("frontdesk_stream_errors_total").increment(1);
        let code = form.stream_error_code().unwrap_or_default();
        warn!(call_sid, code, "Twilio reports a stream error");
        if let Whose::Agent(agent) = agent {
            state.note(agent.id, call_sid, LogEvent::StreamFailed { code: code.to_owned() });
        }
    }
    Ok(StatusCode::NO_CONTENT)
}
