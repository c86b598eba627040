//! A number that is written by hand: one that was wired at Twilio by hand, or one for calls on one's own
//! machine, where there is no Twilio.

use axum::Form;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Map;
use uuid::Uuid;

use super::{Again, Which, refused};
use crate::agent::phone_number::readable;
use crate::agent::region::Region;
use crate::web::console::errors::Shown;
use crate::web::console::plain::plain;
use crate::web::editing::change::change;
use crate::web::numbers::AccountNumbers;
use crate::web::problem::Problem;
use crate::web::session::PageRequest;

/// The form, for whom a number that they write counts: an admin, or one with a Twilio account of their own.
/// What was typed, and why it was not accepted, is `wrong`.
pub(super) fn form(
    account: &AccountNumbers,
    is_admin: bool,
    wrong: Option<(&str, &Problem)>,
) -> Markup {
    let id = account.agent.id;
    let number = account.answers.as_deref().map(readable);
    let answers = number.as_deref().unwrap_or_default();
    let value = wrong.map_or(answers, |(typed, _)| typed);
    let why = wrong.map(|(_, problem)| plain(problem.detail.as_deref().unwrap_or(&problem.title)));
    let hint = format!("number-{id}-hint");
    let described = if why.is_some() { format!("number-{id}-error {hint}") } else { hint.clone() };
    html! {
        @if is_admin || account.is_own {
            details open[wrong.is_some()] {
                summary { "Write its number by hand" }
                form method="post" action={ "/agents/" (id) "/number" } {
                    label for={ "number-" (id) } { "Number that this agent answers" }
                    input id={ "number-" (id) } name="number" type="tel" value=(value)
                        aria-invalid=[why.as_ref().map(|_| "true")] aria-describedby=(described);
                    p .hint id=(hint) {
                        "As you dial it, or with its country code, such as " (Region::example(account.region)) ". Nothing is changed at Twilio: you tell it yourself where to send the calls (below). Without Twilio "
                        "it is the number that " code { "frontdesk dial --to" } " calls. Empty: none."
                    }
                    @if let Some(why) = &why { p .error id={ "number-" (id) "-error" } { (why) } }
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
    // It is read as it is dialled where the business is.
    let wanted = Map::from_iter([("twilio_phone_number".to_owned(), form.number.trim().into())]);
    match change(&state, &viewer, id, wanted, None).await {
        Ok(_) => Ok(Redirect::to(&format!("/numbers?agent={id}&done={done}")).into_response()),
        Err(problem) => {
            let which = Which::Number(&form.number);
            refused(&state, viewer, &Again { agent: id, which, problem: &problem }).await
        }
    }
}
