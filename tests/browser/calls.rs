//! A call as an owner meets it: while it lasts, when they look for it, and when they listen to it.

use std::io::Cursor;
use std::time::Duration;

use frontdesk::audio::recording::FRAME;
use frontdesk::audio::recording::opus::OggOpusWriter;
use frontdesk::clock::{self, Clock, within};
use frontdesk::rehearsal::phone::{self, CallOptions, Sample, Step};
use frontdesk::rehearsal::speech::script::Script;
use frontdesk::rehearsal::speech::{SAMPLES, SpeechOptions, serve};
use serde_json::json;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::cdp::{Browser, check_page};
use crate::console::{address, sign_in};
use crate::desk::{Desk, NUMBER, TOKEN};

/// How long a recording is, seconds.
const RECORDED_S: usize = 20;
const DEADLINE: Duration = Duration::from_secs(40);

/// An Ogg Opus file as calls leave one.
fn ogg() -> Vec<u8> {
    let mut writer = OggOpusWriter::new(Cursor::new(Vec::new()), 7, &[]).unwrap();
    let samples = RECORDED_S * 8_000;
    for frame in 0..samples / FRAME {
        let mut pairs = [0; 2 * FRAME];
        for (n, pair) in pairs.chunks_exact_mut(2).enumerate() {
            let wave = (4_000.0 * ((frame * FRAME + n) as f32 * 0.3).sin()) as i16;
            (pair[0], pair[1]) = (wave, -wave);
        }
        writer.write(&pairs).unwrap();
    }
    writer.finish(u64::try_from(samples).unwrap()).unwrap().into_inner()
}

/// A call with these words of its caller at these seconds.
async fn add_call(desk: &Desk, name: &str, said: &[(u32, &str)], recording: &str) -> Uuid {
    let lines = said.iter().map(|(at, words)| format!("[00:{at:02}] Caller: {words}\n"));
    let id: Uuid = sqlx::query_scalar(
        "insert into call_logs (voice_agent_id, call_start, call_end, duration, caller_number, status,
            call_sid, transcript, summary, metadata)
        values ($1, now() - interval '1 hour', now() - interval '59 min', interval '1 min',
            '+447700900123', 'completed', 'CA' || md5($2), $3, jsonb_build_object('title', $2), $4::jsonb)
        returning id",
    )
    .bind(desk.agent)
    .bind(name)
    .bind(lines.collect::<String>())
    .bind(json!({"recording": {"path": recording, "ms": 20_000, "complete": true}}).to_string())
    .fetch_one(&desk.pool)
    .await
    .unwrap();
    for (n, (at, words)) in (1..).zip(said) {
        let data = json!({"utterance": n.to_string(), "turn": n, "started_ms": at * 1_000,
            "text": words, "settled": true});
        sqlx::query(
            "insert into call_events (call_log_id, seq, at_ms, kind, data)
            values ($1, $2, $3, 'caller_said', $4::jsonb)",
        )
        .bind(id)
        .bind(n)
        .bind(i64::from(*at) * 1_000)
        .bind(data.to_string())
        .execute(&desk.pool)
        .await
        .unwrap();
    }
    id
}

#[tokio::test]
async fn a_call_is_found_by_a_word_and_heard_from_a_line() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = Desk::open().await;
    let path = format!("{}/a.ogg", desk.agent);
    let file = desk.data.path().join("recordings").join(&path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, ogg()).unwrap();
    let said = [(2, "My wisdom tooth hurts."), (9, "Can I come today?"), (15, "Thank you.")];
    let id = add_call(&desk, "A wisdom tooth", &said, &path).await;
    add_call(&desk, "A question", &[(1, "Where are you?")], "none.ogg").await;
    let page = browser.page().await;
    sign_in(&desk, &page, "owner@example.com").await;
    page.goto(&address(&desk, "/calls")).await;
    page.wait_for_text("main", "A question").await;
    page.fill("#words", "wisdom").await;
    page.click_text("Find").await;
    page.wait_for_url("words=wisdom").await;
    page.wait_for_text("main", "A wisdom tooth").await;
    assert!(!page.text("main").await.contains("A question"));
    check_page(&page, "calls-found").await;

    page.click_text("+44 7700 900123").await;
    page.wait_for_url(&format!("/calls/{id}")).await;
    page.click(".talk li:nth-of-type(2) .at a").await;
    page.wait_for(".talk li:nth-of-type(2)[aria-current]").await;
    let playing = "(async () => {
        const audio = document.querySelector('audio');
        while (audio.paused || audio.currentTime < 9.2) await new Promise(d => setTimeout(d, 20));
        return audio.currentTime;
    })()";
    let at = page.eval(playing).await.as_f64().unwrap();
    assert!((9.2..14.0).contains(&at), "it plays from the line: {at}");
    page.press("ArrowRight").await;
    page.wait_for(".talk li:nth-of-type(3)[aria-current]").await;
    check_page(&page, "call-playing").await;
    let listens: i64 =
        sqlx::query_scalar("select count(*) from audit_log where action = 'recording.listen'")
            .fetch_one(&desk.pool)
            .await
            .unwrap();
    assert_eq!(listens, 1, "who listened is written down");
}

#[tokio::test]
async fn a_live_call_is_followed_word_by_word_and_taken_over() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = Desk::open().await;
    let settings = json!({"greeting": "Good day.",
        "transfer": {"targets": {"Reception": "+442070000001"}}});
    desk.sql(&format!("update voice_agents set private_settings = '{settings}'")).await;
    let page = browser.page().await;
    sign_in(&desk, &page, "owner@example.com").await;
    page.goto(&address(&desk, "/live")).await;
    check_page(&page, "live-empty").await;

    let url = desk.app.public_url.join("/twilio/voice");
    let mut options = CallOptions::new(url, NUMBER, Clock::real());
    options.auth_token = Some(TOKEN.to_owned().into());
    options.from = "+15551230001".to_owned().into();
    let steps = vec![
        Step::wait_for_agent(),
        Step::Say(Sample::new("line 0", SAMPLES[0])),
        Step::wait_for_agent(),
        Step::Wait(Duration::from_secs(100)),
    ];
    let calling = clock::spawn(phone::call(options, steps));
    page.wait_for("#live [data-call]").await;
    page.wait_for_text("#live", "Good day.").await;
    check_page(&page, "live").await;
    let open = "document.querySelector('#live [data-call] a').href";
    let link = page.eval(open).await.as_str().unwrap().to_owned();
    page.goto(&link).await;
    page.wait_for_text("#live", "Good day.").await;
    page.wait_for("#live [data-line^=c]").await;
    page.wait_for_text("#live [data-line^=a]:last-of-type", " ").await;
    check_page(&page, "live-words").await;

    page.submit("form[action$='/transfer']").await;
    page.wait_for_text("main", "puts them through").await;
    let report = within(DEADLINE, calling).await.expect("the call ends").unwrap();
    let dialled = format!("{report:?}").contains("+442070000001");
    assert!(dialled, "the caller is put through: {report:?}");
}

#[tokio::test]
async fn an_answer_is_known_in_the_next_call() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = Desk::open().await;
    let question = "Do you take BUPA insurance?";
    let id = add_call(&desk, "Insurance", &[(1, question)], "none.ogg").await;
    desk.sql(&format!(
        "update call_logs set metadata = jsonb_build_object('gaps', jsonb_build_array('{question}'))
        where id = '{id}'"
    ))
    .await;
    let page = browser.page().await;
    sign_in(&desk, &page, "maintainer@example.com").await;
    page.goto(&address(&desk, "/knowledge")).await;
    page.fill("main textarea[name=answer]", "Yes, we take BUPA and AXA.").await;
    page.submit("main .list form").await;
    page.wait_for_text("main", "Yes, we take BUPA and AXA.").await;

    page.goto(&address(&desk, &format!("/agents/{}/try", desk.agent))).await;
    page.click("#type:enabled").await;
    page.wait_for_text("#live", "Good day.").await;
    page.fill("#text", question).await;
    page.click("#send").await;
    page.wait_for_text("#live [data-line^=c]", question).await;
    // The passage behind the answer is there, and leads to what it says.
    page.wait_for_text("#live [data-behind]", "Passage given").await;
    check_page(&page, "try-typed").await;
    let given = desk.speech.observer().received("conversation.item.create");
    let known = given.iter().any(|item| item.event["item"].to_string().contains("BUPA and AXA"));
    assert!(known, "the agent is given the answer");
}

/// As in the demo: each line that the stand-in knows is a button, and the first one begins the call.
#[tokio::test]
async fn the_lines_of_a_stand_in_are_said_by_a_press() {
    let Some(browser) = Browser::shared().await else { return };
    let script = Script { reads: true, ..Script::default() };
    let options = SpeechOptions { script: script.clone(), ..SpeechOptions::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let speech = serve(listener, options, std::future::pending::<()>()).unwrap();
    let desk = Desk::open_with(&[("OPENAI_BASE_URL", speech.base_url())]).await;
    desk.app.rehearses_with(script.turns.iter().map(|turn| turn.heard.clone()).collect());
    let page = browser.page().await;
    sign_in(&desk, &page, "maintainer@example.com").await;
    page.goto(&address(&desk, &format!("/agents/{}/try", desk.agent))).await;
    check_page(&page, "try-stand-in").await;
    page.click(".lines li:nth-child(2) button:enabled").await;
    page.wait_for_text("#live [data-line^=c]", "Sorry to interrupt").await;
    page.wait_for_text("#live", "one hundred and twenty dollars").await;
    page.click(".lines li:nth-child(3) button:enabled").await;
    page.wait_for_text("#live", "Looked for free times").await;
    check_page(&page, "try-stand-in-said").await;
    let told = page.eval("document.getElementById('live').textContent").await.to_string();
    assert_eq!(told.matches("free times").count(), 1, "one thing is told once: {told}");
}
