//! The server's log: a file that does not grow for ever.

use std::io;
use std::path::{Path, PathBuf};

use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;

/// The longest log. One that has come to it is kept as `….1`, and a new one begun.
const BYTES_MAX: u64 = 1024 * 1024;

/// An open log.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl LogFile {
    /// Opens the log at `path`, or goes on with the one that is there.
    pub(super) async fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path).await?;
        let bytes = file.metadata().await?.len();
        Ok(Self { path: path.to_owned(), file, bytes })
    }

    /// Adds some output. The server does not wait for a log that cannot be written.
    pub(super) async fn add(&mut self, output: &[u8]) {
        if let Err(error) = self.try_add(output).await {
            tracing::debug!(%error, "PostgreSQL's log cannot be written");
        }
    }

    async fn try_add(&mut self, output: &[u8]) -> io::Result<()> {
        if self.bytes >= BYTES_MAX {
            let mut before = self.path.clone().into_os_string();
            before.push(".1");
            tokio::fs::rename(&self.path, before).await?;
            *self = Self::open(&self.path).await?;
        }
        self.file.write_all(output).await?;
        self.file.flush().await?;
        self.bytes += output.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_bounded_and_keeps_what_was_last() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.log");
        let mut log = LogFile::open(&path).await.unwrap();
        let block = vec![b'x'; 256 * 1024];
        for _ in 0..20 {
            log.add(&block).await;
        }
        log.add(b"last\n").await;
        drop(log);
        let mut log = LogFile::open(&path).await.unwrap();
        log.add(b"again\n").await;
        let kept = std::fs::read_to_string(&path).unwrap();
        assert!(kept.ends_with("last\nagain\n"));
        let bytes: u64 =
            std::fs::read_dir(&folder).unwrap().map(|f| f.unwrap().metadata().unwrap().len()).sum();
        assert!(bytes <= 2 * (BYTES_MAX + 256 * 1024), "{bytes}");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
    }
}
