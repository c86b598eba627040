//! The watchdog of the media stream, and its keepalive: what is noticed only because something does not come: a peer that gives no sign of life, and the
//! frames of a caller who was speaking.
//!
//! Nothing is done for each frame: at some times it is looked whether any came since the last.

use std::time::Duration;

use metrics::counter;

use super::driver::Line;
use crate::call::Event;
use crate::engine::Report;

/// How long nothing at all comes from the phone before it is asked for a sign of life; and as long
/// again, and it is gone. Twilio sends 50 frames a second, but some carriers none in silence.
const SILENT_PEER: Duration = Duration::from_secs(15);
/// How often is looked whether frames come while the caller speaks. Without them the engine would
/// never hear that they have stopped.
const SILENT_CALLER: Duration = Duration::from_millis(300);
/// How much silence is put in the place of frames at most. By then any engine knows.
const FILL_MAX: Duration = Duration::from_secs(10);

/// When is looked next, and what there was when it was looked last.
#[derive(Default)]
pub(super) struct Watch {
    peer_due: Option<Duration>,
    received: u64,
    is_asked: bool,
    caller_due: Option<Duration>,
    frames: u64,
    filled: Duration,
}

impl Watch {
    /// When is looked next.
    pub(super) fn due(&self) -> Option<Duration> {
        self.peer_due.into_iter().chain(self.caller_due).min()
    }

    /// A stream has started.
    pub(super) fn begin(&mut self, now: Duration) {
        *self = Self { peer_due: Some(now + SILENT_PEER), ..Self::default() };
    }

    /// There is no stream any more.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }
}

impl Line {
    /// The engine hears the caller speak, or stop.
    pub(super) fn watch_caller(&mut self, report: &Report) {
        match report {
            Report::Event(Event::SpeechStarted { .. }) => {
                self.watch.frames = self.phone.as_ref().map_or(0, |phone| phone.frames());
                self.watch.filled = Duration::ZERO;
                self.watch.caller_due = Some(self.exchange.clock.now() + SILENT_CALLER);
            }
            Report::Event(Event::SpeechStopped { .. } | Event::EngineLost { .. }) => {
                self.watch.caller_due = None;
            }
            _ => {}
        }
    }

    /// Looks, if it is time to.
    pub(super) fn look(&mut self) {
        let now = self.exchange.clock.now();
        if self.watch.caller_due.is_some_and(|due| due <= now) {
            self.look_for_frames(now);
        }
        if self.watch.peer_due.is_some_and(|due| due <= now) {
            self.look_for_peer(now);
        }
    }

    /// No frames have come of a caller who was speaking: the engine hears silence.
    fn look_for_frames(&mut self, now: Duration) {
        let Some(phone) = &mut self.phone else {
            self.watch.caller_due = None;
            return;
        };
        let have_come = phone.frames() != self.watch.frames;
        self.watch.frames = phone.frames();
        self.watch.caller_due = Some(now + SILENT_CALLER);
        if have_come {
            return;
        }
        self.watch.filled += SILENT_CALLER;
        if self.watch.filled > FILL_MAX {
            self.watch.caller_due = None;
            return;
        }
        let bytes = phone.fill(SILENT_CALLER.as_millis() as u64);
        counter!("frontdesk_caller_silence_filled_bytes_total").increment(bytes as u64);
        if let Some(engine) = &mut self.engine {
            engine.hear_silence(bytes);
        }
    }

    /// Nothing has come for a while: the other side is asked whether it is there.
    fn look_for_peer(&mut self, now: Duration) {
        let Some(phone) = &mut self.phone else {
            self.watch.peer_due = None;
            return;
        };
        self.watch.peer_due = Some(now + SILENT_PEER);
        let have_come = phone.received() != self.watch.received;
        self.watch.received = phone.received();
        if have_come {
            self.watch.is_asked = false;
            return;
        }
        if self.watch.is_asked {
            return self.phone_gone("no sign of life");
        }
        self.watch.is_asked = true;
        if let Err(why) = phone.ping() {
            self.phone_gone(why);
        }
    }
}
