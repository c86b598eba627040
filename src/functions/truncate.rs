//! How is a long result made short enough to be read out? Lists lose their ends, then texts
//! theirs, until it fits.

use serde_json::{Map, Value};

/// How much is kept at each attempt: bytes of a text, items of a list, fields of an object, levels.
const KEPT: [(usize, usize, usize, usize); 6] = [
    (1000, 20, 60, 12),
    (500, 10, 40, 8),
    (200, 8, 30, 6),
    (100, 5, 20, 4),
    (50, 3, 10, 3),
    (20, 2, 5, 2),
];

/// A value of at most `bytes` as JSON, and whether something was left out for it.
pub(super) fn shorten(value: Value, bytes: usize) -> (Value, bool) {
    let fits = |value: &Value| value.to_string().len() <= bytes;
    if fits(&value) {
        return (value, false);
    }
    let shorter = KEPT.into_iter().map(|kept| cut(&value, kept)).find(fits);
    (shorter.unwrap_or(Value::Null), true)
}

fn cut(value: &Value, kept: (usize, usize, usize, usize)) -> Value {
    let (text, items, fields, levels) = kept;
    let below = |value: &Value| cut(value, (text, items, fields, levels - 1));
    match value {
        Value::String(whole) => Value::String(cut_text(whole, text)),
        Value::Array(_) | Value::Object(_) if levels == 0 => Value::Null,
        Value::Array(list) => list.iter().take(items).map(below).collect(),
        Value::Object(object) => {
            let kept = object.iter().take(fields);
            Value::Object(
                kept.map(|(name, value)| (name.clone(), below(value))).collect::<Map<_, _>>(),
            )
        }
        other => other.clone(),
    }
}

/// The beginning of a text, with a sign where it was cut.
fn cut_text(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes);
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_fits_stays_as_it_is() {
        let value = json!({"items": [1, 2, 3], "name": "x"});
        assert_eq!(shorten(value.clone(), 100), (value, false));
    }

    #[test]
    fn anything_is_made_to_fit_and_says_so() {
        let deep = (0..100).fold(json!("é".repeat(10_000)), |inner, _| json!({"a": [inner]}));
        let wide: Map<_, _> =
            (0..1000).map(|n| (format!("field {n}"), json!("é".repeat(50)))).collect();
        let names: Map<_, _> = (0..3).map(|n| (format!("{n}").repeat(9000), json!(1))).collect();
        for value in [
            json!((0..1000).map(|n| json!({"id": n, "name": "n".repeat(90)})).collect::<Vec<_>>()),
            json!("é".repeat(10_000)),
            Value::Object(wide),
            Value::Object(names),
            deep,
        ] {
            for bytes in [4000, 300, 20] {
                let (short, truncated) = shorten(value.clone(), bytes);
                assert!(truncated && short.to_string().len() <= bytes, "{short}");
            }
        }
        let list = json!((0..1000).collect::<Vec<_>>());
        assert_eq!(shorten(list, 100).0.as_array().map(Vec::len), Some(20));
    }
}
