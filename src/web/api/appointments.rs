//! `/appointments`.

use std::sync::Arc;

use crate::web::routing::routes;
use axum::Json;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::appointments_wanted::Wanted;
use super::refusals::{Conflict, Refusals};
use super::{Answer, Page};
use crate::store::access::{Maintain, Object};
use crate::store::booking_edits::Kept;
use crate::store::bookings::{Booking, BookingState, BookingsWanted};
use crate::web::AppState;
use crate::web::bookings::fields::{Fields, Wrong};
use crate::web::bookings::{end_us, settle, zone};
use crate::web::extract::{ApiJson, ApiPath, ApiQuery};
use crate::web::guard::may;
use crate::web::iso;
use crate::web::problem::Problem;
use crate::web::session::ApiRequest;

/// How often a change that says of no revision is tried anew when others change the same row.
const ATTEMPTS: usize = 3;

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new().routes(routes!(list, make)).routes(routes!(read, change, cancel))
}

/// An appointment. Times have the offset of the business's time zone.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AppointmentItem {
    id: Uuid,
    agent: Uuid,
    start: String,
    end: String,
    minutes: u32,
    name: String,
    /// E.164, as other programs wrote it, or empty.
    phone: String,
    service: String,
    notes: String,
    /// pending, completed (they came), missed (they did not) or cancelled.
    status: &'static str,
    /// agent (booked in a call), extracted (only understood from a call), person or other.
    source: &'static str,
    /// Whether it was only understood from a call and nobody has said that it is right.
    to_check: bool,
    /// The call in which it was booked.
    call: Option<Uuid>,
    /// Why it was cancelled.
    reason: Option<String>,
    /// How often it was changed. Send it with a change, and nobody else's change is lost.
    revision: i32,
    created: String,
    changed: String,
}

impl AppointmentItem {
    fn of(booking: &Booking) -> Self {
        let zone = zone(booking.zone.as_deref());
        Self {
            id: booking.id,
            agent: booking.agent_id,
            start: iso::time(booking.start_us, &zone),
            end: iso::time(end_us(booking.start_us, booking.minutes), &zone),
            minutes: booking.minutes,
            name: booking.name.reveal().clone(),
            phone: booking.phone.reveal().clone(),
            service: booking.service.reveal().clone(),
            notes: booking.notes.reveal().clone(),
            status: booking.state.word(),
            source: booking.source.word(),
            to_check: booking.is_to_check,
            call: booking.call_id,
            reason: booking.reason.as_ref().map(|reason| reason.reveal().clone()),
            revision: booking.revision,
            created: iso::time(booking.created_us, &zone),
            changed: iso::time(booking.changed_us, &zone),
        }
    }
}

/// The appointments of your agents, the earliest first.
#[utoipa::path(
    get,
    path = "/appointments",
    tag = "appointments",
    params(Wanted),
    responses((status = 200, body = Page<AppointmentItem>), Refusals)
)]
async fn list(
    ApiRequest { state, viewer }: ApiRequest,
    ApiQuery(wanted): ApiQuery<Wanted>,
) -> Answer<Page<AppointmentItem>> {
    let store = &state.owners.store;
    let agents = wanted.agents(&store.visible_agents(&viewer).await?)?;
    let first = agents.list().first().and_then(|agent| agent.zone.as_deref());
    let asked = wanted.read(&zone(first))?;
    let one_more = BookingsWanted { limit: asked.limit + 1, ..asked };
    let found = store.bookings(&agents, &one_more).await?;
    let place = |last: &Booking| format!("{}~{}", last.start_us, last.id);
    Ok(Json(Page::of(found, asked.limit, place, |booking| AppointmentItem::of(&booking))))
}

/// A new appointment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewAppointment {
    agent: Uuid,
    /// `2026-11-29T14:00` by the business's clock, or a time with offset.
    start: String,
    /// As long as appointments usually take, if it is not said.
    minutes: Option<i64>,
    name: String,
    phone: Option<String>,
    service: Option<String>,
    notes: Option<String>,
    /// Whether something else may be booked in the same time.
    #[serde(default)]
    overlap: bool,
}

/// Books an appointment. What else is booked in its time is a conflict, unless `overlap` is true.
/// Opening hours bind the agent alone.
#[utoipa::path(
    post,
    path = "/appointments",
    tag = "appointments",
    request_body = NewAppointment,
    responses((status = 201, body = AppointmentItem), Conflict, Refusals)
)]
async fn make(
    ApiRequest { state, viewer }: ApiRequest,
    ApiJson(new): ApiJson<NewAppointment>,
) -> Result<(StatusCode, Json<AppointmentItem>), Problem> {
    let store = &state.owners.store;
    let access = may::<Maintain>(&state, &viewer, Object::Agent(new.agent), "booking.make").await?;
    let fields = Fields {
        start: Some(new.start),
        minutes: new.minutes,
        name: Some(new.name),
        phone: new.phone,
        service: new.service,
        notes: new.notes,
        ..Fields::default()
    };
    let place = store.booking_place(&access).await?;
    let draft = fields.draft(&place, None).map_err(Wrong::first)?;
    let kept = store.keep_booking(&access, &viewer, None, &draft, (new.overlap, None)).await?;
    let item = answered(kept, (draft.start_us, draft.minutes), place.zone.as_deref())?;
    Ok((StatusCode::CREATED, Json(item)))
}

/// What a write came to.
fn answered(
    kept: Kept,
    (start_us, minutes): (i64, u32),
    zone_name: Option<&str>,
) -> Result<AppointmentItem, Problem> {
    match kept {
        Kept::Kept(booking) => Ok(AppointmentItem::of(&booking)),
        Kept::Gone => Err(Problem::not_found()),
        Kept::Changed(now) => Err(Problem::conflict(
            "it was changed meanwhile; look at what it is now and send that revision",
            json!({"now": AppointmentItem::of(&now)}),
        )),
        Kept::Taken(others) => {
            let zone = zone(zone_name);
            let others: Vec<_> = others.iter().map(AppointmentItem::of).collect();
            let end = iso::time(end_us(start_us, minutes), &zone);
            let wanted = json!({"start": iso::time(start_us, &zone), "end": end});
            Err(Problem::conflict(
                "something else is booked in that time; send \"overlap\": true to book both",
                json!({"wanted": wanted, "in_the_way": others}),
            ))
        }
    }
}

/// One appointment.
#[utoipa::path(
    get,
    path = "/appointments/{id}",
    tag = "appointments",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = AppointmentItem), Refusals)
)]
async fn read(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
) -> Answer<AppointmentItem> {
    use crate::store::access::Read;
    let store = &state.owners.store;
    let access = store.access::<Read>(&viewer, Object::Appointment(id)).await?;
    let booking = store.booking(&access, id).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(AppointmentItem::of(&booking)))
}

/// What is to change of an appointment. What is not sent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AppointmentChange {
    /// `2026-11-29T14:00` by the business's clock, or a time with offset.
    start: Option<String>,
    minutes: Option<i64>,
    name: Option<String>,
    phone: Option<String>,
    service: Option<String>,
    notes: Option<String>,
    /// pending, completed, missed or cancelled.
    status: Option<String>,
    /// Why it is cancelled.
    reason: Option<String>,
    /// The revision that you saw. Another one is a conflict.
    revision: Option<i32>,
    /// Whether something else may be booked in the same time.
    #[serde(default)]
    overlap: bool,
}

/// Moves or changes an appointment, or says what came of it.
#[utoipa::path(
    patch,
    path = "/appointments/{id}",
    tag = "appointments",
    params(("id" = Uuid, Path)),
    request_body = AppointmentChange,
    responses((status = 200, body = AppointmentItem), Conflict, Refusals)
)]
async fn change(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(sent): ApiJson<AppointmentChange>,
) -> Answer<AppointmentItem> {
    let store = &state.owners.store;
    let object = Object::Appointment(id);
    let access = may::<Maintain>(&state, &viewer, object, "booking.change").await?;
    let place = store.booking_place(&access).await?;
    let mut known = store.booking(&access, id).await?.ok_or_else(Problem::not_found)?;
    let (revision, overlap) = (sent.revision, sent.overlap);
    let fields = Fields {
        start: sent.start,
        which: None,
        minutes: sent.minutes,
        name: sent.name,
        phone: sent.phone,
        service: sent.service,
        notes: sent.notes,
        status: sent.status,
        reason: sent.reason,
    };
    for attempt in 1.. {
        if revision.is_some_and(|revision| revision != known.revision) {
            return answered(Kept::Changed(Box::new(known)), (0, 0), None).map(Json);
        }
        let draft = fields.draft(&place, Some(&known)).map_err(Wrong::first)?;
        let kept =
            store.keep_booking(&access, &viewer, Some(&known), &draft, (overlap, None)).await?;
        match kept {
            Kept::Changed(now) if revision.is_none() && attempt < ATTEMPTS => known = *now,
            kept => {
                let wanted = (draft.start_us, draft.minutes);
                return answered(kept, wanted, place.zone.as_deref()).map(Json);
            }
        }
    }
    Err(Problem::not_found())
}

/// Why it is cancelled.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Cancelled {
    /// Why, in up to 500 characters.
    reason: Option<String>,
}

/// Cancels an appointment. It stays in lists and feeds, as cancelled; again changes nothing.
#[utoipa::path(
    delete,
    path = "/appointments/{id}",
    tag = "appointments",
    params(("id" = Uuid, Path), Cancelled),
    responses((status = 204), Conflict, Refusals)
)]
async fn cancel(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(id): ApiPath<Uuid>,
    ApiQuery(query): ApiQuery<Cancelled>,
) -> Result<StatusCode, Problem> {
    let store = &state.owners.store;
    let object = Object::Appointment(id);
    let access = may::<Maintain>(&state, &viewer, object, "booking.cancel").await?;
    let booking = store.booking(&access, id).await?.ok_or_else(Problem::not_found)?;
    let fields = Fields { reason: query.reason, ..Fields::default() };
    let place = store.booking_place(&access).await?;
    let draft = fields.draft(&place, Some(&booking)).map_err(Wrong::first)?;
    let wanted = (BookingState::Cancelled, draft.reason.reveal().as_str());
    let kept = settle(store, &access, &viewer, booking, wanted).await?;
    answered(kept, (draft.start_us, draft.minutes), place.zone.as_deref())?;
    Ok(StatusCode::NO_CONTENT)
}
