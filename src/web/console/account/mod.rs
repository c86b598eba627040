//! `/account`: one's own details, browsers and keys for programs.

mod businesses;
mod device;
mod tokens;

use std::sync::Arc;

use crate::web::routing::{get, post};
use axum::Router;
use axum::extract::{Form, Query};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::errors::{Fault, Shown};
use super::field::input;
use super::layout::{Section, Shell};
use super::time;
use crate::agent::phone_number::normalise_local;
use crate::agent::region::Region;
use crate::store::access::{VisibleAgent, VisibleAgents};
use crate::store::account::Profile;
use crate::store::audit::AuditEntry;
use crate::store::people::{Credential, Viewer};
use crate::store::sessions::SessionRow;
use crate::web::AppState;
use crate::web::guard::{PageId, in_person};
use crate::web::invalid::{Invalid, one_line};
use crate::web::session::PageRequest;
use device::device;
use tokens::TokenForm;

/// The longest texts, in characters.
const NAME_MAX: usize = 100;
const TEXT_MAX: usize = 200;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .route("/account", get(page).merge(post(change)))
        .route("/account/sessions/{id}/end", post(end))
        .route("/account/sessions/end-others", post(end_others))
        .merge(tokens::router())
        .merge(businesses::router())
}

/// What the page is asked with.
#[derive(Debug, Deserialize)]
struct Wanted {
    /// What was just done.
    #[serde(default)]
    done: String,
}

/// What was sent and is shown again, with what was wrong.
#[derive(Debug, Default)]
struct Again {
    profile: Option<(Profile, Vec<Invalid>)>,
    token: (TokenForm, Vec<Invalid>),
}

async fn page(PageRequest { state, viewer }: PageRequest, Query(wanted): Query<Wanted>) -> Shown {
    let words = match wanted.done.as_str() {
        "changed" => "Changed.",
        "ended" => "That browser is signed out.",
        "others-ended" => "All other browsers are signed out.",
        "revoked" => "That key does not work any more.",
        "accepted" => "You belong to that business now.",
        "declined" => "You declined. The business sees nothing of you but that.",
        "left" => "You left: you see nothing of that business any more.",
        _ => "",
    };
    let notice = html! { @if !words.is_empty() { p .note.good role="status" { (words) } } };
    show(&state, viewer, &notice, &Again::default()).await
}

async fn show(state: &AppState, viewer: Viewer, notice: &Markup, again: &Again) -> Shown {
    let store = &state.owners.store;
    let shell = Shell::of(store, viewer, None).await?;
    let viewer = &shell.viewer;
    let none = Vec::new();
    let (profile, invalid) = match &again.profile {
        Some((profile, invalid)) => (profile.clone(), invalid),
        None => (store.profile(viewer).await?, &none),
    };
    let sessions = store.sessions(viewer.id()).await?;
    let keys = store.tokens(viewer).await?;
    let belongings = store.belongings(viewer).await?;
    let is_wrong = !invalid.is_empty() || !again.token.1.is_empty();
    let mut page = shell.page(Some(Section::Account), "Account", &html! {
        h1 { "Account" }
        p .zone { bdi { (viewer.email().reveal()) } " · times are those in " (shell.zone_name()) }
        (notice)
        (businesses::invitations(&belongings))
        section .card aria-labelledby="you" {
            h2 #you { "You" }
            form method="post" action="/account" {
                div .form-row {
                    (input(("text", "name"), "Name", profile.name.reveal(), invalid))
                    (input(("tel", "phone"), "Phone", profile.phone.reveal(), invalid))
                }
                div .form-row {
                    (input(("text", "company"), "Company", profile.company.reveal(), invalid))
                    (input(("text", "title"), "What you do there", profile.title.reveal(), invalid))
                }
                p { button .main type="submit" { "Save" } }
            }
        }
        (businesses::section(&belongings, &shell))
        (browsers(&sessions, &shell))
        (tokens::section(&keys, &again.token, &shell))
    });
    if is_wrong {
        *page.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(page)
}

fn browsers(sessions: &[SessionRow], shell: &Shell) -> Markup {
    let this = match shell.viewer.credential() {
        Credential::Session(id) => Some(id),
        _ => None,
    };
    let when = |us: i64| time::when(&time::at(us, &shell.zone()), &shell.now);
    html! {
        section aria-labelledby="browsers" {
            h2 #browsers { "Where you are signed in" }
            ul .list {
                @for session in sessions {
                    li .row {
                        span .grow {
                            strong { (device(session.user_agent.as_deref())) }
                            @if this == Some(session.id) { " " span .badge.good { "this browser" } }
                            br;
                            span .quiet {
                                "last used " (when(session.seen_us)) " · since " (when(session.created_us))
                            }
                        }
                        @if this != Some(session.id) {
                            form method="post" action={ "/account/sessions/" (session.id) "/end" } {
                                button type="submit" {
                                    "Sign out" span .hidden { " " (device(session.user_agent.as_deref())) }
                                }
                            }
                        }
                    }
                }
            }
            @if sessions.len() > 1 {
                form method="post" action="/account/sessions/end-others" {
                    button .bad type="submit" { "Sign out all others" }
                }
            }
        }
    }
}

/// What the form of one's details sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ProfileForm {
    name: String,
    phone: String,
    company: String,
    title: String,
}

impl ProfileForm {
    /// What is to be stored. `stored` may stay as it is.
    fn read(
        self,
        stored: &Profile,
        agents: &VisibleAgents,
    ) -> Result<Profile, (Profile, Vec<Invalid>)> {
        let mut invalid = Vec::new();
        let mut read = |field, text: &str, longest, may_be_empty| {
            let line = one_line(field, text, longest, may_be_empty);
            line.unwrap_or_else(|fault| {
                invalid.push(fault);
                text.to_owned()
            })
        };
        let profile = Profile {
            name: read("name", &self.name, NAME_MAX, false).into(),
            phone: read("phone", &self.phone, TEXT_MAX, true).into(),
            company: read("company", &self.company, TEXT_MAX, true).into(),
            title: read("title", &self.title, TEXT_MAX, true).into(),
        };
        let phone = profile.phone.reveal();
        if !phone.is_empty() && phone != stored.phone.reveal() && !is_number(phone, agents) {
            let example = Region::example(agents.list().first().and_then(region));
            let why = format!(
                "is no whole telephone number; write it with its country, such as {example}"
            );
            invalid.push(Invalid::new("phone", why));
        }
        if invalid.is_empty() { Ok(profile) } else { Err((profile, invalid)) }
    }
}

/// Whether a live call can be put through to it: with its country, or as it is dialled where one of the
/// businesses is.
fn is_number(phone: &str, agents: &VisibleAgents) -> bool {
    let regions = agents.list().iter().map(region);
    std::iter::once(None).chain(regions).any(|region| normalise_local(phone, region).is_some())
}

/// Where a business is.
fn region(agent: &VisibleAgent) -> Option<Region> {
    Region::of_business(None, agent.zone.as_deref(), agent.number.as_deref())
}

fn done(what: &str) -> Response {
    Redirect::to(&format!("/account?done={what}")).into_response()
}

async fn change(
    PageRequest { state, viewer }: PageRequest,
    Form(sent): Form<ProfileForm>,
) -> Shown {
    in_person(&state, &viewer, None, "account.change").await?;
    let store = &state.owners.store;
    let (stored, agents) = (store.profile(&viewer).await?, store.visible_agents(&viewer).await?);
    match sent.read(&stored, &agents) {
        Ok(profile) => {
            store.change_profile(&viewer, &profile).await?;
            Ok(done("changed"))
        }
        Err(wrong) => {
            let again = Again { profile: Some(wrong), ..Again::default() };
            show(&state, viewer, &html! {}, &again).await
        }
    }
}

async fn end(PageRequest { state, viewer }: PageRequest, PageId(id): PageId<Uuid>) -> Shown {
    in_person(&state, &viewer, None, "session.end").await?;
    let store = &state.owners.store;
    if !store.end_session(viewer.id(), id).await? {
        return Err(Fault::NotFound);
    }
    store.note_deed(&AuditEntry::of(&viewer, "session.end").object("session", id)).await?;
    Ok(done("ended"))
}

async fn end_others(PageRequest { state, viewer }: PageRequest) -> Shown {
    in_person(&state, &viewer, None, "session.end_others").await?;
    let store = &state.owners.store;
    // Of somebody who asks with a token of Supabase's every browser is another.
    let this = match viewer.credential() {
        Credential::Session(id) => id,
        _ => Uuid::nil(),
    };
    let ended = store.end_other_sessions(viewer.id(), this).await?;
    let deed = AuditEntry::of(&viewer, "session.end_others");
    store.note_deed(&deed.change(serde_json::json!({"ended": ended}))).await?;
    Ok(done("others-ended"))
}
