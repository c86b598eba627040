//! Signing in and out.
//!
//! A one-time link shows a button, and the button signs in: whoever only looks at the link (a mail
//! scanner, a preview) uses nothing up.

use std::sync::Arc;

use crate::web::routing::{get, post};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Router};
use http::header::SET_COOKIE;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use maud::{Markup, html};
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use super::console::errors::{Fault, Shown};
use super::console::layout;
use super::secret::Secret;
use super::session::{PageRequest, begin, client_address, client_network, set_cookie};
use super::{AppState, supabase_sign_in};
use crate::store::StoreError;
use crate::store::audit::AuditEntry;
use crate::store::people::{Credential, Viewer};

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .route("/sign-in", get(page))
        .merge(supabase_sign_in::router())
        .route("/sign-in/{code}", get(link_page).merge(post(link_used)))
        .route("/sign-out", post(sign_out))
}

/// What the sign-in page is asked with.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    /// Where to go then.
    next: Option<String>,
    /// Whether something was sent that was not saved, as nobody was signed in any more.
    unsaved: Option<String>,
}

/// What is said then.
const UNSAVED: &str = "You were signed out meanwhile, so what you sent was not saved. Sign in, then go back \
                       with your browser to what you wrote and save it again.";

/// A page of ours: a path, and no other site's. Anything else leads to the first page.
pub(super) fn own_path(next: Option<&str>) -> &str {
    next.filter(|next| is_own_path(next)).unwrap_or("/")
}

/// Whether a browser stays here with it. Browsers leave tabs and line breaks out of an address before they
/// read it, and take a backslash for a slash; a header holds no other control character.
fn is_own_path(next: &str) -> bool {
    let is_odd = |letter: char| letter.is_control() || letter == '\\';
    if !next.starts_with('/') || next.contains(is_odd) || HeaderValue::from_str(next).is_err() {
        return false;
    }
    // The same reading as theirs has the last word.
    let here = Url::parse("https://here.invalid/").expect("it is an address");
    here.join(next).is_ok_and(|there| there.origin() == here.origin())
}

async fn page(
    State(state): State<Arc<AppState>>,
    viewer: Option<PageRequest>,
    Query(wanted): Query<Wanted>,
) -> Response {
    let next = own_path(wanted.next.as_deref());
    if viewer.is_some() {
        return Redirect::to(next).into_response();
    }
    if state.owners.supabase.is_some() {
        return supabase_sign_in::page(next, wanted.unsaved.map(|_| UNSAVED));
    }
    layout::outside(
        "Sign in",
        &html! {
            h1 { "Sign in" }
            @if wanted.unsaved.is_some() { p .note.warn role="alert" { (UNSAVED) } }
            p { "Open your one-time sign-in link. It is printed when the server starts for the first time, and is good once." }
            (another_link(&state))
        },
    )
}

async fn link_page(
    State(state): State<Arc<AppState>>,
    viewer: Option<PageRequest>,
    Path(code): Path<String>,
) -> Shown {
    let is_good = match Secret::sent(&code) {
        Some(secret) => state.owners.store.is_link_good(&secret.hash()).await?,
        None => false,
    };
    if !is_good {
        return Ok(used_up(&state, viewer.is_some()));
    }
    Ok(layout::outside(
        "Sign in",
        &html! {
            h1 { "Welcome" }
            p { "This link signs you in once, in this browser." }
            form method="post" action={ "/sign-in/" (code) } {
                label .check { input type="checkbox" name="remember" value="yes"; " Keep me signed in for a week" }
                button .main type="submit" { "Sign in" }
            }
        },
    ))
}

/// How one gets another link, without being made another person.
fn another_link(state: &AppState) -> Markup {
    if state.test_calls.scripted.get().is_some() {
        return html! { p { "End the demo with Ctrl-C and start it again: it prints a new link." } };
    }
    html! {
        p { "Do you run this server? On its machine this makes another link for you:" }
        pre { code { "frontdesk token" } }
        p { "Does somebody else run it? They make one for you with the address by which you were invited, or signed in before. With any other address you would be somebody new, who sees no agent:" }
        pre { code { "frontdesk token --email you@example.com" } }
    }
}

fn used_up(state: &AppState, is_signed_in: bool) -> Response {
    let page = layout::outside(
        "Sign in",
        &html! {
            h1 { "This link does not work any more" }
            @if is_signed_in {
                p { "It was used already, and this browser is signed in." }
                p { a .button .main href="/" { "Go to Today" } }
            } @else {
                p { "It was used already, or is too old." }
                (another_link(state))
            }
        },
    );
    (StatusCode::GONE, page).into_response()
}

/// What the form with the button sends.
#[derive(Debug, Deserialize)]
struct LinkForm {
    remember: Option<String>,
}

async fn link_used(
    State(state): State<Arc<AppState>>,
    viewer: Option<PageRequest>,
    Path(code): Path<String>,
    parts: Parts,
    Form(form): Form<LinkForm>,
) -> Shown {
    let user = match Secret::sent(&code) {
        Some(secret) => state.owners.store.use_link(&secret.hash()).await?,
        None => None,
    };
    let Some(user) = user else {
        return link_refused(&state, &parts, viewer.is_some()).await;
    };
    let cookie = begin(&state, &parts, user, form.remember.is_some(), None).await?;
    signed_in(&state, &parts, user, cookie, "/").await
}

/// What those get whose link does not sign in. Only they are counted: nobody guesses 256 bits, and behind
/// one address there may be others whose links are good.
async fn link_refused(state: &AppState, parts: &Parts, is_signed_in: bool) -> Shown {
    state.owners.limits.sign_in.take(&client_network(state, parts)).map_err(Fault::TooMany)?;
    note_refused(state, parts).await?;
    Ok(used_up(state, is_signed_in))
}

/// Writes down that a try was refused.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn note_refused(state: &AppState, parts: &Parts) -> Result<(), StoreError> {
    let ip = Some(client_address(state, parts));
    let entry = AuditEntry { ip, ..AuditEntry::of_nobody("sign_in.refused") };
    state.owners.store.note_deed(&entry).await
}

/// Goes on to a page with the session that has begun, once that is written down.
pub(super) async fn signed_in(
    state: &AppState,
    parts: &Parts,
    person: Uuid,
    cookie: HeaderValue,
    next: &str,
) -> Shown {
    let ip = Some(client_address(state, parts));
    let entry = AuditEntry::of_nobody("sign_in").object("person", person);
    let entry = AuditEntry { ip, actor: Some(person), ..entry };
    state.owners.store.note_deed(&entry).await?;
    // Whoever wanted no page in particular is shown first what waits for an answer.
    let is_invited = next == "/" && state.owners.store.is_invited(person).await.unwrap_or_default();
    let next = if is_invited { "/account" } else { next };
    Ok(([(SET_COOKIE, cookie)], Redirect::to(next)).into_response())
}

async fn sign_out(
    State(state): State<Arc<AppState>>,
    viewer: Option<PageRequest>,
    parts: Parts,
) -> Shown {
    if let Some(PageRequest { viewer, .. }) = viewer
        && let Credential::Session(id) = viewer.credential()
    {
        end(&state, &viewer, id).await?;
    }
    let cookie = set_cookie(&state, &parts, None, false);
    Ok(([(SET_COOKIE, cookie)], Redirect::to("/sign-in")).into_response())
}

/// Ends one's own session, and writes that down.
async fn end(state: &AppState, viewer: &Viewer, id: Uuid) -> Result<(), StoreError> {
    let store = &state.owners.store;
    if store.end_session(viewer.id(), id).await? {
        store.note_deed(&AuditEntry::of(viewer, "session.end").object("session", id)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_on_to_pages_of_ours_alone() {
        for own in ["/calls?a=1", "/", "/calls?words=%2F%2Fa%09b", "/people?name=Zo\u{eb}", "/a//b"]
        {
            assert_eq!(own_path(Some(own)), own);
        }
        for odd in [
            "//evil.example",
            "https://evil.example",
            "/\\evil",
            "calls",
            "/x\r\nSet-Cookie: a",
            "",
        ] {
            assert_eq!(own_path(Some(odd)), "/", "{odd}");
        }
        // Browsers leave some of these out, and none of them can be in a header.
        for odd in (0..0x20).chain([0x7f, 0x85, 0x9b]).filter_map(char::from_u32) {
            for next in [format!("/{odd}/evil.example"), format!("/calls?a={odd}")] {
                assert_eq!(own_path(Some(&next)), "/", "{next:?}");
            }
        }
        assert_eq!(own_path(None), "/");
    }
}
