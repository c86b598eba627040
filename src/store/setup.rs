//! An agent that is being set up: each screen of the set-up writes what it has asked, so that it can be
//! left and gone on with. What it writes is a change like any other, see
//! [`agent_edits`](super::agent_edits); here is how far it has come.

use sqlx::postgres::Postgres;
use sqlx::{Row, Transaction};
use uuid::Uuid;

use super::access::{AgentAccess, Inspect};
use super::agent_edits::{AgentWrite, WriteError, note, write_business};
use super::paces::{self, Pace};
use super::people::Viewer;
use super::{Result, Store};
use crate::private::Private;

/// How far the set-up of an agent has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupRow {
    /// The screen that comes next; none where there is no set-up, or it is over.
    pub step: Option<String>,
    /// `status`.
    pub status: String,
}

/// Where the set-up goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetupMove {
    /// This screen comes next.
    To(&'static str),
    /// It is over.
    End,
}

/// What became of a set-up that was to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// There is an agent now.
    Made,
    /// There is one with this id already.
    Known,
    /// This person has made too many lately: again in so many seconds.
    TooMany(u64),
}

/// A call that reached an agent.
#[derive(Debug, Clone)]
pub struct ArrivedCall {
    /// `call_logs.id`.
    pub id: Uuid,
    /// Who called; not always a number.
    pub caller: Private<String>,
    /// Whose line forwarded it, where that is known.
    pub forwarder: Option<Private<String>>,
    /// When, microseconds since the Unix epoch.
    pub at_us: i64,
    /// Whether it goes on.
    pub is_live: bool,
}

impl Store {
    /// Makes an agent of this person's that answers nobody yet and is to be set up. It counts in `pace`
    /// if it is made.
    ///
    /// # Errors
    /// [`WriteError`]: a conflict without a column where the person's plan allows no more agents.
    pub async fn begin_setup(
        &self,
        (viewer, pace): (&Viewer, &Pace),
        id: Uuid,
        write: &AgentWrite,
        next: &'static str,
    ) -> std::result::Result<Begun, WriteError> {
        // Whoever sends it again is led to what is there, however many they have made.
        let known = "select exists (select from public.voice_agents where id = $1)";
        if sqlx::query_scalar(known).bind(id).fetch_one(&self.pool).await? {
            return Ok(Begun::Known);
        }
        let mut transaction = self.pool.begin().await?;
        if let Some(seconds) = paces::take(&mut transaction, pace, viewer.id()).await? {
            return Ok(Begun::TooMany(seconds));
        }
        let made = sqlx::query(
            "insert into public.voice_agents
                (id, name, created_by, status, private_settings, setup_step)
            select $3, c ->> 'name', $2, 'inactive',
                coalesce(nullif(c -> 'private_settings', 'null'), '{}'), $4
            from (select $1::jsonb as c) given, set_config('frontdesk.by_person', 'on', true)
            on conflict (id) do nothing",
        )
        .bind(super::agent_edits::columns(write.agent.as_ref()))
        .bind(viewer.id())
        .bind(id)
        .bind(next)
        .execute(&mut *transaction)
        .await?;
        if made.rows_affected() == 0 {
            return Ok(Begun::Known);
        }
        write_business(&mut transaction, id, write.business.as_ref()).await?;
        note(&mut transaction, viewer, id, "agent.create", write).await?;
        transaction.commit().await?;
        Ok(Begun::Made)
    }

    /// How far the set-up of an agent has come.
    pub async fn setup(&self, access: &AgentAccess<Inspect>) -> Result<SetupRow> {
        let row = sqlx::query(
            "select setup_step, status::text as status from public.voice_agents where id = $1",
        )
        .bind(access.agent_id())
        .fetch_one(&self.pool)
        .await?;
        Ok(SetupRow { step: row.try_get("setup_step")?, status: row.try_get("status")? })
    }

    /// The agent that somebody began to set up last and has not finished.
    pub async fn unfinished_setup(&self, viewer: &Viewer) -> Result<Option<Uuid>> {
        Ok(sqlx::query_scalar(
            "select id from public.voice_agents
            where created_by = $1 and setup_step is not null and status = 'inactive'
            order by created_at desc limit 1",
        )
        .bind(viewer.id())
        .fetch_optional(&self.pool)
        .await?)
    }

    /// The newest call that reached an agent since a time, microseconds since the Unix epoch. Test calls
    /// do not count.
    pub async fn call_since(
        &self,
        access: &AgentAccess<Inspect>,
        since_us: i64,
    ) -> Result<Option<ArrivedCall>> {
        let row = sqlx::query(
            "select id, coalesce(caller_number, '') as caller, call_end is null as is_live,
                metadata ->> 'forwarded_by' as forwarder,
                (extract(epoch from call_start) * 1000000)::bigint as at_us
            from public.call_logs
            where voice_agent_id = $1 and isfinite(call_start)
                and call_start >= timestamptz 'epoch' + $2::bigint * interval '1 microsecond'
                and coalesce(call_sid, '') not like 'FT%'
            order by call_start desc, id desc limit 1",
        )
        .bind(access.agent_id())
        .bind(since_us)
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(ArrivedCall {
            id: row.try_get("id")?,
            caller: row.try_get::<String, _>("caller")?.into(),
            forwarder: row.try_get::<Option<String>, _>("forwarder")?.map(Private::new),
            at_us: row.try_get("at_us")?,
            is_live: row.try_get("is_live")?,
        }))
    }
}

/// Moves the set-up of an agent on; a conflict where it is not being set up. An agent that was put into
/// service or suspended meanwhile is not, and the set-up changes nothing of it.
pub(super) async fn move_on(
    transaction: &mut Transaction<'static, Postgres>,
    agent_id: Uuid,
    to: SetupMove,
) -> std::result::Result<(), WriteError> {
    let step = match to {
        SetupMove::To(step) => Some(step),
        SetupMove::End => None,
    };
    let moved = sqlx::query(
        "update public.voice_agents set setup_step = $2
        where id = $1 and setup_step is not null and status = 'inactive'",
    )
    .bind(agent_id)
    .bind(step)
    .execute(&mut **transaction)
    .await?;
    match moved.rows_affected() {
        0 => Err(WriteError::Conflict {
            column: Some("setup_step".to_owned()),
            message: "this agent is not being set up any more".to_owned(),
        }),
        _ => Ok(()),
    }
}
