//! The engine's sessions of a call: the present one, and at times another that is made ready to
//! take its place.

use metrics::counter;
use tracing::{info, warn};

use super::Session;
use super::driver::CallTask;
use crate::call::{Event, Said, Sent};
use crate::engine::{Engine, Report};
use crate::store::LogPosition;

impl CallTask {
    /// Dials an engine that is told what was said so far, in the place of any other.
    pub(super) fn dial(&mut self, history: Vec<Said>) {
        self.successor = None;
        self.forget_requests();
        self.engine = Some(self.connect(history));
    }

    /// Dials another session beside the present one.
    pub(super) fn dial_successor(&mut self, history: Vec<Said>) {
        info!("making another session ready");
        self.successor = Some(self.connect(history));
    }

    /// The other session takes the present one's place.
    pub(super) fn succeed(&mut self) {
        self.forget_requests();
        self.engine = self.successor.take();
    }

    /// What was reported of the session that is not spoken to yet.
    pub(super) fn about_successor(&mut self, report: Report) {
        match report {
            Report::Event(Event::EngineReady { lasts_ms }) => {
                self.tell(Event::SuccessorReady { lasts_ms });
            }
            Report::Event(Event::EngineLost { fatal, why }) => {
                warn!(why, fatal, "another session could not be had");
                counter!("frontdesk_engine_renewals_total", "how" => "failed").increment(1);
                self.successor = None;
                self.tell(Event::SuccessorLost { fatal, why });
            }
            // The next session was asked for nothing and hears nobody yet.
            Report::Event(_) | Report::Audio { .. } => {}
        }
    }

    /// What another engine was asked for is not waited for any more.
    fn forget_requests(&mut self) {
        self.sending.retain(|(_, what, _)| *what != Sent::Request);
    }

    fn connect(&self, history: Vec<Said>) -> Box<dyn Engine> {
        self.services.dial(
            self.engines.as_ref().unwrap_or(&self.services.engines),
            &self.agent,
            &self.caller,
            &self.history,
            Session {
                // Names of another session may be the same.
                utterance_prefix: match self.call_log.position() {
                    LogPosition::FIRST => String::new(),
                    LogPosition { epoch, next_seq } => format!("{epoch}-{next_seq}-"),
                },
                history,
            },
        )
    }
}
