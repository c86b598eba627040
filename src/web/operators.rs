//! What operators ask: alive, ready, numbers.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use metrics::gauge;

use super::Front;

/// The operators' routes.
pub(super) fn router() -> Router<Arc<Front>> {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

/// 200 when a call would be taken as it should be; else 503 and why not.
async fn ready(State(front): State<Arc<Front>>) -> Response {
    let registry = &front.exchange.registry;
    let missing = [
        (registry.is_draining(), "draining"),
        (!registry.has_room(), "all lines taken"),
        (!front.exchange.log.is_database_up(), "database away"),
    ]
    .into_iter()
    .filter_map(|(is_missing, why)| is_missing.then_some(why))
    .collect::<Vec<_>>();
    if missing.is_empty() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", missing.join(", "))).into_response()
    }
}

/// Prometheus's text format.
async fn metrics(State(front): State<Arc<Front>>) -> Response {
    let health = front.exchange.log.health();
    gauge!("frontdesk_log_spool_bytes").set(health.spool_bytes as f64);
    gauge!("frontdesk_log_queued").set(health.queued as f64);
    gauge!("frontdesk_database_up").set(f64::from(u8::from(health.database_up)));
    match &front.metrics {
        Some(metrics) => {
            ([(CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render()).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
