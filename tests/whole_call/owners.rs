//! Two servers that have one call, one after the other, and the first does not know it.

use frontdesk::app::App;
use frontdesk::rehearsal::phone::random_sid;
use frontdesk::rehearsal::phone::twiml_reader::{self, Verb};
use serde_json::json;

use crate::harness::{DEADLINE, GREETING, House, NUMBER, TOKEN, row, stream_url, until};
use crate::stream::Media;

const LOST: &str = "Sorry, the line was lost for a moment. Where were we?";

/// A call at the house that has said its greeting.
async fn greeted(house: &House) -> (String, Media) {
    let sid = random_sid("CA");
    let media = Media::open(&stream_url(&house.ring(&sid).await), &sid).await;
    heard(house, &sid, GREETING).await;
    (sid, media)
}

/// Waits until the caller has heard all of these words.
async fn heard(house: &House, sid: &str, words: &str) {
    let said = || async {
        let found: Option<i32> = sqlx::query_scalar(
            "select 1 from call_events e join call_logs l on l.id = e.call_log_id
            where l.call_sid = $1 and e.kind = 'agent_said' and btrim(e.data ->> 'heard') = $2
            limit 1",
        )
        .bind(sid)
        .bind(words)
        .fetch_optional(&house.pool)
        .await
        .unwrap();
        found
    };
    until(words, DEADLINE, said).await;
}

/// The phone company asks this server what happens next.
async fn after(house: &House, app: &App, sid: &str) -> Vec<Verb> {
    let fields = [("CallSid", sid), ("To", NUMBER), ("CallStatus", "in-progress")];
    let url = app.public_url.join("/twilio/after");
    let (status, body) = house.post_to(&url, &fields, Some(TOKEN)).await;
    assert_eq!(status, 200, "{body}");
    twiml_reader::parse(&body).unwrap()
}

/// The epochs of the call's events, in the order of their writing, each once.
async fn epochs(house: &House, sid: &str) -> Vec<i32> {
    let mut epochs: Vec<i32> = sqlx::query_scalar(
        "select e.epoch from call_events e join call_logs l on l.id = e.call_log_id
        where l.call_sid = $1 order by e.created_at, e.seq",
    )
    .bind(sid)
    .fetch_all(&house.pool)
    .await
    .unwrap();
    epochs.dedup();
    epochs
}

#[tokio::test]
async fn a_task_that_has_lost_its_call_writes_nothing_more_of_it() {
    let house = House::with(vec![], json!({})).await;
    let neighbour = house.neighbour().await;
    let (sid, first) = greeted(&house).await;
    let second = Media::open(&stream_url(&after(&house, &neighbour, &sid).await), &sid).await;
    heard(&house, &sid, LOST).await;
    // The line that was lost here never comes back, and the task gives the call up.
    drop(first);
    house.emptied().await;
    let live = row(&house.pool, &sid).await.unwrap();
    assert_eq!((&live.0["status"], &live.0["epoch"]), (&json!("in-progress"), &json!(3)));
    assert_eq!(epochs(&house, &sid).await, [1, 3]);
    // Its webhooks are answered as those of a live call that is elsewhere.
    assert!(!house.app.services.registry.has_ended(house.agent, &sid));

    drop(second);
    let over = [("CallSid", sid.as_str()), ("To", NUMBER), ("CallStatus", "completed")];
    let url = neighbour.public_url.join("/twilio/after");
    house.post_to(&url, &over, Some(TOKEN)).await;
    let row = house.row(&sid).await;
    assert_eq!(row.end(), ("completed", "caller"));
    assert_eq!(row.lines(), [format!("Agent: {GREETING}"), format!("Agent: {LOST}")]);
    assert_eq!(epochs(&house, &sid).await, [1, 3]);
}

#[tokio::test]
async fn a_task_that_has_lost_its_call_lets_go_of_it_when_the_caller_comes_back() {
    let house = House::with(vec![], json!({})).await;
    let neighbour = house.neighbour().await;
    let (sid, _first) = greeted(&house).await;
    stream_url(&after(&house, &neighbour, &sid).await);
    // The neighbour has the call, and its stream does not come. The webhook comes again, here.
    let again = house.ring(&sid).await;
    let now = row(&house.pool, &sid).await.unwrap();
    let ours = json!(house.app.services.instance_id);
    assert_eq!((&now.0["epoch"], &now.0["instance_id"]), (&json!(5), &ours));
    let media = Media::open(&stream_url(&again), &sid).await;
    heard(&house, &sid, LOST).await;
    assert_eq!(house.app.services.registry.live(), 1);
    // So it is at the neighbour, whose task waits for its stream still, when it is asked.
    stream_url(&after(&house, &neighbour, &sid).await);
    let now = row(&house.pool, &sid).await.unwrap();
    let theirs = json!(neighbour.services.instance_id);
    assert_eq!((&now.0["epoch"], &now.0["instance_id"]), (&json!(7), &theirs));
    drop(media);
    assert_eq!(epochs(&house, &sid).await, [1, 5]);
}
