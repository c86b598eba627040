//! What owners' servers are told: a test of it, and the list.

use http::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::calls::add_call;
use crate::desk::{Client, Desk};

/// A server that answers each request with this status, and gives what it was sent.
async fn receiver(status: u16) -> (String, tokio::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (told, heard) = tokio::sync::mpsc::channel(16);
    frontdesk::clock::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = String::new();
            let mut piece = [0; 4096];
            // The body ends with the object.
            while !text.ends_with('}') {
                let read = stream.read(&mut piece).await.unwrap();
                assert!(read > 0, "it breaks off: {text}");
                text.push_str(std::str::from_utf8(&piece[..read]).unwrap());
            }
            let answer =
                format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            told.send(text).await.unwrap();
        }
    });
    (address, heard)
}

#[tokio::test]
async fn a_test_is_posted_and_what_came_of_it_is_said() {
    let (address, mut heard) = receiver(204).await;
    let (refusing, _refused) = receiver(500).await;
    let allowed = format!("{address},{refusing}");
    let desk = Desk::open_with(&[("ALLOW_PRIVATE_TOOL_URLS", allowed)]).await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let page = maintainer.get("/webhooks").await.text;
    assert!(!page.contains("Send a test"), "there is no webhook");
    let field = format!("<a href=\"/agents/{}#settings-webhook-url\">", desk.agent);
    assert!(page.contains(&field) && page.contains("Write the address of your program"), "{page}");
    let agent_page = maintainer.get(&format!("/agents/{}", desk.agent)).await.text;
    assert!(agent_page.contains("id=\"settings-webhook-url\""), "the link leads somewhere");
    let set = async |address: &str| {
        let webhook = json!({"webhook": {"url": format!("http://{address}/told"),
            "secret": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"}});
        desk.sql(&format!(
            "update voice_agents set private_settings = private_settings || '{webhook}' where id = '{}'",
            desk.agent
        ))
        .await;
        desk.app.directory.refresh(Some(desk.agent), None).await;
    };
    set(&address).await;
    let page = maintainer.get("/webhooks").await.text;
    assert!(
        page.contains("Send a test") && page.contains("Each call that ends is posted"),
        "{page}"
    );
    assert!(!page.contains("Write the address of your program"), "it is written: {page}");
    let agent = desk.agent.to_string();
    let page = maintainer.form("/webhooks/test", &[("agent", &agent)]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("Your server took the test"), "{}", page.text);
    let text = heard.recv().await.unwrap();
    for part in ["webhook-signature: v1,", "webhook-id: test_", "\"type\":\"test\"", &agent] {
        assert!(text.contains(part), "{part}: {text}");
    }
    set(&refusing).await;
    let page = maintainer.form("/webhooks/test", &[("agent", &agent)]).await;
    assert!(page.text.contains("answered with status 500"), "{}", page.text);
    let path = format!("/api/v1/agents/{agent}/webhook/test");
    let answer = maintainer.post(&path, json!({})).await.json();
    assert_eq!((&answer["taken"], &answer["status"]), (&json!(false), &json!(500)), "{answer}");
    let noted = "select string_agg(change ->> 'status', ' ' order by id) from audit_log
        where action = 'webhook.test'";
    assert_eq!(desk.made(noted).await, "204 500 500");
    let agent_page = format!("/agents/{agent}");
    for page in ["/webhooks", &agent_page] {
        let page = maintainer.get(page).await.text;
        assert!(page.contains("can be read on its way"), "{page}");
        assert!(!page.contains("never posts"), "it may be reached: {page}");
    }
    set("10.0.0.1").await;
    for page in ["/webhooks", &agent_page] {
        let page = maintainer.get(page).await.text;
        assert!(page.contains("This server never posts to this address"), "{page}");
    }
    set("nobody.invalid").await;
    let page = maintainer.form("/webhooks/test", &[("agent", &agent)]).await.text;
    assert!(page.contains("no server answers there") && !page.contains("webhook: "), "{page}");
    let support = desk.sign_in("support@example.com").await;
    let refused = support.form("/webhooks/test", &[("agent", &agent)]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_list_keeps_the_agent_that_is_chosen() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let call = add_call(&desk, desk.agent, json!({})).await;
    desk.sql(&format!(
        "insert into webhook_deliveries (call_log_id, message_id, attempt, ms)
        select '{call}', 'msg_1', n, 1 from generate_series(1, 60) n"
    ))
    .await;
    desk.sql(&format!(
        "insert into aftercall_jobs (call_log_id, kind) values ('{call}', 'webhook')
        on conflict do nothing"
    ))
    .await;
    let page = owner.get(&format!("/webhooks?agent={}", desk.agent)).await.text;
    assert!(page.contains("call.completed"), "{page}");
    assert_eq!(page.matches("/redeliver?").count(), 1, "a call is one row: {page}");
    assert!(page.contains("59 tries before"), "{page}");
    assert!(page.contains("data-is=\"Tried again\">now<"), "its time is over: {page}");
    desk.sql(&format!(
        "insert into webhook_deliveries (call_log_id, message_id, attempt, status, error, ms)
        select '{call}', 'msg_1', n, 403, 'webhook: answered 403', 1 from generate_series(61, 101) n"
    ))
    .await;
    let page = owner.get(&format!("/webhooks?agent={}", desk.agent)).await.text;
    assert!(page.contains(&format!("/webhooks?agent={}&amp;after=", desk.agent)), "{page}");
    assert!(page.contains("refused (403)") && !page.contains("answered 403"), "once: {page}");
    let again = format!("/webhooks/101/redeliver?agent={}", desk.agent);
    assert!(page.contains(&again), "{page}");
    let done = owner.form(&again, &[]).await;
    let back = format!("/webhooks?agent={}&done=nowhere", desk.agent);
    assert_eq!(done.header("location"), back, "{}", done.text);
    assert!(owner.get(&back).await.text.contains("no address is set"));
    desk.sql("update voice_agents set private_settings = '{\"webhook\": {\"url\": \"https://x.example/\"}}'")
        .await;
    desk.app.directory.refresh(Some(desk.agent), None).await;
    let done = owner.form(&again, &[]).await;
    let back = format!("/webhooks?agent={}&done=again", desk.agent);
    assert_eq!(done.header("location"), back, "{}", done.text);
    assert!(owner.get(&back).await.text.contains("It is sent again now"));
}

#[tokio::test]
async fn today_says_that_the_owners_program_takes_nothing_until_it_does() {
    let desk = Desk::open().await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let support = desk.sign_in("support@example.com").await;
    let mut calls = Vec::new();
    for _ in 0..3 {
        calls.push(add_call(&desk, desk.agent, json!({})).await);
    }
    let told = async |call: usize, status: &str| {
        desk.sql(&format!(
            "insert into webhook_deliveries (call_log_id, message_id, attempt, status, ms)
            values ('{}', 'msg_{call}', 1, {status}, 1)",
            calls[call]
        ))
        .await;
    };
    let warns = async |client: &Client| {
        let today = client.get("/").await.text;
        let link = format!("/webhooks?agent={}\">See what it answered", desk.agent);
        assert_eq!(
            today.contains("taken none of the last calls"),
            today.contains(&link),
            "{today}"
        );
        today.contains(&link)
    };
    let set = async |settings: serde_json::Value| {
        desk.sql(&format!("update voice_agents set private_settings = '{settings}'")).await;
        desk.app.directory.refresh(Some(desk.agent), None).await;
    };
    set(json!({"webhook": {"url": "https://x.example/"}})).await;
    for status in ["null", "500", "500"] {
        told(0, status).await;
    }
    told(1, "404").await;
    assert!(!warns(&maintainer).await, "two calls are few");
    told(2, "500").await;
    assert!(warns(&maintainer).await);
    assert!(!warns(&support).await, "they cannot mend it");
    let admin = desk.sign_in("admin@example.com").await;
    assert!(!warns(&admin).await, "it is somebody else's agent");
    let chosen = admin.get(&format!("/?agent={}", desk.agent)).await.text;
    assert!(chosen.contains("taken none of the last calls"), "they asked for it");
    told(1, "204").await;
    assert!(!warns(&maintainer).await, "it took one");
    // As of a business with a call a day: each is tried again and again.
    for n in 0..90 {
        told(n / 30, "500").await;
    }
    assert!(warns(&maintainer).await);
    desk.sql("update webhook_deliveries set at = now() - interval '8 days'").await;
    assert!(!warns(&maintainer).await, "that is long ago");
    desk.sql("update webhook_deliveries set at = now()").await;
    set(json!({})).await;
    assert!(!warns(&maintainer).await, "no program is to be told");
}
