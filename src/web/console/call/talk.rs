//! What was said, line by line: heard, not heard, and done in between.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::Value;

use super::timeline::{Entry, Run, Said, What};
use crate::store::call_page::Passage;
use crate::web::console::time::tenths;
use crate::web::console::words::short;
use crate::web::deeds;

/// The most that is shown of what a function was given or gave, in characters.
const VALUE_CHARACTERS: usize = 2_000;

/// What lines refer to.
pub(super) struct Around<'a> {
    /// Where the recording is, if there is one that can be gone to a place in.
    pub(super) recording: Option<&'a str>,
    /// The passages that answers were given, as far as they are still kept.
    pub(super) passages: &'a [Passage],
    /// Whether it is a test: the page that it is made on finds the lines by their names.
    pub(super) is_test: bool,
}

/// The lines.
pub(super) fn lines(entries: &[Entry], around: &Around<'_>) -> Markup {
    html! {
        ol .list.talk {
            @for entry in entries {
                li .row data-at=[at(entry, around)] data-line=[entry.name.as_ref().filter(|_| around.is_test)] {
                    span .at { (place(entry, around)) }
                    (line(&entry.what, around))
                }
            }
        }
    }
}

/// The time that the player goes by, in seconds.
fn at(entry: &Entry, around: &Around<'_>) -> Option<String> {
    let at_ms = entry.at_ms.filter(|_| around.recording.is_some())?;
    let is_said = matches!(entry.what, What::Caller(_) | What::Agent(_));
    is_said.then(|| format!("{}.{:03}", at_ms / 1000, at_ms % 1000))
}

fn place(entry: &Entry, around: &Around<'_>) -> Markup {
    let Some(at_ms) = entry.at_ms else { return html! {} };
    match (at(entry, around), around.recording) {
        (Some(at), Some(recording)) => html! {
            a href={ (recording) "#t=" (at) } aria-label={ "Play from " (clock(at_ms)) } { (clock(at_ms)) }
        },
        _ => html! { (clock(at_ms)) },
    }
}

/// `0:07`, `12:40`, `1:02:03`.
pub(super) fn clock(ms: u64) -> String {
    let seconds = ms / 1000;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

fn line(what: &What, around: &Around<'_>) -> Markup {
    match what {
        What::Caller(words) if words.is_empty() => {
            html! { div .grow { b { "Caller" } " " span .quiet { "(not understood)" } } }
        }
        What::Caller(words) => html! { div .grow { b { "Caller" } " " bdi { (words) } } },
        What::Keys(keys) => html! { div .grow { b { "Caller" } " pressed " (keys) } },
        What::Agent(said) => agent(said, around),
        What::Function(run) => function(run),
        What::Note(text) => html! { div .grow.quiet { (text) } },
    }
}

fn agent(said: &Said, around: &Around<'_>) -> Markup {
    html! {
        div .grow {
            b { "Agent" } " " bdi { (said.heard) }
            @if !said.unheard.is_empty() {
                " " span .hidden { "Not heard: " } del { bdi { (said.unheard) } }
            }
            @if said.is_interrupted { " " span .badge { "interrupted" } }
            @if around.is_test {
                // Nobody who talks with the agent leaves the page to read what it knew.
                @for id in &said.passages { (passage_in_place(*id, around)) }
            } @else if !said.passages.is_empty() {
                div .quiet {
                    "Passages given to the assistant: "
                    @for (place, id) in said.passages.iter().enumerate() {
                        @if place > 0 { ", " }
                        (passage_link(*id, around))
                    }
                }
            }
        }
        @if let Some(ms) = said.answer_ms {
            span .quiet { span .hidden { "answered after " } (tenths(ms)) }
        }
    }
}

fn passage_link(id: i64, around: &Around<'_>) -> Markup {
    match around.passages.iter().find(|passage| passage.id == id) {
        Some(passage) => html! { a href={ "#p" (id) } { (name(passage)) } },
        None => html! { "a passage that is not kept any more" },
    }
}

fn passage_in_place(id: i64, around: &Around<'_>) -> Markup {
    let passage = around.passages.iter().find(|passage| passage.id == id);
    html! {
        @match passage {
            Some(passage) => details .quiet data-behind {
                summary { "Passage given to the assistant: " (name(passage)) }
                p { bdi { (passage.text) } }
            },
            None => div .quiet data-behind { "A passage that the assistant was given is not kept any more." },
        }
    }
}

fn name(passage: &Passage) -> String {
    match passage.title.trim() {
        "" => format!("passage {}", passage.id),
        title => format!("“{title}”"),
    }
}

fn function(run: &Run) -> Markup {
    let outcome = match run.is_ok {
        Some(true) => "done",
        Some(false) => "failed",
        None => "did not end",
    };
    let has_values = !run.arguments.is_null() || !run.result.is_null();
    let head = html! {
        (deed(run)) " " span class=(if run.is_ok == Some(true) { "badge" } else { "badge warn" }) { (outcome) }
        @if let Some(ms) = run.took_ms { " " span .quiet { (tenths(ms)) } }
    };
    html! {
        div .grow {
            @if has_values {
                details data-behind {
                    summary { (head) }
                    pre { (value(&run.arguments)) }
                    @if !run.result.is_null() { p { "What came of it:" } pre { (value(&run.result)) } }
                }
            } @else { (head) }
        }
    }
}

/// What a function did or was to do, in an owner's words. A model may have made its name up.
fn deed(run: &Run) -> Markup {
    let is_done = run.is_ok == Some(true);
    html! { bdi { (if is_done { deeds::done(&run.name) } else { deeds::tried(&run.name) }) } }
}

/// A value as text, shortened.
fn value(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    };
    short(&text, VALUE_CHARACTERS)
}

/// What the answers' passages say, once each.
pub(super) fn passages(entries: &[Entry], passages: &[Passage]) -> Markup {
    let mut used: BTreeMap<i64, &Passage> = BTreeMap::new();
    for entry in entries {
        let What::Agent(said) = &entry.what else { continue };
        let found = said.passages.iter();
        let found = found.filter_map(|id| passages.iter().find(|passage| passage.id == *id));
        used.extend(found.map(|passage| (passage.id, passage)));
    }
    html! {
        @if !used.is_empty() {
            h2 { "Passages given to the assistant" }
            ul .list {
                @for (id, passage) in used {
                    li id={ "p" (id) } { b { (name(passage)) } " " bdi { (passage.text) } }
                }
            }
        }
    }
}
