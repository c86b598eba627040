//! A database that the seed was run on by hand is adopted without loss, and migrating twice does
//! nothing the second time.

use frontdesk::store::migrate::{Report, SchemaState, is_current, migrate};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPool;
use uuid::Uuid;

use super::common::{fresh_database, pool, run};
use super::{SEED, agent, execute, migrated, supabase};

/// How many migrations there are.
fn migrations() -> usize {
    std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"))
        .expect("it is there")
        .count()
}

/// Every row of every table of the seed's, as text, in order.
async fn rows(pool: &PgPool, embeddings: &str) -> Vec<String> {
    let mut all = Vec::new();
    for table in [
        "auth.users",
        "public.customer",
        "public.voice_agents",
        "public.voice_agents_access",
        "public.business_details",
        "public.sources",
        "public.scrapping_data",
        "public.functions",
        "public.call_logs",
        "public.appointments",
        embeddings,
    ] {
        let own = "- 'status' - 'call_sid' - 'instance_id' - 'stream_nonce' - 'stream_returns' \
                   - 'holds_line' - 'out_until' - 'number_e164' - 'phone_e164' - 'caller_e164' \
                   - 'number_since' - 'number_held' - 'country_changes' \
                   - 'duration_minutes' - 'booking_key' - 'change_key' \
                   - 'is_extracted' - 'quotation' - 'asks' - 'ask_at' - 'epoch' - 'total_voiceagents'
                   - 'setup_step' - 'revision' - 'cancel_reason' - 'booked_by' - 'checked_at'
                   - 'invited_to' - 'invited_by' - 'brought_by' - 'number_typed' - 'invited_at'";
        let found: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!(
            "select '{}: ' || (to_jsonb(t) {own})::text as row from {table} t order by row",
            table.replace('\'', "''")
        )))
        .fetch_all(pool)
        .await
        .expect("a table");
        assert!(!found.is_empty(), "{table} has no row: the test proves nothing of it");
        all.extend(found);
    }
    all
}

/// A row in each table, written as the seed's users write it.
async fn fill(pool: &PgPool, agent: Uuid) {
    let mut connection = pool.acquire().await.expect("a connection");
    run(
        &mut connection,
        &format!(
            "insert into voice_agents_access (voice_agent_id, user_id, access)
                 select id, created_by, 'owner' from voice_agents;
             insert into business_details (voice_agent_id, business_name) values ('{agent}', 'Sample');
             insert into sources (voice_agent_id, name, size) values ('{agent}', 'menu.pdf', 10);
             insert into scrapping_data (voice_agent_id, data) values ('{agent}', '{{\"a\": 1}}');
             insert into functions (name, assistant_id, type) values
                 ('tied', '{agent}', 'form'), ('orphan', gen_random_uuid(), 'flows'), ('free', null, null);
             insert into call_logs (voice_agent_id, call_start, status) values
                 ('{agent}', now(), 'completed'), ('{agent}', now(), null);
             insert into appointments (voice_agent_id, name, phone_number, service, schedule_time)
                 values ('{agent}', 'A', '+1', 'cut', now()), ('{agent}', 'B', '+1', 'cut', now());
             insert into \"zz_{agent}\" (content, embedding)
                 values ('old', array_fill(0.25::real, array[1536])), ('bare', null);"
        ),
    )
    .await;
}

/// Runs the seed on a Supabase project as its owner ran it: without the constraint that is refused.
async fn seed_by_hand(pool: &PgPool) {
    let seed = SEED.replace(
        "CONSTRAINT fk_auth_users FOREIGN KEY (uuid) REFERENCES auth.users(id) ON DELETE CASCADE,",
        "CONSTRAINT fk_auth_users FOREIGN KEY (uuid) REFERENCES auth.users(id) ON DELETE CASCADE",
    );
    let refused = "CONSTRAINT fk_auth_users_email FOREIGN KEY (email)";
    assert!(seed.contains(refused));
    let seed = seed.replace(refused, "-- CONSTRAINT fk_auth_users_email FOREIGN KEY (email)");
    sqlx::raw_sql(AssertSqlSafe(seed)).execute(pool).await.expect("the seed runs");
}

/// Definer functions that a public role may call, that Supabase's backend may not, or whose path is
/// not fixed.
async fn exposed(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "select p.oid::regprocedure::text from pg_proc p \
         where p.prosecdef and p.pronamespace = 'public'::regnamespace \
         and (has_function_privilege('anon', p.oid, 'execute') \
             or has_function_privilege('authenticated', p.oid, 'execute') \
             or not has_function_privilege('service_role', p.oid, 'execute') \
             or coalesce('search_path=pg_catalog, pg_temp' <> all (p.proconfig), true))",
    )
    .fetch_all(pool)
    .await
    .expect("the functions")
}

/// The indexes over embeddings, with their kind.
async fn indexes(pool: &PgPool) -> Vec<(String, String)> {
    sqlx::query_as(
        "select x.relname::text, m.amname::text from pg_class x join pg_am m on m.oid = x.relam \
         where x.relname like 'zz\\_%' and m.amname in ('hnsw', 'ivfflat') order by x.relname",
    )
    .fetch_all(pool)
    .await
    .expect("the indexes")
}

#[tokio::test]
async fn a_supabase_project_that_ran_the_seed_is_adopted_without_loss() {
    let (database, owner) = supabase().await;
    let by_hand = pool(owner.clone().options([("search_path", "public, extensions")]), 1).await;
    seed_by_hand(&by_hand).await;
    let agent = agent(&by_hand).await;
    fill(&by_hand, agent).await;
    // An agent that was deleted: its table and its search are left, as the seed leaves them.
    let deleted = super::agent(&by_hand).await;
    let delete = format!("delete from voice_agents where id = '{deleted}'");
    sqlx::query(AssertSqlSafe(delete)).execute(&by_hand).await.expect("it is deleted");
    // An agent from before there was a trigger: it has no table.
    execute(&database, "public, extensions", "alter table voice_agents disable trigger user").await;
    let early = super::agent(&by_hand).await;
    execute(&database, "public, extensions", "alter table voice_agents enable trigger user").await;
    let embeddings = format!("public.\"zz_{agent}\"");
    let before = rows(&by_hand, &embeddings).await;
    by_hand.close().await;

    // The migration's search path need not know where the extension is.
    let pool = pool(owner.options([("search_path", "public")]), 1).await;
    assert_eq!(is_current(&pool).await.expect("a state"), SchemaState::Missing);
    let report = migrate(&pool).await.expect("the project is adopted");
    assert_eq!(report, Report { migrations: migrations(), embeddings_tables: 3 });
    assert_eq!(rows(&pool, &embeddings).await, before);
    assert_eq!(is_current(&pool).await.expect("a state"), SchemaState::Current);

    let exposed = exposed(&pool).await;
    assert_eq!(exposed, Vec::<String>::new());
    let indexes = indexes(&pool).await;
    let mut expected =
        [agent, deleted, early].map(|id| (format!("zz_{id}_embedding_idx"), "hnsw".to_owned()));
    expected.sort();
    assert_eq!(indexes, expected);

    // A fresh session of the owner's, in which the extension was never used: searched in, and
    // written to.
    for id in [agent, super::agent(&pool).await] {
        let fresh = super::common::pool((*pool.connect_options()).clone(), 1).await;
        let search = format!(
            "select count(*) from public.\"zz_{id}_search\"(array_fill(0.25::real, \
             array[1536])::extensions.vector, 4)"
        );
        let found: i64 =
            sqlx::query_scalar(AssertSqlSafe(search)).fetch_one(&fresh).await.expect("a search");
        // A passage without an embedding is in no index; of the new agent there is none.
        assert_eq!(found, i64::from(id == agent));
        fresh.close().await;
    }
    pool.close().await;
}

#[tokio::test]
async fn an_empty_supabase_project_is_migrated_by_its_owner() {
    let (_database, owner) = supabase().await;
    let pool = pool(owner.options([("search_path", "public, extensions")]), 2).await;
    migrate(&pool).await.expect("it migrates");
    let constraints: Vec<String> = sqlx::query_scalar(
        "select conname::text from pg_constraint where contype = 'f' \
         and conrelid = 'public.customer'::regclass",
    )
    .fetch_all(&pool)
    .await
    .expect("the constraints");
    assert_eq!(constraints, ["fk_auth_users"], "the index on the address is partial");
    agent(&pool).await;
    pool.close().await;
}

#[tokio::test]
async fn migrating_twice_does_nothing_the_second_time_and_the_sql_bears_it() {
    let (_database, pool) = migrated().await;
    let agent = agent(&pool).await;
    fill(&pool, agent).await;
    let embeddings = format!("public.\"zz_{agent}\"");
    let before = rows(&pool, &embeddings).await;
    let again = migrate(&pool).await.expect("it migrates again");
    assert_eq!(again, Report { migrations: 0, embeddings_tables: 0 });
    // The bookkeeping lost, every statement runs again.
    sqlx::query("drop table _sqlx_migrations").execute(&pool).await.expect("it is dropped");
    assert_eq!(is_current(&pool).await.expect("a state"), SchemaState::Missing);
    let over = migrate(&pool).await.expect("it migrates over what is there");
    // 0002 gives every search function its own path again, so each is made anew.
    assert_eq!(over, Report { migrations: migrations(), embeddings_tables: 1 });
    assert_eq!(rows(&pool, &embeddings).await, before);
    let email: bool = sqlx::query_scalar(
        "select exists (select from pg_constraint where conname = 'fk_auth_users_email')",
    )
    .fetch_one(&pool)
    .await
    .expect("an answer");
    assert!(email, "where the address is unique the constraint is there");
}

#[tokio::test]
async fn several_processes_may_migrate_at_once() {
    let database = fresh_database().await;
    let pools = [database.pool(1).await, database.pool(1).await, database.pool(1).await];
    let (a, b, c) = tokio::join!(migrate(&pools[0]), migrate(&pools[1]), migrate(&pools[2]));
    let applied: usize =
        [a, b, c].into_iter().map(|report| report.expect("each succeeds").migrations).sum();
    assert!(applied >= 3, "{applied}");
    assert_eq!(is_current(&pools[0]).await.expect("a state"), SchemaState::Current);
}

#[tokio::test]
async fn an_unfinished_migration_is_old_and_goes_on() {
    let (_database, pool) = migrated().await;
    let agent = agent(&pool).await;
    let sql = format!("drop index public.\"zz_{agent}_embedding_idx\"");
    sqlx::query(AssertSqlSafe(sql)).execute(&pool).await.expect("as if it was never built");
    assert_eq!(is_current(&pool).await.expect("a state"), SchemaState::Old);
    let report = migrate(&pool).await.expect("it goes on");
    assert_eq!(report, Report { migrations: 0, embeddings_tables: 1 });
    sqlx::query("delete from _sqlx_migrations where version = 3")
        .execute(&pool)
        .await
        .expect("as an older program left it");
    assert_eq!(is_current(&pool).await.expect("a state"), SchemaState::Old);
    sqlx::query("insert into _sqlx_migrations (version, description, success, checksum, execution_time) select 99, 'newer', true, 'x', 0")
        .execute(&pool)
        .await
        .expect("as a newer program left it");
    assert!(migrate(&pool).await.expect_err("an older program").to_string().contains("99"));
    // The failure kept no lock: the same pool and another one go on.
    sqlx::query("delete from _sqlx_migrations where version = 99")
        .execute(&pool)
        .await
        .expect("gone");
    assert_eq!(migrate(&pool).await.expect("it goes on").migrations, 1);
}
