//! `/agents/{id}/versions`.

use std::sync::Arc;

use crate::web::routing::routes;
use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::refusals::{Conflict, Refusals};
use super::{Answer, Page};
use crate::store::access::{Inspect, Object};
use crate::store::versions::AgentVersion;
use crate::web::AppState;
use crate::web::editing::diff::{FieldChange, changes};
use crate::web::editing::restore::restore;
use crate::web::extract::{ApiPath, ApiQuery};
use crate::web::guard::may;
use crate::web::query::empty_is_none;
use crate::web::session::ApiRequest;

/// Versions of a page unless said, and at most.
const LIMIT: i64 = 50;
const LIMIT_MAX: i64 = 100;

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(back))
}

/// A change of an agent.
#[derive(Debug, Serialize, ToSchema)]
struct VersionItem {
    /// The agent's first is 1.
    n: i32,
    /// When, RFC 3339.
    at: String,
    /// Who; null for what it was before the first change.
    changed_by: Option<Uuid>,
    /// Their name.
    changed_by_name: Option<String>,
    /// `agent`, `business` or `function <id>`.
    part: String,
    /// The fields that differ from before, secrets masked.
    changes: Vec<FieldChange>,
}

/// What going back did.
#[derive(Debug, Serialize, ToSchema)]
struct RestoredBody {
    /// The fields that are other now.
    changes: Vec<FieldChange>,
    /// Secrets of that version that are not stored any more.
    missing: Vec<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
struct Asked {
    /// At most so many, up to 100.
    #[serde(default, deserialize_with = "empty_is_none")]
    limit: Option<i64>,
    /// `next` of the page before.
    #[serde(default, deserialize_with = "empty_is_none")]
    after: Option<i32>,
}

/// What was changed, by whom, the newest first.
#[utoipa::path(
    get,
    path = "/agents/{id}/versions",
    tag = "agents",
    params(("id" = Uuid, Path), Asked),
    responses((status = 200, body = Page<VersionItem>), Refusals)
)]
async fn list(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
    ApiQuery(asked): ApiQuery<Asked>,
) -> Answer<Page<VersionItem>> {
    let store = &state.owners.store;
    let object = Object::Agent(id);
    let access = may::<Inspect>(&state, &viewer, object, "agent.inspect").await?;
    let limit = asked.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let rows = store.agent_versions(&access, asked.after, limit + 1).await?;
    let item = |row: AgentVersion| VersionItem {
        n: row.n,
        at: jiff::Timestamp::from_microsecond(row.at_us).unwrap_or_default().to_string(),
        changed_by: row.changed_by,
        changed_by_name: row.changed_by_name,
        part: row.part,
        changes: changes(&row.before.unwrap_or(Value::Null), &row.after.unwrap_or(Value::Null)),
    };
    Ok(Json(Page::of(rows, limit, |row| row.n.to_string(), item)))
}

/// Makes the part that a version is about what it was after that change. That is a change again. The
/// agent's number and status stay as they are.
#[utoipa::path(
    post,
    path = "/agents/{id}/versions/{n}/restore",
    tag = "agents",
    params(("id" = Uuid, Path), ("n" = i32, Path)),
    responses((status = 200, body = RestoredBody), Conflict, Refusals)
)]
async fn back(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath((id, n)): ApiPath<(Uuid, i32)>,
) -> Answer<RestoredBody> {
    let restored = restore(&state, &viewer, id, n).await?;
    Ok(Json(RestoredBody { changes: restored.changes, missing: restored.missing }))
}
