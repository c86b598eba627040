//! A file of what the database could not be told yet: appended and synced, read back in order,
//! emptied when all of it is told.
//!
//! One file per process, `<instance>.jsonl`, locked for as long as the process lives: a file whose
//! lock can be had is a dead process's, and the lock's loss is the proof. One line per record.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::files::reclaim_folder;
use crate::store::{CompletedCall, EventRow, NewCall, OffStream};

/// How large a spool grows before events are left out. Calls and completions, some kilobytes each,
/// are always written.
pub const SPOOL_BYTES: u64 = 1 << 30;

/// The most records that are read back at once.
pub const BATCH_RECORDS: usize = 512;

/// Reading a batch stops beyond so many bytes.
const BATCH_BYTES: u64 = 4 << 20;

/// What is written to the database, and to the spool while that is away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Record {
    /// A call was answered: its row.
    Call(NewCall),
    /// Something happened in a call: an event.
    Event(EventRow),
    /// A call's caller has left the agent for another party or the fallback.
    #[serde(rename = "outing")]
    #[strum(serialize = "outing")]
    OffStream(OffStream),
    /// A call is over: its completion.
    Completion(CompletedCall),
}

impl Record {
    /// The kind of record, which a log may name.
    pub fn kind(&self) -> &'static str {
        self.into()
    }
}

/// What a spool has to tell next.
#[derive(Debug, Default)]
pub struct Batch {
    /// The records, in the order of their coming.
    pub records: Vec<Record>,
    /// Whole lines that are no records.
    pub unreadable: Vec<Vec<u8>>,
    /// What to [`SpoolFile::advance`] to when they are told.
    pub end: u64,
}

/// A spool, with its lock. All of it blocks.
#[derive(Debug)]
pub struct SpoolFile {
    file: File,
    path: PathBuf,
    length: u64,
    told: u64,
    limit: u64,
    is_retired: bool,
}

impl SpoolFile {
    /// Makes this process's spool. `limit` in bytes: [`SPOOL_BYTES`].
    ///
    /// # Errors
    /// The folder cannot be written, or the instance has a spool already.
    pub fn create(folder: &Path, instance: Uuid, limit: u64) -> io::Result<Self> {
        reclaim_folder(folder)?;
        let path = folder.join(format!("{instance}.jsonl"));
        if path.try_exists()? {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the instance has a spool"));
        }
        let file = new_file(&path)?;
        File::open(folder)?.sync_all()?;
        Ok(Self { file, path, length: 0, told: 0, limit, is_retired: false })
    }

    /// The spools in `folder` whose processes are dead, each with its process. Every other
    /// process finds them locked from now on.
    ///
    /// # Errors
    /// The folder cannot be read. A file that cannot be opened is left alone.
    pub fn orphans(folder: &Path) -> io::Result<Vec<(Uuid, Self)>> {
        let mut orphans = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "jsonl") {
                continue;
            }
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let Some(instance) = stem.and_then(|stem| stem.parse().ok()) else { continue };
            if let Ok(Some(spool)) = Self::adopt(path) {
                orphans.push((instance, spool));
            }
        }
        Ok(orphans)
    }

    fn adopt(path: PathBuf) -> io::Result<Option<Self>> {
        let file = open(&mut OpenOptions::new(), &path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let length = file.metadata()?.len();
        Ok(Some(Self { file, path, length, told: 0, limit: 0, is_retired: false }))
    }

    /// Bytes that are still to be told.
    pub fn pending_bytes(&self) -> u64 {
        self.length - self.told
    }

    /// Appends records and syncs once. Gives how many events were left out because the spool is
    /// full.
    ///
    /// # Errors
    /// The disk refuses; then none of them is in the spool.
    pub fn append(&mut self, records: &[Record]) -> io::Result<usize> {
        let mut lines = Vec::new();
        let mut left_out = 0;
        for record in records {
            let full = self.length + lines.len() as u64 >= self.limit;
            if full && matches!(record, Record::Event(_)) {
                left_out += 1;
                continue;
            }
            serde_json::to_writer(&mut lines, record)?;
            lines.push(b'\n');
        }
        if self.is_retired {
            self.file = new_file(&self.path)?;
            self.is_retired = false;
        }
        let written = self.file.write_all(&lines).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Half a line would spoil the next one.
            self.file.set_len(self.length)?;
            return Err(error);
        }
        self.length += lines.len() as u64;
        Ok(left_out)
    }

    /// What is to be told next, oldest first; empty when all is told. A last line without its end
    /// was being written when its process died, and is passed over.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn read(&self) -> io::Result<Batch> {
        let mut batch = Batch { end: self.told, ..Batch::default() };
        let mut reader = BufReader::new(&self.file);
        reader.seek(SeekFrom::Start(self.told))?;
        while batch.end < self.length
            && batch.records.len() < BATCH_RECORDS
            && batch.end - self.told < BATCH_BYTES
        {
            let mut line = Vec::new();
            let read = reader.read_until(b'\n', &mut line)?;
            batch.end += read as u64;
            if line.last() != Some(&b'\n') {
                batch.end = self.length;
                break;
            }
            match serde_json::from_slice(&line) {
                Ok(record) => batch.records.push(record),
                Err(_) => batch.unreadable.push(line),
            }
        }
        Ok(batch)
    }

    /// Everything before `end` is told. A spool that is told completely is emptied.
    ///
    /// # Errors
    /// The disk refuses; telling it again does no harm.
    pub fn advance(&mut self, end: u64) -> io::Result<()> {
        self.told = end.min(self.length);
        if self.told == self.length && self.length > 0 {
            self.file.set_len(0)?;
            (self.length, self.told) = (0, 0);
        }
        Ok(())
    }

    /// Removes this process's spool if it is empty, so that the next process does not take it for a
    /// dead one's. What is appended all the same makes it anew.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn retire(&mut self) -> io::Result<()> {
        if self.length == 0 && !self.is_retired {
            std::fs::remove_file(&self.path)?;
            self.is_retired = true;
        }
        Ok(())
    }

    /// Removes a spool that is told.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn remove(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}

/// An empty spool with its lock.
fn new_file(path: &Path) -> io::Result<File> {
    // Locked before it has its name: nobody may find it without.
    let unnamed = path.with_extension("new");
    let file = open(OpenOptions::new().create_new(true), &unnamed)?;
    file.try_lock().map_err(io::Error::from)?;
    std::fs::rename(&unnamed, path)?;
    Ok(file)
}

/// Transcripts and numbers are in these files: nobody else may read them.
pub(super) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.read(true).append(true).open(path)
}

#[cfg(test)]
#[path = "spool_tests.rs"]
mod tests;
