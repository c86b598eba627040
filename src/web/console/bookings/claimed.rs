//! A booking that a caller was told of and that there was not: what was said stands beside the form, and the
//! task is settled by the booking.

use jiff::civil::{Date, Time};
use maud::{Markup, html};
use serde_json::Value;
use tracing::warn;
use uuid::Uuid;

use super::form::BookingForm;
use crate::store::access::{AgentAccess, Maintain, Object};
use crate::store::booking_edits::Proposal;
use crate::store::people::Viewer;
use crate::store::{NoteChange, Store, TaskChange, TaskVerdict};
use crate::web::AppState;
use crate::web::console::errors::Fault;
use crate::web::console::layout::Shell;
use crate::web::console::time;
use crate::web::guard::may;

/// What the caller of a task of this agent was told; nothing where there is none.
pub(super) async fn said(
    store: &Store,
    access: &AgentAccess<Maintain>,
    shell: &Shell,
    task: &str,
) -> Markup {
    let Ok(id) = task.parse() else { return html! {} };
    let task = store.task(access, id).await.unwrap_or_else(|error| {
        warn!(%error, "what a caller was told cannot be shown");
        None
    });
    html! {
        @if let Some(task) = task {
            div .note {
                // Without the day, "next Thursday" is none.
                p { bdi { (task.text.reveal()) } " The call was on "
                    time { (time::at(task.began_us, &shell.zone()).strftime("%A %-d %B at %H:%M")) } "." }
                p { a href={ "/calls/" (task.call_log_id) } { "Read what was said in the call" } }
            }
        }
    }
}

/// The form with what was agreed in the call of its task, where that is known and nothing else is wanted.
pub(super) async fn agreed(
    store: &Store,
    access: &AgentAccess<Maintain>,
    form: BookingForm,
) -> BookingForm {
    let Ok(id) = form.task.parse() else { return form };
    let told = spoken_of(store, access, id).await.unwrap_or_else(|error| {
        warn!(%error, "what was agreed in a call cannot be shown");
        None
    });
    let free = form.date.is_empty() && form.time.is_empty() && form.call.is_empty();
    let Some(SpokenOf { call, place, told }) = told.filter(|_| free) else {
        return form;
    };
    let text = |name: &str| told[name].as_str().unwrap_or_default().trim().to_owned();
    let or = |known: String, told: String| if known.is_empty() { told } else { known };
    BookingForm {
        date: text("date").parse::<Date>().map(|day| day.to_string()).unwrap_or_default(),
        time: text("time")
            .parse::<Time>()
            .map(|time| time.strftime("%H:%M").to_string())
            .unwrap_or_default(),
        name: or(form.name, text("name")),
        service: or(form.service, text("service")),
        // Booked, it is one that was spoken of no more.
        call: call.to_string(),
        place: place.to_string(),
        ..form
    }
}

/// An appointment that was spoken of in a call: its place there, and what was told of it.
struct SpokenOf {
    call: Uuid,
    place: usize,
    told: Value,
}

/// The one appointment that was spoken of in a task's call and is in no calendar.
async fn spoken_of(
    store: &Store,
    access: &AgentAccess<Maintain>,
    task: i64,
) -> crate::store::Result<Option<SpokenOf>> {
    let Some(task) = store.task(access, task).await? else { return Ok(None) };
    let Some(call) = store.call(access, task.call_log_id).await? else { return Ok(None) };
    let told = call.metadata.reveal()["extracted_appointments"].as_array().cloned();
    let is_open = |(_, told): &(usize, Value)| {
        told["written"] != true && told["booking"].is_null() && told["why"] != "known"
    };
    let mut told = told.unwrap_or_default().into_iter().enumerate().filter(is_open);
    let first = told.next().map(|(place, told)| SpokenOf { call: call.id, place, told });
    // Of several, nobody knows which is meant.
    Ok(first.filter(|_| told.next().is_none()))
}

/// The call of a task of this agent.
pub(super) async fn call(
    store: &Store,
    access: &AgentAccess<Maintain>,
    task: &str,
) -> Result<Option<Proposal>, Fault> {
    let Ok(id) = task.parse() else { return Ok(None) };
    let task = store.task(access, id).await?;
    Ok(task.map(|task| Proposal { call: task.call_log_id, place: None }))
}

/// Ticks the task of a caller of this agent who has the booking now. What goes wrong leaves it open.
pub(super) async fn settle(state: &AppState, viewer: &Viewer, agent: Uuid, task: &str) {
    let Ok(id) = task.parse() else { return };
    let Ok(access) = may(state, viewer, Object::Task(id), "task.done").await else { return };
    if access.agent_id() != agent {
        return;
    }
    let note = Some(NoteChange::Verdict(TaskVerdict::Booked));
    let change = TaskChange { done: Some(true), note };
    if let Err(error) = state.owners.store.mark_task(&access, viewer, id, &change).await {
        warn!(%error, "the task of a booking stays open");
    }
}
