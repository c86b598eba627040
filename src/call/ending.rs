//! How does the call end for the agent? With last words that are heard, or when the caller leaves,
//! and always with one end that is written down.

use super::function_batch::Done;
use super::goodbye::{Ending, Farewell};
use super::links::Line;
use super::requests::Wanted;
use super::state::Call;
use super::{
    Action, End, EndedBy, Event, GoodbyeReason, LogEvent, Purpose, ReplyId, Status, Timer,
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

impl Call {
    /// The agent has nothing more to say: the reply that it said so with is its goodbye, or it is
    /// asked for one, of these words if there are any.
    pub(super) fn agent_ends(&mut self, said: Option<ReplyId>, words: Option<String>) {
        let reason = GoodbyeReason::Done;
        if said.is_none() || self.goodbye.farewell.is_some() {
            return self.say_last_words(reason, words, reason.end());
        }
        self.take_leave(Ending::HangUp(reason.end()), Purpose::Goodbye(reason, words), said);
    }

    /// The last words before `then`: `said`, or else a reply of this purpose is asked for.
    pub(super) fn take_leave(&mut self, then: Ending, purpose: Purpose, said: Option<ReplyId>) {
        let withdrawable = match purpose {
            Purpose::Goodbye(reason, _) => reason.may_be_withdrawn(),
            _ => true,
        };
        let latest = self.now.plus_ms(GOODBYE_LONGEST_MS);
        self.goodbye.farewell = Some(Farewell { then, reply: said, withdrawable, latest });
        self.requests.wanted = None;
        if said.is_some() {
            return self.watch_goodbye();
        }
        self.timers.set(Timer::Goodbye, self.now.plus_ms(GOODBYE_SILENT_MS));
        self.want(Wanted::now(purpose));
    }

    /// Says goodbye and then ends the call. A goodbye that cannot be withdrawn cuts off whatever is
    /// being said; with nobody to say it or to hear it, the call ends at once.
    pub(super) fn say_goodbye(&mut self, reason: GoodbyeReason, end: End) {
        self.say_last_words(reason, None, end);
    }

    fn say_last_words(&mut self, reason: GoodbyeReason, words: Option<String>, end: End) {
        let withdrawable = reason.may_be_withdrawn();
        if self.goodbye.farewell.as_ref().is_some_and(|said| withdrawable || !said.withdrawable) {
            return;
        }
        if self.stream.line != Line::Open || !self.link.engine.is_ready() {
            return self.end(end);
        }
        if !withdrawable {
            self.cut(false);
        }
        self.take_leave(Ending::HangUp(end), Purpose::Goodbye(reason, words), None);
    }

    /// The owner ends the call, with these words or others.
    pub(super) fn owner_ends(&mut self, words: Option<String>) {
        self.say_last_words(GoodbyeReason::Ended, words, GoodbyeReason::Ended.end());
    }

    /// The server goes down: there is time for a short goodbye. Whoever is being put through goes
    /// at once: that needs this server no more.
    pub(super) fn drain(&mut self) {
        if self.goodbye.farewell.as_ref().is_some_and(|farewell| farewell.then.is_transfer()) {
            self.depart();
            return;
        }
        match &mut self.goodbye.farewell {
            // The agent is leaving already: its own last words are heard.
            Some(farewell) => farewell.withdrawable = false,
            None => {
                let end = End { status: Status::Failed, ended_by: EndedBy::Error };
                self.say_goodbye(GoodbyeReason::Ended, end);
            }
        }
        let latest = self.now.plus_ms(DRAIN_MS);
        if let Some(farewell) = &mut self.goodbye.farewell {
            farewell.latest = farewell.latest.min(latest);
            self.timers.set(Timer::Goodbye, farewell.latest);
        }
    }

    /// Audio of a reply was sent: if it is the goodbye, its end has moved.
    pub(super) fn goodbye_audio(&mut self, reply: ReplyId) {
        if self.goodbye.farewell.as_ref().is_some_and(|farewell| farewell.reply == Some(reply)) {
            self.watch_goodbye();
        }
    }

    fn watch_goodbye(&mut self) {
        let heard_by = self.now.plus_ms(self.playout.unheard_ms() + GOODBYE_GRACE_MS);
        if let Some(farewell) = &self.goodbye.farewell {
            self.timers.set(Timer::Goodbye, heard_by.min(farewell.latest));
        }
    }

    /// Whether there were last words and they were heard.
    pub(super) fn farewell_is_said(&self) -> bool {
        let reply = self.goodbye.farewell.as_ref().and_then(|farewell| farewell.reply);
        reply.is_some_and(|reply| {
            self.playout.get(reply).is_none()
                && self.requests.response.as_ref().is_none_or(|response| response.reply != reply)
        })
    }

    /// What comes after the last words comes now, whether they were heard or not. Returns whether
    /// any had been decided on.
    pub(super) fn depart(&mut self) -> bool {
        let Some(farewell) = &self.goodbye.farewell else { return false };
        self.goodbye.ending.get_or_insert(farewell.then.clone());
        true
    }

    /// No more can be said: the last words are what is on the line, or nothing.
    pub(super) fn finish_farewell(&mut self) {
        let playing = |reply| self.playout.get(reply).is_some();
        if let Some(farewell) = &self.goodbye.farewell
            && !farewell.reply.is_some_and(playing)
        {
            self.depart();
        }
    }

    /// The caller speaks: last words that may be withdrawn are. Returns whether none are left.
    pub(super) fn withdraw_farewell(&mut self) -> bool {
        // An engine that is gone has nothing to go on with.
        let stays = |said: &Farewell| {
            said.withdrawable && self.may_stay(said) && self.link.engine.is_ready()
        };
        if self.goodbye.farewell.as_ref().is_some_and(stays) {
            self.requests.wanted = None;
            self.timers.clear(Timer::Goodbye);
            if let Some(Farewell { then: Ending::Transfer(target), .. }) =
                self.goodbye.farewell.take()
            {
                self.withdraw_transfer(&target);
            }
        }
        self.goodbye.farewell.is_none()
    }

    /// The caller has left.
    pub(super) fn caller_left(&mut self) {
        self.settle_playing();
        let decided = self.goodbye.farewell.as_ref().and_then(|farewell| match farewell.then {
            Ending::HangUp(end) => Some(end),
            _ => None,
        });
        let decided = decided.filter(|end| matches!(end.ended_by, EndedBy::Limit | EndedBy::Owner));
        self.end(decided.unwrap_or_else(|| self.record.end_by_caller()));
    }

    /// The engine is of no use any more: the caller goes on to the agent's fallback. If the line is
    /// not open that waits until it is; and what was to come after last words comes even if they
    /// could not be said.
    pub(super) fn give_up(&mut self, why: &str) {
        if self.depart() {
            return;
        }
        self.requests.response = None;
        self.requests.wanted = None;
        if self.stream.line == Line::Open {
            self.move_on(why.to_owned());
        } else {
            self.engine_is_gone(why);
        }
    }

    /// Leaves the media stream for the agent's fallback.
    pub(super) fn move_on(&mut self, why: String) {
        self.goodbye.ending.get_or_insert(Ending::Fallback(why));
    }

    /// The call has ended. The first end counts.
    pub(super) fn end(&mut self, end: End) {
        self.goodbye.ending.get_or_insert(Ending::HangUp(end));
    }

    /// Ends the call if it has come to that. Only words that are still in transcription are waited
    /// for, and what is still being carried out.
    pub(super) fn conclude(&mut self) {
        if self.goodbye.ending.is_none() {
            return;
        }
        self.settle_playing();
        self.keys_complete();
        self.timers.clear_all();
        if self.awaits_last_words() {
            self.timers.set(Timer::Words, self.now.plus_ms(WORDS_MS));
        } else {
            self.leave();
        }
    }

    /// Whether something that belongs into the call's row may still come.
    fn awaits_last_words(&self) -> bool {
        let words = self.link.engine.is_ready() && self.caller.awaits_words();
        match &self.goodbye.ending {
            Some(Ending::HangUp(_)) => self.functions.are_in_flight() || words,
            // Words come back with the caller, if they do; nobody takes in results any more. When
            // the line is lost Twilio asks at once where the caller is to go.
            Some(Ending::Transfer(_)) => {
                self.stream.line == Line::Open && self.functions.are_in_flight()
            }
            Some(Ending::Fallback(_)) | None => false,
        }
    }

    /// The call has ended, but for the last words and what is still being carried out.
    pub(super) fn handle_last_words(&mut self, event: Event) {
        let mut is_over = false;
        match event {
            Event::CallerWords { utterance, words } => {
                self.learn(&utterance, words);
            }
            Event::Due(timer) => is_over = self.timers.take_due(timer, self.now),
            Event::CallerLeft if self.goodbye.ending.as_ref().is_some_and(Ending::is_transfer) => {
                self.goodbye.ending = Some(Ending::HangUp(self.record.end_by_caller()));
            }
            Event::EngineLost { .. } => is_over = !self.functions.are_in_flight(),
            // Twilio asks now where the caller is to go.
            Event::LineLost => {
                is_over = self.goodbye.ending.as_ref().is_some_and(Ending::is_transfer)
            }
            Event::ReplyEnded { usage, .. } => self.note_usage(usage),
            Event::FunctionDone { run, ok, output, row, then, notes } => {
                self.note_result(run, Done { ok, output, row, then, notes });
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
        match self.goodbye.ending.take() {
            Some(Ending::HangUp(end)) => {
                self.note(LogEvent::Ended(end));
                self.out.push(Action::HangUp(end));
            }
            Some(Ending::Fallback(why)) => {
                self.note(LogEvent::MovedToFallback { why });
                self.out.push(Action::MoveToFallback);
            }
            Some(Ending::Transfer(target)) => {
                self.note(LogEvent::TransferStarted { target: target.clone() });
                self.out.push(Action::Transfer { target });
            }
            None => {}
        }
        self.goodbye.over = true;
    }

    /// Nothing more will be heard: what was heard until now is settled.
    fn settle_playing(&mut self) {
        for spoken in self.playout.cut() {
            self.settle(&spoken, false);
        }
    }
}
