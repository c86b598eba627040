//! Whether the caller got what they came for, and everything that tells of it tells the same.

use serde_json::Value;

use super::remains::{Remains, items, local, turns};

/// How many of the caller's first turns ask something that the knowledge base has an answer to.
const QUESTIONS: usize = 2;
/// What is done in the call, in this order.
const DONE: [&str; 3] = ["check_availability", "book_appointment", "reschedule_appointment"];

impl Remains {
    /// What is wrong, if anything is.
    pub(super) fn check(&self) -> Result<(), String> {
        let metadata = self.call.metadata.reveal();
        expect(self.call.status == "completed", "the call is not completed")?;
        let timed = |turn: &Value| turn["latency_ms"]["first_audio"].is_number();
        expect(turns(&self.call).iter().all(timed), "a turn has no latency")?;
        let asked = turns(&self.call).get(..QUESTIONS).ok_or("there are too few turns")?;
        let grounded =
            |turn: &Value| turn["retrieval"] == "ready" && !items(&turn["chunks"]).is_empty();
        expect(asked.iter().all(grounded), "a question was answered without a passage")?;
        let functions = items(&metadata["functions"]);
        let done = functions.iter().filter(|function| function["ok"] == true);
        let names: Vec<&Value> = done.map(|function| &function["name"]).collect();
        expect(DONE.iter().all(|name| names.contains(&&Value::from(*name))), "not all was done")?;
        let moved = functions.iter().find(|function| function["name"] == DONE[2]);
        self.check_appointment(moved.map_or(&Value::Null, |function| &function["result"]))
    }

    /// The row, what the function answered, and what the caller heard.
    fn check_appointment(&self, answer: &Value) -> Result<(), String> {
        let [row] = &self.appointments[..] else {
            return Err(format!("{} appointments, not one", self.appointments.len()));
        };
        expect(row.status == "pending", "the appointment is not pending")?;
        expect(*row.phone.reveal() == self.caller, "the appointment is under another number")?;
        let told = &answer["rescheduled"];
        let local = local(row);
        let is_told = |field: &str, format: &str| told[field] == local.strftime(format).to_string();
        let agrees = is_told("date", "%Y-%m-%d") && is_told("time", "%H:%M");
        expect(agrees && told["name"] == **row.name.reveal(), "the appointment is another one")?;
        let said = local.strftime("now on %A at %H:%M").to_string();
        expect(self.call.transcript.reveal().contains(&said), "the caller heard another time")
    }
}

fn expect(is_so: bool, otherwise: &str) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(otherwise.to_owned()) }
}
