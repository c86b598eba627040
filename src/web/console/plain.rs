//! What the API says of a value, as an owner reads it: what is wrong, and what to write.

use super::words::capital;

/// What stands between what is wrong and what is accepted.
const ACCEPTED: [&str; 3] = ["accepted is ", "accepted are ", "accepted: "];

/// Words of parsers, and what they mean.
const PARSERS: [(&[&str], &str); 3] = [
    (&["invalid digit", "number too", "cannot parse integer"], "This is no whole number"),
    (
        &["UUID parsing failed", "invalid character:", "invalid length:", "invalid group"],
        "This is nothing that a page of this console leads to",
    ),
    (&["was not `true` or `false`"], "This is neither true nor false"),
];

/// A fault in sentences: `found nothing; accepted is a name` as `Nothing is written here. Write a name.`
pub(super) fn plain(detail: &str) -> String {
    let detail = detail.trim();
    let split = ACCEPTED.iter().filter_map(|words| {
        let at = detail.find(words)?;
        Some((&detail[..at], &detail[at + words.len()..]))
    });
    let (what, accepted) = split.min_by_key(|(what, _)| what.len()).unwrap_or((detail, ""));
    let what = wrong(what.trim_end().trim_end_matches([';', ',']).trim_end());
    let write = match accepted.is_empty() {
        true => String::new(),
        false => sentence(&format!("write {accepted}")),
    };
    format!("{} {write}", sentence(&what)).trim().replace('`', "")
}

/// What is wrong with it.
fn wrong(what: &str) -> String {
    let is_of = |parts: &[&str]| parts.iter().any(|part| what.contains(part));
    if let Some((_, means)) = PARSERS.iter().find(|(parts, _)| is_of(parts)) {
        return (*means).to_owned();
    }
    match what.strip_prefix("found ") {
        Some("nothing") => return "nothing is written here".to_owned(),
        Some("more than is read" | "too much") => return "this is too much".to_owned(),
        Some(_) => return "this can't be used as it is".to_owned(),
        None => {}
    }
    match what.starts_with("is ") {
        true => format!("it {what}"),
        false => what.to_owned(),
    }
}

/// A text with a capital and a full stop.
fn sentence(text: &str) -> String {
    let is_whole = text.is_empty() || text.ends_with(['.', '?', '!', ':', '”']);
    format!("{}{}", capital(text), if is_whole { "" } else { "." })
}

/// A field of a request, by the last part of its name.
pub(super) fn field_name(field: &str) -> String {
    capital(&field.rsplit('.').next().unwrap_or(field).replace('_', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_become_sentences() {
        for (detail, said) in [
            (
                "found nothing; accepted is a name of 1 to 64 letters, digits, _ and -",
                "Nothing is written here. Write a name of 1 to 64 letters, digits, _ and -.",
            ),
            (
                "found another text; accepted is a whole number from 1 to 14400",
                "This can't be used as it is. Write a whole number from 1 to 14400.",
            ),
            ("found more than is read; accepted is 9 kB", "This is too much. Write 9 kB."),
            (
                "is no e-mail address; accepted is one such as somebody@example.com",
                "It is no e-mail address. Write one such as somebody@example.com.",
            ),
            ("accepted are 1 to 1440 minutes", "Write 1 to 1440 minutes."),
            ("is empty; accepted are 1 to 80 characters", "It is empty. Write 1 to 80 characters."),
            (
                "invalid digit found in string; accepted is a whole number",
                "This is no whole number. Write a whole number.",
            ),
            ("the call is over", "The call is over."),
            (
                "it is before `From`; accepted is the same day or a later one",
                "It is before From. Write the same day or a later one.",
            ),
            ("Choose one. Then go on.", "Choose one. Then go on."),
            ("", ""),
        ] {
            assert_eq!(plain(detail), said, "{detail}");
        }
    }

    #[test]
    fn fields_are_named_readably() {
        assert_eq!(field_name("days"), "Days");
        assert_eq!(field_name(""), "");
        assert_eq!(field_name("settings.limits.odd_one"), "Odd one");
    }
}
