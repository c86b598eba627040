//! What is noticed only because something does not come: a peer that gives no sign of life, which is
//! pinged (keepalive), and the frames of a caller who was speaking, whose place silence takes.
//!
//! Nothing is done for each frame: at some times it is looked whether any came since the last.

use std::time::Duration;

use metrics::counter;

use super::driver::CallTask;
use super::stream_watchdog::SILENT_PEER;
use crate::call::Event;
use crate::engine::Report;

/// How often is looked whether frames come while the caller speaks. Without them the engine would
/// never hear that they have stopped.
const SILENT_CALLER: Duration = Duration::from_millis(300);
/// How much silence is put in the place of frames at most. By then any engine knows.
const FILL_MAX: Duration = Duration::from_secs(10);

impl CallTask {
    /// The engine hears the caller speak, or stop.
    pub(super) fn watch_caller(&mut self, report: &Report) {
        match report {
            Report::Event(Event::SpeechStarted { .. }) => {
                self.watch.frames = self.phone.as_ref().map_or(0, |phone| phone.frames());
                self.watch.filled = Duration::ZERO;
                self.watch.caller_due = Some(self.services.clock.now() + SILENT_CALLER);
            }
            Report::Event(Event::SpeechStopped { .. } | Event::EngineLost { .. }) => {
                self.watch.caller_due = None;
            }
            _ => {}
        }
    }

    /// Looks, if it is time to.
    pub(super) fn look(&mut self) {
        let now = self.services.clock.now();
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
