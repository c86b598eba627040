//! Whether Twilio lists an agent's number for the account that the agent uses.

use std::time::Duration;

use crate::agent::Agent;
use crate::clock::within;
use crate::store::taken_numbers::ListedNumber;
use crate::web::AppState;

/// How long Twilio may take to say what an account is and has. A request as a whole has ten seconds.
pub(super) const ASK_LIMIT: Duration = Duration::from_secs(3);

/// The agent's number, if it is on the account that the agent uses. Where Twilio does not say, it is on
/// none.
pub(in crate::web) async fn listed(state: &AppState, agent: &Agent) -> Option<ListedNumber> {
    let number = agent.number.as_deref()?;
    let twilio = &state.services.function_services.twilio;
    within(ASK_LIMIT, twilio.number(agent, number)).await?.ok()??;
    let account_sid = twilio.account_sid(agent)?.to_owned();
    Some(ListedNumber { number: number.to_owned().into(), account_sid })
}
