//! The stand-in's voice. Pure.
//!
//! There is no speech synthesis in the process, and none is needed: what a rehearsal wants of a
//! voice is that it lasts as long as the words would, and that it has the energy and the rhythm of
//! speech. Every word becomes one to four syllables of a harmonic tone that swells and falls.

use crate::audio::mulaw;

/// How long a word of average length takes, with the gap after it, in milliseconds.
pub const WORD_MS: usize = 330;

const BYTES_PER_MS: usize = 8;
/// The gap after a word, and after a sentence, in milliseconds.
const GAP_MS: usize = 50;
const SENTENCE_GAP_MS: usize = 200;
/// Amplitude of the loudest moment: -12 dB of full scale.
const AMPLITUDE: f32 = 8_000.0;

/// A spoken text: μ-law at 8 kHz, and where in it each word begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// The samples of the whole text.
    pub audio: Vec<u8>,
    /// Each word with the space after it, and the byte at which it begins.
    pub words: Vec<(usize, String)>,
}

/// Speaks `text`. The same text always sounds the same.
pub fn speak(text: &str) -> Spoken {
    let mut spoken = Spoken { audio: Vec::new(), words: Vec::new() };
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let space = if words.peek().is_some() { " " } else { "" };
        spoken.words.push((spoken.audio.len(), format!("{word}{space}")));
        say(word, &mut spoken.audio);
    }
    spoken
}

fn say(word: &str, audio: &mut Vec<u8>) {
    let syllables =
        word.chars().filter(|letter| "aeiouyAEIOUY".contains(*letter)).count().clamp(1, 4);
    // 160 ms of a first syllable and 110 of each further one: 330 ms with the gap at about 2.1,
    // which is what English has in running speech when digits and names are in it.
    let sound_ms = 160 + 110 * (syllables - 1);
    let pitch_hz = 110.0 + (word.bytes().map(usize::from).sum::<usize>() % 50) as f32;
    let samples = sound_ms * BYTES_PER_MS;
    let step = std::f32::consts::TAU * pitch_hz / 8_000.0;
    for index in 0..samples {
        let within = index as f32 / samples as f32 * syllables as f32;
        let swell = (within.fract() * std::f32::consts::PI).sin().sqrt();
        let phase = step * index as f32;
        let tone = phase.sin() * 0.4 + (phase * 4.0).sin() * 0.4 + (phase * 11.0).sin() * 0.2;
        audio.push(mulaw::encode((tone * swell * AMPLITUDE) as i16));
    }
    let ends = word.ends_with(['.', '!', '?', ';', ':']);
    let gap_ms = if ends { SENTENCE_GAP_MS } else { GAP_MS };
    audio.resize(audio.len() + gap_ms * BYTES_PER_MS, mulaw::SILENCE);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::speech::detector::{Detection, Detector, Heard};

    const TEXT: &str = "We are open from nine in the morning until half past five on weekdays. \
                        Would you like to make an appointment?";

    #[test]
    fn words_are_all_there_and_take_about_as_long_as_spoken_ones() {
        let spoken = speak(TEXT);
        let words: String = spoken.words.iter().map(|(_, word)| word.as_str()).collect();
        assert_eq!(words, TEXT);
        assert!(spoken.words.is_sorted_by(|a, b| a.0 < b.0));
        let word_ms = spoken.audio.len() / 8 / spoken.words.len();
        assert!(word_ms.abs_diff(WORD_MS) < 80, "{word_ms} ms a word");
    }

    #[test]
    fn it_is_the_same_every_time_and_another_for_other_words() {
        assert_eq!(speak(TEXT), speak(TEXT));
        assert_ne!(speak("yes").audio, speak("sky").audio);
        assert!(speak("  ").audio.is_empty());
    }

    #[test]
    fn a_turn_detector_takes_it_for_one_stretch_of_speech() {
        let usual = Detection { threshold: 0.5, prefix_padding_ms: 300, silence_duration_ms: 500 };
        let mut audio = speak(TEXT).audio;
        audio.resize(audio.len() + 8_000, mulaw::SILENCE);
        let mut all = Vec::new();
        Detector::default().listen(&audio, Some(&usual), |found| all.push(found));
        assert!(matches!(all[..], [Heard::Started { .. }, Heard::Stopped { .. }]), "heard {all:?}");
    }
}
