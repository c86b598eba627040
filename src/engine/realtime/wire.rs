//! OpenAI Realtime's messages, GA shape (protocols 5; official SDK 3.54).
//!
//! Client events are small structs that hold what is sent and nothing else: a field that is sent as
//! `null` means something to the service. Server events are read leniently.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::call::{ReplyId, Role};
use crate::service_json;

/// A client event other than `session.update` and audio.
#[derive(Debug, Serialize)]
#[serde(tag = "type")]
pub(super) enum ClientEvent<'a> {
    #[serde(rename = "response.create")]
    CreateResponse { event_id: String, response: CreateResponse<'a> },
    #[serde(rename = "response.cancel")]
    CancelResponse {
        event_id: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        response_id: Option<&'a str>,
    },
    #[serde(rename = "conversation.item.truncate")]
    Truncate { event_id: &'static str, item_id: &'a str, content_index: u32, audio_end_ms: u64 },
    #[serde(rename = "conversation.item.delete")]
    Delete { event_id: &'static str, item_id: &'a str },
    #[serde(rename = "input_audio_buffer.clear")]
    ClearInput { event_id: &'static str },
    #[serde(rename = "conversation.item.create")]
    CreateItem { event_id: &'static str, item: Item<'a> },
}

#[derive(Debug, Serialize)]
pub(super) struct CreateResponse<'a> {
    metadata: ReplyMetadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<&'static str>,
}

/// Comes back on the response, so that it can be told whose it is.
#[derive(Debug, Serialize)]
struct ReplyMetadata {
    reply: String,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Item<'a> {
    Message {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        role: &'static str,
        content: [Content<'a>; 1],
    },
    FunctionCallOutput {
        call_id: &'a str,
        output: &'a str,
    },
}

#[derive(Debug, Serialize)]
pub(super) struct Content<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
}

impl<'a> ClientEvent<'a> {
    pub(super) fn create_response(reply: ReplyId, instructions: Option<&'a str>) -> Self {
        Self::CreateResponse {
            event_id: format!("reply-{}", reply.0),
            response: CreateResponse {
                metadata: ReplyMetadata { reply: reply.0.to_string() },
                instructions,
                tool_choice: instructions.map(|_| "none"),
            },
        }
    }

    pub(super) fn message(role: Role, text: &'a str) -> Self {
        let (role, kind) = match role {
            Role::Caller => ("user", "input_text"),
            Role::Agent => ("assistant", "output_text"),
            Role::System => ("system", "input_text"),
        };
        Self::CreateItem {
            event_id: "message",
            item: Item::Message { id: None, role, content: [Content { kind, text }] },
        }
    }

    /// A message that stands beside the conversation and can be deleted by this id.
    pub(super) fn context(id: &'a str, text: &'a str) -> Self {
        Self::CreateItem {
            event_id: "context",
            item: Item::Message {
                id: Some(id),
                role: "system",
                content: [Content { kind: "input_text", text }],
            },
        }
    }

    pub(super) fn output(call_id: &'a str, output: &'a str) -> Self {
        Self::CreateItem { event_id: "output", item: Item::FunctionCallOutput { call_id, output } }
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers always serialise")
    }
}

const APPEND: &str = r#"{"type":"input_audio_buffer.append","audio":""#;

/// The caller's audio, verbatim from Twilio's payload: base64 needs no escaping.
pub(super) fn append(payload: &str) -> String {
    let mut text = String::with_capacity(APPEND.len() + payload.len() + 2);
    text.push_str(APPEND);
    text.push_str(payload);
    text.push_str("\"}");
    text
}

/// Whether a message was made by [`append`].
pub(super) fn is_append(message: &str) -> bool {
    message.starts_with(APPEND)
}

/// How long the payload of a message made by [`append`] is, in base64 characters; `None` when the
/// message is something else.
pub(super) fn append_payload_len(message: &str) -> Option<usize> {
    message.strip_prefix(APPEND).map(|rest| rest.len().saturating_sub(2))
}

/// A server event: every field that any event we act on may have, of whatever type it comes.
/// Nested objects are read only when the type asks for them.
#[derive(Debug, Deserialize)]
pub(super) struct ServerEvent<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Text<'a>,
    #[serde(borrow, default)]
    pub(super) item_id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) response_id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) call_id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) name: Text<'a>,
    #[serde(borrow, default)]
    pub(super) arguments: Text<'a>,
    #[serde(borrow, default)]
    pub(super) delta: Text<'a>,
    #[serde(borrow, default)]
    pub(super) transcript: Text<'a>,
    #[serde(borrow)]
    pub(super) item: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) response: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) session: Option<&'a RawValue>,
}

/// A text, borrowed unless it has escapes; none where something else stands. (serde's own
/// `Option<Cow<str>>` always copies, and audio deltas are long.)
#[derive(Debug, Default)]
pub(super) struct Text<'a>(Option<Cow<'a, str>>);

impl<'a> Text<'a> {
    pub(super) fn get(&self) -> Option<&str> {
        self.0.as_deref()
    }

    pub(super) fn or_empty(&self) -> &str {
        self.get().unwrap_or_default()
    }

    pub(super) fn cow(&self) -> Option<&Cow<'a, str>> {
        self.0.as_ref()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrAnything)
    }
}

struct TextOrAnything;

impl<'de> Visitor<'de> for TextOrAnything {
    type Value = Text<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(text.to_owned()))))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_seq(list).map(|_| Text(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_map(object).map(|_| Text(None))
    }
}

/// A nested object. `Null` if it is not there or cannot be read, which is counted.
pub(super) fn nested(raw: Option<&RawValue>) -> Value {
    let read = raw.and_then(|raw| service_json::from_str::<Value>(raw.get()).ok());
    let object = read.filter(Value::is_object);
    if object.is_none() {
        metrics::counter!("frontdesk_engine_unreadable_total").increment(1);
    }
    object.unwrap_or_default()
}

/// A text of a nested object; a number counts as one.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// An item of a conversation.
#[derive(Debug, Default)]
pub(super) struct ServerItem {
    pub(super) id: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) status: Option<String>,
    pub(super) call_id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) arguments: Option<String>,
}

impl From<&Value> for ServerItem {
    fn from(item: &Value) -> Self {
        Self {
            id: text(&item["id"]),
            kind: text(&item["type"]),
            status: text(&item["status"]),
            call_id: text(&item["call_id"]),
            name: text(&item["name"]),
            arguments: match &item["arguments"] {
                // As an object, instead of as the text of one.
                object @ Value::Object(_) => Some(object.to_string()),
                other => text(other),
            },
        }
    }
}

/// An error, in an event, a response or the body of a refusal over HTTP.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ServerError {
    pub(super) kind: Option<String>,
    pub(super) code: Option<String>,
    /// What it answers, in our own name for it. A service may name what it read in its own way.
    pub(super) event_id: Option<String>,
    /// The field that is wrong.
    pub(super) param: Option<String>,
    /// For people. It may quote what was said, so it is never logged.
    pub(super) message: Option<String>,
}

impl From<&Value> for ServerError {
    fn from(error: &Value) -> Self {
        Self {
            kind: text(&error["type"]),
            code: text(&error["code"]),
            event_id: text(&error["event_id"]).filter(|id| is_ours(id)),
            param: text(&error["param"]),
            message: text(&error["message"]).or_else(|| text(error)),
        }
    }
}

/// Whether we named an event so.
fn is_ours(event_id: &str) -> bool {
    const OURS: [&str; 8] =
        ["session", "cancel", "truncate", "delete", "clear", "message", "context", "output"];
    OURS.contains(&event_id) || event_id.starts_with("reply-")
}

impl ServerError {
    /// Trying again will not help (protocols 5.8: match either `code` or `type`).
    pub(super) fn is_fatal(&self) -> bool {
        const FATAL: [&str; 7] = [
            "insufficient_quota",
            "credit_balance_exhausted",
            "invalid_api_key",
            "account_deactivated",
            "billing_hard_limit_reached",
            "model_not_found",
            "authentication_error",
        ];
        [&self.code, &self.kind].into_iter().flatten().any(|word| FATAL.contains(&word.as_str()))
    }

    /// It takes no more just now, and will again.
    pub(super) fn is_rate_limit(&self) -> bool {
        const BUSY: [&str; 4] =
            ["rate_limit_exceeded", "rate_limit_error", "rate_limited", "server_overloaded"];
        [&self.code, &self.kind].into_iter().flatten().any(|word| BUSY.contains(&word.as_str()))
    }

    /// What was asked for may well be done another time.
    pub(super) fn is_passing(&self) -> bool {
        const PASSING: [&str; 3] = ["server_error", "internal_error", "api_error"];
        let mut words = [&self.code, &self.kind].into_iter().flatten();
        self.is_rate_limit() || words.any(|word| PASSING.contains(&word.as_str()))
    }

    /// Another response is running, which must end first.
    pub(super) fn is_busy(&self) -> bool {
        self.code.as_deref() == Some("conversation_already_has_active_response")
    }

    /// A word for the log: never the message, which may quote what was said.
    pub(super) fn class(&self) -> String {
        let mut words = [self.code.as_deref(), self.kind.as_deref()].into_iter().flatten();
        words.find(|word| is_code(word)).unwrap_or("error").to_owned()
    }

    /// The same, and the field that is wrong, if it is named as one.
    pub(super) fn class_and_place(&self) -> String {
        let place = self.param.as_deref().filter(|param| is_code(param));
        place.map_or_else(|| self.class(), |place| format!("{} {place}", self.class()))
    }
}

/// Whether a text is a code and not a sentence, which might say what a caller said.
pub(super) fn is_code(text: &str) -> bool {
    let of_a_code = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    (1..=64).contains(&text.len()) && text.chars().all(of_a_code)
}
