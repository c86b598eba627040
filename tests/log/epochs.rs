//! Two processes that own one call, one after the other: for each statement, what the one writes that
//! has lost the call is refused, and no order of claims, late writes and lost answers mixes them up.

use frontdesk::call::LogEvent;
use frontdesk::recovery::completion::{CameTo, complete_live, write};
use frontdesk::store::{
    Abandoned, AdmissionOutcome, CallRow, CompletedCall, Completes, EventRow, FIRST_EPOCH,
    LogPosition, NewCall, OffStream, Renewal, Returned, StreamClaim,
};
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use uuid::Uuid;

use crate::fixture::{Fixture, NOON_US, completion, event, fixture};

const SID: &str = "CA1";
const SECOND: i32 = FIRST_EPOCH + 2;

/// One call, and the two processes.
struct Two {
    fixture: Fixture,
    call: NewCall,
    ours: Uuid,
    heir: Uuid,
}

async fn two() -> Two {
    let fixture = fixture().await;
    let (ours, heir) = (Uuid::new_v4(), Uuid::new_v4());
    let call = fixture.call(SID, ours);
    let admission = fixture.store.admit(&call).await.unwrap();
    assert_eq!(admission.position, LogPosition::FIRST);
    fixture.store.append_events(&[&event(&call, 1), &event(&call, 2)]).await.unwrap();
    Two { fixture, call, ours, heir }
}

impl Two {
    async fn row(&self) -> CallRow {
        self.fixture.store.call_by_sid(self.fixture.agent, SID).await.unwrap().unwrap()
    }

    /// The events' places.
    async fn places(&self) -> Vec<(i32, i64)> {
        let events = self.fixture.store.events(self.call.id).await.unwrap();
        events.iter().map(|event| (event.epoch, event.seq)).collect()
    }

    /// The heir takes the call over.
    async fn taken_over(&self) -> LogPosition {
        let heir = self.fixture.claimant(SID, self.heir, None);
        let returned = self.fixture.store.count_return(heir, "fresh", 2).await.unwrap();
        returned.expect("it may be taken over").position
    }

    fn at(&self, epoch: i32, seq: i64) -> EventRow {
        EventRow { epoch, ..event(&self.call, seq) }
    }

    fn completed(&self, instance: Uuid, epoch: i32) -> CompletedCall {
        CompletedCall { instance_id: Some(instance), epoch: Some(epoch), ..completion(&self.call) }
    }
}

#[tokio::test]
async fn each_way_to_take_a_call_over_gives_the_next_epoch_behind_all_that_is_written() {
    let two = two().await;
    let (store, fixture) = (&two.fixture.store, &two.fixture);
    let again = NewCall { nonce: "second".to_owned(), ..fixture.call(SID, two.heir) };
    let repeated = store.admit(&again).await.unwrap();
    assert_eq!(repeated.outcome, AdmissionOutcome::Repeated);
    assert_eq!(repeated.position, LogPosition { epoch: SECOND, next_seq: 3 });
    store.append_events(&[&two.at(SECOND, 3)]).await.unwrap();

    let third = fixture.claimant(SID, two.ours, None);
    let claimed = store.claim_stream(third, "second").await.unwrap();
    let third = LogPosition { epoch: SECOND + 2, next_seq: 4 };
    assert!(matches!(claimed, StreamClaim::Claimed { position, .. } if position == third));

    let fourth = LogPosition { epoch: SECOND + 4, next_seq: 4 };
    assert_eq!(two.taken_over().await, fourth);
    let row = two.row().await;
    assert_eq!((row.epoch, row.instance_id), (fourth.epoch, Some(two.heir)));
    assert_eq!(two.places().await, [(1, 1), (1, 2), (SECOND, 3)]);
}

#[tokio::test]
async fn a_process_that_holds_the_call_stays_in_its_epoch() {
    let two = two().await;
    let (store, fixture) = (&two.fixture.store, &two.fixture);
    let us = fixture.claimant(SID, two.ours, Some(FIRST_EPOCH));
    assert_eq!(store.renew_nonce(us, "a").await, Ok(Renewal::Renewed));
    let position = LogPosition { epoch: FIRST_EPOCH, next_seq: 3 };
    let claimed = store.claim_stream(us, "a").await.unwrap();
    assert!(matches!(claimed, StreamClaim::Claimed { position: ours, .. } if ours == position));
    store.go_out(&fixture.outing(SID, two.ours, FIRST_EPOCH)).await.unwrap();
    // What it wrote before may still be on its way when its caller is back.
    let back = store.count_return(us, "b", 2).await.unwrap();
    assert_eq!(back, Some(Returned { returns: 1, position }));
    assert_eq!(store.append_events(&[&event(&two.call, 3)]).await, Ok(0));
    // Nor does it send the caller out again who is back.
    store.go_out(&fixture.outing(SID, two.ours, FIRST_EPOCH)).await.unwrap();
    assert!(!two.row().await.is_out);
    let later = OffStream { returns: 1, ..fixture.outing(SID, two.ours, FIRST_EPOCH) };
    store.go_out(&later).await.unwrap();
    assert!(two.row().await.is_out);
    // One that does not know that it holds the call has lost what was on its way.
    let forgotten = fixture.claimant(SID, two.ours, None);
    let back = store.count_return(forgotten, "c", 2).await.unwrap().unwrap();
    assert_eq!(back.position.epoch, SECOND);
}

#[tokio::test]
async fn what_the_owner_before_writes_is_refused_and_counted() {
    let two = two().await;
    let (store, fixture) = (&two.fixture.store, &two.fixture);
    let claim = two.taken_over().await;
    let other = NewCall { limit: None, ..fixture.call("CA2", two.ours) };
    store.admit(&other).await.unwrap();

    // Events, among those of others and again.
    let batch = [two.at(1, 2), two.at(1, 3), two.at(SECOND, claim.next_seq), event(&other, 1)];
    let batch: Vec<&EventRow> = batch.iter().collect();
    assert_eq!(store.append_events(&batch).await, Ok(2));
    assert_eq!(store.append_events(&batch).await, Ok(2));
    assert_eq!(two.places().await, [(1, 1), (1, 2), (SECOND, 3)]);
    assert_eq!(fixture.events(&other).await, 1);

    // A fresh token, and the stream by its own or by the new one.
    let us = fixture.claimant(SID, two.ours, Some(FIRST_EPOCH));
    let before = fixture.row(SID).await;
    assert_eq!(store.renew_nonce(us, "theirs").await, Ok(Renewal::Lost));
    assert_eq!(store.claim_stream(us, &two.call.nonce).await, Ok(StreamClaim::Spent));
    assert_eq!(store.claim_stream(us, "fresh").await, Ok(StreamClaim::Spent));
    // That its caller is out, and that the call is over.
    for taken_by in [None, Some(two.ours)] {
        let outing = fixture.outing(SID, two.ours, FIRST_EPOCH);
        store.go_out(&OffStream { taken_by, returns: 9, ..outing }).await.unwrap();
    }
    let all =
        [Completes::ByOwner, Completes::IfLive, Completes::IfAbandoned, Completes::AfterOuting];
    for when in all {
        let completed = two.completed(two.ours, FIRST_EPOCH);
        assert_eq!(store.complete(&completed, when).await, Ok(false), "{when:?}");
        // Not even if it has the right process.
        let completed = two.completed(two.heir, FIRST_EPOCH);
        assert_eq!(store.complete(&completed, when).await, Ok(false), "{when:?}");
    }
    let note = LogEvent::StreamFailed { code: "31921".to_owned() };
    assert_eq!(store.append_note(two.call.id, FIRST_EPOCH, 0, &note).await, Ok(None));
    let left = Abandoned {
        id: two.call.id,
        call_sid: SID.to_owned(),
        agent_id: fixture.agent,
        instance_id: Some(two.heir),
        epoch: FIRST_EPOCH,
        started_us: NOON_US,
    };
    assert_eq!(store.ask_about(&left, 1).await, Ok(None));
    assert_eq!(store.is_left(&left).await, Ok(false));
    assert_eq!(fixture.row(SID).await, before);
    assert_eq!(two.places().await, [(1, 1), (1, 2), (SECOND, 3)]);

    assert!(store.complete(&two.completed(two.heir, SECOND), Completes::ByOwner).await.unwrap());
}

#[tokio::test]
async fn whoever_sends_a_caller_out_that_another_process_had_has_the_call() {
    let two = two().await;
    let (store, fixture) = (&two.fixture.store, &two.fixture);
    let outing =
        OffStream { taken_by: Some(two.heir), ..fixture.outing(SID, two.ours, FIRST_EPOCH) };
    store.go_out(&outing).await.unwrap();
    let row = two.row().await;
    assert_eq!((row.epoch, row.instance_id, row.is_out), (SECOND, Some(two.heir), true));
    assert_eq!(store.append_events(&[&event(&two.call, 3)]).await, Ok(1));
    // Told again, as by a spool.
    store.go_out(&outing).await.unwrap();
    assert_eq!(two.row().await, row);
}

#[tokio::test]
async fn what_an_older_version_spooled_is_of_the_first_owner() {
    let two = two().await;
    let store = &two.fixture.store;
    let mut old = serde_json::to_value(event(&two.call, 3)).unwrap();
    old.as_object_mut().unwrap().remove("epoch");
    let old: EventRow = serde_json::from_value(old).unwrap();
    assert_eq!(store.append_events(&[&old]).await, Ok(0));
    let mut done = serde_json::to_value(completion(&two.call)).unwrap();
    done.as_object_mut().unwrap().remove("epoch");
    let done: CompletedCall = serde_json::from_value(done).unwrap();
    assert_eq!(done.epoch, None);
    let mut out = serde_json::to_value(two.fixture.outing(SID, two.ours, FIRST_EPOCH)).unwrap();
    out.as_object_mut().unwrap().retain(|key, _| key != "epoch" && key != "call_log_id");
    store.go_out(&serde_json::from_value(out).unwrap()).await.unwrap();
    assert!(two.row().await.is_out);
    two.taken_over().await;
    assert_eq!(store.append_events(&[&old]).await, Ok(1), "it lost the call");
    assert_eq!(store.complete(&done, Completes::ByOwner).await, Ok(false));
    assert_eq!(two.places().await, [(1, 1), (1, 2), (1, 3)]);
}

#[tokio::test]
async fn of_twenty_notes_at_once_none_is_lost_and_none_takes_an_owner_s_place() {
    let two = two().await;
    let (store, row) = (&two.fixture.store, two.row().await);
    let failed = |n: i64| LogEvent::StreamFailed { code: n.to_string() };
    let notes: Vec<LogEvent> = (0..20).map(failed).collect();
    join_all(notes.iter().map(|note| async {
        let mut placed = None;
        while placed.is_none() {
            placed = store.append_note(two.call.id, row.epoch, 0, note).await.unwrap();
        }
    }))
    .await;
    store.append_events(&[&event(&two.call, 3)]).await.unwrap();
    let places = two.places().await;
    let own: Vec<_> = places.iter().filter(|(epoch, _)| *epoch == FIRST_EPOCH).collect();
    assert_eq!(own, [&(1, 1), &(1, 2), &(1, 3)]);
    assert_eq!(places.len(), 23);
}

#[tokio::test]
async fn what_a_callback_says_is_asked_of_the_call_as_it_is_when_it_is_written() {
    let two = two().await;
    let (store, fixture) = (&two.fixture.store, &two.fixture);
    store.go_out(&fixture.outing(SID, two.ours, FIRST_EPOCH)).await.unwrap();
    let stale = two.row().await;
    let claim = two.taken_over().await;
    let moved = LogEvent::MovedToFallback { why: "stale".to_owned() };
    write(store, &stale, &[moved], NOON_US).await.unwrap();
    assert_eq!(two.places().await, [(1, 1), (1, 2)]);

    // The heir goes on; the call's end is of its epoch.
    store.append_events(&[&two.at(claim.epoch, claim.next_seq)]).await.unwrap();
    assert!(complete_live(store, fixture.agent, SID, &CameTo::Over, NOON_US).await.unwrap());
    let events = store.events(two.call.id).await.unwrap();
    let last = events.last().unwrap();
    assert_eq!((last.kind.as_str(), last.epoch), ("ended", claim.epoch + 1));
    // That was a guess. Its owner knows best.
    assert!(store.complete(&two.completed(two.heir, SECOND), Completes::ByOwner).await.unwrap());
}

/// What happens next in the random walk.
#[derive(Debug, Clone, Copy)]
enum Move {
    /// A process takes the call over. `heard`: it hears that it has it.
    TakeOver { process: usize, way: u8, heard: bool },
    /// A process writes an event, which reaches the database only later.
    Say { process: usize },
    /// What a process has written reaches the database, `again` as from a spool.
    Arrive { process: usize, again: bool },
    /// A process sends the caller out.
    GoOut { process: usize },
    /// A process says that the call is over.
    Complete { process: usize },
    /// A callback says something, to whichever process.
    Note,
}

fn moves() -> impl Strategy<Value = Move> {
    let process = 0..2_usize;
    prop_oneof![
        2 => (process.clone(), 0..3_u8, any::<bool>())
            .prop_map(|(process, way, heard)| Move::TakeOver { process, way, heard }),
        4 => process.clone().prop_map(|process| Move::Say { process }),
        3 => (process.clone(), any::<bool>())
            .prop_map(|(process, again)| Move::Arrive { process, again }),
        1 => process.clone().prop_map(|process| Move::GoOut { process }),
        1 => process.prop_map(|process| Move::Complete { process }),
        1 => Just(Move::Note),
    ]
}

/// One of the two processes in the walk.
#[derive(Debug, Default)]
struct Process {
    id: Uuid,
    /// What it believes that it holds the call with.
    position: Option<LogPosition>,
    queue: Vec<EventRow>,
    told: Vec<EventRow>,
}

async fn take_over(two: &Two, process: &mut Process, way: u8, heard: bool, step: usize) {
    let (store, fixture) = (&two.fixture.store, &two.fixture);
    let nonce = format!("n{step}");
    let held = process.position.map(|ours| ours.epoch);
    let who = fixture.claimant(SID, process.id, held);
    let claimed = match way {
        0 => {
            let call = NewCall { nonce, limit: None, ..fixture.call(SID, process.id) };
            let admission = store.admit(&call).await.unwrap();
            (admission.outcome == AdmissionOutcome::Repeated).then_some(admission.position)
        }
        1 => store.count_return(who, &nonce, 99).await.unwrap().map(|returned| returned.position),
        _ => match store.claim_stream(who, &two.call.nonce).await.unwrap() {
            StreamClaim::Claimed { position, .. } => Some(position),
            _ => None,
        },
    };
    let Some(mut position) = claimed.filter(|_| heard) else { return };
    if let Some(ours) = process.position.filter(|ours| ours.epoch == position.epoch) {
        position.next_seq = position.next_seq.max(ours.next_seq);
    }
    process.position = Some(position);
}

/// One walk: whatever two processes do and hear, an event is in the table only if whoever wrote it had
/// the call when it arrived, in one place, and the row is completed once by each epoch at most.
async fn walk(steps: &[Move]) {
    let two = two().await;
    let store = &two.fixture.store;
    let first = LogPosition { epoch: FIRST_EPOCH, next_seq: 3 };
    let mut processes = [
        Process { id: two.ours, position: Some(first), ..Process::default() },
        Process { id: two.heir, ..Process::default() },
    ];
    let mut expected = two.places().await;
    let mut notes = 0;
    for (step, next) in steps.iter().enumerate() {
        let row = two.row().await;
        match *next {
            Move::TakeOver { process, way, heard } => {
                take_over(&two, &mut processes[process], way, heard, step).await;
                let now = two.row().await;
                assert!(now.epoch >= row.epoch && now.epoch % 2 == 1, "{now:?}");
                assert!(now.epoch > row.epoch || now.instance_id == row.instance_id, "{now:?}");
            }
            Move::Say { process } => {
                let Process { position: Some(position), queue, .. } = &mut processes[process]
                else {
                    continue;
                };
                queue.push(two.at(position.epoch, position.next_seq));
                position.next_seq += 1;
            }
            Move::Arrive { process, again } => {
                let Process { queue, told, .. } = &mut processes[process];
                let batch = if again { told.clone() } else { std::mem::take(queue) };
                let fenced = batch.iter().filter(|event| event.epoch != row.epoch).count() as u64;
                let given: Vec<&EventRow> = batch.iter().collect();
                assert_eq!(store.append_events(&given).await, Ok(fenced), "{step}: {next:?}");
                let written = batch.iter().filter(|event| event.epoch == row.epoch);
                expected.extend(written.map(|event| (event.epoch, event.seq)));
                told.extend(if again { Vec::new() } else { batch });
            }
            Move::GoOut { process } => {
                let Process { id, position: Some(position), .. } = &processes[process] else {
                    continue;
                };
                let outing = two.fixture.outing(SID, *id, position.epoch);
                let outing = OffStream { returns: row.stream_returns, ..outing };
                store.go_out(&outing).await.unwrap();
                let may = position.epoch == row.epoch && !row.ended;
                assert_eq!(two.row().await.is_out, may || row.is_out, "{step}: {next:?}");
            }
            Move::Complete { process } => {
                let Process { id, position: Some(position), .. } = &processes[process] else {
                    continue;
                };
                let completed = two.completed(*id, position.epoch);
                let done = store.complete(&completed, Completes::IfAbandoned).await.unwrap();
                assert_eq!(done, position.epoch == row.epoch && !row.ended, "{step}: {next:?}");
            }
            Move::Note => {
                let note = LogEvent::StreamFailed { code: step.to_string() };
                write(store, &row, &[note], NOON_US).await.unwrap();
                notes += 1;
            }
        }
    }
    let places = two.places().await;
    assert!(places.is_sorted(), "{places:?}");
    let own: Vec<_> = places.iter().copied().filter(|(epoch, _)| epoch % 2 == 1).collect();
    assert_eq!(places.len() - own.len(), notes.min(32), "{places:?}");
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(own, expected);
}

#[tokio::test]
async fn a_random_walk_of_two_owners_mixes_nothing_up() {
    let mut runner = TestRunner::deterministic();
    let steps = prop::collection::vec(moves(), 40);
    for _ in 0..8 {
        let steps = steps.new_tree(&mut runner).unwrap().current();
        walk(&steps).await;
    }
}
