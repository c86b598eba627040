//! Writes down what the owner has to do as far as the call's row says it by itself: the summary may be
//! away for days, or never come.

use std::sync::Arc;
use std::time::Duration;

use super::job_worker::{Done, Failure, RetryPolicy, Work};
use super::tasks::tasks;
use crate::agent::Agent;
use crate::store::{Job, JobKind, Store, StoreError};

/// Only the database can be away.
const PATIENCE: RetryPolicy = RetryPolicy {
    first: Duration::from_secs(2),
    longest: Duration::from_secs(300),
    in_all: Duration::from_secs(48 * 3_600),
};

/// Does that.
#[derive(Debug)]
pub(super) struct EarlyTasks {
    pub(super) store: Store,
}

impl EarlyTasks {
    async fn write(&self, job: &Job) -> Result<Done, StoreError> {
        let Some(call) = self.store.ended_call(job.call_log_id).await? else {
            return Ok(Done::Done("the call is gone"));
        };
        let Some(row) = self.store.agent_by_id(call.agent_id).await? else {
            return Ok(Done::Done("the agent is gone"));
        };
        let agent = Agent::new(row);
        // What has become outdated, or another's, is done anew.
        self.store.store_tasks(job, &tasks(&agent, &call, None)).await?;
        Ok(Done::Settled)
    }
}

impl Work for EarlyTasks {
    const KIND: JobKind = JobKind::Tasks;

    async fn carry_out(self: Arc<Self>, job: Job) -> Result<Done, Failure> {
        let failure = |error: StoreError| Failure { patience: PATIENCE, error: error.to_string() };
        self.write(&job).await.map_err(failure)
    }

    fn patience(&self) -> RetryPolicy {
        PATIENCE
    }
}
