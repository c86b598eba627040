//! `aftercall_jobs`: work that is to be done once a call is over, by whichever process has time.
//!
//! A job is claimed by a lease, which is committed at once; the work itself happens outside any
//! transaction, and what it comes to is written only while the lease holds.

use std::time::Duration;

use sqlx::Row;
use uuid::Uuid;

use super::{Result, Store};

/// What is done once a call is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum JobKind {
    /// It is summed up.
    Summary,
    /// What its owner has to do is written down, as far as its row says it by itself.
    Tasks,
    /// Its owner is told.
    Webhook,
}

impl JobKind {
    /// As `aftercall_jobs.kind` and numbers have it.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A job that was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// `id`.
    pub id: i64,
    /// The call that the job is for.
    pub call_log_id: Uuid,
    /// The process that claimed the job.
    pub worker: Uuid,
    /// Which claim of the job this is.
    pub claim: i32,
    /// How often the work was called for.
    pub revision: i32,
    /// How often it was tried since it was last called for, this time included.
    pub attempt: u32,
    /// How long ago it was last called for.
    pub age: Duration,
}

/// What came of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The job is done; the text says how.
    Done(&'static str),
    /// It is to be tried again.
    Again {
        /// Why. Holds nothing private.
        error: String,
        /// How long from now.
        after: Duration,
    },
    /// It was tried for long enough.
    Failed {
        /// Why. Holds nothing private.
        error: String,
    },
}

impl Store {
    /// Claims up to `limit` jobs of a kind that are due, the one that waits longest first. Nobody
    /// else has them until they are settled or `lease` is over.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError); what was claimed all the same is free after `lease`.
    pub async fn claim_jobs(
        &self,
        kind: JobKind,
        worker: Uuid,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<Job>> {
        let rows = sqlx::query(
            "with due as materialized (
                select id from aftercall_jobs
                where kind = $1 and state = 'pending' and run_after <= now()
                    and (leased_until is null or leased_until <= now())
                order by run_after limit $3 for update skip locked
            )
            update aftercall_jobs j set leased_by = $2,
                leased_until = now() + make_interval(secs => $4),
                attempts = j.attempts + 1, claims = j.claims + 1
            from due where j.id = due.id
            returning j.id, j.call_log_id, j.claims, j.revision, j.attempts,
                greatest(extract(epoch from now() - j.queued_at) * 1000, 0)::bigint as age_ms",
        )
        .bind(kind.name())
        .bind(worker)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(lease.as_secs_f64())
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                let attempts: i32 = row.try_get("attempts")?;
                let age_ms: i64 = row.try_get("age_ms")?;
                Ok(Job {
                    id: row.try_get("id")?,
                    call_log_id: row.try_get("call_log_id")?,
                    worker,
                    claim: row.try_get("claims")?,
                    revision: row.try_get("revision")?,
                    attempt: u32::try_from(attempts).unwrap_or(1),
                    age: Duration::from_millis(u64::try_from(age_ms).unwrap_or(0)),
                })
            })
            .collect()
    }

    /// Writes what came of a job and gives it free. If the work was called for anew meanwhile it
    /// stays to be done. Gives whether the job was still the claimant's.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError); the job is free when its lease is over.
    pub async fn settle_job(&self, job: &Job, settled: &Settled) -> Result<bool> {
        let (state, result, error, after) = match settled {
            Settled::Done(result) => ("done", Some(*result), None, Duration::ZERO),
            Settled::Again { error, after } => ("pending", None, Some(error), *after),
            Settled::Failed { error } => ("failed", None, Some(error), Duration::ZERO),
        };
        let done = sqlx::query(
            "update aftercall_jobs set leased_by = null, leased_until = null,
                state = case when revision = $4 then $5 else state end,
                result = case when revision = $4 then coalesce($6, result) else result end,
                last_error = case when revision = $4 then $7 else last_error end,
                run_after = case when revision = $4 and $5 = 'pending'
                    then now() + make_interval(secs => $8) else run_after end,
                done_at = case when revision = $4 and $5 <> 'pending' then now() else done_at end
            where id = $1 and leased_by = $2 and claims = $3",
        )
        .bind(job.id)
        .bind(job.worker)
        .bind(job.claim)
        .bind(job.revision)
        .bind(state)
        .bind(result)
        .bind(error)
        .bind(after.as_secs_f64())
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Gives free what `worker` has claimed, as if it had not been tried: the process ends. What is
    /// being written this moment is left to itself.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError); the leases run out then.
    pub async fn give_back_jobs(&self, worker: Uuid) -> Result<u64> {
        let done = sqlx::query(
            "with ours as materialized (
                select id from aftercall_jobs where leased_by = $1 and state = 'pending'
                for update skip locked
            )
            update aftercall_jobs j set leased_by = null, leased_until = null,
                attempts = greatest(j.attempts - 1, 0)
            from ours where j.id = ours.id",
        )
        .bind(worker)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }
}
