//! What is told of a call, from each of the places that it is kept in.

use super::*;
use serde_json::json;
use uuid::Uuid;

fn event(seq: i64, at_ms: i64, kind: &str, data: Value) -> EventRow {
    EventRow {
        call_log_id: Uuid::nil(),
        epoch: 1,
        seq,
        at_ms,
        kind: kind.to_owned(),
        data: data.into(),
    }
}

#[test]
fn what_was_written_last_counts() {
    let said = |seq, heard: &str, interrupted| {
        event(
            seq,
            9_000,
            "agent_said",
            json!({"reply": 1, "turn": 1, "started_ms": 7_000,
            "generated": "Sorry to hear that. We could see you on Monday.", "heard": heard,
            "heard_ms": 1_200, "interrupted": interrupted}),
        )
    };
    let events = [
        event(
            1,
            0,
            "agent_said",
            json!({"reply": 0, "turn": null, "started_ms": 100,
            "generated": "Hello", "heard": "Hello", "heard_ms": 900, "interrupted": false}),
        ),
        event(
            2,
            2_000,
            "caller_said",
            json!({"utterance": "a", "turn": 1, "started_ms": 2_000,
            "text": null, "settled": false}),
        ),
        event(
            3,
            5_000,
            "caller_said",
            json!({"utterance": "a", "turn": 1, "started_ms": 2_000,
            "text": "My tooth hurts", "settled": true}),
        ),
        event(
            4,
            5_500,
            "grounded",
            json!({"turn": 1, "retrieval": "ready", "took_ms": 12,
            "chunks": [{"id": 7, "similarity": 0.8}]}),
        ),
        event(
            5,
            6_000,
            "function_called",
            json!({"run": 1, "turn": 1, "name": "find_slots",
            "arguments": {"date": "2026-11-29"}}),
        ),
        event(
            6,
            6_300,
            "function_finished",
            json!({"run": 1, "ok": true, "took_ms": 300,
            "result": {"free": 2}}),
        ),
        event(
            7,
            7_000,
            "first_audio",
            json!({"reply": 1, "turn": 1, "first_audio_ms": 900,
            "server_us": 1000}),
        ),
        said(8, "Sorry", false),
        said(9, "Sorry to hear that.", true),
        event(10, 9_500, "of_a_later_version", json!({})),
    ];
    let entries = Folded::of(&events).entries();
    let kinds: Vec<Option<u64>> = entries.iter().map(|entry| entry.at_ms).collect();
    assert_eq!(kinds, [Some(100), Some(2_000), Some(6_000), Some(7_000)]);
    let What::Caller(words) = &entries[1].what else { panic!("{:?}", entries[1]) };
    assert_eq!(words, "My tooth hurts");
    let What::Function(run) = &entries[2].what else { panic!("{:?}", entries[2]) };
    assert_eq!((run.is_ok, run.took_ms), (Some(true), Some(300)));
    let What::Agent(said) = &entries[3].what else { panic!("{:?}", entries[3]) };
    assert_eq!(said.heard, "Sorry to hear that.");
    assert_eq!(said.unheard, "We could see you on Monday.");
    assert!(said.is_interrupted);
    assert_eq!((said.answer_ms, &*said.passages), (Some(900), &[7][..]));
}

#[test]
fn a_row_without_events_has_its_turns() {
    let metadata = json!({
        "turns": [{"n": 1, "started_ms": 5_000, "caller": "Book me", "agent": "Done. Bye", "heard": "Done.",
            "interrupted": true, "functions": ["book"], "chunks": [{"id": 3}],
            "latency_ms": {"first_audio": 700}}, {"n": 2}],
        "prompts": [{"started_ms": 0, "agent": "Hello", "heard": "Hello"}],
        "functions": [{"name": "book", "ok": false}],
    });
    let entries = of_turns(&metadata);
    assert_eq!(entries.len(), 4);
    let What::Agent(said) = &entries[3].what else { panic!("{:?}", entries[3]) };
    assert_eq!((&*said.unheard, said.answer_ms, &*said.passages), ("Bye", Some(700), &[3][..]));
    for odd in
        [json!(null), json!("x"), json!({"turns": [1, {"functions": 3}]}), json!({"turns": {}})]
    {
        assert!(of_turns(&odd).is_empty(), "{odd}");
    }
}

#[test]
fn a_transcript_is_read_line_by_line() {
    let entries = of_transcript("[01:07] Caller: Hello: you\n[xx] Agent: no\n\n[99:59] Agent: Bye");
    let times: Vec<Option<u64>> = entries.iter().map(|entry| entry.at_ms).collect();
    assert_eq!(times, [Some(67_000), None, Some(5_999_000)]);
    assert!(of_transcript("").is_empty());
    assert_eq!(of_transcript("[18446744073709551615:00] Agent: x")[0].at_ms, None);
}
