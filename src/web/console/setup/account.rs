//! A Twilio account of the agent's own, entered on the last screen.

use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::number::{self, Told};
use super::{Setup, opened, shown};
use crate::agent::{Agent, Credentials};
use crate::clock::within;
use crate::private::Private;
use crate::store::access::{AgentAccess, Object, Own};
use crate::store::audit::AuditEntry;
use crate::twilio::rest::RestError;
use crate::web::console::errors;
use crate::web::problem::Problem;
use crate::web::session::PageViewer;
use crate::web::{AppState, editing};

/// How long Twilio may take to say what an account is.
const ASK_LIMIT: Duration = Duration::from_secs(3);

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
    State(state): State<Arc<AppState>>,
    PageViewer(viewer): PageViewer,
    Path(id): Path<Uuid>,
    Form(sent): Form<AccountForm>,
) -> Response {
    let access: Result<AgentAccess<Own>, _> =
        editing::access(&state, &viewer, Object::Agent(id), "credentials.change").await;
    let access = match access {
        Ok(access) => access,
        Err(refused) => return errors::refused(&refused),
    };
    let setup = match opened(&state, viewer, id).await {
        Ok(setup) => setup,
        Err(response) => return response,
    };
    let used = use_own(&state, &setup, &access, &sent).await;
    let problem = match used {
        Ok(()) => return Redirect::to(&format!("/setup?agent={id}&done=account")).into_response(),
        Err(problem) => problem,
    };
    let words = problem.detail.clone().unwrap_or_default();
    match number::form(&state, &setup, Some(&Told { is_bad: true, words })).await {
        Ok(body) => shown(&setup.shell, problem.status(), &body),
        Err(response) => response,
    }
}

/// Has the agent use this account, if Twilio knows it.
async fn use_own(
    state: &AppState,
    setup: &Setup,
    access: &AgentAccess<Own>,
    sent: &AccountForm,
) -> Result<(), Problem> {
    let (sid, token) = (sent.account_sid.trim(), sent.auth_token.trim());
    let is_sid = sid.len() == 34
        && sid.starts_with("AC")
        && sid.bytes().skip(2).all(|byte| byte.is_ascii_hexdigit());
    if !is_sid {
        let why = "The account SID is AC and 32 digits or letters from a to f.";
        return Err(Problem::invalid("account_sid", why));
    }
    if !(16..=200).contains(&token.len()) || !token.is_ascii() {
        return Err(Problem::invalid("auth_token", "The auth token is 32 digits or letters."));
    }
    let token = Private::new(token.to_owned());
    check(state, setup.row.id, sid, &token).await?;
    let store = &state.owners.store;
    store.set_twilio_account(access, sid, &token).await?;
    state.directory.refresh(Some(setup.row.id), None).await;
    let deed = AuditEntry::of(&setup.shell.viewer, "credentials.change").agent(setup.row.id);
    Ok(store.note_deed(&deed.object("agent", setup.row.id)).await?)
}

/// Asks Twilio whether it is an account that works.
async fn check(
    state: &AppState,
    id: Uuid,
    sid: &str,
    token: &Private<String>,
) -> Result<(), Problem> {
    let agent = state.directory.by_id(id).await.ok_or_else(Problem::not_found)?;
    let credentials = Credentials { account_sid: Some(sid.to_owned()), auth_token: token.clone() };
    let wished = Agent { credentials: Some(credentials), ..(*agent).clone() };
    let asking = state.exchange.toolbox.twilio.account_state(&wished);
    match within(ASK_LIMIT, asking).await.unwrap_or(Err(RestError::Unknown)) {
        Ok(account) if account.status == "active" => Ok(()),
        Ok(_) => {
            let why = "Twilio has suspended or closed this account: it takes no calls.";
            Err(Problem::invalid("account_sid", why))
        }
        Err(RestError::Refused { status: 401 | 403 | 404, .. }) => {
            let why = "Twilio does not know this account with this auth token. Copy both again from \
                       the first page of Twilio's console.";
            Err(Problem::invalid("auth_token", why))
        }
        Err(_) => {
            let why = "Twilio gave no answer, so the account could not be checked. Try again in a \
                       minute.";
            Err(Problem::new(StatusCode::BAD_GATEWAY, why))
        }
    }
}
