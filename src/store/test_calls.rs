//! Test calls from the console: their rows, and the key that their streams are admitted with.

use uuid::Uuid;

use super::access::{AgentAccess, Maintain};
use super::paces::{Pace, take};
use super::{NewCall, Result, Store, outcome, storable_json, storable_text};
use crate::private::Private;

/// What became of a test call that was to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum TestOpened {
    /// Its row is there.
    Opened,
    /// The agent has as many tests at once as it may.
    AtOnce,
    /// All agents of its owner together have as many at once as they may.
    OwnerAtOnce,
    /// As many were made within a day as may be.
    InADay,
    /// Who asks has made too many: again in so many seconds.
    #[strum(disabled)]
    TooMany(u64),
    /// There is no such agent.
    NoAgent,
    /// The operator has suspended the agent, and who asks is no administrator.
    Suspended,
}

/// How many tests an agent may have.
#[derive(Debug, Clone, Copy)]
pub struct TestLimits {
    /// At once.
    pub at_once: i32,
    /// At once, together with all other agents of its owner.
    pub at_once_of_owner: i32,
    /// Within a day.
    pub in_a_day: i32,
}

impl Store {
    /// Writes the row of a test call, which takes none of the agent's lines, and counts it for whoever makes
    /// it. One that is refused does not count.
    pub async fn open_test(
        &self,
        access: &AgentAccess<Maintain>,
        call: &NewCall,
        limits: TestLimits,
        pace: &Pace,
    ) -> Result<TestOpened> {
        let mut transaction = self.pool.begin().await?;
        // The tests of an owner pass one at a time. This is a statement of its own: one that waited would
        // count what was there before it did. 6 is the lock of an owner's tests.
        sqlx::query(
            "select pg_advisory_xact_lock(hashtextextended(created_by::text, 6))
            from public.voice_agents where id = $1",
        )
        .bind(access.agent_id())
        .execute(&mut *transaction)
        .await?;
        let opened = sqlx::query_scalar(
            "select case when exists (select from public.voice_agents a, public.customer c
                    where a.id = $2 and a.status = 'suspended'
                        and c.uuid = $11 and not coalesce(c.isadmin, false))
                then 'suspended'
                when (select count(*) from public.voice_agents mine
                    join public.voice_agents a on a.created_by = mine.created_by
                    join public.call_logs c on c.voice_agent_id = a.id
                    where mine.id = $2 and c.call_end is null and starts_with(c.call_sid, 'FT')
                        and c.call_start > now() - interval '1 day') >= $12
                then 'owner_at_once'
                else test_call_open($1, $2, $3, $4, $5, $6, $7,
                    timestamptz 'epoch' + $8::bigint * interval '1 microsecond', $9, $10) end",
        )
        .bind(call.id)
        .bind(access.agent_id())
        .bind(storable_text(&call.call_sid))
        .bind(storable_text(call.caller.reveal()))
        .bind(call.instance_id)
        .bind(storable_text(&call.nonce))
        .bind(storable_json(call.metadata.reveal()).as_ref())
        .bind(call.started_us)
        .bind(limits.at_once)
        .bind(limits.in_a_day)
        .bind(access.person())
        .bind(limits.at_once_of_owner)
        .fetch_one(&mut *transaction)
        .await?;
        let opened = outcome(opened)?;
        if opened == TestOpened::Opened
            && let Some(seconds) = take(&mut transaction, pace, access.person()).await?
        {
            return Ok(TestOpened::TooMany(seconds));
        }
        transaction.commit().await?;
        Ok(opened)
    }

    /// The CallSid of a test call of the agent's.
    pub async fn test_call(
        &self,
        access: &AgentAccess<Maintain>,
        call: Uuid,
    ) -> Result<Option<String>> {
        let query = "select call_sid from public.call_logs
            where id = $1 and voice_agent_id = $2 and starts_with(call_sid, 'FT')";
        let sid = sqlx::query_scalar(query).bind(call).bind(access.agent_id());
        Ok(sid.fetch_optional(&self.pool).await?)
    }

    /// A key that this installation has for itself, by what it is for; `fresh` is kept as the key if
    /// there is none yet.
    pub async fn installation_key(&self, name: &str, fresh: &[u8; 32]) -> Result<Private<Vec<u8>>> {
        sqlx::query(
            "insert into public.installation_keys (name, key) values ($1, $2) on conflict do nothing",
        )
        .bind(name)
        .bind(fresh.as_slice())
        .execute(&self.pool)
        .await?;
        let key = sqlx::query_scalar("select key from public.installation_keys where name = $1");
        Ok(Private::new(key.bind(name).fetch_one(&self.pool).await?))
    }
}
