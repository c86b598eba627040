//! `call_logs`: one row per call, from the webhook to the end.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::Row;
use uuid::Uuid;

use super::claims::{LogPosition, position};
use super::{Result, Store, StoreError, outcome, storable_json, storable_text};
use crate::call::lifecycle::Owner;
use crate::private::Private;

/// A call that has just been announced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewCall {
    /// `call_logs.id`, if this call has no row yet.
    pub id: Uuid,
    /// The agent that the call is for.
    pub agent_id: Uuid,
    /// Twilio's name for the call.
    pub call_sid: String,
    /// The caller, as Twilio gave them; not always a number.
    pub caller: Private<String>,
    /// The process that answers the call.
    pub instance_id: Uuid,
    /// What the stream token carries and [`Store::claim_stream`] spends.
    pub nonce: String,
    /// How many calls the agent takes at once; none for any number.
    pub limit: Option<i32>,
    /// The first keys of the row's `metadata`, a JSON object.
    pub metadata: Private<Value>,
    /// When it began, microseconds since the Unix epoch.
    pub started_us: i64,
}

/// What became of a [`NewCall`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// The call's row: the new one or the one that was there. Without an agent there is none,
    /// and this is the id that was proposed.
    pub call_log_id: Uuid,
    /// Whether the agent takes it.
    pub outcome: AdmissionOutcome,
    /// What its owner writes with.
    pub position: LogPosition,
    /// How often its caller was given back to the agent.
    pub returns: i32,
}

/// Where the row is of a call that was admitted while the database was away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InsertedCall {
    /// `call_logs.id`.
    pub id: Uuid,
    /// The epoch, if the call is this process's. None: another one has it.
    pub epoch: Option<i32>,
}

/// Whether an agent takes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum AdmissionOutcome {
    /// It does, and holds one of the agent's lines.
    Admitted,
    /// The agent's lines are all held. The row is there.
    OverLimit,
    /// The call is live already: it is this process's now, in a new epoch, and the old nonce is void.
    Repeated,
    /// The call has ended.
    Ended,
    /// The agent is gone. There is no row.
    NoAgent,
    /// The CallSid is that of another agent's call. Nothing was changed.
    Foreign,
}

/// A row of `call_logs`, as far as it is needed to go on with the call.
#[derive(Debug, Clone, PartialEq)]
pub struct CallRow {
    /// `id`.
    pub id: Uuid,
    /// `voice_agent_id`.
    pub agent_id: Uuid,
    /// `caller_number`.
    pub caller: Private<String>,
    /// The process that has the call.
    pub instance_id: Option<Uuid>,
    /// The epoch in which it has it.
    pub epoch: i32,
    /// Whether the row is complete.
    pub ended: bool,
    /// Whether the caller is out, or was when the row was completed by a guess.
    pub is_out: bool,
    /// When it began, microseconds since the Unix epoch.
    pub started_us: i64,
    /// How often the caller was given back to the agent.
    pub stream_returns: i32,
}

impl CallRow {
    /// Who has the call.
    pub fn owner(&self) -> Owner {
        Owner { instance_id: self.instance_id, epoch: self.epoch, ended: self.ended }
    }
}

/// A call that is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompletedCall {
    /// `call_logs.id`, as its owner knows it.
    pub call_log_id: Uuid,
    /// The agent. Only a row of its own is completed. None: an older version spooled this.
    #[serde(default)]
    pub agent_id: Option<Uuid>,
    /// Twilio's name for the call, which with the agent finds the row.
    pub call_sid: String,
    /// Whether transcript and metadata hold only what one process knew, because what others had
    /// written could not be read when it took the call over: what the row gets is folded from all
    /// that was written of the call.
    #[serde(default)]
    pub is_partial: bool,
    /// The process that had it.
    pub instance_id: Option<Uuid>,
    /// The epoch in which that is known. Nothing is written in another one. None: an older version
    /// spooled this.
    #[serde(default)]
    pub epoch: Option<i32>,
    /// `completed`, `failed`, `voicemail`, `transferred` or `no-answer`.
    pub status: String,
    /// The conversation as readable lines.
    pub transcript: Private<String>,
    /// An object; its fields go over those that are there.
    pub metadata: Private<Value>,
    /// When it ended, microseconds since the Unix epoch.
    pub ended_us: i64,
    /// How long it was.
    pub duration_ms: i64,
}

/// When [`Store::complete`] may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completes {
    /// The call's own process, which knows best, also after a reconciler gave it up; but not when
    /// another process has taken the call over.
    ByOwner,
    /// Only a live row.
    IfLive,
    /// Only a live row that the process which died still has.
    IfAbandoned,
    /// Also a row that was completed by a guess while its caller was out.
    AfterOuting,
}

impl Store {
    /// Writes the row of a call, or finds the one that is there, and counts the agent's calls, in
    /// one statement.
    pub async fn admit(&self, call: &NewCall) -> Result<Admission> {
        let row = sqlx::query(
            "select call_log_id, outcome, epoch, next_seq, returns
            from admit_call($1, $2, $3, $4, $5, $6, $7, $8,
                timestamptz 'epoch' + $9::bigint * interval '1 microsecond')",
        )
        .bind(call.id)
        .bind(call.agent_id)
        .bind(storable_text(&call.call_sid))
        .bind(storable_text(call.caller.reveal()))
        .bind(call.instance_id)
        .bind(storable_text(&call.nonce))
        .bind(call.limit)
        .bind(storable_json(call.metadata.reveal()).as_ref())
        .bind(call.started_us)
        .fetch_one(&self.pool)
        .await?;
        let outcome = outcome(row.try_get("outcome")?)?;
        let call_log_id = row.try_get::<Option<Uuid>, _>("call_log_id")?.unwrap_or(call.id);
        let position = match outcome {
            AdmissionOutcome::NoAgent | AdmissionOutcome::Foreign => LogPosition::FIRST,
            _ => position(&row)?,
        };
        let returns = row.try_get::<Option<i32>, _>("returns")?.unwrap_or_default();
        Ok(Admission { call_log_id, outcome, position, returns })
    }

    /// Writes the row of a call that was admitted while the database was away, and gives the row that
    /// the call has now. One that another process wrote or has stays its: by now this may be an old
    /// spool, and the call go on there.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Refused`] if the agent is gone, or the CallSid is that of
    /// another agent's call.
    pub async fn insert_call(&self, call: &NewCall) -> Result<InsertedCall> {
        // The update changes nothing; it makes `returning` give the row that is there.
        let row = sqlx::query(
            "insert into call_logs as l (id, voice_agent_id, call_sid, caller_number, instance_id,
                stream_nonce, metadata, call_start, status, holds_line)
            values ($1, $2, $3, $4, $5, $6, $7,
                timestamptz 'epoch' + $8::bigint * interval '1 microsecond', 'in-progress', true)
            on conflict (call_sid) do update set call_sid = l.call_sid
                where l.voice_agent_id = excluded.voice_agent_id
            returning id, case when instance_id = $5 then epoch end as epoch",
        )
        .bind(call.id)
        .bind(call.agent_id)
        .bind(storable_text(&call.call_sid))
        .bind(storable_text(call.caller.reveal()))
        .bind(call.instance_id)
        .bind(storable_text(&call.nonce))
        .bind(storable_json(call.metadata.reveal()).as_ref())
        .bind(call.started_us)
        .fetch_optional(&self.pool)
        .await?;
        let foreign = || StoreError::Refused("none, it is another agent's call".to_owned());
        let row = row.ok_or_else(foreign)?;
        Ok(InsertedCall { id: row.try_get("id")?, epoch: row.try_get("epoch")? })
    }

    /// Whose call this is; none if there is no row of it. Only to find out which agent's token a
    /// webhook must be signed with: all else is asked with the agent.
    pub async fn agent_of_call(&self, call_sid: &str) -> Result<Option<Uuid>> {
        let agent_id =
            sqlx::query_scalar("select voice_agent_id from call_logs where call_sid = $1")
                .bind(call_sid)
                .fetch_optional(&self.pool)
                .await?;
        Ok(agent_id)
    }

    /// The row of an agent's call.
    pub async fn call_by_sid(&self, agent_id: Uuid, call_sid: &str) -> Result<Option<CallRow>> {
        let row = sqlx::query(
            "select id, voice_agent_id, caller_number, instance_id, epoch,
                call_end is not null as ended, out_until is not null as is_out, stream_returns,
                (extract(epoch from call_start) * 1000000)::bigint as started_us
            from call_logs where call_sid = $1 and voice_agent_id = $2",
        )
        .bind(call_sid)
        .bind(agent_id)
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(CallRow {
            id: row.try_get("id")?,
            agent_id: row.try_get("voice_agent_id")?,
            caller: row.try_get::<Option<String>, _>("caller_number")?.unwrap_or_default().into(),
            instance_id: row.try_get("instance_id")?,
            epoch: row.try_get("epoch")?,
            ended: row.try_get("ended")?,
            is_out: row.try_get("is_out")?,
            started_us: row.try_get("started_us")?,
            stream_returns: row.try_get("stream_returns")?,
        }))
    }

    /// Completes a call's row; whether one was written. What is known of an epoch that is over is not:
    /// the call goes on elsewhere, or was completed there. No row is no error: the agent, and with it
    /// the row, may be deleted while the call is held.
    pub async fn complete(&self, call: &CompletedCall, when: Completes) -> Result<bool> {
        let (if_live, if_owner, from_outing) = match when {
            Completes::ByOwner => (false, true, false),
            Completes::IfLive => (true, false, false),
            Completes::IfAbandoned => (true, true, false),
            Completes::AfterOuting => (true, false, true),
        };
        let done = sqlx::query(
            "update call_logs set
                call_end = timestamptz 'epoch' + $2::bigint * interval '1 microsecond',
                duration = $3::bigint * interval '1 millisecond', status = $4, transcript = $5,
                metadata = (case when jsonb_typeof(metadata) = 'object' then metadata
                    else '{}' end || ($6::jsonb - 'recording')) #- '{removed,transcript}',
                stream_nonce = null, holds_line = false,
                out_until = case when not $10 then out_until end
            where call_sid = $1 and voice_agent_id = coalesce($11, voice_agent_id)
                and (call_end is null or not $7 or ($10 and out_until is not null))
                and (instance_id is not distinct from $9 or not $8)
                and epoch = coalesce($12, epoch)",
        )
        .bind(storable_text(&call.call_sid))
        .bind(call.ended_us)
        .bind(call.duration_ms)
        .bind(storable_text(&call.status))
        .bind(storable_text(call.transcript.reveal()))
        .bind(storable_json(call.metadata.reveal()).as_ref())
        .bind(if_live)
        .bind(if_owner)
        .bind(call.instance_id)
        .bind(from_outing)
        .bind(call.agent_id)
        .bind(call.epoch)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() > 0)
    }
}
