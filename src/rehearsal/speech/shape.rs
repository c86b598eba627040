//! The shape of settings: which fields there are and what they may be (protocols 5.2, 5.3). The
//! real service refuses a field that it does not know, so a client that sends one has to find out
//! here. Pure.

use serde_json::Value;

/// Why the service refuses an event: the interesting fields of its `error` event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The error's code.
    pub(super) code: &'static str,
    /// For people.
    pub(super) message: String,
    /// The field that is wrong.
    pub(super) param: Option<String>,
}

impl Refusal {
    /// A field has a value that it may not have.
    pub(super) fn value(param: &str, problem: &str) -> Self {
        Self {
            code: "invalid_value",
            message: format!("Invalid value: '{param}': {problem}."),
            param: Some(param.to_owned()),
        }
    }

    /// A field is not there.
    pub(super) fn missing(param: &str) -> Self {
        Self {
            code: "missing_required_parameter",
            message: format!("Missing required parameter: '{param}'."),
            param: Some(param.to_owned()),
        }
    }

    /// A field is there that the service does not know.
    pub(super) fn unknown(param: &str) -> Self {
        Self {
            code: "unknown_parameter",
            message: format!("Unknown parameter: '{param}'."),
            param: Some(param.to_owned()),
        }
    }
}

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// The `session` of a `session.update`.
    Session,
    /// The `response` of a `response.create`.
    Response,
}

impl Root {
    fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Response => "response",
        }
    }
}

const VOICES: [&str; 10] =
    ["alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"];
const EFFORTS: [&str; 5] = ["minimal", "low", "medium", "high", "xhigh"];
const SESSION: [&str; 14] = [
    "type",
    "model",
    "output_modalities",
    "instructions",
    "audio",
    "tools",
    "tool_choice",
    "max_output_tokens",
    "truncation",
    "tracing",
    "include",
    "prompt",
    "reasoning",
    "parallel_tool_calls",
];
const RESPONSE: [&str; 12] = [
    "audio",
    "conversation",
    "input",
    "instructions",
    "max_output_tokens",
    "metadata",
    "output_modalities",
    "tools",
    "tool_choice",
    "reasoning",
    "parallel_tool_calls",
    "prompt",
];
const SERVER_DETECTION: [&str; 7] = [
    "type",
    "threshold",
    "prefix_padding_ms",
    "silence_duration_ms",
    "create_response",
    "interrupt_response",
    "idle_timeout_ms",
];
const SEMANTIC_DETECTION: [&str; 4] =
    ["type", "eagerness", "create_response", "interrupt_response"];

/// Checks a `session` or a `response` as a client sent it.
///
/// # Errors
/// The first thing that is wrong.
pub(super) fn check(root: Root, value: &Value) -> Result<(), Refusal> {
    if !value.is_object() {
        return Err(Refusal::missing(root.name()));
    }
    if root == Root::Session && value.get("type").is_none() {
        return Err(Refusal::missing("session.type"));
    }
    check_fields(root, "", value)
}

/// Checks the object at `path` (dotted, below the root): no unknown field, each field's value.
fn check_fields(root: Root, path: &str, value: &Value) -> Result<(), Refusal> {
    let Some(fields) = value.as_object() else {
        return Ok(());
    };
    let known = known_fields(root, path, value);
    for (name, field) in fields {
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let param = format!("{}.{below}", root.name());
        if let Some(known) = known
            && !known.contains(&name.as_str())
        {
            return Err(Refusal::unknown(&param));
        }
        check_value(&below, &param, field)?;
        if known.is_some() {
            check_fields(root, &below, field)?;
        }
    }
    Ok(())
}

/// The fields of the object at `path`; `None` where anything may be.
fn known_fields(root: Root, path: &str, value: &Value) -> Option<&'static [&'static str]> {
    Some(match path {
        "" if root == Root::Session => &SESSION,
        "" => &RESPONSE,
        "audio" if root == Root::Session => &["input", "output"],
        "audio" => &["output"],
        "audio.input" => &["format", "noise_reduction", "transcription", "turn_detection"],
        "audio.output" if root == Root::Session => &["format", "voice", "speed"],
        "audio.output" => &["format", "voice"],
        // Only pcm has a rate (protocols 5.2).
        "audio.input.format" | "audio.output.format" if value["type"] == "audio/pcm" => {
            &["type", "rate"]
        }
        "audio.input.format" | "audio.output.format" => &["type"],
        "audio.input.noise_reduction" => &["type", "strength"],
        "audio.input.transcription" => {
            &["model", "language", "languages", "prompt", "keywords", "delay"]
        }
        "audio.input.turn_detection" if value["type"] == "semantic_vad" => &SEMANTIC_DETECTION,
        "audio.input.turn_detection" => &SERVER_DETECTION,
        "reasoning" => &["effort"],
        _ => return None,
    })
}

fn check_value(path: &str, param: &str, value: &Value) -> Result<(), Refusal> {
    let good = match path {
        "type" => *value == "realtime",
        "output_modalities" => is_one_modality(value),
        "instructions" => value.is_string(),
        "audio.input.format" | "audio.output.format" => return check_format(param, value),
        "audio.input.turn_detection" => {
            value.is_null() || one_of(&value["type"], &["server_vad", "semantic_vad"])
        }
        "audio.input.turn_detection.threshold" => in_range(value, 0.0, 1.0),
        "audio.input.turn_detection.prefix_padding_ms"
        | "audio.input.turn_detection.silence_duration_ms" => value.is_u64(),
        "audio.input.turn_detection.idle_timeout_ms" => {
            value.is_null() || in_range(value, 5_000.0, 30_000.0)
        }
        "audio.input.turn_detection.eagerness" => one_of(value, &["low", "medium", "high", "auto"]),
        "audio.input.turn_detection.create_response"
        | "audio.input.turn_detection.interrupt_response"
        | "parallel_tool_calls" => value.is_boolean(),
        "audio.input.noise_reduction" => {
            value.is_null() || one_of(&value["type"], &["near_field", "far_field"])
        }
        "audio.input.transcription" => value.is_null() || value["model"].is_string(),
        "audio.output.voice" => one_of(value, &VOICES) || value["id"].is_string(),
        "audio.output.speed" => in_range(value, 0.25, 1.5),
        "reasoning.effort" => one_of(value, &EFFORTS),
        "max_output_tokens" => *value == "inf" || value.is_u64() && in_range(value, 1.0, 4_096.0),
        "conversation" => one_of(value, &["auto", "none"]),
        "input" => value.is_array(),
        "metadata" => value.is_null() || is_metadata(value),
        "tools" => return check_tools(param, value),
        "tool_choice" => {
            one_of(value, &["auto", "none", "required"])
                || value["type"] == "function" && value["name"].is_string()
        }
        _ => true,
    };
    if good { Ok(()) } else { Err(Refusal::value(param, &format!("{value} is not supported"))) }
}

fn check_format(param: &str, format: &Value) -> Result<(), Refusal> {
    match format["type"].as_str() {
        Some("audio/pcmu" | "audio/pcma") => Ok(()),
        Some("audio/pcm") if format.get("rate").is_none_or(|rate| *rate == 24_000) => Ok(()),
        Some("audio/pcm") => {
            Err(Refusal::value(&format!("{param}.rate"), "only 24000 is supported"))
        }
        Some(_) => Err(Refusal::value(
            &format!("{param}.type"),
            "supported are 'audio/pcm', 'audio/pcmu' and 'audio/pcma'",
        )),
        None => Err(Refusal::missing(&format!("{param}.type"))),
    }
}

fn check_tools(param: &str, tools: &Value) -> Result<(), Refusal> {
    let Some(tools) = tools.as_array() else {
        return Err(Refusal::value(param, "an array is expected"));
    };
    for (index, tool) in tools.iter().enumerate() {
        if tool["type"] == "mcp" {
            continue;
        }
        if tool["type"] != "function" {
            return Err(Refusal::value(
                &format!("{param}[{index}].type"),
                "supported are 'function' and 'mcp'",
            ));
        }
        let Some(name) = tool["name"].as_str() else {
            return Err(Refusal::missing(&format!("{param}[{index}].name")));
        };
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
        if name.is_empty() || name.len() > 64 || !name.chars().all(is_plain) {
            return Err(Refusal::value(
                &format!("{param}[{index}].name"),
                "1 to 64 of a-z, A-Z, 0-9, _ and - are expected",
            ));
        }
    }
    Ok(())
}

fn is_one_modality(value: &Value) -> bool {
    matches!(value.as_array().map(Vec::as_slice), Some([one]) if one_of(one, &["audio", "text"]))
}

/// At most 16 pairs, of 64 and 512 characters (protocols 5.3).
fn is_metadata(value: &Value) -> bool {
    value.as_object().is_some_and(|pairs| {
        pairs.len() <= 16
            && pairs.iter().all(|(name, value)| {
                name.chars().count() <= 64
                    && value.as_str().is_some_and(|text| text.chars().count() <= 512)
            })
    })
}

fn one_of(value: &Value, accepted: &[&str]) -> bool {
    value.as_str().is_some_and(|text| accepted.contains(&text))
}

fn in_range(value: &Value, least: f64, most: f64) -> bool {
    value.as_f64().is_some_and(|number| (least..=most).contains(&number))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_telephony_update_of_the_reference_passes() {
        let session = json!({"type": "realtime", "output_modalities": ["audio"],
            "instructions": "You answer the phone for ...", "audio": {
                "input": {"format": {"type": "audio/pcmu"},
                    "noise_reduction": {"type": "near_field"},
                    "transcription": {"model": "gpt-transcribe", "language": "en"},
                    "turn_detection": {"type": "server_vad", "threshold": 0.5,
                        "prefix_padding_ms": 300, "silence_duration_ms": 500,
                        "create_response": true, "interrupt_response": true,
                        "idle_timeout_ms": 15_000}},
                "output": {"format": {"type": "audio/pcmu"}, "voice": "marin", "speed": 1.0}},
            "tools": [{"type": "function", "name": "book", "description": "...",
                "parameters": {"type": "object", "properties": {}}}],
            "tool_choice": "auto", "max_output_tokens": "inf", "truncation": "auto",
            "tracing": null, "reasoning": {"effort": "low"}, "parallel_tool_calls": true});
        assert_eq!(check(Root::Session, &session), Ok(()));
    }

    #[test]
    fn what_the_service_refuses_is_refused_by_name() {
        let input = |input: Value| json!({"type": "realtime", "audio": {"input": input}});
        let cases = [
            (json!({"instructions": "x"}), "missing_required_parameter", "session.type"),
            (
                json!({"type": "realtime", "temperature": 0.8}),
                "unknown_parameter",
                "session.temperature",
            ),
            (
                json!({"type": "realtime", "modalities": ["audio"]}),
                "unknown_parameter",
                "session.modalities",
            ),
            (
                json!({"type": "realtime", "output_modalities": ["audio", "text"]}),
                "invalid_value",
                "session.output_modalities",
            ),
            (
                input(json!({"format": {"type": "audio/pcmu", "rate": 8_000}})),
                "unknown_parameter",
                "session.audio.input.format.rate",
            ),
            (
                input(json!({"format": "g711_ulaw"})),
                "missing_required_parameter",
                "session.audio.input.format.type",
            ),
            (
                input(json!({"turn_detection": {"type": "server_vad", "threshold": 2}})),
                "invalid_value",
                "session.audio.input.turn_detection.threshold",
            ),
            (
                input(json!({"turn_detection": {"type": "semantic_vad", "threshold": 0.5}})),
                "unknown_parameter",
                "session.audio.input.turn_detection.threshold",
            ),
            (
                json!({"type": "realtime", "tools": [{"type": "function"}]}),
                "missing_required_parameter",
                "session.tools[0].name",
            ),
            (
                json!({"type": "realtime", "tools": [{"type": "function", "function": {"name": "book"}}]}),
                "missing_required_parameter",
                "session.tools[0].name",
            ),
            (
                json!({"type": "realtime", "max_output_tokens": 9_999}),
                "invalid_value",
                "session.max_output_tokens",
            ),
        ];
        for (session, code, param) in cases {
            let refusal = check(Root::Session, &session).unwrap_err();
            assert_eq!((refusal.code, refusal.param.as_deref()), (code, Some(param)));
        }
    }

    #[test]
    fn a_response_has_its_own_fields() {
        let response = json!({"conversation": "none", "output_modalities": ["text"],
            "metadata": {"purpose": "summary"}, "tools": [], "input": []});
        assert_eq!(check(Root::Response, &response), Ok(()));
        let refusal = check(Root::Response, &json!({"voice": "marin"})).unwrap_err();
        assert_eq!(refusal.param.as_deref(), Some("response.voice"));
        assert!(check(Root::Response, &json!({"metadata": {"n": 1}})).is_err());
    }
}
