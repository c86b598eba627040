//! The list of calls.

use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{CALLER, add_call};
use crate::desk::{Client, Desk};

/// The ids that the API gives for this query, in its order.
async fn found(client: &Client, query: &str) -> Vec<Uuid> {
    let answered = client.get(&format!("/api/v1/calls{query}")).await;
    assert_eq!(answered.status, StatusCode::OK, "{query}: {}", answered.text);
    ids(&answered.json())
}

fn ids(page: &Value) -> Vec<Uuid> {
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| item["id"].as_str().unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn calls_are_listed_newest_first_and_page_by_page() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let mut made = Vec::new();
    for n in 0..7 {
        // Two began at the same moment.
        let start = format!("2026-11-2{}T10:00:00Z", [1, 2, 3, 3, 4, 5, 6][n]);
        made.push(add_call(&desk, desk.agent, json!({"call_start": start})).await);
    }
    add_call(&desk, desk.other_agent, json!({})).await;
    let all = found(&owner, "").await;
    assert_eq!(all.len(), 7, "another's call is not among them");
    assert_eq!((all[0], all[6]), (made[6], made[0]));

    let mut read = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = owner.get(&format!("/api/v1/calls{query}")).await.json();
        assert!(page["items"].as_array().unwrap().len() <= 2);
        read.extend(ids(&page));
        match page["next"].as_str() {
            Some(next) => query = format!("?limit=2&after={next}"),
            None => break,
        }
    }
    assert_eq!(read, all, "nothing is left out or given twice");

    let first = &owner.get("/api/v1/calls?limit=1").await.json()["items"][0];
    assert_eq!(first["call_start"], "2026-11-26T10:00:00.000+00:00");
    assert_eq!(first["caller_number"], CALLER);
}

#[tokio::test]
async fn each_filter_finds_its_calls() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let agent = desk.agent;
    let plain = add_call(&desk, agent, json!({"caller_number": "+15550000001"})).await;
    let function = json!({"functions": [{"name": "book_appointment", "ok": true}]});
    let booked =
        add_call(&desk, agent, json!({"status": "transferred", "metadata": function})).await;
    let old = add_call(&desk, agent, json!({
        "call_start": "2026-10-25T00:30:00Z", "call_end": "2026-10-25T00:31:00Z", "status": "failed"
    }))
    .await;
    let live = add_call(&desk, agent, json!({"call_end": null, "status": "in-progress"})).await;
    let test = add_call(&desk, agent, json!({"call_sid": "FT1", "caller_number": null})).await;
    let has = |found: Vec<Uuid>, expected: &[Uuid]| {
        let mut found = found;
        let mut expected = expected.to_vec();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    };
    has(found(&owner, "").await, &[plain, booked, old, live]);
    has(found(&owner, "?tests=true").await, &[plain, booked, old, live, test]);
    has(found(&owner, "?outcome=transferred").await, &[booked]);
    has(found(&owner, "?outcome=in-progress").await, &[live]);
    has(found(&owner, "?number=07700%20900123").await, &[booked, old, live]);
    has(found(&owner, "?number=%2B15550000001").await, &[plain]);
    has(found(&owner, "?number=0001").await, &[plain]);
    has(found(&owner, "?number=900%20123").await, &[booked, old, live]);
    has(found(&owner, "?number=0123&outcome=failed").await, &[old]);
    has(found(&owner, "?number=0123&to=2026-10-25").await, &[old]);
    has(found(&owner, "?number=9999").await, &[]);
    let page = owner.get("/calls?number=0001").await.text;
    assert!(page.contains("in the newest 2000 calls") && page.contains("+1 555"), "{page}");
    has(found(&owner, "?function=book_appointment").await, &[booked]);
    has(found(&owner, "?from=2026-10-25&to=2026-10-25").await, &[old]);
    // Half past one in the morning of that day, in London.
    has(found(&owner, "?from=2026-10-25T01:31:00%2B01:00&to=2026-10-25").await, &[]);
    has(found(&owner, &format!("?agent={agent}&outcome=failed")).await, &[old]);
    has(found(&owner, "?outcome=transferred&function=nothing").await, &[]);
}

#[tokio::test]
async fn what_the_agent_did_is_chosen_by_words() {
    let desk = Desk::open().await;
    let (owner, agent) = (desk.sign_in("owner@example.com").await, desk.agent);
    desk.sql(&format!(
        "insert into functions (assistant_id, type, name)
        values ('{agent}', 'json_api', 'check_insurance'), ('{agent}', 'function', 'book_appointment')"
    ))
    .await;
    let run = json!({"functions": [{"name": "check_insurance", "ok": true}]});
    let used = add_call(&desk, agent, json!({"metadata": run})).await;
    let page = owner.get("/calls?function=check_insurance").await.text;
    let chosen = "<option value=\"check_insurance\" selected>Used “Check insurance”</option>";
    assert!(page.contains(chosen), "{page}");
    assert_eq!(page.matches("<option value=\"book_appointment\">Booked").count(), 1, "{page}");
    assert!(!page.contains(">book_appointment<") && !page.contains("“check_insurance"), "{page}");
    assert_eq!(found(&owner, "?function=check_insurance").await, [used]);
    let none = owner.get("/calls?function=old_one").await.text;
    assert!(none.contains("Remove Used “Old one”"), "{none}");
}

/// `call_words` and `words_query`, as the migration has them, where it is not there.
async fn with_words(desk: &Desk) {
    desk.sql(
        "do $do$ begin if to_regclass('public.call_words') is null then
            create table public.call_words (call_log_id uuid primary key references public.call_logs
                (id) on delete cascade, voice_agent_id uuid not null, call_start timestamptz not null,
                words tsvector not null);
            create function public.words_query(p_text text) returns tsquery language sql stable as $$
                select case when numnode(q) = 0 then q else (q::text || ':*')::tsquery end
                from plainto_tsquery('simple', p_text) as q $$;
        end if; end $do$",
    )
    .await;
}

async fn index_words(desk: &Desk) {
    desk.sql(
        "insert into public.call_words (call_log_id, voice_agent_id, call_start, words)
        select id, voice_agent_id, call_start, strip(to_tsvector('simple', transcript))
        from public.call_logs where transcript is not null on conflict do nothing",
    )
    .await;
}

#[tokio::test]
async fn a_call_is_found_by_its_words() {
    let desk = Desk::open().await;
    with_words(&desk).await;
    let owner = desk.sign_in("owner@example.com").await;
    let said = |text: &str| json!({"transcript": format!("[00:01] Caller: {text}")});
    let tooth = add_call(&desk, desk.agent, said("My tooth hurts since Friday")).await;
    let crown = add_call(&desk, desk.agent, said("The crown of a tooth fell out")).await;
    add_call(&desk, desk.other_agent, said("A tooth of mine")).await;
    index_words(&desk).await;
    assert_eq!(found(&owner, "?words=crown").await, [crown]);
    assert_eq!(found(&owner, "?words=TOOTH+fri").await, [tooth], "all words, the last begun");
    let mut both = found(&owner, "?words=tooth").await;
    both.sort();
    let mut expected = [tooth, crown];
    expected.sort();
    assert_eq!(both, expected, "another's call is not among them");
    let first = owner.get("/api/v1/calls?words=tooth&limit=1").await.json();
    let next = format!("?words=tooth&limit=1&after={}", first["next"].as_str().unwrap());
    assert_ne!(found(&owner, &next).await, ids(&first));
    for odd in ["%27%29%3B%20drop", "%26%7C!%3A*", "%00"] {
        assert_eq!(found(&owner, &format!("?words={odd}")).await.len(), 0, "{odd}");
    }
}

#[tokio::test]
async fn odd_values_are_named() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    for (query, field) in [
        ("from=yesterday", "from"),
        ("to=2026-02-30", "to"),
        ("outcome=great", "outcome"),
        ("number=12", "number"),
        ("tests=perhaps", "tests"),
        ("after=%27", "after"),
        ("limit=1000", "limit"),
        ("agent=mine", "agent"),
        ("outcome=failed&outcome=completed", "query"),
    ] {
        let answered = owner.get(&format!("/api/v1/calls?{query}")).await;
        assert_eq!(answered.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        assert_eq!(answered.json()["field"], field, "{query}");
        assert_eq!(answered.header("content-type"), "application/problem+json");
    }
    let page = owner.get("/calls?number=12&words=%22%3E%3Cscript%3E").await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.text.contains("aria-invalid=\"true\"") && !page.text.contains("<script>"));
    let said = "Number: This is no telephone number. Write a whole one, such as +44 20 7946 0123 or as you \
                dial it, or at least its last 4 digits.";
    assert!(page.text.contains(said), "{}", page.text);
    let page = owner.get("/calls?from=2026-11-29&to=2026-11-01").await.text;
    assert!(page.contains("To: It is before From. Write the same day or a later one."), "{page}");
    let other = owner.get(&format!("/api/v1/calls?agent={}", desk.other_agent)).await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
}

/// A text that would be markup, if it were not escaped.
const SCRIPT: &str = "<script>alert(1)</script>";

#[tokio::test]
async fn the_page_shows_calls_in_an_owners_words() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let empty = owner.get("/calls").await;
    assert_eq!(empty.status, StatusCode::OK);
    assert!(empty.text.contains("No calls yet") && empty.text.contains("+1 555-987-0001"));
    let summary = json!({"title": SCRIPT, "urgent": true, "summary": SCRIPT,
        "data_collected": [{"name": "full_name", "value": SCRIPT}]});
    let id = add_call(
        &desk,
        desk.agent,
        json!({
            "summary": summary, "status": SCRIPT, "caller_number": SCRIPT,
            "metadata": {"unbacked_claims": [{"text": SCRIPT}], "ended_by": SCRIPT}
        }),
    )
    .await;
    let live =
        add_call(&desk, desk.agent, json!({"call_end": null, "status": "in-progress"})).await;
    add_call(&desk, desk.agent, json!({"summary": "kept as text", "metadata": null})).await;
    add_call(&desk, desk.agent, json!({"call_start": "infinity", "call_end": null})).await;
    add_call(&desk, desk.agent, json!({"status": "no-answer", "summary": [1], "metadata": "x"}))
        .await;
    let page = owner.get("/calls?outcome=").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.text.contains(SCRIPT), "{}", page.text);
    for shown in [
        &format!("href=\"/calls/{id}\""),
        &format!("href=\"/live/{live}\""),
        "urgent",
        "check what was said",
        "on the phone now",
        "missed",
        "kept as text",
        "Times are in Europe/London.",
        "27 Nov 12:38",
        "2 min 51 s",
    ] {
        assert!(page.text.contains(shown), "{shown} is not in {}", page.text);
    }
    let none = owner.get("/calls?outcome=transferred&from=2026-11-01").await;
    assert!(none.text.contains("No calls match") && none.text.contains("Remove “put through”"));
    assert!(none.text.contains("href=\"/calls?from=2026-11-01\""), "the other filter stays");
    // A page keeps what is looked for.
    for _ in 0..60 {
        add_call(&desk, desk.agent, json!({"status": "failed"})).await;
    }
    let page = owner.get("/calls?outcome=failed").await;
    let older = page.text.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    let older = older.replace("&amp;", "&");
    assert!(older.starts_with("/calls?outcome=failed&after="), "{older}");
    let second = owner.get(&older).await;
    assert_eq!(second.text.matches("broke off</span>").count(), 10, "{}", second.text);
}

#[tokio::test]
async fn another_business_sees_nothing_of_it() {
    let desk = Desk::open().await;
    add_call(&desk, desk.agent, json!({"summary": {"title": "Secret matter"}})).await;
    let other = desk.sign_in("other@example.com").await;
    for query in ["", "?number=%2B447700900123", &format!("?agent={}", desk.agent)] {
        let page = other.get(&format!("/calls{query}")).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(!page.text.contains("Secret matter"), "{query}");
    }
    assert!(found(&other, "?number=%2B447700900123").await.is_empty());
}
