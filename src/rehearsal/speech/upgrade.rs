//! The server's half of a WebSocket handshake (RFC 6455), without axum's feature for it, which
//! would bring a second tungstenite.

use std::future::Future;

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// A server's WebSocket.
pub(super) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Answers a handshake: the response to give, and the socket once it was given. `None` when the
/// request is no handshake.
pub(super) fn upgrade(
    mut request: Request,
    config: WebSocketConfig,
) -> Option<(Response, impl Future<Output = Option<Socket>>)> {
    let headers = request.headers();
    let is_asked = has(headers, header::CONNECTION, "upgrade")
        && has(headers, header::UPGRADE, "websocket")
        && has(headers, header::SEC_WEBSOCKET_VERSION, "13");
    let accept = derive_accept_key(headers.get(header::SEC_WEBSOCKET_KEY)?.as_bytes());
    let upgrade = request.extensions_mut().remove::<OnUpgrade>().filter(|_| is_asked)?;
    let response = (
        StatusCode::SWITCHING_PROTOCOLS,
        [
            (header::CONNECTION, "Upgrade".to_owned()),
            (header::UPGRADE, "websocket".to_owned()),
            (header::SEC_WEBSOCKET_ACCEPT, accept),
        ],
    );
    let socket = async move {
        let upgraded = TokioIo::new(upgrade.await.ok()?);
        Some(WebSocketStream::from_raw_socket(upgraded, Role::Server, Some(config)).await)
    };
    Some((response.into_response(), socket))
}

/// Whether a comma list has the word, in any case.
fn has(headers: &HeaderMap, name: header::HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(word))
}
