//! What Twilio did with numbers before the console connected them, and what an agent's account is.

use serde_json::Value;
use sqlx::Row;
use uuid::Uuid;

use super::access::{AgentAccess, Level, Maintain, Own, VisibleAgents};
use super::audit::{self, AuditEntry};
use super::people::Viewer;
use super::taken_numbers::{ListedNumber, take_and_note};
use super::{Result, Store, lenient_json};
use crate::private::Private;

/// A connection that can be undone.
#[derive(Debug, Clone)]
pub struct WiringRow {
    /// Twilio's name for the number.
    pub number_sid: String,
    /// What Twilio did with it before.
    pub before: Value,
}

/// An attempt to tell an owner of a call.
#[derive(Debug, Clone)]
pub struct DeliveryRow {
    /// `webhook_deliveries.id`.
    pub id: i64,
    /// `call_logs.id`.
    pub call_id: Uuid,
    /// `voice_agents.id`.
    pub agent_id: Uuid,
    /// Which message: the same for each attempt.
    pub message_id: String,
    /// Which attempt, from 1.
    pub attempt: i32,
    /// When, microseconds since the Unix epoch.
    pub at_us: i64,
    /// The HTTP status that came back.
    pub status: Option<i32>,
    /// Why none did.
    pub error: Option<String>,
    /// How long it took.
    pub ms: i32,
    /// When the next attempt is, microseconds since the Unix epoch, while there is one.
    pub next_us: Option<i64>,
}

/// The most rows of a page.
const ROWS_MAX: i64 = 101;

impl Store {
    /// Keeps what Twilio did with a number, before that is changed: its `number_wirings.id`.
    pub async fn keep_wiring(
        &self,
        access: &AgentAccess<Maintain>,
        account_sid: &str,
        number_sid: &str,
        before: &Value,
    ) -> Result<i64> {
        Ok(sqlx::query_scalar(
            "insert into public.number_wirings
                (number_sid, account_sid, voice_agent_id, before, connected_by)
            values ($1, $2, $3, $4::jsonb, $5) returning id",
        )
        .bind(number_sid)
        .bind(account_sid)
        .bind(access.agent_id())
        .bind(before.to_string())
        .bind(access.person())
        .fetch_one(&self.pool)
        .await?)
    }

    /// Forgets what was kept for a change that was not made.
    pub async fn forget_wiring(&self, access: &AgentAccess<Maintain>, id: i64) -> Result<()> {
        sqlx::query("delete from public.number_wirings where id = $1 and voice_agent_id = $2")
            .bind(id)
            .bind(access.agent_id())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Which numbers of these agents can be put back: the agents with Twilio's names.
    pub async fn restorable(&self, agents: &VisibleAgents) -> Result<Vec<(Uuid, String)>> {
        Ok(sqlx::query_as(
            "select distinct voice_agent_id, number_sid from public.number_wirings
            where voice_agent_id = any($1) and restored_at is null limit 5000",
        )
        .bind(agents.ids())
        .fetch_all(&self.pool)
        .await?)
    }

    /// Those of these agents that have a number, although nobody has connected one here and no call has come.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn not_connected(&self, agents: &VisibleAgents) -> Result<Vec<Uuid>> {
        Ok(sqlx::query_scalar(
            "select a.id from public.voice_agents a
            where a.id = any($1) and trim(coalesce(a.twilio_phone_number, '')) <> ''
                and not exists (select from public.number_wirings w
                    where w.voice_agent_id = a.id and w.restored_at is null)
                -- Tests are none. Rows of before Twilio's names were kept have no name.
                and not exists (select from (
                        select c.call_sid from public.call_logs c where c.voice_agent_id = a.id
                        order by c.call_start desc limit 1000) as latest
                    where latest.call_sid is null or latest.call_sid like 'CA%')
            limit 5000",
        )
        .bind(agents.ids())
        .fetch_all(&self.pool)
        .await?)
    }

    /// What of this agent's can be put back, the last connection of each number.
    pub async fn wirings<L: Level>(&self, access: &AgentAccess<L>) -> Result<Vec<WiringRow>> {
        let rows = sqlx::query(
            "select distinct on (number_sid) number_sid, before::text as before
            from public.number_wirings
            where voice_agent_id = $1 and restored_at is null
            order by number_sid, id desc limit 200",
        )
        .bind(access.agent_id())
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(WiringRow {
                    number_sid: row.try_get("number_sid")?,
                    before: lenient_json(row.try_get("before")?).unwrap_or_default(),
                })
            })
            .collect()
    }

    /// Says that a number was put back.
    pub async fn note_restored(
        &self,
        access: &AgentAccess<Maintain>,
        number_sid: &str,
    ) -> Result<()> {
        sqlx::query(
            "update public.number_wirings set restored_at = now()
            where voice_agent_id = $1 and number_sid = $2 and restored_at is null",
        )
        .bind(access.agent_id())
        .bind(number_sid)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Gives an agent a Twilio account of its own. The token is sealed, and never read back here. Whoever
    /// only typed the number that Twilio has `listed` for that account loses it.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError); `Refused` where the agent's number would then be live, and
    /// another live agent has it. Nothing is changed then.
    pub async fn set_twilio_account(
        &self,
        access: &AgentAccess<Own>,
        (account_sid, auth_token): (&str, &Private<String>),
        listed: Option<&ListedNumber>,
    ) -> Result<()> {
        let agent = access.agent_id();
        let sealed = self.vault.seal(agent, "auth_token", auth_token.reveal());
        let mut transaction = self.pool.begin().await?;
        if let Some(listed) = listed {
            take_and_note(&mut transaction, agent, listed).await?;
        }
        sqlx::query(
            "update public.voice_agents set twilio_credentials =
                jsonb_build_object('account_sid', $2::text, 'auth_token', $3::text)
            where id = $1",
        )
        .bind(agent)
        .bind(account_sid)
        .bind(sealed)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Takes an agent's own Twilio account away: it uses the server's again.
    pub async fn drop_twilio_account(&self, access: &AgentAccess<Own>) -> Result<()> {
        sqlx::query("update public.voice_agents set twilio_credentials = '{}' where id = $1")
            .bind(access.agent_id())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// What owners were told of calls of these agents, newest first, before the row `before`.
    pub async fn deliveries(
        &self,
        agents: &VisibleAgents,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<DeliveryRow>> {
        let rows = sqlx::query(
            "select d.id, d.call_log_id, d.voice_agent_id, d.message_id, d.attempt,
                (extract(epoch from d.at) * 1000000)::bigint as at_us, d.status, d.error, d.ms,
                case when j.state = 'pending'
                    then (extract(epoch from j.run_after) * 1000000)::bigint end as next_us
            from (
                select d.* from unnest($1::uuid[]) as a (id)
                cross join lateral (select d.* from public.webhook_deliveries d
                    where d.voice_agent_id = a.id and d.id < $2
                    order by d.id desc limit $3) d
                order by d.id desc limit $3
            ) d
            left join public.aftercall_jobs j
                on j.call_log_id = d.call_log_id and j.kind = 'webhook'
            order by d.id desc",
        )
        .bind(agents.ids())
        .bind(before.unwrap_or(i64::MAX))
        .bind(limit.min(ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(DeliveryRow {
                    id: row.try_get("id")?,
                    call_id: row.try_get("call_log_id")?,
                    agent_id: row.try_get("voice_agent_id")?,
                    message_id: row.try_get("message_id")?,
                    attempt: row.try_get("attempt")?,
                    at_us: row.try_get("at_us")?,
                    status: row.try_get("status")?,
                    error: row.try_get("error")?,
                    ms: row.try_get("ms")?,
                    next_us: row.try_get("next_us")?,
                })
            })
            .collect()
    }

    /// Those of these agents whose owner's server has taken nothing since it was told of three calls at least,
    /// as far as the last 200 tries of a week say: a call is tried some thirty times.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn untold(&self, agents: &VisibleAgents) -> Result<Vec<Uuid>> {
        Ok(sqlx::query_scalar(
            "select a.id from unnest($1::uuid[]) as a (id)
            cross join lateral (
                select count(distinct latest.call_log_id) filter (where latest.id > latest.taken) as calls
                from (select last.*, coalesce(max(last.id)
                            filter (where last.status between 200 and 299) over (), 0) as taken
                    from (select d.id, d.call_log_id, d.status, d.at from public.webhook_deliveries d
                        where d.voice_agent_id = a.id order by d.id desc limit 200) as last
                    where last.at > now() - interval '7 days') as latest) as told
            where told.calls >= 3
            limit 5000",
        )
        .bind(agents.ids())
        .fetch_all(&self.pool)
        .await?)
    }

    /// Has an owner told of a delivery's call once more, at once; whether there is such a delivery. Who
    /// does it is written down.
    pub async fn redeliver(
        &self,
        access: &AgentAccess<Maintain>,
        viewer: &Viewer,
        delivery: i64,
    ) -> Result<bool> {
        let mut transaction = self.pool.begin().await?;
        let done = sqlx::query(
            "update public.aftercall_jobs j set state = 'pending', revision = j.revision + 1,
                queued_at = now(), run_after = now(), attempts = 0, last_error = null, done_at = null
            from public.webhook_deliveries d join public.call_logs c on c.id = d.call_log_id
            where d.id = $2 and c.voice_agent_id = $1
                and j.call_log_id = d.call_log_id and j.kind = 'webhook'",
        )
        .bind(access.agent_id())
        .bind(delivery)
        .execute(&mut *transaction)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let deed = AuditEntry::of(viewer, "webhook.redeliver").agent(access.agent_id());
        audit::note(&mut transaction, &deed.object("delivery", delivery)).await?;
        transaction.commit().await?;
        Ok(true)
    }
}
