//! People for tests that ask the store without a server.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test program compiles this file and uses its own part of it"
)]

use frontdesk::store::Store;
use frontdesk::store::access::{AgentAccess, Level, Object, VisibleAgents};
use frontdesk::store::people::Viewer;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPool;
use uuid::Uuid;

/// Whoever made the agent, with a token that may write.
pub(crate) async fn owner_of(pool: &PgPool, agent: Uuid) -> Viewer {
    let owner: Uuid = sqlx::query_scalar("select created_by from voice_agents where id = $1")
        .bind(agent)
        .fetch_one(pool)
        .await
        .expect("the agent has an owner");
    viewer(pool, owner).await
}

/// A new person who may tick the agent's tasks off.
pub(crate) async fn helper_of(pool: &PgPool, agent: Uuid) -> Viewer {
    let person = Uuid::new_v4();
    for sql in [
        format!("insert into auth.users (id, email) values ('{person}', '{person}@example.com')"),
        format!(
            "insert into customer (uuid, email, username, plan_id)
            values ('{person}', '{person}@example.com', 'x', 1)"
        ),
    ] {
        sqlx::query(AssertSqlSafe(sql)).execute(pool).await.expect("a person");
    }
    sqlx::query(
        "insert into voice_agents_access (voice_agent_id, user_id, access) values ($1, $2, 'support')",
    )
    .bind(agent)
    .bind(person)
    .execute(pool)
    .await
    .expect("access");
    viewer(pool, person).await
}

async fn viewer(pool: &PgPool, person: Uuid) -> Viewer {
    let mut secret = [0_u8; 32];
    secret[..16].copy_from_slice(Uuid::new_v4().as_bytes());
    sqlx::query(
        "insert into api_tokens (token_hash, user_id, name, scope) values ($1, $2, 't', 'write')",
    )
    .bind(secret.as_slice())
    .bind(person)
    .execute(pool)
    .await
    .expect("a token");
    let viewer = Store::new(pool.clone()).viewer_of_token(&secret).await;
    viewer.expect("the store answers").expect("the token is in force")
}

/// What they may do with an agent.
pub(crate) async fn access<L: Level>(
    pool: &PgPool,
    viewer: &Viewer,
    agent: Uuid,
) -> AgentAccess<L> {
    let store = Store::new(pool.clone());
    store.access::<L>(viewer, Object::Agent(agent)).await.expect("they may")
}

/// The agents that they see.
pub(crate) async fn agents(pool: &PgPool, viewer: &Viewer) -> VisibleAgents {
    Store::new(pool.clone()).visible_agents(viewer).await.expect("the store answers")
}
