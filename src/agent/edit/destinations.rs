//! Where does an agent send which secret? Whoever changes an agent must not learn its secrets, so a
//! secret that is kept goes where it went before, and nowhere else.

use std::collections::BTreeSet;

use minijinja::value::Value as Context;
use serde_json::Value;
use uuid::Uuid;

use super::mask::{Path, SecretPlaces, below, is_along};
use crate::agent::Agent;
use crate::agent::json_api::{JsonApi, as_read};
use crate::agent::template::Facts;

/// What templates call the secrets of the settings.
const SECRETS: &str = "secrets";

/// A secret, by the place where it is stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// Written out in a function's row.
    InRow {
        /// `functions.id`.
        function: Uuid,
        /// Where in its `data`, such as `headers`, `Authorization`.
        path: Path,
    },
    /// `private_settings.secrets`, by its name.
    Named(String),
    /// Whichever of `private_settings.secrets` a template picks.
    Any,
    /// What the webhook is signed with.
    Signing,
}

/// Where a secret is sent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Destination {
    /// To this scheme, host and port.
    Origin(String),
    /// Nowhere yet: this address cannot be filled in with the values that there are.
    Unfilled(String),
}

/// Each secret with each place that it is sent to.
pub type Destinations = BTreeSet<(Held, Destination)>;

/// Where an agent with these rows sends its secrets. A row is its id, its type and its `data`. Fills
/// templates in: not for a thread that calls live on.
pub fn destinations(agent: &Agent, rows: &[(Uuid, Value, Value)]) -> Destinations {
    let values = values(agent);
    let mut found = Destinations::new();
    for (function, kind, data) in rows {
        let data = as_read(data);
        let Ok(api) = JsonApi::read(&data) else { continue };
        if kind != "json_api" {
            continue;
        }
        let written = || data["url"].as_str().unwrap_or_default().trim().to_owned();
        let destination = match api.origin(&values) {
            Ok(origin) => Destination::Origin(origin),
            Err(_) => Destination::Unfilled(written()),
        };
        let held = held_in(*function, &data).into_iter();
        found.extend(held.map(|held| (held, destination.clone())));
    }
    if let Some(webhook) = agent.settings.webhook.as_ref().filter(|it| it.secret.is_some())
        && let Ok(url) = url::Url::parse(&webhook.url)
    {
        let origin = Destination::Origin(url.origin().ascii_serialization());
        found.insert((Held::Signing, origin));
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

/// The secrets of a row: written out, and those that its templates ask for, stored or not: what is not
/// stored yet may be later.
fn held_in(function: Uuid, data: &Value) -> BTreeSet<Held> {
    let in_row = SecretPlaces::FunctionData.paths(data).into_iter();
    let in_row = in_row.map(|path| Held::InRow { function, path });
    in_row.chain(named_in(data)).collect()
}

fn named_in(data: &Value) -> BTreeSet<Held> {
    let mut found = BTreeSet::new();
    for text in texts(data).into_iter().filter_map(from_first_tag) {
        for rest in text.split(SECRETS).skip(1) {
            found.insert(plain_name(rest).map_or(Held::Any, |name| Held::Named(name.to_owned())));
        }
    }
    found
}

/// Why whoever does not answer for an agent's secrets may not write a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unplain {
    /// A secret is used here in another way than as it is.
    Use(Path),
    /// A template stands in the host, and secrets go there.
    Host,
}

/// What of a row, `before` and `after` a change of its `data`, is more than the plain use of secrets.
/// What was there before may stay.
pub fn unplain(before: &Value, after: &Value, kept: &[Path]) -> Option<Unplain> {
    let (before, after) = (as_read(before), as_read(after));
    if let Some(path) = used_otherwise(&mut Vec::new(), Some(&before), &after) {
        return Some(Unplain::Use(path));
    }
    let host = |data| JsonApi::read(data).ok().map(|api| api.host().to_owned());
    let (had, has) = (host(&before), host(&after)?);
    if !has.contains('{') {
        return None;
    }
    let secrets = held_in(Uuid::nil(), &after).into_iter().filter(|held| match held {
        Held::InRow { path, .. } => kept.iter().any(|kept| is_along(kept, path)),
        Held::Named(_) | Held::Any | Held::Signing => true,
    });
    let held_before = held_in(Uuid::nil(), &before);
    let mut secrets =
        secrets.filter(|held| had.as_ref() != Some(&has) || !held_before.contains(held));
    secrets.next().map(|_| Unplain::Host)
}

fn used_otherwise(path: &mut Path, before: Option<&Value>, after: &Value) -> Option<Path> {
    if let Value::String(text) = after {
        let is_new = before != Some(after);
        return (is_new && !is_plain_use(text)).then(|| path.clone());
    }
    below(after).find_map(|(step, value)| {
        let before = before.and_then(|before| match before {
            Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            other => other.get(&step),
        });
        path.push(step);
        let found = used_otherwise(path, before, value);
        path.pop();
        found
    })
}

/// Whether a template uses secrets as they are: `{{ secrets.NAME }}`, with whatever else around it, and
/// without blocks.
fn is_plain_use(text: &str) -> bool {
    let mut rest = text;
    if text.contains("{%") || text.contains("{#") {
        return !text.contains(SECRETS);
    }
    while let Some((_, tag)) = rest.split_once("{{") {
        match after_plain_use(tag).or_else(|| after_other_use(tag)) {
            Some(after) => rest = after,
            None => return !tag.contains(SECRETS),
        }
    }
    true
}

fn after_plain_use(tag: &str) -> Option<&str> {
    let rest = tag.trim_start().strip_prefix(SECRETS)?.strip_prefix('.')?;
    let name = plain_name_length(rest);
    rest[name..].trim_start().strip_prefix("}}").filter(|_| name > 0)
}

/// What follows a tag that uses no secret; none where that is not plain.
fn after_other_use(tag: &str) -> Option<&str> {
    let mut quote = None;
    let mut chars = tag.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => drop(chars.next()),
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '{') => return None,
            (None, '}') => {
                let after = tag[at..].strip_prefix("}}")?;
                return Some(after).filter(|_| !tag[..at].contains(SECRETS));
            }
            (None, _) => {}
        }
    }
    None
}

/// What is before it is text: an address with the word "secrets" in its path asks for none.
fn from_first_tag(text: &str) -> Option<&str> {
    ["{{", "{%"].iter().filter_map(|tag| text.find(tag)).min().map(|at| &text[at..])
}

fn plain_name_length(text: &str) -> usize {
    text.find(|c| !is_plain(c)).unwrap_or(text.len())
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The name in `.NAME` or `["NAME"]`, which follow the word.
fn plain_name(rest: &str) -> Option<&str> {
    if let Some(rest) = rest.strip_prefix('.') {
        return Some(&rest[..plain_name_length(rest)]).filter(|name| !name.is_empty());
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
        let named = |name: &str| Held::Named(name.to_owned());
        for (text, expected) in [
            ("{{ secrets.CRM }}", vec![named("CRM")]),
            (
                "Bearer {{secrets.CRM|trim}} {{ secrets['MAIL'] }}",
                vec![named("CRM"), named("MAIL")],
            ),
            ("{{ secrets[\"CRM\"][0:2] }}", vec![named("CRM")]),
            ("{{ secrets[args.which] }}", vec![Held::Any]),
            ("{% set s = secrets %}{{ s.CRM }}", vec![Held::Any]),
            ("{{ secrets .CRM }}", vec![Held::Any]),
            ("{{ secrets['C' ~ 'RM'] }}", vec![Held::Any]),
            ("{{ args.CRM }}", vec![]),
            ("no secrets here", vec![]),
        ] {
            let data = json!({"body": {"deep": [text]}});
            assert_eq!(named_in(&data), BTreeSet::from_iter(expected), "{text}");
        }
        let data = json!({"body": r#"{"a": "{{ secr\u0065ts.CRM }}"}"#});
        assert_eq!(named_in(&as_read(&data)), [named("CRM")].into());
    }

    #[test]
    fn a_secret_is_used_as_it_is_or_not() {
        for (text, plain) in [
            ("{{ secrets.CRM }}", true),
            ("Bearer {{secrets.CRM}}", true),
            ("https://secrets.example/{{ args.id|replace('}}', '') }}?k={{ secrets.CRM }}", true),
            ("{% if args.a %}x{% endif %}", true),
            ("our secrets", true),
            ("{{ secrets.CRM|reverse }}", false),
            ("{{ secrets.CRM[0] }}", false),
            ("{{ secrets['CRM'] }}", false),
            ("{{ args.a if secrets.CRM[0] == 'a' else args.b }}", false),
            ("{% if args.a %}{{ secrets.CRM }}{% endif %}", false),
            ("{% filter reverse %}{{ secrets.CRM }}{% endfilter %}", false),
            ("{{ '}}' ~ secrets.CRM }}", false),
            ("{{ {'a': {}} ~ secrets.CRM }}", false),
            ("{{ '{{ secrets.A }}' ~ secrets.CRM }}", false),
            ("{{{ secrets.A }}{ secrets.CRM|reverse }}", false),
            ("{{ '\\'}}' ~ secrets.CRM }}", false),
        ] {
            assert_eq!(is_plain_use(text), plain, "{text}");
            let data = json!({"url": "https://x.example", "query": {"a": [text]}});
            let path = ["query", "a", "0"].map(str::to_owned).to_vec();
            let expected = (!plain).then_some(Unplain::Use(path));
            assert_eq!(unplain(&Value::Null, &data, &[]), expected, "{text}");
            assert_eq!(unplain(&data, &data, &[]), None, "{text}");
        }
    }

    #[test]
    fn no_template_stands_in_a_host_that_is_given_secrets() {
        let data = |url: &str, key: &str| json!({"url": url, "headers": {"X-Key": key}});
        let secret = "{{ secrets.CRM }}";
        let host = "https://{{ agent.number }}.example/";
        assert_eq!(unplain(&Value::Null, &data(host, secret), &[]), Some(Unplain::Host));
        assert_eq!(unplain(&Value::Null, &data(host, "none"), &[]), None);
        assert_eq!(unplain(&data(host, "none"), &data(host, secret), &[]), Some(Unplain::Host));
        let path = format!("{host}other");
        assert_eq!(unplain(&data(host, secret), &data(&path, secret), &[]), None);
    }
}
