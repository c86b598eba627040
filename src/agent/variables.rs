//! What a function takes: the `variables` of its row, a list or a JSON Schema, as the schema that
//! the model is shown and its arguments are checked against.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::arguments::Parameters;
use super::fault::{Faults, Fields, kind};
use super::region::Region;
use super::schema::SchemaFault;

/// The most variables of a function.
const VARIABLES_MAX: usize = 50;
/// The most choices of a variable.
const CHOICES_MAX: usize = 100;
/// The longest name, in characters.
const NAME_MAX: usize = 64;
/// How deep a schema may nest.
const DEPTH_MAX: usize = 16;
/// Speech services refuse a schema with one of these at its top, and every call with it.
const NOT_AT_THE_TOP: [&str; 6] = ["oneOf", "anyOf", "allOf", "enum", "not", "$ref"];

const ACCEPTED: &str =
    r#"a list of {"name","type","description","required"}, or a JSON Schema of an object"#;
const ACCEPTED_TYPE: &str =
    "text, phone, email, date, time, number, integer, boolean, choice, array or object";

/// Reads `variables`; nothing, if there is nothing. `reserved` names are the function's own.
pub(super) fn read(
    value: Option<&Value>,
    path: &str,
    reserved: &[&str],
    region: Option<Region>,
    faults: &mut Faults,
) -> Option<Parameters> {
    let empty = Value::Array(Vec::new());
    let (schema, names, optional) = match value.unwrap_or(&empty) {
        Value::Null => from_list(&[], path, faults)?,
        Value::Array(items) => from_list(items, path, faults)?,
        Value::Object(fields) if fields.is_empty() => from_list(&[], path, faults)?,
        Value::Object(fields) => from_schema(fields, path, faults)?,
        other => {
            faults.add(path.to_owned(), kind(other), ACCEPTED);
            return None;
        }
    };
    if let Some(name) = names.iter().find(|name| reserved.contains(&name.as_str())) {
        faults.add(format!("{path}.{name}"), "a name that the function has itself", "another name");
        return None;
    }
    build(schema, names, optional, path, region, faults)
}

/// Reads one variable that stands by itself: what a step of a flow collects, as `name`.
pub(super) fn read_one(
    name: &str,
    fields: &Fields<'_>,
    region: Option<Region>,
    faults: &mut Faults,
) -> Option<Parameters> {
    let definition = definition(fields, faults)?;
    let schema = object_schema([(name.to_owned(), definition)], vec![json!(name)]);
    let path = fields.path_of(name);
    build(schema, vec![name.to_owned()], BTreeSet::new(), &path, region, faults)
}

fn build(
    schema: Value,
    names: Vec<String>,
    optional: BTreeSet<String>,
    path: &str,
    region: Option<Region>,
    faults: &mut Faults,
) -> Option<Parameters> {
    match Parameters::new(schema, names, optional, region) {
        Ok(parameters) => Some(parameters),
        Err(SchemaFault { path: below, found, accepted }) => {
            let path = [&[path.to_owned()], below.as_slice()].concat().join(".");
            faults.add(path, found, accepted);
            None
        }
    }
}

/// A schema, its names in the order in which they are asked for, and those that may stay open.
type Read = (Value, Vec<String>, BTreeSet<String>);

fn from_list(items: &[Value], path: &str, faults: &mut Faults) -> Option<Read> {
    if items.len() > VARIABLES_MAX {
        faults.add(path.to_owned(), "a longer list", format!("at most {VARIABLES_MAX} variables"));
        return None;
    }
    let (mut names, mut optional) = (Vec::new(), BTreeSet::new());
    let (mut properties, mut required) = (Map::new(), Vec::new());
    let mut is_whole = true;
    for (index, item) in items.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let fields = Fields::read(Some(item), path.as_str(), &[], faults);
        // The others are read too: what is wrong is told of all at once.
        let Some((name, definition, is_required)) = read_item(&fields, faults) else {
            is_whole = false;
            continue;
        };
        if properties.insert(name.clone(), definition).is_some() {
            faults.add(fields.path_of("name"), "a name that is there twice", "another name");
            is_whole = false;
        }
        match is_required {
            Some(true) => required.push(json!(name)),
            Some(false) => drop(optional.insert(name.clone())),
            None => {}
        }
        names.push(name);
    }
    is_whole.then(|| (object_schema(properties, required), names, optional))
}

/// A variable of a list: its name, its schema, and whether it is needed.
fn read_item(fields: &Fields<'_>, faults: &mut Faults) -> Option<(String, Value, Option<bool>)> {
    let (name, definition) = (read_name(fields, faults), definition(fields, faults));
    let is_required = match fields.get("required") {
        None => None,
        Some(_) => Some(fields.accept("required", "true or false", faults, Value::as_bool)?),
    };
    Some((name?, definition?, is_required))
}

fn object_schema(
    properties: impl IntoIterator<Item = (String, Value)>,
    required: Vec<Value>,
) -> Value {
    json!({
        "type": "object",
        "properties": properties.into_iter().collect::<Map<_, _>>(),
        "required": required,
        "additionalProperties": false,
    })
}

fn read_name(fields: &Fields<'_>, faults: &mut Faults) -> Option<String> {
    let accepted = "a name of 1 to 64 characters";
    if fields.get("name").is_none() {
        faults.add(fields.path_of("name"), "nothing", accepted);
        return None;
    }
    fields.accept("name", accepted, faults, |value| {
        let name = value.as_str()?.trim();
        let fits = (1..=NAME_MAX).contains(&name.chars().count());
        (fits && !name.contains(char::is_control)).then(|| name.to_owned())
    })
}

/// The JSON Schema of one variable.
fn definition(fields: &Fields<'_>, faults: &mut Faults) -> Option<Value> {
    let choices = match fields.get("enum").or_else(|| fields.get("choices")) {
        None => None,
        Some(value) => Some(read_choices(value, fields.path_of("enum"), faults)?),
    };
    let mut definition = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        definition.extend(value.map(|value| (name.to_owned(), value)));
    };
    let (type_name, mut format) = match fields.get("type") {
        None => ("string", None),
        Some(_) => fields.accept("type", ACCEPTED_TYPE, faults, |value| {
            read_type(value.as_str()?, choices.is_some())
        })?,
    };
    for name in ["description", "pattern", "format"] {
        if fields.get(name).is_some() {
            let text = fields.text(name, faults)?;
            match name {
                "format" => format = Some(text),
                _ => set(name, Some(Value::String(text))),
            }
        }
    }
    for name in ["minimum", "maximum", "minLength", "maxLength", "items", "properties"] {
        set(name, fields.get(name).cloned());
    }
    set("type", Some(json!(type_name)));
    set("format", format.map(Value::String));
    set(
        "enum",
        choices.map(|choices| match type_name {
            "string" => choices.into_iter().map(|choice| Value::String(as_text(&choice))).collect(),
            _ => Value::Array(choices),
        }),
    );
    let mut definition = Value::Object(definition);
    tidy(&mut definition, 0);
    Some(definition)
}

fn read_choices(value: &Value, path: String, faults: &mut Faults) -> Option<Vec<Value>> {
    let is_one =
        |value: &Value| matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_));
    match value {
        Value::Array(items)
            if (1..=CHOICES_MAX).contains(&items.len()) && items.iter().all(is_one) =>
        {
            Some(items.clone())
        }
        other => {
            faults.add(path, kind(other), format!("a list of 1 to {CHOICES_MAX} choices"));
            None
        }
    }
}

/// A choice or a value as it is said.
pub(super) fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// JSON Schema's type, and format, of a variable's type.
fn read_type(word: &str, has_choices: bool) -> Option<(&'static str, Option<String>)> {
    let word = word.trim().to_ascii_lowercase().replace(['_', '-'], " ");
    let format = |format: &str| Some(("string", Some(format.to_owned())));
    match word.as_str() {
        "string" | "text" | "free text" | "" => Some(("string", None)),
        "choice" | "enum" | "select" if has_choices => Some(("string", None)),
        "phone" | "phone number" | "tel" | "telephone" => format("phone"),
        "email" | "e mail" => format("email"),
        "date" => format("date"),
        "time" => format("time"),
        "date time" | "datetime" => format("date-time"),
        "number" | "float" | "decimal" => Some(("number", None)),
        "integer" | "int" | "whole number" => Some(("integer", None)),
        "boolean" | "bool" | "yes/no" => Some(("boolean", None)),
        "array" | "list" => Some(("array", None)),
        "object" => Some(("object", None)),
        _ => None,
    }
}

fn from_schema(fields: &Map<String, Value>, path: &str, faults: &mut Faults) -> Option<Read> {
    let mut fault = |field: &str, found, accepted: &str| {
        faults.add(format!("{path}.{field}"), found, accepted);
    };
    let properties = match fields.get("properties") {
        Some(Value::Object(properties)) => properties.clone(),
        None if fields.get("type").is_some_and(|name| name == "object") => Map::new(),
        found => {
            let found = found.map_or("nothing", kind);
            fault("properties", found, "an object with a schema for each variable");
            return None;
        }
    };
    if fields.get("type").is_some_and(|name| name != "object") {
        fault("type", "another type", "object");
        return None;
    }
    if let Some(name) = NOT_AT_THE_TOP.iter().find(|name| fields.contains_key(**name)) {
        fault(name, "a keyword that cannot be at the top", "properties");
        return None;
    }
    if properties.len() > VARIABLES_MAX {
        fault("properties", "more properties", "at most 50");
        return None;
    }
    let mut schema = fields.clone();
    schema.retain(|name, _| !matches!(name.as_str(), "$schema" | "$id"));
    let required = fields.get("required").and_then(Value::as_array);
    let required: Vec<&str> = required.into_iter().flatten().filter_map(Value::as_str).collect();
    // The order of the properties is lost in a jsonb column; that of `required` is not.
    let mut names: Vec<String> = Vec::new();
    let first = required.iter().copied().filter(|name| properties.contains_key(*name));
    for name in first.chain(properties.keys().map(String::as_str)) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    let is_open = |name: &&String| !required.contains(&name.as_str());
    let optional = names.iter().filter(is_open).cloned().collect();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Value::Object(properties));
    let mut schema = Value::Object(schema);
    if !tidy(&mut schema, 0) {
        faults.add(path.to_owned(), "a deeper schema", format!("at most {DEPTH_MAX} levels"));
        return None;
    }
    Some((schema, names, optional))
}

/// Gives every list something to hold, because speech services refuse a list of nothing. `false` if
/// the schema is too deep.
fn tidy(schema: &mut Value, depth: usize) -> bool {
    if depth > DEPTH_MAX * 2 {
        return false;
    }
    match schema {
        Value::Object(fields) => {
            if fields.get("type").is_some_and(|name| name == "array") {
                fields.entry("items").or_insert_with(|| json!({}));
            }
            fields.values_mut().all(|value| tidy(value, depth + 1))
        }
        Value::Array(items) => items.iter_mut().all(|value| tidy(value, depth + 1)),
        _ => true,
    }
}
