//! What is known of a caller from before: earlier calls to the same agent, appointments to come.

use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::numbers::SOME;
use super::{Result, Store};
use crate::agent::history::{History, PastCall};
use crate::private::Private;

/// Three calls, and of each text as much as a prompt has room for, so that no row, however large,
/// delays an answer. Numbers are compared as the program has read them, whoever wrote them.
const QUERY: &str = "
    (select 'call' as kind, (extract(epoch from l.call_start) * 1000000)::bigint as at_us,
        coalesce(left(l.status, 40), '') as what,
        left(case jsonb_typeof(l.summary) when 'string' then l.summary #>> '{}'
            when 'object' then coalesce(l.summary ->> 'summary', l.summary ->> 'text') end, 1000)
            as summary,
        array(select left(m ->> 'text', 1000) from jsonb_array_elements(
            case when jsonb_typeof(l.metadata -> 'messages') = 'array'
                then l.metadata -> 'messages' else '[]' end) m
            where m ->> 'text' is not null limit 3) as messages,
        null::bigint as coming
    from call_logs l
    where l.voice_agent_id = $1 and coalesce(l.caller_e164, l.caller_number) = $2
        and l.call_end is not null and not starts_with(coalesce(l.call_sid, ''), 'FT')
        and isfinite(l.call_start)
    order by l.call_start desc limit 3)
    union all
    (select 'appointments', null, null, null, null, count(*)
    from appointments a
    where a.voice_agent_id = $1 and a.status = 'pending' and a.schedule_time > now()
        and isfinite(a.schedule_time) and coalesce(a.phone_e164, a.phone_number) = $2)";

impl Store {
    /// What is known of the caller with this number, E.164: the last three calls to this agent
    /// that have ended, newest first, and how many appointments with it are to come.
    pub async fn caller_history(&self, agent_id: Uuid, caller: &str) -> Result<History> {
        // Numbers that cannot be read now are left out of the history this time.
        let _ = self.read_callers_numbers(agent_id, SOME).await;
        let _ = self.read_appointments_numbers(agent_id, SOME).await;
        let rows = sqlx::query(QUERY).bind(agent_id).bind(caller).fetch_all(&self.pool).await?;
        let mut history = History::default();
        for row in &rows {
            match row.try_get::<&str, _>("kind")? {
                "call" => history.calls.push(past_call(row)?),
                _ => history.appointments = row.try_get("coming")?,
            }
        }
        Ok(history)
    }
}

fn past_call(row: &PgRow) -> sqlx::Result<PastCall> {
    Ok(PastCall {
        started_us: row.try_get("at_us")?,
        status: row.try_get("what")?,
        summary: row.try_get::<Option<String>, _>("summary")?.map(Private::new),
        messages: Private::new(row.try_get("messages")?),
    })
}
