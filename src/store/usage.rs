//! What was counted of calls, by day.

use sqlx::Row;
use uuid::Uuid;

use super::access::VisibleAgents;
use super::{Result, Store};

/// What a day of an agent had. Test calls do not count.
#[derive(Debug, Clone, Default)]
pub struct UsageDay {
    /// `voice_agents.id`.
    pub agent_id: Uuid,
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

/// What somebody's plan says. It is shown; no call depends on it.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// `customer.plan_mode`; none: no plan is in force.
    pub mode: Option<String>,
    /// `voiceagents_allowed`; 0 without a plan: as many as one likes.
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

/// The most days of agents that are read at once.
const ROWS_MAX: i64 = 2_000;

impl Store {
    /// Sums up to `limit` counted calls up into their days, and gives how many those were; none if
    /// somebody else does it just now. What is read of the days is exact before as after.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn fold_usage(&self, limit: i32) -> Result<u64> {
        let folded: i64 = sqlx::query_scalar("select public.usage_fold($1)")
            .bind(limit)
            .fetch_one(&self.pool)
            .await?;
        Ok(folded.unsigned_abs())
    }

    /// What these agents' days had from one to another, both of them in, as `2026-11-29`; the newest
    /// first.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError); `Refused` where a text is no date.
    pub async fn usage(
        &self,
        agents: &VisibleAgents,
        from: &str,
        to: &str,
    ) -> Result<Vec<UsageDay>> {
        let rows = sqlx::query(
            "select voice_agent_id, day::text as day, calls, answered, put_through, voicemail,
                no_answer, failed, seconds, turns, public.usage_median(first_audio) as median,
                input_tokens, output_tokens
            from public.usage_by_day($1, $2::date, $3::date)
            order by day desc, voice_agent_id limit $4",
        )
        .bind(agents.ids())
        .bind(from)
        .bind(to)
        .bind(ROWS_MAX)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(UsageDay {
                    agent_id: row.try_get("voice_agent_id")?,
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
            })
            .collect()
    }

    /// What a person's plan says.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn plan(&self, person: Uuid) -> Result<Plan> {
        let row = sqlx::query(
            "select plan_mode, coalesce(voiceagents_allowed, 0) as agents_allowed,
                coalesce(total_voiceagents, 0) as agents,
                coalesce(allowed_msg_credits, 0) as credits_allowed,
                coalesce(total_credits, 0) as credits, coalesce(trial, false) as is_trial
            from public.customer where uuid = $1",
        )
        .bind(person)
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
