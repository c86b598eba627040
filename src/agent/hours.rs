//! When the business is open: `business_details.operating_schedule`, in `business_timezone`.
//!
//! A day is one of three: open at certain hours (or closed), *not known* because what the owner wrote
//! of it cannot be read, or not kept, because the owner wrote no hours at all. On a day that is not
//! known nothing is booked, and it is said that it is not known.

mod dates;
mod exceptions;
#[cfg(test)]
mod exceptions_tests;
mod read;
#[cfg(test)]
mod tests;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use serde_json::Value;

use super::fault::Faults;
use super::zone;
pub use dates::MONTHS;
use exceptions::Exceptions;
pub use read::read_time;

const DAY_MINUTES: u16 = 24 * 60;
/// What is said of a day whose hours cannot be read.
const NOT_KNOWN: &str = "not known";

/// Opening hours and the zone that they are in.
#[derive(Debug, Clone)]
pub struct Hours {
    /// None where what the owner wrote is no zone.
    zone: Option<TimeZone>,
    schedule: Option<Schedule>,
}

#[derive(Debug, Clone, Default)]
struct Schedule {
    /// The plan of each weekday, from Monday.
    week: [Plan; 7],
    exceptions: Exceptions,
}

/// What the owner wrote of a day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Plan {
    /// Nothing, and nothing of the others.
    #[default]
    NotKept,
    /// What cannot be read.
    NotKnown,
    /// When it is open; not at all if there is none.
    Known(Vec<Range>),
}

impl Plan {
    const CLOSED: Self = Self::Known(Vec::new());
}

/// Minutes after the midnight that the day begins with, by the clock on the wall. One that goes
/// past midnight closes after 1440.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    open: u16,
    close: u16,
}

/// What is known of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DayHours {
    /// The owner keeps no hours: any will do.
    NotKept,
    /// What the owner wrote cannot be read: none will do.
    NotKnown,
    /// When the business opens and closes, by the clock on the wall; what closes after midnight
    /// closes on the next day. Closed if there is none.
    Known(Vec<(DateTime, DateTime)>),
}

/// One day as a caller would be told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// The date in the business's time zone.
    pub date: Date,
    /// Its name, such as `Monday`.
    pub weekday: String,
    /// `09:00-12:00, 13:00-17:30`, `closed`, `not known`, or `None` if no hours are kept.
    pub hours: Option<String>,
}

/// What an owner wrote of a weekday or of a date, for a form that shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// Nothing, and nothing of the others.
    NotKept,
    /// What cannot be read.
    NotKnown,
    /// When it is open, in minutes after midnight; closed if there is none. What goes past midnight
    /// closes after 1440.
    Known(Vec<(u16, u16)>),
}

/// A day that is written by its date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WrittenDay {
    /// This day alone.
    On(Date),
    /// Month and day of every year.
    Yearly(i8, i8),
}

impl From<&Plan> for Written {
    fn from(plan: &Plan) -> Self {
        match plan {
            Plan::NotKept => Self::NotKept,
            Plan::NotKnown => Self::NotKnown,
            Plan::Known(ranges) => {
                Self::Known(ranges.iter().map(|range| (range.open, range.close)).collect())
            }
        }
    }
}

impl Hours {
    /// Reads a schedule. Without one, or without a day in it, no hours are kept; a zone that is
    /// missing is UTC, one that cannot be read is not known.
    pub(super) fn read(
        schedule: Option<&Value>,
        timezone: Option<&str>,
        faults: &mut Faults,
    ) -> Self {
        let schedule = Schedule::read(schedule, faults);
        let named = timezone.map(str::trim).filter(|name| !name.is_empty());
        let zone = match named {
            None => Some(TimeZone::UTC),
            Some(name) => zone::named(name),
        };
        if zone.is_none() || (named.is_none() && schedule.is_some()) {
            let found = if named.is_some() { "an unknown zone" } else { "nothing" };
            faults.add(zone::SETTING.to_owned(), found, zone::ACCEPTED);
        }
        Self { zone, schedule }
    }

    /// The business's zone; UTC while it is not known.
    pub fn zone(&self) -> &TimeZone {
        const UTC: &TimeZone = &TimeZone::UTC;
        self.zone.as_ref().unwrap_or(UTC)
    }

    /// Whether it is known in which zone the business is. If not, no time of day means anything.
    pub fn has_zone(&self) -> bool {
        self.zone.is_some()
    }

    /// Whether the owner keeps any hours, readable or not.
    pub fn are_kept(&self) -> bool {
        self.schedule.is_some()
    }

    /// Whether the business is open; `None` if that is not known.
    pub fn is_open(&self, at: Timestamp) -> Option<bool> {
        let schedule = self.schedule.as_ref()?;
        let local = at.to_zoned(self.zone.clone()?);
        let minute = minutes(local.time());
        let open_at = |date: Date, minute: u16| match schedule.of(date) {
            Plan::Known(ranges) => {
                let mut ranges = ranges.iter();
                Some(ranges.any(|range| (range.open..range.close).contains(&minute)))
            }
            Plan::NotKept | Plan::NotKnown => None,
        };
        let yesterday = local.date().yesterday().ok();
        let still_open = yesterday.and_then(|day| open_at(day, minute + DAY_MINUTES));
        if still_open == Some(true) { still_open } else { open_at(local.date(), minute) }
    }

    /// What is written of each weekday, from Monday.
    pub fn week(&self) -> [Written; 7] {
        let plan = |day: usize| self.schedule.as_ref().map(|schedule| &schedule.week[day]);
        std::array::from_fn(|day| plan(day).map_or(Written::NotKept, Written::from))
    }

    /// What is written of days by their dates, in their order; those of every year come last.
    pub fn dates(&self) -> Vec<(WrittenDay, Written)> {
        self.schedule.as_ref().map(|schedule| schedule.exceptions.written()).unwrap_or_default()
    }

    /// What is known of a day.
    pub fn of(&self, date: Date) -> DayHours {
        let midnight = date.to_datetime(Time::midnight());
        let at = |minute: u16| midnight.saturating_add(SignedDuration::from_mins(minute.into()));
        match self.schedule.as_ref().map_or(&Plan::NotKept, |schedule| schedule.of(date)) {
            Plan::NotKept => DayHours::NotKept,
            Plan::NotKnown => DayHours::NotKnown,
            Plan::Known(ranges) => DayHours::Known(
                ranges.iter().map(|range| (at(range.open), at(range.close))).collect(),
            ),
        }
    }

    /// The day that `now` is in where the business is, and those after it, `count` in all.
    pub fn coming_days(&self, now: &Zoned, count: usize) -> Vec<Day> {
        let today = now.with_time_zone(self.zone().clone()).date();
        let dates = std::iter::successors(Some(today), |date| date.tomorrow().ok()).take(count);
        let hours = |date| match self.schedule.as_ref()?.of(date) {
            Plan::NotKept => None,
            Plan::NotKnown => Some(NOT_KNOWN.to_owned()),
            Plan::Known(ranges) => Some(spoken(ranges)),
        };
        dates
            .map(|date| Day { date, weekday: date.strftime("%A").to_string(), hours: hours(date) })
            .collect()
    }
}

impl Schedule {
    /// What was written of a day.
    fn of(&self, date: Date) -> &Plan {
        let index = date.weekday().since(Weekday::Monday) as usize;
        self.exceptions.of(date).unwrap_or(&self.week[index])
    }
}

fn minutes(time: Time) -> u16 {
    time.hour().unsigned_abs() as u16 * 60 + time.minute().unsigned_abs() as u16
}

fn spoken(ranges: &[Range]) -> String {
    if ranges.is_empty() {
        return "closed".to_owned();
    }
    let clock = |at: u16| format!("{:02}:{:02}", at / 60 % 24, at % 60);
    let ranges: Vec<String> = ranges
        .iter()
        .map(|range| match range.close - range.open {
            DAY_MINUTES => "24 hours".to_owned(),
            _ => format!("{}-{}", clock(range.open), clock(range.close)),
        })
        .collect();
    ranges.join(", ")
}
