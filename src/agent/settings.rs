//! `voice_agents.private_settings`: what an owner sets for an agent. Everything is optional; what
//! cannot be used is reported by name and its default is used, so no setting refuses a call.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fault::{Faults, Fields, SettingFault, kind};
use super::numbers::{Numbering, accepted_number, read_number, read_numbers};
use super::signing_key::signing_key;
use super::take_over::TakeOver;
use crate::call::CallSettings;
use crate::private::Private;

/// The longest call that can be set, seconds: four hours.
pub const MAX_CALL_SECONDS: u32 = 14_400;

const ROOT: &str = "private_settings";

/// An agent's settings, complete.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentSettings {
    /// The first words, said as they stand. `None`: words made of the business's name. Empty: the
    /// caller speaks first.
    pub greeting: Option<String>,
    /// The language to begin in, a BCP 47 tag such as `en` or `de-CH`.
    pub language: String,
    /// The engine's name for the voice.
    pub voice: String,
    /// The owner's addition to the prompt.
    pub instructions: String,
    /// What hears and speaks.
    pub engine: EngineKind,
    /// How the agent's own knowledge is searched.
    pub knowledge: Knowledge,
    /// What happens outside opening hours.
    pub closed: WhenClosed,
    /// Whom a call can be moved to, by the name that the model uses. E.164.
    pub transfer_targets: BTreeMap<String, Private<String>>,
    /// What the caller may interrupt.
    pub interruptions: Interruptions,
    /// What happens when nobody speaks.
    pub idle: Idle,
    /// How long and how many.
    pub limits: Limits,
    /// What happens when the agent cannot take or keep a call.
    pub fallback: Fallback,
    /// The words of a spoken fallback, or before a voicemail's tone.
    pub message: Option<String>,
    /// Whether calls are recorded.
    pub recording: Recording,
    /// How long recordings and transcripts are kept.
    pub retention: Retention,
    /// What is told of each call that has ended.
    pub webhook: Option<Webhook>,
    /// Who may end a live call or put its caller through.
    pub take_over: TakeOver,
    /// Secrets that functions may use, by name.
    pub secrets: BTreeMap<String, Private<String>>,
}

/// What hears and speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// OpenAI Realtime, or a server that speaks its protocol.
    Realtime,
}

/// How an agent's own knowledge is searched.
#[derive(Debug, Clone, PartialEq)]
pub struct Knowledge {
    /// The most passages of a turn.
    pub matches: u32,
    /// The least cosine similarity of a passage, 0 to 1.
    pub min_similarity: f64,
    /// How long a reply waits for passages after the caller has stopped speaking, ms.
    pub budget_ms: u32,
}

/// What happens outside opening hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenClosed {
    /// The agent answers and knows that the business is closed.
    Answer,
    /// The fallback takes the call.
    Fallback,
}

/// What the caller may interrupt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interruptions {
    /// The agent at all.
    pub allow: bool,
    /// Whether the caller may interrupt the greeting too.
    pub greeting: bool,
}

/// What happens when nobody speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idle {
    /// After how long a silence the agent asks whether anybody is there, ms; 0 never.
    pub reprompt_after_ms: u64,
    /// How often it asks before it hangs up.
    pub reprompts: u32,
}

/// How long and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The longest call, seconds.
    pub call_seconds: u32,
    /// The most calls of the agent at once.
    pub concurrent_calls: u32,
}

/// What happens when the agent cannot take or keep a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fallback {
    /// Another number is called, E.164.
    Forward(Private<String>),
    /// The caller leaves a message.
    Voicemail,
    /// A message is spoken.
    Say,
}

/// Whether calls are recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Whether this agent's calls are recorded.
    pub enabled: bool,
    /// What the caller is told first, said as it stands.
    pub notice: String,
}

/// For how many days something is kept; `None` for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Days until a recording is removed.
    pub recording_days: Option<u32>,
    /// Days until the words of a call are removed.
    pub transcript_days: Option<u32>,
}

/// What is told of each call that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where it is posted.
    pub url: String,
    /// What it is signed with.
    pub secret: Option<Private<String>>,
}

impl Default for AgentSettings {
    fn default() -> Self {
        Self::read(&Value::Null).0
    }
}

impl AgentSettings {
    /// Reads settings: an object, or a text that holds one. Anything else is as good as none.
    pub fn read(value: &Value) -> (Self, Vec<SettingFault>) {
        Self::read_in(value, Numbering::default())
    }

    /// Reads the settings of an agent whose numbers are read in this way: they may be written as
    /// they are dialled where the business is.
    pub(super) fn read_in(value: &Value, numbering: Numbering<'_>) -> (Self, Vec<SettingFault>) {
        let mut faults = Faults::default();
        let unpacked;
        let value = match value {
            Value::String(text) if text.trim().is_empty() => &Value::Null,
            Value::String(text) => {
                unpacked = serde_json::from_str(text).unwrap_or(Value::Bool(false));
                if !unpacked.is_object() && !unpacked.is_null() {
                    faults.add(ROOT.to_owned(), kind(value), "an object");
                }
                if unpacked.is_object() { &unpacked } else { &Value::Null }
            }
            other => other,
        };
        let settings = Self::read_fields(value, numbering, &mut faults);
        (settings, faults.0)
    }

    fn read_fields(value: &Value, numbering: Numbering<'_>, faults: &mut Faults) -> Self {
        #[rustfmt::skip]
        let known = ["greeting", "language", "voice", "instructions", "engine", "knowledge", "hours",
            "transfer", "interruptions", "idle", "limits", "fallback", "recording", "retention",
            "webhook", "live", "secrets"];
        let root = Fields::read(Some(value), ROOT, &known, faults);
        let realtime = |value: &Value| (value == "realtime").then_some(EngineKind::Realtime);
        let (fallback, message) = read_fallback(&root, numbering, faults);
        Self {
            greeting: root.text("greeting", faults),
            language: read_language(&root, faults).unwrap_or_else(|| "en".to_owned()),
            voice: read_word(&root, "voice", faults).unwrap_or_else(|| "marin".to_owned()),
            instructions: root.text("instructions", faults).unwrap_or_default(),
            engine: root
                .accept("engine", "realtime", faults, realtime)
                .unwrap_or(EngineKind::Realtime),
            knowledge: Knowledge::read(&root, faults),
            closed: WhenClosed::read(&root, faults),
            transfer_targets: read_numbers(
                &root.section("transfer", &["targets"], faults),
                numbering,
                faults,
            ),
            interruptions: Interruptions::read(&root, faults),
            idle: Idle::read(&root, faults),
            limits: Limits::read(&root, faults),
            fallback,
            message,
            recording: Recording::read(&root, faults),
            retention: Retention::read(&root, faults),
            webhook: Webhook::read(&root, faults),
            take_over: TakeOver::read(&root, faults),
            secrets: read_secrets(&root, faults),
        }
    }

    /// What is spoken when the agent cannot take a call: the owner's message, or an apology. It
    /// comes before the tone where the fallback is a voicemail, else it is the last word.
    pub fn fallback_message(&self) -> &str {
        self.message.as_deref().unwrap_or(match self.fallback {
            Fallback::Voicemail => {
                "Sorry, nobody can take your call at the moment. Please leave a message after the \
                 tone."
            }
            Fallback::Forward(_) | Fallback::Say => {
                "Sorry, nobody can take your call at the moment. Please try again later. Goodbye."
            }
        })
    }

    /// What a call needs to know, with or without knowledge to search.
    pub fn call_settings(&self, has_knowledge: bool) -> CallSettings {
        CallSettings {
            greets: self.greeting.as_deref().is_none_or(|words| !words.trim().is_empty()),
            interruptible: self.interruptions.allow,
            greeting_interruptible: self.interruptions.allow && self.interruptions.greeting,
            reprompt_after_ms: self.idle.reprompt_after_ms,
            reprompts: self.idle.reprompts,
            limit_ms: u64::from(self.limits.call_seconds) * 1000,
            recall_budget_ms: has_knowledge.then_some(self.knowledge.budget_ms.into()),
        }
    }
}

impl Knowledge {
    fn read(root: &Fields<'_>, faults: &mut Faults) -> Self {
        let known = ["matches", "min_similarity", "budget_ms"];
        let fields = root.section("knowledge", &known, faults);
        Self {
            matches: fields.whole("matches", 1..=20, faults).unwrap_or(4),
            min_similarity: fields.number("min_similarity", 0.0..=1.0, faults).unwrap_or(0.2),
            budget_ms: fields.whole("budget_ms", 0..=5000, faults).unwrap_or(600),
        }
    }
}

impl WhenClosed {
    fn read(root: &Fields<'_>, faults: &mut Faults) -> Self {
        let fields = root.section("hours", &["closed"], faults);
        let closed = fields.accept("closed", "answer or fallback", faults, |value| {
            match value.as_str()? {
                "answer" => Some(Self::Answer),
                "fallback" => Some(Self::Fallback),
                _ => None,
            }
        });
        closed.unwrap_or(Self::Answer)
    }
}

impl Interruptions {
    fn read(root: &Fields<'_>, faults: &mut Faults) -> Self {
        let fields = root.section("interruptions", &["allow", "greeting"], faults);
        Self {
            allow: fields.flag("allow", true, faults),
            greeting: fields.flag("greeting", false, faults),
        }
    }
}

impl Idle {
    fn read(root: &Fields<'_>, faults: &mut Faults) -> Self {
        let fields = root.section("idle", &["reprompt_seconds", "reprompts"], faults);
        let seconds = fields.number("reprompt_seconds", 0.0..=600.0, faults).unwrap_or(10.0);
        Self {
            reprompt_after_ms: (seconds * 1000.0) as u64,
            reprompts: fields.whole("reprompts", 0..=20, faults).unwrap_or(2),
        }
    }
}

impl Limits {
    fn read(root: &Fields<'_>, faults: &mut Faults) -> Self {
        let fields = root.section("limits", &["call_seconds", "concurrent_calls"], faults);
        let call_seconds = fields.whole("call_seconds", 1..=MAX_CALL_SECONDS, faults);
        Self {
            call_seconds: call_seconds.unwrap_or(1800),
            concurrent_calls: fields.whole("concurrent_calls", 1..=10_000, faults).unwrap_or(20),
        }
    }
}

impl Recording {
    fn read(root: &Fields<'_>, faults: &mut Faults) -> Self {
        let fields = root.section("recording", &["enabled", "notice"], faults);
        let notice = fields.text("notice", faults).filter(|notice| !notice.trim().is_empty());
        Self {
            enabled: fields.flag("enabled", false, faults),
            notice: notice.unwrap_or_else(|| "This call is recorded.".to_owned()),
        }
    }
}

impl Retention {
    fn read(root: &Fields<'_>, faults: &mut Faults) -> Self {
        let fields = root.section("retention", &["recording_days", "transcript_days"], faults);
        Self {
            recording_days: fields.whole("recording_days", 1..=36_500, faults),
            transcript_days: fields.whole("transcript_days", 1..=36_500, faults),
        }
    }
}

impl Webhook {
    fn read(root: &Fields<'_>, faults: &mut Faults) -> Option<Self> {
        let fields = root.section("webhook", &["url", "secret"], faults);
        let secret = fields.get("secret").map(|secret| {
            let text = secret.as_str().unwrap_or_default();
            if signing_key(text).is_none() {
                let accepted = "whsec_ and base64, or another text";
                faults.add(fields.path_of("secret"), kind(secret), accepted);
            }
            Private::new(text.to_owned())
        });
        let url = fields.accept("url", "an http or https URL", faults, |value| {
            let url = url::Url::parse(value.as_str()?).ok()?;
            matches!(url.scheme(), "http" | "https").then(|| url.into())
        });
        url.map(|url| Self { url, secret })
    }
}

/// A forward without a valid number, or an unknown kind, is a voicemail.
fn read_fallback(
    root: &Fields<'_>,
    numbering: Numbering<'_>,
    faults: &mut Faults,
) -> (Fallback, Option<String>) {
    let fields = root.section("fallback", &["kind", "number", "message"], faults);
    let message = fields.text("message", faults).filter(|message| !message.trim().is_empty());
    let number = read_number(&fields, "number", numbering, faults);
    let kinds = "forward, voicemail or say";
    let fallback = fields.accept("kind", kinds, faults, |value| match value.as_str()? {
        "forward" => Some(number.clone().map_or(Fallback::Voicemail, Fallback::Forward)),
        "voicemail" => Some(Fallback::Voicemail),
        "say" => Some(Fallback::Say),
        _ => None,
    });
    if fields.get("kind").is_some_and(|kind| kind == "forward") && fields.get("number").is_none() {
        faults.add(fields.path_of("number"), "nothing", accepted_number(numbering.region));
    }
    (fallback.unwrap_or(Fallback::Voicemail), message)
}

fn read_secrets(root: &Fields<'_>, faults: &mut Faults) -> BTreeMap<String, Private<String>> {
    let secrets = root.section("secrets", &[], faults);
    let texts = secrets
        .all()
        .filter_map(|(name, _)| Some((name.clone(), Private::new(secrets.text(name, faults)?))));
    texts.collect()
}

fn read_language(root: &Fields<'_>, faults: &mut Faults) -> Option<String> {
    root.accept("language", "a language tag such as en or de-CH", faults, |value| {
        let tag = value.as_str()?.trim();
        let part = |part: &str| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        (tag.len() <= 35 && tag.len() >= 2 && tag.split('-').all(part)).then(|| tag.to_owned())
    })
}

fn read_word(root: &Fields<'_>, name: &str, faults: &mut Faults) -> Option<String> {
    root.accept(name, "a name of 1 to 64 letters, digits, - and _", faults, |value| {
        let word = value.as_str()?.trim();
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        ((1..=64).contains(&word.len()) && word.bytes().all(safe)).then(|| word.to_owned())
    })
}
