//! What a caller hears at a certain time, by the code that decides it for calls.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use maud::{Markup, html};

use crate::agent::hours::DayHours;
use crate::agent::settings::Fallback;
use crate::agent::{Agent, Refusal};

/// How far the next opening is looked for, in days.
const DAYS_AHEAD: usize = 14;

/// What callers hear now, when it opens next, and in the night to Sunday.
pub(super) fn preview(agent: &Agent, now: &Zoned) -> Markup {
    let now = now.with_time_zone(agent.hours.zone().clone());
    let zone = now.time_zone();
    let opening =
        next_opening(agent, &now).filter(|_| agent.hours.is_open(now.timestamp()) == Some(false));
    let sunday = sunday_night(&now, zone);
    let line = |when: String, at: Timestamp| {
        let state = match agent.hours.is_open(at) {
            Some(true) => "open",
            Some(false) => "closed",
            None => "hours not known",
        };
        html! { li { b { (when) " (" (state) ")" } br; (heard(agent, at)) } }
    };
    html! {
        div .card {
            h2 #preview { "What a caller hears" }
            ul .list {
                (line("Now".to_owned(), now.timestamp()))
                @if let Some(opening) = opening {
                    (line(opening.strftime("%a %H:%M").to_string(), opening.timestamp()))
                }
                @if let Some(sunday) = sunday { (line("Sunday 03:00".to_owned(), sunday.timestamp())) }
            }
        }
    }
}

fn sunday_night(now: &Zoned, zone: &TimeZone) -> Option<Zoned> {
    let days = std::iter::successors(Some(now.date()), |day| day.tomorrow().ok()).take(8);
    let at = days.filter(|day| day.weekday() == Weekday::Sunday);
    let at = at
        .filter_map(|day| day.to_datetime(Time::constant(3, 0, 0, 0)).to_zoned(zone.clone()).ok());
    at.into_iter().find(|at| at > now)
}

fn next_opening(agent: &Agent, now: &Zoned) -> Option<Zoned> {
    let zone = now.time_zone();
    let days = std::iter::successors(Some(now.date()), |day| day.tomorrow().ok()).take(DAYS_AHEAD);
    let opens = days.flat_map(|day| match agent.hours.of(day) {
        DayHours::Known(ranges) => ranges,
        DayHours::NotKept | DayHours::NotKnown => Vec::new(),
    });
    let mut opens = opens.filter_map(|(open, _)| open.to_zoned(zone.clone()).ok());
    opens.find(|open| open > now)
}

/// What a caller hears who calls then.
fn heard(agent: &Agent, at: Timestamp) -> Markup {
    match agent.answers_now(at) {
        Ok(()) => answered(agent, agent.hours.is_open(at) == Some(false)),
        Err(refusal) => {
            let why = match refusal {
                Refusal::Inactive => "The agent is switched off.",
                Refusal::Suspended => "The agent is suspended.",
                Refusal::Unavailable => "The agent is unavailable for now.",
                Refusal::Closed => "The agent does not answer while you are closed.",
            };
            html! { (why) " " (fallback(agent)) }
        }
    }
}

fn answered(agent: &Agent, is_closed: bool) -> Markup {
    let settings = &agent.settings;
    let business = agent.business.name.as_deref().unwrap_or("the business");
    html! {
        @if settings.recording.enabled { q { (settings.recording.notice) } " Then: " }
        @match settings.greeting.as_deref().map(str::trim) {
            Some("") => "The agent waits for the caller to speak.",
            Some(words) => q { (words) },
            None => { "A greeting in the agent's own words, with the name " bdi { (business) } "." }
        }
        @if is_closed { " The agent knows that you are closed." }
    }
}

/// What a caller gets who cannot have the agent.
pub(super) fn fallback(agent: &Agent) -> Markup {
    let words = agent.settings.fallback_message();
    html! {
        @match &agent.settings.fallback {
            Fallback::Forward(number) => { "The number " bdi { (number.reveal()) } " rings." }
            Fallback::Voicemail => { q { (words) } " Then a tone, and the caller leaves a message." }
            Fallback::Say => { q { (words) } " Then the call ends." }
        }
    }
}
