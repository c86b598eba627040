//! Which Twilio account an agent uses. Twilio is asked before another one counts: its token then signs
//! for all of the agent's calls, and no other does.

use std::sync::Arc;

use http::StatusCode;

use super::UNUSABLE;
use super::listed::{ASK_LIMIT, listed};
use crate::agent::{Agent, AgentSource, Credentials};
use crate::clock::within;
use crate::private::Private;
use crate::store::StoreError;
use crate::store::access::{AgentAccess, Inspect, Own};
use crate::store::audit::AuditEntry;
use crate::store::people::Viewer;
use crate::store::taken_numbers::ListedNumber;
use crate::twilio::rest::{AccountState, OwnedNumber, RestError};
use crate::web::AppState;
use crate::web::problem::Problem;

/// An account that an agent is to use.
#[derive(Debug)]
pub(in crate::web) struct NewAccount {
    /// `AC…`.
    pub(in crate::web) sid: String,
    /// What signs for it.
    pub(in crate::web) token: Private<String>,
    /// Whether it is to be used although the agent's number, which works now, is not on it.
    pub(in crate::web) gives_number_up: bool,
}

/// What there is to say of the account that counts now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) struct AccountNotes {
    /// Only numbers that were verified may call.
    pub(in crate::web) is_trial: bool,
    /// The agent's number is not on it.
    pub(in crate::web) lacks_number: bool,
}

impl NewAccount {
    fn check_shape(&self) -> Result<(), Problem> {
        let is_sid = self.sid.len() == 34
            && self.sid.starts_with("AC")
            && self.sid.bytes().skip(2).all(|byte| byte.is_ascii_hexdigit());
        if !is_sid {
            let why = "The account SID is AC and 32 digits or letters from a to f.";
            return Err(Problem::invalid("account_sid", why));
        }
        let token = self.token.reveal();
        if !(16..=200).contains(&token.len()) || !token.is_ascii() {
            return Err(Problem::invalid("auth_token", "The auth token is 32 digits or letters."));
        }
        Ok(())
    }
}

/// Gives an agent a Twilio account of its own, if Twilio knows it.
///
/// # Errors
/// [`Problem`]; the agent then uses the account that it used before.
pub(in crate::web) async fn use_own(
    state: &Arc<AppState>,
    viewer: &Viewer,
    access: &AgentAccess<Own>,
    account: &NewAccount,
) -> Result<AccountNotes, Problem> {
    account.check_shape()?;
    let agent = state.directory.by_id(access.agent_id()).await.ok_or_else(Problem::not_found)?;
    let credentials =
        Credentials { account_sid: Some(account.sid.clone()), auth_token: account.token.clone() };
    let wished = Agent { credentials: Some(credentials), ..(*agent).clone() };
    let is_trial = checked(state, &wished).await?;
    let lacks_number = match &agent.number {
        Some(number) => lacks(state, &agent, &wished, number, account.gives_number_up).await?,
        None => false,
    };
    let (store, credentials) = (&state.owners.store, (account.sid.as_str(), &account.token));
    let mut set = store.set_twilio_account(access, credentials, None).await;
    if matches!(set, Err(StoreError::Refused(_)))
        && let Some(number) = brought(state, viewer, access, account).await?
    {
        set = store.set_twilio_account(access, credentials, Some(&number)).await;
    }
    set.map_err(taken)?;
    changed(state, viewer, access, "credentials.change").await?;
    Ok(AccountNotes { is_trial, lacks_number })
}

/// The agent's number, if the account that it is to use has it. That may be one that was typed, and
/// becomes the agent's by the account.
async fn brought(
    state: &AppState,
    viewer: &Viewer,
    access: &AgentAccess<Own>,
    account: &NewAccount,
) -> Result<Option<ListedNumber>, Problem> {
    let access = access.raised::<Inspect>(viewer).ok_or_else(Problem::not_found)?;
    let row = state.owners.store.agent_to_inspect(&access).await?.ok_or_else(Problem::not_found)?;
    let source = AgentSource {
        account_sid: Some(account.sid.clone().into()),
        auth_token: Some(account.token.clone()),
        ..row
    };
    Ok(listed(state, &Agent::new(source)).await)
}

/// Has an agent use the server's account again.
///
/// # Errors
/// [`Problem`].
pub(in crate::web) async fn use_servers(
    state: &Arc<AppState>,
    viewer: &Viewer,
    access: &AgentAccess<Own>,
) -> Result<(), Problem> {
    if state.twilio.auth_token.is_none() {
        let why = "This server has no Twilio account. The agent would answer no call.";
        return Err(Problem::new(StatusCode::CONFLICT, why));
    }
    state.owners.store.drop_twilio_account(access).await.map_err(taken)?;
    changed(state, viewer, access, "credentials.remove").await
}

async fn changed(
    state: &Arc<AppState>,
    viewer: &Viewer,
    access: &AgentAccess<Own>,
    action: &'static str,
) -> Result<(), Problem> {
    let agent = access.agent_id();
    state.directory.refresh(Some(agent), None).await;
    let entry = AuditEntry::of(viewer, action).agent(agent).object("agent", agent);
    Ok(state.owners.store.note_deed(&entry).await?)
}

/// Whether the account is a trial, if it is one that works.
async fn checked(state: &AppState, wished: &Agent) -> Result<bool, Problem> {
    let asking = state.services.function_services.twilio.account_state(wished);
    match within(ASK_LIMIT, asking).await.unwrap_or(Err(RestError::Unknown)) {
        Ok(AccountState { status, is_trial }) if status == "active" => Ok(is_trial),
        Ok(_) => {
            let why = "Twilio has suspended or closed this account: it takes no calls.";
            Err(Problem::invalid("account_sid", why))
        }
        Err(RestError::Refused { status: 401 | 403 | 404, .. }) => {
            let why = "Twilio does not know this account with this auth token. Copy both again from \
                       the first page of Twilio's console; a test token or an API key will not do.";
            Err(Problem::invalid("auth_token", why))
        }
        Err(_) => {
            let why = "Twilio gave no answer, so the account could not be checked. Try again in a \
                       minute.";
            Err(Problem::new(StatusCode::BAD_GATEWAY, why).unchanged())
        }
    }
}

/// Whether the agent's number is not on the account that it is to use. Where it is on the one that it
/// uses now, its calls would be refused from then on, so whoever wants that says so.
async fn lacks(
    state: &AppState,
    agent: &Agent,
    wished: &Agent,
    number: &str,
    gives_it_up: bool,
) -> Result<bool, Problem> {
    let twilio = &state.services.function_services.twilio;
    let has = async |of: &Agent| -> Result<Option<OwnedNumber>, RestError> {
        within(ASK_LIMIT, twilio.number(of, number)).await.unwrap_or(Err(RestError::Unknown))
    };
    if !matches!(has(wished).await, Ok(None)) {
        return Ok(false);
    }
    if !gives_it_up && matches!(has(agent).await, Ok(Some(_))) {
        let why = format!(
            "The agent answers {number}, which is not on this account: its calls would not be taken \
             any more. Choose “Use it all the same” if that is meant, and connect one of the \
             account's own numbers then."
        );
        return Err(Problem::invalid("gives_number_up", why));
    }
    Ok(true)
}

fn taken(error: StoreError) -> Problem {
    match error {
        StoreError::Refused(_) => {
            let why = format!("With that account the agent keeps its number, and {UNUSABLE}.");
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why)
        }
        error => error.into(),
    }
}
