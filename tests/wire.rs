//! Each message of the wire, as it is documented, is read; what is malformed is survived.

use std::fs;
use std::path::{Path, PathBuf};

use frontdesk::rehearsal::phone::media_peer::Outbound;
use frontdesk::twilio::form::{CallStatus, Form, StreamEvent, normalise_e164};
use frontdesk::twilio::media::{self, Inbound, Media, MediaError, decoded_len};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire").join(name)
}

fn fixture(name: &str) -> String {
    let text = fs::read_to_string(folder("twilio").join(name));
    text.unwrap_or_else(|error| panic!("{name}: {error}")).trim_end().to_owned()
}

#[test]
fn a_stream_begins() {
    assert_eq!(Inbound::parse(&fixture("connected.json")), Ok(Inbound::Connected));
    let text = fixture("start.json");
    let Ok(Inbound::Start(start)) = Inbound::parse(&text) else { panic!("{text}") };
    assert_eq!((&*start.stream_sid, &*start.call_sid), ("MZ1", "CA1"));
    assert_eq!(start.account_sid.as_deref(), Some("AC1"));
    assert_eq!(start.custom_parameters.reveal()["tenant"], "t_42");
    assert!(start.format.is_mulaw_8k());
    assert!(!format!("{start:?}").contains("3f9c"));

    let text = fixture("start-sparse.json");
    let Ok(Inbound::Start(start)) = Inbound::parse(&text) else { panic!("{text}") };
    assert_eq!((&*start.stream_sid, start.account_sid), ("MZ1", None));
    assert_eq!(start.custom_parameters.reveal()["n"], "7");
    assert!(start.format.is_mulaw_8k());
}

#[test]
fn audio_is_read_whatever_its_counters_look_like() {
    let full = (Some(20), Some(1));
    for (name, (timestamp_ms, chunk)) in [
        ("media.json", full),
        ("media-numbers.json", full),
        ("media-escaped.json", full),
        ("media-odd-counters.json", (None, None)),
    ] {
        let expected = Media { payload: "/////w==".into(), timestamp_ms, chunk };
        assert_eq!(Inbound::parse(&fixture(name)), Ok(Inbound::Media(expected)), "{name}");
    }
}

#[test]
fn a_usual_payload_is_borrowed() {
    let text = fixture("media.json");
    let Ok(Inbound::Media(media)) = Inbound::parse(&text) else { panic!("{text}") };
    assert!(matches!(media.payload, std::borrow::Cow::Borrowed(_)));
}

#[test]
fn the_other_messages_are_read() {
    assert_eq!(Inbound::parse(&fixture("dtmf.json")), Ok(Inbound::Dtmf { digit: '5' }));
    let mark = Inbound::Mark { name: "r7:1480".into() };
    assert_eq!(Inbound::parse(&fixture("mark.json")), Ok(mark));
    let stop = Inbound::Stop { call_sid: Some("CA1".into()) };
    assert_eq!(Inbound::parse(&fixture("stop.json")), Ok(stop));
    let bare = Inbound::Stop { call_sid: None };
    assert_eq!(Inbound::parse(&fixture("stop-bare.json")), Ok(bare));
}

#[test]
fn what_is_not_for_us_passes() {
    for (name, event) in [("unknown-event.json", "weather"), ("media-outbound-track.json", "media")]
    {
        let unknown = Inbound::Unknown { event: event.into() };
        assert_eq!(Inbound::parse(&fixture(name)), Ok(unknown), "{name}");
    }
}

#[test]
fn malformed_messages_are_refused_without_their_content() {
    let mut seen = 0;
    for entry in fs::read_dir(folder("twilio/malformed")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let error = Inbound::parse(&text).expect_err(&path.display().to_string());
        assert!(!error.to_string().contains("AAAA"), "{error}");
        seen += 1;
    }
    assert_eq!(seen, 19);
    let error = Inbound::parse("{\"event\":\"media\",\n\"media\":7}").unwrap_err();
    assert_eq!(error, MediaError::NotJson { bytes: 28, at: 27 });
}

#[test]
fn what_we_send_is_what_is_documented() {
    assert_eq!(media::media("MZ1", "/////w=="), fixture("sent/media.json"));
    assert_eq!(media::mark("MZ1", "0:7:1480"), fixture("sent/mark.json"));
    assert_eq!(media::clear("MZ1"), fixture("sent/clear.json"));
    let read = Outbound::parse(&fixture("sent/mark.json"), "MZ1");
    assert_eq!(read, Outbound::Mark { name: "0:7:1480".into() });
}

#[test]
fn the_length_of_base64_is_known_without_decoding() {
    for (payload, length) in [
        ("", Some(0)),
        ("AA==", Some(1)),
        ("AAA=", Some(2)),
        ("AAAA", Some(3)),
        ("AAA", None),
        ("A===", None),
        ("AA\"A", None),
        ("AA-_", None),
        ("AA==AAAA", None),
    ] {
        assert_eq!(decoded_len(payload), length, "{payload}");
    }
}

#[test]
fn webhook_forms_are_read() {
    let form = Form::parse(fixture("voice.form").as_bytes()).unwrap();
    assert_eq!(form.call_sid(), Ok("CA0123456789abcdef0123456789abcdef"));
    assert_eq!(form.from().reveal(), "+15551230001");
    assert_eq!(normalise_e164(form.to().unwrap()).as_deref(), Some("+15559870002"));
    assert_eq!(form.call_status(), Some(CallStatus::Ringing));
    assert_eq!(form.get("ToCity"), Some("OAK HILL"));
    assert_eq!(form.fields().len(), 19);

    let form = Form::parse(fixture("status.form").as_bytes()).unwrap();
    assert!(form.call_status().unwrap().is_over());

    let form = Form::parse(fixture("stream-status.form").as_bytes()).unwrap();
    assert_eq!(form.stream_event(), Some(StreamEvent::Error));
}

/// By hand: `cargo test --release --test wire -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, not a test"]
fn how_fast_audio_is_read_and_written() {
    let payload = "/w".repeat(107) + "==";
    let text = format!(
        r#"{{"event":"media","sequenceNumber":"3","streamSid":"MZ0123456789abcdef0123456789abcdef","media":{{"track":"inbound","chunk":"1","timestamp":"20","payload":"{payload}"}}}}"#
    );
    let clock = frontdesk::clock::Stopwatch::start();
    let mut written = 0;
    for _ in 0..1_000_000 {
        let Ok(Inbound::Media(audio)) = Inbound::parse(std::hint::black_box(&text)) else {
            panic!("{text}")
        };
        assert!(decoded_len(&audio.payload).is_some());
        written += media::media("MZ0123456789abcdef0123456789abcdef", &audio.payload).len();
    }
    println!("{:?} for a million messages, {written} bytes written", clock.elapsed());
}
