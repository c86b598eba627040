//! What the database has after a run.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use sqlx::PgPool;

/// A call's row.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) call_sid: String,
    pub(crate) status: String,
    pub(crate) ended_by: String,
    pub(crate) is_complete: bool,
    /// What its functions came to.
    pub(crate) functions: Value,
}

impl Row {
    /// What is said of its end.
    pub(crate) fn end(&self) -> String {
        format!("{} by {}", self.status, self.ended_by)
    }

    /// What its functions tell of bookings.
    pub(crate) fn booked(&self) -> Vec<String> {
        let functions = self.functions.as_array().map(Vec::as_slice).unwrap_or_default();
        let is_booking = |function: &&Value| {
            function["name"] == "book_appointment" && function["result"]["ok"] == true
        };
        functions
            .iter()
            .filter(is_booking)
            .map(|function| function["result"]["booked"].to_string())
            .collect()
    }
}

/// An appointment that a call made.
#[derive(Debug)]
pub(crate) struct Appointment {
    /// The row of the call.
    pub(crate) call_log_id: String,
    pub(crate) agent: String,
    /// Since the Unix epoch.
    pub(crate) created: Duration,
    pub(crate) starts: Duration,
    pub(crate) is_changed: bool,
    pub(crate) is_cancelled: bool,
}

/// Every row, by the name of its call, of which there is one (the column is unique).
pub(crate) async fn rows(pool: &PgPool) -> BTreeMap<String, Row> {
    let found: Vec<(String, String, String, String, bool, Value)> = sqlx::query_as(
        "select id::text, coalesce(call_sid, id::text), coalesce(status, ''),
            coalesce(metadata ->> 'ended_by', ''), call_end is not null,
            coalesce(metadata -> 'functions', '[]') from call_logs",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let row = |(id, call_sid, status, ended_by, is_complete, functions)| Row {
        id,
        call_sid,
        status,
        ended_by,
        is_complete,
        functions,
    };
    found.into_iter().map(row).map(|row| (row.call_sid.clone(), row)).collect()
}

/// Every appointment.
pub(crate) async fn appointments(pool: &PgPool) -> Vec<Appointment> {
    let found: Vec<(String, String, f64, f64, bool, bool)> = sqlx::query_as(
        "select split_part(coalesce(booking_key, ''), ':', 1), voice_agent_id::text,
            extract(epoch from created_at)::float8, extract(epoch from schedule_time)::float8,
            change_key is not null, status = 'cancelled' from appointments",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let seconds = Duration::from_secs_f64;
    found
        .into_iter()
        .map(|(call_log_id, agent, created, starts, is_changed, is_cancelled)| Appointment {
            call_log_id,
            agent,
            created: seconds(created),
            starts: seconds(starts),
            is_changed,
            is_cancelled,
        })
        .collect()
}

/// The work after calls that is not done; `None` where there is no such work.
pub(crate) async fn stuck_jobs(pool: &PgPool) -> Option<Vec<String>> {
    let is_there: bool =
        sqlx::query_scalar("select to_regclass('public.aftercall_jobs') is not null")
            .fetch_one(pool)
            .await
            .unwrap();
    if !is_there {
        return None;
    }
    let stuck = "select j.kind || ' of ' || j.call_log_id || ': ' || coalesce(j.last_error, '')
        from aftercall_jobs j where done_at is null";
    Some(sqlx::query_scalar(stuck).fetch_all(pool).await.unwrap())
}
