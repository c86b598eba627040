//! A function's form by its kind: what stands in each field, and what was sent as a change.

use serde_json::{Map, Value, json};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::json::{as_json, as_text, read_json};
use crate::agent::json_api::TIME_MS;
use crate::web::console::agent::Sent;
use crate::web::console::named_numbers;
use crate::web::editing::function::Given;
use crate::web::problem::{FieldError, Problem};

/// What a variable can be, with what owners call it.
pub(super) const TYPES: [(&str, &str); 10] = [
    ("text", "text"),
    ("phone", "telephone number"),
    ("email", "e-mail address"),
    ("date", "date"),
    ("time", "time of day"),
    ("number", "number"),
    ("integer", "whole number"),
    ("boolean", "yes or no"),
    ("choice", "one of several"),
    ("array", "list"),
];
/// The kinds of functions, with what owners call them and what they are for.
pub(in crate::web::console) const KINDS: [(&str, &str, &str); 4] = [
    (
        "json_api",
        "Ask a service",
        "Asks a service on the internet, such as your booking system or your stock.",
    ),
    (
        "form",
        "Fill in a form",
        "Asks the caller one thing after the other, reads all back and hands it in.",
    ),
    ("flows", "Follow steps", "Says and asks what you laid down, step by step."),
    ("function", "Built in", "Tunes what every agent can do, or takes it away."),
];
/// What owners call the fields of a function.
pub(in crate::web::console) const NAMES: [(&str, &str); 21] = [
    ("name", "Name"),
    ("type", "Kind"),
    ("purpose", "What it is for"),
    ("trigger_reason", "When to use it"),
    ("is_active", "The agent may use it"),
    ("save_data", "Keep what was collected and answered"),
    ("is_shownable", "Show what was kept in the console"),
    ("variables", "What the agent asks the caller for"),
    ("data.method", "Method"),
    ("data.url", "Address"),
    ("data.headers", "Headers"),
    ("data.query", "Query"),
    ("data.body", "Body"),
    ("data.result", "Where the result is in the answer"),
    ("data.timeout_ms", "Longest wait"),
    ("data.title", "Title"),
    ("data.submit_url", "Where it is handed in"),
    ("data.start", "The first step"),
    ("data.nodes", "Steps"),
    ("data.builtin", "Which of what every agent can do"),
    ("data.targets", "Numbers to put through to"),
];
/// The field of a time limit: a form has seconds, and the row milliseconds.
const TIME_LIMIT: &str = "data.timeout_ms";
/// The field of those to whom callers are put through.
pub(super) const TARGETS: &str = "data.targets";
/// Variables that are read of a form, and empty lines for more.
const VARIABLES_MAX: usize = 60;
pub(super) const MORE_VARIABLES: usize = 2;

/// A line of the list of variables.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) description: String,
    pub(super) is_required: bool,
    pub(super) choices: String,
}

/// Texts as a form shows them, by the fields' names.
pub(super) fn texts(document: &Value) -> Sent {
    let mut texts = Sent::new();
    let mut put = |name: &str, text: String| {
        if !text.is_empty() {
            texts.insert(name.to_owned(), text);
        }
    };
    for name in ["name", "purpose", "trigger_reason"] {
        put(name, document[name].as_str().unwrap_or_default().to_owned());
    }
    for name in ["is_active", "save_data", "is_shownable"] {
        put(name, if document[name] == true { "yes".to_owned() } else { String::new() });
    }
    let data = &document["data"];
    for name in ["method", "url", "result", "title", "submit_url", "start", "builtin"] {
        put(&format!("data.{name}"), as_text(&data[name]));
    }
    put(TIME_LIMIT, in_seconds(&data["timeout_ms"]));
    for name in ["headers", "query"] {
        put(&format!("data.{name}"), lines(&data[name]));
    }
    for name in ["body", "nodes"] {
        put(&format!("data.{name}"), as_json(&data[name]));
    }
    match named_numbers::stored(&data["targets"]) {
        Some(rows) => {
            for (name, text) in named_numbers::texts(TARGETS, &rows) {
                put(&name, text);
            }
        }
        None => put(TARGETS, as_json(&data["targets"])),
    }
    match list(&document["variables"]) {
        Some(variables) => {
            for (n, variable) in variables.into_iter().enumerate() {
                put(&format!("variables.{n}.name"), variable.name);
                put(&format!("variables.{n}.type"), variable.kind);
                put(&format!("variables.{n}.description"), variable.description);
                put(&format!("variables.{n}.choices"), variable.choices);
                let required = if variable.is_required { "yes" } else { "" };
                put(&format!("variables.{n}.required"), required.to_owned());
            }
        }
        None => put("variables", as_json(&document["variables"])),
    }
    texts
}

/// The lines of the list that was sent or is shown.
pub(super) fn variables(texts: &Sent) -> Vec<Variable> {
    let text = |n: usize, name: &str| {
        texts
            .get(&format!("variables.{n}.{name}"))
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    };
    let all = (0..VARIABLES_MAX).map(|n| Variable {
        name: text(n, "name"),
        kind: text(n, "type"),
        description: text(n, "description"),
        is_required: !text(n, "required").is_empty(),
        choices: text(n, "choices"),
    });
    all.filter(|variable| !variable.name.is_empty() || !variable.description.is_empty()).collect()
}

/// The variables of a function, where a form can show them.
pub(super) fn plain_variables(document: &Value) -> Option<Vec<Variable>> {
    list(&document["variables"])
}

/// Variables as a list that a form can show; none where they say more than it can.
fn list(value: &Value) -> Option<Vec<Variable>> {
    const KNOWN: [&str; 5] = ["name", "type", "description", "required", "enum"];
    let items = match value {
        Value::Null => return Some(Vec::new()),
        Value::Array(items) => items,
        _ => return None,
    };
    let read = |item: &Value| {
        let fields = item.as_object()?;
        let text = |name: &str| fields.get(name).map(as_text).unwrap_or_default();
        let kind = match text("type").as_str() {
            "" | "string" => if fields.contains_key("enum") { "choice" } else { "text" }.to_owned(),
            other => other.to_owned(),
        };
        let is_plain = fields.keys().all(|name| KNOWN.contains(&name.as_str()))
            && TYPES.iter().any(|(known, _)| *known == kind);
        let choices = fields.get("enum").and_then(Value::as_array);
        let choices = choices.into_iter().flatten().map(as_text).collect::<Vec<_>>().join(", ");
        is_plain.then(|| Variable {
            name: text("name"),
            kind,
            description: text("description"),
            is_required: fields.get("required") == Some(&Value::Bool(true)),
            choices,
        })
    };
    items.iter().map(read).collect()
}

/// What was sent, as a change of a function of this kind, with the fields that cannot be read.
pub(super) fn change(kind: &str, sent: &Sent, stored: &Value) -> Given {
    let filled = |name: &str| filled(sent, name);
    let mut given = Given::default();
    let change = &mut given.fields;
    for name in ["name", "purpose", "trigger_reason"] {
        let text = match name {
            "name" => filled(name).map(tool_name),
            _ => filled(name),
        };
        change.insert(name.to_owned(), text.map_or(Value::Null, Value::String));
    }
    for name in ["is_active", "save_data", "is_shownable"] {
        change.insert(name.to_owned(), json!(sent.contains_key(name)));
    }
    change.insert("data".to_owned(), data(kind, sent, stored, &mut given.wrong));
    if kind != "function" {
        let variables = match sent.get("variables") {
            Some(_) => {
                let read = read_json("variables", filled("variables"));
                or_wrong(read, &mut given.wrong, None).unwrap_or(Value::Null)
            }
            None => Value::Array(variables(sent).into_iter().map(definition).collect()),
        };
        let is_same =
            list(&stored["variables"]).is_some() && list(&stored["variables"]) == list(&variables);
        // The same list, written in another way, is no change.
        change.insert(
            "variables".to_owned(),
            if is_same { stored["variables"].clone() } else { variables },
        );
    }
    given
}

/// What was read; where it cannot be, what is there instead.
fn or_wrong<T>(read: Result<T, Problem>, wrong: &mut Vec<FieldError>, instead: T) -> T {
    read.unwrap_or_else(|problem| {
        wrong.extend(problem.into_errors());
        instead
    })
}

/// What was sent of a field, if it was filled in.
fn filled(sent: &Sent, name: &str) -> Option<String> {
    let text = sent.get(name)?.replace("\r\n", "\n").trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// The name that a model calls a function by, of what an owner wrote: `New patient?` is `new_patient`. What
/// has no such letters stays as it is, and is refused.
fn tool_name(text: String) -> String {
    let is_kept = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    if text.chars().all(is_kept) {
        return text;
    }
    let plain: String =
        text.to_lowercase().nfkd().filter(|letter| !is_combining_mark(*letter)).collect();
    let words = plain.split(|letter| !is_kept(letter)).filter(|word| !word.is_empty());
    let name = words.collect::<Vec<_>>().join("_");
    if name.is_empty() { text } else { name }
}

/// `data` as it was sent for a function of this kind.
fn data(kind: &str, sent: &Sent, stored: &Value, wrong: &mut Vec<FieldError>) -> Value {
    let filled = |name: &str| filled(sent, name);
    // What the form does not show stays.
    let mut data = stored["data"].as_object().cloned().unwrap_or_default();
    let mut put = |name: &str, value: Option<Value>| match value {
        Some(value) => drop(data.insert(name.to_owned(), value)),
        None => drop(data.remove(name)),
    };
    let plain = |name: &str| filled(&format!("data.{name}")).map(Value::String);
    match kind {
        "json_api" => {
            for name in ["method", "url", "result"] {
                put(name, plain(name));
            }
            let limit = filled(TIME_LIMIT).map(|text| in_ms(&text, &stored["data"]["timeout_ms"]));
            put("timeout_ms", or_wrong(limit.transpose(), wrong, None));
            for name in ["headers", "query"] {
                put(
                    name,
                    pairs(
                        &filled(&format!("data.{name}")).unwrap_or_default(),
                        &stored["data"][name],
                    ),
                );
            }
            // A text that is no JSON is sent as it stands.
            let body = |text: String| serde_json::from_str(&text).unwrap_or(Value::String(text));
            put("body", filled("data.body").map(body));
        }
        "form" => {
            put("title", plain("title"));
            put("submit_url", plain("submit_url"));
        }
        "flows" => {
            put("start", plain("start"));
            put("nodes", or_wrong(read_json("data.nodes", filled("data.nodes")), wrong, None));
        }
        _ => {
            put("builtin", plain("builtin"));
            put("targets", targets(sent, &stored["data"]["targets"], wrong));
        }
    }
    Value::Object(data)
}

/// Whom callers are put through to: rows, or JSON where what is stored says more than they can.
fn targets(sent: &Sent, before: &Value, wrong: &mut Vec<FieldError>) -> Option<Value> {
    if sent.contains_key(TARGETS) {
        return or_wrong(read_json(TARGETS, filled(sent, TARGETS)), wrong, None);
    }
    let Some(rows) = named_numbers::sent(sent, TARGETS) else {
        return (!before.is_null()).then(|| before.clone());
    };
    let error = |(field, detail)| FieldError { field, detail };
    wrong.extend(named_numbers::wrong(TARGETS, &rows).into_iter().map(error));
    let numbers = named_numbers::value(&rows, before);
    (!numbers.is_empty()).then_some(Value::Object(numbers))
}

/// Milliseconds as seconds; what is no number as it stands.
fn in_seconds(ms: &Value) -> String {
    let number = ms.as_f64().or_else(|| ms.as_str()?.trim().parse().ok());
    number.map_or_else(|| as_text(ms), |ms| (ms / 1000.0).to_string())
}

/// The milliseconds of a text that says seconds: those that are stored where it is what was shown of them.
fn in_ms(text: &str, stored: &Value) -> Result<Value, Problem> {
    if text == in_seconds(stored) {
        return Ok(stored.clone());
    }
    let [least, _, most] = TIME_MS;
    let ms = text.replace(',', ".").parse::<f64>().ok().map(|seconds| (seconds * 1000.0).round());
    let refuse = || {
        let (least, most) = (least / 1000.0, most / 1000.0);
        Problem::invalid(TIME_LIMIT, format!("accepted is {least} to {most} seconds, such as 2.5"))
    };
    let ms = ms.filter(|ms| (least..=most).contains(ms)).ok_or_else(refuse)?;
    Ok(json!(ms as i64))
}

fn definition(variable: Variable) -> Value {
    let mut definition = json!({"name": variable.name, "type": variable.kind});
    if variable.kind.is_empty() {
        definition["type"] = json!("text");
    }
    if !variable.description.is_empty() {
        definition["description"] = json!(variable.description);
    }
    definition["required"] = json!(variable.is_required);
    if !variable.choices.is_empty() {
        let choices = variable.choices.split(',').map(str::trim).filter(|one| !one.is_empty());
        definition["enum"] = choices.collect();
    }
    definition
}

/// `Name: value`, one a line. A list or the like that a line cannot hold is kept if its name is there.
fn pairs(text: &str, stored: &Value) -> Option<Value> {
    let pairs = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let (name, value) = (name.trim(), value.trim());
        let before = &stored[name];
        let is_same = !before.is_null() && as_text(before) == value;
        (name.to_owned(), if is_same { before.clone() } else { json!(value) })
    });
    let pairs: Map<String, Value> = pairs.collect();
    (!pairs.is_empty()).then_some(Value::Object(pairs))
}

fn lines(value: &Value) -> String {
    let fields = value.as_object().into_iter().flatten();
    fields.map(|(name, value)| format!("{name}: {}", as_text(value))).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
