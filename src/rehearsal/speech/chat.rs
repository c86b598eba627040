//! Chat completions (protocols 6.4): as the script says, else made up from what was asked.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};

use super::digest::digest;
use super::language::count_tokens;
use super::script::Chat;
use super::service::{HttpError, Service};
use crate::clock::unix_now;

/// A schema that refers to itself is not followed further.
const DEPTH_MAX: usize = 16;
/// What a chat says that was asked for no particular shape.
const CHAT_REPLY: &str = "The rehearsal service has no model; this is its answer to everything.";

/// What chats are answered that come next, and whether any are.
#[derive(Debug, Default)]
pub(super) struct Chats {
    next: Mutex<VecDeque<Chat>>,
    refusing: Mutex<Option<StatusCode>>,
}

impl Chats {
    pub(super) fn new(script: &[Chat]) -> Self {
        Self { next: Mutex::new(script.iter().cloned().collect()), refusing: Mutex::default() }
    }

    pub(super) fn set_refusing(&self, status: Option<StatusCode>) {
        *self.refusing.lock() = status;
    }

    fn next(&self) -> Chat {
        let refusing = *self.refusing.lock();
        if let Some(status) = refusing {
            return Chat::Error { status: status.as_u16(), error: None };
        }
        let mut next = self.next.lock();
        next.pop_front().unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct ChatRequest {
    model: String,
    messages: Vec<Value>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    stream_options: Value,
    #[serde(default)]
    response_format: Value,
}

/// What is answered: the content, and how it ended.
struct Answer {
    content: Option<String>,
    refusal: Option<String>,
    finish_reason: &'static str,
}

pub(super) async fn chat(
    State(service): State<Arc<Service>>,
    Json(request): Json<Value>,
) -> Result<Response, HttpError> {
    service.observer.count(|counts| counts.chats += 1);
    service.record_chat(&request);
    let request: ChatRequest = serde_json::from_value(request)
        .map_err(|error| HttpError::bad("messages", &error.to_string()))?;
    if request.messages.is_empty() {
        return Err(HttpError::bad("messages", "'messages' cannot be empty."));
    }
    let answer = match service.chats.next() {
        Chat::Error { status, error } => return Err(HttpError::scripted(status, error)),
        Chat::Hang => return Ok(std::future::pending().await),
        Chat::AsUsual => Answer::stop(made_up(&request, &json!({}))),
        Chat::Answer(over) => Answer::stop(made_up(&request, &over)),
        Chat::Text(text) => Answer::stop(text),
        Chat::Refusal(words) => {
            Answer { content: None, refusal: Some(words), finish_reason: "stop" }
        }
        Chat::CutOff => {
            let mut text = made_up(&request, &json!({}));
            text.truncate(text.floor_char_boundary(text.len() / 2));
            Answer { content: Some(text), refusal: None, finish_reason: "length" }
        }
    };
    let content = answer.content.as_deref().unwrap_or_default();
    let asked: usize =
        request.messages.iter().map(|message| count_tokens(&message.to_string())).sum();
    let said = count_tokens(content);
    let usage = json!({"prompt_tokens": asked, "completion_tokens": said,
        "total_tokens": asked + said});
    if request.stream {
        return Ok(chat_stream(&request, content, &usage));
    }
    Ok(Json(json!({"id": "chatcmpl-rehearsal", "object": "chat.completion",
        "created": unix_now().as_secs(), "model": request.model, "usage": usage,
        "choices": [{"index": 0, "finish_reason": answer.finish_reason, "logprobs": null,
            "message": {"role": "assistant", "content": answer.content,
                "refusal": answer.refusal}}]}))
    .into_response())
}

impl Answer {
    fn stop(content: String) -> Self {
        Self { content: Some(content), refusal: None, finish_reason: "stop" }
    }
}

/// What the service says by itself, `over` going over the fields of an object.
fn made_up(request: &ChatRequest, over: &Value) -> String {
    match request.response_format["type"].as_str() {
        Some("json_schema") => {
            let schema = &request.response_format["json_schema"]["schema"];
            let mut answer = fill(schema, schema, 0);
            let fits = |name: &String| schema["properties"].get(name).is_some();
            let digest = transcript(&request.messages).map(|said| digest(&said));
            let known = digest.into_iter().flatten().filter(|(name, _)| fits(name));
            if let (Some(fields), Some(over)) = (answer.as_object_mut(), over.as_object()) {
                fields.extend(known);
                fields.extend(over.clone());
            }
            answer.to_string()
        }
        Some("json_object") => "{}".to_owned(),
        _ => CHAT_REPLY.to_owned(),
    }
}

/// The conversation that a message is about: the `transcript` of a JSON object, a list.
fn transcript(messages: &[Value]) -> Option<Value> {
    let mut contents = messages.iter().rev().filter_map(|message| message["content"].as_str());
    contents.find_map(|content| {
        let record: Value = serde_json::from_str(content).ok()?;
        record["transcript"].is_array().then_some(record)
    })
}

fn chat_stream(request: &ChatRequest, answer: &str, usage: &Value) -> Response {
    let created = unix_now().as_secs();
    let chunk = |choices: Value, usage: Value| {
        json!({"id": "chatcmpl-rehearsal", "object": "chat.completion.chunk", "created": created,
            "model": request.model, "choices": choices, "usage": usage})
    };
    let choice = |delta: Value, reason: Value| json!([{"index": 0, "delta": delta, "finish_reason": reason}]);
    let mut chunks =
        vec![chunk(choice(json!({"role": "assistant", "content": ""}), Value::Null), Value::Null)];
    for word in answer.split_inclusive(' ') {
        chunks.push(chunk(choice(json!({"content": word}), Value::Null), Value::Null));
    }
    chunks.push(chunk(choice(json!({}), "stop".into()), Value::Null));
    if request.stream_options["include_usage"] == true {
        chunks.push(chunk(json!([]), usage.clone()));
    }
    let events: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    let body = events + "data: [DONE]\n\n";
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

/// The least that satisfies a JSON schema, as far as the shapes that structured output allows go.
fn fill(schema: &Value, root: &Value, depth: usize) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    let fill_one = |schema: &Value| fill(schema, root, depth + 1);
    if let Some(target) = schema["$ref"].as_str().and_then(|path| path.strip_prefix('#')) {
        return root.pointer(target).map_or(Value::Null, fill_one);
    }
    if let Some(value) = schema.get("const").or(schema["enum"].get(0)) {
        return value.clone();
    }
    if let Some(first) = schema["anyOf"].get(0).or(schema["oneOf"].get(0)) {
        return fill_one(first);
    }
    let kind = schema["type"].as_str().or(schema["type"][0].as_str());
    match kind {
        Some("object") | None => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            fields.map(|(name, field)| (name.clone(), fill_one(field))).collect()
        }
        Some("array") => {
            let count = schema["minItems"].as_u64().unwrap_or(0).min(8) as usize;
            vec![fill_one(&schema["items"]); count].into()
        }
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(0)),
        Some("boolean") => false.into(),
        Some("null") => Value::Null,
        Some(_) => "Rehearsed.".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_filled_with_the_least_that_fits() {
        let schema = json!({"type": "object", "$defs": {"mood": {"enum": ["good", "bad"]}},
            "properties": {"summary": {"type": "string"}, "mood": {"$ref": "#/$defs/mood"},
                "score": {"type": "integer", "minimum": 1}, "done": {"type": "boolean"},
                "name": {"type": ["string", "null"]}, "none": {"type": "null"},
                "items": {"type": "array", "items": {"type": "number"}, "minItems": 2}}});
        assert_eq!(
            fill(&schema, &schema, 0),
            json!({"summary": "Rehearsed.", "mood": "good", "score": 1, "done": false,
                "name": "Rehearsed.", "none": null, "items": [0, 0]})
        );
        let endless = json!({"type": "object", "properties": {"next": {"$ref": "#"}}});
        assert!(fill(&endless, &endless, 0).is_object());
    }
}
