//! What every page and every answer of the API says to browsers.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, StatusCode};

use super::problem::Problem;
use super::{AppState, csrf};

/// Nothing from elsewhere, nothing inline, no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; \
    frame-ancestors 'none'";

/// Adds the headers, unless a page has its own, and refuses what another site's page sent.
pub(super) async fn protect(
    State(state): State<Arc<AppState>>,
    request: Request,
    next: Next,
) -> Response {
    let is_ours = csrf::is_same_origin(request.method(), request.headers(), &state.public_url);
    let mut response = if is_ours {
        next.run(request).await
    } else {
        let why = "another site's page made this request; open the console itself";
        Problem::new(StatusCode::FORBIDDEN, why).into_response()
    };
    let headers = response.headers_mut();
    let mut add = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    add(CONTENT_SECURITY_POLICY, POLICY);
    add(X_CONTENT_TYPE_OPTIONS, "nosniff");
    // Not `no-referrer`: with that Chromium sends `Origin: null` with forms of our own.
    add(REFERRER_POLICY, "same-origin");
    add(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    add(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    add(HeaderName::from_static("permissions-policy"), "microphone=(), camera=(), geolocation=()");
    add(CACHE_CONTROL, "private, no-store");
    if state.public_url.as_str().starts_with("https:") {
        add(STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    response
}
