//! `/knowledge`: questions that the agent had no answer to, and the answers that it was given.

mod ask;
mod documents;
mod page;
mod sources;

use std::sync::Arc;

use crate::web::routing::{get, post};
use axum::extract::{DefaultBodyLimit, Path, Query};
use axum::response::{IntoResponse, Redirect};
use axum::{Form, Router};
use http::StatusCode;
use maud::html;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use self::page::{Draft, Known, Place};
use super::errors::Shown;
use super::layout::{Section, Shell};
use super::overview::OfAgent;
use super::tasks::saved;
use crate::knowledge::answers::{AnswerError, GivenAnswer};
use crate::store::access::{AgentAccess, Maintain, Object, Read};
use crate::store::documents::DocumentRow;
use crate::store::people::Viewer;
use crate::store::sources::SourceRow;
use crate::store::{SeenAnswer, gap_id};
use crate::web::AppState;
use crate::web::guard::may;
use crate::web::problem::Problem;
use crate::web::query::empty_is_none;
use crate::web::serve::UPLOAD_BYTES;
use crate::web::session::PageRequest;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .route("/knowledge", get(page))
        .route("/knowledge/{agent}/answers", post(answer))
        .route("/knowledge/{agent}/ask", post(ask::send))
        .route("/knowledge/{agent}/document", get(documents::page))
        .route("/knowledge/{agent}/sources", post(sources::send))
        .route(
            "/knowledge/{agent}/sources/file",
            post(sources::upload).layer(DefaultBodyLimit::max(UPLOAD_BYTES)),
        )
        .route("/knowledge/{agent}/sources/{id}", post(sources::change))
        .route("/knowledge/{agent}/answers/{id}", post(change))
}

async fn page(PageRequest { state, viewer }: PageRequest, Query(wanted): Query<OfAgent>) -> Shown {
    show(&state, viewer, wanted.agent, None).await
}

/// The page, with what was written and not saved.
async fn show(
    state: &AppState,
    viewer: Viewer,
    wanted: Option<Uuid>,
    draft: Option<&Draft>,
) -> Shown {
    let store = &state.owners.store;
    let shell = Shell::of(store, viewer, wanted).await?;
    let Some(agent) = shell.agent() else {
        return Ok(shell.page(
            Some(Section::Knowledge),
            "Knowledge",
            &html! {
                h1 { "Knowledge" }
                p .empty { "You have no agent yet. " a href="/setup" { "Set one up" } "." }
            },
        ));
    };
    let access = store.access::<Read>(&shell.viewer, Object::Agent(agent.id)).await?;
    let (gaps, answers) = (store.gaps(&access).await?, store.answers(&access).await?);
    let mut sources = store.sources(&access).await?;
    let mut documents = store.documents(&access).await?;
    // Each stands in one of the lists.
    let is_of = |document: &DocumentRow, source: &SourceRow| document.key == source.id.to_string();
    sources.retain(|one| one.is_ours || !documents.iter().any(|document| is_of(document, one)));
    documents.retain(|document| !sources.iter().any(|one| is_of(document, one)));
    let (gaps, answers, sources, documents) = (&*gaps, &*answers, &*sources, &*documents);
    let known = Known { agent, gaps, answers, sources, documents, draft };
    Ok(shell.page(Some(Section::Knowledge), "Knowledge", &known.body(&shell)))
}

/// What the forms send.
#[derive(Debug, Deserialize)]
struct AnswerForm {
    /// The question without an answer that is answered.
    #[serde(default, deserialize_with = "empty_is_none")]
    gap: Option<Uuid>,
    #[serde(default)]
    question: String,
    #[serde(default)]
    answer: String,
    /// When the answer was given that the form shows.
    #[serde(default, deserialize_with = "empty_is_none")]
    seen: Option<i64>,
    #[serde(default, rename = "do")]
    what: String,
    /// `today` or `call`: the page that it was written on.
    #[serde(default)]
    back: String,
    /// The agent that is chosen there.
    #[serde(default, deserialize_with = "empty_is_none")]
    chosen: Option<Uuid>,
    /// The call on whose page it was written.
    #[serde(default, deserialize_with = "empty_is_none")]
    call: Option<Uuid>,
}

/// What was wrong with an answer, as a problem.
pub(crate) fn answer_problem(error: AnswerError) -> Problem {
    match error {
        AnswerError::Store(error) => error.into(),
        AnswerError::Gone => Problem::not_found(),
        AnswerError::Duplicate => Problem::conflict(error.to_string(), Value::Null),
        AnswerError::Changed(ref theirs) => {
            let said =
                json!({"question": theirs.question.reveal(), "answer": theirs.answer.reveal()});
            Problem::conflict(error.to_string(), said)
        }
        AnswerError::Empty(field) => Problem::invalid(field, error.to_string()),
        AnswerError::TooLong { what, .. } => Problem::invalid(what, error.to_string()),
    }
}

async fn answer(
    PageRequest { state, viewer }: PageRequest,
    Path(agent): Path<Uuid>,
    Form(form): Form<AnswerForm>,
) -> Shown {
    let access = may::<Maintain>(&state, &viewer, Object::Agent(agent), "answer.give").await?;
    let given = give(&state, &viewer, &access, &form).await;
    let place = form.gap.map_or(Place::New, Place::Gap);
    finish(&state, viewer, agent, (place, form, given)).await
}

/// Keeps an answer to a question of a caller's, or to another one.
async fn give(
    state: &AppState,
    viewer: &Viewer,
    access: &AgentAccess<Maintain>,
    form: &AnswerForm,
) -> Result<(), AnswerError> {
    let (store, agent) = (&state.owners.store, access.agent_id());
    let gap = match form.gap {
        Some(id) => store.gap_of(access, id).await?,
        None => None,
    };
    if let (Some(id), None) = (form.gap, &gap) {
        // It was answered since the page was made, if it is not too old.
        let answers = store.answers(access).await?;
        if let Some(theirs) = answers.iter().find(|answer| is_to(agent, id, answer)) {
            return Err(AnswerError::Changed(Box::new(theirs.clone())));
        }
    }
    let given = GivenAnswer {
        question: gap.as_ref().map_or(&form.question, |gap| gap.question.reveal()),
        is_asked: form.gap.is_some(),
        answer: &form.answer,
        instead_of: None,
        seen: form.seen.map_or(SeenAnswer::Nothing, SeenAnswer::At),
    };
    state.answers().give(access, viewer, &given).await.map(|_| ())
}

fn is_to(agent: Uuid, gap: Uuid, answer: &crate::store::AnswerRow) -> bool {
    gap_id(agent, answer.question_key.reveal()) == gap
}

async fn change(
    PageRequest { state, viewer }: PageRequest,
    Path((agent, id)): Path<(Uuid, i64)>,
    Form(form): Form<AnswerForm>,
) -> Shown {
    let is_removal = form.what == "remove";
    let action = if is_removal { "answer.remove" } else { "answer.change" };
    let access = may::<Maintain>(&state, &viewer, Object::Agent(agent), action).await?;
    let (answers, agent) = (state.answers(), access.agent_id());
    let done = if is_removal {
        match answers.forget(&access, &viewer, id).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(AnswerError::Gone),
            Err(error) => Err(error.into()),
        }
    } else {
        let given = GivenAnswer {
            question: &form.question,
            is_asked: false,
            answer: &form.answer,
            instead_of: Some(id),
            seen: form.seen.map_or(SeenAnswer::NotLooked, SeenAnswer::At),
        };
        answers.give(&access, &viewer, &given).await.map(|_| ())
    };
    finish(&state, viewer, agent, (Place::Answer(id), form, done)).await
}

async fn finish(
    state: &AppState,
    viewer: Viewer,
    agent: Uuid,
    (place, form, done): (Place, AnswerForm, Result<(), AnswerError>),
) -> Shown {
    match done {
        Ok(()) => {}
        Err(error @ (AnswerError::Gone | AnswerError::Store(_))) => {
            return Err(answer_problem(error).into());
        }
        Err(why) => return refused(state, viewer, agent, (place, form, why)).await,
    }
    let back = match (form.back.as_str(), form.chosen, form.call) {
        ("today", Some(chosen), _) => saved(&format!("/?agent={chosen}"), "answer"),
        ("today", None, _) => saved("/", "answer"),
        ("call", _, Some(call)) => format!("/calls/{call}"),
        _ => format!("/knowledge?agent={agent}"),
    };
    Ok(Redirect::to(&back).into_response())
}

/// The page once more, with what was written, where it can be saved again.
async fn refused(
    state: &AppState,
    viewer: Viewer,
    agent: Uuid,
    (place, form, why): (Place, AnswerForm, AnswerError),
) -> Shown {
    let (status, place, question) = match &why {
        // Whoever saves again has seen theirs.
        AnswerError::Changed(theirs) => {
            let question = match place {
                Place::Answer(_) => form.question,
                _ => theirs.question.reveal().clone(),
            };
            (StatusCode::CONFLICT, Place::Answer(theirs.id), question)
        }
        AnswerError::Duplicate => (StatusCode::CONFLICT, place, form.question),
        _ => (StatusCode::UNPROCESSABLE_ENTITY, place, form.question),
    };
    let draft = Draft { place, question, answer: form.answer, why };
    Ok((status, show(state, viewer, Some(agent), Some(&draft)).await?).into_response())
}
