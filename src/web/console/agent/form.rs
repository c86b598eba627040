//! A section's form: its fields with what is stored or was just sent, and what was sent as a change.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::fields::{Field, Kind, Part, pointer};
use crate::agent::edit::mask::MASK;
use crate::web::console::plain::plain;
use crate::web::console::{voices, zones};
use crate::web::problem::Problem;

/// What a form sent, by the names of its fields; of several with one name the last.
pub(in crate::web::console) type Sent = BTreeMap<String, String>;

/// What is shown beside a form: what was sent and why it was not accepted.
#[derive(Debug, Default)]
pub(super) struct Refused {
    /// What was sent.
    pub(super) sent: Sent,
    /// The fields that are wrong, and why.
    pub(super) errors: Vec<(String, String)>,
    /// Whether nothing is wrong: what was sent is only shown once more, to look at before it is saved.
    pub(super) is_draft: bool,
    /// What somebody else wrote meanwhile, by field.
    pub(super) stored: Map<String, Value>,
}

impl Refused {
    /// What was sent, and why it was not accepted.
    pub(super) fn of(sent: Sent, problem: &Problem) -> Self {
        let stored = problem.conflict.as_ref().and_then(|conflict| conflict["stored"].as_object());
        let error = || {
            let field = problem.field.clone().unwrap_or_default();
            (field, plain(problem.detail.as_deref().unwrap_or_default()))
        };
        Self {
            sent,
            stored: stored.cloned().unwrap_or_default(),
            errors: problem.conflict.is_none().then(error).into_iter().collect(),
            is_draft: false,
        }
    }

    /// Why this field was not accepted.
    fn why(&self, path: &str) -> Option<&str> {
        let is_it = |field: &str| {
            field.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.errors.iter().find(|(field, _)| is_it(field)).map(|(_, why)| why.as_str())
    }

    /// What is wrong with the hours, as their editor names its fields.
    pub(super) fn hours(&self) -> Vec<(String, String)> {
        let of_hours = self.errors.iter().filter_map(|(field, why)| {
            let day = field.strip_prefix(super::fields::SCHEDULE)?;
            Some((day.trim_start_matches('.').to_owned(), why.clone()))
        });
        of_hours.collect()
    }

    /// Why nothing was saved, where that is about none of these fields.
    pub(super) fn why_not(&self, part: &Part) -> Option<&str> {
        let is_beside = part.fields.iter().any(|field| self.why(field.path).is_some());
        let (field, why) = self.errors.first()?;
        (!is_beside && !field.starts_with(super::fields::SCHEDULE)).then_some(why)
    }
}

/// A field's line in its form.
pub(super) fn line(field: &Field, document: &Value, refused: Option<&Refused>) -> Markup {
    let stored = document.pointer(&pointer(field.path)).unwrap_or(&Value::Null);
    let why = refused.and_then(|refused| refused.why(field.path));
    let meanwhile = refused.and_then(|refused| refused.stored.get(field.path));
    let id = field.path.replace('.', "-");
    let error = format!("{id}-error");
    let described = why.map(|_| error.as_str());
    let sent = refused.map(|refused| &refused.sent);
    let text = match sent {
        Some(sent) => sent.get(field.path).cloned().unwrap_or_default(),
        None => as_text(field.kind, stored),
    };
    let input = Input { field, id: &id, text: &text, described, stored, sent };
    html! {
        div {
            (input.control())
            @if !field.hint.is_empty() { p .hint { (field.hint) } }
            @if let Some(why) = why { p .error id=(error) { (why) } }
            @if let Some(stored) = meanwhile {
                p .note.warn { "Stored meanwhile: " (crate::web::console::changes::shown(stored)) }
            }
        }
    }
}

/// What a line is made of.
struct Input<'a> {
    field: &'a Field,
    id: &'a str,
    text: &'a str,
    described: Option<&'a str>,
    stored: &'a Value,
    sent: Option<&'a Sent>,
}

impl Input<'_> {
    fn control(&self) -> Markup {
        let Self { field: Field { path, label, kind, .. }, id, text, described, .. } = self;
        let invalid = described.map(|_| "true");
        html! {
            @match kind {
                Kind::Check(_) => {
                    label .check {
                        input type="checkbox" name=(path) value="yes" checked[*text == "yes"];
                        (label)
                    }
                }
                Kind::Choice(choices) => {
                    fieldset {
                        legend { (label) }
                        @for (value, meaning) in *choices {
                            label .check {
                                input type="radio" name=(path) value=(value) checked[text == value];
                                (meaning)
                            }
                        }
                    }
                }
                Kind::Greeting => (self.greeting()),
                Kind::Secret => (self.secret()),
                Kind::Area | Kind::Numbers => {
                    label for=(id) { (label) }
                    textarea id=(id) name=(path) aria-invalid=[invalid] aria-describedby=[described] { (text) }
                }
                Kind::Number(default) => {
                    label for=(id) { (label) }
                    input id=(id) name=(path) value=(text) placeholder=(default) inputmode="numeric"
                        type="text" aria-invalid=[invalid] aria-describedby=[described];
                }
                Kind::Zone => {
                    label for=(id) { (label) }
                    select id=(id) name=(path) aria-invalid=[invalid] aria-describedby=[described] { (zones::options(text)) }
                }
                Kind::Voice => {
                    label for=(id) { (label) }
                    select id=(id) name=(path) aria-invalid=[invalid] aria-describedby=[described] {
                        (voices::options(if text.is_empty() { voices::FIRST } else { text }))
                    }
                }
                Kind::Line => {
                    label for=(id) { (label) }
                    input id=(id) name=(path) value=(text) type="text" aria-invalid=[invalid] aria-describedby=[described];
                }
            }
        }
    }

    fn greeting(&self) -> Markup {
        let Self { field, id, text, described, .. } = self;
        let name = format!("{}.kind", field.path);
        let kind = match (self.sent, self.stored) {
            (Some(sent), _) => sent.get(&name).map_or("", String::as_str),
            (None, Value::String(words)) if words.trim().is_empty() => "none",
            (None, Value::String(_)) => "words",
            (None, _) => "own",
        };
        let choices = [
            ("own", "Its own words, with the name of the business"),
            ("words", "These words, as they stand"),
            ("none", "None: the caller speaks first"),
        ];
        html! {
            fieldset {
                legend { (field.label) }
                @for (value, meaning) in choices {
                    label .check {
                        input type="radio" name=(name) value=(value) checked[kind == value];
                        (meaning)
                    }
                }
                label for=(id) { "The words" }
                textarea id=(id) name=(field.path) aria-describedby=[*described] { (text) }
            }
        }
    }

    fn secret(&self) -> Markup {
        let Self { field, id, described, stored, .. } = self;
        html! {
            label for=(id) { (field.label) }
            input id=(id) name=(field.path) type="password" autocomplete="off" aria-describedby=[*described];
            @if stored.is_null() {
                p .hint { "Nothing is set." }
            } @else {
                p .hint { "One is set. It is not shown; leave this empty to keep it." }
                label .check {
                    input type="checkbox" name={ (field.path) ".remove" } value="yes";
                    "Remove it"
                }
            }
        }
    }
}

/// A stored value as its form shows it.
fn as_text(kind: Kind, stored: &Value) -> String {
    match (kind, stored) {
        (Kind::Check(default), stored) => {
            let is_on = stored.as_bool().unwrap_or(default);
            if is_on { "yes".to_owned() } else { String::new() }
        }
        (Kind::Choice(choices), stored) => {
            stored.as_str().or(choices.first().map(|(value, _)| *value)).unwrap_or("").to_owned()
        }
        (Kind::Numbers, Value::Object(numbers)) => {
            let lines = numbers
                .iter()
                .map(|(name, number)| format!("{name}: {}", number.as_str().unwrap_or_default()));
            lines.collect::<Vec<_>>().join("\n")
        }
        (Kind::Secret, _) | (_, Value::Null) => String::new(),
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}

/// What a form changes of the document: the fields that are other than what is stored.
pub(super) fn change(part: &Part, sent: &Sent, document: &Value) -> Map<String, Value> {
    let mut change = Map::new();
    for field in part.fields {
        let stored = document.pointer(&pointer(field.path)).unwrap_or(&Value::Null);
        if let Some(value) = changed(field, sent, stored) {
            put(&mut change, field.path, value);
        }
    }
    change
}

/// The value of a field, if it is another one.
fn changed(field: &Field, sent: &Sent, stored: &Value) -> Option<Value> {
    let text = sent.get(field.path).map(|text| text.replace("\r\n", "\n")).unwrap_or_default();
    let text = text.trim();
    // What is only shown in another way is no change.
    let is_as_shown = text == as_text(field.kind, stored).trim();
    let value = match field.kind {
        Kind::Greeting => match sent.get(&format!("{}.kind", field.path)).map(String::as_str) {
            Some("none") => json!(""),
            Some("words") if is_as_shown => return None,
            Some("words") if !text.is_empty() => json!(text),
            _ => Value::Null,
        },
        Kind::Secret => {
            let removes = sent.contains_key(&format!("{}.remove", field.path));
            match (removes, text.is_empty()) {
                (true, _) => Value::Null,
                // A mask that is typed would keep what is stored.
                (false, true) => json!(MASK),
                (false, false) => json!(text),
            }
        }
        _ if is_as_shown => return None,
        // What is shown where nothing is stored is no change.
        Kind::Voice if stored.is_null() && text == voices::FIRST => return None,
        Kind::Line | Kind::Area | Kind::Choice(_) | Kind::Zone | Kind::Voice if text.is_empty() => {
            Value::Null
        }
        Kind::Line | Kind::Area | Kind::Choice(_) | Kind::Zone | Kind::Voice => json!(text),
        Kind::Check(_) => json!(text == "yes"),
        Kind::Number(_) if text.is_empty() => Value::Null,
        Kind::Number(_) => serde_json::from_str::<serde_json::Number>(text)
            .map_or_else(|_| json!(text), Value::Number),
        Kind::Numbers => numbers(text, stored),
    };
    let keeps = value == MASK || &value == stored;
    (!keeps).then_some(value)
}

/// Names and numbers, one pair a line. Names that are not there any more are removed.
fn numbers(text: &str, stored: &Value) -> Value {
    let mut numbers: Map<String, Value> = stored
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| (name.clone(), Value::Null))
        .collect();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        // A line without a name is refused by its number.
        let (name, number) = line.split_once([':', '=']).unwrap_or((line, ""));
        numbers.insert(name.trim().to_owned(), json!(number.trim()));
    }
    Value::Object(numbers)
}

/// Puts a value at its path.
pub(super) fn put(change: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => drop(change.insert(path.to_owned(), value)),
        Some((first, rest)) => {
            let below = change.entry(first).or_insert_with(|| json!({}));
            if let Value::Object(below) = below {
                put(below, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fields::part;
    use super::*;

    fn sent(pairs: &[(&str, &str)]) -> Sent {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn only_what_differs_is_changed() {
        let messages = part("messages").unwrap();
        let document = json!({"settings": {
            "transfer": {"targets": {"sales": "+44 20 7946 0958", "old": "+442079460959"}},
            "webhook": {"url": "https://x.example", "secret": "s"},
        }});
        let form = sent(&[
            ("settings.transfer.targets", "sales: +44 20 7946 0958\r\nnew: 020 7946 0960"),
            ("settings.fallback.kind", "voicemail"),
            ("settings.fallback.message", "Please call\r\nlater."),
            ("settings.webhook.url", "https://x.example"),
            ("settings.webhook.secret", ""),
            ("settings.limits.concurrent_calls", "five"),
        ]);
        assert_eq!(
            Value::Object(change(messages, &form, &document)),
            json!({"settings": {
                "transfer": {"targets":
                    {"sales": "+44 20 7946 0958", "old": null, "new": "020 7946 0960"}},
                "fallback": {"message": "Please call\nlater."},
                "limits": {"concurrent_calls": "five"},
            }})
        );
    }

    #[test]
    fn the_first_words_are_own_given_or_none() {
        let greeting = part("greeting").unwrap();
        for (stored, kind, words, expected) in [
            (json!("Hello"), "words", "Hello", Value::Null),
            (json!("Hello"), "none", "Hello", json!({"settings": {"greeting": ""}})),
            (json!("Hello"), "own", "Hello", json!({"settings": {"greeting": null}})),
            (Value::Null, "own", "", Value::Null),
            (Value::Null, "words", "Hi", json!({"settings": {"greeting": "Hi"}})),
            (json!(""), "none", "", Value::Null),
        ] {
            let document = json!({"name": "A", "settings": {"greeting": stored}});
            let form = sent(&[
                ("name", "A"),
                ("settings.interruptions.allow", "yes"),
                ("settings.greeting.kind", kind),
                ("settings.greeting", words),
            ]);
            let changed = change(greeting, &form, &document);
            let changed = if changed.is_empty() { Value::Null } else { Value::Object(changed) };
            assert_eq!(changed, expected, "{stored} {kind} {words}");
        }
    }
}
