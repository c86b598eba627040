//! What all businesses share none of them has alone, and what costs money is counted by all processes
//! together.

use std::time::Duration;

use frontdesk::app::App;
use frontdesk::clock::{pause, within};
use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use crate::desk::{Client, Desk, add_person, give_access, read_token};
use crate::live::Events;

const DEADLINE: Duration = Duration::from_secs(40);

/// Somebody who may see the first business's agent, by a program.
async fn colleague(desk: &Desk, n: usize) -> Client {
    let email = format!("colleague{n}@example.com");
    let person = add_person(&desk.pool, &email, "Colleague").await;
    give_access(&desk.pool, desk.agent, person, "support").await;
    read_token(desk, &email).await
}

#[tokio::test]
async fn a_business_leaves_others_their_streams() {
    let desk = Desk::open().await;
    let mut open = Vec::new();
    let mut refused = Vec::new();
    for n in 0..26 {
        let client = colleague(&desk, n).await;
        for _ in 0..4 {
            let response = client.open("/api/v1/live", None).await;
            match response.status() {
                StatusCode::OK => open.push(response),
                _ => refused.push(client.get("/api/v1/live").await),
            }
        }
    }
    assert_eq!(open.len(), 100);
    let refused = refused.first().expect("one business does not have more");
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(!refused.header("retry-after").is_empty());
    assert!(refused.text.contains("of this business"), "{}", refused.text);
    let other = desk.sign_in("other@example.com").await;
    Events::open(&other, "/api/v1/live").await;
    // Whoever works for both has a place of the other's.
    let both = colleague(&desk, 26).await;
    assert_eq!(both.get("/api/v1/live").await.status, StatusCode::TOO_MANY_REQUESTS);
    let person =
        desk.made("select uuid::text from customer where email = 'colleague26@example.com'");
    let person: Uuid = person.await.parse().unwrap();
    give_access(&desk.pool, desk.other_agent, person, "support").await;
    Events::open(&both, "/api/v1/live").await;
}

#[tokio::test]
async fn who_sees_no_agent_takes_nobodys_place() {
    let desk = Desk::open().await;
    add_person(&desk.pool, "new@example.com", "New").await;
    let new = desk.sign_in("new@example.com").await;
    let told = within(DEADLINE, new.get("/api/v1/live")).await.expect("it ends");
    assert_eq!((told.status, &*told.text), (StatusCode::OK, "retry: 30000\n\n"));
    let page = new.get("/live").await.text;
    assert!(page.contains("id=\"live\"") && !page.contains("data-stream"), "{page}");
}

#[tokio::test]
async fn a_browser_that_closes_gives_its_place_back() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(Events::open(&owner, "/api/v1/live").await);
    }
    let refused = owner.get("/api/v1/live").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.text.contains("for one person; close one"), "{}", refused.text);
    open.pop();
    let again = async {
        while owner.open("/api/v1/live", None).await.status() != StatusCode::OK {
            pause(Duration::from_millis(20)).await;
        }
    };
    within(DEADLINE, again).await.expect("the place is free");
}

/// The same person's program at another process.
async fn at(app: &App, client: &Client, path: &str, body: &serde_json::Value) -> StatusCode {
    let (name, value) = client.credential().unwrap();
    let url = format!("http://{}{path}", app.address);
    let sent = reqwest::Client::new().post(url).header(name, value).json(body).send().await;
    sent.unwrap().status()
}

#[tokio::test]
async fn what_reaches_strangers_is_counted_by_all_processes_together() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    // It has just started, and knows nothing of what was done at the other one.
    let neighbour = desk.neighbour().await;
    let path = format!("/api/v1/agents/{}/access", desk.agent);
    let mut made = 0;
    for n in 0..40 {
        let new = json!({"email": format!("n{n}@example.com"), "role": "support"});
        let app = if n % 2 == 0 { &desk.app } else { &neighbour };
        made += usize::from(at(app, &owner, &path, &new).await == StatusCode::CREATED);
    }
    assert_eq!(made, 30);
    let settings = json!({"settings": {"webhook": {"url": "https://127.0.0.1:9/"}}});
    owner.patch(&format!("/api/v1/agents/{}", desk.agent), settings).await;
    let path = format!("/api/v1/agents/{}/webhook/test", desk.agent);
    let mut tried = 0;
    for n in 0..24 {
        let app = if n % 2 == 0 { &desk.app } else { &neighbour };
        let status = at(app, &owner, &path, &json!({})).await;
        tried += usize::from(status != StatusCode::TOO_MANY_REQUESTS);
    }
    assert_eq!(tried, 20);
    neighbour.shut_down(std::future::ready(())).await;
}

#[tokio::test]
async fn so_many_agents_are_made_in_a_time() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    // All but two of an hour's are made.
    desk.sql(
        "insert into frontdesk_paces (key, paid_at)
        select 'agent ' || uuid, now() + interval '59 minutes'
        from customer where email = 'owner@example.com'",
    )
    .await;
    let mut made = 0;
    let refused = loop {
        let answered = owner.post("/api/v1/agents", json!({"name": format!("Agent {made}")})).await;
        match answered.status {
            StatusCode::CREATED => made += 1,
            _ => break answered,
        }
        // Deleted, it makes no room for the next one.
        let id = answered.json()["id"].as_str().unwrap().to_owned();
        desk.sql(&format!("update voice_agents set status = 'deleted' where id = '{id}'")).await;
        assert!(made < 20, "there is no end to it");
    };
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.text);
    assert!(!refused.header("retry-after").is_empty() && made >= 2, "{made}");

    // The set-up makes one too, and counts it if it does.
    let paid = |at: &str| format!("update frontdesk_paces set paid_at = now() + interval '{at}'");
    desk.sql(&paid("1 hour")).await;
    let key = Uuid::new_v4().to_string();
    let form = [("name", "Third"), ("trade", "law"), ("zone", "Europe/London"), ("key", &*key)];
    let refused = owner.form("/setup", &form).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.text);
    desk.sql(&paid("0 s")).await;
    assert_eq!(owner.form("/setup", &form).await.status, StatusCode::SEE_OTHER);
    let counted = "select (paid_at > now())::text from frontdesk_paces";
    assert_eq!(desk.made(counted).await, "true");
    desk.sql(&paid("1 hour")).await;
    let again = owner.form("/setup", &form).await;
    assert_eq!(again.status, StatusCode::SEE_OTHER, "it is there already: {}", again.text);
}

#[tokio::test]
async fn whom_an_administrator_invites_counts_alone_and_so_do_they_for_whom_they_invite() {
    let desk = Desk::open().await;
    let admin = desk.sign_in("admin@example.com").await;
    let path = |agent: Uuid| format!("/api/v1/agents/{agent}/access");
    let new = |email: &str, role: &str| json!({"email": email, "role": role});
    let (mine, others) = (path(desk.agent), path(desk.other_agent));
    for (path, email) in [(&mine, "ana@example.com"), (&others, "ben@example.com")] {
        let made = admin.post(path, new(email, "owner")).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    }
    let (ana, ben) = (desk.sign_in("ana@example.com").await, desk.sign_in("ben@example.com").await);
    desk.sql("delete from frontdesk_paces").await;
    let made = ana.post(&mine, new("nora@example.com", "owner")).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    desk.sql("update frontdesk_paces set paid_at = now() + interval '1 hour'").await;
    let refused = ana.post(&mine, new("late@example.com", "support")).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.text);
    for (client, email) in [(&ben, "b@example.com"), (&admin, "a@example.com")] {
        let made = client.post(&others, new(email, "support")).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    }

    // A co-owner hands out the link: it is still Ana for whom the newcomer's invitations count.
    let owner = desk.sign_in("owner@example.com").await;
    let link = format!("/people/{}/link", made.json()["access"]["id"]);
    let linked = owner.form(&link, &[]).await;
    assert_eq!(linked.status, StatusCode::OK, "{}", linked.text);
    let nora = desk.sign_in("nora@example.com").await;
    desk.sql("delete from frontdesk_paces").await;
    let made = nora.post(&mine, new("n@example.com", "support")).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    // Nobody gets a link for whoever has signed in, and none is counted.
    assert_eq!(owner.form(&link, &[]).await.status, StatusCode::NOT_FOUND);
    let ana = "select 'invitation ' || uuid from customer where email = 'ana@example.com'";
    let counted = "select string_agg(key, ', ') from frontdesk_paces";
    assert_eq!(desk.made(counted).await, desk.made(ana).await);
}

#[tokio::test]
async fn tests_that_come_together_are_counted_one_after_another() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let second = owner.post("/api/v1/agents", json!({"name": "Second"})).await.json();
    desk.sql(&format!(
        "with made as (
            insert into voice_agents (name, created_by) select 'n', created_by
            from voice_agents, generate_series(1, 5) where id = '{}' returning id)
        insert into call_logs (voice_agent_id, call_sid, call_start, status, instance_id)
        select id, 'FT' || md5(id::text), now(), 'in-progress', '{}' from made",
        desk.agent, desk.app.services.instance_id
    ))
    .await;
    // Both are as far as they come before either has written its row.
    let mut lock = desk.pool.begin().await.unwrap();
    let held = sqlx::query("lock table call_logs in share row exclusive mode");
    held.execute(&mut *lock).await.unwrap();
    let wait = async {
        let waiting = "select count(*)::text from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock'
                and (query like '%test_call_open%' or query like '%pg_advisory_xact_lock%')";
        while desk.made(waiting).await != "2" {
            pause(Duration::from_millis(20)).await;
        }
    };
    let release = async {
        within(DEADLINE, wait).await.expect("both wait");
        lock.commit().await.unwrap();
    };
    let paths = [desk.agent.to_string(), second["id"].as_str().unwrap().to_owned()]
        .map(|agent| format!("/agents/{agent}/try"));
    let (one, other, ()) =
        tokio::join!(owner.post(&paths[0], json!({})), owner.post(&paths[1], json!({})), release);
    let mut answered = [one.status.as_u16(), other.status.as_u16()];
    answered.sort_unstable();
    assert_eq!(answered, [201, 429], "{} {}", one.text, other.text);
}

#[tokio::test]
async fn a_business_leaves_others_lines_for_their_tests() {
    let desk = Desk::open().await;
    desk.sql(&format!(
        "with made as (
            insert into voice_agents (name, created_by) select 'n', created_by
            from voice_agents, generate_series(1, 3) where id = '{}' returning id)
        insert into call_logs (voice_agent_id, call_sid, call_start, status, instance_id)
        select id, 'FT' || md5(id::text || n), now(), 'in-progress', '{}'
        from made, generate_series(1, 2) n",
        desk.agent, desk.app.services.instance_id
    ))
    .await;
    let owner = desk.sign_in("owner@example.com").await;
    let full = owner.post(&format!("/agents/{}/try", desk.agent), json!({})).await;
    assert_eq!(full.status, StatusCode::TOO_MANY_REQUESTS, "{}", full.text);
    assert!(full.text.contains("all agents of an owner together 6"), "{}", full.text);
    let other = desk.sign_in("other@example.com").await;
    let tested = other.post(&format!("/agents/{}/try", desk.other_agent), json!({})).await;
    assert_eq!(tested.status, StatusCode::CREATED, "{}", tested.text);
}

#[tokio::test]
async fn an_owner_without_a_plan_has_a_hundred_agents() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let page = owner.get("/").await.text;
    assert!(page.contains("href=\"/setup?new=1\""), "{page}");
    // These have no tables: that is not what this is about.
    desk.sql("alter table voice_agents disable trigger user").await;
    desk.sql(
        "insert into voice_agents (name, created_by)
        select 'n', uuid from customer, generate_series(1, 99) where email = 'owner@example.com'",
    )
    .await;
    desk.sql("update customer set total_voiceagents = 100 where email = 'owner@example.com'").await;
    desk.sql("alter table voice_agents enable trigger user").await;
    let refused = owner.post("/api/v1/agents", json!({"name": "One more"})).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    let said = "an owner without a plan has at most 100 agents; delete an agent, or ask whoever runs this \
                server for a plan";
    assert_eq!(refused.json()["detail"], said);
    assert!(!owner.get("/").await.text.contains("href=\"/setup?new=1\""), "nor is it offered");
    desk.sql("update customer set voiceagents_allowed = 101 where email = 'owner@example.com'")
        .await;
    let made = owner.post("/api/v1/agents", json!({"name": "One more"})).await;
    assert_eq!(made.status, StatusCode::CREATED, "a plan says otherwise: {}", made.text);
}
