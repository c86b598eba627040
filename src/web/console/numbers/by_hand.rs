//! A number that is written by hand: one that was wired at Twilio by hand, or one for calls on one's own
//! machine, where there is no Twilio.

use axum::Form;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::agent::phone_number::{normalise_e164, readable};
use crate::web::console::errors::Shown;
use crate::web::editing::change::change;
use crate::web::numbers::AccountNumbers;
use crate::web::problem::Problem;
use crate::web::session::PageRequest;

/// The form, for whom a number that they write counts: an admin, or one with a Twilio account of their own.
pub(super) fn form(account: &AccountNumbers, is_admin: bool) -> Markup {
    let id = account.agent.id;
    let number = account.answers.as_deref().map(readable);
    let answers = number.as_deref().unwrap_or_default();
    html! {
        @if is_admin || account.is_own {
            details {
                summary { "Write its number by hand" }
                form method="post" action={ "/agents/" (id) "/number" } {
                    label for={ "number-" (id) } { "Number that this agent answers" }
                    input id={ "number-" (id) } name="number" type="tel" value=(answers) aria-describedby={ "number-" (id) "-hint" };
                    p .hint id={ "number-" (id) "-hint" } {
                        "Nothing is changed at Twilio: you tell it yourself where to send the calls (below). Without Twilio "
                        "it is the number that " code { "frontdesk dial --to" } " calls. Empty: none."
                    }
                    @if let Some(number) = &number {
                        p .hint { "This agent answers " bdi { (number) } " now. It answers one number: once you keep another one here, callers of " bdi { (number) } " do not reach it any more." }
                    }
                    p .actions { button type="submit" { "Keep this number" } }
                }
            }
        }
    }
}

/// What the form sends.
#[derive(Debug, Deserialize)]
pub(super) struct Written {
    #[serde(default)]
    number: String,
}

/// Gives an agent a number, or none.
pub(super) async fn written(
    PageRequest { state, viewer }: PageRequest,
    Path(id): Path<Uuid>,
    Form(form): Form<Written>,
) -> Shown {
    let done = if form.number.trim().is_empty() { "none" } else { "written" };
    let number = match form.number.trim() {
        "" => Ok(Value::Null),
        text => normalise_e164(text).map(Value::String).ok_or_else(|| {
            let why = "this is no telephone number; accepted is one with its country code, such as \
                       +1 202 555 0123";
            Problem::invalid("number", why)
        }),
    };
    let wanted = |number| Map::from_iter([("twilio_phone_number".to_owned(), number)]);
    match number {
        Ok(number) => change(&state, &viewer, id, wanted(number), None).await?,
        Err(problem) => {
            // Who may not is told that, and not what a number looks like.
            change(&state, &viewer, id, Map::new(), None).await?;
            return Err(problem.into());
        }
    };
    Ok(Redirect::to(&format!("/numbers?agent={id}&done={done}")).into_response())
}
