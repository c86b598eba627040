//! A session of each agent, opened and configured as a call does it: what the speech service refuses
//! of the agent's settings.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;

use super::agents::named;
use super::finding::Finding;
use crate::agent::history::History;
use crate::agent::prompt::Prompts;
use crate::agent::{Agent, Status};
use crate::clock::within;
use crate::config::Config;
use crate::engine::realtime::{RefusedSetting, probe};
use crate::functions::{self, FunctionServices, egress};
use crate::knowledge::Knowledge;
use crate::line::{Engines, instructions};
use crate::private::Private;
use crate::store::Store;
use crate::twilio::rest::TwilioRest;

/// Agents whose sessions are tried.
const AGENTS_MAX: usize = 100;
/// Sessions that are tried at once.
const AT_ONCE: usize = 4;
/// How long all of them may take.
const ALL_LIMIT: Duration = Duration::from_secs(90);
/// Who is told the caller is. Nobody is called.
const CALLER: &str = "+15550100000";

const SESSIONS: &str = "sessions";

/// Tries a session of each agent that is in service.
pub(super) async fn check(config: &Config, store: &Store, agents: &[Agent]) -> Vec<Finding> {
    let active: Vec<&Agent> =
        agents.iter().filter(|agent| agent.status == Status::Active).collect();
    // A service that takes nobody without a key has its own line.
    let openai = config.openai.base_url.host_str() == Some(super::service::OPENAI_HOST);
    if active.is_empty() || config.openai.api_key.is_none() && openai {
        return Vec::new();
    }
    let Some(bench) = Bench::of(config, store) else {
        let remedy = "see the system's certificates";
        return vec![Finding::warn(SESSIONS, "not tried", remedy)];
    };
    let mut findings = Vec::new();
    let trying = active.iter().take(AGENTS_MAX).map(|agent| bench.try_session(agent));
    let mut tried = Box::pin(stream::iter(trying).buffered(AT_ONCE));
    let all = async {
        while let Some(found) = tried.next().await {
            findings.extend(found);
        }
    };
    if within(ALL_LIMIT, all).await.is_none() {
        let found = "not all agents' sessions were tried in time";
        findings.push(Finding::warn(SESSIONS, found, "see whether the service is slow"));
    }
    if active.len() > AGENTS_MAX {
        let found = format!("only those of the first {AGENTS_MAX} agents were tried");
        findings.push(Finding::warn(SESSIONS, found, "look for refused settings in the log"));
    }
    findings
}

/// What a session is made with.
struct Bench {
    engines: Engines,
    prompts: Prompts,
    function_services: FunctionServices,
}

impl Bench {
    fn of(config: &Config, store: &Store) -> Option<Self> {
        let knowledge = Knowledge::new(store.clone(), &config.openai, &config.models.embedding);
        let twilio = TwilioRest::new(config.twilio_api_url.clone(), config.twilio.clone());
        Some(Self {
            engines: Engines::new(config.openai.clone(), config.models.clone()),
            // Templates that cannot be used have their own line.
            prompts: crate::app::prompts(config.prompts_dir.as_deref())
                .or_else(|_| crate::app::prompts(None))
                .ok()?,
            function_services: FunctionServices {
                store: store.clone(),
                knowledge: Arc::new(knowledge.ok()?),
                egress: egress::Client::new(config.private_tool_urls.clone()).ok()?,
                twilio: twilio.ok()?,
            },
        })
    }

    async fn try_session(&self, agent: &Agent) -> Vec<Finding> {
        let check = format!("session of {}", named(agent));
        let functions = functions::signatures(&self.function_services, agent);
        let (caller, history) = (Private::from(CALLER.to_owned()), History::default());
        let told = instructions(&self.prompts, agent, &caller, &history, &functions);
        match probe(self.engines.session(agent, told, functions)).await {
            Ok(refused) if refused.is_empty() => {
                vec![Finding::ok(check, "the speech service takes its settings")]
            }
            Ok(refused) => refused.iter().map(|refused| without(&check, refused)).collect(),
            // A key that is refused is refused for everybody, and has its own line.
            Err(why) if why.starts_with("refused 401") => Vec::new(),
            Err(why) => {
                let remedy = "until then every call of it goes to its fallback";
                vec![Finding::fail(check, format!("there is none: {why}"), remedy)]
            }
        }
    }
}

fn without(check: &str, refused: &RefusedSetting) -> Finding {
    let RefusedSetting { field, value } = refused;
    let found = format!("the speech service refuses {field} ({value}): calls go on without it");
    let remedy = match field.as_str() {
        "audio.output.voice" => "set private_settings.voice to a voice that the service has".into(),
        "audio.input.transcription.language" => {
            "set private_settings.language to a tag such as en or de-CH".into()
        }
        "audio.input.transcription" => "set TRANSCRIPTION_MODEL to a current model".into(),
        "instructions" => "shorten what the agent is told".into(),
        field => match field.strip_prefix("tools.") {
            Some(name) => format!("mend the variables of function {name}"),
            None => "see whether REALTIME_MODEL knows it".into(),
        },
    };
    Finding::warn(check, found, remedy)
}
