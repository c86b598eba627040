//! `call_logs.metadata.recording`: where a call's recording is.

use serde_json::Value;
use sqlx::Row;
use uuid::Uuid;

use super::access::{AgentAccess, Level};
use super::{Result, Store, lenient_json};

/// A call whose tape waits to be finished.
#[derive(Debug, Clone, PartialEq)]
pub struct TapedCall {
    /// `call_logs.id`.
    pub id: Uuid,
    /// Whether the call is over.
    pub ended: bool,
    /// `metadata.recording`; null where there is none.
    pub recording: Value,
}

impl Store {
    /// Those of `ids` that have a row.
    pub async fn taped_calls(&self, ids: &[Uuid]) -> Result<Vec<TapedCall>> {
        let rows = sqlx::query(
            "select id, call_end is not null as ended, (metadata->'recording')::text as recording
            from call_logs where id = any($1)",
        )
        .bind(ids)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(TapedCall {
                    id: row.try_get("id")?,
                    ended: row.try_get("ended")?,
                    recording: lenient_json(row.try_get("recording")?).unwrap_or_default(),
                })
            })
            .collect()
    }

    /// Whose an agent is: who made it, or nobody but itself.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn owner_of<L: Level>(&self, access: &AgentAccess<L>) -> Result<Uuid> {
        let owner: Option<Uuid> =
            sqlx::query_scalar("select created_by from public.voice_agents where id = $1")
                .bind(access.agent_id())
                .fetch_optional(&self.pool)
                .await?
                .flatten();
        Ok(owner.unwrap_or(access.agent_id()))
    }

    /// Writes where a call's recording is, if it still is where `before` says; whether it was
    /// written.
    pub async fn set_recording(&self, id: Uuid, before: &Value, recording: &Value) -> Result<bool> {
        let done = sqlx::query(
            "update call_logs set metadata = case when jsonb_typeof(metadata) = 'object'
                    then metadata else '{}' end || jsonb_build_object('recording', $3::jsonb)
            where id = $1 and coalesce(metadata->'recording', 'null') = $2::jsonb",
        )
        .bind(id)
        .bind(before)
        .bind(recording)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() > 0)
    }
}
