//! The form that calls are looked for with. All of it is in the address.

use jiff::ToSpan as _;
use jiff::civil::Date;
use maud::{Markup, html};

use super::super::layout::Shell;
use super::super::plain::plain;
use super::super::words;
use crate::store::call_list::CallOutcome;
use crate::web::call_filter::WantedCalls;
use crate::web::deeds;
use crate::web::invalid::Invalid;

/// The form, with what was wrong in it; `functions` are those that owners have made.
pub(super) fn form(
    shell: &Shell,
    wanted: &WantedCalls,
    functions: &[String],
    wrong: Option<&Invalid>,
) -> Markup {
    let value = |field: &Option<String>| field.clone().unwrap_or_default();
    let has_more = [&wanted.from, &wanted.to, &wanted.function, &wanted.todo, &wanted.tests]
        .into_iter()
        .any(|field| field.as_ref().is_some_and(|text| !text.is_empty()));
    html! {
        form method="get" action="/calls" {
            @if let Some(agent) = shell.chosen { input type="hidden" name="agent" value=(agent); }
            div .filters {
                (field("words", "Words", "search", &value(&wanted.words), wrong))
                (field("number", "Number, or its last digits", "tel", &value(&wanted.number), wrong))
                div {
                    label for="outcome" { "How it came out" }
                    select #outcome name="outcome" {
                        option value="" { "Any" }
                        @for outcome in CallOutcome::all() {
                            option value=(outcome.word()) selected[wanted.outcome.as_deref() == Some(outcome.word())] {
                                (words::choice(outcome))
                            }
                        }
                    }
                }
                button type="submit" .main { "Find" }
            }
            details open[has_more || wrong.is_some()] {
                summary { "Time and more" }
                p .actions {
                    @for (name, from, to) in times(shell) {
                        a .button href=(address(wanted, &from, &to)) { (name) }
                    }
                }
                div .filters {
                    (field("from", "From", "date", &value(&wanted.from), wrong))
                    (field("to", "To", "date", &value(&wanted.to), wrong))
                    (function_choice(&value(&wanted.function), functions, wrong))
                }
                label .check {
                    input type="checkbox" name="todo" value="true" checked[wanted.todo.as_deref() == Some("true")];
                    "With something to do"
                }
                label .check {
                    input type="checkbox" name="tests" value="true" checked[wanted.tests.as_deref() == Some("true")];
                    "Show test calls"
                }
            }
        }
        @if let Some(wrong) = wrong {
            p .error #wrong role="alert" { (name_of(wrong.field)) ": " (plain(&wrong.detail)) }
        }
    }
}

/// What the agent did in the call.
fn function_choice(chosen: &str, functions: &[String], wrong: Option<&Invalid>) -> Markup {
    let is_wrong = wrong.is_some_and(|wrong| wrong.field == "function");
    let chosen = chosen.trim();
    let own = functions.iter().map(String::as_str).filter(|name| !deeds::is_known(name));
    // One of a bookmark may be gone since.
    let is_known =
        chosen.is_empty() || deeds::is_known(chosen) || functions.iter().any(|name| name == chosen);
    html! {
        div {
            label for="function" { "What the agent did" }
            select #function name="function"
                aria-invalid=[is_wrong.then_some("true")] aria-describedby=[is_wrong.then_some("wrong")] {
                option value="" { "Anything" }
                @for (name, words) in deeds::all() {
                    option value=(name) selected[name == chosen] { (words) }
                }
                @for name in own {
                    option value=(name) selected[name == chosen] { (deeds::done(name)) }
                }
                @if !is_known { option value=(chosen) selected { (deeds::done(chosen)) } }
            }
        }
    }
}

fn field(name: &str, label: &str, kind: &str, value: &str, wrong: Option<&Invalid>) -> Markup {
    let is_wrong = wrong.is_some_and(|wrong| wrong.field == name);
    html! {
        div {
            label for=(name) { (label) }
            input #(name) name=(name) type=(kind) value=(value)
                aria-invalid=[is_wrong.then_some("true")] aria-describedby=[is_wrong.then_some("wrong")];
        }
    }
}

/// Spans of time that are chosen often: their name, first and last day.
fn times(shell: &Shell) -> [(&'static str, String, String); 4] {
    let today = shell.now.date();
    let before = |days: i64| today.checked_sub(days.days()).unwrap_or(Date::MIN).to_string();
    [
        ("Today", today.to_string(), String::new()),
        ("Yesterday", before(1), before(1)),
        ("7 days", before(6), String::new()),
        ("30 days", before(29), String::new()),
    ]
}

fn address(wanted: &WantedCalls, from: &str, to: &str) -> String {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let wanted = WantedCalls { from: some(from), to: some(to), ..wanted.clone() };
    format!("/calls{}", wanted.query(&[]))
}

/// A field's name on the page.
fn name_of(field: &str) -> &str {
    match field {
        "number" => "Number",
        "from" => "From",
        "to" => "To",
        "words" => "Words",
        "function" => "What the agent did",
        "outcome" => "How it came out",
        "todo" => "With something to do",
        "tests" => "Show test calls",
        "after" => "The place in the list",
        other => other,
    }
}

/// That nothing was found, and what to leave out so that something may be.
pub(super) fn nothing(wanted: &WantedCalls) -> Markup {
    let given: Vec<(&str, &str)> = wanted.pairs().filter(|(name, _)| *name != "agent").collect();
    html! {
        p { "No calls match." }
        @if !given.is_empty() {
            p .actions {
                @for (name, value) in &given {
                    a .button href={ "/calls" (without(wanted, name)) } { "Remove " (said(name, value)) }
                }
            }
        }
    }
}

/// What a filter says, in an owner's words.
fn said(name: &str, value: &str) -> String {
    match (name, CallOutcome::from_word(value)) {
        ("outcome", Some(outcome)) => format!("“{}”", words::choice(outcome)),
        ("todo", _) => "“with something to do”".to_owned(),
        ("tests", _) => "“test calls”".to_owned(),
        // A name in it has its own quotation marks.
        ("function", _) if deeds::is_known(value) => format!("“{}”", deeds::done(value)),
        ("function", _) => deeds::done(value),
        _ => format!("{} “{value}”", name_of(name).to_lowercase()),
    }
}

fn without(wanted: &WantedCalls, name: &str) -> String {
    let mut less = wanted.clone();
    let fields = [
        ("from", &mut less.from),
        ("to", &mut less.to),
        ("outcome", &mut less.outcome),
        ("number", &mut less.number),
        ("words", &mut less.words),
        ("function", &mut less.function),
        ("todo", &mut less.todo),
        ("tests", &mut less.tests),
    ];
    fields.into_iter().filter(|(field, _)| *field == name).for_each(|(_, value)| *value = None);
    less.query(&[])
}
