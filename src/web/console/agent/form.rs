//! A section's form: its fields with what is stored or was just sent.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::fields::{Field, Kind, Part, pointer};
use super::sent::as_text;
use crate::agent::region::Region;
use crate::web::console::plain::plain;
use crate::web::console::{languages, named_numbers, voices, zones};
use crate::web::problem::{FieldError, Problem};

/// What is said where calls are to be told to another server with the secret of the one before.
const SECRET_AGAIN: &str = "The address is of another server now, which does not get the secret of the one before. \
                            Type a secret here, or tick “Remove it”.";

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
        let mut refused =
            Self { sent, stored: stored.cloned().unwrap_or_default(), ..Self::default() };
        if problem.conflict.is_none() {
            refused.and(problem);
        }
        refused
    }

    /// What else is wrong. Of a field that is known to be wrong, nothing more is said.
    pub(super) fn and(&mut self, problem: &Problem) {
        for FieldError { field, detail } in problem.clone().into_errors() {
            if field.is_empty() || self.errors.iter().all(|(known, _)| *known != field) {
                let why = match field.as_str() {
                    // Nobody sees a mask here.
                    "settings.webhook.secret" if detail.starts_with("a mask") => {
                        SECRET_AGAIN.to_owned()
                    }
                    _ => plain(&detail),
                };
                self.errors.push((field, why));
            }
        }
    }

    /// Why this field was not accepted.
    pub(super) fn why(&self, path: &str) -> Option<&str> {
        let is_it = |field: &str| field.strip_prefix(path).is_some_and(is_end);
        self.errors.iter().find(|(field, _)| is_it(field)).map(|(_, why)| why.as_str())
    }

    /// All that is wrong with this field: with which part of it, and why.
    pub(super) fn faults_of(&self, path: &str) -> impl Iterator<Item = (&str, &str)> {
        self.errors.iter().filter_map(move |(field, why)| {
            let rest = field.strip_prefix(path).filter(|rest| is_end(rest))?;
            Some((rest.trim_start_matches('.'), why.as_str()))
        })
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
        let is_beside = |wrong: &str| {
            let is_of = |path: &str| wrong.strip_prefix(path).is_some_and(is_end);
            is_of(super::fields::SCHEDULE) || part.fields.iter().any(|field| is_of(field.path))
        };
        let other = self.errors.iter().find(|(field, _)| !is_beside(field));
        other.map(|(_, why)| why.as_str())
    }
}

/// Whether a name ends here, or goes on below.
fn is_end(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('.')
}

/// The name of a field's line on its page.
pub(super) fn id_of(field: &Field) -> String {
    field.path.replace('.', "-")
}

/// A field's line in its form.
pub(super) fn line(
    field: &Field,
    document: &Value,
    refused: Option<&Refused>,
    region: Option<Region>,
) -> Markup {
    let stored = document.pointer(&pointer(field.path)).unwrap_or(&Value::Null);
    let why = refused.and_then(|refused| refused.why(field.path));
    let meanwhile = refused.and_then(|refused| refused.stored.get(field.path));
    let id = id_of(field);
    let error = format!("{id}-error");
    let described = why.map(|_| error.as_str());
    let sent = refused.map(|refused| &refused.sent);
    let text = match sent {
        Some(sent) => sent.get(field.path).cloned().unwrap_or_default(),
        None => as_text(field.kind, stored),
    };
    let errors = refused.map(|refused| refused.errors.as_slice()).unwrap_or_default();
    let input = Input { field, id: &id, text: &text, described, stored, sent, errors, region };
    // Beside its row it says more.
    let why =
        why.filter(|_| field.kind != Kind::Numbers || errors.iter().any(|e| e.0 == field.path));
    html! {
        div id=[is_without_id(field.kind).then_some(id.as_str())] {
            (input.control())
            @if !field.hint.is_empty() { p .hint { (field.hint) } }
            @if let Some(why) = why { p .error id=(error) { (why) } }
            @if let Some(stored) = meanwhile {
                p .note.warn { "Stored meanwhile: " (meanwhile_shown(field, stored)) }
            }
        }
    }
}

/// Whether a field's control has not its name: it is several.
fn is_without_id(kind: Kind) -> bool {
    matches!(kind, Kind::Check(_) | Kind::Choice(_) | Kind::Numbers)
}

/// What somebody else wrote meanwhile, as its field shows it.
fn meanwhile_shown(field: &Field, stored: &Value) -> Markup {
    match field.kind {
        Kind::Minutes(_) => html! { (as_text(field.kind, stored)) },
        _ => crate::web::console::changes::shown(stored),
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
    errors: &'a [(String, String)],
    region: Option<Region>,
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
                Kind::Numbers => (self.numbers()),
                Kind::Area => {
                    label for=(id) { (label) }
                    textarea id=(id) name=(path) aria-invalid=[invalid] aria-describedby=[described] { (text) }
                }
                Kind::Number(default) | Kind::Minutes(default) => {
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
                Kind::Language => {
                    label for=(id) { (label) }
                    select id=(id) name=(path) aria-invalid=[invalid] aria-describedby=[described] {
                        (languages::options(if text.is_empty() { languages::FIRST } else { text }))
                    }
                }
                Kind::Line => {
                    label for=(id) { (label) }
                    input id=(id) name=(path) value=(text) type="text" aria-invalid=[invalid] aria-describedby=[described];
                }
            }
        }
    }

    fn numbers(&self) -> Markup {
        let Field { path, label, .. } = self.field;
        let rows = match self.sent {
            Some(sent) => named_numbers::sent(sent, path).unwrap_or_default(),
            None => named_numbers::readable(self.stored),
        };
        let example = Region::example(self.region);
        named_numbers::fields((path, label), &rows, &example, self.errors)
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
