//! What a function collected in calls, as a table.

use axum::extract::{Path, Query};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::Inspected;
use crate::store::CollectedRun;
use crate::store::access::{Role, VisibleAgent};
use crate::web::collected::{Collecting, cell, collecting, columns_of, cursor, read_cursor, rest};
use crate::web::console::errors::Shown;
use crate::web::console::layout::Shell;
use crate::web::console::{time, words};
use crate::web::lists::cut;
use crate::web::session::PageRequest;

/// Rows of a page.
const ROWS: i64 = 50;
/// The longest value that is shown whole, in characters.
const VALUE_CHARACTERS: usize = 300;

/// What the page is asked with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    after: Option<String>,
}

pub(super) async fn show(
    PageRequest { state, viewer }: PageRequest,
    Path((id, function)): Path<(Uuid, Uuid)>,
    Query(wanted): Query<Wanted>,
) -> Shown {
    let inspected = Inspected::of(&state, viewer, id).await?;
    let after = read_cursor(wanted.after.as_deref())?;
    let address = format!("/agents/{id}/functions/{function}");
    let Some(of) = collecting(&state, &inspected.access, function).await? else {
        let body = html! {
            p .empty {
                "What this function collects is not shown, here or with the calls. Its settings say so: "
                a href={ (address) "#is_shownable" } { "Show what was kept in the console" } "."
            }
        };
        return Ok(inspected.page(StatusCode::OK, "What it collected", &body));
    };
    let store = &state.owners.store;
    let mut runs = store.collected(&inspected.access, function, after, ROWS + 1).await?;
    let has_more = cut(&mut runs, ROWS);
    let is_owner = |agent: &VisibleAgent| agent.role >= Role::Owner;
    let may_export = inspected.shell.agents.find(id).is_some_and(is_owner);
    let body = html! {
        p { a href=(address) { bdi { (of.name) } } }
        @if runs.is_empty() {
            p .empty {
                @if after.is_some() { "There is nothing older." }
                @else if of.is_kept { "Nothing yet. What callers say to it appears here, one line for each call." }
                @else {
                    "Nothing is kept of what callers say to it. Its settings say so: "
                    a href={ (address) "#save_data" } { "Keep what was collected and answered" } "."
                }
            }
        } @else {
            p .zone { "Times are in " (inspected.shell.zone_name()) "." }
            (table(&inspected.shell, &of, &runs))
        }
        nav .pager aria-label="More lines" {
            @if after.is_some() { a href={ (address) "/collected" } { "Newest" } } @else { span {} }
            @if let Some(last) = runs.last().filter(|_| has_more) {
                a rel="next" href={ (address) "/collected?after=" (cursor(last.place)) } { "Older" }
            }
        }
        @if may_export && !runs.is_empty() {
            p .quiet {
                "Take all of it with you: "
                a href={ "/api/v1/functions/" (function) "/collected.csv" } download { "table (CSV)" }
            }
        }
    };
    Ok(inspected.page(StatusCode::OK, "What it collected", &body))
}

fn table(shell: &Shell, of: &Collecting, runs: &[CollectedRun]) -> Markup {
    let short = |text: String| words::short(&text, VALUE_CHARACTERS);
    let columns = columns_of(&of.columns, runs);
    let has_rest = runs.iter().any(|run| !rest(run, &columns).is_empty());
    html! {
        div .scroll tabindex="0" role="region" aria-label="What it collected" {
            table {
                thead { tr {
                    th scope="col" { "When" }
                    @for name in &columns { th scope="col" { bdi { (name.replace('_', " ")) } } }
                    @if has_rest { th scope="col" { "Other" } }
                } }
                tbody {
                    @for run in runs {
                        @let at = time::when(&time::at(run.place.at_us, &shell.zone()), &shell.now);
                        tr {
                            td {
                                @match run.call_id {
                                    Some(call) => a href={ "/calls/" (call) } { time { (at) } },
                                    None => time { (at) },
                                }
                            }
                            @for name in &columns { td { bdi { (short(cell(&run.arguments.reveal()[name.as_str()]))) } } }
                            @if has_rest { td { bdi { (short(rest(run, &columns))) } } }
                        }
                    }
                }
            }
        }
    }
}
