//! `/numbers`: where each number's calls go, and how they come here.

mod account;
mod by_hand;
mod forwarding;

use std::sync::Arc;
use std::time::Duration;

use crate::web::routing::{get, post};
use account::credentials;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Router};
use forwarding::forwarding;
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::errors::Shown;
use super::layout::{Section, Shell};
use super::plain::plain;
use super::twilio_account::Wrong;
use crate::agent::phone_number::readable;
use crate::clock::within;
use crate::store::access::{Maintain, Object, Role, VisibleAgents};
use crate::store::people::Viewer;
use crate::web::AppState;
use crate::web::guard::may;
use crate::web::numbers::{self, AccountNumbers, Listed, NumberItem};
use crate::web::problem::Problem;
use crate::web::session::PageRequest;

/// How long Twilio may take to list the numbers once more, where something was not done.
const LIST_AGAIN_LIMIT: Duration = Duration::from_secs(3);

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .route("/numbers", get(page))
        .route("/numbers/{sid}/connect", post(connect))
        .route("/numbers/{sid}/restore", post(restore))
        .route("/agents/{id}/number", post(by_hand::written))
        .route("/agents/{id}/twilio", post(account::own))
        .route("/agents/{id}/twilio/server", post(account::servers))
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
    let body = body(&state, &shell, (&wanted, None), &listed);
    Ok(shell.page(Some(Section::Numbers), "Numbers", &body))
}

/// What was sent and not done.
struct Again<'a> {
    /// Of which agent.
    agent: Uuid,
    which: Which<'a>,
    problem: &'a Problem,
}

/// What it was sent with.
enum Which<'a> {
    /// A button, which has nothing to show again.
    Button,
    /// A number that was written by hand, as it was typed.
    Number(&'a str),
    /// A Twilio account.
    Account(&'a Wrong<'a>),
}

impl Again<'_> {
    /// What stands at the top of the page.
    fn told(&self) -> Markup {
        if let Which::Account(wrong) = self.which {
            return account::with_form(self.agent, Some(wrong), |form| wrong.told(form));
        }
        let words = plain(self.problem.detail.as_deref().unwrap_or(&self.problem.title));
        html! {
            p .note.bad role="alert" tabindex="-1" autofocus {
                @if let Which::Number(_) = self.which {
                    strong { "The number is as it was." } " " a href={ "#number-" (self.agent) } { "What you wrote" } ": " (words)
                } @else {
                    (words) @if self.problem.is_unchanged() { " Nothing was changed." }
                }
            }
        }
    }
}

/// The page once more, with what was typed and what was wrong with it. Where Twilio takes long to list the
/// numbers once more, why it was not done alone.
async fn refused(state: &Arc<AppState>, viewer: Viewer, again: &Again<'_>) -> Shown {
    let status = again.problem.status();
    if matches!(status, StatusCode::NOT_FOUND | StatusCode::FORBIDDEN) {
        return Err(again.problem.clone().into());
    }
    let shell = Shell::of(&state.owners.store, viewer, Some(again.agent)).await?;
    let wanted = Wanted { agent: Some(again.agent), after: None, done: String::new() };
    let listed = shell.listed();
    let listing = numbers::page_of(state, &shell.viewer, &listed, None);
    match within(LIST_AGAIN_LIMIT, listing).await {
        Some(Ok(listed)) => {
            let body = body(state, &shell, (&wanted, Some(again)), &listed);
            let page = shell.page(Some(Section::Numbers), "Not done: Numbers", &body);
            Ok((status, page).into_response())
        }
        _ => Err(again.problem.clone().into()),
    }
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

fn body(
    state: &AppState,
    shell: &Shell,
    (wanted, again): (&Wanted, Option<&Again<'_>>),
    listed: &Listed,
) -> Markup {
    let accounts = &listed.accounts;
    html! {
        h1 { "Numbers" }
        (notice(&wanted.done))
        @if let Some(again) = again { (again.told()) }
        p { "A call to a number goes where Twilio is told. Connect a number, and its calls come here; what it did before is kept, and can be put back." }
        @if accounts.is_empty() {
            p .empty { "You have no agent whose number you may change. " a href="/setup" { "Set one up" } ", or ask the owner." }
        }
        @for account in accounts { (of_account(shell, account, again)) }
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

fn of_account(shell: &Shell, account: &AccountNumbers, again: Option<&Again<'_>>) -> Markup {
    let (agent, is_admin) = (&account.agent, shell.viewer.is_admin());
    let which = again.filter(|again| again.agent == agent.id).map(|again| &again.which);
    let wrong_account = match which {
        Some(Which::Account(wrong)) => Some(*wrong),
        _ => None,
    };
    let wrong_number = match which {
        Some(Which::Number(typed)) => again.map(|again| (*typed, again.problem)),
        _ => None,
    };
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
                Ok(numbers) => ul .list { @for number in numbers { (row(shell, account, number)) } },
            }
            @if let (Some(answers), None) = (&account.answers, &agent.typed_number) {
                p { @if account.calls_come() { "It answers " } @else { "Its number is " } strong { (readable(answers)) } "." @if !account.calls_come() { " " span .badge.warn { "not connected yet" } } }
                @if !account.calls_come() { p .hint { "No call has come to it so far, and it is not known that Twilio sends its calls here." } }
            }
            (by_hand::form(account, is_admin, wrong_number))
            @if agent.role >= Role::Owner { (credentials(agent.id, account.is_own, wrong_account)) }
        }
    }
}

fn row(shell: &Shell, account: &AccountNumbers, number: &NumberItem) -> Markup {
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
    let is_its_own = account.answers.as_ref() == Some(&number.number);
    let can_connect = number.calls_go != "no_calls" && !number.is_taken && !(is_here && is_its_own);
    let goes_elsewhere = matches!(number.calls_go, "elsewhere" | "application" | "trunk");
    let answers = account.answers.as_ref().filter(|answers| **answers != number.number);
    html! {
        li {
            div .row {
                span .grow { strong { (readable(&number.number)) } " " span class={ "badge long " (badge) } { (words) } }
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
            @if number.is_taken { p .hint { (taken(&shell.agents, number)) } }
            @if goes_elsewhere && can_connect { p .hint { "Connecting takes the calls away from there. You can put it back here at any time." } }
            @if let Some(answers) = answers.filter(|_| can_connect) {
                p .hint { "This agent answers " bdi { (readable(answers)) } " now. It answers one number: once this one is connected, callers of " bdi { (readable(answers)) } " do not reach it any more." }
            }
        }
    }
}

/// Who has a number that is another agent's, for those who see that agent.
pub(super) fn taken(agents: &VisibleAgents, number: &NumberItem) -> Markup {
    html! {
        @match number.taken_by.and_then(|id| agents.find(id)) {
            Some(other) => {
                a href={ "/agents/" (other.id) } { bdi { (other.business) } } " answers this number. To connect it here, give that agent another one first, or switch it off."
            },
            None => "In use: another agent of this Twilio account answers it.",
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
    match numbers::connect(&state, &viewer, &access, &sid).await {
        Ok(()) => Ok(done("connected")),
        Err(problem) => again(&state, viewer, form.agent, &problem).await,
    }
}

async fn restore(
    PageRequest { state, viewer }: PageRequest,
    Path(sid): Path<String>,
    Form(form): Form<Wired>,
) -> Shown {
    let access =
        may::<Maintain>(&state, &viewer, Object::Agent(form.agent), "number.restore").await?;
    match numbers::restore(&state, &viewer, &access, &sid).await {
        Ok(()) => Ok(done("restored")),
        Err(problem) => again(&state, viewer, form.agent, &problem).await,
    }
}

fn done(what: &str) -> Response {
    Redirect::to(&format!("/numbers?done={what}")).into_response()
}

/// What a button should have done was not done.
async fn again(state: &Arc<AppState>, viewer: Viewer, agent: Uuid, problem: &Problem) -> Shown {
    refused(state, viewer, &Again { agent, which: Which::Button, problem }).await
}
