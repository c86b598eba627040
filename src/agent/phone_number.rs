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
}
