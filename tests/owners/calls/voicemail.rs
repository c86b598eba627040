//! Listening to the message that a caller left with Twilio.

use frontdesk::rehearsal::phone::api::Api;
use http::{Method, StatusCode};
use serde_json::json;
use tokio::net::TcpListener;
use uuid::Uuid;

use super::add_call;
use crate::desk::{Body, Desk, TOKEN};

const ACCOUNT: &str = "AC00000000000000000000000000000001";
const MESSAGE: &str = "RE00000000000000000000000000000007";

/// A desk with a Twilio that keeps one message.
async fn with_message() -> (Desk, Api) {
    let twilio = Api::new(Some(ACCOUNT.to_owned()), Some(TOKEN.to_owned().into()));
    twilio.keep(ACCOUNT, MESSAGE);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    twilio.serve(listener);
    let account = [("TWILIO_API_URL", url), ("TWILIO_ACCOUNT_SID", ACCOUNT.to_owned())];
    (Desk::open_with(&account).await, twilio)
}

async fn left(desk: &Desk, agent: Uuid, account: &str, sid: &str) -> Uuid {
    let url = format!("https://api.twilio.com/2010-04-01/Accounts/{account}/Recordings/{sid}");
    let metadata = json!({"voicemail": {"recording_url": url, "seconds": 3}});
    add_call(desk, agent, json!({"metadata": metadata, "status": "voicemail"})).await
}

async fn listens(desk: &Desk) -> i64 {
    let count = "select count(*) from audit_log where action = 'voicemail.listen'";
    sqlx::query_scalar(count).fetch_one(&desk.pool).await.unwrap()
}

#[tokio::test]
async fn a_message_is_heard_here_in_parts_and_listening_is_written_down_once() {
    let (desk, twilio) = with_message().await;
    let support = desk.sign_in("support@example.com").await;
    let id = left(&desk, desk.agent, ACCOUNT, MESSAGE).await;
    let path = format!("/api/v1/calls/{id}/voicemail");
    let head = support.send(Method::HEAD, &path, Body::None).await;
    assert_eq!(head.status, StatusCode::OK, "{}", head.text);
    assert_eq!(listens(&desk).await, 0, "nothing was heard");

    let (whole, sound) = support.get_with(&path, "accept-encoding", "gzip").await;
    assert_eq!((whole.status, whole.header("content-type")), (StatusCode::OK, "audio/mpeg"));
    assert_eq!(whole.header("accept-ranges"), "bytes");
    assert_eq!(head.header("content-length"), sound.len().to_string());
    assert_eq!(sound[..2], [0xff, 0xfb]);
    // What follows comes from here: a player goes to and fro.
    assert_eq!(twilio.recordings().len(), 1);
    let (part, bytes) = support.get_with(&path, "range", "bytes=104-207").await;
    assert_eq!((part.status, &bytes[..]), (StatusCode::PARTIAL_CONTENT, &sound[104..208]));
    let (beyond, _) = support.get_with(&path, "range", "bytes=9999999-").await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(listens(&desk).await, 1, "once, however many parts were asked for");
    let object = "select object from audit_log where action = 'voicemail.listen'";
    assert_eq!(desk.made(object).await, format!("call {id}"));

    let page = support.get(&format!("/calls/{id}")).await.text;
    assert!(page.contains(&format!("src=\"{path}\"")), "{page}");
    assert!(!page.contains("api.twilio.com"), "nothing leads out of the console");
    let other = desk.sign_in("other@example.com").await;
    assert_eq!(other.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn why_a_message_is_not_heard_is_said() {
    let (desk, _twilio) = with_message().await;
    let owner = desk.sign_in("owner@example.com").await;
    let agent = desk.agent;
    let gone = left(&desk, agent, ACCOUNT, "RE00000000000000000000000000000008").await;
    let foreign = left(&desk, agent, "AC00000000000000000000000000000002", MESSAGE).await;
    let elsewhere = json!({"voicemail": {"recording_url": "https://elsewhere.example/1.mp3"}});
    let elsewhere = add_call(&desk, agent, json!({"metadata": elsewhere})).await;
    let removed = json!({"voicemail": {"recording_url": null, "seconds": 3}});
    let removed = add_call(&desk, agent, json!({"metadata": removed})).await;
    let none = add_call(&desk, agent, json!({})).await;
    for (id, status, why) in [
        (gone, 404, "Twilio does not have the message"),
        (foreign, 502, "does not give the message"),
        (elsewhere, 404, "not kept any more"),
        (removed, 404, "not kept any more"),
        (none, 404, "no message was left"),
    ] {
        let answered = owner.get(&format!("/api/v1/calls/{id}/voicemail")).await;
        assert_eq!(answered.status.as_u16(), status, "{}", answered.text);
        assert!(answered.text.contains(why), "{}", answered.text);
    }
    let page = owner.get(&format!("/calls/{removed}")).await.text;
    assert!(page.contains("not kept any more") && !page.contains("<audio"), "{page}");
    assert_eq!(listens(&desk).await, 0);
}

#[tokio::test]
async fn without_an_account_nobody_is_asked() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let id = left(&desk, desk.agent, ACCOUNT, MESSAGE).await;
    let answered = owner.get(&format!("/api/v1/calls/{id}/voicemail")).await;
    assert_eq!(answered.status, StatusCode::BAD_GATEWAY, "{}", answered.text);
    assert!(answered.text.contains("no Twilio account"), "{}", answered.text);
}

#[tokio::test]
async fn only_the_agent_s_own_account_is_asked_for_what_its_token_signed_for() {
    let (desk, twilio) = with_message().await;
    let owner = desk.sign_in("owner@example.com").await;
    // The message is in the server's account, and whoever signed for it may have made their token up.
    let signed_for = async || {
        let id = left(&desk, desk.agent, ACCOUNT, MESSAGE).await;
        desk.sql(&format!(
            "update call_logs set metadata = jsonb_set(metadata, '{{voicemail,own_account}}', 'true')
            where id = '{id}'"
        ))
        .await;
        id
    };
    let is_not_heard = async |id: Uuid| {
        let answered = owner.get(&format!("/api/v1/calls/{id}/voicemail")).await;
        assert_eq!(answered.status, StatusCode::BAD_GATEWAY, "{}", answered.text);
    };
    let id = signed_for().await;
    is_not_heard(id).await;
    // Nobody reads that it was erased; who says so removes the call without it.
    let kept = owner.send(Method::DELETE, &format!("/api/v1/calls/{id}"), Body::None).await;
    assert_eq!(kept.status, StatusCode::BAD_GATEWAY, "{}", kept.text);
    let without = format!("/api/v1/calls/{id}?leave_messages=true");
    let removed = owner.send(Method::DELETE, &without, Body::None).await;
    assert!(removed.status.is_success(), "{}", removed.text);
    let noted = "select count(*)::text from audit_log where action = 'message.left'
        and change ->> 'at' like '%/Recordings/%'";
    assert_eq!(desk.made(noted).await, "1");
    assert_eq!(twilio.recordings(), [MESSAGE]);
    let made_up = json!({"account_sid": ACCOUNT, "auth_token": "made-up"});
    has_account(&desk, &made_up).await;
    let id = signed_for().await;
    is_not_heard(id).await;
    // Twilio lets that account do nothing: nobody may read that the message was erased.
    let kept = owner.send(Method::DELETE, &format!("/api/v1/calls/{id}"), Body::None).await;
    assert_eq!(kept.status, StatusCode::BAD_GATEWAY, "{}", kept.text);
    assert!(kept.text.contains("the account that took the message"), "{}", kept.text);
    let calls = format!("select count(*)::text from call_logs where id = '{id}'");
    assert_eq!(desk.made(&calls).await, "1");
    assert_eq!(twilio.recordings(), [MESSAGE]);
}

async fn has_account(desk: &Desk, credentials: &serde_json::Value) {
    let agent = desk.agent;
    desk.sql(&format!(
        "update voice_agents set twilio_credentials = '{credentials}' where id = '{agent}'"
    ))
    .await;
    desk.app.directory.refresh(None, None).await;
}

#[tokio::test]
async fn an_agent_that_has_another_account_now_keeps_its_earlier_messages() {
    let (desk, twilio) = with_message().await;
    let owner = desk.sign_in("owner@example.com").await;
    // The server's token signed for it.
    let id = left(&desk, desk.agent, ACCOUNT, MESSAGE).await;
    let own = "AC00000000000000000000000000000002";
    has_account(&desk, &json!({"account_sid": own, "auth_token": "its-own"})).await;
    let heard = owner.get_with(&format!("/api/v1/calls/{id}/voicemail"), "accept", "*/*").await.0;
    assert_eq!(heard.status, StatusCode::OK, "{}", heard.text);
    let removed = owner.send(Method::DELETE, &format!("/api/v1/calls/{id}"), Body::None).await;
    assert!(removed.status.is_success(), "{}", removed.text);
    assert!(twilio.recordings().is_empty(), "the message was erased as well");

    // Left with an account that the agent had before this one.
    let earlier = left(&desk, desk.agent, "AC00000000000000000000000000000003", MESSAGE).await;
    let kept = owner.send(Method::DELETE, &format!("/api/v1/calls/{earlier}"), Body::None).await;
    assert_eq!(kept.status, StatusCode::BAD_GATEWAY, "{}", kept.text);
    // One that does not open with this server's key opens again with the right one.
    has_account(&desk, &json!({"account_sid": own, "auth_token": "sealed:v1:AAAA"})).await;
    let kept = owner.send(Method::DELETE, &format!("/api/v1/calls/{earlier}"), Body::None).await;
    assert_eq!(kept.status, StatusCode::SERVICE_UNAVAILABLE, "{}", kept.text);
}
