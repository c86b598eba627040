//! HTTP: Twilio's routes, the operators', and the owners' console and API.

mod api;
mod at_once;
mod body;
mod bookings;
mod call_filter;
mod collected;
mod connection;
mod console;
pub mod csrf;
mod csv;
mod deeds;
pub mod doctor;
mod editing;
mod erase;
mod exports;
mod extract;
mod guard;
mod headers;
mod invalid;
mod iso;
mod listening;
mod lists;
pub mod live;
mod numbers;
pub mod operators;
pub mod owners;
mod paces;
mod people;
pub mod phone;
mod places;
pub mod problem;
mod query;
mod range;
mod rate_limit;
mod rejections;
mod routing;
pub mod secret;
pub mod serve;
pub mod session;
mod shares;
mod sign_in;
mod sources;
mod speech;
mod still;
mod supabase_sign_in;
mod tokens;
pub mod upgrade;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use http::{HeaderName, StatusCode};
use metrics_exporter_prometheus::PrometheusHandle;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate as _};

use crate::clock::{self, Supervisor};
use crate::config::{PublicUrl, TwilioAccount};
use crate::knowledge::answers::Answers;
use crate::line::CallServices;
use crate::line::directory::Directory;
use crate::recovery::peers::Peers;
use crate::store::Store;
use crate::twilio::form::MAX_BODY_BYTES;
use owners::Owners;

/// How long a request may take, from its head to its response, its body included. An upgraded
/// connection has had its response.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// What all routes share.
#[derive(Debug)]
pub struct AppState {
    /// The services that all calls share, and with them the calls.
    pub services: Arc<CallServices>,
    /// The agents in memory, by number.
    pub directory: Arc<Directory>,
    /// The database, for what no call's task does.
    pub store: Store,
    /// What the console and the API work with.
    pub owners: Arc<Owners>,
    /// What test calls from the console share.
    pub test_calls: phone::TestCalls,
    /// What happens in live calls, for those who watch.
    pub live: Arc<live::LiveHub>,
    /// Where Twilio reaches us.
    pub public_url: PublicUrl,
    /// The account for agents without one of their own.
    pub twilio: TwilioAccount,
    /// Where the proxy in front says who asks.
    pub client_address_header: Option<HeaderName>,
    /// This machine, where the host can send a request to another one.
    pub fly_machine_id: Option<String>,
    /// The other processes on the same database.
    pub peers: Peers,
    /// What webhooks were answered lately.
    pub answers: phone::IdempotencyCache,
    /// About whose calls Twilio is asked whether it knows them.
    pub made_up: phone::MadeUp,
    /// How many calls the agents' own tokens have announced lately.
    pub announced: phone::Announced,
    /// How many requests were not signed as they should be.
    pub unsigned: phone::Unsigned,
    /// What callbacks have written into calls.
    pub noting: phone::Noting,
    /// What callbacks said and is not written down yet.
    pub unwritten: phone::Unwritten,
    /// What the process consists of.
    pub tasks: Supervisor,
    /// The numbers of `/metrics`.
    pub metrics: Option<PrometheusHandle>,
    /// The metrics' text, rendered lately.
    pub rendered: operators::Rendered,
}

impl AppState {
    /// Keeps answers to callers' questions.
    fn answers(&self) -> Answers {
        let knowledge = Arc::clone(&self.services.function_services.knowledge);
        Answers::new(self.owners.store.clone(), knowledge)
    }
}

/// What clients of the public port may take, at most so many of them at once.
pub const fn limits(connections: usize) -> serve::Limits {
    serve::Limits { connections, body_bytes: MAX_BODY_BYTES, body_time: REQUEST_LIMIT }
}

/// The routes of the port that has the numbers to itself.
pub fn metrics_router(state: Arc<AppState>) -> Router {
    operators::metrics_router().with_state(state)
}

/// All routes; `/metrics` unless it has a port of its own.
pub fn router(state: Arc<AppState>, with_metrics: bool) -> Router {
    let metrics = if with_metrics { operators::metrics_router() } else { Router::new() };
    Router::new()
        .merge(phone::router())
        .merge(operators::router())
        .merge(metrics)
        .merge(owners_router(&state))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(REQUEST_LIMIT, limit_time))
        .with_state(state)
}

/// The console and the API. Pages and JSON are gzipped; sound and streams of events are not.
fn owners_router(state: &Arc<AppState>) -> Router<Arc<AppState>> {
    let plain = NotForContentType::const_new("audio/");
    let zipped = CompressionLayer::new().compress_when(DefaultPredicate::new().and(plain));
    Router::new()
        .merge(api::router())
        .merge(sign_in::router())
        .merge(console::router())
        .fallback(async || console::errors::not_found())
        .merge(bookings::ics::router())
        .layer(from_fn(rejections::explain))
        .layer(from_fn_with_state(Arc::clone(state), console::framed::frame_errors))
        .layer(zipped)
        .layer(from_fn_with_state(Arc::clone(state), headers::protect))
}

/// Answers 408 when a request takes too long, so that clients that send no body keep no place.
async fn limit_time(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    match clock::within(limit, next.run(request)).await {
        Some(response) => response,
        None => rejections::of_body(&path, StatusCode::REQUEST_TIMEOUT),
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::post;
    use bytes::Bytes;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn a_body_that_never_comes_is_not_waited_for() {
        let limit = Duration::from_millis(20);
        let router = Router::new().route("/", post(|_: Bytes| async {}));
        let limits = serve::Limits { body_time: limit, ..limits(1) };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving =
            clock::spawn(serve::serve(listener, router, limits, std::future::pending::<()>()));
        let mut client = TcpStream::connect(address).await.unwrap();
        client
            .write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        // To the end: the connection is closed, and its place is free again.
        let read = client.read_to_string(&mut answer);
        clock::within(Duration::from_secs(10), read).await.expect("an end").unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        serving.abort();
    }
}
