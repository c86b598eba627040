//! What a program that was killed left half done. What it had started ends with it, but not in the
//! same moment: so each attempt has a folder of its own, and nobody waits for long for an old one.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use uuid::Uuid;

use crate::clock::pause;

/// How often a folder that somebody still writes to is tried to be removed.
const TRIES: usize = 20;
/// The pause between two tries.
const TRY_PAUSE: Duration = Duration::from_millis(25);

/// A name for a new attempt, which begins with `path`.
pub(super) fn fresh(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!("-{}", Uuid::new_v4().simple()));
    PathBuf::from(name)
}

/// Removes the folders of earlier attempts: those whose names begin with `path`. What cannot be
/// removed stays for the next time, in nobody's way.
pub(super) async fn clear(path: &Path) {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return };
    let begins = name.to_string_lossy();
    let Ok(mut entries) = tokio::fs::read_dir(parent).await else { return };
    while let Ok(Some(entry)) = entries.next_entry().await {
        if !entry.file_name().to_string_lossy().starts_with(&*begins) {
            continue;
        }
        for _ in 0..TRIES {
            match tokio::fs::remove_dir_all(entry.path()).await {
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {
                    pause(TRY_PAUSE).await
                }
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    tracing::debug!(%error, "what is half done stays");
                    break;
                }
                _ => break,
            }
        }
    }
}
