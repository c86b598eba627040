//! `call_events`: what happened in a call, as it happened.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::Row;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Result, Store, lenient_json, storable_json, storable_text};
use crate::call::LogEvent;
use crate::private::Private;

/// The most events that are read of one call; a call of hours has some thousands.
const EVENTS_OF_A_CALL: i64 = 50_000;

/// A row of `call_events`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventRow {
    /// The call that the event belongs to.
    pub call_log_id: Uuid,
    /// Its place among the call's events. Writing the same place twice writes it once.
    pub seq: i64,
    /// Milliseconds since the answer.
    pub at_ms: i64,
    /// What kind of thing happened.
    pub kind: String,
    /// What belongs to it.
    pub data: Private<Value>,
}

impl EventRow {
    /// What `event` is as a row.
    pub fn new(call_log_id: Uuid, seq: i64, at_ms: i64, event: &LogEvent) -> Self {
        let mut tagged = serde_json::to_value(event).unwrap_or_default();
        let kind = tagged["kind"].as_str().unwrap_or("unknown").to_owned();
        let data = match tagged["data"].take() {
            Value::Null => Value::Object(serde_json::Map::new()),
            data => data,
        };
        Self { call_log_id, seq, at_ms, kind, data: data.into() }
    }
}

impl Store {
    /// Appends events, in one statement. Those that are there already, and those of calls that
    /// are not (their agent was deleted), are left out without an error.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError); nothing was written then, as far as we know.
    pub async fn append_events(&self, events: &[&EventRow]) -> Result<()> {
        let calls: Vec<Uuid> = events.iter().map(|event| event.call_log_id).collect();
        let seqs: Vec<i64> = events.iter().map(|event| event.seq).collect();
        let times: Vec<i64> = events.iter().map(|event| event.at_ms).collect();
        let kinds: Vec<Cow<'_, str>> = events.iter().map(|e| storable_text(&e.kind)).collect();
        let data: Vec<Json<Cow<'_, Value>>> =
            events.iter().map(|event| Json(storable_json(event.data.reveal()))).collect();
        sqlx::query(
            "insert into call_events (call_log_id, seq, at_ms, kind, data)
            select e.call_log_id, e.seq, e.at_ms, e.kind, e.data
            from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::jsonb[])
                as e (call_log_id, seq, at_ms, kind, data)
            join call_logs l on l.id = e.call_log_id
            on conflict do nothing",
        )
        .bind(calls)
        .bind(seqs)
        .bind(times)
        .bind(kinds)
        .bind(data)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Whether a call's event at this place is there.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn has_event(&self, call_log_id: Uuid, seq: i64) -> Result<bool> {
        let is_there = sqlx::query_scalar(
            "select exists (select from call_events where call_log_id = $1 and seq = $2)",
        )
        .bind(call_log_id)
        .bind(seq)
        .fetch_one(&self.pool)
        .await?;
        Ok(is_there)
    }

    /// Removes what an ended call's later events say again: while somebody speaks, all that was said
    /// so far is written every second, and the last one counts. Gives how many those were.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn compact_events(&self, call_log_id: Uuid) -> Result<u64> {
        let done = sqlx::query(
            "delete from call_events e using (
                select seq, row_number() over (partition by kind, data->>'utterance', data->>'reply'
                    order by seq desc) as place
                from call_events
                where call_log_id = $1 and (kind = 'caller_said' and data->>'utterance' is not null
                    or kind = 'agent_said' and data->>'reply' is not null)
            ) said
            where e.call_log_id = $1 and e.seq = said.seq and said.place > 1
                and exists (select from call_logs where id = $1 and call_end is not null)",
        )
        .bind(call_log_id)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }

    /// The events of a call, in order.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn events(&self, call_log_id: Uuid) -> Result<Vec<EventRow>> {
        let rows = sqlx::query(
            "select seq, at_ms, kind, data::text as data from call_events
            where call_log_id = $1 order by seq limit $2",
        )
        .bind(call_log_id)
        .bind(EVENTS_OF_A_CALL)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(EventRow {
                    call_log_id,
                    seq: row.try_get("seq")?,
                    at_ms: row.try_get("at_ms")?,
                    kind: row.try_get("kind")?,
                    data: lenient_json(row.try_get("data")?).unwrap_or_default().into(),
                })
            })
            .collect()
    }
}
