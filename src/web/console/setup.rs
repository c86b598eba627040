//! `/setup`: from nothing to an agent that answers, in a few screens. Each writes what it asked, so
//! that the set-up can be left and gone on with.

mod forms;
mod presets;

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use http::StatusCode;
use maud::Markup;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::errors;
use super::layout::{Section, Shell};
use crate::agent::phone_number::normalise_local;
use crate::agent::region::Region;
use crate::store::StoreError;
use crate::store::access::{AgentAccess, Inspect, Maintain, Object};
use crate::store::audit::AuditEntry;
use crate::store::setup::{NewBusiness, SetupRow};
use crate::web::AppState;
use crate::web::numbers::AccountNumbers;
use crate::web::session::PageViewer;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .route("/setup", get(page).post(business))
        .route("/setup/{id}/hours", post(hours))
        .route("/setup/{id}/voice", post(voice))
        .route("/setup/{id}/tried", post(tried))
        .route("/setup/{id}/finish", post(finish))
}

/// What the page is asked with.
#[derive(Debug, Deserialize)]
struct Wanted {
    /// The agent that is being set up.
    #[serde(default, deserialize_with = "crate::web::query::empty_is_none")]
    agent: Option<Uuid>,
    /// A screen to go back to.
    step: Option<String>,
    /// Whether another agent is begun although one is not finished.
    new: Option<String>,
}

async fn page(
    State(state): State<Arc<AppState>>,
    PageViewer(viewer): PageViewer,
    Query(wanted): Query<Wanted>,
) -> Response {
    let store = &state.owners.store;
    let unfinished = match (wanted.agent, &wanted.new) {
        (None, None) => store.unfinished_setup(&viewer).await,
        (agent, _) => Ok(agent),
    };
    let shell = Shell::of(store, viewer, wanted.agent).await;
    let (unfinished, shell) = match (unfinished, shell) {
        (Ok(unfinished), Ok(shell)) => (unfinished, shell),
        (Err(error), _) | (_, Err(error)) => return errors::store(&error),
    };
    let Some(agent) = unfinished else {
        return shown(&shell, StatusCode::OK, &forms::business(&Business::default(), &[]));
    };
    let access: AgentAccess<Inspect> = match store.access(&shell.viewer, Object::Agent(agent)).await
    {
        Ok(access) => access,
        Err(refused) => return errors::refused(&refused),
    };
    let row = match store.setup(&access).await {
        Ok(row) => row,
        Err(error) => return errors::store(&error),
    };
    let Some(reached) = row.step.clone() else {
        return Redirect::to(&format!("/agents/{agent}")).into_response();
    };
    let step = wanted.step.unwrap_or(reached);
    match screen(&state, &shell, &row, &step).await {
        Ok(body) => shown(&shell, StatusCode::OK, &body),
        Err(response) => response,
    }
}

fn shown(shell: &Shell, status: StatusCode, body: &Markup) -> Response {
    (status, shell.page(Some(Section::Setup), "Set up", body)).into_response()
}

async fn screen(
    state: &Arc<AppState>,
    shell: &Shell,
    row: &SetupRow,
    step: &str,
) -> Result<Markup, Response> {
    Ok(match step {
        "hours" => forms::hours(row, &[]),
        "voice" => forms::voice(row, &[]),
        "try" => forms::try_it(row),
        _ => {
            let own = shell.agents.only(Some(row.agent_id));
            let accounts = crate::web::numbers::of_agents(state, &shell.viewer, &own).await;
            let accounts: Vec<AccountNumbers> =
                accounts.map_err(|problem| errors::problem(&problem))?;
            forms::number(row, &accounts)
        }
    })
}

/// What was wrong with a field: its name, and what is accepted.
type Wrong = (&'static str, &'static str);

/// What the first screen sends.
#[derive(Debug, Default, Deserialize)]
struct Business {
    #[serde(default)]
    name: String,
    #[serde(default)]
    trade: String,
    #[serde(default)]
    zone: String,
    #[serde(default)]
    website: String,
}

impl Business {
    fn wrong(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        if self.name.trim().is_empty() || self.name.len() > 200 {
            wrong.push(("name", "Enter the business's name, as callers know it."));
        }
        if jiff::tz::TimeZone::get(self.zone.trim()).is_err() {
            wrong.push(("zone", "Choose the time zone, such as Europe/London."));
        }
        if self.website.len() > 500 {
            wrong.push(("website", "This is too long for an address."));
        }
        wrong
    }
}

async fn business(
    State(state): State<Arc<AppState>>,
    PageViewer(viewer): PageViewer,
    Form(form): Form<Business>,
) -> Response {
    let store = &state.owners.store;
    let wrong = form.wrong();
    let again = async |viewer, wrong: &[Wrong]| match Shell::of(store, viewer, None).await {
        Ok(shell) => {
            shown(&shell, StatusCode::UNPROCESSABLE_ENTITY, &forms::business(&form, wrong))
        }
        Err(error) => errors::store(&error),
    };
    if !wrong.is_empty() {
        return again(viewer, &wrong).await;
    }
    let trade = presets::trade(&form.trade);
    let made = store
        .begin_setup(
            &viewer,
            &NewBusiness {
                name: form.name.trim(),
                trade: trade.name,
                zone: form.zone.trim(),
                website: form.website.trim(),
                greeting: &trade.greeting(form.name.trim()),
                appointment_minutes: trade.minutes,
            },
        )
        .await;
    match made {
        Ok(agent) => {
            let entry = AuditEntry::of(&viewer, "agent.create").agent(agent);
            if let Err(error) = store.note_deed(&entry.object("agent", agent)).await {
                return errors::store(&error);
            }
            to_step(agent)
        }
        Err(StoreError::NotAllowed(_)) => {
            let why =
                "Your plan has no room for another agent. Delete one, or ask for a larger plan.";
            again(viewer, &[("name", why)]).await
        }
        Err(error) => errors::store(&error),
    }
}

fn to_step(agent: Uuid) -> Response {
    Redirect::to(&format!("/setup?agent={agent}")).into_response()
}

/// What somebody who sets an agent up may change, and how far they are.
async fn opened(
    state: &AppState,
    viewer: crate::store::people::Viewer,
    agent: Uuid,
) -> Result<(Shell, AgentAccess<Maintain>, SetupRow), Response> {
    let store = &state.owners.store;
    let access: AgentAccess<Maintain> = store
        .access(&viewer, Object::Agent(agent))
        .await
        .map_err(|refused| errors::refused(&refused))?;
    let inspect = access.raised::<Inspect>(&viewer).ok_or_else(errors::not_found)?;
    let row = store.setup(&inspect).await.map_err(|error| errors::store(&error))?;
    let shell =
        Shell::of(store, viewer, Some(agent)).await.map_err(|error| errors::store(&error))?;
    Ok((shell, access, row))
}

/// What the screen of hours sends.
#[derive(Debug, Deserialize)]
struct HoursForm {
    hours: String,
    #[serde(default)]
    team: String,
}

async fn hours(
    State(state): State<Arc<AppState>>,
    PageViewer(viewer): PageViewer,
    Path(agent): Path<Uuid>,
    Form(form): Form<HoursForm>,
) -> Response {
    let (shell, access, row) = match opened(&state, viewer, agent).await {
        Ok(opened) => opened,
        Err(response) => return response,
    };
    let zone = shell.agents.find(agent).and_then(|agent| agent.zone.clone());
    let region = zone.as_deref().and_then(Region::of_zone);
    let team = form.team.trim();
    let number = normalise_local(team, region);
    if !team.is_empty() && number.is_none() {
        let why =
            "This is no telephone number. Write it with its country, such as +44 20 7946 0000.";
        let body = forms::hours(&row, &[("team", why)]);
        return shown(&shell, StatusCode::UNPROCESSABLE_ENTITY, &body);
    }
    let settings = match number {
        Some(number) => json!({"transfer": {"targets": {"team": number}}}),
        None => json!({}),
    };
    let schedule = presets::schedule(&form.hours);
    let gone_on =
        state.owners.store.go_on_with_setup(&access, &settings, schedule.as_ref(), "voice").await;
    gone_on.map_or_else(|error| errors::store(&error), |()| to_step(agent))
}

/// What the screen of the greeting sends.
#[derive(Debug, Deserialize)]
struct VoiceForm {
    greeting: String,
    voice: String,
    recording: Option<String>,
}

async fn voice(
    State(state): State<Arc<AppState>>,
    PageViewer(viewer): PageViewer,
    Path(agent): Path<Uuid>,
    Form(form): Form<VoiceForm>,
) -> Response {
    let (shell, access, row) = match opened(&state, viewer, agent).await {
        Ok(opened) => opened,
        Err(response) => return response,
    };
    let greeting = form.greeting.trim();
    let wrong: Vec<Wrong> = [
        (greeting.is_empty() || greeting.len() > 1000)
            .then_some(("greeting", "Write a sentence or two, at most 1,000 characters.")),
        (!forms::VOICES.contains(&form.voice.as_str()))
            .then_some(("voice", "Choose one of the voices.")),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !wrong.is_empty() {
        let body = forms::voice(&row, &wrong);
        return shown(&shell, StatusCode::UNPROCESSABLE_ENTITY, &body);
    }
    let settings = json!({
        "greeting": greeting,
        "voice": form.voice,
        "recording": {"enabled": form.recording.is_some()},
    });
    let gone_on = state.owners.store.go_on_with_setup(&access, &settings, None, "try").await;
    gone_on.map_or_else(|error| errors::store(&error), |()| to_step(agent))
}

async fn tried(
    State(state): State<Arc<AppState>>,
    PageViewer(viewer): PageViewer,
    Path(agent): Path<Uuid>,
) -> Response {
    let access = match opened(&state, viewer, agent).await {
        Ok((_, access, _)) => access,
        Err(response) => return response,
    };
    let gone_on = state.owners.store.go_on_with_setup(&access, &json!({}), None, "number").await;
    gone_on.map_or_else(|error| errors::store(&error), |()| to_step(agent))
}

/// What the last screen sends: a number to connect, or nothing.
#[derive(Debug, Deserialize)]
struct FinishForm {
    #[serde(default)]
    sid: String,
}

async fn finish(
    State(state): State<Arc<AppState>>,
    PageViewer(viewer): PageViewer,
    Path(agent): Path<Uuid>,
    Form(form): Form<FinishForm>,
) -> Response {
    let (shell, access, _) = match opened(&state, viewer, agent).await {
        Ok(opened) => opened,
        Err(response) => return response,
    };
    let store = &state.owners.store;
    if let Err(error) = store.finish_setup(&access).await {
        return errors::store(&error);
    }
    state.directory.refresh(Some(agent), None).await;
    if !form.sid.is_empty() {
        let connected =
            crate::web::numbers::connect(&state, &shell.viewer, &access, &form.sid).await;
        if let Err(problem) = connected {
            return errors::problem(&problem);
        }
    }
    let entry = AuditEntry::of(&shell.viewer, "agent.activate").agent(agent);
    if let Err(error) = store.note_deed(&entry.object("agent", agent)).await {
        return errors::store(&error);
    }
    Redirect::to(&format!("/?agent={agent}")).into_response()
}
