//! What a deed changed, in an owner's words.

use jiff::tz::TimeZone;
use serde_json::Value;

use super::words;
use crate::web::console::agent::label;
use crate::web::console::time;

/// The most lines of a deed.
const LINES_MAX: usize = 6;
/// The longest text that is shown, in characters.
const TEXT_MAX: usize = 80;

/// Settings, by their first name, in words.
const SETTINGS: &[(&str, &str)] = &[
    ("engine", "Speech service"),
    ("fallback", "What callers get without the agent"),
    ("greeting", "First words"),
    ("hours", "Outside opening hours"),
    ("idle", "Silence of a caller"),
    ("instructions", "How the agent should behave"),
    ("interruptions", "Whether callers may interrupt"),
    ("knowledge", "How it looks up answers"),
    ("language", "Language"),
    ("limits", "Longest call and calls at once"),
    ("live", "Who may take calls over"),
    ("recording", "Recording"),
    ("retention", "How long calls are kept"),
    ("secrets", "Secrets of functions"),
    ("transfer", "Whom callers are put through to"),
    ("voice", "Voice"),
    ("webhook", "Webhook"),
];

/// What calls can be looked for by, in words.
const FILTERS: &[(&str, &str)] = &[
    ("agent", "agent"),
    ("from", "first day"),
    ("function", "function used"),
    ("number", "number"),
    ("outcome", "outcome"),
    ("tests", "tests too"),
    ("to", "last day"),
    ("todo", "something to do"),
    ("words", "words"),
];

/// What changed, a line each. What is not known is left out: it was written for programs.
pub(super) fn lines(change: &Value, zone: &TimeZone) -> Vec<String> {
    let Some(fields) = change.as_object() else { return Vec::new() };
    let mut lines: Vec<String> =
        fields.iter().filter_map(|(name, value)| line(name, value, zone)).collect();
    // Entries from before fields were written down say in which part they are, at least.
    if !fields.contains_key("fields") {
        lines.extend(parts(&fields.get("parts").cloned().unwrap_or_default()));
    }
    lines.truncate(LINES_MAX);
    lines
}

fn line(name: &str, value: &Value, zone: &TimeZone) -> Option<String> {
    let day = |value: &Value| {
        let at = time::at(value.as_i64()?, zone);
        Some(at.strftime("%a %-d %b %Y %H:%M").to_string())
    };
    match name {
        "role" => Some(format!("Role: {}", before_and_after(value, text)?)),
        "start_us" => Some(format!("Time: {}", before_and_after(value, day)?)),
        "minutes" => Some(format!("Minutes: {}", before_and_after(value, text)?)),
        "state" => Some(format!("State: {}", before_and_after(value, state)?)),
        "details" => Some("Name, number, service or notes".to_owned()),
        "wanted" => Some(format!("What it was: {}", words::words(value.as_str()?))),
        "name" => text(value),
        "format" => Some(format!("As a {} file", text(value)?.to_uppercase())),
        "filters" => listed("Chosen by", value, |filter| in_words(FILTERS, filter)),
        "fields" => listed("Changed", value, field),
        "to" => Some(format!("To {}", text(value)?)),
        "words" => value.as_bool()?.then(|| "With last words of their own".to_owned()),
        "calls" => Some(format!("Calls: {}", value.as_u64()?)),
        "appointments" => Some(format!("Bookings: {}", value.as_u64()?)),
        "ended" => Some(format!("Browsers: {}", value.as_u64()?)),
        "status" => Some(format!("Their server answered {}", value.as_u64()?)),
        "scope" => Some(match value.as_str()? {
            "write" => "It may read and change".to_owned(),
            _ => "It may only read".to_owned(),
        }),
        "written" => Some(format!("Through another program: {}", text(value)?)),
        "at" => Some(format!("It is at {}", text(value)?)),
        "days" => Some(format!("Good for {} days", value.as_u64()?)),
        _ => None,
    }
}

/// A value, or one and the next as `support → owner`.
fn before_and_after(value: &Value, words: impl Fn(&Value) -> Option<String>) -> Option<String> {
    match value.as_array().map(Vec::as_slice) {
        Some([before, after]) => Some(format!("{} → {}", words(before)?, words(after)?)),
        Some(_) => None,
        None => words(value),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.chars().take(TEXT_MAX).collect()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// What became of a booking.
fn state(value: &Value) -> Option<String> {
    let words = match value.as_str()? {
        "pending" => "booked",
        "completed" => "came",
        "missed" => "did not come",
        other => return text(&other.into()),
    };
    Some(words.to_owned())
}

/// `Changed: Opening hours, First words`, each once.
fn listed(what: &str, names: &Value, words: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut all: Vec<String> = Vec::new();
    for name in names.as_array()?.iter().filter_map(Value::as_str).filter_map(words) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    (!all.is_empty()).then(|| format!("{what}: {}", all.join(", ")))
}

fn in_words(table: &[(&str, &str)], name: &str) -> Option<String> {
    table.iter().find(|(known, _)| *known == name).map(|(_, words)| (*words).to_owned())
}

/// A field of an agent or of its business.
fn field(path: &str) -> Option<String> {
    let setting = path.strip_prefix("settings.").and_then(|name| in_words(SETTINGS, name));
    let words = setting.or_else(|| label(path).map(str::to_owned));
    Some(words.unwrap_or_else(|| match path.split_once('.') {
        Some(("business", _)) => "Details of the business".to_owned(),
        _ => "Other settings".to_owned(),
    }))
}

/// The parts of an agent.
fn parts(names: &Value) -> Option<String> {
    listed("Changed", names, |name| match name {
        "agent" => Some("The agent's settings".to_owned()),
        "business" => Some("Details of the business".to_owned()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(change: &Value) -> Vec<String> {
        lines(change, &TimeZone::UTC)
    }

    #[test]
    fn changes_are_told_in_words() {
        assert_eq!(told(&json!({"wanted": "booking.make"})), ["What it was: made a booking"]);
        assert_eq!(
            told(&json!({"role": ["support", "owner"], "start_us": [0, 1_795_960_800_000_000_i64],
                "minutes": 30, "deep": {"a": 1}, "many": [1, 2, 3], "state": ["pending", "missed"]})),
            [
                "Minutes: 30",
                "Role: support → owner",
                "Time: Thu 1 Jan 1970 00:00 → Sun 29 Nov 2026 14:00",
                "State: booked → did not come"
            ]
        );
        assert!(told(&json!("x")).is_empty());
    }

    #[test]
    fn a_change_of_an_agent_names_its_fields_and_no_versions() {
        let change = json!({"versions": [6, 7], "parts": ["agent", "business"], "fields": [
            "settings.greeting", "settings.limits", "business.operating_schedule",
            "business.business_timezone", "business.nonsense", "status", "settings.odd"]});
        let expected = "Changed: First words, Longest call and calls at once, Opening hours, Time zone, \
            Details of the business, In service, Other settings";
        assert_eq!(told(&change), [expected]);
        // An entry of before.
        let change = json!({"versions": [6, 7], "parts": ["agent", "business"]});
        assert_eq!(told(&change), ["Changed: The agent's settings, Details of the business"]);
        assert!(told(&json!({"versions": [8], "parts": ["function 1"], "fields": []})).is_empty());
        let change = json!({"format": "csv", "filters": ["from", "to"]});
        assert_eq!(told(&change), ["Chosen by: first day, last day", "As a CSV file"]);
    }
}
