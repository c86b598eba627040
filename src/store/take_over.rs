//! What somebody wants done with a live call: which process has it, and what that process is told by a
//! row where it is another one.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::Row;
use sqlx::types::Json;
use uuid::Uuid;

use super::access::{AgentAccess, Attend, Level, Role};
use super::audit::{self, AuditEntry};
use super::people::Viewer;
use super::{Result, Store, StoreError};
use crate::call::TransferTarget;
use crate::private::Private;

/// How old a command may be that is still carried out, seconds. Whoever gave it waits less.
const COUNTS_SECONDS: i32 = 8;

/// So soon after it was done the same is not done again, seconds: a call is ended and put through once.
const SAME_SECONDS: i32 = 5;
/// What is written down where nothing came of it.
const UNDONE: &str = "call.undone";
/// Among so many deeds of an agent's it is looked for.
const LATEST: i64 = 200;

/// A call that somebody may act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttendedCall {
    /// Twilio's name for the call.
    pub call_sid: String,
    /// The process that has it.
    pub instance_id: Option<Uuid>,
    /// Whether it is over.
    pub ended: bool,
    /// Whether the caller is with another party or at the fallback.
    pub is_out: bool,
    /// Whose line forwarded it here, E.164, where that is known.
    pub forwarded_by: Option<Private<String>>,
}

/// What is to be done with a live call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallCommand {
    /// It ends, with these words if there are any.
    End {
        /// What the agent says last.
        words: Option<String>,
    },
    /// The caller is put through.
    Transfer {
        /// To whom.
        target: TransferTarget,
    },
}

/// A command for a call of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenCommand {
    /// The call's agent.
    pub agent_id: Uuid,
    /// Twilio's name for the call.
    pub call_sid: String,
    /// What is to be done.
    pub command: CallCommand,
}

/// Something that somebody did with a call while it went on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallDeed {
    /// `call.transfer` or `call.end`.
    pub action: String,
    /// When, microseconds since the Unix epoch.
    pub at_us: i64,
    /// Who, if they are still there.
    pub by: Option<Private<String>>,
}

impl Store {
    /// What people did with a call of the agent's, as far as the viewer sees what others do: the first
    /// some.
    pub async fn deeds_of_call<L: Level>(
        &self,
        access: &AgentAccess<L>,
        viewer: &Viewer,
        call: Uuid,
    ) -> Result<Vec<CallDeed>> {
        let rows = sqlx::query(
            // Only the newest are looked through: what is long ago stands in the activity.
            "with latest as (
                select id, action, object, at, actor, change from public.audit_log
                where voice_agent_id = $1 order by id desc limit 2000
            )
            select l.action, (extract(epoch from l.at) * 1000000)::bigint as at_us,
                left(c.username, 200) as username
            from latest l left join public.customer c on c.uuid = l.actor
            where l.object = $2 and l.action in ('call.transfer', 'call.end')
                and ($3 or l.actor = $4)
                and not exists (select from latest u where u.action = $5 and u.object = $2
                    and u.id > l.id and u.change ->> 'wanted' = l.action)
            order by l.id limit 10",
        )
        .bind(access.agent_id())
        .bind(format!("call {call}"))
        .bind(access.role() >= Role::Maintainer)
        .bind(viewer.id())
        .bind(UNDONE)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(CallDeed {
                    action: row.try_get("action")?,
                    at_us: row.try_get("at_us")?,
                    by: row.try_get::<Option<String>, _>("username")?.map(Private::new),
                })
            })
            .collect()
    }

    /// A call of the agent's.
    pub async fn attended_call(
        &self,
        access: &AgentAccess<Attend>,
        call: Uuid,
    ) -> Result<Option<AttendedCall>> {
        let row = sqlx::query(
            "select call_sid, instance_id, call_end is not null as ended,
                out_until is not null as is_out, metadata ->> 'forwarded_by' as forwarded_by
            from public.call_logs
            where id = $1 and voice_agent_id = $2 and call_sid is not null",
        )
        .bind(call)
        .bind(access.agent_id())
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| {
            Ok(AttendedCall {
                call_sid: row.try_get("call_sid")?,
                instance_id: row.try_get("instance_id")?,
                ended: row.try_get("ended")?,
                is_out: row.try_get("is_out")?,
                forwarded_by: row.try_get::<Option<String>, _>("forwarded_by")?.map(Private::new),
            })
        })
        .transpose()
    }

    /// Writes down what somebody does with a live call. `false`: somebody did the same a moment ago, on
    /// whatever process, it was not [without effect](Self::note_undone), and nothing is written.
    pub async fn note_command(&self, deed: &AuditEntry<'_>) -> Result<bool> {
        let mut transaction = self.pool.begin().await?;
        // 5 is the lock of what is done with a call.
        sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 5))")
            .bind(deed.object.as_deref())
            .execute(&mut *transaction)
            .await?;
        let is_done: bool = sqlx::query_scalar(
            "with latest as (
                select id, action, object, at from public.audit_log
                where voice_agent_id = $1 order by id desc limit $2
            )
            select exists (
                select from latest l where action = $3 and object = $4
                    and at > statement_timestamp() - $5 * interval '1 second'
                    and not exists (select from latest u
                        where u.action = $6 and u.object = $4 and u.id > l.id))",
        )
        .bind(deed.agent_id)
        .bind(LATEST)
        .bind(deed.action)
        .bind(deed.object.as_deref())
        .bind(SAME_SECONDS)
        .bind(UNDONE)
        .fetch_one(&mut *transaction)
        .await?;
        if is_done {
            return Ok(false);
        }
        audit::note(&mut transaction, deed).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Writes down that nothing came of what somebody wanted done with a live call: it may be done again at
    /// once.
    pub async fn note_undone(&self, deed: &AuditEntry<'_>) -> Result<()> {
        let change = Some(json!({"wanted": deed.action}));
        self.note_deed(&AuditEntry { action: UNDONE, change, ..deed.clone() }).await
    }

    /// Tells the process that has a call of the agent's what to do with it. None: that process has it no
    /// more.
    pub async fn give_command(
        &self,
        access: &AgentAccess<Attend>,
        call: Uuid,
        instance: Uuid,
        command: &CallCommand,
    ) -> Result<Option<i64>> {
        let id = sqlx::query_scalar(
            "insert into public.call_commands (call_log_id, instance_id, command)
            select id, instance_id, $4 from public.call_logs
            where id = $1 and voice_agent_id = $2 and instance_id = $3 and call_end is null
            returning id",
        )
        .bind(call)
        .bind(access.agent_id())
        .bind(instance)
        .bind(Json(command))
        .fetch_optional(&self.pool)
        .await?;
        Ok(id)
    }

    /// Whether a command that was given has been taken.
    pub async fn is_command_taken(&self, id: i64) -> Result<bool> {
        let query = "select not exists (select from public.call_commands where id = $1)";
        Ok(sqlx::query_scalar(query).bind(id).fetch_one(&self.pool).await?)
    }

    /// Takes a command back. `false`: it was taken.
    pub async fn withdraw_command(&self, id: i64) -> Result<bool> {
        let done = sqlx::query("delete from public.call_commands where id = $1")
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Takes the commands that were given to this process.
    pub async fn take_commands(&self, instance: Uuid) -> Result<Vec<GivenCommand>> {
        let rows = sqlx::query(
            "with taken as (
                delete from public.call_commands where instance_id = $1
                returning call_log_id, command, at
            )
            select l.voice_agent_id, l.call_sid, t.command
            from taken t join public.call_logs l on l.id = t.call_log_id
            where t.at > now() - make_interval(secs => $2) and l.call_sid is not null
            order by t.at",
        )
        .bind(instance)
        .bind(f64::from(COUNTS_SECONDS))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                let Json(command) = row
                    .try_get::<Json<CallCommand>, _>("command")
                    .map_err(|_| StoreError::Unreadable("command".to_owned()))?;
                Ok(GivenCommand {
                    agent_id: row.try_get("voice_agent_id")?,
                    call_sid: row.try_get("call_sid")?,
                    command,
                })
            })
            .collect()
    }
}
