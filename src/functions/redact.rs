//! What an agent's secrets look like in what comes back from a service, and how they stay out of
//! what the model, the log and the events are given.

use std::collections::BTreeMap;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::escapes::Reading;
use crate::private::Private;

/// What stands in place of a secret.
pub(super) const HIDDEN: &str = "[secret]";
/// The same where an address is encoded.
const HIDDEN_ENCODED: &str = "%5Bsecret%5D";
/// A shorter one would hide half of what is said, and is no secret.
const BYTES_MIN: usize = 4;
/// A key that is written out in a row is known by its field's name alone, which may say `token_type` or
/// `include_token` too. In what a service answers it is hidden if it is no word, and at least so long.
const KEY_BYTES_MIN: usize = 8;

/// The shortest text in base64 or hexadecimal that is hidden, in bytes.
const CODED_BYTES_MIN: usize = 8;
/// As many slots the beginnings of forms are told apart by.
const SLOTS: usize = 4096;

/// The secrets of one agent, in each form in which they may come back.
pub(super) struct Secrets {
    forms: Vec<Form>,
    /// For each slot the first form that begins so, counted from 1; and for each form the next one.
    heads: Vec<usize>,
    next: Vec<usize>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Form {
    text: String,
    /// What is around it belongs to it: its edges are coded together with what is beside them.
    is_base64: bool,
}

impl Secrets {
    /// What an answer is given without: those of the settings, and what looks like a key of those that
    /// are written out in a row. A caller's name or number is not to be taken for one.
    pub(super) fn in_answers(
        secrets: &BTreeMap<String, Private<String>>,
        written_out: &Private<Vec<String>>,
    ) -> Self {
        let keys = written_out.reveal().iter().filter(|text| looks_like_a_key(text));
        Self::of(secrets, &keys.cloned().collect::<Vec<_>>().into())
    }

    /// What a request is shown without: those of the settings, and all that are written out in a row:
    /// whole, and without the word before them, such as `Bearer`.
    pub(super) fn of(
        secrets: &BTreeMap<String, Private<String>>,
        written_out: &Private<Vec<String>>,
    ) -> Self {
        let named = secrets.values().map(|secret| secret.reveal().as_str());
        let whole = written_out.reveal().iter().map(String::as_str);
        let last = whole.clone().filter_map(|text| text.split_whitespace().next_back());
        let mut forms: Vec<Form> = named.chain(whole).chain(last).flat_map(forms).collect();
        forms.sort();
        forms.dedup();
        let (mut heads, mut next) = (vec![0; SLOTS], Vec::new());
        for (n, form) in forms.iter().enumerate() {
            let head = &mut heads[slot(form.text.as_bytes())];
            next.push(*head);
            *head = n + 1;
        }
        Self { forms, heads, next }
    }

    /// A text without them, however it is escaped.
    pub(super) fn hide(&self, text: &str) -> String {
        if self.forms.is_empty() {
            return text.to_owned();
        }
        let readings = Reading::all(text);
        let found = readings.iter().flat_map(|reading| {
            self.find(&reading.text).into_iter().map(|part| reading.place(part))
        });
        let mut found: Vec<Range<usize>> = found.collect();
        found.sort_by_key(|part| part.start);
        let (mut hidden, mut shown_to) = (String::new(), 0);
        for part in found {
            // One that goes on into the one before is hidden with it.
            if part.start >= shown_to {
                hidden.push_str(&text[shown_to..part.start]);
                hidden.push_str(HIDDEN);
            }
            shown_to = shown_to.max(part.end);
        }
        hidden.push_str(&text[shown_to..]);
        hidden
    }

    /// Where they are in a text.
    fn find(&self, text: &str) -> Vec<Range<usize>> {
        let bytes = text.as_bytes();
        let mut found: Vec<Range<usize>> = Vec::new();
        for at in 0..bytes.len().saturating_sub(BYTES_MIN - 1) {
            let mut n = self.heads[slot(&bytes[at..])];
            while n > 0 {
                let Form { text: form, is_base64 } = &self.forms[n - 1];
                n = self.next[n - 1];
                if !bytes[at..].starts_with(form.as_bytes()) {
                    continue;
                }
                let part = at..at + form.len();
                let is_known = |known: &Range<usize>| known.contains(&at) && known.end >= part.end;
                if !found.last().is_some_and(is_known) {
                    found.push(if *is_base64 { whole_base64(bytes, part) } else { part });
                }
            }
        }
        found
    }

    /// An address without them, which was filled in without them too.
    pub(super) fn hide_in_url(&self, url: &str) -> String {
        self.hide(url).replace(HIDDEN_ENCODED, HIDDEN)
    }

    /// A value without them, names of fields included.
    pub(super) fn hide_in(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.hide(&text)),
            Value::Number(number) if self.has(&number.to_string()) => HIDDEN.into(),
            Value::Array(items) => items.into_iter().map(|item| self.hide_in(item)).collect(),
            Value::Object(fields) => {
                let fields = fields.into_iter();
                let hidden = fields.map(|(name, value)| (self.hide(&name), self.hide_in(value)));
                Value::Object(hidden.collect::<Map<_, _>>())
            }
            other => other,
        }
    }

    fn has(&self, text: &str) -> bool {
        self.forms.iter().any(|form| form.text == text)
    }
}

/// The forms of one secret. What is escaped is found with its escapes undone; a blank that became `+` is
/// not, because a plus may be meant.
fn forms(secret: &str) -> Vec<Form> {
    let encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let query: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let in_json = Value::from(secret).to_string();
    let in_json = in_json.trim_matches('"').to_owned();
    let plain = [secret.to_owned(), secret.trim().to_owned(), encoded, query, in_json];
    let plain = plain.into_iter().filter(|text| text.len() >= BYTES_MIN);
    let secret = secret.trim().as_bytes();
    let lower: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let hexadecimal = [lower.to_uppercase(), lower].into_iter();
    let hexadecimal = hexadecimal.filter(|text| text.len() >= 2 * BYTES_MIN);
    let plain = plain.chain(hexadecimal).map(|text| Form { text, is_base64: false });
    plain.chain(in_base64(secret).map(|text| Form { text, is_base64: true })).collect()
}

/// What is sure to be in a text in base64 that has the secret in it: of each of the three places where it
/// may begin in a group of three bytes, the letters that stand for its bytes alone.
fn in_base64(secret: &[u8]) -> impl Iterator<Item = String> {
    let of = |offset: usize| {
        let before = [0, 2, 3][offset];
        let bytes = [vec![0; offset], secret.to_vec()].concat();
        let behind = usize::from(bytes.len() % 3 != 0);
        [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)].map(|text| {
            let sure = before..text.len().saturating_sub(behind);
            text.get(sure).unwrap_or_default().to_owned()
        })
    };
    [of(0), of(1), of(2)].into_iter().flatten().filter(|text| text.len() >= CODED_BYTES_MIN)
}

/// A part of a text in base64, with the rest of that: in its edges are bits of the secret.
fn whole_base64(text: &[u8], part: Range<usize>) -> Range<usize> {
    let is_of_it = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte);
    let before = text[..part.start].iter().rev().take_while(is_of_it).count();
    let behind = text[part.end..].iter().take_while(is_of_it).count();
    part.start - before..part.end + behind
}

/// By the first two bytes of a text, which has them.
fn slot(text: &[u8]) -> usize {
    ((usize::from(text[0]) << 4) ^ usize::from(text[1])) % SLOTS
}

fn looks_like_a_key(text: &str) -> bool {
    let last = text.split_whitespace().next_back().unwrap_or_default();
    let is_word = |text: &str| text.chars().all(|c| c.is_alphabetic() || "_-".contains(c));
    last.len() >= KEY_BYTES_MIN && !is_word(last)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_form_of_a_secret_is_left() {
        let secrets =
            [("A", "hunter2/+ x"), ("B", "hunter2/+ x and more"), ("C", "12345"), ("D", "ab")]
                .map(|(name, secret)| (name.to_owned(), Private::new(secret.to_owned())));
        let written_out = vec!["Bearer q\"uoted".to_owned()].into();
        let secrets = Secrets::of(&BTreeMap::from(secrets), &written_out);
        let echoed = json!({
            "headers": {"Authorization": "Bearer hunter2/+ x"},
            "url": "https://x/?a=hunter2%2F%2B%20x&b=hunter2%2F%2B+x",
            "hunter2/+ x and more": ["hunter2/+ x and more.", 12345, 123_456, null],
            "words": "grab a cab",
            "written": "q\"uoted",
            "as_text": "{\"a\":\"q\\\"uoted\"}",
        });
        assert_eq!(
            secrets.hide_in(echoed),
            json!({
                "headers": {"Authorization": "Bearer [secret]"},
                "url": "https://x/?a=[secret]&b=[secret]",
                "[secret]": ["[secret].", "[secret]", 123_456, null],
                "words": "grab a cab",
                "written": "[secret]",
                "as_text": "{\"a\":\"[secret]\"}",
            })
        );
    }

    #[test]
    fn no_service_gives_one_back_by_writing_it_otherwise() {
        let secrets =
            [("A", "q9/Zt+Lk2/Pp8Yw=="), ("B", "gr\u{fc}\u{df}e<an>alle"), ("C", "p\"q\\r/9")]
                .map(|(name, secret)| (name.to_owned(), Private::new(secret.to_owned())));
        let secrets = Secrets::of(&BTreeMap::from(secrets), &Vec::new().into());
        let base64 = |text: &str| STANDARD_NO_PAD.encode(text);
        let url_safe = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let nested = json!({"b": {"c": "x q9/Zt+Lk2/Pp8Yw== y"}}).to_string();
        let twice = json!({"a": json!({"b": nested}).to_string()}).to_string();
        for (came, shown) in [
            (r#"{"a":"q9\/Zt+Lk2\/Pp8Yw=="}"#, r#"{"a":"[secret]"}"#),
            (r#"{"a":"q9/Zt\u002bLk2/Pp8Yw\u003d\u003d"}"#, r#"{"a":"[secret]"}"#),
            (r#"["gr\u00fc\u00DFe\u003can\u003Ealle"]"#, r#"["[secret]"]"#),
            (r#"["p\"q\\r\/9"]"#, r#"["[secret]"]"#),
            (r#"{"a":"{\"b\":\"q9\\\/Zt+Lk2\\\/Pp8Yw==\"}"}"#, r#"{"a":"{\"b\":\"[secret]\"}"}"#),
            ("<p>gr&uuml; gr\u{fc}\u{df}e&lt;an&gt;alle</p>", "<p>gr&uuml; [secret]</p>"),
            ("?k=q9%252FZt%252BLk2%252FPp8Yw%253D%253D&", "?k=[secret]&"),
            ("?k=q9%2fZt%2bLk2%2fPp8Yw%3d%3d&", "?k=[secret]&"),
            (&format!("Basic {}, x", base64("user:q9/Zt+Lk2/Pp8Yw==")), "Basic [secret], x"),
            (&format!("Basic {}, x", base64("me:q9/Zt+Lk2/Pp8Yw==!")), "Basic [secret], x"),
            (&format!("a.{}.b", url_safe("{\"k\":\"q9/Zt+Lk2/Pp8Yw==\"}")), "a.[secret].b"),
            ("71392f5a742b4c6b322f50703859773d3d", "[secret]"),
        ] {
            assert_eq!(secrets.hide(came), shown, "{came}");
        }
        let hidden = secrets.hide(&twice);
        assert!(!hidden.contains("Zt+Lk2") && hidden.contains("x [secret] y"), "{hidden}");
        let plain = r#"{"a":"100 % of q9 \/ and \u00e4","b":[1,2]}"#;
        assert_eq!(secrets.hide(plain), plain, "and nothing else is touched");
    }

    #[test]
    fn what_is_a_word_stays_in_answers() {
        let written_out = ["bearer", "first_name", "true", "Bearer k-123456789", "15550000"];
        let written_out = written_out.map(str::to_owned).to_vec().into();
        let answer = json!({"token_type": "bearer", "first_name": "Ann", "true": "k-123456789"});
        assert_eq!(
            Secrets::in_answers(&BTreeMap::new(), &written_out).hide_in(answer),
            json!({"token_type": "bearer", "first_name": "Ann", "true": "[secret]"})
        );
    }
}
