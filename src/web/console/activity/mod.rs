//! `/activity`: who did what, and who listened.

mod changed;
mod words;

use std::collections::HashMap;
use std::sync::Arc;

use crate::web::routing::get;
use axum::Router;
use axum::extract::Query;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::errors::Shown;
use super::layout::{Section, Shell};
use super::{functions, time};
use crate::private::Private;
use crate::store::access::{Role, VisibleAgents};
use crate::store::activity::{ActivityWanted, Deed, FunctionTitle};
use crate::store::{Result, Store};
use crate::web::AppState;
use crate::web::lists::cut;
use crate::web::session::PageRequest;

/// How many a page shows.
const SHOWN: i64 = 50;
/// As much is shown of a question, in characters.
const QUESTION_MAX: usize = 120;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new().route("/activity", get(page))
}

/// What the page is asked with.
#[derive(Debug, Deserialize)]
struct Wanted {
    #[serde(default, deserialize_with = "crate::web::query::empty_is_none")]
    agent: Option<Uuid>,
    #[serde(default, deserialize_with = "crate::web::query::empty_is_none")]
    person: Option<Uuid>,
    /// What came before this row.
    #[serde(default, deserialize_with = "crate::web::query::empty_is_none")]
    before: Option<i64>,
}

async fn page(PageRequest { state, viewer }: PageRequest, Query(wanted): Query<Wanted>) -> Shown {
    let store = &state.owners.store;
    let shell = Shell::of(store, viewer, wanted.agent).await?;
    let asked = ActivityWanted {
        by: wanted.person,
        before: wanted.before,
        limit: SHOWN + 1,
        with_own: shell.chosen.is_none(),
    };
    let agents = shell.listed();
    let mut deeds = store.activity(&agents, &shell.viewer, &asked).await?;
    let has_more = cut(&mut deeds, SHOWN);
    let people = store.people_of(&agents).await?;
    let questions = questions(store, &agents, &deeds).await?;
    let sees_others = agents.list().iter().any(|agent| agent.role >= Role::Maintainer);
    let older = deeds.last().filter(|_| has_more).map(|last| address(&wanted, last.id));
    Ok(shell.page(Some(Section::Activity), "Activity", &html! {
        h1 { "Activity" }
        p .zone {
            @if sees_others { "Who did what, and who listened." } @else { "What you did here." }
            " Times are those in " (shell.zone_name()) "."
        }
        @if sees_others && !people.is_empty() { (filter(&wanted, &people)) }
        @if deeds.is_empty() {
            p .empty {
                @if wanted.person.is_some() || wanted.before.is_some() {
                    "Nothing more. " a href="/activity" { "Show everything" } "."
                } @else {
                    "Nothing yet. What people change, listen to, export or delete is listed here."
                }
            }
        } @else {
            ul .list { @for deed in &deeds { li { (row(deed, &shell, &questions)) } } }
        }
        @if let Some(older) = older { nav .pager aria-label="Pages of the list" { a .button href=(older) { "Older ›" } } }
    }))
}

fn address(wanted: &Wanted, before: i64) -> String {
    let mut address = format!("/activity?before={before}");
    if let Some(agent) = wanted.agent {
        address.push_str(&format!("&agent={agent}"));
    }
    if let Some(person) = wanted.person {
        address.push_str(&format!("&person={person}"));
    }
    address
}

fn filter(wanted: &Wanted, people: &[(Uuid, Private<String>)]) -> Markup {
    html! {
        form .filters method="get" action="/activity" {
            @if let Some(agent) = wanted.agent { input type="hidden" name="agent" value=(agent); }
            div {
                label for="person" { "Person" }
                select #person name="person" {
                    option value="" { "Everybody" }
                    @for (id, name) in people {
                        option value=(id) selected[wanted.person == Some(*id)] { (name.reveal()) }
                    }
                }
            }
            button type="submit" { "Show" }
        }
    }
}

/// The questions of the answers that deeds are about, by the answers' ids: what is still there.
type Questions = HashMap<(Uuid, i64), Private<String>>;

async fn questions(store: &Store, agents: &VisibleAgents, deeds: &[Deed]) -> Result<Questions> {
    let mut questions = Questions::new();
    for agent in agents.list().iter().filter(|agent| agent.role >= Role::Maintainer) {
        let of_agent = deeds.iter().filter(|deed| deed.agent_id == Some(agent.id));
        let answers: Vec<i64> = of_agent.filter_map(answer).collect();
        if !answers.is_empty() {
            let found = store.answered_questions(agent, &answers).await?;
            questions.extend(found.into_iter().map(|(id, question)| ((agent.id, id), question)));
        }
    }
    Ok(questions)
}

/// The answer that a deed is about.
fn answer(deed: &Deed) -> Option<i64> {
    deed.object.as_deref()?.strip_prefix("answer ")?.parse().ok()
}

fn row(deed: &Deed, shell: &Shell, questions: &Questions) -> Markup {
    let zone = shell.zone();
    let at = time::at(deed.at_us, &zone);
    let link = deed.object.as_deref().and_then(words::link);
    // The thing itself is the link, where the words end with it: it is not said twice.
    let done = words::words(&deed.action);
    let shorter = link.as_ref().and_then(|(_, words)| done.strip_suffix(words).map(str::to_owned));
    let is_said = shorter.is_some() && object_name(deed).is_none();
    let done = shorter.filter(|_| is_said).unwrap_or(done);
    let changes = deed.change.as_ref().map(|change| changed::lines(change, &zone));
    let question = deed.agent_id.zip(answer(deed)).and_then(|answer| questions.get(&answer));
    let is_named = |line: &str| deed.object_name.as_ref().is_some_and(|name| name.reveal() == line);
    let agent = deed.agent_id.filter(|_| shell.agents.list().len() > 1);
    let agent = agent.and_then(|id| shell.agents.find(id));
    html! {
        div .row {
            span .grow {
                @match &deed.actor_name {
                    Some(name) => strong { bdi { (name.reveal()) } },
                    None if deed.actor.is_some() => "Somebody who is gone",
                    None if deed.actor_kind == "system" => "The server",
                    None => "Somebody",
                }
                " " (done)
                @if deed.action != "sign_in" {
                    @if let Some(name) = object_name(deed) { " " bdi { (name) } }
                }
                @if let Some(question) = question { ": “" bdi { (shortened(question.reveal())) } "”" }
                @if let Some((path, words)) = link {
                    @if !is_said { ": " }
                    a href=(path) { (words) }
                }
                @if let Some(means) = words::means(&deed.actor_kind) { ", " (means) }
                @if let Some(agent) = agent { span .quiet { " · " bdi { (agent.business) } } }
                @for change in changes.into_iter().flatten().filter(|line| !is_named(line)) { br; span .quiet { (change) } }
            }
            time datetime=(at.timestamp()) .quiet { (time::when(&at, &shell.now)) }
        }
    }
}

/// What it was done to: a function as the page of what the agent can do names it.
fn object_name(deed: &Deed) -> Option<String> {
    let name = deed.object_name.as_ref().map(|name| name.reveal().clone());
    let Some(function) = &deed.function else { return name };
    let FunctionTitle { kind, title, builtin } = function.reveal();
    let data = json!({"title": title, "builtin": builtin});
    Some(functions::title(&json!({"type": kind, "name": name, "data": data})))
}

/// As much of a question as tells which it is.
fn shortened(text: &str) -> String {
    let short: String = text.chars().take(QUESTION_MAX).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}
