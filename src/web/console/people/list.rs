//! The people of an agent, one by one.

use maud::{Markup, html};

use super::super::layout::Shell;
use super::super::time;
use super::roles;
use crate::store::access::Role;
use crate::store::members::Member;

/// Somebody, and what may be changed of them.
pub(super) fn shown(member: &Member, shell: &Shell, mine: Role) -> Markup {
    let when = |us: i64| time::when(&time::at(us, &shell.zone()), &shell.now);
    let is_me = member.person == shell.viewer.id();
    html! {
        div .row {
            span .grow {
                strong { bdi { (member.name.reveal()) } }
                @if is_me { " (you)" }
                br;
                span .quiet {
                    @if member.is_invited {
                        "has not answered yet"
                        @if let Some(since) = member.since_us { " · since " (when(since)) }
                    } @else {
                        bdi { (member.email.reveal()) }
                        @if let Some(since) = member.since_us { " · since " (when(since)) }
                        " · "
                        @match member.seen_us {
                            Some(seen) => { "last here " (when(seen)) }
                            None => "never signed in",
                        }
                    }
                }
            }
            span .badge { (member.role.word()) }
            @if member.is_invited { span .badge.warn { "invited" } }
            @else if !member.is_active { span .badge.warn { "switched off" } }
            @if member.access_id.is_none() { span .badge { "made the agent" } }
        }
        @if let Some(id) = member.access_id {
            @if !is_me && member.role <= mine && shell.viewer.may_write() {
                (changing(member, id, mine))
            }
        }
    }
}

fn changing(member: &Member, id: i64, mine: Role) -> Markup {
    let address = format!("/people/{id}");
    let field = format!("role-{id}");
    html! {
        details {
            summary { "Change " bdi { (member.name.reveal()) } }
            form method="post" action=(address) {
                label for=(field) { "Role" }
                select id=(field) name="role" {
                    @for (value, words) in roles(mine) {
                        option value=(value) selected[value == member.role.word()] { (words) }
                    }
                }
                p .actions { button type="submit" { "Save" } }
            }
            div .actions {
                @if member.may_have_link && member.is_active {
                    form method="post" action={ (address) "/link" } {
                        button type="submit" { "New sign-in link" }
                    }
                }
                @if member.is_active {
                    form method="post" action={ (address) "/off" } {
                        button type="submit" { "Switch off" }
                    }
                } @else if !member.is_invited {
                    form method="post" action={ (address) "/on" } {
                        button type="submit" { "Switch on" }
                    }
                }
            }
            details {
                summary { "Remove" }
                p { "They see nothing any more, at once. Their account stays; what they did stays in Activity." }
                form method="post" action={ (address) "/remove" } {
                    button .bad type="submit" { "Remove " bdi { (member.name.reveal()) } }
                }
            }
        }
    }
}
