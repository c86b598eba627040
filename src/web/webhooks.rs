//! Testing an owner's webhook: from the console and over the API alike.

use http::StatusCode;
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::AppState;
use super::guard::may;
use super::paces::{TRIES, count};
use super::problem::Problem;
use crate::agent::settings::Webhook;
use crate::functions::egress;
use crate::post_call::webhook::{Trial, try_out};
use crate::store::access::{Maintain, Object};
use crate::store::audit::AuditEntry;
use crate::store::people::Viewer;

/// What somebody may not mean of a webhook: an address that this server never asks, or one that anybody on
/// the way reads along with.
pub(super) fn warning(egress: &egress::Client, webhook: &Webhook) -> Option<String> {
    let url = Url::parse(&webhook.url).ok()?;
    if let Some(refusal) = egress.refusal(&url) {
        return Some(format!("This server never posts to this address: {refusal}."));
    }
    (url.scheme() == "http").then(|| {
        "The address begins with http, not https: what is posted, with your callers' words, can be read \
         on its way."
            .to_owned()
    })
}

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
