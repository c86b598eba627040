//! Is there sound at the caller's end? Told from a few samples of a few frames, so that it costs
//! next to nothing, and told only when it changes.

use super::mulaw;

/// One frame in so many is looked at: one each 100 ms.
const FRAMES: u32 = 5;
/// So many places of a frame, 12 samples each: at least half a pitch period is among them.
const PLACES: usize = 4;
/// Base64 characters looked at in one place.
const CHARACTERS: usize = 16;
/// Quieter than this is silence on any line: -52 dB of full scale.
const LEAST: u32 = 80;
/// Sound is this many times louder than what the line has always.
const TIMES_LOUDER: u32 = 3;
/// What the line has always is never taken to be more: louder, it would drown speech.
const FLOOR_MAX: u32 = 4_000;
/// Looks in a row that make it loud: a click is shorter.
const LOUD_LOOKS: u32 = 2;
/// Looks in a row that make it quiet: words have gaps.
const QUIET_LOOKS: u32 = 3;

/// Listens to one line.
///
/// What the line has always (comfort noise, a hum, an engine) is the floor. It follows at once when
/// the line becomes quieter, and slowly, within four seconds, when it stays louder: speech has gaps
/// before that, and a hum has none.
#[derive(Debug, Default)]
pub struct Level {
    frames: u32,
    floor: u32,
    is_loud: bool,
    /// Looks in a row that say otherwise.
    otherwise: u32,
}

impl Level {
    /// Takes in a frame of 20 ms, base64 of μ-law. Tells when it has become loud (`true`) or quiet
    /// (`false`).
    pub fn listen(&mut self, payload: &str) -> Option<bool> {
        self.frames += 1;
        if self.frames < FRAMES {
            return None;
        }
        self.frames = 0;
        let loudness = loudness(payload.as_bytes())?;
        let floor = self.floor.max(LEAST / TIMES_LOUDER);
        self.floor =
            if loudness < floor { loudness } else { (floor + floor / 12 + 1).min(loudness) };
        self.floor = self.floor.min(FLOOR_MAX);
        let seems_loud = loudness >= LEAST && loudness > floor * TIMES_LOUDER;
        if seems_loud == self.is_loud {
            self.otherwise = 0;
            return None;
        }
        self.otherwise += 1;
        let enough = if self.is_loud { QUIET_LOOKS } else { LOUD_LOOKS };
        if self.otherwise < enough {
            return None;
        }
        (self.is_loud, self.otherwise) = (seems_loud, 0);
        Some(seems_loud)
    }
}

/// The mean amplitude of a few samples, spread over the frame; none of one that is too short.
fn loudness(base64: &[u8]) -> Option<u32> {
    let stride = base64.len() / PLACES / 4 * 4;
    if stride < CHARACTERS {
        return None;
    }
    let mut sum = 0;
    for place in 1..=PLACES {
        // Ends of quarters: both numbers are multiples of four, so that every piece is base64.
        let piece = &base64[place * stride - CHARACTERS..place * stride];
        for four in piece.chunks_exact(4) {
            let [a, b, c, d] = [four[0], four[1], four[2], four[3]].map(sextet);
            let bytes = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
            sum += bytes
                .iter()
                .map(|byte| u32::from(mulaw::decode(*byte).unsigned_abs()))
                .sum::<u32>();
        }
    }
    Some(sum / (PLACES * CHARACTERS / 4 * 3) as u32)
}

/// What a character of base64 stands for; one that is none counts as silence does.
fn sextet(character: u8) -> u8 {
    match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' => 62,
        _ => 63,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    const SPEECH: [&[u8]; 3] = [
        include_bytes!("../rehearsal/audio/caller-1.wav"),
        include_bytes!("../rehearsal/audio/caller-2.wav"),
        include_bytes!("../rehearsal/audio/caller-3.wav"),
    ];

    /// Each change and when it came, in ms; and how long it was loud.
    fn changes(level: &mut Level, audio: &[u8]) -> (Vec<(usize, bool)>, usize) {
        let (mut changes, mut loud_ms) = (Vec::new(), 0);
        for (frame, bytes) in audio.chunks_exact(160).enumerate() {
            if let Some(loud) = level.listen(&STANDARD.encode(bytes)) {
                changes.push((frame * 20, loud));
            }
            loud_ms += if level.is_loud { 20 } else { 0 };
        }
        (changes, loud_ms)
    }

    /// Noise of this amplitude, the same each time.
    fn noise(ms: usize, amplitude: i32) -> Vec<u8> {
        let mut state = 12_345_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as i32 % (2 * amplitude + 1) - amplitude
        };
        (0..ms * 8).map(|_| mulaw::encode(next() as i16)).collect()
    }

    fn hum(ms: usize, amplitude: f64) -> Vec<u8> {
        let wave = |i: usize| (i as f64 * 50.0 / 8_000.0 * std::f64::consts::TAU).sin();
        (0..ms * 8).map(|i| mulaw::encode((wave(i) * amplitude) as i16)).collect()
    }

    #[test]
    fn speech_is_loud_and_what_follows_it_is_quiet() {
        for wav in SPEECH {
            let speech = &wav[58..];
            let mut level = Level::default();
            let audio = [noise(2_000, 40), speech.to_vec(), noise(2_000, 40)].concat();
            let (changes, loud_ms) = changes(&mut level, &audio);
            assert!(loud_ms * 8 * 10 > speech.len() * 5, "{loud_ms} of {} ms", speech.len() / 8);
            assert!(changes[0].0 >= 2_000 && changes[0].1, "{changes:?}");
            assert!(!level.is_loud, "{changes:?}");
        }
    }

    #[test]
    fn comfort_noise_is_never_loud() {
        let (changes, _) = changes(&mut Level::default(), &noise(60_000, 70));
        assert_eq!(changes, []);
    }

    #[test]
    fn a_hum_is_not_loud_for_long_and_speech_above_it_is() {
        for amplitude in [300.0, 1_000.0, 3_000.0] {
            let mut level = Level::default();
            changes(&mut level, &noise(5_000, 40));
            let (_, loud_ms) = changes(&mut level, &hum(60_000, amplitude));
            assert!(loud_ms < 4_000, "a hum of {amplitude} was loud for {loud_ms} ms");
            assert!(!level.is_loud);
        }
        let mut level = Level::default();
        changes(&mut level, &hum(20_000, 300.0));
        assert!(changes(&mut level, &SPEECH[0][58..]).1 > 500);
    }

    #[test]
    fn a_click_is_not_loud_and_short_or_broken_frames_are_passed_over() {
        let mut level = Level::default();
        changes(&mut level, &noise(2_000, 40));
        let click = [noise(60, 20_000), noise(2_000, 40)].concat();
        assert_eq!(changes(&mut level, &click).0, []);
        for payload in ["", "////", "~~~~ not base64 ~~~~"] {
            (0..20).for_each(|_| assert_eq!(level.listen(payload), None));
        }
    }
}
