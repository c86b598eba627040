//! `/agents/{id}/versions`: who changed what, and the way back.

use std::sync::Arc;

use crate::web::routing::{get, post};
use axum::Router;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::agent::{Saved, flash};
use super::errors::{Fault, Shown};
use super::functions::title;
use super::layout::{Section, Shell};
use super::{changes, time};
use crate::agent::AgentSource;
use crate::store::access::{Inspect, Object};
use crate::store::versions::AgentVersion;
use crate::web::AppState;
use crate::web::editing::diff;
use crate::web::editing::function::document as function_document;
use crate::web::editing::restore::{Beside, beside_now, restore};
use crate::web::guard::may;
use crate::web::lists::cut;
use crate::web::query::empty_is_none;
use crate::web::session::PageRequest;

/// Versions of a page.
const LIMIT: i64 = 20;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .route("/agents/{id}/versions", get(show))
        .route("/agents/{id}/versions/{n}/restore", post(back))
}

#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(default, deserialize_with = "empty_is_none")]
    after: Option<i32>,
    saved: Option<String>,
    /// Secrets that could not come back.
    missing: Option<String>,
}

async fn show(
    PageRequest { state, viewer }: PageRequest,
    Path(id): Path<Uuid>,
    Query(asked): Query<Asked>,
) -> Shown {
    let store = &state.owners.store;
    let object = Object::Agent(id);
    let access = may::<Inspect>(&state, &viewer, object, "agent.inspect").await?;
    let shell = Shell::of(store, viewer, Some(id)).await?;
    let mut versions = store.agent_versions(&access, asked.after, LIMIT + 1).await?;
    let is_more = cut(&mut versions, LIMIT);
    let row = store.agent_to_inspect(&access).await?.ok_or(Fault::NotFound)?;
    let name_of = |part: &str| {
        let id = part.strip_prefix("function ").and_then(|id| id.parse::<Uuid>().ok());
        let function = id.and_then(|id| row.functions.iter().find(|function| function.id == id));
        function.map(|function| title(&function_document(function)))
    };
    // One that is gone is known by what it was called then.
    let then = |version: &AgentVersion| {
        let document = version.after.as_ref().or(version.before.as_ref())?;
        document["type"].is_string().then(|| title(document))
    };
    let next = versions.last().filter(|_| is_more).map(|version| version.n);
    let flash = flash(&state, &access, Saved { saved: asked.saved, section: None }).await?;
    let body = html! {
        h1 { "Earlier versions" }
        p .zone { bdi { (row.name.reveal()) } " · " (shell.zone_name()) " time" }
        (flash)
        @if let Some(missing) = asked.missing.filter(|missing| !missing.is_empty()) {
            p .note.warn {
                "Secrets of that version are not stored any more and have to be set again: " (missing) "."
            }
        }
        @if versions.is_empty() {
            p .empty { "Every change of the agent will stand here, with who made it and a way back. Nothing was changed yet." }
        }
        @for version in &versions { (one(&shell, &row, version, name_of(&version.part).or_else(|| then(version)))) }
        @if let Some(next) = next {
            p .pager { a href={ "/agents/" (id) "/versions?after=" (next) } { "Older" } }
        }
        p { a href={ "/agents/" (id) } { "Back to the agent" } }
    };
    Ok(shell.page(Some(Section::Agent), "Earlier versions", &body))
}

fn one(
    shell: &Shell,
    row: &AgentSource,
    version: &AgentVersion,
    function: Option<String>,
) -> Markup {
    let (id, beside) = (row.id, beside_now(row, version));
    let at = time::at(version.at_us, &shell.zone());
    let what = match version.part.as_str() {
        "agent" => "The agent".to_owned(),
        "business" => "The business".to_owned(),
        _ => match function.as_deref() {
            Some(name) => format!("The function “{name}”"),
            None => "A function that was removed".to_owned(),
        },
    };
    let of = changes::Of::part(&version.part);
    let is_baseline = version.changed_by.is_none();
    let nothing = serde_json::Value::Null;
    let before = version.before.as_ref().unwrap_or(&nothing);
    let differs = diff::changes(before, version.after.as_ref().unwrap_or(&nothing));
    html! {
        section .card aria-label={ "Version " (version.n) } {
            div .row {
                div .grow {
                    b { (what) } " · " time datetime=(at.timestamp()) { (time::when(&at, &shell.now)) }
                    " · "
                    @match &version.changed_by_name {
                        Some(name) => bdi { (name) },
                        None if is_baseline => "as it was before anybody changed it here",
                        None => "somebody who is not here any more",
                    }
                }
                @if beside == Beside::Now {
                    span .badge.good { "now" }
                } @else if beside == Beside::AsNow {
                    span .quiet { "as now, but for its number and whether it answers" }
                } @else if version.after.is_some() {
                    form method="post" action={ "/agents/" (id) "/versions/" (version.n) "/restore" } {
                        button type="submit" aria-label={ "Go back to this: version " (version.n) } { "Go back to this" }
                    }
                }
            }
            @if is_baseline {
                details { summary { "Show all of it" } (changes::list(&differs, of)) }
            } @else if version.after.is_none() {
                p { "It was removed." }
            } @else {
                (changes::list(&differs, of))
            }
        }
    }
}

async fn back(
    PageRequest { state, viewer }: PageRequest,
    Path((id, n)): Path<(Uuid, i32)>,
) -> Shown {
    let restored = restore(&state, &viewer, id, n).await?;
    let versions: Vec<String> = restored.versions.iter().map(i32::to_string).collect();
    let versions = if versions.is_empty() { "0".to_owned() } else { versions.join(",") };
    let missing = restored.missing.join(", ");
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("saved", &versions)
        .append_pair("missing", &missing)
        .finish();
    Ok(Redirect::to(&format!("/agents/{id}/versions?{query}")).into_response())
}
