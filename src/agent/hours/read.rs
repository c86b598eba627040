//! Reads a schedule as owners write it. What cannot be read is reported, and its day is not known.

use serde_json::{Map, Value};

use super::super::fault::{Faults, kind};
use super::exceptions::{Exceptions, place};
use super::{DAY_MINUTES, Plan, Range, Schedule};

pub(super) const SCHEDULE: &str = "operating_schedule";
pub(super) const DAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const ACCEPTED_DAY: &str =
    r#"a list of {"open":"09:00","close":"17:30"}, one of them, or "closed""#;
const ACCEPTED_SWITCH: &str = "true or false, and no other that says otherwise";
const ACCEPTED_BREAK: &str = "a list of the times before and after it";
/// What says beside the times whether a day is closed, and what it then is. They win over times.
const SWITCHES: [(&str, bool); 8] = [
    ("closed", true),
    ("is_closed", true),
    ("isClosed", true),
    ("isOpen", false),
    ("is_open", false),
    ("enabled", false),
    ("isEnabled", false),
    ("is_enabled", false),
];

impl Schedule {
    /// Reads a schedule; nothing, if the owner wrote none.
    pub(super) fn read(value: Option<&Value>, faults: &mut Faults) -> Option<Self> {
        let days = match value? {
            Value::Null => return None,
            Value::Object(days) if days.is_empty() => return None,
            Value::Array(items) if items.is_empty() => return None,
            Value::String(text) if text.trim().is_empty() => return None,
            Value::Object(days) => days,
            Value::String(text) => match serde_json::from_str(text) {
                // JSON that was written as a text of JSON is what the text says.
                Ok(inner @ Value::Object(_)) => return Self::read(Some(&inner), faults),
                _ => return Some(Self::unreadable(value?, faults)),
            },
            other => return Some(Self::unreadable(other, faults)),
        };
        let (mut week, mut exceptions) = ([const { None }; 7], Exceptions::default());
        // Of what an unknown name says nobody knows which day it is about.
        let mut is_all_read = true;
        for (name, value) in days {
            let path = format!("{SCHEDULE}.{}", short(name));
            if let Some(is_closing) = place(name) {
                exceptions.read(value, is_closing, &path, faults);
            } else if let Some(day) = day_index(name) {
                let plan = read_day(value, &path, faults);
                // A day that is there as `mon` and as `monday`.
                week[day] = match week[day].take() {
                    Some(other) if other != plan => {
                        faults.add(path, "a day that is there twice", "each day once");
                        Some(Plan::NotKnown)
                    }
                    _ => Some(plan),
                };
            } else {
                is_all_read &= exceptions.read_other(name, value, &path, faults);
            }
        }
        if exceptions.are_too_many {
            faults.add(
                SCHEDULE.to_owned(),
                "more dates than are kept",
                "at most 2000 days by date",
            );
            return Some(Self::not_known());
        }
        let has_week = week.iter().any(Option::is_some);
        if !has_week && is_all_read && exceptions.is_empty() {
            return None;
        }
        let rest = match (is_all_read, has_week) {
            (false, _) => Plan::NotKnown,
            (true, true) => Plan::Known(Vec::new()),
            (true, false) => Plan::NotKept,
        };
        let week = week.map(|plan| plan.unwrap_or_else(|| rest.clone()));
        Some(Self { week, exceptions })
    }

    fn unreadable(value: &Value, faults: &mut Faults) -> Self {
        faults.add(SCHEDULE.to_owned(), kind(value), "an object with a field for each day");
        Self::not_known()
    }

    fn not_known() -> Self {
        let week = std::array::from_fn(|_| Plan::NotKnown);
        Self { week, exceptions: Exceptions::default() }
    }
}

/// A name that an owner made up.
pub(super) fn short(name: &str) -> String {
    name.chars().take(60).collect()
}

/// A day's hours.
pub(super) fn read_day(value: &Value, path: &str, faults: &mut Faults) -> Plan {
    let one = std::slice::from_ref(value);
    let items = match value {
        Value::String(word) if is_closed(word) => return Plan::Known(Vec::new()),
        Value::Array(items) => items.as_slice(),
        Value::Object(_) => one,
        other => {
            faults.add(path.to_owned(), kind(other), ACCEPTED_DAY);
            return Plan::NotKnown;
        }
    };
    let (mut ranges, mut is_closed) = (Vec::new(), false);
    for item in items {
        match read_item(item) {
            Ok(Item::Open(range)) => ranges.push(range),
            Ok(Item::Off) => {}
            Ok(Item::Closed) => is_closed = true,
            Err((found, accepted)) => {
                faults.add(path.to_owned(), found, accepted);
                return Plan::NotKnown;
            }
        }
    }
    if is_closed && !ranges.is_empty() {
        faults.add(path.to_owned(), "a day that is open and closed", ACCEPTED_DAY);
        return Plan::NotKnown;
    }
    Plan::Known(ranges)
}

/// What one item of a day's list says.
enum Item {
    /// It is open then.
    Open(Range),
    /// It is not open then; of the others it says nothing.
    Off,
    /// It is closed, and no time is named.
    Closed,
}

fn is_closed(word: &str) -> bool {
    word.trim().eq_ignore_ascii_case("closed")
}

/// One item of a day. What is wrong, and what is accepted, if it cannot be read.
fn read_item(value: &Value) -> Result<Item, (&'static str, &'static str)> {
    let unreadable = ("hours that cannot be read", ACCEPTED_DAY);
    let fields = match value {
        Value::Object(fields) => fields,
        Value::String(word) if is_closed(word) => return Ok(Item::Closed),
        _ => return Err(unreadable),
    };
    let range = read_range(fields);
    if is_switched_off(fields)? {
        return Ok(if range.is_some() { Item::Off } else { Item::Closed });
    }
    range.map(Item::Open).ok_or(unreadable)
}

/// Whether the switches beside the times say that it is closed.
fn is_switched_off(fields: &Map<String, Value>) -> Result<bool, (&'static str, &'static str)> {
    let unclear = ("a switch that cannot be read", ACCEPTED_SWITCH);
    let mut closed = None;
    for (name, value) in fields {
        let switch = SWITCHES.iter().find(|(switch, _)| switch.eq_ignore_ascii_case(name));
        let says = match (switch, value) {
            (Some(_), Value::Null) => continue,
            (Some((_, closes)), value) => read_switch(value).ok_or(unclear)? == *closes,
            // `"open": false`. What it is open at is read from the times.
            (None, Value::Bool(is_open)) if name == "open" => !is_open,
            // A switch of another name could say that it is closed.
            (None, Value::Bool(_)) => return Err(("an unknown switch", ACCEPTED_SWITCH)),
            (None, Value::String(word)) if is_closed(word) => true,
            (None, Value::Null) => continue,
            // `"day_off": "yes"`, as a switch is written elsewhere.
            (None, Value::String(word)) if is_switch_word(word) => {
                return Err(("an unknown switch", ACCEPTED_SWITCH));
            }
            // Nothing is booked over what may be a break.
            (None, value) if is_about_closing(name) && !is_empty(value) => {
                return Err(("a break beside the times", ACCEPTED_BREAK));
            }
            _ => continue,
        };
        if closed.is_some_and(|before| before != says) {
            return Err(unclear);
        }
        closed = Some(says);
    }
    Ok(closed == Some(true))
}

/// Whether it is how switches are written; a number may be anything.
fn is_switch_word(word: &str) -> bool {
    let words = ["true", "yes", "on", "false", "no", "off"];
    words.iter().any(|switch| switch.eq_ignore_ascii_case(word.trim()))
}

/// Whether a field beside the times may say that it is closed between them.
fn is_about_closing(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "");
    let says = |word: &&str| name.contains(word);
    ["break", "lunch", "pause", "siesta", "closed"].iter().any(says)
        || ["off", "dayoff", "timeoff"].contains(&&*name)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn read_switch(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(is_on) => Some(*is_on),
        Value::Number(number) => match number.as_f64()? {
            0.0 => Some(false),
            1.0 => Some(true),
            _ => None,
        },
        Value::String(word) => match word.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        },
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Closing at or before opening means on the next day; at 23:59, at midnight.
fn read_range(fields: &Map<String, Value>) -> Option<Range> {
    let at = |name: &str| read_time(fields.get(name)?.as_str()?);
    let (open, close) = (at("open")?, at("close")?);
    let close = if close == DAY_MINUTES - 1 { DAY_MINUTES } else { close };
    let close = if close <= open { close + DAY_MINUTES } else { close };
    (open < DAY_MINUTES).then_some(Range { open, close })
}

/// `09:00`, `9:00`, `09:00:00`, `24:00`, `9 am`, `5:30 PM`, in minutes after midnight; seconds do
/// not count.
pub fn read_time(text: &str) -> Option<u16> {
    let text = text.trim().to_ascii_lowercase();
    let (clock, half_day) = match (text.strip_suffix("am"), text.strip_suffix("pm")) {
        (Some(clock), _) => (clock, Some(0)),
        (_, Some(clock)) => (clock, Some(12)),
        _ => (text.as_str(), None),
    };
    let mut parts = clock.trim().split(':');
    let hour: u16 = parts.next()?.parse().ok()?;
    let minute: u16 = parts.next().map_or(Some(0), |part| part.parse().ok())?;
    let second: u16 = parts.next().map_or(Some(0), |part| part.parse().ok())?;
    let hour = match half_day {
        Some(offset) if (1..=12).contains(&hour) => hour % 12 + offset,
        Some(_) => return None,
        None => hour,
    };
    let total = hour.checked_mul(60)?.checked_add(minute)?;
    (minute < 60 && second < 60 && total <= DAY_MINUTES && parts.next().is_none()).then_some(total)
}

/// A full English name or its first three letters.
fn day_index(name: &str) -> Option<usize> {
    let name = name.trim().to_ascii_lowercase();
    DAYS.iter().position(|day| name == *day || name == day[..3])
}
