//! What owners are told where something is not as they may think.

use http::{Method, StatusCode};
use serde_json::json;

use crate::calls::add_call;
use crate::desk::{Body, Desk};

#[tokio::test]
async fn an_errors_page_keeps_the_menu_of_who_is_signed_in_and_has_a_way_back() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let support = desk.sign_in("support@example.com").await;
    let agent = format!("/agents/{}", desk.agent);
    for (answered, status) in [
        (owner.get("/nowhere").await, StatusCode::NOT_FOUND),
        (owner.get(&format!("/agents/{}", desk.other_agent)).await, StatusCode::NOT_FOUND),
        (owner.get("/usage?days=abc").await, StatusCode::BAD_REQUEST),
        (support.get(&format!("{agent}/versions")).await, StatusCode::FORBIDDEN),
        (
            owner.form(&format!("{agent}/delete"), &[("name", "Another")]).await,
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (owner.get(&format!("{agent}/delete")).await, StatusCode::METHOD_NOT_ALLOWED),
    ] {
        assert_eq!(answered.status, status, "{}", answered.text);
        for words in ["<nav class=\"menu\"", "href=\"/bookings", "Sign out"] {
            assert!(answered.text.contains(words), "{status}: {words}: {}", answered.text);
        }
    }
    let referer = format!("http://{}{agent}?saved=1", desk.app.address);
    let (_, bytes) = owner.get_with("/nowhere", "referer", &referer).await;
    let page = String::from_utf8(bytes).unwrap();
    assert!(page.contains(&format!("href=\"{agent}?saved=1\"")), "{page}");
    let (_, bytes) = owner.get_with("/nowhere", "referer", "https://evil.example/x").await;
    assert!(!String::from_utf8(bytes).unwrap().contains("Back to where you were"));
    let stranger = desk.stranger().get("/nowhere").await;
    assert!(!stranger.text.contains("class=\"menu\""), "{}", stranger.text);
}

#[tokio::test]
async fn what_is_sent_after_the_session_ended_is_said_to_be_unsaved() {
    let desk = Desk::open().await;
    let sent = desk.stranger().form("/tasks/1", &[("done", "yes")]).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    let to = sent.header("location");
    assert!(to.starts_with("/sign-in?unsaved=1"), "{to}");
    let page = desk.stranger().get(to).await.text;
    assert!(page.contains("what you sent was not saved"), "{page}");
    assert!(!desk.stranger().get("/sign-in").await.text.contains("was not saved"));
}

#[tokio::test]
async fn new_hours_tell_of_the_bookings_outside_of_them() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    for name in ["Ann", "Ben"] {
        // Some Tuesday that is to come.
        desk.sql(&format!(
            "insert into appointments (voice_agent_id, name, phone_number, service, schedule_time)
            values ('{}', '{name}', '', '', date_trunc('week', now()) + interval '15 days 11 hours')",
            desk.agent
        ))
        .await;
    }
    let hours = |closes: &'static str| {
        [
            ("keeps", "hours"),
            ("tuesday.0.open", "09:00"),
            ("tuesday.0.close", closes),
            ("business.business_timezone", "Europe/London"),
            ("settings.hours.closed", "answer"),
        ]
    };
    let saved = crate::agents_pages::send(&desk, &owner, "hours", &hours("10:00")).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "it is saved all the same: {}", saved.text);
    let page = owner.get(saved.header("location")).await.text;
    assert!(page.contains("2 bookings lie outside the opening hours now"), "{page}");
    assert!(page.contains("<bdi>Ann</bdi>") && page.contains("href=\"/bookings/"), "{page}");
    let saved = crate::agents_pages::send(&desk, &owner, "hours", &hours("17:00")).await;
    let page = owner.get(saved.header("location")).await.text;
    assert!(!page.contains("outside the opening hours now"), "{page}");
    assert!(!page.contains("never open"), "{page}");
    let none = hours("17:00");
    let none = [none[0], none[3], none[4]];
    let saved = crate::agents_pages::send(&desk, &owner, "hours", &none).await;
    let page = owner.get(saved.header("location")).await.text;
    assert!(page.contains("By these hours the business is never open"), "{page}");
}

#[tokio::test]
async fn a_new_booking_begins_with_what_was_agreed_or_with_no_day() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let agent = desk.agent;
    let page = owner.get(&format!("/bookings/new?agent={agent}")).await.text;
    assert!(page.contains("name=\"date\" value=\"\""), "{page}");
    let spoken = json!({"date": "2027-03-01", "time": "14:30", "service": "Filling",
        "name": "Ann Reed", "why": "taken"});
    let call =
        add_call(&desk, agent, json!({"metadata": {"extracted_appointments": [spoken]}})).await;
    let task = desk
        .made(&format!(
            "insert into call_tasks (voice_agent_id, call_log_id, kind, ordinal, text, urgency, at)
            values ('{agent}', '{call}', 'claim', 1, 'x, but no booking was made.', 1, now())
            returning id::text"
        ))
        .await;
    let page = owner.get(&format!("/bookings/new?agent={agent}&task={task}")).await.text;
    for value in ["2027-03-01", "14:30", "Filling", "Ann Reed"] {
        assert!(page.contains(&format!("value=\"{value}\"")), "{value}: {page}");
    }
    let page = owner.get(&format!("/bookings/new?agent={agent}&day=2027-04-02")).await.text;
    assert!(page.contains("value=\"2027-04-02\""), "{page}");
}

#[tokio::test]
async fn a_number_is_not_connected_until_a_call_comes() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let words = ["is not connected yet", "not connected yet</span>"];
    let pages = ["/", "/numbers"];
    for (path, words) in pages.iter().zip(words) {
        let page = owner.get(path).await.text;
        assert!(page.contains(words), "{path}: {page}");
    }
    add_call(&desk, desk.agent, json!({})).await;
    for (path, words) in pages.iter().zip(words) {
        let page = owner.get(path).await.text;
        assert!(!page.contains(words), "{path}: {page}");
    }
}

#[tokio::test]
async fn what_was_done_to_a_function_that_is_gone_has_its_name() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let new = json!({"type": "json_api", "name": "ask_crm", "data": {"url": "https://x.example/"}});
    let made = owner.post(&format!("/api/v1/agents/{}/functions", desk.agent), new).await.json();
    let path = format!("/api/v1/functions/{}", made["id"].as_str().unwrap());
    owner.patch(&path, json!({"purpose": "Asks."})).await;
    owner.send(Method::DELETE, &path, Body::None).await;
    let page = owner.get("/activity").await.text;
    assert_eq!(page.matches("<bdi>Ask crm</bdi>").count(), 3, "made, changed, deleted: {page}");
    let page = owner.get(&format!("/agents/{}/versions", desk.agent)).await.text;
    assert!(page.matches("The function “Ask crm”").count() >= 3, "{page}");
}

#[tokio::test]
async fn a_long_text_is_not_cut_in_silence() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let call = add_call(&desk, desk.agent, json!({})).await;
    let task = desk
        .made(&format!(
            "insert into call_tasks (voice_agent_id, call_log_id, kind, ordinal, text, urgency, at)
            values ('{}', '{call}', 'gap', 1, 'Do you fix boats?', 1, now()) returning id::text",
            desk.agent
        ))
        .await;
    let page = owner.get(&format!("/calls/{call}")).await.text;
    assert!(!page.contains("maxlength"), "{page}");
    assert!(page.contains("Open question"), "{page}");
    let long = format!("{}end", "x".repeat(5_000));
    let refused = owner.form(&format!("/tasks/{task}"), &[("note", &long)]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("It has 5003 characters"), "{}", refused.text);
    assert!(refused.text.contains(&long), "what was typed is kept");
    let booking = desk
        .made(&format!(
            "insert into appointments (voice_agent_id, name, phone_number, service, schedule_time)
            values ('{}', 'Ann', '', '', now() + interval '1 day') returning id::text",
            desk.agent
        ))
        .await;
    let why = "y".repeat(501);
    let sent = [("revision", "0"), ("reason", why.as_str())];
    let refused = owner.form(&format!("/bookings/{booking}/cancel"), &sent).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
    assert!(refused.text.contains("has 501 characters") && refused.text.contains(&why));

    // A question that was answered is open no more.
    owner.form(&format!("/tasks/{task}"), &[("done", "yes")]).await;
    assert!(!owner.get(&format!("/calls/{call}")).await.text.contains("Open question"));
}
