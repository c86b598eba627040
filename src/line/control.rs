//! What comes from outside the conversation: streams that come and go, Twilio's questions, the
//! owner, the clock.

use std::time::Duration;

use metrics::counter;
use tokio::sync::oneshot;
use tracing::warn;

use super::driver::CallTask;
use super::exit::{Exit, Leaving, Onward, STREAM_LIMIT, dial_limit, fallback_limit};
use super::phone::{FromPhone, Phone};
use super::registry::{AfterPlan, Command};
use crate::call::lifecycle::{self, LOST, Plan, Question, Standing, Task, UNANSWERED};
use crate::call::{End, Event, LogEvent, Role, Words};
use crate::clock::{self, Stopwatch};
use crate::recording::recorder::Taps;
use crate::socket::{ServerSocket, WRITE_LIMIT};
use crate::twilio::media::Start;

/// How long a media WebSocket may take to send `start`.
const START_LIMIT: Duration = Duration::from_secs(5);

impl CallTask {
    pub(super) fn phone_gone(&mut self, why: &'static str) {
        // Also where the phone is gone already: what is due for ever would be all that is done.
        self.start_due = None;
        let Some(phone) = self.phone.take() else { return };
        self.watch.end();
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
        match self.leaving.as_ref().map(|leaving| &leaving.to) {
            // The engine was lost, and nothing came after it.
            Some(Onward::Fallback) => self.finish(LOST),
            Some(Onward::Party(_)) => self.finish(self.call.record().end_by_caller()),
            None => self.tell(Event::CallerLeft),
        }
    }

    pub(super) fn command(&mut self, command: Command) {
        match command {
            // Twilio is to ask what happens next.
            Command::Stream(socket) => self.stream(*socket, None),
            Command::Started(socket, start) => self.stream(*socket, Some(start)),
            Command::After { stream_sid, answer } => self.after(stream_sid.as_deref(), answer),
            Command::LetGo { if_leaving, answer } => {
                if if_leaving && self.leaving.is_none() {
                    // The send fails where nobody waits for the answer any more.
                    let _ = answer.send(false);
                } else {
                    self.over = Some(Exit::Elsewhere(answer));
                }
            }
            Command::CallerLeft => {
                self.confirm_due = None;
                self.caller_left();
            }
            Command::CallerTypes(text) => self.caller_types(text.reveal()),
            Command::OwnerEnds { words } => self.tell(Event::OwnerEnds { words }),
            Command::OwnerTransfers { target } => self.tell(Event::OwnerTransfers { target }),
            Command::Drain => self.tell(Event::Drain),
            Command::Part { answer } => self.part(answer),
            Command::Rejoin => self.rejoin(),
            Command::Note(event) => self.call_log.write(self.now(), event),
        }
    }

    /// What was typed is in the conversation at once; the caller has the floor as if it had been said.
    fn caller_types(&mut self, text: &str) {
        if self.leaving.is_some() || self.over.is_some() {
            return;
        }
        if let Some(engine) = &mut self.engine {
            engine.add_message(Role::Caller, text);
        }
        // The log's numbers are given once.
        let utterance = format!("typed-{}", self.call_log.position().next_seq);
        let event = Event::CallerWords { utterance, words: Words::Final(text.to_owned()) };
        self.sending_since(Stopwatch::start(), |line| line.tell(event));
    }

    /// A media stream has come; `start`: what it has said already.
    fn stream(&mut self, socket: ServerSocket, start: Option<Start>) {
        // A second stream of one call takes the first one's place. One that comes when the caller goes
        // on elsewhere is closed: Twilio is to ask what happens next.
        if self.leaving.is_none() && self.phone.is_some() {
            self.phone_gone("replaced");
        }
        let (call_sid, speed) = (self.call_log.call_sid(), self.services.clock.speed());
        if self.leaving.is_some() || self.over.is_some() {
            clock::spawn(Phone::new(socket, call_sid, None, speed).close());
            return;
        }
        let tap = self.taps.as_ref().map(Taps::tap);
        let phone = self.phone.insert(Phone::new(socket, call_sid, tap, speed));
        self.start_due = Some(self.services.clock.now() + START_LIMIT);
        match start.and_then(|start| phone.start(start)) {
            Some(FromPhone::Started(stream_sid)) => self.started(stream_sid),
            Some(FromPhone::Gone(why)) => self.phone_gone(why),
            _ => {}
        }
    }

    /// Twilio asks what happens next: the stream has ended, even if we have not noticed.
    fn after(&mut self, stream_sid: Option<&str>, answer: oneshot::Sender<AfterPlan>) {
        self.confirm_due = None;
        let present = self.phone.as_ref().and_then(Phone::stream_sid);
        let is_past = present.zip(stream_sid).is_some_and(|(present, ended)| present != ended);
        if !is_past {
            self.phone_gone("ended, says Twilio");
        }
        // A call that goes on elsewhere is over for the core, and not for the caller.
        let leaving = self.leaving.take().map(|leaving| leaving.to);
        let task = Task {
            has_left: self.has_left,
            onward: leaving.as_ref().map(|to| match to {
                Onward::Party(_) => lifecycle::Onward::Party,
                Onward::Fallback => lifecycle::Onward::Fallback,
            }),
            is_ending: self.call.is_ending(),
            is_past_stream: is_past,
            returns: self.returns,
        };
        let question = Question::StreamEnded { over: false };
        let plan = match (lifecycle::next(Standing::Here(&task), question), leaving) {
            (Plan::Return, _) => {
                if !is_past {
                    self.expect_stream_again();
                }
                AfterPlan::Return
            }
            (Plan::PutThrough, Some(Onward::Party(target))) => AfterPlan::Transfer(target.number),
            (Plan::HangUp, _) => AfterPlan::HangUp,
            (Plan::Fallback { why: Some(why) }, _) => {
                self.call_log.write(self.now(), LogEvent::MovedToFallback { why: why.to_owned() });
                AfterPlan::Fallback
            }
            // Also what is no answer to this question, which would be a bug: somebody speaks.
            _ => AfterPlan::Fallback,
        };
        let limit = match plan {
            AfterPlan::Return | AfterPlan::HangUp => None,
            AfterPlan::Transfer(_) => Some(dial_limit(&self.agent)),
            AfterPlan::Fallback => fallback_limit(&self.agent),
        };
        if let Some(limit) = limit {
            self.over = Some(Exit::Out { limit, plan, answer });
            return;
        }
        if plan == AfterPlan::Fallback {
            self.finish(UNANSWERED);
        }
        // The send fails where the webhook no longer waits; the plan holds all the same.
        let _ = answer.send(plan);
    }

    /// The caller is given back: another stream is to come.
    fn expect_stream_again(&mut self) {
        self.returns += 1;
        if self.call.opened_at().is_none() {
            self.stream_due = Some(self.services.clock.now() + STREAM_LIMIT);
        }
        self.call.expect_line(self.now());
    }

    /// Leaves the media stream; Twilio asks what happens next, and is told this.
    pub(super) fn leave_for(&mut self, to: Onward) {
        self.leaving = Some(Leaving { to, due: self.services.clock.now() + STREAM_LIMIT });
        self.leave_stream();
    }

    /// When the task wants to be woken if nothing else wakes it.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let core = self
            .call
            .deadline()
            .map(|(at, _)| self.born + Duration::from_millis(at.ms()).saturating_sub(self.age));
        let wall = |left: Duration| self.services.clock.now() + left * self.services.clock.speed();
        let stuck = self.phone.as_ref().and_then(Phone::stuck_for);
        let stuck = stuck.map(|stuck| wall(WRITE_LIMIT.saturating_sub(stuck)));
        let rest = self.phone.as_ref().and_then(Phone::rests_for).map(wall);
        let leaving = self.leaving.as_ref().map(|leaving| leaving.due);
        let (parting, watch) = (self.parting_due(), self.watch.due());
        [core, self.stream_due, self.start_due, leaving, stuck, rest, parting, watch]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn due(&mut self) {
        self.look();
        let now = self.services.clock.now();
        let is_due = |due: Option<Duration>| due.is_some_and(|due| due <= now);
        if is_due(self.start_due) {
            self.phone_gone("no start");
        } else if is_due(self.stream_due) {
            self.stream_due = None;
            self.caller_left();
        } else if is_due(self.leaving.as_ref().map(|leaving| leaving.due)) {
            self.finish(LOST);
        } else if let Some((_, timer)) = self.call.deadline().filter(|(at, _)| *at <= self.now()) {
            self.sending_since(Stopwatch::start(), |line| line.tell(Event::Due(timer)));
        }
    }

    /// Ends a call whose end the core does not know, because it happens after the stream.
    fn finish(&mut self, end: End) {
        self.over = Some(Exit::EndedOutside(end));
    }

    /// Closes the media stream, so that Twilio asks what happens next.
    pub(super) fn leave_stream(&mut self) {
        (self.engine, self.successor) = (None, None);
        if let Some(phone) = self.phone.take() {
            clock::spawn(phone.close());
        }
    }
}
