//! `/agents`.

use std::sync::Arc;

use crate::web::routing::routes;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{ETAG, IF_MATCH};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::paging::Paging;
use super::refusals::Refusals;
use super::{Answer, Page};
use crate::agent::{Agent, AgentSource};
use crate::store::access::{Inspect, Object, Own, Read};
use crate::store::people::Viewer;
use crate::web::AppState;
use crate::web::body::JsonFields;
use crate::web::editing::document::{document, masked};
use crate::web::editing::{Seen, access, agent, change as changing, make_known, version_of};
use crate::web::extract::{ApiPath, ApiQuery};
use crate::web::problem::Problem;
use crate::web::session::ApiRequest;

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new().routes(routes!(list, make)).routes(routes!(read, change, delete))
}

/// An agent in a list.
#[derive(Debug, Serialize, ToSchema)]
struct AgentItem {
    id: Uuid,
    name: String,
    twilio_phone_number: Option<String>,
    status: String,
    /// What you are to it: support, maintainer, owner or admin.
    role: &'static str,
}

/// An agent. Who may not change it sees neither its settings nor its version.
#[derive(Debug, Serialize, ToSchema)]
struct AgentBody {
    id: Uuid,
    name: String,
    twilio_phone_number: Option<String>,
    /// active, inactive or suspended.
    status: String,
    /// Whether it is out of service for now.
    #[serde(rename = "unAvailable")]
    unavailable: bool,
    /// What you are to it: support, maintainer, owner or admin.
    role: &'static str,
    /// `business_name`, `business_phone`, `type_of_business`, `business_summary`,
    /// `additional_context`, `default_appointment_length` (minutes), `operating_schedule` and
    /// `business_timezone`.
    #[schema(value_type = Object)]
    business: Value,
    /// `private_settings`. Secrets are masked; a mask that is sent back keeps what is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    settings: Option<Value>,
    /// What to send as `version`, or in `If-Match`, with a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// Values that calls go on without: a default takes their place.
    #[serde(skip_serializing_if = "Option::is_none")]
    faults: Option<Vec<FaultItem>>,
}

/// A value that is not used as it stands.
#[derive(Debug, Serialize, ToSchema)]
struct FaultItem {
    field: String,
    found: &'static str,
    accepted: String,
}

/// A new agent, or what changes of one: what is not given stays as it is.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes a body that is read field by field")]
struct AgentChange {
    name: Option<String>,
    /// With its country code, or as it is dialled where the business is; null for none. An agent that
    /// uses the server's Twilio account answers it once an administrator has connected or written it.
    twilio_phone_number: Option<String>,
    /// active or inactive.
    status: Option<String>,
    #[schema(rename = "unAvailable")]
    unavailable: Option<bool>,
    /// Merged into what is there: fields of objects one by one, null removes (RFC 7396).
    #[schema(value_type = Option<Object>)]
    settings: Option<Value>,
    /// Each field replaces what is there, null removes it.
    #[schema(value_type = Option<Object>)]
    business: Option<Value>,
    /// The version that you read: a change by somebody else since then is 409.
    version: Option<String>,
}

/// What became of a deletion.
#[derive(Debug, Serialize, ToSchema)]
struct AgentDeleted {
    id: Uuid,
    /// How many calls it has now; they go on to their end.
    calls_now: i64,
    /// What callers of its number hear from now on.
    then: &'static str,
}

/// What callers of a deleted agent's number hear.
const NOT_IN_SERVICE: &str = "callers of its number hear that it is not in service, until another \
                              agent has the number";

/// The agents that you see, the oldest first.
#[utoipa::path(
    get,
    path = "/agents",
    tag = "agents",
    params(Paging),
    responses((status = 200, body = Page<AgentItem>), Refusals)
)]
async fn list(
    ApiRequest { state, viewer }: ApiRequest,
    ApiQuery(paging): ApiQuery<Paging>,
) -> Answer<Page<AgentItem>> {
    let agents = state.owners.store.visible_agents(&viewer).await?;
    let items = agents.list().iter().map(|agent| AgentItem {
        id: agent.id,
        name: agent.name.clone(),
        twilio_phone_number: agent.number.as_ref().or(agent.typed_number.as_ref()).cloned(),
        status: agent.status.clone(),
        role: agent.role.word(),
    });
    Ok(Json(paging.part_of(items.collect(), |agent: &AgentItem| agent.id.to_string())?))
}

/// Makes an agent of your own.
#[utoipa::path(
    post,
    path = "/agents",
    tag = "agents",
    request_body = AgentChange,
    responses(
        (status = 201, body = AgentBody),
        Refusals,
        (status = 409, body = Problem, description = "the number is taken, or the plan allows no more")
    )
)]
async fn make(
    ApiRequest { state, viewer }: ApiRequest,
    body: JsonFields,
) -> Result<Response, Problem> {
    let id = agent::make(&state, &viewer, body.0).await?;
    Ok((StatusCode::CREATED, shown(&state, &viewer, id).await?).into_response())
}

/// One agent.
#[utoipa::path(
    get,
    path = "/agents/{id}",
    tag = "agents",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = AgentBody), Refusals)
)]
async fn read(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Response, Problem> {
    shown(&state, &viewer, id).await
}

/// Changes an agent. The next call knows it. Every change is a version that can be restored.
#[utoipa::path(
    patch,
    path = "/agents/{id}",
    tag = "agents",
    params(("id" = Uuid, Path)),
    request_body = AgentChange,
    responses(
        (status = 200, body = AgentBody),
        Refusals,
        (status = 409, body = Problem, description = "changed meanwhile, or the number is taken")
    )
)]
async fn change(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
    headers: HeaderMap,
    body: JsonFields,
) -> Result<Response, Problem> {
    let mut fields = body.0;
    let seen = seen(&headers, &mut fields)?;
    changing::change(&state, &viewer, id, fields, seen.as_ref()).await?;
    shown(&state, &viewer, id).await
}

/// Deletes an agent. Its calls and appointments stay stored and are not shown any more.
#[utoipa::path(
    delete,
    path = "/agents/{id}",
    tag = "agents",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = AgentDeleted), Refusals)
)]
async fn delete(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
) -> Answer<AgentDeleted> {
    let access = access::<Own>(&state, &viewer, Object::Agent(id), "agent.delete").await?;
    let store = &state.owners.store;
    let calls_now = store.calls_of_agent_now(&access).await?;
    store.delete_agent(&access, &viewer).await?;
    make_known(&state, id, None).await;
    Ok(Json(AgentDeleted { id, calls_now, then: NOT_IN_SERVICE }))
}

/// The version that somebody read: in `If-Match`, or as the field `version`.
pub(super) fn seen(
    headers: &HeaderMap,
    fields: &mut Map<String, Value>,
) -> Result<Option<Seen>, Problem> {
    let field = match fields.remove("version") {
        None | Some(Value::Null) => None,
        Some(Value::String(version)) => Some(version),
        Some(_) => {
            return Err(Problem::invalid("version", "accepted is the version that you read"));
        }
    };
    let header = headers.get(IF_MATCH).and_then(|header| header.to_str().ok());
    let header = header.map(|header| header.trim().trim_start_matches("W/").trim_matches('"'));
    let version = field.or_else(|| header.filter(|header| *header != "*").map(str::to_owned));
    Ok(version.map(|version| Seen { pointers: Vec::new(), version }))
}

async fn shown(state: &AppState, viewer: &Viewer, id: Uuid) -> Result<Response, Problem> {
    let store = &state.owners.store;
    let access = store.access::<Read>(viewer, Object::Agent(id)).await?;
    let inspecting = access.raised::<Inspect>(viewer);
    let row = match &inspecting {
        Some(access) => store.agent_to_inspect(access).await?,
        None => store.agent_to_read(&access).await?,
    };
    let row = row.ok_or_else(Problem::not_found)?;
    let body = body(&row, access.role().word(), inspecting.is_some());
    let etag = body.version.as_ref().map(|version| [(ETAG, format!("\"{version}\""))]);
    Ok((etag, Json(body)).into_response())
}

fn body(row: &AgentSource, role: &'static str, may_inspect: bool) -> AgentBody {
    let document = document(row);
    let mut shown = masked(&document);
    AgentBody {
        id: row.id,
        name: row.name.reveal().clone(),
        twilio_phone_number: row.number.as_ref().map(|number| number.reveal().clone()),
        status: row.status.clone(),
        unavailable: row.unavailable,
        role,
        business: shown["business"].take(),
        settings: may_inspect.then(|| shown["settings"].take()),
        version: may_inspect.then(|| version_of(&document)),
        faults: may_inspect.then(|| {
            let faults = Agent::new(row.clone()).faults.into_iter();
            let items = faults.map(|fault| FaultItem {
                field: fault.path,
                found: fault.found,
                accepted: fault.accepted,
            });
            items.collect()
        }),
    }
}
