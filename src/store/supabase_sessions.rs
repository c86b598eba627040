//! Supabase's own tables of sessions and users, where the database is Supabase's. An access token
//! stays valid until it expires; these rows say that its session was ended before.

use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::people::{Credential, Viewer};
use super::{Result, Store};

impl Store {
    /// Whether somebody's session at Supabase goes on: it is theirs and has not been ended, and they
    /// are neither banned nor deleted. It takes two round trips, so whoever asks often keeps the
    /// answer, for 30 s at most. `session_id`: as the token says; a token without one is asked about
    /// the person alone.
    ///
    /// Where the database is not Supabase's there are no sessions (`auth.sessions`), and perhaps no
    /// such user yet: then nothing speaks against it.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError): also where the server may not read these tables. Nobody is
    /// to be let in then.
    pub async fn supabase_session_is_alive(
        &self,
        user_id: Uuid,
        session_id: Option<Uuid>,
    ) -> Result<bool> {
        // Which columns there are is Supabase's affair, and differs: as JSON a missing one is null.
        // The rows do not leave the database.
        let (has_sessions, is_user, is_shut_out): (bool, bool, bool) = sqlx::query_as(
            "select to_regclass('auth.sessions') is not null,
                count(*) > 0,
                coalesce(bool_or((u.fields->>'banned_until')::timestamptz > now()
                    or u.fields->>'deleted_at' is not null), false)
            from (select to_jsonb(u) as fields from auth.users u where u.id = $1) u",
        )
        .bind(user_id)
        .fetch_one(&self.pool)
        .await?;
        if is_shut_out {
            return Ok(false);
        }
        let (true, Some(session_id)) = (has_sessions, session_id) else {
            return Ok(is_user || !has_sessions);
        };
        if !is_user {
            return Ok(false);
        }
        let alive: bool = sqlx::query_scalar(
            "select exists (
                select from (select to_jsonb(s) as fields from auth.sessions s where s.id = $1) s
                where (s.fields->>'user_id')::uuid = $2
                    and coalesce((s.fields->>'not_after')::timestamptz > now(), true)
            )",
        )
        .bind(session_id)
        .bind(user_id)
        .fetch_one(&self.pool)
        .await?;
        Ok(alive)
    }

    /// The customer's row of somebody who has signed in at Supabase; made at the first time. The address
    /// is the one that they have there now: people are invited by it.
    pub async fn person_of_supabase(&self, user_id: Uuid) -> Result<Option<Viewer>> {
        let row = sqlx::query(
            "select c.uuid, c.email, left(c.username, 200) as username,
                coalesce(c.isadmin, false) as isadmin
            from public.customer c join auth.users u on u.id = c.uuid
            where c.uuid = $1 and (u.email is null or u.email = c.email)",
        )
        .bind(user_id)
        .fetch_optional(&self.pool)
        .await?;
        let row = match row {
            Some(row) => Some(row),
            None => self.known_anew(user_id).await?,
        };
        row.map(|row| Viewer::read(&row, Credential::Supabase, true)).transpose()
    }

    /// The same where there is no row yet, or one with another address.
    async fn known_anew(&self, user_id: Uuid) -> Result<Option<PgRow>> {
        let mut transaction = self.pool.begin().await?;
        // Whoever had the address before and has another one now, and has not been here since.
        sqlx::query(
            "update public.customer c set email = u.email
            from auth.users u, auth.users me
            where me.id = $1 and c.uuid <> me.id and lower(c.email) = lower(me.email)
                and u.id = c.uuid and u.email is not null and lower(u.email) <> lower(c.email)
                and not exists (select from public.customer o where lower(o.email) = lower(u.email))",
        )
        .bind(user_id)
        .execute(&mut *transaction)
        .await?;
        // An address that another customer has all the same stays theirs, and this one's is as it was.
        sqlx::query(
            "update public.customer c set email = u.email from auth.users u
            where c.uuid = $1 and u.id = $1 and u.email is not null and not exists (
                select from public.customer o where o.uuid <> $1 and lower(o.email) = lower(u.email))",
        )
        .bind(user_id)
        .execute(&mut *transaction)
        .await?;
        let row = sqlx::query(
            "with made as (
                insert into public.customer (uuid, email, username, plan_id)
                select u.id, u.email, split_part(u.email, '@', 1), 0
                from auth.users u where u.id = $1 and u.email is not null
                on conflict do nothing
                returning uuid, email, username, coalesce(isadmin, false) as isadmin
            )
            select * from made
            union all
            select uuid, email, username, coalesce(isadmin, false)
            from public.customer where uuid = $1",
        )
        .bind(user_id)
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(row)
    }
}
