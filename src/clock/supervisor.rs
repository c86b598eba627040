//! Tasks that run as long as the process does, and whether all of them still do.
//!
//! A task that ends before its time, by a panic or because it returns, leaves a process that looks
//! well and does not do its work: without heartbeats its calls are taken away, without a writer
//! nothing of them is written. Such a process says so, and goes down.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::{AbortHandle, JoinHandle};

/// How often is looked whether all tasks run.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// The tasks. Clones watch the same ones.
#[derive(Debug, Clone, Default)]
pub struct Supervisor(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    tasks: Mutex<Vec<(&'static str, AbortHandle)>>,
    is_stopping: AtomicBool,
}

impl Supervisor {
    /// Starts a task that is to run until [`Supervisor::stop`].
    pub fn spawn<F>(&self, name: &'static str, task: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let task = super::spawn(task);
        self.watch(name, task.abort_handle());
        task
    }

    /// The same with a task that somebody else has started.
    pub fn watch(&self, name: &'static str, task: AbortHandle) {
        self.0.tasks.lock().push((name, task));
    }

    /// The tasks, by their names.
    pub fn tasks(&self) -> Vec<(&'static str, AbortHandle)> {
        self.0.tasks.lock().clone()
    }

    /// A task that has ended and should not have.
    pub fn ended(&self) -> Option<&'static str> {
        if self.0.is_stopping.load(Ordering::Acquire) {
            return None;
        }
        self.0.tasks.lock().iter().find(|(_, task)| task.is_finished()).map(|(name, _)| *name)
    }

    /// Waits until a task has ended that should not have, and gives its name.
    pub async fn failure(&self) -> &'static str {
        loop {
            match self.ended() {
                Some(name) => return name,
                None => super::pause(LOOK_PAUSE).await,
            }
        }
    }

    /// From now on tasks end because they are to.
    pub fn stop(&self) {
        self.0.is_stopping.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::clock::within;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_task_that_panics_or_returns_is_noticed_until_tasks_are_to_end() {
        let panics = async { panic!("a fault") };
        let supervisor = Supervisor::default();
        supervisor.spawn("runs", pending());
        supervisor.spawn("panics", panics);
        assert_eq!(within(LIMIT, supervisor.failure()).await, Some("panics"));

        let supervisor = Supervisor::default();
        supervisor.spawn("runs", pending());
        assert_eq!(supervisor.ended(), None);
        supervisor.spawn("returns", async {});
        assert_eq!(within(LIMIT, supervisor.failure()).await, Some("returns"));
        supervisor.stop();
        assert_eq!(supervisor.ended(), None);
    }
}
