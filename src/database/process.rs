//! Other programs, started and waited for without a thread that blocks.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

use crate::clock::pause;

/// How much of what a program says is kept: its end.
const SAID_BYTES_MAX: usize = 64 * 1024;
/// How often a program that has closed its output is looked at until it has ended.
const EXIT_PAUSE: Duration = Duration::from_millis(5);

/// How a program ended and what it said.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) status: ExitStatus,
    /// Nothing if its output went elsewhere.
    pub(super) output: Vec<u8>,
    pub(super) errors: Vec<u8>,
}

/// What a script begins with whose programs end with us, also when we are killed: a shell beside it
/// waits for the end of the pipe that is its input, and then kills what is left of its process group.
/// The group keeps its number as long as that shell is in it, so that it can be no other's.
pub(super) const TIED: &str = r#"
exec 3<&0 </dev/null
( trap '' TERM HUP INT
( read -r _ <&3; kill -s KILL -- -$$ ) 5<&- >/dev/null 2>&1 & )
exec 3<&-
"#;
/// How the shell ends that cannot run the program.
pub(super) const NOT_RUN: i32 = 127;

/// Ties a script that begins with [`TIED`] to us: to be run with [`run`], which holds the pipe.
pub(super) fn tie(script: &mut Command) -> &mut Command {
    script.process_group(0).stdin(Stdio::piped())
}

/// A program that ends with us, and what it starts, too.
pub(super) fn tied(program: &OsStr) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(format!("{TIED}exec \"$@\"")).arg("sh").arg(program);
    tie(&mut command);
    command
}

/// Runs a program to its end. Dropped before, it is killed. Its output is read if it is a pipe.
pub(super) async fn run(command: &mut Command) -> io::Result<Done> {
    let mut child = Killed(command.stderr(Stdio::piped()).spawn()?);
    let output = child.0.stdout.take().map(OwnedFd::from);
    let errors = child.0.stderr.take().map(OwnedFd::from);
    let (output, errors) = tokio::join!(read_to_end(output), read_to_end(errors));
    let status = exit(&mut child.0).await?;
    Ok(Done { status, output: output?, errors: errors? })
}

/// A pipe from a program, to be read here.
pub(super) fn receiver(pipe: impl Into<OwnedFd>) -> io::Result<Receiver> {
    Receiver::from_owned_fd(pipe.into())
}

/// Waits for a program that ends or is about to.
pub(super) async fn exit(child: &mut Child) -> io::Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        pause(EXIT_PAUSE).await;
    }
}

async fn read_to_end(pipe: Option<OwnedFd>) -> io::Result<Vec<u8>> {
    let Some(pipe) = pipe else { return Ok(Vec::new()) };
    let mut pipe = receiver(pipe)?;
    let (mut said, mut buffer) = (Vec::new(), vec![0; 4096]);
    loop {
        let read = pipe.read(&mut buffer).await?;
        if read == 0 {
            return Ok(said);
        }
        said.extend_from_slice(&buffer[..read]);
        said.drain(..said.len().saturating_sub(SAID_BYTES_MAX));
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            // The process may have ended just now, so an error is no news.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// The last lines of a program's output, as one.
pub(super) fn last_words(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::within;

    /// Starts something that stays, and says which it is in a file.
    const STAYS: &str = "sleep 600 & echo $! >\"$1\"; wait";

    fn alive(pid: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        // One that nobody has waited for yet is gone too.
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn what_a_tied_program_started_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let mut command = tied("/bin/sh".as_ref());
        command.arg("-c").arg(STAYS).arg("sh").arg(&file).stdout(Stdio::piped());
        let started = async {
            while !std::fs::read_to_string(&file).is_ok_and(|pid| pid.ends_with('\n')) {
                pause(EXIT_PAUSE).await;
            }
        };
        tokio::select! {
            done = run(&mut command) => panic!("it ended: {done:?}"),
            started = within(Duration::from_secs(30), started) => started.expect("it starts"),
        }
        let pid = std::fs::read_to_string(&file).unwrap();
        let ended = async {
            while alive(&pid) {
                pause(EXIT_PAUSE).await;
            }
        };
        assert!(within(Duration::from_secs(30), ended).await.is_some(), "{pid} goes on alone");

        let done = run(tied("/bin/sh".as_ref()).args(["-c", "cat; echo said >&2; exit 3"])).await;
        let done = done.unwrap();
        assert_eq!((done.status.code(), &done.errors[..]), (Some(3), &b"said\n"[..]));
        let done = run(&mut tied("/no/program".as_ref())).await.unwrap();
        assert_eq!(done.status.code(), Some(NOT_RUN));
    }

    fn sh(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(script).stdout(Stdio::piped());
        command
    }

    #[tokio::test]
    async fn what_it_says_is_kept_at_its_end() {
        let done = run(&mut sh("echo out; echo err >&2; exit 3")).await.unwrap();
        assert_eq!((done.status.code(), &done.output[..]), (Some(3), &b"out\n"[..]));
        assert_eq!(done.errors, b"err\n");
        let done = run(&mut sh("head -c 200000 /dev/zero; echo last")).await.unwrap();
        assert_eq!(done.output.len(), SAID_BYTES_MAX);
        assert!(done.output.ends_with(b"last\n"));
        assert!(run(&mut Command::new("/no/program")).await.is_err());
    }

    #[tokio::test]
    async fn one_that_nobody_waits_for_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("echo $$ >{}; exec cat", file.display());
        let mut command = sh(&script);
        command.stdin(Stdio::piped());
        assert!(within(Duration::from_secs(1), run(&mut command)).await.is_none());
        let pid = std::fs::read_to_string(&file).unwrap();
        let alive = Command::new("kill").args(["-0", pid.trim()]).output().unwrap();
        assert!(!alive.status.success());
    }

    #[test]
    fn what_a_program_said_last_is_one_line() {
        assert_eq!(last_words(b"one\n\n two\nthree\nfour\n"), "two; three; four");
        assert_eq!(last_words(b""), "");
    }
}
