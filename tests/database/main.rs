//! The migrations and what they put into a database, on a real server.
//!
//! Every fault of the seed schema is a probe: it must succeed on a migrated database and fail on
//! the seed's own SQL, so that no probe passes for nothing.

#[path = "../common/database.rs"]
mod common;
#[path = "../common/viewer.rs"]
mod viewer;

mod admission;
mod adoption;
mod appointments;
mod epoch;
mod faults;
mod given_up;
mod guarded;
mod lists;
mod meanwhile;
mod paces;
mod plans;
mod recall;
mod rest;
mod rest_deeds;
mod sessions;
mod traps;
mod usage;
mod words;

use common::{FreshDatabase, fresh_database, run};
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, ConnectOptions};
use uuid::Uuid;

/// The seed's own SQL.
const SEED: &str = include_str!("seed.sql");

/// What Supabase has before the seed is run.
const SUPABASE: &str = include_str!("supabase.sql");

/// Roles belong to the server, so they are made once. Two tests may try at the same time.
const ROLES: &str = "
do $$
declare wanted text;
begin
    foreach wanted in array array['anon', 'authenticated', 'service_role', 'frontdesk_owner'] loop
        begin
            execute format('create role %I', wanted);
        exception when duplicate_object or unique_violation then null;
        end;
    end loop;
    begin
        alter role frontdesk_owner login;
    exception when internal_error then null; -- another test is at it
    end;
end $$;";

/// Runs statements with this search path.
async fn execute(database: &FreshDatabase, search_path: &str, sql: &str) {
    let options = database.options().options([("search_path", search_path)]);
    let mut connection = options.connect().await.expect("the test's database answers");
    run(&mut connection, sql).await;
}

/// An empty database with the public roles, migrated.
async fn migrated() -> (FreshDatabase, PgPool) {
    let database = fresh_database().await;
    execute(&database, "public", ROLES).await;
    let pool = database.pool(4).await;
    frontdesk::store::migrate::migrate(&pool).await.expect("an empty database migrates");
    (database, pool)
}

/// A plain database on which the seed was run, with the users' table that it asks for.
async fn seeded() -> (FreshDatabase, PgPool) {
    let database = fresh_database().await;
    execute(&database, "public", ROLES).await;
    execute(
        &database,
        "public",
        "create schema auth; create table auth.users (id uuid primary key, email text unique);",
    )
    .await;
    execute(&database, "public", SEED).await;
    let pool = database.pool(4).await;
    (database, pool)
}

/// A Supabase-like database, and how its owner connects: no superuser.
async fn supabase() -> (FreshDatabase, sqlx::postgres::PgConnectOptions) {
    let database = fresh_database().await;
    execute(&database, "public", ROLES).await;
    execute(&database, "public", SUPABASE).await;
    let owner = database.options().username("frontdesk_owner");
    (database, owner)
}

/// An agent with its owner. The first one has a number.
async fn agent(pool: &PgPool) -> Uuid {
    let (owner, agent) = (Uuid::new_v4(), Uuid::new_v4());
    let email = format!("{owner}@example.com");
    for sql in [
        format!("insert into auth.users (id, email) values ('{owner}', '{email}')"),
        format!(
            "insert into public.customer (uuid, email, username, plan_id) \
             values ('{owner}', '{email}', 'owner', 1)"
        ),
        format!(
            "insert into public.voice_agents (id, name, created_by, twilio_phone_number, \
             twilio_credentials, private_settings) values ('{agent}', 'Sample', '{owner}', \
             case when not exists (select from public.voice_agents \
             where twilio_phone_number = '+1 555 987 0002') then '+1 555 987 0002' end, '{{\"auth_token\": \"token-secret\"}}', \
             '{{\"secrets\": {{\"KEY\": \"key-secret\"}}}}')"
        ),
    ] {
        sqlx::query(AssertSqlSafe(sql)).execute(pool).await.expect("the rows of an agent");
    }
    agent
}
