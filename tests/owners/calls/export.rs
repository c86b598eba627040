//! Taking a list of calls away.

use http::StatusCode;
use serde_json::{Value, json};

use super::add_call;
use crate::desk::{Desk, add_person, give_access};

/// The rows of a table as RFC 4180 has them.
fn rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut chars = text.chars().peekable();
    let mut is_quoted = false;
    while let Some(c) = chars.next() {
        match (is_quoted, c) {
            (true, '"') if chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            (_, '"') => is_quoted = !is_quoted,
            (false, ',') => row.push(std::mem::take(&mut field)),
            (false, '\r') => assert_eq!(chars.next(), Some('\n')),
            (true | false, c) => field.push(c),
        }
        if !is_quoted && c == '\r' {
            row.push(std::mem::take(&mut field));
            rows.push(std::mem::take(&mut row));
        }
    }
    assert!(row.is_empty() && field.is_empty() && !is_quoted, "the last line has its end");
    rows
}

#[tokio::test]
async fn a_table_has_the_calls_and_no_formula() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let formula = "=HYPERLINK(\"http://evil.example\",\"x\")\r\n+1,2";
    let summary = json!({"title": formula, "summary": "Says \"hello\", twice\nand goes", "urgent": true,
        "data_collected": [{"name": "full_name", "value": "@SUM(A1)"}]});
    let id = add_call(&desk, desk.agent, json!({"summary": summary})).await;
    for n in 0..250 {
        add_call(
            &desk,
            desk.agent,
            json!({"call_start": "2026-07-01T09:00:00Z", "call_end": "2026-07-01T09:00:30Z",
            "caller_number": format!("+1555000{n:04}"), "status": "failed"}),
        )
        .await;
    }
    add_call(&desk, desk.other_agent, json!({})).await;
    let answered = owner.get("/api/v1/calls.csv").await;
    assert_eq!(answered.status, StatusCode::OK);
    assert_eq!(answered.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(answered.header("content-disposition"), "attachment; filename=\"calls.csv\"");
    let table = rows(&answered.text);
    assert_eq!(table.len(), 252, "the heading and all calls of the own agent");
    assert!(table.iter().all(|row| row.len() == table[0].len()));
    let first = &table[1];
    assert_eq!(first[0], id.to_string());
    assert_eq!(&first[2..4], ["2026-11-27T12:38:00.000+00:00", "171"]);
    assert_eq!(first[4], "'+447700900123");
    assert_eq!(first[5], "'@SUM(A1)");
    assert_eq!(first[7], format!("'{formula}"));
    assert_eq!(first[8], "Says \"hello\", twice\nand goes");
    assert_eq!((&*first[9], &*table[2][9]), ("yes", ""));
    // Summer time.
    assert_eq!(table[2][2], "2026-07-01T10:00:00.000+01:00");
    let failed = owner.get("/api/v1/calls.csv?outcome=failed&from=2026-07-01&to=2026-07-01").await;
    assert_eq!(rows(&failed.text).len(), 251);
    for path in ["/api/v1/calls.csv?number=0123", "/api/v1/calls.json?number=0123"] {
        let refused = owner.get(path).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
        assert!(refused.text.contains("the whole number"), "{}", refused.text);
    }
    assert_eq!(rows(&owner.get("/api/v1/calls.csv?outcome=transferred").await.text).len(), 1);

    let whole = owner.get("/api/v1/calls.json").await;
    assert_eq!(whole.header("content-disposition"), "attachment; filename=\"calls.json\"");
    let calls = whole.json();
    assert_eq!(calls.as_array().unwrap().len(), 251);
    assert_eq!(calls[0]["summary"], summary);
    assert_eq!(owner.get("/api/v1/calls.json?outcome=transferred").await.json(), json!([]));
}

#[tokio::test]
async fn only_owners_take_lists_away_and_it_is_written_down() {
    let desk = Desk::open().await;
    add_call(&desk, desk.agent, json!({})).await;
    for (person, expected) in
        [("support", 403), ("maintainer", 403), ("owner", 200), ("admin", 200)]
    {
        let browser = desk.sign_in(&format!("{person}@example.com")).await;
        for end in ["csv", "json"] {
            let answered = browser.get(&format!("/api/v1/calls.{end}?number=07700900123")).await;
            assert_eq!(answered.status.as_u16(), expected, "{person} {}", answered.text);
            let page = browser.get("/calls").await.text;
            assert_eq!(page.contains("/api/v1/calls.csv"), expected == 200, "{person}");
        }
        let others = browser.get(&format!("/api/v1/calls.csv?agent={}", desk.other_agent)).await;
        assert_eq!(others.status == StatusCode::NOT_FOUND, person != "admin", "{person}");
    }
    let deeds: Vec<(Value,)> = sqlx::query_as(
        "select change from audit_log where action = 'calls.export' and voice_agent_id = $1 order by id",
    )
    .bind(desk.agent)
    .fetch_all(&desk.pool)
    .await
    .unwrap();
    assert_eq!(deeds.len(), 4, "{deeds:?}");
    assert_eq!(deeds[0].0, json!({"format": "csv", "filters": ["number"]}), "and no number");
}

#[tokio::test]
async fn a_person_takes_one_list_at_a_time() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    // More than sockets hold, so that the server waits for the reader.
    let long = "word ".repeat(40_000);
    for _ in 0..120 {
        add_call(&desk, desk.agent, json!({"transcript": long})).await;
    }
    let reading = owner.start("/api/v1/calls.json").await;
    assert_eq!(reading.status(), StatusCode::OK);
    let second = owner.get("/api/v1/calls.csv").await;
    assert_eq!(second.status, StatusCode::TOO_MANY_REQUESTS, "{}", second.text);
    assert_ne!(second.header("retry-after"), "");
    let other = desk.sign_in("other@example.com").await;
    assert_eq!(other.get("/api/v1/calls.csv").await.status, StatusCode::OK);
    let whole: Value = serde_json::from_slice(&reading.bytes().await.unwrap()).unwrap();
    assert_eq!(whole.as_array().unwrap().len(), 120);
    assert_eq!(owner.get("/api/v1/calls.csv").await.status, StatusCode::OK, "their turn is over");
}

#[tokio::test]
async fn who_is_removed_while_they_read_gets_no_more() {
    let desk = Desk::open().await;
    let person = add_person(&desk.pool, "second@example.com", "Second").await;
    give_access(&desk.pool, desk.agent, person, "owner").await;
    let second = desk.sign_in("second@example.com").await;
    // More than sockets hold, so that the server waits for the reader.
    let long = "word ".repeat(40_000);
    for _ in 0..120 {
        add_call(&desk, desk.agent, json!({"transcript": long})).await;
    }
    let ends = [
        ("update voice_agents_access set status = false", "status = true"),
        ("update frontdesk_sessions set ended_at = now()", ""),
    ];
    for (end, undo) in ends {
        let mut reading = second.start("/api/v1/calls.json").await;
        assert_eq!(reading.status(), StatusCode::OK);
        let mut bytes = reading.chunk().await.unwrap().unwrap().len();
        desk.sql(&format!("{end} where user_id = '{person}'")).await;
        let error = loop {
            match reading.chunk().await {
                Ok(Some(chunk)) => bytes += chunk.len(),
                Ok(None) => panic!("{end}: it ended as if it were whole, with {bytes} bytes"),
                Err(error) => break error,
            }
        };
        assert!(bytes < 120 * long.len(), "{end}: {bytes} bytes, {error}");
        if !undo.is_empty() {
            let undo = format!("update voice_agents_access set {undo} where user_id = '{person}'");
            desk.sql(&undo).await;
        }
    }
}
