//! What a migration leaves to be done while calls go on: indexes of lists, whose the deliveries of
//! before are, and the words and the usage of calls from before.
//!
//! None of it is needed to serve: without an index a list is slow, and without its words a call is not
//! found by them. So it is no part of [`migrate`](super::migrate::migrate), which a server of its own
//! database waits for. An index is built `concurrently`, which no transaction may do; one that was
//! left unfinished is dropped and built again. Calls are caught up with in batches, each kept.

use std::time::Duration;

use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnection, PgPool};

use super::migrate::MigrateError;
use crate::clock;

/// An index that is built while others read and write.
struct Index {
    name: &'static str,
    /// The table in `public`, and what is indexed.
    table: &'static str,
    columns: &'static str,
    /// The index whose place it takes.
    replaces: Option<&'static str>,
}

const fn index(name: &'static str, table: &'static str, columns: &'static str) -> Index {
    Index { name, table, columns, replaces: None }
}

/// Which index serves which list is in docs/rows.md. A changed definition gets another name.
static INDEXES: [Index; 9] = [
    Index {
        replaces: Some("idx_call_logs_agent_start"),
        ..index(
            "idx_call_logs_agent_page",
            "call_logs",
            "(voice_agent_id, call_start desc, id desc)",
        )
    },
    index(
        "idx_call_logs_agent_status",
        "call_logs",
        "(voice_agent_id, status, call_start desc, id desc)",
    ),
    Index {
        replaces: Some("idx_call_logs_agent_caller_read"),
        ..index(
            "idx_call_logs_agent_caller_page",
            "call_logs",
            "(voice_agent_id, (coalesce(caller_e164, caller_number)), call_start desc, id desc)",
        )
    },
    Index {
        // Built with calls waiting for it, and never looked at.
        replaces: Some("idx_call_logs_gaps"),
        ..index(
            "idx_call_logs_agent_gaps",
            "call_logs",
            // Never an error, whatever is in `metadata`: that would be one of who completes a call.
            "(voice_agent_id, call_start desc, id desc) where metadata -> 'gaps' -> 0 is not null",
        )
    },
    index(
        "idx_call_logs_functions",
        "call_logs",
        // Hashes: a name may be as long as it likes.
        "using gin (jsonb_path_query_array(metadata, '$.functions[*].name') jsonb_path_ops)
            with (fastupdate = off)",
    ),
    index("idx_voice_agents_created_by", "voice_agents", "(created_by)"),
    index("idx_sources_agent", "sources", "(voice_agent_id)"),
    index(
        "idx_scrapping_data_source",
        "scrapping_data",
        "((data ->> 'source_id')) where data ->> 'kind' = 'page'",
    ),
    index("idx_webhook_deliveries_agent", "webhook_deliveries", "(voice_agent_id, id desc)"),
];

/// Built when the calls of before are in, which with it take three times as long. Without a list of what
/// is still to be put in: whoever fills that list up empties it, and that would be a call that ends.
static WORDS: [Index; 1] =
    [index("idx_call_words_words", "call_words", "using gin (words) with (fastupdate = off)")];

/// One process at a time builds: another one's unfinished index looks like one that was left. It is
/// held by the session, since building is no transaction: "frontidx".
const BUILD_LOCK: i64 = 0x6672_6f6e_7469_6478;
/// How often it is asked for. Who waits for it inside of PostgreSQL would be waited for by the
/// building.
const LOCK_PAUSE: Duration = Duration::from_millis(250);
/// How many calls are caught up with in one transaction: some tenths of a second.
const BATCH: i32 = 200;

/// How many deliveries are written whose they are in one transaction.
const DELIVERIES: i64 = 2_000;

/// What a run of [`finish`] did. All zero: nothing was left to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Finished {
    /// Indexes built now.
    pub indexes: usize,
    /// Calls of before that were looked at for words and usage now.
    pub calls: u64,
}

/// What is left to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// Indexes that are not there.
    pub indexes: Vec<String>,
    /// Agents of which calls are not caught up with.
    pub agents: u64,
}

/// Does what [`migrate`](super::migrate::migrate) has left to be done. Safe to run again, after an
/// interruption, by several processes at once, and while a server works.
///
/// # Errors
///
/// [`MigrateError`]; what was done up to then is kept, and the next run goes on from there.
pub async fn finish(pool: &PgPool) -> Result<Finished, MigrateError> {
    let mut connection = pool.acquire().await?;
    let mut finished = Finished::default();
    let done = async {
        sqlx::query("set search_path = pg_catalog").execute(&mut *connection).await?;
        build(&INDEXES, &mut connection, &mut finished.indexes).await?;
        name_deliveries(&mut connection).await?;
        catch_up(&mut connection, &mut finished.calls).await?;
        if agents_left(&mut connection).await? == 0 {
            build(&WORDS, &mut connection, &mut finished.indexes).await?;
        }
        sqlx::query("reset search_path").execute(&mut *connection).await?;
        Ok(())
    };
    let done = done.await;
    if done.is_err() {
        // The lock and the settings are the session's and would go back into the pool with it.
        connection.close_on_drop();
    }
    done.map(|()| finished)
}

/// What [`finish`] would do, without doing it.
///
/// # Errors
///
/// The database failed or cannot be reached.
pub async fn unfinished(pool: &PgPool) -> Result<Unfinished, sqlx::Error> {
    let mut connection = pool.begin().await?;
    let mut without = missing(&INDEXES, &mut connection).await?;
    without.extend(missing(&WORDS, &mut connection).await?);
    Ok(Unfinished {
        indexes: without.iter().map(|index| index.name.to_owned()).collect(),
        agents: agents_left(&mut connection).await?,
    })
}

/// How many agents have calls that are not caught up with.
async fn agents_left(connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let agents: i64 = sqlx::query_scalar("select count(*) from public.call_backfills")
        .fetch_one(connection)
        .await?;
    Ok(agents.unsigned_abs())
}

/// The indexes that are not there, or not whole.
async fn missing(
    wanted: &'static [Index],
    connection: &mut PgConnection,
) -> Result<Vec<&'static Index>, sqlx::Error> {
    let whole: Vec<String> = sqlx::query_scalar(
        "select x.relname::text from pg_catalog.pg_index i
        join pg_catalog.pg_class x on x.oid = i.indexrelid
        where x.relnamespace = 'public'::regnamespace and i.indisvalid and i.indisready",
    )
    .fetch_all(connection)
    .await?;
    Ok(wanted.iter().filter(|index| !whole.iter().any(|name| name == index.name)).collect())
}

async fn build(
    wanted: &'static [Index],
    connection: &mut PgConnection,
    built: &mut usize,
) -> Result<(), sqlx::Error> {
    while !sqlx::query_scalar::<_, bool>("select pg_try_advisory_lock($1)")
        .bind(BUILD_LOCK)
        .fetch_one(&mut *connection)
        .await?
    {
        clock::pause(LOCK_PAUSE).await;
    }
    // As for the embeddings tables. A managed server's limits are for queries, and building waits for
    // every transaction that is older than itself, while nobody waits for it.
    const SETTINGS: [(&str, &str); 4] = [
        ("maintenance_work_mem", "'256MB'"),
        ("max_parallel_maintenance_workers", "0"),
        ("statement_timeout", "0"),
        ("lock_timeout", "0"),
    ];
    for (name, value) in SETTINGS {
        execute(connection, format!("set {name} = {value}")).await?;
    }
    for index in missing(wanted, connection).await? {
        let Index { name, table, columns, .. } = index;
        execute(connection, format!("drop index concurrently if exists public.{name}")).await?;
        let create = format!("create index concurrently {name} on public.{table} {columns}");
        execute(connection, create).await?;
        *built += 1;
    }
    for old in wanted.iter().filter_map(|index| index.replaces) {
        execute(connection, format!("drop index concurrently if exists public.{old}")).await?;
    }
    for (name, _) in SETTINGS {
        execute(connection, format!("reset {name}")).await?;
    }
    let unlock = sqlx::query("select pg_advisory_unlock($1)").bind(BUILD_LOCK);
    unlock.execute(connection).await?;
    Ok(())
}

/// Of names and columns that stand above.
async fn execute(connection: &mut PgConnection, statement: String) -> Result<(), sqlx::Error> {
    sqlx::query(AssertSqlSafe(statement)).persistent(false).execute(connection).await?;
    Ok(())
}

/// Writes whose the deliveries of before are, the newest first. Ends also where others are at what is
/// left.
async fn name_deliveries(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    const NAME: &str = "update public.webhook_deliveries d set voice_agent_id = c.voice_agent_id
        from public.call_logs c
        where c.id = d.call_log_id and d.id = any (array(
            select n.id from public.webhook_deliveries n where n.voice_agent_id is null
            order by n.id desc limit $1 for update skip locked))";
    while sqlx::query(NAME).bind(DELIVERIES).execute(&mut *connection).await?.rows_affected() > 0 {}
    Ok(())
}

/// Newest first, and all agents in turn. Ends also where others are at what is left.
async fn catch_up(connection: &mut PgConnection, calls: &mut u64) -> Result<(), sqlx::Error> {
    while let Some(batch) = sqlx::query_scalar::<_, Option<i64>>("select public.call_backfill($1)")
        .bind(BATCH)
        .fetch_one(&mut *connection)
        .await?
    {
        *calls += batch.unsigned_abs();
    }
    Ok(())
}
