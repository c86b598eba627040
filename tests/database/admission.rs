//! `admit_call`: exact counts, one row per CallSid.

use serde_json::json;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPool;
use uuid::Uuid;

use super::{agent, migrated};

async fn admit(
    pool: &PgPool,
    agent: Uuid,
    sid: &str,
    limit: Option<i32>,
) -> (Option<Uuid>, String) {
    sqlx::query_as(
        "select * from public.admit_call($1, $2, $3, '+15551230001', $4, $5, $6, $7, now())",
    )
    .bind(Uuid::new_v4())
    .bind(agent)
    .bind(sid)
    .bind(Uuid::new_v4())
    .bind(Uuid::new_v4().to_string())
    .bind(limit)
    .bind(json!({"call_sid": sid}))
    .fetch_one(pool)
    .await
    .expect("an outcome")
}

async fn count(pool: &PgPool, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from call_logs where {sql}")))
        .fetch_one(pool)
        .await
        .expect("a count")
}

/// 50 calls at once, each on a connection of its own.
async fn fifty(
    pool: &PgPool,
    agent: Uuid,
    limit: Option<i32>,
    sid: fn(usize) -> String,
) -> Vec<String> {
    let calls = (0..50).map(|n| async move { admit(pool, agent, &sid(n), limit).await.1 });
    futures_util::future::join_all(calls).await
}

#[tokio::test]
async fn of_fifty_calls_at_once_exactly_the_limit_is_admitted() {
    let (database, _pool) = migrated().await;
    let pool = database.pool(50).await;
    let agent = agent(&pool).await;
    let outcomes = fifty(&pool, agent, Some(20), |n| format!("CA{n}")).await;
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "admitted").count(), 20);
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "over_limit").count(), 30);
    assert_eq!(count(&pool, "status = 'in-progress'").await, 50, "each call has a row");
    assert_eq!(count(&pool, "holds_line and stream_nonce is not null").await, 20);
    assert_eq!(count(&pool, "not holds_line and stream_nonce is null").await, 30);

    // A line that becomes free is given to the next call; another agent's lines are its own.
    let sql = "update call_logs set call_end = now(), status = 'completed' \
               where call_sid = (select min(call_sid) from call_logs where holds_line)";
    sqlx::query(sql).execute(&pool).await.expect("one ends");
    assert_eq!(admit(&pool, agent, "CAnext", Some(20)).await.1, "admitted");
    assert_eq!(admit(&pool, agent, "CAafter", Some(20)).await.1, "over_limit");
    assert_eq!(admit(&pool, agent, "CAunlimited", None).await.1, "admitted");
    let other = super::agent(&pool).await;
    assert_eq!(admit(&pool, other, "CAother", Some(1)).await.1, "admitted");
}

#[tokio::test]
async fn one_webhook_that_comes_fifty_times_at_once_is_one_call() {
    let (database, _pool) = migrated().await;
    let pool = database.pool(50).await;
    let agent = agent(&pool).await;
    for (limit, sid) in [(Some(1), "CAlimited"), (None, "CAunlimited")] {
        let outcomes = match limit {
            Some(_) => fifty(&pool, agent, limit, |_| "CAlimited".to_owned()).await,
            None => fifty(&pool, agent, limit, |_| "CAunlimited".to_owned()).await,
        };
        assert_eq!(outcomes.iter().filter(|outcome| *outcome == "admitted").count(), 1, "{sid}");
        assert_eq!(outcomes.iter().filter(|outcome| *outcome == "repeated").count(), 49, "{sid}");
        assert_eq!(count(&pool, &format!("call_sid = '{sid}'")).await, 1);
    }
}

#[tokio::test]
async fn a_repeated_webhook_keeps_the_row_and_voids_the_old_token() {
    let (_database, pool) = migrated().await;
    let agent = agent(&pool).await;
    let nonce = "select stream_nonce from call_logs where call_sid = 'CA1'";
    let (first, outcome) = admit(&pool, agent, "CA1", Some(1)).await;
    assert_eq!(outcome, "admitted");
    let old: String = sqlx::query_scalar(nonce).fetch_one(&pool).await.expect("a nonce");
    let (second, outcome) = admit(&pool, agent, "CA1", Some(1)).await;
    assert_eq!((second, outcome.as_str()), (first, "repeated"));
    let new: String = sqlx::query_scalar(nonce).fetch_one(&pool).await.expect("a nonce");
    assert_ne!(new, old);

    // A call that was refused stays refused, with its one row, and gets no token.
    let (refused, outcome) = admit(&pool, agent, "CA2", Some(1)).await;
    assert_eq!(outcome, "over_limit");
    assert_eq!(admit(&pool, agent, "CA2", Some(1)).await, (refused, "over_limit".to_owned()));
    assert_eq!(count(&pool, "stream_nonce is not null").await, 1);

    sqlx::query("update call_logs set call_end = now()").execute(&pool).await.expect("they end");
    assert_eq!(admit(&pool, agent, "CA1", Some(1)).await, (first, "ended".to_owned()));
    assert_eq!(admit(&pool, Uuid::new_v4(), "CA3", None).await, (None, "no_agent".to_owned()));
    assert_eq!(count(&pool, "true").await, 2);
}

#[tokio::test]
async fn only_the_servers_own_role_may_admit() {
    let (_database, pool) = migrated().await;
    let allowed: bool = sqlx::query_scalar(
        "select bool_or(has_function_privilege(role, p.oid, 'execute')) \
         from pg_proc p, unnest(array['anon', 'authenticated']) role where p.proname = 'admit_call'",
    )
    .fetch_one(&pool)
    .await
    .expect("an answer");
    assert!(!allowed);
}
