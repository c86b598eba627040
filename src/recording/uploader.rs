//! Makes recordings of the tapes of calls that are over, and stores them.
//!
//! A tape lies in `DATA_DIR/tapes` until its recording is in the object store and the call's row
//! says where; only then is it removed, so each step may be done again by whoever comes next, after
//! a crash too. Where few wait, one is worked on at a time. A tape that is still being written is locked, and
//! one whose call goes on elsewhere waits for that call's end.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use metrics::{counter, gauge, histogram};
use serde_json::{Value, json};
use tracing::{info, warn};
use uuid::Uuid;

use super::encoder::{Made, make};
use crate::archive::{Archive, ArchiveError};
use crate::audio::recording::opus::EncodeError;
use crate::clock::{self, Stopwatch};
use crate::store::{Store, StoreError, TapedCall};

/// How often it is looked for calls that have ended.
const PAUSE: Duration = Duration::from_secs(2);
/// How long the database may take to say which have.
const ASK_LIMIT: Duration = Duration::from_secs(5);
/// Tapes that are looked at in one round, the oldest first.
const TAPES_PER_ROUND: usize = 200;
/// The pause after a tape that could not be done, doubled each time.
const RETRY_PAUSE: Duration = Duration::from_secs(5);
/// The longest such pause.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(600);
/// How long a tape waits for its call's row, which may be in another process's spool.
const ROW_WAIT: Duration = Duration::from_secs(7 * 24 * 3_600);
/// How many tapes may wait before the worker pauses no more between pieces.
const BACKLOG: usize = 4;
/// How many are worked on at once then at the most; half the cores at the most, too.
const AT_ONCE_MAX: usize = 8;

/// Why a tape is not done yet.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// It could not be read or its recording not be written.
    #[error("the tape: {0}")]
    Tape(#[from] EncodeError),
    /// The object store refused or did not answer.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The database refused or did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The row changed meanwhile.
    #[error("the call's row has changed meanwhile")]
    Changed,
}

/// What came of a tape; `None`: it is not over yet.
type Outcome = Result<Option<&'static str>, RecordingError>;

impl From<io::Error> for RecordingError {
    fn from(error: io::Error) -> Self {
        Self::Tape(error.into())
    }
}

/// The tapes of one folder.
#[derive(Debug)]
pub struct Recordings {
    store: Store,
    archive: Archive,
    folder: PathBuf,
    /// Tapes that could not be done.
    failed: HashMap<Uuid, Wait>,
    /// The object store, while it takes nothing.
    away: Option<Wait>,
    /// How many tapes are worked on at once where many wait.
    at_once: usize,
}

/// A pause before the next attempt.
#[derive(Debug)]
struct Wait {
    /// Attempts that failed.
    times: u32,
    since: Stopwatch,
}

impl Wait {
    /// After another attempt that failed.
    fn again(before: Option<&Self>) -> Self {
        Self { times: before.map_or(0, |wait| wait.times) + 1, since: Stopwatch::start() }
    }

    fn is_over(&self) -> bool {
        let pause = RETRY_PAUSE * 2_u32.saturating_pow(self.times.saturating_sub(1).min(16));
        self.since.elapsed() >= pause.min(RETRY_PAUSE_MAX)
    }
}

/// A tape in the folder.
#[derive(Debug, Clone)]
struct Found {
    call_log_id: Uuid,
    path: PathBuf,
    bytes: u64,
    /// How long ago it was last written to.
    idle: Duration,
}

impl Recordings {
    /// Of the tapes in `folder`.
    pub fn new(store: Store, archive: Archive, folder: PathBuf) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let at_once = (cores / 2).clamp(1, AT_ONCE_MAX);
        Self { store, archive, folder, failed: HashMap::new(), away: None, at_once }
    }

    /// Runs without end; dropping the future stops it.
    pub async fn run(mut self) {
        self.archive.close_all().await;
        loop {
            if let Err(error) = self.round().await {
                warn!(%error, "recordings wait");
            }
            clock::pause(PAUSE).await;
        }
    }

    /// Does what can be done now. Gives how many recordings were stored.
    ///
    /// # Errors
    /// The folder cannot be read, or the database is away.
    pub async fn round(&mut self) -> Result<usize, RecordingError> {
        let folder = self.folder.clone();
        let found = tokio::task::spawn_blocking(move || tapes(&folder)).await;
        let mut found = found.map_err(io::Error::other)??;
        let bytes: u64 = found.iter().map(|tape| tape.bytes).sum();
        gauge!("frontdesk_recordings_waiting").set(found.len() as f64);
        gauge!("frontdesk_recordings_waiting_bytes").set(bytes as f64);
        self.failed.retain(|id, _| found.iter().any(|tape| tape.call_log_id == *id));
        found.retain(|tape| self.is_due(tape.call_log_id));
        if found.is_empty() || self.away.as_ref().is_some_and(|wait| !wait.is_over()) {
            return Ok(0);
        }
        let ids: Vec<Uuid> = found.iter().map(|tape| tape.call_log_id).collect();
        let late = || Err(StoreError::Slow("calls took too long".to_owned()));
        let asked = clock::within(ASK_LIMIT, self.store.taped_calls(&ids)).await;
        let calls = asked.unwrap_or_else(late)?;
        let is_ready = |tape: &&Found| {
            let call = calls.iter().find(|call| call.id == tape.call_log_id);
            call.map_or(tape.idle > ROW_WAIT, |call| call.ended)
        };
        // Those that wait for their row must not keep the others waiting.
        let ready = found.iter().filter(is_ready).take(TAPES_PER_ROUND);
        let mut ready: Vec<Found> = ready.cloned().collect();
        // Tapes that failed often come last, so that they do not hold up the others.
        let times = |tape: &Found| self.failed.get(&tape.call_log_id).map_or(0, |wait| wait.times);
        ready.sort_by_key(times);
        Ok(self.work(&ready, &calls).await)
    }

    /// Does these tapes, several at once where many wait. Gives how many recordings were stored.
    async fn work(&mut self, ready: &[Found], calls: &[TapedCall]) -> usize {
        let is_hurried = ready.len() > BACKLOG;
        let at_once = if is_hurried { self.at_once } else { 1 };
        let mut waiting = ready.iter();
        let mut finishing = FuturesUnordered::new();
        let mut outcomes = Vec::new();
        loop {
            while finishing.len() < at_once
                && let Some(tape) = waiting.next()
            {
                let call = calls.iter().find(|call| call.id == tape.call_log_id);
                finishing.push(self.outcome(tape, call, is_hurried));
            }
            let Some((id, outcome)) = finishing.next().await else { break };
            // The others would fare no better; each would be encoded for nothing.
            let is_away = matches!(outcome, Err(RecordingError::Archive(_)));
            outcomes.push((id, outcome));
            if is_away {
                break;
            }
        }
        drop(finishing);
        outcomes.into_iter().map(|(id, outcome)| usize::from(self.note(id, outcome))).sum()
    }

    async fn outcome(
        &self,
        tape: &Found,
        call: Option<&TapedCall>,
        is_hurried: bool,
    ) -> (Uuid, Outcome) {
        (tape.call_log_id, self.finish(tape, call, is_hurried).await)
    }

    fn is_due(&self, id: Uuid) -> bool {
        self.failed.get(&id).is_none_or(Wait::is_over)
    }

    /// Whether a recording was stored.
    fn note(&mut self, id: Uuid, outcome: Outcome) -> bool {
        match outcome {
            Ok(outcome) => {
                self.failed.remove(&id);
                if let Some(outcome) = outcome {
                    counter!("frontdesk_recordings_total", "outcome" => outcome).increment(1);
                }
                if outcome == Some("stored") {
                    self.away = None;
                }
                outcome == Some("stored")
            }
            Err(error) => {
                warn!(%error, call = %id, "a recording is not stored yet");
                counter!("frontdesk_recordings_total", "outcome" => "failed").increment(1);
                self.failed.insert(id, Wait::again(self.failed.get(&id)));
                if matches!(error, RecordingError::Archive(_)) {
                    self.away = Some(Wait::again(self.away.as_ref()));
                }
                false
            }
        }
    }

    /// From the tape to the row. Gives what came of it; `None`: it is not over yet.
    async fn finish(&self, tape: &Found, call: Option<&TapedCall>, is_hurried: bool) -> Outcome {
        let path = tape.path.clone();
        let opened = tokio::task::spawn_blocking(move || locked(&path)).await;
        let Some(file) = opened.map_err(io::Error::other)?? else { return Ok(None) };
        let Some(call) = call else {
            warn!(call = %tape.call_log_id, "a tape whose call has no row is removed");
            tokio::fs::remove_file(&tape.path).await?;
            return Ok(Some("without a call"));
        };
        let watch = Stopwatch::start();
        let (file, made) = make(file, tape.path.with_extension("ogg"), is_hurried).await?;
        let outcome = match made {
            Some(made) => {
                histogram!("frontdesk_recording_encode_seconds").record(watch.elapsed());
                let took = self.store_away(call, &made).await;
                // The file can go even if it was not stored: the tape makes it again.
                let _ = tokio::fs::remove_file(&made.path).await;
                took?;
                "stored"
            }
            None => "empty",
        };
        tokio::fs::remove_file(&tape.path).await?;
        drop(file);
        Ok(Some(outcome))
    }

    /// Stores a recording and has the row say where it is.
    async fn store_away(&self, call: &TapedCall, made: &Made) -> Result<(), RecordingError> {
        self.archive.put(&made.name, &made.path).await?;
        let recording = beside(&call.recording, made);
        let late = || Err(StoreError::Slow("the row took too long".to_owned()));
        let setting = self.store.set_recording(call.id, &call.recording, &recording);
        if !clock::within(ASK_LIMIT, setting).await.unwrap_or_else(late)? {
            return Err(RecordingError::Changed);
        }
        info!(call = %call.id, ms = made.ms, complete = made.complete, "a recording is stored");
        Ok(())
    }
}

/// What the row says of a call's recordings: the one that was stored now, and with it those of other
/// processes that had the call, each in a folder of its own.
fn beside(before: &Value, made: &Made) -> Value {
    let ours = json!({"path": made.name, "ms": made.ms, "complete": made.complete});
    let is_ours = |recording: &Value| recording["path"] == made.name;
    if !before.is_object() || is_ours(before) && before["parts"].is_null() {
        return ours;
    }
    // The first one keeps its place.
    let mut whole = before.clone();
    let parts = match before["parts"].as_array() {
        Some(parts) => parts.clone(),
        None => vec![before.clone()],
    };
    let others = parts.into_iter().filter(|part| !is_ours(part));
    whole["parts"] = others.chain([ours]).collect();
    whole
}

/// The tapes in a folder, the one first that was not written to for the longest time.
fn tapes(folder: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "tape") {
            continue;
        }
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let Some(call_log_id) = stem.and_then(|stem| stem.parse().ok()) else { continue };
        // Another process may have removed it meanwhile.
        let Ok(metadata) = path.metadata() else { continue };
        let idle = metadata.modified().ok().and_then(|at| at.elapsed().ok()).unwrap_or_default();
        found.push(Found { call_log_id, path, bytes: metadata.len(), idle });
    }
    found.sort_by_key(|tape| std::cmp::Reverse(tape.idle));
    Ok(found)
}

/// Opens a tape, unless somebody writes it or works on it.
fn locked(path: &Path) -> io::Result<Option<File>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
        Err(std::fs::TryLockError::Error(error)) => return Err(error),
    }
    // The worker that held the lock before may have removed the tape.
    Ok(path.try_exists()?.then_some(file))
}
