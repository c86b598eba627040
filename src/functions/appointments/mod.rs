//! Appointments: which times are free, and booking, moving and cancelling them.
//!
//! Every time goes to the model as the business's own date, day of the week and time of day, ready
//! to be said. A change is one statement of the database, committed before the model hears of it,
//! and goes on to its end also when the caller interrupts or leaves.

mod arguments;
mod availability;
mod book;
mod desk;
mod names;
mod own;

use serde_json::{Value, json};

use super::signature;
use crate::engine::FunctionSignature;

pub(super) use availability::check_availability;
pub(super) use book::book_appointment;
pub(super) use desk::BookingContext;
pub(super) use own::{cancel_appointment, reschedule_appointment};

const DATE: &str = "YYYY-MM-DD, by the calendar where the business is";
const TIME: &str = "HH:MM from 00:00 to 23:59, by the clock where the business is";
const WHOSE: &str = "The name that it was booked under";

/// What the model sees of all of them.
pub(super) fn signatures() -> [FunctionSignature; 4] {
    let ([check, book], [reschedule, cancel]) = (making(), changing());
    [check, book, reschedule, cancel]
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

/// Those by which an appointment comes to be.
fn making() -> [FunctionSignature; 2] {
    [
        signature(
            "check_availability",
            "Find out which times are free for an appointment. Use it before you name any time.",
            json!({
                "date": text("The first day to look at, YYYY-MM-DD; left out: today"),
                "days": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": 31,
                    "description": "How many days to look at; left out: 1, or 7 without a date",
                },
                "time": text("Ask only about this time of day, HH:MM"),
            }),
            &[],
        ),
        signature(
            "book_appointment",
            "Book an appointment. Read date, time and name back to the caller first, and use it \
             when they have agreed. It is booked only if the result says so.",
            json!({
                "date": text(DATE),
                "time": text(TIME),
                "name": text("The name of the person it is for"),
                "service": text("What it is for; ask the caller"),
                "notes": text("What else the business should know"),
                "phone": text("Only if the caller's number is withheld: the number to call back, \
                               with its country code"),
            }),
            &["date", "time", "name"],
        ),
    ]
}

/// Those by which one that there is is changed.
fn changing() -> [FunctionSignature; 2] {
    let which_date = text("The day on which it is now, if the caller has several: YYYY-MM-DD");
    let which_time = text("The time at which it is now, if the caller has several: HH:MM");
    [
        signature(
            "reschedule_appointment",
            "Move the caller's own appointment to another time. Agree on the new time first. It \
             is moved only if the result says so.",
            json!({
                "name": text(WHOSE),
                "new_date": text(DATE),
                "new_time": text(TIME),
                "date": which_date,
                "time": which_time,
            }),
            &["name", "new_date", "new_time"],
        ),
        signature(
            "cancel_appointment",
            "Cancel the caller's own appointment. Ask whether they are sure first. It is \
             cancelled only if the result says so.",
            json!({"name": text(WHOSE), "date": which_date, "time": which_time}),
            &["name"],
        ),
    ]
}
