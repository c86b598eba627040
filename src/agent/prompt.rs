//! What the agent is told: the templates of `prompts/`, filled in.

mod quoted;

use std::collections::BTreeMap;

use jiff::Zoned;
use minijinja::value::Value;
use minijinja::{Environment, context};

use super::phone_number::normalise_e164;
use super::{Agent, AgentSource};
use crate::call::{GoodbyeReason, Passage, Purpose};
use crate::private::Private;

/// How many days the agent can name without working them out.
const COMING_DAYS: usize = 14;

/// The longest that one passage may be, in characters: about a page.
const PASSAGE_MAX: usize = 2_000;
/// The longest that all passages of a turn may be, in bytes. The best come first.
const PASSAGES_MAX: usize = 16_000;

/// The templates by file name, with what they say unless they are replaced.
const BUILT_IN: [(&str, &str); 10] = [
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
];

/// All templates, parsed.
#[derive(Debug)]
pub struct Prompts {
    environment: Environment<'static>,
}

/// Why a template cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// There is no such template.
    #[error("{name} is not a template: expected one of {}", Prompts::names().join(", "))]
    Unknown {
        /// The file's name.
        name: String,
    },
    /// It is not a template, or fails on a sample.
    #[error("template {name}: {source:#}")]
    Broken {
        /// The file's name.
        name: String,
        /// What the template engine says.
        source: minijinja::Error,
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
        let unknown = replacements.keys().find(|name| !Self::names().contains(&name.as_str()));
        if let Some(name) = unknown {
            return Err(PromptError::Unknown { name: name.clone() });
        }
        for (name, built_in) in BUILT_IN {
            let source = replacements.get(name).map_or(built_in, String::as_str).to_owned();
            environment.add_template_owned(name, source).map_err(|source| broken(name, source))?;
        }
        let prompts = Self { environment };
        let sample = Agent::new(AgentSource::default());
        for (name, _) in BUILT_IN {
            prompts.render(name, system_context(&sample, None, &Zoned::default()))?;
        }
        Ok(prompts)
    }

    /// The file names of all templates.
    pub fn names() -> Vec<&'static str> {
        BUILT_IN.iter().map(|(name, _)| *name).collect()
    }

    /// The instructions of a whole conversation. A caller's number goes in only if it is one: what
    /// else stands there is the caller's choice.
    ///
    /// # Errors
    /// If a replaced template fails on this agent although it did not on the sample.
    pub fn render_system(
        &self,
        agent: &Agent,
        caller: &Private<String>,
        now: &Zoned,
    ) -> Result<String, PromptError> {
        let caller = normalise_e164(caller.reveal());
        self.render("system.md", system_context(agent, caller, now))
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
        let with_agent = agent_context(agent);
        let (name, context) = match purpose {
            Purpose::Answer => return Ok(None),
            Purpose::Greeting => ("greeting.md", with_agent),
            Purpose::Reprompt(times) => ("reprompt.md", context! { times => *times, ..with_agent }),
            Purpose::LimitWarning => ("limit_warning.md", with_agent),
            Purpose::Goodbye(reason) => {
                let reason = match reason {
                    GoodbyeReason::Done => "done",
                    GoodbyeReason::Idle => "idle",
                    GoodbyeReason::Limit => "limit",
                    GoodbyeReason::Ended => "ended",
                };
                ("goodbye.md", context! { reason => reason, ..with_agent })
            }
            Purpose::WelcomeBack => ("welcome_back.md", with_agent),
            Purpose::Filler => ("filler.md", with_agent),
            Purpose::Handover(target) => {
                ("handover.md", context! { target => target, ..with_agent })
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
        self.render("context.md", context! { passages => passage_texts(passages) }).map(Some)
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

/// The passages' texts, as many as there is room for.
fn passage_texts(passages: &[Passage]) -> Vec<String> {
    let mut used = 0;
    let texts = passages.iter().map(|passage| quoted::passage(&passage.text, PASSAGE_MAX));
    let fits = |text: &String| {
        used += text.len();
        used <= PASSAGES_MAX
    };
    texts.take_while(fits).collect()
}

/// What every template can say.
fn agent_context(agent: &Agent) -> Value {
    let business = &agent.business;
    context! {
        agent => context! { name => &agent.name },
        business => context! {
            name => &business.name,
            kind => &business.kind,
            phone => &business.phone,
            summary => &business.summary,
            context => &business.context,
        },
        greeting => agent.settings.greeting.as_deref().map(str::trim),
        language => &agent.settings.language,
    }
}

fn system_context(agent: &Agent, caller: Option<String>, now: &Zoned) -> Value {
    let days = agent.hours.coming_days(now, COMING_DAYS).into_iter().map(|day| {
        context! { date => day.date.to_string(), weekday => day.weekday, hours => day.hours }
    });
    let days: Value = days.collect();
    let local = now.with_time_zone(agent.hours.zone().clone());
    context! {
        now => context! {
            date => local.date().to_string(),
            weekday => local.strftime("%A").to_string(),
            time => local.strftime("%H:%M").to_string(),
            zone => local.time_zone().iana_name().unwrap_or("UTC"),
        },
        open => agent.hours.is_open(now.timestamp()),
        days => days,
        caller => caller,
        instructions => agent.settings.instructions.trim(),
        ..agent_context(agent)
    }
}
