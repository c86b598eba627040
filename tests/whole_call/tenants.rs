//! Two tenants on one server: who has credentials of their own and signs with them as they should
//! acts on no call of another, whatever CallSid they name, wherever the call is.

use frontdesk::app::App;
use frontdesk::rehearsal::phone::twiml_reader;
use frontdesk::rehearsal::phone::{PhoneEventKind, Step, random_sid};
use frontdesk::rehearsal::speech::SpeechOptions;
use frontdesk::rehearsal::speech::script::FunctionCall;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{
    ACCOUNT, DEADLINE, GREETING, House, NUMBER, Placed, Plan, add_agent, row, say, script,
    stream_url, turn, until,
};
use crate::proxy::Wire;
use crate::stream::{Media, refused, reminted};

/// The victim's token, and the attacker's.
const OWN: &str = "the-token-of-the-one-whose-call-it-is";
const OTHERS: &str = "the-token-of-another-tenant";
/// The attacker's number.
const OTHER_NUMBER: &str = "+15559870077";
const SALES: &str = "+15550003333";
const RECORDING: &str = "https://example.com/not-what-the-caller-said";
/// All of Twilio's questions about a call that was announced before.
const ROUTES: [&str; 5] = [
    "/twilio/after",
    "/twilio/dial",
    "/twilio/voicemail",
    "/twilio/status",
    "/twilio/stream-status",
];

/// A house with two agents that have credentials of their own. Gives the second one, too. The first
/// one puts whoever speaks through to sales.
async fn two_tenants(is_wired: bool) -> (House, Uuid) {
    let arguments = json!({"target": "sales"});
    let call = FunctionCall { name: "transfer_call".to_owned(), arguments };
    let turns = vec![frontdesk::rehearsal::speech::script::Turn {
        functions: vec![call],
        ..turn("Sales, please.", "")
    }];
    let speech = SpeechOptions { script: script(turns), ..SpeechOptions::default() };
    let settings = json!({"transfer": {"targets": {"sales": SALES}}});
    let house = House::open(Plan { speech, settings, is_wired, ..Plan::default() }).await;
    let other = add_agent(&house.pool, OTHER_NUMBER, json!({})).await;
    for (agent, token) in [(house.agent, OWN), (other, OTHERS)] {
        let credentials = json!({"account_sid": random_sid("AC"), "auth_token": token});
        sqlx::query("update voice_agents set twilio_credentials = $2 where id = $1")
            .bind(agent)
            .bind(credentials)
            .execute(&house.pool)
            .await
            .unwrap();
    }
    house.app.directory.refresh(None, None).await;
    (house, other)
}

/// Places a call to the first agent and waits until it has spoken.
async fn live(house: &House, steps: Vec<Step>) -> Placed {
    let mut options = house.options();
    options.auth_token = Some(OWN.to_owned().into());
    let mut call = house.place(options, steps);
    call.saw(|kind| *kind == PhoneEventKind::AgentEnded).await;
    call
}

/// Posts a form about a call, as whoever has `number` and `token`.
pub(crate) async fn post(
    house: &House,
    app: &App,
    path: &str,
    (sid, number, token): (&str, &str, &str),
    fields: &[(&str, &str)],
) -> (u16, String) {
    let call = [("CallSid", sid), ("To", number), ("From", "+15551230001")];
    let fields = [&call[..], fields].concat();
    // All answers of one attacker under one idempotency token, which is not signed.
    let headers = [("i-twilio-idempotency-token", "the same")];
    house.post_with(&app.public_url.join(path), &fields, Some(token), &headers).await
}

/// All that can be said of a call on its way.
const SAID: [&[(&str, &str)]; 3] = [
    &[("CallStatus", "in-progress"), ("StreamEvent", "stream-error"), ("StreamError", "31920")],
    &[("CallStatus", "in-progress"), ("DialCallStatus", "busy")],
    &[
        ("CallStatus", "completed"),
        ("DialCallStatus", "completed"),
        ("RecordingUrl", RECORDING),
        ("RecordingDuration", "12"),
    ],
];

/// What is kept of a call that nobody may change: its row and its events.
async fn kept(house: &House, sid: &str) -> (Value, Value) {
    let events = sqlx::query_scalar(
        "select coalesce(jsonb_agg(to_jsonb(e) order by e.epoch, e.seq), '[]') from call_events e
         join call_logs l on l.id = e.call_log_id where l.call_sid = $1",
    );
    let events = events.bind(sid).fetch_one(&house.pool).await.unwrap();
    (row(&house.pool, sid).await.unwrap().0, events)
}

/// The attacker says all of it on all routes; each is refused as if it were not signed.
async fn says_everything(house: &House, app: &App, sid: &str) {
    let attacker = (sid, OTHER_NUMBER, OTHERS);
    for fields in SAID {
        for path in ROUTES {
            let (status, body) = post(house, app, path, attacker, fields).await;
            assert_eq!((status, body.as_str()), (403, ""), "{path} {fields:?}");
        }
    }
    for status in ["ringing", "in-progress", "ringing"] {
        let fields = [("CallStatus", status)];
        let (status, body) = post(house, app, "/twilio/voice", attacker, &fields).await;
        assert_eq!((status, body.as_str()), (403, ""));
    }
}

#[tokio::test]
async fn a_live_call_is_out_of_another_tenant_s_reach_here_and_at_a_neighbour() {
    let (house, _) = two_tenants(false).await;
    let neighbour = house.neighbour().await;
    let call = live(&house, vec![]).await;
    house.kinds(&call.sid, "agent_said").await;
    let before = kept(&house, &call.sid).await;
    for app in [&house.app, &neighbour] {
        says_everything(&house, app, &call.sid).await;
    }
    assert_eq!(kept(&house, &call.sid).await, before);
    assert_eq!((house.app.services.registry.live(), neighbour.services.registry.live()), (1, 0));
    assert_eq!(house.speech.observer().counts().opened, 1, "no engine is dialled for it");

    // It goes on, and ends when its own agent's token says so.
    let victim = (call.sid.as_str(), NUMBER, OWN);
    let over = [("CallStatus", "completed")];
    let (status, _) = post(&house, &neighbour, "/twilio/after", victim, &over).await;
    assert_eq!(status, 200);
    let (status, _) = post(&house, &house.app, "/twilio/status", victim, &over).await;
    assert_eq!(status, 204);
    let row = house.row(&call.sid).await;
    assert_eq!((row.end(), row.lines()), (("completed", "caller"), vec!["Agent: Good day."]));
    assert_eq!(house.rows().await, 1);
    call.freeze();
}

#[tokio::test]
async fn a_call_that_is_out_is_out_of_another_tenant_s_reach() {
    let (house, _) = two_tenants(false).await;
    let neighbour = house.neighbour().await;
    let mut call = live(&house, vec![Step::wait_for_agent(), say(0)]).await;
    call.saw(|kind| matches!(kind, PhoneEventKind::Dialling { .. })).await;
    let sid = call.sid.clone();
    call.freeze();
    let out = || async {
        let row = row(&house.pool, &sid).await?;
        (!row.0["out_until"].is_null()).then_some(())
    };
    until("out", DEADLINE, out).await;
    let before = kept(&house, &sid).await;
    for app in [&neighbour, &house.app] {
        says_everything(&house, app, &sid).await;
    }
    assert_eq!(kept(&house, &sid).await, before);

    // Nobody answered: the caller is back, at either process, and nothing of the two returns is spent.
    let victim = (sid.as_str(), NUMBER, OWN);
    let busy = [("CallStatus", "in-progress"), ("DialCallStatus", "busy")];
    let (status, body) = post(&house, &neighbour, "/twilio/dial", victim, &busy).await;
    assert_eq!(status, 200);
    Media::open(&stream_url(&twiml_reader::parse(&body).unwrap()), &sid).await;
    assert_eq!(row(&house.pool, &sid).await.unwrap().0["stream_returns"], 1);
    assert_eq!(neighbour.services.registry.live(), 1);
}

#[tokio::test]
async fn an_ended_call_is_out_of_another_tenant_s_reach() {
    let (house, _) = two_tenants(false).await;
    let neighbour = house.neighbour().await;
    let mut options = house.options();
    options.auth_token = Some(OWN.to_owned().into());
    let sid =
        house.place(options, vec![Step::wait_for_agent(), Step::HangUp]).ended().await.call_sid;
    let before = house.row(&sid).await;
    for app in [&house.app, &neighbour] {
        says_everything(&house, app, &sid).await;
    }
    assert_eq!(house.row(&sid).await.as_ended(), before.as_ended());
}

#[tokio::test]
async fn a_stream_token_of_another_agent_opens_no_stream_of_the_call() {
    let (house, other) = two_tenants(false).await;
    let neighbour = house.neighbour().await;
    let sid = random_sid("CA");
    let ring = [("CallStatus", "ringing")];
    let victim = (sid.as_str(), NUMBER, OWN);
    let (_, body) = post(&house, &house.app, "/twilio/voice", victim, &ring).await;
    let url = stream_url(&twiml_reader::parse(&body).unwrap());
    // Even one who knows the nonce.
    let theirs = reminted(&url, OTHERS, |claims| claims.agent_id = other);
    let mixed = reminted(&url, OTHERS, |_| {});
    let at = |url: &str| {
        let (_, token) = url.rsplit_once('/').unwrap();
        neighbour.public_url.join_websocket(&format!("/twilio/stream/{token}"))
    };
    for url in [at(&theirs), theirs, at(&mixed), mixed] {
        assert_eq!(refused(&url).await, 403, "{url}");
    }
    Media::open(&url, &sid).await.heard("media").await;
    assert_eq!((house.app.services.registry.live(), neighbour.services.registry.live()), (1, 0));
}

#[tokio::test]
async fn while_the_database_is_away_a_call_is_out_of_another_tenant_s_reach() {
    let (house, _) = two_tenants(true).await;
    let call = live(&house, vec![]).await;
    house.kinds(&call.sid, "agent_said").await;
    let before = kept(&house, &call.sid).await;
    let wire = house.wire.as_ref().unwrap();
    wire.set(Wire::Cut);
    let away = || async { (!house.app.services.log.is_database_up()).then_some(()) };
    until("the database is away", DEADLINE, away).await;
    // The database does not say whose call it is; its task does.
    says_everything(&house, &house.app, &call.sid).await;
    assert_eq!(house.app.services.registry.live(), 1);
    let goes_on = [("CallStatus", "in-progress")];
    let victim = (call.sid.as_str(), NUMBER, OWN);
    assert_eq!(post(&house, &house.app, "/twilio/stream-status", victim, &goes_on).await.0, 204);
    let own = house.app.services.registry.find(house.agent, &call.sid);
    assert_eq!(own.expect("the call goes on").agent.id, house.agent);

    wire.set(Wire::Joined);
    let told = || async {
        let health = house.app.services.log.health();
        (health.database_up && health.spool_bytes == 0).then_some(())
    };
    until("the spool is told", DEADLINE, told).await;
    assert_eq!(kept(&house, &call.sid).await, before);
    assert_eq!(house.rows().await, 1, "a CallSid has one row");
    let victim = (call.sid.as_str(), NUMBER, OWN);
    let over = [("CallStatus", "completed")];
    assert_eq!(post(&house, &house.app, "/twilio/status", victim, &over).await.0, 204);
    let row = house.row_within(&call.sid, DEADLINE).await;
    assert_eq!((row.end(), row.lines()), (("completed", "caller"), vec!["Agent: Good day."]));
    call.freeze();
}

/// Cuts the line to the database, and waits until the server has noticed.
async fn cut(house: &House) {
    house.wire.as_ref().unwrap().set(Wire::Cut);
    let away = || async { (!house.app.services.log.is_database_up()).then_some(()) };
    until("the database is away", DEADLINE, away).await;
}

#[tokio::test]
async fn while_the_database_is_away_an_ended_call_is_out_of_another_tenant_s_reach() {
    let (house, _) = two_tenants(true).await;
    let mut options = house.options();
    options.auth_token = Some(OWN.to_owned().into());
    let sid =
        house.place(options, vec![Step::wait_for_agent(), Step::HangUp]).ended().await.call_sid;
    house.row(&sid).await;
    cut(&house).await;
    says_everything(&house, &house.app, &sid).await;
    assert_eq!(house.app.services.registry.live(), 0);
    let victim = (sid.as_str(), NUMBER, OWN);
    for (path, status) in [("/twilio/voice", 200), ("/twilio/after", 200), ("/twilio/status", 204)]
    {
        let over = [("CallStatus", "completed")];
        assert_eq!(post(&house, &house.app, path, victim, &over).await.0, status, "{path}");
    }
}

#[tokio::test]
async fn while_the_database_is_away_a_call_that_is_out_is_out_of_another_tenant_s_reach() {
    let (house, _) = two_tenants(true).await;
    let mut call = live(&house, vec![Step::wait_for_agent(), say(0)]).await;
    call.saw(|kind| matches!(kind, PhoneEventKind::Dialling { .. })).await;
    let sid = call.sid.clone();
    call.freeze();
    house.emptied().await;
    cut(&house).await;
    says_everything(&house, &house.app, &sid).await;
    assert_eq!(house.app.services.registry.live(), 0);
    // It is still remembered for its own agent.
    let busy = [("CallStatus", "in-progress"), ("DialCallStatus", "busy")];
    let (_, body) = post(&house, &house.app, "/twilio/dial", (&sid, NUMBER, OWN), &busy).await;
    stream_url(&twiml_reader::parse(&body).unwrap());
}

#[tokio::test]
async fn while_the_database_is_away_a_refused_call_is_out_of_another_tenant_s_reach() {
    let (house, _) = two_tenants(true).await;
    let refuses = format!(
        "update voice_agents set status = 'inactive', private_settings = private_settings
            || '{{\"fallback\": {{\"kind\": \"voicemail\"}}}}' where id = '{}'",
        house.agent
    );
    house.change(&refuses).await;
    cut(&house).await;
    let sid = random_sid("CA");
    let ring = [("CallStatus", "ringing")];
    let (status, body) =
        post(&house, &house.app, "/twilio/voice", (&sid, NUMBER, OWN), &ring).await;
    assert!(status == 200 && body.contains("<Record"), "{status} {body}");
    says_everything(&house, &house.app, &sid).await;
    assert_eq!(house.app.services.registry.live(), 0);
}

#[tokio::test]
async fn a_caller_who_is_out_is_remembered_for_their_own_agent_only() {
    let (house, _) = two_tenants(true).await;
    let mut call = live(&house, vec![Step::wait_for_agent(), say(0)]).await;
    call.saw(|kind| matches!(kind, PhoneEventKind::Dialling { .. })).await;
    let sid = call.sid.clone();
    call.freeze();
    house.emptied().await;
    house.wire.as_ref().unwrap().set(Wire::Cut);
    let away = || async { (!house.app.services.log.is_database_up()).then_some(()) };
    until("the database is away", DEADLINE, away).await;
    let busy = [("CallStatus", "in-progress"), ("DialCallStatus", "busy")];
    let attacker = (sid.as_str(), OTHER_NUMBER, OTHERS);
    let (_, body) = post(&house, &house.app, "/twilio/dial", attacker, &busy).await;
    assert!(!body.contains("<Connect"), "{body}");
    let victim = (sid.as_str(), NUMBER, OWN);
    let (_, body) = post(&house, &house.app, "/twilio/dial", victim, &busy).await;
    stream_url(&twiml_reader::parse(&body).unwrap());
}

#[tokio::test]
async fn a_call_stays_its_agent_s_when_the_number_becomes_another_s() {
    let (house, other) = two_tenants(false).await;
    let neighbour = house.neighbour().await;
    let call = live(&house, vec![]).await;
    house.kinds(&call.sid, "agent_said").await;
    house.sql("update voice_agents set twilio_phone_number = null").await;
    let moved =
        format!("update voice_agents set twilio_phone_number = '{NUMBER}' where id = '{other}'");
    house.change(&moved).await;
    neighbour.directory.refresh(None, None).await;
    let (victim, attacker) =
        ((call.sid.as_str(), NUMBER, OWN), (call.sid.as_str(), NUMBER, OTHERS));
    let goes_on = [("CallStatus", "in-progress")];
    for app in [&house.app, &neighbour] {
        for path in ROUTES {
            assert_eq!(post(&house, app, path, attacker, &goes_on).await.0, 403, "{path}");
        }
        assert_eq!(post(&house, app, "/twilio/voice", attacker, &goes_on).await.0, 403);
        let (status, body) = post(&house, app, "/twilio/voice", victim, &goes_on).await;
        assert!(status == 200 && body.contains("<Connect"), "{status} {body}");
        assert_eq!(post(&house, app, "/twilio/stream-status", victim, &goes_on).await.0, 204);
    }
    let (status, body) = post(&house, &neighbour, "/twilio/after", victim, &goes_on).await;
    assert_eq!(status, 200);
    assert!(body.contains("<Connect"), "{body}");
    let over = [("CallStatus", "completed")];
    assert_eq!(post(&house, &neighbour, "/twilio/status", victim, &over).await.0, 204);
    let row = house.row_within(&call.sid, DEADLINE).await;
    assert_eq!(row.lines().first(), Some(&format!("Agent: {GREETING}").as_str()));
    assert_eq!(row.0["voice_agent_id"], json!(house.agent));
    call.freeze();
}

#[tokio::test]
async fn who_writes_another_s_number_keeps_its_callers_from_no_fallback() {
    let (house, other) = two_tenants(false).await;
    let off = format!("update voice_agents set status = 'inactive' where id = '{}'", house.agent);
    house.change(&off).await;
    let taken =
        format!("update voice_agents set twilio_phone_number = '{NUMBER}' where id = '{other}'");
    house.change(&taken).await;
    let rings = [("CallStatus", "ringing")];
    let sid = |n: u32| format!("CA{n:032x}");
    let voice = "/twilio/voice";
    let (status, body) = post(&house, &house.app, voice, (&sid(1), NUMBER, OWN), &rings).await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("Please call again tomorrow."), "its own fallback: {body}");
    let (status, body) = post(&house, &house.app, voice, (&sid(2), NUMBER, OTHERS), &rings).await;
    assert!(status == 200 && body.contains("<Connect"), "{status} {body}");
    let (status, _) = post(&house, &house.app, voice, (&sid(3), NUMBER, "nobody's"), &rings).await;
    assert_eq!(status, 403);
}

#[tokio::test]
async fn what_is_no_call_sid_is_refused_on_every_route() {
    let (house, _) = two_tenants(false).await;
    let hex = "0123456789abcdef0123456789abcdef";
    for sid in ["CA1", &hex[2..], &format!("CA{hex}0"), &format!("FT{hex}"), &format!("CA{hex}\n")]
    {
        for path in ROUTES.into_iter().chain(["/twilio/voice"]) {
            let fields = [("CallStatus", "in-progress")];
            let (status, body) = post(&house, &house.app, path, (sid, NUMBER, OWN), &fields).await;
            assert_eq!(status, 400, "{path} {sid:?}: {body}");
        }
    }
    assert_eq!(house.rows().await, 0);
}

#[tokio::test]
async fn answers_are_kept_for_each_agent_by_itself() {
    let (house, _) = two_tenants(true).await;
    let call = live(&house, vec![]).await;
    house.wire.as_ref().unwrap().set(Wire::Cut);
    let away = || async { (!house.app.services.log.is_database_up()).then_some(()) };
    until("the database is away", DEADLINE, away).await;
    let lost = [("CallStatus", "in-progress")];
    let victim = (call.sid.as_str(), NUMBER, OWN);
    let (_, body) = post(&house, &house.app, "/twilio/after", victim, &lost).await;
    stream_url(&twiml_reader::parse(&body).unwrap());
    let attacker = (call.sid.as_str(), OTHER_NUMBER, OTHERS);
    let answer = post(&house, &house.app, "/twilio/after", attacker, &lost).await;
    assert_eq!(answer, (403, String::new()));
    call.freeze();
}

/// A call of the first agent's whose caller left a message; gives what is kept of it.
async fn message(house: &House, sid: &str, recording: &str) -> Value {
    let (call, after) = ((sid, NUMBER, OWN), [("CallStatus", "in-progress")]);
    let rings = [("CallStatus", "ringing")];
    assert_eq!(post(house, &house.app, "/twilio/voice", call, &rings).await.0, 200);
    // The stream never comes: Twilio asks, until the caller is with the fallback.
    for _ in 0..3 {
        assert_eq!(post(house, &house.app, "/twilio/after", call, &after).await.0, 200);
    }
    let left =
        [("CallStatus", "completed"), ("RecordingUrl", recording), ("RecordingDuration", "9")];
    assert_eq!(post(house, &house.app, "/twilio/voicemail", call, &left).await.0, 200);
    let kept = || async {
        let row = row(&house.pool, sid).await.filter(|row| row.0["status"] == "voicemail")?;
        Some(row.metadata()["voicemail"].clone())
    };
    until("the message is in the row", DEADLINE, kept).await
}

#[tokio::test]
async fn nobody_makes_another_account_s_message_their_own() {
    let (house, other) = two_tenants(false).await;
    let own = "select twilio_credentials ->> 'account_sid' from voice_agents where id = $1";
    let account = async |agent: Uuid| -> String {
        sqlx::query_scalar(own).bind(agent).fetch_one(&house.pool).await.unwrap()
    };
    let place = |account: &str| {
        format!("https://api.twilio.com/2010-04-01/Accounts/{account}/Recordings/{}", "RE0")
    };
    let ours = place(&account(house.agent).await);
    let kept = message(&house, &random_sid("CA"), &ours).await;
    assert_eq!(kept, json!({"recording_url": ours, "seconds": 9, "own_account": true}));
    // Where another account's message is stays in the row too: the agent's own may have been written down
    // wrongly, and mended later. Only that account is asked for it.
    for anothers in [ACCOUNT.to_owned(), account(other).await] {
        let place = place(&anothers);
        let kept = message(&house, &random_sid("CA"), &place).await;
        let expected = json!({"recording_url": place, "seconds": 9, "own_account": true});
        assert_eq!(kept, expected, "{anothers}");
    }
}
