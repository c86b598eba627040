//! Times of day, as somebody has said them: in figures, and in English also in words.

use jiff::civil::DateTime;

use super::named::{is_month, is_weekday};
use super::words::{Role, all, bare, before, ends, is_free, verdict, words};

/// What makes another time of the one that follows, minutes.
const PARTS: [(&str, i16); 12] = [
    ("half", 30),
    ("quarter", 15),
    ("viertel", 15),
    ("five", 5),
    ("ten", 10),
    ("twenty", 20),
    ("fünf", 5),
    ("zehn", 10),
    ("zwanzig", 20),
    ("5", 5),
    ("10", 10),
    ("20", 20),
];
const HOURS: [&str; 12] = [
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve",
];
/// The minutes that are words of their own.
const MINUTES: [(&str, i8); 6] =
    [("ten", 10), ("fifteen", 15), ("twenty", 20), ("thirty", 30), ("forty", 40), ("fifty", 50)];
/// What stands before an hour that is only a number, `make it 4`.
const LEADS: [&str; 13] =
    ["at", "um", "it", "say", "rather", "around", "gegen", "las", "alle", "ore", "om", "à", "às"];
/// Of whom, and what they do, where a time is one that is only mentioned; and what is a wish.
const SELVES: [&str; 9] = ["i", "i'm", "my", "we", "ich", "wir", "je", "yo", "mi"];
const DOINGS: [&str; 20] = [
    "finish",
    "end",
    "start",
    "work",
    "working",
    "off",
    "lunch",
    "meeting",
    "school",
    "leave",
    "home",
    "arbeite",
    "arbeit",
    "feierabend",
    "schule",
    "finis",
    "termine",
    "travail",
    "termino",
    "salgo",
];
const WISHES: [&str; 18] = [
    "but", "can", "could", "would", "prefer", "rather", "instead", "make", "need", "want", "aber",
    "könnte", "lieber", "mais", "plutôt", "pero", "mejor", "only",
];
/// What numbers are of that are no minutes of the hour.
const UNITS: [&str; 16] = [
    "minute", "minutes", "minuten", "min", "mins", "dollar", "dollars", "euro", "euros", "pounds",
    "people", "percent", "years", "stunden", "hours", "days",
];
/// What follows `am` where it is the German word.
const GERMAN: [&str; 27] = [
    "vormittag",
    "nachmittag",
    "mittag",
    "morgen",
    "abend",
    "tag",
    "wochenende",
    "anfang",
    "ende",
    "besten",
    "liebsten",
    "telefon",
    "gleichen",
    "selben",
    "nächsten",
    "kommenden",
    "folgenden",
    "ersten",
    "zweiten",
    "dritten",
    "montag",
    "dienstag",
    "mittwoch",
    "donnerstag",
    "freitag",
    "samstag",
    "sonntag",
];

/// Whether this time of day is said; `Some(false)` if only others are.
pub(super) fn says(local: DateTime, said: &str) -> Option<bool> {
    let words = words(said);
    let found = all(&words, |at| time_at(&words, at));
    verdict(found.into_iter().map(|one| (one.role, one.what.is_of(local))))
}

/// Whether somebody wants another time, who does not only mention one: `I finish work at 1 pm`.
pub(super) fn wants_another(local: DateTime, said: &str) -> bool {
    let words = words(said);
    let others = all(&words, |at| time_at(&words, at)).into_iter();
    let mut others = others.filter(|one| one.role == Role::Meant && !one.what.is_of(local));
    says(local, said) == Some(false) && others.any(|one| !is_remark(&words, one.at))
}

/// Whether the part of a sentence before a place is of what somebody does at that time.
fn is_remark(words: &[String], at: usize) -> bool {
    let part = (0..at).rev().take_while(|at| !ends(words, *at)).map(|at| bare(words, at));
    let part: Vec<&str> = part.collect();
    let has = |list: &[&str]| part.iter().any(|word| list.contains(word));
    has(&SELVES) && has(&DOINGS) && !has(&WISHES)
}

/// A time of day as it was said.
#[derive(Debug, PartialEq)]
struct Said {
    hour: i8,
    minute: i8,
    /// Whether it is of the afternoon, where that was said.
    afternoon: Option<bool>,
}

impl Said {
    fn is_of(&self, local: DateTime) -> bool {
        self.hour % 12 == local.hour() % 12
            && self.minute == local.minute()
            && (self.hour <= 12 || self.hour == local.hour())
            && self.afternoon.is_none_or(|afternoon| afternoon == (local.hour() >= 12))
    }

    /// So many minutes later, or earlier.
    fn moved(&self, minutes: i16) -> Option<Self> {
        let all = (i16::from(self.hour) * 60 + i16::from(self.minute) + minutes).rem_euclid(1_440);
        let (hour, minute) = (i8::try_from(all / 60).ok()?, i8::try_from(all % 60).ok()?);
        // A quarter to twelve is of the other half of the day.
        let afternoon = self.afternoon.filter(|_| hour % 12 >= self.hour % 12 || minutes > 0);
        let afternoon = afternoon.filter(|_| self.hour % 12 != 0 || minutes > 0);
        Some(Self { hour, minute, afternoon })
    }
}

/// The time that begins at a place, and how many words it takes.
fn time_at(words: &[String], at: usize) -> Option<(Said, usize)> {
    let (mut time, mut taken) = match bare(words, at) {
        "noon" | "midday" => (Said { hour: 12, minute: 0, afternoon: Some(true) }, 1),
        "midnight" => (Said { hour: 0, minute: 0, afternoon: Some(false) }, 1),
        _ => {
            in_parts(words, at).or_else(|| in_figures(words, at)).or_else(|| in_words(words, at))?
        }
    };
    if let Some((minutes, more)) = spanish_part(words, at + taken).filter(|_| time.minute == 0) {
        (time, taken) = (time.moved(minutes)?, taken + more);
    }
    if let (None, Some((afternoon, more))) = (time.afternoon, part_of_day(words, at + taken)) {
        (time.afternoon, taken) = (Some(afternoon), taken + more);
    }
    Some((time, taken))
}

/// `half past two`, `quarter to 3 pm`, `10 minutes to 3`, `Viertel vor 3 Uhr`, `halb 3`.
fn in_parts(words: &[String], at: usize) -> Option<(Said, usize)> {
    let first = bare(words, at);
    let whole = |at: usize| {
        in_figures(words, at).or_else(|| in_words(words, at)).or_else(|| hour_at(words, at))
    };
    let is_cut = ends(words, at) || matches!(before(words, at), "vor" | "nach");
    let half = |at: usize, minutes: i16| {
        let (time, taken) = whole(at).filter(|_| !is_cut)?;
        Some((time.moved(minutes)?, taken + 1))
    };
    match first {
        "halb" => return half(at + 1, -30),
        "dreiviertel" => return half(at + 1, -15),
        // From ten to three.
        _ if matches!(before(words, at), "from" | "between" | "von" | "zwischen") => return None,
        _ => {}
    }
    let (_, minutes) = PARTS.into_iter().find(|(part, _)| *part == first)?;
    let skipped = usize::from(matches!(bare(words, at + 1), "minutes" | "minuten"));
    let link = at + 1 + skipped;
    let minutes = match bare(words, link) {
        "past" | "after" | "nach" => minutes,
        "to" | "of" | "before" | "vor" => -minutes,
        // As the British say.
        _ if first == "half" => return half(at + 1, 30),
        _ if first == "viertel" => return half(at + 1, -45),
        _ => return None,
    };
    if ends(words, at) || ends(words, link) {
        return None;
    }
    let (time, taken) = whole(link + 1).filter(|(time, _)| time.minute == 0)?;
    Some((time.moved(minutes)?, taken + 2 + skipped))
}

/// `y media`, `menos cuarto`, `et demie`: minutes, and how many words it takes.
fn spanish_part(words: &[String], at: usize) -> Option<(i16, usize)> {
    let is_cut = at.checked_sub(1).is_none_or(|last| ends(words, last));
    match [0, 1].map(|n| bare(words, at + n)) {
        _ if is_cut => None,
        ["y", "media"] | ["et", "demie" | "demi"] => Some((30, 2)),
        ["y", "cuarto"] | ["et", "quart"] => Some((15, 2)),
        ["menos", "cuarto"] => Some((-15, 2)),
        _ => None,
    }
}

/// What makes an hour of the number at a place.
fn is_led(words: &[String], at: usize) -> bool {
    match before(words, at) {
        "about" => matches!(before(words, at - 1), "how" | "what" | "at"),
        "la" => bare(words, at) == "1",
        word => LEADS.contains(&word),
    }
}

/// An hour that is only a number.
fn hour_at(words: &[String], at: usize) -> Option<(Said, usize)> {
    let word = bare(words, at);
    let spelled = HOURS.iter().position(|hour| *hour == word);
    let hour: i8 = match spelled {
        Some(place) => i8::try_from(place + 1).ok()?,
        None => word.parse().ok().filter(|_| word.len() <= 2)?,
    };
    let is_hour = (0..24).contains(&hour) && !UNITS.contains(&bare(words, at + 1));
    is_hour.then_some((Said { hour, minute: 0, afternoon: None }, 1))
}

/// `14:30`, `2.30 pm`, `2pm`, `2 p.m.`, `10 am`, `10 Uhr`, `14 Uhr 30`, `14h30`, `3 o'clock`, and
/// `at 3`. Any other number may be of something else, a date, a price or hours.
fn in_figures(words: &[String], at: usize) -> Option<(Said, usize)> {
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let first = word(at).trim_start_matches(|c: char| !c.is_alphanumeric());
    let end = first.find(|c: char| !c.is_ascii_digit() && !matches!(c, ':' | '.'));
    let (figures, attached) = first.split_at(end.unwrap_or(first.len()));
    let is_lone = attached.is_empty();
    let unit = if is_lone { word(at + 1) } else { attached };
    let behind = if is_lone { at + 2 } else { at + 1 };
    let letters: String = unit.chars().filter(|c| c.is_alphabetic()).collect();
    let is_led = is_led(words, at);
    let is_behind_day = is_weekday(before(words, at)) || is_month(before(words, at));
    // Of `December 10 in the morning` and `the 10 in the morning` it is the day.
    let is_day = is_month(before(words, at)) || matches!(before(words, at), "the" | "den" | "el");
    let has_part = is_lone && !is_day && part_of_day(words, at + 1).is_some();
    let afternoon = match letters.as_str() {
        "am" if !is_lone || unit.contains('.') || is_english_am(words, at) => Some(false),
        "pm" => Some(true),
        _ => None,
    };
    let minutes_behind = minutes(unit.trim_start_matches(char::is_alphabetic))
        .map(|minute| (minute, 0))
        .or_else(|| Some((minutes(bare(words, behind))?, 1)))
        .filter(|(_, more)| *more == 0 || !unit.ends_with([',', ';', '.']))
        .filter(|(_, more)| *more == 0 || !UNITS.contains(&bare(words, behind + 1)));
    let spoken = match letters.as_str() {
        "uhr" | "oclock" | "heure" | "heures" | "uur" | "horas" => {
            Some(minutes_behind.unwrap_or((0, 0)))
        }
        // `1 h` may be how long it takes.
        "h" => {
            let hour: Option<i8> = figures.parse().ok();
            let is_hour = is_led || is_behind_day || hour.is_some_and(|hour| hour >= 7);
            minutes_behind.or(is_hour.then_some((0, 0)))
        }
        _ if has_part => Some((0, 0)),
        "" if is_led && is_free(words, at) => Some((0, 0)),
        _ if is_lone && is_led && is_free(words, at) && afternoon.is_none() => Some((0, 0)),
        _ => afternoon.map(|_| (0, 0)),
    };
    let figures = figures.trim_end_matches([':', '.']);
    let (hour, minute, more) = match figures.split_once([':', '.']) {
        Some((hour, minute)) if spoken.is_some() || figures.contains(':') => {
            (hour, minutes(minute).filter(|_| minute.len() == 2)?, 0)
        }
        None => spoken.map(|(minute, more)| (figures, minute, more))?,
        Some(_) => return None,
    };
    let hour = if (1..=2).contains(&hour.len()) { hour.parse().ok()? } else { return None };
    let is_unit = afternoon.is_some() || matches!(letters.as_str(), "uhr" | "oclock" | "heures");
    let taken = 1 + usize::from(is_lone && is_unit) + more;
    (0..24).contains(&hour).then_some((Said { hour, minute, afternoon }, taken))
}

/// Whether `am` behind the figures at a place is the English one: `3. am Nachmittag` is not.
fn is_english_am(words: &[String], at: usize) -> bool {
    let next = words.get(at + 2).map_or("", String::as_str);
    let is_date = next.starts_with(|c: char| c.is_ascii_digit()) && next.ends_with('.');
    let is_german = GERMAN.iter().any(|word| bare(words, at + 2).starts_with(word));
    !ends(words, at) && (ends(words, at + 1) || !is_date && !is_german)
}

/// `two thirty`, `two oh five pm`, `ten o'clock`, `at two`.
fn in_words(words: &[String], at: usize) -> Option<(Said, usize)> {
    let hour = HOURS.iter().position(|hour| *hour == bare(words, at))?;
    let hour = i8::try_from(hour + 1).ok()?;
    let is_last = ends(words, at);
    let minutes = spelled_minutes(words, at + 1).filter(|_| !is_last);
    let (minute, taken) = minutes.map_or((0, 1), |(minute, taken)| (minute, taken + 1));
    let unit = words.get(at + taken).filter(|_| !ends(words, at + taken - 1));
    let unit: String =
        unit.map_or("", String::as_str).chars().filter(|c| c.is_alphabetic()).collect();
    let time = |afternoon, more| Some((Said { hour, minute, afternoon }, taken + more));
    match unit.as_str() {
        "am" => time(Some(false), 1),
        "pm" => time(Some(true), 1),
        "oclock" if minutes.is_none() => time(None, 1),
        unit if UNITS.contains(&unit) => None,
        _ if minutes.is_some() => time(None, 0),
        _ if part_of_day(words, at + 1).is_some() => time(None, 0),
        _ if LEADS.contains(&before(words, at)) && is_free(words, at) => time(None, 0),
        _ => None,
    }
}

/// `thirty`, `forty-five`, `oh five`, with how many words it takes.
fn spelled_minutes(words: &[String], at: usize) -> Option<(i8, usize)> {
    let digit = |at: usize| {
        let place = HOURS[..9].iter().position(|digit| *digit == bare(words, at))?;
        i8::try_from(place + 1).ok()
    };
    if matches!(bare(words, at), "oh" | "o") {
        return Some((digit(at + 1)?, 2));
    }
    let (_, tens) = MINUTES.into_iter().find(|(name, _)| *name == bare(words, at))?;
    match digit(at + 1).filter(|_| tens >= 20 && !ends(words, at)) {
        Some(more) => Some((tens + more, 2)),
        None => Some((tens, 1)),
    }
}

/// `in the afternoon`: whether it is, and how many words that takes.
fn part_of_day(words: &[String], at: usize) -> Option<(bool, usize)> {
    let is_behind = at > 0 && !ends(words, at - 1);
    match [0, 1, 2].map(|n| bare(words, at + n)) {
        ["de", "la", "mañana"] if is_behind => Some((false, 3)),
        ["de", "la", "tarde" | "noche"] if is_behind => Some((true, 3)),
        ["du", "matin", _] if is_behind => Some((false, 2)),
        ["de", "l'après", "midi"] if is_behind => Some((true, 3)),
        ["du", "soir", _] if is_behind => Some((true, 2)),
        ["in", "the", "morning"] if is_behind => Some((false, 3)),
        ["in", "the", "afternoon" | "evening"] if is_behind => Some((true, 3)),
        _ => None,
    }
}

fn minutes(figures: &str) -> Option<i8> {
    let figures = figures.trim_end_matches(|c: char| c.is_ascii_punctuation());
    let is_short = (1..=2).contains(&figures.len());
    let all = figures.bytes().all(|byte| byte.is_ascii_digit());
    figures.parse().ok().filter(|minute| is_short && all && (0..60).contains(minute))
}

#[cfg(test)]
#[path = "times_tests.rs"]
mod tests;
