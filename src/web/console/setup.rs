//! `/setup`: from nothing to an agent that answers, in a few screens. Each writes what it asked, so
//! that the set-up can be left and gone on with. Of an agent that is not being set up no screen shows
//! or changes anything: its page does.

mod account;
mod business;
mod call;
mod ending;
mod forms;
mod hours;
mod number;
mod presets;
mod talk;
mod voice;

use std::sync::Arc;

use crate::web::routing::{get, post};
use axum::Router;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use http::{StatusCode, Uri};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::errors::{Fault, Shown};
use super::layout::Shell;
use crate::agent::{Agent, AgentSource};
use crate::store::access::{AgentAccess, Inspect, Level, Maintain, Object};
use crate::store::people::Viewer;
use crate::store::setup::SetupMove;
use crate::web::AppState;
use crate::web::editing::change::set_up;
use crate::web::editing::document::document;
use crate::web::guard::may;
use crate::web::problem::Problem;
use crate::web::session::PageRequest;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .route("/setup", get(page).merge(post(business::begin)))
        .route("/setup/{id}/business", get(to_screen).merge(post(business::change)))
        .route("/setup/{id}/hours", get(to_screen).merge(post(hours::send)))
        .route("/setup/{id}/voice", get(to_screen).merge(post(voice::send)))
        .route("/setup/{id}/answers", get(to_screen).merge(post(talk::answer)))
        .route("/setup/{id}/tried", get(to_screen).merge(post(talk::tried)))
        .route("/setup/{id}/account", get(to_screen).merge(post(account::send)))
        .route("/setup/{id}/finish", get(to_screen).merge(post(number::finish)))
        .route("/setup/{id}/call", get(call::page))
}

/// A screen, in their order.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr, strum::EnumString,
)]
#[strum(serialize_all = "snake_case")]
enum Step {
    Business,
    Hours,
    Voice,
    Try,
    Number,
}

impl Step {
    const ALL: [Self; 5] = [Self::Business, Self::Hours, Self::Voice, Self::Try, Self::Number];

    /// Its word in addresses and rows.
    fn word(self) -> &'static str {
        self.into()
    }
}

/// What was wrong with a field: its name, and what is accepted.
type Wrong = (&'static str, String);

/// An agent that is being set up.
struct Setup {
    shell: Shell,
    row: AgentSource,
    /// As calls read it.
    agent: Agent,
    /// As its owner writes it.
    document: Value,
    /// The furthest screen that was reached.
    reached: Step,
}

impl Setup {
    /// A text of the document; empty where there is none.
    fn text(&self, pointer: &str) -> &str {
        self.document.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The number that it answers; empty where it has none.
    fn number(&self) -> &str {
        let seen = self.shell.agents.find(self.row.id);
        seen.and_then(|agent| agent.number.as_deref()).unwrap_or_default().trim()
    }

    /// What is suggested for its trade.
    fn trade(&self) -> &'static presets::Trade {
        presets::named(self.text("/business/type_of_business"))
    }
}

/// The agent, for those who may set it up. One that is not being set up, or not any more, is shown by
/// its own page instead.
async fn opened(state: &AppState, viewer: Viewer, id: Uuid) -> Result<Setup, Fault> {
    let store = &state.owners.store;
    let access = store.access::<Inspect>(&viewer, Object::Agent(id)).await?;
    let setup = store.setup(&access).await?;
    let row = store.agent_to_inspect(&access).await?.ok_or(Fault::NotFound)?;
    let shell = Shell::of(store, viewer, Some(id)).await?;
    let Some(step) = setup.step.filter(|_| setup.status == "inactive") else {
        return Err(Fault::Elsewhere(format!("/agents/{id}")));
    };
    Ok(Setup {
        agent: Agent::new(row.clone()),
        document: document(&row),
        reached: step.parse().unwrap_or(Step::Hours),
        shell,
        row,
    })
}

/// The same for those who may change it.
async fn opened_to_change(state: &AppState, viewer: Viewer, id: Uuid) -> Result<Setup, Fault> {
    Ok(opened_with::<Maintain>(state, viewer, id, "agent.change").await?.0)
}

/// The same for those who may do what is called so in the audit log, which is asked first.
async fn opened_with<L: Level>(
    state: &AppState,
    viewer: Viewer,
    id: Uuid,
    action: &'static str,
) -> Result<(Setup, AgentAccess<L>), Fault> {
    let access = may::<L>(state, &viewer, Object::Agent(id), action).await?;
    Ok((opened(state, viewer, id).await?, access))
}

/// What the page is asked with.
#[derive(Debug, Deserialize)]
struct Wanted {
    /// The agent that is being set up.
    #[serde(default, deserialize_with = "crate::web::query::empty_is_none")]
    agent: Option<Uuid>,
    /// A screen to go back to.
    step: Option<String>,
    /// What was done just now.
    done: Option<String>,
    /// Another agent is begun, although one may not be finished: the key that makes it one agent
    /// however often its first screen is sent.
    new: Option<String>,
}

async fn page(PageRequest { state, viewer }: PageRequest, Query(wanted): Query<Wanted>) -> Shown {
    let agent = match (wanted.agent, &wanted.new) {
        (Some(agent), _) => agent,
        (None, Some(key)) => return business::another(&state, viewer, key).await,
        (None, None) => match state.owners.store.unfinished_setup(&viewer).await? {
            Some(agent) => agent,
            None => return business::blank(&state, viewer, Uuid::new_v4()).await,
        },
    };
    let setup = opened(&state, viewer, agent).await?;
    let step = wanted.step.as_deref().and_then(|step| step.parse::<Step>().ok());
    let body = match step.filter(|step| *step <= setup.reached).unwrap_or(setup.reached) {
        Step::Business => business::of_agent(&setup),
        Step::Hours => hours::form(&setup, None),
        Step::Voice => voice::form(&state, &setup, None).await,
        Step::Try => talk::form(&state, &setup, None).await?,
        Step::Number => {
            let accepted = wanted.done.as_deref() == Some("account");
            let told = accepted.then(number::account_accepted);
            number::form(&state, &setup, &told.unwrap_or_else(|| html! {}), None).await?
        }
    };
    Ok(shown(&setup.shell, StatusCode::OK, &body))
}

fn shown(shell: &Shell, status: StatusCode, body: &Markup) -> Response {
    (status, shell.page(None, "Set up", body)).into_response()
}

/// A screen once more, with what was wrong.
fn refused(setup: &Setup, body: &Markup) -> Response {
    let page = setup.shell.page(None, "Not saved: Set up", body);
    (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
}

/// The address of a form was opened, as browsers do with what they remember: its screen is shown.
async fn to_screen(
    PageRequest { state, viewer }: PageRequest,
    Path(id): Path<Uuid>,
    uri: Uri,
) -> Shown {
    state.owners.store.access::<Inspect>(&viewer, Object::Agent(id)).await?;
    let form = uri.path().rsplit('/').next().unwrap_or_default();
    let step = match form {
        "answers" => Step::Try,
        "tried" | "account" | "finish" => Step::Number,
        step => step.parse().map_err(|_| Fault::NotFound)?,
    };
    Ok(to_step(id, step))
}

/// Writes what a screen has asked, and leads to the next one.
async fn go_on(
    state: &AppState,
    setup: &Setup,
    change: Map<String, Value>,
    next: Step,
) -> Result<Response, Problem> {
    // Who has gone back does not lose what comes later.
    let reached = SetupMove::To(setup.reached.max(next).word());
    let id = setup.row.id;
    set_up(state, &setup.shell.viewer, id, change, reached).await?;
    Ok(to_step(id, next))
}

fn to_step(agent: Uuid, step: Step) -> Response {
    Redirect::to(&format!("/setup?agent={agent}&step={}", step.word())).into_response()
}
