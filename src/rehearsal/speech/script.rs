//! What the stand-in hears and says: a script of turns, in JSON.
//!
//! The stand-in recognises no speech. The first stretch of speech of a session is its script's first
//! turn, whatever was said, and so on; after the last turn it says `otherwise`. A turn whose words are
//! typed is that turn, in whatever order, if the script `reads`. What is said and the arguments of
//! functions may quote what functions have returned: `$(function/pointer)`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::fault::{Fault, TurnFault};
use super::outputs;

/// The script of `frontdesk demo`, which the sample audio was made from.
const BUILT_IN: &str = include_str!("script.json");

/// More turns than any rehearsed call has.
const TURNS_MAX: usize = 1_000;

/// A conversation: what is heard, and what is said to it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Said when a reply is asked for before anybody has spoken, and no exact words are given.
    #[serde(default = "default_greeting")]
    pub greeting: String,
    /// Said when there is nothing new to reply to, or the script is at its end.
    #[serde(default = "default_otherwise")]
    pub otherwise: String,
    /// Whether what is typed is the turn with these words. Without it only what is spoken is a turn.
    #[serde(default)]
    pub reads: bool,
    /// What is said to instructions that give no exact words: the first phrase that fits.
    #[serde(default)]
    pub phrases: Vec<Phrase>,
    /// The models that there are; without any, those that the server asks for by default.
    #[serde(default)]
    pub models: Vec<Model>,
    /// How long a session may last, in milliseconds; without it the service's own. `expires_at` of
    /// its sessions says so.
    #[serde(default)]
    pub session_ms: Option<u64>,
    /// What goes wrong from the beginning, such as `{"kind":"refuse_connects","status":503}`.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// The turns, in order.
    pub turns: Vec<Turn>,
    /// How chat completions are answered, one after the other; after the last one, as usual.
    #[serde(default)]
    pub chats: Vec<Chat>,
}

/// How one chat completion is answered.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chat {
    /// With what the request's schema asks for, made up from the transcript in it by rules.
    #[default]
    AsUsual,
    /// The same, with these fields in place of those made up.
    Answer(Value),
    /// With this text, whatever was asked for.
    Text(String),
    /// The model will not, and says this.
    Refusal(String),
    /// As usual, but cut off in the middle.
    CutOff,
    /// The request is never answered.
    Hang,
    /// With an HTTP status that is no success.
    Error {
        /// The HTTP status of the answer.
        status: u16,
        /// What is said to be wrong.
        #[serde(default)]
        error: Option<ErrorBody>,
    },
}

/// A model, as the list of them has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The model's name.
    pub id: String,
    /// The day from which it is no more, as `2027-01-20`, if that is announced.
    #[serde(default)]
    pub shutdown_date: Option<String>,
}

/// What is said when a reply is asked for with instructions of its own.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phrase {
    /// Words that the instructions have in them, in any case.
    pub instructed: String,
    /// The words of the reply.
    pub reply: String,
}

/// One stretch of the caller's speech, and the reply to it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// The words of the transcription. `{session}` becomes the session's number, so that no two
    /// sessions hear the same.
    pub heard: String,
    /// What is said to it; may be empty where functions are called.
    #[serde(default)]
    pub reply: String,
    /// Functions that the reply calls, in its one response.
    #[serde(default)]
    pub functions: Vec<FunctionCall>,
    /// What is said once the functions' outputs are there.
    #[serde(default)]
    pub after_functions: Option<String>,
    /// What is said instead if one of them has `"ok": false` in its output, or has none.
    #[serde(default)]
    pub after_failure: Option<String>,
    /// From the request of this turn's reply to its first audio, in milliseconds; without it the
    /// service's own.
    #[serde(default)]
    pub first_audio_ms: Option<u64>,
    /// When the words come; without it the service's own.
    #[serde(default)]
    pub words: Option<Words>,
    /// The first reply to this turn fails so; another attempt succeeds.
    #[serde(default)]
    pub error: Option<ErrorBody>,
    /// What goes wrong with the first reply to this turn, in whichever session that is.
    #[serde(default)]
    pub fault: Option<TurnFault>,
}

impl Turn {
    /// What is said once the functions' outputs are there, if the script says it.
    pub(super) fn after(&self, output: &impl Fn(&str) -> Option<Value>) -> Option<&String> {
        let has_failed = |call: &FunctionCall| {
            output(&call.name).is_none_or(|output| output["ok"] == Value::Bool(false))
        };
        let failure = self.after_failure.as_ref();
        failure.filter(|_| self.functions.iter().any(has_failed)).or(self.after_functions.as_ref())
    }
}

/// A function that the model wants called.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionCall {
    /// The function's name.
    pub name: String,
    /// Its arguments: an object, or a text that goes out as it is, to try what is not JSON.
    #[serde(default)]
    pub arguments: Value,
}

impl FunctionCall {
    /// The call with what its arguments quote of functions' outputs.
    pub(super) fn quoting(&self, output: &impl Fn(&str) -> Option<Value>) -> Self {
        let arguments = match &self.arguments {
            Value::String(_) => self.arguments.clone(),
            arguments => outputs::fill(arguments, output),
        };
        Self { name: self.name.clone(), arguments }
    }

    /// The arguments as the wire has them: JSON in a text.
    pub fn arguments_text(&self) -> String {
        match &self.arguments {
            Value::String(text) => text.clone(),
            Value::Null => "{}".to_owned(),
            value => value.to_string(),
        }
    }
}

/// When the words of the caller's speech come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Words {
    /// After the commit, as the real service sends them.
    #[default]
    AfterCommit,
    /// Piece by piece while the caller speaks, complete after the commit.
    During,
    /// The words never come.
    Never,
    /// The transcription fails, and an event says so.
    Failed,
}

/// What the service says is wrong, in its own shape (protocols 5.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The class, such as `server_error` or `insufficient_quota`.
    #[serde(rename = "type", default = "default_error_type")]
    pub kind: String,
    /// The code, such as `rate_limit_exceeded`.
    #[serde(default)]
    pub code: Option<String>,
    /// The error's message, for people.
    #[serde(default)]
    pub message: String,
}

/// Why a script cannot be used.
#[derive(Debug, Error)]
pub enum ScriptError {
    /// It is not JSON of the right shape.
    #[error("script: {0}; accepted is {{\"turns\":[{{\"heard\":\"…\",\"reply\":\"…\"}}]}}")]
    Shape(#[from] serde_json::Error),
    /// It is too long.
    #[error("script: {0} turns; accepted are at most {TURNS_MAX}")]
    TooLong(usize),
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// What is wrong with it, with line and column.
    pub fn parse(json: &str) -> Result<Self, ScriptError> {
        let script: Self = serde_json::from_str(json)?;
        if script.turns.len() > TURNS_MAX {
            return Err(ScriptError::TooLong(script.turns.len()));
        }
        Ok(script)
    }

    /// The turn that is typed with these words, whatever their capitals and punctuation.
    pub(super) fn turn_of(&self, text: &str) -> Option<usize> {
        let wanted = bare(text);
        let is_it = |turn: &Turn| !wanted.is_empty() && bare(&turn.heard) == wanted;
        self.turns.iter().position(is_it).filter(|_| self.reads)
    }

    /// What is said to a reply's own instructions, if they say what that is: words given exactly,
    /// behind "exactly …:" and a new line or in quotation marks, or else a phrase.
    pub fn instructed<'a>(&'a self, instructions: &'a str) -> Option<&'a str> {
        let lower = instructions.to_lowercase();
        let phrase =
            || self.phrases.iter().find(|phrase| lower.contains(&phrase.instructed.to_lowercase()));
        exact_words(instructions).or_else(|| phrase().map(|phrase| phrase.reply.as_str()))
    }
}

/// The letters and digits of a text, small.
fn bare(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn exact_words(instructions: &str) -> Option<&str> {
    let is_announced = |head: &str| head.contains("exactly") && head.ends_with(':');
    let (head, rest) = instructions.trim().split_once('\n').unwrap_or_default();
    if is_announced(head.trim_end()) && !rest.trim().is_empty() {
        return Some(rest.trim());
    }
    [("«", "»"), ("“", "”"), ("\"", "\"")].into_iter().find_map(|(open, close)| {
        let (_, rest) = instructions.split_once(open)?;
        let (text, _) = rest.rsplit_once(close)?;
        (!text.trim().is_empty()).then_some(text.trim())
    })
}

/// The built-in script: a caller asks a dentist's practice about this and that.
impl Default for Script {
    fn default() -> Self {
        Self::parse(BUILT_IN).expect("the built-in script is checked by a test")
    }
}

fn default_greeting() -> String {
    "Hello, how can I help you?".to_owned()
}

fn default_otherwise() -> String {
    "I see.".to_owned()
}

fn default_error_type() -> String {
    "server_error".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_script_has_a_turn_for_each_sample() {
        let script = Script::default();
        assert_eq!(script.turns.len(), crate::rehearsal::speech::SAMPLES.len());
        assert_eq!(script.turns.last().unwrap().functions[0].name, "end_call");
    }

    #[test]
    fn arguments_go_out_as_text() {
        let script = Script::parse(
            r#"{"turns":[{"heard":"a","words":"during","functions":[
                {"name":"f","arguments":{"a":1}},{"name":"g","arguments":"{broken"},{"name":"h"}]}]}"#,
        )
        .unwrap();
        let texts: Vec<_> =
            script.turns[0].functions.iter().map(FunctionCall::arguments_text).collect();
        assert_eq!(texts, [r#"{"a":1}"#, "{broken", "{}"]);
        assert_eq!(script.turns[0].words, Some(Words::During));
    }

    #[test]
    fn instructions_give_the_words_or_choose_a_phrase() {
        let script = Script::default();
        let cases = [
            (
                "Say exactly the following, word for word:\n\nHello, \"Smiles\" here.\n",
                Some("Hello, \"Smiles\" here."),
            ),
            ("Greet the caller with «Good morning.» and no more", Some("Good morning.")),
            ("Say \"one moment\".", Some("one moment")),
            ("Thank the caller. Then Say Goodbye.", Some("Thank you for calling. Goodbye!")),
            ("Greet the caller in one sentence.", None),
        ];
        for (instructions, said) in cases {
            assert_eq!(script.instructed(instructions), said, "{instructions}");
        }
    }

    #[test]
    fn what_is_said_after_functions_depends_on_how_they_went() {
        let script = Script::parse(
            r#"{"turns":[{"heard":"a","functions":[{"name":"f"},{"name":"g"}],
                "after_functions":"Done.","after_failure":"Sorry."},
                {"heard":"b","functions":[{"name":"f"}],"after_functions":"Done."}]}"#,
        )
        .unwrap();
        let said = |turn: usize, g: Option<Value>| {
            let output = move |name: &str| match name {
                "f" => Some(serde_json::json!({"ok": true})),
                _ => g.clone(),
            };
            script.turns[turn].after(&output).map(String::as_str)
        };
        assert_eq!(said(0, Some(serde_json::json!({"ok": true}))), Some("Done."));
        assert_eq!(said(0, Some(serde_json::json!({"ok": false}))), Some("Sorry."));
        assert_eq!(said(0, None), Some("Sorry."));
        assert_eq!(said(1, None), Some("Done."));
    }

    #[test]
    fn a_misspelt_field_is_named() {
        let error = Script::parse(r#"{"turns":[{"heard":"a","replies":"b"}]}"#).unwrap_err();
        assert!(error.to_string().contains("replies"), "{error}");
    }
}
