//! Which times are free?

use jiff::civil::{Date, DateTime, Time};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};
use tracing::warn;

use super::super::Outcome;
use super::arguments;
use super::desk::{BookingContext, CANNOT_LOOK, NO_ZONE};
use crate::agent::hours::DayHours;
use crate::calendar::slots::{Busy, spread};

/// How many times are named at once: more nobody keeps in mind.
const OFFERS: usize = 8;
/// How many are named where none is free in the time that was asked about.
const NEXT_OFFERS: usize = 3;
const DAYS_MAX: i64 = 31;
const DAYS_WITHOUT_DATE: i64 = 7;
/// How many days are named of which the hours are not known.
const UNKNOWN_DAYS: usize = 7;
const NO_HOURS: &str = "the opening hours are not known: these times are free in the calendar, and \
                        other hours can be booked as well";
const HOURS_UNKNOWN: &str = "the opening hours of these days are not known: say so, and name no time \
                             on them; nothing can be booked on them without the owner";

/// `check_availability`.
pub(in crate::functions) async fn check_availability(
    desk: &BookingContext<'_>,
    arguments: &Value,
) -> Outcome {
    if !desk.agent.hours.has_zone() {
        return Outcome::refused(format!("{NO_ZONE}: name no times; offer to take a message"));
    }
    let asked = match Asked::read(desk, arguments) {
        Ok(asked) => asked,
        Err(error) => return Outcome::refused(error),
    };
    let wanted = desk.near(asked.wanted());
    let (around_from, around_until) = desk.around(wanted);
    let span = (around_from, around_until.max(asked.span(desk).1));
    let minutes = desk.usual_minutes();
    match desk.busy(span, minutes, None).await {
        Ok(busy) => Outcome::done(asked.answer(desk, span, &busy)),
        Err(error) => {
            warn!(%error, call = %desk.deed.call_log_id, "free times could not be looked up");
            Outcome::refused(CANNOT_LOOK)
        }
    }
}

/// What is asked about.
struct Asked {
    first: Date,
    days: i64,
    time: Option<Time>,
}

impl Asked {
    fn read(desk: &BookingContext<'_>, arguments: &Value) -> Result<Self, String> {
        let date = arguments::date(arguments, "date", desk.today())?;
        let time = arguments::time(arguments, "time")?;
        let days = arguments::count(arguments, "days", DAYS_MAX);
        let usual = if date.is_some() { 1 } else { DAYS_WITHOUT_DATE };
        Ok(Self { first: date.unwrap_or(desk.today()), days: days.unwrap_or(usual), time })
    }

    /// The time nearest to which something else is offered.
    fn wanted(&self) -> DateTime {
        self.first.to_datetime(self.time.unwrap_or(Time::midnight()))
    }

    /// From the first day's midnight to the one after the last day.
    fn span(&self, desk: &BookingContext<'_>) -> (Timestamp, Timestamp) {
        let end = self.first.saturating_add(self.days.days());
        let midnight = |date: Date| desk.near(date.to_datetime(Time::midnight()));
        (midnight(self.first), midnight(end))
    }

    fn answer(
        &self,
        desk: &BookingContext<'_>,
        span: (Timestamp, Timestamp),
        busy: &[Busy],
    ) -> Value {
        let minutes = desk.usual_minutes();
        let calendar = desk.calendar(minutes);
        let free = match self.time {
            None => {
                let (first, end) = self.span(desk);
                calendar.free(first, end, busy)
            }
            Some(time) => {
                let days = self.first.series(1.day()).take(self.days.unsigned_abs() as usize);
                days.filter_map(|day| calendar.check(day.to_datetime(time), busy).ok()).collect()
            }
        };
        let offers = match free.is_empty() {
            true => calendar.nearest(desk.near(self.wanted()), span, busy, NEXT_OFFERS),
            false => spread(&free, OFFERS),
        };
        let mut answer = json!({
            "free": !free.is_empty(),
            "offers": offers.into_iter().map(|start| desk.spoken(start)).collect::<Value>(),
            "minutes": minutes,
        });
        if free.is_empty() {
            answer["note"] = self.nothing_free(desk, busy).into();
        } else if free.len() > OFFERS {
            answer["note"] = format!(
                "{} times are free, these are some of them; ask again about a certain time",
                free.len()
            )
            .into();
        }
        let unknown: Vec<Value> = self.days(desk, &DayHours::NotKnown).take(UNKNOWN_DAYS).collect();
        if !unknown.is_empty() {
            answer["hours"] = HOURS_UNKNOWN.into();
            answer["days_not_known"] = unknown.into();
        } else if self.days(desk, &DayHours::NotKept).next().is_some() {
            answer["hours"] = NO_HOURS.into();
        }
        answer
    }

    /// The days that are asked about, of those with such hours, as they are said.
    fn days(&self, desk: &BookingContext<'_>, hours: &DayHours) -> impl Iterator<Item = Value> {
        let days = self.first.series(1.day()).take(self.days.unsigned_abs() as usize);
        days.filter(|day| desk.agent.hours.of(*day) == *hours)
            .map(|day| json!({"date": day.to_string(), "weekday": day.strftime("%A").to_string()}))
    }

    /// Why there is nothing, and what the offers are then.
    fn nothing_free(&self, desk: &BookingContext<'_>, busy: &[Busy]) -> String {
        let minutes = desk.usual_minutes();
        let calendar = desk.calendar(minutes);
        let (first, end) = self.span(desk);
        let why = match (self.time, calendar.check(self.wanted(), busy)) {
            (Some(_), Err(why)) if self.days == 1 => desk.reason(why, self.wanted(), minutes),
            (Some(_), _) => "that time is free on none of these days".to_owned(),
            (None, _) if self.days(desk, &DayHours::NotKnown).next().is_some() => {
                "nothing can be booked then".to_owned()
            }
            (None, _) if calendar.free(first, end, &[]).is_empty() => {
                "the business is closed then, or it is too late for that".to_owned()
            }
            (None, _) => "everything is taken then".to_owned(),
        };
        format!("{why}; the offers are the nearest times that are free")
    }
}
