//! What a function was given and gave is shown where its owner says so, whichever way somebody reads.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::calls::{CALLER, add_call};
use crate::desk::{Client, Desk};

async fn add_event(desk: &Desk, call: Uuid, seq: i64, kind: &str, data: Value) {
    sqlx::query(
        "insert into call_events (call_log_id, seq, at_ms, kind, data) values ($1, $2, 1000, $3, $4::jsonb)",
    )
    .bind(call)
    .bind(seq)
    .bind(kind)
    .bind(data.to_string())
    .execute(&desk.pool)
    .await
    .unwrap();
}

/// A call in which a function was used, and what is kept of it.
async fn call(desk: &Desk, is_over: bool) -> Uuid {
    let run = json!({"id": desk.function, "name": "prices", "ok": true, "ms": 1,
        "arguments": {"x": "given-value"}, "result": {"y": "gave-value"}});
    let built_in = json!({"id": null, "name": "check_availability", "ok": true, "ms": 1,
        "arguments": {"x": "anybody-may"}, "result": {}});
    let mut columns = json!({"metadata": {"ended_by": "caller", "functions": [run, built_in]}});
    if !is_over {
        columns["call_end"] = Value::Null;
        columns["status"] = json!("in-progress");
    }
    let id = add_call(desk, desk.agent, columns).await;
    let said =
        json!({"utterance": "a", "turn": 1, "started_ms": 1, "text": "Hello", "settled": true});
    add_event(desk, id, 1, "caller_said", said).await;
    let called = json!({"run": 1, "turn": 1, "name": "prices", "arguments": {"x": "given-value"}});
    add_event(desk, id, 2, "function_called", called).await;
    let finished = json!({"run": 1, "ok": true, "took_ms": 1, "result": {"y": "gave-value"}, "row": desk.function});
    add_event(desk, id, 3, "function_finished", finished).await;
    let called = json!({"run": 2, "turn": 1, "name": "check_availability", "arguments": {"x": "anybody-may"}});
    add_event(desk, id, 4, "function_called", called).await;
    let finished = json!({"run": 2, "ok": true, "took_ms": 1, "result": {}});
    add_event(desk, id, 5, "function_finished", finished).await;
    let unfinished =
        json!({"run": 3, "turn": 1, "name": "prices", "arguments": {"x": "of-no-row"}});
    add_event(desk, id, 6, "function_called", unfinished).await;
    id
}

async fn text(client: &Client, path: &str) -> String {
    let answered = client.get(path).await;
    assert_eq!(answered.status.as_u16(), 200, "{path}: {}", answered.text);
    answered.text
}

#[tokio::test]
async fn one_rule_says_what_is_shown_of_functions_everywhere() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let support = desk.sign_in("support@example.com").await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let id = call(&desk, true).await;
    let saved = json!({"kind": "function", "function_id": desk.function, "call_log_id": id,
        "arguments": {"x": "given-value"}, "result": {"y": "gave-value"}});
    desk.sql(&format!(
        "insert into scrapping_data (data, voice_agent_id) values ('{saved}', '{}')",
        desk.agent
    ))
    .await;
    let number = CALLER.replace('+', "%2B");
    for (is_shown, sql) in [
        (false, "update functions set is_shownable = null"),
        (true, "update functions set is_shownable = true"),
        (false, "update functions set is_shownable = false"),
        (true, "update functions set is_shownable = true"),
        (false, "delete from functions"),
    ] {
        desk.sql(sql).await;
        for (who, path) in [
            (&support, format!("/calls/{id}")),
            (&support, format!("/api/v1/calls/{id}")),
            (&support, format!("/api/v1/calls/{id}/events")),
            (&maintainer, format!("/api/v1/calls/{id}/events")),
            (&owner, format!("/api/v1/calls/{id}/events")),
            (&owner, "/api/v1/calls.json".to_owned()),
            (&owner, format!("/api/v1/callers/{number}")),
        ] {
            let shown = text(who, &path).await;
            assert!(shown.to_lowercase().contains("prices"), "{path}: {shown}");
            for value in ["given-value", "gave-value"] {
                assert_eq!(shown.contains(value), is_shown, "{sql}: {path}: {shown}");
            }
            assert!(shown.contains("anybody-may"), "{path}: {shown}");
            assert!(!shown.contains("of-no-row"), "{path}: nobody knows whose it is: {shown}");
        }
        // Each half of a run by itself: a page may end between them.
        for after in 0..6 {
            let path = format!("/api/v1/calls/{id}/events?limit=1&after={}", (1_i64 << 32) + after);
            let shown = text(&support, &path).await;
            let has = shown.contains("given-value") || shown.contains("gave-value");
            assert_eq!(has, is_shown && matches!(after, 1 | 2), "{sql}: {after}: {shown}");
        }
    }
    let told = text(&support, &format!("/api/v1/calls/{id}/events")).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        told["items"][1]["data"]["hidden"], true,
        "it says that there was something: {told}"
    );
}

#[tokio::test]
async fn a_live_call_shows_no_more() {
    let desk = Desk::open().await;
    desk.sql("update functions set is_shownable = false").await;
    let support = desk.sign_in("support@example.com").await;
    let id = call(&desk, false).await;
    desk.sql(&format!(
        "update call_logs set call_start = now() - interval '1 minute' where id = '{id}'"
    ))
    .await;
    for path in [
        format!("/live/{id}"),
        format!("/api/v1/live?follow=false&call={id}"),
        format!("/api/v1/calls/{id}"),
        format!("/api/v1/calls/{id}/events"),
    ] {
        let shown = text(&support, &path).await;
        assert!(shown.to_lowercase().contains("prices"), "{path}: {shown}");
        for value in ["given-value", "gave-value", "of-no-row"] {
            assert!(!shown.contains(value), "{path}: {shown}");
        }
    }
}
