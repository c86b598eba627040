//! What the caller's mouth produces: μ-law audio, cut into frames and encoded once.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// μ-law bytes in one frame: 20 ms at 8,000 a second.
pub const FRAME_BYTES: usize = 160;
/// How long one frame lasts.
pub const FRAME: Duration = Duration::from_millis(20);
/// Base64 characters of one frame.
const FRAME_CHARACTERS: usize = 216;
/// The μ-law byte of silence.
pub const SILENCE: u8 = 0xFF;
/// The loudest that still counts as silence, as a μ-law magnitude code: about -38 dBFS.
const QUIET_MAGNITUDE: u8 = 0x20;

/// A file that cannot be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a WAV file with 8,000 μ-law samples a second, mono")]
pub struct WavError;

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

    /// A WAV file's sound: μ-law, mono, 8,000 a second.
    ///
    /// # Errors
    /// If it is another kind of file.
    pub fn from_wav(name: impl Into<String>, wav: &[u8]) -> Result<Self, WavError> {
        let (mut format_is_right, mut rest) = (false, wav.get(12..).ok_or(WavError)?);
        while let Some((header, after)) = rest.split_at_checked(8) {
            let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
            let chunk = &after[..length.min(after.len())];
            match &header[..4] {
                b"fmt " => format_is_right = chunk.starts_with(&[7, 0, 1, 0, 0x40, 0x1F, 0, 0]),
                b"data" if format_is_right => return Ok(Self::new(name, chunk)),
                _ => {}
            }
            rest = after.get(length + length % 2..).unwrap_or_default();
        }
        Err(WavError)
    }

    /// Something that a turn detector takes for speech: syllables of a low voice, `syllables` of
    /// them, a fifth of a second each.
    pub fn babble(syllables: usize) -> Self {
        const SYLLABLE: usize = 1_600;
        const VOICED: usize = 1_280;
        let mulaw: Vec<u8> = (0..syllables * SYLLABLE)
            .map(|at| {
                let (syllable, within) = (at / SYLLABLE, at % SYLLABLE);
                let half_wave = 22 + syllable * 7 % 13;
                match within {
                    VOICED.. => SILENCE,
                    _ if within / half_wave % 2 == 0 => !0x50,
                    _ => !(0x80 | 0x50),
                }
            })
            .collect();
        Self::new("babble", &mulaw)
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
    fn babble_lasts_as_long_as_it_says() {
        let babble = Sample::babble(5);
        assert_eq!((babble.frames(), babble.loud_frames()), (50, 48));
    }
}
