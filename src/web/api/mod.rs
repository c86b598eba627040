//! The API: `/api/v1`, JSON, described by `/api/v1/openapi.json`.

mod access;
mod agents;
mod appointments;
mod appointments_wanted;
mod calendar_feed;
mod callers;
mod calls;
mod collected;
mod deliveries;
mod functions;
mod live;
mod numbers;
mod paging;
mod refusals;
mod sources;
mod take_over;
mod tasks;
mod tokens;
mod usage;
mod versions;

use std::sync::Arc;

use crate::web::routing::get;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde::Serialize;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use super::AppState;
use super::lists::cut;
use super::problem::Problem;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// The items, in the list's order.
    pub(super) items: Vec<T>,
    /// What `after` takes for the next page; null on the last.
    pub(super) next: Option<String>,
}

impl<T> Page<T> {
    /// The page of what was read for one row more than `limit`; `place` is what the next page goes on
    /// behind.
    fn of<R>(
        mut rows: Vec<R>,
        limit: i64,
        place: impl Fn(&R) -> String,
        item: impl FnMut(R) -> T,
    ) -> Self {
        let has_more = cut(&mut rows, limit);
        let next = rows.last().filter(|_| has_more).map(place);
        Self { items: rows.into_iter().map(item).collect(), next }
    }
}

/// What is said of the API as a whole.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Frontdesk",
        description = "Agents that answer a business's phone: their calls, tasks and appointments."
    ),
    modifiers(&Bearer),
    security(("bearer" = []))
)]
struct Described;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

/// All routes, and their description.
fn described() -> (Router<Arc<AppState>>, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(Described::openapi())
        .nest(
            "/api/v1",
            OpenApiRouter::new()
                .merge(agents::routes())
                .merge(callers::routes())
                .merge(appointments::routes())
                .merge(calendar_feed::routes())
                .merge(access::routes())
                .merge(tokens::routes())
                .merge(calls::routes())
                .merge(deliveries::routes())
                .merge(live::routes())
                .merge(numbers::routes())
                .merge(sources::routes())
                .merge(take_over::routes())
                .merge(tasks::routes())
                .merge(usage::routes())
                .merge(functions::routes())
                .merge(collected::routes())
                .merge(versions::routes()),
        )
        .split_for_parts()
}

/// All routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    let (router, openapi) = described();
    let text = openapi.to_json().unwrap_or_default();
    let document = move || {
        let text = text.clone();
        async move { ([(http::header::CONTENT_TYPE, "application/json")], text) }
    };
    router
        .route("/api/v1/openapi.json", get(document))
        .route("/api/v1/{*rest}", axum::routing::any(nothing))
}

async fn nothing() -> Response {
    Problem::not_found().into_response()
}

/// The answer of a handler.
pub(super) type Answer<T> = Result<Json<T>, Problem>;
