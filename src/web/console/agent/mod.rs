//! `/agents/{id}`: an agent, its hours, what callers hear.

mod fields;
mod form;
mod hours;
mod outside;
mod page;
mod preview;
mod sent;

use std::sync::Arc;

use crate::web::routing::{get, post};
use axum::Router;
use axum::extract::{Form, Path, Query};
use axum::response::{IntoResponse, Redirect};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub(super) use fields::{Known, LONGEST_CALL, SCHEDULE, known, label};
pub(super) use hours::{DAYS, Editor, Wrong as WrongDay};

use super::errors::{Fault, Shown};
use super::layout::{Section, Shell};
use super::{changes, paused};
use crate::agent::{Agent, AgentSource};
use crate::store::access::{AgentAccess, Inspect, Object, Own, Read};
use crate::store::people::Viewer;
use crate::web::AppState;
use crate::web::editing::agent::drafted;
use crate::web::editing::document::document;
use crate::web::editing::{Seen, access, change as changing, diff, make_known};
use crate::web::problem::{FieldError, Problem};
use crate::web::session::PageRequest;
use fields::{Part, part};
use form::Refused;
pub(super) use form::Sent;
use page::{Page, reduced, saved};
use sent::{change, put};

/// The most versions that a page names as just changed.
const SAVED_MAX: usize = 3;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .route("/agents/{id}", get(show).merge(post(save)))
        .route("/agents/{id}/status", post(set_status))
        .route("/agents/{id}/delete", post(delete))
}

/// What the page is asked with.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Saved {
    /// The versions that were just made, with commas; `0` if nothing was changed.
    pub(super) saved: Option<String>,
    /// The section that it was changed in.
    pub(super) section: Option<String>,
}

async fn show(
    PageRequest { state, viewer }: PageRequest,
    Path(id): Path<Uuid>,
    Query(asked): Query<Saved>,
) -> Shown {
    let store = &state.owners.store;
    let access = store.access::<Read>(&viewer, Object::Agent(id)).await?;
    let shell = Shell::of(store, viewer, Some(id)).await?;
    let Some(inspecting) = access.raised::<Inspect>(&shell.viewer) else {
        let row = store.agent_to_read(&access).await?.ok_or(Fault::NotFound)?;
        return Ok(shell.page(Some(Section::Agent), "Agent", &reduced(&shell, &row)));
    };
    let row = store.agent_to_inspect(&inspecting).await?.ok_or(Fault::NotFound)?;
    let has_new_hours = asked.saved.is_some() && asked.section.as_deref() == Some("hours");
    let mut flash = flash(&state, &inspecting, asked).await?;
    if has_new_hours {
        let outside = outside::note(store, &shell, &Agent::new(row.clone()).hours).await?;
        flash = html! { (flash) (outside) };
    }
    let role = access.role();
    let page = Page { state: &state, shell: &shell, row, role, refused: None, flash };
    Ok(shell.page(Some(Section::Agent), "Agent", &page.body()))
}

/// What was just changed, for the top of a page.
pub(super) async fn flash(
    state: &AppState,
    access: &AgentAccess<Inspect>,
    asked: Saved,
) -> Result<Markup, Fault> {
    let Some(saved) = asked.saved else { return Ok(html! {}) };
    let section = asked.section.as_deref().and_then(part);
    let versions = saved.split(',').take(SAVED_MAX).filter_map(|n| n.parse::<i32>().ok());
    let mut found = Vec::new();
    for n in versions.filter(|n| *n > 0) {
        if let Some(version) = state.owners.store.agent_version(access, n).await? {
            let before = version.before.unwrap_or_default();
            let differs = diff::changes(&before, &version.after.unwrap_or_default());
            if !differs.is_empty() {
                found.push((changes::Of::part(&version.part), differs));
            }
        }
    }
    Ok(html! {
        // Whoever sent the form is led here, on a new page, whose sections are folded.
        div #saved .note.good role="status" tabindex="-1" {
            @if found.is_empty() {
                p { "Nothing was changed." }
            } @else {
                p { b { "Saved." } " The next call knows it." }
                @for (of, differs) in &found { (changes::list(differs, *of)) }
            }
            @if let Some(part) = section { p { a href={ "#" (part.id) } { "Back to " (part.title) } } }
        }
    })
}

async fn save(
    PageRequest { state, viewer }: PageRequest,
    Path(id): Path<Uuid>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Shown {
    let sent: Sent = pairs.into_iter().collect();
    let store = &state.owners.store;
    let inspecting = access::<Inspect>(&state, &viewer, Object::Agent(id), "agent.change").await?;
    let part = sent.get("section").and_then(|id| part(id)).ok_or(Fault::NotFound)?;
    let row = store.agent_to_inspect(&inspecting).await?.ok_or(Fault::NotFound)?;
    if part.id == "hours" && sent.contains_key("copy") {
        let refused = Refused { sent, is_draft: true, ..Refused::default() };
        return again(&state, viewer, &inspecting, (part, refused, StatusCode::OK)).await;
    }
    let (change, errors) = changed(part, &sent, &row);
    if !errors.is_empty() {
        let mut refused = Refused { sent, errors, ..Refused::default() };
        // What else is wrong is told at once, and not one after the other.
        if let Err(problem) = drafted(&row, change, (&viewer, inspecting.role())).await {
            refused.and(&problem);
        }
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return again(&state, viewer, &inspecting, (part, refused, status)).await;
    }
    let version = sent.get("version").cloned().unwrap_or_default();
    let seen = Seen { pointers: part.pointers(), version };
    let problem = match changing::change(&state, &viewer, id, change, Some(&seen)).await {
        Ok(done) => return Ok(Redirect::to(&saved(id, &done.versions, part.id)).into_response()),
        Err(problem) => problem,
    };
    let status = problem.status();
    if !matches!(status, StatusCode::UNPROCESSABLE_ENTITY | StatusCode::CONFLICT) {
        return Err(problem.into());
    }
    again(&state, viewer, &inspecting, (part, Refused::of(sent, &problem), status)).await
}

/// The page once more, with what was sent and why it was not accepted.
async fn again(
    state: &Arc<AppState>,
    viewer: Viewer,
    access: &AgentAccess<Inspect>,
    (part, refused, status): (&Part, Refused, StatusCode),
) -> Shown {
    let store = &state.owners.store;
    let row = store.agent_to_inspect(access).await?.ok_or(Fault::NotFound)?;
    let shell = Shell::of(store, viewer, Some(access.agent_id())).await?;
    let flash = html! {
        @if !refused.is_draft {
            p .note.bad role="alert" { "This was not saved. See " a href={ "#" (part.id) } { (part.title) } "." }
        }
    };
    let refused = Some((part, refused));
    let page = Page { state, shell: &shell, row, role: access.role(), refused, flash };
    let page = shell.page(Some(Section::Agent), "Not saved: Agent", &page.body());
    Ok((status, page).into_response())
}

/// What a section's form would change of the agent, for trying it before it is saved.
///
/// # Errors
/// [`Problem`]: the field that cannot be read.
pub(super) fn draft(sent: &Sent, row: &AgentSource) -> Result<Map<String, Value>, Problem> {
    let part = sent.get("section").and_then(|id| part(id)).ok_or_else(Problem::not_found)?;
    let (fields, errors) = changed(part, sent, row);
    let error = |(field, detail)| FieldError { field, detail };
    let problem = Problem::all_invalid(errors.into_iter().map(error).collect());
    problem.map_or(Ok(fields), Err)
}

/// What a section's form changes; and the fields that cannot be read, with why.
fn changed(
    part: &Part,
    form: &Sent,
    row: &AgentSource,
) -> (Map<String, Value>, Vec<(String, String)>) {
    let document = document(row);
    let mut wrong = sent::wrong(part, form, &document);
    let mut fields = change(part, form, &document);
    if part.id == "hours" {
        let agent = Agent::new(row.clone());
        let today = jiff::civil::Date::constant(2026, 1, 1);
        let stored = Editor::stored(&agent.hours, today);
        let whole = |(day, why)| (format!("{SCHEDULE}.{day}"), why);
        match Editor::sent(form).changed(&stored) {
            Ok(Some(schedule)) => put(&mut fields, SCHEDULE, schedule),
            Ok(None) => {}
            Err(days) => wrong.extend(days.into_iter().map(whole)),
        }
    }
    (fields, wrong)
}

async fn set_status(
    PageRequest { state, viewer }: PageRequest,
    Path(id): Path<Uuid>,
    Form(sent): Form<Sent>,
) -> Shown {
    let change = match sent.get("status").map(String::as_str) {
        Some("on") => json!({"status": "active", "unAvailable": false}),
        Some("away") => json!({"status": "active", "unAvailable": true}),
        Some("off") => json!({"status": "inactive"}),
        _ => return Err(Problem::invalid("status", "accepted is on, away or off").into()),
    };
    let change = change.as_object().cloned().unwrap_or_default();
    let done = changing::change(&state, &viewer, id, change, None).await?;
    let text = |name: &str| sent.get(name).map_or("", String::as_str);
    let back = paused::back(text("from"), text("chosen"));
    Ok(Redirect::to(&back.unwrap_or_else(|| saved(id, &done.versions, "status"))).into_response())
}

/// What somebody types to delete an agent.
#[derive(Debug, Deserialize)]
struct Confirmed {
    #[serde(default)]
    name: String,
}

async fn delete(
    PageRequest { state, viewer }: PageRequest,
    Path(id): Path<Uuid>,
    Form(confirmed): Form<Confirmed>,
) -> Shown {
    let access = access::<Own>(&state, &viewer, Object::Agent(id), "agent.delete").await?;
    let store = &state.owners.store;
    let agents = store.visible_agents(&viewer).await?;
    let name = agents.find(id).map(|agent| agent.name.trim().to_owned());
    let typed = confirmed.name.trim();
    if typed.is_empty() || name.as_deref() != Some(typed) {
        let why = "the name that you typed is another one; nothing was deleted";
        return Err(Problem::invalid("name", why).into());
    }
    store.delete_agent(&access, &viewer).await?;
    make_known(&state, id, None).await;
    Ok(Redirect::to("/").into_response())
}
