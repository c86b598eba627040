//! Which Twilio account an agent uses, on the page of its numbers.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, State};
use axum::response::Response;
use maud::{Markup, html};
use uuid::Uuid;

use super::{Again, Which, access, done, refused};
use crate::store::access::{AgentAccess, Own};
use crate::web::AppState;
use crate::web::console::twilio_account::{AccountForm, Sent, Wrong};
use crate::web::numbers::account::{AccountNotes, use_own, use_servers};
use crate::web::session::PageViewer;

/// What the form is made with.
pub(super) fn with_form<T>(
    agent: Uuid,
    wrong: Option<&Wrong<'_>>,
    shown: impl FnOnce(&AccountForm<'_>) -> T,
) -> T {
    let (action, of) = (format!("/agents/{agent}/twilio"), format!("-{agent}"));
    let button = "Use this account";
    shown(&AccountForm { action: &action, of: &of, button, may_give_up: true, wrong })
}

/// The forms for an account's credentials, which are never shown.
pub(super) fn credentials(agent: Uuid, is_own: bool, wrong: Option<&Wrong<'_>>) -> Markup {
    html! {
        details open[wrong.is_some()] {
            summary { "Use another Twilio account" }
            (with_form(agent, wrong, |form| form.markup()))
            @if is_own {
                form method="post" action={ "/agents/" (agent) "/twilio/server" } {
                    p .hint { "Or go back to the account of this server. The token that is stored here is deleted." }
                    p .actions { button type="submit" { "Use the server's account again" } }
                }
            }
        }
    }
}

pub(super) async fn own(
    State(state): State<Arc<AppState>>,
    PageViewer(viewer): PageViewer,
    Path(agent): Path<Uuid>,
    Form(sent): Form<Sent>,
) -> Response {
    let access: AgentAccess<Own> = match access(&state, &viewer, agent, "credentials.change").await
    {
        Ok(access) => access,
        Err(response) => return response,
    };
    let used = use_own(&state, &viewer, &access, &sent.wanted()).await;
    let trial = |notes: &AccountNotes| if notes.is_trial { "-trial" } else { "" };
    let lacks = |notes: &AccountNotes| if notes.lacks_number { "-lacks" } else { "" };
    match used {
        Ok(notes) => done(&format!("account{}{}", trial(&notes), lacks(&notes))),
        Err(problem) => {
            let wrong = Wrong { sent: &sent, problem: &problem };
            refused(
                &state,
                viewer,
                &Again { agent, which: Which::Account(&wrong), problem: &problem },
            )
            .await
        }
    }
}

pub(super) async fn servers(
    State(state): State<Arc<AppState>>,
    PageViewer(viewer): PageViewer,
    Path(agent): Path<Uuid>,
) -> Response {
    let access: AgentAccess<Own> = match access(&state, &viewer, agent, "credentials.remove").await
    {
        Ok(access) => access,
        Err(response) => return response,
    };
    match use_servers(&state, &viewer, &access).await {
        Ok(()) => done("server"),
        Err(problem) => {
            refused(&state, viewer, &Again { agent, which: Which::Button, problem: &problem }).await
        }
    }
}
