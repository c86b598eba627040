//! Which appointments are asked for.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::store::access::VisibleAgents;
use crate::store::bookings::{BookingState, BookingsWanted};
use crate::web::problem::Problem;
use crate::web::query::given;

/// How many a page has, and the most that are given at once.
const PAGE: i64 = 100;
const LIMIT_MAX: i64 = 1000;

/// Which appointments are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Those of one agent.
    #[param(value_type = Option<uuid::Uuid>)]
    agent: Option<String>,
    /// Those that begin then or later: a date in the business's time zone, or a time with offset.
    from: Option<String>,
    /// Those that begin up to then: a date, which is included, or a time with offset, which is not.
    to: Option<String>,
    /// pending, completed, missed or cancelled.
    status: Option<String>,
    /// Where to go on: `next` of the page before.
    after: Option<String>,
    /// How many at most, 1 to 1000.
    #[param(value_type = Option<i64>)]
    limit: Option<String>,
}

impl Wanted {
    /// The agents that are named.
    ///
    /// # Errors
    /// It is no id, or of an agent that is not seen.
    pub(super) fn agents(&self, all: &VisibleAgents) -> Result<VisibleAgents, Problem> {
        let Some(text) = given(self.agent.as_ref()) else { return Ok(all.only(None)) };
        let id =
            text.parse().map_err(|_| Problem::invalid("agent", "accepted is an agent's id"))?;
        match all.find(id) {
            Some(_) => Ok(all.only(Some(id))),
            None => Err(Problem::not_found()),
        }
    }

    /// What is wanted, where dates are those of this zone.
    ///
    /// # Errors
    /// The first value that is not accepted.
    pub(super) fn read(&self, zone: &TimeZone) -> Result<BookingsWanted, Problem> {
        let state = given(self.status.as_ref()).map(|word| {
            let accepted = "accepted are pending, completed, missed and cancelled";
            BookingState::from_word(word).ok_or_else(|| Problem::invalid("status", accepted))
        });
        let limit = given(self.limit.as_ref()).map_or(Some(PAGE), |text| text.parse().ok());
        let limit = limit.filter(|limit| (1..=LIMIT_MAX).contains(limit));
        let after = given(self.after.as_ref()).map(|text| {
            let place = text.split_once('~');
            let place = place.and_then(|(us, id)| Some((us.parse().ok()?, id.parse().ok()?)));
            place.ok_or_else(|| Problem::invalid("after", "accepted is `next` of the page before"))
        });
        Ok(BookingsWanted {
            from_us: time("from", self.from.as_ref(), zone, 0)?.unwrap_or(0),
            until_us: time("to", self.to.as_ref(), zone, 1)?.unwrap_or(i64::MAX / 4),
            state: state.transpose()?,
            after: after.transpose()?,
            limit: limit.ok_or_else(|| Problem::invalid("limit", "accepted are 1 to 1000"))?,
        })
    }
}

/// A time with offset, or the beginning of a date, so many days later.
fn time(
    field: &'static str,
    text: Option<&String>,
    zone: &TimeZone,
    days: i64,
) -> Result<Option<i64>, Problem> {
    let Some(text) = given(text) else { return Ok(None) };
    let wrong = || {
        let accepted = "accepted are 2026-11-29 and 2026-11-29T14:00:00+00:00 (as %2B00:00 in an \
            address), from 1900 to 2200";
        Problem::invalid(field, accepted)
    };
    let instant = match (text.parse::<Timestamp>(), text.contains(':')) {
        (Ok(instant), true) => instant,
        (_, true) => return Err(wrong()),
        (_, false) => {
            let date = text.parse::<Date>().ok().and_then(|day| day.checked_add(days.days()).ok());
            let start = date.and_then(|date| date.to_zoned(zone.clone()).ok());
            start.ok_or_else(wrong)?.timestamp()
        }
    };
    let is_known = (1900..=2200).contains(&zone.to_datetime(instant).year());
    if is_known { Ok(Some(instant.as_microsecond())) } else { Err(wrong()) }
}
