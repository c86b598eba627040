//! Telephone numbers that others wrote, read by the program once and kept beside them
//! (migration 0019). Before numbers are compared, those that are still to be read are read.

use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::{Result, Store, StoreError};
use crate::agent::phone_number::normalise_local;
use crate::agent::region::Region;

/// How many numbers are read in one round trip each way. Reading one takes up to some hundred
/// microseconds, and other work of the thread waits meanwhile.
const BATCH: usize = 100;
/// A text of more characters is no number.
const WRITTEN_CHARACTERS: i32 = 100;

/// How many batches are read where everything hangs on it: an agent that is not found, an
/// appointment that is not.
pub(super) const ALL: usize = 50;
/// How many where a caller waits, and only what is known of them hangs on it.
pub(super) const SOME: usize = 2;

/// Two statements about one column: what is still to be read, and what was read. A row that another
/// process reads at this moment is passed over, and one that was written anew since is left, as is one
/// whose agent's country may be another since (migration 0023).
struct Column {
    unread: &'static str,
    keep: &'static str,
}

/// What says in which country a number was written.
#[derive(Default, PartialEq)]
struct Place {
    phone: Option<String>,
    timezone: Option<String>,
    agent: Option<String>,
}

/// A number of a row, as it was written and as it was read.
struct Number {
    id: Uuid,
    written: String,
    read: String,
    /// How often its agent's country had changed when it was read.
    country_changes: i64,
}

/// What became of one batch. Neither kept nor refused: somebody else had the row.
#[derive(Default)]
struct Read {
    found: usize,
    kept: usize,
    refused: usize,
}

/// How far numbers were read. Only where all were, what is not found is not there.
pub(super) enum NumbersRead {
    /// All that are to be compared.
    All,
    /// Some are left: they are too many for now, or somebody else has their rows.
    Some,
    /// The database did not serve it.
    Failed(StoreError),
}

impl NumbersRead {
    /// That nothing was found means that it is not there.
    ///
    /// # Errors
    /// It may be among what was not read.
    pub(super) fn all(self) -> Result<()> {
        match self {
            Self::All => Ok(()),
            Self::Some => Err(StoreError::Slow("numbers are still to be read".to_owned())),
            Self::Failed(error) => Err(error),
        }
    }
}

macro_rules! column {
    ($table:literal, $agent:literal, $written:literal, $read:literal, $which:literal) => {
        Column {
            unread: concat!(
                "select t.id, left(t.",
                $written,
                ", $2) as written, left(b.business_phone, $2) as business_phone,
                    left(b.business_timezone, $2) as business_timezone,
                    left(a.twilio_phone_number, $2) as twilio_phone_number, a.country_changes
                from ",
                $table,
                " t
                join voice_agents a on a.id = t.",
                $agent,
                "
                left join business_details b on b.voice_agent_id = a.id
                where t.",
                $read,
                " is null and t.",
                $written,
                r" !~ '^\+(?!(1|[2-9][0-9]{0,2})0)[1-9][0-9]{7,14}$'
                    and ",
                $which,
                "
                order by t.id limit $1"
            ),
            keep: concat!(
                "with free as (
                    select t.id from unnest($1::uuid[], $5::bigint[]) n (id, country_changes)
                    join ",
                $table,
                " t on t.id = n.id
                    join voice_agents a on a.id = t.",
                $agent,
                " and a.country_changes = n.country_changes
                    order by t.id for no key update of t skip locked
                    for share of a skip locked)
                update ",
                $table,
                " t set ",
                $read,
                " = n.read
                from unnest($1::uuid[], $2::text[], $3::text[]) n (id, written, read)
                where t.id = n.id and t.id in (select id from free) and t.",
                $read,
                " is null
                    and left(t.",
                $written,
                ", $4) = n.written"
            ),
        }
    };
}

const AGENTS: Column =
    column!("voice_agents", "id", "twilio_phone_number", "number_e164", "$3::uuid is null");
const APPOINTMENTS: Column = column!(
    "appointments",
    "voice_agent_id",
    "phone_number",
    "phone_e164",
    "t.voice_agent_id = $3"
);
const CALLERS: Column =
    column!("call_logs", "voice_agent_id", "caller_number", "caller_e164", "t.voice_agent_id = $3");

/// The active agent that has had a number longest holds it, if no agent does (migration 0021). A row
/// that somebody else is writing is left alone: it is claimed for at the next look-up.
const CLAIM: &str = "
    with longest as (
        select a.id from voice_agents a
        where coalesce(a.number_e164, a.twilio_phone_number) = $1
            and coalesce(a.status::text, 'active') = 'active'
            and not exists (select from voice_agents h where h.number_held = $1)
        order by a.number_since, a.id limit 1),
    free as (
        select a.id from voice_agents a where a.id in (select id from longest)
        for no key update skip locked)
    update voice_agents a set number_held = $1
    where a.id in (select id from free) and a.number_held is null";

impl Store {
    /// Claims a number for the agent that is to hold it. Where that fails, the agent that has had it
    /// longest is found first all the same.
    pub(super) async fn claim_number(&self, e164: &str) {
        let claimed = sqlx::query(CLAIM).bind(e164).execute(&self.pool).await;
        match claimed.map_err(StoreError::from) {
            Ok(_) => {}
            // Another process claimed it at the same moment.
            Err(StoreError::Refused(_)) => {
                tracing::debug!("a number was claimed and another agent holds it");
            }
            Err(error) => tracing::warn!(%error, "an agent's number could not be claimed"),
        }
    }

    /// Reads the numbers of agents.
    pub(super) async fn read_agents_numbers(&self) -> NumbersRead {
        self.read_numbers(&AGENTS, None, ALL).await
    }

    /// Reads the numbers of an agent's appointments.
    pub(super) async fn read_appointments_numbers(
        &self,
        agent_id: Uuid,
        batches: usize,
    ) -> NumbersRead {
        self.read_numbers(&APPOINTMENTS, Some(agent_id), batches).await
    }

    /// Reads the numbers of those who called an agent.
    pub(super) async fn read_callers_numbers(&self, agent_id: Uuid, batches: usize) -> NumbersRead {
        self.read_numbers(&CALLERS, Some(agent_id), batches).await
    }

    /// What cannot be read now is read the next time; what is compared meanwhile is what is there.
    async fn read_numbers(
        &self,
        column: &Column,
        agent_id: Option<Uuid>,
        batches: usize,
    ) -> NumbersRead {
        // One connection for all of it: PostgreSQL says that a statement was refused before it lets go
        // of the rows, and another connection would pass them over as somebody else's.
        let mut connection = match Box::pin(self.pool.acquire()).await.map_err(StoreError::from) {
            Ok(connection) => connection,
            Err(error) => return failed(error),
        };
        let mut is_again = false;
        for _ in 0..batches {
            match Box::pin(read_batch(&mut connection, column, agent_id)).await {
                Ok(batch) if batch.found == BATCH && batch.kept == BATCH => {}
                Ok(Read { found, kept, refused }) if found < BATCH && kept + refused >= found => {
                    return NumbersRead::All;
                }
                // Rows that somebody else had locked may be free by now.
                Ok(_) if !is_again => is_again = true,
                Ok(_) => return NumbersRead::Some,
                Err(error) => return failed(error),
            }
        }
        NumbersRead::Some
    }
}

fn failed(error: StoreError) -> NumbersRead {
    tracing::warn!(%error, "numbers that others wrote could not be read");
    NumbersRead::Failed(error)
}

async fn read_batch(
    connection: &mut PgConnection,
    column: &Column,
    agent_id: Option<Uuid>,
) -> Result<Read> {
    let rows = sqlx::query(column.unread)
        .bind(BATCH as i64)
        .bind(WRITTEN_CHARACTERS)
        .bind(agent_id)
        .fetch_all(&mut *connection)
        .await?;
    if rows.is_empty() {
        return Ok(Read::default());
    }
    let mut numbers = Vec::with_capacity(rows.len());
    // Rows of one agent follow each other, and its country takes longer to read than a number.
    let mut known = (Place::default(), None);
    for row in &rows {
        let place = Place {
            phone: row.try_get("business_phone")?,
            timezone: row.try_get("business_timezone")?,
            agent: row.try_get("twilio_phone_number")?,
        };
        if place != known.0 {
            let Place { phone, timezone, agent } = &place;
            let region =
                Region::of_business(phone.as_deref(), timezone.as_deref(), agent.as_deref());
            known = (place, region);
        }
        let written: String = row.try_get("written")?;
        let read = normalise_local(&written, known.1).unwrap_or_default();
        let country_changes = row.try_get("country_changes")?;
        numbers.push(Number { id: row.try_get("id")?, written, read, country_changes });
    }
    let mut batch = Read { found: numbers.len(), ..Read::default() };
    match keep_numbers(connection, column, &numbers).await {
        Err(StoreError::Refused(_)) => {}
        kept => return kept.map(|kept| Read { kept, ..batch }),
    }
    // One of them may not have its number, such as an agent whose number is another's. It is
    // found under none until it may.
    for number in numbers.chunks(1) {
        match keep_numbers(connection, column, number).await {
            Err(StoreError::Refused(_)) => {
                batch.refused += 1;
                tracing::debug!(row = %number[0].id, "a number was read and may not be kept");
            }
            one => batch.kept += one?,
        }
    }
    Ok(batch)
}

/// How many were kept.
async fn keep_numbers(
    connection: &mut PgConnection,
    column: &Column,
    numbers: &[Number],
) -> Result<usize> {
    let ids: Vec<Uuid> = numbers.iter().map(|number| number.id).collect();
    let written: Vec<&str> = numbers.iter().map(|number| number.written.as_str()).collect();
    let read: Vec<&str> = numbers.iter().map(|number| number.read.as_str()).collect();
    let changes: Vec<i64> = numbers.iter().map(|number| number.country_changes).collect();
    let kept = sqlx::query(column.keep)
        .bind(ids)
        .bind(written)
        .bind(read)
        .bind(WRITTEN_CHARACTERS)
        .bind(changes)
        .execute(connection)
        .await?;
    Ok(usize::try_from(kept.rows_affected()).unwrap_or(BATCH))
}
