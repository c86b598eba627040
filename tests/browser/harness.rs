//! The library does what it says, and finds the faults that pages have here on purpose.

use std::panic::AssertUnwindSafe;
use std::path::Path;

use frontdesk::clock;
use futures_util::FutureExt as _;
use serde_json::json;

use crate::cdp::{Browser, BrowserOptions, check_page, faults};
use crate::site::{Site, echo};

/// What a test that failed said.
async fn panics(test: impl Future<Output = ()>) -> String {
    let failed = AssertUnwindSafe(test).catch_unwind().await.expect_err("this should have failed");
    match failed.downcast::<String>() {
        Ok(said) => *said,
        Err(failed) => (*failed.downcast::<&str>().unwrap()).to_owned(),
    }
}

#[tokio::test]
async fn a_page_in_order_passes_and_is_seen() {
    let Some(browser) = Browser::shared().await else { return };
    let site = Site::start().await;
    let page = browser.page().await;
    page.goto(&site.url("/")).await;
    assert_eq!(page.status().await, 200);
    assert_eq!(page.text("p").await, "All is well.");
    assert!(page.html().await.contains("<em>well</em>"));
    assert!(!page.exists("#plain").await);
    check_page(&page, "harness-home").await;
    let screenshots = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
    for (look, width) in [("390-light", 390), ("390-dark", 390), ("1280-light", 1280)] {
        let image = std::fs::read(screenshots.join(format!("harness-home-{look}.png"))).unwrap();
        assert_eq!(image[..8], *b"\x89PNG\r\n\x1a\n");
        assert_eq!(image[16..20], u32::to_be_bytes(width), "the width in the head of the PNG");
    }
    assert_ne!(
        std::fs::read(screenshots.join("harness-home-1280-light.png")).unwrap(),
        std::fs::read(screenshots.join("harness-home-1280-dark.png")).unwrap()
    );
}

#[tokio::test]
async fn the_faults_of_a_page_are_found() {
    let Some(browser) = Browser::shared().await else { return };
    let site = Site::start().await;
    let page = browser.page().await;
    page.goto(&site.url("/faults")).await;
    let found = faults(&page, "harness-faults").await.join("\n");
    let expected = [
        "390-light: image-alt (critical)",
        "1280-dark: color-contrast (serious)",
        "at 320 pixels it scrolls sideways",
        "a request to a third party: http://tracker.example/pixel.gif",
        "a request to a third party: http://icons.example/icon.png",
        "console: policy: style-src-attr forbids inline",
        "console: policy: script-src-elem forbids inline",
        "console: network: Failed to load resource: the server responded with a status of 404",
    ];
    for fault in expected {
        assert!(found.contains(fault), "{fault} is not in\n{found}");
    }
    assert!(panics(check_page(&page, "harness-faults")).await.contains("image-alt"));
    page.goto(&site.url("/near")).await;
    let found = page.axe(&["wcag22aa"]).await;
    assert_eq!(found.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["target-size"]);
    page.goto(&site.url("/throws")).await;
    let errors = page.console_errors().await;
    assert!(errors[0].contains("missing is not defined"), "{errors:?}");
}

#[tokio::test]
async fn a_form_is_filled_in_and_sent() {
    let Some(browser) = Browser::shared().await else { return };
    let site = Site::start().await;
    let page = browser.page().await;
    // Any host name is this machine.
    let url = format!("http://clinic.example:{}", site.address.port());
    page.goto(&url).await;
    page.click_text("Book a table").await;
    page.wait_for_url("/booking").await;
    page.fill("#name", "Ada").await;
    page.choose("#day", "Tuesday").await;
    page.fill("#at", "17:30").await;
    page.choose("[name=reminder]", "sms").await;
    page.click("#notes").await;
    for key in ["n", "o", "Backspace"] {
        page.press(key).await;
    }
    page.submit("form").await;
    assert_eq!(page.text("h1").await, "Ada: tu 17:30 sms n");
    assert_eq!(page.text("p").await, format!("clinic.example:{}", site.address.port()));
    page.goto(&format!("{url}/booking")).await;
    page.fill("#name", "").await;
    assert!(panics(page.submit("form")).await.contains("name: "));
    page.fill("#name", "Grace").await;
    page.press("Enter").await;
    page.wait_for_text("h1", "Grace: mo").await;
    let requests = page.requests().await;
    let post = requests.iter().find(|request| request.method == "POST").unwrap();
    assert_eq!((post.status, post.ended), (Some(303), true), "{post:?}");
}

#[tokio::test]
async fn what_comes_later_is_waited_for() {
    let Some(browser) = Browser::shared().await else { return };
    let site = Site::start().await;
    let page = browser.page().await;
    page.goto(&site.url("/")).await;
    page.click("#later").await;
    page.wait_for_text("output", "Here it is").await;
    assert_eq!(page.dialogs().await, ["Really?"]);
    page.press("Escape").await;
    page.wait_for("[data-key=Escape]").await;
    page.goto(&site.url("/covered")).await;
    page.click_text("Home").await;
    page.wait_for_text("h1", "Welcome").await;
    page.goto(&site.url("/taken")).await;
    page.submit("form").await;
    assert_eq!(page.text("h1").await, "Taken over");
    page.reload().await;
    assert_eq!(page.text("h1").await, "Form");
    page.goto(&site.url("/nowhere")).await;
    assert_eq!((page.status().await, page.text("h1").await.as_str()), (404, "Missing"));
    assert_eq!(page.console_errors().await, [""; 0], "that the page is missing is no fault of it");
}

#[tokio::test]
async fn without_scripts_a_page_is_read_and_used() {
    let Some(browser) = Browser::shared().await else { return };
    let site = Site::start().await;
    let page = browser.page().await;
    page.set_javascript(false).await;
    page.goto(&site.url("/")).await;
    assert_eq!(page.text("#plain").await, "Without scripts");
    page.click_text("Book a table").await;
    page.wait_for_url("/booking").await;
    page.fill("#name", "Ada").await;
    page.choose("#day", "tu").await;
    page.choose("[name=reminder]", "sms").await;
    page.click_text("Book").await;
    page.wait_for_text("h1", "Ada: tu").await;
    page.goto(&site.url("/taken")).await;
    page.submit("form").await;
    assert_eq!(page.text("h1").await, "Form", "no script has taken it over");
    page.set_javascript(true).await;
    page.goto(&site.url("/")).await;
    assert!(!page.exists("#plain").await);
}

#[tokio::test]
async fn requests_are_counted_and_slowed() {
    let Some(browser) = Browser::shared().await else { return };
    let site = Site::start().await;
    let page = browser.page().await;
    page.throttle(200, 1600, 2).await;
    page.goto(&site.url("/")).await;
    let requests = page.requests().await;
    let kinds: Vec<&str> = requests.iter().map(|request| request.kind.as_str()).collect();
    assert_eq!(kinds, ["Document", "Stylesheet", "Script"], "{requests:?}");
    let own = site.address.to_string();
    for request in &requests {
        assert_eq!((request.status, request.host.as_str()), (Some(200), own.as_str()));
        assert!(request.ended && request.bytes > 100 && request.bytes < 5_000, "{request:?}");
    }
    // The line is one of 200 ms: the document and the style come one after the other.
    assert!(page.lcp_ms().await >= 400.0);
}

#[tokio::test]
async fn a_websocket_speaks_and_is_seen() {
    let Some(browser) = Browser::shared().await else { return };
    let site = Site::start().await;
    let echo = echo().await;
    let page = browser.page().await;
    page.goto(&site.url("/bare")).await;
    let script = format!(
        "new Promise((done, fail) => {{
            const socket = new WebSocket('ws://{echo}/');
            socket.onopen = () => socket.send('Hello');
            socket.onmessage = event => done(event.data);
            socket.onerror = fail;
        }})"
    );
    assert_eq!(page.eval(&script).await, "Hello");
    let requests = page.requests().await;
    let socket = requests.iter().find(|request| request.kind == "WebSocket").unwrap();
    assert_eq!((socket.status, &socket.host), (Some(101), &echo.to_string()));
}

/// A page with live events is never still, and is looked at nevertheless.
#[tokio::test]
async fn a_stream_of_events_holds_nothing_up() {
    let Some(browser) = Browser::shared().await else { return };
    let site = Site::start().await;
    let page = browser.page().await;
    page.goto(&site.url("/bare")).await;
    let script = "new Promise(done => {
        new EventSource('/live').onmessage = event => done(event.data);
    })";
    assert_eq!(page.eval(script).await, "first");
    let requests = page.requests().await;
    let stream = requests.iter().find(|request| request.kind == "EventSource").unwrap();
    assert_eq!((stream.status, stream.ended), (Some(200), false));
    page.reload().await;
}

#[tokio::test]
async fn what_a_worker_loads_is_its_pages() {
    let Some(browser) = Browser::shared().await else { return };
    let site = Site::start().await;
    let page = browser.page().await;
    page.goto(&site.url("/bare")).await;
    let script = "new Promise(done => {
        const code = `fetch('http://tracker.example/').catch(() => postMessage('tried'))`;
        const worker = new Worker(URL.createObjectURL(new Blob([code])));
        worker.onmessage = event => done(event.data);
    })";
    assert_eq!(page.eval(script).await, "tried");
    let requests = page.requests().await;
    assert!(requests.iter().any(|request| request.host == "tracker.example"), "{requests:?}");
}

#[tokio::test]
async fn what_cannot_be_done_is_told() {
    let Some(browser) = Browser::shared().await else { return };
    let site = Site::start().await;
    let page = browser.page().await;
    assert!(panics(page.goto("http://127.0.0.1:1/")).await.contains("ERR_UNSAFE_PORT"));
    page.goto(&site.url("/bare")).await;
    let said = panics(async { drop(page.eval("nothing.at.all").await) }).await;
    assert!(said.contains("nothing is not defined"), "{said}");
    assert_eq!(page.eval("({a: [1, null]})").await, json!({"a": [1, null]}));
}

#[tokio::test]
async fn pages_have_nothing_in_common() {
    let Some(browser) = Browser::shared().await else { return };
    let site = Site::start().await;
    let (one, other) = (browser.page().await, browser.page().await);
    for page in [&one, &other] {
        page.goto(&site.url("/bare")).await;
    }
    one.eval("document.cookie = 'who=one'").await;
    assert_eq!(one.eval("document.cookie").await, "who=one");
    assert_eq!(other.eval("document.cookie").await, "");
    other.set_cookie(&site.url("/"), "session", "secret").await;
    other.reload().await;
    assert_eq!(other.eval("document.cookie").await, "");
    let cookies = other.cookies().await;
    assert_eq!((&cookies[0]["name"], &cookies[0]["value"]), (&json!("session"), &json!("secret")));
}

/// The command lines of the processes that use a folder.
fn users_of(profile: &Path) -> Vec<String> {
    let profile = format!("--user-data-dir={}", profile.display());
    let commands = std::fs::read_dir("/proc").unwrap().filter_map(|process| {
        let line = std::fs::read(process.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).into_owned())
    });
    commands.filter(|line| line.contains(&profile) && !line.starts_with("bash")).collect()
}

#[tokio::test]
async fn a_browser_ends_with_a_test_that_panics() {
    let Some(browser) = Browser::start(BrowserOptions::default()).await else { return };
    let profile = browser.process().profile().to_owned();
    assert_ne!(users_of(&profile), [""; 0]);
    let fails = async move {
        let page = browser.page().await;
        page.goto("http://127.0.0.1:1/").await;
    };
    assert!(clock::spawn(fails).await.unwrap_err().is_panic());
    assert_eq!(users_of(&profile), [""; 0]);
    assert!(!profile.exists());
}
