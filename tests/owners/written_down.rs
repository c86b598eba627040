//! What people did and what they were refused: it is written down with the agent that it was about.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::calls::{CALLER, add_call};
use crate::desk::{Body, Desk};

/// What somebody was refused of this agent: what it was, and what they wanted to do.
async fn refused(desk: &Desk, agent: Uuid) -> Vec<(String, String)> {
    sqlx::query_as(
        "select object, change ->> 'wanted' from audit_log
        where action = 'access.refused' and voice_agent_id = $1 order by id",
    )
    .bind(agent)
    .fetch_all(&desk.pool)
    .await
    .unwrap()
}

async fn add_task(desk: &Desk, call: Uuid) -> String {
    desk.made(&format!(
        "insert into call_tasks (voice_agent_id, call_log_id, kind, ordinal, text, urgency, at)
        values ('{}', '{call}', 'message', 1, 'Call back', 1, now()) returning id::text",
        desk.agent
    ))
    .await
}

#[tokio::test]
async fn what_is_refused_is_seen_by_the_owner() {
    let desk = Desk::open().await;
    let agent = desk.agent;
    let call = add_call(&desk, agent, json!({"metadata": {"gaps": ["Is there parking?"]}})).await;
    let delivery = desk
        .made(&format!(
            "insert into webhook_deliveries (call_log_id, message_id, attempt, ms)
            values ('{call}', 'm', 1, 1) returning id::text"
        ))
        .await;
    let support = desk.sign_in("support@example.com").await;
    let answer = [("question", "Is there parking?"), ("answer", "Yes."), ("do", "save")];
    for path in [
        format!("/calls/{call}/delete"),
        format!("/callers/{CALLER}/delete"),
        format!("/webhooks/{delivery}/redeliver"),
        format!("/knowledge/{agent}/answers"),
        format!("/knowledge/{agent}/answers/1"),
    ] {
        let answered = support.form(&path, &answer).await;
        assert_eq!(answered.status, StatusCode::FORBIDDEN, "{path}: {}", answered.text);
    }
    for path in [
        format!("/api/v1/callers/{CALLER}"),
        "/api/v1/calls.csv".to_owned(),
        format!("/api/v1/agents/{agent}/access"),
        format!("/people?agent={agent}"),
        format!("/agents/{agent}/functions"),
        format!("/api/v1/functions/{}", desk.function),
    ] {
        assert_eq!(support.get(&path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let removed = support.send(Method::DELETE, &format!("/api/v1/calls/{call}"), Body::None).await;
    assert_eq!(removed.status, StatusCode::FORBIDDEN);
    let (of_agent, of_call) = (format!("agent {agent}"), format!("call {call}"));
    let expected = [
        (&*of_call, "call.delete"),
        (&of_agent, "caller.delete"),
        (&format!("delivery {delivery}"), "webhook.redeliver"),
        (&of_agent, "answer.give"),
        (&of_agent, "answer.change"),
        (&of_agent, "caller.export"),
        (&of_agent, "calls.export"),
        (&of_agent, "access.read"),
        (&of_agent, "access.read"),
        (&of_agent, "function.inspect"),
        (&format!("function {}", desk.function), "function.inspect"),
        (&of_call, "call.delete"),
    ];
    let expected: Vec<(String, String)> =
        expected.iter().map(|(object, what)| ((*object).to_owned(), (*what).to_owned())).collect();
    assert_eq!(refused(&desk, agent).await, expected);

    let owner = desk.sign_in("owner@example.com").await;
    let page = owner.get(&format!("/activity?agent={agent}")).await.text;
    assert!(page.contains("tried something that their role does not allow"), "{page}");
    assert!(
        page.contains("What it was: deleted a call") && page.contains(&format!("/calls/{call}"))
    );
    // Nobody is told of what is not theirs to see.
    let theirs = desk.sign_in("other@example.com").await;
    let answered = theirs.form(&format!("/calls/{call}/delete"), &[]).await;
    assert_eq!(answered.status, StatusCode::NOT_FOUND);
    assert_eq!(refused(&desk, agent).await.len(), expected.len());
}

#[tokio::test]
async fn a_key_for_reading_that_wants_to_change_is_written_down() {
    let desk = Desk::open().await;
    let call = add_call(&desk, desk.agent, json!({})).await;
    let task = add_task(&desk, call).await;
    let owner = desk.sign_in("owner@example.com").await;
    let made = owner.post("/api/v1/tokens", json!({"name": "t", "scope": "read"})).await.json();
    let secret = made["secret"].as_str().unwrap();
    let program = desk.stranger().with("authorization", format!("Bearer {secret}"));
    let answered = program.patch(&format!("/api/v1/tasks/{task}"), json!({"done": true})).await;
    assert_eq!(answered.status, StatusCode::FORBIDDEN);
    let expected = (format!("task {task}"), "task.change".to_owned());
    assert_eq!(refused(&desk, desk.agent).await, [expected]);
}

#[tokio::test]
async fn a_deed_has_one_name_wherever_it_is_done() {
    let desk = Desk::open().await;
    let call = add_call(&desk, desk.agent, json!({})).await;
    let task = add_task(&desk, call).await;
    let owner = desk.sign_in("owner@example.com").await;
    let (page, api) = (format!("/tasks/{task}"), format!("/api/v1/tasks/{task}"));
    for done in ["yes", "no"] {
        assert_eq!(owner.form(&page, &[("done", done)]).await.status, StatusCode::SEE_OTHER);
        let body = json!({"done": done == "yes"});
        assert_eq!(owner.patch(&api, body).await.status, StatusCode::OK);
    }
    assert_eq!(owner.patch(&api, json!({"note": "rang"})).await.status, StatusCode::OK);
    let deeds: Vec<(String, String)> = sqlx::query_as(
        "select action, object from audit_log where action like 'task.%' order by id",
    )
    .fetch_all(&desk.pool)
    .await
    .unwrap();
    let names: Vec<&str> = deeds.iter().map(|(action, _)| action.as_str()).collect();
    assert_eq!(names, ["task.done", "task.done", "task.reopen", "task.reopen", "task.note"]);
    assert!(deeds.iter().all(|(_, object)| *object == format!("task {task}")), "{deeds:?}");
    let shown = owner.get("/activity").await.text;
    for words in ["ticked a task off", "opened a task again", "wrote a note to a task"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
}

#[tokio::test]
async fn who_watches_a_call_is_written_down_once() {
    let desk = Desk::open().await;
    let live = |sid: &str| {
        json!({"call_sid": sid, "call_start": "2026-11-29T10:00:00Z", "call_end": Value::Null,
            "status": "in-progress"})
    };
    let call = add_call(&desk, desk.agent, live("CA1")).await;
    let test = add_call(&desk, desk.agent, live("FT1")).await;
    let support = desk.sign_in("support@example.com").await;
    for _ in 0..2 {
        for call in [call, test] {
            assert_eq!(support.get(&format!("/live/{call}")).await.status, StatusCode::OK);
            let path = format!("/api/v1/live?follow=false&call={call}");
            assert_eq!(support.get(&path).await.status, StatusCode::OK);
        }
    }
    let deeds: Vec<(Option<Uuid>, String)> =
        sqlx::query_as("select voice_agent_id, object from audit_log where action = 'call.watch'")
            .fetch_all(&desk.pool)
            .await
            .unwrap();
    assert_eq!(deeds, [(Some(desk.agent), format!("call {call}"))]);
    let owner = desk.sign_in("owner@example.com").await;
    let shown = owner.get("/activity").await.text;
    assert!(shown.contains("watched a call while it went on"), "{shown}");
}

#[tokio::test]
async fn who_reads_a_call_that_goes_on_is_written_down_like_who_watches_it() {
    let live = |sid: &str| {
        json!({"call_sid": sid, "call_start": "2026-11-29T10:00:00Z", "call_end": Value::Null,
            "status": "in-progress"})
    };
    for page in ["/calls/{id}", "/api/v1/calls/{id}", "/api/v1/calls/{id}/events"] {
        let desk = Desk::open().await;
        let call = add_call(&desk, desk.agent, live("CA1")).await;
        let test = add_call(&desk, desk.agent, live("FT1")).await;
        let over = add_call(&desk, desk.agent, json!({"call_sid": "CA2"})).await;
        let support = desk.sign_in("support@example.com").await;
        for call in [call, call, test, over] {
            let path = page.replace("{id}", &call.to_string());
            assert_eq!(support.get(&path).await.status, StatusCode::OK, "{path}");
        }
        let deeds: Vec<String> =
            sqlx::query_scalar("select object from audit_log where action = 'call.watch'")
                .fetch_all(&desk.pool)
                .await
                .unwrap();
        assert_eq!(deeds, [format!("call {call}")], "{page}");
    }
}

#[tokio::test]
async fn the_words_of_a_live_call_on_the_first_page_are_written_down() {
    let desk = Desk::open().await;
    let call = add_call(
        &desk,
        desk.agent,
        json!({"call_sid": "CA1", "call_end": Value::Null, "status": "in-progress"}),
    )
    .await;
    let (support, owner) =
        (desk.sign_in("support@example.com").await, desk.sign_in("owner@example.com").await);
    let deeds = || desk.made("select count(*)::text from audit_log where action = 'live.watch'");
    desk.sql(&format!("update call_logs set call_start = now() where id = '{call}'")).await;
    support.get("/").await;
    assert_eq!(deeds().await, "0", "no words are shown");
    desk.sql(&format!(
        "insert into call_events (call_log_id, epoch, seq, at_ms, kind, data)
        values ('{call}', 1, 1, 0, 'caller_said', '{{\"text\": \"My knee hurts\"}}')"
    ))
    .await;
    for client in [&support, &support, &owner] {
        let page = client.get("/").await.text;
        assert!(page.contains("My knee hurts"), "{page}");
    }
    assert_eq!(deeds().await, "1");
}

#[tokio::test]
async fn who_watches_all_calls_is_written_down_once_for_each_agent() {
    let desk = Desk::open().await;
    for (agent, sid) in [(desk.agent, "CA1"), (desk.agent, "CA2"), (desk.other_agent, "FT1")] {
        let live = json!({"call_sid": sid, "call_start": "2026-11-29T10:00:00Z",
            "call_end": Value::Null, "status": "in-progress"});
        add_call(&desk, agent, live).await;
    }
    for email in ["support@example.com", "admin@example.com", "owner@example.com"] {
        let client = desk.sign_in(email).await;
        for path in ["/live", "/api/v1/live?follow=false", "/api/v1/live?follow=false&tests=true"] {
            assert_eq!(client.get(path).await.status, StatusCode::OK, "{path}");
        }
    }
    let deeds: Vec<(Option<Uuid>, String, String)> = sqlx::query_as(
        "select l.voice_agent_id, l.object, c.email from audit_log l join customer c on c.uuid = l.actor
        where action = 'live.watch' order by l.id",
    )
    .fetch_all(&desk.pool)
    .await
    .unwrap();
    let of = |email: &str| (Some(desk.agent), format!("agent {}", desk.agent), email.to_owned());
    assert_eq!(deeds, [of("support@example.com"), of("admin@example.com")]);
}
