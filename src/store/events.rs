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

/// The epoch in which a call begins.
pub const FIRST_EPOCH: i32 = 1;

/// How often a note is tried to be written when another one takes its place at the same moment.
const NOTE_TRIES: usize = 4;

fn first_epoch() -> i32 {
    FIRST_EPOCH
}

/// A row of `call_events`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventRow {
    /// The call that the event belongs to.
    pub call_log_id: Uuid,
    /// The epoch in which its writer has the call, or had. An older version, which knows of none,
    /// spooled its events without.
    #[serde(default = "first_epoch")]
    pub epoch: i32,
    /// Its place among the events of this epoch. Writing the same place twice writes it once.
    pub seq: i64,
    /// Milliseconds since the answer.
    pub at_ms: i64,
    /// What kind of thing happened.
    pub kind: String,
    /// What belongs to it.
    pub data: Private<Value>,
}

impl EventRow {
    /// Where it stands among all events of its call: an epoch's come after those of the one before.
    pub fn position(&self) -> i64 {
        (i64::from(self.epoch) << 32) + self.seq
    }

    /// What `event` is as a row.
    pub fn new(call_log_id: Uuid, epoch: i32, seq: i64, at_ms: i64, event: &LogEvent) -> Self {
        let mut tagged = serde_json::to_value(event).unwrap_or_default();
        let kind = tagged["kind"].as_str().unwrap_or("unknown").to_owned();
        let data = match tagged["data"].take() {
            Value::Null => Value::Object(serde_json::Map::new()),
            data => data,
        };
        Self { call_log_id, epoch, seq, at_ms, kind, data: data.into() }
    }
}

impl Store {
    /// Appends events of calls' owners, in one statement. Those that are there already, and those of
    /// calls that are not (their agent was deleted), are left out without an error; so are those of
    /// whoever has lost the call, and it is given how many these are. No claim comes in between: it
    /// waits for the statement, or the statement for it.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError); nothing was written then, as far as we know.
    pub async fn append_events(&self, events: &[&EventRow]) -> Result<u64> {
        let calls: Vec<Uuid> = events.iter().map(|event| event.call_log_id).collect();
        let epochs: Vec<i32> = events.iter().map(|event| event.epoch).collect();
        let seqs: Vec<i64> = events.iter().map(|event| event.seq).collect();
        let times: Vec<i64> = events.iter().map(|event| event.at_ms).collect();
        let kinds: Vec<Cow<'_, str>> = events.iter().map(|e| storable_text(&e.kind)).collect();
        let data: Vec<Json<Cow<'_, Value>>> =
            events.iter().map(|event| Json(storable_json(event.data.reveal()))).collect();
        let refused: i64 = sqlx::query_scalar(
            "with given as (
                select * from unnest($1::uuid[], $2::int[], $3::bigint[], $4::bigint[], $5::text[],
                    $6::jsonb[]) as e (call_log_id, epoch, seq, at_ms, kind, data)
            ), owned as materialized (
                select e.* from given e
                join call_logs l on l.id = e.call_log_id and l.epoch = e.epoch
                for share of l
            ), written as (
                insert into call_events (call_log_id, epoch, seq, at_ms, kind, data)
                select call_log_id, epoch, seq, at_ms, kind, data from owned
                on conflict do nothing
            )
            select (select count(*) from given e join call_logs l on l.id = e.call_log_id)
                - (select count(*) from owned)",
        )
        .bind(calls)
        .bind(epochs)
        .bind(seqs)
        .bind(times)
        .bind(kinds)
        .bind(data)
        .fetch_one(&self.pool)
        .await?;
        Ok(refused.unsigned_abs())
    }

    /// Appends something that a callback says to a call of which this process has no task, behind
    /// what its owner of `epoch` wrote, and gives the row. None: the call is another owner's by now,
    /// or gone.
    pub async fn append_note(
        &self,
        call_log_id: Uuid,
        epoch: i32,
        at_ms: i64,
        event: &LogEvent,
    ) -> Result<Option<EventRow>> {
        let note = EventRow::new(call_log_id, epoch + 1, 0, at_ms, event);
        for _ in 0..NOTE_TRIES {
            let placed: Option<Option<i64>> = sqlx::query_scalar(
                "with owned as materialized (
                    select id from call_logs where id = $1 and epoch = $2 for share
                ), written as (
                    insert into call_events (call_log_id, epoch, seq, at_ms, kind, data)
                    select id, $2 + 1, (select coalesce(max(seq), 0) + 1 from call_events
                        where call_log_id = $1), $3, $4, $5
                    from owned
                    on conflict do nothing
                    returning seq
                )
                select (select seq from written) from owned",
            )
            .bind(call_log_id)
            .bind(epoch)
            .bind(at_ms)
            .bind(storable_text(&note.kind))
            .bind(Json(storable_json(note.data.reveal())))
            .fetch_optional(&self.pool)
            .await?;
            match placed {
                None => break,
                Some(Some(seq)) => return Ok(Some(EventRow { seq, ..note })),
                // Another note has this place.
                Some(None) => {}
            }
        }
        Ok(None)
    }

    /// Whether the event with this number is there that the call has in this epoch, or had before it.
    pub async fn has_event(&self, call_log_id: Uuid, epoch: i32, seq: i64) -> Result<bool> {
        let is_there = sqlx::query_scalar(
            "select exists (select from call_events
                where call_log_id = $1 and epoch <= $2 and seq = $3)",
        )
        .bind(call_log_id)
        .bind(epoch)
        .bind(seq)
        .fetch_one(&self.pool)
        .await?;
        Ok(is_there)
    }

    /// Removes what an ended call's later events say again: while somebody speaks, all that was said
    /// so far is written every second, and the last one counts. Gives how many those were.
    pub async fn compact_events(&self, call_log_id: Uuid) -> Result<u64> {
        let done = sqlx::query(
            "delete from call_events e using (
                select epoch, seq, row_number() over (
                    partition by kind, data->>'utterance', data->>'reply'
                    order by epoch desc, seq desc) as place
                from call_events
                where call_log_id = $1 and (kind = 'caller_said' and data->>'utterance' is not null
                    or kind = 'agent_said' and data->>'reply' is not null)
            ) said
            where e.call_log_id = $1 and e.epoch = said.epoch and e.seq = said.seq
                and said.place > 1
                and exists (select from call_logs where id = $1 and call_end is not null)",
        )
        .bind(call_log_id)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }

    /// The events of a call, in order.
    pub async fn events(&self, call_log_id: Uuid) -> Result<Vec<EventRow>> {
        let rows = sqlx::query(
            "select epoch, seq, at_ms, kind, data::text as data from call_events
            where call_log_id = $1 order by epoch, seq limit $2",
        )
        .bind(call_log_id)
        .bind(EVENTS_OF_A_CALL)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(EventRow {
                    call_log_id,
                    epoch: row.try_get("epoch")?,
                    seq: row.try_get("seq")?,
                    at_ms: row.try_get("at_ms")?,
                    kind: row.try_get("kind")?,
                    data: lenient_json(row.try_get("data")?).unwrap_or_default().into(),
                })
            })
            .collect()
    }
}
