//! The languages that an agent can begin in, to be chosen by their names.

use maud::{Markup, html};

/// Those that the speech service hears, by their codes (ISO 639-1).
const LANGUAGES: [(&str, &str); 57] = [
    ("af", "Afrikaans"),
    ("ar", "Arabic"),
    ("hy", "Armenian"),
    ("az", "Azerbaijani"),
    ("be", "Belarusian"),
    ("bs", "Bosnian"),
    ("bg", "Bulgarian"),
    ("ca", "Catalan"),
    ("zh", "Chinese"),
    ("hr", "Croatian"),
    ("cs", "Czech"),
    ("da", "Danish"),
    ("nl", "Dutch"),
    ("en", "English"),
    ("et", "Estonian"),
    ("fi", "Finnish"),
    ("fr", "French"),
    ("gl", "Galician"),
    ("de", "German"),
    ("el", "Greek"),
    ("he", "Hebrew"),
    ("hi", "Hindi"),
    ("hu", "Hungarian"),
    ("is", "Icelandic"),
    ("id", "Indonesian"),
    ("it", "Italian"),
    ("ja", "Japanese"),
    ("kn", "Kannada"),
    ("kk", "Kazakh"),
    ("ko", "Korean"),
    ("lv", "Latvian"),
    ("lt", "Lithuanian"),
    ("mk", "Macedonian"),
    ("ms", "Malay"),
    ("mi", "Maori"),
    ("mr", "Marathi"),
    ("ne", "Nepali"),
    ("no", "Norwegian"),
    ("fa", "Persian"),
    ("pl", "Polish"),
    ("pt", "Portuguese"),
    ("ro", "Romanian"),
    ("ru", "Russian"),
    ("sr", "Serbian"),
    ("sk", "Slovak"),
    ("sl", "Slovenian"),
    ("es", "Spanish"),
    ("sw", "Swahili"),
    ("sv", "Swedish"),
    ("tl", "Tagalog"),
    ("ta", "Tamil"),
    ("th", "Thai"),
    ("tr", "Turkish"),
    ("uk", "Ukrainian"),
    ("ur", "Urdu"),
    ("vi", "Vietnamese"),
    ("cy", "Welsh"),
];

/// The one of agents for which none was chosen.
pub(super) const FIRST: &str = "en";

/// What people call a language; none where its code is not known. One with more than a language in it,
/// such as `de-CH`, is named with its code.
pub(super) fn name(code: &str) -> Option<String> {
    let (language, rest) = code.split_once('-').unwrap_or((code, ""));
    let is_it = |(known, _): &&(&str, &str)| known.eq_ignore_ascii_case(language);
    let (_, name) = LANGUAGES.iter().find(is_it)?;
    Some(if rest.is_empty() { (*name).to_owned() } else { format!("{name} ({code})") })
}

/// The choices of a `<select>`. What is chosen and not among them, such as `de-CH`, is one more.
pub(super) fn options(chosen: &str) -> Markup {
    let is_listed = LANGUAGES.iter().any(|(code, _)| *code == chosen);
    html! {
        @if !is_listed {
            option value=(chosen) selected { (name(chosen).unwrap_or_else(|| chosen.to_owned())) }
        }
        @for (code, name) in LANGUAGES {
            option value=(code) selected[code == chosen] { (name) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_chosen_by_its_name_and_one_that_is_not_listed_stays() {
        let shown = options("de").into_string();
        assert_eq!(shown.matches(" selected").count(), 1, "{shown}");
        assert!(shown.contains("value=\"de\" selected>German<"), "{shown}");
        for (code, words) in [("de-CH", "German (de-CH)"), ("gsw", "gsw"), ("EN", "English")] {
            let shown = options(code).into_string();
            let first = format!("<option value=\"{code}\" selected>{words}</option>");
            assert!(shown.starts_with(&first), "{shown}");
            assert_eq!(shown.matches(" selected").count(), 1, "{shown}");
        }
        assert!(LANGUAGES.is_sorted_by_key(|(_, name)| *name));
        assert!(name(FIRST).is_some());
    }
}
