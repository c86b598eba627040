//! Times that people write, by the clock on the business's wall. It shows an hour of one night twice
//! and one of another never.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, Zoned};

/// The years that are booked in.
const YEARS: std::ops::RangeInclusive<i16> = 2000..=2100;

/// Which of two instants is meant by a time that the clock shows twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Before it is put back.
    First,
    /// After that.
    Second,
}

impl Which {
    /// From the word that a form sends.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        match word {
            "first" => Some(Self::First),
            "second" => Some(Self::Second),
            _ => None,
        }
    }
}

/// Why a time is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WrongTime {
    /// It cannot be read, or is in a year that nobody books in.
    Unreadable,
    /// The clock is put on over it.
    Skipped,
    /// The clock shows it twice: at both of these.
    Twice(Box<(Zoned, Zoned)>),
}

impl WrongTime {
    /// What is told to a program.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Unreadable => {
                "is no time; accepted are 2026-11-29T14:00 by the business's clock, or \
                2026-11-29T14:00:00+00:00, from 2000 to 2100"
                    .to_owned()
            }
            Self::Skipped => "does not exist on that day: the clock is put on over it".to_owned(),
            Self::Twice(both) => format!(
                "comes twice on that day, because the clock is put back: send {} or {}",
                both.0.strftime("%Y-%m-%dT%H:%M:%S%:z"),
                both.1.strftime("%Y-%m-%dT%H:%M:%S%:z"),
            ),
        }
    }
}

/// The instant of a time with an offset, or of one by the clock on the wall in this zone.
pub(crate) fn instant(
    text: &str,
    zone: &TimeZone,
    which: Option<Which>,
) -> Result<Timestamp, WrongTime> {
    let text = text.trim();
    // A zone beside the offset would not be looked at, and there is no second 60 in any of them.
    if text.contains('[') || text.contains(":60") {
        return Err(WrongTime::Unreadable);
    }
    let instant = match text.parse::<Timestamp>() {
        Ok(instant) => instant,
        // A date alone names no time.
        Err(_) if !text.contains(':') => return Err(WrongTime::Unreadable),
        Err(_) => {
            let local = text.parse::<DateTime>().map_err(|_| WrongTime::Unreadable)?;
            on_the_wall(local, zone, which)?
        }
    };
    let year = zone.to_datetime(instant).year();
    if YEARS.contains(&year) { Ok(instant) } else { Err(WrongTime::Unreadable) }
}

fn on_the_wall(
    local: DateTime,
    zone: &TimeZone,
    which: Option<Which>,
) -> Result<Timestamp, WrongTime> {
    let found = zone.to_ambiguous_timestamp(local);
    let unreadable = |_| WrongTime::Unreadable;
    match (found.offset(), which) {
        (AmbiguousOffset::Gap { .. }, _) => Err(WrongTime::Skipped),
        (AmbiguousOffset::Fold { .. }, None) => {
            let first = found.earlier().map_err(unreadable)?.to_zoned(zone.clone());
            let second = found.later().map_err(unreadable)?.to_zoned(zone.clone());
            Err(WrongTime::Twice(Box::new((first, second))))
        }
        (AmbiguousOffset::Fold { .. }, Some(Which::Second)) => found.later().map_err(unreadable),
        (AmbiguousOffset::Fold { .. } | AmbiguousOffset::Unambiguous { .. }, _) => {
            found.earlier().map_err(unreadable)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str, zone: &str, which: Option<Which>) -> Result<String, WrongTime> {
        let zone = TimeZone::get(zone).unwrap();
        instant(text, &zone, which).map(|instant| instant.to_string())
    }

    #[test]
    fn times_are_by_the_clock_on_the_wall() {
        let london = |text| utc(text, "Europe/London", None);
        assert_eq!(london("2026-11-29T14:00").unwrap(), "2026-11-29T14:00:00Z");
        assert_eq!(london("2026-07-01 09:30").unwrap(), "2026-07-01T08:30:00Z");
        assert_eq!(london("2026-07-01T09:30:00+02:00").unwrap(), "2026-07-01T07:30:00Z");
        for odd in [
            "",
            "2026-11-29",
            "tomorrow",
            "14:00",
            "2026-02-30T10:00",
            "1999-01-01T10:00",
            "2101-01-01T10:00",
            "2026-11-29T25:00",
            "2026-11-29T10:00[America/New_York]",
            "2026-11-29T10:00:60",
        ] {
            assert_eq!(london(odd), Err(WrongTime::Unreadable), "{odd}");
        }
    }

    #[test]
    fn the_nights_on_which_clocks_change() {
        // (zone, skipped, comes twice, its first and its second instant)
        let nights = [
            (
                "Europe/London",
                "2027-03-28T01:30",
                "2026-10-25T01:30",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:30:00Z",
            ),
            (
                "Europe/Berlin",
                "2027-03-28T02:30",
                "2026-10-25T02:30",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:30:00Z",
            ),
            (
                "America/New_York",
                "2027-03-14T02:30",
                "2026-11-01T01:30",
                "2026-11-01T05:30:00Z",
                "2026-11-01T06:30:00Z",
            ),
        ];
        for (zone, skipped, twice, first, second) in nights {
            assert_eq!(utc(skipped, zone, None), Err(WrongTime::Skipped), "{zone}");
            assert_eq!(utc(skipped, zone, Some(Which::First)), Err(WrongTime::Skipped), "{zone}");
            assert_eq!(utc(twice, zone, Some(Which::First)).unwrap(), first, "{zone}");
            assert_eq!(utc(twice, zone, Some(Which::Second)).unwrap(), second, "{zone}");
            let Err(WrongTime::Twice(both)) = utc(twice, zone, None) else { panic!("{zone}") };
            assert_eq!(both.0.timestamp().to_string(), first);
            assert_eq!(both.1.timestamp().to_string(), second);
            // What is offered is accepted.
            let offered = both.1.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
            assert!(WrongTime::Twice(both).words().contains(&offered));
            assert_eq!(utc(&offered, zone, None).unwrap(), second);
            // Any other time of that night is what it is.
            assert!(utc(&twice.replace("T0", "T1"), zone, None).is_ok());
        }
    }
}
