//! What keeps a booking from being made as it was typed, and what to do about it.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use uuid::Uuid;

use super::form::{Again, BookingForm, span};
use super::{hours_of, is_past};
use crate::store::access::{Object, Read};
use crate::store::booking_edits::BookingDraft;
use crate::store::bookings::Booking;
use crate::store::people::Viewer;
use crate::web::AppState;
use crate::web::bookings::when::WrongTime;
use crate::web::bookings::{end_us, zone};
use crate::web::console::errors::Fault;

/// What is booked in the same time, and that both may be.
pub(super) fn in_the_way(others: &[Booking], zone: &TimeZone) -> Markup {
    html! {
        div .note.warn role="alert" {
            p { "Something else is booked in that time:" }
            ul { @for other in others { li {
                a href={ "/bookings/" (other.id) } { bdi { (other.name.reveal()) } }
                ", " (span(other.start_us, other.minutes, zone))
            } } }
            label .check {
                input type="checkbox" name="overlap" value="true";
                " Book both in the same time"
            }
            p .hint { "Or choose another time below." }
        }
    }
}

/// That the day is past, and that it may be.
pub(super) fn past(form: &BookingForm) -> Markup {
    let day = form.date.trim().parse::<jiff::civil::Date>();
    let day =
        day.map_or_else(|_| "This day".to_owned(), |day| day.strftime("%A %-d %B %Y").to_string());
    html! {
        div.note.warn role="alert" {
            p { (day) " is past. Is it the right month and year?" }
            label .check {
                input type="checkbox" name="past" value="true";
                " Yes: write it down all the same"
            }
        }
    }
}

/// That the business is closed then, and that it may be booked all the same.
pub(super) fn closed() -> Markup {
    html! {
        div.note.warn role="alert" {
            p { "That time is outside the opening hours." }
            label .check {
                input type="checkbox" name="closed" value="true";
                " Yes: it is meant"
            }
        }
    }
}

/// What is wrong with a time, and which one is meant where it comes twice.
pub(super) fn time_choice(form: &BookingForm, why: Option<&WrongTime>, detail: &str) -> Markup {
    html! {
        div .note.bad role="alert" {
            @match why {
                Some(WrongTime::Twice(both)) => {
                    fieldset {
                        legend { "That night the clock is put back: which " (form.time) " do you mean?" }
                        @for (value, at) in [("first", &both.0), ("second", &both.1)] {
                            label .check {
                                input type="radio" name="which" value=(value) required;
                                " The " (value) " one, " (at.strftime("%H:%M %Z"))
                            }
                        }
                    }
                }
                Some(WrongTime::Skipped) => p .error {
                    "That night the clock is put on: there is no " (form.time) ". Choose another time."
                }
                Some(WrongTime::Unreadable) => p .error {
                    "Choose a day and a time, from the year 2000 to 2100."
                }
                None => p .error { "The time " (detail) "." }
            }
        }
    }
}

/// The same before a booking goes to another time.
pub(super) async fn asked_of_change(
    state: &AppState,
    viewer: &Viewer,
    (known, draft): (&Booking, &BookingDraft),
    sent: &BookingForm,
) -> Result<Option<Again>, Fault> {
    // That somebody changed it meanwhile comes first: the time may be another by now.
    if draft.start_us == known.start_us || sent.revision != known.revision.to_string() {
        return Ok(None);
    }
    asked(state, viewer, known.agent_id, (known.zone.as_deref(), draft), sent).await
}

/// What is asked before something is booked: whether a day that is past is meant, or a time at which the
/// business is closed; none: nothing, or it was said.
pub(super) async fn asked(
    state: &AppState,
    viewer: &Viewer,
    agent: Uuid,
    (zone_name, draft): (Option<&str>, &BookingDraft),
    sent: &BookingForm,
) -> Result<Option<Again>, Fault> {
    let is_past = sent.past != "true" && is_past(draft.start_us, &zone(zone_name));
    let is_closed = sent.closed != "true" && {
        let store = &state.owners.store;
        let access = store.access::<Read>(viewer, Object::Agent(agent)).await?;
        let last_us = end_us(draft.start_us, draft.minutes) - 1;
        let hours = hours_of(store, &access).await?;
        let ends = [draft.start_us, last_us].map(Timestamp::from_microsecond);
        let is_closed = |at: Timestamp| hours.as_ref()?.is_open(at).map(|is_open| !is_open);
        ends.into_iter().flatten().any(|at| is_closed(at) == Some(true))
    };
    Ok((is_past || is_closed).then(|| Again { is_past, is_closed, ..Again::default() }))
}
