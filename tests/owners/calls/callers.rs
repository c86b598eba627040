//! What is kept of a caller: shown, taken away, removed.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{CALLER, add_call};
use crate::desk::{Body, Desk};

/// Where the API has the caller.
const PATH: &str = "/api/v1/callers/+447700900123";

async fn count(desk: &Desk, of: &str) -> i64 {
    let sql = sqlx::AssertSqlSafe(format!("select count(*) from {of}"));
    sqlx::query_scalar(sql).fetch_one(&desk.pool).await.unwrap()
}

async fn add_appointment(desk: &Desk, agent: Uuid, phone: &str, notes: &str, key: Option<String>) {
    sqlx::query(
        "insert into appointments (voice_agent_id, name, phone_number, service, special_notes,
            schedule_time, booking_key, is_extracted, quotation)
        values ($1, 'Mrs Okafor', $2, 'Filling', $3, '2026-12-01T10:00:00Z', $4, $4 is not null,
            case when $4 is not null then ' Agent: \"Ten?\" Caller: \"Yes\"' end)",
    )
    .bind(agent)
    .bind(phone)
    .bind(notes)
    .bind(key)
    .execute(&desk.pool)
    .await
    .unwrap();
}

/// A call of the caller's with all that there can be of one.
async fn whole_call(desk: &Desk, agent: Uuid) -> Uuid {
    let path = format!("{agent}/{}.ogg", Uuid::new_v4());
    let file = desk.data.path().join("recordings").join(&path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, b"sound").unwrap();
    let summary = json!({"title": "Tooth pain", "data_collected": [{"name": "full_name", "value": "Mrs Okafor"}]});
    let call = json!({"summary": summary, "transcript": "[00:01] Caller: Words", "metadata": {"recording": {"path": path}}});
    let id = add_call(desk, agent, call).await;
    desk.sql(&format!(
        "insert into call_events (call_log_id, seq, at_ms, kind, data)
            values ('{id}', 1, 0, 'caller_said', '{{\"text\": \"Words\"}}')"
    ))
    .await;
    desk.sql(&format!(
        "insert into scrapping_data (voice_agent_id, data) values
            ('{agent}', '{{\"kind\": \"function\", \"call_log_id\": \"{id}\", \"arguments\": {{\"name\": \"Okafor\"}}}}'),
            ('{agent}', '{{\"kind\": \"page\", \"text\": \"kept\"}}')"
    ))
    .await;
    desk.sql(&format!(
        "insert into call_tasks (voice_agent_id, call_log_id, kind, ordinal, text, urgency, caller_number, at)
            values ('{agent}', '{id}', 'message', 1, 'Call back', 2, '{CALLER}', now())"
    ))
    .await;
    id
}

fn recordings(desk: &Desk, agent: Uuid) -> usize {
    std::fs::read_dir(desk.data.path().join("recordings").join(agent.to_string()))
        .map_or(0, Iterator::count)
}

#[tokio::test]
async fn a_call_is_deleted_with_all_that_is_kept_of_it() {
    let desk = Desk::open().await;
    let id = whole_call(&desk, desk.agent).await;
    let kept = whole_call(&desk, desk.agent).await;
    let notes =
        "Agreed by telephone and not confirmed: please check. Agent: \"Ten?\" Caller: \"Yes\"";
    add_appointment(&desk, desk.agent, CALLER, notes, Some(format!("{id}:extracted:1"))).await;
    let owner = desk.sign_in("owner@example.com").await;
    let page = owner.get(&format!("/calls/{id}")).await.text;
    assert!(page.contains(&format!("action=\"/calls/{id}/delete\"")) && page.contains("Call back"));
    let support = desk.sign_in("support@example.com").await;
    assert!(!support.get(&format!("/calls/{id}")).await.text.contains("/delete"));
    let refused = support.form(&format!("/calls/{id}/delete"), &[("confirm", CALLER)]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    for wrong in ["", "+447700900124", "delete", "<script>"] {
        let answered = owner.form(&format!("/calls/{id}/delete"), &[("confirm", wrong)]).await;
        assert_eq!(answered.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
    assert_eq!(count(&desk, "call_logs").await, 2);

    let done = owner.form(&format!("/calls/{id}/delete"), &[("confirm", "07700 900123")]).await;
    assert_eq!((done.status, done.header("location")), (StatusCode::SEE_OTHER, "/calls?deleted=1"));
    assert!(owner.get("/calls?deleted=1").await.text.contains("The call was deleted."));
    assert_eq!(owner.get(&format!("/calls/{id}")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(count(&desk, &format!("call_logs where id = '{kept}'")).await, 1);
    for (table, left) in
        [("call_events", 1), ("call_tasks", 1), ("scrapping_data", 3), ("left_recordings", 0)]
    {
        assert_eq!(count(&desk, table).await, left, "{table}");
    }
    assert_eq!(recordings(&desk, desk.agent), 1);
    let noted: String = sqlx::query_scalar("select special_notes from appointments")
        .fetch_one(&desk.pool)
        .await
        .unwrap();
    assert_eq!(noted, "Agreed by telephone and not confirmed: please check.");
    assert_eq!(
        count(&desk, &format!("audit_log where action = 'call.delete' and object = 'call {id}'"))
            .await,
        1
    );

    let live =
        add_call(&desk, desk.agent, json!({"call_end": null, "status": "in-progress"})).await;
    let answered = owner.send(Method::DELETE, &format!("/api/v1/calls/{live}"), Body::None).await;
    assert_eq!(answered.status, StatusCode::CONFLICT);
    let withheld = add_call(&desk, desk.agent, json!({"caller_number": "anonymous"})).await;
    let done = owner.form(&format!("/calls/{withheld}/delete"), &[("confirm", "Delete")]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
}

#[tokio::test]
async fn a_message_at_twilio_that_cannot_be_removed_keeps_its_call() {
    // Nobody listens there.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let desk = Desk::open_with(&[
        ("TWILIO_API_URL", format!("http://{closed}")),
        ("TWILIO_ACCOUNT_SID", format!("AC{}", "0".repeat(32))),
    ])
    .await;
    let owner = desk.sign_in("owner@example.com").await;
    let url =
        format!("https://api.twilio.com/2010-04-01/Accounts/AC{}/Recordings/RE1", "0".repeat(32));
    let message =
        |url: &str| json!({"metadata": {"voicemail": {"recording_url": url, "seconds": 3}}});
    let id = add_call(&desk, desk.agent, message(&url)).await;
    let answered = owner.send(Method::DELETE, &format!("/api/v1/calls/{id}"), Body::None).await;
    assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answered.text);
    assert_eq!(count(&desk, "call_logs").await, 1);
    let left = owner.send(Method::DELETE, PATH, Body::None).await.json();
    assert_eq!(left, json!({"calls": 0, "appointments": 0, "left": 1}));
    let elsewhere = add_call(&desk, desk.agent, message("https://elsewhere.example/1.mp3")).await;
    let answered =
        owner.send(Method::DELETE, &format!("/api/v1/calls/{elsewhere}"), Body::None).await;
    assert_eq!(answered.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_caller_is_shown_taken_away_and_removed() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    for _ in 0..30 {
        whole_call(&desk, desk.agent).await;
    }
    add_call(&desk, desk.agent, json!({"caller_number": "+15550000001"})).await;
    let others = whole_call(&desk, desk.other_agent).await;
    add_appointment(&desk, desk.agent, "07700 900 123", "Afraid of needles", None).await;
    add_appointment(&desk, desk.agent, "+15550000001", "Somebody else", None).await;

    let page = owner.get("/callers/+447700900123").await;
    assert_eq!(page.status, StatusCode::OK);
    for shown in [
        "<bdi class=\"tel\">+44 7700 900123</bdi></h1>",
        "Said their name is <bdi>Mrs Okafor</bdi>",
        "Filling",
        "href=\"tel:+447700900123\"",
        "action=\"/callers/+447700900123/delete\"",
    ] {
        assert!(page.text.contains(shown), "{shown} is not in {}", page.text);
    }
    let to_calls = page.text.matches("href=\"/calls/").count();
    assert_eq!(to_calls, 60, "each call, and what there was to do because of it");

    let taken = owner.get(PATH).await;
    assert_eq!(taken.header("content-disposition"), "attachment; filename=\"caller.json\"");
    let taken = taken.json();
    let length = |name: &str| taken[name].as_array().unwrap().len();
    assert_eq!(
        (length("calls"), length("appointments"), length("tasks"), length("saved")),
        (30, 1, 30, 30)
    );
    assert_eq!(taken["calls"][0]["events"][0]["kind"], "caller_said");
    assert_eq!(
        (&taken["calls"][0]["call"]["transcript"], &taken["more"]),
        (&json!("[00:01] Caller: Words"), &json!(false))
    );

    let wrong = owner.form("/callers/+447700900123/delete", &[("confirm", "+15550000001")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        wrong.text.contains("Nothing was deleted") && wrong.text.contains("aria-invalid=\"true\"")
    );
    assert_eq!(count(&desk, "call_logs").await, 32);
    let done = owner.form("/callers/+447700900123/delete", &[("confirm", "+44 7700 900123")]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    assert_eq!(done.header("location"), "/callers/+447700900123?calls=30&appointments=1&left=0");
    let after = owner.get(done.header("location")).await.text;
    assert!(after.contains("Removed: 30 calls") && after.contains("No call from this number."));
    let left: Vec<Uuid> = sqlx::query_scalar("select id from call_logs where caller_number = $1")
        .bind(CALLER)
        .fetch_all(&desk.pool)
        .await
        .unwrap();
    assert_eq!(left, [others], "another business's stays");
    assert_eq!((recordings(&desk, desk.agent), recordings(&desk, desk.other_agent)), (0, 1));
    let kept: Vec<(String, String, Option<String>)> =
        sqlx::query_as("select name, phone_number, special_notes from appointments order by name")
            .fetch_all(&desk.pool)
            .await
            .unwrap();
    assert_eq!(
        kept[0],
        ("Mrs Okafor".to_owned(), "+15550000001".to_owned(), Some("Somebody else".to_owned()))
    );
    assert_eq!(kept[1], ("Removed".to_owned(), String::new(), None));
    let change: Vec<Value> = sqlx::query_scalar(
        "select change from audit_log where action = 'caller.delete' order by id",
    )
    .fetch_all(&desk.pool)
    .await
    .unwrap();
    let steps = [json!({"appointments": 1}), json!({"calls": 25}), json!({"calls": 5})];
    assert_eq!(change, steps, "step by step, and no number");
    assert_eq!(owner.get(PATH).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_not_a_callers_number_is_nobody() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    whole_call(&desk, desk.agent).await;
    for odd in ["anonymous", "07700900123", "%3Cscript%3E", "+44%27%20or%201=1", "..%2F"] {
        for path in [format!("/callers/{odd}"), format!("/api/v1/callers/{odd}")] {
            assert_eq!(owner.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
        }
    }
    let other = desk.sign_in("other@example.com").await;
    assert_eq!(other.get(PATH).await.status, StatusCode::NOT_FOUND);
    assert_eq!(other.send(Method::DELETE, PATH, Body::None).await.status, StatusCode::NOT_FOUND);
    let page = other.get("/callers/+447700900123").await;
    assert!(page.text.contains("No call from this number.") && !page.text.contains("Okafor"));
    let form = other.form("/callers/+447700900123/delete", &[("confirm", CALLER)]).await;
    assert_eq!(form.status, StatusCode::NOT_FOUND);
    let agent = format!("{PATH}?agent={}", desk.agent);
    assert_eq!(other.get(&agent).await.status, StatusCode::NOT_FOUND);
    let odd = owner.get(&format!("{PATH}?agent=x")).await;
    assert_eq!(
        (odd.status, &odd.json()["field"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("agent"))
    );
    let support = desk.sign_in("support@example.com").await;
    let page = support.get("/callers/+447700900123").await.text;
    assert!(
        page.contains("Okafor") && !page.contains("/delete") && !page.contains("/api/v1/callers")
    );
    assert_eq!(count(&desk, "call_logs").await, 1);
}
