//! JSON that a service answered with, read leniently. A byte order mark in front of it, half a
//! surrogate pair or a byte that is not UTF-8 inside it are the service's data: half a pair becomes
//! U+FFFD, and the rest is read as it stands.

use serde::de::DeserializeOwned;

/// Reads a body.
///
/// # Errors
/// It is not JSON even when repaired, or not of this type.
pub fn from_slice<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(body).or_else(|error| {
        let text = String::from_utf8_lossy(body);
        let repaired = repaired(&text);
        match repaired {
            Some(text) => serde_json::from_str(&text),
            // Strict reading failed because of its bytes.
            None if matches!(text, std::borrow::Cow::Owned(_)) => serde_json::from_str(&text),
            None => Err(error),
        }
    })
}

/// Reads a text.
///
/// # Errors
/// It is not JSON even when repaired, or not of this type.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str(text).or_else(|error| match repaired(text) {
        Some(text) => serde_json::from_str(&text),
        None => Err(error),
    })
}

/// The text without a byte order mark and with U+FFFD in the place of each half of a surrogate pair
/// that stands alone. `None`: there is nothing to repair.
pub fn repaired(text: &str) -> Option<String> {
    let body = text.trim_start_matches('\u{feff}');
    let mut repaired: Option<String> =
        (body.len() < text.len()).then(|| String::with_capacity(body.len()));
    // Up to here `body` has been taken over, if anything is repaired at all.
    let mut taken = 0;
    let mut at = 0;
    let bytes = body.as_bytes();
    while let Some(found) = bytes[at..].iter().position(|byte| *byte == b'\\') {
        let escape = at + found;
        at = match unit(bytes, escape) {
            // A character that is escaped itself is passed over.
            None => escape + 2,
            Some(0xD800..=0xDBFF) if matches!(unit(bytes, escape + 6), Some(0xDC00..=0xDFFF)) => {
                escape + 12
            }
            Some(0xD800..=0xDFFF) => {
                let repaired = repaired.get_or_insert_default();
                repaired.push_str(&body[taken..escape]);
                repaired.push_str("\\ufffd");
                taken = escape + 6;
                taken
            }
            Some(_) => escape + 6,
        }
        .min(bytes.len());
    }
    let mut repaired = repaired?;
    repaired.push_str(&body[taken..]);
    Some(repaired)
}

/// The UTF-16 unit that is escaped here as `\uXXXX`.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    let digits = std::str::from_utf8(digits).ok()?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_byte_order_mark_and_half_a_pair_are_data() {
        for (text, value) in [
            ("\u{feff}{\"a\":1}", json!({"a": 1})),
            (r#"{"a":"x\ud83d"}"#, json!({"a": "x\u{fffd}"})),
            (r#"{"a":"\ude00 y \ud83d z"}"#, json!({"a": "\u{fffd} y \u{fffd} z"})),
            (r#"["\ud83d\ude00","\ud83d\ud83d\ude00"]"#, json!(["😀", "\u{fffd}😀"])),
            (r#"["\\ud83d","\\\ud83d"]"#, json!(["\\ud83d", "\\\u{fffd}"])),
        ] {
            assert_eq!(from_str::<Value>(text).unwrap(), value, "{text}");
            assert_eq!(from_slice::<Value>(text.as_bytes()).unwrap(), value, "{text}");
        }
        assert_eq!(from_slice::<Value>(b"[\"caf\xe9\"]").unwrap(), json!(["caf\u{fffd}"]));
    }

    #[test]
    fn what_is_no_json_stays_none_and_what_is_well_is_not_touched() {
        for text in
            ["", "{", "\u{feff}nothing at all", r#"{"a":"\ud83d"#, r#""\u12"#, "\\", "\"\\u"]
        {
            assert!(from_str::<Value>(text).is_err(), "{text}");
            assert!(from_slice::<Value>(text.as_bytes()).is_err(), "{text}");
        }
        for text in ["", "{}", r#""\ud83d\ude00 é \\u""#, "é\\é\\"] {
            assert_eq!(repaired(text), None, "{text}");
        }
    }
}
