//! What is kept of old calls.

use frontdesk::call::{CallRecord, LogEvent};
use frontdesk::store::{Completes, EventRow, FIRST_EPOCH};
use serde_json::json;
use uuid::Uuid;

use crate::fixture::{Fixture, completion, fixture};

/// A call of sixty days ago with these words of its appointments.
async fn old_call(fixture: &Fixture, sid: &str, metadata: &serde_json::Value) -> Uuid {
    let id = Uuid::new_v4();
    fixture
        .sql(&format!(
            "insert into call_logs (id, voice_agent_id, call_sid, call_start, call_end, status,
                transcript, metadata)
            values ('{id}', '{}', {sid}, now() - interval '60 days', now() - interval '60 days',
                'completed', '[00:01] Caller: Hi.', '{metadata}')",
            fixture.agent
        ))
        .await;
    id
}

#[tokio::test]
async fn quotations_go_with_the_transcript_and_an_owner_s_notes_stay() {
    let fixture = fixture().await;
    let call = old_call(&fixture, "'CA1'", &json!({})).await;
    let check = "Agreed by telephone and not confirmed: please check.";
    let quotation = " Agent: \"Tuesday at \"two\"?\" Caller: \"Yes, fine\"";
    let quoted = format!("{check}{quotation}");
    for (key, extracted, more) in [
        (format!("{call}:extracted:1"), true, " Rang back, she said \"fine\"."),
        (format!("{call}:call_1"), false, ""),
    ] {
        fixture
            .sql(&format!(
                "insert into appointments (voice_agent_id, name, phone_number, service,
                    schedule_time, duration_minutes, booking_key, is_extracted, special_notes,
                    quotation)
                values ('{}', 'A', '+15551230001', 'B', now(), 30, '{key}', {extracted},
                    '{quoted}{more}', '{quotation}')",
                fixture.agent
            ))
            .await;
    }
    assert_eq!(fixture.store.remove_transcripts(fixture.agent, 30, 50).await.unwrap(), 1);
    let notes = async |extracted: bool| {
        let notes =
            format!("select special_notes from appointments where is_extracted = {extracted}");
        fixture.text(&notes).await.unwrap()
    };
    assert_eq!(notes(true).await, format!("{check} Rang back, she said \"fine\"."));
    assert_eq!(notes(false).await, quoted, "what a function was given is the owner's");
}

#[tokio::test]
async fn quotations_that_no_row_knows_any_more_go_too() {
    let fixture = fixture().await;
    let check = "Agreed by telephone and not confirmed: please check.";
    let quoted = format!("Maria. {check} Agent: \"At \"two\"?\" Caller: \"Yes\" Rang back.");
    // One of a call that was summed up twice, one whose call was gone through before, and keys that
    // others wrote.
    let removed = json!({"removed": {"transcript": "2026-01-01T00:00:00Z"}});
    for (sid, metadata) in [
        ("'CA1'", json!({"extracted_appointments": [{"agent": "At ten?", "caller": "Yes"}]})),
        ("'CA2'", removed.clone()),
    ] {
        let call = old_call(&fixture, sid, &metadata).await;
        write(&fixture, &format!("{call}:extracted:1"), &quoted, "null").await;
    }
    for key in ["x:extracted:1", "not a key", ":"] {
        write(&fixture, key, "theirs", "null").await;
    }
    fixture.store.remove_transcripts(fixture.agent, 30, 50).await.unwrap();
    let left = "select count(*) from appointments where special_notes like '%two%'";
    assert_eq!(fixture.text(left).await.as_deref(), Some("1"));
    // What was gone through before is mended once.
    fixture.sql("delete from _sqlx_migrations where version = 11").await;
    frontdesk::store::migrate::migrate(&fixture.pool).await.unwrap();
    let notes = "select string_agg(distinct special_notes, '|' order by special_notes)
        from appointments";
    let expected = format!("Maria. {check} Rang back.|theirs");
    assert_eq!(fixture.text(notes).await, Some(expected));
    // And what a program of before goes through after that, whenever it does.
    let call = old_call(&fixture, "'CA3'", &removed).await;
    write(&fixture, &format!("{call}:extracted:3"), &quoted, "' Agent: x'").await;
    assert_eq!(fixture.store.remove_left_quotations(50).await.unwrap(), 1);
    assert_eq!(fixture.store.remove_left_quotations(50).await.unwrap(), 0);
    assert_eq!(fixture.text(left).await.as_deref(), Some("0"));
}

#[tokio::test]
async fn quotations_of_before_are_known_once_migrated() {
    let fixture = fixture().await;
    let words = json!({"extracted_appointments": [{}, {"agent": "At ten?", "caller": "Yes"}]});
    let call = old_call(&fixture, "'CA1'", &words).await;
    let quoted = " Agent: \"At ten?\" Caller: \"Yes\"";
    write(&fixture, &format!("{call}:extracted:2"), &format!("Please check.{quoted}"), "null")
        .await;
    write(&fixture, "x:extracted:2", quoted, "null").await;
    fixture.sql("delete from _sqlx_migrations where version = 11").await;
    frontdesk::store::migrate::migrate(&fixture.pool).await.unwrap();
    let known = "select string_agg(quotation, '|') from appointments";
    assert_eq!(fixture.text(known).await.as_deref(), Some(quoted));
}

/// Writes an extracted appointment.
async fn write(fixture: &Fixture, key: &str, notes: &str, quotation: &str) {
    fixture
        .sql(&format!(
            "insert into appointments (voice_agent_id, name, phone_number, service, schedule_time,
                booking_key, is_extracted, special_notes, quotation)
            values ('{}', 'A', '+15551230001', 'B', now(), '{key}', true, '{notes}', {quotation})",
            fixture.agent
        ))
        .await;
}

#[tokio::test]
async fn a_deleted_call_leaves_only_recordings_of_its_own_agent() {
    let fixture = fixture().await;
    let own = |name: &str| format!("{}/{name}.ogg", fixture.agent);
    let parts = json!({"path": own("1"), "parts": [{"path": own("1")}, {"path": own("2")}]});
    let odd = [
        json!(null),
        json!("text"),
        json!([]),
        json!({"recording": "text"}),
        json!({"recording": {"path": 7, "parts": {"path": null}}}),
        json!({"recording": {"path": "elsewhere/3.ogg"}}),
        json!({"recording": {"path": own(&"x".repeat(5_000))}}),
        json!({"recording": parts}),
    ];
    for (n, metadata) in odd.iter().enumerate() {
        old_call(&fixture, &format!("'CA{n}'"), metadata).await;
    }
    // Another program's.
    old_call(&fixture, "null", &json!({"recording": {"path": own("4")}})).await;
    fixture.sql("update call_logs set metadata = null where call_sid = 'CA0'").await;
    fixture.sql(&format!("delete from voice_agents where id = '{}'", fixture.agent)).await;
    fixture.sql("delete from call_logs").await;
    let mut left = fixture.store.left_recordings("", 50).await.unwrap();
    left.sort();
    assert_eq!(left, [own("1"), own("2")]);
    fixture.store.left_recording_removed(&left[0]).await.unwrap();
    assert_eq!(fixture.store.left_recordings("", 50).await.unwrap(), left[1..]);
    assert_eq!(fixture.store.left_recordings(&left[1], 50).await.unwrap(), [""; 0]);
}

/// Rows of `call_logs` and `appointments` that this connection's statements have read so far.
async fn rows_read(pool: &sqlx::PgPool) -> i64 {
    sqlx::query("select pg_stat_force_next_flush()").execute(pool).await.unwrap();
    let read = "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint
        from pg_stat_user_tables where relname in ('call_logs', 'appointments')";
    sqlx::query_scalar(read).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn what_was_swept_is_not_read_again() {
    let fixture = fixture().await;
    let agent = fixture.agent;
    // A small table would be read as a whole, and rightly.
    fixture
        .sql(&format!(
            "insert into call_logs (voice_agent_id, call_start, call_end, status, metadata)
            select '{agent}', now() - interval '60 days', now() - interval '60 days', 'completed',
                jsonb_build_object('removed', jsonb_build_object('transcript', now()),
                    'recording', null, 'voicemail', '{{\"recording_url\": null}}'::jsonb,
                    'turns', repeat('x', 200))
            from generate_series(1, 20000)"
        ))
        .await;
    let old = old_call(&fixture, "'CA1'", &json!({"recording": {"path": "a.ogg"}})).await;
    fixture.sql("analyze call_logs").await;
    let one = fixture.database.pool(1).await;
    let store = frontdesk::store::Store::new(one.clone());
    let before = rows_read(&one).await;
    let recordings = store.old_recordings(agent, 30, Uuid::nil(), 50).await.unwrap();
    assert_eq!(recordings.iter().map(|found| found.call_log_id).collect::<Vec<_>>(), [old]);
    assert_eq!(store.old_voicemails(agent, 30, Uuid::nil(), 50).await.unwrap(), []);
    assert_eq!(store.remove_transcripts(agent, 30, 50).await.unwrap(), 1);
    assert_eq!(store.remove_transcripts(agent, 30, 50).await.unwrap(), 0);
    assert_eq!(store.remove_left_quotations(50).await.unwrap(), 0);
    let read = rows_read(&one).await - before;
    assert!(read < 50, "{read} rows were read");
}

#[tokio::test]
async fn one_process_sweeps_at_a_time() {
    let fixture = fixture().await;
    let minute = std::time::Duration::from_secs(60);
    let taken = async || fixture.store.take_lease("retention", minute).await;
    assert_eq!((taken().await, taken().await), (Ok(true), Ok(false)));
    assert_eq!(fixture.store.take_lease("another", minute).await, Ok(true));
    fixture.sql("update frontdesk_leases set until = now()").await;
    assert_eq!((taken().await, taken().await), (Ok(true), Ok(false)));
}

#[tokio::test]
async fn what_later_events_say_again_goes_when_the_call_is_over() {
    let fixture = fixture().await;
    let call = fixture.call("CA1", Uuid::new_v4());
    fixture.store.admit(&call).await.unwrap();
    let caller = |text: &str, utterance: &str| LogEvent::CallerSaid {
        utterance: utterance.to_owned(),
        turn: 1,
        started_ms: 100,
        text: Some(text.to_owned()),
        settled: false,
    };
    let agent = |heard: &str, reply: u32| LogEvent::AgentSaid {
        reply,
        turn: Some(1),
        started_ms: 200,
        generated: "Yes, we are.".to_owned(),
        heard: heard.to_owned(),
        heard_ms: 100,
        interrupted: false,
    };
    let happened = [
        LogEvent::LineOpened { stream_sid: "MZ1".to_owned() },
        caller("Are", "a"),
        caller("Are you", "a"),
        caller("Hello", "b"),
        caller("Are you open?", "a"),
        agent("Yes", 1),
        agent("Yes, we", 1),
        agent("Hm", 2),
        agent("Yes, we are.", 1),
    ];
    let events: Vec<EventRow> = (1..)
        .zip(&happened)
        .map(|(seq, event)| EventRow::new(call.id, FIRST_EPOCH, seq, seq * 1_000, event))
        .collect();
    fixture.store.append_events(&events.iter().collect::<Vec<_>>()).await.unwrap();
    let transcript = async || {
        let mut record = CallRecord::new();
        let rows = fixture.store.events(call.id).await.unwrap();
        for row in &rows {
            let event = json!({"kind": row.kind, "data": row.data.reveal()});
            record.apply(row.at_ms.unsigned_abs(), &serde_json::from_value(event).unwrap());
        }
        (record.transcript(), rows.iter().map(|row| row.seq).collect::<Vec<_>>())
    };
    let (said, _) = transcript().await;
    assert_eq!(fixture.store.compact_events(call.id).await, Ok(0), "the call is not over");
    fixture.store.complete(&completion(&call), Completes::ByOwner).await.unwrap();
    assert_eq!(fixture.store.compact_events(call.id).await, Ok(4));
    assert_eq!(transcript().await, (said, vec![1, 4, 5, 8, 9]));
    assert_eq!(fixture.store.compact_events(call.id).await, Ok(0));
}
