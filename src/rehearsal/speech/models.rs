//! The list of models, and what is said of one (protocols 0.1).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::{Value, json};

use super::script::Model;
use super::service::{HttpError, Service};
use crate::config::Models;

pub(super) fn router() -> Router<Arc<Service>> {
    Router::new().route("/v1/models", get(list)).route("/v1/models/{id}", get(one))
}

async fn list(State(service): State<Arc<Service>>) -> Json<Value> {
    let models: Vec<Value> = known(&service).iter().map(shown).collect();
    Json(json!({"object": "list", "data": models}))
}

async fn one(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, HttpError> {
    let known = known(&service).into_iter().find(|model| model.id == id);
    known.map(|model| Json(shown(&model))).ok_or_else(|| {
        let message = "The model does not exist or you do not have access to it.";
        HttpError::new(StatusCode::NOT_FOUND, "model_not_found", message)
    })
}

/// The script's models, else those that the server asks for by default and one more.
fn known(service: &Service) -> Vec<Model> {
    let models = &service.options.script.models;
    if !models.is_empty() {
        return models.clone();
    }
    let Models { realtime, chat, embedding, transcription } = Models::default();
    let mini = format!("{realtime}-mini");
    let named = |id| Model { id, shutdown_date: None };
    [realtime, mini, chat, embedding, transcription].map(named).into()
}

fn shown(model: &Model) -> Value {
    json!({
        "id": model.id,
        "object": "model",
        "owned_by": "rehearsal",
        "shutdown_date": model.shutdown_date,
    })
}
