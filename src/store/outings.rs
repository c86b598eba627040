//! Calls whose caller has left the agent for a dial or a recording.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::instances::{Abandoned, abandoned};
use super::{Result, Store, storable_json, storable_text};
use crate::private::Private;

/// A caller leaves the agent. No process has the call until they come back or are gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outing {
    /// Twilio's name for the call, which finds the row.
    pub call_sid: String,
    /// The process that had it.
    pub instance_id: Uuid,
    /// The process that sends the caller out, if that is another one: the call is its own then, so
    /// that the first one completes it no more.
    #[serde(default)]
    pub taken_by: Option<Uuid>,
    /// When the call is given up, microseconds since the Unix epoch.
    pub until_us: i64,
    /// How often the caller was given back to the agent before.
    pub returns: i32,
    /// An object; its fields go over those of `metadata`.
    pub metadata: Private<Value>,
}

impl Store {
    /// Writes that a caller has left, and frees the agent's line. A call that is over, or that
    /// another process has taken over, stays as it is.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn go_out(&self, outing: &Outing) -> Result<()> {
        sqlx::query(
            "update call_logs set
                out_until = timestamptz 'epoch' + $3::bigint * interval '1 microsecond',
                stream_returns = greatest(stream_returns, $4), holds_line = false,
                instance_id = coalesce($6, instance_id),
                metadata = case when jsonb_typeof(metadata) = 'object' then metadata
                    else '{}' end || $5
            where call_sid = $1 and instance_id = $2 and call_end is null",
        )
        .bind(storable_text(&outing.call_sid))
        .bind(outing.instance_id)
        .bind(outing.until_us)
        .bind(outing.returns)
        .bind(storable_json(outing.metadata.reveal()).as_ref())
        .bind(outing.taken_by)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Up to `limit` live calls that were out for longer than they may be, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn overdue_outings(&self, limit: i64) -> Result<Vec<Abandoned>> {
        let rows = sqlx::query(
            "select id, call_sid, instance_id,
                (extract(epoch from call_start) * 1000000)::bigint as started_us
            from call_logs
            where call_end is null and call_sid is not null and out_until < now()
            order by call_start limit $1",
        )
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(abandoned).collect()
    }
}
