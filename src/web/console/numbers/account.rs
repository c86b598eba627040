//! Which Twilio account an agent uses, on the page of its numbers.

use axum::Form;
use axum::extract::Path;
use maud::{Markup, html};
use uuid::Uuid;

use super::{Again, Which, again, done, refused};
use crate::store::access::{Object, Own};
use crate::web::console::errors::Shown;
use crate::web::console::twilio_account::{AccountForm, Sent, Wrong};
use crate::web::guard::may;
use crate::web::numbers::account::{use_own, use_servers};
use crate::web::session::PageRequest;

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
    PageRequest { state, viewer }: PageRequest,
    Path(agent): Path<Uuid>,
    Form(sent): Form<Sent>,
) -> Shown {
    let access = may::<Own>(&state, &viewer, Object::Agent(agent), "credentials.change").await?;
    match use_own(&state, &viewer, &access, &sent.wanted()).await {
        Ok(notes) => {
            let trial = if notes.is_trial { "-trial" } else { "" };
            let lacks = if notes.lacks_number { "-lacks" } else { "" };
            Ok(done(&format!("account{trial}{lacks}")))
        }
        Err(problem) => {
            let wrong = Wrong { sent: &sent, problem: &problem };
            let again = Again { agent, which: Which::Account(&wrong), problem: &problem };
            refused(&state, viewer, &again).await
        }
    }
}

pub(super) async fn servers(
    PageRequest { state, viewer }: PageRequest,
    Path(agent): Path<Uuid>,
) -> Shown {
    let access = may::<Own>(&state, &viewer, Object::Agent(agent), "credentials.remove").await?;
    match use_servers(&state, &viewer, &access).await {
        Ok(()) => Ok(done("server")),
        Err(problem) => again(&state, viewer, agent, &problem).await,
    }
}
