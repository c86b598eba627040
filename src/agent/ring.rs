//! `voice_agents."takeOverTimeout"`: how long a party's phone rings before the caller comes back.

use std::ops::RangeInclusive;

use jiff::SignedDuration;

use super::fault::Faults;

/// How long it rings unless said, seconds.
const DEFAULT: u32 = 20;
/// What Twilio accepts as a `timeout`, seconds.
const ACCEPTED: RangeInclusive<i64> = 5..=600;

/// Reads `30`, `30s`, `2m` and ISO 8601 such as `PT30S`, in seconds.
pub(super) fn read(written: Option<&str>, faults: &mut Faults) -> u32 {
    let Some(written) = written.map(str::trim).filter(|written| !written.is_empty()) else {
        return DEFAULT;
    };
    let seconds = match written.parse::<i64>() {
        Ok(seconds) => Some(seconds),
        Err(_) => written.parse().ok().map(|duration: SignedDuration| duration.as_secs()),
    };
    let accepted = seconds.filter(|seconds| ACCEPTED.contains(seconds));
    accepted.and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or_else(|| {
        let accepted = "5 to 600 seconds, such as 30, 30s, 2m or PT30S";
        faults.add("takeOverTimeout".to_owned(), "another text", accepted);
        DEFAULT
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ways_to_write_a_time_are_read_and_others_reported() {
        for (written, seconds) in [
            ("30", 30),
            (" 45 ", 45),
            ("30s", 30),
            ("2m", 120),
            ("1m30s", 90),
            ("PT30S", 30),
            ("pt2m", 120),
            ("PT1M30S", 90),
            ("5", 5),
            ("10m", 600),
        ] {
            let mut faults = Faults::default();
            assert_eq!(read(Some(written), &mut faults), seconds, "{written}");
            assert!(faults.0.is_empty(), "{written}");
        }
        for written in ["4", "601", "11m", "-30", "-PT30S", "soon", "30 apples", "P1Y", "∞"] {
            let mut faults = Faults::default();
            assert_eq!(read(Some(written), &mut faults), DEFAULT, "{written}");
            assert_eq!(faults.0[0].path, "takeOverTimeout", "{written}");
        }
        for nothing in [None, Some(""), Some("  ")] {
            let mut faults = Faults::default();
            assert_eq!((read(nothing, &mut faults), faults.0.len()), (DEFAULT, 0));
        }
    }
}
