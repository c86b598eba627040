//! Fields of forms, with what was wrong with them.

use maud::{Markup, html};

use super::plain::plain;
use crate::web::invalid::Invalid;

/// What is wrong with this field.
fn fault<'a>(name: &str, invalid: &'a [Invalid]) -> Option<&'a str> {
    invalid.iter().find(|invalid| invalid.field == name).map(|invalid| invalid.detail.as_str())
}

/// One line of text, of this type of input.
pub(crate) fn input(
    (kind, name): (&str, &str),
    label: &str,
    value: &str,
    invalid: &[Invalid],
) -> Markup {
    let fault = fault(name, invalid);
    let error = format!("{name}-error");
    html! {
        div {
            label for=(name) { (label) }
            input type=(kind) id=(name) name=(name) value=(value)
                aria-invalid=[fault.map(|_| "true")] aria-describedby=[fault.map(|_| &error)];
            @if let Some(fault) = fault { p .error id=(error) { (label) ": " (plain(fault)) } }
        }
    }
}

/// Several lines of text.
pub(crate) fn area(name: &str, label: &str, value: &str, invalid: &[Invalid]) -> Markup {
    let fault = fault(name, invalid);
    let error = format!("{name}-error");
    html! {
        div {
            label for=(name) { (label) }
            textarea id=(name) name=(name)
                aria-invalid=[fault.map(|_| "true")] aria-describedby=[fault.map(|_| &error)]
                { (value) }
            @if let Some(fault) = fault { p .error id=(error) { (label) ": " (plain(fault)) } }
        }
    }
}

/// A choice of one of these values, each with its words.
pub(crate) fn choice(
    name: &str,
    label: &str,
    values: &[(&str, &str)],
    chosen: &str,
    invalid: &[Invalid],
) -> Markup {
    let fault = fault(name, invalid);
    let error = format!("{name}-error");
    html! {
        div {
            label for=(name) { (label) }
            select id=(name) name=(name)
                aria-invalid=[fault.map(|_| "true")] aria-describedby=[fault.map(|_| &error)] {
                @for (value, words) in values {
                    option value=(value) selected[*value == chosen] { (words) }
                }
            }
            @if let Some(fault) = fault { p .error id=(error) { (label) ": " (plain(fault)) } }
        }
    }
}
