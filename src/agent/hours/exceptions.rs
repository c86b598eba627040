//! Days that owners name by their date: what is written of each, and which are not known.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde_json::{Map, Value};

use super::super::fault::{Faults, NO_DATE, kind};
use super::dates::{Day, Meant, is_of_a_date};
use super::read::{DAYS, read_day, short};
use super::{Plan, Written, WrittenDay};

/// Names of a field that has exceptions, without spaces and marks; and whether a date alone says
/// that it is closed.
const PLACES: [(&str, bool); 17] = [
    ("exceptions", false),
    ("exception", false),
    ("specialhours", false),
    ("specialdays", false),
    ("specialdates", false),
    ("overrides", false),
    ("dates", false),
    ("holidayhours", false),
    ("holidays", true),
    ("holiday", true),
    ("bankholidays", true),
    ("publicholidays", true),
    ("closures", true),
    ("closings", true),
    ("closeddates", true),
    ("vacation", true),
    ("vacations", true),
];
/// Fields of a day that say which day it is, that say the first of several, and the last.
const WHICH: [&str; 3] = ["date", "dates", "day"];
const FIRST: [&str; 6] = ["from", "start", "start_date", "startDate", "begin", "begins"];
const LAST: [&str; 8] = ["to", "end", "end_date", "endDate", "until", "till", "through", "ends"];
/// Fields of a day that only say what it is called.
const LABELS: [&str; 9] =
    ["name", "title", "label", "reason", "description", "note", "notes", "holiday", "occasion"];
/// The most days of a schedule that are named by their dates: five years of every day.
const DAYS_MAX: usize = 2_000;
/// As so many days counts what cannot be read: it is tried in every way that there is.
const UNREAD_DAYS: usize = 20;
const ACCEPTED_DATE: &str = "a date such as 2026-12-25";
const ACCEPTED_LIST: &str = "days by their date, or a list of dates";

/// Whether a field has exceptions; and if so, whether a date alone says that it is closed.
pub(super) fn place(name: &str) -> Option<bool> {
    let plain: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
    let plain = plain.to_lowercase();
    PLACES.iter().find(|(place, _)| *place == plain).map(|(_, is_closing)| *is_closing)
}

/// What is written of days by their dates.
#[derive(Debug, Clone, Default)]
pub(super) struct Exceptions {
    dated: BTreeMap<Date, Plan>,
    /// By month and day.
    yearly: BTreeMap<(i8, i8), Plan>,
    /// How many days and entries were read: entries that name the same days over and over are work too.
    named: usize,
    /// Whether there were more than are kept.
    pub(super) are_too_many: bool,
}

impl Exceptions {
    /// What was written of a date. A year's own word counts before that of every year.
    pub(super) fn of(&self, date: Date) -> Option<&Plan> {
        self.dated.get(&date).or_else(|| self.yearly.get(&(date.month(), date.day())))
    }

    /// All of it, for a form that shows it.
    pub(super) fn written(&self) -> Vec<(WrittenDay, Written)> {
        let dated = self.dated.iter().map(|(date, plan)| (WrittenDay::On(*date), plan.into()));
        let yearly = self.yearly.iter();
        let yearly =
            yearly.map(|((month, day), plan)| (WrittenDay::Yearly(*month, *day), plan.into()));
        dated.chain(yearly).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.dated.is_empty() && self.yearly.is_empty()
    }

    /// Gives whether it contradicts what was there.
    fn put(&mut self, day: Day, plan: &Plan) -> bool {
        if self.dated.len() + self.yearly.len() >= DAYS_MAX {
            self.are_too_many = true;
            return false;
        }
        let place = match day {
            Day::On(date) => self.dated.entry(date).or_insert_with(|| plan.clone()),
            Day::Yearly(month, day) => {
                self.yearly.entry((month, day)).or_insert_with(|| plan.clone())
            }
        };
        let is_contradicted = place != plan;
        if is_contradicted {
            *place = Plan::NotKnown;
        }
        is_contradicted
    }

    /// Whether so much more is read: a row is a stranger's, and is read for each call.
    fn has_room(&mut self, for_days: usize) -> bool {
        self.named += for_days;
        self.are_too_many |= self.named > DAYS_MAX;
        !self.are_too_many
    }

    fn put_all(&mut self, days: &[Day], plan: &Plan, path: &str, faults: &mut Faults) {
        if !self.has_room(days.len()) {
            return;
        }
        let contradicted = days.iter().filter(|day| self.put(**day, plan)).count();
        if contradicted > 0 && *plan != Plan::NotKnown {
            faults.add(path.to_owned(), "a day that is there twice", "each day once");
        }
    }

    /// What cannot be read: the days that it may be about are not known.
    fn put_unknown(&mut self, days: &[Day], path: &str, faults: &mut Faults) {
        if !self.has_room(UNREAD_DAYS) {
            return;
        }
        let found = if days.is_empty() { NO_DATE } else { "a date that cannot be read" };
        faults.add(path.to_owned(), found, ACCEPTED_DATE);
        self.put_all(days, &Plan::NotKnown, path, faults);
    }

    /// Reads a whole field: days by their dates, a list of them, or one.
    pub(super) fn read(
        &mut self,
        value: &Value,
        is_closing: bool,
        path: &str,
        faults: &mut Faults,
    ) {
        match value {
            Value::Null => {}
            Value::Array(items) => {
                items.iter().for_each(|item| self.read_item(item, is_closing, path, faults));
            }
            Value::Object(fields) if is_item(fields) => {
                self.read_fields(fields, is_closing, path, faults);
            }
            Value::Object(days) => {
                for (name, day) in days {
                    let path = format!("{path}.{}", short(name));
                    self.read_named(name, day, is_closing, &path, faults);
                }
            }
            Value::String(text) if !text.trim().is_empty() => self.read_text(text, path, faults),
            Value::String(_) => {}
            other => faults.add(path.to_owned(), kind(other), ACCEPTED_LIST),
        }
    }

    /// Dates on which it is closed, in one text.
    fn read_text(&mut self, text: &str, path: &str, faults: &mut Faults) {
        let whole = Meant::by(text);
        if whole.is_certain {
            return self.put_all(&whole.days, &Plan::CLOSED, path, faults);
        }
        // `Dec 25, 2026` has a comma of its own.
        for mark in [';', '\n', ','] {
            let parts: Vec<Meant> = text.split(mark).map(Meant::by).collect();
            if parts.iter().all(|part| part.is_certain) {
                for part in parts {
                    self.put_all(&part.days, &Plan::CLOSED, path, faults);
                }
                return;
            }
        }
        self.put_unknown(&whole.days, path, faults);
    }

    fn read_item(&mut self, item: &Value, is_closing: bool, path: &str, faults: &mut Faults) {
        let before = self.named;
        match item {
            _ if self.are_too_many => return,
            Value::String(text) => self.read_text(text, path, faults),
            Value::Number(number) => self.read_text(&number.to_string(), path, faults),
            Value::Object(fields) if is_item(fields) => {
                self.read_fields(fields, is_closing, path, faults);
            }
            other => self.put_unknown(&days_in(other, true), path, faults),
        }
        if self.named == before {
            // An entry that names no day is one too.
            self.has_room(1);
        }
    }

    /// A day with its date, or its first and last, in fields of its own.
    fn read_fields(
        &mut self,
        fields: &Map<String, Value>,
        is_closing: bool,
        path: &str,
        faults: &mut Faults,
    ) {
        let meant = meant_by_fields(fields);
        let is_of_day = |name: &str| {
            !is_one_of(&WHICH, name)
                && !is_one_of(&LABELS, name)
                && (is_dated(fields) || !(is_one_of(&FIRST, name) || is_one_of(&LAST, name)))
        };
        let day: Map<String, Value> = fields
            .iter()
            .filter(|(name, _)| is_of_day(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if !meant.is_certain {
            let mut days = meant.days;
            days.extend(days_in(&Value::Object(fields.clone()), true));
            return self.put_unknown(&days, path, faults);
        }
        let plan = match is_closing && day.is_empty() {
            true => Plan::CLOSED,
            false => read_day(&Value::Object(day), path, faults),
        };
        self.put_all(&meant.days, &plan, path, faults);
    }

    /// A field of the schedule that is no weekday. Gives whether it can be about no weekday.
    pub(super) fn read_other(
        &mut self,
        name: &str,
        value: &Value,
        path: &str,
        faults: &mut Faults,
    ) -> bool {
        let meant = Meant::by(name);
        if !meant.days.is_empty() || is_of_a_date(name) {
            self.read_named(name, value, false, path, faults);
            // `9-17` may be hours, with the days behind them.
            let is_bare =
                !name.contains(char::is_alphabetic) && name.trim().len() <= "09.-17.".len();
            let is_unclear = read_day(value, path, &mut Faults::default()) == Plan::NotKnown;
            return !(is_bare && is_unclear);
        }
        let accepted = format!("{}, a date or exceptions", DAYS.join(", "));
        faults.add(path.to_owned(), "an unknown day", accepted);
        self.put_all(&days_in(value, false), &Plan::NotKnown, path, faults);
        false
    }

    /// A day by its name.
    pub(super) fn read_named(
        &mut self,
        name: &str,
        value: &Value,
        is_closing: bool,
        path: &str,
        faults: &mut Faults,
    ) {
        let meant = Meant::by(name);
        let is_called_only = !name.contains(|c: char| c.is_ascii_digit());
        // A day that is called by a name, with its date behind it.
        match value {
            _ if !self.has_room(0) => return,
            Value::Object(fields) if is_item(fields) && is_called_only => {
                self.read_fields(fields, is_closing, path, faults);
                return;
            }
            Value::String(text) if is_closing && is_called_only && Meant::by(text).is_certain => {
                self.read_text(text, path, faults);
                return;
            }
            _ => {}
        }
        if meant.is_certain {
            let plan = read_day(value, path, faults);
            self.put_all(&meant.days, &plan, path, faults);
            if plan == Plan::NotKnown {
                self.put_all(&days_in(value, false), &plan, path, faults);
            }
            return;
        }
        let mut days = meant.days;
        days.extend(days_in(value, false));
        self.put_unknown(&days, path, faults);
    }
}

/// Whether an object says of itself which day it is about.
fn is_item(fields: &Map<String, Value>) -> bool {
    let has = |names: &[&str]| fields.keys().any(|name| is_one_of(names, name));
    has(&WHICH) || (has(&FIRST) && has(&LAST))
}

fn is_dated(fields: &Map<String, Value>) -> bool {
    fields.keys().any(|name| is_one_of(&WHICH, name))
}

fn is_one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|other| other.eq_ignore_ascii_case(name))
}

fn meant_by_fields(fields: &Map<String, Value>) -> Meant {
    let text = |names: &[&str]| {
        let (_, value) = fields.iter().find(|(name, _)| is_one_of(names, name))?;
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Array(items) => {
                let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
                texts.map(|texts| texts.join("\n"))
            }
            _ => None,
        }
    };
    let Some(first) = text(&WHICH).or_else(|| text(&FIRST)) else { return Meant::default() };
    // `"to": "17:00"` is a time.
    if let Some(last) = text(&LAST).filter(|last| !Meant::by(last).days.is_empty()) {
        return Meant::by(&format!("{} to {}", first.trim(), last.trim()));
    }
    let all: Vec<Meant> = first.split('\n').map(Meant::by).collect();
    let is_certain = is_dated(fields) && all.iter().all(|meant| meant.is_certain);
    Meant { days: all.into_iter().flat_map(|meant| meant.days).collect(), is_certain }
}

/// All days that are named anywhere in what cannot be read.
pub(super) fn days_in(value: &Value, is_listed: bool) -> Vec<Day> {
    match value {
        Value::String(text) if is_listed => Meant::by(text).days,
        Value::String(text) => Meant::within(text),
        Value::Number(number) => Meant::within(&number.to_string()),
        Value::Array(items) => items.iter().flat_map(|item| days_in(item, true)).collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| [Meant::by(name).days, days_in(value, false)].concat())
            .collect(),
        Value::Null | Value::Bool(_) => Vec::new(),
    }
}
