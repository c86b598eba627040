//! In which zone is the business? Owners, and the programs that they use, call zones by IANA's names,
//! by those of Windows, and by those of Rails.

use jiff::tz::{TimeZone, TimeZoneDatabase};

/// The column that says it.
pub(super) const SETTING: &str = "business_timezone";
/// What is accepted there.
pub(super) const ACCEPTED: &str = "an IANA name such as Europe/London; no appointment is booked \
    while what stands there cannot be read, and where nothing stands there times are of UTC";

/// The longest name that is looked for, bytes.
const NAME_MAX: usize = 80;
/// A line is `name = IANA name`; one that begins with `#` is a comment.
const TABLES: [&str; 2] = [include_str!("windows.txt"), include_str!("rails.txt")];

/// The zone of this name, in any case; `(GMT-05:00)` before it does not count.
pub(super) fn named(name: &str) -> Option<TimeZone> {
    let name = name.trim();
    if name.len() > NAME_MAX {
        return None;
    }
    let iana = |name: &str| TimeZoneDatabase::bundled().get(name).ok();
    iana(name).or_else(|| {
        let name = without_offset(name);
        iana(name).or_else(|| iana(listed(name)?))
    })
}

fn listed(name: &str) -> Option<&'static str> {
    // Summer has a name of its own on Windows, and is the same zone.
    let name = &name.to_ascii_lowercase().replace("daylight time", "standard time");
    let lines = TABLES.iter().flat_map(|table| table.lines());
    let mut pairs = lines.filter_map(|line| line.split_once(" = "));
    pairs.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, iana)| iana)
}

/// `(GMT-05:00) Eastern Time (US & Canada)` without what stands before the name.
fn without_offset(name: &str) -> &str {
    let is_offset = |text: &str| text.starts_with("GMT") || text.starts_with("UTC");
    match name.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        Some((offset, rest)) if is_offset(offset) => rest.trim(),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_in_the_tables_is_a_zone() {
        for table in TABLES {
            let mut count = 0;
            for line in table.lines().filter(|line| !line.starts_with('#')) {
                let (name, iana) = line.split_once(" = ").expect(line);
                assert!(TimeZoneDatabase::bundled().get(iana).is_ok(), "{line}");
                assert!(named(name).is_some(), "{line}");
                count += 1;
            }
            assert!(count > 130);
        }
    }

    #[test]
    fn a_zone_has_several_names() {
        for (name, iana) in [
            ("Europe/London", "Europe/London"),
            (" europe/london ", "Europe/London"),
            ("Eastern Standard Time", "America/New_York"),
            ("eastern daylight time", "America/New_York"),
            ("Eastern Time (US & Canada)", "America/New_York"),
            ("(GMT-05:00) Eastern Time (US & Canada)", "America/New_York"),
            ("(UTC-05:00) America/New_York", "America/New_York"),
            ("W. Europe Standard Time", "Europe/Berlin"),
            ("Berlin", "Europe/Berlin"),
        ] {
            let found = named(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(found.iana_name(), Some(iana), "{name}");
        }
        for name in ["", "Mars/Base", "Standard Time", "(GMT)", "(x) Berlin", "# Windows"] {
            assert!(named(name).is_none(), "{name}");
        }
        assert!(named(&"x".repeat(1_000)).is_none());
    }
}
