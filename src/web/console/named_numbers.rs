//! Names with telephone numbers, a row each: whom callers can be put through to.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};
use serde_json::{Map, Value};

/// Empty rows, for more.
const MORE_ROWS: usize = 2;

/// A name and its number, as somebody wrote them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct NamedNumber {
    name: String,
    number: String,
}

/// What is stored, as rows; none where it is more than names with texts.
pub(super) fn stored(value: &Value) -> Option<Vec<NamedNumber>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::Object(fields) => fields.iter().map(row).collect(),
        _ => None,
    }
}

/// What can be shown of what is stored, as rows. What is no text beside a name, somebody else wrote: a form
/// neither shows nor changes it.
pub(super) fn readable(value: &Value) -> Vec<NamedNumber> {
    value.as_object().into_iter().flatten().filter_map(row).collect()
}

/// The names that rows show, as they are stored.
pub(super) fn shown_names(value: &Value) -> impl Iterator<Item = &String> {
    let fields = value.as_object().into_iter().flatten();
    fields.filter(|field| row(*field).is_some()).map(|(name, _)| name)
}

fn row((name, number): (&String, &Value)) -> Option<NamedNumber> {
    let number = match number {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Some(NamedNumber { name: name.trim().to_owned(), number })
}

/// What a form sent of the field with this path; none where it has no such rows.
pub(super) fn sent(sent: &BTreeMap<String, String>, path: &str) -> Option<Vec<NamedNumber>> {
    let mut rows: BTreeMap<u32, NamedNumber> = BTreeMap::new();
    let prefix = format!("{path}.");
    for (field, text) in sent.range(prefix.clone()..) {
        let Some(rest) = field.strip_prefix(&prefix) else { break };
        let Some((n, column)) = rest.split_once('.') else { continue };
        let Ok(n) = n.parse() else { continue };
        let row = rows.entry(n).or_default();
        match column {
            "name" => text.trim().clone_into(&mut row.name),
            "number" => text.trim().clone_into(&mut row.number),
            _ => {}
        }
    }
    let is_filled = |row: &NamedNumber| !row.name.is_empty() || !row.number.is_empty();
    (!rows.is_empty()).then(|| rows.into_values().filter(is_filled).collect())
}

/// Rows as a form would send them, by the names of its fields.
pub(super) fn texts(path: &str, rows: &[NamedNumber]) -> Vec<(String, String)> {
    let field = |n: usize, column: &str| format!("{path}.{n}.{column}");
    let pairs = rows.iter().enumerate().flat_map(|(n, row)| {
        [(field(n, "name"), row.name.clone()), (field(n, "number"), row.number.clone())]
    });
    pairs.collect()
}

/// What cannot be kept, by its path: a number without a name, and a name that is there twice.
pub(super) fn wrong(path: &str, rows: &[NamedNumber]) -> Vec<(String, String)> {
    let mut names = BTreeSet::new();
    let mut wrong = Vec::new();
    for row in rows {
        let why = match names.insert(&row.name) {
            _ if row.name.is_empty() => "Write a name beside the number, such as sales.",
            true => continue,
            false => "This name is there twice. Give each number a name of its own.",
        };
        wrong.push((format!("{path}.{}", row.name), why.to_owned()));
    }
    wrong
}

/// The rows as they are stored. A number that was not changed stays as it is written there.
pub(super) fn value(rows: &[NamedNumber], before: &Value) -> Map<String, Value> {
    let shown = readable(before);
    let rows = rows.iter().map(|row| {
        let kept = before.get(&row.name).filter(|_| shown.contains(row));
        let number = kept.cloned().unwrap_or_else(|| Value::String(row.number.clone()));
        (row.name.clone(), number)
    });
    rows.collect()
}

/// The rows, with some for more. What is wrong with the number of a name is under the row; `example` is
/// how a number is written where the business is.
pub(super) fn fields(
    (path, label): (&str, &str),
    rows: &[NamedNumber],
    example: &str,
    wrong: &[(String, String)],
) -> Markup {
    let empty = NamedNumber::default();
    let id = path.replace('.', "-");
    let all = rows.iter().chain(std::iter::repeat_n(&empty, MORE_ROWS)).enumerate();
    html! {
        fieldset {
            legend { (label) }
            @for (n, row) in all {
                @let why = (*row != empty).then(|| why(path, row, wrong)).flatten();
                @let error = why.map(|_| format!("{id}-{n}-error"));
                @let invalid = why.map(|_| "true");
                div .pair {
                    input type="text" name={ (path) "." (n) ".name" } value=(row.name) placeholder="sales"
                        aria-label={ "Name " (n + 1) } aria-invalid=[invalid] aria-describedby=[error.as_deref()];
                    input type="tel" name={ (path) "." (n) ".number" } value=(row.number) placeholder=(example)
                        aria-label={ "Number " (n + 1) } aria-invalid=[invalid] aria-describedby=[error.as_deref()];
                }
                @if let (Some(why), Some(error)) = (why, &error) { p .error id=(error) { (why) } }
            }
            p .hint {
                "A name, as the agent says it, and a number: with its country code, such as " (example)
                ", or as it is dialled where you are. Empty both to remove one. Once saved, there is room for more."
            }
        }
    }
}

/// Why a row was not accepted.
fn why<'a>(path: &str, row: &NamedNumber, wrong: &'a [(String, String)]) -> Option<&'a str> {
    let is_it = |field: &str| field.strip_prefix(path)?.strip_prefix('.').map(|n| n == row.name);
    wrong.iter().find(|(field, _)| is_it(field) == Some(true)).map(|(_, why)| why.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn form(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, text)| (format!("x.{name}"), (*text).to_owned())).collect()
    }

    #[test]
    fn rows_are_stored_and_what_was_not_touched_stays_as_it_was() {
        let before = json!({"sales": " 020 7946 0958", "desk": 12, "old": "+442079460959"});
        let shown = stored(&before).unwrap();
        assert_eq!(Value::Object(value(&shown, &before)), before);
        let sent = sent(
            &form(&[
                ("0.name", "sales"),
                ("0.number", "020 7946 0958 "),
                ("1.name", "desk"),
                ("1.number", "12"),
                ("2.name", ""),
                ("2.number", " "),
                ("11.name", " new one "),
                ("11.number", "020 7946 0960"),
                ("odd", "1"),
            ]),
            "x",
        );
        let kept = value(&sent.unwrap(), &before);
        assert_eq!(
            Value::Object(kept),
            json!({"sales": " 020 7946 0958", "desk": 12, "new one": "020 7946 0960"})
        );
    }

    #[test]
    fn what_rows_cannot_show_is_not_shown_as_rows_and_no_rows_are_no_change() {
        let odd = json!({"sales": "1", "desk": {"number": "1"}, "old": null, "list": ["2"]});
        assert_eq!(stored(&odd), None);
        let shown = NamedNumber { name: "sales".to_owned(), number: "1".to_owned() };
        assert_eq!(readable(&odd), [shown], "one by one the others can be");
        assert_eq!(shown_names(&odd).collect::<Vec<_>>(), ["sales"]);
        assert_eq!(stored(&json!("sales")), None);
        assert_eq!(stored(&Value::Null), Some(Vec::new()));
        assert_eq!(sent(&form(&[]), "x"), None);
        assert_eq!(sent(&form(&[("0.name", "")]), "x"), Some(Vec::new()), "all were removed");
    }

    #[test]
    fn a_number_without_a_name_and_a_name_twice_stand_under_their_rows() {
        let rows = sent(
            &form(&[("0.number", "1"), ("1.name", "a"), ("2.name", "a"), ("2.number", "2")]),
            "x",
        )
        .unwrap();
        let wrong = wrong("x", &rows);
        let paths: Vec<&str> = wrong.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["x.", "x.a"]);
        let shown = fields(("x", "People"), &rows, "+1 202-555-0123", &wrong).into_string();
        assert_eq!(shown.matches("class=\"error\"").count(), 3, "{shown}");
        assert!(shown.contains("id=\"x-0-error\">Write a name"), "{shown}");
        assert_eq!(shown.matches("placeholder=\"+1 202-555-0123\"").count(), 5, "{shown}");
    }
}
