//! Folders and files that nobody else on the machine may read: recordings, and what is on its way
//! to the database; and where files are waited for.

use std::io;
use std::path::Path;

/// Does something with files, on a thread that may block: those of the runtime carry the calls' audio.
///
/// # Errors
/// It panicked, or the runtime ends.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}

/// Makes a folder, and those above it that are not there, for this user alone. One that is there is
/// closed to others, if it is ours.
///
/// # Errors
/// It cannot be made.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    if let Err(error) = close(folder) {
        tracing::warn!(kind = %error.kind(), folder = %folder.display(),
            "a folder with private files cannot be closed to other users");
    }
    Ok(())
}

/// The same, and all that is in it already is closed to others: a process that was started otherwise,
/// or a restored backup, may have left it open.
///
/// # Errors
/// It cannot be made.
pub fn reclaim_folder(folder: &Path) -> io::Result<()> {
    create_folder(folder)?;
    let refused = close_all(folder);
    if refused > 0 {
        tracing::warn!(refused, folder = %folder.display(),
            "private files cannot be closed to other users");
    }
    Ok(())
}

/// Takes others' rights to a file or folder away. Links are left alone.
///
/// # Errors
/// It is somebody else's, or gone.
pub fn close(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let metadata = path.symlink_metadata()?;
        let mode = metadata.permissions().mode();
        if !metadata.is_symlink() && mode & 0o077 != 0 {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & 0o700))?;
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Closes a folder, and all that is in it, to others. What cannot be closed is passed over; gives
/// how much that was.
pub fn close_all(folder: &Path) -> usize {
    let mut refused = usize::from(close(folder).is_err());
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        refused += match is_folder {
            true => close_all(&entry.path()),
            // One that is gone needs nothing.
            false => usize::from(
                close(&entry.path()).is_err_and(|error| error.kind() != io::ErrorKind::NotFound),
            ),
        };
    }
    refused
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_others_could_read_is_closed_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("agent");
        std::fs::create_dir(&inner).unwrap();
        let file = inner.join("call.ogg");
        std::fs::write(&file, "OggS").unwrap();
        let open = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        open(folder.path(), 0o755);
        open(&inner, 0o755);
        open(&file, 0o644);
        create_folder(folder.path()).unwrap();
        assert_eq!(mode(folder.path()), 0o700);
        assert_eq!(close_all(folder.path()), 0);
        assert_eq!((mode(&inner), mode(&file)), (0o700, 0o600));
        create_folder(&folder.path().join("a/b")).unwrap();
        assert_eq!(mode(&folder.path().join("a/b")), 0o700);
    }
}
