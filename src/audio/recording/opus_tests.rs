//! What is written is what a player hears.

use std::io::Cursor;

use super::*;
use crate::audio::recording::opus_reader::read;

/// A tone in one place of the caller's side and in another of the agent's.
fn frames(count: usize) -> Vec<StereoFrame> {
    let tone = |n: usize| (8_000.0 * (n as f32 * 0.7).sin()) as i16;
    (0..count)
        .map(|frame| {
            let mut pairs = [0; 2 * FRAME];
            for (n, pair) in pairs.chunks_exact_mut(2).enumerate() {
                let at = frame * FRAME + n;
                pair[0] = if (4_000..6_000).contains(&at) { tone(at) } else { 0 };
                pair[1] = if (9_000..11_000).contains(&at) { tone(at) } else { 0 };
            }
            pairs
        })
        .collect()
}

fn encoded(samples: u64) -> Vec<u8> {
    let mut writer =
        OggOpusWriter::new(Cursor::new(Vec::new()), 7, &["ARTIST=Nobody".to_owned()]).unwrap();
    let count = usize::try_from(samples).unwrap().div_ceil(FRAME);
    frames(count).iter().for_each(|frame| writer.write(frame).unwrap());
    writer.finish(samples).unwrap().into_inner()
}

fn loudest(samples: &[i16]) -> (usize, i16) {
    let (at, _) = samples.iter().enumerate().max_by_key(|(_, s)| s.unsigned_abs()).unwrap();
    (at, samples[at].saturating_abs())
}

#[test]
fn each_side_comes_back_where_it_was_and_nowhere_else() {
    let decoded = read(Cursor::new(encoded(16_000))).unwrap();
    assert_eq!((decoded.left.len(), decoded.right.len()), (16_000, 16_000));
    for (side, other, tone) in [
        (&decoded.left, &decoded.right, 4_000..6_000),
        (&decoded.right, &decoded.left, 9_000..11_000),
    ] {
        let (at, peak) = loudest(side);
        assert!(tone.contains(&at) && peak > 5_000, "{peak} at {at}");
        // The encoder takes a moment to notice that somebody else speaks.
        let (_, leak) = loudest(&other[tone.start + 320..tone.end]);
        assert!(leak < 200, "{leak} on the other side");
    }
    assert_eq!(decoded.comments, ["ARTIST=Nobody"]);
}

#[test]
fn a_file_is_exactly_as_long_as_what_was_said() {
    for samples in [0, 1, 100, 159, 160, 161, 8_000, 8_061, 8_108, 8_109] {
        let decoded = read(Cursor::new(encoded(samples))).unwrap();
        assert_eq!(decoded.left.len() as u64, samples);
    }
}

#[test]
fn the_headers_are_those_of_rfc_7845() {
    let bytes = encoded(8_000);
    assert_eq!(&bytes[..4], b"OggS");
    // Begins a stream, alone on its page.
    assert_eq!((bytes[5], bytes[26], bytes[27]), (2, 1, 19));
    assert_eq!(&bytes[28..36], b"OpusHead");
    let head = &bytes[36..47];
    assert_eq!((head[0], head[1]), (1, 2));
    assert_eq!(u16::from_le_bytes([head[2], head[3]]), 312, "the encoder's delay at 48 kHz");
    assert_eq!(u32::from_le_bytes([head[4], head[5], head[6], head[7]]), 8_000);
    assert_eq!(&head[8..], [0, 0, 0]);
    // The comments are on the second page.
    assert_eq!(&bytes[47..51], b"OggS");
    assert_eq!(bytes[47 + 6..47 + 14], [0; 8]);
}
