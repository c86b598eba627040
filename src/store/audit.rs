//! Who did what: `audit_log`.

use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::access::Object;
use super::people::{Credential, Viewer};
use super::{Result, Store};

/// Something that somebody did. It names no number, no name and no word of a caller.
#[derive(Debug, Clone, Default)]
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
        Self { viewer: Some(viewer), action, ..Self::default() }
    }

    /// Something that nobody who is known did.
    pub fn of_nobody(action: &'static str) -> Self {
        Self { action, ..Self::default() }
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

impl Store {
    /// Writes down what somebody did.
    pub async fn note_deed(&self, deed: &AuditEntry<'_>) -> Result<()> {
        let mut connection = self.pool.acquire().await?;
        Ok(note(&mut connection, deed).await?)
    }

    /// Writes down that somebody wanted to do something that they may not, such as `booking.make`; with
    /// the agent of what they wanted to do it to, so that its owner sees it.
    pub async fn note_refusal(
        &self,
        viewer: &Viewer,
        object: Option<Object>,
        wanted: &'static str,
    ) -> Result<()> {
        let mut deed = AuditEntry::of(viewer, "access.refused").change(json!({"wanted": wanted}));
        if let Some(object) = object {
            let (kind, id) = object.named();
            deed = deed.object(kind, id);
            deed.agent_id = self.agent_of(object).await?;
        }
        self.note_deed(&deed).await
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
