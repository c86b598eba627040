//! `/setup/{id}/call`: the end of the set-up. What works now and what is missing; the agent waits for a
//! first call, and the page says when it came. Somebody who keeps their own number reads here how it is
//! forwarded.

use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::ending::Given;
use crate::agent::phone_number::{is_withheld, readable};
use crate::agent::{Agent, Status};
use crate::clock;
use crate::store::access::{Inspect, Object};
use crate::store::setup::ArrivedCall;
use crate::web::console::errors::{Fault, Shown};
use crate::web::console::layout::Shell;
use crate::web::console::{assets, time};
use crate::web::session::PageRequest;
use crate::web::speech;

/// How often the page is loaded again that has no script, in seconds.
const REFRESH_SECONDS: u32 = 5;

/// What the page is asked with.
#[derive(Debug, Deserialize)]
pub(super) struct Since {
    /// Calls since then count, in seconds since the Unix epoch.
    since: Option<i64>,
}

/// The latest second that one may wait from: of the year 9999.
const LATEST: i64 = 253_402_207_200;

/// To the end of the set-up, where a call is waited for from now on.
pub(super) fn from_now(agent: Uuid) -> Response {
    let now = clock::unix_now().as_secs();
    Redirect::to(&format!("/setup/{agent}/call?since={now}")).into_response()
}

pub(super) async fn page(
    PageRequest { state, viewer }: PageRequest,
    Path(id): Path<Uuid>,
    Query(wanted): Query<Since>,
) -> Shown {
    let store = &state.owners.store;
    let access = store.access::<Inspect>(&viewer, Object::Agent(id)).await?;
    let Some(since) = wanted.since else { return Ok(from_now(id)) };
    let call = store.call_since(&access, since.clamp(0, LATEST) * 1_000_000).await?;
    let given = store.answers(&access).await?;
    let answers = given.iter().filter(|answer| answer.is_known).count();
    let waiting = given.len() - answers;
    let row = store.agent_to_inspect(&access).await?.ok_or(Fault::NotFound)?;
    let is_reached = call.is_some()
        || store.call_since(&access, 0).await?.is_some()
        || !store.wirings(&access).await?.is_empty();
    let shell = Shell::of(store, viewer, Some(id)).await?;
    let agent = Agent::new(row);
    let seen = shell.agents.find(id);
    let number = seen.and_then(|agent| agent.number.as_deref()).map(str::trim);
    let number = number.filter(|number| !number.is_empty());
    let speech = speech::trouble(&state).await;
    let given = Given { agent: &agent, number, is_reached, speech, answers, waiting };
    let takes_calls = agent.status == Status::Active && !agent.unavailable;
    let waits = number.filter(|_| takes_calls);
    let head = html! {
        @if waits.is_some() {
            @if call.is_none() { noscript { meta http-equiv="refresh" content=(REFRESH_SECONDS); } }
            script src=(assets::WAIT.path) defer {}
        }
    };
    let body = html! {
        h1 { bdi { (seen.map_or("The agent", |agent| agent.business.as_str())) } " is set up" }
        p .zone { "What works now, and what would be good to have." }
        @if let Some(number) = waits {
            div #waiting role="status" {
                @match &call {
                    Some(call) => (arrived(&shell, call)),
                    None => (waiting_for_call(number)),
                }
            }
            p #lost .note .warn role="status" hidden { "The connection is lost. Calls are still being answered; this page tries again." }
        }
        (given.list(&shell, id))
        @if let Some(number) = waits { (forwarding(number)) }
    };
    Ok(shell.page_with(None, "Set up", &head, &body))
}

fn waiting_for_call(number: &str) -> Markup {
    html! {
        div .note data-waits="" {
            p { strong { "Waiting for your call…" } }
            p { "Call " a href={ "tel:" (number) } { bdi { (readable(number)) } } " from any telephone. If you forward your own line, call that number from another telephone, and let it ring." }
            p .hint { "This turns green when the call arrives." noscript { " The page looks every " (REFRESH_SECONDS) " seconds." } }
        }
    }
}

fn arrived(shell: &Shell, call: &ArrivedCall) -> Markup {
    let at = time::when(&time::at(call.at_us, &shell.zone()), &shell.now);
    let caller = call.caller.reveal();
    html! {
        div .note .good {
            p { strong { "It works." } " A call arrived " (at) ", from "
                @if caller.is_empty() || is_withheld(caller) { "a withheld number" } @else { bdi { (readable(caller)) } }
                "."
                @if let Some(line) = &call.forwarder { " The line " bdi { (readable(line.reveal())) } " forwarded it." }
            }
            p .actions {
                @if call.is_live { a .button href={ "/live/" (call.id) } { "Follow it" } }
                @else { a .button href={ "/calls/" (call.id) } { "Look at the call" } }
            }
        }
    }
}

/// How calls come from a number that stays where it is. The codes are of lines that many have.
fn forwarding(number: &str) -> Markup {
    let digits: String =
        number.chars().filter(|letter| letter.is_ascii_digit() || *letter == '+').collect();
    let national = digits.strip_prefix("+1").unwrap_or(&digits);
    let lines = [
        (
            "Mobile (GSM, UK, T-Mobile)",
            format!("**61*{digits}#"),
            format!("**21*{digits}#"),
            "##002#",
        ),
        ("Verizon", format!("*71{national}"), format!("*72{national}"), "*73"),
        ("Landline (US)", format!("*92{national}"), format!("*72{national}"), "*93, *73"),
    ];
    html! {
        details .card {
            summary { "Keep the number that you have: forward it" }
            p { "Dial one of these on your own line, and its calls come to the agent. The codes are the usual ones; your telephone company may have others." }
            @for (line, unanswered, always, off) in &lines {
                h2 { (line) }
                dl {
                    dt { "No answer" } dd { code { (unanswered) } }
                    dt { "Always" } dd { code { (always) } }
                    dt { "Off again" } dd { code { (off) } }
                }
            }
        }
    }
}
