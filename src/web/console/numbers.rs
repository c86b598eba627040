//! `/numbers`: where each number's calls go, and how they come here.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::errors;
use super::layout::{Section, Shell};
use super::overview::OfAgent;
use crate::private::Private;
use crate::store::access::{AgentAccess, Level, Maintain, Object, Own, Role};
use crate::store::audit::AuditEntry;
use crate::web::AppState;
use crate::web::numbers::{self, AccountNumbers, NumberItem};
use crate::web::problem::Problem;
use crate::web::session::PageViewer;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .route("/numbers", get(page))
        .route("/numbers/{sid}/connect", post(connect))
        .route("/numbers/{sid}/restore", post(restore))
        .route("/agents/{id}/twilio", post(account))
}

async fn page(
    State(state): State<Arc<AppState>>,
    PageViewer(viewer): PageViewer,
    Query(wanted): Query<OfAgent>,
) -> Response {
    let shell = match Shell::of(&state.owners.store, viewer, wanted.agent).await {
        Ok(shell) => shell,
        Err(error) => return errors::store(&error),
    };
    match numbers::of_agents(&state, &shell.viewer, &shell.listed()).await {
        Ok(accounts) => shell.page(Some(Section::Numbers), "Numbers", &body(&state, &accounts)),
        Err(problem) => errors::problem(&problem),
    }
}

fn body(state: &AppState, accounts: &[AccountNumbers]) -> Markup {
    html! {
        h1 { "Numbers" }
        p { "A call to a number goes where Twilio is told. Connect a number, and its calls come here; what it did before is kept, and can be put back." }
        @if accounts.is_empty() {
            p .empty { "You have no agent whose number you may change. " a href="/setup" { "Set one up" } ", or ask the owner." }
        }
        @for account in accounts { (of_account(account)) }
        (forwarding())
        details {
            summary { "For whoever looks after Twilio" }
            p { "Voice URL (POST): " code { (state.public_url.join("/twilio/voice")) } }
            p { "Status callback: " code { (state.public_url.join("/twilio/status")) } }
        }
    }
}

fn of_account(account: &AccountNumbers) -> Markup {
    let agent = &account.agent;
    html! {
        section .card aria-labelledby={ "a-" (agent.id) } {
            h2 id={ "a-" (agent.id) } { bdi { (agent.business) } }
            p .quiet { @if account.is_own { "Its own Twilio account" } @else { "The Twilio account of this server" } }
            @match &account.numbers {
                Err(error) => p .note .bad { (numbers::words(error)) },
                Ok(numbers) if numbers.is_empty() => p { "The account has no number that you may connect." },
                Ok(numbers) => ul .list { @for number in numbers { (row(number)) } },
            }
            @if agent.role >= Role::Owner { (credentials(agent.id)) }
        }
    }
}

fn row(number: &NumberItem) -> Markup {
    let (badge, words) = match number.calls_go {
        "here" => ("good", "Calls come here".to_owned()),
        "elsewhere" => (
            "warn",
            format!("Calls go to {}", number.elsewhere.as_deref().unwrap_or("another server")),
        ),
        "application" => ("warn", "A Twilio application takes the calls".to_owned()),
        "trunk" => ("warn", "A SIP trunk takes the calls".to_owned()),
        "no_calls" => ("", "Takes messages, no calls".to_owned()),
        _ => ("bad", "Calls go nowhere".to_owned()),
    };
    let is_taken = matches!(number.calls_go, "elsewhere" | "application" | "trunk");
    html! {
        li {
            div .row {
                span .grow { strong { (number.number) } " " span class={ "badge " (badge) } { (words) } }
                div .actions {
                    @if number.calls_go != "here" && number.calls_go != "no_calls" || number.agent.is_none() && number.calls_go == "here" {
                        form method="post" action={ "/numbers/" (number.sid) "/connect" } {
                            input type="hidden" name="agent" value=(number.account_of);
                            button .main type="submit" { "Connect" span .hidden { " " (number.number) } }
                        }
                    }
                    @if number.can_restore {
                        form method="post" action={ "/numbers/" (number.sid) "/restore" } {
                            input type="hidden" name="agent" value=(number.account_of);
                            button type="submit" { "Put back what was before" span .hidden { " for " (number.number) } }
                        }
                    }
                }
            }
            @if is_taken { p .hint { "Connecting takes the calls away from there. You can put it back here at any time." } }
        }
    }
}

/// The form for an account's credentials, which are never shown.
fn credentials(agent: Uuid) -> Markup {
    html! {
        details {
            summary { "Use another Twilio account" }
            form method="post" action={ "/agents/" (agent) "/twilio" } autocomplete="off" {
                label for={ "sid-" (agent) } { "Account SID" }
                input id={ "sid-" (agent) } name="account_sid" required pattern="AC[0-9a-fA-F]{32}" spellcheck="false";
                p .hint { "AC and 32 digits or letters from a to f, on the first page of Twilio's console." }
                label for={ "token-" (agent) } { "Auth token" }
                input id={ "token-" (agent) } name="auth_token" type="password" required autocomplete="off";
                p .hint { "It is kept for this agent and never shown again." }
                button type="submit" { "Save" }
            }
        }
    }
}

/// How calls come here from a number that stays where it is.
fn forwarding() -> Markup {
    html! {
        details .card {
            summary { "Keep the number that you have: forward it" }
            p { "Have your own line forward calls to a number above. The codes are the usual ones; your telephone company may have others. " strong { "Try it" } ": call your own number, and the call appears on Today." }
            div .scroll tabindex="0" role="region" aria-label="Codes for forwarding" {
                table {
                    thead { tr { th scope="col" { "Line" } th scope="col" { "When nobody answers" } th scope="col" { "Always" } th scope="col" { "Off" } } }
                    tbody {
                        tr { th scope="row" { "Mobile (GSM, UK, T-Mobile)" } td { code { "**61*number#" } } td { code { "**21*number#" } } td { code { "##002#" } } }
                        tr { th scope="row" { "Verizon" } td { code { "*71number" } } td { code { "*72number" } } td { code { "*73" } } }
                        tr { th scope="row" { "Landline (US)" } td { code { "*92number" } } td { code { "*72number" } } td { code { "*73" } } }
                    }
                }
            }
        }
    }
}

/// What the buttons send.
#[derive(Debug, Deserialize)]
struct Wired {
    agent: Uuid,
}

async fn connect(
    State(state): State<Arc<AppState>>,
    PageViewer(viewer): PageViewer,
    Path(sid): Path<String>,
    Form(form): Form<Wired>,
) -> Response {
    let store = &state.owners.store;
    let access: AgentAccess<Maintain> = match access(store, &viewer, form.agent).await {
        Ok(access) => access,
        Err(response) => return response,
    };
    done(numbers::connect(&state, &viewer, &access, &sid).await)
}

async fn restore(
    State(state): State<Arc<AppState>>,
    PageViewer(viewer): PageViewer,
    Path(sid): Path<String>,
    Form(form): Form<Wired>,
) -> Response {
    let store = &state.owners.store;
    let access: AgentAccess<Maintain> = match access(store, &viewer, form.agent).await {
        Ok(access) => access,
        Err(response) => return response,
    };
    done(numbers::restore(&state, &viewer, &access, &sid).await)
}

async fn access<L: Level>(
    store: &crate::store::Store,
    viewer: &crate::store::people::Viewer,
    agent: Uuid,
) -> Result<AgentAccess<L>, Response> {
    store.access(viewer, Object::Agent(agent)).await.map_err(|refused| errors::refused(&refused))
}

fn done(result: Result<(), Problem>) -> Response {
    match result {
        Ok(()) => Redirect::to("/numbers").into_response(),
        Err(problem) => errors::problem(&problem),
    }
}

/// What the form for credentials sends.
#[derive(Deserialize)]
struct Credentials {
    account_sid: String,
    auth_token: String,
}

async fn account(
    State(state): State<Arc<AppState>>,
    PageViewer(viewer): PageViewer,
    Path(agent): Path<Uuid>,
    Form(form): Form<Credentials>,
) -> Response {
    let store = &state.owners.store;
    let access: AgentAccess<Own> = match access(store, &viewer, agent).await {
        Ok(access) => access,
        Err(response) => return response,
    };
    let (sid, token) = (form.account_sid.trim(), form.auth_token.trim());
    let is_sid = sid.len() == 34
        && sid.starts_with("AC")
        && sid.bytes().skip(2).all(|byte| byte.is_ascii_hexdigit());
    if !is_sid {
        let why =
            "The account SID is AC and 32 digits or letters from a to f. Nothing was changed.";
        return errors::problem(&Problem::invalid("account_sid", why));
    }
    if !(16..=200).contains(&token.len()) || !token.is_ascii() {
        let why = "The auth token is 32 digits or letters. Nothing was changed.";
        return errors::problem(&Problem::invalid("auth_token", why));
    }
    let token = Private::new(token.to_owned());
    if let Err(error) = store.set_twilio_account(&access, sid, &token).await {
        return errors::store(&error);
    }
    state.directory.refresh(Some(agent), None).await;
    let entry = AuditEntry::of(&viewer, "credentials.change").agent(agent);
    if let Err(error) = store.note_deed(&entry.object("agent", agent)).await {
        return errors::store(&error);
    }
    Redirect::to("/numbers").into_response()
}
