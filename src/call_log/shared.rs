//! What the log's tasks and handles have in common: where records are kept, and whether the database
//! is there.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use uuid::Uuid;

use super::db_writer::Ledger;
use super::queue::EVENTS_OF_A_CALL_MAX;
use super::spool::{Record, SPOOL_BYTES, SpoolFile};
use crate::clock;
use crate::store::{EventRow, Store, StoreError};

/// How long a batch of events may take on its way to the database before it goes to the spool
/// instead: what a killed process may lose is in memory that long.
const DIRECT_LIMIT: Duration = Duration::from_millis(200);

/// How much longer for each record that is a statement of its own.
const STATEMENT_TIME: Duration = Duration::from_millis(5);

/// The longest that a batch may take.
const DIRECT_LIMIT_MAX: Duration = Duration::from_secs(2);

/// The pause after disk and database have both refused.
const NOWHERE_PAUSE: Duration = Duration::from_secs(1);

/// The most events that are kept in memory once the queue is closed: as many as a call may have in it.
const LATE_MAX: usize = EVENTS_OF_A_CALL_MAX as usize;

/// What the writer's tasks and handles have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) ledger: Ledger,
    pub(super) spool_dir: PathBuf,
    /// Events that came when the queue was closed already.
    late: Mutex<Vec<Record>>,
    spool: Arc<Mutex<SpoolFile>>,
    /// The spool's own count, written under its lock, to be read without it.
    pending_bytes: Arc<AtomicU64>,
    database_up: AtomicBool,
    /// Rung when there is something for `replay` to see to.
    pub(super) trouble: Notify,
    dropped: AtomicU64,
    pub(super) proven_dead: Mutex<Vec<Uuid>>,
    completed: Arc<Notify>,
}

impl Shared {
    /// Makes the spool of this process. `is_up`: whether the database has answered already.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(super) fn new(
        store: Store,
        spool_dir: PathBuf,
        instance_id: Uuid,
        is_up: bool,
    ) -> io::Result<Self> {
        let spool = SpoolFile::create(&spool_dir, instance_id, SPOOL_BYTES)?;
        Ok(Self {
            ledger: Ledger::new(store.clone(), spool_dir.clone()),
            store,
            spool_dir,
            late: Mutex::default(),
            spool: Arc::new(Mutex::new(spool)),
            pending_bytes: Arc::default(),
            database_up: AtomicBool::new(is_up),
            trouble: Notify::new(),
            dropped: AtomicU64::new(0),
            proven_dead: Mutex::default(),
            completed: Arc::default(),
        })
    }

    /// Bytes in the spool that the database has not been told.
    pub(super) fn pending_bytes(&self) -> u64 {
        self.pending_bytes.load(Ordering::Acquire)
    }

    /// Rung when the database has the end of a call.
    pub(super) fn completed(&self) -> Arc<Notify> {
        Arc::clone(&self.completed)
    }

    /// Keeps an event that came when the queue was closed, until [`late`](Self::late) is asked.
    pub(super) fn keep_late(&self, event: EventRow) {
        let mut late = self.late.lock();
        if late.len() < LATE_MAX {
            late.push(Record::Event(event));
        } else {
            drop(late);
            self.dropped(1);
        }
    }

    /// Takes the events that came when the queue was closed.
    pub(super) fn late(&self) -> Vec<Record> {
        std::mem::take(&mut *self.late.lock())
    }

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
    pub(super) fn doubted(&self) {
        metrics::counter!("frontdesk_database_slow_total").increment(1);
        self.trouble.notify_one();
    }

    pub(super) fn found(&self) {
        if !self.database_up.swap(true, Ordering::AcqRel) {
            tracing::info!("the database answers again");
        }
        self.store.end_outage();
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

    /// Does something with the spool, on a thread that may block.
    pub(super) async fn on_spool<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SpoolFile) -> T + Send + 'static,
    ) -> io::Result<T> {
        let (spool, pending) = (Arc::clone(&self.spool), Arc::clone(&self.pending_bytes));
        let working = tokio::task::spawn_blocking(move || {
            let mut spool = spool.lock();
            let done = work(&mut spool);
            let bytes = spool.pending_bytes();
            pending.store(bytes, Ordering::Release);
            metrics::gauge!("frontdesk_log_spool_bytes").set(bytes as f64);
            done
        });
        working.await.map_err(io::Error::other)
    }

    /// Appends to the spool; on success `records` is empty.
    pub(super) async fn append(&self, records: &mut Vec<Record>) -> io::Result<()> {
        self.append_by(records, SpoolFile::append).await
    }

    /// The same, by this function. Whatever becomes of it, also a panic, what is not in the spool is
    /// in `records` again.
    pub(super) async fn append_by(
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
    pub(super) async fn keep(&self, batch: &mut Vec<Record>) {
        loop {
            if self.pending_bytes() == 0 && self.is_up() {
                match clock::within(direct_limit(batch), self.ledger.write(batch)).await {
                    Some(Ok(())) => return self.kept(batch),
                    Some(Err(error)) => self.failed(&error),
                    None => self.doubted(),
                }
            }
            if self.is_spooled(batch).await {
                return;
            }
        }
    }

    /// Writes a batch to the spool. Comes back when it is written.
    pub(super) async fn keep_on_disk(&self, batch: &mut Vec<Record>) {
        while !self.is_spooled(batch).await {}
    }

    /// Tries to write a batch to the spool; pauses where that fails.
    async fn is_spooled(&self, batch: &mut Vec<Record>) -> bool {
        let Err(error) = self.append(batch).await else { return true };
        tracing::error!(kind = %error.kind(), "the spool cannot be written");
        clock::pause(NOWHERE_PAUSE).await;
        false
    }
}

/// How long this batch may take on its way to the database. Calls that end together are no sign
/// of a lost one.
fn direct_limit(batch: &[Record]) -> Duration {
    let is_statement = |record: &&Record| !matches!(record, Record::Event(_));
    let statements = u32::try_from(batch.iter().filter(is_statement).count()).unwrap_or(u32::MAX);
    DIRECT_LIMIT.saturating_add(STATEMENT_TIME.saturating_mul(statements)).min(DIRECT_LIMIT_MAX)
}
