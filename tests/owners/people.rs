//! The people of an agent: who may change what they are, and what that does.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::desk::{Answered, Body, Client, Desk, add_person, give_access};

async fn person(desk: &Desk, email: &str) -> Uuid {
    let sql = "select uuid from customer where email = $1";
    sqlx::query_scalar(sql).bind(email).fetch_one(&desk.pool).await.unwrap()
}

/// The access of the person with this address, as the owner sees it.
async fn access(desk: &Desk, client: &Client, email: &str) -> Value {
    let path = format!("/api/v1/agents/{}/access", desk.agent);
    let list = client.get(&path).await.json();
    let found = list["items"].as_array().unwrap().iter().find(|item| item["email"] == email);
    found.unwrap_or(&Value::Null).clone()
}

async fn patch(client: &Client, id: &Value, body: Value) -> Answered {
    client.send(Method::PATCH, &format!("/api/v1/access/{id}"), Body::Json(body)).await
}

async fn invite(desk: &Desk, client: &Client, body: Value) -> Answered {
    client.post(&format!("/api/v1/agents/{}/access", desk.agent), body).await
}

#[tokio::test]
async fn somebody_new_is_invited_signs_in_and_is_removed() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let new = json!({"email": "ana@example.com", "name": "<b>Ana</b>", "role": "maintainer"});
    let made = invite(&desk, &owner, new.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let link = made.json()["sign_in_link"].as_str().unwrap().to_owned();
    let id = made.json()["access"]["id"].clone();
    let page = owner.get("/people").await;
    assert!(page.text.contains("&lt;b&gt;Ana&lt;/b&gt;"), "{}", page.text);
    assert!(!page.text.contains("<b>Ana") && !page.text.contains(&link));

    // Until they have signed in the owner makes another link; then no more.
    let again = owner.form(&format!("/people/{id}/link"), &[]).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text);
    let at = again.text.find("/sign-in/").unwrap();
    let path = again.text[at..].split('<').next().unwrap();
    let used = desk.stranger().form(path, &[]).await;
    assert_eq!(used.status, StatusCode::SEE_OTHER, "{}", used.text);
    let cookie = used.header("set-cookie").split(';').next().unwrap().to_owned();
    let ana = desk.stranger().with("cookie", cookie);
    assert_eq!(ana.get("/api/v1/agents").await.json()["items"][0]["role"], "maintainer");
    let late = owner.form(&format!("/people/{id}/link"), &[]).await;
    assert_eq!(late.status, StatusCode::NOT_FOUND, "their account is theirs alone");

    let twice = invite(&desk, &owner, new).await;
    assert_eq!(twice.status, StatusCode::CONFLICT);
    assert_eq!(twice.json()["conflict"]["access"]["role"], "maintainer");

    // The calendar address that Ana knows stops with her access.
    let feed = format!("/api/v1/agents/{}/calendar-feed", desk.agent);
    let url = ana.post(&feed, json!({})).await.json()["url"].as_str().unwrap().to_owned();
    let calendar = &url[url.find("/feeds/").unwrap()..];
    assert_eq!(desk.stranger().get(calendar).await.status, StatusCode::OK);
    let off = owner.form(&format!("/people/{id}/off"), &[]).await;
    assert!(off.header("location").contains("done=off-feed"), "{}", off.text);
    assert_eq!(desk.stranger().get(calendar).await.status, StatusCode::NOT_FOUND);
    assert_eq!(ana.get("/api/v1/agents").await.json()["items"], json!([]));
    let on = patch(&owner, &id, json!({"active": true})).await;
    assert_eq!(on.json()["active"], true, "{}", on.text);
    assert_eq!(ana.get("/api/v1/agents").await.json()["items"][0]["role"], "maintainer");
    let removed = owner.form(&format!("/people/{id}/remove"), &[]).await;
    assert!(removed.header("location").contains("done=removed"), "{}", removed.text);
    assert_eq!(ana.get("/api/v1/agents").await.json()["items"], json!([]));
    let actions: Vec<String> = sqlx::query_scalar(
        "select action from audit_log where action like 'access.%' or action like 'feed.%' order by id",
    )
    .fetch_all(&desk.pool)
    .await
    .unwrap();
    let expected = [
        "access.invite",
        "access.link",
        "feed.make",
        "access.off",
        "feed.revoke",
        "access.on",
        "access.remove",
    ];
    assert_eq!(actions, expected);
}

#[tokio::test]
async fn nobody_gets_a_link_into_somebody_elses_account() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    // An owner of another business; somebody who never signed in; and one that two invited.
    add_person(&desk.pool, "quiet@example.com", "Quiet").await;
    for email in ["Other@example.com", "quiet@example.com", "admin@example.com"] {
        let made = invite(&desk, &owner, json!({"email": email, "role": "support"})).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        assert_eq!(made.json()["sign_in_link"], Value::Null, "{email}");
        let id = &made.json()["access"]["id"];
        let link = owner.form(&format!("/people/{id}/link"), &[]).await;
        assert_eq!(link.status, StatusCode::NOT_FOUND, "{email}");
    }
    let made = invite(&desk, &owner, json!({"email": "new@example.com", "role": "support"})).await;
    assert!(made.json()["sign_in_link"].is_string());
    let id = made.json()["access"]["id"].clone();
    give_access(&desk.pool, desk.other_agent, person(&desk, "new@example.com").await, "owner")
        .await;
    let link = owner.form(&format!("/people/{id}/link"), &[]).await;
    assert_eq!(link.status, StatusCode::NOT_FOUND, "it would lead into another business");
    let agent = desk.agent.to_string();
    let form = [("agent", agent.as_str()), ("email", "other@example.com"), ("role", "support")];
    let page = owner.form("/people", &form).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.text.contains("has not answered yet"), "{}", page.text);
}

#[tokio::test]
async fn nobody_promotes_themself_or_ends_the_last_owner() {
    let desk = Desk::open().await;
    let maker = desk.sign_in("owner@example.com").await;
    let second = add_person(&desk.pool, "second@example.com", "Second Owner").await;
    give_access(&desk.pool, desk.agent, second, "owner").await;
    let second = desk.sign_in("second@example.com").await;
    let own = access(&desk, &maker, "second@example.com").await["id"].clone();
    for body in [json!({"role": "admin"}), json!({"role": "support"}), json!({"active": false})] {
        let refused = patch(&second, &own, body.clone()).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{body}");
    }
    let path = format!("/api/v1/access/{own}");
    let gone = second.send(Method::DELETE, &path, Body::None).await;
    assert_eq!(gone.status, StatusCode::FORBIDDEN);
    // Whoever made the agent is its owner without a row that could be ended.
    let made = access(&desk, &second, "owner@example.com").await;
    assert_eq!((&made["id"], &made["role"]), (&Value::Null, &json!("owner")));
    let invited =
        invite(&desk, &second, json!({"email": "owner@example.com", "role": "support"})).await;
    assert_eq!(invited.status, StatusCode::CONFLICT);

    let support = access(&desk, &maker, "support@example.com").await["id"].clone();
    let refused = patch(&maker, &support, json!({"role": "admin"})).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "an owner makes no admin");
    let refused = invite(&desk, &maker, json!({"email": "x@example.com", "role": "admin"})).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let none: i64 =
        sqlx::query_scalar("select count(*) from customer where email = 'x@example.com'")
            .fetch_one(&desk.pool)
            .await
            .unwrap();
    assert_eq!(none, 0, "nothing is made for one who is refused");
    let admin = desk.sign_in("admin@example.com").await;
    assert_eq!(patch(&admin, &support, json!({"role": "admin"})).await.status, StatusCode::OK);
    let refused = patch(&maker, &support, json!({"active": false})).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "they are above an owner now");
    let page = maker.form(&format!("/people/{support}/off"), &[]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.text.contains("above their own"), "{}", page.text);
}

#[tokio::test]
async fn people_are_the_owners_to_change() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let other = desk.sign_in("other@example.com").await;
    let id = access(&desk, &owner, "support@example.com").await["id"].clone();
    for role in ["support", "maintainer"] {
        let client = desk.sign_in(&format!("{role}@example.com")).await;
        assert_eq!(client.get("/people").await.status, StatusCode::FORBIDDEN);
        let refused = client.form(&format!("/people/{id}/remove"), &[]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        let refused = patch(&client, &id, json!({"role": "owner"})).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
    }
    for path in ["", "/off", "/on", "/remove", "/link"] {
        let refused = other.form(&format!("/people/{id}{path}"), &[("role", "support")]).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert!(!other.get("/people").await.text.contains("Sam Support"));
    for (field, body) in [
        ("email", json!({"email": "nobody", "role": "support"})),
        ("email", json!({"email": "a@b\r\nc@d", "role": "support"})),
        ("role", json!({"email": "a@example.com", "role": "king"})),
        ("role", json!({"email": "a@example.com"})),
        ("name", json!({"email": "a@example.com", "role": "support", "name": "x".repeat(101)})),
        ("isadmin", json!({"email": "a@example.com", "role": "support", "isadmin": true})),
    ] {
        let refused = invite(&desk, &owner, body.clone()).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(refused.json()["field"], field, "{}", refused.text);
    }
    let mut last = StatusCode::CREATED;
    for n in 0..31 {
        let body = json!({"email": format!("p{n}@example.com"), "role": "support"});
        last = invite(&desk, &owner, body).await.status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn an_account_that_anothers_invitation_made_is_not_joined() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let other = desk.sign_in("other@example.com").await;
    // Whoever invites first gets the link, and may be who uses it.
    let bob = json!({"email": "bob@bigcorp.com", "role": "support"});
    let made = invite(&desk, &owner, bob.clone()).await;
    let link = made.json()["sign_in_link"].as_str().unwrap().to_owned();
    let used = desk.stranger().form(&link[link.find("/sign-in").unwrap()..], &[]).await;
    let cookie = used.header("set-cookie").split(';').next().unwrap().to_owned();
    let impostor = desk.stranger().with("cookie", cookie);
    assert_eq!(impostor.get("/account").await.status, StatusCode::OK);

    let theirs = format!("/api/v1/agents/{}/access", desk.other_agent);
    let refused = other.post(&theirs, bob.clone()).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    assert!(refused.text.contains("frontdesk token"), "it says what to do: {}", refused.text);
    let agent = desk.other_agent.to_string();
    let form = [
        ("agent", agent.as_str()),
        ("email", "Bob@bigcorp.com"),
        ("name", ""),
        ("role", "support"),
    ];
    let page = other.form("/people", &form).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.text.contains("somebody else first"), "{}", page.text);
    assert_eq!(impostor.get("/api/v1/agents").await.json()["items"][0]["id"], json!(desk.agent));

    // Who invited them invites them to another agent of theirs.
    let second = owner.post("/api/v1/agents", json!({"name": "Second"})).await.json();
    let path = format!("/api/v1/agents/{}/access", second["id"].as_str().unwrap());
    assert_eq!(owner.post(&path, bob.clone()).await.status, StatusCode::CREATED);

    // The operator says whose it is: what was given out before has ended.
    let bob_id = person(&desk, "bob@bigcorp.com").await;
    assert!(desk.app.store.vouch_for(bob_id).await.unwrap());
    assert!(!desk.app.store.vouch_for(bob_id).await.unwrap(), "once");
    assert_eq!(impostor.get("/account").await.status, StatusCode::SEE_OTHER);
    let joined = other.post(&theirs, bob).await;
    assert_eq!(joined.status, StatusCode::CREATED, "{}", joined.text);
    assert_eq!(joined.json()["sign_in_link"], Value::Null);
}

fn path_of(link: &str) -> String {
    link[link.find("/sign-in").unwrap()..].to_owned()
}

/// Another link for somebody who has not signed in yet, as the page shows it; none: there is none for them.
async fn another_link(owner: &Client, id: &Value) -> Option<String> {
    let page = owner.form(&format!("/people/{id}/link"), &[]).await;
    let link = page.text.split("id=\"sign-in-link\">").nth(1)?.split('<').next()?;
    Some(path_of(link))
}

#[tokio::test]
async fn the_first_link_that_is_used_ends_the_others() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let made =
        invite(&desk, &owner, json!({"email": "lena@example.com", "role": "support"})).await.json();
    let first = path_of(made["sign_in_link"].as_str().unwrap());
    let id = made["access"]["id"].clone();
    let second = another_link(&owner, &id).await.unwrap();
    let used = desk.stranger().form(&second, &[]).await;
    assert_eq!(used.status, StatusCode::SEE_OTHER, "{}", used.text);
    // Whoever made the links has the first one still.
    for answered in [desk.stranger().get(&first).await, desk.stranger().form(&first, &[]).await] {
        assert_eq!(answered.status, StatusCode::GONE, "{}", answered.text);
        assert!(answered.headers.get("set-cookie").is_none());
    }
    assert_eq!(another_link(&owner, &id).await, None);
}

#[tokio::test]
async fn of_two_links_that_are_used_at_once_one_signs_in() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    for n in 0..8 {
        let email = format!("p{n}@example.com");
        let made = invite(&desk, &owner, json!({"email": email, "role": "support"})).await.json();
        let first = path_of(made["sign_in_link"].as_str().unwrap());
        let second = another_link(&owner, &made["access"]["id"]).await.unwrap();
        let (one, other) = (desk.stranger(), desk.stranger());
        let (one, other) = tokio::join!(one.form(&first, &[]), other.form(&second, &[]));
        let mut answered = [one.status.as_u16(), other.status.as_u16()];
        answered.sort_unstable();
        // The limit counts what was refused.
        assert!(answered == [303, 410] || answered == [303, 429], "{answered:?}");
    }
}

#[tokio::test]
async fn nobody_is_handed_a_link_of_somebody_who_signs_in_at_that_moment() {
    let desk = Desk::open().await;
    let store = &desk.app.store;
    let id = add_person(&desk.pool, "new@example.com", "New").await;
    assert!(store.make_newcomers_link(&[1; 32], id, 60).await.unwrap());
    assert!(store.make_newcomers_link(&[2; 32], id, 60).await.unwrap());
    assert_eq!(store.use_link(&[1; 32]).await.unwrap(), None, "another one was made");
    assert_eq!(store.use_link(&[2; 32]).await.unwrap(), Some(id));
    // Their session has not begun yet.
    assert!(!store.make_newcomers_link(&[3; 32], id, 60).await.unwrap());
    for link in [1, 2, 3] {
        assert_eq!(store.use_link(&[link; 32]).await.unwrap(), None);
    }
}

#[tokio::test]
async fn people_who_look_alike_are_not_invited() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    for email in
        ["owner@example.com\u{200b}", "\u{ff4f}wner@example.com", "\u{43e}wner@example.com"]
    {
        let refused = invite(&desk, &owner, json!({"email": email, "role": "support"})).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{email:?}");
        assert_eq!(refused.json()["field"], "email", "{}", refused.text);
    }
    let agent = format!("/api/v1/agents/{}", desk.agent);
    let refused = owner.patch(&agent, json!({"name": "\u{202e}"})).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
    let sent =
        json!({"name": "Ro\u{202e}bin", "business": {"business_name": "A\u{2066} Ltd\u{200b}"}});
    assert_eq!(owner.patch(&agent, sent).await.status, StatusCode::OK);
    let kept = owner.get(&agent).await.json();
    assert_eq!(
        (&kept["name"], &kept["business"]["business_name"]),
        (&json!("Robin"), &json!("A Ltd"))
    );
}
