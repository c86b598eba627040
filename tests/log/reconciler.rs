//! The calls of the dead are completed, those of the living are left alone.

use std::time::Duration;

use frontdesk::call::{End, EndedBy, LogEvent, Status, TransferTarget};
use frontdesk::clock::{self, Clock};
use frontdesk::recovery::reconciler::{DEAD_AFTER, Reconciler};
use frontdesk::store::{Abandoned, Completes, EventRow, FIRST_EPOCH, NewCall, OffStream};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::{Fixture, completion, eventually, fixture};

const NO_TIME: Duration = Duration::ZERO;

async fn live_call(fixture: &Fixture, sid: &str, instance: Uuid) -> NewCall {
    let mut call = fixture.call(sid, instance);
    call.limit = None;
    fixture.store.admit(&call).await.unwrap();
    call
}

async fn happened(fixture: &Fixture, call: &NewCall, seq: i64, at_ms: i64, event: &LogEvent) {
    let mut value = serde_json::to_value(event).unwrap();
    let row = EventRow {
        call_log_id: call.id,
        epoch: FIRST_EPOCH,
        seq,
        at_ms,
        kind: value["kind"].as_str().unwrap().to_owned(),
        data: value["data"].take().into(),
    };
    fixture.store.append_events(&[&row]).await.unwrap();
}

fn caller_said(text: &str) -> LogEvent {
    LogEvent::CallerSaid {
        utterance: "item_1".to_owned(),
        turn: 1,
        started_ms: 4000,
        text: Some(text.to_owned()),
        settled: true,
    }
}

#[tokio::test]
async fn a_silent_process_s_calls_are_completed_from_their_events() {
    let fixture = fixture().await;
    let (dead, us) = (Uuid::new_v4(), Uuid::new_v4());
    fixture.store.beat(dead).await.unwrap();
    let call = live_call(&fixture, "CA1", dead).await;
    let opened = LogEvent::LineOpened { stream_sid: "MZ1".to_owned() };
    happened(&fixture, &call, 1, 0, &opened).await;
    happened(&fixture, &call, 2, 6500, &caller_said("Are you open?")).await;
    let foreign = EventRow {
        call_log_id: call.id,
        epoch: FIRST_EPOCH,
        seq: 3,
        at_ms: 7250,
        kind: "from_a_later_version".to_owned(),
        data: json!([1]).into(),
    };
    fixture.store.append_events(&[&foreign]).await.unwrap();

    let mut reconciler = Reconciler::new(fixture.store.clone(), us);
    assert_eq!(reconciler.round(NO_TIME).await.unwrap(), 0);
    let almost = DEAD_AFTER - Duration::from_millis(1);
    assert_eq!(reconciler.round(almost).await.unwrap(), 0);
    assert_eq!(reconciler.round(DEAD_AFTER).await.unwrap(), 1);

    let row = fixture.row("CA1").await.unwrap();
    assert_eq!(row["status"], "failed");
    assert_eq!(row["metadata"]["ended_by"], "error");
    assert_eq!(row["metadata"]["call_sid"], "CA1");
    assert_eq!(row["metadata"]["stream_sids"], json!(["MZ1"]));
    assert_eq!(row["transcript"].as_str().unwrap().trim_end(), "[00:04] Caller: Are you open?");
    assert_eq!(
        fixture.text("select call_end - call_start from call_logs").await.unwrap(),
        "00:00:07.25"
    );
    assert_eq!(row["duration"], "00:00:07.25");

    assert_eq!(reconciler.round(DEAD_AFTER * 2).await.unwrap(), 0);
    assert_eq!(fixture.text("select count(*) from frontdesk_instances").await.unwrap(), "0");
    let done = fixture.store.complete(&completion(&call), Completes::ByOwner).await.unwrap();
    assert!(done, "an owner that was only away knows best");
    assert_eq!(fixture.row("CA1").await.unwrap()["status"], "completed");
}

#[tokio::test]
async fn a_living_neighbour_and_this_process_are_left_alone() {
    let fixture = fixture().await;
    let (neighbour, us) = (Uuid::new_v4(), Uuid::new_v4());
    live_call(&fixture, "CA1", neighbour).await;
    live_call(&fixture, "CA2", us).await;
    let mut reconciler = Reconciler::new(fixture.store.clone(), us);
    for round in 0..20 {
        // Alive from the third round on; before that it has calls and gave no sign, as a process
        // that started while the database was away.
        if round >= 3 {
            fixture.store.beat(neighbour).await.unwrap();
        }
        let now = Duration::from_secs(5) * round;
        assert_eq!(reconciler.round(now).await.unwrap(), 0, "round {round}");
    }
    assert!(fixture.row("CA1").await.unwrap()["call_end"].is_null());
    assert!(fixture.row("CA2").await.unwrap()["call_end"].is_null());
}

#[tokio::test]
async fn after_an_outage_of_the_database_observation_starts_anew() {
    let fixture = fixture().await;
    let neighbour = Uuid::new_v4();
    fixture.store.beat(neighbour).await.unwrap();
    live_call(&fixture, "CA1", neighbour).await;
    let mut reconciler = Reconciler::new(fixture.store.clone(), Uuid::new_v4());
    reconciler.round(NO_TIME).await.unwrap();
    fixture.sql("alter table frontdesk_instances rename to away").await;
    assert!(reconciler.round(DEAD_AFTER / 2).await.is_err());
    fixture.sql("alter table away rename to frontdesk_instances").await;
    assert_eq!(reconciler.round(DEAD_AFTER).await.unwrap(), 0);
    assert_eq!(reconciler.round(DEAD_AFTER * 2 - Duration::from_secs(1)).await.unwrap(), 0);
    assert_eq!(reconciler.round(DEAD_AFTER * 2).await.unwrap(), 1);
}

#[tokio::test]
async fn a_process_proven_dead_is_not_waited_for_and_the_written_end_counts() {
    let fixture = fixture().await;
    let dead = Uuid::new_v4();
    fixture.store.beat(dead).await.unwrap();
    let call = live_call(&fixture, "CA1", dead).await;
    let end = End { status: Status::NoAnswer, ended_by: EndedBy::Caller };
    happened(&fixture, &call, 1, 900, &LogEvent::Ended(end)).await;
    live_call(&fixture, "CA2", dead).await;
    let mut one = Reconciler::new(fixture.store.clone(), Uuid::new_v4());
    let mut other = Reconciler::new(fixture.store.clone(), Uuid::new_v4());
    one.add_proven_dead(dead);
    other.add_proven_dead(dead);
    let (by_one, by_other) = tokio::join!(one.round(NO_TIME), other.round(NO_TIME));
    assert_eq!(by_one.unwrap() + by_other.unwrap(), 2, "each call once");

    let row = fixture.row("CA1").await.unwrap();
    assert_eq!(
        (&row["status"], &row["metadata"]["ended_by"]),
        (&json!("no-answer"), &json!("caller"))
    );
    let silent = fixture.row("CA2").await.unwrap();
    assert_eq!(silent["status"], "failed");
    assert_eq!(silent["call_end"], silent["call_start"]);
    assert_eq!(silent["stream_nonce"], Value::Null);
}

#[tokio::test]
async fn a_call_that_another_process_took_over_is_not_the_dead_one_s() {
    let fixture = fixture().await;
    let (dead, heir) = (Uuid::new_v4(), Uuid::new_v4());
    let call = live_call(&fixture, "CA1", dead).await;
    let heir = fixture.claimant("CA1", heir, None);
    fixture.store.claim_stream(heir, &call.nonce).await.unwrap();
    let abandoned = Completes::IfAbandoned;
    assert!(!fixture.store.complete(&completion(&call), abandoned).await.unwrap());
    assert!(fixture.row("CA1").await.unwrap()["call_end"].is_null());
}

#[tokio::test]
async fn a_quiet_call_that_nobody_has_is_completed() {
    let fixture = fixture().await;
    for sid in ["CA-quiet", "CA-new", "CA-heard-of"] {
        live_call(&fixture, sid, Uuid::new_v4()).await;
    }
    fixture.sql("update call_logs set instance_id = null").await;
    fixture
        .sql("update call_logs set created_at = now() - interval '61 s' where call_sid <> 'CA-new'")
        .await;
    fixture
        .sql(
            "insert into call_events (call_log_id, seq, at_ms, kind, data)
            select id, 1, 0, 'line_lost', '{}' from call_logs where call_sid = 'CA-heard-of'",
        )
        .await;
    let mut reconciler = Reconciler::new(fixture.store.clone(), Uuid::new_v4());
    assert_eq!(reconciler.round(NO_TIME).await.unwrap(), 1);
    assert_eq!(fixture.row("CA-quiet").await.unwrap()["status"], "failed");
}

#[tokio::test]
async fn a_row_of_this_process_that_no_call_has_is_completed() {
    let fixture = fixture().await;
    let us = Uuid::new_v4();
    for sid in ["CA-lost", "CA-held", "CA-new"] {
        live_call(&fixture, sid, us).await;
    }
    live_call(&fixture, "CA-neighbour", Uuid::new_v4()).await;
    fixture
        .sql("update call_logs set created_at = now() - interval '31 s' where call_sid <> 'CA-new'")
        .await;
    let mut reconciler = Reconciler::new(fixture.store.clone(), us);
    let is_live = |call: &Abandoned| call.call_sid == "CA-held";
    assert_eq!(reconciler.own_round(is_live).await.unwrap(), 0, "it may be on its way");
    assert_eq!(reconciler.own_round(is_live).await.unwrap(), 1);
    let row = fixture.row("CA-lost").await.unwrap();
    assert_eq!((&row["status"], &row["metadata"]["ended_by"]), (&json!("failed"), &json!("error")));
    assert_eq!(reconciler.own_round(is_live).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_calls_of_a_killed_process_do_not_wait_for_each_other() {
    let fixture = fixture().await;
    let dead = Uuid::new_v4();
    let call = live_call(&fixture, "CA0", dead).await;
    fixture
        .sql(
            "insert into call_logs (voice_agent_id, call_sid, instance_id, call_start, status)
            select voice_agent_id, 'CA' || n, instance_id, call_start, status
            from call_logs, generate_series(1, 500) n",
        )
        .await;
    let mut reports = vec![dead];
    let reconciler = Reconciler::new(fixture.store.clone(), Uuid::new_v4());
    let running = clock::spawn(reconciler.run(
        Clock::real(),
        move || std::mem::take(&mut reports),
        |_| true,
        || false,
    ));
    let live = "select count(*) from call_logs where call_end is null";
    // With a pause after every 50 calls this takes 50 s.
    eventually("the end of all", async || fixture.text(live).await.unwrap() == "0").await;
    running.abort();
    assert_eq!(fixture.row(&call.call_sid).await.unwrap()["status"], "failed");
}

#[tokio::test]
async fn callers_who_are_out_are_left_alone_until_their_time_is_over() {
    let fixture = fixture().await;
    let (dead, us) = (Uuid::new_v4(), Uuid::new_v4());
    fixture.store.beat(dead).await.unwrap();
    let mut calls = Vec::new();
    for sid in ["CA-fallback", "CA-transfer"] {
        let call = live_call(&fixture, sid, dead).await;
        let outing = OffStream {
            until_us: (clock::unix_now() + DEAD_AFTER * 100).as_micros().try_into().unwrap(),
            returns: 1,
            metadata: json!({"fallback_reason": "closed"}).into(),
            ..fixture.outing(sid, dead, FIRST_EPOCH)
        };
        fixture.store.go_out(&outing).await.unwrap();
        calls.push(call);
    }
    let target = TransferTarget { name: "Sales".into(), number: "+15550003333".to_owned().into() };
    happened(&fixture, &calls[1], 1, 900, &LogEvent::TransferStarted { target }).await;
    let held = "select count(*) from call_logs where holds_line";
    assert_eq!(fixture.text(held).await.unwrap(), "0");

    let mut reconciler = Reconciler::new(fixture.store.clone(), us);
    reconciler.add_proven_dead(dead);
    assert_eq!(reconciler.round(NO_TIME).await.unwrap(), 0);
    let mut own = Reconciler::new(fixture.store.clone(), dead);
    fixture.sql("update call_logs set created_at = now() - interval '31 s'").await;
    assert_eq!(own.own_round(|_| false).await.unwrap(), 0);
    assert_eq!(own.own_round(|_| false).await.unwrap(), 0);

    fixture.sql("update call_logs set out_until = now() - interval '1 s'").await;
    assert_eq!(reconciler.round(NO_TIME).await.unwrap(), 2);
    for (sid, status, ended_by) in
        [("CA-fallback", "no-answer", "agent"), ("CA-transfer", "failed", "error")]
    {
        let row = fixture.row(sid).await.unwrap();
        assert_eq!(
            (&row["status"], &row["metadata"]["ended_by"]),
            (&json!(status), &json!(ended_by))
        );
        assert_eq!(row["metadata"]["fallback_reason"], "closed");
    }
    // What a callback knows counts more than that nothing was heard.
    let mut certain = completion(&calls[1]);
    certain.status = "transferred".to_owned();
    assert!(fixture.store.complete(&certain, Completes::AfterOuting).await.unwrap());
    assert!(!fixture.store.complete(&certain, Completes::AfterOuting).await.unwrap(), "once");
    assert_eq!(fixture.row("CA-transfer").await.unwrap()["status"], "transferred");
}
