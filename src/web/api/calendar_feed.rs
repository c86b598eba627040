//! `/agents/{id}/calendar-feed`.

use std::sync::Arc;

use crate::web::routing::routes;
use axum::Json;
use http::StatusCode;
use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::Answer;
use super::refusals::Refusals;
use crate::store::access::{Maintain, Object, Read};
use crate::web::AppState;
use crate::web::bookings::ics;
use crate::web::extract::ApiPath;
use crate::web::guard::may;
use crate::web::iso;
use crate::web::problem::Problem;
use crate::web::session::ApiRequest;

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new().routes(routes!(read, make, revoke))
}

/// Whether a calendar feed is in force. Its address was shown when it was made.
#[derive(Debug, Serialize, ToSchema)]
struct FeedItem {
    active: bool,
    created: Option<String>,
    /// When a calendar last read it.
    last_read: Option<String>,
}

/// The agent's calendar feed.
#[utoipa::path(
    get,
    path = "/agents/{id}/calendar-feed",
    tag = "appointments",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = FeedItem), Refusals)
)]
async fn read(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
) -> Answer<FeedItem> {
    let store = &state.owners.store;
    let access = store.access::<Read>(&viewer, Object::Agent(id)).await?;
    let feed = store.feed(&access).await?;
    let time = |us: i64| iso::time(us, &TimeZone::UTC);
    Ok(Json(FeedItem {
        active: feed.is_some(),
        created: feed.as_ref().map(|feed| time(feed.created_us)),
        last_read: feed.and_then(|feed| feed.read_us).map(time),
    }))
}

/// A feed that was made.
#[derive(Debug, Serialize, ToSchema)]
struct MadeFeed {
    /// Where calendars read it. It is shown now and never again; whoever has it reads the bookings.
    url: String,
}

/// Makes the agent's calendar feed. The address of an older one stops working.
#[utoipa::path(
    post,
    path = "/agents/{id}/calendar-feed",
    tag = "appointments",
    params(("id" = Uuid, Path)),
    responses((status = 201, body = MadeFeed), Refusals)
)]
async fn make(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<(StatusCode, Json<MadeFeed>), Problem> {
    let url = ics::make(&state, &viewer, id).await?;
    Ok((StatusCode::CREATED, Json(MadeFeed { url })))
}

/// Stops the agent's calendar feed: its address is 404 at once.
#[utoipa::path(
    delete,
    path = "/agents/{id}/calendar-feed",
    tag = "appointments",
    params(("id" = Uuid, Path)),
    responses((status = 204), Refusals)
)]
async fn revoke(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<StatusCode, Problem> {
    let access = may::<Maintain>(&state, &viewer, Object::Agent(id), "feed.revoke").await?;
    state.owners.store.revoke_feed(&access, &viewer).await?;
    Ok(StatusCode::NO_CONTENT)
}
