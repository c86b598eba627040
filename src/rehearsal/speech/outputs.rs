//! What a script quotes of functions' outputs. A script is written before anybody knows what day it
//! is, which times are free or what number a booking gets; a model reads that from the outputs.
//!
//! `$(check_availability/offers/0/time)` stands for what the newest output of `check_availability`
//! has at the JSON pointer `/offers/0/time`.

use serde_json::Value;

/// What a text says where an output does not have what it quotes.
const MISSING: &str = "…";

/// Fills in the quotations in the texts of `value`. A text that is nothing but one becomes what it
/// quotes, whatever kind of thing that is; null where there is none.
pub(super) fn fill(value: &Value, output: &impl Fn(&str) -> Option<Value>) -> Value {
    match value {
        Value::String(text) => match quotation(text) {
            Some((quoted, "")) => look_up(quoted, output).unwrap_or_default(),
            _ => fill_text(text, output).into(),
        },
        Value::Array(items) => items.iter().map(|item| fill(item, output)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, field)| (name.clone(), fill(field, output))).collect()
        }
        other => other.clone(),
    }
}

/// Fills in the quotations in a text.
pub(super) fn fill_text(text: &str, output: &impl Fn(&str) -> Option<Value>) -> String {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some(at) = rest.find("$(") {
        filled.push_str(&rest[..at]);
        let Some((quoted, after)) = quotation(&rest[at..]) else {
            filled.push_str(&rest[at..at + 2]);
            rest = &rest[at + 2..];
            continue;
        };
        match look_up(quoted, output) {
            Some(Value::String(text)) => filled.push_str(&text),
            Some(value) => filled.push_str(&value.to_string()),
            None => filled.push_str(MISSING),
        }
        rest = after;
    }
    filled + rest
}

/// What a text that begins with a quotation quotes, and the rest of it.
fn quotation(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix("$(")?.split_once(')')
}

fn look_up(quoted: &str, output: &impl Fn(&str) -> Option<Value>) -> Option<Value> {
    let (function, pointer) = quoted.split_at(quoted.find('/').unwrap_or(quoted.len()));
    output(function)?.pointer(pointer).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quotations_are_filled_in_and_keep_their_kind() {
        let output = |name: &str| {
            (name == "find").then(|| json!({"ok": true, "offers": [{"time": "10:00", "n": 2}]}))
        };
        let script = json!({"time": "$(find/offers/0/time)", "n": "$(find/offers/0/n)",
            "all": ["at $(find/offers/0/time) or $(find/offers/1/time)", 7], "none": "$(book/id)"});
        assert_eq!(
            fill(&script, &output),
            json!({"time": "10:00", "n": 2, "all": ["at 10:00 or …", 7], "none": null})
        );
        assert_eq!(fill_text("ok: $(find/ok); $5, $(open", &output), "ok: true; $5, $(open");
        assert_eq!(fill_text("{{ secrets.KEY }}", &output), "{{ secrets.KEY }}");
    }
}
