//! What an agent that was set up can do now, and what is still missing.

use maud::{Markup, html};
use uuid::Uuid;

use super::talk::not_in_use;
use crate::agent::phone_number::readable;
use crate::agent::{Agent, Status};
use crate::store::access::Role;
use crate::web::console::layout::Shell;
use crate::web::speech::Trouble;

/// What an agent was given.
pub(super) struct Given<'a> {
    pub(super) agent: &'a Agent,
    /// The number that calls reach it at.
    pub(super) number: Option<&'a str>,
    /// Whether it is known that its number leads here: a call came, or the number was connected here.
    pub(super) is_reached: bool,
    /// What is wrong with the speech service.
    pub(super) speech: Option<Trouble>,
    /// How many of the answers that it was given callers get.
    pub(super) answers: usize,
    /// How many wait to be taken into use.
    pub(super) waiting: usize,
}

/// A thing that works, or does not yet.
struct Item {
    state: State,
    words: Markup,
    /// Where it is mended: the address, and the words of the link.
    link: Option<(String, &'static str)>,
}

impl Item {
    fn works(words: Markup) -> Self {
        Self { state: State::Works, words, link: None }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Works,
    /// Nothing has shown yet that it does.
    Unknown,
    /// It is there, and something else is waited for.
    Waits,
    /// Callers do without.
    Better,
    /// Without it nobody is helped.
    Missing,
}

impl Given<'_> {
    /// The list, what is missing first, and where one goes from here.
    pub(super) fn list(&self, shell: &Shell, id: Uuid) -> Markup {
        let mut items =
            [self.calls(id), self.voice(), self.hours(id), self.people(id), self.known(id)];
        items.sort_by_key(|item| match item.state {
            State::Missing => 0,
            State::Unknown => 1,
            State::Waits => 2,
            State::Better => 3,
            State::Works => 4,
        });
        let role = shell.agents.find(id).map_or(Role::Support, |agent| agent.role);
        html! {
            ul .list {
                @for item in &items {
                    li .row {
                        span .grow {
                            (item.words)
                            @if let Some((address, words)) = &item.link { " " a href=(address) { (words) } }
                        }
                        @match item.state {
                            State::Works => span .badge .good { "works" },
                            State::Unknown => span .badge .warn { "not known yet" },
                            State::Waits => span .badge .warn { "not in use yet" },
                            State::Better => span .badge { "can be better" },
                            State::Missing => span .badge .warn { "missing" },
                        }
                    }
                }
            }
            p .actions {
                a .button .main href={ "/?agent=" (id) } { "Go to Today" }
                a .button href={ "/agents/" (id) "/try" } { "Place a test call" }
                @if role >= Role::Owner { a .button href={ "/people?agent=" (id) } { "Invite a colleague" } }
            }
        }
    }

    fn calls(&self, id: Uuid) -> Item {
        match (self.agent.status, self.number) {
            (Status::Active, _) if self.agent.unavailable => Item {
                state: State::Missing,
                words: html! { b { "Calls. " } "It is unavailable for now, and takes none." },
                link: Some((format!("/agents/{id}#status"), "Change that")),
            },
            (Status::Active, Some(number)) if !self.is_reached => Item {
                state: State::Unknown,
                words: html! {
                    b { "Calls. " } "It is ready for calls to " bdi { (readable(number)) }
                    ". None has come yet, so nobody knows whether that number leads here: call it."
                },
                link: Some((format!("/numbers?agent={id}"), "Look at the number")),
            },
            (Status::Active, Some(number)) => Item::works(
                html! { b { "Calls. " } "It takes calls; its number is " bdi { (readable(number)) } "." },
            ),
            (Status::Active, None) => Item {
                state: State::Missing,
                words: html! { b { "A number. " } "It is ready to answer, and nobody can call it yet." },
                link: Some((format!("/numbers?agent={id}"), "Connect a number")),
            },
            _ => Item {
                state: State::Missing,
                words: html! { b { "Calls. " } "It is not switched on." },
                link: Some((format!("/agents/{id}#status"), "Switch it on")),
            },
        }
    }

    fn voice(&self) -> Item {
        match self.speech {
            None => Item::works(html! { b { "Its voice. " } "The speech service answers." }),
            Some(trouble) => Item {
                state: State::Missing,
                words: html! { b { "Its voice. " } (trouble.what) " " (trouble.remedy) },
                link: None,
            },
        }
    }

    fn hours(&self, id: Uuid) -> Item {
        if self.agent.hours.are_kept() {
            return Item::works(
                html! { b { "Your hours. " } "It says when you are open, and books within them." },
            );
        }
        Item {
            state: State::Better,
            words: html! { b { "Your hours. " } "It does not know when you are open: it says so, and offers whatever is free in the calendar." },
            link: Some((format!("/agents/{id}#hours"), "Enter them")),
        }
    }

    fn people(&self, id: Uuid) -> Item {
        let link = Some((format!("/agents/{id}#messages"), "Enter a number"));
        match self.agent.settings.transfer_targets.is_empty() {
            true => Item {
                state: State::Better,
                words: html! { b { "A person. " } "It puts nobody through to you. It takes messages instead, which stand on Today." },
                link,
            },
            false => {
                Item::works(html! { b { "A person. " } "It puts callers through who ask for one." })
            }
        }
    }

    fn known(&self, id: Uuid) -> Item {
        let address = format!("/knowledge?agent={id}");
        let knows = html! {
            b { "Answers. " } @if self.answers > 0 { "It knows " (self.answers) " of yours." }
        };
        match (self.answers, self.waiting) {
            (0, 0) => Item {
                state: State::Better,
                words: html! { b { "Answers. " } "It was given none yet. What it is asked and cannot say appears under Knowledge." },
                link: Some((address, "Add some")),
            },
            (_, 0) => Item { state: State::Works, words: knows, link: Some((address, "Add more")) },
            (_, waiting) => Item {
                state: State::Waits,
                words: html! { (knows) " " (not_in_use(waiting, self.speech)) },
                link: Some((address, "Look at them")),
            },
        }
    }
}
