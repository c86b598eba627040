//! A Twilio account of the agent's own, entered on the last screen.

use axum::Form;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect};
use maud::{Markup, html};
use uuid::Uuid;

use super::number;
use super::{Setup, opened_with, shown};
use crate::store::access::Own;
use crate::web::console::errors::Shown;
use crate::web::console::twilio_account::{AccountForm, Sent, Wrong};
use crate::web::numbers::account::use_own;
use crate::web::session::PageRequest;

/// What the form is made with. Where the agent has a number, that may be given up.
fn with_form<T>(
    (id, may_give_up): (Uuid, bool),
    wrong: Option<&Wrong<'_>>,
    shown: impl FnOnce(&AccountForm<'_>) -> T,
) -> T {
    let (action, button) = (format!("/setup/{id}/account"), "Show its numbers");
    shown(&AccountForm { action: &action, of: "", button, may_give_up, wrong })
}

pub(super) fn form(setup: &Setup, is_own: bool, wrong: Option<&Wrong<'_>>) -> Markup {
    html! {
        details .card open[wrong.is_some()] {
            summary { @if is_own { "Use another Twilio account" } @else { "Use your own Twilio account" } }
            (with_form(of(setup), wrong, |form| form.markup()))
        }
    }
}

fn of(setup: &Setup) -> (Uuid, bool) {
    (setup.row.id, !setup.number().is_empty())
}

/// An account was entered.
pub(super) async fn send(
    PageRequest { state, viewer }: PageRequest,
    Path(id): Path<Uuid>,
    Form(sent): Form<Sent>,
) -> Shown {
    let (setup, access) = opened_with::<Own>(&state, viewer, id, "credentials.change").await?;
    let used = use_own(&state, &setup.shell.viewer, &access, &sent.wanted()).await;
    let Err(problem) = used else {
        return Ok(Redirect::to(&format!("/setup?agent={id}&done=account")).into_response());
    };
    let wrong = Wrong { sent: &sent, problem: &problem };
    let told = with_form(of(&setup), Some(&wrong), |form| wrong.told(form));
    let body = number::form(&state, &setup, &told, Some(&wrong)).await?;
    Ok(shown(&setup.shell, problem.status(), &body))
}
