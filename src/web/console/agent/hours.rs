//! The editor of weekly hours and holidays: seven days with two stretches each, and days by their dates.

use jiff::ToSpan as _;
use jiff::civil::Date;
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::form::Sent;
use crate::agent::hours::{Hours, Written, WrittenDay};

/// The days, as their names are stored.
pub(super) const DAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// Stretches of a day that the form has room for, unless more are stored.
const STRETCHES: usize = 2;
/// The most stretches and dates that are read of a form.
const STRETCHES_MAX: usize = 8;
const DATES_MAX: usize = 400;
/// Empty lines for more dates.
const MORE_DATES: usize = 3;
/// The most days between two dates of a line.
const RANGE_DAYS: usize = 366;
const DAY_MINUTES: u16 = 24 * 60;

/// When it is open: from and to, as they are written.
type Stretches = Vec<(String, String)>;

/// What the editor shows and takes.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::web::console) struct Editor {
    /// Whether there are opening hours at all.
    keeps: bool,
    days: [Stretches; 7],
    /// Days of which what is stored cannot be read.
    unread: [bool; 7],
    dates: Vec<Dated>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Dated {
    from: String,
    to: String,
    is_yearly: bool,
    open: Stretches,
    is_unread: bool,
}

/// A day that was not accepted, as a path in the schedule, and why.
pub(in crate::web::console) type Wrong = (String, String);

impl Editor {
    /// What is stored, as it is understood. `today` gives the year that yearly days are shown in.
    pub(in crate::web::console) fn stored(hours: &Hours, today: Date) -> Self {
        let week = hours.week();
        let mut dates: Vec<Dated> = Vec::new();
        for (day, written) in hours.dates() {
            let (date, is_yearly) = match day {
                WrittenDay::On(date) => (date, false),
                WrittenDay::Yearly(month, day) => (coming(today, month, day), true),
            };
            let row = Dated {
                from: date.to_string(),
                to: String::new(),
                is_yearly,
                open: stretches(&written),
                is_unread: written == Written::NotKnown,
            };
            match dates.last_mut() {
                Some(last) if last.is_before(&row, date) => last.to = row.from,
                _ => dates.push(row),
            }
        }
        Self {
            keeps: week.iter().any(|written| *written != Written::NotKept),
            unread: std::array::from_fn(|day| week[day] == Written::NotKnown),
            days: week.map(|written| stretches(&written)),
            dates,
        }
    }

    /// What was sent. `copy` names the day whose hours the working days are to have.
    pub(in crate::web::console) fn sent(sent: &Sent) -> Self {
        let text =
            |name: String| sent.get(&name).map(|text| text.trim().to_owned()).unwrap_or_default();
        let open = |name: &str| {
            let stretch = |n| (text(format!("{name}.{n}.open")), text(format!("{name}.{n}.close")));
            let all = (0..STRETCHES_MAX).map(stretch);
            all.filter(|(open, close)| !open.is_empty() || !close.is_empty()).collect::<Stretches>()
        };
        let mut days = DAYS.map(open);
        let copied = sent.get("copy").and_then(|name| DAYS.iter().position(|day| day == name));
        if let Some(copied) = copied {
            let hours = days[copied].clone();
            days[..5].fill(hours);
        }
        let dates = (0..DATES_MAX).filter_map(|n| {
            let name = format!("date{n}");
            let row = Dated {
                from: text(format!("{name}.from")),
                to: text(format!("{name}.to")),
                is_yearly: sent.contains_key(&format!("{name}.yearly")),
                open: open(&name),
                is_unread: false,
            };
            (!row.from.is_empty() || !row.to.is_empty() || !row.open.is_empty()).then_some(row)
        });
        Self {
            keeps: sent.get("keeps").is_none_or(|keeps| keeps != "none"),
            days,
            unread: [false; 7],
            dates: dates.collect(),
        }
    }

    /// As it is stored; null where no hours are kept.
    ///
    /// # Errors
    /// The first day that is not written in full.
    pub(in crate::web::console) fn schedule(&self) -> Result<Value, Wrong> {
        let mut schedule = Map::new();
        if self.keeps {
            for (day, open) in DAYS.iter().zip(&self.days) {
                schedule.insert((*day).to_owned(), whole(open, day)?);
            }
        }
        let mut dates = Map::new();
        for row in &self.dates {
            let hours = whole(&row.open, "exceptions")?;
            for name in row.names()? {
                if dates.insert(name.clone(), hours.clone()).is_some() {
                    return Err(("exceptions".to_owned(), format!("{name} is there twice")));
                }
            }
        }
        if !dates.is_empty() {
            schedule.insert("exceptions".to_owned(), Value::Object(dates));
        }
        Ok(if schedule.is_empty() { Value::Null } else { Value::Object(schedule) })
    }

    /// The schedule, if it says something else than what is stored.
    ///
    /// # Errors
    /// See [`schedule`](Self::schedule).
    pub(in crate::web::console) fn changed(&self, stored: &Self) -> Result<Option<Value>, Wrong> {
        let schedule = self.schedule()?;
        let is_unread =
            stored.unread.contains(&true) || stored.dates.iter().any(|row| row.is_unread);
        let is_same = !is_unread && stored.schedule().is_ok_and(|stored| stored == schedule);
        Ok((!is_same).then_some(schedule))
    }

    /// The editor. `wrong` is a day that was not accepted.
    pub(in crate::web::console) fn fields(&self, wrong: Option<&Wrong>) -> Markup {
        let why = |day: &str| {
            let (field, why) = wrong?;
            (field == day || field.strip_prefix(day).is_some_and(|rest| rest.starts_with('.')))
                .then_some(why)
        };
        let is_beside = DAYS.iter().any(|day| why(day).is_some()) || why("exceptions").is_some();
        html! {
            // Enter saves, and copies nothing.
            button .hidden type="submit" tabindex="-1" { "Save" }
            @if let Some((_, why)) = wrong.filter(|_| !is_beside) { p .error { (why) } }
            label .check { input type="radio" name="keeps" value="hours" checked[self.keeps]; "Open at these hours; a day without any is closed" }
            label .check { input type="radio" name="keeps" value="none" checked[!self.keeps]; "No fixed hours" }
            @for (day, name) in DAYS.iter().enumerate() {
                fieldset {
                    legend { (title(name)) }
                    @if self.unread[day] { p .note.warn { "What is stored cannot be read. Write the hours anew." } }
                    @if let Some(why) = why(name) { p .error { (why) } }
                    div .row {
                        (times(name, title(name).as_str(), &self.days[day]))
                        button .plain type="submit" name="copy" value=(name) { "Copy to weekdays" }
                    }
                }
            }
            h3 { "Holidays and other days" }
            p .hint { "A day without times is closed." }
            @if let Some(why) = why("exceptions") { p .error { (why) } }
            @let empty = std::iter::repeat_n(Dated::default(), MORE_DATES);
            @for (n, row) in self.dates.iter().cloned().chain(empty).enumerate() {
                @let name = format!("date{n}");
                @let label = if row.from.is_empty() { "Another day".to_owned() } else { row.title() };
                fieldset {
                    legend { (label) }
                    @if row.is_unread { p .note.warn { "What is stored of its hours cannot be read." } }
                    div .row {
                        label .check { "On" input type="date" name={ (name) ".from" } value=(row.from); }
                        label .check { "until" input type="date" name={ (name) ".to" } value=(row.to); }
                        label .check { input type="checkbox" name={ (name) ".yearly" } value="yes" checked[row.is_yearly]; "every year" }
                        (times(&name, &label, &row.open))
                    }
                }
            }
        }
    }
}

impl Dated {
    /// Whether `next` goes on where this ends.
    fn is_before(&self, next: &Self, date: Date) -> bool {
        let last = if self.to.is_empty() { &self.from } else { &self.to };
        let yesterday = date.yesterday().map(|day| day.to_string());
        yesterday.is_ok_and(|yesterday| yesterday == *last)
            && (self.is_yearly, &self.open, self.is_unread)
                == (next.is_yearly, &next.open, next.is_unread)
    }

    fn title(&self) -> String {
        let said = |text: &str| match text.parse::<Date>() {
            Ok(date) if self.is_yearly => date.strftime("%-d %B").to_string(),
            Ok(date) => date.strftime("%a %-d %B %Y").to_string(),
            Err(_) => text.to_owned(),
        };
        let to = if self.to.is_empty() { String::new() } else { format!(" to {}", said(&self.to)) };
        let each = if self.is_yearly { ", every year" } else { "" };
        format!("{}{to}{each}", said(&self.from))
    }

    /// The days, as they are named in the schedule.
    fn names(&self) -> Result<Vec<String>, Wrong> {
        let wrong = |why: &str| ("exceptions".to_owned(), why.to_owned());
        let read = |text: &str| {
            text.parse::<Date>().map_err(|_| wrong("accepted is a date such as 2026-12-25"))
        };
        let from = read(&self.from)?;
        let to = if self.to.is_empty() { from } else { read(&self.to)? };
        let days: Vec<Date> = std::iter::successors(Some(from), |day| day.tomorrow().ok())
            .take_while(|day| *day <= to)
            .take(RANGE_DAYS + 1)
            .collect();
        match days.len() {
            0 => Err(wrong("the last day is before the first")),
            n if n > RANGE_DAYS => Err(wrong("accepted is a year at most")),
            _ => Ok(days
                .into_iter()
                .map(|day| match self.is_yearly {
                    true => day.strftime("%m-%d").to_string(),
                    false => day.to_string(),
                })
                .collect()),
        }
    }
}

/// The next day of this month and day; the 29th of February is not in every year.
fn coming(today: Date, month: i8, day: i8) -> Date {
    let years = (0..9).filter_map(|n| today.checked_add(n.years()).ok());
    let mut dates = years.filter_map(|year| Date::new(year.year(), month, day).ok());
    dates.next().unwrap_or(today)
}

fn stretches(written: &Written) -> Stretches {
    let Written::Known(ranges) = written else { return Vec::new() };
    let clock = |minutes: u16| match minutes {
        // Midnight at the end, as fields for a time of day have it.
        DAY_MINUTES => "23:59".to_owned(),
        _ => format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60),
    };
    ranges.iter().map(|(open, close)| (clock(*open), clock(*close))).collect()
}

fn whole(open: &Stretches, day: &str) -> Result<Value, Wrong> {
    let whole = open.iter().map(|(from, to)| match from.is_empty() || to.is_empty() {
        true => Err((day.to_owned(), "both times are needed, or none".to_owned())),
        false => Ok(json!({"open": from, "close": to})),
    });
    whole.collect()
}

fn times(name: &str, day: &str, open: &Stretches) -> Markup {
    let none = (String::new(), String::new());
    let shown = open.len().clamp(STRETCHES, STRETCHES_MAX);
    html! {
        @for n in 0..shown {
            @let (from, to) = open.get(n).unwrap_or(&none);
            @let which = if n == 0 { "" } else { ", then" };
            span .row {
                input type="time" name={ (name) "." (n) ".open" } value=(from) aria-label={ (day) (which) " opens" };
                "–"
                input type="time" name={ (name) "." (n) ".close" } value=(to) aria-label={ (day) (which) " closes" };
            }
        }
    }
}

/// `Monday` of `monday`.
pub(super) fn title(day: &str) -> String {
    let mut letters = day.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::{Agent, AgentSource, BusinessSource};

    fn hours(schedule: Value) -> Hours {
        let business = BusinessSource {
            operating_schedule: Some(schedule),
            timezone: Some("Europe/London".to_owned()),
            ..BusinessSource::default()
        };
        Agent::new(AgentSource { business: Some(business), ..AgentSource::default() }).hours
    }

    fn today() -> Date {
        Date::constant(2026, 11, 29)
    }

    #[test]
    fn what_is_stored_comes_back_as_it_was() {
        let schedule = json!({
            "monday": [{"open": "09:00", "close": "12:00"}, {"open": "13:00", "close": "17:30"}],
            "tuesday": [{"open": "18:00", "close": "02:00"}], "wednesday": [], "thursday": [],
            "friday": [{"open": "00:00", "close": "23:59"}], "saturday": [], "sunday": [],
            "exceptions": {"2026-12-24": [], "2026-12-25": [], "2026-12-31":
                [{"open": "10:00", "close": "13:00"}], "01-01": [], "02-29": []},
        });
        let stored = Editor::stored(&hours(schedule.clone()), today());
        assert_eq!(stored.schedule(), Ok(schedule));
        let titles: Vec<String> = stored.dates.iter().map(Dated::title).collect();
        assert_eq!(
            titles,
            [
                "Thu 24 December 2026 to Fri 25 December 2026",
                "Thu 31 December 2026",
                "1 January, every year",
                "29 February, every year"
            ]
        );
        assert_eq!(stored.changed(&stored), Ok(None));
        let none = Editor::stored(&hours(Value::Null), today());
        assert_eq!((none.keeps, none.schedule()), (false, Ok(Value::Null)));
    }

    #[test]
    fn mondays_hours_are_copied_to_the_working_days() {
        let pairs = [
            ("monday.0.open", "09:00"),
            ("monday.0.close", "17:00"),
            ("copy", "monday"),
            ("friday.0.open", "08:00"),
            ("friday.0.close", "12:00"),
            ("saturday.1.open", "10:00"),
            ("saturday.1.close", "12:00"),
        ];
        let sent: Sent = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let schedule = Editor::sent(&sent).schedule().unwrap();
        assert_eq!(schedule["friday"], json!([{"open": "09:00", "close": "17:00"}]));
        assert_eq!(schedule["saturday"], json!([{"open": "10:00", "close": "12:00"}]));
        assert_eq!(schedule["sunday"], json!([]));
    }

    #[test]
    fn what_is_not_written_in_full_is_named() {
        for (name, value, day) in [
            ("tuesday.0.open", "09:00", "tuesday"),
            ("date0.from", "Christmas", "exceptions"),
            ("date0.to", "2026-12-25", "exceptions"),
            ("date0.0.open", "09:00", "exceptions"),
        ] {
            let sent: Sent = [(name.to_owned(), value.to_owned())].into();
            assert_eq!(Editor::sent(&sent).schedule().unwrap_err().0, day, "{name}");
        }
        let twice: Sent = [
            ("date0.from", "2026-12-20"),
            ("date0.to", "2026-12-26"),
            ("date1.from", "2026-12-25"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        assert_eq!(Editor::sent(&twice).schedule().unwrap_err().1, "2026-12-25 is there twice");
    }

    #[test]
    fn what_cannot_be_read_is_written_anew() {
        let stored = Editor::stored(&hours(json!({"monday": "whenever"})), today());
        assert!(stored.unread[0] && stored.keeps);
        let sent = Editor { unread: [false; 7], ..stored.clone() };
        assert!(sent.changed(&stored).unwrap().is_some());
    }
}
