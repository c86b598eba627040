//! A form that is filled in during a call. Which value is asked for next, whether one is right, and
//! when the form is handed in is decided here and not by the speech model: each field is asked for
//! and checked by itself, all are read back, and the form is handed in once, after the caller has
//! heard them. What was collected stays while the caller speaks of something else.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use url::Url;

use super::arguments::Parameters;
use super::fault::{Faults, Fields};

/// The argument with which the model says that the caller found everything right.
pub const CONFIRMED: &str = "confirmed";

/// What is told when the caller cannot have heard what they are said to find right.
const NOT_YET: &str = "read it back and wait for the caller's answer first; only then call again \
                       with confirmed";

/// What is told of a form of which nothing was heard since it was handed in.
const NOT_KNOWN: &str = "it was handed in, but whether it arrived is not known; do not call this \
                         again, say neither that it did nor that it did not, and take a message, \
                         so that somebody calls back";

/// How much of a long text is read back, in characters.
const READ_BACK_MAX: usize = 200;

/// A row of type `form`, but for its fields, which are its variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// What it is called.
    pub title: Option<String>,
    /// Where it is handed in; none if it is only kept.
    pub submit_url: Option<Url>,
}

impl Form {
    /// Reads a row's `data`.
    pub(super) fn read(data: &Fields<'_>, faults: &mut Faults) -> Option<Self> {
        let title = match data.get("title") {
            None => None,
            Some(_) => Some(data.text("title", faults)?),
        };
        let submit_url = match data.get("submit_url") {
            None => None,
            Some(_) => {
                Some(data.accept("submit_url", "an http or https URL", faults, |value| {
                    let url = Url::parse(value.as_str()?.trim()).ok()?;
                    matches!(url.scheme(), "http" | "https").then_some(url)
                })?)
            }
        };
        Some(Self { title, submit_url })
    }

    /// The form's parameters as the model sees them: it gives what it has, in any order.
    pub fn schema(&self, fields: &Parameters) -> Value {
        let mut properties = fields.schema()["properties"].clone();
        properties[CONFIRMED] = json!({
            "type": "boolean",
            "description": "true once everything was read back and the caller said that it is right",
        });
        json!({"type": "object", "properties": properties, "additionalProperties": false})
    }
}

/// How far a form has come in a call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FormProgress {
    values: Map<String, Value>,
    /// Fields that the caller does not want to fill in.
    open: BTreeSet<String>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Asking,
    /// All were given back to be read to the caller, in this turn.
    ReadBack(u32),
    /// Handed in; whether it arrived is not known yet, and perhaps never.
    Submitting,
    Submitted,
    Failed,
}

/// What a call of a form's function comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum FormStep {
    /// The model is told this.
    Tell {
        /// Whether everything that was given is right.
        ok: bool,
        /// What the model is given, a JSON object.
        output: Value,
    },
    /// The form is to be handed in, now and never again. [`FormProgress::submitted`] says what
    /// came of it.
    Submit(Map<String, Value>),
}

impl FormStep {
    fn done(output: Value) -> Self {
        Self::Tell { ok: true, output }
    }

    fn refused(error: impl Into<String>) -> Self {
        Self::Tell { ok: false, output: json!({"error": error.into()}) }
    }
}

impl FormProgress {
    /// That of a form that was handed in before.
    pub fn handed_in() -> Self {
        Self { stage: Stage::Submitted, ..Self::default() }
    }

    /// Takes what the model gives: values, and whether the caller found them right. `turn` is the
    /// caller's: who has not spoken since everything was to be read back has not found it right.
    pub fn take(
        &mut self,
        fields: &Parameters,
        arguments: &Map<String, Value>,
        turn: u32,
    ) -> FormStep {
        match self.stage {
            Stage::Asking | Stage::ReadBack(_) => {}
            Stage::Submitting => {
                return FormStep::refused(NOT_KNOWN);
            }
            Stage::Submitted => {
                return FormStep::done(json!({"done": true, "note": "it was handed in before"}));
            }
            Stage::Failed => {
                return FormStep::refused(
                    "it could not be handed in and is not tried again; apologise and offer to \
                     take a message",
                );
            }
        }
        let mut given = arguments.clone();
        let confirmed = given.remove(CONFIRMED).is_some_and(|word| is_yes(&word));
        let before = (self.values.clone(), self.open.clone());
        let wrong = self.keep(fields, given);
        let changed = before != (self.values.clone(), self.open.clone());
        if !wrong.is_empty() {
            self.stage = Stage::Asking;
            return self.ask_again(fields, &wrong);
        }
        if let Some(next) = self.next(fields) {
            self.stage = Stage::Asking;
            return FormStep::done(question(fields, next));
        }
        let values = match fields.check(&self.values) {
            Ok(values) => values,
            Err(why) => return FormStep::refused(why),
        };
        let since = match self.stage {
            Stage::ReadBack(since) if !changed => since,
            _ => turn,
        };
        if confirmed && matches!(self.stage, Stage::ReadBack(_)) && !changed {
            if turn <= since {
                return FormStep::refused(NOT_YET);
            }
            self.stage = Stage::Submitting;
            return FormStep::Submit(values);
        }
        self.stage = Stage::ReadBack(since);
        FormStep::done(json!({
            "read_back": read_back(&values),
            "next": "read this back and ask whether it is right; if so call again with confirmed \
                     true, else with what is to be changed",
        }))
    }

    /// Says whether the form that was handed in was taken; none if that is not known. What the
    /// model is told of it.
    pub fn submitted(&mut self, taken: Option<bool>) -> FormStep {
        match taken {
            Some(true) => {
                self.stage = Stage::Submitted;
                FormStep::done(json!({"done": true}))
            }
            Some(false) => {
                self.stage = Stage::Failed;
                FormStep::refused(
                    "it could not be handed in; apologise and offer to take a message",
                )
            }
            None => FormStep::refused(NOT_KNOWN),
        }
    }

    /// Keeps what is right. What is not, by name, with a sentence on each.
    fn keep(
        &mut self,
        fields: &Parameters,
        mut given: Map<String, Value>,
    ) -> Vec<(String, String)> {
        given.retain(|name, value| {
            let is_nothing = value.is_null() || value == "";
            if is_nothing && fields.is_optional(name) {
                self.values.remove(name);
                self.open.insert(name.clone());
            }
            !is_nothing
        });
        let checked = fields.check_some(&given);
        for (name, value) in checked.good {
            self.open.remove(&name);
            self.values.insert(name, value);
        }
        for (name, _) in &checked.wrong {
            // An earlier valid value is dropped: the caller has replaced it.
            self.values.remove(name);
        }
        checked.wrong
    }

    fn next<'f>(&self, fields: &'f Parameters) -> Option<&'f str> {
        let is_missing =
            |name: &&String| !self.values.contains_key(*name) && !self.open.contains(*name);
        fields.names().iter().find(is_missing).map(String::as_str)
    }

    /// Says what was wrong, and asks for the first wrong field or the next one.
    fn ask_again(&self, fields: &Parameters, wrong: &[(String, String)]) -> FormStep {
        let why: Vec<&str> = wrong.iter().map(|(_, why)| why.as_str()).collect();
        let is_field = |name: &&str| fields.names().iter().any(|field| field == name);
        let mut names = wrong.iter().map(|(name, _)| name.as_str());
        let field = names.find(is_field).or_else(|| self.next(fields));
        let mut output = field.map_or_else(|| json!({}), |field| question(fields, field));
        output["error"] = Value::String(why.join("; "));
        FormStep::Tell { ok: false, output }
    }
}

/// What the model is to ask.
fn question(fields: &Parameters, name: &str) -> Value {
    let definition = fields.definition(name);
    let described = definition["description"].as_str().filter(|text| !text.trim().is_empty());
    let mut question = json!({
        "ask": described.map_or_else(|| name.replace(['_', '-'], " "), str::to_owned),
        "field": name,
        "accepted": fields.accepted(name),
    });
    if fields.is_optional(name) {
        question["optional"] = json!("give null if the caller does not want to say");
    }
    question
}

/// The values as they are to be said.
fn read_back(values: &Map<String, Value>) -> Value {
    let said = values.iter().map(|(name, value)| match value {
        Value::String(text) if text.chars().count() > READ_BACK_MAX => {
            let start: String = text.chars().take(READ_BACK_MAX).collect();
            (name.clone(), Value::String(start + "…"))
        }
        value => (name.clone(), value.clone()),
    });
    Value::Object(said.collect())
}

fn is_yes(value: &Value) -> bool {
    match value {
        Value::Bool(yes) => *yes,
        Value::String(word) => matches!(word.trim().to_lowercase().as_str(), "true" | "yes"),
        _ => false,
    }
}
