//! What the first page of the console shows beside the list of what there is to do.

use sqlx::Row;
use uuid::Uuid;

use super::access::VisibleAgents;
use super::{Result, Store};
use crate::private::Private;

/// A call that goes on.
#[derive(Debug, Clone)]
pub struct LiveCall {
    /// `call_logs.id`.
    pub id: Uuid,
    /// `voice_agent_id`.
    pub agent_id: Uuid,
    /// What the caller said last.
    pub words: Option<Private<String>>,
}

/// An appointment of a day.
#[derive(Debug, Clone)]
pub struct Booking {
    /// `id`.
    pub id: Uuid,
    /// `voice_agent_id`.
    pub agent_id: Uuid,
    /// `name`.
    pub name: Private<String>,
    /// `service`.
    pub service: Private<String>,
    /// `status`.
    pub status: String,
    /// When it begins, microseconds since the Unix epoch.
    pub starts_us: i64,
    /// Whether it was found in a conversation, booked by no function, and not said to be right.
    pub is_extracted: bool,
}

/// What came in on a day.
#[derive(Debug, Clone, Copy, Default)]
pub struct DayCounts {
    /// Calls.
    pub calls: i64,
    /// Of those, that the agent held to their end.
    pub answered: i64,
    /// That somebody else answered.
    pub put_through: i64,
    /// That left a message.
    pub voicemail: i64,
    /// How long they were in all, in seconds, as the days' usage has it.
    pub seconds: i64,
}

/// The most calls and bookings that are shown.
const ROWS_MAX: i64 = 50;

impl Store {
    /// The calls of these agents that go on, the oldest first. Tests do not count.
    pub async fn calls_on_the_phone(&self, agents: &VisibleAgents) -> Result<Vec<LiveCall>> {
        let rows = sqlx::query(
            "select c.id, c.voice_agent_id, (select left(e.data ->> 'text', 80) from public.call_events e
                where e.call_log_id = c.id and e.kind = 'caller_said' 
                    order by e.epoch desc, e.seq desc limit 1)
                as words
            from public.call_logs c
            where c.voice_agent_id = any($1) and c.call_end is null and c.call_sid like 'CA%'
                and c.call_start > now() - interval '1 day'
            order by c.call_start limit $2",
        )
        .bind(agents.ids())
        .bind(ROWS_MAX)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                let words: Option<String> = row.try_get("words")?;
                Ok(LiveCall {
                    id: row.try_get("id")?,
                    agent_id: row.try_get("voice_agent_id")?,
                    words: words.map(Private::new),
                })
            })
            .collect()
    }

    /// The appointments of these agents that begin between two times, in microseconds since the Unix
    /// epoch.
    pub async fn bookings_between(
        &self,
        agents: &VisibleAgents,
        from_us: i64,
        to_us: i64,
    ) -> Result<Vec<Booking>> {
        let rows = sqlx::query(
            "select id, voice_agent_id, name, service, status::text as status,
                is_extracted and checked_at is null as is_extracted,
                (extract(epoch from schedule_time) * 1000000)::bigint as starts_us
            from public.appointments
            where voice_agent_id = any($1) and status <> 'cancelled'
                and schedule_time >= timestamptz 'epoch' + $2 * interval '1 microsecond'
                and schedule_time < timestamptz 'epoch' + $3 * interval '1 microsecond'
            order by schedule_time, id limit $4",
        )
        .bind(agents.ids())
        .bind(from_us)
        .bind(to_us)
        .bind(ROWS_MAX)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Booking {
                    id: row.try_get("id")?,
                    agent_id: row.try_get("voice_agent_id")?,
                    name: row.try_get::<String, _>("name")?.into(),
                    service: row.try_get::<String, _>("service")?.into(),
                    status: row.try_get("status")?,
                    starts_us: row.try_get("starts_us")?,
                    is_extracted: row.try_get("is_extracted")?,
                })
            })
            .collect()
    }

    /// What came in for these agents between two times. Tests do not count.
    pub async fn counts_between(
        &self,
        agents: &VisibleAgents,
        from_us: i64,
        to_us: i64,
    ) -> Result<DayCounts> {
        let row = sqlx::query(
            "select count(*) as calls,
                count(*) filter (where status = 'completed') as answered,
                count(*) filter (where status = 'transferred') as put_through,
                count(*) filter (where status = 'voicemail') as voicemail,
                coalesce(sum(round(least(greatest(
                    extract(epoch from coalesce(duration, call_end - call_start)), 0), 1e12)))
                    filter (where isfinite(call_end)), 0)::bigint as seconds
            from public.call_logs
            where voice_agent_id = any($1) and coalesce(call_sid, '') not like 'FT%'
                and call_start >= timestamptz 'epoch' + $2 * interval '1 microsecond'
                and call_start < timestamptz 'epoch' + $3 * interval '1 microsecond'",
        )
        .bind(agents.ids())
        .bind(from_us)
        .bind(to_us)
        .fetch_one(&self.pool)
        .await?;
        Ok(DayCounts {
            calls: row.try_get("calls")?,
            answered: row.try_get("answered")?,
            put_through: row.try_get("put_through")?,
            voicemail: row.try_get("voicemail")?,
            seconds: row.try_get("seconds")?,
        })
    }
}
