//! The pictures of the README: the console of the sample week, on a telephone. Looked at, they are
//! copied from `target/screenshots/picture-*.png` to `docs/pictures`.

use frontdesk::store::sample_week::add_week;
use uuid::Uuid;

use crate::cdp::{Browser, Page, screenshots};
use crate::console::{address, sign_in};
use crate::desk::Desk;

/// A picture from this part of the page on.
async fn picture(page: &Page, name: &str, from: &str) {
    page.set_viewport(390, 844, true).await;
    page.eval(&format!("document.querySelector('{from}').scrollIntoView()")).await;
    page.at_rest().await;
    page.screenshot_of_view(&screenshots().join(format!("picture-{name}.png"))).await;
    page.set_viewport(1280, 800, false).await;
}

#[tokio::test]
async fn the_sample_week_is_worth_looking_at() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = Desk::open().await;
    add_week(&desk.pool, desk.agent).await.unwrap();
    let page = browser.page().await;
    sign_in(&desk, &page, "owner@example.com").await;
    page.goto(&address(&desk, "/")).await;
    page.wait_for_text("h2", "To do").await;
    picture(&page, "today", "body").await;
    // The call in which the caller cut the agent off.
    let cut: Uuid = sqlx::query_scalar(
        "select id from call_logs
        where metadata @? '$.turns[*] ? (@.interrupted == true)' order by call_start desc limit 1",
    )
    .fetch_one(&desk.pool)
    .await
    .unwrap();
    page.goto(&address(&desk, &format!("/calls/{cut}"))).await;
    page.wait_for("del").await;
    picture(&page, "call", ".talk").await;
    page.goto(&address(&desk, &format!("/agents/{}/try", desk.agent))).await;
    page.click("#type:enabled").await;
    page.wait_for_text("#live", "Good day.").await;
    page.fill("#text", "Thank you, that is all I wanted to know.").await;
    page.click("#send").await;
    page.wait_for("#live [data-line^=c] ~ [data-line^=a]").await;
    picture(&page, "try", "#caller").await;
}
