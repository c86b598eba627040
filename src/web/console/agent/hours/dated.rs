//! A line of holidays and other days: a day or several by their dates, and when it is open on them.

use jiff::civil::Date;
use maud::{Markup, html};

use super::stretch::{self, Fault, Stretch};

/// The most days between two dates of a line.
const RANGE_DAYS: usize = 366;

/// A line.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Dated {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) is_yearly: bool,
    pub(super) open: Vec<Stretch>,
    pub(super) is_unread: bool,
}

impl Dated {
    /// Whether nothing was written in it.
    pub(super) fn is_empty(&self) -> bool {
        self.from.is_empty() && self.to.is_empty() && self.open.is_empty()
    }

    /// Whether `next` goes on where this ends.
    pub(super) fn is_before(&self, next: &Self, date: Date) -> bool {
        let last = if self.to.is_empty() { &self.from } else { &self.to };
        let yesterday = date.yesterday().map(|day| day.to_string());
        yesterday.is_ok_and(|yesterday| yesterday == *last)
            && (self.is_yearly, &self.open, self.is_unread)
                == (next.is_yearly, &next.open, next.is_unread)
    }

    /// What it is called.
    pub(super) fn title(&self) -> String {
        let said = |text: &str| match text.parse::<Date>() {
            Ok(date) if self.is_yearly => date.strftime("%-d %B").to_string(),
            Ok(date) => date.strftime("%a %-d %B %Y").to_string(),
            Err(_) => text.to_owned(),
        };
        if self.from.is_empty() {
            return "Another day".to_owned();
        }
        let to = if self.to.is_empty() { String::new() } else { format!(" to {}", said(&self.to)) };
        let each = if self.is_yearly { ", every year" } else { "" };
        format!("{}{to}{each}", said(&self.from))
    }

    /// The days, as they are named in the schedule. `name` is what its fields begin with.
    pub(super) fn names(&self, name: &str) -> Result<Vec<String>, Fault> {
        let wrong = |field: &str, why: &str| (format!("{name}.{field}"), why.to_owned());
        let read = |field: &str, text: &str| {
            let none = |_| wrong(field, "choose a date, such as 2026-12-25");
            text.parse::<Date>().map_err(none)
        };
        let from = read("from", &self.from)?;
        let to = if self.to.is_empty() { from } else { read("to", &self.to)? };
        let days: Vec<Date> = std::iter::successors(Some(from), |day| day.tomorrow().ok())
            .take_while(|day| *day <= to)
            .take(RANGE_DAYS + 1)
            .collect();
        match days.len() {
            0 => Err(wrong("to", "the last day is before the first")),
            n if n > RANGE_DAYS => Err(wrong("to", "accepted is a year at most")),
            _ => Ok(days
                .into_iter()
                .map(|day| match self.is_yearly {
                    true => every_year(day),
                    false => day.to_string(),
                })
                .collect()),
        }
    }

    /// Its line. `wrong` are the names of the fields that were not accepted.
    pub(super) fn line(&self, name: &str, wrong: &[&str]) -> Markup {
        let is_wrong = |field: &str| wrong.contains(&field).then_some("true");
        let label = self.title();
        let (from, to) = (format!("{name}.from"), format!("{name}.to"));
        html! {
            @if self.is_unread { p .note.warn { "What is stored of its hours cannot be read." } }
            div .row {
                label .check { "On" input type="date" id=(super::id_of(&from)) name=(from) value=(self.from) aria-invalid=[is_wrong(&from)]; }
                label .check { "until" input type="date" id=(super::id_of(&to)) name=(to) value=(self.to) aria-invalid=[is_wrong(&to)]; }
                label .check { input type="checkbox" name={ (name) ".yearly" } value="yes" checked[self.is_yearly]; "every year" }
                (stretch::fields(&self.open, name, &label, wrong))
            }
        }
    }
}

/// The name of a day of every year. `07-04` may be in April too, and nobody reads that as either.
fn every_year(day: Date) -> String {
    let is_certain = day.day() > 12 || day.day() == day.month();
    day.strftime(if is_certain { "%m-%d" } else { "%-d %B" }).to_string()
}
