//! The text that tells somebody of their cancelled booking: offered where the agent has a number and a
//! Twilio account to send it with, and the booking a number that it can go to.

use std::sync::Arc;

use jiff::tz::TimeZone;
use maud::{Markup, html};
use tracing::warn;

use super::clock;
use crate::agent::Agent;
use crate::agent::phone_number::normalise_local;
use crate::store::audit::AuditEntry;
use crate::store::bookings::Booking;
use crate::store::people::Viewer;
use crate::twilio::rest::RestError;
use crate::web::AppState;
use crate::web::console::time;
use crate::web::paces::TEXTS;

/// The longest text, in characters: two parts of a long message.
pub(super) const TEXT_MAX: usize = 300;

/// How somebody is told.
pub(super) struct Way {
    agent: Arc<Agent>,
    from: String,
    to: String,
    /// What is suggested.
    words: String,
}

/// How whoever a booking is for can be told of it; none: by no text.
pub(super) async fn way(state: &AppState, booking: &Booking, zone: &TimeZone) -> Option<Way> {
    let agent = state.directory.by_id(booking.agent_id).await?;
    let from = agent.number.clone()?;
    let to = normalise_local(booking.phone.reveal(), agent.region)?;
    if !state.services.function_services.twilio.has_account(&agent) {
        return None;
    }
    let at = time::at(booking.start_us, zone);
    let business = agent.business.name.as_deref().unwrap_or(&agent.name);
    let day = at.strftime("%A %-d %B");
    let words = format!("{business}: your appointment on {day}, {} is cancelled.", clock(&at));
    Some(Way { agent, from, to, words })
}

/// What the form that cancels asks about it; where it is shown again, whether they were to be told and
/// what was typed.
pub(super) fn field(way: Option<&Way>, (tells, typed): (bool, Option<&str>)) -> Markup {
    html! {
        @match way {
            Some(way) => {
                label .check {
                    input type="checkbox" name="tell" value="yes" checked[tells];
                    span { "Tell them by a text to " bdi { (way.to) } }
                }
                label for="text" { "The text" }
                textarea id="text" name="text" {
                    (typed.unwrap_or(&way.words))
                }
                input type="hidden" name="suggested" value=(way.words);
            }
            None => p .hint { "No text is sent: call them if they should know." }
        }
    }
}

/// What became of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Told {
    Sent,
    /// It may have been sent.
    Perhaps,
    /// Whoever cancels had too many sent.
    Often,
    Not,
}

impl Told {
    /// Its word in addresses.
    pub(super) fn word(self) -> &'static str {
        self.into()
    }

    /// What is said of it; nothing of what is no word for it.
    pub(super) fn words(word: &str) -> &'static str {
        match word {
            "sent" => " They are told by a text.",
            "perhaps" => " Twilio did not say whether the text was sent: ask them.",
            "often" => " No text was sent: you have had many sent in the last minutes. Call them.",
            "not" => " The text was not sent: call them.",
            _ => "",
        }
    }
}

/// Sends it, once: nobody knows a second one for the same.
pub(super) async fn tell(
    state: &AppState,
    viewer: &Viewer,
    booking: &Booking,
    way: &Way,
    text: &str,
) -> Told {
    let text = text.trim().to_owned();
    let text = if text.is_empty() { way.words.clone() } else { text };
    match state.owners.store.take_pace(&TEXTS, viewer.id()).await {
        Ok(None) => {}
        Ok(Some(_)) => return Told::Often,
        Err(error) => {
            warn!(%error, "a text about a cancelled booking is not sent: it cannot be counted");
            return Told::Not;
        }
    }
    // Before it is sent: nobody is to have a text of which nothing is written down.
    let deed = AuditEntry::of(viewer, "booking.text").agent(booking.agent_id);
    let deed = deed.object("appointment", booking.id);
    if let Err(error) = state.owners.store.note_deed(&deed).await {
        warn!(%error, "a text about a cancelled booking is not sent: it cannot be written down");
        return Told::Not;
    }
    let twilio = &state.services.function_services.twilio;
    match twilio.send_message(&way.agent, &way.to, &way.from, &text).await {
        Ok(()) => Told::Sent,
        Err(RestError::Unknown) => Told::Perhaps,
        Err(error) => {
            warn!(%error, "a text about a cancelled booking was not sent");
            Told::Not
        }
    }
}
