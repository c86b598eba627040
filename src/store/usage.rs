//! What was counted of calls, by day.

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::access::VisibleAgents;
use super::people::Viewer;
use super::{Result, Store};

/// What a day had. Test calls do not count.
#[derive(Debug, Clone, Default)]
pub struct UsageDay {
    /// The day in the business's zone, `2026-11-29`.
    pub day: String,
    /// Calls.
    pub calls: i64,
    /// Of those, that the agent held to their end.
    pub answered: i64,
    /// That somebody else answered.
    pub put_through: i64,
    /// That left a message.
    pub voicemail: i64,
    /// That reached nobody.
    pub no_answer: i64,
    /// That broke off.
    pub failed: i64,
    /// How long they were, in seconds.
    pub seconds: i64,
    /// What callers said, in turns.
    pub turns: i64,
    /// The middle time to answer, in milliseconds; none where no turn was measured.
    pub median_answer_ms: Option<i32>,
    /// What the model read, in tokens.
    pub input_tokens: i64,
    /// What the model wrote.
    pub output_tokens: i64,
}

/// What a day of one agent had.
#[derive(Debug, Clone, Default)]
pub struct AgentDay {
    /// `voice_agents.id`.
    pub agent_id: Uuid,
    /// What it had.
    pub day: UsageDay,
}

/// The place of an [`AgentDay`] in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayPlace {
    /// The day, `2026-11-29`.
    pub day: String,
    /// `voice_agents.id`.
    pub agent_id: Uuid,
}

/// What somebody's plan says. It is shown; no call depends on it.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// `customer.plan_mode`; none: no plan is named.
    pub mode: Option<String>,
    /// `voiceagents_allowed`; above 0 it holds without a plan too, and 0 without a plan is as many as one
    /// likes.
    pub agents_allowed: i32,
    /// `total_voiceagents`.
    pub agents: i32,
    /// `allowed_msg_credits`.
    pub credits_allowed: i32,
    /// `total_credits`.
    pub credits: i32,
    /// `trial`.
    pub is_trial: bool,
}

/// The columns of a [`UsageDay`], of what stands under these names.
const DAY_SQL: &str =
    "day::text as day, calls, answered, put_through, voicemail, no_answer, failed,
    seconds, turns, public.usage_median(first_audio) as median, input_tokens, output_tokens";

impl Store {
    /// Sums up to `limit` counted calls up into their days, and gives how many those were; none if
    /// somebody else does it just now. What is read of the days is exact before as after.
    pub async fn fold_usage(&self, limit: i32) -> Result<u64> {
        let folded: i64 = sqlx::query_scalar("select public.usage_fold($1)")
            .bind(limit)
            .fetch_one(&self.pool)
            .await?;
        Ok(folded.unsigned_abs())
    }

    /// What each day of each of these agents had from one to another, both of them in, as `2026-11-29`:
    /// up to `limit` behind a place, the newest first.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError); `Refused` where a text is no date.
    pub async fn usage(
        &self,
        agents: &VisibleAgents,
        (from, to): (&str, &str),
        after: Option<&DayPlace>,
        limit: i64,
    ) -> Result<Vec<AgentDay>> {
        // What is newer than the place is not even added up.
        let query = format!(
            "select voice_agent_id, {DAY_SQL}
            from public.usage_by_day($1, $2::date, least($3::date, $4::date)) as u
            where $4::date is null or u.day < $4::date or u.voice_agent_id > $5
            order by u.day desc, voice_agent_id limit $6"
        );
        let rows = sqlx::query(AssertSqlSafe(query))
            .bind(agents.ids())
            .bind(from)
            .bind(to)
            .bind(after.map(|place| place.day.as_str()))
            .bind(after.map(|place| place.agent_id))
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        let day = |row: &PgRow| {
            Ok(AgentDay { agent_id: row.try_get("voice_agent_id")?, day: usage_day(row)? })
        };
        rows.iter().map(day).collect()
    }

    /// What each day from one to another had of all of these agents together, the newest first. Who asks
    /// for some hundred days gets as many rows.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError); `Refused` where a text is no date.
    pub async fn usage_together(
        &self,
        agents: &VisibleAgents,
        (from, to): (&str, &str),
    ) -> Result<Vec<UsageDay>> {
        let query = format!(
            "select {DAY_SQL} from (
                select day, sum(calls)::bigint as calls, sum(answered)::bigint as answered,
                    sum(put_through)::bigint as put_through, sum(voicemail)::bigint as voicemail,
                    sum(no_answer)::bigint as no_answer, sum(failed)::bigint as failed,
                    sum(seconds)::bigint as seconds, sum(turns)::bigint as turns,
                    public.usage_sum(array_agg(first_audio)
                        filter (where first_audio is not null)) as first_audio,
                    sum(input_tokens)::bigint as input_tokens,
                    sum(output_tokens)::bigint as output_tokens
                from public.usage_by_day($1, $2::date, $3::date)
                group by day
            ) as u
            order by u.day desc"
        );
        let rows = sqlx::query(AssertSqlSafe(query)).bind(agents.ids()).bind(from).bind(to);
        rows.fetch_all(&self.pool).await?.iter().map(usage_day).collect()
    }

    /// Counts all calls of an agent anew, and gives how many days there are; such as after its business's
    /// time zone changed. For whoever runs the server.
    pub async fn recount(&self, agent_id: Uuid) -> Result<u64> {
        let days: i64 = sqlx::query_scalar("select public.usage_rebuild($1)")
            .bind(agent_id)
            .fetch_one(&self.pool)
            .await?;
        Ok(days.unsigned_abs())
    }

    /// The ids of all agents that are there, the oldest first. For whoever runs the server.
    pub async fn all_agents(&self) -> Result<Vec<Uuid>> {
        let agents =
            sqlx::query_scalar("select id from public.voice_agents order by created_at, id");
        Ok(agents.fetch_all(&self.pool).await?)
    }

    /// What a person's plan says.
    pub async fn plan(&self, viewer: &Viewer) -> Result<Plan> {
        let row = sqlx::query(
            "select nullif(plan_mode, '') as plan_mode, coalesce(voiceagents_allowed, 0) as agents_allowed,
                coalesce(total_voiceagents, 0) as agents,
                coalesce(allowed_msg_credits, 0) as credits_allowed,
                coalesce(total_credits, 0) as credits, coalesce(trial, false) as is_trial
            from public.customer where uuid = $1",
        )
        .bind(viewer.id())
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(Plan::default()) };
        Ok(Plan {
            mode: row.try_get("plan_mode")?,
            agents_allowed: row.try_get("agents_allowed")?,
            agents: row.try_get("agents")?,
            credits_allowed: row.try_get("credits_allowed")?,
            credits: row.try_get("credits")?,
            is_trial: row.try_get("is_trial")?,
        })
    }
}

fn usage_day(row: &PgRow) -> Result<UsageDay> {
    Ok(UsageDay {
        day: row.try_get("day")?,
        calls: row.try_get("calls")?,
        answered: row.try_get("answered")?,
        put_through: row.try_get("put_through")?,
        voicemail: row.try_get("voicemail")?,
        no_answer: row.try_get("no_answer")?,
        failed: row.try_get("failed")?,
        seconds: row.try_get("seconds")?,
        turns: row.try_get("turns")?,
        median_answer_ms: row.try_get("median")?,
        input_tokens: row.try_get("input_tokens")?,
        output_tokens: row.try_get("output_tokens")?,
    })
}
