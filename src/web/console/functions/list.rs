//! The list of what an agent can do.

use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use uuid::Uuid;

use super::fields::{KINDS, NAMES};
use super::summary::built_in;
use crate::agent::edit::unpacked;
use crate::agent::function::{Builtin, FunctionSource};
use crate::agent::{Agent, AgentSource};
use crate::store::FunctionUse;
use crate::web::console::plain::plain;
use crate::web::editing::function::document;

/// The page's body.
pub(super) fn body(row: &AgentSource, uses: &[FunctionUse], flash: Markup) -> Markup {
    let id = row.id;
    let agent = Agent::new(row.clone());
    let (tuned, made): (Vec<&FunctionSource>, Vec<&FunctionSource>) =
        row.functions.iter().partition(|function| super::tuned(&document(function)).is_some());
    html! {
        h1 { "What it can do" }
        p .zone { bdi { (row.name.reveal()) } " · uses of the last 30 days" }
        (flash)
        h2 { "Made for this agent" }
        @if made.is_empty() {
            p .empty { "Nothing yet. Add what your agent should do besides what every agent can: ask your booking system, fill in a form, follow your steps." }
        } @else {
            ul .list { @for function in &made { (one(&agent, id, function, uses)) } }
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
        (built_ins(&agent, id, &tuned, uses))
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

fn one(agent: &Agent, id: Uuid, row: &FunctionSource, uses: &[FunctionUse]) -> Markup {
    let document = document(row);
    let is_on = document["is_active"] == true;
    let kind = row.kind.as_deref().unwrap_or_default();
    let kind_name =
        KINDS.iter().find(|(known, ..)| *known == kind).map_or("Unknown", |kind| kind.1);
    let address = format!("/agents/{id}/functions/{}", row.id);
    let fault = agent.faults.iter().find(|fault| {
        let rest = fault.path.strip_prefix("functions.");
        rest.is_some_and(|rest| rest.starts_with(&row.id.to_string()))
    });
    let name = super::title(&document);
    let builtin = super::tuned(&document);
    // What was called by its own name is one use more of the same.
    let is_use = |used: &FunctionUse| {
        let is_by_name = builtin.is_some_and(|builtin| used.name == builtin.name());
        used.id == Some(row.id) || used.id.is_none() && is_by_name
    };
    html! {
        li {
            div .row {
                div .grow {
                    a href=(address) { (name) } " "
                    span .badge { (kind_name) } " "
                    @if !is_on { span .badge.warn { "off" } }
                    @else if fault.is_some() { span .badge.bad { "left out" } }
                    @else { span .badge.good { "on" } }
                    br;
                    (row.purpose.as_deref().unwrap_or_default())
                    @if let Some(fault) = fault {
                        @let field = fault.path.splitn(3, '.').nth(2).unwrap_or_default();
                        p .error { (named(field)) ": " (plain(&format!("found {}; accepted is {}", fault.found, fault.accepted))) }
                    }
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

/// What owners call a field of a function, and what is below it.
fn named(field: &str) -> String {
    let below = |known: &str| match field.strip_prefix(known)? {
        "" => Some(String::new()),
        rest => rest.strip_prefix('.').map(|rest| format!(", {rest}")),
    };
    let mut names = NAMES.iter();
    let name = names.find_map(|(known, name)| Some(format!("{name}{}", below(known)?)));
    name.unwrap_or_else(|| field.to_owned())
}

fn built_ins(agent: &Agent, id: Uuid, tuned: &[&FunctionSource], uses: &[FunctionUse]) -> Markup {
    let of = |builtin: Builtin| {
        tuned.iter().filter(move |row| super::tuned(&document(row)) == Some(builtin))
    };
    let is_removed = |builtin: &Builtin| agent.functions.removed.contains(builtin);
    html! {
        h2 { "What every agent can" }
        ul .list {
            @for builtin in Builtin::all() {
                @for row in of(builtin) { (one(agent, id, row, uses)) }
                @if of(builtin).next().is_none() {
                    li .row {
                        span .grow { (built_in(builtin)) }
                        @if is_removed(&builtin) { span .badge.warn { "off" } }
                        span { (count(uses, |used| used.id.is_none() && used.name == builtin.name())) }
                    }
                }
            }
        }
        p .hint { "To switch one off or give it another name, add it above as “Built in”." }
    }
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
