//! Set-ups that were begun and are not over: each page about such an agent leads back to its set-up.

use maud::{Markup, html};
use uuid::Uuid;

use super::layout::Shell;
use crate::store::access::{Role, VisibleAgent};

/// As many are named at once.
const AGENTS_MAX: usize = 3;

/// The way back to the set-up of this agent, or of all that the page is about; nothing where all are
/// set up, or the viewer may not go on with it.
pub(super) fn go_on(shell: &Shell, agent: Option<Uuid>) -> Markup {
    let agent = agent.or(shell.chosen);
    // Whoever looks after the server sees everybody's agents, and is asked about their own alone.
    let may = |one: &&VisibleAgent| match one.role {
        Role::Admin => one.is_theirs || agent.is_some(),
        role => role >= Role::Maintainer,
    };
    let agents = shell.agents.only(agent);
    let unfinished = agents.list().iter().rev().filter(|one| one.is_being_set_up);
    html! {
        @for agent in unfinished.filter(may).take(AGENTS_MAX) {
            div .note .row {
                span .grow { "The set-up of " bdi { (agent.business) } " is not finished. Nobody can call it yet." }
                a .button .main href={ "/setup?agent=" (agent.id) } { "Go on with the set-up" }
            }
        }
    }
}
