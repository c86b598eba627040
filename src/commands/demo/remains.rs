//! What is left of the call: its row, what each turn was given, what functions did, the
//! appointment.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde_json::Value;
use uuid::Uuid;

use super::DemoError;
use super::say::say;
use super::story::EACH;
use crate::clock::{self, Stopwatch};
use crate::store::sample::SAMPLE_ZONE;
use crate::store::{AppointmentRow, CallRow, CallSummary, Store};

/// How long a line of text is, in bytes.
const LINE_BYTES: usize = 96;
/// How much of a passage is shown, in characters.
const PASSAGE_SHOWN: usize = 90;

/// What is left of a call.
pub(super) struct Remains {
    /// `call_logs.id`.
    pub(super) id: Uuid,
    pub(super) caller: String,
    pub(super) call: CallSummary,
    pub(super) appointments: Vec<AppointmentRow>,
    /// What the passages say that turns were given.
    pub(super) passages: BTreeMap<i64, String>,
}

impl Remains {
    /// Waits until the row is complete and summed up, and reads all of it.
    pub(super) async fn read(
        store: &Store,
        row: &CallRow,
        limit: Duration,
    ) -> Result<Self, DemoError> {
        let call = completed(store, row.id, limit).await?;
        let chunks = turns(&call).iter().flat_map(|turn| items(&turn["chunks"]));
        let ids: Vec<i64> = chunks.filter_map(|chunk| chunk["id"].as_i64()).collect();
        Ok(Self {
            id: row.id,
            caller: row.caller.reveal().clone(),
            appointments: store.appointments(row.agent_id).await?,
            passages: store.passage_texts(row.agent_id, &ids).await?.into_iter().collect(),
            call,
        })
    }

    /// Prints what the call came to. Its words were printed while they were spoken.
    pub(super) fn print(&self) {
        self.print_summary();
        self.print_appointments();
        self.print_deeds();
        self.print_grounds();
        self.print_waits();
        self.print_rows();
    }

    fn print_summary(&self) {
        let summary = self.call.summary.reveal();
        let seconds = self.call.duration_ms / 1000;
        say!("\nWhat the owner reads of this call:\n");
        say!("  {}", word(&summary["title"]));
        for line in lines(word(&summary["summary"])) {
            say!("  {line}");
        }
        let to_do = items(&summary["action_items"]).iter().filter_map(Value::as_str);
        let to_do: Vec<&str> = to_do.collect();
        match &to_do[..] {
            [] => say!("  Answered by the agent, {seconds} s. Nothing is left to do."),
            to_do => {
                say!("  Answered by the agent, {seconds} s. To do: {}", to_do.join("; "));
            }
        }
    }

    fn print_appointments(&self) {
        for row in &self.appointments {
            let minutes = row.minutes.unwrap_or_default();
            let local = local(row).strftime("%A %-d %B, %H:%M");
            say!("\nWhat stands in the calendar:\n");
            say!("  {local} ({SAMPLE_ZONE}), {minutes} min: {}", row.service.reveal());
            say!("  for {}, {}", row.name.reveal(), row.phone.reveal());
        }
    }

    fn print_deeds(&self) {
        say!("\nWhat the agent did:\n");
        for function in items(&self.call.metadata.reveal()["functions"]) {
            let refused = if function["ok"] == true { "" } else { ": this was refused" };
            say!("  {}{refused}", deed(word(&function["name"])));
        }
    }

    fn print_grounds(&self) {
        say!("\nWhat it knew for its answers, from the texts of the business:\n");
        for turn in turns(&self.call) {
            // The best one is enough to see it; the console shows all.
            let Some(chunk) = items(&turn["chunks"]).first() else { continue };
            let text = chunk["id"].as_i64().and_then(|id| self.passages.get(&id));
            say!("  Asked: {}", word(&turn["caller"]));
            say!("  Found: {}", shortened(text.map_or("-", String::as_str)));
        }
    }

    fn print_waits(&self) {
        say!("\nHow long the caller waited for each answer, in milliseconds:\n");
        say!("  answer  waited  of which this server  looking up texts  caller cut in");
        for turn in turns(&self.call) {
            let latency = &turn["latency_ms"];
            say!(
                "  {:>6}  {:>6}  {:>20}  {:>16}  {:>13}",
                turn["n"].to_string(),
                latency["first_audio"].to_string(),
                latency["server"].to_string(),
                latency["retrieval"].to_string(),
                if turn["interrupted"] == true { "yes" } else { "no" },
            );
        }
    }

    /// The rows as a developer finds them, by the names of their columns.
    fn print_rows(&self) {
        let (metadata, summary) = (self.call.metadata.reveal(), self.call.summary.reveal());
        say!("\nIn the database, the row of the call and of the appointment:\n");
        say!("  call_logs     id={} call_sid={}", self.id, word(&metadata["call_sid"]));
        say!(
            "                status={} caller_number={} duration={} s",
            self.call.status,
            self.caller,
            self.call.duration_ms / 1000
        );
        say!(
            "                transcript={} lines metadata={} turns, {} functions summary.title={}",
            self.call.transcript.reveal().lines().count(),
            turns(&self.call).len(),
            items(&metadata["functions"]).len(),
            summary["title"]
        );
        for row in &self.appointments {
            let start = Timestamp::from_microsecond(row.starts_us).unwrap_or(Timestamp::UNIX_EPOCH);
            let minutes = row.minutes.unwrap_or_default();
            let means = if row.status == "pending" { " (booked, and still to come)" } else { "" };
            say!("  appointments  id={} status={}{means}", row.id, row.status);
            say!("                schedule_time={start} duration_minutes={minutes}");
            say!(
                "                name={:?} phone_number={:?} service={:?}",
                row.name.reveal(),
                row.phone.reveal(),
                row.service.reveal()
            );
        }
    }
}

/// A text in lines of some words.
fn lines(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().filter(|line| line.len() + word.len() < LINE_BYTES);
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => line.extend([" ", word]),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// What a built-in function does, in an owner's words.
fn deed(name: &str) -> &str {
    match name {
        "check_availability" => "It looked for free times.",
        "book_appointment" => "It booked an appointment.",
        "reschedule_appointment" => "It moved the appointment.",
        "cancel_appointment" => "It cancelled the appointment.",
        "end_call" => "It hung up after the goodbye.",
        other => other,
    }
}

async fn completed(store: &Store, id: Uuid, limit: Duration) -> Result<CallSummary, DemoError> {
    let since = Stopwatch::start();
    loop {
        let row = store.call_summary(id).await?.filter(|row| row.ended);
        let is_over = since.elapsed() > limit;
        match row {
            // Without a summary it is shown all the same, and is not as it should be.
            Some(row) if is_over || row.summary.reveal().is_object() => return Ok(row),
            None if is_over => {
                let why = format!("the row is not complete {} s after the call", limit.as_secs());
                return Err(DemoError::Row(why));
            }
            _ => {}
        }
        clock::pause(EACH).await;
    }
}

/// The turns of a call.
pub(super) fn turns(call: &CallSummary) -> &[Value] {
    items(&call.metadata.reveal()["turns"])
}

/// What is in a list; nothing, if it is none.
pub(super) fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// When an appointment is, by the clock at the sample business.
pub(super) fn local(row: &AppointmentRow) -> DateTime {
    let zone = TimeZoneDatabase::bundled().get(SAMPLE_ZONE).unwrap_or(TimeZone::UTC);
    zone.to_datetime(Timestamp::from_microsecond(row.starts_us).unwrap_or(Timestamp::UNIX_EPOCH))
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(PASSAGE_SHOWN) {
        Some((end, _)) => format!("{} …", text[..end].trim_end()),
        None => text.to_owned(),
    }
}
