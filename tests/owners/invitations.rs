//! Nobody joins a business without saying so, and whoever joined may leave. Keys do not manage people.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::desk::{Answered, Body, Client, Desk, add_person, give_access};

fn path(desk: &Desk) -> String {
    format!("/api/v1/agents/{}/access", desk.agent)
}

async fn item(desk: &Desk, client: &Client, email: &str) -> Value {
    let list = client.get(&path(desk)).await.json();
    let found = list["items"].as_array().unwrap().iter().find(|item| item["email"] == email);
    found.unwrap_or_else(|| panic!("no {email} in {list}")).clone()
}

async fn invited(desk: &Desk, owner: &Client, email: &str) -> Value {
    let made = owner.post(&path(desk), json!({"email": email, "role": "maintainer"})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    made.json()["access"]["id"].clone()
}

async fn answer(client: &Client, id: &Value, what: &str) -> Answered {
    client.form(&format!("/account/businesses/{id}/{what}"), &[]).await
}

async fn roles(client: &Client) -> Vec<(String, String)> {
    let agents = client.get("/api/v1/agents").await.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    agents["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (text(&it["id"]), text(&it["role"])))
        .collect()
}

#[tokio::test]
async fn whoever_has_an_account_is_known_by_their_address_alone_until_they_accept() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let oscar = desk.sign_in("other@example.com").await;
    let before = roles(&oscar).await;
    let id = invited(&desk, &owner, "OTHER@example.com").await;
    let person: String =
        desk.made("select uuid::text from customer where email = 'other@example.com'").await;

    let seen = item(&desk, &owner, "other@example.com").await;
    assert_eq!((&seen["active"], &seen["invited"]), (&json!(false), &json!(true)), "{seen}");
    assert_eq!((&seen["person"], &seen["last_seen"]), (&Value::Null, &Value::Null), "{seen}");
    for page in ["/people", "/activity", &path(&desk)] {
        let shown = owner.get(page).await.text;
        assert!(!shown.contains("Oscar") && !shown.contains(&person), "{page}: {shown}");
    }
    assert_eq!(roles(&oscar).await, before, "nothing is theirs yet");
    // Nor does the owner switch it on for them.
    let on = owner.form(&format!("/people/{id}/on"), &[]).await;
    assert_eq!(on.status, StatusCode::FORBIDDEN, "{}", on.text);
    let on = owner.patch(&format!("/api/v1/access/{id}"), json!({"active": true})).await;
    assert_eq!(on.status, StatusCode::FORBIDDEN, "{}", on.text);
    let direct = format!("update voice_agents_access set status = true where id = {id}");
    assert!(sqlx::query(sqlx::AssertSqlSafe(direct)).execute(&desk.pool).await.is_err());
    assert_eq!(roles(&oscar).await, before);

    // They see it when they sign in, and nobody else answers it.
    let later = desk.stranger().form(&link(&desk, "other@example.com").await, &[]).await;
    assert_eq!(later.header("location"), "/account", "{}", later.text);
    let page = oscar.get("/account").await.text;
    assert!(page.contains("An invitation from") && page.contains("Bright Smile"), "{page}");
    for what in ["accept", "decline", "leave"] {
        assert_eq!(answer(&owner, &id, what).await.status, StatusCode::NOT_FOUND, "{what}");
    }
    assert_eq!(answer(&oscar, &id, "leave").await.status, StatusCode::NOT_FOUND);
    let accepted = answer(&oscar, &id, "accept").await;
    assert_eq!(accepted.header("location"), "/account?done=accepted", "{}", accepted.text);
    assert!(roles(&oscar).await.contains(&(desk.agent.to_string(), "maintainer".to_owned())));
    let seen = item(&desk, &owner, "other@example.com").await;
    assert_eq!((&seen["name"], &seen["invited"]), (&json!("Oscar Other"), &json!(false)), "{seen}");

    // And they leave; the calendar address that they know goes with them.
    let feed = format!("/api/v1/agents/{}/calendar-feed", desk.agent);
    let url = oscar.post(&feed, json!({})).await.json()["url"].as_str().unwrap().to_owned();
    let calendar = &url[url.find("/feeds/").unwrap()..];
    let left = answer(&oscar, &id, "leave").await;
    assert_eq!(left.header("location"), "/account?done=left", "{}", left.text);
    assert_eq!(roles(&oscar).await, before);
    assert_eq!(desk.stranger().get(calendar).await.status, StatusCode::NOT_FOUND);
    let noted = desk
        .made("select string_agg(action, ' ' order by id) from audit_log where action like 'access.%' and action <> 'access.refused'")
        .await;
    let noted: Vec<&str> = noted.split(' ').filter(|action| *action != "access.read").collect();
    assert_eq!(noted, ["access.invite", "access.accept", "access.leave"]);
}

async fn link(desk: &Desk, email: &str) -> String {
    let person =
        desk.made(&format!("select uuid::text from customer where email = '{email}'")).await;
    let person = person.parse().unwrap();
    let (store, url) = (&desk.app.store, &desk.app.public_url);
    let link = frontdesk::web::owners::sign_in_link(store, url, person).await.unwrap();
    link[link.find("/sign-in").unwrap()..].to_owned()
}

#[tokio::test]
async fn an_address_that_a_co_owner_vouched_for_opens_nothing_else() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let olga = add_person(&desk.pool, "olga@example.com", "Olga Owner").await;
    give_access(&desk.pool, desk.agent, olga, "owner").await;
    let olga = desk.sign_in("olga@example.com").await;
    let mine: Uuid = desk
        .made(
            "insert into voice_agents (name, created_by)
            select 'Second', created_by from voice_agents where name = 'Bright Smile' returning id::text",
        )
        .await
        .parse()
        .unwrap();
    // The co-owner's invitation, and one of the owner's to which the co-owner made a link too.
    let books = json!({"email": "books@example.com", "role": "support"});
    let made = olga.post(&path(&desk), books.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let clerk = json!({"email": "clerk@example.com", "role": "support"});
    let made = owner.post(&path(&desk), clerk.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let to_second = format!("/api/v1/agents/{mine}/access");
    let linked = olga.form(&format!("/people/{}/link", made.json()["access"]["id"]), &[]).await;
    assert_eq!(linked.status, StatusCode::OK, "{}", linked.text);
    for person in [books, clerk] {
        let refused = owner.post(&to_second, person).await;
        assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
        assert!(refused.text.contains("nobody has checked whose it is"), "{}", refused.text);
    }
    // Whom only the owner has invited is theirs to bring along.
    let own = json!({"email": "own@example.com", "role": "support"});
    assert_eq!(owner.post(&path(&desk), own.clone()).await.status, StatusCode::CREATED);
    assert_eq!(owner.post(&to_second, own).await.status, StatusCode::CREATED);
}

/// Accounts from before it was kept who invited them: what was written down says it, or nothing does.
#[tokio::test]
async fn whom_an_owner_invited_before_it_was_kept_is_theirs_to_bring_along() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let olga = add_person(&desk.pool, "olga@example.com", "Olga Owner").await;
    give_access(&desk.pool, desk.agent, olga, "owner").await;
    let olga = desk.sign_in("olga@example.com").await;
    let second = desk
        .made(
            "insert into voice_agents (name, created_by)
            select 'Second', created_by from voice_agents where name = 'Bright Smile' returning id::text",
        )
        .await;
    let by_owner = json!({"email": "mine@example.com", "role": "support"});
    let by_both = json!({"email": "ours@example.com", "role": "support"});
    let by_olga = json!({"email": "hers@example.com", "role": "support"});
    for (client, person) in [(&owner, &by_owner), (&owner, &by_both), (&olga, &by_olga)] {
        let made = client.post(&path(&desk), person.clone()).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        let link = format!("/people/{}/link", made.json()["access"]["id"]);
        if person != &by_owner {
            assert_eq!(olga.form(&link, &[]).await.status, StatusCode::OK);
        }
    }
    desk.sql("update customer set invited_by = null where invited_to is not null").await;
    desk.sql("delete from _sqlx_migrations where version = 44").await;
    frontdesk::store::migrate::migrate(&desk.pool).await.unwrap();

    let to_second = format!("/api/v1/agents/{second}/access");
    let brought = owner.post(&to_second, by_owner).await;
    assert_eq!(brought.status, StatusCode::CREATED, "{}", brought.text);
    let refused = owner.post(&to_second, by_olga).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    assert!(refused.text.contains("somebody else invited this address first"), "{}", refused.text);
    // Two had a link to it: neither is told that it was the other alone.
    let refused = owner.post(&to_second, by_both).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    assert!(refused.text.contains("it is not known who"), "{}", refused.text);
    assert!(!refused.text.contains("somebody else invited"), "{}", refused.text);
    let form = [("agent", second.as_str()), ("email", "ours@example.com"), ("role", "support")];
    let refused = owner.form("/people", &form).await.text;
    assert!(refused.contains("it is not known who"), "{refused}");
    assert!(!refused.contains("by somebody else first"), "{refused}");
}

#[tokio::test]
async fn an_invitation_is_declined_or_taken_back() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let oscar = desk.sign_in("other@example.com").await;
    let id = invited(&desk, &owner, "other@example.com").await;
    let twice =
        owner.post(&path(&desk), json!({"email": "other@example.com", "role": "support"})).await;
    assert_eq!(twice.status, StatusCode::CONFLICT);
    assert!(!twice.text.contains("Oscar"), "{}", twice.text);
    let declined = answer(&oscar, &id, "decline").await;
    assert_eq!(declined.header("location"), "/account?done=declined", "{}", declined.text);
    assert_eq!(answer(&oscar, &id, "accept").await.status, StatusCode::NOT_FOUND);
    let again = invited(&desk, &owner, "other@example.com").await;
    assert_ne!(again, id);
    let back = owner.form(&format!("/people/{again}/remove"), &[]).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER, "{}", back.text);
    assert!(!oscar.get("/account").await.text.contains("An invitation from"));
    let activity = owner.get("/activity").await.text;
    assert!(!activity.contains("Oscar"), "{activity}");
}

#[tokio::test]
async fn whoever_is_switched_off_may_leave_too() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let oscar = desk.sign_in("other@example.com").await;
    let id = invited(&desk, &owner, "other@example.com").await;
    assert_eq!(answer(&oscar, &id, "accept").await.status, StatusCode::SEE_OTHER);
    let off = owner.form(&format!("/people/{id}/off"), &[]).await;
    assert_eq!(off.status, StatusCode::SEE_OTHER, "{}", off.text);
    let page = oscar.get("/account").await.text;
    assert!(page.contains(&format!("/account/businesses/{id}/leave")), "{page}");
    let left = answer(&oscar, &id, "leave").await;
    assert_eq!(left.header("location"), "/account?done=left", "{}", left.text);
    let list = owner.get(&path(&desk)).await.text;
    assert!(!list.contains("other@example.com"), "{list}");
}

#[tokio::test]
async fn the_last_owner_stays() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    // A row of whoever made the agent, as older programs wrote.
    let id = desk
        .made(&format!(
            "insert into voice_agents_access (voice_agent_id, user_id, access) select id, created_by, 'owner'
            from voice_agents where id = '{}' returning id::text",
            desk.agent
        ))
        .await;
    let refused = answer(&owner, &json!(id.parse::<i64>().unwrap()), "leave").await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    assert!(refused.text.contains("last owner"), "{}", refused.text);
    let second = add_person(&desk.pool, "second@example.com", "Second Owner").await;
    give_access(&desk.pool, desk.agent, second, "owner").await;
    let second = desk.sign_in("second@example.com").await;
    let own = item(&desk, &owner, "second@example.com").await["id"].clone();
    assert_eq!(answer(&second, &own, "leave").await.status, StatusCode::SEE_OTHER);
}

/// A program with a key of this person's that may change things.
async fn program(desk: &Desk, owner: &Client) -> (Client, String) {
    let made = owner.post("/api/v1/tokens", json!({"name": "till", "scope": "write"})).await.json();
    let bearer = format!("Bearer {}", made["secret"].as_str().unwrap());
    let id = made["token"]["id"].as_str().unwrap().to_owned();
    (desk.stranger().with("authorization", bearer), id)
}

#[tokio::test]
async fn a_key_manages_neither_people_nor_keys_nor_its_account() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let elsewhere = desk.sign_in("owner@example.com").await;
    let (program, key) = program(&desk, &owner).await;
    let (_, other_key) = self::program(&desk, &owner).await;
    let new = json!({"email": "evil@example.com", "role": "owner"});
    let refused = program.post(&path(&desk), new).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    assert!(
        refused.text.contains("sign in") && !refused.text.contains("/sign-in/"),
        "{}",
        refused.text
    );
    let support = item(&desk, &owner, "support@example.com").await["id"].clone();
    let page = format!("/people/{support}");
    for (method, path, body) in [
        (Method::PATCH, format!("/api/v1/access/{support}"), json!({"role": "owner"})),
        (Method::DELETE, format!("/api/v1/access/{support}"), json!({})),
        (Method::POST, "/api/v1/tokens".to_owned(), json!({"name": "x", "scope": "write"})),
        (Method::DELETE, format!("/api/v1/tokens/{key}"), json!({})),
        (Method::DELETE, format!("/api/v1/tokens/{other_key}"), json!({})),
        (Method::POST, format!("/api/v1/agents/{}/calendar-feed", desk.agent), json!({})),
    ] {
        let refused = program.send(method.clone(), &path, Body::Json(body)).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{method} {path}: {}", refused.text);
    }
    let account = owner.get("/account").await.text;
    let at = account.find("/account/sessions/").unwrap();
    let session = account[at..].split('"').next().unwrap().to_owned();
    let agent = desk.agent.to_string();
    for (path, form) in [
        (
            "/people".to_owned(),
            vec![("agent", agent.as_str()), ("email", "evil@example.com"), ("role", "owner")],
        ),
        ("/bookings/feed".to_owned(), vec![("agent", agent.as_str())]),
        (page.clone(), vec![("role", "owner")]),
        (format!("{page}/off"), vec![]),
        (format!("{page}/on"), vec![]),
        (format!("{page}/remove"), vec![]),
        (format!("{page}/link"), vec![]),
        (session, vec![]),
        ("/account".to_owned(), vec![("name", "Evil")]),
        ("/account/sessions/end-others".to_owned(), vec![]),
        ("/account/tokens".to_owned(), vec![("token-name", "x"), ("scope", "write"), ("days", "")]),
        (format!("/account/tokens/{other_key}/revoke"), vec![]),
        (format!("/account/businesses/{support}/accept"), vec![]),
    ] {
        // Pages are for browsers alone.
        let refused = program.form(&path, &form).await;
        assert_eq!(refused.header("location"), "/sign-in", "{path}: {}", refused.text);
    }
    for client in [&owner, &elsewhere] {
        assert_eq!(client.get("/api/v1/agents").await.status, StatusCode::OK, "still signed in");
    }
    let made =
        desk.made("select count(*)::text from customer where email = 'evil@example.com'").await;
    assert_eq!(made, "0");
    let noted =
        desk.made("select count(*)::text from audit_log where action = 'access.refused'").await;
    assert_eq!(noted, "7", "each that the API refused is written down");
    let feeds = desk.made("select count(*)::text from calendar_feeds").await;
    assert_eq!(feeds, "0");
}

#[tokio::test]
async fn whoever_is_invited_invites_from_the_same_allowance() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let invite = async |client: &Client, n: u32| {
        let new = json!({"email": format!("new{n}@example.com"), "role": "owner"});
        client.post(&path(&desk), new).await
    };
    let first = invite(&owner, 0).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text);
    // As their link, whose number is not known here, would make them.
    let chosen = desk.sign_in("new0@example.com").await;
    let mut made = 1;
    let refused = loop {
        let client = if made % 2 == 0 { &owner } else { &chosen };
        let answered = invite(client, made).await;
        if answered.status != StatusCode::CREATED {
            break answered;
        }
        made += 1;
    };
    assert_eq!((refused.status, made), (StatusCode::TOO_MANY_REQUESTS, 30), "{}", refused.text);
}
