//! Who sees what of what was done.

use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use crate::desk::{Client, Desk};

async fn person(desk: &Desk, email: &str) -> Uuid {
    let sql = "select uuid from customer where email = $1";
    sqlx::query_scalar(sql).bind(email).fetch_one(&desk.pool).await.unwrap()
}

/// Writes down that somebody did something.
async fn note(desk: &Desk, email: &str, agent: Option<Uuid>, action: &str) {
    sqlx::query(
        "insert into audit_log (actor, actor_kind, voice_agent_id, action, object, change)
        values ($1, 'session', $2, $3, 'call 0196-a', '{\"role\": [\"<u>a</u>\", \"b\"]}')",
    )
    .bind(person(desk, email).await)
    .bind(agent)
    .bind(action)
    .execute(&desk.pool)
    .await
    .unwrap();
}

/// How often each of these words is on the page.
async fn seen(client: &Client, path: &str, words: &[&str]) -> Vec<usize> {
    let page = client.get(path).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.text.contains("<u>"), "{}", page.text);
    words.iter().map(|words| page.text.matches(words).count()).collect()
}

#[tokio::test]
async fn everybody_sees_what_their_role_lets_them_see() {
    let desk = Desk::open().await;
    let agent = Some(desk.agent);
    note(&desk, "support@example.com", agent, "recording.listen").await;
    note(&desk, "owner@example.com", agent, "recording.listen").await;
    note(&desk, "owner@example.com", agent, "access.invite").await;
    note(&desk, "owner@example.com", None, "token.make").await;
    note(&desk, "other@example.com", Some(desk.other_agent), "agent.delete").await;
    note(&desk, "other@example.com", None, "account.change").await;
    let words = [
        "listened to a recording",
        "gave access to",
        "made a key",
        "deleted the agent",
        "changed their own details",
    ];
    let mut clients = Vec::new();
    for (email, expected) in [
        ("support@example.com", [1, 0, 0, 0, 0]),
        ("maintainer@example.com", [2, 0, 0, 0, 0]),
        ("owner@example.com", [2, 1, 1, 0, 0]),
        ("other@example.com", [0, 0, 0, 1, 1]),
        ("admin@example.com", [2, 1, 1, 1, 1]),
    ] {
        let client = desk.sign_in(email).await;
        assert_eq!(seen(&client, "/activity", &words).await, expected, "{email}");
        clients.push(client);
    }
    let [support_client, _, owner, ..] = clients.as_slice() else { panic!("five people") };
    let support = person(&desk, "support@example.com").await;
    let path = format!("/activity?person={support}");
    let words =
        ["listened to a recording", "gave access to", "href=\"/calls/0196-a\"", "Sam Support"];
    // The name once in the choice and once in the row.
    assert_eq!(seen(owner, &path, &words).await, [1, 0, 1, 2]);
    let of_other = format!("/activity?agent={}", desk.other_agent);
    assert_eq!(seen(owner, &of_other, &["deleted the agent"]).await, [0]);
    let of_maker = format!("/activity?person={}", person(&desk, "owner@example.com").await);
    assert_eq!(
        seen(support_client, &of_maker, &words[..2]).await,
        [0, 0],
        "a filter shows nothing more"
    );
    let signed_in = seen(support_client, "/activity", &["signed in"]).await;
    assert_eq!(signed_in, [1], "their own, and nobody else's");
}

#[tokio::test]
async fn a_long_list_goes_on_where_it_stopped() {
    let desk = Desk::open().await;
    let maintainer = person(&desk, "maintainer@example.com").await;
    desk.sql(&format!(
        "insert into audit_log (actor, actor_kind, voice_agent_id, action, object)
        select '{maintainer}', 'token', '{}', 'call.end', 'call n' || n from generate_series(1, 120) n",
        desk.agent
    ))
    .await;
    let owner = desk.sign_in("owner@example.com").await;
    let mut path = format!("/activity?agent={}&person={maintainer}", desk.agent);
    let mut found = Vec::new();
    for _ in 0..5 {
        let page = owner.get(&path).await;
        assert!(page.text.contains("with a key for programs"));
        for rest in page.text.split("href=\"/calls/n").skip(1) {
            found.push(rest.split('"').next().unwrap().parse::<u32>().unwrap());
        }
        let Some(at) = page.text.find("/activity?before=") else { break };
        path = page.text[at..].split('"').next().unwrap().replace("&amp;", "&");
    }
    assert_eq!(found, (1..=120).rev().collect::<Vec<_>>());
}

/// In an owner's words, and so that one knows what it was.
#[tokio::test]
async fn a_change_says_what_was_changed() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let agent = format!("/api/v1/agents/{}", desk.agent);
    let change = json!({"settings": {"greeting": "Hello."}, "business": {"business_summary": "x"}});
    let changed = owner.patch(&agent, change).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    let function = format!("/api/v1/functions/{}", desk.function);
    let changed = owner.patch(&function, json!({"purpose": "Says prices."})).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    let answers = format!("/knowledge/{}/answers", desk.agent);
    let answer = [("question", "Is <b>parking</b> free?"), ("answer", "Yes.")];
    let given = owner.form(&answers, &answer).await;
    assert_eq!(given.status, StatusCode::SEE_OTHER, "{}", given.text);
    let page = owner.get("/activity").await.text;
    assert!(page.contains("Changed: First words, What the business does"), "{page}");
    assert!(page.contains("changed a function <bdi>Take a message</bdi>"), "{page}");
    // As the page of what the agent can do has it.
    desk.sql(&format!(
        "update functions set type = 'form', data = '{{\"title\": \"New patient\"}}' where id = '{}'",
        desk.function
    ))
    .await;
    let named = owner.get("/activity").await.text;
    assert!(named.contains("changed a function <bdi>New patient</bdi>"), "{named}");
    let question = "gave the agent an answer: “<bdi>Is &lt;b&gt;parking&lt;/b&gt; free?</bdi>”";
    assert!(page.contains(question), "{page}");
    for word in ["parts", "versions", "fields"] {
        assert!(!page.contains(&format!("{word}:")), "{word}: {page}");
    }
}
