//! The agents that somebody belongs to by others' word, and those that they are invited to. An
//! invitation gives nothing until its person accepts it.

use sqlx::Row;
use uuid::Uuid;

use super::access::Role;
use super::audit::{self, AuditEntry};
use super::members::stop_feed_of;
use super::people::Viewer;
use super::{Result, Store};

/// The most of them that are shown.
const ROWS_MAX: i64 = 200;

/// An agent that somebody belongs to, or is invited to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Belonging {
    /// `voice_agents_access.id`.
    pub access_id: i64,
    /// The business's name, else the agent's.
    pub business: String,
    /// What they are to it, or would be.
    pub role: Role,
    /// Whether they have not answered yet.
    pub is_invitation: bool,
    /// Whether they are not switched off.
    pub is_on: bool,
    /// Since when, or when they were invited, microseconds since the Unix epoch.
    pub since_us: Option<i64>,
}

/// What somebody says of their own access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnWish {
    /// They accept an invitation.
    Accept,
    /// They do not.
    Decline,
    /// They leave.
    Leave,
}

impl OwnWish {
    fn action(self) -> &'static str {
        match self {
            Self::Accept => "access.accept",
            Self::Decline => "access.decline",
            Self::Leave => "access.leave",
        }
    }

    fn sql(self) -> &'static str {
        match self {
            Self::Accept => {
                "update public.voice_agents_access set status = true, invited_at = null
                where id = $1 and user_id = $2 and invited_at is not null returning voice_agent_id"
            }
            Self::Decline => {
                "delete from public.voice_agents_access
                where id = $1 and user_id = $2 and invited_at is not null returning voice_agent_id"
            }
            Self::Leave => {
                "delete from public.voice_agents_access
                where id = $1 and user_id = $2 and invited_at is null returning voice_agent_id"
            }
        }
    }
}

impl Store {
    /// The agents that somebody belongs to by others' word, or is invited to; invitations first.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn belongings(&self, viewer: &Viewer) -> Result<Vec<Belonging>> {
        let rows = sqlx::query(
            "select x.id, left(coalesce(nullif(b.business_name, ''), a.name), 200) as business,
                x.access::text as role, x.invited_at is not null as is_invitation, coalesce(x.status, false) as is_on,
                (extract(epoch from coalesce(x.invited_at, x.created_at)) * 1000000)::bigint as since_us
            from public.voice_agents_access x
            join public.voice_agents a on a.id = x.voice_agent_id and a.status <> 'deleted'
            left join public.business_details b on b.voice_agent_id = a.id
            where x.user_id = $1
            order by x.invited_at is null, x.id limit $2",
        )
        .bind(viewer.id())
        .bind(ROWS_MAX)
        .fetch_all(&self.pool)
        .await?;
        let rows = rows.iter().map(|row| {
            Ok(Belonging {
                access_id: row.try_get("id")?,
                business: row.try_get("business")?,
                role: Role::from_word(row.try_get("role")?).unwrap_or(Role::Support),
                is_invitation: row.try_get("is_invitation")?,
                is_on: row.try_get("is_on")?,
                since_us: row.try_get("since_us")?,
            })
        });
        rows.collect()
    }

    /// Whether somebody has invitations to answer.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn is_invited(&self, person: Uuid) -> Result<bool> {
        let row = sqlx::query_scalar(
            "select exists (select from public.voice_agents_access x
                join public.voice_agents a on a.id = x.voice_agent_id and a.status <> 'deleted'
                where x.user_id = $1 and x.invited_at is not null)",
        );
        Ok(row.bind(person).fetch_one(&self.pool).await?)
    }

    /// Answers an invitation of one's own, or ends one's own access, at once; whether there was one. A
    /// calendar feed that was theirs stops.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError): the last owner stays.
    pub async fn change_own_access(&self, viewer: &Viewer, id: i64, wish: OwnWish) -> Result<bool> {
        let mut transaction = self.pool.begin().await?;
        let query = sqlx::query_scalar(wish.sql()).bind(id).bind(viewer.id());
        let Some(agent) = query.fetch_optional(&mut *transaction).await? else { return Ok(false) };
        // Who declines stays unknown to the business.
        let deed = match wish {
            OwnWish::Decline => AuditEntry::of_nobody(wish.action()).object("access", id),
            OwnWish::Accept | OwnWish::Leave => AuditEntry::of(viewer, wish.action()),
        };
        audit::note(&mut transaction, &deed.agent(agent)).await?;
        if stop_feed_of(&mut transaction, agent, viewer.id()).await? {
            let deed = AuditEntry::of(viewer, "feed.revoke").agent(agent);
            audit::note(&mut transaction, &deed).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }
}
