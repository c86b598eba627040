//! The agents that somebody sees.

use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::Store;
use super::access::{ROLE_SQL, Role};
use super::people::Viewer;

/// The most agents that a person's lists show.
const AGENTS_MAX: i64 = 500;
/// The most that an owner without a plan has (migration 0047).
const AGENTS_WITHOUT_PLAN: i32 = 100;

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
    /// `voice_agents."unAvailable"`: a pause, in which callers get its fallback.
    pub is_away: bool,
    /// Whether its set-up was begun and is not over.
    pub is_being_set_up: bool,
    /// Whose it is: who made it, or nobody but itself.
    pub owner: Uuid,
    /// Whether the person made it.
    pub is_theirs: bool,
    /// What the person is to it.
    pub role: Role,
}

impl VisibleAgent {
    /// Whether what there is to do for it is the person's to do. Whoever looks after the server sees
    /// everybody's agents, and is told of their own and of one that they chose.
    pub fn concerns(&self, is_chosen: bool) -> bool {
        self.role != Role::Admin || self.is_theirs || is_chosen
    }
}

/// All agents that somebody sees, the oldest first. Only [`Store::visible_agents`] makes it.
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

    /// Those of which something is the person's to do ([`VisibleAgent::concerns`]).
    pub fn of_concern(&self, is_chosen: bool) -> Self {
        self.those(|agent| agent.concerns(is_chosen))
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

impl Store {
    /// The agents that the viewer sees.
    pub async fn visible_agents(&self, viewer: &Viewer) -> super::Result<VisibleAgents> {
        let sql = format!(
            "select * from (
                select a.id, left(a.name, 200) as name,
                    left(coalesce(nullif(b.business_name, ''), a.name), 200) as business,
                    b.business_timezone, a.twilio_phone_number, a.status::text as status,
                    coalesce(a.\"unAvailable\", false) as is_away,
                    a.setup_step is not null and a.status = 'inactive' as is_being_set_up,
                    coalesce(a.created_by, a.id) as owner, a.created_by = c.uuid as is_theirs,
                    coalesce(c.plan_mode, '') = '' and coalesce(c.voiceagents_allowed, 0) <= 0
                            and (coalesce(c.isadmin, false)
                                or coalesce(c.total_voiceagents, 0) < {AGENTS_WITHOUT_PLAN})
                        or coalesce(c.total_voiceagents, 0) < coalesce(c.voiceagents_allowed, 0)
                        as has_room,
                    a.number_typed is not null and nullif(btrim(
                        a.twilio_credentials ->> 'auth_token'), '') is null as is_unassigned,
                    a.created_at, {ROLE_SQL} as role
                from public.customer c
                -- Each by an index of its own: with `or` every tenant's agents would be read.
                cross join lateral (
                    select id from public.voice_agents where created_by = c.uuid
                    union select voice_agent_id from public.voice_agents_access
                        where user_id = c.uuid and status
                    union select id from public.voice_agents where c.isadmin
                ) mine
                join public.voice_agents a on a.id = mine.id
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
                is_away: row.try_get("is_away")?,
                is_being_set_up: row.try_get("is_being_set_up")?,
                owner: row.try_get("owner")?,
                is_theirs: row.try_get("is_theirs")?,
                role: Role::from_word(&role).unwrap_or(Role::Support),
            })
        });
        Ok(VisibleAgents { list: agents.collect::<super::Result<_>>()?, has_room })
    }
}
