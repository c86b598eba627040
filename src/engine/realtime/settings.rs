//! What a session is configured with: the whole `session.update` (protocols 5.2).

use serde::Serialize;
use serde_json::Value;

use super::RealtimeConfig;

/// The event's id, by which an error that answers it is known.
pub(super) const EVENT_ID: &str = "session";

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "session.update")]
struct Update<'a> {
    event_id: &'static str,
    session: Session<'a>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "realtime")]
struct Session<'a> {
    output_modalities: [&'static str; 1],
    instructions: &'a str,
    audio: Audio<'a>,
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Reasoning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
}

#[derive(Debug, Serialize)]
struct Audio<'a> {
    input: Input<'a>,
    output: Output<'a>,
}

/// Something whose kind is all that is said of it.
#[derive(Debug, Serialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Debug, Serialize)]
struct Input<'a> {
    format: Kind,
    noise_reduction: Kind,
    transcription: Transcription<'a>,
    turn_detection: TurnDetection,
}

#[derive(Debug, Serialize)]
struct Output<'a> {
    format: Kind,
    speed: f64,
    voice: &'a str,
}

#[derive(Debug, Serialize)]
struct Transcription<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
}

/// The service says when the caller speaks, and decides nothing by itself.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "server_vad")]
struct TurnDetection {
    create_response: bool,
    interrupt_response: bool,
    prefix_padding_ms: u32,
    silence_duration_ms: u32,
    threshold: f64,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "function")]
struct Tool<'a> {
    name: &'a str,
    description: &'a str,
    parameters: &'a Value,
}

#[derive(Debug, Serialize)]
struct Reasoning {
    effort: &'static str,
}

/// μ-law at 8 kHz, which is Twilio's. Realtime refuses a `rate` beside it.
const MULAW: Kind = Kind { kind: "audio/pcmu" };

/// The whole `session.update`: μ-law both ways, and every decision about turns left to us.
pub(super) fn session_update(config: &RealtimeConfig) -> String {
    // Only reasoning models know these two fields, and the others refuse them (protocols 5.2).
    let reasons = config.model.starts_with("gpt-realtime-2");
    let input = Input {
        format: MULAW,
        noise_reduction: Kind { kind: "near_field" },
        transcription: Transcription {
            model: &config.transcription_model,
            language: config.language.as_deref(),
        },
        turn_detection: TurnDetection {
            create_response: false,
            interrupt_response: false,
            prefix_padding_ms: 300,
            silence_duration_ms: 500,
            threshold: 0.5,
        },
    };
    let tools = config.functions.iter().map(|function| Tool {
        name: &function.name,
        description: &function.description,
        parameters: &function.parameters,
    });
    let session = Session {
        output_modalities: ["audio"],
        instructions: &config.instructions,
        audio: Audio { input, output: Output { format: MULAW, speed: 1.0, voice: &config.voice } },
        tools: tools.collect(),
        reasoning: reasons.then_some(Reasoning { effort: "low" }),
        parallel_tool_calls: reasons.then_some(true),
    };
    serde_json::to_string(&Update { event_id: EVENT_ID, session })
        .expect("strings and numbers always serialise")
}
