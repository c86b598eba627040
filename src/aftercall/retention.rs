//! Removes the recordings and transcripts that an agent's settings say are too old.
//!
//! Any instance may do it at any time. An object is removed first and its row then says so; between
//! the two a further attempt finds nothing to remove, which is as good.

use std::time::Duration;

use metrics::counter;
use serde_json::Value;
use tracing::{info, warn};
use uuid::Uuid;

use crate::agent::settings::{AgentSettings, Retention};
use crate::archive::Archive;
use crate::clock;
use crate::store::{Result, Store, StoreError};

/// How often it is looked for what has become too old: settings count in days.
const PAUSE: Duration = Duration::from_secs(3_600);
/// How long after the start the first time is, so that a restart has its calls first.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// How many agents are read at once.
const AGENTS: i64 = 100;
/// How many calls are done at once.
const CALLS: i64 = 50;
/// How many times that for one agent in one sweep; the next one goes on from there.
const BATCHES: usize = 200;
/// How long one batch may take.
const BATCH_LIMIT: Duration = Duration::from_secs(30);

/// What a sweep has removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Recordings.
    pub recordings: u64,
    /// Calls that have no words any more.
    pub transcripts: u64,
}

/// Runs for ever; drop the future to stop.
pub async fn run(store: Store, archive: Archive) {
    clock::pause(FIRST_PAUSE).await;
    loop {
        match sweep(&store, &archive).await {
            Ok(Removed { recordings: 0, transcripts: 0 }) => {}
            Ok(Removed { recordings, transcripts }) => {
                info!(recordings, transcripts, "what was too old was removed");
            }
            Err(error) => warn!(%error, "what is too old could not be removed"),
        }
        clock::pause(PAUSE).await;
    }
}

/// Goes through all agents once.
///
/// # Errors
/// [`StoreError`]; what was done until then stays done.
pub async fn sweep(store: &Store, archive: &Archive) -> Result<Removed> {
    let mut removed = Removed::default();
    let mut after = Uuid::nil();
    loop {
        let agents = soon(store.retaining_agents(after, AGENTS)).await?;
        let Some(last) = agents.last() else { return Ok(removed) };
        after = last.id;
        for agent in &agents {
            let (settings, _) = AgentSettings::read(agent.settings.reveal());
            let Retention { recording_days, transcript_days } = settings.retention;
            if let Some(days) = recording_days {
                let done = recordings(store, archive, agent.id, days).await;
                removed.recordings += or_none(done, agent.id);
            }
            if let Some(days) = transcript_days {
                removed.transcripts += or_none(transcripts(store, agent.id, days).await, agent.id);
            }
        }
    }
}

/// What a query gives, if it does in time.
async fn soon<T>(asking: impl Future<Output = Result<T>>) -> Result<T> {
    let late = || Err(StoreError::Away("retention took too long".to_owned()));
    clock::within(BATCH_LIMIT, asking).await.unwrap_or_else(late)
}

/// One agent's rows that cannot be worked on must not keep those of the others.
fn or_none(done: Result<u64>, agent: Uuid) -> u64 {
    done.unwrap_or_else(|error| {
        warn!(%error, %agent, "what is too old of an agent's calls could not be removed");
        counter!("frontdesk_retention_failed_total").increment(1);
        0
    })
}

async fn recordings(store: &Store, archive: &Archive, agent: Uuid, days: u32) -> Result<u64> {
    let mut removed = 0;
    for _ in 0..BATCHES {
        let old = soon(store.old_recordings(agent, days, CALLS)).await?;
        for recording in &old {
            for path in paths(&recording.recording) {
                if let Err(error) = archive.remove(path).await {
                    // The others would fare no better.
                    warn!(%error, "a recording that is too old could not be removed");
                    counter!("frontdesk_retention_failed_total").increment(1);
                    return Ok(removed);
                }
            }
            if soon(store.recording_removed(recording)).await? {
                removed += 1;
                counter!("frontdesk_retention_removed_total", "what" => "recording").increment(1);
            }
        }
        if old.len() < usize::try_from(CALLS).unwrap_or(usize::MAX) {
            break;
        }
    }
    Ok(removed)
}

/// All files of one call.
fn paths(recording: &Value) -> impl Iterator<Item = &str> {
    let parts = recording["parts"].as_array().into_iter().flatten();
    let paths = [recording].into_iter().chain(parts).map(|part| &part["path"]);
    paths.filter_map(Value::as_str)
}

async fn transcripts(store: &Store, agent: Uuid, days: u32) -> Result<u64> {
    let mut removed = 0;
    for _ in 0..BATCHES {
        let done = soon(store.remove_transcripts(agent, days, CALLS)).await?;
        counter!("frontdesk_retention_removed_total", "what" => "transcript").increment(done);
        removed += done;
        if done < CALLS.unsigned_abs() {
            break;
        }
    }
    Ok(removed)
}
