//! What new opening hours bring with them, for whoever has just changed these: bookings outside of them,
//! which stand, and somebody may have to call; hours that are never open.

use maud::{Markup, html};

use super::super::layout::Shell;
use super::super::time;
use crate::agent::hours::{Hours, Written};
use crate::store::bookings::{Booking, BookingState, BookingsWanted};
use crate::store::{Result, Store};

/// So many of the coming bookings are looked at, and so many are named.
const LOOKED_AT: i64 = 500;
const NAMED: usize = 5;
/// How far ahead is looked, microseconds.
const AHEAD_US: i64 = 366 * 24 * 3600 * 1_000_000;
const MINUTE_US: i64 = 60 * 1_000_000;

/// Those of the agent that the page is about.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub(super) async fn note(store: &Store, shell: &Shell, hours: &Hours) -> Result<Markup> {
    let from_us = shell.now.timestamp().as_microsecond();
    let wanted = BookingsWanted {
        from_us,
        until_us: from_us.saturating_add(AHEAD_US),
        state: Some(BookingState::Pending),
        after: None,
        limit: LOOKED_AT,
    };
    let mut bookings = store.bookings(&shell.listed(), &wanted).await?;
    bookings.retain(|booking| is_outside(booking, hours));
    let zone = shell.zone();
    Ok(html! {
        @if is_never_open(hours) {
            div .note.warn role="alert" {
                p { "By these hours the business is never open: callers hear that it is closed, and nothing can be booked." }
            }
        }
        @if !bookings.is_empty() {
            div .note.warn role="alert" {
                p {
                    @if bookings.len() == 1 { "One booking lies" } @else { (bookings.len()) " bookings lie" }
                    " outside the opening hours now. They stand as they are; nobody is told by itself."
                }
                ul {
                    @for booking in bookings.iter().take(NAMED) {
                        @let at = time::at(booking.start_us, &zone);
                        li {
                            a href={ "/bookings/" (booking.id) } { (at.strftime("%a %-d %b %H:%M")) }
                            " · " bdi { (booking.name.reveal()) }
                        }
                    }
                }
                @if bookings.len() > NAMED {
                    p { a href={ "/bookings" (shell.query()) } { "See all bookings" } }
                }
            }
        }
    })
}

/// Whether hours are kept, and none is an open one.
fn is_never_open(hours: &Hours) -> bool {
    let is_closed = |day: &Written| matches!(day, Written::Known(ranges) if ranges.is_empty());
    hours.week().iter().all(is_closed) && hours.dates().iter().all(|(_, day)| is_closed(day))
}

/// Whether it begins or ends while the business is known to be closed.
fn is_outside(booking: &Booking, hours: &Hours) -> bool {
    let last_us = booking.start_us + (i64::from(booking.minutes.max(1)) - 1) * MINUTE_US;
    let is_closed = |at_us: i64| {
        let at = jiff::Timestamp::from_microsecond(at_us).ok();
        at.and_then(|at| hours.is_open(at)) == Some(false)
    };
    is_closed(booking.start_us) || is_closed(last_us)
}
