//! Secrets in what an owner writes: shown as a mask, and kept where the mask is sent back.

use std::collections::BTreeMap;

use serde_json::Value;

/// What is shown in the place of a secret. Sent back, it keeps what is stored.
pub const MASK: &str = "********";

/// Parts of the names of headers and fields that hold a key.
const SECRET_NAMES: [&str; 8] =
    ["authorization", "cookie", "password", "secret", "token", "api-key", "apikey", "access-key"];

/// The steps to a value: names of fields, and numbers of items. Joined, two of them could look alike.
pub type Path = Vec<String>;

/// Where a kind of JSON has its secrets, by the steps to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretPlaces {
    /// `voice_agents.private_settings`.
    Settings,
    /// `functions.data`: keys that somebody wrote out where `{{ secrets.NAME }}` belongs.
    FunctionData,
}

/// A mask in whose place nothing can be put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unkept {
    /// Where it is.
    pub path: Path,
    /// Whether it is in a list: an item has no name that it could be found again by.
    pub in_list: bool,
}

impl Unkept {
    /// The name of the field.
    pub fn field(&self) -> String {
        self.path.join(".")
    }

    /// What is wrong, and what is accepted.
    pub fn why(&self) -> &'static str {
        match self.in_list {
            true => {
                "a mask in a list that was changed keeps nothing; type the secret again, or use \
                 {{ secrets.NAME }}"
            }
            false => "a mask, and nothing is stored that it could keep",
        }
    }
}

impl SecretPlaces {
    fn has(self, path: &[String]) -> bool {
        let steps: Vec<&str> = path.iter().map(String::as_str).collect();
        match (self, &steps[..]) {
            (Self::Settings, ["webhook", "secret"] | ["secrets", _]) => true,
            (Self::FunctionData, ["headers" | "query", name]) => is_secret_name(name),
            // A bare `key` is one half of a pair there: {"key": "phone", "value": …}.
            (Self::FunctionData, ["body", .., name]) => *name != "key" && is_secret_name(name),
            _ => false,
        }
    }

    /// Whether this value there is a secret: a template has none in it.
    fn hides(self, path: &[String], value: &Value) -> bool {
        let is_template = || value.as_str().is_some_and(|text| text.contains("{{"));
        let is_nothing = value.is_null() || value == "";
        self.has(path) && !is_nothing && !(self == Self::FunctionData && is_template())
    }

    /// The value with a mask for each secret.
    pub fn masked(self, value: &Value) -> Value {
        self.masked_at(&[], value)
    }

    /// The same of a value at the end of a path.
    fn masked_at(self, at: &[String], value: &Value) -> Value {
        let mut masked = value.clone();
        for path in self.secrets_at(at, value).into_keys() {
            if let Some(secret) = at_mut(&mut masked, &path[at.len()..]) {
                *secret = MASK.into();
            }
        }
        masked
    }

    /// What was sent, with what is stored in the place of each mask; and where that was put.
    ///
    /// # Errors
    /// The first mask that keeps nothing.
    pub fn unmasked(self, mut sent: Value, stored: &Value) -> Result<(Value, Vec<Path>), Unkept> {
        let mut kept = Vec::new();
        self.unmask_at(&mut Vec::new(), &mut sent, (Some(stored), false), &mut kept)?;
        Ok((sent, kept))
    }

    fn unmask_at(
        self,
        path: &mut Path,
        sent: &mut Value,
        (stored, in_list): (Option<&Value>, bool),
        kept: &mut Vec<Path>,
    ) -> Result<(), Unkept> {
        if *sent == MASK && self.has(path) {
            let stored = stored.filter(|stored| !stored.is_null() && !in_list);
            let unkept = || Unkept { path: path.clone(), in_list };
            *sent = stored.cloned().ok_or_else(unkept)?;
            kept.push(path.clone());
            return Ok(());
        }
        for (step, value) in fields_mut(sent) {
            let stored = stored.and_then(|stored| stored.get(&step));
            path.push(step);
            self.unmask_at(path, value, (stored, in_list), kept)?;
            path.pop();
        }
        if let (Value::Array(_), Some(whole)) = (&*sent, stored)
            && *sent == self.masked_at(path, whole)
        {
            // As it was shown, and so as it is.
            kept.extend(self.secrets_at(path, whole).into_keys());
            *sent = whole.clone();
            return Ok(());
        }
        for (n, value) in sent.as_array_mut().into_iter().flatten().enumerate() {
            path.push(n.to_string());
            self.unmask_at(path, value, (None, true), kept)?;
            path.pop();
        }
        Ok(())
    }

    /// The paths of the secrets.
    pub fn paths(self, value: &Value) -> Vec<Path> {
        self.secrets(value).into_keys().collect()
    }

    /// The names of the secrets that differ.
    pub fn changed(self, before: &Value, after: &Value) -> Vec<String> {
        let (before, after) = (self.secrets(before), self.secrets(after));
        let paths = before.keys().chain(after.keys().filter(|path| !before.contains_key(*path)));
        let other = paths.filter(|path| before.get(*path) != after.get(*path));
        other.map(|path| path.join(".")).collect()
    }

    /// The secrets themselves, whatever they are parts of.
    pub fn texts(self, value: &Value) -> Vec<String> {
        let mut found = Vec::new();
        self.secrets(value).into_values().for_each(|secret| leaves(secret, &mut found));
        found
    }

    fn secrets(self, value: &Value) -> BTreeMap<Path, &Value> {
        self.secrets_at(&[], value)
    }

    fn secrets_at<'v>(self, at: &[String], value: &'v Value) -> BTreeMap<Path, &'v Value> {
        fn walk<'v>(
            places: SecretPlaces,
            path: &mut Path,
            value: &'v Value,
            found: &mut BTreeMap<Path, &'v Value>,
        ) {
            if places.hides(path, value) {
                found.insert(path.clone(), value);
                return;
            }
            for (step, value) in below(value) {
                path.push(step);
                walk(places, path, value, found);
                path.pop();
            }
        }
        let mut found = BTreeMap::new();
        walk(self, &mut at.to_vec(), value, &mut found);
        found
    }
}

/// The fields or the items of a value, each with the step to it.
pub(super) fn below(value: &Value) -> impl Iterator<Item = (String, &Value)> {
    let fields = value.as_object().into_iter().flatten();
    let items = value.as_array().into_iter().flatten().enumerate();
    let fields = fields.map(|(name, value)| (name.clone(), value));
    fields.chain(items.map(|(n, value)| (n.to_string(), value)))
}

fn fields_mut(value: &mut Value) -> impl Iterator<Item = (String, &mut Value)> {
    let fields = value.as_object_mut().into_iter().flatten();
    fields.map(|(name, value)| (name.clone(), value))
}

/// The value at the end of a path.
pub fn at_mut<'v>(value: &'v mut Value, path: &[String]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |value, step| match value {
        Value::Object(fields) => fields.get_mut(step),
        Value::Array(items) => items.get_mut(step.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Whether one path leads to the other, or is it.
pub fn is_along(one: &[String], other: &[String]) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// A shorter number is an amount, and no key.
const DIGITS_MIN: usize = 6;

fn leaves(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Number(number) => {
            found.extend(Some(number.to_string()).filter(|text| text.len() >= DIGITS_MIN));
        }
        Value::Array(_) | Value::Object(_) => {
            below(value).for_each(|(_, value)| leaves(value, found));
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// Whether what has this name is a key or the like.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    SECRET_NAMES.iter().any(|part| name.contains(part)) || name == "key"
}

/// What is stored with a change: fields of objects are merged, null removes, all else is replaced
/// (RFC 7396).
pub fn merged(stored: &Value, change: &Value) -> Value {
    let Value::Object(change) = change else { return change.clone() };
    let mut fields = stored.as_object().cloned().unwrap_or_default();
    for (name, value) in change {
        if value.is_null() {
            fields.remove(name);
        } else {
            let merged = merged(fields.get(name).unwrap_or(&Value::Null), value);
            fields.insert(name.clone(), merged);
        }
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_masked_and_a_mask_keeps_them() {
        let stored = json!({
            "greeting": "Hello",
            "webhook": {"url": "https://x.example", "secret": "whsec_abc"},
            "secrets": {"CRM": "k1", "EMPTY": ""},
        });
        let masked = SecretPlaces::Settings.masked(&stored);
        assert_eq!(
            masked,
            json!({
                "greeting": "Hello",
                "webhook": {"url": "https://x.example", "secret": MASK},
                "secrets": {"CRM": MASK, "EMPTY": ""},
            })
        );
        let path = |path: &str| path.split('.').map(str::to_owned).collect::<Path>();
        let kept = ["webhook.secret", "secrets.CRM"].map(path);
        let unmasked = SecretPlaces::Settings.unmasked(masked, &stored).unwrap();
        assert_eq!((&unmasked.0, BTreeSet::from_iter(unmasked.1)), (&stored, kept.into()));
        let new = json!({"secrets": {"OTHER": MASK}});
        let refused = SecretPlaces::Settings.unmasked(new, &stored);
        assert_eq!(refused.unwrap_err().field(), "secrets.OTHER");
        let words = json!({"greeting": MASK});
        assert_eq!(
            SecretPlaces::Settings.unmasked(words.clone(), &stored),
            Ok((words, Vec::new()))
        );
    }

    #[test]
    fn a_key_that_is_written_out_in_a_function_is_a_secret_and_a_template_is_none() {
        let data = json!({
            "url": "https://x.example/?a=1",
            "headers": {"Authorization": "Bearer abc", "X-Api-Key": "{{ secrets.CRM }}", "Accept": "*/*"},
            "query": {"api_key": "abc", "q": "{{ args.q }}"},
            "body": {"auth": {"password": "abc"}, "name": "{{ args.name }}"},
        });
        let masked = SecretPlaces::FunctionData.masked(&data);
        assert_eq!(masked["headers"]["Authorization"], MASK);
        assert_eq!(masked["headers"]["X-Api-Key"], "{{ secrets.CRM }}");
        assert_eq!(masked["query"], json!({"api_key": MASK, "q": "{{ args.q }}"}));
        assert_eq!(masked["body"]["auth"]["password"], MASK);
        assert_eq!(SecretPlaces::FunctionData.unmasked(masked, &data).unwrap().0, data);
        let mut other = data.clone();
        other["headers"]["Authorization"] = json!("Bearer xyz");
        let changed = SecretPlaces::FunctionData.changed(&data, &other);
        assert_eq!(changed, ["headers.Authorization"]);
    }

    #[test]
    fn a_key_in_a_list_is_kept_with_the_list_as_it_was_shown_alone() {
        let places = SecretPlaces::FunctionData;
        let data = json!({"body": [{"token": "abc", "name": "x"}, {"password": ["de", 1234567]}]});
        let masked = places.masked(&data);
        let shown = json!({"body": [{"token": MASK, "name": "x"}, {"password": MASK}]});
        assert_eq!(masked, shown);
        assert_eq!(places.texts(&data), ["abc", "de", "1234567"]);
        let kept = [["body", "0", "token"], ["body", "1", "password"]];
        let kept = kept.map(|path| path.map(str::to_owned).to_vec()).to_vec();
        assert_eq!(places.unmasked(masked.clone(), &data).unwrap(), (data.clone(), kept));
        let mut other = masked;
        other["body"][0]["name"] = json!("y");
        let unkept = places.unmasked(other, &data).unwrap_err();
        assert_eq!((unkept.field().as_str(), unkept.in_list), ("body.0.token", true));
    }

    #[test]
    fn paths_that_read_alike_are_two_and_a_mask_may_be_within_a_secret() {
        let places = SecretPlaces::FunctionData;
        let stored = json!({"body": {"auth": {"password": "hush"}, "token": {"secret": "quiet"}}});
        let sent = json!({"body": {"auth": {"password": MASK}, "auth.password": "x",
            "token": {"secret": MASK}}});
        let (_, kept) = places.unmasked(sent.clone(), &stored).unwrap();
        let secrets = places.paths(&sent);
        let is_kept = |path: &&Path| kept.iter().any(|kept| is_along(path, kept));
        assert_eq!((secrets.len(), secrets.iter().filter(is_kept).count()), (3, 2));
    }

    #[test]
    fn a_change_is_merged_and_null_removes() {
        let stored = json!({"a": {"b": 1, "c": 2}, "d": [1]});
        let change = json!({"a": {"b": null, "e": {"f": 3}}, "d": [2], "g": null});
        assert_eq!(merged(&stored, &change), json!({"a": {"c": 2, "e": {"f": 3}}, "d": [2]}));
        assert_eq!(merged(&json!("x"), &json!({"a": 1})), json!({"a": 1}));
    }
}
