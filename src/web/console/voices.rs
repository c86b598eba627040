//! The voices of the speech service that an owner chooses from.

use maud::{Markup, html};

/// Each with what the service says of it: two are recommended for the best sound, and none is described.
const VOICES: [(&str, &str); 10] = [
    ("marin", "recommended"),
    ("cedar", "recommended"),
    ("alloy", ""),
    ("ash", ""),
    ("ballad", ""),
    ("coral", ""),
    ("echo", ""),
    ("sage", ""),
    ("shimmer", ""),
    ("verse", ""),
];

/// The one that agents have who have chosen none.
pub(super) const FIRST: &str = VOICES[0].0;

/// Whether it is one of them.
pub(super) fn is_known(voice: &str) -> bool {
    VOICES.iter().any(|(name, _)| *name == voice)
}

/// The choices of a `<select>`. What is chosen and not among them, such as the voice of another service,
/// is one more.
pub(super) fn options(chosen: &str) -> Markup {
    html! {
        @if !is_known(chosen) { option value=(chosen) selected { (chosen) } }
        @for (voice, said) in VOICES {
            option value=(voice) selected[voice == chosen] {
                (super::words::capital(voice)) @if !said.is_empty() { " (" (said) ")" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voice_of_another_service_stays_chosen() {
        let shown = options("voice_1234").into_string();
        assert!(shown.starts_with("<option value=\"voice_1234\" selected>"), "{shown}");
        let shown = options("coral").into_string();
        assert_eq!(shown.matches(" selected").count(), 1, "{shown}");
        assert!(shown.contains("value=\"coral\" selected>Coral<"), "{shown}");
        assert!(is_known(FIRST));
    }
}
