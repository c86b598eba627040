//! What people do with a task where they meet it: tick it, write beside it, answer it, hear it.

use std::sync::Arc;

use crate::web::routing::post;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Router};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::errors;
use super::layout::{Section, Shell};
use crate::store::access::Object;
use crate::store::{NoteChange, TASK_NOTE_CHARACTERS, TaskChange, TaskKind, TaskRow, TaskVerdict};
use crate::web::AppState;
use crate::web::call_filter::WantedCalls;
use crate::web::guard::may;
use crate::web::problem::Problem;
use crate::web::query::Asking;
use crate::web::session::PageRequest;

/// Its route.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new().route("/tasks/{id}", post(mark))
}

/// Where a task is shown: Today, or a call's page; with the query that it was asked with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a> {
    pub(super) call: Option<Uuid>,
    pub(super) query: &'a str,
}

impl Shown<'_> {
    /// Where the forms of a task go.
    fn action(self, task: &TaskRow) -> String {
        format!("/tasks/{}{}", task.id, self.query)
    }
}

/// The button that ticks a task, or takes that back; `word` says which one to who cannot see it.
pub(super) fn tick(task: &TaskRow, word: &str, shown: Shown<'_>) -> Markup {
    let is_done = task.done_us.is_some();
    html! {
        form method="post" action=(shown.action(task)) {
            input type="hidden" name="done" value=(if is_done { "no" } else { "yes" });
            @if let Some(call) = shown.call { input type="hidden" name="call" value=(call); }
            button type="submit" {
                (if is_done { "Not done" } else { "Done" }) span .hidden { ": " (word) }
            }
        }
    }
}

/// What is done with a task: it is ticked; of something that the agent said and nothing shows, with what
/// came of it.
pub(super) fn settle(task: &TaskRow, word: &str, shown: Shown<'_>, may_book: bool) -> Markup {
    if task.kind != TaskKind::Claim || task.done_us.is_some() {
        return tick(task, word, shown);
    }
    let is_booking = task.text.reveal().ends_with(NO_BOOKING);
    let (done, verdict) = match is_booking {
        true => ("It is booked", TaskVerdict::Booked),
        false => ("It is done", TaskVerdict::Done),
    };
    html! {
        @if is_booking && may_book {
            a .button href=(new_booking(task)) { "Book it" span .hidden { ": " (word) } }
        }
        (ends_with(task, (done, verdict), word, shown))
        (ends_with(task, ("Settled otherwise", TaskVerdict::Otherwise), word, shown))
        (ends_with(task, ("It did not say so", TaskVerdict::NotSo), word, shown))
    }
}

/// How the words of a task end whose caller was told of a booking that there is not.
const NO_BOOKING: &str = "but no booking was made.";

/// A button that ticks a task and writes why.
fn ends_with(
    task: &TaskRow,
    (button, verdict): (&str, TaskVerdict),
    word: &str,
    shown: Shown<'_>,
) -> Markup {
    html! {
        form method="post" action=(shown.action(task)) {
            input type="hidden" name="done" value="yes";
            @if let Some(call) = shown.call { input type="hidden" name="call" value=(call); }
            input type="hidden" name="verdict" value=(verdict.word());
            button type="submit" { (button) span .hidden { ": " (word) } }
        }
    }
}

/// The form of a new booking for the caller of a task.
fn new_booking(task: &TaskRow) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("agent", &task.agent_id.to_string());
    query.append_pair("task", &task.id.to_string());
    for (name, value) in [("name", &task.name), ("phone", &task.caller)] {
        if let Some(value) = value {
            query.append_pair(name, value.reveal());
        }
    }
    format!("/bookings/new?{}", query.finish())
}

/// The note of a task, folded.
pub(super) fn note(task: &TaskRow, word: &str, shown: Shown<'_>) -> Markup {
    let note = task.note.as_ref().map(|note| note.reveal().as_str());
    let id = format!("note-{}", task.id);
    html! {
        details .part {
            summary { @if note.is_some() { "Change the note" } @else { "Write a note" } span .hidden { ": " (word) } }
            form method="post" action=(shown.action(task)) {
                @if let Some(call) = shown.call { input type="hidden" name="call" value=(call); }
                label for=(id) { "Note, for all who work here" }
                textarea id=(id) name="note" { (note.unwrap_or_default()) }
                p { button type="submit" { "Save the note" } }
            }
        }
    }
}

/// The answer to a question without one, written where the question is met.
pub(super) fn answer(task: &TaskRow, chosen: Option<Uuid>, shown: Shown<'_>) -> Markup {
    let Some(gap) = task.gap else {
        // One whose question cannot be told apart from others' is answered among them.
        return html! {
            @if task.kind == TaskKind::Gap { a href={ "/knowledge?agent=" (task.agent_id) } { "Answer it" } }
        };
    };
    let id = format!("answer-{}", task.id);
    html! {
        details .part {
            summary { "Answer it" }
            form method="post" action={ "/knowledge/" (task.agent_id) "/answers" } {
                input type="hidden" name="gap" value=(gap);
                input type="hidden" name="back" value=(if shown.call.is_some() { "call" } else { "today" });
                @if let Some(call) = shown.call { input type="hidden" name="call" value=(call); }
                @if let Some(chosen) = chosen { input type="hidden" name="chosen" value=(chosen); }
                label for=(id) { "What the agent is to say" }
                textarea id=(id) name="answer" required {}
                p .hint { "The next call knows it." }
                p { button .main type="submit" { "Save the answer" } }
            }
        }
    }
}

/// The message that the caller left, to be heard here.
pub(super) fn message(task: &TaskRow) -> Markup {
    html! {
        @if task.has_voicemail {
            details .part {
                summary { "Listen" }
                audio controls preload="none" aria-label="The caller's message" data-tells
                    src={ "/api/v1/calls/" (task.call_log_id) "/voicemail" } {}
                (not_fetched())
            }
        }
    }
}

/// What is said, by a script, when a message cannot be played.
pub(super) fn not_fetched() -> Markup {
    html! {
        p .error role="status" hidden {
            "The message can't be fetched now. Try it again later; if that does not help, tell whoever looks \
             after this server."
        }
    }
}

/// What is done with a task.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Mark {
    done: Option<String>,
    note: Option<String>,
    /// Instead of a note: what is said of the task.
    verdict: String,
    /// The call on whose page it is done.
    call: Option<Uuid>,
}

async fn mark(
    PageRequest { state, viewer }: PageRequest,
    Path(id): Path<i64>,
    wanted: Result<Asking<WantedCalls>, Problem>,
    Form(form): Form<Mark>,
) -> errors::Shown {
    let store = &state.owners.store;
    let action = match form.done.as_deref() {
        Some("yes") => "task.done",
        Some(_) => "task.reopen",
        None => "task.note",
    };
    let access = may(&state, &viewer, Object::Task(id), action).await?;
    let note = form.note.as_deref().map(str::trim);
    let length = note.map_or(0, |note| note.chars().count());
    if let Some(note) = note.filter(|_| length > TASK_NOTE_CHARACTERS) {
        let task = store.task(&access, id).await?.ok_or(errors::Fault::NotFound)?;
        let shell = Shell::of(store, viewer, Some(task.agent_id)).await?;
        return Ok(too_long(&shell, &task, (note, length), form.call));
    }
    let done = form.done.as_deref().map(|done| done == "yes");
    let verdict = TaskVerdict::from_word(&form.verdict).map(NoteChange::Verdict);
    let note = verdict.or(note.map(|note| NoteChange::Now(note.to_owned().into())));
    let change = TaskChange { done, note };
    store.mark_task(&access, &viewer, id, &change).await?.ok_or(errors::Fault::NotFound)?;
    let to = back(form.call, wanted.ok());
    let to = match (form.call, done) {
        (None, Some(true)) => saved(&to, &id.to_string()),
        _ => to,
    };
    Ok(Redirect::to(&to).into_response())
}

/// An address of Today that says what was done there.
pub(super) fn saved(address: &str, what: &str) -> String {
    let mark = if address.contains('?') { '&' } else { '?' };
    format!("{address}{mark}saved={what}")
}

/// A note that is too long, as it was typed, to be shortened and saved.
fn too_long(
    shell: &Shell,
    task: &TaskRow,
    (note, length): (&str, usize),
    call: Option<Uuid>,
) -> Response {
    let query = format!("?agent={}", task.agent_id);
    let shown = Shown { call, query: &query };
    let body = html! {
        h1 { "The note was not saved" }
        p .error #note-error role="alert" {
            "It has " (length) " characters, and a note may have " (TASK_NOTE_CHARACTERS) ". Shorten it and save it again."
        }
        form method="post" action=(shown.action(task)) {
            @if let Some(call) = call { input type="hidden" name="call" value=(call); }
            label for="note" { "Note, for all who work here" }
            textarea #note name="note" rows="12" aria-invalid="true" aria-describedby="note-error" { (note) }
            p { button .main type="submit" { "Save the note" } }
        }
    };
    let page = shell.page(Some(Section::Today), "Not saved", &body);
    (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
}

/// Where somebody was, as they had it: the agent that is chosen, and what calls were looked for by.
fn back(call: Option<Uuid>, wanted: Option<Asking<WantedCalls>>) -> String {
    let wanted = wanted.map(|Asking(wanted)| wanted).unwrap_or_default();
    match call {
        Some(call) => format!("/calls/{call}{}", wanted.query(&[])),
        None => {
            let agent = wanted.agent().ok().flatten();
            agent.map_or("/".to_owned(), |agent| format!("/?agent={agent}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_comes_back_to_where_one_was() {
        let some = |text: &str| Some(text.to_owned());
        let call = Uuid::from_u128(1);
        let agent = "00000000-0000-0000-0000-000000000007";
        let wanted = || {
            let (agent, words) = (some(agent), some("//evil.example & more"));
            Some(Asking(WantedCalls { agent, words, ..WantedCalls::default() }))
        };
        assert_eq!(back(None, None), "/");
        assert_eq!(back(None, wanted()), format!("/?agent={agent}"));
        let expected = format!("/calls/{call}?agent={agent}&words=%2F%2Fevil.example+%26+more");
        assert_eq!(back(Some(call), wanted()), expected);
        let odd = Asking(WantedCalls { agent: some("//evil.example"), ..WantedCalls::default() });
        assert_eq!(back(None, Some(odd)), "/");
    }
}
