//! Trying a function from its page.

use std::sync::Arc;

use axum::extract::{Form, Path, State};
use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Inspected, title};
use crate::functions::DryRun;
use crate::web::AppState;
use crate::web::console::agent::{Failed, Sent};
use crate::web::console::plain::plain;
use crate::web::editing::try_function::{Tried, try_function};
use crate::web::problem::Problem;
use crate::web::session::PageViewer;

/// The form that tries it, with what came of it.
pub(super) fn form(action: &str, document: &Value, sent: &Sent, came: Markup) -> Markup {
    let is_request = document["type"] == "json_api";
    let text = |name: &str| sent.get(name).map_or("", String::as_str);
    let arguments = text("arguments");
    html! {
        section #try .card aria-label="Try it" {
            h2 { "Try it" }
            p {
                @if is_request { "This really asks the service, as it is saved." }
                @else { "This says what happens in a call; nothing is done." }
            }
            (came)
            form method="post" action={ (action) "/try#try" } {
                label for="arguments" { "What the agent gives it" }
                textarea #arguments name="arguments" spellcheck="false" {
                    @if arguments.is_empty() { (example(document)) } @else { (arguments) }
                }
                p .hint { "JSON, with a value for each variable." }
                label for="caller" { "Who calls" }
                input #caller name="caller" type="tel" value=(text("caller")) placeholder="+15005550006";
                p { button type="submit" { "Try it" } }
            }
        }
    }
}

/// Arguments with an empty text for each variable of a list.
fn example(document: &Value) -> String {
    let items = document["variables"].as_array().into_iter().flatten();
    let names = items.filter_map(|item| item["name"].as_str());
    let fields: Map<String, Value> = names.map(|name| (name.to_owned(), "".into())).collect();
    serde_json::to_string_pretty(&fields).unwrap_or_default()
}

pub(super) async fn try_it(
    State(state): State<Arc<AppState>>,
    PageViewer(viewer): PageViewer,
    Path((id, function)): Path<(Uuid, Uuid)>,
    Form(sent): Form<Sent>,
) -> Result<Response, Failed> {
    let inspected = Inspected::of(&state, viewer.clone(), id).await?;
    let document = inspected.document(function)?;
    let text = sent.get("arguments").map_or("", |text| text.trim());
    let arguments = match text {
        "" => Ok(Map::new()),
        text => serde_json::from_str::<Map<String, Value>>(text).map_err(|error| {
            Problem::invalid("arguments", format!("accepted is a JSON object: {error}"))
        }),
    };
    let caller = sent.get("caller").map(String::as_str);
    let tried = match &arguments {
        Ok(arguments) => try_function(&state, &viewer, function, arguments, caller).await,
        Err(problem) => Err(problem.clone()),
    };
    let (status, came) = match tried {
        Ok(Tried::Ran(ran)) => (StatusCode::OK, ran_markup(&ran)),
        Ok(Tried::WouldDo(what)) => (StatusCode::OK, html! { p .note { (what) } }),
        Err(problem) if problem.status() == StatusCode::UNPROCESSABLE_ENTITY => {
            let why = plain(problem.detail.as_deref().unwrap_or_default());
            (problem.status(), html! { p .error role="alert" { (why) } })
        }
        Err(problem) => return Err(problem.into()),
    };
    let action = format!("/agents/{id}/functions/{function}");
    let body = html! {
        (form(&action, &document, &sent, came))
        p { a href=(action) { "Back to the function" } }
    };
    Ok(inspected.page(status, &title(&document), &body))
}

fn ran_markup(ran: &DryRun) -> Markup {
    html! {
        div role="status" {
            @if let Some(request) = &ran.request {
                h3 { "Sent" }
                pre tabindex="0" {
                    (request.method) " " (request.url) "\n"
                    @for (name, value) in &request.headers { (name) ": " (value) "\n" }
                    @if let Some(body) = &request.body { "\n" (body) }
                }
            }
            h3 { "Came back after " (ran.ms) " ms" }
            @match &ran.answer {
                Some(answer) => pre tabindex="0" {
                    (answer.status) " " (answer.content_type.as_deref().unwrap_or("")) "\n\n" (answer.body)
                },
                None => p .note.bad { "No answer." },
            }
            h3 { "What the agent is told" }
            pre tabindex="0" { (ran.output) }
        }
    }
}
