//! Whose a live call is. Whoever claims one that it does not hold gets its next epoch, and whatever the
//! owner before still writes is refused.

use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::events::FIRST_EPOCH;
use super::{Result, Store};

/// Who claims a call, or says that it is theirs.
#[derive(Debug, Clone, Copy)]
pub struct Claimant<'a> {
    /// The agent. Only a call of its own is found.
    pub agent_id: Uuid,
    /// Twilio's name for the call.
    pub call_sid: &'a str,
    /// The process.
    pub instance_id: Uuid,
    /// The epoch in which the call is this process's, as far as it knows.
    pub held: Option<i32>,
}

/// What an owner writes its events with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPosition {
    /// Its epoch.
    pub epoch: i32,
    /// The number of its next event, behind all that are written.
    pub next_seq: i64,
}

impl LogPosition {
    /// Where a call begins.
    pub const FIRST: Self = Self { epoch: FIRST_EPOCH, next_seq: 1 };
}

/// What became of a claim to a call's media stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamClaim {
    /// The stream is the claimant's, and so is the call.
    Claimed {
        /// `call_logs.id`.
        call_log_id: Uuid,
        /// The agent.
        agent_id: Uuid,
        /// What the claimant writes with.
        position: LogPosition,
    },
    /// The nonce was used, or another took its place; or the claimant has lost the call.
    Spent,
    /// The call has no row.
    NoRow,
    /// The call has ended.
    Ended,
}

/// What became of a fresh nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// The row has it.
    Renewed,
    /// Another process has the call.
    Lost,
    /// There is no such live call.
    Gone,
}

/// A caller who is given back to the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Returned {
    /// How often that was done, this time included.
    pub returns: i32,
    /// What the claimant writes with.
    pub position: LogPosition,
}

impl Store {
    /// Spends the nonce and makes the call this process's, in the epoch that its task holds, else in
    /// the next one. Of any number of claims with one nonce one succeeds.
    pub async fn claim_stream(&self, who: Claimant<'_>, nonce: &str) -> Result<StreamClaim> {
        let row = sqlx::query(
            "with claimed as (
                update call_logs set stream_nonce = null, instance_id = $3,
                    epoch = case when $5::int is null then epoch + 2 else epoch end
                where call_sid = $1 and voice_agent_id = $4 and stream_nonce = $2
                    and call_end is null and ($5::int is null or epoch = $5)
                returning id, epoch
            )
            select l.id, l.voice_agent_id, l.call_end is not null as ended,
                c.id is not null as claimed, coalesce(c.epoch, l.epoch) as epoch,
                (select coalesce(max(e.seq) + 1, 1) from call_events e
                    where e.call_log_id = l.id) as next_seq
            from call_logs l left join claimed c on c.id = l.id
            where l.call_sid = $1 and l.voice_agent_id = $4",
        )
        .bind(who.call_sid)
        .bind(nonce)
        .bind(who.instance_id)
        .bind(who.agent_id)
        .bind(who.held)
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(StreamClaim::NoRow) };
        if row.try_get("claimed")? {
            Ok(StreamClaim::Claimed {
                call_log_id: row.try_get("id")?,
                agent_id: row.try_get("voice_agent_id")?,
                position: position(&row)?,
            })
        } else if row.try_get("ended")? {
            Ok(StreamClaim::Ended)
        } else {
            Ok(StreamClaim::Spent)
        }
    }

    /// Gives a live call that this process holds a new nonce. It stays in its epoch: the task that has
    /// it goes on, and what it has written may still be on its way.
    pub async fn renew_nonce(&self, who: Claimant<'_>, nonce: &str) -> Result<Renewal> {
        let is_renewed = sqlx::query_scalar(
            "with renewed as (
                update call_logs set stream_nonce = $2
                where call_sid = $1 and voice_agent_id = $4 and call_end is null
                    and instance_id = $3 and epoch = $5
                returning id
            )
            select exists (select from renewed) from call_logs l
            where l.call_sid = $1 and l.voice_agent_id = $4 and l.call_end is null",
        )
        .bind(who.call_sid)
        .bind(nonce)
        .bind(who.instance_id)
        .bind(who.agent_id)
        .bind(who.held)
        .fetch_optional(&self.pool)
        .await?;
        Ok(match is_renewed {
            Some(true) => Renewal::Renewed,
            Some(false) => Renewal::Lost,
            None => Renewal::Gone,
        })
    }

    /// Counts one more return of a live call's caller to the agent, with a new nonce; none when there
    /// were `max` already or the call is not live. Leaving a process that goes down is no return: that
    /// is not the line's fault, and happens once a process.
    ///
    /// A process to which its own caller comes back keeps its epoch: what it wrote before may still be
    /// on its way, in the queue that what it writes now goes behind.
    pub async fn count_return(
        &self,
        who: Claimant<'_>,
        nonce: &str,
        max: i32,
    ) -> Result<Option<Returned>> {
        let row = sqlx::query(
            "update call_logs l set stream_nonce = $2, instance_id = $3, out_until = null,
                ask_at = null, asks = 0, holds_line = true,
                epoch = case when instance_id = $3 and epoch = $6 then epoch else epoch + 2 end,
                stream_returns = stream_returns + case when moved.yes then 0 else 1 end
            from (select exists (select from call_logs c join frontdesk_instances i
                on i.id = c.instance_id
                where c.call_sid = $1 and c.voice_agent_id = $5
                    and c.out_until is null and i.draining) as yes) moved
            where call_sid = $1 and voice_agent_id = $5 and call_end is null
                and (stream_returns < $4 or moved.yes)
            returning stream_returns, epoch,
                (select coalesce(max(e.seq) + 1, 1) from call_events e
                    where e.call_log_id = l.id) as next_seq",
        )
        .bind(who.call_sid)
        .bind(nonce)
        .bind(who.instance_id)
        .bind(max)
        .bind(who.agent_id)
        .bind(who.held)
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Returned { returns: row.try_get("stream_returns")?, position: position(&row)? }))
    }
}

pub(super) fn position(row: &PgRow) -> Result<LogPosition> {
    Ok(LogPosition { epoch: row.try_get("epoch")?, next_seq: row.try_get("next_seq")? })
}
