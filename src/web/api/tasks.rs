//! `/tasks` and `/gaps`: what there is to do because of calls, and questions without an answer.

use std::sync::Arc;
use std::time::Duration;

use crate::web::routing::routes;
use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::paging::Paging;
use super::refusals::{Conflict, Refusals};
use super::{Answer, Page};
use crate::knowledge::answers::{Answered, GivenAnswer};
use crate::private::Private;
use crate::store::access::{Object, Read};
use crate::store::{NoteChange, SeenAnswer, TASK_NOTE_CHARACTERS, TaskChange, TaskPlace, TaskRow};
use crate::web::AppState;
use crate::web::console::knowledge::answer_problem;
use crate::web::extract::{ApiJson, ApiPath, ApiQuery};
use crate::web::guard::may;
use crate::web::problem::Problem;
use crate::web::session::ApiRequest;

/// How far back tasks that are done are listed.
const DONE_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(mark))
        .routes(routes!(gaps))
        .routes(routes!(answer))
}

/// Something to do because of a call.
#[derive(Debug, Serialize, ToSchema)]
struct TaskItem {
    id: i64,
    agent_id: Uuid,
    call_id: Uuid,
    /// `urgent`, `message`, `voicemail`, `missed`, `transfer_unanswered`, `claim`, `booking_check`,
    /// `gap`, `call_failed` or `function_failed`.
    kind: &'static str,
    /// Empty once the words of its call were removed.
    text: String,
    /// 3 cannot wait, 0 can.
    urgency: i32,
    /// E.164.
    caller: Option<String>,
    name: Option<String>,
    /// When the call ended, RFC 3339.
    at: String,
    /// When it was ticked, RFC 3339.
    done_at: Option<String>,
    /// Who ticked it.
    done_by: Option<Uuid>,
    note: Option<String>,
}

impl From<TaskRow> for TaskItem {
    fn from(row: TaskRow) -> Self {
        let time = |us| jiff::Timestamp::from_microsecond(us).unwrap_or_default().to_string();
        Self {
            id: row.id,
            agent_id: row.agent_id,
            call_id: row.call_log_id,
            kind: row.kind.name(),
            text: row.text.into_inner(),
            urgency: row.urgency,
            caller: row.caller.map(Private::into_inner),
            name: row.name.map(Private::into_inner),
            at: time(row.at_us),
            done_at: row.done_us.map(time),
            done_by: row.done_by,
            note: row.note.map(Private::into_inner),
        }
    }
}

/// Which ones.
#[derive(Debug, Deserialize, IntoParams)]
struct Wanted {
    /// One agent's alone.
    agent: Option<Uuid>,
    /// `false`: those that were ticked in the last 30 days. Else those that are open.
    open: Option<bool>,
}

/// What there is to do, the most urgent first, then the newest; of what is done the last first.
#[utoipa::path(
    get,
    path = "/tasks",
    tag = "tasks",
    params(Wanted, Paging),
    responses((status = 200, body = Page<TaskItem>), Refusals)
)]
async fn list(
    ApiRequest { state, viewer }: ApiRequest,
    ApiQuery(wanted): ApiQuery<Wanted>,
    ApiQuery(paging): ApiQuery<Paging>,
) -> Answer<Page<TaskItem>> {
    let (after, limit) = (paging.after(read_place)?, paging.limit()?);
    let store = &state.owners.store;
    let agents = store.visible_agents(&viewer).await?.only(wanted.agent);
    let rows = match wanted.open.unwrap_or(true) {
        true => store.tasks_to_do(&agents, after, limit + 1).await?,
        false => store.done_tasks(&agents, DONE_FOR, after, limit + 1).await?,
    };
    let page = paging.page(rows, |row| {
        let TaskPlace { urgency, us, id } = row.place();
        format!("{urgency}.{us}.{id}")
    });
    Ok(Json(page?))
}

fn read_place(text: &str) -> Option<TaskPlace> {
    let mut parts = text.splitn(3, '.');
    let place = TaskPlace {
        urgency: parts.next()?.parse().ok()?,
        us: parts.next()?.parse().ok()?,
        id: parts.next()?.parse().ok()?,
    };
    // What the database can make a time of.
    jiff::Timestamp::from_microsecond(place.us).ok().map(|_| place)
}

/// What to do with a task.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    /// Ticked, or not any more.
    done: Option<bool>,
    /// Its note from now on; empty for none.
    note: Option<String>,
}

/// Ticks a task, takes that back, or notes something.
#[utoipa::path(
    patch,
    path = "/tasks/{id}",
    tag = "tasks",
    params(("id" = i64, Path, description = "The task")),
    request_body = Change,
    responses((status = 200, body = TaskItem), Refusals)
)]
async fn mark(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<i64>,
    ApiJson(change): ApiJson<Change>,
) -> Answer<TaskItem> {
    let store = &state.owners.store;
    let access = may(&state, &viewer, Object::Task(id), "task.change").await?;
    if change.note.as_ref().is_some_and(|note| note.chars().count() > TASK_NOTE_CHARACTERS) {
        let why = format!("it is longer than {TASK_NOTE_CHARACTERS} characters");
        return Err(Problem::invalid("note", why));
    }
    let note = change.note.map(|note| NoteChange::Now(note.into()));
    let marked = TaskChange { done: change.done, note };
    let row = store.mark_task(&access, &viewer, id, &marked).await?;
    Ok(Json(row.ok_or_else(Problem::not_found)?.into()))
}

/// A question that an agent had no answer to.
#[derive(Debug, Serialize, ToSchema)]
struct GapItem {
    id: Uuid,
    agent_id: Uuid,
    /// As it was asked last.
    question: String,
    /// In how many calls.
    asked: usize,
    /// The newest of them.
    call_id: Uuid,
    /// When that began, RFC 3339.
    at: String,
}

/// What an agent was asked in the last 90 days and had no answer to, most asked first.
#[utoipa::path(
    get,
    path = "/agents/{id}/gaps",
    tag = "knowledge",
    params(("id" = Uuid, Path, description = "The agent"), Paging),
    responses((status = 200, body = Page<GapItem>), Refusals)
)]
async fn gaps(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(agent): ApiPath<Uuid>,
    ApiQuery(paging): ApiQuery<Paging>,
) -> Answer<Page<GapItem>> {
    let store = &state.owners.store;
    let access = store.access::<Read>(&viewer, Object::Agent(agent)).await?;
    let items = store.gaps(&access).await?.into_iter().map(|gap| GapItem {
        id: gap.id,
        agent_id: gap.agent_id,
        question: gap.question.into_inner(),
        asked: gap.asked,
        call_id: gap.call_log_id,
        at: jiff::Timestamp::from_microsecond(gap.at_us).unwrap_or_default().to_string(),
    });
    Ok(Json(paging.part_of(items.collect(), |gap: &GapItem| gap.id.to_string())?))
}

/// An answer.
#[derive(Debug, Deserialize, ToSchema)]
struct Text {
    /// What the agent is to say.
    text: String,
}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
struct Kept {
    /// The passage's id.
    id: i64,
    /// Whether the next call finds it. Else the language service does not answer, and it is tried
    /// again.
    known: bool,
}

/// Answers a question: the next call knows it.
#[utoipa::path(
    post,
    path = "/gaps/{id}/answer",
    tag = "knowledge",
    params(("id" = Uuid, Path, description = "The question")),
    request_body = Text,
    responses((status = 200, body = Kept), Conflict, Refusals)
)]
async fn answer(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(text): ApiJson<Text>,
) -> Answer<Kept> {
    let store = &state.owners.store;
    let agents = store.visible_agents(&viewer).await?;
    let gap = store.gap(&agents, id).await?.ok_or_else(Problem::not_found)?;
    let access = may(&state, &viewer, Object::Agent(gap.agent_id), "answer.give").await?;
    let seen = gap.answered_us.map_or(SeenAnswer::Nothing, SeenAnswer::At);
    let question = gap.question.reveal();
    let given =
        GivenAnswer { question, is_asked: true, answer: &text.text, instead_of: None, seen };
    let kept = state.answers().give(&access, &viewer, &given).await;
    Ok(Json(match kept.map_err(answer_problem)? {
        Answered::Known(id) => Kept { id, known: true },
        Answered::Waiting { id, .. } => Kept { id, known: false },
    }))
}
