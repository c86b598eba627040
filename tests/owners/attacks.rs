//! What somebody with bad intentions sends that belongs to no one subject.

use frontdesk::web::owners::sign_in_link;
use http::StatusCode;
use http::header::SET_COOKIE;
use uuid::Uuid;

use crate::desk::Desk;

async fn link(desk: &Desk, email: &str) -> String {
    let person: Uuid = sqlx::query_scalar("select uuid from customer where email = $1")
        .bind(email)
        .fetch_one(&desk.pool)
        .await
        .unwrap();
    let link = sign_in_link(&desk.app.store, &desk.app.public_url, person).await.unwrap();
    link[link.find("/sign-in").unwrap()..].to_owned()
}

#[tokio::test]
async fn a_session_that_was_planted_is_not_the_one_that_signs_in() {
    let desk = Desk::open().await;
    // The attacker's own session, in the browser of somebody who signs in.
    let attacker = desk.sign_in("other@example.com").await;
    let planted = attacker.credential().unwrap().1.to_owned();
    for cookie in [planted.clone(), planted.split('=').next().unwrap().to_owned() + "=chosen"] {
        let victim = desk.stranger().with("cookie", cookie.clone());
        let signed_in = victim.form(&link(&desk, "owner@example.com").await, &[]).await;
        assert_eq!(signed_in.status, StatusCode::SEE_OTHER, "{}", signed_in.text);
        let given = signed_in.headers[SET_COOKIE].to_str().unwrap().split(';').next().unwrap();
        assert_ne!(given, cookie, "a new session");
        let chosen = desk.stranger().with("cookie", cookie).get("/account").await;
        assert!(!chosen.text.contains("owner@example.com"), "{}", chosen.text);
    }
    let own = attacker.get("/account").await;
    assert!(!own.text.contains("owner@example.com"), "{}", own.text);
}

#[tokio::test]
async fn what_an_address_brings_breaks_out_of_no_header() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let evil = "%0d%0ax-evil:%20yes%0d%0a%0d%0a<script>alert(1)</script>";
    let agent = desk.agent;
    for path in [
        format!("/?agent={evil}"),
        format!("/calls?words={evil}&number={evil}&after={evil}"),
        format!("/bookings?day={evil}&done={evil}"),
        format!("/bookings/new?day={evil}"),
        format!("/agents/{agent}?done={evil}"),
        format!("/agents/{agent}/versions?with={evil}"),
        format!("/callers/{evil}"),
        format!("/activity?after={evil}"),
        format!("/account?done={evil}"),
        format!("/sign-in/{evil}"),
        format!("/calendar/{evil}.ics"),
        format!("/api/v1/calls?words={evil}&after={evil}"),
        format!("/api/v1/calls.csv?words={evil}"),
    ] {
        let answered = owner.get(&path).await;
        assert!(!answered.headers.contains_key("x-evil"), "{path}");
        assert!(answered.status.as_u16() < 500, "{path}: {}", answered.status);
        let is_page = answered.header("content-type").starts_with("text/html");
        assert!(!is_page || !answered.text.contains("<script>alert"), "{path}");
    }
    let text = "x\r\nx-evil: yes\r\n\r\n<script>alert(1)</script>";
    for (path, field) in [
        ("/account", "username"),
        ("/bookings/new", "name"),
        ("/bookings/feed", "agent"),
        ("/sign-in", "email"),
    ] {
        let answered = owner.form(path, &[(field, text)]).await;
        assert!(!answered.headers.contains_key("x-evil"), "{path}");
        assert!(answered.status.as_u16() < 500, "{path}: {}", answered.status);
    }
}
