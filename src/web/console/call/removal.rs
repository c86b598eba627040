//! Deleting one call, confirmed by its caller's number.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::response::{IntoResponse, Redirect};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use crate::agent::phone_number::{normalise_local, readable};
use crate::store::access::{Object, Own};
use crate::store::call_page::CallPage;
use crate::web::call_filter::Here;
use crate::web::console::errors::{Fault, Shown};
use crate::web::erase;
use crate::web::guard::{PageId, may};
use crate::web::problem::Problem;
use crate::web::session::PageRequest;

/// What confirms the removal of a call whose number is withheld.
const WORD: &str = "delete";

/// The form.
pub(super) fn form(call: &CallPage) -> Markup {
    let number = call.caller_e164.as_ref().map(|number| readable(number.reveal()));
    html! {
        details {
            summary { "Delete this call" }
            p {
                "Its words, summary, recording and messages go, and what there was to do because of it. \
                A booking that was made stays. This can't be undone."
            }
            form method="post" action={ "/calls/" (call.id) "/delete" } {
                label for="confirm" {
                    @match &number {
                        Some(number) => { "Type the number " (number) " to confirm" }
                        None => { "Type " (WORD) " to confirm" }
                    }
                }
                input #confirm name="confirm" type="text" required autocomplete="off";
                (leave_messages())
                p { button .bad type="submit" { "Delete this call" } }
            }
        }
    }
}

/// The box for what cannot be removed with the rest.
pub(in crate::web::console) fn leave_messages() -> Markup {
    html! {
        p {
            label {
                input type="checkbox" name="leave_messages" value="true";
                " Also if a message has to stay at Twilio, in an account that the agent no longer has"
            }
        }
    }
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Confirmed {
    #[serde(default)]
    confirm: String,
    #[serde(default)]
    leave_messages: bool,
}

/// Deletes the call.
pub(super) async fn delete(
    PageRequest { state, viewer }: PageRequest,
    PageId(id): PageId<Uuid>,
    form: Result<Form<Confirmed>, FormRejection>,
) -> Shown {
    let Confirmed { confirm: typed, leave_messages } =
        form.map(|Form(form)| form).unwrap_or_default();
    let store = &state.owners.store;
    let access = may::<Own>(&state, &viewer, Object::Call(id), "call.delete").await?;
    let call = store.call(&access, id).await?.ok_or(Fault::NotFound)?;
    let region = Here::of(store.visible_agents(&viewer).await?.find(call.agent_id)).region;
    let is_confirmed = match &call.caller_e164 {
        Some(number) => normalise_local(&typed, region).as_ref() == Some(number.reveal()),
        None => typed.trim().eq_ignore_ascii_case(WORD),
    };
    if !is_confirmed {
        let why = "the number that was typed is not this call's; nothing was deleted";
        return Err(Problem::invalid("confirm", why).into());
    }
    erase::call(&state, &viewer, id, leave_messages.into()).await?;
    Ok(Redirect::to("/calls?deleted=1").into_response())
}
