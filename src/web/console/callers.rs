//! `/callers/{number}`: everything from one number, and its removal.

use std::sync::Arc;

use crate::web::routing::{get, post};
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Router};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::call::leave_messages;
use super::errors::{Fault, Shown};
use super::layout::{Section, Shell};
use super::{calls, time, words};
use crate::agent::phone_number::{normalise_e164, normalise_local, readable};
use crate::private::Private;
use crate::store::access::Role;
use crate::store::call_list::{CallFilter, CallItem, Toward};
use crate::store::people::Viewer;
use crate::store::{AppointmentRow, Result, TaskRow};
use crate::web::AppState;
use crate::web::call_filter::{Here, PAGE, WantedCalls, cursor};
use crate::web::erase::{self, Erased};
use crate::web::query::empty_is_none;
use crate::web::session::PageRequest;

/// The most names of a caller that are shown.
const NAMES_MAX: usize = 5;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .route("/callers/{number}", get(page))
        .route("/callers/{number}/delete", post(delete))
}

/// What the page is asked with.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    #[serde(default, deserialize_with = "empty_is_none")]
    agent: Option<Uuid>,
    #[serde(default)]
    after: Option<String>,
    /// What was removed a moment ago.
    #[serde(default, deserialize_with = "empty_is_none")]
    calls: Option<u64>,
    #[serde(default, deserialize_with = "empty_is_none")]
    appointments: Option<u64>,
    #[serde(default, deserialize_with = "empty_is_none")]
    left: Option<u64>,
}

/// What a page is made of.
struct Seen {
    shell: Shell,
    number: String,
    calls: Vec<CallItem>,
    appointments: Vec<AppointmentRow>,
    tasks: Vec<TaskRow>,
    is_first: bool,
    removed: Option<Erased>,
    wrong: Option<&'static str>,
}

async fn page(
    PageRequest { state, viewer }: PageRequest,
    Path(number): Path<String>,
    wanted: std::result::Result<Query<Wanted>, QueryRejection>,
) -> Shown {
    let wanted = wanted.map(|Query(wanted)| wanted).unwrap_or_default();
    let number = normalise_e164(&number).ok_or(Fault::NotFound)?;
    Ok(read(&state, viewer, number, wanted, None).await?.page())
}

async fn read(
    state: &AppState,
    viewer: Viewer,
    number: String,
    wanted: Wanted,
    wrong: Option<&'static str>,
) -> Result<Seen> {
    let store = &state.owners.store;
    let shell = Shell::of(store, viewer, wanted.agent).await?;
    let agents = shell.listed();
    let place = WantedCalls { after: wanted.after, ..WantedCalls::default() };
    let after = place.after().ok().flatten();
    let filter = CallFilter { number: Some(Private::new(number.clone())), ..CallFilter::default() };
    let toward = after.map_or(Toward::Newest, Toward::Older);
    let calls = store.calls(&agents, &filter, toward, PAGE + 1).await?;
    let appointments = store.caller_appointments(&agents, &number).await?;
    let tasks = store.tasks_of_caller(&agents, &number).await?;
    let removed = wanted.calls.map(|calls| Erased {
        calls,
        appointments: wanted.appointments.unwrap_or_default(),
        left: wanted.left.unwrap_or_default(),
    });
    let is_first = after.is_none();
    Ok(Seen { shell, number, calls, appointments, tasks, is_first, removed, wrong })
}

impl Seen {
    fn page(&self) -> Response {
        let page = usize::try_from(PAGE).unwrap_or_default();
        let (calls, more) = self.calls.split_at(self.calls.len().min(page));
        let is_known = !calls.is_empty() || !self.appointments.is_empty();
        let looked_for =
            WantedCalls { number: Some(self.number.clone()), ..WantedCalls::default() };
        self.shell.page(Some(Section::Calls), "Caller", &html! {
            h1 { (words::number(&self.number)) }
            @let names = names(calls);
            @if !names.is_empty() { p { "Said their name is " bdi { (names.join(", ")) } "." } }
            p .zone { "Times are in " (self.shell.zone_name()) "." }
            (self.told())
            @if is_known {
                p .actions {
                    a .button.main href={ "tel:" (self.number) } { "Call" }
                    @if self.may_book() { a .button href=(self.booking_address(names.first().copied())) { "Book for this caller" } }
                }
            }
            (self.to_do())
            h2 { "Calls" }
            @if calls.is_empty() { div .empty { p { "No call from this number." } } }
            @else { ul .list { @for call in calls { (calls::row(&self.shell, &looked_for, call)) } } }
            nav .pager aria-label="More calls" {
                @if self.is_first { span {} } @else { a href=(self.address("")) { "Newest" } }
                @if let Some(last) = calls.last().filter(|_| !more.is_empty()) {
                    a rel="next" href=(self.address(&format!("after={}", cursor(last.place)))) { "Older" }
                }
            }
            (self.bookings())
            @if is_known && self.may_remove() { (self.removal()) }
        })
    }

    /// The page's address, with the agent that is chosen.
    fn address(&self, more: &str) -> String {
        let agent = self.shell.chosen.map(|id| format!("agent={id}"));
        let pairs: Vec<&str> =
            agent.as_deref().into_iter().chain((!more.is_empty()).then_some(more)).collect();
        let query = if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) };
        format!("/callers/{}{query}", self.number)
    }

    fn may_book(&self) -> bool {
        self.shell.listed().list().iter().any(|agent| agent.role >= Role::Maintainer)
    }

    /// The form of a new booking, with what is known of the caller.
    fn booking_address(&self, name: Option<&str>) -> String {
        let agent = self.shell.chosen.map(|id| id.to_string());
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(agent.iter().map(|agent| ("agent", agent)));
        query.extend_pairs(name.iter().map(|name| ("name", name)));
        query.append_pair("phone", &self.number);
        format!("/bookings/new?{}", query.finish())
    }

    /// What there is, or was, to do because of this caller.
    fn to_do(&self) -> Markup {
        html! {
            @if !self.tasks.is_empty() {
                h2 { "To do" }
                ul .list {
                    @for task in &self.tasks {
                        @let at = time::at(task.began_us, &self.shell.zone());
                        @let query = self.shell.query();
                        li .row {
                            div .grow {
                                bdi { (words::said_of(task)) }
                                @if let Some(note) = &task.note { div .quiet { "Note: " bdi { (note.reveal()) } } }
                            }
                            @if task.done_us.is_some() { span .badge.good { "done" } } @else { span .badge.warn { "open" } }
                            (self.shell.business(task.agent_id))
                            a href={ "/calls/" (task.call_log_id) (query) } { time { (time::when(&at, &self.shell.now)) } }
                        }
                    }
                }
            }
        }
    }

    fn may_remove(&self) -> bool {
        self.shell.listed().list().iter().any(|agent| agent.role >= Role::Owner)
    }

    /// What a removal did, or why it was not done.
    fn told(&self) -> Markup {
        html! {
            @if let Some(removed) = self.removed {
                p .note.good role="status" {
                    "Removed: " (removed.calls) @if removed.calls == 1 { " call" } @else { " calls" }
                    " with words and recordings"
                    @match removed.appointments {
                        0 => ".",
                        1 => ", and the name and number in 1 appointment.",
                        many => { ", and the name and number in " (many) " appointments." }
                    }
                }
                @if removed.left > 0 {
                    p .note.warn {
                        (removed.left) " calls are left: they go on, or a message could not be removed \
                        at Twilio, or there were too many for one time. Please remove again. If a \
                        message stays at Twilio for good, tick the box about that."
                    }
                }
            }
            @if let Some(wrong) = self.wrong { p .error #wrong role="alert" { (wrong) } }
        }
    }

    fn bookings(&self) -> Markup {
        let zone = self.shell.zone();
        html! {
            @if !self.appointments.is_empty() {
                h2 { "Bookings" }
                ul .list {
                    @for booking in &self.appointments {
                        @let at = time::at(booking.starts_us, &zone);
                        li .row {
                            div .grow {
                                a href={ "/bookings/" (booking.id) } { bdi { (booking.name.reveal()) } }
                                @if !booking.service.reveal().is_empty() { " · " bdi { (booking.service.reveal()) } }
                            }
                            (words::booking(&booking.status))
                            span .quiet { (time::when(&at, &self.shell.now)) }
                        }
                    }
                }
            }
        }
    }

    fn removal(&self) -> Markup {
        let agent = self.shell.chosen.map(|id| format!("?agent={id}")).unwrap_or_default();
        html! {
            h2 { "What is kept of this caller" }
            p { a .button href={ "/api/v1/callers/" (self.number) (agent) } download { "Take all of it with you (JSON)" } }
            details open[self.wrong.is_some()] {
                summary { "Delete everything of this caller" }
                p {
                    "Calls go with their words, summaries, recordings and messages, and what there was to \
                    do because of them. Bookings stay in the calendar without name, number and notes. \
                    This can't be undone."
                }
                form method="post" action={ "/callers/" (self.number) "/delete" } {
                    @if let Some(agent) = self.shell.chosen { input type="hidden" name="agent" value=(agent); }
                    label for="confirm" { "Type the number " (readable(&self.number)) " to confirm" }
                    input #confirm name="confirm" type="tel" required autocomplete="off"
                        aria-invalid=[self.wrong.map(|_| "true")] aria-describedby=[self.wrong.map(|_| "wrong")];
                    (leave_messages())
                    p { button .bad type="submit" { "Delete everything" } }
                }
            }
        }
    }
}

/// What the caller said that they are called, the last first, each once.
fn names(calls: &[CallItem]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for call in calls {
        let name = call.caller_name.reveal().as_str();
        if !name.is_empty() && !names.contains(&name) && names.len() < NAMES_MAX {
            names.push(name);
        }
    }
    names
}

/// A removal that is confirmed.
#[derive(Debug, Default, Deserialize)]
struct Confirmed {
    #[serde(default, deserialize_with = "empty_is_none")]
    agent: Option<Uuid>,
    #[serde(default)]
    confirm: String,
    #[serde(default)]
    leave_messages: bool,
}

async fn delete(
    PageRequest { state, viewer }: PageRequest,
    Path(number): Path<String>,
    form: std::result::Result<Form<Confirmed>, FormRejection>,
) -> Shown {
    let number = normalise_e164(&number).ok_or(Fault::NotFound)?;
    let form = form.map(|Form(form)| form).unwrap_or_default();
    let agents = state.owners.store.visible_agents(&viewer).await?.only(form.agent);
    let own = erase::own_agents(&state, &viewer, &agents, &number, "caller.delete").await?;
    let region = Here::of(agents.list().first()).region;
    if normalise_local(&form.confirm, region).as_deref() != Some(&number) {
        let wrong = "Nothing was deleted: that is another number.";
        let wanted = Wanted { agent: form.agent, ..Wanted::default() };
        let seen = read(&state, viewer, number, wanted, Some(wrong)).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, seen.page()).into_response());
    }
    let Erased { calls, appointments, left } =
        erase::caller(&state, &viewer, &own, &number, form.leave_messages.into()).await?;
    let agent = form.agent.map(|id| format!("&agent={id}")).unwrap_or_default();
    let told = format!("calls={calls}&appointments={appointments}&left={left}{agent}");
    Ok(Redirect::to(&format!("/callers/{number}?{told}")).into_response())
}
