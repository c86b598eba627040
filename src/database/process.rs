//! Other programs, started and waited for without a thread that blocks.

use std::io;
use std::os::fd::OwnedFd;
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
            // It may have ended just now.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::within;

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
}
