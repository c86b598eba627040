//! The pages of an agent, its versions and its functions.

use serde_json::json;

use crate::cdp::{Browser, Page, check_page};
use crate::console::{address, sign_in};
use crate::desk::{Desk, NUMBER};

fn path(desk: &Desk, rest: &str) -> String {
    address(desk, &format!("/agents/{}{rest}", desk.agent))
}

/// An agent with something in every section, a change to look at, and functions of each kind.
async fn fill(desk: &Desk) {
    let settings = json!({
        "greeting": "Bright Smile Dental, how can I help?",
        "transfer": {"targets": {"reception": "+442079460958"}},
        "fallback": {"kind": "say", "message": "We are closed."},
        "recording": {"enabled": true},
        "webhook": {"url": "https://hooks.example/calls", "secret": "hush"},
        "secrets": {"CRM": "k"},
        "odd": true,
    });
    sqlx::query("update voice_agents set private_settings = $1::jsonb where id = $2")
        .bind(settings.to_string())
        .bind(desk.agent)
        .execute(&desk.pool)
        .await
        .unwrap();
    let schedule = json!({
        "monday": [{"open": "09:00", "close": "12:30"}, {"open": "13:30", "close": "17:00"}],
        "exceptions": {"2026-12-25": [], "2026-12-26": [], "01-01": []},
    });
    sqlx::query(
        "update business_details set operating_schedule = $1::jsonb where voice_agent_id = $2",
    )
    .bind(schedule.to_string())
    .bind(desk.agent)
    .execute(&desk.pool)
    .await
    .unwrap();
    let functions = [
        ("json_api", "ask_stock", json!({"url": "https://stock.example/{{ args.item }}"})),
        ("form", "new_patient", json!({"title": "New patient"})),
        (
            "flows",
            "steps",
            json!({"start": "kind", "nodes": {
            "kind": {"ask": "Is it urgent?", "collect": "urgent", "type": "choice",
                "choices": ["yes", "no"], "next": "fork"},
            "fork": {"branch": [{"if": "urgent == 'yes'", "next": "person"}], "next": "look"},
            "person": {"transfer": "reception"},
            "look": {"call": "check_availability", "next": "bye", "on_error": "bye"},
            "bye": {"end": "Thank you for calling."}}}),
        ),
        ("json_api", "broken", json!({"url": "nowhere"})),
        (
            "function",
            "put_through",
            json!({"builtin": "transfer_call", "targets": {"lab": "+442079460960"}}),
        ),
    ];
    for (kind, name, data) in functions {
        sqlx::query(
            "insert into functions (assistant_id, type, name, purpose, data, variables)
            values ($1, $2::function_type, $3, 'Does what it says.', $4::jsonb,
                '[{\"name\": \"item\", \"type\": \"text\", \"required\": true}]')",
        )
        .bind(desk.agent)
        .bind(kind)
        .bind(name)
        .bind(data.to_string())
        .execute(&desk.pool)
        .await
        .unwrap();
    }
    desk.app.directory.refresh(Some(desk.agent), None).await;
}

/// Sends the form of a section.
async fn save(page: &Page, section: &str) {
    page.submit(&format!("form[aria-labelledby={section}]")).await;
}

#[tokio::test]
async fn the_pages_are_fit_for_everybody() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = Desk::open().await;
    let page = browser.page().await;
    sign_in(&desk, &page, "owner@example.com").await;
    let pages = [("", "agent"), ("/versions", "versions"), ("/functions", "functions")];
    for (rest, name) in pages {
        page.goto(&path(&desk, rest)).await;
        check_page(&page, &format!("{name}-empty")).await;
    }
    fill(&desk).await;
    page.goto(&path(&desk, "")).await;
    check_page(&page, "agent").await;
    page.click("details:has(#greeting) > summary").await;
    page.fill("#settings-limits-call_seconds", "a while").await;
    save(&page, "greeting").await;
    page.wait_for("#settings-limits-call_seconds-error").await;
    check_page(&page, "agent-refused").await;
    page.fill("#settings-limits-call_seconds", "15").await;
    save(&page, "greeting").await;
    page.wait_for("#saved.note.good:target").await;
    check_page(&page, "agent-saved").await;
    page.click("details:has(#messages) > summary").await;
    check_page(&page, "agent-people").await;
    page.fill("[name='settings.transfer.targets.1.number']", "twelve").await;
    save(&page, "messages").await;
    page.wait_for("#settings-transfer-targets-1-error").await;
    check_page(&page, "agent-people-refused").await;
    for (rest, name) in pages.into_iter().skip(1) {
        page.goto(&path(&desk, rest)).await;
        check_page(&page, name).await;
    }
    for kind in ["json_api", "form", "flows", "function"] {
        page.goto(&path(&desk, &format!("/functions/new?type={kind}"))).await;
        check_page(&page, &format!("function-new-{kind}")).await;
    }
    page.goto(&path(&desk, "/functions")).await;
    page.click_text("Ask stock").await;
    page.wait_for("#try").await;
    check_page(&page, "function").await;
    page.fill("#argument-item", "tap").await;
    page.submit("#try form").await;
    page.wait_for("div[role=status]").await;
    check_page(&page, "function-tried").await;
    for (title, name) in
        [("Steps", "function-steps"), ("Put the caller through", "function-people")]
    {
        page.goto(&path(&desk, "/functions")).await;
        page.click_text(title).await;
        page.wait_for("#try").await;
        check_page(&page, name).await;
    }
    let look = browser.page().await;
    sign_in(&desk, &look, "support@example.com").await;
    look.goto(&path(&desk, "")).await;
    check_page(&look, "agent-support").await;
}

#[tokio::test]
async fn a_pause_is_seen_on_today_and_ended_there() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = Desk::open().await;
    let page = browser.page().await;
    sign_in(&desk, &page, "owner@example.com").await;
    desk.sql(&format!(
        "update voice_agents set \"unAvailable\" = true where id = '{}'",
        desk.agent
    ))
    .await;
    page.goto(&address(&desk, "/")).await;
    page.wait_for_text("main .note", "takes no calls").await;
    check_page(&page, "today-paused").await;
    page.submit("main form[action$='/status']").await;
    page.wait_for_text("h1", "Today").await;
    assert!(!page.html().await.contains("takes no calls"));
}

#[tokio::test]
async fn hours_are_edited_without_scripts_and_the_preview_follows() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = Desk::open().await;
    fill(&desk).await;
    let page = browser.page().await;
    page.set_javascript(false).await;
    sign_in(&desk, &page, "owner@example.com").await;
    page.goto(&path(&desk, "")).await;
    page.wait_for_text("main", "The agent knows that you are closed.").await;
    page.click("details:has(#hours) > summary").await;
    page.click("input[name='settings.hours.closed'][value=fallback]").await;
    page.click("button[name=copy][value=monday]").await;
    page.wait_for_text("#day-monday", "They are not saved yet.").await;
    save(&page, "hours").await;
    page.wait_for_text(".note.good", "Saved.").await;
    page.wait_for_text("main", "The agent does not answer while you are closed.").await;
    page.wait_for_text("main", "We are closed.").await;
    let agent = desk.app.directory.remembered(NUMBER).unwrap();
    let friday = &agent.hours.week()[4];
    assert_eq!(*friday, agent.hours.week()[0], "Monday's hours were copied");
    page.goto(&path(&desk, "/versions")).await;
    page.wait_for_text("main", "Outside opening hours").await;
    // The last one is what the agent was before anybody changed it.
    page.submit("main section:last-of-type form").await;
    page.wait_for_text(".note.good", "Saved.").await;
    page.goto(&path(&desk, "")).await;
    page.wait_for_text("main", "The agent knows that you are closed.").await;
}
