//! The stand-in phone against a server of a few lines, on real sockets and a clock ten times as
//! fast as the wall's.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

mod api;
mod moves;
mod rest;
mod server;

use std::time::Duration;

use std::collections::BTreeSet;
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Parser as _;
use frontdesk::clock::{self, within};
use frontdesk::commands::dial;
use frontdesk::rehearsal::phone::{AfterDrop, Ended, Sample, Step, StreamFault, WebhookFault};
use serde_json::json;

use server::{DEADLINE, Line, Post, TOKEN, call, connect, media, ms, options, server, signature};

#[tokio::test]
async fn a_call_speaks_listens_and_hangs_up() {
    let (url, listener) = media().await;
    let twiml = connect(&url, r#" action="/after""#, "<Say>never</Say>");
    let server = server(&[("/voice", twiml.clone())]);
    let base = server.start().await;
    let other_side = clock::spawn(async move {
        let (mut line, start) = Line::take(&url, listener).await;
        assert_eq!(start["start"]["customParameters"], json!({"token": "a&b"}));
        line.audio(500).await;
        line.mark("first").await;
        let (mut frames, mut loud, mut keys) = (0_u64, 0, String::new());
        loop {
            let message = line.next().await.expect("a stop before the end");
            match message["event"].as_str().unwrap() {
                "media" => {
                    frames += 1;
                    let media = &message["media"];
                    assert_eq!(media["chunk"], frames.to_string());
                    assert_eq!(media["timestamp"], (frames * 20).to_string());
                    let audio = STANDARD.decode(media["payload"].as_str().unwrap()).unwrap();
                    assert_eq!(audio.len(), 160);
                    loud += u64::from(audio.iter().any(|byte| *byte != 0xFF));
                }
                "dtmf" => keys += message["dtmf"]["digit"].as_str().unwrap(),
                "mark" => assert_eq!(message["mark"]["name"], "first"),
                "stop" => break,
                other => panic!("{other}"),
            }
        }
        assert!(line.next().await.is_none());
        (loud, keys)
    });
    let steps = vec![
        Step::WaitForAgent { quiet: ms(200), limit: ms(60_000) },
        Step::Say(Sample::new("hello", &[0x10; 16 * 160])),
        Step::Press("4#".into()),
        Step::HangUp,
    ];
    let report = call(options(&base), steps).await;
    assert_eq!(within(DEADLINE, other_side).await.unwrap().unwrap(), (16, "4#".to_owned()));

    assert_eq!(report.errors, [""; 0]);
    assert_eq!((report.ended, report.answered, report.held), (Ended::Caller, true, true));
    assert_eq!((report.agent_bytes, report.replies, report.underruns), (4_000, 1, 0));
    assert_eq!((report.said.len(), &report.documents), (0, &vec![twiml]));
    let [mark] = &report.marks[..] else { panic!("{:?}", report.marks) };
    let played_ms = mark.echoed_ms - report.first_audio_ms.unwrap();
    assert!(!mark.flushed && played_ms >= 499, "{mark:?} after {played_ms} ms");
    assert!(report.duration_ms >= 500 + 200 + 400, "{}", report.duration_ms);
    assert_eq!(
        server.paths("CallStatus"),
        [
            "/voice ringing",
            "/stream-status ",
            "/stream-status ",
            "/after completed",
            "/status completed"
        ]
    );
    for post in server.posts() {
        let expected = signature(&format!("{base}{}", post.path), &post.fields);
        assert_eq!(post.signature, Some(expected), "{}", post.path);
        assert_eq!(post.fields["CallSid"], report.call_sid);
    }
}

#[tokio::test]
async fn a_clear_flushes_marks_and_the_action_follows_a_close() {
    let (url, listener) = media().await;
    let server = server(&[
        ("/voice", connect(&url, r#" action="/after""#, "<Say>never</Say>")),
        ("/after", "<Response><Say>Goodbye</Say><Hangup/><Say>never</Say></Response>".into()),
    ]);
    let base = server.start().await;
    let other_side = clock::spawn(async move {
        let (mut line, _) = Line::take(&url, listener).await;
        line.audio(60_000).await;
        line.mark("a").await;
        line.mark("b").await;
        line.send("clear", json!({})).await;
        for name in ["a", "b"] {
            let echo = line.next_special().await.unwrap();
            assert_eq!((&echo["event"], &echo["mark"]["name"]), (&json!("mark"), &json!(name)));
        }
        line.mark("c").await;
        assert_eq!(line.next_special().await.unwrap()["mark"]["name"], "c");
        line.socket.close(None).await.unwrap();
        while line.next().await.is_some() {}
    });
    let report = call(options(&base), vec![]).await;
    within(DEADLINE, other_side).await.unwrap().unwrap();

    assert_eq!((&report.errors, &report.said), (&vec![], &vec!["Goodbye".to_owned()]));
    assert_eq!((report.ended, report.clears), (Ended::Server, 1));
    let flushed: Vec<_> =
        report.marks.iter().map(|mark| (mark.name.as_str(), mark.flushed)).collect();
    assert_eq!(flushed, [("a", true), ("b", true), ("c", false)]);
    assert_eq!(
        server.paths("StreamEvent"),
        [
            "/voice ",
            "/stream-status stream-started",
            "/stream-status stream-stopped",
            "/after ",
            "/status "
        ]
    );
    assert_eq!(server.posts()[3].fields["CallStatus"], "in-progress");
}

#[tokio::test]
async fn stamps_in_the_agents_audio_are_measured() {
    let (url, listener) = media().await;
    let server = server(&[("/voice", connect(&url, "", ""))]);
    let base = server.start().await;
    clock::spawn(async move {
        let (mut line, _) = Line::take(&url, listener).await;
        let mut frames = 0;
        while let Some(message) = line.next().await {
            if message["event"] == "media" && frames < 10 {
                frames += 1;
                let payload = message["media"]["payload"].clone();
                line.send("media", json!({"media": {"payload": payload}})).await;
            }
        }
    });
    let mut options = options(&base);
    options.stamps = Some(Duration::ZERO..Duration::MAX);
    let wait = Step::WaitForAgent { quiet: ms(500), limit: ms(60_000) };
    let report = call(options, vec![wait, Step::HangUp]).await;
    assert_eq!(report.errors, [""; 0]);
    let stamps = report.stamps.unwrap().summary();
    assert_eq!(stamps.count, report.agent_bytes / 160);
    assert!((1..=10).contains(&stamps.count), "{stamps:?}");
    assert!(stamps.max_us < 20_000_000, "{stamps:?}");
}

#[tokio::test]
async fn without_an_action_the_verb_behind_the_stream_runs() {
    let (url, listener) = media().await;
    let twiml = connect(&url, "", r#"<Pause length="2"/><Say>Sorry</Say>"#);
    let server = server(&[("/voice", twiml)]);
    let base = server.start().await;
    clock::spawn(async move {
        let (mut line, _) = Line::take(&url, listener).await;
        line.socket.close(None).await.unwrap();
        while line.next().await.is_some() {}
    });
    let report = call(options(&base), vec![]).await;
    assert_eq!((report.ended, report.said), (Ended::Server, vec!["Sorry".to_owned()]));
    assert!(report.duration_ms >= 2_000 + 5 * 60, "{}", report.duration_ms);
}

#[tokio::test]
async fn a_stream_that_is_refused_is_reported_and_the_action_asked() {
    let refusing = server(&[]).start().await;
    let url = format!("{}/twilio/stream/spent", refusing.replacen("http", "ws", 1));
    let server = server(&[
        ("/voice", connect(&url, r#" action="/after""#, "")),
        ("/after", "<Response><Reject/></Response>".into()),
    ]);
    let base = server.start().await;
    let report = call(options(&base), vec![Step::HangUp]).await;
    assert!(report.errors[0].contains("status 204"), "{:?}", report.errors);
    assert_eq!((report.failed, report.ended), (true, Ended::Rejected));
    assert_eq!(
        server.paths("StreamEvent"),
        ["/voice ", "/stream-status stream-error", "/after ", "/status "]
    );
}

#[tokio::test]
async fn a_dropped_socket_has_no_stop_and_the_call_may_go_on() {
    for (after, paths) in [
        (AfterDrop::AskAction, vec!["/voice ringing", "/after in-progress", "/status completed"]),
        (AfterDrop::Nothing, vec!["/voice ringing"]),
    ] {
        let (url, listener) = media().await;
        let twiml = connect(&url, r#" action="/after""#, "");
        let server = server(&[
            ("/voice", twiml.replace(r#"statusCallback="/stream-status""#, "")),
            ("/after", "<Response/>".into()),
        ]);
        let base = server.start().await;
        let other_side = clock::spawn(async move {
            let (mut line, _) = Line::take(&url, listener).await;
            line.next_special().await
        });
        let report = call(options(&base), vec![Step::Wait(ms(200)), Step::DropSocket(after)]).await;
        assert_eq!(within(DEADLINE, other_side).await.unwrap().unwrap(), None);
        let ended = if after == AfterDrop::Nothing { Ended::Dropped } else { Ended::Server };
        assert_eq!((report.ended, server.paths("CallStatus")), (ended, owned(&paths)));
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[tokio::test]
async fn a_stream_can_be_faulty() {
    for (fault, expected) in [
        (StreamFault::None, "connected start 1 2 3 4 {} 5 stop"),
        (StreamFault::NoStart, "connected {}"),
        (StreamFault::MediaBeforeStart, "connected 0 start 1 2 3 4 {} 5 stop"),
        (StreamFault::NoSilentFrames, "connected start 3 {} stop"),
        (StreamFault::OutOfOrder, "connected start 2 1 4 3 {} stop"),
    ] {
        let (url, listener) = media().await;
        let server = server(&[("/voice", connect(&url, "", ""))]);
        let base = server.start().await;
        let other_side = clock::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            let mut line = Line { socket, stream_sid: String::new() };
            let mut seen = Vec::new();
            while let Some(message) = line.next().await {
                let chunk = message["media"]["chunk"].as_str();
                let event = message["event"].as_str();
                seen.push(chunk.or(event).map_or_else(|| message.to_string(), str::to_owned));
            }
            seen.join(" ")
        });
        let mut options = options(&base);
        options.stream_fault = fault;
        let say = Step::Say(Sample::new("hm", &[0x10; 160]));
        let end = Step::SendText(String::from("{}"));
        let steps = vec![Step::Wait(ms(40)), say, Step::Wait(ms(20)), end, Step::HangUp];
        let report = call(options, steps).await;
        let seen = within(DEADLINE, other_side).await.unwrap().unwrap();
        assert_eq!((seen.as_str(), report.errors), (expected, vec![]), "{fault:?}");
    }
}

#[tokio::test]
async fn redirects_end_somewhere() {
    let server = server(&[("/voice", "<Response><Redirect>/voice</Redirect></Response>".into())]);
    let base = server.start().await;
    let report = call(options(&base), vec![]).await;
    assert_eq!(report.ended, Ended::Failed);
    assert_eq!(report.errors, ["the call asked for more than 20 documents"]);
    assert_eq!(server.paths("To").iter().filter(|post| post.starts_with("/voice")).count(), 20);
}

#[tokio::test]
async fn a_webhook_can_be_unsigned_wrongly_signed_or_repeated() {
    for (fault, signatures) in [
        (WebhookFault::None, vec![true]),
        (WebhookFault::Unsigned, vec![false]),
        (WebhookFault::WrongSignature, vec![false]),
        (WebhookFault::Repeated, vec![true, true]),
    ] {
        let server = server(&[("/voice", "<Response><Hangup/></Response>".into())]);
        let base = server.start().await;
        let mut options = options(&base);
        (options.webhook_fault, options.status_url) = (fault, None);
        call(options, vec![]).await;
        let right =
            |post: &Post| post.signature == Some(signature(&format!("{base}/voice"), &post.fields));
        assert_eq!(server.posts().iter().map(right).collect::<Vec<_>>(), signatures, "{fault:?}");
        let is_unsigned = server.posts()[0].signature.is_none();
        assert_eq!(is_unsigned, fault == WebhookFault::Unsigned);
    }
}

#[derive(clap::Parser)]
struct CommandLine {
    #[command(flatten)]
    arguments: dial::Arguments,
}

#[tokio::test]
async fn dial_says_where_it_cannot_stand_in_for_the_rest_api() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let line = ["dial", "--url", "http://localhost:1/voice", "--to", "+15559870002"];
    let api = ["--api", &address, "--far-end", "+15550001111=busy"];
    let CommandLine { arguments } = CommandLine::parse_from(line.iter().chain(&api));
    let error = dial::run(arguments).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("--api {address}: cannot listen there")), "{error}");
}

#[tokio::test]
async fn dial_places_each_call_under_its_own_name_and_exits_by_how_they_went() {
    let server = server(&[("/voice", "<Response><Hangup/></Response>".into())]);
    let url = format!("{}/voice", server.start().await);
    let line = ["dial", "--url", &url, "--to", "+1 555 987 0002", "--auth-token", TOKEN];
    let many = ["--calls", "3", "--ramp", "0.05", "--json"];
    let CommandLine { arguments } = CommandLine::parse_from(line.iter().chain(&many));
    let code = within(DEADLINE, dial::run(arguments)).await.unwrap().unwrap();
    assert_eq!(code, ExitCode::FAILURE, "the server hung up before the caller spoke");

    let posts = server.posts();
    let names: BTreeSet<_> = posts.iter().map(|post| post.fields["CallSid"].clone()).collect();
    assert_eq!((posts.len(), names.len()), (3, 3));
    assert!(posts.iter().all(|post| post.fields["To"] == "+15559870002"));
    assert!(posts.iter().all(|post| post.signature == Some(signature(&url, &post.fields))));
}

#[tokio::test]
async fn what_is_no_document_ends_the_call_with_an_error() {
    let server = server(&[("/voice", "Hello".into())]);
    let base = server.start().await;
    let report = call(options(&base), vec![]).await;
    assert_eq!((report.ended, report.answered, report.failed), (Ended::Failed, false, true));
    assert!(report.errors[0].starts_with("no document from /voice: "), "{:?}", report.errors);

    let mut options = options(&base);
    options.voice_url = format!("{base}/elsewhere");
    let report = call(options, vec![]).await;
    assert_eq!(report.webhook_status, Some(204));
    assert!(report.failed);
}

#[tokio::test]
async fn where_there_is_no_document_the_fallback_address_is_asked_once() {
    let sorry = "<Response><Say>Sorry.</Say><Redirect>/nowhere</Redirect></Response>";
    let server = server(&[("/sorry", sorry.into())]);
    let base = server.start().await;
    let mut options = options(&base);
    options.fallback_url = Some(format!("{base}/sorry"));
    let report = call(options, vec![]).await;
    assert_eq!((report.ended, report.answered, report.fell_back), (Ended::Failed, true, true));
    assert_eq!(report.said, ["Sorry."]);
    assert_eq!(
        server.paths("ErrorCode"),
        ["/voice ", "/sorry 11200", "/nowhere ", "/status "],
        "not a second time"
    );
}
