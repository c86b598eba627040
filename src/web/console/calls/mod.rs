//! `/calls`: find a call.

mod filters;

use std::sync::Arc;

use crate::web::routing::get;
use axum::Router;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

use super::layout::{Section, Shell};
use super::{errors, paused, time, words};
use crate::store::StoreError;
use crate::store::access::Role;
use crate::store::call_list::{CALLS_NEAR, CallItem, Toward};
use crate::web::AppState;
use crate::web::call_filter::{Here, PAGE, WantedCalls, cursor};
use crate::web::invalid::Invalid;
use crate::web::iso;
use crate::web::lists::cut;
use crate::web::problem::Problem;
use crate::web::query::Asking;
use crate::web::session::PageRequest;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new().route("/calls", get(page))
}

/// What happened a moment ago.
#[derive(Debug, Default, Deserialize)]
struct Told {
    deleted: Option<String>,
}

async fn page(
    PageRequest { state, viewer }: PageRequest,
    wanted: Result<Asking<WantedCalls>, Problem>,
    told: Result<Query<Told>, QueryRejection>,
) -> errors::Shown {
    let wanted = wanted.map(|Asking(wanted)| wanted).unwrap_or_default();
    let agent = wanted.agent().ok().flatten();
    let shell = Shell::of(&state.owners.store, viewer, agent).await?;
    let functions = state.owners.store.function_names(&shell.listed()).await?;
    let here = Here { zone: shell.zone(), ..Here::of(shell.agent()) };
    let around = Around { shell: &shell, wanted: &wanted, functions: &functions };
    let asked = wanted.filter(&here).and_then(|filter| Ok((filter, wanted.after()?)));
    let (filter, after) = match asked {
        Ok(asked) => asked,
        Err(wrong) => return Ok(refused(&around, &wrong)),
    };
    let toward = after.map_or(Toward::Newest, Toward::Older);
    match state.owners.store.calls(&shell.listed(), &filter, toward, PAGE + 1).await {
        Ok(calls) => {
            let is_deleted = told.is_ok_and(|Query(told)| told.deleted.is_some());
            Ok(found(&around, calls, (is_deleted, filter.number_end.is_some())))
        }
        // A word or a function that few calls have, among very many calls.
        Err(StoreError::Slow(_))
            if filter.words.is_some()
                || filter.function.is_some()
                || filter.number_end.is_some() =>
        {
            Ok(too_many(&around))
        }
        Err(error) => Err(error.into()),
    }
}

/// What every state of the page shows.
struct Around<'a> {
    shell: &'a Shell,
    wanted: &'a WantedCalls,
    /// The functions that owners have made.
    functions: &'a [String],
}

fn frame(around: &Around<'_>, wrong: Option<&Invalid>, list: &Markup) -> Response {
    let Around { shell, wanted, functions } = *around;
    shell.page(
        Some(Section::Calls),
        "Calls",
        &html! {
            h1 { "Calls" }
            p .zone { "A call stands here with the time at which it began. Times are in " (shell.zone_name()) "." }
            (paused::note(shell, paused::Place::Calls))
            (filters::form(shell, wanted, functions, wrong))
            (list)
        },
    )
}

fn refused(around: &Around<'_>, wrong: &Invalid) -> Response {
    let page = frame(around, Some(wrong), &html! {});
    (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
}

fn too_many(around: &Around<'_>) -> Response {
    let page = frame(
        around,
        None,
        &html! {
            p .note.warn role="alert" {
                "There are too many calls to look through at once. Choose a shorter time, or one agent. \
                Calls are still being answered."
            }
        },
    );
    (StatusCode::SERVICE_UNAVAILABLE, page).into_response()
}

fn found(
    around: &Around<'_>,
    mut calls: Vec<CallItem>,
    (is_deleted, is_by_end): (bool, bool),
) -> Response {
    let Around { shell, wanted, .. } = *around;
    let has_more = cut(&mut calls, PAGE);
    let is_first = wanted.after.is_none();
    frame(
        around,
        None,
        &html! {
            @if is_deleted { p .note.good role="status" { "The call was deleted." } }
            @if is_by_end {
                p .hint {
                    "The last digits are looked for in the newest " (CALLS_NEAR) " calls of each agent, or in those up to "
                    "the day under “To”. The whole number finds older ones, too, and lets you take the list with you."
                }
            }
            @if calls.is_empty() {
                div .empty { (empty(shell, wanted)) }
            } @else {
                ul .list { @for call in &calls { (row(shell, wanted, call)) } }
            }
            nav .pager aria-label="More calls" {
                @if is_first { span {} } @else { a href={ "/calls" (wanted.query(&[])) } { "Newest" } }
                @if let Some(last) = calls.last().filter(|_| has_more) {
                    a rel="next" href={ "/calls" (wanted.query(&[("after", &cursor(last.place))])) } { "Older" }
                }
            }
            @if may_export(shell) && !calls.is_empty() && !is_by_end {
                p .quiet {
                    "Take this list with you: "
                    a href={ "/api/v1/calls.csv" (wanted.query(&[])) } download { "table (CSV)" } " · "
                    a href={ "/api/v1/calls.json" (wanted.query(&[])) } download { "all of it (JSON)" }
                }
            }
        },
    )
}

/// Whether any of the listed agents is the viewer's own.
fn may_export(shell: &Shell) -> bool {
    shell.listed().list().iter().any(|agent| agent.role >= Role::Owner)
}

/// A call in a list.
pub(super) fn row(shell: &Shell, wanted: &WantedCalls, call: &CallItem) -> Markup {
    let at = time::at(call.place.started_us, &shell.zone());
    let id = call.place.id;
    let (name, number) = (call.caller_name.reveal(), call.caller.reveal());
    let about = Some(call.title.reveal()).filter(|title| !title.is_empty());
    let about = about.unwrap_or_else(|| call.summary.reveal());
    let address = match call.is_live {
        true => format!("/live/{id}"),
        false => format!("/calls/{id}{}", wanted.query(&[])),
    };
    html! {
        li .row {
            div .grow {
                a href=(address) { strong { (words::who(name, number)) } }
                @if !name.is_empty() { " " span .quiet { (words::number(number)) } }
                @if !about.is_empty() { div { (about) } }
            }
            div { (badges(call)) " " (shell.business(call.agent_id)) }
            div .quiet {
                time datetime=(iso::time(call.place.started_us, &shell.zone())) { (time::when(&at, &shell.now)) }
                @if !call.is_live { " · " (time::length(time::whole_seconds(call.duration_ms))) }
            }
        }
    }
}

/// How it came out, and what there is to know of it.
fn badges(call: &CallItem) -> Markup {
    let (outcome, class) = words::outcome(call.is_live, &call.status);
    let marks = [
        (call.marks.is_urgent, "badge bad", "urgent"),
        (call.marks.has_claim, "badge warn", "check what was said"),
        (call.marks.has_message, "badge", "message"),
        (call.marks.has_booking, "badge", "booking"),
        (call.marks.has_gap, "badge", "open question"),
        (call.marks.has_task, "badge warn", "to do"),
        (call.is_test, "badge", "test"),
    ];
    html! {
        span class=(class) { (outcome) }
        @for (_, class, word) in marks.into_iter().filter(|(is_so, ..)| *is_so) {
            " " span class=(class) { (word) }
        }
    }
}

fn empty(shell: &Shell, wanted: &WantedCalls) -> Markup {
    let is_filtered = wanted.pairs().any(|(name, _)| name != "agent");
    html! {
        @if is_filtered {
            (filters::nothing(wanted))
        } @else if wanted.after.is_some() {
            p { "There are no older calls." }
        } @else if let Some(agent) = shell.agent() {
            p { "No calls yet. They appear here as soon as somebody calls"
                @if let Some(number) = &agent.number { " " (words::number(number)) } "." }
            @if agent.role >= Role::Maintainer {
                p { a href={ "/agents/" (agent.id) "/try" } { "Talk to the agent yourself" } ", or "
                    a href="/numbers" { "connect a number" } "." }
            }
        } @else {
            p { "You have no agent yet. " a href="/setup" { "Set one up" } ": it takes about five minutes." }
        }
    }
}
