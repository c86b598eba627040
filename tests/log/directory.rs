//! Who answers a number is known, also while the database is away.

use frontdesk::clock::Clock;
use frontdesk::line::directory::{Directory, LookUp};
use frontdesk::store::Store;

use crate::fixture::{eventually, fixture};
use crate::proxy::{Proxy, Wire};

const NUMBER: &str = "+15559870001";

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_could_not_be_read_is_read_by_a_later_call() {
    let fixture = fixture().await;
    let proxy = Proxy::to(&fixture.database.options()).await;
    let store = Store::connect_lazily(proxy.options(fixture.database.options()), 4);
    let directory = Directory::new(store, Clock::real());
    let name = async || match directory.look_up(NUMBER).await {
        LookUp::Found(agent) => agent.name.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(name().await, "Mia");
    proxy.set(Wire::Stalled);
    fixture.sql("update voice_agents set name = 'Ada'").await;
    // Comes back although the wire is silent.
    directory.refresh(Some(fixture.agent), Some(NUMBER)).await;
    assert_eq!(name().await, "Mia");
    proxy.set(Wire::Joined);
    eventually("the new name", async || name().await == "Ada").await;
}

#[tokio::test]
async fn an_unknown_number_answers_as_soon_as_its_agent_is_told() {
    let fixture = fixture().await;
    let directory = Directory::new(fixture.store.clone(), Clock::real());
    fixture.sql("update voice_agents set twilio_phone_number = null").await;
    assert!(matches!(directory.look_up(NUMBER).await, LookUp::Unknown));
    fixture.sql("update voice_agents set twilio_phone_number = '+15559870001'").await;
    directory.refresh(Some(fixture.agent), Some(NUMBER)).await;
    assert!(matches!(directory.look_up(NUMBER).await, LookUp::Found(_)));
}
