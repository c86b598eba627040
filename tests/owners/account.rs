//! One's own account: details, browsers, keys for programs.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::desk::{Body, Client, Desk};

/// What follows these words in a page, up to an end of a value.
fn after<'a>(text: &'a str, words: &str) -> &'a str {
    let at = text.find(words).unwrap_or_else(|| panic!("no {words} in {text}"));
    text[at + words.len()..].split(['"', '<', '/']).next().unwrap()
}

#[tokio::test]
async fn somebody_changes_their_details_and_nothing_else_of_their_row() {
    let desk = Desk::open().await;
    let client = desk.sign_in("support@example.com").await;
    let form = [
        ("name", "Sam <i>S</i>"),
        ("phone", "+44 20 7946 0000"),
        ("company", "Bright"),
        ("title", "Desk"),
        ("isadmin", "true"),
        ("voiceagents_allowed", "999"),
        ("email", "x@y"),
    ];
    let changed = client.form("/account", &form).await;
    assert_eq!(changed.header("location"), "/account?done=changed", "{}", changed.text);
    let row: Value = sqlx::query_scalar(
        "select row_to_json(c) from customer c where email = 'support@example.com'",
    )
    .fetch_one(&desk.pool)
    .await
    .unwrap();
    assert_eq!((&row["username"], &row["title"]), (&json!("Sam <i>S</i>"), &json!("Desk")));
    assert_eq!((&row["isadmin"], &row["voiceagents_allowed"]), (&json!(false), &json!(0)));
    let page = client.get("/account?done=changed").await;
    assert!(page.text.contains("Sam &lt;i&gt;S&lt;/i&gt;") && !page.text.contains("<i>"));
    let wrong = client.form("/account", &[("name", " "), ("company", &"x".repeat(201))]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        wrong.text.contains("id=\"name-error\"") && wrong.text.contains("id=\"company-error\"")
    );
}

#[tokio::test]
async fn somebody_ends_their_other_browsers_and_nobody_elses() {
    let desk = Desk::open().await;
    let here = desk.sign_in("owner@example.com").await;
    let there = desk.sign_in("owner@example.com").await;
    let third = desk.sign_in("owner@example.com").await;
    let theirs = desk.sign_in("support@example.com").await;
    let page = here.get("/account").await;
    assert!(page.text.contains("this browser"), "{}", page.text);
    assert_eq!(page.text.matches("/account/sessions/").count(), 3, "two, and all others");
    let id = after(&page.text, "/account/sessions/").to_owned();
    let ended = here.form(&format!("/account/sessions/{id}/end"), &[]).await;
    assert_eq!(ended.header("location"), "/account?done=ended");
    let mut alive = 0;
    for client in [&there, &third] {
        alive += usize::from(client.get("/api/v1/agents").await.status == StatusCode::OK);
    }
    assert_eq!(alive, 1, "that one alone");
    let ended = here.form("/account/sessions/end-others", &[]).await;
    assert_eq!(ended.header("location"), "/account?done=others-ended");
    for client in [&there, &third] {
        assert_eq!(client.get("/api/v1/agents").await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(here.get("/account").await.status, StatusCode::OK);
    assert_eq!(theirs.get("/account").await.status, StatusCode::OK);
}

/// A program with a new key of this scope.
async fn program(desk: &Desk, client: &Client, scope: &str) -> (Client, String) {
    let body = json!({"name": "till", "scope": scope, "days": 30});
    let made = client.post("/api/v1/tokens", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let secret = made.json()["secret"].as_str().unwrap().to_owned();
    let id = made.json()["token"]["id"].as_str().unwrap().to_owned();
    (desk.stranger().with("authorization", format!("Bearer {secret}")), id)
}

#[tokio::test]
async fn a_key_does_what_its_scope_says_until_it_is_revoked() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let (reads, _) = program(&desk, &owner, "read").await;
    let (writes, id) = program(&desk, &owner, "write").await;
    let booking = json!({"agent": desk.agent, "start": "2026-12-01T10:00", "name": "Anna"});
    for client in [&reads, &writes] {
        assert_eq!(client.get("/api/v1/appointments").await.status, StatusCode::OK);
    }
    let refused = reads.post("/api/v1/appointments", booking.clone()).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    let feed = format!("/api/v1/agents/{}/calendar-feed", desk.agent);
    for (method, path) in [
        (Method::POST, feed.clone()),
        (Method::DELETE, feed),
        (Method::DELETE, format!("/api/v1/tokens/{id}")),
    ] {
        let refused = reads.send(method.clone(), &path, Body::None).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{method} {path}");
    }
    for path in ["/account", "/account/sessions/end-others", "/account/tokens"] {
        let refused = reads.form(path, &[("name", "x"), ("token-name", "x"), ("scope", "write")]);
        assert_eq!(refused.await.header("location"), "/sign-in", "a key opens no page: {path}");
    }
    // Its address would outlive the key.
    let feed = format!("/api/v1/agents/{}/calendar-feed", desk.agent);
    assert_eq!(writes.post(&feed, json!({})).await.status, StatusCode::FORBIDDEN);
    assert_eq!(writes.post("/api/v1/appointments", booking).await.status, StatusCode::CREATED);
    let more = writes.post("/api/v1/tokens", json!({"name": "x", "scope": "write"})).await;
    assert_eq!(more.status, StatusCode::FORBIDDEN, "a key makes no keys");

    let page = owner.get("/account").await;
    assert!(page.text.contains("last used today"), "{}", page.text);
    assert!(!page.text.contains("Bearer fd_") && !page.text.contains("value=\"fd_"));
    let other = desk.sign_in("other@example.com").await;
    let path = format!("/account/tokens/{id}/revoke");
    assert_eq!(other.form(&path, &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(owner.form(&path, &[]).await.header("location"), "/account?done=revoked");
    assert_eq!(writes.get("/api/v1/agents").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(reads.get("/api/v1/agents").await.status, StatusCode::OK);
    desk.sql("update api_tokens set expires_at = now()").await;
    assert_eq!(reads.get("/api/v1/agents").await.status, StatusCode::UNAUTHORIZED);
    assert!(owner.get("/account").await.text.contains("expired"));
}

#[tokio::test]
async fn a_key_is_shown_once_on_its_page_and_odd_ones_are_refused() {
    let desk = Desk::open().await;
    let client = desk.sign_in("support@example.com").await;
    let form = [("token-name", "<s>till</s>"), ("scope", "read"), ("days", "")];
    let shown = client.form("/account/tokens", &form).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
    assert!(shown.text.contains("&lt;s&gt;till") && !shown.text.contains("<s>"));
    let secret = format!("fd_{}", after(&shown.text, "<pre id=\"key\">fd_"));
    let program = desk.stranger().with("authorization", format!("Bearer {secret}"));
    assert_eq!(program.get("/api/v1/agents").await.json()["items"][0]["role"], "support");
    let row: String = sqlx::query_scalar("select row_to_json(t)::text from api_tokens t")
        .fetch_one(&desk.pool)
        .await
        .unwrap();
    assert!(!row.contains(&secret[3..]), "only its hash is kept");
    for (field, body) in [
        ("name", json!({"name": "", "scope": "read"})),
        ("scope", json!({"name": "x", "scope": "all"})),
        ("days", json!({"name": "x", "scope": "read", "days": 0})),
        ("days", json!({"name": "x", "scope": "read", "days": 5_000_000_000_i64})),
        ("user_id", json!({"name": "x", "scope": "read", "user_id": desk.agent})),
    ] {
        let refused = client.post("/api/v1/tokens", body.clone()).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(refused.json()["field"], field, "{}", refused.text);
    }
    let wrong = client.form("/account/tokens", &[("token-name", ""), ("scope", "read")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains("id=\"token-name-error\""), "{}", wrong.text);
    let refused = client.send(Method::POST, "/api/v1/tokens", Body::Form(&[("name", "x")])).await;
    assert_eq!(refused.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
