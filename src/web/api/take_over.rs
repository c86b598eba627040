//! `/calls/{id}/end` and `/calls/{id}/transfer`: acting on a live call.

use std::sync::Arc;

use crate::web::routing::routes;
use axum::extract::{FromRequest as _, Request};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::refusals::Refusals;
use crate::web::AppState;
use crate::web::extract::{ApiJson, ApiPath};
use crate::web::problem::Problem;
use crate::web::session::ApiRequest;

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new().routes(routes!(end)).routes(routes!(transfer))
}

/// How a call is to end.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EndCall {
    /// What the agent says last, word for word, at most 300 characters; without it, a goodbye.
    words: Option<String>,
}

/// Where a caller is to go.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TransferCall {
    /// One of the agent's transfer targets by its name, or a telephone number (maintainers and up).
    to: String,
}

/// Ends a live call: the agent says these words or a goodbye, and hangs up.
///
/// Who may: maintainers and up, and support where the agent's setting `live.take_over` is `support`. The
/// answer comes when the call has been told, before the words are said.
#[utoipa::path(
    post,
    path = "/calls/{id}/end",
    tag = "live calls",
    params(("id" = Uuid, Path, description = "The call.")),
    request_body(content = Option<EndCall>),
    responses(
        (status = 204, description = "The call has been told."),
        Refusals,
        (status = 409, body = Problem, description = "It is over, or the agent is not in it.")
    )
)]
async fn end(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
    request: Request,
) -> Result<StatusCode, Problem> {
    let wanted = match request.headers().contains_key(CONTENT_TYPE) {
        true => ApiJson::<EndCall>::from_request(request, &state).await?.0,
        false => EndCall::default(),
    };
    state.end_call(&viewer, id, wanted.words.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Puts the caller of a live call through: the agent says so, and leaves the call.
///
/// Who may: as with ending it; a number may be given by maintainers and up.
#[utoipa::path(
    post,
    path = "/calls/{id}/transfer",
    tag = "live calls",
    params(("id" = Uuid, Path, description = "The call.")),
    request_body(content = TransferCall),
    responses(
        (status = 204, description = "The call has been told."),
        Refusals,
        (status = 409, body = Problem, description = "It is over, the agent is not in it, or somebody puts the caller through at this moment.")
    )
)]
async fn transfer(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(wanted): ApiJson<TransferCall>,
) -> Result<StatusCode, Problem> {
    state.transfer_call(&viewer, id, &wanted.to).await?;
    Ok(StatusCode::NO_CONTENT)
}
