//! When Twilio is asked about a call, so that of several processes one asks.

use sqlx::Row;

use super::instances::{Abandoned, abandoned};
use super::{Result, Store};

/// The longest pause between two questions about a caller who is out, seconds.
const PAUSE_MAX_SECONDS: i32 = 600;

/// A call that was left, and is this process's to ask about for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asking {
    /// How often it was asked about since it was left, this time included.
    pub asks: i32,
    /// The last sign of life of the process that left it, microseconds since the Unix epoch.
    pub owner_beat_us: Option<i64>,
}

impl Store {
    /// Makes a call that `call.instance_id` left this process's to ask about, for `seconds`. None:
    /// somebody else does, has taken the call over, or has completed it.
    pub async fn ask_about(&self, call: &Abandoned, seconds: i32) -> Result<Option<Asking>> {
        let row = sqlx::query(
            "update call_logs set asks = asks + 1, ask_at = now() + make_interval(secs => $3)
            where id = $1 and instance_id is not distinct from $2 and epoch = $4 and call_end is null
                and out_until is null and (ask_at is null or ask_at <= now())
            returning asks, (select (extract(epoch from i.beat_at) * 1000000)::bigint
                from frontdesk_instances i where i.id = $2) as owner_beat_us",
        )
        .bind(call.id)
        .bind(call.instance_id)
        .bind(f64::from(seconds))
        .bind(call.epoch)
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| {
            Ok(Asking { asks: row.try_get("asks")?, owner_beat_us: row.try_get("owner_beat_us")? })
        })
        .transpose()
    }

    /// Whether the call is still live and the process's that left it.
    pub async fn is_left(&self, call: &Abandoned) -> Result<bool> {
        let is_left = sqlx::query_scalar(
            "select exists (select from call_logs where id = $1 and call_end is null
                and out_until is null and instance_id is not distinct from $2 and epoch = $3)",
        )
        .bind(call.id)
        .bind(call.instance_id)
        .bind(call.epoch)
        .fetch_one(&self.pool)
        .await?;
        Ok(is_left)
    }

    /// Up to `limit` calls whose caller is out and about which it is time to ask. They are this
    /// process's to ask about until it is time again: after one minute, two, four, and so on.
    pub async fn outings_to_ask_about(&self, limit: i64) -> Result<Vec<Abandoned>> {
        let rows = sqlx::query(
            "with due as (
                select id from call_logs
                where call_end is null and call_sid is not null and out_until is not null
                    and ask_at <= now()
                order by ask_at limit $1 for update skip locked
            )
            update call_logs l set asks = asks + 1,
                ask_at = now() + make_interval(secs => least($2, 120 * 2 ^ least(asks, 10)))
            from due where l.id = due.id
            returning l.id, l.call_sid, l.voice_agent_id, l.instance_id, l.epoch,
                (extract(epoch from l.call_start) * 1000000)::bigint as started_us",
        )
        .bind(limit)
        .bind(f64::from(PAUSE_MAX_SECONDS))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(abandoned).collect()
    }
}
