//! Numbers at Twilio: which there are, where their calls go, and how they come here and go back. What
//! the page and the API have in common.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use url::Url;
use utoipa::ToSchema;
use uuid::Uuid;

use super::AppState;
use super::problem::Problem;
use crate::agent::Agent;
use crate::store::access::{
    AgentAccess, Inspect, Maintain, Object, Role, VisibleAgent, VisibleAgents,
};
use crate::store::audit::AuditEntry;
use crate::store::people::Viewer;
use crate::twilio::rest::{OwnedNumber, RestError, Wiring};

/// Agents whose accounts are asked for one page.
const AGENTS_MAX: usize = 20;

/// A number, and where its calls go.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct NumberItem {
    /// Twilio's name for it.
    pub(super) sid: String,
    /// E.164.
    pub(super) number: String,
    /// The agent that answers it, among those that you see.
    pub(super) agent: Option<Uuid>,
    /// The agent whose account has it: what `connect` takes.
    pub(super) account_of: Uuid,
    /// `here`, `elsewhere`, `application`, `trunk`, `nowhere` or `no_calls`.
    pub(super) calls_go: &'static str,
    /// The host that is asked about calls now, where that is not this server.
    pub(super) elsewhere: Option<String>,
    /// Whether what was there before a connection can be put back.
    pub(super) can_restore: bool,
}

/// What an agent's account says.
#[derive(Debug)]
pub(super) struct AccountNumbers {
    pub(super) agent: VisibleAgent,
    /// Whether it is the agent's own account, not the server's.
    pub(super) is_own: bool,
    pub(super) numbers: Result<Vec<NumberItem>, RestError>,
}

/// The numbers of these agents' accounts, as far as the viewer may know of them: all numbers of an
/// agent's own account; of the server's account only the agent's own number, as the others are other
/// people's. An admin sees all.
pub(super) async fn of_agents(
    state: &Arc<AppState>,
    viewer: &Viewer,
    agents: &VisibleAgents,
) -> Result<Vec<AccountNumbers>, Problem> {
    let mut found = Vec::new();
    let readable = agents.list().iter().filter(|agent| agent.role >= Role::Maintainer);
    for agent in readable.take(AGENTS_MAX) {
        let store = &state.owners.store;
        let access = store.access::<Inspect>(viewer, Object::Agent(agent.id)).await?;
        let restorable = store.wirings(&access).await?;
        let is_own = store.own_account(&access.reading()).await?.is_some();
        let Some(loaded) = state.directory.by_id(agent.id).await else { continue };
        let numbers = owned(state, viewer, &loaded, is_own).await;
        let numbers = numbers.map(|numbers| {
            let item = |number: OwnedNumber| {
                let can_restore = restorable.iter().any(|row| row.number_sid == number.sid);
                describe(state, agents, agent.id, number, can_restore)
            };
            numbers.into_iter().map(item).collect()
        });
        found.push(AccountNumbers { agent: agent.clone(), is_own, numbers });
    }
    Ok(found)
}

async fn owned(
    state: &Arc<AppState>,
    viewer: &Viewer,
    agent: &Agent,
    is_own: bool,
) -> Result<Vec<OwnedNumber>, RestError> {
    let mut numbers = state.exchange.toolbox.twilio.owned_numbers(agent).await?;
    if !is_own && !viewer.is_admin() {
        numbers.retain(|number| agent.number.as_deref() == Some(&number.number));
    }
    Ok(numbers)
}

fn describe(
    state: &AppState,
    agents: &VisibleAgents,
    account_of: Uuid,
    number: OwnedNumber,
    can_restore: bool,
) -> NumberItem {
    let wiring = &number.wiring;
    let host = wiring.voice_url.as_deref().and_then(|url| Url::parse(url.trim()).ok());
    let calls_go = if !number.takes_calls {
        "no_calls"
    } else if wiring.trunk_sid.is_some() {
        "trunk"
    } else if wiring.voice_application_sid.is_some() {
        "application"
    } else {
        match &host {
            None => "nowhere",
            Some(url) if is_ours(state, url) => "here",
            Some(_) => "elsewhere",
        }
    };
    let is_called = |agent: &&VisibleAgent| {
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        agent.number.as_deref().is_some_and(|own| digits(own) == digits(&number.number))
    };
    NumberItem {
        agent: agents.list().iter().find(is_called).map(|agent| agent.id),
        account_of,
        calls_go,
        elsewhere: host
            .filter(|_| calls_go == "elsewhere")
            .and_then(|url| url.host_str().map(str::to_owned)),
        can_restore,
        sid: number.sid,
        number: number.number,
    }
}

fn is_ours(state: &AppState, url: &Url) -> bool {
    let mut url = url.clone();
    url.set_fragment(None);
    Url::parse(&state.public_url.join("/twilio/voice")).is_ok_and(|ours| ours == url)
}

/// Twilio's own account of why something was not done, in an owner's words.
pub(super) fn words(error: &RestError) -> String {
    match error {
        RestError::NoAccount => "There is no Twilio account to ask with.".to_owned(),
        RestError::Refused { status: 401 | 403, .. } => {
            "Twilio does not accept the account and its token. Enter them again.".to_owned()
        }
        RestError::Refused { status: 404, .. } => "The account has no such number.".to_owned(),
        error => format!("Twilio did not do it: {error}. Calls go where they went before."),
    }
}

/// A number's name: `PN` and 32 hex digits.
fn is_number_sid(sid: &str) -> bool {
    sid.len() == 34
        && sid.starts_with("PN")
        && sid.bytes().skip(2).all(|byte| byte.is_ascii_hexdigit())
}

/// A number of this agent's account that the viewer may change.
async fn own_number(
    state: &Arc<AppState>,
    viewer: &Viewer,
    access: &AgentAccess<Maintain>,
    sid: &str,
) -> Result<(Arc<Agent>, OwnedNumber), Problem> {
    if !is_number_sid(sid) {
        return Err(Problem::not_found());
    }
    let agent = state.directory.by_id(access.agent_id()).await.ok_or_else(Problem::not_found)?;
    let is_own = state.owners.store.own_account(&access.reading()).await?.is_some();
    let numbers = owned(state, viewer, &agent, is_own).await.map_err(refused)?;
    let number = numbers.into_iter().find(|number| number.sid == sid);
    Ok((agent, number.ok_or_else(Problem::not_found)?))
}

/// What Twilio refused, as an answer of ours.
fn refused(error: RestError) -> Problem {
    Problem::new(http::StatusCode::BAD_GATEWAY, words(&error))
}

/// Has a number's calls come here, to this agent. What Twilio did with it before is kept first.
///
/// # Errors
/// [`Problem`].
pub(super) async fn connect(
    state: &Arc<AppState>,
    viewer: &Viewer,
    access: &AgentAccess<Maintain>,
    sid: &str,
) -> Result<(), Problem> {
    let store = &state.owners.store;
    let (agent, number) = own_number(state, viewer, access, sid).await?;
    if !number.takes_calls {
        return Err(Problem::invalid("sid", "this number takes no calls, only messages"));
    }
    // First the row: calls that arrive before it would find nobody.
    if agent.number.as_deref() != Some(&number.number) {
        store.set_number(access, &number.number).await.map_err(|error| match error {
            crate::store::StoreError::Refused(_) => {
                let why = "another agent that is live has this number";
                Problem::conflict(why, json!({"number": number.number}))
            }
            error => error.into(),
        })?;
        state.directory.refresh(Some(access.agent_id()), Some(&number.number)).await;
    }
    let wanted = Wiring {
        voice_url: Some(state.public_url.join("/twilio/voice")),
        voice_method: Some("POST".to_owned()),
        // Whatever was there is kept: it answers where this server does not.
        voice_fallback_url: number.wiring.voice_fallback_url.clone(),
        status_callback: Some(state.public_url.join("/twilio/status")),
        voice_application_sid: None,
        trunk_sid: None,
    };
    if number.wiring != wanted {
        let before = serde_json::to_value(&number.wiring).unwrap_or_default();
        store.keep_wiring(access, "", sid, &before).await?;
        let twilio = &state.exchange.toolbox.twilio;
        twilio.wire_number(&agent, sid, &wanted).await.map_err(refused)?;
    }
    let entry = AuditEntry::of(viewer, "number.connect").agent(access.agent_id());
    store.note_deed(&entry.object("number", sid)).await?;
    Ok(())
}

/// Puts a number back to what Twilio did with it before.
///
/// # Errors
/// [`Problem`].
pub(super) async fn restore(
    state: &Arc<AppState>,
    viewer: &Viewer,
    access: &AgentAccess<Maintain>,
    sid: &str,
) -> Result<(), Problem> {
    let store = &state.owners.store;
    let (agent, _) = own_number(state, viewer, access, sid).await?;
    let rows = store.wirings(access).await?;
    let row = rows.into_iter().find(|row| row.number_sid == sid);
    let row = row.ok_or_else(|| {
        Problem::invalid("sid", "nothing is known of what this number did before")
    })?;
    let before: Wiring = serde_json::from_value(row.before)
        .map_err(|_| Problem::invalid("sid", "what this number did before cannot be read"))?;
    state.exchange.toolbox.twilio.wire_number(&agent, sid, &before).await.map_err(refused)?;
    store.note_restored(access, sid).await?;
    let entry = AuditEntry::of(viewer, "number.restore").agent(access.agent_id());
    store.note_deed(&entry.object("number", sid)).await?;
    Ok(())
}
