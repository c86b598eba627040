//! The templates that the server starts with.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use super::StartError;
use crate::agent::prompt::Prompts;

/// How long the templates may take to be read and filled in with a sample. It takes milliseconds.
const LIMIT: Duration = Duration::from_secs(20);

/// The built-in templates, with those of a directory in their place.
///
/// # Errors
/// A file that cannot be read or is no template, or one that does not come to an end.
pub fn prompts(dir: Option<&Path>) -> Result<Prompts, StartError> {
    let mut replacements = std::collections::BTreeMap::new();
    for name in dir.map(|_| Prompts::names()).unwrap_or_default() {
        let path = dir.unwrap_or(Path::new("")).join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => drop(replacements.insert(name.to_owned(), text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => {
                return Err(StartError::PromptFile { path: path.display().to_string(), source });
            }
        }
    }
    within(LIMIT, move || Prompts::with(&replacements).map_err(StartError::from))
}

/// What the operator writes may take for ever. Then the start ends with what is wrong, and the
/// thread with the process.
fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> Result<T, StartError> + Send + 'static,
) -> Result<T, StartError> {
    let (sender, receiver) = sync_channel(1);
    let work = move || drop(sender.send(work()));
    let started = thread::Builder::new().name("templates".to_owned()).spawn(work);
    drop(started.map_err(|_| StartError::PromptLate)?);
    match receiver.recv_timeout(limit) {
        Ok(done) => done,
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            Err(StartError::PromptLate)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_template_that_does_not_end_ends_the_start() {
        let (end, ending) = channel::<()>();
        let late = within(Duration::from_millis(1), move || {
            let _ = ending.recv();
            Ok(())
        });
        assert!(matches!(late, Err(StartError::PromptLate)));
        drop(end);
        assert!(within(LIMIT, || Ok(())).is_ok());
    }
}
