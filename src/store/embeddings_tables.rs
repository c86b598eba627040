//! The agents' embeddings tables, `zz_<agent id>`, brought up to date one by one.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};

/// Serialises between processes what the migrator's own lock does not: the first bytes of "frontdesk".
const TABLES_LOCK: i64 = 0x6672_6f6e_7464_6573;

/// The embeddings tables that are missing or not what `create_embeddings_table` makes: those of
/// agents, and those that deleted agents left behind, whose passages nobody may lose by migrating.
/// A table that is named otherwise, or that another role owns, is not ours.
const OLD_TABLES: &str = r"
with tables as (
    select 'zz_' || id::text as name from public.voice_agents
    union
    select c.relname from pg_class c
    join pg_roles r on r.oid = c.relowner and (r.rolsuper or r.rolname = current_user)
    join pg_attribute a on a.attrelid = c.oid and a.attname = 'embedding'
    join pg_type t on t.oid = a.atttypid and t.typname = 'vector'
    join pg_extension e on e.extnamespace = t.typnamespace and e.extname = 'vector'
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
        and c.relname ~ '^zz_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
), indexes as (
    select i.indrelid, x.relname, m.amname
    from pg_index i
    join pg_class x on x.oid = i.indexrelid
    join pg_am m on m.oid = x.relam
    where i.indisvalid and m.amname in ('hnsw', 'ivfflat')
)
select t.name from tables t
where not exists (
        select from indexes i where i.indrelid = to_regclass(format('public.%I', t.name))
            and i.amname = 'hnsw' and i.relname = t.name || '_embedding_idx')
    or exists (
        select from indexes i where i.indrelid = to_regclass(format('public.%I', t.name))
            and i.amname = 'ivfflat')
    or not coalesce((select c.relrowsecurity from pg_class c
        where c.oid = to_regclass(format('public.%I', t.name))), false)
    or not exists (
        select from pg_proc p where p.pronamespace = 'public'::regnamespace
            and p.proname = t.name || '_search'
            and p.proconfig @> array['hnsw.ef_search=200', 'search_path=pg_catalog, pg_temp'])
order by t.name";

/// Until the transaction ends.
pub(super) async fn lock(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let lock = sqlx::query("select pg_advisory_xact_lock($1)").bind(TABLES_LOCK);
    lock.execute(connection).await?;
    Ok(())
}

/// The names of the tables that [`update`] would make or mend.
pub(super) async fn old(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(OLD_TABLES).fetch_all(connection).await
}

/// Makes or mends them, with `create_embeddings_table`. Each table is a transaction, so an
/// interrupted run has finished the tables that it finished; they are counted in `updated`.
pub(super) async fn update(
    connection: &mut PgConnection,
    updated: &mut usize,
) -> Result<(), sqlx::Error> {
    let tables = old(connection).await?;
    for table in &tables {
        let mut transaction = connection.begin().await?;
        // Memory for the index build, but no parallel workers: they share memory that a container
        // often has too little of. A managed server's limit on statements is for queries.
        for statement in [
            "set local maintenance_work_mem = '256MB'",
            "set local max_parallel_maintenance_workers = 0",
            "set local statement_timeout = 0",
        ] {
            sqlx::query(statement).execute(&mut *transaction).await?;
        }
        lock(&mut transaction).await?;
        lock_against_autovacuum(&mut transaction, table).await?;
        sqlx::query("select public.create_embeddings_table($1)")
            .bind(table)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        *updated += 1;
    }
    Ok(())
}

/// Locks a table as the building of its index will, but before anything else of it is changed.
/// An autovacuum that has locked the table and waits for a row of the catalog that this transaction
/// changed would be waited for by the building, and PostgreSQL would end one of the two.
async fn lock_against_autovacuum(
    connection: &mut PgConnection,
    table: &str,
) -> Result<(), sqlx::Error> {
    let quoted: Option<String> = sqlx::query_scalar(
        "select format('public.%I', c.relname) from pg_class c \
         where c.relnamespace = 'public'::regnamespace and c.relname = $1 and c.relkind = 'r' \
            and pg_has_role(c.relowner, 'usage')",
    )
    .bind(table)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(quoted) = quoted else { return Ok(()) };
    let lock = AssertSqlSafe(format!("lock table {quoted} in share mode"));
    sqlx::query(lock).execute(connection).await?;
    Ok(())
}
