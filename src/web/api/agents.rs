//! `/agents`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{Answer, Page};
use crate::web::AppState;
use crate::web::problem::Problem;
use crate::web::session::ApiViewer;

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// An agent in a list.
#[derive(Debug, Serialize, ToSchema)]
struct AgentItem {
    id: Uuid,
    name: String,
    twilio_phone_number: Option<String>,
    status: String,
    /// What you are to it: support, maintainer, owner or admin.
    role: &'static str,
}

/// The agents that you see, the oldest first.
#[utoipa::path(
    get,
    path = "/agents",
    tag = "agents",
    responses((status = 200, body = Page<AgentItem>), (status = 401, body = Problem))
)]
async fn list(
    State(state): State<Arc<AppState>>,
    ApiViewer(viewer): ApiViewer,
) -> Answer<Page<AgentItem>> {
    let agents = state.owners.store.visible_agents(&viewer).await?;
    let items = agents.list().iter().map(|agent| AgentItem {
        id: agent.id,
        name: agent.name.clone(),
        twilio_phone_number: agent.number.clone(),
        status: agent.status.clone(),
        role: agent.role.word(),
    });
    Ok(Json(Page { items: items.collect(), next: None }))
}
