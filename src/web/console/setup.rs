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
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{StatusCode, Uri};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::errors;
use super::layout::Shell;
use crate::agent::Agent;
use crate::store::AgentRow;
use crate::store::access::{AgentAccess, Inspect, Level, Maintain, Object, Refused};
use crate::store::people::Viewer;
use crate::store::setup::SetupMove;
use crate::web::AppState;
use crate::web::editing::change::set_up;
use crate::web::editing::document::document;
use crate::web::guard::may;
use crate::web::problem::Problem;
use crate::web::session::PageViewer;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
        match self {
            Self::Business => "business",
            Self::Hours => "hours",
            Self::Voice => "voice",
            Self::Try => "try",
            Self::Number => "number",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.word() == word)
    }
}

/// What was wrong with a field: its name, and what is accepted.
type Wrong = (&'static str, String);

/// An agent that is being set up.
struct Setup {
    shell: Shell,
    row: AgentRow,
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
async fn opened(state: &AppState, viewer: Viewer, id: Uuid) -> Result<Setup, Response> {
    let store = &state.owners.store;
    let access: Result<AgentAccess<Inspect>, _> = store.access(&viewer, Object::Agent(id)).await;
    let access = access.map_err(|refused| errors::refused(&refused))?;
    let read = async {
        let setup = store.setup(&access).await?;
        let row = store.agent_to_inspect(&access).await?;
        let shell = Shell::of(store, viewer, Some(id)).await?;
        Ok((setup, row, shell))
    };
    let (setup, row, shell) = read.await.map_err(|error| errors::store(&error))?;
    let row = row.ok_or_else(errors::not_found)?;
    let Some(step) = setup.step.filter(|_| setup.status == "inactive") else {
        return Err(Redirect::to(&format!("/agents/{id}")).into_response());
    };
    Ok(Setup {
        agent: Agent::new(row.clone().into()),
        document: document(&row),
        reached: Step::from_word(&step).unwrap_or(Step::Hours),
        shell,
        row,
    })
}

/// The same for those who may change it.
async fn opened_to_change(state: &AppState, viewer: Viewer, id: Uuid) -> Result<Setup, Response> {
    Ok(opened_with::<Maintain>(state, viewer, id, "agent.change").await?.0)
}

/// The same for those who may do what is called so in the audit log, which is asked first.
async fn opened_with<L: Level>(
    state: &AppState,
    viewer: Viewer,
    id: Uuid,
    action: &'static str,
) -> Result<(Setup, AgentAccess<L>), Response> {
    let access = may::<L>(state, &viewer, Object::Agent(id), action).await;
    let access = access.map_err(|refused| errors::refused(&refused))?;
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

async fn page(
    State(state): State<Arc<AppState>>,
    PageViewer(viewer): PageViewer,
    Query(wanted): Query<Wanted>,
) -> Response {
    screen(&state, viewer, wanted).await.unwrap_or_else(|response| response)
}

async fn screen(
    state: &Arc<AppState>,
    viewer: Viewer,
    wanted: Wanted,
) -> Result<Response, Response> {
    let store = &state.owners.store;
    let agent = match (wanted.agent, &wanted.new) {
        (Some(agent), _) => agent,
        (None, Some(key)) => return business::another(state, viewer, key).await,
        (None, None) => match store.unfinished_setup(&viewer).await {
            Ok(Some(agent)) => agent,
            Ok(None) => return business::blank(state, viewer, Uuid::new_v4()).await,
            Err(error) => return Err(errors::store(&error)),
        },
    };
    let setup = opened(state, viewer, agent).await?;
    let step = wanted.step.as_deref().and_then(Step::from_word);
    let body = match step.filter(|step| *step <= setup.reached).unwrap_or(setup.reached) {
        Step::Business => business::of_agent(&setup),
        Step::Hours => hours::form(&setup, None),
        Step::Voice => voice::form(state, &setup, None).await,
        Step::Try => talk::form(state, &setup, None).await?,
        Step::Number => {
            let accepted = wanted.done.as_deref() == Some("account");
            let told = accepted.then(number::account_accepted);
            number::form(state, &setup, &told.unwrap_or_else(|| html! {}), None).await?
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
    State(state): State<Arc<AppState>>,
    PageViewer(viewer): PageViewer,
    Path(id): Path<Uuid>,
    uri: Uri,
) -> Result<Response, Response> {
    let access = state.owners.store.access::<Inspect>(&viewer, Object::Agent(id)).await;
    access.map_err(|refused| errors::refused(&refused))?;
    let form = uri.path().rsplit('/').next().unwrap_or_default();
    let step = match form {
        "answers" => Step::Try,
        "tried" | "account" | "finish" => Step::Number,
        step => Step::from_word(step).ok_or_else(errors::not_found)?,
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

/// Whether they may not even know of it.
fn is_unknown(refused: &Refused) -> bool {
    matches!(refused, Refused::NotFound)
}
