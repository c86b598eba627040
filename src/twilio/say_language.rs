//! The languages that `<Say>` speaks.

/// The tags that `<Say language>` accepts: the type `SayLanguage` of Twilio's own helper library
/// (`twilio` 6.3.1 on npm, `lib/twiml/VoiceResponse.d.ts`). With any other tag Twilio may report an
/// error and speak nothing, and what is spoken may be the notice that a call is recorded.
#[rustfmt::skip]
const TAGS: [&str; 69] = [
    "af-ZA", "am-ET", "ar-AE", "ar-XA", "arb", "bg-BG", "bn-IN", "ca-ES", "cmn-CN", "cmn-TW",
    "cs-CZ", "cy-GB", "da-DK", "de-AT", "de-DE", "el-GR", "en-AU", "en-CA", "en-GB", "en-GB-WLS",
    "en-IE", "en-IN", "en-NZ", "en-US", "en-ZA", "es-ES", "es-MX", "es-US", "fi-FI", "fil-PH",
    "fr-CA", "fr-FR", "fr-BE", "gu-IN", "he-IL", "hi-IN", "hu-HU", "id-ID", "is-IS", "it-IT",
    "ja-JP", "kn-IN", "ko-KR", "lv-LV", "ml-IN", "mr-IN", "ms-MY", "nb-NO", "nl-BE", "nl-NL",
    "pa-IN", "pl-PL", "pt-BR", "pt-PT", "ro-RO", "ru-RU", "sk-SK", "sr-RS", "sv-SE", "ta-IN",
    "te-IN", "th-TH", "tr-TR", "uk-UA", "vi-VN", "yue-HK", "zh-CN", "zh-HK", "zh-TW",
];

/// The tag of a language that is spoken in several regions, where the region is not one of them.
const MAIN: [(&str, &str); 8] = [
    ("ar", "arb"),
    ("cmn", "cmn-CN"),
    ("de", "de-DE"),
    ("en", "en-US"),
    ("es", "es-ES"),
    ("fr", "fr-FR"),
    ("nl", "nl-NL"),
    ("pt", "pt-BR"),
];

/// Other codes of a language, and the one that the tags begin with.
const ALIASES: [(&str, &str); 6] =
    [("no", "nb"), ("nn", "nb"), ("iw", "he"), ("in", "id"), ("tl", "fil"), ("sh", "sr")];

/// The tag that `<Say>` accepts for a language tag such as `en`, `de-CH` or `sr-Latn-RS`: the same
/// one, or else the language without its region. `None` where Twilio does not speak the language:
/// the attribute is left out, and the account's own voice speaks.
pub(super) fn say_language(tag: &str) -> Option<&'static str> {
    let tag = tag.trim().replace('_', "-").to_ascii_lowercase();
    let exact = |wanted: &str| TAGS.into_iter().find(|tag| tag.eq_ignore_ascii_case(wanted));
    if let Some(tag) = exact(&tag) {
        return Some(tag);
    }
    let mut parts = tag.split('-');
    let language = parts.next().unwrap_or_default();
    let language = paired(&ALIASES, language).unwrap_or(language);
    let (mut region, mut is_traditional) = (None, false);
    for part in parts {
        match part.len() {
            2 if region.is_none() => region = Some(part),
            4 => is_traditional = part == "hant",
            _ => {}
        }
    }
    let with_region = region.and_then(|region| exact(&format!("{language}-{region}")));
    with_region.or_else(|| match (language, region) {
        ("zh", Some("mo")) => Some("zh-HK"),
        ("zh", _) if is_traditional => Some("zh-TW"),
        ("zh", _) => Some("zh-CN"),
        // Spanish of the Americas: `es-AR`, `es-419`.
        ("es", region) if region != Some("es") && tag != "es" => Some("es-MX"),
        _ => paired(&MAIN, language).or_else(|| only_one(language)),
    })
}

fn paired(pairs: &[(&str, &'static str)], wanted: &str) -> Option<&'static str> {
    pairs.iter().find(|(name, _)| *name == wanted).map(|&(_, value)| value)
}

/// The tag of a language that has no other.
fn only_one(language: &str) -> Option<&'static str> {
    TAGS.into_iter().find(|tag| tag.split('-').next() == Some(language))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tags_that_twilio_has_are_said() {
        for (tag, expected) in [
            ("en", Some("en-US")),
            ("en-GB", Some("en-GB")),
            ("EN_gb", Some("en-GB")),
            ("en-GB-WLS", Some("en-GB-WLS")),
            ("en-SG", Some("en-US")),
            ("de", Some("de-DE")),
            ("de-AT", Some("de-AT")),
            ("de-CH", Some("de-DE")),
            ("fr-CH", Some("fr-FR")),
            ("fr-be", Some("fr-BE")),
            ("es", Some("es-ES")),
            ("es-AR", Some("es-MX")),
            ("es-419", Some("es-MX")),
            ("pt", Some("pt-BR")),
            ("pt-AO", Some("pt-BR")),
            ("sr-Latn-RS", Some("sr-RS")),
            ("sr", Some("sr-RS")),
            ("no", Some("nb-NO")),
            ("nn-NO", Some("nb-NO")),
            ("iw", Some("he-IL")),
            ("ar", Some("arb")),
            ("ar-EG", Some("arb")),
            ("ar-AE", Some("ar-AE")),
            ("zh", Some("zh-CN")),
            ("zh-Hant", Some("zh-TW")),
            ("zh-Hant-HK", Some("zh-HK")),
            ("zh-MO", Some("zh-HK")),
            ("yue", Some("yue-HK")),
            ("fil", Some("fil-PH")),
            ("ja", Some("ja-JP")),
            // Twilio speaks none of these.
            ("eu", None),
            ("sw-KE", None),
            ("gsw", None),
            ("english", None),
            ("", None),
        ] {
            assert_eq!(say_language(tag), expected, "{tag}");
        }
    }

    #[test]
    fn every_main_tag_is_in_the_list_and_every_language_has_one() {
        for (_, tag) in MAIN {
            assert!(TAGS.contains(&tag), "{tag}");
        }
        for tag in TAGS {
            let language = tag.split('-').next().expect("a split has a first part");
            assert!(say_language(language).is_some(), "{tag}");
            assert_eq!(say_language(tag), Some(tag));
        }
    }
}
