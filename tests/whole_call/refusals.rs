//! Calls that the agent does not take: what the caller hears instead, and what is written.

use frontdesk::rehearsal::phone::twiml_reader::{self, Verb};
use frontdesk::rehearsal::phone::{CallReport, Ended};
use serde_json::json;

use crate::harness::{FALLBACK, House, NUMBER, Plan, Row, TOKEN, add_agent, voice};
use crate::privacy::kept_log;

/// The caller heard the fallback, and the row says so.
fn fell_back(call: &CallReport, row: &Row) {
    assert_eq!((&call.errors, call.ended), (&vec![], Ended::Server));
    assert_eq!((&call.said, call.agent_bytes), (&vec![FALLBACK.to_owned()], 0));
    assert_eq!((row.end(), row.lines()), (("no-answer", "agent"), vec![]));
    assert_eq!(row.metadata()["call_sid"], call.call_sid);
}

/// An agent that is as `column` says sends its callers to the fallback.
async fn refuses(column: &str) {
    let house = House::with(vec![], json!({})).await;
    house.change(&format!("update voice_agents set {column}")).await;
    let (call, row) = house.call(vec![]).await;
    fell_back(&call, &row);
    assert_eq!(house.speech.observer().counts().opened, 0, "no engine is dialled");
}

#[tokio::test]
async fn an_inactive_agent_sends_callers_to_the_fallback() {
    refuses("status = 'inactive'").await;
}

#[tokio::test]
async fn a_suspended_agent_sends_callers_to_the_fallback() {
    refuses("status = 'suspended'").await;
}

#[tokio::test]
async fn an_unavailable_agent_sends_callers_to_the_fallback() {
    refuses(r#""unAvailable" = true"#).await;
}

#[tokio::test]
async fn outside_opening_hours_callers_go_where_the_owner_says() {
    let house = House::with(vec![], json!({"hours": {"closed": "fallback"}})).await;
    let answers = add_agent(&house.pool, "+15559870002", json!({})).await;
    for agent in [house.agent, answers] {
        house
            .change(&format!(
                r#"insert into business_details (voice_agent_id, business_timezone, operating_schedule)
                values ('{agent}', 'Europe/Zurich', '{{"mon":[],"tue":[],"wed":"closed","thu":[],"fri":[],"sat":[],"sun":[]}}')"#
            ))
            .await;
    }
    let (call, row) = house.call(vec![]).await;
    fell_back(&call, &row);
    let (_, body) = house
        .post(
            "/twilio/voice",
            &voice("CA00000000000000000000000000000002", "+15559870002"),
            Some(TOKEN),
        )
        .await;
    assert!(body.contains("<Connect"), "by default the agent answers: {body}");
}

#[tokio::test]
async fn an_agent_whose_lines_are_taken_sends_callers_to_the_fallback() {
    let house = House::with(vec![], json!({"limits": {"concurrent_calls": 1}})).await;
    let mut first = house.place(house.options(), vec![]);
    first.heard_agent().await;
    let (call, row) = house.call(vec![]).await;
    fell_back(&call, &row);
    assert!(
        house.app.services.registry.find(house.agent, &first.sid).is_some(),
        "the first call goes on"
    );
}

#[tokio::test]
async fn a_full_process_sends_callers_to_the_fallback() {
    let house = House::open(Plan { calls_max: 1, ..Plan::default() }).await;
    let mut first = house.place(house.options(), vec![]);
    first.heard_agent().await;
    let (call, row) = house.call(vec![]).await;
    fell_back(&call, &row);
    assert!(
        house.app.services.registry.find(house.agent, &first.sid).is_some(),
        "the first call goes on"
    );
}

/// Nobody answers `number`: an apology, and no row.
async fn is_nobody(house: &House, number: &str) {
    let sid = "CA00000000000000000000000000000001";
    let (status, body) = house.post("/twilio/voice", &voice(sid, number), Some(TOKEN)).await;
    assert_eq!(status, 200);
    let verbs = twiml_reader::parse(&body).unwrap();
    let [Verb::Say { text }, Verb::Hangup] = &verbs[..] else { panic!("{verbs:?}") };
    assert!(text.starts_with("Sorry") && text != FALLBACK, "{text}");
    assert_eq!(house.rows().await, 0);
}

#[tokio::test]
async fn an_unknown_number_gets_an_apology_and_no_row() {
    let house = House::with(vec![], json!({})).await;
    is_nobody(&house, "+15559870009").await;
    is_nobody(&house, "anonymous").await;
}

#[tokio::test]
async fn a_deleted_agent_s_number_gets_an_apology_and_no_row() {
    let house = House::with(vec![], json!({})).await;
    house.change("update voice_agents set status = 'deleted'").await;
    is_nobody(&house, NUMBER).await;
}

#[tokio::test]
async fn of_several_agents_with_one_number_the_active_one_answers() {
    let house = House::with(vec![], json!({})).await;
    let newer = add_agent(&house.pool, "+15559870002", json!({})).await;
    house
        .change(&format!(
            "update voice_agents set status = 'inactive', twilio_phone_number = '{NUMBER}'
            where id = '{newer}'"
        ))
        .await;
    let sid = "CA00000000000000000000000000000001";
    house.ring(sid).await;
    let handle = house.app.services.registry.find(house.agent, sid).unwrap();
    assert_eq!(handle.agent.id, house.agent);
}

/// As databases may have them from before numbers were held.
#[tokio::test]
async fn of_agents_with_one_number_the_log_names_the_one_that_does_not_answer() {
    let log = kept_log();
    let house = House::with(vec![], json!({})).await;
    let newer = add_agent(&house.pool, "+15559870002", json!({})).await;
    house.sql("alter table voice_agents disable trigger z_number_is_free").await;
    house
        .change(&format!(
            "update voice_agents set twilio_phone_number = '{NUMBER}' where id = '{newer}'"
        ))
        .await;
    let sid = "CA00000000000000000000000000000001";
    house.ring(sid).await;
    assert!(house.app.services.registry.find(house.agent, sid).is_some(), "the older one answers");
    let (double, answers) = (format!("agent={newer}"), format!("answers={}", house.agent));
    let log = log.text();
    let is_told = |line: &str| {
        line.contains("another agent holds the same number")
            && line.contains(&double)
            && line.contains(&answers)
    };
    assert!(log.lines().any(is_told), "no line names {double}");
}
