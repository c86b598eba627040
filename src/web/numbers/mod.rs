//! Numbers at Twilio: which there are, where their calls go, and how they come here and go back. What
//! the page and the API have in common.

pub(super) mod account;
pub(super) mod connect;
pub(super) mod listed;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use serde::Serialize;
use url::Url;
use utoipa::ToSchema;
use uuid::Uuid;

use super::AppState;
use super::problem::Problem;
use crate::agent::region::Region;
use crate::agent::{Agent, Status};
use crate::clock::within;
use crate::store::access::{Role, VisibleAgent, VisibleAgents};
use crate::store::people::Viewer;
use crate::twilio::rest::{OwnedNumber, RestError};

pub(super) use connect::{connect, restore};

/// What is said of a number that an agent cannot have, whether another one has it or not.
pub(super) const UNUSABLE: &str = "this number cannot be used here; if one of your own agents has it, \
                                   take it from that one first, else ask whoever runs this server";

/// Agents of one page.
const AGENTS_MAX: usize = 20;
/// How long Twilio may take to list numbers. A request as a whole has ten seconds.
const LIST_LIMIT: Duration = Duration::from_secs(6);

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
    /// Whether another active agent of the same account answers it: it cannot be connected to this one.
    pub(super) is_taken: bool,
    /// Which one that is. Whoever asks may not see it: its name is shown to those who do.
    #[serde(skip)]
    pub(super) taken_by: Option<Uuid>,
}

/// What an agent's account says.
#[derive(Debug)]
pub(super) struct AccountNumbers {
    pub(super) agent: VisibleAgent,
    /// Whether it is the agent's own account, not the server's.
    pub(super) is_own: bool,
    /// The number that the agent answers, E.164.
    pub(super) answers: Option<String>,
    /// Where the business is.
    pub(super) region: Option<Region>,
    /// Whether its number has been connected here, or a call has come.
    pub(super) is_connected: bool,
    pub(super) numbers: Result<Vec<NumberItem>, RestError>,
}

impl AccountNumbers {
    /// Whether calls to the agent's number come here, as far as is known.
    pub(super) fn calls_come(&self) -> bool {
        let answers = self.answers.as_deref();
        let mut listed = self.numbers.iter().flatten();
        let is_wired = |one: &NumberItem| one.calls_go == "here" && answers == Some(&*one.number);
        self.is_connected || listed.any(is_wired)
    }
}

/// The accounts of a page, and the agent after which the next page begins.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) accounts: Vec<AccountNumbers>,
    pub(super) next: Option<Uuid>,
}

/// The numbers of these agents' accounts, as far as the viewer may know of them: all numbers of an
/// agent's own account; of the server's account only the agent's own number, as the others are other
/// people's. An admin sees all.
pub(super) async fn of_agents(
    state: &Arc<AppState>,
    viewer: &Viewer,
    agents: &VisibleAgents,
) -> Result<Vec<AccountNumbers>, Problem> {
    Ok(page_of(state, viewer, agents, None).await?.accounts)
}

/// The same, a page at a time. Each account is asked once, all of them at the same time.
pub(super) async fn page_of(
    state: &Arc<AppState>,
    viewer: &Viewer,
    agents: &VisibleAgents,
    after: Option<Uuid>,
) -> Result<Listed, Problem> {
    let readable = agents.at_least(Role::Maintainer);
    let list = readable.list();
    let from = after.and_then(|id| list.iter().position(|agent| agent.id == id));
    let rest = list.get(from.map_or(0, |at| at + 1)..).unwrap_or_default();
    let shown = &rest[..rest.len().min(AGENTS_MAX)];
    let next = (rest.len() > shown.len()).then(|| shown.last().map(|agent| agent.id)).flatten();
    let not_connected = state.owners.store.not_connected(&readable).await?;
    let restorable = state.owners.store.restorable(&readable).await?;
    let mut loaded = Vec::new();
    for agent in shown {
        if let Some(found) = state.directory.by_id(agent.id).await {
            loaded.push((agent, found));
        }
    }
    let mut accounts: Vec<&Arc<Agent>> = Vec::new();
    for (_, agent) in &loaded {
        if accounts.iter().all(|known| known.credentials != agent.credentials) {
            accounts.push(agent);
        }
    }
    let asked = join_all(accounts.iter().map(|agent| numbers_of(state, agent))).await;
    let answer = |agent: &Agent| {
        let at = accounts.iter().position(|known| known.credentials == agent.credentials);
        at.and_then(|at| asked.get(at)).cloned().unwrap_or(Err(RestError::Unknown))
    };
    let sees_all = |agent: &Agent| agent.credentials.is_some() || viewer.is_admin();
    let shown = accounts.iter().zip(&asked).filter(|(agent, _)| sees_all(agent));
    let shown = shown.filter_map(|(_, asked)| asked.as_ref().ok()).flatten();
    let answering = answering(state, shown.map(|number| number.number.clone()).collect()).await?;
    let accounts = loaded.iter().map(|(agent, loaded)| AccountNumbers {
        agent: (*agent).clone(),
        is_own: loaded.credentials.is_some(),
        answers: loaded.number.clone(),
        region: loaded.region,
        is_connected: !not_connected.contains(&agent.id),
        numbers: answer(loaded).map(|numbers| {
            let item = |number: OwnedNumber| {
                let has = |(of, sid): &(Uuid, String)| *of == agent.id && *sid == number.sid;
                let can_restore = restorable.iter().any(has);
                let taken_by = taken_by(state, &answering, loaded, &number.number);
                let item = describe(state, agents, agent.id, number, can_restore);
                NumberItem { is_taken: taken_by.is_some(), taken_by, ..item }
            };
            may_see(viewer, loaded, numbers).into_iter().map(item).collect()
        }),
    });
    Ok(Listed { accounts: accounts.collect(), next })
}

/// All numbers of the agent's account.
async fn numbers_of(state: &AppState, agent: &Agent) -> Result<Vec<OwnedNumber>, RestError> {
    let asking = state.services.function_services.twilio.owned_numbers(agent);
    within(LIST_LIMIT, asking).await.unwrap_or(Err(RestError::Unknown))
}

/// The agents that answer one of these numbers.
async fn answering(state: &AppState, numbers: Vec<String>) -> Result<Vec<Arc<Agent>>, Problem> {
    let ids = state.owners.store.active_with_numbers(&numbers).await?;
    let mut agents = Vec::with_capacity(ids.len());
    for id in ids {
        agents.extend(state.directory.by_id(id).await);
    }
    Ok(agents)
}

/// The agent that keeps this one from a number of its account: it answers the number, by the same account.
/// One of another account does not: see [`connect()`].
fn taken_by(
    state: &AppState,
    answering: &[Arc<Agent>],
    agent: &Agent,
    number: &str,
) -> Option<Uuid> {
    let account = |agent: &Agent| {
        let sid = state.services.function_services.twilio.account_sid(agent)?;
        Some(sid.trim().to_ascii_lowercase())
    };
    let own = account(agent)?;
    let is_it = |other: &&Arc<Agent>| {
        other.id != agent.id
            && other.status == Status::Active
            && other.number.as_deref() == Some(number)
            && account(other).as_ref() == Some(&own)
    };
    answering.iter().find(is_it).map(|other| other.id)
}

/// Those that the viewer may see and change. What counts is the account that was asked, which the agent
/// says as it was read.
fn may_see(viewer: &Viewer, agent: &Agent, mut numbers: Vec<OwnedNumber>) -> Vec<OwnedNumber> {
    if agent.credentials.is_none() && !viewer.is_admin() {
        numbers.retain(|number| agent.number.as_deref() == Some(&number.number));
    }
    numbers
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
        is_taken: false,
        taken_by: None,
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
        RestError::NoAccount => {
            "No Twilio account is set up. Enter your own, or ask whoever runs this server."
                .to_owned()
        }
        RestError::Sealed | RestError::Refused { status: 401 | 403, .. } => {
            "Twilio does not accept the account and its token. Enter them again.".to_owned()
        }
        RestError::Refused { status: 404, .. } => "The account has no such number.".to_owned(),
        RestError::Unknown => "Twilio gave no answer. Try again in a minute.".to_owned(),
        error => format!("Twilio did not do it: {error}. Calls go where they went before."),
    }
}

/// What Twilio did not tell or do, as an answer of ours; nothing was changed.
fn refused(error: &RestError) -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, words(error)).unchanged()
}
