//! A number that somebody only typed goes to the agent on whose account Twilio lists it: from nobody else,
//! and all of it or nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::desk::{Client, Desk, NUMBER, OTHER_NUMBER, TOKEN};
use crate::numbers::{HOTLINE, OWN, OWN_TOKEN, SERVERS, answers, desk_at, listener};
use crate::setting_up::{begun, newcomer, rows};

/// The account of whoever types numbers that are not on it.
const ELSEWHERE: &str = "AC0000000000000000000000000000000e";
const ELSEWHERE_TOKEN: &str = "somebody-elses-auth-token";
/// What the owner reads in the activity of an agent that lost the number.
const TAKEN: &str = "found the number on another telephone account";
/// And where it has it back.
const RETURNED: &str = "gave it back to this one";

/// A Twilio with three accounts, which does what it is told to.
struct Twilio {
    /// What it answers to a change, if not that it is done.
    refuses: AtomicU16,
}

impl Twilio {
    async fn serve() -> (Arc<Self>, String) {
        let twilio = Arc::new(Self { refuses: AtomicU16::new(0) });
        let (listener, url) = listener().await;
        let router = Router::new()
            .route("/2010-04-01/Accounts/{account}", get(account))
            .route("/2010-04-01/Accounts/{account}/IncomingPhoneNumbers.json", get(list))
            .route("/2010-04-01/Accounts/{account}/IncomingPhoneNumbers/{number}", post(change))
            .with_state(Arc::clone(&twilio));
        frontdesk::clock::spawn(async move { axum::serve(listener, router).await });
        (twilio, url)
    }
}

fn is_known(account: &str, headers: &HeaderMap) -> bool {
    let token = match account {
        OWN => OWN_TOKEN,
        SERVERS => TOKEN,
        _ => ELSEWHERE_TOKEN,
    };
    let expected = format!("Basic {}", STANDARD.encode(format!("{account}:{token}")));
    headers.get("authorization").is_some_and(|sent| sent == expected.as_str())
}

/// Twilio's name for a number.
fn sid_of(number: &str) -> String {
    format!("PN{:0>32}", number.trim_start_matches('+'))
}

fn number(number: &str) -> Value {
    let url = "https://old.example/voice";
    json!({"sid": sid_of(number), "phone_number": number, "voice_url": url})
}

async fn account(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let account = name.trim_end_matches(".json");
    if !is_known(account, &headers) {
        return (StatusCode::UNAUTHORIZED, Json(json!({"code": 20003}))).into_response();
    }
    Json(json!({"sid": account, "status": "active", "type": "Full"})).into_response()
}

async fn list(Path(account): Path<String>, headers: HeaderMap) -> Response {
    if !is_known(&account, &headers) {
        return (StatusCode::UNAUTHORIZED, Json(json!({"code": 20003}))).into_response();
    }
    let numbers = match account.as_str() {
        OWN => vec![number(HOTLINE)],
        SERVERS => vec![number(NUMBER)],
        _ => Vec::new(),
    };
    Json(json!({"incoming_phone_numbers": numbers})).into_response()
}

async fn change(
    State(twilio): State<Arc<Twilio>>,
    Path((_, sid)): Path<(String, String)>,
) -> Response {
    match twilio.refuses.load(SeqCst) {
        0 => Json(json!({"sid": sid, "phone_number": HOTLINE})).into_response(),
        status => {
            let status = StatusCode::from_u16(status).unwrap();
            (status, Json(json!({"code": 21402}))).into_response()
        }
    }
}

/// Has an agent use a Twilio account of its own.
async fn has_account(desk: &Desk, agent: Uuid, (sid, token): (&str, &str)) {
    desk.sql(&format!(
        "update voice_agents set twilio_credentials = jsonb_build_object('account_sid', '{sid}',
            'auth_token', '{token}') where id = '{agent}'"
    ))
    .await;
    desk.app.directory.refresh(None, None).await;
}

/// Writes a number into an agent's row, as somebody does who types it.
async fn typed(desk: &Desk, agent: Uuid, number: &str) {
    desk.sql(&format!(
        "update voice_agents set twilio_phone_number = '{number}', number_typed = '{number}'
        where id = '{agent}'"
    ))
    .await;
    desk.app.directory.refresh(None, None).await;
}

/// The other business's agent has the hotline's number because somebody typed it.
async fn squatted(desk: &Desk) {
    has_account(desk, desk.other_agent, (ELSEWHERE, ELSEWHERE_TOKEN)).await;
    typed(desk, desk.other_agent, HOTLINE).await;
    assert_eq!(answers(desk, HOTLINE).await, Some(desk.other_agent));
}

async fn number_of(desk: &Desk, agent: Uuid) -> Option<String> {
    sqlx::query_scalar("select twilio_phone_number from voice_agents where id = $1")
        .bind(agent)
        .fetch_one(&desk.pool)
        .await
        .unwrap()
}

/// Whether the other business reads that it lost the number, and has not got it back.
async fn is_told(desk: &Desk) -> bool {
    let other = desk.sign_in("other@example.com").await;
    let page = other.get("/activity").await.text;
    page.matches(TAKEN).count() > page.matches(RETURNED).count()
}

/// The number is the agent's now, and the other business's no more.
async fn assert_moved(desk: &Desk, to: Uuid) {
    assert_eq!(answers(desk, HOTLINE).await, Some(to));
    assert_eq!(number_of(desk, desk.other_agent).await, None);
    assert!(is_told(desk).await);
}

/// Nothing has become of it.
async fn assert_stayed(desk: &Desk) {
    assert_eq!(number_of(desk, desk.other_agent).await.as_deref(), Some(HOTLINE));
    assert_eq!(answers(desk, HOTLINE).await, Some(desk.other_agent));
    assert!(!is_told(desk).await);
}

async fn connect(client: &Client, agent: Uuid) -> crate::desk::Answered {
    let path = format!("/api/v1/numbers/{}/connect", sid_of(HOTLINE));
    client.post(&path, json!({"agent": agent})).await
}

#[tokio::test]
async fn an_agent_of_the_same_account_keeps_the_number_that_is_connected_to_it() {
    let (_, url) = Twilio::serve().await;
    let desk = desk_at(url).await;
    for agent in [desk.agent, desk.other_agent] {
        has_account(&desk, agent, (OWN, OWN_TOKEN)).await;
    }
    let owner = desk.sign_in("owner@example.com").await;
    let connected = connect(&owner, desk.agent).await;
    assert_eq!(connected.status, StatusCode::NO_CONTENT, "{}", connected.text);
    let other = desk.sign_in("other@example.com").await;
    let refused = connect(&other, desk.other_agent).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
    assert!(refused.text.contains("this number cannot be used here"), "{}", refused.text);
    assert_eq!(answers(&desk, HOTLINE).await, Some(desk.agent));
    assert_eq!(number_of(&desk, desk.other_agent).await.as_deref(), Some(OTHER_NUMBER));

    // Nor where the account's name is written in other letters, or not at all: nobody knows then.
    for credentials in
        ["{account_sid}', '\"ac00000000000000000000000000000002\"", "{account_sid}', 'null"]
    {
        desk.sql(&format!(
            "update voice_agents set twilio_credentials = jsonb_set(twilio_credentials,
                '{credentials}') where id = '{}'",
            desk.agent
        ))
        .await;
        let refused = connect(&other, desk.other_agent).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
        assert_eq!(number_of(&desk, desk.agent).await.as_deref(), Some(HOTLINE));
    }
}

#[tokio::test]
async fn a_connection_that_fails_gives_back_what_it_took() {
    let (twilio, url) = Twilio::serve().await;
    let desk = desk_at(url).await;
    squatted(&desk).await;
    has_account(&desk, desk.agent, (OWN, OWN_TOKEN)).await;
    // In nobody's way: not in service.
    let idle: Uuid = desk
        .made(&format!(
            "insert into voice_agents (name, created_by, status, twilio_phone_number, number_typed,
                twilio_credentials)
            select 'Idle', created_by, 'inactive', twilio_phone_number, number_typed, twilio_credentials
            from voice_agents where id = '{}' returning id::text",
            desk.other_agent
        ))
        .await
        .parse()
        .unwrap();
    let owner = desk.sign_in("owner@example.com").await;
    for status in [400, 503] {
        twilio.refuses.store(status, SeqCst);
        let failed = connect(&owner, desk.agent).await;
        assert_eq!(failed.status, StatusCode::BAD_GATEWAY, "{}", failed.text);
        assert_eq!(answers(&desk, NUMBER).await, Some(desk.agent));
        assert_stayed(&desk).await;
    }
    let typed = desk
        .made(&format!("select number_typed from voice_agents where id = '{}'", desk.other_agent))
        .await;
    assert_eq!(typed, HOTLINE, "it is typed as it was");
    twilio.refuses.store(0, SeqCst);
    let connected = connect(&owner, desk.agent).await;
    assert_eq!(connected.status, StatusCode::NO_CONTENT, "{}", connected.text);
    assert_moved(&desk, desk.agent).await;
    assert_eq!(number_of(&desk, idle).await.as_deref(), Some(HOTLINE));
}

/// Twilio sends the calls here: nobody reads that it did not work, and whoever lost the number reads it.
#[tokio::test]
async fn a_number_that_is_connected_stays_so_where_the_rest_cannot_be_written_down() {
    let (twilio, url) = Twilio::serve().await;
    let desk = desk_at(url).await;
    squatted(&desk).await;
    has_account(&desk, desk.agent, (OWN, OWN_TOKEN)).await;
    let owner = desk.sign_in("owner@example.com").await;
    twilio.refuses.store(503, SeqCst);
    assert_eq!(connect(&owner, desk.agent).await.status, StatusCode::BAD_GATEWAY);
    let other = desk.sign_in("other@example.com").await;
    let page = other.get("/activity").await.text;
    assert_eq!((page.matches(TAKEN).count(), page.matches(RETURNED).count()), (1, 1), "{page}");
    desk.sql(
        "create function public.not_now() returns trigger language plpgsql as $$
            begin raise exception 'not now'; end $$",
    )
    .await;
    desk.sql(
        "create trigger not_now before insert on public.agent_versions
        for each row execute function public.not_now()",
    )
    .await;
    desk.sql(
        "create trigger not_now before insert on public.audit_log for each row
        when (new.action = 'number.connect') execute function public.not_now()",
    )
    .await;
    twilio.refuses.store(0, SeqCst);
    let connected = connect(&owner, desk.agent).await;
    assert_eq!(connected.status, StatusCode::NO_CONTENT, "{}", connected.text);
    assert_moved(&desk, desk.agent).await;
}

#[tokio::test]
async fn whoever_typed_a_number_keeps_it_where_another_one_stands_in_the_way() {
    let (_, url) = Twilio::serve().await;
    let desk = desk_at(url).await;
    has_account(&desk, desk.agent, (OWN, OWN_TOKEN)).await;
    // Two have it, from before that was refused: one typed it, one was given it by the operator.
    desk.sql("alter table voice_agents disable trigger z_number_is_free").await;
    squatted(&desk).await;
    desk.sql(&format!(
        "insert into voice_agents (name, created_by, twilio_phone_number)
        select 'Given', created_by, '{HOTLINE}' from voice_agents where id = '{}'",
        desk.other_agent
    ))
    .await;
    desk.sql("alter table voice_agents enable trigger z_number_is_free").await;
    let owner = desk.sign_in("owner@example.com").await;
    let refused = connect(&owner, desk.agent).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
    assert_stayed(&desk).await;
    assert_eq!(answers(&desk, NUMBER).await, Some(desk.agent));
}

#[tokio::test]
async fn a_set_up_ends_with_the_number_that_somebody_else_typed() {
    let (twilio, url) = Twilio::serve().await;
    let desk = desk_at(url).await;
    squatted(&desk).await;
    let browser = newcomer(&desk).await;
    let agent = begun(&browser, "").await;
    let at = |step: &str| format!("/setup/{agent}/{step}");
    let account = [("account_sid", OWN), ("auth_token", OWN_TOKEN)];
    let used = browser.form(&at("account"), &account).await;
    assert_eq!(used.status, StatusCode::SEE_OTHER, "{}", used.text);
    let sid = sid_of(HOTLINE);
    twilio.refuses.store(503, SeqCst);
    let failed = browser.form(&at("finish"), &[("sid", &sid)]).await;
    assert_eq!(failed.status, StatusCode::BAD_GATEWAY, "{}", failed.text);
    assert_stayed(&desk).await;
    assert_eq!(rows(&desk, agent).await["status"], "inactive");

    twilio.refuses.store(0, SeqCst);
    let finished = browser.form(&at("finish"), &[("sid", &sid)]).await;
    assert_eq!(finished.status, StatusCode::SEE_OTHER, "{}", finished.text);
    assert_eq!(rows(&desk, agent).await["status"], "active");
    assert_moved(&desk, agent).await;
}

#[tokio::test]
async fn an_agent_that_is_switched_on_gets_its_number_from_whoever_typed_it() {
    let (_, url) = Twilio::serve().await;
    let desk = desk_at(url).await;
    let owner = desk.sign_in("owner@example.com").await;
    let status = format!("/agents/{}/status", desk.agent);
    assert_eq!(owner.form(&status, &[("status", "off")]).await.status, StatusCode::SEE_OTHER);
    has_account(&desk, desk.agent, (OWN, OWN_TOKEN)).await;
    typed(&desk, desk.agent, HOTLINE).await;
    squatted(&desk).await;

    // On the same account as whoever has it, it is not taken.
    has_account(&desk, desk.other_agent, (OWN, OWN_TOKEN)).await;
    let refused = owner.form(&status, &[("status", "on")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
    assert_stayed(&desk).await;
    has_account(&desk, desk.other_agent, (ELSEWHERE, ELSEWHERE_TOKEN)).await;
    let on = owner.form(&status, &[("status", "on")]).await;
    assert_eq!(on.status, StatusCode::SEE_OTHER, "{}", on.text);
    assert_moved(&desk, desk.agent).await;
}

#[tokio::test]
async fn a_number_that_is_on_neither_account_stays_with_who_has_it() {
    let (_, url) = Twilio::serve().await;
    let desk = desk_at(url).await;
    squatted(&desk).await;
    let owner = desk.sign_in("owner@example.com").await;
    // With an account that does not have it, by each of the ways.
    has_account(&desk, desk.agent, (SERVERS, TOKEN)).await;
    let by_hand = format!("/agents/{}/number", desk.agent);
    let refused = owner.form(&by_hand, &[("number", HOTLINE)]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
    desk.sql(&format!(
        "update voice_agents set twilio_credentials = '{{}}' where id = '{}'",
        desk.agent
    ))
    .await;
    typed(&desk, desk.agent, HOTLINE).await;
    let account = format!("/agents/{}/twilio", desk.agent);
    let form = [("account_sid", SERVERS), ("auth_token", TOKEN)];
    let refused = owner.form(&account, &form).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
    assert_stayed(&desk).await;
}

/// An administrator has the last word on numbers, and sees all agents: they are told where to take it from.
#[tokio::test]
async fn an_administrator_is_told_who_has_the_number_that_they_assign() {
    let (_, url) = Twilio::serve().await;
    let desk = desk_at(url).await;
    squatted(&desk).await;
    let (admin, owner) =
        (desk.sign_in("admin@example.com").await, desk.sign_in("owner@example.com").await);
    let path = |agent: Uuid| format!("/api/v1/agents/{agent}");
    let wish = json!({"twilio_phone_number": HOTLINE});
    let refused = admin.patch(&path(desk.agent), wish.clone()).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
    let told = refused.json()["detail"].as_str().unwrap().to_owned();
    let other = desk.other_agent.to_string();
    assert!(told.contains(&other) && told.contains("somebody typed it"), "{told}");
    // Whose it is, is theirs to tell: not to anybody else.
    has_account(&desk, desk.agent, (SERVERS, TOKEN)).await;
    let refused = owner.patch(&path(desk.agent), wish.clone()).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
    assert!(!refused.text.contains(&other), "{}", refused.text);
    // What they are told to do does it.
    let taken = admin.patch(&path(desk.other_agent), json!({"twilio_phone_number": null})).await;
    assert_eq!(taken.status, StatusCode::OK, "{}", taken.text);
    let assigned = admin.patch(&path(desk.agent), wish).await;
    assert_eq!(assigned.status, StatusCode::OK, "{}", assigned.text);
    assert_eq!(answers(&desk, HOTLINE).await, Some(desk.agent));
}

#[tokio::test]
async fn an_account_that_has_the_agents_number_brings_it() {
    let (_, url) = Twilio::serve().await;
    let desk = desk_at(url).await;
    squatted(&desk).await;
    typed(&desk, desk.agent, HOTLINE).await;
    let owner = desk.sign_in("owner@example.com").await;
    let account = format!("/agents/{}/twilio", desk.agent);
    let form = [("account_sid", OWN), ("auth_token", OWN_TOKEN)];
    let used = owner.form(&account, &form).await;
    assert_eq!(used.status, StatusCode::SEE_OTHER, "{}", used.text);
    assert_moved(&desk, desk.agent).await;
}

#[tokio::test]
async fn a_number_of_the_agents_account_is_its_own_also_written_by_hand() {
    let (_, url) = Twilio::serve().await;
    let desk = desk_at(url).await;
    squatted(&desk).await;
    has_account(&desk, desk.agent, (OWN, OWN_TOKEN)).await;
    let owner = desk.sign_in("owner@example.com").await;
    let kept = owner.form(&format!("/agents/{}/number", desk.agent), &[("number", HOTLINE)]).await;
    assert_eq!(kept.status, StatusCode::SEE_OTHER, "{}", kept.text);
    assert_moved(&desk, desk.agent).await;
}

/// An account is shared: what one of its agents answers is not there to be connected to another.
#[tokio::test]
async fn a_number_that_another_agent_of_the_account_answers_says_so_in_the_buttons_place() {
    let (_, url) = Twilio::serve().await;
    let desk = desk_at(url).await;
    for agent in [desk.agent, desk.other_agent] {
        has_account(&desk, agent, (OWN, OWN_TOKEN)).await;
    }
    let set = format!("twilio_phone_number = '{HOTLINE}' where id = '{}'", desk.agent);
    desk.sql(&format!("update voice_agents set {set}")).await;
    desk.app.directory.refresh(None, None).await;
    let connect = format!("action=\"/numbers/{}/connect\"", sid_of(HOTLINE));
    let of = |agent: Uuid| format!("<input type=\"hidden\" name=\"agent\" value=\"{agent}\">");

    // Whoever sees the other agent is led to it.
    let admin = desk.sign_in("admin@example.com").await;
    let page = admin.get("/numbers").await.text;
    let link = format!("<a href=\"/agents/{}\"><bdi>Bright Smile</bdi></a> answers", desk.agent);
    assert_eq!(page.matches(&link).count(), 1, "{page}");
    assert!(page.contains(&connect) && page.contains(&of(desk.agent)), "it may be wired: {page}");
    assert!(!page.contains(&of(desk.other_agent)), "{page}");

    // Whoever does not reads that it is in use, and no more.
    let other = desk.sign_in("other@example.com").await;
    let page = other.get("/numbers").await.text;
    assert!(page.contains("In use: another agent of this Twilio account"), "{page}");
    assert!(!page.contains(&connect) && !page.contains("Bright Smile"), "{page}");
    let listed = other.get("/api/v1/numbers").await;
    assert!(!listed.text.contains(&desk.agent.to_string()), "{}", listed.text);
    let item = &listed.json()["items"][0];
    assert_eq!((&item["is_taken"], &item["agent"]), (&json!(true), &Value::Null), "{item}");

    // Switched off, it gives the number up.
    desk.sql(&format!("update voice_agents set status = 'inactive' where id = '{}'", desk.agent))
        .await;
    desk.app.directory.refresh(None, None).await;
    let page = other.get("/numbers").await.text;
    assert!(page.contains(&connect) && !page.contains("In use:"), "{page}");
}
