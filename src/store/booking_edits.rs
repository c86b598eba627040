//! How people change `appointments`, by the rules of time that callers' bookings keep.

use std::borrow::Cow;

use serde_json::{Value, json};
use sqlx::{PgConnection, Row};
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

/// An appointment that was spoken of in a call of the same agent, and that nothing wrote down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proposal {
    /// The call.
    pub call: Uuid,
    /// Its place in `metadata.extracted_appointments`, from 0; none: it is not there, such as where the
    /// agent said that it is booked.
    pub place: Option<u32>,
}

/// Keeps a proposal for this transaction, if it is still one: $1 the call, $2 its agent, $3 its place.
const PROPOSED: &str = "select true from public.call_logs
    where id = $1 and voice_agent_id = $2
        and jsonb_typeof(metadata #> array['extracted_appointments', $3]) = 'object'
        and metadata #> array['extracted_appointments', $3, 'written'] is distinct from 'true'
    for update";

/// It is none any more: $4 is the booking that it became.
const WRITTEN: &str = "update public.call_logs set metadata = jsonb_set(metadata,
        array['extracted_appointments', $3], metadata #> array['extracted_appointments', $3]
            || jsonb_build_object('written', true, 'booking', $4::uuid))
    where id = $1 and voice_agent_id = $2";

/// It names the call that it was spoken of in: $1 the booking, $2 the call, $3 its agent.
const OF_CALL: &str = "update public.appointments a
    set booking_key = c.id || ':person:' || a.id
    from public.call_logs c
    where a.id = $1 and c.id = $2 and a.voice_agent_id = $3 and c.voice_agent_id = $3
        and a.booking_key is null";

/// What there was to check of a call's appointment is done, where that is one thing: $1 the call, $2 its
/// agent, $3 by whom.
const CHECKED: &str = "with open as (
        select id, count(*) over () as number from public.call_tasks
        where call_log_id = $1 and voice_agent_id = $2 and kind = 'booking_check'
            and done_at is null
    )
    update public.call_tasks t set done_at = now(), done_by = $3
    from open where t.id = open.id and open.number = 1";

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
    /// booked in its time. One that is `of` a proposal is written once: [`Kept::Gone`] where it has
    /// been. Committed, with its line in the audit log, when this returns.
    pub async fn keep_booking(
        &self,
        access: &AgentAccess<Maintain>,
        viewer: &Viewer,
        known: Option<&Booking>,
        draft: &BookingDraft,
        (may_overlap, of): (bool, Option<Proposal>),
    ) -> Result<Kept> {
        let usual = self.booking_place(access).await?.usual_minutes;
        let mut transaction = self.pool.begin().await?;
        if let Some(Proposal { call, place: Some(place) }) = of {
            let proposed = sqlx::query(PROPOSED).bind(call).bind(access.agent_id());
            let proposed = proposed.bind(place.to_string());
            if proposed.fetch_optional(&mut *transaction).await?.is_none() {
                return Ok(Kept::Gone);
            }
        }
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
            settle_spoken_of(&mut transaction, access, (known, of, id)).await?;
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

/// What became of an appointment that was spoken of, and of what there was to check of it.
async fn settle_spoken_of(
    transaction: &mut PgConnection,
    access: &AgentAccess<Maintain>,
    (known, of, booking): (Option<&Booking>, Option<Proposal>, Uuid),
) -> Result<()> {
    let placed = of.and_then(|of| Some((of.call, of.place?)));
    if let Some((call, place)) = placed {
        let written = sqlx::query(WRITTEN).bind(call).bind(access.agent_id());
        written.bind(place.to_string()).bind(booking).execute(&mut *transaction).await?;
    }
    if let Some(Proposal { call, .. }) = of {
        let named = sqlx::query(OF_CALL).bind(booking).bind(call).bind(access.agent_id());
        named.execute(&mut *transaction).await?;
    }
    let checked = known.filter(|known| known.is_to_check).and_then(|known| known.call_id);
    if let Some(call) = checked.or(placed.map(|(call, _)| call)) {
        let done = sqlx::query(CHECKED).bind(call).bind(access.agent_id());
        done.bind(access.person()).execute(&mut *transaction).await?;
    }
    Ok(())
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
