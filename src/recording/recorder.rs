//! Writes the tapes of calls that are recorded, beside the calls.
//!
//! A call's `Tap` gathers what passes on its media stream and hands it over about twice a second;
//! one task of the process appends it to `DATA_DIR/tapes/<call>.tape`. Nothing waits for the disk: a
//! tape that cannot be written, or not fast enough, ends where it is, with a warning, and the call
//! goes on. A killed process loses what had not been handed over, less than a second; what is on
//! disk is finished by `aftercall::recordings` of whichever process finds it unlocked.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics::counter;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinHandle};
use tracing::{error, warn};
use uuid::Uuid;

use crate::agent::Agent;
use crate::agent::settings::Recording;
use crate::audio::recording::tape::{Label, TapeReader, TapeWriter};
use crate::call::Mark;
use crate::clock::{self, Clock};
use crate::files::reclaim_folder;
use crate::twilio::twiml::MAX_SAY_CHARACTERS;

/// What a tap gathers before it hands it over: half a second of one voice.
const CHUNK_BYTES: usize = 8 * 1024;
/// Chunks that wait for the disk: ten seconds of 500 calls, 128 MiB at the worst. A tape whose chunk
/// finds no room ends there.
const QUEUE_CHUNKS: usize = 16_384;
/// Chunks that are written in one go.
const BATCH_CHUNKS: usize = 256;
/// How often tapes are looked for that nobody writes any more.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);
/// The longest tape: four hours of both sides, with room for what was sent and thrown away.
pub const TAPE_BYTES: u64 = 1 << 30;
/// How much all tapes in the folder may hold before no new one is begun: they are there until the
/// object store has taken their recordings.
pub const TAPES_BYTES: u64 = 16 << 30;
/// How long a character of a notice takes to be spoken at the longest.
const SAY_CHARACTER: Duration = Duration::from_millis(120);
/// What a tape's file is called.
pub const TAPE_EXTENSION: &str = "tape";

/// A tape that is being written.
#[derive(Debug)]
pub(super) struct Tape {
    label: Label,
    /// Nothing more is written: a tape with a hole would have words in the wrong place.
    is_lost: AtomicBool,
}

impl Tape {
    /// For a call, under a name that nobody can guess.
    pub(super) fn new(agent_id: Uuid, call_log_id: Uuid) -> Self {
        let label = Label { agent_id, call_log_id, secret: Uuid::new_v4() };
        Self { label, is_lost: AtomicBool::new(false) }
    }

    fn lose(&self, why: &'static str) {
        if !self.is_lost.swap(true, Ordering::Relaxed) {
            warn!(why, call = %self.label.call_log_id, "the recording of a call ends early");
            counter!("frontdesk_recordings_cut_total", "reason" => why).increment(1);
        }
    }
}

/// What one tape is to have next.
struct Chunk {
    tape: Arc<Tape>,
    bytes: Vec<u8>,
}

/// Takes what is to be written. Clones write to the same folder.
#[derive(Debug, Clone)]
pub struct Recorder {
    queue: mpsc::Sender<Chunk>,
}

/// The recorder's task.
#[derive(Debug)]
pub struct RecorderTask {
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Recorder {
    /// Makes the folder and starts the task.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn start(folder: PathBuf) -> io::Result<(Self, RecorderTask)> {
        reclaim_folder(&folder)?;
        let (queue, chunks) = mpsc::channel(QUEUE_CHUNKS);
        let (stop, stopped) = oneshot::channel();
        let task = clock::spawn(write(folder, chunks, stopped));
        Ok((Self { queue }, RecorderTask { task, stop }))
    }
}

/// What a recorded call's streams are listened on with, one after the other.
pub(crate) struct Taps {
    queue: mpsc::Sender<Chunk>,
    tape: Arc<Tape>,
    clock: Clock,
    /// When the call's task was made, and how old the call was then.
    born: Duration,
    age: Duration,
}

impl Taps {
    /// Those of a call, if its agent's calls are recorded.
    pub(crate) fn of(
        recorder: &Recorder,
        clock: Clock,
        agent: &Agent,
        call_log_id: Uuid,
        born: Duration,
        age: Duration,
    ) -> Option<Self> {
        let queue = recorder.queue.clone();
        let tape = || Arc::new(Tape::new(agent.id, call_log_id));
        agent.settings.recording.enabled.then(|| Self { queue, tape: tape(), clock, born, age })
    }

    /// What listens on the next stream.
    pub(crate) fn tap(&self) -> Tap {
        let Self { clock, born, age, .. } = *self;
        let (queue, tape) = (self.queue.clone(), Arc::clone(&self.tape));
        Tap { queue, tape, clock, born, age, buffer: Vec::new(), has_started: false }
    }
}

/// How long Twilio may take to say that the call is recorded, before it opens the stream.
pub fn notice_time(agent: &Agent) -> Duration {
    let Recording { enabled, notice } = &agent.settings.recording;
    let characters = notice.chars().count().min(MAX_SAY_CHARACTERS);
    if *enabled { SAY_CHARACTER * u32::try_from(characters).unwrap_or(0) } else { Duration::ZERO }
}

impl RecorderTask {
    /// The task, to be watched.
    pub fn abort_handle(&self) -> AbortHandle {
        self.task.abort_handle()
    }

    /// Writes what is queued, for `limit` at most, and ends.
    pub async fn shutdown(self, limit: Duration) {
        drop(self.stop);
        // A panic in it would have been seen before.
        let _ = clock::within(limit, self.task).await;
    }
}

/// Listens on one media stream. Dropped, the stream has ended.
pub(crate) struct Tap {
    queue: mpsc::Sender<Chunk>,
    tape: Arc<Tape>,
    clock: Clock,
    born: Duration,
    age: Duration,
    buffer: Vec<u8>,
    has_started: bool,
}

impl Tap {
    /// The stream has started.
    pub(crate) fn started(&mut self) {
        self.has_started = true;
        self.put(|tape, at_us| tape.started(at_us));
    }

    /// The caller's audio, base64.
    pub(crate) fn caller(&mut self, timestamp_ms: Option<u64>, payload: &str) {
        self.put(|tape, at_us| tape.caller(at_us, timestamp_ms, payload));
    }

    /// The agent's audio, base64, is sent.
    pub(crate) fn agent(&mut self, payload: &str) {
        self.put(|tape, at_us| tape.agent(at_us, payload));
    }

    /// A mark is sent.
    pub(crate) fn mark_placed(&mut self, mark: Mark) {
        self.put(|tape, at_us| tape.mark_placed(at_us, mark));
    }

    /// A mark came back.
    pub(crate) fn mark_returned(&mut self, mark: Mark) {
        self.put(|tape, at_us| tape.mark_returned(at_us, mark));
    }

    /// What was not played is thrown away.
    pub(crate) fn cleared(&mut self) {
        self.put(|tape, at_us| tape.cleared(at_us));
    }

    fn put(&mut self, write: impl FnOnce(&mut TapeWriter<'_>, u64)) {
        if !self.has_started {
            return;
        }
        let at = self.clock.now().saturating_sub(self.born) + self.age;
        let at_us = u64::try_from(at.as_micros()).unwrap_or(u64::MAX);
        write(&mut TapeWriter(&mut self.buffer), at_us);
        if self.buffer.len() >= CHUNK_BYTES {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        let room = CHUNK_BYTES + CHUNK_BYTES / 8;
        let bytes = std::mem::replace(&mut self.buffer, Vec::with_capacity(room));
        if self.tape.is_lost.load(Ordering::Relaxed) {
            // Nothing is gathered any more.
            (self.has_started, self.buffer) = (false, Vec::new());
            return;
        }
        let chunk = Chunk { tape: Arc::clone(&self.tape), bytes };
        if self.queue.try_send(chunk).is_err() {
            self.tape.lose("the disk is too slow");
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if self.has_started {
            self.put(|tape, at_us| tape.ended(at_us));
            self.hand_over();
        }
    }
}

/// A tape's file. It is locked for as long as it is open.
struct OpenTape {
    tape: Arc<Tape>,
    /// None: it cannot be written.
    file: Option<File>,
    length: u64,
}

async fn write(
    folder: PathBuf,
    mut chunks: mpsc::Receiver<Chunk>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut open: HashMap<Uuid, OpenTape> = HashMap::new();
    let mut is_stopping = false;
    loop {
        let mut batch = Vec::new();
        tokio::select! {
            biased;
            // A dropped sender means stop, too.
            _ = &mut stopped, if !is_stopping => {
                is_stopping = true;
                chunks.close();
                continue;
            }
            got = clock::within(SWEEP_PAUSE, chunks.recv_many(&mut batch, BATCH_CHUNKS)) => {
                if got == Some(0) {
                    return;
                }
            }
        }
        if !batch.is_empty() {
            let folder = folder.clone();
            let appending = tokio::task::spawn_blocking(move || {
                for chunk in batch {
                    let id = chunk.tape.label.call_log_id;
                    let tape =
                        open.entry(id).or_insert_with(|| OpenTape::open(&folder, &chunk.tape));
                    tape.append(&chunk.bytes);
                }
                open
            });
            open = appending.await.unwrap_or_else(|_| {
                error!("tapes were being written and are lost");
                HashMap::new()
            });
        }
        // With nothing queued, a tape that only this map knows has no call any more.
        if chunks.is_empty() {
            open.retain(|_, tape| Arc::strong_count(&tape.tape) > 1);
        }
    }
}

impl OpenTape {
    /// Opens or begins the call's tape. One that cannot be had is lost.
    fn open(folder: &Path, tape: &Arc<Tape>) -> Self {
        let (file, length) = match Self::file(folder, tape.label) {
            Ok((file, length)) => (Some(file), length),
            Err(error) if error.kind() == io::ErrorKind::QuotaExceeded => {
                tape.lose("too many tapes");
                (None, 0)
            }
            Err(_) => {
                tape.lose("the disk refuses");
                (None, 0)
            }
        };
        Self { tape: Arc::clone(tape), file, length }
    }

    fn file(folder: &Path, label: Label) -> io::Result<(File, u64)> {
        let path = folder.join(format!("{}.{TAPE_EXTENSION}", label.call_log_id));
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path)?;
        file.try_lock().map_err(io::Error::from)?;
        // A process that was killed may have left half a record.
        let whole = match TapeReader::new(BufReader::new(&file))? {
            Some(mut reader) => reader.skip_to_end()?,
            None => 0,
        };
        file.set_len(whole)?;
        if whole > 0 {
            return Ok((file, whole));
        }
        if bytes_in(folder)? > TAPES_BYTES {
            std::fs::remove_file(&path)?;
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        file.write_all(&label.to_bytes())?;
        Ok((file, Label::LENGTH as u64))
    }

    fn append(&mut self, bytes: &[u8]) {
        let Some(file) = &mut self.file else { return };
        if self.tape.is_lost.load(Ordering::Relaxed) {
            return;
        }
        if self.length + bytes.len() as u64 > TAPE_BYTES {
            self.tape.lose("it is too long");
        } else if file.write_all(bytes).is_ok() {
            self.length += bytes.len() as u64;
        } else {
            self.tape.lose("the disk refuses");
            // Half a record is left out when the tape is read, too.
            let _ = file.set_len(self.length);
        }
    }
}

/// How much the files in a folder hold.
fn bytes_in(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        // One that has just been removed holds nothing.
        bytes += entry?.metadata().map_or(0, |metadata| metadata.len());
    }
    Ok(bytes)
}

#[cfg(test)]
#[path = "recorder_tests.rs"]
mod tests;
