//! Supabase's own tables of sessions and users, where the database is Supabase's. An access token
//! stays valid until it expires; these rows say that its session was ended before.

use uuid::Uuid;

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
}
