//! Times of day and dates, as somebody has said them in figures.

use jiff::civil::{Date, DateTime};

/// What makes another time of the one that follows.
const PARTS: [&str; 9] =
    ["past", "to", "half", "quarter", "halb", "viertel", "dreiviertel", "vor", "nach"];
/// Whether a time of day that is said in figures is this one, and so is a date. Where neither is
/// said in figures there is nothing to disagree with: words for numbers differ with the language.
pub(super) fn agrees(local: DateTime, said: &str) -> bool {
    let trimmed = |word: &str| word.trim_matches(|c: char| !c.is_ascii_digit()).to_owned();
    let dates = said.split_whitespace().filter_map(|word| trimmed(word).parse().ok());
    let dates: Vec<Date> = dates.collect();
    let times = times_in(said);
    (dates.is_empty() || dates.contains(&local.date()))
        && (times.is_empty() || times.iter().any(|time| time.is_of(local)))
}

/// The times of day that are said in figures.
pub(super) fn times_in(said: &str) -> Vec<Said> {
    let words: Vec<String> = said.split_whitespace().map(str::to_lowercase).collect();
    let is_whole = |at: usize| {
        // `half past 2 pm`, `Viertel vor 3 Uhr`.
        let before = at.checked_sub(1).and_then(|before| words.get(before));
        !before.is_some_and(|word| PARTS.contains(&word.as_str()))
    };
    (0..words.len()).filter(|at| is_whole(*at)).filter_map(|at| time_at(&words[at..])).collect()
}

/// A time of day as it was said.
#[derive(Debug, PartialEq)]
pub(super) struct Said {
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
}

/// A time that these words begin with: `14:30`, `2.30 pm`, `2pm`, `2 p.m.`, `10 Uhr`, `14 Uhr 30`,
/// `14h30`, `3 o'clock`. A number by itself may be of something else, a date, a price or hours.
fn time_at(words: &[String]) -> Option<Said> {
    let first = words.first()?.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = first.find(|c: char| !c.is_ascii_digit() && !matches!(c, ':' | '.'));
    let (figures, attached) = first.split_at(end.unwrap_or(first.len()));
    let is_apart = attached.is_empty();
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let (unit, behind) = if is_apart { (word(1), word(2)) } else { (attached, word(1)) };
    let unit_of = |text: &str| text.chars().filter(|c| c.is_alphabetic()).collect::<String>();
    let figures = figures.trim_end_matches([':', '.']);
    let afternoon = match unit_of(unit).as_str() {
        // `am` is a word of its own in German.
        "am" if !is_apart || unit.contains('.') || figures.contains(':') => Some(false),
        "pm" => Some(true),
        _ => None,
    };
    let minutes_behind = minutes(unit.trim_start_matches(char::is_alphabetic))
        .or_else(|| minutes(behind.trim_end_matches(|c: char| c.is_ascii_punctuation())));
    let spoken = match unit_of(unit).as_str() {
        "uhr" | "oclock" | "heures" => Some(minutes_behind.unwrap_or(0)),
        // `1 h` may be how long it takes.
        "h" => minutes_behind,
        _ => afternoon.map(|_| 0),
    };
    let (hour, minute) = match figures.split_once([':', '.']) {
        Some((hour, minute)) if spoken.is_some() || figures.contains(':') => {
            (hour, minutes(minute).filter(|_| minute.len() == 2)?)
        }
        None => (figures, spoken?),
        Some(_) => return None,
    };
    let hour = if (1..=2).contains(&hour.len()) { hour.parse().ok()? } else { return None };
    (0..24).contains(&hour).then_some(Said { hour, minute, afternoon })
}

fn minutes(figures: &str) -> Option<i8> {
    let is_short = (1..=2).contains(&figures.len());
    let all = figures.bytes().all(|byte| byte.is_ascii_digit());
    figures.parse().ok().filter(|minute| is_short && all && (0..60).contains(minute))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_in_what_was_said() {
        let at = |hour, minute| Date::constant(2026, 12, 1).at(hour, minute, 0, 0);
        for (said, local, expected) in [
            ("at 2 pm", at(14, 0), true),
            ("at 2 PM.", at(15, 0), false),
            ("at 2pm,", at(14, 0), true),
            ("at 2 p.m.?", at(14, 0), true),
            ("at 2 a.m.", at(14, 0), false),
            ("at 12 pm", at(12, 0), true),
            ("at 12:30 am", at(0, 30), true),
            ("at 2:30", at(14, 30), true),
            ("at 2:30pm", at(2, 30), false),
            ("um 14.30 Uhr", at(14, 30), true),
            ("um 14.30 Uhr", at(14, 0), false),
            ("um 10 Uhr", at(10, 0), true),
            ("at 3 o'clock", at(16, 0), false),
            ("10:00 or 11:30?", at(11, 30), true),
            ("10:00 or 11:30?", at(12, 0), false),
            ("um 14 Uhr 30", at(14, 30), true),
            ("um 14 Uhr 30.", at(14, 0), false),
            ("à 14h30", at(14, 30), true),
            ("à 14 h 30", at(14, 0), false),
            ("à 14 heures, oui", at(14, 0), true),
            // None of these is a time.
            ("der 3. am Nachmittag, es dauert 1 h", at(16, 0), true),
            ("den 1.12. am Vormittag", at(16, 0), true),
            ("half past 2 pm", at(14, 30), true),
            ("quarter to 3 pm", at(14, 45), true),
            ("Viertel vor 3 Uhr", at(14, 45), true),
            ("it is $9.50 for 3 people, on 1.12.", at(16, 0), true),
            ("half past two", at(16, 0), true),
            ("on 2026-12-01", at(16, 0), true),
            ("on 2026-12-02", at(16, 0), false),
            ("25:00", at(16, 0), true),
            ("", at(16, 0), true),
        ] {
            assert_eq!(agrees(local, said), expected, "{said} {local}");
        }
    }
}
