//! The console as an owner meets it: signed in by a link's button, on a phone and on a desktop, in
//! light and in dark.

use frontdesk::web::owners::sign_in_link;
use uuid::Uuid;

use crate::cdp::{Browser, Page, check_page};
use crate::desk::Desk;

/// Signs somebody in as people do: by opening a link and pressing its button.
pub(crate) async fn sign_in(desk: &Desk, page: &Page, email: &str) {
    let person: Uuid = sqlx::query_scalar("select uuid from customer where email = $1")
        .bind(email)
        .fetch_one(&desk.pool)
        .await
        .unwrap();
    let link = sign_in_link(&desk.app.store, &desk.app.public_url, person).await.unwrap();
    let path = &link[link.find("/sign-in").unwrap()..];
    page.goto(&address(desk, path)).await;
    page.submit("main form").await;
    page.wait_for("nav.menu").await;
}

/// A page of the desk's server.
pub(crate) fn address(desk: &Desk, path: &str) -> String {
    format!("http://localhost:{}{path}", desk.app.address.port())
}

/// A week of what an owner finds: calls, tasks, bookings, an answer, deliveries.
async fn fill(desk: &Desk) {
    desk.sql(&format!(
        "insert into call_logs (voice_agent_id, call_start, call_end, duration, caller_number, status,
            call_sid, transcript, summary, metadata)
        select '{0}', now() - n * interval '5 hours', now() - n * interval '5 hours' + interval '2 min',
            interval '2 min', '+4477009001' || lpad(n::text, 2, '0'),
            (array['completed', 'transferred', 'voicemail', 'no-answer', 'failed'])[1 + n % 5],
            'CA' || md5(n::text), '[00:00] Agent: Good day.' || chr(10) || '[00:04] Caller: A tooth hurts.',
            jsonb_build_object('summary', 'Tooth pain since Friday, wants to come today.'),
            jsonb_build_object('gaps', jsonb_build_array('Do you take BUPA?'), 'turns', jsonb_build_array(
                jsonb_build_object('n', 1, 'started_ms', 4000, 'caller', 'A tooth hurts.',
                    'agent', 'I am sorry. We could see you on Monday.', 'heard', 'I am sorry.',
                    'interrupted', true, 'latency_ms', jsonb_build_object('first_audio', 800))))
        from generate_series(1, 30) n",
        desk.agent
    ))
    .await;
    desk.sql(
        "insert into call_tasks (voice_agent_id, call_log_id, kind, ordinal, text, urgency,
            caller_number, at)
        select voice_agent_id, id, (array['urgent', 'message', 'missed', 'gap'])[1 + (row_number()
            over (order by call_start desc))::int % 4], 90, 'Tooth pain, wants to be called back today.',
            2, caller_number, call_end
        from call_logs order by call_start desc limit 6",
    )
    .await;
    desk.sql(&format!(
        "insert into appointments (voice_agent_id, name, phone_number, service, schedule_time,
            duration_minutes)
        values ('{0}', 'A. Khan', '+447700900123', 'Check-up', now() + interval '1 hour', 30),
            ('{0}', 'J. Reed', '+447700900124', 'Filling', now() + interval '1 day', 60)",
        desk.agent
    ))
    .await;
    desk.sql(
        "insert into webhook_deliveries (call_log_id, message_id, attempt, status, ms)
        select id, 'msg_' || id, 1, 200, 87 from call_logs limit 5",
    )
    .await;
}

/// Pages with something on them, and what each is called in the screenshots.
const PAGES: [(&str, &str); 10] = [
    ("/", "today"),
    ("/knowledge", "knowledge"),
    ("/numbers", "numbers"),
    ("/webhooks", "webhooks"),
    ("/setup?new=1", "setup"),
    ("/calls", "calls"),
    ("/usage", "usage"),
    ("/agents/{agent}", "agent"),
    ("/agents/{agent}/versions", "versions"),
    ("/agents/{agent}/functions", "functions"),
];

#[tokio::test]
async fn every_page_is_fit_for_everybody_full_and_empty() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = Desk::open().await;
    let page = browser.page().await;
    page.goto(&address(&desk, "/sign-in")).await;
    check_page(&page, "sign-in").await;
    sign_in(&desk, &page, "owner@example.com").await;
    let agent = desk.agent.to_string();
    for (path, name) in PAGES {
        page.goto(&address(&desk, &path.replace("{agent}", &agent))).await;
        check_page(&page, &format!("{name}-empty")).await;
    }
    fill(&desk).await;
    for (path, name) in PAGES {
        page.goto(&address(&desk, &path.replace("{agent}", &agent))).await;
        check_page(&page, name).await;
    }
    let call: Uuid =
        sqlx::query_scalar("select id from call_logs order by call_start desc limit 1")
            .fetch_one(&desk.pool)
            .await
            .unwrap();
    page.goto(&address(&desk, &format!("/calls/{call}"))).await;
    check_page(&page, "call").await;
    page.goto(&address(&desk, "/no/such/page")).await;
    assert_eq!(page.status().await, 404);
    check_page(&page, "not-found").await;
}

#[tokio::test]
async fn a_task_is_ticked_and_taken_back_without_scripts() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = Desk::open().await;
    fill(&desk).await;
    let page = browser.page().await;
    page.set_javascript(false).await;
    sign_in(&desk, &page, "support@example.com").await;
    page.goto(&address(&desk, "/")).await;
    page.wait_for_text("h2", "To do (6)").await;
    page.submit("main .task form").await;
    page.wait_for_text("h2", "To do (5)").await;
    page.click("#done summary").await;
    page.submit("#done form").await;
    page.wait_for_text("h2", "To do (6)").await;
}

#[tokio::test]
async fn a_first_visit_is_small_and_asks_nobody_else() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = Desk::open().await;
    fill(&desk).await;
    let page = browser.page().await;
    sign_in(&desk, &page, "owner@example.com").await;
    let fresh = browser.page().await;
    for cookie in page.cookies().await {
        let text = |name: &str| cookie[name].as_str().unwrap().to_owned();
        fresh.set_cookie(&address(&desk, "/"), &text("name"), &text("value")).await;
    }
    fresh.goto(&address(&desk, "/")).await;
    let requests = fresh.requests().await;
    let bytes: u64 = requests.iter().map(|request| request.bytes).sum();
    assert!(
        requests.len() <= 6 && bytes <= 40 * 1024,
        "{} requests, {bytes} bytes",
        requests.len()
    );
}

#[tokio::test]
async fn a_question_is_answered_where_it_is_read() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = Desk::open().await;
    fill(&desk).await;
    let page = browser.page().await;
    sign_in(&desk, &page, "maintainer@example.com").await;
    page.goto(&address(&desk, "/knowledge")).await;
    page.fill("main textarea[name=answer]", "Yes, we take BUPA and AXA.").await;
    page.submit("main .list form").await;
    page.wait_for_text("main", "None in the last 90 days").await;
    page.wait_for_text("main", "Yes, we take BUPA and AXA.").await;
    let found = desk.app.services.function_services.knowledge.is_there(desk.agent, true).await;
    assert!(found, "the next call looks it up");
}
