//! Which days are shown.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Zoned};

/// The years that are shown.
const YEARS: std::ops::RangeInclusive<i16> = 1971..=2200;

/// A day and its week, from Monday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Week {
    /// The day that is looked at.
    pub(super) day: Date,
    /// The day that it is now.
    pub(super) today: Date,
}

impl Week {
    /// The week of the day that an address names, or of today.
    pub(super) fn of(text: &str, now: &Zoned) -> Self {
        let today = now.date();
        let day = text.parse::<Date>().ok().filter(|day| YEARS.contains(&day.year()));
        Self { day: day.unwrap_or(today), today }
    }

    /// Its days.
    pub(super) fn days(&self) -> [Date; 7] {
        let past = self.day.weekday().since(Weekday::Monday);
        std::array::from_fn(|n| {
            let days = i64::try_from(n).unwrap_or(0) - i64::from(past);
            self.day.checked_add(days.days()).unwrap_or(self.day)
        })
    }

    /// From its first midnight to its last one, microseconds since the Unix epoch.
    pub(super) fn span_us(&self, zone: &TimeZone) -> (i64, i64) {
        let [first, .., last] = self.days();
        let midnight = |day: Date| {
            let midnight = day.to_zoned(zone.clone());
            midnight.map_or(0, |midnight| midnight.timestamp().as_microsecond())
        };
        (midnight(first), midnight(last.tomorrow().unwrap_or(last)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_US: i64 = 3_600_000_000;

    fn week(day: &str, zone: &str) -> (Week, TimeZone) {
        let zone = TimeZone::get(zone).unwrap();
        let now = "2026-11-29T14:00Z".parse::<jiff::Timestamp>().unwrap().to_zoned(zone.clone());
        (Week::of(day, &now), zone)
    }

    #[test]
    fn a_week_begins_on_monday() {
        let (week, _) = week("2026-10-25", "Europe/London");
        let days = week.days().map(|day| day.to_string());
        assert_eq!((days[0].as_str(), days[6].as_str()), ("2026-10-19", "2026-10-25"));
        for odd in ["", "soon", "9999-01-01", "2026-02-30"] {
            assert_eq!(self::week(odd, "UTC").0.day.to_string(), "2026-11-29", "{odd}");
        }
    }

    #[test]
    fn a_week_in_which_clocks_change_is_an_hour_longer_or_shorter() {
        for (day, zone, hours) in [
            ("2026-10-25", "Europe/London", 169),
            ("2027-03-28", "Europe/Berlin", 167),
            ("2026-11-01", "America/New_York", 169),
            ("2026-11-29", "Europe/London", 168),
        ] {
            let (week, zone) = week(day, zone);
            let (from, until) = week.span_us(&zone);
            assert_eq!((until - from) / HOUR_US, hours, "{day}");
        }
    }
}
