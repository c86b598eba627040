//! Idle prompts and the longest call: what do a silence and a long call mean? The agent asks whether anybody is there, and warns the
//! caller before the longest time is reached.

use super::links::Line;
use super::requests::Wanted;
use super::state::Call;
use super::{GoodbyeReason, Purpose, Timer};

/// The agent says that it is looking when a function takes that long and nobody speaks meanwhile.
const FILLER_AFTER_MS: u64 = 1_000;
/// A call is long if it may last this long: its caller is warned at a fixed time before the end.
const LONG_CALL_MS: u64 = 5 * 60_000;
/// That time. The caller of a shorter call is warned after nine tenths of it.
const WARN_BEFORE_MS: u64 = 30_000;

impl Call {
    /// Nobody speaks, presses a key or works on anything, and nothing unheard is on the line.
    pub(super) fn is_quiet(&self) -> bool {
        self.nobody_speaks() && self.functions.is_empty()
    }

    /// Whether the call could go on with another engine, or at another process, and nobody would
    /// miss a word: it is quiet, and no words are still in transcription.
    pub fn is_settled(&self) -> bool {
        self.is_quiet() && !self.caller.awaits_words()
    }

    fn nobody_speaks(&self) -> bool {
        self.stream.line == Line::Open
            && self.link.engine.is_ready()
            && self.requests.response.is_none()
            && self.requests.wanted.is_none()
            && self.playout.is_empty()
            && !self.caller.is_in_mid_word()
    }

    /// Starts the idle timer when everybody is quiet, and clears it when somebody speaks.
    pub(super) fn watch_silence(&mut self) {
        if !self.is_quiet() {
            self.timers.clear(Timer::Idle);
        } else if self.settings.reprompt_after_ms > 0 && !self.timers.is_set(Timer::Idle) {
            self.timers.set(Timer::Idle, self.now.plus_ms(self.settings.reprompt_after_ms));
        }
    }

    /// Measures silences in which something is being carried out for the caller.
    pub(super) fn watch_work(&mut self) {
        if !(self.nobody_speaks() && self.functions.are_unmentioned()) {
            self.timers.clear(Timer::Filler);
        } else if !self.timers.is_set(Timer::Filler) {
            self.timers.set(Timer::Filler, self.now.plus_ms(FILLER_AFTER_MS));
        }
    }

    /// It takes a moment: the caller is told, once.
    pub(super) fn fill_silence(&mut self) {
        self.functions.mention();
        self.want(Wanted::now(Purpose::Filler));
    }

    /// It was silent for a while.
    pub(super) fn idle(&mut self) {
        if self.caller.reprompted < self.settings.reprompts {
            self.caller.reprompted += 1;
            self.want(Wanted::now(Purpose::Reprompt(self.caller.reprompted)));
        } else {
            self.say_goodbye(GoodbyeReason::Idle, GoodbyeReason::Idle.end());
        }
    }

    /// The conversation begins: from now on its length counts.
    pub(super) fn watch_length(&mut self) {
        let limit_ms = self.settings.limit_ms;
        let warn_after_ms =
            if limit_ms >= LONG_CALL_MS { limit_ms - WARN_BEFORE_MS } else { limit_ms / 10 * 9 };
        self.timers.set(Timer::LimitWarning, self.now.plus_ms(warn_after_ms));
        self.timers.set(Timer::Limit, self.now.plus_ms(limit_ms));
    }

    /// Warns the caller at the next moment when nobody speaks.
    pub(super) fn warn_of_limit(&mut self) {
        if self.goodbye.warning_due && self.is_quiet() {
            self.goodbye.warning_due = false;
            self.want(Wanted::now(Purpose::LimitWarning));
        }
    }

    /// Says the goodbye that is due as soon as it can be heard.
    pub(super) fn end_at_limit(&mut self) {
        if self.goodbye.due && self.stream.line == Line::Open && self.link.engine.is_ready() {
            (self.goodbye.due, self.goodbye.warning_due) = (false, false);
            self.limit_reached();
        }
    }

    /// The call is as long as it may be. While the line is lost nobody can be told; how long that
    /// lasts has a limit of its own.
    pub(super) fn limit_reached(&mut self) {
        match &mut self.goodbye.farewell {
            // The agent is saying goodbye already: now nobody can talk it out of it.
            Some(farewell) => farewell.withdrawable = false,
            None if self.stream.line == Line::Lost => self.goodbye.due = true,
            None => self.say_goodbye(GoodbyeReason::Limit, GoodbyeReason::Limit.end()),
        }
    }
}
