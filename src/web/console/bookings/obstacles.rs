//! What keeps a booking from being made as it was typed, and what to do about it.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::form::{BookingForm, span};
use crate::store::bookings::Booking;
use crate::web::bookings::when::WrongTime;

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
