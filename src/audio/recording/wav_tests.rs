//! A WAV file is what the Opus file is, in whichever parts it is read.

use std::io::Cursor;

use super::*;
use crate::audio::recording::FRAME;
use crate::audio::recording::opus::OggOpusWriter;
use crate::audio::recording::opus_reader::read;

/// Five seconds and a bit of two tones.
const SAMPLES: u64 = 40_123;

fn ogg(samples: u64) -> Bytes {
    let mut writer = OggOpusWriter::new(Cursor::new(Vec::new()), 7, &[]).unwrap();
    for frame in 0..usize::try_from(samples).unwrap().div_ceil(FRAME) {
        let mut pairs = [0; 2 * FRAME];
        for (n, pair) in pairs.chunks_exact_mut(2).enumerate() {
            let at = (frame * FRAME + n) as f32;
            pair[0] = (6_000.0 * (at * 0.3).sin()) as i16;
            pair[1] = (6_000.0 * (at * 0.05).sin()) as i16;
        }
        writer.write(&pairs).unwrap();
    }
    writer.finish(samples).unwrap().into_inner().into()
}

fn whole(ogg: &Bytes, from: u64, until: u64) -> Vec<u8> {
    let mut part = WavFile::open(ogg.clone()).unwrap().part(from, until).unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = part.next_piece().unwrap() {
        assert!(!piece.is_empty() && piece.len() <= 64_000, "{}", piece.len());
        bytes.extend(piece);
    }
    bytes
}

fn samples(bytes: &[u8]) -> Vec<i16> {
    bytes.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect()
}

#[test]
fn it_is_as_long_as_it_said_and_sounds_the_same() {
    for length in [0, 1, 161, SAMPLES] {
        let ogg = ogg(length);
        let file = WavFile::open(ogg.clone()).unwrap();
        assert_eq!(file.bytes(), 44 + 4 * length);
        let wav = whole(&ogg, 0, u64::MAX);
        assert_eq!(wav.len() as u64, 44 + 4 * length);
        assert_eq!(
            (&wav[..4], &wav[8..16], &wav[36..40]),
            (&b"RIFF"[..], &b"WAVEfmt "[..], &b"data"[..])
        );
        let size = |at: usize| u32::from_le_bytes(wav[at..at + 4].try_into().unwrap());
        assert_eq!((u64::from(size(4)), u64::from(size(40))), (36 + 4 * length, 4 * length));
        let decoded = read(Cursor::new(ogg)).unwrap();
        let expected = decoded.left.iter().zip(&decoded.right).flat_map(|(l, r)| [*l, *r]);
        assert_eq!(samples(&wav[44..]), expected.collect::<Vec<_>>());
    }
}

#[test]
fn any_part_is_had_without_what_comes_before_it() {
    let ogg = ogg(SAMPLES);
    let wav = whole(&ogg, 0, u64::MAX);
    for (from, until) in [(0, 1), (0, 44), (10, 50), (43, 46), (44, 48), (45, 47), (46, 40_000)] {
        let expected = &wav[from..until];
        assert_eq!(whole(&ogg, from as u64, until as u64), expected, "{from}..{until}");
    }
    // From the middle on a decoder has heard less, so that it is nearly the same.
    for from in [100_001, 120_002, 150_000, wav.len() - 5] {
        let until = (from + 20_000).min(wav.len());
        let part = whole(&ogg, from as u64, until as u64);
        assert_eq!(part.len(), until - from);
        let even = from % 2;
        let (found, expected) = (samples(&part[even..]), samples(&wav[from + even..until]));
        let worst = found.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst.unwrap() < 400, "{worst:?} from {from}");
    }
    assert!(whole(&ogg, wav.len() as u64, u64::MAX).is_empty());
}

#[test]
fn what_is_broken_ends() {
    let good = ogg(SAMPLES);
    for length in (0..good.len()).step_by(97) {
        if let Ok(file) = WavFile::open(good.slice(..length)) {
            let bytes = file.bytes();
            assert_eq!(whole(&good.slice(..length), 0, u64::MAX).len() as u64, bytes);
        }
    }
    for odd in [&b""[..], b"OggS", &[0; 100], b"RIFF"] {
        assert!(WavFile::open(Bytes::from_static(odd)).is_err());
    }
}
