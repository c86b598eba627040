//! The database changes under the server, or is away.

use frontdesk::rehearsal::phone::twiml_reader::Verb;
use frontdesk::rehearsal::phone::{Step, random_sid};
use frontdesk::rehearsal::speech::SpeechOptions;
use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{
    DEADLINE, FALLBACK, House, NUMBER, Plan, TOKEN, add_agent, ms, row, say, script, stream_url,
    turn, until, voice,
};
use crate::proxy::Wire;

async fn wired(auth_token: Option<&'static str>) -> House {
    let script = script(vec![turn("Are you open?", "Yes.")]);
    let speech = SpeechOptions { script, ..SpeechOptions::default() };
    House::open(Plan { is_wired: true, auth_token, speech, ..Plan::default() }).await
}

fn cut(house: &House, wire: Wire) {
    house.wire.as_ref().unwrap().set(wire);
}

#[tokio::test]
async fn what_an_owner_changes_counts_for_the_next_calls() {
    let house = House::with(vec![], json!({})).await;
    stream_url(&house.ring(&random_sid("CA")).await);
    house.sql("update voice_agents set status = 'inactive'").await;
    let refused = || async {
        let verbs = house.ring(&random_sid("CA")).await;
        let fallback = Verb::Say { text: FALLBACK.to_owned() };
        (verbs == [fallback, Verb::Hangup]).then_some(())
    };
    until("the fallback", DEADLINE, refused).await;
    house.sql("update voice_agents set status = 'active'").await;
    let answered = || async {
        let verbs = house.ring(&random_sid("CA")).await;
        matches!(verbs[0], Verb::Connect { .. }).then_some(())
    };
    until("the agent", DEADLINE, answered).await;
}

#[tokio::test]
async fn a_statement_that_waits_for_a_lock_is_no_lost_database() {
    let house = House::with(vec![], json!({})).await;
    stream_url(&house.ring(&random_sid("CA")).await);
    let mut hold = house.pool.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1::text, 0))")
        .bind(house.agent.to_string())
        .execute(&mut *hold)
        .await
        .unwrap();
    // Its row waits for the lock, and goes to the spool. The call does not wait.
    let sid = random_sid("CA");
    stream_url(&house.ring(&sid).await);
    let ready = house.http.get(format!("http://{}/readyz", house.app.address)).send().await;
    assert_eq!(ready.unwrap().status(), 200);
    until("the row", DEADLINE, || async { row(&house.pool, &sid).await }).await;
    assert!(house.app.services.log.is_database_up());
}

/// What a call's row keeps of a long call is long, and Twilio asks often.
#[tokio::test]
async fn no_webhook_and_no_end_of_a_call_reads_all_that_its_row_keeps() {
    const KEPT: &str = "what-a-long-call-keeps-in-its-row";
    const CALLER: &str = "+15551239876";
    let house = wired(Some(TOKEN)).await;
    let neighbour = house.neighbour().await;
    // Work after a call reads all of it, once.
    for sql in [
        "create function nothing() returns trigger language plpgsql as $$ begin return null; end $$",
        "create trigger nothing before insert on aftercall_jobs for each row execute function nothing()",
    ] {
        house.sql(sql).await;
    }
    let mut options = house.options();
    options.from = CALLER.to_owned().into();
    let mut call = house.place(options, vec![Step::wait_for_agent(), Step::Wait(ms(600_000))]);
    call.heard_agent().await;
    house.kinds(&call.sid, "agent_said").await;
    let keep = format!("update call_logs set metadata = metadata || '{{\"kept\": \"{KEPT}\"}}'");
    house.sql(&keep).await;

    let wire = house.wire.as_ref().unwrap();
    wire.listen();
    for (said, app) in
        [("in-progress", &neighbour), ("in-progress", &house.app), ("completed", &neighbour)]
    {
        for path in ["stream-status", "dial", "voicemail", "after", "voice", "status"] {
            let url = app.public_url.join(&format!("/twilio/{path}"));
            let fields = [
                ("CallSid", call.sid.as_str()),
                ("CallStatus", said),
                ("DialCallStatus", "busy"),
                ("From", CALLER),
                ("To", NUMBER),
            ];
            let (status, body) = house.post_to(&url, &fields, Some(TOKEN)).await;
            assert!(status < 300, "{path} {said}: {status} {body}");
        }
    }
    let row = house.row(&call.sid).await;
    assert_eq!(row.metadata()["kept"], KEPT);
    house.emptied().await;
    assert!(wire.has_brought(CALLER), "its row was read");
    assert!(!wire.has_brought(KEPT), "all of its row was read");
    call.freeze();
}

#[tokio::test]
async fn no_more_connections_are_opened_than_are_allowed() {
    let environment = vec![("DATABASE_CONNECTIONS", "3".to_owned())];
    let house = House::open(Plan { environment, ..Plan::default() }).await;
    let calls = (0..6).map(|_| house.call(vec![Step::wait_for_agent(), Step::HangUp]));
    for (call, row) in join_all(calls).await {
        assert_eq!((call.errors, row.end()), (vec![], ("completed", "caller")));
    }
    // Those that were opened stay open for minutes.
    let count = "select count(*) from pg_stat_activity
        where datname = current_database() and backend_type = 'client backend'";
    let open: i64 = sqlx::query_scalar(count).fetch_one(&house.pool).await.unwrap();
    let open = open - i64::from(house.pool.size());
    assert!((1..=3).contains(&open), "{open} connections are open");
}

#[tokio::test]
async fn with_the_database_away_a_known_agent_answers_and_the_row_comes_later() {
    let house = wired(Some(TOKEN)).await;
    house.call(vec![Step::wait_for_agent(), Step::HangUp]).await;
    cut(&house, Wire::Cut);
    let steps = vec![Step::wait_for_agent(), say(0), Step::wait_for_agent(), Step::HangUp];
    let call = house.place(house.options(), steps).ended().await;
    assert_eq!(call.errors, [""; 0]);
    assert!(row(&house.pool, &call.call_sid).await.is_none(), "the row waits in the spool");
    house.emptied().await;

    cut(&house, Wire::Joined);
    let row = house.row_within(&call.call_sid, DEADLINE).await;
    assert_eq!(row.end(), ("completed", "caller"));
    assert_eq!(row.lines()[1..], ["Caller: Are you open?", "Agent: Yes."]);
    assert_eq!(house.kinds(&call.call_sid, "ended").await.last().unwrap(), "ended");
}

#[tokio::test]
async fn a_call_does_not_notice_that_the_database_goes_and_comes_back() {
    for away in [Wire::Cut, Wire::Stalled] {
        let house = wired(Some(TOKEN)).await;
        let steps = vec![
            Step::wait_for_agent(),
            say(0),
            Step::wait_for_agent(),
            say(1),
            Step::wait_for_agent(),
            Step::HangUp,
        ];
        let mut call = house.place(house.options(), steps);
        call.heard_agent().await;
        cut(&house, away);
        call.heard_agent().await;
        cut(&house, Wire::Joined);
        let call = call.ended().await;
        assert_eq!(call.errors, [""; 0]);
        let row = house.row_within(&call.call_sid, DEADLINE).await;
        assert_eq!(row.end(), ("completed", "caller"));
        assert_eq!(row.metadata()["turns"].as_array().unwrap().len(), 2);
        assert_eq!(row.lines()[1..3], ["Caller: Are you open?", "Agent: Yes."]);
    }
}

#[tokio::test]
async fn with_the_database_away_an_unknown_agent_is_an_apology_or_503() {
    let sid = random_sid("CA");
    let house = wired(Some(TOKEN)).await;
    cut(&house, Wire::Cut);
    let verbs = house.ring(&sid).await;
    assert!(matches!(&verbs[..], [Verb::Say { .. }, Verb::Hangup]), "{verbs:?}");

    let house = wired(None).await;
    cut(&house, Wire::Cut);
    let (status, _) = house.post("/twilio/voice", &voice(&sid, NUMBER), Some(TOKEN)).await;
    assert_eq!(status, 503, "nothing can be checked; Twilio goes to its own fallback");
}

#[tokio::test]
async fn a_number_that_cannot_be_read_just_now_is_not_out_of_service() {
    const ODD: (&str, &str) = ("+1 (555) 987-0077", "+15559870077");
    let house = House::with(vec![], json!({})).await;
    house.crowd().await;
    for sql in [
        "create function failing() returns trigger language plpgsql as $$
        begin raise exception 'not now' using errcode = 'lock_not_available'; end $$",
        // What the program reads of numbers cannot be kept.
        "create trigger failing before update on voice_agents
            for each row execute function failing()",
    ] {
        house.sql(sql).await;
    }
    add_agent(&house.pool, ODD.0, json!({})).await;
    let neighbour = house.neighbour().await;
    let ring = async |path: &str| {
        let url = neighbour.public_url.join(path);
        let (status, body) =
            house.post_to(&url, &voice(&random_sid("CA"), ODD.1), Some(TOKEN)).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    };
    for path in ["/twilio/voice", "/twilio/after", "/twilio/dial", "/twilio/voicemail"] {
        let body = ring(path).await;
        assert!(body.contains("<Say") && body.contains("try again later"), "{path}: {body}");
    }
    house.sql("drop trigger failing on voice_agents").await;
    // It was not remembered as unknown.
    assert!(ring("/twilio/voice").await.contains("<Stream"));
    neighbour.shut_down(std::future::ready(())).await;
}
