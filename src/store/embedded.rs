//! PostgreSQL in this process, for trying Frontdesk, for tests and for one small business.
//!
//! It is PostgreSQL 17 with pgvector in WebAssembly. It serves ONE connection at a time: a second
//! one waits until the first is closed. So its pool has one connection, and nothing can LISTEN. It
//! listens on a Unix socket in its own directory, which only this user may enter, and not on TCP.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use pglite_oxide::{PgliteServer, extensions};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};

/// A Unix socket's path, its final zero included, has this many bytes at most (Linux; 104 on
/// macOS).
const SOCKET_PATH_BYTES: usize = 104;

/// PostgreSQL names a socket after a port, in its client libraries too.
const SOCKET_NAME: &str = ".s.PGSQL.5432";

/// Why the embedded database did not start.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Another process has this directory's database open.
    #[error("the embedded database in {0} is in use by another process: stop it, or set DATA_DIR")]
    InUse(PathBuf),
    /// The path of the directory is longer than a Unix socket's may be.
    #[error("the path {0} is too long for the embedded database's socket: set a shorter DATA_DIR")]
    PathTooLong(PathBuf),
    /// The directory cannot be made or locked.
    #[error("the embedded database's directory {path} cannot be used: {error}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The server itself failed.
    #[error("the embedded database did not start: {0}")]
    Server(String),
}

/// A running embedded database. Dropped, it ends by itself once its connection is closed;
/// [`Embedded::shut_down`] waits for that.
#[derive(Debug)]
pub struct Embedded {
    server: Option<PgliteServer>,
    directory: PathBuf,
    // Held as long as the server runs; the system lets go of it when the process dies.
    lock: Option<File>,
}

impl Embedded {
    /// Starts the database under `data_dir` (in its folder `database`), creating it the first
    /// time. What a killed process left behind does not matter.
    ///
    /// # Errors
    ///
    /// [`EmbeddedError`]; each names the directory and what to do.
    pub async fn start(data_dir: &Path) -> Result<Self, EmbeddedError> {
        let directory = data_dir.join("database");
        // Unpacking and the first start block for a second or so.
        tokio::task::spawn_blocking(move || Self::start_blocking(directory))
            .await
            .unwrap_or_else(|error| Err(EmbeddedError::Server(error.to_string())))
    }

    fn start_blocking(directory: PathBuf) -> Result<Self, EmbeddedError> {
        let socket = directory.join(SOCKET_NAME);
        if socket.as_os_str().len() >= SOCKET_PATH_BYTES {
            return Err(EmbeddedError::PathTooLong(directory));
        }
        let unusable = |error| EmbeddedError::Directory { path: directory.clone(), error };
        make_private(&directory).map_err(unusable)?;
        // The server has a lock of its own; this one tells a second process from other failures.
        let lock = File::create(directory.join("lock")).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(EmbeddedError::InUse(directory)),
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let server = PgliteServer::builder()
            .path(directory.join("cluster"))
            .unix(socket)
            .database("postgres")
            .extension(extensions::VECTOR)
            .start()
            .map_err(|error| EmbeddedError::Server(format!("{error:#}")))?;
        Ok(Self { server: Some(server), directory, lock: Some(lock) })
    }

    /// How to connect. Only one connection is served at a time: see [`Embedded::pool`].
    pub fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.directory)
            .port(5432)
            .username("postgres")
            .database("postgres")
            .ssl_mode(PgSslMode::Disable)
    }

    /// A pool of the one connection, kept for as long as the pool is: each new one starts a
    /// backend, which takes about 0.4 s.
    ///
    /// # Errors
    ///
    /// The connection failed.
    pub async fn pool(&self) -> Result<PgPool, sqlx::Error> {
        PgPoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(self.options())
            .await
    }

    /// Ends the database once its connection is closed: close the pool first.
    ///
    /// # Errors
    ///
    /// The server ended badly. Its data is as safe as after a crash.
    pub async fn shut_down(mut self) -> Result<(), EmbeddedError> {
        let (server, lock) = (self.server.take(), self.lock.take());
        tokio::task::spawn_blocking(move || {
            let ended = server.map_or(Ok(()), PgliteServer::shutdown);
            drop(lock);
            ended.map_err(|error| EmbeddedError::Server(format!("{error:#}")))
        })
        .await
        .unwrap_or_else(|error| Err(EmbeddedError::Server(error.to_string())))
    }
}

impl Drop for Embedded {
    /// The server waits for its connection to close, and whoever drops this may be the one that
    /// holds it: so a thread of its own waits.
    fn drop(&mut self) {
        let (Some(server), lock) = (self.server.take(), self.lock.take()) else { return };
        let waits = move || {
            drop(server);
            drop(lock);
        };
        #[expect(clippy::disallowed_methods, reason = "the embedded database's one thread")]
        std::thread::spawn(waits);
    }
}

/// Makes a directory that only this user may enter: the server trusts whoever reaches its socket.
fn make_private(directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}
