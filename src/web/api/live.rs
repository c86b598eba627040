//! `/live`: what happens in live calls, as it happens.

use std::sync::Arc;

use crate::web::routing::routes;
use axum::response::Response;
use http::request::Parts;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::refusals::Refusals;
use crate::store::access::{Object, Read};
use crate::web::AppState;
use crate::web::extract::ApiQuery;
use crate::web::live::stream::{Wanted, answer};
use crate::web::live::words::LiveMessage;
use crate::web::problem::Problem;
use crate::web::session::ApiRequest;

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new().routes(routes!(live))
}

/// What an `id` may be: microseconds since the Unix epoch that the database has a time for.
const POSITIONS: std::ops::RangeInclusive<i64> = 0..=253_402_207_200_000_000;

/// What the stream is asked with.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// One agent's calls alone.
    #[serde(default, deserialize_with = "crate::web::query::empty_is_none")]
    #[param(value_type = Option<Uuid>)]
    agent: Option<Uuid>,
    /// One call alone, also a test.
    #[serde(default, deserialize_with = "crate::web::query::empty_is_none")]
    #[param(value_type = Option<Uuid>)]
    call: Option<Uuid>,
    /// `true`: test calls too.
    #[serde(default)]
    tests: bool,
    /// `false`: what there is now, and the answer ends.
    #[serde(default = "yes")]
    follow: bool,
    /// The `id` to go on behind, for those who cannot send `Last-Event-ID`.
    #[serde(default, deserialize_with = "crate::web::query::empty_is_none")]
    #[param(value_type = Option<i64>)]
    after: Option<i64>,
}

fn yes() -> bool {
    true
}

/// Live calls as a stream of events (SSE).
///
/// `call.started`, `call.words` and `call.ended`; `data` is JSON. A line of `call.words` is told again
/// whenever there is more of it. `id` is a position: sent back in `Last-Event-ID`, the stream goes on
/// behind it, and some of it may be told twice. A stream ends now and then; come back with the last `id`.
/// At most four at a time for a person, and a hundred for all people of a business together. Who sees no agent
/// gets what there is, and the end.
#[utoipa::path(
    get,
    path = "/live",
    tag = "live calls",
    params(Asked),
    responses((status = 200, content_type = "text/event-stream", body = LiveMessage), Refusals)
)]
async fn live(
    ApiRequest { state, viewer }: ApiRequest,
    ApiQuery(asked): ApiQuery<Asked>,
    parts: Parts,
) -> Result<Response, Problem> {
    let store = &state.owners.store;
    let call = match asked.call {
        Some(call) => {
            let access = store.access::<Read>(&viewer, Object::Call(call)).await?;
            Some((access.agent_id(), call))
        }
        None => None,
    };
    if let Some(agent) = asked.agent {
        store.access::<Read>(&viewer, Object::Agent(agent)).await?;
    }
    if let Some(after) = asked.after.filter(|after| !POSITIONS.contains(after)) {
        let why = format!("{after} is no `id` of this stream; accepted is one that was told");
        return Err(Problem::invalid("after", why));
    }
    let header = parts.headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let wanted = Wanted {
        agent: asked.agent,
        call,
        tests: asked.tests,
        // What cannot be one begins anew: whoever sends it cannot choose.
        position: header
            .and_then(|id| id.trim().parse().ok())
            .filter(|id| POSITIONS.contains(id))
            .or(asked.after),
        follow: asked.follow,
    };
    answer(Arc::clone(&state), &viewer, parts, wanted).await
}
