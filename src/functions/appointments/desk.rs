//! What the four appointment functions share: the calendar, the caller, refusals in words, and
//! changes.

use std::future::Future;
use std::time::Duration;

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tracing::warn;
use uuid::Uuid;

use super::super::{Outcome, Run};
use super::arguments;
use crate::agent::Agent;
use crate::agent::phone_number::caller_number;
use crate::calendar::slots::{Busy, Calendar, Unbookable};
use crate::clock;
use crate::private::Private;
use crate::store::{IdempotencyKey, Store, StoreError};

/// How long the database may take over one look or one attempt.
const STORE_LIMIT: Duration = Duration::from_secs(5);
/// A change without an answer is tried once more; its idempotency key lets it happen once.
const ATTEMPTS: usize = 2;
/// How many times are offered in place of one that cannot be booked.
const OFFERS: usize = 3;
/// How far from it they are looked for.
const DAYS_BEFORE: i64 = 7;
const DAYS_AFTER: i64 = 31;

/// What the model is told when the database does not answer.
pub(super) const CANNOT_LOOK: &str = "the calendar cannot be reached now: name no times and \
    confirm nothing; offer to take a message instead";

/// What the model is told when the business's time zone cannot be read.
pub(super) const NO_ZONE: &str = "the business's time zone is not known, so no appointment can be \
    booked or moved by telephone";

/// What one call of an appointment function works with.
pub(in crate::functions) struct BookingContext<'a> {
    pub(super) store: &'a Store,
    pub(super) agent: &'a Agent,
    pub(super) deed: IdempotencyKey,
    /// The number that the caller calls from, as E.164; none if it is withheld.
    pub(super) caller: Option<Private<String>>,
    pub(super) now: Timestamp,
    /// Whether it is a test call: others' appointments are not touched.
    pub(super) is_test: bool,
}

impl<'a> BookingContext<'a> {
    pub(in crate::functions) fn new(Run { function_services, caller, request }: Run<'a>) -> Self {
        let now_us = i64::try_from(clock::unix_now().as_micros()).unwrap_or(i64::MAX);
        Self {
            store: &function_services.store,
            agent: &caller.agent,
            deed: IdempotencyKey {
                call_log_id: caller.call_log_id,
                engine_call_id: request.engine_call_id.clone(),
            },
            caller: caller_number(caller.caller.reveal()).map(Private::new),
            now: Timestamp::from_microsecond(now_us).unwrap_or(Timestamp::MAX),
            is_test: caller.test.is_some(),
        }
    }

    pub(super) fn calendar(&self, minutes: u32) -> Calendar<'a> {
        Calendar { hours: &self.agent.hours, minutes, now: self.now }
    }

    /// How long an appointment takes that does not say so itself.
    pub(super) fn usual_minutes(&self) -> u32 {
        self.agent.business.appointment_minutes
    }

    /// The day that it is where the business is.
    pub(super) fn today(&self) -> Date {
        self.agent.hours.zone().to_datetime(self.now).date()
    }

    /// The instant of a local time; of one that is skipped or comes twice, one beside it.
    pub(super) fn near(&self, local: DateTime) -> Timestamp {
        let found = self.agent.hours.zone().to_ambiguous_timestamp(local);
        found.compatible().unwrap_or(Timestamp::MAX)
    }

    /// A time in the form that the model is given.
    pub(super) fn spoken(&self, start: Timestamp) -> Value {
        let local = self.agent.hours.zone().to_datetime(start);
        json!({
            "date": local.strftime("%Y-%m-%d").to_string(),
            "weekday": local.strftime("%A").to_string(),
            "time": local.strftime("%H:%M").to_string(),
        })
    }

    /// An appointment in the form that the model is given.
    pub(super) fn told(&self, start: Timestamp, name: &str, service: &str) -> Value {
        let mut told = self.spoken(start);
        told["name"] = name.into();
        told["service"] = service.into();
        told
    }

    /// The local time that two arguments give.
    pub(super) fn local(
        &self,
        arguments: &Value,
        date: &str,
        time: &str,
    ) -> Result<DateTime, String> {
        let day = arguments::required(arguments::date(arguments, date, self.today())?, date)?;
        let time = arguments::required(arguments::time(arguments, time)?, time)?;
        Ok(day.to_datetime(time))
    }

    /// What is booked in the times at which an appointment of `minutes` could begin.
    pub(super) async fn busy(
        &self,
        (from, until): (Timestamp, Timestamp),
        minutes: u32,
        except: Option<Uuid>,
    ) -> Result<Vec<Busy>, StoreError> {
        let length = SignedDuration::from_mins(minutes.into());
        let end = until.checked_add(length).unwrap_or(Timestamp::MAX);
        let span = (from.as_microsecond(), end.as_microsecond());
        answered(self.store.busy(self.agent.id, span, self.usual_minutes(), except)).await
    }

    /// The times around `wanted` at which an offer is looked for, none of them past.
    pub(super) fn around(&self, wanted: Timestamp) -> (Timestamp, Timestamp) {
        let days = |days: i64| SignedDuration::from_hours(24 * days);
        let from = wanted.checked_sub(days(DAYS_BEFORE)).unwrap_or(Timestamp::MIN);
        let until = wanted.max(self.now).checked_add(days(DAYS_AFTER));
        (from.max(self.now), until.unwrap_or(Timestamp::MAX))
    }

    /// Says why a time cannot be booked and what could be instead. `except` is not in the way.
    pub(super) async fn refuse(
        &self,
        why: Unbookable,
        local: DateTime,
        minutes: u32,
        except: Option<Uuid>,
    ) -> Outcome {
        let wanted = self.near(local);
        let span = self.around(wanted);
        // Without the database there is still something to say, and nothing to offer.
        let offers = match self.busy(span, minutes, except).await {
            Ok(busy) => self.calendar(minutes).nearest(wanted, span, &busy, OFFERS),
            Err(_) => Vec::new(),
        };
        let why = self.reason(why, local, minutes);
        let instead = match offers.is_empty() {
            true => "no other time can be offered; offer to take a message",
            false => "offer the caller one of these times",
        };
        let mut outcome =
            Outcome::refused(format!("{why}. Nothing was booked or changed; {instead}"));
        outcome.output["offers"] = offers.into_iter().map(|start| self.spoken(start)).collect();
        outcome
    }

    /// Why a time cannot be booked, in words.
    pub(super) fn reason(&self, why: Unbookable, local: DateTime, minutes: u32) -> String {
        let time = local.strftime("%H:%M");
        match why {
            Unbookable::Skipped => {
                format!("there is no {time} on {}: the clocks go forward", local.date())
            }
            Unbookable::Twice => {
                format!("{time} comes twice on {}: the clocks go back", local.date())
            }
            Unbookable::Past => {
                let now = self.agent.hours.zone().to_datetime(self.now);
                format!("that time has passed: it is now {}", now.strftime("%A %Y-%m-%d %H:%M"))
            }
            Unbookable::Closed => format!(
                "the business is not open for the {minutes} minutes from {} {time}",
                local.strftime("%A %Y-%m-%d")
            ),
            Unbookable::Taken => "that time is taken".to_owned(),
            Unbookable::NotKnown => format!(
                "the opening hours of {} are not known, so nothing can be booked on that day \
                 without the owner: say that the hours are not known",
                local.strftime("%A %Y-%m-%d")
            ),
            Unbookable::NoZone => NO_ZONE.to_owned(),
        }
    }

    /// What the model is told when a change failed, or may have been made without an answer.
    pub(super) fn not_confirmed(&self, error: &StoreError, done: &str) -> Outcome {
        warn!(%error, call = %self.deed.call_log_id, "an appointment was not {done} for certain");
        Outcome::refused(match error.is_away() {
            true => format!(
                "the calendar did not answer: whether it was {done} is not known. Say neither \
                 that it was nor that it was not; take a message, so that somebody calls back"
            ),
            false => format!(
                "it could not be {done}. Do not say that it was {done}; offer to take a message \
                 instead"
            ),
        })
    }
}

/// The database's answer, if it comes in time.
pub(super) async fn answered<T>(
    asked: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    clock::within(STORE_LIMIT, asked).await.unwrap_or_else(|| Err(no_answer()))
}

/// Makes a change in a task of its own, so that it is finished even if the call ends.
pub(super) async fn settle<T, F>(attempt: impl Fn() -> F + Send + 'static) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, StoreError>> + Send,
{
    let change = clock::spawn(async move {
        let mut outcome = Err(no_answer());
        for _ in 0..ATTEMPTS {
            outcome = answered(attempt()).await;
            if !outcome.as_ref().is_err_and(StoreError::is_away) {
                break;
            }
        }
        outcome
    });
    change.await.unwrap_or_else(|_| Err(no_answer()))
}

fn no_answer() -> StoreError {
    StoreError::Slow("no answer in time".to_owned())
}
