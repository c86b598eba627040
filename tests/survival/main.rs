//! What the built program survives while calls are held: being killed, a database that is away,
//! and another program that books the same times. The calls are real ones, over sockets and in real
//! time.
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

#[path = "../common/balancer.rs"]
mod balancer;
mod booking;
#[path = "../common/database.rs"]
mod database;
mod handover;
mod program;
#[path = "../common/proxy.rs"]
mod proxy;

use std::time::Duration;

use frontdesk::clock::within;
use frontdesk::rehearsal::phone::{CallReport, PhoneEventKind, Step};
use tokio::task::JoinHandle;

use self::program::{Bench, PlacedCall};
use self::proxy::Wire;

/// How soon after a restart the calls of the killed process are completed.
const RESTART_LIMIT: Duration = Duration::from_secs(30);

/// The first answer was heard to its end, and that is written down.
const FIRST_ANSWER_WRITTEN: &str = "exists (select from call_events e where e.call_log_id = l.id
    and kind = 'agent_said' and trim(data ->> 'heard') = 'First answer.')";

/// The rows are there with the turns so far, and a restart completes them.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_programs_calls_are_completed_by_the_next() {
    let bench = Bench::start().await;
    let program = bench.program().await;
    let mut calls = [bench.call(&program, 1, None), bench.call(&program, 1, None)];
    for call in &mut calls {
        call.agent_has_spoken(2).await;
    }
    for call in &calls {
        // The last thing that was heard is written down within a second.
        bench.eventually(&call.sid, FIRST_ANSWER_WRITTEN).await;
    }
    program.kill();
    for call in &calls {
        bench.eventually(&call.sid, "status = 'in-progress' and call_end is null").await;
    }

    let _next = bench.program().await;
    let completed = async {
        for call in &calls {
            bench.eventually(&call.sid, "call_end is not null").await;
        }
    };
    within(RESTART_LIMIT, completed).await.expect("the calls are completed after the restart");
    for call in &calls {
        let row = bench.row(&call.sid).await;
        assert_eq!(row["status"], "failed");
        assert_eq!(row["metadata"]["ended_by"], "error");
        let turns = row["metadata"]["turns"].as_array().unwrap();
        assert_eq!(turns.len(), 1, "{turns:?}");
        assert_eq!(turns[0]["caller"], "First question?");
        assert_eq!(turns[0]["heard"], "First answer.");
        let lines: Vec<_> = row["transcript"].as_str().unwrap().lines().map(spoken).collect();
        assert_eq!(lines, ["Agent: Hello.", "Caller: First question?", "Agent: First answer."]);
    }
}

/// While the database hangs and then is gone, calls go on and new ones are taken; afterwards
/// everything is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_disturbs_no_call() {
    let bench = Bench::start().await;
    let program = bench.program().await;
    let mut held = [(); 2].map(|()| bench.call(&program, 3, Some(Step::HangUp)));
    for call in &mut held {
        call.agent_has_spoken(1).await;
    }
    bench.wire(Wire::Stalled);
    for call in &mut held {
        call.agent_has_spoken(2).await;
    }
    bench.wire(Wire::Cut);
    let mut taken = bench.call(&program, 1, Some(Step::HangUp));
    taken.agent_has_spoken(1).await;
    for call in &mut held {
        call.agent_has_spoken(3).await;
    }
    bench.wire(Wire::Joined);

    for (call, turns) in held.into_iter().map(|call| (call, 3)).chain([(taken, 1)]) {
        let sid = call.sid.clone();
        let report = ended(call.task).await;
        assert_eq!(report.errors, Vec::<String>::new());
        assert!(report.held, "{report:?}");
        assert_eq!(report.underruns, 0);
        bench.eventually(&sid, "status = 'completed' and call_end is not null").await;
        let row = bench.row(&sid).await;
        assert_eq!(row["metadata"]["turns"].as_array().unwrap().len(), turns, "{row}");
        assert_eq!(row["metadata"]["turns"][turns - 1]["heard"], program::ANSWERS[turns - 1]);
        bench.assert_events_in_order(&sid).await;
    }
}

/// A line of the transcript without its time.
fn spoken(line: &str) -> &str {
    line.split_once("] ").unwrap().1
}

async fn ended(task: JoinHandle<CallReport>) -> CallReport {
    within(program::DEADLINE, task).await.expect("the call ends").unwrap()
}

impl PlacedCall {
    /// Waits until the agent has finished speaking for the `count`th time.
    async fn agent_has_spoken(&mut self, count: usize) {
        let speaking = async {
            while self.spoken < count {
                let event = self.events.recv().await.expect("the call goes on");
                self.spoken += usize::from(event.kind == PhoneEventKind::AgentEnded);
            }
        };
        within(program::DEADLINE, speaking).await.expect("the agent speaks");
    }
}
