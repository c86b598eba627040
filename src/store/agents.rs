//! Agents and their businesses, as the rows have them. What they mean is for `agent`.

use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::vault::Vault;
use super::{Result, Store, lenient_json};
use crate::agent::function::FunctionSource;
use crate::agent::{AgentSource, BusinessSource};
use crate::private::Private;

/// The columns of an [`AgentSource`], for a `where` to follow. `->>` gives null, not an error, where
/// the credentials are no object.
///
/// Each has a bound, since an owner may write as much as a row holds. A text is cut, one character
/// behind what the agent takes of it; JSON that is larger than 512 KiB, or 256 KiB in a function, is
/// `agent::TOO_LARGE` instead, and so is that of functions beyond the
/// first 2 MiB. Both are reported where they are read.
macro_rules! agent_query {
    ($rest:literal) => {
        concat!(
            r#"select a.id, coalesce(a.created_by, a.id) as owner, left(a.name, 65537) as name,
                left(a.twilio_phone_number, 500) as twilio_phone_number,
                a.number_typed is not null as is_number_typed,
                coalesce(a.status::text, 'active') as status,
                coalesce(a."unAvailable", false) as unavailable,
                nullif(btrim(left(a.twilio_credentials ->> 'account_sid', 500)), '') as account_sid,
                nullif(btrim(left(a.twilio_credentials ->> 'auth_token', 500)), '') as auth_token,
                case when octet_length(a.private_settings::text) > 524288
                    then '"(too large to be read)"' else a.private_settings::text end
                    as private_settings,
                left(a."takeOverTimeout", 500) as "takeOverTimeout",
                b.id is not null as has_business, left(b.business_name, 65537) as business_name,
                left(b.business_phone, 500) as business_phone,
                left(b.type_of_business, 65537) as type_of_business,
                left(b.additional_context, 65537) as additional_context,
                left(b.business_summary, 65537) as business_summary,
                b.default_appointment_length,
                case when octet_length(b.operating_schedule::text) > 524288
                    then '"(too large to be read)"' else b.operating_schedule::text end
                    as operating_schedule,
                left(b.business_timezone, 500) as business_timezone,
                array(select json_build_object('id', f.id, 'kind', f.type,
                        'data', case when f.data_bytes > 262144 or f.bytes_so_far > 2097152
                            then '"(too large to be read)"' else f.data::text end,
                        'is_active', f.is_active, 'name', left(f.name, 500),
                        'purpose', left(f.purpose, 65537),
                        'trigger_reason', left(f.trigger_reason, 65537),
                        'variables', case when f.variables_bytes > 262144
                                or f.bytes_so_far > 2097152
                            then '"(too large to be read)"' else f.variables::text end,
                        'save_data', coalesce(f.save_data, false),
                        'is_shownable', f.is_shownable)::text
                    from (select g.*, sum(least(g.data_bytes, 262144)
                            + least(g.variables_bytes, 262144)
                            + least(coalesce(length(g.purpose), 0), 65537)
                            + least(coalesce(length(g.trigger_reason), 0), 65537))
                            over (order by g.created_at, g.id) as bytes_so_far
                        from (select h.*, coalesce(octet_length(h.data::text), 0) as data_bytes,
                                coalesce(octet_length(h.variables::text), 0) as variables_bytes
                            from functions h where h.assistant_id = a.id
                            order by h.created_at, h.id limit 200) g) f
                    order by f.created_at, f.id) as functions
            from voice_agents a left join business_details b on b.voice_agent_id = a.id "#,
            $rest
        )
    };
}
pub(super) use agent_query;

impl Store {
    /// The agents, none of them deleted, whose number is `e164` however it was written. The active
    /// one that holds the number comes first, then the other active ones. If no agent holds it, the
    /// active one that has had it longest holds it from now on. A row that cannot be read is left
    /// out and reported, unless it is the first.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError) when the database does not answer, when the first row cannot
    /// be read, and when no agent is found while some of their numbers could not be read: nobody can
    /// say then that the number is no agent's.
    pub async fn agents_by_number(&self, e164: &str) -> Result<Vec<AgentSource>> {
        const QUERY: &str = agent_query!(
            "where (coalesce(a.number_e164, a.twilio_phone_number) = $1 or a.number_held = $1)
                and coalesce(a.status::text, 'active') <> 'deleted'
            order by coalesce(a.status::text, 'active') = 'active' desc,
                a.number_held is distinct from $1,
                case when coalesce(a.status::text, 'active') = 'active' then a.number_since end
                    asc nulls last,
                a.created_at desc nulls last, a.id"
        );
        let read = self.read_agents_numbers().await;
        self.claim_number(e164).await;
        let rows = sqlx::query(QUERY).bind(e164).fetch_all(&self.pool).await?;
        let Some((first, others)) = rows.split_first() else {
            return read.all().map(|()| Vec::new());
        };
        // Only the holder of the number gets its calls.
        let first = agent(first, &self.vault)?;
        let readable = others.iter().filter_map(|row| match agent(row, &self.vault) {
            Ok(agent) => Some(agent),
            Err(error) => {
                let error = super::StoreError::from(error);
                tracing::error!(%error, "an agent's row cannot be read and is left out");
                None
            }
        });
        Ok(std::iter::once(first).chain(readable).collect())
    }

    /// The first `most` agents that are not deleted; what cannot be read is left out and counted.
    /// Of several with one number, the first is the one that answers it.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError) when the database does not answer.
    pub async fn agents(&self, most: u32) -> Result<(Vec<AgentSource>, usize)> {
        const QUERY: &str = agent_query!(
            "where coalesce(a.status::text, 'active') <> 'deleted'
            order by a.number_held is null, a.number_since, a.id limit $1"
        );
        let rows = sqlx::query(QUERY).bind(i64::from(most)).fetch_all(&self.pool).await?;
        let readable: Vec<_> = rows.iter().filter_map(|row| agent(row, &self.vault).ok()).collect();
        let unreadable = rows.len() - readable.len();
        Ok((readable, unreadable))
    }

    /// The first `most` agents that have an auth token of their own, with their numbers as far as
    /// those have been read.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError) when the database does not answer.
    pub async fn agents_with_tokens(&self, most: u32) -> Result<Vec<(Uuid, Option<String>)>> {
        const QUERY: &str = "
            select a.id, left(coalesce(a.number_held, a.number_e164, a.twilio_phone_number), 500)
            from voice_agents a
            where coalesce(a.status::text, 'active') <> 'deleted'
                and nullif(btrim(a.twilio_credentials ->> 'auth_token'), '') is not null
            order by a.id limit $1";
        Ok(sqlx::query_as(QUERY).bind(i64::from(most)).fetch_all(&self.pool).await?)
    }

    /// The agent with this id, deleted or not: for the server's own work. Who asks for a person takes
    /// [`agent_to_inspect`](Self::agent_to_inspect) or [`agent_to_read`](Self::agent_to_read).
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError) when the database does not answer or the row cannot be
    /// read.
    pub async fn agent_by_id(&self, id: Uuid) -> Result<Option<AgentSource>> {
        const QUERY: &str = agent_query!("where a.id = $1");
        let row = sqlx::query(QUERY).bind(id).fetch_optional(&self.pool).await?;
        Ok(row.as_ref().map(|row| agent(row, &self.vault)).transpose()?)
    }
}

/// A row that [`agent_query`] gave.
pub(super) fn agent(row: &PgRow, vault: &Vault) -> sqlx::Result<AgentSource> {
    let id: Uuid = row.try_get("id")?;
    let mut settings = lenient_json(row.try_get("private_settings")?).unwrap_or_default();
    if let Some(why) = vault.open_settings(id, &mut settings) {
        tracing::error!(agent = %id, %why, "a secret of private_settings cannot be used");
    }
    let open = |column| -> sqlx::Result<Option<Private<String>>> {
        let Some(text) = private(row, column)? else { return Ok(None) };
        Ok(match vault.open(id, column, text.reveal()) {
            Ok(text) => Some(text.into()),
            // Webhooks of this agent are refused then, as with a wrong token.
            Err(why) => {
                tracing::error!(agent = %id, column, %why, "twilio_credentials cannot be used");
                Some(text)
            }
        })
    };
    Ok(AgentSource {
        id,
        owner: row.try_get("owner")?,
        name: private(row, "name")?.unwrap_or_default(),
        number: private(row, "twilio_phone_number")?,
        is_number_typed: row.try_get("is_number_typed")?,
        status: row.try_get("status")?,
        unavailable: row.try_get("unavailable")?,
        account_sid: open("account_sid")?,
        auth_token: open("auth_token")?,
        private_settings: settings.into(),
        take_over_timeout: row.try_get("takeOverTimeout")?,
        business: if row.try_get("has_business")? { Some(business(row)?) } else { None },
        functions: functions(row)?,
    })
}

/// A row that cannot be read is left out and reported: the agent answers without it.
fn functions(row: &PgRow) -> sqlx::Result<Vec<FunctionSource>> {
    let texts: Vec<String> = row.try_get("functions")?;
    let readable = texts.iter().filter_map(|text| match function(text) {
        Ok(function) => Some(function),
        Err(_) => {
            tracing::error!("a function's row cannot be read and is left out");
            None
        }
    });
    Ok(readable.collect())
}

/// A function's row as JSON, in which `data` and `variables` are texts of JSON: only so can one that this
/// program cannot hold be null alone.
fn function(text: &str) -> serde_json::Result<FunctionSource> {
    let mut row: FunctionSource = serde_json::from_str(text)?;
    for json in [&mut row.data, &mut row.variables] {
        let text = json.reveal().as_str().map(str::to_owned);
        *json = lenient_json(text).unwrap_or_default().into();
    }
    Ok(row)
}

fn business(row: &PgRow) -> sqlx::Result<BusinessSource> {
    Ok(BusinessSource {
        name: private(row, "business_name")?,
        phone: private(row, "business_phone")?,
        kind: row.try_get("type_of_business")?,
        context: row.try_get("additional_context")?,
        summary: row.try_get("business_summary")?,
        appointment_minutes: row.try_get("default_appointment_length")?,
        operating_schedule: lenient_json(row.try_get("operating_schedule")?),
        timezone: row.try_get("business_timezone")?,
    })
}

fn private(row: &PgRow, column: &str) -> sqlx::Result<Option<Private<String>>> {
    Ok(row.try_get::<Option<String>, _>(column)?.map(Private::new))
}
