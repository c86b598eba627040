//! Fetching what is at an address.

use std::time::Duration;

use http::header::{ACCEPT, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use url::Url;
use uuid::Uuid;

use super::words;
use crate::functions::egress;

/// How long one address may take.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// What is asked for.
const WANTED: &str = "text/html,application/xhtml+xml,application/pdf,text/*;q=0.9,*/*;q=0.5";

/// What was at an address.
#[derive(Debug)]
pub(super) struct Fetched {
    /// The address behind all redirects.
    pub(super) url: Url,
    pub(super) content_type: Option<String>,
    pub(super) etag: Option<String>,
    /// None: it has not changed since the version that was named.
    pub(super) body: Option<bytes::Bytes>,
}

/// Why there is nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotFetched {
    /// In an owner's words; names no address.
    pub(super) why: String,
    /// Whether it may be otherwise in some minutes.
    pub(super) may_pass: bool,
    /// The status that came back, if one did.
    pub(super) status: Option<StatusCode>,
}

/// Fetches what is at an address, unless that is the version that is known.
///
/// # Errors
/// [`NotFetched`].
pub(super) async fn fetch(
    client: &egress::Client,
    agent: Uuid,
    url: &Url,
    known: Option<&str>,
) -> Result<Fetched, NotFetched> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static(WANTED));
    if let Some(known) = known.and_then(|etag| HeaderValue::from_str(etag).ok()) {
        headers.insert(IF_NONE_MATCH, known);
    }
    let request = egress::Request {
        agent,
        time_limit: TIME_LIMIT,
        method: Method::GET,
        url: url.clone(),
        headers,
        body: None,
    };
    let response = client.send(request).await.map_err(|error| NotFetched {
        why: words::of_egress(error.told()).to_owned(),
        may_pass: words::may_pass(error),
        status: None,
    })?;
    let status = response.status;
    if let Some(why) = words::of_status(status) {
        let may_pass = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
        return Err(NotFetched { why, may_pass, status: Some(status) });
    }
    Ok(Fetched {
        url: response.url,
        content_type: response.content_type,
        etag: response.etag,
        body: (status != StatusCode::NOT_MODIFIED).then_some(response.body),
    })
}
