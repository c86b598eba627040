//! `appointments`: what is booked, and booking itself, which two callers cannot do at once.

use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::numbers::ALL;
use super::{Result, Store, outcome, storable_text};
use crate::agent::APPOINTMENT_MAX_MINUTES;
use crate::calendar::slots::Busy;
use crate::private::Private;

/// The most appointments that are read of one caller.
const CALLERS_APPOINTMENTS: i64 = 20;

/// How much is read of a text that anybody may have written.
const READ_CHARACTERS: i32 = 200;

/// Names one function call of one call, so that what it does is done once, however often it is
/// tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// `call_logs.id`.
    pub call_log_id: Uuid,
    /// The engine's name for the call of the function.
    pub engine_call_id: String,
}

/// An appointment to be booked.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAppointment {
    /// The function call that books it, so that it books once.
    pub deed: IdempotencyKey,
    /// The agent whose calendar it is in.
    pub agent_id: Uuid,
    /// When it begins, microseconds since the Unix epoch.
    pub start_us: i64,
    /// How long it takes.
    pub minutes: u32,
    /// The name that it is booked under.
    pub name: Private<String>,
    /// Where they can be called.
    pub phone: Private<String>,
    /// The service that it is for.
    pub service: Private<String>,
    /// What else is to be known.
    pub notes: Option<Private<String>>,
}

/// A caller's own appointment.
#[derive(Debug, Clone, PartialEq)]
pub struct Appointment {
    /// `appointments.id`.
    pub id: Uuid,
    /// The name that it is booked under.
    pub name: Private<String>,
    /// The service that it is for.
    pub service: Private<String>,
    /// When it begins, microseconds since the Unix epoch.
    pub start_us: i64,
    /// How long it takes; `None` where whoever wrote it did not say.
    pub minutes: Option<u32>,
    /// Whether the deed that asks has moved or cancelled it already.
    pub is_changed: bool,
}

/// What became of a wish to be there at a certain time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum Placement {
    /// The appointment is there.
    #[strum(serialize = "booked", serialize = "moved")]
    Placed,
    /// Something else is booked in that time.
    Taken,
    /// The appointment that was to be moved is not pending any more.
    Gone,
}

impl IdempotencyKey {
    fn key(&self) -> String {
        storable_text(&format!("{}:{}", self.call_log_id, self.engine_call_id)).into_owned()
    }
}

impl Store {
    /// When the agent has pending appointments, from `from_us` to `until_us` and in order: those
    /// that meet or overlap are one stretch. One without a length takes `usual_minutes`. `except`
    /// is left out.
    pub async fn busy(
        &self,
        agent_id: Uuid,
        (from_us, until_us): (i64, i64),
        usual_minutes: u32,
        except: Option<Uuid>,
    ) -> Result<Vec<Busy>> {
        let rows = sqlx::query(
            "with asked as (
                select timestamptz 'epoch' + $2::bigint * interval '1 microsecond' as from_time,
                    timestamptz 'epoch' + $3::bigint * interval '1 microsecond' as until_time
            ), busy as (
                select unnest(range_agg(t.taken * tstzrange(from_time, until_time))) as taken
                from asked, appointments_taking($1, from_time, until_time, $4) t
                where t.id is distinct from $5
            )
            select (extract(epoch from lower(taken)) * 1000000)::bigint as from_us,
                (extract(epoch from upper(taken)) * 1000000)::bigint as until_us
            from busy order by 1",
        )
        .bind(agent_id)
        .bind(from_us)
        .bind(until_us)
        .bind(bindable(usual_minutes))
        .bind(except)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                let (from_us, until_us) = (row.try_get("from_us")?, row.try_get("until_us")?);
                Ok(Busy { from_us, until_us })
            })
            .collect()
    }

    /// Books an appointment unless something else is booked in its time. Committed when this
    /// returns; the same deed again, or the same person at the same time in the same telephone
    /// call, books no second one.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError); if it is [`StoreError::Away`](super::StoreError::Away), it may have been booked all the same.
    pub async fn book_appointment(&self, new: &NewAppointment) -> Result<Placement> {
        let placed = sqlx::query_scalar(
            "select appointment_book($1, $2, $3,
                timestamptz 'epoch' + $4::bigint * interval '1 microsecond', $5, $6, $7, $8, $9)",
        )
        .bind(new.deed.call_log_id)
        .bind(storable_text(&new.deed.engine_call_id))
        .bind(new.agent_id)
        .bind(new.start_us)
        .bind(bindable(new.minutes))
        .bind(storable_text(new.name.reveal()))
        .bind(storable_text(new.phone.reveal()))
        .bind(storable_text(new.service.reveal()))
        .bind(new.notes.as_ref().map(|notes| storable_text(notes.reveal())))
        .fetch_one(&self.pool)
        .await?;
        outcome(placed)
    }

    /// The pending appointments, still to come at `now_us`, that were made from or for this number,
    /// the next first; and what `deed` has moved or cancelled already.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError), also when none is found while some of the numbers could not be read.
    pub async fn callers_appointments(
        &self,
        agent_id: Uuid,
        e164: &Private<String>,
        now_us: i64,
        deed: &IdempotencyKey,
    ) -> Result<Vec<Appointment>> {
        let read = self.read_appointments_numbers(agent_id, ALL).await;
        let rows = sqlx::query(
            "select id, left(name, $6) as name, left(service, $6) as service, duration_minutes,
                (extract(epoch from schedule_time) * 1000000)::bigint as start_us,
                coalesce(change_key = $4, false) as is_changed
            from appointments
            where voice_agent_id = $1 and coalesce(phone_e164, phone_number) = $2
                and isfinite(schedule_time)
                and (change_key = $4 or status = 'pending' and schedule_time
                    > timestamptz 'epoch' + $3::bigint * interval '1 microsecond')
            order by is_changed desc, schedule_time limit $5",
        )
        .bind(agent_id)
        .bind(e164.reveal())
        .bind(now_us)
        .bind(deed.key())
        .bind(CALLERS_APPOINTMENTS)
        .bind(READ_CHARACTERS)
        .fetch_all(&self.pool)
        .await?;
        if rows.is_empty() {
            read.all()?;
        }
        rows.iter().map(appointment).collect()
    }

    /// Moves a pending appointment unless something else is booked in its new time. Committed when
    /// this returns; the same deed again moves nothing.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError); if it is [`StoreError::Away`](super::StoreError::Away), it may have been moved all the same.
    pub async fn move_appointment(
        &self,
        deed: &IdempotencyKey,
        id: Uuid,
        agent_id: Uuid,
        start_us: i64,
        usual_minutes: u32,
    ) -> Result<Placement> {
        let placed = sqlx::query_scalar(
            "select appointment_move($1, $2, $3,
                timestamptz 'epoch' + $4::bigint * interval '1 microsecond', $5)",
        )
        .bind(deed.key())
        .bind(id)
        .bind(agent_id)
        .bind(start_us)
        .bind(bindable(usual_minutes))
        .fetch_one(&self.pool)
        .await?;
        outcome(placed)
    }

    /// Cancels a pending appointment, and says whether it is cancelled, now or by the same deed
    /// before.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError); if it is [`StoreError::Away`](super::StoreError::Away), it may have been cancelled all the same.
    pub async fn cancel_appointment(
        &self,
        deed: &IdempotencyKey,
        id: Uuid,
        agent_id: Uuid,
    ) -> Result<bool> {
        let cancelled = sqlx::query(
            "update appointments set status = 'cancelled', change_key = $1
            where id = $2 and voice_agent_id = $3 and (status = 'pending' or change_key = $1)",
        )
        .bind(deed.key())
        .bind(id)
        .bind(agent_id)
        .execute(&self.pool)
        .await?;
        Ok(cancelled.rows_affected() == 1)
    }
}

fn appointment(row: &PgRow) -> Result<Appointment> {
    let minutes: Option<i32> = row.try_get("duration_minutes")?;
    Ok(Appointment {
        id: row.try_get("id")?,
        name: Private::new(row.try_get("name")?),
        service: Private::new(row.try_get("service")?),
        start_us: row.try_get("start_us")?,
        minutes: minutes
            .and_then(|minutes| u32::try_from(minutes).ok())
            .filter(|minutes| (1..=APPOINTMENT_MAX_MINUTES).contains(minutes)),
        is_changed: row.try_get("is_changed")?,
    })
}

/// PostgreSQL's int has a sign. No appointment is as long as that.
fn bindable(minutes: u32) -> i32 {
    i32::try_from(minutes).unwrap_or(i32::MAX)
}
