//! The call log's writer: one bounded task per process, beside the calls.
//!
//! A call never waits for the database. While that answers, records go to it in batches; when it
//! does not, they go to the [spool](super::spool), and as long as anything is in the spool
//! everything goes there, so that the order is kept. A second task tells the spool to the database
//! and watches over whether it is there. A third stands in for the writer should that break: nothing
//! that was taken is lost, and the process, which is to go down then, has all of it told. A killed process loses what it was given in the last
//! 300 ms at most, or 2 s when hundreds of calls end together; its spool is told by the next process that finds it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, OwnedMutexGuard, broadcast, watch};
use tokio::task::{AbortHandle, JoinHandle};
use uuid::Uuid;

use super::queue::{Inlet, NotTaken, Outlet, queue};
use super::replay;
use super::shared::Shared;
use super::spool::{BATCH_RECORDS, Record, SpoolFile};
use crate::clock;
use crate::store::{Admission, CompletedCall, EventRow, NewCall, OffStream, Store};

/// How long a webhook waits for its row.
const ADMIT_LIMIT: Duration = Duration::from_millis(250);

/// How many events wait for a slow listener. Beyond, the oldest are lost to it, and it finds them in the
/// database.
const HEARD_MAX: usize = 1024;

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
    heard: broadcast::Sender<EventRow>,
}

/// The writer's tasks. Dropped, they stop where they are, as if the process were killed.
#[derive(Debug)]
pub struct LogWriterTask {
    writer: JoinHandle<()>,
    stand_in: JoinHandle<()>,
    replay: JoinHandle<()>,
    stop_writer: watch::Sender<bool>,
    stop_replay: watch::Sender<bool>,
    desk: SharedDesk,
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
        let shared = Arc::new(Shared::new(store, spool_dir, instance_id, is_up)?);
        let (queue, records) = queue();
        let desk = Arc::new(tokio::sync::Mutex::new(Desk::new(records)));
        let (stop_writer, stopped) = watch::channel(false);
        let (stop_replay, replay_stopped) = watch::channel(false);
        // The desk is the writer's first, and the stand-in's when the writer has gone.
        let writers = Arc::clone(&desk).try_lock_owned().map_err(io::Error::other)?;
        let writer = clock::spawn(write(Arc::clone(&shared), writers, stopped.clone()));
        let stand_in = clock::spawn(stand_in(Arc::clone(&shared), Arc::clone(&desk), stopped));
        let replay = clock::spawn(replay::run(Arc::clone(&shared), replay_stopped));
        let task = LogWriterTask {
            writer,
            stand_in,
            replay,
            stop_writer,
            stop_replay,
            desk,
            shared: Arc::clone(&shared),
        };
        let heard = broadcast::channel(HEARD_MAX).0;
        Ok((Self { shared, queue, heard }, task))
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
        if self.heard.receiver_count() > 0 {
            // The send fails where the last listener has just gone.
            let _ = self.heard.send(event.clone());
        }
        match self.queue.try_event(event) {
            Ok(()) => {}
            Err(NotTaken::Full) => self.shared.dropped(1),
            Err(NotTaken::Closed(event)) => self.shared.keep_late(event),
        }
    }

    /// Listens to what happens in this process's calls from now on, sooner than the database has it. What
    /// a listener does not take in time is lost to it.
    pub fn listen(&self) -> broadcast::Receiver<EventRow> {
        self.heard.subscribe()
    }

    /// Takes the end of a call, after what was taken of it before. Waits for room; never dropped.
    pub async fn complete(&self, call: CompletedCall) {
        self.take(Record::Completion(call)).await;
    }

    /// Takes that a caller has left, after what was taken of the call before. Waits for room; never
    /// dropped.
    pub async fn go_out(&self, outing: OffStream) {
        self.take(Record::OffStream(outing)).await;
    }

    async fn take(&self, record: Record) {
        let Err(record) = self.queue.send(record).await else { return };
        // The log is being closed. The spool is told by the next process.
        let mut records = self.shared.late();
        records.push(record);
        if let Err(error) = self.shared.append(&mut records).await {
            tracing::error!(kind = %error.kind(), "a call's end is lost: the spool cannot be written");
        }
    }

    /// Rung when the database has the end of a call.
    pub fn completed(&self) -> Arc<Notify> {
        self.shared.completed()
    }

    /// Whether the database answered when it was last asked.
    pub fn is_database_up(&self) -> bool {
        self.shared.is_up()
    }

    /// How the log is doing.
    pub fn health(&self) -> LogHealth {
        LogHealth {
            database_up: self.shared.is_up(),
            spool_bytes: self.shared.pending_bytes(),
            queued: self.queue.queued(),
        }
    }

    /// The processes that were proven dead since this was last asked: their spool's lock could be
    /// had, and their spool has been told.
    pub fn take_proven_dead(&self) -> Vec<Uuid> {
        std::mem::take(&mut *self.shared.proven_dead.lock())
    }
}

impl LogWriterTask {
    /// Writes what was taken, to the database within `limit`, else to the spool, and ends. Call it
    /// when the calls have ended. Gives whether everything is in the database.
    pub async fn shutdown(mut self, limit: Duration) -> bool {
        let in_time = clock::within(limit, self.finish()).await;
        let told = in_time.is_some() && self.shared.pending_bytes() == 0;
        if !told {
            tracing::warn!("the log's spool is left for the next process");
        } else if let Err(error) = self.shared.on_spool(SpoolFile::retire).await.flatten() {
            tracing::warn!(kind = %error.kind(), "the log's empty spool cannot be removed");
        }
        told
    }

    /// Has the tasks finish. Where one has ended before its time, its work is done once more, on
    /// tasks of their own: what ended it may end it again.
    async fn finish(&mut self) {
        self.stop_writer.send_replace(true);
        let _ = (&mut self.writer).await;
        if (&mut self.stand_in).await.is_err() {
            let (shared, desk) = (Arc::clone(&self.shared), Arc::clone(&self.desk));
            let _ = clock::spawn(stand_in(shared, desk, self.stop_writer.subscribe())).await;
        }
        let mut late = self.shared.late();
        if !late.is_empty() {
            self.shared.keep_on_disk(&mut late).await;
        }
        self.stop_replay.send_replace(true);
        if (&mut self.replay).await.is_err() {
            let telling = replay::run(Arc::clone(&self.shared), self.stop_replay.subscribe());
            let _ = clock::spawn(telling).await;
        }
    }

    /// The tasks, by their names.
    pub fn tasks(&self) -> [(&'static str, AbortHandle); 3] {
        [
            ("log writer", self.writer.abort_handle()),
            ("log stand-in", self.stand_in.abort_handle()),
            ("log replay", self.replay.abort_handle()),
        ]
    }
}

impl Drop for LogWriterTask {
    fn drop(&mut self) {
        self.writer.abort();
        self.stand_in.abort();
        self.replay.abort();
    }
}

/// What the writer works on. What it had in hand is still there when it ends before its time.
#[derive(Debug)]
struct Desk {
    records: Outlet,
    batch: Vec<Record>,
}

/// The desk, which one task has at a time.
type SharedDesk = Arc<tokio::sync::Mutex<Desk>>;

impl Desk {
    fn new(records: Outlet) -> Self {
        Self { records, batch: Vec::with_capacity(BATCH_RECORDS) }
    }
}

/// The writer: gathers records and keeps them, until it is told to stop and has kept them all.
async fn write(
    shared: Arc<Shared>,
    mut desk: OwnedMutexGuard<Desk>,
    mut stop: watch::Receiver<bool>,
) {
    let Desk { records, batch } = &mut *desk;
    while records.gather(batch, &mut stop).await {
        shared.keep(batch).await;
    }
}

/// Waits until the writer has gone, and if that was before its time goes on in its place. All of it
/// goes to the spool: what the writer broke of may be in the way to the database.
async fn stand_in(shared: Arc<Shared>, desk: SharedDesk, mut stop: watch::Receiver<bool>) {
    let mut desk = desk.lock_owned().await;
    let Desk { records, batch } = &mut *desk;
    loop {
        if !batch.is_empty() {
            shared.keep_on_disk(batch).await;
        }
        if !records.gather(batch, &mut stop).await {
            return;
        }
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
