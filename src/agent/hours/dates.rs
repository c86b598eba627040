//! Reads the dates that owners write, and says which days a name may mean where that is not certain.

mod tokens;

use jiff::civil::Date;

pub use tokens::MONTHS;
use tokens::{Token, plain, tokens};

/// Holidays that are on the same day wherever they are kept.
const NAMED: [(&str, i8, i8); 11] = [
    ("christmas", 12, 25),
    ("christmasday", 12, 25),
    ("xmas", 12, 25),
    ("xmasday", 12, 25),
    ("christmaseve", 12, 24),
    ("boxingday", 12, 26),
    ("newyear", 1, 1),
    ("newyears", 1, 1),
    ("newyearsday", 1, 1),
    ("newyearday", 1, 1),
    ("newyearseve", 12, 31),
];
/// Parts of the names of holidays whose days are not known here.
const HOLIDAYS: [&str; 24] = [
    "holiday",
    "easter",
    "thanksgiving",
    "labor",
    "labour",
    "memorial",
    "independence",
    "juneteenth",
    "veterans",
    "columbus",
    "presidents",
    "goodfriday",
    "christmas",
    "newyear",
    "feiertag",
    "ostern",
    "pfingst",
    "weihnacht",
    "silvester",
    "neujahr",
    "noel",
    "noël",
    "navidad",
    "ramadan",
];
/// What stands between the first and the last day of some.
const TO: [&str; 9] = ["to", "until", "till", "through", "thru", "bis", "au", "al", "tot"];
/// What may stand between a day and its month.
const OF: [&str; 5] = ["of", "de", "di", "the", "den"];
/// What makes an ordinal of a number.
const ORDINAL: [&str; 8] = ["st", "nd", "rd", "th", "er", "e", "º", "ste"];
/// Years that an opening is planned for. Others are typing errors.
const YEARS: std::ops::Range<i16> = 1900..2200;
/// The most days that one line may be about: what is longer is no holiday.
const RANGE_DAYS: usize = 366;
/// How much of a text, in bytes, is searched for dates.
const TEXT_BYTES: usize = 1_000;

/// One day, or the same day of each year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Day {
    On(Date),
    /// Month and day.
    Yearly(i8, i8),
}

/// The days that a text is about.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Meant {
    /// None if there is no date in the text.
    pub(super) days: Vec<Day>,
    /// If not, the text may mean any of them.
    pub(super) is_certain: bool,
}

impl Meant {
    /// What a name is about, such as `2026-12-25`, `12-25`, `25.12.2026`, `Dec 25th`, `Christmas`,
    /// `2026-12-24 to 2026-12-31`.
    pub(super) fn by(text: &str) -> Self {
        let start = &text[..text.floor_char_boundary(TEXT_BYTES)];
        if start.len() < text.len() {
            let days = scattered(&tokens(&plain(start)));
            return Self { days, is_certain: false };
        }
        let plain = plain(text);
        if let Some(meant) = named(&plain).or_else(|| moment(&plain)) {
            return meant;
        }
        let tokens = tokens(&plain);
        whole(&tokens).unwrap_or_else(|| Self { days: scattered(&tokens), is_certain: false })
    }

    /// The same of a longer text, in which `10.30` is a time and not a day.
    pub(super) fn within(text: &str) -> Vec<Day> {
        let is_dated = tokens(&plain(text)).iter().any(|token| match token {
            Token::Number(_, digits) => matches!(digits, 4 | 8),
            Token::Month(_) => true,
            _ => false,
        });
        if is_dated { Self::by(text).days } else { Vec::new() }
    }
}

/// Whether a name that cannot be read is of a date or a holiday, so that it is about no weekday.
pub(super) fn is_of_a_date(name: &str) -> bool {
    let plain = plain(name);
    let letters: String = plain.chars().filter(|c| c.is_alphabetic()).collect();
    // `09:00-17:00` has days behind it.
    let is_of_times = plain.contains(':') || plain.ends_with("am") || plain.ends_with("pm");
    let digits = plain.chars().filter(char::is_ascii_digit).count();
    HOLIDAYS.iter().any(|holiday| letters.contains(holiday)) || (digits > 2 && !is_of_times)
}

fn named(plain: &str) -> Option<Meant> {
    let letters: String = plain.chars().filter(|c| c.is_alphanumeric()).collect();
    let (_, month, day) = NAMED.iter().find(|(name, ..)| *name == letters)?;
    Some(Meant { days: vec![Day::Yearly(*month, *day)], is_certain: true })
}

/// `2026-12-25T00:00:00Z`. One at another time of another zone may be of the day before or after.
fn moment(plain: &str) -> Option<Meant> {
    let (date, time) = plain.split_at_checked(10)?;
    let date: Date = date.parse().ok().filter(|date: &Date| YEARS.contains(&date.year()))?;
    let time = time.strip_prefix(['t', ' '])?;
    if !time.starts_with(|c: char| c.is_ascii_digit()) || !time.contains(':') {
        return None;
    }
    let clock = time.split(['z', '+', '-']).next().unwrap_or(time);
    let is_midnight = !clock.contains(|c: char| matches!(c, '1'..='9'));
    if is_midnight || clock == time {
        return Some(Meant { days: vec![Day::On(date)], is_certain: true });
    }
    let around = [date.yesterday().ok(), Some(date), date.tomorrow().ok()];
    Some(Meant { days: around.into_iter().flatten().map(Day::On).collect(), is_certain: false })
}

/// What a text means that is a date from end to end, or the first and last of some days.
fn whole(tokens: &[Token<'_>]) -> Option<Meant> {
    if let Some(meant) = a_month(tokens).or_else(|| days_of_a_month(tokens)) {
        return Some(meant);
    }
    let (first, taken) = with_weekday(tokens)?;
    let rest = &tokens[taken..];
    if rest.is_empty() {
        return Some(first);
    }
    let behind = match rest {
        [Token::Mark('-' | '/' | '…'), behind @ ..] => behind,
        [Token::Mark('.'), Token::Mark('.'), behind @ ..] => behind,
        [Token::Word(to), behind @ ..] if TO.contains(to) => behind,
        _ => return None,
    };
    let (last, taken) = with_weekday(behind)?;
    if taken < behind.len() {
        return None;
    }
    let is_certain = first.is_certain && last.is_certain;
    // Where either may be several days, from the first that may be meant to the last.
    let between = days_between(*first.days.first()?, *last.days.last()?);
    let all: Vec<Day> = match between {
        Some(days) => days,
        None => return Some(Meant { days: [first.days, last.days].concat(), is_certain: false }),
    };
    Some(Meant { days: all, is_certain })
}

/// `August`, `December 2026`, `2026-12`: nothing in it says that it is about the whole month.
fn a_month(tokens: &[Token<'_>]) -> Option<Meant> {
    let (year, month) = match *tokens {
        [Token::Month(month)] => (None, u32::from(month.unsigned_abs())),
        [Token::Month(month), Token::Number(year, 4)] => (Some(year), month.unsigned_abs().into()),
        [Token::Number(year, 4), Token::Mark('-' | '/' | '.'), Token::Number(month, 1..=2)] => {
            (Some(year), month)
        }
        _ => return None,
    };
    let day = |day| year.map_or_else(|| yearly(month, day), |year| on(year, month, day));
    Some(Meant { days: (1..=31).filter_map(day).collect(), is_certain: false })
}

/// `24.-26.12.2026`, `24-26 December`.
fn days_of_a_month(tokens: &[Token<'_>]) -> Option<Meant> {
    let (first, rest) = match tokens {
        [Token::Number(first, 1..=2), Token::Mark('.'), Token::Mark('-' | '/'), rest @ ..]
        | [Token::Number(first, 1..=2), Token::Mark('-' | '/'), rest @ ..] => (*first, rest),
        _ => return None,
    };
    // Of `24-12-2026` it is the day.
    if !matches!(rest.get(1), Some(Token::Mark('.') | Token::Month(_) | Token::Word(_))) {
        return None;
    }
    let (days, taken) = date(rest)?;
    let [last] = days[..] else { return None };
    let first = match last {
        Day::On(date) => {
            on(date.year().unsigned_abs().into(), date.month().unsigned_abs().into(), first)?
        }
        Day::Yearly(month, _) => yearly(month.unsigned_abs().into(), first)?,
    };
    let is_whole = taken == rest.len() && first < last;
    let days = days_between(first, last).filter(|_| is_whole)?;
    Some(Meant { days, is_certain: true })
}

fn days_between(first: Day, last: Day) -> Option<Vec<Day>> {
    let in_year = |year: i16, month: i8, day: i8| Date::new(year, month, day).ok();
    let (from, to, is_yearly) = match (first, last) {
        (Day::On(from), Day::On(to)) => (from, to, false),
        (Day::Yearly(month, day), Day::On(to)) => {
            let same = in_year(to.year(), month, day)?;
            (if same > to { in_year(to.year() - 1, month, day)? } else { same }, to, false)
        }
        // Of a leap year, so that the 29th of February is of them.
        (Day::Yearly(month, day), Day::Yearly(until_month, until_day)) => {
            let year = if (month, day) > (until_month, until_day) { 2027 } else { 2028 };
            (in_year(year, month, day)?, in_year(2028, until_month, until_day)?, true)
        }
        (Day::On(_), Day::Yearly(..)) => return None,
    };
    let days = std::iter::successors(Some(from), |date| date.tomorrow().ok());
    let days: Vec<Date> = days.take_while(|date| *date <= to).take(RANGE_DAYS + 1).collect();
    let day = |date: &Date| match is_yearly {
        true => Day::Yearly(date.month(), date.day()),
        false => Day::On(*date),
    };
    (1..=RANGE_DAYS).contains(&days.len()).then(|| days.iter().map(day).collect())
}

/// A date with the weekday before or behind it, which has to be right.
fn with_weekday(tokens: &[Token<'_>]) -> Option<(Meant, usize)> {
    let skip = |at: usize| usize::from(matches!(tokens.get(at), Some(Token::Mark(',' | '.'))));
    let (before, mut at) = match tokens.first()? {
        Token::Weekday(day) => (Some(*day), 1 + skip(1)),
        _ => (None, 0),
    };
    let (days, taken) = date(&tokens[at..])?;
    at += taken;
    let mut weekday = before;
    let comma = skip(at);
    if let (None, Some(Token::Weekday(day))) = (before, tokens.get(at + comma)) {
        (weekday, at) = (Some(*day), at + comma + 1);
    }
    let is_right = |day: &Day| match (weekday, day) {
        (Some(weekday), Day::On(date)) => date.weekday() == weekday,
        // A weekday fixes the year, and the entry does not say which year.
        (Some(_), Day::Yearly(..)) => false,
        (None, _) => true,
    };
    let is_certain = days.len() == 1 && days.iter().all(is_right);
    Some((Meant { days, is_certain }, at))
}

/// The days that the tokens may begin with, in order, and how many tokens they are.
fn date(tokens: &[Token<'_>]) -> Option<(Vec<Day>, usize)> {
    let found = match tokens {
        [Token::Number(all, 8), ..] => (vec![on(all / 10_000, all / 100 % 100, all % 100)], 1),
        [Token::Mark('-'), Token::Mark('-'), rest @ ..] => {
            let (days, taken) = numeric(rest)?;
            (days, taken + 2)
        }
        [Token::Number(..), Token::Mark(_), Token::Number(..), ..] => numeric(tokens)?,
        _ => with_month(tokens)?,
    };
    let (days, taken) = found;
    let mut days: Vec<Day> = days.into_iter().flatten().collect();
    days.sort_unstable();
    days.dedup();
    (!days.is_empty()).then_some((days, taken))
}

/// `2026-12-25`, `25.12.2026`, `12/25/26`, `25.12.`, `12-25`.
fn numeric(tokens: &[Token<'_>]) -> Option<(Vec<Option<Day>>, usize)> {
    let [
        Token::Number(a, a_digits),
        Token::Mark(mark @ ('-' | '/' | '.')),
        Token::Number(b, 1..=2),
        rest @ ..,
    ] = tokens
    else {
        return None;
    };
    let (a, b) = (*a, *b);
    match (rest, a_digits) {
        ([Token::Mark(':'), ..], _) => None,
        ([Token::Mark(other), Token::Number(c, 1..=2), ..], 4) if other == mark => {
            Some((vec![on(a, b, *c).or_else(|| on(a, *c, b))], 5))
        }
        ([Token::Mark(other), Token::Number(c, digits @ (2 | 4)), ..], 1..=2) if other == mark => {
            let year = if *digits == 2 { 2000 + c } else { *c };
            // With dots the day always comes first.
            let month_first = on(year, a, b).filter(|_| *mark != '.');
            let year_first = on(2000 + a, b, *c).filter(|_| *mark == '-' && *digits == 2);
            Some((vec![on(year, b, a), month_first, year_first], 5))
        }
        (_, 1..=2) => {
            let dot = usize::from(*mark == '.' && matches!(rest, [Token::Mark('.'), ..]));
            let month_first = yearly(a, b).filter(|_| *mark != '.');
            Some((vec![yearly(b, a), month_first], 3 + dot))
        }
        _ => None,
    }
}

/// `25 December 2026`, `25. Dez.`, `Dec 25th, 2026`, `December the 25th`.
fn with_month(tokens: &[Token<'_>]) -> Option<(Vec<Option<Day>>, usize)> {
    let skip = |at: usize, is_skipped: &dyn Fn(&Token<'_>) -> bool| {
        tokens[at.min(tokens.len())..].iter().take(2).take_while(|token| is_skipped(token)).count()
    };
    let is_of = |token: &Token<'_>| match token {
        Token::Mark('.' | '-' | ',' | '/') => true,
        Token::Word(word) => OF.contains(word) || ORDINAL.contains(word),
        _ => false,
    };
    let (month, day, mut at) = match tokens.first()? {
        Token::Number(day, 1..=2) => {
            let at = 1 + skip(1, &is_of);
            let Some(Token::Month(month)) = tokens.get(at) else { return None };
            (*month, *day, at + 1)
        }
        Token::Month(month) => {
            let at = 1 + skip(1, &is_of);
            let Some(Token::Number(day, 1..=2)) = tokens.get(at) else { return None };
            let is_ordinal =
                |token: &Token<'_>| matches!(token, Token::Word(word) if ORDINAL.contains(word));
            (*month, *day, at + 1 + skip(at + 1, &is_ordinal))
        }
        _ => return None,
    };
    let behind = at + skip(at, &is_of);
    if let Some(Token::Number(year, 4)) = tokens.get(behind) {
        return Some((vec![on(*year, month.unsigned_abs().into(), day)], behind + 1));
    }
    // `25. Dez.`
    at += usize::from(matches!(tokens.get(at), Some(Token::Mark('.'))));
    Some((vec![yearly(month.unsigned_abs().into(), day)], at))
}

fn on(year: u32, month: u32, day: u32) -> Option<Day> {
    let year = i16::try_from(year).ok().filter(|year| YEARS.contains(year))?;
    Date::new(year, month.try_into().ok()?, day.try_into().ok()?).ok().map(Day::On)
}

fn yearly(month: u32, day: u32) -> Option<Day> {
    let date = Date::new(2028, month.try_into().ok()?, day.try_into().ok()?).ok()?;
    Some(Day::Yearly(date.month(), date.day()))
}

/// All days that may be meant somewhere in a text that is no date as a whole.
fn scattered(tokens: &[Token<'_>]) -> Vec<Day> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let (days, taken) = date(&tokens[at..]).unwrap_or((Vec::new(), 1));
        at += taken;
        found.extend((!days.is_empty()).then_some(days));
    }
    // Two may be the first and the last.
    let between = match &found[..] {
        [first, last] => days_between(first[0], last[last.len() - 1]),
        _ => None,
    };
    let mut days = found.concat();
    days.extend(between.into_iter().flatten());
    days.extend(of_months(tokens));
    days.sort_unstable();
    days.dedup();
    days
}

/// `24-26 Dec`: every day from the lowest number to the highest, in each month that is named.
fn of_months(tokens: &[Token<'_>]) -> Vec<Day> {
    let numbers = tokens.iter().filter_map(|token| match token {
        Token::Number(number @ 1..=31, 1..=2) => Some(*number),
        _ => None,
    });
    let (Some(low), Some(high)) = (numbers.clone().min(), numbers.max()) else { return Vec::new() };
    let months = tokens.iter().filter_map(|token| match token {
        Token::Month(month) => Some(u32::from(month.unsigned_abs())),
        _ => None,
    });
    let year = tokens.iter().find_map(|token| match token {
        Token::Number(year, 4) => Some(*year),
        _ => None,
    });
    let day = |month, day| match year {
        Some(year) => on(year, month, day),
        None => yearly(month, day),
    };
    months
        .take(12)
        .flat_map(|month| (low..=high).filter_map(move |number| day(month, number)))
        .collect()
}
