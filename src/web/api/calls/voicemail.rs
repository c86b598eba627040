//! `/calls/{id}/voicemail`: the message that a caller left with Twilio, through this server: the
//! credentials stay here, and who listens is written down.

use std::sync::Arc;

use crate::web::routing::routes;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tracing::warn;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::store::access::{AgentAccess, Object, Read};
use crate::twilio::rest::{KeptMessage, RestError};
use crate::web::AppState;
use crate::web::api::refusals::Refusals;
use crate::web::extract::ApiPath;
use crate::web::listening::{MESSAGE_MAX, Sound};
use crate::web::problem::Problem;
use crate::web::range::Asked;
use crate::web::session::ApiRequest;

/// In so many seconds there may be room for another message.
const RETRY_SECONDS: u64 = 5;

/// Its route.
pub(super) fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new().routes(routes!(voicemail))
}

/// The message that the caller left, as MP3. Takes `Range`.
#[utoipa::path(
    get,
    path = "/calls/{id}/voicemail",
    tag = "calls",
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, content_type = "audio/mpeg"),
        (status = 206, content_type = "audio/mpeg"),
        Refusals,
        (status = 404, description = "`detail` says why there is none", body = Problem),
        (status = 416, description = "It has no such part"),
        (status = 429, description = "Too many are fetched already", body = Problem),
        (status = 502, description = "Twilio refuses it", body = Problem)
    )
)]
async fn voicemail(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(call): ApiPath<Uuid>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let owners = &state.owners;
    let access = owners.store.access::<Read>(&viewer, Object::Call(call)).await?;
    let agent = access.agent_id();
    let page = owners.store.call(&access, call).await?.ok_or_else(Problem::not_found)?;
    let message = &page.metadata.reveal()["voicemail"];
    let place = message["recording_url"].as_str();
    let kept = place.and_then(|url| KeptMessage::read(url, message["own_account"] == true));
    let kept = kept.ok_or_else(|| match message.is_null() {
        true => none("no message was left in this call"),
        false => none("the message is not kept any more"),
    })?;
    let sound = fetched(&state, &access, call, &kept).await?;
    let bytes = sound.len() as u64;
    let asked = Asked::of(&headers, bytes);
    let part = asked.bytes(bytes);
    let body = if method == Method::HEAD || part.is_empty() {
        Body::empty()
    } else {
        owners.listening.note(&owners.store, &viewer, (agent, call), Sound::Voicemail).await?;
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        Body::from(sound.slice(place(part.start)..place(part.end)))
    };
    let (status, mut headers) = asked.answer(bytes);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("audio/mpeg"));
    Ok((status, headers, body).into_response())
}

/// The whole message: a player asks for one part after another, and Twilio is asked once.
async fn fetched(
    state: &AppState,
    access: &AgentAccess<Read>,
    call: Uuid,
    message: &KeptMessage<'_>,
) -> Result<Bytes, Problem> {
    let listening = &state.owners.listening;
    let key = (call, message.sid.to_owned());
    if let Some(sound) = listening.message(&key) {
        return Ok(sound);
    }
    let owner = state.owners.store.owner_of(access).await?;
    let room = listening.room(owner, MESSAGE_MAX as u64);
    let _room = room.ok_or_else(|| Problem::too_many(RETRY_SECONDS))?;
    let agent = state.directory.by_id(access.agent_id()).await.ok_or_else(Problem::not_found)?;
    let twilio = &state.services.function_services.twilio;
    let sound = twilio.read_recording(&agent, message, MESSAGE_MAX).await;
    let sound = Bytes::from(sound.map_err(|error| away(&error))?);
    listening.keep_message(key, sound.clone());
    Ok(sound)
}

fn none(why: &'static str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, why)
}

fn away(error: &RestError) -> Problem {
    warn!(%error, "a message cannot be given");
    match error {
        RestError::Refused { status: 404 | 410, .. } => {
            none("Twilio does not have the message any more, or not yet")
        }
        RestError::Refused { .. } => Problem::new(
            StatusCode::BAD_GATEWAY,
            "Twilio does not give the message to the agent's account",
        ),
        RestError::TooLarge { .. } => {
            Problem::new(StatusCode::BAD_GATEWAY, "the message is too long to be given here")
        }
        RestError::NoAccount => Problem::new(
            StatusCode::BAD_GATEWAY,
            "the agent has no Twilio account to ask for the message with",
        ),
        _ => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Twilio cannot be reached now"),
    }
}
