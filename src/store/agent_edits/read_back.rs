//! What is written must be read back.

use sqlx::postgres::{PgConnection, PgRow};
use uuid::Uuid;

use super::{Editing, WriteError};
use crate::agent::Unread;
use crate::store::agents::{agent, agent_query};

/// Has whoever changes the agent next wait.
pub(super) async fn lock(connection: &mut PgConnection, agent: Uuid) -> sqlx::Result<()> {
    // Not `for update`: a call's row refers to the agent's, and would wait. By a statement of its own: one
    // that waits for a lock reads all other rows as they were before.
    let lock = sqlx::query("select from public.voice_agents where id = $1 for no key update");
    lock.bind(agent).execute(connection).await?;
    Ok(())
}

impl Editing {
    /// Whether all is read back that was read before the change: what is stored is larger than what was
    /// sent, and what one row takes is not left for the others.
    pub(super) async fn is_read_back(&mut self) -> std::result::Result<(), WriteError> {
        const QUERY: &str = agent_query!("where a.id = $1");
        let row = sqlx::query(QUERY).bind(self.agent.id);
        let row: Option<PgRow> = row.fetch_optional(&mut *self.transaction).await?;
        let Some(row) = row else { return Ok(()) };
        let after = agent(&row, &self.vault)?;
        let (before, after) = (self.agent.unread(), after.unread());
        let Some(lost) = after.into_iter().find(|lost| !before.contains(lost)) else {
            return Ok(());
        };
        let message = match lost {
            Unread::Settings => {
                "with this the agent's settings would be more than is read of them; remove some of the secrets \
                 or names first"
            }
            Unread::Hours => "with this the opening hours would be more than is read of them",
            Unread::Function(_) => {
                "with this the agent's functions would be more than is read of them, 2 MB in all; make them \
                 smaller or remove some"
            }
        };
        let column = matches!(lost, Unread::Settings).then(|| "private_settings".to_owned());
        Err(WriteError::Conflict { column, message: message.to_owned() })
    }
}
