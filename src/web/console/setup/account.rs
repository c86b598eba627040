//! A Twilio account of the agent's own, entered on the last screen.

use axum::Form;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::number::{self, Told};
use super::{opened_with, shown};
use crate::private::Private;
use crate::store::access::Own;
use crate::web::console::errors::Shown;
use crate::web::console::plain::plain;
use crate::web::numbers::account::{NewAccount, use_own};
use crate::web::session::PageRequest;

pub(super) fn form(id: Uuid, is_own: bool) -> Markup {
    html! {
        details .card {
            summary { @if is_own { "Use another Twilio account" } @else { "Use your own Twilio account" } }
            form method="post" action={ "/setup/" (id) "/account" } autocomplete="off" {
                label for="account" { "Account SID" }
                input #account name="account_sid" required pattern="AC[0-9a-fA-F]{32}" spellcheck="false" aria-describedby="account-hint";
                p .hint #account-hint { "AC and 32 digits or letters from a to f, on the first page of Twilio's console." }
                label for="token" { "Auth token" }
                input #token name="auth_token" type="password" required autocomplete="off" aria-describedby="token-hint";
                p .hint #token-hint { "Beside the SID. Twilio is asked whether both are right; the token is never shown again." }
                p .actions { button type="submit" { "Show its numbers" } }
            }
        }
    }
}

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct AccountForm {
    #[serde(default)]
    account_sid: String,
    #[serde(default)]
    auth_token: String,
}

/// An account was entered.
pub(super) async fn send(
    PageRequest { state, viewer }: PageRequest,
    Path(id): Path<Uuid>,
    Form(sent): Form<AccountForm>,
) -> Shown {
    let (setup, access) = opened_with::<Own>(&state, viewer, id, "credentials.change").await?;
    let wanted = NewAccount {
        sid: sent.account_sid.trim().to_owned(),
        token: Private::new(sent.auth_token.trim().to_owned()),
        gives_number_up: false,
    };
    let Err(problem) = use_own(&state, &setup.shell.viewer, &access, &wanted).await else {
        return Ok(Redirect::to(&format!("/setup?agent={id}&done=account")).into_response());
    };
    let words = plain(problem.detail.as_deref().unwrap_or_default());
    let body = number::form(&state, &setup, Some(&Told { is_bad: true, words })).await?;
    Ok(shown(&setup.shell, problem.status(), &body))
}
