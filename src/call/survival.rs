//! What is done when a connection breaks? The engine is dialled once more; the line may come back;
//! and if nothing helps the caller goes on to the agent's fallback.

use super::playout::Spoken;
use super::reply::Wanted;
use super::state::Call;
use super::{Action, CallTime, End, EndedBy, LogEvent, Purpose, Status, Timer};

/// How long an engine may take to become ready when the caller is waiting.
const ENGINE_MS: u64 = 5_000;
/// An engine that is lost again within this time is not dialled again.
const REDIAL_AGAIN_MS: u64 = 60_000;
/// How long a line may be lost.
const LINE_MS: u64 = 15_000;

/// The media stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// It has not opened yet.
    Waiting,
    Open,
    /// It was open and may come back.
    Lost,
}

/// The speech service.
pub(super) enum Engine {
    /// It was dialled when the call was taken.
    Starting,
    Ready,
    /// It was lost and has been dialled once more.
    Redialled,
    /// It will not come back, because of this.
    Gone(String),
}

impl Engine {
    /// Whether it can be spoken to.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self, Self::Ready)
    }
}

impl Call {
    /// The media stream is open: the first time, or again.
    pub(super) fn line_open(&mut self) {
        if self.line == Line::Open {
            self.line_lost();
        }
        if self.ending.is_some() {
            return;
        }
        let back = self.opened_at.is_some();
        self.line = Line::Open;
        self.timers.clear(Timer::Line);
        self.opened_at.get_or_insert(self.now);
        self.note(LogEvent::LineOpened { stream_sid: String::new() });
        if let Engine::Gone(why) = &self.engine {
            let why = why.clone();
            return self.move_on(why);
        }
        if !self.engine.is_ready() {
            self.timers.set(Timer::Engine, self.now.plus_ms(ENGINE_MS));
        }
        if back {
            let greeted = self.record.heard_anything() || !self.settings.greets;
            let purpose = match self.unanswered.take() {
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
        if self.line != Line::Open {
            return;
        }
        self.line = Line::Lost;
        self.note(LogEvent::LineLost {});
        if self.depart() {
            return;
        }
        self.want_unheard_answer();
        self.cut(false);
        self.break_off_speech();
        self.timers.set(Timer::Line, self.now.plus_ms(LINE_MS));
    }

    /// The phone company was told to open the line again: it has its whole time for that.
    pub fn expect_line(&mut self, at: CallTime) {
        if self.line == Line::Lost {
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
    pub(super) fn engine_ready(&mut self) {
        if matches!(self.engine, Engine::Ready | Engine::Gone(_)) {
            return;
        }
        self.engine = Engine::Ready;
        self.timers.clear(Timer::Engine);
        self.note(LogEvent::EngineReady {});
        if self.settings.greets && !self.greeted {
            self.want(Wanted::now(Purpose::Greeting));
        }
        self.greeted = true;
    }

    /// The engine's connection is gone.
    pub(super) fn engine_lost(&mut self, fatal: bool, why: String) {
        if matches!(self.engine, Engine::Gone(_)) {
            return;
        }
        self.note(LogEvent::EngineLost { why: why.clone(), fatal });
        let recently = self.redialled_at.is_some_and(|at| self.now.ms_since(at) < REDIAL_AGAIN_MS);
        let redialling = matches!(self.engine, Engine::Redialled);
        self.engine = Engine::Redialled;
        self.abandon_response();
        self.forget_listener();
        self.orphan_functions();
        self.recalls.forget_given();
        if self.farewell.is_some() {
            return self.finish_farewell();
        }
        if fatal || redialling || recently {
            return self.give_up(&why);
        }
        if self.ending.is_some() {
            return;
        }
        self.redialled_at = Some(self.now);
        self.note_playing();
        self.out.push(Action::DialEngine { history: self.record.history() });
        self.timers.set(Timer::Engine, self.now.plus_ms(ENGINE_MS));
    }

    /// The engine will not come back; that is remembered until the line is open.
    pub(super) fn engine_is_gone(&mut self, why: &str) {
        self.engine = Engine::Gone(why.to_owned());
    }
}
