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
        let title = self.call.summary.reveal()["title"].as_str();
        expect(title.is_some_and(|title| !title.is_empty()), "the call is not summed up")?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{AppointmentRow, CallSummary};
    use serde_json::json;
    use uuid::Uuid;

    /// What a call leaves in which everything went well.
    fn remains() -> Remains {
        let turn = |chunks: Value| json!({"retrieval": "ready", "chunks": chunks, "latency_ms": {"first_audio": 400}});
        let chunk = json!([{"id": 1, "similarity": 0.3}]);
        let done = |name: &str, result: Value| json!({"name": name, "ok": true, "result": result});
        let moved = json!({"rescheduled": {"date": "2026-11-24", "time": "14:15",
            "name": "Maria Lopez"}});
        let metadata = json!({
            "turns": [turn(chunk.clone()), turn(chunk), turn(json!([]))],
            "functions": [done("check_availability", json!({})),
                done("book_appointment", json!({})), done("reschedule_appointment", moved)],
        });
        Remains {
            id: Uuid::nil(),
            caller: "+15551230001".to_owned(),
            call: CallSummary {
                ended: true,
                status: "completed".to_owned(),
                duration_ms: 1,
                transcript: "Your appointment is now on Tuesday at 14:15.".to_owned().into(),
                metadata: metadata.into(),
                summary: json!({"title": "A cleaning"}).into(),
            },
            appointments: vec![AppointmentRow {
                id: Uuid::nil(),
                name: "Maria Lopez".to_owned().into(),
                phone: "+15551230001".to_owned().into(),
                service: "cleaning".to_owned().into(),
                status: "pending".to_owned(),
                // 2026-11-24 19:15 UTC
                starts_us: 1_795_547_700_000_000,
                minutes: Some(45),
            }],
            passages: std::collections::BTreeMap::new(),
        }
    }

    /// What is said of it after this change.
    fn changed(pointer: &str, value: Value) -> String {
        let mut remains = remains();
        let mut metadata = remains.call.metadata.reveal().clone();
        *metadata.pointer_mut(pointer).expect("the pointer is right") = value;
        remains.call.metadata = metadata.into();
        remains.check().expect_err(pointer)
    }

    #[test]
    fn a_call_that_went_well_passes_and_whatever_is_missing_is_named() {
        assert_eq!(remains().check(), Ok(()));
        let missing = [
            ("/turns/1/chunks", json!([]), "without a passage"),
            ("/turns/0/retrieval", json!("late"), "without a passage"),
            ("/turns/2/latency_ms", json!({}), "no latency"),
            ("/turns", json!([]), "too few turns"),
            ("/functions/1/ok", json!(false), "not all was done"),
            ("/functions/2/result/rescheduled/time", json!("14:30"), "another one"),
        ];
        for (pointer, value, expected) in missing {
            let said = changed(pointer, value);
            assert!(said.contains(expected), "{pointer}: {said}");
        }
    }

    #[test]
    fn the_row_and_what_was_heard_have_to_agree() {
        type Change = fn(&mut Remains);
        let changes: [(Change, &str); 7] = [
            (|remains| remains.call.summary = Value::Null.into(), "not summed up"),
            (|remains| remains.call.status = "failed".to_owned(), "not completed"),
            (|remains| remains.appointments.clear(), "0 appointments"),
            (|remains| remains.appointments[0].status = "cancelled".to_owned(), "not pending"),
            (|remains| remains.caller = "+15551230002".to_owned(), "another number"),
            (|remains| remains.appointments[0].starts_us += 900_000_000, "another one"),
            (|remains| remains.call.transcript = String::new().into(), "heard another time"),
        ];
        for (change, expected) in changes {
            let mut remains = remains();
            change(&mut remains);
            let said = remains.check().expect_err(expected);
            assert!(said.contains(expected), "{said}");
        }
    }
}
