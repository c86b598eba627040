//! Turn detection by energy, on the audio received. Pure.
//!
//! Time is counted in audio, not on a clock: a millisecond is eight μ-law bytes, whenever they
//! come. That is how the real service counts `audio_start_ms` (protocols 5.4).

use std::sync::LazyLock;

use crate::audio::mulaw;

/// Bytes of a window whose energy is looked at: 20 ms.
const WINDOW_BYTES: usize = 160;
const WINDOW_MS: u64 = 20;
/// Loud windows in a row that make speech: a click is shorter.
const ONSET_WINDOWS: u64 = 3;

/// The square of every μ-law byte's amplitude.
static SQUARES: LazyLock<[u32; 256]> = LazyLock::new(|| {
    let square = |byte: usize| i32::from(mulaw::decode(byte as u8)).unsigned_abs().pow(2);
    std::array::from_fn(square)
});

/// What a session says about turn detection, as far as energy can follow it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// 0 to 1: the higher, the louder speech has to be.
    pub threshold: f64,
    /// Audio before the onset that counts as speech, in milliseconds.
    pub prefix_padding_ms: u64,
    /// Silence that ends speech, in milliseconds.
    pub silence_duration_ms: u64,
}

/// What the detector found in a piece of audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Speech began. With the prefix padding.
    Started {
        /// Audio time in milliseconds.
        audio_start_ms: u64,
    },
    /// Speech ended. With the silence that showed it.
    Stopped {
        /// Audio time in milliseconds.
        audio_end_ms: u64,
    },
}

/// Listens to one session's audio.
#[derive(Debug, Default)]
pub struct Detector {
    /// Sum of squares and bytes of the window that is not full yet.
    energy: u64,
    filled: usize,
    heard_ms: u64,
    loud_windows: u64,
    speaking: bool,
    quiet_ms: u64,
    /// Padding never reaches back into the previous stretch of speech.
    last_end_ms: u64,
}

impl Detector {
    /// Audio heard so far, in whole windows, in milliseconds.
    pub fn heard_ms(&self) -> u64 {
        self.heard_ms
    }

    /// Forgets the speech that is going on; its end will not be told.
    pub fn forget(&mut self) {
        (self.speaking, self.loud_windows, self.quiet_ms) = (false, 0, 0);
    }

    /// Listens to some μ-law audio and tells `heard` what was found in it, in order. Without
    /// `detection` time passes and nothing is found.
    pub fn listen(
        &mut self,
        audio: &[u8],
        detection: Option<&Detection>,
        mut heard: impl FnMut(Heard),
    ) {
        let squares = &*SQUARES;
        let mut rest = audio;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(WINDOW_BYTES - self.filled));
            self.energy +=
                piece.iter().map(|byte| u64::from(squares[usize::from(*byte)])).sum::<u64>();
            self.filled += piece.len();
            rest = after;
            if self.filled == WINDOW_BYTES {
                let mean = self.energy / WINDOW_BYTES as u64;
                (self.energy, self.filled) = (0, 0);
                self.heard_ms += WINDOW_MS;
                if let Some(found) = detection.and_then(|detection| self.judge(mean, detection)) {
                    heard(found);
                }
            }
        }
    }

    fn judge(&mut self, mean_square: u64, detection: &Detection) -> Option<Heard> {
        let loud = mean_square as f64 > loudness(detection.threshold).powi(2);
        if self.speaking {
            self.quiet_ms = if loud { 0 } else { self.quiet_ms + WINDOW_MS };
            if self.quiet_ms < detection.silence_duration_ms.max(WINDOW_MS) {
                return None;
            }
            (self.speaking, self.loud_windows, self.last_end_ms) = (false, 0, self.heard_ms);
            return Some(Heard::Stopped { audio_end_ms: self.heard_ms });
        }
        self.loud_windows = if loud { self.loud_windows + 1 } else { 0 };
        if self.loud_windows < ONSET_WINDOWS {
            return None;
        }
        (self.speaking, self.quiet_ms) = (true, 0);
        let onset_ms = self.heard_ms - ONSET_WINDOWS * WINDOW_MS;
        let padded_ms = onset_ms.saturating_sub(detection.prefix_padding_ms);
        Some(Heard::Started { audio_start_ms: padded_ms.max(self.last_end_ms) })
    }
}

/// The amplitude above which a window is loud: -60 dB of full scale at 0, -10 dB at 1, so that
/// the usual 0.5 is -35 dB, well above a line's noise and well below speech.
fn loudness(threshold: f64) -> f64 {
    32_768.0 * 10_f64.powf((threshold * 50.0 - 60.0) / 20.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Detection =
        Detection { threshold: 0.5, prefix_padding_ms: 300, silence_duration_ms: 500 };

    fn tone(ms: usize) -> Vec<u8> {
        let wave = |i: usize| mulaw::encode(((i as f64 * 0.4).sin() * 4_000.0) as i16);
        (0..ms * 8).map(wave).collect()
    }

    fn silence(ms: usize) -> Vec<u8> {
        vec![0xFF; ms * 8]
    }

    fn heard(audio: &[u8], piece: usize) -> Vec<Heard> {
        let (mut detector, mut all) = (Detector::default(), Vec::new());
        for piece in audio.chunks(piece) {
            detector.listen(piece, Some(&USUAL), |found| all.push(found));
        }
        all
    }

    #[test]
    fn speech_starts_with_its_padding_and_stops_after_its_silence() {
        let audio = [silence(1_000), tone(600), silence(1_000)].concat();
        let expected =
            [Heard::Started { audio_start_ms: 700 }, Heard::Stopped { audio_end_ms: 2_100 }];
        for piece in [160, 37, 8_000, 20_800] {
            assert_eq!(heard(&audio, piece), expected, "in pieces of {piece} bytes");
        }
    }

    #[test]
    fn a_click_is_not_speech_and_a_pause_does_not_end_it() {
        assert_eq!(heard(&[silence(500), tone(40), silence(1_000)].concat(), 160), []);
        let paused = [silence(400), tone(300), silence(400), tone(300), silence(600)].concat();
        assert_eq!(heard(&paused, 160).len(), 2);
    }

    #[test]
    fn padding_does_not_reach_into_the_speech_before() {
        let audio = [tone(300), silence(520), tone(300), silence(600)].concat();
        assert_eq!(
            heard(&audio, 160),
            [
                Heard::Started { audio_start_ms: 0 },
                Heard::Stopped { audio_end_ms: 800 },
                Heard::Started { audio_start_ms: 800 },
                Heard::Stopped { audio_end_ms: 1_620 },
            ]
        );
    }

    #[test]
    fn a_higher_threshold_wants_louder_speech() {
        let mut detector = Detector::default();
        let deaf = Detection { threshold: 1.0, ..USUAL };
        detector.listen(&tone(1_000), Some(&deaf), |found| panic!("heard {found:?}"));
        detector.listen(&tone(1_000), None, |found| panic!("heard {found:?}"));
        assert_eq!(detector.heard_ms(), 2_000);
    }

    #[test]
    fn every_line_of_the_sample_audio_is_one_stretch_of_speech() {
        for (number, sample) in crate::rehearsal::speech::SAMPLES.iter().enumerate() {
            let audio = [&silence(200), *sample, &silence(1_000)].concat();
            assert_eq!(heard(&audio, 160).len(), 2, "sample {}", number + 1);
        }
    }
}
