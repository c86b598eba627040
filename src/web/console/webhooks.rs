//! `/webhooks`: what owners' servers were told of calls.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::layout::{Section, Shell};
use super::{errors, time};
use crate::store::access::{Object, Role};
use crate::store::wirings::DeliveryRow;
use crate::web::AppState;
use crate::web::guard::may;
use crate::web::session::PageViewer;

/// Rows of a page.
const ROWS: usize = 50;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new().route("/webhooks", get(page)).route("/webhooks/{id}/redeliver", post(redeliver))
}

/// What the page is asked with.
#[derive(Debug, Deserialize)]
struct Wanted {
    #[serde(default, deserialize_with = "crate::web::query::empty_is_none")]
    agent: Option<Uuid>,
    #[serde(default, deserialize_with = "crate::web::query::empty_is_none")]
    after: Option<i64>,
}

async fn page(
    State(state): State<Arc<AppState>>,
    PageViewer(viewer): PageViewer,
    Query(wanted): Query<Wanted>,
) -> Response {
    let store = &state.owners.store;
    let shell = match Shell::of(store, viewer, wanted.agent).await {
        Ok(shell) => shell,
        Err(error) => return errors::store(&error),
    };
    let limit = i64::try_from(ROWS + 1).unwrap_or(i64::MAX);
    match store.deliveries(&shell.listed(), wanted.after, limit).await {
        Ok(rows) => shell.page(Some(Section::Webhooks), "Webhooks", &body(&shell, &rows)),
        Err(error) => errors::store(&error),
    }
}

fn body(shell: &Shell, rows: &[DeliveryRow]) -> Markup {
    let zone = shell.zone();
    let said = |us: i64| time::when(&time::at(us, &zone), &shell.now);
    let older = rows.get(ROWS - 1).filter(|_| rows.len() > ROWS).map(|row| row.id);
    html! {
        h1 { "Webhooks" }
        p .zone { "What your server was told when a call ended. Times in " (shell.zone_name()) "." }
        @if rows.is_empty() {
            p .empty { "Nothing was told yet. Give the agent a webhook address, and each call that ends is posted to it, with its summary." }
        } @else {
            div .scroll {
                table {
                    thead { tr { th scope="col" { "When" } th scope="col" { "Call" } th scope="col" { "Try" } th scope="col" { "Answer" } th scope="col" { "Took" } th scope="col" { "Next" } th scope="col" { span .hidden { "Actions" } } } }
                    tbody {
                        @for row in rows.iter().take(ROWS) {
                            @let may = shell.agents.find(row.agent_id).is_some_and(|agent| agent.role >= Role::Maintainer);
                            tr {
                                td { time { (said(row.at_us)) } }
                                td { a href={ "/calls/" (row.call_id) } { "Call" span .hidden { " of " (said(row.at_us)) } } }
                                td .number { (row.attempt) }
                                td { (answer(row)) }
                                td .number { (row.ms) " ms" }
                                td { @if let Some(next) = row.next_us { time { (said(next)) } } }
                                td {
                                    @if may {
                                        form method="post" action={ "/webhooks/" (row.id) "/redeliver" } { button type="submit" { "Send again" } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            @if let Some(older) = older {
                nav .pager aria-label="More deliveries" { a href={ "/webhooks?after=" (older) @if let Some(agent) = shell.chosen { "&agent=" (agent) } } { "Older" } }
            }
        }
    }
}

fn answer(row: &DeliveryRow) -> Markup {
    html! {
        @match row.status {
            Some(status) if (200..300).contains(&status) => span .badge .good { "taken (" (status) ")" },
            Some(status) => span .badge .bad { "refused (" (status) ")" },
            None => span .badge .bad { "not reached" },
        }
        @if let Some(error) = &row.error { " " span .quiet { (error) } }
    }
}

async fn redeliver(
    State(state): State<Arc<AppState>>,
    PageViewer(viewer): PageViewer,
    Path(id): Path<i64>,
) -> Response {
    let store = &state.owners.store;
    let access = match may(&state, &viewer, Object::Delivery(id), "webhook.redeliver").await {
        Ok(access) => access,
        Err(refused) => return errors::refused(&refused),
    };
    match store.redeliver(&access, &viewer, id).await {
        Ok(true) => Redirect::to("/webhooks").into_response(),
        Ok(false) => errors::not_found(),
        Err(error) => errors::store(&error),
    }
}
