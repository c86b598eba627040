//! `/bookings/{id}`: one booking, and what can be done with it.

mod settling;

use std::sync::Arc;

use crate::web::routing::{get, post};
use axum::Router;
use axum::extract::{Form, Query};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use jiff::Zoned;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use settling::{Settling, came, cancel, check, missed, reopen};

use super::clock;
use super::form::{Again, BookingForm, form, span};
use super::lists::badge;
use super::obstacles::asked_of_change;
use super::telling::{self, Told, Way};
use crate::agent::phone_number::readable;
use crate::store::access::{AgentAccess, Maintain, Object, Read, Role};
use crate::store::booking_edits::Kept;
use crate::store::bookings::{Booking, BookingSource, BookingState};
use crate::store::people::Viewer;
use crate::web::AppState;
use crate::web::bookings::zone;
use crate::web::console::errors::{Fault, Shown};
use crate::web::console::layout::{Section, Shell};
use crate::web::console::time;
use crate::web::guard::{PageId, may};
use crate::web::session::PageRequest;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .route("/bookings/{id}", get(page).merge(post(change)))
        .route("/bookings/{id}/cancel", post(cancel))
        .route("/bookings/{id}/came", post(came))
        .route("/bookings/{id}/missed", post(missed))
        .route("/bookings/{id}/reopen", post(reopen))
        .route("/bookings/{id}/check", post(check))
}

/// What was just done.
#[derive(Debug, Deserialize)]
struct Done {
    #[serde(default)]
    done: String,
    /// When it was before, microseconds since the Unix epoch.
    #[serde(default)]
    was: String,
    /// What became of the text about it.
    #[serde(default)]
    told: String,
}

async fn page(
    PageRequest { state, viewer }: PageRequest,
    PageId(id): PageId<Uuid>,
    Query(done): Query<Done>,
) -> Shown {
    let store = &state.owners.store;
    let access = store.access::<Read>(&viewer, Object::Appointment(id)).await?;
    let booking = store.booking(&access, id).await?.ok_or(Fault::NotFound)?;
    let shell = Shell::of(store, viewer, Some(access.agent_id())).await?;
    let form = BookingForm::of(&booking, &zone(booking.zone.as_deref()));
    let notice = notice(&booking, &done);
    let may_change = access.role() >= Role::Maintainer;
    let way = telling::way(&state, &booking, &zone(booking.zone.as_deref())).await;
    let way = way.as_ref().filter(|_| may_change);
    let seen = Seen { booking: &booking, way, cancel: None };
    Ok(show(&shell, seen, &form, (may_change, &notice, &Again::default())))
}

fn notice(booking: &Booking, done: &Done) -> Markup {
    let zone = zone(booking.zone.as_deref());
    let words = match done.done.as_str() {
        "made" => "Booked.".to_owned(),
        "changed" => "Changed.".to_owned(),
        "moved" => {
            let was = done.was.parse().ok().map(|was| time::at(was, &zone));
            let words = |at: &Zoned| format!("{}, {}", at.strftime("%A %-d %B"), clock(at));
            let was = was.map_or(String::new(), |was| format!(" from {}", words(&was)));
            format!("Moved{was} to {}.", words(&time::at(booking.start_us, &zone)))
        }
        "cancelled" => format!("Cancelled. The time is free again.{}", Told::words(&done.told)),
        "completed" => "Noted: they came.".to_owned(),
        "missed" => "Noted: they did not come.".to_owned(),
        "pending" => "Booked again.".to_owned(),
        "checked" => "Noted: it is right.".to_owned(),
        _ => return html! {},
    };
    html! { p .note.good role="status" { (words) } }
}

/// A booking, how those whom it is for can be told of it, and what was typed to cancel it, if that was
/// not done.
#[derive(Clone, Copy)]
struct Seen<'a> {
    booking: &'a Booking,
    way: Option<&'a Way>,
    cancel: Option<&'a Settling>,
}

fn show(
    shell: &Shell,
    seen @ Seen { booking, .. }: Seen<'_>,
    sent: &BookingForm,
    (may_change, notice, again): (bool, &Markup, &Again),
) -> Response {
    let zone = zone(booking.zone.as_deref());
    let address = format!("/bookings/{}", booking.id);
    let day = time::at(booking.start_us, &zone).date();
    let mut page = shell.page(Some(Section::Bookings), "Booking", &html! {
        p { a href={ "/bookings?day=" (day) } { "‹ All bookings" } }
        h1 { bdi { (booking.name.reveal()) } " " (badge(booking)) }
        p .zone { "Times are those in " (shell.zone_name()) "." }
        (notice)
        @if again.now.is_some() {
            p .note.warn role="alert" {
                "Somebody has changed this booking meanwhile. Above is what it is now, and below what \
                 you wanted: look at both, and send it again if you still want it."
            }
        }
        (facts(booking, &zone, shell))
        @if may_change {
            (deeds(booking, &address, shell))
            @if booking.state == BookingState::Pending {
                details .card open[again.status() != StatusCode::OK && seen.cancel.is_none()] {
                    summary { "Move or change" }
                    (form(sent, again, (&address, "Save"), &zone))
                }
                (cancelling(seen, &address))
            }
        }
        details .card {
            summary { "Details for support" }
            dl {
                dt { "Booking" } dd { code { (booking.id) } }
                dt { "Changes" } dd { (booking.revision) }
            }
        }
    });
    *page.status_mut() = again.status();
    page
}

fn facts(booking: &Booking, zone: &TimeZone, shell: &Shell) -> Markup {
    let phone = booking.phone.reveal();
    let is_dialled = phone.starts_with('+') && phone[1..].bytes().all(|c| c.is_ascii_digit());
    let made = time::when(&time::at(booking.created_us, zone), &shell.now);
    html! {
        dl .card {
            dt { "When" } dd { (span(booking.start_us, booking.minutes, zone)) }
            @if !booking.service.reveal().is_empty() {
                dt { "What for" } dd { bdi { (booking.service.reveal()) } }
            }
            @if !phone.is_empty() {
                dt { "Phone" }
                dd {
                    @if is_dialled { a .tel href={ "tel:" (phone) } { (readable(phone)) } }
                    @else { bdi { (phone) } }
                }
            }
            @if !booking.notes.reveal().is_empty() {
                dt { "Notes" } dd { bdi { (booking.notes.reveal()) } }
            }
            dt { "Booked" }
            dd {
                @match (booking.source, &booking.booked_by) {
                    (BookingSource::Agent, _) => { (made) " by the agent" }
                    (BookingSource::Extracted, _) => {
                        "not by the agent: it was agreed in a call, and written down " (made)
                    }
                    (_, Some(name)) => { (made) " by " bdi { (name.reveal()) } }
                    (BookingSource::Person, None) => { (made) " by somebody who is gone" }
                    (BookingSource::Other, None) => { (made) " by another program" }
                }
                @if let Some(call) = booking.call_id { " · " a href={ "/calls/" (call) } { "the call" } }
            }
            @if let Some(reason) = &booking.reason {
                dt { "Cancelled because" } dd { bdi { (reason.reveal()) } }
            }
        }
    }
}

/// A form that is a button.
fn button(booking: &Booking, action: &str, words: &str, class: &str) -> Markup {
    html! {
        form method="post" action=(action) {
            input type="hidden" name="revision" value=(booking.revision);
            button class=[(!class.is_empty()).then_some(class)] type="submit" { (words) }
        }
    }
}

fn deeds(booking: &Booking, address: &str, shell: &Shell) -> Markup {
    let has_begun = booking.start_us <= shell.now.timestamp().as_microsecond();
    html! {
        div .actions {
            @if booking.state == BookingState::Pending {
                @if booking.is_to_check {
                    (button(booking, &format!("{address}/check"), "It is right", "main"))
                }
                @if has_begun {
                    (button(booking, &format!("{address}/came"), "They came", "main"))
                    (button(booking, &format!("{address}/missed"), "They did not come", ""))
                }
            } @else {
                (button(booking, &format!("{address}/reopen"), "Undo: it is booked", ""))
            }
        }
    }
}

fn cancelling(Seen { booking, way, cancel }: Seen<'_>, address: &str) -> Markup {
    html! {
        details .card open[cancel.is_some()] {
            summary { "Cancel" }
            form method="post" action={ (address) "/cancel" } {
                input type="hidden" name="revision" value=(booking.revision);
                label for="reason" { "Why (only you and your people read it)" }
                input type="text" id="reason" name="reason"
                    value=[cancel.map(|sent| sent.reason.as_str())];
                (telling::field(way, cancel.map_or((false, None), Settling::telling)))
                p { button .bad type="submit" { "Cancel this booking" } }
            }
        }
    }
}

/// What a change needs: access, and the booking as it is.
async fn changing(
    state: &AppState,
    viewer: &Viewer,
    id: Uuid,
    action: &'static str,
) -> Result<(AgentAccess<Maintain>, Booking), Fault> {
    let access: AgentAccess<Maintain> = may(state, viewer, Object::Appointment(id), action).await?;
    let booking = state.owners.store.booking(&access, id).await?.ok_or(Fault::NotFound)?;
    Ok((access, booking))
}

async fn change(
    PageRequest { state, viewer }: PageRequest,
    PageId(id): PageId<Uuid>,
    Form(sent): Form<BookingForm>,
) -> Shown {
    let store = &state.owners.store;
    let (access, known) = changing(&state, &viewer, id, "booking.change").await?;
    let place = store.booking_place(&access).await?;
    let mut shown = known.clone();
    let draft = sent.fields().draft(&place, Some(&known));
    let asked = match &draft {
        Ok(draft) => asked_of_change(&state, &viewer, (&known, draft), &sent).await?,
        Err(_) => None,
    };
    let again = match (draft, asked) {
        (Err(wrong), _) => Again { wrong, ..Again::default() },
        (Ok(_), Some(asked)) => asked,
        (Ok(draft), None) => {
            // What they saw is what is changed, and nothing newer.
            let seen = Booking { revision: sent.revision.parse().unwrap_or(-1), ..known.clone() };
            let overlap = sent.may_overlap();
            match store.keep_booking(&access, &viewer, Some(&seen), &draft, (overlap, None)).await?
            {
                Kept::Kept(now) => return Ok(changed(&known, &now)),
                Kept::Taken(others) => Again { others, ..Again::default() },
                Kept::Changed(now) => {
                    shown = (*now).clone();
                    Again { now: Some(now), ..Again::default() }
                }
                Kept::Gone => return Err(Fault::NotFound),
            }
        }
    };
    let sent = BookingForm { revision: shown.revision.to_string(), ..sent };
    let shell = Shell::of(store, viewer, Some(access.agent_id())).await?;
    let way = telling::way(&state, &shown, &zone(shown.zone.as_deref())).await;
    let seen = Seen { booking: &shown, way: way.as_ref(), cancel: None };
    Ok(show(&shell, seen, &sent, (true, &html! {}, &again)))
}

fn changed(known: &Booking, now: &Booking) -> Response {
    let to = match known.start_us == now.start_us {
        true => format!("/bookings/{}?done=changed", now.id),
        false => format!("/bookings/{}?done=moved&was={}", now.id, known.start_us),
    };
    Redirect::to(&to).into_response()
}
