//! The screen of the greeting and the voice.

use axum::Form;
use axum::extract::Path;
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::forms::{BACK, back_unsaved, described, error, keep_and_back, progress, summary, told};
use super::{Setup, Step, Wrong, go_on, opened_to_change, refused};
use crate::web::AppState;
use crate::web::console::errors::Shown;
use crate::web::console::plain::plain;
use crate::web::console::{languages, voices};
use crate::web::session::PageRequest;
use crate::web::speech;

/// The longest greeting, in characters.
const GREETING_MAX: usize = 1000;

/// What the screen sends.
#[derive(Debug, Deserialize)]
pub(super) struct VoiceForm {
    #[serde(default)]
    greeting: String,
    #[serde(default)]
    voice: String,
    #[serde(default)]
    language: String,
    recording: Option<String>,
    /// Where its sender goes from here.
    then: Option<String>,
}

impl VoiceForm {
    fn stored(setup: &Setup) -> Self {
        let records = setup.document["settings"]["recording"]["enabled"] == true;
        Self {
            greeting: setup.text("/settings/greeting").to_owned(),
            voice: match setup.text("/settings/voice") {
                "" => voices::FIRST.to_owned(),
                voice => voice.to_owned(),
            },
            language: match setup.text("/settings/language") {
                "" => languages::FIRST.to_owned(),
                language => language.to_owned(),
            },
            recording: records.then(|| "yes".to_owned()),
            then: None,
        }
    }

    fn wrong(&self, stored: &str) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        let greeting = self.greeting.trim();
        if greeting.is_empty() || greeting.chars().count() > GREETING_MAX {
            let length = greeting.chars().count();
            let mut why = "Write a sentence or two, at most 1,000 characters.".to_owned();
            if length > GREETING_MAX {
                why = format!("These are {length} characters. {why}");
            }
            wrong.push(("greeting", why));
        }
        // The voice of another service that it has may stay.
        if !voices::is_known(&self.voice) && self.voice != stored {
            wrong.push(("voice", "Choose one of the voices.".to_owned()));
        }
        wrong
    }
}

pub(super) async fn form(
    state: &AppState,
    setup: &Setup,
    again: Option<(&VoiceForm, &[Wrong])>,
) -> Markup {
    let is_heard = speech::trouble(state).await.is_none();
    let stored = VoiceForm::stored(setup);
    let (form, wrong) = again.unwrap_or((&stored, &[]));
    html! {
        h1 { "How does it answer?" }
        (progress(Step::Voice))
        (summary(&told(wrong, &[("greeting", "What callers hear first"), ("language", "Language"), ("voice", "Voice")])))
        form .card method="post" action={ "/setup/" (setup.row.id) "/voice" } {
            label for="greeting" { "What callers hear first" }
            textarea #greeting name="greeting" required aria-describedby=[described(wrong, "greeting")] { (form.greeting) }
            (error(wrong, "greeting"))
            (language(&form.language, wrong))
            label for="voice" { "Voice" }
            select #voice name="voice" aria-describedby="voice-hint" { (voices::options(&form.voice)) }
            p .hint #voice-hint {
                "OpenAI recommends two of them for the best sound. "
                @if is_heard { "You hear yours on the next screen, and can come back." }
                @else { "You cannot hear it yet, as the next screen says. Another one can be chosen at any time." }
             }
            (error(wrong, "voice"))
            label .check { input type="checkbox" name="recording" value="yes" checked[form.recording.is_some()]; " Record calls, after saying so" }
            p .hint { "In many places callers have to agree to a recording. The agent says “This call is recorded.” before anything else." }
            p .actions { button .main type="submit" { "Go on" } (keep_and_back()) }
        }
        @if again.is_some() { (back_unsaved(setup.row.id, Step::Hours)) }
    }
}

/// The language: folded, since most leave it.
fn language(chosen: &str, wrong: &[Wrong]) -> Markup {
    let is_wrong = wrong.iter().any(|(field, _)| *field == "language");
    html! {
        details open[is_wrong] {
            summary { "It begins in " (languages::name(chosen).unwrap_or_else(|| chosen.to_owned())) }
            label for="language" { "Language" }
            select #language name="language" aria-describedby="language-hint" { (languages::options(chosen)) }
            p .hint #language-hint {
                "It changes to the caller's by itself. Write what callers hear first in this language. What they \
                 are told of a recording, and when the agent cannot answer, is English until you write it on the \
                 agent's page."
            }
            (error(wrong, "language"))
        }
    }
}

/// The screen was sent.
pub(super) async fn send(
    PageRequest { state, viewer }: PageRequest,
    Path(id): Path<Uuid>,
    Form(sent): Form<VoiceForm>,
) -> Shown {
    let setup = opened_to_change(&state, viewer, id).await?;
    let wrong = sent.wrong(setup.text("/settings/voice"));
    if !wrong.is_empty() {
        return Ok(refused(&setup, &form(&state, &setup, Some((&sent, &wrong))).await));
    }
    let mut change = json!({"settings": {
        "greeting": sent.greeting.trim().replace("\r\n", "\n"),
        "voice": sent.voice,
        "recording": {"enabled": sent.recording.is_some()},
    }});
    // A page from before has none.
    if !sent.language.is_empty() {
        change["settings"]["language"] = sent.language.as_str().into();
    }
    let change = change.as_object().cloned().unwrap_or_default();
    let goes_back = sent.then.as_deref() == Some(BACK);
    let next = if goes_back { Step::Hours } else { Step::Try };
    match go_on(&state, &setup, change, next).await {
        Ok(response) => Ok(response),
        Err(problem) if problem.status() == StatusCode::UNPROCESSABLE_ENTITY => {
            let field = match problem.field.as_deref() {
                Some("settings.voice") => "voice",
                Some("settings.language") => "language",
                _ => "greeting",
            };
            let wrong = [(field, plain(&problem.detail.unwrap_or_default()))];
            Ok(refused(&setup, &form(&state, &setup, Some((&sent, &wrong))).await))
        }
        Err(problem) => Err(problem.into()),
    }
}
