//! `/functions/{id}/collected`: what a function collected in calls, as a list and as a table.

use std::sync::Arc;

use crate::web::routing::routes;
use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::request::Parts;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::refusals::Refusals;
use super::{Answer, Page};
use crate::store::access::{AgentAccess, Inspect, Object, Own};
use crate::store::audit::AuditEntry;
use crate::store::{CollectedPlace, CollectedRun, Store, StoreError};
use crate::web::collected::{Collecting, cell, collecting, cursor, read_cursor, rest};
use crate::web::exports::Turn;
use crate::web::extract::{ApiPath, ApiQuery};
use crate::web::problem::Problem;
use crate::web::session::ApiRequest;
use crate::web::still::{CutOff, Still};
use crate::web::{AppState, csv, iso};

/// How many a page has.
const PAGE: i64 = 50;
/// How many are read at once for a table.
const ROWS: i64 = 500;
/// In so many seconds another list may be taken away.
const RETRY_SECONDS: u64 = 10;

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(table))
}

/// What a function collected in a call.
#[derive(Debug, Serialize, ToSchema)]
struct Collected {
    id: Uuid,
    /// When, RFC 3339.
    at: String,
    /// The call, if it is still there.
    call_id: Option<Uuid>,
    /// What was collected, by the names of its variables.
    #[schema(value_type = Value)]
    arguments: Value,
    /// What came back.
    #[schema(value_type = Value)]
    result: Value,
}

/// Where in the list.
#[derive(Debug, Deserialize, IntoParams)]
struct Wanted {
    /// `next` of the page before.
    after: Option<String>,
}

/// What a function collected, the newest first. Not of one whose `is_shownable` is `false`.
#[utoipa::path(
    get,
    path = "/functions/{id}/collected",
    tag = "functions",
    params(("id" = Uuid, Path, description = "The function"), Wanted),
    responses(
        (status = 200, body = Page<Collected>),
        Refusals,
        (status = 404, description = "`detail` says why there is none", body = Problem)
    )
)]
async fn list(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
    ApiQuery(wanted): ApiQuery<Wanted>,
) -> Answer<Page<Collected>> {
    let store = &state.owners.store;
    let access = store.access::<Inspect>(&viewer, Object::Function(id)).await?;
    collecting(&state, &access, id).await?.ok_or_else(hidden)?;
    let after = read_cursor(wanted.after.as_deref())?;
    let runs = store.collected(&access, id, after, PAGE + 1).await?;
    let item = |run: CollectedRun| Collected {
        id: run.place.id,
        at: iso::time(run.place.at_us, &TimeZone::UTC),
        call_id: run.call_id,
        arguments: run.arguments.into_inner(),
        result: run.result.into_inner(),
    };
    Ok(Json(Page::of(runs, PAGE, |run| cursor(run.place), item)))
}

fn hidden() -> Problem {
    let why = "the function's `is_shownable` is `false`: what it collected is not shown";
    Problem::new(StatusCode::NOT_FOUND, why)
}

/// All that a function collected, as a table: a column for each of its variables.
#[utoipa::path(
    get,
    path = "/functions/{id}/collected.csv",
    tag = "functions",
    params(("id" = Uuid, Path, description = "The function")),
    responses(
        (status = 200, content_type = "text/csv"),
        Refusals,
        (status = 404, description = "`detail` says why there is none", body = Problem),
        (status = 429, description = "You, or others of the business, take lists away already", body = Problem)
    )
)]
async fn table(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
    parts: Parts,
) -> Result<Response, Problem> {
    let owners = &state.owners;
    // What is taken away is the owner's.
    let access = owners.store.access::<Own>(&viewer, Object::Function(id)).await?;
    let access = access.raised::<Inspect>(&viewer).ok_or_else(Problem::not_found)?;
    let of = collecting(&state, &access, id).await?.ok_or_else(hidden)?;
    let turn = owners.exports.turn(viewer.id(), [owners.store.owner_of(&access).await?]);
    let turn = turn.ok_or_else(|| Problem::too_many(RETRY_SECONDS))?;
    let deed = AuditEntry::of(&viewer, "collected.export").agent(access.agent_id());
    let deed = deed.object("function", id).change(json!({"format": "csv"}));
    owners.store.note_deed(&deed).await?;
    let store = owners.store.clone();
    let still = Still::new(&state, parts, &viewer);
    let mut table = Table { store, still, access, id, of, place: Place::Start, _turn: turn };
    let first = table.next().await?.unwrap_or_default();
    let rest = stream::try_unfold(table, |mut table| async move {
        if !matches!(table.place, Place::End) {
            table.still.may::<Own>(Object::Function(table.id)).await?;
        }
        Ok::<_, CutOff>(table.next().await?.map(|piece| (Bytes::from(piece), table)))
    });
    let first = stream::once(std::future::ready(Ok(Bytes::from(first))));
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"collected.csv\""),
    ];
    Ok((headers, Body::from_stream(first.chain(rest))).into_response())
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Start,
    Behind(CollectedPlace),
    End,
}

/// A table that is being taken away.
struct Table {
    store: Store,
    still: Still,
    access: AgentAccess<Inspect>,
    id: Uuid,
    of: Collecting,
    place: Place,
    /// Held until the last byte was read, or whoever reads has gone.
    _turn: Turn,
}

impl Table {
    /// The next rows; none at the end.
    async fn next(&mut self) -> Result<Option<String>, StoreError> {
        let mut text = String::new();
        let after = match self.place {
            Place::End => return Ok(None),
            Place::Behind(place) => Some(place),
            Place::Start => {
                let columns = self.of.columns.iter().map(String::as_str);
                let before = ["collected_at", "call_id"].into_iter();
                csv::row(&mut text, before.chain(columns).chain(["other", "result"]));
                None
            }
        };
        let runs = self.store.collected(&self.access, self.id, after, ROWS).await?;
        runs.iter().for_each(|run| self.add(&mut text, run));
        let is_last = i64::try_from(runs.len()).is_ok_and(|runs| runs < ROWS);
        self.place = match runs.last() {
            Some(run) if !is_last => Place::Behind(run.place),
            _ => Place::End,
        };
        Ok(Some(text))
    }

    fn add(&self, text: &mut String, run: &CollectedRun) {
        let (arguments, result) = (run.arguments.reveal(), run.result.reveal());
        let mut fields = vec![
            iso::time(run.place.at_us, &TimeZone::UTC),
            run.call_id.map(|id| id.to_string()).unwrap_or_default(),
        ];
        fields.extend(self.of.columns.iter().map(|name| cell(&arguments[name.as_str()])));
        fields.extend([rest(run, &self.of.columns), cell(result)]);
        csv::row(text, fields.iter().map(String::as_str));
    }
}
