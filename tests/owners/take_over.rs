//! Ending a live call, and putting its caller through.

use std::time::Duration;

use frontdesk::app::App;
use frontdesk::clock::within;
use frontdesk::rehearsal::phone::{CallReport, Step};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::desk::{Client, Desk};
use crate::live::{Events, call};

const DEADLINE: Duration = Duration::from_secs(40);

/// A call that has begun, and its caller, who stays until somebody ends it.
async fn begun(client: &Client, app: &App) -> (String, Events, JoinHandle<CallReport>) {
    let mut events = Events::open(client, "/api/v1/live").await;
    let steps = vec![Step::wait_for_agent(), Step::Wait(Duration::from_secs(100))];
    let calling = call(app, "+15551230001", steps);
    let started = events.until(|name, _| name == "call.started").await;
    events.says("agent", "Good day.").await;
    (started["call"].as_str().unwrap().to_owned(), events, calling)
}

async fn over(calling: JoinHandle<CallReport>) -> CallReport {
    within(DEADLINE, calling).await.expect("the call ends").unwrap()
}

async fn row(desk: &Desk, id: &str) -> Value {
    sqlx::query_scalar(
        "select jsonb_build_object('status', status, 'by', metadata->>'ended_by')
        from call_logs where id = $1::uuid",
    )
    .bind(id)
    .fetch_one(&desk.pool)
    .await
    .unwrap()
}

async fn deeds(desk: &Desk) -> Vec<(String, Value)> {
    let query = "select action, change from audit_log
        where action in ('call.end', 'call.transfer', 'access.refused') order by id";
    sqlx::query_as(query).fetch_all(&desk.pool).await.unwrap()
}

#[tokio::test]
async fn who_may_ends_a_call() {
    let desk = Desk::open().await;
    let support = desk.sign_in("support@example.com").await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let other = desk.sign_in("other@example.com").await;
    let (id, mut events, calling) = begun(&support, &desk.app).await;
    let path = format!("/api/v1/calls/{id}/end");

    let refused = support.post(&path, json!({})).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    assert!(!support.get(&format!("/live/{id}")).await.text.contains("End call"));
    assert_eq!(other.post(&path, json!({})).await.status, StatusCode::NOT_FOUND);
    let long = json!({"words": "x".repeat(301)});
    for (body, field) in [(long, "words"), (json!({"word": ""}), "word")] {
        let refused = maintainer.post(&path, body).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
        assert!(refused.text.contains(field), "{}", refused.text);
    }
    assert!(maintainer.get(&format!("/live/{id}")).await.text.contains("End call"));

    let words = [("words", "We have to close now.")];
    let done = maintainer.form(&format!("/live/{id}/end"), &words).await;
    assert_eq!((done.status, done.header("location")), told(&id, "end"), "{}", done.text);
    over(calling).await;
    events.until(|name, _| name == "call.ended").await;
    assert_eq!(row(&desk, &id).await, json!({"status": "completed", "by": "owner"}));
    // Who did it stands on the call's page, for those who see what others do.
    let page = format!("/calls/{id}");
    let page = (maintainer.get(&page).await.text, support.get(&page).await.text);
    assert!(page.0.contains("Ended by <bdi>") && !page.1.contains("Ended by <bdi>"), "{page:?}");
    let again = maintainer.post(&path, json!({})).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.text);
    let expected = [
        ("access.refused".to_owned(), json!({"wanted": "call.end"})),
        ("call.end".to_owned(), json!({"words": true})),
    ];
    assert_eq!(deeds(&desk).await, expected);
}

fn told(id: &str, what: &str) -> (StatusCode, &'static str) {
    (StatusCode::SEE_OTHER, format!("/live/{id}?told={what}").leak())
}

#[tokio::test]
async fn a_caller_is_put_through_to_whom_somebody_names() {
    let desk = Desk::open().await;
    desk.sql(
        "update voice_agents set private_settings = private_settings || '{\"live\": {\"take_over\": \
         \"support\"}, \"transfer\": {\"targets\": {\"Desk\": \"+442070000001\"}}}'",
    )
    .await;
    desk.app.directory.refresh(None, None).await;
    let support = desk.sign_in("support@example.com").await;
    let (id, mut events, calling) = begun(&support, &desk.app).await;
    let path = format!("/api/v1/calls/{id}/transfer");
    let refused = support.post(&path, json!({"to": "+442070000002"})).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    for odd in ["nobody", "911", ""] {
        let refused = support.post(&path, json!({"to": odd})).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
        assert_eq!(refused.json()["field"], "to");
        assert!(refused.text.contains("Desk"), "{}", refused.text);
    }
    let done = support.post(&path, json!({"to": "Desk"})).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{}", done.text);
    events.says("event", "Put through to Desk").await;
    let report = over(calling).await;
    assert_eq!(report.dialled.len(), 1);
    assert_eq!(report.dialled[0].number, "+442070000001");
    events.until(|name, _| name == "call.ended").await;
    assert_eq!(row(&desk, &id).await["status"], "transferred");

    // A number, with the name of who gives it.
    let owner = desk.sign_in("owner@example.com").await;
    let (id, mut events, calling) = begun(&owner, &desk.app).await;
    let form = [("to", "Desk"), ("number", "020 7000 0002")];
    let done = owner.form(&format!("/live/{id}/transfer"), &form).await;
    assert_eq!((done.status, done.header("location")), told(&id, "transfer"), "{}", done.text);
    events.says("event", "Put through to Olivia Owner").await;
    let report = over(calling).await;
    assert_eq!(report.dialled[0].number, "+442070000002");
    let noted = deeds(&desk).await;
    assert_eq!(noted[noted.len() - 1].1, json!({"to": "a number"}), "no number is written down");
}

#[tokio::test]
async fn a_caller_is_put_through_to_whoever_watches() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let (id, mut events, calling) = begun(&owner, &desk.app).await;
    let (page, path) = (format!("/live/{id}"), format!("/live/{id}/transfer"));
    let without = owner.get(&page).await.text;
    assert!(without.contains("href=\"/account\"") && !without.contains("to me"), "{without}");
    assert!(!without.contains("autocomplete=\"tel\""), "a browser would fill in a number");
    let phone = async |number: &str| {
        desk.sql(&format!("update customer set phone = '{number}' where email like 'owner@%'"))
            .await;
    };
    let refused = owner.form(&path, &[("me", "yes")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
    // The agent's own number would bring the caller back.
    for useless in ["12", "+15559870001"] {
        phone(useless).await;
        let text = owner.get(&page).await.text;
        assert!(text.contains("can't take this call") && !text.contains("to me"), "{text}");
    }
    // So would the line that forwarded this call.
    desk.sql(
        "update call_logs set metadata = metadata || '{\"forwarded_by\": \"+442070000008\"}'
        where call_end is null",
    )
    .await;
    phone("020 7000 0008").await;
    let refused = owner.form(&path, &[("me", "yes")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
    for circle in ["+442070000008", "+15559870001"] {
        let to = format!("/api/v1/calls/{id}/transfer");
        let refused = owner.post(&to, json!({"to": circle})).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
        assert!(refused.text.contains("would come back here"), "{}", refused.text);
    }
    phone("020 7000 0009").await;
    let text = owner.get(&page).await.text;
    assert!(text.contains("Put through to me (+44 20 7000 0009)"), "{text}");
    let done = owner.form(&path, &[("me", "yes")]).await;
    assert_eq!((done.status, done.header("location")), told(&id, "transfer"), "{}", done.text);
    events.says("event", "Put through to Olivia Owner").await;
    let report = over(calling).await;
    assert_eq!(report.dialled[0].number, "+442070000009");
    assert_eq!(deeds(&desk).await.last().unwrap().1, json!({"to": "themselves"}));
}

#[tokio::test]
async fn a_call_that_was_put_through_offers_nothing_more() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let call = crate::calls::add_call(
        &desk,
        desk.agent,
        json!({"call_end": null, "status": "in-progress"}),
    )
    .await;
    desk.sql(&format!("update call_logs set call_start = now() where id = '{call}'")).await;
    let page = format!("/live/{call}");
    assert!(owner.get(&page).await.text.contains("End call"));
    desk.sql(&format!(
        "update call_logs set out_until = now() + interval '1 hour' where id = '{call}'"
    ))
    .await;
    let text = owner.get(&page).await.text;
    assert!(text.contains("id=\"act\"") && !text.contains("End call"), "{text}");
}

#[tokio::test]
async fn a_call_of_another_process_is_ended_too() {
    let desk = Desk::open().await;
    let neighbour = desk.neighbour().await;
    let owner = desk.sign_in("owner@example.com").await;
    let (id, mut events, calling) = begun(&owner, &neighbour).await;
    let done = owner.post(&format!("/api/v1/calls/{id}/end"), json!({})).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{}", done.text);
    over(calling).await;
    events.until(|name, _| name == "call.ended").await;
    assert_eq!(row(&desk, &id).await, json!({"status": "completed", "by": "owner"}));
    let left: i64 = sqlx::query_scalar("select count(*) from call_commands")
        .fetch_one(&desk.pool)
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn what_came_to_nothing_is_not_said_to_be_done_when_it_is_asked_for_again() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    // A process that carries out nothing has the call.
    let columns = json!({"call_sid": "CA1", "call_end": null, "status": "in-progress"});
    let id = crate::calls::add_call(&desk, desk.agent, columns).await;
    desk.sql(&format!("update call_logs set instance_id = gen_random_uuid() where id = '{id}'"))
        .await;
    for _ in 0..2 {
        let answered = owner.post(&format!("/api/v1/calls/{id}/end"), json!({})).await;
        assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answered.text);
    }
    let shown = owner.get("/activity").await.text;
    assert!(shown.contains("wanted something done with a call, and nothing was"), "{shown}");
}

#[tokio::test]
async fn of_several_at_once_one_puts_the_caller_through() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let (id, mut events, calling) = begun(&owner, &desk.app).await;
    let path = format!("/api/v1/calls/{id}/transfer");
    let put = |n: u32| owner.post(&path, json!({"to": format!("+44207000000{n}")}));
    let (a, b, c, d) = tokio::join!(put(1), put(2), put(3), put(4));
    let mut statuses = [a, b, c, d].map(|answered| answered.status.as_u16());
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 409, 409, 409]);
    events.says("event", "Put through to Olivia Owner").await;
    assert_eq!(over(calling).await.dialled.len(), 1);
    let noted = deeds(&desk).await;
    assert_eq!(noted, [("call.transfer".to_owned(), json!({"to": "a number"}))]);
}
