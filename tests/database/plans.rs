//! What a customer's plan allows, whoever writes; and that an agent keeps an owner.

use std::time::Duration;

use frontdesk::clock;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Connection};
use uuid::Uuid;

use super::common::run;
use super::rest::{person, town};
use super::{FreshDatabase, agent, migrated};

/// The code that the REST interface answers with 409.
const CONFLICT: &str = "PT409";

async fn write(connection: &mut PgConnection, sql: &str) -> Result<u64, (String, String)> {
    match sqlx::query(AssertSqlSafe(sql.to_owned())).execute(connection).await {
        Ok(done) => Ok(done.rows_affected()),
        Err(error) => {
            let error = error.into_database_error().expect("the database's own");
            let constraint = error.constraint().unwrap_or_default().to_owned();
            Err((error.code().expect("a code").into_owned(), constraint))
        }
    }
}

fn refused(by: &str) -> Result<u64, (String, String)> {
    Err((CONFLICT.to_owned(), by.to_owned()))
}

fn adds_agent(customer: Uuid) -> String {
    format!("insert into public.voice_agents (name, created_by) values ('x', '{customer}')")
}

fn adds_source(agent: Uuid) -> String {
    format!("insert into public.sources (voice_agent_id, name, size) values ('{agent}', 'a', 1)")
}

async fn plan(pool: &PgPool, customer: Uuid, plan: &str) {
    let sql = format!("update public.customer set {plan} where uuid = '{customer}'");
    sqlx::query(AssertSqlSafe(sql)).execute(pool).await.expect("a plan");
}

async fn total(pool: &PgPool, customer: Uuid) -> i32 {
    sqlx::query_scalar("select total_voiceagents from public.customer where uuid = $1")
        .bind(customer)
        .fetch_one(pool)
        .await
        .expect("a customer")
}

/// Writes in a transaction of its own while another one that writes the same is open, and gives what
/// came of it once that is committed. It must wait for the other.
async fn second(
    database: &FreshDatabase,
    first: &str,
    second: &str,
) -> Result<u64, (String, String)> {
    let mut one = PgConnection::connect_with(&database.options()).await.expect("a connection");
    let mut two = PgConnection::connect_with(&database.options()).await.expect("a connection");
    run(&mut one, "begin").await;
    write(&mut one, first).await.expect("the first is allowed");
    let process: i32 =
        sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut two).await.expect("its id");
    let commits = async {
        let waits = "select exists (select from pg_locks where pid = $1 and not granted)";
        let waiting = async {
            while !sqlx::query_scalar::<_, bool>(waits)
                .bind(process)
                .fetch_one(&mut one)
                .await
                .expect("the locks")
            {
                clock::pause(Duration::from_millis(5)).await;
            }
        };
        clock::within(Duration::from_secs(30), waiting).await.expect("the second waits");
        run(&mut one, "commit").await;
    };
    let (came, ()) = tokio::join!(write(&mut two, second), commits);
    came
}

#[tokio::test]
async fn a_plan_allows_as_many_agents_as_it_says() {
    let (_database, pool) = migrated().await;
    let mut connection = pool.acquire().await.expect("a connection");
    for (plan_is, allowed) in [
        ("plan_mode = null, voiceagents_allowed = 0", None),
        ("plan_mode = null, voiceagents_allowed = null", None),
        ("plan_mode = '', voiceagents_allowed = 0", None),
        ("plan_mode = null, voiceagents_allowed = 2", Some(2)),
        ("plan_mode = 'monthly', voiceagents_allowed = 1", Some(1)),
        ("plan_mode = 'monthly', voiceagents_allowed = 0", Some(0)),
        ("plan_mode = 'monthly', voiceagents_allowed = null", Some(0)),
    ] {
        let customer = person(&pool).await;
        plan(&pool, customer, plan_is).await;
        for n in 0..3 {
            let came = write(&mut connection, &adds_agent(customer)).await;
            let expected = match allowed {
                Some(most) if n >= most => refused("voiceagents_allowed"),
                _ => Ok(1),
            };
            assert_eq!(came, expected, "{n} with {plan_is}");
        }
        assert_eq!(total(&pool, customer).await, allowed.unwrap_or(3), "{plan_is}");
    }
}

#[tokio::test]
async fn an_agent_that_is_deleted_makes_place_and_one_that_comes_back_needs_it() {
    let (_database, pool) = migrated().await;
    let mut connection = pool.acquire().await.expect("a connection");
    let (customer, other) = (person(&pool).await, person(&pool).await);
    plan(&pool, customer, "voiceagents_allowed = 1").await;
    assert_eq!(write(&mut connection, &adds_agent(customer)).await, Ok(1));
    let marks = |status: &str| {
        format!(
            "update public.voice_agents set status = '{status}' where id in (select id from \
             public.voice_agents where created_by = '{customer}' order by created_at limit 1)"
        )
    };
    assert_eq!(write(&mut connection, &marks("inactive")).await, Ok(1));
    assert_eq!(write(&mut connection, &marks("deleted")).await, Ok(1));
    assert_eq!(total(&pool, customer).await, 0);
    assert_eq!(write(&mut connection, &adds_agent(customer)).await, Ok(1));
    assert_eq!(write(&mut connection, &marks("active")).await, refused("voiceagents_allowed"));
    // Nor by way of another customer.
    assert_eq!(write(&mut connection, &adds_agent(other)).await, Ok(1));
    let gives = format!(
        "update public.voice_agents set created_by = '{customer}' where created_by = '{other}'"
    );
    assert_eq!(write(&mut connection, &gives).await, refused("voiceagents_allowed"));
    let delete = format!("delete from public.voice_agents where created_by = '{customer}'");
    assert_eq!(write(&mut connection, &delete).await, Ok(2));
    assert_eq!(total(&pool, customer).await, 0);
    assert_eq!(write(&mut connection, &gives).await, Ok(1));
    assert_eq!((total(&pool, customer).await, total(&pool, other).await), (1, 0));
    let gone = format!("delete from auth.users where id = '{customer}'");
    assert_eq!(write(&mut connection, &gone).await, Ok(1));
}

#[tokio::test]
async fn of_two_who_add_at_once_one_is_over_the_plan() {
    let (database, pool) = migrated().await;
    let customer = person(&pool).await;
    plan(&pool, customer, "voiceagents_allowed = 1, source_links_allowed = 1").await;
    let came = second(&database, &adds_agent(customer), &adds_agent(customer)).await;
    assert_eq!(came, refused("voiceagents_allowed"));
    let agent: Uuid = sqlx::query_scalar("select id from public.voice_agents")
        .fetch_one(&pool)
        .await
        .expect("the agent");
    let came = second(&database, &adds_source(agent), &adds_source(agent)).await;
    assert_eq!(came, refused("source_links_allowed"));
}

#[tokio::test]
async fn sources_of_all_agents_count_together() {
    let (_database, pool) = migrated().await;
    let mut connection = pool.acquire().await.expect("a connection");
    let customer = person(&pool).await;
    for _ in 0..2 {
        assert_eq!(write(&mut connection, &adds_agent(customer)).await, Ok(1));
    }
    let agents: Vec<Uuid> = sqlx::query_scalar("select id from public.voice_agents")
        .fetch_all(&pool)
        .await
        .expect("the agents");
    assert_eq!(write(&mut connection, &adds_source(agents[0])).await, Ok(1));
    plan(&pool, customer, "plan_mode = 'x', source_links_allowed = 2").await;
    assert_eq!(write(&mut connection, &adds_source(agents[1])).await, Ok(1));
    assert_eq!(
        write(&mut connection, &adds_source(agents[1])).await,
        refused("source_links_allowed")
    );
    // What the agent was answered is no source that anybody added.
    for agent in &agents {
        for answer in ["Yes.", "No longer."] {
            let answers = format!(
                "select answer_keep('{agent}', null, 'parking', 'Parking?', '{answer}', null)"
            );
            assert_eq!(write(&mut connection, &answers).await, Ok(1), "{answer}");
        }
    }
    plan(&pool, customer, "plan_mode = 'x', source_links_allowed = 3").await;
    assert_eq!(write(&mut connection, &adds_source(agents[1])).await, Ok(1), "nor is it counted");
    let delete = format!("delete from public.sources where voice_agent_id = '{}'", agents[1]);
    let added = format!("{delete} and source_type is distinct from 'qa'");
    assert_eq!(write(&mut connection, &added).await, Ok(2));
    assert_eq!(write(&mut connection, &adds_source(agents[1])).await, Ok(1));
    plan(&pool, customer, "source_links_allowed = 2").await;
    // A call is admitted meanwhile: the lock that counts is not the one that a call needs.
    run(&mut connection, "begin").await;
    assert_eq!(write(&mut connection, &delete).await, Ok(2));
    assert_eq!(write(&mut connection, &adds_source(agents[1])).await, Ok(1));
    let mut other = pool.acquire().await.expect("a connection");
    run(&mut other, "set lock_timeout = '2s'").await;
    let call = format!(
        "insert into public.call_logs (voice_agent_id, call_start) values ('{}', now())",
        agents[1]
    );
    assert_eq!(write(&mut other, &call).await, Ok(1));
    run(&mut connection, "rollback").await;
}

#[tokio::test]
async fn the_last_owner_stays() {
    let town = town().await;
    let mut connection = town.pool.acquire().await.expect("a connection");
    let (agent, owner, other) = (town.agent, town.owner, town.stranger);
    let removes = format!(
        "delete from public.voice_agents_access where voice_agent_id = '{agent}' and user_id = '{owner}'"
    );
    for less in ["access = 'maintainer'", "status = false", "status = null"] {
        let sql = removes.replace(
            "delete from public.voice_agents_access",
            &format!("update public.voice_agents_access set {less}"),
        );
        assert_eq!(write(&mut connection, &sql).await, refused("last_owner"), "{less}");
    }
    assert_eq!(write(&mut connection, &removes).await, refused("last_owner"));
    let adds = format!(
        "insert into public.voice_agents_access (voice_agent_id, user_id, access) \
         values ('{agent}', '{other}', 'owner')"
    );
    assert_eq!(write(&mut connection, &adds).await, Ok(1));
    assert_eq!(write(&mut connection, &removes).await, Ok(1));
    // Whoever made the agent owns it all the same.
    let removes = removes.replace(&owner.to_string(), &other.to_string());
    assert_eq!(write(&mut connection, &removes).await, Ok(1));
    // With the agent or the person everything goes.
    assert_eq!(
        write(&mut connection, &adds.replace(&other.to_string(), &owner.to_string())).await,
        Ok(1)
    );
    let gone = format!("delete from public.customer where uuid = '{owner}'");
    assert_eq!(write(&mut connection, &gone).await, Ok(1));
}

#[tokio::test]
async fn of_two_owners_who_go_at_once_one_stays() {
    let (database, pool) = migrated().await;
    let agent = agent(&pool).await;
    let owner: Uuid = sqlx::query_scalar("select created_by from public.voice_agents")
        .fetch_one(&pool)
        .await
        .expect("the agent");
    let other = person(&pool).await;
    for person in [owner, other] {
        let adds = format!(
            "insert into public.voice_agents_access (voice_agent_id, user_id, access) \
             values ('{agent}', '{person}', 'owner')"
        );
        sqlx::query(AssertSqlSafe(adds)).execute(&pool).await.expect("an owner");
    }
    let removes =
        |person: Uuid| format!("delete from public.voice_agents_access where user_id = '{person}'");
    let came = second(&database, &removes(other), &removes(owner)).await;
    assert_eq!(came, refused("last_owner"));
}

/// Each agent has tables of its own, so there is an end to them without a plan, too.
#[tokio::test]
async fn without_a_plan_a_person_makes_a_hundred_agents_and_an_administrator_any_number() {
    let (_database, pool) = migrated().await;
    let mut connection = pool.acquire().await.expect("a connection");
    let adds = |customer: Uuid, n: u32| {
        format!(
            "insert into public.voice_agents (name, created_by)
            select 'x', '{customer}' from generate_series(1, {n})"
        )
    };
    let (owner, admin, other) = (person(&pool).await, person(&pool).await, person(&pool).await);
    plan(&pool, admin, "isadmin = true").await;
    // Whoever has the database makes as many as they like.
    let operators = person(&pool).await;
    assert_eq!(write(&mut connection, &adds(operators, 151)).await, Ok(151));
    let by_person = "select set_config('frontdesk.by_person', 'on', false)";
    assert_eq!(write(&mut connection, by_person).await, Ok(1));
    assert_eq!(write(&mut connection, &adds(owner, 99)).await, Ok(99));
    assert_eq!(write(&mut connection, &adds(owner, 2)).await, refused("agents_of_owner"));
    assert_eq!(write(&mut connection, &adds_agent(owner)).await, Ok(1));
    assert_eq!(write(&mut connection, &adds_agent(owner)).await, refused("agents_of_owner"));
    // Nor does somebody else's become theirs, nor one come back that was deleted.
    assert_eq!(write(&mut connection, &adds_agent(other)).await, Ok(1));
    let gives = format!(
        "update public.voice_agents set created_by = '{owner}' where created_by = '{other}'"
    );
    assert_eq!(write(&mut connection, &gives).await, refused("agents_of_owner"));
    let one = format!("(select id from public.voice_agents where created_by = '{owner}' limit 1)");
    let deletes = format!("update public.voice_agents set status = 'deleted' where id = {one}");
    assert_eq!(write(&mut connection, &deletes).await, Ok(1));
    assert_eq!(write(&mut connection, &adds_agent(owner)).await, Ok(1));
    let revives = "update public.voice_agents set status = 'active' where status = 'deleted'";
    assert_eq!(write(&mut connection, revives).await, refused("agents_of_owner"));
    plan(&pool, owner, "voiceagents_allowed = 101").await;
    assert_eq!(write(&mut connection, revives).await, Ok(1));
    assert_eq!(write(&mut connection, &adds_agent(owner)).await, refused("voiceagents_allowed"));
    assert_eq!(write(&mut connection, &adds(admin, 101)).await, Ok(101));
}
