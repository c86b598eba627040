//! What several people change at once, and what is larger than is read of it: nothing is lost, and no secret
//! goes where nobody looked.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::desk::{Body, Client, Desk};

fn agent(desk: &Desk) -> String {
    format!("/api/v1/agents/{}", desk.agent)
}

async fn patch(client: &Client, path: &str, body: Value) -> crate::desk::Answered {
    client.send(Method::PATCH, path, Body::Json(body)).await
}

async fn made(client: &Client, desk: &Desk, name: &str, data: Value) -> String {
    let function = json!({"type": "json_api", "name": name, "data": data});
    let made = client.post(&format!("{}/functions", agent(desk)), function).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    format!("/api/v1/functions/{}", made.json()["id"].as_str().unwrap())
}

#[tokio::test]
async fn of_two_changes_of_one_version_at_once_one_is_told_of_the_other() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let stock = made(&owner, &desk, "stock", json!({"url": "https://stock.example/"})).await;
    for n in 0..8 {
        let version = owner.get(&stock).await.json()["version"].clone();
        let change = |who: &str| json!({"purpose": format!("{who} {n}"), "version": version});
        let (one, other) =
            tokio::join!(patch(&owner, &stock, change("A")), patch(&owner, &stock, change("B")));
        let mut told = [one.status.as_u16(), other.status.as_u16()];
        told.sort_unstable();
        assert_eq!(told, [200, 409], "a function: {} {}", one.text, other.text);
        let version = owner.get(&agent(&desk)).await.json()["version"].clone();
        let change = |who: &str| json!({"business": {"business_summary": format!("{who} {n}")}, "version": version});
        let path = agent(&desk);
        let (one, other) =
            tokio::join!(patch(&owner, &path, change("A")), patch(&owner, &path, change("B")));
        let mut told = [one.status.as_u16(), other.status.as_u16()];
        told.sort_unstable();
        assert_eq!(told, [200, 409], "the business: {} {}", one.text, other.text);
    }
    let functions = format!("{}/functions", agent(&desk));
    let twin = || {
        owner.post(
            &functions,
            json!({"type": "json_api", "name": "twin", "data": {"url": "https://x.example/"}}),
        )
    };
    let _ = tokio::join!(twin(), twin(), twin(), twin());
    let count = "select count(*)::text from functions where name = 'twin'";
    assert_eq!(desk.made(count).await, "1", "a name is there once");
}

#[tokio::test]
async fn what_is_accepted_is_read_back() {
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned();
    let desk = Desk::open_with(&[("SECRETS_KEY", key)]).await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let path = agent(&desk);
    patch(&maintainer, &path, json!({"settings": {"greeting": "Good day."}})).await;
    let secrets: serde_json::Map<String, Value> =
        (0..12_000).map(|n| (format!("S{n}"), json!("x"))).collect();
    let refused = patch(&maintainer, &path, json!({"settings": {"secrets": secrets}})).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    assert!(refused.text.contains("more than is read"), "{}", refused.text);
    let now = maintainer.get(&path).await.json();
    assert_eq!(now["settings"]["greeting"], "Good day.", "nothing is lost: {now}");
}

#[tokio::test]
async fn no_secret_follows_what_cannot_be_read() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let path = agent(&desk);
    let secrets = json!({"BASE": "https://crm.example", "CRM": "the real secret"});
    patch(&owner, &path, json!({"settings": {"secrets": secrets}})).await;
    let mut older = Vec::new();
    for n in 0..9 {
        let data = json!({"method": "POST", "url": "https://stock.example/", "body": "x"});
        older.push(made(&owner, &desk, &format!("old{n}"), data).await);
    }
    let headers = json!({"Authorization": "Bearer {{ secrets.CRM }}"});
    let data = json!({"url": "{{ secrets.BASE }}/echo", "headers": headers});
    let crm = made(&owner, &desk, "crm", data).await;
    let elsewhere = json!({"settings": {"secrets": {"BASE": "https://mine.example"}}});
    let control = patch(&maintainer, &path, elsewhere.clone()).await;
    assert_eq!(control.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", control.text);
    // Enlarging the others takes it out of what is read: that is refused.
    let large = json!({"data": {"method": "POST", "url": "https://stock.example/", "body": vec![1; 85_000]}});
    let mut refused = 0;
    for function in &older {
        let done = patch(&maintainer, function, large.clone()).await;
        refused += usize::from(done.status == StatusCode::CONFLICT);
    }
    assert!(refused > 0, "what one function takes is not left for the others");
    assert_eq!(maintainer.get(&crm).await.json()["data"]["url"], "{{ secrets.BASE }}/echo");
    // What was written otherwise and cannot be read stands in the way of whoever does not answer for it.
    desk.sql(&format!(
        "update functions set data = data || jsonb_build_object('body', repeat('x', 300000))
        where name = 'crm' and assistant_id = '{}'",
        desk.agent
    ))
    .await;
    let refused = patch(&maintainer, &path, elsewhere).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    assert!(refused.text.contains("too large to be read"), "{}", refused.text);
}

#[tokio::test]
async fn going_back_keeps_secrets_that_were_set_since() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let path = agent(&desk);
    patch(&owner, &path, json!({"settings": {"greeting": "One."}})).await;
    let version = owner.get(&format!("{path}/versions")).await.json()["items"][0]["n"].clone();
    patch(&owner, &path, json!({"settings": {"secrets": {"CRM": "k-1"}}})).await;
    let webhook = json!({"url": "https://x.example/", "secret": "s-1"});
    patch(&owner, &path, json!({"settings": {"greeting": "Two.", "webhook": webhook}})).await;
    let back = owner.post(&format!("{path}/versions/{version}/restore"), json!({})).await;
    assert_eq!(back.status, StatusCode::OK, "{}", back.text);
    let now = owner.get(&path).await.json();
    assert_eq!(now["settings"]["greeting"], "One.", "{now}");
    let kept = desk.made("select private_settings -> 'secrets' ->> 'CRM' from voice_agents where private_settings -> 'secrets' is not null").await;
    assert_eq!(kept, "k-1");
}

#[tokio::test]
async fn the_link_of_an_invitation_that_was_taken_back_opens_nothing() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let path = format!("{}/access", agent(&desk));
    let invite = async || {
        let made =
            owner.post(&path, json!({"email": "bob@corp.example", "role": "maintainer"})).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        let made = made.json();
        let link = made["sign_in_link"]
            .as_str()
            .or(made["link"].as_str())
            .unwrap_or_else(|| panic!("{made}"));
        let link = link.split_once("/sign-in/").unwrap().1.to_owned();
        (made["access"]["id"].clone(), format!("/sign-in/{link}"))
    };
    let opens =
        async |link: &str| desk.stranger().form(link, &[]).await.status == StatusCode::SEE_OTHER;
    let (id, first) = invite().await;
    owner.send(Method::DELETE, &format!("/api/v1/access/{id}"), Body::None).await;
    assert!(!opens(&first).await, "it was taken back");
    let (id, second) = invite().await;
    assert!(!opens(&first).await, "nor with what the next one is given");
    let third = owner.form(&format!("/people/{id}/link"), &[]).await.text;
    assert!(!opens(&second).await, "a new link ends the one before");
    let third = third.split("/sign-in/").nth(1).unwrap().split('<').next().unwrap();
    assert!(opens(&format!("/sign-in/{third}")).await);
}
