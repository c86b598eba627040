//! `/calls`.

mod events;
mod export;
mod recording;
mod voicemail;

use std::sync::Arc;

use crate::web::routing::routes;
use axum::Json;
use http::StatusCode;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::refusals::Refusals;
use super::{Answer, Page};
use crate::store::access::{Object, Read, VisibleAgents};
use crate::store::call_list::{CallItem, Toward};
use crate::store::call_page::CallPage;
use crate::web::AppState;
use crate::web::call_filter::{Here, WantedCalls, cursor};
use crate::web::extract::ApiPath;
use crate::web::problem::Problem;
use crate::web::query::Asking;
use crate::web::session::ApiRequest;
use crate::web::{erase, iso};

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one, remove))
        .merge(events::routes())
        .merge(export::routes())
        .merge(recording::routes())
        .merge(voicemail::routes())
}

/// A call in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CallRow {
    id: Uuid,
    voice_agent_id: Uuid,
    /// When it began, with the offset of the business's time zone.
    call_start: String,
    /// Whether the caller is still on the phone.
    live: bool,
    /// `in-progress`, `completed`, `transferred`, `voicemail`, `no-answer` or `failed`.
    status: String,
    duration_seconds: f64,
    /// As the telephone network gave it; empty where it was withheld.
    caller_number: String,
    /// What the caller said that they are called; empty where they did not.
    caller_name: String,
    /// What the call was about; empty where that is not known.
    title: String,
    /// The beginning of the summary; empty where there is none.
    summary_text: String,
    /// Whether it is a test call.
    test: bool,
    /// Somebody has to act soon.
    urgent: bool,
    /// The agent said that it did something that it did not do.
    claim: bool,
    /// An appointment was booked, moved or cancelled, or seems to have been agreed.
    booking: bool,
    /// The caller asked something that the agent did not know.
    gap: bool,
    /// The caller left a message with the agent.
    message: bool,
    /// There is something to do because of it.
    to_do: bool,
}

/// The zone of the business that an agent is of.
pub(super) fn zone_of(agents: &VisibleAgents, agent: Uuid) -> TimeZone {
    Here::of(agents.find(agent)).zone
}

impl CallRow {
    fn of(call: &CallItem, agents: &VisibleAgents) -> Self {
        Self {
            id: call.place.id,
            voice_agent_id: call.agent_id,
            call_start: iso::time(call.place.started_us, &zone_of(agents, call.agent_id)),
            live: call.is_live,
            status: call.status.clone(),
            duration_seconds: seconds(call.duration_ms),
            caller_number: call.caller.reveal().clone(),
            caller_name: call.caller_name.reveal().clone(),
            title: call.title.reveal().clone(),
            summary_text: call.summary.reveal().clone(),
            test: call.is_test,
            urgent: call.marks.is_urgent,
            claim: call.marks.has_claim,
            booking: call.marks.has_booking,
            gap: call.marks.has_gap,
            message: call.marks.has_message,
            to_do: call.marks.has_task,
        }
    }
}

/// Milliseconds as seconds.
fn seconds(ms: i64) -> f64 {
    // A call is short enough for every millisecond to be exact.
    ms as f64 / 1_000.0
}

/// Those of the viewer's agents that a list is asked of.
///
/// # Errors
/// The agent that is named is not theirs to see.
pub(super) fn asked_agents(
    agents: &VisibleAgents,
    wanted: &WantedCalls,
) -> Result<VisibleAgents, Problem> {
    let agent = wanted.agent()?;
    if agent.is_some_and(|id| agents.find(id).is_none()) {
        return Err(Problem::not_found());
    }
    Ok(agents.only(agent))
}

/// The calls of your agents, newest first.
#[utoipa::path(
    get,
    path = "/calls",
    tag = "calls",
    params(WantedCalls),
    responses((status = 200, body = Page<CallRow>), Refusals)
)]
async fn list(
    ApiRequest { state, viewer }: ApiRequest,
    Asking(wanted): Asking<WantedCalls>,
) -> Answer<Page<CallRow>> {
    let store = &state.owners.store;
    let agents = store.visible_agents(&viewer).await?;
    let asked = asked_agents(&agents, &wanted)?;
    let filter = wanted.filter(&Here::of(asked.list().first()))?;
    let (toward, limit) = (toward(&wanted)?, wanted.limit()?);
    let calls = store.calls(&asked, &filter, toward, limit + 1).await?;
    let item = |call| CallRow::of(&call, &agents);
    Ok(Json(Page::of(calls, limit, |call| cursor(call.place), item)))
}

/// Where in the list to read.
fn toward(wanted: &WantedCalls) -> Result<Toward, Problem> {
    Ok(wanted.after()?.map_or(Toward::Newest, Toward::Older))
}

/// A call with all that is kept of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Call {
    id: Uuid,
    voice_agent_id: Uuid,
    /// Twilio's name for the call; `FT…` of a test.
    call_sid: Option<String>,
    /// When it began, with the offset of the business's time zone.
    call_start: String,
    /// When it ended; null while the caller is on the phone.
    call_end: Option<String>,
    duration_seconds: Option<f64>,
    /// `in-progress`, `completed`, `transferred`, `voicemail`, `no-answer` or `failed`.
    status: String,
    /// As the telephone network gave it; empty where it was withheld.
    caller_number: String,
    /// What was said and heard, a line each; null where there is none, or none any more.
    transcript: Option<String>,
    /// See docs/aftercall.md.
    summary: Value,
    /// See docs/rows.md.
    metadata: Value,
    /// Whether it is a test call.
    test: bool,
}

impl Call {
    /// In this zone.
    pub(super) fn of(call: CallPage, zone: &TimeZone) -> Self {
        Self {
            id: call.id,
            voice_agent_id: call.agent_id,
            test: call.is_test(),
            call_start: iso::time(call.started_us, zone),
            call_end: call.ended_us.map(|us| iso::time(us, zone)),
            duration_seconds: call.duration_ms.map(seconds),
            status: call.status,
            call_sid: call.call_sid,
            caller_number: call.caller.into_inner(),
            transcript: call.transcript.into_inner(),
            summary: call.summary.into_inner(),
            metadata: call.metadata.into_inner(),
        }
    }
}

/// One call.
#[utoipa::path(
    get,
    path = "/calls/{id}",
    tag = "calls",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = Call), Refusals)
)]
async fn one(ApiRequest { state, viewer }: ApiRequest, ApiPath(id): ApiPath<Uuid>) -> Answer<Call> {
    let store = &state.owners.store;
    let access = store.access::<Read>(&viewer, Object::Call(id)).await?;
    let call = store.call(&access, id).await?.ok_or_else(Problem::not_found)?;
    if call.is_overheard() {
        state.owners.listening.note_call(store, &viewer, (call.agent_id, id)).await?;
    }
    let agents = store.visible_agents(&viewer).await?;
    Ok(Json(Call::of(call, &zone_of(&agents, access.agent_id()))))
}

/// How a call is removed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
struct Erasing {
    /// Also where a message that the caller left has to stay at Twilio: its account is none of the agent's
    /// any more. The activity says where it is.
    leave_messages: bool,
}

/// Removes a call that is over, with its words, its recording, the message that the caller left, and
/// what there was to do because of it. For owners.
#[utoipa::path(
    delete,
    path = "/calls/{id}",
    tag = "calls",
    params(("id" = Uuid, Path), Erasing),
    responses(
        (status = 204, description = "It is gone"),
        Refusals,
        (status = 502, description = "The message that the caller left is in a Twilio account that does \
            not let it be removed", body = Problem),
        (status = 409, description = "The caller is still on the phone", body = Problem)
    )
)]
async fn remove(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
    Asking(how): Asking<Erasing>,
) -> Result<StatusCode, Problem> {
    erase::call(&state, &viewer, id, how.leave_messages.into()).await?;
    Ok(StatusCode::NO_CONTENT)
}
