//! The Chromium process: which one, how it is started, and that it ends with the test.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use frontdesk::clock::within;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::DEADLINE;

/// What the browser hears as its microphone. The permission is given without asking.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Microphone {
    /// A beep each second.
    #[default]
    Beep,
    /// A WAV file, again and again.
    File(PathBuf),
}

/// How a browser is started.
#[derive(Debug, Clone, Default)]
pub(crate) struct BrowserOptions {
    pub(crate) microphone: Microphone,
}

/// Keeps the browser, in a process group of its own, until standard input ends. That happens when
/// the test drops its end and when the test's process is killed. Then it ends the whole group and
/// removes the profile folder, which is `$0`.
const KEEPER: &str = r#"
trap '' INT TERM HUP
set -m
"$@" </dev/null &
while kill -0 "$!" 2>/dev/null; do
    read -t 1 -r _
    [ "$?" -gt 128 ] || break
done
# Nobody may read any more, and a word about the end would end this shell.
exec 2>/dev/null
kill -KILL -- "-$!"
wait
rm -rf -- "$0" || rm -rf -- "$0"
"#;

/// Every host name is this machine, so that nothing leaves it. What starts work or traffic of the
/// browser's own is off, and so is what slows a page that nobody looks at.
const FLAGS: [&str; 22] = [
    "--headless",
    "--remote-debugging-port=0",
    "--host-resolver-rules=MAP * 127.0.0.1",
    "--no-proxy-server",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-features=Translate,MediaRouter,OptimizationHints,HttpsUpgrades",
    "--force-color-profile=srgb",
    "--lang=en-US",
    "--mute-audio",
    "--password-store=basic",
];

/// A running Chromium. It ends with this value.
#[derive(Debug)]
pub(crate) struct Process {
    keeper: Child,
    /// Where it listens for the protocol.
    pub(super) address: String,
    profile: TempDir,
}

/// The Chromium that the environment names, or `None` when the tests may go on without.
///
/// # Panics
///
/// When there is none and nobody said that this is well.
fn program() -> Option<PathBuf> {
    let named = std::env::var_os("FRONTDESK_CHROMIUM").expect(
        "FRONTDESK_CHROMIUM is not set: run scripts/test, or set it to what `scripts/browser \
         chromium` prints, or to `none` to go on without the browser tests",
    );
    if named != "none" {
        return Some(named.into());
    }
    let is_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    assert!(!is_ci, "FRONTDESK_CHROMIUM is `none`, and CI is set: the browser tests have to run");
    // The macros' output is kept from the terminal when a test passes. This is not.
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("NOT RUN, because there is no Chromium: {name}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("standard error is open");
    None
}

impl Process {
    /// Starts one and waits until it listens; `None` where the tests go on without.
    pub(super) async fn start(options: &BrowserOptions) -> Option<Self> {
        let program = program()?;
        let profile = tempfile::Builder::new().prefix("frontdesk-browser-").tempdir();
        let profile = profile.expect("a folder for the profile");
        let mut keeper = Command::new("bash")
            .args(["-c", KEEPER])
            .arg(profile.path())
            .arg(&program)
            .args(arguments(profile.path(), options))
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("bash starts");
        let output = keeper.stderr.take().expect("standard error is a pipe");
        let address = listens_at(output);
        // From here on the browser ends with this value, whatever happens.
        let mut process = Self { keeper, address: String::new(), profile };
        let said = within(DEADLINE, address).await.expect("Chromium says where it listens");
        let said = said.expect("the reader of Chromium's output goes on");
        process.address = said.unwrap_or_else(|said| panic!("{program:?} ended: {said}"));
        Some(process)
    }

    /// Its profile folder, which is gone when it is.
    pub(crate) fn profile(&self) -> &Path {
        self.profile.path()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        if let Err(error) = self.keeper.wait() {
            eprintln!("the browser's keeper could not be waited for: {error}");
        }
    }
}

fn arguments(profile: &Path, options: &BrowserOptions) -> Vec<String> {
    let mut arguments: Vec<String> = FLAGS.iter().map(|&flag| flag.to_owned()).collect();
    arguments.push(format!("--user-data-dir={}", profile.display()));
    arguments.push("--use-fake-ui-for-media-stream".to_owned());
    arguments.push("--use-fake-device-for-media-stream".to_owned());
    if let Microphone::File(wav) = &options.microphone {
        arguments.push(format!("--use-file-for-fake-audio-capture={}", wav.display()));
    }
    // Chromium refuses its sandbox to root. The folder just made tells who we are.
    if profile.metadata().is_ok_and(|folder| folder.uid() == 0) {
        arguments.push("--no-sandbox".to_owned());
    }
    arguments.push("about:blank".to_owned());
    arguments
}

/// Reads the browser's output to its end, so that it never waits for a reader. Gives the address
/// that it says, or its last lines when it ends without.
fn listens_at(output: ChildStderr) -> oneshot::Receiver<Result<String, String>> {
    const KEPT_LINES: usize = 10;
    let (tell, told) = oneshot::channel();
    let reads = move || {
        let mut tell = Some(tell);
        let mut last = Vec::new();
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some(address) = line.strip_prefix("DevTools listening on ")
                && let Some(tell) = tell.take()
            {
                // The test may have given up, which is as well.
                let _ = tell.send(Ok(address.to_owned()));
            }
            last.push(line);
            if last.len() > KEPT_LINES {
                last.remove(0);
            }
        }
        if let Some(tell) = tell {
            let _ = tell.send(Err(last.join("\n")));
        }
    };
    #[expect(clippy::disallowed_methods, reason = "it outlives the runtime of the test")]
    drop(std::thread::spawn(reads));
    told
}
