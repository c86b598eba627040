//! `/knowledge`: questions that the agent had no answer to, and the answers that it was given.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::layout::{Section, Shell};
use super::overview::OfAgent;
use super::{errors, time};
use crate::knowledge::answers::AnswerError;
use crate::store::access::{Object, Read, Refused, Role, VisibleAgent};
use crate::store::{AnswerRow, Gap};
use crate::web::AppState;
use crate::web::guard::may;
use crate::web::problem::Problem;
use crate::web::session::PageViewer;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .route("/knowledge", get(page))
        .route("/knowledge/{agent}/answers", post(answer))
        .route("/knowledge/{agent}/answers/{id}", post(change))
}

async fn page(
    State(state): State<Arc<AppState>>,
    PageViewer(viewer): PageViewer,
    Query(wanted): Query<OfAgent>,
) -> Response {
    let store = &state.owners.store;
    let shell = match Shell::of(store, viewer, wanted.agent).await {
        Ok(shell) => shell,
        Err(error) => return errors::store(&error),
    };
    let Some(agent) = shell.agent().cloned() else {
        return shell.page(
            Some(Section::Knowledge),
            "Knowledge",
            &html! {
                h1 { "Knowledge" }
                p .empty { "You have no agent yet. " a href="/setup" { "Set one up" } "." }
            },
        );
    };
    let read = async {
        let access = store.access::<Read>(&shell.viewer, Object::Agent(agent.id)).await?;
        Ok::<_, Refused>((store.gaps(&access).await?, store.answers(&access).await?))
    };
    match read.await {
        Ok((gaps, answers)) => {
            let body = body(&shell, &agent, &gaps, &answers);
            shell.page(Some(Section::Knowledge), "Knowledge", &body)
        }
        Err(refused) => errors::refused(&refused),
    }
}

fn body(shell: &Shell, agent: &VisibleAgent, gaps: &[Gap], answers: &[AnswerRow]) -> Markup {
    let may = agent.role >= Role::Maintainer;
    html! {
        h1 { "Knowledge of " bdi { (agent.business) } }
        p .zone { "What callers asked and the agent could not answer. An answer is known to the next call." }
        h2 { "Questions without an answer" @if !gaps.is_empty() { " (" (gaps.len()) ")" } }
        @if gaps.is_empty() {
            p .empty { "None in the last 90 days. When a caller asks something that the agent does not know, it appears here." }
        } @else {
            ul .list { @for gap in gaps { li { (question(shell, agent.id, gap, may)) } } }
        }
        h2 { "Answers" @if !answers.is_empty() { " (" (answers.len()) ")" } }
        @if may { (new_answer(agent.id)) }
        @if answers.is_empty() {
            p .quiet { "None yet." }
        } @else {
            ul .list { @for answer in answers { li { (known(agent.id, answer, may)) } } }
        }
    }
}

fn question(shell: &Shell, agent: Uuid, gap: &Gap, may: bool) -> Markup {
    let at = time::when(&time::at(gap.at_us, &shell.zone()), &shell.now);
    let field = format!("answer-{}", gap.id);
    html! {
        div .row {
            strong .grow { "“" (gap.question.reveal()) "”" }
            @if gap.asked > 1 { span .badge { "asked by " (gap.asked) } }
            a href={ "/calls/" (gap.call_log_id) } { time { (at) } }
        }
        @if gap.answer_id.is_some() {
            p .hint { "There is an answer to this below, and the agent did not find it. Say it in the words that callers use." }
        }
        @if may {
            form method="post" action={ "/knowledge/" (agent) "/answers" } {
                input type="hidden" name="question" value=(gap.question.reveal());
                label for=(field) { "Answer" }
                textarea id=(field) name="answer" required maxlength="4000" {}
                button .main type="submit" { "Save the answer" }
            }
        }
    }
}

fn new_answer(agent: Uuid) -> Markup {
    html! {
        details {
            summary { "Add a question and its answer" }
            form .card method="post" action={ "/knowledge/" (agent) "/answers" } {
                label for="new-question" { "Question, as callers ask it" }
                input #new-question name="question" required maxlength="1000";
                label for="new-answer" { "Answer" }
                textarea #new-answer name="answer" required maxlength="4000" {}
                button .main type="submit" { "Save" }
            }
        }
    }
}

fn known(agent: Uuid, answer: &AnswerRow, may: bool) -> Markup {
    let (q, a) = (format!("q-{}", answer.id), format!("a-{}", answer.id));
    html! {
        strong { (answer.question.reveal()) }
        @if !answer.is_known { " " span .badge .warn { "waits for the language service" } }
        p { (answer.answer.reveal()) }
        @if may {
            details {
                summary { "Change" span .hidden { " the answer to " (answer.question.reveal()) } }
                form method="post" action={ "/knowledge/" (agent) "/answers/" (answer.id) } {
                    label for=(q) { "Question" }
                    input id=(q) name="question" required maxlength="1000" value=(answer.question.reveal());
                    label for=(a) { "Answer" }
                    textarea id=(a) name="answer" required maxlength="4000" { (answer.answer.reveal()) }
                    div .actions {
                        button .main type="submit" name="do" value="save" { "Save" }
                        button .bad type="submit" name="do" value="remove" { "Remove" }
                    }
                }
            }
        }
    }
}

/// What the forms send.
#[derive(Deserialize)]
struct AnswerForm {
    question: String,
    answer: String,
    #[serde(default, rename = "do")]
    what: String,
}

/// What was wrong with an answer, as a problem.
pub(crate) fn answer_problem(error: AnswerError) -> Problem {
    match error {
        AnswerError::Store(error) => error.into(),
        AnswerError::Gone => Problem::not_found(),
        AnswerError::Duplicate => Problem::conflict(error.to_string(), serde_json::Value::Null),
        AnswerError::Empty(field) => Problem::invalid(field, error.to_string()),
        AnswerError::TooLong { what, .. } => Problem::invalid(what, error.to_string()),
    }
}

async fn answer(
    State(state): State<Arc<AppState>>,
    PageViewer(viewer): PageViewer,
    Path(agent): Path<Uuid>,
    Form(form): Form<AnswerForm>,
) -> Response {
    let access = match may(&state, &viewer, Object::Agent(agent), "answer.give").await {
        Ok(access) => access,
        Err(refused) => return errors::refused(&refused),
    };
    let kept = state.answers().answer_gap(&access, &viewer, &form.question, &form.answer).await;
    finish(agent, kept.map(|_| ()))
}

async fn change(
    State(state): State<Arc<AppState>>,
    PageViewer(viewer): PageViewer,
    Path((agent, id)): Path<(Uuid, i64)>,
    Form(form): Form<AnswerForm>,
) -> Response {
    let is_removal = form.what == "remove";
    let action = if is_removal { "answer.remove" } else { "answer.change" };
    let access = match may(&state, &viewer, Object::Agent(agent), action).await {
        Ok(access) => access,
        Err(refused) => return errors::refused(&refused),
    };
    let answers = state.answers();
    if is_removal {
        let removed = match answers.forget(&access, &viewer, id).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(AnswerError::Gone),
            Err(error) => Err(error.into()),
        };
        return finish(agent, removed);
    }
    let kept = answers.change(&access, &viewer, id, &form.question, &form.answer).await;
    finish(agent, kept.map(|_| ()))
}

fn finish(agent: Uuid, kept: Result<(), AnswerError>) -> Response {
    match kept {
        Ok(()) => Redirect::to(&format!("/knowledge?agent={agent}")).into_response(),
        Err(error) => errors::problem(&answer_problem(error)),
    }
}
