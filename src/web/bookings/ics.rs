//! The calendar feed: `/feeds/{secret}.ics`, which other programs read without signing in.

use std::sync::Arc;

use crate::web::routing::get;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::end_us;
use crate::calendar::ical::{self, Certainty, Event};
use crate::config::PublicUrl;
use crate::store::access::{Maintain, Object, Refused};
use crate::store::bookings::{Booking, BookingSource, BookingState};
use crate::store::feeds::FeedContent;
use crate::store::people::Viewer;
use crate::web::AppState;
use crate::web::guard::may_in_person;
use crate::web::problem::Problem;
use crate::web::secret::Secret;
use crate::web::session::client_network;

/// Its route.
pub(crate) fn router() -> Router<Arc<AppState>> {
    Router::new().route("/feeds/{name}", get(feed))
}

/// Makes an agent's feed for the page and the API alike: the address, which is known only now, and would
/// outlive the key of a program that made it.
///
/// # Errors
/// [`Refused`].
pub(crate) async fn make(
    state: &AppState,
    viewer: &Viewer,
    agent: Uuid,
) -> Result<String, Refused> {
    let access =
        may_in_person::<Maintain>(state, viewer, Object::Agent(agent), "feed.make").await?;
    let secret = Secret::new("");
    if !state.owners.store.make_feed(&access, viewer, &secret.hash()).await? {
        // They were let go meanwhile.
        return Err(Refused::NotFound);
    }
    Ok(state.public_url.join(&format!("/feeds/{}.ics", secret.reveal())))
}

async fn feed(
    State(state): State<Arc<AppState>>,
    Path(name): Path<String>,
    parts: Parts,
) -> Response {
    let gone = || Problem::not_found().into_response();
    let secret = name.strip_suffix(".ics").and_then(Secret::sent);
    let limits = &state.owners.limits;
    let Some(secret) = secret else { return gone() };
    let hash = secret.hash();
    // By what is kept of the secret, so that the secret itself is nowhere in memory for an hour.
    let key: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    if let Err(seconds) = limits.feed.take(&key) {
        return Problem::too_many(seconds).into_response();
    }
    match state.owners.store.read_feed(&hash).await {
        Ok(Some(content)) => answer(&content, &state.public_url, &parts.headers),
        Ok(None) => match limits.refused.take(&client_network(&state, &parts)) {
            Ok(()) => gone(),
            Err(seconds) => Problem::too_many(seconds).into_response(),
        },
        Err(error) => Problem::from(error).into_response(),
    }
}

fn answer(content: &FeedContent, public_url: &PublicUrl, headers: &HeaderMap) -> Response {
    let events: Vec<Event> =
        content.bookings.iter().map(|booking| event(booking, public_url)).collect();
    let text = ical::calendar(&content.business, &events);
    let hash: String =
        Sha256::digest(&text)[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{hash}\"");
    let is_known = headers.get(IF_NONE_MATCH).and_then(|known| known.to_str().ok());
    if is_known.is_some_and(|known| known.split(',').any(|one| one.trim().ends_with(&tag))) {
        return (StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response();
    }
    let headers = [
        (CONTENT_TYPE, "text/calendar; charset=utf-8".to_owned()),
        (CONTENT_DISPOSITION, "inline; filename=\"bookings.ics\"".to_owned()),
        (CACHE_CONTROL, "private, no-cache".to_owned()),
        (ETAG, tag),
    ];
    (headers, text).into_response()
}

/// A booking as an event.
fn event(booking: &Booking, public_url: &PublicUrl) -> Event {
    let name = booking.name.reveal();
    let title = match booking.service.reveal().as_str() {
        "" => name.clone(),
        service => format!("{name}: {service}"),
    };
    let (certainty, summary) = match booking.state {
        BookingState::Cancelled => (Certainty::Cancelled, format!("Cancelled: {title}")),
        BookingState::Missed => (Certainty::Confirmed, format!("Did not come: {title}")),
        _ if booking.is_to_check => (Certainty::Tentative, format!("Please check: {title}")),
        _ => (Certainty::Confirmed, title),
    };
    let mut description = Vec::new();
    if !booking.phone.reveal().is_empty() {
        description.push(format!("Phone: {}", booking.phone.reveal()));
    }
    if !booking.notes.reveal().is_empty() {
        description.push(booking.notes.reveal().clone());
    }
    if let Some(reason) = booking.reason.as_ref().filter(|reason| !reason.reveal().is_empty()) {
        description.push(format!("Cancelled because: {}", reason.reveal()));
    }
    if booking.source == BookingSource::Extracted {
        description.push("Agreed in a call and not booked by the agent.".to_owned());
    }
    Event {
        uid: format!("{}@frontdesk", booking.id),
        start_us: booking.start_us,
        end_us: end_us(booking.start_us, booking.minutes),
        summary,
        description: description.join("\n"),
        url: public_url.join(&format!("/bookings/{}", booking.id)),
        certainty,
        sequence: booking.revision,
        created_us: booking.created_us,
        changed_us: booking.changed_us,
    }
}
