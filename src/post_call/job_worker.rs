//! The job worker: claims the due jobs of one kind, does a limited number at once, writes down how
//! they ended, and retries failed ones with backoff.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use metrics::{counter, histogram};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinHandle};
use tracing::{Instrument as _, info_span, warn};
use uuid::Uuid;

use crate::clock::{self, Stopwatch};
use crate::store::{Job, JobKind, Settled, Store, StoreError};

/// How often the worker looks for due jobs: those of calls that other processes complete, and those
/// that wait for their time.
const POLL: Duration = Duration::from_secs(1);
/// How long a claim lasts. The worker gives a job up well before, so that no two do it at once.
const LEASE: Duration = Duration::from_secs(120);
/// How long one attempt may take, all told.
pub const WORK_LIMIT: Duration = Duration::from_secs(90);
/// How long one statement may take.
const STORE_LIMIT: Duration = Duration::from_secs(5);
/// The jitter, as a part of the pause: jobs that failed together do not come back together.
const SPREAD: f64 = 0.25;

/// How a job ended.
#[derive(Debug)]
pub enum Done {
    /// The job was marked done in the transaction that wrote its result.
    Settled,
    /// The job is done; the text says how.
    Done(&'static str),
}

/// Why an attempt failed.
#[derive(Debug)]
pub struct Failure {
    /// What went wrong, with nothing private in it.
    pub error: String,
    /// How the job is tried again.
    pub patience: RetryPolicy,
}

/// When a failed job is tried again, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The pause after the first failure; each pause is twice the one before.
    pub first: Duration,
    /// The longest pause between two attempts.
    pub longest: Duration,
    /// For how long after the job was queued it is tried.
    pub in_all: Duration,
}

impl RetryPolicy {
    /// The pause after this attempt, counted from 1; none if it was the last.
    fn pause(&self, attempt: u32, age: Duration) -> Option<Duration> {
        let doubled = 2_u32.checked_pow(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        let pause = self.first.saturating_mul(doubled).min(self.longest);
        (age < self.in_all).then_some(pause)
    }
}

/// A kind of work that is done for each call that is over.
pub trait Work: Send + Sync + 'static {
    /// The kind of jobs that it does.
    const KIND: JobKind;

    /// Does one job, of which an earlier attempt may have done a part. The future is dropped when
    /// it takes too long.
    fn carry_out(
        self: Arc<Self>,
        job: Job,
    ) -> impl Future<Output = Result<Done, Failure>> + Send + 'static;

    /// How many more jobs may begin now: few while the service that they need is away.
    fn room(&self) -> usize {
        usize::MAX
    }

    /// How a job is tried again that took too long, or whose task broke.
    fn patience(&self) -> RetryPolicy;
}

/// Claims and does the jobs of one kind.
#[derive(Debug)]
pub struct JobWorker {
    pub(super) store: Store,
    pub(super) worker: Uuid,
    pub(super) at_once: usize,
    /// Notified when there may be work.
    pub(super) wake: Arc<Notify>,
    /// Rung when that was: it wakes one worker, and another may have work then, too.
    pub(super) woken: Arc<Notify>,
    /// Rung when some was done.
    pub(super) then: Arc<Notify>,
    /// Notified when no more is to be claimed.
    pub(super) stopping: Arc<Notify>,
}

/// A task that ends when this is dropped.
#[derive(Debug)]
pub struct Task(JoinHandle<()>);

impl Task {
    fn start(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(clock::spawn(work))
    }

    pub(super) fn abort_handle(&self) -> AbortHandle {
        self.0.abort_handle()
    }
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // A panic has been printed, and its job is free when its lease is over.
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl JobWorker {
    /// Runs in a task of its own.
    pub(super) fn start<W: Work>(self, work: Arc<W>) -> Task {
        Task::start(self.run(work))
    }

    /// Runs until it is told to stop, and drops the attempts under way then. A claim is awaited first:
    /// one that was only dropped would still be carried out by the database, after this process has
    /// given back what it had.
    async fn run<W: Work>(self, work: Arc<W>) {
        let lane = Arc::new(self);
        let mut running = FuturesUnordered::new();
        let mut is_away = false;
        loop {
            let room = work.room().saturating_sub(running.len());
            let claimed = lane.claim(W::KIND, room.min(lane.at_once - running.len())).await;
            let is_lost = claimed.is_err();
            if let (Err(error), false) = (&claimed, is_away || lane.store.is_out()) {
                warn!(%error, kind = W::KIND.name(), "work after calls waits for the database");
            }
            is_away = is_lost;
            for job in claimed.unwrap_or_default() {
                let span = info_span!(parent: None, "aftercall", call = %job.call_log_id,
                    kind = W::KIND.name());
                let attempt = attempt(Arc::clone(&lane), Arc::clone(&work), job);
                running.push(Task::start(attempt.instrument(span)));
            }
            tokio::select! {
                biased;
                () = lane.stopping.notified() => return,
                Some(()) = running.next() => {}
                () = lane.wake.notified() => lane.woken.notify_one(),
                () = clock::pause(POLL) => {}
            }
        }
    }

    async fn claim(&self, kind: JobKind, limit: usize) -> Result<Vec<Job>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let claiming = self.store.claim_jobs(kind, self.worker, limit, LEASE);
        clock::within(STORE_LIMIT, claiming).await.unwrap_or_else(|| Err(late()))
    }
}

/// Does one job once and settles it.
async fn attempt<W: Work>(lane: Arc<JobWorker>, work: Arc<W>, job: Job) {
    let kind = W::KIND.name();
    let since = Stopwatch::start();
    let patience = work.patience();
    let done = clock::within(WORK_LIMIT, Box::pin(work.carry_out(job.clone()))).await;
    let done =
        done.unwrap_or_else(|| Err(Failure { error: "it took too long".to_owned(), patience }));
    let settled = match done {
        Ok(Done::Settled) => None,
        Ok(Done::Done(how)) => Some(Settled::Done(how)),
        Err(Failure { error, patience }) => Some(failed(kind, &job, error, patience)),
    };
    let outcome = match &settled {
        None | Some(Settled::Done(_)) => "done",
        Some(Settled::Again { .. }) => "again",
        Some(Settled::Failed { .. }) => "failed",
    };
    counter!("frontdesk_aftercall_jobs_total", "kind" => kind, "outcome" => outcome).increment(1);
    if outcome == "done" {
        let lag = job.age + since.elapsed();
        histogram!("frontdesk_aftercall_lag_seconds", "kind" => kind).record(lag.as_secs_f64());
    }
    if let Some(settled) = settled {
        let settling = clock::within(STORE_LIMIT, lane.store.settle_job(&job, &settled));
        if let Err(error) = settling.await.unwrap_or_else(|| Err(late())) {
            warn!(%error, "what came of it is not written: it will be done again");
        }
    }
    lane.then.notify_one();
}

fn failed(kind: &str, job: &Job, error: String, patience: RetryPolicy) -> Settled {
    match patience.pause(job.attempt, job.age) {
        Some(pause) => {
            warn!(%error, kind, attempt = job.attempt, "to be tried again");
            Settled::Again { error, after: pause.mul_f64(1.0 + SPREAD * rand::random::<f64>()) }
        }
        None => {
            tracing::error!(%error, kind, attempt = job.attempt, "given up");
            Settled::Failed { error }
        }
    }
}

fn late() -> StoreError {
    StoreError::Slow("no answer in time".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_the_longest_and_end_with_the_time() {
        let seconds = Duration::from_secs;
        let patience =
            RetryPolicy { first: seconds(5), longest: seconds(60), in_all: seconds(1_000) };
        let pauses: Vec<_> = [1, 2, 3, 4, 5, 40, u32::MAX]
            .map(|attempt| patience.pause(attempt, seconds(999)).unwrap().as_secs())
            .into();
        assert_eq!(pauses, [5, 10, 20, 40, 60, 60, 60]);
        assert_eq!(patience.pause(1, seconds(1_000)), None);
    }
}
