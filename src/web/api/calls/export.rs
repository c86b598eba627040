//! `/calls.csv` and `/calls.json`: a list of calls to take away. It is read a page at a time, so that
//! no statement lasts as long as a slow reader does. Before each page it is asked again who reads and
//! what they own: who may not read on is cut off.

use std::sync::Arc;

use crate::web::routing::routes;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::request::Parts;
use jiff::tz::TimeZone;
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;

use super::{Call, asked_agents, zone_of};
use crate::store::StoreError;
use crate::store::access::{Object, Refused, Role, VisibleAgents};
use crate::store::audit::AuditEntry;
use crate::store::call_list::{CallFilter, CallItem, CallPlace, Toward};
use crate::store::people::Viewer;
use crate::web::AppState;
use crate::web::api::refusals::Refusals;
use crate::web::call_filter::{Here, WantedCalls};
use crate::web::exports::Turn;
use crate::web::guard::note_refusal;
use crate::web::problem::Problem;
use crate::web::query::Asking;
use crate::web::session::ApiRequest;
use crate::web::still::{CutOff, Still};
use crate::web::{csv, iso};

/// How many calls are read at once: rows of a table, or calls with all that is kept of them.
const ROWS: i64 = 200;
const WHOLE: i64 = 20;
/// When one that is under way may be over, in seconds.
const RETRY_SECONDS: u64 = 10;

const HEADINGS: [&str; 16] = [
    "id",
    "agent",
    "started",
    "seconds",
    "caller_number",
    "caller_name",
    "status",
    "title",
    "summary",
    "urgent",
    "claim",
    "booking",
    "open_question",
    "message",
    "to_do",
    "test",
];

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new().routes(routes!(table)).routes(routes!(whole))
}

/// The calls of your agents as a table, newest first: of those that you own. A text that a spreadsheet
/// would compute, such as a number with a plus, has an apostrophe before it. One at a time for each
/// person. `after` and `limit` do not count, and `number` has to be a whole one.
#[utoipa::path(
    get,
    path = "/calls.csv",
    tag = "calls",
    params(WantedCalls),
    responses(
        (status = 200, content_type = "text/csv", body = String),
        Refusals,
        (status = 403, description = "You own none of the agents", body = Problem),
        (status = 429, description = "You, or others of the business, take lists away already", body = Problem)
    )
)]
async fn table(
    ApiRequest { state, viewer }: ApiRequest,
    parts: Parts,
    Asking(wanted): Asking<WantedCalls>,
) -> Result<Response, Problem> {
    let export = begin(&state, &viewer, parts, &wanted, Format::Csv).await?;
    respond(export, "text/csv; charset=utf-8", "calls.csv").await
}

/// The same with all that is kept of each call, as a list of what `/calls/{id}` gives.
#[utoipa::path(
    get,
    path = "/calls.json",
    tag = "calls",
    params(WantedCalls),
    responses(
        (status = 200, body = Vec<Call>),
        Refusals,
        (status = 403, description = "You own none of the agents", body = Problem),
        (status = 429, description = "You, or others of the business, take lists away already", body = Problem)
    )
)]
async fn whole(
    ApiRequest { state, viewer }: ApiRequest,
    parts: Parts,
    Asking(wanted): Asking<WantedCalls>,
) -> Result<Response, Problem> {
    let export = begin(&state, &viewer, parts, &wanted, Format::Json).await?;
    respond(export, "application/json", "calls.json").await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Json,
}

/// A list that is being taken away.
struct Export {
    state: Arc<AppState>,
    still: Still,
    agents: VisibleAgents,
    filter: CallFilter,
    format: Format,
    toward: Toward,
    place: Place,
    /// Held until the last byte was read, or whoever reads has gone.
    _turn: Turn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    Middle,
    End,
}

/// Checks what is asked for, and writes it down.
async fn begin(
    state: &Arc<AppState>,
    viewer: &Viewer,
    parts: Parts,
    wanted: &WantedCalls,
    format: Format,
) -> Result<Export, Problem> {
    let owners = &state.owners;
    let seen = asked_agents(&owners.store.visible_agents(viewer).await?, wanted)?;
    let filter = wanted.filter(&Here::of(seen.list().first()))?;
    if filter.number_end.is_some() {
        let why = "a list that is taken away needs the whole number, with its country: its last digits are \
                   looked for among the newest calls only";
        return Err(Problem::invalid("number", why));
    }
    let agents = seen.at_least(Role::Owner);
    if agents.list().is_empty() {
        let has = seen.list().iter().map(|agent| agent.role).max();
        for agent in seen.list() {
            note_refusal(state, viewer, Some(Object::Agent(agent.id)), "calls.export").await;
        }
        return Err(has
            .map_or(Refused::NotFound, |has| Refused::Forbidden { needs: Role::Owner, has })
            .into());
    }
    let businesses = agents.list().iter().map(|agent| agent.owner);
    let turn = owners.exports.turn(viewer.id(), businesses);
    let turn = turn.ok_or_else(|| Problem::too_many(RETRY_SECONDS))?;
    let word = if format == Format::Csv { "csv" } else { "json" };
    // Which fields, and nothing of what was looked for: that may be a number or words.
    let change = json!({"format": word, "filters": wanted.names()});
    for agent in agents.list() {
        let deed = AuditEntry::of(viewer, "calls.export").agent(agent.id).change(change.clone());
        owners.store.note_deed(&deed).await?;
    }
    Ok(Export {
        state: Arc::clone(state),
        still: Still::new(state, parts, viewer),
        agents,
        filter,
        format,
        toward: Toward::Newest,
        place: Place::Start,
        _turn: turn,
    })
}

/// The first page is read before anything is answered: what goes wrong is mostly seen then.
async fn respond(mut export: Export, kind: &str, name: &str) -> Result<Response, Problem> {
    let first = export.next().await?.unwrap_or_default();
    let rest = stream::try_unfold(export, |mut export| async move {
        if export.place != Place::End {
            export.check().await?;
        }
        Ok::<_, CutOff>(export.next().await?.map(|piece| (Bytes::from(piece), export)))
    });
    let first = stream::once(std::future::ready(Ok(Bytes::from(first))));
    let body = Body::from_stream(futures_util::StreamExt::chain(first, rest));
    let headers = [
        (CONTENT_TYPE, kind.to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    Ok((headers, body).into_response())
}

impl Export {
    /// That whoever reads still is who they were, and owns all that the list is of.
    async fn check(&self) -> Result<(), CutOff> {
        let viewer = self.still.viewer().await?;
        let seen = self.state.owners.store.visible_agents(&viewer).await?.at_least(Role::Owner);
        let has_all = self.agents.list().iter().all(|agent| seen.find(agent.id).is_some());
        if has_all { Ok(()) } else { Err(CutOff::NotAllowed) }
    }

    /// The next piece; none at the end.
    async fn next(&mut self) -> Result<Option<String>, StoreError> {
        if self.place == Place::End {
            return Ok(None);
        }
        match self.format {
            Format::Csv => self.rows().await.map(Some),
            Format::Json => self.calls().await.map(Some),
        }
    }

    /// Goes on behind the last call of a page that has so many.
    fn go_on(&mut self, last: Option<CallPlace>, count: usize, page: i64) {
        let is_last = i64::try_from(count).is_ok_and(|count| count < page);
        self.place = if is_last { Place::End } else { Place::Middle };
        self.toward = last.map_or(self.toward, Toward::Older);
    }

    async fn rows(&mut self) -> Result<String, StoreError> {
        let calls =
            self.state.owners.store.calls(&self.agents, &self.filter, self.toward, ROWS).await?;
        let mut table = String::new();
        if self.place == Place::Start {
            csv::row(&mut table, HEADINGS);
        }
        for call in &calls {
            add_row(&mut table, call, &self.agents);
        }
        self.go_on(calls.last().map(|call| call.place), calls.len(), ROWS);
        Ok(table)
    }

    async fn calls(&mut self) -> Result<String, StoreError> {
        let calls = self
            .state
            .owners
            .store
            .whole_calls(&self.agents, &self.filter, self.toward, WHOLE)
            .await?;
        let mut text = String::new();
        let count = calls.len();
        let last = calls.last().map(|call| CallPlace { started_us: call.started_us, id: call.id });
        for (n, call) in calls.into_iter().enumerate() {
            let is_first = n == 0 && self.place == Place::Start;
            text.push_str(if is_first { "[" } else { "," });
            let zone = zone_of(&self.agents, call.agent_id);
            text.push_str(&serde_json::to_string(&Call::of(call, &zone)).unwrap_or_default());
        }
        if count == 0 && self.place == Place::Start {
            text.push('[');
        }
        self.go_on(last, count, WHOLE);
        if self.place == Place::End {
            text.push(']');
        }
        Ok(text)
    }
}

fn add_row(table: &mut String, call: &CallItem, agents: &VisibleAgents) {
    let agent = agents.find(call.agent_id);
    let zone: TimeZone = zone_of(agents, call.agent_id);
    let yes = |is_so: bool| if is_so { "yes" } else { "" };
    let fields = [
        &*call.place.id.to_string(),
        agent.map_or("", |agent| &agent.name),
        &iso::time(call.place.started_us, &zone),
        &((call.duration_ms + 500) / 1000).to_string(),
        call.caller.reveal(),
        call.caller_name.reveal(),
        &call.status,
        call.title.reveal(),
        call.summary.reveal(),
        yes(call.marks.is_urgent),
        yes(call.marks.has_claim),
        yes(call.marks.has_booking),
        yes(call.marks.has_gap),
        yes(call.marks.has_message),
        yes(call.marks.has_task),
        yes(call.is_test),
    ];
    csv::row(table, fields);
}
