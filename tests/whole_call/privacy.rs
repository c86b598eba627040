//! The log of a whole call shows nobody's number, name, words or secret.

use std::io::Write;
use std::sync::{Arc, Mutex};

use frontdesk::rehearsal::phone::{AfterDrop, PhoneEventKind, Step, WebhookFault};
use frontdesk::rehearsal::speech::Fault;
use serde_json::json;
use tracing_subscriber::EnvFilter;

use crate::booking::{act, call, furnish};
use crate::harness::{House, NUMBER, TOKEN, say};

const CALLER: &str = "+15557654321";

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_of_a_whole_call_tells_nobody_s_business() {
    let kept = Kept::default();
    let writer = kept.clone();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("info,frontdesk=trace"))
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    let secrets = json!({
        "greeting": "Welcome to Zebrafish.",
        "instructions": "Whisper quietly.",
        "transfer": {"targets": {"Rumpelstilz": "+15559990003"}},
        "webhook": {"url": "https://hooks.example.com", "secret": "webhook-secret"},
        "secrets": {"CRM_KEY": "crm-secret"},
        "knowledge": {"budget_ms": 5000},
        // Bad settings are reported by name, not by value.
        "voice": "?Quixotic?",
        "fallback": {"kind": "forward", "number": "555-Xylophone", "message": "Marzipan."},
    });
    let functions = vec![
        call("book_appointment", json!({"name": "Ottokar", "date": "Sunday", "time": "Noonish"})),
        call("cancel_appointment", json!({"name": "Ottokar"})),
        call("take_message", json!({"text": "Rhubarb.", "callback": "+15559990005"})),
        call("send_sms", json!({"text": "Sauerkraut."})),
        call("search_knowledge", json!({"query": "Gooseberry?"})),
        call("no_such_function", json!({"what": "Persimmon"})),
    ];
    let turns = vec![act("I am Hieronymus.", functions, "Pleased, Hieronymus!")];
    let house = House::with(turns, secrets).await;
    furnish(&house).await;
    house.sql("update voice_agents set name = 'Archibald'").await;
    house
        .sql(&format!(
            "update business_details set business_name = 'Wolpertinger',
                business_phone = '+15559990004' where voice_agent_id = '{}'",
            house.agent
        ))
        .await;
    house.learn(&["I am Mandragora."]).await;
    let mut unsigned = house.options();
    unsigned.webhook_fault = WebhookFault::WrongSignature;
    house.place(unsigned, vec![]).ended().await;
    let steps = vec![
        Step::wait_for_agent(),
        Step::SendText("not json: Kumquat".to_owned()),
        say(0),
        Step::wait_for_agent(),
        Step::Press("86753".into()),
        Step::wait_for_agent(),
        Step::DropSocket(AfterDrop::AskAction),
        Step::wait_for_agent(),
    ];
    let mut options = house.options();
    options.from = CALLER.to_owned().into();
    let mut placed = house.place(options, steps);
    for _ in 0..2 {
        placed.saw(|kind| *kind == PhoneEventKind::StreamOpened).await;
    }
    placed.heard_agent().await;
    house.speech.command(Fault::RefuseConnects { status: 401 });
    house.speech.command(Fault::DropSockets);
    let call = placed.ended().await;
    assert_eq!(call.said, ["Marzipan."]);
    let left = [
        ("CallSid", call.call_sid.as_str()),
        ("To", NUMBER),
        ("RecordingUrl", "https://api.twilio.com/Mirabelle"),
    ];
    assert_eq!(house.post("/twilio/voicemail", &left, Some(TOKEN)).await.0, 200);
    let row = house.row(&call.call_sid).await;
    assert!(row.lines().contains(&"Caller: I am Hieronymus."), "{:?}", row.lines());
    assert_eq!(row.metadata()["turns"][0]["chunks"][0]["id"], 1);
    house.app.shut_down(std::future::ready(())).await;

    let log = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    for told in [
        call.call_sid.as_str(),
        "the caller is out",
        "engine lost",
        "media stream lost",
        "not signed",
        "private_settings.voice",
    ] {
        assert!(log.contains(told), "{told} is not in the log:\n{log}");
    }
    let token = call.documents[0].split_once("/twilio/stream/").unwrap().1;
    let token = token.split_once('"').unwrap().0;
    let numbers = [NUMBER, CALLER, "+15559990003", "+15559990004", "+15559990005"];
    let numbers = numbers.map(|number| &number[2..]);
    let private = [
        "Zebrafish",
        "Welcome",
        "Whisper",
        "Rumpelstilz",
        "webhook-secret",
        "crm-secret",
        "Quixotic",
        "Xylophone",
        "Marzipan",
        "Hieronymus",
        "Pleased",
        "Archibald",
        "Wolpertinger",
        "Kumquat",
        "Mirabelle",
        "Mandragora",
        "86753",
        "Ottokar",
        "Noonish",
        "Rhubarb",
        "Sauerkraut",
        "Gooseberry",
        "Persimmon",
        TOKEN,
        "sk-the-operators-key",
        "another key",
        token,
    ];
    for private in private.iter().chain(&numbers) {
        let line = log.lines().find(|line| line.to_lowercase().contains(&private.to_lowercase()));
        assert_eq!(line, None, "{private} is in the log");
    }
}
