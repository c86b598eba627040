//! Who uses the console and the API: people, their sessions, one-time links and tokens.
//!
//! A secret is 256 random bits; only its SHA-256 comes here, and only that is kept.

use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};
use uuid::Uuid;

use super::{Result, Store};
use crate::private::Private;

/// The SHA-256 of a secret: of what a cookie, a link or a token holds.
pub type SecretHash = [u8; 32];

/// How old `last_seen_at` may be before a request renews it: a page of many requests writes once.
const SEEN_SECONDS: i32 = 60;

/// How a request showed who it is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// The console's cookie: `frontdesk_sessions.id`.
    Session(Uuid),
    /// An API token: `api_tokens.id`.
    Token(Uuid),
    /// An access token of Supabase's.
    Supabase,
}

/// Somebody who has shown who they are. Only this module makes one.
#[derive(Debug, Clone)]
pub struct Viewer {
    id: Uuid,
    email: Private<String>,
    name: Private<String>,
    is_admin: bool,
    may_write: bool,
    credential: Credential,
}

impl Viewer {
    /// `customer.uuid`.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// `customer.email`.
    pub fn email(&self) -> &Private<String> {
        &self.email
    }

    /// `customer.username`.
    pub fn name(&self) -> &Private<String> {
        &self.name
    }

    /// Whether they may do everything with every agent (`customer.isadmin`).
    pub fn is_admin(&self) -> bool {
        self.is_admin
    }

    /// Whether what they came with may change anything: a token may be for reading only.
    pub fn may_write(&self) -> bool {
        self.may_write
    }

    /// What they came with.
    pub fn credential(&self) -> Credential {
        self.credential
    }

    pub(super) fn read(row: &PgRow, credential: Credential, may_write: bool) -> Result<Self> {
        Ok(Self {
            id: row.try_get("uuid")?,
            email: row.try_get::<String, _>("email")?.into(),
            name: row.try_get::<String, _>("username")?.into(),
            is_admin: row.try_get("isadmin")?,
            may_write,
            credential,
        })
    }
}

/// A session that begins.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// The hash of what the cookie holds.
    pub token: SecretHash,
    /// Whose it is.
    pub user_id: Uuid,
    /// So long without a request ends it, in seconds.
    pub idle_seconds: i32,
    /// So long it lasts at most, in seconds.
    pub lasts_seconds: i32,
    /// What the browser says it is, at most some hundred bytes.
    pub user_agent: Option<&'a str>,
    /// Supabase's session behind it.
    pub supabase_session: Option<Uuid>,
}

/// What became of making a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MadePerson {
    /// The row is there: `customer.uuid`.
    Ready(Uuid),
    /// Supabase keeps the users here, and has none with this address.
    NotInSupabase,
}

impl Store {
    /// The person with this address; makes the row if there is none. Where Supabase keeps the users
    /// only those that it has become customers, because a user that others wrote cannot sign in there.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn make_person(&self, email: &str, name: &str) -> Result<MadePerson> {
        let mut connection = self.pool.acquire().await?;
        Ok(match add_person(&mut connection, email, name, None).await? {
            Added::Known(person) | Added::Made(person) => MadePerson::Ready(person),
            Added::NotInSupabase => MadePerson::NotInSupabase,
        })
    }

    /// The addresses of those who look after the installation, who was there first in front; `limit` at most.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn admins(&self, limit: i64) -> Result<Vec<Private<String>>> {
        let rows = sqlx::query_scalar(
            "select email from public.customer where isadmin order by created_at, uuid limit $1",
        );
        let rows: Vec<String> = rows.bind(limit).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(Private::new).collect())
    }

    /// Whether somebody has this address here.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn is_person(&self, email: &str) -> Result<bool> {
        let found = sqlx::query_scalar(
            "select exists (select from public.customer where lower(email) = lower($1))",
        );
        Ok(found.bind(email).fetch_one(&self.pool).await?)
    }

    /// Whether there is any agent, whoever may see it.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn has_agents(&self) -> Result<bool> {
        let found = sqlx::query_scalar("select exists (select from public.voice_agents)");
        Ok(found.fetch_one(&self.pool).await?)
    }

    /// Begins a session.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn begin_session(&self, session: &NewSession<'_>) -> Result<Uuid> {
        Ok(sqlx::query_scalar(
            "insert into public.frontdesk_sessions
                (token_hash, user_id, idle_seconds, expires_at, user_agent, supabase_session_id)
            values ($1, $2, $3, now() + $4 * interval '1 second', $5, $6)
            returning id",
        )
        .bind(session.token.as_slice())
        .bind(session.user_id)
        .bind(session.idle_seconds)
        .bind(session.lasts_seconds)
        .bind(session.user_agent)
        .bind(session.supabase_session)
        .fetch_one(&self.pool)
        .await?)
    }

    /// Who has this session, if it has not ended. Renews when it was last seen.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn viewer_of_session(&self, token: &SecretHash) -> Result<Option<SessionViewer>> {
        let row = sqlx::query(
            "with alive as (
                select s.id, s.user_id, s.last_seen_at, s.supabase_session_id
                from public.frontdesk_sessions s
                where s.token_hash = $1 and s.ended_at is null and s.expires_at > now()
                    and s.last_seen_at > now() - s.idle_seconds * interval '1 second'
            ), seen as (
                update public.frontdesk_sessions s set last_seen_at = now()
                from alive where s.id = alive.id
                    and alive.last_seen_at < now() - $2 * interval '1 second'
            )
            select alive.id, alive.supabase_session_id, c.uuid, c.email,
                left(c.username, 200) as username,
                coalesce(c.isadmin, false) as isadmin
            from alive join public.customer c on c.uuid = alive.user_id",
        )
        .bind(token.as_slice())
        .bind(SEEN_SECONDS)
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(SessionViewer {
            viewer: Viewer::read(&row, Credential::Session(row.try_get("id")?), true)?,
            supabase_session: row.try_get("supabase_session_id")?,
        }))
    }

    /// Who has this API token, if it is in force.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn viewer_of_token(&self, token: &SecretHash) -> Result<Option<Viewer>> {
        let row = sqlx::query(
            "with alive as (
                select t.id, t.user_id, t.scope, t.last_used_at from public.api_tokens t
                where t.token_hash = $1 and t.revoked_at is null
                    and (t.expires_at is null or t.expires_at > now())
            ), used as (
                update public.api_tokens t set last_used_at = now()
                from alive where t.id = alive.id and (alive.last_used_at is null
                    or alive.last_used_at < now() - $2 * interval '1 second')
            )
            select alive.id, alive.scope, c.uuid, c.email, left(c.username, 200) as username,
                coalesce(c.isadmin, false) as isadmin
            from alive join public.customer c on c.uuid = alive.user_id",
        )
        .bind(token.as_slice())
        .bind(SEEN_SECONDS)
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let may_write = row.try_get::<String, _>("scope")? == "write";
        Ok(Some(Viewer::read(&row, Credential::Token(row.try_get("id")?), may_write)?))
    }

    /// Who gets the sign-in link of a first start: nobody as soon as anybody has ever signed in; else
    /// an admin, or the only customer, who then is one. Among several customers without an admin the
    /// server does not choose.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn first_person(&self) -> Result<FirstPerson> {
        let row = sqlx::query(
            "with only_one as (
                update public.customer set isadmin = true
                where (select count(*) from public.customer) = 1
                    and not exists (select from public.frontdesk_sessions)
                returning uuid
            )
            select exists (select from public.frontdesk_sessions) as is_used,
                exists (select from public.customer) as has_some,
                coalesce((select uuid from only_one), (select uuid from public.customer
                    where isadmin order by created_at, uuid limit 1)) as uuid",
        )
        .fetch_one(&self.pool)
        .await?;
        let is_used: bool = row.try_get("is_used")?;
        Ok(match (row.try_get("uuid")?, row.try_get("has_some")?) {
            _ if is_used => FirstPerson::SignedInBefore,
            (Some(person), _) => FirstPerson::Known(person),
            (None, true) => FirstPerson::Several,
            (None, false) => FirstPerson::None,
        })
    }
}

/// Who has a session.
#[derive(Debug, Clone)]
pub struct SessionViewer {
    /// The person.
    pub viewer: Viewer,
    /// Supabase's session behind it, which may have been ended there.
    pub supabase_session: Option<Uuid>,
}

/// See [`Store::first_person`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstPerson {
    /// Somebody has signed in before.
    SignedInBefore,
    /// This customer.
    Known(Uuid),
    /// There are several customers, and none is an admin.
    Several,
    /// There is no customer.
    None,
}

/// What became of adding a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    /// They had an account: `customer.uuid`.
    Known(Uuid),
    /// An invitation made it.
    Made(Uuid),
    /// Supabase keeps the users here, and has none with this address.
    NotInSupabase,
}

/// See [`Store::make_person`]. `invitation` is the agent to which whoever makes the row invites, and who
/// that is; it is kept only where nothing of the person was there before.
pub(super) async fn add_person(
    connection: &mut PgConnection,
    email: &str,
    name: &str,
    invitation: Option<(Uuid, Uuid)>,
) -> Result<Added> {
    let known = "select uuid from public.customer where lower(email) = lower($1)";
    let known = sqlx::query(known).bind(email).fetch_optional(&mut *connection).await?;
    if let Some(row) = known {
        return Ok(Added::Known(row.try_get("uuid")?));
    }
    // One statement makes both rows: the foreign key to auth.users is checked at its end.
    let made = sqlx::query(
        "with is_supabase as (
            select exists (select from information_schema.columns
                where table_schema = 'auth' and table_name = 'users'
                    and column_name = 'encrypted_password') as it_is
        ), known as (
            select id, email from auth.users where lower(email) = lower($1) limit 1
        ), made as (
            insert into auth.users (id, email)
            select gen_random_uuid(), $1
            where not exists (select from known) and not (select it_is from is_supabase)
            returning id, email
        )
        -- Whoever is there first looks after the installation.
        insert into public.customer
            (uuid, email, username, plan_id, isadmin, invited_to, invited_by, brought_by)
        select id, email, $2, 0, not exists (select from public.customer),
            case when exists (select from made) then $3::uuid end,
            case when exists (select from made) then $4::uuid end,
            case when exists (select from made) then $4::uuid end
        from (select * from known union all select * from made) person
        on conflict do nothing
        returning uuid, invited_to is not null as is_new",
    )
    .bind(email)
    .bind(name)
    .bind(invitation.map(|(agent, _)| agent))
    .bind(invitation.map(|(_, by)| by))
    .fetch_optional(connection)
    .await?;
    Ok(match made {
        Some(row) if row.try_get("is_new")? => Added::Made(row.try_get("uuid")?),
        Some(row) => Added::Known(row.try_get("uuid")?),
        None => Added::NotInSupabase,
    })
}
