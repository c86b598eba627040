//! What was changed, field by field, before and after, in an owner's words.

use jiff::civil::Date;
use maud::{Markup, html};
use serde_json::Value;

use super::agent::{DAYS, Known, LONGEST_CALL, SCHEDULE, known, label};
use super::functions::{KINDS, NAMES};
use super::languages;
use super::words::{capital, short};
use crate::agent::phone_number::readable;
use crate::web::editing::diff::FieldChange;

/// The longest value that is shown whole, in characters.
const VALUE_MAX: usize = 600;
/// What owners call the states of an agent.
const STATES: [(&str, &str); 3] = [
    ("active", "it answers"),
    ("inactive", "switched off"),
    ("suspended", "suspended by whoever runs this server"),
];

/// What the fields are of: some of both have the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// An agent and its business.
    Agent,
    /// A function.
    Function,
}

impl Of {
    /// From the part of an agent that a version is of.
    pub(super) fn part(part: &str) -> Self {
        if part.starts_with("function") { Self::Function } else { Self::Agent }
    }
}

/// The fields that differ.
pub(super) fn list(changes: &[FieldChange], of: Of) -> Markup {
    html! {
        @if changes.is_empty() {
            p .quiet { "Nothing is other than before." }
        } @else {
            ul .list {
                @for change in in_order(changes, of) {
                    @let name = name(&change.field, of);
                    li {
                        @match &name { Some(name) => b { (name) }, None => code { (change.field) } }
                        div .form-row {
                            div { span .quiet { "Before" } br; (value(&change.field, &change.before, of)) }
                            div { span .quiet { "After" } br; (value(&change.field, &change.after, of)) }
                        }
                    }
                }
            }
        }
    }
}

/// The changes, with those of opening hours from Monday to Sunday and then by their dates.
fn in_order(changes: &[FieldChange], of: Of) -> Vec<&FieldChange> {
    let place = |change: &FieldChange| {
        let day = day_of(&change.field).filter(|_| of == Of::Agent)?;
        let weekday = DAYS.iter().position(|known| *known == day);
        Some(if day.is_empty() { 0 } else { weekday.unwrap_or(DAYS.len()) + 1 })
    };
    let mut groups: Vec<Vec<&FieldChange>> = changes
        .chunk_by(|one, next| place(one).is_some() == place(next).is_some())
        .map(|group| group.iter().collect())
        .collect();
    groups.iter_mut().for_each(|group| group.sort_by_key(|change| place(change)));
    groups.concat()
}

/// What owners call a field; none where they have no word for it.
fn name(field: &str, of: Of) -> Option<String> {
    if of == Of::Function {
        let rest = |known: &str| match field.strip_prefix(known)? {
            "" => Some(String::new()),
            rest => rest.strip_prefix('.').map(|rest| format!(": {rest}")),
        };
        let mut names = NAMES.iter();
        return names.find_map(|(known, name)| Some(format!("{name}{}", rest(known)?)));
    }
    if let Some(day) = day_of(field) {
        return Some(match day {
            "" => "Opening hours".to_owned(),
            day => format!("Opening hours, {}", day_name(day)),
        });
    }
    if let Some(secret) = field.strip_prefix("settings.secrets.") {
        return Some(format!("Secret “{secret}”"));
    }
    let below = known(field).map(|Known { label, below, .. }| match below.is_empty() {
        true => label.to_owned(),
        false => format!("{label}: {below}"),
    });
    below.or_else(|| label(field).map(str::to_owned))
}

/// The day of a schedule that a field is of; empty: all of it.
fn day_of(field: &str) -> Option<&str> {
    let schedule = SCHEDULE.strip_prefix("business.").unwrap_or(SCHEDULE);
    let rest = field.strip_prefix("business.").unwrap_or(field).strip_prefix(schedule)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('.') }
}

/// `Monday` of `monday`, and `Fri 25 December 2026` of `exceptions.2026-12-25`.
fn day_name(day: &str) -> String {
    let Some(date) = day.strip_prefix("exceptions.") else {
        return capital(day);
    };
    // A leap year has every day.
    let of_numbers = || format!("2028-{date}").parse::<Date>();
    let yearly = || of_numbers().or_else(|_| Date::strptime("%d %B %Y", format!("{date} 2028")));
    match (date.parse::<Date>(), yearly()) {
        (Ok(date), _) => date.strftime("%a %-d %B %Y").to_string(),
        (_, Ok(date)) => date.strftime("%-d %B, every year").to_string(),
        _ => date.to_owned(),
    }
}

/// A field's value, as owners read it.
fn value(field: &str, value: &Value, of: Of) -> Markup {
    let word = value.as_str().unwrap_or_default();
    let named = |names: &[(&'static str, &'static str)]| {
        names.iter().find(|(known, _)| *known == word).map(|(_, name)| *name)
    };
    let said = match (of, field) {
        (Of::Function, "type") => KINDS.iter().find(|kind| kind.0 == word).map(|kind| kind.1),
        (Of::Agent, "status") => named(&STATES),
        (Of::Agent, "settings.language") => return html! { (language(value)) },
        (Of::Agent, field) => known(field).and_then(|known| named(known.choices)),
        (Of::Function, _) => None,
    };
    let is_number = field == "twilio_phone_number"
        || field.starts_with("settings.transfer.targets.")
        || field == "settings.fallback.number"
        || field == "business_phone";
    html! {
        @match (said, value) {
            (Some(said), _) => (said),
            (None, value) if of == Of::Agent && day_of(field).is_some() => (hours(value)),
            (None, Value::String(number)) if is_number && !number.is_empty() => bdi { (readable(number)) },
            (None, Value::Number(ms)) if field == "data.timeout_ms" => {
                (ms.as_f64().unwrap_or_default() / 1000.0) " s"
            }
            (None, Value::Number(seconds)) if of == Of::Agent && field == LONGEST_CALL => {
                (seconds.as_f64().unwrap_or_default() / 60.0)
            }
            (None, value) => (shown(value)),
        }
    }
}

/// A language by its name.
fn language(value: &Value) -> Markup {
    match value.as_str().and_then(languages::name) {
        Some(name) => html! { (name) },
        None => shown(value),
    }
}

/// The hours of a day, as owners write them: `08:00–12:00, 13:00–17:00`.
fn hours(value: &Value) -> Markup {
    let one = |item: &Value| {
        let (open, close) = (item.get("open")?.as_str()?, item.get("close")?.as_str()?);
        let is_plain = item.as_object().is_some_and(|fields| fields.len() == 2);
        is_plain.then(|| format!("{open}–{close}"))
    };
    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let read: Option<Vec<String>> = items.iter().map(one).collect();
    html! {
        @match (value, read) {
            (_, Some(hours)) if !hours.is_empty() => (hours.join(", ")),
            (Value::Array(items), _) if items.is_empty() => "closed",
            (value, _) => (shown(value)),
        }
    }
}

/// A value of no field that has words of its own.
pub(super) fn shown(value: &Value) -> Markup {
    let cut = |text: &str| short(text, VALUE_MAX);
    html! {
        @match value {
            Value::Null => span .quiet { "not set" },
            Value::Bool(true) => "yes",
            Value::Bool(false) => "no",
            Value::Number(number) => (number),
            Value::String(text) if text.is_empty() => span .quiet { "empty" },
            Value::String(text) => (cut(text)),
            Value::Array(items) if items.is_empty() => "none",
            Value::Array(items) => {
                @match words(items) {
                    Some(words) => (cut(&words)),
                    None => code { (cut(&value.to_string())) },
                }
            },
            Value::Object(_) => code { (cut(&value.to_string())) },
        }
    }
}

/// A list of words, or of things that each have a name, as one line.
fn words(items: &[Value]) -> Option<String> {
    let word = |item: &Value| {
        let Value::Object(fields) = item else { return item.as_str().map(str::to_owned) };
        let name = fields.get("name")?.as_str()?;
        let kind = fields.get("type").and_then(Value::as_str).unwrap_or("text");
        let needed =
            if fields.get("required") == Some(&Value::Bool(true)) { ", needed" } else { "" };
        let known = ["name", "type", "required"];
        let is_all = fields.keys().all(|field| known.contains(&field.as_str()));
        is_all.then(|| format!("{name} ({kind}{needed})"))
    };
    let words: Option<Vec<String>> = items.iter().map(word).collect();
    words.map(|words| words.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(field: &str, after: Value, of: Of) -> (Option<String>, String) {
        (name(field, of), value(field, &after, of).into_string())
    }

    #[test]
    fn days_are_from_monday_to_sunday() {
        let fields = [
            "name",
            "operating_schedule.exceptions.2026-12-25",
            "operating_schedule.friday",
            "operating_schedule.monday",
            "operating_schedule.sunday",
            "settings.greeting",
        ];
        let changes = fields.map(|field| FieldChange {
            field: field.to_owned(),
            before: Value::Null,
            after: json!([]),
        });
        let places = in_order(&changes, Of::Agent).into_iter().map(|change| {
            fields.iter().position(|field| *field == change.field).unwrap_or_default()
        });
        assert_eq!(places.collect::<Vec<_>>(), [0, 3, 2, 4, 1, 5]);
    }

    #[test]
    fn fields_and_values_are_in_an_owners_words() {
        let split =
            json!([{"open": "08:00", "close": "12:00"}, {"open": "13:00", "close": "17:00"}]);
        for (field, after, expected) in [
            (
                "operating_schedule.monday",
                split,
                ("Opening hours, Monday", "08:00–12:00, 13:00–17:00"),
            ),
            ("operating_schedule.tuesday", json!([]), ("Opening hours, Tuesday", "closed")),
            (
                "business.operating_schedule.exceptions.2026-12-25",
                json!([]),
                ("Opening hours, Fri 25 December 2026", "closed"),
            ),
            (
                "operating_schedule.exceptions.02-29",
                json!({"open": "09:00", "close": "10:00"}),
                ("Opening hours, 29 February, every year", "09:00–10:00"),
            ),
            (
                "operating_schedule.exceptions.4 July",
                json!([]),
                ("Opening hours, 4 July, every year", "closed"),
            ),
            (
                "settings.transfer.targets.team",
                json!("+442079460958"),
                ("Who callers can be put through to: team", "<bdi>+44 20 7946 0958</bdi>"),
            ),
            ("status", json!("inactive"), ("In service", "switched off")),
            (
                "settings.hours.closed",
                json!("fallback"),
                (
                    "Outside opening hours",
                    "Callers get what is set under Put through &amp; messages",
                ),
            ),
            ("business_name", json!("A & B"), ("Name of the business", "A &amp; B")),
            ("settings.language", json!("de-CH"), ("Language", "German (de-CH)")),
            ("settings.language", json!("<x>"), ("Language", "&lt;x&gt;")),
            ("settings.limits.call_seconds", json!(2700), ("Longest call, in minutes", "45")),
        ] {
            let expected = (Some(expected.0.to_owned()), expected.1.to_owned());
            assert_eq!(read(field, after, Of::Agent), expected, "{field}");
        }
        assert_eq!(read("settings.odd", json!({"a": 1}), Of::Agent).0, None);
    }

    #[test]
    fn a_functions_fields_are_its_own() {
        for (field, after, expected) in [
            ("name", json!("prices"), ("Name", "prices")),
            ("type", json!("json_api"), ("Kind", "Ask a service")),
            ("data.timeout_ms", json!(2500), ("Longest wait", "2.5 s")),
            ("data.headers.X-Key", json!("1"), ("Headers: X-Key", "1")),
            (
                "variables",
                json!([{"name": "item", "type": "text", "required": true}]),
                ("What the agent asks the caller for", "item (text, needed)"),
            ),
        ] {
            let expected = (Some(expected.0.to_owned()), expected.1.to_owned());
            assert_eq!(read(field, after, Of::Function), expected, "{field}");
        }
        // What says more than a line can is shown whole.
        let more = json!([{"name": "code", "pattern": "^[0-9]+$"}]);
        assert!(read("variables", more, Of::Function).1.contains("pattern"));
    }
}
