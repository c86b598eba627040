//! `/callers/{number}`: all that is kept of a caller, to take away and to remove.

use std::sync::Arc;

use crate::web::routing::routes;
use axum::Json;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_DISPOSITION;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::Answer;
use super::calls::{Call, zone_of};
use super::refusals::Refusals;
use crate::agent::phone_number::normalise_e164;
use crate::private::Private;
use crate::store::access::{Object, Oversee, VisibleAgents};
use crate::store::audit::AuditEntry;
use crate::store::call_list::{CallFilter, CallPlace, Toward};
use crate::store::people::Viewer;
use crate::web::AppState;
use crate::web::erase::{self, Erased};
use crate::web::problem::Problem;
use crate::web::query::Asking;
use crate::web::session::ApiRequest;

/// How many calls are read at once, and the most of one caller that are given.
const PAGE: i64 = 50;
const CALLS_MAX: usize = 300;
/// The most events of one call that are given, and of all calls together.
const EVENTS_OF_CALL: i64 = 5_000;
const EVENTS_MAX: usize = 20_000;
/// When another export may be over, in seconds.
const RETRY_SECONDS: u64 = 10;

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new().routes(routes!(export, remove))
}

/// Of which agent.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
struct OfAgent {
    /// What one agent keeps; without it, all that you own.
    #[param(value_type = Option<Uuid>)]
    agent: Option<String>,
}

/// What is removed of a caller.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
struct Erasing {
    /// What one agent keeps; without it, all that you own.
    #[param(value_type = Option<Uuid>)]
    agent: Option<String>,
    /// Also calls whose message has to stay at Twilio: its account is none of the agent's any more. The
    /// activity says where it is.
    leave_messages: bool,
}

/// All that is kept of a caller.
#[derive(Debug, Serialize, ToSchema)]
struct Caller {
    /// E.164.
    number: String,
    /// Their calls, newest first, at most 300.
    calls: Vec<CallerCall>,
    /// Their appointments, as they are in their rows.
    appointments: Vec<Value>,
    /// What there was to do because of them, as it is in its rows.
    tasks: Vec<Value>,
    /// What functions saved in their calls, as it is in its rows.
    saved: Vec<Value>,
    /// Whether something is left out: of an agent at most 300 calls, 2,000 rows of a kind, 5,000 events
    /// of a call and some 20,000 of all are given. `/calls.json?number=` has all calls, without events;
    /// `/calls/{id}/events` has all events of one.
    more: bool,
}

/// A call, and what happened in it.
#[derive(Debug, Serialize, ToSchema)]
struct CallerCall {
    call: Call,
    events: Vec<Value>,
}

/// Those of the viewer's agents that are asked about.
async fn asked(
    state: &AppState,
    viewer: &Viewer,
    number: &str,
    of: &OfAgent,
    action: &'static str,
) -> Result<(VisibleAgents, Vec<Uuid>, String), Problem> {
    let number = normalise_e164(number).ok_or_else(Problem::not_found)?;
    let agent = of.agent.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let agent = agent.map(str::parse).transpose();
    let agent = agent.map_err(|_| Problem::invalid("agent", "an agent's id, a UUID"))?;
    let agents = state.owners.store.visible_agents(viewer).await?.only(agent);
    let own = erase::own_agents(state, viewer, &agents, &number, action).await?;
    Ok((agents, own, number))
}

/// All that is kept of the caller with this number, by the agents that you own.
#[utoipa::path(
    get,
    path = "/callers/{number}",
    tag = "callers",
    params(("number" = String, Path, description = "E.164"), OfAgent),
    responses(
        (status = 200, body = Caller),
        Refusals,
        (status = 403, description = "The agents that know them are not your own", body = Problem),
        (status = 429, description = "You, or others of the business, take lists away already", body = Problem)
    )
)]
async fn export(
    ApiRequest { state, viewer }: ApiRequest,
    Path(number): Path<String>,
    Asking(of): Asking<OfAgent>,
) -> Result<Response, Problem> {
    let (agents, own, number) = asked(&state, &viewer, &number, &of, "caller.export").await?;
    let businesses = agents.list().iter().filter(|agent| own.contains(&agent.id));
    let turn = state.owners.exports.turn(viewer.id(), businesses.map(|agent| agent.owner));
    let _turn = turn.ok_or_else(|| Problem::too_many(RETRY_SECONDS))?;
    let mut caller = Caller {
        number,
        calls: Vec::new(),
        appointments: Vec::new(),
        tasks: Vec::new(),
        saved: Vec::new(),
        more: false,
    };
    for agent in own {
        let deed = AuditEntry::of(&viewer, "caller.export").agent(agent);
        state.owners.store.note_deed(&deed).await?;
        caller.add(&state, &viewer, &agents, agent).await?;
    }
    let attachment = "attachment; filename=\"caller.json\"";
    Ok(([(CONTENT_DISPOSITION, attachment)], Json(caller)).into_response())
}

impl Caller {
    /// Adds what an agent keeps.
    async fn add(
        &mut self,
        state: &AppState,
        viewer: &Viewer,
        agents: &VisibleAgents,
        agent: Uuid,
    ) -> Result<(), Problem> {
        let store = &state.owners.store;
        let access = store.access::<Oversee>(viewer, Object::Agent(agent)).await?;
        let (rows, has_more) = store.caller_rows(&access, &self.number).await?;
        self.more |= has_more;
        for (kind, row) in rows {
            match kind.as_str() {
                "appointments" => self.appointments.push(row),
                "tasks" => self.tasks.push(row),
                _ => self.saved.push(row),
            }
        }
        let (only, zone) = (agents.only(Some(agent)), zone_of(agents, agent));
        let number = Some(Private::new(self.number.clone()));
        let filter = CallFilter { number, with_tests: true, ..CallFilter::default() };
        let mut toward = Toward::Newest;
        let mut events_in_all = 0;
        loop {
            let calls = store.whole_calls(&only, &filter, toward, PAGE).await?;
            let Some(last) = calls.last() else { return Ok(()) };
            toward = Toward::Older(CallPlace { started_us: last.started_us, id: last.id });
            for call in calls {
                if self.calls.len() == CALLS_MAX || events_in_all > EVENTS_MAX {
                    self.more = true;
                    return Ok(());
                }
                let mut events =
                    store.call_events(&access, call.id, i64::MIN, EVENTS_OF_CALL + 1).await?;
                let most = usize::try_from(EVENTS_OF_CALL).unwrap_or(usize::MAX);
                self.more |= events.len() > most;
                events.truncate(most);
                events_in_all += events.len();
                let events = events.into_iter().map(|event| {
                    serde_json::json!({"seq": event.seq, "at_ms": event.at_ms, "kind": event.kind,
                        "data": event.data.into_inner()})
                });
                let events = events.collect();
                self.calls.push(CallerCall { call: Call::of(call, &zone), events });
            }
        }
    }
}

/// Removes all that the agents that you own keep of the caller with this number: their calls, with
/// words, recordings, messages and what there was to do, and who their appointments are of.
#[utoipa::path(
    delete,
    path = "/callers/{number}",
    tag = "callers",
    params(("number" = String, Path, description = "E.164"), Erasing),
    responses(
        (status = 200, description = "Where `left` is not 0, ask again later", body = Erased),
        Refusals,
        (status = 403, description = "The agents that know them are not your own", body = Problem)
    )
)]
async fn remove(
    ApiRequest { state, viewer }: ApiRequest,
    Path(number): Path<String>,
    Asking(Erasing { agent, leave_messages }): Asking<Erasing>,
) -> Answer<Erased> {
    let of = OfAgent { agent };
    let (_, own, number) = asked(&state, &viewer, &number, &of, "caller.delete").await?;
    Ok(Json(erase::caller(&state, &viewer, &own, &number, leave_messages.into()).await?))
}
