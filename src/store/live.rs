//! Calls that are live, and what happens in them, for those who watch.
//!
//! Whoever watches takes what was written of a call in the order of `epoch` and `seq`, so that nothing is left
//! out. A position in time (`created_at`, by the database's clock) is only for those who come back
//! after a while: they are told again what was written since.

use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::access::VisibleAgents;
use super::events::EventRow;
use super::{Result, Store, lenient_json};
use crate::call::is_test;
use crate::private::Private;

/// The most live calls that one look gives: of an agent, and of all, the newest.
const CALLS_OF_AGENT_MAX: i64 = 200;
const CALLS_MAX: i64 = 5_000;
/// The most events of one call that one look gives.
const EVENTS_EACH_MAX: i64 = 200;
/// The most ended calls that somebody is told of who was away.
const ENDED_MAX: i64 = 100;
/// How much older than its end a call may be, hours: one more than a call lasts at most.
const LONGEST_HOURS: i32 = 5;

/// A call that is not over.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveCall {
    /// `call_logs.id`.
    pub id: Uuid,
    /// `voice_agent_id`.
    pub agent_id: Uuid,
    /// Twilio's name for the call, or ours for a test.
    pub call_sid: String,
    /// Who calls; not always a number.
    pub caller: Private<String>,
    /// When it began, microseconds since the Unix epoch.
    pub started_us: i64,
    /// The process that has it.
    pub instance_id: Option<Uuid>,
    /// Whether the caller is with another party or at the fallback.
    pub is_out: bool,
}

impl LiveCall {
    /// Whether it is a test from the console.
    pub fn is_test(&self) -> bool {
        is_test(&self.call_sid)
    }
}

/// What one look finds.
#[derive(Debug, Clone, Default)]
pub struct LiveNow {
    /// When it looked, by the database's clock, microseconds since the Unix epoch.
    pub at_us: i64,
    /// The newest first.
    pub calls: Vec<LiveCall>,
}

/// A call that was live and is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedLive {
    /// `call_logs.id`.
    pub id: Uuid,
    /// `voice_agent_id`.
    pub agent_id: Uuid,
    /// `status`.
    pub status: String,
    /// How long it was.
    pub seconds: i64,
    /// Whether it was a test from the console.
    pub is_test: bool,
}

const NOW_SQL: &str = "(extract(epoch from t.at) * 1000000)::bigint as at_us";
/// The columns of a [`LiveCall`], where they are from, and which calls are live.
const LIVE_SQL: &str = "c.id, c.voice_agent_id, c.call_sid, c.caller_number, c.instance_id,
        c.out_until is not null as is_out,
        (extract(epoch from c.call_start) * 1000000)::bigint as started_us,
        -- No limit: it would tempt PostgreSQL to look for live calls among all that an agent had.
        row_number() over (partition by c.voice_agent_id order by c.call_start desc, c.id desc) as place
    from public.call_logs c
    where c.call_end is null and c.call_sid is not null and isfinite(c.call_start)";

impl Store {
    /// The live calls of these agents: of each its newest.
    pub async fn live_calls(&self, agents: &VisibleAgents) -> Result<LiveNow> {
        let query = format!(
            "select {NOW_SQL}, l.* from (select clock_timestamp() as at) t
            left join lateral (
                select c.* from (select {LIVE_SQL} and c.voice_agent_id = any($1)) c
                where c.place <= $2
                order by c.started_us desc, c.id desc limit $3) l on true"
        );
        let rows = sqlx::query(AssertSqlSafe(query)).bind(agents.ids());
        let rows = rows.bind(CALLS_OF_AGENT_MAX).bind(CALLS_MAX).fetch_all(&self.pool).await?;
        live_now(&rows)
    }

    /// Those of these calls of theirs that are live, however many others are newer.
    pub async fn live_among(&self, agents: &VisibleAgents, calls: &[Uuid]) -> Result<LiveNow> {
        let query = format!(
            "select {NOW_SQL}, l.* from (select clock_timestamp() as at) t
            left join lateral (select {LIVE_SQL}
                and c.id = any($1) and c.voice_agent_id = any($2)) l on true"
        );
        let rows = sqlx::query(AssertSqlSafe(query)).bind(calls).bind(agents.ids());
        live_now(&rows.fetch_all(&self.pool).await?)
    }

    /// The position of the last event of each of these agents' calls, 0 where there is none.
    pub async fn last_events(
        &self,
        agents: &VisibleAgents,
        calls: &[Uuid],
    ) -> Result<Vec<(Uuid, i64)>> {
        let rows = sqlx::query_as(
            "select w.id, coalesce((select (e.epoch::bigint << 32) + e.seq from public.call_events e
                where e.call_log_id = w.id order by e.epoch desc, e.seq desc limit 1), 0)
            from unnest($1::uuid[]) as w (id)
            join public.call_logs l on l.id = w.id and l.voice_agent_id = any($2)",
        );
        Ok(rows.bind(calls).bind(agents.ids()).fetch_all(&self.pool).await?)
    }

    /// What was written of these agents' calls, of each behind the position beside it, in order.
    pub async fn events_after(
        &self,
        agents: &VisibleAgents,
        calls: &[(Uuid, i64)],
    ) -> Result<Vec<EventRow>> {
        let (ids, after): (Vec<Uuid>, Vec<i64>) = calls.iter().copied().unzip();
        let rows = sqlx::query(
            "select w.id, e.epoch, e.seq, e.at_ms, e.kind, e.data
            from unnest($1::uuid[], $2::bigint[]) as w (id, after)
            join public.call_logs l on l.id = w.id and l.voice_agent_id = any($3)
            cross join lateral (select e.epoch, e.seq, e.at_ms, e.kind, e.data::text as data
                from public.call_events e where e.call_log_id = w.id 
                    and (e.epoch, e.seq) > ((w.after >> 32)::int, w.after & 4294967295)
                order by e.epoch, e.seq limit $4) e
            order by w.id, e.epoch, e.seq",
        )
        .bind(ids)
        .bind(after)
        .bind(agents.ids())
        .bind(EVENTS_EACH_MAX)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(event).collect()
    }

    /// What was written last of these agents' calls, at most `each` of a call, in order; since a time by
    /// the database's clock, if there is one.
    pub async fn latest_events(
        &self,
        agents: &VisibleAgents,
        calls: &[Uuid],
        each: i64,
        since_us: Option<i64>,
    ) -> Result<Vec<EventRow>> {
        let rows = sqlx::query(
            "select w.id, e.epoch, e.seq, e.at_ms, e.kind, e.data
            from unnest($1::uuid[]) as w (id)
            join public.call_logs l on l.id = w.id and l.voice_agent_id = any($2)
            cross join lateral (select e.epoch, e.seq, e.at_ms, e.kind, e.data::text as data
                from public.call_events e where e.call_log_id = w.id
                    and ($4::bigint is null or e.created_at
                        >= timestamptz 'epoch' + $4::bigint * interval '1 microsecond')
                order by e.epoch desc, e.seq desc limit $3) e
            order by w.id, e.epoch, e.seq",
        )
        .bind(calls)
        .bind(agents.ids())
        .bind(each)
        .bind(since_us)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(event).collect()
    }

    /// Those of these calls that are over.
    pub async fn ended_of(&self, agents: &VisibleAgents, calls: &[Uuid]) -> Result<Vec<EndedLive>> {
        let rows = sqlx::query(
            "select l.id, l.voice_agent_id, coalesce(l.status, '') as status, l.call_sid,
                coalesce(extract(epoch from l.duration), 0)::bigint as seconds
            from public.call_logs l
            where l.id = any($1) and l.voice_agent_id = any($2) and l.call_end is not null",
        )
        .bind(calls)
        .bind(agents.ids())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(ended).collect()
    }

    /// The calls of these agents that ended since a time, microseconds since the Unix epoch.
    pub async fn ended_since(
        &self,
        agents: &VisibleAgents,
        since_us: i64,
    ) -> Result<Vec<EndedLive>> {
        let rows = sqlx::query(
            "select l.* from unnest($1::uuid[]) as a (id)
            cross join lateral (
                select c.id, c.voice_agent_id, coalesce(c.status, '') as status, c.call_sid,
                    coalesce(extract(epoch from c.duration), 0)::bigint as seconds
                from public.call_logs c
                where c.voice_agent_id = a.id and c.call_sid is not null
                    and c.call_start > now() - make_interval(hours => $3)
                    and c.call_end >= timestamptz 'epoch' + $2::bigint * interval '1 microsecond'
                order by c.call_start desc limit $4) l
            limit $4",
        )
        .bind(agents.ids())
        .bind(since_us)
        .bind(LONGEST_HOURS)
        .bind(ENDED_MAX)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(ended).collect()
    }
}

/// Where there is no call there is one row, which says when it was looked.
fn live_now(rows: &[PgRow]) -> Result<LiveNow> {
    let mut now = LiveNow::default();
    for row in rows {
        now.at_us = row.try_get("at_us")?;
        if let Some(id) = row.try_get("id")? {
            now.calls.push(live_call(id, row)?);
        }
    }
    Ok(now)
}

fn live_call(id: Uuid, row: &PgRow) -> Result<LiveCall> {
    Ok(LiveCall {
        id,
        agent_id: row.try_get("voice_agent_id")?,
        call_sid: row.try_get("call_sid")?,
        caller: row.try_get::<Option<String>, _>("caller_number")?.unwrap_or_default().into(),
        started_us: row.try_get("started_us")?,
        instance_id: row.try_get("instance_id")?,
        is_out: row.try_get("is_out")?,
    })
}

fn ended(row: &PgRow) -> Result<EndedLive> {
    let call_sid: Option<String> = row.try_get("call_sid")?;
    Ok(EndedLive {
        id: row.try_get("id")?,
        agent_id: row.try_get("voice_agent_id")?,
        status: row.try_get("status")?,
        seconds: row.try_get("seconds")?,
        is_test: call_sid.is_some_and(|sid| is_test(&sid)),
    })
}

fn event(row: &PgRow) -> Result<EventRow> {
    let data: Value = lenient_json(row.try_get("data")?).unwrap_or_default();
    Ok(EventRow {
        call_log_id: row.try_get("id")?,
        epoch: row.try_get("epoch")?,
        seq: row.try_get("seq")?,
        at_ms: row.try_get("at_ms")?,
        kind: row.try_get("kind")?,
        data: data.into(),
    })
}
