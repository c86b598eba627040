//! Tells the owner of a call, at the address in the agent's `webhook` setting.
//!
//! A message is `call.completed` with the row. It goes when the summary is there, or after a minute
//! without it. All attempts of one message have one name. When what it said has changed since
//! (a callback put the row right, or the summary came after all) a message with another name
//! follows, and its `revision` is higher.

mod signature;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;
use metrics::counter;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use self::signature::BadSecret;
use super::job_worker::{Done, Failure, RetryPolicy, Work};
use crate::agent::settings::{AgentSettings, Webhook};
use crate::clock::{self, Stopwatch};
use crate::config::HostPort;
use crate::functions::egress::{self, EgressError, Request};
use crate::store::{Delivery, Job, JobKind, Store, StoreError, ToldCall};

/// What messages about calls are called, and what a test is.
pub const COMPLETED: &str = "call.completed";
/// See above.
pub const TEST: &str = "test";
/// How long an owner's service may take for a test: somebody waits.
const TRIAL_LIMIT: Duration = Duration::from_secs(7);
/// How long an owner's service may take.
const SEND_LIMIT: Duration = Duration::from_secs(15);
/// The largest message. A call of four hours has about half of it; of what is larger the turns are
/// left out, and then the transcript is cut.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// What is left of a transcript that is cut, bytes.
const TRANSCRIPT_BYTES: usize = 256 * 1024;

/// A service that is down is tried for a day.
const PATIENCE: RetryPolicy = RetryPolicy {
    first: Duration::from_secs(5),
    longest: Duration::from_secs(3_600),
    in_all: Duration::from_secs(24 * 3_600),
};
/// A service that says it is gone (410) is not tried again.
const GONE: RetryPolicy = RetryPolicy { in_all: Duration::ZERO, ..PATIENCE };

/// Tells owners of calls.
#[derive(Debug)]
pub struct Webhooks {
    store: Store,
    /// One of its own: what owners are told takes no places from what callers wait for.
    client: egress::Client,
}

/// Why an owner was not told. Names no address and nothing of the call.
#[derive(Debug, thiserror::Error)]
enum TellError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Secret(#[from] BadSecret),
    #[error("webhook: {0}")]
    Guard(#[from] EgressError),
    #[error("webhook: answered {0}")]
    Answered(u16),
    #[error("webhook: the row cannot be read")]
    Unreadable,
    #[error("webhook: the address cannot be used")]
    Address,
}

impl Webhooks {
    /// That may also reach `allowed`, although private.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(store: Store, allowed: Vec<HostPort>) -> Result<Self, reqwest::Error> {
        let client = egress::Client::new(allowed)?.with_bodies_of(BODY_BYTES_MAX).without_answers();
        Ok(Self { store, client })
    }

    async fn tell(&self, job: &Job) -> Result<Done, TellError> {
        let Some(call) = self.store.told_call(job.call_log_id).await? else {
            return Ok(Done::Done("the call is gone"));
        };
        let (settings, _) = AgentSettings::read(call.settings.reveal());
        let Some(webhook) = settings.webhook else { return Ok(Done::Done("no webhook")) };
        let message_id = message_id(job);
        let since = Stopwatch::start();
        let sent = self.send(&webhook, &message_id, job.revision, &call).await;
        let took_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let delivery = Delivery {
            call_log_id: job.call_log_id,
            message_id,
            attempt: job.attempt,
            status: match &sent {
                Ok(status) => Some(status.as_u16()),
                Err(TellError::Answered(status)) => Some(*status),
                Err(_) => None,
            },
            error: sent.as_ref().err().map(ToString::to_string),
            took_ms,
        };
        let outcome = if sent.is_ok() { "taken" } else { "refused" };
        counter!("frontdesk_aftercall_deliveries_total", "outcome" => outcome).increment(1);
        // A delivery is not repeated because its row could not be written.
        if let Err(error) = self.store.note_delivery(&delivery).await {
            tracing::warn!(%error, "a delivery is not noted");
        }
        sent?;
        Ok(Done::Done(if call.has_summary { "sent" } else { "sent without a summary" }))
    }

    async fn send(
        &self,
        webhook: &Webhook,
        message_id: &str,
        revision: i32,
        call: &ToldCall,
    ) -> Result<StatusCode, TellError> {
        let body = body(call.row.reveal(), revision).ok_or(TellError::Unreadable)?;
        let message = Message { agent_id: call.agent_id, id: message_id, body };
        post(&self.client, webhook, message, SEND_LIMIT).await
    }
}

/// What is posted.
struct Message<'a> {
    agent_id: Uuid,
    id: &'a str,
    body: String,
}

/// Posts a message to an owner's server, signed, if there is something to sign it with.
async fn post(
    client: &egress::Client,
    webhook: &Webhook,
    message: Message<'_>,
    limit: Duration,
) -> Result<StatusCode, TellError> {
    let url: Url = webhook.url.parse().map_err(|_| TellError::Address)?;
    let Message { agent_id, id: message_id, body } = message;
    let timestamp = clock::unix_now().as_secs();
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut set = |name: &'static str, value: &str| {
        let value = HeaderValue::try_from(value).expect("digits, letters and signs of ASCII");
        headers.insert(HeaderName::from_static(name), value);
    };
    set("webhook-id", message_id);
    set("webhook-timestamp", &timestamp.to_string());
    if let Some(secret) = &webhook.secret {
        let signed = signature::sign(secret.reveal(), message_id, timestamp, body.as_bytes())?;
        set("webhook-signature", &signed);
    }
    let request = Request {
        agent: agent_id,
        time_limit: limit,
        method: Method::POST,
        url,
        headers,
        body: Some(body.into()),
    };
    let status = match client.send(request).await {
        Ok(answer) => answer.status,
        Err(error) => {
            tracing::debug!(agent = %agent_id, reason = ?error, "a webhook gave no answer");
            return Err(error.told().into());
        }
    };
    if status.is_success() { Ok(status) } else { Err(TellError::Answered(status.as_u16())) }
}

/// What came of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// The HTTP status that came back.
    pub status: Option<u16>,
    /// Why the message was not taken; none: it was.
    pub error: Option<String>,
    /// How long it took, milliseconds.
    pub ms: u64,
}

/// Posts a test to an owner's server, as calls are told of. It is about no call, and not repeated.
pub async fn try_out(client: &egress::Client, agent_id: Uuid, webhook: &Webhook) -> Trial {
    let id = format!("test_{}", Uuid::new_v4().simple());
    let seconds = i64::try_from(clock::unix_now().as_secs()).unwrap_or(i64::MAX);
    let now = Timestamp::from_second(seconds).unwrap_or_default().to_string();
    let body =
        json!({"type": TEST, "timestamp": now, "data": {"voice_agent_id": agent_id}}).to_string();
    let since = Stopwatch::start();
    let sent = post(client, webhook, Message { agent_id, id: &id, body }, TRIAL_LIMIT).await;
    let ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    let status = match &sent {
        Ok(status) => Some(status.as_u16()),
        Err(TellError::Answered(status)) => Some(*status),
        Err(_) => None,
    };
    Trial { status, error: sent.err().map(|error| error.to_string()), ms }
}

impl Work for Webhooks {
    const KIND: JobKind = JobKind::Webhook;

    async fn carry_out(self: Arc<Self>, job: Job) -> Result<Done, Failure> {
        self.tell(&job).await.map_err(|error| Failure {
            patience: if matches!(error, TellError::Answered(410)) { GONE } else { PATIENCE },
            error: error.to_string(),
        })
    }

    fn patience(&self) -> RetryPolicy {
        PATIENCE
    }
}

/// The message's name: the same for all attempts of one revision.
fn message_id(job: &Job) -> String {
    format!("call_{}_{}", job.call_log_id.simple(), job.revision)
}

/// The message; none if the row cannot be read. What is too large for it is named in `left_out`.
fn body(row: &Value, revision: i32) -> Option<String> {
    let mut row = row.clone();
    row.as_object_mut()?.insert("revision".to_owned(), json!(revision));
    let ended = row["call_end"].as_str()?.to_owned();
    let timestamp = ended.parse::<Timestamp>().map_or(ended, |at| at.to_string());
    let message =
        |row: &Value| json!({"type": COMPLETED, "timestamp": timestamp, "data": row}).to_string();
    let whole = message(&row);
    if whole.len() <= BODY_BYTES_MAX {
        return Some(whole);
    }
    row["left_out"] = json!(["metadata"]);
    row["metadata"] = json!({"call_sid": row["call_sid"]});
    let short = message(&row);
    if short.len() <= BODY_BYTES_MAX {
        return Some(short);
    }
    row["left_out"] = json!(["metadata", "transcript"]);
    let mut transcript = row["transcript"].as_str().unwrap_or_default().to_owned();
    transcript.truncate(transcript.floor_char_boundary(TRANSCRIPT_BYTES));
    row["transcript"] = json!(transcript);
    Some(message(&row))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(transcript: &str, turns: usize) -> Value {
        json!({"id": "1", "call_sid": "CA1", "call_end": "2026-11-27T20:00:00.5+00:00",
            "transcript": transcript, "metadata": {"turns": vec!["word "; turns]}})
    }

    #[test]
    fn a_message_is_the_row_with_its_type_and_time() {
        let message: Value = serde_json::from_str(&body(&row("Hi", 1), 2).unwrap()).unwrap();
        assert_eq!(message["type"], "call.completed");
        assert_eq!(message["timestamp"], "2026-11-27T20:00:00.5Z");
        assert_eq!(
            (&message["data"]["transcript"], &message["data"]["revision"]),
            (&json!("Hi"), &json!(2))
        );
        assert_eq!(body(&Value::Null, 1), None);
    }

    #[test]
    fn a_message_is_never_larger_than_it_may_be() {
        let many = body(&row("Hi", 200_000), 1).unwrap();
        let message: Value = serde_json::from_str(&many).unwrap();
        assert_eq!(message["data"]["left_out"], json!(["metadata"]));
        assert_eq!(message["data"]["transcript"], "Hi");
        let long = body(&row(&"wört ".repeat(300_000), 1), 1).unwrap();
        assert!(long.len() <= BODY_BYTES_MAX);
        let message: Value = serde_json::from_str(&long).unwrap();
        assert_eq!(message["data"]["left_out"], json!(["metadata", "transcript"]));
    }
}
