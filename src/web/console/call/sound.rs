//! The recording of a call, or why there is none.

use jiff::tz::TimeZone;
use maud::{Markup, html};
use serde_json::Value;
use uuid::Uuid;

use super::about::removed;
use crate::clock;
use crate::store::call_page::CallPage;
use crate::web::console::assets;

/// So long after a call its recording may still be in the making, microseconds: it is written once the
/// call is over, and again where the place for recordings did not answer.
const MADE_WITHIN_US: i64 = 10 * 60 * 1_000_000;

/// A call's recording.
pub(super) struct Sound {
    id: Uuid,
    /// How many files there are: one for each process that had the call.
    parts: usize,
    /// Where it is, if it is one that lines can be gone to in.
    pub(super) address: Option<String>,
}

impl Sound {
    pub(super) fn of(call: &CallPage) -> Self {
        let recording = &call.metadata.reveal()["recording"];
        let parts = match recording["parts"].as_array() {
            Some(parts) => parts.len(),
            None => usize::from(recording["path"].is_string()),
        };
        // A later part begins at a time that is not known here.
        let address = (parts == 1).then(|| format!("/api/v1/calls/{}/recording", call.id));
        Self { id: call.id, parts, address }
    }

    /// What plays it.
    pub(super) fn player(&self, call: &CallPage, zone: &TimeZone) -> Markup {
        let recording = &call.metadata.reveal()["recording"];
        html! {
            @if self.parts == 0 { p .quiet { (why_none(call, zone)) } }
            @for part in 1..=self.parts {
                @if self.parts > 1 { p { "Part " (part) } }
                audio controls preload="none" data-player[self.parts == 1] {
                    source src={ "/api/v1/calls/" (self.id) "/recording?part=" (part) } type="audio/ogg; codecs=opus";
                    source src={ "/api/v1/calls/" (self.id) "/recording.wav?part=" (part) } type="audio/wav";
                }
            }
            @if self.parts == 1 {
                p .actions role="group" aria-label="Speed" data-speeds hidden {
                    @for speed in ["1", "1.5", "2"] {
                        button type="button" value=(speed) aria-pressed=(if speed == "1" { "true" } else { "false" }) { (speed) "×" }
                    }
                }
                p .note.bad role="status" data-unplayable hidden { "The recording can't be played now. The words are below." }
                script src=(assets::PLAYER.path) defer {}
            }
            @if self.parts > 0 {
                p .hint {
                    "The caller is on the left, the agent on the right. "
                    @if recording["complete"] == false { "The recording is not complete. " }
                    "Who listens is written down."
                }
            }
        }
    }
}

fn why_none(call: &CallPage, zone: &TimeZone) -> String {
    let metadata = call.metadata.reveal();
    if metadata["sample"] == true {
        return "This is a call of the sample week. Nobody made it, so there is no sound."
            .to_owned();
    }
    if let Some(day) = removed(metadata, "recording", zone) {
        return format!("The recording was removed on {day}, as the agent's settings say.");
    }
    let Some(ended_us) = call.ended_us else {
        return "There is a recording when the call is over, if the agent's settings say so."
            .to_owned();
    };
    let now_us = i64::try_from(clock::unix_now().as_micros()).unwrap_or(i64::MAX);
    let is_fresh = now_us.saturating_sub(ended_us) < MADE_WITHIN_US;
    // What the agent did not hear is not on its recording: the row names the streams that there were.
    let had_agent = metadata["stream_sids"].as_array().is_some_and(|streams| !streams.is_empty());
    let is_due = call.was_to_be_recorded && had_agent && metadata["recording"] == Value::Null;
    let why = match (is_due, is_fresh) {
        (true, true) => "The recording is still being made. Look again in a minute.",
        (true, false) => {
            "The call was to be recorded, but no recording came of it. Whoever runs this server finds why in its log."
        }
        (false, _) if call.status == "voicemail" => {
            "The call itself was not recorded. What the caller left is a message of its own."
        }
        (false, _) => "This call was not recorded.",
    };
    why.to_owned()
}
