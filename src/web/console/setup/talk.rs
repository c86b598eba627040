//! The screen on which the agent is tried, and given answers to what callers ask most.

use std::collections::BTreeMap;

use axum::Form;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Redirect};
use maud::{Markup, html};
use serde_json::Map;
use uuid::Uuid;

use super::forms::{self, BACK, Told, back_unsaved, error, keep_and_back, progress, summary};
use super::{Setup, Step, Wrong, go_on, opened_with, refused, to_step};
use crate::call::question_key;
use crate::knowledge::answers::AnswerError;
use crate::store::AnswerRow;
use crate::store::access::{AgentAccess, Inspect, Maintain, Object};
use crate::web::AppState;
use crate::web::console::agent::Sent;
use crate::web::console::errors::{Fault, Shown};
use crate::web::console::knowledge::answer_problem;
use crate::web::session::PageRequest;
use crate::web::speech::{self, Trouble};

/// The names of the answers' fields: as many as a trade has questions.
const FIELDS: [&str; 6] = ["answer-0", "answer-1", "answer-2", "answer-3", "answer-4", "answer-5"];

/// A form that is shown once more: what was sent, and what was wrong with it.
type Again<'a> = (&'a Sent, &'a [Wrong]);

/// The agent's answers to the questions of its trade, in their order.
async fn answers(
    state: &AppState,
    setup: &Setup,
) -> Result<[Option<AnswerRow>; FIELDS.len()], Fault> {
    let (store, viewer) = (&state.owners.store, &setup.shell.viewer);
    let access = store.access::<Inspect>(viewer, Object::Agent(setup.row.id)).await?;
    let rows = store.answers(&access).await?;
    let mut rows: BTreeMap<String, AnswerRow> =
        rows.into_iter().map(|row| (row.question_key.reveal().clone(), row)).collect();
    Ok(setup.trade().questions.map(|question| rows.remove(&question_key(question))))
}

pub(super) async fn form(
    state: &AppState,
    setup: &Setup,
    again: Option<Again<'_>>,
) -> Result<Markup, Fault> {
    let answers = answers(state, setup).await?;
    let id = setup.row.id;
    let wrong = again.map_or(&[][..], |(_, wrong)| wrong);
    let given = answers.iter().flatten().count();
    let waiting = answers.iter().flatten().filter(|answer| !answer.is_known).count();
    let speech = speech::trouble(state).await;
    Ok(html! {
        h1 { "Talk to it" }
        (progress(Step::Try))
        (talking(speech))
        (summary(&told(wrong, &setup.trade().questions)))
        form #answers .card method="post" action={ "/setup/" (id) "/answers" } {
            h2 { "What callers will ask" }
            p { "Answer what you can, in a sentence or two each. What you leave out appears on the page Knowledge when a caller asks it." }
            @for ((field, question), answer) in FIELDS.iter().zip(setup.trade().questions).zip(&answers) {
                @let is_wrong = wrong.iter().any(|(name, _)| name == field);
                details open[is_wrong] {
                    summary { (question) @if let Some(answer) = answer { " " (badge(answer)) } }
                    label .hidden for=(field) { (question) }
                    textarea id=(field) name=(field) {
                        @match again.and_then(|(sent, _)| sent.get(*field)) {
                            Some(sent) => { (sent) }
                            None => { @if let Some(answer) = answer { (answer.answer.reveal()) } }
                        }
                    }
                    (error(wrong, field))
                }
            }
            @if waiting > 0 { p .note .warn { (not_in_use(waiting, speech)) " You can go on." } }
            p .actions { button type="submit" { "Save the answers" } @if given > 0 { span .quiet { (given) " of " (FIELDS.len()) " answered" } } }
            p .actions {
                button .main type="submit" formaction={ "/setup/" (id) "/tried" } { "Go on to the number" }
                (keep_and_back())
            }
        }
        @if again.is_some() { (back_unsaved(id, Step::Voice)) }
    })
}

/// That some answers do not reach callers yet, and why.
pub(super) fn not_in_use(waiting: usize, speech: Option<Trouble>) -> Markup {
    let has_no_key = speech.is_some_and(|trouble| trouble.is_missing);
    html! {
        @if waiting == 1 { "One answer is" } @else { (waiting) " answers are" }
        " saved, and callers do not get " @if waiting == 1 { "it" } @else { "them" } " yet: "
        @if has_no_key {
            "this server has no key of the service that makes texts searchable. Once whoever runs the server has set "
            code { "OPENAI_API_KEY" } ", that is done by itself."
        } @else {
            "the service that makes texts searchable does not answer just now. It is tried again by itself."
        }
    }
}

/// Whether callers get an answer yet.
fn badge(answer: &AnswerRow) -> Markup {
    html! {
        @if answer.is_known { span .badge .good { "answered" } }
        @else { span .badge .warn { "saved, not in use yet" } }
    }
}

/// The way to talk to it, where a service answers; else why none does.
fn talking(speech: Option<Trouble>) -> Markup {
    html! {
        div .card {
            p { "The agent is ready to be tried. Nobody can call it yet." }
            @if let Some(trouble) = speech {
                p .note .warn {
                    (trouble.what) " " (trouble.remedy)
                    @if trouble.has_stand_in() { " Until then a stand-in speaks in a test: it says the greeting, and understands nothing." }
                    " You can go on with the set-up all the same."
                }
            }
            @if speech.is_none_or(|trouble| !trouble.is_missing || trouble.has_stand_in()) {
                // What is typed below is kept by whatever leads on from here.
                p .actions { button .main[speech.is_none()] type="submit" form="answers" name="then" value="talk" { @if speech.is_some_and(Trouble::has_stand_in) { "Try the stand-in" } @else { "Talk to it now" } } }
            }
        }
    }
}

/// What was wrong, by the questions that it is about.
fn told(wrong: &[Wrong], questions: &[&'static str; FIELDS.len()]) -> Vec<Told> {
    let named: Vec<(&str, &str)> = FIELDS.into_iter().zip(questions.iter().copied()).collect();
    forms::told(wrong, &named)
}

/// Answers were sent. What is emptied is removed.
pub(super) async fn answer(
    PageRequest { state, viewer }: PageRequest,
    Path(id): Path<Uuid>,
    Form(sent): Form<Sent>,
) -> Shown {
    let (setup, access) = opened_with::<Maintain>(&state, viewer, id, "answer.give").await?;
    let wrong = keep(&state, &setup, &access, &sent).await?;
    if !wrong.is_empty() {
        return again(&state, &setup, (&sent, &wrong)).await;
    }
    Ok(match sent.get("then").map(String::as_str) {
        Some("talk") => Redirect::to(&format!("/agents/{id}/try")).into_response(),
        Some(BACK) => to_step(id, Step::Voice),
        _ => to_step(id, Step::Try),
    })
}

/// The screen once more, with what was sent and what was wrong with it.
async fn again(state: &AppState, setup: &Setup, again: Again<'_>) -> Shown {
    Ok(refused(setup, &form(state, setup, Some(again)).await?))
}

/// Keeps what differs: what was wrong.
async fn keep(
    state: &AppState,
    setup: &Setup,
    access: &AgentAccess<Maintain>,
    sent: &Sent,
) -> Result<Vec<Wrong>, Fault> {
    let mut wrong = Vec::new();
    let stored = answers(state, setup).await?;
    for ((field, question), stored) in FIELDS.iter().zip(setup.trade().questions).zip(stored) {
        let Some(text) = sent.get(*field).map(|text| text.replace("\r\n", "\n")) else { continue };
        let text = text.trim();
        let before = stored.as_ref().map_or("", |row| row.answer.reveal().trim());
        if text == before {
            continue;
        }
        let viewer = &setup.shell.viewer;
        let kept = match &stored {
            Some(row) if text.is_empty() => {
                let removed = state.answers().forget(access, viewer, row.id).await;
                removed.map(drop).map_err(AnswerError::from)
            }
            _ => state.answers().answer_gap(access, viewer, question, text).await.map(drop),
        };
        match kept {
            Ok(()) => {}
            Err(error @ (AnswerError::Empty(_) | AnswerError::TooLong { .. })) => {
                wrong.push((*field, error.to_string()));
            }
            Err(error) => return Err(answer_problem(error).into()),
        }
    }
    Ok(wrong)
}

/// It was tried, or need not be. The answers that stand on the screen are kept.
pub(super) async fn tried(
    PageRequest { state, viewer }: PageRequest,
    Path(id): Path<Uuid>,
    Form(sent): Form<Sent>,
) -> Shown {
    let (setup, access) = opened_with::<Maintain>(&state, viewer, id, "agent.change").await?;
    let wrong = keep(&state, &setup, &access, &sent).await?;
    if !wrong.is_empty() {
        return again(&state, &setup, (&sent, &wrong)).await;
    }
    Ok(go_on(&state, &setup, Map::new(), Step::Number).await?)
}
