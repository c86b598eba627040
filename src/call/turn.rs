//! Who has the floor? What the caller says and presses, and which exchange it belongs to.
//!
//! A turn is one exchange: what the caller says until an answer to it is heard. A caller who goes
//! on before that is still in the same turn.

use super::allowance;
use super::caller::Speech;
use super::playout::Spoken;
use super::requests::Wanted;
use super::state::Call;
use super::{Action, LogEvent, Role, Timer, Utterance, Words};

/// How long the engine may take to say that a stretch of speech is part of the conversation.
const COMMIT_MS: u64 = 300;
/// Keys belong together if they are pressed within this time.
const KEYS_MS: u64 = 2_000;
/// Keys gathered at most; card numbers have 19 digits.
const KEYS_LIMIT: usize = 32;
/// Groups of keys taken in one call: whoever presses a group every four seconds for half an hour
/// has as many. What is pressed after them is left out.
const KEY_GROUPS_MAX: u32 = 500;
/// Stretches of speech told apart; words for older ones do not come any more.
const SPEECH_LIMIT: usize = 16;
/// Words kept of one stretch of speech, in bytes.
const TEXT_LIMIT: usize = 64 * 1024;
/// Words that may still change are written down this often.
const PROGRESS_EVERY_MS: u64 = 1_000;

impl Call {
    /// The engine hears the caller speak.
    pub(super) fn speech_started(&mut self, utterance: Utterance) {
        if self.caller.find(&utterance).is_some() {
            return;
        }
        let turn = self.caller_takes_floor();
        if self.settings.recall_budget_ms.is_some() {
            self.recalls.begin(turn);
        }
        if self.caller.speech.len() >= SPEECH_LIMIT
            && let Some(oldest) = self.caller.speech.pop_front()
        {
            self.settle_speech(oldest);
        }
        self.caller.speech.push_back(Speech {
            utterance,
            turn,
            started: self.now,
            stopped: false,
            worded: false,
            answered: false,
            text: None,
            settled: false,
            noted: self.now,
        });
    }

    /// The caller begins to say or press something: whatever may be interrupted is. Returns the
    /// turn that it belongs to.
    fn caller_takes_floor(&mut self) -> u32 {
        self.caller.reprompted = 0;
        let protected = self.playout.iter().any(|said| !said.interruptible);
        if self.settings.interruptible && !protected && self.withdraw_farewell() {
            self.cut(true);
        }
        let current = self.caller.turn();
        let heard = |said: &Spoken| said.turn == current && said.heard_ms() > 0;
        if current.is_none() || self.caller.answer_heard || self.playout.iter().any(heard) {
            self.caller.turns += 1;
            self.caller.answer_heard = false;
        }
        self.caller.turns
    }

    /// The engine hears that the caller has stopped.
    pub(super) fn speech_stopped(&mut self, utterance: Utterance) {
        self.speech_started(utterance.clone());
        self.stop(&utterance);
        if self.caller.find(&utterance).is_some_and(|speech| !speech.answered) {
            self.timers.set(Timer::Commit, self.now.plus_ms(COMMIT_MS));
        }
    }

    fn stop(&mut self, utterance: &str) {
        let now = self.now;
        let Some(speech) = self.caller.find(utterance).filter(|speech| !speech.stopped) else {
            return;
        };
        speech.stopped = true;
        speech.worded = speech.text.is_some();
        self.caller.stopped_at = now;
        self.caller.server_us = 0;
        self.note_speech(utterance);
        self.look_up(utterance, true);
        self.watch_recall();
    }

    /// The engine takes the stretch of speech into account: time to answer.
    pub(super) fn speech_committed(&mut self, utterance: Utterance) {
        self.speech_started(utterance.clone());
        self.stop(&utterance);
        let Some(speech) = self.caller.find(&utterance).filter(|speech| !speech.answered) else {
            return;
        };
        speech.answered = true;
        if self.caller.speech.iter().all(|speech| speech.answered || !speech.stopped) {
            self.timers.clear(Timer::Commit);
        }
        self.want(Wanted::answer_to_caller());
    }

    /// The engine does not say whether it takes the speech into account: it is answered anyway.
    pub(super) fn commit_overdue(&mut self) {
        for speech in &mut self.caller.speech {
            speech.answered |= speech.stopped;
        }
        self.want(Wanted::answer_to_caller());
    }

    /// What the caller said becomes known.
    pub(super) fn caller_words(&mut self, utterance: Utterance, words: Words) {
        let known = self.caller.find(&utterance).is_some();
        if !known && words == Words::Inaudible {
            return;
        }
        self.speech_started(utterance.clone());
        let over = self.learn(&utterance, words);
        if over {
            self.speech_committed(utterance);
        }
    }

    /// Keeps words and writes them down. Returns whether they are the last ones.
    pub(super) fn learn(&mut self, utterance: &str, words: Words) -> bool {
        let now = self.now;
        let Some(speech) = self.caller.find(utterance).filter(|speech| !speech.settled) else {
            return false;
        };
        let due = match words {
            Words::Partial(text) => {
                speech.text = spoken_text(text);
                now.ms_since(speech.noted) >= PROGRESS_EVERY_MS
            }
            Words::Final(text) => {
                speech.text = spoken_text(text);
                speech.settled = true;
                true
            }
            Words::Inaudible => {
                speech.settled = true;
                true
            }
        };
        let (settled, turn) = (speech.settled, speech.turn);
        if due {
            self.note_speech(utterance);
        }
        self.look_up(utterance, settled);
        if settled {
            self.note_gap(turn);
        }
        settled
    }

    fn note_speech(&mut self, utterance: &str) {
        let (now, opened) = (self.now, self.stream.opened_at);
        if let Some(speech) = self.caller.find(utterance) {
            speech.noted = now;
            let started_ms = opened.map_or(0, |opened| speech.started.ms_since(opened));
            let event = speech.log(started_ms);
            self.note(event);
        }
    }

    /// No more words will come: what is known of this speech is all that will be. Speech that was
    /// only beginning was not said.
    fn settle_speech(&mut self, mut speech: Speech) {
        if speech.settled || !(speech.stopped || speech.text.is_some()) {
            return;
        }
        speech.settled = true;
        let event = speech.log(self.since_opening(speech.started));
        self.note(event);
    }

    /// No more words will come at all.
    pub(super) fn settle_all_speech(&mut self) {
        for speech in std::mem::take(&mut self.caller.speech) {
            self.settle_speech(speech);
        }
    }

    /// The engine that heard the caller is gone. What it had not answered is to be answered by the
    /// next one; what it was hearing, the next one hears anew.
    pub(super) fn forget_listener(&mut self) {
        self.timers.clear(Timer::Commit);
        let unanswered = |speech: &Speech| speech.stopped && !speech.answered;
        if self.caller.speech.iter().any(unanswered) {
            self.want(Wanted::answer_to_caller());
        }
        self.settle_all_speech();
    }

    /// The line is lost: nobody is heard to stop.
    pub(super) fn break_off_speech(&mut self) {
        self.caller.speech.retain(|speech| speech.stopped);
        self.timers.clear(Timer::Keys);
        self.keys_complete();
    }

    /// The caller pressed a key.
    pub(super) fn key_pressed(&mut self, key: char) {
        if self.caller.key_groups >= KEY_GROUPS_MAX {
            return self.leave_out(allowance::KEYS);
        }
        if self.caller.keys.is_empty() {
            self.caller_takes_floor();
        }
        self.caller.keys.push(key);
        if key == '#' || self.caller.keys.len() >= KEYS_LIMIT {
            self.keys_complete();
        } else {
            self.timers.set(Timer::Keys, self.now.plus_ms(KEYS_MS));
        }
    }

    /// No more keys come: they are given to the engine as one message. `#` ends them and is not
    /// one of them, unless it is the only one.
    pub(super) fn keys_complete(&mut self) {
        self.timers.clear(Timer::Keys);
        let pressed = std::mem::take(&mut self.caller.keys);
        let keys = match pressed.strip_suffix('#') {
            None | Some("") => pressed.as_str(),
            Some(before) => before,
        };
        if keys.is_empty() {
            return;
        }
        self.caller.key_groups += 1;
        let spaced: Vec<String> = keys.chars().map(String::from).collect();
        self.caller.stopped_at = self.now;
        self.caller.server_us = 0;
        self.timers.clear(Timer::Recall);
        self.note(LogEvent::KeysPressed { keys: keys.to_owned(), turn: self.caller.turns });
        let text = format!("The caller pressed {} on the phone's keypad", spaced.join(" "));
        self.link.messages.push((Role::Caller, text));
        self.want(Wanted::answer_to_caller());
    }

    /// Gives the engine the messages that it could not be given before.
    pub(super) fn give_messages(&mut self) {
        if !self.link.engine.is_ready() {
            return;
        }
        for (role, text) in std::mem::take(&mut self.link.messages) {
            self.out.push(Action::AddMessage { role, text });
        }
    }
}

/// Words as they are kept: none if there are none.
fn spoken_text(text: String) -> Option<String> {
    let text = text.trim();
    let kept = &text[..text.floor_char_boundary(TEXT_LIMIT)];
    (!kept.is_empty()).then(|| kept.to_owned())
}
