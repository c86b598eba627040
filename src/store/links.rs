//! `sign_in_links`: one-time links.
//!
//! Whoever made a link may still have it. So the first one that is used ends all others of its person.

use sqlx::Row;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::people::SecretHash;
use super::{Result, Store};

/// How long after a link was used its session has begun, or never will. A request ends before.
const BEGINNING_SECONDS: i32 = 60;

impl Store {
    /// Keeps a one-time link of somebody's for so many seconds.
    pub async fn make_link(&self, link: &SecretHash, user_id: Uuid, seconds: i32) -> Result<()> {
        sqlx::query(
            "insert into public.sign_in_links (token_hash, user_id, expires_at)
            values ($1, $2, now() + $3 * interval '1 second')",
        )
        .bind(link.as_slice())
        .bind(user_id)
        .bind(seconds)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The same for somebody who has never signed in, whom others hand it to. `false`: they have signed
    /// in, or do at this moment, and nothing was made.
    pub async fn make_newcomers_link(
        &self,
        link: &SecretHash,
        user_id: Uuid,
        seconds: i32,
    ) -> Result<bool> {
        let mut transaction = self.pool.begin().await?;
        // Whoever uses one of their links waits for this, or this for them.
        sqlx::query("select from public.customer where uuid = $1 for no key update")
            .bind(user_id)
            .execute(&mut *transaction)
            .await?;
        end_newcomers_links(&mut transaction, user_id).await?;
        let made = sqlx::query(
            "insert into public.sign_in_links (token_hash, user_id, expires_at)
            select $1, $2, now() + $3 * interval '1 second'
            where not exists (select from public.frontdesk_sessions where user_id = $2)
                and not exists (select from public.sign_in_links
                    where user_id = $2 and used_at > now() - $4 * interval '1 second')",
        )
        .bind(link.as_slice())
        .bind(user_id)
        .bind(seconds)
        .bind(BEGINNING_SECONDS)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(made.rows_affected() > 0)
    }

    /// Whether this link would sign somebody in. Does not use it up.
    pub async fn is_link_good(&self, link: &SecretHash) -> Result<bool> {
        Ok(sqlx::query_scalar(
            "select exists (select from public.sign_in_links
                where token_hash = $1 and used_at is null and expires_at > now()) as is_good",
        )
        .bind(link.as_slice())
        .fetch_one(&self.pool)
        .await?)
    }

    /// Uses a link up, and with it all others of the same person: whose it is, for the one who comes
    /// first.
    pub async fn use_link(&self, link: &SecretHash) -> Result<Option<Uuid>> {
        let mut transaction = self.pool.begin().await?;
        // Two links of one person that are used at once are used one after the other.
        sqlx::query(
            "select from public.customer where uuid = (
                select user_id from public.sign_in_links where token_hash = $1) for no key update",
        )
        .bind(link.as_slice())
        .execute(&mut *transaction)
        .await?;
        let row = sqlx::query(
            "update public.sign_in_links set used_at = now()
            where token_hash = $1 and used_at is null and expires_at > now()
            returning user_id",
        )
        .bind(link.as_slice())
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let person: Uuid = row.try_get("user_id")?;
        sqlx::query(
            "update public.sign_in_links set used_at = now() where user_id = $1 and used_at is null",
        )
        .bind(person)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Some(person))
    }
}

/// Ends the links of somebody who has never signed in: whoever was handed one of them by mistake must not
/// come in with what the right one is given next.
pub(super) async fn end_newcomers_links(
    connection: &mut PgConnection,
    user_id: Uuid,
) -> sqlx::Result<()> {
    sqlx::query(
        "update public.sign_in_links set expires_at = now()
        where user_id = $1 and used_at is null and expires_at > now()
            and not exists (select from public.frontdesk_sessions where user_id = $1)",
    )
    .bind(user_id)
    .execute(connection)
    .await?;
    Ok(())
}
