//! What a button does with a booking: it is cancelled, they came or not, it is right.

use axum::extract::Form;
use axum::response::{IntoResponse as _, Redirect};
use http::StatusCode;
use maud::html;
use serde::Deserialize;
use uuid::Uuid;

use super::{Seen, changing, show};
use crate::store::booking_edits::{BookingDraft, Kept};
use crate::store::bookings::{Booking, BookingState};
use crate::store::people::Viewer;
use crate::web::AppState;
use crate::web::bookings::fields::REASON_MAX;
use crate::web::bookings::zone;
use crate::web::console::bookings::form::{Again, BookingForm, span};
use crate::web::console::bookings::telling::{self, Told};
use crate::web::console::errors::{Fault, Shown};
use crate::web::console::layout::Shell;
use crate::web::guard::PageId;
use crate::web::session::PageRequest;

/// What a button sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Settling {
    revision: String,
    pub(super) reason: String,
    /// `yes`: they are told by a text.
    tell: String,
    text: String,
    /// What stood there before somebody typed.
    suggested: String,
}

impl Settling {
    /// Whether they were to be told, and by which words; none: those that were suggested, which may be of
    /// another time by now.
    pub(super) fn telling(&self) -> (bool, Option<&str>) {
        let typed = Some(self.text.as_str()).filter(|text| text.trim() != self.suggested.trim());
        (self.tell == "yes", typed)
    }

    /// What of it is longer than may be kept or sent.
    fn too_long(&self) -> Option<String> {
        // A text that nobody sends keeps nobody from anything.
        let text = (self.tell == "yes").then_some(("text", &self.text, telling::TEXT_MAX));
        let texts = [Some(("reason", &self.reason, REASON_MAX)), text];
        texts.into_iter().flatten().find_map(|(what, text, most)| {
            // A browser sends a line's end as two.
            let length = text.trim().replace("\r\n", "\n").chars().count();
            let why = || format!("The {what} has {length} characters, and may have {most}.");
            (length > most).then(why)
        })
    }
}

/// The booking's page once more, with what was typed and is too long.
async fn not_cancelled(
    state: &AppState,
    viewer: Viewer,
    booking: &Booking,
    sent: &Settling,
    why: &str,
) -> Shown {
    let shell = Shell::of(&state.owners.store, viewer, Some(booking.agent_id)).await?;
    let zone = zone(booking.zone.as_deref());
    let notice = html! {
        p .note.bad role="alert" { (why) " Nothing was changed: shorten it and send it again." }
    };
    let way = telling::way(state, booking, &zone).await;
    let seen = Seen { booking, way: way.as_ref(), cancel: Some(sent) };
    let form = BookingForm::of(booking, &zone);
    let mut page = show(&shell, seen, &form, (true, &notice, &Again::default()));
    *page.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(page)
}

async fn settle(
    state: &AppState,
    viewer: Viewer,
    id: Uuid,
    (action, to, sent): (&'static str, BookingState, Settling),
) -> Shown {
    let store = &state.owners.store;
    let (access, known) = changing(state, &viewer, id, action).await?;
    if let Some(why) = sent.too_long() {
        return not_cancelled(state, viewer, &known, &sent, &why).await;
    }
    let seen = Booking { revision: sent.revision.parse().unwrap_or(-1), ..known.clone() };
    let reason: String = sent.reason.chars().filter(|c| !c.is_control()).collect();
    let draft = BookingDraft { state: to, reason: reason.into(), ..BookingDraft::of(&known) };
    let is_so = known.state == to && (action != "booking.check" || !known.is_to_check);
    let kept = match is_so {
        true => Kept::Kept(Box::new(known.clone())),
        false => store.keep_booking(&access, &viewer, Some(&seen), &draft, (false, None)).await?,
    };
    let (shown, again) = match kept {
        Kept::Kept(now) => {
            let done = if action == "booking.check" { "checked" } else { now.state.word() };
            // Cancelled before, they were told then, or not.
            let tells = !is_so && to == BookingState::Cancelled && sent.tell == "yes";
            let told = match tells {
                true => tell(state, &viewer, &known, &sent.text).await,
                false => String::new(),
            };
            let to = format!("/bookings/{id}?done={done}{told}");
            return Ok(Redirect::to(&to).into_response());
        }
        Kept::Gone => return Err(Fault::NotFound),
        Kept::Changed(now) => ((*now).clone(), Again { now: Some(now), ..Again::default() }),
        Kept::Taken(others) => (known, Again { others, ..Again::default() }),
    };
    let shell = Shell::of(store, viewer, Some(access.agent_id())).await?;
    let zone = zone(shown.zone.as_deref());
    let notice = html! {
        @if !again.others.is_empty() {
            p .note.warn role="alert" {
                "Something else is booked in that time now: "
                @for (n, other) in again.others.iter().enumerate() {
                    @if n > 0 { "; " }
                    a href={ "/bookings/" (other.id) } { bdi { (other.name.reveal()) } }
                    ", " (span(other.start_us, other.minutes, &zone))
                }
                ". Move that one first, or make a new booking."
            }
        }
    };
    let form = BookingForm::of(&shown, &zone);
    let way = telling::way(state, &shown, &zone).await;
    let cancel = Some(&sent).filter(|_| to == BookingState::Cancelled);
    let seen = Seen { booking: &shown, way: way.as_ref(), cancel };
    Ok(show(&shell, seen, &form, (true, &notice, &again)))
}

/// Tells whom it was for, and gives what became of that for an address.
pub(super) async fn tell(
    state: &AppState,
    viewer: &Viewer,
    booking: &Booking,
    text: &str,
) -> String {
    let told = match telling::way(state, booking, &zone(booking.zone.as_deref())).await {
        Some(way) => telling::tell(state, viewer, booking, &way, text).await,
        None => Told::Not,
    };
    format!("&told={}", told.word())
}

macro_rules! settling {
    ($name:ident, $action:literal, $state:ident) => {
        pub(super) async fn $name(
            PageRequest { state, viewer }: PageRequest,
            PageId(id): PageId<Uuid>,
            Form(sent): Form<Settling>,
        ) -> Shown {
            settle(&state, viewer, id, ($action, BookingState::$state, sent)).await
        }
    };
}

settling!(cancel, "booking.cancel", Cancelled);
settling!(came, "booking.came", Completed);
settling!(missed, "booking.missed", Missed);
settling!(reopen, "booking.reopen", Pending);
settling!(check, "booking.check", Pending);
