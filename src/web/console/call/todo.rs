//! What there is to do because of a call.

use maud::{Markup, html};

use crate::store::TaskRow;
use crate::web::console::tasks::{self, Shown};
use crate::web::console::words::{self, capital};

/// The tasks, to be ticked. `may_book`: whoever looks may book, and answer questions.
pub(super) fn list(tasks: &[TaskRow], shown: Shown<'_>, may_book: bool) -> Markup {
    html! {
        @if !tasks.is_empty() {
            h2 { "To do" }
            ul .list {
                @for task in tasks {
                    @let is_done = task.done_us.is_some();
                    li .row {
                        div .grow {
                            span class=(class(task)) { (capital(words::task(task).1)) } " " bdi { (words::said_of(task)) }
                            @if let Some(note) = &task.note { div .quiet { "Note: " bdi { (note.reveal()) } } }
                        }
                        @if is_done { span .badge.good { "done" } }
                        (tasks::settle(task, words::task(task).1, shown, may_book))
                        div .parts {
                            @if may_book && !is_done { (tasks::answer(task, None, shown)) }
                            (tasks::note(task, words::task(task).1, shown))
                        }
                    }
                }
            }
        }
    }
}

fn class(task: &TaskRow) -> &'static str {
    match (task.done_us, task.urgency) {
        (None, 3) => "badge bad",
        (None, 2) => "badge warn",
        _ => "badge",
    }
}
