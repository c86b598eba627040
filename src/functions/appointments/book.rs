//! Books an appointment.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::Outcome;
use super::arguments::{
    NAME_CHARACTERS, NOTES_CHARACTERS, SERVICE_CHARACTERS, required_text, text,
};
use super::desk::{BookingContext, settle};
use crate::agent::phone_number::{is_withheld, normalise_local};
use crate::calendar::slots::Unbookable;
use crate::private::Private;
use crate::store::{NewAppointment, Placement};

/// What an appointment is for when nobody said.
const ANY_SERVICE: &str = "Appointment";
/// Said of a number that is not the one that the caller calls from.
const NUMBER_NOT_TAKEN: &str = "it is booked with the number that the caller calls from; the \
                                other number was not written down";

/// `book_appointment`.
pub(in crate::functions) async fn book_appointment(
    desk: &BookingContext<'_>,
    arguments: &Value,
) -> Outcome {
    book(desk, arguments).await.unwrap_or_else(Outcome::refused)
}

async fn book(desk: &BookingContext<'_>, arguments: &Value) -> Result<Outcome, String> {
    let name = required_text(arguments, "name", NAME_CHARACTERS)?;
    let local = desk.local(arguments, "date", "time")?;
    let phone = phone(desk, arguments)?;
    let service = text(arguments, "service", SERVICE_CHARACTERS);
    let service = service.unwrap_or_else(|| ANY_SERVICE.to_owned());
    let minutes = desk.usual_minutes();
    let start = match desk.calendar(minutes).check(local, &[]) {
        Ok(start) => start,
        Err(why) => return Ok(desk.refuse(why, local, minutes, None).await),
    };
    let new = Arc::new(NewAppointment {
        deed: desk.deed.clone(),
        agent_id: desk.agent.id,
        start_us: start.as_microsecond(),
        minutes,
        name: Private::new(name.clone()),
        phone: phone.number,
        service: Private::new(service.clone()),
        notes: text(arguments, "notes", NOTES_CHARACTERS).map(Private::new),
    });
    let store = desk.store.clone();
    let booked = settle(move || {
        let (store, new) = (store.clone(), Arc::clone(&new));
        async move { store.book_appointment(&new).await }
    });
    Ok(match booked.await {
        Ok(Placement::Placed) => {
            let mut outcome = json!({"booked": desk.told(start, &name, &service)});
            if phone.other_was_given {
                outcome["note"] = NUMBER_NOT_TAKEN.into();
            }
            Outcome::done(outcome)
        }
        Ok(Placement::Taken | Placement::Gone) => {
            desk.refuse(Unbookable::Taken, local, minutes, None).await
        }
        Err(error) => desk.not_confirmed(&error, "booked"),
    })
}

struct Phone {
    number: Private<String>,
    /// The model gave another number.
    other_was_given: bool,
}

/// The number that the caller calls from, which the model cannot replace; only of a caller who
/// withholds it, the number that they say.
fn phone(desk: &BookingContext<'_>, arguments: &Value) -> Result<Phone, String> {
    let written = text(arguments, "phone", NAME_CHARACTERS).filter(|text| !is_withheld(text));
    let given = written.as_deref().map(|text| normalise_local(text, desk.agent.region));
    if let Some(number) = desk.caller.clone() {
        let other_was_given = given.is_some_and(|given| given.as_ref() != Some(number.reveal()));
        return Ok(Phone { number, other_was_given });
    }
    let said = "with its country code, such as +15551230001";
    match given {
        Some(Some(number)) => Ok(Phone { number: number.into(), other_was_given: false }),
        Some(None) => Err(format!("phone is not a complete number: give it {said}")),
        None => Err(format!(
            "the caller's number is withheld: ask for a number to call back, and give it as \
             phone, {said}"
        )),
    }
}
