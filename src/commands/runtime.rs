//! Where a command runs, and how it ends.

use std::future::Future;
use std::io;
use std::time::Duration;

/// How long what blocks a thread may go on when the command is over.
const END_LIMIT: Duration = Duration::from_secs(5);

/// Runs a command to its end. Whatever it left at work does not keep the process: a runtime that is
/// dropped waits for a blocked thread for ever.
///
/// # Errors
/// If the system gives no threads.
pub fn run<T>(command: impl Future<Output = T>) -> io::Result<T> {
    run_within(END_LIMIT, command)
}

fn run_within<T>(limit: Duration, command: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(command);
    runtime.shutdown_timeout(limit);
    Ok(done)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn what_does_not_end_does_not_keep_the_process() {
        let (end, ending) = mpsc::channel::<()>();
        let (started, starts) = mpsc::channel();
        let command = async move {
            tokio::task::spawn_blocking(move || {
                let _ = started.send(());
                let _ = ending.recv();
            });
            starts.recv().expect("it starts");
            7
        };
        // `run_within` returns although the work has not ended.
        assert_eq!(run_within(Duration::from_millis(1), command).expect("a runtime starts"), 7);
        drop(end);
    }
}
