//! How a session hears: audio in, turns and their words out.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::babble::WORD_MS;
use super::conversation::caller_item;
use super::detector::Heard;
use super::script::Words;
use super::session::{Session, Text};
use super::shape::Refusal;
use crate::audio::mulaw;
use crate::rehearsal::stamp;

/// An append may be this long (protocols 5.1), in base64.
const APPEND_MAX_BYTES: usize = 15 * 1_024 * 1_024;
/// A commit wants at least this much audio: 100 ms.
const COMMIT_MIN_BYTES: u64 = 800;
/// From the commit to the end of words that came during speech.
const LAST_WORDS_DELAY: Duration = Duration::from_millis(50);

/// The stretch of speech that is going on.
#[derive(Debug)]
pub(super) struct Utterance {
    item_id: String,
    /// How many words are told already; `None` where they are not told during speech.
    told: Option<usize>,
    /// The audio time at which it began.
    start_ms: u64,
}

/// Words, or the news that there are none, that will be sent.
#[derive(Debug)]
pub(super) struct PendingWords {
    /// When.
    pub(super) at: Duration,
    item_id: String,
    /// Words told before, which the deltas leave out.
    told: usize,
    text: Option<String>,
}

impl Session {
    /// Takes in `audio`, the JSON text of an append's base64.
    pub(super) fn append(&mut self, now: Duration, audio: Option<&str>) -> Result<(), Refusal> {
        if !self.conduct.is_mulaw {
            let problem = "the rehearsal service hears and speaks audio/pcmu only";
            return Err(Refusal::value("audio", problem));
        }
        let quoted = audio.ok_or_else(|| Refusal::missing("audio"))?;
        if quoted.len() > APPEND_MAX_BYTES {
            return Err(Refusal::value("audio", "at most 15 MiB are accepted"));
        }
        let base64: Cow<'_, str> = serde_json::from_str::<Text<'_>>(quoted)
            .map_err(|_| Refusal::value("audio", "a text is expected"))?
            .0;
        let mut decoded = std::mem::take(&mut self.decoded);
        decoded.clear();
        let good = STANDARD.decode_vec(base64.as_bytes(), &mut decoded).is_ok();
        if good && !self.is_deaf {
            self.listen(now, &decoded);
        }
        self.decoded = decoded;
        if good { Ok(()) } else { Err(Refusal::value("audio", "base64 is expected")) }
    }

    fn listen(&mut self, now: Duration, audio: &[u8]) {
        self.uncommitted_bytes += audio.len() as u64;
        self.appended_bytes += audio.len() as u64;
        let detection = self.conduct.detection;
        // A stamp is not sound, but it would be a loud one.
        let stamp = stamp::read(audio);
        self.heard_stamp = stamp.or(self.heard_stamp);
        let quiet = [mulaw::SILENCE; stamp::LENGTH];
        let (head, sound) = match stamp {
            Some(_) => (&quiet[..], &audio[stamp::LENGTH..]),
            None => (&[][..], audio),
        };
        let mut found = Vec::new();
        for piece in [head, sound] {
            self.detector.listen(piece, detection.as_ref(), |heard| found.push(heard));
        }
        for heard in found {
            match heard {
                Heard::Started { audio_start_ms } => self.speech_started(audio_start_ms),
                Heard::Stopped { audio_end_ms } => self.speech_stopped(now, audio_end_ms),
            }
        }
        self.tell_words_during_speech();
    }

    fn speech_started(&mut self, audio_start_ms: u64) {
        let item_id = self.name("item");
        self.emit(json!({"type": "input_audio_buffer.speech_started",
            "audio_start_ms": audio_start_ms, "item_id": item_id}));
        let start_ms = self.detector.heard_ms();
        let (words, _) = self.words_of_turn(self.heard_count);
        let told = (words == Words::During && self.conduct.transcribes).then_some(0);
        self.utterance = Some(Utterance { item_id, told, start_ms });
        if self.conduct.interrupts_response {
            self.cancel_active("turn_detected");
        }
    }

    fn speech_stopped(&mut self, now: Duration, audio_end_ms: u64) {
        let Some(utterance) = self.utterance.take() else {
            return;
        };
        self.emit(json!({"type": "input_audio_buffer.speech_stopped",
            "audio_end_ms": audio_end_ms, "item_id": utterance.item_id}));
        self.commit(now, utterance);
        if self.conduct.creates_response && !self.is_busy() {
            self.start_reply(now, &Value::Null);
        }
    }

    /// A client commits by itself only where no turns are detected.
    pub(super) fn commit_by_client(&mut self, now: Duration) -> Result<(), Refusal> {
        if self.uncommitted_bytes < COMMIT_MIN_BYTES {
            let ms = self.uncommitted_bytes / 8;
            return Err(Refusal {
                code: "input_audio_buffer_commit_empty",
                message: format!(
                    "Error committing input audio buffer: buffer too small. \
                     Expected at least 100ms of audio, but buffer only has {ms}ms of audio."
                ),
                param: None,
            });
        }
        let item_id = self.name("item");
        self.commit(now, Utterance { item_id, told: None, start_ms: 0 });
        Ok(())
    }

    fn commit(&mut self, now: Duration, utterance: Utterance) {
        let Utterance { item_id, told, .. } = utterance;
        self.uncommitted_bytes = 0;
        let item = caller_item(&item_id);
        let previous = self.conversation.append(item.clone());
        self.emit(json!({"type": "input_audio_buffer.committed",
            "item_id": item_id, "previous_item_id": previous}));
        self.emit_item(&previous, &item);
        let (words, text) = self.words_of_turn(self.heard_count);
        self.heard_count += 1;
        self.typed = None;
        let delay = match words {
            _ if !self.conduct.transcribes => return,
            Words::Never => return,
            Words::During => LAST_WORDS_DELAY,
            Words::AfterCommit | Words::Failed => self.manner.words_delay,
        };
        let text = (words != Words::Failed).then_some(text);
        let told = told.unwrap_or_default();
        self.pending_words.push(PendingWords { at: now + delay, item_id, told, text });
    }

    pub(super) fn clear_input(&mut self) {
        self.uncommitted_bytes = 0;
        self.utterance = None;
        self.detector.forget();
        self.emit(json!({"type": "input_audio_buffer.cleared"}));
    }

    fn words_of_turn(&self, turn: usize) -> (Words, String) {
        let turn = self.manner.script.turns.get(turn);
        let words = turn.and_then(|turn| turn.words).unwrap_or(self.manner.words);
        let text = turn.map_or("…", |turn| &turn.heard);
        (words, text.replace("{session}", &self.number.to_string()))
    }

    fn tell_words_during_speech(&mut self) {
        let Some(Utterance { item_id, told: Some(told), start_ms }) = &mut self.utterance else {
            return;
        };
        let spoken_ms = self.detector.heard_ms().saturating_sub(*start_ms);
        let due = spoken_ms as usize / WORD_MS;
        if due <= *told {
            return;
        }
        let (from, item_id) = (std::mem::replace(told, due), item_id.clone());
        let text = self.words_of_turn(self.heard_count).1;
        self.emit_words(&item_id, &text, from, due);
    }

    /// The words of a turn from the `from`th up to the `to`th, as a delta.
    fn emit_words(&mut self, item_id: &str, text: &str, from: usize, to: usize) {
        let delta: String = text.split_inclusive(' ').take(to).skip(from).collect();
        if !delta.is_empty() {
            self.emit(json!({"type": "conversation.item.input_audio_transcription.delta",
                "item_id": item_id, "content_index": 0, "delta": delta}));
        }
    }

    pub(super) fn send_words(&mut self, now: Duration) {
        while let Some(index) = self.pending_words.iter().position(|words| words.at <= now) {
            let PendingWords { item_id, told, text, .. } = self.pending_words.remove(index);
            let Some(text) = text else {
                self.emit(json!({"type": "conversation.item.input_audio_transcription.failed",
                    "item_id": item_id, "content_index": 0, "error": {
                        "type": "server_error", "code": "transcription_failed",
                        "message": "The audio could not be transcribed.", "param": null}}));
                continue;
            };
            let count = text.split_inclusive(' ').count();
            let half = told.max(count / 2);
            self.emit_words(&item_id, &text, told, half);
            self.emit_words(&item_id, &text, half, count);
            self.emit(json!({"type": "conversation.item.input_audio_transcription.completed",
                "item_id": item_id, "content_index": 0, "transcript": text,
                "usage": {"type": "tokens", "input_tokens": 4 * count, "output_tokens": count,
                    "total_tokens": 5 * count}}));
        }
    }
}
