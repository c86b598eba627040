//! Lists page by page, and what is counted of all of them.

use http::StatusCode;
use serde_json::{Value, json};

use crate::calls::add_call;
use crate::desk::{Client, Desk};

/// The items of a list, so many at a time.
async fn all(client: &Client, path: &str, limit: usize) -> Vec<Value> {
    let mark = if path.contains('?') { '&' } else { '?' };
    let (mut found, mut after) = (Vec::new(), String::new());
    for _ in 0..100 {
        let page = client.get(&format!("{path}{mark}limit={limit}&after={after}")).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text);
        let page = page.json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit, "{path}");
        found.extend(items.iter().cloned());
        let Some(next) = page["next"].as_str() else { return found };
        next.clone_into(&mut after);
    }
    panic!("{path} has no end");
}

#[tokio::test]
async fn every_list_goes_on_where_the_page_before_ended() {
    let desk = Desk::open().await;
    let agent = desk.agent;
    let gaps: Vec<String> = (0..5).map(|n| format!("Is number {n} there?")).collect();
    let call = add_call(
        &desk,
        agent,
        json!({"call_start": "2026-11-28T12:00:00Z", "metadata": {"gaps": gaps}}),
    )
    .await;
    desk.sql(&format!("update call_logs set call_start = now() where id = '{call}'")).await;
    for (done, kind) in [("null", "message"), ("now() - n * interval '1 minute'", "gap")] {
        desk.sql(&format!(
            "insert into call_tasks (voice_agent_id, call_log_id, kind, ordinal, text, urgency, at, done_at)
            select '{agent}', '{call}', '{kind}', n, 'x', n % 3, now(), {done}
            from generate_series(1, 7) n"
        ))
        .await;
    }
    for n in 0..4 {
        desk.sql(&format!(
            "insert into functions (assistant_id, type, name, data)
            values ('{agent}', 'function', 'f{n}', '{{\"builtin\": \"take_message\"}}')"
        ))
        .await;
        desk.sql(&format!(
            "insert into api_tokens (token_hash, user_id, name, scope)
            select sha256('{n}'), created_by, 'x', 'read' from voice_agents where id = '{agent}'"
        ))
        .await;
        desk.sql(&format!(
            "insert into usage_days select '{agent}', date '2026-11-20' + {n}, 1, 1, 0, 0, 0, 0, 60,
                2, null, 1, 1"
        ))
        .await;
    }
    let admin = desk.sign_in("admin@example.com").await;
    let owner = desk.sign_in("owner@example.com").await;
    for (client, path, count) in [
        (&owner, "/api/v1/tasks".to_owned(), 7),
        (&owner, "/api/v1/tasks?open=false".to_owned(), 7),
        (&admin, "/api/v1/agents".to_owned(), 2),
        (&owner, format!("/api/v1/agents/{agent}/functions"), 5),
        (&owner, format!("/api/v1/agents/{agent}/access"), 3),
        (&owner, format!("/api/v1/agents/{agent}/gaps"), 5),
        (&owner, "/api/v1/tokens".to_owned(), 4),
        (&owner, "/api/v1/usage?from=2026-11-20&to=2026-11-23".to_owned(), 4),
    ] {
        let whole = client.get(&path).await.json();
        assert_eq!(whole["next"], Value::Null, "{path}");
        let whole = whole["items"].as_array().unwrap();
        assert_eq!(whole.len(), count, "{path}");
        for limit in [1, 3] {
            assert_eq!(&all(client, &path, limit).await, whole, "{path} by {limit}");
        }
        let mark = if path.contains('?') { '&' } else { '?' };
        for (wrong, field) in [("limit=0", "limit"), ("limit=x", "limit"), ("after=x", "after")] {
            let answered = client.get(&format!("{path}{mark}{wrong}")).await;
            assert_eq!(answered.status, StatusCode::UNPROCESSABLE_ENTITY, "{path} {wrong}");
            assert_eq!(answered.json()["field"], field, "{path}");
        }
    }
    let urgency: Vec<Value> = all(&owner, "/api/v1/tasks", 2)
        .await
        .into_iter()
        .map(|task| task["urgency"].clone())
        .collect();
    assert_eq!(urgency, [2, 2, 1, 1, 1, 0, 0].map(Value::from), "the most urgent first");
}

/// Sixty businesses of one owner, in each of which there was a call every day of two months: more days
/// of agents than a page of the API.
#[tokio::test]
async fn the_usage_of_a_chain_is_that_of_all_its_businesses() {
    let desk = Desk::open().await;
    desk.sql(&format!(
        "insert into voice_agents (name, created_by)
        select 'x', created_by from voice_agents, generate_series(1, 59) where id = '{}'",
        desk.agent
    ))
    .await;
    desk.sql(
        "insert into usage_days
        select a.id, current_date - d, 1, 1, 0, 0, 0, 0, 60, 2,
            array_fill(0::bigint, array[8]) || array[2::bigint] || array_fill(0::bigint, array[13]), 10, 5
        from voice_agents a, generate_series(0, 59) d
        where a.created_by = (select uuid from customer where email = 'owner@example.com')",
    )
    .await;
    let owner = desk.sign_in("owner@example.com").await;
    let page = owner.get("/usage?days=90").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.text.contains("3600 calls</strong>") || page.text.contains("<strong>3600 calls"),
        "{}",
        page.text
    );
    assert_eq!(page.text.matches("<progress").count(), 60);
    assert_eq!(page.text.matches("0.9 s").count(), 60, "the middle of all: {}", page.text);
    let today = desk.made("select to_char(current_date, 'Dy FMDD Mon')").await;
    assert!(page.text.contains(&format!(">{today}</time>")), "{today}: {}", page.text);
    assert!(page.text.contains("36,000 in and 18,000 out"), "{}", page.text);
    for column in ["Missed", "Broke off"] {
        assert!(page.text.contains(&format!(">{column}</th>")), "{column}: {}", page.text);
    }
    let days = all(&owner, "/api/v1/usage?from=2020-01-01", 1000).await;
    assert_eq!(days.len(), 3600);
    for untrue in ["day after", "No plan is in force"] {
        assert!(!page.text.contains(untrue), "{untrue}");
    }
    assert!(page.text.contains("no limit on agents"));
    desk.sql("update customer set voiceagents_allowed = 70, plan_mode = null").await;
    let page = owner.get("/usage?days=7").await.text;
    assert!(page.contains("60 of 70") && !page.contains("no limit on agents"), "{page}");
}

#[tokio::test]
async fn the_calendar_of_a_busy_business_has_what_is_to_come() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    desk.sql(&format!(
        "insert into appointments (voice_agent_id, name, phone_number, service, schedule_time,
            duration_minutes)
        select '{}', 'n' || n, '', '', now() - n * interval '20 minutes', 15
        from generate_series(-100, 2100) n where n <> 0",
        desk.agent
    ))
    .await;
    let feed = format!("/api/v1/agents/{}/calendar-feed", desk.agent);
    let url = owner.post(&feed, json!({})).await.json()["url"].as_str().unwrap().to_owned();
    let read = desk.stranger().get(&url[url.find("/feeds/").unwrap()..]).await;
    assert_eq!(read.status, StatusCode::OK);
    let has = |n: i32| read.text.contains(&format!("SUMMARY:n{n}\r\n"));
    assert_eq!(read.text.matches("BEGIN:VEVENT").count(), 2000);
    assert!((-100..=1900).filter(|n| *n != 0).all(has), "the next and the last ones are there");
    assert!(!has(1901) && !has(2100), "what is longest past makes way");
}
