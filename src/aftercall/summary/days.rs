//! Days, as somebody has named them: by dates, weekdays and words such as `tomorrow`.

use jiff::ToSpan as _;
use jiff::civil::{Date, Weekday};

use super::named::{Day, Week, day_at};
use super::words::{Found, Role, all, bare, verdict, words};

/// What may stand between a weekday and its date.
const ARTICLES: [&str; 7] = ["the", "den", "der", "dem", "le", "el", "il"];
impl Day {
    /// The days that it can be, from the day of the call on; of a weekday this does not tell.
    fn dates(self, today: Date) -> impl Iterator<Item = Date> {
        let next = move |year: Option<i16>, month: i8, day: i8| {
            let of = |year| Date::new(year, month, day).ok();
            match year {
                Some(year) => of(year),
                None => {
                    (0..=4).filter_map(|more| of(today.year() + more)).find(|date| *date >= today)
                }
            }
        };
        let dates = match self {
            Self::Date { year, month, day } => [next(year, month, day), None],
            Self::Either { year, one, other } => [next(year, one, other), next(year, other, one)],
            Self::OfMonth(day) => {
                [today.series(1.day()).take(62).find(|date| date.day() == day), None]
            }
            Self::Ahead(days) => [today.checked_add(days.days()).ok(), None],
            Self::Weekday(..) => [None, None],
        };
        dates.into_iter().flatten()
    }

    /// Whether it is this day; nothing if it may be it and may be one of another week.
    fn is(self, date: Date, today: Date) -> Option<bool> {
        let Self::Weekday(weekday, week) = self else {
            return Some(self.dates(today).any(|one| one == date));
        };
        let days = (date - today).get_days();
        match week {
            _ if weekday != date.weekday() => Some(false),
            Week::This if (0..=7).contains(&days) => Some(true),
            Week::Next if (1..=14).contains(&days) => Some(true),
            _ => None,
        }
    }

    fn weekday(self) -> Option<Weekday> {
        match self {
            Self::Weekday(weekday, _) => Some(weekday),
            _ => None,
        }
    }

    fn is_dated(self) -> bool {
        !matches!(self, Self::Weekday(..) | Self::Ahead(_))
    }
}

/// Whether this day is named; `Some(false)` if only others are. A weekday does not make up for a date
/// that is another, which it may be the weekday of; and `today` takes nothing from either: it is said
/// of so much else.
pub(super) fn says(date: Date, today: Date, said: &str) -> Option<bool> {
    let words = words(said);
    let found = all(&words, |at| day_at(&words, at));
    let mut named = Vec::new();
    let mut ahead = Vec::new();
    for (place, one) in found.iter().enumerate() {
        let beside = [place.checked_sub(1), Some(place + 1)].into_iter().flatten();
        let beside = beside.filter_map(|place| found.get(place));
        let mut beside = beside.filter(|other| is_beside(&words, one, other));
        let is_it = one.what.is(date, today);
        match one.what {
            Day::Ahead(_) => ahead.extend(is_it.map(|is_it| (one.role, is_it))),
            // It goes with that date.
            Day::Weekday(..) if beside.any(|other| other.what.is_dated()) => {}
            Day::Weekday(..) => named.extend(is_it.map(|is_it| (one.role, is_it))),
            _ => {
                let mut weekdays = beside.filter_map(|other| other.what.weekday());
                let is_right = weekdays.all(|weekday| weekday == date.weekday());
                named.push((one.role, is_it == Some(true) && is_right));
            }
        }
    }
    if dates_weekday(date, today, said) == Some(false) {
        return Some(false);
    }
    match verdict(named.into_iter()) {
        Some(true) => Some(true),
        Some(false) => verdict(ahead.into_iter()).filter(|is_it| *is_it).or(Some(false)),
        None => verdict(ahead.into_iter()),
    }
}

/// Whether a date is named that this may be, by what weekday it is: `Some(false)` if that is only
/// another date of this weekday, which whoever says no more than the weekday may mean.
pub(super) fn dates_weekday(date: Date, today: Date, said: &str) -> Option<bool> {
    let words = words(said);
    let found = all(&words, |at| day_at(&words, at));
    let dated = found.iter().filter(|one| one.what.is_dated());
    verdict(dated.flat_map(|one| {
        let dates = one.what.dates(today).filter(|one| *one >= today);
        let of_weekday = dates.filter(|one| one.weekday() == date.weekday());
        of_weekday.map(|other| (one.role, other == date))
    }))
}

/// Whether a word such as `tomorrow` names this day.
pub(super) fn is_ahead(date: Date, today: Date, said: &str) -> bool {
    let words = words(said);
    let found = all(&words, |at| day_at(&words, at));
    let is_ahead = |one: &Found<Day>| matches!(one.what, Day::Ahead(_)) && one.role == Role::Meant;
    found.iter().any(|one| is_ahead(one) && one.what.is(date, today) == Some(true))
}

/// Whether two that were found stand together.
fn is_beside(words: &[String], one: &Found<Day>, other: &Found<Day>) -> bool {
    let (first, second) = if one.at < other.at { (one, other) } else { (other, one) };
    (first.behind..second.at).all(|at| ARTICLES.contains(&bare(words, at)))
        && first.role != Role::Beside
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn days_are_found_in_what_was_said() {
        // The call is of a Friday, and what is looked for is a Tuesday.
        let (today, tuesday) = (date(2026, 11, 27), date(2026, 12, 1));
        let (yes, others, none) = (Some(true), Some(false), None);
        for (said, expected) in [
            ("on 2026-12-01, at 2", yes),
            ("on 2026-12-02", others),
            ("Tuesday's fine", yes),
            ("Is Wednesday good?", others),
            ("Tuesday or Wednesday", yes),
            ("next Tuesday", yes),
            ("mardi prochain", yes),
            // What is said of another week, or of another day of it.
            ("Tuesday isn't possible", none),
            ("December 1st at 2:30 pm, or Thursday at 4 pm?", yes),
            ("Wednesday, December 1st", others),
            ("December 8th works. So Tuesday", others),
            ("December 3rd or Tuesday?", yes),
            ("am 1.12 um 14:30 Uhr", yes),
            ("Great, come by Tuesday at 2:30 pm.", yes),
            ("Warum nicht Dienstag um 14:30 Uhr?", yes),
            ("Pourquoi pas mardi à 14h30 ?", yes),
            ("am Dienstagnachmittag", yes),
            ("mardi", yes),
            ("el miércoles", others),
            ("martedì", yes),
            ("dinsdag", yes),
            ("na terça-feira", yes),
            ("a segunda opção", none),
            ("na segunda", others),
            ("We are open Mondays", none),
            ("December 1st", yes),
            ("December 1, 2026", yes),
            ("December 1, 2027", others),
            ("December the first", yes),
            ("the 1st of December", yes),
            ("December twenty-first", others),
            ("1 December", yes),
            ("am 1. Dezember", yes),
            ("am 8. Dezember", others),
            ("le 1er décembre", yes),
            ("el 1 de diciembre", yes),
            ("il 1 dicembre", yes),
            ("1 december", yes),
            ("1 de dezembro", yes),
            // The weekday of another date is that of this one.
            ("Tuesday, December 8th", others),
            ("Tuesday, December 8th or Tuesday, December 1st", yes),
            ("am 1.12. um drei", yes),
            ("am 2.12.2026", others),
            ("on 12/1", yes),
            ("12/01/2026", yes),
            ("13/12/2026", others),
            ("24/7", none),
            ("the 1st, please", yes),
            ("on the 2nd", others),
            ("on the 2nd floor", none),
            ("am 2.", others),
            ("today", others),
            ("Thank you for your help today", none),
            ("Anything else I can help you with today?", none),
            ("Kann ich heute noch etwas für Sie tun?", none),
            ("Danke für Ihren Anruf heute", none),
            ("autre chose aujourd'hui ?", none),
            ("¿En qué más puedo ayudarle hoy?", none),
            ("Kann ich heute um 4 Uhr noch etwas tun?", others),
            ("December 1st. We'll text you a reminder tomorrow.", yes),
            ("tomorrow", others),
            ("the day after tomorrow", others),
            ("Guten Morgen", none),
            ("Dienstag Morgen", yes),
            ("por la mañana", none),
            ("übermorgen", others),
            ("not Wednesday", none),
            ("after Tuesday", none),
            ("Wednesday instead of Tuesday", others),
            ("in March we may close, in May 2 pm", none),
            ("the first one", none),
            ("", none),
        ] {
            assert_eq!(says(tuesday, today, said), expected, "{said}");
        }
        let sunday = date(2026, 11, 29);
        let (eighth, later) = (date(2026, 12, 8), date(2026, 12, 15));
        for (date, said, expected) in [
            // A weekday alone is of the next seven days, and proves no later one.
            (eighth, "on Tuesday", none),
            (eighth, "next Tuesday", yes),
            (eighth, "el martes que viene", yes),
            (later, "next Tuesday", none),
            (eighth, "Tuesday, December 8th", yes),
            (eighth, "the 8th", yes),
            (date(2027, 1, 8), "the 8th", others),
            (today, "today", yes),
            (today, "heute Morgen", yes),
            (today.tomorrow().unwrap(), "morgen", yes),
            (today.tomorrow().unwrap(), "mañana por la mañana", yes),
            (sunday, "the day after tomorrow", yes),
            (sunday, "après-demain", yes),
            (sunday, "pasado mañana", yes),
            (sunday, "depois de amanhã", yes),
            (sunday, "morgen", others),
        ] {
            assert_eq!(says(date, today, said), expected, "{said}");
        }
    }
}
