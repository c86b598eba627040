//! `appointments` as owners see and change them. The rules of time are those that callers' bookings
//! keep (`appointments_taking`, one booking of an agent at a time).

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::access::{AgentAccess, Level, VisibleAgents};
use super::{Result, Store, StoreError};
use crate::private::Private;

/// The most bookings that a statement gives.
pub const BOOKINGS_MAX: i64 = 1001;

/// `appointments.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum BookingState {
    /// Still to come, or not said yet what came of it. Only this takes up time.
    Pending,
    /// They came.
    Completed,
    /// They did not come.
    Missed,
    /// It was cancelled.
    Cancelled,
}

impl BookingState {
    /// The word in the database and the API.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// From that word.
    pub fn from_word(word: &str) -> Option<Self> {
        word.parse().ok()
    }
}

/// Who booked it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum BookingSource {
    /// The agent, in a call.
    Agent,
    /// Nobody: it was agreed in a call without being booked, and written down from its words.
    Extracted,
    /// A person, in the console or over the API.
    Person,
    /// Another program.
    Other,
}

impl BookingSource {
    /// The word in the API.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// A row of `appointments` with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// `id`.
    pub id: Uuid,
    /// `voice_agent_id`.
    pub agent_id: Uuid,
    /// The business's time zone, which may be none that is known.
    pub zone: Option<String>,
    /// `name`. A caller said it.
    pub name: Private<String>,
    /// `phone_number`.
    pub phone: Private<String>,
    /// `service`.
    pub service: Private<String>,
    /// `special_notes`.
    pub notes: Private<String>,
    /// `status`.
    pub state: BookingState,
    /// `schedule_time`, microseconds since the Unix epoch.
    pub start_us: i64,
    /// How long it takes; where its row does not say so, as long as appointments there usually do.
    pub minutes: u32,
    /// Who booked it.
    pub source: BookingSource,
    /// Whether it was only understood from a call, and nobody has said that it is right.
    pub is_to_check: bool,
    /// The call in which it was booked, or of which a person booked it, if that is still there.
    pub call_id: Option<Uuid>,
    /// The name of the person who booked it.
    pub booked_by: Option<Private<String>>,
    /// Why it was cancelled.
    pub reason: Option<Private<String>>,
    /// `revision`.
    pub revision: i32,
    /// `created_at`, microseconds since the Unix epoch.
    pub created_us: i64,
    /// When it was last changed, microseconds since the Unix epoch.
    pub changed_us: i64,
}

/// Which bookings are wanted.
#[derive(Debug, Clone, Copy)]
pub struct BookingsWanted {
    /// Those that begin then or later, microseconds since the Unix epoch.
    pub from_us: i64,
    /// Those that begin before, microseconds since the Unix epoch.
    pub until_us: i64,
    /// Those in this state.
    pub state: Option<BookingState>,
    /// Those behind this one: when it begins, and its id.
    pub after: Option<(i64, Uuid)>,
    /// So many.
    pub limit: i64,
}

/// What one books with: the business of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookingPlace {
    /// The agent.
    pub agent_id: Uuid,
    /// What the business is called.
    pub business: String,
    /// Its time zone, which may be none that is known.
    pub zone: Option<String>,
    /// Its own number.
    pub phone: Option<String>,
    /// The number that the agent answers.
    pub number: Option<String>,
    /// How long an appointment usually takes.
    pub usual_minutes: u32,
}

/// How long an appointment usually takes, of `business_details b`.
const USUAL_SQL: &str = "coalesce(case when b.default_appointment_length between 1 and 1440
        then b.default_appointment_length end, 60)";

/// What is read of `appointments a` and its business `b`. Anybody may have written the texts.
pub(super) const BOOKING_SQL: &str =
    "a.id, a.voice_agent_id, b.business_timezone, left(a.name, 200) as name,
    left(a.phone_number, 60) as phone_number, left(a.service, 200) as service,
    left(coalesce(a.special_notes, ''), 4000) as notes, a.status::text as status,
    (extract(epoch from a.schedule_time) * 1000000)::bigint as start_us,
    case when a.duration_minutes between 1 and 44640 then a.duration_minutes
        else coalesce(case when b.default_appointment_length between 1 and 1440
            then b.default_appointment_length end, 60) end as minutes,
    a.is_extracted, a.checked_at is not null as is_checked, coalesce(a.booking_key not like '%:person:%', false) as has_key,
    a.booked_by, p.username as booked_by_name, c.id as call_id, left(a.cancel_reason, 500) as reason,
    a.revision, (extract(epoch from a.created_at) * 1000000)::bigint as created_us,
    (extract(epoch from coalesce(a.updated_at, a.created_at)) * 1000000)::bigint as changed_us";

/// What belongs to `appointments a`.
pub(super) const JOINS_SQL: &str =
    "left join public.business_details b on b.voice_agent_id = a.voice_agent_id
    left join public.customer p on p.uuid = a.booked_by
    left join public.call_logs c on c.voice_agent_id = a.voice_agent_id and c.id =
        case when a.booking_key ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:'
            then left(a.booking_key, 36)::uuid end";

/// The most appointments of a call that were spoken of.
const SPOKEN_OF_MAX: usize = 10;
/// The most bookings of a call that are shown.
const OF_CALL_MAX: usize = 20;

impl Store {
    /// Bookings of these agents, the earliest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn bookings(
        &self,
        agents: &VisibleAgents,
        wanted: &BookingsWanted,
    ) -> Result<Vec<Booking>> {
        let sql = format!(
            "select {BOOKING_SQL}
            from unnest($1::uuid[]) agent (id)
            cross join lateral (
                select x.* from public.appointments x
                where x.voice_agent_id = agent.id and isfinite(x.schedule_time)
                    and x.schedule_time >= timestamptz 'epoch' + $2::bigint * interval '1 microsecond'
                    and x.schedule_time < timestamptz 'epoch' + $3::bigint * interval '1 microsecond'
                    and ($4::text is null or x.status::text = $4)
                    and ($5::bigint is null or (x.schedule_time, x.id)
                        > (timestamptz 'epoch' + $5::bigint * interval '1 microsecond', $6::uuid))
                order by x.schedule_time, x.id limit $7
            ) a {JOINS_SQL}
            order by a.schedule_time, a.id limit $7"
        );
        // The text is put together from constants.
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(agents.ids())
            .bind(wanted.from_us)
            .bind(wanted.until_us)
            .bind(wanted.state.map(BookingState::word))
            .bind(wanted.after.map(|(start_us, _)| start_us))
            .bind(wanted.after.map(|(_, id)| id))
            .bind(wanted.limit.clamp(1, BOOKINGS_MAX))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(booking).collect()
    }

    /// One booking of the agent's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn booking<L: Level>(
        &self,
        access: &AgentAccess<L>,
        id: Uuid,
    ) -> Result<Option<Booking>> {
        Ok(self.bookings_by_id(access.agent_id(), &[id]).await?.pop())
    }

    pub(super) async fn bookings_by_id(
        &self,
        agent_id: Uuid,
        ids: &[Uuid],
    ) -> Result<Vec<Booking>> {
        let sql = format!(
            "select {BOOKING_SQL} from public.appointments a {JOINS_SQL}
            where a.voice_agent_id = $1 and a.id = any($2) and isfinite(a.schedule_time)
            order by a.schedule_time, a.id limit 100"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(agent_id).bind(ids);
        query.fetch_all(&self.pool).await?.iter().map(booking).collect()
    }

    /// The bookings that were written because a call spoke of them, by their places in its
    /// `metadata.extracted_appointments`, from 0.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn bookings_spoken_of<L: Level>(
        &self,
        access: &AgentAccess<L>,
        call: Uuid,
        places: usize,
    ) -> Result<Vec<(usize, Booking)>> {
        let sql = format!(
            "select n.place, {BOOKING_SQL}
            from generate_series(0, $3) as n (place)
            join public.appointments a on a.voice_agent_id = $1
                and a.booking_key = $2 || ':extracted:' || n.place + 1
            {JOINS_SQL} where isfinite(a.schedule_time)"
        );
        let last = i32::try_from(places.min(SPOKEN_OF_MAX)).unwrap_or_default() - 1;
        let query = sqlx::query(AssertSqlSafe(sql)).bind(access.agent_id()).bind(call.to_string());
        let rows = query.bind(last).fetch_all(&self.pool).await?;
        let read = |row: &PgRow| {
            let place: i32 = row.try_get("place")?;
            Ok((usize::try_from(place).unwrap_or_default(), booking(row)?))
        };
        rows.iter().map(read).collect()
    }

    /// The bookings that a call made or changed, the earliest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn bookings_of_call<L: Level>(
        &self,
        access: &AgentAccess<L>,
        call: Uuid,
    ) -> Result<Vec<Booking>> {
        let sql = format!(
            "select {BOOKING_SQL} from public.appointments a {JOINS_SQL}
            where a.voice_agent_id = $1 and isfinite(a.schedule_time)
                and (starts_with(a.booking_key, $2) or starts_with(a.change_key, $2))
            order by a.schedule_time, a.id limit {OF_CALL_MAX}"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(access.agent_id());
        let rows = query.bind(format!("{call}:")).fetch_all(&self.pool).await?;
        rows.iter().map(booking).collect()
    }

    /// What one books with.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn booking_place<L: Level>(&self, access: &AgentAccess<L>) -> Result<BookingPlace> {
        let sql = format!(
            "select a.id, left(coalesce(nullif(b.business_name, ''), a.name), 200) as business,
                b.business_timezone, b.business_phone, a.twilio_phone_number,
                {USUAL_SQL} as usual
            from public.voice_agents a
            left join public.business_details b on b.voice_agent_id = a.id where a.id = $1"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(access.agent_id());
        let row = query.fetch_one(&self.pool).await?;
        Ok(BookingPlace {
            agent_id: row.try_get("id")?,
            business: row.try_get("business")?,
            zone: row.try_get("business_timezone")?,
            phone: row.try_get("business_phone")?,
            number: row.try_get("twilio_phone_number")?,
            usual_minutes: minutes(row.try_get("usual")?),
        })
    }
}

/// A row of [`BOOKING_SQL`].
pub(super) fn booking(row: &PgRow) -> Result<Booking> {
    let text = |column: &str| row.try_get::<String, _>(column).map(Private::new);
    let status: String = row.try_get("status")?;
    let is_extracted: bool = row.try_get("is_extracted")?;
    let is_checked: bool = row.try_get("is_checked")?;
    let state = BookingState::from_word(&status);
    let state = state.ok_or_else(|| StoreError::Unreadable("status".to_owned()))?;
    let source = match (is_extracted, row.try_get("has_key")?) {
        (true, _) => BookingSource::Extracted,
        (false, true) => BookingSource::Agent,
        (false, false) if row.try_get::<Option<Uuid>, _>("booked_by")?.is_some() => {
            BookingSource::Person
        }
        (false, false) => BookingSource::Other,
    };
    Ok(Booking {
        id: row.try_get("id")?,
        agent_id: row.try_get("voice_agent_id")?,
        zone: row.try_get("business_timezone")?,
        name: text("name")?,
        phone: text("phone_number")?,
        service: text("service")?,
        notes: text("notes")?,
        state,
        start_us: row.try_get("start_us")?,
        minutes: minutes(row.try_get("minutes")?),
        source,
        is_to_check: is_extracted && !is_checked && state == BookingState::Pending,
        call_id: row.try_get("call_id")?,
        booked_by: row.try_get::<Option<String>, _>("booked_by_name")?.map(Private::new),
        reason: row.try_get::<Option<String>, _>("reason")?.map(Private::new),
        revision: row.try_get("revision")?,
        created_us: row.try_get("created_us")?,
        changed_us: row.try_get("changed_us")?,
    })
}

fn minutes(minutes: i32) -> u32 {
    u32::try_from(minutes).unwrap_or(60)
}
