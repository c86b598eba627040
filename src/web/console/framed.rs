//! Errors' pages in the console's frame: whoever is signed in keeps the menu, and has a way back to where
//! they were.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::Uri;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use maud::html;
use uuid::Uuid;

use super::errors::ErrorPage;
use super::layout::Shell;
use crate::web::AppState;
use crate::web::session::{browser, came_from};

/// Puts an error's page into the frame, for a browser that is signed in.
pub(in crate::web) async fn frame_errors(
    State(state): State<Arc<AppState>>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let asked = parts.clone();
    let response = next.run(Request::from_parts(parts, body)).await;
    let Some(page) = response.extensions().get::<ErrorPage>().cloned() else { return response };
    let Some(framed) = framed(&state, &asked, &page).await else { return response };
    let (mut head, _) = response.into_parts();
    head.headers.remove(CONTENT_LENGTH);
    Response::from_parts(head, framed.into_body())
}

/// The page in its frame; none for who is not signed in, or where the database does not say who it is.
async fn framed(state: &AppState, asked: &Parts, page: &ErrorPage) -> Option<Response> {
    // Counted as any page is: it asks the database too.
    let viewer = browser(state, asked).await.ok()?;
    let shell = Shell::of(&state.owners.store, viewer, agent_of(&asked.uri)).await.ok()?;
    let back = came_from(asked).filter(|back| *back != asked.uri.path());
    let body = html! {
        (page.body)
        @if let Some(back) = back { p { a .button href=(back) { "Back to where you were" } } }
    };
    Some(shell.page(None, page.title, &body))
}

/// The agent that an address is about: in its path, or chosen above the page.
fn agent_of(uri: &Uri) -> Option<Uuid> {
    let of_path = uri.path().strip_prefix("/agents/").and_then(|rest| rest.split('/').next());
    let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let chosen = || pairs.into_iter().find(|(name, _)| name == "agent").map(|(_, id)| id.into());
    of_path.map(str::to_owned).or_else(chosen)?.parse().ok()
}
