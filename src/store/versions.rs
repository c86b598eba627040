//! What agents were before and after each change: `agent_versions`.

use serde_json::Value;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::access::{AgentAccess, Inspect};
use super::{Result, Store, lenient_json};

/// The most versions of a page.
const PAGE_MAX: i64 = 101;

/// A row of `agent_versions`, secrets masked.
#[derive(Debug, Clone)]
pub struct AgentVersion {
    /// `n`: the agent's first is 1.
    pub n: i32,
    /// When, microseconds since the Unix epoch.
    pub at_us: i64,
    /// `customer.uuid` of who changed it; none for what it was before the first change.
    pub changed_by: Option<Uuid>,
    /// Their name, if they are still there.
    pub changed_by_name: Option<String>,
    /// `agent`, `business` or `function <id>`.
    pub part: String,
    /// Before.
    pub before: Option<Value>,
    /// After.
    pub after: Option<Value>,
}

impl Store {
    /// The versions of an agent before `before`, the newest first.
    pub async fn agent_versions(
        &self,
        access: &AgentAccess<Inspect>,
        before: Option<i32>,
        limit: i64,
    ) -> Result<Vec<AgentVersion>> {
        let rows = sqlx::query(
            "select v.n, (extract(epoch from v.at) * 1000000)::bigint as at_us, v.changed_by,
                left(c.username, 200) as username, v.part, v.before::text as before, v.after::text as after
            from public.agent_versions v left join public.customer c on c.uuid = v.changed_by
            where v.voice_agent_id = $1 and ($2::int is null or v.n < $2)
            order by v.n desc limit $3",
        )
        .bind(access.agent_id())
        .bind(before)
        .bind(limit.clamp(1, PAGE_MAX))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(version).collect()
    }

    /// One version of an agent.
    pub async fn agent_version(
        &self,
        access: &AgentAccess<Inspect>,
        n: i32,
    ) -> Result<Option<AgentVersion>> {
        let found = self.agent_versions(access, n.checked_add(1), 1).await?;
        Ok(found.into_iter().find(|version| version.n == n))
    }
}

fn version(row: &PgRow) -> Result<AgentVersion> {
    Ok(AgentVersion {
        n: row.try_get("n")?,
        at_us: row.try_get("at_us")?,
        changed_by: row.try_get("changed_by")?,
        changed_by_name: row.try_get("username")?,
        part: row.try_get("part")?,
        before: lenient_json(row.try_get("before")?),
        after: lenient_json(row.try_get("after")?),
    })
}
