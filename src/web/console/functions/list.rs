//! The list of what an agent can do.

use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use uuid::Uuid;

use super::fields::{KINDS, NAMES};
use super::summary::built_in;
use crate::agent::edit::cautions::Caution;
use crate::agent::edit::unpacked;
use crate::agent::function::{Builtin, FunctionSource};
use crate::agent::{Agent, AgentSource};
use crate::store::FunctionUse;
use crate::web::AppState;
use crate::web::console::plain::plain;
use crate::web::editing::function::document;
use crate::web::editing::warnings::warnings;

/// The page's body.
pub(super) fn body(
    state: &AppState,
    row: &AgentSource,
    uses: &[FunctionUse],
    flash: Markup,
) -> Markup {
    let id = row.id;
    let agent = Agent::new(row.clone());
    let listed = Listed { state, agent: &agent, uses };
    let warned = row.functions.iter().filter(|row| listed.is_warned_of(row));
    let warned: Vec<&FunctionSource> = warned.collect();
    let (tuned, made): (Vec<&FunctionSource>, Vec<&FunctionSource>) =
        row.functions.iter().partition(|function| super::tuned(&document(function)).is_some());
    html! {
        h1 { "What it can do" }
        p .zone { bdi { (row.name.reveal()) } " · uses of the last 30 days" }
        (flash)
        @if !warned.is_empty() {
            div .note.warn {
                p { "Look at what is said of " @if warned.len() == 1 { "this one" } @else { "these" } ":" }
                ul { @for row in &warned { li { a href={ "#function-" (row.id) } { (super::title(&document(row))) } } } }
            }
        }
        h2 { "Made for this agent" }
        @if made.is_empty() {
            p .empty { "Nothing yet. Add what your agent should do besides what every agent can: ask your booking system, fill in a form, follow your steps." }
        } @else {
            ul .list { @for function in &made { (listed.one(function)) } }
        }
        h3 { "Add" }
        ul .list {
            @for (kind, name, what) in KINDS {
                li .row {
                    span .grow { b { (name) } ": " (what) }
                    a .button href={ "/agents/" (id) "/functions/new?type=" (kind) } { "Add" }
                }
            }
        }
        (listed.built_ins(&tuned))
        (secrets(row))
        p { a href={ "/agents/" (id) } { "Back to the agent" } }
    }
}

fn count(uses: &[FunctionUse], is_it: impl Fn(&FunctionUse) -> bool) -> Markup {
    let mine = uses.iter().filter(|used| is_it(used));
    let (uses, failures) =
        mine.fold((0, 0), |(uses, failures), one| (uses + one.uses, failures + one.failures));
    html! {
        span .quiet {
            @match uses { 0 => "not used", 1 => "used once", uses => { "used " (uses) " times" } }
        }
        @if failures > 0 { " " span .badge.bad { (failures) " failed" } }
    }
}

/// What the lists are made of.
struct Listed<'a> {
    state: &'a AppState,
    agent: &'a Agent,
    uses: &'a [FunctionUse],
}

impl Listed<'_> {
    fn is_warned_of(&self, row: &FunctionSource) -> bool {
        !warnings(self.state, self.agent, row.id).is_empty()
    }

    fn one(&self, row: &FunctionSource) -> Markup {
        let Self { state, agent, uses } = self;
        let document = document(row);
        let is_on = document["is_active"] == true;
        let kind = row.kind.as_deref().unwrap_or_default();
        let kind_name =
            KINDS.iter().find(|(known, ..)| *known == kind).map_or("Unknown", |kind| kind.1);
        let address = format!("/agents/{}/functions/{}", agent.id, row.id);
        let is_used = agent.functions.rows.iter().any(|function| function.id == row.id);
        let name = super::title(&document);
        let builtin = super::tuned(&document);
        // What was called by its own name is one use more of the same.
        let is_use = |used: &FunctionUse| {
            let is_by_name = builtin.is_some_and(|builtin| used.name == builtin.name());
            used.id == Some(row.id) || used.id.is_none() && is_by_name
        };
        html! {
            li id={ "function-" (row.id) } {
                div .row {
                    div .grow {
                        a href=(address) { (name) } " "
                        span .badge { (kind_name) } " "
                        @if !is_on { span .badge.warn { "off" } }
                        @else if !is_used { span .badge.bad { "left out" } }
                        @else { span .badge.good { "on" } }
                        br;
                        (row.purpose.as_deref().unwrap_or_default())
                        @for caution in &warnings(state, agent, row.id) { p .error { (warned(caution)) } }
                    }
                    span { (count(uses, is_use)) }
                    form method="post" action={ (address) "/switch" } {
                        @if !is_on { input type="hidden" name="is_active" value="yes"; }
                        button type="submit" aria-label={ (if is_on { "Switch off " } else { "Switch on " }) (name) } {
                            @if is_on { "Switch off" } @else { "Switch on" }
                        }
                    }
                }
            }
        }
    }

    fn built_ins(&self, tuned: &[&FunctionSource]) -> Markup {
        let Self { agent, uses, .. } = self;
        let of = |builtin: Builtin| {
            tuned.iter().filter(move |row| super::tuned(&document(row)) == Some(builtin))
        };
        let is_replaced =
            |builtin: Builtin| agent.functions.rows.iter().any(|row| row.name == builtin.name());
        let is_removed = |builtin: &Builtin| agent.functions.removed.contains(builtin);
        html! {
            h2 { "What every agent can" }
            ul .list {
                @for builtin in Builtin::all() {
                    @for row in of(builtin) { (self.one(row)) }
                    @if of(builtin).next().is_none() {
                        li .row {
                            span .grow { (built_in(builtin)) }
                            @if is_removed(&builtin) { span .badge.warn { "off" } }
                            @else if is_replaced(builtin) { span .badge.warn { "replaced by one above" } }
                            span { (count(uses, |used| used.id.is_none() && used.name == builtin.name())) }
                        }
                    }
                }
            }
            p .hint { "To switch one off or give it another name, add it above as “Built in”." }
        }
    }
}

/// What an owner is told of a function, with the field that it is about.
pub(super) fn warned(caution: &Caution) -> Markup {
    match caution.replaces {
        Some(builtin) => html! {
            "This replaces “" (built_in(builtin)) "”, which every agent has: the agent uses this in its place. Give it another name to keep both."
        },
        None => html! { (named(&caution.field)) ": " (plain(&caution.why)) },
    }
}

/// What owners call a field of a function, and what is below it.
pub(super) fn named(field: &str) -> String {
    let below = |known: &str| match field.strip_prefix(known)? {
        "" => Some(String::new()),
        // `variables[1].name` is of the second line.
        rest if rest.starts_with('[') => {
            let n: usize = rest.get(1..rest.find(']')?)?.parse().ok()?;
            Some(format!(", line {}", n + 1))
        }
        rest => rest.strip_prefix('.').map(|rest| format!(", {rest}")),
    };
    let mut names = NAMES.iter();
    let name = names.find_map(|(known, name)| Some(format!("{name}{}", below(known)?)));
    name.unwrap_or_else(|| field.to_owned())
}

fn secrets(row: &AgentSource) -> Markup {
    let settings = unpacked(row.private_settings.reveal());
    let names: Vec<&String> =
        settings["secrets"].as_object().into_iter().flatten().map(|(name, _)| name).collect();
    let action = format!("/agents/{}/secrets", row.id);
    html! {
        h2 #secrets { "Secrets" }
        p .hint { "Keys that requests use as " code { "{{ secrets.NAME }}" } ". They are not shown again, and are hidden from the agent, from callers and from what is kept." }
        @if !names.is_empty() {
            ul .list {
                @for name in names {
                    li .row {
                        span .grow { code { (name) } " is set" }
                        form method="post" action=(action) {
                            input type="hidden" name="name" value=(name);
                            input type="hidden" name="remove" value="yes";
                            button type="submit" aria-label={ "Remove the secret " (name) } { "Remove" }
                        }
                    }
                }
            }
        }
        form method="post" action=(action) {
            div .form-row {
                div { label for="secret-name" { "Name" } input #secret-name name="name" type="text" required; }
                div { label for="secret-value" { "Secret" } input #secret-value name="value" type="password" autocomplete="off" required; }
            }
            p { button type="submit" { "Set the secret" } }
        }
    }
}

/// The form that deletes a function.
pub(super) fn delete(address: &str) -> Markup {
    html! {
        details .card {
            summary { "Delete it" }
            p { "The agent cannot use it any more from the next call on. Under “Earlier versions” there is a way back." }
            form method="post" action={ (address) "/delete" } { button .bad type="submit" { "Delete" } }
        }
    }
}

/// To the list, with what was just changed.
pub(super) fn saved(id: Uuid, versions: &[i32]) -> Response {
    let versions: Vec<String> = versions.iter().map(i32::to_string).collect();
    let versions = if versions.is_empty() { "0".to_owned() } else { versions.join(",") };
    Redirect::to(&format!("/agents/{id}/functions?saved={versions}")).into_response()
}
