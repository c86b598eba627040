//! What is kept of one caller, and its removal.

use serde_json::{Value, json};
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::access::{AgentAccess, Level, Own, VisibleAgents};
use super::audit::{self, AuditEntry};
use super::call_list::AGENTS_READ;
use super::numbers::{ALL, SOME};
use super::people::Viewer;
use super::shown::AppointmentRow;
use super::{Result, Store, lenient_json};

/// The most rows of a kind that are read at once.
const ROWS_MAX: i64 = 500;
/// The most rows of a kind that are taken away with a caller's calls.
const KEPT_MAX: i64 = 2_000;
/// What stands in the place of a name that was removed.
const REMOVED: &str = "Removed";

/// A call that is to be removed, with what is kept of it elsewhere.
#[derive(Debug, Clone)]
pub struct ErasableCall {
    /// `call_logs.id`.
    pub id: Uuid,
    /// Whether the caller is still on the phone.
    pub is_live: bool,
    /// Where its recordings are.
    pub recordings: Vec<String>,
    /// Where Twilio keeps the message that the caller left.
    pub voicemail_url: Option<String>,
    /// Whether only the agent's own account may be asked for it.
    pub own_account: bool,
}

/// The columns of an [`ErasableCall`].
const ERASABLE: &str = "select l.id, l.call_end is null as is_live,
        array(select distinct r ->> 'path' from (
            select l.metadata -> 'recording' union all
            select jsonb_path_query(l.metadata, '$.recording.parts[*]')) as all_of (r)
            where starts_with(r ->> 'path', l.voice_agent_id || '/')) as recordings,
        l.metadata -> 'voicemail' ->> 'recording_url' as voicemail_url,
        coalesce(l.metadata -> 'voicemail' -> 'own_account' = 'true', false) as own_account
    from public.call_logs l where l.voice_agent_id = $1";

/// $1: the agent, $2: calls that are over. Their rows take events, words, tasks and jobs with them.
const ERASE: &str = "with gone as (
        delete from public.call_logs
        where voice_agent_id = $1 and id = any($2) and call_end is not null returning id
    ), saved as (
        delete from public.scrapping_data s using gone
        where s.voice_agent_id = $1 and s.data ->> 'call_log_id' = gone.id::text
            and s.data ->> 'kind' = 'function'
    ), unquoted as (
        -- What was agreed stays, and not the words in which it was.
        update public.appointments a set quotation = null,
            special_notes = public.appointment_unquoted(a.special_notes, a.quotation)
        from gone cross join generate_series(1, 3) as n
        where a.is_extracted and a.booking_key = gone.id || ':extracted:' || n
    )
    select count(*) from gone";

impl Store {
    /// Those of these agents that know a caller: whom they called, or who have an appointment of theirs.
    /// The number is E.164.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn caller_agents(&self, agents: &VisibleAgents, number: &str) -> Result<Vec<Uuid>> {
        self.read_some_numbers(agents).await;
        let known = sqlx::query_scalar(
            "select a.id from unnest($1::uuid[]) as a (id)
            where exists (select from public.call_logs c where c.voice_agent_id = a.id
                    and coalesce(c.caller_e164, c.caller_number) = $2)
                or exists (select from public.appointments p where p.voice_agent_id = a.id
                    and coalesce(p.phone_e164, p.phone_number) = $2)",
        );
        Ok(known.bind(agents.ids()).bind(number).persistent(false).fetch_all(&self.pool).await?)
    }

    /// Reads numbers that others wrote, before they are compared. Those that cannot be read now are
    /// left out this time.
    async fn read_some_numbers(&self, agents: &VisibleAgents) {
        for agent in agents.list().iter().take(AGENTS_READ) {
            let _ = self.read_callers_numbers(agent.id, SOME).await;
            let _ = self.read_appointments_numbers(agent.id, SOME).await;
        }
    }

    /// A caller's appointments, the latest first.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn caller_appointments(
        &self,
        agents: &VisibleAgents,
        number: &str,
    ) -> Result<Vec<AppointmentRow>> {
        self.read_some_numbers(agents).await;
        let rows = sqlx::query(
            "select id, name, phone_number, service, status::text as status, duration_minutes,
                (extract(epoch from schedule_time) * 1000000)::bigint as starts_us
            from public.appointments
            where voice_agent_id = any($1) and coalesce(phone_e164, phone_number) = $2
                and schedule_time between '1900-01-01' and '9990-01-01'
            order by schedule_time desc limit $3",
        )
        .bind(agents.ids())
        .bind(number)
        .bind(ROWS_MAX)
        .persistent(false)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(AppointmentRow::read).collect()
    }

    /// What is kept of a caller beside their calls, as it is in its rows: appointments, what there is
    /// to do, and what functions saved in these calls. Beside it, whether there is more.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn caller_rows<L: Level>(
        &self,
        access: &AgentAccess<L>,
        number: &str,
    ) -> Result<(Vec<(String, Value)>, bool)> {
        let rows = sqlx::query(
            "(select 'appointments' as kind, to_jsonb(a)::text as row from public.appointments a
                where a.voice_agent_id = $1 and coalesce(a.phone_e164, a.phone_number) = $2 limit $3)
            union all
            (select 'tasks', to_jsonb(t)::text from public.call_tasks t
                where t.voice_agent_id = $1 and t.caller_number = $2 limit $3)
            union all
            (select 'saved', case when exists (select from public.functions f
                    where f.assistant_id = $1 and f.id::text = s.data ->> 'function_id' and f.is_shownable)
                then to_jsonb(s) else to_jsonb(s) || jsonb_build_object('data', s.data
                    || '{\"arguments\": null, \"result\": null, \"hidden\": true}') end::text
                from public.call_logs c
                join public.scrapping_data s on s.voice_agent_id = $1
                    and s.data ->> 'call_log_id' = c.id::text and s.data ->> 'kind' = 'function'
                where c.voice_agent_id = $1 and coalesce(c.caller_e164, c.caller_number) = $2 limit $3)",
        )
        .bind(access.agent_id())
        .bind(number)
        .bind(KEPT_MAX + 1)
        .persistent(false)
        .fetch_all(&self.pool)
        .await?;
        let (mut kept, mut has_more) = (Vec::new(), false);
        // Those of a kind stand together.
        let mut of_kind = (String::new(), 0);
        for row in &rows {
            let kind: String = row.try_get("kind")?;
            if of_kind.0 != kind {
                of_kind = (kind.clone(), 0);
            }
            of_kind.1 += 1;
            if of_kind.1 > KEPT_MAX {
                has_more = true;
                continue;
            }
            kept.push((kind, lenient_json(row.try_get("row")?).unwrap_or_default()));
        }
        Ok((kept, has_more))
    }

    /// Up to `limit` calls of a caller behind `after`, by their ids, as they are to be removed. All
    /// numbers are read before.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn erasable_calls(
        &self,
        access: &AgentAccess<Own>,
        number: &str,
        after: Uuid,
        limit: i64,
    ) -> Result<Vec<ErasableCall>> {
        let agent = access.agent_id();
        self.read_callers_numbers(agent, ALL).await.all()?;
        let query = format!(
            "{ERASABLE} and coalesce(l.caller_e164, l.caller_number) = $2 and l.id > $3
            order by l.id limit $4"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(query));
        let rows = rows.bind(agent).bind(number).bind(after).bind(limit).persistent(false);
        rows.fetch_all(&self.pool).await?.iter().map(erasable).collect()
    }

    /// A call as it is to be removed; none if it is gone.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn erasable_call(
        &self,
        access: &AgentAccess<Own>,
        id: Uuid,
    ) -> Result<Option<ErasableCall>> {
        let query = format!("{ERASABLE} and l.id = $2");
        let row = sqlx::query(sqlx::AssertSqlSafe(query)).bind(access.agent_id()).bind(id);
        row.fetch_optional(&self.pool).await?.as_ref().map(erasable).transpose()
    }

    /// Removes one call that is over, with all that is kept of it in the database; whether it was there.
    /// Its recordings are known to be left until they are removed too. Who does it is written down.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError); nothing was removed then, as far as is known.
    pub async fn erase_call(
        &self,
        access: &AgentAccess<Own>,
        viewer: &Viewer,
        call: Uuid,
    ) -> Result<bool> {
        let deed = AuditEntry::of(viewer, "call.delete").object("call", call);
        Ok(self.erase(access, &[call], |_| deed).await? > 0)
    }

    /// Removes calls of a caller in the same way, and gives how many there were.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError); nothing was removed then, as far as is known.
    pub async fn erase_calls(
        &self,
        access: &AgentAccess<Own>,
        viewer: &Viewer,
        calls: &[Uuid],
    ) -> Result<u64> {
        let deed = AuditEntry::of(viewer, "caller.delete");
        self.erase(access, calls, |gone| deed.change(json!({"calls": gone}))).await
    }

    async fn erase<'a>(
        &self,
        access: &AgentAccess<Own>,
        calls: &[Uuid],
        deed: impl FnOnce(u64) -> AuditEntry<'a>,
    ) -> Result<u64> {
        if calls.is_empty() {
            return Ok(0);
        }
        let mut transaction = self.pool.begin().await?;
        let gone: i64 = sqlx::query_scalar(ERASE)
            .bind(access.agent_id())
            .bind(calls)
            .fetch_one(&mut *transaction)
            .await?;
        let gone = gone.unsigned_abs();
        if gone > 0 {
            let deed = deed(gone).agent(access.agent_id());
            audit::note(&mut transaction, &deed).await?;
        }
        transaction.commit().await?;
        Ok(gone)
    }

    /// Removes who a caller's appointments are of, and what was noted with them; that there is one
    /// stays, so that nobody else is given the time. Gives how many there were. Who does it is written
    /// down.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn erase_appointments(
        &self,
        access: &AgentAccess<Own>,
        viewer: &Viewer,
        number: &str,
    ) -> Result<u64> {
        let agent = access.agent_id();
        self.read_appointments_numbers(agent, ALL).await.all()?;
        let mut transaction = self.pool.begin().await?;
        let done = sqlx::query(
            "update public.appointments set name = $3, phone_number = '', special_notes = null,
                quotation = null, updated_at = now()
            where voice_agent_id = $1 and coalesce(phone_e164, phone_number) = $2",
        )
        .bind(agent)
        .bind(number)
        .bind(REMOVED)
        .execute(&mut *transaction)
        .await?;
        let removed = done.rows_affected();
        if removed > 0 {
            let deed = AuditEntry::of(viewer, "caller.delete").agent(agent);
            let deed = deed.change(json!({"appointments": removed}));
            audit::note(&mut transaction, &deed).await?;
        }
        transaction.commit().await?;
        Ok(removed)
    }
}

fn erasable(row: &PgRow) -> Result<ErasableCall> {
    Ok(ErasableCall {
        id: row.try_get("id")?,
        is_live: row.try_get("is_live")?,
        recordings: row.try_get("recordings")?,
        voicemail_url: row.try_get("voicemail_url")?,
        own_account: row.try_get("own_account")?,
    })
}
