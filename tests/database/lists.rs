//! The indexes of call lists: built while others work, and used.

use frontdesk::private::Private;
use frontdesk::store::Store;
use frontdesk::store::access::VisibleAgents;
use frontdesk::store::call_list::{CallFilter, CallOutcome, CallPlace, Toward};
use frontdesk::store::finish::{Finished, finish, unfinished};
use frontdesk::store::migrate::{SchemaState, is_current};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPool;
use uuid::Uuid;

use super::common::{fresh_database, run};
use super::viewer::{agents, owner_of};
use super::{agent, execute, migrated};

/// What is read of 20,000 calls of two agents, and which index serves it: as in docs/rows.md.
const QUERIES: &[(&str, &str)] = &[
    (
        "idx_call_logs_agent_page",
        "select * from public.call_logs where voice_agent_id = '$agent' order by call_start desc, id desc limit 51",
    ),
    (
        "idx_call_logs_agent_page",
        "select * from public.call_logs where voice_agent_id = '$agent' and (call_start, id) < ('2026-06-01', '$agent') order by call_start desc, id desc limit 51",
    ),
    (
        "idx_call_logs_agent_status",
        "select * from public.call_logs where voice_agent_id = '$agent' and status = 'failed' order by call_start desc, id desc limit 51",
    ),
    (
        "idx_call_logs_agent_status",
        "select * from public.call_logs where voice_agent_id = '$agent' and status = 'never' and (call_start, id) < ('2026-06-01', '$agent') order by call_start desc, id desc limit 51",
    ),
    (
        "idx_call_logs_agent_caller_page",
        "select * from public.call_logs where voice_agent_id = '$agent' and coalesce(caller_e164, caller_number) = '+15550000006' order by call_start desc, id desc limit 51",
    ),
    (
        "idx_call_logs_agent_gaps",
        "select * from public.call_logs where voice_agent_id = '$agent' and metadata -> 'gaps' -> 0 is not null and call_start > '2026-01-01' order by call_start desc, id desc limit 51",
    ),
    (
        "idx_call_words_agent_page",
        "select call_log_id from public.call_words where voice_agent_id = '$agent' and words @@ public.words_query('common') order by call_start desc, call_log_id desc limit 51",
    ),
    (
        "idx_call_words_words",
        "select call_log_id from public.call_words where voice_agent_id = '$agent' and words @@ public.words_query('rare7777') order by call_start desc, call_log_id desc limit 51",
    ),
    (
        "idx_call_logs_functions",
        "select * from public.call_logs where voice_agent_id = '$agent' and jsonb_path_query_array(metadata, '$.functions[*].name') @> '[\"rare\"]' order by call_start desc, id desc limit 51",
    ),
    (
        "idx_call_logs_agent_page",
        "select * from public.call_logs where voice_agent_id = '$agent' and jsonb_path_query_array(metadata, '$.functions[*].name') @> '[\"book_appointment\"]' order by call_start desc, id desc limit 51",
    ),
    (
        "usage_days_pkey",
        "select * from public.usage_days where voice_agent_id = '$agent' and day between '2026-01-01' and '2026-01-31'",
    ),
    (
        "idx_voice_agents_created_by",
        "select id from public.voice_agents where created_by = '$agent'",
    ),
    (
        "idx_call_tasks_open",
        "select c.id from public.call_logs c where c.voice_agent_id = '$agent' and c.id in (select t.call_log_id from public.call_tasks t where t.voice_agent_id = '$agent' and t.done_at is null) order by c.call_start desc, c.id desc limit 51",
    ),
    (
        "idx_webhook_deliveries_agent",
        "select * from public.webhook_deliveries d where d.voice_agent_id = '$agent' and d.id < 9223372036854775807 order by d.id desc limit 51",
    ),
    (
        "idx_call_words_agent_page",
        "select c.id from public.call_words w join public.call_logs c on c.id = w.call_log_id where w.voice_agent_id = '$agent' and w.words @@ public.words_query('common') and c.voice_agent_id = '$agent' and w.call_start >= '2026-01-01' and w.call_start < '2026-05-01' order by w.call_start desc, w.call_log_id desc limit 51",
    ),
    ("idx_sources_agent", "select id from public.sources where voice_agent_id = '$agent'"),
    (
        "idx_call_logs_agent_page",
        "select c.* from unnest(array['$agent', '$other']::uuid[]) a (id) cross join lateral (select * from public.call_logs c where c.voice_agent_id = a.id and (c.call_start, c.id) < ('2026-12-01', '$agent') order by call_start desc, id desc limit 51) c order by c.call_start desc, c.id desc limit 51",
    ),
];

async fn plan(pool: &PgPool, sql: &str) -> String {
    let sql = format!("explain {sql}");
    let lines: Vec<String> =
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(pool).await.expect("a plan");
    lines.join("\n")
}

#[tokio::test]
async fn each_list_reads_its_index_and_sorts_nothing() {
    let (_database, pool) = migrated().await;
    let (one, other) = (agent(&pool).await, agent(&pool).await);
    let rows = format!(
        "insert into public.call_logs (voice_agent_id, call_start, call_end, status, caller_number,
            transcript, metadata)
         select case when n % 2 = 0 then '{one}'::uuid else '{other}'::uuid end,
            timestamptz '2026-11-30' - n * interval '20 minutes', now(),
            case when n % 20 < 2 then 'failed' else 'completed' end, '+1555000' || lpad((n % 20)::text, 4, '0'),
            '[00:01] Caller: common ' || (select string_agg('w' || n * i % 3000, ' ') from generate_series(1, 40) i)
                || ' rare' || n / 2,
            jsonb_build_object('gaps', case when n % 40 < 2 then '[\"x\"]' else '[]' end::jsonb,
                'functions', case when n % 4000 < 2 then '[{{\"name\": \"rare\"}}]' else '[{{\"name\": \"book_appointment\"}}]' end::jsonb)
         from generate_series(0, 19999) n;
         insert into public.usage_days
            select id, date '2010-01-01' + n, 1, 1, 0, 0, 0, 0, 1, 1, null, 1, 1
            from public.voice_agents, generate_series(0, 6000) n on conflict do nothing;
         insert into public.webhook_deliveries (call_log_id, message_id, attempt, ms)
            select id, 'm', 1, 1 from public.call_logs
            where voice_agent_id = '{other}' or call_start > '2026-11-29';
         update public.webhook_deliveries set voice_agent_id = null;
         insert into public.call_tasks (voice_agent_id, call_log_id, kind, ordinal, urgency, at, done_at)
            select voice_agent_id, id, 'missed', 1, 1, call_end, case when n > 40 then now() end
            from (select *, row_number() over (order by call_start) as n from public.call_logs) c;
         insert into public.sources (voice_agent_id, name, size)
            select '{other}', 'x', 1 from generate_series(1, 3000);
         select 1"
    );
    run(&mut pool.acquire().await.expect("a connection"), &rows).await;
    finish(&pool).await.expect("it finishes");
    let nobodys = "select count(*) from public.webhook_deliveries d join public.call_logs c
        on c.id = d.call_log_id where d.voice_agent_id is distinct from c.voice_agent_id";
    let nobodys: i64 = sqlx::query_scalar(nobodys).fetch_one(&pool).await.expect("a count");
    assert_eq!(nobodys, 0, "those of before are their agents'");
    // Agents without what each brings with it, which takes its time.
    let many = "set session_replication_role = replica;
         insert into public.voice_agents (name, created_by)
            select 'x', gen_random_uuid() from generate_series(1, 3000);
         set session_replication_role = origin; analyze";
    run(&mut pool.acquire().await.expect("a connection"), many).await;
    for (index, sql) in QUERIES {
        let sql = sql.replace("$agent", &one.to_string()).replace("$other", &other.to_string());
        let plan = plan(&pool, &sql).await;
        assert!(plan.contains(index), "{index} is not used: {plan}");
        assert!(!plan.contains("Seq Scan"), "{plan}");
        // Two lists are merged, and the few calls of a rare word or of open tasks are put in order.
        if !["lateral", "rare", "call_tasks"].iter().any(|word| sql.contains(word)) {
            assert!(!plan.contains("Sort"), "{plan}");
        }
    }
}

fn words(words: &str) -> CallFilter {
    CallFilter { words: Some(Private::new(words.to_owned())), ..CallFilter::default() }
}

/// Walks through all pages, down and up again.
fn ends(digits: &str) -> CallFilter {
    CallFilter { number_end: Some(Private::new(digits.to_owned())), ..CallFilter::default() }
}

async fn walked(store: &Store, seen: &VisibleAgents, filter: &CallFilter, limit: i64) -> Vec<Uuid> {
    let page = async |toward| -> Vec<CallPlace> {
        let calls = store.calls(seen, filter, toward, limit).await.expect("a page");
        calls.iter().map(|call| call.place).collect()
    };
    let (mut down, mut toward) = (Vec::new(), Toward::Newest);
    loop {
        let places = page(toward).await;
        let Some(last) = places.last() else { break };
        toward = Toward::Older(*last);
        down.extend(places);
    }
    let Some(mut place) = down.last().copied() else { return Vec::new() };
    let mut up = vec![place.id];
    loop {
        let places = page(Toward::Newer(place)).await;
        let Some(last) = places.last() else { break };
        place = *last;
        up.extend(places.iter().map(|place| place.id));
    }
    let down: Vec<Uuid> = down.iter().map(|place| place.id).collect();
    up.reverse();
    assert_eq!(up, down, "up is not as down");
    down
}

#[tokio::test]
async fn pages_lose_and_repeat_no_call_wherever_its_words_are_found() {
    let (_database, pool) = migrated().await;
    let large = agent(&pool).await;
    let owner = owner_of(&pool, large).await;
    // One agent has most calls; a word of its last season is in none of its newest 2,000.
    let rows = format!(
        "create temp table them as select n, case when n = 0 then '{large}'::uuid
            else gen_random_uuid() end as id from generate_series(0, 19) n;
        set session_replication_role = replica;
        insert into public.voice_agents (id, name, created_by)
            select id, 'x', (select created_by from public.voice_agents where id = '{large}')
            from them where n > 0;
        insert into public.call_logs (voice_agent_id, call_start, call_end, status, transcript, metadata)
            select t.id, timestamptz '2026-11-30' - c / 2 * interval '1 minute', now(),
                case when c % 70 = 0 then 'failed' else 'completed' end,
                'tooth' || case when c % 3 = 0 then ' insurance' else '' end
                    || case when c > 2600 then ' season' else '' end
                    || case when c % 900 = 0 then ' rare' else '' end, '{{}}'
            from generate_series(1, 3000) c join them t on t.n = case when c % 10 = 1 then c / 10 % 20 else 0 end;
        insert into public.call_words (call_log_id, voice_agent_id, call_start, words)
            select id, voice_agent_id, call_start, strip(to_tsvector('simple', transcript))
            from public.call_logs;
        set session_replication_role = origin; drop table them; select 1"
    );
    run(&mut pool.acquire().await.expect("a connection"), &rows).await;
    finish(&pool).await.expect("it finishes");
    run(&mut pool.acquire().await.expect("a connection"), "analyze").await;
    let all = agents(&pool, &owner).await;
    assert_eq!(all.ids().len(), 20);
    let some_go = "set session_replication_role = replica;
        update public.voice_agents set created_by = gen_random_uuid() where id in
            (select id from public.voice_agents where name = 'x' order by id limit 8);
        set session_replication_role = origin";
    run(&mut pool.acquire().await.expect("a connection"), some_go).await;
    let few = agents(&pool, &owner).await;
    assert_eq!(few.ids().len(), 12);
    let store = Store::new(pool.clone());
    for seen in [&all, &few, &all.only(Some(large))] {
        for said in ["insurance", "season", "rare", "tooth season", "zebra"] {
            for outcome in [None, Some(CallOutcome::Failed)] {
                let expected: Vec<Uuid> = sqlx::query_scalar(
                    "select id from public.call_logs where voice_agent_id = any($1)
                        and to_tsvector('simple', transcript) @@ plainto_tsquery('simple', $2)
                        and ($3 is null or status = $3) order by call_start desc, id desc",
                )
                .bind(seen.ids())
                .bind(said)
                .bind(outcome.map(CallOutcome::word))
                .fetch_all(&pool)
                .await
                .expect("the calls");
                let filter = CallFilter { outcome, ..words(said) };
                let found = walked(&store, seen, &filter, 51).await;
                assert!(
                    found == expected,
                    "{said}, {outcome:?}: {} of {}",
                    found.len(),
                    expected.len()
                );
                if expected.len() < 60 {
                    assert_eq!(walked(&store, seen, &filter, 1).await, expected);
                }
            }
        }
    }
}

/// Rows of calls and of their words that this connection's server process has read until now.
async fn rows_read(pool: &PgPool) -> i64 {
    let mut connection = pool.acquire().await.expect("a connection");
    run(&mut connection, "select pg_stat_force_next_flush()").await;
    run(&mut connection, "select pg_stat_clear_snapshot()").await;
    sqlx::query_scalar(
        "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint from pg_stat_user_tables
        where relname in ('call_logs', 'call_words')",
    )
    .fetch_one(&mut *connection)
    .await
    .expect("a count")
}

#[tokio::test]
async fn a_page_of_a_business_with_a_third_of_all_calls_reads_hardly_more_than_it_shows() {
    let database = fresh_database().await;
    let pool = database.pool(1).await;
    frontdesk::store::migrate::migrate(&pool).await.expect("it migrates");
    let large = agent(&pool).await;
    let rows = format!(
        "set session_replication_role = replica;
        create temp table others as
            select other, gen_random_uuid() as id from generate_series(0, 199) other;
        insert into public.voice_agents (id, name, created_by)
            select id, 'x', gen_random_uuid() from others;
        insert into public.call_logs (voice_agent_id, call_start, call_end, status, transcript, metadata, caller_number)
            select case when n % 3 = 0 then '{large}'::uuid else o.id end,
                timestamptz '2026-11-30' - n * interval '1 minute', now(),
                case when n % 20 = 0 then 'failed' else 'completed' end,
                'tooth insurance rare' || n / 3, '{{}}', '+1555' || lpad(n::text, 7, '0')
            from generate_series(0, 59999) n join others o on o.other = n % 200;
        insert into public.call_words (call_log_id, voice_agent_id, call_start, words)
            select id, voice_agent_id, call_start, strip(to_tsvector('simple', transcript))
            from public.call_logs;
        set session_replication_role = origin; analyze; select 1"
    );
    run(&mut pool.acquire().await.expect("a connection"), &rows).await;
    finish(&pool).await.expect("it finishes");
    // What autovacuum does soon: an index of words that has still a list of new ones is a slow one.
    run(&mut pool.acquire().await.expect("a connection"), "vacuum analyze public.call_words").await;
    run(&mut pool.acquire().await.expect("a connection"), "vacuum analyze public.call_logs").await;
    let seen = agents(&pool, &owner_of(&pool, large).await).await;
    let came_out = |outcome, filter| CallFilter { outcome: Some(outcome), ..filter };
    for (shown, what, filter) in [
        (51, "all", CallFilter::default()),
        (51, "an outcome", came_out(CallOutcome::Failed, CallFilter::default())),
        (51, "a common word", words("insurance")),
        (51, "two common words", words("tooth insurance")),
        (1, "a rare word", words("rare19998")),
        (0, "a word of none", words("zebra")),
        (51, "a common word and an outcome", came_out(CallOutcome::Failed, words("insurance"))),
        (0, "a common word and no outcome", came_out(CallOutcome::Voicemail, words("insurance"))),
        (1, "a rare word and an outcome", came_out(CallOutcome::Completed, words("rare19998"))),
        (1, "the end of a number", ends("5997")),
        (0, "the end of an older number", ends("59997")),
        (0, "the end of no number", ends("999999")),
    ] {
        let before = rows_read(&pool).await;
        let store = Store::new(pool.clone());
        let calls = store.calls(&seen, &filter, Toward::Newest, 51).await.expect("a page");
        let read = rows_read(&pool).await - before;
        assert_eq!(calls.len(), shown, "{what}");
        assert!(read < 6_000, "{read} rows are read for {what}");
    }
}

#[tokio::test]
async fn an_index_that_was_left_unfinished_is_built_again_and_nobody_waits_for_it() {
    let (database, pool) = migrated().await;
    agent(&pool).await;
    assert_eq!(
        is_current(&pool).await.expect("a state"),
        SchemaState::Current,
        "it serves without"
    );
    assert_eq!(finish(&pool).await.expect("it finishes"), Finished { indexes: 10, calls: 0 });
    let old = "select count(*) from pg_class where relname in \
               ('idx_call_logs_agent_start', 'idx_call_logs_agent_caller_read', 'idx_call_logs_gaps')";
    let old: i64 = sqlx::query_scalar(old).fetch_one(&pool).await.expect("a count");
    assert_eq!(old, 0, "others take their place");
    let breaks = "update pg_index set indisvalid = false \
                  where indexrelid = 'public.idx_call_logs_agent_gaps'::regclass; \
                  drop index public.idx_call_logs_agent_status";
    execute(&database, "public", breaks).await;
    let left = unfinished(&pool).await.expect("it says");
    assert_eq!(left.indexes, ["idx_call_logs_agent_status", "idx_call_logs_agent_gaps"]);
    assert_eq!(is_current(&pool).await.expect("a state"), SchemaState::Current);
    assert_eq!(finish(&pool).await.expect("it goes on").indexes, 2);
    assert_eq!(finish(&pool).await.expect("nothing is left"), Finished::default());
}

#[tokio::test]
async fn several_processes_may_finish_at_once() {
    let database = fresh_database().await;
    let pools = [database.pool(1).await, database.pool(1).await, database.pool(1).await];
    frontdesk::store::migrate::migrate(&pools[0]).await.expect("it migrates");
    let (a, b, c) = tokio::join!(finish(&pools[0]), finish(&pools[1]), finish(&pools[2]));
    let built: usize = [a, b, c].into_iter().map(|done| done.expect("each succeeds").indexes).sum();
    assert_eq!(built, 10);
    // And leave no lock behind.
    let locks: i64 = sqlx::query_scalar(
        "select count(*) from pg_locks where locktype = 'advisory' and database = \
         (select oid from pg_database where datname = current_database())",
    )
    .fetch_one(&pools[0])
    .await
    .expect("a count");
    assert_eq!(locks, 0);
}
