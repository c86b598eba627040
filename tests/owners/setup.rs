//! Numbers that are connected and put back; webhooks.

use frontdesk::line::directory::LookUp;
use frontdesk::rehearsal::phone::api::Api;
use frontdesk::rehearsal::phone::numbers::Number;
use http::StatusCode;
use serde_json::json;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::desk::{Desk, NUMBER};

const ACCOUNT: &str = "AC00000000000000000000000000000001";
const TOKEN: &str = "the-operators-auth-token";
const FREE: &str = "+15559870777";

/// A desk with a Twilio whose account has these numbers.
async fn with_twilio(numbers: &[(&str, &str)]) -> (Desk, Api) {
    let twilio = Api::new(Some(ACCOUNT.to_owned()), Some(TOKEN.to_owned().into()));
    for (number, url) in numbers {
        twilio.set_number(Number::new(*number, *url));
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    twilio.serve(listener);
    let desk = Desk::open_with(&[
        ("TWILIO_API_URL", url),
        ("TWILIO_ACCOUNT_SID", ACCOUNT.to_owned()),
        ("SECRETS_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned()),
    ])
    .await;
    (desk, twilio)
}

#[tokio::test]
async fn a_number_comes_here_and_goes_back_as_it_was() {
    let (desk, twilio) = with_twilio(&[(FREE, "https://old.example/voice")]).await;
    twilio.set_number(Number {
        voice_application_sid: "AP00000000000000000000000000000001".to_owned(),
        voice_fallback_url: "https://elsewhere.example/sorry".to_owned(),
        ..Number::new(FREE, "https://old.example/voice")
    });
    let before = twilio.numbers()[0].clone();
    let owner = desk.sign_in("owner@example.com").await;
    assert_eq!(owner.get("/api/v1/numbers").await.json()["items"], json!([]), "not theirs");
    let connect = format!("/api/v1/numbers/{}/connect", before.sid);
    let body = json!({"agent": desk.agent});
    assert_eq!(owner.post(&connect, body.clone()).await.status, StatusCode::NOT_FOUND);

    // With the account of their own it is.
    let account = format!("/agents/{}/twilio", desk.agent);
    let odd = owner.form(&account, &[("account_sid", "nonsense"), ("auth_token", TOKEN)]).await;
    assert_eq!(odd.status, StatusCode::UNPROCESSABLE_ENTITY);
    let given = owner.form(&account, &[("account_sid", ACCOUNT), ("auth_token", TOKEN)]).await;
    assert_eq!(given.status, StatusCode::SEE_OTHER, "{}", given.text);
    let stored: serde_json::Value =
        sqlx::query_scalar("select twilio_credentials from voice_agents where id = $1")
            .bind(desk.agent)
            .fetch_one(&desk.pool)
            .await
            .unwrap();
    assert!(stored["auth_token"].as_str().unwrap().starts_with("sealed:v1:"), "{stored}");
    let listed = owner.get("/api/v1/numbers").await.json();
    assert_eq!(listed["items"][0]["calls_go"], "application", "{listed}");
    let page = owner.get("/numbers").await.text;
    assert!(page.contains(FREE) && !page.contains(TOKEN) && !page.contains("sealed:v1"), "{page}");

    let maintainer = desk.sign_in("maintainer@example.com").await;
    let connected = maintainer.post(&connect, body.clone()).await;
    assert_eq!(connected.status, StatusCode::NO_CONTENT, "{}", connected.text);
    let now = twilio.numbers()[0].clone();
    assert_eq!(now.voice_url, desk.app.public_url.join("/twilio/voice"));
    assert_eq!((now.voice_method.as_str(), now.voice_application_sid.as_str()), ("POST", ""));
    assert_eq!(
        now.voice_fallback_url, before.voice_fallback_url,
        "what answers when we are down stays"
    );
    let number: String =
        sqlx::query_scalar("select twilio_phone_number from voice_agents where id = $1")
            .bind(desk.agent)
            .fetch_one(&desk.pool)
            .await
            .unwrap();
    assert_eq!(number, FREE);
    assert!(
        matches!(desk.app.directory.look_up(FREE).await, LookUp::Found(_)),
        "the next call finds it"
    );

    let restore = format!("/api/v1/numbers/{}/restore", before.sid);
    let restored = maintainer.post(&restore, body.clone()).await;
    assert_eq!(restored.status, StatusCode::NO_CONTENT, "{}", restored.text);
    let now = twilio.numbers()[0].clone();
    assert_eq!(
        (now.voice_url, now.voice_application_sid),
        (before.voice_url, before.voice_application_sid)
    );
    assert_eq!(
        maintainer.post(&restore, body.clone()).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let odd = maintainer.post("/api/v1/numbers/..%2F..%2FCalls/connect", body.clone()).await;
    assert_eq!(odd.status, StatusCode::NOT_FOUND);
    let support = desk.sign_in("support@example.com").await;
    assert_eq!(support.post(&connect, body).await.status, StatusCode::FORBIDDEN);
    let stranger = desk.sign_in("other@example.com").await;
    let theirs = json!({"agent": desk.agent});
    assert_eq!(stranger.post(&connect, theirs).await.status, StatusCode::NOT_FOUND);
    let _ = NUMBER;
}

#[tokio::test]
async fn what_a_webhook_was_told_is_shown_and_told_again() {
    let desk = Desk::open().await;
    let call: Uuid = sqlx::query_scalar(
        "insert into call_logs (voice_agent_id, call_start, call_end, status, call_sid, metadata)
        values ($1, now(), now(), 'completed', 'CA00000000000000000000000000000001', '{}')
        returning id",
    )
    .bind(desk.agent)
    .fetch_one(&desk.pool)
    .await
    .unwrap();
    desk.sql(&format!(
        "insert into webhook_deliveries (call_log_id, message_id, attempt, status, error, ms)
        values ('{call}', 'msg_1', 1, 500, '<b>odd</b>', 12)"
    ))
    .await;
    desk.sql(&format!(
        "insert into aftercall_jobs (call_log_id, kind, state) values ('{call}', 'webhook', 'failed')
        on conflict (call_log_id, kind) do update set state = 'failed'"
    ))
    .await;
    let support = desk.sign_in("support@example.com").await;
    let listed = support.get("/api/v1/webhook-deliveries").await.json();
    let id = listed["items"][0]["id"].as_i64().unwrap();
    assert_eq!((&listed["items"][0]["status"], &listed["next"]), (&json!(500), &json!(null)));
    let page = support.get("/webhooks").await.text;
    assert!(page.contains("refused (500)") && page.contains("&lt;b&gt;odd"), "{page}");
    assert!(!page.contains("Send again"), "support sends nothing");
    let again = format!("/api/v1/webhook-deliveries/{id}/redeliver");
    assert_eq!(support.post(&again, json!({})).await.status, StatusCode::FORBIDDEN);
    let stranger = desk.sign_in("other@example.com").await;
    assert_eq!(stranger.post(&again, json!({})).await.status, StatusCode::NOT_FOUND);
    assert_eq!(stranger.get("/api/v1/webhook-deliveries").await.json()["items"], json!([]));
    let maintainer = desk.sign_in("maintainer@example.com").await;
    assert_eq!(maintainer.post(&again, json!({})).await.status, StatusCode::ACCEPTED);
    let revision: i32 = sqlx::query_scalar(
        "select revision from aftercall_jobs where call_log_id = $1 and kind = 'webhook'",
    )
    .bind(call)
    .fetch_one(&desk.pool)
    .await
    .unwrap();
    assert!(revision > 1, "it was called for again");
}
