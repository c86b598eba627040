//! Asks the language service for an answer of one shape (protocols 6.4).

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::redirect;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::agent::schema::Schema;
use crate::clock;
use crate::config::OpenAi;
use crate::knowledge::error_code;
use crate::service_json;
use crate::tls::{body_of, no_answer};

/// How long a connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// The most of an answer that is read, bytes.
const ANSWER_MAX_BYTES: usize = 512 * 1024;
/// The most that the model may write, what it thinks included. Beyond, its answer is cut off.
const ANSWER_MAX_TOKENS: u32 = 8_000;

/// Why there is no answer. Nothing that was said is in the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// No answer came in time.
    #[error("summary: no answer in time")]
    Late,
    /// There is no connection, or it was lost.
    #[error("summary: {0}")]
    Unreachable(&'static str),
    /// The service refused, with this status and perhaps a code.
    #[error("summary: the service answered {status} {code}")]
    Refused {
        /// The HTTP status of the answer.
        status: u16,
        /// `error.code` or `error.type`, if it is a word.
        code: String,
    },
    /// The answer is none, or is too long.
    #[error("summary: the answer is not a chat completion")]
    Unreadable,
    /// The model will not.
    #[error("summary: the model refused")]
    ModelRefused,
    /// The model did not come to the end.
    #[error("summary: the answer was cut off ({0})")]
    CutOff(&'static str),
}

impl AskError {
    /// Whether the service is away or busy, rather than of another mind.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Late | Self::Unreachable(_) => true,
            // 401 to 403: the key is put right while the calls wait.
            Self::Refused { status, .. } => {
                matches!(status, 401..=403 | 408 | 409 | 429) || *status >= 500
            }
            Self::Unreadable | Self::ModelRefused | Self::CutOff(_) => false,
        }
    }
}

impl From<reqwest::Error> for AskError {
    fn from(error: reqwest::Error) -> Self {
        Self::Unreachable(no_answer(&error))
    }
}

/// What is asked for.
pub(super) struct Question<'a> {
    /// The shape's name, a word.
    pub(super) name: &'static str,
    /// The shape of the answer.
    pub(super) schema: &'a Schema,
    /// How long an answer may take.
    pub(super) limit: Duration,
}

/// The language service's address, key and model.
#[derive(Debug)]
pub(super) struct Chat {
    http: reqwest::Client,
    url: Url,
    api_key: Option<SecretString>,
    model: String,
    /// Whether the service refuses to be told how long to think.
    refuses_effort: AtomicBool,
}

impl Chat {
    pub(super) fn new(service: &OpenAi, model: &str) -> Result<Self, reqwest::Error> {
        let mut url = service.base_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["chat", "completions"]);
        }
        let http = crate::tls::http_client()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_LIMIT)
            .build()?;
        Ok(Self {
            http,
            url,
            api_key: service.api_key.clone(),
            model: model.to_owned(),
            refuses_effort: AtomicBool::new(false),
        })
    }

    /// The model's name.
    pub(super) fn model(&self) -> &str {
        &self.model
    }

    /// What the model says to `record`, JSON if it keeps to what it is asked for.
    pub(super) async fn ask(
        &self,
        question: &Question<'_>,
        instructions: String,
        record: String,
    ) -> Result<String, AskError> {
        let asking = Box::pin(self.post_request(question, instructions, record));
        let answer = clock::within(question.limit, asking).await.unwrap_or(Err(AskError::Late))?;
        read(&answer)
    }

    /// Recent models think long unless they are told not to; others, and other servers, know
    /// nothing of that and refuse. That is remembered, so that it costs one request and not each.
    async fn post_request(
        &self,
        question: &Question<'_>,
        instructions: String,
        record: String,
    ) -> Result<Vec<u8>, AskError> {
        let mut request = self.request(question, &instructions, &record);
        if !self.refuses_effort.load(Ordering::Relaxed) {
            request["reasoning_effort"] = "low".into();
        }
        let (mut status, mut answer) = self.post(&request).await?;
        if request.get("reasoning_effort").is_some() && is_of_effort(status, &answer) {
            tracing::info!("the language service takes no reasoning_effort");
            self.refuses_effort.store(true, Ordering::Relaxed);
            request = self.request(question, &instructions, &record);
            (status, answer) = self.post(&request).await?;
        }
        match status {
            200..=299 => Ok(answer),
            _ => Err(AskError::Refused { status, code: error_code(&answer) }),
        }
    }

    fn request(&self, question: &Question<'_>, instructions: &str, record: &str) -> Value {
        json!({
            "model": self.model,
            "messages": [
                {"role": "system", "content": instructions},
                {"role": "user", "content": record},
            ],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": question.name, "schema": question.schema.json(), "strict": true},
            },
            "max_completion_tokens": ANSWER_MAX_TOKENS,
        })
    }

    /// The status and the body of an answer.
    async fn post(&self, request: &Value) -> Result<(u16, Vec<u8>), AskError> {
        let mut post = self.http.post(self.url.clone()).json(request);
        if let Some(key) = &self.api_key {
            post = post.bearer_auth(key.expose_secret());
        }
        let mut response = post.send().await?;
        let status = response.status().as_u16();
        let answer = body_of(&mut response, ANSWER_MAX_BYTES).await?;
        Ok((status, answer.ok_or(AskError::Unreadable)?))
    }
}

/// Whether a request is refused for its `reasoning_effort`. What was said may be repeated in the
/// answer, so it is looked at where the service names what is wrong.
fn is_of_effort(status: u16, answer: &[u8]) -> bool {
    let answer: Value = service_json::from_slice(answer).unwrap_or_default();
    let names_it = |field: &str| {
        answer["error"][field].as_str().is_some_and(|text| text.contains("reasoning_effort"))
    };
    matches!(status, 400 | 422) && (names_it("param") || names_it("message"))
}

/// As much of an answer as is needed: not every server says the rest.
#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

fn read(answer: &[u8]) -> Result<String, AskError> {
    let completion: Completion =
        service_json::from_slice(answer).map_err(|_| AskError::Unreadable)?;
    let choice = completion.choices.into_iter().next().ok_or(AskError::Unreadable)?;
    if choice.message.refusal.is_some_and(|refusal| !refusal.is_empty()) {
        return Err(AskError::ModelRefused);
    }
    match choice.finish_reason.as_deref() {
        Some("length") => Err(AskError::CutOff("length")),
        Some("content_filter") => Err(AskError::CutOff("content_filter")),
        _ => choice.message.content.ok_or(AskError::Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_an_emoji_in_an_answer_is_data() {
        let answer = r#"{"choices":[{"message":{"content":"Bye \ud83d"}}]}"#;
        assert_eq!(read(answer.as_bytes()).unwrap(), "Bye \u{fffd}");
    }

    #[test]
    fn an_answer_is_the_first_choices_if_it_is_whole() {
        let read = |answer: &str| read(answer.as_bytes());
        let choice = |rest: &str| format!(r#"{{"choices":[{{"index":0,{rest}}}]}}"#);
        for (answer, expected) in [
            (choice(r#""message":{"content":"{}"},"finish_reason":"stop""#), Ok("{}".to_owned())),
            (choice(r#""message":{"content":"{}","refusal":null}"#), Ok("{}".to_owned())),
            (
                choice(
                    r#""message":{"content":null,"refusal":"I cannot."},"finish_reason":"stop""#,
                ),
                Err(AskError::ModelRefused),
            ),
            (
                choice(r#""message":{"content":"{\"ti"},"finish_reason":"length""#),
                Err(AskError::CutOff("length")),
            ),
            (
                choice(r#""message":{"content":""},"finish_reason":"content_filter""#),
                Err(AskError::CutOff("content_filter")),
            ),
            (choice(r#""message":{"content":null}"#), Err(AskError::Unreadable)),
            (r#"{"choices":[]}"#.to_owned(), Err(AskError::Unreadable)),
            ("<html>".to_owned(), Err(AskError::Unreadable)),
        ] {
            assert_eq!(read(&answer), expected, "{answer}");
        }
    }

    #[test]
    fn only_a_service_that_is_away_is_asked_often() {
        let refused = |status| AskError::Refused { status, code: String::new() };
        for passes in [AskError::Late, refused(429), refused(503), refused(401)] {
            assert!(passes.may_pass(), "{passes}");
        }
        for stays in [AskError::ModelRefused, AskError::CutOff("length"), refused(400)] {
            assert!(!stays.may_pass(), "{stays}");
        }
    }
}
