//! Takes a WebSocket over from an HTTP request. Our own few lines instead of axum's, because the
//! raw connection can be had without the boxes around it and the buffers can be small.

use std::future::Future;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::connection::Connection;
use crate::socket::ServerSocket;

/// Why a request cannot become a WebSocket.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UpgradeError {
    /// A header is missing or wrong.
    #[error("this is a WebSocket: expected {0}")]
    Expected(&'static str),
    /// The connection cannot be taken over, for example because it is not HTTP/1.1.
    #[error("this connection cannot be upgraded: use HTTP/1.1")]
    NotUpgradable,
}

impl IntoResponse for UpgradeError {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, self.to_string()).into_response()
    }
}

/// Answers 101 and gives the socket as soon as the response has been sent; `None` when the client
/// went away instead.
///
/// # Errors
/// The request is not a WebSocket handshake (RFC 6455, 4.2.1).
pub fn upgrade(
    request: Request,
    config: WebSocketConfig,
) -> Result<(Response, impl Future<Output = Option<ServerSocket>> + Send + 'static), UpgradeError> {
    let accept = accept_key(request.headers())?;
    let (mut parts, _body) = request.into_parts();
    let on_upgrade = parts.extensions.remove::<OnUpgrade>().ok_or(UpgradeError::NotUpgradable)?;
    let response = (
        StatusCode::SWITCHING_PROTOCOLS,
        [
            (CONNECTION, "upgrade".to_owned()),
            (UPGRADE, "websocket".to_owned()),
            (SEC_WEBSOCKET_ACCEPT, accept),
        ],
    )
        .into_response();
    Ok((response, async move {
        let upgraded = on_upgrade.await.ok()?;
        over_tcp(upgraded, config)
    }))
}

/// The server listens on TCP only, so what was upgraded is a TCP stream.
fn over_tcp(upgraded: Upgraded, config: WebSocketConfig) -> Option<ServerSocket> {
    let parts = upgraded.downcast::<Connection>().ok()?;
    let stream = parts.io.into_inner();
    let read = parts.read_buf.to_vec();
    Some(ServerSocket::new(stream, read, Role::Server, config))
}

fn accept_key(headers: &HeaderMap) -> Result<String, UpgradeError> {
    let has = |name, word: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
    };
    if !has(CONNECTION, "upgrade") {
        return Err(UpgradeError::Expected("the header Connection: Upgrade"));
    }
    if !has(UPGRADE, "websocket") {
        return Err(UpgradeError::Expected("the header Upgrade: websocket"));
    }
    if !has(SEC_WEBSOCKET_VERSION, "13") {
        return Err(UpgradeError::Expected("the header Sec-WebSocket-Version: 13"));
    }
    let key = headers
        .get(SEC_WEBSOCKET_KEY)
        .ok_or(UpgradeError::Expected("the header Sec-WebSocket-Key"))?;
    Ok(derive_accept_key(key.as_bytes()))
}
