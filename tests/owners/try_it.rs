//! Test calls from the console: a test plays the telephone as the page does.

use std::time::Duration;

use frontdesk::clock::{self, within};
use frontdesk::rehearsal::phone::media_peer::{self, Outbound, StreamIds};
use frontdesk::rehearsal::speech::script::Script;
use frontdesk::rehearsal::speech::{SpeechOptions, serve};
use futures_util::{SinkExt as _, StreamExt as _};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::desk::{Answered, Client, Desk};
use crate::live::Events;

const DEADLINE: Duration = Duration::from_secs(40);

/// The browser's end of a test call.
pub(crate) struct Line {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    ids: StreamIds,
    frames: u64,
    heard_bytes: usize,
}

/// Opens the stream that an answer names, from a page of this origin.
async fn dial(
    desk: &Desk,
    client: &Client,
    answer: &Value,
    origin: Option<&str>,
) -> Result<Line, StatusCode> {
    let path = answer["path"].as_str().unwrap();
    let url = format!("ws://{}{path}", desk.app.address);
    let mut request = url.into_client_request().unwrap();
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().unwrap());
    }
    if let Some((name, value)) = client.credential() {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let sid = answer["sid"].as_str().unwrap().to_owned();
    let ids = StreamIds {
        account_sid: "AC".to_owned(),
        stream_sid: format!("MZ{}", &sid[2..]),
        call_sid: sid,
    };
    match connect_async(request).await {
        Ok((socket, _)) => Ok(Line { socket, ids, frames: 0, heard_bytes: 0 }),
        Err(Error::Http(response)) => Err(response.status()),
        Err(error) => panic!("{error}"),
    }
}

impl Line {
    async fn start(&mut self, token: &str) {
        let parameters = [("token".to_owned(), token.to_owned())];
        let start = media_peer::start(&self.ids, 1, &parameters);
        for text in [media_peer::connected(), start] {
            self.socket.send(Message::text(text)).await.unwrap();
        }
    }

    /// Says nothing and hears what there is, until `is_enough`; false: the stream ended before.
    pub(crate) async fn listen(&mut self, is_enough: impl Fn(&Self) -> bool) -> bool {
        let listening = async {
            while !is_enough(self) {
                tokio::select! {
                    message = self.socket.next() => match message {
                        Some(Ok(Message::Text(text))) => self.hear(&text).await,
                        Some(Ok(_)) => {}
                        Some(Err(_)) | None => return false,
                    },
                    () = clock::pause(Duration::from_millis(20)) => self.be_silent().await,
                }
            }
            true
        };
        within(DEADLINE, listening).await.expect("it is heard in time")
    }

    async fn hear(&mut self, text: &str) {
        match Outbound::parse(text, &self.ids.stream_sid) {
            Outbound::Media { payload } => self.heard_bytes += payload.len() / 4 * 3,
            Outbound::Mark { name } => {
                let mark = media_peer::mark(&self.ids, self.frames + 2, &name);
                // A server that has closed needs no mark.
                let _ = self.socket.send(Message::text(mark)).await;
            }
            Outbound::Clear => {}
            Outbound::Unknown { why } => panic!("{why}: {text}"),
        }
    }

    async fn be_silent(&mut self) {
        self.frames += 1;
        let payload = format!("{}8=", "/".repeat(214));
        let (sequence, at_ms) = (self.frames + 1, (self.frames - 1) * 20);
        let media = media_peer::media(&self.ids, sequence, self.frames, at_ms, &payload);
        let _ = self.socket.send(Message::text(media)).await;
    }

    async fn hang_up(mut self) {
        let stop = media_peer::stop(&self.ids, self.frames + 2);
        self.socket.send(Message::text(stop)).await.unwrap();
        let _ = self.socket.close(None).await;
    }
}

fn origin(desk: &Desk) -> String {
    format!("http://{}", desk.app.address)
}

async fn ask(desk: &Desk, client: &Client, wanted: Value) -> Answered {
    client.post(&format!("/agents/{}/try", desk.agent), wanted).await
}

pub(crate) async fn begin(desk: &Desk, client: &Client, wanted: Value) -> (Value, Line) {
    let answered = ask(desk, client, wanted).await;
    assert_eq!(answered.status, StatusCode::CREATED, "{}", answered.text);
    let answer = answered.json();
    let mut line = dial(desk, client, &answer, Some(&origin(desk))).await.unwrap();
    line.start(answer["token"].as_str().unwrap()).await;
    (answer, line)
}

/// The call's row, once it is complete.
async fn row(desk: &Desk, answer: &Value) -> Value {
    let completed = async {
        loop {
            let row: Value =
                sqlx::query_scalar("select to_jsonb(l) from call_logs l where call_sid = $1")
                    .bind(answer["sid"].as_str().unwrap())
                    .fetch_one(&desk.pool)
                    .await
                    .unwrap();
            if !row["call_end"].is_null() {
                return row;
            }
            clock::pause(Duration::from_millis(20)).await;
        }
    };
    within(DEADLINE, completed).await.expect("the row is completed")
}

async fn says(client: &Client, answer: &Value) -> String {
    let asked = client.post(answer["after"].as_str().unwrap(), json!({})).await;
    assert_eq!(asked.status, StatusCode::OK, "{}", asked.text);
    asked.json()["says"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_test_call_takes_the_path_of_every_call_and_is_marked() {
    let desk = Desk::open().await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let page = maintainer.get(&format!("/agents/{}/try", desk.agent)).await;
    assert!(page.header("permissions-policy").starts_with("microphone=(self)"));
    let elsewhere = maintainer.get("/live").await;
    assert!(elsewhere.header("permissions-policy").starts_with("microphone=()"));

    let (answer, mut line) = begin(&desk, &maintainer, json!({})).await;
    let path = format!("/api/v1/live?call={}", answer["call"].as_str().unwrap());
    let mut events = Events::open(&maintainer, &path).await;
    assert!(line.listen(|line| line.heard_bytes >= 800).await, "the greeting is heard");
    events.says("agent", "Good").await;
    let list = maintainer.get("/api/v1/live?follow=false").await;
    assert!(!list.text.contains("call.started"), "{}", list.text);
    let again = dial(&desk, &maintainer, &answer, Some(&origin(&desk))).await.unwrap();
    let mut again = again;
    again.start(answer["token"].as_str().unwrap()).await;
    assert!(!again.listen(|line| line.heard_bytes > 0).await, "a token admits once");

    line.hang_up().await;
    events.until(|name, _| name == "call.ended").await;
    let row = row(&desk, &answer).await;
    let sid = row["call_sid"].as_str().unwrap();
    assert!(sid.starts_with("FT") && sid.len() == 34, "{sid}");
    assert_eq!(row["metadata"]["test"], true);
    assert_eq!(
        (&row["status"], &row["metadata"]["ended_by"]),
        (&"completed".into(), &"caller".into())
    );
    assert_eq!((&row["caller_number"], &row["holds_line"]), (&"anonymous".into(), &false.into()));
    assert_eq!(says(&maintainer, &answer).await, "The call is over.");
    let jobs: Vec<String> =
        sqlx::query_scalar("select kind from aftercall_jobs").fetch_all(&desk.pool).await.unwrap();
    assert_eq!(jobs, ["summary"], "the owner's webhook is not told");
}

#[tokio::test]
async fn nobody_else_gets_a_test_call() {
    let desk = Desk::open().await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let support = desk.sign_in("support@example.com").await;
    let other = desk.sign_in("other@example.com").await;
    let page = format!("/agents/{}/try", desk.agent);
    for (client, status) in [(&support, 403), (&other, 404)] {
        assert_eq!(client.get(&page).await.status.as_u16(), status);
        assert_eq!(ask(&desk, client, json!({})).await.status.as_u16(), status);
    }
    assert_eq!(ask(&desk, &desk.stranger(), json!({})).await.status, StatusCode::UNAUTHORIZED);
    for (wanted, field) in [
        (json!({"caller": "911"}), "caller"),
        (json!({"draft": {"settings": []}}), "settings"),
        (
            json!({"draft": {"settings": {"limits": {"call_seconds": -1}}}}),
            "settings.limits.call_seconds",
        ),
        (json!({"reaches_out": 1}), "reaches_out"),
    ] {
        let refused = ask(&desk, &maintainer, wanted).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
        assert_eq!(refused.json()["field"], field, "{}", refused.text);
    }

    let answer = ask(&desk, &maintainer, json!({})).await.json();
    for from in [None, Some("https://evil.example"), Some("null")] {
        let refused = dial(&desk, &maintainer, &answer, from).await.err();
        assert_eq!(refused, Some(StatusCode::FORBIDDEN), "{from:?}");
    }
    let own = origin(&desk);
    for (client, status) in [(&support, 403), (&other, 404), (&desk.stranger(), 401)] {
        let refused = dial(&desk, client, &answer, Some(&own)).await.err();
        assert_eq!(refused.map(|status| status.as_u16()), Some(status));
    }
    // Another person of the same business, with the token of this one; and with none.
    let owner = desk.sign_in("owner@example.com").await;
    let token = answer["token"].as_str().unwrap();
    for (client, token) in [(&owner, token), (&maintainer, ""), (&maintainer, &token[1..])] {
        let mut line = dial(&desk, client, &answer, Some(&own)).await.unwrap();
        line.start(token).await;
        assert!(!line.listen(|line| line.heard_bytes > 0).await);
    }
    // It is still good for whom it was made.
    let mut line = dial(&desk, &maintainer, &answer, Some(&own)).await.unwrap();
    line.start(token).await;
    assert!(line.listen(|line| line.heard_bytes > 0).await);
}

#[tokio::test]
async fn tests_are_few_and_never_take_the_last_line() {
    let desk = Desk::open_with(&[("MAX_CALLS", "3".to_owned())]).await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    for _ in 0..2 {
        assert_eq!(ask(&desk, &maintainer, json!({})).await.status, StatusCode::CREATED);
    }
    let full = ask(&desk, &maintainer, json!({})).await;
    assert_eq!(full.status, StatusCode::SERVICE_UNAVAILABLE, "{}", full.text);
    let desk = Desk::open().await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    for _ in 0..2 {
        assert_eq!(ask(&desk, &maintainer, json!({})).await.status, StatusCode::CREATED);
    }
    let full = ask(&desk, &maintainer, json!({})).await;
    assert_eq!(full.status, StatusCode::TOO_MANY_REQUESTS, "{}", full.text);
    desk.sql("update call_logs set call_end = now(), status = 'failed'").await;
    desk.sql(
        "insert into call_logs (voice_agent_id, call_sid, call_start, call_end, status)
        select voice_agent_id, 'FT' || md5(id::text || n), now(), now(), 'completed'
        from call_logs, generate_series(1, 9) n",
    )
    .await;
    let full = ask(&desk, &maintainer, json!({})).await;
    assert_eq!(full.status, StatusCode::TOO_MANY_REQUESTS, "{}", full.text);
    assert!(full.text.contains("20 a day"), "{}", full.text);
}

#[tokio::test]
async fn settings_are_tried_before_they_are_saved() {
    let desk = Desk::open().await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let path = format!("/agents/{}/try", desk.agent);
    let section = maintainer.get(&format!("/agents/{}", desk.agent)).await;
    assert!(section.text.contains("Try before saving"));
    let sent = [
        ("section", "greeting"),
        ("name", "Bright Smile"),
        ("settings.greeting.kind", "words"),
        ("settings.greeting", "A draft says hello."),
    ];
    let page = maintainer.form(&path, &sent).await;
    assert!(page.text.contains("not saved yet"), "{}", page.text);
    assert!(page.text.contains("A draft says hello."), "{}", page.text);
    let draft = json!({"settings": {
        "greeting": "A draft says hello.",
        "transfer": {"targets": {"Desk": "+442070000001"}},
    }});
    let (answer, mut line) = begin(&desk, &maintainer, json!({"draft": draft})).await;
    let call = answer["call"].as_str().unwrap();
    let mut events = Events::open(&maintainer, &format!("/api/v1/live?call={call}")).await;
    assert!(line.listen(|line| line.heard_bytes >= 800).await);
    events.says("agent", "A draft").await;
    // Nobody is called: the page says who would be.
    let path = format!("/api/v1/calls/{call}/transfer");
    let done = maintainer.post(&path, json!({"to": "Desk"})).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{}", done.text);
    assert!(!line.listen(|_| false).await, "the stream ends");
    assert_eq!(says(&maintainer, &answer).await, "Now you would be put through to +442070000001.");
    assert_eq!(row(&desk, &answer).await["status"], "completed");
    let saved: Value =
        sqlx::query_scalar("select private_settings from voice_agents where id = $1")
            .bind(desk.agent)
            .fetch_one(&desk.pool)
            .await
            .unwrap();
    assert_eq!(saved, json!({"greeting": "Good day."}));
}

#[tokio::test]
async fn without_a_speech_service_a_stand_in_answers() {
    let desk = Desk::open_with(&[("OPENAI_API_KEY", String::new())]).await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let page = maintainer.get(&format!("/agents/{}/try", desk.agent)).await;
    assert!(page.text.contains("a stand-in answers"), "{}", page.text);
    let (answer, mut line) = begin(&desk, &maintainer, json!({})).await;
    assert!(answer["says"].as_str().unwrap().contains("stand-in"), "{answer}");
    assert!(line.listen(|line| line.heard_bytes >= 800).await, "the greeting is heard");
    assert_eq!(desk.speech.observer().counts().opened, 0, "nobody else was asked");
}

#[tokio::test]
async fn what_a_test_books_is_undone_when_it_ends() {
    let desk = Desk::open().await;
    let book = |engine_call: &str| {
        format!(
            "insert into appointments (voice_agent_id, name, phone_number, service, schedule_time,
                booking_key)
            select voice_agent_id, 'Ann', '+12025550123', 'Check-up', now(), id || ':{engine_call}'
            from call_logs"
        )
    };
    desk.sql(&format!(
        "insert into call_logs (voice_agent_id, call_sid, call_start, status)
        values ('{}', 'FT00000000000000000000000000000001', now(), 'in-progress')",
        desk.agent
    ))
    .await;
    let count = || async {
        let query = "select count(*) from appointments";
        sqlx::query_scalar::<_, i64>(query).fetch_one(&desk.pool).await.unwrap()
    };
    desk.sql(&book("one")).await;
    desk.sql(
        "insert into appointments (voice_agent_id, name, phone_number, service, schedule_time)
        select id, 'Bob', '+12025550124', 'Check-up', now() from voice_agents limit 1",
    )
    .await;
    assert_eq!(count().await, 2, "while it lasts, the time is taken");
    desk.sql("update call_logs set call_end = now(), status = 'completed'").await;
    assert_eq!(count().await, 1);
    desk.sql(&book("late")).await;
    desk.sql(&book("extracted:1")).await;
    assert_eq!(count().await, 1, "nothing is booked by a test that is over");
}

#[tokio::test]
async fn what_is_typed_counts_as_said_and_a_turn_can_be_gone_back_to() {
    let desk = Desk::open().await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let (answer, mut line) = begin(&desk, &maintainer, json!({"typed": true})).await;
    let call = answer["call"].as_str().unwrap().to_owned();
    let mut events = Events::open(&maintainer, &format!("/api/v1/live?call={call}")).await;
    assert!(line.listen(|line| line.heard_bytes >= 800).await, "the greeting is heard");
    events.says("agent", "Good day.").await;
    let say = answer["say"].as_str().unwrap();
    let before = line.heard_bytes;
    let said = maintainer.post(say, json!({"text": " Do you open on Sundays? "})).await;
    assert_eq!(said.status, StatusCode::NO_CONTENT, "{}", said.text);
    assert!(line.listen(|line| line.heard_bytes > before).await, "it is answered");
    let caller = events.says("caller", "Do you open on Sundays?").await;
    // What nobody may say, and where.
    let support = desk.sign_in("support@example.com").await;
    let other = desk.sign_in("other@example.com").await;
    for (client, status) in [(&support, 403), (&other, 404), (&desk.stranger(), 401)] {
        let refused = client.post(say, json!({"text": "Hello"})).await;
        assert_eq!(refused.status.as_u16(), status);
    }
    for text in [String::new(), "  ".to_owned(), "x".repeat(2_001)] {
        let refused = maintainer.post(say, json!({"text": text})).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
        assert_eq!(refused.json()["field"], "text");
    }
    let texts = |session: u64| -> Vec<String> {
        let items = desk.speech.observer().received("conversation.item.create");
        let of_session = items.iter().filter(|item| item.session == session);
        of_session
            .filter_map(|item| item.event["item"]["content"][0]["text"].as_str().map(str::to_owned))
            .collect()
    };
    assert!(texts(1).contains(&"Do you open on Sundays?".to_owned()), "{:?}", texts(1));
    line.hang_up().await;
    row(&desk, &answer).await;
    let over = maintainer.post(say, json!({"text": "Hello?"})).await;
    assert_eq!(over.status, StatusCode::CONFLICT, "{}", over.text);

    // Back to that line, in other words.
    for (from, field) in [
        (json!({"call": call, "line": "cnobody"}), "from.line"),
        (json!({"call": call, "line": "a1"}), "from.line"),
    ] {
        let refused = ask(&desk, &maintainer, json!({"typed": true, "from": from})).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
        assert_eq!(refused.json()["field"], field, "{}", refused.text);
    }
    let from = json!({"call": call, "line": caller["line"]["id"]});
    let foreign = json!({"typed": true, "from": {"call": uuid::Uuid::nil(), "line": "c1"}});
    assert_eq!(ask(&desk, &maintainer, foreign).await.status, StatusCode::NOT_FOUND);
    let (answer, mut line) = begin(&desk, &maintainer, json!({"typed": true, "from": from})).await;
    let path = format!("/api/v1/live?call={}", answer["call"].as_str().unwrap());
    let mut events = Events::open(&maintainer, &path).await;
    events.says("agent", "Good day.").await;
    let said = maintainer.post(answer["say"].as_str().unwrap(), json!({"text": "And on Mondays?"}));
    assert_eq!(said.await.status, StatusCode::NO_CONTENT);
    assert!(line.listen(|line| line.heard_bytes > 800).await, "it is answered");
    events.says("caller", "And on Mondays?").await;
    let is_answer = |name: &str, data: &Value| {
        let line = &data["line"];
        name == "call.words" && line["id"] == "a2" && line["text"] != ""
    };
    events.until(is_answer).await;
    assert_eq!(texts(2)[..2], ["Good day.", "And on Mondays?"]);
    line.hang_up().await;
    let transcript = row(&desk, &answer).await["transcript"].as_str().unwrap().to_owned();
    let lines: Vec<&str> = transcript.lines().map(|line| &line[8..]).collect();
    assert_eq!(lines[..2], ["Agent: Good day.", "Caller: And on Mondays?"], "{transcript}");
    assert!(lines[2].starts_with("Agent: ") && lines.len() == 3, "{transcript}");
}

#[tokio::test]
async fn whose_access_ends_is_off_the_line_of_their_test() {
    let desk = Desk::open().await;
    let ends = [
        "update voice_agents_access set status = false where access = 'maintainer'",
        "update frontdesk_sessions set ended_at = now()",
    ];
    for end in ends {
        desk.sql("update voice_agents_access set status = true").await;
        let maintainer = desk.sign_in("maintainer@example.com").await;
        let (answer, mut line) = begin(&desk, &maintainer, json!({})).await;
        assert!(line.listen(|line| line.heard_bytes >= 800).await, "the greeting is heard");
        desk.sql(end).await;
        let listening = line.listen(|_| false);
        assert!(!within(DEADLINE, listening).await.expect("the line ends"), "{end}");
        assert_eq!(row(&desk, &answer).await["metadata"]["ended_by"], "caller", "{end}");
    }
}

/// As in the demo: whoever set the stand-in up says so, and which lines it knows.
#[tokio::test]
async fn a_stand_in_that_plays_a_script_is_named_and_its_lines_are_offered() {
    let script = Script { reads: true, ..Script::default() };
    let options = SpeechOptions { script: script.clone(), ..SpeechOptions::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let speech = serve(listener, options, std::future::pending::<()>()).unwrap();
    let desk = Desk::open_with(&[("OPENAI_BASE_URL", speech.base_url())]).await;
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let path = format!("/agents/{}/try", desk.agent);
    let page = maintainer.get(&path).await.text;
    assert!(!page.contains("stand-in") && !page.contains("data-scripted"), "{page}");
    let lines = script.turns.iter().map(|turn| turn.heard.clone()).collect();
    desk.app.rehearses_with(lines);
    let page = maintainer.get(&path).await.text;
    let (notice, desk_of_call) = (page.find("id=\"stand-in\""), page.find("id=\"try\""));
    assert!(notice.is_some() && notice < desk_of_call, "{page}");
    let admin = desk.sign_in("admin@example.com").await;
    let health = admin.get("/health").await.text;
    assert!(health.contains("A stand-in speaks here"), "{health}");
    let line = &script.turns[1].heard;
    assert!(page.contains(&format!("data-scripted disabled>{line}<")), "{page}");

    let (answer, mut browser) = begin(&desk, &maintainer, json!({"typed": true})).await;
    let call = answer["call"].as_str().unwrap();
    let mut events = Events::open(&maintainer, &format!("/api/v1/live?call={call}")).await;
    assert!(browser.listen(|line| line.heard_bytes >= 800).await, "the greeting is heard");
    events.says("agent", "Good day.").await;
    let before = browser.heard_bytes;
    let said = maintainer.post(answer["say"].as_str().unwrap(), json!({"text": line})).await;
    assert_eq!(said.status, StatusCode::NO_CONTENT, "{}", said.text);
    assert!(browser.listen(|line| line.heard_bytes > before + 800).await, "it is answered");
    events.says("agent", "With an examination").await;
    browser.hang_up().await;
}
