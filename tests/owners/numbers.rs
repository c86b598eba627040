//! Whose a number is, which Twilio account counts, and what is left of a connection that failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use frontdesk::clock;
use frontdesk::line::directory::LookUp;
use frontdesk::rehearsal::phone::api::Api;
use frontdesk::rehearsal::phone::numbers::Number;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Barrier, Notify};
use uuid::Uuid;

use crate::desk::{Client, Desk, NUMBER, OTHER_NUMBER, TOKEN};

pub(crate) const SERVERS: &str = "AC00000000000000000000000000000001";
pub(crate) const OWN: &str = "AC00000000000000000000000000000002";
pub(crate) const OWN_TOKEN: &str = "the-owners-own-auth-token";
/// A number of the server's account: the operator's own, say.
pub(crate) const HOTLINE: &str = "+15559870777";

pub(crate) async fn desk_at(url: String) -> Desk {
    Desk::open_with(&[("TWILIO_API_URL", url), ("TWILIO_ACCOUNT_SID", SERVERS.to_owned())]).await
}

pub(crate) async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// A desk with a Twilio whose one account, the server's, has these numbers.
async fn with_servers_account(numbers: &[&str]) -> (Desk, Api) {
    let twilio = Api::new(Some(SERVERS.to_owned()), Some(TOKEN.to_owned().into()));
    for number in numbers {
        twilio.set_number(Number::new(*number, "https://old.example/voice"));
    }
    let (listener, url) = listener().await;
    twilio.serve(listener);
    (desk_at(url).await, twilio)
}

/// The agent that a call to this number gets.
pub(crate) async fn answers(desk: &Desk, number: &str) -> Option<Uuid> {
    match desk.app.directory.look_up(number).await {
        LookUp::Found(agent) => Some(agent.id),
        LookUp::Unknown | LookUp::Unavailable => None,
    }
}

async fn type_number(client: &Client, agent: Uuid, number: &str) -> Value {
    let path = format!("/api/v1/agents/{agent}");
    let typed = client.patch(&path, json!({"twilio_phone_number": number})).await;
    assert_eq!(typed.status, StatusCode::OK, "{}", typed.text);
    assert_eq!(typed.json()["twilio_phone_number"], number, "{}", typed.text);
    client.get(&path).await.json()
}

#[tokio::test]
async fn a_number_of_the_servers_account_is_nobodys_by_being_typed() {
    let (desk, twilio) = with_servers_account(&[HOTLINE]).await;
    let before = twilio.numbers();
    let other = desk.sign_in("other@example.com").await;
    let agent = type_number(&other, desk.other_agent, HOTLINE).await;
    assert_eq!(agent["faults"][0]["field"], "twilio_phone_number", "{agent}");
    assert_eq!(answers(&desk, HOTLINE).await, None, "its calls are not theirs");
    assert_eq!(answers(&desk, OTHER_NUMBER).await, None);
    assert_eq!(other.get("/api/v1/numbers").await.json()["items"], json!([]));
    let page = other.get("/numbers").await.text;
    assert!(page.contains("was typed in for this agent"), "{page}");
    let sid = &before[0].sid;
    for deed in ["connect", "restore"] {
        let path = format!("/api/v1/numbers/{sid}/{deed}");
        let refused = other.post(&path, json!({"agent": desk.other_agent})).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{deed}: {}", refused.text);
    }
    // Neither with a new agent, nor by the set-up's last screen.
    let new = json!({"name": "New", "twilio_phone_number": HOTLINE});
    let made = other.post("/api/v1/agents", new).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert_eq!(answers(&desk, HOTLINE).await, None);
    desk.sql(&format!(
        "update voice_agents set setup_step = 'number', status = 'inactive' where id = '{}'",
        desk.other_agent
    ))
    .await;
    let finish = format!("/setup/{}/finish", desk.other_agent);
    let finished = other.form(&finish, &[("sid", sid)]).await;
    assert_eq!(finished.status, StatusCode::NOT_FOUND, "{}", finished.text);
    desk.sql(&format!(
        "update voice_agents set setup_step = null, status = 'active' where id = '{}'",
        desk.other_agent
    ))
    .await;
    assert_eq!(answers(&desk, HOTLINE).await, None);
    assert_eq!(twilio.numbers(), before, "Twilio was told nothing");

    // An administrator gives it to an agent, and it is that agent's from then on.
    let admin = desk.sign_in("admin@example.com").await;
    let connect = format!("/api/v1/numbers/{sid}/connect");
    let connected = admin.post(&connect, json!({"agent": desk.other_agent})).await;
    assert_eq!(connected.status, StatusCode::NO_CONTENT, "{}", connected.text);
    assert_eq!(answers(&desk, HOTLINE).await, Some(desk.other_agent));
    assert_eq!(other.get("/api/v1/numbers").await.json()["items"][0]["number"], HOTLINE);
    // Also written in another way; and its owner may put it back.
    let spelt = other
        .patch(
            &format!("/api/v1/agents/{}", desk.other_agent),
            json!({"twilio_phone_number": "+1 555 987-0777", "name": "Renamed"}),
        )
        .await;
    assert_eq!(spelt.status, StatusCode::OK, "{}", spelt.text);
    assert_eq!(answers(&desk, HOTLINE).await, Some(desk.other_agent));
    let restore = format!("/api/v1/numbers/{sid}/restore");
    let restored = other.post(&restore, json!({"agent": desk.other_agent})).await;
    assert_eq!(restored.status, StatusCode::NO_CONTENT, "{}", restored.text);
    assert_eq!(twilio.numbers(), before);
}

#[tokio::test]
async fn a_number_goes_to_the_account_that_twilio_lists_it_on() {
    let (desk, twilio) = with_servers_account(&[HOTLINE]).await;
    let other = desk.sign_in("other@example.com").await;
    // An account of one's own, and a number that is on the server's.
    desk.sql(&format!(
        "update voice_agents set twilio_credentials = jsonb_build_object('account_sid', '{OWN}',
            'auth_token', '{OWN_TOKEN}') where id = '{}'",
        desk.other_agent
    ))
    .await;
    desk.app.directory.refresh(None, None).await;
    type_number(&other, desk.other_agent, HOTLINE).await;
    assert_eq!(answers(&desk, HOTLINE).await, Some(desk.other_agent));

    let admin = desk.sign_in("admin@example.com").await;
    let connect = format!("/api/v1/numbers/{}/connect", twilio.numbers()[0].sid);
    let connected = admin.post(&connect, json!({"agent": desk.agent})).await;
    assert_eq!(connected.status, StatusCode::NO_CONTENT, "{}", connected.text);
    assert_eq!(answers(&desk, HOTLINE).await, Some(desk.agent));
    let left = other.get(&format!("/api/v1/agents/{}", desk.other_agent)).await.json();
    assert_eq!(left["twilio_phone_number"], Value::Null, "{left}");
    let activity = other.get("/activity").await.text;
    assert!(activity.contains("found the number on another telephone account"), "{activity}");
    assert!(!activity.contains("admin@example.com"), "{activity}");
}

#[tokio::test]
async fn the_number_of_an_agent_that_is_switched_off_stays_its_own() {
    let (desk, _) = with_servers_account(&[NUMBER]).await;
    let owner = desk.sign_in("owner@example.com").await;
    let status = format!("/agents/{}/status", desk.agent);
    assert_eq!(owner.form(&status, &[("status", "off")]).await.status, StatusCode::SEE_OTHER);
    let other = desk.sign_in("other@example.com").await;
    type_number(&other, desk.other_agent, NUMBER).await;
    assert_eq!(answers(&desk, NUMBER).await, Some(desk.agent), "callers hear its fallback");
    let on = owner.form(&status, &[("status", "on")]).await;
    assert_eq!(on.status, StatusCode::SEE_OTHER, "what another typed is in nobody's way");
    assert_eq!(answers(&desk, NUMBER).await, Some(desk.agent));

    // What the operator writes in SQL counts, whoever typed something before.
    desk.sql(&format!(
        "update voice_agents set twilio_phone_number = '{HOTLINE}' where id = '{}'",
        desk.other_agent
    ))
    .await;
    desk.app.directory.refresh(Some(desk.other_agent), Some(HOTLINE)).await;
    assert_eq!(answers(&desk, HOTLINE).await, Some(desk.other_agent));
    // An administrator assigns by typing.
    type_number(&other, desk.other_agent, "+15559870778").await;
    assert_eq!(answers(&desk, "+15559870778").await, None);
    let admin = desk.sign_in("admin@example.com").await;
    type_number(&admin, desk.other_agent, "+15559870778").await;
    assert_eq!(answers(&desk, "+15559870778").await, Some(desk.other_agent));
}

/// A Twilio with two accounts, which does what it is told to.
struct Twilio {
    /// What it answers to a change, if not that it is done.
    refuses: AtomicU16,
    /// How often numbers were listed.
    listed: AtomicUsize,
    /// Lists are answered once so many are asked for at the same time.
    together: Option<Barrier>,
    own_is_trial: bool,
    /// Whether changes wait for `go`; `reached` says that one has come.
    holds: AtomicBool,
    reached: Notify,
    go: Notify,
}

impl Twilio {
    async fn serve(together: Option<Barrier>, own_is_trial: bool) -> (Arc<Self>, String) {
        let (refuses, listed) = (AtomicU16::new(0), AtomicUsize::new(0));
        let (holds, reached, go) = (AtomicBool::new(false), Notify::new(), Notify::new());
        let twilio = Arc::new(Self { refuses, listed, together, own_is_trial, holds, reached, go });
        let (listener, url) = listener().await;
        let router = Router::new()
            .route("/2010-04-01/Accounts/{account}", get(account))
            .route("/2010-04-01/Accounts/{account}/IncomingPhoneNumbers.json", get(list))
            .route(
                "/2010-04-01/Accounts/{account}/IncomingPhoneNumbers/{number}",
                axum::routing::post(change),
            )
            .with_state(Arc::clone(&twilio));
        frontdesk::clock::spawn(async move { axum::serve(listener, router).await });
        (twilio, url)
    }
}

fn is_known(account: &str, headers: &HeaderMap) -> bool {
    let token = if account == OWN { OWN_TOKEN } else { TOKEN };
    let expected = format!("Basic {}", STANDARD.encode(format!("{account}:{token}")));
    headers.get("authorization").is_some_and(|sent| sent == expected.as_str())
}

/// The number that each of the two accounts has.
fn number_of(account: &str) -> Value {
    let (sid, number) = match account {
        OWN => ("PN00000000000000000000000000000002", "+15559870888"),
        _ => ("PN00000000000000000000000000000001", NUMBER),
    };
    json!({"sid": sid, "phone_number": number, "voice_url": "https://old.example/voice"})
}

async fn account(
    State(twilio): State<Arc<Twilio>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let account = name.trim_end_matches(".json");
    if !is_known(account, &headers) {
        return (StatusCode::UNAUTHORIZED, Json(json!({"code": 20003}))).into_response();
    }
    let kind = if account == OWN && twilio.own_is_trial { "Trial" } else { "Full" };
    Json(json!({"sid": account, "status": "active", "type": kind})).into_response()
}

async fn list(
    State(twilio): State<Arc<Twilio>>,
    Path(account): Path<String>,
    headers: HeaderMap,
) -> Response {
    twilio.listed.fetch_add(1, SeqCst);
    if let Some(together) = &twilio.together {
        together.wait().await;
    }
    if !is_known(&account, &headers) {
        return (StatusCode::UNAUTHORIZED, Json(json!({"code": 20003}))).into_response();
    }
    Json(json!({"incoming_phone_numbers": [number_of(&account)]})).into_response()
}

async fn change(
    State(twilio): State<Arc<Twilio>>,
    Path((account, _)): Path<(String, String)>,
) -> Response {
    if twilio.holds.load(SeqCst) {
        twilio.reached.notify_one();
        twilio.go.notified().await;
    }
    match twilio.refuses.load(SeqCst) {
        0 => Json(number_of(&account)).into_response(),
        status => {
            let status = StatusCode::from_u16(status).unwrap();
            (status, Json(json!({"code": 21402}))).into_response()
        }
    }
}

async fn use_account(owner: &Client, desk: &Desk, token: &str) -> crate::desk::Answered {
    let path = format!("/agents/{}/twilio", desk.agent);
    owner.form(&path, &[("account_sid", OWN), ("auth_token", token)]).await
}

/// An owner whose agent has a Twilio account of its own.
async fn on_own_account() -> (Arc<Twilio>, Desk, Client) {
    let (twilio, url) = Twilio::serve(None, false).await;
    let desk = desk_at(url).await;
    let owner = desk.sign_in("owner@example.com").await;
    let form = [("account_sid", OWN), ("auth_token", OWN_TOKEN), ("gives_number_up", "yes")];
    let used = owner.form(&format!("/agents/{}/twilio", desk.agent), &form).await;
    assert_eq!(used.status, StatusCode::SEE_OTHER, "{}", used.text);
    (twilio, desk, owner)
}

async fn credentials(desk: &Desk) -> Value {
    sqlx::query_scalar("select twilio_credentials from voice_agents where id = $1")
        .bind(desk.agent)
        .fetch_one(&desk.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn twilio_is_asked_before_an_account_counts() {
    let (_, url) = Twilio::serve(None, true).await;
    let desk = desk_at(url).await;
    let owner = desk.sign_in("owner@example.com").await;
    let before = credentials(&desk).await;
    let wrong = use_account(&owner, &desk, "the-owners-own-auth-tokem").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let fields = [
        "Twilio does not know this account".to_owned(),
        format!("value=\"{OWN}\""),
        format!("id=\"auth_token-{}-error\"", desk.agent),
        "<nav class=\"menu\"".to_owned(),
        "<details open>".to_owned(),
    ];
    for shown in fields {
        assert!(wrong.text.contains(&shown), "{shown}: {}", wrong.text);
    }
    assert!(!wrong.text.contains("the-owners-own-auth-tokem"), "a token is shown to nobody");
    assert_eq!(credentials(&desk).await, before, "the line goes on as it was");

    // Its number is on the account that it leaves.
    let leaves = use_account(&owner, &desk, OWN_TOKEN).await;
    assert_eq!(leaves.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(leaves.text.contains("Use it all the same"), "{}", leaves.text);
    assert_eq!(credentials(&desk).await, before);
    let path = format!("/agents/{}/twilio", desk.agent);
    let form = [("account_sid", OWN), ("auth_token", OWN_TOKEN), ("gives_number_up", "yes")];
    let used = owner.form(&path, &form).await;
    assert_eq!(used.status, StatusCode::SEE_OTHER, "{}", used.text);
    let page = owner.get(used.header("location")).await.text;
    assert!(page.contains("It is a trial") && page.contains("number is not on it"), "{page}");
    assert!(page.contains("Use the server's account again") || page.contains("server&#39;s"));

    let connect = "/numbers/PN00000000000000000000000000000002/connect";
    let agent = desk.agent.to_string();
    let connected = owner.form(connect, &[("agent", &agent)]).await;
    assert_eq!(connected.status, StatusCode::SEE_OTHER, "{}", connected.text);
    assert_eq!(answers(&desk, "+15559870888").await, Some(desk.agent));
    let versions = owner.get(&format!("/api/v1/agents/{agent}/versions")).await.json();
    let changed = versions["items"][0]["changes"].as_array().unwrap();
    let number = changed.iter().find(|change| change["field"] == "twilio_phone_number").unwrap();
    assert_eq!((&number["before"], &number["after"]), (&json!(NUMBER), &json!("+15559870888")));

    // And back: what it answered on its own account is not the server's account's.
    let maintainer = desk.sign_in("maintainer@example.com").await;
    let back = format!("/agents/{agent}/twilio/server");
    assert_eq!(maintainer.form(&back, &[]).await.status, StatusCode::FORBIDDEN);
    let went = owner.form(&back, &[]).await;
    assert_eq!(went.header("location"), "/numbers?done=server", "{}", went.text);
    assert_eq!(credentials(&desk).await, json!({}));
    assert_eq!(answers(&desk, "+15559870888").await, None);
}

#[tokio::test]
async fn the_set_up_offers_what_it_tells_to_choose() {
    let (_, url) = Twilio::serve(None, false).await;
    let desk = desk_at(url).await;
    let owner = desk.sign_in("owner@example.com").await;
    let agent = desk.agent;
    let number = |number: &str| {
        format!(
            "update voice_agents set status = 'inactive', setup_step = 'number',
                twilio_phone_number = {number} where id = '{agent}'"
        )
    };
    desk.sql(&number("null")).await;
    let page = format!("/setup?agent={agent}");
    let shown = owner.get(&page).await.text;
    assert!(shown.contains("name=\"auth_token\""), "{shown}");
    assert!(!shown.contains("gives_number_up"), "there is none to give up: {shown}");
    desk.sql(&number(&format!("'{NUMBER}'"))).await;
    assert!(owner.get(&page).await.text.contains("id=\"gives_number_up\""));
    let path = format!("/setup/{agent}/account");
    let mut form = vec![("account_sid", OWN), ("auth_token", OWN_TOKEN)];
    let refused = owner.form(&path, &form).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
    for shown in ["Choose “Use it all the same”", "#gives_number_up", "id=\"gives_number_up\""]
    {
        assert!(refused.text.contains(shown), "{shown}: {}", refused.text);
    }
    form.push(("gives_number_up", "yes"));
    let used = owner.form(&path, &form).await;
    assert_eq!(used.status, StatusCode::SEE_OTHER, "{}", used.text);
}

#[tokio::test]
async fn a_connection_that_fails_leaves_the_agent_its_number() {
    let (twilio, desk, owner) = on_own_account().await;
    let agent = desk.agent.to_string();
    let page = owner.get("/numbers").await.text;
    assert!(page.contains("do not reach it any more"), "it says what is lost: {page}");
    let connect = "/numbers/PN00000000000000000000000000000002/connect";
    for (status, says_unchanged) in [(400, true), (503, false)] {
        twilio.refuses.store(status, SeqCst);
        let refused = owner.form(connect, &[("agent", &agent)]).await;
        assert_eq!(refused.status, StatusCode::BAD_GATEWAY, "{}", refused.text);
        assert!(
            refused.text.contains("<nav class=\"menu\""),
            "the page once more: {}",
            refused.text
        );
        let says = refused.text.contains("Nothing was changed");
        assert_eq!(says, says_unchanged, "{}", refused.text);
        assert!(refused.text.contains(NUMBER), "it says what the agent answers: {}", refused.text);
        assert_eq!(answers(&desk, NUMBER).await, Some(desk.agent));
        assert_eq!(answers(&desk, "+15559870888").await, None);
    }
    let versions = owner.get(&format!("/api/v1/agents/{agent}/versions")).await.json();
    assert_eq!(versions["items"], json!([]), "nothing became of it");
}

#[tokio::test]
async fn a_number_is_put_back_to_the_end_though_the_browser_leaves() {
    let (twilio, desk, owner) = on_own_account().await;
    let agent = desk.agent.to_string();
    let number = "/numbers/PN00000000000000000000000000000002";
    let connected = owner.form(&format!("{number}/connect"), &[("agent", &agent)]).await;
    assert_eq!(connected.status, StatusCode::SEE_OTHER, "{}", connected.text);
    twilio.holds.store(true, SeqCst);
    let restore = format!("{number}/restore");
    let form = [("agent", agent.as_str())];
    tokio::select! {
        answer = owner.form(&restore, &form) => panic!("before Twilio: {}", answer.text),
        () = twilio.reached.notified() => {}
    }
    // By now the server knows that nobody waits for the answer.
    for _ in 0..10 {
        owner.get("/account").await;
    }
    twilio.go.notify_one();
    let count = async |of: &str| {
        let sql = format!("select count(*) from {of}");
        sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(sql)).fetch_one(&desk.pool).await.unwrap()
    };
    let noted = async { while count("audit_log where action = 'number.restore'").await == 0 {} };
    clock::within(Duration::from_secs(20), noted).await.expect("it is done and written down");
    assert_eq!(count("number_wirings where restored_at is null").await, 0);
}

#[tokio::test]
async fn each_account_is_asked_once_and_all_at_the_same_time() {
    // Asked one after the other, the first would wait for the second for ever.
    let (twilio, url) = Twilio::serve(Some(Barrier::new(2)), false).await;
    let desk = desk_at(url).await;
    desk.sql(&format!(
        "update voice_agents set twilio_credentials = jsonb_build_object('account_sid', '{OWN}',
            'auth_token', '{OWN_TOKEN}') where id = '{}'",
        desk.agent
    ))
    .await;
    desk.sql(
        "insert into voice_agents (name, created_by)
        select 'Agent ' || n, created_by from voice_agents, generate_series(1, 23) n
        where name = 'Iron Pipes'",
    )
    .await;
    desk.app.directory.refresh(None, None).await;
    let admin = desk.sign_in("admin@example.com").await;
    let first = admin.get("/api/v1/numbers").await.json();
    assert_eq!(twilio.listed.load(SeqCst), 2);
    assert_eq!(first["items"].as_array().unwrap().len(), 20, "{first}");
    let next = first["next"].as_str().unwrap();
    assert!(admin.get(&format!("/api/v1/agents/{next}")).await.status.is_success());
}

/// What stands in SQL or the API alone is nobody's to find: whose word counts has a field for it.
#[tokio::test]
async fn a_number_is_written_by_hand_by_whose_word_it_is() {
    let desk = Desk::open().await;
    let admin = desk.sign_in("admin@example.com").await;
    let owner = desk.sign_in("owner@example.com").await;
    let path = format!("/agents/{}/number", desk.agent);
    let field = format!("action=\"{path}\"");
    let page = admin.get("/numbers").await.text;
    assert!(page.contains(&field) && page.contains("to a number above"), "{page}");
    let lost =
        "once you keep another one here, callers of <bdi>+1 555-987-0001</bdi> do not reach it";
    assert!(page.contains(lost), "it says who is lost: {page}");
    let page = owner.get("/numbers").await.text;
    assert!(!page.contains(&field), "what they write is not theirs by that: {page}");
    let wrong = admin.form(&path, &[("number", "12")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", wrong.text);
    // The page once more, with its menu, what was typed and what is wrong with it.
    for shown in [
        "<nav class=\"menu\"",
        "value=\"12\"",
        "aria-invalid=\"true\"",
        "<details open>",
        "Write a number with its country code, such as +44 20 7946 0123, or as it is dialled where",
    ] {
        assert!(wrong.text.contains(shown), "{shown}: {}", wrong.text);
    }
    assert!(!wrong.text.contains("Calls are still being answered"), "{}", wrong.text);
    assert_eq!(answers(&desk, NUMBER).await, Some(desk.agent));

    let kept = admin.form(&path, &[("number", "+1 (555) 987-0777")]).await;
    let back = format!("/numbers?agent={}&done=written", desk.agent);
    assert_eq!((kept.status, kept.header("location")), (StatusCode::SEE_OTHER, &*back));
    assert_eq!(answers(&desk, HOTLINE).await, Some(desk.agent));
    assert_eq!(answers(&desk, NUMBER).await, None);
    // As it is dialled where the business is.
    let dialled = admin.form(&path, &[("number", "020 7183 8750")]).await;
    assert_eq!(dialled.status, StatusCode::SEE_OTHER, "{}", dialled.text);
    assert_eq!(answers(&desk, "+442071838750").await, Some(desk.agent));
    let none = admin.form(&path, &[("number", "")]).await;
    let back = format!("/numbers?agent={}&done=none", desk.agent);
    assert_eq!((none.status, none.header("location")), (StatusCode::SEE_OTHER, &*back));
    assert_eq!(answers(&desk, HOTLINE).await, None);
    let page = admin.get(&back).await.text;
    assert!(page.contains("The agent has no number now"), "{page}");
    assert!(!page.contains("The number is kept"), "{page}");
    let page = owner.get("/numbers").await.text;
    assert!(page.contains("An agent needs a number first"), "{page}");
}

/// A code is on a line of its own, which fits a phone; an answered call is no entry of Today.
#[tokio::test]
async fn the_codes_for_forwarding_are_a_list() {
    let desk = Desk::open().await;
    let page = desk.sign_in("owner@example.com").await.get("/numbers").await.text;
    assert!(page.contains("<dt>Always</dt><dd><code>**21*number#</code></dd>"), "{page}");
    assert!(!page.contains("<table>"), "{page}");
    assert!(page.contains("the call appears on <a href=\"/calls\">Calls</a>"), "{page}");
}
