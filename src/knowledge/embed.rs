//! Embeddings from any server that speaks OpenAI's `/embeddings` (protocols 6.6).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics::counter;
use moka::future::Cache;
use reqwest::redirect;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use url::Url;

use crate::clock;
use crate::config::OpenAi;
use crate::private::Private;
use crate::service_json;
use crate::tls::{body_of, no_answer};

/// Dimensions of the agents' tables.
pub(super) const DIMENSIONS: usize = 1536;
/// How long an embedding may take, the wait for a place included.
const EMBED_LIMIT: Duration = Duration::from_secs(3);
/// How long a connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// Requests at once, and connections kept. A thousand calls ask for about 200 a second, of a third
/// of a second each.
const AT_ONCE_MAX: usize = 256;
/// How long a request waits for a place; beyond, it fails.
const PLACE_LIMIT: Duration = Duration::from_millis(500);
/// After a failure that may pass.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// The most of an answer that is read. 1,536 numbers take about 35 KB.
const ANSWER_MAX_BYTES: usize = 512 * 1024;
/// The most of a text that is embedded: its end, where a question stands. Services take 8,192
/// tokens.
const TEXT_MAX_BYTES: usize = 4_000;
/// Embeddings that are remembered, 6 KiB each, and for how long.
const REMEMBERED_MAX: u64 = 2_048;
const REMEMBERED_FOR: Duration = Duration::from_secs(3_600);

/// Why a text has no embedding. Nothing of the text is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmbedError {
    /// Too many are asked for at once.
    #[error("embedding: too many requests at once")]
    Busy,
    /// No answer came in time.
    #[error("embedding: no answer in time")]
    Late,
    /// There is no connection, or it was lost.
    #[error("embedding: {0}")]
    Unreachable(&'static str),
    /// The service refused, with this status and perhaps a code.
    #[error("embedding: the service answered {status} {code}")]
    Refused {
        /// The HTTP status of the answer.
        status: u16,
        /// `error.code` or `error.type`, if it is a word.
        code: String,
    },
    /// The answer is not one.
    #[error("embedding: the answer is not {{\"data\":[{{\"embedding\":[…]}}]}}")]
    Unreadable,
    /// The model makes embeddings of another size.
    #[error(
        "embedding: {0} dimensions, needed are 1536: EMBEDDING_MODEL must name a model that has them"
    )]
    Dimensions(usize),
    /// It has a number that is none, or no direction.
    #[error("embedding: the numbers are not finite or all zero")]
    Unusable,
}

impl EmbedError {
    /// Whether another attempt may succeed. An exhausted quota is a 429, too.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Refused { status: 429, code } => code != "insufficient_quota",
            Self::Refused { status, .. } => *status >= 500,
            _ => false,
        }
    }
}

impl From<reqwest::Error> for EmbedError {
    fn from(error: reqwest::Error) -> Self {
        Self::Unreachable(no_answer(&error))
    }
}

/// As many texts are embedded in one request, and how long that may take. Services take 2,048 texts and
/// 300,000 tokens.
pub(super) const TEXTS_AT_ONCE: usize = 64;
const TEXTS_LIMIT: Duration = Duration::from_secs(30);
/// The most that is read of an answer to those.
const TEXTS_ANSWER_MAX_BYTES: usize = 8 * 1024 * 1024;

/// Asks the service, and remembers.
#[derive(Debug)]
pub(super) struct Embedder {
    http: reqwest::Client,
    url: Url,
    api_key: Option<SecretString>,
    model: String,
    /// Whether the size is asked for. Servers refuse that of models that have only one.
    names_size: AtomicBool,
    places: Semaphore,
    remembered: Cache<Private<String>, Arc<[f32]>>,
    limit: Duration,
}

impl Embedder {
    pub(super) fn new(service: &OpenAi, model: &str) -> Result<Self, reqwest::Error> {
        let mut url = service.base_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("embeddings");
        }
        let http = crate::tls::http_client()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_LIMIT)
            .pool_max_idle_per_host(AT_ONCE_MAX)
            .build()?;
        Ok(Self {
            http,
            url,
            api_key: service.api_key.clone(),
            model: model.to_owned(),
            names_size: AtomicBool::new(true),
            places: Semaphore::new(AT_ONCE_MAX),
            remembered: Cache::builder()
                .max_capacity(REMEMBERED_MAX)
                .time_to_live(REMEMBERED_FOR)
                .build(),
            limit: EMBED_LIMIT,
        })
    }

    /// The model's name.
    pub(super) fn model(&self) -> &str {
        &self.model
    }

    /// The embedding of what was said; none of what has no word in it. What is said again, in
    /// nearly the same spelling, is not asked for again, nor is what is being asked for.
    pub(super) async fn embed(&self, said: &str) -> Result<Option<Arc<[f32]>>, EmbedError> {
        let said = &said[said.ceil_char_boundary(said.len().saturating_sub(TEXT_MAX_BYTES))..];
        let key = normalised(said);
        if key.is_empty() {
            return Ok(None);
        }
        let asked =
            self.remembered.entry(key.into()).or_try_insert_with(self.ask(said.trim())).await;
        let entry = asked.map_err(|error| EmbedError::clone(&error))?;
        if !entry.is_fresh() {
            counter!("frontdesk_embedding_cache_hits_total").increment(1);
        }
        Ok(Some(entry.into_value()))
    }

    /// The embeddings of up to [`TEXTS_AT_ONCE`] texts, in their order. Nobody on the phone waits for it.
    ///
    /// # Errors
    /// Why there are none.
    pub(super) async fn embed_texts(&self, texts: &[&str]) -> Result<Vec<Arc<[f32]>>, EmbedError> {
        let asking = async {
            let place = self.places.acquire().await.map_err(|_| EmbedError::Busy)?;
            let size = self.names_size.load(Ordering::Relaxed).then_some(DIMENSIONS as u32);
            let asked = match self.post_for(texts, size, TEXTS_ANSWER_MAX_BYTES).await {
                Err(EmbedError::Refused { status: 400 | 422, .. }) if size.is_some() => {
                    let without = self.post_for(texts, None, TEXTS_ANSWER_MAX_BYTES).await;
                    self.names_size.fetch_and(without.is_err(), Ordering::Relaxed);
                    without
                }
                asked => asked,
            };
            drop(place);
            asked
        };
        let vectors = clock::within(TEXTS_LIMIT, asking).await.unwrap_or(Err(EmbedError::Late))?;
        if vectors.len() == texts.len() { Ok(vectors) } else { Err(EmbedError::Unreadable) }
    }

    async fn ask(&self, text: &str) -> Result<Arc<[f32]>, EmbedError> {
        let asking = async {
            let _place =
                clock::within(PLACE_LIMIT, self.places.acquire()).await.ok_or(EmbedError::Busy)?;
            match self.attempt(text).await {
                Err(error) if error.may_pass() => {
                    clock::pause(RETRY_AFTER).await;
                    self.attempt(text).await
                }
                done => done,
            }
        };
        clock::within(self.limit, asking).await.unwrap_or(Err(EmbedError::Late))
    }

    /// Asks once, or twice where the service may have refused the size: if it was that, the size
    /// is not asked for any more.
    async fn attempt(&self, text: &str) -> Result<Arc<[f32]>, EmbedError> {
        if !self.names_size.load(Ordering::Relaxed) {
            return self.post(text, None).await;
        }
        match self.post(text, Some(DIMENSIONS as u32)).await {
            Err(EmbedError::Refused { status: 400 | 422, .. }) => {
                let without = self.post(text, None).await;
                self.names_size.fetch_and(without.is_err(), Ordering::Relaxed);
                without
            }
            done => done,
        }
    }

    async fn post(&self, text: &str, size: Option<u32>) -> Result<Arc<[f32]>, EmbedError> {
        let vectors = self.post_for(&text, size, ANSWER_MAX_BYTES).await?;
        vectors.into_iter().next().ok_or(EmbedError::Unreadable)
    }

    async fn post_for<I: Serialize + ?Sized>(
        &self,
        input: &I,
        size: Option<u32>,
        answer_max: usize,
    ) -> Result<Vec<Arc<[f32]>>, EmbedError> {
        let request =
            Request { model: &self.model, input, encoding_format: "float", dimensions: size };
        let mut post = self.http.post(self.url.clone()).json(&request);
        if let Some(key) = &self.api_key {
            post = post.bearer_auth(key.expose_secret());
        }
        let mut response = post.send().await?;
        let status = response.status();
        let answer = body_of(&mut response, answer_max).await?;
        let answer = answer.ok_or(EmbedError::Unreadable)?;
        if !status.is_success() {
            return Err(EmbedError::Refused { status: status.as_u16(), code: error_code(&answer) });
        }
        read(&answer)
    }
}

/// What the service is asked.
#[derive(Serialize)]
struct Request<'a, I: ?Sized> {
    model: &'a str,
    input: &'a I,
    encoding_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
}

/// As much of an answer as is needed: not every server says its usage and model.
#[derive(Deserialize)]
struct Answer {
    data: Vec<Embedding>,
}

#[derive(Deserialize)]
struct Embedding {
    /// Twice as wide as it is kept, so that a number too large for that is told from no number.
    embedding: Vec<f64>,
    /// Which text it is of; not every server says so, and then they stand in their order.
    index: Option<usize>,
}

/// The vectors of an answer, in the order of the texts.
fn read(answer: &[u8]) -> Result<Vec<Arc<[f32]>>, EmbedError> {
    let answer: Answer = service_json::from_slice(answer).map_err(|_| EmbedError::Unreadable)?;
    let mut data = answer.data;
    data.sort_by_key(|one| one.index);
    data.into_iter().map(|one| vector(one.embedding)).collect()
}

fn vector(numbers: Vec<f64>) -> Result<Arc<[f32]>, EmbedError> {
    let vector: Vec<f32> = numbers.into_iter().map(|value| value as f32).collect();
    if vector.len() != DIMENSIONS {
        return Err(EmbedError::Dimensions(vector.len()));
    }
    // Cosine distance to zero is not defined.
    if !vector.iter().all(|value| value.is_finite()) || vector.iter().all(|value| *value == 0.0) {
        return Err(EmbedError::Unusable);
    }
    Ok(vector.into())
}

/// `error.code`, else `error.type`. The message may repeat what was said, so it is not read.
pub(crate) fn error_code(answer: &[u8]) -> String {
    let answer: serde_json::Value = service_json::from_slice(answer).unwrap_or_default();
    let error = &answer["error"];
    let is_code = |code: &&str| {
        let of_a_code = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        (1..=64).contains(&code.len()) && code.chars().all(of_a_code)
    };
    let codes = [error["code"].as_str(), error["type"].as_str()];
    codes.into_iter().flatten().find(is_code).unwrap_or_default().to_owned()
}

/// What is the same question: lower case, single spaces, without punctuation at the end.
fn normalised(text: &str) -> String {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    words.join(" ").trim_end_matches(|c: char| !c.is_alphanumeric()).to_owned()
}

#[cfg(test)]
#[path = "embed_tests.rs"]
mod tests;
