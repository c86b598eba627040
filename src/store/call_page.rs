//! One call as its owner reads it: the row, what happened, and the passages behind its answers.

use std::collections::HashSet;

use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, QueryBuilder, Row};
use uuid::Uuid;

use super::access::{AgentAccess, Level, VisibleAgents};
use super::call_list::{CallFilter, Toward};
use super::call_query::push_page;
use super::hidden_values::{FINISHED, IS_HIDDEN, hide, hide_in_metadata, rows_of};
use super::{EventRow, Result, Store, lenient_json};
use crate::private::Private;

/// A call as its owner reads it.
#[derive(Debug, Clone)]
pub struct CallPage {
    /// `id`.
    pub id: Uuid,
    /// `voice_agent_id`.
    pub agent_id: Uuid,
    /// `call_sid`.
    pub call_sid: Option<String>,
    /// `call_start`, microseconds since the Unix epoch.
    pub started_us: i64,
    /// `call_end`, microseconds since the Unix epoch; none while the caller is on the phone.
    pub ended_us: Option<i64>,
    /// How long it was; none while it goes on, or where the row does not say.
    pub duration_ms: Option<i64>,
    /// `caller_number`; empty where there is none.
    pub caller: Private<String>,
    /// The number as it was read, E.164; none where it is withheld or cannot be read.
    pub caller_e164: Option<Private<String>>,
    /// `status`; empty where there is none.
    pub status: String,
    /// `transcript`; none where there is none, or none any more.
    pub transcript: Private<Option<String>>,
    /// `summary`; null where there is none.
    pub summary: Private<Value>,
    /// `metadata`; null where there is none.
    pub metadata: Private<Value>,
    /// Whether a summary is still being made.
    pub is_summary_due: bool,
    /// Whether calls were recorded when this one began, by what the agent's settings were then.
    pub was_to_be_recorded: bool,
}

impl CallPage {
    /// Whether it is a test.
    pub fn is_test(&self) -> bool {
        self.call_sid.as_ref().is_some_and(|sid| sid.starts_with("FT"))
    }

    /// Whether who reads it hears a caller who is on the phone.
    pub fn is_overheard(&self) -> bool {
        self.ended_us.is_none() && !self.is_test()
    }
}

/// A passage that an answer was given.
#[derive(Debug, Clone)]
pub struct Passage {
    /// Its row in the agent's table.
    pub id: i64,
    /// What it is called; empty where it has no name.
    pub title: String,
    /// The beginning of what it says.
    pub text: String,
}

/// The most passages of a call that are shown.
const PASSAGES_MAX: i64 = 500;
/// As much of one is shown, in characters.
const PASSAGE_CHARACTERS: i32 = 600;
/// The columns of a [`CallPage`]. A transcript of some hours is shown whole.
const COLUMNS: &str =
    "c.id, c.voice_agent_id, c.call_sid, coalesce(left(c.status, 40), '') as status,
    (extract(epoch from c.call_start) * 1000000)::bigint as started_us,
    (extract(epoch from case when isfinite(c.call_end) then least(c.call_end, '9990-01-01')
        else c.call_start end) * 1000000)::bigint as ended_us,
    (least(greatest(extract(epoch from c.duration), 0), 1e9) * 1000)::bigint as duration_ms,
    coalesce(left(c.caller_number, 100), '') as caller,
    nullif(coalesce(c.caller_e164, c.caller_number), '') as caller_e164,
    left(c.transcript, 1000000) as transcript,
    c.summary::text as summary, c.metadata::text as metadata, c.call_end is null as is_live,
    exists (select from public.aftercall_jobs j where j.call_log_id = c.id
        and j.kind = 'summary' and j.state = 'pending') as is_summary_due,
    -- What was in force when it began: before the first change since then, or else now.
    coalesce(
        (select coalesce(v.before -> 'settings' -> 'recording' ->> 'enabled', 'false')
            from public.agent_versions v
            where v.voice_agent_id = c.voice_agent_id and v.part = 'agent' and v.before is not null
                and v.at > c.call_start
            order by v.n limit 1),
        (select a.private_settings -> 'recording' ->> 'enabled'
            from public.voice_agents a where a.id = c.voice_agent_id),
        'false') = 'true' as was_to_be_recorded";

/// SQLSTATE of a table or a column that is not there.
const MISSING: [&str; 2] = ["42P01", "42703"];

impl Store {
    /// A call of this agent; none if it is gone, or its times are in no calendar.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn call<L: Level>(
        &self,
        access: &AgentAccess<L>,
        id: Uuid,
    ) -> Result<Option<CallPage>> {
        let query = format!(
            "select {COLUMNS} from public.call_logs c where c.id = $1 and c.voice_agent_id = $2
                and c.call_start between '1900-01-01' and '9990-01-01'"
        );
        let row = sqlx::query(AssertSqlSafe(query)).bind(id).bind(access.agent_id());
        let row = row.fetch_optional(&self.pool).await?;
        let mut calls = row.iter().map(read).collect::<Result<Vec<_>>>()?;
        self.hide_values(&[access.agent_id()], &mut calls).await?;
        Ok(calls.pop())
    }

    /// Takes away what functions were given and gave where it is not shown.
    async fn hide_values(&self, agents: &[Uuid], calls: &mut [CallPage]) -> Result<()> {
        let has_rows = |call: &CallPage| rows_of(call.metadata.reveal()).next().is_some();
        let shown = match calls.iter().any(has_rows) {
            true => self.shown_rows(agents).await?,
            false => HashSet::new(),
        };
        for call in calls {
            let mut metadata = std::mem::take(&mut call.metadata).into_inner();
            hide_in_metadata(&mut metadata, &shown);
            call.metadata = metadata.into();
        }
        Ok(())
    }

    /// Up to `limit` calls of these agents with all that is kept of them.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn whole_calls(
        &self,
        agents: &VisibleAgents,
        filter: &CallFilter,
        toward: Toward,
        limit: i64,
    ) -> Result<Vec<CallPage>> {
        let mut sql = QueryBuilder::new("with page as materialized (");
        push_page(&mut sql, &agents.ids(), filter, toward, limit);
        sql.push(") select ").push(COLUMNS);
        sql.push(" from page join public.call_logs c on c.id = page.id");
        sql.push(" order by c.call_start desc, c.id desc");
        let rows = sql.build().persistent(false).fetch_all(&self.pool).await?;
        let mut calls = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
        self.hide_values(&agents.ids(), &mut calls).await?;
        Ok(calls)
    }

    /// Whether who reads a call hears a caller who is on the phone.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn is_overheard<L: Level>(&self, access: &AgentAccess<L>, id: Uuid) -> Result<bool> {
        let row = sqlx::query_scalar(
            "select exists (select from public.call_logs where id = $1 and voice_agent_id = $2
                and call_end is null and left(call_sid, 2) is distinct from 'FT')",
        );
        Ok(row.bind(id).bind(access.agent_id()).fetch_one(&self.pool).await?)
    }

    /// Up to `limit` of a call's events behind the position `after`, in their order, without what is not
    /// shown.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn call_events<L: Level>(
        &self,
        access: &AgentAccess<L>,
        id: Uuid,
        after: i64,
        limit: i64,
    ) -> Result<Vec<EventRow>> {
        self.events_of(access, id, (after, limit), IS_HIDDEN).await
    }

    /// The same with everything, for a test that goes on behind them: what is shown of them is asked
    /// again there.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn events_to_go_on_from<L: Level>(
        &self,
        access: &AgentAccess<L>,
        id: Uuid,
        limit: i64,
    ) -> Result<Vec<EventRow>> {
        self.events_of(access, id, (i64::MIN, limit), "false").await
    }

    async fn events_of<L: Level>(
        &self,
        access: &AgentAccess<L>,
        id: Uuid,
        (after, limit): (i64, i64),
        is_hidden: &'static str,
    ) -> Result<Vec<EventRow>> {
        let query = format!(
            "with finished as ({FINISHED})
            select e.epoch, e.seq, e.at_ms, e.kind, e.data::text as data, {is_hidden} as is_hidden
            from public.call_events e join public.call_logs l on l.id = e.call_log_id
            left join finished f on f.run = e.data ->> 'run'
            where l.id = $1 and l.voice_agent_id = $2 and (e.epoch, e.seq) > (($3 >> 32)::int, $3 & 4294967295)
            order by e.epoch, e.seq limit $4"
        );
        // The text is put together from constants.
        let rows = sqlx::query(AssertSqlSafe(query))
            .bind(id)
            .bind(access.agent_id())
            .bind(after)
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        let event = |row: &PgRow| {
            let mut data = lenient_json(row.try_get("data")?).unwrap_or_default();
            if row.try_get("is_hidden")? {
                hide(&mut data);
            }
            Ok(EventRow {
                call_log_id: id,
                epoch: row.try_get("epoch")?,
                seq: row.try_get("seq")?,
                at_ms: row.try_get("at_ms")?,
                kind: row.try_get("kind")?,
                data: data.into(),
            })
        };
        rows.iter().map(event).collect()
    }

    /// What passages of this agent say. Those that are gone are left out, as are all where the agent
    /// has no table.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn passages<L: Level>(
        &self,
        access: &AgentAccess<L>,
        ids: &[i64],
    ) -> Result<Vec<Passage>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        // An id has hyphens and nothing that would end a quoted name.
        let select = format!(
            r#"select id, coalesce(left(content, $2), '') as text,
                coalesce(left(coalesce(metadata ->> 'title', metadata ->> 'topic',
                    metadata ->> 'heading', metadata ->> 'name'), 200), '') as title
            from public."zz_{}" where id = any($1) limit {PASSAGES_MAX}"#,
            access.agent_id()
        );
        let rows = sqlx::query(AssertSqlSafe(select))
            .bind(ids)
            .bind(PASSAGE_CHARACTERS)
            .fetch_all(&self.pool)
            .await;
        let rows = match rows {
            Err(sqlx::Error::Database(error))
                if error.code().is_some_and(|code| MISSING.contains(&&*code)) =>
            {
                return Ok(Vec::new());
            }
            rows => rows?,
        };
        let passage = |row: &PgRow| {
            Ok(Passage {
                id: row.try_get("id")?,
                title: row.try_get("title")?,
                text: row.try_get("text")?,
            })
        };
        rows.iter().map(passage).collect()
    }
}

fn read(row: &PgRow) -> Result<CallPage> {
    let is_live: bool = row.try_get("is_live")?;
    let ended_us: i64 = row.try_get("ended_us")?;
    let number: Option<String> = row.try_get("caller_e164")?;
    let is_e164 = |text: &String| text.starts_with('+');
    Ok(CallPage {
        id: row.try_get("id")?,
        agent_id: row.try_get("voice_agent_id")?,
        call_sid: row.try_get("call_sid")?,
        started_us: row.try_get("started_us")?,
        ended_us: (!is_live).then_some(ended_us),
        duration_ms: row.try_get("duration_ms")?,
        caller: Private::new(row.try_get("caller")?),
        caller_e164: number.filter(is_e164).map(Private::new),
        status: row.try_get("status")?,
        transcript: Private::new(row.try_get("transcript")?),
        summary: lenient_json(row.try_get("summary")?).unwrap_or_default().into(),
        metadata: lenient_json(row.try_get("metadata")?).unwrap_or_default().into(),
        is_summary_due: row.try_get("is_summary_due")?,
        was_to_be_recorded: row.try_get("was_to_be_recorded")?,
    })
}
