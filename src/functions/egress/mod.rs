//! SSRF-safe egress: the one way out for requests whose address somebody outside has written: an owner in a row or a
//! setting, a caller in an argument, a service in a redirect. Nothing private is reached.
//!
//! Addresses are checked where the connection is made and nowhere else: the resolver that the
//! connection uses leaves no private address through, so a name that answers differently the next
//! time gains nothing. Each request connects anew, and each redirect is a request.

mod address;
mod error;
mod redirect;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use parking_lot::Mutex;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::{Semaphore, SemaphorePermit};
use url::{Host, Url};
use uuid::Uuid;

use crate::clock;
use crate::config::HostPort;
use crate::tls::body_of;
use address::{is_dns_name, is_local_name, is_public};
pub use error::{EgressError, Refusal};

/// The largest body that is sent unless a client is told otherwise, bytes.
pub const REQUEST_BYTES_MAX: usize = 64 * 1024;
/// The largest answer that is read, bytes.
pub const RESPONSE_BYTES_MAX: usize = 256 * 1024;
/// How long a connection may take to be made, name and encryption included.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// How long a request waits for its place.
const PLACE_LIMIT: Duration = Duration::from_secs(1);
/// Requests of the process at once.
const PLACES: usize = 64;
/// Requests of one agent at once.
const PLACES_PER_AGENT: usize = 8;
const REDIRECTS_MAX: usize = 3;
/// Before the second attempt.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// A request to somewhere outside. May hold secrets, so it does not print itself.
#[derive(Clone)]
pub struct Request {
    /// The agent on whose behalf the request is made.
    pub agent: Uuid,
    /// How long it may take with all that belongs to it: place, redirects, second attempt, answer.
    pub time_limit: Duration,
    /// The method. One that is idempotent is tried twice if the service cannot be reached or says
    /// that it is busy.
    pub method: Method,
    /// The address that is asked.
    pub url: Url,
    /// What is sent along. Only the host that is asked first is given these.
    pub headers: HeaderMap,
    /// What is sent, at most what the client takes.
    pub body: Option<Bytes>,
}

/// The answer of the service.
#[derive(Debug)]
pub struct Response {
    /// The status, never a redirect that was followed.
    pub status: StatusCode,
    /// The content type, if one was named.
    pub content_type: Option<String>,
    /// What the service calls this version of what was asked for (`ETag`), if it does.
    pub etag: Option<String>,
    /// The address that answered, behind all redirects.
    pub url: Url,
    /// The body, read to its end; empty where only the head counts.
    pub body: Bytes,
}

impl Response {
    fn head(response: &reqwest::Response) -> Self {
        let named = |name| {
            let value = response.headers().get(name);
            value.and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        Self {
            status: response.status(),
            content_type: named(header::CONTENT_TYPE),
            etag: named(header::ETAG),
            url: response.url().clone(),
            body: Bytes::new(),
        }
    }
}

/// Makes requests. One for the process.
pub struct Client {
    /// Reaches public addresses only.
    public: reqwest::Client,
    /// Reaches any address; used for what is in `allowed`.
    any: reqwest::Client,
    allowed: Vec<HostPort>,
    body_bytes_max: usize,
    /// How much of an answer's body is read; none: only its head counts.
    answer_bytes_max: Option<usize>,
    places: Semaphore,
    /// Those of agents that have requests on their way.
    agents: Mutex<HashMap<Uuid, Arc<Semaphore>>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("egress::Client").field("allowed", &self.allowed).finish_non_exhaustive()
    }
}

impl Client {
    /// A client that may reach `allowed` although private. Names are looked up as the system does.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(allowed: Vec<HostPort>) -> Result<Self, reqwest::Error> {
        Self::with_resolver(allowed, Arc::new(SystemResolver))
    }

    /// A client that looks names up elsewhere.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn with_resolver(
        allowed: Vec<HostPort>,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            public: connector(Arc::new(PublicOnly(Arc::clone(&resolver))))?,
            any: connector(resolver)?,
            allowed,
            body_bytes_max: REQUEST_BYTES_MAX,
            answer_bytes_max: Some(RESPONSE_BYTES_MAX),
            places: Semaphore::new(PLACES),
            agents: Mutex::default(),
        })
    }

    /// The same client, for bodies of up to so many bytes.
    #[must_use]
    pub fn with_bodies_of(self, body_bytes_max: usize) -> Self {
        Self { body_bytes_max, ..self }
    }

    /// The same client, for services of whose answers only the status counts.
    #[must_use]
    pub fn without_answers(self) -> Self {
        Self { answer_bytes_max: None, ..self }
    }

    /// The same client, for answers of up to so many bytes.
    #[must_use]
    pub fn with_answers_of(self, answer_bytes_max: usize) -> Self {
        Self { answer_bytes_max: Some(answer_bytes_max), ..self }
    }

    /// Why an address is refused whatever its name leads to, if it is: so that who writes it is told at
    /// once. Nothing is looked up.
    pub fn refusal(&self, url: &Url) -> Option<Refusal> {
        match self.connector_for(url) {
            Err(refusal) => Some(refusal),
            Ok(_) if self.allowed.iter().any(|place| place.is_of(url)) => None,
            Ok(_) => url.domain().is_some_and(is_local_name).then_some(Refusal::NotPublic),
        }
    }

    /// Makes a request and reads the whole answer.
    ///
    /// # Errors
    /// If it is not allowed, or there is no answer within the limits.
    pub async fn send(&self, request: Request) -> Result<Response, EgressError> {
        if request.body.as_ref().is_some_and(|body| body.len() > self.body_bytes_max) {
            return Err(EgressError::RequestTooLarge);
        }
        let sent = clock::within(request.time_limit, self.send_in_place(&request)).await;
        sent.unwrap_or(Err(EgressError::TimedOut))
    }

    async fn send_in_place(&self, request: &Request) -> Result<Response, EgressError> {
        let agent = self.places_of(request.agent);
        let places = clock::within(PLACE_LIMIT, async {
            // The agent's first: one agent's queue takes no places from the others.
            Ok::<[SemaphorePermit<'_>; 2], tokio::sync::AcquireError>([
                agent.acquire().await?,
                self.places.acquire().await?,
            ])
        });
        let Some(Ok(_places)) = places.await else { return Err(EgressError::Busy) };
        let first = self.follow(request.clone()).await;
        if !request.method.is_idempotent() || !may_pass(&first) {
            return first;
        }
        clock::pause(RETRY_PAUSE).await;
        self.follow(request.clone()).await
    }

    fn places_of(&self, agent: Uuid) -> Arc<Semaphore> {
        let mut agents = self.agents.lock();
        agents.retain(|_, places| Arc::strong_count(places) > 1);
        let places = agents.entry(agent).or_insert_with(|| Semaphore::new(PLACES_PER_AGENT).into());
        Arc::clone(places)
    }

    /// Makes a request, and those that it is redirected to.
    async fn follow(&self, mut request: Request) -> Result<Response, EgressError> {
        let mut response = self.ask(&request).await?;
        for _ in 0..REDIRECTS_MAX {
            let next = redirect::next(&request, response.status(), response.headers());
            let Some(next) = next.map_err(EgressError::Redirected)? else {
                return self.read(response).await;
            };
            request = next;
            response = self.ask(&request).await.map_err(|error| match error {
                EgressError::Refused(refusal) => EgressError::Redirected(refusal),
                // The first host was reached. It is not asked again, or it could tell this apart.
                EgressError::Unreachable => EgressError::Redirected(Refusal::Absent),
                other => other,
            })?;
        }
        match redirect::next(&request, response.status(), response.headers()) {
            Ok(None) => self.read(response).await,
            Ok(Some(_)) => Err(EgressError::Redirected(Refusal::Redirects)),
            Err(refusal) => Err(EgressError::Redirected(refusal)),
        }
    }

    async fn read(&self, response: reqwest::Response) -> Result<Response, EgressError> {
        let answer = Response::head(&response);
        match self.answer_bytes_max {
            Some(most) => read(response, most, answer).await,
            None => Ok(answer),
        }
    }

    async fn ask(&self, request: &Request) -> Result<reqwest::Response, EgressError> {
        let connector = self.connector_for(&request.url).map_err(EgressError::Refused)?;
        let mut asked = reqwest::Request::new(request.method.clone(), request.url.clone());
        *asked.headers_mut() = request.headers.clone();
        *asked.body_mut() = request.body.clone().map(Into::into);
        connector.execute(asked).await.map_err(|error| failure(&error))
    }

    /// What may connect to an address. An address that is written as numbers is never looked up, so
    /// it is checked here.
    fn connector_for(&self, url: &Url) -> Result<&reqwest::Client, Refusal> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refusal::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Credentials);
        }
        if self.allowed.iter().any(|place| place.is_of(url)) {
            return Ok(&self.any);
        }
        match url.host().ok_or(Refusal::Host)? {
            Host::Domain(name) if !is_dns_name(name) => Err(Refusal::Host),
            Host::Ipv4(address) if !is_public(address.into()) => Err(Refusal::NotPublic),
            Host::Ipv6(address) if !is_public(address.into()) => Err(Refusal::NotPublic),
            Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_) => Ok(&self.public),
        }
    }
}

fn connector(resolver: Arc<dyn Resolve>) -> Result<reqwest::Client, reqwest::Error> {
    let json = HeaderValue::from_static("application/json, text/plain;q=0.5, */*;q=0.1");
    crate::tls::http_client()
        .default_headers(HeaderMap::from_iter([(header::ACCEPT, json)]))
        .dns_resolver(resolver)
        .connect_timeout(CONNECT_LIMIT)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .http1_only()
        // A proxy would look names up by itself.
        .no_proxy()
        // A connection that was kept may be closed by the other side just as it is used again.
        .pool_max_idle_per_host(0)
        // The limit on an answer is one on what it unpacks to.
        .no_gzip()
        .no_brotli()
        .no_deflate()
        .no_zstd()
        .build()
}

async fn read(
    mut response: reqwest::Response,
    most: usize,
    answer: Response,
) -> Result<Response, EgressError> {
    if response.content_length().is_some_and(|length| length > most as u64) {
        return Err(EgressError::ResponseTooLarge);
    }
    let body = body_of(&mut response, most).await.map_err(|_| EgressError::Broken)?;
    let body = body.ok_or(EgressError::ResponseTooLarge)?.into();
    Ok(Response { body, ..answer })
}

/// Whether it may be otherwise in a moment.
fn may_pass(result: &Result<Response, EgressError>) -> bool {
    match result {
        Ok(response) => matches!(response.status.as_u16(), 502..=504),
        // What is not public is tried again like what is not there: it takes as long.
        Err(EgressError::Refused(Refusal::NotPublic | Refusal::Host)) => true,
        Err(error) => matches!(error, EgressError::Unreachable | EgressError::Broken),
    }
}

/// What a failure means. Its own text has the address in it.
fn failure(error: &reqwest::Error) -> EgressError {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    if causes.into_iter().any(|cause| cause.is::<NotPublic>()) {
        EgressError::Refused(Refusal::NotPublic)
    } else if error.is_connect() {
        EgressError::Unreachable
    } else {
        EgressError::Broken
    }
}

/// Looks names up as the system does.
struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Leaves through what is public. A name with any other address is refused as a whole.
struct PublicOnly(Arc<dyn Resolve>);

/// A name has an address that is not public.
#[derive(Debug, thiserror::Error)]
#[error("an address that is not public")]
struct NotPublic;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let resolving = self.0.resolve(name);
        Box::pin(async move {
            let found: Vec<SocketAddr> = resolving.await?.collect();
            if found.iter().all(|address| is_public(address.ip())) {
                Ok(Box::new(found.into_iter()) as Addrs)
            } else {
                Err(NotPublic.into())
            }
        })
    }
}
