//! Pages that say what went wrong, whether calls are affected, and what to do.

use axum::response::{IntoResponse, Redirect, Response};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use maud::{Markup, html};
use tracing::warn;
use uuid::Uuid;

use super::layout;
use super::plain::{field_name, plain};
use crate::store::StoreError;
use crate::store::access::{Refused, Role};
use crate::web::problem::Problem;

/// The database does not answer, or says something that cannot be shown; or a rule does not allow it.
pub(crate) fn store(error: &StoreError) -> Response {
    if matches!(error, StoreError::NotAllowed(_)) {
        return problem(&error.clone().into());
    }
    // The number ties what somebody reports to a line of the log.
    let number = Uuid::new_v4().simple().to_string()[..8].to_owned();
    warn!(%error, number, "a page cannot be shown");
    let page = layout::outside(
        "This page can't be shown now",
        &html! {
            h1 { "This page can't be shown now" }
            p { "Calls are still being answered. The database does not answer this page; try again in a minute." }
            p .quiet { "If it stays so, tell whoever runs this server the number " code { (number) } "." }
        },
    );
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, HeaderValue::from(30))], page).into_response()
}

/// Too many requests.
pub(crate) fn too_many(seconds: u64) -> Response {
    let page = layout::outside(
        "Too many requests",
        &html! {
            h1 { "Too many requests" }
            p { "Try again in " (seconds) " seconds. Calls are still being answered." }
        },
    );
    (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, HeaderValue::from(seconds))], page)
        .into_response()
}

/// What an error's page says, for the frame of who is signed in: see [`framed`](super::framed).
#[derive(Debug, Clone)]
pub(super) struct ErrorPage {
    pub(super) title: &'static str,
    pub(super) body: Markup,
}

/// An error's page, without the menu; whoever is signed in has it in the console's frame.
fn shown(status: StatusCode, title: &'static str, body: Markup) -> Response {
    let mut response = (status, layout::outside(title, &body)).into_response();
    response.extensions_mut().insert(ErrorPage { title, body });
    response
}

/// There is no such page, or it is another's.
pub(crate) fn not_found() -> Response {
    let body = html! {
        h1 { "There is no such page" }
        p { "It was removed, or it is not yours to see. " a href="/" { "Go to Today" } "." }
    };
    shown(StatusCode::NOT_FOUND, "Not found", body)
}

/// What was wrong with a form, or what stands in the way.
pub(crate) fn problem(problem: &Problem) -> Response {
    if problem.status() == StatusCode::NOT_FOUND {
        return not_found();
    }
    let title = title(problem.status());
    // What somebody sent has nothing to do with calls; what fails here may seem to.
    let is_ours = problem.status().is_server_error();
    shown(
        problem.status(),
        title,
        html! {
            h1 { (title) }
            p {
                @if let Some(field) = problem.field.as_deref().filter(|field| !field.is_empty()) {
                    b { (field_name(field)) } ": "
                }
                (plain(problem.detail.as_deref().unwrap_or_default()))
            }
            p .quiet { @if problem.is_unchanged() { "Nothing was changed. " } @if is_ours { "Calls are still being answered. " } "Go back with your browser, or to " a href="/" { "Today" } "." }
        },
    )
}

/// What happened, in words that need no knowledge of HTTP.
fn title(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 | 422 => "This can't be used",
        401 => "You are not signed in",
        403 => "You can't do this",
        404 | 405 => "There is no such page",
        408 | 504 => "This took too long",
        409 | 412 => "This can't be done now",
        413 => "This is too large",
        415 => "This can't be read",
        429 => "Too many requests",
        _ => "This did not work",
    }
}

/// Who may do it, and what the viewer is.
fn who_may(needs: Role, has: Role) -> String {
    let may = match needs {
        Role::Support => "people with access",
        Role::Maintainer => "owners and maintainers",
        Role::Owner => "owners",
        Role::Admin => "those who run this server",
    };
    format!("Only {may} can do this, and your role here is {}.", has.word())
}

/// What somebody may not do.
fn refused(refused: &Refused) -> Response {
    match refused {
        Refused::NotFound => not_found(),
        Refused::Store(error) => store(error),
        Refused::Forbidden { needs, has } => {
            let body = html! {
                h1 { "You can't do this" }
                p { (who_may(*needs, *has)) " An owner can change your role on the page People." }
                p { a href="/" { "Go to Today" } }
            };
            shown(StatusCode::FORBIDDEN, "Not allowed", body)
        }
        Refused::ReadOnly | Refused::InPerson => {
            problem(&Problem::new(StatusCode::FORBIDDEN, refused.to_string()))
        }
    }
}

/// Why a page is not shown.
#[derive(Debug)]
pub(crate) enum Fault {
    /// There is no such page, or it is another's.
    NotFound,
    /// They may not.
    Refused(Refused),
    /// Too many requests: again in so many seconds.
    TooMany(u64),
    /// What was sent is not accepted.
    Problem(Problem),
    /// The page at this address is shown instead.
    Elsewhere(String),
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        match self {
            Self::NotFound => not_found(),
            Self::Refused(refused) => self::refused(&refused),
            Self::TooMany(seconds) => too_many(seconds),
            Self::Problem(problem) => self::problem(&problem),
            Self::Elsewhere(address) => Redirect::to(&address).into_response(),
        }
    }
}

/// What a page's handler answers.
pub(crate) type Shown = Result<Response, Fault>;
