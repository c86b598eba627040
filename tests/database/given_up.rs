//! A statement that nobody waits for any more does not stay at the server.

use std::time::Duration;

use frontdesk::clock;
use frontdesk::store::Store;

use super::common::run;
use super::migrated;

const SID: &str = "CA00000000000000000000000000000001";

#[tokio::test]
async fn statements_that_are_given_up_do_not_pile_up() {
    let (database, pool) = migrated().await;
    let store = Store::at(database.url().as_str(), 3).expect("an address");
    let mut locked = pool.begin().await.expect("a transaction");
    run(&mut locked, "lock table public.call_logs in access exclusive mode").await;
    // Each would wait for the lock for good.
    for _ in 0..6 {
        let asked = clock::within(Duration::from_millis(500), store.agent_of_call(SID)).await;
        assert!(asked.is_none(), "it waits");
    }
    let waiting = "select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'";
    let none_left = async {
        loop {
            let waiting: i64 =
                sqlx::query_scalar(waiting).fetch_one(&mut *locked).await.expect("a count");
            if waiting == 0 {
                break;
            }
            clock::pause(Duration::from_millis(5)).await;
        }
    };
    assert!(clock::within(Duration::from_secs(30), none_left).await.is_some(), "they are gone");
}
