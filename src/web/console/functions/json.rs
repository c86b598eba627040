//! JSON that stands in a form's field.

use serde_json::Value;

use crate::web::console::words::short;
use crate::web::problem::Problem;

/// So much of a line with a fault is shown, in characters.
const LINE_CHARACTERS: usize = 60;

/// A value in a field of one line.
pub(super) fn as_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A value in a field of several lines.
pub(super) fn as_json(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    }
}

/// What was written in a field.
///
/// # Errors
/// It is no JSON: with the line that is wrong, and what was expected there.
pub(super) fn read_json(field: &str, text: Option<String>) -> Result<Option<Value>, Problem> {
    let read = |text: String| {
        serde_json::from_str(&text).map_err(|error| Problem::invalid(field, fault(&text, &error)))
    };
    text.map(read).transpose()
}

fn fault(text: &str, error: &serde_json::Error) -> String {
    let (line, said) = (error.line(), error.to_string());
    let what = said.split(" at line ").next().unwrap_or_default();
    let written = text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim();
    let written = match written {
        "" => String::new(),
        written => format!(", “{}”", short(written, LINE_CHARACTERS)),
    };
    format!("line {line}{written}, character {}: {what}; accepted is JSON", error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_its_line_and_what_stands_there() {
        for (text, said) in [
            (
                "{\n  \"a\": {\"say\": \"Hi\"}\n  \"b\": 1\n}",
                "line 3, “\"b\": 1”, character 3: expected `,` or `}`; accepted is JSON",
            ),
            (
                "{\"a\": ",
                "line 1, “{\"a\":”, character 6: EOF while parsing a value; accepted is JSON",
            ),
        ] {
            let problem = read_json("x", Some(text.to_owned())).unwrap_err();
            assert_eq!(problem.detail.as_deref(), Some(said));
            assert_eq!(problem.field.as_deref(), Some("x"));
        }
        assert_eq!(read_json("x", None).unwrap(), None);
        let long = format!("[{}", "é".repeat(500));
        let problem = read_json("x", Some(long)).unwrap_err();
        assert!(problem.detail.unwrap().chars().count() < 200);
    }
}
