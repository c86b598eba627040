//! What the templates are filled in with.

use jiff::{Timestamp, Zoned};
use minijinja::context;
use minijinja::value::Value;

use super::Briefing;
use super::quoted::{line, passage, quoted};
use crate::agent::Agent;
use crate::agent::function::{Builtin, Work};
use crate::agent::phone_number::caller_number;
use crate::call::Passage;

/// How many days the agent can name without working them out.
const COMING_DAYS: usize = 14;

/// The longest that one passage may be, in characters: about a page.
const PASSAGE_MAX: usize = 2_000;
/// The longest that all passages of a turn may be, in bytes. The best come first.
const PASSAGES_MAX: usize = 16_000;
/// The longest that one record of an earlier call may be, in characters.
const RECORD_MAX: usize = 400;
/// The longest that a function's description may be, in characters.
pub const DESCRIPTION_MAX: usize = 300;

/// What every template can say.
pub(super) fn agent_values(agent: &Agent) -> Value {
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

/// What the template of a whole conversation can say besides.
pub(super) fn system_values(briefing: &Briefing<'_>) -> Value {
    let Briefing { agent, now, .. } = *briefing;
    let days = agent.hours.coming_days(now, COMING_DAYS).into_iter().map(|day| {
        context! { date => day.date.to_string(), weekday => day.weekday, hours => day.hours }
    });
    let local = now.with_time_zone(agent.hours.zone().clone());
    let here = context! {
        now => context! {
            zone => local.time_zone().iana_name().unwrap_or("UTC"),
            zone_is_known => agent.hours.has_zone(),
            ..moment(&local)
        },
        open => agent.hours.is_open(now.timestamp()),
        hours_are_kept => agent.hours.are_kept(),
        days => days.collect::<Value>(),
        instructions => agent.settings.instructions.trim(),
    };
    context! {
        ..here, ..caller_values(briefing), ..function_values(briefing), ..agent_values(agent)
    }
}

/// What the template for summing up a call can say.
pub(super) fn summary_values(agent: &Agent, began: &Zoned) -> Value {
    let local = began.with_time_zone(agent.hours.zone().clone());
    let days = agent
        .hours
        .coming_days(&local, COMING_DAYS)
        .into_iter()
        .map(|day| context! { date => day.date.to_string(), weekday => day.weekday });
    let call = context! {
        zone => local.time_zone().iana_name().unwrap_or("UTC"),
        ..moment(&local)
    };
    context! { call => call, days => days.collect::<Value>(), ..agent_values(agent) }
}

/// The caller's number, and what was before. A number goes in only if it is one: what else stands
/// there is the caller's choice.
fn caller_values(briefing: &Briefing<'_>) -> Value {
    let at = |us| local(briefing.agent, us);
    let calls = briefing.history.calls.iter().filter_map(|call| {
        let messages = call.messages.reveal().iter();
        Some(context! {
            at => at(call.started_us)?,
            status => &call.status,
            summary => call.summary.as_ref().map(|summary| quoted(summary.reveal(), RECORD_MAX)),
            messages => messages.map(|text| quoted(text, RECORD_MAX)).collect::<Value>(),
        })
    });
    context! {
        caller => caller_number(briefing.caller.reveal()),
        calls => calls.collect::<Value>(),
        appointments => briefing.history.appointments,
    }
}

/// What the agent can do, and what its built-in functions are called: a row may have given one
/// another name, and those that are not offered are not there.
fn function_values(briefing: &Briefing<'_>) -> Value {
    let functions = briefing.functions.iter().map(|(name, description)| {
        context! { name => *name, description => line(description, DESCRIPTION_MAX) }
    });
    let offered = briefing
        .functions
        .iter()
        .filter_map(|(name, _)| Some((built_in(briefing.agent, name)?.name(), *name)));
    context! { functions => functions.collect::<Value>(), offered => Value::from_pairs(offered) }
}

/// The built-in function that the model calls by this name.
fn built_in(agent: &Agent, name: &str) -> Option<Builtin> {
    let row = agent.functions.rows.iter().find(|row| row.name == name);
    match row.map(|row| &row.work) {
        Some(Work::Builtin(builtin, _)) => Some(*builtin),
        // One of the owner's that stands in for a built-in one has its name.
        _ => Builtin::named(name),
    }
}

/// The passages' texts, as many as there is room for.
pub(super) fn passage_values(passages: &[Passage]) -> Value {
    let mut used = 0;
    let texts = passages.iter().map(|found| passage(&found.text, PASSAGE_MAX));
    let fits = |text: &String| {
        used += text.len();
        used <= PASSAGES_MAX
    };
    context! { passages => texts.take_while(fits).collect::<Value>() }
}

/// A time as a caller would be told of it, where the business is; `None` if no calendar has it.
fn local(agent: &Agent, us: i64) -> Option<Value> {
    let at = Timestamp::from_microsecond(us).ok()?;
    Some(moment(&at.to_zoned(agent.hours.zone().clone())))
}

fn moment(at: &Zoned) -> Value {
    context! {
        weekday => at.strftime("%A").to_string(),
        date => at.date().to_string(),
        time => at.strftime("%H:%M").to_string(),
    }
}
