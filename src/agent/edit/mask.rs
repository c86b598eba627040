//! Secrets in what an owner writes: shown as a mask, and kept where the mask is sent back.

use serde_json::{Map, Value};

/// What is shown in the place of a secret. Sent back, it keeps what is stored.
pub const MASK: &str = "********";

/// Parts of the names of headers and fields that hold a key.
const SECRET_NAMES: [&str; 8] =
    ["authorization", "cookie", "password", "secret", "token", "api-key", "apikey", "access-key"];

/// Where a kind of JSON has its secrets, by the steps to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretPlaces {
    /// `voice_agents.private_settings`.
    Settings,
    /// `functions.data`: keys that somebody wrote out where `{{ secrets.NAME }}` belongs.
    FunctionData,
}

impl SecretPlaces {
    fn has(self, path: &[&str]) -> bool {
        match (self, path) {
            (Self::Settings, ["webhook", "secret"] | ["secrets", _]) => true,
            (Self::FunctionData, ["headers" | "query", name]) => is_secret_name(name),
            (Self::FunctionData, ["body", .., name]) => is_secret_name(name),
            _ => false,
        }
    }

    /// Whether this value there is a secret: a template has none in it.
    fn hides(self, path: &[&str], value: &Value) -> bool {
        let is_template = || value.as_str().is_some_and(|text| text.contains("{{"));
        let is_nothing = value.is_null() || value == "";
        self.has(path) && !is_nothing && !(self == Self::FunctionData && is_template())
    }

    /// The value with a mask for each secret.
    pub fn masked(self, value: &Value) -> Value {
        self.mask_at(&mut Vec::new(), value)
    }

    fn mask_at<'v>(self, path: &mut Vec<&'v str>, value: &'v Value) -> Value {
        if self.hides(path, value) {
            return MASK.into();
        }
        match value {
            Value::Object(fields) => {
                let masked = fields.iter().map(|(name, value)| {
                    path.push(name);
                    let masked = self.mask_at(path, value);
                    path.pop();
                    (name.clone(), masked)
                });
                Value::Object(masked.collect())
            }
            Value::Array(items) => items.iter().map(|item| self.mask_at(path, item)).collect(),
            other => other.clone(),
        }
    }

    /// What was sent, with what is stored in the place of each mask.
    ///
    /// # Errors
    /// The path of a mask where nothing is stored.
    pub fn unmasked(self, sent: Value, stored: &Value) -> Result<Value, String> {
        self.unmask_at(&mut Vec::new(), sent, Some(stored))
    }

    fn unmask_at(
        self,
        path: &mut Vec<String>,
        sent: Value,
        stored: Option<&Value>,
    ) -> Result<Value, String> {
        match sent {
            Value::String(text) if text == MASK => {
                let steps: Vec<&str> = path.iter().map(String::as_str).collect();
                if !self.has(&steps) {
                    return Ok(Value::String(text));
                }
                let stored = stored.filter(|stored| !stored.is_null());
                stored.cloned().ok_or_else(|| path.join("."))
            }
            Value::Object(fields) => {
                let mut unmasked = Map::new();
                for (name, value) in fields {
                    path.push(name.clone());
                    let below = stored.and_then(|stored| stored.get(&name));
                    let value = self.unmask_at(path, value, below)?;
                    path.pop();
                    unmasked.insert(name, value);
                }
                Ok(Value::Object(unmasked))
            }
            // An item of a list has no name that it could be found again by.
            other => Ok(other),
        }
    }

    /// The paths of the secrets.
    pub fn paths(self, value: &Value) -> Vec<String> {
        self.secrets(value).into_iter().map(|(path, _)| path).collect()
    }

    /// The paths of what was sent as a mask, and so is to be kept.
    pub fn masks(self, sent: &Value) -> Vec<String> {
        let masks = self.secrets(sent).into_iter().filter(|(_, value)| *value == MASK);
        masks.map(|(path, _)| path).collect()
    }

    /// The paths of the secrets that differ.
    pub fn changed(self, before: &Value, after: &Value) -> Vec<String> {
        let (before, after) = (self.secrets(before), self.secrets(after));
        let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
        names.filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
    }

    /// The secrets themselves, those that are texts.
    pub fn texts(self, value: &Value) -> Vec<String> {
        let secrets = self.secrets(value).into_iter();
        secrets.filter_map(|(_, value)| value.as_str().map(str::to_owned)).collect()
    }

    fn secrets(self, value: &Value) -> Map<String, Value> {
        fn walk<'v>(
            places: SecretPlaces,
            path: &mut Vec<&'v str>,
            value: &'v Value,
            found: &mut Map<String, Value>,
        ) {
            if places.hides(path, value) {
                found.insert(path.join("."), value.clone());
                return;
            }
            for (name, value) in value.as_object().into_iter().flatten() {
                path.push(name);
                walk(places, path, value, found);
                path.pop();
            }
        }
        let mut found = Map::new();
        walk(self, &mut Vec::new(), value, &mut found);
        found
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
        assert_eq!(SecretPlaces::Settings.unmasked(masked, &stored), Ok(stored.clone()));
        let new = json!({"secrets": {"OTHER": MASK}});
        let refused = SecretPlaces::Settings.unmasked(new, &stored);
        assert_eq!(refused, Err("secrets.OTHER".to_owned()));
        let words = json!({"greeting": MASK});
        assert_eq!(SecretPlaces::Settings.unmasked(words.clone(), &stored), Ok(words));
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
        assert_eq!(SecretPlaces::FunctionData.unmasked(masked, &data), Ok(data.clone()));
        let mut other = data.clone();
        other["headers"]["Authorization"] = json!("Bearer xyz");
        let changed = SecretPlaces::FunctionData.changed(&data, &other);
        assert_eq!(changed, ["headers.Authorization"]);
    }

    #[test]
    fn a_change_is_merged_and_null_removes() {
        let stored = json!({"a": {"b": 1, "c": 2}, "d": [1]});
        let change = json!({"a": {"b": null, "e": {"f": 3}}, "d": [2], "g": null});
        assert_eq!(merged(&stored, &change), json!({"a": {"c": 2, "e": {"f": 3}}, "d": [2]}));
        assert_eq!(merged(&json!("x"), &json!({"a": 1})), json!({"a": 1}));
    }
}
