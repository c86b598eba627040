//! Who may do what with an agent and with what belongs to it.
//!
//! Whatever reads or writes for a person takes an [`AgentAccess`], which only [`Store::access`]
//! makes, in one statement that finds the object, its agent and the person's role. It is for one
//! request: nothing is remembered, so that a role that is taken away is gone at once.

use std::marker::PhantomData;

use sqlx::postgres::{PgArguments, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::people::Viewer;
use super::{Store, StoreError};

/// What somebody is to an agent, the least first (`voice_agent_access_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads calls and bookings, ticks tasks off.
    Support,
    /// Also changes bookings, the agent, its functions and numbers.
    Maintainer,
    /// Also people, credentials, deletion and exports of everything.
    Owner,
    /// The same for every agent, where the customer's row says so.
    Admin,
}

impl Role {
    /// The word in the database and the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Support => "support",
            Self::Maintainer => "maintainer",
            Self::Owner => "owner",
            Self::Admin => "admin",
        }
    }

    /// From that word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Support, Self::Maintainer, Self::Owner, Self::Admin]
            .into_iter()
            .find(|role| role.word() == word)
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A level of access: the least role, and whether something changes.
pub trait Level: sealed::Sealed {
    /// The least role.
    const NEEDS: Role;
    /// Whether it changes anything, which a token for reading does not.
    const WRITES: bool;
}

macro_rules! level {
    ($(#[$doc:meta])* $name:ident, $role:ident, $writes:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;
        impl sealed::Sealed for $name {}
        impl Level for $name {
            const NEEDS: Role = Role::$role;
            const WRITES: bool = $writes;
        }
    };
}

level! {
    /// Reading, by support and up.
    Read, Support, false
}
level! {
    /// Ticking tasks off and acting on a live call, by support and up.
    Attend, Support, true
}
level! {
    /// Reading what only those see who may change it: settings, functions.
    Inspect, Maintainer, false
}
level! {
    /// Changing the agent and what belongs to it, by maintainers and up.
    Maintain, Maintainer, true
}
level! {
    /// Reading what is the owner's alone: people, activity of all.
    Oversee, Owner, false
}
level! {
    /// People, credentials, deletion, by owners and up.
    Own, Owner, true
}

/// That somebody may do something of level `L` with an agent.
#[derive(Debug, Clone)]
pub struct AgentAccess<L> {
    agent_id: Uuid,
    role: Role,
    person: Uuid,
    level: PhantomData<L>,
}

impl<L: Level> AgentAccess<L> {
    /// The agent, for the statement's WHERE.
    pub fn agent_id(&self) -> Uuid {
        self.agent_id
    }

    /// What the person is to it.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Who it is: `customer.uuid`.
    pub fn person(&self) -> Uuid {
        self.person
    }

    /// The same for reading.
    pub fn reading(&self) -> AgentAccess<Read> {
        AgentAccess {
            agent_id: self.agent_id,
            role: self.role,
            person: self.person,
            level: PhantomData,
        }
    }

    /// The same for more, if the role suffices.
    pub fn raised<M: Level>(&self, viewer: &Viewer) -> Option<AgentAccess<M>> {
        let may = self.role >= M::NEEDS && (viewer.may_write() || !M::WRITES);
        may.then_some(AgentAccess {
            agent_id: self.agent_id,
            role: self.role,
            person: self.person,
            level: PhantomData,
        })
    }
}

/// What is asked for, by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// `voice_agents.id`.
    Agent(Uuid),
    /// `call_logs.id`.
    Call(Uuid),
    /// `functions.id`.
    Function(Uuid),
    /// `appointments.id`.
    Appointment(Uuid),
    /// `call_tasks.id`.
    Task(i64),
    /// `voice_agents_access.id`.
    Access(i64),
    /// `webhook_deliveries.id`.
    Delivery(i64),
    /// `sources.id`.
    Source(Uuid),
}

impl Object {
    /// The statement that gives its agent.
    fn agent_sql(self) -> &'static str {
        match self {
            Self::Agent(_) => "select $1::uuid",
            Self::Call(_) => "select voice_agent_id from public.call_logs where id = $1",
            Self::Function(_) => "select assistant_id from public.functions where id = $1",
            Self::Appointment(_) => "select voice_agent_id from public.appointments where id = $1",
            Self::Task(_) => "select voice_agent_id from public.call_tasks where id = $1",
            Self::Access(_) => {
                "select voice_agent_id from public.voice_agents_access where id = $1"
            }
            Self::Delivery(_) => {
                "select c.voice_agent_id from public.webhook_deliveries d
                join public.call_logs c on c.id = d.call_log_id where d.id = $1"
            }
            Self::Source(_) => "select voice_agent_id from public.sources where id = $1",
        }
    }

    /// Its id, for that statement.
    fn bind(self, query: Query<'_, Postgres, PgArguments>) -> Query<'_, Postgres, PgArguments> {
        match self {
            Self::Agent(id)
            | Self::Call(id)
            | Self::Function(id)
            | Self::Appointment(id)
            | Self::Source(id) => query.bind(id),
            Self::Task(id) | Self::Access(id) | Self::Delivery(id) => query.bind(id),
        }
    }

    /// Its kind and its id, as `audit_log.object` has them.
    pub(super) fn named(self) -> (&'static str, String) {
        match self {
            Self::Agent(id) => ("agent", id.to_string()),
            Self::Call(id) => ("call", id.to_string()),
            Self::Function(id) => ("function", id.to_string()),
            Self::Appointment(id) => ("appointment", id.to_string()),
            Self::Task(id) => ("task", id.to_string()),
            Self::Access(id) => ("access", id.to_string()),
            Self::Delivery(id) => ("delivery", id.to_string()),
            Self::Source(id) => ("source", id.to_string()),
        }
    }
}

/// Why somebody may not.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// There is no such thing, or they must not know of it.
    #[error("there is no such thing here")]
    NotFound,
    /// They see it, and need another role.
    #[error("this needs the role {}; yours is {}", .needs.word(), .has.word())]
    Forbidden {
        /// The least role that may.
        needs: Role,
        /// What they are.
        has: Role,
    },
    /// The token is for reading only.
    #[error("this token is for reading only; make one with the scope \"write\"")]
    ReadOnly,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An agent that somebody sees, as lists and menus need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisibleAgent {
    /// `voice_agents.id`.
    pub id: Uuid,
    /// `voice_agents.name`.
    pub name: String,
    /// `business_details.business_name`, else the agent's name.
    pub business: String,
    /// `business_details.business_timezone`, which may be none that is known.
    pub zone: Option<String>,
    /// `voice_agents.twilio_phone_number`, where it is the agent's.
    pub number: Option<String>,
    /// The same where somebody only typed it (migration 0036).
    pub typed_number: Option<String>,
    /// `voice_agents.status`.
    pub status: String,
    /// Whether its set-up was begun and is not over.
    pub is_being_set_up: bool,
    /// Whether the person made it.
    pub is_theirs: bool,
    /// What the person is to it.
    pub role: Role,
}

/// All agents that somebody sees, the oldest first. Only the access check makes it.
#[derive(Debug, Clone, Default)]
pub struct VisibleAgents {
    list: Vec<VisibleAgent>,
    has_room: bool,
}

impl VisibleAgents {
    /// Them.
    pub fn list(&self) -> &[VisibleAgent] {
        &self.list
    }

    /// Whether the person's plan has room for one more. Not known, and so false, without any.
    pub fn has_room(&self) -> bool {
        self.has_room
    }

    /// Their ids, for a statement's `= any`.
    pub fn ids(&self) -> Vec<Uuid> {
        self.list.iter().map(|agent| agent.id).collect()
    }

    /// One of them.
    pub fn find(&self, id: Uuid) -> Option<&VisibleAgent> {
        self.list.iter().find(|agent| agent.id == id)
    }

    /// All that any of these has, each once: for what one look does for several people, who are each told
    /// of what they see alone.
    pub fn united<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut united: Vec<VisibleAgent> = Vec::new();
        for agent in all.into_iter().flat_map(|agents| &agents.list) {
            if united.iter().all(|known| known.id != agent.id) {
                united.push(agent.clone());
            }
        }
        Self { list: united, has_room: false }
    }

    /// Those for which the person is at least this.
    pub fn at_least(&self, role: Role) -> Self {
        self.those(|agent| agent.role >= role)
    }

    /// Those with this id alone, or all without one.
    pub fn only(&self, id: Option<Uuid>) -> Self {
        self.those(|agent| id.is_none_or(|id| agent.id == id))
    }

    fn those(&self, are: impl Fn(&VisibleAgent) -> bool) -> Self {
        let list = self.list.iter().filter(|agent| are(agent)).cloned().collect();
        Self { list, has_room: self.has_room }
    }
}

/// The role of the person `$2` for the agent `a`. An access row that is switched off gives nothing.
pub(super) const ROLE_SQL: &str =
    "case when c.isadmin then 'admin' else (select max(role)::text from (
        select 'owner'::public.voice_agent_access_type as role where a.created_by = c.uuid
        union all
        select x.access from public.voice_agents_access x
        where x.voice_agent_id = a.id and x.user_id = c.uuid and x.status) roles) end";

/// The most agents that a person's lists show.
const AGENTS_MAX: i64 = 500;

impl Store {
    /// Whether the viewer may do something of level `L` with this object, and so with its agent.
    ///
    /// # Errors
    /// [`Refused`]. What a person may not even see is [`Refused::NotFound`], as if it were not there.
    pub async fn access<L: Level>(
        &self,
        viewer: &Viewer,
        object: Object,
    ) -> Result<AgentAccess<L>, Refused> {
        let sql = format!(
            "select a.id, {ROLE_SQL} as role
            from public.voice_agents a, public.customer c
            where a.id = ({}) and c.uuid = $2 and a.status <> 'deleted'",
            object.agent_sql()
        );
        // The text is put together from constants.
        let query = object.bind(sqlx::query(AssertSqlSafe(sql)));
        let row = query.bind(viewer.id()).fetch_optional(&self.pool).await;
        let row = row.map_err(StoreError::from)?.ok_or(Refused::NotFound)?;
        let role: Option<String> = row.try_get("role").map_err(StoreError::from)?;
        let has = role.as_deref().and_then(Role::from_word).ok_or(Refused::NotFound)?;
        if has < L::NEEDS {
            return Err(Refused::Forbidden { needs: L::NEEDS, has });
        }
        if L::WRITES && !viewer.may_write() {
            return Err(Refused::ReadOnly);
        }
        let agent_id = row.try_get("id").map_err(StoreError::from)?;
        Ok(AgentAccess { agent_id, role: has, person: viewer.id(), level: PhantomData })
    }

    /// The agent of an object, whoever asks: to write down what was refused, and for nothing else.
    pub(super) async fn agent_of(&self, object: Object) -> super::Result<Option<Uuid>> {
        let query = object.bind(sqlx::query(object.agent_sql()));
        let row = query.fetch_optional(&self.pool).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    /// The agents that the viewer sees.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn visible_agents(&self, viewer: &Viewer) -> super::Result<VisibleAgents> {
        let sql = format!(
            "select * from (
                select a.id, a.name, coalesce(nullif(b.business_name, ''), a.name) as business,
                    b.business_timezone, a.twilio_phone_number, a.status::text as status,
                    a.setup_step is not null and a.status = 'inactive' as is_being_set_up,
                    a.created_by = c.uuid as is_theirs,
                    coalesce(c.plan_mode, '') = '' and coalesce(c.voiceagents_allowed, 0) <= 0
                        or coalesce(c.total_voiceagents, 0) < coalesce(c.voiceagents_allowed, 0)
                        as has_room,
                    a.number_typed is not null and nullif(btrim(
                        a.twilio_credentials ->> 'auth_token'), '') is null as is_unassigned,
                    a.created_at, {ROLE_SQL} as role
                from public.customer c
                join public.voice_agents a on c.isadmin or a.created_by = c.uuid
                    or a.id in (select voice_agent_id from public.voice_agents_access
                        where user_id = c.uuid and status)
                left join public.business_details b on b.voice_agent_id = a.id
                where c.uuid = $1 and a.status <> 'deleted') seen
            where role is not null order by created_at, id limit {AGENTS_MAX}"
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(viewer.id()).fetch_all(&self.pool).await?;
        let has_room = rows.first().map_or(Ok(false), |row| row.try_get("has_room"))?;
        let agents = rows.iter().map(|row| {
            let role: String = row.try_get("role")?;
            let number: Option<String> = row.try_get("twilio_phone_number")?;
            let (number, typed_number) = match row.try_get("is_unassigned")? {
                true => (None, number),
                false => (number, None),
            };
            Ok(VisibleAgent {
                id: row.try_get("id")?,
                name: row.try_get("name")?,
                business: row.try_get("business")?,
                zone: row.try_get("business_timezone")?,
                number,
                typed_number,
                status: row.try_get("status")?,
                is_being_set_up: row.try_get("is_being_set_up")?,
                is_theirs: row.try_get("is_theirs")?,
                role: Role::from_word(&role).unwrap_or(Role::Support),
            })
        });
        Ok(VisibleAgents { list: agents.collect::<super::Result<_>>()?, has_room })
    }
}
