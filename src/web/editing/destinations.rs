//! A change must not send a secret to where it has not gone so far: who changes an agent need not know
//! its secrets, and would read them there. Who has typed a secret knows it, and an owner answers for it.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use super::{document, function};
use crate::agent::edit::destinations::{
    Destination, Destinations, Held, Unplain, destinations, unplain,
};
use crate::agent::edit::mask::{MASK, Path, is_along};
use crate::agent::{Agent, AgentSource};
use crate::functions::rendered;
use crate::store::access::Role;
use crate::store::agent_edits::Editing;
use crate::store::people::{Credential, Viewer};
use crate::web::problem::Problem;

/// The kind of function that asks a service.
const JSON_API: &str = "json_api";

/// Refuses a function that would send a secret to another place than before; the secrets `kept` in its
/// row were not typed.
///
/// # Errors
/// [`Problem`]: 422 with the field where the secret belongs.
pub(super) async fn check_function(
    editing: &mut Editing,
    who: (&Viewer, Role),
    (id, after): (Uuid, &Value),
    kept: &[Path],
) -> Result<(), Problem> {
    let row = editing.agent.clone();
    all_are_read(&row, who)?;
    let stored = row.functions.iter().find(|function| function.id == id).map(function::document);
    let agent = document::document(&row);
    let mut functions = functions(&row);
    let before = of(&row, &agent, functions.clone()).await?;
    functions.retain(|(other, _)| *other != id);
    functions.push((id, after.clone()));
    let sent = of(&row, &agent, functions).await?;
    let changing = Changing::Function { id, kept };
    check(editing, who, &changing, (&before, &sent)).await?;
    if answering(who) < Role::Owner && after["type"] == JSON_API {
        // What stood in another kind of function was not looked at.
        let stored = stored.filter(|stored| stored["type"] == JSON_API).unwrap_or_default();
        let found = unplain(&stored["data"], &after["data"], kept);
        return found.map_or(Ok(()), |found| Err(not_plain(&found)));
    }
    Ok(())
}

/// What somebody is when it comes to secrets. A key that leaked does not answer for them as its owner
/// would.
fn answering((viewer, role): (&Viewer, Role)) -> Role {
    if is_key(viewer) { role.min(Role::Maintainer) } else { role }
}

fn is_key(viewer: &Viewer) -> bool {
    matches!(viewer.credential(), Credential::Token(_))
}

/// Refuses a change of an agent by which a secret would go to another place than before.
///
/// # Errors
/// [`Problem`]: 422 with the field where the secret belongs.
pub(super) async fn check_agent(
    editing: &mut Editing,
    who: (&Viewer, Role),
    typed: Typed,
    (before, after): (&Value, &Value),
) -> Result<(), Problem> {
    let row = editing.agent.clone();
    all_are_read(&row, who)?;
    let functions = functions(&row);
    let before = of(&row, before, functions.clone()).await?;
    let after = of(&row, after, functions).await?;
    check(editing, who, &Changing::Agent(typed), (&before, &after)).await
}

/// Refuses a change by whoever does not answer for the secrets while nobody can tell where they go: a row
/// that is too large to be read may send them anywhere.
fn all_are_read(row: &AgentSource, who: (&Viewer, Role)) -> Result<(), Problem> {
    if answering(who) >= Role::Owner || row.unread().is_empty() {
        return Ok(());
    }
    let why = "something of this agent is too large to be read, so nobody can tell where its secrets go; its \
               owner, signed in, has to make it smaller first";
    Err(Problem::new(StatusCode::CONFLICT, why))
}

/// What is changed, and what of its secrets was typed with it.
#[derive(Debug)]
enum Changing<'k> {
    /// A function; these secrets of its row are kept.
    Function { id: Uuid, kept: &'k [Path] },
    /// The agent; these of its settings were typed.
    Agent(Typed),
}

/// Secrets in the settings that were typed.
#[derive(Debug, Default)]
pub(super) struct Typed {
    named: BTreeSet<String>,
    signing: bool,
}

impl Typed {
    /// Those that stand in what was sent: `settings`, before what is stored is put in the place of masks.
    pub(super) fn in_settings(sent: Option<&Value>) -> Self {
        let Some(sent) = sent else { return Self::default() };
        let named = sent["secrets"].as_object().into_iter().flatten();
        Self {
            named: named.filter(|(_, it)| *it != MASK).map(|(name, _)| name.clone()).collect(),
            signing: sent["webhook"].get("secret").is_some_and(|secret| secret != MASK),
        }
    }
}

impl Changing<'_> {
    /// The secrets that would go where they have not gone, and for which neither the change nor the role
    /// of who makes it answers.
    fn sent_anew<'d>(
        &self,
        before: &'d Destinations,
        after: &'d Destinations,
        role: Role,
    ) -> impl Iterator<Item = &'d Held> {
        let answers = move |held: &Held| match (held, self) {
            (Held::Signing, _) => false,
            (Held::InRow { function, .. }, Self::Function { id, .. }) if function == id => false,
            (Held::InRow { .. } | Held::Named(_) | Held::Any, _) => role >= Role::Owner,
        };
        let anew = after.difference(before);
        let anew = anew.filter(|(_, to)| !self.is_put_off(to)).map(|(held, _)| held);
        anew.filter(move |held| !self.is_typed(held) && !answers(held))
    }

    /// Whether a change of the agent sends nothing there: the one by which it would is looked at again.
    fn is_put_off(&self, to: &Destination) -> bool {
        matches!((self, to), (Self::Agent(_), Destination::Unfilled(_)))
    }

    fn is_typed(&self, held: &Held) -> bool {
        match (self, held) {
            (Self::Function { id, kept }, Held::InRow { function, path }) => {
                id == function && !kept.iter().any(|kept| is_along(kept, path))
            }
            (Self::Agent(typed), Held::Named(name)) => typed.named.contains(name),
            (Self::Agent(typed), Held::Signing) => typed.signing,
            _ => false,
        }
    }
}

/// Where an agent sends its secrets if its document is this and its functions are these.
async fn of(
    row: &AgentSource,
    document: &Value,
    functions: Vec<(Uuid, Value)>,
) -> Result<Destinations, Problem> {
    let agent = Agent::new(document::source(row, document));
    let rows: Vec<_> = functions
        .into_iter()
        .map(|(id, mut function)| (id, function["type"].take(), function["data"].take()))
        .collect();
    let found = rendered(agent.id, move || destinations(&agent, &rows)).await;
    found.map_err(|why| Problem::new(StatusCode::SERVICE_UNAVAILABLE, why.to_string()).unchanged())
}

/// The documents of an agent's functions.
fn functions(row: &AgentSource) -> Vec<(Uuid, Value)> {
    row.functions.iter().map(|row| (row.id, function::document(row))).collect()
}

async fn check(
    editing: &mut Editing,
    who: (&Viewer, Role),
    changing: &Changing<'_>,
    (before, after): (&Destinations, &Destinations),
) -> Result<(), Problem> {
    let (viewer, stored) = (who.0, document::document(&editing.agent));
    for held in changing.sent_anew(before, after, answering(who)) {
        let is_known = match held {
            // Who removed it does not know what it will be.
            Held::Named(name)
                if !is_key(viewer) && stored["settings"]["secrets"][name].is_string() =>
            {
                editing.typed_by(name).await? == Some(viewer.id())
            }
            _ => false,
        };
        if !is_known {
            return Err(refused(held, changing));
        }
    }
    Ok(())
}

/// The same for a draft that is tried and not written.
///
/// # Errors
/// [`Problem`]: 422 with the field where the secret belongs.
pub(super) async fn check_draft(
    row: &AgentSource,
    who: (&Viewer, Role),
    typed: Typed,
    (before, after): (&Value, &Value),
) -> Result<(), Problem> {
    let functions = functions(row);
    let before = of(row, before, functions.clone()).await?;
    let after = of(row, after, functions).await?;
    let changing = Changing::Agent(typed);
    let anew = changing.sent_anew(&before, &after, answering(who)).next();
    anew.map_or(Ok(()), |held| Err(refused(held, &changing)))
}

fn not_plain(found: &Unplain) -> Problem {
    match found {
        Unplain::Use(path) => Problem::invalid(
            format!("data.{}", path.join(".")),
            "accepted is a secret as it is, {{ secrets.NAME }}, with no filter, part, condition, loop \
             or block; have an owner write anything else",
        ),
        Unplain::Host => Problem::invalid(
            "data.url",
            "secrets go there; accepted is a host that is written out, such as https://crm.example/; \
             have an owner write a template in the host",
        ),
    }
}

fn refused(held: &Held, changing: &Changing<'_>) -> Problem {
    const AGAIN: &str = "a mask keeps a secret only for the scheme, host and port that it has gone to \
                         so far, and these are other ones now; type the secret again, or leave it out";
    match (held, changing) {
        (Held::Signing, _) => Problem::invalid("settings.webhook.secret", AGAIN),
        (Held::InRow { path, .. }, Changing::Function { .. }) => {
            Problem::invalid(format!("data.{}", path.join(".")), AGAIN)
        }
        (Held::Any, Changing::Function { .. }) => Problem::invalid(
            "data.url",
            "a template picks among the secrets, and these have not gone to this scheme, host and \
             port so far; name one as {{ secrets.NAME }}, or have an owner make this change",
        ),
        (Held::Named(name), Changing::Function { .. }) => Problem::invalid(
            "data.url",
            format!(
                "the secret {name} has not gone to this scheme, host and port so far; type it again \
                 under the secrets first, or have an owner make this change"
            ),
        ),
        (Held::InRow { .. } | Held::Named(_) | Held::Any, Changing::Agent(_)) => Problem::invalid(
            "settings",
            "a function would send its secrets to another scheme, host or port by this; have an \
             owner make this change",
        ),
    }
}
