//! Tells a call from what is written of it: the dialogue while it is spoken, then the row.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::DemoError;
use crate::call::LogEvent;
use crate::clock::{self, Stopwatch};
use crate::store::{CallSummary, EventRow, Store};

/// How often what is written is looked at.
const EACH: Duration = Duration::from_millis(250);

/// Prints a call's dialogue line by line as it is written, until `call` is over. Gives what
/// `call` gave and the call's row.
pub(super) async fn tell<T>(
    store: &Store,
    call_sid: &str,
    call: impl Future<Output = T>,
) -> Result<(T, Option<Uuid>), DemoError> {
    tokio::pin!(call);
    let mut printed = Printed::default();
    let mut call_log_id = None;
    loop {
        let over = clock::within(EACH, &mut call).await;
        if call_log_id.is_none() {
            call_log_id = store.call_by_sid(call_sid).await?.map(|row| row.id);
        }
        if over.is_some() {
            // The last words are written a moment after they were heard.
            clock::pause(2 * EACH).await;
        }
        if let Some(id) = call_log_id {
            printed.print(&store.events(id).await?);
        }
        if let Some(over) = over {
            return Ok((over, call_log_id));
        }
    }
}

/// What has been printed.
#[derive(Default)]
struct Printed {
    callers: BTreeSet<String>,
    replies: BTreeSet<u32>,
    functions: BTreeSet<u32>,
}

impl Printed {
    fn print(&mut self, events: &[EventRow]) {
        for (index, row) in events.iter().enumerate() {
            let event = json!({"kind": row.kind, "data": row.data.reveal()});
            match serde_json::from_value(event) {
                Ok(LogEvent::CallerSaid { utterance, started_ms, text, settled: true, .. })
                    if self.callers.insert(utterance.clone()) =>
                {
                    line(started_ms, "Caller", text.as_deref().unwrap_or("[inaudible]"));
                }
                // Written about once a second while it is spoken; the last one counts.
                Ok(LogEvent::AgentSaid {
                    reply,
                    started_ms,
                    generated,
                    heard,
                    interrupted,
                    ..
                }) if (interrupted
                    || heard == generated
                    || is_last_of(reply, &events[index..]))
                    && self.replies.insert(reply) =>
                {
                    let cut = if interrupted { " … (interrupted)" } else { "" };
                    line(started_ms, "Agent", &format!("{heard}{cut}"));
                }
                Ok(LogEvent::FunctionCalled { run, name, .. }) if self.functions.insert(run) => {
                    line(u64::try_from(row.at_ms).unwrap_or(0), "", &format!("({name})"));
                }
                _ => {}
            }
        }
    }
}

/// Whether another reply has been asked for since, so that nothing more comes of this one.
fn is_last_of(reply: u32, later: &[EventRow]) -> bool {
    later.iter().any(|row| {
        row.kind == "reply_requested"
            && row.data.reveal()["reply"].as_u64().is_some_and(|n| n > u64::from(reply))
    }) && !later[1..]
        .iter()
        .any(|row| row.kind == "agent_said" && row.data.reveal()["reply"] == json!(reply))
}

fn line(at_ms: u64, who: &str, words: &str) {
    let seconds = at_ms / 1000;
    println!("  [{:02}:{:02}] {who:>6}: {words}", seconds / 60, seconds % 60);
}

/// Waits for the completed row and shows it with the latency of each turn.
pub(super) async fn show(
    store: &Store,
    call_sid: &str,
    call_log_id: Uuid,
    limit: Duration,
) -> Result<(), DemoError> {
    let since = Stopwatch::start();
    let row = loop {
        if let Some(row) = store.call_summary(call_log_id).await?
            && row.ended
        {
            break row;
        }
        if since.elapsed() > limit {
            return Err(DemoError::Row(format!(
                "not complete {} s after the call",
                limit.as_secs()
            )));
        }
        clock::pause(EACH).await;
    };
    print_row(call_sid, &row);
    print_latencies(row.metadata.reveal())
}

fn print_row(call_sid: &str, row: &CallSummary) {
    let metadata = row.metadata.reveal();
    println!("\nThe call's row in call_logs:\n");
    println!("  call_sid    {call_sid}");
    println!("  status      {} (ended by {})", row.status, word(&metadata["ended_by"]));
    println!("  duration    {:.1} s", row.duration_ms as f64 / 1000.0);
    println!("  engine      {} ({})", word(&metadata["engine"]), word(&metadata["model"]));
    println!("  usage       {}", metadata["usage"]);
    println!("  transcript");
    for line in row.transcript.reveal().lines() {
        println!("    {line}");
    }
}

/// The table is the point of the rehearsal: without latencies it has failed.
fn print_latencies(metadata: &Value) -> Result<(), DemoError> {
    let turns = metadata["turns"].as_array().map(Vec::as_slice).unwrap_or_default();
    println!("\nLatency of each turn, in milliseconds (speech stopped to first audio sent):\n");
    println!("  turn  first audio  of which ours  interrupted  caller");
    let mut timed = 0;
    for turn in turns {
        let latency = &turn["latency_ms"];
        timed += usize::from(latency["first_audio"].is_number());
        println!(
            "  {:>4}  {:>11}  {:>13}  {:>11}  {}",
            turn["n"].to_string(),
            latency["first_audio"].to_string(),
            latency["server"].to_string(),
            if turn["interrupted"] == json!(true) { "yes" } else { "no" },
            word(&turn["caller"]),
        );
    }
    if timed == 0 { Err(DemoError::Row("no turn has a latency".into())) } else { Ok(()) }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}
