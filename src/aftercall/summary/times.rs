//! Times of day, as somebody has said them: in figures, and in English also in words.

use jiff::civil::DateTime;

use super::words::{all, bare, before, ends, is_free, verdict, words};

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
    verdict(found.into_iter().map(|(role, time)| (role, time.is_of(local))))
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
    let is_led = LEADS.contains(&before(words, at));
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
        "h" => minutes_behind.or(is_led.then_some((0, 0))),
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
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn times_are_found_in_what_was_said() {
        let at = |hour, minute| date(2026, 12, 1).at(hour, minute, 0, 0);
        let (yes, others, none) = (Some(true), Some(false), None);
        for (said, local, expected) in [
            ("at 2 pm", at(14, 0), yes),
            ("at 2 PM.", at(15, 0), others),
            ("at 2pm,", at(14, 0), yes),
            ("at 2 p.m.?", at(14, 0), yes),
            ("at 2 a.m.", at(14, 0), others),
            ("at 12 pm", at(12, 0), yes),
            ("at 12:30 am", at(0, 30), yes),
            ("at 2:30", at(14, 30), yes),
            ("at 2:30pm", at(2, 30), others),
            ("um 14.30 Uhr", at(14, 30), yes),
            ("um 14.30 Uhr", at(14, 0), others),
            ("um 10 Uhr", at(10, 0), yes),
            ("at 3 o'clock", at(16, 0), others),
            ("10:00 or 11:30?", at(11, 30), yes),
            ("10:00 or 11:30?", at(12, 0), others),
            ("um 14 Uhr 30", at(14, 30), yes),
            ("um 14 Uhr 30.", at(14, 0), others),
            ("à 14h30", at(14, 30), yes),
            ("à 14h", at(14, 0), yes),
            ("à 14 h 30", at(14, 0), others),
            ("à 14 heures, oui", at(14, 0), yes),
            ("om 15 uur", at(15, 0), yes),
            ("half past 2 pm", at(14, 30), yes),
            ("quarter to 3 pm", at(14, 45), yes),
            ("Viertel vor 3 Uhr", at(14, 45), yes),
            ("um halb 3 Uhr", at(14, 30), yes),
            ("half past two", at(16, 0), others),
            // `am` is a word of its own in German.
            ("at 10 am", at(16, 0), others),
            ("Tuesday at 10 AM, shall I?", at(16, 0), others),
            ("10 am on Tuesday", at(10, 0), yes),
            ("10 am on Tuesday", at(22, 0), others),
            ("um 10 am Montag", at(10, 0), yes),
            ("die 3 am Vormittag", at(16, 0), none),
            ("der 3. am Nachmittag, es dauert 1 h", at(16, 0), none),
            ("den 1.12. am Vormittag", at(16, 0), none),
            // A word before a time makes another of it only behind a number.
            ("I'll move it from 1 pm to 3 pm", at(15, 0), yes),
            ("I'll move it from 1 pm to 3 pm", at(13, 0), others),
            ("ich verlege es nach 15 Uhr auf 16 Uhr", at(16, 0), yes),
            ("10 to 3 pm", at(14, 50), yes),
            ("from 10 to 3 pm", at(14, 50), others),
            ("20 minutes past 2", at(14, 20), yes),
            ("um 10 Uhr, 30 Minuten", at(10, 0), yes),
            ("um 10 Uhr 30 Minuten lang", at(10, 0), yes),
            ("um 10 Uhr, 30 Minuten", at(10, 30), others),
            // Words.
            ("at two thirty", at(14, 30), yes),
            ("Two-thirty in the afternoon.", at(2, 30), others),
            ("at half past two", at(14, 30), yes),
            ("a quarter to three", at(14, 45), yes),
            ("quarter past twelve", at(12, 15), yes),
            ("ten o'clock", at(10, 0), yes),
            ("at two oh five p.m.", at(14, 5), yes),
            ("nine forty-five", at(9, 45), yes),
            ("at noon", at(12, 0), yes),
            ("make it 4", at(14, 30), others),
            ("Let's say three, then", at(15, 0), yes),
            // Beside what is meant.
            ("any time after 2 pm", at(14, 0), none),
            ("not at 2 pm", at(14, 0), none),
            ("at 4 pm instead of 2:30 pm", at(14, 30), others),
            ("from 2 pm until 3 pm", at(14, 0), yes),
            ("from 2 pm until 3 pm", at(15, 0), none),
            ("I can't do 2:30 pm, make it 4 pm", at(14, 30), others),
            ("Why don't we make it 2:30 pm", at(14, 30), yes),
            // None of these is a time.
            ("it takes 10 to 15 minutes", at(14, 50), none),
            ("it is $9.50 for 3 people, on 1.12.", at(16, 0), none),
            ("at 2 Main Street, two twenty dollars", at(16, 0), none),
            ("one moment, I have two ideas for the afternoon", at(16, 0), none),
            ("on 2026-12-01", at(16, 0), none),
            ("25:00", at(16, 0), none),
            ("", at(16, 0), none),
        ] {
            assert_eq!(says(local, said), expected, "{said} {local}");
        }
    }
}
