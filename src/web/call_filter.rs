//! What calls are looked for by, as it stands in an address: the same for the API and the pages.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::bookings::zone;
use super::invalid::Invalid;
use super::query::given;
use crate::agent::phone_number::normalise_local;
use crate::agent::region::Region;
use crate::private::Private;
use crate::store::access::VisibleAgent;
use crate::store::call_list::{CallFilter, CallOutcome, CallPlace};

/// The longest text that is looked for, in characters.
const TEXT_MAX: usize = 200;
/// How many calls a page has.
pub(super) const PAGE: i64 = 50;
/// The most that the API gives at once.
const LIMIT_MAX: i64 = 200;
/// The years that are looked through: the same as a list shows.
const YEARS: std::ops::RangeInclusive<i16> = 1900..=9989;

/// What calls are asked for by.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct WantedCalls {
    /// Those of one agent.
    #[param(value_type = Option<Uuid>)]
    pub(super) agent: Option<String>,
    /// Those that began then or later: a date in the business's time zone, or a time with offset.
    pub(super) from: Option<String>,
    /// Those that began up to then: a date, which is included, or a time with offset, which is not.
    pub(super) to: Option<String>,
    /// Those that came out so: `in-progress`, `completed`, `transferred`, `voicemail`, `no-answer` or
    /// `failed`.
    pub(super) outcome: Option<String>,
    /// Those from this number, with country code or as it is dialled in the business's country. Its last
    /// 4 to 9 digits find those of the newest 2,000 calls of each agent, up to `to`.
    pub(super) number: Option<String>,
    /// Those with all of these words in what was said or in the summary; the last one may be the
    /// beginning of a word.
    pub(super) words: Option<String>,
    /// Those in which the agent used the function of this name.
    pub(super) function: Option<String>,
    /// `true`: only those because of which there is something to do.
    pub(super) todo: Option<String>,
    /// `true`: test calls too.
    pub(super) tests: Option<String>,
    /// Where to go on: `next` of the page before.
    pub(super) after: Option<String>,
    /// How many at most, 1 to 200.
    #[param(value_type = Option<i64>)]
    pub(super) limit: Option<String>,
}

/// Where and when people ask from.
#[derive(Debug)]
pub(super) struct Here {
    /// The business's time zone.
    pub(super) zone: TimeZone,
    /// The business's country, if it is known.
    pub(super) region: Option<Region>,
}

impl Here {
    /// At this agent's business; in UTC where there is none.
    pub(super) fn of(agent: Option<&VisibleAgent>) -> Self {
        let name = agent.and_then(|agent| agent.zone.as_deref());
        let number = agent.and_then(|agent| agent.number.as_deref());
        Self { zone: zone(name), region: Region::of_business(None, name, number) }
    }
}

impl WantedCalls {
    /// The agent that is named.
    ///
    /// # Errors
    /// It is no id.
    pub(super) fn agent(&self) -> Result<Option<Uuid>, Invalid> {
        let agent = given(self.agent.as_ref());
        agent
            .map(str::parse)
            .transpose()
            .map_err(|_| Invalid::new("agent", "accepted is an agent's id, a UUID"))
    }

    /// How many are wanted.
    ///
    /// # Errors
    /// It is no such number.
    pub(super) fn limit(&self) -> Result<i64, Invalid> {
        let wrong = || Invalid::new("limit", "accepted is a number from 1 to 200");
        let Some(text) = given(self.limit.as_ref()) else { return Ok(PAGE) };
        let limit = text.parse().map_err(|_| wrong())?;
        (1..=LIMIT_MAX).contains(&limit).then_some(limit).ok_or_else(wrong)
    }

    /// Where the page before ended.
    ///
    /// # Errors
    /// It is nothing that was given as `next`.
    pub(super) fn after(&self) -> Result<Option<CallPlace>, Invalid> {
        let Some(text) = given(self.after.as_ref()) else { return Ok(None) };
        let wrong = || Invalid::new("after", "accepted is `next` of the page before");
        read_cursor(text).map(Some).ok_or_else(wrong)
    }

    /// What is looked for.
    ///
    /// # Errors
    /// The first value that is not accepted.
    pub(super) fn filter(&self, here: &Here) -> Result<CallFilter, Invalid> {
        let outcome = given(self.outcome.as_ref())
            .map(|word| {
                CallOutcome::from_word(word).ok_or_else(|| Invalid::new("outcome", OUTCOMES))
            })
            .transpose()?;
        let from_us = time(self.from.as_ref(), "from", here, false)?;
        let until_us = time(self.to.as_ref(), "to", here, true)?;
        if from_us.zip(until_us).is_some_and(|(from, until)| from > until) {
            return Err(Invalid::new(
                "to",
                "it is before `From`; accepted is the same day or a later one",
            ));
        }
        let (number, number_end) = match self.number(here)? {
            None => (None, None),
            Some(Number::Whole(number)) => (Some(Private::new(number)), None),
            Some(Number::End(digits)) => (None, Some(Private::new(digits))),
        };
        Ok(CallFilter {
            from_us,
            until_us,
            outcome,
            number,
            number_end,
            words: text(self.words.as_ref(), "words")?.map(Private::new),
            function: text(self.function.as_ref(), "function")?,
            with_tasks: yes(self.todo.as_ref(), "todo")?,
            with_tests: yes(self.tests.as_ref(), "tests")?,
        })
    }

    fn number(&self, here: &Here) -> Result<Option<Number>, Invalid> {
        let Some(text) = given(self.number.as_ref()) else { return Ok(None) };
        // A plus that was not percent-encoded has become a blank.
        let is_plus = self.number.as_ref().is_some_and(|text| text.starts_with(' '));
        let read = is_plus
            .then(|| normalise_local(&format!("+{text}"), None))
            .flatten()
            .or_else(|| normalise_local(text, here.region));
        if let Some(number) = read {
            return Ok(Some(Number::Whole(number)));
        }
        let is_end = text.chars().all(|c| c.is_ascii_digit() || " -./()".contains(c));
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        match is_end && END_DIGITS.contains(&digits.len()) {
            true => Ok(Some(Number::End(digits))),
            false => Err(Invalid::new("number", numbers(here.region))),
        }
    }

    /// What is looked for, as pairs of an address: without where in the list.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = [
            ("agent", &self.agent),
            ("from", &self.from),
            ("to", &self.to),
            ("outcome", &self.outcome),
            ("number", &self.number),
            ("words", &self.words),
            ("function", &self.function),
            ("todo", &self.todo),
            ("tests", &self.tests),
        ];
        fields.into_iter().filter_map(|(name, field)| Some((name, given(field.as_ref())?)))
    }

    /// The same as the query of an address, with more pairs: `?…`, or nothing.
    pub(super) fn query(&self, more: &[(&str, &str)]) -> String {
        let pairs: Vec<(&str, &str)> = self.pairs().chain(more.iter().copied()).collect();
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let query = query.extend_pairs(pairs).finish();
        if query.is_empty() { query } else { format!("?{query}") }
    }

    /// The names of the fields that are given: what may be written down of them.
    pub(super) fn names(&self) -> Vec<&str> {
        self.pairs().map(|(name, _)| name).collect()
    }
}

/// How many of the last digits of a number find its calls.
const END_DIGITS: std::ops::RangeInclusive<usize> = 4..=9;

fn numbers(region: Option<Region>) -> String {
    let example = Region::example(region);
    format!(
        "this is no telephone number; accepted is a whole one, such as {example} or as you dial it, or \
         at least its last 4 digits"
    )
}

/// A number that is looked for.
enum Number {
    /// All of it, E.164.
    Whole(String),
    /// Its last digits.
    End(String),
}

const OUTCOMES: &str =
    "accepted is `in-progress`, `completed`, `transferred`, `voicemail`, `no-answer` or `failed`";

/// Whether something is wanted.
fn yes(field: Option<&String>, name: &'static str) -> Result<bool, Invalid> {
    match given(field) {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1" | "on") => Ok(true),
        Some(_) => Err(Invalid::new(name, "accepted is `true` or `false`")),
    }
}

/// A text to look for.
fn text(field: Option<&String>, name: &'static str) -> Result<Option<String>, Invalid> {
    let Some(text) = given(field) else { return Ok(None) };
    if text.chars().count() > TEXT_MAX {
        return Err(Invalid::new(name, "accepted are at most 200 characters"));
    }
    Ok(Some(text.replace(char::is_control, " ")))
}

/// A date or a time, as microseconds since the Unix epoch; the end of a date where it is the end of
/// what is looked for.
fn time(
    field: Option<&String>,
    name: &'static str,
    here: &Here,
    is_end: bool,
) -> Result<Option<i64>, Invalid> {
    let Some(text) = given(field) else { return Ok(None) };
    let wrong = || {
        Invalid::new(
            name,
            "accepted is a date such as 2026-11-29, or a time such as 2026-11-29T14:05:00Z",
        )
    };
    // A plus that was not percent-encoded has become a blank.
    let time: Option<Timestamp> = text.parse().or_else(|_| text.replace(' ', "+").parse()).ok();
    let time = match time {
        Some(time) => time,
        None => {
            let date = Some(text).filter(|text| text.len() == "2026-11-29".len());
            let date: Date = date.and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
            let date = if is_end { date.checked_add(1.day()).map_err(|_| wrong())? } else { date };
            let start: Zoned = date.to_zoned(here.zone.clone()).map_err(|_| wrong())?;
            start.timestamp()
        }
    };
    let is_known = YEARS.contains(&time.to_zoned(TimeZone::UTC).year());
    is_known.then(|| Some(time.as_microsecond())).ok_or_else(wrong)
}

/// A place in the list, as an address has it.
pub(super) fn cursor(place: CallPlace) -> String {
    format!("{}.{}", place.started_us, place.id.simple())
}

fn read_cursor(text: &str) -> Option<CallPlace> {
    let (started, id) = text.split_once('.')?;
    let started_us: i64 = started.parse().ok()?;
    let time = Timestamp::from_microsecond(started_us).ok()?;
    let is_known = YEARS.contains(&time.to_zoned(TimeZone::UTC).year());
    let id = Uuid::try_parse(id).ok()?;
    is_known.then_some(CallPlace { started_us, id })
}

#[cfg(test)]
#[path = "call_filter_tests.rs"]
mod tests;
