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

/// How much of a passage is shown, in characters.
const PASSAGE_SHOWN: usize = 64;

/// What is left of a call.
pub(super) struct Remains {
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
            caller: row.caller.reveal().clone(),
            appointments: store.appointments(row.agent_id).await?,
            passages: store.passage_texts(row.agent_id, &ids).await?.into_iter().collect(),
            call,
        })
    }

    /// Prints what the call left in the database.
    pub(super) fn print(&self) {
        self.print_grounds();
        self.print_functions();
        self.print_call();
        self.print_summary();
        self.print_appointments();
        self.print_latencies();
    }

    fn print_grounds(&self) {
        say!("\nWhat each turn was given of the business's knowledge:\n");
        for turn in turns(&self.call) {
            say!("  {:>4}  {}", turn["n"].to_string(), word(&turn["caller"]));
            for chunk in items(&turn["chunks"]) {
                let text = chunk["id"].as_i64().and_then(|id| self.passages.get(&id));
                let similarity = chunk["similarity"].as_f64().unwrap_or_default();
                say!("        {similarity:.2}  {}", shortened(text.map_or("-", String::as_str)));
            }
        }
    }

    fn print_functions(&self) {
        say!("\nWhat was done:\n");
        for function in items(&self.call.metadata.reveal()["functions"]) {
            let how = if function["ok"] == true { "done" } else { "refused" };
            let (name, ms) = (word(&function["name"]), &function["ms"]);
            say!("  {name} {}: {how} in {ms} ms", function["arguments"]);
        }
    }

    fn print_call(&self) {
        let metadata = self.call.metadata.reveal();
        say!("\nThe call's row in call_logs:\n");
        say!("  call_sid    {}", word(&metadata["call_sid"]));
        say!("  status      {} (ended by {})", self.call.status, word(&metadata["ended_by"]));
        say!("  duration    {:.1} s", self.call.duration_ms as f64 / 1000.0);
        say!("  engine      {} ({})", word(&metadata["engine"]), word(&metadata["model"]));
        say!("  usage       {}", metadata["usage"]);
        say!("  gaps        {}", metadata["gaps"]);
        say!("  transcript");
        for line in self.call.transcript.reveal().lines() {
            say!("    {line}");
        }
    }

    fn print_summary(&self) {
        let summary = self.call.summary.reveal();
        say!("\nThe call's summary, written after it:\n");
        say!("  title       {}", word(&summary["title"]));
        say!("  summary     {}", word(&summary["summary"]));
        say!("  intent      {}", word(&summary["intent"]));
        say!(
            "  outcome     {} (the caller's mood: {})",
            word(&summary["outcome"]),
            word(&summary["sentiment"])
        );
        for name in
            ["urgent", "action_items", "unanswered_questions", "data_collected", "unbacked_claims"]
        {
            say!("  {name}: {}", summary[name]);
        }
    }

    fn print_appointments(&self) {
        for row in &self.appointments {
            say!("\nThe appointment's row in appointments:\n");
            say!("  id               {}", row.id);
            say!("  name             {}", row.name.reveal());
            say!("  phone_number     {}", row.phone.reveal());
            say!("  service          {}", row.service.reveal());
            let local = local(row).strftime("%A %Y-%m-%d %H:%M");
            say!("  schedule_time    {local} in {SAMPLE_ZONE}");
            say!("  duration_minutes {}", row.minutes.unwrap_or_default());
            say!("  status           {}", row.status);
        }
    }

    fn print_latencies(&self) {
        say!("\nLatency of each turn, in milliseconds (speech stopped to first audio sent):\n");
        say!("  turn  first audio  of which ours  knowledge  interrupted");
        for turn in turns(&self.call) {
            let latency = &turn["latency_ms"];
            say!(
                "  {:>4}  {:>11}  {:>13}  {:>9}  {:>11}",
                turn["n"].to_string(),
                latency["first_audio"].to_string(),
                latency["server"].to_string(),
                latency["retrieval"].to_string(),
                if turn["interrupted"] == true { "yes" } else { "no" },
            );
        }
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
