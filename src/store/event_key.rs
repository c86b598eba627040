//! The index of the events' key, built while calls are written.
//!
//! `call_events` may have millions of rows. Migration 0025 gives it another key, for which it needs an
//! index: built in a transaction, that would keep every call's events waiting in the spool until it is
//! there. So it is built first, without a transaction, and the migration has only to put it in place.

use std::time::Duration;

use sqlx::postgres::PgConnection;

use crate::clock;

/// Whoever has it builds: the migrator's own lock is not taken yet.
const LOCK: i64 = 0x6576_656e_7473_6b65;
/// How long between looks whether it is free. Waiting for it in one statement would keep the building
/// waiting, which waits for all statements that are older.
const LOCK_PAUSE: Duration = Duration::from_millis(200);

/// Whether events have the key of before.
const HAS_OLD_KEY: &str = "select exists (select from pg_constraint
    where conrelid = to_regclass('public.call_events') and contype = 'p' and cardinality(conkey) = 2)";
/// Whether an earlier run was interrupted while it built.
const IS_BROKEN: &str = "select exists (select from pg_index
    where indexrelid = to_regclass('public.call_events_place') and not indisvalid)";

/// Whether they have an epoch already.
const HAS_COLUMN: &str = "select exists (select from pg_attribute
    where attrelid = to_regclass('public.call_events') and attname = 'epoch' and not attisdropped)";
const ADD_COLUMN: &str =
    "alter table public.call_events add column if not exists epoch int not null default 1";
const BUILD: &str = "create unique index concurrently if not exists call_events_place
    on public.call_events (call_log_id, epoch, seq)";

/// Builds the index where the table is there with its old key.
///
/// # Errors
/// The database failed, or the table was locked for long. The next run goes on from there.
pub(super) async fn prepare(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    if !is(connection, HAS_OLD_KEY).await? {
        return Ok(());
    }
    let try_lock = async |connection: &mut PgConnection| -> Result<bool, sqlx::Error> {
        sqlx::query_scalar("select pg_try_advisory_lock($1)").bind(LOCK).fetch_one(connection).await
    };
    while !try_lock(connection).await? {
        clock::pause(LOCK_PAUSE).await;
    }
    if is(connection, HAS_OLD_KEY).await? {
        build(connection).await?;
    }
    sqlx::query("select pg_advisory_unlock($1)").bind(LOCK).execute(connection).await?;
    Ok(())
}

async fn build(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut statements = vec!["set statement_timeout = 0"];
    if !is(connection, HAS_COLUMN).await? {
        // A constant default is no rewrite, but needs the table to itself for a moment; and whoever
        // writes waits behind this, which waits behind whoever reads.
        statements.extend(["set lock_timeout = '5s'", ADD_COLUMN, "reset lock_timeout"]);
    }
    if is(connection, IS_BROKEN).await? {
        statements.push("drop index concurrently public.call_events_place");
    }
    statements.extend([BUILD, "reset statement_timeout"]);
    for statement in statements {
        sqlx::query(statement).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn is(connection: &mut PgConnection, question: &'static str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(question).fetch_one(connection).await
}
