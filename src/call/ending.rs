//! How does the call end? With a goodbye that is heard, or when the caller leaves, and always with
//! one end that is written down.

use super::functions::Done;
use super::reply::Wanted;
use super::state::Call;
use super::survival::Line;
use super::{
    Action, CallTime, End, EndedBy, Event, GoodbyeReason, LogEvent, Purpose, ReplyId, Status, Timer,
};

/// A goodbye of which no audio comes is given up after this time.
const GOODBYE_SILENT_MS: u64 = 8_000;
/// The mark of a goodbye may come this much later than its audio ends.
const GOODBYE_GRACE_MS: u64 = 5_000;
/// A goodbye is short.
const GOODBYE_LONGEST_MS: u64 = 30_000;
/// A server that goes down waits this long for a goodbye.
const DRAIN_MS: u64 = 5_000;
/// How long the end waits for words that are still in transcription, and for functions.
const WORDS_MS: u64 = 2_000;

/// The agent is saying goodbye, or is about to: the call ends when it was heard.
pub(super) struct Farewell {
    end: End,
    /// The reply that is the goodbye, once it was asked for.
    pub(super) reply: Option<ReplyId>,
    /// Whether the caller may keep the agent from hanging up by speaking.
    pub(super) withdrawable: bool,
    /// The call ends at this time, heard or not.
    latest: CallTime,
}

/// How the call ends, as soon as the event that ended it has been seen to.
pub(super) enum Ending {
    /// It is hung up.
    HangUp(End),
    /// The caller goes on to the agent's fallback, because of this.
    Fallback(String),
}

impl GoodbyeReason {
    /// How the call ends after a goodbye for this reason. (A server going down has its own.)
    pub(super) fn end(self) -> End {
        let ended_by = match self {
            Self::Done | Self::Idle => EndedBy::Agent,
            Self::Limit => EndedBy::Limit,
            Self::Ended => EndedBy::Owner,
        };
        End { status: Status::Completed, ended_by }
    }

    /// Whether a caller who speaks can keep the agent from hanging up.
    pub(super) fn may_be_withdrawn(self) -> bool {
        matches!(self, Self::Done | Self::Idle)
    }
}

impl Call {
    /// The agent has nothing more to say: the reply that it said so with is its goodbye, or it is
    /// asked for one.
    pub(super) fn agent_ends(&mut self, said: Option<ReplyId>) {
        let reason = GoodbyeReason::Done;
        if said.is_none() || self.farewell.is_some() {
            return self.say_goodbye(reason, reason.end());
        }
        self.farewell = Some(Farewell {
            end: reason.end(),
            reply: said,
            withdrawable: true,
            latest: self.now.plus_ms(GOODBYE_LONGEST_MS),
        });
        self.wanted = None;
        self.watch_goodbye();
    }

    /// Says goodbye and then ends the call. A goodbye that cannot be withdrawn cuts off whatever is
    /// being said; with nobody to say it or to hear it, the call ends at once.
    pub(super) fn say_goodbye(&mut self, reason: GoodbyeReason, end: End) {
        let withdrawable = reason.may_be_withdrawn();
        if self.farewell.as_ref().is_some_and(|said| withdrawable || !said.withdrawable) {
            return;
        }
        if self.line != Line::Open || !self.engine.is_ready() {
            return self.end(end);
        }
        if !withdrawable {
            self.cut(false);
        }
        self.wanted = None;
        let latest = self.now.plus_ms(GOODBYE_LONGEST_MS);
        self.farewell = Some(Farewell { end, reply: None, withdrawable, latest });
        self.timers.set(Timer::Goodbye, self.now.plus_ms(GOODBYE_SILENT_MS));
        self.want(Wanted::now(Purpose::Goodbye(reason)));
    }

    /// The owner ends the call.
    pub(super) fn owner_ends(&mut self) {
        self.say_goodbye(GoodbyeReason::Ended, GoodbyeReason::Ended.end());
    }

    /// The server goes down: there is time for a short goodbye.
    pub(super) fn drain(&mut self) {
        let end = End { status: Status::Failed, ended_by: EndedBy::Error };
        self.say_goodbye(GoodbyeReason::Ended, end);
        let latest = self.now.plus_ms(DRAIN_MS);
        if let Some(farewell) = &mut self.farewell {
            farewell.latest = farewell.latest.min(latest);
            self.timers.set(Timer::Goodbye, farewell.latest);
        }
    }

    /// Audio of a reply was sent: if it is the goodbye, its end has moved.
    pub(super) fn goodbye_audio(&mut self, reply: ReplyId) {
        if self.farewell.as_ref().is_some_and(|farewell| farewell.reply == Some(reply)) {
            self.watch_goodbye();
        }
    }

    fn watch_goodbye(&mut self) {
        let heard_by = self.now.plus_ms(self.playout.unheard_ms() + GOODBYE_GRACE_MS);
        if let Some(farewell) = &self.farewell {
            self.timers.set(Timer::Goodbye, heard_by.min(farewell.latest));
        }
    }

    /// The goodbye took too long.
    pub(super) fn goodbye_overdue(&mut self) {
        if let Some(end) = self.farewell_end() {
            self.end(end);
        }
    }

    /// How the call ends, if there was a goodbye and it was heard.
    pub(super) fn farewell_said(&self) -> Option<End> {
        let farewell = self.farewell.as_ref()?;
        let reply = farewell.reply?;
        let said = self.playout.get(reply).is_none()
            && self.response.as_ref().is_none_or(|response| response.reply != reply);
        said.then_some(farewell.end)
    }

    /// How the call ends, if a goodbye has been decided on.
    pub(super) fn farewell_end(&self) -> Option<End> {
        self.farewell.as_ref().map(|farewell| farewell.end)
    }

    /// No more can be said: the goodbye is what is on the line, or nothing.
    pub(super) fn finish_farewell(&mut self) {
        let playing = |reply| self.playout.get(reply).is_some();
        if let Some(farewell) = &self.farewell
            && !farewell.reply.is_some_and(playing)
        {
            self.end(farewell.end);
        }
    }

    /// The caller speaks: a goodbye that may be withdrawn is. Returns whether none is left.
    pub(super) fn withdraw_farewell(&mut self) -> bool {
        if self.farewell.take_if(|farewell| farewell.withdrawable).is_some() {
            self.wanted = None;
            self.timers.clear(Timer::Goodbye);
        }
        self.farewell.is_none()
    }

    /// The caller has left.
    pub(super) fn caller_left(&mut self) {
        self.settle_playing();
        let by_us = |end: &End| matches!(end.ended_by, EndedBy::Limit | EndedBy::Owner);
        let decided = self.farewell_end().filter(by_us);
        let heard = self.record.heard_anything();
        let status = if heard { Status::Completed } else { Status::NoAnswer };
        self.end(decided.unwrap_or(End { status, ended_by: EndedBy::Caller }));
    }

    /// The engine is of no use any more: the caller goes on to the agent's fallback. If the line is
    /// not open that waits until it is; and a goodbye is the end even if it could not be said.
    pub(super) fn give_up(&mut self, why: &str) {
        if let Some(end) = self.farewell_end() {
            return self.end(end);
        }
        self.response = None;
        self.wanted = None;
        if self.line == Line::Open {
            self.move_on(why.to_owned());
        } else {
            self.engine_is_gone(why);
        }
    }

    /// Leaves the media stream for the agent's fallback.
    pub(super) fn move_on(&mut self, why: String) {
        self.ending.get_or_insert(Ending::Fallback(why));
    }

    /// The call has ended. The first end counts.
    pub(super) fn end(&mut self, end: End) {
        self.ending.get_or_insert(Ending::HangUp(end));
    }

    /// Ends the call if it has come to that. Only words that are still in transcription are waited
    /// for, and what is still being carried out.
    pub(super) fn conclude(&mut self) {
        let Some(ending) = &self.ending else { return };
        let hangs_up = matches!(ending, Ending::HangUp(_));
        self.settle_playing();
        self.keys_complete();
        self.timers.clear_all();
        if hangs_up && self.awaits_last_words() {
            self.timers.set(Timer::Words, self.now.plus_ms(WORDS_MS));
        } else {
            self.leave();
        }
    }

    /// Whether something that belongs into the call's row may still come.
    fn awaits_last_words(&self) -> bool {
        self.functions.are_in_flight() || (self.engine.is_ready() && self.caller.awaits_words())
    }

    /// The call has ended, but for the last words and what is still being carried out.
    pub(super) fn handle_last_words(&mut self, event: Event) {
        let mut is_over = false;
        match event {
            Event::CallerWords { utterance, words } => {
                self.learn(&utterance, words);
            }
            Event::Due(timer) => is_over = self.timers.take_due(timer, self.now),
            Event::EngineLost { .. } => is_over = !self.functions.are_in_flight(),
            Event::ReplyEnded { usage, .. } => self.note_usage(usage),
            Event::FunctionDone { run, ok, output, row, then, note } => {
                self.note_result(run, Done { ok, output, row, then, note });
            }
            _ => {}
        }
        if is_over || !self.awaits_last_words() {
            self.leave();
        }
    }

    /// Writes down the end and carries it out: the last actions of all.
    fn leave(&mut self) {
        self.settle_all_speech();
        match self.ending.take() {
            Some(Ending::HangUp(end)) => {
                self.note(LogEvent::Ended(end));
                self.out.push(Action::HangUp(end));
            }
            Some(Ending::Fallback(why)) => {
                self.note(LogEvent::MovedToFallback { why });
                self.out.push(Action::MoveToFallback);
            }
            None => {}
        }
        self.over = true;
    }

    /// Nothing more will be heard: what was heard until now is settled.
    fn settle_playing(&mut self) {
        for spoken in self.playout.cut() {
            self.settle(&spoken, false);
        }
    }
}
