//! A server of which a part has ended does not look well, and goes down.

use std::collections::BTreeSet;

use frontdesk::clock::within;
use serde_json::json;

use crate::harness::{DEADLINE, House};

#[tokio::test]
async fn a_server_of_which_a_part_has_ended_is_not_ready_and_goes_down() {
    for name in ["log writer", "reconciler"] {
        let house = House::with(vec![], json!({})).await;
        let ready = house.app.public_url.join("/readyz");
        assert_eq!(house.http.get(&ready).send().await.unwrap().status(), 200);
        let tasks = house.app.tasks.tasks();
        let (_, task) = tasks.iter().find(|(known, _)| *known == name).unwrap();
        task.abort();
        assert_eq!(within(DEADLINE, house.app.failure()).await, Some(name));
        let answer = house.http.get(&ready).send().await.unwrap();
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.text().await.unwrap(), "a task has ended\n");
        let going_down = house.app.shut_down(std::future::ready(()));
        within(DEADLINE, going_down).await.expect("it goes down in time");
    }
}

#[tokio::test]
async fn every_task_of_the_server_is_watched() {
    let house = House::with(vec![], json!({})).await;
    let watched: BTreeSet<_> = house.app.tasks.tasks().into_iter().map(|(name, _)| name).collect();
    let all = [
        "asker",
        "callbacks",
        "changes",
        "lag",
        "log replay",
        "log writer",
        "reconciler",
        "recorder",
        "recordings",
        "retention",
        "serving",
        "work after calls",
    ];
    assert_eq!(watched, BTreeSet::from(all));
}
