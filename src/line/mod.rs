//! Runs each call on real sockets: one task owns one call.
//!
//! [`CallServices`] is what all calls of a process share. A webhook takes a slot in the [`registry`],
//! gets its row through the [`writer`](crate::call_log::writer), and starts a task: `run`
//! begins and completes it, [`driver`] is what it does, from dialling the engine to the caller's last word.

mod bell;
mod call_handle;
mod command;
pub mod control;
pub mod directory;
pub mod driver;
pub mod exit;
mod handover;
mod keepalive;
mod known_calls;
mod line_shares;
mod listed;
pub mod opening;
mod pace;
mod perform;
mod phone;
mod recalls;
pub mod record;
pub mod registry;
mod retrieval;
mod run;
mod sessions;
mod slots;
mod stopped;
mod stream_watchdog;
pub mod transferred_calls;

use std::sync::Arc;

use jiff::Timestamp;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tracing::warn;
use uuid::Uuid;

use crate::agent::Agent;
use crate::agent::history::History;
use crate::agent::prompt::{Briefing, Prompts};
use crate::call::{Passage, Purpose, Said};
use crate::call_log::writer::LogWriter;
use crate::clock::{self, Clock};
use crate::config::{Models, OpenAi};
use crate::engine::realtime::{Realtime, RealtimeConfig, Refusals};
use crate::engine::{Engine, FunctionSignature};
use crate::functions::{self, FunctionServices};
use crate::private::Private;
use crate::recording::recorder::Recorder;
use crate::socket::small_buffers;
use opening::Opening;
use registry::Registry;
use run::CallRun;

/// The services that all calls of a process share.
#[derive(Debug)]
pub struct CallServices {
    /// The time that calls live in.
    pub clock: Clock,
    /// The calls that this process has, by their CallSids.
    pub registry: Arc<Registry>,
    /// The writer of the call log.
    pub log: LogWriter,
    /// Where the tapes of recorded calls are written.
    pub recorder: Recorder,
    /// The prompt templates.
    pub prompts: Arc<Prompts>,
    /// How engines are reached.
    pub engines: Engines,
    /// The services that functions work with.
    pub function_services: Arc<FunctionServices>,
    /// The id of this process, a row of `frontdesk_instances`.
    pub instance_id: Uuid,
}

/// How engines are reached.
#[derive(Debug, Clone)]
pub struct Engines {
    /// The speech service's address and key.
    pub openai: OpenAi,
    /// The names of the models that calls use.
    pub models: Models,
    /// What the speech service refused of agents' settings.
    pub refusals: Refusals,
}

impl Engines {
    /// Of a service of which nothing is known yet.
    pub fn new(openai: OpenAi, models: Models) -> Self {
        Self { openai, models, refusals: Refusals::default() }
    }

    /// What a session of an agent is configured with, but for the conversation.
    pub fn session(
        &self,
        agent: &Agent,
        instructions: String,
        functions: Vec<FunctionSignature>,
    ) -> RealtimeConfig {
        RealtimeConfig {
            base_url: self.openai.base_url.clone(),
            api_key: self.openai.api_key.clone(),
            model: self.models.realtime.clone(),
            transcription_model: self.models.transcription.clone(),
            voice: agent.settings.voice.clone(),
            language: agent.settings.language.split('-').next().map(str::to_owned),
            instructions,
            functions,
            history: Vec::new(),
            utterance_prefix: String::new(),
            agent_id: agent.id,
            refusals: self.refusals.clone(),
        }
    }
}

impl CallServices {
    /// Starts a call's task, which dials the engine at once.
    pub fn start(self: &Arc<Self>, opening: Opening) {
        let span = tracing::info_span!(
            parent: None,
            "call",
            call_sid = opening.call_sid,
            agent = %opening.agent.id,
        );
        metrics::counter!("frontdesk_calls_started_total").increment(1);
        // Nothing is waited for before the engine is dialled: the caller is already on the line.
        // Should it ever panic, its slot is freed and the reconciler completes its row.
        clock::spawn(CallRun::new(Arc::clone(self), opening, span));
    }

    /// What the agent is told for one reply; none: what it was told for the call.
    fn reply_instructions(&self, agent: &Agent, purpose: &Purpose) -> Option<String> {
        self.prompts.reply_instructions(purpose, agent).unwrap_or_else(|error| {
            warn!(%error, "a prompt template failed");
            Prompts::built_in().reply_instructions(purpose, agent).unwrap_or_default()
        })
    }

    /// What the agent is told beside the conversation; none: nothing.
    fn context(&self, passages: &[Passage]) -> Option<String> {
        self.prompts.render_context(passages).unwrap_or_else(|error| {
            warn!(%error, "a prompt template failed");
            Prompts::built_in().render_context(passages).unwrap_or_default()
        })
    }

    fn dial(
        &self,
        engines: &Engines,
        agent: &Agent,
        caller: &Private<String>,
        before: &History,
        session: Session,
    ) -> Box<dyn Engine> {
        let functions = functions::signatures(&self.function_services, agent);
        let instructions = instructions(&self.prompts, agent, caller, before, &functions);
        Box::new(Realtime::dial(RealtimeConfig {
            history: session.history,
            utterance_prefix: session.utterance_prefix,
            ..engines.session(agent, instructions, functions)
        }))
    }
}

/// What the agent is told for a whole call. A replaced template that fails on this agent must not
/// cost it the call: the built-in one takes its place.
pub fn instructions(
    prompts: &Prompts,
    agent: &Agent,
    caller: &Private<String>,
    history: &History,
    functions: &[FunctionSignature],
) -> String {
    let unix_us = i64::try_from(clock::unix_now().as_micros()).unwrap_or(i64::MAX);
    let now = Timestamp::from_microsecond(unix_us)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_zoned(agent.hours.zone().clone());
    let functions: Vec<(&str, &str)> = functions
        .iter()
        .map(|function| (function.name.as_str(), function.description.as_str()))
        .collect();
    let briefing = Briefing { agent, caller, history, functions: &functions, now: &now };
    prompts.render_system(&briefing).unwrap_or_else(|error| {
        warn!(%error, "a prompt template failed");
        Prompts::built_in().render_system(&briefing).unwrap_or_default()
    })
}

/// What tells one engine session of a call from another.
struct Session {
    /// Put before the engine's names for stretches of speech.
    utterance_prefix: String,
    /// What was said before.
    history: Vec<Said>,
}

/// How media WebSockets are read: small buffers, small messages. Every look for a message clears
/// the buffer, and what comes 50 times a second has 400 bytes.
pub fn stream_config() -> WebSocketConfig {
    small_buffers(phone::MESSAGE_MAX).read_buffer_size(1024)
}
