//! Two programs behind one address: one of them goes down or is killed while it has calls.

use std::time::Duration;

use frontdesk::audio::mulaw::SILENCE;
use frontdesk::clock::within;
use frontdesk::rehearsal::phone::api::Api;
use frontdesk::rehearsal::phone::{Ended, PhoneEventKind, Sample, Step, StreamFault};
use tokio::net::TcpListener;

use crate::balancer::Balancer;
use crate::program::{Bench, DEADLINE, PlacedCall, Program, TOKEN, says};
use crate::{ended, spoken};

const ACCOUNT: &str = "AC00000000000000000000000000000001";
/// What the agent says when it is back: the speech service has no words of its own for that.
const BACK: &str = "Agent: I see.";
/// What the caller says without a sound when they have heard the first answer.
const READY: &str = "ready";
/// Calls that the first program has.
const CALLS: usize = 6;

/// What stands in front of the programs, and Twilio's REST side.
struct Street {
    bench: Bench,
    balancer: Balancer,
    twilio: Api,
    twilio_url: String,
}

impl Street {
    async fn new() -> Self {
        let twilio = Api::new(Some(ACCOUNT.to_owned()), Some(TOKEN.to_owned().into()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let twilio_url = format!("http://{}", listener.local_addr().unwrap());
        twilio.serve(listener);
        let (bench, balancer) = (Bench::start().await, Balancer::start().await);
        Self { bench, balancer, twilio, twilio_url }
    }

    async fn program(&self, data: &str) -> Program {
        let environment = [
            ("PUBLIC_URL", self.balancer.url()),
            ("TWILIO_ACCOUNT_SID", ACCOUNT.to_owned()),
            ("TWILIO_API_URL", self.twilio_url.clone()),
            ("DRAIN_SECONDS", "1".to_owned()),
        ];
        self.bench.program_with(data, &environment).await
    }

    /// A caller who asks the first thing, and when the agent is there again the first thing again.
    fn call(&self, program: &Program, fault: StreamFault) -> PlacedCall {
        let patiently = Step::WaitForAgent {
            quiet: Duration::from_millis(700),
            limit: Duration::from_secs(90),
        };
        let steps = vec![
            Step::wait_for_agent(),
            says(0),
            Step::wait_for_agent(),
            // Nobody hears that, but whoever watches.
            Step::Say(Sample::new(READY, &[SILENCE; 160])),
            patiently,
            says(0),
            Step::wait_for_agent(),
            Step::HangUp,
        ];
        self.bench.place(program, Some(&self.twilio), fault, steps)
    }

    /// The call went on elsewhere in its one row.
    async fn went_on(&self, call: PlacedCall) {
        let sid = call.sid.clone();
        // Nobody reads what happens at the phone any more.
        drop(call.events);
        let report = ended(call.task).await;
        assert_eq!((report.ended, report.said), (Ended::Caller, vec![]), "{:?}", report.errors);
        self.bench.eventually(&sid, "status = 'completed' and call_end is not null").await;
        let row = self.bench.row(&sid).await;
        assert_eq!(row["metadata"]["ended_by"], "caller");
        let lines: Vec<_> = row["transcript"].as_str().unwrap().lines().map(spoken).collect();
        let exchange = ["Caller: First question?", "Agent: First answer."];
        assert_eq!(lines, [&["Agent: Hello."], &exchange[..], &[BACK], &exchange[..]].concat());
        assert_eq!(row["metadata"]["stream_sids"].as_array().unwrap().len(), 2, "{row}");
    }

    /// Calls at `program`, up to where each has heard the first answer.
    async fn calls(&self, program: &Program, fault: StreamFault) -> Vec<PlacedCall> {
        let mut calls: Vec<_> = (0..CALLS).map(|_| self.call(program, fault)).collect();
        for call in &mut calls {
            call.is_ready().await;
            self.bench.eventually(&call.sid, crate::FIRST_ANSWER_WRITTEN).await;
        }
        calls
    }
}

impl PlacedCall {
    /// Waits until the caller has heard the first answer, and waits for what comes.
    async fn is_ready(&mut self) {
        let watching = async {
            while let Some(event) = self.events.recv().await {
                if event.kind == (PhoneEventKind::CallerSpoke { name: READY.to_owned() }) {
                    return;
                }
            }
            panic!("the call ended before");
        };
        within(DEADLINE, watching).await.expect("the caller hears the answer");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_goes_down_hands_its_calls_to_the_other() {
    let street = Street::new().await;
    let (one, other) = (street.program("one").await, street.program("other").await);
    street.balancer.to(&[one.address]);
    let calls = street.calls(&one, StreamFault::None).await;
    street.balancer.to(&[other.address]);
    assert!(one.stop().await);
    for call in calls {
        street.went_on(call).await;
    }
    assert!(other.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_calls_of_a_killed_program_go_on_at_the_other() {
    let street = Street::new().await;
    let (one, other) = (street.program("one").await, street.program("other").await);
    street.balancer.to(&[one.address, other.address]);
    let calls = street.calls(&one, StreamFault::None).await;
    one.kill();
    for call in calls {
        street.went_on(call).await;
    }
}

/// Twilio asks nobody, and the calls are still in progress there: whoever finds that their program
/// is dead asks for them.
#[tokio::test(flavor = "multi_thread")]
async fn calls_of_a_killed_program_about_which_nobody_asks_are_picked_up() {
    let street = Street::new().await;
    let one = street.program("one").await;
    street.balancer.to(&[one.address]);
    let calls = street.calls(&one, StreamFault::Unasked).await;
    one.kill();
    let next = street.program("one").await;
    street.balancer.to(&[next.address]);
    for call in calls {
        street.went_on(call).await;
    }
}
