//! What people see and change of their own: their details and their keys for programs.

use sqlx::Row;
use uuid::Uuid;

use super::audit::{self, AuditEntry};
use super::people::{SecretHash, Viewer};
use super::{Result, Store, storable_text};
use crate::private::Private;

/// The most keys that a person has in force.
pub const TOKENS_MAX: i64 = 50;

/// What a person says of themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    /// `customer.username`.
    pub name: Private<String>,
    /// `customer.phone`.
    pub phone: Private<String>,
    /// `customer.company`.
    pub company: Private<String>,
    /// `customer.title`: what they do there.
    pub title: Private<String>,
}

/// An API token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// `api_tokens.id`.
    pub id: Uuid,
    /// What its person calls it.
    pub name: String,
    /// Whether it may change anything.
    pub may_write: bool,
    /// When it was made, microseconds since the Unix epoch.
    pub created_us: i64,
    /// When it ends, microseconds since the Unix epoch.
    pub expires_us: Option<i64>,
    /// When it was last used, to the minute, microseconds since the Unix epoch.
    pub used_us: Option<i64>,
    /// Whether it has ended.
    pub is_over: bool,
}

/// A token that begins.
#[derive(Debug)]
pub struct NewToken<'a> {
    /// The hash of its secret.
    pub secret: SecretHash,
    /// What its person calls it.
    pub name: &'a str,
    /// Whether it may change anything.
    pub may_write: bool,
    /// After so many days it ends.
    pub days: Option<i32>,
}

impl Store {
    /// What a person says of themselves.
    pub async fn profile(&self, viewer: &Viewer) -> Result<Profile> {
        let row = sqlx::query(
            "select username, coalesce(phone, '') as phone, coalesce(company, '') as company,
                coalesce(title, '') as title from public.customer where uuid = $1",
        )
        .bind(viewer.id())
        .fetch_one(&self.pool)
        .await?;
        let text = |column: &str| row.try_get::<String, _>(column).map(Private::new);
        Ok(Profile {
            name: text("username")?,
            phone: text("phone")?,
            company: text("company")?,
            title: text("title")?,
        })
    }

    /// Changes that, and nothing else of the row: not the plan, not what they may do.
    pub async fn change_profile(&self, viewer: &Viewer, profile: &Profile) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "update public.customer set username = $2, phone = nullif($3, ''),
                company = nullif($4, ''), title = nullif($5, '') where uuid = $1",
        )
        .bind(viewer.id())
        .bind(storable_text(profile.name.reveal()))
        .bind(storable_text(profile.phone.reveal()))
        .bind(storable_text(profile.company.reveal()))
        .bind(storable_text(profile.title.reveal()))
        .execute(&mut *transaction)
        .await?;
        audit::note(&mut transaction, &AuditEntry::of(viewer, "account.change")).await?;
        Ok(transaction.commit().await?)
    }

    /// Somebody's tokens that were not revoked, the newest first.
    pub async fn tokens(&self, viewer: &Viewer) -> Result<Vec<TokenRow>> {
        let rows = sqlx::query(
            "select id, name, scope = 'write' as may_write,
                (extract(epoch from created_at) * 1000000)::bigint as created_us,
                (extract(epoch from expires_at) * 1000000)::bigint as expires_us,
                (extract(epoch from last_used_at) * 1000000)::bigint as used_us,
                coalesce(expires_at <= now(), false) as is_over
            from public.api_tokens where user_id = $1 and revoked_at is null
            order by created_at desc, id limit 200",
        )
        .bind(viewer.id())
        .fetch_all(&self.pool)
        .await?;
        let rows = rows.iter().map(|row| {
            Ok(TokenRow {
                id: row.try_get("id")?,
                name: row.try_get("name")?,
                may_write: row.try_get("may_write")?,
                created_us: row.try_get("created_us")?,
                expires_us: row.try_get("expires_us")?,
                used_us: row.try_get("used_us")?,
                is_over: row.try_get("is_over")?,
            })
        });
        rows.collect()
    }

    /// Makes a token; none where the person has too many.
    pub async fn make_token(
        &self,
        viewer: &Viewer,
        new: &NewToken<'_>,
    ) -> Result<Option<TokenRow>> {
        let scope = if new.may_write { "write" } else { "read" };
        let mut transaction = self.pool.begin().await?;
        let row = sqlx::query(
            "insert into public.api_tokens (token_hash, user_id, name, scope, expires_at)
            select $2, $1, $3, $4, now() + $5 * interval '1 day'
            where (select count(*) from public.api_tokens where user_id = $1
                and revoked_at is null and (expires_at is null or expires_at > now())) < $6
            returning id",
        )
        .bind(viewer.id())
        .bind(new.secret.as_slice())
        .bind(storable_text(new.name))
        .bind(scope)
        .bind(new.days)
        .bind(TOKENS_MAX)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let id: Uuid = row.try_get("id")?;
        let deed = AuditEntry::of(viewer, "token.make").object("token", id);
        let change = serde_json::json!({"scope": scope, "days": new.days});
        audit::note(&mut transaction, &deed.change(change)).await?;
        transaction.commit().await?;
        Ok(self.tokens(viewer).await?.into_iter().find(|token| token.id == id))
    }

    /// Ends one of somebody's tokens at once; whether there was one.
    pub async fn revoke_token(&self, viewer: &Viewer, id: Uuid) -> Result<bool> {
        let mut transaction = self.pool.begin().await?;
        let revoked = sqlx::query(
            "update public.api_tokens set revoked_at = now()
            where id = $2 and user_id = $1 and revoked_at is null",
        )
        .bind(viewer.id())
        .bind(id)
        .execute(&mut *transaction)
        .await?;
        if revoked.rows_affected() == 0 {
            return Ok(false);
        }
        let deed = AuditEntry::of(viewer, "token.revoke").object("token", id);
        audit::note(&mut transaction, &deed).await?;
        transaction.commit().await?;
        Ok(true)
    }
}
