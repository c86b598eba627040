//! What a service refuses of a session's settings: read out of its error, and remembered, so that
//! the agent's next call does not pay for it again.

use std::collections::BTreeSet;
use std::time::Duration;

use moka::sync::Cache;
use uuid::Uuid;

use super::RealtimeConfig;
use super::wire::ServerError;

/// Agents whose refusals are remembered.
const AGENTS_MAX: u64 = 1_024;
/// How long they are. Then the settings are tried again: the service may have learnt them.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);
/// How much of a message for people is searched for a field's name, in bytes.
const MESSAGE_MAX: usize = 1_024;

/// A part of the settings that a call can do without.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Voice,
    Speed,
    Modalities,
    NoiseReduction,
    /// What language the caller speaks.
    Language,
    /// The transcription of the caller's words.
    Transcription,
    /// How long a silence ends a turn, and the like.
    TurnTimes,
    Reasoning,
    ParallelCalls,
    /// The function of this name.
    Tool(String),
    /// All functions of the agent.
    Tools,
    /// They are cut to a length that any model takes.
    Instructions,
    /// All but the type, the formats, the instructions, and that turns are ours to decide.
    Everything,
}

/// A setting that the service refuses. The call goes on without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedSetting {
    /// Its place in the session, such as `audio.output.voice`.
    pub field: String,
    /// What kind of value it has.
    pub value: String,
}

impl Part {
    /// What is said of it.
    pub(super) fn refused(&self) -> RefusedSetting {
        let (field, value) = match self {
            Self::Voice => ("audio.output.voice", "text"),
            Self::Speed => ("audio.output.speed", "number"),
            Self::Modalities => ("output_modalities", "list"),
            Self::NoiseReduction => ("audio.input.noise_reduction", "object"),
            Self::Language => ("audio.input.transcription.language", "text"),
            Self::Transcription => ("audio.input.transcription", "object"),
            Self::TurnTimes => ("audio.input.turn_detection", "numbers"),
            Self::Reasoning => ("reasoning", "object"),
            Self::ParallelCalls => ("parallel_tool_calls", "boolean"),
            Self::Tool(name) => {
                return RefusedSetting {
                    field: format!("tools.{name}"),
                    value: "function".to_owned(),
                };
            }
            Self::Tools => ("tools", "list"),
            Self::Instructions => ("instructions", "text"),
            Self::Everything => ("session", "object"),
        };
        RefusedSetting { field: field.to_owned(), value: value.to_owned() }
    }
}

/// Whose settings they are, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) agent: Uuid,
    /// Changes with the settings, so that an edit is tried as it is.
    pub(super) settings: u64,
}

/// What services refused, for the life of the process.
#[derive(Debug, Clone)]
pub struct Refusals(Cache<Key, BTreeSet<Part>>);

impl Default for Refusals {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(AGENTS_MAX).time_to_live(REMEMBERED).build())
    }
}

impl Refusals {
    pub(super) fn of(&self, key: Key) -> BTreeSet<Part> {
        self.0.get(&key).unwrap_or_default()
    }

    pub(super) fn remember(&self, key: Key, refused: &BTreeSet<Part>) {
        self.0.insert(key, refused.clone());
    }
}

/// What an error says of a place in the settings.
enum Place {
    /// It is this part.
    Part(Part),
    /// No call can do without it.
    Needed,
    /// It is none that we know.
    Unknown,
}

/// The part that the service refuses. Where it names none that we sent, that is everything a call
/// can do without. `None`: a call cannot do without it.
pub(super) fn blamed(
    error: &ServerError,
    config: &RealtimeConfig,
    refused: &BTreeSet<Part>,
) -> Option<Part> {
    let sent: Vec<&str> = config
        .functions
        .iter()
        .map(|function| function.name.as_str())
        .filter(|name| !refused.contains(&Part::Tool((*name).to_owned())))
        .collect();
    let by_param = error.param.as_deref().map_or(Place::Unknown, |param| place(param, &sent));
    let found = match by_param {
        Place::Unknown => by_message(error.message.as_deref().unwrap_or_default(), config, &sent),
        found => found,
    };
    match found {
        Place::Part(part) => Some(part),
        Place::Needed => None,
        Place::Unknown => Some(Part::Everything),
    }
}

/// Whether an error names a part of the settings that a call can do without.
pub(super) fn names_a_part(error: &ServerError) -> bool {
    error.param.as_deref().is_some_and(|param| matches!(place(param, &[]), Place::Part(_)))
}

/// What a path such as `session.tools[3].parameters` leads to.
fn place(path: &str, tools: &[&str]) -> Place {
    let path = path.replace('[', ".").replace([']', '"', '\''], "");
    let path = path.trim_start_matches("session.");
    let within = |field: &str| {
        path.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let needed = ["type", "model", "audio.input.format", "audio.output.format"];
    let parts = [
        ("audio.output.voice", Part::Voice),
        ("voice", Part::Voice),
        ("audio.output.speed", Part::Speed),
        ("output_modalities", Part::Modalities),
        ("audio.input.noise_reduction", Part::NoiseReduction),
        ("audio.input.transcription.language", Part::Language),
        ("audio.input.transcription.languages", Part::Language),
        ("audio.input.transcription", Part::Transcription),
        ("audio.input.turn_detection", Part::TurnTimes),
        ("reasoning", Part::Reasoning),
        ("parallel_tool_calls", Part::ParallelCalls),
        ("instructions", Part::Instructions),
    ];
    if needed.iter().any(|field| within(field)) {
        return Place::Needed;
    }
    if within("tools") {
        let which = path.split('.').nth(1);
        let by_index = which.and_then(|which| tools.get(which.parse::<usize>().ok()?));
        let name = by_index.or_else(|| tools.iter().find(|name| which == Some(name)));
        return Place::Part(name.map_or(Part::Tools, |name| Part::Tool((*name).to_owned())));
    }
    let found = parts.into_iter().find(|(field, _)| within(field));
    found.map_or(Place::Unknown, |(_, part)| Place::Part(part))
}

/// What a message for people names: a path, or a value that we sent, in quotes; or a field's name.
fn by_message(message: &str, config: &RealtimeConfig, tools: &[&str]) -> Place {
    let message = &message[..message.floor_char_boundary(MESSAGE_MAX)];
    let quoted: Vec<&str> = message.split(['\'', '"', '`']).skip(1).step_by(2).collect();
    for path in &quoted {
        match place(path, tools) {
            // A word like `type` is too common to lose a call for.
            Place::Needed if !path.contains('.') => {}
            Place::Unknown => {}
            found => return found,
        }
    }
    let first_value = quoted.iter().find_map(|value| {
        if *value == config.voice {
            Some(Part::Voice)
        } else if config.language.as_deref() == Some(*value) {
            Some(Part::Language)
        } else if *value == config.transcription_model {
            Some(Part::Transcription)
        } else {
            tools.contains(value).then(|| Part::Tool((*value).to_owned()))
        }
    });
    let words = [
        ("parallel_tool_calls", Part::ParallelCalls),
        ("noise_reduction", Part::NoiseReduction),
        ("language", Part::Language),
        ("transcription", Part::Transcription),
        ("reasoning", Part::Reasoning),
        ("turn_detection", Part::TurnTimes),
        ("voice", Part::Voice),
        ("output_modalities", Part::Modalities),
        ("tools", Part::Tools),
        ("instructions", Part::Instructions),
    ];
    let lower = message.to_ascii_lowercase();
    let by_word = || words.into_iter().find(|(word, _)| lower.contains(word)).map(|(_, part)| part);
    first_value.or_else(by_word).map_or(Place::Unknown, Place::Part)
}
