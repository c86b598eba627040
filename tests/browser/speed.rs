//! How soon pages are seen on a telephone with a slow line: a measurement, which prints and decides
//! nothing. Run it alone: `cargo test --test browser -- --ignored --nocapture how_soon`.

use frontdesk::store::sample_week::add_week;
use uuid::Uuid;

use crate::cdp::{Browser, Page};
use crate::console::{address, sign_in};
use crate::desk::Desk;

/// Lines by name: the time from a request to its answer in milliseconds, and kilobits a second. The
/// telephone's processor takes four times as long as this machine's.
const LINES: [(&str, u32, u32); 2] = [("150 ms, 1.6 Mbit/s", 150, 1600), ("Slow 4G", 562, 1440)];
/// How often each page is visited for the first time.
const VISITS: usize = 5;
/// How far the page's parts moved while it appeared (Cumulative Layout Shift).
const SHIFTS: &str = "new Promise(done => new PerformanceObserver(list => done(list.getEntries()
    .filter(e => !e.hadRecentInput).reduce((sum, e) => sum + e.value, 0)))
    .observe({type: 'layout-shift', buffered: true}) || setTimeout(() => done(0), 200))";

/// Somebody who is signed in and has never been here: nothing is in the browser's cache.
async fn first_visit(
    browser: &Browser,
    signed_in: &Page,
    url: &str,
    line: (u32, u32),
) -> (f64, f64) {
    let page = browser.page().await;
    for cookie in signed_in.cookies().await {
        let text = |name: &str| cookie[name].as_str().unwrap().to_owned();
        page.set_cookie(url, &text("name"), &text("value")).await;
    }
    page.set_viewport(390, 844, true).await;
    page.throttle(line.0, line.1, 4).await;
    page.goto(url).await;
    (page.lcp_ms().await, page.eval(SHIFTS).await.as_f64().unwrap())
}

#[tokio::test]
#[ignore = "a measurement, not a test"]
async fn how_soon_pages_are_seen_on_a_slow_telephone() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = Desk::open().await;
    add_week(&desk.pool, desk.agent).await.unwrap();
    let signed_in = browser.page().await;
    sign_in(&desk, &signed_in, "owner@example.com").await;
    let call: Uuid =
        sqlx::query_scalar("select id from call_logs order by call_start desc limit 1")
            .fetch_one(&desk.pool)
            .await
            .unwrap();
    let agent = desk.agent;
    let paths = [
        "/".to_owned(),
        "/calls".to_owned(),
        format!("/calls/{call}"),
        "/live".to_owned(),
        "/bookings".to_owned(),
        format!("/agents/{agent}"),
        format!("/agents/{agent}/try"),
    ];
    for (line, rtt_ms, kbps) in LINES {
        for path in &paths {
            let mut seen = Vec::new();
            for _ in 0..VISITS {
                let url = address(&desk, path);
                seen.push(first_visit(&browser, &signed_in, &url, (rtt_ms, kbps)).await);
            }
            seen.sort_by(|a, b| a.0.total_cmp(&b.0));
            let (median, worst) = (seen[VISITS / 2].0, seen[VISITS - 1].0);
            let shift = seen.iter().map(|visit| visit.1).fold(0.0, f64::max);
            println!(
                "{line}: {path}: LCP {median:.0} ms, at most {worst:.0}; CLS at most {shift:.3}"
            );
        }
    }
}
