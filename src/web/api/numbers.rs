//! `/numbers`: Twilio's numbers.

use std::sync::Arc;

use crate::web::routing::routes;
use axum::Json;
use http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::refusals::{Conflict, Refusals};
use super::{Answer, Page};
use crate::store::access::{Maintain, Object};
use crate::web::AppState;
use crate::web::extract::{ApiJson, ApiPath, ApiQuery};
use crate::web::guard::may;
use crate::web::numbers::{self, NumberItem};
use crate::web::problem::Problem;
use crate::web::session::ApiRequest;

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(connect)).routes(routes!(restore))
}

/// Which ones.
#[derive(Debug, Deserialize, IntoParams)]
struct Wanted {
    /// One agent's alone.
    agent: Option<Uuid>,
    /// `next` of the page before.
    after: Option<Uuid>,
}

/// The numbers on the Twilio accounts of your agents, of twenty agents on a page. An account that Twilio
/// does not answer for is left out; the page Numbers says why.
#[utoipa::path(
    get,
    path = "/numbers",
    tag = "numbers",
    params(Wanted),
    responses((status = 200, body = Page<NumberItem>), Refusals)
)]
async fn list(
    ApiRequest { state, viewer }: ApiRequest,
    ApiQuery(wanted): ApiQuery<Wanted>,
) -> Answer<Page<NumberItem>> {
    let agents = state.owners.store.visible_agents(&viewer).await?.only(wanted.agent);
    let listed = numbers::page_of(&state, &viewer, &agents, wanted.after).await?;
    let items = listed.accounts.into_iter().filter_map(|account| account.numbers.ok()).flatten();
    let next = listed.next.map(|last| last.to_string());
    Ok(Json(Page { items: items.collect(), next }))
}

/// Whose account has the number, and who answers it.
#[derive(Debug, Deserialize, ToSchema)]
struct OfAgent {
    /// The agent's id.
    agent: Uuid,
}

/// Has a number's calls come to an agent. What Twilio did with it before is kept.
#[utoipa::path(
    post,
    path = "/numbers/{sid}/connect",
    tag = "numbers",
    params(("sid" = String, Path, description = "Twilio's name for the number")),
    request_body = OfAgent,
    responses(
        (status = 204),
        Conflict,
        Refusals,
        (status = 502, body = Problem)
    )
)]
async fn connect(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(sid): ApiPath<String>,
    ApiJson(wanted): ApiJson<OfAgent>,
) -> Result<StatusCode, Problem> {
    let object = Object::Agent(wanted.agent);
    let access = may::<Maintain>(&state, &viewer, object, "number.connect").await?;
    numbers::connect(&state, &viewer, &access, &sid).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Puts a number back to what Twilio did with it before it was connected.
#[utoipa::path(
    post,
    path = "/numbers/{sid}/restore",
    tag = "numbers",
    params(("sid" = String, Path, description = "Twilio's name for the number")),
    request_body = OfAgent,
    responses(
        (status = 204),
        Refusals,
        (status = 502, body = Problem)
    )
)]
async fn restore(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(sid): ApiPath<String>,
    ApiJson(wanted): ApiJson<OfAgent>,
) -> Result<StatusCode, Problem> {
    let object = Object::Agent(wanted.agent);
    let access = may::<Maintain>(&state, &viewer, object, "number.restore").await?;
    numbers::restore(&state, &viewer, &access, &sid).await?;
    Ok(StatusCode::NO_CONTENT)
}
