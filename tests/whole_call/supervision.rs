//! A server of which a part has ended does not look well, and goes down.

use std::collections::BTreeSet;

use frontdesk::clock::within;
use frontdesk::rehearsal::phone::Step;
use serde_json::json;

use crate::harness::{DEADLINE, House, row, say, turn};

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

/// That there is no other one, `tests/architecture.rs` reads from the source.
#[tokio::test]
async fn every_task_of_the_server_is_watched() {
    let house = House::with(vec![], json!({})).await;
    let watched: BTreeSet<_> = house.app.tasks.tasks().into_iter().map(|(name, _)| name).collect();
    let all = [
        "answers",
        "asker",
        "callbacks",
        "changes",
        "commands for calls",
        "lag",
        "live calls",
        "log replay",
        "log stand-in",
        "log writer",
        "reconciler",
        "recorder",
        "recordings",
        "retention",
        "serving",
        "sources",
        "work after calls",
    ];
    assert_eq!(watched, BTreeSet::from(all));
}

#[tokio::test]
async fn a_call_whose_log_has_lost_a_task_is_written_to_its_end() {
    for broken in [&["log writer"][..], &["log replay"], &["log writer", "log stand-in"]] {
        let house = House::with(vec![turn("Are you open?", "We are.")], json!({})).await;
        let steps = vec![Step::wait_for_agent(), say(0), Step::wait_for_agent(), Step::HangUp];
        let mut call = house.place(house.options(), steps);
        call.heard_agent().await;
        let tasks = house.app.tasks.tasks();
        tasks.iter().filter(|(name, _)| broken.contains(name)).for_each(|(_, task)| task.abort());
        let sid = call.ended().await.call_sid;
        assert!(broken.contains(&within(DEADLINE, house.app.failure()).await.unwrap()));
        house.emptied().await;
        let going_down = house.app.shut_down(std::future::ready(()));
        within(DEADLINE, going_down).await.expect("it goes down in time");

        let row = row(&house.pool, &sid).await.unwrap();
        assert_eq!(row.end(), ("completed", "caller"), "{broken:?}");
        let events: Vec<(String, String)> = sqlx::query_as(
            "select e.kind, e.data::text from call_events e
             join call_logs l on l.id = e.call_log_id where l.call_sid = $1 order by e.epoch, e.seq",
        )
        .bind(&sid)
        .fetch_all(&house.pool)
        .await
        .unwrap();
        let count = |kind: &str, words: &str| {
            events.iter().filter(|(k, data)| k == kind && data.contains(words)).count()
        };
        // What was said again is removed when a call has ended.
        for (kind, words) in [("caller_said", "Are you open?"), ("agent_said", "We are.")] {
            assert!(count(kind, words) > 0, "{broken:?}: {kind} of {events:?}");
        }
        assert_eq!(count("reply_requested", ""), 2, "{broken:?}: {events:?}");
        let last = events.last().map(|(kind, _)| kind.as_str());
        assert_eq!(last, Some("ended"), "{broken:?}: {events:?}");
    }
}
