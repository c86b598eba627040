//! One probe per mended fault.

use std::time::Duration;

use frontdesk::clock::within;
use frontdesk::store::migrate::migrate;
use serde_json::Value;
use sqlx::postgres::{PgListener, PgPool};
use sqlx::{AssertSqlSafe, ConnectOptions};
use uuid::Uuid;

use super::common::{fresh_database, run};
use super::{SEED, agent, migrated, seeded};

type Probe = Result<(), String>;

/// Runs a probe on a migrated database, where it must hold, and on the seed's, where it must not.
async fn mended<F: Future<Output = Probe>>(probe: impl Fn(PgPool) -> F) {
    let (_migrated, pool) = migrated().await;
    assert_eq!(probe(pool).await, Ok(()), "on a migrated database");
    let (_seeded, pool) = seeded().await;
    assert!(probe(pool).await.is_err(), "the probe also holds on the seed's own SQL");
}

fn check(holds: bool, otherwise: impl Into<String>) -> Probe {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

async fn one<T>(pool: &PgPool, sql: String) -> Result<T, String>
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
{
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await.map_err(|error| error.to_string())
}

async fn execute(pool: &PgPool, sql: String) -> Result<u64, String> {
    let done = sqlx::query(AssertSqlSafe(sql)).execute(pool).await;
    done.map(|done| done.rows_affected()).map_err(|error| error.to_string())
}

async fn listener(pool: &PgPool) -> PgListener {
    let mut listener = PgListener::connect_with(pool).await.expect("a listener connects");
    listener.listen("realtime_changes").await.expect("it listens");
    listener
}

async fn heard(listener: &mut PgListener) -> Result<Value, String> {
    match within(Duration::from_secs(10), listener.recv()).await {
        Some(Ok(notification)) => {
            serde_json::from_str(notification.payload()).map_err(|error| error.to_string())
        }
        Some(Err(error)) => Err(error.to_string()),
        None => Err("nothing was heard".to_owned()),
    }
}

#[tokio::test]
async fn fault_1_and_7_the_statements_run_in_order_where_there_are_no_users() {
    let database = fresh_database().await;
    let mut connection = database.options().connect().await.expect("connects");
    let seed = sqlx::raw_sql(SEED).execute(&mut connection).await;
    assert!(seed.expect_err("the seed needs auth.users").to_string().contains("auth"));
    run(&mut connection, "drop schema public cascade; create schema public").await;
    let pool = database.pool(1).await;
    let report = migrate(&pool).await.expect("an empty database migrates on one connection");
    assert!(report.migrations > 0 && report.embeddings_tables == 0, "{report:?}");
    agent(&pool).await;
}

#[tokio::test]
async fn fault_2_a_large_row_is_saved_and_announced_by_its_ids() {
    mended(|pool| async move {
        let agent = agent(&pool).await;
        let mut listener = listener(&pool).await;
        let id: Uuid = one(
            &pool,
            format!(
                "insert into public.business_details (voice_agent_id, business_summary) \
                 values ('{agent}', repeat('long ', 1800)) returning id"
            ),
        )
        .await?;
        let expected = serde_json::json!({
            "operation": "INSERT", "table": "business_details",
            "data": {"id": id, "voice_agent_id": agent}, "truncated": true,
        });
        let first = heard(&mut listener).await?;
        check(first == expected, first.to_string())?;
        // Bytes are what counts: 3,000 characters of three bytes each are too many.
        execute(
            &pool,
            "update public.business_details set business_summary = repeat('語', 3000)".into(),
        )
        .await?;
        let second = heard(&mut listener).await?;
        check(second["truncated"] == true, second.to_string())?;
        execute(&pool, "delete from public.business_details".into()).await?;
        let third = heard(&mut listener).await?;
        check(third["operation"] == "DELETE" && third["truncated"] == true, third.to_string())
    })
    .await;
}

#[tokio::test]
async fn fault_2_the_largest_payload_that_fits_is_sent_whole() {
    let (_database, pool) = migrated().await;
    let agent = agent(&pool).await;
    let mut listener = listener(&pool).await;
    execute(&pool, format!("insert into business_details (voice_agent_id) values ('{agent}')"))
        .await
        .expect("a business");
    let whole = heard(&mut listener).await.expect("an announcement");
    assert_eq!(whole["data"]["business_summary"], Value::Null);
    // Around the limit, byte by byte: each one is saved, and short of the limit it is whole.
    let mut truncated = Vec::new();
    for length in 7400..7700 {
        execute(
            &pool,
            format!("update business_details set business_summary = repeat('x', {length})"),
        )
        .await
        .expect("it is saved");
        truncated.push(heard(&mut listener).await.expect("an announcement")["truncated"] == true);
    }
    assert!(!truncated[0] && truncated[299] && truncated.is_sorted());
}

#[tokio::test]
async fn fault_2_secrets_are_in_no_announcement() {
    mended(|pool| async move {
        let mut listener = listener(&pool).await;
        let agent = agent(&pool).await;
        execute(&pool, format!("update voice_agents set name = 'New' where id = '{agent}'"))
            .await?;
        execute(&pool, format!("delete from voice_agents where id = '{agent}'")).await?;
        for operation in ["INSERT", "UPDATE", "DELETE"] {
            let change = heard(&mut listener).await?;
            check(change["operation"] == operation, change.to_string())?;
            check(change["data"]["id"] == agent.to_string(), change.to_string())?;
            let data = change["data"].as_object().ok_or("data is no object")?;
            let columns = ["twilio_credentials", "private_settings"];
            check(!columns.iter().any(|column| data.contains_key(*column)), change.to_string())?;
            check(!change.to_string().contains("-secret"), change.to_string())?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn fault_4_no_definer_function_is_the_publics_and_each_has_a_fixed_path() {
    mended(|pool| async move {
        agent(&pool).await;
        let found: Vec<(String, bool, bool, bool)> = sqlx::query_as(
            "select p.proname::text, \
                 coalesce('search_path=pg_catalog, pg_temp' = any (p.proconfig), false), \
                 has_function_privilege('anon', p.oid, 'execute'), \
                 has_function_privilege('authenticated', p.oid, 'execute') \
             from pg_proc p where p.prosecdef and p.pronamespace = 'public'::regnamespace",
        )
        .fetch_all(&pool)
        .await
        .map_err(|error| error.to_string())?;
        check(found.iter().any(|(name, ..)| name.ends_with("_search")), "no search function")?;
        check(found.iter().any(|(name, ..)| name == "create_embeddings_table"), "not found")?;
        for (name, fixed, anonymous, authenticated) in found {
            check(fixed, format!("{name} has no fixed path"))?;
            check(!anonymous && !authenticated, format!("{name} is the public's"))?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn fault_5_an_agents_table_and_search_go_with_it() {
    mended(|pool| async move {
        let agent = agent(&pool).await;
        let left = "select (select count(*) from pg_class where relname like 'zz\\_%') \
                    + (select count(*) from pg_proc where proname like 'zz\\_%')";
        check(one::<i64>(&pool, left.into()).await? > 1, "there was nothing to remove")?;
        // Also when it goes because its owner's account goes.
        execute(&pool, "delete from auth.users".into()).await?;
        let agents = format!("select count(*) from voice_agents where id = '{agent}'");
        check(one::<i64>(&pool, agents).await? == 0, "the agent is left")?;
        check(one::<i64>(&pool, left.into()).await? == 0, "something is left")
    })
    .await;
}

#[tokio::test]
async fn fault_6_an_agent_has_a_status() {
    mended(|pool| async move {
        let agent = agent(&pool).await;
        let status = format!("select status::text from voice_agents where id = '{agent}'");
        check(one::<String>(&pool, status).await? == "active", "not active")?;
        execute(&pool, "update voice_agents set status = 'suspended'".into()).await?;
        check(execute(&pool, "update voice_agents set status = null".into()).await.is_err(), "null")
    })
    .await;
}

#[tokio::test]
async fn fault_9_a_passage_without_metadata_is_found() {
    mended(|pool| async move {
        let agent = agent(&pool).await;
        let vector = "array_fill(0.5::real, array[1536])";
        execute(
            &pool,
            format!(
                "insert into \"zz_{agent}\" (content, metadata, embedding) values \
                 ('bare', null, {vector}), ('tagged', '{{\"kind\": \"tag\"}}', {vector})"
            ),
        )
        .await?;
        let count = |arguments: &str| {
            let query = format!("{vector}::vector{arguments}");
            one::<i64>(&pool, format!("select count(*) from \"zz_{agent}_search\"({query})"))
        };
        check(count(", 5").await? == 2, "with a match_count")?;
        check(count("").await? == 2, "with the defaults")?;
        check(count(", 5, '{\"kind\": \"tag\"}'").await? == 1, "with a filter")
    })
    .await;
}

#[tokio::test]
async fn fault_10_functions_are_announced_and_go_with_their_agent() {
    mended(|pool| async move {
        let agent = agent(&pool).await;
        let mut listener = listener(&pool).await;
        let insert = |about: &str, purpose: &str| {
            format!(
                "insert into public.functions (name, assistant_id, purpose) \
                 values ('{about}', '{about_agent}', {purpose})",
                about_agent = if about == "orphan" { Uuid::new_v4() } else { agent }
            )
        };
        execute(&pool, insert("small", "null")).await?;
        let small = heard(&mut listener).await?;
        check(
            small["table"] == "functions" && small["data"]["name"] == "small",
            small.to_string(),
        )?;
        execute(&pool, insert("large", "repeat('x', 9000)")).await?;
        let large = heard(&mut listener).await?;
        check(large["data"]["voice_agent_id"] == agent.to_string(), large.to_string())?;
        // A row that names no agent may be written, as ever, and is nobody else's to remove.
        execute(&pool, insert("orphan", "null")).await?;
        execute(&pool, format!("delete from voice_agents where id = '{agent}'")).await?;
        let left =
            one::<String>(&pool, "select string_agg(name, ',') from functions".into()).await?;
        check(left == "orphan", left)
    })
    .await;
}

/// What the indexes of migration 0019 are for: the planner has no reason to use one on one row; that it
/// can is what counts.
#[tokio::test]
async fn numbers_are_found_by_their_indexes() {
    let (_database, pool) = migrated().await;
    let agent = agent(&pool).await;
    let mut connection = pool.acquire().await.expect("a connection");
    run(&mut connection, "set enable_seqscan = off").await;
    // On an empty table it costs as little.
    run(&mut connection, "drop index idx_appointments_agent_time").await;
    for (query, index) in [
        (
            "select id from voice_agents
                where coalesce(number_e164, twilio_phone_number) = '+15559870002'"
                .to_owned(),
            "idx_voice_agents_number",
        ),
        (
            format!(
                "select id from appointments where voice_agent_id = '{agent}'
                    and coalesce(phone_e164, phone_number) = '+15559870002'"
            ),
            "idx_appointments_agent_phone",
        ),
        (
            format!(
                "select id from call_logs where voice_agent_id = '{agent}'
                    and coalesce(caller_e164, caller_number) = '+15559870002'
                order by call_start desc limit 3"
            ),
            "idx_call_logs_agent_caller_read",
        ),
    ] {
        let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("explain {query}")))
            .fetch_all(&mut *connection)
            .await
            .expect("a plan");
        assert!(plan.join(" ").contains(index), "{plan:?}");
    }
}
