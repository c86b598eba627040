//! What Twilio posts, and how.

use std::time::Duration;

use super::CallOptions;
use crate::clock::{unix_now, within};
use crate::tls::body_of;
use crate::twilio::signature;

/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// The largest document that is read.
const DOCUMENT_BYTES: usize = 64 * 1024;

/// Form fields in the order in which they are sent.
pub(super) type Fields = Vec<(String, String)>;

/// What a request is signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signing {
    /// The auth token, if there is one.
    AuthToken,
    /// Another key.
    WrongKey,
    /// Nothing.
    None,
}

/// What a webhook was answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum WebhookError {
    #[error("the webhook was not answered: {0}")]
    Http(#[from] reqwest::Error),
    #[error("the webhook was not answered within 15 s")]
    Late,
    #[error("the webhook was answered with more than 64 KiB")]
    TooLarge,
    #[error("the webhook was answered with text that is not UTF-8")]
    NotText,
}

/// Posts a signed form; once more if nobody could be reached there (protocols 1.3).
pub(super) async fn post(
    options: &CallOptions,
    url: &str,
    fields: &Fields,
    signing: Signing,
) -> Result<Answer, WebhookError> {
    match post_once(options, url, fields, signing).await {
        Err(WebhookError::Http(error)) if error.is_connect() => {
            post_once(options, url, fields, signing).await
        }
        answer => answer,
    }
}

async fn post_once(
    options: &CallOptions,
    url: &str,
    fields: &Fields,
    signing: Signing,
) -> Result<Answer, WebhookError> {
    let url = without_fragment(url);
    let mut request = options.http.post(url).header("user-agent", "TwilioProxy/1.1").form(fields);
    if let Some(signature) = sign(options, url, fields, signing) {
        request = request.header("x-twilio-signature", signature);
    }
    let exchange = async {
        let mut response = request.send().await?;
        let status = response.status().as_u16();
        let body = body_of(&mut response, DOCUMENT_BYTES).await?.ok_or(WebhookError::TooLarge)?;
        let body = String::from_utf8(body).map_err(|_| WebhookError::NotText)?;
        Ok(Answer { status, body })
    };
    within(ANSWER_LIMIT, exchange).await.unwrap_or(Err(WebhookError::Late))
}

/// The signature of a request with these fields; a media stream's has none.
pub(super) fn sign(
    options: &CallOptions,
    url: &str,
    fields: &[(String, String)],
    signing: Signing,
) -> Option<String> {
    let key: &[u8] = match signing {
        Signing::AuthToken => options.auth_token.as_ref()?.reveal().as_bytes(),
        Signing::WrongKey => b"another key",
        Signing::None => return None,
    };
    Some(signature::sign(key, without_fragment(url), fields))
}

/// A fragment configures Twilio; it is neither sent nor signed.
fn without_fragment(url: &str) -> &str {
    url.split_once('#').map_or(url, |(before, _)| before)
}

/// The fields of every request for TwiML.
pub(super) fn call_fields(options: &CallOptions, status: &str) -> Fields {
    let (from, to) = (options.from.reveal().as_str(), options.to.reveal().as_str());
    let mut fields = fields(&[
        ("AccountSid", &options.account_sid),
        ("ApiVersion", "2010-04-01"),
        ("CallSid", &options.call_sid),
        ("CallStatus", status),
        ("CallToken", "%7B%22parentCallInfoToken%22%3A%22rehearsal%22%7D"),
        ("Called", to),
        ("Caller", from),
        ("Direction", "inbound"),
        ("From", from),
        ("StirVerstat", "TN-Validation-Passed-A"),
        ("To", to),
    ]);
    if let Some(number) = &options.forwarded_from {
        fields.push(("ForwardedFrom".to_owned(), number.reveal().clone()));
    }
    for (side, place) in
        [("Called", None), ("Caller", Some("OAKLAND")), ("From", Some("OAKLAND")), ("To", None)]
    {
        let values = match place {
            Some(city) => [city, "CA", "94601", "US"],
            None => ["", "", "", "US"],
        };
        for (what, value) in ["City", "State", "Zip", "Country"].into_iter().zip(values) {
            fields.push((format!("{side}{what}"), value.to_owned()));
        }
    }
    fields
}

/// The fields of a stream status callback; `error` is what went wrong, if something did.
pub(super) fn stream_fields(
    options: &CallOptions,
    stream_sid: &str,
    stream_name: &str,
    event: &str,
    error: Option<&str>,
) -> Fields {
    let timestamp = timestamp().map_or_else(String::new, |now| now.to_string());
    let mut fields = fields(&[
        ("AccountSid", &options.account_sid),
        ("CallSid", &options.call_sid),
        ("StreamSid", stream_sid),
        ("StreamName", stream_name),
        ("StreamEvent", event),
        ("Timestamp", &timestamp),
    ]);
    fields.extend(error.map(|error| ("StreamError".to_owned(), error.to_owned())));
    fields
}

/// The fields of the call status callback at the end of a call.
pub(super) fn status_fields(options: &CallOptions, status: &str, duration_ms: u64) -> Fields {
    let seconds = duration_ms.div_ceil(1_000);
    let timestamp = timestamp()
        .map(|now| now.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string())
        .unwrap_or_default();
    let mut fields = call_fields(options, status);
    fields.extend(self::fields(&[
        ("CallDuration", &seconds.to_string()),
        ("Duration", &seconds.div_ceil(60).to_string()),
        ("Timestamp", &timestamp),
        ("SequenceNumber", "0"),
        ("CallbackSource", "call-progress-events"),
    ]));
    fields
}

fn fields(pairs: &[(&str, &str)]) -> Fields {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn timestamp() -> Option<jiff::Timestamp> {
    let seconds = i64::try_from(unix_now().as_secs()).ok()?;
    jiff::Timestamp::from_second(seconds).ok()
}
