//! The input watchdog: does the engine hear the caller? Somebody speaks at the other end of the line, for seconds, and
//! the engine reports neither speech nor words: then it is deaf, and another session is asked.

use super::deafness::Deafness;
use super::links::Line;
use super::requests::Wanted;
use super::state::Call;
use super::{Purpose, Timer};

/// So much sound of which the engine reports nothing makes it deaf. It reports speech within half
/// a second; a loud steady noise, which it rightly reports not, is known as the line's own after up
/// to six.
const DEAF_MS: u64 = 7_000;
/// Sound that such a silence follows was no attempt to say something: a door, a cough.
const FORGET_MS: u64 = 15_000;

impl Call {
    /// It has become loud or quiet at the caller's end.
    pub(super) fn line_sound(&mut self, loud: bool) {
        self.stream.deafness.loud = loud;
    }

    /// The engine hears the caller.
    pub(super) fn engine_hears(&mut self) {
        self.stream.deafness.unheard_ms = 0;
        self.stream.deafness.counting_since = None;
        self.timers.clear(Timer::Deaf);
    }

    /// Measures sound of which the engine reports nothing. While the agent is heard that may be its
    /// own echo.
    pub(super) fn watch_hearing(&mut self) {
        let counts = self.stream.deafness.loud
            && self.stream.line == Line::Open
            && self.link.engine.is_ready()
            && self.goodbye.farewell.is_none()
            && !self.playout.has_audio()
            && !self.caller.is_heard()
            // Some carriers leave the tones of keys in the sound.
            && !self.caller.is_in_mid_word();
        let Deafness { unheard_ms, counting_since, counted_until, .. } = &mut self.stream.deafness;
        match counting_since {
            None if counts => {
                if self.now.ms_since(*counted_until) >= FORGET_MS {
                    *unheard_ms = 0;
                }
                *counting_since = Some(self.now);
                let left_ms = DEAF_MS.saturating_sub(*unheard_ms);
                self.timers.set(Timer::Deaf, self.now.plus_ms(left_ms));
            }
            Some(since) if !counts => {
                *unheard_ms += self.now.ms_since(*since);
                (*counting_since, *counted_until) = (None, self.now);
                self.timers.clear(Timer::Deaf);
            }
            _ => {}
        }
    }

    /// The engine is deaf. The caller, whom nobody has heard, is asked to say it again.
    pub(super) fn deaf(&mut self) {
        self.engine_hears();
        self.want(Wanted::now(Purpose::WelcomeBack));
        self.lose_engine(false, "the engine does not hear the caller".to_owned(), 0);
    }
}
