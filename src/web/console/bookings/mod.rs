//! `/bookings`: who comes when.

mod claimed;
mod form;
mod lists;
mod obstacles;
mod one;
mod telling;
mod week;

use std::sync::Arc;

use crate::web::routing::{get, post};
use axum::Router;
use axum::extract::{Form, Query};
use axum::response::{IntoResponse as _, Redirect, Response};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Zoned};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::errors::{Fault, Shown};
use super::layout::{Section, Shell};
use super::time;
use crate::agent::hours::Hours;
use crate::agent::{APPOINTMENT_MAX_MINUTES, Agent};
use crate::store::Store;
use crate::store::access::{
    AgentAccess, Maintain, Object, Read, Role, VisibleAgent, VisibleAgents,
};
use crate::store::bookings::BookingsWanted;
use crate::store::feeds::FeedState;
use crate::web::AppState;
use crate::web::bookings::ics;
use crate::web::guard::may;
use crate::web::session::PageRequest;
use lists::{Free, Who, day_list, week_table};
use week::Week;

/// The most bookings of a week that are shown.
const SHOWN_MAX: i64 = 1000;
/// How long a booking may be, microseconds.
const LONGEST_US: i64 = APPOINTMENT_MAX_MINUTES as i64 * 60_000_000;

/// Its routes.
pub(super) fn router() -> Router<Arc<AppState>> {
    Router::new()
        .route("/bookings", get(page))
        .route("/bookings/feed", post(make_feed))
        .route("/bookings/feed/stop", post(stop_feed))
        .merge(form::router())
        .merge(one::router())
}

/// What the page is asked with.
#[derive(Debug, Deserialize)]
struct Wanted {
    #[serde(default, deserialize_with = "crate::web::query::empty_is_none")]
    agent: Option<Uuid>,
    /// A day of the week that is shown; today's where it is none.
    #[serde(default)]
    day: String,
    /// What was just done.
    #[serde(default)]
    done: String,
}

/// The address of a day.
fn address(day: Date, agent: Option<Uuid>) -> String {
    match agent {
        Some(agent) => format!("/bookings?day={day}&agent={agent}"),
        None => format!("/bookings?day={day}"),
    }
}

/// `14:05`, and with the zone's letters in the hour that comes twice.
fn clock(at: &Zoned) -> String {
    let zone = at.time_zone();
    let is_twice = zone.to_ambiguous_timestamp(at.datetime()).is_ambiguous();
    at.strftime(if is_twice { "%H:%M %Z" } else { "%H:%M" }).to_string()
}

/// Whether something begins on a day that is over there.
fn is_past(start_us: i64, zone: &TimeZone) -> bool {
    let now_us = i64::try_from(crate::clock::unix_now().as_micros()).unwrap_or(i64::MAX);
    time::at(start_us, zone).date() < time::at(now_us, zone).date()
}

async fn page(PageRequest { state, viewer }: PageRequest, Query(wanted): Query<Wanted>) -> Shown {
    let store = &state.owners.store;
    let shell = Shell::of(store, viewer, wanted.agent).await?;
    let Some(agent) = shell.agent().cloned() else {
        return Ok(shell.page(
            Some(Section::Bookings),
            "Bookings",
            &html! {
                h1 { "Bookings" }
                p .empty { "You have no agent yet. " a href="/setup" { "Set one up" }
                    ": it books appointments with those who call." }
            },
        ));
    };
    let zone = shell.zone();
    let week = Week::of(&wanted.day, &shell.now);
    let (from_us, until_us) = week.span_us(&zone);
    // One that began the day before may go on into the week's first hours.
    let from_us = from_us - LONGEST_US;
    let asked = BookingsWanted { from_us, until_us, state: None, after: None, limit: SHOWN_MAX };
    let agents = shell.listed();
    let bookings = store.bookings(&agents, &asked).await?;
    let access = store.access::<Read>(&shell.viewer, Object::Agent(agent.id)).await?;
    let feed = store.feed(&access).await?;
    let is_one = agents.list().len() == 1;
    let hours = if is_one { hours_of(store, &access).await? } else { None };
    let may_book = agents.list().iter().any(|agent| agent.role >= Role::Maintainer);
    let names = (agents.list().len() > 1).then_some(&agents);
    let is_full = i64::try_from(bookings.len()).is_ok_and(|count| count >= SHOWN_MAX);
    Ok(shell.page(Some(Section::Bookings), "Bookings", &html! {
        div .row {
            div .grow {
                h1 { "Bookings" }
                p .zone { "Times are those in " (shell.zone_name()) "." }
            }
            @if may_book {
                a .button.main href=(new_address(&week, shell.chosen, !wanted.day.is_empty())) { "New booking" }
            }
        }
        @if wanted.done == "feed-stopped" {
            p .note.good role="status" { "The calendar address does not work any more." }
        }
        (pager(&week, shell.chosen))
        @if is_full { p .note.warn { "There are more bookings in this week than this page shows." } }
        section .narrow aria-label="The day" { (day_list(&week, &bookings, &zone, (names, hours.as_ref()))) }
        section .wide aria-label="The week" {
            @if !is_one && may_book { p .hint { "To book by a tap on a free hour, choose one agent at the top." } }
            @let free = Free::of(&agents, &shell.now).filter(|_| !is_full);
            (week_table(&week, &bookings, &zone, Who { names, free, hours: hours.as_ref() }))
        }
        @if is_one { (feed_card(&agent, feed.as_ref(), &shell.now)) } @else { (feeds_card(&agents)) }
    }))
}

/// When the one agent of the page is open.
async fn hours_of(store: &Store, access: &AgentAccess<Read>) -> Result<Option<Hours>, Fault> {
    let row = store.agent_to_read(access).await?;
    Ok(row.map(|row| Agent::new(row).hours))
}

/// The way to the feed of each of several agents: each has an address of its own.
fn feeds_card(agents: &VisibleAgents) -> Markup {
    html! {
        section .card aria-labelledby="feed" {
            h2 #feed { "In your own calendar" }
            p { "Google, Apple and Outlook can show bookings beside your own. Each business has an address of its own:" }
            ul { @for agent in agents.list() {
                li { a href={ "/bookings?agent=" (agent.id) "#feed" } { bdi { (agent.business) } } }
            } }
        }
    }
}

/// Where a new booking is made: on the day that was chosen, or on one that is still to be.
fn new_address(week: &Week, agent: Option<Uuid>, is_day_chosen: bool) -> String {
    match (is_day_chosen, agent) {
        (true, agent) => address(week.day, agent).replacen("/bookings?", "/bookings/new?", 1),
        (false, Some(agent)) => format!("/bookings/new?agent={agent}"),
        (false, None) => "/bookings/new".to_owned(),
    }
}

/// To the days before and after: by days on a telephone, by weeks on a desk.
fn pager(week: &Week, agent: Option<Uuid>) -> Markup {
    let later = |days: i64| week.day.checked_add(days.days()).unwrap_or(week.day);
    let to = |days: i64| address(later(days), agent);
    html! {
        nav .narrow aria-label="Days" {
            div .pager {
                a .button href=(to(-1)) rel="prev" { "‹ " (later(-1).strftime("%a %-d %b")) }
                a .button href=(to(1)) rel="next" { (later(1).strftime("%a %-d %b")) " ›" }
            }
        }
        nav .wide aria-label="Weeks" {
            div .pager {
                a .button href=(to(-7)) rel="prev" { "‹ Week before" }
                a .button href=(to(7)) rel="next" { "Week after ›" }
            }
        }
        form .filters method="get" action="/bookings" {
            @if let Some(agent) = agent { input type="hidden" name="agent" value=(agent); }
            span { label for="day" { "Day" } input type="date" id="day" name="day" value=(week.day); }
            button type="submit" { "Go to this day" }
            @if week.day != week.today {
                a .button href=(address(week.today, agent)) { "Today" }
            }
        }
    }
}

/// The feed for other calendars.
fn feed_card(agent: &VisibleAgent, feed: Option<&FeedState>, now: &Zoned) -> Markup {
    let may_change = agent.role >= Role::Maintainer;
    let when = |us: i64| time::when(&time::at(us, now.time_zone()), now);
    html! {
        section .card aria-labelledby="feed" {
            h2 #feed { "In your own calendar" }
            @match feed {
                None => p { "Google, Apple and Outlook can show the bookings of "
                    bdi { (agent.business) } " beside your own, by an address of a calendar." }
                Some(feed) => p {
                    "The bookings of " bdi { (agent.business) } " have an address since "
                    (when(feed.created_us))
                    @if let Some(by) = &feed.created_by { ", made by " bdi { (by.reveal()) } }
                    ". "
                    @match feed.read_us {
                        Some(read) => { "A calendar last read it " (when(read)) "." }
                        None => { "No calendar has read it yet." }
                    }
                }
            }
            p .hint { "Calendars look again when they like: Google only every few hours." }
            @if may_change {
                div .actions {
                    form method="post" action="/bookings/feed" {
                        input type="hidden" name="agent" value=(agent.id);
                        button type="submit" {
                            @if feed.is_some() { "Make a new address" } @else { "Make an address" }
                        }
                    }
                    @if feed.is_some() {
                        form method="post" action="/bookings/feed/stop" {
                            input type="hidden" name="agent" value=(agent.id);
                            button .bad type="submit" { "Stop the address" }
                        }
                    }
                }
                @if feed.is_some() { p .hint { "The address of before stops working with a new one." } }
            }
        }
    }
}

/// Which agent a form is about.
#[derive(Debug, Deserialize)]
struct OfAgent {
    #[serde(default)]
    agent: String,
}

impl OfAgent {
    fn agent(&self) -> Result<Uuid, Fault> {
        self.agent.parse().map_err(|_| Fault::NotFound)
    }
}

/// Shows the address in the answer itself: it is kept nowhere from which another page could show it.
async fn make_feed(PageRequest { state, viewer }: PageRequest, Form(form): Form<OfAgent>) -> Shown {
    let agent = form.agent()?;
    let url = ics::make(&state, &viewer, agent).await?;
    let shell = Shell::of(&state.owners.store, viewer, Some(agent)).await?;
    Ok(shell.page(Some(Section::Bookings), "Calendar address", &html! {
        h1 { "The address of your calendar" }
        p { "Copy it now: it is shown only this once." }
        pre #feed-address { (url) }
        div .actions {
            button type="button" data-copy="feed-address" { "Copy" }
            a .button href="/bookings" { "Back to the bookings" }
        }
        h2 { "Where it goes" }
        ul {
            li { "Google Calendar: Other calendars, then From URL." }
            li { "Apple Calendar: File, then New Calendar Subscription." }
            li { "Outlook: Add calendar, then Subscribe from web." }
        }
        p .note.warn { "Whoever has this address reads the bookings. If it got to somebody else, make a new one." }
    }))
}

async fn stop_feed(
    PageRequest { state, viewer }: PageRequest,
    Form(form): Form<OfAgent>,
) -> Result<Response, Fault> {
    let access =
        may::<Maintain>(&state, &viewer, Object::Agent(form.agent()?), "feed.revoke").await?;
    state.owners.store.revoke_feed(&access, &viewer).await?;
    let to = format!("/bookings?done=feed-stopped&agent={}", access.agent_id());
    Ok(Redirect::to(&to).into_response())
}
