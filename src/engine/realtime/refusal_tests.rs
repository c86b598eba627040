//! Settings that the service refuses: the call goes on without them.

use serde_json::{Value, json};
use uuid::Uuid;

use super::tests::config;
use super::{Realtime, RealtimeConfig, Refusals, State};
use crate::call::Event;
use crate::engine::{FunctionSignature, Report};
use crate::socket::Received;

fn agent(refusals: &Refusals) -> RealtimeConfig {
    let mut config = config("gpt-realtime-2.1");
    config.refusals = refusals.clone();
    config.voice = "nova".into();
    config.language = Some("english".into());
    config.functions.push(FunctionSignature {
        name: "book_table".into(),
        description: "Book.".into(),
        parameters: json!({"type": "object", "oneOf": []}),
    });
    config
}

/// The session of the last `session.update` that was sent, and whether input was cleared before.
fn updated(session: &mut Realtime) -> Option<(Value, bool)> {
    let sent: Vec<Value> =
        session.waiting.drain(..).map(|text| serde_json::from_str(&text).unwrap()).collect();
    let cleared = sent.iter().any(|event| event["type"] == "input_audio_buffer.clear");
    let update = sent.into_iter().rfind(|event| event["type"] == "session.update")?;
    Some((update["session"].clone(), cleared))
}

fn told(session: &mut Realtime, message: &Value) {
    session.received(Received::Text(message.to_string().into()));
}

fn refusal(param: Value, message: &str) -> Value {
    json!({"type": "error", "error": {"type": "invalid_request_error", "code": "invalid_value",
        "message": message, "param": param, "event_id": null}})
}

fn refused_settings(session: &mut Realtime) -> Vec<String> {
    told(session, &json!({"type": "session.updated", "session": {}}));
    let reports = std::mem::take(&mut session.reports);
    let fields = reports.iter().filter_map(|report| match report {
        Report::Event(Event::SettingRefused { field, .. }) => Some(field.clone()),
        _ => None,
    });
    let fields = fields.collect();
    assert!(
        matches!(reports.back(), Some(Report::Event(Event::EngineReady { .. }))),
        "{reports:?}"
    );
    fields
}

/// What there is of the session when this was refused, in the place that leads to it.
fn without(param: Value, message: &str, place: &str) -> (Value, Vec<String>) {
    let mut session = Realtime::dial(agent(&Refusals::default()));
    let (before, _) = updated(&mut session).unwrap();
    assert!(before.pointer(place).is_some(), "{before}");
    told(&mut session, &refusal(param.clone(), message));
    let (after, cleared) = updated(&mut session).unwrap_or_else(|| panic!("{param} {message}"));
    assert!(cleared, "what came meanwhile was heard in another format");
    for needed in ["/type", "/audio/input/format", "/audio/output/format", "/instructions"] {
        assert_eq!(after.pointer(needed), before.pointer(needed));
    }
    let decides = &after["audio"]["input"]["turn_detection"]["create_response"];
    assert_eq!(*decides, false, "turns are ours to decide");
    (after.pointer(place).cloned().unwrap_or_default(), refused_settings(&mut session))
}

#[test]
fn each_field_that_a_call_can_do_without_is_left_out_when_it_is_refused() {
    for (param, place, field) in [
        ("session.audio.output.voice", "/audio/output/voice", "audio.output.voice"),
        ("audio.output.voice.id", "/audio/output/voice", "audio.output.voice"),
        ("session.audio.output.speed", "/audio/output/speed", "audio.output.speed"),
        (
            "session.audio.input.noise_reduction.type",
            "/audio/input/noise_reduction",
            "audio.input.noise_reduction",
        ),
        (
            "session.audio.input.transcription.languages[0]",
            "/audio/input/transcription/languages",
            "audio.input.transcription.language",
        ),
        (
            "session.audio.input.transcription.model",
            "/audio/input/transcription",
            "audio.input.transcription",
        ),
        (
            "session.audio.input.turn_detection.threshold",
            "/audio/input/turn_detection/threshold",
            "audio.input.turn_detection",
        ),
        ("session.reasoning.effort", "/reasoning", "reasoning"),
        ("session.parallel_tool_calls", "/parallel_tool_calls", "parallel_tool_calls"),
        ("session.output_modalities", "/output_modalities", "output_modalities"),
        ("session.tools[1].parameters", "/tools/1", "tools.book_table"),
        ("session.tools.1.parameters.oneOf", "/tools/1", "tools.book_table"),
        ("session.tools", "/tools/0", "tools"),
        ("session.something_new", "/audio/output/voice", "session"),
    ] {
        let (left, refused) = without(json!(param), "no", place);
        assert_eq!(left, Value::Null, "{param}");
        assert_eq!(refused, [field], "{param}");
    }
}

#[test]
fn a_transcription_model_that_there_is_not_costs_no_call_and_the_session_s_own_does() {
    let missing = |param: &str| {
        json!({"type": "error", "error": {"type": "invalid_request_error",
            "code": "model_not_found", "message": "no", "param": param, "event_id": null}})
    };
    let mut session = Realtime::dial(agent(&Refusals::default()));
    updated(&mut session).unwrap();
    told(&mut session, &missing("session.audio.input.transcription.model"));
    let (after, _) = updated(&mut session).expect("the session is configured again");
    assert_eq!(after["audio"]["input"]["transcription"], Value::Null);
    assert_eq!(refused_settings(&mut session), ["audio.input.transcription"]);

    let mut session = Realtime::dial(agent(&Refusals::default()));
    updated(&mut session).unwrap();
    told(&mut session, &missing("session.model"));
    let lost = session
        .reports
        .iter()
        .any(|report| matches!(report, Report::Event(Event::EngineLost { fatal: true, .. })));
    assert!(lost, "{:?}", session.reports);
}

#[test]
fn audio_that_is_refused_before_the_format_is_agreed_costs_no_setting() {
    let mut session = Realtime::dial(agent(&Refusals::default()));
    updated(&mut session).unwrap();
    told(&mut session, &refusal(json!("audio"), "Invalid audio: audio/pcmu is not understood."));
    assert!(updated(&mut session).is_none(), "the settings are not at fault");
    assert!(refused_settings(&mut session).is_empty());
}

#[test]
fn a_refusal_that_names_the_field_only_for_people_is_understood() {
    for (message, place, field) in [
        (
            "Invalid value: 'nova'. Supported values are: 'alloy', 'ash' and 'cedar'.",
            "/audio/output/voice",
            "audio.output.voice",
        ),
        (
            "Invalid language 'english'. Language parameter must be specified in ISO-639-1 format.",
            "/audio/input/transcription/languages",
            "audio.input.transcription.language",
        ),
        (
            "Unknown parameter: 'session.parallel_tool_calls'.",
            "/parallel_tool_calls",
            "parallel_tool_calls",
        ),
        (
            "Invalid schema for function 'book_table': schema must not have 'oneOf'.",
            "/tools/1",
            "tools.book_table",
        ),
        (
            "This model does not support noise_reduction",
            "/audio/input/noise_reduction",
            "audio.input.noise_reduction",
        ),
        ("Something is wrong.", "/audio/output/voice", "session"),
    ] {
        let (left, refused) = without(Value::Null, message, place);
        assert_eq!((left, refused), (Value::Null, vec![field.to_owned()]), "{message}");
    }
}

#[test]
fn several_refusals_leave_the_rest_and_many_leave_the_least() {
    let mut session = Realtime::dial(agent(&Refusals::default()));
    for param in ["audio.output.voice", "tools[1].parameters", "reasoning"] {
        told(&mut session, &refusal(json!(param), "no"));
    }
    let (after, _) = updated(&mut session).unwrap();
    assert_eq!((&after["reasoning"], after["tools"].as_array().unwrap().len()), (&Value::Null, 1));
    assert_eq!(after["audio"]["input"]["transcription"]["model"], "gpt-transcribe");
    // The same again, although it was left out.
    told(&mut session, &refusal(json!("audio.output.voice"), "no"));
    let (least, _) = updated(&mut session).unwrap();
    assert_eq!(least["audio"]["input"]["transcription"], Value::Null);
    assert_eq!(least["instructions"], "You answer the phone.");
    told(&mut session, &refusal(json!("audio.output.voice"), "no"));
    assert!(matches!(session.state, State::Lost), "there is nothing left to leave out");
}

#[test]
fn what_no_call_can_do_without_ends_the_session() {
    for param in
        ["session.type", "session.model", "session.audio.input.format", "audio.output.format"]
    {
        let mut session = Realtime::dial(agent(&Refusals::default()));
        told(&mut session, &refusal(json!(param), "no"));
        let lost = matches!(session.reports.back(),
            Some(Report::Event(Event::EngineLost { fatal: true, why }))
                if *why == format!("invalid_value {param}"));
        assert!(lost, "{param}: {:?}", session.reports);
    }
}

#[test]
fn an_error_about_something_else_changes_no_setting() {
    for error in [
        json!({"code": "item_create_invalid", "type": "invalid_request_error", "event_id": null}),
        json!({"type": "invalid_request_error", "param": "item.content", "event_id": null}),
        json!({"type": "invalid_request_error", "code": "invalid_value", "event_id": "message"}),
        json!({"type": "server_error", "message": "voice", "event_id": null}),
    ] {
        let mut session = Realtime::dial(agent(&Refusals::default()));
        updated(&mut session);
        told(&mut session, &json!({"type": "error", "error": error}));
        assert_eq!(updated(&mut session), None, "{error}");
        assert!(session.reports.is_empty(), "{error}");
    }
}

#[test]
fn a_service_that_is_in_trouble_itself_refuses_no_setting() {
    for error in [
        json!({"type": "server_error", "code": null, "event_id": "session"}),
        json!({"type": "invalid_request_error", "code": "rate_limit_exceeded",
            "event_id": "session"}),
    ] {
        let refusals = Refusals::default();
        let mut session = Realtime::dial(agent(&refusals));
        told(&mut session, &json!({"type": "error", "error": error}));
        let lost = matches!(
            session.reports.back(),
            Some(Report::Event(Event::EngineLost { fatal: false, .. }))
        );
        assert!(lost, "{error}: {:?}", session.reports);
        assert_eq!(refused_settings(&mut Realtime::dial(agent(&refusals))), [""; 0]);
    }
}

#[test]
fn a_refusal_is_one_whatever_type_it_has_and_whatever_it_says_to_answer() {
    for (error, field) in [
        (
            json!({"type": "server_error", "code": "invalid_value", "event_id": "session",
                "param": "session.audio.output.voice"}),
            "audio.output.voice",
        ),
        (
            json!({"type": "server_error", "code": null, "event_id": null,
                "param": "session.reasoning.effort"}),
            "reasoning",
        ),
        (json!({"type": "api_error", "code": "invalid_value", "event_id": null}), "session"),
        (
            json!({"type": "server_error", "code": "unknown_parameter", "param": "session.new",
            "event_id": "session"}),
            "session",
        ),
        // The service's own name for what it read.
        (
            json!({"type": "invalid_request_error", "code": "invalid_value",
                "event_id": "event_567", "param": "session.audio.output.voice"}),
            "audio.output.voice",
        ),
        (json!({"type": "invalid_request_error", "event_id": "event_567"}), "session"),
    ] {
        let mut session = Realtime::dial(agent(&Refusals::default()));
        updated(&mut session);
        told(&mut session, &json!({"type": "error", "error": error}));
        assert!(updated(&mut session).is_some(), "{error}");
        assert_eq!(refused_settings(&mut session), [field], "{error}");
    }
}

#[test]
fn the_least_is_remembered_only_of_a_service_that_takes_it() {
    let refusals = Refusals::default();
    let mut session = Realtime::dial(agent(&refusals));
    told(&mut session, &refusal(Value::Null, "Something is wrong."));
    assert_eq!(refused_settings(&mut Realtime::dial(agent(&refusals))), [""; 0]);
    assert_eq!(refused_settings(&mut session), ["session"]);
    assert_eq!(refused_settings(&mut Realtime::dial(agent(&refusals))), ["session"]);
}

#[test]
fn what_was_refused_is_remembered_for_the_agent_until_its_settings_change() {
    let refusals = Refusals::default();
    let mut session = Realtime::dial(agent(&refusals));
    told(&mut session, &refusal(json!("session.audio.output.voice"), "no"));
    refused_settings(&mut session);

    let voice = |config: RealtimeConfig| {
        let mut session = Realtime::dial(config);
        let (update, _) = updated(&mut session).unwrap();
        (update["audio"]["output"]["voice"].clone(), refused_settings(&mut session))
    };
    let known = (Value::Null, vec!["audio.output.voice".to_owned()]);
    assert_eq!(voice(agent(&refusals)), known);
    let other_day = RealtimeConfig { instructions: "It is Monday.".into(), ..agent(&refusals) };
    assert_eq!(voice(other_day), known);
    let edited = RealtimeConfig { voice: "marin".into(), ..agent(&refusals) };
    assert_eq!(voice(edited), (json!("marin"), vec![]));
    let other = RealtimeConfig { agent_id: Uuid::max(), ..agent(&refusals) };
    assert_eq!(voice(other), (json!("nova"), vec![]));
}

#[test]
fn instructions_that_are_refused_are_cut_to_whole_lines() {
    let mut config = agent(&Refusals::default());
    config.instructions = "Be kind to callers, é.\n".repeat(10_000);
    let mut session = Realtime::dial(config);
    told(&mut session, &refusal(json!("session.instructions"), "too long"));
    let (after, _) = updated(&mut session).unwrap();
    let instructions = after["instructions"].as_str().unwrap();
    assert!(instructions.len() < 16 * 1024 && instructions.ends_with("callers, é."));
    assert_eq!(refused_settings(&mut session), ["instructions"]);
}

#[test]
fn the_language_is_a_list_for_models_that_take_one() {
    let told = |model: &str| {
        let mut config = agent(&Refusals::default());
        config.transcription_model = model.into();
        let mut session = Realtime::dial(config);
        updated(&mut session).unwrap().0["audio"]["input"]["transcription"].clone()
    };
    for model in ["gpt-transcribe", "gpt-live-transcribe"] {
        assert_eq!(told(model), json!({"model": model, "languages": ["english"]}));
    }
    for model in ["whisper-1", "gpt-4o-transcribe", "gpt-realtime-whisper"] {
        assert_eq!(told(model), json!({"model": model, "language": "english"}));
    }
}
