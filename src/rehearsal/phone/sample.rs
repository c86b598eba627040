//! What the caller's mouth produces: μ-law audio, cut into frames and encoded once.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::audio::mulaw::SILENCE;
use crate::rehearsal::phone::wav::{self, WavError};
use crate::rehearsal::speech::SAMPLES;
use crate::rehearsal::speech::script::Script;

/// μ-law bytes in one frame: 20 ms at 8,000 a second.
pub const FRAME_BYTES: usize = 160;
/// How long one frame lasts.
pub const FRAME: Duration = Duration::from_millis(20);
/// Base64 characters of one frame.
const FRAME_CHARACTERS: usize = 216;
/// The loudest that still counts as silence, as a μ-law magnitude code: about -38 dBFS.
const QUIET_MAGNITUDE: u8 = 0x20;

/// A piece of caller's audio, shared by every call that plays it: its frames are base64 already,
/// so that a thousand calls encode nothing.
#[derive(Clone)]
pub struct Sample(Arc<Inner>);

struct Inner {
    name: String,
    payloads: String,
    frames: usize,
    loud_frames: usize,
}

impl Sample {
    /// Cuts `mulaw` (8,000 bytes a second, no header) into frames, the last one filled up with
    /// silence. `name` is what a log calls it: the file's name, or the words.
    pub fn new(name: impl Into<String>, mulaw: &[u8]) -> Self {
        let (mut payloads, mut frames, mut loud_frames) = (String::new(), 0, 0);
        for piece in mulaw.chunks(FRAME_BYTES) {
            let mut frame = [SILENCE; FRAME_BYTES];
            frame[..piece.len()].copy_from_slice(piece);
            STANDARD.encode_string(frame, &mut payloads);
            frames += 1;
            if frame.iter().any(|byte| !byte & 0x7F >= QUIET_MAGNITUDE) {
                loud_frames = frames;
            }
        }
        Self(Arc::new(Inner { name: name.into(), payloads, frames, loud_frames }))
    }

    /// The sound of a WAV file of any kind that [`wav`] reads.
    ///
    /// # Errors
    /// If it is another kind of file.
    pub fn from_wav(name: impl Into<String>, file: &[u8]) -> Result<Self, WavError> {
        Ok(Self::new(name, &wav::read_as_mulaw(file)?))
    }

    /// The speech that comes with the program: what the built-in script of the stand-in speech
    /// service hears, named by its words.
    pub fn built_in() -> Vec<Self> {
        let turns = Script::default().turns;
        turns.into_iter().zip(SAMPLES).map(|(turn, audio)| Self::new(turn.heard, audio)).collect()
    }

    /// What a log calls it.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// How many frames it has.
    pub fn frames(&self) -> usize {
        self.0.frames
    }

    /// How many frames there are up to the last one that is not silent: the end of the speech.
    pub fn loud_frames(&self) -> usize {
        self.0.loud_frames
    }

    /// The base64 payload of frame `index`, counted from 0, which there must be.
    pub fn payload(&self, index: usize) -> &str {
        &self.0.payloads[index * FRAME_CHARACTERS..][..FRAME_CHARACTERS]
    }
}

impl std::fmt::Debug for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sample({} frames)", self.0.frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_whole_and_trailing_silence_is_not_speech() {
        let mut mulaw = vec![0x00; 200];
        mulaw.extend([SILENCE; 400]);
        let sample = Sample::new("ping", &mulaw);
        assert_eq!((sample.frames(), sample.loud_frames()), (4, 2));
        let second = STANDARD.decode(sample.payload(1)).unwrap();
        assert_eq!(second[..40], [0x00; 40]);
        assert_eq!(second[40..], [SILENCE; 120]);
    }

    #[test]
    fn what_is_built_in_is_speech_and_has_words() {
        let samples = Sample::built_in();
        assert_eq!(samples.len(), Script::default().turns.len());
        for sample in samples {
            assert!((75..500).contains(&sample.loud_frames()), "{sample:?}");
            assert!(sample.name().len() > 10);
        }
    }
}
