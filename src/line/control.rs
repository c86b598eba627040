//! What comes from outside the conversation: streams that come and go, the phone company's
//! questions, the owner, the clock.

use std::time::Duration;

use metrics::counter;
use tokio::sync::oneshot;
use tracing::warn;

use super::driver::Line;
use super::phone::Phone;
use super::registry::{AfterPlan, Command};
use crate::call::{End, EndedBy, Event, LogEvent, Status};
use crate::clock::{self, Stopwatch};

/// How long a stream may take to come after its webhook, or the question what happens next after
/// a stream has ended.
pub(super) const STREAM_LIMIT: Duration = Duration::from_secs(15);
/// How long a media WebSocket may take to send `start`.
const START_LIMIT: Duration = Duration::from_secs(5);
/// How often a call that lost its stream is given back to the agent.
pub const RETURNS_MAX: i32 = 2;

impl Line {
    pub(super) fn phone_gone(&mut self, why: &'static str) {
        let Some(phone) = self.phone.take() else { return };
        self.start_due = None;
        if phone.has_started() {
            warn!(why, "media stream lost");
            counter!("frontdesk_streams_lost_total").increment(1);
            self.tell(Event::LineLost);
        } else {
            warn!(why, "media stream gave nothing");
        }
    }

    pub(super) fn caller_left(&mut self) {
        self.has_left = true;
        if self.fallback_due.is_some() {
            // The engine was lost, and nothing came after it.
            self.finish(End { status: Status::Failed, ended_by: EndedBy::Error });
        } else {
            self.tell(Event::CallerLeft);
        }
    }

    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::Stream(socket) => {
                // A second stream of one call takes the first one's place.
                if self.phone.is_some() {
                    self.phone_gone("replaced");
                }
                self.phone = Some(Phone::new(*socket, self.notes.call_sid()));
                self.start_due = Some(self.exchange.clock.now() + START_LIMIT);
            }
            Command::After { answer } => self.after(answer),
            Command::CallerLeft => self.caller_left(),
            Command::OwnerEnds => self.tell(Event::OwnerEnds),
            Command::Drain if self.fallback_due.is_some() => {
                self.finish(End { status: Status::Failed, ended_by: EndedBy::Error });
            }
            Command::Drain => self.tell(Event::Drain),
        }
    }

    /// Twilio asks what happens next: the stream has ended, even if we have not noticed.
    fn after(&mut self, answer: oneshot::Sender<AfterPlan>) {
        self.phone_gone("ended, says the phone company");
        // A call on its way to the fallback is over for the core, and not for the caller.
        let is_ending = self.fallback_due.is_none() && self.call.is_ending();
        let plan = if self.has_left || is_ending {
            AfterPlan::HangUp
        } else if self.fallback_due.is_none() && self.returns < RETURNS_MAX {
            self.returns += 1;
            if self.call.opened_at().is_none() {
                self.stream_due = Some(self.exchange.clock.now() + STREAM_LIMIT);
            }
            self.call.expect_line(self.now());
            AfterPlan::Return
        } else {
            self.finish(End { status: Status::NoAnswer, ended_by: EndedBy::Agent });
            AfterPlan::Fallback
        };
        // Whoever asked may have gone away; the plan holds all the same.
        let _ = answer.send(plan);
    }

    pub(super) fn due(&mut self) {
        let now = self.exchange.clock.now();
        let is_due = |due: Option<Duration>| due.is_some_and(|due| due <= now);
        if is_due(self.start_due) {
            self.phone_gone("no start");
        } else if is_due(self.stream_due) {
            self.stream_due = None;
            self.caller_left();
        } else if is_due(self.fallback_due) {
            self.finish(End { status: Status::Failed, ended_by: EndedBy::Error });
        } else if let Some((_, timer)) = self.call.deadline().filter(|(at, _)| *at <= self.now()) {
            self.sending_since(Stopwatch::start(), |line| line.tell(Event::Due(timer)));
        }
    }

    /// Ends a call whose end the core does not know, because it happens after the stream.
    fn finish(&mut self, end: End) {
        let at = self.now();
        self.notes.write(at, LogEvent::Ended(end));
        self.end = Some(end);
    }

    /// Closes the media stream, so that the phone company asks what happens next.
    pub(super) fn leave_stream(&mut self) {
        self.engine = None;
        if let Some(phone) = self.phone.take() {
            clock::spawn(phone.close());
        }
    }
}
