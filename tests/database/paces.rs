//! What somebody may do so often is counted by all processes together, however many ask at once.

use frontdesk::store::Store;
use frontdesk::store::paces::Pace;
use futures_util::future::join_all;
use uuid::Uuid;

use super::migrated;

const RULE: Pace = Pace { name: "text", burst: 5, seconds: 600 };

#[tokio::test]
async fn all_count_together_and_a_start_forgets_nothing() {
    let (database, pool) = migrated().await;
    let one = Store::new(pool);
    let other = Store::new(database.pool(4).await);
    let (anna, ben) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let asked = (0..20).map(|n| {
        let store = if n % 2 == 0 { &one } else { &other };
        store.take_pace(&RULE, anna)
    });
    let waits: Vec<Option<u64>> =
        join_all(asked).await.into_iter().map(|wait| wait.expect("it is counted")).collect();
    assert_eq!(waits.iter().filter(|wait| wait.is_none()).count(), 5, "{waits:?}");
    // One more comes with each two minutes.
    assert!(waits.iter().flatten().all(|seconds| (1..=120).contains(seconds)), "{waits:?}");
    let fresh = Store::new(database.pool(1).await);
    assert!(fresh.take_pace(&RULE, anna).await.expect("it is counted").is_some());
    assert_eq!(fresh.take_pace(&RULE, ben).await.expect("it is counted"), None);
    let another = Pace { name: "invitation", ..RULE };
    assert_eq!(fresh.take_pace(&another, anna).await.expect("it is counted"), None);
    sqlx::query("update frontdesk_paces set paid_at = paid_at - interval '2 minutes'")
        .execute(fresh.pool())
        .await
        .expect("time passes");
    assert_eq!(fresh.take_pace(&RULE, anna).await.expect("it is counted"), None);
    assert!(fresh.take_pace(&RULE, anna).await.expect("it is counted").is_some());
}

#[tokio::test]
async fn what_is_long_paid_for_is_removed() {
    let (_database, pool) = migrated().await;
    sqlx::query(
        "insert into frontdesk_paces (key, paid_at)
        select 'text ' || n, now() - interval '2 days' from generate_series(1, 12) n",
    )
    .execute(&pool)
    .await
    .expect("rows");
    let store = Store::new(pool.clone());
    for _ in 0..2 {
        store.take_pace(&RULE, Uuid::from_u128(1)).await.expect("it is counted");
    }
    let left: i64 = sqlx::query_scalar("select count(*) from frontdesk_paces")
        .fetch_one(&pool)
        .await
        .expect("a count");
    assert_eq!(left, 1);
}
