//! Agents that take no calls for now: the pages that an owner looks at each day say so, and one tap ends
//! a pause. Who forgets a pause misses calls for days.

use maud::{Markup, html};
use uuid::Uuid;

use super::layout::Shell;
use crate::store::access::{Role, VisibleAgent};

/// As many are named at once.
const AGENTS_MAX: usize = 5;

/// A page that says so, and that one comes back to when a pause is ended on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Today,
    Calls,
}

impl Place {
    const ALL: [Self; 2] = [Self::Today, Self::Calls];

    fn word(self) -> &'static str {
        match self {
            Self::Today => "today",
            Self::Calls => "calls",
        }
    }

    fn address(self) -> &'static str {
        match self {
            Self::Today => "/",
            Self::Calls => "/calls",
        }
    }
}

/// The page that a form was sent from by these words; none: from the agent's own.
pub(super) fn back(from: &str, chosen: &str) -> Option<String> {
    let from = Place::ALL.into_iter().find(|page| page.word() == from)?;
    Some(match chosen.parse::<Uuid>() {
        Ok(agent) => format!("{}?agent={agent}", from.address()),
        Err(_) => from.address().to_owned(),
    })
}

/// The agents of a page that take no calls for now.
pub(super) fn note(shell: &Shell, from: Place) -> Markup {
    let listed = shell.listed();
    let is_told = |one: &&VisibleAgent| one.concerns(shell.chosen.is_some());
    let told = listed.list().iter().filter(is_told);
    html! {
        @for agent in told.filter(|one| is_paused(one) || is_suspended(one) || is_off(one)).take(AGENTS_MAX) {
            div .note.warn.row {
                span .grow {
                    @if is_suspended(agent) {
                        bdi { (agent.business) } " takes no calls: whoever runs this server has suspended it. Ask them."
                    } @else if is_off(agent) {
                        bdi { (agent.business) } " takes no calls: it is switched off. Whoever calls its number gets \
                        what you have set for when it cannot take a call."
                    } @else {
                        bdi { (agent.business) } " takes no calls: it is set to “Unavailable for now”. \
                        Callers get what you have set for when it cannot take a call."
                    }
                }
                @if (is_paused(agent) || is_off(agent)) && agent.role >= Role::Maintainer {
                    form method="post" action={ "/agents/" (agent.id) "/status" } {
                        input type="hidden" name="status" value="on";
                        input type="hidden" name="from" value=(from.word());
                        @if let Some(chosen) = shell.chosen { input type="hidden" name="chosen" value=(chosen); }
                        button .main type="submit" { "Switch it on" span .hidden { ": " (agent.business) } }
                    }
                }
            }
        }
    }
}

fn is_paused(agent: &VisibleAgent) -> bool {
    agent.status == "active" && agent.is_away
}

/// Whether it is switched off, and somebody may still call its number.
fn is_off(agent: &VisibleAgent) -> bool {
    agent.status == "inactive" && agent.number.is_some() && !agent.is_being_set_up
}

fn is_suspended(agent: &VisibleAgent) -> bool {
    agent.status == "suspended"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_comes_back_to_the_page_that_said_so_and_to_no_other() {
        let agent = "00000000-0000-0000-0000-000000000001";
        assert_eq!(back("today", ""), Some("/".to_owned()));
        assert_eq!(back("calls", agent), Some(format!("/calls?agent={agent}")));
        assert_eq!(back("calls", "https://x.example"), Some("/calls".to_owned()));
        assert_eq!(back("https://x.example", agent), None);
    }
}
