//! Post-call work: summaries and owners' webhooks.
//!
//! What may take long, or needs somebody else's service, is a row of `aftercall_jobs`, which the
//! completion of a call makes in its own transaction. Every process works on them: [`job_worker`] claims
//! what is due, [`summary`] and [`webhook`] do it. What the owner has to do then is of [`tasks`]: at
//! once as far as the row says it, and in full with the summary.

mod breaker;
mod early_tasks;
pub mod job_worker;
pub mod summary;
pub mod tasks;
pub mod webhook;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tracing::warn;
use uuid::Uuid;

use crate::clock;
use crate::store::Store;
use early_tasks::EarlyTasks;
use job_worker::JobWorker;
use summary::Summaries;
use webhook::Webhooks;

/// Jobs of a kind that a process works on at once. They wait for others nearly all the time: a
/// summary takes some seconds, so that these are about 300 a minute.
pub const AT_ONCE: usize = 16;
/// How long a shutdown waits for claims under way.
const CLAIM_LIMIT: Duration = Duration::from_secs(2);
/// How long it may take at a shutdown to give claimed jobs back.
const GIVE_BACK_LIMIT: Duration = Duration::from_secs(1);

/// What post-call work needs.
#[derive(Debug)]
pub struct Parts {
    /// The database with the jobs.
    pub store: Store,
    /// This process, which claims jobs.
    pub instance_id: Uuid,
    /// Makes the summaries.
    pub summaries: Summaries,
    /// Sends the owners' webhooks.
    pub webhooks: Webhooks,
    /// Notified when a call of this process was completed.
    pub completed: Arc<Notify>,
    /// How many jobs of each kind run at once.
    pub at_once: usize,
}

/// The post-call work of this process. Dropping it stops the work where it is, as a kill would.
#[derive(Debug)]
pub struct PostCall {
    store: Store,
    instance_id: Uuid,
    workers: Vec<job_worker::Task>,
    stopping: [Arc<Notify>; 3],
}

impl PostCall {
    /// Starts the workers.
    pub fn start(parts: Parts) -> Self {
        let Parts { store, instance_id, summaries, webhooks, completed, at_once } = parts;
        let [to_sum_up, summed_up, nobody] = std::array::from_fn(|_| Arc::new(Notify::new()));
        let stopping: [Arc<Notify>; 3] = Default::default();
        let worker = |n: usize, [wake, woken, then]: [&Arc<Notify>; 3]| JobWorker {
            store: store.clone(),
            worker: instance_id,
            at_once,
            wake: Arc::clone(wake),
            woken: Arc::clone(woken),
            then: Arc::clone(then),
            stopping: Arc::clone(&stopping[n]),
        };
        let early_tasks = Arc::new(EarlyTasks { store: store.clone() });
        let workers = vec![
            worker(0, [&completed, &to_sum_up, &nobody]).start(early_tasks),
            worker(1, [&to_sum_up, &nobody, &summed_up]).start(Arc::new(summaries)),
            worker(2, [&summed_up, &nobody, &nobody]).start(Arc::new(webhooks)),
        ];
        Self { store, instance_id, workers, stopping }
    }

    /// The tasks, for the supervisor to watch.
    pub fn tasks(&self) -> impl Iterator<Item = AbortHandle> {
        self.workers.iter().map(job_worker::Task::abort_handle)
    }

    /// Stops, and gives the jobs that were begun back for other processes.
    pub async fn stop(self) {
        self.stopping.iter().for_each(|worker| worker.notify_one());
        // Those that have not stopped by then are dropped.
        let _ = clock::within(CLAIM_LIMIT, join_all(self.workers)).await;
        let given_back = self.store.give_back_jobs(self.instance_id);
        if !matches!(clock::within(GIVE_BACK_LIMIT, given_back).await, Some(Ok(_))) {
            warn!("work after calls is free for others only when its leases are over");
        }
    }
}
