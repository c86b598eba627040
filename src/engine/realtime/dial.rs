//! Reaching the service: the handshake, and what its refusal means.

use std::time::Duration;

use http::header::{AUTHORIZATION, USER_AGENT};
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::Error as SocketError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::RealtimeConfig;
use super::wire::ServerError;
use crate::socket::{WebSocket, small_buffers};
use crate::{clock, service_json, tls};

/// How long the service may take to answer the handshake.
const DIAL_LIMIT: Duration = Duration::from_secs(5);
/// The largest message that is read; audio deltas are far smaller.
const MESSAGE_MAX: usize = 16 * 1024 * 1024;

/// What came of dialling.
pub(super) type Dialled = Result<WebSocket<MaybeTlsStream<TcpStream>>, Refusal>;

/// Why the service could not be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Whether it would refuse again.
    pub(super) fatal: bool,
    /// The class of the error, with nothing private in it.
    pub(super) why: String,
}

/// Dials the service with a request made by [`request`].
pub(super) async fn dial(request: Option<http::Request<()>>) -> Dialled {
    let broken = |why: &str| Refusal { fatal: false, why: why.to_owned() };
    let request =
        request.ok_or_else(|| Refusal { fatal: true, why: "bad address or key".into() })?;
    // Boxed: the handshake's state is large and soon over.
    let handshake = Box::pin(async {
        let stream = tls::connect(request.uri()).await.map_err(SocketError::Io)?;
        WebSocket::client(request, stream, small_buffers(MESSAGE_MAX)).await
    });
    match clock::within(DIAL_LIMIT, handshake).await {
        None => Err(broken("dialling timed out")),
        Some(Ok(stream)) => Ok(stream),
        Some(Err(SocketError::Http(response))) => {
            let body = response.body().as_deref().unwrap_or_default();
            Err(refusal(response.status(), body))
        }
        Some(Err(SocketError::Io(error))) => {
            Err(broken(tls::fault(&error).unwrap_or("cannot connect")))
        }
        Some(Err(SocketError::Tls(_))) => Err(broken("TLS error")),
        Some(Err(_)) => Err(broken("handshake failed")),
    }
}

/// What a refusal over HTTP means. What the client did wrong it would do wrong again; 429 and 5xx
/// may pass, unless the body says that the account has nothing left (protocols 5.8).
fn refusal(status: http::StatusCode, body: &[u8]) -> Refusal {
    let body: Value = service_json::from_slice(body).unwrap_or_default();
    let error = ServerError::from(&body["error"]);
    let passes = !status.is_client_error() || matches!(status.as_u16(), 408 | 425 | 429);
    let is_named = error.code.is_some() || error.kind.is_some();
    let class = if is_named { error.class() } else { String::new() };
    Refusal {
        fatal: !passes || error.is_fatal(),
        why: format!("refused {} {class}", status.as_u16()).trim_end().to_owned(),
    }
}

/// The handshake's request. `None`: the address or the key cannot be used in one.
pub(super) fn request(config: &RealtimeConfig) -> Option<http::Request<()>> {
    let mut url = config.base_url.clone();
    let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
    url.set_scheme(scheme).ok()?;
    url.path_segments_mut().ok()?.pop_if_empty().push("realtime");
    url.query_pairs_mut().append_pair("model", &config.model);
    let mut request = url.as_str().into_client_request().ok()?;
    let headers = request.headers_mut();
    if let Some(key) = &config.api_key {
        let mut value =
            http::HeaderValue::from_str(&format!("Bearer {}", key.expose_secret())).ok()?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    headers.insert(
        USER_AGENT,
        http::HeaderValue::from_static(concat!("frontdesk/", env!("CARGO_PKG_VERSION"))),
    );
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_refusal_over_http_means_is_told_by_its_status_and_its_body() {
        let quota = br#"{"error":{"type":"insufficient_quota","code":"insufficient_quota"}}"#;
        let busy = br#"{"error":{"type":"requests","code":"rate_limit_exceeded","message":"x"}}"#;
        let cases: [(u16, &[u8], bool, &str); 9] = [
            (401, b"", true, "refused 401"),
            (403, b"no JSON", true, "refused 403"),
            (404, b"{}", true, "refused 404"),
            (408, b"", false, "refused 408"),
            (429, busy, false, "refused 429 rate_limit_exceeded"),
            (429, quota, true, "refused 429 insufficient_quota"),
            (500, b"", false, "refused 500"),
            (503, b"[1]", false, "refused 503"),
            (302, b"", false, "refused 302"),
        ];
        for (status, body, fatal, why) in cases {
            let refused = refusal(http::StatusCode::from_u16(status).unwrap(), body);
            assert_eq!(refused, Refusal { fatal, why: why.to_owned() });
        }
    }
}
