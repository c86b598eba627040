//! `frontdesk_sessions` as their person sees and ends them.

use sqlx::Row;
use uuid::Uuid;

use super::{Result, Store};

/// A session as its person sees it.
#[derive(Debug, Clone)]
pub struct SessionRow {
    /// `frontdesk_sessions.id`.
    pub id: Uuid,
    /// When it began, microseconds since the Unix epoch.
    pub created_us: i64,
    /// When it was last used, to the minute, microseconds since the Unix epoch.
    pub seen_us: i64,
    /// What the browser says it is.
    pub user_agent: Option<String>,
}

impl Store {
    /// Ends one session of somebody; whether there was one.
    pub async fn end_session(&self, user_id: Uuid, session: Uuid) -> Result<bool> {
        let ended = sqlx::query(
            "update public.frontdesk_sessions set ended_at = now()
            where id = $2 and user_id = $1 and ended_at is null",
        )
        .bind(user_id)
        .bind(session)
        .execute(&self.pool)
        .await?;
        Ok(ended.rows_affected() > 0)
    }

    /// Ends all sessions of somebody but this one; how many there were.
    pub async fn end_other_sessions(&self, user_id: Uuid, but: Uuid) -> Result<u64> {
        let ended = sqlx::query(
            "update public.frontdesk_sessions set ended_at = now()
            where id <> $2 and user_id = $1 and ended_at is null",
        )
        .bind(user_id)
        .bind(but)
        .execute(&self.pool)
        .await?;
        Ok(ended.rows_affected())
    }

    /// Somebody's sessions that have not ended, the last used first.
    pub async fn sessions(&self, user_id: Uuid) -> Result<Vec<SessionRow>> {
        let rows = sqlx::query(
            "select id, (extract(epoch from created_at) * 1000000)::bigint as created_us,
                (extract(epoch from last_seen_at) * 1000000)::bigint as seen_us, user_agent
            from public.frontdesk_sessions
            where user_id = $1 and ended_at is null and expires_at > now()
                and last_seen_at > now() - idle_seconds * interval '1 second'
            order by last_seen_at desc limit 100",
        )
        .bind(user_id)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(SessionRow {
                    id: row.try_get("id")?,
                    created_us: row.try_get("created_us")?,
                    seen_us: row.try_get("seen_us")?,
                    user_agent: row.try_get("user_agent")?,
                })
            })
            .collect()
    }

    /// That the operator knows who this is: an account that an invitation made is theirs alone from now
    /// on. Whoever invited them may have used it, so all that was given out before ends: sessions, keys,
    /// links. Whether that was so.
    pub async fn vouch_for(&self, user_id: Uuid) -> Result<bool> {
        Ok(sqlx::query_scalar(
            "with vouched as (
                update public.customer set invited_to = null
                where uuid = $1 and invited_to is not null returning uuid
            ), ended as (
                update public.frontdesk_sessions set ended_at = now()
                where user_id in (select uuid from vouched) and ended_at is null
            ), revoked as (
                update public.api_tokens set revoked_at = now()
                where user_id in (select uuid from vouched) and revoked_at is null
            ), used as (
                update public.sign_in_links set used_at = now()
                where user_id in (select uuid from vouched) and used_at is null
            )
            select exists (select from vouched) as was_invited",
        )
        .bind(user_id)
        .fetch_one(&self.pool)
        .await?)
    }
}
