//! The editor of weekly hours and holidays: seven days with two stretches each, and days by their dates.

mod dated;
mod stretch;
#[cfg(test)]
mod tests;

use jiff::ToSpan as _;
use jiff::civil::Date;
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::form::Sent;
use crate::agent::hours::{Hours, Written, WrittenDay};
use crate::web::console::words::capital;
use dated::Dated;
use stretch::Stretch;

/// The days, as their names are stored.
pub(in crate::web::console) const DAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// Where the schedule has days by their dates.
const DATES: &str = "exceptions";
/// The most dates that are read of a form.
const DATES_MAX: usize = 400;
/// Empty lines for more dates.
const MORE_DATES: usize = 3;

/// What the editor shows and takes.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::web::console) struct Editor {
    /// Whether there are opening hours at all.
    keeps: bool,
    days: [Vec<Stretch>; 7],
    /// Days of which what is stored cannot be read.
    unread: [bool; 7],
    dates: Vec<Dated>,
    /// The day whose hours were just given to the working days, which is to be saved yet.
    copied: Option<usize>,
}

/// What was not accepted: the name of a field, or a path in the schedule; and why.
pub(in crate::web::console) type Wrong = (String, String);

/// The id of the field with this name.
fn id_of(name: &str) -> String {
    name.replace('.', "-")
}

/// Whether what was not accepted is of this day, or of the line with this name.
fn is_of(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

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
                open: stretch::stored(&written),
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
            days: week.map(|written| stretch::stored(&written)),
            dates,
            copied: None,
        }
    }

    /// What was sent. `copy` names the day whose hours the working days are to have.
    pub(in crate::web::console) fn sent(sent: &Sent) -> Self {
        let text =
            |name: String| sent.get(&name).map(|text| text.trim().to_owned()).unwrap_or_default();
        let open = |name: &str| {
            let one = |n| Stretch {
                open: text(format!("{name}.{n}.open")),
                close: text(format!("{name}.{n}.close")),
                is_overnight: sent.contains_key(&format!("{name}.{n}.overnight")),
            };
            let all = (0..stretch::MAX).map(one);
            let is_written = |one: &Stretch| !one.open.is_empty() || !one.close.is_empty();
            all.filter(is_written).collect::<Vec<_>>()
        };
        let mut days = DAYS.map(open);
        let copied = sent.get("copy").and_then(|name| DAYS.iter().position(|day| day == name));
        if let Some(copied) = copied {
            let hours = days[copied].clone();
            days[..5].fill(hours);
        }
        let dates = (0..DATES_MAX).map(|n| {
            let name = format!("date{n}");
            Dated {
                from: text(format!("{name}.from")),
                to: text(format!("{name}.to")),
                is_yearly: sent.contains_key(&format!("{name}.yearly")),
                open: open(&name),
                is_unread: false,
            }
        });
        Self {
            keeps: sent.get("keeps").is_none_or(|keeps| keeps != "none"),
            days,
            unread: [false; 7],
            dates: dates.filter(|row| !row.is_empty()).collect(),
            copied,
        }
    }

    /// As it is stored; null where no hours are kept.
    ///
    /// # Errors
    /// The days by their dates that are none.
    pub(in crate::web::console) fn schedule(&self) -> Result<Value, Vec<Wrong>> {
        let mut schedule = Map::new();
        if self.keeps {
            let days = DAYS.iter().zip(&self.days);
            schedule.extend(days.map(|(day, open)| ((*day).to_owned(), stretch::schedule(open))));
        }
        let (mut dates, mut wrong) = (Map::new(), Vec::new());
        for (n, row) in self.dates.iter().enumerate() {
            let (line, hours) = (format!("date{n}"), stretch::schedule(&row.open));
            match row.names(&line) {
                Ok(names) => {
                    let twice = names.iter().find(|name| dates.contains_key(*name));
                    wrong
                        .extend(twice.map(|name| {
                            (format!("{line}.from"), format!("{name} is there twice"))
                        }));
                    dates.extend(names.into_iter().map(|name| (name, hours.clone())));
                }
                Err(fault) => wrong.push(fault),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        if !dates.is_empty() {
            schedule.insert(DATES.to_owned(), Value::Object(dates));
        }
        Ok(if schedule.is_empty() { Value::Null } else { Value::Object(schedule) })
    }

    /// The schedule, if it says something else than what is stored. What is stored may stay, however odd
    /// it is: only what is new is looked at.
    ///
    /// # Errors
    /// All that is wrong with it, in the order of the form.
    pub(in crate::web::console) fn changed(
        &self,
        stored: &Self,
    ) -> Result<Option<Value>, Vec<Wrong>> {
        let mut wrong = Vec::new();
        let days = DAYS.iter().zip(self.days.iter().zip(&stored.days));
        for (day, (open, _)) in days.filter(|(_, (open, stored))| self.keeps && open != stored) {
            wrong.extend(stretch::faults(open, day));
        }
        let is_new = |row: &Dated| !stored.dates.iter().any(|known| known.open == row.open);
        for (n, row) in self.dates.iter().enumerate().filter(|(_, row)| is_new(row)) {
            wrong.extend(stretch::faults(&row.open, &format!("date{n}")));
        }
        let schedule = match self.schedule() {
            Ok(schedule) if wrong.is_empty() => schedule,
            schedule => {
                wrong.extend(schedule.err().into_iter().flatten());
                return Err(wrong);
            }
        };
        let is_unread =
            stored.unread.contains(&true) || stored.dates.iter().any(|row| row.is_unread);
        let is_same = !is_unread && stored.schedule().is_ok_and(|stored| stored == schedule);
        Ok((!is_same).then_some(schedule))
    }

    /// What is not accepted, as a list of faults tells it: the id of its field, what that is called, and why.
    pub(in crate::web::console) fn told(&self, wrong: &[Wrong]) -> Vec<(String, String, String)> {
        let place = |path: &str| {
            if let Some(day) = DAYS.iter().find(|day| is_of(path, day)) {
                let id = if path == *day { format!("{day}-0-open") } else { id_of(path) };
                return (id, capital(day));
            }
            let mut lines = self.dates.iter().enumerate();
            let line = lines.find(|(n, _)| is_of(path, &format!("date{n}")));
            match (line, path.strip_prefix("exceptions.")) {
                (Some((_, row)), _) => (id_of(path), row.title()),
                (None, Some(date)) => (DATES.to_owned(), date.to_owned()),
                (None, None) => (DATES.to_owned(), "Opening hours".to_owned()),
            }
        };
        let told = |(path, why): &Wrong| {
            let (id, name) = place(path);
            (id, name, why.clone())
        };
        wrong.iter().map(told).collect()
    }

    /// The editor, in a form that is sent to `action`. `wrong` is what was not accepted.
    pub(in crate::web::console) fn fields(&self, wrong: &[Wrong], action: &str) -> Markup {
        let fields: Vec<&str> = wrong.iter().map(|(field, _)| field.as_str()).collect();
        let of = |place: &str| {
            let mine = wrong.iter().filter(|(path, _)| is_of(path, place));
            let mine: Vec<&str> = mine.map(|(_, why)| why.as_str()).collect();
            html! { @if !mine.is_empty() { div id={ "error-" (place) } { @for why in mine { p .error { (why) @if !why.ends_with('.') { "." } } } } } }
        };
        let described = |place: &str| {
            wrong.iter().any(|(path, _)| is_of(path, place)).then(|| format!("error-{place}"))
        };
        let is_line = |path: &str| path.starts_with("date");
        let is_beside = |path: &str| is_line(path) || DAYS.iter().any(|day| is_of(path, day));
        let empty = std::iter::repeat_n(Dated::default(), MORE_DATES);
        html! {
            // Enter saves, and copies nothing.
            button .hidden type="submit" tabindex="-1" { "Save" }
            @for (path, why) in wrong.iter().filter(|(path, _)| !is_beside(path) && !is_of(path, DATES)) {
                p .error { @if !path.is_empty() { (path) ": " } (why) }
            }
            label .check { input type="radio" name="keeps" value="hours" checked[self.keeps]; "Open at these hours; a day without any is closed" }
            label .check { input type="radio" name="keeps" value="none" checked[!self.keeps]; "No fixed hours" }
            @for (day, name) in DAYS.iter().enumerate() {
                fieldset id={ "day-" (name) } aria-describedby=[described(name)] {
                    legend { (capital(name)) }
                    @if self.unread[day] { p .note.warn { "What is stored cannot be read. Write the hours anew." } }
                    (of(name))
                    @if self.copied == Some(day) {
                        p .note role="status" { (capital(name)) "’s hours stand for Monday to Friday now. They are not saved yet." }
                    }
                    div .row {
                        (stretch::fields(&self.days[day], name, &capital(name), &fields))
                        button .plain type="submit" name="copy" value=(name) formaction={ (action) "#day-" (name) } { "Copy to weekdays" }
                    }
                }
            }
            h3 id=(DATES) tabindex="-1" { "Holidays and other days" }
            p .hint { "A day without times is closed." }
            (of(DATES))
            @for (n, row) in self.dates.iter().cloned().chain(empty).enumerate() {
                @let name = format!("date{n}");
                fieldset aria-describedby=[described(&name)] {
                    legend { (row.title()) }
                    (of(&name))
                    (row.line(&name, &fields))
                }
            }
        }
    }
}

/// The next day of this month and day; the 29th of February is not in every year.
fn coming(today: Date, month: i8, day: i8) -> Date {
    let years = (0..9).filter_map(|n| today.checked_add(n.years()).ok());
    let mut dates = years.filter_map(|year| Date::new(year.year(), month, day).ok());
    dates.next().unwrap_or(today)
}
