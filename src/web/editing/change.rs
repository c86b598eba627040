//! Changing an agent and its business: what is wanted is read, checked and written in one transaction.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::agent::{apply, conflict, plan};
use super::destinations::{Typed, check_agent};
use super::document::{document, source};
use super::{Seen, access, make_known, number};
use crate::agent::{Agent, AgentSource};
use crate::store::access::{Maintain, Object};
use crate::store::agent_edits::WriteError;
use crate::store::people::Viewer;
use crate::store::setup::SetupMove;
use crate::store::taken_numbers::{ListedNumber, NumberHolder};
use crate::web::AppState;
use crate::web::numbers::UNUSABLE;
use crate::web::numbers::listed::listed;
use crate::web::problem::Problem;

/// What became of a change.
#[derive(Debug)]
pub(in crate::web) struct Changed {
    /// The versions that it is; none if nothing differs.
    pub(in crate::web) versions: Vec<i32>,
}

/// Changes an agent: `change` has the fields that are to be other, `settings` merged into what is
/// there (null removes), each of `business` replaced.
///
/// # Errors
/// [`Problem`]: the field that is not accepted, or what stands in the way.
pub(in crate::web) async fn change(
    state: &AppState,
    viewer: &Viewer,
    id: Uuid,
    change: Map<String, Value>,
    seen: Option<&Seen>,
) -> Result<Changed, Problem> {
    let wish = Wish { state, viewer, id, action: "agent.change", change, seen, to: None };
    wish.carried_out().await
}

/// Changes an agent that is being set up, and says where its set-up goes. Of one that is not, nothing is
/// changed. An agent whose set-up ends answers from then on.
///
/// # Errors
/// [`Problem`], as of a change; 409 where it is not being set up.
pub(in crate::web) async fn set_up(
    state: &AppState,
    viewer: &Viewer,
    id: Uuid,
    mut change: Map<String, Value>,
    to: SetupMove,
) -> Result<(), Problem> {
    let action = match to {
        SetupMove::To(_) => "agent.change",
        SetupMove::End => "agent.activate",
    };
    if to == SetupMove::End {
        change.insert("status".to_owned(), "active".into());
    }
    let wish = Wish { state, viewer, id, action, change, seen: None, to: Some(to) };
    wish.carried_out().await.map(|_| ())
}

/// What somebody wants of an agent.
struct Wish<'a> {
    state: &'a AppState,
    viewer: &'a Viewer,
    id: Uuid,
    /// What the audit log calls it.
    action: &'static str,
    change: Map<String, Value>,
    seen: Option<&'a Seen>,
    to: Option<SetupMove>,
}

/// Why it was not done.
enum Failure {
    Problem(Problem),
    /// Another agent has the number that this one would answer.
    NumberOfAnother(Box<Agent>),
}

impl<E> From<E> for Failure
where
    Problem: From<E>,
{
    fn from(error: E) -> Self {
        Self::Problem(error.into())
    }
}

impl Wish<'_> {
    /// Where another agent has its number, Twilio is asked whose it is, outside of any transaction.
    async fn carried_out(&self) -> Result<Changed, Problem> {
        let agent = match self.attempted(None).await {
            Ok(changed) => return Ok(changed),
            Err(Failure::Problem(problem)) => return Err(problem),
            Err(Failure::NumberOfAnother(agent)) => agent,
        };
        let Some(listed) = listed(self.state, &agent).await else {
            return Err(self.unusable(&agent).await);
        };
        match self.attempted(Some(listed)).await {
            Ok(changed) => Ok(changed),
            Err(Failure::Problem(problem)) => Err(problem),
            Err(Failure::NumberOfAnother(_)) => Err(self.unusable(&agent).await),
        }
    }

    /// The same as of a number that nobody could use: whose it is, is theirs to tell. An administrator, who
    /// sees all agents and has the last word on their numbers, is told where it is to be taken from.
    async fn unusable(&self, agent: &Agent) -> Problem {
        let number = agent.number.as_deref().unwrap_or_default();
        let store = &self.state.owners.store;
        let why = match store.number_holder(self.viewer, (number, self.id)).await {
            Ok(Some(holder)) => {
                let NumberHolder { agent, name, is_typed } = holder;
                let how = if is_typed { ", for which somebody typed it" } else { "" };
                format!(
                    "the agent {name} ({agent}) has this number{how}, and Twilio does not list it for \
                     the account of this one; take it from that one first"
                )
            }
            Ok(None) => UNUSABLE.to_owned(),
            Err(error) => return error.into(),
        };
        Problem::invalid(number::NUMBER, why)
    }

    async fn attempted(&self, listed: Option<ListedNumber>) -> Result<Changed, Failure> {
        let (state, viewer, id) = (self.state, self.viewer, self.id);
        let access = access::<Maintain>(state, viewer, Object::Agent(id), self.action).await?;
        let editing = state.owners.store.edit_agent(&access).await?;
        let mut editing = editing.ok_or_else(Problem::not_found)?;
        let row = editing.agent.clone();
        let before = document(&row);
        let sent = Typed::in_settings(self.change.get("settings"));
        let applied = apply(&before, self.change.clone(), viewer)?;
        let is_good = applied.wrong.is_empty();
        if is_good && self.seen.is_some_and(|seen| !seen.still_holds(&before)) {
            return Err(conflict(&before, &applied.after).into());
        }
        let touched = applied.touched.clone();
        let (mut write, after) = plan(&row, &before, applied)?;
        check_agent(&mut editing, (viewer, access.role()), sent, (&before, &after)).await?;
        let typed = number::typed(&row, (&before, &after), &touched, viewer);
        number::mark(&mut write, &row, &after, typed.as_deref());
        write.setup = self.to;
        write.listed = listed;
        if write.setup.is_none() && write.agent.is_none() && write.parts.is_empty() {
            return Ok(Changed { versions: Vec::new() });
        }
        let written = editing.write(viewer, self.action, &write).await;
        let versions = written.map_err(|error| match error {
            WriteError::Conflict { column: Some(column), .. } if column == number::NUMBER => {
                let is_number_typed = typed.is_some();
                let source = AgentSource { is_number_typed, ..source(&row, &after) };
                Failure::NumberOfAnother(Box::new(Agent::new(source)))
            }
            error => error.into(),
        })?;
        make_known(state, id, after[number::NUMBER].as_str()).await;
        Ok(Changed { versions })
    }
}
