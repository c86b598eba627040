//! Embeddings (protocols 6.6), and the routes of what is answered by language alone.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::chat;
use super::service::{HttpError, Service};
use crate::knowledge::feature_hash;

/// Texts of one request (protocols 6.6).
const INPUTS_MAX: usize = 2_048;

pub(super) fn router() -> Router<Arc<Service>> {
    Router::new()
        .route("/v1/embeddings", post(embeddings))
        .route("/v1/chat/completions", post(chat::chat))
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
    let dimensions = request.dimensions.unwrap_or(feature_hash::DIMENSIONS);
    if !(1..=feature_hash::DIMENSIONS).contains(&dimensions) {
        return Err(HttpError::bad("dimensions", "1 to 1536 dimensions are supported."));
    }
    let tokens: usize = texts.iter().map(|text| count_tokens(text)).sum();
    let item = |(index, text): (usize, &String)| {
        let vector = feature_hash::embed_to(text, dimensions);
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

/// About as many as the real service counts: four characters each.
pub(super) fn count_tokens(text: &str) -> usize {
    text.len().div_ceil(4)
}
