//! The numbers, names and marks that a date is written with.

use jiff::civil::Weekday;

/// The months from January on, in seven languages: English, German, French, Spanish, Italian, Dutch
/// and Portuguese.
pub const MONTHS: [&str; 12] = [
    "january januar jänner janvier enero gennaio januari janeiro",
    "february februar février fevrier febrero febbraio februari fevereiro",
    "march märz mars marzo maart março",
    "april avril abril aprile",
    "may mai mayo maggio mei maio",
    "june juni juin junio giugno junho",
    "july juli juillet julio luglio julho",
    "august août aout agosto augustus",
    "september septembre septiembre settembre setembro",
    "october oktober octobre octubre ottobre outubro",
    "november novembre noviembre novembro",
    "december dezember décembre decembre diciembre dicembre dezembro",
];
/// From Monday on. A weekday beside a date is checked, not needed: English and German will do.
const WEEKDAYS: [&str; 7] = [
    "monday montag",
    "tuesday dienstag",
    "wednesday mittwoch",
    "thursday donnerstag",
    "friday freitag",
    "saturday samstag",
    "sunday sonntag",
];
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Token<'t> {
    /// Its value and how many digits it has.
    Number(u32, usize),
    Month(i8),
    Weekday(Weekday),
    Word(&'t str),
    Mark(char),
}

/// In small letters, with one kind of dash and space, and nothing that cannot be seen.
pub(super) fn plain(text: &str) -> String {
    let seen = text.chars().filter_map(|c| match c {
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}' => None,
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '~' | '_' => Some('-'),
        c if c.is_whitespace() => Some(' '),
        c => Some(c),
    });
    seen.collect::<String>().trim().to_lowercase()
}

pub(super) fn tokens(plain: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = plain.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_same = |c: char| match first {
            '0'..='9' => c.is_ascii_digit(),
            _ if first.is_alphabetic() => c.is_alphabetic(),
            _ => false,
        };
        let end = rest.char_indices().find(|(at, c)| *at > 0 && !is_same(*c));
        let (one, behind) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
        tokens.push(match first {
            // A number that does not fit becomes one that no date has.
            '0'..='9' => Token::Number(one.parse().unwrap_or(u32::MAX), one.len()),
            _ if first.is_alphabetic() => word(one),
            _ => Token::Mark(first),
        });
        rest = behind.trim_start();
    }
    tokens
}

fn word(word: &str) -> Token<'_> {
    let place = |names: &[&str]| {
        let is_meant = |all: &&str| all.split(' ').any(|name| name.starts_with(word));
        let mut places = (0..names.len()).filter(|place| is_meant(&names[*place]));
        // Of `jui` nobody knows which.
        places.next().filter(|_| word.chars().count() >= 3 && places.next().is_none())
    };
    if let Some(month) = place(&MONTHS) {
        return Token::Month(month as i8 + 1);
    }
    match place(&WEEKDAYS) {
        Some(day) => Token::Weekday(Weekday::Monday.wrapping_add(day as i64)),
        None => Token::Word(word),
    }
}
