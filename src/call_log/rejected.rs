//! Records that the database will never take, kept for a person to look at: one file for each day,
//! removed after two weeks. They hold what a call's row would: numbers and words.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use jiff::Timestamp;

use super::spool::open;

/// Today's file. Those of other days are called `rejected-<date>.jsonl`.
const TODAY: &str = "rejected.jsonl";
/// How large all of them grow together.
const BYTES_MAX: u64 = 64 << 20;
/// How long after the last line a file is removed.
const KEPT: Duration = Duration::from_secs(14 * 24 * 3_600);

/// Keeps lines; `now` is the time since the Unix epoch. Gives whether there was room.
///
/// # Errors
/// The disk refuses.
pub(super) fn keep(folder: &Path, lines: &[Vec<u8>], now: Duration) -> io::Result<bool> {
    let path = folder.join(TODAY);
    if let Some(written) = written(&path)
        && date(written) != date(now)
    {
        std::fs::rename(&path, folder.join(format!("rejected-{}.jsonl", date(written))))?;
    }
    let bytes: u64 =
        files(folder)?.iter().filter_map(|path| Some(path.metadata().ok()?.len())).sum();
    if bytes >= BYTES_MAX {
        return Ok(false);
    }
    let mut file = open(std::fs::OpenOptions::new().create(true), &path)?;
    for line in lines {
        file.write_all(line)?;
    }
    file.sync_data()?;
    Ok(true)
}

/// Removes what has been kept for long enough.
///
/// # Errors
/// The disk refuses.
pub(super) fn expire(folder: &Path, now: Duration) -> io::Result<()> {
    for path in files(folder)? {
        if written(&path).is_some_and(|written| now.saturating_sub(written) > KEPT) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("rejected") && name.ends_with(".jsonl") {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// When a file was last written to, since the Unix epoch; none if it is not there.
fn written(path: &Path) -> Option<Duration> {
    path.metadata().ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()
}

fn date(at: Duration) -> String {
    let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    let at = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%F").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::unix_now;

    #[test]
    fn each_day_has_its_file_and_all_expire() {
        let day = Duration::from_secs(24 * 3_600);
        let folder = tempfile::tempdir().unwrap();
        let lines = vec![b"{}\n".to_vec()];
        let now = unix_now();
        assert!(keep(folder.path(), &lines, now).unwrap());
        assert!(keep(folder.path(), &lines, now).unwrap());
        // The file's own time is now, so tomorrow it is yesterday's.
        assert!(keep(folder.path(), &lines, now + day).unwrap());
        let yesterday = folder.path().join(format!("rejected-{}.jsonl", date(now)));
        assert_eq!(std::fs::read_to_string(yesterday).unwrap(), "{}\n{}\n");
        expire(folder.path(), now + 13 * day).unwrap();
        assert_eq!(files(folder.path()).unwrap().len(), 2);
        expire(folder.path(), now + 15 * day).unwrap();
        assert!(files(folder.path()).unwrap().is_empty());
    }
}
