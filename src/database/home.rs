//! The database's folder: `DATA_DIR/postgres`, with the data in `cluster`, a lock and the log; and where its
//! server is reached.

use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixStream;
use uuid::Uuid;

use super::DatabaseError;
use crate::clock::within;
use crate::files::blocking;

/// The port in the socket's name, in PostgreSQL's client libraries too.
pub(super) const PORT: &str = "5432";
const SOCKET: &str = ".s.PGSQL.5432";

/// The longest path of a Unix socket in bytes, its final zero included (macOS; Linux has 108).
const SOCKET_PATH_BYTES: usize = 104;

/// How long a server may take to take a connection.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// `DATA_DIR/postgres`.
#[derive(Debug, Clone)]
pub(super) struct Home {
    data_dir: PathBuf,
    folder: PathBuf,
}

impl Home {
    /// The one in `data_dir`, which need not exist.
    pub(super) fn of(data_dir: &Path) -> Result<Self, DatabaseError> {
        let data_dir = std::path::absolute(data_dir)
            .map_err(|source| DatabaseError::Folder { path: data_dir.to_owned(), source })?;
        let folder = data_dir.join("postgres");
        Ok(Self { data_dir, folder })
    }

    pub(super) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The data, owned by the user that the server runs as.
    pub(super) fn cluster(&self) -> PathBuf {
        self.folder.join("cluster")
    }

    /// What the names of data that is being created begin with.
    pub(super) fn unfinished(&self) -> PathBuf {
        self.folder.join("cluster.unfinished")
    }

    /// The path of the server's log.
    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// What a running server writes of itself; the first line is its process.
    pub(super) fn pid_file(&self) -> PathBuf {
        self.cluster().join("postmaster.pid")
    }

    /// The folder that holds all of it.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The PostgreSQL that made the data, if there is any.
    pub(super) async fn version(&self) -> Option<u32> {
        let home = self.clone();
        blocking(move || home.read_version()).await.ok()?
    }

    fn read_version(&self) -> Option<u32> {
        std::fs::read_to_string(self.cluster().join("PG_VERSION")).ok()?.trim().parse().ok()
    }

    pub(super) fn unusable(&self, source: io::Error) -> DatabaseError {
        DatabaseError::Folder { path: self.folder.clone(), source }
    }

    /// Makes the folder, and holds it as long as the file is open: the system lets go of it when
    /// the program dies.
    pub(super) async fn lock(&self) -> Result<File, DatabaseError> {
        let home = self.clone();
        blocking(move || home.take_lock()).await.map_err(|source| self.unusable(source))?
    }

    fn take_lock(&self) -> Result<File, DatabaseError> {
        let earlier = self.data_dir.join("database");
        if earlier.join("cluster").is_dir() {
            if self.read_version().is_none() {
                return Err(DatabaseError::WebAssembly(earlier));
            }
            tracing::warn!(folder = %earlier.display(), "an earlier version's database is not used");
        }
        let unusable = |source| self.unusable(source);
        std::fs::create_dir_all(&self.data_dir).map_err(unusable)?;
        make_private(&self.folder).map_err(unusable)?;
        let lock = File::create(self.folder.join("lock")).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => Err(DatabaseError::InUse(self.folder.clone())),
            Err(TryLockError::Error(source)) => Err(self.unusable(source)),
        }
    }

    /// Gives what was created its name, and if `is_durable` so that it survives a crash of the machine.
    pub(super) fn put_in_place(&self, unfinished: &Path, is_durable: bool) -> io::Result<()> {
        std::fs::rename(unfinished, self.cluster())?;
        if is_durable { File::open(&self.folder)?.sync_all() } else { Ok(()) }
    }

    /// Where clients reach the server. A path that is too long for a socket is reached through a
    /// link in a private folder.
    pub(super) async fn address(&self) -> Result<Address, DatabaseError> {
        let cluster = self.cluster();
        let bytes = cluster.join(SOCKET).as_os_str().as_bytes().len();
        if bytes < SOCKET_PATH_BYTES {
            return Ok(Address { folder: cluster, shortcut: None });
        }
        let shortcut = blocking(move || Shortcut::to(&cluster)).await.and_then(|made| made);
        let shortcut = shortcut.map_err(|source| self.unusable(source))?;
        Ok(Address { folder: shortcut.0.join("cluster"), shortcut: Some(shortcut) })
    }
}

/// Where a database of the program's own listens.
#[derive(Debug)]
pub struct Address {
    folder: PathBuf,
    #[expect(dead_code, reason = "removes the link when it is dropped")]
    shortcut: Option<Shortcut>,
}

impl Address {
    /// The folder that its socket is in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether a server listens at this address.
    pub(super) async fn answers(&self) -> bool {
        let connecting = UnixStream::connect(self.folder.join(SOCKET));
        matches!(within(ANSWER_LIMIT, connecting).await, Some(Ok(_)))
    }
}

/// A private folder in `/tmp` with a link in it.
#[derive(Debug)]
struct Shortcut(PathBuf);

impl Shortcut {
    fn to(cluster: &Path) -> io::Result<Self> {
        let folder = PathBuf::from(format!("/tmp/frontdesk-{}", Uuid::new_v4().simple()));
        // Fails if somebody else made it.
        DirBuilder::new().mode(0o700).create(&folder)?;
        std::os::unix::fs::symlink(cluster, folder.join("cluster"))?;
        Ok(Self(folder))
    }
}

impl Drop for Shortcut {
    fn drop(&mut self) {
        // If this fails, the folder stays in the system's temporary folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes a folder that only this user may enter.
pub(super) fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_long_path_is_reached_by_a_short_one_that_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let long = folder.path().join("x".repeat(120));
        let home = Home::of(&long).unwrap();
        std::fs::create_dir_all(home.cluster()).unwrap();
        let address = home.address().await.unwrap();
        let short = address.folder().to_owned();
        assert!(short.as_os_str().len() + SOCKET.len() < SOCKET_PATH_BYTES);
        std::fs::write(short.join("seen"), "").unwrap();
        assert!(home.cluster().join("seen").exists());
        drop(address);
        assert!(!short.exists() && home.cluster().join("seen").exists());
    }

    #[tokio::test]
    async fn an_earlier_versions_database_is_named_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let earlier = folder.path().join("database/cluster");
        std::fs::create_dir_all(&earlier).unwrap();
        let refusal = Home::of(folder.path()).unwrap().lock().await.unwrap_err();
        assert!(matches!(refusal, DatabaseError::WebAssembly(_)), "{refusal}");
        let said = refusal.to_string();
        assert!(said.contains("pg_dump") && said.contains("move this folder away"), "{said}");
        assert!(earlier.is_dir() && !folder.path().join("postgres").exists());
    }
}
