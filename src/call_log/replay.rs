//! Watches whether the database is there, and tells it what is in the spools: this process's and
//! those of processes that died.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;

use super::rejected;
use super::shared::Shared;
use super::spool::{Batch, SpoolFile};
use crate::clock::{self, Stopwatch};
use crate::files::blocking;
use crate::store::{Presence, StoreError};

/// How often the database is asked whether it is there.
const PROBE_PAUSE: Duration = Duration::from_secs(1);

/// How long it may take to say so.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// How often the spools of dead processes are looked for.
const ORPHANS_PAUSE: Duration = Duration::from_secs(5);

/// How often it is asked why the database is away, while it is.
const OUTAGE_PAUSE: Duration = Duration::from_secs(5);

/// How long no connection may come free before it is asked whether a new one could be opened: a role or
/// a server that takes no more of them is like a database that is away.
const BUSY_PATIENCE: Duration = Duration::from_secs(10);

/// How often rejected records are looked at for age.
const EXPIRE_PAUSE: Duration = Duration::from_secs(3_600);

/// Runs until it is told to stop and this process's spool is told, or the database is away.
pub(super) async fn run(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let mut orphans = Vec::new();
    let (mut looked, mut expired): (Option<Stopwatch>, Option<Stopwatch>) = (None, None);
    let (mut asked_why, mut busy): (Option<Stopwatch>, Option<Stopwatch>) = (None, None);
    loop {
        let stopping = *stop.borrow();
        shared.report_dropped();
        let up = probe(&shared, &mut busy).await;
        let told = up && tell_own(&shared).await;
        if stopping {
            return;
        }
        if shared.is_up() {
            asked_why = None;
        } else if asked_why.is_none_or(|asked| asked.elapsed() >= OUTAGE_PAUSE) {
            asked_why = Some(Stopwatch::start());
            tokio::select! {
                _ = shared.store.tell_outage() => {}
                _ = stop.changed() => continue,
            }
        }
        if told && looked.is_none_or(|looked| looked.elapsed() >= ORPHANS_PAUSE) {
            looked = Some(Stopwatch::start());
            orphans.extend(find_orphans(&shared).await);
        }
        if expired.is_none_or(|expired| expired.elapsed() >= EXPIRE_PAUSE) {
            expired = Some(Stopwatch::start());
            expire(&shared).await;
        }
        // A batch at a time: this process's own spool must not wait for a large one.
        if told && tell_next_orphan(&shared, &mut orphans).await {
            continue;
        }
        tokio::select! {
            () = shared.trouble.notified() => {}
            () = clock::pause(PROBE_PAUSE) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Whether the database answers. `busy`: since when it is there and has no connection free.
async fn probe(shared: &Shared, busy: &mut Option<Stopwatch>) -> bool {
    match shared.store.presence(PROBE_LIMIT).await {
        Ok(Presence::Answers) => {
            *busy = None;
            shared.found();
            return true;
        }
        Err(error) if error.is_lost() => {
            *busy = None;
            shared.lost(&error);
            return false;
        }
        // The state stays as it was, and the spool is not replayed: that needs a connection too.
        Ok(Presence::Busy) | Err(_) => {
            metrics::counter!("frontdesk_database_busy_total").increment(1);
        }
    }
    let since = busy.get_or_insert_with(Stopwatch::start);
    if shared.is_up() && since.elapsed() >= BUSY_PATIENCE {
        *since = Stopwatch::start();
        // The pool only says that none came free: it tries again by itself where none is given.
        if shared.store.trouble().await.is_some() {
            shared.lost(&StoreError::Away("no connection is given".to_owned()));
        }
    }
    false
}

/// Tells this process's spool to its end; whether that was reached.
async fn tell_own(shared: &Shared) -> bool {
    loop {
        let batch = match flat(shared.on_spool(|spool| spool.read()).await) {
            Ok(batch) => batch,
            Err(error) => return unreadable(&error),
        };
        if is_empty(&batch) {
            return true;
        }
        let end = batch.end;
        if !tell(shared, batch).await {
            return false;
        }
        if let Err(error) = flat(shared.on_spool(move |spool| spool.advance(end)).await) {
            return unreadable(&error);
        }
    }
}

/// Removes rejected records that were kept for long enough.
async fn expire(shared: &Shared) {
    let (folder, now) = (shared.spool_dir.clone(), clock::unix_now());
    if let Err(error) = flat(blocking(move || rejected::expire(&folder, now)).await) {
        tracing::warn!(kind = %error.kind(), "old rejected records could not be removed");
    }
}

async fn find_orphans(shared: &Shared) -> Vec<(Uuid, SpoolFile)> {
    let folder = shared.spool_dir.clone();
    flat(blocking(move || SpoolFile::orphans(&folder)).await).unwrap_or_else(|error| {
        unreadable(&error);
        Vec::new()
    })
}

/// Tells a batch of a dead process's spool, or removes the spool when it is told; whether there
/// may be more to do. Only then is a process reported dead: its calls are completed from their
/// events, so those are written first.
async fn tell_next_orphan(shared: &Shared, orphans: &mut Vec<(Uuid, SpoolFile)>) -> bool {
    let Some((instance, spool)) = orphans.pop() else { return false };
    match tell_orphan(shared, spool).await {
        Ok(Told::Nothing(spool)) => {
            orphans.push((instance, spool));
            false
        }
        Ok(Told::Some(spool)) => {
            orphans.push((instance, spool));
            true
        }
        Ok(Told::All) => {
            tracing::info!(%instance, "the spool of a dead process is told");
            shared.proven_dead.lock().push(instance);
            true
        }
        // Let go, it is found again.
        Err(error) => unreadable(&error),
    }
}

/// How far a dead process's spool was told.
enum Told {
    /// The database went away.
    Nothing(SpoolFile),
    /// A batch.
    Some(SpoolFile),
    /// To its end, and it is removed.
    All,
}

async fn tell_orphan(shared: &Shared, spool: SpoolFile) -> io::Result<Told> {
    let (read, mut spool) = blocking(move || (spool.read(), spool)).await?;
    let batch = read?;
    if is_empty(&batch) {
        return blocking(move || spool.remove()).await?.map(|()| Told::All);
    }
    let end = batch.end;
    if !tell(shared, batch).await {
        return Ok(Told::Nothing(spool));
    }
    blocking(move || spool.advance(end).map(|()| Told::Some(spool))).await?
}

/// Writes a batch; whether the database took it.
async fn tell(shared: &Shared, mut batch: Batch) -> bool {
    if let Err(error) = shared.ledger.write(&mut batch.records).await {
        shared.failed(&error);
        return false;
    }
    if !batch.unreadable.is_empty() {
        tracing::error!(lines = batch.unreadable.len(), "a spool has lines that are no records");
        shared.ledger.keep_rejected(batch.unreadable).await;
    }
    true
}

fn is_empty(batch: &Batch) -> bool {
    batch.records.is_empty() && batch.unreadable.is_empty()
}

fn unreadable(error: &io::Error) -> bool {
    tracing::error!(kind = %error.kind(), "a spool cannot be read");
    false
}

fn flat<T>(result: io::Result<io::Result<T>>) -> io::Result<T> {
    result.and_then(|inner| inner)
}
