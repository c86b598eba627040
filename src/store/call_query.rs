//! The statement that finds the calls of a page: for each filter one that reads an index and little more
//! than is shown, of one business with a third of all calls too.

use sqlx::QueryBuilder;
use sqlx::postgres::Postgres;
use uuid::Uuid;

use super::call_list::{CallFilter, CallOutcome, CallPlace, PAGE_MAX, Toward};
use crate::private::Private;

/// The earliest and the latest time that a list shows: what others wrote may be beyond any calendar.
const EARLIEST: &str = "timestamptz '1900-01-01 00:00:00+00'";
const LATEST: &str = "timestamptz '9990-01-01 00:00:00+00'";

/// The order of a list and what its place is compared by.
pub(super) struct Order {
    /// `order by` and the columns.
    pub(super) by: String,
    place: String,
    than: &'static str,
    from: Option<CallPlace>,
}

impl Order {
    /// By when calls began, then by id.
    pub(super) fn of(toward: Toward, start: &str, id: &str) -> Self {
        let (direction, than, from) = match toward {
            Toward::Newest => ("desc", "<", None),
            Toward::Older(place) => ("desc", "<", Some(place)),
            Toward::Newer(place) => ("asc", ">", Some(place)),
        };
        Self {
            by: format!(" order by {start} {direction}, {id} {direction} "),
            place: format!("({start}, {id})"),
            than,
            from,
        }
    }
}

/// So many agents are named one by one: what is planned for one business's calls is not what another's
/// need, and one of them may have a third of all. More are planned for as if each had the average.
const AGENTS_NAMED: usize = 16;

/// Words and the ends of numbers are looked for in so many calls one by one, the newest first; for words
/// each of several agents has a share.
pub const CALLS_NEAR: i64 = 2_000;
/// Words that fewer than one in so many of these have are rare.
const RARE: i64 = 50;

/// Whose page it is.
#[derive(Debug, Clone, Copy)]
enum Whose {
    /// This one's, of so many.
    Named { agent: Uuid, of: i64 },
    /// That of the row `a`.
    Row,
}

/// The ids of a page: of each agent its own, merged.
pub(super) fn push_page(
    sql: &mut QueryBuilder<Postgres>,
    agents: &[Uuid],
    filter: &CallFilter,
    toward: Toward,
    limit: i64,
) {
    let limit = limit.clamp(1, PAGE_MAX);
    sql.push("select f.id from ");
    if (1..=AGENTS_NAMED).contains(&agents.len()) {
        let of = i64::try_from(agents.len()).unwrap_or(i64::MAX);
        for (n, agent) in agents.iter().enumerate() {
            sql.push(if n == 0 { "((" } else { ") union all (" });
            push_own_page(sql, Whose::Named { agent: *agent, of }, filter, toward, limit);
        }
        sql.push("))");
    } else {
        sql.push("unnest(").push_bind(agents.to_vec());
        sql.push("::uuid[]) as a (id) cross join lateral (");
        push_own_page(sql, Whose::Row, filter, toward, limit);
        sql.push(")");
    }
    sql.push(" f").push(Order::of(toward, "f.call_start", "f.id").by);
    sql.push("limit ").push_bind(limit);
}

/// The page of one agent.
fn push_own_page(
    sql: &mut QueryBuilder<Postgres>,
    whose: Whose,
    filter: &CallFilter,
    toward: Toward,
    limit: i64,
) {
    match (&filter.words, whose) {
        (Some(words), Whose::Named { of, .. }) => {
            let near = (CALLS_NEAR / of).max(limit);
            return push_words_page(sql, words, whose, filter, toward, limit, near);
        }
        (Some(words), Whose::Row) => return push_words_planned(sql, words, filter, toward, limit),
        (None, _) => {}
    }
    sql.push("select c.id, c.call_start from public.call_logs c where c.voice_agent_id = ");
    push_agent(sql, whose);
    push_span(sql, &Order::of(toward, "c.call_start", "c.id"), filter, "c.call_start");
    push_filter(sql, whose, filter);
    sql.push(Order::of(toward, "c.call_start", "c.id").by).push("limit ").push_bind(limit);
}

/// The page of calls with words. PostgreSQL cannot know how frequent the beginning of a word is: told to
/// fill a page, it walks through all calls for a rare one; told to find all, it collects every call for a
/// common one. So the newest calls are looked through first, which fills most pages and tells the two
/// apart. Then the index of words finds what is rare (`offset 0`: all of it, whatever page it is for, in
/// its order, so that only a page's calls are read), and the calls that match the rest of the filter are
/// walked through for what is common. Neither runs unless its `where` says so.
fn push_words_page(
    sql: &mut QueryBuilder<Postgres>,
    words: &Private<String>,
    whose: Whose,
    filter: &CallFilter,
    toward: Toward,
    limit: i64,
    near: i64,
) {
    let order = Order::of(toward, "w.call_start", "w.id");
    sql.push("with said as materialized (select w.id, w.call_start from (");
    push_words(sql, whose, filter, toward);
    sql.push(Order::of(toward, "w.call_start", "w.call_log_id").by);
    sql.push("limit ").push_bind(near).push(") w where ");
    push_match(sql, words);
    sql.push("), near as materialized (select w.id, w.call_start from said w");
    push_its_call(sql, whose, filter);
    sql.push(&order.by).push("limit ").push_bind(limit);
    sql.push("), rare as materialized (select w.id, w.call_start from (");
    push_words(sql, whose, filter, toward);
    sql.push(" and ");
    push_match(sql, words);
    sql.push(Order::of(toward, "w.call_start", "w.call_log_id").by).push("offset 0) w");
    push_its_call(sql, whose, filter);
    sql.push(&order.by).push("limit ").push_bind(limit);
    sql.push("), common as materialized (select c.id, c.call_start from public.call_logs c");
    sql.push(
        " cross join lateral (select from public.call_words w where w.call_log_id = c.id and ",
    );
    push_match(sql, words);
    sql.push(" offset 0) w where c.voice_agent_id = ");
    push_agent(sql, whose);
    push_span(sql, &Order::of(toward, "c.call_start", "c.id"), filter, "c.call_start");
    push_filter(sql, whose, filter);
    sql.push(Order::of(toward, "c.call_start", "c.id").by).push("limit ").push_bind(limit);
    sql.push("), found as materialized (select (select count(*) from near) >= ").push_bind(limit);
    sql.push(" as is_full, (select count(*) from said) < ").push_bind((near / RARE).max(1));
    sql.push(" as is_rare) select id, call_start from near where (select is_full from found)");
    sql.push(" union all select id, call_start from rare");
    sql.push(" where (select not is_full and is_rare from found)");
    sql.push(" union all select id, call_start from common");
    sql.push(" where (select not is_full and not is_rare from found)");
}

/// The page of calls with words where there are so many agents that PostgreSQL's averages are right. The
/// words' agent is the call's: that is asked by the function behind `=`, as a comparison would count as
/// rare once more, and a page that is rarely full is made of all calls with the word.
fn push_words_planned(
    sql: &mut QueryBuilder<Postgres>,
    words: &Private<String>,
    filter: &CallFilter,
    toward: Toward,
    limit: i64,
) {
    let order = Order::of(toward, "w.call_start", "w.call_log_id");
    sql.push("select c.id, w.call_start from public.call_words w");
    sql.push(" join public.call_logs c on c.id = w.call_log_id where w.voice_agent_id = a.id");
    sql.push(" and pg_catalog.uuid_eq(c.voice_agent_id, w.voice_agent_id) and ");
    push_match(sql, words);
    push_span(sql, &order, filter, "w.call_start");
    push_filter(sql, Whose::Row, filter);
    sql.push(&order.by).push("limit ").push_bind(limit);
}

/// The words of an agent's calls of a time.
fn push_words(sql: &mut QueryBuilder<Postgres>, whose: Whose, filter: &CallFilter, toward: Toward) {
    sql.push("select w.call_log_id as id, w.call_start, w.words from public.call_words w");
    sql.push(" where w.voice_agent_id = ");
    push_agent(sql, whose);
    push_span(sql, &Order::of(toward, "w.call_start", "w.call_log_id"), filter, "w.call_start");
}

/// Only those whose call the filter lets through. `offset 0` keeps PostgreSQL from reading all calls for it.
fn push_its_call(sql: &mut QueryBuilder<Postgres>, whose: Whose, filter: &CallFilter) {
    sql.push(" cross join lateral (select from public.call_logs c where c.id = w.id");
    sql.push(" and c.voice_agent_id = ");
    push_agent(sql, whose);
    push_filter(sql, whose, filter);
    sql.push(" offset 0) c");
}

fn push_match(sql: &mut QueryBuilder<Postgres>, words: &Private<String>) {
    sql.push("w.words @@ public.words_query(").push_bind(words.reveal().clone()).push(")");
}

fn push_agent(sql: &mut QueryBuilder<Postgres>, whose: Whose) {
    match whose {
        Whose::Named { agent, .. } => sql.push_bind(agent),
        Whose::Row => sql.push("a.id"),
    };
}

fn push_time(sql: &mut QueryBuilder<Postgres>, us: i64) {
    sql.push("timestamptz 'epoch' + ").push_bind(us).push("::bigint * interval '1 microsecond'");
}

/// From which place on and between which times. `start` is the column by which the list is read: bounds
/// on another one would be looked at only behind all that is newer.
fn push_span(sql: &mut QueryBuilder<Postgres>, order: &Order, filter: &CallFilter, start: &str) {
    if let Some(place) = order.from {
        sql.push(" and ").push(&order.place).push(format!(" {} (", order.than));
        push_time(sql, place.started_us);
        sql.push(", ").push_bind(place.id).push(")");
    }
    for (bound, than, open) in [(filter.from_us, ">=", EARLIEST), (filter.until_us, "<", LATEST)] {
        sql.push(format!(" and {start} {than} "));
        match bound {
            Some(us) => push_time(sql, us),
            None => {
                sql.push(open);
            }
        }
    }
}

/// Only the newest calls of an agent. Where they begin is read once, from the index of the list.
fn push_near(sql: &mut QueryBuilder<Postgres>, whose: Whose, filter: &CallFilter) {
    sql.push(" and c.call_start >= coalesce((select near.call_start from public.call_logs near");
    sql.push(" where near.voice_agent_id = ");
    push_agent(sql, whose);
    sql.push(" and near.call_start < ");
    match filter.until_us {
        Some(us) => push_time(sql, us),
        None => {
            sql.push(LATEST);
        }
    }
    sql.push(" order by near.call_start desc, near.id desc offset ").push_bind(CALLS_NEAR - 1);
    sql.push(" limit 1), ").push(EARLIEST).push(")");
}

fn push_filter(sql: &mut QueryBuilder<Postgres>, whose: Whose, filter: &CallFilter) {
    match filter.outcome {
        None => {}
        Some(CallOutcome::Live) => {
            sql.push(" and c.call_end is null");
        }
        Some(outcome) => {
            sql.push(" and c.call_end is not null and c.status = ").push_bind(outcome.word());
        }
    }
    if let Some(number) = &filter.number {
        sql.push(" and coalesce(c.caller_e164, c.caller_number) = ");
        sql.push_bind(number.reveal().clone());
    }
    if let Some(end) = &filter.number_end {
        push_near(sql, whose, filter);
        let digits = i32::try_from(end.reveal().len()).unwrap_or(i32::MAX);
        sql.push(" and right(coalesce(c.caller_e164, c.caller_number), ").push_bind(digits);
        sql.push(") = ").push_bind(end.reveal().clone());
    }
    if let Some(function) = &filter.function {
        sql.push(" and jsonb_path_query_array(c.metadata, '$.functions[*].name') @> ");
        sql.push_bind(serde_json::json!([function]));
    }
    if filter.with_tasks {
        // By the agent's open tasks, which are few beside its calls.
        sql.push(
            " and c.id in (select t.call_log_id from public.call_tasks t
                where t.done_at is null and t.voice_agent_id = ",
        );
        push_agent(sql, whose);
        sql.push(")");
    }
    if !filter.with_tests {
        sql.push(" and (c.call_sid is null or c.call_sid not like 'FT%')");
    }
}
