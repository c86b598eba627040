//! Lists of calls, newest first, by what people look for. A page goes on where the one before ended
//! (keyset), and of several agents each one's newest are merged: both read an index and sort nothing.

use sqlx::postgres::PgRow;
use sqlx::{QueryBuilder, Row};
use strum::VariantArray;
use uuid::Uuid;

use super::access::VisibleAgents;
pub use super::call_query::CALLS_NEAR;
use super::call_query::{Order, push_page};
use super::numbers::SOME;
use super::{Result, Store};
use crate::private::Private;

/// How a call came out, or that it goes on.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::EnumString, strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum CallOutcome {
    /// The caller is on the phone.
    #[strum(serialize = "in-progress")]
    Live,
    /// The agent and the caller spoke to each other.
    Completed,
    /// Somebody else took the call.
    Transferred,
    /// The caller left a recorded message.
    Voicemail,
    /// The caller reached nobody.
    NoAnswer,
    /// Something broke.
    Failed,
}

impl CallOutcome {
    /// All, in the order in which they are offered.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::VARIANTS.iter().copied()
    }

    /// The word in `call_logs.status` and the API.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// From that word.
    pub fn from_word(word: &str) -> Option<Self> {
        word.parse().ok()
    }
}

/// What is looked for. The default finds every call but tests.
#[derive(Debug, Clone, Default)]
pub struct CallFilter {
    /// Those that began then or later, microseconds since the Unix epoch.
    pub from_us: Option<i64>,
    /// Those that began before, microseconds since the Unix epoch.
    pub until_us: Option<i64>,
    /// Those that came out so.
    pub outcome: Option<CallOutcome>,
    /// Those from this number, E.164.
    pub number: Option<Private<String>>,
    /// Those of the newest [`CALLS_NEAR`] of each agent, up to `until_us`, whose number ends with these
    /// digits. No index has the ends of numbers.
    pub number_end: Option<Private<String>>,
    /// Those in which, or in whose summary, all of these words are; the last may be the beginning of one.
    pub words: Option<Private<String>>,
    /// Those in which the agent used the function of this name.
    pub function: Option<String>,
    /// Those because of which there is something to do.
    pub with_tasks: bool,
    /// Test calls too.
    pub with_tests: bool,
}

/// A call's place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallPlace {
    /// `call_start`, microseconds since the Unix epoch.
    pub started_us: i64,
    /// `id`.
    pub id: Uuid,
}

/// Where in the list to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toward {
    /// From the newest on.
    Newest,
    /// Those that are older than this one, the newest of them first.
    Older(CallPlace),
    /// Those that are newer than this one, the oldest of them first.
    Newer(CallPlace),
}

/// A call in a list.
#[derive(Debug, Clone)]
pub struct CallItem {
    /// Where it is in the list.
    pub place: CallPlace,
    /// `voice_agent_id`.
    pub agent_id: Uuid,
    /// Whether the caller is still on the phone.
    pub is_live: bool,
    /// `status`; empty where there is none.
    pub status: String,
    /// `metadata.ended_by`; empty where there is none.
    pub ended_by: String,
    /// How long it was.
    pub duration_ms: i64,
    /// `caller_number`; empty where there is none.
    pub caller: Private<String>,
    /// What the caller said that they are called; empty where they did not.
    pub caller_name: Private<String>,
    /// `summary.title`; empty where there is none.
    pub title: Private<String>,
    /// The summary's first words; empty where there are none.
    pub summary: Private<String>,
    /// Whether it is a test.
    pub is_test: bool,
    /// What there is to know of it at a glance.
    pub marks: CallMarks,
}

/// What there is to know of a call at a glance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallMarks {
    /// Somebody has to act soon.
    pub is_urgent: bool,
    /// The agent said that it did something that it did not do.
    pub has_claim: bool,
    /// An appointment was booked, moved or cancelled, or seems to have been agreed.
    pub has_booking: bool,
    /// The caller asked something that the agent did not know.
    pub has_gap: bool,
    /// The caller left a message with the agent.
    pub has_message: bool,
    /// There is something to do because of it.
    pub has_task: bool,
}

/// The most rows that one statement gives.
pub const PAGE_MAX: i64 = 201;

/// So many agents' numbers are read before numbers are compared: more would take too long.
pub(super) const AGENTS_READ: usize = 10;

/// The columns of a [`CallItem`].
const ITEM: &str = "c.id, c.voice_agent_id, c.call_end is null as is_live,
    (extract(epoch from c.call_start) * 1000000)::bigint as started_us,
    coalesce(left(c.status, 40), '') as status,
    coalesce(left(c.metadata ->> 'ended_by', 40), '') as ended_by,
    coalesce(least(greatest(extract(epoch from c.duration), 0), 1e9) * 1000, 0)::bigint as duration_ms,
    coalesce(left(c.caller_number, 100), '') as caller,
    coalesce((select left(d ->> 'value', 100) from jsonb_path_query(c.summary, '$.data_collected[*]') d
        where d ->> 'name' in ('full_name', 'name', 'caller_name', 'caller') limit 1), '') as caller_name,
    coalesce(left(c.summary ->> 'title', 200), '') as title,
    coalesce(left(case jsonb_typeof(c.summary) when 'string' then c.summary #>> '{}'
        else coalesce(c.summary ->> 'summary', c.summary ->> 'text') end, 300), '') as summary,
    coalesce(c.call_sid like 'FT%', false) as is_test,
    coalesce(c.summary ->> 'urgent' = 'true', false) as is_urgent,
    coalesce(jsonb_path_exists(c.metadata, '$.unbacked_claims[0] ? (@ != null)'), false) as has_claim,
    coalesce(jsonb_path_exists(c.metadata, '$.extracted_appointments[*]
            ? (@.written == true || @.booking != null)')
        or jsonb_path_exists(c.metadata, '$.functions[*].result
            ? (exists (@.booked) || exists (@.rescheduled) || exists (@.cancelled))'), false)
        as has_booking,
    coalesce(jsonb_path_exists(c.metadata, '$.gaps[0] ? (@ != null)'), false)
        and (select bool_or(t.done_at is null) from public.call_tasks t
            where t.call_log_id = c.id and t.kind::text = 'gap') is not false as has_gap,
    coalesce(jsonb_path_exists(c.metadata, '$.messages[0] ? (@ != null)'), false) as has_message,
    exists (select from public.call_tasks t where t.call_log_id = c.id and t.done_at is null) as has_task";

impl Store {
    /// Up to `limit` calls of these agents.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError); [`Slow`](super::StoreError::Slow) where too much would have
    /// to be looked through.
    pub async fn calls(
        &self,
        agents: &VisibleAgents,
        filter: &CallFilter,
        toward: Toward,
        limit: i64,
    ) -> Result<Vec<CallItem>> {
        if filter.number.is_some() || filter.number_end.is_some() {
            for agent in agents.list().iter().take(AGENTS_READ) {
                // Numbers that cannot be read now are left out this time.
                let _ = self.read_callers_numbers(agent.id, SOME).await;
            }
        }
        let mut sql = QueryBuilder::new("with page as materialized (");
        push_page(&mut sql, &agents.ids(), filter, toward, limit);
        sql.push(") select ")
            .push(ITEM)
            .push(" from page join public.call_logs c on c.id = page.id");
        let order = Order::of(toward, "c.call_start", "c.id");
        sql.push(order.by);
        // A plan for any filter would be a plan for none: each is made for its values.
        let rows = sql.build().persistent(false).fetch_all(&self.pool).await?;
        rows.iter().map(item).collect()
    }
}

fn item(row: &PgRow) -> Result<CallItem> {
    Ok(CallItem {
        place: CallPlace { started_us: row.try_get("started_us")?, id: row.try_get("id")? },
        agent_id: row.try_get("voice_agent_id")?,
        is_live: row.try_get("is_live")?,
        status: row.try_get("status")?,
        ended_by: row.try_get("ended_by")?,
        duration_ms: row.try_get("duration_ms")?,
        caller: Private::new(row.try_get("caller")?),
        caller_name: Private::new(row.try_get("caller_name")?),
        title: Private::new(row.try_get("title")?),
        summary: Private::new(row.try_get("summary")?),
        is_test: row.try_get("is_test")?,
        marks: CallMarks {
            is_urgent: row.try_get("is_urgent")?,
            has_claim: row.try_get("has_claim")?,
            has_booking: row.try_get("has_booking")?,
            has_gap: row.try_get("has_gap")?,
            has_message: row.try_get("has_message")?,
            has_task: row.try_get("has_task")?,
        },
    })
}
