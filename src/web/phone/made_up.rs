//! Calls that nobody places: whoever enters a Twilio account of their own knows the token that its webhooks
//! are signed with, and could hold every line with calls that they make up.

use std::time::Duration;

use crate::clock;
use crate::line::opening::Opening;
use crate::twilio::rest::RestError;
use crate::web::AppState;

/// How long Twilio may take to say whether it has a call: it rings on meanwhile.
const LIMIT: Duration = Duration::from_millis(700);

impl AppState {
    /// Whether a new call is made up, with lines getting scarce: it is signed with the agent's own token,
    /// and Twilio does not know it. Where Twilio does not answer a call is believed.
    pub(super) async fn is_made_up(&self, call: &Opening, account_sid: Option<&str>) -> bool {
        if call.agent.credentials.is_none() || !call.slot.was_scarce {
            return false;
        }
        let twilio = &self.services.function_services.twilio;
        let asking = twilio.fetch_announced(&call.agent, account_sid, &call.call_sid);
        match clock::within(LIMIT, asking).await {
            Some(Ok(news)) => news.status.is_over(),
            Some(Err(RestError::NoAccount)) => true,
            Some(Err(RestError::Refused { status, .. })) => matches!(status, 400 | 401 | 403 | 404),
            Some(Err(_)) | None => false,
        }
    }
}
