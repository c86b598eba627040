//! One of the two programs: started, killed, told to end, looked at from outside.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use frontdesk::clock::{self, within};

/// How long it may take to answer calls after its start.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long it may take to end beyond what it may wait for calls.
const END_LIMIT: Duration = Duration::from_secs(30);
const TRY_PAUSE: Duration = Duration::from_millis(20);

/// What a program is started with.
pub(crate) struct Setting {
    /// Its place, and its name in what is said of it.
    pub(crate) name: &'static str,
    /// Holds its data and the logs of each start.
    pub(crate) folder: PathBuf,
    pub(crate) environment: Vec<(&'static str, String)>,
    /// How long it waits for calls when it is told to end.
    pub(crate) drain: Duration,
}

/// A program that runs. It is killed with this value.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
    /// What it took when it had just started.
    pub(crate) at_start: Footprint,
}

/// What a program takes of the machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Footprint {
    pub(crate) resident_kib: u64,
    pub(crate) open_files: u64,
}

impl Setting {
    /// Starts the program, for the `count`th time, on a port of its own choice.
    pub(crate) async fn start(&self, count: usize) -> Program {
        let log = self.folder.join(format!("{}-{count}.log", self.name));
        let mut child = Command::new(env!("CARGO_BIN_EXE_frontdesk"))
            .env_clear()
            .env("PORT", "0")
            .env("BIND", "127.0.0.1")
            .env("DATA_DIR", self.folder.join(self.name))
            .env("DRAIN_SECONDS", self.drain.as_secs().to_string())
            .env("RUST_LOG", "info,frontdesk=debug")
            .envs(self.environment.iter().map(|(name, value)| (name, value.as_str())))
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let starting = async {
            loop {
                let said = std::fs::read_to_string(&log).unwrap();
                assert!(child.try_wait().unwrap().is_none(), "{} ended: {said}", self.name);
                match address(&said) {
                    Some(address) => return address,
                    None => clock::pause(TRY_PAUSE).await,
                }
            }
        };
        let address = within(START_LIMIT, starting).await.expect("the program starts");
        let at_start = footprint(child.id());
        Program { child, address, at_start }
    }

    /// Tells the program to end, and waits until it has.
    pub(crate) async fn terminate(&self, mut program: Program) -> Result<(), String> {
        let kill = format!("kill -TERM {}", program.child.id());
        let told = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(told.success(), "{kill}");
        let ending = async {
            loop {
                match program.child.try_wait().unwrap() {
                    Some(status) => return status,
                    None => clock::pause(TRY_PAUSE).await,
                }
            }
        };
        match within(self.drain + END_LIMIT, ending).await {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("{} ended with {status}", self.name)),
            None => Err(format!("{} did not end when it was told to", self.name)),
        }
    }

    /// All that every start of the program has said.
    pub(crate) fn logs(&self) -> Vec<(PathBuf, String)> {
        let is_ours = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.starts_with(self.name) && name.ends_with(".log")
        };
        let entries = std::fs::read_dir(&self.folder).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path()).filter(is_ours);
        paths.map(|path| (path.clone(), std::fs::read_to_string(&path).unwrap())).collect()
    }

    /// What is left in its spool, by file.
    pub(crate) fn spooled(&self) -> Vec<String> {
        let spool = self.folder.join(self.name).join("spool");
        let Ok(entries) = std::fs::read_dir(spool) else { return Vec::new() };
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| size(path) > 0);
        paths.map(|path| format!("{}: {} bytes", path.display(), size(&path))).collect()
    }
}

impl Program {
    pub(crate) fn footprint(&self) -> Footprint {
        footprint(self.child.id())
    }

    /// The value of one of its metrics that has no labels.
    pub(crate) async fn metric(&self, name: &str) -> Option<f64> {
        let url = format!("http://{}/metrics", self.address);
        let text = frontdesk::tls::http_client()
            .build()
            .unwrap()
            .get(url)
            .send()
            .await
            .ok()?
            .text()
            .await
            .ok()?;
        let of = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok();
        text.lines().find_map(of)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn footprint(pid: u32) -> Footprint {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    Footprint { resident_kib: kib.unwrap_or_default(), open_files: open as u64 }
}

/// Where the program says that it listens, once it answers calls.
fn address(log: &str) -> Option<SocketAddr> {
    let line = log.lines().find(|line| line.contains("answering calls"))?;
    line.split_once(" address=")?.1.split_whitespace().next()?.parse().ok()
}
