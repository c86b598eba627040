//! Reconnect: what is done when a connection breaks? The engine is dialled again; the line may come back; and
//! if nothing helps the caller goes on to the agent's fallback.

use super::links::{Engine, Line};
use super::playout::Spoken;
use super::requests::Wanted;
use super::state::Call;
use super::{Action, CallTime, End, EndedBy, LogEvent, Purpose, Status, Timer};

/// How long the caller waits for an engine, over all attempts to reach it. A caller must hear
/// something within 5 s, and the way to the fallback takes a part of that.
const ENGINE_MS: u64 = 4_000;
/// How much of that the first attempt may take; the rest is for the other. A service that is well
/// is ready within 600 ms.
const ATTEMPT_MS: u64 = 2_500;
/// Attempts to reach the engine, at the beginning and each time it was lost.
const ATTEMPTS: u8 = 2;
/// The pause before the other attempt: what refuses us now would refuse us again at once.
const PAUSE_MS: u64 = 1_000;
/// An engine that was ready and is lost again within this time is not dialled again.
const REDIAL_AGAIN_MS: u64 = 60_000;
/// How long a line may be lost.
const LINE_MS: u64 = 15_000;

impl Call {
    /// The media stream is open: the first time, or again.
    pub(super) fn line_open(&mut self) {
        if self.stream.line == Line::Open {
            self.line_lost();
        }
        if self.goodbye.ending.is_some() {
            return;
        }
        let back = self.stream.opened_at.is_some();
        self.stream.line = Line::Open;
        self.timers.clear(Timer::Line);
        self.stream.opened_at.get_or_insert(self.now);
        self.note(LogEvent::LineOpened { stream_sid: String::new() });
        if let Engine::Gone(why) = &self.link.engine {
            let why = why.clone();
            return self.move_on(why);
        }
        if !self.link.engine.is_ready() {
            self.timers.set(Timer::Engine, self.now.plus_ms(ENGINE_MS));
            self.watch_attempt();
        }
        if back {
            let greeted = self.record.heard_anything() || !self.settings.greets;
            let purpose = match self.stream.unanswered.take() {
                Some(name) => Purpose::HandoverFailed(name),
                None if greeted => Purpose::WelcomeBack,
                None => Purpose::Greeting,
            };
            self.want(Wanted::now(purpose));
        } else {
            self.watch_length();
            self.expect_audio();
        }
    }

    /// The media stream is gone: what was not heard never will be.
    pub(super) fn line_lost(&mut self) {
        if self.stream.line != Line::Open {
            return;
        }
        self.stream.line = Line::Lost;
        self.line_sound(false);
        self.note(LogEvent::LineLost {});
        if self.depart() {
            return;
        }
        self.want_unheard_answer();
        self.cut(false);
        self.break_off_speech();
        self.timers.set(Timer::Line, self.now.plus_ms(LINE_MS));
    }

    /// Twilio was told to open the line again: it has its whole time for that.
    pub fn expect_line(&mut self, at: CallTime) {
        if self.stream.line == Line::Lost {
            self.timers.set(Timer::Line, at.plus_ms(LINE_MS));
        }
    }

    /// An answer of which nothing was heard is still wanted when the line comes back.
    fn want_unheard_answer(&mut self) {
        let unheard = |said: &Spoken| said.purpose == Purpose::Answer && said.heard_ms() == 0;
        if self.playout.iter().any(unheard) {
            self.want(Wanted::now(Purpose::Answer));
        }
    }

    /// The line has not come back.
    pub(super) fn line_stayed_lost(&mut self) {
        self.end(End { status: Status::Failed, ended_by: EndedBy::Error });
    }

    /// The engine can be spoken to.
    pub(super) fn engine_ready(&mut self, lasts_ms: Option<u64>) {
        if !matches!(self.link.engine, Engine::Dialled(_)) {
            return;
        }
        self.link.engine = Engine::Ready;
        for timer in [Timer::Engine, Timer::Attempt] {
            self.timers.clear(timer);
        }
        self.note(LogEvent::EngineReady {});
        self.plan_rollover(lasts_ms);
        if self.settings.greets && !self.greeted {
            self.want(Wanted::now(Purpose::Greeting));
        }
        self.greeted = true;
    }

    /// The engine's connection is gone, or never came to be.
    pub(super) fn engine_lost(&mut self, fatal: bool, why: String) {
        self.lose_engine(fatal, why, PAUSE_MS);
    }

    /// The engine is of no use as it is: it is dialled anew if that may help. After an attempt
    /// that failed that waits for `pause_ms`.
    pub(super) fn lose_engine(&mut self, fatal: bool, why: String, pause_ms: u64) {
        let failed = match self.link.engine {
            Engine::Dialled(attempt) => attempt,
            Engine::Ready => 0,
            Engine::Paused(_) | Engine::Gone(_) => return,
        };
        self.note(LogEvent::EngineLost { why: why.clone(), fatal });
        self.link.engine = Engine::Paused(failed);
        self.let_go_of_engine();
        if self.goodbye.farewell.is_some() {
            return self.finish_farewell();
        }
        if failed == 0 && self.take_successor(false) {
            return;
        }
        if failed == 0 {
            let before = self.link.engine_lost_at.replace(self.now);
            if before.is_some_and(|at| self.now.ms_since(at) < REDIAL_AGAIN_MS) {
                return self.give_up(&why);
            }
        }
        if fatal || failed >= ATTEMPTS {
            return self.give_up(&why);
        }
        if self.goodbye.ending.is_some() {
            return;
        }
        if self.stream.line == Line::Open && !self.timers.is_set(Timer::Engine) {
            self.timers.set(Timer::Engine, self.now.plus_ms(ENGINE_MS));
        }
        if failed == 0 || pause_ms == 0 {
            self.dial_again();
        } else {
            self.timers.set(Timer::Redial, self.now.plus_ms(pause_ms));
        }
    }

    /// The present session is over: what it was working on and listening to is broken off.
    pub(super) fn let_go_of_engine(&mut self) {
        self.timers.clear(Timer::Attempt);
        self.abandon_response();
        self.forget_listener();
        self.orphan_functions();
        self.recalls.forget_given();
    }

    /// Dials the engine once more, with the conversation so far.
    pub(super) fn dial_again(&mut self) {
        let Engine::Paused(failed) = self.link.engine else { return };
        self.link.engine = Engine::Dialled(failed + 1);
        self.drop_successor();
        self.note_playing();
        self.out.push(Action::DialEngine { history: self.record.history() });
        self.watch_attempt();
    }

    /// Bounds an attempt after which there is another, once somebody waits.
    fn watch_attempt(&mut self) {
        if self.stream.line == Line::Open
            && matches!(self.link.engine, Engine::Dialled(n) if n < ATTEMPTS)
        {
            self.timers.set(Timer::Attempt, self.now.plus_ms(ATTEMPT_MS));
        }
    }

    /// An attempt to reach the engine takes too long, and another may be luckier.
    pub(super) fn attempt_overdue(&mut self) {
        self.lose_engine(false, "the engine does not become ready".to_owned(), 0);
    }

    /// Another session is there in the place of the one that was let go.
    pub(super) fn engine_succeeds(&mut self) {
        self.link.engine = Engine::Ready;
    }

    /// The engine will not come back; that is remembered until the line is open.
    pub(super) fn engine_is_gone(&mut self, why: &str) {
        self.link.engine = Engine::Gone(why.to_owned());
        for timer in [Timer::Engine, Timer::Attempt, Timer::Redial] {
            self.timers.clear(timer);
        }
    }
}
