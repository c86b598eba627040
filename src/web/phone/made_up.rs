//! Calls that nobody places: whoever enters a Twilio account of their own knows the token that its webhooks
//! are signed with, and could hold every line with calls that they make up.

use std::time::Duration;

use metrics::counter;

use crate::agent::Agent;
use crate::clock;
use crate::twilio::rest::RestError;
use crate::web::AppState;

/// How long Twilio may take to say whether it has a call.
const LIMIT: Duration = Duration::from_secs(2);

impl AppState {
    /// Whether a new call may be made up, with lines getting scarce: it is signed with the agent's own token,
    /// and Twilio does not know it. Of an account without a name nothing can be asked, so its calls may.
    /// Where Twilio does not answer a call is believed.
    pub(super) async fn may_be_made_up(&self, agent: &Agent, call_sid: &str) -> bool {
        let registry = &self.services.registry;
        if agent.credentials.is_none()
            || !registry.is_scarce()
            || registry.find(agent.id, call_sid).is_some()
        {
            return false;
        }
        let asking = self.services.function_services.twilio.fetch_call(agent, call_sid);
        let is_made_up = match clock::within(LIMIT, asking).await {
            Some(Ok(news)) => news.status.is_over(),
            Some(Err(RestError::NoAccount)) => true,
            Some(Err(RestError::Refused { status, .. })) => matches!(status, 400 | 401 | 403 | 404),
            Some(Err(_)) | None => false,
        };
        if is_made_up {
            counter!("frontdesk_calls_rejected_total", "reason" => "unknown to twilio")
                .increment(1);
        }
        is_made_up
    }
}
