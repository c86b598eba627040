//! What there is to do because of calls, as people read it and tick it. They share the list: what one
//! has ticked is done for all.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::access::{AgentAccess, Attend, Level, VisibleAgents};
use super::audit::{self, AuditEntry};
use super::people::Viewer;
use super::task_notes::NoteChange;
use super::tasks::TaskKind;
use super::{Result, Store, StoreError, gap_id, storable_text};
use crate::private::Private;

/// The most open tasks of an agent that are read at once, and in all: the newest.
const OPEN_MAX: i64 = 200;
/// The most tasks of a caller that are read.
const CALLER_MAX: i64 = 50;
/// The longest note, in characters.
pub const TASK_NOTE_CHARACTERS: usize = 2_000;

/// A row of `call_tasks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRow {
    /// `id`.
    pub id: i64,
    /// `voice_agent_id`.
    pub agent_id: Uuid,
    /// `call_log_id`.
    pub call_log_id: Uuid,
    /// `kind`.
    pub kind: TaskKind,
    /// `text`; empty once the words of its call were removed.
    pub text: Private<String>,
    /// `urgency`.
    pub urgency: i32,
    /// `caller_number`, E.164.
    pub caller: Option<Private<String>>,
    /// What the caller said their name is, by the call's summary.
    pub name: Option<Private<String>>,
    /// When the call ended, microseconds since the Unix epoch.
    pub at_us: i64,
    /// When the call began: what people remember it by.
    pub began_us: i64,
    /// When it was ticked.
    pub done_us: Option<i64>,
    /// Who ticked it, `customer.uuid`.
    pub done_by: Option<Uuid>,
    /// `note`.
    pub note: Option<Private<String>>,
    /// Of a question without an answer: its id among the gaps of the agent.
    pub gap: Option<Uuid>,
    /// Whether its call has a message of the caller's that is kept.
    pub has_voicemail: bool,
}

/// What there is to do about one caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerTasks {
    /// The agent that was called: somebody who calls two businesses has two lists.
    pub agent_id: Uuid,
    /// Their number; none where it was withheld: then these are the tasks of one call.
    pub caller: Option<Private<String>>,
    /// Their name, as it was last said.
    pub name: Option<Private<String>>,
    /// Of the most urgent task.
    pub urgency: i32,
    /// Of the newest task.
    pub at_us: i64,
    /// The most urgent first, then the newest.
    pub tasks: Vec<TaskRow>,
}

/// What is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenTasks {
    /// The most urgent first, then the newest.
    pub callers: Vec<CallerTasks>,
    /// Whether there are older ones that were not read.
    pub more: bool,
}

/// What somebody does with a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskChange {
    /// Ticked, or not any more; none: as it is.
    pub done: Option<bool>,
    /// What becomes of its note; none: it is as it is.
    pub note: Option<NoteChange>,
}

impl TaskChange {
    /// What it is called in the audit log.
    fn action(&self) -> &'static str {
        match self.done {
            Some(true) => "task.done",
            Some(false) => "task.reopen",
            None => "task.note",
        }
    }
}

/// A task's place in a list that goes on behind it: see [`TaskRow::place`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskPlace {
    /// Of those that are open: how urgent it is. Of those that are done: nothing.
    pub urgency: i32,
    /// When its call ended, or when it was ticked, microseconds since the Unix epoch.
    pub us: i64,
    /// `id`.
    pub id: i64,
}

impl TaskRow {
    /// Where it is in [`Store::tasks_to_do`], or, if it is done, in [`Store::done_tasks`].
    pub fn place(&self) -> TaskPlace {
        match self.done_us {
            None => TaskPlace { urgency: self.urgency, us: self.at_us, id: self.id },
            Some(us) => TaskPlace { urgency: 0, us, id: self.id },
        }
    }
}

/// What is read of a row. The name is looked up by the call's id, once for each row that is read.
const COLUMNS: &str = "t.id, t.voice_agent_id, t.call_log_id, t.kind, t.text, t.urgency,
    t.caller_number, t.done_by, t.note, t.question_key,
    t.kind = 'voicemail' and exists (select from call_logs l where l.id = t.call_log_id
        and l.metadata -> 'voicemail' ->> 'recording_url' is not null) as has_voicemail, (extract(epoch from t.at) * 1000000)::bigint as at_us,
    (extract(epoch from coalesce((select l.call_start from call_logs l where l.id = t.call_log_id),
        t.at)) * 1000000)::bigint as began_us,
    (extract(epoch from t.done_at) * 1000000)::bigint as done_us,
    (select left(d ->> 'value', 200)
        from call_logs l, jsonb_array_elements(case jsonb_typeof(l.summary -> 'data_collected')
            when 'array' then l.summary -> 'data_collected' else '[]' end) d
        where l.id = t.call_log_id and d ->> 'name' in ('full_name', 'name')
        limit 1) as caller_name";

impl Store {
    /// The open tasks of these agents, merged by who called.
    pub async fn open_tasks(&self, agents: &VisibleAgents) -> Result<OpenTasks> {
        let query = format!(
            // What is urgent is there however much is newer.
            "select {COLUMNS} from (
                select t.* from (select distinct unnest($1::uuid[])) a (id)
                cross join lateral (
                    (select * from call_tasks t
                        where t.voice_agent_id = a.id and t.done_at is null
                        order by t.at desc limit $2)
                    union
                    (select * from call_tasks t
                        where t.voice_agent_id = a.id and t.done_at is null and t.urgency = 3
                        order by t.at desc limit $2)) t
                order by t.urgency = 3 desc, t.at desc, t.id desc limit $2
            ) t
            order by t.urgency = 3 desc, t.at desc, t.id desc"
        );
        let rows = sqlx::query(AssertSqlSafe(query)).bind(agents.ids()).bind(OPEN_MAX + 1);
        let rows = rows.fetch_all(&self.pool).await?;
        let mut tasks = rows.iter().map(task).collect::<Result<Vec<_>>>()?;
        let limit = usize::try_from(OPEN_MAX).unwrap_or(usize::MAX);
        let more = tasks.len() > limit;
        tasks.truncate(limit);
        tasks.sort_by_key(|task| Reverse((task.at_us, task.id)));
        Ok(OpenTasks { callers: by_caller(tasks), more })
    }

    /// Up to `limit` open tasks of these agents behind a place, the most urgent first, then the newest.
    pub async fn tasks_to_do(
        &self,
        agents: &VisibleAgents,
        after: Option<TaskPlace>,
        limit: i64,
    ) -> Result<Vec<TaskRow>> {
        let query = format!(
            "select {COLUMNS} from (
                select * from call_tasks t
                where t.voice_agent_id = any ($1) and t.done_at is null
                    and ($2::int is null or (t.urgency, t.at, t.id)
                        < ($2, timestamptz 'epoch' + $3::bigint * interval '1 microsecond', $4))
                order by t.urgency desc, t.at desc, t.id desc limit $5
            ) t
            order by t.urgency desc, t.at desc, t.id desc"
        );
        let rows = sqlx::query(AssertSqlSafe(query))
            .bind(agents.ids())
            .bind(after.map(|place| place.urgency))
            .bind(after.map(|place| place.us))
            .bind(after.map(|place| place.id))
            .bind(limit);
        rows.fetch_all(&self.pool).await?.iter().map(task).collect()
    }

    /// Up to `limit` tasks of these agents behind a place that were ticked within so long, the last one
    /// first.
    pub async fn done_tasks(
        &self,
        agents: &VisibleAgents,
        within: Duration,
        after: Option<TaskPlace>,
        limit: i64,
    ) -> Result<Vec<TaskRow>> {
        let query = format!(
            "select {COLUMNS} from (
                select t.* from (select distinct unnest($1::uuid[])) a (id)
                cross join lateral (select * from call_tasks t
                    where t.voice_agent_id = a.id and t.done_at is not null
                        and t.done_at > now() - make_interval(secs => $2)
                        and ($4::bigint is null or (t.done_at, t.id)
                            < (timestamptz 'epoch' + $4 * interval '1 microsecond', $5))
                    order by t.done_at desc, t.id desc limit $3) t
                order by t.done_at desc, t.id desc limit $3
            ) t
            order by t.done_at desc, t.id desc"
        );
        let rows = sqlx::query(AssertSqlSafe(query)).bind(agents.ids()).bind(within.as_secs_f64());
        let rows = rows.bind(limit);
        let rows = rows.bind(after.map(|place| place.us)).bind(after.map(|place| place.id));
        rows.fetch_all(&self.pool).await?.iter().map(task).collect()
    }

    /// A task of this agent.
    pub async fn task<L: Level>(
        &self,
        access: &AgentAccess<L>,
        task_id: i64,
    ) -> Result<Option<TaskRow>> {
        let query =
            format!("select {COLUMNS} from call_tasks t where t.voice_agent_id = $1 and t.id = $2");
        let row = sqlx::query(AssertSqlSafe(query)).bind(access.agent_id()).bind(task_id);
        row.fetch_optional(&self.pool).await?.as_ref().map(task).transpose()
    }

    /// The tasks of one of the agent's calls, done or not, the most urgent first.
    pub async fn tasks_of_call<L: Level>(
        &self,
        access: &AgentAccess<L>,
        call_log_id: Uuid,
    ) -> Result<Vec<TaskRow>> {
        let query = format!(
            "select {COLUMNS} from call_tasks t
            where t.voice_agent_id = $1 and t.call_log_id = $2"
        );
        let rows = sqlx::query(AssertSqlSafe(query)).bind(access.agent_id()).bind(call_log_id);
        let rows = rows.fetch_all(&self.pool).await?;
        let mut tasks = rows.iter().map(task).collect::<Result<Vec<_>>>()?;
        tasks.sort_by_key(order);
        Ok(tasks)
    }

    /// The tasks because of one caller, E.164, of these agents: what is open first, then the newest.
    pub async fn tasks_of_caller(
        &self,
        agents: &VisibleAgents,
        number: &str,
    ) -> Result<Vec<TaskRow>> {
        let query = format!(
            "select {COLUMNS} from call_tasks t
            where t.voice_agent_id = any ($1) and t.caller_number = $2
            order by t.done_at is not null, t.at desc, t.id desc limit $3"
        );
        let rows = sqlx::query(AssertSqlSafe(query)).bind(agents.ids()).bind(number);
        rows.bind(CALLER_MAX).fetch_all(&self.pool).await?.iter().map(task).collect()
    }

    /// Ticks a task of this agent, or takes that back, or notes something; gives it as it is then, none
    /// if the agent has no such task. Who ticks what is ticked changes nothing of that: the first one
    /// did it. Who does what is written down.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Refused`] if the note is too long.
    pub async fn mark_task(
        &self,
        access: &AgentAccess<Attend>,
        viewer: &Viewer,
        task_id: i64,
        change: &TaskChange,
    ) -> Result<Option<TaskRow>> {
        let query = format!(
            "with t as (
                update call_tasks set
                    done_at = case when $3 then coalesce(done_at, now())
                        when not $3 then null else done_at end,
                    done_by = case when $3 and done_at is null then $4
                        when not $3 then null else done_by end,
                    note = case when $6 then nullif($5, '') else note end
                where voice_agent_id = $1 and id = $2 returning *
            )
            select {COLUMNS} from t"
        );
        let mut transaction = self.pool.begin().await?;
        // Locked: what a colleague writes meanwhile is not lost to a tap.
        let note = sqlx::query_scalar::<_, Option<String>>(
            "select note from call_tasks where voice_agent_id = $1 and id = $2 for update",
        );
        let note = note.bind(access.agent_id()).bind(task_id).fetch_optional(&mut *transaction);
        let Some(note) = note.await? else { return Ok(None) };
        let reopened = change.done == Some(false);
        let to = change.note.as_ref().or(reopened.then_some(&NoteChange::Reopened));
        let note = to.map(|to| to.applied(&note.unwrap_or_default()));
        let row = sqlx::query(AssertSqlSafe(query))
            .bind(access.agent_id())
            .bind(task_id)
            .bind(change.done)
            .bind(viewer.id())
            .bind(note.as_deref().map(storable_text))
            .bind(note.is_some())
            .fetch_optional(&mut *transaction)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let deed = AuditEntry::of(viewer, change.action()).agent(access.agent_id());
        audit::note(&mut transaction, &deed.object("task", task_id)).await?;
        let row = task(&row)?;
        transaction.commit().await?;
        Ok(Some(row))
    }
}

fn task(row: &PgRow) -> Result<TaskRow> {
    let private = |column: &str| -> Result<Option<Private<String>>> {
        Ok(row.try_get::<Option<String>, _>(column)?.map(Private::new))
    };
    let kind = TaskKind::named(row.try_get("kind")?);
    let agent_id: Uuid = row.try_get("voice_agent_id")?;
    let question_key: Option<String> = row.try_get("question_key")?;
    Ok(TaskRow {
        id: row.try_get("id")?,
        agent_id,
        call_log_id: row.try_get("call_log_id")?,
        kind: kind.ok_or_else(|| StoreError::Unreadable("kind".to_owned()))?,
        text: row.try_get::<String, _>("text")?.into(),
        urgency: row.try_get("urgency")?,
        caller: private("caller_number")?,
        name: private("caller_name")?,
        at_us: row.try_get("at_us")?,
        began_us: row.try_get("began_us")?,
        done_us: row.try_get("done_us")?,
        done_by: row.try_get("done_by")?,
        note: private("note")?,
        gap: question_key.map(|key| gap_id(agent_id, &key)),
        has_voicemail: row.try_get("has_voicemail")?,
    })
}

/// The agent, the caller, and the call of one whose number is withheld.
type Whose = (Uuid, Option<Private<String>>, Option<Uuid>);

/// Merges tasks, which come newest first, by who called which agent.
fn by_caller(tasks: Vec<TaskRow>) -> Vec<CallerTasks> {
    let mut callers: Vec<CallerTasks> = Vec::new();
    let mut places: BTreeMap<Whose, usize> = BTreeMap::new();
    for task in tasks {
        let withheld = task.caller.is_none().then_some(task.call_log_id);
        let of = (task.agent_id, task.caller.clone(), withheld);
        let place = *places.entry(of).or_insert(callers.len());
        match callers.get_mut(place) {
            Some(caller) => {
                caller.urgency = caller.urgency.max(task.urgency);
                caller.name = caller.name.take().or_else(|| task.name.clone());
                caller.tasks.push(task);
            }
            None => callers.push(CallerTasks {
                agent_id: task.agent_id,
                caller: task.caller.clone(),
                name: task.name.clone(),
                urgency: task.urgency,
                at_us: task.at_us,
                tasks: vec![task],
            }),
        }
    }
    for caller in &mut callers {
        caller.tasks.sort_by_key(order);
    }
    // Stable: callers who are as urgent stay newest first.
    callers.sort_by_key(|caller| Reverse(caller.urgency));
    callers
}

/// The most urgent first, then the newest.
fn order(task: &TaskRow) -> (Reverse<i32>, Reverse<i64>, TaskKind, i64) {
    (Reverse(task.urgency), Reverse(task.at_us), task.kind, task.id)
}
