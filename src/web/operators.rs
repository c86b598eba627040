//! What operators ask: alive, ready, numbers.

use std::sync::Arc;
use std::time::Duration;

use crate::web::routing::get;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use metrics::gauge;
use parking_lot::Mutex;

use super::AppState;
use crate::clock::Stopwatch;

/// How old the numbers may be that somebody is given.
const RENDER_PAUSE: Duration = Duration::from_millis(100);

/// The operators' routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(ready))
}

/// The numbers, which may have a port of their own.
pub(super) fn metrics_router() -> Router<Arc<AppState>> {
    Router::new().route("/metrics", get(metrics))
}

/// 200 when a call would be taken as it should be; else 503 and why not.
async fn ready(State(state): State<Arc<AppState>>) -> Response {
    let registry = &state.services.registry;
    let missing = [
        (registry.is_draining(), "draining"),
        (!registry.has_room(), "all lines taken"),
        (!state.services.log.is_database_up(), "database away"),
        (state.tasks.ended().is_some(), "a task has ended"),
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
async fn metrics(State(state): State<Arc<AppState>>) -> Response {
    let health = state.services.log.health();
    gauge!("frontdesk_log_spool_bytes").set(health.spool_bytes as f64);
    gauge!("frontdesk_log_queued").set(health.queued as f64);
    gauge!("frontdesk_database_up").set(f64::from(u8::from(health.database_up)));
    match &state.metrics {
        Some(metrics) => {
            let text = state.rendered.text(|| metrics.render());
            ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The numbers as they were written last. Whoever asks at the same time gets the same text, so that
/// thousands who ask and do not read cost the memory of one.
#[derive(Debug, Default)]
pub struct Rendered(Mutex<Option<(Stopwatch, Bytes)>>);

impl Rendered {
    fn text(&self, render: impl FnOnce() -> String) -> Bytes {
        {
            let mut last = self.0.lock();
            // Whoever finds the text too old writes it anew; the others do not wait for that.
            if let Some((since, text)) = &mut *last {
                if since.elapsed() < RENDER_PAUSE {
                    return text.clone();
                }
                *since = Stopwatch::start();
            }
        }
        let text = Bytes::from(render());
        *self.0.lock() = Some((Stopwatch::start(), text.clone()));
        text
    }
}
