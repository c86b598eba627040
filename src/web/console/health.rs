//! `/health`: for whoever looks after the installation.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};

use super::errors;
use super::layout::{Section, Shell};
use crate::web::AppState;
use crate::web::session::PageViewer;

/// Its route.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new().route("/health", get(page))
}

async fn page(State(state): State<Arc<AppState>>, PageViewer(viewer): PageViewer) -> Response {
    if !viewer.is_admin() {
        return errors::not_found();
    }
    match Shell::of(&state.owners.store, viewer, None).await {
        Ok(shell) => shell.page(Some(Section::Health), "Health", &body(&state)),
        Err(error) => errors::store(&error),
    }
}

/// One line: what was looked at, whether it is well, and in which words.
struct Finding {
    what: &'static str,
    is_well: bool,
    words: String,
}

fn findings(state: &AppState) -> Vec<Finding> {
    let registry = &state.exchange.registry;
    let health = state.exchange.log.health();
    let finding = |what, is_well, words: String| Finding { what, is_well, words };
    vec![
        finding(
            "Taking calls",
            !registry.is_draining() && registry.has_room(),
            match (registry.is_draining(), registry.has_room()) {
                (true, _) => "The server is shutting down: other ones take the calls.".to_owned(),
                (_, false) => "All lines are taken: callers hear the fallback.".to_owned(),
                _ => "Yes.".to_owned(),
            },
        ),
        finding(
            "Database",
            health.database_up,
            if health.database_up {
                "It answers.".to_owned()
            } else {
                "It does not answer. Calls go on, and what happens is kept until it is back."
                    .to_owned()
            },
        ),
        finding(
            "Waiting to be written",
            health.spool_bytes == 0,
            format!("{} events, {} bytes on disk.", health.queued, health.spool_bytes),
        ),
        finding(
            "Background work",
            state.tasks.ended().is_none(),
            match state.tasks.ended() {
                Some(task) => format!("The task “{task}” has ended: restart the server."),
                None => "All of it runs.".to_owned(),
            },
        ),
        finding(
            "Credentials at rest",
            state.owners.store.vault().has_key(),
            if state.owners.store.vault().has_key() {
                "They are encrypted.".to_owned()
            } else {
                "They are kept as they are. Set SECRETS_KEY to encrypt them.".to_owned()
            },
        ),
        finding(
            "Public address",
            state.public_url.as_str().starts_with("https:"),
            format!("{} is what Twilio and browsers use.", state.public_url.as_str()),
        ),
    ]
}

fn body(state: &AppState) -> Markup {
    html! {
        h1 { "Health" }
        p .zone { "Version " (env!("CARGO_PKG_VERSION")) ". For keys, models and numbers run " code { "frontdesk doctor" } "." }
        div .scroll tabindex="0" role="region" aria-label="What was looked at" {
            table {
                thead { tr { th scope="col" { "What" } th scope="col" { "State" } th scope="col" { "In words" } } }
                tbody {
                    @for finding in findings(state) {
                        tr {
                            th scope="row" { (finding.what) }
                            td { @if finding.is_well { span .badge .good { "well" } } @else { span .badge .warn { "look at this" } } }
                            td { (finding.words) }
                        }
                    }
                }
            }
        }
    }
}
