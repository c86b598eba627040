//! `/calls/{id}/recording`: what was said, as sound. Parts of it, as players ask for them; and the
//! same as WAV, decoded on the way, for those that play no Ogg Opus.

use std::sync::Arc;

use crate::web::routing::routes;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, stream};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::archive::ArchiveError;
use crate::audio::recording::wav::{NotOpus, WavFile, WavPart};
use crate::store::access::{Object, Read};
use crate::store::people::Viewer;
use crate::web::AppState;
use crate::web::api::refusals::Refusals;
use crate::web::extract::ApiPath;
use crate::web::listening::{DECODED_MAX_MB, Sound};
use crate::web::problem::Problem;
use crate::web::query::Asking;
use crate::web::range::Asked;
use crate::web::session::ApiRequest;
use crate::web::shares::Share;
use crate::web::still::Still;

/// The longest path of a recording.
const PATH_MAX: usize = 500;
/// In so many seconds there may be room to decode another recording.
const RETRY_SECONDS: u64 = 5;

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new().routes(routes!(ogg)).routes(routes!(wav))
}

/// Which recording of a call.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
struct WantedPart {
    /// Which part, from 1: there is one for each process that had the call.
    #[param(value_type = Option<u32>)]
    part: Option<String>,
}

/// A recording that the viewer may hear.
struct Found {
    agent_id: Uuid,
    owner: Uuid,
    call: Uuid,
    path: String,
    bytes: u64,
}

/// The recording, the caller left and the agent right. Takes `Range`.
#[utoipa::path(
    get,
    path = "/calls/{id}/recording",
    tag = "calls",
    params(("id" = Uuid, Path), WantedPart),
    responses(
        (status = 200, content_type = "audio/ogg"),
        (status = 206, content_type = "audio/ogg"),
        Refusals,
        (status = 404, description = "`detail` says why there is none", body = Problem),
        (status = 416, description = "It has no such part")
    )
)]
async fn ogg(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(call): ApiPath<Uuid>,
    Asking(wanted): Asking<WantedPart>,
    head: Parts,
) -> Result<Response, Problem> {
    let found = find(&state, &viewer, call, &wanted).await?;
    let asked = Asked::of(&head.headers, found.bytes);
    let part = asked.bytes(found.bytes);
    let body = if head.method == Method::HEAD || part.is_empty() {
        Body::empty()
    } else {
        note(&state, &viewer, &found).await?;
        let part = state.owners.listening.archive.part(&found.path, part).await.map_err(away)?;
        Still::new(&state, head, &viewer).body(part, Object::Call(found.call))
    };
    Ok(answer(&asked, found.bytes, "audio/ogg", body))
}

/// The recording as WAV, for players that play no Ogg Opus. Takes `Range`.
#[utoipa::path(
    get,
    path = "/calls/{id}/recording.wav",
    tag = "calls",
    params(("id" = Uuid, Path), WantedPart),
    responses(
        (status = 200, content_type = "audio/wav"),
        (status = 206, content_type = "audio/wav"),
        Refusals,
        (status = 404, description = "`detail` says why there is none", body = Problem),
        (status = 416, description = "It has no such part"),
        (status = 429, description = "Too many are decoded already", body = Problem)
    )
)]
async fn wav(
    ApiRequest { state, viewer }: ApiRequest,
    ApiPath(call): ApiPath<Uuid>,
    Asking(wanted): Asking<WantedPart>,
    head: Parts,
) -> Result<Response, Problem> {
    let found = find(&state, &viewer, call, &wanted).await?;
    // It is in memory while it is decoded: so much of all that are.
    let room = state.owners.listening.room(found.owner, found.bytes);
    let room = room.ok_or_else(|| Problem::too_many(RETRY_SECONDS))?;
    if found.bytes > u64::from(DECODED_MAX_MB) << 20 {
        return Err(none("the recording is too long to be decoded; ask for it without `.wav`"));
    }
    let ogg = state.owners.listening.archive.get(&found.path).await.map_err(away)?;
    let file = WavFile::open(ogg.into()).map_err(|_| none("the recording cannot be read"))?;
    let bytes = file.bytes();
    let asked = Asked::of(&head.headers, bytes);
    let part = asked.bytes(bytes);
    let body = if head.method == Method::HEAD || part.is_empty() {
        Body::empty()
    } else {
        note(&state, &viewer, &found).await?;
        let part = file.part(part.start, part.end);
        let part = part.map_err(|_| none("the recording cannot be read"))?;
        let still = Still::new(&state, head, &viewer);
        still.body(decoded(part, room), Object::Call(found.call))
    };
    Ok(answer(&asked, bytes, "audio/wav", body))
}

/// Pieces that are decoded as they are read, a second at a time, where nothing waits for it.
fn decoded(part: WavPart, room: Share) -> impl Stream<Item = Result<Bytes, NotOpus>> + Send {
    stream::try_unfold((part, room), |(mut part, room)| async move {
        let decoding = tokio::task::spawn_blocking(move || {
            let piece = part.next_piece();
            (part, piece)
        });
        let (part, piece) = decoding.await.map_err(|_| NotOpus)?;
        Ok::<_, NotOpus>(piece?.map(|piece| (Bytes::from(piece), (part, room))))
    })
}

fn answer(asked: &Asked, bytes: u64, kind: &'static str, body: Body) -> Response {
    let (status, mut headers) = asked.answer(bytes);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    (status, headers, body).into_response()
}

/// There is none, for this reason.
fn none(why: &'static str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, why)
}

fn away(error: ArchiveError) -> Problem {
    tracing::warn!(%error, "a recording cannot be given");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the recordings cannot be reached now")
}

async fn find(
    state: &AppState,
    viewer: &Viewer,
    call: Uuid,
    wanted: &WantedPart,
) -> Result<Found, Problem> {
    let store = &state.owners.store;
    let access = store.access::<Read>(viewer, Object::Call(call)).await?;
    let agent_id = access.agent_id();
    let owner = store.owner_of(&access).await?;
    let page = store.call(&access, call).await?.ok_or_else(Problem::not_found)?;
    let part = match wanted.part.as_deref() {
        None | Some("") => 1,
        Some(text) => text.parse().map_err(|_| Problem::invalid("part", "a number from 1"))?,
    };
    let path = path(page.metadata.reveal(), agent_id, part)?;
    let bytes = state.owners.listening.archive.size(&path).await.map_err(away)?;
    let bytes = bytes.ok_or_else(|| none("the recording's file is missing"))?;
    Ok(Found { agent_id, owner, call, path, bytes })
}

/// Where a part is. What others wrote into the row gives nobody another agent's file.
fn path(metadata: &Value, agent_id: Uuid, part: usize) -> Result<String, Problem> {
    let recording = &metadata["recording"];
    let part = part.checked_sub(1).ok_or_else(|| Problem::invalid("part", "a number from 1"))?;
    let path = match recording["parts"].as_array() {
        Some(parts) => parts.get(part).map(|part| &part["path"]),
        None => Some(&recording["path"]).filter(|_| part == 0),
    };
    let folder = format!("{agent_id}/");
    let is_ours = |path: &&str| {
        path.starts_with(&folder) && path.len() <= PATH_MAX && !path.split('/').any(|p| p == "..")
    };
    let path = path.and_then(Value::as_str).filter(is_ours);
    path.map(str::to_owned).ok_or_else(|| match metadata["removed"]["recording"].is_null() {
        true => none("there is no recording of this call"),
        false => none("the recording was removed, as the agent's settings say"),
    })
}

async fn note(state: &AppState, viewer: &Viewer, found: &Found) -> Result<(), Problem> {
    let owners = &state.owners;
    Ok(owners
        .listening
        .note(&owners.store, viewer, (found.agent_id, found.call), Sound::Recording)
        .await?)
}
