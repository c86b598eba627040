//! What was written, as it is shown to people.

use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::{Result, Store, lenient_json};
use crate::private::Private;

/// The most rows that are shown at once.
const ROWS_MAX: i64 = 100;

/// A row of `appointments`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppointmentRow {
    /// `id`.
    pub id: Uuid,
    /// `name`.
    pub name: Private<String>,
    /// `phone_number`, as it was written.
    pub phone: Private<String>,
    /// `service`.
    pub service: Private<String>,
    /// `status`: pending, missed, completed or cancelled.
    pub status: String,
    /// `schedule_time`, microseconds since the Unix epoch.
    pub starts_us: i64,
    /// `duration_minutes`; none where somebody else wrote the row.
    pub minutes: Option<i32>,
}

impl AppointmentRow {
    pub(super) fn read(row: &PgRow) -> Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            name: Private::new(row.try_get("name")?),
            phone: Private::new(row.try_get("phone_number")?),
            service: Private::new(row.try_get("service")?),
            status: row.try_get("status")?,
            starts_us: row.try_get("starts_us")?,
            minutes: row.try_get("duration_minutes")?,
        })
    }
}

/// A row of `call_logs` as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct CallSummary {
    /// Whether the row is complete.
    pub ended: bool,
    /// `status`.
    pub status: String,
    /// How long it was.
    pub duration_ms: i64,
    /// The conversation as readable lines.
    pub transcript: Private<String>,
    /// `metadata`.
    pub metadata: Private<Value>,
    /// `summary`; null as long as there is none.
    pub summary: Private<Value>,
}

impl Store {
    /// A call as it is shown.
    pub async fn call_summary(&self, id: Uuid) -> Result<Option<CallSummary>> {
        let row = sqlx::query(
            "select call_end is not null as ended, coalesce(status, '') as status,
                coalesce(extract(epoch from duration) * 1000, 0)::bigint as duration_ms,
                coalesce(transcript, '') as transcript, metadata::text as metadata,
                summary::text as summary
            from call_logs where id = $1",
        )
        .bind(id)
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(CallSummary {
            ended: row.try_get("ended")?,
            status: row.try_get("status")?,
            duration_ms: row.try_get("duration_ms")?,
            transcript: row.try_get::<String, _>("transcript")?.into(),
            metadata: lenient_json(row.try_get("metadata")?).unwrap_or_default().into(),
            summary: lenient_json(row.try_get("summary")?).unwrap_or_default().into(),
        }))
    }

    /// An agent's appointments, the latest to be written first.
    pub async fn appointments(&self, agent_id: Uuid) -> Result<Vec<AppointmentRow>> {
        let rows = sqlx::query(
            "select id, name, phone_number, service, status::text as status, duration_minutes,
                (extract(epoch from schedule_time) * 1000000)::bigint as starts_us
            from appointments where voice_agent_id = $1 and isfinite(schedule_time)
            order by created_at desc limit $2",
        )
        .bind(agent_id)
        .bind(ROWS_MAX)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(AppointmentRow::read).collect()
    }

    /// What passages of an agent say, by id. Those that are gone are left out.
    pub async fn passage_texts(&self, agent_id: Uuid, ids: &[i64]) -> Result<Vec<(i64, String)>> {
        // An id has hyphens and nothing that would end a quoted name.
        let select = format!(
            r#"select id, coalesce(content, '') from public."zz_{agent_id}"
            where id = any($1) limit {ROWS_MAX}"#
        );
        Ok(sqlx::query_as(AssertSqlSafe(select)).bind(ids).fetch_all(&self.pool).await?)
    }
}
