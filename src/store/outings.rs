//! Calls whose caller is off the media stream, for a dial or a recording.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::instances::{Abandoned, abandoned};
use super::{Result, Store, storable_json, storable_text};
use crate::private::Private;

/// A call whose caller leaves the media stream for another party or the fallback. No process has
/// the call until the caller is back or gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OffStream {
    /// The agent. Only a row of its own is changed. None: an older version spooled this.
    #[serde(default)]
    pub agent_id: Option<Uuid>,
    /// Twilio's name for the call, which with the agent finds the row.
    pub call_sid: String,
    /// The call's row, as its owner knows it. None: an older version spooled this.
    #[serde(default)]
    pub call_log_id: Option<Uuid>,
    /// The process that had it.
    pub instance_id: Uuid,
    /// In which epoch. None: an older version spooled this.
    #[serde(default)]
    pub epoch: Option<i32>,
    /// The process that sends the caller out, if that is another one: the call is its own then, in
    /// the next epoch, so that the first one completes it no more.
    #[serde(default)]
    pub taken_by: Option<Uuid>,
    /// When the call is given up, microseconds since the Unix epoch.
    pub until_us: i64,
    /// How often the caller was given back to the agent before.
    pub returns: i32,
    /// An object; its fields go over those of `metadata`.
    pub metadata: Private<Value>,
}

/// How long after a caller has left Twilio is asked about them for the first time, seconds: most
/// are back or gone by then, and a callback has said so.
const ASK_AFTER_SECONDS: i32 = 60;

impl Store {
    /// Writes that a caller has left, and frees the agent's line. A call that is over, that another
    /// process has taken over, or whose caller is back already, stays as it is.
    pub async fn go_out(&self, outing: &OffStream) -> Result<()> {
        sqlx::query(
            "update call_logs set
                out_until = timestamptz 'epoch' + $3::bigint * interval '1 microsecond',
                stream_returns = greatest(stream_returns, $4), holds_line = false,
                instance_id = coalesce($6, instance_id),
                epoch = case when instance_id is distinct from coalesce($6, instance_id)
                    then epoch + 2 else epoch end,
                asks = 0, ask_at = now() + make_interval(secs => $7),
                metadata = case when jsonb_typeof(metadata) = 'object' then metadata
                    else '{}' end || $5
            where call_sid = $1 and instance_id = $2 and call_end is null
                and voice_agent_id = coalesce($8, voice_agent_id)
                and ($9::int is null or epoch = $9 and stream_returns <= $4)",
        )
        .bind(storable_text(&outing.call_sid))
        .bind(outing.instance_id)
        .bind(outing.until_us)
        .bind(outing.returns)
        .bind(storable_json(outing.metadata.reveal()).as_ref())
        .bind(outing.taken_by)
        .bind(f64::from(ASK_AFTER_SECONDS))
        .bind(outing.agent_id)
        .bind(outing.epoch)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Up to `limit` live calls that were out for longer than they may be, the oldest first.
    pub async fn overdue_outings(&self, limit: i64) -> Result<Vec<Abandoned>> {
        let rows = sqlx::query(
            "select id, call_sid, voice_agent_id, instance_id, epoch,
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
