//! `/agents/{id}/try`: talking to an agent from the browser, as a caller would.

mod voice;

use std::sync::Arc;

use axum::extract::{FromRequest as _, FromRequestParts, Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::agent::{self, Sent};
use super::layout::{Section, Shell};
use super::{assets, errors};
use crate::agent::Agent;
use crate::agent::phone_number::normalise_local;
use crate::private::Private;
use crate::store::access::{AgentAccess, Maintain, Object};
use crate::store::audit::AuditEntry;
use crate::store::people::Viewer;
use crate::web::editing;
use crate::web::extract::ApiJson;
use crate::web::phone::test_call::{WantedTest, opening};
use crate::web::problem::Problem;
use crate::web::session::{ApiViewer, PageViewer};
use crate::web::{AppState, csrf, session};

/// Whom a test calls as, unless something else is wanted: a number that is nobody's (kept for fiction).
const FICTIONAL: &str = "+12025550123";
/// What a caller is who withholds their number, as Twilio says it.
const WITHHELD: &str = "anonymous";
/// The keys of a telephone.
const KEYS: [&str; 12] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .route("/agents/{id}/try", get(page).post(asked))
        .route("/agents/{id}/try/{call}/stream", get(stream))
        .route("/agents/{id}/try/{call}/after", post(after))
}

async fn page(
    State(state): State<Arc<AppState>>,
    PageViewer(viewer): PageViewer,
    Path(id): Path<String>,
) -> Response {
    shown(&state, viewer, &id, None).await
}

/// The page; `draft`: a change that is not saved yet, and is to be tried.
async fn shown(state: &Arc<AppState>, viewer: Viewer, id: &str, draft: Option<String>) -> Response {
    let Ok(id) = id.parse::<Uuid>() else { return errors::not_found() };
    let store = &state.owners.store;
    let access = store.access::<Maintain>(&viewer, Object::Agent(id)).await;
    if let Err(refused) = access {
        return errors::refused(&refused);
    }
    let shell = match Shell::of(store, viewer, Some(id)).await {
        Ok(shell) => shell,
        Err(error) => return errors::store(&error),
    };
    let has_voice = state.exchange.engines.openai.api_key.is_some();
    let body = body(id, has_voice, draft.as_deref());
    let head = html! {
        script src=(assets::LIVE.path) defer {}
        script src=(assets::TRY.path) defer {}
    };
    let mut response = shell.page_with(Some(Section::Agent), "Try", &head, &body);
    // On this page alone.
    let policy = HeaderValue::from_static("microphone=(self), camera=(), geolocation=()");
    response.headers_mut().insert(HeaderName::from_static("permissions-policy"), policy);
    response
}

fn body(id: Uuid, has_voice: bool, draft: Option<&str>) -> Markup {
    html! {
        h1 { "Talk to the agent" }
        p { "You are the caller. This is how it sounds on the phone. Headphones keep the agent from hearing itself." }
        p .hint { "The call is recorded as a test: it is in no figures, and what it books is undone when you hang up." }
        @if !has_voice {
            p .note.warn { "No speech service is set up, so a stand-in answers: it speaks the greeting's "
                "length and hears that you speak, but understands nothing. Set " code { "OPENAI_API_KEY" }
                " to talk to the real agent." }
        }
        @if draft.is_some() {
            p .note { "You try what is not saved yet. Callers have what is saved." }
        }
        form #try data-path={ "/agents/" (id) "/try" } data-phone=(assets::PHONE.path) {
            div .form-row {
                div {
                    label for="caller" { "Call as" }
                    input #caller name="caller" type="tel" value=(FICTIONAL) aria-describedby="caller-hint";
                    p .hint #caller-hint { "A number. Empty: withheld." }
                }
            }
            label .check {
                input type="checkbox" name="reaches_out" value="yes";
                " Really send texts and ask other services"
            }
            @if let Some(draft) = draft { textarea name="draft" hidden { (draft) } }
            p #needs .note.warn { "To talk, this page needs JavaScript and a microphone." }
            p .actions {
                button #call .main type="submit" disabled { "Call the agent" }
                label for="meter" .hidden { "Your voice" }
                meter #meter min="0" max="1" low="0.02" value="0" {}
                span #doing .badge role="status" {}
            }
            p #keys .actions role="group" aria-label="Keys" hidden {
                @for key in KEYS { button type="button" data-key=(key) { (key) } }
            }
        }
        p #said .note role="status" hidden {}
        p #lost .note.warn role="status" hidden { "The words cannot be followed just now." }
        p #seen hidden { a href="/calls" { "Look at this call" } }
        h2 #words { "What is said" }
        div role="log" aria-live="polite" aria-labelledby="words" tabindex="0" {
            ol .list #live data-one="test" data-stay="yes" {}
        }
    }
}

/// What the page sends to begin a call.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TestAsked {
    /// The number to call as; empty: withheld.
    #[serde(default)]
    caller: String,
    /// Whether texts are sent and services asked.
    #[serde(default)]
    reaches_out: bool,
    /// A change of the agent that is not saved yet, as the API takes it.
    #[serde(default)]
    draft: Option<Map<String, Value>>,
}

/// What the page needs to speak to the agent.
#[derive(Debug, Serialize)]
struct TestAnswer {
    call: Uuid,
    sid: String,
    /// Where its stream goes, on the page's own host.
    path: String,
    /// What its `start` has to carry.
    token: String,
    /// Where it is asked what comes after the stream.
    after: String,
    /// What whoever made it is told.
    says: String,
}

/// A call is to begin, or a form brings settings that are to be tried.
async fn asked(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_json = kind.is_some_and(|kind| kind.starts_with("application/json"));
    if is_json {
        let begun = begin(&state, &id, &parts, Request::from_parts(parts.clone(), body)).await;
        return begun.into_response();
    }
    let viewer = <PageViewer as FromRequestParts<_>>::from_request_parts(&mut parts, &state).await;
    let PageViewer(viewer) = match viewer {
        Ok(viewer) => viewer,
        Err(response) => return response,
    };
    let form = Form::<Vec<(String, String)>>::from_request(Request::from_parts(parts, body), &());
    let sent: Sent = match form.await {
        Ok(Form(pairs)) => pairs.into_iter().collect(),
        Err(error) => return error.into_response(),
    };
    match draft(&state, &viewer, &id, &sent).await {
        Ok(draft) => shown(&state, viewer, &id, Some(draft)).await,
        Err(problem) => errors::problem(&problem),
    }
}

/// What a section of the agent's page would change, as the page of the test sends it back.
async fn draft(
    state: &AppState,
    viewer: &Viewer,
    id: &str,
    sent: &Sent,
) -> Result<String, Problem> {
    let id: Uuid = id.parse().map_err(|_| Problem::not_found())?;
    let store = &state.owners.store;
    store.access::<Maintain>(viewer, Object::Agent(id)).await?;
    let row = store.agent_by_id(id).await?.ok_or_else(Problem::not_found)?;
    let change = agent::draft(sent, &row)?;
    // What would not be saved cannot be tried.
    editing::agent::drafted(&row, change.clone(), viewer)?;
    Ok(Value::Object(change).to_string())
}

async fn begin(
    state: &Arc<AppState>,
    id: &str,
    parts: &Parts,
    request: Request,
) -> Result<(StatusCode, Json<TestAnswer>), Problem> {
    let viewer = session::viewer(state, parts).await?;
    let id: Uuid = id.parse().map_err(|_| Problem::not_found())?;
    let store = &state.owners.store;
    let access: AgentAccess<Maintain> = store.access(&viewer, Object::Agent(id)).await?;
    let ApiJson(wanted) = ApiJson::<TestAsked>::from_request(request, &()).await?;
    let agent = tried(state, &viewer, &access, wanted.draft).await?;
    let caller = match wanted.caller.trim() {
        "" => WITHHELD.to_owned(),
        number => normalise_local(number, agent.region).ok_or_else(|| {
            Problem::invalid(
                "caller",
                "it is no telephone number; accepted: +12025550123, or nothing",
            )
        })?,
    };
    let engines = voice::engines(state).await?;
    let is_stand_in = engines.is_some();
    let notice = Some(&agent.settings.recording).filter(|recording| recording.enabled);
    let mut says = match is_stand_in {
        true => "A stand-in answers: no speech service is set up.".to_owned(),
        false => "You are on the phone with the agent.".to_owned(),
    };
    if let Some(recording) = notice {
        says.push_str(&format!(" A caller hears first: “{}”", recording.notice));
    }
    let test = opening(wanted.reaches_out, engines);
    let wanted = WantedTest { agent: Arc::new(agent), caller: Private::new(caller), test };
    let begun = state.begin_test(&viewer, &access, wanted).await?;
    let noted = AuditEntry::of(&viewer, "agent.try").agent(id).object("call", begun.id);
    store.note_deed(&noted).await?;
    let base = format!("/agents/{id}/try/{}", begun.id);
    let machine = begun.machine.map(|machine| format!("?machine={machine}")).unwrap_or_default();
    let answer = TestAnswer {
        call: begun.id,
        sid: begun.call_sid,
        path: format!("{base}/stream{machine}"),
        token: begun.token,
        after: format!("{base}/after"),
        says,
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

/// The agent as it is to be tried: as its rows have it, with this change if there is one.
async fn tried(
    state: &AppState,
    viewer: &Viewer,
    access: &AgentAccess<Maintain>,
    draft: Option<Map<String, Value>>,
) -> Result<Agent, Problem> {
    let row = state.owners.store.agent_by_id(access.agent_id()).await?;
    let row = row.ok_or_else(Problem::not_found)?;
    match draft {
        Some(change) => editing::agent::drafted(&row, change, viewer),
        None => Ok(Agent::new(row.into())),
    }
}

/// What the stream's address says.
#[derive(Debug, Deserialize)]
struct StreamAsked {
    /// The machine that has the call.
    machine: Option<String>,
}

/// The agent's test call that a path names.
async fn named(
    state: &AppState,
    viewer: &Viewer,
    agent: Uuid,
    call: Uuid,
) -> Result<String, Problem> {
    let store = &state.owners.store;
    let access: AgentAccess<Maintain> = store.access(viewer, Object::Call(call)).await?;
    let sid = store.test_call(&access, call).await?.filter(|_| access.agent_id() == agent);
    sid.ok_or_else(Problem::not_found)
}

async fn stream(
    State(state): State<Arc<AppState>>,
    ApiViewer(viewer): ApiViewer,
    Path((agent, call)): Path<(Uuid, Uuid)>,
    Query(asked): Query<StreamAsked>,
    request: Request,
) -> Result<Response, Problem> {
    // A browser sends it with every WebSocket, and no other site may open one with our cookie.
    if !csrf::is_own_origin(request.headers(), &state.public_url, false) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "open the stream from the page itself"));
    }
    let sid = named(&state, &viewer, agent, call).await?;
    let is_plain = |name: &&String| name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let elsewhere = asked.machine.filter(|machine| state.fly_machine_id.as_ref() != Some(machine));
    if let Some(machine) = elsewhere.as_ref().filter(is_plain)
        && state.fly_machine_id.is_some()
    {
        let replay = [("fly-replay", format!("instance={machine}"))];
        return Ok((StatusCode::OK, replay).into_response());
    }
    state.test_stream(&viewer, agent, sid, request).await
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
    State(state): State<Arc<AppState>>,
    ApiViewer(viewer): ApiViewer,
    Path((agent, call)): Path<(Uuid, Uuid)>,
    ApiJson(asked): ApiJson<AfterAsked>,
) -> Result<Json<AfterAnswer>, Problem> {
    let sid = named(&state, &viewer, agent, call).await?;
    let says = state.after_test(agent, &sid, asked.stream).await;
    Ok(Json(AfterAnswer { says }))
}
