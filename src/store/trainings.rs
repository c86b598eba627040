//! The work on sources: who does it, how far it is, and what comes of it.
//!
//! A source is claimed by a lease; what the work comes to is written only while the lease holds and nobody
//! has asked for it anew. What is embedded is kept beside the passages until all change at once.

use std::collections::HashSet;
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::{Result, Store};
use crate::private::Private;

/// A source that this process works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Training {
    /// `sources.id`.
    pub source: Uuid,
    /// `sources.voice_agent_id`.
    pub agent: Uuid,
    /// `sources.name`.
    pub name: String,
    /// `sources.source_type`; empty where none is set.
    pub source_type: String,
    /// `sources.url`.
    pub url: Option<String>,
    /// How often it was asked for.
    pub revision: i32,
    /// How often this was tried, this time included.
    pub attempt: i32,
    /// Whether everything is read again.
    pub is_forced: bool,
    /// The process that has it.
    pub worker: Uuid,
}

/// What a source's file holds.
#[derive(Debug, Clone)]
pub struct StoredFile {
    /// What it is called.
    pub name: String,
    /// Its content type, if one was named.
    pub content_type: Option<String>,
    /// The bytes.
    pub content: Private<Vec<u8>>,
}

/// What came of the work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrainingEnd {
    /// It is known to calls.
    Done {
        /// Pages that were read.
        pages: usize,
        /// Passages that it has.
        passages: usize,
        /// How long its text is, bytes.
        bytes: usize,
        /// Whether it is longer than what is learned.
        is_cut_off: bool,
    },
    /// It cannot be; with what to do.
    Failed(String),
    /// Something of ours broke; it is not known what.
    Broken(String),
    /// It is to be tried again after so long.
    Again(String, Duration),
}

/// Whether the work is still this process's.
pub(super) const MINE: &str =
    "t.source_id = $1 and t.revision = $2 and t.leased_by = $3 and t.state = 'pending'";

impl Store {
    /// Claims up to `limit` sources that are due, one of an agent at most, for `lease`.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn claim_trainings(
        &self,
        worker: Uuid,
        limit: i64,
        lease: Duration,
    ) -> Result<Vec<Training>> {
        let rows = sqlx::query(
            "with due as (
                select t.source_id from public.source_trainings t
                join public.sources s on s.id = t.source_id
                where t.state = 'pending' and t.run_after <= now()
                    and (t.leased_until is null or t.leased_until < now())
                    and not exists (select from public.source_trainings o
                        join public.sources p on p.id = o.source_id
                        where p.voice_agent_id = s.voice_agent_id and o.source_id <> t.source_id
                            and o.state = 'pending' and o.leased_until >= now())
                order by t.run_after limit $2
                for update of t skip locked
            ), claimed as (
                update public.source_trainings t set leased_by = $1, attempts = t.attempts + 1,
                    leased_until = now() + $3 * interval '1 second'
                from due where t.source_id = due.source_id
                returning t.*
            )
            update public.sources s set status = (case when s.auto_sync_last_trained is null
                then 'training' else 'retraining' end)::public.source_training_status
            from claimed c where s.id = c.source_id
            returning s.id, s.voice_agent_id, left(s.name, 500) as name,
                left(coalesce(s.source_type, ''), 50) as source_type, left(s.url, 5000) as url, c.revision,
                c.attempts, c.is_forced",
        )
        .bind(worker)
        .bind(limit)
        .bind(lease.as_secs_f64())
        .fetch_all(&self.pool)
        .await?;
        let mut agents = HashSet::new();
        let mut claimed = Vec::new();
        for row in &rows {
            let training = training(row, worker)?;
            // Of two of one agent's that became due together, one goes back.
            if agents.insert(training.agent) {
                claimed.push(training);
            } else {
                self.release_training(&training, Duration::from_secs(2)).await?;
            }
        }
        Ok(claimed)
    }

    async fn release_training(&self, of: &Training, pause: Duration) -> Result<()> {
        let sql = format!(
            "update public.source_trainings t set leased_by = null, leased_until = null,
                attempts = greatest(t.attempts - 1, 0), run_after = now() + $4 * interval '1 second'
            where {MINE}"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(of.source).bind(of.revision);
        query.bind(of.worker).bind(pause.as_secs_f64()).execute(&self.pool).await?;
        Ok(())
    }

    /// Says how far the work is, and goes on with its lease; whether it is still this process's.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn training_goes_on(
        &self,
        of: &Training,
        (stage, done, total): (&str, usize, Option<usize>),
        lease: Duration,
    ) -> Result<bool> {
        let number = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        let sql = format!(
            "update public.source_trainings t set stage = $4, done = $5, total = $6,
                leased_until = now() + $7 * interval '1 second' where {MINE}"
        );
        let done = sqlx::query(AssertSqlSafe(sql))
            .bind(of.source)
            .bind(of.revision)
            .bind(of.worker)
            .bind(stage)
            .bind(number(done))
            .bind(total.map(number))
            .bind(lease.as_secs_f64())
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Goes on with the lease of what takes long.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn hold_training(&self, of: &Training, lease: Duration) -> Result<()> {
        let sql = format!(
            "update public.source_trainings t set leased_until = now() + $4 * interval '1 second'
            where {MINE}"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(of.source).bind(of.revision);
        query.bind(of.worker).bind(lease.as_secs_f64()).execute(&self.pool).await?;
        Ok(())
    }

    /// What was sent of a source.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn source_file(&self, source: Uuid) -> Result<Option<StoredFile>> {
        let row = sqlx::query(
            "select file_name, content_type, content from public.source_files where source_id = $1",
        );
        let Some(row) = row.bind(source).fetch_optional(&self.pool).await? else { return Ok(None) };
        Ok(Some(StoredFile {
            name: row.try_get("file_name")?,
            content_type: row.try_get("content_type")?,
            content: row.try_get::<Vec<u8>, _>("content")?.into(),
        }))
    }

    /// Writes what came of the work, if it is still this process's.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn end_training(&self, of: &Training, end: &TrainingEnd) -> Result<()> {
        let number = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        let (state, reason, pause) = match end {
            TrainingEnd::Done { .. } => ("done", None, Duration::ZERO),
            TrainingEnd::Failed(why) | TrainingEnd::Broken(why) => {
                ("failed", Some(why), Duration::ZERO)
            }
            TrainingEnd::Again(why, pause) => ("pending", Some(why), *pause),
        };
        let (pages, passages, bytes, is_cut_off) = match end {
            TrainingEnd::Done { pages, passages, bytes, is_cut_off } => (
                Some(number(*pages)),
                Some(number(*passages)),
                i64::try_from(*bytes).ok(),
                Some(*is_cut_off),
            ),
            _ => (None, None, None, None),
        };
        let is_broken = matches!(end, TrainingEnd::Broken(_));
        let sql = format!(
            "with ended as (
                update public.source_trainings t set state = $4, reason = $5, leased_by = null,
                    leased_until = null, run_after = now() + $6 * interval '1 second',
                    pages = coalesce($7, t.pages), passages = coalesce($8, t.passages),
                    is_cut_off = coalesce($10, t.is_cut_off), is_forced = false,
                    stage = null,
                    ended_at = case when $4 = 'pending' then t.ended_at else now() end
                where {MINE} returning t.source_id
            ), told as (
                update public.sources s set size = coalesce($9, s.size),
                    auto_sync_last_trained = case when $4 = 'done' then now()
                        else s.auto_sync_last_trained end,
                    status = (case $4 when 'done' then 'done' when 'pending' then s.status::text
                        else case when $11 then 'unk_err' when s.auto_sync_last_trained is null
                            then 'failed' else 'retraining_failed' end
                        end)::public.source_training_status
                from ended e where s.id = e.source_id returning s.voice_agent_id
            )
            update public.voice_agents a set last_trained_at = now()
            from told where a.id = told.voice_agent_id and $4 = 'done'"
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(of.source)
            .bind(of.revision)
            .bind(of.worker)
            .bind(state)
            .bind(reason)
            .bind(pause.as_secs_f64())
            .bind(pages)
            .bind(passages)
            .bind(bytes)
            .bind(is_cut_off)
            .bind(is_broken)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Has up to `most` sources read again whose time has come; how many.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn queue_due_sources(&self, most: i32) -> Result<i32> {
        let due = sqlx::query_scalar("select public.sources_due($1)").bind(most);
        Ok(due.fetch_one(&self.pool).await?)
    }

    /// Gives back what a process worked on: another one goes on with it.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn give_back_trainings(&self, worker: Uuid) -> Result<u64> {
        let given = sqlx::query(
            "update public.source_trainings set leased_by = null, leased_until = null,
                attempts = greatest(attempts - 1, 0)
            where leased_by = $1 and state = 'pending'",
        );
        Ok(given.bind(worker).execute(&self.pool).await?.rows_affected())
    }
}

fn training(row: &PgRow, worker: Uuid) -> Result<Training> {
    Ok(Training {
        source: row.try_get("id")?,
        agent: row.try_get("voice_agent_id")?,
        name: row.try_get("name")?,
        source_type: row.try_get("source_type")?,
        url: row.try_get("url")?,
        revision: row.try_get("revision")?,
        attempt: row.try_get("attempts")?,
        is_forced: row.try_get("is_forced")?,
        worker,
    })
}
