//! What a spool keeps, and how it is read by whichever version starts next.

use super::*;
use serde_json::{Value, json};

fn event(seq: i64) -> Record {
    Record::Event(EventRow {
        call_log_id: Uuid::nil(),
        epoch: 1,
        seq,
        at_ms: seq * 10,
        kind: "keys_pressed".to_owned(),
        data: json!({"keys": "1\n2"}).into(),
    })
}

fn completion() -> Record {
    Record::Completion(CompletedCall {
        instance_id: None,
        epoch: Some(1),
        is_partial: false,
        call_log_id: Uuid::nil(),
        agent_id: Some(Uuid::nil()),
        call_sid: "CA1".to_owned(),
        status: "completed".to_owned(),
        transcript: "[00:00] Agent: hello".to_owned().into(),
        metadata: json!({}).into(),
        ended_us: 2,
        duration_ms: 1,
    })
}

/// The words stay as they are: a spool is read by whichever version starts next.
#[test]
fn each_kind_of_record_is_spooled_under_the_word_that_older_versions_wrote() {
    let outing = json!({
        "call_sid": "CA1", "instance_id": Uuid::nil(), "until_us": 2, "returns": 1,
        "metadata": {}
    });
    let outing: Record = serde_json::from_value(json!({"outing": outing})).unwrap();
    for (record, word) in [(event(1), "event"), (completion(), "completion"), (outing, "outing")] {
        let spooled = serde_json::to_value(&record).unwrap();
        assert_eq!(spooled.as_object().unwrap().keys().collect::<Vec<_>>(), [word]);
        assert_eq!(record.kind(), word);
    }
}

#[cfg(unix)]
#[test]
fn what_others_could_read_in_the_spool_s_folder_is_closed_to_them() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let left = folder.path().join("rejected-2026-01-01.jsonl");
    std::fs::write(&left, "{}").unwrap();
    std::fs::set_permissions(&left, std::fs::Permissions::from_mode(0o666)).unwrap();
    SpoolFile::create(folder.path(), Uuid::from_u128(1), SPOOL_BYTES).unwrap();
    assert_eq!(left.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn records_come_back_in_order_and_a_told_spool_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = SpoolFile::create(folder.path(), Uuid::nil(), SPOOL_BYTES).unwrap();
    let records: Vec<Record> = (0..1000).map(event).collect();
    spool.append(&records[..700]).unwrap();

    let first = spool.read().unwrap();
    assert_eq!(first.records, records[..BATCH_RECORDS]);
    spool.append(&records[700..]).unwrap();
    spool.advance(first.end).unwrap();
    let second = spool.read().unwrap();
    assert_eq!(second.records, records[BATCH_RECORDS..]);
    assert!(spool.pending_bytes() > 0);
    spool.advance(second.end).unwrap();
    assert_eq!(spool.pending_bytes(), 0);
    assert!(spool.read().unwrap().records.is_empty());

    spool.append(&[completion()]).unwrap();
    assert_eq!(spool.read().unwrap().records, [completion()]);
}

#[test]
fn what_an_older_version_spooled_is_read() {
    let Ok(Value::Object(mut old)) = serde_json::to_value(completion()) else { panic!() };
    let inner = old.values_mut().find_map(|value| value.as_object_mut());
    inner.unwrap_or_else(|| panic!("no completion")).remove("agent_id");
    let Record::Completion(read) = serde_json::from_value(Value::Object(old)).unwrap() else {
        panic!("another record")
    };
    assert_eq!(read.agent_id, None);
}

#[test]
fn a_full_spool_leaves_out_events_only() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = SpoolFile::create(folder.path(), Uuid::nil(), 1).unwrap();
    assert_eq!(spool.append(&[event(1), event(2), completion()]).unwrap(), 1);
    assert_eq!(spool.append(&[event(3), completion()]).unwrap(), 1);
    assert_eq!(spool.read().unwrap().records, [event(1), completion(), completion()]);
}

#[test]
fn only_a_dead_process_s_spool_can_be_adopted() {
    let folder = tempfile::tempdir().unwrap();
    let (dead, living) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let mut spool = SpoolFile::create(folder.path(), dead, SPOOL_BYTES).unwrap();
    let _living = SpoolFile::create(folder.path(), living, SPOOL_BYTES).unwrap();
    spool.append(&[event(1)]).unwrap();
    drop(spool);

    let orphans = SpoolFile::orphans(folder.path()).unwrap();
    assert_eq!(orphans.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [dead]);
    assert!(SpoolFile::orphans(folder.path()).unwrap().is_empty(), "adopted twice");
    for (_, spool) in orphans {
        assert_eq!(spool.read().unwrap().records, [event(1)]);
        spool.remove().unwrap();
    }
    assert!(SpoolFile::orphans(folder.path()).unwrap().is_empty());
    assert!(SpoolFile::create(folder.path(), living, SPOOL_BYTES).is_err());
}

#[test]
fn an_empty_spool_goes_with_its_process_and_comes_back_for_what_comes_late() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = SpoolFile::create(folder.path(), Uuid::nil(), SPOOL_BYTES).unwrap();
    spool.append(&[event(1)]).unwrap();
    spool.retire().unwrap();
    assert_eq!(spool.read().unwrap().records, [event(1)]);
    spool.advance(u64::MAX).unwrap();
    spool.retire().unwrap();
    spool.retire().unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    spool.append(&[event(2)]).unwrap();
    assert!(SpoolFile::orphans(folder.path()).unwrap().is_empty(), "it has no lock");
    drop(spool);
    let (_, spool) = SpoolFile::orphans(folder.path()).unwrap().pop().unwrap();
    assert_eq!(spool.read().unwrap().records, [event(2)]);
}

#[test]
fn a_torn_last_line_and_a_foreign_line_spoil_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = SpoolFile::create(folder.path(), Uuid::nil(), SPOOL_BYTES).unwrap();
    spool.append(&[event(1)]).unwrap();
    spool.file.write_all(b"{\"from\":\"elsewhere\"}\n").unwrap();
    let mut last = serde_json::to_vec(&event(2)).unwrap();
    spool.file.write_all(&last).unwrap();
    spool.file.write_all(b"\n").unwrap();
    last.truncate(last.len() / 2);
    spool.file.write_all(&last).unwrap();
    drop(spool);

    let (_, mut spool) = SpoolFile::orphans(folder.path()).unwrap().pop().unwrap();
    let batch = spool.read().unwrap();
    assert_eq!(batch.records, [event(1), event(2)]);
    assert_eq!(batch.unreadable, [b"{\"from\":\"elsewhere\"}\n"]);
    spool.advance(batch.end).unwrap();
    assert_eq!(spool.pending_bytes(), 0);
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_a_spool() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let spool = SpoolFile::create(folder.path(), Uuid::nil(), SPOOL_BYTES).unwrap();
    assert_eq!(spool.file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}
