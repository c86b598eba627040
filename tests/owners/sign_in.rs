//! Signing in and out, and what is refused.

use http::{Method, StatusCode};

use crate::desk::{Body, Desk};

#[tokio::test]
async fn a_link_signs_in_once_and_only_by_its_button() {
    let desk = Desk::open().await;
    let stranger = desk.stranger();
    assert_eq!(stranger.get("/").await.header("location"), "/sign-in");
    let wanted = stranger.get("/?agent=&a=%2B1").await;
    assert_eq!(wanted.header("location"), "/sign-in?next=%2F%3Fagent%3D%26a%3D%252B1");

    let link = desk.app.first_sign_in_link().await.unwrap().expect("an admin is there");
    let path = &link[link.find("/sign-in").unwrap()..];
    for _ in 0..3 {
        let shown = stranger.get(path).await;
        assert_eq!(shown.status, StatusCode::OK, "looking uses nothing up");
        assert!(shown.headers.get("set-cookie").is_none());
        assert!(shown.text.contains("<button"), "{}", shown.text);
    }
    let used = stranger.form(path, &[]).await;
    assert_eq!((used.status, used.header("location")), (StatusCode::SEE_OTHER, "/"));
    let cookie = used.header("set-cookie").to_owned();
    assert!(cookie.starts_with("fd=") && cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
    let again = stranger.form(path, &[]).await;
    assert_eq!(again.status, StatusCode::GONE);
    assert!(again.headers.get("set-cookie").is_none());
    let late = stranger.get(path).await;
    assert_eq!(late.status, StatusCode::GONE);
    assert!(late.text.contains("frontdesk token") && !late.text.contains("href=\"/\""));

    let browser = stranger.with("cookie", cookie.split(';').next().unwrap().to_owned());
    for late in [browser.get(path).await, browser.form(path, &[]).await] {
        assert_eq!(late.status, StatusCode::GONE);
        assert!(late.text.contains("this browser is signed in"), "{}", late.text);
        assert!(late.text.contains("href=\"/\"") && !late.text.contains("frontdesk token"));
    }
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    assert!(desk.app.first_sign_in_link().await.unwrap().is_none(), "somebody has signed in");

    let out = browser.form("/sign-out", &[]).await;
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(browser.get("/").await.header("location"), "/sign-in", "the session has ended");
    let noted = "select string_agg(action, ' ' order by id) from audit_log";
    assert_eq!(desk.made(noted).await, "sign_in sign_in.refused sign_in.refused session.end");
}

#[tokio::test]
async fn nobody_is_led_elsewhere_after_signing_in() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let own = owner.get("/sign-in?next=/calls%3Fwords%3D%252F%252Fx").await;
    assert_eq!(own.header("location"), "/calls?words=%2F%2Fx");
    for odd in [
        "/%09/evil.example/pwn",
        "/%0a/evil.example",
        "//evil.example",
        "/%5Cevil.example",
        "%00",
        "/%00",
    ]
    .into_iter()
    .chain([
        "/%0b",
        "/x?y=%7f",
        "/%c2%85/evil.example",
        "https://evil.example",
        "/%0d%0aX:%20y",
    ]) {
        let answered = owner.get(&format!("/sign-in?next={odd}")).await;
        assert_eq!(
            (answered.status, answered.header("location")),
            (StatusCode::SEE_OTHER, "/"),
            "{odd}"
        );
    }
}

#[tokio::test]
async fn a_session_that_ends_elsewhere_ends_at_once() {
    let desk = Desk::open().await;
    let browser = desk.sign_in("owner@example.com").await;
    assert_eq!(browser.get("/api/v1/agents").await.status, StatusCode::OK);
    for end in
        ["ended_at = now()", "expires_at = now()", "last_seen_at = now() - interval '13 hours'"]
    {
        let browser = desk.sign_in("owner@example.com").await;
        assert_eq!(browser.get("/api/v1/agents").await.status, StatusCode::OK);
        desk.sql(&format!("update frontdesk_sessions set {end}")).await;
        let after = browser.get("/api/v1/agents").await;
        assert_eq!(after.status, StatusCode::UNAUTHORIZED, "{end}");
        assert_eq!(after.header("content-type"), "application/problem+json");
    }
}

#[tokio::test]
async fn a_role_that_is_taken_away_is_gone_at_once() {
    let desk = Desk::open().await;
    let browser = desk.sign_in("support@example.com").await;
    let seen = browser.get("/api/v1/agents").await.json();
    assert_eq!(seen["items"][0]["role"], "support");
    assert_eq!(seen["items"].as_array().unwrap().len(), 1, "the other business is not there");
    desk.sql("update voice_agents_access set status = false").await;
    let seen = browser.get("/api/v1/agents").await.json();
    assert_eq!(seen["items"], serde_json::json!([]));
}

#[tokio::test]
async fn a_form_of_another_site_changes_nothing() {
    let desk = Desk::open().await;
    let browser = desk.sign_in("owner@example.com").await;
    let http = reqwest::Client::new();
    let url = format!("http://{}/sign-out", desk.app.address);
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
        let forged = http.post(&url).header(name, value).send().await.unwrap();
        assert_eq!(forged.status(), StatusCode::FORBIDDEN, "{name}");
    }
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_tries_links_has_to_wait() {
    let desk = Desk::open().await;
    let stranger = desk.stranger();
    let mut last = StatusCode::OK;
    for n in 0..7 {
        let path = format!("/sign-in/{:x<43}", n);
        last = stranger.form(&path, &[]).await.status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    // Another one behind the same address has a good link.
    desk.sign_in("owner@example.com").await;
    for _ in 0..6 {
        desk.sign_in("support@example.com").await;
    }
}

/// A desk at which people sign in at a Supabase that is away, behind a proxy.
async fn with_supabase() -> Desk {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    Desk::open_with(&[
        ("CLIENT_ADDRESS_HEADER", "X-Forwarded-For".to_owned()),
        ("SUPABASE_URL", url),
        ("SUPABASE_PUBLISHABLE_KEY", "sb_publishable_x".to_owned()),
    ])
    .await
}

async fn tries(desk: &Desk, from: &str, what: &str, email: &str) -> StatusCode {
    let client = desk.stranger().with("x-forwarded-for", from.to_owned());
    let form = [("email", email), ("password", "x"), ("code", "123456")];
    client.form(&format!("/sign-in/{what}"), &form).await.status
}

#[tokio::test]
async fn who_tries_somebodys_password_keeps_nobody_else_out() {
    let desk = with_supabase().await;
    for from in ["192.0.2.9", "192.0.2.10", "2001:db8::1"] {
        for _ in 0..5 {
            assert_eq!(tries(&desk, from, "password", "Alice@example.com").await, StatusCode::OK);
        }
    }
    for from in ["192.0.2.9", "2001:db8::2"] {
        let refused = tries(&desk, from, "password", "alice@example.com").await;
        assert_eq!(refused, StatusCode::TOO_MANY_REQUESTS, "{from} has tried enough");
    }
    for what in ["password", "code", "verify"] {
        let status = tries(&desk, "198.51.100.1", what, "alice@example.com").await;
        assert_eq!(status, StatusCode::OK, "{what}");
    }
}

#[tokio::test]
async fn however_many_try_from_however_many_places_the_right_one_gets_an_answer() {
    let desk = with_supabase().await;
    for n in 0..100 {
        let from = format!("192.0.2.{}", n / 4);
        assert_eq!(
            tries(&desk, &from, "password", "alice@example.com").await,
            StatusCode::OK,
            "{n}"
        );
    }
    let status = tries(&desk, "198.51.100.1", "password", "alice@example.com").await;
    assert_eq!(status, StatusCode::OK, "it is only slower");
}

#[tokio::test]
async fn a_code_is_not_guessed_from_very_many_places() {
    let desk = with_supabase().await;
    let mut answered = 0;
    for some in [0..150, 150..300] {
        let tries = some.map(async |n| {
            tries(&desk, &format!("2001:db8:0:{n:x}::1"), "verify", "alice@example.com").await
        });
        let statuses = futures_util::future::join_all(tries).await;
        answered += statuses.iter().filter(|status| **status == StatusCode::OK).count();
    }
    assert!((200..300).contains(&answered), "{answered}");
    let status = tries(&desk, "2001:db8:1::1", "password", "alice@example.com").await;
    assert_eq!(status, StatusCode::OK, "a password still signs in");
}

#[tokio::test]
async fn pages_say_to_browsers_what_they_may_load() {
    let desk = Desk::open().await;
    let browser = desk.sign_in("owner@example.com").await;
    for path in ["/", "/sign-in", "/api/v1/agents", "/no/such/page", "/api/v1/nothing"] {
        let answered = browser.get(path).await;
        assert!(
            answered.header("content-security-policy").starts_with("default-src 'none'"),
            "{path}"
        );
        assert_eq!(answered.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answered.header("cache-control"), "private, no-store", "{path}");
        assert!(!answered.text.contains("style=") && !answered.text.contains("onclick"), "{path}");
    }
    let put = browser.send(Method::PUT, "/api/v1/agents", Body::None).await;
    assert_eq!(put.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn behind_a_proxy_clients_are_told_apart() {
    let proxied = ("CLIENT_ADDRESS_HEADER", "X-Forwarded-For".to_owned());
    let desk = Desk::open_with(&[proxied]).await;
    let tried = async |from: &str| {
        let client = desk.stranger().with("x-forwarded-for", from.to_owned());
        client.form(&format!("/sign-in/{:x<43}", 1), &[]).await.status
    };
    for n in 0..5 {
        // What the client itself says stands before what the proxy saw.
        assert_eq!(tried(&format!("192.0.2.{n}, 198.51.100.7")).await, StatusCode::GONE);
    }
    assert_eq!(tried("192.0.2.99, 198.51.100.7").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(tried("198.51.100.8:4711").await, StatusCode::GONE, "another client");
    let seen: Vec<String> =
        sqlx::query_scalar("select distinct ip from audit_log where ip is not null order by 1")
            .fetch_all(&desk.pool)
            .await
            .unwrap();
    assert_eq!(seen, ["198.51.100.7", "198.51.100.8"]);
}

#[tokio::test]
async fn a_header_that_nobody_named_says_nothing() {
    let desk = Desk::open().await;
    let mut last = StatusCode::OK;
    for n in 0..6 {
        let client = desk.stranger().with("x-forwarded-for", format!("192.0.2.{n}"));
        last = client.form(&format!("/sign-in/{:x<43}", 1), &[]).await.status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn behind_https_every_cookie_is_secure() {
    // A proxy on this machine may ask for any host.
    let desk = Desk::open_with(&[("PUBLIC_URL", "https://calls.example.com".to_owned())]).await;
    let owner = desk.sign_in("owner@example.com").await;
    let (_, cookie) = owner.credential().unwrap();
    assert!(cookie.starts_with("__Host-fd="), "{cookie}");
    assert_eq!(owner.get("/account").await.status, StatusCode::OK);
}

/// The demo's database is its own: no command makes a link for it.
#[tokio::test]
async fn the_demo_does_not_advise_a_command_that_cannot_help() {
    let desk = Desk::open().await;
    desk.app.rehearses_with(vec!["Hello.".to_owned()]);
    let late = desk.stranger().get("/sign-in/nothing").await;
    assert_eq!(late.status, StatusCode::GONE);
    assert!(late.text.contains("start it again") && !late.text.contains("frontdesk token"));
    let page = desk.stranger().get("/sign-in").await.text;
    assert!(page.contains("start it again") && !page.contains("frontdesk token"), "{page}");
}

/// Whoever was here first gets a link without saying who they are; another address is another person, who
/// reads why they see nothing.
#[tokio::test]
async fn who_runs_the_server_comes_back_as_who_they_were() {
    let desk = Desk::open().await;
    for path in ["/sign-in", "/sign-in/nothing"] {
        let page = desk.stranger().get(path).await.text;
        assert!(page.contains("<code>frontdesk token</code>"), "{page}");
        assert!(page.contains("somebody new, who sees no agent"), "{page}");
    }
    let admins = desk.app.store.admins(10).await.unwrap();
    assert_eq!(
        admins.iter().map(|email| email.reveal().as_str()).collect::<Vec<_>>(),
        ["admin@example.com"]
    );
    crate::desk::add_person(&desk.pool, "you@example.com", "You").await;
    let page = desk.sign_in("you@example.com").await.get("/").await.text;
    assert!(page.contains("There are agents on this server, and none that you may see"), "{page}");
    assert!(page.contains("you@example.com") && page.contains("frontdesk token"), "{page}");
}
