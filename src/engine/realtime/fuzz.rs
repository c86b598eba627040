//! Whatever the service sends, in whatever order: nothing panics, what is kept stays small, and the
//! call that hears of it goes on. `tests/fuzz` is the rest of this.

use std::collections::VecDeque;

use proptest::prelude::*;
use serde_json::Value;

use super::codec::Codec;
use crate::call::{Call, CallSettings, CallTime, Event, ReplyId};
use crate::engine::Report;

#[path = "../../../tests/fuzz/harness.rs"]
mod harness;
#[path = "../../../tests/fuzz/mutate.rs"]
mod mutate;

use harness::{corpus, fuzz};
use mutate::{Edit, damaged, edits, mutated};

/// Every event that the service is documented to send.
const EVENTS: &str = include_str!("../../../tests/wire/openai/server-events.jsonl");
/// What one event may report besides words: the functions of a response, and its end.
const REPORTS_MAX: usize = 200;
/// Actions that one event may cause: a stretch of speech cuts a reply of a few items.
const ACTIONS_MAX: usize = 1_000;

/// One event: which, how changed, and how damaged as a text.
type Sent = (prop::sample::Index, Vec<Edit>, Option<Vec<Edit>>);

fn sent() -> impl Strategy<Value = Sent> {
    (any::<prop::sample::Index>(), edits(), prop::option::weighted(0.2, edits()))
}

fn settings() -> CallSettings {
    CallSettings {
        greets: true,
        interruptible: true,
        greeting_interruptible: true,
        reprompt_after_ms: 0,
        reprompts: 0,
        limit_ms: 600_000,
        recall_budget_ms: None,
    }
}

/// Has a call hear what a session says.
fn listen(messages: impl Iterator<Item = String>) -> Result<(), TestCaseError> {
    let mut codec = Codec::new("2-".to_owned());
    let mut call = Call::new(settings());
    call.handle(CallTime::from_ms(0), Event::EngineReady { lasts_ms: None });
    call.handle(CallTime::from_ms(1), Event::LineOpen);
    codec.requested(ReplyId(1));
    codec.requested(ReplyId(7));
    for (n, message) in messages.enumerate() {
        let length = message.len();
        let mut reports = VecDeque::new();
        let _ = codec.read(&message.into(), &mut reports);
        // Each piece of words takes a few characters of the message at the least.
        prop_assert!(reports.len() <= REPORTS_MAX + length / 16, "{} reports", reports.len());
        for report in reports {
            let event = match report {
                Report::Event(event) => event,
                Report::Audio { reply, item, payload } => {
                    prop_assert!(payload.len() <= length);
                    let bytes = u32::try_from(payload.len()).unwrap_or(u32::MAX);
                    Event::ReplyAudio { reply, item, bytes }
                }
            };
            let actions = call.handle(CallTime::from_ms(20 * n as u64), event);
            prop_assert!(actions.len() <= ACTIONS_MAX, "{} actions", actions.len());
        }
    }
    Ok(())
}

#[test]
fn fuzz_what_the_service_sends() {
    for (name, text) in corpus("engine") {
        let lines = text.lines().map(str::to_owned);
        listen(lines).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let texts: Vec<&str> = EVENTS.lines().filter(|line| !line.trim().is_empty()).collect();
    let values: Vec<Value> =
        texts.iter().map(|text| serde_json::from_str(text).expect("fixtures are JSON")).collect();
    fuzz("engine", 150, prop::collection::vec(sent(), 1..8), |events| {
        listen(events.into_iter().map(|(which, changes, damage)| {
            let text = mutated(which.get(&values[..]), &changes).to_string();
            damage.map_or(text.clone(), |damage| damaged(&text, &damage))
        }))
    });
}
