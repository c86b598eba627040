//! `POST /twilio/voicemail`: the caller has left a message, or has said nothing.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Uri};
use metrics::counter;
use tracing::warn;

use super::answer::hang_up;
use super::signed::Whose;
use super::{Document, Refused, run_detached, without_agent};
use crate::agent::Agent;
use crate::recovery::completion::CameTo;
use crate::retention::recording_sids;
use crate::twilio::form::Form;
use crate::web::AppState;

/// Twilio asks this when a recording has ended, and, by the verb behind it, when there was none.
pub(super) async fn voicemail(
    State(front): State<Arc<AppState>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    run_detached(async move {
        let (form, agent) = front.signed(&uri, &headers, &body).await?;
        let agent = match agent {
            Whose::Agent(agent) => agent,
            whose => return Ok(without_agent(&whose)),
        };
        let came_to = came_to(&form, |account| front.signs_for(&agent, &form, account));
        front.conclude(agent.id, form.call_sid()?.to_owned(), came_to).await;
        Ok::<Document, Refused>(hang_up())
    })
    .await
}

impl AppState {
    /// Whether an account is the one whose token signed a form about a call of this agent's. A message of
    /// another account would be read and removed with whatever credentials the agent has later.
    fn signs_for(&self, agent: &Agent, form: &Form, account: &str) -> bool {
        let said = form.get("AccountSid");
        let server = self.twilio.account_sid.as_deref();
        match &agent.credentials {
            None => server.or(said) == Some(account),
            // Whoever enters the server's account as their own has to have its token.
            Some(own) => {
                let is_servers = server == Some(account)
                    && self.auth_token(None) != Some(own.auth_token.reveal().as_str());
                own.account_sid.as_deref().or(said) == Some(account) && !is_servers
            }
        }
    }
}

/// What came of it. The place of a message is kept if Twilio's account for it may have told us.
fn came_to(form: &Form, signs_for: impl Fn(&str) -> bool) -> CameTo {
    let is_over = form.call_status().is_some_and(|status| status.is_over());
    let (left, came_to) = match form.recording() {
        Some((url, seconds)) => {
            let is_anothers = recording_sids(&url).is_some_and(|(account, _)| !signs_for(account));
            if is_anothers {
                warn!("a message is in another account than the one that signed: it is not kept");
            }
            let recording_url = if is_anothers { String::new() } else { url };
            ("yes", CameTo::Voicemail { recording_url: recording_url.into(), seconds })
        }
        None if is_over => ("no", CameTo::Over),
        None => ("no", CameTo::Nobody),
    };
    counter!("frontdesk_voicemails_total", "left" => left).increment(1);
    came_to
}
