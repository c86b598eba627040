//! What the screens of the set-up have in common.

use maud::{Markup, html};
use uuid::Uuid;

use super::{Step, Wrong};

/// Where one is.
pub(super) fn progress(step: Step) -> Markup {
    let names = ["Business", "Hours", "Voice", "Try it", "Number"];
    let at = Step::ALL.iter().position(|one| *one == step).unwrap_or_default();
    html! {
        p .zone { "Step " (at + 1) " of " (names.len()) ": " (names[at]) }
        progress max=(names.len()) value=(at + 1) aria-label="How far the set-up is" {}
    }
}

/// A fault as the summary of a screen tells it.
#[derive(Debug)]
pub(super) struct Told {
    /// The id of the field that it is about.
    pub(super) id: String,
    /// What the field is called.
    pub(super) name: String,
    /// What was wrong, and what is accepted.
    pub(super) why: String,
}

/// The same of fields whose id is their name, with what each is called.
pub(super) fn told(wrong: &[Wrong], names: &[(&str, &str)]) -> Vec<Told> {
    let name = |field: &str| names.iter().find(|(known, _)| *known == field);
    let told = |(field, why): &Wrong| Told {
        id: (*field).to_owned(),
        name: name(field).map_or(*field, |(_, name)| *name).to_owned(),
        why: why.clone(),
    };
    wrong.iter().map(told).collect()
}

/// What a form says next to what was typed if its sender goes back.
pub(super) const BACK: &str = "back";

/// All faults of a screen at its top, with the way to each field; nothing where there is none.
pub(super) fn summary(told: &[Told]) -> Markup {
    html! {
        @if !told.is_empty() {
            // Whoever sent the form is at the top of a new page: here it begins for them.
            div .note.bad role="alert" tabindex="-1" autofocus {
                p { strong { "This was not saved." } " What you wrote is still here. Please look at:" }
                ul { @for Told { id, name, why } in told { li { a href={ "#" (id) } { (name) } ": " (why) } } }
            }
        }
    }
}

/// What was wrong with this field.
pub(super) fn error(wrong: &[Wrong], field: &str) -> Markup {
    html! {
        @for (_, why) in wrong.iter().filter(|(name, _)| *name == field) {
            p .error id={ "error-" (field) } { (why) }
        }
    }
}

/// What describes a field that was wrong, for screen readers.
pub(super) fn described(wrong: &[Wrong], field: &str) -> Option<String> {
    wrong.iter().any(|(name, _)| *name == field).then(|| format!("error-{field}"))
}

/// To the screen before, of one on which nothing is typed.
pub(super) fn back(agent: Uuid, step: Step) -> Markup {
    html! { p { a href={ "/setup?agent=" (agent) "&step=" (step.word()) } { "Back" } } }
}

/// To the screen before with what is typed on this one, which is kept: a button of its form, behind the
/// one that goes on.
pub(super) fn keep_and_back() -> Markup {
    html! { button type="submit" name="then" value=(BACK) formnovalidate { "Back" } }
}

/// Where what was typed could not be kept.
pub(super) fn back_unsaved(agent: Uuid, step: Step) -> Markup {
    html! { p { a href={ "/setup?agent=" (agent) "&step=" (step.word()) } { "Back without saving" } } }
}
