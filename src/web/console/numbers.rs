//! `/numbers`: where each number's calls go, and how they come here.

mod by_hand;

use std::sync::Arc;

use crate::web::routing::{get, post};
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Router};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::errors::Shown;
use super::layout::{Section, Shell};
use crate::agent::phone_number::readable;
use crate::private::Private;
use crate::store::access::{Maintain, Object, Own, Role};
use crate::web::AppState;
use crate::web::guard::may;
use crate::web::numbers::account::{NewAccount, use_own, use_servers};
use crate::web::numbers::{self, AccountNumbers, Listed, NumberItem};
use crate::web::session::PageRequest;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .route("/numbers", get(page))
        .route("/numbers/{sid}/connect", post(connect))
        .route("/numbers/{sid}/restore", post(restore))
        .route("/agents/{id}/number", post(by_hand::written))
        .route("/agents/{id}/twilio", post(account))
        .route("/agents/{id}/twilio/server", post(servers_account))
}

/// What the page is asked with.
#[derive(Debug, Deserialize)]
struct Wanted {
    /// One agent's alone.
    #[serde(default, deserialize_with = "crate::web::query::empty_is_none")]
    agent: Option<Uuid>,
    /// Those behind this agent.
    #[serde(default, deserialize_with = "crate::web::query::empty_is_none")]
    after: Option<Uuid>,
    /// What was done just now.
    #[serde(default)]
    done: String,
}

async fn page(PageRequest { state, viewer }: PageRequest, Query(wanted): Query<Wanted>) -> Shown {
    let shell = Shell::of(&state.owners.store, viewer, wanted.agent).await?;
    let listed = numbers::page_of(&state, &shell.viewer, &shell.listed(), wanted.after).await?;
    let body = body(&state, &shell, &wanted, &listed);
    Ok(shell.page(Some(Section::Numbers), "Numbers", &body))
}

/// What was done just now.
fn notice(done: &str) -> Markup {
    let trial = "It is a trial: only telephones that were verified at Twilio can call. Upgrade it in \
                 Twilio's console before customers call.";
    let lacks = "The agent's number is not on it: its calls are not taken any more. Connect one of \
                 the account's own numbers.";
    html! {
        @if done.starts_with("account") {
            p .note .good role="status" { "Twilio accepts the account, and the agent uses it now." }
            @if done.contains("-trial") { p .note .warn { (trial) } }
            @if done.contains("-lacks") { p .note .bad { (lacks) } }
        }
        @if done == "server" {
            p .note .good role="status" { "The agent uses the server's Twilio account again." }
        }
        @if done == "connected" { p .note .good role="status" { "Calls to the number come here now." } }
        @if done == "written" {
            p .note .good role="status" { "The number is kept. Calls come here once Twilio sends them here." }
        }
        @if done == "none" {
            p .note .good role="status" { "The agent has no number now: no call reaches it. Connect one, or write one by hand, and it answers again." }
        }
        @if done == "restored" { p .note .good role="status" { "Calls to the number go where they went before." } }
    }
}

fn body(state: &AppState, shell: &Shell, wanted: &Wanted, listed: &Listed) -> Markup {
    let accounts = &listed.accounts;
    html! {
        h1 { "Numbers" }
        (notice(&wanted.done))
        p { "A call to a number goes where Twilio is told. Connect a number, and its calls come here; what it did before is kept, and can be put back." }
        @if accounts.is_empty() {
            p .empty { "You have no agent whose number you may change. " a href="/setup" { "Set one up" } ", or ask the owner." }
        }
        @for account in accounts { (of_account(account, shell.viewer.is_admin())) }
        @if let Some(last) = listed.next {
            p .note { "These are the numbers of " (accounts.len()) " agents; you have more. " a href={ "/numbers?after=" (last) } { "Show the next ones" } }
        }
        (forwarding(accounts.iter().any(|account| account.answers.is_some())))
        details {
            summary { "For whoever looks after Twilio" }
            p { "Voice URL (POST): " code { (state.public_url.join("/twilio/voice")) } }
            p { "Status callback: " code { (state.public_url.join("/twilio/status")) } }
        }
    }
}

fn of_account(account: &AccountNumbers, is_admin: bool) -> Markup {
    let agent = &account.agent;
    html! {
        section .card aria-labelledby={ "a-" (agent.id) } {
            h2 id={ "a-" (agent.id) } { bdi { (agent.business) } }
            p .quiet { @if account.is_own { "Its own Twilio account" } @else { "The Twilio account of this server" } }
            @if let Some(typed) = &agent.typed_number {
                p .note .warn {
                    bdi { (readable(typed)) } " was typed in for this agent. Its calls do not come to the agent: "
                    @if is_admin { "connect it below if it is the agent's." }
                    @else { "ask whoever runs this server to connect it, or enter your own Twilio account below." }
                }
            }
            @match &account.numbers {
                Err(error) => p .note .bad { (numbers::words(error)) },
                Ok(numbers) if numbers.is_empty() => p {
                    "The account has no number that you may connect."
                    @if !account.is_own && !is_admin { " Whoever runs this server gives an agent a number of this account." }
                },
                Ok(numbers) => ul .list { @for number in numbers { (row(account, number)) } },
            }
            @if let (Some(answers), None) = (&account.answers, &agent.typed_number) { p { "It answers " strong { (readable(answers)) } "." } }
            (by_hand::form(account, is_admin))
            @if agent.role >= Role::Owner { (credentials(agent.id, account.is_own)) }
        }
    }
}

fn row(account: &AccountNumbers, number: &NumberItem) -> Markup {
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
    let is_here = number.calls_go == "here";
    let can_connect = number.calls_go != "no_calls" && !(is_here && number.agent.is_some());
    let is_taken = matches!(number.calls_go, "elsewhere" | "application" | "trunk");
    let answers = account.answers.as_ref().filter(|answers| **answers != number.number);
    html! {
        li {
            div .row {
                span .grow { strong { (readable(&number.number)) } " " span class={ "badge " (badge) } { (words) } }
                div .actions {
                    @if can_connect {
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
            @if let Some(answers) = answers.filter(|_| can_connect) {
                p .hint { "This agent answers " bdi { (readable(answers)) } " now. It answers one number: once this one is connected, callers of " bdi { (readable(answers)) } " do not reach it any more." }
            }
        }
    }
}

/// The forms for an account's credentials, which are never shown.
fn credentials(agent: Uuid, is_own: bool) -> Markup {
    html! {
        details {
            summary { "Use another Twilio account" }
            form method="post" action={ "/agents/" (agent) "/twilio" } autocomplete="off" {
                label for={ "sid-" (agent) } { "Account SID" }
                input id={ "sid-" (agent) } name="account_sid" required pattern="AC[0-9a-fA-F]{32}" spellcheck="false";
                p .hint { "AC and 32 digits or letters from a to f, on the first page of Twilio's console." }
                label for={ "token-" (agent) } { "Auth token" }
                input id={ "token-" (agent) } name="auth_token" type="password" required autocomplete="off";
                p .hint { "Twilio is asked before the account is used. The token is kept encrypted if the server has a key, and never shown again." }
                label .check { input type="checkbox" name="gives_number_up" value="yes"; " Use it all the same if the agent's number is not on it" }
                p .actions { button type="submit" { "Use this account" } }
            }
            @if is_own {
                form method="post" action={ "/agents/" (agent) "/twilio/server" } {
                    p .hint { "Or go back to the account of this server. The token that is stored here is deleted." }
                    p .actions { button type="submit" { "Use the server's account again" } }
                }
            }
        }
    }
}

/// How calls come here from a number that stays where it is.
fn forwarding(has_number: bool) -> Markup {
    html! {
        details .card {
            summary { "Keep the number that you have: forward it" }
            p {
                @if has_number { "Have your own line forward calls to a number above." }
                @else { "An agent needs a number first: connect one above. Then have your own line forward calls to it." }
                " The codes are the usual ones; your telephone company may have others. " strong { "Try it" } ": call your own number, and the call appears on Today."
            }
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
    PageRequest { state, viewer }: PageRequest,
    Path(sid): Path<String>,
    Form(form): Form<Wired>,
) -> Shown {
    let access =
        may::<Maintain>(&state, &viewer, Object::Agent(form.agent), "number.connect").await?;
    numbers::connect(&state, &viewer, &access, &sid).await?;
    Ok(done("connected"))
}

async fn restore(
    PageRequest { state, viewer }: PageRequest,
    Path(sid): Path<String>,
    Form(form): Form<Wired>,
) -> Shown {
    let access =
        may::<Maintain>(&state, &viewer, Object::Agent(form.agent), "number.restore").await?;
    numbers::restore(&state, &viewer, &access, &sid).await?;
    Ok(done("restored"))
}

fn done(what: &str) -> Response {
    Redirect::to(&format!("/numbers?done={what}")).into_response()
}

/// What the form for credentials sends.
#[derive(Deserialize)]
struct Credentials {
    account_sid: String,
    auth_token: String,
    gives_number_up: Option<String>,
}

async fn account(
    PageRequest { state, viewer }: PageRequest,
    Path(agent): Path<Uuid>,
    Form(form): Form<Credentials>,
) -> Shown {
    let access = may::<Own>(&state, &viewer, Object::Agent(agent), "credentials.change").await?;
    let wanted = NewAccount {
        sid: form.account_sid.trim().to_owned(),
        token: Private::new(form.auth_token.trim().to_owned()),
        gives_number_up: form.gives_number_up.is_some(),
    };
    let notes = use_own(&state, &viewer, &access, &wanted).await?;
    let trial = if notes.is_trial { "-trial" } else { "" };
    let lacks = if notes.lacks_number { "-lacks" } else { "" };
    Ok(done(&format!("account{trial}{lacks}")))
}

async fn servers_account(
    PageRequest { state, viewer }: PageRequest,
    Path(agent): Path<Uuid>,
) -> Shown {
    let access = may::<Own>(&state, &viewer, Object::Agent(agent), "credentials.remove").await?;
    use_servers(&state, &viewer, &access).await?;
    Ok(done("server"))
}
