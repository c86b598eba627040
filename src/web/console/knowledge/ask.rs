//! What an agent would find for a question: the passages that it would be given in a call.

use axum::Form;
use axum::extract::Path;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use crate::call::Passage;
use crate::knowledge::answers::QUESTION_BYTES;
use crate::store::access::{Maintain, Object};
use crate::web::console::errors::{Fault, Shown};
use crate::web::console::layout::{Section, Shell};
use crate::web::guard::may;
use crate::web::paces::{TRIES, count};
use crate::web::session::PageRequest;

/// What the form sends.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    question: String,
}

/// Where a question is asked.
pub(super) fn form(agent: Uuid, question: &str) -> Markup {
    html! {
        h2 { "What would it find?" }
        form .card method="post" action={ "/knowledge/" (agent) "/ask" } {
            label for="asked" { "A caller's question" }
            input #asked name="question" type="text" required maxlength=(QUESTION_BYTES) value=(question) aria-describedby="asked-hint";
            p .hint #asked-hint { "You see the passages that the agent would be given for its answer. Nobody is called." }
            p .actions { button type="submit" { "Look it up" } }
        }
    }
}

/// A question was asked.
pub(super) async fn send(
    PageRequest { state, viewer }: PageRequest,
    Path(agent): Path<Uuid>,
    Form(asked): Form<Asked>,
) -> Shown {
    let access = may::<Maintain>(&state, &viewer, Object::Agent(agent), "knowledge.ask").await?;
    // Each question costs the operator an embedding.
    count(&state.owners.store, &TRIES, viewer.id(), Fault::TooMany).await?;
    let question = asked.question.trim();
    let question = &question[..question.floor_char_boundary(QUESTION_BYTES)];
    let known = state.directory.by_id(access.agent_id()).await.ok_or(Fault::NotFound)?;
    let found = state.services.function_services.knowledge.search(&known, question).await.ok();
    let shell = Shell::of(&state.owners.store, viewer, Some(agent)).await?;
    let body = html! {
        h1 { "What it would find" }
        p .zone { a href={ "/knowledge?agent=" (agent) } { "All that the agent knows" } }
        p { "Asked: " bdi { "“" (question) "”" } }
        (told(found.as_deref()))
        (form(agent, question))
    };
    Ok(shell.page(Some(Section::Knowledge), "What it would find", &body))
}

/// What was found; none: it could not be looked for.
fn told(found: Option<&[Passage]>) -> Markup {
    html! {
        @match found {
            None => p .note .warn { "The service that makes texts searchable does not answer just now. In a call the agent would answer without its texts." },
            Some([]) => p .note { "Nothing fits. In a call the agent would say that it does not know, and the question would stand under Knowledge." },
            Some(passages) => {
                p { "The agent would be given " @if passages.len() == 1 { "this" } @else { "these, the best first" } ":" }
                ol .list { @for passage in passages { li { bdi { (passage.text) } } } }
            }
        }
    }
}
