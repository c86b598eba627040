//! When the business is open: `business_details.operating_schedule`, in `business_timezone`.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp, Zoned};
use serde_json::Value;

use super::fault::{Faults, Fields, kind};

const SCHEDULE: &str = "operating_schedule";
const DAY_MINUTES: u16 = 24 * 60;
const DAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const ACCEPTED_DAY: &str =
    r#"a list of {"open":"09:00","close":"17:30"}, one of them, or "closed""#;

/// Opening hours and the zone that they are in.
#[derive(Debug, Clone)]
pub struct Hours {
    zone: TimeZone,
    schedule: Option<Schedule>,
}

#[derive(Debug, Clone, Default)]
struct Schedule {
    /// From Monday.
    week: [Vec<Range>; 7],
    /// Whether any day of the week is known; else only the exceptions are.
    has_week: bool,
    exceptions: BTreeMap<Date, Vec<Range>>,
}

/// Minutes after the midnight that the day begins with, by the clock on the wall. One that goes
/// past midnight closes after 1440.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    open: u16,
    close: u16,
}

/// One day as a caller would be told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// The date.
    pub date: Date,
    /// Its name, such as `Monday`.
    pub weekday: String,
    /// `09:00-12:00, 13:00-17:30`, `closed`, or `None` if no hours are known.
    pub hours: Option<String>,
}

impl Hours {
    /// Reads a schedule. Without one, or without a day in it, no hours are known; a zone that is
    /// missing or unknown is UTC.
    pub(super) fn read(
        schedule: Option<&Value>,
        timezone: Option<&str>,
        faults: &mut Faults,
    ) -> Self {
        let schedule = Schedule::read(schedule, faults);
        let named = timezone.map(str::trim).filter(|name| !name.is_empty());
        let zone = named.and_then(|name| TimeZoneDatabase::bundled().get(name).ok());
        if zone.is_none() && (named.is_some() || schedule.is_some()) {
            let found = if named.is_some() { "an unknown zone" } else { "nothing" };
            faults.add("business_timezone".to_owned(), found, "an IANA name: Europe/London");
        }
        Self { zone: zone.unwrap_or(TimeZone::UTC), schedule }
    }

    /// The business's zone.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Whether the business is open; `None` if no hours are known.
    pub fn is_open(&self, at: Timestamp) -> Option<bool> {
        let schedule = self.schedule.as_ref()?;
        let local = at.to_zoned(self.zone.clone());
        let minute = minutes(local.time());
        let open_at = |date: Date, minute: u16| {
            let mut ranges = schedule.of(date)?.iter();
            Some(ranges.any(|range| (range.open..range.close).contains(&minute)))
        };
        let yesterday = local.date().yesterday().ok();
        let still_open = yesterday.and_then(|day| open_at(day, minute + DAY_MINUTES));
        if still_open == Some(true) { still_open } else { open_at(local.date(), minute) }
    }

    /// When the business opens and closes on a day, by the clock on the wall; what closes after
    /// midnight closes on the next day. `None` if no hours are known.
    pub fn ranges(&self, date: Date) -> Option<Vec<(DateTime, DateTime)>> {
        let midnight = date.to_datetime(Time::midnight());
        let at = |minute: u16| midnight.saturating_add(SignedDuration::from_mins(minute.into()));
        let ranges = self.schedule.as_ref()?.of(date)?.iter();
        Some(ranges.map(|range| (at(range.open), at(range.close))).collect())
    }

    /// The day that `now` is in where the business is, and those after it, `count` in all.
    pub fn coming_days(&self, now: &Zoned, count: usize) -> Vec<Day> {
        let today = now.with_time_zone(self.zone.clone()).date();
        let dates = std::iter::successors(Some(today), |date| date.tomorrow().ok()).take(count);
        dates
            .map(|date| Day {
                date,
                weekday: date.strftime("%A").to_string(),
                hours: self.schedule.as_ref().and_then(|schedule| schedule.of(date)).map(spoken),
            })
            .collect()
    }
}

impl Schedule {
    fn read(value: Option<&Value>, faults: &mut Faults) -> Option<Self> {
        let fields = Fields::read(value, SCHEDULE, &[], faults);
        let mut schedule = Self::default();
        for (name, value) in fields.all() {
            if name == "exceptions" {
                schedule.exceptions = read_exceptions(value, faults);
                continue;
            }
            let Some(day) = day_index(name) else {
                let accepted = format!("{} or exceptions", DAYS.join(", "));
                faults.add(fields.path_of(name), "an unknown day", accepted);
                continue;
            };
            if let Some(ranges) = read_day(value, fields.path_of(name), faults) {
                schedule.week[day] = ranges;
                schedule.has_week = true;
            }
        }
        (schedule.has_week || !schedule.exceptions.is_empty()).then_some(schedule)
    }

    /// A day's hours; `None` if they are not known.
    fn of(&self, date: Date) -> Option<&[Range]> {
        let index = date.weekday().since(Weekday::Monday) as usize;
        let usual = self.has_week.then_some(&self.week[index]);
        self.exceptions.get(&date).or(usual).map(Vec::as_slice)
    }
}

fn read_exceptions(value: &Value, faults: &mut Faults) -> BTreeMap<Date, Vec<Range>> {
    let fields = Fields::read(Some(value), format!("{SCHEDULE}.exceptions"), &[], faults);
    let mut exceptions = BTreeMap::new();
    for (name, value) in fields.all() {
        let Ok(date) = name.trim().parse::<Date>() else {
            faults.add(fields.path_of(name), "an unknown date", "a date such as 2026-12-25");
            continue;
        };
        if let Some(ranges) = read_day(value, fields.path_of(name), faults) {
            exceptions.insert(date, ranges);
        }
    }
    exceptions
}

/// A day's ranges; `None` if it is not understood at all.
fn read_day(value: &Value, path: String, faults: &mut Faults) -> Option<Vec<Range>> {
    let one = std::slice::from_ref(value);
    let items = match value {
        Value::Null => return Some(Vec::new()),
        Value::String(word) if word.trim().eq_ignore_ascii_case("closed") => {
            return Some(Vec::new());
        }
        Value::Array(items) => items.as_slice(),
        Value::Object(_) => one,
        other => {
            faults.add(path, kind(other), ACCEPTED_DAY);
            return None;
        }
    };
    let ranges: Vec<Range> = items.iter().filter_map(read_range).collect();
    if ranges.len() < items.len() {
        faults.add(path, "hours that cannot be read", ACCEPTED_DAY);
        // Half a day's hours are better than none, no hours at all are not known to be closed.
        return (!ranges.is_empty()).then_some(ranges);
    }
    Some(ranges)
}

/// Closing at or before opening means on the next day.
fn read_range(value: &Value) -> Option<Range> {
    let at = |name: &str| read_time(value.get(name)?.as_str()?);
    let (open, close) = (at("open")?, at("close")?);
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn hours(schedule: Value, zone: &str) -> Hours {
        let mut faults = Faults::default();
        let hours = Hours::read(Some(&schedule), Some(zone), &mut faults);
        assert_eq!(faults.0, []);
        hours
    }

    fn open(hours: &Hours, at: &str) -> Option<bool> {
        hours.is_open(at.parse().unwrap())
    }

    #[test]
    fn open_within_hours_in_the_business_zone() {
        let hours = hours(
            json!({"monday":[{"open":"09:00","close":"12:00"},{"open":"1 pm","close":"5:30pm"}],
                   "tue":{"open":"8","close":"24:00"},"sunday":"closed",
                   "exceptions":{"2026-11-30":[]}}),
            "America/New_York",
        );
        // 2026-11-23 is a Monday; New York is five hours behind UTC.
        for (at, expected) in [
            ("2026-11-23T13:59:00Z", false),
            ("2026-11-23T14:00:00Z", true),
            ("2026-11-23T17:00:00Z", false),
            ("2026-11-23T22:29:59Z", true),
            ("2026-11-23T22:30:00Z", false),
            ("2026-11-25T04:59:00Z", true),
            ("2026-11-25T05:00:00Z", false),
            ("2026-11-22T15:00:00Z", false),
            ("2026-11-30T15:00:00Z", false),
        ] {
            assert_eq!(open(&hours, at), Some(expected), "{at}");
        }
    }

    #[test]
    fn a_night_belongs_to_the_day_it_began_on() {
        let hours = hours(json!({"fri":[{"open":"18:00","close":"02:00"}]}), "UTC");
        for (at, expected) in [
            ("2026-11-27T17:59:00Z", false),
            ("2026-11-27T23:00:00Z", true),
            ("2026-11-28T01:59:00Z", true),
            ("2026-11-28T02:00:00Z", false),
            ("2026-11-27T01:00:00Z", false),
        ] {
            assert_eq!(open(&hours, at), Some(expected), "{at}");
        }
    }

    #[test]
    fn hours_are_wall_clock_hours_across_summer_time() {
        let hours = hours(json!({"sun":[{"open":"09:00","close":"10:00"}]}), "Europe/London");
        assert_eq!(open(&hours, "2026-03-22T09:30:00Z"), Some(true));
        assert_eq!(open(&hours, "2026-03-29T08:30:00Z"), Some(true));
        assert_eq!(open(&hours, "2026-03-29T09:30:00Z"), Some(false));
        assert_eq!(open(&hours, "2026-10-25T09:30:00Z"), Some(true));
    }

    #[test]
    fn no_schedule_means_not_known_and_never_closed() {
        for schedule in [json!(null), json!({}), json!({"exceptions":{"2026-12-25":[]}})] {
            assert_eq!(open(&hours(schedule, "UTC"), "2026-11-23T09:00:00Z"), None);
        }
    }

    #[test]
    fn exceptions_alone_count_on_their_dates() {
        let exceptions = json!({"2026-12-25":[],"2026-12-31":[{"open":"20:00","close":"02:00"}]});
        let hours = hours(json!({"exceptions":exceptions}), "UTC");
        for (at, expected) in [
            ("2026-12-24T09:00:00Z", None),
            ("2026-12-25T09:00:00Z", Some(false)),
            ("2026-12-31T19:00:00Z", Some(false)),
            ("2026-12-31T21:00:00Z", Some(true)),
            ("2027-01-01T01:00:00Z", Some(true)),
            ("2027-01-01T03:00:00Z", None),
        ] {
            assert_eq!(open(&hours, at), expected, "{at}");
        }
        assert_eq!(hours.ranges("2026-12-25".parse().unwrap()), Some(vec![]));
        assert_eq!(hours.ranges("2026-12-26".parse().unwrap()), None);
        let now: Zoned = "2026-12-24T12:00:00Z[UTC]".parse().unwrap();
        let told: Vec<_> = hours.coming_days(&now, 2).into_iter().map(|day| day.hours).collect();
        assert_eq!(told, [None, Some("closed".to_owned())]);
    }

    #[test]
    fn what_cannot_be_read_is_reported_by_name() {
        let mut faults = Faults::default();
        let schedule = json!({"monday":7,"tuesday":[{"open":"x","close":"10:00"}],"someday":[],
            "wed":[{"open":"09:00","close":"10:00"},{}],"exceptions":{"soon":[]}});
        let hours = Hours::read(Some(&schedule), Some("Mars/Base"), &mut faults);
        let mut paths: Vec<&str> = faults.0.iter().map(|fault| fault.path.as_str()).collect();
        paths.sort_unstable();
        assert_eq!(
            paths,
            [
                "business_timezone",
                "operating_schedule.exceptions.soon",
                "operating_schedule.monday",
                "operating_schedule.someday",
                "operating_schedule.tuesday",
                "operating_schedule.wed",
            ]
        );
        assert_eq!(open(&hours, "2026-11-25T09:30:00Z"), Some(true));
    }

    #[test]
    fn coming_days_are_told_with_their_hours() {
        let hours = hours(
            json!({"sun":[],"mon":[{"open":"09:00","close":"17:30"}],"tue":{"open":"00:00","close":"24:00"}}),
            "America/New_York",
        );
        let now: Zoned = "2026-11-23T03:00:00Z[UTC]".parse().unwrap();
        let days: Vec<String> = hours
            .coming_days(&now, 3)
            .into_iter()
            .map(|day| format!("{} {} {}", day.date, day.weekday, day.hours.unwrap()))
            .collect();
        assert_eq!(
            days,
            [
                "2026-11-22 Sunday closed",
                "2026-11-23 Monday 09:00-17:30",
                "2026-11-24 Tuesday 24 hours"
            ]
        );
    }
}
