//! What the model wrote, read leniently: it may write a time as the caller said it.

use jiff::civil::{Date, Time};
use serde_json::Value;

use crate::agent::hours::read_time;

/// The longest text of each kind, in characters. What is beyond is left out.
pub(super) const NAME_CHARACTERS: usize = 200;
pub(super) const SERVICE_CHARACTERS: usize = 200;
pub(super) const NOTES_CHARACTERS: usize = 1_000;

/// A text on one line, without what cannot be seen; `None` where there is nothing in it.
pub(super) fn text(arguments: &Value, name: &str, characters_max: usize) -> Option<String> {
    let written = match &arguments[name] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let words: Vec<&str> = written
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|w| !w.is_empty())
        .collect();
    let text: String = words.join(" ").chars().take(characters_max).collect();
    (!text.is_empty()).then_some(text)
}

/// A text that must be there.
pub(super) fn required_text(
    arguments: &Value,
    name: &str,
    characters_max: usize,
) -> Result<String, String> {
    text(arguments, name, characters_max)
        .ok_or_else(|| format!("{name} is missing: ask the caller for it"))
}

/// A date, if one was given.
pub(super) fn date(arguments: &Value, name: &str, today: Date) -> Result<Option<Date>, String> {
    let Some(written) = text(arguments, name, NAME_CHARACTERS) else { return Ok(None) };
    written.parse().map(Some).map_err(|_| {
        let today_is = today.strftime("%A %Y-%m-%d");
        format!("{name} is not a date: accepted is YYYY-MM-DD; today is {today_is}")
    })
}

/// A time of day, if one was given.
pub(super) fn time(arguments: &Value, name: &str) -> Result<Option<Time>, String> {
    let Some(written) = text(arguments, name, NAME_CHARACTERS) else { return Ok(None) };
    let minutes = read_time(&written).map(|minutes| (minutes / 60, minutes % 60));
    let parts =
        minutes.and_then(|(hour, minute)| Some((hour.try_into().ok()?, minute.try_into().ok()?)));
    parts
        .and_then(|(hour, minute)| Time::new(hour, minute, 0, 0).ok())
        .map(Some)
        .ok_or_else(|| format!("{name} is not a time of day: accepted is HH:MM, 00:00 to 23:59"))
}

/// What must be there.
pub(super) fn required<T>(value: Option<T>, name: &str) -> Result<T, String> {
    value.ok_or_else(|| format!("{name} is missing: ask the caller for it"))
}

/// A whole number within the limits, if one was given.
pub(super) fn count(arguments: &Value, name: &str, max: i64) -> Option<i64> {
    let written = text(arguments, name, NAME_CHARACTERS)?;
    written.parse().ok().map(|count: i64| count.clamp(1, max))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_are_on_one_line_and_no_longer_than_they_may_be() {
        let arguments =
            json!({"name": " Anna\n\u{0}  Lee ", "blank": " \t", "number": 7, "list": []});
        assert_eq!(text(&arguments, "name", 200).as_deref(), Some("Anna Lee"));
        assert_eq!(text(&arguments, "name", 4).as_deref(), Some("Anna"));
        assert_eq!(text(&arguments, "number", 4).as_deref(), Some("7"));
        for none in ["blank", "list", "absent"] {
            assert_eq!(text(&arguments, none, 200), None, "{none}");
        }
        assert_eq!(text(&json!("no object"), "name", 200), None);
    }

    #[test]
    fn dates_and_times_are_read_and_what_is_wrong_is_said() {
        let today: Date = "2026-11-22".parse().unwrap();
        let read = |written: &str| date(&json!({"date": written}), "date", today);
        assert_eq!(read("2026-12-01"), Ok(Some("2026-12-01".parse().unwrap())));
        assert_eq!(read(""), Ok(None));
        let error = read("next Tuesday").unwrap_err();
        assert!(error.contains("YYYY-MM-DD") && error.contains("Sunday 2026-11-22"), "{error}");
        assert!(read("2026-02-30").is_err());

        let read = |written: Value| time(&json!({"time": written}), "time");
        for (written, expected) in
            [("14:00", "14:00"), ("9:05", "09:05"), ("2:30 pm", "14:30"), ("14:00:00", "14:00")]
        {
            assert_eq!(read(json!(written)), Ok(Some(expected.parse().unwrap())), "{written}");
        }
        assert_eq!(read(Value::Null), Ok(None));
        for wrong in ["24:00", "25:00", "noon"] {
            assert!(read(json!(wrong)).unwrap_err().contains("HH:MM"), "{wrong}");
        }
        assert_eq!(count(&json!({"days": 3}), "days", 31), Some(3));
        assert_eq!(count(&json!({"days": "90"}), "days", 31), Some(31));
        assert_eq!(count(&json!({"days": "some"}), "days", 31), None);
    }
}
