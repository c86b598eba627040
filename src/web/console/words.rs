//! What an owner reads in the place of the words in rows.

use maud::{Markup, html};

use crate::agent::phone_number::{is_withheld, readable};
use crate::store::call_list::CallOutcome;
use crate::store::{TaskKind, TaskRow};

/// A text with a capital.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// A text of at most so many characters; a longer one ends with an ellipsis.
pub(crate) fn short(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// How a call came out, in an owner's words, and the class of its badge.
pub(crate) fn outcome(is_live: bool, status: &str) -> (String, &'static str) {
    if is_live {
        return ("on the phone now".to_owned(), "badge good");
    }
    match CallOutcome::from_word(status) {
        Some(known @ CallOutcome::NoAnswer) => (choice(known).to_owned(), "badge warn"),
        Some(known @ CallOutcome::Failed) => (choice(known).to_owned(), "badge bad"),
        Some(known) => (choice(known).to_owned(), "badge"),
        None if status.is_empty() => ("not known".to_owned(), "badge"),
        None => (status.to_owned(), "badge"),
    }
}

/// The same where calls are chosen by it.
pub(crate) fn choice(outcome: CallOutcome) -> &'static str {
    match outcome {
        CallOutcome::Live => "on the phone now",
        CallOutcome::Completed => "answered",
        CallOutcome::Transferred => "put through",
        CallOutcome::Voicemail => "recorded message",
        CallOutcome::NoAnswer => "missed",
        CallOutcome::Failed => "broke off",
    }
}

/// What kind of thing there is to do, and the class of its badge.
pub(crate) fn task(task: &TaskRow) -> (&'static str, &'static str) {
    match task.kind {
        TaskKind::Urgent => ("bad", "urgent"),
        TaskKind::Message => ("", "message"),
        TaskKind::Voicemail => ("", "recorded message"),
        TaskKind::Missed => ("warn", "missed"),
        TaskKind::TransferUnanswered => ("warn", "nobody took the call"),
        TaskKind::Claim | TaskKind::BookingCheck => ("warn", "please check"),
        TaskKind::Gap if task.done_us.is_some() => ("", "question"),
        TaskKind::Gap => ("", "open question"),
        TaskKind::CallFailed => ("bad", "broke off"),
        TaskKind::FunctionFailed => ("bad", "did not work"),
    }
}

/// What a task says beside its badge, which has said the first word.
pub(crate) fn said_of(task: &TaskRow) -> &str {
    let text = task.text.reveal().as_str();
    let first = match task.kind {
        TaskKind::Urgent => "Urgent: ",
        TaskKind::Message => "Message: ",
        TaskKind::BookingCheck => "Please check: ",
        _ => return text,
    };
    text.strip_prefix(first).filter(|rest| !rest.is_empty()).unwrap_or(text)
}

/// What came of a booking, as a badge; nothing of one that is still to come.
pub(crate) fn booking(status: &str) -> Markup {
    html! {
        @match status {
            "pending" | "" => {},
            "completed" => span .badge.good { "came" },
            "missed" => span .badge.bad { "did not come" },
            "cancelled" => span .badge { "cancelled" },
            other => span .badge { (other) },
        }
    }
}

/// Who calls: their name where they said it, else their number. A stranger gave both.
pub(crate) fn who(name: &str, number: &str) -> Markup {
    html! {
        @if name.is_empty() { (self::number(number)) } @else { bdi { (name) } }
    }
}

/// A caller's number.
pub(crate) fn number(number: &str) -> Markup {
    html! {
        @if is_withheld(number) { "Number withheld" } @else { bdi .tel { (readable(number)) } }
    }
}
