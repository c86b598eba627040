//! A stretch of a day, as its two fields and its tick have it, and what is wrong with several of them.

use maud::{Markup, html};
use serde_json::{Value, json};

use crate::agent::hours::{Written, read_time};

/// Stretches of a day that the form has room for, unless more are stored.
const SHOWN: usize = 2;
/// The most stretches that are read of a day of a form.
pub(super) const MAX: usize = 8;
const DAY_MINUTES: u16 = 24 * 60;

/// When it is open: from and to, as they are written.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Stretch {
    pub(super) open: String,
    pub(super) close: String,
    /// Whether it is said that it ends on the next day.
    pub(super) is_overnight: bool,
}

/// What is wrong with a day: the name of the field, and why.
pub(super) type Fault = (String, String);

impl Stretch {
    /// Minutes after the midnight that the day begins with, as calls read it: what ends at or before
    /// its begin ends on the next day.
    fn minutes(&self) -> Option<(u16, u16)> {
        let (open, close) = (read_time(&self.open)?, read_time(&self.close)?);
        let close = if close == DAY_MINUTES - 1 { DAY_MINUTES } else { close };
        Some((open, if close <= open { close + DAY_MINUTES } else { close }))
    }

    /// Whether it ends on the next day, later than at its first moment.
    fn passes_midnight(&self) -> bool {
        self.minutes().is_some_and(|(_, close)| close > DAY_MINUTES)
    }

    fn fault(&self, field: &str) -> Option<Fault> {
        let Self { open, close, is_overnight } = self;
        let half = |which: &str| {
            let why = "both times are needed, or none";
            Some((format!("{field}.{which}"), why.to_owned()))
        };
        match (open.is_empty(), close.is_empty()) {
            (true, _) => half("open"),
            (_, true) => half("close"),
            _ if self.passes_midnight() && !is_overnight => {
                let why = format!(
                    "{close} is not later than {open}. Change one of them; or, if it is open through \
                     the night, tick “until the next day”"
                );
                Some((format!("{field}.close"), why))
            }
            _ => None,
        }
    }
}

/// What is stored of a day.
pub(super) fn stored(written: &Written) -> Vec<Stretch> {
    let Written::Known(ranges) = written else { return Vec::new() };
    let clock = |minutes: u16| match minutes {
        // Midnight at the end, as fields for a time of day have it.
        DAY_MINUTES => "23:59".to_owned(),
        _ => format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60),
    };
    let stretch = |(open, close): &(u16, u16)| Stretch {
        open: clock(*open),
        close: clock(*close),
        is_overnight: *close > DAY_MINUTES,
    };
    ranges.iter().map(stretch).collect()
}

/// As it is stored.
pub(super) fn schedule(open: &[Stretch]) -> Value {
    open.iter().map(|one| json!({"open": one.open, "close": one.close})).collect()
}

/// All that is wrong with the stretches of a day, whose fields begin with this name.
pub(super) fn faults(open: &[Stretch], name: &str) -> Vec<Fault> {
    let each = open.iter().enumerate();
    let mut faults: Vec<Fault> =
        each.filter_map(|(n, stretch)| stretch.fault(&format!("{name}.{n}"))).collect();
    if faults.is_empty() {
        faults.extend(overlap(open, name));
    }
    faults
}

/// The first two that overlap.
fn overlap(open: &[Stretch], name: &str) -> Option<Fault> {
    let minutes: Vec<_> = open.iter().map(Stretch::minutes).collect();
    let pairs = (1..open.len()).flat_map(|later| (0..later).map(move |earlier| (earlier, later)));
    let (earlier, later) =
        pairs.into_iter().find(|(earlier, later)| match (minutes[*earlier], minutes[*later]) {
            (Some(one), Some(other)) => one.0 < other.1 && other.0 < one.1,
            _ => false,
        })?;
    let said = |at: usize| format!("{} to {}", open[at].open, open[at].close);
    let why = format!(
        "{} and {} overlap. Write them as one, or change one of them",
        said(earlier),
        said(later)
    );
    Some((format!("{name}.{later}.open"), why))
}

/// The fields of a day. `wrong` are the names of those that were not accepted.
pub(super) fn fields(open: &[Stretch], name: &str, day: &str, wrong: &[&str]) -> Markup {
    let none = Stretch::default();
    let shown = open.len().clamp(SHOWN, MAX);
    let is_wrong = |field: &str| wrong.contains(&field).then_some("true");
    html! {
        @for n in 0..shown {
            @let stretch = open.get(n).unwrap_or(&none);
            @let which = if n == 0 { "" } else { ", then" };
            @let (from, to) = (format!("{name}.{n}.open"), format!("{name}.{n}.close"));
            span .row {
                input type="time" id=(super::id_of(&from)) name=(from) value=(stretch.open)
                    aria-label={ (day) (which) " opens" } aria-invalid=[is_wrong(&from)];
                "–"
                input type="time" id=(super::id_of(&to)) name=(to) value=(stretch.close)
                    aria-label={ (day) (which) " closes" } aria-invalid=[is_wrong(&to)];
                // It is asked only where it matters: most businesses close before midnight.
                @if stretch.passes_midnight() {
                    label .check {
                        input type="checkbox" name={ (name) "." (n) ".overnight" } value="yes"
                            checked[stretch.is_overnight];
                        "until the next day" span .hidden { ", " (day) (which) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch((open, close): (&str, &str), is_overnight: bool) -> Stretch {
        Stretch { open: open.to_owned(), close: close.to_owned(), is_overnight }
    }

    #[test]
    fn what_ends_before_it_begins_is_asked_about() {
        for (times, is_asked) in [
            (("09:00", "17:00"), false),
            (("18:00", "09:00"), true),
            (("09:00", "09:00"), true),
            // Midnight at the end, as people write it.
            (("18:00", "00:00"), false),
            (("00:00", "00:00"), false),
            (("18:00", "23:59"), false),
            (("23:59", "23:59"), false),
        ] {
            let faults = faults(&[stretch(times, false)], "monday");
            assert_eq!(!faults.is_empty(), is_asked, "{times:?} {faults:?}");
            let ticked = stretch(times, true);
            assert_eq!(super::faults(&[ticked], "monday"), [], "{times:?}");
        }
        let (field, why) = faults(&[stretch(("18:00", "09:00"), false)], "monday").remove(0);
        assert_eq!(field, "monday.0.close");
        assert!(why.contains("tick “until the next day”"), "{why}");
    }

    #[test]
    fn stretches_that_overlap_are_named() {
        let day = |other| [stretch(("08:00", "17:00"), false), stretch(other, false)];
        for (other, overlaps) in [
            (("16:00", "19:00"), true),
            (("09:00", "10:00"), true),
            (("17:00", "19:00"), false),
            (("07:00", "08:00"), false),
            (("08:00", "17:00"), true),
        ] {
            assert_eq!(!faults(&day(other), "monday").is_empty(), overlaps, "{other:?}");
        }
        let night = [stretch(("20:00", "02:00"), true), stretch(("23:00", "23:30"), false)];
        let (field, why) = faults(&night, "monday").remove(0);
        assert_eq!(field, "monday.1.open");
        assert!(why.starts_with("20:00 to 02:00 and 23:00 to 23:30 overlap"), "{why}");
    }

    #[test]
    fn the_tick_is_shown_where_it_matters() {
        let shown = |times| fields(&[stretch(times, false)], "monday", "Monday", &[]).into_string();
        assert!(!shown(("09:00", "17:00")).contains("overnight"));
        assert!(shown(("18:00", "09:00")).contains("name=\"monday.0.overnight\""));
    }
}
