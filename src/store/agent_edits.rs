//! Changes that owners make to an agent. Each is one transaction: the rows, what they were before and after
//! (`agent_versions`), and who did it (`audit_log`).

mod changed_fields;
mod read_back;

use std::sync::Arc;

use serde_json::Value;
use sqlx::postgres::{PgDatabaseError, Postgres};
use sqlx::{Row, Transaction};
use uuid::Uuid;

use self::changed_fields::changed_fields;
use super::access::{AgentAccess, Inspect, Level, Maintain, Own, Read};
use super::agents::{agent, agent_query};
use super::audit::AuditEntry;
use super::people::Viewer;
use super::setup::{SetupMove, move_on};
use super::taken_numbers::{ListedNumber, take_and_note};
use super::vault::Vault;
use super::{Result, Store, StoreError, function_edits, lenient_json, storable_json};
use crate::agent::AgentSource;
use crate::private::Private;

/// The most versions of an agent that are kept; the oldest make way.
const VERSIONS_MAX: i32 = 300;
/// What a plan's trigger says no with.
const NOT_ALLOWED: &str = "PT409";

/// Why a change was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Something else stands in the way: a number that is taken, a plan that allows no more.
    #[error("{message}")]
    Conflict {
        /// The column that it is about, where it is one.
        column: Option<String>,
        /// What stands in the way, and what to do.
        message: String,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for WriteError {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Database(database) = &error
            && let Some(said) = database.try_downcast_ref::<PgDatabaseError>()
            // Words of our own triggers; those of a constraint would show the row.
            && (said.code() == NOT_ALLOWED || said.code() == "23505" && said.column().is_some())
        {
            let hint = said.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
            return Self::Conflict {
                column: said.column().map(str::to_owned),
                message: format!("{}{hint}", said.message()),
            };
        }
        Self::Store(error.into())
    }
}

/// A part of an agent before and after a change, secrets masked.
#[derive(Debug, Clone)]
pub struct PartChange {
    /// `agent`, `business` or `function <id>`.
    pub part: String,
    /// Before; none if it was not there.
    pub before: Option<Value>,
    /// After; none if it is removed.
    pub after: Option<Value>,
}

/// What is written of a function.
#[derive(Debug)]
pub enum FunctionWrite {
    /// A new row with these columns.
    Insert(Uuid, Private<Value>),
    /// These columns of a row.
    Update(Uuid, Private<Value>),
    /// Nothing is left of it.
    Delete(Uuid),
}

/// What is written, by the names of the columns. A column that is not there stays as it is.
#[derive(Debug, Default)]
pub struct AgentWrite {
    /// Of `voice_agents`: `name`, `twilio_phone_number`, `number_typed`, `status`, `unAvailable`,
    /// `private_settings`.
    pub agent: Option<Private<Value>>,
    /// Of `business_details`.
    pub business: Option<Private<Value>>,
    /// Of `functions`.
    pub function: Option<FunctionWrite>,
    /// The parts that it changes.
    pub parts: Vec<PartChange>,
    /// Where its set-up goes with it. Nothing is written then of an agent that is not being set up.
    pub setup: Option<SetupMove>,
    /// Its number, where Twilio has listed it: whoever only typed it and stands in the way loses it.
    pub listed: Option<ListedNumber>,
}

/// An agent that is being changed. Nobody else changes it meanwhile; calls go on. Dropped, it stays as
/// it was.
#[derive(Debug)]
pub struct Editing {
    /// What it is now.
    pub agent: AgentSource,
    /// `private_settings` as the row has it.
    sealed: Private<Value>,
    vault: Arc<Vault>,
    transaction: Transaction<'static, Postgres>,
}

impl Store {
    /// An agent with all that belongs to it, for those who may change it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn agent_to_inspect(
        &self,
        access: &AgentAccess<Inspect>,
    ) -> Result<Option<AgentSource>> {
        self.agent_by_id(access.agent_id()).await
    }

    /// An agent for those who may only look: without its settings, credentials and functions.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn agent_to_read(&self, access: &AgentAccess<Read>) -> Result<Option<AgentSource>> {
        let row = self.agent_by_id(access.agent_id()).await?;
        Ok(row.map(|row| AgentSource {
            account_sid: None,
            auth_token: None,
            private_settings: Value::Null.into(),
            functions: Vec::new(),
            ..row
        }))
    }

    /// Begins to change an agent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn edit_agent(&self, access: &AgentAccess<Maintain>) -> Result<Option<Editing>> {
        const QUERY: &str = agent_query!("where a.id = $1 and a.status <> 'deleted'");
        let mut transaction = self.pool.begin().await?;
        read_back::lock(&mut transaction, access.agent_id()).await?;
        let row = sqlx::query(QUERY).bind(access.agent_id()).fetch_optional(&mut *transaction);
        let Some(row) = row.await? else { return Ok(None) };
        let sealed = lenient_json(row.try_get("private_settings")?).unwrap_or_default();
        let vault = Arc::clone(&self.vault);
        Ok(Some(Editing { agent: agent(&row, &vault)?, sealed: sealed.into(), vault, transaction }))
    }

    /// Makes an agent of this person's.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn make_agent(
        &self,
        viewer: &Viewer,
        write: &AgentWrite,
    ) -> std::result::Result<Uuid, WriteError> {
        let mut transaction = self.pool.begin().await?;
        let id = Uuid::new_v4();
        let values = write.agent.as_ref().map(|values| {
            let mut values = values.reveal().clone();
            self.vault.seal_settings(id, &mut values["private_settings"]);
            values.into()
        });
        sqlx::query(
            r#"insert into public.voice_agents
                (id, name, created_by, twilio_phone_number, number_typed, status, "unAvailable",
                    private_settings)
            select $3, c ->> 'name', $2, c ->> 'twilio_phone_number', c ->> 'number_typed',
                coalesce(c ->> 'status', 'active')::public.voice_agent_status_enum,
                coalesce((c ->> 'unAvailable')::boolean, false),
                coalesce(nullif(c -> 'private_settings', 'null'), '{}')
            from (select $1::jsonb as c) given, set_config('frontdesk.by_person', 'on', true)"#,
        )
        .bind(columns(values.as_ref()))
        .bind(viewer.id())
        .bind(id)
        .execute(&mut *transaction)
        .await?;
        write_business(&mut transaction, id, write.business.as_ref()).await?;
        note(&mut transaction, viewer, id, "agent.make", write).await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// Takes an agent out of service for good. Its rows stay until somebody removes them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete_agent(&self, access: &AgentAccess<Own>, viewer: &Viewer) -> Result<bool> {
        let mut transaction = self.pool.begin().await?;
        let done = sqlx::query(
            "update public.voice_agents set status = 'deleted'
            where id = $1 and status <> 'deleted'",
        )
        .bind(access.agent_id())
        .execute(&mut *transaction)
        .await?;
        let id = access.agent_id();
        let deed = AuditEntry::of(viewer, "agent.delete").agent(id).object("agent", id);
        super::audit::note(&mut transaction, &deed).await?;
        transaction.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// How many calls an agent has now, on all instances.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn calls_of_agent_now<L: Level>(&self, access: &AgentAccess<L>) -> Result<i64> {
        Ok(sqlx::query_scalar(
            "select count(*) as calls from public.call_logs
            where voice_agent_id = $1 and status = 'in-progress' and call_end is null",
        )
        .bind(access.agent_id())
        .fetch_one(&self.pool)
        .await?)
    }
}

impl Editing {
    /// Who typed this secret of the settings last, as far as versions are kept.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn typed_by(&mut self, name: &str) -> Result<Option<Uuid>> {
        let row = sqlx::query_scalar(
            "select changed_by from public.agent_versions
            where voice_agent_id = $1 and part = 'agent' and after -> 'changed_secrets' ? $2
            order by n desc limit 1",
        );
        let row = row.bind(self.agent.id).bind(format!("secrets.{name}"));
        Ok(row.fetch_optional(&mut *self.transaction).await?.flatten())
    }

    /// Writes a change and ends the transaction: its versions. `action` is what the audit log calls it.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is changed then.
    pub async fn write(
        mut self,
        viewer: &Viewer,
        action: &'static str,
        write: &AgentWrite,
    ) -> std::result::Result<Vec<i32>, WriteError> {
        let (id, transaction) = (self.agent.id, &mut self.transaction);
        if let Some(to) = write.setup {
            move_on(transaction, id, to).await?;
        }
        if let Some(listed) = &write.listed {
            take_and_note(transaction, id, listed).await?;
        }
        if let Some(values) = &write.agent {
            let mut values = values.reveal().clone();
            if let Some(settings) = values.get_mut("private_settings") {
                self.vault.keep_unopened(self.sealed.reveal(), settings);
                self.vault.seal_settings(id, settings);
            }
            sqlx::query(
                r#"update public.voice_agents set
                    name = coalesce($2::jsonb ->> 'name', name),
                    twilio_phone_number = case when $2::jsonb ? 'twilio_phone_number'
                        then $2::jsonb ->> 'twilio_phone_number' else twilio_phone_number end,
                    number_typed = case when $2::jsonb ? 'number_typed'
                        then $2::jsonb ->> 'number_typed' else number_typed end,
                    status = coalesce(($2::jsonb ->> 'status')::public.voice_agent_status_enum, status),
                    setup_step = case when $2::jsonb ->> 'status' = 'active' then null
                        else setup_step end,
                    "unAvailable" = coalesce(($2::jsonb ->> 'unAvailable')::boolean, "unAvailable"),
                    private_settings = coalesce($2::jsonb -> 'private_settings', private_settings)
                where id = $1"#,
            )
            .bind(id)
            .bind(columns(Some(&values.into())))
            .execute(&mut **transaction)
            .await?;
        }
        write_business(transaction, id, write.business.as_ref()).await?;
        if let Some(function) = &write.function {
            super::function_edits::write(transaction, id, viewer.id(), function).await?;
        }
        let mut versions = Vec::new();
        if write.setup.is_none() || !write.parts.is_empty() {
            versions = note(transaction, viewer, id, action, write).await?;
        }
        self.is_read_back().await?;
        self.transaction.commit().await?;
        Ok(versions)
    }
}

/// Columns as JSON text that PostgreSQL can hold.
pub(super) fn columns(values: Option<&Private<Value>>) -> sqlx::types::Json<Value> {
    let empty = Value::Object(serde_json::Map::new());
    let values = values.map_or(&empty, Private::reveal);
    sqlx::types::Json(storable_json(values).into_owned())
}

pub(super) async fn write_business(
    transaction: &mut Transaction<'static, Postgres>,
    agent_id: Uuid,
    business: Option<&Private<Value>>,
) -> sqlx::Result<()> {
    if business.is_none() {
        return Ok(());
    }
    sqlx::query(
        "insert into public.business_details (voice_agent_id) values ($1)
        on conflict (voice_agent_id) do nothing",
    )
    .bind(agent_id)
    .execute(&mut **transaction)
    .await?;
    sqlx::query(
        "update public.business_details b set
            business_name = case when c ? 'business_name'
                then c ->> 'business_name' else business_name end,
            business_phone = case when c ? 'business_phone'
                then c ->> 'business_phone' else business_phone end,
            type_of_business = case when c ? 'type_of_business'
                then c ->> 'type_of_business' else type_of_business end,
            additional_context = case when c ? 'additional_context'
                then c ->> 'additional_context' else additional_context end,
            business_summary = case when c ? 'business_summary'
                then c ->> 'business_summary' else business_summary end,
            default_appointment_length = case when c ? 'default_appointment_length'
                then (c ->> 'default_appointment_length')::int else default_appointment_length end,
            operating_schedule = case when c ? 'operating_schedule'
                then nullif(c -> 'operating_schedule', 'null') else operating_schedule end,
            business_timezone = case when c ? 'business_timezone'
                then c ->> 'business_timezone' else business_timezone end,
            updated_at = now()
        from (select $2::jsonb as c) given
        where b.voice_agent_id = $1",
    )
    .bind(agent_id)
    .bind(columns(business))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Writes down what a change was and who made it.
pub(super) async fn note(
    transaction: &mut Transaction<'static, Postgres>,
    viewer: &Viewer,
    agent_id: Uuid,
    action: &'static str,
    write: &AgentWrite,
) -> sqlx::Result<Vec<i32>> {
    let mut versions = Vec::new();
    for change in &write.parts {
        // The first change of a part keeps what it was, so that one can go back to that.
        let row = sqlx::query(
            "with last as (
                select coalesce(max(n), 0) as n,
                    bool_or(part = $2) is not true and $3::jsonb is not null as is_first
                from public.agent_versions where voice_agent_id = $1
            ), baseline as (
                insert into public.agent_versions (voice_agent_id, n, part, after)
                select $1, n + 1, $2, $3::jsonb from last where is_first
            )
            insert into public.agent_versions
                (voice_agent_id, n, changed_by, part, before, after)
            select $1, n + 1 + is_first::int, $4, $2, $3::jsonb, $5::jsonb from last
            returning n",
        )
        .bind(agent_id)
        .bind(&change.part)
        .bind(change.before.as_ref().map(|value| storable_json(value).to_string()))
        .bind(viewer.id())
        .bind(change.after.as_ref().map(|value| storable_json(value).to_string()))
        .fetch_one(&mut **transaction)
        .await?;
        versions.push(row.try_get("n")?);
    }
    sqlx::query("delete from public.agent_versions where voice_agent_id = $1 and n <= $2")
        .bind(agent_id)
        .bind(versions.last().copied().unwrap_or_default() - VERSIONS_MAX)
        .execute(&mut **transaction)
        .await?;
    let parts: Vec<_> = write.parts.iter().map(|change| change.part.as_str()).collect();
    let deed = AuditEntry::of(viewer, action).agent(agent_id).object("agent", agent_id).change(
        serde_json::json!({
            "versions": versions, "parts": parts, "fields": changed_fields(&write.parts),
            "function": function_edits::known_by(&write.parts),
        }),
    );
    super::audit::note(transaction, &deed).await?;
    Ok(versions)
}
