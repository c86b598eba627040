//! Live calls: their stream of events and their pages.

use std::time::Duration;

use frontdesk::app::App;
use frontdesk::clock::{self, Clock, within};
use frontdesk::rehearsal::phone::{self, CallOptions, CallReport, Sample, Step};
use frontdesk::rehearsal::speech::SAMPLES;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::calls::add_call;
use crate::desk::{Client, Desk, NUMBER, TOKEN};
use crate::try_it::begin;

/// What must come comes within this time.
const DEADLINE: Duration = Duration::from_secs(40);

/// A stream that is read.
pub(crate) struct Events {
    response: reqwest::Response,
    text: String,
    pub(crate) last_id: String,
}

impl Events {
    pub(crate) async fn open(client: &Client, path: &str) -> Self {
        Self::after(client, path, None).await
    }

    pub(crate) async fn after(client: &Client, path: &str, id: Option<&str>) -> Self {
        let response = client.open(path, id.map(|id| ("last-event-id", id))).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        assert!(response.headers().get("content-encoding").is_none());
        Self { response, text: String::new(), last_id: String::new() }
    }

    /// The next event's name and data; none at the end.
    pub(crate) async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
                let Some(data) = field("data: ") else { continue };
                self.last_id = field("id: ").unwrap().to_owned();
                let name = field("event: ").unwrap().to_owned();
                return Some((name, serde_json::from_str(data).unwrap()));
            }
            let chunk = within(DEADLINE, self.response.chunk()).await.expect("more in time");
            // A server that ends a stream may do so by closing the connection.
            self.text.push_str(std::str::from_utf8(&chunk.ok()??).unwrap());
        }
    }

    /// Reads until an event is this one. A stream on which nothing comes sends a sign of life, so that
    /// one that does not come has to be waited for with a limit.
    pub(crate) async fn until(&mut self, is_it: impl Fn(&str, &Value) -> bool) -> Value {
        let reading = async {
            loop {
                let (name, data) = self.next().await.expect("it comes before the end");
                if is_it(&name, &data) {
                    return data;
                }
            }
        };
        within(DEADLINE, reading).await.expect("it is told of in time")
    }

    /// The words of whoever says something first from here.
    pub(crate) async fn says(&mut self, who: &str, words: &str) -> Value {
        let says = |name: &str, data: &Value| {
            let text = data["line"]["text"].as_str().unwrap_or_default();
            name == "call.words" && data["line"]["who"] == who && text.contains(words)
        };
        self.until(says).await
    }
}

/// Calls the first business's agent.
pub(crate) fn call(app: &App, from: &str, steps: Vec<Step>) -> JoinHandle<CallReport> {
    let url = app.public_url.join("/twilio/voice");
    let mut options = CallOptions::new(url, NUMBER, Clock::real());
    options.auth_token = Some(TOKEN.to_owned().into());
    options.from = from.to_owned().into();
    clock::spawn(phone::call(options, steps))
}

pub(crate) fn say(n: usize) -> Step {
    Step::Say(Sample::new(format!("line {n}"), SAMPLES[n]))
}

/// The page, once it has these words: they come to the database a moment after they are told of.
pub(crate) async fn shows(client: &Client, path: &str, words: &str) -> String {
    let showing = async {
        loop {
            let page = client.get(path).await;
            assert_eq!(page.status, StatusCode::OK, "{}", page.text);
            if page.text.contains(words) {
                return page.text;
            }
            clock::pause(Duration::from_millis(20)).await;
        }
    };
    within(DEADLINE, showing).await.unwrap_or_else(|| panic!("{path} does not show {words:?}"))
}

/// A caller who stays until somebody ends the call.
fn patient() -> Vec<Step> {
    vec![Step::wait_for_agent(), Step::Wait(Duration::from_secs(120))]
}

#[tokio::test]
async fn a_call_appears_its_words_come_and_it_ends() {
    let desk = Desk::open().await;
    let support = desk.sign_in("support@example.com").await;
    let other = desk.sign_in("other@example.com").await;
    let mut events = Events::open(&support, "/api/v1/live").await;
    let mut nothing = Events::open(&other, "/api/v1/live").await;
    let steps = vec![Step::wait_for_agent(), say(0), Step::wait_for_agent(), Step::HangUp];
    let calling = call(&desk.app, "<script>x</script>", steps);

    let started = events.until(|name, _| name == "call.started").await;
    assert_eq!(started["caller"], "<script>x</script>");
    assert_eq!((&started["test"], &started["out"]), (&false.into(), &false.into()));
    let id = started["call"].as_str().unwrap().to_owned();
    assert_eq!(started["agent"], desk.agent.to_string());
    events.says("agent", "Good day.").await;

    let list = support.get("/live").await;
    assert!(list.text.contains("&lt;script&gt;x") && !list.text.contains("<script>x"));
    assert!(list.text.contains("http-equiv=\"refresh\""), "without a script it is loaded again");
    let page = shows(&support, &format!("/live/{id}"), "Good day.").await;
    assert!(!page.contains("<script>x"));
    // Nobody else sees it.
    for path in [format!("/live/{id}"), format!("/api/v1/live?call={id}")] {
        assert_eq!(other.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let theirs = other.get("/api/v1/live?follow=false").await;
    assert!(!theirs.text.contains("call."), "{}", theirs.text);
    assert!(other.get("/live").await.text.contains("No one is on the phone"));

    events.until(|_, data| data["line"]["who"] == "caller").await;
    let ended = events.until(|name, _| name == "call.ended").await;
    assert_eq!((&ended["call"], &ended["status"]), (&id.clone().into(), &"completed".into()));
    calling.await.unwrap();
    let after = support.get(&format!("/live/{id}")).await;
    assert_eq!(after.header("location"), format!("/calls/{id}"), "it is over");
    assert!(nothing.text.is_empty());
    let seen = within(Duration::from_millis(1), nothing.next()).await;
    assert!(seen.is_none(), "another business's call was told of");
}

#[tokio::test]
async fn who_comes_back_has_lost_nothing() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let mut events = Events::open(&owner, "/api/v1/live").await;
    let steps = vec![Step::wait_for_agent(), say(0), Step::wait_for_agent(), Step::HangUp];
    let calling = call(&desk.app, "+15551230001", steps);
    events.until(|name, _| name == "call.started").await;
    let id = events.last_id.clone();
    drop(events);
    calling.await.unwrap();
    let is_over = async {
        while sqlx::query_scalar("select call_end is null from call_logs")
            .fetch_one(&desk.pool)
            .await
            .unwrap()
        {
            clock::pause(Duration::from_millis(20)).await;
        }
    };
    within(DEADLINE, is_over).await.expect("the call's row is completed");
    let mut events = Events::after(&owner, "/api/v1/live", Some(&id)).await;
    events.until(|name, _| name == "call.ended").await;
    // Of one call, its words too, by the address for those who cannot send the header.
    let call: Uuid =
        sqlx::query_scalar("select id from call_logs").fetch_one(&desk.pool).await.unwrap();
    let mut events = Events::open(&owner, &format!("/api/v1/live?call={call}&after={id}")).await;
    events.says("agent", "Good day.").await;
    events.until(|_, data| data["line"]["who"] == "caller").await;
    events.until(|name, _| name == "call.ended").await;
}

#[tokio::test]
async fn who_may_not_see_any_more_is_told_nothing_more() {
    let desk = Desk::open().await;
    for take_away in [
        "update voice_agents_access set status = false",
        "update frontdesk_sessions set ended_at = now()",
    ] {
        desk.sql("update voice_agents_access set status = true").await;
        let support = desk.sign_in("support@example.com").await;
        let mut events = Events::open(&support, "/api/v1/live").await;
        desk.sql(take_away).await;
        // What begins after that is not told, and the stream ends long before what is remembered of
        // people for half a minute would be forgotten.
        let mut told = 0;
        let end = async {
            while events.next().await.is_some() {
                told += 1;
            }
        };
        within(Duration::from_secs(15), end).await.expect("the stream ends");
        assert_eq!(told, 0, "{take_away}");
    }
}

#[tokio::test]
async fn a_call_of_another_process_is_seen_too() {
    let desk = Desk::open().await;
    let neighbour = desk.neighbour().await;
    let owner = desk.sign_in("owner@example.com").await;
    let mut events = Events::open(&owner, "/api/v1/live").await;
    let calling = call(&neighbour, "+15551230001", patient());
    let started = events.until(|name, _| name == "call.started").await;
    events.says("agent", "Good day.").await;
    // Somebody who comes in the middle is told what was said.
    let path = format!("/api/v1/live?call={}", started["call"].as_str().unwrap());
    Events::open(&owner, &path).await.says("agent", "Good day.").await;
    calling.abort();
    neighbour.shut_down(std::future::ready(())).await;
    events.until(|name, _| name == "call.ended").await;
}

#[tokio::test]
async fn streams_are_few_and_end_when_the_process_goes_down() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let mut streams = Vec::new();
    for _ in 0..4 {
        streams.push(Events::open(&owner, "/api/v1/live").await);
    }
    let refused = owner.get("/api/v1/live").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(owner.get("/api/v1/live?follow=false").await.status, StatusCode::OK);
    let support = desk.sign_in("support@example.com").await;
    streams.push(Events::open(&support, "/api/v1/live").await);
    desk.app.services.registry.stop_taking_calls();
    for mut stream in streams {
        assert!(stream.next().await.is_none());
    }
    assert_eq!(owner.get("/api/v1/live").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn odd_questions_are_refused_by_name() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    for (query, field) in [("agent=x", "agent"), ("call=1", "call"), ("after=soon", "after")] {
        let refused = owner.get(&format!("/api/v1/live?follow=false&{query}")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        assert_eq!(refused.json()["field"], field, "{}", refused.text);
    }
    let other = desk.other_agent;
    let refused = owner.get(&format!("/api/v1/live?follow=false&agent={other}")).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    assert_eq!(owner.get("/live/not-an-id").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_words_of_a_call_go_on_however_many_are_newer() {
    let desk = Desk::open().await;
    let live =
        json!({"call_start": "2026-11-29T10:00:00Z", "call_end": null, "status": "in-progress"});
    let old = add_call(&desk, desk.agent, live.clone()).await;
    let elsewhere = add_call(&desk, desk.other_agent, live).await;
    let admin = desk.sign_in("admin@example.com").await;
    let mut events = Events::open(&admin, "/api/v1/live").await;
    desk.sql(&format!(
        "insert into call_logs (voice_agent_id, call_start, caller_number, status, call_sid)
        select '{}', now() - n * interval '1 second', 'newer', 'in-progress', 'CA' || n
        from generate_series(1, 201) n",
        desk.agent
    ))
    .await;
    events.until(|_, data| data["caller"] == "newer").await;
    desk.sql(&format!(
        "insert into call_events (call_log_id, seq, at_ms, kind, data)
        values ('{old}', 1, 1000, 'caller_said', '{{\"utterance\": \"a\", \"turn\": 1, \"started_ms\": 1,
            \"text\": \"Still here\", \"settled\": true}}')"
    ))
    .await;
    let is_over = std::cell::Cell::new(false);
    events
        .until(|name, data| {
            is_over.set(is_over.get() || name == "call.ended");
            data["line"]["text"] == "Still here"
        })
        .await;
    assert!(!is_over.get(), "none has ended");
    assert_eq!(admin.get(&format!("/live/{old}")).await.status, StatusCode::OK);
    let list = admin.get("/api/v1/live?follow=false").await.text;
    assert!(list.contains(&elsewhere.to_string()), "another agent's is not pushed out");
    desk.sql(&format!(
        "update call_logs set call_end = now(), status = 'completed' where id = '{old}'"
    ))
    .await;
    let ended = events.until(|name, _| name == "call.ended").await;
    assert_eq!(ended["call"], old.to_string());
}

/// What this process says of its own calls is told before it is written.
#[tokio::test]
async fn who_begins_to_watch_while_nothing_can_be_written_misses_nothing() {
    let desk = Desk::open().await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let (answer, _line) = begin(&desk, &maintainer, json!({"typed": true})).await;
    let path = format!("/api/v1/live?call={}", answer["call"].as_str().unwrap());
    let mut first = Events::open(&maintainer, &path).await;
    first.says("agent", "Good day.").await;
    // Events can be read, and not written.
    let mut lock = desk.pool.begin().await.unwrap();
    let sql = "lock table public.call_events in share mode";
    sqlx::query(sql).execute(&mut *lock).await.unwrap();
    let said = json!({"text": "Do you open on Sundays?"});
    let said = maintainer.post(answer["say"].as_str().unwrap(), said).await;
    assert_eq!(said.status, StatusCode::NO_CONTENT, "{}", said.text);
    first.says("caller", "Do you open on Sundays?").await;
    let mut late = Events::open(&maintainer, &path).await;
    lock.rollback().await.unwrap();
    late.says("caller", "Do you open on Sundays?").await;
}
