//! Bookings, people, account and activity in a browser.

use crate::cdp::{Browser, check_page};
use crate::console::{address, sign_in};
use crate::desk::Desk;

/// A week with everything that a booking can be, and some days of activity.
async fn fill(desk: &Desk) {
    desk.sql(&format!(
        "insert into appointments (voice_agent_id, name, phone_number, service, schedule_time,
            duration_minutes, status, is_extracted, booking_key)
        select '{0}', (array['A. Khan', 'J. Reed', 'Mrs Okafor-Fitzgerald', 'Zoë Müller'])[1 + n % 4],
            '+447700900123', (array['Check-up', 'Filling', ''])[1 + n % 3],
            date_trunc('week', now()) + n * interval '7 hours' + interval '9 hours', 45,
            (array['pending', 'completed', 'missed', 'cancelled', 'pending'])[1 + n % 5]::appointment_status,
            n % 5 = 4, case when n % 5 = 4 then gen_random_uuid() || ':extracted:1' end
        from generate_series(0, 20) n",
        desk.agent
    ))
    .await;
    desk.sql(&format!(
        "insert into audit_log (actor, actor_kind, voice_agent_id, action, object, change)
        select created_by, 'session', id, (array['recording.listen', 'booking.move', 'call.end'])[1 + n % 3],
            'call x' || n, case when n % 3 = 1 then
                '{{\"start_us\": [1795960800000000, 1796047200000000]}}'::jsonb end
        from voice_agents, generate_series(1, 60) n where id = '{}'",
        desk.agent
    ))
    .await;
}

#[tokio::test]
async fn bookings_and_people_are_fit_for_everybody() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = Desk::open().await;
    let page = browser.page().await;
    sign_in(&desk, &page, "owner@example.com").await;
    let pages = [
        ("/bookings", "bookings"),
        ("/bookings/new", "booking-new"),
        ("/people", "people"),
        ("/account", "account"),
        ("/activity", "activity"),
    ];
    for (path, name) in pages {
        page.goto(&address(&desk, path)).await;
        check_page(&page, &format!("{name}-empty")).await;
    }
    fill(&desk).await;
    for (path, name) in pages {
        page.goto(&address(&desk, path)).await;
        check_page(&page, name).await;
    }
    let check =
        "select id::text from appointments where is_extracted order by schedule_time limit 1";
    let id = desk.made(check).await;
    page.goto(&address(&desk, &format!("/bookings/{id}"))).await;
    check_page(&page, "booking").await;
    page.goto(&address(&desk, "/bookings/new?day=2027-10-31")).await;
    page.fill("#time", "01:30").await;
    page.fill("#name", "Anna Khan").await;
    page.submit("main form").await;
    page.wait_for("legend").await;
    check_page(&page, "booking-twice").await;
    desk.sql(
        "update appointments set schedule_time = '2027-10-31T01:00Z' where status = 'pending'",
    )
    .await;
    page.choose("[name=which]", "second").await;
    page.submit("main form").await;
    page.wait_for("main [role=alert]").await;
    check_page(&page, "booking-conflict").await;
}

#[tokio::test]
async fn an_appointment_is_booked_and_moved_without_scripts() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = Desk::open().await;
    let page = browser.page().await;
    page.set_javascript(false).await;
    sign_in(&desk, &page, "maintainer@example.com").await;
    page.goto(&address(&desk, "/bookings/new?day=2027-10-31")).await;
    page.fill("#time", "01:30").await;
    page.fill("#name", "Anna Khan").await;
    page.submit("main form").await;
    page.wait_for_text("legend", "which 01:30 do you mean?").await;
    page.choose("[name=which]", "second").await;
    page.submit("main form").await;
    page.wait_for_text("[role=alert]", "outside the opening hours").await;
    page.click("[name=closed]").await;
    page.submit("main form").await;
    page.wait_for_text("main [role=status]", "Booked.").await;
    page.goto(&address(&desk, "/bookings/new?day=2027-10-31")).await;
    page.fill("#time", "01:15").await;
    page.fill("#name", "Ben").await;
    page.submit("main form").await;
    page.wait_for("legend").await;
    page.choose("[name=which]", "second").await;
    page.submit("main form").await;
    page.wait_for_text("[role=alert]", "outside the opening hours").await;
    page.click("[name=closed]").await;
    page.submit("main form").await;
    page.wait_for_text("[role=alert]", "Something else is booked in that time").await;
    page.fill("#date", "2027-11-01").await;
    page.submit("main form").await;
    page.wait_for_text("main [role=status]", "Booked.").await;
    page.click("main details summary").await;
    page.fill("#time", "10:00").await;
    page.submit("main details form").await;
    page.wait_for_text("main [role=status]", "to Monday 1 November, 10:00.").await;
}

#[tokio::test]
async fn somebody_is_invited_and_removed_in_a_browser() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = Desk::open().await;
    let page = browser.page().await;
    sign_in(&desk, &page, "owner@example.com").await;
    page.goto(&address(&desk, "/people")).await;
    page.fill("#email", "ana@example.com").await;
    page.fill("#name", "Ana").await;
    page.submit("#invite + form").await;
    page.wait_for("#sign-in-link").await;
    check_page(&page, "people-link").await;
    let link = page.text("#sign-in-link").await;
    let theirs = browser.page().await;
    let path = &link[link.find("/sign-in/").unwrap()..];
    theirs.goto(&address(&desk, path)).await;
    theirs.submit("main form").await;
    theirs.wait_for("nav.menu").await;
    page.goto(&address(&desk, "/people")).await;
    page.click(".list li:last-child details summary").await;
    page.click(".list li:last-child details details summary").await;
    page.submit(".list li:last-child details details form").await;
    page.wait_for_text("main [role=status]", "Removed").await;
    theirs.goto(&address(&desk, "/bookings")).await;
    theirs.wait_for_text("main", "You have no agent yet").await;
    check_page(&theirs, "bookings-no-agent").await;
}

#[tokio::test]
async fn whoever_has_an_account_accepts_and_leaves_in_a_browser() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = Desk::open().await;
    let page = browser.page().await;
    sign_in(&desk, &page, "owner@example.com").await;
    page.goto(&address(&desk, "/people")).await;
    page.fill("#email", "other@example.com").await;
    page.submit("#invite + form").await;
    page.wait_for_text("main [role=status]", "Invited.").await;
    check_page(&page, "people-invited").await;
    let theirs = browser.page().await;
    sign_in(&desk, &theirs, "other@example.com").await;
    theirs.goto(&address(&desk, "/account")).await;
    theirs.wait_for_text("main", "An invitation from Bright Smile").await;
    check_page(&theirs, "account-invitation").await;
    theirs.submit("main section.card form").await;
    theirs.wait_for_text("main [role=status]", "You belong to that business now.").await;
    check_page(&theirs, "account-businesses").await;
    theirs.click("main details summary").await;
    theirs.submit("main details form").await;
    theirs.wait_for_text("main [role=status]", "You left").await;
}
