//! `/live`: who is on the phone now. `/live/{id}`: one call, word by word.
//!
//! The pages are rendered here. A script tells what happens since; without it they are loaded again
//! every few seconds.

use std::sync::Arc;

use crate::web::routing::{get, post};
use axum::extract::Query;
use axum::response::{IntoResponse, Redirect};
use axum::{Form, Router};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::errors::Shown;
use super::layout::{Section, Shell};
use super::overview::OfAgent;
use super::{assets, time};
use crate::agent::phone_number::{is_withheld, readable};
use crate::store::access::{Object, Read};
use crate::store::{EventRow, LiveCall};
use crate::web::AppState;
use crate::web::guard::PageId;
use crate::web::live::take_over::{Offers, OwnPhone, WORDS_MAX, offers};
use crate::web::live::words::{LiveLine, Who, fold};
use crate::web::session::PageRequest;

/// How many events of a call its strip is made of.
const STRIP_EVENTS: i64 = 12;
/// And its own page.
const PAGE_EVENTS: i64 = 2_000;
/// How often a page is loaded again that has no script, in seconds.
const REFRESH_SECONDS: u32 = 5;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .route("/live", get(list))
        .route("/live/{id}", get(one))
        .route("/live/{id}/end", post(end))
        .route("/live/{id}/transfer", post(transfer))
}

/// What such a page has in its head.
fn head() -> Markup {
    html! {
        noscript { meta http-equiv="refresh" content=(REFRESH_SECONDS); }
        script src=(assets::LIVE.path) defer {}
    }
}

/// What the script says when it cannot follow.
fn lost() -> Markup {
    html! {
        p #lost .note.warn role="status" hidden {
            "The connection is lost. Calls are still being answered; this page tries again."
        }
    }
}

/// Who calls, as people read it.
pub(super) fn caller(call: &LiveCall) -> Markup {
    let caller = call.caller.reveal();
    html! {
        @if caller.is_empty() || is_withheld(caller) { "Number withheld" } @else { bdi .tel { (readable(caller)) } }
    }
}

/// How long it has been, counted on by the script.
fn elapsed(call: &LiveCall, now_us: i64) -> Markup {
    let since_ms = call.started_us / 1000;
    html! { span data-since=(since_ms) { (time::length((now_us - call.started_us) / 1_000_000)) } }
}

async fn list(PageRequest { state, viewer }: PageRequest, Query(wanted): Query<OfAgent>) -> Shown {
    let store = &state.owners.store;
    let shell = Shell::of(store, viewer, wanted.agent).await?;
    let agents = shell.listed();
    let now = store.live_calls(&agents).await?;
    let calls: Vec<_> = now.calls.iter().filter(|call| !call.is_test()).collect();
    let listening = &state.owners.listening;
    listening.note_lists(store, &shell.viewer, &agents, &now.calls).await?;
    let ids: Vec<Uuid> = calls.iter().map(|call| call.id).collect();
    let events = store.latest_events(&agents, &ids, STRIP_EVENTS, None).await?;
    let stream = match shell.chosen {
        Some(agent) => format!("/api/v1/live?agent={agent}"),
        None => "/api/v1/live".to_owned(),
    };
    let body = html! {
        h1 { "On the phone now" }
        p .zone { (shell.now.strftime("%a %-d %b · %H:%M")) " (" (shell.zone_name()) ")" }
        (lost())
        // Who sees no agent has nothing to wait for.
        div #live data-stream=[(!agents.list().is_empty()).then_some(stream)] {
            @if calls.is_empty() {
                p .empty { "No one is on the phone. A call appears here as soon as it comes in." }
            } @else {
                ul .list { @for call in &calls { (strip(&shell, call, &events, now.at_us)) } }
            }
        }
    };
    Ok(shell.page_with(Some(Section::Live), "Live", &head(), &body))
}

/// A call in the list: who, how long, what was said last.
fn strip(shell: &Shell, call: &LiveCall, events: &[EventRow], now_us: i64) -> Markup {
    let of_call: Vec<EventRow> =
        events.iter().filter(|event| event.call_log_id == call.id).cloned().collect();
    let (lines, doing) = fold(&of_call);
    let said = lines.iter().rev().find(|line| matches!(line.who, Who::Caller | Who::Agent));
    let agent = shell.agents.find(call.agent_id).filter(|_| shell.agents.list().len() > 1);
    html! {
        li .row data-call=(call.id) {
            div .grow {
                a href={ "/live/" (call.id) } { (caller(call)) }
                " · " (elapsed(call, now_us))
                @if let Some(agent) = agent { " · " (agent.business) }
                p .quiet data-last {
                    @if let Some(line) = said { (who(line.who)) ": " (line.text) }
                }
            }
            span .badge data-doing {
                @if call.is_out { "Put through, or leaving a message" } @else { (doing.as_deref().unwrap_or("Connecting")) }
            }
        }
    }
}

fn who(who: Who) -> &'static str {
    match who {
        Who::Caller => "Caller",
        Who::Agent => "Agent",
        Who::Function => "Function",
        Who::Event => "Call",
    }
}

/// A line of the conversation.
fn spoken(line: &LiveLine) -> Markup {
    html! {
        li data-line=(line.id) {
            strong { (who(line.who)) } " "
            span { (line.text) }
            @if !line.unheard.is_empty() {
                @if line.cut { del { (line.unheard) } } @else { span .quiet { (line.unheard) } }
            }
        }
    }
}

/// What the page of a call is asked with.
#[derive(Debug, Deserialize)]
struct Told {
    /// What was done just now.
    told: Option<String>,
}

async fn one(
    PageRequest { state, viewer }: PageRequest,
    PageId(id): PageId<Uuid>,
    Query(Told { told }): Query<Told>,
) -> Shown {
    let store = &state.owners.store;
    let access = store.access::<Read>(&viewer, Object::Call(id)).await?;
    let offers = offers(&state, store, &viewer, access.agent_id()).await;
    let shell = Shell::of(store, viewer, Some(access.agent_id())).await?;
    let agents = shell.listed();
    let now = store.live_among(&agents, &[id]).await?;
    let events = store.latest_events(&agents, &[id], PAGE_EVENTS, None).await?;
    state.owners.listening.note_watching(store, &shell.viewer, &now.calls).await?;
    let Some(call) = now.calls.iter().find(|call| call.id == id) else {
        // It is over: what came of it is on its own page.
        return Ok(Redirect::to(&format!("/calls/{id}")).into_response());
    };
    let (lines, doing) = fold(&events);
    let body = html! {
        p { a href="/live" { "‹ On the phone now" } }
        h1 { (caller(call)) }
        p .row {
            span .badge #doing {
                @if call.is_out { "Put through, or leaving a message" } @else { (doing.as_deref().unwrap_or("Connecting")) }
            }
            (elapsed(call, now.at_us))
            @if call.is_test() { span .badge.warn { "Test" } }
        }
        (lost())
        div #act data-out=[call.is_out.then_some("yes")] { (act(call, told.as_deref(), offers.as_ref())) }
        h2 #words { "What is said" }
        div role="log" aria-live="polite" aria-labelledby="words" tabindex="0" {
            ol .list #live data-stream={ "/api/v1/live?call=" (id) } data-one=(id) {
                @for line in &lines { (spoken(line)) }
            }
        }
    };
    Ok(shell.page_with(Some(Section::Live), "Live call", &head(), &body))
}

/// What becomes of the call, and what may be done with it: nothing where that is being done, or where the
/// agent is not in the call any more.
fn act(call: &LiveCall, told: Option<&str>, offers: Option<&Offers>) -> Markup {
    let doing = match told {
        Some("end") => Some("The agent says goodbye and hangs up."),
        Some("transfer") => Some("The agent tells the caller, and puts them through."),
        _ => None,
    };
    html! {
        @match (call.is_out, doing, offers) {
            (true, ..) => p .note {
                "The agent is not in this call any more: the caller was put through, or leaves a message. \
                 Should they come back to the agent, it is shown here."
            },
            (false, Some(doing), _) => {
                p .note.good role="status" { (doing) }
                p { a href={ "/live/" (call.id) } { "Do something else" } }
            }
            (false, None, Some(offers)) => (actions(call.id, offers)),
            (false, None, None) => {}
        }
    }
}

/// What may be done with the call.
fn actions(id: Uuid, offers: &Offers) -> Markup {
    let address = format!("/live/{id}/transfer");
    html! {
        section .card aria-label="Take over" {
            @if offers.may_name() { (to_me(&address, &offers.own_phone)) }
            @if !offers.targets.is_empty() {
                form method="post" action=(address) {
                    label for="to" { "Put through to" }
                    div .actions {
                        select #to name="to" {
                            @for target in &offers.targets { option { (target) } }
                        }
                        button type="submit" { "Put through" }
                    }
                }
            }
            @if offers.may_name() {
                details {
                    summary { "Another number" }
                    form method="post" action=(address) {
                        label for="number" { "Telephone number" }
                        input #number name="number" type="tel" autocomplete="off" required;
                        p { button type="submit" { "Put through to this number" } }
                    }
                }
            }
            form method="post" action={ "/live/" (id) "/end" } {
                label for="sentence" { "Last sentence" }
                input #sentence name="words" type="text" maxlength=(WORDS_MAX) aria-describedby="sentence-hint";
                p .hint #sentence-hint { "The agent says it as it stands. Empty: it says goodbye." }
                p { button .bad type="submit" { "End call" } }
            }
        }
    }
}

/// Whoever watches takes the call on their own telephone.
fn to_me(address: &str, phone: &OwnPhone) -> Markup {
    html! {
        @match phone {
            OwnPhone::Known(number) => form method="post" action=(address) {
                input type="hidden" name="me" value="yes";
                p { button .main type="submit" { "Put through to me (" (readable(number.reveal())) ")" } }
            },
            OwnPhone::Missing => p .hint {
                "Write your number under " a href="/account" { "Account" } ", and one tap here brings the call to you."
            },
            OwnPhone::Useless => p .hint {
                "Your number under " a href="/account" { "Account" } " can't take this call: it is not complete, or its calls come to this agent."
            },
        }
    }
}

/// The form that ends a call.
#[derive(Debug, Deserialize)]
struct EndForm {
    words: Option<String>,
}

async fn end(
    PageRequest { state, viewer }: PageRequest,
    PageId(id): PageId<Uuid>,
    Form(form): Form<EndForm>,
) -> Shown {
    state.end_call(&viewer, id, form.words.as_deref()).await?;
    Ok(Redirect::to(&format!("/live/{id}?told=end")).into_response())
}

/// The form that puts a caller through.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TransferForm {
    /// One whom the agent may put callers through to.
    to: String,
    /// Another number.
    number: String,
    /// Their own number.
    me: String,
}

async fn transfer(
    PageRequest { state, viewer }: PageRequest,
    PageId(id): PageId<Uuid>,
    Form(form): Form<TransferForm>,
) -> Shown {
    match (form.me.is_empty(), form.number.is_empty()) {
        (false, _) => state.transfer_to_self(&viewer, id).await?,
        (true, false) => state.transfer_call(&viewer, id, &form.number).await?,
        (true, true) => state.transfer_call(&viewer, id, &form.to).await?,
    }
    Ok(Redirect::to(&format!("/live/{id}?told=transfer")).into_response())
}
