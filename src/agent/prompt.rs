//! What the agent is told: the templates of `prompts/`, filled in.

mod quoted;
mod values;

use std::collections::BTreeMap;

use jiff::Zoned;
use minijinja::value::Value;
use minijinja::{Environment, context};

pub use self::values::DESCRIPTION_MAX;
use self::values::{agent_values, passage_values, summary_values, system_values};
use super::function::Builtin;
use super::history::{History, PastCall};
use super::template::{DEPTH_MAX, FUEL_OF_FILES, TemplateError, check_file};
use super::{Agent, AgentSource};
use crate::call::{GoodbyeReason, Passage, Purpose};
use crate::private::Private;

/// The templates by file name, with what they say unless they are replaced.
const BUILT_IN: [(&str, &str); 11] = [
    ("system.md", include_str!("../../prompts/system.md")),
    ("greeting.md", include_str!("../../prompts/greeting.md")),
    ("reprompt.md", include_str!("../../prompts/reprompt.md")),
    ("limit_warning.md", include_str!("../../prompts/limit_warning.md")),
    ("goodbye.md", include_str!("../../prompts/goodbye.md")),
    ("welcome_back.md", include_str!("../../prompts/welcome_back.md")),
    ("filler.md", include_str!("../../prompts/filler.md")),
    ("handover.md", include_str!("../../prompts/handover.md")),
    ("handover_failed.md", include_str!("../../prompts/handover_failed.md")),
    ("context.md", include_str!("../../prompts/context.md")),
    ("summary.md", include_str!("../../prompts/summary.md")),
];

/// All prompt templates, parsed.
#[derive(Debug)]
pub struct Prompts {
    environment: Environment<'static>,
}

/// What a whole conversation is told from.
#[derive(Debug, Clone, Copy)]
pub struct Briefing<'a> {
    /// The agent that answers.
    pub agent: &'a Agent,
    /// Who calls, as Twilio says.
    pub caller: &'a Private<String>,
    /// What is known of them from before.
    pub history: &'a History,
    /// What the agent can do: the name of each function and what it is for.
    pub functions: &'a [(&'a str, &'a str)],
    /// The time now, in the business's time zone.
    pub now: &'a Zoned,
}

/// Why a template cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// There is no such template.
    #[error("{name} is not a template: expected one of {}", Prompts::names().join(", "))]
    Unknown {
        /// The name of the template's file.
        name: String,
    },
    /// It is not a template, or fails on a sample.
    #[error("template {name}: {source:#}")]
    Broken {
        /// The name of the template's file.
        name: String,
        /// What the template engine says.
        source: minijinja::Error,
    },
    /// It is too long or nested too deep.
    #[error("template {name}: {source}")]
    Refused {
        /// The name of the template's file.
        name: String,
        /// What is too much.
        source: TemplateError,
    },
}

impl Prompts {
    /// The templates that come with the program.
    pub fn built_in() -> Self {
        Self::with(&BTreeMap::new()).expect("a test renders every built-in template")
    }

    /// The built-in templates, some replaced by others with the same file name.
    ///
    /// # Errors
    /// If a name is not a template's, or a template cannot be parsed or rendered with a sample.
    pub fn with(replacements: &BTreeMap<String, String>) -> Result<Self, PromptError> {
        let mut environment = Environment::new();
        // A failure's text would show the values that went in.
        environment.set_debug(false);
        environment.set_recursion_limit(DEPTH_MAX);
        environment.set_fuel(Some(FUEL_OF_FILES));
        // A namespace outlives an iteration, so a loop could nest a value without end.
        environment.remove_global("namespace");
        let unknown = replacements.keys().find(|name| !Self::names().contains(&name.as_str()));
        if let Some(name) = unknown {
            return Err(PromptError::Unknown { name: name.clone() });
        }
        for (name, built_in) in BUILT_IN {
            let source = replacements.get(name).map_or(built_in, String::as_str).to_owned();
            check_file(&source)
                .map_err(|source| PromptError::Refused { name: name.to_owned(), source })?;
            environment.add_template_owned(name, source).map_err(|source| broken(name, source))?;
        }
        let prompts = Self { environment };
        let sample = sample_values();
        for (name, _) in BUILT_IN {
            prompts.render(name, sample.clone())?;
        }
        Ok(prompts)
    }

    /// The file names of all templates.
    pub fn names() -> Vec<&'static str> {
        BUILT_IN.iter().map(|(name, _)| *name).collect()
    }

    /// The instructions of a whole conversation.
    ///
    /// # Errors
    /// If a replaced template fails on this agent although it did not on the sample.
    pub fn render_system(&self, briefing: &Briefing<'_>) -> Result<String, PromptError> {
        self.render("system.md", system_values(briefing))
    }

    /// The instructions of one reply, which stand in place of the conversation's. `None`: those of
    /// the conversation.
    ///
    /// # Errors
    /// If a replaced template fails on this agent although it did not on the sample.
    pub fn reply_instructions(
        &self,
        purpose: &Purpose,
        agent: &Agent,
    ) -> Result<Option<String>, PromptError> {
        let with_agent = agent_values(agent);
        let (name, context) = match purpose {
            Purpose::Answer => return Ok(None),
            Purpose::Greeting => ("greeting.md", with_agent),
            Purpose::Reprompt(times) => ("reprompt.md", context! { times => *times, ..with_agent }),
            Purpose::LimitWarning => ("limit_warning.md", with_agent),
            Purpose::Goodbye(reason, words) => {
                let reason = match reason {
                    GoodbyeReason::Done => "done",
                    GoodbyeReason::Idle => "idle",
                    GoodbyeReason::Limit => "limit",
                    GoodbyeReason::Ended => "ended",
                };
                ("goodbye.md", context! { reason => reason, words => words, ..with_agent })
            }
            Purpose::WelcomeBack => ("welcome_back.md", with_agent),
            Purpose::Filler => ("filler.md", with_agent),
            Purpose::Handover(target, words) => {
                ("handover.md", context! { target => target, words => words, ..with_agent })
            }
            Purpose::HandoverFailed(target) => {
                ("handover_failed.md", context! { target => target, ..with_agent })
            }
        };
        self.render(name, context).map(Some)
    }

    /// What the agent's knowledge has on what the caller has just said, best first; `None` if that
    /// is nothing. What stands in a passage cannot pass for an instruction of ours, or leave the
    /// block that it is in.
    ///
    /// # Errors
    /// If a replaced template fails on these passages although it did not on the sample.
    pub fn render_context(&self, passages: &[Passage]) -> Result<Option<String>, PromptError> {
        if passages.is_empty() {
            return Ok(None);
        }
        self.render("context.md", passage_values(passages)).map(Some)
    }

    /// The instructions of whoever sums up a call to `agent` that began then.
    ///
    /// # Errors
    /// If a replaced template fails on this agent although it did not on the sample.
    pub fn render_summary(&self, agent: &Agent, began: &Zoned) -> Result<String, PromptError> {
        self.render("summary.md", summary_values(agent, began))
    }

    fn render(&self, name: &str, context: Value) -> Result<String, PromptError> {
        let template =
            self.environment.get_template(name).map_err(|source| broken(name, source))?;
        let text = template.render(context).map_err(|source| broken(name, source))?;
        Ok(text.trim().to_owned())
    }
}

fn broken(name: &str, source: minijinja::Error) -> PromptError {
    PromptError::Broken { name: name.to_owned(), source }
}

/// Values for every name that a template may use.
fn sample_values() -> Value {
    let history = History {
        calls: vec![PastCall {
            started_us: 0,
            status: "completed".to_owned(),
            summary: Some(Private::new("Asked for the way.".to_owned())),
            messages: Private::new(vec!["Please call back.".to_owned()]),
        }],
        appointments: 1,
    };
    let functions: Vec<_> =
        Builtin::all().map(|builtin| (builtin.name(), "Does what it says.")).collect();
    let briefing = Briefing {
        agent: &Agent::new(AgentSource::default()),
        caller: &Private::new("+15551230001".to_owned()),
        history: &history,
        functions: &functions,
        now: &Zoned::default(),
    };
    let passage = Passage { id: 1, similarity: 1.0, text: "We are open.".to_owned() };
    let reply = context! { times => 1, reason => "done", target => "sales", words => "Bye." };
    let summary = summary_values(briefing.agent, briefing.now);
    context! { ..reply, ..passage_values(&[passage]), ..system_values(&briefing), ..summary }
}
