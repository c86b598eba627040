//! Calls that are recorded, and what becomes of recordings and transcripts when they are old.

use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;

use frontdesk::archive::Archive;
use frontdesk::audio::recording::opus_reader::{Decoded, read};
use frontdesk::audio::recording::tape::{Label, TapeWriter};
use frontdesk::config::ObjectStore;
use frontdesk::recording::uploader::Recordings;
use frontdesk::recovery::status_poller::FindAgent;
use frontdesk::rehearsal::phone::{AfterDrop, PhoneEvent, PhoneEventKind, Step, WebhookFault};
use frontdesk::rehearsal::speech::SAMPLES;
use frontdesk::retention::{Removed, Sweeper};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{DEADLINE, House, Row, ms, row, say, turn, until};

const NOTICE: &str = "We record this call.";

fn recorded() -> Value {
    json!({"recording": {"enabled": true, "notice": NOTICE}})
}

/// A minute and a half of speech.
fn long_reply() -> String {
    let words: Vec<_> = (1..=280).map(|n| format!("word{n}")).collect();
    words.join(" ") + "."
}

impl House {
    fn store(&self) -> PathBuf {
        self.data().join("recordings")
    }

    fn tapes(&self) -> PathBuf {
        self.data().join("tapes")
    }

    fn archive(&self) -> Archive {
        Archive::open(&ObjectStore::Folder(self.store())).unwrap()
    }

    /// What the row says of the call's recording, once it does.
    async fn recording(&self, sid: &str) -> Value {
        let stored = || async {
            let row = row(&self.pool, sid).await?;
            Some(row.metadata()["recording"].clone()).filter(|recording| !recording.is_null())
        };
        until("the recording", DEADLINE, stored).await
    }

    fn decoded(&self, recording: &Value) -> Decoded {
        let file = self.store().join(recording["path"].as_str().unwrap());
        read(Cursor::new(std::fs::read(file).unwrap())).unwrap()
    }
}

/// How loud a stretch is, in ms of the recording: the root of the mean square.
fn loudness(samples: &[i16], from_ms: u64, to_ms: u64) -> u64 {
    let at = |ms: u64| usize::try_from(8 * ms).unwrap().min(samples.len());
    let stretch = &samples[at(from_ms)..at(to_ms)];
    let squares: u64 = stretch.iter().map(|s| i64::from(*s).pow(2).unsigned_abs()).sum();
    (squares / (stretch.len() as u64).max(1)).isqrt()
}

/// How much of it is not silence, in ms.
fn voiced_ms(samples: &[i16]) -> u64 {
    20 * samples.chunks(160).filter(|frame| frame.iter().any(|s| s.abs() > 400)).count() as u64
}

/// When things happened at the phone, in ms of the recording.
fn times(seen: &[PhoneEvent], is_it: impl Fn(&PhoneEventKind) -> bool) -> Vec<u64> {
    let opened = seen.iter().find(|event| event.kind == PhoneEventKind::StreamOpened).unwrap().at;
    let found = seen.iter().filter(|event| is_it(&event.kind));
    found.map(|event| event.at.saturating_sub(opened).as_millis() as u64).collect()
}

#[tokio::test]
async fn a_recording_has_the_caller_left_and_what_was_heard_of_the_agent_right() {
    let turns = vec![turn("What is there?", &long_reply()), turn("Stop.", "Sorry.")];
    let house = House::with(turns, recorded()).await;
    let steps = vec![
        Step::wait_for_agent(),
        say(0),
        Step::interrupt(ms(3_000)),
        say(2),
        Step::wait_for_agent(),
        Step::Wait(ms(1_000)),
        Step::HangUp,
    ];
    let (call, seen) = house.place(house.options(), steps).told().await;
    assert_eq!((&call.errors, call.clears), (&vec![], 1));

    // The notice comes first, and once.
    let told = PhoneEventKind::Said { text: NOTICE.to_owned() };
    let notice = seen.iter().position(|event| event.kind == told).unwrap();
    let opened = seen.iter().position(|event| event.kind == PhoneEventKind::StreamOpened).unwrap();
    assert!(notice < opened, "{seen:?}");
    assert_eq!(call.said, [NOTICE]);

    let recording = house.recording(&call.call_sid).await;
    let path = recording["path"].as_str().unwrap();
    assert!(
        path.starts_with(&format!("{}/", house.agent)) && !path.contains("5551230001"),
        "{path}"
    );
    assert_eq!(recording["complete"], true);
    let Decoded { left, right, .. } = house.decoded(&recording);
    assert_eq!(recording["ms"].as_u64().unwrap(), left.len() as u64 / 8);
    assert_eq!(left.len(), right.len());

    let spoke = times(&seen, |kind| matches!(kind, PhoneEventKind::CallerSpoke { .. }));
    let began = times(&seen, |kind| *kind == PhoneEventKind::AgentBegan);
    let cleared = times(&seen, |kind| matches!(kind, PhoneEventKind::Cleared { .. }))[0];
    let ended = times(&seen, |kind| *kind == PhoneEventKind::StreamEnded)[0];
    let length = recording["ms"].as_u64().unwrap();
    assert!(length.abs_diff(ended) < 1_500, "{length} ms of {ended}");

    // The caller is on the left, and nowhere else.
    let said_ms = |n: usize| SAMPLES[n].len() as u64 / 8;
    for (at, length) in [(spoke[0], said_ms(0)), (spoke[1], said_ms(2))] {
        assert!(loudness(&left, at, at + length) > 300, "the caller at {at} ms");
    }
    assert!(loudness(&left, 0, spoke[0].saturating_sub(500)) < 30);
    let said = said_ms(0) + said_ms(2);
    assert!(voiced_ms(&left) <= said + 400, "{} ms of {said}", voiced_ms(&left));
    // The agent is on the right: the greeting, the beginning of the long reply, the last one.
    assert!(loudness(&right, began[0] + 100, began[0] + 600) > 300, "the greeting");
    assert!(loudness(&right, cleared - 1_500, cleared - 500) > 300, "what was heard");
    let next = *began.iter().find(|at| **at > cleared).unwrap();
    assert!(loudness(&right, cleared + 700, next - 300) < 30, "what was thrown away");
    assert!(loudness(&right, next + 100, next + 500) > 300, "the answer");

    // The tape is not needed any more.
    let emptied =
        || async { std::fs::read_dir(house.tapes()).unwrap().next().is_none().then_some(()) };
    until("an empty folder", DEADLINE, emptied).await;
}

#[tokio::test]
async fn a_call_that_is_not_recorded_leaves_nothing() {
    let house = House::with(vec![], json!({"recording": {"enabled": false}})).await;
    let (call, row) = house.call(vec![Step::wait_for_agent(), Step::HangUp]).await;
    assert_eq!((&call.errors, &call.said), (&vec![], &vec![]));
    assert_eq!(row.metadata()["recording"], Value::Null);
    assert!(std::fs::read_dir(house.tapes()).unwrap().next().is_none());
}

#[tokio::test]
async fn a_lost_stream_and_its_successor_are_one_recording_with_one_notice() {
    let house = House::with(vec![turn("Are you open?", "Yes.")], recorded()).await;
    let steps = vec![
        Step::wait_for_agent(),
        Step::DropSocket(AfterDrop::AskAction),
        Step::wait_for_agent(),
        say(0),
        Step::wait_for_agent(),
        Step::HangUp,
    ];
    let (call, seen) = house.place(house.options(), steps).told().await;
    assert_eq!((&call.errors, &call.said), (&vec![], &vec![NOTICE.to_owned()]));
    let recording = house.recording(&call.call_sid).await;
    let Decoded { left, right, .. } = house.decoded(&recording);
    let spoke = times(&seen, |kind| matches!(kind, PhoneEventKind::CallerSpoke { .. }))[0];
    assert!(loudness(&left, spoke, spoke + SAMPLES[0].len() as u64 / 8) > 300);
    let began = times(&seen, |kind| *kind == PhoneEventKind::AgentBegan);
    assert!(began.len() >= 3, "{began:?}");
    for at in began {
        assert!(loudness(&right, at + 100, at + 500) > 200, "the agent at {at} ms");
    }
}

#[tokio::test]
async fn a_webhook_that_comes_again_says_the_notice_again() {
    let house = House::with(vec![], recorded()).await;
    let mut options = house.options();
    options.webhook_fault = WebhookFault::Repeated;
    let call = house.place(options, vec![Step::wait_for_agent(), Step::HangUp]).ended().await;
    // The first answer may have been lost: it was not carried out.
    assert_eq!((call.errors, call.said), (vec![], vec![NOTICE.to_owned()]));
}

/// A call whose row is complete and that was not recorded.
async fn ended_call(house: &House) -> (Uuid, String) {
    let (call, row) = house.call(vec![Step::wait_for_agent(), Step::HangUp]).await;
    let id = row.0["id"].as_str().unwrap().parse().unwrap();
    (id, call.call_sid)
}

/// A tape as a killed process leaves it: half a second of the caller, and half a record.
fn tape(agent_id: Uuid, call_log_id: Uuid) -> Vec<u8> {
    let secret = Uuid::from_u128(7);
    let mut bytes = Label { agent_id, call_log_id, secret }.to_bytes().to_vec();
    let mut writer = TapeWriter(&mut bytes);
    writer.started(1_000_000);
    for n in 1..=25_u64 {
        // Base64 of 160 samples.
        let payload = "gICA".repeat(53) + "gA==";
        writer.caller(1_000_000 + 20_000 * (n + 1), Some(20 * n), &payload);
    }
    bytes.extend_from_slice(&[2, 0, 0, 0]);
    bytes
}

#[tokio::test]
async fn a_tape_that_a_killed_process_left_becomes_a_recording() {
    let house = House::with(vec![], json!({})).await;
    let (id, sid) = ended_call(&house).await;
    std::fs::write(house.tapes().join(format!("{id}.tape")), tape(house.agent, id)).unwrap();
    let recording = house.recording(&sid).await;
    assert_eq!((&recording["complete"], &recording["ms"]), (&json!(false), &json!(520)));
    let Decoded { left, .. } = house.decoded(&recording);
    assert!(loudness(&left, 100, 500) > 300);
}

#[tokio::test]
async fn a_store_that_is_down_keeps_the_tape_until_it_is_back() {
    let house = House::with(vec![], json!({})).await;
    let (id, sid) = ended_call(&house).await;
    let tapes = tempfile::tempdir().unwrap();
    let path = tapes.path().join(format!("{id}.tape"));
    std::fs::write(&path, tape(house.agent, id)).unwrap();
    // Where the agent's folder should be is a file.
    let obstacle = house.store().join(house.agent.to_string());
    std::fs::write(&obstacle, "").unwrap();
    let store = house.app.store.clone();
    let worker = || Recordings::new(store.clone(), house.archive(), tapes.path().to_owned());
    let mut failing = worker();
    assert_eq!(failing.round().await.unwrap(), 0);
    std::fs::remove_file(&obstacle).unwrap();
    assert_eq!(failing.round().await.unwrap(), 0, "it waits before it tries again");
    assert!(path.exists());
    assert_eq!(row(&house.pool, &sid).await.unwrap().metadata()["recording"], Value::Null);

    assert_eq!(worker().round().await.unwrap(), 1);
    assert!(!path.exists());
    let first = house.recording(&sid).await;
    // A process that died before it had removed the tape: the same again, and nothing twice.
    std::fs::write(&path, tape(house.agent, id)).unwrap();
    assert_eq!(worker().round().await.unwrap(), 1);
    assert_eq!(house.recording(&sid).await, first);
    let folder = house.store().join(house.agent.to_string());
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1);
    assert_eq!(std::fs::read_dir(tapes.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_tape_waits_for_the_end_of_its_call() {
    let house = House::with(vec![], json!({})).await;
    let mut call = house.place(house.options(), vec![Step::Wait(ms(60_000)), Step::HangUp]);
    call.heard_agent().await;
    let live = row(&house.pool, &call.sid).await.unwrap();
    let id: Uuid = live.0["id"].as_str().unwrap().parse().unwrap();
    let tapes = tempfile::tempdir().unwrap();
    let path = tapes.path().join(format!("{id}.tape"));
    std::fs::write(&path, tape(house.agent, id)).unwrap();
    // And one whose call nobody knows.
    let unknown = tapes.path().join(format!("{}.tape", Uuid::new_v4()));
    std::fs::write(&unknown, tape(house.agent, Uuid::new_v4())).unwrap();
    let store = house.app.store.clone();
    let mut worker = Recordings::new(store, house.archive(), tapes.path().to_owned());
    assert_eq!(worker.round().await.unwrap(), 0);
    assert!(path.exists() && unknown.exists());
}

/// The call's row, dated back by so many days.
async fn date_back(house: &House, sid: &str, days: u32) {
    house
        .sql(&format!(
            "update call_logs set call_start = call_start - interval '{days} days',
                call_end = call_end - interval '{days} days', summary = '{{\"title\": \"Asked\"}}'
             where call_sid = '{sid}'"
        ))
        .await;
}

fn sweeper(house: &House) -> Sweeper {
    let directory = Arc::clone(&house.app.directory);
    let agents: FindAgent = Box::new(move |id| {
        let directory = Arc::clone(&directory);
        Box::pin(async move { directory.by_id(id).await })
    });
    let twilio = house.app.services.function_services.twilio.clone();
    Sweeper::new(house.app.store.clone(), house.archive(), twilio, agents)
}

#[tokio::test]
async fn a_recording_does_not_outlive_its_call() {
    let house = House::with(vec![turn("Are you open?", "Yes.")], recorded()).await;
    let steps = vec![Step::wait_for_agent(), say(0), Step::wait_for_agent(), Step::HangUp];
    let (call, _) = house.call(steps).await;
    let recording = house.recording(&call.call_sid).await;
    let file = house.store().join(recording["path"].as_str().unwrap());
    let sweeper = sweeper(&house);
    assert_eq!(sweeper.sweep().await.unwrap(), Removed::default());
    assert!(file.exists());
    // An owner who leaves has everything deleted.
    house.sql("delete from call_logs").await;
    let removed = Removed { recordings: 1, ..Removed::default() };
    assert_eq!(sweeper.sweep().await.unwrap(), removed);
    assert!(!file.exists());
    assert_eq!(sweeper.sweep().await.unwrap(), Removed::default());
}

#[tokio::test]
async fn a_message_that_a_caller_left_is_removed_where_it_is() {
    let settings = json!({"fallback": {"kind": "voicemail"}, "retention": {"recording_days": 30}});
    let house = House::with(vec![], settings).await;
    house.change("update voice_agents set status = 'inactive'").await;
    let mut calls = Vec::new();
    for days in [31, 29] {
        let wait = Step::WaitForAgent { quiet: ms(300), limit: ms(5_000) };
        let options = house.options();
        let call = house.place(options, vec![wait, say(0), Step::HangUp]).ended().await;
        assert_eq!(house.row(&call.call_sid).await.end().0, "voicemail");
        date_back(&house, &call.call_sid, days).await;
        calls.push(call.call_sid);
    }
    assert_eq!(house.twilio.recordings().len(), 2);
    let sweeper = sweeper(&house);
    let removed = Removed { voicemails: 1, ..Removed::default() };
    assert_eq!(sweeper.sweep().await.unwrap(), removed);
    let row = row(&house.pool, &calls[0]).await.unwrap();
    assert_eq!(row.metadata()["voicemail"]["recording_url"], Value::Null);
    assert!(row.metadata()["voicemail"]["seconds"].is_u64());
    assert!(row.metadata()["removed"]["voicemail"].is_string());
    let kept = house.row(&calls[1]).await;
    let kept = kept.metadata()["voicemail"]["recording_url"].as_str().unwrap();
    assert_eq!(house.twilio.recordings(), [kept.rsplit('/').next().unwrap()]);
    assert_eq!(sweeper.sweep().await.unwrap(), Removed::default());
}

#[tokio::test]
async fn recordings_and_transcripts_that_are_too_old_are_removed_and_others_are_not() {
    let mut settings = recorded();
    settings["retention"] = json!({"recording_days": 30, "transcript_days": 60});
    let house = House::with(vec![turn("Are you open?", "Yes."); 3], settings).await;
    let steps = || vec![Step::wait_for_agent(), say(0), Step::wait_for_agent(), Step::HangUp];
    let mut calls = Vec::new();
    for days in [0, 31, 61] {
        let (call, _) = house.call(steps()).await;
        let recording = house.recording(&call.call_sid).await;
        date_back(&house, &call.call_sid, days).await;
        calls.push((call.call_sid, house.store().join(recording["path"].as_str().unwrap())));
    }
    let [(fresh, fresh_file), (month, month_file), (old, old_file)] = &calls[..] else {
        panic!("{calls:?}")
    };
    // Work that has yet to be done with the words keeps them.
    let is_worked_up = || async {
        let pending = "select count(*) from aftercall_jobs where state = 'pending'";
        let pending: i64 = sqlx::query_scalar(pending).fetch_one(&house.pool).await.unwrap();
        (pending == 0).then_some(())
    };
    until("the work after the calls", DEADLINE, is_worked_up).await;
    let sweeper = sweeper(&house);
    let swept = async || sweeper.sweep().await.unwrap();
    assert_eq!(swept().await, Removed { recordings: 2, voicemails: 0, transcripts: 1 });
    assert_eq!(swept().await, Removed::default(), "nothing is removed twice");

    assert!(fresh_file.exists() && !month_file.exists() && !old_file.exists());
    let read = async |sid: &str| row(&house.pool, sid).await.unwrap();
    let has_words = |row: &Row| {
        let text = row.0.to_string();
        text.contains("Are you open?") || text.contains("Asked") || text.contains("Yes.")
    };
    let (fresh, month, old) = (read(fresh).await, read(month).await, read(old).await);
    assert!(fresh.metadata()["recording"].is_object() && has_words(&fresh));
    assert!(month.metadata()["removed"]["recording"].is_string() && has_words(&month));
    assert_eq!(month.metadata()["recording"], Value::Null);
    assert!(!has_words(&old), "{}", old.0);
    assert!(old.metadata()["removed"]["transcript"].is_string());
    // What happened when stays.
    let turn = &old.metadata()["turns"][0];
    assert_eq!((&turn["n"], &turn["interrupted"]), (&json!(1), &json!(false)));
    assert!(turn["latency_ms"]["first_audio"].is_u64());
    assert_eq!(old.end(), ("completed", "caller"));
    let said: i64 = sqlx::query_scalar(
        "select count(*) from call_events e join call_logs l on l.id = e.call_log_id
         where l.call_sid = $1 and e.data::text like '%Are you open?%'",
    )
    .bind(&calls[2].0)
    .fetch_one(&house.pool)
    .await
    .unwrap();
    assert_eq!(said, 0);
    let ended = house.kinds(&calls[2].0, "ended").await;
    assert!(!ended.iter().any(|kind| kind == "caller_said" || kind == "agent_said"), "{ended:?}");
}
