//! The agents: what in their rows cannot be used, and who answers which number.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::finding::Finding;
use crate::agent::{Agent, AgentSource, Status};
use crate::clock::within;
use crate::store::{Store, StoreError};

/// Agents that are looked at.
const AGENTS_MAX: u32 = 500;
/// The longest name that is shown, in characters.
const NAME_MAX: usize = 60;
/// How long the database may take to give them.
const READ_LIMIT: std::time::Duration = std::time::Duration::from_secs(15);

const AGENTS: &str = "agents";

/// The agents that were read.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) agents: Vec<Agent>,
}

/// Reads the agents, and adds what is to be said of them.
pub(super) async fn read(store: &Store, findings: &mut Vec<Finding>) -> Known {
    let late = || Err(StoreError::Away("no answer in time".to_owned()));
    let (rows, unreadable) =
        match within(READ_LIMIT, store.agents(AGENTS_MAX)).await.unwrap_or_else(late) {
            Ok(read) => read,
            Err(error) => {
                let found = format!("they cannot be read: {error}");
                let remedy = "see whether the schema is current and the role may read voice_agents";
                findings.push(Finding::fail(AGENTS, found, remedy));
                return Known::default();
            }
        };
    if unreadable > 0 {
        let found = format!("rows of voice_agents that cannot be read: {unreadable}");
        findings.push(Finding::fail(AGENTS, found, "give their columns the types of the schema"));
    }
    if rows.len() + unreadable >= AGENTS_MAX as usize {
        let found = format!("only the first {AGENTS_MAX} are looked at");
        findings.push(Finding::warn(AGENTS, found, "look at the others' settings in the log"));
    }
    if rows.is_empty() {
        let remedy = "set one up in the console, or add a row to voice_agents";
        findings.push(Finding::warn(AGENTS, "there are none: no call is answered", remedy));
    }
    let agents: Vec<Agent> = rows.into_iter().map(|row| one(row, findings)).collect();
    findings.extend(shared_numbers(&agents));
    Known { agents }
}

/// How an agent is called in what is found.
pub(super) fn named(agent: &Agent) -> String {
    let name: String = agent.name.trim().chars().take(NAME_MAX).collect();
    format!("agent {}", if name.is_empty() { agent.id.to_string() } else { name })
}

fn one(row: AgentSource, findings: &mut Vec<Finding>) -> Agent {
    let names: BTreeMap<Uuid, String> = row
        .functions
        .iter()
        .filter_map(|function| Some((function.id, function.name.clone()?)))
        .collect();
    let agent = Agent::new(row);
    let check = named(&agent);
    let before = findings.len();
    for fault in &agent.faults {
        let path = by_name(&fault.path, &names);
        let found = format!("{path}: found {}", fault.found);
        let remedy = format!("accepted is {}", fault.accepted);
        findings.push(Finding::warn(&check, found, remedy));
    }
    if agent.number.is_none() {
        let found = "it has no number that can be called";
        let remedy = "set twilio_phone_number, in E.164, such as +15551230001";
        findings.push(Finding::warn(&check, found, remedy));
    }
    if agent.status != Status::Active || agent.unavailable {
        let found = "it is out of service: calls go to its fallback";
        let remedy = "set status to active and \"unAvailable\" to false, if that is not meant";
        findings.push(Finding::warn(&check, found, remedy));
    }
    if findings.len() == before {
        findings.push(Finding::ok(check, "its settings and functions can be used"));
    }
    agent
}

/// A fault's path, with a function's name in the place of its id.
fn by_name(path: &str, names: &BTreeMap<Uuid, String>) -> String {
    let renamed = || {
        let rest = path.strip_prefix("functions.")?;
        let (id, rest) = rest.split_at_checked(36)?;
        let name: String = names.get(&id.parse().ok()?)?.trim().chars().take(NAME_MAX).collect();
        Some(format!("function {name}{}", rest.replacen('.', ": ", 1)))
    };
    renamed().unwrap_or_else(|| path.to_owned())
}

/// Of several active agents with one number only the one that holds it is ever heard. It comes first.
fn shared_numbers(agents: &[Agent]) -> Vec<Finding> {
    let mut by_number: BTreeMap<&str, Vec<&Agent>> = BTreeMap::new();
    for agent in agents.iter().filter(|agent| agent.status == Status::Active) {
        if let Some(number) = &agent.number {
            by_number.entry(number).or_default().push(agent);
        }
    }
    let shared = by_number.into_iter().filter(|(_, agents)| agents.len() > 1);
    shared
        .map(|(number, agents)| {
            let names: Vec<String> = agents.iter().map(|agent| named(agent)).collect();
            let found = format!("{} have it, and the first answers", names.join(" and "));
            let remedy = "give each agent a number of its own, or set the others inactive";
            Finding::warn(format!("number {number}"), found, remedy)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_called_by_its_name() {
        let id = Uuid::from_u128(7);
        let names = BTreeMap::from([(id, "book_table".to_owned())]);
        let path = format!("functions.{id}.data.url");
        assert_eq!(by_name(&path, &names), "function book_table: data.url");
        assert_eq!(by_name(&path, &BTreeMap::new()), path);
        for path in ["private_settings.voice", "functions.", "functions.x.data"] {
            assert_eq!(by_name(path, &names), path);
        }
    }
}
