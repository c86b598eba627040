//! What was changed, as a table of before and after.

use maud::{Markup, html};
use serde_json::Value;

use super::agent::label;
use crate::web::editing::diff::FieldChange;

/// The longest value that is shown whole, in characters.
const VALUE_MAX: usize = 600;

/// The fields that differ.
pub(super) fn table(changes: &[FieldChange]) -> Markup {
    html! {
        @if changes.is_empty() {
            p .quiet { "Nothing is other than before." }
        } @else {
            div .scroll tabindex="0" role="region" aria-label="What was changed" {
                table {
                    thead { tr { th scope="col" { "What" } th scope="col" { "Before" } th scope="col" { "After" } } }
                    tbody {
                        @for change in changes {
                            tr {
                                th scope="row" { (name(&change.field)) }
                                td { (shown(&change.before)) }
                                td { (shown(&change.after)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What owners call a field; under it what programs do, where that says more.
fn name(field: &str) -> Markup {
    let last = field.rsplit('.').next().unwrap_or(field);
    html! {
        @match label(field) {
            Some("Opening hours") => { "Opening hours: " (last) }
            Some(label) => (label),
            None => code { (field) },
        }
    }
}

/// A value, as owners read it.
pub(super) fn shown(value: &Value) -> Markup {
    let cut = |text: &str| {
        let short: String = text.chars().take(VALUE_MAX).collect();
        if short.len() < text.len() { format!("{short}…") } else { short }
    };
    html! {
        @match value {
            Value::Null => span .quiet { "not set" },
            Value::Bool(true) => "yes",
            Value::Bool(false) => "no",
            Value::Number(number) => (number),
            Value::String(text) if text.is_empty() => span .quiet { "empty" },
            Value::String(text) => (cut(text)),
            Value::Array(items) if items.is_empty() => "closed",
            Value::Array(_) | Value::Object(_) => code { (cut(&value.to_string())) },
        }
    }
}
