//! The events' key is changed on a database that calls are written to.

use std::time::Duration;

use frontdesk::clock;
use frontdesk::store::migrate::migrate;
use sqlx::Connection;
use sqlx::postgres::{PgConnection, PgPool};

use super::common::{FreshDatabase, run};
use super::{agent, migrated};

/// As before migration 0025, with a call and its events.
const BEFORE: &str = "
alter table call_events drop constraint call_events_pkey;
alter table call_events drop column epoch;
alter table call_events add primary key (call_log_id, seq);
alter table call_logs drop column epoch;
delete from _sqlx_migrations where version = 25;
insert into call_events (call_log_id, seq, at_ms, kind)
    select id, n, n, 'line_lost' from call_logs, generate_series(1, 2000) n;";

/// What a process of the version before writes.
const OLD_WRITE: &str = "insert into call_events (call_log_id, seq, at_ms, kind, data)
    select e.call_log_id, e.seq, e.at_ms, e.kind, e.data
    from unnest(array(select id from call_logs), array[$1::bigint], array[1::bigint],
        array['line_lost'], array['{}'::jsonb]) as e (call_log_id, seq, at_ms, kind, data)
    join call_logs l on l.id = e.call_log_id
    on conflict do nothing";

async fn before() -> (FreshDatabase, PgPool) {
    let (database, pool) = migrated().await;
    let agent = agent(&pool).await;
    sqlx::query(
        "insert into call_logs (voice_agent_id, call_start, call_sid) values ($1, now(), 'CA1')",
    )
    .bind(agent)
    .execute(&pool)
    .await
    .expect("a call");
    run(&mut pool.acquire().await.expect("a connection"), BEFORE).await;
    (database, pool)
}

async fn key(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "select a.attname::text from pg_constraint c
        join pg_index i on i.indexrelid = c.conindid and i.indisvalid
        cross join unnest(c.conkey) with ordinality as k (attnum, place)
        join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.attnum
        where c.conrelid = 'call_events'::regclass and c.contype = 'p' order by k.place",
    )
    .fetch_all(pool)
    .await
    .expect("the key")
}

/// Whether somebody waits in this database for the end of another's transaction.
const WAITS: &str = "select exists (select from pg_locks l join pg_stat_activity a using (pid)
    where l.locktype = 'virtualxid' and not l.granted and a.datname = current_database())";

#[tokio::test]
async fn the_key_of_events_is_changed_while_they_are_written() {
    let (database, pool) = before().await;
    run(
        &mut pool.acquire().await.expect("a connection"),
        "alter table call_events add column epoch int not null default 1",
    )
    .await;
    // Somebody's transaction that has written events, and does not end, keeps the building waiting.
    let mut slow = PgConnection::connect_with(&database.options()).await.expect("a connection");
    run(&mut slow, "begin; update call_events set at_ms = 0 where seq = 1").await;
    let writing = async {
        let waits = async {
            while !sqlx::query_scalar::<_, bool>(WAITS).fetch_one(&pool).await.expect("an answer") {
                clock::pause(Duration::from_millis(5)).await;
            }
            // Nobody else waits for it.
            sqlx::query(OLD_WRITE).bind(50_000_i64).execute(&pool).await.expect("it is written");
        };
        clock::within(Duration::from_secs(30), waits).await.expect("writing goes on");
        run(&mut slow, "commit").await;
    };
    let (report, ()) = tokio::join!(migrate(&pool), writing);
    assert_eq!(report.expect("it migrates").migrations, 1);
    assert_eq!(key(&pool).await, ["call_log_id", "epoch", "seq"]);

    // The version before goes on beside the new one, and again changes nothing.
    for expected in [1, 0] {
        let written = sqlx::query(OLD_WRITE).bind(100_000_i64).execute(&pool).await;
        assert_eq!(written.expect("it is written").rows_affected(), expected);
    }
    let epochs: Vec<i32> = sqlx::query_scalar("select distinct epoch from call_events")
        .fetch_all(&pool)
        .await
        .expect("the epochs");
    assert_eq!(epochs, [1]);
    assert_eq!(migrate(&pool).await.expect("again").migrations, 0);
}

#[tokio::test]
async fn an_index_that_was_not_finished_is_built_anew() {
    let (_database, pool) = before().await;
    // As a building that was interrupted leaves it.
    let mut connection = pool.acquire().await.expect("a connection");
    let broken = "alter table call_events add column epoch int not null default 1;
        create unique index call_events_place on call_events (call_log_id, epoch, seq);
        update pg_index set indisvalid = false
            where indexrelid = 'call_events_place'::regclass;";
    run(&mut connection, broken).await;
    drop(connection);
    let (one, other) = tokio::join!(migrate(&pool), migrate(&pool));
    let applied =
        one.expect("it migrates").migrations + other.expect("so does the other").migrations;
    assert_eq!(applied, 1);
    assert_eq!(key(&pool).await, ["call_log_id", "epoch", "seq"]);
}
