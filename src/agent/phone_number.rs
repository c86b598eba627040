//! Telephone numbers: one spelling for each.

/// A telephone number as E.164, `+` and 8 to 15 digits, however it was written: with spaces,
/// hyphens, dots, brackets or `tel:`. `None` for anything else, such as `sip:` and `client:`.
///
/// What is E.164 already stays as it is, also where the number plan knows no such number: test
/// numbers are such.
pub fn normalise_e164(text: &str) -> Option<String> {
    const LONGEST: usize = 64;
    let text = text.trim();
    let text = text.strip_prefix("tel:").unwrap_or(text).trim_start();
    if text.len() > LONGEST || !text.starts_with('+') {
        return None;
    }
    let is_separator = |c: char| c.is_whitespace() || matches!(c, '-' | '.' | '(' | ')' | '/');
    if !text[1..].chars().all(|c| c.is_ascii_digit() || is_separator(c)) {
        return None;
    }
    // Digits in brackets may not belong to the number (`+44 (0)20 …`): the number plan knows.
    if text.contains('(')
        && let Ok(number) = phonenumber::parse(None, text)
        && number.is_valid()
    {
        return Some(number.format().mode(phonenumber::Mode::E164).to_string());
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    (8..=15).contains(&digits.len()).then(|| format!("+{digits}"))
}

/// The number that a caller can be known and called back by, as E.164; `None` where it is withheld.
/// Some networks put a word that is spelt on the keys in its place, and then everybody who
/// withholds a number would seem to be one person.
pub fn caller_number(from: &str) -> Option<String> {
    const ANONYMOUS: &str = "+266696687";
    const RESTRICTED: &str = "+7378742833";
    const UNAVAILABLE: &str = "+86282452253";
    normalise_e164(from)
        .filter(|number| ![ANONYMOUS, RESTRICTED, UNAVAILABLE].contains(&number.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_normalised_and_nothing_else_is() {
        for (written, expected) in [
            ("+19895644594", Some("+19895644594")),
            (" +1 989 564-4594 ", Some("+19895644594")),
            ("+1 (989) 564.4594", Some("+19895644594")),
            ("tel:+1-989-564-4594", Some("+19895644594")),
            ("+44 (0)20 7946 0958", Some("+442079460958")),
            ("+390612345678", Some("+390612345678")),
            ("+15559870002", Some("+15559870002")),
            ("19895644594", None),
            ("001989564459", None),
            ("whatsapp:+19895644594", None),
            ("sip:+19895644594@a.example", None),
            ("client:anna", None),
            ("anonymous", None),
            ("+1234567", None),
            ("+1234567890123456", None),
            ("+1989564459x1", None),
            ("+", None),
            ("", None),
        ] {
            assert_eq!(normalise_e164(written).as_deref(), expected, "{written}");
        }
    }

    #[test]
    fn a_withheld_number_is_nobodys() {
        for (from, expected) in [
            ("+1 555 123-0001", Some("+15551230001")),
            ("anonymous", None),
            ("Restricted", None),
            ("+266696687", None),
            ("+7378742833", None),
            ("+86282452253", None),
            ("sip:anna@a.example", None),
            ("", None),
        ] {
            assert_eq!(caller_number(from).as_deref(), expected, "{from}");
        }
    }
}
