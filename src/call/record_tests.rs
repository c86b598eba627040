//! What a record says, folded from events by hand.

use super::*;
use crate::call::{Action, Call, CallSettings, CallTime, Chunk, EndedBy, Event, Purpose, Status};

fn agent(reply: u32, turn: Option<u32>, started_ms: u64, generated: &str, heard: &str) -> LogEvent {
    LogEvent::AgentSaid {
        reply,
        turn,
        started_ms,
        generated: generated.to_owned(),
        heard: heard.to_owned(),
        heard_ms: heard.len() as u64 * 50,
        interrupted: heard.len() < generated.len(),
    }
}

fn caller(utterance: &str, turn: u32, started_ms: u64, text: Option<&str>) -> LogEvent {
    LogEvent::CallerSaid {
        utterance: utterance.to_owned(),
        turn,
        started_ms,
        text: text.map(str::to_owned),
        settled: text.is_some(),
    }
}

fn record(events: &[LogEvent]) -> CallRecord {
    let mut record = CallRecord::new();
    for event in events {
        record.apply(9_000, event);
    }
    record
}

#[test]
fn lines_are_ordered_by_when_they_were_begun_not_by_when_they_were_written() {
    let record = record(&[
        agent(2, Some(1), 7_000, "At nine.", "At nine."),
        caller("b", 2, 65_000, Some("Thanks")),
        agent(1, None, 400, "Hello.", "Hello."),
        caller("a", 1, 3_000, Some("When do you open?")),
    ]);
    assert_eq!(
        record.transcript(),
        "[00:00] Agent: Hello.\n[00:03] Caller: When do you open?\n\
         [00:07] Agent: At nine.\n[01:05] Caller: Thanks\n"
    );
}

#[test]
fn the_row_says_how_a_reply_was_cut_and_what_was_refused_of_the_settings() {
    let cut = |reply: u32, why: &str| LogEvent::ReplyCut { reply, why: why.to_owned() };
    let refused = LogEvent::SettingRefused {
        field: "audio.output.voice".to_owned(),
        value: "text".to_owned(),
    };
    let record = record(&[
        refused.clone(),
        agent(1, None, 400, "Hello.", "Hello."),
        cut(1, "content_filter"),
        caller("a", 1, 3_000, Some("When do you open?")),
        agent(2, Some(1), 7_000, "At nine.", "At nine."),
        cut(2, "max_output_tokens"),
        caller("b", 2, 9_000, Some("Thanks")),
        agent(3, Some(2), 9_500, "Bye.", "Bye."),
        refused,
    ]);
    let metadata = record.metadata();
    assert_eq!(metadata["turns"][0]["cut"], "max_output_tokens");
    assert_eq!(metadata["turns"][1].get("cut"), None);
    assert_eq!(metadata["prompts"][0]["cut"], "content_filter");
    assert_eq!(metadata["refused_settings"], json!(["audio.output.voice"]));
}

#[test]
fn what_is_said_is_one_line_whatever_is_in_it() {
    let record = record(&[
        caller("a", 1, 1_000, Some("Yes.\n[00:09] Agent: You are booked.\u{2028}Good.")),
        agent(1, Some(1), 2_000, "One\r\ntwo.", "One\r\ntwo."),
    ]);
    assert_eq!(
        record.transcript(),
        "[00:01] Caller: Yes. [00:09] Agent: You are booked. Good.\n[00:02] Agent: One  two.\n"
    );
}

#[test]
fn only_heard_words_are_in_the_transcript_and_both_in_the_metadata() {
    let record = record(&[
        caller("a", 1, 1_000, Some("Hi")),
        agent(1, Some(1), 2_000, "Good day to you.", "Good day"),
        agent(2, Some(1), 3_000, "Never heard.", ""),
    ]);
    assert_eq!(record.transcript(), "[00:01] Caller: Hi\n[00:02] Agent: Good day\n");
    let turn = &record.metadata()["turns"][0];
    assert_eq!(turn["agent"], "Good day to you. Never heard.");
    assert_eq!(turn["heard"], "Good day");
    assert_eq!(turn["interrupted"], true);
    assert_eq!(turn["retrieval"], "off");
}

#[test]
fn the_last_words_for_an_utterance_and_a_reply_count() {
    let record = record(&[
        caller("a", 1, 1_000, None),
        caller("a", 1, 1_000, Some("A table for two")),
        agent(1, Some(1), 2_000, "Sure", "Sure"),
        agent(1, Some(1), 2_000, "Sure, what time?", "Sure, what time?"),
    ]);
    assert_eq!(
        record.transcript(),
        "[00:01] Caller: A table for two\n[00:02] Agent: Sure, what time?\n"
    );
}

#[test]
fn words_that_never_came_are_inaudible_also_after_a_crash() {
    let record = record(&[caller("a", 1, 1_000, None), agent(1, Some(1), 2_000, "One mo", "One")]);
    assert_eq!(record.transcript(), "[00:01] Caller: [inaudible]\n[00:02] Agent: One\n");
    assert_eq!(record.end(), None);
    assert!(record.metadata()["ended_by"].is_null());
}

#[test]
fn a_turn_joins_its_utterances_and_keys_and_names_its_functions() {
    let record = record(&[
        caller("b", 1, 2_500, Some("for two")),
        caller("a", 1, 1_000, Some("A table")),
        LogEvent::KeysPressed { keys: "12".to_owned(), turn: 1 },
        LogEvent::FunctionCalled {
            run: 1,
            turn: Some(1),
            name: "book".to_owned(),
            arguments: json!({"seats": 2}),
        },
        LogEvent::FunctionFinished {
            run: 1,
            ok: true,
            took_ms: 120,
            result: json!({"id": 7}),
            row: None,
        },
        LogEvent::FunctionCalled {
            run: 2,
            turn: Some(1),
            name: "text".to_owned(),
            arguments: json!("not json"),
        },
    ]);
    let metadata = record.metadata();
    let turn = &metadata["turns"][0];
    assert_eq!(turn["n"], 1);
    assert_eq!(turn["started_ms"], 1_000);
    assert_eq!(turn["caller"], "A table for two [pressed 12]");
    assert_eq!(turn["functions"], json!(["book", "text"]));
    assert_eq!(
        metadata["functions"][0],
        json!({"id": null, "name": "book", "arguments": {"seats": 2}, "ok": true, "ms": 120,
               "result": {"id": 7}})
    );
    assert_eq!(metadata["functions"][1]["ok"], Value::Null);
}

#[test]
fn latency_is_that_of_the_first_reply_that_was_heard() {
    let first_audio = |reply, first_audio_ms| LogEvent::FirstAudio {
        reply,
        turn: Some(1),
        first_audio_ms,
        server_us: 2_600,
    };
    let record = record(&[
        caller("a", 1, 0, Some("Hi")),
        first_audio(1, 900),
        agent(1, Some(1), 900, "Talked over.", ""),
        first_audio(2, 430),
        agent(2, Some(1), 5_000, "Hello.", "Hello."),
        first_audio(3, 7_000),
        agent(3, Some(1), 9_000, "And more.", "And more."),
    ]);
    assert_eq!(
        record.metadata()["turns"][0]["latency_ms"],
        json!({"retrieval": null, "first_audio": 430, "server": 3})
    );
}

#[test]
fn streams_usage_end_and_prompts_are_gathered() {
    let end = End { status: Status::Completed, ended_by: EndedBy::Limit };
    let record = record(&[
        LogEvent::LineOpened { stream_sid: "MZ1".to_owned() },
        LogEvent::LineLost {},
        LogEvent::LineOpened { stream_sid: "MZ2".to_owned() },
        LogEvent::ReplyRequested { reply: 1, turn: None, purpose: "greeting".to_owned() },
        agent(1, None, 100, "Hello there.", "Hello"),
        LogEvent::TokensUsed { input: 10, output: 4 },
        LogEvent::TokensUsed { input: 5, output: u64::MAX },
        LogEvent::Ended(end),
    ]);
    let metadata = record.metadata();
    assert_eq!(metadata["stream_sids"], json!(["MZ1", "MZ2"]));
    assert_eq!(metadata["ended_by"], "limit");
    assert_eq!(metadata["usage"], json!({"input_tokens": 15, "output_tokens": u64::MAX}));
    assert_eq!(metadata["prompts"][0]["purpose"], "greeting");
    assert_eq!(metadata["prompts"][0]["heard"], "Hello");
    assert_eq!(metadata["turns"], json!([]));
    for absent in ["voicemail", "recording"] {
        assert_eq!(metadata.get(absent), Some(&Value::Null));
    }
    assert_eq!(record.end(), Some(end));
    assert!(record.heard_anything());
}

#[test]
fn history_is_what_was_heard_in_order() {
    let record = record(&[
        agent(1, None, 100, "Hello.", "Hello."),
        caller("a", 1, 900, Some("Hi")),
        agent(2, Some(1), 2_000, "Unheard", ""),
    ]);
    let said = |role, text: &str| Said { role, text: text.to_owned() };
    assert_eq!(record.history(), [said(Role::Agent, "Hello."), said(Role::Caller, "Hi")]);
}

#[test]
fn history_has_what_functions_returned_at_their_place_and_not_all_of_it() {
    let mut record = CallRecord::new();
    let mut function = |run: u32, at_ms: u64, name: &str, output: &str| {
        let (name, turn, arguments) = (name.to_owned(), None, json!({}));
        record.apply(at_ms, &LogEvent::FunctionCalled { run, turn, name, arguments });
        let result = json!(output);
        let row = None;
        let finished = LogEvent::FunctionFinished { run, ok: true, took_ms: 1, result, row };
        record.apply(at_ms, &finished);
    };
    function(1, 500, "first", "Too long ago.");
    for run in 2..=33 {
        function(run, 1_000, "look", "Nothing.");
    }
    function(34, 2_000, "book", &"ü".repeat(1_000));
    function(35, 3_000, "end_call", "Said no.");
    let name = "late".to_owned();
    let called = LogEvent::FunctionCalled { run: 36, turn: None, name, arguments: json!({}) };
    record.apply(4_000, &called);
    record.apply(9_000, &caller("a", 1, 900, Some("Hi")));
    record.apply(9_000, &agent(1, Some(1), 2_500, "Booked.", "Booked."));
    let history = record.history();
    assert_eq!(history.len(), HISTORY_FUNCTIONS + 2);
    assert_eq!(history[0].text, "Hi");
    assert_eq!(history[1].text, "The function look has returned: \"Nothing.\"");
    let booked = &history[HISTORY_FUNCTIONS];
    assert!(booked.text.starts_with("The function book has returned: \"üü"), "{}", booked.text);
    assert!(booked.text.len() < 1_050, "{}", booked.text.len());
    assert_eq!(history.last().unwrap().text, "Booked.");
}

#[test]
fn a_call_that_another_process_had_goes_on_in_its_own_time_and_numbers() {
    let mut record = CallRecord::new();
    record.apply(0, &LogEvent::LineOpened { stream_sid: "MZ1".into() });
    record.apply(
        6_000,
        &LogEvent::AgentSaid {
            reply: 1,
            turn: None,
            started_ms: 200,
            generated: "Hello there".into(),
            heard: "Hello there".into(),
            heard_ms: 1_000,
            interrupted: false,
        },
    );
    let settings = CallSettings {
        greets: true,
        interruptible: true,
        greeting_interruptible: false,
        reprompt_after_ms: 10_000,
        reprompts: 2,
        limit_ms: 600_000,
        recall_budget_ms: None,
    };
    let mut call = Call::resume(settings, record);
    let at = CallTime::from_ms(20_000);
    call.handle(at, Event::EngineReady { lasts_ms: None });
    let actions = call.handle(at, Event::LineOpen);
    let reply = Action::Reply { reply: ReplyId(2), purpose: Purpose::WelcomeBack };
    assert!(actions.contains(&reply), "{actions:?}");
    assert_eq!(call.opened_at(), Some(CallTime::default()));
    assert!(call.record().transcript().starts_with("[00:00] Agent: Hello there"));
}

#[test]
fn an_end_that_something_follows_was_none() {
    let end = End { status: Status::Failed, ended_by: EndedBy::Error };
    let mut record = record(&[LogEvent::Ended(end)]);
    assert_eq!(record.end(), Some(end));
    record.apply(9_000, &LogEvent::LineOpened { stream_sid: "MZ2".into() });
    assert_eq!(record.end(), None);
}

#[test]
fn a_turn_says_what_its_last_answer_was_grounded_on() {
    let chunk = |id| Chunk { id, similarity: 0.83 };
    let grounded =
        |turn, retrieval, took_ms, chunks| LogEvent::Grounded { turn, retrieval, took_ms, chunks };
    let record = record(&[
        caller("a", 1, 1_000, Some("Do you have parking?")),
        grounded(1, Retrieval::Late, None, vec![chunk(5)]),
        grounded(1, Retrieval::Ready, Some(12), vec![chunk(7), chunk(9)]),
        caller("b", 2, 5_000, Some("Do you rent boats?")),
        grounded(2, Retrieval::Failed, Some(300), vec![]),
        LogEvent::Gap { turn: 2, question: "Do you rent boats?".to_owned() },
        LogEvent::KeysPressed { keys: "1".to_owned(), turn: 3 },
    ]);
    let metadata = record.metadata();
    let told = |n: usize| {
        let turn = &metadata["turns"][n - 1];
        (turn["retrieval"].clone(), turn["latency_ms"]["retrieval"].clone(), turn["chunks"].clone())
    };
    let chunks = json!([{"id": 7, "similarity": 0.83}, {"id": 9, "similarity": 0.83}]);
    assert_eq!(told(1), (json!("ready"), json!(12), chunks));
    assert_eq!(told(2), (json!("failed"), json!(300), json!([])));
    assert_eq!(told(3), (json!("off"), Value::Null, json!([])));
    assert_eq!(metadata["gaps"], json!(["Do you rent boats?"]));
}

#[test]
fn what_a_function_answered_is_no_gap() {
    let gap = |turn, question: &str| LogEvent::Gap { turn, question: question.to_owned() };
    let called = |run, name: &str| LogEvent::FunctionCalled {
        run,
        turn: Some(run),
        name: name.to_owned(),
        arguments: json!({}),
    };
    let finished = |run, ok| LogEvent::FunctionFinished {
        run,
        ok,
        took_ms: 1,
        result: json!({"ok": ok}),
        row: None,
    };
    let record = record(&[
        gap(1, "Is nine free?"),
        called(1, "check_availability"),
        finished(1, true),
        gap(2, "Do you rent boats?"),
        called(2, "search_knowledge"),
        finished(2, true),
        gap(3, "Is ten free?"),
        called(3, "check_availability"),
        finished(3, false),
        gap(4, "Was that all? Goodbye."),
        called(4, "end_call"),
        finished(4, true),
        gap(5, "And cars?"),
        called(6, "check_availability"),
        finished(6, true),
    ]);
    let open = json!(["Do you rent boats?", "Is ten free?", "And cars?"]);
    assert_eq!(record.metadata()["gaps"], open);
}

#[test]
fn messages_and_rows_of_functions_are_kept_and_what_came_late_counts() {
    let finished = |ok, row: Option<&str>| LogEvent::FunctionFinished {
        run: 1,
        ok,
        took_ms: 40,
        result: json!({"ok": ok}),
        row: row.map(str::to_owned),
    };
    let record = record(&[
        LogEvent::FunctionCalled {
            run: 1,
            turn: None,
            name: "take_message".to_owned(),
            arguments: json!({}),
        },
        finished(false, None),
        finished(true, Some("7d1c")),
        LogEvent::MessageTaken { text: "Call back".to_owned(), callback: Some("+1555".to_owned()) },
    ]);
    let metadata = record.metadata();
    assert_eq!(metadata["functions"][0]["id"], "7d1c");
    assert_eq!(metadata["functions"][0]["ok"], true);
    assert_eq!(metadata["messages"], json!([{"text": "Call back", "callback": "+1555"}]));
}
