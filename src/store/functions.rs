//! `scrapping_data`: what functions collected and returned, where their owners want it kept.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Result, Store, storable_json};
use crate::private::Private;

/// A run of a function that is kept.
#[derive(Debug, Clone)]
pub struct SavedRun {
    /// The agent whose function ran.
    pub agent_id: Uuid,
    /// `functions.id`.
    pub function_id: Uuid,
    /// The call in which it ran.
    pub call_log_id: Uuid,
    /// The arguments that were collected.
    pub arguments: Private<Value>,
    /// The result that was returned.
    pub result: Private<Value>,
}

impl Store {
    /// Keeps a run as a row of `scrapping_data`.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError); whether it is kept is not known then.
    pub async fn save_run(&self, run: &SavedRun) -> Result<()> {
        let data = json!({
            "kind": "function",
            "function_id": run.function_id,
            "call_log_id": run.call_log_id,
            "arguments": run.arguments.reveal(),
            "result": run.result.reveal(),
        });
        sqlx::query("insert into scrapping_data (data, voice_agent_id) values ($1, $2)")
            .bind(&*storable_json(&data))
            .bind(run.agent_id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
