//! Times as people write them, in the business's zone.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Microseconds since the Unix epoch, as a time in a zone. What no calendar has is the epoch.
pub(crate) fn at(us: i64, zone: &TimeZone) -> Zoned {
    Timestamp::from_microsecond(us).unwrap_or_default().to_zoned(zone.clone())
}

/// `today 14:05`, `yesterday 09:30`, `Tue 24 Nov 14:05`, and with the year where it is another one.
pub(crate) fn when(at: &Zoned, now: &Zoned) -> String {
    let clock = at.strftime("%H:%M");
    let day = at.date();
    if day == now.date() {
        format!("today {clock}")
    } else if now.date().yesterday().is_ok_and(|yesterday| yesterday == day) {
        format!("yesterday {clock}")
    } else if now.date().tomorrow().is_ok_and(|tomorrow| tomorrow == day) {
        format!("tomorrow {clock}")
    } else if at.year() == now.year() {
        at.strftime("%a %-d %b %H:%M").to_string()
    } else {
        at.strftime("%a %-d %b %Y %H:%M").to_string()
    }
}

/// The whole seconds of so many milliseconds: those that have gone by.
pub(crate) fn whole_seconds(ms: i64) -> i64 {
    ms.max(0) / 1000
}

/// `2 min 51 s`, `48 s`, `1 h 5 min`.
pub(crate) fn length(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// `0.8 s`.
pub(crate) fn tenths(ms: u64) -> String {
    let tenths = (ms + 50) / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::bookings::zone;

    #[test]
    fn times_are_the_businesses() {
        let london = zone(Some("Europe/London"));
        let now = at(1_795_960_800_000_000, &london); // 2026-11-29 14:00 in London
        let said = |us: i64| when(&at(us, &london), &now);
        let hour = 3_600_000_000;
        let base = 1_795_960_800_000_000;
        assert_eq!(said(base), "today 14:00");
        assert_eq!(said(base - 14 * hour), "today 00:00");
        assert_eq!(said(base - 15 * hour), "yesterday 23:00");
        assert_eq!(said(base + 24 * hour), "tomorrow 14:00");
        assert_eq!(said(base - 48 * hour), "Fri 27 Nov 14:00");
        assert_eq!(said(base - 400 * 24 * hour), "Sat 25 Oct 2025 15:00", "summer time");
        assert_eq!(zone(Some("Mars/Olympus")), TimeZone::UTC);
    }

    #[test]
    fn seconds_and_tenths_are_the_same_everywhere() {
        assert_eq!([-1, 999, 51_600].map(whole_seconds), [0, 0, 51]);
        assert_eq!([275, 0, 949, 950].map(tenths), ["0.3 s", "0.0 s", "0.9 s", "1.0 s"]);
    }

    #[test]
    fn lengths_are_short() {
        let words = [0, 48, 60, 171, 3600, 3900, -5].map(length);
        assert_eq!(words, ["0 s", "48 s", "1 min", "2 min 51 s", "1 h", "1 h 5 min", "0 s"]);
    }
}
