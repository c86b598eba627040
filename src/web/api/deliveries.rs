//! `/webhook-deliveries`: what owners' servers were told, and told again.

use std::sync::Arc;

use crate::web::routing::routes;
use axum::Json;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::refusals::Refusals;
use super::{Answer, Page};
use crate::post_call::webhook::COMPLETED;
use crate::store::access::Object;
use crate::store::wirings::DeliveryRow;
use crate::web::AppState;
use crate::web::extract::{ApiPath, ApiQuery};
use crate::web::guard::may;
use crate::web::problem::Problem;
use crate::web::session::ApiRequest;
use crate::web::webhooks::try_webhook;

/// Rows of a page unless said.
const ROWS: i64 = 50;

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(redeliver)).routes(routes!(test))
}

/// An attempt to tell an owner's server of a call.
#[derive(Debug, Serialize, ToSchema)]
struct DeliveryItem {
    id: i64,
    call_id: Uuid,
    agent_id: Uuid,
    /// What it told of: `call.completed`.
    event: &'static str,
    /// The same for each attempt at one message.
    message_id: String,
    /// From 1.
    attempt: i32,
    /// RFC 3339.
    at: String,
    /// The HTTP status that came back.
    status: Option<i32>,
    /// Why none did.
    error: Option<String>,
    ms: i32,
    /// When it is tried again, RFC 3339.
    next_attempt: Option<String>,
}

/// Which ones.
#[derive(Debug, Deserialize, IntoParams)]
struct Wanted {
    /// One agent's alone.
    agent: Option<Uuid>,
    /// `next` of the page before.
    after: Option<i64>,
    /// At most so many, up to 100.
    limit: Option<i64>,
}

/// What your servers were told of calls, newest first.
#[utoipa::path(
    get,
    path = "/webhook-deliveries",
    tag = "webhooks",
    params(Wanted),
    responses((status = 200, body = Page<DeliveryItem>), Refusals)
)]
async fn list(
    ApiRequest { state, viewer }: ApiRequest,
    ApiQuery(wanted): ApiQuery<Wanted>,
) -> Answer<Page<DeliveryItem>> {
    let agents = state.owners.store.visible_agents(&viewer).await?.only(wanted.agent);
    let limit = wanted.limit.unwrap_or(ROWS).clamp(1, 100);
    let rows = state.owners.store.deliveries(&agents, wanted.after, limit + 1).await?;
    let time = |us| jiff::Timestamp::from_microsecond(us).unwrap_or_default().to_string();
    let item = |row: DeliveryRow| DeliveryItem {
        id: row.id,
        call_id: row.call_id,
        agent_id: row.agent_id,
        event: COMPLETED,
        message_id: row.message_id,
        attempt: row.attempt,
        at: time(row.at_us),
        status: row.status,
        error: row.error,
        ms: row.ms,
        next_attempt: row.next_us.map(time),
    };
    Ok(Json(Page::of(rows, limit, |row| row.id.to_string(), item)))
}

/// Tells your server of a delivery's call once more.
#[utoipa::path(
    post,
    path = "/webhook-deliveries/{id}/redeliver",
    tag = "webhooks",
    params(("id" = i64, Path, description = "The delivery")),
    responses((status = 202), Refusals)
)]
async fn redeliver(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<i64>,
) -> Result<StatusCode, Problem> {
    let access = may(&state, &viewer, Object::Delivery(id), "webhook.redeliver").await?;
    match state.owners.store.redeliver(&access, &viewer, id).await? {
        true => Ok(StatusCode::ACCEPTED),
        false => Err(Problem::not_found()),
    }
}

/// What came of a test.
#[derive(Debug, Serialize, ToSchema)]
struct TestAnswer {
    /// Whether your server took it.
    taken: bool,
    /// The HTTP status that came back.
    status: Option<u16>,
    /// Why it was not taken.
    error: Option<String>,
    ms: u64,
}

/// Posts a message of the type `test` to the agent's webhook, signed as others are, and says what came
/// of it. It is not repeated, and not among the deliveries.
#[utoipa::path(
    post,
    path = "/agents/{id}/webhook/test",
    tag = "webhooks",
    params(("id" = Uuid, Path, description = "The agent")),
    responses(
        (status = 200, body = TestAnswer),
        Refusals,
        (status = 409, description = "The agent has no webhook", body = Problem)
    )
)]
async fn test(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
) -> Answer<TestAnswer> {
    let trial = try_webhook(&state, &viewer, id).await?;
    let taken = trial.error.is_none();
    Ok(Json(TestAnswer { taken, status: trial.status, error: trial.error, ms: trial.ms }))
}
