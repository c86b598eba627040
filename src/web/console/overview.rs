//! `/`: what there is to do today.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use maud::html;
use serde::Deserialize;
use uuid::Uuid;

use super::errors;
use super::layout::{Section, Shell};
use crate::web::AppState;
use crate::web::session::PageViewer;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new().route("/", get(page))
}

/// What lists are asked with.
#[derive(Debug, Deserialize)]
pub(crate) struct OfAgent {
    /// One agent's alone.
    #[serde(default, deserialize_with = "crate::web::query::empty_is_none")]
    pub(crate) agent: Option<Uuid>,
}

async fn page(
    State(state): State<Arc<AppState>>,
    PageViewer(viewer): PageViewer,
    Query(wanted): Query<OfAgent>,
) -> Response {
    let shell = match Shell::of(&state.owners.store, viewer, wanted.agent).await {
        Ok(shell) => shell,
        Err(error) => return errors::store(&error),
    };
    shell.page(Some(Section::Today), "Today", &html! {
        h1 { "Today" }
        p .zone { (shell.now.strftime("%a %-d %b · %H:%M")) " (" (shell.zone_name()) ")" }
        @if shell.agents.list().is_empty() {
            p { "You have no agent yet. " a href="/setup" { "Set one up" } ": it takes about five minutes." }
        }
    })
}
