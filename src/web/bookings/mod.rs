//! Bookings for the API and the pages alike: what is accepted of one, and how it is written.

pub(super) mod fields;
pub(super) mod ics;
pub(super) mod when;

use jiff::tz::TimeZone;

use crate::store::access::{AgentAccess, Maintain};
use crate::store::booking_edits::{BookingDraft, Kept};
use crate::store::bookings::{Booking, BookingState};
use crate::store::people::Viewer;
use crate::store::{Result, Store};

/// How often a change is tried anew that says of no revision, when others change the same booking.
const ATTEMPTS: usize = 3;

/// A business's zone, or UTC where none is known.
pub(super) fn zone(name: Option<&str>) -> TimeZone {
    name.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC)
}

/// When a booking is over, microseconds since the Unix epoch.
pub(super) fn end_us(start_us: i64, minutes: u32) -> i64 {
    start_us.saturating_add(i64::from(minutes) * 60_000_000)
}

/// Sets what came of a booking. What is so already is not written again.
pub(super) async fn settle(
    store: &Store,
    access: &AgentAccess<Maintain>,
    viewer: &Viewer,
    booking: Booking,
    (state, reason): (BookingState, &str),
) -> Result<Kept> {
    let mut known = booking;
    for _ in 0..ATTEMPTS {
        if known.state == state {
            break;
        }
        let reason = reason.to_owned().into();
        let draft = BookingDraft { state, reason, ..BookingDraft::of(&known) };
        match store.keep_booking(access, viewer, Some(&known), &draft, (false, None)).await? {
            Kept::Changed(now) => known = *now,
            kept => return Ok(kept),
        }
    }
    Ok(Kept::Kept(Box::new(known)))
}
