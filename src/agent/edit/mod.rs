//! What an owner changes of an agent, checked by the very code that reads it for a call. A call goes
//! on with a default where a value is bad; here a bad value is refused while its writer can mend it.

pub mod cautions;
pub mod destinations;
pub mod mask;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::Value;
use uuid::Uuid;

use super::fault::{FUNCTIONS, Faults, SettingFault};
use super::function::{FunctionSource, Functions};
use super::numbers::Numbering;
use super::{Agent, AgentSource};

/// Settings that hold numbers: what they mean depends on the business too.
const WITH_NUMBERS: [&str; 2] = ["transfer", "fallback"];

/// `private_settings` as an object: a text of JSON is what the text says, and what is no object is as
/// good as none.
pub fn unpacked(settings: &Value) -> Value {
    let inner = match settings {
        Value::String(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        other => other.clone(),
    };
    if inner.is_object() { inner } else { Value::Object(serde_json::Map::new()) }
}

/// What an edit gets wrong, functions apart. `touched` are the paths of the values that it writes,
/// such as `private_settings.limits.call_seconds`; what was wrong before elsewhere does not count.
pub fn faults_of_edit(
    before: &AgentSource,
    after: &AgentSource,
    touched: &[String],
) -> Vec<SettingFault> {
    let sections: BTreeSet<&str> = touched
        .iter()
        .filter_map(|path| path.strip_prefix("private_settings."))
        .filter_map(|path| path.split('.').next())
        .chain(WITH_NUMBERS)
        .collect();
    // The most faults of an agent that are reported must not be used up by others.
    let read = |source: &AgentSource| {
        let mut settings = unpacked(source.private_settings.reveal());
        if let Value::Object(fields) = &mut settings {
            fields.retain(|name, _| sections.contains(name.as_str()));
        }
        let source = AgentSource {
            private_settings: settings.into(),
            functions: Vec::new(),
            ..source.clone()
        };
        Agent::new(source).faults
    };
    let known = read(before);
    let is_touched = |path: &str| touched.iter().any(|touched| is_within(path, touched));
    let faults = read(after).into_iter();
    faults.filter(|fault| !known.contains(fault) || is_touched(&fault.path)).collect()
}

/// Whether one path leads to the other, or is it.
fn is_within(one: &str, other: &str) -> bool {
    let (long, short) = if one.len() >= other.len() { (one, other) } else { (other, one) };
    long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// What is wrong with a function, or becomes wrong with another one by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionFault {
    /// The function that would be left out.
    pub function: Uuid,
    /// Where in its row, such as `data.url`.
    pub field: String,
    /// What was found there.
    pub found: &'static str,
    /// What is accepted.
    pub accepted: String,
}

/// What would be wrong if an agent's rows were these, the oldest first. Rows that are not used now are
/// not looked at, but for the one with the id `edited`.
pub fn faults_of_functions(
    agent: &Agent,
    rows: Vec<FunctionSource>,
    edited: Uuid,
) -> Vec<FunctionFault> {
    let numbering = Numbering { region: agent.region, own: agent.number.as_deref() };
    let used: BTreeSet<Uuid> = agent.functions.rows.iter().map(|row| row.id).collect();
    let rows = rows.into_iter().filter_map(|row| {
        let is_edited = row.id == edited;
        // One that is switched off is checked as if it were not: it may be switched on later.
        let is_active = if is_edited { Some(true) } else { row.is_active };
        (is_edited || used.contains(&row.id)).then_some(FunctionSource { is_active, ..row })
    });
    let mut faults = Faults::default();
    Functions::read(rows.collect(), numbering, &mut faults);
    let parted = faults.0.into_iter().filter_map(|fault| {
        let rest = fault.path.strip_prefix(FUNCTIONS)?;
        let (id, field) = rest.split_once('.').unwrap_or((rest, ""));
        Some(FunctionFault {
            function: id.parse().ok()?,
            field: field.to_owned(),
            found: fault.found,
            accepted: fault.accepted,
        })
    });
    parted.collect()
}
