//! `/agents/{id}/functions`: what an agent can do.

mod collected;
mod fields;
mod form;
mod json;
mod list;
mod summary;
mod tried;

use std::sync::Arc;

use crate::web::routing::{get, post};
use axum::Router;
use axum::extract::{Form, Path, Query};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::agent::{Saved, Sent, flash};
use super::errors::{Fault, Shown};
use super::layout::{Section, Shell};
use crate::agent::function::Builtin;
use crate::agent::region::Region;
use crate::agent::{Agent, AgentSource};
use crate::store::access::{AgentAccess, Inspect, Object};
use crate::store::people::Viewer;
use crate::web::AppState;
use crate::web::call_filter::Here;
use crate::web::deeds;
use crate::web::editing::function::{self, document, find, masked};
use crate::web::editing::warnings::warnings;
use crate::web::editing::{Seen, change as changing, version_of};
use crate::web::guard::may;
use crate::web::problem::Problem;
use crate::web::session::PageRequest;
pub(super) use fields::{KINDS, NAMES};
use fields::{change, texts};
use form::{FunctionForm, meanwhile};

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .route("/agents/{id}/functions", get(show).merge(post(make)))
        .route("/agents/{id}/functions/new", get(new))
        .route("/agents/{id}/functions/{function}", get(edit).merge(post(save)))
        .route("/agents/{id}/functions/{function}/switch", post(switch))
        .route("/agents/{id}/functions/{function}/delete", post(delete))
        .route("/agents/{id}/functions/{function}/collected", get(collected::show))
        .route("/agents/{id}/functions/{function}/try", post(tried::try_it))
        .route("/agents/{id}/secrets", post(set_secret))
}

/// An agent whose functions may be changed, and the frame of its pages.
struct Inspected {
    shell: Shell,
    access: AgentAccess<Inspect>,
    row: AgentSource,
}

impl Inspected {
    async fn of(state: &AppState, viewer: Viewer, id: Uuid) -> Result<Self, Fault> {
        let store = &state.owners.store;
        let object = Object::Agent(id);
        let access = may::<Inspect>(state, &viewer, object, "function.inspect").await?;
        let row = store.agent_to_inspect(&access).await?.ok_or(Fault::NotFound)?;
        let shell = Shell::of(store, viewer, Some(id)).await?;
        Ok(Self { shell, access, row })
    }

    /// The page of one function, with what is beside its form.
    fn page(&self, status: StatusCode, title: &str, body: &Markup) -> Response {
        let body = html! {
            h1 { (title) }
            p .zone { bdi { (self.row.name.reveal()) } }
            (body)
            p { a href={ "/agents/" (self.row.id) "/functions" } { "All that it can do" } }
        };
        (status, self.shell.page(Some(Section::Agent), title, &body)).into_response()
    }

    /// Where the business is.
    fn region(&self) -> Option<Region> {
        Here::of(self.shell.agents.find(self.row.id)).region
    }

    /// A function of this agent's, secrets masked.
    fn document(&self, id: Uuid) -> Result<Value, Fault> {
        let row = find(&self.row, id).ok_or(Fault::NotFound)?;
        Ok(document(row))
    }
}

async fn show(
    PageRequest { state, viewer }: PageRequest,
    Path(id): Path<Uuid>,
    Query(saved): Query<Saved>,
) -> Shown {
    let inspected = Inspected::of(&state, viewer, id).await?;
    let uses = state.owners.store.function_uses(&inspected.access).await?;
    let flash = flash(&state, &inspected.access, saved).await?;
    let body = list::body(&state, &inspected.row, &uses, flash);
    Ok(inspected.shell.page(Some(Section::Agent), "What it can do", &body))
}

/// Which kind of function a new one is to be.
#[derive(Debug, Deserialize)]
struct Wanted {
    #[serde(rename = "type", default)]
    kind: String,
}

async fn new(
    PageRequest { state, viewer }: PageRequest,
    Path(id): Path<Uuid>,
    Query(wanted): Query<Wanted>,
) -> Shown {
    let inspected = Inspected::of(&state, viewer, id).await?;
    let known = KINDS.iter().find(|(kind, ..)| *kind == wanted.kind);
    let (kind, title, what) = known.ok_or(Fault::NotFound)?;
    let ticked = |name: &&str| (name.to_string(), "yes".to_owned());
    let mut texts: Sent = ["is_active"].iter().map(ticked).collect();
    // A form says that what callers say is kept and shown; other functions answer the agent alone.
    if *kind == "form" {
        texts.extend(["save_data", "is_shownable"].iter().map(ticked));
    }
    let action = format!("/agents/{id}/functions");
    let form = FunctionForm {
        kind,
        texts: &texts,
        errors: &[],
        action: &action,
        version: None,
        region: inspected.region(),
    };
    let body = html! { p { (what) } (form.markup()) };
    Ok(inspected.page(StatusCode::OK, title, &body))
}

async fn make(
    PageRequest { state, viewer }: PageRequest,
    Path(id): Path<Uuid>,
    Form(sent): Form<Sent>,
) -> Shown {
    let kind = sent.get("type").cloned().unwrap_or_default();
    let mut given = change(&kind, &sent, &Value::Null);
    given.fields.insert("type".to_owned(), json!(kind));
    match function::make(&state, &viewer, id, given).await {
        Ok(made) => Ok(list::saved(id, &made.versions)),
        Err(problem) => {
            let inspected = Inspected::of(&state, viewer, id).await?;
            let action = format!("/agents/{id}/functions");
            refused(&inspected, &sent, &problem, (&kind, &action, None))
        }
    }
}

async fn edit(
    PageRequest { state, viewer }: PageRequest,
    Path((id, function)): Path<(Uuid, Uuid)>,
) -> Shown {
    let inspected = Inspected::of(&state, viewer, id).await?;
    let document = inspected.document(function)?;
    let shown = masked(&document);
    let (kind, version) = (document["type"].as_str().unwrap_or_default(), version_of(&document));
    let action = format!("/agents/{id}/functions/{function}");
    let texts = texts(&shown);
    let form = FunctionForm {
        kind,
        texts: &texts,
        errors: &[],
        action: &action,
        version: Some(&version),
        region: inspected.region(),
    };
    let warned = warnings(&state, &Agent::new(inspected.row.clone()), function);
    let body = html! {
        @for caution in &warned { p .note.warn { (list::warned(caution)) } }
        (form.markup())
        (tried::form(&action, &document, &Sent::new(), html! {}))
        @if document["save_data"] == true || kind == "form" {
            p { a href={ (action) "/collected" } { "What it collected" } }
        }
        (list::delete(&action))
    };
    Ok(inspected.page(StatusCode::OK, &title(&document), &body))
}

async fn save(
    PageRequest { state, viewer }: PageRequest,
    Path((id, function)): Path<(Uuid, Uuid)>,
    Form(sent): Form<Sent>,
) -> Shown {
    let inspected = Inspected::of(&state, viewer.clone(), id).await?;
    let document = inspected.document(function)?;
    let kind = document["type"].as_str().unwrap_or_default();
    let seen =
        sent.get("version").map(|version| Seen { pointers: Vec::new(), version: version.clone() });
    let given = change(kind, &sent, &masked(&document));
    match function::change(&state, &viewer, function, given, seen.as_ref()).await {
        Ok(done) => Ok(list::saved(id, &done.versions)),
        Err(problem) => {
            let action = format!("/agents/{id}/functions/{function}");
            // Unless they are told of a change of somebody else's, it is still the one that they saw.
            let theirs = sent.get("version").filter(|_| problem.conflict.is_none()).cloned();
            let version = theirs.unwrap_or_else(|| version_of(&document));
            refused(&inspected, &sent, &problem, (kind, &action, Some(&version)))
        }
    }
}

/// The form once more, with what was sent and why it was not accepted.
fn refused(
    inspected: &Inspected,
    sent: &Sent,
    problem: &Problem,
    (kind, action, version): (&str, &str, Option<&str>),
) -> Shown {
    let status = problem.status();
    if !matches!(status, StatusCode::UNPROCESSABLE_ENTITY | StatusCode::CONFLICT) {
        return Err(problem.clone().into());
    }
    let errors = match problem.conflict {
        Some(_) => Vec::new(),
        None => problem.clone().into_errors(),
    };
    let region = inspected.region();
    let form = FunctionForm { kind, texts: sent, errors: &errors, action, version, region };
    let body = html! {
        @if let Some(conflict) = &problem.conflict { (meanwhile(conflict)) }
        (form.markup())
    };
    Ok(inspected.page(status, "Not saved", &body))
}

async fn switch(
    PageRequest { state, viewer }: PageRequest,
    Path((id, function)): Path<(Uuid, Uuid)>,
    Form(sent): Form<Sent>,
) -> Shown {
    let inspected = Inspected::of(&state, viewer.clone(), id).await?;
    inspected.document(function)?;
    let change = Map::from_iter([("is_active".to_owned(), json!(sent.contains_key("is_active")))]);
    let done = function::change(&state, &viewer, function, change, None).await?;
    Ok(list::saved(id, &done.versions))
}

async fn delete(
    PageRequest { state, viewer }: PageRequest,
    Path((id, function)): Path<(Uuid, Uuid)>,
) -> Shown {
    let inspected = Inspected::of(&state, viewer.clone(), id).await?;
    inspected.document(function)?;
    let versions = function::delete(&state, &viewer, function).await?;
    Ok(list::saved(id, &versions))
}

/// Sets or removes a secret that functions use.
async fn set_secret(
    PageRequest { state, viewer }: PageRequest,
    Path(id): Path<Uuid>,
    Form(sent): Form<Sent>,
) -> Shown {
    let text = |name: &str| sent.get(name).map(|text| text.trim()).unwrap_or_default();
    let (name, value) = (text("name"), text("value"));
    let is_name = !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_name {
        let why = "accepted is a name of letters, digits and _";
        return Err(Problem::invalid("name", why).into());
    }
    let value = match (sent.contains_key("remove"), value.is_empty()) {
        (true, _) => Value::Null,
        (false, true) => {
            return Err(Problem::invalid("value", "a secret is needed").into());
        }
        (false, false) => json!(value),
    };
    let change = json!({"settings": {"secrets": {name: value}}});
    let change = change.as_object().cloned().unwrap_or_default();
    let done = changing::change(&state, &viewer, id, change, None).await?;
    Ok(list::saved(id, &done.versions))
}

/// What owners call a function: a form by its title, what every agent can do by what it is, the rest by
/// its name.
pub(super) fn title(document: &Value) -> String {
    let data = &document["data"];
    if let Some(builtin) = tuned(document) {
        return summary::built_in(builtin).to_owned();
    }
    let title = data["title"].as_str().map(str::trim);
    let title = title.filter(|title| document["type"] == "form" && !title.is_empty());
    let name = || document["name"].as_str().filter(|name| !name.is_empty()).map(deeds::spoken);
    title.map(str::to_owned).or_else(name).unwrap_or_else(|| "A function".to_owned())
}

/// Which of what every agent can do a function tunes, if it is such a one.
fn tuned(document: &Value) -> Option<Builtin> {
    let name = document["data"]["builtin"].as_str().filter(|_| document["type"] == "function");
    name.and_then(Builtin::named)
}
