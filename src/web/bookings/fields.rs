//! What is accepted of a booking.

use super::when::{Which, WrongTime, instant};
use super::zone;
use crate::agent::APPOINTMENT_MAX_MINUTES;
use crate::agent::phone_number::normalise_local;
use crate::agent::region::Region;
use crate::store::booking_edits::BookingDraft;
use crate::store::bookings::{Booking, BookingPlace, BookingState};
use crate::web::invalid::{Invalid, lines, one_line};

/// The longest texts, in characters.
const NAME_MAX: usize = 200;
const NOTES_MAX: usize = 4000;
pub(crate) const REASON_MAX: usize = 500;

/// What was sent. What is not sent stays as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    /// When it begins.
    pub(crate) start: Option<String>,
    /// Which instant is meant where the clock shows it twice.
    pub(crate) which: Option<Which>,
    /// How long it takes.
    pub(crate) minutes: Option<i64>,
    /// The name.
    pub(crate) name: Option<String>,
    /// The number.
    pub(crate) phone: Option<String>,
    /// What it is for.
    pub(crate) service: Option<String>,
    /// What else is to be known.
    pub(crate) notes: Option<String>,
    /// `pending`, `completed`, `missed` or `cancelled`.
    pub(crate) status: Option<String>,
    /// Why it is cancelled.
    pub(crate) reason: Option<String>,
}

/// What is wrong with what was sent.
#[derive(Debug, Default)]
pub(crate) struct Wrong {
    /// Each field.
    pub(crate) invalid: Vec<Invalid>,
    /// The time, if that is it.
    pub(crate) time: Option<WrongTime>,
}

impl Wrong {
    /// The first of the faults.
    pub(crate) fn first(self) -> Invalid {
        let first = self.invalid.into_iter().next();
        first.unwrap_or_else(|| Invalid::new("start", "is no time"))
    }
}

impl Fields {
    /// The booking that is wanted, of one that is there or a new one.
    pub(crate) fn draft(
        &self,
        place: &BookingPlace,
        known: Option<&Booking>,
    ) -> Result<BookingDraft, Wrong> {
        let mut draft = known.map_or_else(|| new_draft(place), BookingDraft::of);
        let mut wrong = Wrong::default();
        match (&self.start, known) {
            (None, Some(_)) => {}
            (None, None) => wrong.invalid.push(Invalid::new("start", "is missing")),
            (Some(text), _) => match instant(text, &zone(place.zone.as_deref()), self.which) {
                Ok(start) => draft.start_us = start.as_microsecond(),
                Err(why) => {
                    wrong.invalid.push(Invalid::new("start", why.words()));
                    wrong.time = Some(why);
                }
            },
        }
        match self.minutes.map(u32::try_from) {
            None => {}
            Some(Ok(minutes)) if (1..=APPOINTMENT_MAX_MINUTES).contains(&minutes) => {
                draft.minutes = minutes;
            }
            Some(_) => {
                let detail = format!("accepted are 1 to {APPOINTMENT_MAX_MINUTES} minutes");
                wrong.invalid.push(Invalid::new("minutes", detail));
            }
        }
        self.texts(place, known, &mut draft, &mut wrong.invalid);
        self.state(&mut draft, &mut wrong.invalid);
        if wrong.invalid.is_empty() { Ok(draft) } else { Err(wrong) }
    }

    fn texts(
        &self,
        place: &BookingPlace,
        known: Option<&Booking>,
        draft: &mut BookingDraft,
        invalid: &mut Vec<Invalid>,
    ) {
        // What is sent as it was is not looked at: other programs write what they like.
        let sent = |field: &Option<String>, was: &str| {
            let is_new = known.is_none() || field.as_deref().is_some_and(|text| text != was);
            field.clone().filter(|_| is_new)
        };
        let name = sent(&self.name, draft.name.reveal());
        match name.map(|name| one_line("name", &name, NAME_MAX, false)) {
            Some(Ok(name)) => draft.name = name.into(),
            Some(Err(fault)) => invalid.push(fault),
            None if known.is_none() => invalid.push(Invalid::new("name", "is missing")),
            None => {}
        }
        let phone = sent(&self.phone, draft.phone.reveal());
        match phone.map(|phone| number(&phone, place)) {
            Some(Ok(phone)) => draft.phone = phone.into(),
            Some(Err(fault)) => invalid.push(fault),
            None => {}
        }
        let service = sent(&self.service, draft.service.reveal());
        match service.map(|service| one_line("service", &service, NAME_MAX, true)) {
            Some(Ok(service)) => draft.service = service.into(),
            Some(Err(fault)) => invalid.push(fault),
            None => {}
        }
        // A browser sends line feeds with returns before them.
        let notes = self.notes.as_ref().map(|notes| notes.replace("\r\n", "\n"));
        match sent(&notes, draft.notes.reveal()).map(|notes| lines("notes", &notes, NOTES_MAX)) {
            Some(Ok(notes)) => draft.notes = notes.into(),
            Some(Err(fault)) => invalid.push(fault),
            None => {}
        }
    }

    fn state(&self, draft: &mut BookingDraft, invalid: &mut Vec<Invalid>) {
        match self.status.as_deref().map(BookingState::from_word) {
            None => {}
            Some(Some(state)) => draft.state = state,
            Some(None) => {
                let detail = "accepted are pending, completed, missed and cancelled";
                invalid.push(Invalid::new("status", detail));
            }
        }
        match self.reason.as_deref().map(|reason| one_line("reason", reason, REASON_MAX, true)) {
            None => {}
            Some(Ok(reason)) => draft.reason = reason.into(),
            Some(Err(fault)) => invalid.push(fault),
        }
    }
}

fn new_draft(place: &BookingPlace) -> BookingDraft {
    BookingDraft {
        start_us: 0,
        minutes: place.usual_minutes,
        name: String::new().into(),
        phone: String::new().into(),
        service: String::new().into(),
        notes: String::new().into(),
        state: BookingState::Pending,
        reason: String::new().into(),
    }
}

/// A number as E.164, or nothing where it is not known.
fn number(text: &str, place: &BookingPlace) -> Result<String, Invalid> {
    let region =
        Region::of_business(place.phone.as_deref(), place.zone.as_deref(), place.number.as_deref());
    match text.trim() {
        "" => Ok(String::new()),
        text => normalise_local(text, region).ok_or_else(|| {
            let example = Region::example(region);
            let why = format!(
                "is no telephone number; accepted is one such as {example}, or as it is dialled where \
                 the business is"
            );
            Invalid::new("phone", why)
        }),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn place() -> BookingPlace {
        BookingPlace {
            agent_id: Uuid::nil(),
            business: "Bright Smile".to_owned(),
            zone: Some("Europe/London".to_owned()),
            phone: None,
            number: None,
            usual_minutes: 30,
        }
    }

    fn fields(start: &str, name: &str) -> Fields {
        Fields { start: Some(start.to_owned()), name: Some(name.to_owned()), ..Fields::default() }
    }

    #[test]
    fn a_new_booking_has_a_time_and_a_name() {
        let draft = fields("2026-07-01T09:30", " Anna  Khan ").draft(&place(), None).unwrap();
        assert_eq!(draft.start_us, 1_782_894_600_000_000);
        assert_eq!((draft.minutes, draft.name.reveal().as_str()), (30, "Anna Khan"));
        let wrong = Fields::default().draft(&place(), None).unwrap_err();
        let names: Vec<_> = wrong.invalid.iter().map(|invalid| invalid.field).collect();
        assert_eq!(names, ["start", "name"]);
    }

    #[test]
    fn each_field_that_is_not_accepted_is_named() {
        let sent = Fields {
            minutes: Some(0),
            phone: Some("call me".to_owned()),
            service: Some("x".repeat(201)),
            notes: Some("x".repeat(4001)),
            status: Some("gone".to_owned()),
            reason: Some("x".repeat(501)),
            ..fields("2027-03-28T01:30", "\n")
        };
        let wrong = sent.draft(&place(), None).unwrap_err();
        let names: Vec<_> = wrong.invalid.iter().map(|invalid| invalid.field).collect();
        assert_eq!(
            names,
            ["start", "minutes", "name", "phone", "service", "notes", "status", "reason"]
        );
        assert_eq!(wrong.time, Some(WrongTime::Skipped));
    }

    #[test]
    fn a_number_is_read_as_it_is_dialled_there() {
        let sent = |phone: &str| Fields {
            phone: Some(phone.to_owned()),
            ..fields("2026-07-01T09:30", "Anna")
        };
        let phone = |text| sent(text).draft(&place(), None).map(|draft| draft.phone.into_inner());
        assert_eq!(phone("020 7946 0000").unwrap(), "+442079460000");
        assert_eq!(phone("+49 30 901820").unwrap(), "+4930901820");
        assert_eq!(phone(" ").unwrap(), "");
        assert!(phone("12").is_err());
        let example = |zone: &str| {
            let there = BookingPlace { zone: Some(zone.to_owned()), ..place() };
            sent("12").draft(&there, None).unwrap_err().invalid[0].detail.clone()
        };
        assert!(example("America/New_York").contains("such as +1 202-555-0123"));
        assert!(example("Europe/London").contains("such as +44 20 7946 0123"));
    }
}
