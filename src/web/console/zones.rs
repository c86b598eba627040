//! Time zones, to be chosen by their names.

use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use maud::{Markup, html};

use crate::config::distance;

/// The parts of the world in whose names people look for their own; the database has others, of ships,
/// offsets and names of the past.
const REGIONS: [&str; 10] = [
    "Africa",
    "America",
    "Antarctica",
    "Arctic",
    "Asia",
    "Atlantic",
    "Australia",
    "Europe",
    "Indian",
    "Pacific",
];
/// So many letters may be wrong in the name of a place.
const MISTAKES_MAX: usize = 2;

/// Other names of places that are among the others, most of them of the past.
const OTHER_NAMES: &str = include_str!("zones_other_names.txt");

/// All zones that are offered, by their names.
static ZONES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let all = TimeZoneDatabase::bundled();
    let mut zones: Vec<String> = all
        .available()
        .map(|name| name.as_str().to_owned())
        .filter(|name| name.split_once('/').is_some_and(|(region, _)| REGIONS.contains(&region)))
        .filter(|name| !OTHER_NAMES.lines().any(|other| other == name))
        .collect();
    zones.sort_unstable();
    zones
});

/// The zone that this machine is in; none where it says none that is a place.
pub(super) fn of_this_machine() -> Option<String> {
    static ZONE: LazyLock<Option<String>> = LazyLock::new(|| {
        let name = TimeZone::system().iana_name()?.to_owned();
        ZONES.contains(&name).then_some(name)
    });
    ZONE.clone()
}

/// The choices of a `<select>`. What is chosen and not among them is one more.
pub(super) fn options(chosen: &str) -> Markup {
    let is_listed = ZONES.iter().any(|zone| zone == chosen);
    let by_region = ZONES.chunk_by(|one, next| region(one) == region(next));
    html! {
        @if chosen.is_empty() { option value="" selected { "Choose…" } }
        @else if !is_listed { option value=(chosen) selected { (chosen) } }
        @for zones in by_region {
            optgroup label=(zones.first().map_or("", |zone| region(zone))) {
                @for zone in zones {
                    option value=(zone) selected[zone == chosen] { (place(zone).replace('_', " ")) }
                }
            }
        }
    }
}

/// What is wrong with the name of a zone, and which one is likely meant; none: nothing is.
pub(super) fn wrong(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("Choose the time zone of the business.".to_owned());
    }
    if TimeZone::get(name).is_ok() {
        return None;
    }
    Some(match close_to(name) {
        Some(zone) => format!("“{name}” is no time zone that is known. Is {zone} meant?"),
        None => format!(
            "“{name}” is no time zone that is known. Choose one of the list, such as Europe/London."
        ),
    })
}

/// The zone whose name, or whose place, is nearest to this.
pub(super) fn close_to(name: &str) -> Option<&'static str> {
    let letters = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let wanted = (letters(name), letters(place(name)));
    let mistakes = |zone: &str| match letters(zone) == wanted.0 {
        true => 0,
        // A place of three letters is near to any other.
        false => distance(&letters(place(zone)), &wanted.1) + usize::from(wanted.1.len() < 4),
    };
    let near = ZONES.iter().map(|zone| (mistakes(zone), zone));
    let (mistakes, zone) = near.min()?;
    (mistakes <= MISTAKES_MAX).then_some(zone)
}

fn region(zone: &str) -> &str {
    zone.split_once('/').map_or("", |(region, _)| region)
}

fn place(zone: &str) -> &str {
    zone.split_once('/').map_or(zone, |(_, place)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_zone_that_is_offered_is_known() {
        assert!(ZONES.len() > 400, "{}", ZONES.len());
        for zone in ZONES.iter() {
            assert_eq!(wrong(zone), None, "{zone}");
        }
        let shown = options("Europe/London").into_string();
        assert!(shown.contains("value=\"Europe/London\" selected"), "{shown}");
        assert!(shown.contains("Asia/Kolkata") && shown.contains("Europe/Oslo"), "{shown}");
        for other in OTHER_NAMES.lines() {
            assert!(TimeZone::get(other).is_ok(), "{other} is still understood");
            assert!(!shown.contains(&format!("value=\"{other}\"")), "{other}");
        }
        let older = options("Asia/Calcutta").into_string();
        assert!(
            older.contains("value=\"Asia/Calcutta\" selected"),
            "what is chosen stays: {older}"
        );
        assert!(!shown.contains("Choose…"));
        assert!(options("EST5EDT").into_string().contains("value=\"EST5EDT\" selected"));
        assert!(options("").into_string().contains("value=\"\" selected"));
    }

    #[test]
    fn a_close_one_is_named() {
        for (typed, meant) in [
            ("london", "Europe/London"),
            ("Europe/Lodnon", "Europe/London"),
            ("New York", "America/New_York"),
            ("america/new york", "America/New_York"),
            ("Berlin", "Europe/Berlin"),
        ] {
            let said = wrong(typed).unwrap();
            assert!(said.contains(&format!("Is {meant} meant?")), "{said}");
        }
        for odd in ["Mars/Olympus", "x", "é", &"y".repeat(300)] {
            let said = wrong(odd).unwrap();
            assert!(said.contains("Choose one of the list"), "{said}");
        }
        assert!(wrong("").unwrap().contains("Choose the time zone"));
    }
}
