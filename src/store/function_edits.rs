//! Rows of `functions` as owners write them, and how often they were used.

use serde_json::{Value, json};
use sqlx::postgres::Postgres;
use sqlx::{Row, Transaction};
use uuid::Uuid;

use super::access::{AgentAccess, Inspect, VisibleAgents};
use super::agent_edits::{FunctionWrite, PartChange, columns};
use super::{Result, Store};

/// The most calls that uses are counted in: the newest.
const CALLS_MAX: i64 = 2_000;
/// The most names of functions that are read.
const NAMES_MAX: i64 = 200;

/// How often a function was called in the last 30 days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionUse {
    /// `functions.id`; none for a built-in one without a row.
    pub id: Option<Uuid>,
    /// The name that it was called by.
    pub name: String,
    /// How often.
    pub uses: i64,
    /// How often it did not do what was asked.
    pub failures: i64,
}

impl Store {
    /// How often an agent's functions were called in the last 30 days, in its newest calls; test calls
    /// do not count.
    pub async fn function_uses(&self, access: &AgentAccess<Inspect>) -> Result<Vec<FunctionUse>> {
        let rows = sqlx::query(
            "select case when f ->> 'id' ~ '^[0-9a-f-]{36}$' then (f ->> 'id')::uuid end as id,
                coalesce(left(f ->> 'name', 64), '') as name, count(*) as uses,
                count(*) filter (where f -> 'ok' = 'false') as failures
            from (select c.metadata -> 'functions' as functions from public.call_logs c
                where c.voice_agent_id = $1 and c.call_start > now() - interval '30 days'
                    and coalesce(c.call_sid, '') not like 'FT%'
                order by c.call_start desc limit $2) calls
            cross join lateral jsonb_array_elements(case jsonb_typeof(functions)
                when 'array' then functions else '[]' end) f
            group by 1, 2",
        )
        .bind(access.agent_id())
        .bind(CALLS_MAX)
        .fetch_all(&self.pool)
        .await?;
        let uses = rows.iter().map(|row| {
            Ok(FunctionUse {
                id: row.try_get("id")?,
                name: row.try_get("name")?,
                uses: row.try_get("uses")?,
                failures: row.try_get("failures")?,
            })
        });
        uses.collect()
    }

    /// The names of the functions that owners have made for these agents, each once.
    pub async fn function_names(&self, agents: &VisibleAgents) -> Result<Vec<String>> {
        let names = sqlx::query_scalar(
            "select distinct trim(name) from public.functions
            where assistant_id = any($1) and trim(name) ~ '^[A-Za-z0-9_-]{1,64}$'
            order by 1 limit $2",
        );
        Ok(names.bind(agents.ids()).bind(NAMES_MAX).fetch_all(&self.pool).await?)
    }
}

/// What a function was known by when it was changed: it may be gone when somebody reads of that.
pub(super) fn known_by(parts: &[PartChange]) -> Option<Value> {
    const LONGEST: usize = 200;
    let part = parts.iter().find(|part| part.part.starts_with("function "))?;
    let document = part.after.as_ref().or(part.before.as_ref())?;
    let text = |value: &Value| {
        let text = value.as_str()?;
        Some(text.chars().take(LONGEST).collect::<String>())
    };
    let data = &document["data"];
    Some(json!({
        "type": text(&document["type"]),
        "name": text(&document["name"]),
        "title": text(&data["title"]),
        "builtin": text(&data["builtin"]),
    }))
}

/// Writes a row of this agent.
pub(super) async fn write(
    transaction: &mut Transaction<'static, Postgres>,
    agent_id: Uuid,
    person: Uuid,
    write: &FunctionWrite,
) -> sqlx::Result<()> {
    let query = match write {
        FunctionWrite::Insert(id, values) => sqlx::query(
            "insert into public.functions (id, assistant_id, created_by, type, name, purpose,
                trigger_reason, data, variables, is_active, save_data, is_shownable)
            select $1, $2, (select id from auth.users where id = $4),
                (c ->> 'type')::public.function_type, c ->> 'name', c ->> 'purpose',
                c ->> 'trigger_reason', nullif(c -> 'data', 'null'),
                nullif(c -> 'variables', 'null'), coalesce((c ->> 'is_active')::boolean, true),
                coalesce((c ->> 'save_data')::boolean, false), (c ->> 'is_shownable')::boolean
            from (select $3::jsonb as c) given",
        )
        .bind(id)
        .bind(agent_id)
        .bind(columns(Some(values)))
        .bind(person),
        FunctionWrite::Update(id, values) => sqlx::query(
            "update public.functions f set
                type = case when c ? 'type'
                    then (c ->> 'type')::public.function_type else type end,
                name = case when c ? 'name' then c ->> 'name' else name end,
                purpose = case when c ? 'purpose' then c ->> 'purpose' else purpose end,
                trigger_reason = case when c ? 'trigger_reason'
                    then c ->> 'trigger_reason' else trigger_reason end,
                data = case when c ? 'data' then nullif(c -> 'data', 'null') else data end,
                variables = case when c ? 'variables'
                    then nullif(c -> 'variables', 'null') else variables end,
                is_active = case when c ? 'is_active'
                    then (c ->> 'is_active')::boolean else is_active end,
                save_data = case when c ? 'save_data'
                    then (c ->> 'save_data')::boolean else save_data end,
                is_shownable = case when c ? 'is_shownable'
                    then (c ->> 'is_shownable')::boolean else is_shownable end
            from (select $3::jsonb as c) given
            where f.id = $1 and f.assistant_id = $2",
        )
        .bind(id)
        .bind(agent_id)
        .bind(columns(Some(values))),
        FunctionWrite::Delete(id) => {
            sqlx::query("delete from public.functions where id = $1 and assistant_id = $2")
                .bind(id)
                .bind(agent_id)
        }
    };
    query.execute(&mut **transaction).await.map(|_| ())
}
