//! `audit_log` as people see it: support sees what they did themselves, maintainers what was done with
//! the agent, owners also what was done about its people, an admin everything.

use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::access::{Role, VisibleAgents};
use super::people::Viewer;
use super::{Result, Store, lenient_json};
use crate::private::Private;

/// The most rows of a page.
const ROWS_MAX: i64 = 101;

/// Something that somebody did.
#[derive(Debug, Clone)]
pub struct Deed {
    /// `audit_log.id`.
    pub id: i64,
    /// When, microseconds since the Unix epoch.
    pub at_us: i64,
    /// Who: `customer.uuid`.
    pub actor: Option<Uuid>,
    /// Their name, if they are still there.
    pub actor_name: Option<Private<String>>,
    /// With what: `session`, `token`, `supabase`, `link`, `system` or `nobody`.
    pub actor_kind: String,
    /// Which agent it was about.
    pub agent_id: Option<Uuid>,
    /// What, such as `recording.listen`.
    pub action: String,
    /// Kind and id of what it was done to.
    pub object: Option<String>,
    /// The name of the person it was done to, if they are still there, or of the function.
    pub object_name: Option<Private<String>>,
    /// What owners know the function by that it was done to, besides its name; none where there is none.
    pub function: Option<Private<FunctionTitle>>,
    /// What changed.
    pub change: Option<Value>,
}

/// What owners know a function by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionTitle {
    /// `type`.
    pub kind: String,
    /// `data.title`.
    pub title: Option<String>,
    /// `data.builtin`.
    pub builtin: Option<String>,
}

/// Which of it is wanted.
#[derive(Debug, Clone, Copy)]
pub struct ActivityWanted {
    /// What this person did.
    pub by: Option<Uuid>,
    /// What was done before this row.
    pub before: Option<i64>,
    /// So many.
    pub limit: i64,
    /// Whether what is about no agent is wanted too.
    pub with_own: bool,
}

/// What everybody sees of these rows.
const SHOWN_SQL: &str =
    "select l.id, (extract(epoch from l.at) * 1000000)::bigint as at_us, l.actor,
        left(c.username, 200) as username, l.actor_kind, l.voice_agent_id, l.action, l.object,
        l.change::text as change,
        left(coalesce(p.username, f.name), 200) as object_name, f.type::text as function_type,
        left(f.data ->> 'title', 200) as function_title,
        left(f.data ->> 'builtin', 200) as function_builtin";

/// The people and the function of a row. A change of a function is one of its agent, in this part.
const NAMES_SQL: &str = "left join public.customer c on c.uuid = l.actor
    left join public.customer p on p.uuid = case when l.object ~ '^person [0-9a-f-]{36}$'
        then substr(l.object, 8)::uuid end
    left join public.functions f on f.assistant_id = l.voice_agent_id and f.id = substring(
        coalesce(l.change #>> '{parts,0}', l.object)
        from '^function ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$')::uuid
    order by l.id desc limit $3";

/// `$1` by, `$2` before, `$3` limit, `$4` agents, `$5` what is seen of each, `$6` the viewer, `$7`
/// whether their own is wanted too.
const OF_AGENTS_SQL: &str = "(
        select x.* from unnest($4::uuid[], $5::text[]) agent (id, sees)
        cross join lateral (
            select l.* from public.audit_log l
            where l.voice_agent_id = agent.id
                and (agent.sees = 'all' or agent.sees = 'agent' and l.action not like 'access.%'
                    or l.actor = $6)
                and ($1::uuid is null or l.actor = $1) and ($2::bigint is null or l.id < $2)
            order by l.id desc limit $3) x
        union all
        (select l.* from public.audit_log l
        where $7 and l.actor = $6 and l.voice_agent_id is null
            and ($1::uuid is null or $1 = $6) and ($2::bigint is null or l.id < $2)
        order by l.id desc limit $3)
    ) l";

const OF_ALL_SQL: &str = "(
        select l.* from public.audit_log l
        where ($1::uuid is null or l.actor = $1) and ($2::bigint is null or l.id < $2)
        order by l.id desc limit $3
    ) l";

impl Store {
    /// What the viewer may see of what was done with these agents, newest first.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn activity(
        &self,
        agents: &VisibleAgents,
        viewer: &Viewer,
        wanted: &ActivityWanted,
    ) -> Result<Vec<Deed>> {
        let is_everything = viewer.is_admin() && wanted.with_own;
        let from = if is_everything { OF_ALL_SQL } else { OF_AGENTS_SQL };
        // The text is put together from constants.
        let sql = AssertSqlSafe(format!("{SHOWN_SQL} from {from} {NAMES_SQL}"));
        let query = sqlx::query(sql)
            .bind(wanted.by)
            .bind(wanted.before)
            .bind(wanted.limit.clamp(1, ROWS_MAX));
        let query = if is_everything {
            query
        } else {
            let sees = agents.list().iter().map(|agent| match agent.role {
                Role::Support => "own",
                Role::Maintainer => "agent",
                Role::Owner | Role::Admin => "all",
            });
            query
                .bind(agents.ids())
                .bind(sees.collect::<Vec<_>>())
                .bind(viewer.id())
                .bind(wanted.with_own)
        };
        query.fetch_all(&self.pool).await?.iter().map(deed).collect()
    }

    /// The people of those agents of which the viewer sees what others did, by name.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn people_of(&self, agents: &VisibleAgents) -> Result<Vec<(Uuid, Private<String>)>> {
        let seen = agents.list().iter().filter(|agent| agent.role >= Role::Maintainer);
        let ids: Vec<Uuid> = seen.map(|agent| agent.id).collect();
        let rows = sqlx::query(
            "select c.uuid, left(c.username, 200) as username from public.customer c where c.uuid in (
                select a.created_by from public.voice_agents a where a.id = any($1)
                union
                select x.user_id from public.voice_agents_access x
                where x.voice_agent_id = any($1) and x.invited_at is null)
            order by lower(c.username), c.uuid limit 200",
        )
        .bind(ids)
        .fetch_all(&self.pool)
        .await?;
        let people = rows.iter().map(|row| {
            Ok((row.try_get("uuid")?, Private::new(row.try_get::<String, _>("username")?)))
        });
        people.collect()
    }
}

fn deed(row: &PgRow) -> Result<Deed> {
    let name = |column: &str| row.try_get::<Option<String>, _>(column);
    let change = lenient_json(row.try_get("change")?);
    let mut object_name = name("object_name")?;
    let function = match name("function_type")? {
        Some(kind) => Some(FunctionTitle {
            kind,
            title: name("function_title")?,
            builtin: name("function_builtin")?,
        }),
        // One that is gone is known by what it was called then.
        None => change.as_ref().and_then(|change| change["function"].as_object()).map(|then| {
            let text = |name: &str| Some(then.get(name)?.as_str()?.to_owned());
            object_name = object_name.take().or_else(|| text("name"));
            FunctionTitle {
                kind: text("type").unwrap_or_default(),
                title: text("title"),
                builtin: text("builtin"),
            }
        }),
    };
    Ok(Deed {
        function: function.map(Private::new),
        id: row.try_get("id")?,
        at_us: row.try_get("at_us")?,
        actor: row.try_get("actor")?,
        actor_name: name("username")?.map(Private::new),
        actor_kind: row.try_get("actor_kind")?,
        agent_id: row.try_get("voice_agent_id")?,
        action: row.try_get("action")?,
        object: row.try_get("object")?,
        object_name: object_name.map(Private::new),
        change,
    })
}
