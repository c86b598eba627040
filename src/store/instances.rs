//! Which processes are alive, and whose calls are whose. A call whose caller is out is nobody's.

use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::{Result, Store};

/// A process that takes calls, or took some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceBeat {
    /// The id of the process.
    pub id: Uuid,
    /// Its last sign of life, microseconds since the Unix epoch by the database's clock. None: it
    /// has calls and has given no sign yet.
    pub beat_us: Option<i64>,
    /// Whether it takes calls: its last sign is fresh, and it is not going down.
    pub takes_calls: bool,
}

/// A live call, to be completed by somebody else than its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abandoned {
    /// `call_logs.id`.
    pub id: Uuid,
    /// Twilio's name for the call.
    pub call_sid: String,
    /// The agent that has the call.
    pub agent_id: Uuid,
    /// The process that has it.
    pub instance_id: Option<Uuid>,
    /// In which epoch.
    pub epoch: i32,
    /// When it began, microseconds since the Unix epoch.
    pub started_us: i64,
}

/// What is known of another process that could take calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerStatus {
    /// Another process takes calls.
    Alive,
    /// Another process took calls, and its last heartbeat is old: it is dead, or could not write
    /// one.
    Silent,
    /// There is no other process.
    None,
}

/// How old the last sign of a process that takes calls may be, seconds: two that were not given.
const FRESH_SECONDS: i32 = 12;

impl Store {
    /// Says that this process is alive. That it takes no more calls stays said.
    pub async fn beat(&self, instance_id: Uuid) -> Result<()> {
        sqlx::query(
            "insert into frontdesk_instances (id) values ($1)
            on conflict (id) do update set beat_at = clock_timestamp()",
        )
        .bind(instance_id)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Says that this process takes no more calls.
    pub async fn note_draining(&self, instance_id: Uuid) -> Result<()> {
        sqlx::query(
            "insert into frontdesk_instances (id, draining) values ($1, true)
            on conflict (id) do update set draining = true, beat_at = clock_timestamp()",
        )
        .bind(instance_id)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// What is known of another process that could take calls.
    pub async fn heir(&self, instance_id: Uuid) -> Result<PeerStatus> {
        let is_alive: Option<bool> = sqlx::query_scalar(
            "select bool_or(beat_at > clock_timestamp() - make_interval(secs => $2))
            from frontdesk_instances where id <> $1 and not draining",
        )
        .bind(instance_id)
        .bind(f64::from(FRESH_SECONDS))
        .fetch_one(&self.pool)
        .await?;
        Ok(match is_alive {
            Some(true) => PeerStatus::Alive,
            Some(false) => PeerStatus::Silent,
            None => PeerStatus::None,
        })
    }

    /// All processes that gave a sign of life or have live calls.
    pub async fn instances(&self) -> Result<Vec<InstanceBeat>> {
        let rows = sqlx::query(
            "select id, (extract(epoch from beat_at) * 1000000)::bigint as beat_us,
                not draining and beat_at > clock_timestamp() - make_interval(secs => $1)
                    as takes_calls
            from frontdesk_instances
            union all
            select distinct l.instance_id, null::bigint, false from call_logs l
            where l.call_end is null and l.call_sid is not null and l.out_until is null
                and l.instance_id is not null
                and not exists (select from frontdesk_instances i where i.id = l.instance_id)",
        )
        .bind(f64::from(FRESH_SECONDS))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(InstanceBeat {
                    id: row.try_get("id")?,
                    beat_us: row.try_get("beat_us")?,
                    takes_calls: row.try_get("takes_calls")?,
                })
            })
            .collect()
    }

    /// Up to `limit` live calls of these processes, the oldest first. Those that somebody asks
    /// Twilio about at present are not among them, here and below.
    pub async fn live_calls_of(&self, instances: &[Uuid], limit: i64) -> Result<Vec<Abandoned>> {
        let rows = sqlx::query(
            "select id, call_sid, voice_agent_id, instance_id, epoch,
                (extract(epoch from call_start) * 1000000)::bigint as started_us
            from call_logs
            where call_end is null and call_sid is not null and out_until is null
                and instance_id = any($1) and (ask_at is null or ask_at <= now())
            order by call_start limit $2",
        )
        .bind(instances)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(abandoned).collect()
    }

    /// Up to `limit` live calls that no process has and of which nothing was written for
    /// `quiet_seconds`, the oldest first.
    pub async fn ownerless_calls(&self, quiet_seconds: i32, limit: i64) -> Result<Vec<Abandoned>> {
        let rows = sqlx::query(
            "select id, call_sid, voice_agent_id, instance_id, epoch,
                (extract(epoch from call_start) * 1000000)::bigint as started_us
            from call_logs l
            where call_end is null and call_sid is not null and out_until is null
                and instance_id is null and (ask_at is null or ask_at <= now())
                and created_at < now() - make_interval(secs => $1)
                and not exists (select from call_events e where e.call_log_id = l.id
                    and e.created_at > now() - make_interval(secs => $1))
            order by call_start limit $2",
        )
        .bind(f64::from(quiet_seconds))
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(abandoned).collect()
    }

    /// All live calls of a process whose row is at least `age_seconds` old.
    pub async fn old_calls_of(&self, instance: Uuid, age_seconds: i32) -> Result<Vec<Abandoned>> {
        let rows = sqlx::query(
            "select id, call_sid, voice_agent_id, instance_id, epoch,
                (extract(epoch from call_start) * 1000000)::bigint as started_us
            from call_logs
            where call_end is null and call_sid is not null and out_until is null
                and instance_id = $1 and (ask_at is null or ask_at <= now())
                and created_at < now() - make_interval(secs => $2)",
        )
        .bind(instance)
        .bind(f64::from(age_seconds))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(abandoned).collect()
    }

    /// Forgets these processes: they are dead and their calls completed.
    pub async fn remove_instances(&self, instances: &[Uuid]) -> Result<()> {
        sqlx::query("delete from frontdesk_instances where id = any($1)")
            .bind(instances)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

impl Store {
    /// Forgets those of these dead processes whose calls are all completed or taken over, and gives
    /// which these are. The work after calls that they had claimed is free for others then, ahead of
    /// its lease: an attempt that counts, for it may be what the process died of.
    pub async fn forget_dead(&self, dead: &[Uuid]) -> Result<Vec<Uuid>> {
        let gone = sqlx::query_scalar(
            "with gone as (
                select d.id from unnest($1::uuid[]) as d (id)
                where not exists (select from call_logs l where l.instance_id = d.id
                    and l.call_end is null and l.call_sid is not null and l.out_until is null)
            ), removed as (
                delete from frontdesk_instances i using gone where i.id = gone.id
            ), claimed as materialized (
                select j.id from aftercall_jobs j join gone on j.leased_by = gone.id
                where j.state = 'pending' for update of j skip locked
            ), freed as (
                update aftercall_jobs j set leased_by = null, leased_until = null
                from claimed where j.id = claimed.id
            )
            select id from gone",
        )
        .bind(dead)
        .fetch_all(&self.pool)
        .await?;
        Ok(gone)
    }
}

pub(super) fn abandoned(row: &PgRow) -> Result<Abandoned> {
    Ok(Abandoned {
        id: row.try_get("id")?,
        call_sid: row.try_get("call_sid")?,
        agent_id: row.try_get("voice_agent_id")?,
        instance_id: row.try_get("instance_id")?,
        epoch: row.try_get("epoch")?,
        started_us: row.try_get("started_us")?,
    })
}
