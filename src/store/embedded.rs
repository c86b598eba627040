//! PostgreSQL in this process, for trying Frontdesk, for tests and for one small business.
//!
//! It is PostgreSQL 17 with pgvector in WebAssembly. It serves ONE connection at a time: a second
//! one waits until the first is closed. So its pool has one connection, and nothing can LISTEN. It
//! listens on a Unix socket in its own directory, which only this user may enter, and not on TCP.
//!
//! The server ends for good when a client goes away before its answer is written, as a pool's
//! connection may at any time. So clients reach it through a relay, which reads every answer to its
//! end, whether or not somebody still wants it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pglite_oxide::{PgliteServer, extensions};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use tokio::io::{AsyncWriteExt, copy, sink};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::clock::{pause, spawn, within};

/// A Unix socket's path, its final zero included, has this many bytes at most (Linux; 104 on
/// macOS).
const SOCKET_PATH_BYTES: usize = 104;

/// PostgreSQL names a socket after a port, in its client libraries too.
const SOCKET_NAME: &str = ".s.PGSQL.5432";

/// The socket of the server itself, behind the relay.
const BACKEND_NAME: &str = ".backend";

/// How long [`Embedded::shut_down`] waits for a connection that nobody closes.
const LAST_CONNECTION_LIMIT: Duration = Duration::from_secs(5);

/// How long the relay rests after the system refused it a connection.
const ACCEPT_REST: Duration = Duration::from_millis(100);

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
    directory: PathBuf,
    running: Option<Running>,
}

/// What must end, in this order.
#[derive(Debug)]
struct Running {
    stop: oneshot::Sender<()>,
    relay: JoinHandle<()>,
    server: Server,
}

/// The server, and the lock on its directory: held as long as the server runs, and let go of by the
/// system when the process dies.
#[derive(Debug)]
struct Server {
    server: PgliteServer,
    _lock: File,
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
        let server = {
            let directory = directory.clone();
            // Unpacking and the first start block for a second or so.
            tokio::task::spawn_blocking(move || Server::start(directory))
                .await
                .unwrap_or_else(|error| Err(EmbeddedError::Server(error.to_string())))?
        };
        let listener = UnixListener::bind(directory.join(SOCKET_NAME))
            .map_err(|error| EmbeddedError::Directory { path: directory.clone(), error })?;
        let (stop, stopped) = oneshot::channel();
        let relay = spawn(relay_each(listener, directory.join(BACKEND_NAME), stopped));
        Ok(Self { directory, running: Some(Running { stop, relay, server }) })
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

    /// Ends the database once its connection is closed: close the pool first. A connection that
    /// stays open is cut after five seconds.
    ///
    /// # Errors
    ///
    /// The server ended badly. Its data is as safe as after a crash.
    pub async fn shut_down(mut self) -> Result<(), EmbeddedError> {
        let Some(Running { stop, mut relay, server }) = self.running.take() else { return Ok(()) };
        drop(stop);
        if within(LAST_CONNECTION_LIMIT, &mut relay).await.is_none() {
            relay.abort();
        }
        tokio::task::spawn_blocking(move || server.end())
            .await
            .unwrap_or_else(|error| Err(EmbeddedError::Server(error.to_string())))
    }
}

impl Drop for Embedded {
    /// The server waits for its connection to close, and whoever drops this may be the one that
    /// holds it: so a thread of its own waits.
    fn drop(&mut self) {
        let Some(Running { stop, relay: _, server }) = self.running.take() else { return };
        drop(stop);
        let waits = move || {
            if let Err(error) = server.end() {
                tracing::warn!(%error, "the embedded database ended badly");
            }
        };
        #[expect(clippy::disallowed_methods, reason = "the embedded database's one thread")]
        std::thread::spawn(waits);
    }
}

impl Server {
    fn start(directory: PathBuf) -> Result<Self, EmbeddedError> {
        if directory.join(SOCKET_NAME).as_os_str().len() >= SOCKET_PATH_BYTES {
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
        // With the lock held, a socket that is there is a dead process's.
        match std::fs::remove_file(directory.join(SOCKET_NAME)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(error)),
            _ => {}
        }
        let server = PgliteServer::builder()
            .path(directory.join("cluster"))
            .unix(directory.join(BACKEND_NAME))
            .database("postgres")
            .extension(extensions::VECTOR)
            .start()
            .map_err(|error| EmbeddedError::Server(format!("{error:#}")))?;
        Ok(Self { server, _lock: lock })
    }

    /// Blocks until the server's connection is closed.
    fn end(self) -> Result<(), EmbeddedError> {
        self.server.shutdown().map_err(|error| EmbeddedError::Server(format!("{error:#}")))
    }
}

/// Relays one connection after another, as the server takes them, until `stopped`.
async fn relay_each(listener: UnixListener, backend: PathBuf, mut stopped: oneshot::Receiver<()>) {
    loop {
        let accepted = tokio::select! {
            biased;
            _ = &mut stopped => return,
            accepted = listener.accept() => accepted,
        };
        let relayed = match accepted {
            Ok((client, _)) => relay(client, &backend).await,
            Err(error) => {
                pause(ACCEPT_REST).await;
                Err(error)
            }
        };
        if let Err(error) = relayed {
            tracing::error!(%error, "the embedded database takes no connection");
        }
    }
}

/// Relays a connection until the server has closed it.
async fn relay(client: UnixStream, backend: &Path) -> io::Result<()> {
    let (mut from_backend, mut to_backend) = UnixStream::connect(backend).await?.into_split();
    let (mut from_client, mut to_client) = client.into_split();
    let asks = async {
        // However the client ended, the server is told that nothing more comes.
        let _ = copy(&mut from_client, &mut to_backend).await;
        let _ = to_backend.shutdown().await;
        std::future::pending::<()>().await;
    };
    let answers = async {
        if copy(&mut from_backend, &mut to_client).await.is_err() {
            // The client has gone; what is still written to it is read all the same.
            let _ = copy(&mut from_backend, &mut sink()).await;
        }
    };
    tokio::select! {
        () = asks => {}
        () = answers => {}
    }
    Ok(())
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
