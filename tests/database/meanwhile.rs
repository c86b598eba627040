//! What others do with a database while it is migrated.

use std::time::Duration;

use frontdesk::clock;
use frontdesk::store::migrate::migrate;
use sqlx::Connection;
use sqlx::postgres::{PgConnection, PgPool};

use super::common::run;
use super::{agent, migrated};

/// Whether somebody waits for a lock on the table.
const WAITED_FOR: &str =
    "select exists (select from pg_locks where relation = $1::text::regclass and not granted)";

/// Ends when the migration waits for the table, or fails.
async fn waited_for(connection: &mut PgConnection, table: &str) {
    let waited = async {
        while !sqlx::query_scalar::<_, bool>(WAITED_FOR)
            .bind(table)
            .fetch_one(&mut *connection)
            .await
            .expect("the locks")
        {
            clock::pause(Duration::from_millis(5)).await;
        }
    };
    let waited = clock::within(Duration::from_secs(30), waited).await;
    waited.expect("the migration waits for the table");
}

async fn with_the_seed_s_index(pool: &PgPool) -> String {
    let agent = agent(pool).await;
    let table = format!("public.\"zz_{agent}\"");
    let old = format!(
        "drop index public.\"zz_{agent}_embedding_idx\";
         create index \"zz_{agent}_embedding_idx\" on {table}
             using ivfflat (embedding public.vector_cosine_ops);
         insert into {table} (content, embedding)
             select 'passage ' || n, array_fill(n::real, array[1536])::public.vector
             from generate_series(1, 50) n;"
    );
    run(&mut pool.acquire().await.expect("a connection"), &old).await;
    table
}

#[tokio::test]
async fn a_table_is_brought_up_to_date_while_an_autovacuum_gathers_its_statistics() {
    let (database, pool) = migrated().await;
    let table = with_the_seed_s_index(&pool).await;
    // As an autovacuum has it, which then writes to the catalog how many rows each index has.
    let mut other = PgConnection::connect_with(&database.options()).await.expect("a connection");
    let lock = format!("begin; lock table {table} in share update exclusive mode");
    run(&mut other, &lock).await;
    let analysis = async {
        waited_for(&mut other, &table).await;
        run(&mut other, &format!("analyze {table}; commit")).await;
    };
    let (report, ()) = tokio::join!(migrate(&pool), analysis);
    assert_eq!(report.expect("it migrates").embeddings_tables, 1);
}

#[tokio::test]
async fn a_migration_that_meets_a_deadlock_goes_on() {
    let (database, pool) = migrated().await;
    let table = with_the_seed_s_index(&pool).await;
    // Reads the table, and then waits for what the migration holds. It holds out the longer.
    let mut other = PgConnection::connect_with(&database.options()).await.expect("a connection");
    let read = format!("set deadlock_timeout = '30s'; begin; select count(*) from {table}");
    run(&mut other, &read).await;
    // Time enough for the other to wait too before PostgreSQL looks for a circle, which it does once.
    let patient = database.options().options([("deadlock_timeout", "3s")]);
    let patient = super::common::pool(patient, 1).await;
    let waiting = async {
        waited_for(&mut other, &table).await;
        // The lock of those who mend tables.
        let lock = "select pg_advisory_xact_lock(x'66726f6e74646573'::bigint); commit";
        run(&mut other, lock).await;
    };
    let (report, ()) = tokio::join!(migrate(&patient), waiting);
    assert_eq!(report.expect("it migrates").embeddings_tables, 1);
}
