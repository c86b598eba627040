//! How people change `appointments`, by the rules of time that callers' bookings keep.

use std::borrow::Cow;

use serde_json::{Value, json};
use sqlx::Row;
use uuid::Uuid;

use super::access::{AgentAccess, Maintain};
use super::audit::{self, AuditEntry};
use super::bookings::{Booking, BookingState};
use super::people::Viewer;
use super::{Result, Store, StoreError, storable_text};
use crate::private::Private;

/// What a person says a booking is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookingDraft {
    /// When it begins, microseconds since the Unix epoch.
    pub start_us: i64,
    /// How long it takes.
    pub minutes: u32,
    /// The name that it is booked under.
    pub name: Private<String>,
    /// Where they can be called, as E.164; empty if that is not known.
    pub phone: Private<String>,
    /// What it is for.
    pub service: Private<String>,
    /// What else is to be known; may be empty.
    pub notes: Private<String>,
    /// What came of it.
    pub state: BookingState,
    /// Why it is cancelled; may be empty.
    pub reason: Private<String>,
}

impl BookingDraft {
    /// The booking as it is.
    pub fn of(booking: &Booking) -> Self {
        Self {
            start_us: booking.start_us,
            minutes: booking.minutes,
            name: booking.name.clone(),
            phone: booking.phone.clone(),
            service: booking.service.clone(),
            notes: booking.notes.clone(),
            state: booking.state,
            reason: booking.reason.clone().unwrap_or_default(),
        }
    }
}

/// What became of writing a booking.
#[derive(Debug, Clone, PartialEq)]
pub enum Kept {
    /// It is there.
    Kept(Box<Booking>),
    /// These are booked in that time.
    Taken(Vec<Booking>),
    /// Somebody has changed it meanwhile: this is what it is now.
    Changed(Box<Booking>),
    /// There is no such booking.
    Gone,
}

impl Store {
    /// Writes a booking, a new one where `known` is none. `may_overlap` says that others may be
    /// booked in its time. Committed, with its line in the audit log, when this returns.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep_booking(
        &self,
        access: &AgentAccess<Maintain>,
        viewer: &Viewer,
        known: Option<&Booking>,
        draft: &BookingDraft,
        may_overlap: bool,
    ) -> Result<Kept> {
        let usual = self.booking_place(access).await?.usual_minutes;
        let mut transaction = self.pool.begin().await?;
        let row = sqlx::query(
            "select * from public.appointment_keep($1, $2, $3, $4, $5, $6,
                timestamptz 'epoch' + $7::bigint * interval '1 microsecond',
                $8, $9, $10, $11, $12, $13, $14)",
        )
        .bind(access.agent_id())
        .bind(known.map(|booking| booking.id))
        .bind(known.map(|booking| booking.revision))
        .bind(access.person())
        .bind(may_overlap)
        .bind(bindable(usual))
        .bind(draft.start_us)
        .bind(bindable(draft.minutes))
        .bind(draft.state.word())
        .bind(changed(known.map(|known| &known.name), &draft.name))
        .bind(changed(known.map(|known| &known.phone), &draft.phone))
        .bind(changed(known.map(|known| &known.service), &draft.service))
        .bind(changed(known.map(|known| &known.notes), &draft.notes))
        .bind(storable_text(draft.reason.reveal()))
        .fetch_one(&mut *transaction)
        .await?;
        let outcome: String = row.try_get("outcome")?;
        let id: Option<Uuid> = row.try_get("kept")?;
        if let ("kept", Some(id)) = (outcome.as_str(), id) {
            let (action, change) = deed(known, draft);
            let deed = AuditEntry::of(viewer, action).agent(access.agent_id());
            audit::note(&mut transaction, &deed.object("appointment", id).change(change)).await?;
        }
        transaction.commit().await?;
        let others: Option<Vec<Uuid>> = row.try_get("in_the_way")?;
        let ids = others.unwrap_or_else(|| id.into_iter().collect());
        let mut found = self.bookings_by_id(access.agent_id(), &ids).await?;
        match outcome.as_str() {
            "taken" => Ok(Kept::Taken(found)),
            "kept" => Ok(found.pop().map_or(Kept::Gone, |found| Kept::Kept(Box::new(found)))),
            "changed" => Ok(found.pop().map_or(Kept::Gone, |found| Kept::Changed(Box::new(found)))),
            "gone" => Ok(Kept::Gone),
            _ => Err(StoreError::Unreadable("outcome".to_owned())),
        }
    }
}

/// A text that is not as it was. Of a very long one only the beginning was read, which must not take
/// its place because something else is changed.
fn changed<'a>(
    known: Option<&Private<String>>,
    wanted: &'a Private<String>,
) -> Option<Cow<'a, str>> {
    (known != Some(wanted)).then(|| storable_text(wanted.reveal()))
}

/// What was done, and what of it may stand in the audit log: no name, no number, no word.
fn deed(known: Option<&Booking>, draft: &BookingDraft) -> (&'static str, Value) {
    let Some(known) = known else {
        return ("booking.make", json!({"start_us": draft.start_us}));
    };
    let mut change = json!({});
    if known.start_us != draft.start_us {
        change["start_us"] = json!([known.start_us, draft.start_us]);
    }
    if known.minutes != draft.minutes {
        change["minutes"] = json!([known.minutes, draft.minutes]);
    }
    if known.state != draft.state {
        change["state"] = json!([known.state.word(), draft.state.word()]);
    }
    let is_same = known.name == draft.name
        && known.phone == draft.phone
        && known.service == draft.service
        && known.notes == draft.notes;
    if !is_same {
        change["details"] = json!("changed");
    }
    let action = match draft.state {
        state if state == known.state && known.start_us != draft.start_us => "booking.move",
        state if state == known.state && known.is_to_check && change == json!({}) => {
            "booking.check"
        }
        state if state == known.state => "booking.change",
        BookingState::Cancelled => "booking.cancel",
        BookingState::Completed => "booking.came",
        BookingState::Missed => "booking.missed",
        BookingState::Pending => "booking.reopen",
    };
    (action, change)
}

/// PostgreSQL's int has a sign. No appointment is as long as that.
fn bindable(minutes: u32) -> i32 {
    i32::try_from(minutes).unwrap_or(i32::MAX)
}
