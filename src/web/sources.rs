//! What owners have their agents learn, checked: from the console and over the API alike.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use url::Url;
use uuid::Uuid;

use super::AppState;
use super::guard::may;
use super::paces::{TRIES, count};
use super::problem::Problem;
use crate::call::Passage;
use crate::knowledge::answers::QUESTION_BYTES;
use crate::store::access::{AgentAccess, Maintain, Object};
use crate::store::people::Viewer;
use crate::store::sources::{FILE_BYTES_MAX, NewFile, NewSource, SOURCES_MAX, SourceType};

/// The longest name of a source and the longest address, in characters.
const NAME_MAX: usize = 200;
const URL_MAX: usize = 2_000;
/// What may stand in `auto_sync_interval`, for people.
const INTERVALS: &str =
    "none, daily, weekly, monthly, or an ISO 8601 duration of an hour at least such as PT12H";

/// The fields that a new source is made of (CONTRACT 8 and 9).
pub(super) const FIELDS: [&str; 8] = [
    "name",
    "source_type",
    "url",
    "text",
    "content_base64",
    "file_name",
    "questions",
    "auto_sync_interval",
];

/// The source that these fields describe.
///
/// # Errors
/// [`Problem`] with the field that is wrong.
pub(super) fn new_source(
    state: &AppState,
    fields: &Map<String, Value>,
) -> Result<NewSource, Problem> {
    let text = |name: &str| match &fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
        Some(_) => Err(Problem::invalid(name, "accepted is a text")),
    };
    let named = text("source_type")?.map(source_type).transpose()?;
    let url = text("url")?.map(|url| address(state, url)).transpose()?;
    let file = file(fields, named)?;
    let (source_type, url, file) = match (url, file) {
        (Some(_), Some(_)) => {
            let why = "accepted is an address or a text or a file, not two of them";
            return Err(Problem::invalid("url", why));
        }
        (None, None) => {
            let why = "accepted is an address; or leave it out and send text, questions or content_base64";
            return Err(Problem::invalid("url", why));
        }
        (Some(url), None) => {
            if named == Some(SourceType::Qa) {
                return Err(Problem::invalid(
                    "questions",
                    "accepted is a list of questions and answers",
                ));
            }
            (named.unwrap_or(SourceType::Page), Some(url), None)
        }
        (None, Some(file)) => {
            if matches!(named, Some(SourceType::Page | SourceType::Site)) {
                return Err(Problem::invalid(
                    "url",
                    "accepted is the address of the page or the website",
                ));
            }
            (named.unwrap_or(SourceType::of_file_name(&file.name)), None, Some(file))
        }
    };
    let name = text("name")?.map(str::to_owned);
    let of_file = file.as_ref().map(|file| file.name.clone()).filter(|name| !name.is_empty());
    let name = name.or_else(|| url.as_ref().map(Url::to_string)).or(of_file);
    let name = name.ok_or_else(|| Problem::invalid("name", "accepted is what it is called"))?;
    if name.chars().count() > NAME_MAX && url.is_none() {
        let why = format!("accepted are at most {NAME_MAX} characters");
        return Err(Problem::invalid("name", why));
    }
    Ok(NewSource {
        name: name.chars().take(NAME_MAX).filter(|letter| !letter.is_control()).collect(),
        source_type,
        url: url.map(String::from),
        auto_sync_interval: interval(text("auto_sync_interval")?.unwrap_or("none"))?,
        file,
    })
}

fn source_type(word: &str) -> Result<SourceType, Problem> {
    let all = || SourceType::ALL.map(SourceType::word).join(", ");
    SourceType::of(word)
        .ok_or_else(|| Problem::invalid("source_type", format!("accepted is one of {}", all())))
}

/// An address that the server may ask.
fn address(state: &AppState, text: &str) -> Result<Url, Problem> {
    let refused = |why: String| Problem::invalid("url", why);
    // People write addresses as they say them.
    let text = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let accepted = "accepted is the address of a page, such as https://example.com/prices";
    if text.chars().count() > URL_MAX {
        return Err(refused(format!("accepted are at most {URL_MAX} characters")));
    }
    let mut url = Url::parse(&text).map_err(|_| refused(accepted.to_owned()))?;
    url.set_fragment(None);
    match state.services.function_services.egress.refusal(&url) {
        Some(refusal) => {
            Err(refused(format!("this server never asks this address: {refusal}; {accepted}")))
        }
        None => Ok(url),
    }
}

/// What was sent of a source that has no address.
fn file(
    fields: &Map<String, Value>,
    named: Option<SourceType>,
) -> Result<Option<NewFile>, Problem> {
    let is_there = |name: &&str| fields.get(*name).is_some_and(|value| !value.is_null());
    let all = ["text", "content_base64", "questions"];
    let mut given = all.iter().copied().filter(is_there);
    let (one, another) = (given.next(), given.next());
    if let Some(another) = another {
        return Err(Problem::invalid(
            another,
            "accepted is one of text, content_base64 and questions",
        ));
    }
    let Some(one) = one else { return Ok(None) };
    let value = &fields[one];
    let of_name = fields.get("file_name").and_then(Value::as_str).unwrap_or_default();
    let content = match (one, value) {
        ("text", Value::String(text)) if !text.trim().is_empty() => text.clone().into_bytes(),
        ("content_base64", Value::String(text)) => {
            let read = STANDARD.decode(text.trim());
            read.map_err(|_| Problem::invalid(one, "accepted is a file's bytes as base64"))?
        }
        ("questions", Value::Array(pairs)) => questions(pairs)?,
        ("questions", _) => {
            return Err(Problem::invalid(one, "accepted is a list of {\"question\", \"answer\"}"));
        }
        _ => return Err(Problem::invalid(one, "accepted is a text with words in it")),
    };
    if (one == "questions") != (named == Some(SourceType::Qa)) {
        let why = "qa goes with questions, and only qa does";
        return Err(Problem::invalid("source_type", why));
    }
    sized(one, content.len())?;
    Ok(Some(NewFile { name: of_name.to_owned(), content_type: None, content: content.into() }))
}

/// Whether so many bytes are taken.
///
/// # Errors
/// [`Problem`] with the field.
pub(super) fn sized(field: &str, bytes: usize) -> Result<(), Problem> {
    match bytes {
        0 => Err(Problem::invalid(field, "the file is empty; accepted is one with text in it")),
        n if n > FILE_BYTES_MAX => {
            Err(Problem::invalid(field, "accepted are files of at most 25 MB"))
        }
        _ => Ok(()),
    }
}

fn questions(pairs: &[Value]) -> Result<Vec<u8>, Problem> {
    let is_pair = |pair: &&Value| {
        let has = |name: &str| pair[name].as_str().is_some_and(|text| !text.trim().is_empty());
        has("question") && has("answer")
    };
    if pairs.is_empty() || pairs.iter().any(|pair| !is_pair(&pair)) {
        let why = "accepted is a list of {\"question\", \"answer\"}, each with words in it";
        return Err(Problem::invalid("questions", why));
    }
    Ok(Value::Array(pairs.to_vec()).to_string().into_bytes())
}

/// How often a source is read again.
///
/// # Errors
/// [`Problem`].
pub(super) fn interval(words: &str) -> Result<String, Problem> {
    let refused = || Problem::invalid("auto_sync_interval", format!("accepted is {INTERVALS}"));
    if matches!(words, "none" | "daily" | "weekly" | "monthly") {
        return Ok(words.to_owned());
    }
    let span: jiff::Span = words.parse().map_err(|_| refused())?;
    let relative = jiff::civil::Date::constant(2026, 1, 1);
    let hours = span.total((jiff::Unit::Hour, relative)).map_err(|_| refused())?;
    let is_plain = words.starts_with('P') && words.len() <= 30;
    if is_plain && (1.0..=24.0 * 366.0).contains(&hours) {
        Ok(words.to_owned())
    } else {
        Err(refused())
    }
}

/// Adds a source, which is read soon.
///
/// # Errors
/// [`Problem`]: 409 where the agent or its owner's plan may have no more.
pub(super) async fn add(
    state: &AppState,
    viewer: &Viewer,
    access: &AgentAccess<Maintain>,
    new: &NewSource,
) -> Result<Uuid, Problem> {
    let added = state.owners.store.add_source(access, viewer, new).await?;
    added.ok_or_else(|| {
        let why = format!("an agent has at most {SOURCES_MAX} sources; remove one first");
        Problem::new(http::StatusCode::CONFLICT, why)
    })
}

/// The passages that an agent would be given for a question, best first; none: it could not be looked for.
///
/// # Errors
/// [`Problem`]: no access, no question, or too many of them.
pub(super) async fn ask(
    state: &AppState,
    viewer: &Viewer,
    agent: Uuid,
    question: &str,
) -> Result<Option<Vec<Passage>>, Problem> {
    let access = may::<Maintain>(state, viewer, Object::Agent(agent), "knowledge.ask").await?;
    // Each question costs the operator an embedding.
    count(&state.owners.store, &TRIES, viewer.id(), Problem::too_many).await?;
    let question = question.trim();
    if question.is_empty() {
        return Err(Problem::invalid("question", "accepted is what a caller would ask"));
    }
    let question = &question[..question.floor_char_boundary(QUESTION_BYTES)];
    let known = state.directory.by_id(access.agent_id()).await.ok_or_else(Problem::not_found)?;
    Ok(state.services.function_services.knowledge.search(&known, question).await.ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_a_word_or_a_duration_of_an_hour_at_least() {
        for good in ["none", "daily", "weekly", "monthly", "PT1H", "P3D", "P1W", "P1M", "P1DT12H"] {
            assert_eq!(interval(good).unwrap(), good);
        }
        for bad in ["", "hourly", "PT59M", "-P1D", "P2Y", "1 day", "P", "PT0H"] {
            assert!(interval(bad).is_err(), "{bad}");
        }
    }
}
