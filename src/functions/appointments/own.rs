//! Moves and cancels appointments: only the caller's own, which they are by number and name.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use serde_json::{Value, json};
use tracing::warn;

use super::super::{Outcome, PRETENDED};
use super::arguments::{self, NAME_CHARACTERS, required_text};
use super::desk::{BookingContext, CANNOT_LOOK, answered, settle};
use super::names::{Fit, fit};
use crate::calendar::slots::Unbookable;
use crate::store::{Appointment, Placement};

/// How many appointments are named to choose from.
const CHOICES: usize = 5;
/// The same words whether or not somebody else has one: that is private.
const NOT_FOUND: &str = "no coming appointment was found under this name for the number that the \
    caller calls from. Ask for the name that it was booked under, or offer to take a message; say \
    nothing about anybody else's appointments";
const WITHHELD: &str = "the caller's number is withheld, so it cannot be known which appointments \
    are theirs; offer to take a message";

/// `cancel_appointment`.
pub(in crate::functions) async fn cancel_appointment(
    desk: &BookingContext<'_>,
    arguments: &Value,
) -> Outcome {
    match find(desk, arguments).await {
        Ok(appointment) => cancel(desk, &appointment).await,
        Err(refused) => refused,
    }
}

/// `reschedule_appointment`.
pub(in crate::functions) async fn reschedule_appointment(
    desk: &BookingContext<'_>,
    arguments: &Value,
) -> Outcome {
    match reschedule(desk, arguments).await {
        Ok(outcome) | Err(outcome) => outcome,
    }
}

async fn cancel(desk: &BookingContext<'_>, appointment: &Appointment) -> Outcome {
    if desk.is_test {
        // Freed for a moment, its time could be another caller's.
        return Outcome::done(json!({"cancelled": told(desk, appointment), "test": PRETENDED}));
    }
    let (store, deed) = (desk.store.clone(), desk.deed.clone());
    let (id, agent_id) = (appointment.id, desk.agent.id);
    let cancelled = settle(move || {
        let (store, deed) = (store.clone(), deed.clone());
        async move { store.cancel_appointment(&deed, id, agent_id).await }
    });
    match cancelled.await {
        Ok(true) => Outcome::done(json!({"cancelled": told(desk, appointment)})),
        Ok(false) => Outcome::refused(NOT_FOUND),
        Err(error) => desk.not_confirmed(&error, "cancelled"),
    }
}

async fn reschedule(desk: &BookingContext<'_>, arguments: &Value) -> Result<Outcome, Outcome> {
    let local = desk.local(arguments, "new_date", "new_time").map_err(Outcome::refused)?;
    let mut appointment = find(desk, arguments).await?;
    if appointment.is_changed {
        return Ok(Outcome::done(json!({"rescheduled": told(desk, &appointment)})));
    }
    let (id, agent_id) = (appointment.id, desk.agent.id);
    let minutes = appointment.minutes.unwrap_or(desk.usual_minutes());
    let start = match desk.calendar(minutes).check(local, &[]) {
        Ok(start) => start,
        Err(why) => return Ok(desk.refuse(why, local, minutes, Some(id)).await),
    };
    if desk.is_test {
        return Ok(pretend_move(desk, &appointment, start, minutes).await);
    }
    let (store, deed, usual) = (desk.store.clone(), desk.deed.clone(), desk.usual_minutes());
    let moved = settle(move || {
        let (store, deed) = (store.clone(), deed.clone());
        let start_us = start.as_microsecond();
        async move { store.move_appointment(&deed, id, agent_id, start_us, usual).await }
    });
    Ok(match moved.await {
        Ok(Placement::Placed) => {
            let before = desk.spoken(at(&appointment));
            appointment.start_us = start.as_microsecond();
            Outcome::done(json!({"rescheduled": told(desk, &appointment), "before": before}))
        }
        Ok(Placement::Taken) => desk.refuse(Unbookable::Taken, local, minutes, Some(id)).await,
        Ok(Placement::Gone) => Outcome::refused(NOT_FOUND),
        Err(error) => desk.not_confirmed(&error, "moved"),
    })
}

/// What moving it would come to in another call than a test.
async fn pretend_move(
    desk: &BookingContext<'_>,
    appointment: &Appointment,
    start: Timestamp,
    minutes: u32,
) -> Outcome {
    let local = desk.agent.hours.zone().to_datetime(start);
    let busy = match desk.busy((start, start), minutes, Some(appointment.id)).await {
        Ok(busy) => busy,
        Err(error) => return desk.not_confirmed(&error, "moved"),
    };
    if let Err(why) = desk.calendar(minutes).check(local, &busy) {
        return desk.refuse(why, local, minutes, Some(appointment.id)).await;
    }
    let moved = Appointment { start_us: start.as_microsecond(), ..appointment.clone() };
    let before = desk.spoken(at(appointment));
    Outcome::done(json!({"rescheduled": told(desk, &moved), "before": before, "test": PRETENDED}))
}

/// The one appointment that is meant.
async fn find(desk: &BookingContext<'_>, arguments: &Value) -> Result<Appointment, Outcome> {
    let Some(caller) = &desk.caller else { return Err(Outcome::refused(WITHHELD)) };
    let wanted = Wanted::read(desk, arguments).map_err(Outcome::refused)?;
    let now_us = desk.now.as_microsecond();
    let asked = desk.store.callers_appointments(desk.agent.id, caller, now_us, &desk.deed);
    let mut found = answered(asked).await.map_err(|error| {
        warn!(%error, call = %desk.deed.call_log_id, "appointments could not be looked up");
        Outcome::refused(CANNOT_LOOK)
    })?;
    if let Some(at) = found.iter().position(|appointment| appointment.is_changed) {
        return Ok(found.swap_remove(at));
    }
    wanted.choose(desk, found).map_err(|unclear| unclear.outcome(desk))
}

/// What the caller says of an appointment.
struct Wanted {
    name: String,
    date: Option<Date>,
    time: Option<Time>,
}

impl Wanted {
    fn read(desk: &BookingContext<'_>, arguments: &Value) -> Result<Self, String> {
        Ok(Self {
            name: required_text(arguments, "name", NAME_CHARACTERS)?,
            date: arguments::date(arguments, "date", desk.today())?,
            time: arguments::time(arguments, "time")?,
        })
    }

    /// Of the caller's appointments, the one that fits.
    fn choose(
        &self,
        desk: &BookingContext<'_>,
        found: Vec<Appointment>,
    ) -> Result<Appointment, Unclear> {
        let fits: Vec<_> = found
            .into_iter()
            .map(|appointment| (fit(&self.name, appointment.name.reveal()), appointment))
            .filter(|(fit, _)| *fit > Fit::Not)
            .collect();
        let best = fits.iter().map(|(fit, _)| *fit).max();
        let named = fits.into_iter().filter(|(fit, _)| Some(*fit) == best);
        let (mut then, other): (Vec<_>, Vec<_>) = named
            .map(|(_, appointment)| appointment)
            .partition(|appointment| self.is_then(desk, appointment));
        // Of what was written down twice nobody can say which.
        let is_one = then.iter().all(|other| told(desk, other) == told(desk, &then[0]));
        match (then.is_empty(), other.is_empty()) {
            (true, true) => Err(Unclear::None),
            (true, false) => Err(Unclear::OtherTimes(best == Some(Fit::Whole), other)),
            (false, _) if is_one => Ok(then.swap_remove(0)),
            (false, _) => Err(Unclear::Several(best == Some(Fit::Whole), then)),
        }
    }

    fn is_then(&self, desk: &BookingContext<'_>, appointment: &Appointment) -> bool {
        let local = desk.agent.hours.zone().to_datetime(at(appointment));
        self.date.is_none_or(|date| date == local.date())
            && self
                .time
                .is_none_or(|time| (time.hour(), time.minute()) == (local.hour(), local.minute()))
    }
}

/// Why it is not known which appointment is meant. True where the whole name was given: else the
/// appointments may be of others with the same number, whose names and services are theirs.
enum Unclear {
    /// The caller has none under the name.
    None,
    /// The caller has some, at other times than was said.
    OtherTimes(bool, Vec<Appointment>),
    /// Several fit.
    Several(bool, Vec<Appointment>),
}

impl Unclear {
    /// Asks, with the caller's own appointments to choose from.
    fn outcome(self, desk: &BookingContext<'_>) -> Outcome {
        let (what, is_named, own) = match self {
            Self::None => return Outcome::refused(NOT_FOUND),
            Self::OtherTimes(named, own) => ("the caller has none at that time, but", named, own),
            Self::Several(named, own) => ("the caller has several:", named, own),
        };
        let mut outcome = Outcome::refused(format!(
            "{what} these. Nothing was changed; ask which one is meant, and give its date and time"
        ));
        let told = own.iter().take(CHOICES).map(|appointment| match is_named {
            true => told(desk, appointment),
            false => desk.spoken(at(appointment)),
        });
        outcome.output["appointments"] = told.collect();
        outcome
    }
}

fn told(desk: &BookingContext<'_>, appointment: &Appointment) -> Value {
    desk.told(at(appointment), appointment.name.reveal(), appointment.service.reveal())
}

fn at(appointment: &Appointment) -> Timestamp {
    Timestamp::from_microsecond(appointment.start_us).unwrap_or(Timestamp::MAX)
}
