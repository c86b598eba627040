//! The writer, where nothing listens.

use sqlx::postgres::PgConnectOptions;

use super::*;

/// Nothing of this listens: all goes to the spool.
fn store() -> Store {
    Store::connect_lazily(PgConnectOptions::new().host("127.0.0.1").port(1), 1)
}

fn event() -> EventRow {
    EventRow {
        call_log_id: Uuid::nil(),
        epoch: 1,
        seq: 1,
        at_ms: 0,
        kind: "keys_pressed".to_owned(),
        data: serde_json::json!({"keys": "1", "turn": 1}).into(),
    }
}

#[tokio::test]
async fn a_batch_whose_thread_breaks_is_given_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let (log, _task) = LogWriter::start(store(), folder.path().to_owned(), Uuid::new_v4(), false)
        .expect("a writer");
    let mut records = vec![Record::Event(event())];
    let before = records.clone();
    let broken = log.shared.append_by(&mut records, |_, _| panic!("a fault")).await;
    assert!(broken.is_err());
    assert_eq!(records, before);
    log.shared.append(&mut records).await.expect("the spool takes it");
    assert!(records.is_empty() && log.health().spool_bytes > 0);
}

#[tokio::test]
async fn an_event_that_comes_when_the_queue_is_closed_is_spooled() {
    let folder = tempfile::tempdir().expect("a folder");
    let (log, task) = LogWriter::start(store(), folder.path().to_owned(), Uuid::new_v4(), false)
        .expect("a writer");
    task.stop_writer.send_replace(true);
    while !task.stand_in.is_finished() {
        tokio::task::yield_now().await;
    }
    log.event(event());
    assert_eq!(log.health().spool_bytes, 0);
    assert!(!task.shutdown(Duration::from_secs(10)).await, "nothing listens");
    assert!(log.health().spool_bytes > 0);
}
