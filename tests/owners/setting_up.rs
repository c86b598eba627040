//! The set-up of an agent: its screens, what they keep and change, and what they leave alone.

use frontdesk::agent::phone_number::readable;
use frontdesk::clock::Clock;
use frontdesk::rehearsal::phone::api::Api;
use frontdesk::rehearsal::phone::numbers::Number;
use frontdesk::rehearsal::phone::{self, CallOptions, Step};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::desk::{Answered, Client, Desk, add_person, give_access};

const ACCOUNT: &str = "AC00000000000000000000000000000001";
const TOKEN: &str = "the-operators-auth-token";
const FREE: &str = "+15559870777";

/// A desk with a Twilio whose account has one number, which an application answers.
async fn with_twilio() -> (Desk, Api) {
    let twilio = Api::new(Some(ACCOUNT.to_owned()), Some(TOKEN.to_owned().into()));
    twilio.set_number(Number {
        voice_application_sid: "AP00000000000000000000000000000001".to_owned(),
        ..Number::new(FREE, "https://old.example/voice")
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    twilio.serve(listener);
    let desk = Desk::open_with(&[
        ("TWILIO_API_URL", url),
        ("TWILIO_ACCOUNT_SID", ACCOUNT.to_owned()),
        ("SECRETS_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned()),
    ])
    .await;
    (desk, twilio)
}

/// Somebody new, signed in.
pub(crate) async fn newcomer(desk: &Desk) -> Client {
    add_person(&desk.pool, "new@example.com", "Nora New").await;
    desk.sign_in("new@example.com").await
}

/// An agent, as its rows have it.
pub(crate) async fn rows(desk: &Desk, agent: Uuid) -> Value {
    sqlx::query_scalar(
        "select jsonb_build_object('name', a.name, 'status', a.status, 'step', a.setup_step,
            'settings', a.private_settings, 'number', a.twilio_phone_number,
            'credentials', a.twilio_credentials, 'business', to_jsonb(b))
        from voice_agents a join business_details b on b.voice_agent_id = a.id where a.id = $1",
    )
    .bind(agent)
    .fetch_one(&desk.pool)
    .await
    .unwrap()
}

async fn deeds(desk: &Desk, agent: Uuid) -> Vec<String> {
    sqlx::query_scalar("select action from audit_log where voice_agent_id = $1 order by id")
        .bind(agent)
        .fetch_all(&desk.pool)
        .await
        .unwrap()
}

/// The agent that a redirect leads to.
fn agent_of(made: &Answered) -> Uuid {
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    let location = made.header("location");
    let rest = location.split("agent=").nth(1).unwrap_or_else(|| panic!("{location}"));
    rest.split('&').next().unwrap().parse().unwrap()
}

/// Begins, and goes to the screen behind the hours or further.
pub(crate) async fn begun(browser: &Client, until: &str) -> Uuid {
    let named = [("name", "Curl & Co"), ("trade", "salon"), ("zone", "Europe/London")];
    let agent = agent_of(&browser.form("/setup", &named).await);
    let screens: [(&str, &[(&str, &str)]); 3] = [
        ("hours", &[("hours", "salon"), ("team", "020 7946 0000")]),
        ("voice", &[("greeting", "Hello from us."), ("voice", "coral"), ("recording", "yes")]),
        ("tried", &[]),
    ];
    for (screen, form) in screens {
        if screen == until {
            break;
        }
        let sent = browser.form(&format!("/setup/{agent}/{screen}"), form).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{screen}: {}", sent.text);
    }
    agent
}

#[tokio::test]
async fn the_screens_lead_from_nothing_to_an_agent_that_answers() {
    let (desk, twilio) = with_twilio().await;
    let browser = newcomer(&desk).await;
    assert!(browser.get("/").await.text.contains("/setup"), "an empty desk says what to do");
    let first = browser.get("/setup").await;
    assert!(first.text.contains("Name of the business"), "{}", first.text);
    let wrong = browser.form("/setup", &[("name", " "), ("zone", "Mars/Olympus")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains("error-name") && wrong.text.contains("error-zone"));
    assert!(wrong.text.contains("“Mars/Olympus” is no time zone"), "what was sent is named");
    let close = browser.form("/setup", &[("name", "A"), ("zone", "berlin")]).await;
    assert!(close.text.contains("Is Europe/Berlin meant?"), "{}", close.text);

    let named =
        [("name", "<script>alert(1)</script> & Co"), ("trade", "salon"), ("zone", "Europe/London")];
    let agent = agent_of(&browser.form("/setup", &named).await);
    let resumed = browser.get("/setup").await;
    assert!(resumed.text.contains("Opening hours"), "it goes on where it was left");
    assert!(!resumed.text.contains("<script>alert"), "a name is no markup");
    let at = |step: &str| format!("/setup/{agent}/{step}");
    let odd = browser.form(&at("hours"), &[("hours", "salon"), ("team", "call me")]).await;
    assert_eq!(odd.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(odd.text.contains("call me"), "what was typed is still there");
    let hours = [("hours", "salon"), ("team", "020 7946 0000")];
    assert_eq!(browser.form(&at("hours"), &hours).await.status, StatusCode::SEE_OTHER);
    let odd = [("greeting", "Hello."), ("voice", "coral"), ("language", "no language")];
    let odd = browser.form(&at("voice"), &odd).await;
    assert!(odd.text.contains("href=\"#language\""), "{}", odd.text);
    let odd = browser.form(&at("voice"), &[("greeting", ""), ("voice", "bass")]).await;
    assert_eq!(odd.status, StatusCode::UNPROCESSABLE_ENTITY);
    // The voice of another service, which somebody gave it, may stay.
    desk.sql(&format!(
        "update voice_agents set private_settings = private_settings || '{{\"voice\": \"voice_1234\"}}'
        where id = '{agent}'"
    ))
    .await;
    let theirs =
        browser.form(&at("voice"), &[("greeting", "Hello."), ("voice", "voice_1234")]).await;
    assert_eq!(theirs.status, StatusCode::SEE_OTHER, "{}", theirs.text);
    let voice = [
        ("greeting", "Hello from us."),
        ("language", "de"),
        ("voice", "coral"),
        ("recording", "yes"),
    ];
    assert_eq!(browser.form(&at("voice"), &voice).await.status, StatusCode::SEE_OTHER);
    let again = browser.get(&format!("/setup?agent={agent}&step=voice")).await.text;
    assert!(again.contains("It begins in German"), "{again}");
    assert_eq!(browser.form(&at("tried"), &[]).await.status, StatusCode::SEE_OTHER);
    let last = browser.get("/setup").await;
    assert!(
        !last.text.contains(&readable(FREE)),
        "the server's account is not this owner's to look into"
    );
    let finished = browser.form(&at("finish"), &[("sid", "")]).await;
    let ending = finished.header("location").to_owned();
    assert!(ending.starts_with(&format!("/setup/{agent}/call?since=")), "{}", finished.text);
    let ending = browser.get(&ending).await.text;
    assert!(ending.contains("&amp; Co</bdi> is set up"), "{ending}");
    let links = ["numbers?agent", "people?agent", "knowledge?agent"];
    for link in links.map(|page| format!("href=\"/{page}={agent}\"")) {
        assert!(ending.contains(&link), "{link}: {ending}");
    }
    assert!(ending.contains("nobody can call it yet"), "{ending}");
    assert!(ending.contains("The speech service answers."), "{ending}");
    assert!(!ending.contains("Waiting for your call"), "there is nothing to call: {ending}");

    let rows = rows(&desk, agent).await;
    assert_eq!((&rows["status"], &rows["step"]), (&json!("active"), &json!(null)));
    let settings = &rows["settings"];
    assert_eq!(settings["transfer"]["targets"]["team"], "+442079460000");
    assert_eq!(
        (&settings["voice"], &settings["recording"]["enabled"]),
        (&json!("coral"), &json!(true))
    );
    assert_eq!(rows["business"]["operating_schedule"]["monday"], json!([]));
    assert_eq!(twilio.numbers()[0].voice_url, "https://old.example/voice", "nothing was rewired");
    let expected =
        ["agent.create", "agent.change", "agent.change", "agent.change", "agent.activate"];
    assert_eq!(deeds(&desk, agent).await, expected);
    let versions = browser.get(&format!("/agents/{agent}/versions")).await.text;
    assert!(versions.contains("Hello from us."), "each change can be gone back to");
}

#[tokio::test]
async fn an_unfinished_set_up_is_found_again_from_every_page() {
    let (desk, _twilio) = with_twilio().await;
    let browser = newcomer(&desk).await;
    let agent = begun(&browser, "voice").await;
    let support = add_person(&desk.pool, "desk@example.com", "Dan Desk").await;
    give_access(&desk.pool, agent, support, "support").await;
    let looks_only = desk.sign_in("desk@example.com").await;
    let link = format!("/setup?agent={agent}");
    for page in ["/".to_owned(), format!("/agents/{agent}"), format!("/agents/{agent}/try")] {
        let shown = browser.get(&page).await.text;
        assert!(shown.contains(&format!("href=\"{link}\"")), "{page}: {shown}");
        assert!(shown.contains("/setup?new=1"), "{page} leads to another agent");
        assert!(!looks_only.get(&page).await.text.contains(&link), "{page}");
    }
    assert!(browser.get(&link).await.text.contains("What callers hear first"));
    // Earlier screens can be gone back to, and later ones are not lost by it.
    let back = browser.get(&format!("{link}&step=business")).await.text;
    assert!(back.contains("value=\"Curl &amp; Co\""), "{back}");
    assert!(
        browser.get(&format!("{link}&step=number")).await.text.contains("What callers hear first")
    );
    let named = [
        ("name", "Curl & Sons"),
        ("trade", "law"),
        ("zone", "Europe/Paris"),
        ("website", "curl.example"),
    ];
    let changed = browser.form(&format!("/setup/{agent}/business"), &named).await;
    assert_eq!(changed.header("location"), format!("{link}&step=hours"), "{}", changed.text);
    let changed = rows(&desk, agent).await;
    assert_eq!((&changed["name"], &changed["step"]), (&json!("Curl & Sons"), &json!("voice")));
    let greeting = changed["settings"]["greeting"].as_str().unwrap();
    assert_eq!(greeting, "Thank you for calling Curl & Sons. How may I help you?");
    assert_eq!(changed["business"]["additional_context"], "Website: curl.example");
    // An agent that was put into service on its page is not being set up any more.
    browser.form(&format!("/agents/{agent}/status"), &[("status", "on")]).await;
    assert_eq!(rows(&desk, agent).await["step"], json!(null));
    assert!(!browser.get("/").await.text.contains(&link));
}

#[tokio::test]
async fn a_screen_of_the_set_up_lifts_no_suspension_and_changes_no_other_agent() {
    let (desk, twilio) = with_twilio().await;
    let browser = newcomer(&desk).await;
    let suspended = begun(&browser, "").await;
    desk.sql(&format!("update voice_agents set status = 'suspended' where id = '{suspended}'"))
        .await;
    let owner = desk.sign_in("owner@example.com").await;
    let sid = twilio.numbers()[0].sid.clone();
    let screens: [(&str, &[(&str, &str)]); 8] = [
        ("business", &[("name", "Other"), ("trade", "law"), ("zone", "Europe/Paris")]),
        ("hours", &[("hours", "always"), ("team", "020 7946 0999")]),
        ("voice", &[("greeting", "Other."), ("voice", "echo")]),
        ("answers", &[("answer-0", "Other.")]),
        ("tried", &[]),
        ("account", &[("account_sid", ACCOUNT), ("auth_token", TOKEN)]),
        ("finish", &[("sid", &sid)]),
        ("finish", &[("sid", "")]),
    ];
    for (client, agent) in [(&browser, suspended), (&owner, desk.agent)] {
        let before = rows(&desk, agent).await;
        for (screen, form) in screens {
            let sent = client.form(&format!("/setup/{agent}/{screen}"), form).await;
            assert_eq!(
                sent.header("location"),
                format!("/agents/{agent}"),
                "{screen} {}",
                sent.text
            );
        }
        let shown = client.get(&format!("/setup?agent={agent}&step=hours")).await;
        assert_eq!(shown.header("location"), format!("/agents/{agent}"));
        assert_eq!(rows(&desk, agent).await, before);
    }
    assert_eq!(twilio.numbers()[0].voice_url, "https://old.example/voice");
    // Another tenant's is not there, and support sets nothing up.
    let other = desk.sign_in("other@example.com").await;
    let support = desk.sign_in("support@example.com").await;
    for (screen, form) in screens {
        let path = format!("/setup/{}/{screen}", desk.agent);
        assert_eq!(other.form(&path, form).await.status, StatusCode::NOT_FOUND, "{screen}");
        assert_eq!(support.form(&path, form).await.status, StatusCode::FORBIDDEN, "{screen}");
    }
    let waits = format!("/setup/{}/call", desk.agent);
    assert_eq!(other.get(&waits).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_first_screen_makes_one_agent_however_often_it_is_sent() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let fresh = owner.get("/setup?new=1").await;
    let address = fresh.header("location").to_owned();
    let key = address.strip_prefix("/setup?new=").unwrap();
    let shown = owner.get(&address).await.text;
    assert!(shown.contains(&format!("name=\"key\" value=\"{key}\"")), "{shown}");
    let named = [("name", "Second"), ("trade", "law"), ("zone", "Europe/London"), ("key", key)];
    let agent = agent_of(&owner.form("/setup", &named).await);
    let again =
        [("name", "Second & Co"), ("trade", "law"), ("zone", "Europe/London"), ("key", key)];
    assert_eq!(agent_of(&owner.form("/setup", &again).await), agent);
    assert_eq!(rows(&desk, agent).await["name"], "Second & Co");
    assert_eq!(agent_of(&owner.get(&address).await), agent, "who comes back finds it");
    // The same key from somebody else makes another agent, and shows nothing of this one.
    let other = desk.sign_in("other@example.com").await;
    assert_ne!(agent_of(&other.form("/setup", &named).await), agent);
    assert_eq!(rows(&desk, agent).await["name"], "Second & Co");

    // A plan that is used up is told apart from everything else, and no page leads there.
    desk.sql(
        "update customer set plan_mode = 'basic', voiceagents_allowed = 2
        where email = 'owner@example.com'",
    )
    .await;
    assert!(!owner.get("/").await.text.contains("/setup?new=1"));
    assert_eq!(agent_of(&owner.form("/setup", &again).await), agent, "it is there already");
    let third = owner.form("/setup", &[("name", "Third"), ("zone", "Europe/London")]).await;
    assert_eq!(third.status, StatusCode::CONFLICT);
    assert!(third.text.contains("no room for another agent"), "{}", third.text);
    desk.sql("update customer set voiceagents_allowed = 3 where email = 'owner@example.com'").await;
    assert!(owner.get("/").await.text.contains("/setup?new=1"));
}

#[tokio::test]
async fn what_was_chosen_is_shown_and_what_is_emptied_is_gone() {
    let desk = Desk::open().await;
    let browser = newcomer(&desk).await;
    let agent = begun(&browser, "tried").await;
    let at = |step: &str| format!("/setup/{agent}/{step}");
    let screen = format!("/setup?agent={agent}&step=hours");
    desk.sql(&format!(
        "update voice_agents set private_settings = jsonb_set(private_settings,
        '{{transfer,targets,sales}}', '\"+442079460001\"') where id = '{agent}'"
    ))
    .await;
    let chosen =
        |shown: &str, word: &str| shown.contains(&format!("value=\"{word}\" required checked"));
    assert!(
        browser.form(&at("hours"), &[("hours", "always"), ("team", "020 7946 0000")]).await.status
            == StatusCode::SEE_OTHER
    );
    let shown = browser.get(&screen).await.text;
    assert!(chosen(&shown, "always") && shown.contains("+442079460000"), "{shown}");
    browser.form(&at("hours"), &[("hours", "unknown"), ("team", "")]).await;
    let emptied = rows(&desk, agent).await;
    assert_eq!(emptied["settings"]["transfer"]["targets"], json!({"sales": "+442079460001"}));
    assert_eq!(emptied["business"]["operating_schedule"], json!(null));
    assert!(chosen(&browser.get(&screen).await.text, "unknown"));

    // Hours of one's own; those of a day for the working days first, to look at.
    let own = [
        ("hours", "unknown"),
        ("keeps", "hours"),
        ("monday.0.open", "08:30"),
        ("monday.0.close", "12:00"),
        ("date0.from", "2026-12-25"),
    ];
    let copied = browser.form(&at("hours"), &[&own[..], &[("copy", "monday")]].concat()).await;
    assert_eq!(copied.status, StatusCode::OK, "{}", copied.text);
    assert!(copied.text.contains("name=\"friday.0.open\" value=\"08:30\""), "{}", copied.text);
    assert_eq!(rows(&desk, agent).await["business"]["operating_schedule"], json!(null));
    assert_eq!(browser.form(&at("hours"), &own).await.status, StatusCode::SEE_OTHER);
    let written = rows(&desk, agent).await["business"]["operating_schedule"].clone();
    assert_eq!(written["monday"], json!([{"open": "08:30", "close": "12:00"}]));
    assert!(browser.get(&screen).await.text.contains("value=\"own\" checked"));
    let half = [("hours", "own"), ("keeps", "hours"), ("monday.0.open", "08:30")];
    let half = browser.form(&at("hours"), &half).await;
    assert_eq!(half.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(half.text.contains("both times are needed"), "{}", half.text);
    // A choice above changes the week, and leaves the holidays.
    browser.form(&at("hours"), &[("hours", "salon")]).await;
    let written = rows(&desk, agent).await["business"]["operating_schedule"].clone();
    assert_eq!(
        (&written["monday"], &written["exceptions"]),
        (&json!([]), &json!({"2026-12-25": []}))
    );
}

#[tokio::test]
async fn the_questions_of_a_trade_are_answered_in_the_set_up() {
    let desk = Desk::open().await;
    let browser = newcomer(&desk).await;
    let agent = begun(&browser, "tried").await;
    let answers = format!("/setup/{agent}/answers");
    let sent = [
        ("answer-0", "A cut costs <b>40</b> pounds."),
        ("answer-5", "At 1 High Street."),
        ("answer-9", "Nobody asked."),
    ];
    let kept = browser.form(&answers, &sent).await;
    assert_eq!(kept.header("location"), format!("/setup?agent={agent}&step=try"), "{}", kept.text);
    let shown = browser.get("/setup").await.text;
    assert!(shown.contains("2 of 6 answered") && shown.contains("&lt;b&gt;40"), "{shown}");
    let listed = browser.get(&format!("/knowledge?agent={agent}")).await.text;
    assert!(listed.contains("What does a cut cost?"), "{listed}");
    let long = browser.form(&answers, &[("answer-1", &"y".repeat(1_501))]).await;
    assert_eq!(long.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(long.text.contains("at most 1500 are accepted"), "{}", long.text);
    browser.form(&answers, &[("answer-0", ""), ("answer-5", "At 1 High Street.")]).await;
    assert!(browser.get("/setup").await.text.contains("1 of 6 answered"));
    let deeds = deeds(&desk, agent).await;
    let count = |action: &str| deeds.iter().filter(|deed| *deed == action).count();
    assert_eq!((count("answer.give"), count("answer.remove")), (2, 1));
}

#[tokio::test]
async fn a_number_of_ones_own_account_is_connected_and_its_first_call_is_waited_for() {
    let (desk, twilio) = with_twilio().await;
    let browser = newcomer(&desk).await;
    let agent = begun(&browser, "").await;
    let at = |step: &str| format!("/setup/{agent}/{step}");
    let shown = browser.get("/setup").await.text;
    assert!(shown.contains("enter an account of your own"), "{shown}");
    let wrong = [("account_sid", ACCOUNT), ("auth_token", "0123456789abcdef0123456789abcdef")];
    let wrong = browser.form(&at("account"), &wrong).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains("Twilio does not know this account"), "{}", wrong.text);
    assert!(
        wrong.text.contains("<details class=\"card\" open>"),
        "its form is open: {}",
        wrong.text
    );
    assert!(wrong.text.contains(&format!("value=\"{ACCOUNT}\"")), "{}", wrong.text);
    assert!(
        wrong.text.contains("auth_token-error") && !wrong.text.contains("0123456789abcdef0123")
    );
    let odd = browser.form(&at("account"), &[("account_sid", "AC12"), ("auth_token", TOKEN)]).await;
    assert!(odd.text.contains("The account SID is AC and 32 digits"), "{}", odd.text);
    assert!(
        odd.text.contains("account_sid-error") && odd.text.contains("title=\"AC and 32 digits")
    );
    assert_eq!(rows(&desk, agent).await["credentials"], json!({}), "what is wrong is not kept");
    twilio.set_trial(true);
    let given =
        browser.form(&at("account"), &[("account_sid", ACCOUNT), ("auth_token", TOKEN)]).await;
    assert_eq!(given.status, StatusCode::SEE_OTHER, "{}", given.text);
    let shown = browser.get(given.header("location")).await.text;
    assert!(
        shown.contains(&readable(FREE))
            && shown.contains("A Twilio application takes its calls now"),
        "{shown}"
    );
    assert!(shown.contains("This is a trial account") && !shown.contains(TOKEN), "{shown}");

    // A number that is not there: the agent does not answer, and the page says so.
    let gone = [("sid", "PN00000000000000000000000000000009")];
    let gone = browser.form(&at("finish"), &gone).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    assert!(gone.text.contains("The agent does not answer yet"), "{}", gone.text);
    assert!(!gone.text.contains("Nothing was changed"));
    assert_eq!(rows(&desk, agent).await["status"], "inactive");

    let sid = twilio.numbers()[0].sid.clone();
    let finished = browser.form(&at("finish"), &[("sid", &sid)]).await;
    let waits = finished.header("location").to_owned();
    assert!(waits.starts_with(&at("call?since=")), "{waits} {}", finished.text);
    assert_eq!(twilio.numbers()[0].voice_url, desk.app.public_url.join("/twilio/voice"));
    let now = rows(&desk, agent).await;
    assert_eq!((&now["status"], &now["number"]), (&json!("active"), &json!(FREE)));
    assert!(deeds(&desk, agent).await.contains(&"agent.activate".to_owned()));

    let shown = browser.get(&waits).await.text;
    assert!(
        shown.contains("Waiting for your call") && shown.contains("**61*+15559870777#"),
        "{shown}"
    );
    let call = |sid: &str, ago: &str| {
        format!(
            "insert into call_logs (voice_agent_id, call_sid,
        caller_number, call_start, status) values ('{agent}', '{sid}', '+447700900123',
        now() - interval '{ago}', 'in-progress')"
        )
    };
    assert!(shown.contains("It takes calls") && !shown.contains("not known yet"), "{shown}");
    // Whoever typed a number has not shown that it leads here.
    let unwired = "update number_wirings set restored_at = ";
    desk.sql(&format!("{unwired} now()")).await;
    let typed = browser.get(&waits).await.text;
    assert!(typed.contains("not known yet") && !typed.contains("It takes calls"), "{typed}");
    desk.sql(&format!("{unwired} null")).await;
    let pause = |is_away: bool| {
        format!("update voice_agents set \"unAvailable\" = {is_away} where id = '{agent}'")
    };
    desk.sql(&pause(true)).await;
    let away = browser.get(&waits).await.text;
    assert!(
        away.contains("It is unavailable for now") && !away.contains("It takes calls"),
        "{away}"
    );
    assert!(!away.contains("Waiting for your call"), "{away}");
    desk.sql(&pause(false)).await;
    desk.sql(&call("FT00000000000000000000000000000001", "0 s")).await;
    desk.sql(&call("CA00000000000000000000000000000001", "1 hour")).await;
    assert!(browser.get(&waits).await.text.contains("Waiting for your call"));
    // From another telephone to the owner's line, and from there to the agent.
    let url = desk.app.public_url.join("/twilio/voice");
    let mut options = CallOptions::new(url, FREE, Clock::real());
    options.account_sid = ACCOUNT.to_owned();
    options.auth_token = Some(TOKEN.to_owned().into());
    options.from = "+447700900124".to_owned().into();
    options.forwarded_from = Some("+442079460000".to_owned().into());
    let report = phone::call(options, vec![Step::wait_for_agent()]).await;
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    let shown = browser.get(&waits).await.text;
    assert!(shown.contains("It works.") && shown.contains("+44 7700 900124"), "{shown}");
    assert!(shown.contains("The line <bdi>+44 20 7946 0000</bdi> forwarded it."), "{shown}");
    assert!(!shown.contains("Waiting for your call") && !shown.contains("http-equiv"), "{shown}");
}

#[tokio::test]
async fn what_is_away_is_said_where_the_agent_is_tried() {
    let desk = Desk::open_with(&[("OPENAI_BASE_URL", "http://127.0.0.1:1/v1".to_owned())]).await;
    let browser = newcomer(&desk).await;
    let agent = begun(&browser, "tried").await;
    let shown = browser.get("/setup").await.text;
    assert!(shown.contains("The speech service does not answer just now"), "{shown}");
    assert!(shown.contains("You can go on with the set-up all the same."), "{shown}");
    browser.form(&format!("/setup/{agent}/answers"), &[("answer-0", "40 pounds.")]).await;
    let shown = browser.get("/setup").await.text;
    assert!(shown.contains("saved, not in use yet") && shown.contains("One answer is"), "{shown}");
    assert!(!shown.contains(">answered<"), "nobody is told it yet: {shown}");
    let ending = browser.get(&format!("/setup/{agent}/call?since=0")).await.text;
    assert!(ending.contains("The speech service does not answer just now"), "{ending}");
    assert!(ending.contains("It is not switched on."), "{ending}");
    assert!(ending.contains("One answer is saved, and callers do not get it yet"), "{ending}");
    assert!(ending.contains("not in use yet") && !ending.contains("It knows"), "{ending}");

    let desk = Desk::open_with(&[("OPENAI_API_KEY", String::new())]).await;
    let browser = newcomer(&desk).await;
    let agent = begun(&browser, "tried").await;
    let voice = browser.get(&format!("/setup?agent={agent}&step=voice")).await.text;
    assert!(
        voice.contains("You cannot hear it yet") && !voice.contains("You hear yours"),
        "{voice}"
    );
    browser.form(&format!("/setup/{agent}/answers"), &[("answer-0", "40 pounds.")]).await;
    let shown = browser.get("/setup").await.text;
    assert!(shown.contains("no key of a speech service"), "{shown}");
    assert!(shown.contains("no key of the service that makes texts searchable"), "{shown}");
    assert!(!shown.contains("searchable does not answer just now"), "{shown}");
    assert!(
        shown.contains("sets OPENAI_API_KEY") && shown.contains("a stand-in speaks"),
        "{shown}"
    );
}
