//! The call log's writer: one bounded task per process, beside the calls.
//!
//! A call never waits for the database. While that answers, records go to it in batches; when it
//! does not, they go to the [spool](super::spool), and as long as anything is in the spool
//! everything goes there, so that the order is kept. A second task tells the spool to the database
//! and watches over whether it is there. A killed process loses what it was given in the last
//! 300 ms at most, or 2 s when hundreds of calls end together; its spool is told by the next process that finds it.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinHandle};
use uuid::Uuid;

use super::ledger::Ledger;
use super::queue::{Inlet, Outlet, queue};
use super::replay;
use super::spool::{BATCH_RECORDS, Record, SPOOL_BYTES, SpoolFile};
use crate::clock;
use crate::store::{Admission, CompletedCall, EventRow, NewCall, Outing, Store, StoreError};

/// How long a batch of events may take on its way to the database before it goes to the spool
/// instead: what a killed process may lose is in memory that long.
const DIRECT_LIMIT: Duration = Duration::from_millis(200);

/// How much longer for each record that is a statement of its own.
const STATEMENT_TIME: Duration = Duration::from_millis(5);

/// The longest that a batch may take.
const DIRECT_LIMIT_MAX: Duration = Duration::from_secs(2);

/// How long a webhook waits for its row.
const ADMIT_LIMIT: Duration = Duration::from_millis(250);

/// The pause after disk and database have both refused.
const NOWHERE_PAUSE: Duration = Duration::from_secs(1);

/// What became of the row of a new call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// The database has it.
    Admitted(Admission),
    /// The database is away: the row is on disk, or if the disk refuses too, in memory, and will
    /// be written. The agent's limit is to be counted in this process.
    Spooled,
}

/// How the log is doing, for `/readyz`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogHealth {
    /// Whether the database answered when it was last asked, at most 3 s ago. One slow statement
    /// does not count.
    pub database_up: bool,
    /// Bytes in the spool that the database has not been told.
    pub spool_bytes: u64,
    /// Records that wait in memory.
    pub queued: usize,
}

/// Takes what is to be written. Clones write to the same log.
#[derive(Debug, Clone)]
pub struct LogWriter {
    shared: Arc<Shared>,
    queue: Inlet,
}

/// The writer's tasks. Dropped, they stop where they are, as if the process were killed.
#[derive(Debug)]
pub struct LogWriterTask {
    writer: JoinHandle<()>,
    replay: JoinHandle<()>,
    stop_writer: watch::Sender<bool>,
    stop_replay: watch::Sender<bool>,
    shared: Arc<Shared>,
}

impl LogWriter {
    /// Makes the spool of this process in `spool_dir` and starts the tasks, which begin with the
    /// spools of dead processes there. `instance_id` is new with every process; `is_up` says
    /// whether the database has answered already.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn start(
        store: Store,
        spool_dir: PathBuf,
        instance_id: Uuid,
        is_up: bool,
    ) -> io::Result<(Self, LogWriterTask)> {
        let spool = SpoolFile::create(&spool_dir, instance_id, SPOOL_BYTES)?;
        let shared = Arc::new(Shared {
            ledger: Ledger::new(store.clone(), spool_dir.clone()),
            store,
            spool_dir,
            spool: Arc::new(Mutex::new(spool)),
            pending_bytes: Arc::default(),
            database_up: AtomicBool::new(is_up),
            trouble: Notify::new(),
            dropped: AtomicU64::new(0),
            proven_dead: Mutex::default(),
            completed: Arc::default(),
        });
        let (queue, records) = queue();
        let (stop_writer, writer_stopped) = watch::channel(false);
        let (stop_replay, replay_stopped) = watch::channel(false);
        let writer = clock::spawn(write(Arc::clone(&shared), records, writer_stopped));
        let replay = clock::spawn(replay::run(Arc::clone(&shared), replay_stopped));
        let task =
            LogWriterTask { writer, replay, stop_writer, stop_replay, shared: Arc::clone(&shared) };
        Ok((Self { shared, queue }, task))
    }

    /// Gets a new call its row, in the database or, after 250 ms or when the database is known to
    /// be away, synced to disk.
    pub async fn open(&self, call: NewCall) -> Opened {
        if self.is_database_up() {
            match clock::within(ADMIT_LIMIT, self.shared.store.admit(&call)).await {
                Some(Ok(admission)) => return Opened::Admitted(admission),
                Some(Err(error)) if error.is_away() => self.shared.failed(&error),
                Some(Err(error)) => tracing::error!(%error, "a call was not admitted"),
                // The statement may still be carried out; the spool's copy then finds its row.
                None => self.shared.doubted(),
            }
        }
        let mut records = vec![Record::Call(call)];
        if let Err(error) = self.shared.append(&mut records).await {
            tracing::error!(kind = %error.kind(), "the spool cannot be written");
            for record in records {
                self.queue.send(record).await.ok();
            }
        }
        Opened::Spooled
    }

    /// Takes what happened. Never waits: if the queue, or the call's share of it, is full the event
    /// is dropped and counted.
    pub fn event(&self, event: EventRow) {
        if !self.queue.try_event(event) {
            self.shared.dropped(1);
        }
    }

    /// Takes the end of a call, after what was taken of it before. Waits for room; never dropped.
    pub async fn complete(&self, call: CompletedCall) {
        self.take(Record::Completion(call)).await;
    }

    /// Takes that a caller has left, after what was taken of the call before. Waits for room; never
    /// dropped.
    pub async fn go_out(&self, outing: Outing) {
        self.take(Record::Outing(outing)).await;
    }

    async fn take(&self, record: Record) {
        let Err(record) = self.queue.send(record).await else { return };
        // The task has ended. The spool is told by the next process.
        if let Err(error) = self.shared.append(&mut vec![record]).await {
            tracing::error!(kind = %error.kind(), "a call's end is lost: the spool cannot be written");
        }
    }

    /// Rung when the database has the end of a call.
    pub fn completed(&self) -> Arc<Notify> {
        Arc::clone(&self.shared.completed)
    }

    /// Whether the database answered when it was last asked.
    pub fn is_database_up(&self) -> bool {
        self.shared.is_up()
    }

    /// How the log is doing.
    pub fn health(&self) -> LogHealth {
        LogHealth {
            database_up: self.shared.is_up(),
            spool_bytes: self.shared.pending_bytes.load(Ordering::Acquire),
            queued: self.queue.queued(),
        }
    }

    /// The processes that were proven dead since this was last asked: their spool's lock could be
    /// had, and their spool has been told.
    pub fn take_proven_dead(&self) -> Vec<Uuid> {
        std::mem::take(&mut *self.shared.proven_dead())
    }
}

impl LogWriterTask {
    /// Writes what was taken, to the database within `limit`, else to the spool, and ends. Call it
    /// when the calls have ended. Gives whether everything is in the database.
    pub async fn shutdown(mut self, limit: Duration) -> bool {
        let in_time = clock::within(limit, async {
            self.stop_writer.send_replace(true);
            let kept = (&mut self.writer).await.is_ok();
            self.stop_replay.send_replace(true);
            kept && (&mut self.replay).await.is_ok()
        });
        let ended = in_time.await.unwrap_or(false);
        let told = ended && self.shared.pending_bytes.load(Ordering::Acquire) == 0;
        if !told {
            tracing::warn!("the log's spool is left for the next process");
        }
        told
    }
}

impl LogWriterTask {
    /// The tasks, by their names.
    pub fn tasks(&self) -> [(&'static str, AbortHandle); 2] {
        let (writer, replay) = (self.writer.abort_handle(), self.replay.abort_handle());
        [("log writer", writer), ("log replay", replay)]
    }
}

impl Drop for LogWriterTask {
    fn drop(&mut self) {
        self.writer.abort();
        self.replay.abort();
    }
}

/// What the writer's tasks and handles have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) ledger: Ledger,
    pub(super) spool_dir: PathBuf,
    spool: Arc<Mutex<SpoolFile>>,
    /// The spool's own count, written under its lock, to be read without it.
    pending_bytes: Arc<AtomicU64>,
    database_up: AtomicBool,
    /// Rung when there is something for `replay` to see to.
    pub(super) trouble: Notify,
    dropped: AtomicU64,
    proven_dead: Mutex<Vec<Uuid>>,
    completed: Arc<Notify>,
}

impl Shared {
    pub(super) fn is_up(&self) -> bool {
        self.database_up.load(Ordering::Acquire)
    }

    /// The database did not answer: nobody waits for it until it does.
    pub(super) fn lost(&self, error: &StoreError) {
        if self.database_up.swap(false, Ordering::AcqRel) {
            tracing::warn!(%error, "the database is lost; the call log goes to the spool");
            self.trouble.notify_one();
        }
        metrics::gauge!("frontdesk_database_up").set(0.0);
    }

    /// A statement failed. One that was only too slow has the database asked whether it is there.
    pub(super) fn failed(&self, error: &StoreError) {
        if error.is_lost() { self.lost(error) } else { self.doubted() }
    }

    /// A statement took too long, which one that waits for a lock does too: the probe decides.
    fn doubted(&self) {
        metrics::counter!("frontdesk_database_slow_total").increment(1);
        self.trouble.notify_one();
    }

    pub(super) fn found(&self) {
        if !self.database_up.swap(true, Ordering::AcqRel) {
            tracing::info!("the database answers again");
        }
        metrics::gauge!("frontdesk_database_up").set(1.0);
    }

    pub(super) fn dropped(&self, events: u64) {
        self.dropped.fetch_add(events, Ordering::Relaxed);
        metrics::counter!("frontdesk_log_dropped_total").increment(events);
    }

    /// Says in the log what was dropped; called once a second.
    pub(super) fn report_dropped(&self) {
        let events = self.dropped.swap(0, Ordering::Relaxed);
        if events > 0 {
            tracing::error!(events, "events were dropped: the queue or the spool is full");
        }
    }

    pub(super) fn proven_dead(&self) -> std::sync::MutexGuard<'_, Vec<Uuid>> {
        self.proven_dead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the spool, on a thread that may block.
    pub(super) async fn on_spool<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SpoolFile) -> T + Send + 'static,
    ) -> io::Result<T> {
        let (spool, pending) = (Arc::clone(&self.spool), Arc::clone(&self.pending_bytes));
        let working = tokio::task::spawn_blocking(move || {
            let mut spool = spool.lock().unwrap_or_else(PoisonError::into_inner);
            let done = work(&mut spool);
            let bytes = spool.pending_bytes();
            pending.store(bytes, Ordering::Release);
            metrics::gauge!("frontdesk_log_spool_bytes").set(bytes as f64);
            done
        });
        working.await.map_err(io::Error::other)
    }

    /// Appends to the spool; on success `records` is empty.
    async fn append(&self, records: &mut Vec<Record>) -> io::Result<()> {
        self.append_by(records, SpoolFile::append).await
    }

    /// The same, by this function. Whatever becomes of it, also a panic, what is not in the spool is
    /// in `records` again.
    async fn append_by(
        &self,
        records: &mut Vec<Record>,
        append: impl FnOnce(&mut SpoolFile, &[Record]) -> io::Result<usize> + Send + 'static,
    ) -> io::Result<()> {
        let batch = Arc::new(std::mem::take(records));
        let theirs = Arc::clone(&batch);
        let appended = self.on_spool(move |spool| append(spool, &theirs)).await;
        // The thread has let go of it.
        let batch = Arc::try_unwrap(batch).unwrap_or_else(|batch| (*batch).clone());
        match appended.and_then(|appended| appended) {
            Ok(left_out) => {
                self.dropped(left_out as u64);
                let spooled = batch.len() - left_out;
                metrics::counter!("frontdesk_log_spooled_total").increment(spooled as u64);
                if self.is_up() {
                    self.trouble.notify_one();
                }
                Ok(())
            }
            Err(error) => {
                *records = batch;
                Err(error)
            }
        }
    }

    /// The database has a batch.
    fn kept(&self, batch: &mut Vec<Record>) {
        if batch.drain(..).any(|record| matches!(record, Record::Completion(_))) {
            self.completed.notify_one();
        }
    }

    /// Writes a batch to where it belongs. Comes back when it is written.
    async fn keep(&self, batch: &mut Vec<Record>) {
        loop {
            let spool_is_empty = self.pending_bytes.load(Ordering::Acquire) == 0;
            if spool_is_empty && self.is_up() {
                match clock::within(direct_limit(batch), self.ledger.write(batch)).await {
                    Some(Ok(())) => return self.kept(batch),
                    Some(Err(error)) => self.failed(&error),
                    None => self.doubted(),
                }
            }
            match self.append(batch).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::error!(kind = %error.kind(), "the spool cannot be written");
                    clock::pause(NOWHERE_PAUSE).await;
                }
            }
        }
    }
}

/// How long this batch may take on its way to the database. Calls that end together are no sign
/// of a lost one.
fn direct_limit(batch: &[Record]) -> Duration {
    let is_statement = |record: &&Record| !matches!(record, Record::Event(_));
    let statements = u32::try_from(batch.iter().filter(is_statement).count()).unwrap_or(u32::MAX);
    DIRECT_LIMIT.saturating_add(STATEMENT_TIME.saturating_mul(statements)).min(DIRECT_LIMIT_MAX)
}

/// The writer: gathers records and keeps them, until it is told to stop and has kept them all.
async fn write(shared: Arc<Shared>, mut records: Outlet, mut stop: watch::Receiver<bool>) {
    let mut batch = Vec::with_capacity(BATCH_RECORDS);
    while records.gather(&mut batch, &mut stop).await {
        shared.keep(&mut batch).await;
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
