//! A booking that a caller was told of and that there was not: what was said stands beside the form, and the
//! task is settled by the booking.

use maud::{Markup, html};
use tracing::warn;
use uuid::Uuid;

use crate::store::access::{AgentAccess, Maintain, Object};
use crate::store::people::Viewer;
use crate::store::{NoteChange, Store, TaskChange, TaskVerdict};
use crate::web::AppState;
use crate::web::guard::may;

/// What the caller of a task of this agent was told; nothing where there is none.
pub(super) async fn said(store: &Store, access: &AgentAccess<Maintain>, task: &str) -> Markup {
    let Ok(id) = task.parse() else { return html! {} };
    let task = store.task(access, id).await.unwrap_or_else(|error| {
        warn!(%error, "what a caller was told cannot be shown");
        None
    });
    html! {
        @if let Some(task) = task {
            div .note {
                p { bdi { (task.text.reveal()) } }
                p { a href={ "/calls/" (task.call_log_id) } { "Read what was said in the call" } }
            }
        }
    }
}

/// Ticks the task of a caller of this agent who has the booking now. What goes wrong leaves it open.
pub(super) async fn settle(state: &AppState, viewer: &Viewer, agent: Uuid, task: &str) {
    let Ok(id) = task.parse() else { return };
    let Ok(access) = may(state, viewer, Object::Task(id), "task.done").await else { return };
    if access.agent_id() != agent {
        return;
    }
    let note = Some(NoteChange::Verdict(TaskVerdict::Booked));
    let change = TaskChange { done: Some(true), note };
    if let Err(error) = state.owners.store.mark_task(&access, viewer, id, &change).await {
        warn!(%error, "the task of a booking stays open");
    }
}
