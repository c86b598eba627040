//! What a role that may create objects in `public` and do nothing else lays there for others to run.
//!
//! A trap that is run writes down who ran it. The role's own runs do not count.

use frontdesk::store::migrate::{MigrateError, migrate, strangers_code};
use serde_json::Value;
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgListener, PgPool};
use uuid::Uuid;

use super::common::{FreshDatabase, pool, run};
use super::{agent, execute, migrated, seeded};

/// The role, and where its traps write to. Roles are the server's: tests may make it at once.
pub(super) const TRAPPER: &str = "
do $$ begin
    create role frontdesk_trapper login;
exception when duplicate_object or unique_violation then null;
end $$;
grant create, usage on schema public to frontdesk_trapper;
create schema traps authorization frontdesk_trapper;
set role frontdesk_trapper;
create table traps.sprung (who text);
grant usage on schema traps to public;
grant insert on traps.sprung to public;";

/// Functions and operators whose argument types fit the calls of our functions better than those
/// of PostgreSQL's own.
const SHADOWS: &str = "
create function public.format(text, name) returns text language plpgsql as $$ begin
    insert into traps.sprung values (current_user); return pg_catalog.format($1, $2); end $$;
create function public.format(text, text) returns text language plpgsql as $$ begin
    insert into traps.sprung values (current_user); return pg_catalog.format($1, $2); end $$;
create function public.joined(text, uuid) returns text language plpgsql as $$ begin
    insert into traps.sprung values (current_user); return $1 operator(pg_catalog.||) $2; end $$;
create function public.joined(uuid, text) returns text language plpgsql as $$ begin
    insert into traps.sprung values (current_user); return $1 operator(pg_catalog.||) $2; end $$;
create function public.less(int, float8) returns float8 language plpgsql as $$ begin
    insert into traps.sprung values (current_user); return $1 operator(pg_catalog.-) $2; end $$;
create operator public.|| (leftarg = text, rightarg = uuid, function = public.joined);
create operator public.|| (leftarg = uuid, rightarg = text, function = public.joined);
create operator public.- (leftarg = int, rightarg = float8, function = public.less);";

/// A database of [`migrated`] or [`seeded`] in which the role may create, as the role sees it.
async fn trapper(database: &FreshDatabase) -> PgPool {
    execute(database, "public", TRAPPER).await;
    pool(database.options().username("frontdesk_trapper"), 1).await
}

async fn lay(trapper: &PgPool, traps: &str) {
    run(&mut trapper.acquire().await.expect("a connection"), traps).await;
}

/// Who ran a trap, but for the role itself.
async fn sprung(trapper: &PgPool) -> Vec<String> {
    sqlx::query_scalar("select distinct who from traps.sprung where who <> current_user")
        .fetch_all(trapper)
        .await
        .expect("the traps' table")
}

async fn refusal(pool: &PgPool) -> String {
    let error = migrate(pool).await.expect_err("it stops");
    assert!(matches!(error, MigrateError::Strangers { .. }), "{error}");
    assert!(!error.to_string().contains('\n'), "{error}");
    error.to_string()
}

#[tokio::test]
async fn the_name_of_a_table_is_not_sql() {
    let (database, pool) = seeded().await;
    let trapper = trapper(&database).await;
    // In the definition of a search function it would end the body, switch its check off, and call.
    lay(
        &trapper,
        r#"create procedure public.p() language plpgsql as $$ begin
               insert into traps.sprung values (current_user); end $$;
           create table public."zz_*/select $search$set check_function_bodies=off;call p();/*"
               (embedding vector(1536));"#,
    )
    .await;
    migrate(&pool).await.expect("the table is nobody's business");
    assert_eq!(sprung(&trapper).await, Vec::<String>::new());
    let count = "select count(*) from pg_class where relname like 'zz\\_%embedding\\_idx'";
    let indexes: i64 = sqlx::query_scalar(count).fetch_one(&pool).await.expect("a count");
    assert_eq!(indexes, 0, "a table that is not ours got an index");
    for name in ["zz_", "zz_x", "voice_agents", "zz_6F1C2F7E-58a5-4f5b-9b0e-3d3b2f0b7a11", ""] {
        for function in ["create_embeddings_table", "drop_embeddings_table"] {
            let call = format!("select public.{function}($1)");
            let called = sqlx::query(AssertSqlSafe(call)).bind(name).execute(&pool).await;
            assert!(called.is_err(), "{function} takes {name:?}");
        }
    }
}

#[tokio::test]
async fn a_definer_function_runs_nothing_of_publics() {
    let (database, pool) = migrated().await;
    let trapper = trapper(&database).await;
    lay(&trapper, SHADOWS).await;
    // The statements of this test are no trap's prey themselves.
    let agent = agent(&pool).await;
    let call = Uuid::new_v4();
    let vector = "pg_catalog.array_fill(0.5::real, array[1536])";
    for statement in [
        format!("insert into public.\"zz_{agent}\" (content, embedding) values ('a', {vector})"),
        format!("select * from public.\"zz_{agent}_search\"({vector}::public.vector, 3)"),
        format!("select * from public.\"zz_{agent}_search\"({vector}::public.vector)"),
        format!(
            "insert into public.call_logs (id, voice_agent_id, call_start, call_sid, metadata) \
             values ('{call}', '{agent}', now(), 'CA1', \
             '{{\"recording\": {{\"path\": \"{agent}/a.opus\"}}}}')"
        ),
        format!("delete from public.call_logs where id = '{call}'"),
        format!("delete from public.voice_agents where id = '{agent}'"),
    ] {
        sqlx::query(AssertSqlSafe(statement)).execute(&pool).await.expect("a statement");
    }
    let left: String = sqlx::query_scalar("select path from public.left_recordings")
        .fetch_one(&pool)
        .await
        .expect("the recording that is left");
    assert_eq!(left, format!("{agent}/a.opus"));
    assert_eq!(sprung(&trapper).await, Vec::<String>::new());
}

#[tokio::test]
async fn every_definer_function_has_the_catalogs_path() {
    let (_database, pool) = migrated().await;
    agent(&pool).await;
    let open: Vec<String> = sqlx::query_scalar(
        "select p.oid::regprocedure::text from pg_proc p \
         where p.prosecdef and p.pronamespace = 'public'::regnamespace \
             and not coalesce('search_path=pg_catalog, pg_temp' = any (p.proconfig), false)",
    )
    .fetch_all(&pool)
    .await
    .expect("the functions");
    assert_eq!(open, Vec::<String>::new(), "see migrations/0016 for what their path must be");
}

#[tokio::test]
async fn migrate_runs_nothing_of_publics() {
    let (database, pool) = seeded().await;
    agent(&pool).await;
    let trapper = trapper(&database).await;
    lay(&trapper, SHADOWS).await;
    let said = refusal(&pool).await;
    for named in
        ["public.format(text,name)", "frontdesk_trapper", "drop function", "operator public.-"]
    {
        assert!(said.contains(named), "{named} is not in: {said}");
    }
    // Given to a superuser they do not stop it, and are still not run.
    let given = "reassign owned by frontdesk_trapper to postgres";
    execute(&database, "public", &given.replace("postgres", &owner(&pool).await)).await;
    migrate(&pool).await.expect("it migrates");
    let ran: i64 = sqlx::query_scalar("select count(*) from traps.sprung")
        .fetch_one(&pool)
        .await
        .expect("a count");
    assert_eq!(ran, 0);
}

async fn owner(pool: &PgPool) -> String {
    sqlx::query_scalar("select current_user::text").fetch_one(pool).await.expect("a name")
}

#[tokio::test]
async fn migrate_stops_at_what_a_stranger_owns_of_ours() {
    let (database, pool) = seeded().await;
    execute(&database, "public", "alter table voice_agents disable trigger user").await;
    let early = agent(&pool).await;
    execute(&database, "public", "alter table voice_agents enable trigger user").await;
    let trapper = trapper(&database).await;
    let table = format!("public.zz_{early}").replace("public.", "public.\"") + "\"";
    for (lays, named, clears) in [
        (
            "create function public.withhold_from_public_roles(text) returns void language plpgsql
             as $$ begin insert into traps.sprung values (current_user); end $$"
                .to_owned(),
            "public.withhold_from_public_roles(text)".to_owned(),
            "drop function public.withhold_from_public_roles(text)".to_owned(),
        ),
        (
            "create table public.call_events (x int)".to_owned(),
            "table public.call_events".to_owned(),
            "drop table public.call_events".to_owned(),
        ),
        (
            "create table public._sqlx_migrations (version bigint)".to_owned(),
            "table public._sqlx_migrations".to_owned(),
            "drop table public._sqlx_migrations".to_owned(),
        ),
        (
            format!("create view {table} as select 1 as embedding"),
            format!("view {table}"),
            format!("drop view {table}"),
        ),
    ] {
        lay(&trapper, &lays).await;
        let said = refusal(&pool).await;
        assert!(said.contains(&named) && said.contains("frontdesk_trapper"), "{said}");
        assert!(said.contains(&clears), "{said}");
        lay(&trapper, &clears).await;
    }
    migrate(&pool).await.expect("nothing is left that is a stranger's");
    assert_eq!(sprung(&trapper).await, Vec::<String>::new());
}

#[tokio::test]
async fn migrate_stops_at_a_schema_of_our_name_or_a_function_in_it() {
    let (database, pool) = seeded().await;
    let trapper = trapper(&database).await;
    let grant = "do $$ begin execute format('grant create on database %I to frontdesk_trapper', \
                 current_database()); end $$";
    execute(&database, "public", grant).await;
    lay(&trapper, "create schema frontdesk").await;
    let said = refusal(&pool).await;
    assert!(
        said.contains("`drop schema frontdesk`") && said.contains("frontdesk_trapper"),
        "{said}"
    );
    lay(&trapper, "drop schema frontdesk").await;
    execute(
        &database,
        "public",
        "create schema frontdesk; grant all on schema frontdesk to public",
    )
    .await;
    let function = "create function frontdesk.me() returns uuid language plpgsql as $$ begin
        insert into traps.sprung values (current_user); return null; end $$";
    lay(&trapper, function).await;
    let said = refusal(&pool).await;
    assert!(said.contains("`drop function frontdesk.me()`"), "{said}");
    lay(&trapper, "drop function frontdesk.me()").await;
    migrate(&pool).await.expect("it migrates");
    // What everybody might do there is taken.
    let creates = "create function frontdesk.f() returns int language sql as 'select 1'";
    assert!(sqlx::query(creates).execute(&trapper).await.is_err());
    assert_eq!(sprung(&trapper).await, Vec::<String>::new());
}

#[tokio::test]
async fn migrate_stops_at_a_trigger_that_runs_a_stranger_s_function() {
    let (database, pool) = seeded().await;
    agent(&pool).await;
    let trapper = trapper(&database).await;
    execute(&database, "public", "grant trigger on public.voice_agents to frontdesk_trapper").await;
    let functions = "
        create function traps.row() returns trigger language plpgsql as $$ begin
            insert into traps.sprung values (current_user); return new; end $$;
        create function traps.hook() returns trigger language plpgsql security definer as $$ begin
            insert into traps.sprung values (current_user); return new; end $$;
        create function traps.asked() returns bool language plpgsql as $$ begin
            insert into traps.sprung values (current_user); return false; end $$;
        create function traps.less(int, text) returns bool language plpgsql as $$ begin
            insert into traps.sprung values (current_user); return false; end $$;
        create operator traps.< (leftarg = int, rightarg = text, function = traps.less);";
    lay(&trapper, functions).await;
    for runs in [
        "execute function traps.row()",
        "when (traps.asked()) execute function traps.hook()",
        "when (1 operator(traps.<) ''::text) execute function traps.hook()",
    ] {
        let trap = format!(
            "create trigger \"a trap\" before update on public.voice_agents for each row {runs}"
        );
        lay(&trapper, &trap).await;
        let said = refusal(&pool).await;
        let clears = "drop trigger \"a trap\" on public.voice_agents";
        assert!(said.contains(clears) && said.contains("frontdesk_trapper"), "{runs}: {said}");
        execute(&database, "public", clears).await;
    }
    // What runs as its owner gets nobody's rights, and is how Supabase's webhooks are laid.
    let hook = "create trigger hook before update on public.voice_agents for each row \
                execute function traps.hook()";
    lay(&trapper, hook).await;
    migrate(&pool).await.expect("it migrates");
    assert_eq!(sprung(&trapper).await, Vec::<String>::new());
}

/// Laid after `migrate`, by a role that may do nothing but that.
#[tokio::test]
async fn a_trap_that_is_laid_after_migrate_is_found_before_serving() {
    let (database, pool) = migrated().await;
    let trapper = trapper(&database).await;
    let grants = "grant usage on schema auth to frontdesk_trapper;
        grant trigger on public.call_logs, auth.users to frontdesk_trapper";
    execute(&database, "public", grants).await;
    assert_eq!(strangers_code(&pool).await.expect("it says"), None);
    let function = "create function traps.row() returns trigger language plpgsql as $$ begin
            insert into traps.sprung values (current_user); return new; end $$";
    lay(&trapper, function).await;
    // The second is where a first start makes its first person.
    for table in ["public.call_logs", "auth.users"] {
        let trap = format!(
            "create trigger trap before insert on {table} for each row execute function traps.row()"
        );
        lay(&trapper, &trap).await;
        let said = strangers_code(&pool).await.expect("it says").expect("there is one");
        let clears = format!("drop trigger trap on {table}");
        assert!(said.contains(&format!("`{clears}`")), "{said}");
        execute(&database, "public", &clears).await;
        assert_eq!(strangers_code(&pool).await.expect("it says"), None);
    }
}

/// As on a managed server: one role migrates, another serves, and neither is a superuser.
#[tokio::test]
async fn who_migrated_is_no_stranger_to_who_serves() {
    let (database, pool) = migrated().await;
    execute(&database, "public", TRAPPER).await;
    let gives = "do $$ declare given record; begin
        for given in select oid::regclass as name from pg_class
            where relnamespace = 'public'::regnamespace and relkind = 'r' loop
            execute format('alter table %s owner to frontdesk_owner', given.name);
        end loop; end $$;
        grant select on all tables in schema public to frontdesk_trapper";
    execute(&database, "public", gives).await;
    let serves = super::common::pool(database.options().username("frontdesk_trapper"), 1).await;
    assert_eq!(strangers_code(&serves).await.expect("it says"), None);
    // A superuser would make one of the other role.
    let said = strangers_code(&pool).await.expect("it says").expect("they are named");
    assert!(said.contains("table public.call_logs of frontdesk_owner"), "{said}");
}

#[tokio::test]
async fn migrate_stops_where_everybody_may_create_in_public() {
    let (database, pool) = seeded().await;
    execute(&database, "public", "grant create on schema public to public").await;
    let error = migrate(&pool).await.expect_err("it stops");
    let statement = "revoke create on schema public from public";
    assert!(matches!(error, MigrateError::PublicMayCreate), "{error}");
    assert!(error.to_string().contains(statement), "{error}");
    execute(&database, "public", statement).await;
    migrate(&pool).await.expect("it migrates");
}

#[tokio::test]
async fn no_notification_carries_what_a_function_does() {
    let (_database, pool) = migrated().await;
    let agent = agent(&pool).await;
    let mut listener = PgListener::connect_with(&pool).await.expect("a listener");
    listener.listen("realtime_changes").await.expect("it listens");
    for statement in [
        format!(
            "insert into public.functions (name, assistant_id, data, variables) values \
             ('f', '{agent}', '{{\"url\": \"https://key@crm.example\"}}', '[{{\"name\": \"v\"}}]')"
        ),
        "update public.functions set purpose = 'p'".to_owned(),
        "delete from public.functions".to_owned(),
    ] {
        sqlx::query(AssertSqlSafe(statement)).execute(&pool).await.expect("a statement");
        let notice = listener.recv().await.expect("a notification");
        let notice: Value = serde_json::from_str(notice.payload()).expect("JSON");
        let data = notice["data"].as_object().expect("an object");
        assert_eq!(data["assistant_id"], agent.to_string());
        assert!(!data.contains_key("data") && !data.contains_key("variables"), "{notice}");
    }
}
