//! `scrapping_data`: what functions collected and returned, where their owners want it kept.

use serde_json::{Value, json};
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::access::{AgentAccess, Inspect};
use super::{Result, Store, lenient_json, storable_json};
use crate::private::Private;

/// A run of a function that is kept.
#[derive(Debug, Clone)]
pub struct SavedRun {
    /// The agent whose function ran.
    pub agent_id: Uuid,
    /// `functions.id`.
    pub function_id: Uuid,
    /// The call in which it ran.
    pub call_log_id: Uuid,
    /// The arguments that were collected.
    pub arguments: Private<Value>,
    /// The result that was returned.
    pub result: Private<Value>,
}

/// A run that was kept, as its owner reads it.
#[derive(Debug, Clone)]
pub struct CollectedRun {
    /// Its place in the list.
    pub place: CollectedPlace,
    /// The call in which it ran, if that is still there.
    pub call_id: Option<Uuid>,
    /// What was collected.
    pub arguments: Private<Value>,
    /// What came back.
    pub result: Private<Value>,
}

/// A place in the list of what was kept, the newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectedPlace {
    /// When it was kept, microseconds since the Unix epoch.
    pub at_us: i64,
    /// `scrapping_data.id`.
    pub id: Uuid,
}

impl Store {
    /// Up to `limit` of what this function of the agent's collected, behind a place of the list.
    pub async fn collected(
        &self,
        access: &AgentAccess<Inspect>,
        function: Uuid,
        after: Option<CollectedPlace>,
        limit: i64,
    ) -> Result<Vec<CollectedRun>> {
        let rows = sqlx::query(
            "select s.id, (extract(epoch from s.created_at) * 1000000)::bigint as at_us,
                c.id as call_id, (s.data -> 'arguments')::text as arguments,
                (s.data -> 'result')::text as result
            from (select * from public.scrapping_data s
                where s.data ->> 'kind' = 'function' and s.data ->> 'function_id' = $2
                    and s.voice_agent_id = $1 and isfinite(s.created_at)
                    and ($3::bigint is null or (s.created_at, s.id)
                        < (timestamptz 'epoch' + $3 * interval '1 microsecond', $4::uuid))
                order by s.created_at desc, s.id desc limit $5) s
            left join public.call_logs c on c.voice_agent_id = $1 and c.id = case
                when s.data ->> 'call_log_id' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                then (s.data ->> 'call_log_id')::uuid end
            order by s.created_at desc, s.id desc",
        )
        .bind(access.agent_id())
        .bind(function.to_string())
        .bind(after.map(|place| place.at_us))
        .bind(after.map(|place| place.id))
        .bind(limit)
        .persistent(false)
        .fetch_all(&self.pool)
        .await?;
        let run = |row: &PgRow| {
            let json = |column: &str| -> Result<Private<Value>> {
                Ok(lenient_json(row.try_get(column)?).unwrap_or_default().into())
            };
            Ok(CollectedRun {
                place: CollectedPlace { at_us: row.try_get("at_us")?, id: row.try_get("id")? },
                call_id: row.try_get("call_id")?,
                arguments: json("arguments")?,
                result: json("result")?,
            })
        };
        rows.iter().map(run).collect()
    }

    /// Keeps a run as a row of `scrapping_data`.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError); whether it is kept is not known then.
    pub async fn save_run(&self, run: &SavedRun) -> Result<()> {
        let data = json!({
            "kind": "function",
            "function_id": run.function_id,
            "call_log_id": run.call_log_id,
            "arguments": run.arguments.reveal(),
            "result": run.result.reveal(),
        });
        sqlx::query("insert into scrapping_data (data, voice_agent_id) values ($1, $2)")
            .bind(&*storable_json(&data))
            .bind(run.agent_id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
