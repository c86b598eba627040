//! What owners meet every day, with all of it opened: tasks with a note, an answer and a message, a live
//! call, a caller, what a form collected, the webhook, and Health.

use frontdesk::web::doctor::{Found, Verdict};
use uuid::Uuid;

use crate::cdp::{Browser, Page, check_page};
use crate::console::{address, sign_in};
use crate::desk::{Desk, add_agent};

const CALLER: &str = "+447700900123";

/// Two businesses with calls, tasks, bookings, a form and a webhook.
async fn fill(desk: &Desk) -> Uuid {
    let agent = desk.agent;
    let owner = desk.made("select uuid::text from customer where email like 'owner@%'").await;
    let salon = "Lime Street Salon and Academy of Hairdressing";
    let salon = add_agent(&desk.pool, owner.parse().unwrap(), salon, "+15559870002").await;
    desk.sql(&format!(
        "insert into call_logs (voice_agent_id, call_start, call_end, duration, caller_number, status,
            call_sid, summary, metadata)
        select (array['{agent}'::uuid, '{salon}'])[1 + n % 2], now() - n * interval '40 minutes',
            now() - n * interval '39 minutes', interval '1 min', '{CALLER}', 'voicemail',
            'CA' || md5(n::text), jsonb_build_object('summary', 'Wants to be called back about a filling.',
                'data_collected', '[{{\"name\": \"full_name\", \"value\": \"Mrs Okafor-Fitzgerald\"}}]'::jsonb),
            jsonb_build_object('gaps', '[\"Do you take BUPA?\"]'::jsonb, 'voicemail', jsonb_build_object(
                'seconds', 12, 'recording_url',
                'https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/RE1'),
                'turns', (select jsonb_agg(jsonb_build_object('n', t, 'started_ms', t * 4000, 'caller',
                    'A tooth hurts.', 'agent', 'I am sorry.', 'heard', 'I am sorry.', 'latency_ms',
                    jsonb_build_object('first_audio', 400 + t * 17 % 900))) from generate_series(1, 60) t))
        from generate_series(1, 6) n"
    ))
    .await;
    desk.sql(
        "insert into call_tasks (voice_agent_id, call_log_id, kind, ordinal, text, urgency,
            caller_number, at, question_key, note)
        select voice_agent_id, id, kind, 1, words, 1, caller_number, call_end,
            case kind when 'gap' then 'do you take bupa' end, note
        from call_logs, (values ('voicemail', 'Voicemail, 12 seconds.', null),
            ('gap', 'Asked: “Do you take BUPA?” — the agent had no answer.', 'I ask the practice.'),
            ('message', 'Message: please ring back before five, it is about the filling.', null))
            as task (kind, words, note)
        where call_start > now() - interval '2 hours'",
    )
    .await;
    desk.sql(&format!(
        "insert into appointments (voice_agent_id, name, phone_number, service, schedule_time, status)
        values ('{agent}', 'Mrs Okafor-Fitzgerald', '{CALLER}', 'Check-up', now(), 'pending'),
            ('{salon}', 'Mrs Okafor-Fitzgerald', '{CALLER}', 'Cut and colour', now(), 'completed')"
    ))
    .await;
    desk.sql(&format!(
        "insert into webhook_deliveries (call_log_id, message_id, attempt, status, error, ms)
        select id, 'msg_' || id, 1, case when voice_agent_id = '{agent}' then 200 else 500 end, null, 87
        from call_logs"
    ))
    .await;
    salon
}

async fn look(desk: &Desk, page: &Page, path: &str, name: &str) {
    page.goto(&address(desk, path)).await;
    check_page(page, name).await;
}

/// Opens all that is folded in the page's own part.
async fn unfold(page: &Page) {
    page.eval("document.querySelectorAll('main details').forEach(one => one.open = true)").await;
}

#[tokio::test]
async fn what_is_met_every_day_is_fit_for_everybody() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = Desk::open().await;
    let agent = desk.agent;
    let page = browser.page().await;
    sign_in(&desk, &page, "owner@example.com").await;
    let caller = format!("/callers/{CALLER}");
    look(&desk, &page, &caller, "caller-empty").await;
    fill(&desk).await;
    look(&desk, &page, "/", "today-two").await;
    unfold(&page).await;
    check_page(&page, "today-open").await;
    look(&desk, &page, &caller, "caller").await;
    page.click_text("Book for this caller").await;
    page.wait_for_text("h1", "New booking").await;
    page.goto(&address(
        &desk,
        &format!("/bookings/new?agent={agent}&name=Ann&phone=%2B447700900123"),
    ))
    .await;
    assert_eq!(page.eval("document.querySelector('#name').value").await, "Ann");
    assert_eq!(page.eval("document.querySelector('#phone').value").await, CALLER);
    let call = desk.made("select id::text from call_logs order by call_start desc limit 1").await;
    page.goto(&address(&desk, &format!("/calls/{call}"))).await;
    unfold(&page).await;
    check_page(&page, "call-message").await;
    page.goto(&address(&desk, "/calls?function=check_availability&tests=true")).await;
    check_page(&page, "calls-filtered").await;
    // An answer that is too long stands in its form again.
    page.goto(&address(&desk, &format!("/knowledge?agent={agent}"))).await;
    page.eval(
        "document.querySelectorAll('[maxlength]').forEach(one => one.removeAttribute('maxlength'))",
    )
    .await;
    page.fill("main textarea[name=answer]", &"Yes. ".repeat(400)).await;
    page.submit("main .list form").await;
    page.wait_for_text("#told", "at most 1500").await;
    check_page(&page, "knowledge-too-long").await;
}

#[tokio::test]
async fn what_came_of_calls_and_what_is_known_is_fit_for_everybody() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = Desk::open().await;
    let agent = desk.agent;
    let page = browser.page().await;
    sign_in(&desk, &page, "owner@example.com").await;
    fill(&desk).await;
    let call = format!(
        "select id::text from call_logs where voice_agent_id = '{agent}' order by call_start desc limit 1"
    );
    let call = desk.made(&call).await;
    desk.sql(&format!(
        "insert into appointments (voice_agent_id, name, phone_number, service, schedule_time, booking_key)
        values ('{agent}', 'Mrs Okafor-Fitzgerald', '{CALLER}', 'Filling', '2099-12-01T10:00Z', '{call}:fc')"
    ))
    .await;
    desk.sql(&format!(
        "insert into call_tasks (voice_agent_id, call_log_id, kind, ordinal, text, urgency, caller_number, at)
        values ('{agent}', '{call}', 'claim', 1,
            'Agent said “You are booked for Tuesday.”, but no booking was made.', 2, '{CALLER}', now())"
    ))
    .await;
    desk.sql(&format!(
        "insert into \"zz_{agent}\" (content, metadata, embedding)
        select 'A crown is 950 dollars, and a filling is 180 dollars or more.',
            '{{\"source\": \"Prices of the practice for patients without insurance\", \"topic\": \"Crowns\"}}',
            case when n > 1 then array_fill(0.1::real, array[1536]) end from generate_series(1, 60) n"
    ))
    .await;
    look(&desk, &page, "/", "today-claim").await;
    look(&desk, &page, &format!("/calls/{call}"), "call-booked").await;
    page.click("form:has(input[value='not_so']) button").await;
    page.wait_for_text("main", "The agent did not say so.").await;
    look(&desk, &page, &format!("/knowledge?agent={agent}"), "knowledge-documents").await;
    page.click_text("Prices of the practice for patients without insurance").await;
    page.wait_for_text("h1", "Prices of the practice").await;
    check_page(&page, "document").await;
    page.click_text("More passages").await;
    page.wait_until_gone("a[rel=next]").await;
    page.goto(&address(&desk, &format!("/knowledge?agent={agent}"))).await;
    page.fill("#asked", "What does a crown cost?").await;
    page.click_text("Look it up").await;
    page.wait_for_text("h1", "What it would find").await;
    check_page(&page, "knowledge-asked").await;
    page.goto(&address(&desk, &format!("/bookings?agent={agent}&day=2099-12-02"))).await;
    page.click("a.free[href*='day=2099-12-02&time=11:00']").await;
    page.wait_for_text("h1", "New booking").await;
    assert_eq!(page.eval("document.querySelector('#time').value").await, "11:00");
}

#[tokio::test]
async fn a_live_call_is_taken_over_from_a_page_fit_for_everybody() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = Desk::open().await;
    desk.sql(&format!(
        "update voice_agents set private_settings = private_settings || '{{\"transfer\": {{\"targets\": \
         {{\"Front desk\": \"+442070000001\", \"Dr Patel\": \"+442070000002\"}}}}}}' where id = '{}'",
        desk.agent
    ))
    .await;
    desk.app.directory.refresh(None, None).await;
    desk.sql(&format!(
        "insert into call_logs (voice_agent_id, call_start, caller_number, status, call_sid)
        values ('{}', now(), '{CALLER}', 'in-progress', 'CA' || md5('live'))",
        desk.agent
    ))
    .await;
    let call = desk.made("select id::text from call_logs").await;
    desk.sql(&format!(
        "insert into call_events (call_log_id, epoch, seq, at_ms, kind, data) values
            ('{call}', 1, 1, 10, 'caller_said', '{{\"utterance\": \"a\", \"turn\": 1, \"started_ms\": 10,
                \"text\": \"Can I come on Monday?\", \"settled\": true}}'),
            ('{call}', 1, 2, 20, 'function_called', '{{\"run\": 1, \"turn\": 1,
                \"name\": \"check_availability\", \"arguments\": {{}}}}')"
    ))
    .await;
    let page = browser.page().await;
    sign_in(&desk, &page, "owner@example.com").await;
    look(&desk, &page, &format!("/live/{call}"), "live-call-no-phone").await;
    desk.sql("update customer set phone = '+44 20 7000 0009' where email like 'owner@%'").await;
    page.goto(&address(&desk, &format!("/live/{call}"))).await;
    unfold(&page).await;
    page.wait_for_text("#act", "Put through to me (+44 20 7000 0009)").await;
    page.wait_for_text("#doing", "Looking for free times").await;
    check_page(&page, "live-call").await;
    look(&desk, &page, "/live", "live").await;
}

#[tokio::test]
async fn what_a_form_collected_and_the_webhook_are_fit_for_everybody() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = Desk::open().await;
    let agent = desk.agent;
    let form = desk
        .made(&format!(
            "insert into functions (assistant_id, type, name, data, variables, save_data)
            values ('{agent}', 'form', 'newsletter', '{{}}',
                '[{{\"name\": \"email\", \"type\": \"email\"}}, {{\"name\": \"full_name\", \"type\": \"text\"}}]',
                true) returning id::text"
        ))
        .await;
    desk.sql(&format!(
        "update voice_agents set private_settings = private_settings
            || '{{\"webhook\": {{\"url\": \"https://calls.example.com/told\"}}}}' where id = '{agent}'"
    ))
    .await;
    desk.app.directory.refresh(None, None).await;
    let page = browser.page().await;
    sign_in(&desk, &page, "owner@example.com").await;
    let address_of = format!("/agents/{agent}/functions/{form}/collected");
    look(&desk, &page, &address_of, "collected-empty").await;
    desk.sql(&format!(
        "insert into scrapping_data (data, voice_agent_id, created_at)
        select jsonb_build_object('kind', 'function', 'function_id', '{form}', 'arguments',
            jsonb_build_object('email', 'somebody' || n || '@a-long-name.example.com',
                'full_name', 'Mrs Okafor-Fitzgerald', 'remark', repeat('She likes it short. ', 30))),
            '{agent}', now() - n * interval '3 hours'
        from generate_series(1, 60) n"
    ))
    .await;
    look(&desk, &page, &address_of, "collected").await;
    fill(&desk).await;
    page.goto(&address(&desk, "/webhooks")).await;
    page.submit("main form[action='/webhooks/test']").await;
    page.wait_for_text("main", "The test did not reach your server").await;
    check_page(&page, "webhooks-tested").await;
}

#[tokio::test]
async fn health_is_fit_for_everybody() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = Desk::open().await;
    let page = browser.page().await;
    sign_in(&desk, &page, "admin@example.com").await;
    look(&desk, &page, "/health", "health-none").await;
    desk.app.examine_with(|| {
        let found = |what: &str, verdict, found: &str, remedy: Option<&str>| Found {
            what: what.to_owned(),
            verdict,
            found: found.to_owned(),
            remedy: remedy.map(str::to_owned),
        };
        let all = vec![
            found("database", Verdict::Well, "PostgreSQL 17.2", None),
            found(
                "PUBLIC_URL",
                Verdict::Look,
                "not set: Twilio cannot reach this machine",
                Some("set it to the https address that Twilio reaches this server at"),
            ),
            found(
                "OPENAI_API_KEY",
                Verdict::Wrong,
                "api.openai.com refuses it",
                Some("set it to a key that is in force, and may use models"),
            ),
            found("number +15559870001", Verdict::Well, "its calls come here", None),
        ];
        Box::pin(std::future::ready(all))
    });
    page.goto(&address(&desk, "/health")).await;
    page.wait_for_text("main", "1 wrong, 1 to look at").await;
    page.wait_for_text("main", "Look again").await;
    check_page(&page, "health").await;
}
