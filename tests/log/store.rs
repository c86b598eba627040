//! The store's statements, each with what it promises.

use std::time::Duration;

use frontdesk::clock;
use frontdesk::store::{
    AdmissionOutcome, ChangeEvent, Changes, Claimant, CompletedCall, Completes, FIRST_EPOCH,
    LogPosition, NewCall, OffStream, Renewal, Returned, StoreError, StreamClaim,
};
use futures_util::future::join_all;
use serde_json::json;
use uuid::Uuid;

use crate::fixture::{Fixture, NOON_US, completion, event, fixture};

#[tokio::test]
async fn an_agent_is_found_however_its_number_was_written() {
    let fixture = fixture().await;
    fixture
        .sql(
            r#"insert into voice_agents (name, created_by, twilio_phone_number, status, created_at,
                private_settings, twilio_credentials)
            select n, created_by, '+15559870001', s::voice_agent_status_enum, t::timestamptz, p::jsonb, c::jsonb
            from voice_agents a, (values
                ('old', 'inactive', '2020-01-01', '{"n": 1e999}', '["odd"]'),
                ('never', 'suspended', 'infinity', 'null', '"odd"'),
                ('gone', 'deleted', '2026-01-01', '{}', '{}')) as v (n, s, t, p, c)"#,
        )
        .await;
    fixture
        .sql(
            r#"update voice_agents set twilio_credentials = '{"account_sid":"AC1","auth_token":" "}',
                private_settings = '{"greeting":"Hi"}' where name = 'Mia'"#,
        )
        .await;
    fixture
        .sql(&format!(
            "insert into business_details (voice_agent_id, business_name, business_timezone,
                operating_schedule) values ('{}', 'Bright', 'Europe/Berlin', '{{\"monday\":[]}}')",
            fixture.agent
        ))
        .await;
    let found = fixture.store.agents_by_number("+15559870001").await.unwrap();
    let names: Vec<&str> = found.iter().map(|agent| agent.name.reveal().as_str()).collect();
    assert_eq!(names, ["Mia", "never", "old"]);
    let mia = &found[0];
    assert_eq!(mia.id, fixture.agent);
    assert_eq!(mia.account_sid.as_ref().unwrap().reveal(), "AC1");
    assert_eq!(mia.auth_token, None);
    assert_eq!(mia.private_settings.reveal()["greeting"], "Hi");
    let business = mia.business.as_ref().unwrap();
    assert_eq!(business.timezone.as_deref(), Some("Europe/Berlin"));
    assert_eq!(business.operating_schedule, Some(json!({"monday": []})));
    assert!(found[1].business.is_none() && found[1].auth_token.is_none());
    assert!(fixture.store.agents_by_number("+15550000000").await.unwrap().is_empty());
    assert_eq!(fixture.store.agent_by_id(mia.id).await.unwrap().unwrap().status, "active");
    assert!(fixture.store.agent_by_id(Uuid::nil()).await.unwrap().is_none());
}

#[tokio::test]
async fn an_agent_s_limit_is_exact_and_a_repeated_webhook_has_one_row() {
    let fixture = fixture().await;
    let instance = Uuid::new_v4();
    let calls: Vec<_> = (0..10).map(|n| fixture.call(&format!("CA{n}"), instance)).collect();
    let outcomes: Vec<_> = join_all(calls.iter().map(|call| fixture.store.admit(call)))
        .await
        .into_iter()
        .map(|admission| admission.unwrap().outcome)
        .collect();
    let admitted = |o: &&AdmissionOutcome| **o == AdmissionOutcome::Admitted;
    assert_eq!(outcomes.iter().filter(admitted).count(), 2);
    assert_eq!(outcomes.iter().filter(|o| **o == AdmissionOutcome::OverLimit).count(), 8);

    let place = outcomes.iter().position(|o| *o == AdmissionOutcome::Admitted).unwrap();
    let first = &calls[place];
    let mut again = fixture.call(&first.call_sid, instance);
    again.nonce = "fresh".to_owned();
    let repeated = fixture.store.admit(&again).await.unwrap();
    assert_eq!((repeated.outcome, repeated.call_log_id), (AdmissionOutcome::Repeated, first.id));
    let spent = fixture
        .store
        .claim_stream(fixture.claimant(&first.call_sid, instance, Some(FIRST_EPOCH)), &first.nonce)
        .await
        .unwrap();
    assert_eq!(spent, StreamClaim::Spent);

    let epoch = Some(repeated.position.epoch);
    let over = CompletedCall { epoch, ..completion(first) };
    assert!(fixture.store.complete(&over, Completes::IfLive).await.unwrap());
    assert!(!fixture.store.complete(&over, Completes::IfLive).await.unwrap());
    assert_eq!(fixture.store.admit(&again).await.unwrap().outcome, AdmissionOutcome::Ended);
    let next = fixture.call("CA-next", instance);
    assert_eq!(fixture.store.admit(&next).await.unwrap().outcome, AdmissionOutcome::Admitted);
    let mut nobody = fixture.call("CA-nobody", instance);
    nobody.agent_id = Uuid::new_v4();
    assert_eq!(fixture.store.admit(&nobody).await.unwrap().outcome, AdmissionOutcome::NoAgent);
    assert!(matches!(fixture.store.insert_call(&nobody).await, Err(StoreError::Refused(_))));
}

#[tokio::test]
async fn of_twenty_claims_with_one_nonce_one_succeeds() {
    let fixture = fixture().await;
    let call = fixture.call("CA1", Uuid::new_v4());
    fixture.store.admit(&call).await.unwrap();
    fixture.store.append_events(&[&event(&call, 7)]).await.unwrap();
    let claimants: Vec<Uuid> = (0..20).map(|_| Uuid::new_v4()).collect();
    let claims = join_all(
        claimants
            .iter()
            .map(|id| fixture.store.claim_stream(fixture.claimant("CA1", *id, None), &call.nonce)),
    )
    .await;
    let won: Vec<usize> =
        (0..20).filter(|place| matches!(claims[*place], Ok(StreamClaim::Claimed { .. }))).collect();
    assert_eq!(won.len(), 1);
    let position = LogPosition { epoch: FIRST_EPOCH + 2, next_seq: 8 };
    let claimed = StreamClaim::Claimed { call_log_id: call.id, agent_id: call.agent_id, position };
    assert_eq!(claims[won[0]], Ok(claimed));
    assert_eq!(claims.iter().filter(|claim| **claim == Ok(StreamClaim::Spent)).count(), 19);
    let row = fixture.store.call_by_sid(fixture.agent, "CA1").await.unwrap().unwrap();
    assert_eq!(row.instance_id, Some(claimants[won[0]]));
    assert_eq!(row.started_us, NOON_US);

    let nowhere = fixture.claimant("CA2", Uuid::nil(), None);
    let nowhere = fixture.store.claim_stream(nowhere, "n").await.unwrap();
    assert_eq!(nowhere, StreamClaim::NoRow);
}

#[tokio::test]
async fn a_caller_returns_so_often_and_an_ended_call_never() {
    let fixture = fixture().await;
    let instance = Uuid::new_v4();
    let call = fixture.call("CA1", instance);
    fixture.store.admit(&call).await.unwrap();
    let us = fixture.claimant("CA1", instance, Some(FIRST_EPOCH));
    let back = async |nonce: &str| fixture.store.count_return(us, nonce, 2).await;
    let position = LogPosition { epoch: FIRST_EPOCH, next_seq: 1 };
    assert_eq!(back("a").await, Ok(Some(Returned { returns: 1, position })));
    assert_eq!(back("b").await, Ok(Some(Returned { returns: 2, position })));
    assert_eq!(back("c").await, Ok(None));
    let claimed = fixture.store.claim_stream(us, "b").await.unwrap();
    assert!(matches!(claimed, StreamClaim::Claimed { position: ours, .. } if ours == position));
    assert_eq!(fixture.store.renew_nonce(us, "d").await, Ok(Renewal::Renewed));

    fixture.store.complete(&completion(&call), Completes::ByOwner).await.unwrap();
    let claim = fixture.store.claim_stream(us, "d").await.unwrap();
    assert_eq!(claim, StreamClaim::Ended);
    assert_eq!(fixture.store.renew_nonce(us, "e").await, Ok(Renewal::Gone));
    let row = fixture.row("CA1").await.unwrap();
    assert_eq!((&row["duration"], &row["status"]), (&json!("00:01:01.5"), &json!("completed")));
    assert!(row["call_end"].as_str().unwrap().contains(":01:01.5"));
    let ended = fixture.store.call_by_sid(fixture.agent, "CA1").await.unwrap().unwrap();
    assert!(ended.ended && ended.stream_returns == 2);
}

#[tokio::test]
async fn no_statement_finds_a_call_by_the_call_sid_of_another_agent_s() {
    let fixture = fixture().await;
    fixture
        .sql("insert into voice_agents (name, created_by) select 'Eve', created_by from voice_agents")
        .await;
    let other = fixture.text("select id from voice_agents where name = 'Eve'").await.unwrap();
    let other: Uuid = other.parse().unwrap();
    let (store, instance) = (&fixture.store, Uuid::new_v4());
    let call = fixture.call("CA1", instance);
    store.admit(&call).await.unwrap();
    store.append_events(&[&event(&call, 1)]).await.unwrap();
    let before = fixture.row("CA1").await.unwrap();

    // Even one who knows the nonce and the process.
    let mut theirs = NewCall { agent_id: other, ..fixture.call("CA1", instance) };
    for limit in [None, Some(0), Some(2)] {
        theirs.limit = limit;
        let foreign = store.admit(&theirs).await.unwrap();
        assert_eq!((foreign.outcome, foreign.call_log_id), (AdmissionOutcome::Foreign, theirs.id));
    }
    assert!(matches!(store.insert_call(&theirs).await, Err(StoreError::Refused(_))));
    let held = Some(FIRST_EPOCH);
    let they = Claimant { agent_id: other, call_sid: "CA1", instance_id: instance, held };
    assert_eq!(store.claim_stream(they, &call.nonce).await, Ok(StreamClaim::NoRow));
    assert_eq!(store.renew_nonce(they, "n").await, Ok(Renewal::Gone));
    assert_eq!(store.count_return(they, "n", 2).await, Ok(None));
    assert_eq!(store.call_by_sid(other, "CA1").await, Ok(None));
    assert_eq!(store.agent_of_call("CA1").await, Ok(Some(fixture.agent)));
    assert_eq!(store.agent_of_call("CA2").await, Ok(None));
    let outing = OffStream {
        agent_id: Some(other),
        returns: 2,
        metadata: json!({"n": 1}).into(),
        ..fixture.outing("CA1", instance, FIRST_EPOCH)
    };
    store.go_out(&outing).await.unwrap();
    for when in [Completes::ByOwner, Completes::IfLive, Completes::AfterOuting] {
        assert_eq!(store.complete(&completion(&theirs), when).await, Ok(false));
    }
    assert_eq!(fixture.row("CA1").await.unwrap(), before);
    assert!(store.complete(&completion(&call), Completes::ByOwner).await.unwrap());
}

/// Adds an active agent with this number, as old as `created_at` says.
async fn add(fixture: &Fixture, name: &str, number: &str) -> Result<(), sqlx::Error> {
    let sql = "insert into voice_agents (name, created_by, twilio_phone_number)
        select $1, created_by, $2 from voice_agents limit 1";
    sqlx::query(sql).bind(name).bind(number).execute(&fixture.pool).await.map(drop)
}

#[tokio::test]
async fn a_number_of_an_active_agent_is_not_given_to_another() {
    let fixture = fixture().await;
    let refused = |done: Result<(), sqlx::Error>| {
        let error = done.unwrap_err().into_database_error().unwrap();
        assert_eq!(error.code().as_deref(), Some("23505"));
        assert_eq!(error.message(), "this number cannot be used here");
    };
    refused(add(&fixture, "Eve", "+15559870001").await);
    refused(add(&fixture, "Eve", "+1 555 987 0001").await);
    add(&fixture, "Eve", "+15559870002").await.unwrap();
    let set = async |sql: &'static str| sqlx::query(sql).execute(&fixture.pool).await.map(drop);
    let take = "update voice_agents set twilio_phone_number = '+15559870001' where name = 'Eve'";
    refused(set(take).await);
    set("update voice_agents set status = 'inactive' where name = 'Eve'").await.unwrap();
    set(take).await.unwrap();
    refused(set("update voice_agents set status = 'active' where name = 'Eve'").await);
    // Of two at once one has it.
    let (one, other) =
        tokio::join!(add(&fixture, "A", "+15559870003"), add(&fixture, "B", "+15559870003"));
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    set("delete from voice_agents where name = 'Mia'").await.unwrap();
    set("update voice_agents set status = 'active' where name = 'Eve'").await.unwrap();
}

#[tokio::test]
async fn of_doubles_from_before_the_oldest_answers_and_each_may_still_be_written() {
    let fixture = fixture().await;
    fixture.sql("alter table voice_agents disable trigger z_number_is_free").await;
    add(&fixture, "Eve", "+15559870001").await.unwrap();
    fixture.sql("alter table voice_agents enable trigger z_number_is_free").await;
    fixture.sql("update voice_agents set created_at = '2020-01-01' where name = 'Mia'").await;
    let number = "update voice_agents set twilio_phone_number = '+15559870001', name = name";
    fixture.sql(number).await;
    let found = fixture.store.agents_by_number("+15559870001").await.unwrap();
    let names: Vec<&str> = found.iter().map(|agent| agent.name.reveal().as_str()).collect();
    assert_eq!(names, ["Mia", "Eve"]);
}

#[tokio::test]
async fn changes_are_told_and_a_lost_connection_says_so() {
    let fixture = fixture().await;
    let mut changes = Changes::new(&fixture.store);
    let mut next = async || {
        clock::within(Duration::from_secs(20), changes.next()).await.expect("a change comes")
    };
    assert_eq!(next().await, ChangeEvent::Reconnected);
    fixture.sql("update voice_agents set name = 'Ada'").await;
    let ChangeEvent::Changed(change) = next().await else { panic!("no change") };
    assert_eq!((change.table.as_str(), change.operation.as_str()), ("voice_agents", "UPDATE"));
    assert_eq!(change.agent_id, Some(fixture.agent));
    assert_eq!(change.number.unwrap().reveal(), "+1 (555) 987-0001");

    fixture
        .sql(
            "select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and query ilike 'listen%'",
        )
        .await;
    assert_eq!(next().await, ChangeEvent::Reconnected);
    fixture
        .sql(&format!("insert into business_details (voice_agent_id) values ('{}')", fixture.agent))
        .await;
    let ChangeEvent::Changed(change) = next().await else { panic!("no change") };
    assert_eq!((change.table.as_str(), change.agent_id), ("business_details", Some(fixture.agent)));
}
