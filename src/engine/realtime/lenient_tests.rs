//! What a service may write otherwise than documented, and is understood all the same.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::codec::{Codec, Unread};
use super::tests::{REPLY, read, replying};
use crate::call::{Event, ReplyId, ReplyOutcome, Usage, Words};
use crate::engine::Report;

/// How the reply ended that this message is the end of.
fn end(message: &Value) -> (ReplyOutcome, Usage) {
    let reports = read(&mut replying(), message.clone());
    match reports.as_deref() {
        Ok([.., Report::Event(Event::ReplyEnded { reply: REPLY, outcome, usage })]) => {
            (outcome.clone(), *usage)
        }
        other => panic!("{message}: {other:?}"),
    }
}

#[test]
fn a_reply_ends_whatever_is_odd_about_its_response() {
    let usage = |input_tokens, output_tokens| Usage { input_tokens, output_tokens };
    for (odd, used) in [
        (json!({"output": null}), usage(0, 0)),
        (json!({"output": {"a": 1}}), usage(0, 0)),
        (json!({"output": [null, 7, {"type": 3, "content": 1}]}), usage(0, 0)),
        (json!({"metadata": []}), usage(0, 0)),
        (json!({"metadata": "reply 7"}), usage(0, 0)),
        (json!({"status": null, "status_details": "fine"}), usage(0, 0)),
        (json!({"usage": {"input_tokens": 12.0, "output_tokens": -3}}), usage(12, 0)),
        (
            json!({"usage": {"input_tokens": "12", "output_tokens": 1e300}}),
            usage(12, 1_000_000_000),
        ),
        (json!({"usage": [1, 2]}), usage(0, 0)),
    ] {
        let mut response = json!({"id": "resp_1", "status": "completed"});
        for (key, value) in odd.as_object().unwrap() {
            response[key] = value.clone();
        }
        let message = json!({"type": "response.done", "response": response});
        assert_eq!(end(&message), (ReplyOutcome::Completed, used), "{odd}");
    }
}

#[test]
fn a_response_that_cannot_be_read_begins_and_ends_the_reply_all_the_same() {
    for response in [json!(null), json!([]), json!("resp_1"), json!(7), json!({})] {
        let mut codec = Codec::default();
        codec.requested(REPLY);
        let created = json!({"type": "response.created", "response": response});
        let started = Report::Event(Event::ReplyStarted { reply: REPLY });
        assert_eq!(read(&mut codec, created), Ok(vec![started]), "{response}");
        let audio = json!({"type": "response.output_audio.delta", "response_id": "resp_1",
            "item_id": "item_a1", "delta": "/v7+"});
        assert!(matches!(
            read(&mut codec, audio).as_deref(),
            Ok([Report::Audio { reply: REPLY, .. }])
        ));
        let done = json!({"type": "response.done", "response": response});
        let (outcome, usage) = (ReplyOutcome::Completed, Usage::default());
        let ended = Report::Event(Event::ReplyEnded { reply: REPLY, outcome, usage });
        assert_eq!(read(&mut codec, done), Ok(vec![ended]), "{response}");
    }
}

/// A name of another type than before tells no response from another.
#[test]
fn a_reply_ends_although_its_response_has_a_name_of_another_type() {
    let done = |response: Value| json!({"type": "response.done", "response": response});
    for response in [
        json!({"id": 7, "status": "completed"}),
        json!({"id": 7, "status": "completed", "metadata": {"reply": "7"}}),
        json!({"id": "resp_9", "status": "completed", "metadata": {"reply": "7"}}),
        json!({"id": [], "status": "completed"}),
    ] {
        assert_eq!(end(&done(response.clone())).0, ReplyOutcome::Completed, "{response}");
    }
    // What says that it is another's is.
    for response in [
        json!({"id": "resp_9", "status": "completed"}),
        json!({"id": 6, "status": "completed", "metadata": {"reply": "6"}}),
        json!({"status": "completed", "metadata": {"reply": "6"}}),
    ] {
        assert_eq!(read(&mut replying(), done(response.clone())), Ok(vec![]), "{response}");
    }
    // The other way round, and with numbers throughout.
    for (name, other, ends) in [
        (json!(1), json!("resp_1"), true),
        (json!(1), json!(1), true),
        (json!(1), json!(2), false),
        (json!("r1"), json!("r2"), false),
    ] {
        let mut codec = Codec::default();
        codec.requested(REPLY);
        let created = json!({"type": "response.created", "response": {"id": name}});
        assert!(read(&mut codec, created).is_ok());
        let audio = json!({"type": "response.output_audio.delta", "response_id": "resp_1",
            "item_id": "item_a1", "delta": "/v7+"});
        let heard = read(&mut codec, audio).unwrap().len();
        assert_eq!(heard, usize::from(name.is_number()), "{name}");
        let ended = read(&mut codec, done(json!({"id": other}))).unwrap();
        assert_eq!(!ended.is_empty(), ends, "{name} {other}");
    }
}

#[test]
fn a_reply_that_was_heard_is_complete_whatever_word_it_ends_with() {
    let done = |status: Value| json!({"type": "response.done", "response": {"id": "resp_1", "status": status}});
    let audio = json!({"type": "response.output_audio.delta", "response_id": "resp_1",
        "item_id": "item_a1", "delta": "/v7+"});
    for status in [json!("weird"), json!("Completed"), json!(200), json!(""), json!("in_progress")]
    {
        let mut codec = replying();
        assert!(read(&mut codec, audio.clone()).is_ok());
        let ended = read(&mut codec, done(status.clone())).unwrap();
        assert!(
            matches!(
                &ended[..],
                [Report::Event(Event::ReplyEnded { outcome: ReplyOutcome::Completed, .. })]
            ),
            "{status}: {ended:?}"
        );
    }
    // Of nothing there is nothing to hear, and it is asked for again.
    assert!(matches!(end(&done(json!("weird"))).0, ReplyOutcome::Failed { fatal: false, .. }));
    let mut codec = replying();
    assert!(read(&mut codec, audio).is_ok());
    let ended = read(&mut codec, done(json!("Failed"))).unwrap();
    assert!(matches!(
        &ended[..],
        [Report::Event(Event::ReplyEnded { outcome: ReplyOutcome::Failed { .. }, .. })]
    ));
}

#[test]
fn metadata_of_another_type_is_as_good_as_none() {
    for metadata in [json!([]), json!(null), json!("x"), json!({"reply": []}), json!({"reply": 7})]
    {
        let mut codec = Codec::default();
        codec.requested(REPLY);
        let created = json!({"type": "response.created",
            "response": {"id": "resp_1", "metadata": metadata}});
        let started = Report::Event(Event::ReplyStarted { reply: REPLY });
        assert_eq!(read(&mut codec, created), Ok(vec![started]), "{metadata}");
    }
}

#[test]
fn errors_of_any_shape_are_read() {
    let mut codec = Codec::default();
    codec.requested(ReplyId(8));
    let error = json!({"type": "error", "error": {"code": 429, "type": "rate_limit_error",
        "message": null, "param": [], "event_id": "reply-8"}});
    let outcome = ReplyOutcome::Busy { why: "429".into() };
    let ended = Event::ReplyEnded { reply: ReplyId(8), outcome, usage: Usage::default() };
    assert_eq!(read(&mut codec, error), Ok(vec![Report::Event(ended)]));
    for odd in [json!("it broke"), json!(null), json!([1]), json!(7)] {
        let error = json!({"type": "error", "error": odd});
        assert_eq!(read(&mut replying(), error), Err(Unread::Benign));
    }
}

#[test]
fn a_busy_service_is_asked_again_also_when_it_does_not_say_what_it_refuses() {
    let mut codec = replying();
    codec.requested(ReplyId(8));
    let busy = json!({"type": "error", "error": {
        "code": "conversation_already_has_active_response", "event_id": null}});
    assert_eq!(read(&mut codec, busy), Err(Unread::Benign));
    let done = json!({"type": "response.done", "response": {"id": "resp_1"}});
    assert!(read(&mut codec, done).is_ok());
    assert_eq!(codec.take_unblocked(), Some(ReplyId(8)));
}

#[test]
fn fields_that_are_not_needed_may_be_anything() {
    for odd in
        [json!(null), json!(7), json!(-1.5), json!(true), json!([{"a": []}]), json!({"a": 1})]
    {
        let mut message = json!({"type": "response.output_audio.delta", "delta": "/v7+"});
        for field in ["item_id", "response_id", "call_id", "name", "arguments", "transcript"] {
            message[field] = odd.clone();
        }
        let reports = read(&mut replying(), message);
        assert!(matches!(reports.as_deref(), Ok([Report::Audio { reply: REPLY, .. }])), "{odd}");
    }
}

#[test]
fn half_an_emoji_and_a_byte_order_mark_are_data() {
    let told = |text: &str| {
        let mut reports = VecDeque::new();
        let read = replying().read(&text.to_owned().into(), &mut reports);
        assert_eq!(read, Ok(()), "{text}");
        Vec::from(reports)
    };
    let words = r#"{"type":"response.output_audio_transcript.delta","response_id":"resp_1","delta":"Hi \ud83d"}"#;
    let text = "Hi \u{fffd}".to_owned();
    assert_eq!(told(words), [Report::Event(Event::ReplyWords { reply: REPLY, text })]);
    let heard = "\u{feff}{\"type\":\"conversation.item.input_audio_transcription.completed\",\
        \"item_id\":\"u1\",\"transcript\":\"Yes\"}";
    let words = Words::Final("Yes".into());
    assert_eq!(told(heard), [Report::Event(Event::CallerWords { utterance: "u1".into(), words })]);
    // Nested, where the event itself can be read.
    let done = r#"{"type":"response.done","response":{"id":"resp_1","status":"completed","output":[{"type":"function_call","status":"completed","call_id":"c1","name":"book","arguments":"{\"note\":\"\ude00\"}"}]}}"#;
    assert!(matches!(&told(done)[..],
        [Report::Event(Event::FunctionWanted { arguments, .. }), Report::Event(Event::ReplyEnded { .. })]
        if arguments.contains('\u{fffd}')));
}

#[test]
fn how_a_reply_was_cut_is_said() {
    for reason in ["max_output_tokens", "content_filter"] {
        let done = json!({"type": "response.done", "response": {"id": "resp_1",
            "status": "incomplete", "status_details": {"type": "incomplete", "reason": reason}}});
        assert_eq!(end(&done).0, ReplyOutcome::Incomplete { why: reason.into() });
    }
    let done = json!({"type": "response.done", "response": {"id": "resp_1",
        "status": "incomplete", "status_details": null}});
    assert_eq!(end(&done).0, ReplyOutcome::Incomplete { why: "incomplete".into() });
}

/// Sorted by name the first stretch of speech would be thrown away, which is not the oldest.
#[test]
fn the_oldest_stretch_of_speech_gives_way() {
    let mut codec = Codec::default();
    let mut heard = |item: String, delta: &str| {
        let message = json!({"type": "conversation.item.input_audio_transcription.delta",
            "item_id": item, "delta": delta});
        match read(&mut codec, message).as_deref() {
            Ok([Report::Event(Event::CallerWords { words: Words::Partial(words), .. })]) => {
                words.clone()
            }
            other => panic!("{other:?}"),
        }
    };
    for n in (0..64).rev() {
        heard(format!("u{n:02}"), "a");
    }
    heard("v".into(), "a");
    assert_eq!(heard("u00".into(), "b"), "ab", "the newest but one is kept");
    assert_eq!(heard("u63".into(), "b"), "b", "the oldest was forgotten");
}

#[test]
fn what_cannot_be_read_is_counted() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        let done = json!({"type": "response.done", "response": [1]});
        assert!(read(&mut replying(), done).is_ok());
    });
    let counted = recorder.handle().render();
    assert!(counted.contains("frontdesk_engine_unreadable_total 1"), "{counted}");
}
