//! What each day had: every call once, however often it is completed, and nobody waits for it.

use std::time::Duration;

use frontdesk::clock;
use frontdesk::store::finish::{Finished, Unfinished, finish, unfinished};
use frontdesk::store::migrate::migrate;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Connection};
use uuid::Uuid;

use super::common::run;
use super::words::call;
use super::{agent, execute, migrated, seeded};

/// day, calls, answered, failed, seconds, turns, middle of the first audio
type Day = (String, i64, i64, i64, i64, i64, Option<i32>);

async fn days(pool: &PgPool, agent: Uuid) -> Vec<Day> {
    sqlx::query_as(
        "select day::text, calls, answered, failed, seconds, turns, public.usage_median(first_audio) \
         from public.usage_by_day(array[$1], '2020-01-01', '2030-01-01')",
    )
    .bind(agent)
    .fetch_all(pool)
    .await
    .expect("the days")
}

fn completes(call: Uuid, status: &str, seconds: u32, turns: usize) -> String {
    let turns = vec![r#"{"latency_ms": {"first_audio": 430}}"#; turns].join(", ");
    format!(
        "update public.call_logs set call_end = call_start + interval '{seconds} seconds', \
         duration = interval '{seconds} seconds', status = '{status}', \
         metadata = '{{\"turns\": [{turns}], \"usage\": {{\"input_tokens\": 5}}}}' where id = '{call}'"
    )
}

async fn does(pool: &PgPool, sql: &str) {
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(pool).await.expect("a statement");
}

async fn folds(pool: &PgPool) -> i64 {
    sqlx::query_scalar("select public.usage_fold(1000)").fetch_one(pool).await.expect("a sum")
}

async fn in_zone(pool: &PgPool, agent: Uuid, zone: &str) {
    let sql = format!(
        "insert into public.business_details (voice_agent_id, business_timezone) \
         values ('{agent}', '{zone}') on conflict (voice_agent_id) do update \
         set business_timezone = excluded.business_timezone"
    );
    does(pool, &sql).await;
}

fn day(day: &str, numbers: (i64, i64, i64, i64, i64)) -> Vec<Day> {
    let (calls, answered, failed, seconds, turns) = numbers;
    vec![(day.to_owned(), calls, answered, failed, seconds, turns, (turns > 0).then_some(450))]
}

#[tokio::test]
async fn a_call_counts_once_however_often_it_is_completed() {
    let (_database, pool) = migrated().await;
    let agent = agent(&pool).await;
    in_zone(&pool, agent, "America/New_York").await;
    let (one, test) = (call(&pool, agent, "CA1").await, call(&pool, agent, "FT1").await);
    does(&pool, &completes(test, "completed", 60, 1)).await;
    assert_eq!(days(&pool, agent).await, vec![], "a test counts nowhere");
    // 02:00 UTC is the evening before in New York. Summed up between two completions or not.
    for fold_between in [false, true] {
        for (status, seconds, turns, expected) in [
            ("failed", 60, 0, (1, 0, 1, 60, 0)),
            ("failed", 60, 0, (1, 0, 1, 60, 0)),
            ("completed", 90, 3, (1, 1, 0, 90, 3)),
            ("completed", 90, 2, (1, 1, 0, 90, 2)),
        ] {
            does(&pool, &completes(one, status, seconds, turns)).await;
            assert_eq!(days(&pool, agent).await, day("2026-11-28", expected), "{status}");
            if fold_between {
                folds(&pool).await;
                assert_eq!(days(&pool, agent).await, day("2026-11-28", expected), "{status}");
            }
        }
    }
    // Moved elsewhere, a business keeps the days that it had until they are counted anew.
    let counted = (1, 1, 0, 90, 2);
    in_zone(&pool, agent, "Asia/Tokyo").await;
    assert_eq!(days(&pool, agent).await, day("2026-11-28", counted));
    let rebuild = format!("select public.usage_rebuild('{agent}')");
    does(&pool, &rebuild).await;
    assert_eq!(days(&pool, agent).await, day("2026-11-29", counted));
    // A day had its calls, deleted or not; with the agent all goes.
    does(&pool, &format!("delete from public.call_logs where id = '{one}'")).await;
    does(&pool, &rebuild).await;
    assert_eq!(days(&pool, agent).await, day("2026-11-29", counted));
    does(&pool, &format!("delete from public.voice_agents where id = '{agent}'")).await;
    let left: i64 = sqlx::query_scalar(
        "select (select count(*) from public.usage_calls) + (select count(*) from public.usage_days) \
         + (select count(*) from public.usage_deltas)",
    )
    .fetch_one(&pool)
    .await
    .expect("a count");
    assert_eq!(left, 0);
}

/// Each in a transaction that stays open until all have ended: nobody waits for a row of others.
#[tokio::test]
async fn calls_of_one_agent_end_at_once_and_wait_for_nobody() {
    const CALLS: u32 = 8;
    let (database, pool) = migrated().await;
    let agent = agent(&pool).await;
    let mut open = Vec::new();
    for n in 0..CALLS {
        let id = call(&pool, agent, &format!("CA{n}")).await;
        let mut connection =
            PgConnection::connect_with(&database.options()).await.expect("a connection");
        run(&mut connection, "set lock_timeout = '5s'; begin").await;
        run(&mut connection, &completes(id, "completed", 10, 1)).await;
        open.push(connection);
        // Whoever sums up meanwhile waits for none of them either.
        folds(&pool).await;
    }
    assert_eq!(days(&pool, agent).await, vec![]);
    for connection in &mut open {
        run(connection, "commit").await;
    }
    let sums = async { tokio::join!(folds(&pool), folds(&pool), folds(&pool)) };
    let (a, b, c) = sums.await;
    folds(&pool).await;
    assert!(a + b + c <= i64::from(CALLS), "{a} {b} {c}");
    let all = i64::from(CALLS);
    assert_eq!(days(&pool, agent).await, day("2026-11-29", (all, all, 0, 10 * all, all)));
}

/// A call ends while all of its agent's are counted anew.
#[tokio::test]
async fn counting_anew_misses_no_call_that_ends_meanwhile() {
    let (database, pool) = migrated().await;
    let agent = agent(&pool).await;
    let (old, new) = (call(&pool, agent, "CA1").await, call(&pool, agent, "CA2").await);
    does(&pool, &completes(old, "failed", 10, 0)).await;
    folds(&pool).await;
    let mut other = PgConnection::connect_with(&database.options()).await.expect("a connection");
    run(&mut other, "begin").await;
    for id in [old, new] {
        run(&mut other, &completes(id, "completed", 20, 1)).await;
    }
    let rebuild = async { does(&pool, &format!("select public.usage_rebuild('{agent}')")).await };
    let commit = async {
        let waits = "select exists (select from pg_locks where not granted)";
        let waiting = async {
            while !sqlx::query_scalar::<_, bool>(waits)
                .fetch_one(&mut other)
                .await
                .expect("the locks")
            {
                clock::pause(Duration::from_millis(5)).await;
            }
        };
        clock::within(Duration::from_secs(30), waiting).await.expect("it waits for the old call");
        run(&mut other, "commit").await;
    };
    tokio::join!(rebuild, commit);
    let expected = day("2026-11-29", (2, 2, 0, 40, 2));
    assert_eq!(days(&pool, agent).await, expected);
    folds(&pool).await;
    assert_eq!(days(&pool, agent).await, expected);
    does(&pool, &format!("select public.usage_rebuild('{agent}')")).await;
    assert_eq!(days(&pool, agent).await, expected);
}

/// Calls of before, with words and without, in more than one batch, of two agents.
#[tokio::test]
async fn calls_of_before_are_caught_up_with_and_an_interrupted_run_goes_on() {
    let (database, pool) = seeded().await;
    let agents = [agent(&pool).await, agent(&pool).await];
    for agent in agents {
        let calls = format!(
            "insert into call_logs (voice_agent_id, call_start, call_end, status, transcript)
             select '{agent}', timestamptz '2026-01-01' + n * interval '1 minute',
                timestamptz '2026-01-01' + n * interval '1 minute' + interval '10 seconds',
                'completed', case when n % 2 = 0 then '[00:01] Caller: word' || n end
             from generate_series(0, 449) n;
             insert into call_logs (voice_agent_id, call_start, status)
                values ('{agent}', '2026-01-01', null)"
        );
        execute(&database, "public", &calls).await;
    }
    migrate(&pool).await.expect("it migrates");
    let left = unfinished(&pool).await.expect("it says");
    assert_eq!((left.indexes.len(), left.agents), (10, 2));
    assert_eq!(days(&pool, agents[0]).await, vec![]);
    // The newest first, and all agents in turn. Then the run is interrupted.
    for _ in 0..2 {
        let done: i64 = sqlx::query_scalar("select public.call_backfill(100)")
            .fetch_one(&pool)
            .await
            .expect("a batch");
        assert_eq!(done, 100);
    }
    for agent in agents {
        let (words, oldest): (i64, String) = sqlx::query_as(
            "select count(*), min(call_start at time zone 'UTC')::text from public.call_words \
             where voice_agent_id = $1",
        )
        .bind(agent)
        .fetch_one(&pool)
        .await
        .expect("the words");
        assert_eq!((words, oldest.as_str()), (50, "2026-01-01 05:50:00"));
    }
    // A call that was counted already is completed otherwise, and one that was not yet.
    for order in ["call_start desc", "call_start"] {
        let again = format!(
            "update call_logs set status = 'failed', transcript = 'changed', call_sid = 'CA{}'
             where id = (select id from call_logs where voice_agent_id = '{}'
                and call_end is not null order by {order} limit 1)",
            order.len(),
            agents[0]
        );
        execute(&database, "public", &again).await;
    }
    let finished = finish(&pool).await.expect("it goes on");
    assert_eq!(finished, Finished { indexes: 10, calls: 2 * 351 });
    assert_eq!(unfinished(&pool).await.expect("it says"), Unfinished::default());
    assert_eq!(finish(&pool).await.expect("nothing is left"), Finished::default());
    for (agent, numbers) in
        [(agents[0], (450, 448, 2, 4_500, 0)), (agents[1], (450, 450, 0, 4_500, 0))]
    {
        assert_eq!(days(&pool, agent).await, day("2026-01-01", numbers));
    }
    let words: Vec<(String, i64)> = sqlx::query_as(
        "select case when words @@ 'changed'::tsquery then 'changed' else 'as it was' end, count(*) \
         from public.call_words group by 1 order by 1",
    )
    .fetch_all(&pool)
    .await
    .expect("the words");
    assert_eq!(words, [("as it was".to_owned(), 449), ("changed".to_owned(), 2)]);
}
