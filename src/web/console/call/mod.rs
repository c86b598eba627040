//! `/calls/{id}`: what happened in a call.

mod about;
mod booked;
mod proposal;
mod removal;
mod sound;
mod support;
mod talk;
mod timeline;
mod times;
mod todo;

use std::sync::Arc;

use crate::web::routing::{get, post};
use axum::Router;
use axum::response::Response;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use uuid::Uuid;

use self::proposal::Spoken;
pub(super) use self::removal::leave_messages;
use self::talk::Around;
use self::timeline::{Entry, What};
use super::layout::{Section, Shell};
use super::tasks::Shown;
use super::{errors, time, words};
use crate::store::access::{Object, Read, Refused, Role};
use crate::store::bookings::Booking;
use crate::store::call_list::{CallFilter, CallPlace, Toward};
use crate::store::call_page::{CallPage, Passage};
use crate::store::people::Viewer;
use crate::store::{CallDeed, TaskRow};
use crate::web::AppState;
use crate::web::call_filter::{Here, WantedCalls};
use crate::web::guard::PageId;
use crate::web::iso;
use crate::web::problem::Problem;
use crate::web::query::Asking;
use crate::web::session::PageRequest;

/// The most events that are read for a page; a call of hours has some thousands.
const EVENTS_MAX: i64 = 20_000;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new().route("/calls/{id}", get(page)).route("/calls/{id}/delete", post(removal::delete))
}

async fn page(
    PageRequest { state, viewer }: PageRequest,
    PageId(id): PageId<Uuid>,
    wanted: Result<Asking<WantedCalls>, Problem>,
) -> errors::Shown {
    let wanted = wanted.map(|Asking(wanted)| wanted).unwrap_or_default();
    Ok(read(&state, viewer, id, wanted).await?.page())
}

/// All that a call's page shows.
struct Seen {
    shell: Shell,
    wanted: WantedCalls,
    call: CallPage,
    zone: TimeZone,
    entries: Vec<Entry>,
    passages: Vec<Passage>,
    tasks: Vec<TaskRow>,
    /// What appointments that were spoken of became by themselves.
    bookings: Vec<(usize, Booking)>,
    /// What functions of the call booked or changed.
    booked: Vec<Booking>,
    /// What people did with it while it went on.
    deeds: Vec<CallDeed>,
    newer: Option<Uuid>,
    older: Option<Uuid>,
}

async fn read(
    state: &AppState,
    viewer: Viewer,
    id: Uuid,
    wanted: WantedCalls,
) -> Result<Seen, Refused> {
    let store = &state.owners.store;
    let access = store.access::<Read>(&viewer, Object::Call(id)).await?;
    let call = store.call(&access, id).await?.ok_or(Refused::NotFound)?;
    if call.is_overheard() {
        state.owners.listening.note_call(store, &viewer, (call.agent_id, id)).await?;
    }
    let events = store.call_events(&access, id, i64::MIN, EVENTS_MAX).await?;
    let entries = timeline::entries(&call, &events);
    let passages = store.passages(&access, &passage_ids(&entries)).await?;
    let tasks = store.tasks_of_call(&access, id).await?;
    let bookings = match about::list(call.metadata.reveal(), "extracted_appointments").count() {
        0 => Vec::new(),
        places => store.bookings_spoken_of(&access, id, places).await?,
    };
    let booked = store.bookings_of_call(&access, id).await?;
    let was_put_through = about::list(call.metadata.reveal(), "transfers").next().is_some();
    let deeds = match was_put_through || call.metadata.reveal()["ended_by"] == "owner" {
        true => store.deeds_of_call(&access, &viewer, id).await?,
        false => Vec::new(),
    };
    let shell = Shell::of(store, viewer, wanted.agent().ok().flatten()).await?;
    let zone = Here::of(shell.agents.find(call.agent_id)).zone;
    let here = Here { zone: shell.zone(), ..Here::of(shell.agent()) };
    let filter = wanted.filter(&here).unwrap_or_default();
    let place = CallPlace { started_us: call.started_us, id };
    let newer = beside(state, &shell, &filter, Toward::Newer(place)).await;
    let older = beside(state, &shell, &filter, Toward::Older(place)).await;
    Ok(Seen {
        shell,
        wanted,
        call,
        zone,
        entries,
        passages,
        tasks,
        bookings,
        booked,
        deeds,
        newer,
        older,
    })
}

/// The next call of the list that one comes from. Without it the page is as good.
async fn beside(
    state: &AppState,
    shell: &Shell,
    filter: &CallFilter,
    toward: Toward,
) -> Option<Uuid> {
    let found = state.owners.store.calls(&shell.listed(), filter, toward, 1).await.ok()?;
    found.first().map(|call| call.place.id)
}

fn passage_ids(entries: &[Entry]) -> Vec<i64> {
    let said = entries.iter().filter_map(|entry| match &entry.what {
        What::Agent(said) => Some(&said.passages),
        _ => None,
    });
    let mut ids: Vec<i64> = said.flatten().copied().collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

impl Seen {
    fn page(&self) -> Response {
        let call = &self.call;
        let name = about::caller_name(call.summary.reveal());
        let sound = sound::Sound::of(call);
        let around = Around {
            recording: sound.address.as_deref(),
            passages: &self.passages,
            is_test: call.is_test(),
        };
        let spoken = Spoken { bookings: &self.bookings, may_book: self.may_book() };
        self.shell.page(
            Some(Section::Calls),
            "Call",
            &html! {
                (self.pager())
                h1 { (words::who(name, call.caller.reveal())) }
                (self.head(name))
                @for deed in &self.deeds { (self.deed(deed)) }
                (booked::list(call.id, &self.booked, &self.zone))
                (about::summary(call, &self.zone))
                (todo::list(&self.tasks, Shown { call: Some(call.id), query: &self.wanted.query(&[]) }, self.may_book()))
                (about::notes(call, &spoken, &self.tasks))
                h2 { "What was said" }
                (sound.player(call, &self.zone))
                @if self.entries.is_empty() { p .quiet { (self.no_words()) } }
                @else { (talk::lines(&self.entries, &around)) }
                (talk::passages(&self.entries, &self.passages))
                (times::chart(call.metadata.reveal()))
                (support::details(call))
                @if self.may_delete() { (removal::form(call)) }
            },
        )
    }

    fn may_book(&self) -> bool {
        let agent = self.shell.agents.find(self.call.agent_id);
        !self.call.is_test() && agent.is_some_and(|agent| agent.role >= Role::Maintainer)
    }

    fn may_delete(&self) -> bool {
        let agent = self.shell.agents.find(self.call.agent_id);
        self.call.ended_us.is_some() && agent.is_some_and(|agent| agent.role >= Role::Owner)
    }

    /// To the calls beside it, and back to the list: all with what was looked for.
    fn pager(&self) -> Markup {
        let query = self.wanted.query(&[]);
        let link = |id: Option<Uuid>, rel: &str, word: &str| {
            html! {
                @if let Some(id) = id { a rel=(rel) href={ "/calls/" (id) (query) } { (word) } }
                @else { span {} }
            }
        };
        html! {
            nav .pager aria-label="Calls beside this one" {
                (link(self.newer, "prev", "‹ Newer"))
                a href={ "/calls" (query) } { "All calls" }
                (link(self.older, "next", "Older ›"))
            }
        }
    }

    /// Who, when, how it came out, and what to do with the caller.
    fn head(&self, name: &str) -> Markup {
        let call = &self.call;
        let is_live = call.ended_us.is_none();
        let (outcome, class) = words::outcome(is_live, &call.status);
        let started = time::at(call.started_us, &self.zone);
        let zone = self.zone.iana_name().unwrap_or("UTC").replace('_', " ");
        html! {
            p .zone {
                @if !name.is_empty() { (words::number(call.caller.reveal())) " · " }
                time datetime=(iso::time(call.started_us, &self.zone)) { (started.strftime("%a %-d %b %Y %H:%M")) }
                @if let Some(us) = call.ended_us { "–" (time::at(us, &self.zone).strftime("%H:%M")) }
                " (" (zone) ")"
                @if let Some(ms) = call.duration_ms { " · " (time::length(time::whole_seconds(ms))) }
            }
            p { span class=(class) { (outcome) } @if call.is_test() { " " span .badge { "test" } } }
            p .actions {
                @if is_live { a .button.main href={ "/live/" (call.id) } { "Watch it live" } }
                @if let Some(number) = &call.caller_e164 {
                    @if !is_live { a .button.main href={ "tel:" (number.reveal()) } { "Call back" } }
                    a .button href={ "/callers/" (number.reveal()) } { "All from this number" }
                }
            }
        }
    }

    /// What somebody did with the call while it went on.
    fn deed(&self, deed: &CallDeed) -> Markup {
        html! {
            p .quiet {
                (if deed.action == "call.end" { "Ended" } else { "Put through" }) " by "
                @match &deed.by { Some(name) => bdi { (name.reveal()) }, None => "somebody who is gone" }
                " at " (time::at(deed.at_us, &self.zone).strftime("%H:%M:%S")) "."
            }
        }
    }

    fn no_words(&self) -> String {
        let metadata = self.call.metadata.reveal();
        match about::removed(metadata, "transcript", &self.zone) {
            Some(day) => format!("The words were removed on {day}, as the agent's settings say."),
            None if self.call.ended_us.is_none() => "Nothing was said yet.".to_owned(),
            None if about::has_message(&self.call) => {
                "The caller did not talk with the agent. What they said is in the message above."
                    .to_owned()
            }
            None => "Nothing was said.".to_owned(),
        }
    }
}
