//! Talks to an agent from the page, with a microphone that plays a recorded caller; and looks at the
//! call while it lasts.

use std::path::Path;

use frontdesk::audio::mulaw;
use frontdesk::rehearsal::speech::SAMPLES;
use serde_json::Value;
use uuid::Uuid;

use crate::cdp::{Browser, BrowserOptions, Microphone, check_page};
use crate::console::{address, sign_in};
use crate::desk::Desk;

/// Frames a second that a telephone sends, and how far from that a page may be.
const FRAMES: f64 = 50.0;
const FRAMES_OFF: f64 = 0.5;

/// Waits for ten seconds of frames, and tells how many a second there were and the longest gaps.
const MEASURE: &str = r"(async () => {
    while (line.frames < 500) await new Promise((done) => setTimeout(done, 50));
    const times = line.times;
    const rate = (times.length - 1) * 1000 / (times[times.length - 1] - times[0]);
    const gaps = times.slice(1).map((time, n) => time - times[n]).sort((a, b) => a - b);
    return {rate, p50: gaps[gaps.length >> 1], p99: gaps[Math.floor(gaps.length * 0.99)],
        loudest: line.loudest, marks: line.marks, dropped: line.dropped};
})()";

/// Plays a second of sound to a loudspeaker of its own and clears it: tells how loud it was before, how
/// loud after, and in which order the marks came back.
const CLEAR: &str = r"(async () => {
    const context = new AudioContext();
    await context.resume();
    await context.audioWorklet.addModule(desk.dataset.phone);
    const ear = new AudioWorkletNode(context, 'earpiece', {numberOfInputs: 0, outputChannelCount: [1]});
    const analyser = new AnalyserNode(context, {fftSize: 256});
    ear.connect(analyser);
    const marks = [];
    ear.port.onmessage = ({data}) => { if (data.mark) marks.push(data.mark); };
    const sound = new Uint8Array(8000).map((_, n) => n % 8 < 4 ? 0x10 : 0x90);
    const loud = () => {
        const samples = new Float32Array(256);
        analyser.getFloatTimeDomainData(samples);
        return Math.max(...samples.map(Math.abs));
    };
    const until = async (is) => { while (!is()) await new Promise((done) => setTimeout(done, 2)); };
    for (const name of ['a', 'b', 'c']) {
        ear.port.postMessage({sound});
        ear.port.postMessage({mark: name});
    }
    await until(() => loud() > 0.1);
    const before = loud();
    await until(() => marks.length === 1);
    const at = context.currentTime;
    ear.port.postMessage({clear: true});
    await until(() => marks.length === 3);
    await until(() => loud() === 0);
    const silent_s = context.currentTime - at;
    ear.port.postMessage({mark: 'd'});
    await until(() => marks.length === 4);
    await context.close();
    return {before, marks, silent_s};
})()";

/// A WAV file of the first caller's words and a pause behind them, 16 bits.
fn write_caller(path: &Path) {
    let pause = std::iter::repeat_n(&mulaw::SILENCE, 3 * mulaw::SAMPLE_RATE as usize);
    let heard = SAMPLES[0].iter().chain(pause);
    let samples: Vec<u8> = heard.flat_map(|byte| mulaw::decode(*byte).to_le_bytes()).collect();
    let bytes = u32::try_from(samples.len()).unwrap();
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + bytes).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend([1, 0, 1, 0]);
    wav.extend(mulaw::SAMPLE_RATE.to_le_bytes());
    wav.extend((mulaw::SAMPLE_RATE * 2).to_le_bytes());
    wav.extend([2, 0, 16, 0]);
    wav.extend(b"data");
    wav.extend(bytes.to_le_bytes());
    wav.extend(samples);
    std::fs::write(path, wav).unwrap();
}

async fn row(desk: &Desk) -> Value {
    let query = "select to_jsonb(l) from call_logs l where starts_with(call_sid, 'FT')";
    sqlx::query_scalar(query).fetch_one(&desk.pool).await.unwrap()
}

#[tokio::test]
async fn an_owner_talks_to_the_agent_through_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("caller.wav");
    write_caller(&wav);
    let options = BrowserOptions { microphone: Microphone::File(wav) };
    let Some(browser) = Browser::start(options).await else { return };
    let desk = Desk::open().await;
    let page = browser.page().await;
    sign_in(&desk, &page, "owner@example.com").await;
    page.goto(&address(&desk, &format!("/agents/{}/try", desk.agent))).await;
    page.wait_for("#call:enabled").await;
    check_page(&page, "try").await;

    page.click("#call").await;
    page.wait_for("#try[data-on=true]").await;
    page.wait_for_text("#live", "Good day.").await;
    // The agent hears that somebody speaks, and answers.
    page.wait_for("#live [data-line^=c]").await;
    let measured = page.eval(MEASURE).await;
    eprintln!("softphone: {measured}");
    let rate = measured["rate"].as_f64().unwrap();
    assert!((rate - FRAMES).abs() <= FRAMES_OFF, "{measured}");
    assert!(measured["loudest"].as_f64().unwrap() > 0.05, "the agent is heard: {measured}");
    assert!(measured["marks"].as_u64().unwrap() > 0, "marks come back: {measured}");
    assert_eq!(measured["dropped"], 0);
    check_page(&page, "try-calling").await;

    let call: Uuid = serde_json::from_value(row(&desk).await["id"].clone()).unwrap();
    let other = browser.page().await;
    sign_in(&desk, &other, "owner@example.com").await;
    other.goto(&address(&desk, &format!("/live/{call}"))).await;
    other.wait_for_text("#live", "Good day.").await;
    check_page(&other, "live-call").await;

    page.click("#keys [data-key='5']").await;
    page.wait_for_text("#live", "pressed 5").await;
    page.click_text("Hang up").await;
    page.wait_for_text("#said", "The call is over.").await;
    other.wait_for_url(&format!("/calls/{call}")).await;
    page.wait_for("#seen:not([hidden])").await;
    assert_eq!(page.text("#call").await, "Call the agent");
    check_page(&page, "try-over").await;
    let row = row(&desk).await;
    assert_eq!((&row["status"], &row["metadata"]["test"]), (&"completed".into(), &true.into()));
    assert!(row["transcript"].as_str().unwrap().contains("Caller:"), "{row}");
}

#[tokio::test]
async fn what_is_cleared_is_not_heard_and_its_marks_come_back() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = Desk::open().await;
    let page = browser.page().await;
    sign_in(&desk, &page, "owner@example.com").await;
    page.goto(&address(&desk, &format!("/agents/{}/try", desk.agent))).await;
    let played = page.eval(CLEAR).await;
    eprintln!("clear: {played}");
    assert_eq!(played["marks"], serde_json::json!(["a", "b", "c", "d"]));
    assert!(played["before"].as_f64().unwrap() > 0.1, "{played}");
}

#[tokio::test]
async fn live_calls_are_shown_to_everybody() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = Desk::open().await;
    let page = browser.page().await;
    sign_in(&desk, &page, "owner@example.com").await;
    page.goto(&address(&desk, "/live")).await;
    check_page(&page, "live-empty").await;
    desk.sql(&format!(
        "insert into call_logs (voice_agent_id, call_sid, caller_number, call_start, status)
        values ('{}', 'CA00000000000000000000000000000001', '+447700900123', now(), 'in-progress')",
        desk.agent
    ))
    .await;
    // It appears by itself.
    page.wait_for_text("#live", "+44 7700 900123").await;
    check_page(&page, "live").await;
    desk.sql("update call_logs set call_end = now(), status = 'completed'").await;
    page.wait_for_text("#live", "No one is on the phone").await;
    // Without scripts it is loaded again.
    page.set_javascript(false).await;
    page.goto(&address(&desk, "/live")).await;
    assert!(page.exists("meta[http-equiv=refresh]").await);
    page.goto(&address(&desk, &format!("/agents/{}/try", desk.agent))).await;
    page.wait_for("#needs").await;
}

#[tokio::test]
async fn what_a_caller_would_say_is_typed_and_said_in_other_words() {
    let Some(browser) = Browser::shared().await else { return };
    let desk = Desk::open().await;
    let page = browser.page().await;
    sign_in(&desk, &page, "maintainer@example.com").await;
    page.goto(&address(&desk, &format!("/agents/{}/try", desk.agent))).await;
    page.click("#type:enabled").await;
    page.wait_for_text("#live", "Good day.").await;
    page.fill("#text", "Are you open on Sundays?").await;
    page.click("#send").await;
    page.wait_for_text("#live [data-line^=c] span", "Are you open on Sundays?").await;
    page.wait_for("#live [data-line^=c] ~ [data-line^=a]").await;
    let shown = "[...document.querySelectorAll('#keys, #type, #keep, #meter')].filter(e => e.checkVisibility())";
    assert_eq!(
        page.eval(&format!("{shown}.length")).await,
        0,
        "what is of no use now is not there"
    );
    check_page(&page, "try-typing").await;

    page.click("#live [data-change]").await;
    page.wait_for_text("#send", "Say this instead").await;
    page.fill("#text", "Are you open on Mondays?").await;
    page.click("#send").await;
    page.wait_for_text("#live [data-line^=c] span", "Are you open on Mondays?").await;
    page.wait_for("#live [data-line^=c] ~ [data-line^=a]").await;
    assert!(!page.text("#live").await.contains("Sundays"));
    check_page(&page, "try-changed").await;
    page.click_text("Hang up").await;
    page.wait_for_text("#said", "The call is over.").await;
}
