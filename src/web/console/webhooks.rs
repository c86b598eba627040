//! `/webhooks`: what owners' servers were told of calls.

use std::collections::HashMap;
use std::sync::Arc;

use crate::web::routing::{get, post};
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect};
use axum::{Form, Router};
use maud::{Markup, html};
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use super::errors::{Fault, Shown};
use super::layout::{Section, Shell};
use super::time;
use crate::post_call::webhook::COMPLETED;
use crate::store::access::{Object, Role};
use crate::store::people::Viewer;
use crate::store::wirings::DeliveryRow;
use crate::web::AppState;
use crate::web::guard::may;
use crate::web::lists::cut;
use crate::web::session::PageRequest;
use crate::web::webhooks::{try_webhook, warning};

/// Tries of a page. A call that is not taken is tried some thirty times in its day.
const TRIES: i64 = 100;
/// What is kept of a try that was answered with another status than those that count; its badge says so.
const ANSWERED: &str = "webhook: answered ";
/// Agents whose webhook may be tested from the page.
const AGENTS: usize = 50;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .route("/webhooks", get(page))
        .route("/webhooks/test", post(test))
        .route("/webhooks/{id}/redeliver", post(redeliver))
}

/// What the page is asked with.
#[derive(Debug, Deserialize)]
struct Wanted {
    #[serde(default, deserialize_with = "crate::web::query::empty_is_none")]
    agent: Option<Uuid>,
    #[serde(default, deserialize_with = "crate::web::query::empty_is_none")]
    after: Option<i64>,
    /// What was just done here.
    #[serde(default)]
    done: String,
}

async fn page(PageRequest { state, viewer }: PageRequest, Query(wanted): Query<Wanted>) -> Shown {
    let told = html! {
        @match wanted.done.as_str() {
            "again" => p .note.good role="status" { "It is sent again now. Look at this page in a minute for the answer." },
            "nowhere" => p .note.warn role="status" { "Nothing is sent: no address is set. Write one, and send it again." },
            _ => {},
        }
    };
    show(&state, viewer, &wanted, &told).await
}

/// The page, with what was just done.
async fn show(state: &AppState, viewer: Viewer, wanted: &Wanted, told: &Markup) -> Shown {
    let store = &state.owners.store;
    let shell = Shell::of(store, viewer, wanted.agent).await?;
    let rows = store.deliveries(&shell.listed(), wanted.after, TRIES + 1).await?;
    let mut told_to = Vec::new();
    for agent in shell.listed().at_least(Role::Maintainer).list().iter().take(AGENTS) {
        let known = state.directory.by_id(agent.id).await;
        if let Some(webhook) = known.as_ref().and_then(|agent| agent.settings.webhook.as_ref()) {
            told_to.push(ToldTo {
                agent: agent.id,
                business: agent.business.clone(),
                place: place(&webhook.url),
                warning: warning(&state.services.function_services.egress, webhook),
            });
        }
    }
    let body = html! {
        h1 { "Webhooks" }
        p .zone {
            "What your other program was told when a call ended. What it does not take is sent again by \
             itself, for a day. Times in " (shell.zone_name()) "."
        }
        (told)
        (testing(&shell, &told_to))
        (deliveries(&shell, (rows, !told_to.is_empty())))
    };
    Ok(shell.page(Some(Section::Webhooks), "Webhooks", &body))
}

/// Whose calls are told, and where.
struct ToldTo {
    agent: Uuid,
    business: String,
    place: String,
    warning: Option<String>,
}

/// An address without what may be secret in it.
fn place(url: &str) -> String {
    match Url::parse(url) {
        Ok(url) => format!("{}{}", url.origin().ascii_serialization(), url.path()),
        Err(_) => String::new(),
    }
}

/// Where calls are told, and the form that posts a test.
fn testing(shell: &Shell, told_to: &[ToldTo]) -> Markup {
    html! {
        @for to in told_to {
            @if told_to.len() == 1 || to.warning.is_some() {
                p {
                    @if told_to.len() > 1 { bdi { (to.business) } ": " }
                    "Calls are posted to " code { (to.place) } ". "
                    a href={ "/agents/" (to.agent) "#settings-webhook-url" } { "Change the address" }
                }
                @if let Some(warning) = &to.warning { p .note.warn { (warning) } }
            }
        }
        @if !told_to.is_empty() {
            form .filters method="post" action="/webhooks/test" {
                @if let Some(chosen) = shell.chosen { input type="hidden" name="chosen" value=(chosen); }
                @if let [only] = told_to {
                    input type="hidden" name="agent" value=(only.agent);
                } @else {
                    div {
                        label for="of" { "Whose program" }
                        select #of name="agent" {
                            @for to in told_to { option value=(to.agent) { (to.business) " · " (to.place) } }
                        }
                    }
                }
                button type="submit" { "Send a test" }
            }
        }
    }
}

/// That no call was told of, and where it is said to whom calls are told.
fn nothing_yet(shell: &Shell, is_told: bool) -> Markup {
    let agent = shell.agent().filter(|agent| agent.role >= Role::Maintainer);
    let field = |words: &str| {
        html! {
            @match agent {
                Some(agent) => a href={ "/agents/" (agent.id) "#settings-webhook-url" } { (words) },
                None => (words),
            }
        }
    };
    let setting = "“Tell another program of each call”";
    html! {
        p .empty {
            @if is_told {
                "No call was told of yet. Each call that ends is posted, with its summary, to the address that stands under "
                (field(setting)) "."
            } @else {
                "No call was told of yet. Write the address of your program under " (field(setting))
                " on the page Agent, and each call that ends is posted to it, with its summary."
            }
        }
    }
}

/// The tries of each call together, the call that was tried last first.
fn by_call(rows: Vec<DeliveryRow>) -> Vec<Vec<DeliveryRow>> {
    let mut calls: Vec<Vec<DeliveryRow>> = Vec::new();
    let mut places: HashMap<Uuid, usize> = HashMap::new();
    for row in rows {
        let place = *places.entry(row.call_id).or_insert(calls.len());
        match calls.get_mut(place) {
            Some(tries) => tries.push(row),
            None => calls.push(vec![row]),
        }
    }
    calls
}

fn deliveries(shell: &Shell, (mut rows, is_told): (Vec<DeliveryRow>, bool)) -> Markup {
    let has_more = cut(&mut rows, TRIES);
    let older = rows.last().filter(|_| has_more).map(|row| row.id);
    html! {
        @if rows.is_empty() {
            (nothing_yet(shell, is_told))
        } @else {
            div .scroll tabindex="0" role="region" aria-label="What was told" {
                table .told {
                    thead { tr { th scope="col" { "Call" } th scope="col" { "Answer" } th scope="col" { "Tried" } th scope="col" { "Tried again" } th scope="col" { span .hidden { "Actions" } } } }
                    tbody { @for tries in &by_call(rows) { (one_call(shell, tries)) } }
                }
            }
            @if let Some(older) = older {
                nav .pager aria-label="More deliveries" { a href=(address(shell.chosen, Some(older))) { "Older" } }
            }
        }
    }
}

/// A call's row: what came of the last try, and the tries before it folded below.
fn one_call(shell: &Shell, tries: &[DeliveryRow]) -> Markup {
    let zone = shell.zone();
    let said = |us: i64| time::when(&time::at(us, &zone), &shell.now);
    let now_us = shell.now.timestamp().as_microsecond();
    let Some((last, before)) = tries.split_first() else { return html! {} };
    let may = shell.agents.find(last.agent_id).is_some_and(|one| one.role >= Role::Maintainer);
    html! {
        tr {
            td {
                a href={ "/calls/" (last.call_id) } { "Call" span .hidden { " told of " (said(last.at_us)) } }
                @if shell.agents.list().len() > 1 { " · " bdi { (shell.business(last.agent_id)) } }
                " " code .quiet { (COMPLETED) }
            }
            td data-is="Answer" {
                (answer(last))
                @if !before.is_empty() {
                    details {
                        summary { (before.len()) @if before.len() == 1 { " try before" } @else { " tries before" } }
                        ul { @for one in before { li { time { (said(one.at_us)) } " · try " (one.attempt) " · " (answer(one)) " · " (one.ms) " ms" } } }
                    }
                }
            }
            td data-is="Tried" { time { (said(last.at_us)) } " · try " (last.attempt) " · " (last.ms) " ms" }
            td data-is="Tried again" {
                @match last.next_us {
                    Some(next) if next > now_us => time { (said(next)) },
                    Some(_) => "now",
                    None => {},
                }
            }
            td {
                @if may {
                    form method="post" action={ "/webhooks/" (last.id) "/redeliver" (shell.query()) } { button type="submit" { "Send again" span .hidden { ": the call told of " (said(last.at_us)) } } }
                }
            }
        }
    }
}

/// The page's address, with the agent that is chosen.
fn address(agent: Option<Uuid>, after: Option<i64>) -> String {
    match (agent, after) {
        (None, None) => "/webhooks".to_owned(),
        (Some(agent), None) => format!("/webhooks?agent={agent}"),
        (None, Some(after)) => format!("/webhooks?after={after}"),
        (Some(agent), Some(after)) => format!("/webhooks?agent={agent}&after={after}"),
    }
}

fn answer(row: &DeliveryRow) -> Markup {
    html! {
        @match row.status {
            Some(status) if (200..300).contains(&status) => span .badge .good { "taken (" (status) ")" },
            Some(status) => span .badge .bad { "refused (" (status) ")" },
            None => span .badge .bad { "not reached" },
        }
        @let is_status = |error: &&String| row.status.is_some() && error.starts_with(ANSWERED);
        @if let Some(error) = row.error.as_ref().filter(|error| !is_status(error)) {
            " " span .quiet { (why(error)) }
        }
    }
}

/// Why a server was not told, in an owner's words. What is kept names no address.
fn why(error: &str) -> String {
    let error = error.strip_prefix("webhook: ").unwrap_or(error);
    let words = match error {
        "no connection to a public address of that host" => {
            "no server answers there. Look at the address; it has to be one that is on the internet"
        }
        "no answer in time" => "it was reached, and gave no answer in time",
        "the connection broke" => "it broke the connection, or is no web server",
        "too many requests at once" => "too many were on their way at once. Try again",
        "the request is too large" => "the call is too large to be told",
        "the row cannot be read" => "what is kept of the call cannot be read",
        "the address cannot be used" => {
            "the address is none. Write a whole one, such as https://example.com/calls"
        }
        _ if error.starts_with("redirected") => {
            "it sends on to another address. Write the address that it sends on to"
        }
        _ => error,
    };
    words.to_owned()
}

async fn redeliver(
    PageRequest { state, viewer }: PageRequest,
    Path(id): Path<i64>,
    Query(wanted): Query<Wanted>,
) -> Shown {
    let store = &state.owners.store;
    let access = may(&state, &viewer, Object::Delivery(id), "webhook.redeliver").await?;
    if !store.redeliver(&access, &viewer, id).await? {
        return Err(Fault::NotFound);
    }
    let known = state.directory.by_id(access.agent_id()).await;
    let is_told = known.is_some_and(|agent| agent.settings.webhook.is_some());
    let done = if is_told { "again" } else { "nowhere" };
    let join = if wanted.agent.is_some() { '&' } else { '?' };
    let page = address(wanted.agent, None);
    Ok(Redirect::to(&format!("{page}{join}done={done}")).into_response())
}

/// What the form of a test sends.
#[derive(Debug, Deserialize)]
struct Tested {
    agent: Uuid,
    /// The agent that is chosen above the page.
    #[serde(default, deserialize_with = "crate::web::query::empty_is_none")]
    chosen: Option<Uuid>,
}

async fn test(PageRequest { state, viewer }: PageRequest, Form(sent): Form<Tested>) -> Shown {
    let trial = try_webhook(&state, &viewer, sent.agent).await?;
    let took = format!("after {} ms", trial.ms);
    let told = html! {
        @match (&trial.error, trial.status) {
            (None, _) => p .note.good role="status" {
                "Your server took the test " (took) ". Calls that it did not take are sent again by themselves \
                 for a day after they ended; older ones when you press “Send again”."
            },
            (Some(_), Some(status)) => p .note.bad role="alert" {
                "Your server answered with status " (status) " " (took)
                ". It counts as told only with a status from 200 to 299."
            },
            (Some(error), None) => p .note.bad role="alert" { "The test did not reach your server: " (why(error)) "." },
        }
    };
    show(&state, viewer, &Wanted { agent: sent.chosen, after: None, done: String::new() }, &told)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::egress::EgressError;

    #[test]
    fn why_a_server_was_not_told_is_said_in_an_owners_words() {
        for error in [
            EgressError::Unreachable,
            EgressError::TimedOut,
            EgressError::Broken,
            EgressError::Busy,
            EgressError::RequestTooLarge,
        ] {
            let kept = format!("webhook: {error}");
            let said = why(&kept);
            assert!(!said.contains("webhook") && said != error.to_string(), "{kept}: {said}");
        }
        assert!(why("webhook: redirected: to no public address").starts_with("it sends on"));
        assert_eq!(why("webhook: answered 500"), "answered 500");
    }
}
