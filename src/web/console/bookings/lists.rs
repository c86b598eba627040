//! The bookings of a day as a list, and of a week as a table.

use jiff::Zoned;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use uuid::Uuid;

use super::week::Week;
use super::{clock, local};
use crate::store::access::{Role, VisibleAgents};
use crate::store::bookings::{Booking, BookingState};
use crate::web::bookings::end_us;

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
    let timed = bookings.iter().map(|booking| (local(booking.start_us, zone), booking));
    timed.filter(move |(at, _)| at.date() == day)
}

/// The day that is looked at.
pub(super) fn day_list(
    week: &Week,
    bookings: &[Booking],
    zone: &TimeZone,
    names: Option<&VisibleAgents>,
) -> Markup {
    let day: Vec<_> = of_day(bookings, zone, week.day).collect();
    let today = if week.day == week.today { "Today, " } else { "" };
    html! {
        h2 { (today) (week.day.strftime("%A %-d %B")) }
        @if day.is_empty() {
            p .empty { "Nothing is booked on this day. The agent books here when callers ask, and you can too." }
        } @else {
            ul .list {
                @for (at, booking) in &day {
                    li .row {
                        strong { time datetime=(at.timestamp()) { (clock(at)) } }
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

/// For whom the table of a week is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Who<'a> {
    /// The businesses, where there are several.
    pub(super) names: Option<&'a VisibleAgents>,
    /// How a free hour is booked, by those who may.
    pub(super) free: Option<Free<'a>>,
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
    fn hour(self, day: Date, hour: i8, bookings: &[Booking]) -> Option<Markup> {
        let start = day.at(hour, 0, 0, 0);
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
            a .free href={ "/bookings/new?day=" (day) "&time=" (format!("{hour:02}:00")) "&agent=" (self.agent) } {
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
    let first = starts().min().unwrap_or(*HOURS.start()).min(*HOURS.start());
    let last = starts().max().unwrap_or(*HOURS.end()).max(*HOURS.end());
    html! {
        h2 { "Week of " (days[0].strftime("%-d %B %Y")) }
        @if bookings.is_empty() {
            p .empty { "Nothing is booked in this week. The agent books here when callers ask, and you can too." }
        }
        div .scroll tabindex="0" role="region" aria-label="Bookings of the week" {
            table .week {
                thead { tr {
                    th scope="col" { "Time" }
                    @for day in days {
                        th scope="col" aria-current=[(day == week.today).then_some("date")] {
                            (day.strftime("%a %-d %b"))
                        }
                    }
                } }
                tbody {
                    @for hour in first..=last {
                        tr {
                            th scope="row" { (format!("{hour:02}:00")) }
                            @for (day, column) in days.iter().zip(&columns) {
                                td {
                                    (cell(column, hour, who.names))
                                    @if let Some(link) = who.free.and_then(|free| free.hour(*day, hour, bookings)) { (link) }
                                }
                            }
                        }
                    }
                }
            }
        }
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
