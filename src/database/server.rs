//! One run of the server: started, watched, stopped.

use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::task::JoinHandle;

use super::DatabaseError;
use super::account::Account;
use super::binaries::Binaries;
use super::home::{Home, PORT};
use super::log_file::LogFile;
use super::process::{self, exit, last_words, receiver};
use crate::clock::{self, Stopwatch, pause, within};

/// How long the server may take to be ready. After a crash of the machine it first repeats what was
/// written last, at most `max_wal_size` of it.
const START_LIMIT: Duration = Duration::from_secs(120);
/// How long the server may take to write everything down when it is stopped.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// How long a server that a killed program left behind is waited for.
const TAKEOVER_LIMIT: Duration = Duration::from_secs(30);
/// How long until it is looked at again.
const TAKEOVER_PAUSE: Duration = Duration::from_millis(50);
/// How much of what the server says is searched for what it says when it is ready.
const RECENT_BYTES: usize = 4096;

/// Said when the server takes connections, in every version.
const READY: &str = "database system is ready to accept connections";
/// Said when a server before it, or what that started, still runs.
const OCCUPIED: [&str; 2] = ["lock file \"postmaster.pid\"", "pre-existing shared memory block"];

/// Runs the server in the folder; its process becomes the server's. Beside it a shell reads from the program's pipe. A line means that the server is gone;
/// the end of the pipe, that the program is, and the server is told to end: at once, with what is
/// committed written down.
const SERVE: &str = r#"
exec 3<&0 </dev/null
( trap '' TERM HUP INT
( read -r line <&3 || kill -INT $$ ) 5<&- >/dev/null 2>&1 & )
exec 3<&-
folder=$1 postgres=$2
shift 2
exec "$postgres" -D "$folder" "$@"
"#;

/// Stops the server that runs in the folder.
const STOP: &str = r#"read -r pid <"$1/postmaster.pid" && kill -INT "$pid""#;

/// What holds for every start, whatever the files in the folder say: nothing on the network, little
/// memory, no shared memory that a container may not have, and no row in the log.
const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", ""),
    ("unix_socket_directories", "."),
    ("unix_socket_permissions", "0700"),
    ("max_connections", "64"),
    ("shared_buffers", "64MB"),
    ("maintenance_work_mem", "64MB"),
    ("max_wal_size", "256MB"),
    ("wal_level", "minimal"),
    ("max_wal_senders", "0"),
    ("max_logical_replication_workers", "0"),
    ("max_parallel_workers_per_gather", "0"),
    ("max_parallel_maintenance_workers", "0"),
    ("jit", "off"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("lc_messages", "C"),
    ("log_destination", "stderr"),
    ("logging_collector", "off"),
    ("log_line_prefix", "%m [%p] "),
    // What the server says of itself. What is wrong with a statement may quote a row; the program
    // that made the statement logs its SQLSTATE.
    ("log_min_messages", "log"),
    ("log_min_error_statement", "panic"),
    ("log_error_verbosity", "terse"),
    ("log_checkpoints", "off"),
];

/// For data that must survive a crash of the machine.
const DURABLE: &[(&str, &str)] =
    &[("fsync", "on"), ("full_page_writes", "on"), ("synchronous_commit", "on")];
/// For data that is thrown away: it survives the end of the server, not that of the machine.
const THROWN_AWAY: &[(&str, &str)] =
    &[("fsync", "off"), ("full_page_writes", "off"), ("synchronous_commit", "on")];

/// What a server is started with.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) home: Home,
    pub(super) account: Account,
    pub(super) binaries: Binaries,
    pub(super) is_durable: bool,
}

/// A server that takes connections. Dropped, it stops by itself.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    /// The pipe that the shell beside the server waits on.
    pipe: Option<ChildStdin>,
    /// Writes its log; ends with it. None: it has ended.
    log: Option<JoinHandle<()>>,
}

enum NotStarted {
    /// Another server still has the folder.
    Occupied(String),
    Failed(DatabaseError),
}

impl Launch {
    /// Starts the server. One that a killed program left behind is stopped first.
    pub(super) async fn start(&self) -> Result<Server, DatabaseError> {
        let since = Stopwatch::start();
        loop {
            self.stop_one_left_behind().await?;
            match self.launch().await {
                Ok(server) => return Ok(server),
                Err(NotStarted::Failed(error)) => return Err(error),
                Err(NotStarted::Occupied(why)) if since.elapsed() > TAKEOVER_LIMIT => {
                    return Err(self.failed(why));
                }
                Err(NotStarted::Occupied(_)) => pause(TAKEOVER_PAUSE).await,
            }
        }
    }

    /// The lock is ours, so that whatever runs in the folder is of a program that was killed.
    async fn stop_one_left_behind(&self) -> Result<(), DatabaseError> {
        let unusable = |source| self.home.unusable(source);
        let pid_file = self.home.pid_file();
        let Ok(text) = tokio::fs::read_to_string(&pid_file).await else { return Ok(()) };
        let address = self.home.address().await?;
        if !address.answers().await {
            // PostgreSQL believes in any process that has the number now.
            if let Some(pid) = text.lines().next()
                && is_something_else(pid).await
            {
                tokio::fs::remove_file(&pid_file).await.map_err(unusable)?;
            }
            return Ok(());
        }
        tracing::warn!("a PostgreSQL that a killed program left behind is stopped");
        let mut stop = self.account.script(STOP, &self.home.cluster()).await.map_err(unusable)?;
        if !matches!(within(STOP_LIMIT, process::run(&mut stop)).await, Some(Ok(done)) if done.status.success())
        {
            tracing::warn!("it cannot be told to end");
        }
        let since = Stopwatch::start();
        while address.answers().await && since.elapsed() < STOP_LIMIT {
            pause(TAKEOVER_PAUSE).await;
        }
        Ok(())
    }

    async fn launch(&self) -> Result<Server, NotStarted> {
        let unusable = |source| NotStarted::Failed(self.home.unusable(source));
        let mut log = LogFile::open(&self.home.log()).await.map_err(unusable)?;
        let mut child = self.spawn().await.map_err(unusable)?;
        let pipe = child.stdin.take();
        let errors = child.stderr.take().expect("its errors are piped");
        let mut output = receiver(errors).map_err(unusable)?;
        let said = match within(START_LIMIT, until_ready(&mut output, &mut log)).await {
            Some(Ok(())) => {
                let log = clock::spawn(write_down(output, log));
                return Ok(Server { child, pipe, log: Some(log) });
            }
            Some(Err(said)) => said,
            None => return Err(NotStarted::Failed(self.failed("it takes too long".to_owned()))),
        };
        // The server has closed its output, so it has ended or is about to.
        let _ = within(STOP_LIMIT, exit(&mut child)).await;
        end_watch(pipe);
        match OCCUPIED.iter().any(|words| said.contains(words)) {
            true => Err(NotStarted::Occupied(said)),
            false => Err(NotStarted::Failed(self.failed(said))),
        }
    }

    async fn spawn(&self) -> std::io::Result<Child> {
        let mut command = self.account.script(SERVE, &self.home.cluster()).await?;
        command.arg(self.binaries.bin.join("postgres")).arg("-p").arg(PORT);
        let care = if self.is_durable { DURABLE } else { THROWN_AWAY };
        for (name, value) in SETTINGS.iter().chain(care) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()
    }

    fn failed(&self, why: String) -> DatabaseError {
        DatabaseError::Start { log: self.home.log(), why }
    }
}

impl Server {
    /// Done when the server has ended by itself; gives how.
    pub(super) async fn ended(&mut self) -> String {
        self.log_ended().await;
        let status = match within(STOP_LIMIT, exit(&mut self.child)).await {
            Some(status) => status,
            // Whatever ended its log: nobody can say any more how it is.
            None => self.child.kill().and_then(|()| self.child.wait()),
        };
        end_watch(self.pipe.take());
        match status {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// Its output ends with the last process that it started.
    async fn log_ended(&mut self) {
        if let Some(log) = &mut self.log {
            let _ = log.await;
            self.log = None;
        }
    }

    /// Stops it: connections are closed, what is committed is written down.
    pub(super) async fn stop(mut self) {
        drop(self.pipe.take());
        let ending = async {
            self.log_ended().await;
            exit(&mut self.child).await
        };
        if within(STOP_LIMIT, ending).await.is_none() {
            tracing::warn!("PostgreSQL does not end; it is killed and will recover");
            // The process may have ended just now, so an error is no news.
            let _ = self.child.kill();
            let _ = within(STOP_LIMIT, exit(&mut self.child)).await;
        }
    }
}

/// Tells the shell beside a server that the server is gone: its process may be another's soon.
fn end_watch(pipe: Option<ChildStdin>) {
    if let Some(mut pipe) = pipe {
        // The shell may be gone too.
        let _ = pipe.write_all(b"gone\n");
    }
}

/// Reads until the server is ready. Gives what it said last if it ends before.
async fn until_ready(output: &mut Receiver, log: &mut LogFile) -> Result<(), String> {
    let mut recent = Vec::new();
    let mut buffer = vec![0; 1024];
    loop {
        let read = output.read(&mut buffer).await.unwrap_or(0);
        if read == 0 {
            return Err(last_words(&recent));
        }
        log.add(&buffer[..read]).await;
        recent.extend_from_slice(&buffer[..read]);
        if String::from_utf8_lossy(&recent).contains(READY) {
            return Ok(());
        }
        recent.drain(..recent.len().saturating_sub(RECENT_BYTES));
    }
}

/// Writes down what the server says, until it ends.
async fn write_down(mut output: Receiver, mut log: LogFile) {
    let mut buffer = vec![0; 1024];
    while let Ok(read @ 1..) = output.read(&mut buffer).await {
        log.add(&buffer[..read]).await;
    }
}

/// Whether the process of this number is known to be no PostgreSQL. Only Linux says so.
async fn is_something_else(pid: &str) -> bool {
    let name = tokio::fs::read_to_string(Path::new("/proc").join(pid.trim()).join("comm"));
    name.await.is_ok_and(|name| !name.starts_with("postgres"))
}
