//! Whose an agent's number is. An administrator assigns one, of the server's Twilio account too; what
//! anybody else types is the agent's only with an account of its own (migration 0036).

use serde_json::{Value, json};

use super::agent::parts;
use super::document::{document, source};
use crate::agent::{Agent, AgentSource};
use crate::store::access::{AgentAccess, Maintain};
use crate::store::agent_edits::AgentWrite;
use crate::store::people::Viewer;
use crate::store::taken_numbers::NumberRow;
use crate::web::AppState;
use crate::web::problem::Problem;

/// The path of the number among those of a change.
pub(super) const NUMBER: &str = "twilio_phone_number";

/// The number that an agent would have by a change, where that is only what somebody typed. Another
/// spelling of the same number is no other number.
pub(super) fn typed(
    row: &AgentSource,
    (before, after): (&Value, &Value),
    touched: &[String],
    viewer: &Viewer,
) -> Option<String> {
    let number = after[NUMBER].as_str()?;
    let is_given = touched.iter().any(|path| path == NUMBER);
    let is_assigned = match is_given {
        true if viewer.is_admin() => true,
        true => !row.is_number_typed && is_same(row, before, after),
        false => !row.is_number_typed,
    };
    (!is_assigned).then(|| number.to_owned())
}

fn is_same(row: &AgentSource, before: &Value, after: &Value) -> bool {
    let mut respelt = after.clone();
    respelt[NUMBER] = before[NUMBER].clone();
    let read = |document| Agent::new(source(row, document)).number;
    before[NUMBER] == after[NUMBER] || read(&respelt).is_some_and(|old| read(after) == Some(old))
}

/// Adds to what a change writes whose word the number is.
pub(super) fn mark(write: &mut AgentWrite, row: &AgentSource, after: &Value, typed: Option<&str>) {
    let now = row.number.as_ref().filter(|_| row.is_number_typed);
    let is_as_it_was = now.map(|now| now.reveal().as_str()) == typed
        && row.number.as_ref().map(|now| now.reveal().as_str()) == after[NUMBER].as_str();
    if is_as_it_was {
        return;
    }
    let mut columns = write.agent.take().map_or_else(|| json!({}), |columns| columns.into_inner());
    columns["number_typed"] = json!(typed);
    write.agent = Some(columns.into());
}

/// Keeps as a version that an agent has its number now, in the place of the one that it had.
///
/// # Errors
/// [`Problem`].
pub(in crate::web) async fn note_version(
    state: &AppState,
    viewer: &Viewer,
    access: &AgentAccess<Maintain>,
    had: &NumberRow,
) -> Result<(), Problem> {
    let Some(editing) = state.owners.store.edit_agent(access).await? else { return Ok(()) };
    let after = document(&editing.agent);
    let mut before = after.clone();
    before[NUMBER] = json!(had.number.as_ref().map(|number| number.reveal()));
    let write = AgentWrite { parts: parts(&before, &after), ..AgentWrite::default() };
    if !write.parts.is_empty() {
        editing.write(viewer, "agent.change", &write).await?;
    }
    Ok(())
}
