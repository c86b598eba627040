//! `calendar_feeds`: addresses at which calendars read an agent's bookings.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::access::{AgentAccess, Level, Maintain};
use super::audit::{self, AuditEntry};
use super::bookings::{BOOKING_SQL, Booking, JOINS_SQL, booking};
use super::members::stop_feed_of;
use super::people::{SecretHash, Viewer};
use super::{Result, Store};
use crate::private::Private;

/// How far a feed goes back and ahead.
const DAYS_BACK: i32 = 60;
const DAYS_AHEAD: i32 = 400;
/// The most bookings of a feed. Where there are more, those that are longest past are left out first.
const FEED_MAX: i64 = 2000;
/// How old `last_read_at` may be before a reading renews it.
const READ_SECONDS: i32 = 60;

/// A feed that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedState {
    /// When it was made, microseconds since the Unix epoch.
    pub created_us: i64,
    /// The name of whoever made it.
    pub created_by: Option<Private<String>>,
    /// When a calendar last read it, microseconds since the Unix epoch.
    pub read_us: Option<i64>,
}

/// What a feed gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedContent {
    /// What the business is called.
    pub business: String,
    /// Its bookings, the cancelled ones too, the earliest first.
    pub bookings: Vec<Booking>,
}

/// `$1` agent, `$2` and `$3` days back and ahead, `$4` how many: those to come and of the last day, the
/// next first, and then those before, the last first. Each half reads an index.
const NEAREST_SQL: &str = "select n.* from (
        (select x.* from public.appointments x
        where x.voice_agent_id = $1 and isfinite(x.schedule_time)
            and x.schedule_time >= now() - interval '1 day'
            and x.schedule_time <= now() + $3 * interval '1 day'
        order by x.schedule_time, x.id limit $4)
        union all
        (select x.* from public.appointments x
        where x.voice_agent_id = $1 and isfinite(x.schedule_time)
            and x.schedule_time >= now() - $2 * interval '1 day'
            and x.schedule_time < now() - interval '1 day'
        order by x.schedule_time desc, x.id desc limit $4)
    ) n
    order by n.schedule_time < now() - interval '1 day',
        abs(extract(epoch from n.schedule_time - now() + interval '1 day')), n.id
    limit $4";

/// Lets one after another change the agent's feeds, until the transaction ends; 4 is the lock of these.
async fn lock(connection: &mut PgConnection, agent: Uuid) -> sqlx::Result<()> {
    let lock = "select pg_advisory_xact_lock(hashtextextended($1::text, 4))";
    sqlx::query(lock).bind(agent).execute(connection).await.map(|_| ())
}

impl Store {
    /// The agent's feed, if there is one.
    pub async fn feed<L: Level>(&self, access: &AgentAccess<L>) -> Result<Option<FeedState>> {
        let row = sqlx::query(
            "select (extract(epoch from f.created_at) * 1000000)::bigint as created_us,
                (extract(epoch from f.last_read_at) * 1000000)::bigint as read_us,
                left(c.username, 200) as username
            from public.calendar_feeds f left join public.customer c on c.uuid = f.created_by
            where f.voice_agent_id = $1 and f.revoked_at is null
            order by f.created_at desc limit 1",
        )
        .bind(access.agent_id())
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| {
            Ok(FeedState {
                created_us: row.try_get("created_us")?,
                created_by: row.try_get::<Option<String>, _>("username")?.map(Private::new),
                read_us: row.try_get("read_us")?,
            })
        })
        .transpose()
    }

    /// Makes a feed with this secret. An older one stops. Of several at once, on whatever process, the last
    /// one stays. `false`: whoever makes it may not any more, and nothing was made.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn make_feed(
        &self,
        access: &AgentAccess<Maintain>,
        viewer: &Viewer,
        secret: &SecretHash,
    ) -> Result<bool> {
        let agent = access.agent_id();
        let mut transaction = self.pool.begin().await?;
        lock(&mut transaction, agent).await?;
        // Whoever takes their role away waits for this, or this for them.
        sqlx::query(
            "select from public.voice_agents_access
            where voice_agent_id = $1 and user_id = $2 for share",
        )
        .bind(agent)
        .bind(access.person())
        .execute(&mut *transaction)
        .await?;
        // A statement of its own: it sees what was made while the lock was waited for.
        sqlx::query(
            "update public.calendar_feeds set revoked_at = now()
            where voice_agent_id = $1 and revoked_at is null",
        )
        .bind(agent)
        .execute(&mut *transaction)
        .await?;
        let row = sqlx::query(
            "insert into public.calendar_feeds (token_hash, voice_agent_id, created_by)
            values ($2, $1, $3) returning id",
        )
        .bind(access.agent_id())
        .bind(secret.as_slice())
        .bind(access.person())
        .fetch_one(&mut *transaction)
        .await?;
        if stop_feed_of(&mut transaction, agent, access.person()).await? {
            transaction.rollback().await?;
            return Ok(false);
        }
        let id: Uuid = row.try_get("id")?;
        let deed = AuditEntry::of(viewer, "feed.make").agent(agent).object("feed", id);
        audit::note(&mut transaction, &deed).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Stops the agent's feed; whether there was one.
    pub async fn revoke_feed(
        &self,
        access: &AgentAccess<Maintain>,
        viewer: &Viewer,
    ) -> Result<bool> {
        let mut transaction = self.pool.begin().await?;
        // One that is being made at the same time is stopped too, or made after this.
        lock(&mut transaction, access.agent_id()).await?;
        let stopped = sqlx::query(
            "update public.calendar_feeds set revoked_at = now()
            where voice_agent_id = $1 and revoked_at is null",
        )
        .bind(access.agent_id())
        .execute(&mut *transaction)
        .await?;
        if stopped.rows_affected() > 0 {
            let deed = AuditEntry::of(viewer, "feed.revoke").agent(access.agent_id());
            audit::note(&mut transaction, &deed).await?;
        }
        transaction.commit().await?;
        Ok(stopped.rows_affected() > 0)
    }

    /// What the feed with this secret gives; none if there is no such feed any more. Whoever has the
    /// secret reads: it is the access check. Notes that it was read.
    pub async fn read_feed(&self, secret: &SecretHash) -> Result<Option<FeedContent>> {
        let found = sqlx::query(
            "with alive as (
                select f.id, f.last_read_at, a.id as agent_id,
                    left(coalesce(nullif(b.business_name, ''), a.name), 200) as business
                from public.calendar_feeds f
                join public.voice_agents a on a.id = f.voice_agent_id
                left join public.business_details b on b.voice_agent_id = a.id
                where f.token_hash = $1 and f.revoked_at is null and a.status <> 'deleted'
            ), noted as (
                update public.calendar_feeds f set last_read_at = now()
                from alive where f.id = alive.id and (alive.last_read_at is null
                    or alive.last_read_at < now() - $2 * interval '1 second')
            )
            select agent_id, business from alive",
        )
        .bind(secret.as_slice())
        .bind(READ_SECONDS)
        .fetch_optional(&self.pool)
        .await?;
        let Some(found) = found else { return Ok(None) };
        let sql = format!(
            "select {BOOKING_SQL} from ({NEAREST_SQL}) a {JOINS_SQL} order by a.schedule_time, a.id"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(found.try_get::<Uuid, _>("agent_id")?)
            .bind(DAYS_BACK)
            .bind(DAYS_AHEAD)
            .bind(FEED_MAX)
            .fetch_all(&self.pool)
            .await?;
        Ok(Some(FeedContent {
            business: found.try_get("business")?,
            bookings: rows.iter().map(booking).collect::<Result<_>>()?,
        }))
    }
}
