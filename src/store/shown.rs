//! What was written, as it is shown to people.

use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::{Result, Store};
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

impl Store {
    /// An agent's appointments, the latest to be written first.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
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
        let rows = rows.iter().map(|row| {
            Ok(AppointmentRow {
                id: row.try_get("id")?,
                name: Private::new(row.try_get("name")?),
                phone: Private::new(row.try_get("phone_number")?),
                service: Private::new(row.try_get("service")?),
                status: row.try_get("status")?,
                starts_us: row.try_get("starts_us")?,
                minutes: row.try_get("duration_minutes")?,
            })
        });
        Ok(rows.collect::<sqlx::Result<_>>()?)
    }

    /// What passages of an agent say, by id. Those that are gone are left out.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn passage_texts(&self, agent_id: Uuid, ids: &[i64]) -> Result<Vec<(i64, String)>> {
        // An id has hyphens and nothing that would end a quoted name.
        let select = format!(
            r#"select id, coalesce(content, '') from public."zz_{agent_id}"
            where id = any($1) limit {ROWS_MAX}"#
        );
        Ok(sqlx::query_as(AssertSqlSafe(select)).bind(ids).fetch_all(&self.pool).await?)
    }
}
