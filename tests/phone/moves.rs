//! Calls that leave the agent: another party is dialled, the caller is recorded.

use frontdesk::rehearsal::phone::{DialStatus, Dialled, Ended, FarEnd, Sample, Step};

use crate::server::{Post, Server, call, ms, options, server};

const DIAL: &str = r#"<Response><Dial timeout="20" action="/dial"><Number>+15550001111</Number>
    </Dial><Say>never</Say></Response>"#;
const RECORD: &str = r##"<Response><Say>Speak.</Say><Record action="/voicemail" timeout="3"
    maxLength="30" finishOnKey="#"/><Say>Nothing was heard.</Say></Response>"##;
const GOODBYE: &str = "<Response><Say>Goodbye.</Say><Hangup/></Response>";

/// The one post to `path`.
fn post(server: &Server, path: &str) -> Post {
    let mut posts: Vec<_> = server.posts().into_iter().filter(|post| post.path == path).collect();
    assert_eq!(posts.len(), 1, "{path}: {posts:?}");
    posts.remove(0)
}

fn spoken(frames: usize) -> Step {
    Step::Say(Sample::new("message", &vec![0x10; frames * 160]))
}

#[tokio::test]
async fn each_far_end_is_told_to_the_action_which_says_how_to_go_on() {
    let (rings, talks) = (ms(3_000), ms(4_000));
    let late = FarEnd::Answers { rings: ms(25_000), talks };
    for (far_end, status, talked, at_least_ms) in [
        (FarEnd::Answers { rings, talks }, DialStatus::Completed, true, 7_000),
        (FarEnd::Busy, DialStatus::Busy, false, 0),
        (FarEnd::NoAnswer, DialStatus::NoAnswer, false, 20_000),
        (late, DialStatus::NoAnswer, false, 20_000),
        (FarEnd::Failed, DialStatus::Failed, false, 0),
    ] {
        let server = server(&[("/voice", DIAL.into()), ("/dial", GOODBYE.into())]);
        let mut options = options(&server.start().await);
        options.far_ends.insert("+15550001111".into(), far_end);
        let report = call(options, vec![]).await;

        assert_eq!((&report.errors, report.ended), (&vec![], Ended::Server), "{far_end:?}");
        assert_eq!(report.said, ["Goodbye."], "{far_end:?}");
        let [dialled] = &report.dialled[..] else { panic!("{:?}", report.dialled) };
        assert_eq!((dialled.number.as_str(), dialled.status), ("+15550001111", status));
        assert_eq!(dialled.talked_ms.is_some_and(|talked_ms| talked_ms >= 4_000), talked);
        assert!(report.duration_ms >= at_least_ms, "{far_end:?}: {} ms", report.duration_ms);
        let fields = post(&server, "/dial").fields;
        assert_eq!(fields["DialCallStatus"], status.word());
        assert_eq!(fields["DialBridged"], talked.to_string());
        assert_eq!(fields.contains_key("DialCallDuration"), talked);
        assert!(fields["DialCallSid"].starts_with("CA"));
        assert_eq!(fields["CallSid"], report.call_sid);
        assert_eq!(fields["CallStatus"], "in-progress");
    }
}

#[tokio::test]
async fn without_an_action_the_verb_behind_the_dial_runs() {
    let twiml = "<Response><Dial>+15550001111</Dial><Say>They are gone.</Say></Response>";
    let server = server(&[("/voice", twiml.into())]);
    let report = call(options(&server.start().await), vec![]).await;
    assert_eq!((&report.errors, report.ended), (&vec![], Ended::Server));
    assert_eq!(report.said, ["They are gone."]);
    assert!(matches!(&report.dialled[..], [Dialled { status: DialStatus::Completed, .. }]));
}

#[tokio::test]
async fn a_caller_who_hangs_up_while_it_rings_is_told_to_the_action() {
    let server = server(&[("/voice", DIAL.into()), ("/dial", GOODBYE.into())]);
    let mut options = options(&server.start().await);
    options.far_ends.insert("+15550001111".into(), FarEnd::NoAnswer);
    options.hang_up_after = Some(ms(5_000));
    let report = call(options, vec![]).await;
    assert_eq!((report.ended, report.said.len()), (Ended::Caller, 0));
    let fields = post(&server, "/dial").fields;
    assert_eq!(
        (fields["CallStatus"].as_str(), fields["DialCallStatus"].as_str()),
        ("completed", "canceled",)
    );
    assert_eq!(server.paths("CallStatus").last().unwrap(), "/status completed");
}

#[tokio::test]
async fn what_the_caller_says_after_the_beep_is_recorded() {
    // 3 s of silence end it, or the key, or the caller hangs up; the action is told each time.
    for (end, digits, ended) in [
        (Step::Wait(ms(60_000)), "", Ended::Server),
        (Step::Press("5#".into()), "#", Ended::Server),
        (Step::HangUp, "hangup", Ended::Caller),
    ] {
        let server = server(&[("/voice", RECORD.into()), ("/voicemail", GOODBYE.into())]);
        let wait = Step::WaitForAgent { quiet: ms(300), limit: ms(2_000) };
        let report = call(options(&server.start().await), vec![wait, spoken(70), end]).await;

        assert_eq!((&report.errors, report.ended), (&vec![], ended), "{digits}");
        assert_eq!(report.recorded_s, [2], "1.4 s");
        let goodbye: &[&str] = if ended == Ended::Server { &["Goodbye."] } else { &[] };
        assert_eq!(report.said[1..], *goodbye);
        let fields = post(&server, "/voicemail").fields;
        assert_eq!(
            (fields["RecordingDuration"].as_str(), fields["Digits"].as_str()),
            ("2", digits)
        );
        let sid = &fields["RecordingSid"];
        assert!(sid.starts_with("RE") && fields["RecordingUrl"].ends_with(sid.as_str()));
        let status = if ended == Ended::Server { "in-progress" } else { "completed" };
        assert_eq!(fields["CallStatus"], status);
    }
}

#[tokio::test]
async fn a_recording_is_no_longer_than_it_may_be() {
    let record = RECORD.replace(r#"maxLength="30""#, r#"maxLength="1""#);
    let server = server(&[("/voice", record), ("/voicemail", GOODBYE.into())]);
    let report = call(options(&server.start().await), vec![Step::Wait(ms(500)), spoken(200)]).await;
    assert_eq!((report.recorded_s, report.ended), (vec![1], Ended::Server));
    assert_eq!(post(&server, "/voicemail").fields["RecordingDuration"], "1");
}

#[tokio::test]
async fn when_nothing_is_said_the_next_verb_runs_and_the_action_is_not_asked() {
    let server = server(&[("/voice", RECORD.into()), ("/voicemail", GOODBYE.into())]);
    let report = call(options(&server.start().await), vec![]).await;
    assert_eq!((&report.errors, report.ended), (&vec![], Ended::Server));
    assert_eq!(
        (report.recorded_s.len(), &report.said[1..]),
        (0, &["Nothing was heard.".into()][..])
    );
    assert_eq!(server.paths("CallStatus"), ["/voice ringing", "/status completed"]);
}
