//! Twilio's routes.

mod admit;
mod after;
mod answer;
mod dial;
mod idempotency;
mod instance_routing;
mod made_up;
mod noting;
mod off_stream;
mod pending_writes;
mod refuse;
mod signed;
mod status;
mod stream;
pub(crate) mod test_call;
mod unsigned;
mod voice;
mod voicemail;

pub use idempotency::IdempotencyCache;
pub use made_up::{Announced, MadeUp};
pub use noting::Noting;
pub use pending_writes::Unwritten;
pub use test_call::TestCalls;
pub use unsigned::Unsigned;

use std::sync::Arc;
use std::time::Duration;

use crate::web::routing::{get, post};
use axum::Router;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode, Uri};

use self::answer::{apology, hang_up};
use self::signed::Whose;
use super::AppState;
use crate::agent::Agent;
use crate::clock;
use crate::twilio::form::{Form, FormError};
use crate::twilio::twiml::CONTENT_TYPE as TWIML;

/// How long the database may take to say whose call it is.
const FIND_LIMIT: Duration = Duration::from_secs(2);
/// How long a call's task may take to say what happens next.
const PLAN_LIMIT: Duration = Duration::from_secs(2);

/// Twilio's routes.
pub(super) fn router() -> Router<Arc<AppState>> {
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

/// Runs a handler in a task of its own, so that it ends even if the client disconnects: a call that
/// has a row or a slot must get its task.
async fn run_detached<T, F>(answering: F) -> Response
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
    state: Arc<AppState>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    next: N,
) -> Response
where
    N: for<'a> FnOnce(
            &'a Arc<AppState>,
            &'a Form,
            &'a Arc<Agent>,
            &'a str,
        ) -> BoxFuture<'a, Document>
        + Send
        + 'static,
{
    run_detached(async move {
        let (form, agent) = state.signed(&uri, &headers, &body).await?;
        drop(body);
        let agent = match agent {
            Whose::Agent(agent) => agent,
            whose => return Ok(without_agent(&whose).into_response()),
        };
        let agent = for_call(&agent, &form);
        let call_sid = form.call_sid()?;
        if let Some(sent_on) = state.sent_on(agent.id, call_sid) {
            return Ok(sent_on);
        }
        let next = next(&state, &form, &agent, call_sid);
        let document = state.once(&uri, &headers, agent.id, call_sid, next).await;
        Ok::<Response, Refused>(document.into_response())
    })
    .await
}

/// No agent can be told whose call it is: it is over, or its caller is asked to come again.
fn without_agent(whose: &Whose) -> Document {
    match whose {
        Whose::Unread => apology(),
        Whose::Nobody | Whose::Agent(_) => hang_up(),
    }
}

/// The agent as it is for the call that a form is about: each request about a call names the number
/// that forwarded it.
fn for_call(agent: &Arc<Agent>, form: &Form) -> Arc<Agent> {
    agent.forwarded_from(form.get("ForwardedFrom"))
}

/// TwiML as an answer.
#[derive(Debug, Clone)]
struct Document(String);

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, TWIML)], self.0).into_response()
    }
}
