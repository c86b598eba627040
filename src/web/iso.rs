//! Times as programs read them: ISO 8601 with the offset of the business's time zone.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Microseconds since the Unix epoch, such as `2026-11-29T14:05:00.250+01:00`.
pub(super) fn time(us: i64, zone: &TimeZone) -> String {
    let time = Timestamp::from_microsecond(us).unwrap_or_default().to_zoned(zone.clone());
    time.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_its_offset() {
        let london = TimeZone::get("Europe/London").unwrap();
        assert_eq!(time(1_795_960_800_250_000, &london), "2026-11-29T14:00:00.250+00:00");
        assert_eq!(time(1_780_000_000_000_000, &london), "2026-05-28T21:26:40.000+01:00");
    }
}
