//! `/agents/{id}/functions` and `/functions/{id}`.

use std::sync::Arc;

use crate::web::routing::routes;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::ETAG;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::agents::seen;
use super::paging::Paging;
use super::refusals::{Conflict, Refusals};
use super::{Answer, Page};
use crate::agent::Agent;
use crate::agent::edit::cautions::Caution;
use crate::agent::function::FunctionSource;
use crate::functions::{CameBack, SentRequest};
use crate::store::FunctionUse;
use crate::store::access::{Inspect, Object};
use crate::store::people::Viewer;
use crate::web::AppState;
use crate::web::body::JsonFields;
use crate::web::editing::function::{self, document, find, masked};
use crate::web::editing::try_function::{Tried, try_function};
use crate::web::editing::version_of;
use crate::web::editing::warnings::warnings;
use crate::web::extract::{ApiPath, ApiQuery};
use crate::web::guard::may;
use crate::web::problem::Problem;
use crate::web::session::ApiRequest;

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new()
        .routes(routes!(list, make))
        .routes(routes!(read, change, delete))
        .routes(routes!(dry_run))
}

/// A function that the agent may call.
#[derive(Debug, Serialize, ToSchema)]
struct FunctionBody {
    id: Uuid,
    /// json_api, form, flows or function.
    #[serde(rename = "type")]
    kind: Option<String>,
    name: Option<String>,
    purpose: Option<String>,
    trigger_reason: Option<String>,
    /// What it does, by its type. Keys that are written out are masked; a mask that is sent back keeps
    /// what is stored.
    #[schema(value_type = Value)]
    data: Value,
    /// A list of variables, or a JSON Schema of an object.
    #[schema(value_type = Value)]
    variables: Value,
    is_active: bool,
    save_data: bool,
    is_shownable: bool,
    /// How often it was called in the last 30 days.
    uses: i64,
    /// How often it did not do then what was asked.
    failures: i64,
    /// What its owner should know of it: why it is left out of calls, that it replaces a built-in one, or
    /// what of it can never work. It is kept as it is written.
    warnings: Vec<WarningItem>,
    /// What to send as `version`, or in `If-Match`, with a change.
    version: String,
}

/// Something that the owner of a function may not mean.
#[derive(Debug, Serialize, ToSchema)]
struct WarningItem {
    /// The field that it is about, such as `data.url`.
    field: String,
    /// What will come of it.
    detail: String,
}

/// A new function, or what changes of one: what is given is replaced, what is not stays as it is.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes a body that is read field by field")]
struct FunctionChange {
    /// json_api, form, flows or function.
    #[schema(rename = "type")]
    kind: Option<String>,
    name: Option<String>,
    purpose: Option<String>,
    trigger_reason: Option<String>,
    #[schema(value_type = Option<Object>)]
    data: Option<Value>,
    #[schema(value_type = Option<Value>)]
    variables: Option<Value>,
    is_active: Option<bool>,
    save_data: Option<bool>,
    is_shownable: Option<bool>,
    /// The version that you read: a change by somebody else since then is 409.
    version: Option<String>,
}

/// What to try a function with.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes a body that is read field by field")]
struct DryRunAsked {
    /// The arguments that the model would give.
    #[schema(value_type = Option<Object>)]
    arguments: Option<Value>,
    /// Who is pretended to call.
    caller: Option<String>,
}

/// What came of trying a function.
#[derive(Debug, Serialize, ToSchema)]
struct DryRunBody {
    /// The request as it was sent, without secrets; null where none was.
    request: Option<RequestBody>,
    /// What came back; null where nothing did.
    answer: Option<AnswerBody>,
    /// How long it took.
    ms: Option<u64>,
    /// What the model would be told.
    #[schema(value_type = Option<Object>)]
    output: Option<Value>,
    /// What would happen in a call, for a function that asks nobody by itself.
    would: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct RequestBody {
    method: String,
    url: String,
    /// Names and values.
    headers: Vec<HeaderItem>,
    body: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct HeaderItem {
    name: String,
    value: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct AnswerBody {
    status: u16,
    content_type: Option<String>,
    body: String,
}

/// An agent's functions, the oldest first.
#[utoipa::path(
    get,
    path = "/agents/{id}/functions",
    tag = "functions",
    params(("id" = Uuid, Path), Paging),
    responses((status = 200, body = Page<FunctionBody>), Refusals)
)]
async fn list(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
    ApiQuery(paging): ApiQuery<Paging>,
) -> Answer<Page<FunctionBody>> {
    let store = &state.owners.store;
    let object = Object::Agent(id);
    let access = may::<Inspect>(&state, &viewer, object, "function.inspect").await?;
    let row = store.agent_to_inspect(&access).await?.ok_or_else(Problem::not_found)?;
    let uses = store.function_uses(&access).await?;
    let agent = Agent::new(row.clone());
    let warned = |function: &FunctionSource| warnings(&state, &agent, function.id);
    let items = row.functions.iter().map(|row| body(row, &uses, warned(row))).collect();
    Ok(Json(paging.part_of(items, |function: &FunctionBody| function.id.to_string())?))
}

/// Makes a function of an agent's.
#[utoipa::path(
    post,
    path = "/agents/{id}/functions",
    tag = "functions",
    params(("id" = Uuid, Path)),
    request_body = FunctionChange,
    responses((status = 201, body = FunctionBody), Conflict, Refusals)
)]
async fn make(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
    body: JsonFields,
) -> Result<Response, Problem> {
    let made = function::make(&state, &viewer, id, body.0).await?;
    Ok((StatusCode::CREATED, shown(&state, &viewer, made.id).await?).into_response())
}

/// One function.
#[utoipa::path(
    get,
    path = "/functions/{id}",
    tag = "functions",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = FunctionBody), Refusals)
)]
async fn read(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Response, Problem> {
    shown(&state, &viewer, id).await
}

/// Changes a function. The next call knows it. Every change is a version of the agent.
#[utoipa::path(
    patch,
    path = "/functions/{id}",
    tag = "functions",
    params(("id" = Uuid, Path)),
    request_body = FunctionChange,
    responses(
        (status = 200, body = FunctionBody),
        Refusals,
        (status = 409, body = Problem, description = "changed meanwhile, or steps call it")
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
    function::change(&state, &viewer, id, fields, seen.as_ref()).await?;
    shown(&state, &viewer, id).await
}

/// Deletes a function. Its last version can be restored.
#[utoipa::path(
    delete,
    path = "/functions/{id}",
    tag = "functions",
    params(("id" = Uuid, Path)),
    responses(
        (status = 204),
        Refusals,
        (status = 409, body = Problem, description = "steps call it")
    )
)]
async fn delete(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<StatusCode, Problem> {
    function::delete(&state, &viewer, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tries a function as it is stored. One of type `json_api` really asks its service.
#[utoipa::path(
    post,
    path = "/functions/{id}/dry-run",
    tag = "functions",
    params(("id" = Uuid, Path)),
    request_body = DryRunAsked,
    responses((status = 200, body = DryRunBody), Refusals)
)]
async fn dry_run(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
    body: JsonFields,
) -> Answer<DryRunBody> {
    let fields = body.only(&["arguments", "caller"])?;
    let nothing = Map::new();
    let arguments = match fields.get("arguments") {
        None | Some(Value::Null) => &nothing,
        Some(Value::Object(arguments)) => arguments,
        Some(_) => return Err(Problem::invalid("arguments", "accepted is an object")),
    };
    let caller = match fields.get("caller") {
        None | Some(Value::Null) => None,
        Some(Value::String(caller)) => Some(caller.as_str()),
        Some(_) => return Err(Problem::invalid("caller", "accepted is a telephone number")),
    };
    let tried = try_function(&state, &viewer, id, arguments, caller).await?;
    Ok(Json(match tried {
        Tried::Ran(ran) => DryRunBody {
            request: ran.request.map(RequestBody::from),
            answer: ran.answer.map(AnswerBody::from),
            ms: Some(ran.ms),
            output: Some(ran.output),
            would: None,
        },
        Tried::WouldDo(would) => {
            DryRunBody { request: None, answer: None, ms: None, output: None, would: Some(would) }
        }
    }))
}

impl From<Caution> for WarningItem {
    fn from(caution: Caution) -> Self {
        Self { field: caution.field, detail: caution.why }
    }
}

impl From<SentRequest> for RequestBody {
    fn from(sent: SentRequest) -> Self {
        let headers = sent.headers.into_iter().map(|(name, value)| HeaderItem { name, value });
        Self { method: sent.method, url: sent.url, headers: headers.collect(), body: sent.body }
    }
}

impl From<CameBack> for AnswerBody {
    fn from(came: CameBack) -> Self {
        Self { status: came.status, content_type: came.content_type, body: came.body }
    }
}

async fn shown(state: &AppState, viewer: &Viewer, id: Uuid) -> Result<Response, Problem> {
    let store = &state.owners.store;
    let object = Object::Function(id);
    let access = may::<Inspect>(state, viewer, object, "function.inspect").await?;
    let row = store.agent_to_inspect(&access).await?.ok_or_else(Problem::not_found)?;
    let function = find(&row, id).ok_or_else(Problem::not_found)?;
    let warned = warnings(state, &Agent::new(row.clone()), id);
    let body = body(function, &store.function_uses(&access).await?, warned);
    Ok(([(ETAG, format!("\"{}\"", body.version))], Json(body)).into_response())
}

fn body(row: &FunctionSource, uses: &[FunctionUse], warned: Vec<Caution>) -> FunctionBody {
    let document = document(row);
    let mut shown = masked(&document);
    let mine = uses.iter().filter(|used| used.id == Some(row.id));
    let (uses, failures) =
        mine.fold((0, 0), |(uses, failures), one| (uses + one.uses, failures + one.failures));
    FunctionBody {
        id: row.id,
        kind: row.kind.clone(),
        name: row.name.clone(),
        purpose: row.purpose.clone(),
        trigger_reason: row.trigger_reason.clone(),
        data: shown["data"].take(),
        variables: shown["variables"].take(),
        is_active: document["is_active"] == true,
        save_data: row.save_data,
        is_shownable: document["is_shownable"] == true,
        uses,
        failures,
        warnings: warned.into_iter().map(WarningItem::from).collect(),
        version: version_of(&document),
    }
}
