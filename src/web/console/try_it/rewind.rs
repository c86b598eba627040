//! Going back to a turn of a test: what was said and done before it, as another test begins with it.

use std::collections::BTreeMap;

use crate::call::LogEvent;
use crate::recovery::reconciler::log_event;
use crate::store::EventRow;

/// What came before the caller's line with this name, the oldest first, each with its place in time;
/// `None`: the call has no such line. What is known of a line in the end is all that is told of it.
///
/// Times are only an order: the new call's own begin at 0, and these come first there.
pub(super) fn before(events: &[EventRow], line: &str) -> Option<Vec<(u64, LogEvent)>> {
    let events: Vec<LogEvent> = events.iter().filter_map(log_event).collect();
    let turn = events.iter().find_map(|event| match event {
        LogEvent::CallerSaid { utterance, turn, .. } if utterance == line => Some(*turn),
        _ => None,
    })?;
    let first = events.iter().position(|event| turn_of(event) == Some(turn)).unwrap_or_default();
    // The last of each counts, and stands where the first of it stood.
    let mut kept: Vec<LogEvent> = Vec::new();
    let mut places: BTreeMap<Key, usize> = BTreeMap::new();
    for (at, event) in events.into_iter().enumerate() {
        let Some(key) = key(&event) else { continue };
        let is_before = turn_of(&event).map_or(at < first, |of| of < turn);
        match places.get(&key) {
            Some(place) => kept[*place] = event,
            None if is_before => {
                places.insert(key, kept.len());
                kept.push(event);
            }
            None => {}
        }
    }
    let placed = kept.into_iter().enumerate().map(|(place, mut event)| {
        let place = u64::try_from(place).unwrap_or(u64::MAX);
        if let LogEvent::CallerSaid { started_ms, .. } | LogEvent::AgentSaid { started_ms, .. } =
            &mut event
        {
            *started_ms = place;
        }
        (place, event)
    });
    Some(placed.collect())
}

/// What an event is the news of.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Speech(String),
    Keys(String, u32),
    Request(u32),
    Reply(u32),
    Wanted(u32),
    Done(u32),
    Ground(u32),
}

/// None: it is not gone on from.
fn key(event: &LogEvent) -> Option<Key> {
    Some(match event {
        LogEvent::CallerSaid { utterance, .. } => Key::Speech(utterance.clone()),
        LogEvent::KeysPressed { keys, turn } => Key::Keys(keys.clone(), *turn),
        LogEvent::ReplyRequested { reply, .. } => Key::Request(*reply),
        LogEvent::AgentSaid { reply, .. } => Key::Reply(*reply),
        LogEvent::FunctionCalled { run, .. } => Key::Wanted(*run),
        LogEvent::FunctionFinished { run, .. } => Key::Done(*run),
        LogEvent::Grounded { turn, .. } => Key::Ground(*turn),
        _ => return None,
    })
}

/// The turn that an event says it is of.
fn turn_of(event: &LogEvent) -> Option<u32> {
    match event {
        LogEvent::CallerSaid { turn, .. }
        | LogEvent::KeysPressed { turn, .. }
        | LogEvent::Grounded { turn, .. } => Some(*turn),
        LogEvent::ReplyRequested { turn, .. }
        | LogEvent::AgentSaid { turn, .. }
        | LogEvent::FunctionCalled { turn, .. } => *turn,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::call::CallRecord;

    fn caller(utterance: &str, turn: u32, started_ms: u64, text: &str) -> LogEvent {
        let (utterance, text) = (utterance.to_owned(), Some(text.to_owned()));
        LogEvent::CallerSaid { utterance, turn, started_ms, text, settled: true }
    }

    fn agent(reply: u32, turn: Option<u32>, started_ms: u64, heard: &str) -> LogEvent {
        let generated = "All right, all of it.".to_owned();
        let (heard, heard_ms, interrupted) = (heard.to_owned(), 100, false);
        LogEvent::AgentSaid { reply, turn, started_ms, generated, heard, heard_ms, interrupted }
    }

    fn call() -> Vec<EventRow> {
        let name = "open_hours".to_owned();
        let events = [
            LogEvent::LineOpened { stream_sid: "MZ1".to_owned() },
            agent(1, None, 40_000, "All right,"),
            caller("a", 1, 41_000, "When"),
            caller("a", 1, 41_000, "When do you open?"),
            agent(1, None, 40_000, "All right, all of it."),
            LogEvent::FunctionCalled { run: 1, turn: Some(1), name, arguments: json!({}) },
            LogEvent::FunctionFinished {
                run: 1,
                ok: true,
                took_ms: 3,
                result: json!(9),
                row: None,
            },
            agent(2, Some(1), 43_000, "All"),
            caller("b", 2, 50_000, "And on Sunday?"),
            // What was heard of an answer is settled when the caller goes on.
            agent(2, Some(1), 43_000, "All right,"),
            agent(3, Some(2), 52_000, "All"),
        ];
        let row = |(seq, event)| EventRow::new(Uuid::nil(), 1, seq, 7, event);
        (1..).zip(&events).map(row).collect()
    }

    fn transcript(events: &[(u64, LogEvent)]) -> String {
        let mut record = CallRecord::new();
        events.iter().for_each(|(at_ms, event)| record.apply(*at_ms, event));
        assert!(!record.has_opened());
        record.transcript().replace("[00:00] ", "")
    }

    #[test]
    fn what_came_before_a_line_is_kept_as_it_is_known_in_the_end() {
        let events = before(&call(), "b").unwrap();
        assert_eq!(
            transcript(&events),
            "Agent: All right, all of it.\nCaller: When do you open?\nAgent: All right,\n"
        );
        let is_function = |(_, event): &&(u64, LogEvent)| {
            matches!(event, LogEvent::FunctionCalled { .. } | LogEvent::FunctionFinished { .. })
        };
        assert_eq!(events.iter().filter(is_function).count(), 2);
    }

    #[test]
    fn before_the_first_line_there_is_the_greeting_and_before_none_nothing() {
        let events = before(&call(), "a").unwrap();
        assert_eq!(transcript(&events), "Agent: All right, all of it.\n");
        assert_eq!(before(&call(), "c"), None);
    }
}
