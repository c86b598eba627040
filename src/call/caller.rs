//! What the caller says: turns, stretches of speech, keys.

use std::collections::VecDeque;

use super::playout::Spoken;
use super::{CallTime, LogEvent, Utterance};

/// What the caller says.
#[derive(Default)]
pub(super) struct Caller {
    /// How many turns there were; the last one may still be open.
    pub(super) turns: u32,
    /// The last turn's answer was heard, so the next words begin another.
    pub(super) answer_heard: bool,
    /// When the caller last stopped speaking: since when an answer is awaited.
    pub(super) stopped_at: CallTime,
    /// Our own time in the answer that is awaited, microseconds.
    pub(super) server_us: u64,
    pub(super) speech: VecDeque<Speech>,
    pub(super) keys: String,
    /// Groups of keys that were taken.
    pub(super) key_groups: u32,
    /// How often the agent has asked into the silence since the caller's last sign of life.
    pub(super) reprompted: u32,
}

impl Caller {
    /// Numbers turns on from the last one of another process, which took so many groups of keys.
    pub(super) fn go_on_from(&mut self, turns: u32, key_groups: u32) {
        (self.turns, self.answer_heard, self.key_groups) = (turns, true, key_groups);
    }
}

/// One stretch of the caller's speech.
pub(super) struct Speech {
    pub(super) utterance: Utterance,
    pub(super) turn: u32,
    pub(super) started: CallTime,
    pub(super) stopped: bool,
    /// Some of its words had come when it stopped.
    pub(super) worded: bool,
    /// An answer to it was asked for, or is about to be.
    pub(super) answered: bool,
    pub(super) text: Option<String>,
    pub(super) settled: bool,
    pub(super) noted: CallTime,
}

impl Caller {
    /// The turn that an answer belongs to now.
    pub(super) fn turn(&self) -> Option<u32> {
        (self.turns > 0).then_some(self.turns)
    }

    /// Whether the caller is speaking or pressing keys.
    pub(super) fn is_in_mid_word(&self) -> bool {
        !self.keys.is_empty() || self.speech.iter().any(|speech| !speech.stopped)
    }

    /// Whether words are still in transcription.
    pub(super) fn awaits_words(&self) -> bool {
        self.speech.iter().any(|speech| speech.stopped && !speech.settled)
    }

    /// The caller heard this reply, or some of it.
    pub(super) fn heard(&mut self, spoken: &Spoken) {
        if spoken.turn == self.turn() && spoken.heard_ms() > 0 {
            self.answer_heard = true;
        }
    }

    /// The turn that a stretch of speech belongs to.
    pub(super) fn turn_of(&self, utterance: &str) -> Option<u32> {
        let found = self.speech.iter().find(|speech| speech.utterance == utterance);
        found.map(|speech| speech.turn)
    }

    /// What the caller said in a turn, as far as it is known.
    pub(super) fn words_of(&self, turn: u32) -> String {
        let texts = self.spoken_in(turn).filter_map(|speech| speech.text.as_deref());
        texts.collect::<Vec<_>>().join(" ")
    }

    /// Whether all that the caller said in a turn is known.
    pub(super) fn has_settled(&self, turn: u32) -> bool {
        self.spoken_in(turn).all(|speech| speech.settled)
    }

    /// Whether words of a turn are still in transcription. With `enough`, only of speech that none
    /// had come of when it stopped.
    pub(super) fn awaits_words_of(&self, turn: u32, enough: bool) -> bool {
        let unsettled = |speech: &Speech| speech.stopped && !speech.settled;
        self.spoken_in(turn).any(|speech| unsettled(speech) && !(enough && speech.worded))
    }

    pub(super) fn spoken_in(&self, turn: u32) -> impl Iterator<Item = &Speech> {
        self.speech.iter().filter(move |speech| speech.turn == turn)
    }

    /// Whether some of what is being said was heard to begin and not yet to end.
    pub(super) fn is_heard(&self) -> bool {
        self.speech.iter().any(|speech| !speech.stopped)
    }

    pub(super) fn find(&mut self, utterance: &str) -> Option<&mut Speech> {
        self.speech.iter_mut().find(|speech| speech.utterance == utterance)
    }
}

impl Speech {
    pub(super) fn log(&self, started_ms: u64) -> LogEvent {
        LogEvent::CallerSaid {
            utterance: self.utterance.clone(),
            turn: self.turn,
            started_ms,
            text: self.text.clone(),
            settled: self.settled,
        }
    }
}
