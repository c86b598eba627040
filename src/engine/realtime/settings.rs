//! What a session is configured with: the whole `session.update` (protocols 5.2), without what the
//! service refuses.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;
use serde_json::Value;

use super::RealtimeConfig;
use super::refusals::{Key, Part, RefusedSetting, blamed};
use super::wire::ServerError;

/// The event's id, by which an error that answers it is known.
pub(super) const EVENT_ID: &str = "session";
/// How often a session is configured before everything that a call can do without is left out.
const ATTEMPTS_MAX: u32 = 8;
/// How much is kept of instructions that the service refuses, in bytes: what any model takes.
const INSTRUCTIONS_MAX: usize = 16 * 1024;

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "session.update")]
struct Update<'a> {
    event_id: &'static str,
    session: Session<'a>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "realtime")]
struct Session<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    output_modalities: Option<[&'static str; 1]>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    noise_reduction: Option<Kind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transcription: Option<Transcription<'a>>,
    turn_detection: TurnDetection,
}

#[derive(Debug, Serialize)]
struct Output<'a> {
    format: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    voice: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Transcription<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    languages: Option<[&'a str; 1]>,
}

/// The service says when the caller speaks, and decides nothing by itself.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "server_vad")]
struct TurnDetection {
    create_response: bool,
    interrupt_response: bool,
    #[serde(flatten)]
    times: Option<Times>,
}

#[derive(Debug, Serialize)]
struct Times {
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

/// What a session that is not ready yet is configured with.
pub(super) struct Settings {
    config: RealtimeConfig,
    key: Key,
    refused: BTreeSet<Part>,
    attempts: u32,
}

impl Settings {
    /// Of this configuration, without what the service is known to refuse of it.
    pub(super) fn new(config: RealtimeConfig) -> Self {
        let key = Key { agent: config.agent_id, settings: fingerprint(&config) };
        let refused = config.refusals.of(key);
        Self { config, key, refused, attempts: 1 }
    }

    /// The `session.update` that configures the session.
    pub(super) fn update(&self) -> String {
        session_update(&self.config, &self.refused)
    }

    /// The service refuses it for this reason: from now on it is without that. `None`: the call
    /// cannot do without what is refused.
    pub(super) fn refuse(&mut self, error: &ServerError) -> Option<String> {
        let part = blamed(error, &self.config, &self.refused)?;
        self.attempts += 1;
        let is_least = self.refused.contains(&Part::Everything);
        let may_go = self.attempts < ATTEMPTS_MAX && (!is_least || part == Part::Instructions);
        if !(may_go && self.refused.insert(part)) {
            if is_least {
                return None;
            }
            self.refused.insert(Part::Everything);
        }
        // A named refusal is remembered at once, so that the next session knows it if this one is
        // lost.
        if !self.refused.contains(&Part::Everything) {
            self.config.refusals.remember(self.key, &self.refused);
        }
        Some(self.update())
    }

    /// The service takes them as they now are.
    pub(super) fn accepted(&self) {
        if self.attempts > 1 {
            self.config.refusals.remember(self.key, &self.refused);
        }
    }

    /// What is left out.
    pub(super) fn refused(&self) -> impl Iterator<Item = RefusedSetting> {
        self.refused.iter().map(Part::refused)
    }
}

/// What tells these settings from others, but for the instructions, which hold the time of day.
fn fingerprint(config: &RealtimeConfig) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&config.model, &config.transcription_model, &config.voice, &config.language).hash(&mut hasher);
    for function in &config.functions {
        (&function.name, &function.description).hash(&mut hasher);
        function.parameters.to_string().hash(&mut hasher);
    }
    hasher.finish()
}

/// Whether an error that came before the session was ready is about its settings. The service does
/// not always say what it answers.
pub(super) fn is_about_them(error: &ServerError) -> bool {
    const OTHERS: [&str; 5] =
        ["item_", "input_audio_buffer", "conversation_", "response_", "session_expired"];
    if let Some(id) = &error.event_id {
        return id == EVENT_ID;
    }
    let starts = |text: &str, starts: &[&str]| starts.iter().any(|start| text.starts_with(start));
    let is_of_another = error.code.as_deref().is_some_and(|code| starts(code, &OTHERS));
    let is_invalid = error.kind.as_deref() == Some("invalid_request_error")
        || error.code.as_deref().is_some_and(is_of_a_field);
    !is_of_another
        && match &error.param {
            // `audio` alone is what is heard: a caller may be heard before the format is agreed.
            Some(param) => {
                param != "audio"
                    && !starts(param, &["item", "response", "content_index", "audio_end_ms"])
            }
            None => is_invalid,
        }
}

/// Whether a service that answers the settings so has nothing against them. Whatever the error's type
/// is, one that names a field or has a word for what is wrong has.
pub(super) fn is_passing(error: &ServerError) -> bool {
    let says_what = error.code.as_deref().is_some_and(is_of_a_field);
    error.is_rate_limit() || error.is_passing() && error.param.is_none() && !says_what
}

/// Whether an error's code is one of those for a field.
fn is_of_a_field(code: &str) -> bool {
    ["invalid_", "unknown_", "unsupported_", "missing_"].iter().any(|start| code.starts_with(start))
}

/// The whole `session.update`: μ-law both ways, and every decision about turns left to us.
pub(super) fn session_update(config: &RealtimeConfig, refused: &BTreeSet<Part>) -> String {
    let has = |part: Part| !refused.contains(&part) && !refused.contains(&Part::Everything);
    // Only reasoning models know these two fields, and the others refuse them (protocols 5.2).
    let reasons = config.model.starts_with("gpt-realtime-2");
    let times = Times { prefix_padding_ms: 300, silence_duration_ms: 500, threshold: 0.5 };
    let input = Input {
        format: MULAW,
        noise_reduction: has(Part::NoiseReduction).then_some(Kind { kind: "near_field" }),
        transcription: has(Part::Transcription).then(|| transcription(config, has(Part::Language))),
        turn_detection: TurnDetection {
            create_response: false,
            interrupt_response: false,
            times: has(Part::TurnTimes).then_some(times),
        },
    };
    let output = Output {
        format: MULAW,
        speed: has(Part::Speed).then_some(1.0),
        voice: has(Part::Voice).then_some(&config.voice),
    };
    let tools = config
        .functions
        .iter()
        .filter(|function| has(Part::Tools) && has(Part::Tool(function.name.clone())))
        .map(|function| Tool {
            name: &function.name,
            description: &function.description,
            parameters: &function.parameters,
        });
    let instructions = match refused.contains(&Part::Instructions) {
        true => beginning(&config.instructions),
        false => &config.instructions,
    };
    let session = Session {
        output_modalities: has(Part::Modalities).then_some(["audio"]),
        instructions,
        audio: Audio { input, output },
        tools: tools.collect(),
        reasoning: (reasons && has(Part::Reasoning)).then_some(Reasoning { effort: "low" }),
        parallel_tool_calls: (reasons && has(Part::ParallelCalls)).then_some(true),
    };
    serde_json::to_string(&Update { event_id: EVENT_ID, session })
        .expect("strings and numbers always serialise")
}

fn transcription(config: &RealtimeConfig, has_language: bool) -> Transcription<'_> {
    let language = config.language.as_deref().filter(|_| has_language);
    // These two take a list; a single language is the hint of the models before them.
    let takes_list = ["gpt-transcribe", "gpt-live-transcribe"]
        .iter()
        .any(|model| config.transcription_model.starts_with(model));
    Transcription {
        model: &config.transcription_model,
        language: language.filter(|_| !takes_list),
        languages: language.filter(|_| takes_list).map(|language| [language]),
    }
}

/// As much as is sent of instructions that were refused, in whole lines if there are any.
fn beginning(instructions: &str) -> &str {
    let fits = &instructions[..instructions.floor_char_boundary(INSTRUCTIONS_MAX)];
    if fits.len() == instructions.len() {
        return fits;
    }
    fits.rfind('\n').map_or(fits, |end| &fits[..end])
}
