//! The line of a test call: its stream, what is typed into it, and what comes after it.

use std::sync::Arc;

use crate::web::routing::{get, post};
use axum::extract::{Path, Query, Request};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use http::StatusCode;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::private::Private;
use crate::store::access::{AgentAccess, Maintain, Object};
use crate::store::people::Viewer;
use crate::web::extract::ApiJson;
use crate::web::guard::may;
use crate::web::problem::Problem;
use crate::web::session::ScriptRequest;
use crate::web::{AppState, csrf};

/// The keys of a telephone.
const KEYS: [&str; 12] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];
/// The longest that is typed at once, in characters.
const TYPED_CHARACTERS: usize = 2_000;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .route("/agents/{id}/try/{call}/stream", get(stream))
        .route("/agents/{id}/try/{call}/say", post(say))
        .route("/agents/{id}/try/{call}/after", post(after))
}

/// The keys, which are there while one talks.
pub(super) fn keys() -> Markup {
    html! {
        p #keys .actions role="group" aria-label="Keys" hidden {
            @for key in KEYS { button type="button" data-key=(key) { (key) } }
        }
    }
}

/// Where a caller's words are typed.
pub(super) fn typing() -> Markup {
    html! {
        form #say hidden {
            label for="text" { "What the caller says" }
            div .form-row {
                input #text name="text" type="text" maxlength="2000" autocomplete="off" required;
            }
            p .actions {
                button #send type="submit" { "Say it" }
                button #keep .plain type="button" hidden { "Keep it as it was" }
            }
        }
    }
}

/// What an address about a test call says.
#[derive(Debug, Deserialize)]
struct Place {
    /// The machine that has the call.
    machine: Option<String>,
}

/// The agent's test call that a path names.
pub(super) async fn named(
    state: &AppState,
    viewer: &Viewer,
    agent: Uuid,
    call: Uuid,
) -> Result<String, Problem> {
    let store = &state.owners.store;
    let access: AgentAccess<Maintain> = may(state, viewer, Object::Call(call), "agent.try").await?;
    let sid = store.test_call(&access, call).await?.filter(|_| access.agent_id() == agent);
    sid.ok_or_else(Problem::not_found)
}

/// Where the host can send a request to the machine that has the call, and this is another one: what
/// tells it to.
fn elsewhere(state: &AppState, place: &Place) -> Option<Response> {
    let ours = state.fly_machine_id.as_ref()?;
    let machine = place.machine.as_ref().filter(|machine| *machine != ours)?;
    let is_plain = machine.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let replay = [("fly-replay", format!("instance={machine}"))];
    is_plain.then(|| (StatusCode::OK, replay).into_response())
}

async fn stream(
    ScriptRequest { state, viewer }: ScriptRequest,
    Path((agent, call)): Path<(Uuid, Uuid)>,
    Query(place): Query<Place>,
    request: Request,
) -> Result<Response, Problem> {
    // A browser sends it with every WebSocket, and no other site may open one with our cookie.
    if !csrf::is_own_origin(request.headers(), &state.public_url, false) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "open the stream from the page itself"));
    }
    let sid = named(&state, &viewer, agent, call).await?;
    if let Some(replay) = elsewhere(&state, &place) {
        return Ok(replay);
    }
    state.test_stream(&viewer, agent, sid, request).await
}

/// What was typed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    text: String,
}

async fn say(
    ScriptRequest { state, viewer }: ScriptRequest,
    Path((agent, call)): Path<(Uuid, Uuid)>,
    Query(place): Query<Place>,
    ApiJson(typed): ApiJson<Typed>,
) -> Result<Response, Problem> {
    let sid = named(&state, &viewer, agent, call).await?;
    let text = typed.text.trim();
    if text.is_empty() || text.chars().count() > TYPED_CHARACTERS {
        let why = format!("it is from 1 to {TYPED_CHARACTERS} characters");
        return Err(Problem::invalid("text", &why));
    }
    if let Some(replay) = elsewhere(&state, &place) {
        return Ok(replay);
    }
    match state.type_in_test(agent, &sid, Private::new(text.to_owned())).await {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(Problem::new(StatusCode::CONFLICT, "the call is over")),
    }
}

/// What is asked about a stream that has ended.
#[derive(Debug, Deserialize)]
struct AfterAsked {
    #[serde(default)]
    stream: Option<String>,
}

/// What comes after the stream.
#[derive(Debug, Serialize)]
struct AfterAnswer {
    says: String,
}

async fn after(
    ScriptRequest { state, viewer }: ScriptRequest,
    Path((agent, call)): Path<(Uuid, Uuid)>,
    Query(place): Query<Place>,
    ApiJson(asked): ApiJson<AfterAsked>,
) -> Result<Response, Problem> {
    let sid = named(&state, &viewer, agent, call).await?;
    if let Some(replay) = elsewhere(&state, &place) {
        return Ok(replay);
    }
    let says = state.after_test(agent, &sid, asked.stream).await;
    Ok(Json(AfterAnswer { says }).into_response())
}
