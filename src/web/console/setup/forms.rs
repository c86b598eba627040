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

/// To the screen before.
pub(super) fn back(agent: Uuid, step: Step) -> Markup {
    html! { p { a href={ "/setup?agent=" (agent) "&step=" (step.word()) } { "Back" } } }
}
