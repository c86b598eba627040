//! Writes records to the database, so that writing them twice writes them once and one that the
//! database refuses does not hold up the others.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use uuid::Uuid;

use super::rejected;
use super::spool::Record;
use crate::clock;
use crate::recovery::reconciler::record_of;
use crate::store::{CompletedCall, Completes, EventRow, InsertedCall, Result, Store, StoreError};

/// How long one statement may take.
const STATEMENT_LIMIT: Duration = Duration::from_secs(2);

/// What a row's `metadata` has that is in no event.
const KNOWN_TO_ITS_PROCESS: [&str; 5] =
    ["call_sid", "engine", "model", "ended_by", "stream_errors"];

/// The most calls whose row has another id than its owner believes.
const ALIASES: usize = 10_000;

/// The database, and where refused records are kept.
#[derive(Debug)]
pub(super) struct Ledger {
    store: Store,
    folder: PathBuf,
    /// A call that was answered while the database was away may have had a row already, of
    /// another process or of a statement that was given up: proposed id to the row's.
    aliases: Mutex<HashMap<Uuid, InsertedCall>>,
}

/// No call is ever in it: what is of this epoch is refused.
const NO_EPOCH: i32 = 0;

impl Ledger {
    pub(super) fn new(store: Store, folder: PathBuf) -> Self {
        Self { store, folder, aliases: Mutex::default() }
    }

    /// Writes the calls, then the events in one statement, then how callers left and calls ended.
    ///
    /// # Errors
    /// The database is away or slow; some of the records may be written, all may be written again.
    pub(super) async fn write(&self, records: &mut [Record]) -> Result<()> {
        let mut refused = Vec::new();
        for (place, record) in records.iter().enumerate() {
            if let Record::Call(call) = record {
                match taken(limited(self.store.insert_call(call)).await)? {
                    Some(row) if row.id != call.id => self.remember(call.id, row),
                    Some(_) => {}
                    None => refused.push(place),
                }
            }
        }
        self.rename(records);
        refused.extend(self.write_events(records).await?);
        for (place, record) in records.iter().enumerate() {
            let written = match record {
                Record::OffStream(outing) => limited(self.store.go_out(outing)).await,
                Record::Completion(call) if call.is_partial => {
                    limited(self.complete_whole(call)).await
                }
                Record::Completion(call) => {
                    limited(self.store.complete(call, Completes::ByOwner)).await.map(drop)
                }
                Record::Call(_) | Record::Event(_) => continue,
            };
            if taken(written)?.is_none() {
                refused.push(place);
            }
            if let Record::Completion(call) = record {
                self.aliases.lock().remove(&call.call_log_id);
            }
        }
        if !refused.is_empty() {
            self.reject(refused.iter().filter_map(|place| records.get(*place))).await;
        }
        Ok(())
    }

    /// Completes a call of which its process knew only the end, from all that was written of it.
    async fn complete_whole(&self, call: &CompletedCall) -> Result<()> {
        let record = record_of(&self.store.events(call.call_log_id).await?);
        let mut metadata = record.metadata();
        let known = call.metadata.reveal().as_object().into_iter().flatten();
        metadata.extend(
            known
                .filter(|(key, _)| KNOWN_TO_ITS_PROCESS.contains(&key.as_str()))
                .map(|(key, value)| (key.clone(), value.clone())),
        );
        let whole = CompletedCall {
            transcript: record.transcript().into(),
            metadata: Value::Object(metadata).into(),
            ..call.clone()
        };
        self.store.complete(&whole, Completes::ByOwner).await.map(drop)
    }

    /// Writes the events together, or, if one of them is refused, each by itself; the places of
    /// those that are refused.
    async fn write_events(&self, records: &[Record]) -> Result<Vec<usize>> {
        let (places, events): (Vec<usize>, Vec<&EventRow>) = records
            .iter()
            .enumerate()
            .filter_map(|(place, record)| match record {
                Record::Event(event) => Some((place, event)),
                Record::Call(_) | Record::OffStream(_) | Record::Completion(_) => None,
            })
            .unzip();
        let mut refused = Vec::new();
        if events.is_empty() {
            return Ok(refused);
        }
        if let Some(fenced) = taken(limited(self.store.append_events(&events)).await)? {
            count_fenced(fenced);
            return Ok(refused);
        }
        for (place, event) in places.into_iter().zip(events) {
            match taken(limited(self.store.append_events(&[event])).await)? {
                Some(fenced) => count_fenced(fenced),
                None => refused.push(place),
            }
        }
        Ok(refused)
    }

    /// Keeps lines that will never be written. Their content is private: the log has their number.
    pub(super) async fn keep_rejected(&self, lines: Vec<Vec<u8>>) {
        let (folder, count) = (self.folder.clone(), lines.len());
        metrics::counter!("frontdesk_log_rejected_total").increment(count as u64);
        let now = clock::unix_now();
        let kept = tokio::task::spawn_blocking(move || rejected::keep(&folder, &lines, now)).await;
        if !matches!(kept, Ok(Ok(true))) {
            tracing::error!(count, "rejected records could not be kept");
        }
    }

    async fn reject(&self, records: impl Iterator<Item = &Record>) {
        let mut lines = Vec::new();
        for record in records {
            tracing::error!(
                kind = record.kind(),
                "the database refuses a record; see rejected.jsonl"
            );
            if let Ok(mut line) = serde_json::to_vec(record) {
                line.push(b'\n');
                lines.push(line);
            }
        }
        self.keep_rejected(lines).await;
    }

    fn remember(&self, proposed: Uuid, row: InsertedCall) {
        let mut aliases = self.aliases.lock();
        if aliases.len() < ALIASES {
            aliases.insert(proposed, row);
        }
    }

    fn rename(&self, records: &mut [Record]) {
        let aliases = self.aliases.lock();
        if aliases.is_empty() {
            return;
        }
        for record in records {
            match record {
                Record::Event(event) => {
                    let Some(row) = aliases.get(&event.call_log_id) else { continue };
                    event.call_log_id = row.id;
                    event.epoch = row.epoch.unwrap_or(NO_EPOCH);
                }
                Record::OffStream(outing) => {
                    let row = outing.call_log_id.and_then(|id| aliases.get(&id));
                    outing.epoch = row.map_or(outing.epoch, |row| row.epoch);
                }
                Record::Completion(call) => {
                    let row = aliases.get(&call.call_log_id);
                    call.epoch = row.map_or(call.epoch, |row| row.epoch);
                }
                Record::Call(_) => {}
            }
        }
    }
}

/// Events of calls that go on in another epoch.
fn count_fenced(events: u64) {
    if events > 0 {
        tracing::info!(events, "events are left out: their call was taken over meanwhile");
        metrics::counter!("frontdesk_log_fenced_total").increment(events);
    }
}

async fn limited<T>(statement: impl Future<Output = Result<T>>) -> Result<T> {
    let late = || Err(StoreError::Slow("a statement took too long".to_owned()));
    clock::within(STATEMENT_LIMIT, statement).await.unwrap_or_else(late)
}

/// None for a refusal, which is the record's fault; an error only when the database is away.
fn taken<T>(written: Result<T>) -> Result<Option<T>> {
    match written {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_away() => Err(error),
        Err(error) => {
            tracing::debug!(%error, "refused");
            Ok(None)
        }
    }
}
