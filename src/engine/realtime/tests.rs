//! The session's configuration as it leaves, and recorded messages as they are understood.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

use super::codec::{Codec, Unread};
use super::{Realtime, RealtimeConfig, Refusals, settings};
use crate::call::{Event, ReplyId, ReplyOutcome, Usage, Words};
use crate::engine::{Engine, FunctionSignature, Report};
use crate::socket::Received;

pub(super) fn config(model: &str) -> RealtimeConfig {
    RealtimeConfig {
        base_url: "https://api.openai.com/v1".parse().unwrap(),
        api_key: None,
        model: model.into(),
        transcription_model: "gpt-transcribe".into(),
        voice: "marin".into(),
        language: Some("en".into()),
        instructions: "You answer the phone.".into(),
        functions: vec![FunctionSignature {
            name: "end_call".into(),
            description: "Hang up.".into(),
            parameters: json!({"type": "object", "properties": {}}),
        }],
        history: Vec::new(),
        utterance_prefix: String::new(),
        agent_id: Uuid::nil(),
        refusals: Refusals::default(),
    }
}

#[test]
fn a_session_is_mulaw_both_ways_and_decides_nothing_by_itself() {
    let update = settings::session_update(&config("gpt-realtime-2.1"), &BTreeSet::new());
    let update: Value = serde_json::from_str(&update).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&update).unwrap());
}

pub(super) fn read(codec: &mut Codec, message: Value) -> Result<Vec<Report>, Unread> {
    let mut reports = VecDeque::new();
    codec.read(&message.to_string().into(), &mut reports)?;
    Ok(reports.into())
}

fn events(codec: &mut Codec, messages: Vec<Value>) -> Vec<Report> {
    messages.into_iter().flat_map(|message| read(codec, message).unwrap_or_default()).collect()
}

pub(super) const REPLY: ReplyId = ReplyId(7);

/// A session in which reply 7 is `resp_1`.
pub(super) fn replying() -> Codec {
    let mut codec = Codec::default();
    codec.requested(REPLY);
    let created = json!({"type": "response.created",
        "response": {"id": "resp_1", "status": "in_progress", "metadata": {"reply": "7"}}});
    let started = Report::Event(Event::ReplyStarted { reply: REPLY });
    assert_eq!(read(&mut codec, created), Ok(vec![started]));
    codec
}

#[test]
fn audio_and_words_of_the_reply_asked_for_are_reported() {
    let mut codec = replying();
    let audio = json!({"type": "response.output_audio.delta", "response_id": "resp_1",
        "item_id": "item_a1", "output_index": 0, "content_index": 0, "delta": "/v7+"});
    let payload = Bytes::from_static(b"/v7+");
    let expected = Report::Audio { reply: REPLY, item: "item_a1".into(), payload };
    assert_eq!(read(&mut codec, audio), Ok(vec![expected]));
    let words = json!({"type": "response.output_audio_transcript.delta",
        "response_id": "resp_1", "item_id": "item_a1", "delta": "Sure, "});
    let expected = Report::Event(Event::ReplyWords { reply: REPLY, text: "Sure, ".into() });
    assert_eq!(read(&mut codec, words), Ok(vec![expected]));
}

#[test]
fn audio_of_another_response_is_not_taken_for_it() {
    let audio = json!({"type": "response.output_audio.delta", "response_id": "resp_0",
        "item_id": "item_a0", "delta": "/v7+"});
    assert_eq!(read(&mut replying(), audio.clone()), Ok(vec![]));
    assert_eq!(read(&mut Codec::default(), audio), Ok(vec![]));
}

#[test]
fn without_echoed_metadata_responses_belong_to_requests_in_their_order() {
    let mut codec = Codec::default();
    codec.requested(ReplyId(1));
    codec.requested(ReplyId(2));
    let created = |id: &str| json!({"type": "response.created", "response": {"id": id}});
    let done = json!({"type": "response.done", "response": {"id": "a", "status": "completed"}});
    let reports = events(&mut codec, vec![created("a"), done, created("b"), created("c")]);
    let started = |n| Report::Event(Event::ReplyStarted { reply: ReplyId(n) });
    assert_eq!((&reports[0], &reports[2]), (&started(1), &started(2)));
    assert_eq!(reports.len(), 3, "the third was not asked for");
}

#[test]
fn a_function_runs_only_when_its_item_is_complete_and_once() {
    let item = |status: &str, call: &str| {
        json!({"type": "response.output_item.done", "response_id": "resp_1", "item":
            {"id": "i", "type": "function_call", "status": status, "call_id": call,
             "name": "book", "arguments": "{}"}})
    };
    let done = json!({"type": "response.done", "response": {"id": "resp_1",
        "status": "completed", "output": [item("completed", "call_1")["item"],
        item("completed", "call_2")["item"]], "usage": {"input_tokens": 3, "output_tokens": 4}}});
    let reports = events(
        &mut replying(),
        vec![item("incomplete", "call_0"), item("completed", "call_1"), done],
    );
    let wanted = |call: &str| {
        Report::Event(Event::FunctionWanted {
            reply: REPLY,
            engine_call_id: call.into(),
            name: "book".into(),
            arguments: "{}".into(),
        })
    };
    let ended = Report::Event(Event::ReplyEnded {
        reply: REPLY,
        outcome: ReplyOutcome::Completed,
        usage: Usage { input_tokens: 3, output_tokens: 4 },
    });
    assert_eq!(reports, vec![wanted("call_1"), wanted("call_2"), ended]);
}

#[test]
fn cancelled_arguments_are_not_acted_on() {
    let arguments = json!({"type": "response.function_call_arguments.done",
        "response_id": "resp_1", "call_id": "call_1", "name": "book", "arguments": "{\"t"});
    let done = json!({"type": "response.done", "response": {"id": "resp_1",
        "status": "cancelled", "status_details": {"reason": "client_cancelled"}, "usage": null}});
    let reports = events(&mut replying(), vec![arguments, done]);
    let outcome = ReplyOutcome::Cancelled;
    let ended = Event::ReplyEnded { reply: REPLY, outcome, usage: Usage::default() };
    assert_eq!(reports, vec![Report::Event(ended)]);
}

#[test]
fn errors_are_classed() {
    let error = |body: Value| json!({"type": "error", "error": body});
    let benign = error(json!({"type": "invalid_request_error",
        "code": "response_cancel_not_active", "message": "no", "event_id": "cancel"}));
    assert_eq!(read(&mut replying(), benign), Err(Unread::Benign));
    let quota = error(json!({"type": "insufficient_quota", "code": null, "message": "pay"}));
    let lost = |why: &str| Report::Event(Event::EngineLost { fatal: true, why: why.into() });
    assert_eq!(read(&mut replying(), quota), Ok(vec![lost("insufficient_quota")]));
    let session = error(json!({"code": "invalid_value", "event_id": "session"}));
    let refused = read(&mut replying(), session);
    assert!(matches!(refused, Err(Unread::Settings(_))), "{refused:?}");
    let mut codec = Codec::default();
    codec.requested(REPLY);
    let limited = error(json!({"code": "rate_limit_exceeded", "event_id": "reply-7"}));
    let outcome = ReplyOutcome::Busy { why: "rate_limit_exceeded".into() };
    let ended = Event::ReplyEnded { reply: REPLY, outcome, usage: Usage::default() };
    assert_eq!(read(&mut codec, limited), Ok(vec![Report::Event(ended.clone())]));
    // What it answers is not always said.
    codec.requested(REPLY);
    let limited = error(json!({"type": "rate_limit_exceeded", "code": null}));
    assert_eq!(read(&mut codec, limited.clone()), Ok(vec![Report::Event(ended)]));
    assert_eq!(read(&mut codec, limited), Err(Unread::Benign), "nothing was asked for");
}

#[test]
fn a_reply_asked_for_too_early_is_asked_for_again_when_the_running_one_has_ended() {
    let busy = json!({"type": "error", "error": {
        "code": "conversation_already_has_active_response", "event_id": "reply-8"}});
    let done = json!({"type": "response.done", "response": {"id": "resp_1",
        "status": "cancelled"}});
    let mut realtime = Realtime::dial(config("gpt-realtime-2.1"));
    realtime.waiting.clear();
    let told = |realtime: &mut Realtime, message: &Value| {
        realtime.received(Received::Text(message.to_string().into()));
        std::mem::take(&mut realtime.reports).len()
    };
    realtime.codec = replying();
    realtime.reply(ReplyId(8), Some("Say goodbye."));
    let asked = realtime.waiting.pop_front().unwrap();
    assert_eq!(told(&mut realtime, &busy), 0, "it has not failed");
    assert!(realtime.waiting.is_empty(), "it would be refused again");
    assert_eq!(told(&mut realtime, &done), 1, "the end of the first");
    assert_eq!(realtime.waiting.pop_front(), Some(asked));
    // One that is no longer wanted is not asked for again.
    assert_eq!(told(&mut realtime, &busy), 0);
    realtime.cancel(ReplyId(8));
    realtime.waiting.clear();
    told(&mut realtime, &done);
    assert!(realtime.waiting.is_empty());
}

#[test]
fn a_failed_response_says_why_and_whether_it_is_for_good() {
    let failed = |fatal, why: &str| ReplyOutcome::Failed { fatal, why: why.into() };
    for (code, outcome) in [
        ("rate_limit_exceeded", ReplyOutcome::Busy { why: "rate_limit_exceeded".into() }),
        ("insufficient_quota", failed(true, "insufficient_quota")),
        ("server_error", failed(false, "server_error")),
    ] {
        let done = json!({"type": "response.done", "response": {"id": "resp_1",
            "status": "failed", "status_details": {"type": "failed",
            "error": {"type": "server_error", "code": code}}}});
        let ended = Event::ReplyEnded { reply: REPLY, outcome, usage: Usage::default() };
        assert_eq!(read(&mut replying(), done), Ok(vec![Report::Event(ended)]));
    }
}

#[test]
fn words_are_collected_by_stretch_of_speech_and_replaced_by_the_final_ones() {
    let delta = |item: &str, delta: &str| {
        json!({"type": "conversation.item.input_audio_transcription.delta",
            "item_id": item, "content_index": 0, "delta": delta})
    };
    let completed = json!({"type": "conversation.item.input_audio_transcription.completed",
        "item_id": "u1", "transcript": "Hi, I need a table"});
    let failed = json!({"type": "conversation.item.input_audio_transcription.failed",
        "item_id": "u2", "error": {"message": "no"}});
    let reports = events(
        &mut Codec::default(),
        vec![delta("u1", "Hi, "), delta("u2", "No"), delta("u1", "I"), completed, failed],
    );
    let words = |utterance: &str, words| {
        Report::Event(Event::CallerWords { utterance: utterance.into(), words })
    };
    assert_eq!(
        reports,
        vec![
            words("u1", Words::Partial("Hi, ".into())),
            words("u2", Words::Partial("No".into())),
            words("u1", Words::Partial("Hi, I".into())),
            words("u1", Words::Final("Hi, I need a table".into())),
            words("u2", Words::Inaudible),
        ]
    );
}

#[test]
fn what_is_unknown_is_ignored_and_what_is_no_event_is_malformed() {
    let codec = &mut Codec::default();
    assert_eq!(read(codec, json!({"type": "rate_limits.updated"})), Err(Unread::Ignored));
    assert_eq!(read(codec, json!({"type": 7})), Err(Unread::Malformed));
    assert_eq!(read(codec, json!([1])), Err(Unread::Malformed));
}

#[test]
fn each_documented_event_is_read_also_with_fields_that_are_not_known() {
    let documented = include_str!("../../../tests/wire/openai/server-events.jsonl");
    let mut codec = Codec::default();
    codec.requested(REPLY);
    let mut told = String::new();
    for line in documented.lines() {
        let mut event: Value = serde_json::from_str(line).unwrap();
        event["not_known_yet"] = json!({"deep": [1, null]});
        let reports = read(&mut codec, event.clone());
        assert_ne!(reports, Err(Unread::Malformed), "{line}");
        let kind = event["type"].as_str().unwrap();
        told += &format!("{kind}: {:?}\n", reports.unwrap_or_default());
    }
    insta::assert_snapshot!(told);
}

#[test]
fn words_that_come_only_once_at_the_end_are_not_lost_and_never_doubled() {
    let done = json!({"type": "response.output_audio_transcript.done", "response_id": "resp_1",
        "item_id": "item_a1", "transcript": "Sure."});
    let delta = json!({"type": "response.output_audio_transcript.delta",
        "response_id": "resp_1", "item_id": "item_a1", "delta": "Sure."});
    let words = vec![Report::Event(Event::ReplyWords { reply: REPLY, text: "Sure.".into() })];
    assert_eq!(events(&mut replying(), vec![done.clone()]), words);
    assert_eq!(events(&mut replying(), vec![delta, done]), words);
    let all = json!({"type": "response.done", "response": {"id": "resp_1",
        "status": "completed", "output": [{"type": "message", "status": "completed",
        "content": [{"type": "output_audio", "transcript": "Sure."}]}]}});
    assert_eq!(events(&mut replying(), vec![all])[..1], words);
}

#[test]
fn errors_are_counted_by_class() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let told = |error: Value| {
        let mut realtime = Realtime::dial(config("gpt-realtime-2.1"));
        realtime.reply(REPLY, None);
        let message = json!({"type": "error", "error": error}).to_string();
        realtime.received(Received::Text(message.into()));
    };
    metrics::with_local_recorder(&recorder, || {
        told(json!({"code": "response_cancel_not_active", "event_id": "cancel"}));
        told(json!({"code": "rate_limit_exceeded", "event_id": "reply-7"}));
        told(json!({"code": "server_error", "event_id": "reply-7"}));
        told(json!({"code": "insufficient_quota"}));
        Realtime::dial(config("gpt-realtime-2.1")).received(Received::Closed(None));
    });
    let counted = recorder.handle().render();
    for class in ["benign", "busy", "refused", "fatal", "lost"] {
        let line = format!("frontdesk_engine_errors_total{{class=\"{class}\"}} 1");
        assert!(counted.contains(&line), "{line} in {counted}");
    }
}

#[test]
fn a_context_takes_the_place_of_the_one_before() {
    let mut realtime = Realtime::dial(config("gpt-realtime-2.1"));
    realtime.waiting.clear();
    let mut sent = |text| {
        realtime.set_context(text);
        let sent = realtime.waiting.drain(..).map(|text| serde_json::from_str(&text).unwrap());
        sent.collect::<Vec<Value>>()
    };
    let created = |id: &str, text: &str| {
        json!({"type": "conversation.item.create", "event_id": "context", "item":
            {"type": "message", "id": id, "role": "system",
             "content": [{"type": "input_text", "text": text}]}})
    };
    let deleted = |id: &str| json!({"type": "conversation.item.delete", "event_id": "context", "item_id": id});
    assert_eq!(sent(None), Vec::<Value>::new(), "there is nothing to take away");
    assert_eq!(sent(Some("Open from nine.")), [created("context_1", "Open from nine.")]);
    let replaced = sent(Some("Parking is free."));
    assert_eq!(replaced, [deleted("context_1"), created("context_2", "Parking is free.")]);
    assert_eq!(sent(None), [deleted("context_2")]);
    assert_eq!(sent(None), Vec::<Value>::new());
}

/// Codes are logged. Words are not, wherever a service puts them.
#[test]
fn an_error_that_quotes_somebody_is_known_by_its_class() {
    let why = |details: Value| {
        let mut codec = replying();
        let done = json!({"type": "response.done",
            "response": {"id": "resp_1", "status": "failed", "status_details": details}});
        match read(&mut codec, done).unwrap().pop() {
            Some(Report::Event(Event::ReplyEnded {
                outcome: ReplyOutcome::Failed { why, .. } | ReplyOutcome::Busy { why },
                ..
            })) => why,
            other => panic!("{other:?}"),
        }
    };
    let quoting = "I heard Schnittlauch";
    let error = json!({"error": {"type": "server_error", "code": quoting, "message": quoting}});
    assert_eq!(why(error), "server_error");
    assert_eq!(why(json!({"error": {"type": quoting, "code": quoting}})), "error");
    assert_eq!(why(json!({"reason": quoting})), "failed");
    assert_eq!(why(json!({"error": {"code": "rate_limit_exceeded"}})), "rate_limit_exceeded");
}
