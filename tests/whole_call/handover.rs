//! A server that goes down, and another behind the same address: calls go on there.

use std::sync::Arc;

use frontdesk::app::App;
use frontdesk::audio::mulaw::SILENCE;
use frontdesk::rehearsal::phone::twiml_reader::{self, Verb};
use frontdesk::rehearsal::phone::{Ended, PhoneEventKind, Sample, Step, random_sid};
use frontdesk::rehearsal::speech::SpeechOptions;
use frontdesk::rehearsal::speech::script::Turn;
use frontdesk::twilio::signature;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::balancer::Balancer;
use crate::booking::{act, call};
use crate::harness::{
    DEADLINE, FALLBACK, GREETING, House, NUMBER, Placed, Plan, TOKEN, ms, row, say, script,
    stream_url, turn, until,
};
use crate::proxy::Wire;
use crate::stream::{Media, refused, reminted};

const LOST: &str = "Agent: Sorry, the line was lost for a moment. Where were we?";
const GOODBYE: &str = "Agent: Thank you for calling. Goodbye!";
/// The agent's own account, which Twilio does not know.
const OWN: &str = r#"{"account_sid":"AC00000000000000000000000000000002","auth_token":"its-own"}"#;

fn turns() -> Vec<Turn> {
    vec![turn("Are you open?", "Yes.")]
}

/// Waits for the agent across a move.
fn patiently() -> Step {
    Step::WaitForAgent { quiet: ms(700), limit: ms(90_000) }
}

/// The caller has heard the agent, and says without a sound that they wait for what comes.
fn ready() -> Step {
    Step::Say(Sample::new("ready", &[SILENCE; 160]))
}

async fn is_ready(call: &mut Placed) {
    let name = "ready".to_owned();
    call.saw(|kind| *kind == PhoneEventKind::CallerSpoke { name: name.clone() }).await;
}

/// A house and its neighbour behind a balancer that has everything go to the house.
async fn pair(balancer: &Balancer) -> (House, App) {
    pair_with(balancer, Vec::new()).await
}

/// The same where a host can send requests from machine to machine.
async fn machines(balancer: &Balancer) -> (House, App) {
    pair_with(balancer, vec![("FLY_MACHINE_ID", "machine1".to_owned())]).await
}

async fn pair_with(balancer: &Balancer, more: Vec<(&'static str, String)>) -> (House, App) {
    paired(balancer, more, turns(), Plan::default().speed).await
}

async fn paired(
    balancer: &Balancer,
    more: Vec<(&'static str, String)>,
    turns: Vec<Turn>,
    speed: u32,
) -> (House, App) {
    let speech = SpeechOptions { script: script(turns), ..SpeechOptions::default() };
    let environment = [vec![("PUBLIC_URL", balancer.url())], more].concat();
    paired_as(balancer, Plan { speech, environment, speed, ..Plan::default() }).await
}

async fn paired_as(balancer: &Balancer, plan: Plan) -> (House, App) {
    let mut house = House::open(plan).await;
    // Each question on a connection of its own, as a balancer has them.
    house.http = frontdesk::tls::http_client().pool_max_idle_per_host(0).build().unwrap();
    let neighbour = house.neighbour().await;
    balancer.to(&[house.app.address]);
    let both = || async {
        let alive: i64 = sqlx::query_scalar("select count(*) from frontdesk_instances")
            .fetch_one(&house.pool)
            .await
            .unwrap();
        (alive == 2).then_some(())
    };
    until("signs of life", DEADLINE, both).await;
    (house, neighbour)
}

/// The house's server goes down; the neighbour takes its place.
async fn goes_down(house: &mut House, neighbour: App) {
    let app = std::mem::replace(&mut house.app, neighbour);
    app.shut_down(std::future::pending()).await;
}

#[tokio::test]
async fn a_call_goes_on_at_the_neighbour_when_its_server_goes_down() {
    let balancer = Balancer::start().await;
    let (mut house, neighbour) = pair(&balancer).await;
    let steps = vec![
        Step::wait_for_agent(),
        say(0),
        Step::wait_for_agent(),
        ready(),
        patiently(),
        say(1),
        Step::wait_for_agent(),
        Step::HangUp,
    ];
    let mut call = house.place(house.options(), steps);
    is_ready(&mut call).await;
    balancer.to(&[neighbour.address]);
    goes_down(&mut house, neighbour).await;
    let call = call.ended().await;

    assert_eq!((call.errors, call.said, call.ended), (vec![], vec![], Ended::Caller));
    let row = house.row(&call.call_sid).await;
    assert_eq!(row.end(), ("completed", "caller"));
    let agent = format!("Agent: {GREETING}");
    let exchange = ["Caller: Are you open?", "Agent: Yes."];
    // The new session's script begins anew.
    let lines = [&[agent.as_str()], &exchange[..], &[LOST], &exchange[..]].concat();
    assert_eq!(row.lines(), lines);
    assert_eq!(row.metadata()["stream_sids"].as_array().unwrap().len(), 2);
    assert_eq!(
        (house.rows().await, &row.0["stream_returns"]),
        (1, &json!(0)),
        "no return is spent"
    );
    let told = house.speech.observer().received("conversation.item.create");
    let told: Vec<_> = told.iter().filter(|received| received.session == 2).collect();
    let said: Vec<_> = told.iter().map(|told| &told.event["item"]["content"][0]["text"]).collect();
    assert_eq!(said, [GREETING, "Are you open?", "Yes."]);
}

#[tokio::test]
async fn what_is_being_carried_out_is_waited_for_before_a_call_is_moved() {
    let (asked, answers) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, may) = (Arc::clone(&asked), Arc::clone(&answers));
    let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = service.local_addr().unwrap().port();
    let slow = move || {
        tell.notify_one();
        let may = Arc::clone(&may);
        async move {
            may.notified().await;
            json!({"ordered": true}).to_string()
        }
    };
    let router = axum::Router::new().fallback(slow);
    frontdesk::clock::spawn(async move { axum::serve(service, router).await });
    let balancer = Balancer::start().await;
    let allowed = vec![("ALLOW_PRIVATE_TOOL_URLS", format!("127.0.0.1:{port}"))];
    let order = act("Order it.", vec![call("order", json!({}))], "It is ordered.");
    let (mut house, neighbour) = paired(&balancer, allowed, vec![order], 2).await;
    let data = json!({"method": "POST", "url": format!("http://127.0.0.1:{port}/")});
    house
        .change(&format!(
            "insert into functions (assistant_id, name, purpose, type, data)
            values ('{}', 'order', 'Orders it.', 'json_api', '{data}')",
            house.agent
        ))
        .await;
    let steps =
        vec![Step::wait_for_agent(), say(0), patiently(), Step::wait_for_agent(), Step::HangUp];
    let call = house.place(house.options(), steps);
    asked.notified().await;
    balancer.to(&[neighbour.address]);
    // It answers when a quiet moment is not waited for any longer, and functions are.
    let (clock, pool) = (house.clock, house.pool.clone());
    let answering = async {
        let drains = || async {
            let sql = "select 1 from frontdesk_instances where draining";
            sqlx::query_scalar::<_, i32>(sql).fetch_optional(&pool).await.unwrap()
        };
        until("a server that goes down", DEADLINE, drains).await;
        let due = clock.now() + ms(4_000);
        until("the last moment for quiet", DEADLINE, || async {
            (clock.now() > due).then_some(())
        })
        .await;
        answers.notify_one();
    };
    tokio::join!(goes_down(&mut house, neighbour), answering);
    let call = call.ended().await;

    assert_eq!((call.errors, call.ended), (vec![], Ended::Caller));
    let row = house.row(&call.call_sid).await;
    assert_eq!(row.metadata()["stream_sids"].as_array().unwrap().len(), 2);
    let functions = row.metadata()["functions"].as_array().unwrap();
    assert_eq!((functions.len(), &functions[0]["ok"]), (1, &json!(true)), "{functions:?}");
    assert_eq!(functions[0]["result"]["result"]["ordered"], true, "{functions:?}");
}

#[tokio::test]
async fn a_call_is_moved_when_the_database_is_back() {
    for away in [Wire::Stalled, Wire::Cut] {
        let balancer = Balancer::start().await;
        let speech = SpeechOptions { script: script(turns()), ..SpeechOptions::default() };
        let environment = vec![("PUBLIC_URL", balancer.url())];
        let plan = Plan { speech, environment, is_wired: true, ..Plan::default() };
        let (mut house, neighbour) = paired_as(&balancer, plan).await;
        let steps = vec![Step::wait_for_agent(), ready(), patiently(), Step::HangUp];
        let mut call = house.place(house.options(), steps);
        is_ready(&mut call).await;
        balancer.to(&[neighbour.address]);
        let wire = house.wire.take().unwrap();
        wire.set(away);
        // Longer than one answer is waited for.
        let outage = async {
            frontdesk::clock::pause(ms(3_000)).await;
            wire.set(Wire::Joined);
        };
        tokio::join!(goes_down(&mut house, neighbour), outage);
        let call = call.ended().await;

        assert_eq!((call.errors, call.said, call.ended), (vec![], vec![], Ended::Caller));
        let row = house.row(&call.call_sid).await;
        assert_eq!((row.end(), row.lines().last()), (("completed", "caller"), Some(&LOST)));
        assert_eq!(row.0["stream_returns"], 0, "no return is spent, {away:?}");
    }
}

#[tokio::test]
async fn a_neighbour_that_gave_no_sign_for_a_while_is_waited_for() {
    let balancer = Balancer::start().await;
    let (mut house, neighbour) = pair(&balancer).await;
    let steps = vec![Step::wait_for_agent(), ready(), patiently(), Step::HangUp];
    let mut call = house.place(house.options(), steps);
    is_ready(&mut call).await;
    balancer.to(&[neighbour.address]);
    // As after an outage of the database.
    house.sql("update frontdesk_instances set beat_at = beat_at - interval '1 minute'").await;
    goes_down(&mut house, neighbour).await;
    let call = call.ended().await;

    assert_eq!((call.errors, call.ended), (vec![], Ended::Caller));
    let row = house.row(&call.call_sid).await;
    assert_eq!((row.end(), row.lines().last()), (("completed", "caller"), Some(&LOST)));
}

#[tokio::test]
async fn a_caller_who_hangs_up_while_their_call_is_to_be_moved_has_left() {
    let balancer = Balancer::start().await;
    let words_delay = ms(3_900);
    let speech = SpeechOptions { words_delay, script: script(turns()), ..SpeechOptions::default() };
    let environment = vec![("PUBLIC_URL", balancer.url())];
    let plan = Plan { speech, environment, speed: 1, ..Plan::default() };
    let (mut house, neighbour) = paired_as(&balancer, plan).await;
    // Words are waited for, so that the moment is not quiet; the caller is gone before that is not
    // waited for any more, and their words come after it.
    let (said, waits) = (Step::Wait(ms(800)), Step::Wait(ms(2_000)));
    let steps = vec![Step::wait_for_agent(), say(0), said, ready(), waits, Step::HangUp];
    let mut call = house.place(house.options(), steps);
    is_ready(&mut call).await;
    balancer.to(&[neighbour.address]);
    goes_down(&mut house, neighbour).await;
    let call = call.ended().await;

    assert_eq!((call.errors, call.ended), (vec![], Ended::Caller));
    let row = house.row(&call.call_sid).await;
    assert_eq!(row.end(), ("completed", "caller"));
    assert!(row.lines().contains(&"Caller: Are you open?"), "{:?}", row.lines());
}

#[tokio::test]
async fn a_balancer_that_still_asks_the_server_that_goes_down_is_told_to_ask_again() {
    let balancer = Balancer::slow().await;
    let (mut house, neighbour) = pair(&balancer).await;
    let mut options = house.options();
    // Each question on a connection of its own, as a balancer has them.
    options.http = frontdesk::tls::http_client().pool_max_idle_per_host(0).build().unwrap();
    let mut call =
        house.place(options, vec![Step::wait_for_agent(), ready(), patiently(), Step::HangUp]);
    is_ready(&mut call).await;
    // The news that the stream has ended, and the first question.
    balancer.to(&[house.app.address, house.app.address, neighbour.address]);
    goes_down(&mut house, neighbour).await;
    let call = call.ended().await;

    assert_eq!((call.errors, call.said, call.ended), (vec![], vec![], Ended::Caller));
    let asked_again = |document: &&String| {
        let verbs = twiml_reader::parse(document).unwrap();
        matches!(&verbs[..], [Verb::Pause { .. }, Verb::Redirect { url, .. }]
            if url.ends_with("/twilio/after"))
    };
    assert!(call.documents.iter().any(|document| asked_again(&document)), "{:?}", call.documents);
    let row = house.row(&call.call_sid).await;
    assert_eq!((row.end(), row.lines()[1]), (("completed", "caller"), LOST));
}

#[tokio::test]
async fn a_call_that_the_phone_company_does_not_move_hears_a_goodbye() {
    let balancer = Balancer::start().await;
    let (mut house, neighbour) = pair(&balancer).await;
    house.change(&format!("update voice_agents set twilio_credentials = '{OWN}'")).await;
    neighbour.directory.refresh(None, None).await;
    let mut options = house.options();
    options.auth_token = Some("its-own".to_owned().into());
    let mut call = house.place(options, vec![]);
    call.heard_agent().await;
    goes_down(&mut house, neighbour).await;
    let (call, _) = call.told().await;

    let row = house.row(&call.call_sid).await;
    assert_eq!(row.end(), ("failed", "error"));
    assert_eq!(row.lines().last(), Some(&GOODBYE));
}

#[tokio::test]
async fn a_call_that_is_over_when_it_is_to_be_moved_was_ended_by_its_caller() {
    let balancer = Balancer::start().await;
    let (mut house, neighbour) = pair(&balancer).await;
    let mut options = house.options();
    // Twilio knows nothing of it any more.
    options.api = None;
    let mut call = house.place(options, vec![]);
    call.heard_agent().await;
    let sid = call.sid.clone();
    goes_down(&mut house, neighbour).await;
    call.freeze();
    assert_eq!(house.row(&sid).await.end(), ("completed", "caller"));
}

#[tokio::test]
async fn a_call_whose_stream_has_not_come_is_left_to_whoever_gets_it() {
    let balancer = Balancer::start().await;
    let (mut house, neighbour) = pair(&balancer).await;
    let sid = random_sid("CA");
    let url = stream_url(&house.ring(&sid).await);
    let there = neighbour.address;
    goes_down(&mut house, neighbour).await;
    // Its machine is gone, so nobody sends it there.
    let url = url.replacen(balancer.url().trim_start_matches("http://"), &there.to_string(), 1);
    let mut media = Media::open(&url, &sid).await;
    media.heard("media").await;
    assert_eq!(house.app.services.registry.live(), 1);
}

#[tokio::test]
async fn a_stream_is_not_sent_to_a_machine_that_goes_down() {
    let balancer = Balancer::start().await;
    let (house, neighbour) = machines(&balancer).await;
    let sid = random_sid("CA");
    let url = stream_url(&house.ring(&sid).await);
    let there = url.replacen(
        balancer.url().trim_start_matches("http://"),
        &neighbour.address.to_string(),
        1,
    );
    let there = reminted(&there, TOKEN, |claims| claims.machine = Some("machine2".to_owned()));
    assert_eq!(refused(&there).await, 200, "it is sent on to where the call is");
    house.app.store.note_draining(house.app.services.instance_id).await.unwrap();
    let taken = || async { (refused(&there).await == 101).then_some(()) };
    until("the stream is taken here", DEADLINE, taken).await;
}

#[tokio::test]
async fn webhooks_of_new_calls_are_sent_on_where_the_host_can_do_that() {
    let balancer = Balancer::start().await;
    let (house, _neighbour) = machines(&balancer).await;
    house.app.services.registry.stop_taking_calls();
    let url = house.app.public_url.join("/twilio/voice");
    // Until the neighbour is known, a call is taken here and sent to the fallback.
    let sent_on = || async {
        let sid = random_sid("CA");
        let form = crate::harness::voice(&sid, NUMBER);
        let fields = form.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let signed = signature::sign(TOKEN.as_bytes(), &url, &fields);
        let request = house.http.post(&url).form(&form).header("x-twilio-signature", &signed);
        let answer = request.send().await.unwrap();
        let to = answer.headers().get("fly-replay")?.to_str().unwrap().to_owned();
        Some((to, sid))
    };
    let (to, sid) = until("sent on", DEADLINE, sent_on).await;
    assert_eq!(to, "elsewhere=true");
    assert!(row(&house.pool, &sid).await.is_none());
}

#[tokio::test]
async fn with_no_neighbour_that_takes_calls_nobody_is_moved() {
    let balancer = Balancer::start().await;
    let (mut house, neighbour) = pair(&balancer).await;
    neighbour.store.note_draining(neighbour.services.instance_id).await.unwrap();
    let mut call = house.place(house.options(), vec![]);
    call.heard_agent().await;
    goes_down(&mut house, neighbour).await;
    let (call, seen) = call.told().await;
    assert!(!seen.iter().any(|event| event.kind == PhoneEventKind::Moved));
    assert_eq!(call.said, [""; 0], "{FALLBACK}");
    let row = house.row(&call.call_sid).await;
    assert_eq!((row.end(), row.lines().last()), (("failed", "error"), Some(&GOODBYE)));
    assert_eq!(row.metadata()["voicemail"], Value::Null);
}
