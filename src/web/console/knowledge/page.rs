//! What the page of questions and answers shows.

use maud::{Markup, html};
use uuid::Uuid;

use super::{ask, documents, sources};
use crate::knowledge::answers::{AnswerError, shortened};
use crate::store::access::{Role, VisibleAgent};
use crate::store::documents::DocumentRow;
use crate::store::sources::SourceRow;
use crate::store::{AnswerRow, Gap};
use crate::web::console::layout::Shell;
use crate::web::console::{time, words};

/// Which form of the page something was written into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The one for another question.
    New,
    /// That of a question without an answer.
    Gap(Uuid),
    /// That of an answer.
    Answer(i64),
}

/// What somebody wrote and was not saved.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) place: Place,
    pub(super) question: String,
    pub(super) answer: String,
    /// Why not.
    pub(super) why: AnswerError,
}

impl Draft {
    /// The field that is wrong.
    fn field(&self) -> &str {
        match &self.why {
            AnswerError::Empty(field) | AnswerError::TooLong { what: field, .. } => field,
            AnswerError::Duplicate => "question",
            _ => "answer",
        }
    }
}

/// An agent's questions and answers.
pub(super) struct Known<'a> {
    pub(super) agent: &'a VisibleAgent,
    pub(super) gaps: &'a [Gap],
    pub(super) answers: &'a [AnswerRow],
    pub(super) sources: &'a [SourceRow],
    pub(super) documents: &'a [DocumentRow],
    pub(super) draft: Option<&'a Draft>,
}

/// The texts of a form.
struct Texts<'a> {
    question: &'a str,
    answer: &'a str,
    draft: Option<&'a Draft>,
}

impl Known<'_> {
    pub(super) fn body(&self, shell: &Shell) -> Markup {
        let may = self.agent.role >= Role::Maintainer;
        let (gaps, answers) = (self.gaps, self.answers);
        html! {
            h1 { "Knowledge of " bdi { (self.agent.business) } }
            p .zone { "What callers asked and the agent could not answer. An answer is known to the next call." }
            @if let Some(draft) = self.draft { (told(draft)) }
            h2 { "Questions without an answer" @if !gaps.is_empty() { " (" (gaps.len()) ")" } }
            @if gaps.is_empty() {
                p .empty { "None in the last 90 days. When a caller asks something that the agent does not know, it appears here." }
            } @else {
                ul .list { @for gap in gaps { li { (self.question(shell, gap, may)) } } }
            }
            h2 { "Answers" @if !answers.is_empty() { " (" (answers.len()) ")" } }
            @if may { (self.new_answer()) }
            @if answers.is_empty() {
                p .quiet { "None yet." }
            } @else {
                ul .list { @for answer in answers { li { (self.known(answer, may)) } } }
            }
            (sources::list(shell, self.agent.id, self.sources, may))
            @if !self.documents.is_empty() { (documents::list(shell, self.agent.id, self.documents)) }
            @if may { (ask::form(self.agent.id, "")) }
        }
    }

    fn draft_of(&self, place: Place) -> Option<&Draft> {
        self.draft.filter(|draft| draft.place == place)
    }

    fn question(&self, shell: &Shell, gap: &Gap, may: bool) -> Markup {
        let at = time::when(&time::at(gap.at_us, &shell.zone()), &shell.now);
        let draft = self.draft_of(Place::Gap(gap.id));
        let question = shortened(gap.question.reveal());
        let texts = Texts { question: "", answer: "", draft };
        html! {
            div .row {
                strong .grow { "“" (question) "”" }
                @if gap.asked > 1 { span .badge { "asked in " (gap.asked) " calls" } }
                a href={ "/calls/" (gap.call_log_id) } { time { (at) } }
            }
            @if gap.answer_id.is_some() {
                p .hint { "There is an answer to this below, and the agent did not find it. Say it in the words that callers use." }
            }
            @if may {
                form method="post" action={ "/knowledge/" (self.agent.id) "/answers" } {
                    input type="hidden" name="gap" value=(gap.id);
                    input type="hidden" name="question" value=(question);
                    @if let Some(seen) = gap.answered_us { input type="hidden" name="seen" value=(seen); }
                    (answer_field(&format!("answer-{}", gap.id), &texts))
                    button .main type="submit" { "Save the answer" }
                }
            }
        }
    }

    fn new_answer(&self) -> Markup {
        let draft = self.draft_of(Place::New);
        let texts = Texts { question: "", answer: "", draft };
        html! {
            details open[draft.is_some()] {
                summary { "Add a question and its answer" }
                form .card method="post" action={ "/knowledge/" (self.agent.id) "/answers" } {
                    (question_field("new-question", "Question, as callers ask it", &texts))
                    (answer_field("new-answer", &texts))
                    button .main type="submit" { "Save" }
                }
            }
        }
    }

    fn known(&self, answer: &AnswerRow, may: bool) -> Markup {
        let id = answer.id;
        let draft = self.draft_of(Place::Answer(id));
        let (question, said) = (answer.question.reveal(), answer.answer.reveal());
        let texts = Texts { question, answer: said, draft };
        html! {
            strong { (question) }
            @if !answer.is_known { " " span .badge .warn { "saved, not in use yet" } }
            p { (said) }
            @if !answer.is_known { p .hint { "The service that makes texts searchable did not answer. It is tried again by itself." } }
            @if may {
                details open[draft.is_some()] {
                    summary { "Change" span .hidden { " the answer to " (question) } }
                    form method="post" action={ "/knowledge/" (self.agent.id) "/answers/" (id) } {
                        input type="hidden" name="seen" value=(answer.at_us);
                        (question_field(&format!("q-{id}"), "Question", &texts))
                        (answer_field(&format!("a-{id}"), &texts))
                        div .actions {
                            button .main type="submit" name="do" value="save" { "Save" }
                            button .bad type="submit" name="do" value="remove" formnovalidate { "Remove" }
                        }
                    }
                }
            }
        }
    }
}

/// Why what was written is not saved.
fn told(draft: &Draft) -> Markup {
    html! {
        div .note .bad #told role="alert" {
            p { b { "Not saved." } " " @match &draft.why {
                AnswerError::Changed(_) => "Somebody has answered this meanwhile. Below is what you wrote: save it again to put it in the place of theirs.",
                why => { (words::capital(&why.to_string())) "." }
            } }
            @if let AnswerError::Changed(theirs) = &draft.why {
                p { "Theirs: " bdi { "“" (theirs.question.reveal()) "”" } " " bdi { (theirs.answer.reveal()) } }
                p { "Yours: " bdi { (draft.answer) } }
            }
        }
    }
}

fn question_field(id: &str, label: &str, texts: &Texts<'_>) -> Markup {
    let draft = texts.draft;
    let value = draft.map_or(texts.question, |draft| &draft.question);
    let is_wrong = draft.is_some_and(|draft| draft.field() == "question");
    html! {
        label for=(id) { (label) }
        input id=(id) name="question" type="text" required value=(value)
            aria-invalid=[is_wrong.then_some("true")] aria-describedby=[is_wrong.then_some("told")];
    }
}

fn answer_field(id: &str, texts: &Texts<'_>) -> Markup {
    let draft = texts.draft;
    let value = draft.map_or(texts.answer, |draft| &draft.answer);
    let is_wrong = draft.is_some_and(|draft| draft.field() == "answer");
    html! {
        label for=(id) { "Answer" }
        textarea id=(id) name="answer" required autofocus[is_wrong]
            aria-invalid=[is_wrong.then_some("true")] aria-describedby=[is_wrong.then_some("told")]
            { (value) }
    }
}
