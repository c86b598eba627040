//! Where does an agent send which secret? Whoever changes an agent must not learn its secrets, so a
//! secret that is kept goes where it went before, and nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::value::Value as Context;
use serde_json::Value;
use uuid::Uuid;

use super::mask::SecretPlaces;
use crate::agent::Agent;
use crate::agent::json_api::JsonApi;
use crate::agent::template::Facts;
use crate::private::Private;

/// A secret, by the place where it is stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// Written out in a function's row.
    InRow {
        /// `functions.id`.
        function: Uuid,
        /// Where in its `data`, such as `headers.Authorization`.
        path: String,
    },
    /// `private_settings.secrets`, by its name.
    Named(String),
    /// What the webhook is signed with.
    Signing,
}

/// Each secret with each scheme, host and port that it is sent to.
pub type Destinations = BTreeSet<(Held, String)>;

/// Where an agent with these rows sends its secrets. A row is its id, its type and its `data`. Fills
/// templates in: not for a thread that calls live on.
pub fn destinations(agent: &Agent, rows: &[(Uuid, Value, Value)]) -> Destinations {
    let secrets = &agent.settings.secrets;
    let values = values(agent);
    let mut found = Destinations::new();
    for (function, kind, data) in rows {
        let Ok(api) = JsonApi::read(data) else { continue };
        if kind != "json_api" {
            continue;
        }
        // What cannot be filled in yet is known by its words: it may be later.
        let written = || data["url"].as_str().unwrap_or_default().trim().to_owned();
        let origin = api.origin(&values).unwrap_or_else(|_| written());
        let in_row = SecretPlaces::FunctionData.paths(data).into_iter();
        let in_row = in_row.map(|path| Held::InRow { function: *function, path });
        let named = named_in(data, secrets).into_iter().map(Held::Named);
        found.extend(in_row.chain(named).map(|held| (held, origin.clone())));
    }
    if let Some(webhook) = agent.settings.webhook.as_ref().filter(|it| it.secret.is_some())
        && let Ok(url) = url::Url::parse(&webhook.url)
    {
        found.insert((Held::Signing, url.origin().ascii_serialization()));
    }
    found
}

/// What may stand before the path of an address.
fn values(agent: &Agent) -> Context {
    let facts = Facts {
        caller: String::new(),
        call_id: String::new(),
        call_sid: String::new(),
        agent_id: agent.id.to_string(),
        agent_name: agent.name.clone(),
        agent_number: agent.number.clone().unwrap_or_default(),
    };
    let secrets = agent.settings.secrets.iter();
    let secrets = secrets.map(|(name, secret)| (name.as_str(), secret.reveal().as_str()));
    let mut values = facts.values();
    values.insert("secrets".to_owned(), Context::from_pairs(secrets));
    Context::from_pairs(values)
}

/// The secrets that the templates of a row ask for: all, where it is not plain which.
fn named_in(data: &Value, secrets: &BTreeMap<String, Private<String>>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for text in texts(data) {
        for rest in text.split("secrets").skip(1) {
            match plain_name(rest) {
                Some(name) => found.extend(secrets.contains_key(name).then(|| name.to_owned())),
                None => found.extend(secrets.keys().cloned()),
            }
        }
    }
    found
}

/// The name in `.NAME` or `["NAME"]`, which follow the word.
fn plain_name(rest: &str) -> Option<&str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if let Some(rest) = rest.strip_prefix('.') {
        let end = rest.find(|c| !is_plain(c)).unwrap_or(rest.len());
        return Some(&rest[..end]).filter(|name| !name.is_empty());
    }
    let rest = rest.strip_prefix('[')?;
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (name, after) = rest[1..].split_once(quote)?;
    (after.starts_with(']') && !name.is_empty() && name.chars().all(is_plain)).then_some(name)
}

/// The texts in a value that templates may stand in, names of fields included.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => {
            let names = fields.keys().map(String::as_str);
            names.chain(fields.values().flat_map(texts)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_secrets_of_a_row_are_found_however_they_are_asked_for() {
        let secrets =
            ["CRM", "MAIL", "BASE"].map(|name| (name.to_owned(), Private::new("x".to_owned())));
        let secrets = BTreeMap::from(secrets);
        let all = ["BASE", "CRM", "MAIL"];
        for (text, names) in [
            ("{{ secrets.CRM }}", &["CRM"][..]),
            ("Bearer {{secrets.CRM|trim}} {{ secrets['MAIL'] }}", &["CRM", "MAIL"]),
            ("{{ secrets[\"CRM\"][0:2] }}", &["CRM"]),
            ("{{ secrets.OTHER }}", &[]),
            ("{{ secrets[args.which] }}", &all),
            ("{% set s = secrets %}{{ s.CRM }}", &all),
            ("{{ secrets .CRM }}", &all),
            ("{{ secrets['C' ~ 'RM'] }}", &all),
            ("{{ args.CRM }}", &[]),
        ] {
            let data = json!({"body": {"deep": [text]}});
            let found: Vec<String> = named_in(&data, &secrets).into_iter().collect();
            assert_eq!(found, names, "{text}");
        }
    }
}
