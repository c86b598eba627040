//! The bookings of a day as a list, and of a week as a table.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Zoned};
use maud::{Markup, html};
use uuid::Uuid;

use super::clock;
use super::week::Week;
use crate::agent::hours::{DayHours, Hours};
use crate::store::access::{Role, VisibleAgents};
use crate::store::bookings::{Booking, BookingState};
use crate::web::bookings::end_us;
use crate::web::console::time;

/// As many bookings that began before are named in an hour.
const GOING_ON_MAX: usize = 3;
/// The hours that a table has at least.
const HOURS: std::ops::RangeInclusive<i8> = 9..=17;

/// What came of a booking, as a badge; nothing of one that is still to come.
pub(super) fn badge(booking: &Booking) -> Markup {
    html! {
        @match booking.state {
            BookingState::Pending if booking.is_to_check => span .badge.warn { "please check" },
            BookingState::Pending => {},
            BookingState::Completed => span .badge.good { "came" },
            BookingState::Missed => span .badge.bad { "did not come" },
            BookingState::Cancelled => span .badge { "cancelled" },
        }
    }
}

/// A booking's name, which leads to its page.
fn name(booking: &Booking) -> Markup {
    html! {
        a href={ "/bookings/" (booking.id) } {
            @if booking.state == BookingState::Cancelled { del { bdi { (booking.name.reveal()) } } }
            @else { bdi { (booking.name.reveal()) } }
        }
    }
}

/// The business of a booking, where there are several.
fn business(booking: &Booking, names: Option<&VisibleAgents>) -> Option<String> {
    names?.find(booking.agent_id).map(|agent| agent.business.clone())
}

fn of_day<'a>(
    bookings: &'a [Booking],
    zone: &'a TimeZone,
    day: Date,
) -> impl Iterator<Item = (Zoned, &'a Booking)> {
    let timed = bookings.iter().map(|booking| (time::at(booking.start_us, zone), booking));
    timed.filter(move |(at, _)| at.date() == day)
}

/// The day that is looked at.
pub(super) fn day_list(
    week: &Week,
    bookings: &[Booking],
    zone: &TimeZone,
    (names, hours): (Option<&VisibleAgents>, Option<&Hours>),
) -> Markup {
    let day: Vec<_> = of_day(bookings, zone, week.day).collect();
    let today = if week.day == week.today { "Today, " } else { "" };
    html! {
        h2 { (today) (week.day.strftime("%A %-d %B")) }
        @if let Some(words) = open_words(hours, week.day) { p .quiet { (words) } }
        @if day.is_empty() {
            p .empty { "Nothing is booked on this day. The agent books here when callers ask." }
        } @else {
            ul .list {
                @for (at, booking) in &day {
                    li .row {
                        @let end = time::at(end_us(booking.start_us, booking.minutes), zone);
                        strong { time datetime=(at.timestamp()) { (clock(at)) } "–" (clock(&end)) }
                        span .grow {
                            (name(booking)) " "
                            @if !booking.service.reveal().is_empty() {
                                span .quiet { bdi { (booking.service.reveal()) } }
                            }
                            @if let Some(business) = business(booking, names) {
                                " " span .quiet { "· " bdi { (business) } }
                            }
                        }
                        (badge(booking))
                    }
                }
            }
        }
    }
}

/// `Open 08:30–12:00, 13:00–18:00`, `Closed`; nothing where no hours are known.
fn open_words(hours: Option<&Hours>, day: Date) -> Option<String> {
    let DayHours::Known(ranges) = hours?.of(day) else { return None };
    let word =
        |(open, close): &Range| format!("{}–{}", open.strftime("%H:%M"), close.strftime("%H:%M"));
    Some(match ranges.is_empty() {
        true => "Closed".to_owned(),
        false => format!("Open {}", ranges.iter().map(word).collect::<Vec<_>>().join(", ")),
    })
}

/// For whom the table of a week is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Who<'a> {
    /// The businesses, where there are several.
    pub(super) names: Option<&'a VisibleAgents>,
    /// How a free hour is booked, by those who may.
    pub(super) free: Option<Free<'a>>,
    /// When it is open, where the table is about one.
    pub(super) hours: Option<&'a Hours>,
}

/// From when until when a business is open.
type Range = (DateTime, DateTime);

/// When the business is open on the days of a table, where that is known.
struct Opening {
    days: [Option<Vec<Range>>; 7],
    /// The evening before them may last until after midnight.
    before: Vec<Range>,
}

impl Opening {
    fn of(hours: Option<&Hours>, days: [Date; 7]) -> Self {
        let known = |day: Date| match hours?.of(day) {
            DayHours::Known(ranges) => Some(ranges),
            DayHours::NotKept | DayHours::NotKnown => None,
        };
        let before = days[0].yesterday().ok().and_then(known).unwrap_or_default();
        Self { days: days.map(known), before }
    }

    /// When it is open on a day, the night of the day before included; nothing where that is not known.
    fn on(&self, day: usize) -> Option<impl Iterator<Item = &Range>> {
        let own = self.days[day].as_ref()?;
        let before = match day.checked_sub(1) {
            Some(before) => self.days[before].as_deref().unwrap_or_default(),
            None => &self.before,
        };
        Some(before.iter().chain(own))
    }

    /// Whether it is closed on the whole day.
    fn is_closed(&self, day: usize, date: Date) -> bool {
        let midnight = date.at(0, 0, 0, 0);
        self.on(day).is_some_and(|mut ranges| !ranges.any(|(_, close)| *close > midnight))
    }

    /// When an hour's booking begins: at its start, or as soon as it opens within it.
    fn begins(&self, day: usize, start: DateTime) -> DateTime {
        let end = start.saturating_add(SignedDuration::from_hours(1));
        let open_at = |at: DateTime| {
            self.on(day).is_none_or(|mut all| all.any(|(open, close)| *open <= at && *close > at))
        };
        if open_at(start) {
            return start;
        }
        let opens = self.on(day).into_iter().flatten().map(|(open, _)| *open);
        opens.filter(|open| *open > start && *open < end).min().unwrap_or(start)
    }

    /// Whether it is closed in the whole hour that begins then.
    fn is_shut(&self, day: usize, start: DateTime) -> bool {
        let end = start.saturating_add(SignedDuration::from_hours(1));
        let is_open = |(open, close): &Range| *open < end && *close > start;
        self.on(day).is_some_and(|mut ranges| !ranges.any(is_open))
    }

    /// The first and the last hour in which it is open.
    fn span(&self) -> Option<(i8, i8)> {
        let ranges = || self.days.iter().flatten().flatten();
        let first = ranges().map(|(open, _)| open.hour()).min()?;
        let last = ranges().map(|(open, close)| match close.date() == open.date() {
            true => close.hour() - i8::from(close.minute() == 0),
            false => 23,
        });
        Some((first, last.max()?))
    }
}

/// What an hour is booked with in which nothing begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Free<'a> {
    now: &'a Zoned,
    /// The one agent that the table is about, whose zone the hours are in.
    agent: Uuid,
}

impl<'a> Free<'a> {
    /// Where these are one agent, and the viewer may book with it. An hour of several businesses is none
    /// that can be booked: each has its own zone and calendar.
    pub(super) fn of(agents: &VisibleAgents, now: &'a Zoned) -> Option<Self> {
        match agents.list() {
            [only] if only.role >= Role::Maintainer => Some(Self { now, agent: only.id }),
            _ => None,
        }
    }

    /// The way to a new booking in an hour that is to come, where nothing is booked. An hour that the
    /// clock skips or shows twice has none: the form asks which is meant.
    fn hour(self, start: DateTime, bookings: &[Booking]) -> Option<Markup> {
        let zone = self.now.time_zone();
        let from = zone.to_ambiguous_timestamp(start).unambiguous().ok()?;
        let from_us = from.as_microsecond();
        // Also one that began the day before.
        let is_taken = bookings.iter().any(|booking| {
            booking.state != BookingState::Cancelled
                && booking.start_us < end_us(from_us, 60)
                && end_us(booking.start_us, booking.minutes) > from_us
        });
        if is_taken || from < self.now.timestamp() {
            return None;
        }
        Some(html! {
            a .free href={ "/bookings/new?day=" (start.date()) "&time=" (start.strftime("%H:%M")) "&agent=" (self.agent) } {
                "+" span .hidden { " Book " (start.strftime("%A %-d %B %H:%M")) }
            }
        })
    }
}

/// The whole week: a column a day, a row an hour.
pub(super) fn week_table(
    week: &Week,
    bookings: &[Booking],
    zone: &TimeZone,
    who: Who<'_>,
) -> Markup {
    let days = week.days();
    let columns = days.map(|day| of_day(bookings, zone, day).collect::<Vec<_>>());
    let starts = || columns.iter().flatten().map(|(at, _)| at.hour());
    let opening = Opening::of(who.hours, days);
    let (opens, closes) = opening.span().unwrap_or((*HOURS.start(), *HOURS.end()));
    let first = starts().chain([opens, *HOURS.start()]).min().unwrap_or_default();
    let last = starts().chain([closes, *HOURS.end()]).max().unwrap_or_default();
    html! {
        h2 { "Week of " (days[0].strftime("%-d %B %Y")) }
        @if bookings.is_empty() {
            p .empty { "Nothing is booked in this week. The agent books here when callers ask." }
        }
        div .scroll tabindex="0" role="region" aria-label="Bookings of the week" {
            table .week {
                thead { tr {
                    th scope="col" { "Time" }
                    @for (n, day) in days.into_iter().enumerate() {
                        th scope="col" aria-current=[(day == week.today).then_some("date")] {
                            (day.strftime("%a %-d %b"))
                            @if opening.is_closed(n, day) { br; "closed" }
                        }
                    }
                } }
                tbody {
                    @for hour in first..=last {
                        tr {
                            th scope="row" { (format!("{hour:02}:00")) }
                            @for (n, (day, column)) in days.iter().zip(&columns).enumerate() {
                                @let start = day.at(hour, 0, 0, 0);
                                td class=[opening.is_shut(n, start).then_some("shut")] {
                                    (going_on(bookings, zone, start))
                                    (cell(column, hour, who.names))
                                    @if let Some(link) = who.free.and_then(|free| free.hour(opening.begins(n, start), bookings)) { (link) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The bookings that began before an hour and go on in it, so that it does not look free.
fn going_on(bookings: &[Booking], zone: &TimeZone, start: DateTime) -> Markup {
    let Ok(from) = zone.to_ambiguous_timestamp(start).unambiguous() else { return html! {} };
    let from_us = from.as_microsecond();
    let goes_on = |booking: &&Booking| {
        booking.state != BookingState::Cancelled
            && booking.start_us < from_us
            && end_us(booking.start_us, booking.minutes) > from_us
    };
    let all = || bookings.iter().filter(goes_on);
    let more = all().count().saturating_sub(GOING_ON_MAX);
    html! {
        @for booking in all().take(GOING_ON_MAX) {
            @let end = time::at(end_us(booking.start_us, booking.minutes), zone);
            div .quiet { "until " (clock(&end)) " " (name(booking)) }
        }
        @if more > 0 { div .quiet { "and " (more) " more" } }
    }
}

/// The bookings that begin in an hour of a day.
fn cell(column: &[(Zoned, &Booking)], hour: i8, names: Option<&VisibleAgents>) -> Markup {
    html! {
        @for (at, booking) in column.iter().filter(|(at, _)| at.hour() == hour) {
            div {
                time datetime=(at.timestamp()) { (clock(at)) } " " (name(booking))
                @if let Some(business) = business(booking, names) {
                    " " span .quiet { bdi { (business) } }
                }
                " " (badge(booking))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::agent::{Agent, AgentSource, BusinessSource};

    #[test]
    fn a_week_shows_when_it_is_open() {
        let range = |open: &str, close: &str| json!([{"open": open, "close": close}]);
        let schedule =
            json!({"monday": range("08:30", "18:00"), "friday": range("20:00", "02:00")});
        let business = BusinessSource {
            operating_schedule: Some(schedule),
            timezone: Some("Europe/London".to_owned()),
            ..BusinessSource::default()
        };
        let agent = Agent::new(AgentSource { business: Some(business), ..AgentSource::default() });
        let monday = Date::constant(2026, 11, 30);
        let days = std::array::from_fn(|n| {
            monday.checked_add(SignedDuration::from_hours(24 * i64::try_from(n).unwrap())).unwrap()
        });
        let opening = Opening::of(Some(&agent.hours), days);
        assert_eq!(opening.span(), Some((8, 23)));
        let is_closed = |day: usize| opening.is_closed(day, days[day]);
        // The evening of Friday lasts until Saturday.
        let closed: Vec<usize> = (0..7).filter(|day| is_closed(*day)).collect();
        assert_eq!(closed, [1, 2, 3, 6]);
        let is_shut = |day: usize, hour: i8| opening.is_shut(day, days[day].at(hour, 0, 0, 0));
        assert_eq!([7, 8, 17, 18].map(|hour| is_shut(0, hour)), [true, false, false, true]);
        assert_eq!((is_shut(4, 19), is_shut(4, 23)), (true, false));
        assert_eq!((is_shut(5, 1), is_shut(5, 2)), (false, true));
        let begins =
            |hour: i8| opening.begins(0, days[0].at(hour, 0, 0, 0)).strftime("%H:%M").to_string();
        assert_eq!([7, 8, 9, 18].map(begins), ["07:00", "08:30", "09:00", "18:00"]);
        let words = |day: usize| open_words(Some(&agent.hours), days[day]);
        let [monday, tuesday] = [words(0), words(1)].map(Option::unwrap);
        assert_eq!((&*monday, &*tuesday), ("Open 08:30–18:00", "Closed"));
        // Where no hours are known nothing is said to be closed.
        let unknown = Opening::of(None, days);
        assert_eq!((unknown.span(), unknown.is_closed(6, days[6])), (None, false));
    }
}
