//! An appointment that was spoken of in a call: what came of it, and one tap that books it.

use maud::{Markup, html};
use serde_json::Value;
use uuid::Uuid;

use super::about::{caller_name, text};
use crate::store::bookings::Booking;
use crate::store::call_page::CallPage;

/// What came of the appointments of a call, for whoever reads of them.
pub(super) struct Spoken<'a> {
    /// The bookings that they became by themselves, by their places.
    pub(super) bookings: &'a [(usize, Booking)],
    /// Whether they may be booked and checked.
    pub(super) may_book: bool,
}

/// The note about the appointment at this place of `metadata.extracted_appointments`.
pub(super) fn note(call: &CallPage, (place, told): (usize, &Value), spoken: &Spoken<'_>) -> Markup {
    let (why, is_written) = (text(told, "why"), told["written"] == true);
    // One that a function booked is shown where that was.
    if !is_written && why == "known" {
        return html! {};
    }
    let written = spoken.bookings.iter().find(|(of, _)| *of == place).map(|(_, booking)| booking);
    let is_to_check = written.is_some_and(|booking| booking.is_to_check);
    let by_person: Option<Uuid> = text(told, "booking").parse().ok();
    let booking = by_person.or(written.map(|booking| booking.id));
    let parts = [text(told, "date"), text(told, "time"), text(told, "service"), text(told, "name")];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    html! {
        div .note.warn[is_to_check] id=[(place == 0).then_some("spoken-of")] {
            p {
                @match (is_written, booking, is_to_check) {
                    (true, _, true) | (true, None, false) => {
                        b { "Please check. " } "This appointment was agreed and stands in "
                        a href=(address(booking, told)) { "Bookings" } ", not confirmed: "
                    }
                    (true, Some(id), false) => {
                        b { "An appointment was spoken of" } " and is " a href={ "/bookings/" (id) } { "booked" } ": "
                    }
                    (false, ..) => { b { "An appointment was spoken of" } " and not written down: " }
                }
                bdi { (parts.join(", ")) } "."
            }
            @if !is_written && !why.is_empty() { p { "Why not: " (reason(why)) "." } }
            @for (who, words) in [("Agent", text(told, "agent")), ("Caller", text(told, "caller"))] {
                @if !words.is_empty() { p .quiet { (who) ": " bdi { "“" (words) "”" } } }
            }
            @if spoken.may_book && !is_written { (tap(call, place, told)) }
            @if let Some(booking) = written.filter(|_| spoken.may_book && is_to_check) { (check(booking)) }
        }
    }
}

/// The booking, or the bookings of its day.
fn address(booking: Option<Uuid>, told: &Value) -> String {
    match (booking, text(told, "date").parse::<jiff::civil::Date>()) {
        (Some(id), _) => format!("/bookings/{id}"),
        (None, Ok(day)) => format!("/bookings?day={day}"),
        (None, Err(_)) => "/bookings".to_owned(),
    }
}

/// It is as it was agreed.
fn check(booking: &Booking) -> Markup {
    html! {
        form method="post" action={ "/bookings/" (booking.id) "/check" } {
            input type="hidden" name="revision" value=(booking.revision);
            p .actions {
                button .main type="submit" { "It is right" }
                a .button href={ "/bookings/" (booking.id) } { "Move or cancel it" }
            }
        }
    }
}

/// Books it as it was spoken of; what cannot be booked so is asked for in the form of a new booking.
fn tap(call: &CallPage, place: usize, told: &Value) -> Markup {
    let named = caller_name(call.summary.reveal());
    let name = if named.is_empty() { text(told, "name") } else { named };
    let phone = call.caller_e164.as_ref().map(|number| number.reveal().as_str());
    let (agent, id, place) = (call.agent_id.to_string(), call.id.to_string(), place.to_string());
    let fields = [
        ("agent", agent.as_str()),
        ("call", &id),
        ("place", &place),
        ("date", text(told, "date")),
        ("time", text(told, "time")),
        ("name", name),
        ("phone", phone.unwrap_or_default()),
        ("service", text(told, "service")),
    ];
    html! {
        form method="post" action="/bookings/new" {
            @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
            p .actions { button .main type="submit" { "Book it" } }
        }
    }
}

fn reason(why: &str) -> &str {
    match why {
        "taken" => "something else is booked then",
        other => other,
    }
}
