//! `/agents/{id}/sources` and `/sources`: what an agent has learned, and is to learn.

use std::sync::Arc;

use axum::Json;
use axum::extract::DefaultBodyLimit;
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::refusals::{Conflict, Refusals};
use super::{Answer, Page};
use crate::store::access::{Maintain, Object, Read};
use crate::store::sources::{SOURCES_MAX, SourceRow};
use crate::web::AppState;
use crate::web::body::JsonFields;
use crate::web::extract::ApiPath;
use crate::web::guard::may;
use crate::web::problem::Problem;
use crate::web::routing::routes;
use crate::web::serve::UPLOAD_BYTES;
use crate::web::session::ApiRequest;
use crate::web::sources::{FIELDS, add, ask, new_source};

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new()
        .routes(routes!(list, make))
        .layer(DefaultBodyLimit::max(UPLOAD_BYTES))
        .routes(routes!(read, remove))
        .routes(routes!(train))
        .routes(routes!(question))
}

/// A source.
#[derive(Debug, Serialize, ToSchema)]
struct SourceItem {
    /// Its id.
    id: Uuid,
    /// The agent that learns it.
    agent: Uuid,
    /// What it is called.
    name: String,
    /// `page`, `site`, `pdf`, `docx`, `xlsx`, `csv`, `pptx`, `markdown`, `html`, `text` or `qa`.
    source_type: String,
    /// Where it is fetched from; null of what was sent.
    url: Option<String>,
    /// How long it is, in bytes.
    size: i64,
    /// `pending`, `training`, `done`, `failed`, `retraining`, `retraining_failed` or `unk_err`.
    status: String,
    /// Why it failed or waits, and what to do.
    reason: Option<String>,
    /// What is being done: `fetching`, `reading` or `learning`; null while nothing is.
    stage: Option<String>,
    /// How far that is: pages, then passages.
    done: i32,
    /// Of how many; null while nobody knows.
    total: Option<i32>,
    /// Pages or documents that were read; null before.
    pages: Option<i32>,
    /// Passages that calls find; null before.
    passages: Option<i32>,
    /// Whether it is longer than what is learned of it.
    is_cut_off: bool,
    /// How often it is read again by itself.
    auto_sync_interval: String,
    /// When it was learned last, RFC 3339.
    trained_at: Option<String>,
    /// When it was added, RFC 3339.
    created_at: String,
}

impl SourceItem {
    fn of(row: SourceRow) -> Self {
        let time = |us| jiff::Timestamp::from_microsecond(us).unwrap_or_default().to_string();
        Self {
            id: row.id,
            agent: row.agent_id,
            stage: row.stage.clone().filter(|_| row.is_under_way()),
            name: row.name,
            source_type: row.source_type,
            url: row.url,
            size: row.size,
            status: row.status,
            reason: row.reason,
            done: row.done,
            total: row.total,
            pages: row.pages,
            passages: row.passages,
            is_cut_off: row.is_cut_off,
            auto_sync_interval: row.auto_sync_interval,
            trained_at: row.trained_us.map(time),
            created_at: time(row.created_us),
        }
    }
}

/// What a source is made of: an address, or one of `text`, `content_base64` and `questions`.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes what is read field by field")]
struct NewSourceFields {
    /// What it is called; else its address or its file's name.
    name: Option<String>,
    /// What it is; else told by its address or its file's name.
    source_type: Option<String>,
    /// The address of a page, a website or a document.
    url: Option<String>,
    /// A text, in the format that `source_type` says.
    text: Option<String>,
    /// The bytes of a file, at most 25 MB, as base64.
    content_base64: Option<String>,
    /// The name of that file.
    file_name: Option<String>,
    /// Questions with their answers: `[{"question": …, "answer": …}]`.
    questions: Option<Vec<Value>>,
    /// How often it is read again: `none`, `daily`, `weekly`, `monthly` or an ISO 8601 duration.
    auto_sync_interval: Option<String>,
}

/// A question of a caller's.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes what is read field by field")]
struct Question {
    /// In their words.
    question: String,
}

/// What an agent would be given for a question.
#[derive(Debug, Serialize, ToSchema)]
struct Found {
    /// The passages, best first.
    passages: Vec<FoundPassage>,
}

/// A passage that was found.
#[derive(Debug, Serialize, ToSchema)]
struct FoundPassage {
    /// Its id.
    id: i64,
    /// Cosine similarity to the question, at most 1.
    similarity: f64,
    /// What it says.
    text: String,
}

/// An agent's sources, the newest first.
#[utoipa::path(
    get,
    path = "/agents/{id}/sources",
    tag = "sources",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = Page<SourceItem>), Refusals)
)]
async fn list(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
) -> Answer<Page<SourceItem>> {
    let access = may::<Read>(&state, &viewer, Object::Agent(id), "source.read").await?;
    let rows = state.owners.store.sources(&access).await?;
    Ok(Json(Page::of(rows, SOURCES_MAX, |row| row.id.to_string(), SourceItem::of)))
}

/// Adds a source, which is read soon.
#[utoipa::path(
    post,
    path = "/agents/{id}/sources",
    tag = "sources",
    params(("id" = Uuid, Path)),
    request_body = NewSourceFields,
    responses((status = 201, body = SourceItem), Conflict, Refusals)
)]
async fn make(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
    body: JsonFields,
) -> Result<(StatusCode, Json<SourceItem>), Problem> {
    let access = may::<Maintain>(&state, &viewer, Object::Agent(id), "source.add").await?;
    let new = new_source(&state, &body.only(&FIELDS)?)?;
    let source = add(&state, &viewer, &access, &new).await?;
    let row = state.owners.store.source(&access, source).await?.ok_or_else(Problem::not_found)?;
    Ok((StatusCode::CREATED, Json(SourceItem::of(row))))
}

/// One source.
#[utoipa::path(
    get,
    path = "/sources/{id}",
    tag = "sources",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = SourceItem), Refusals)
)]
async fn read(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
) -> Answer<SourceItem> {
    let access = may::<Read>(&state, &viewer, Object::Source(id), "source.read").await?;
    let row = state.owners.store.source(&access, id).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(SourceItem::of(row)))
}

/// Removes a source with its passages.
#[utoipa::path(
    delete,
    path = "/sources/{id}",
    tag = "sources",
    params(("id" = Uuid, Path)),
    responses((status = 204), Refusals)
)]
async fn remove(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<StatusCode, Problem> {
    let access = may::<Maintain>(&state, &viewer, Object::Source(id), "source.remove").await?;
    match state.owners.store.remove_source(&access, &viewer, id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found()),
    }
}

/// Has a source read again.
#[utoipa::path(
    post,
    path = "/sources/{id}/train",
    tag = "sources",
    params(("id" = Uuid, Path)),
    responses((status = 202, body = SourceItem), Refusals)
)]
async fn train(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<(StatusCode, Json<SourceItem>), Problem> {
    let access = may::<Maintain>(&state, &viewer, Object::Source(id), "source.train").await?;
    if !state.owners.store.train_source(&access, &viewer, id).await? {
        return Err(Problem::not_found());
    }
    let row = state.owners.store.source(&access, id).await?.ok_or_else(Problem::not_found)?;
    Ok((StatusCode::ACCEPTED, Json(SourceItem::of(row))))
}

/// The passages that the agent would be given for a question, best first.
#[utoipa::path(
    post,
    path = "/agents/{id}/ask",
    tag = "sources",
    params(("id" = Uuid, Path)),
    request_body = Question,
    responses((status = 200, body = Found), Refusals)
)]
async fn question(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
    body: JsonFields,
) -> Answer<Found> {
    let fields = body.only(&["question"])?;
    let question = fields.get("question").and_then(Value::as_str).unwrap_or_default();
    let found = ask(&state, &viewer, id, question).await?.ok_or_else(|| {
        let why = "the service that makes texts searchable does not answer now";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, why)
    })?;
    let passages = found.into_iter().map(|passage| FoundPassage {
        id: passage.id,
        similarity: passage.similarity,
        text: passage.text,
    });
    Ok(Json(Found { passages: passages.collect() }))
}
