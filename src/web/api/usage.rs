//! `/usage`: calls by day.

use std::sync::Arc;

use crate::web::routing::routes;
use axum::Json;
use jiff::ToSpan as _;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::paging::Paging;
use super::refusals::Refusals;
use super::{Answer, Page};
use crate::clock;
use crate::store::usage::{AgentDay, DayPlace};
use crate::web::AppState;
use crate::web::extract::ApiQuery;
use crate::web::problem::Problem;
use crate::web::session::ApiRequest;

/// Days unless said.
const DAYS: i64 = 30;

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// What a day of an agent had. Test calls do not count.
#[derive(Debug, Serialize, ToSchema)]
struct DayItem {
    agent_id: Uuid,
    /// In the business's zone, `2026-11-29`.
    day: String,
    calls: i64,
    answered: i64,
    put_through: i64,
    voicemail: i64,
    no_answer: i64,
    failed: i64,
    seconds: i64,
    turns: i64,
    /// The middle time to answer, in milliseconds.
    median_answer_ms: Option<i32>,
    input_tokens: i64,
    output_tokens: i64,
}

/// Which days.
#[derive(Debug, Deserialize, IntoParams)]
struct Wanted {
    /// One agent's alone.
    agent: Option<Uuid>,
    /// The first day, `2026-11-01`; thirty days before the last unless said.
    from: Option<String>,
    /// The last day; today unless said.
    to: Option<String>,
}

fn day(field: &str, text: Option<&str>) -> Result<Option<Date>, Problem> {
    let parsed = text.map(|text| text.parse::<Date>().map_err(|_| text));
    parsed.transpose().map_err(|text| {
        Problem::invalid(field, format!("{text:?} is not a day; accepted: 2026-11-29"))
    })
}

impl From<AgentDay> for DayItem {
    fn from(AgentDay { agent_id, day }: AgentDay) -> Self {
        Self {
            agent_id,
            day: day.day,
            calls: day.calls,
            answered: day.answered,
            put_through: day.put_through,
            voicemail: day.voicemail,
            no_answer: day.no_answer,
            failed: day.failed,
            seconds: day.seconds,
            turns: day.turns,
            median_answer_ms: day.median_answer_ms,
            input_tokens: day.input_tokens,
            output_tokens: day.output_tokens,
        }
    }
}

/// What your agents' days had, the newest first.
#[utoipa::path(
    get,
    path = "/usage",
    tag = "usage",
    params(Wanted, Paging),
    responses((status = 200, body = Page<DayItem>), Refusals)
)]
async fn list(
    ApiRequest { state, viewer }: ApiRequest,
    ApiQuery(wanted): ApiQuery<Wanted>,
    ApiQuery(paging): ApiQuery<Paging>,
) -> Answer<Page<DayItem>> {
    let now = i64::try_from(clock::unix_now().as_secs()).unwrap_or_default();
    let today =
        jiff::Timestamp::from_second(now).unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC);
    // The day ends later in the west and begins earlier in the east.
    let latest = today.date().checked_add(1.days()).unwrap_or(today.date());
    let to = day("to", wanted.to.as_deref())?.unwrap_or(latest);
    let from = day("from", wanted.from.as_deref())?;
    let from = from.unwrap_or_else(|| to.checked_sub(DAYS.days()).unwrap_or(to));
    let (after, limit) = (paging.after(read_place)?, paging.limit()?);
    let store = &state.owners.store;
    let agents = store.visible_agents(&viewer).await?.only(wanted.agent);
    let days = (&*from.to_string(), &*to.to_string());
    let rows = store.usage(&agents, days, after.as_ref(), limit + 1).await?;
    Ok(Json(paging.page(rows, |row| format!("{}~{}", row.day.day, row.agent_id))?))
}

fn read_place(text: &str) -> Option<DayPlace> {
    let (day, agent) = text.split_once('~')?;
    let day: Date = day.parse().ok()?;
    Some(DayPlace { day: day.to_string(), agent_id: agent.parse().ok()? })
}
