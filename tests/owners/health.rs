//! What whoever looks after the installation is told of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use frontdesk::clock;
use frontdesk::web::doctor::{Found, Verdict};
use http::StatusCode;
use tokio::sync::Notify;

use crate::desk::Desk;

#[tokio::test]
async fn what_doctor_finds_is_on_the_page_and_no_page_waits_for_it() {
    let desk = Desk::open().await;
    let admin = desk.sign_in("admin@example.com").await;
    let owner = desk.sign_in("owner@example.com").await;
    let page = admin.get("/health").await;
    assert!(page.text.contains("frontdesk doctor"), "nobody can look here: {}", page.text);

    let (looks, go_on) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (counted, waits) = (Arc::clone(&looks), Arc::clone(&go_on));
    desk.app.examine_with(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        let waits = Arc::clone(&waits);
        Box::pin(async move {
            waits.notified().await;
            let found = |what: &str, verdict, found: &str, remedy: Option<&str>| Found {
                what: what.to_owned(),
                verdict,
                found: found.to_owned(),
                remedy: remedy.map(str::to_owned),
            };
            vec![
                found("database", Verdict::Well, "PostgreSQL 17", None),
                found("agent <b>", Verdict::Look, "it has no number", Some("give it one")),
                found("OPENAI_API_KEY", Verdict::Wrong, "refused", Some("set it")),
            ]
        })
    });
    let page = admin.get("/health").await;
    assert!(page.text.contains("are being looked at"), "it is in the background: {}", page.text);
    assert!(page.text.contains("http-equiv=\"refresh\""), "{}", page.text);
    admin.get("/health").await;
    for path in ["/health", "/health?x"] {
        assert_eq!(owner.get(path).await.status, StatusCode::NOT_FOUND);
        assert_eq!(owner.form(path, &[]).await.status, StatusCode::NOT_FOUND);
    }
    go_on.notify_one();
    let looked = async {
        loop {
            let page = admin.get("/health").await.text;
            if page.contains("Look again") {
                return page;
            }
            clock::pause(Duration::from_millis(10)).await;
        }
    };
    let page = clock::within(Duration::from_secs(30), looked).await.expect("the look ends");
    for words in
        ["1 wrong, 1 to look at", "The key of the speech service", "What to do: ", "Set it."]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    let place = |words: &str| page.find(words).unwrap_or_else(|| panic!("{words}: {page}"));
    assert!(place("speech service</b>") < place("Agent &lt;b&gt;"), "what is wrong comes first");
    let again = admin.form("/health", &[]).await;
    assert_eq!((again.status, again.header("location")), (StatusCode::SEE_OTHER, "/health"));
    assert_eq!(looks.load(Ordering::SeqCst), 1, "a look a moment ago is enough");
}
