//! Calls that are over: what is read of them afterwards, and what is written besides.

use serde_json::Value;
use sqlx::Row;
use uuid::Uuid;

use super::numbers::ALL;
use super::tasks::{NewTask, tasks_json};
use super::{Job, Result, Store, lenient_json, outcome, storable_json, storable_text};
use crate::private::Private;

/// A call that is over, as far as it is needed to sum it up.
#[derive(Debug, Clone, PartialEq)]
pub struct EndedCall {
    /// The agent that answered the call.
    pub agent_id: Uuid,
    /// Who called, as Twilio said.
    pub caller: Private<String>,
    /// `status`.
    pub status: String,
    /// The conversation as readable lines.
    pub transcript: Private<String>,
    /// `metadata`.
    pub metadata: Private<Value>,
    /// When it began, microseconds since the Unix epoch.
    pub started_us: i64,
    /// When it ended, microseconds since the Unix epoch.
    pub ended_us: i64,
}

/// What a call comes to beside its row.
#[derive(Debug, Clone, PartialEq)]
pub struct Findings {
    /// `call_logs.summary`, an object.
    pub summary: Private<Value>,
    /// An object; its fields go over those of `metadata`.
    pub metadata: Private<Value>,
    /// Appointments that were agreed, a list: each has `told`, an object for the owner, and either
    /// `why` it is not to be written, or `start_us`, `minutes`, `name`, `phone` (E.164), `service`
    /// and `notes`.
    pub appointments: Private<Value>,
    /// What the owner has to do because of the call.
    pub tasks: Vec<NewTask>,
}

/// What became of [`Findings`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum Stored {
    /// They are there, and the job is done.
    Stored,
    /// The call was completed anew since; nothing was written, and the work will be done again.
    Outdated,
    /// The job is another's by now; nothing was written.
    Lost,
}

/// A call as its owner is told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToldCall {
    /// `voice_agents.id`.
    pub agent_id: Uuid,
    /// `voice_agents.private_settings`.
    pub settings: Private<Value>,
    /// The row without what is only this program's; null if it cannot be held.
    pub row: Private<Value>,
    /// Whether the summary is there, and one of the row as it is now.
    pub has_summary: bool,
}

/// One attempt to tell an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The call that the owner is told of.
    pub call_log_id: Uuid,
    /// The message's name, which all attempts have in common.
    pub message_id: String,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// What was answered, if anything was.
    pub status: Option<u16>,
    /// Why it does not count as told. Holds nothing private.
    pub error: Option<String>,
    /// How long it took, milliseconds.
    pub took_ms: u64,
}

impl Store {
    /// A call that is over; none if it is not, or is gone.
    pub async fn ended_call(&self, id: Uuid) -> Result<Option<EndedCall>> {
        let row = sqlx::query(
            "select voice_agent_id, caller_number, coalesce(status, '') as status,
                coalesce(transcript, '') as transcript, metadata::text as metadata,
                (extract(epoch from call_start) * 1000000)::bigint as started_us,
                (extract(epoch from call_end) * 1000000)::bigint as ended_us
            from call_logs where id = $1 and call_end is not null
                and isfinite(call_start) and isfinite(call_end)",
        )
        .bind(id)
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(EndedCall {
            agent_id: row.try_get("voice_agent_id")?,
            caller: row.try_get::<Option<String>, _>("caller_number")?.unwrap_or_default().into(),
            status: row.try_get("status")?,
            transcript: row.try_get::<String, _>("transcript")?.into(),
            metadata: lenient_json(row.try_get("metadata")?).unwrap_or_default().into(),
            started_us: row.try_get("started_us")?,
            ended_us: row.try_get("ended_us")?,
        }))
    }

    /// Writes what a call comes to, settles the job and has the owner told, in one transaction.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError); nothing was written then, as far as is known.
    pub async fn store_findings(&self, job: &Job, findings: &Findings) -> Result<Stored> {
        let agent = sqlx::query_scalar("select voice_agent_id from call_logs where id = $1");
        if let Some(agent) = agent.bind(job.call_log_id).fetch_optional(&self.pool).await? {
            // The numbers of booked appointments are needed to compare them with the agreed ones.
            self.read_appointments_numbers(agent, ALL).await.all()?;
        }
        let stored =
            sqlx::query_scalar("select aftercall_store_summary($1, $2, $3, $4, $5, $6, $7, $8)")
                .bind(job.id)
                .bind(job.worker)
                .bind(job.claim)
                .bind(job.revision)
                .bind(storable_json(findings.summary.reveal()).as_ref())
                .bind(storable_json(findings.metadata.reveal()).as_ref())
                .bind(storable_json(findings.appointments.reveal()).as_ref())
                .bind(storable_json(&tasks_json(&findings.tasks)).as_ref())
                .fetch_one(&self.pool)
                .await?;
        outcome(stored)
    }

    /// A call as its owner is told of it; none if it is gone. A summary of what the row said before
    /// it was put right is left out.
    pub async fn told_call(&self, id: Uuid) -> Result<Option<ToldCall>> {
        let row = sqlx::query(
            "select l.voice_agent_id, a.private_settings::text as settings, s.has_summary,
                (to_jsonb(l) - array['instance_id', 'epoch', 'stream_nonce', 'stream_returns',
                        'holds_line', 'out_until', 'ask_at', 'asks', 'caller_e164', 'summary']
                    || jsonb_build_object(
                        'summary', case when s.has_summary then l.summary end,
                        'duration_seconds', extract(epoch from l.duration)))::text as row
            from call_logs l
            join voice_agents a on a.id = l.voice_agent_id
            cross join lateral (select l.summary is not null and exists (
                select from aftercall_jobs j
                where j.call_log_id = l.id and j.kind = 'summary' and j.state = 'done'
            )) as s (has_summary)
            where l.id = $1 and l.call_end is not null",
        )
        .bind(id)
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let agent_id = row.try_get("voice_agent_id")?;
        let mut settings = lenient_json(row.try_get("settings")?).unwrap_or_default();
        if let Some(why) = self.vault.open_settings(agent_id, &mut settings) {
            tracing::error!(agent = %agent_id, %why, "a secret of private_settings cannot be used");
        }
        Ok(Some(ToldCall {
            agent_id,
            settings: settings.into(),
            row: lenient_json(row.try_get("row")?).unwrap_or_default().into(),
            has_summary: row.try_get("has_summary")?,
        }))
    }

    /// Keeps an attempt to tell an owner, for the owner to see.
    pub async fn note_delivery(&self, delivery: &Delivery) -> Result<()> {
        sqlx::query(
            "insert into webhook_deliveries (call_log_id, message_id, attempt, status, error, ms)
            select id, $2, $3, $4, $5, $6 from call_logs where id = $1",
        )
        .bind(delivery.call_log_id)
        .bind(&delivery.message_id)
        .bind(i32::try_from(delivery.attempt).unwrap_or(i32::MAX))
        .bind(delivery.status.map(i32::from))
        .bind(delivery.error.as_deref().map(storable_text))
        .bind(i32::try_from(delivery.took_ms).unwrap_or(i32::MAX))
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
