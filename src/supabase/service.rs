//! Requests to Supabase's Auth: every one with the project's key, bounded in time and size, and
//! never passed on to where a redirect points.

use std::time::Duration;

use reqwest::{RequestBuilder, Response, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::clock;
use crate::config::SupabaseProject;
use crate::tls::body_of;

/// How long a connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// Supabase's Auth of one project.
#[derive(Debug)]
pub(super) struct Service {
    http: reqwest::Client,
    auth_url: String,
    key: SecretString,
}

/// An answer, whatever its status.
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// `Retry-After`, if it is a number of seconds.
    pub(super) retry_after_seconds: Option<u64>,
    /// The body. It may hold tokens.
    pub(super) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoAnswer {
    /// No connection: nothing was sent.
    #[error("cannot connect")]
    Unreachable,
    /// The connection was lost.
    #[error("the connection was lost")]
    Lost,
    /// None came in time.
    #[error("no answer in time")]
    Late,
    /// It is longer than it may be.
    #[error("the answer is too long")]
    TooLong,
}

impl From<reqwest::Error> for NoAnswer {
    fn from(error: reqwest::Error) -> Self {
        if error.is_connect() { Self::Unreachable } else { Self::Lost }
    }
}

/// How much of an answer is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// How long all of it may take.
    pub(super) time: Duration,
    /// How long the body may be.
    pub(super) bytes: usize,
}

impl Service {
    pub(super) fn new(project: &SupabaseProject) -> Result<Self, reqwest::Error> {
        let http = crate::tls::http_client()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_LIMIT)
            .build()?;
        Ok(Self { http, auth_url: project.auth_url(), key: project.publishable_key.clone() })
    }

    /// Gets what is at this path, which begins with a slash.
    pub(super) async fn get(&self, path: &str, limits: Limits) -> Result<Answer, NoAnswer> {
        self.exchange(self.http.get(format!("{}{path}", self.auth_url)), limits).await
    }

    /// Posts a body to this path.
    pub(super) async fn post(
        &self,
        path: &str,
        body: &Value,
        limits: Limits,
    ) -> Result<Answer, NoAnswer> {
        let request = self.http.post(format!("{}{path}", self.auth_url)).json(body);
        self.exchange(request, limits).await
    }

    /// Posts to this path as whoever has the token.
    pub(super) async fn post_as(
        &self,
        token: &str,
        path: &str,
        limits: Limits,
    ) -> Result<Answer, NoAnswer> {
        let request = self.http.post(format!("{}{path}", self.auth_url)).bearer_auth(token);
        self.exchange(request, limits).await
    }

    async fn exchange(&self, request: RequestBuilder, limits: Limits) -> Result<Answer, NoAnswer> {
        let request = request.header("apikey", self.key.expose_secret());
        let exchange = Box::pin(async move { read(request.send().await?, limits.bytes).await });
        clock::within(limits.time, exchange).await.unwrap_or(Err(NoAnswer::Late))
    }
}

async fn read(mut response: Response, bytes_max: usize) -> Result<Answer, NoAnswer> {
    let retry_after = response.headers().get(http::header::RETRY_AFTER);
    let retry_after_seconds =
        retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let status = response.status().as_u16();
    let body = body_of(&mut response, bytes_max).await?.ok_or(NoAnswer::TooLong)?;
    Ok(Answer { status, retry_after_seconds, body })
}
