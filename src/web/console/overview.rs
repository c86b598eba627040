//! `/`: what there is to do today.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use jiff::ToSpan as _;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::layout::{Section, Shell};
use super::{errors, time, unfinished};
use crate::agent::phone_number::readable;
use crate::private::Private;
use crate::store::access::{Object, VisibleAgents};
use crate::store::overview::{Booking, DayCounts, LiveCall};
use crate::store::{OpenTasks, Store, TaskChange, TaskKind, TaskRow};
use crate::web::AppState;
use crate::web::guard::may;
use crate::web::session::PageViewer;

/// How long what was ticked stays on the page, to be taken back.
const DONE_FOR: Duration = Duration::from_secs(24 * 3600);
/// So many of them.
const DONE_MAX: i64 = 20;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new().route("/", get(page)).route("/tasks/{id}", post(mark))
}

/// What lists are asked with.
#[derive(Debug, Deserialize)]
pub(crate) struct OfAgent {
    /// One agent's alone.
    #[serde(default, deserialize_with = "crate::web::query::empty_is_none")]
    pub(crate) agent: Option<Uuid>,
}

/// What the page shows.
struct Today {
    open: OpenTasks,
    done: Vec<TaskRow>,
    live: Vec<LiveCall>,
    bookings: Vec<Booking>,
    yesterday: DayCounts,
}

async fn read(store: &Store, shell: &Shell) -> crate::store::Result<Today> {
    let agents: VisibleAgents = shell.listed();
    let midnight = |days: i64| {
        let day = shell.now.date().checked_add(days.days()).unwrap_or(shell.now.date());
        let start = day.to_zoned(shell.zone()).map(|start| start.timestamp().as_microsecond());
        start.unwrap_or_default()
    };
    Ok(Today {
        open: store.open_tasks(&agents).await?,
        done: store.done_tasks(&agents, DONE_FOR, None, DONE_MAX).await?,
        live: store.calls_on_the_phone(&agents).await?,
        bookings: store.bookings_between(&agents, midnight(0), midnight(1)).await?,
        yesterday: store.counts_between(&agents, midnight(-1), midnight(0)).await?,
    })
}

async fn page(
    State(state): State<Arc<AppState>>,
    PageViewer(viewer): PageViewer,
    Query(wanted): Query<OfAgent>,
) -> Response {
    let store = &state.owners.store;
    let shell = match Shell::of(store, viewer, wanted.agent).await {
        Ok(shell) => shell,
        Err(error) => return errors::store(&error),
    };
    if shell.agents.list().is_empty() {
        return shell.page(Some(Section::Today), "Today", &html! {
            h1 { "Welcome" }
            p { "You have no agent yet. It takes about five minutes, and ends with talking to it." }
            p .actions { a .button .main href="/setup" { "Set one up" } }
        });
    }
    match read(store, &shell).await {
        Ok(today) => shell.page(Some(Section::Today), "Today", &body(&shell, &today)),
        Err(error) => errors::store(&error),
    }
}

fn body(shell: &Shell, today: &Today) -> Markup {
    let open: usize = today.open.callers.iter().map(|caller| caller.tasks.len()).sum();
    html! {
        h1 { "Today" }
        p .zone { (shell.now.strftime("%a %-d %b · %H:%M")) " (" (shell.zone_name()) ")" }
        (unfinished::go_on(shell, None))
        @if !today.live.is_empty() { (live(&today.live)) }
        h2 { "To do" @if open > 0 { " (" (open) @if today.open.more { "+" } ")" } }
        @if today.open.callers.is_empty() {
            p .empty {
                "Nothing to do. "
                @match today.yesterday.calls {
                    0 => "Messages, missed calls and questions without an answer appear here.",
                    1 => "1 call came yesterday.",
                    calls => { (calls) " calls came yesterday." },
                }
            }
        } @else {
            ul .list { @for caller in &today.open.callers { li { (of_caller(shell, caller)) } } }
            @if today.open.more { p .quiet { "There is more: tick these off, and the older ones follow." } }
        }
        (bookings(shell, &today.bookings))
        (yesterday(&today.yesterday))
        @if !today.done.is_empty() { (done(shell, &today.done)) }
    }
}

fn live(calls: &[LiveCall]) -> Markup {
    html! {
        div .note .good .row {
            span .grow {
                strong { @if calls.len() == 1 { "1 call now" } @else { (calls.len()) " calls now" } }
                @if let Some(words) = calls.first().and_then(|call| call.words.as_ref()) {
                    " “" (words.reveal()) "”"
                }
            }
            a .button href="/live" { "Watch" }
        }
    }
}

fn badge(kind: TaskKind) -> (&'static str, &'static str) {
    match kind {
        TaskKind::Urgent => ("bad", "urgent"),
        TaskKind::Message => ("", "message"),
        TaskKind::Voicemail => ("", "voicemail"),
        TaskKind::Missed => ("warn", "missed"),
        TaskKind::TransferUnanswered => ("warn", "not put through"),
        TaskKind::Claim | TaskKind::BookingCheck => ("warn", "please check"),
        TaskKind::Gap => ("", "question"),
        TaskKind::CallFailed => ("bad", "call broke off"),
        TaskKind::FunctionFailed => ("bad", "did not work"),
    }
}

fn of_caller(shell: &Shell, caller: &crate::store::CallerTasks) -> Markup {
    html! {
        div .row {
            strong .grow { (who(caller.name.as_ref(), caller.caller.as_ref())) }
            @if let Some(number) = &caller.caller {
                a .button href={ "tel:" (number.reveal()) } { "Call" span .hidden { " " (number.reveal()) } }
            }
        }
        @for task in &caller.tasks { (task_row(shell, task)) }
    }
}

fn who(name: Option<&Private<String>>, number: Option<&Private<String>>) -> Markup {
    html! {
        @match (name, number) {
            (Some(name), Some(number)) => { bdi { (name.reveal()) } " · " (readable(number.reveal())) },
            (Some(name), None) => bdi { (name.reveal()) },
            (None, Some(number)) => (readable(number.reveal())),
            (None, None) => "Number withheld",
        }
    }
}

fn task_row(shell: &Shell, task: &TaskRow) -> Markup {
    let (class, word) = badge(task.kind);
    let at = time::when(&time::at(task.at_us, &shell.zone()), &shell.now);
    html! {
        div .row .task {
            span .grow {
                span class={ "badge " (class) } { (word) } " "
                @if task.text.reveal().is_empty() { span .quiet { "The words were removed." } } @else { (task.text.reveal()) }
                @if let Some(note) = &task.note { br; span .quiet { "Note: " (note.reveal()) } }
            }
            a href={ "/calls/" (task.call_log_id) } { time { (at) } }
            div .actions {
                @if task.kind == TaskKind::BookingCheck {
                    a .button href={ "/calls/" (task.call_log_id) "#spoken-of" } { "Check" }
                }
                @if task.kind == TaskKind::Gap { a .button href={ "/knowledge?agent=" (task.agent_id) } { "Answer" } }
                form method="post" action={ "/tasks/" (task.id) } {
                    input type="hidden" name="done" value="yes";
                    button type="submit" { "Done" span .hidden { ": " (word) " " (at) } }
                }
            }
        }
    }
}

fn bookings(shell: &Shell, bookings: &[Booking]) -> Markup {
    html! {
        h2 { "Bookings today" }
        @if bookings.is_empty() {
            p .quiet { "None. " a href="/bookings" { "See the coming days" } "." }
        } @else {
            ul .list {
                @for booking in bookings {
                    li .row {
                        strong { (time::at(booking.starts_us, &shell.zone()).strftime("%H:%M").to_string()) }
                        span .grow { bdi { (booking.name.reveal()) } " · " (booking.service.reveal()) }
                        @if booking.is_extracted { span .badge .warn { "please check" } }
                        @if booking.status != "pending" { span .badge { (booking.status) } }
                    }
                }
            }
        }
    }
}

fn yesterday(counts: &DayCounts) -> Markup {
    html! {
        h2 { "Yesterday" }
        p {
            (counts.calls) @if counts.calls == 1 { " call" } @else { " calls" }
            " · " (counts.answered) " answered · " (counts.put_through) " put through · " (counts.voicemail) " left a message"
            @if counts.answered > 0 { " · " (time::length(counts.seconds / counts.answered)) " each" }
        }
    }
}

fn done(shell: &Shell, tasks: &[TaskRow]) -> Markup {
    html! {
        details {
            summary { "Done in the last day (" (tasks.len()) ")" }
            ul .list {
                @for task in tasks {
                    @let (_, word) = badge(task.kind);
                    li .row {
                        span .grow { (who(task.name.as_ref(), task.caller.as_ref())) ": " del { (word) " " (task.text.reveal()) } }
                        @if let Some(at) = task.done_us { time .quiet { (time::when(&time::at(at, &shell.zone()), &shell.now)) } }
                        form method="post" action={ "/tasks/" (task.id) } {
                            input type="hidden" name="done" value="no";
                            button type="submit" { "Not done" span .hidden { ": " (word) } }
                        }
                    }
                }
            }
        }
    }
}

/// What ticking a task sends.
#[derive(Debug, Deserialize)]
struct Mark {
    done: String,
    /// The call on whose page it is ticked.
    #[serde(default)]
    call: Option<Uuid>,
}

async fn mark(
    State(state): State<Arc<AppState>>,
    PageViewer(viewer): PageViewer,
    Path(id): Path<i64>,
    Form(form): Form<Mark>,
) -> Response {
    let store = &state.owners.store;
    let access = match may(&state, &viewer, Object::Task(id), "task.change").await {
        Ok(access) => access,
        Err(refused) => return errors::refused(&refused),
    };
    let change = TaskChange { done: Some(form.done == "yes"), note: None };
    match store.mark_task(&access, &viewer, id, &change).await {
        Ok(Some(_)) => {
            let back = form.call.map_or("/".to_owned(), |call| format!("/calls/{call}"));
            Redirect::to(&back).into_response()
        }
        Ok(None) => errors::not_found(),
        Err(error) => errors::store(&error),
    }
}
