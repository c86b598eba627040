//! `/people`: who may do what.

mod list;

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
use super::field::{choice, input};
use super::layout::{Section, Shell};
use crate::store::access::{AgentAccess, Object, Oversee, Own, Role};
use crate::store::audit::AuditEntry;
use crate::store::members::{AccessChange, AccessWish, FirstInvitation, Invited, Member};
use crate::store::people::Viewer;
use crate::web::AppState;
use crate::web::guard::{PageId, may, may_in_person};
use crate::web::invalid::Invalid;
use crate::web::people::{Invitation, count_invitation, link_for, may_have_link};
use crate::web::session::PageRequest;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .route("/people", get(page).merge(post(invite)))
        .route("/people/{id}", post(change))
        .route("/people/{id}/off", post(off))
        .route("/people/{id}/on", post(on))
        .route("/people/{id}/remove", post(remove))
        .route("/people/{id}/link", post(link))
}

/// The roles in an owner's words.
const ROLES: [(Role, &str); 4] = [
    (Role::Support, "Support: reads, books nothing"),
    (Role::Maintainer, "Maintainer: books, sets it up"),
    (Role::Owner, "Owner: also people and keys"),
    (Role::Admin, "Admin: an owner of all agents"),
];

/// What the page is asked with.
#[derive(Debug, Deserialize)]
struct Wanted {
    #[serde(default, deserialize_with = "crate::web::query::empty_is_none")]
    agent: Option<Uuid>,
    /// What was just done.
    #[serde(default)]
    done: String,
}

/// What the form of an invitation sends.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct InvitationForm {
    agent: String,
    email: String,
    name: String,
    role: String,
}

async fn page(PageRequest { state, viewer }: PageRequest, Query(wanted): Query<Wanted>) -> Shown {
    let store = &state.owners.store;
    let shell = Shell::of(store, viewer, wanted.agent).await?.for_role(Role::Owner);
    let Some(agent) = shell.agent().map(|agent| agent.id) else {
        return Ok(shell.page(
            Some(Section::People),
            "People",
            &html! {
                h1 { "People" }
                p .empty { "You have no agent yet. " a href="/setup" { "Set one up" }
                    ", and then invite those who work with it." }
            },
        ));
    };
    let object = Object::Agent(agent);
    let access = may::<Oversee>(&state, &shell.viewer, object, "access.read").await?;
    let empty = InvitationForm { agent: agent.to_string(), ..InvitationForm::default() };
    let words = match wanted.done.as_str() {
        "invited" => {
            "Invited. They have an account already: when they sign in next, they see the invitation on \
             their page Account, and have access once they accept."
        }
        "changed" => "Changed.",
        "off" => "Switched off: they see nothing any more.",
        "off-feed" | "changed-feed" | "removed-feed" => {
            "Changed. The calendar address that they had made does not work any more: make a new one on \
             the page Bookings."
        }
        "on" => "Switched on.",
        "removed" => "Removed: they see nothing any more.",
        _ => "",
    };
    let notice = html! { @if !words.is_empty() { p .note.good role="status" { (words) } } };
    show(&state, &shell, &access, (&empty, &[], &notice)).await
}

async fn show(
    state: &AppState,
    shell: &Shell,
    access: &AgentAccess<Oversee>,
    (form, invalid, notice): (&InvitationForm, &[Invalid], &Markup),
) -> Shown {
    let members = state.owners.store.members(access).await?;
    let may_change = shell.viewer.may_write();
    let business = shell.agent().map_or("", |agent| agent.business.as_str());
    let mut page = shell.page(Some(Section::People), "People", &html! {
        h1 { "People" }
        p .zone { "Who may do what at " bdi { (business) } ". Times are those in " (shell.zone_name()) "." }
        (notice)
        ul .list { @for member in &members { li { (list::shown(member, shell, access.role())) } } }
        @if members.len() == 1 {
            p .hint { "Nobody else has access. Whoever you invite is listed here." }
        }
        @if may_change { (inviting(form, invalid, access.role())) }
    });
    if !invalid.is_empty() {
        *page.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(page)
}

fn inviting(form: &InvitationForm, invalid: &[Invalid], most: Role) -> Markup {
    let chosen = if form.role.is_empty() { "support" } else { form.role.as_str() };
    html! {
        section .card aria-labelledby="invite" {
            h2 #invite { "Invite somebody" }
            form method="post" action="/people" {
                input type="hidden" name="agent" value=(form.agent);
                div .form-row {
                    (input(("email", "email"), "E-mail", &form.email, invalid))
                    (input(("text", "name"), "Name", &form.name, invalid))
                }
                (choice("role", "Role", &roles(most), chosen, invalid))
                p { button .main type="submit" { "Invite" } }
            }
        }
    }
}

/// The roles that somebody of this role may give.
fn roles(most: Role) -> Vec<(&'static str, &'static str)> {
    let given = ROLES.iter().filter(|(role, _)| *role <= most);
    given.map(|(role, words)| (role.word(), *words)).collect()
}

async fn invite(
    PageRequest { state, viewer }: PageRequest,
    Form(sent): Form<InvitationForm>,
) -> Shown {
    let agent = sent.agent.parse().map_err(|_| Fault::NotFound)?;
    let access: AgentAccess<Own> =
        may_in_person(&state, &viewer, Object::Agent(agent), "access.invite").await?;
    let invalid = match Invitation::read(&sent.email, &sent.name, &sent.role) {
        Err(invalid) => invalid,
        Ok(invitation) => match invited(&state, &viewer, &access, &invitation).await? {
            Ok(answer) => return Ok(answer),
            Err(invalid) => vec![invalid],
        },
    };
    let store = &state.owners.store;
    let oversee = store.access::<Oversee>(&viewer, Object::Agent(agent)).await?;
    let shell = Shell::of(store, viewer, Some(agent)).await?;
    show(&state, &shell, &oversee, (&sent, &invalid, &html! {})).await
}

async fn invited(
    state: &AppState,
    viewer: &Viewer,
    access: &AgentAccess<Own>,
    invitation: &Invitation,
) -> Result<Result<Response, Invalid>, Fault> {
    count_invitation(state, viewer, Fault::TooMany).await?;
    let who = (invitation.email.as_str(), invitation.name.as_str());
    let store = &state.owners.store;
    Ok(match store.invite(access, viewer, who, invitation.role).await? {
        Invited::Made(member) => match link_for(state, viewer, access, &member).await? {
            Some(link) => Ok(show_link(state, viewer, access, (&member, &link)).await?),
            None => Ok(done(access, "invited")),
        },
        Invited::Known(member) if member.is_invited => Err(Invalid::new(
            "email",
            "is that of somebody who was invited and has not answered yet",
        )),
        Invited::Known(member) if !member.is_active => Err(Invalid::new(
            "email",
            "is that of somebody whose access is switched off: switch it on",
        )),
        Invited::Known(_) => {
            Err(Invalid::new("email", "is that of somebody who has access already"))
        }
        Invited::NotInSupabase => {
            Err(Invalid::new("email", "is not known to Supabase: invite them there first"))
        }
        Invited::Above => Err(Invalid::new("role", "is above your own")),
        Invited::Unproven(FirstInvitation::Anothers) => Err(Invalid::new(
            "email",
            "was invited by somebody else first, and nobody has checked whose it is: ask whoever \
             runs this server to make a sign-in link for them (frontdesk token), and invite them again",
        )),
        Invited::Unproven(FirstInvitation::Unknown) => Err(Invalid::new(
            "email",
            "was invited to another agent first, and it is not known who was given its sign-in link: \
             ask whoever runs this server to make one for them (frontdesk token), and invite them again",
        )),
    })
}

fn done(access: &AgentAccess<Own>, what: &str) -> Response {
    let to = format!("/people?done={what}&agent={}", access.agent_id());
    Redirect::to(&to).into_response()
}

/// Shows the link in the answer itself: it is kept nowhere from which another page could show it.
async fn show_link(
    state: &AppState,
    viewer: &Viewer,
    access: &AgentAccess<Own>,
    (member, link): (&Member, &str),
) -> Shown {
    let store = &state.owners.store;
    let shell = Shell::of(store, viewer.clone(), Some(access.agent_id())).await?;
    Ok(shell.page(Some(Section::People), "Sign-in link", &html! {
        h1 { "A sign-in link for " bdi { (member.name.reveal()) } }
        p { "Send it to " bdi { (member.email.reveal()) } " now, in a way that nobody else reads. It is \
            shown only this once, works once, and for three days. Until they have signed in you can make \
            another one here." }
        pre #sign-in-link { (link) }
        div .actions {
            button type="button" data-copy="sign-in-link" { "Copy" }
            a .button href={ "/people?agent=" (access.agent_id()) } { "Back to the people" }
        }
    }))
}

/// What the form of a role sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RoleForm {
    role: String,
}

async fn carry_out(
    state: &AppState,
    viewer: &Viewer,
    id: i64,
    (action, words, wish): (&'static str, &str, AccessWish),
) -> Shown {
    let access: AgentAccess<Own> = may_in_person(state, viewer, Object::Access(id), action).await?;
    let store = &state.owners.store;
    let why = match store.change_access(&access, viewer, id, wish).await? {
        AccessChange::Done(_, false) => return Ok(done(&access, words)),
        AccessChange::Done(_, true) => return Ok(done(&access, &format!("{words}-feed"))),
        AccessChange::Gone => return Err(Fault::NotFound),
        AccessChange::Own => "Nobody changes or ends their own access. Another owner can.",
        AccessChange::Unanswered => {
            "They were invited, and have not accepted yet: that is theirs to do."
        }
        AccessChange::Above => "Nobody gives, changes or ends a role above their own.",
    };
    let oversee = store.access::<Oversee>(viewer, Object::Agent(access.agent_id())).await?;
    let shell = Shell::of(store, viewer.clone(), Some(access.agent_id())).await?;
    let agent = access.agent_id().to_string();
    let empty = InvitationForm { agent, ..InvitationForm::default() };
    let notice = html! { p .note.bad role="alert" { (why) } };
    let mut page = show(state, &shell, &oversee, (&empty, &[], &notice)).await?;
    *page.status_mut() = StatusCode::FORBIDDEN;
    Ok(page)
}

async fn change(
    PageRequest { state, viewer }: PageRequest,
    PageId(id): PageId<i64>,
    Form(sent): Form<RoleForm>,
) -> Shown {
    // The page offers nothing else: a word that is no role was not chosen there.
    let role = Role::from_word(&sent.role).ok_or(Fault::NotFound)?;
    let wish = AccessWish { role: Some(role), ..AccessWish::default() };
    carry_out(&state, &viewer, id, ("access.change", "changed", wish)).await
}

async fn off(PageRequest { state, viewer }: PageRequest, PageId(id): PageId<i64>) -> Shown {
    let wish = AccessWish { is_active: Some(false), ..AccessWish::default() };
    carry_out(&state, &viewer, id, ("access.off", "off", wish)).await
}

async fn on(PageRequest { state, viewer }: PageRequest, PageId(id): PageId<i64>) -> Shown {
    let wish = AccessWish { is_active: Some(true), ..AccessWish::default() };
    carry_out(&state, &viewer, id, ("access.on", "on", wish)).await
}

async fn remove(PageRequest { state, viewer }: PageRequest, PageId(id): PageId<i64>) -> Shown {
    let wish = AccessWish { is_removed: true, ..AccessWish::default() };
    carry_out(&state, &viewer, id, ("access.remove", "removed", wish)).await
}

async fn link(PageRequest { state, viewer }: PageRequest, PageId(id): PageId<i64>) -> Shown {
    let access: AgentAccess<Own> =
        may_in_person(&state, &viewer, Object::Access(id), "access.link").await?;
    let store = &state.owners.store;
    let member = store.member(&access, id).await?.ok_or(Fault::NotFound)?;
    // Whoever has signed in, or has something elsewhere, gets no link from others.
    if !may_have_link(&state, &member) {
        return Err(Fault::NotFound);
    }
    count_invitation(&state, &viewer, Fault::TooMany).await?;
    let link = link_for(&state, &viewer, &access, &member).await?.ok_or(Fault::NotFound)?;
    let deed = AuditEntry::of(&viewer, "access.link").agent(access.agent_id());
    store.note_deed(&deed.object("person", member.person)).await?;
    show_link(&state, &viewer, &access, (&member, &link)).await
}
