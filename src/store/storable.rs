//! Texts and JSON between what this program can hold and what PostgreSQL can.

use std::borrow::Cow;

use serde_json::Value;

/// `text` without NUL, which PostgreSQL's text cannot hold.
pub(super) fn storable_text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "")) } else { Cow::Borrowed(text) }
}

/// `value` without NUL in its keys and strings, which PostgreSQL's jsonb cannot hold.
pub(super) fn storable_json(value: &Value) -> Cow<'_, Value> {
    if has_nul(value) { Cow::Owned(without_nul(value)) } else { Cow::Borrowed(value) }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(key, v)| key.contains('\0') || has_nul(v)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn without_nul(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace('\0', "")),
        Value::Array(items) => items.iter().map(without_nul).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, v)| (key.replace('\0', ""), without_nul(v))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// A jsonb column that was read as text. What this program cannot hold (a number beyond f64) is
/// null: one odd row must not hide the others.
pub(super) fn lenient_json(text: Option<String>) -> Option<Value> {
    text.map(|text| serde_json::from_str(&text).unwrap_or(Value::Null))
}
