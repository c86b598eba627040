//! What an agent's secrets look like in what comes back from a service, and how they stay out of
//! what the model, the log and the events are given.

use std::collections::BTreeMap;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

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

/// The secrets of one agent, in each form in which they may come back.
pub(super) struct Secrets(Vec<String>);

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
        let forms = named.chain(whole).chain(last).flat_map(|secret| {
            let encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
            let query: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            let in_json = Value::from(secret).to_string();
            let in_json = in_json.trim_matches('"').to_owned();
            [secret.to_owned(), encoded, query, in_json, secret.trim().to_owned()]
        });
        let mut forms: Vec<String> = forms.filter(|form| form.len() >= BYTES_MIN).collect();
        // The longest first, or the rest of one that begins with another would stay.
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        Self(forms)
    }

    /// A text without them.
    pub(super) fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN))
    }

    /// An address without them, which was filled in without them too.
    pub(super) fn hide_in_url(&self, url: &str) -> String {
        self.hide(url).replace(HIDDEN_ENCODED, HIDDEN)
    }

    /// A value without them, names of fields included.
    pub(super) fn hide_in(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.hide(&text)),
            Value::Number(number) if self.0.contains(&number.to_string()) => HIDDEN.into(),
            Value::Array(items) => items.into_iter().map(|item| self.hide_in(item)).collect(),
            Value::Object(fields) => {
                let fields = fields.into_iter();
                let hidden = fields.map(|(name, value)| (self.hide(&name), self.hide_in(value)));
                Value::Object(hidden.collect::<Map<_, _>>())
            }
            other => other,
        }
    }
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
