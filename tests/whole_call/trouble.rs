//! Trouble on the line: frames that do not come, peers that are gone, webhooks that come again,
//! callbacks in any order.

use std::ops::Range;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use frontdesk::audio::mulaw::SILENCE;
use frontdesk::rehearsal::phone::media_peer;
use frontdesk::rehearsal::phone::{
    AfterRing, CallReport, Ended, Sample, Step, StreamFault, random_sid,
};
use frontdesk::rehearsal::speech::SAMPLES;
use serde_json::{Value, json};

use crate::harness::{DEADLINE, House, NUMBER, TOKEN, ms, say, stream_url, turn};
use crate::stream::Media;

const LOST: &str = "Agent: Sorry, the line was lost for a moment. Where were we?";

/// Something said, without the silence after it.
fn breathless() -> Step {
    Step::Say(Sample::new("breathless", &SAMPLES[0][..9_600]))
}

async fn placed(house: &House, fault: StreamFault, steps: Vec<Step>) -> CallReport {
    let mut options = house.options();
    options.stream_fault = fault;
    house.place(options, steps).ended().await
}

#[tokio::test]
async fn a_caller_whose_carrier_sends_no_silence_is_heard_to_stop() {
    let house = House::with(vec![turn("Are you open?", "Yes.")], json!({})).await;
    let steps = vec![Step::wait_for_agent(), breathless(), Step::wait_for_agent(), Step::HangUp];
    let call = placed(&house, StreamFault::NoSilentFrames, steps).await;
    assert_eq!((call.errors, call.ended), (vec![], Ended::Caller));
    let row = house.row(&call.call_sid).await;
    assert_eq!(row.lines()[1..], ["Caller: Are you open?", "Agent: Yes."]);
}

#[tokio::test]
async fn a_gap_in_the_caller_s_frames_is_silence_to_the_engine() {
    let house = House::with(vec![], json!({})).await;
    let sid = random_sid("CA");
    let mut media = Media::open(&stream_url(&house.ring(&sid).await), &sid).await;
    // Frames of 20 ms, then nothing for three seconds, frames, then nothing for a minute, of which
    // ten seconds are enough. Each group comes when the last one was heard.
    let groups: [(Range<u64>, u64); 4] =
        [(0..200, 200), (3_200..3_220, 3_220), (3_220..3_400, 3_400), (63_400..63_420, 13_420)];
    let observer = house.speech.observer();
    let mut number = 0;
    for (times_ms, heard_ms) in groups {
        for at_ms in times_ms.step_by(20) {
            number += 1;
            media.frame(number, at_ms).await;
        }
        let all = observer.wait_for(DEADLINE, |seen| {
            let bytes = seen.counts().appended_bytes;
            (bytes >= heard_ms * 8).then_some(bytes)
        });
        assert_eq!(all.await, Some(heard_ms * 8));
    }
}

#[tokio::test]
async fn a_caller_of_whom_no_frame_ever_comes_is_asked_and_left() {
    let house = House::with(vec![], json!({"idle": {"reprompt_seconds": 2, "reprompts": 1}})).await;
    let steps = vec![Step::wait_for_agent(), say(0)];
    let call = placed(&house, StreamFault::NoMedia, steps).await;
    assert_eq!(call.ended, Ended::Server);
    let row = house.row(&call.call_sid).await;
    assert_eq!((row.end(), row.lines().len()), (("completed", "agent"), 3));
}

#[tokio::test]
async fn a_caller_whose_frames_are_lost_for_a_while_is_understood_afterwards() {
    let house = House::with(vec![turn("Are you open?", "Yes.")], json!({})).await;
    let steps = vec![
        Step::wait_for_agent(),
        Step::Lose(ms(5_000)),
        say(0),
        Step::wait_for_agent(),
        Step::HangUp,
    ];
    let (call, row) = house.call(steps).await;
    assert_eq!((call.errors, row.end()), (vec![], ("completed", "caller")));
    assert_eq!(row.lines()[1..], ["Caller: Are you open?", "Agent: Yes."]);
}

#[tokio::test]
async fn a_peer_that_is_gone_without_a_word_is_noticed() {
    let house = House::with(vec![], json!({})).await;
    let mut call = house.place(house.options(), vec![Step::wait_for_agent(), Step::Freeze]);
    call.heard_agent().await;
    let row = house.row_within(&call.sid, DEADLINE).await;
    assert_eq!((row.end(), row.lines().len()), (("failed", "error"), 1));
    house.emptied().await;
}

#[tokio::test]
async fn a_peer_that_sends_no_audio_and_lives_is_left_alone() {
    let house = House::with(vec![], json!({})).await;
    let mut options = house.options();
    options.stream_fault = StreamFault::NoMedia;
    let steps = vec![Step::wait_for_agent(), Step::Wait(Duration::from_secs(50)), Step::HangUp];
    let call = house.place(options, steps).ended().await;
    assert_eq!((call.errors, call.ended), (vec![], Ended::Caller));
    let row = house.row(&call.call_sid).await;
    assert_eq!(row.metadata()["stream_sids"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_peer_that_reads_no_more_loses_the_stream_and_not_what_was_said() {
    let long = "This is a very long answer. ".repeat(120);
    let house = House::with(vec![turn("Tell me everything.", &long)], json!({})).await;
    let steps = vec![
        Step::wait_for_agent(),
        Step::StopReading,
        say(0),
        Step::WaitForAgent { quiet: ms(700), limit: ms(170_000) },
        Step::HangUp,
    ];
    let (call, row) = house.call(steps).await;
    assert_eq!((call.ended, row.end()), (Ended::Caller, ("completed", "caller")));
    let lines = row.lines();
    assert!(lines.contains(&"Caller: Tell me everything."), "{lines:?}");
    assert_eq!(lines.last(), Some(&LOST));
    assert_eq!(row.metadata()["stream_sids"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_webhook_that_comes_again_in_mid_call_disturbs_nobody() {
    let house = House::with(vec![turn("Are you open?", "Yes.")], json!({})).await;
    let steps = vec![
        Step::wait_for_agent(),
        Step::RingAgain(AfterRing::Stay),
        say(0),
        Step::wait_for_agent(),
        Step::HangUp,
    ];
    let (call, row) = house.call(steps).await;
    assert_eq!((call.errors, call.documents.len()), (vec![], 2));
    assert_eq!(row.end(), ("completed", "caller"));
    assert_eq!(row.lines()[1..], ["Caller: Are you open?", "Agent: Yes."]);
    assert_eq!((house.rows().await, house.speech.observer().counts().opened), (1, 1));
}

#[tokio::test]
async fn a_second_stream_of_a_call_goes_on_where_the_first_was() {
    let house = House::with(vec![turn("Are you open?", "Yes.")], json!({})).await;
    let steps = vec![
        Step::wait_for_agent(),
        Step::RingAgain(AfterRing::Follow),
        Step::wait_for_agent(),
        say(0),
        Step::wait_for_agent(),
        Step::HangUp,
    ];
    let (call, row) = house.call(steps).await;
    assert_eq!((call.errors, row.end()), (vec![], ("completed", "caller")));
    assert_eq!(row.lines()[1..], [LOST, "Caller: Are you open?", "Agent: Yes."]);
    let streams = row.metadata()["stream_sids"].as_array().unwrap();
    assert!(streams.len() == 2 && streams[0] != streams[1], "{streams:?}");
    assert_eq!((house.rows().await, house.speech.observer().counts().opened), (1, 1));
}

/// Posts a call status.
async fn is_said(house: &House, sid: &str, status: &str, number: &str) {
    let fields =
        [("CallSid", sid), ("CallStatus", status), ("To", NUMBER), ("SequenceNumber", number)];
    let (answered, _) = house.post("/twilio/status", &fields, Some(TOKEN)).await;
    assert_eq!(answered, 204);
}

#[tokio::test]
async fn call_statuses_come_twice_and_out_of_order() {
    let house = House::with(vec![], json!({})).await;
    let mut call = house.place(house.options(), vec![]);
    call.heard_agent().await;
    let sid = call.sid.clone();
    for (status, number) in [("in-progress", "1"), ("ringing", "0"), ("in-progress", "1")] {
        is_said(&house, &sid, status, number).await;
    }
    assert!(house.app.services.registry.find(house.agent, &sid).is_some(), "the call goes on");
    is_said(&house, &sid, "completed", "2").await;
    let before = house.row(&sid).await;
    assert_eq!(before.end(), ("completed", "caller"));
    for (status, number) in [("in-progress", "1"), ("completed", "2"), ("no-answer", "3")] {
        is_said(&house, &sid, status, number).await;
    }
    house.emptied().await;
    assert_eq!(house.row(&sid).await.as_ended(), before.as_ended());
    assert_eq!(house.rows().await, 1);
}

#[tokio::test]
async fn what_the_phone_company_says_of_a_stream_is_in_the_call() {
    let house = House::with(vec![], json!({})).await;
    let steps = vec![Step::wait_for_agent(), Step::Wait(ms(40_000)), Step::HangUp];
    let mut call = house.place(house.options(), steps);
    call.heard_agent().await;
    let sid = call.sid.clone();
    let says = async |words: &str| {
        let fields = [
            ("CallSid", sid.as_str()),
            ("To", NUMBER),
            ("StreamEvent", "stream-error"),
            ("StreamError", words),
        ];
        let (status, _) = house.post("/twilio/stream-status", &fields, Some(TOKEN)).await;
        assert_eq!(status, 204);
    };
    says("Stream - WebSocket - Handshake Error (31920) wss://secret.example/token").await;
    house.kinds(&sid, "stream_failed").await;
    call.ended().await;
    let row = house.row(&sid).await;
    assert_eq!(
        (row.end(), &row.metadata()["stream_errors"]),
        (("completed", "caller"), &json!(["31920"]))
    );
    // What comes when the call is over is written down too, and changes nothing.
    says("31921").await;
    let codes = || async {
        let codes: Vec<Value> = sqlx::query_scalar(
            "select e.data -> 'code' from call_events e join call_logs l on l.id = e.call_log_id
             where l.call_sid = $1 and e.kind = 'stream_failed' order by e.epoch, e.seq",
        )
        .bind(&sid)
        .fetch_all(&house.pool)
        .await
        .unwrap();
        (codes == ["31920", "31921"]).then_some(())
    };
    crate::harness::until("both codes", DEADLINE, codes).await;
    assert_eq!(house.row(&sid).await.as_ended(), row.as_ended());
}

impl Media {
    /// Sends a frame of silence that the stream's clock has at this time.
    async fn frame(&mut self, number: u64, at_ms: u64) {
        let payload = BASE64_STANDARD.encode([SILENCE; 160]);
        let media = media_peer::media(self.ids(), number + 1, number, at_ms, &payload);
        self.send(media).await;
    }
}
