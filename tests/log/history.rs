//! What is known of a caller from before.

use frontdesk::agent::history::History;
use serde_json::{Value, json};

use crate::fixture::{Fixture, fixture};

const CALLER: &str = "+15551230001";

/// Writes a call of this number to the agent, on a day of November 2026; over, unless it has no
/// status.
async fn call(fixture: &Fixture, number: &str, day: u8, status: Option<&str>, columns: Value) {
    sqlx::query(
        "insert into call_logs (voice_agent_id, call_start, caller_number, status, call_end,
            summary, metadata)
        values ($1, $2::text::timestamptz, $3, $4, case when $4 is not null then now() end,
            $5 -> 'summary', $5 -> 'metadata')",
    )
    .bind(fixture.agent)
    .bind(format!("2026-11-{day:02}T12:00:00Z"))
    .bind(number)
    .bind(status)
    .bind(columns)
    .execute(&fixture.pool)
    .await
    .unwrap();
}

async fn appointment(fixture: &Fixture, number: &str, when: &str, service: &str, status: &str) {
    let agent = fixture.agent;
    fixture
        .sql(&format!(
            "insert into appointments (voice_agent_id, name, phone_number, service, schedule_time,
                status)
            values ('{agent}', 'Maria Lopez', '{number}', '{service}', {when}, '{status}')"
        ))
        .await;
}

async fn history(fixture: &Fixture) -> History {
    fixture.store.caller_history(fixture.agent, CALLER).await.unwrap()
}

#[tokio::test]
async fn the_last_three_calls_from_a_number_are_known_newest_first() {
    let fixture = fixture().await;
    assert_eq!(history(&fixture).await, History::default());
    let messages = json!([{"text": "Call me.", "callback": CALLER}, {"other": 1}, "odd", 7,
        {"text": "x".repeat(5_000)}]);
    call(&fixture, CALLER, 1, Some("completed"), json!({})).await;
    call(&fixture, CALLER, 2, Some("voicemail"), json!({"summary": 7, "metadata": "odd"})).await;
    let summary = json!({"summary": "Asked for the way.", "mood": "good"});
    call(&fixture, CALLER, 3, Some("completed"), json!({"summary": summary})).await;
    let summary = "y".repeat(100_000);
    let columns = json!({"summary": summary, "metadata": {"messages": messages}});
    call(&fixture, CALLER, 4, Some("transferred"), columns).await;
    call(&fixture, CALLER, 5, None, json!({})).await;
    call(&fixture, "+15551230002", 6, Some("completed"), json!({"summary": "Another's."})).await;
    fixture
        .sql(
            "with other as (insert into voice_agents (name, created_by)
                select 'Other', created_by from voice_agents returning id)
            insert into call_logs (voice_agent_id, call_start, caller_number, status, call_end)
                select id, now(), '+15551230001', 'completed', now() from other",
        )
        .await;

    let calls = history(&fixture).await.calls;
    let status: Vec<&str> = calls.iter().map(|call| call.status.as_str()).collect();
    assert_eq!(status, ["transferred", "completed", "voicemail"]);
    assert_eq!(calls[0].started_us, 1_793_793_600_000_000);
    let summary = |n: usize| calls[n].summary.as_ref().map(|summary| summary.reveal().as_str());
    assert_eq!(summary(0).unwrap().len(), 1_000);
    assert_eq!((summary(1), summary(2)), (Some("Asked for the way."), None));
    let messages = calls[0].messages.reveal();
    assert_eq!((messages[0].as_str(), messages[1].len(), messages.len()), ("Call me.", 1_000, 2));
    assert!(calls[1].messages.reveal().is_empty() && calls[2].messages.reveal().is_empty());
}

#[tokio::test]
async fn appointments_to_come_are_counted_however_the_number_was_written() {
    let fixture = fixture().await;
    let hours = |n: i32| format!("now() + interval '{n} hours'");
    appointment(&fixture, "+1 (555) 123-0001", &hours(50), "Crown", "pending").await;
    appointment(&fixture, CALLER, &hours(2), "Cleaning", "pending").await;
    appointment(&fixture, CALLER, &hours(3), "Called off", "cancelled").await;
    appointment(&fixture, CALLER, &hours(-3), "Over", "pending").await;
    appointment(&fixture, CALLER, "'infinity'", "Never", "pending").await;
    appointment(&fixture, "+15551230002", &hours(4), "Of another", "pending").await;
    let known = history(&fixture).await;
    assert_eq!(known, History { appointments: 2, ..History::default() });
}
