//! The arguments of a function's call, checked against its schema before anything is done. What a
//! speech model writes a little differently is brought into form; the rest is one sentence that
//! names the argument and what is accepted, so that it can be corrected.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::hours::read_time;
use super::phone_number::normalise_local;
use super::region::Region;
use super::schema::{PHONE, Rule, Schema, SchemaFault, Violation, read_date};
use super::variables::as_text;

/// The longest text of an argument, in characters.
const TEXT_MAX: usize = 2000;
/// What is told of arguments that take too long to check.
const TOO_MUCH: &str = "the arguments are too long to be checked: give fewer and shorter ones";
/// How many faults are told of at once.
const TOLD_MAX: usize = 3;

/// What a function takes.
#[derive(Debug, Clone)]
pub struct Parameters {
    schema: Arc<Schema>,
    names: Vec<String>,
    optional: BTreeSet<String>,
    region: Option<Region>,
}

/// What came of some arguments.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Checked {
    /// The good ones, in form.
    pub good: Map<String, Value>,
    /// The others, with a sentence on each.
    pub wrong: Vec<(String, String)>,
}

impl Parameters {
    /// Parameters by their JSON Schema. `names` says in which order they are asked for, `optional`
    /// which of them may stay open; local telephone numbers are those of `region`.
    ///
    /// # Errors
    /// Where the schema cannot be used and what is accepted there: for the owner.
    pub(super) fn new(
        schema: Value,
        names: Vec<String>,
        optional: BTreeSet<String>,
        region: Option<Region>,
    ) -> Result<Self, SchemaFault> {
        Ok(Self { schema: Arc::new(Schema::new(schema)?), names, optional, region })
    }

    /// The JSON Schema, for the model.
    pub fn schema(&self) -> &Value {
        self.schema.json()
    }

    /// The names, in the order in which they are asked for.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether the caller may leave this open.
    pub fn is_optional(&self, name: &str) -> bool {
        self.optional.contains(name)
    }

    /// The schema of one of them.
    pub fn definition(&self, name: &str) -> &Value {
        &self.schema()["properties"][name]
    }

    /// What is accepted for one of them.
    pub fn accepted(&self, name: &str) -> String {
        accepted(self.definition(name))
    }

    /// Arguments in form, if all that is needed is there and right.
    ///
    /// # Errors
    /// A sentence that names what is wrong and what is accepted.
    pub fn check(&self, given: &Map<String, Value>) -> Result<Map<String, Value>, String> {
        let given = self.in_form(given);
        let whole = Value::Object(given);
        let wrong: Vec<String> = self.faults(&whole).into_iter().map(|(_, why)| why).collect();
        match whole {
            Value::Object(given) if wrong.is_empty() => Ok(given),
            _ => Err(wrong.into_iter().take(TOLD_MAX).collect::<Vec<_>>().join("; ")),
        }
    }

    /// Sorts some of the arguments into good ones and others. What is not there is not missed.
    pub fn check_some(&self, given: &Map<String, Value>) -> Checked {
        let mut whole = Value::Object(self.in_form(given));
        let is_about_one = |(name, _): &(String, String)| given.contains_key(name);
        let wrong: Vec<_> = self.faults(&whole).into_iter().filter(is_about_one).collect();
        let mut good = whole.as_object_mut().map(std::mem::take).unwrap_or_default();
        good.retain(|name, _| !wrong.iter().any(|(wrong, _)| wrong == name));
        Checked { good, wrong }
    }

    /// The arguments as they would have been written by somebody careful; what is null or empty
    /// and need not be there is not.
    fn in_form(&self, given: &Map<String, Value>) -> Map<String, Value> {
        let given = given.iter().filter_map(|(name, value)| {
            let definition = self.definition(name);
            let is_nothing = value.is_null() || value == "";
            if is_nothing && definition.get("enum").is_none() {
                return None;
            }
            Some((name.clone(), in_form(value, definition, self.region)))
        });
        given.collect()
    }

    /// What is wrong, at most once for each argument, by its name; empty for what is about none.
    fn faults(&self, whole: &Value) -> Vec<(String, String)> {
        let mut faults: Vec<(String, String)> = Vec::new();
        let mut add = |name: String, why: String| {
            if !faults.iter().any(|(known, _)| *known == name) {
                faults.push((name, why));
            }
        };
        for (name, value) in whole.as_object().into_iter().flatten() {
            if longest_text(value) > TEXT_MAX {
                add(name.clone(), format!("{name} must have at most {TEXT_MAX} characters"));
            }
        }
        for violation in self.schema.check(whole) {
            let (name, why) = self.explain(&violation);
            add(name, why);
        }
        faults
    }

    fn explain(&self, violation: &Violation<'_>) -> (String, String) {
        let Some((name, below)) = violation.path.split_first() else {
            return self.explain_whole(&violation.rule);
        };
        let place = |steps: &[String]| match steps {
            [] => name.clone(),
            steps => format!("{} in {name}", steps.join(".")),
        };
        let why = match &violation.rule {
            Rule::Missing { name, definition } => {
                let missing = [below, std::slice::from_ref(name)].concat();
                format!("{} is missing: it must be {}", place(&missing), accepted(definition))
            }
            Rule::Unexpected(unknown) => {
                format!("there is no {} in {}", short(unknown), place(below))
            }
            Rule::Keyword { .. } if below.is_empty() => {
                format!("{name} must be {}", self.accepted(name))
            }
            Rule::Keyword { definition, .. } => {
                format!("{} must be {}", place(below), accepted(definition))
            }
            Rule::TooMuch => TOO_MUCH.to_owned(),
        };
        (name.clone(), why)
    }

    /// A fault of no argument that is there.
    fn explain_whole(&self, rule: &Rule<'_>) -> (String, String) {
        match rule {
            Rule::Missing { name, definition } => {
                let why = format!("{name} is missing: it must be {}", accepted(definition));
                (name.clone(), why)
            }
            Rule::Unexpected(name) => {
                let known = match self.names.is_empty() {
                    true => "none is accepted".to_owned(),
                    false => format!("accepted are {}", self.names.join(", ")),
                };
                (name.clone(), format!("there is no argument {}; {known}", short(name)))
            }
            Rule::Keyword { keyword, .. } => {
                (String::new(), format!("the arguments break the rule {keyword:?}"))
            }
            Rule::TooMuch => (String::new(), TOO_MUCH.to_owned()),
        }
    }
}

/// A name that a model made up, for a sentence.
fn short(name: &str) -> String {
    name.chars().take(60).collect()
}

/// What is accepted for a value of this schema, for a sentence.
fn accepted(definition: &Value) -> String {
    if let Some(options) = definition["enum"].as_array() {
        let options: Vec<String> = options.iter().map(as_text).collect();
        return format!("one of: {}", options.join(", "));
    }
    let range = match (definition.get("minimum"), definition.get("maximum")) {
        (Some(least), Some(most)) => format!(" from {least} to {most}"),
        (Some(least), None) => format!(" of at least {least}"),
        (None, Some(most)) => format!(" of at most {most}"),
        (None, None) => String::new(),
    };
    let what = match type_of(definition) {
        "integer" => format!("a whole number{range}"),
        "number" => format!("a number{range}"),
        "boolean" => "true or false".to_owned(),
        "array" => "a list".to_owned(),
        "object" => "an object".to_owned(),
        _ => accepted_text(definition),
    };
    match definition["pattern"].as_str() {
        Some(pattern) => format!("{what} that matches {pattern}"),
        None => what,
    }
}

fn accepted_text(definition: &Value) -> String {
    match definition["format"].as_str() {
        Some(phone) if PHONE.contains(&phone) => {
            "a telephone number with its area code, such as +15551230001".to_owned()
        }
        Some("email") => "an email address, such as ada@example.com".to_owned(),
        Some("date") => "a date as YYYY-MM-DD".to_owned(),
        Some("time") => "a time of day as HH:MM, from 00:00 to 23:59".to_owned(),
        Some("date-time") => "a date and time, such as 2026-11-30T15:00:00Z".to_owned(),
        Some(format) => format!("a text in the format {format}"),
        None => match (definition["minLength"].as_u64(), definition["maxLength"].as_u64()) {
            (Some(least), Some(most)) => format!("a text of {least} to {most} characters"),
            (Some(least), None) => format!("a text of at least {least} characters"),
            (None, Some(most)) => format!("a text of at most {most} characters"),
            (None, None) => "a text".to_owned(),
        },
    }
}

/// The one type of a schema, or none.
fn type_of(definition: &Value) -> &str {
    definition["type"].as_str().unwrap_or_default()
}

/// A value as somebody careful would have written it. What cannot be brought into form stays.
fn in_form(value: &Value, definition: &Value, region: Option<Region>) -> Value {
    if let Some(options) = definition["enum"].as_array() {
        let said = as_text(value).trim().to_lowercase();
        let option = options.iter().find(|option| as_text(option).to_lowercase() == said);
        return option.unwrap_or(value).clone();
    }
    let formed = match (type_of(definition), value) {
        ("string", Value::String(text)) => text_in_form(text, definition, region),
        ("string", Value::Number(number)) => text_in_form(&number.to_string(), definition, region),
        ("integer", Value::String(text)) => whole_number(text),
        ("number", Value::String(text)) => {
            text.trim().parse().ok().and_then(serde_json::Number::from_f64).map(Value::Number)
        }
        ("boolean", Value::String(text)) => match text.trim().to_lowercase().as_str() {
            "true" | "yes" => Some(Value::Bool(true)),
            "false" | "no" => Some(Value::Bool(false)),
            _ => None,
        },
        ("array" | "object", Value::String(text)) => serde_json::from_str(text).ok(),
        _ => None,
    };
    formed.unwrap_or_else(|| value.clone())
}

fn whole_number(text: &str) -> Option<Value> {
    let text = text.trim();
    text.strip_suffix(".0").unwrap_or(text).parse::<i64>().ok().map(Value::from)
}

fn text_in_form(text: &str, definition: &Value, region: Option<Region>) -> Option<Value> {
    let formed = match definition["format"].as_str() {
        Some(phone) if PHONE.contains(&phone) => normalise_local(text, region)?,
        Some("date") => read_date(text)?.to_string(),
        Some("time") => {
            let minutes = read_time(text)?;
            format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60)
        }
        _ => text.trim().to_owned(),
    };
    Some(Value::String(formed))
}

fn longest_text(value: &Value) -> usize {
    match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.iter().map(longest_text).max().unwrap_or(0),
        Value::Object(fields) => fields.values().map(longest_text).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}
