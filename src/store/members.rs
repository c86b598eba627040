//! `voice_agents_access`: the people of an agent.

use serde_json::json;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::access::{AgentAccess, Level, Oversee, Own, ROLE_SQL, Role};
use super::audit::{self, AuditEntry};
use super::people::{Added, Viewer, add_person};
use super::{Result, Store, links};
use crate::private::Private;

/// The most people of an agent that are shown.
const MEMBERS_MAX: i64 = 500;

/// Somebody with access to an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// `voice_agents_access.id`; none of whoever made the agent, who is its owner for ever.
    pub access_id: Option<i64>,
    /// `customer.uuid`.
    pub person: Uuid,
    /// `customer.username`. They wrote it.
    pub name: Private<String>,
    /// `customer.email`.
    pub email: Private<String>,
    /// What they are.
    pub role: Role,
    /// Whether it is switched on.
    pub is_active: bool,
    /// Whether they were invited and have not answered yet. Until then nothing is known of them but their
    /// address, which also stands for their name.
    pub is_invited: bool,
    /// Since when, microseconds since the Unix epoch.
    pub since_us: Option<i64>,
    /// When they last used the console, microseconds since the Unix epoch.
    pub seen_us: Option<i64>,
    /// Whether an owner may hand them a sign-in link: an invitation to this agent made their account,
    /// nobody has signed in to it, and it leads to nothing else.
    pub may_have_link: bool,
}

/// What became of an invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invited {
    /// They have access, or, if they had an account before, an invitation.
    Made(Member),
    /// They had it before, or it is switched off, or they have not answered yet.
    Known(Member),
    /// Supabase keeps the users here, and has none with this address.
    NotInSupabase,
    /// The role is above that of whoever invites.
    Above,
    /// Another business's invitation made the account with this address, and nobody has vouched for it:
    /// whoever invited first may be who uses it.
    Unproven(FirstInvitation),
}

/// Whose invitation made an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstInvitation {
    /// Somebody else's.
    Anothers,
    /// Nobody knows: it is older than the column that says so, or several people were given a one-time
    /// link to the account.
    Unknown,
}

/// What is to change of somebody's access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccessWish {
    /// This role.
    pub role: Option<Role>,
    /// On or off.
    pub is_active: Option<bool>,
    /// No access at all.
    pub is_removed: bool,
}

/// What became of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessChange {
    /// It is so; the member as they are, unless they were removed, and whether a calendar feed that
    /// they had made was stopped.
    Done(Option<Member>, bool),
    /// It is their own, which nobody changes.
    Own,
    /// They are, or would be, above whoever changes it.
    Above,
    /// They were invited, and it is theirs to accept.
    Unanswered,
    /// There is no such access.
    Gone,
}

const MEMBERS_SQL: &str = "select r.*,
        left(case when r.is_invited then lower(c.email) else c.username end, 200) as username,
        left(case when r.is_invited then lower(c.email) else c.email end, 320) as email,
        (extract(epoch from r.since) * 1000000)::bigint as since_us,
        case when not r.is_invited then (extract(epoch from seen.at) * 1000000)::bigint end as seen_us,
        coalesce(c.invited_to = $1, false) and not coalesce(c.isadmin, false) and seen.at is null
            and not exists (select from public.voice_agents o where o.created_by = c.uuid)
            and not exists (select from public.voice_agents_access o
                where o.user_id = c.uuid and o.voice_agent_id <> $1) as may_have_link
    from (
        select null::bigint as access_id, a.created_by as person, 'owner' as role,
            true as is_active, false as is_invited, a.created_at as since
        from public.voice_agents a where a.id = $1
        union all
        select x.id, x.user_id, x.access::text, coalesce(x.status, false),
            x.invited_at is not null, x.created_at
        from public.voice_agents_access x where x.voice_agent_id = $1
    ) r
    join public.customer c on c.uuid = r.person
    cross join lateral (
        select max(s.last_seen_at) as at from public.frontdesk_sessions s where s.user_id = c.uuid
    ) seen
    where $2::bigint is null or r.access_id = $2
    order by r.access_id nulls first limit $3";

impl Store {
    /// The people of the agent, whoever made it first.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn members(&self, access: &AgentAccess<Oversee>) -> Result<Vec<Member>> {
        self.read_members(access, None).await
    }

    /// One of them.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn member(&self, access: &AgentAccess<Own>, id: i64) -> Result<Option<Member>> {
        Ok(self.read_members(access, Some(id)).await?.pop())
    }

    /// That this person is given a one-time link of a member's, which whoever invited them may not know
    /// of: see [`Invited::Unproven`].
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn gives_link_to(
        &self,
        _: &AgentAccess<Own>,
        by: &Viewer,
        member: &Member,
    ) -> Result<()> {
        sqlx::query(
            "update public.customer set invited_by = null where uuid = $1 and invited_by <> $2",
        )
        .bind(member.person)
        .bind(by.id())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    async fn read_members<L: Level>(
        &self,
        access: &AgentAccess<L>,
        id: Option<i64>,
    ) -> Result<Vec<Member>> {
        let rows = sqlx::query(MEMBERS_SQL)
            .bind(access.agent_id())
            .bind(id)
            .bind(MEMBERS_MAX)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(member).collect()
    }

    /// Gives the person with this address access; makes their account if there is none. Whoever had one
    /// is invited, and has nothing until they accept. Nobody gives a role above their own.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn invite(
        &self,
        access: &AgentAccess<Own>,
        viewer: &Viewer,
        (email, name): (&str, &str),
        role: Role,
    ) -> Result<Invited> {
        if role > access.role() {
            return Ok(Invited::Above);
        }
        let agent = access.agent_id();
        let mut transaction = self.pool.begin().await?;
        // Two invitations of the same person, sent at once, are one; 3 is the lock of the agent's people.
        sqlx::query("select pg_advisory_xact_lock(hashtextextended($1::text, 3))")
            .bind(agent)
            .execute(&mut *transaction)
            .await?;
        let invitation = Some((agent, viewer.id()));
        let (person, is_new) = match add_person(&mut transaction, email, name, invitation).await? {
            Added::Known(person) => (person, false),
            Added::Made(person) => (person, true),
            Added::NotInSupabase => return Ok(Invited::NotInSupabase),
        };
        if let Some(first) = unproven(&mut transaction, person, access, viewer.id()).await? {
            return Ok(Invited::Unproven(first));
        }
        // An account that this agent's invitation made and nobody has used is as good as new.
        let row = sqlx::query(
            "insert into public.voice_agents_access
                (voice_agent_id, user_id, access, status, invited_at)
            select a.id, $2, $3::public.voice_agent_access_type, joins.at_once,
                case when not joins.at_once then now() end
            from public.voice_agents a cross join (select $4 or exists (
                select from public.customer c where c.uuid = $2 and c.invited_to = $1 and not exists (
                    select from public.frontdesk_sessions s where s.user_id = c.uuid)) as at_once) joins
            where a.id = $1 and a.created_by <> $2 and not exists (
                select from public.voice_agents_access x
                where x.voice_agent_id = $1 and x.user_id = $2)
            returning id, invited_at is not null as is_invited",
        )
        .bind(agent)
        .bind(person)
        .bind(role.word())
        .bind(is_new)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(row) = row else {
            transaction.rollback().await?;
            let known = self.read_members(access, None).await?;
            let known = known.into_iter().find(|member| member.person == person);
            return known.map(Invited::Known).ok_or_else(gone);
        };
        let id: i64 = row.try_get("id")?;
        let deed = AuditEntry::of(viewer, "access.invite").agent(agent);
        let deed = object(deed, row.try_get("is_invited")?, id, person);
        audit::note(&mut transaction, &deed.change(json!({"role": role.word()}))).await?;
        transaction.commit().await?;
        let made = self.member(access, id).await?;
        made.map(Invited::Made).ok_or_else(gone)
    }

    /// Changes or ends somebody's access, at once. Nobody changes their own, or that of somebody above
    /// them, so that an agent keeps an owner: whoever made it. A calendar feed that was made by
    /// somebody who may not make one any more stops: they know its address.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn change_access(
        &self,
        access: &AgentAccess<Own>,
        viewer: &Viewer,
        id: i64,
        wish: AccessWish,
    ) -> Result<AccessChange> {
        let agent = access.agent_id();
        let mut transaction = self.pool.begin().await?;
        let row = sqlx::query(
            "select user_id, access::text as role, coalesce(status, false) as is_active,
                invited_at is not null as is_invited
            from public.voice_agents_access where id = $1 and voice_agent_id = $2 for update",
        )
        .bind(id)
        .bind(agent)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(row) = row else { return Ok(AccessChange::Gone) };
        let (person, was_active): (Uuid, bool) =
            (row.try_get("user_id")?, row.try_get("is_active")?);
        let was = Role::from_word(&row.try_get::<String, _>("role")?).unwrap_or(Role::Admin);
        let role = wish.role.unwrap_or(was);
        let is_active = wish.is_active.unwrap_or(was_active);
        if person == access.person() {
            return Ok(AccessChange::Own);
        }
        let is_invited: bool = row.try_get("is_invited")?;
        if is_invited && wish.is_active == Some(true) {
            return Ok(AccessChange::Unanswered);
        }
        if was > access.role() || role > access.role() {
            return Ok(AccessChange::Above);
        }
        write_access(&mut transaction, (id, agent), role, is_active, wish.is_removed).await?;
        let mut change = json!({});
        if role != was {
            change["role"] = json!([was.word(), role.word()]);
        }
        let action = match (wish.is_removed, was_active, is_active) {
            (true, ..) => "access.remove",
            (_, true, false) => "access.off",
            (_, false, true) => "access.on",
            _ => "access.change",
        };
        let deed = object(AuditEntry::of(viewer, action).agent(agent), is_invited, id, person);
        audit::note(&mut transaction, &deed.change(change)).await?;
        if wish.is_removed || (was_active && !is_active) {
            links::end_newcomers_links(&mut transaction, person).await?;
        }
        let is_stopped = stop_feed_of(&mut transaction, agent, person).await?;
        if is_stopped {
            let deed = AuditEntry::of(viewer, "feed.revoke").agent(agent);
            audit::note(&mut transaction, &deed).await?;
        }
        transaction.commit().await?;
        Ok(AccessChange::Done(self.member(access, id).await?, is_stopped))
    }
}

/// Whom a deed was done to. Who has not answered an invitation is not named.
fn object<'a>(deed: AuditEntry<'a>, is_invited: bool, id: i64, person: Uuid) -> AuditEntry<'a> {
    if is_invited { deed.object("access", id) } else { deed.object("person", person) }
}

/// Whether somebody's account was made by an invitation of somebody else's to another agent, or others too
/// were given a one-time link to it. Whoever was may have signed in with it, so only an address that the
/// operator vouches for (`frontdesk token`) says who it is.
async fn unproven(
    connection: &mut PgConnection,
    person: Uuid,
    access: &AgentAccess<Own>,
    by: Uuid,
) -> sqlx::Result<Option<FirstInvitation>> {
    let row = sqlx::query(
        "select c.invited_by is not null as is_known from public.customer c
        where c.uuid = $1 and c.invited_to <> $2 and c.invited_by is distinct from $3",
    )
    .bind(person)
    .bind(access.agent_id())
    .bind(by)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(match row.try_get("is_known")? {
        true => FirstInvitation::Anothers,
        false => FirstInvitation::Unknown,
    }))
}

async fn write_access(
    connection: &mut PgConnection,
    (id, agent): (i64, Uuid),
    role: Role,
    is_active: bool,
    is_removed: bool,
) -> sqlx::Result<()> {
    let query = match is_removed {
        true => sqlx::query(
            "delete from public.voice_agents_access where id = $1 and voice_agent_id = $2",
        )
        .bind(id)
        .bind(agent),
        false => sqlx::query(
            "update public.voice_agents_access
            set access = $3::public.voice_agent_access_type, status = $4
            where id = $1 and voice_agent_id = $2",
        )
        .bind(id)
        .bind(agent)
        .bind(role.word())
        .bind(is_active),
    };
    query.execute(connection).await.map(|_| ())
}

/// Stops the agent's calendar feed if this person made it and may not make one any more; whether it did.
pub(super) async fn stop_feed_of(
    connection: &mut PgConnection,
    agent: Uuid,
    person: Uuid,
) -> sqlx::Result<bool> {
    let stopped = sqlx::query(AssertSqlSafe(format!(
        "update public.calendar_feeds f set revoked_at = now()
        from public.voice_agents a, public.customer c
        where f.voice_agent_id = $1 and f.created_by = $2 and f.revoked_at is null
            and a.id = $1 and c.uuid = $2
            and coalesce({ROLE_SQL}, '') not in ('maintainer', 'owner', 'admin')"
    )))
    .bind(agent)
    .bind(person)
    .execute(connection)
    .await?;
    Ok(stopped.rows_affected() > 0)
}

fn gone() -> super::StoreError {
    super::StoreError::Unreadable("voice_agents_access".to_owned())
}

fn member(row: &PgRow) -> Result<Member> {
    let role: String = row.try_get("role")?;
    Ok(Member {
        access_id: row.try_get("access_id")?,
        person: row.try_get("person")?,
        name: Private::new(row.try_get("username")?),
        email: Private::new(row.try_get("email")?),
        role: Role::from_word(&role).unwrap_or(Role::Support),
        is_active: row.try_get("is_active")?,
        is_invited: row.try_get("is_invited")?,
        since_us: row.try_get("since_us")?,
        seen_us: row.try_get("seen_us")?,
        may_have_link: row.try_get("may_have_link")?,
    })
}
