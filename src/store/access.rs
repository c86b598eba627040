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

pub use super::visible::{VisibleAgent, VisibleAgents};

/// What somebody is to an agent, the least first (`voice_agent_access_type`).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr, strum::EnumString,
)]
#[strum(serialize_all = "snake_case")]
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
        self.into()
    }

    /// From that word.
    pub fn from_word(word: &str) -> Option<Self> {
        word.parse().ok()
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
            Self::Source(_) => "select voice_agent_id from public.sources where id = $1",
            Self::Appointment(_) => "select voice_agent_id from public.appointments where id = $1",
            Self::Task(_) => "select voice_agent_id from public.call_tasks where id = $1",
            Self::Access(_) => {
                "select voice_agent_id from public.voice_agents_access where id = $1"
            }
            Self::Delivery(_) => {
                "select c.voice_agent_id from public.webhook_deliveries d
                join public.call_logs c on c.id = d.call_log_id where d.id = $1"
            }
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
    /// A key asks for what only its person does.
    #[error("keys do not manage people, keys, sessions and accounts; sign in for that")]
    InPerson,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The role of the person `$2` for the agent `a`. An access row that is switched off gives nothing.
pub(super) const ROLE_SQL: &str =
    "case when c.isadmin then 'admin' else (select max(role)::text from (
        select 'owner'::public.voice_agent_access_type as role where a.created_by = c.uuid
        union all
        select x.access from public.voice_agents_access x
        where x.voice_agent_id = a.id and x.user_id = c.uuid and x.status) roles) end";

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
}
