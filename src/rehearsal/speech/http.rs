//! The service's HTTP side: who may come in, the upgrade to a session, and the rehearsal's own
//! routes for numbers and faults.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;

use super::fault::Fault;
use super::observer::Counts;
use super::service::{HttpError, Service};
use super::{language, models, socket};
use crate::clock::spawn;
use crate::rehearsal::stamp::Summary;
use crate::web::upgrade::upgrade;

/// 2,048 texts of 8,192 tokens are more than anybody sends (protocols 6.6).
const BODY_MAX_BYTES: usize = 8 * 1_024 * 1_024;

pub(super) fn router(service: Arc<Service>) -> Router {
    let guarded = Router::new()
        .route("/v1/realtime", get(realtime))
        .merge(language::router())
        .merge(models::router())
        .layer(middleware::from_fn_with_state(service.clone(), authorize));
    Router::new()
        .merge(guarded)
        .route("/rehearsal/latency", get(latency).delete(forget_latency))
        .route("/rehearsal/counts", get(counts))
        .route("/rehearsal/fault", post(fault))
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .with_state(service)
}

async fn authorize(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Result<Response, HttpError> {
    if service.accepts(request.headers()) {
        return Ok(next.run(request).await);
    }
    service.observer.count(|counts| counts.refused += 1);
    let message = "Incorrect API key provided: a bearer token is needed.";
    Err(HttpError::new(StatusCode::UNAUTHORIZED, "invalid_api_key", message))
}

#[derive(Deserialize)]
struct RealtimeQuery {
    #[serde(default)]
    model: String,
}

async fn realtime(
    State(service): State<Arc<Service>>,
    Query(query): Query<RealtimeQuery>,
    request: Request,
) -> Result<Response, HttpError> {
    let refusing = *service.refusing.lock();
    if let Some(status) = refusing {
        service.observer.count(|counts| counts.refused += 1);
        let code = match status.as_u16() {
            401 => "invalid_api_key",
            404 => "model_not_found",
            429 => "rate_limit_exceeded",
            _ => "refused",
        };
        return Err(HttpError::new(status, code, "The rehearsal refuses to connect."));
    }
    // The other side goes away before the channel does.
    let _ = service.hanging.subscribe().wait_for(|hanging| !hanging).await;
    if query.model.is_empty() {
        return Err(HttpError::bad("model", "You must provide a model parameter."));
    }
    let (response, socket) = upgrade(request, socket::config())
        .map_err(|error| HttpError::bad("upgrade", &error.to_string()))?;
    spawn(async move {
        if let Some(socket) = socket.await {
            socket::run(socket, service, query.model).await;
        }
    });
    Ok(response)
}

async fn latency(State(service): State<Arc<Service>>) -> Json<Summary> {
    Json(service.observer.latency())
}

async fn forget_latency(State(service): State<Arc<Service>>) -> StatusCode {
    service.observer.forget_latency();
    StatusCode::NO_CONTENT
}

async fn counts(State(service): State<Arc<Service>>) -> Json<Counts> {
    Json(service.observer.counts())
}

async fn fault(State(service): State<Arc<Service>>, Json(fault): Json<Fault>) -> StatusCode {
    service.command(fault);
    StatusCode::NO_CONTENT
}
