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
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    let old = entries.flatten().filter(|e| e.file_name().to_string_lossy().starts_with(&*begins));
    for entry in old {
        for _ in 0..TRIES {
            match std::fs::remove_dir_all(entry.path()) {
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
