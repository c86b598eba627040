//! Testing an owner's webhook: from the console and over the API alike.

use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use super::AppState;
use super::guard::may;
use super::paces::{TRIES, count};
use super::problem::Problem;
use crate::post_call::webhook::{Trial, try_out};
use crate::store::access::{Maintain, Object};
use crate::store::audit::AuditEntry;
use crate::store::people::Viewer;

/// Posts a test to the agent's webhook.
///
/// # Errors
/// [`Problem`]: 409 where the agent has no webhook, 429 after too many.
pub(super) async fn try_webhook(
    state: &AppState,
    viewer: &Viewer,
    agent: Uuid,
) -> Result<Trial, Problem> {
    let access = may::<Maintain>(state, viewer, Object::Agent(agent), "webhook.test").await?;
    count(&state.owners.store, &TRIES, viewer.id(), Problem::too_many).await?;
    let agent = state.directory.by_id(access.agent_id()).await.ok_or_else(Problem::not_found)?;
    let Some(webhook) = &agent.settings.webhook else {
        let why = "the agent has no webhook: set its address first";
        return Err(Problem::new(StatusCode::CONFLICT, why));
    };
    let trial = try_out(&state.services.function_services.egress, agent.id, webhook).await;
    let deed = AuditEntry::of(viewer, "webhook.test").agent(agent.id);
    let change = json!({"status": trial.status});
    state.owners.store.note_deed(&deed.object("agent", agent.id).change(change)).await?;
    Ok(trial)
}
