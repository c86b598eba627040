//! The form of a booking, and new ones.

use std::sync::Arc;

use crate::web::routing::{get, post};
use axum::Router;
use axum::extract::{Form, Query};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::obstacles::{asked, closed, in_the_way, past, time_choice};
use super::{claimed, clock};
use crate::store::access::{AgentAccess, Maintain, Object, Role};
use crate::store::booking_edits::{Kept, Proposal};
use crate::store::bookings::{Booking, BookingPlace};
use crate::web::AppState;
use crate::web::bookings::fields::{Fields, Wrong};
use crate::web::bookings::when::Which;
use crate::web::bookings::zone;
use crate::web::console::errors::{Fault, Shown};
use crate::web::console::field::{area, input};
use crate::web::console::layout::{Section, Shell};
use crate::web::console::time;
use crate::web::guard::may;
use crate::web::problem::Problem;
use crate::web::session::PageRequest;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new().route("/bookings/new", get(new_page).merge(post(make)))
}

/// What the form sends.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct BookingForm {
    pub(super) agent: String,
    pub(super) date: String,
    pub(super) time: String,
    pub(super) which: String,
    pub(super) minutes: String,
    pub(super) name: String,
    pub(super) phone: String,
    pub(super) service: String,
    pub(super) notes: String,
    /// The revision that they saw.
    pub(super) revision: String,
    /// `true`: others may be booked in the same time.
    pub(super) overlap: String,
    /// `true`: a day that is past is meant.
    pub(super) past: String,
    /// `true`: a time at which the business is closed is meant.
    pub(super) closed: String,
    /// The call in which it was spoken of, and its place among what was; empty: none.
    pub(super) call: String,
    pub(super) place: String,
    /// The task of a caller who was told of this booking; empty: none.
    pub(super) task: String,
}

impl BookingForm {
    /// A booking as it is.
    pub(super) fn of(booking: &Booking, zone: &TimeZone) -> Self {
        let at = time::at(booking.start_us, zone);
        // The clock shows this time twice: without this the form would not say which one it was.
        let found = zone.to_ambiguous_timestamp(at.datetime());
        let is_second =
            found.is_ambiguous() && found.later().is_ok_and(|later| later == at.timestamp());
        let which = match (found.is_ambiguous(), is_second) {
            (false, _) => "",
            (true, false) => "first",
            (true, true) => "second",
        };
        Self {
            agent: booking.agent_id.to_string(),
            date: at.date().to_string(),
            time: at.strftime("%H:%M").to_string(),
            which: which.to_owned(),
            minutes: booking.minutes.to_string(),
            name: booking.name.reveal().clone(),
            phone: booking.phone.reveal().clone(),
            service: booking.service.reveal().clone(),
            notes: booking.notes.reveal().clone(),
            revision: booking.revision.to_string(),
            ..Self::default()
        }
    }

    /// What is wanted.
    pub(super) fn fields(&self) -> Fields {
        let minutes = self.minutes.trim();
        Fields {
            start: Some(format!("{}T{}", self.date.trim(), self.time.trim())),
            which: Which::from_word(&self.which),
            // What is no number is none that is accepted.
            minutes: (!minutes.is_empty()).then(|| minutes.parse().unwrap_or(0)),
            name: Some(self.name.clone()),
            phone: Some(self.phone.clone()),
            service: Some(self.service.clone()),
            notes: Some(self.notes.clone()),
            ..Fields::default()
        }
    }

    /// What was spoken of in a call, if that is what is booked.
    fn proposal(&self) -> Result<Option<Proposal>, Problem> {
        if self.call.is_empty() && self.place.is_empty() {
            return Ok(None);
        }
        let call = self.call.parse();
        let call = call.map_err(|_| Problem::invalid("call", "accepted is the id of a call"))?;
        let place = self.place.parse().map_err(|_| {
            Problem::invalid("place", "accepted is the place in the call's list, from 0")
        })?;
        Ok(Some(Proposal { call, place: Some(place) }))
    }

    /// Whether others may be booked in the same time.
    pub(super) fn may_overlap(&self) -> bool {
        self.overlap == "true"
    }
}

/// Why a form is shown again.
#[derive(Debug, Default)]
pub(super) struct Again {
    /// What is wrong with it.
    pub(super) wrong: Wrong,
    /// What is booked in its time.
    pub(super) others: Vec<Booking>,
    /// Whether its day is past, which may be a wrong month or year.
    pub(super) is_past: bool,
    /// Whether the business is closed then.
    pub(super) is_closed: bool,
    /// What the booking is now, if somebody changed it meanwhile.
    pub(super) now: Option<Box<Booking>>,
}

impl Again {
    /// The status of the answer that shows it.
    pub(super) fn status(&self) -> StatusCode {
        match (self.wrong.invalid.is_empty(), self.others.is_empty(), &self.now) {
            (false, _, _) => StatusCode::UNPROCESSABLE_ENTITY,
            (true, true, None) if !self.is_past && !self.is_closed => StatusCode::OK,
            _ => StatusCode::CONFLICT,
        }
    }
}

/// When a booking is, from beginning to end.
pub(super) fn span(start_us: i64, minutes: u32, zone: &TimeZone) -> String {
    let start = time::at(start_us, zone);
    let end = time::at(crate::web::bookings::end_us(start_us, minutes), zone);
    format!("{}, {}–{}", start.strftime("%A %-d %B %Y"), clock(&start), clock(&end))
}

/// The form, filled in so, which is sent to this address by a button with these words.
pub(super) fn form(
    form: &BookingForm,
    again: &Again,
    (action, button): (&str, &str),
    zone: &TimeZone,
) -> Markup {
    let invalid = &again.wrong.invalid;
    // The fault of a time is said once, beside the fields that make it.
    let time_fault = invalid.iter().find(|invalid| invalid.field == "start");
    html! {
        form method="post" action=(action) {
            input type="hidden" name="agent" value=(form.agent);
            input type="hidden" name="revision" value=(form.revision);
            @for (name, value) in [("call", &form.call), ("place", &form.place), ("task", &form.task)] {
                @if !value.is_empty() { input type="hidden" name=(name) value=(value); }
            }
            @if !again.others.is_empty() { (in_the_way(&again.others, zone)) }
            @if again.is_past { (past(form)) }
            @else if form.past == "true" { input type="hidden" name="past" value="true"; }
            @if again.is_closed { (closed()) }
            @else if form.closed == "true" { input type="hidden" name="closed" value="true"; }
            @if let Some(fault) = time_fault {
                (time_choice(form, again.wrong.time.as_ref(), &fault.detail))
            } @else if !form.which.is_empty() {
                input type="hidden" name="which" value=(form.which);
            }
            div .form-row {
                (input(("date", "date"), "Day", &form.date, &[]))
                (input(("time", "time"), "Time", &form.time, &[]))
                (input(("number", "minutes"), "Minutes", &form.minutes, invalid))
            }
            (input(("text", "name"), "Name", &form.name, invalid))
            div .form-row {
                (input(("tel", "phone"), "Phone", &form.phone, invalid))
                (input(("text", "service"), "What for", &form.service, invalid))
            }
            (area("notes", "Notes", &form.notes, invalid))
            p { button .main type="submit" { (button) } }
        }
    }
}

/// What a new booking is asked with.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    #[serde(default, deserialize_with = "crate::web::query::empty_is_none")]
    agent: Option<Uuid>,
    #[serde(default)]
    day: String,
    /// `10:00`, where a time is chosen already.
    #[serde(default)]
    time: String,
    /// Whom it is for, where that is known.
    #[serde(default)]
    name: String,
    #[serde(default)]
    phone: String,
    /// The task of a caller who was told that this is booked.
    #[serde(default)]
    task: String,
}

impl Wanted {
    /// The address of the same with this agent.
    fn address(&self, agent: Uuid) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("agent", &agent.to_string());
        let known = [
            ("day", &self.day),
            ("time", &self.time),
            ("name", &self.name),
            ("phone", &self.phone),
            ("task", &self.task),
        ];
        for (name, value) in known {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        format!("/bookings/new?{}", query.finish())
    }
}

async fn new_page(
    PageRequest { state, viewer }: PageRequest,
    Query(wanted): Query<Wanted>,
) -> Shown {
    let store = &state.owners.store;
    let agents = store.visible_agents(&viewer).await?;
    let mine: Vec<_> =
        agents.list().iter().filter(|agent| agent.role >= Role::Maintainer).collect();
    let agent = match (wanted.agent, mine.as_slice()) {
        (Some(agent), _) => agent,
        (None, [only]) => only.id,
        (None, _) => {
            let shell = Shell::of(store, viewer, None).await?;
            return Ok(shell.page(
                Some(Section::Bookings),
                "New booking",
                &html! {
                    h1 { "New booking" }
                    @if mine.is_empty() { p .empty { "You may read bookings and not make them. An owner can make you a maintainer on the page People." } }
                    @else { p { "With which business?" } }
                    ul .list { @for agent in mine { li {
                        a href=(wanted.address(agent.id)) { bdi { (agent.business) } }
                    } } }
                },
            ));
        }
    };
    let access = store.access::<Maintain>(&viewer, Object::Agent(agent)).await?;
    let place = store.booking_place(&access).await?;
    let shell = Shell::of(store, viewer, Some(agent)).await?;
    let empty = BookingForm {
        agent: agent.to_string(),
        date: match wanted.day.parse::<jiff::civil::Date>() {
            Ok(day) => day.to_string(),
            // No day is better than one that nobody meant.
            Err(_) => String::new(),
        },
        time: match wanted.time.parse::<jiff::civil::Time>() {
            Ok(time) => time.strftime("%H:%M").to_string(),
            Err(_) => String::new(),
        },
        minutes: place.usual_minutes.to_string(),
        name: wanted.name,
        phone: wanted.phone,
        task: wanted.task,
        ..BookingForm::default()
    };
    let empty = claimed::agreed(store, &access, empty).await;
    let said = claimed::said(store, &access, &shell, &empty.task).await;
    Ok(show_new((&shell, &said), &place, &empty, &Again::default()))
}

/// `said`: what its caller was told.
fn show_new(
    (shell, said): (&Shell, &Markup),
    place: &BookingPlace,
    shown: &BookingForm,
    again: &Again,
) -> Response {
    let zone = zone(place.zone.as_deref());
    let mut page = shell.page(
        Some(Section::Bookings),
        "New booking",
        &html! {
            h1 { "New booking" }
            p .zone { bdi { (place.business) } " · times are those in " (shell.zone_name()) }
            (said)
            (form(shown, again, ("/bookings/new", "Book"), &zone))
        },
    );
    *page.status_mut() = again.status();
    page
}

async fn make(PageRequest { state, viewer }: PageRequest, Form(sent): Form<BookingForm>) -> Shown {
    let store = &state.owners.store;
    let agent = sent.agent.parse().map_err(|_| Fault::NotFound)?;
    let access: AgentAccess<Maintain> =
        may(&state, &viewer, Object::Agent(agent), "booking.make").await?;
    let proposal = match sent.proposal()? {
        None => claimed::call(store, &access, &sent.task).await?,
        proposal => proposal,
    };
    let place = store.booking_place(&access).await?;
    let draft = sent.fields().draft(&place, None);
    let asked = match &draft {
        Ok(draft) => asked(&state, &viewer, agent, (place.zone.as_deref(), draft), &sent).await?,
        Err(_) => None,
    };
    let again = match (draft, asked) {
        (Err(wrong), _) => Again { wrong, ..Again::default() },
        (Ok(_), Some(asked)) => asked,
        (Ok(draft), None) => {
            let how = (sent.may_overlap(), proposal);
            match store.keep_booking(&access, &viewer, None, &draft, how).await? {
                Kept::Kept(booking) => {
                    claimed::settle(&state, &viewer, agent, &sent.task).await;
                    let to = format!("/bookings/{}?done=made", booking.id);
                    return Ok(Redirect::to(&to).into_response());
                }
                Kept::Taken(others) => Again { others, ..Again::default() },
                Kept::Changed(_) | Kept::Gone => {
                    // Somebody was quicker: the call's page says so.
                    let Some(Proposal { call, .. }) = proposal else { return Err(Fault::NotFound) };
                    return Ok(Redirect::to(&format!("/calls/{call}")).into_response());
                }
            }
        }
    };
    let shell = Shell::of(store, viewer, Some(agent)).await?;
    let said = claimed::said(store, &access, &shell, &sent.task).await;
    Ok(show_new((&shell, &said), &place, &sent, &again))
}
