//! Who did what: `audit_log`.

use serde_json::Value;
use sqlx::Row;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::people::{Credential, Viewer};
use super::{Result, Store, lenient_json};

/// Something that somebody did. It names no number, no name and no word of a caller.
#[derive(Debug, Clone)]
pub struct AuditEntry<'a> {
    /// Who, if they are known.
    pub viewer: Option<&'a Viewer>,
    /// Whose deed it is, where nobody has signed in yet: who does now.
    pub actor: Option<Uuid>,
    /// Which agent it was about.
    pub agent_id: Option<Uuid>,
    /// What, such as `recording.listen`.
    pub action: &'static str,
    /// Kind and id of what it was done to, such as `call 0196…`.
    pub object: Option<String>,
    /// What changed, without secrets.
    pub change: Option<Value>,
    /// The client's address.
    pub ip: Option<String>,
}

impl<'a> AuditEntry<'a> {
    /// Something that somebody did to an agent or what belongs to it.
    pub fn of(viewer: &'a Viewer, action: &'static str) -> Self {
        Self {
            viewer: Some(viewer),
            actor: None,
            agent_id: None,
            action,
            object: None,
            change: None,
            ip: None,
        }
    }

    /// Something that nobody who is known did.
    pub fn of_nobody(action: &'static str) -> Self {
        Self {
            viewer: None,
            actor: None,
            agent_id: None,
            action,
            object: None,
            change: None,
            ip: None,
        }
    }

    /// About this agent.
    pub fn agent(self, id: Uuid) -> Self {
        Self { agent_id: Some(id), ..self }
    }

    /// Done to this.
    pub fn object(self, kind: &str, id: impl std::fmt::Display) -> Self {
        Self { object: Some(format!("{kind} {id}")), ..self }
    }

    /// With this change.
    pub fn change(self, change: Value) -> Self {
        Self { change: Some(change), ..self }
    }
}

/// A row of `audit_log`.
#[derive(Debug, Clone)]
pub struct AuditRow {
    /// `id`.
    pub id: i64,
    /// When, microseconds since the Unix epoch.
    pub at_us: i64,
    /// Who: their name, if they are still there.
    pub actor_name: Option<String>,
    /// `customer.uuid`.
    pub actor: Option<Uuid>,
    /// With what.
    pub actor_kind: String,
    /// Which agent.
    pub agent_id: Option<Uuid>,
    /// What.
    pub action: String,
    /// Done to what.
    pub object: Option<String>,
    /// What changed.
    pub change: Option<Value>,
}

/// The most rows of a page.
const ROWS_MAX: i64 = 101;

impl Store {
    /// Writes down what somebody did.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn note_deed(&self, deed: &AuditEntry<'_>) -> Result<()> {
        let mut connection = self.pool.acquire().await?;
        Ok(note(&mut connection, deed).await?)
    }

    /// What was done with these agents, newest first, before the row `before`; by this person alone
    /// if `by` says so.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn deeds(
        &self,
        agents: &[Uuid],
        by: Option<Uuid>,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<AuditRow>> {
        let rows = sqlx::query(
            "select l.id, (extract(epoch from l.at) * 1000000)::bigint as at_us, l.actor,
                c.username, l.actor_kind, l.voice_agent_id, l.action, l.object,
                l.change::text as change
            from public.audit_log l left join public.customer c on c.uuid = l.actor
            where (l.voice_agent_id = any($1) or l.voice_agent_id is null and l.actor = $2)
                and ($2 is null or l.actor = $2) and ($3 is null or l.id < $3)
            order by l.id desc limit $4",
        )
        .bind(agents)
        .bind(by)
        .bind(before)
        .bind(limit.min(ROWS_MAX))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(AuditRow {
                    id: row.try_get("id")?,
                    at_us: row.try_get("at_us")?,
                    actor_name: row.try_get("username")?,
                    actor: row.try_get("actor")?,
                    actor_kind: row.try_get("actor_kind")?,
                    agent_id: row.try_get("voice_agent_id")?,
                    action: row.try_get("action")?,
                    object: row.try_get("object")?,
                    change: lenient_json(row.try_get("change")?),
                })
            })
            .collect()
    }
}

/// Writes down what somebody did, in the transaction that does it.
pub(super) async fn note(connection: &mut PgConnection, deed: &AuditEntry<'_>) -> sqlx::Result<()> {
    let kind = match deed.viewer.map(Viewer::credential) {
        Some(Credential::Session(_)) => "session",
        Some(Credential::Token(_)) => "token",
        Some(Credential::Supabase) => "supabase",
        None if deed.actor.is_some() => "link",
        None => "nobody",
    };
    sqlx::query(
        "insert into public.audit_log
            (actor, actor_kind, voice_agent_id, action, object, change, ip)
        values ($1, $2, $3, $4, $5, $6::jsonb, $7)",
    )
    .bind(deed.viewer.map(Viewer::id).or(deed.actor))
    .bind(kind)
    .bind(deed.agent_id)
    .bind(deed.action)
    .bind(deed.object.as_deref())
    .bind(deed.change.as_ref().map(Value::to_string))
    .bind(deed.ip.as_deref())
    .execute(connection)
    .await?;
    Ok(())
}
