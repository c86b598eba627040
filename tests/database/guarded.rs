//! What row level security guards, from whom, and what it costs a list.

use frontdesk::store::migrate::{MigrateError, SchemaState, is_current, migrate};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::common::{fresh_database, pool, run};
use super::rest::{request, town};
use super::{agent, execute, migrated, seeded, supabase};

#[tokio::test]
async fn every_table_is_guarded_and_none_by_force() {
    let (_database, pool) = migrated().await;
    agent(&pool).await;
    let tables: Vec<(String, bool, bool)> = sqlx::query_as(
        "select relname::text, relrowsecurity, relforcerowsecurity from pg_class \
         where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')",
    )
    .fetch_all(&pool)
    .await
    .expect("the tables");
    assert!(tables.iter().any(|(name, ..)| name.starts_with("zz_")));
    assert!(tables.iter().any(|(name, ..)| name == "_sqlx_migrations"));
    let open: Vec<_> = tables.iter().filter(|(_, on, forced)| !on || *forced).collect();
    assert!(open.is_empty(), "name it in lay_policies, see migrations/0027: {open:?}");
}

/// Where Supabase gives both roles everything by default, too.
#[tokio::test]
async fn the_anonymous_have_nothing_and_the_signed_in_what_is_laid() {
    let (database, owner) = supabase().await;
    let owner = pool(owner.options([("search_path", "public, extensions")]), 2).await;
    migrate(&owner).await.expect("it migrates");
    agent(&owner).await;
    let granted: Vec<(String, String, String)> = sqlx::query_as(
        "select distinct r.rolname::text, c.relname::text, p.name
        from pg_class c cross join pg_roles r
        cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'trigger',
            'references']) as p (name)
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
            and r.rolname in ('anon', 'authenticated')
            and case when p.name in ('delete', 'truncate', 'trigger')
                then has_table_privilege(r.oid, c.oid, p.name)
                else has_any_column_privilege(r.oid, c.oid, p.name) end
        order by 1, 2, 3",
    )
    .fetch_all(&database.pool(1).await)
    .await
    .expect("the grants");
    let of_anon: Vec<_> = granted.iter().filter(|(role, ..)| role == "anon").collect();
    assert!(of_anon.is_empty(), "{of_anon:?}");
    let mut readable: Vec<_> = granted
        .iter()
        .filter(|(role, _, right)| role == "authenticated" && right == "select")
        .map(|(_, table, _)| table.as_str())
        .collect();
    readable.dedup();
    assert_eq!(
        readable,
        [
            "appointments",
            "business_details",
            "call_logs",
            "call_tasks",
            "customer",
            "functions",
            "scrapping_data",
            "sources",
            "usage_days",
            "voice_agents",
            "voice_agents_access",
        ]
    );
    let odd = ["truncate", "trigger", "references"];
    assert!(!granted.iter().any(|(_, _, right)| odd.contains(&right.as_str())), "{granted:?}");
    // What is granted by whoever came before is taken, and new tables of agents have nothing.
    for table in ["call_logs", "voice_agents"] {
        let mut request = request(&database.pool(1).await, "anon", Uuid::nil()).await;
        let select = format!("select count(*) from public.{table}");
        assert!(sqlx::query(AssertSqlSafe(select)).execute(&mut *request).await.is_err());
    }
}

#[tokio::test]
async fn the_helpers_are_nobody_else_s() {
    let town = town().await;
    let callable: Vec<String> = sqlx::query_scalar(
        "select r.rolname || ' ' || p.oid::regprocedure from pg_proc p, pg_roles r \
         where p.pronamespace = 'frontdesk'::regnamespace and r.rolname in ('anon', 'authenticated') \
             and has_function_privilege(r.oid, p.oid, 'execute') order by 1",
    )
    .fetch_all(&town.pool)
    .await
    .expect("the functions");
    assert!(callable.iter().all(|callable| callable.starts_with("authenticated ")), "{callable:?}");
    assert_eq!(callable.len(), 4);
    let fixed: bool = sqlx::query_scalar(
        "select bool_and(coalesce('search_path=pg_catalog, pg_temp' = any (proconfig), false)) \
         from pg_proc where pronamespace = 'frontdesk'::regnamespace",
    )
    .fetch_one(&town.pool)
    .await
    .expect("an answer");
    assert!(fixed);
    // A person's helper says what that person has, whoever else is named.
    let mut request = request(&town.pool, "authenticated", town.support).await;
    let agents: Vec<Uuid> = sqlx::query_scalar("select unnest(frontdesk.my_agents('maintainer'))")
        .fetch_all(&mut *request)
        .await
        .expect("agents");
    assert_eq!(agents, Vec::<Uuid>::new());
}

/// 20,000 calls of which a small owner has a tenth: theirs are found, and the others are not looked at.
#[tokio::test]
async fn a_list_through_the_policy_reads_an_index() {
    let town = town().await;
    frontdesk::store::finish::finish(&town.pool).await.expect("it finishes");
    // Of agents that are not there: what each brings with it takes its time.
    let rows = format!(
        "set session_replication_role = replica;
         insert into public.call_logs (voice_agent_id, call_start, call_end, status)
            select case when n % 10 = 0 then '{}'::uuid else md5((n % 99)::text)::uuid end,
                now() - n * interval '1 minute', now(), 'completed'
            from generate_series(1, 20000) n;
         analyze public.call_logs",
        town.agent
    );
    run(&mut town.pool.acquire().await.expect("a connection"), &rows).await;
    for (sql, sorts) in [
        (
            "select * from public.call_logs where voice_agent_id = '$agent' \
          order by call_start desc, id desc limit 50",
            false,
        ),
        ("select * from public.call_logs order by call_start desc, id desc limit 50", true),
        ("select count(*) from public.call_logs", false),
    ] {
        let mut request = request(&town.pool, "authenticated", town.support).await;
        let sql = format!("explain {}", sql.replace("$agent", &town.agent.to_string()));
        let plan: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut *request).await.expect("a plan");
        let plan = plan.join("\n");
        assert!(plan.contains("InitPlan") && plan.contains("Index"), "{plan}");
        assert!(!plan.contains("Seq Scan") && !plan.contains("SubPlan"), "{plan}");
        assert!(sorts || !plan.contains("Sort"), "{plan}");
    }
}

#[tokio::test]
async fn policies_that_are_missing_are_laid_by_migrating_again() {
    let (_database, pool) = migrated().await;
    sqlx::query("drop policy frontdesk_select on public.call_logs").execute(&pool).await.unwrap();
    migrate(&pool).await.expect("as where the role came later");
    let policies: i64 = sqlx::query_scalar(
        "select count(*) from pg_policy where polname = 'frontdesk_select' \
         and polrelid = 'public.call_logs'::regclass",
    )
    .fetch_one(&pool)
    .await
    .expect("a count");
    assert_eq!(policies, 1);
}

/// As where one role migrates and another serves.
#[tokio::test]
async fn a_role_that_was_granted_tables_by_name_keeps_its_rows() {
    let (database, owner) = seeded().await;
    let agent = agent(&owner).await;
    execute(&database, "public", super::traps::TRAPPER).await;
    let grants = "grant select, update on voice_agents to frontdesk_trapper; \
                  grant all on all tables in schema public to anon";
    execute(&database, "public", grants).await;
    let grant = format!("grant select on \"zz_{agent}\" to frontdesk_trapper");
    execute(&database, "public", &grant).await;
    migrate(&owner).await.expect("it migrates");
    let serves = pool(database.options().username("frontdesk_trapper"), 1).await;
    let count = "select count(*) from public.voice_agents";
    let seen: i64 = sqlx::query_scalar(count).fetch_one(&serves).await.expect("a count");
    assert_eq!(seen, 1);
    let passages = format!("select count(*) from public.\"zz_{agent}\"");
    sqlx::query(AssertSqlSafe(passages)).execute(&serves).await.expect("it may read them");
    // Granted a table only now, it is told that its rows are hidden, and not that there are none.
    execute(&database, "public", "grant select on _sqlx_migrations to frontdesk_trapper").await;
    assert_eq!(is_current(&serves).await.expect("a state"), SchemaState::Hidden);
    migrate(&owner).await.expect("it lays what is missing");
    assert_eq!(is_current(&serves).await.expect("a state"), SchemaState::Current);
}

#[tokio::test]
async fn a_role_that_may_not_create_the_schema_is_told_so_before_anything_is_done() {
    let database = fresh_database().await;
    execute(&database, "public", super::ROLES).await;
    execute(&database, "public", super::SUPABASE).await;
    let revoke = "do $$ begin execute format('revoke create on database %I from frontdesk_owner', \
                  current_database()); end $$";
    execute(&database, "public", revoke).await;
    let owner = database.options().username("frontdesk_owner");
    let pool = pool(owner.options([("search_path", "public, extensions")]), 1).await;
    let error = migrate(&pool).await.expect_err("it stops");
    assert!(matches!(error, MigrateError::SchemaMayNotBeCreated { .. }), "{error}");
    assert!(error.to_string().contains("grant create on database"), "{error}");
    assert_eq!(is_current(&pool).await.expect("a state"), SchemaState::Missing);
}
