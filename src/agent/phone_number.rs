//! Telephone numbers: one spelling for each.

use phonenumber::country::Id;
use phonenumber::metadata::DATABASE;

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

/// A country whose callers say their numbers without a country code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region(Id);

impl Region {
    /// Where a number in E.164 belongs to. A number that the number plan does not know belongs to
    /// the main one of the countries that share its code.
    pub fn of(e164: &str) -> Option<Self> {
        let number = phonenumber::parse(None, e164).ok()?;
        if number.is_valid() {
            return number.country().id().map(Self);
        }
        let countries = DATABASE.by_code(&number.code().value())?;
        let main = countries.iter().find(|country| country.is_main_country_for_code());
        main.or(countries.first())?.id().parse().ok().map(Self)
    }
}

/// A telephone number as E.164, also one that is written as it is dialled in `region`.
pub fn normalise_local(text: &str, region: Option<Region>) -> Option<String> {
    const LONGEST: usize = 32;
    let text = text.trim();
    if let Some(number) = normalise_e164(text) {
        return Some(number);
    }
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '-' | '.' | '(' | ')' | '/');
    let Region(country) = region?;
    if text.len() > LONGEST || !text.chars().all(is_part) {
        return None;
    }
    let number = phonenumber::parse(Some(country), text).ok()?;
    let national = number.national().to_string();
    let general = DATABASE.by_id(country.as_ref())?.descriptors().general();
    let found = general.national_number().find(&national);
    let is_possible =
        found.is_some_and(|found| (found.start(), found.end()) == (0, national.len()));
    is_possible.then(|| number.format().mode(phonenumber::Mode::E164).to_string())
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
    fn numbers_are_understood_as_they_are_dialled_where_the_business_is() {
        for (number, region, expected) in [
            ("555 123-0001", Some("+15559870002"), Some("+15551230001")),
            ("(555) 123.0001", Some("+15559870002"), Some("+15551230001")),
            ("1 555 123 0001", Some("+15559870002"), Some("+15551230001")),
            ("123-0001", Some("+15559870002"), None),
            ("555 123 0001 22", Some("+15559870002"), None),
            ("020 7946 0958", Some("+442079460000"), Some("+442079460958")),
            ("+44 20 7946 0958", Some("+15559870002"), Some("+442079460958")),
            ("+44 20 7946 0958", None, Some("+442079460958")),
            ("555 123-0001", None, None),
            ("five five five", Some("+15559870002"), None),
            ("", Some("+15559870002"), None),
        ] {
            let region = region.map(|number| Region::of(number).expect("a region"));
            assert_eq!(normalise_local(number, region).as_deref(), expected, "{number}");
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
