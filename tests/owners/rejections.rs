//! What cannot even be read is refused in our own words, and the words tell nothing that is not theirs.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::calls::add_call;
use crate::desk::{Answered, Body, Desk, read_token};

fn is_page(answered: &Answered, status: StatusCode, words: &[&str]) {
    assert_eq!(answered.status, status, "{}", answered.text);
    assert!(answered.header("content-type").starts_with("text/html"), "{}", answered.text);
    for word in words {
        assert!(answered.text.contains(word), "{word}: {}", answered.text);
    }
}

fn is_problem(answered: &Answered, status: StatusCode) -> Value {
    assert_eq!(answered.status, status, "{}", answered.text);
    assert_eq!(answered.header("content-type"), "application/problem+json", "{}", answered.text);
    answered.json()
}

#[tokio::test]
async fn an_odd_address_is_answered_with_a_page_that_says_what_is_odd() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let agent = desk.agent;
    for (path, field) in [
        ("/usage?days=abc".to_owned(), "days"),
        ("/webhooks?after=x".to_owned(), "after"),
        ("/webhooks?agent=x".to_owned(), "agent"),
        ("/?agent=x".to_owned(), "agent"),
        ("/people?agent=1".to_owned(), "agent"),
        ("/activity?before=x".to_owned(), "before"),
        ("/usage?agent=x".to_owned(), "agent"),
        ("/numbers?after=x".to_owned(), "after"),
        ("/bookings?agent=x".to_owned(), "agent"),
        ("/knowledge?agent=x".to_owned(), "agent"),
        ("/live?agent=x".to_owned(), "agent"),
        ("/webhooks?agent=x&agent=y".to_owned(), "agent"),
    ] {
        let answered = owner.get(&path).await;
        let name = format!("<b>{}{}</b>", field[..1].to_uppercase(), &field[1..]);
        is_page(&answered, StatusCode::BAD_REQUEST, &[&name, "Write ", "This can't be used"]);
        for word in ["accepted is", "invalid digit", "UUID", "Bad Request"] {
            assert!(!answered.text.contains(word), "{word}: {}", answered.text);
        }
    }
    for path in
        ["/agents/x".to_owned(), format!("/agents/{agent}/functions/x"), "/tasks/x/done".to_owned()]
    {
        let answered = match path.starts_with("/tasks") {
            true => owner.form(&path, &[]).await,
            false => owner.get(&path).await,
        };
        is_page(&answered, StatusCode::NOT_FOUND, &["There is no such page"]);
    }
    let put = owner.send(Method::PUT, "/people", Body::None).await;
    is_page(&put, StatusCode::METHOD_NOT_ALLOWED, &["open the page from the menu"]);
    assert!(put.header("allow").contains("GET"));
    let json = owner.post("/people", json!({"agent": agent})).await;
    is_page(&json, StatusCode::UNSUPPORTED_MEDIA_TYPE, &["application/x-www-form-urlencoded"]);
    let form = owner.form("/webhooks/test", &[("agent", "x")]).await;
    is_page(&form, StatusCode::UNPROCESSABLE_ENTITY, &["Agent", "Write an id"]);
    let put = owner.send(Method::PUT, "/api/v1/agents", Body::None).await;
    is_problem(&put, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn what_is_too_large_is_said_to_be() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let large = "x".repeat(3_000_000);
    let page = owner.form("/account", &[("name", &large)]).await;
    is_page(&page, StatusCode::PAYLOAD_TOO_LARGE, &["too large", "kB"]);
    let problem = owner.post("/api/v1/agents", json!({"name": large})).await;
    let problem = is_problem(&problem, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(problem["detail"].as_str().unwrap().contains("kB"), "{problem}");
}

#[tokio::test]
async fn no_number_reaches_the_database_that_it_cannot_hold() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let call = add_call(&desk, desk.agent, json!({})).await;
    let agent = desk.agent;
    let edges =
        [i64::MIN, i64::MIN + 1, -1, i64::MAX, 253_402_300_800_000_000].map(|n| n.to_string());
    let texts = edges.iter().map(String::as_str).chain(["99999999999999999999", "1e9", "x"]);
    for text in texts {
        for path in [
            format!("/api/v1/live?follow=false&after={text}"),
            format!("/api/v1/calls/{call}/events?after={text}"),
            format!("/api/v1/calls/{call}/events?limit={text}"),
            format!("/api/v1/calls?after={text}"),
            format!("/api/v1/calls?limit={text}"),
            format!("/api/v1/calls?from={text}&to={text}"),
            format!("/api/v1/tasks?after={text}"),
            format!("/api/v1/tasks?limit={text}"),
            format!("/api/v1/usage?from={text}"),
            format!("/api/v1/usage?month={text}"),
            format!("/api/v1/appointments?after={text}"),
            format!("/api/v1/appointments?from={text}&to={text}"),
            format!("/api/v1/webhook-deliveries?after={text}"),
            format!("/api/v1/webhook-deliveries?limit={text}"),
            format!("/api/v1/agents/{agent}/versions?after={text}"),
            format!("/api/v1/agents/{agent}/versions?limit={text}"),
            format!("/api/v1/agents/{agent}/functions?limit={text}"),
            format!("/api/v1/agents/{agent}/access?after={text}"),
            format!("/api/v1/tokens?limit={text}"),
            format!("/api/v1/functions/{}/collected?after={text}.{agent}", desk.function),
            format!("/activity?before={text}"),
            format!("/webhooks?after={text}"),
            format!("/usage?month={text}"),
            format!("/bookings?day={text}"),
            format!("/setup/{agent}/call?since={text}"),
            format!("/agents/{agent}?done={text}"),
            format!("/agents/{agent}/versions?with={text}"),
        ] {
            let answered = owner.get(&path).await;
            assert!(
                answered.status.as_u16() < 500,
                "{path}: {} {}",
                answered.status,
                answered.text
            );
            assert!(!answered.text.contains("SQLSTATE"), "{path}: {}", answered.text);
            assert!(!answered.text.contains("tell whoever runs"), "{path}: {}", answered.text);
        }
        let id = owner.open("/api/v1/live?follow=false", Some(("last-event-id", text))).await;
        assert_eq!(id.status(), StatusCode::OK, "{text}");
    }
    let low = owner.get(&format!("/api/v1/live?follow=false&after={}", i64::MIN)).await;
    assert_eq!(is_problem(&low, StatusCode::UNPROCESSABLE_ENTITY)["field"], "after");
}

#[tokio::test]
async fn a_booking_from_a_call_is_never_made_as_another_one() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let agent = desk.agent.to_string();
    for (call, place, field) in [
        ("x", "0", "call"),
        ("", "0", "call"),
        (agent.as_str(), "x", "place"),
        (agent.as_str(), "", "place"),
    ] {
        let form = [
            ("agent", agent.as_str()),
            ("date", "2027-01-04"),
            ("time", "10:00"),
            ("minutes", "30"),
            ("name", "Anna"),
            ("call", call),
            ("place", place),
        ];
        let refused = owner.form("/bookings/new", &form).await;
        let name = format!("<b>{}{}</b>", field[..1].to_uppercase(), &field[1..]);
        is_page(&refused, StatusCode::UNPROCESSABLE_ENTITY, &[&name, "Write the "]);
    }
    assert_eq!(desk.made("select count(*)::text from appointments").await, "0");
}

#[tokio::test]
async fn a_private_host_is_told_like_one_that_is_not_there() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let mut told = Vec::new();
    let hosts =
        ["127.0.0.1:9", "localhost:9", "169.254.169.254", "10.0.0.1", "[::1]:9", "nowhere.invalid"];
    for host in hosts {
        let new =
            json!({"type": "json_api", "name": "ask", "data": {"url": format!("http://{host}/")}});
        let made =
            owner.post(&format!("/api/v1/agents/{}/functions", desk.agent), new).await.json();
        let path = format!("/api/v1/functions/{}", made["id"].as_str().unwrap());
        let tried = owner.post(&format!("{path}/dry-run"), json!({})).await;
        let mut body = tried.json();
        (body["ms"], body["request"]["url"]) = (json!(0), json!(""));
        owner.send(Method::DELETE, &path, Body::None).await;
        let settings = json!({"settings": {"webhook": {"url": format!("http://{host}/")}}});
        let set = owner.patch(&format!("/api/v1/agents/{}", desk.agent), settings).await;
        assert_eq!(set.status, StatusCode::OK, "{}", set.text);
        let test =
            owner.post(&format!("/api/v1/agents/{}/webhook/test", desk.agent), json!({})).await;
        let mut answer = test.json();
        answer["ms"] = json!(0);
        told.push((tried.status, body, test.status, answer));
    }
    for (host, told_of) in hosts.iter().zip(&told) {
        assert_eq!(told_of, told.last().unwrap(), "{host}");
    }
}

#[tokio::test]
async fn what_is_refused_of_numbers_and_tries_is_written_down() {
    let desk = Desk::open().await;
    let support = desk.sign_in("support@example.com").await;
    let reads = read_token(&desk, "owner@example.com").await;
    let agent = desk.agent.to_string();
    let sid = "PN00000000000000000000000000000001";
    let mut refused = 0;
    for deed in ["connect", "restore"] {
        for who in [&support, &reads] {
            let api =
                who.post(&format!("/api/v1/numbers/{sid}/{deed}"), json!({"agent": agent})).await;
            assert_eq!(api.status, StatusCode::FORBIDDEN, "{}", api.text);
        }
        let page = support.form(&format!("/numbers/{sid}/{deed}"), &[("agent", &agent)]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text);
        refused += 3;
    }
    let page = support.get(&format!("/agents/{agent}/try")).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text);
    refused += 1;
    let noted =
        desk.made("select count(*)::text from audit_log where action = 'access.refused'").await;
    assert_eq!(noted, refused.to_string());
}

/// Errors on a page are sentences: what is wrong, and what to write.
#[tokio::test]
async fn an_owner_reads_sentences() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let support = desk.sign_in("support@example.com").await;
    let agent = desk.agent;
    let (section, functions) = (format!("/agents/{agent}"), format!("/agents/{agent}/functions"));
    let shown = owner.get(&section).await.text;
    let version = shown.split("name=\"version\" value=\"").nth(1).unwrap();
    let long = [
        ("section", "greeting"),
        ("version", version.split('"').next().unwrap()),
        ("name", "Bright Smile"),
        ("settings.idle.reprompts", "often"),
        ("settings.limits.call_seconds", "long"),
    ];
    let refused = owner.form(&section, &long).await;
    let said = "Write how many minutes, from 1 to 240.";
    assert!(refused.text.contains(said), "{}", refused.text);
    let refused = owner.form(&section, &long[..4]).await;
    let said = "This can't be used as it is. Write a whole number from 0 to ";
    assert!(refused.text.contains(said), "{}", refused.text);
    let nameless = owner.form(&functions, &[("type", "form"), ("name", "")]).await;
    assert!(nameless.text.contains("Nothing is written here. Write a name"), "{}", nameless.text);
    let secret =
        owner.form(&format!("/agents/{agent}/secrets"), &[("name", ""), ("value", "")]).await;
    let words = ["<b>Name</b>: Write a name of letters", "This can't be used"];
    is_page(&secret, StatusCode::UNPROCESSABLE_ENTITY, &words);
    let invited = [("agent", &*agent.to_string()), ("email", "ann"), ("role", "support")];
    let invited = owner.form("/people", &invited).await;
    let said = "E-mail: It is no e-mail address. Write one such as somebody@example.com";
    assert!(invited.text.contains(said), "{}", invited.text);
    let denied = support.get(&format!("/agents/{agent}/versions")).await;
    let may = ["Only owners and maintainers can do this, and your role here is support."];
    is_page(&denied, StatusCode::FORBIDDEN, &may);
    for page in [nameless, secret, invited, denied] {
        for word in ["accepted is", "found ", "needs the role", "Unprocessable"] {
            assert!(!page.text.contains(word), "{word}: {}", page.text);
        }
    }
}
