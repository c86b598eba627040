//! What is done before a session reaches the longest time that its service allows? Another one is
//! made ready beside it, and takes its place at a moment when nobody speaks, so that the caller
//! notices nothing. If no such moment comes in time, any at which nothing is being said to the engine
//! or by it will do; and should the session end before that, the other one is there.

use super::rollover::{Rollover, Stage, Successor};
use super::state::Call;
use super::{Action, LogEvent, Said, Timer};

/// How long a session may last where the service does not say: OpenAI's limit (protocols 5.8).
const SESSION_MS: u64 = 60 * 60_000;
/// Shorter ones are not replaced in advance: when one ends the engine is dialled anew.
const SESSION_MIN_MS: u64 = 20_000;
/// From this long before the end on, at most half of the session, a quiet moment is looked for.
const AHEAD_MS: u64 = 5 * 60_000;
/// This long before the end, at most a quarter of the session, it must be.
const FORCE_MS: u64 = 30_000;
/// A moment is quiet when it has been for this long: the caller is not about to go on.
const LULL_MS: u64 = 500;
/// After a second session could not be had it is tried again, after this time.
const AGAIN_MS: u64 = 10_000;
/// How often it is tried in all.
const ATTEMPTS: u8 = 3;

impl Call {
    /// A session is there that may last so long from now on.
    pub(super) fn plan_rollover(&mut self, lasts_ms: Option<u64>) {
        self.link.rollover = Rollover::default();
        self.timers.clear(Timer::Lull);
        self.timers.clear(Timer::Rollover);
        let lasts_ms = lasts_ms.unwrap_or(SESSION_MS).min(SESSION_MS);
        if lasts_ms >= SESSION_MIN_MS {
            let before_end = |ms| self.now.plus_ms(lasts_ms - ms);
            self.link.rollover.force_at = before_end(FORCE_MS.min(lasts_ms / 4));
            self.timers.set(Timer::Rollover, before_end(AHEAD_MS.min(lasts_ms / 2)));
        }
    }

    /// The session nears its end.
    pub(super) fn rollover_due(&mut self) {
        if self.link.rollover.stage == Stage::Early {
            self.link.rollover.stage = Stage::Sought;
            self.timers.set(Timer::Rollover, self.link.rollover.force_at);
        } else {
            self.link.rollover.stage = Stage::Forced;
        }
    }

    /// It has been quiet for a moment.
    pub(super) fn lull_lasts(&mut self) {
        self.link.rollover.lull = true;
    }

    /// Makes another session ready and puts it in the present one's place, when it is time.
    pub(super) fn roll_over(&mut self) {
        if self.link.rollover.stage == Stage::Early {
            return;
        }
        if !self.is_quiet() || self.stream.deafness.is_loud() || self.caller.awaits_words() {
            self.timers.clear(Timer::Lull);
            self.link.rollover.lull = false;
        } else if !self.link.rollover.lull && !self.timers.is_set(Timer::Lull) {
            let at = self.now.plus_ms(LULL_MS).max(self.link.rollover.not_before);
            self.timers.set(Timer::Lull, at);
        }
        let (lull, is_forced) =
            (self.link.rollover.lull, self.link.rollover.stage == Stage::Forced);
        if !((lull || is_forced) && self.link.engine.is_ready() && self.goodbye.farewell.is_none())
        {
            return;
        }
        match &self.link.rollover.successor {
            Some(successor)
                if successor.ready.is_some()
                    && (lull
                        || self.requests.response.is_none() && !self.caller.is_in_mid_word()) =>
            {
                self.take_successor(lull);
            }
            Some(_) => {}
            None if self.link.rollover.failed < ATTEMPTS
                && self.now >= self.link.rollover.not_before =>
            {
                self.note_playing();
                let history = self.record.history();
                self.out.push(Action::DialSuccessor { history: history.clone() });
                self.link.rollover.successor = Some(Successor { history, ready: None });
            }
            None => {}
        }
    }

    /// The second session can be spoken to.
    pub(super) fn successor_ready(&mut self, lasts_ms: Option<u64>) {
        if let Some(successor) = &mut self.link.rollover.successor {
            successor.ready = Some((self.now, lasts_ms));
        }
    }

    /// The second session could not be had. The first one goes on.
    pub(super) fn successor_lost(&mut self, fatal: bool) {
        if self.link.rollover.successor.take().is_some() {
            self.link.rollover.failed =
                if fatal { ATTEMPTS } else { self.link.rollover.failed + 1 };
            self.link.rollover.not_before = self.now.plus_ms(AGAIN_MS);
            self.link.rollover.lull = false;
        }
    }

    /// The second session is of no use any more.
    pub(super) fn drop_successor(&mut self) {
        self.link.rollover.successor = None;
    }

    /// Puts the second session in the first one's place, if it is ready. It is told what was said
    /// since it was made. Returns whether there is one.
    pub(super) fn take_successor(&mut self, quiet: bool) -> bool {
        let Some(Successor { history, ready: Some((since, lasts_ms)) }) =
            self.link.rollover.successor.take_if(|successor| successor.ready.is_some())
        else {
            return false;
        };
        self.let_go_of_engine();
        self.note_playing();
        self.out.push(Action::Succeed);
        self.engine_succeeds();
        let now = self.record.history();
        // The record has grown since, and its last lines may have changed.
        let same = now.iter().zip(&history).take_while(|(now, then)| now == then).count();
        for Said { role, text } in now.into_iter().skip(same) {
            self.out.push(Action::AddMessage { role, text });
        }
        self.note(LogEvent::EngineRenewed { quiet });
        let age_ms = self.now.ms_since(since);
        self.plan_rollover(lasts_ms.map(|lasts_ms| lasts_ms.saturating_sub(age_ms)));
        true
    }
}
