//! Telephone numbers: one spelling for each, whoever wrote them. Everything that compares numbers
//! compares what is read here: agents' numbers, callers', those of appointments and settings.

use phonenumber::metadata::DATABASE;
use phonenumber::metadata::Metadata;

use super::region::Region;

/// The longest text that is looked at, in characters. Spaces and brackets take some.
const LONGEST: usize = 64;
/// How many digits a number in E.164 has.
const E164_DIGITS: std::ops::RangeInclusive<usize> = 8..=15;

/// What networks put in the place of a number that is withheld: words spelt on the keys. Twilio
/// passes them on as numbers, some with the country code of the United States before them. No
/// number plan has a number like these, but for the last two with that code.
const WITHHELD: [&str; 6] = [
    "266696687",   // ANONYMOUS
    "86282452253", // UNAVAILABLE
    "8656696",     // UNKNOWN
    "2562533",     // BLOCKED
    "7378742833",  // RESTRICTED
    "7378742883",  // RESTRICTED as some write it
];
/// With fewer digits and no plus it may be somebody's number in a country of short ones.
const WITHHELD_DIGITS_MIN: usize = 9;
/// The words themselves, and what stands there otherwise.
const WITHHELD_WORDS: [&str; 9] = [
    "anonymous",
    "unavailable",
    "unknown",
    "blocked",
    "restricted",
    "private",
    "withheld",
    "none",
    "null",
];

/// A telephone number as E.164, `+` and 8 to 15 digits, however it was written: with spaces,
/// hyphens, dots, brackets or `tel:`, in other digits or with characters that nobody sees. `None`
/// for anything else, such as `sip:` and `client:`, and for a number that is [withheld](is_withheld).
///
/// What is E.164 already stays as it is, also where the number plan knows no such number: test
/// numbers are such. Only a zero behind the country code (`+44 (0)20 …`) goes where the number plan
/// has a number without it and none with it.
pub fn normalise_e164(text: &str) -> Option<String> {
    let number = plain(text)?;
    let digits = number.strip_prefix('+')?;
    if !E164_DIGITS.contains(&digits.len()) || is_spelt_word(&number) {
        return None;
    }
    Some(without_trunk_zero(digits).unwrap_or(number))
}

/// A telephone number as E.164, also one that is written as it is dialled in `region`.
pub fn normalise_local(text: &str, region: Option<Region>) -> Option<String> {
    if let Some(number) = normalise_e164(text) {
        return Some(number);
    }
    let number = plain(text)?;
    if number.starts_with('+') || is_spelt_word(&number) {
        return None;
    }
    region
        .and_then(|region| dialled(&number, region))
        // The international prefix of most countries, also where it is not the country's own.
        .or_else(|| number.strip_prefix("00").and_then(known))
}

/// The number that a caller can be known and called back by, as E.164; `None` where it is
/// [withheld](is_withheld), or everybody who withholds a number would seem to be one person.
pub fn caller_number(from: &str) -> Option<String> {
    normalise_e164(from)
}

/// A number in E.164 as people write it, with blanks: `+44 7700 900123`. Anything else stays as it is.
pub fn readable(text: &str) -> String {
    match normalise_e164(text).and_then(|number| phonenumber::parse(None, number).ok()) {
        Some(number) => number.format().mode(phonenumber::Mode::International).to_string(),
        None => text.to_owned(),
    }
}

/// Whether a text says that there is no number: nothing, a word such as `anonymous`, or such a word
/// spelt on the keys of a telephone.
pub fn is_withheld(text: &str) -> bool {
    let word = text.trim();
    word.is_empty()
        || WITHHELD_WORDS.iter().any(|known| known.eq_ignore_ascii_case(word))
        || plain(text).is_some_and(|number| is_spelt_word(&number))
}

/// The digits of a text, with a plus before them where it has one; `None` where it has anything
/// else that is not punctuation.
fn plain(text: &str) -> Option<String> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c));
    let has_scheme = text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("tel:"));
    let text = if has_scheme { &text[4..] } else { text };
    let mut number = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == LONGEST {
            return None;
        }
        match c {
            '+' | '\u{FF0B}' if number.is_empty() => number.push('+'),
            c if is_separator(c) || is_invisible(c) => {}
            c => number.push(digit(c)?),
        }
    }
    (number.len() > usize::from(number.starts_with('+'))).then_some(number)
}

/// A decimal digit as ASCII: also those that are as wide as a Chinese character, and those of
/// Arabic, Persian and Hindi.
fn digit(c: char) -> Option<char> {
    const ZEROS: [u32; 4] = [0xFF10, 0x0660, 0x06F0, 0x0966];
    if c.is_ascii_digit() {
        return Some(c);
    }
    let value =
        ZEROS.into_iter().find_map(|zero| u32::from(c).checked_sub(zero).filter(|n| *n < 10));
    char::from_digit(value?, 10)
}

fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '-' | '.' | '(' | ')' | '/' | '[' | ']')
        // Hyphens and dashes, the minus, and the wide forms.
        || matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FF08}' | '\u{FF09}')
        || matches!(c, '\u{FF0D}'..='\u{FF0F}')
}

/// Marks of direction, joiners and the like, which come along when a number is copied.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{FEFF}')
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}')
        || matches!(c, '\u{2060}'..='\u{2069}')
}

/// Whether this is a word that is spelt on the keys.
fn is_spelt_word(number: &str) -> bool {
    let digits = number.strip_prefix('+').unwrap_or(number);
    if digits.len() == number.len() && digits.len() < WITHHELD_DIGITS_MIN {
        return false;
    }
    let rest = digits.strip_prefix('1').unwrap_or(digits);
    WITHHELD.contains(&digits) || WITHHELD.contains(&rest)
}

/// The country code of international digits, and what follows it.
fn split_code(digits: &str) -> Option<(u16, &str)> {
    (1..=3).find_map(|length| {
        let (code, rest) = digits.split_at_checked(length)?;
        let code = code.parse().ok()?;
        DATABASE.by_code(&code).map(|_| (code, rest))
    })
}

/// Whether some country of this code has such numbers.
fn has_such(code: u16, national: &str) -> bool {
    let countries = DATABASE.by_code(&code).unwrap_or_default();
    countries.iter().any(|country| is_of(country, national))
}

fn is_of(country: &Metadata, national: &str) -> bool {
    let general = country.descriptors().general();
    let found = general.national_number().find(national);
    found.is_some_and(|found| (found.start(), found.end()) == (0, national.len()))
}

/// International digits without a zero that is dialled only within the country.
fn without_trunk_zero(digits: &str) -> Option<String> {
    let (code, national) = split_code(digits)?;
    let without = national.strip_prefix('0')?;
    (!has_such(code, national) && has_such(code, without)).then(|| format!("+{code}{without}"))
}

/// International digits, if the number plan has such a number.
fn known(digits: &str) -> Option<String> {
    let number = normalise_e164(&format!("+{digits}"))?;
    let (code, national) = split_code(&number[1..])?;
    has_such(code, national).then_some(number)
}

/// What is dialled in `region`, if the number plan has such a number.
fn dialled(number: &str, region: Region) -> Option<String> {
    let number = phonenumber::parse(Some(region.id()), number).ok()?;
    let national = number.national().to_string();
    let is_known = has_such(number.code().value(), &national);
    let e164 = number.format().mode(phonenumber::Mode::E164).to_string();
    is_known.then_some(e164).and_then(|number| normalise_e164(&number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_people_write_them() {
        for (number, expected) in [
            ("+447700900123", "+44 7700 900123"),
            ("+15559870001", "+1 555-987-0001"),
            ("client:anna", "client:anna"),
            ("", ""),
        ] {
            assert_eq!(readable(number), expected);
        }
    }

    #[test]
    fn numbers_are_normalised_and_nothing_else_is() {
        for (written, expected) in [
            ("+19895644594", Some("+19895644594")),
            (" +1 989 564-4594 ", Some("+19895644594")),
            ("+1 (989) 564.4594", Some("+19895644594")),
            ("tel:+1-989-564-4594", Some("+19895644594")),
            ("+44 (0)20 7946 0958", Some("+442079460958")),
            ("+44 020 7946 0958", Some("+442079460958")),
            ("+4402079460958", Some("+442079460958")),
            ("(+44) 20 7946 0958", Some("+442079460958")),
            ("+49 (0)30 901820", Some("+4930901820")),
            ("+39 06 1234 5678", Some("+390612345678")),
            ("+2250102030405", Some("+2250102030405")),
            ("TEL:+1-989-564-4594", Some("+19895644594")),
            ("\u{202A}+1\u{00A0}989\u{202F}564\u{2011}4594\u{202C}", Some("+19895644594")),
            ("\u{FEFF}+1\u{200B}9895644594", Some("+19895644594")),
            ("\u{FF0B}\u{FF11}989\u{2013}564\u{2013}4594", Some("+19895644594")),
            ("+\u{0661}9895644594", Some("+19895644594")),
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
            ("\u{200E}(555)\u{00A0}123\u{2011}0001", Some("+15559870002"), Some("+15551230001")),
            ("0044 20 7946 0958", Some("+442079460000"), Some("+442079460958")),
            ("0044 (0)20 7946 0958", None, Some("+442079460958")),
            ("00 44 20 7946 0958", Some("+15559870002"), Some("+442079460958")),
            ("011 44 20 7946 0958", Some("+15559870002"), Some("+442079460958")),
            ("44 20 7946 0958", Some("+442079460000"), Some("+442079460958")),
            ("06 1234 5678", Some("+390612345678"), Some("+390612345678")),
            ("02 66 69 66 87", Some("+33142685300"), Some("+33266696687")),
            ("266696687", Some("+33142685300"), None),
            ("865 6696", Some("+3548656696"), Some("+3548656696")),
            ("0000 0000 0000", None, None),
            ("", Some("+15559870002"), None),
        ] {
            let region = region.map(|number| Region::of(number).expect("a region"));
            assert_eq!(normalise_local(number, region).as_deref(), expected, "{number}");
        }
    }

    #[test]
    fn a_withheld_number_is_nobodys() {
        for from in [
            "anonymous",
            "Restricted",
            "UNAVAILABLE",
            " unknown ",
            "blocked",
            "",
            " ",
            "+266696687",
            "266696687",
            "+1 266696687",
            "+7378742833",
            "+17378742833",
            "+7378742883",
            "+86282452253",
            "+8656696",
            "+2562533",
            "\u{200E}+26 669-6687",
        ] {
            assert!(is_withheld(from), "{from}");
            assert_eq!(caller_number(from), None, "{from}");
            assert_eq!(normalise_local(from, Region::of("+15559870002")), None, "{from}");
        }
        for (from, expected) in [
            ("+1 555 123-0001", Some("+15551230001")),
            ("sip:anna@a.example", None),
            ("12 34", None),
        ] {
            assert!(!is_withheld(from), "{from}");
            assert_eq!(caller_number(from).as_deref(), expected, "{from}");
        }
    }
}
