//! `/calls/{id}/events`: what happened in a call, as it was written down.

use std::sync::Arc;

use crate::web::routing::routes;
use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::store::EventRow;
use crate::store::access::{Object, Read};
use crate::web::AppState;
use crate::web::api::refusals::Refusals;
use crate::web::api::{Answer, Page};
use crate::web::extract::ApiPath;
use crate::web::problem::Problem;
use crate::web::query::Asking;
use crate::web::session::ApiRequest;

/// How many are given where nothing else is asked for, and at most.
const LIMIT: i64 = 500;
const LIMIT_MAX: i64 = 1_000;

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Which events.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
struct WantedEvents {
    /// Where to go on: `next` of the page before, or the last `seq` that is known.
    #[param(value_type = Option<i64>)]
    after: Option<String>,
    /// How many at most, 1 to 1,000.
    #[param(value_type = Option<i64>)]
    limit: Option<String>,
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
struct EventItem {
    /// Its place among the call's events.
    seq: i64,
    /// Milliseconds since the answer.
    at_ms: i64,
    /// What kind of thing: see docs/rows.md.
    kind: String,
    /// What belongs to it.
    data: Value,
}

/// What happened in a call, in order.
#[utoipa::path(
    get,
    path = "/calls/{id}/events",
    tag = "calls",
    params(("id" = Uuid, Path), WantedEvents),
    responses((status = 200, body = Page<EventItem>), Refusals)
)]
async fn list(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
    Asking(wanted): Asking<WantedEvents>,
) -> Answer<Page<EventItem>> {
    let store = &state.owners.store;
    let access = store.access::<Read>(&viewer, Object::Call(id)).await?;
    let after = number(wanted.after.as_deref(), "after")?.unwrap_or(i64::MIN);
    let limit = number(wanted.limit.as_deref(), "limit")?.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::invalid("limit", "a number from 1 to 1000"));
    }
    if store.is_overheard(&access, id).await? {
        state.owners.listening.note_call(store, &viewer, (access.agent_id(), id)).await?;
    }
    let events = store.call_events(&access, id, after, limit + 1).await?;
    let item = |event: EventRow| EventItem {
        seq: event.position(),
        at_ms: event.at_ms,
        kind: event.kind,
        data: event.data.into_inner(),
    };
    Ok(Json(Page::of(events, limit, |event| event.position().to_string(), item)))
}

fn number(text: Option<&str>, field: &str) -> Result<Option<i64>, Problem> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    text.map(str::parse).transpose().map_err(|_| Problem::invalid(field, "a whole number"))
}
