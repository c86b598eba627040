//! Calls that leave the agent: put through, forwarded, left a message. What Twilio asks while they
//! are out is posted by hand, in the orders in which it may come.

use frontdesk::app::App;
use frontdesk::rehearsal::phone::twiml_reader::{self, Dial, Record, Verb};
use frontdesk::rehearsal::phone::{Ended, FarEnd, PhoneEventKind, Step, random_sid};
use frontdesk::rehearsal::speech::script::{FunctionCall, Phrase, Script, Turn};
use frontdesk::rehearsal::speech::{Fault, SAMPLES, SpeechOptions};
use serde_json::{Value, json};

use crate::harness::{
    DEADLINE, FALLBACK, GREETING, House, NUMBER, Plan, Row, TOKEN, row, say, stream_url, turn,
    until, voice,
};
use crate::proxy::Wire;
use crate::stream::Media;

const SALES: &str = "+15550003333";
const ASKED: &str = "Sales, please.";
const HANDOVER: &str = "I am putting you through.";
const SORRY: &str = "Nobody answers there, can I take a message?";
const RECORDING: &str =
    "https://api.twilio.com/2010-04-01/Accounts/AC00000000000000000000000000000001/Recordings/RE1";

/// An agent that puts whoever speaks through to sales.
async fn house(settings: Value) -> House {
    House::open(plan(settings)).await
}

fn plan(settings: Value) -> Plan {
    let arguments = json!({"target": "sales"});
    let call = FunctionCall { name: "transfer_call".to_owned(), arguments };
    let asks = Turn { functions: vec![call], ..turn(ASKED, "") };
    let phrase = |instructed: &str, reply: &str| Phrase {
        instructed: instructed.to_owned(),
        reply: reply.to_owned(),
    };
    let phrases =
        vec![phrase("about to put the caller through", HANDOVER), phrase("nobody answered", SORRY)];
    let script = Script { turns: vec![asks], phrases, ..Script::default() };
    let mut all = json!({"transfer": {"targets": {"Sales": SALES}}});
    all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let speech = SpeechOptions { script, ..SpeechOptions::default() };
    Plan { speech, settings: all, ..Plan::default() }
}

/// Places a call whose caller is put through, up to where it rings. Gives its name.
async fn put_through(house: &House) -> String {
    let mut call = house.place(house.options(), vec![Step::wait_for_agent(), say(0)]);
    call.saw(|kind| matches!(kind, PhoneEventKind::Dialling { .. })).await;
    let sid = call.sid.clone();
    call.freeze();
    sid
}

fn verbs(document: &str) -> Vec<Verb> {
    twiml_reader::parse(document).unwrap()
}

fn dialled(verbs: &[Verb]) -> Dial {
    let [Verb::Dial(dial)] = verbs else { panic!("expected <Dial>, got {verbs:?}") };
    dial.clone()
}

fn recorded(verbs: &[Verb]) -> (&str, &Record) {
    let [Verb::Say { text }, Verb::Record(record), Verb::Redirect { url, .. }] = verbs else {
        panic!("expected <Say>, <Record>, <Redirect>, got {verbs:?}");
    };
    assert_eq!(Some(url), record.action.as_ref(), "whoever says nothing is told of too");
    (text, record)
}

fn said(verbs: &[Verb]) -> &str {
    let [Verb::Say { text }, Verb::Hangup] = verbs else { panic!("{verbs:?}") };
    text
}

/// A question of Twilio about a call.
struct Asks<'a> {
    house: &'a House,
    sid: &'a str,
}

impl Asks<'_> {
    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Vec<Verb> {
        self.post_to(&self.house.app, path, fields).await
    }

    async fn post_to(&self, app: &App, path: &str, fields: &[(&str, &str)]) -> Vec<Verb> {
        let call = [("CallSid", self.sid), ("To", NUMBER), ("From", "+15551230001")];
        let url = app.public_url.join(path);
        let fields = [&call[..], fields].concat();
        let (status, body) = self.house.post_to(&url, &fields, Some(TOKEN)).await;
        assert_eq!(status, 200, "{body}");
        verbs(&body)
    }

    /// The dial has ended so, while the caller was still there.
    async fn dial(&self, status: &str) -> Vec<Verb> {
        let fields = [("CallStatus", "in-progress"), ("DialCallStatus", status)];
        self.post("/twilio/dial", &fields).await
    }

    async fn left_message(&self) {
        let fields = [
            ("CallStatus", "completed"),
            ("RecordingUrl", RECORDING),
            ("RecordingDuration", "12"),
            ("Digits", "hangup"),
        ];
        assert_eq!(self.post("/twilio/voicemail", &fields).await, [Verb::Hangup]);
    }

    /// The status callback: the call is over.
    async fn over(&self) {
        let fields = [("CallSid", self.sid), ("CallStatus", "completed"), ("To", NUMBER)];
        let (status, _) = self.house.post("/twilio/status", &fields, Some(TOKEN)).await;
        assert_eq!(status, 204);
    }

    /// Waits until the row has this status.
    async fn becomes(&self, status: &str) -> Row {
        let found = || async {
            row(&self.house.pool, self.sid).await.filter(|row| row.0["status"] == status)
        };
        until(status, DEADLINE, found).await
    }

    /// Waits until the caller is out.
    async fn is_out(&self) {
        let out = || async {
            let row = row(&self.house.pool, self.sid).await?;
            (!row.0["out_until"].is_null()).then_some(())
        };
        until("out", DEADLINE, out).await;
    }

    /// Waits until the caller has heard all of these words.
    async fn heard(&self, words: &str) {
        let heard = || async {
            let found: Option<i32> = sqlx::query_scalar(
                "select 1 from call_events e join call_logs l on l.id = e.call_log_id
                 where l.call_sid = $1 and e.kind = 'agent_said'
                 and btrim(e.data ->> 'heard') = $2 limit 1",
            )
            .bind(self.sid)
            .bind(words)
            .fetch_optional(&self.house.pool)
            .await
            .unwrap();
            found
        };
        until(words, DEADLINE, heard).await;
    }
}

#[tokio::test]
async fn a_caller_is_put_through_and_the_call_ends_with_that_conversation() {
    let house = house(json!({})).await;
    house.change("update voice_agents set \"takeOverTimeout\" = 'PT45S'").await;
    let steps = vec![Step::wait_for_agent(), say(0)];
    let mut call = house.place(house.options(), steps);
    call.saw(|kind| *kind == PhoneEventKind::PutThrough).await;
    let sid = call.sid.clone();
    let asks = Asks { house: &house, sid: &sid };
    house.emptied().await;
    asks.is_out().await;
    assert_eq!(row(&house.pool, &sid).await.unwrap().0["status"], "in-progress");

    let call = call.ended().await;
    assert_eq!((call.errors, call.ended), (vec![], Ended::Server));
    let dial = dialled(&verbs(&call.documents[1]));
    assert_eq!((dial.numbers, dial.caller_id.as_deref()), (vec![SALES.to_owned()], Some(NUMBER)));
    assert_eq!((dial.timeout_s, dial.time_limit_s), (45, 14_400));
    assert!(dial.action.unwrap().ends_with("/twilio/dial"));
    let first = house.row(asks.sid).await;
    assert_eq!(first.end(), ("transferred", "agent"));
    let agent = format!("Agent: {GREETING}");
    assert_eq!(first.lines(), [&agent, &format!("Caller: {ASKED}"), &format!("Agent: {HANDOVER}")]);
    let function = &first.metadata()["functions"][0];
    assert_eq!((&function["name"], &function["ok"]), (&json!("transfer_call"), &json!(true)));
    assert_eq!(first.metadata()["voicemail"], Value::Null);
    let kinds = house.kinds(asks.sid, "ended").await;
    assert!(kinds.ends_with(&["transfer_started", "transfer_ended", "ended"].map(String::from)));

    // Told again, and told less: the first end counts.
    assert_eq!(asks.dial("completed").await, [Verb::Hangup]);
    assert_eq!(asks.dial("busy").await, [Verb::Hangup]);
    asks.over().await;
    assert_eq!(asks.post("/twilio/after", &[("CallStatus", "completed")]).await, [Verb::Hangup]);
    assert_eq!(row(&house.pool, asks.sid).await.unwrap().as_ended(), first.as_ended());
}

#[tokio::test]
async fn a_caller_whom_nobody_answered_comes_back_to_the_agent_and_the_conversation() {
    for far_end in [FarEnd::Busy, FarEnd::NoAnswer] {
        let house = house(json!({})).await;
        let mut options = house.options();
        options.far_ends.insert(SALES.to_owned(), far_end);
        let steps =
            vec![Step::wait_for_agent(), say(0), Step::wait_for_agent(), say(1), Step::HangUp];
        let call = house.place(options, steps).ended().await;

        assert_eq!((call.errors, call.ended), (vec![], Ended::Caller));
        assert_eq!((call.dialled.len(), house.rows().await), (1, 1));
        let row = house.row(&call.call_sid).await;
        assert_eq!(row.end(), ("completed", "caller"));
        assert_eq!(row.lines()[3], format!("Agent: {SORRY}"));
        assert_eq!(row.metadata()["stream_sids"].as_array().unwrap().len(), 2);
        assert_eq!(row.0["out_until"], Value::Null);
        let told = house.speech.observer().received("conversation.item.create");
        let told: Vec<_> = told.iter().filter(|received| received.session == 2).collect();
        let text = |n: usize| told[n].event["item"]["content"][0]["text"].as_str().unwrap();
        assert_eq!([text(0), text(1), text(3)], [GREETING, ASKED, HANDOVER]);
        assert!(text(2).starts_with("The function transfer_call has returned"), "{}", text(2));
        assert!(text(4).contains("nobody answered"), "the model knows: {}", text(4));
    }
}

#[tokio::test]
async fn a_caller_comes_back_twice_and_then_goes_to_the_fallback() {
    let house = house(json!({})).await;
    let sid = put_through(&house).await;
    let asks = Asks { house: &house, sid: &sid };
    asks.is_out().await;
    house.sql("update call_logs set stream_returns = 2").await;
    assert_eq!(said(&asks.dial("no-answer").await), FALLBACK);
    let row = house.row(asks.sid).await;
    assert_eq!(row.end(), ("no-answer", "agent"));
    assert_eq!(row.lines().len(), 3, "what was said is kept: {:?}", row.lines());
}

#[tokio::test]
async fn returns_after_lost_streams_and_after_dials_are_counted_together() {
    let house = house(json!({"fallback": {"kind": "voicemail"}})).await;
    let sid = put_through(&house).await;
    let asks = Asks { house: &house, sid: &sid };
    let _media = Media::open(&stream_url(&asks.dial("busy").await), asks.sid).await;
    asks.heard(SORRY).await;
    let lost = [("CallStatus", "in-progress")];
    let _media = Media::open(&stream_url(&asks.post("/twilio/after", &lost).await), asks.sid).await;
    recorded(&asks.post("/twilio/after", &lost).await);
    asks.left_message().await;
    let row = house.row(asks.sid).await;
    assert_eq!(row.end(), ("voicemail", "caller"));
    assert_eq!(row.metadata()["voicemail"], json!({"recording_url": RECORDING, "seconds": 12}));
    assert!(row.lines().contains(&format!("Agent: {SORRY}").as_str()), "{:?}", row.lines());
}

#[tokio::test]
async fn a_caller_who_hangs_up_while_it_rings_has_ended_the_call() {
    let house = house(json!({})).await;
    let sid = put_through(&house).await;
    let asks = Asks { house: &house, sid: &sid };
    let fields = [("CallStatus", "completed"), ("DialCallStatus", "canceled")];
    assert_eq!(asks.post("/twilio/dial", &fields).await, [Verb::Hangup]);
    assert_eq!(house.row(asks.sid).await.end(), ("completed", "caller"));
}

#[tokio::test]
async fn the_end_of_the_call_alone_completes_it_and_the_dial_may_still_say_more() {
    let house = house(json!({})).await;
    let sid = put_through(&house).await;
    let asks = Asks { house: &house, sid: &sid };
    asks.over().await;
    assert_eq!(house.row(asks.sid).await.end(), ("completed", "caller"));
    asks.dial("completed").await;
    let row = asks.becomes("transferred").await;
    assert_eq!((row.end(), &row.0["out_until"]), (("transferred", "agent"), &Value::Null));
}

#[tokio::test]
async fn a_repeated_question_gets_the_same_answer_and_spends_no_return() {
    let house = house(json!({})).await;
    let sid = random_sid("CA");
    let _first = Media::open(&stream_url(&house.ring(&sid).await), &sid).await;
    let url = house.app.public_url.join("/twilio/after");
    let fields = [("CallSid", sid.as_str()), ("To", NUMBER), ("CallStatus", "in-progress")];
    let ask = async |token: &str| {
        let headers = [("i-twilio-idempotency-token", token)];
        house.post_with(&url, &fields, Some(TOKEN), &headers).await
    };
    let first = ask("one").await;
    let mut second = Media::open(&stream_url(&verbs(&first.1)), &sid).await;
    second.heard("media").await;
    for _ in 0..3 {
        assert_eq!(ask("one").await, first);
    }
    let past = [&fields[..], &[("StreamSid", "MZ00000000000000000000000000000001")]].concat();
    for _ in 0..3 {
        let (_, body) = house.post_to(&url, &past, Some(TOKEN)).await;
        stream_url(&verbs(&body));
    }
    second.heard("media").await;
    stream_url(&verbs(&ask("two").await.1));
    second.closed().await;
    assert_eq!(said(&verbs(&ask("three").await.1)), FALLBACK, "two returns are spent");
}

#[tokio::test]
async fn another_process_takes_the_caller_back_after_this_one_has_stopped() {
    let house = house(json!({})).await;
    let sid = put_through(&house).await;
    let neighbour = house.neighbour().await;
    let pool = house.pool.clone();
    let asks = Asks { house: &house, sid: &sid };
    asks.is_out().await;
    house.app.services.registry.stop_taking_calls();
    house.app.store.note_draining(house.app.services.instance_id).await.unwrap();
    let fields = [("CallStatus", "in-progress"), ("DialCallStatus", "failed")];
    let answer = asks.post_to(&neighbour, "/twilio/dial", &fields).await;
    let _media = Media::open(&stream_url(&answer), &sid).await;
    asks.heard(SORRY).await;
    assert_eq!(neighbour.services.registry.live(), 1);
    neighbour.shut_down(std::future::ready(())).await;
    let row = row(&pool, &sid).await.unwrap();
    assert_eq!((row.end(), house.rows().await), (("failed", "error"), 1));
}

/// Takes a call up to where its caller is to be put through, and nobody has asked yet.
async fn unasked(house: &House) -> String {
    let sid = random_sid("CA");
    let mut media = Media::open(&stream_url(&house.ring(&sid).await), &sid).await;
    Asks { house, sid: &sid }.heard(GREETING).await;
    media.say(&SAMPLES[0][..9_600]).await;
    media.closed().await;
    sid
}

const GOES_ON: [(&str, &str); 1] = [("CallStatus", "in-progress")];

#[tokio::test]
async fn whom_another_process_puts_through_stays_so_when_their_own_gives_up_waiting() {
    let house = house(json!({})).await;
    let neighbour = house.neighbour().await;
    let sid = unasked(&house).await;
    let asks = Asks { house: &house, sid: &sid };
    let answer = asks.post_to(&neighbour, "/twilio/after", &GOES_ON).await;
    assert_eq!(dialled(&answer).numbers, [SALES]);
    asks.is_out().await;
    house.emptied().await;
    let media = Media::open(&stream_url(&asks.dial("no-answer").await), &sid).await;
    asks.heard(SORRY).await;
    drop(media);
    let kinds = house.kinds(&sid, "transfer_ended").await;
    assert!(!kinds.iter().any(|kind| kind == "ended"), "{kinds:?}");
}

#[tokio::test]
async fn a_dial_that_ends_at_once_is_no_news_to_a_process_that_was_not_asked() {
    let house = house(json!({})).await;
    let neighbour = house.neighbour().await;
    let sid = unasked(&house).await;
    let asks = Asks { house: &house, sid: &sid };
    dialled(&asks.post_to(&neighbour, "/twilio/after", &GOES_ON).await);
    let _media = Media::open(&stream_url(&asks.dial("busy").await), &sid).await;
    asks.heard(SORRY).await;
}

#[tokio::test]
async fn a_process_that_lost_a_call_does_not_hang_up_on_it_later() {
    let house = house(json!({})).await;
    let neighbour = house.neighbour().await;
    let sid = random_sid("CA");
    let asks = Asks { house: &house, sid: &sid };
    let media = Media::open(&stream_url(&house.ring(&sid).await), &sid).await;
    asks.heard(GREETING).await;
    drop(media);
    let there = asks.post_to(&neighbour, "/twilio/after", &GOES_ON).await;
    let media = Media::open(&stream_url(&there), &sid).await;
    house.emptied().await;
    drop(media);
    stream_url(&asks.post("/twilio/after", &GOES_ON).await);
}

#[tokio::test]
async fn a_caller_who_hangs_up_at_the_fallback_had_nobody() {
    let forward = json!({"kind": "forward", "number": "+15550004444", "message": FALLBACK});
    for from_neighbour in [false, true] {
        let house = house(json!({"fallback": forward})).await;
        let neighbour = house.neighbour().await;
        let sid = random_sid("CA");
        let media = Media::open(&stream_url(&house.ring(&sid).await), &sid).await;
        let asks = Asks { house: &house, sid: &sid };
        asks.heard(GREETING).await;
        house.speech.command(Fault::RefuseConnects { status: 401 });
        house.speech.command(Fault::DropSockets);
        media.closed().await;
        let asked = if from_neighbour { &neighbour } else { &house.app };
        let answer = asks.post_to(asked, "/twilio/after", &GOES_ON).await;
        assert_eq!(dialled(&answer).numbers, ["+15550004444"]);
        asks.is_out().await;
        house.emptied().await;
        let fields = [("CallStatus", "completed"), ("DialCallStatus", "canceled")];
        assert_eq!(asks.post("/twilio/dial", &fields).await, [Verb::Hangup]);
        assert_eq!(house.row(&sid).await.end(), ("no-answer", "caller"));
    }
}

#[tokio::test]
async fn a_question_that_comes_to_another_process_puts_the_caller_through() {
    let house = house(json!({})).await;
    let sid = put_through(&house).await;
    let asks = Asks { house: &house, sid: &sid };
    asks.is_out().await;
    let neighbour = house.neighbour().await;
    let fields = [("CallStatus", "in-progress")];
    let again = asks.post_to(&neighbour, "/twilio/after", &fields).await;
    assert_eq!(dialled(&again).numbers, [SALES]);
    assert_eq!(neighbour.services.registry.live(), 0);
}

/// The agent takes no calls: what its callers get, and the call.
async fn refused(fallback: Value) -> (House, String, Vec<Verb>) {
    let house = house(json!({"fallback": fallback})).await;
    house.change(r#"update voice_agents set "unAvailable" = true"#).await;
    let sid = random_sid("CA");
    let answer = house.ring(&sid).await;
    (house, sid, answer)
}

#[tokio::test]
async fn a_refused_call_is_forwarded_and_somebody_answers() {
    let forward = json!({"kind": "forward", "number": "+1 555 000 4444"});
    let (house, sid, answer) = refused(forward).await;
    let dial = dialled(&answer);
    assert_eq!(
        (dial.numbers, dial.caller_id.as_deref()),
        (vec!["+15550004444".into()], Some(NUMBER))
    );
    let asks = Asks { house: &house, sid: &sid };
    assert_eq!(dialled(&house.ring(&sid).await).numbers, ["+15550004444"], "asked again");
    assert_eq!(asks.dial("completed").await, [Verb::Hangup]);
    let row = house.row(&sid).await;
    assert_eq!((row.end(), row.lines()), (("transferred", "agent"), vec![]));
    assert_eq!(row.metadata()["fallback_reason"], "the agent is unavailable");
    assert_eq!(row.metadata()["call_sid"], json!(sid));
    assert_eq!(house.ring(&sid).await, [Verb::Hangup]);
}

#[tokio::test]
async fn a_refused_call_is_forwarded_and_nobody_answers() {
    let forward = json!({"kind": "forward", "number": "+15550004444", "message": FALLBACK});
    let (house, sid, _) = refused(forward).await;
    let asks = Asks { house: &house, sid: &sid };
    assert_eq!(said(&asks.dial("no-answer").await), FALLBACK);
    assert_eq!(house.row(&sid).await.end(), ("no-answer", "agent"));
    assert_eq!(asks.dial("no-answer").await, [Verb::Hangup]);
}

#[tokio::test]
async fn without_a_fallback_callers_leave_a_message() {
    for fallback in [Value::Null, json!({"kind": "forward", "number": "555"})] {
        let (house, sid, answer) = refused(fallback).await;
        let (words, record) = recorded(&answer);
        assert!(words.contains("leave a message after the tone"), "{words}");
        assert_eq!((record.max_length_s, record.play_beep), (120, true));
        assert!(record.action.as_ref().unwrap().ends_with("/twilio/voicemail"));
        let asks = Asks { house: &house, sid: &sid };
        asks.left_message().await;
        let first = house.row(&sid).await;
        assert_eq!(first.end(), ("voicemail", "caller"));
        let voicemail = json!({"recording_url": RECORDING, "seconds": 12});
        assert_eq!(first.metadata()["voicemail"], voicemail);
        assert_eq!(first.0["caller_number"], "+15551230001");
        asks.left_message().await;
        asks.over().await;
        assert_eq!(asks.post("/twilio/voicemail", &[]).await, [Verb::Hangup]);
        assert_eq!(row(&house.pool, &sid).await.unwrap().0, first.0, "told once is enough");
    }
}

#[tokio::test]
async fn a_message_counts_more_than_that_the_call_is_over() {
    let (house, sid, _) = refused(json!({"kind": "voicemail"})).await;
    let asks = Asks { house: &house, sid: &sid };
    asks.over().await;
    assert_eq!(house.row(&sid).await.end(), ("no-answer", "caller"));
    asks.left_message().await;
    let row = asks.becomes("voicemail").await;
    assert_eq!(row.metadata()["voicemail"]["seconds"], 12);
}

#[tokio::test]
async fn a_caller_who_says_nothing_after_the_tone_had_nobody() {
    let (house, sid, _) = refused(json!({"kind": "voicemail"})).await;
    let asks = Asks { house: &house, sid: &sid };
    let nothing = [("CallStatus", "in-progress")];
    assert_eq!(asks.post("/twilio/voicemail", &nothing).await, [Verb::Hangup]);
    let row = house.row(&sid).await;
    assert_eq!((row.end(), &row.metadata()["voicemail"]), (("no-answer", "agent"), &Value::Null));
}

#[tokio::test]
async fn a_call_whose_engine_is_lost_goes_to_the_voicemail_with_what_was_said() {
    let house = house(json!({"fallback": {"kind": "voicemail", "message": FALLBACK}})).await;
    let sid = random_sid("CA");
    let media = Media::open(&stream_url(&house.ring(&sid).await), &sid).await;
    let asks = Asks { house: &house, sid: &sid };
    asks.heard(GREETING).await;
    house.speech.command(Fault::RefuseConnects { status: 401 });
    house.speech.command(Fault::DropSockets);
    media.closed().await;
    let answer = asks.post("/twilio/after", &[("CallStatus", "in-progress")]).await;
    assert_eq!(recorded(&answer).0, FALLBACK);
    asks.left_message().await;
    let row = house.row(asks.sid).await;
    assert_eq!(row.end(), ("voicemail", "caller"));
    assert_eq!(row.lines(), [format!("Agent: {GREETING}")]);
}

#[tokio::test]
async fn the_line_of_a_caller_who_is_out_is_free_for_the_next() {
    let house = house(json!({"limits": {"concurrent_calls": 1}})).await;
    let sid = put_through(&house).await;
    Asks { house: &house, sid: &sid }.is_out().await;
    stream_url(&house.ring(&random_sid("CA")).await);
}

#[tokio::test]
async fn what_is_asked_of_a_call_that_is_out_is_signed_too() {
    let house = house(json!({})).await;
    let form = voice("CA00000000000000000000000000000001", NUMBER);
    for path in ["/twilio/dial", "/twilio/voicemail"] {
        for token in [None, Some("another key")] {
            let (status, body) = house.post(path, &form, token).await;
            assert_eq!((status, body.as_str()), (403, ""), "{path}");
        }
    }
    assert_eq!(house.rows().await, 0);
}

#[tokio::test]
async fn a_message_left_while_the_database_is_away_is_kept() {
    let fallback = json!({"fallback": {"kind": "voicemail"}});
    let house = House::open(Plan { is_wired: true, ..plan(fallback) }).await;
    house.change(r#"update voice_agents set "unAvailable" = true"#).await;
    let sid = random_sid("CA");
    recorded(&house.ring(&sid).await);
    let asks = Asks { house: &house, sid: &sid };
    asks.is_out().await;
    house.wire.as_ref().unwrap().set(Wire::Cut);
    asks.left_message().await;
    assert_eq!(row(&house.pool, &sid).await.unwrap().0["status"], "in-progress");
    house.wire.as_ref().unwrap().set(Wire::Joined);
    let row = asks.becomes("voicemail").await;
    assert_eq!(row.metadata()["voicemail"]["recording_url"], RECORDING);
}

#[tokio::test]
async fn a_caller_whom_nobody_answered_while_the_database_is_away_comes_back_to_the_agent() {
    let house = House::open(Plan { is_wired: true, ..plan(json!({})) }).await;
    let sid = put_through(&house).await;
    let asks = Asks { house: &house, sid: &sid };
    asks.is_out().await;
    house.wire.as_ref().unwrap().set(Wire::Cut);
    let media = Media::open(&stream_url(&asks.dial("no-answer").await), &sid).await;
    house.wire.as_ref().unwrap().set(Wire::Joined);
    asks.heard(SORRY).await;
    asks.over().await;
    drop(media);
    let row = house.row_within(&sid, DEADLINE).await;
    assert_eq!((row.end(), row.lines().len()), (("completed", "caller"), 4));
    assert_eq!(house.rows().await, 1);
}

#[tokio::test]
async fn a_caller_whom_nobody_answered_and_whom_nobody_remembers_hears_the_fallback() {
    let house = House::open(Plan { is_wired: true, ..plan(json!({})) }).await;
    let sid = put_through(&house).await;
    let asks = Asks { house: &house, sid: &sid };
    asks.is_out().await;
    house.app.services.registry.kept.take(house.agent, &sid);
    house.wire.as_ref().unwrap().set(Wire::Cut);
    assert_eq!(said(&asks.dial("no-answer").await), FALLBACK);
    house.wire.as_ref().unwrap().set(Wire::Joined);
    assert_eq!(asks.becomes("no-answer").await.end(), ("no-answer", "agent"));
}

#[tokio::test]
async fn a_caller_is_put_through_also_while_the_database_is_away() {
    let house = House::open(Plan { is_wired: true, ..plan(json!({})) }).await;
    house.call(vec![Step::wait_for_agent(), Step::HangUp]).await;
    house.wire.as_ref().unwrap().set(Wire::Cut);
    let call = house.place(house.options(), vec![Step::wait_for_agent(), say(0)]).ended().await;
    assert_eq!((call.errors, call.dialled.len()), (vec![], 1));
    house.emptied().await;
    house.wire.as_ref().unwrap().set(Wire::Joined);
    let row = house.row_within(&call.call_sid, DEADLINE).await;
    assert_eq!((row.end(), row.lines().len()), (("transferred", "agent"), 3));
}
