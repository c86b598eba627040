//! The set-up as a newcomer goes through it: from no agent to a first test call by microphone, a number
//! and its first call.

use frontdesk::agent::phone_number::readable;
use frontdesk::clock::Clock;
use frontdesk::rehearsal::phone::api::Api;
use frontdesk::rehearsal::phone::numbers::Number;
use frontdesk::rehearsal::phone::{self, CallOptions, Step};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::cdp::{Browser, Page, check_page};
use crate::console::{address, sign_in};
use crate::desk::{Desk, add_person};

const ACCOUNT: &str = "AC00000000000000000000000000000001";
const TOKEN: &str = "the-operators-auth-token";
const FREE: &str = "+15559870777";
/// As many things may be asked, the owner's own Twilio account among them.
const INPUTS_MAX: u64 = 12;
/// How long the set-up may take somebody, in seconds.
const SECONDS_MAX: f64 = 300.0;

/// What the forms of a page ask at first sight. Buttons of one choice count once.
const INPUTS: &str = r"(() => {
    const asked = new Set();
    for (const field of document.querySelectorAll('main form :is(input, select, textarea)'))
        if (field.type !== 'hidden' && field.checkVisibility())
            asked.add(field.type === 'radio' ? field.name : field);
    return asked.size;
})()";
/// The words of a page. Of a long list one finds one's own by its letter, and reads no other.
const WORDS: &str = r"(() => {
    const count = (text) => text.split(/\s+/).length;
    let words = count(document.querySelector('main').innerText);
    for (const list of document.querySelectorAll('main select'))
        if (list.options.length > 20) words -= count(list.innerText) - 1;
    return words;
})()";
/// A zone that the list has not, as a program might send it.
const FOREIGN_ZONE: &str = "(() => {
    const zone = document.querySelector('#zone');
    zone.add(new Option('London', 'london'));
    zone.value = 'london';
})()";
/// Waits until the agent is heard.
const HEARD: &str = r"(async () => {
    while (!(line.loudest > 0.05)) await new Promise((done) => setTimeout(done, 50));
    return line.loudest;
})()";

/// How long somebody takes who reads four words a second and types forty words a minute: the times of
/// the keystroke-level model (Card, Moran and Newell).
#[derive(Default)]
struct Pace {
    seconds: f64,
    inputs: u64,
}

impl Pace {
    /// Reads a page of the set-up; what it asks counts.
    async fn read(&mut self, page: &Page) {
        self.seconds += page.eval(WORDS).await.as_f64().unwrap() / 4.0;
        self.inputs += page.eval(INPUTS).await.as_u64().unwrap();
    }

    async fn fill(&mut self, page: &Page, field: &str, text: &str) {
        page.fill(field, text).await;
        self.clicked();
        self.seconds += 0.28 * text.chars().count() as f64;
    }

    /// Thinks, points and presses.
    fn clicked(&mut self) {
        self.seconds += 1.35 + 1.1 + 0.2;
    }

    /// Sends the screen and comes to another one.
    async fn send(&mut self, page: &Page, heading: &str) {
        page.click("main form.card .actions button.main").await;
        self.clicked();
        page.wait_for_text("h1", heading).await;
    }
}

async fn with_twilio() -> Desk {
    let twilio = Api::new(Some(ACCOUNT.to_owned()), Some(TOKEN.to_owned().into()));
    twilio.set_trial(true);
    twilio.set_number(Number::new("+15559870776", "https://old.example/voice"));
    twilio.set_number(Number {
        voice_application_sid: "AP00000000000000000000000000000001".to_owned(),
        ..Number::new(FREE, "https://old.example/voice")
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    twilio.serve(listener);
    let more = [("TWILIO_API_URL", url), ("TWILIO_ACCOUNT_SID", ACCOUNT.to_owned())];
    let desk = Desk::open_with(&more).await;
    add_person(&desk.pool, "new@example.com", "Nora New").await;
    desk
}

/// The first three screens.
async fn describe(page: &Page, pace: &mut Pace) {
    pace.read(page).await;
    check_page(page, "setup-1-business").await;
    pace.fill(page, "#name", "Curl & Co").await;
    page.choose("#trade", "salon").await;
    pace.clicked();
    page.eval(FOREIGN_ZONE).await;
    pace.fill(page, "#website", "curl.example").await;
    pace.send(page, "Set up an agent").await;
    page.wait_for_text("#error-zone", "Is Europe/London meant?").await;
    check_page(page, "setup-1-refused").await;
    pace.send(page, "When is Curl & Co open?").await;

    pace.read(page).await;
    check_page(page, "setup-2-hours").await;
    page.click("main details > summary").await;
    page.fill("[name='tuesday.0.open']", "08:30").await;
    page.wait_for("#own:checked").await;
    check_page(page, "setup-2-hours-open").await;
    page.fill("[name='tuesday.0.close']", "07:00").await;
    page.submit("main form.card").await;
    // The faults come first, where one is; each leads to its field.
    page.wait_for("main .note.bad:focus").await;
    check_page(page, "setup-2-refused").await;
    page.click_text("Tuesday").await;
    page.wait_for("#tuesday-0-close:focus").await;
    page.fill("#tuesday-0-close", "18:00").await;
    page.choose("[name=hours]", "salon").await;
    pace.clicked();
    pace.fill(page, "#team", "020 7946 0000").await;
    pace.send(page, "How does it answer?").await;

    pace.read(page).await;
    check_page(page, "setup-3-voice").await;
    page.choose("#voice", "coral").await;
    pace.clicked();
    pace.send(page, "Talk to it").await;
}

/// Calls the agent from the page, and hears it.
async fn talk(page: &Page, pace: &mut Pace) {
    pace.read(page).await;
    check_page(page, "setup-4-try").await;
    page.click("main form details > summary").await;
    page.fill("#answer-0", "A cut costs 40 pounds.").await;
    page.click_text("Save the answers").await;
    page.wait_for_text("main", "1 of 6 answered").await;
    check_page(page, "setup-4-answered").await;
    page.click_text("Talk to it now").await;
    pace.clicked();
    page.wait_for("#call:enabled").await;
    check_page(page, "setup-4-talk").await;
    page.click("#call").await;
    page.wait_for("#try[data-on=true]").await;
    page.wait_for_text("#live", "Hello, this is Curl & Co. How can I help you?").await;
    let loudest = page.eval(HEARD).await;
    assert!(loudest.as_f64().unwrap() > 0.05, "the greeting is heard: {loudest}");
    page.click_text("Hang up").await;
    page.wait_for_text("#said", "The call is over.").await;
    // Two sentences each.
    pace.seconds += 30.0;
    page.click_text("Go on with the set-up").await;
    pace.clicked();
    page.wait_for_text("h1", "Talk to it").await;
    page.click_text("Go on to the number").await;
    pace.clicked();
    page.wait_for_text("h1", "Which number does it answer?").await;
}

#[tokio::test]
async fn a_newcomer_comes_from_nothing_to_a_first_test_call_and_a_number() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = with_twilio().await;
    let page = browser.page().await;
    sign_in(&desk, &page, "new@example.com").await;
    let mut pace = Pace::default();
    pace.clicked();
    pace.read(&page).await;
    check_page(&page, "setup-0-nothing").await;
    // By its old name, as browsers say it.
    page.set_zone("Asia/Calcutta").await;
    page.click_text("Set one up").await;
    pace.clicked();
    page.wait_for_text("h1", "Set up an agent").await;
    let zone = page.eval("document.querySelector('#zone').value").await;
    assert_eq!(zone, "Asia/Calcutta", "the business is likely where its owner is");
    describe(&page, &mut pace).await;
    talk(&page, &mut pace).await;
    let call: Value = sqlx::query_scalar("select to_jsonb(l) from call_logs l")
        .fetch_one(&desk.pool)
        .await
        .unwrap();
    assert_eq!(call["metadata"]["test"], true, "{call}");

    pace.read(&page).await;
    check_page(&page, "setup-5-number").await;
    page.click_text("Use your own Twilio account").await;
    pace.clicked();
    page.wait_for("#account_sid").await;
    pace.inputs += 2;
    check_page(&page, "setup-5-account").await;
    // Both are copied from Twilio's page.
    for (field, text) in [("#account_sid", ACCOUNT), ("#auth_token", TOKEN)] {
        page.fill(field, text).await;
        pace.seconds += 10.0;
    }
    page.click_text("Show its numbers").await;
    pace.clicked();
    page.wait_for_text("main", &readable(FREE)).await;
    check_page(&page, "setup-5-numbers").await;
    page.click("main fieldset label:nth-of-type(2) input").await;
    pace.clicked();
    pace.send(&page, "Curl & Co is set up").await;
    eprintln!("set-up: {} inputs, {:.0} s at a human pace", pace.inputs, pace.seconds);
    assert!(pace.inputs <= INPUTS_MAX, "{} inputs", pace.inputs);
    assert!(pace.seconds <= SECONDS_MAX, "{:.0} s", pace.seconds);

    page.wait_for_text("#waiting", "Waiting for your call").await;
    check_page(&page, "setup-6-waiting").await;
    page.click_text("Keep the number that you have: forward it").await;
    check_page(&page, "setup-6-forwarding").await;
    let url = desk.app.public_url.join("/twilio/voice");
    let mut options = CallOptions::new(url, FREE, Clock::real());
    options.account_sid = ACCOUNT.to_owned();
    options.auth_token = Some(TOKEN.to_owned().into());
    options.forwarded_from = Some("+442079460000".to_owned().into());
    phone::call(options, vec![Step::wait_for_agent()]).await;
    // It turns green by itself.
    page.wait_for_text("#waiting .good", "It works.").await;
    check_page(&page, "setup-6-arrived").await;
    page.click_text("Go to Today").await;
    page.wait_for_text("h1", "Today").await;
    assert!(!page.html().await.contains("Go on with the set-up"));
    check_page(&page, "setup-7-today").await;
}

#[tokio::test]
async fn the_set_up_is_gone_through_and_gone_on_with_without_scripts() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = with_twilio().await;
    let page = browser.page().await;
    page.set_javascript(false).await;
    sign_in(&desk, &page, "new@example.com").await;
    page.click_text("Set one up").await;
    page.wait_for("#name").await;
    page.fill("#name", "Curl & Co").await;
    page.choose("#zone", "Europe/London").await;
    page.submit("main form").await;
    page.wait_for_text("h1", "When is Curl & Co open?").await;
    page.goto(&address(&desk, "/")).await;
    page.click_text("Go on with the set-up").await;
    page.wait_for_text("h1", "When is Curl & Co open?").await;
    page.choose("[name=hours]", "own").await;
    page.click("main details > summary").await;
    page.fill("[name='monday.0.open']", "10:00").await;
    page.click_text("Go on").await;
    page.wait_for_text("h1", "How does it answer?").await;
    page.click_text("Back").await;
    page.wait_for("#own:checked").await;
    page.click_text("Go on").await;
    page.wait_for_text("h1", "How does it answer?").await;
    page.click_text("Go on").await;
    page.wait_for_text("h1", "Talk to it").await;
    page.click_text("Go on to the number").await;
    page.wait_for_text("h1", "Which number does it answer?").await;
    page.click_text("Use your own Twilio account").await;
    page.fill("#account_sid", ACCOUNT).await;
    page.fill("#auth_token", TOKEN).await;
    page.click_text("Show its numbers").await;
    page.wait_for_text("main", &readable(FREE)).await;
    page.click("main fieldset label input").await;
    page.click_text("Finish").await;
    page.wait_for_text("main", "The page looks every 5 seconds.").await;
    assert!(page.exists("meta[http-equiv=refresh]").await);
}

/// A number that another agent of the account answers has no button, and leads to that agent.
#[tokio::test]
async fn a_number_that_is_taken_leads_to_its_agent() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = with_twilio().await;
    desk.sql(&format!(
        "update voice_agents set twilio_phone_number = '{FREE}' where id = '{}'",
        desk.other_agent
    ))
    .await;
    desk.app.directory.refresh(None, None).await;
    let page = browser.page().await;
    sign_in(&desk, &page, "admin@example.com").await;
    page.goto(&address(&desk, &format!("/numbers?agent={}", desk.agent))).await;
    let link = format!(".card li a[href='/agents/{}']", desk.other_agent);
    page.wait_for_text(&link, "Iron Pipes").await;
    check_page(&page, "numbers-taken").await;
    page.click(&link).await;
    page.wait_for_text("h1", "Iron Pipes").await;
}
