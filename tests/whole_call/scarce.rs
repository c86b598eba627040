//! Lines that get scarce: no business has them all, and calls that nobody placed have none.

use std::future::pending;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use frontdesk::clock;
use frontdesk::rehearsal::phone::random_sid;
use futures_util::future::join_all;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::harness::{ACCOUNT, House, NUMBER, Placed, Plan, TOKEN, add_agent, row, voice};

const OTHER_NUMBER: &str = "+15559870077";
/// The other business's own token.
const OTHERS: &str = "the-token-of-another-tenant";
const MADE_UP: &str = "lines are scarce, and Twilio does not know the call";
const SHARE_TAKEN: &str = "the business has its part of the lines";

/// A second business with as many lines of its own as it wants.
async fn other_business(house: &House) -> Uuid {
    add_agent(&house.pool, OTHER_NUMBER, json!({"limits": {"concurrent_calls": 100}})).await
}

async fn has_account(house: &House, agent: Uuid, credentials: Value) {
    house
        .change(&format!(
            "update voice_agents set twilio_credentials = '{credentials}' where id = '{agent}'"
        ))
        .await;
}

/// A call that lasts, once the agent has spoken.
async fn live(house: &House, number: &str) -> Placed {
    let mut options = house.options();
    options.to = number.to_owned().into();
    let mut call = house.place(options, vec![]);
    call.heard_agent().await;
    call
}

/// A call is announced. Why it is refused; none where it is taken.
async fn announced(house: &House, sid: &str, number: &str, token: &str) -> Option<String> {
    let (status, document) = house.post("/twilio/voice", &voice(sid, number), Some(token)).await;
    assert_eq!(status, 200, "{document}");
    if document.contains("<Stream") {
        return None;
    }
    let row = house.row(sid).await;
    Some(row.metadata()["fallback_reason"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn calls_that_nobody_places_have_no_line_once_half_are_taken() {
    let house = House::open(Plan { calls_max: 4, ..Plan::default() }).await;
    let other = other_business(&house).await;
    let own = json!({"account_sid": random_sid("AC"), "auth_token": OTHERS});
    has_account(&house, other, own).await;
    let mut calls = vec![live(&house, NUMBER).await, live(&house, NUMBER).await];
    for _ in 0..4 {
        let made_up = announced(&house, &random_sid("CA"), OTHER_NUMBER, OTHERS).await;
        assert_eq!(made_up.as_deref(), Some(MADE_UP));
    }
    // One of the same agent's whom Twilio knows has a line.
    has_account(&house, other, json!({"account_sid": ACCOUNT, "auth_token": TOKEN})).await;
    calls.push(live(&house, OTHER_NUMBER).await);
    for call in calls {
        call.freeze();
    }
}

#[tokio::test]
async fn beyond_what_a_business_is_called_twilio_is_asked_and_what_is_made_up_has_no_row() {
    const CALLS: usize = 900;
    let house = House::with(vec![], json!({})).await;
    let limits = json!({"limits": {"concurrent_calls": 1}});
    let other = add_agent(&house.pool, OTHER_NUMBER, limits).await;
    has_account(&house, other, json!({"account_sid": random_sid("AC"), "auth_token": OTHERS}))
        .await;
    let since = clock::Stopwatch::start();
    // The first holds the only line of the agent's.
    let calls = (0..CALLS).map(|_| random_sid("CA")).collect::<Vec<_>>();
    for some in calls.chunks(45) {
        let answered = join_all(some.iter().map(async |sid| {
            house.post("/twilio/voice", &voice(sid, OTHER_NUMBER), Some(OTHERS)).await
        }));
        for (status, body) in answered.await {
            assert_eq!(status, 200, "{body}");
        }
    }
    // 600 at once, and 10 a second.
    let most = 610 + 10 * since.elapsed().as_secs() as i64;
    let rows: i64 = sqlx::query_scalar("select count(*) from call_logs where voice_agent_id = $1")
        .bind(other)
        .fetch_one(&house.pool)
        .await
        .unwrap();
    assert!((600..=most).contains(&rows), "{rows} of at most {most}");
    // Whoever is on the line with Twilio is not one of them.
    has_account(&house, other, json!({"account_sid": ACCOUNT, "auth_token": TOKEN})).await;
    house
        .change(&format!("update voice_agents set private_settings = '{{}}' where id = '{other}'"))
        .await;
    live(&house, OTHER_NUMBER).await.freeze();
}

#[tokio::test]
async fn a_business_has_all_lines_while_it_is_alone() {
    let house = House::open(Plan { calls_max: 2, ..Plan::default() }).await;
    for call in [live(&house, NUMBER).await, live(&house, NUMBER).await] {
        call.freeze();
    }
}

#[tokio::test]
async fn a_business_leaves_the_last_lines_to_others() {
    let house = House::open(Plan { calls_max: 10, ..Plan::default() }).await;
    other_business(&house).await;
    house.app.directory.refresh(None, None).await;
    let mut calls = vec![live(&house, OTHER_NUMBER).await];
    for _ in 0..8 {
        calls.push(live(&house, NUMBER).await);
    }
    // The free line is for whoever has fewer than half.
    let refused = announced(&house, &random_sid("CA"), NUMBER, TOKEN).await;
    assert_eq!(refused.as_deref(), Some(SHARE_TAKEN));
    calls.push(live(&house, OTHER_NUMBER).await);
    for call in calls {
        call.freeze();
    }
}

/// A Twilio that is asked about calls.
#[derive(Clone)]
struct Asked {
    pool: PgPool,
    known: String,
    silent: String,
    busy: String,
    /// One more of which it says only that it is asked too much.
    last: String,
    /// With which account and what it was asked, and whether the call had a row by then.
    by: Arc<Mutex<Vec<(String, String, bool)>>>,
}

impl Asked {
    /// The same for a house of so many lines, with a second business that has a token and no account's name:
    /// the form has it.
    async fn house(calls_max: usize) -> (House, Self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let environment = vec![("TWILIO_API_URL", url)];
        let house = House::open(Plan { calls_max, environment, ..Plan::default() }).await;
        let [known, silent, busy, last] = std::array::from_fn(|_| random_sid("CA"));
        let (pool, by) = (house.pool.clone(), Arc::default());
        let asked = Self { pool, known, silent, busy, last, by };
        let route = "/2010-04-01/Accounts/{account}/Calls/{call}";
        let router = Router::new().route(route, routing::get(about_call)).with_state(asked.clone());
        clock::spawn(async move { axum::serve(listener, router).await });
        let other = other_business(&house).await;
        has_account(&house, other, json!({"auth_token": OTHERS})).await;
        (house, asked)
    }
}

async fn about_call(
    State(asked): State<Asked>,
    Path((account, call)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let call = call.trim_end_matches(".json").to_owned();
    let by = headers["authorization"].to_str().unwrap().trim_start_matches("Basic ").to_owned();
    let by = String::from_utf8(STANDARD.decode(by).unwrap()).unwrap();
    let has_row = row(&asked.pool, &call).await.is_some();
    asked.by.lock().unwrap().push((account, by, has_row));
    if call == asked.silent {
        return pending().await;
    }
    if [&asked.busy, &asked.last].contains(&&call) {
        let wait = [("retry-after", "1")];
        return (StatusCode::TOO_MANY_REQUESTS, wait, Json(json!({"code": 20429}))).into_response();
    }
    match call == asked.known {
        true => Json(json!({"sid": call, "status": "in-progress"})).into_response(),
        false => (StatusCode::NOT_FOUND, Json(json!({"code": 20404}))).into_response(),
    }
}

#[tokio::test]
async fn twilio_is_asked_before_a_call_has_anything_and_believed_where_it_is_silent() {
    let (house, asked) = Asked::house(5).await;
    let mut ours = Vec::new();
    for _ in 0..3 {
        ours.push(live(&house, NUMBER).await);
    }
    // What an account brings upon itself by too many questions speaks for no call.
    for refused in [&random_sid("CA"), &asked.busy] {
        let why = announced(&house, refused, OTHER_NUMBER, OTHERS).await;
        assert_eq!(why.as_deref(), Some(MADE_UP));
    }
    for believed in [&asked.known, &asked.silent] {
        assert_eq!(announced(&house, believed, OTHER_NUMBER, OTHERS).await, None);
    }
    let by = asked.by.lock().unwrap().clone();
    let expected = (ACCOUNT.to_owned(), format!("{ACCOUNT}:{OTHERS}"), false);
    assert_eq!(by, vec![expected; 4]);
    for call in ours {
        call.freeze();
    }
}

#[tokio::test]
async fn no_odd_name_of_an_account_speaks_for_a_call() {
    let (house, asked) = Asked::house(2).await;
    let ours = live(&house, NUMBER).await;
    for account in
        [format!("AC{}", "1".repeat(70_000)), format!("AC{}", "z".repeat(32)), String::new()]
    {
        let sid = random_sid("CA");
        let mut form = voice(&sid, OTHER_NUMBER);
        form[0] = ("AccountSid", &account);
        let (status, document) = house.post("/twilio/voice", &form, Some(OTHERS)).await;
        assert!(status == 200 && !document.contains("<Stream"), "{document}");
        assert_eq!(house.row(&sid).await.metadata()["fallback_reason"], MADE_UP);
    }
    assert!(asked.by.lock().unwrap().is_empty());
    ours.freeze();
}

#[tokio::test]
async fn what_nobody_placed_is_not_brought_back_from_another_process() {
    let (mut house, asked) = Asked::house(8).await;
    let mut other = house.neighbour().await;
    let mut ours = Vec::new();
    for _ in 0..4 {
        ours.push(live(&house, NUMBER).await);
    }
    std::mem::swap(&mut house.app, &mut other);
    let made_up = random_sid("CA");
    for sid in [&made_up, &asked.known, &asked.busy, &asked.last] {
        assert_eq!(announced(&house, sid, OTHER_NUMBER, OTHERS).await, None);
    }
    std::mem::swap(&mut house.app, &mut other);
    // Whoever was answered is believed where Twilio does not say, but for the last quarter of the lines: six
    // of eight are taken when the last one comes.
    let all = [(&made_up, false), (&asked.known, true), (&asked.busy, true), (&asked.last, false)];
    for (sid, is_back) in all {
        let mut form = voice(sid, OTHER_NUMBER);
        form[2] = ("CallStatus", "in-progress");
        let (status, document) = house.post("/twilio/after", &form, Some(OTHERS)).await;
        assert_eq!((status, document.contains("<Stream")), (200, is_back), "{document}");
    }
    for call in ours {
        call.freeze();
    }
    other.shut_down(pending()).await;
}
