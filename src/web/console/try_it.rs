//! `/agents/{id}/try`: talking to an agent from the browser, as a caller would.

mod line;
mod rewind;
mod voice;

use std::sync::Arc;

use crate::web::routing::{get, post};
use axum::extract::{FromRequest as _, FromRequestParts, Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Form, Json, Router};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::agent::{self, Sent};
use super::errors::{Fault, Shown};
use super::layout::{Section, Shell};
use super::{assets, errors, unfinished};
use crate::agent::Agent;
use crate::agent::phone_number::{normalise_local, readable};
use crate::agent::region::Region;
use crate::call::LogEvent;
use crate::private::Private;
use crate::store::access::{AgentAccess, Maintain, Object};
use crate::store::audit::AuditEntry;
use crate::store::people::Viewer;
use crate::web::call_filter::Here;
use crate::web::editing;
use crate::web::extract::ApiJson;
use crate::web::guard::may;
use crate::web::phone::test_call::{WantedTest, opening};
use crate::web::problem::Problem;
use crate::web::session::PageRequest;
use crate::web::speech::HAS_STAND_IN;
use crate::web::{AppState, session};

/// What a caller is who withholds their number, as Twilio says it.
const WITHHELD: &str = "anonymous";
/// The most events of a test that another one goes on from.
const EARLIER_MAX: i64 = 5_000;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new().route("/agents/{id}/try", get(page).merge(post(asked))).merge(line::router())
}

async fn page(PageRequest { state, viewer }: PageRequest, Path(id): Path<String>) -> Shown {
    shown(&state, viewer, &id, None).await
}

/// A change that is not saved yet, and is to be tried.
struct Draft {
    /// As the API takes it.
    change: String,
    /// What the form sent, which saves it.
    sent: Sent,
}

async fn shown(state: &Arc<AppState>, viewer: Viewer, id: &str, draft: Option<Draft>) -> Shown {
    let id: Uuid = id.parse().map_err(|_| Fault::NotFound)?;
    may::<Maintain>(state, &viewer, Object::Agent(id), "agent.try").await?;
    let shell = Shell::of(&state.owners.store, viewer, Some(id)).await?;
    let has_voice = state.services.engines.openai.api_key.is_some();
    let go_on = unfinished::go_on(&shell, Some(id));
    let scripted = state.test_calls.scripted.get().map(Vec::as_slice).unwrap_or_default();
    let region = Here::of(shell.agents.find(id)).region;
    let body = html! { (go_on) (body(id, has_voice, scripted, (draft.as_ref(), region))) };
    let head = html! {
        script src=(assets::LIVE.path) defer {}
        script src=(assets::TRY.path) defer {}
    };
    let mut response = shell.page_with(Some(Section::Agent), "Try", &head, &body);
    // On this page alone.
    let policy = HeaderValue::from_static("microphone=(self), camera=(), geolocation=()");
    response.headers_mut().insert(HeaderName::from_static("permissions-policy"), policy);
    Ok(response)
}

/// The page of an agent whose business is in `region`.
fn body(
    id: Uuid,
    has_voice: bool,
    scripted: &[String],
    (draft, region): (Option<&Draft>, Option<Region>),
) -> Markup {
    html! {
        h1 { "Try the agent" }
        @if !scripted.is_empty() {
            p .note.warn #stand-in {
                "A stand-in answers here, not a speech service. It knows " a href="#lines" { "the lines of one script" }
                " and understands nothing else. Press them, in their order, or type them. When you talk, it takes "
                "what it hears for the next of them."
            }
        }
        p { "You are the caller. Press “Call the agent” and talk: so it sounds on the phone. With headphones "
            "the agent does not hear itself. Or press “Type instead”, and read its answers." }
        p .hint { "Nobody is called. The test counts nowhere, and what it books is undone when you hang up." }
        @if !has_voice {
            p .note.warn { "No speech service is set up on this server, so "
                @if HAS_STAND_IN { "a stand-in answers: it says the greeting, and understands nothing." }
                @else { "nobody answers here." }
                " Whoever runs the server sets " code { "OPENAI_API_KEY" } ", and the real agent answers." }
        }
        @if let Some(draft) = draft { (unsaved(id, draft)) }
        form #try data-path={ "/agents/" (id) "/try" } data-phone=(assets::PHONE.path) {
            (caller_field(region))
            label .check {
                input type="checkbox" name="reaches_out" value="yes";
                " Really send texts, to the number above, and ask other services. Otherwise the page says what would be sent."
            }
            @if let Some(draft) = draft { textarea name="draft" hidden { (draft.change) } }
            p #needs .note.warn { "This page needs JavaScript, and talking needs a microphone." }
            p .actions {
                button #call .main type="submit" disabled { "Call the agent" }
                button #type type="button" disabled { "Type instead" }
                label #voice .check { "Your voice " meter #meter min="0" max="1" low="0.02" value="0" {} }
                span #doing .badge role="status" {}
            }
            (line::keys())
        }
        p #said .note role="status" hidden {}
        p #lost .note.warn role="status" hidden { "The words cannot be followed just now." }
        p #seen hidden { a href="/calls" { "Look at this call" } }
        h2 #words { "What is said" }
        div role="log" aria-live="polite" aria-labelledby="words" tabindex="0" {
            ol .list #live data-one="test" data-stay="yes" {}
        }
        (line::typing())
        @if !scripted.is_empty() { (lines(scripted)) }
        p .hint { "“Change” beside what you typed goes back to it: say it in other words, and see what the "
            "agent answers then. What was booked after it is undone." }
    }
}

/// Whom a test calls as: a number that nobody has, unless something else is wanted. It is one from where the
/// business is, if such numbers are kept there.
fn caller_field(region: Option<Region>) -> Markup {
    html! {
        div .form-row {
            div {
                label for="caller" { "Number that you call from" }
                input #caller name="caller" type="tel" value=(readable(Region::fictional(region))) aria-describedby="caller-hint";
                p .hint #caller-hint {
                    "Nobody has this one. "
                    @if !Region::keeps_fictional(region) {
                        "It is American: where the business is, no numbers are kept for tests. Write another one, such as your own, if that matters. "
                    }
                    "The agent knows callers by it. Empty: the number is withheld."
                }
            }
        }
    }
}

/// That something is tried which is not saved, and how it is.
fn unsaved(id: Uuid, draft: &Draft) -> Markup {
    html! {
        div .note {
            p { "You try what is not saved yet. Callers have what is saved." }
            form method="post" action={ "/agents/" (id) } {
                @for (name, value) in &draft.sent { input type="hidden" name=(name) value=(value); }
                p .actions {
                    button type="submit" { "Save it" }
                    a .button href={ "/agents/" (id) } { "Leave it as it is saved" }
                }
            }
        }
    }
}

/// The lines that a stand-in knows, each of which says itself.
fn lines(scripted: &[String]) -> Markup {
    html! {
        h2 #lines { "Lines that the stand-in knows" }
        ol .lines aria-labelledby="lines" {
            @for line in scripted { li { button type="button" data-scripted disabled { (line) } } }
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
    /// Whether the caller types: nobody is asked whether they are still there.
    #[serde(default)]
    typed: bool,
    /// Where it goes on from, if it does not begin anew.
    #[serde(default)]
    from: Option<EarlierTest>,
}

/// A line of a test call of the same agent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EarlierTest {
    /// The call.
    call: Uuid,
    /// The caller's line: what came before it has been said. As the live feed names it.
    line: String,
}

/// What the page needs to speak to the agent.
#[derive(Debug, Serialize)]
struct TestAnswer {
    call: Uuid,
    sid: String,
    /// Where its stream goes, on the page's own host.
    path: String,
    /// Where goes what is typed.
    say: String,
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
) -> Result<Response, Response> {
    let (mut parts, body) = request.into_parts();
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_json = kind.is_some_and(|kind| kind.starts_with("application/json"));
    if is_json {
        let begun = begin(&state, &id, &parts, Request::from_parts(parts.clone(), body)).await;
        return Ok(begun.into_response());
    }
    let PageRequest { viewer, .. } = PageRequest::from_request_parts(&mut parts, &state).await?;
    let form = Form::<Vec<(String, String)>>::from_request(Request::from_parts(parts, body), &());
    let Form(pairs) = form.await.map_err(IntoResponse::into_response)?;
    let sent: Sent = pairs.into_iter().collect();
    let change = draft(&state, &viewer, &id, &sent).await.map_err(|why| errors::problem(&why))?;
    Ok(shown(&state, viewer, &id, Some(Draft { change, sent })).await.into_response())
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
    let access = may::<Maintain>(state, viewer, Object::Agent(id), "agent.try").await?;
    let row = store.agent_by_id(id).await?.ok_or_else(Problem::not_found)?;
    let change = agent::draft(sent, &row)?;
    // What would not be saved cannot be tried.
    editing::agent::drafted(&row, change.clone(), (viewer, access.role())).await?;
    Ok(Value::Object(change).to_string())
}

async fn begin(
    state: &Arc<AppState>,
    id: &str,
    parts: &Parts,
    request: Request,
) -> Result<(StatusCode, Json<TestAnswer>), Problem> {
    let viewer = session::browser(state, parts).await?;
    let id: Uuid = id.parse().map_err(|_| Problem::not_found())?;
    let store = &state.owners.store;
    let access: AgentAccess<Maintain> = may(state, &viewer, Object::Agent(id), "agent.try").await?;
    let ApiJson(wanted) = ApiJson::<TestAsked>::from_request(request, &()).await?;
    let mut agent = tried(state, &viewer, &access, wanted.draft).await?;
    let earlier = match wanted.from {
        Some(from) => earlier(state, &viewer, id, &from).await?,
        None => Vec::new(),
    };
    if wanted.typed {
        agent.settings.idle.reprompt_after_ms = 0;
    }
    if !earlier.is_empty() {
        agent.settings.greeting = Some(String::new());
    }
    let caller = match wanted.caller.trim() {
        "" => WITHHELD.to_owned(),
        number => normalise_local(number, agent.region).ok_or_else(|| {
            let example = Region::example(agent.region);
            let why = format!(
                "This is no telephone number. Write one as it is dialled where the business is, or a \
                 whole one, such as {example}, or nothing."
            );
            Problem::invalid("caller", why)
        })?,
    };
    let engines = voice::engines(state).await?;
    let is_stand_in = engines.is_some();
    let says = told(&agent, (is_stand_in, wanted.typed, earlier.is_empty()));
    let test = opening(wanted.reaches_out, engines, earlier);
    let (agent, caller, is_typed) = (Arc::new(agent), Private::new(caller), wanted.typed);
    let wanted = WantedTest { agent, caller, test, is_typed };
    let begun = state.begin_test(&viewer, &access, wanted).await?;
    let noted = AuditEntry::of(&viewer, "agent.try").agent(id).object("call", begun.id);
    store.note_deed(&noted).await?;
    let base = format!("/agents/{id}/try/{}", begun.id);
    let machine = begun.machine.map(|machine| format!("?machine={machine}")).unwrap_or_default();
    let answer = TestAnswer {
        call: begun.id,
        sid: begun.call_sid,
        path: format!("{base}/stream{machine}"),
        say: format!("{base}/say{machine}"),
        token: begun.token,
        after: format!("{base}/after{machine}"),
        says,
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

/// What whoever makes a test is told at its beginning.
fn told(agent: &Agent, (is_stand_in, is_typed, is_new): (bool, bool, bool)) -> String {
    let is_heard = !is_typed && is_new;
    let notice = Some(&agent.settings.recording).filter(|recording| recording.enabled && is_heard);
    let mut says = match is_stand_in {
        true => "A stand-in answers, because no speech service is set up.".to_owned(),
        false if is_typed => "The agent reads what you type.".to_owned(),
        false => "You are on the phone with the agent.".to_owned(),
    };
    if let Some(recording) = notice {
        says.push_str(&format!(" A caller hears first: “{}”", recording.notice));
    }
    says
}

/// What a test goes on from.
async fn earlier(
    state: &AppState,
    viewer: &Viewer,
    agent: Uuid,
    from: &EarlierTest,
) -> Result<Vec<(u64, LogEvent)>, Problem> {
    line::named(state, viewer, agent, from.call).await?;
    let store = &state.owners.store;
    let access: AgentAccess<Maintain> =
        may(state, viewer, Object::Call(from.call), "agent.try").await?;
    let events = store.events_to_go_on_from(&access, from.call, EARLIER_MAX).await?;
    let said = from.line.strip_prefix('c').and_then(|line| rewind::before(&events, line));
    said.ok_or_else(|| Problem::invalid("from.line", "the call has no such line of the caller's"))
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
        Some(change) => editing::agent::drafted(&row, change, (viewer, access.role())).await,
        None => Ok(Agent::new(row)),
    }
}
