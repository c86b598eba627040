//! Set-ups that were begun and are not over: each page about such an agent leads back to its set-up.

use maud::{Markup, html};
use uuid::Uuid;

use super::layout::Shell;
use crate::store::access::{Role, VisibleAgent};
use crate::web::AppState;

/// As many are named at once.
const AGENTS_MAX: usize = 3;

/// To somebody who sees no agent: that there are some, and how they come to see theirs. Where people sign up
/// by themselves it goes without saying.
pub(super) async fn none_of_theirs(state: &AppState, shell: &Shell) -> Markup {
    let is_told = state.owners.supabase.is_none()
        && state.owners.store.has_agents().await.unwrap_or_default();
    html! {
        @if is_told {
            div .note {
                p { "There are agents on this server, and none that you may see: you are signed in as "
                    bdi { (shell.viewer.email().reveal()) } "." }
                p { "Is one of them yours? Its owner invites this address on the page People. If you run this server and were here under another name, sign out, and make a link with "
                    code { "frontdesk token" } ": without an address it is for whoever looks after the server." }
            }
        }
    }
}

/// The way back to the set-up of this agent, or of all that the page is about; nothing where all are
/// set up, or the viewer may not go on with it.
pub(super) fn go_on(shell: &Shell, agent: Option<Uuid>) -> Markup {
    let agent = agent.or(shell.chosen);
    let may = |one: &&VisibleAgent| one.role >= Role::Maintainer && one.concerns(agent.is_some());
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
