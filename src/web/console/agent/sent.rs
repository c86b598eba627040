//! What a section's form sent, as a change of the agent's document.

use serde_json::{Map, Value, json};

use super::fields::{Field, Kind, MINUTES, Part, pointer};
use super::form::Sent;
use crate::agent::edit::mask::MASK;
use crate::web::console::{languages, named_numbers, voices};

/// A stored value as its form shows it.
pub(super) fn as_text(kind: Kind, stored: &Value) -> String {
    match (kind, stored) {
        (Kind::Check(default), stored) => {
            let is_on = stored.as_bool().unwrap_or(default);
            if is_on { "yes".to_owned() } else { String::new() }
        }
        (Kind::Choice(choices), stored) => {
            stored.as_str().or(choices.first().map(|(value, _)| *value)).unwrap_or("").to_owned()
        }
        (Kind::Minutes(_), Value::Number(seconds)) => {
            let minutes = seconds.as_f64().unwrap_or_default() / 60.0;
            ((minutes * 100.0).round() / 100.0).to_string()
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
        Kind::Numbers => return numbers(sent, field.path, stored),
        _ if is_as_shown => return None,
        // What is shown where nothing is stored is no change.
        Kind::Voice if stored.is_null() && text == voices::FIRST => return None,
        Kind::Language if stored.is_null() && text == languages::FIRST => return None,
        _ if text.is_empty() && !matches!(field.kind, Kind::Check(_)) => Value::Null,
        Kind::Check(_) => json!(text == "yes"),
        Kind::Minutes(_) => seconds(text).map_or_else(|| json!(text), |seconds| json!(seconds)),
        Kind::Number(_) => serde_json::from_str::<serde_json::Number>(text)
            .map_or_else(|_| json!(text), Value::Number),
        _ => json!(text),
    };
    // A secret that is typed is given, also where it is the one that is stored: it may go elsewhere now.
    let keeps = value == MASK || (field.kind != Kind::Secret && &value == stored);
    (!keeps).then_some(value)
}

/// The seconds of a text that says minutes, as long as a call may be.
fn seconds(text: &str) -> Option<u32> {
    let minutes: f64 = text.replace(',', ".").parse().ok()?;
    (1.0..=240.0).contains(&minutes).then(|| (minutes * 60.0).round() as u32)
}

/// Names and numbers, if they are others. Names that were shown and are not there any more are removed.
fn numbers(sent: &Sent, path: &str, stored: &Value) -> Option<Value> {
    let rows = named_numbers::sent(sent, path)?;
    if named_numbers::readable(stored) == rows {
        return None;
    }
    let shown = named_numbers::shown_names(stored);
    let mut numbers: Map<String, Value> = shown.map(|name| (name.clone(), Value::Null)).collect();
    numbers.extend(named_numbers::value(&rows, stored));
    Some(Value::Object(numbers))
}

/// What of a form cannot be read as it was written, by field, and why.
pub(super) fn wrong(part: &Part, sent: &Sent, document: &Value) -> Vec<(String, String)> {
    let mut wrong = Vec::new();
    for field in part.fields {
        let text = sent.get(field.path).map_or("", |text| text.trim());
        let stored = || document.pointer(&pointer(field.path)).unwrap_or(&Value::Null);
        match field.kind {
            Kind::Greeting => {
                let kind = sent.get(&format!("{}.kind", field.path)).map_or("", String::as_str);
                let is_new = text != as_text(field.kind, stored()).trim();
                let why = match (kind, text.is_empty()) {
                    ("words", true) => "Write the words, or choose that it says its own.",
                    ("own" | "none", false) if is_new => {
                        "You wrote words here. Choose “These words” above to have them said, or empty the field."
                    }
                    _ => continue,
                };
                wrong.push((field.path.to_owned(), why.to_owned()));
            }
            Kind::Numbers => {
                let rows = named_numbers::sent(sent, field.path).unwrap_or_default();
                wrong.extend(named_numbers::wrong(field.path, &rows));
            }
            Kind::Minutes(_)
                if !text.is_empty()
                    && seconds(text).is_none()
                    && text != as_text(field.kind, stored()) =>
            {
                wrong.push((field.path.to_owned(), MINUTES.to_owned()));
            }
            _ => {}
        }
    }
    wrong
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
            ("settings.transfer.targets.0.name", "sales"),
            ("settings.transfer.targets.0.number", "+44 20 7946 0958"),
            ("settings.transfer.targets.1.name", ""),
            ("settings.transfer.targets.1.number", ""),
            ("settings.transfer.targets.2.name", "new"),
            ("settings.transfer.targets.2.number", "020 7946 0960"),
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
    fn what_is_no_number_hides_and_removes_no_other_one() {
        let messages = part("messages").unwrap();
        for odd in [json!(null), json!({"number": "1"}), json!(["1"]), json!(true)] {
            let targets = json!({"desk": odd, "old": "+442079460959", "sales": "+442079460958"});
            let document = json!({"settings": {"transfer": {"targets": targets}}});
            let shown = [
                ("settings.transfer.targets.1.name", "sales"),
                ("settings.transfer.targets.1.number", "+442079460958"),
                ("settings.transfer.targets.2.name", "new"),
                ("settings.transfer.targets.2.number", "020 7946 0960"),
                ("settings.fallback.kind", "voicemail"),
            ];
            let changed = change(messages, &sent(&shown), &document);
            let targets = json!({"sales": "+442079460958", "old": null, "new": "020 7946 0960"});
            assert_eq!(changed["settings"]["transfer"]["targets"], targets, "{odd}");
        }
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
