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
use maud::html;
use serde::Deserialize;
use uuid::Uuid;

use super::console::{errors, layout};
use super::secret::Secret;
use super::session::{PageViewer, begin, client_address, set_cookie};
use super::{AppState, supabase_sign_in};
use crate::store::StoreError;
use crate::store::audit::AuditEntry;
use crate::store::people::Credential;

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
}

/// A page of ours: a path, and no other site's.
pub(super) fn own_path(next: Option<&str>) -> &str {
    let is_path = |next: &&str| {
        next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n'])
    };
    next.filter(is_path).unwrap_or("/")
}

async fn page(
    State(state): State<Arc<AppState>>,
    viewer: Option<PageViewer>,
    Query(wanted): Query<Wanted>,
) -> Response {
    let next = own_path(wanted.next.as_deref());
    if viewer.is_some() {
        return Redirect::to(next).into_response();
    }
    if state.owners.supabase.is_some() {
        return supabase_sign_in::page(next, None);
    }
    layout::outside(
        "Sign in",
        &html! {
            h1 { "Sign in" }
            p { "Open your one-time sign-in link. Whoever runs this server makes one for you with" }
            pre { code { "frontdesk token --email you@example.com" } }
            p { "and it is printed when the server starts for the first time." }
        },
    )
}

async fn link_page(
    State(state): State<Arc<AppState>>,
    viewer: Option<PageViewer>,
    Path(code): Path<String>,
) -> Response {
    let is_good = match Secret::sent(&code) {
        Some(secret) => match state.owners.store.is_link_good(&secret.hash()).await {
            Ok(is_good) => is_good,
            Err(error) => return errors::store(&error),
        },
        None => false,
    };
    if !is_good {
        return used_up(&state, viewer.is_some());
    }
    layout::outside(
        "Sign in",
        &html! {
            h1 { "Welcome" }
            p { "This link signs you in once, in this browser." }
            form method="post" action={ "/sign-in/" (code) } {
                label .check { input type="checkbox" name="remember" value="yes"; " Keep me signed in for a week" }
                button .main type="submit" { "Sign in" }
            }
        },
    )
}

fn used_up(state: &AppState, is_signed_in: bool) -> Response {
    let is_demo = state.test_calls.scripted.get().is_some();
    let page = layout::outside(
        "Sign in",
        &html! {
            h1 { "This link does not work any more" }
            @if is_signed_in {
                p { "It was used already, and this browser is signed in." }
                p { a .button .main href="/" { "Go to Today" } }
            } @else if is_demo {
                p { "It was used already, or is too old. End the demo with Ctrl-C and start it again: it prints a "
                    "new link." }
            } @else {
                p { "It was used already, or is too old. Ask for another one: whoever runs this server makes it with" }
                pre { code { "frontdesk token --email you@example.com" } }
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
    viewer: Option<PageViewer>,
    Path(code): Path<String>,
    parts: Parts,
    Form(form): Form<LinkForm>,
) -> Response {
    if let Err(seconds) = state.owners.limits.sign_in.take(&client_address(&state, &parts)) {
        return errors::too_many(seconds);
    }
    let store = &state.owners.store;
    let user = match Secret::sent(&code) {
        Some(secret) => store.use_link(&secret.hash()).await,
        None => Ok(None),
    };
    match user {
        Ok(Some(user)) => {
            let begun = begin(&state, &parts, user, form.remember.is_some(), None).await;
            signed_in(&state, &parts, user, begun, "/").await
        }
        Ok(None) => match note_refused(&state, &parts).await {
            Ok(()) => used_up(&state, viewer.is_some()),
            Err(error) => errors::store(&error),
        },
        Err(error) => errors::store(&error),
    }
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
    begun: Result<HeaderValue, StoreError>,
    next: &str,
) -> Response {
    let ip = Some(client_address(state, parts));
    let entry = AuditEntry::of_nobody("sign_in").object("person", person);
    let entry = AuditEntry { ip, actor: Some(person), ..entry };
    let noted = match begun {
        Ok(cookie) => state.owners.store.note_deed(&entry).await.map(|()| cookie),
        Err(error) => Err(error),
    };
    match noted {
        Ok(cookie) => {
            // Whoever wanted no page in particular is shown first what waits for an answer.
            let is_invited =
                next == "/" && state.owners.store.is_invited(person).await.unwrap_or_default();
            let next = if is_invited { "/account" } else { next };
            ([(SET_COOKIE, cookie)], Redirect::to(next)).into_response()
        }
        Err(error) => errors::store(&error),
    }
}

async fn sign_out(
    State(state): State<Arc<AppState>>,
    viewer: Option<PageViewer>,
    parts: Parts,
) -> Response {
    if let Some(PageViewer(viewer)) = viewer
        && let Credential::Session(id) = viewer.credential()
        && let Err(error) = state.owners.store.end_session(viewer.id(), id).await
    {
        return errors::store(&error);
    }
    ([(SET_COOKIE, set_cookie(&state, &parts, None, false))], Redirect::to("/sign-in"))
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_on_to_pages_of_ours_alone() {
        assert_eq!(own_path(Some("/calls?a=1")), "/calls?a=1");
        for odd in
            ["//evil.example", "https://evil.example", "/\\evil", "calls", "/x\r\nSet-Cookie: a"]
        {
            assert_eq!(own_path(Some(odd)), "/", "{odd}");
        }
        assert_eq!(own_path(None), "/");
    }
}
