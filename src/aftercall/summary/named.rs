//! How days are named: dates, weekdays and words such as `tomorrow`, in seven languages.

use jiff::civil::{Date, Weekday};

use super::words::{bare, before, ends, is_free};
use crate::agent::hours::MONTHS;

/// From Monday on, in English, German, French, Spanish, Italian and Dutch.
const WEEKDAYS: [&str; 7] = [
    "monday montag lundi lunes lunedì lunedi maandag",
    "tuesday dienstag mardi martes martedì martedi dinsdag",
    "wednesday mittwoch mercredi miércoles miercoles mercoledì mercoledi woensdag",
    "thursday donnerstag jeudi jueves giovedì giovedi donderdag",
    "friday freitag vendredi viernes venerdì venerdi vrijdag",
    "saturday samstag sonnabend samedi sábado sabado sabato zaterdag",
    "sunday sonntag dimanche domingo domenica zondag",
];
/// From Monday to Friday in Portuguese, with `feira`: without it they are ordinals.
const FEIRAS: [&str; 5] = ["segunda", "terça", "quarta", "quinta", "sexta"];
/// What German and Dutch put behind a weekday.
const PARTS_OF_DAY: [&str; 9] =
    ["vormittag", "nachmittag", "mittag", "morgen", "abend", "früh", "ochtend", "middag", "avond"];
const ORDINALS: [&str; 20] = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
];
/// What stands before `today` where it is about the call: `thank you for your help today`.
const COURTESIES: [&str; 8] = ["you", "help", "calling", "call", "time", "us", "me", "ihnen"];
/// What else makes of `today` the day of the call, in the same part of the sentence.
const SERVICES: [&str; 20] = [
    "help", "calling", "else", "thank", "thanks", "tun", "danke", "dank", "anruf", "autre",
    "merci", "appel", "ayudarle", "ayudarte", "gracias", "llamada", "llamar", "helfen", "aider",
    "assist",
];
/// What makes a weekday that of a week later.
const LATER: [&str; 12] = [
    "next",
    "following",
    "nächsten",
    "nächste",
    "nächster",
    "prochain",
    "prochaine",
    "próximo",
    "proximo",
    "siguiente",
    "viene",
    "volgende",
];
/// What stands before `morgen` and `mañana` where they are the morning.
const MORNINGS: [&str; 16] = [
    "guten", "am", "den", "heute", "diesen", "jeden", "einen", "schönen", "goede", "de", "la",
    "esta", "una", "las", "cada", "dieser",
];

/// A day as it was named.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Day {
    /// A day of a month, perhaps of a year.
    Date {
        year: Option<i16>,
        month: i8,
        day: i8,
    },
    /// The same in figures of which either may be the month.
    Either {
        year: Option<i16>,
        one: i8,
        other: i8,
    },
    /// `the 3rd`.
    OfMonth(i8),
    Weekday(Weekday, Week),
    /// So many days from the day of the call on.
    Ahead(i32),
}

/// Of which week a weekday is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Week {
    /// Of the next seven days.
    This,
    /// Of these or the seven behind them: people differ on what `next` is.
    Next,
}

/// Whether a word is a weekday's name.
pub(super) fn is_weekday(word: &str) -> bool {
    weekday_of(word).is_some()
}

/// Whether a word is a month's name.
pub(super) fn is_month(word: &str) -> bool {
    month(word).is_some()
}

/// The day that is named at a place, and how many words that takes.
pub(super) fn day_at(words: &[String], at: usize) -> Option<(Day, usize)> {
    in_figures(words, at)
        .map(|day| (day, 1))
        .or_else(|| with_month(words, at))
        .or_else(|| weekday(words, at))
        .or_else(|| ahead(words, at))
        .or_else(|| Some((of_month(words, at)?, 1)))
}

/// `2026-12-01`, `1.12.`, `1.12.2026`, `12/1/2026`, `on 12/1`.
fn in_figures(words: &[String], at: usize) -> Option<Day> {
    if let Ok(date) = bare(words, at).parse::<Date>() {
        return Some(Day::Date { year: Some(date.year()), month: date.month(), day: date.day() });
    }
    let word = words.get(at)?.trim_start_matches(|c: char| !c.is_alphanumeric());
    let word = word.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '.');
    let number = |text: &str, most: i8| {
        let number = text.parse().ok().filter(|number| (1..=most).contains(number));
        number.filter(|_| text.len() <= 2)
    };
    if let Some((day, (month, year))) =
        word.split_once('.').and_then(|(day, rest)| Some((day, rest.split_once('.')?)))
    {
        let year = year_of(year.trim_end_matches('.'))?;
        return Some(Day::Date { year, month: number(month, 12)?, day: number(day, 31)? });
    }
    // `am 1.12 um drei`
    if let Some((day, month)) =
        word.split_once('.').filter(|_| matches!(before(words, at), "am" | "den" | "dem"))
        && bare(words, at + 1) != "uhr"
        && !month.is_empty()
    {
        return Some(Day::Date { year: None, month: number(month, 12)?, day: number(day, 31)? });
    }
    let parts: Vec<&str> = word.trim_end_matches('.').split('/').collect();
    let (one, other, year) = match parts[..] {
        [one, other] if matches!(before(words, at), "on" | "le" | "el" | "il" | "op" | "dia") => {
            (one, other, None)
        }
        [one, other, year] => (one, other, year_of(year)?),
        _ => return None,
    };
    let (one, other) = (number(one, 31)?, number(other, 31)?);
    (one.min(other) <= 12).then_some(Day::Either { year, one, other })
}

/// A year in four or two figures, or none; nothing where it is something else.
fn year_of(text: &str) -> Option<Option<i16>> {
    let year: i16 = match text.len() {
        0 => return Some(None),
        _ => text.parse().ok()?,
    };
    match text.len() {
        2 => Some(Some(2_000 + year)),
        4 => Some(Some(year)),
        _ => None,
    }
}

/// `December 1st`, `December the first, 2026`, `1 December`, `1. Dezember`, `1 de diciembre`.
fn with_month(words: &[String], at: usize) -> Option<(Day, usize)> {
    let year = |at: usize| {
        let is_year = |year: &i16| (2_000..2_200).contains(year);
        bare(words, at).parse().ok().filter(is_year)
    };
    let date = |month: i8, day: i8, taken: usize| {
        let year = year(at + taken);
        Some((Day::Date { year, month, day }, taken + usize::from(year.is_some())))
    };
    if let Some(month) = month(bare(words, at)) {
        let skipped = usize::from(bare(words, at + 1) == "the");
        let (day, taken) = number(words, at + 1 + skipped)?;
        let behind = at + 1 + skipped + taken;
        // `in December 2 pm` is a time.
        let is_time =
            matches!(bare(words, behind), "am" | "pm" | "a.m" | "p.m" | "uhr" | "o'clock");
        return if is_time { None } else { date(month, day, 1 + skipped + taken) };
    }
    let (day, taken) = number(words, at)?;
    let skipped = usize::from(matches!(bare(words, at + taken), "of" | "de" | "di" | "in"));
    date(month(bare(words, at + taken + skipped))?, day, taken + skipped + 1)
}

fn month(word: &str) -> Option<i8> {
    let place = MONTHS.iter().position(|names| names.split(' ').any(|name| name == word))?;
    i8::try_from(place + 1).ok()
}

/// A day's number, `1`, `1st`, `1er`, `first`, `twenty-first`, and how many words it takes.
fn number(words: &[String], at: usize) -> Option<(i8, usize)> {
    let word = bare(words, at);
    let figures = word.trim_end_matches(|c: char| !c.is_ascii_digit());
    let is_number = (1..=2).contains(&figures.len())
        && matches!(
            &word[figures.len()..],
            "" | "st" | "nd" | "rd" | "th" | "er" | "e" | "º" | "ste"
        );
    if is_number {
        return figures.parse().ok().filter(|day| (1..=31).contains(day)).map(|day| (day, 1));
    }
    let ordinal = |word: &str| {
        let place = ORDINALS.iter().position(|ordinal| *ordinal == word)?;
        i8::try_from(place + 1).ok()
    };
    match (word, ordinal(bare(words, at + 1))) {
        ("twenty", Some(more @ 1..=9)) => Some((20 + more, 2)),
        ("thirty", Some(1)) => Some((31, 2)),
        ("thirtieth", _) => Some((30, 1)),
        _ => ordinal(word).map(|day| (day, 1)),
    }
}

/// `on the 3rd`, `am 3.`: a number that can be nothing else.
fn of_month(words: &[String], at: usize) -> Option<Day> {
    let (day, _) = number(words, at)?;
    let word = bare(words, at);
    let is_suffixed = ["st", "nd", "rd", "th"].iter().any(|end| word.ends_with(end))
        && word.starts_with(|c: char| c.is_ascii_digit());
    let is_german = words[at].ends_with('.') && matches!(before(words, at), "am" | "den" | "dem");
    (is_suffixed && is_free(words, at) || is_german).then_some(Day::OfMonth(day))
}

fn weekday(words: &[String], at: usize) -> Option<(Day, usize)> {
    let word = bare(words, at);
    if let Some(place) = FEIRAS.iter().position(|name| *name == word) {
        let is_named = bare(words, at + 1) == "feira";
        let weekday = Weekday::from_monday_zero_offset(i8::try_from(place).ok()?).ok()?;
        let is_day = is_named || before(words, at) == "na";
        let week = week_of(words, at, 1 + usize::from(is_named));
        return is_day.then_some((Day::Weekday(weekday, week), 1 + usize::from(is_named)));
    }
    Some((Day::Weekday(weekday_of(word)?, week_of(words, at, 1)), 1))
}

/// `next Tuesday`, `mardi prochain`, `el martes que viene`.
fn week_of(words: &[String], at: usize, taken: usize) -> Week {
    let behind = at + taken;
    let is_cut = ends(words, behind - 1);
    let next = if bare(words, behind) == "que" { behind + 1 } else { behind };
    let is_later = LATER.contains(&before(words, at))
        // `Tuesday next door` is none.
        || !is_cut && bare(words, next) != "next" && LATER.contains(&bare(words, next));
    if is_later { Week::Next } else { Week::This }
}

/// Whether the `today` at a place is that of `anything else I can do for you today`: a time behind it
/// makes a day of it.
fn is_courtesy(words: &[String], at: usize) -> bool {
    let behind = (at + 1..words.len()).take_while(|at| !ends(words, at - 1));
    let ahead = (0..at).rev().take_while(|at| !ends(words, *at));
    let is_timed = behind.clone().any(|at| words[at].starts_with(|c: char| c.is_ascii_digit()));
    let is_service = |at: usize| SERVICES.contains(&bare(words, at));
    !is_timed
        && (COURTESIES.contains(&before(words, at))
            || behind.clone().any(is_service)
            || ahead.clone().any(is_service))
}

fn weekday_of(word: &str) -> Option<Weekday> {
    let part = PARTS_OF_DAY.iter().find_map(|part| word.strip_suffix(part));
    let is_it = |name: &str| name == word || Some(name) == part;
    let place = WEEKDAYS.iter().position(|names| names.split(' ').any(is_it))?;
    Weekday::from_monday_zero_offset(i8::try_from(place).ok()?).ok()
}

/// `today`, `tomorrow`, `the day after tomorrow`.
fn ahead(words: &[String], at: usize) -> Option<(Day, usize)> {
    let before = before(words, at);
    let (days, taken) = match [0, 1, 2].map(|n| bare(words, at + n)) {
        ["day", "after", "tomorrow"] | ["depois", "de", "amanhã"] => (2, 3),
        ["après", "demain", _] | ["pasado", "mañana", _] => (2, 2),
        ["übermorgen" | "overmorgen" | "dopodomani", ..] => (2, 1),
        ["morgen" | "mañana", ..] => {
            let is_morning = MORNINGS.contains(&before) || weekday_of(before).is_some();
            (if is_morning { return None } else { 1 }, 1)
        }
        ["tomorrow" | "demain" | "domani" | "amanhã", ..] => (1, 1),
        ["today" | "heute" | "aujourd'hui" | "hoy" | "oggi" | "vandaag" | "hoje", ..] => {
            (if is_courtesy(words, at) { return None } else { 0 }, 1)
        }
        ["tonight", ..] => (0, 1),
        _ => return None,
    };
    let is_cut = (0..taken - 1).any(|n| ends(words, at + n));
    (!is_cut).then_some((Day::Ahead(days), taken))
}
