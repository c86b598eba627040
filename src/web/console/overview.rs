//! `/`: what there is to do today.

use std::sync::Arc;
use std::time::Duration;

use crate::web::routing::get;
use axum::Router;
use axum::extract::Query;
use axum::response::{IntoResponse, Redirect};
use jiff::ToSpan as _;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::layout::{Section, Shell};
use super::tasks::{self, Shown};
use super::{errors, paused, time, unfinished, words};
use crate::agent::phone_number::readable;
use crate::private::Private;
use crate::store::access::{Role, VisibleAgent, VisibleAgents};
use crate::store::overview::{Booking, DayCounts, LiveCall};
use crate::store::{OpenTasks, TaskKind, TaskRow};
use crate::web::AppState;
use crate::web::session::PageRequest;

/// How long what was ticked stays on the page, to be taken back.
const DONE_FOR: Duration = Duration::from_secs(24 * 3600);
/// So many of them.
const DONE_MAX: i64 = 20;
/// Agents that are shown because their owner's program takes nothing.
const UNTOLD_MAX: usize = 5;
/// Of so many it is looked at whether their owner's program is still to be told.
const LOOKED_AT_MAX: usize = 50;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new().route("/", get(page)).route("/agents", get(to_agent))
}

/// To the page of the agent that is chosen above it.
async fn to_agent(
    PageRequest { state, viewer }: PageRequest,
    Query(wanted): Query<OfAgent>,
) -> errors::Shown {
    let shell = Shell::of(&state.owners.store, viewer, wanted.agent).await?;
    let agent = shell.agent().map(|agent| format!("/agents/{}", agent.id));
    Ok(Redirect::to(agent.as_deref().unwrap_or("/setup")).into_response())
}

/// What lists are asked with.
#[derive(Debug, Deserialize)]
pub(crate) struct OfAgent {
    /// One agent's alone.
    #[serde(default, deserialize_with = "crate::web::query::empty_is_none")]
    pub(crate) agent: Option<Uuid>,
}

/// What the page is asked with.
#[derive(Debug, Deserialize)]
struct Wanted {
    #[serde(default, deserialize_with = "crate::web::query::empty_is_none")]
    agent: Option<Uuid>,
    /// What was just done here: the id of a task that was ticked, or `answer`.
    #[serde(default)]
    saved: String,
}

/// What the page shows.
struct Today {
    open: OpenTasks,
    done: Vec<TaskRow>,
    live: Vec<LiveCall>,
    bookings: Vec<Booking>,
    yesterday: DayCounts,
    /// Agents whose number nobody has connected, as far as is known.
    not_connected: Vec<Uuid>,
    /// Agents whose owner's server took none of what it was told last.
    untold: Vec<Uuid>,
}

async fn read(state: &AppState, shell: &Shell) -> crate::store::Result<Today> {
    let store = &state.owners.store;
    let agents: VisibleAgents = shell.listed();
    let midnight = |days: i64| {
        let day = shell.now.date().checked_add(days.days()).unwrap_or(shell.now.date());
        let start = day.to_zoned(shell.zone()).map(|start| start.timestamp().as_microsecond());
        start.unwrap_or_default()
    };
    let live = store.calls_on_the_phone(&agents).await?;
    // The words of the first are shown.
    let overheard = live.first().filter(|call| call.words.is_some());
    if let Some(agent) = overheard.and_then(|call| agents.find(call.agent_id)) {
        state.owners.listening.note_list(store, &shell.viewer, agent).await?;
    }
    Ok(Today {
        untold: untold(state, shell).await?,
        open: store.open_tasks(&agents).await?,
        done: store.done_tasks(&agents, DONE_FOR, None, DONE_MAX).await?,
        live,
        bookings: store.bookings_between(&agents, midnight(0), midnight(1)).await?,
        yesterday: store.counts_between(&agents, midnight(-1), midnight(0)).await?,
        not_connected: store.not_connected(&agents).await?,
    })
}

/// Agents whose owner's server took none of what it was told last, and is still to be told.
async fn untold(state: &AppState, shell: &Shell) -> crate::store::Result<Vec<Uuid>> {
    let agents = shell.listed().at_least(Role::Maintainer).of_concern(shell.chosen.is_some());
    let mut untold = Vec::new();
    for agent in state.owners.store.untold(&agents).await?.into_iter().take(LOOKED_AT_MAX) {
        let known = state.directory.by_id(agent).await;
        if known.is_some_and(|agent| agent.settings.webhook.is_some()) {
            untold.push(agent);
        }
    }
    untold.truncate(UNTOLD_MAX);
    Ok(untold)
}

async fn page(
    PageRequest { state, viewer }: PageRequest,
    Query(wanted): Query<Wanted>,
) -> errors::Shown {
    let shell = Shell::of(&state.owners.store, viewer, wanted.agent).await?;
    if shell.agents.list().is_empty() {
        return Ok(shell.page(Some(Section::Today), "Today", &html! {
            h1 { "Welcome" }
            p { "You have no agent yet. It takes about five minutes, and ends with talking to it." }
            (unfinished::none_of_theirs(&state, &shell).await)
            p .actions { a .button .main href="/setup" { "Set one up" } }
            p .hint { "Did you work with an agent here before? Then your access to it has ended: its owner can give it back." }
        }));
    }
    let today = read(&state, &shell).await?;
    Ok(shell.page(Some(Section::Today), "Today", &body(&shell, &today, &wanted.saved)))
}

/// What was just done here, and the way to take it back.
fn saved(shell: &Shell, today: &Today, saved: &str) -> Markup {
    let id: Option<i64> = saved.parse().ok();
    let task = today.done.iter().find(|task| Some(task.id) == id);
    let query = shell.query();
    html! {
        @if let Some(task) = task {
            @let (_, word) = words::task(task);
            div .note.good.row role="status" {
                span .grow { "Saved as done: " (word) ", " (who(task.name.as_ref(), task.caller.as_ref())) "." }
                (tasks::tick(task, word, Shown { call: None, query: &query }))
            }
        } @else if saved == "answer" {
            p .note.good role="status" { "Saved. The next call knows it." }
        }
    }
}

fn body(shell: &Shell, today: &Today, saved: &str) -> Markup {
    let open: usize = today.open.callers.iter().map(|caller| caller.tasks.len()).sum();
    html! {
        h1 { "Today" }
        p .zone { (shell.now.strftime("%a %-d %b · %H:%M")) " (" (shell.zone_name()) ")" }
        (self::saved(shell, today, saved))
        (paused::note(shell, paused::Place::Today))
        (unfinished::go_on(shell, None))
        (without_number(shell, &today.not_connected))
        @for agent in today.untold.iter().filter_map(|agent| shell.agents.find(*agent)) {
            p .note.warn {
                "Calls are answered, but your other program has taken none of the last calls that it was told of for " bdi { (agent.business) } ". "
                a href={ "/webhooks?agent=" (agent.id) } { "See what it answered" }
                ", and send one again once that is mended: this stands here until it takes one."
            }
        }
        @if !today.live.is_empty() { (live(shell, &today.live)) }
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

/// Agents that answer and that nobody can call, or perhaps nobody.
fn without_number(shell: &Shell, not_connected: &[Uuid]) -> Markup {
    let listed = shell.listed();
    let is_answering =
        |agent: &&VisibleAgent| agent.status == "active" && agent.role >= Role::Maintainer;
    let is_one = |agent: &&VisibleAgent| is_answering(agent) && agent.number.is_none();
    let is_other = |agent: &&VisibleAgent| is_answering(agent) && not_connected.contains(&agent.id);
    html! {
        @for agent in listed.list().iter().filter(is_one) {
            p .note.warn {
                "Nobody can call " bdi { (agent.business) } " yet: it has no number. "
                a href={ "/numbers?agent=" (agent.id) } { "Connect one" } "."
            }
        }
        @for agent in listed.list().iter().filter(is_other) {
            p .note {
                "The number of " bdi { (agent.business) } " is not connected yet, as far as is known here: no call has come to it. "
                a href={ "/numbers?agent=" (agent.id) } { "See how calls get here" } "."
            }
        }
    }
}

fn live(shell: &Shell, calls: &[LiveCall]) -> Markup {
    html! {
        div .note .good .row {
            span .grow {
                strong { @if calls.len() == 1 { "1 call now" } @else { (calls.len()) " calls now" } }
                @if let Some(words) = calls.first().and_then(|call| call.words.as_ref()) {
                    " “" (words.reveal()) "”"
                }
            }
            a .button href={ "/live" (shell.query()) } { "Watch" }
        }
    }
}

fn of_caller(shell: &Shell, caller: &crate::store::CallerTasks) -> Markup {
    html! {
        div .row {
            strong .grow { (who(caller.name.as_ref(), caller.caller.as_ref())) }
            (shell.business(caller.agent_id))
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
            (Some(name), Some(number)) => { bdi { (name.reveal()) } " · " span .tel { (readable(number.reveal())) } },
            (Some(name), None) => bdi { (name.reveal()) },
            (None, Some(number)) => span .tel { (readable(number.reveal())) },
            (None, None) => "Number withheld",
        }
    }
}

fn task_row(shell: &Shell, task: &TaskRow) -> Markup {
    let (class, word) = words::task(task);
    let at = time::when(&time::at(task.began_us, &shell.zone()), &shell.now);
    let query = shell.query();
    let shown = Shown { call: None, query: &query };
    let role = shell.agents.find(task.agent_id).map_or(Role::Support, |agent| agent.role);
    let which = format!("{word} {at}");
    html! {
        div .row .task {
            span .grow {
                span class={ "badge " (class) } { (word) } " "
                @if task.text.reveal().is_empty() { span .quiet { "The words were removed." } } @else { (words::said_of(task)) }
                @if let Some(note) = &task.note { br; span .quiet { "Note: " bdi { (note.reveal()) } } }
            }
            a href={ "/calls/" (task.call_log_id) (query) } { time { (at) } }
            div .actions {
                @if task.kind == TaskKind::BookingCheck {
                    a .button href={ "/calls/" (task.call_log_id) "#spoken-of" } { "Check" }
                }
                (tasks::settle(task, &which, shown, role >= Role::Maintainer))
            }
            div .parts {
                (tasks::message(task))
                @if role >= Role::Maintainer { (tasks::answer(task, shell.chosen, shown)) }
                (tasks::note(task, &which, shown))
            }
        }
    }
}

fn bookings(shell: &Shell, bookings: &[Booking]) -> Markup {
    html! {
        h2 { "Bookings today" }
        @if bookings.is_empty() {
            p .quiet { "None. " a href={ "/bookings" (shell.query()) } { "See the coming days" } "." }
        } @else {
            ul .list {
                @for booking in bookings {
                    li .row {
                        strong { (time::at(booking.starts_us, &shell.zone()).strftime("%H:%M").to_string()) }
                        span .grow {
                            a href={ "/bookings/" (booking.id) } { bdi { (booking.name.reveal()) } }
                            @if !booking.service.reveal().is_empty() { " · " bdi { (booking.service.reveal()) } }
                        }
                        (shell.business(booking.agent_id))
                        @if booking.is_extracted { span .badge .warn { "please check" } }
                        (words::booking(&booking.status))
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
            @if counts.calls == 0 { "No calls." }
            @else {
                (counts.calls) @if counts.calls == 1 { " call" } @else { " calls" }
                " · " (counts.answered) " answered · " (counts.put_through) " put through · " (counts.voicemail) " left a recorded message"
            }
            @if counts.seconds > 0 { " · " (time::length(counts.seconds)) " in all" }
        }
    }
}

fn done(shell: &Shell, done: &[TaskRow]) -> Markup {
    let query = shell.query();
    html! {
        details #done {
            summary { "Done in the last day (" (done.len()) ")" }
            ul .list {
                @for task in done {
                    @let (_, word) = words::task(task);
                    li .row {
                        span .grow { (who(task.name.as_ref(), task.caller.as_ref())) ": " del { (word) " " (words::said_of(task)) } }
                        (shell.business(task.agent_id))
                        @if let Some(at) = task.done_us { time .quiet { (time::when(&time::at(at, &shell.zone()), &shell.now)) } }
                        (tasks::tick(task, word, Shown { call: None, query: &query }))
                    }
                }
            }
        }
    }
}
