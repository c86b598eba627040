//! Who asks: the console's cookie, or a bearer token.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Redirect, Response};
use http::header::{AUTHORIZATION, COOKIE, HOST, REFERER};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::AppState;
use super::at_once::Busy;
use super::console::errors::Fault;
use super::problem::Problem;
use super::rate_limit::{RateLimit, Rule};
use super::secret::Secret;
use crate::store::StoreError;
use crate::store::people::{Credential, NewSession, Viewer};

/// So long without a request ends a session, in seconds.
const IDLE_SECONDS: i32 = 12 * 3600;
/// The same for those who want to be remembered.
const REMEMBERED_SECONDS: i32 = 7 * 24 * 3600;
/// The longest session, in seconds.
const SESSION_SECONDS: i32 = 30 * 24 * 3600;
/// As much as is kept of what a browser says it is, in bytes.
const USER_AGENT_MAX: usize = 200;

/// The address that a connection comes from.
#[derive(Debug, Clone, Copy)]
pub struct PeerAddress(pub IpAddr);

/// How often people may ask. In this process's memory: what costs money or reaches strangers is counted in
/// the database (`paces`).
#[derive(Debug)]
pub struct Limits {
    /// Attempts to sign in, by address.
    pub sign_in: RateLimit,
    /// The same, by address and e-mail address together: whoever tries somebody's password elsewhere keeps
    /// nobody out.
    pub sign_in_pair: RateLimit,
    /// Tries of a code, by address and e-mail address together.
    pub sign_in_code: RateLimit,
    /// Attempts by e-mail address alone, wherever they come from. Above it they are slow, and not refused.
    pub sign_in_email: RateLimit,
    /// Tries of a code by e-mail address alone, in the same way: a code has few digits.
    pub sign_in_codes: RateLimit,
    /// The most of these, which are refused: as many as leave one in some thousands to hit a code by chance
    /// while it is good, however many addresses they come from.
    pub sign_in_codes_most: RateLimit,
    /// Requests of one person to the API and the console.
    pub requests: RateLimit,
    /// Requests with credentials that are not in force, by address.
    pub refused: RateLimit,
    /// Readings of one calendar feed.
    pub feed: RateLimit,
}

impl Default for Limits {
    fn default() -> Self {
        let limit =
            |burst, seconds| RateLimit::new(Rule { burst, period: Duration::from_secs(seconds) });
        Self {
            sign_in: limit(5, 60),
            sign_in_pair: limit(10, 3600),
            sign_in_code: limit(5, 900),
            sign_in_email: limit(100, 3600),
            sign_in_codes: limit(25, 900),
            sign_in_codes_most: limit(200, 900),
            requests: limit(600, 60),
            refused: limit(60, 60),
            feed: limit(60, 3600),
        }
    }
}

/// Why nobody is signed in.
#[derive(Debug)]
pub enum SignedOut {
    /// Nothing was sent that is in force.
    Nobody,
    /// Too many requests: again in so many seconds.
    TooMany(u64),
    /// The database.
    Store(StoreError),
}

impl From<StoreError> for SignedOut {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<SignedOut> for Problem {
    fn from(why: SignedOut) -> Self {
        match why {
            SignedOut::Nobody => Self::signed_out(),
            SignedOut::TooMany(seconds) => Self::too_many(seconds),
            SignedOut::Store(error) => error.into(),
        }
    }
}

/// Fly's own header.
static FLY_CLIENT: HeaderName = HeaderName::from_static("fly-client-ip");

/// Where the client is: what the proxy in front says where there is one, in the header that
/// `CLIENT_ADDRESS_HEADER` names or in Fly's own; else the connection's other end. No other header is
/// believed: anybody can send one.
pub fn client_address(state: &AppState, parts: &Parts) -> String {
    let peer = || match parts.extensions.get::<PeerAddress>() {
        Some(PeerAddress(ip)) => ip.to_string(),
        None => "unknown".to_owned(),
    };
    let fly = state.fly_machine_id.as_ref().map(|_| &FLY_CLIENT);
    let header = state.client_address_header.as_ref().or(fly);
    header
        .and_then(|name| said_by_proxy(&parts.headers, name))
        .map_or_else(peer, |ip| ip.to_string())
}

/// What limits go by: that address, or of one of IPv6 the network of a single customer, who has all of its
/// addresses.
pub fn client_network(state: &AppState, parts: &Parts) -> String {
    network(client_address(state, parts))
}

fn network(address: String) -> String {
    match address.parse() {
        Ok(IpAddr::V6(ip)) if ip.to_ipv4_mapped().is_none() => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        Ok(IpAddr::V4(_) | IpAddr::V6(_)) | Err(_) => address,
    }
}

/// The last address of a header: of a list, a proxy adds to its end what it saw itself.
fn said_by_proxy(headers: &HeaderMap, name: &HeaderName) -> Option<IpAddr> {
    let last = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    let last = last.rsplit(',').next().unwrap_or(last).trim();
    // Some add the port.
    last.parse().ok().or_else(|| last.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// The cookie's name: `fd` on this machine over http, where some browsers refuse secure ones.
pub fn cookie_name(state: &AppState, parts: &Parts) -> &'static str {
    if is_loopback(state, parts) { "fd" } else { "__Host-fd" }
}

/// Whether the browser is on this machine, and nothing is between. Behind a proxy every peer is near and
/// the host may be any; a server that is reached over https has one.
fn is_loopback(state: &AppState, parts: &Parts) -> bool {
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let here = name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let peer = parts.extensions.get::<PeerAddress>();
    let is_near = peer.is_some_and(|PeerAddress(ip)| ip.is_loopback());
    !state.public_url.is_https() && here && is_near
}

/// What `Set-Cookie` says so that the browser keeps this secret; none ends it.
pub fn set_cookie(
    state: &AppState,
    parts: &Parts,
    secret: Option<&Secret>,
    remember: bool,
) -> HeaderValue {
    let secure = if is_loopback(state, parts) { "" } else { "; Secure" };
    let age = match (secret, remember) {
        (None, _) => "; Max-Age=0".to_owned(),
        (Some(_), true) => format!("; Max-Age={REMEMBERED_SECONDS}"),
        // Until the browser is closed.
        (Some(_), false) => String::new(),
    };
    let value = secret.map_or("", Secret::reveal);
    let text = format!(
        "{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}",
        cookie_name(state, parts)
    );
    HeaderValue::from_str(&text).expect("a secret has letters and digits alone")
}

/// The secret in the cookie.
fn sent_cookie(state: &AppState, parts: &Parts) -> Option<Secret> {
    let name = cookie_name(state, parts);
    let cookies = parts.headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| Secret::sent(value))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").map(str::trim)
}

/// Who asks.
pub async fn viewer(state: &AppState, parts: &Parts) -> Result<Viewer, SignedOut> {
    let owners = &state.owners;
    let Some(viewer) = sender(state, parts).await? else {
        // Whoever guesses soon has to wait.
        let address = client_network(state, parts);
        owners.limits.refused.take(&address).map_err(SignedOut::TooMany)?;
        return Err(SignedOut::Nobody);
    };
    owners.limits.requests.take(&viewer.id().to_string()).map_err(SignedOut::TooMany)?;
    owners.at_once.wait(parts, viewer.id()).await.map_err(|Busy| SignedOut::TooMany(1))?;
    Ok(viewer)
}

/// Who asks with a browser's cookie. `Authorization` is how programs ask, and opens no page; a cookie beside
/// it does not count either, since such a request is not looked at for the site that it comes from.
pub async fn browser(state: &AppState, parts: &Parts) -> Result<Viewer, SignedOut> {
    if parts.headers.contains_key(AUTHORIZATION) {
        return Err(SignedOut::Nobody);
    }
    viewer(state, parts).await
}

/// Whose the credentials are that a request was sent with; none: they are not in force, or not any more.
/// Not counted: an answer that goes on for long asks again and again.
pub async fn sender(state: &AppState, parts: &Parts) -> Result<Option<Viewer>, SignedOut> {
    let owners = &state.owners;
    if parts.headers.contains_key(AUTHORIZATION) {
        // A cookie beside it does not count.
        let text = bearer(&parts.headers).ok_or(SignedOut::Nobody)?;
        return Ok(match Secret::sent(text).filter(|it| it.reveal().starts_with("fd_")) {
            Some(secret) => owners.store.viewer_of_token(&secret.hash()).await?,
            None => owners.supabase_viewer(text).await?,
        });
    }
    match sent_cookie(state, parts) {
        Some(secret) => Ok(owners.session_viewer(&secret.hash()).await?),
        None => Err(SignedOut::Nobody),
    }
}

/// Begins a session of this person: the cookie to set.
pub async fn begin(
    state: &AppState,
    parts: &Parts,
    user_id: uuid::Uuid,
    remember: bool,
    supabase_session: Option<uuid::Uuid>,
) -> Result<HeaderValue, StoreError> {
    let secret = Secret::new("");
    let user_agent = parts.headers.get(http::header::USER_AGENT);
    let user_agent = user_agent.and_then(|text| text.to_str().ok());
    let user_agent = user_agent.map(|text| &text[..text.len().min(USER_AGENT_MAX)]);
    // Whatever session this browser had is over: a cookie that somebody planted is worth nothing.
    if let Some(old) = sent_cookie(state, parts)
        && let Some(old) = state.owners.store.viewer_of_session(&old.hash()).await?
        && let Credential::Session(id) = old.viewer.credential()
    {
        state.owners.store.end_session(old.viewer.id(), id).await?;
    }
    let session = NewSession {
        token: secret.hash(),
        user_id,
        idle_seconds: if remember { REMEMBERED_SECONDS } else { IDLE_SECONDS },
        lasts_seconds: SESSION_SECONDS,
        user_agent,
        supabase_session,
    };
    state.owners.store.begin_session(&session).await?;
    Ok(set_cookie(state, parts, Some(&secret), remember))
}

/// A request to the API: who asks, and the server that is asked.
#[derive(Debug)]
pub struct ApiRequest {
    /// The server.
    pub state: Arc<AppState>,
    /// Who asks.
    pub viewer: Viewer,
}

impl FromRequestParts<Arc<AppState>> for ApiRequest {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<AppState>,
    ) -> Result<Self, Self::Rejection> {
        Ok(Self { state: Arc::clone(state), viewer: viewer(state, parts).await? })
    }
}

/// The same of a page's script, which wants the cookie as its page does.
#[derive(Debug)]
pub struct ScriptRequest {
    /// The server.
    pub state: Arc<AppState>,
    /// Who asks.
    pub viewer: Viewer,
}

impl FromRequestParts<Arc<AppState>> for ScriptRequest {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<AppState>,
    ) -> Result<Self, Self::Rejection> {
        Ok(Self { state: Arc::clone(state), viewer: browser(state, parts).await? })
    }
}

/// The same for a page. A key is for programs: pages want the cookie.
#[derive(Debug)]
pub struct PageRequest {
    /// The server.
    pub state: Arc<AppState>,
    /// Who asks.
    pub viewer: Viewer,
}

impl FromRequestParts<Arc<AppState>> for PageRequest {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<AppState>,
    ) -> Result<Self, Self::Rejection> {
        match browser(state, parts).await {
            Ok(viewer) => Ok(Self { state: Arc::clone(state), viewer }),
            Err(SignedOut::Nobody) => Err(to_sign_in(parts)),
            Err(SignedOut::TooMany(seconds)) => Err(Fault::TooMany(seconds).into_response()),
            Err(SignedOut::Store(error)) => Err(Fault::from(error).into_response()),
        }
    }
}

impl OptionalFromRequestParts<Arc<AppState>> for PageRequest {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<AppState>,
    ) -> Result<Option<Self>, Self::Rejection> {
        let viewer = browser(state, parts).await.ok();
        Ok(viewer.map(|viewer| Self { state: Arc::clone(state), viewer }))
    }
}

/// The page of ours on which a browser was, as it says: its path, with what it was asked with.
pub(super) fn came_from(parts: &Parts) -> Option<String> {
    let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let page = url::Url::parse(text(REFERER)?).ok()?;
    let host = page.host_str()?;
    let authority = page.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    if text(HOST) != Some(&authority) {
        return None;
    }
    Some(page[url::Position::BeforePath..url::Position::AfterQuery].to_owned())
}

/// To the sign-in page, and from there back to what was wanted, if that was a page.
fn to_sign_in(parts: &Parts) -> Response {
    let encoded =
        |path: &str| url::form_urlencoded::byte_serialize(path.as_bytes()).collect::<String>();
    if parts.method != http::Method::GET {
        // What was sent is not kept: nobody knows whose it is. A browser's user is told so.
        let from = came_from(parts).map(|page| format!("&next={}", encoded(&page)));
        let is_browser = !parts.headers.contains_key(AUTHORIZATION);
        let unsaved = format!("/sign-in?unsaved=1{}", from.unwrap_or_default());
        return Redirect::to(if is_browser { &unsaved } else { "/sign-in" }).into_response();
    }
    let wanted = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let next = encoded(wanted);
    let to = if wanted == "/" { "/sign-in".to_owned() } else { format!("/sign-in?next={next}") };
    (StatusCode::SEE_OTHER, Redirect::to(&to)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_of_a_customer_count_as_one() {
        let network = |text: &str| network(text.to_owned());
        assert_eq!(network("2001:db8:0:1::7"), network("2001:db8:0:1:ffff:1:2:3"));
        assert_ne!(network("2001:db8:0:1::7"), network("2001:db8:0:2::7"));
        for same in ["192.0.2.7", "::ffff:192.0.2.7", "unknown"] {
            assert_eq!(network(same), same);
        }
    }
}
