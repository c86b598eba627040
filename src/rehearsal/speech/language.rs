//! Embeddings and chat completions (protocols 6.4, 6.6).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header;
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::{HttpError, Service};
use crate::clock::unix_now;
use crate::rehearsal::embedding;

/// Texts of one request (protocols 6.6).
const INPUTS_MAX: usize = 2_048;
/// A schema that refers to itself is not followed further.
const DEPTH_MAX: usize = 16;
/// What a chat says that was asked for no particular shape.
const CHAT_REPLY: &str = "The rehearsal service has no model; this is its answer to everything.";

pub(super) fn router() -> Router<Arc<Service>> {
    Router::new()
        .route("/v1/embeddings", post(embeddings))
        .route("/v1/chat/completions", post(chat))
}

#[derive(Deserialize)]
struct EmbeddingRequest {
    model: String,
    input: Input,
    #[serde(default)]
    encoding_format: Encoding,
    #[serde(default)]
    dimensions: Option<usize>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    #[default]
    Float,
    Base64,
}

async fn embeddings(
    State(service): State<Arc<Service>>,
    Json(request): Json<Value>,
) -> Result<Json<Value>, HttpError> {
    service.observer.count(|counts| counts.embeddings += 1);
    let request: EmbeddingRequest = serde_json::from_value(request)
        .map_err(|error| HttpError::bad("input", &error.to_string()))?;
    let texts = match request.input {
        Input::One(text) => vec![text],
        Input::Many(texts) => texts,
    };
    if texts.is_empty() || texts.len() > INPUTS_MAX || texts.iter().any(String::is_empty) {
        return Err(HttpError::bad("input", "'input' cannot be empty, nor have an empty string."));
    }
    let dimensions = request.dimensions.unwrap_or(embedding::DIMENSIONS);
    if !(1..=embedding::DIMENSIONS).contains(&dimensions) {
        return Err(HttpError::bad("dimensions", "1 to 1536 dimensions are supported."));
    }
    let tokens: usize = texts.iter().map(|text| count_tokens(text)).sum();
    let item = |(index, text): (usize, &String)| {
        let vector = embedding::embed_to(text, dimensions);
        let embedding = match request.encoding_format {
            Encoding::Float => json!(vector),
            Encoding::Base64 => {
                let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
                STANDARD.encode(bytes).into()
            }
        };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    };
    let data: Vec<_> = texts.iter().enumerate().map(item).collect();
    Ok(Json(json!({"object": "list", "data": data, "model": request.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})))
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

async fn chat(
    State(service): State<Arc<Service>>,
    Json(request): Json<Value>,
) -> Result<Response, HttpError> {
    service.observer.count(|counts| counts.chats += 1);
    let request: ChatRequest = serde_json::from_value(request)
        .map_err(|error| HttpError::bad("messages", &error.to_string()))?;
    if request.messages.is_empty() {
        return Err(HttpError::bad("messages", "'messages' cannot be empty."));
    }
    let answer = match request.response_format["type"].as_str() {
        Some("json_schema") => {
            let schema = &request.response_format["json_schema"]["schema"];
            fill(schema, schema, 0).to_string()
        }
        Some("json_object") => "{}".to_owned(),
        _ => CHAT_REPLY.to_owned(),
    };
    let asked: usize =
        request.messages.iter().map(|message| count_tokens(&message.to_string())).sum();
    let said = count_tokens(&answer);
    let usage = json!({"prompt_tokens": asked, "completion_tokens": said,
        "total_tokens": asked + said});
    if request.stream {
        return Ok(chat_stream(&request, &answer, &usage));
    }
    Ok(Json(json!({"id": "chatcmpl-rehearsal", "object": "chat.completion",
        "created": unix_now().as_secs(), "model": request.model, "usage": usage,
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": null,
            "message": {"role": "assistant", "content": answer, "refusal": null}}]}))
    .into_response())
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

/// About as many as the real service counts: four characters each.
fn count_tokens(text: &str) -> usize {
    text.len().div_ceil(4)
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
