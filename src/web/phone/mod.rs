//! Twilio's routes.

mod admit;
mod after;
mod answer;
mod away;
mod dial;
mod elsewhere;
mod once;
mod status;
mod stream;
mod unwritten;
mod voice;
mod voicemail;

pub use once::Answers;
pub use unwritten::Unwritten;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode, Uri};
use metrics::counter;
use secrecy::ExposeSecret;
use tracing::warn;

use super::Front;
use crate::agent::Agent;
use crate::clock;
use crate::line::directory::LookUp;
use crate::twilio::form::{Form, FormError, normalise_e164};
use crate::twilio::signature::{
    self, SETTINGS_HEADER, SIGNATURE_HEADER, settings_header_is_acceptable,
};
use crate::twilio::twiml::CONTENT_TYPE as TWIML;

/// How long the database may take to say whose call it is.
const FIND_LIMIT: Duration = Duration::from_secs(2);
/// How long a call's task may take to say what happens next.
const PLAN_LIMIT: Duration = Duration::from_secs(2);

/// Twilio's routes.
pub(super) fn router() -> Router<Arc<Front>> {
    Router::new()
        .route("/twilio/voice", post(voice::voice))
        .route("/twilio/after", post(after::after))
        .route("/twilio/dial", post(dial::dial))
        .route("/twilio/voicemail", post(voicemail::voicemail))
        .route("/twilio/status", post(status::status))
        .route("/twilio/stream-status", post(status::stream_status))
        .route("/twilio/stream/{token}", get(stream::stream))
}

/// Why a webhook is not answered with TwiML.
#[derive(Debug, thiserror::Error)]
enum Refused {
    /// The form cannot be read.
    #[error(transparent)]
    Form(#[from] FormError),
    /// It is not signed by whom it should be. The body helps no prober.
    #[error("not signed")]
    NotSigned,
    /// Nothing is known and nothing can be checked; Twilio goes to its own fallback.
    #[error("not available")]
    Unavailable,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Form(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
            Self::NotSigned => StatusCode::FORBIDDEN.into_response(),
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        }
    }
}

/// Runs to its end even if the client goes away: a call that has been given a row or a slot must
/// get its task.
async fn unbroken<T, F>(answering: F) -> Response
where
    T: IntoResponse + Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    match clock::spawn(answering).await {
        Ok(answer) => answer.into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Answers a signed webhook about a call that was announced before, where its agent is known; a
/// repeated one as before.
async fn answer_once<N>(
    front: Arc<Front>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    next: N,
) -> Response
where
    N: for<'a> FnOnce(&'a Arc<Front>, &'a Form, &'a Arc<Agent>, &'a str) -> BoxFuture<'a, Document>
        + Send
        + 'static,
{
    unbroken(async move {
        let (form, agent) = front.signed(&uri, &headers, &body).await?;
        let Some(agent) = agent else { return Ok(front.without_agent().into_response()) };
        let call_sid = form.call_sid()?;
        if let Some(sent_on) = front.sent_on(call_sid) {
            return Ok(sent_on);
        }
        let next = next(&front, &form, &agent, call_sid);
        let document = front.once(&uri, &headers, call_sid, next).await;
        Ok::<Response, Refused>(document.into_response())
    })
    .await
}

/// TwiML as an answer.
#[derive(Debug, Clone)]
struct Document(String);

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, TWIML)], self.0).into_response()
    }
}

impl Front {
    /// The auth token in force for an agent: its own, else the global one.
    fn auth_token<'a>(&'a self, agent: Option<&'a Agent>) -> Option<&'a str> {
        agent
            .and_then(|agent| agent.credentials.as_ref())
            .map(|own| own.auth_token.reveal().as_str())
            .or_else(|| self.twilio.auth_token.as_ref().map(|token| token.expose_secret()))
    }

    /// Checks a webhook's signature against the address that Twilio was given.
    fn check(
        &self,
        agent: Option<&Agent>,
        uri: &Uri,
        headers: &HeaderMap,
        form: &Form,
    ) -> Result<(), Refused> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let url = self.public_url.join(path);
        let is_signed = settings_header_is_acceptable(header(SETTINGS_HEADER))
            && matches!(
                (self.auth_token(agent), header(SIGNATURE_HEADER)),
                (Some(token), Some(signed)) if signature::is_valid(token, &url, form.fields(), signed)
            );
        if is_signed {
            return Ok(());
        }
        counter!("frontdesk_webhooks_refused_total", "reason" => "signature").increment(1);
        warn!(path, "a webhook is not signed as it should be: check PUBLIC_URL and the auth token");
        Err(Refused::NotSigned)
    }

    /// Reads a webhook about a call that was announced before, and checks it: its form, and the
    /// call's agent, if that is known.
    async fn signed(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(Form, Option<Arc<Agent>>), Refused> {
        let form = Form::parse(body)?;
        form.call_sid()?;
        let agent = self.agent_of(&form).await;
        self.check(agent.as_deref(), uri, headers, &form)?;
        Ok((form, agent))
    }

    /// Who answers the number that a form says was called.
    async fn called(&self, form: &Form) -> LookUp {
        match form.get("To").and_then(normalise_e164) {
            Some(number) => self.directory.look_up(&number).await,
            None => LookUp::Unknown,
        }
    }

    /// The agent of a call that is under way: as the call's task has it, else by the number that
    /// was called, else by the call's row.
    async fn agent_of(&self, form: &Form) -> Option<Arc<Agent>> {
        let call_sid = form.call_sid().ok()?;
        if let Some(handle) = self.exchange.registry.find(call_sid) {
            return Some(handle.agent);
        }
        if let LookUp::Found(agent) = self.called(form).await {
            return Some(agent);
        }
        let row = clock::within(FIND_LIMIT, self.store.call_by_sid(call_sid)).await?.ok()??;
        self.directory.by_id(row.agent_id).await
    }
}
