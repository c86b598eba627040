//! OpenAI Realtime's messages, GA shape (protocols 5; official SDK 3.54).
//!
//! Client events are small structs that hold what is sent and nothing else: a field that is sent as
//! `null` means something to the service. Server events are read leniently.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::call::{ReplyId, Role};

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

/// The caller's audio, verbatim from Twilio's payload: base64 needs no escaping.
pub(super) fn append(payload: &str) -> String {
    const HEAD: &str = r#"{"type":"input_audio_buffer.append","audio":""#;
    let mut text = String::with_capacity(HEAD.len() + payload.len() + 2);
    text.push_str(HEAD);
    text.push_str(payload);
    text.push_str("\"}");
    text
}

/// How long the payload of a message made by [`append`] is, in base64 characters; `None` when the
/// message is something else.
pub(super) fn append_payload_len(message: &str) -> Option<usize> {
    message
        .strip_prefix(r#"{"type":"input_audio_buffer.append","audio":""#)
        .map(|rest| rest.len().saturating_sub(2))
}

/// A server event: every field that any event we act on may have. Nested objects are read only
/// when the type asks for them.
#[derive(Debug, Deserialize)]
pub(super) struct ServerEvent<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    pub(super) item_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) response_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) call_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) arguments: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) delta: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) transcript: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) item: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) response: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) session: Option<&'a RawValue>,
}

/// A string that is borrowed unless it has escapes. (serde's own `Option<Cow<str>>` always copies,
/// and audio deltas are long.)
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

#[derive(Debug, Deserialize)]
pub(super) struct ServerItem {
    pub(super) id: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) status: Option<String>,
    pub(super) call_id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) arguments: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ServerSession {
    /// When it ends, in seconds since the Unix epoch (protocols 5.8).
    pub(super) expires_at: Option<f64>,
}

/// The body of a refusal over HTTP.
#[derive(Debug, Default, Deserialize)]
pub(super) struct RefusalBody {
    #[serde(default)]
    pub(super) error: ServerError,
}

#[derive(Debug, Deserialize)]
pub(super) struct ServerResponse {
    pub(super) id: Option<String>,
    pub(super) status: Option<String>,
    pub(super) status_details: Option<StatusDetails>,
    pub(super) metadata: Option<serde_json::Map<String, serde_json::Value>>,
    pub(super) usage: Option<ServerUsage>,
    #[serde(default)]
    pub(super) output: Vec<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct StatusDetails {
    pub(super) reason: Option<String>,
    pub(super) error: Option<ServerError>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ServerUsage {
    #[serde(default)]
    pub(super) input_tokens: Option<u64>,
    #[serde(default)]
    pub(super) output_tokens: Option<u64>,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct ServerError {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) code: Option<String>,
    pub(super) event_id: Option<String>,
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

    /// Another response is running, which must end first.
    pub(super) fn is_busy(&self) -> bool {
        self.code.as_deref() == Some("conversation_already_has_active_response")
    }

    /// A word for the log: never the message, which may quote what was said.
    pub(super) fn class(&self) -> String {
        let mut words = [self.code.as_deref(), self.kind.as_deref()].into_iter().flatten();
        words.find(|word| is_code(word)).unwrap_or("error").to_owned()
    }
}

/// Whether a text is a code and not a sentence, which might say what a caller said.
pub(super) fn is_code(text: &str) -> bool {
    let of_a_code = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    (1..=64).contains(&text.len()) && text.chars().all(of_a_code)
}
