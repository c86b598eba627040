//! Nothing that the writer was given is lost, whatever becomes of the database or the process.

use std::path::Path;
use std::time::Duration;

use frontdesk::call_log::writer::{LogWriter, LogWriterTask, Opened};
use frontdesk::store::{AdmissionOutcome, CompletedCall, EventRow, LogPosition, NewCall, Store};
use serde_json::json;
use tempfile::TempDir;
use uuid::Uuid;

use crate::fixture::{Fixture, completion, event, eventually, fixture};
use crate::proxy::{Proxy, Wire};

const LIMIT: Duration = Duration::from_secs(20);

/// A writer whose wire to the database can be cut.
struct Bench {
    fixture: Fixture,
    proxy: Proxy,
    folder: TempDir,
}

async fn bench() -> Bench {
    let fixture = fixture().await;
    let proxy = Proxy::to(&fixture.database.options()).await;
    Bench { fixture, proxy, folder: tempfile::tempdir().unwrap() }
}

impl Bench {
    fn start(&self, instance: Uuid) -> (LogWriter, LogWriterTask) {
        start(self.store(), self.folder.path(), instance)
    }

    fn store(&self) -> Store {
        Store::connect_lazily(self.proxy.options(self.fixture.database.options()), 4)
    }

    async fn cut_and_noticed(&self, log: &LogWriter) {
        self.proxy.set(Wire::Cut);
        eventually("the loss of the database", async || !log.is_database_up()).await;
    }
}

fn start(store: Store, folder: &Path, instance: Uuid) -> (LogWriter, LogWriterTask) {
    LogWriter::start(store, folder.to_owned(), instance, true).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_written_from_its_row_to_its_end() {
    let bench = bench().await;
    let instance = Uuid::new_v4();
    let (log, task) = bench.start(instance);
    let call = bench.fixture.call("CA1", instance);
    let Opened::Admitted(admission) = log.open(call.clone()).await else { panic!("spooled") };
    assert_eq!((admission.outcome, admission.call_log_id), (AdmissionOutcome::Admitted, call.id));
    for seq in 1..=1500 {
        log.event(event(&call, seq));
    }
    log.complete(completion(&call)).await;
    assert!(task.shutdown(LIMIT).await);
    let left = std::fs::read_dir(bench.folder.path()).unwrap().count();
    assert_eq!(left, 0, "the next process takes it for a dead one's");

    let seqs: Vec<i64> =
        bench.fixture.store.events(call.id).await.unwrap().iter().map(|e| e.seq).collect();
    assert_eq!(seqs, (1..=1500).collect::<Vec<_>>());
    assert_eq!(bench.fixture.row("CA1").await.unwrap()["status"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_and_comes_back_misses_nothing() {
    let bench = bench().await;
    let instance = Uuid::new_v4();
    let (log, task) = bench.start(instance);
    let before = bench.fixture.call("CA1", instance);
    assert!(matches!(log.open(before.clone()).await, Opened::Admitted(_)));
    for seq in 1..=10 {
        log.event(event(&before, seq));
    }
    bench.cut_and_noticed(&log).await;
    let during = bench.fixture.call("CA2", instance);
    assert_eq!(log.open(during.clone()).await, Opened::Spooled);
    for seq in 1..=700 {
        log.event(event(&before, 10 + seq));
        log.event(event(&during, seq));
    }
    log.complete(completion(&during)).await;
    eventually("the spool", async || log.health().queued == 0).await;
    assert!(log.health().spool_bytes > 0);

    bench.proxy.set(Wire::Joined);
    eventually("the row", async || {
        bench.fixture.row("CA2").await.is_some_and(|row| row["status"] == "completed")
    })
    .await;
    eventually("an empty spool", async || log.health().spool_bytes == 0).await;
    assert!(log.is_database_up());
    log.event(event(&before, 711));
    log.complete(completion(&before)).await;
    assert!(task.shutdown(LIMIT).await);
    assert_eq!(bench.fixture.events(&before).await, 711);
    assert_eq!(bench.fixture.events(&during).await, 700);
    let row = bench.fixture.row("CA2").await.unwrap();
    assert_eq!(row["caller_number"], "+15551230001");
    assert_eq!(row["metadata"], json!({"call_sid": "CA2", "ended_by": "caller"}));
    assert_eq!(row["holds_line"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_s_spool_is_told_by_the_next_one() {
    let bench = bench().await;
    let (dead, next) = (Uuid::new_v4(), Uuid::new_v4());
    let (log, task) = bench.start(dead);
    bench.cut_and_noticed(&log).await;
    let call = bench.fixture.call("CA1", dead);
    assert_eq!(log.open(call.clone()).await, Opened::Spooled);
    for seq in 1..=20 {
        log.event(event(&call, seq));
    }
    let spool = bench.folder.path().join(format!("{dead}.jsonl"));
    eventually("20 events on disk", async || {
        std::fs::read_to_string(&spool).unwrap().lines().count() == 21
    })
    .await;
    drop((log, task));
    // Killed while it wrote.
    let mut torn = std::fs::read(&spool).unwrap();
    torn.extend_from_slice(br#"{"event":{"call_log_id":"#);
    std::fs::write(&spool, torn).unwrap();

    bench.proxy.set(Wire::Joined);
    let (log, task) = bench.start(next);
    let mut proven_dead = Vec::new();
    eventually("the proof", async || {
        // The dead one's lock may be held for a moment by a thread that was writing.
        log.take_proven_dead().contains(&dead)
    })
    .await;
    proven_dead.extend(log.take_proven_dead());
    assert!(proven_dead.is_empty(), "told twice, or a living one called dead");
    assert_eq!(bench.fixture.events(&call).await, 20);
    assert_eq!(bench.fixture.row("CA1").await.unwrap()["status"], "in-progress");
    assert!(!spool.exists());
    task.shutdown(LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_already_is_not_written_twice() {
    let bench = bench().await;
    let instance = Uuid::new_v4();
    let (log, task) = bench.start(instance);
    let call = bench.fixture.call("CA1", instance);
    log.open(call.clone()).await;
    log.event(event(&call, 1));
    eventually("the event", async || bench.fixture.events(&call).await == 1).await;

    // As after a statement that was given up and carried out all the same: the row is there.
    bench.cut_and_noticed(&log).await;
    let again = bench.fixture.call("CA1", instance);
    assert_ne!(again.id, call.id);
    assert_eq!(log.open(again.clone()).await, Opened::Spooled);
    log.event(event(&call, 1));
    log.event(event(&again, 2));
    log.complete(completion(&again)).await;
    bench.proxy.set(Wire::Joined);
    eventually("the end", async || {
        bench.fixture.row("CA1").await.unwrap()["status"] == "completed"
    })
    .await;
    assert!(task.shutdown(LIMIT).await);
    assert_eq!(bench.fixture.text("select count(*) from call_logs").await.unwrap(), "1");
    assert_eq!(bench.fixture.events(&call).await, 2, "the spooled call's events are this row's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_refused_holds_up_nothing() {
    let bench = bench().await;
    let instance = Uuid::new_v4();
    let (log, task) = bench.start(instance);
    let call = bench.fixture.call("CA1", instance);
    log.open(call.clone()).await;
    bench
        .fixture
        .sql("alter table call_events add constraint odd check (data ->> 'keys' <> 'refuse me')")
        .await;
    let mut refused = event(&call, 1);
    refused.data = json!({"keys": "refuse me"}).into();
    let mut nul = event(&call, 2);
    nul.data = json!({"keys": "a\0b"}).into();
    let mut homeless = event(&call, 3);
    homeless.call_log_id = Uuid::new_v4();
    for event in [refused, nul, homeless, event(&call, 4)] {
        log.event(event);
    }
    let mut end = completion(&call);
    end.transcript = "[00:00] Caller: a\0b".to_owned().into();
    log.complete(end).await;
    let mut unknown = completion(&call);
    unknown.call_sid = "CA-deleted-meanwhile".to_owned();
    log.complete(unknown).await;
    assert!(task.shutdown(LIMIT).await);

    let events = bench.fixture.store.events(call.id).await.unwrap();
    assert_eq!(events.iter().map(|e| e.seq).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(events[0].data.reveal()["keys"], "ab");
    assert_eq!(bench.fixture.row("CA1").await.unwrap()["transcript"], "[00:00] Caller: ab");
    let rejected = std::fs::read_to_string(bench.folder.path().join("rejected.jsonl")).unwrap();
    assert_eq!(rejected.lines().count(), 1);
    assert!(rejected.contains("refuse me"));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_database_away_from_the_start_a_shutdown_leaves_the_spool() {
    let bench = bench().await;
    bench.proxy.set(Wire::Cut);
    let instance = Uuid::new_v4();
    let (log, task) = bench.start(instance);
    let call = bench.fixture.call("CA1", instance);
    assert_eq!(log.open(call.clone()).await, Opened::Spooled);
    log.event(event(&call, 1));
    log.complete(completion(&call)).await;
    assert!(!task.shutdown(LIMIT).await, "nothing was told");
    drop(log);

    bench.proxy.set(Wire::Joined);
    let (_log, task) = bench.start(Uuid::new_v4());
    eventually("the row", async || {
        bench.fixture.row("CA1").await.is_some_and(|row| row["status"] == "completed")
    })
    .await;
    assert_eq!(bench.fixture.events(&call).await, 1);
    task.shutdown(LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_hangs_keeps_nobody_waiting_and_misses_nothing() {
    let bench = bench().await;
    let instance = Uuid::new_v4();
    let (log, task) = bench.start(instance);
    let before = bench.fixture.call("CA1", instance);
    assert!(matches!(log.open(before.clone()).await, Opened::Admitted(_)));
    bench.proxy.set(Wire::Stalled);
    // Its statement waits in the wire and is carried out after the row was given up.
    let during = bench.fixture.call("CA2", instance);
    assert_eq!(log.open(during.clone()).await, Opened::Spooled);
    eventually("the loss of the database", async || !log.is_database_up()).await;
    for seq in 1..=50 {
        log.event(event(&before, seq));
        log.event(event(&during, seq));
    }
    log.complete(completion(&before)).await;
    eventually("the spool", async || log.health().queued == 0).await;
    bench.proxy.set(Wire::Joined);
    log.complete(completion(&during)).await;
    eventually("both ends", async || {
        let (one, other) = (bench.fixture.row("CA1").await, bench.fixture.row("CA2").await);
        [one, other].iter().flatten().filter(|row| row["status"] == "completed").count() == 2
    })
    .await;
    assert!(task.shutdown(LIMIT).await);
    assert_eq!(bench.fixture.events(&before).await, 50);
    assert_eq!(bench.fixture.events(&during).await, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_statement_that_waits_for_a_lock_is_no_lost_database() {
    let bench = bench().await;
    let instance = Uuid::new_v4();
    let (log, task) = bench.start(instance);
    let before = bench.fixture.call("CA1", instance);
    assert!(matches!(log.open(before.clone()).await, Opened::Admitted(_)));
    // Whoever counts the agent's calls waits for this.
    let mut hold = bench.fixture.pool.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1::text, 0))")
        .bind(bench.fixture.agent.to_string())
        .execute(&mut *hold)
        .await
        .unwrap();
    let during = bench.fixture.call("CA2", instance);
    assert_eq!(log.open(during.clone()).await, Opened::Spooled);
    assert!(log.is_database_up(), "one statement is not the database");
    // Others are served, and what was spooled is told although the lock is still held.
    let found = bench.store().search_passages(bench.fixture.agent, &[0.5; 1536], 4).await;
    assert_eq!(found, Ok(Some(vec![])));
    log.event(event(&before, 1));
    eventually("the row", async || bench.fixture.row("CA2").await.is_some()).await;
    eventually("the event", async || bench.fixture.events(&before).await == 1).await;
    assert!(log.is_database_up());
    drop(hold);
    assert!(task.shutdown(LIMIT).await);
}

/// One thread: nothing is taken from the queue while this does not wait.
#[tokio::test]
async fn a_full_queue_drops_events_and_no_completion() {
    const ROOM: usize = 16_384;
    let bench = bench().await;
    let instance = Uuid::new_v4();
    let (log, task) = bench.start(instance);
    let call = bench.fixture.call("CA1", instance);
    log.open(call.clone()).await;
    let others: Vec<_> = (2..=8).map(|n| bench.fixture.call(&format!("CA{n}"), instance)).collect();
    for other in &others {
        log.open(NewCall { limit: None, ..other.clone() }).await;
    }
    for seq in 1..=20_000 {
        log.event(event(&call, seq));
    }
    assert_eq!(log.health().queued, ROOM / 8, "a call has its share");
    for other in &others {
        (1..=20_000).for_each(|seq| log.event(event(other, seq)));
    }
    assert_eq!(log.health().queued, ROOM);
    log.complete(completion(&call)).await;
    assert!(task.shutdown(LIMIT).await);
    assert_eq!(bench.fixture.events(&call).await, ROOM / 8);
    assert_eq!(bench.fixture.row("CA1").await.unwrap()["status"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_at_the_start_is_never_called_up() {
    let bench = bench().await;
    bench.proxy.set(Wire::Stalled);
    let folder = bench.folder.path().to_owned();
    let (log, _task) = LogWriter::start(bench.store(), folder, Uuid::new_v4(), false).unwrap();
    assert!(!log.is_database_up());
    bench.proxy.set(Wire::Joined);
    eventually("the database", async || log.is_database_up()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_knew_only_the_end_of_a_call_completes_it_from_all_that_was_written() {
    let bench = bench().await;
    let instance = Uuid::new_v4();
    let (log, task) = bench.start(instance);
    let call = bench.fixture.call("CA1", instance);
    let before = [event(&call, 1), event(&call, 2)];
    bench
        .fixture
        .store
        .admit(&NewCall { instance_id: Uuid::new_v4(), ..call.clone() })
        .await
        .unwrap();
    bench.fixture.store.append_events(&before.each_ref()).await.unwrap();
    let heir = bench.fixture.claimant("CA1", instance, None);
    let claimed = bench.fixture.store.count_return(heir, "fresh", 2).await.unwrap().unwrap();
    let LogPosition { epoch, next_seq } = claimed.position;
    // What came before could not be read, and what its owner writes now is no part of the call.
    log.event(event(&call, 7));
    log.event(EventRow { epoch, ..event(&call, next_seq) });
    let half = CompletedCall {
        is_partial: true,
        epoch: Some(epoch),
        transcript: "[00:00] Caller: [pressed 3]".to_owned().into(),
        metadata: json!({"ended_by": "caller", "model": "m", "turns": []}).into(),
        ..completion(&call)
    };
    log.complete(half).await;
    assert!(task.shutdown(LIMIT).await);
    let row = bench.fixture.row("CA1").await.unwrap();
    let transcript = row["transcript"].as_str().unwrap();
    let told = |keys| transcript.contains(&format!("[pressed {keys}]"));
    assert!(told(1) && told(2) && told(3) && !told(7), "{transcript}");
    assert_eq!(row["metadata"]["model"], "m");
    assert_eq!(row["metadata"]["turns"].as_array().unwrap().len(), 1);
}
