//! An agent's number: how it gets one, and how it gets one that somebody only typed for another agent.
//!
//! A number is on one Twilio account alone. Where Twilio has just listed it for an agent's account, an
//! agent of another account for which it was typed has no right to it, and loses it: only if it stands in
//! the way, and only together with what it stands in the way of.

use sqlx::Row;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::access::{AgentAccess, Maintain};
use super::audit::{self, AuditEntry};
use super::people::Viewer;
use super::{Result, Store};
use crate::private::Private;

/// The most agents that are looked at for the numbers of one page.
const ACTIVE_MAX: i64 = 500;

/// An agent's number as its row has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberRow {
    /// `voice_agents.twilio_phone_number`.
    pub number: Option<Private<String>>,
    /// Whether it is the agent's only with a Twilio account of its own (migration 0036).
    pub is_typed: bool,
}

/// A number, and the account on which Twilio has just listed it.
#[derive(Debug, Clone)]
pub struct ListedNumber {
    /// The number, E.164.
    pub number: Private<String>,
    /// The account, `AC…`.
    pub account_sid: String,
}

/// A number that was taken from an agent.
#[derive(Debug, Clone)]
pub struct TakenNumber {
    /// `voice_agents.id`.
    pub agent: Uuid,
    /// The number, as it was typed.
    number: Private<String>,
}

impl Store {
    /// Gives an agent its number: the one that it had.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError); `Refused` where another live agent has the number.
    pub async fn set_number(
        &self,
        access: &AgentAccess<Maintain>,
        number: &NumberRow,
    ) -> Result<Option<NumberRow>> {
        let mut connection = self.pool.acquire().await?;
        Ok(set(&mut connection, access.agent_id(), number, None).await?)
    }

    /// The same with a number that Twilio has listed for the agent's account: also what was taken from
    /// those for whom it was only typed. That is written down: their owners see it in their activity,
    /// without who did it.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError); `Refused` where a live agent has the number all the same.
    /// Nothing is taken then.
    pub async fn take_number(
        &self,
        access: &AgentAccess<Maintain>,
        number: &NumberRow,
        listed: &ListedNumber,
    ) -> Result<(Option<NumberRow>, Vec<TakenNumber>)> {
        let mut transaction = self.pool.begin().await?;
        let taken = take_and_note(&mut transaction, access.agent_id(), listed).await?;
        let had = set(&mut transaction, access.agent_id(), number, None).await?;
        transaction.commit().await?;
        Ok((had, taken))
    }

    /// Gives an agent the number back that it had, if it has `instead_of` now, and others what was taken
    /// from them, and writes that down: all of it or nothing.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError); `Refused` where another live agent has a number by now.
    pub async fn give_back(
        &self,
        access: &AgentAccess<Maintain>,
        (had, instead_of): (&NumberRow, &str),
        taken: &[TakenNumber],
    ) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        set(&mut transaction, access.agent_id(), had, Some(instead_of)).await?;
        for one in taken {
            sqlx::query(
                "update public.voice_agents set twilio_phone_number = $2, number_typed = $2
                where id = $1 and twilio_phone_number is null and status <> 'deleted'",
            )
            .bind(one.agent)
            .bind(one.number.reveal())
            .execute(&mut *transaction)
            .await?;
        }
        note(&mut transaction, "number.returned", taken).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The active agents that these numbers, E.164, may be of. Some of them are nobody's whom whoever
    /// asks may see: that a number is in use is all that they are told.
    pub async fn active_with_numbers(&self, numbers: &[String]) -> Result<Vec<Uuid>> {
        let ids = sqlx::query_scalar(
            "select id from public.voice_agents
            where coalesce(number_e164, twilio_phone_number) = any($1)
                and coalesce(status::text, 'active') = 'active'
            order by id limit $2",
        );
        Ok(ids.bind(numbers).bind(ACTIVE_MAX).fetch_all(&self.pool).await?)
    }
}

/// Who keeps a number from another agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberHolder {
    /// `voice_agents.id`.
    pub agent: Uuid,
    /// `voice_agents.name`.
    pub name: String,
    /// Whether somebody only typed the number for it.
    pub is_typed: bool,
}

impl Store {
    /// The agent that keeps a number from this one; for an administrator, who sees all agents.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub async fn number_holder(
        &self,
        viewer: &Viewer,
        (number, agent): (&str, Uuid),
    ) -> Result<Option<NumberHolder>> {
        if !viewer.is_admin() {
            return Ok(None);
        }
        // As `number_is_free` looks for it (migration 0041).
        let row = sqlx::query(
            "select a.id, left(a.name, 200) as name,
                coalesce(a.number_typed = a.twilio_phone_number, false) as is_typed
            from public.voice_agents a cross join public.normalised_number($1) as wanted
            where a.id <> $2 and (a.number_held = wanted or a.status = 'active'
                and (coalesce(a.number_e164, a.twilio_phone_number) = wanted
                    or public.normalised_number(a.twilio_phone_number) = wanted
                        and not public.is_number_unassigned(
                            a.twilio_phone_number, a.number_typed, a.twilio_credentials)))
            order by a.created_at, a.id limit 1",
        )
        .bind(number)
        .bind(agent)
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| {
            Ok(NumberHolder {
                agent: row.try_get("id")?,
                name: row.try_get("name")?,
                is_typed: row.try_get("is_typed")?,
            })
        })
        .transpose()
    }
}

/// Gives an agent a number, with `instead_of` only if it has that one now: the number that it had; none
/// if it has another.
async fn set(
    connection: &mut PgConnection,
    agent: Uuid,
    number: &NumberRow,
    instead_of: Option<&str>,
) -> sqlx::Result<Option<NumberRow>> {
    let row = sqlx::query(
        "with was as (
            select id, left(twilio_phone_number, 500) as number,
                number_typed is not null as is_typed
            from public.voice_agents
            where id = $1 and ($4::text is null or twilio_phone_number = $4)
            for no key update
        )
        update public.voice_agents a set twilio_phone_number = $2,
            number_typed = case when $3 then $2 end
        from was where a.id = was.id
        returning was.number, was.is_typed",
    )
    .bind(agent)
    .bind(number.number.as_ref().map(|number| number.reveal()))
    .bind(number.is_typed)
    .bind(instead_of)
    .fetch_optional(connection)
    .await?;
    row.map(|row| {
        let number: Option<String> = row.try_get("number")?;
        Ok(NumberRow { number: number.map(Private::new), is_typed: row.try_get("is_typed")? })
    })
    .transpose()
}

/// Takes a number from the agents that keep this one from it, where it was only typed for them and they
/// have another Twilio account. One whose account is not known keeps it: it may be the same.
async fn take(
    connection: &mut PgConnection,
    agent: Uuid,
    listed: &ListedNumber,
) -> sqlx::Result<Vec<TakenNumber>> {
    // The agent's own row first, as whoever changes it does.
    sqlx::query("select from public.voice_agents where id = $1 for no key update")
        .bind(agent)
        .execute(&mut *connection)
        .await?;
    // Which rows stand in the way, `number_is_free` says (migration 0041).
    let rows = sqlx::query(
        "with wanted as (
            select public.normalised_number($2) as number
        ), blocking as (
            select a.id, a.twilio_phone_number as number
            from public.voice_agents a cross join wanted w
            where a.id <> $1 and coalesce(a.status::text, 'active') = 'active'
                and (public.normalised_number(a.twilio_phone_number) = w.number
                    or coalesce(a.number_e164, a.twilio_phone_number) = w.number
                    or a.number_held = w.number)
                and a.number_typed = a.twilio_phone_number
                and not public.is_number_unassigned(
                    a.twilio_phone_number, a.number_typed, a.twilio_credentials)
                and btrim(a.twilio_credentials ->> 'account_sid') ~* '^AC[0-9a-f]{32}$'
                and lower(btrim(a.twilio_credentials ->> 'account_sid')) <> lower($3)
            order by a.id
            for no key update of a
        )
        update public.voice_agents a set twilio_phone_number = null, number_typed = null
        from blocking b where a.id = b.id
        returning a.id, b.number",
    )
    .bind(agent)
    .bind(listed.number.reveal())
    .bind(listed.account_sid.trim())
    .fetch_all(connection)
    .await?;
    let taken = rows.iter().map(|row| {
        let number: String = row.try_get("number")?;
        Ok(TakenNumber { agent: row.try_get("id")?, number: number.into() })
    });
    taken.collect()
}

async fn note(
    connection: &mut PgConnection,
    action: &'static str,
    taken: &[TakenNumber],
) -> sqlx::Result<()> {
    for one in taken {
        let deed = AuditEntry::of_nobody(action).agent(one.agent);
        audit::note(connection, &deed).await?;
    }
    Ok(())
}

/// Takes a number and writes it down, in the transaction of what the number is taken for.
pub(super) async fn take_and_note(
    connection: &mut PgConnection,
    agent: Uuid,
    listed: &ListedNumber,
) -> sqlx::Result<Vec<TakenNumber>> {
    let taken = take(connection, agent, listed).await?;
    note(connection, "number.taken", &taken).await?;
    Ok(taken)
}
