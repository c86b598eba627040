//! The bookings that came of a call, under its head.

use jiff::tz::TimeZone;
use maud::{Markup, html};
use uuid::Uuid;

use crate::store::bookings::{Booking, BookingSource, BookingState};
use crate::web::console::{time, words};

/// What was booked, moved or cancelled in the call. What was only understood from its words, and that
/// nobody has checked, stands in a note of its own.
pub(super) fn list(call: Uuid, bookings: &[Booking], zone: &TimeZone) -> Markup {
    let certain: Vec<&Booking> = bookings.iter().filter(|booking| !booking.is_to_check).collect();
    html! {
        @for booking in certain {
            p .note.good[booking.state == BookingState::Pending] {
                b {
                    (what(call, booking))
                    @if let (BookingSource::Person, Some(name)) = (booking.source, &booking.booked_by) {
                        " by " bdi { (name.reveal()) }
                    }
                    ": "
                }
                a href={ "/bookings/" (booking.id) } {
                    (time::at(booking.start_us, zone).strftime("%a %-d %b %H:%M"))
                    @if !booking.service.reveal().trim().is_empty() { ", " bdi { (booking.service.reveal()) } }
                    @if !booking.name.reveal().trim().is_empty() { ", " bdi { (booking.name.reveal()) } }
                }
                @if booking.state != BookingState::Pending { " " (words::booking(booking.state.word())) }
            }
        }
    }
}

/// What the call did with it.
fn what(call: Uuid, booking: &Booking) -> &'static str {
    match (booking.call_id == Some(call), booking.source, booking.state) {
        (true, BookingSource::Person, _) => "Booked after this call",
        (true, _, _) => "Booked in this call",
        (false, _, BookingState::Cancelled) => "Moved or cancelled in this call",
        (false, ..) => "Moved in this call",
    }
}
