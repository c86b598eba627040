//! Both sides on one clock, for half an hour and through everything that happens on a line.

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use proptest::prelude::*;

use super::*;
use crate::audio::recording::opus::OggOpusWriter;
use crate::audio::recording::opus_reader::{Decoded, read};
use crate::audio::recording::tape::{Label, TapeReader, TapeWriter};
use crate::call::{Mark, ReplyId};

/// A tape as the call writes it.
struct Tape(Vec<u8>);

impl Tape {
    fn new() -> Self {
        let (agent_id, call_log_id, secret) = Default::default();
        Self(Label { agent_id, call_log_id, secret }.to_bytes().to_vec())
    }

    fn write(&mut self) -> TapeWriter<'_> {
        TapeWriter(&mut self.0)
    }

    fn caller(&mut self, at_ms: u64, timestamp_ms: u64, audio: &[u8]) {
        self.write().caller(at_ms * 1_000, Some(timestamp_ms), &STANDARD.encode(audio));
    }

    fn agent(&mut self, at_ms: u64, audio: &[u8]) {
        self.write().agent(at_ms * 1_000, &STANDARD.encode(audio));
    }

    /// Both sides, 16 bits.
    fn mixed(&self) -> (Vec<i16>, Vec<i16>) {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        let samples = self.each_frame(|frame| {
            left.extend(frame.chunks_exact(2).map(|pair| pair[0]));
            right.extend(frame.chunks_exact(2).map(|pair| pair[1]));
        });
        left.truncate(usize::try_from(samples).unwrap());
        right.truncate(usize::try_from(samples).unwrap());
        (left, right)
    }

    fn each_frame(&self, mut frame: impl FnMut(&StereoFrame)) -> u64 {
        let mut reader = TapeReader::new(&self.0[..]).unwrap().unwrap();
        let mut mixer = Mixer::new();
        while let Some((at_us, recorded)) = reader.next_record().unwrap() {
            mixer.advance(at_us, &recorded);
            std::iter::from_fn(|| mixer.take()).for_each(|taken| frame(&taken));
            mixer.apply(at_us, &recorded);
        }
        mixer.finish();
        std::iter::from_fn(|| mixer.take()).for_each(|taken| frame(&taken));
        mixer.samples().unwrap()
    }
}

/// 20 ms of one loudness.
fn level(byte: u8) -> Vec<u8> {
    vec![byte; FRAME]
}

fn mark(generation: u32, ms: u64) -> Mark {
    Mark { generation, reply: ReplyId(1), ms }
}

/// Where samples of the loudness of `byte` are.
fn places(samples: &[i16], byte: u8) -> Option<(usize, usize)> {
    let is_it = |sample: &&i16| **sample == mulaw::decode(byte);
    let first = samples.iter().position(|sample| is_it(&sample))?;
    Some((first, samples.iter().filter(is_it).count()))
}

const LOUD: u8 = 0x90;
const SOFT: u8 = 0xA5;

#[test]
fn gaps_are_silence_and_frames_that_changed_places_are_in_theirs() {
    let mut tape = Tape::new();
    tape.write().started(5_000_000);
    // One twice, one too early and one that never came.
    for (n, byte) in [(1, 0x90), (3, 0x93), (3, 0x93), (2, 0x92), (5, 0x95)] {
        tape.caller(5_000 + 20 * n + 20, 20 * n, &level(byte));
    }
    let (left, right) = tape.mixed();
    for (n, byte) in [(1, 0x90), (2, 0x92), (3, 0x93), (5, 0x95)] {
        assert_eq!(places(&left, byte), Some((160 * n, 160)), "frame {n}");
    }
    assert_eq!(left[640..800], [0; 160]);
    assert_eq!(left.len(), 960);
    assert!(right.iter().all(|sample| *sample == 0));
}

#[test]
fn time_stamps_that_cannot_be_are_not_believed() {
    let mut tape = Tape::new();
    tape.write().started(0);
    for n in 1..=100_u64 {
        let stamp = match n % 10 {
            3 => u64::from(u32::MAX),
            5 => 4_000_000,
            _ => 20 * n,
        };
        tape.caller(20 * n + 20, stamp, &level(if n == 53 { LOUD } else { SOFT }));
    }
    let (left, _) = tape.mixed();
    assert_eq!(left.len(), 160 * 101);
    let (at, count) = places(&left, LOUD).unwrap();
    assert!(at.abs_diff(160 * 53) <= 160 && count == 160, "{count} at {at}");
}

#[test]
fn audio_that_was_sent_at_once_is_played_one_after_the_other() {
    let mut tape = Tape::new();
    tape.write().started(0);
    for n in 0..50_u64 {
        tape.agent(1_000 + n, &level(if n == 49 { LOUD } else { SOFT }));
    }
    // Sent when the first had been played for long.
    tape.agent(4_000, &level(0x93));
    tape.write().ended(6_000_000);
    let (left, right) = tape.mixed();
    assert_eq!(places(&right, SOFT), Some((8_000, 49 * 160)));
    assert_eq!(places(&right, LOUD), Some((8_000 + 49 * 160, 160)));
    assert_eq!(places(&right, 0x93), Some((32_000, 160)));
    assert_eq!(left.len(), 48_000);
}

#[test]
fn marks_say_where_it_really_was() {
    let mut tape = Tape::new();
    tape.write().started(0);
    for n in 0..50_u64 {
        tape.agent(1_000, &level(LOUD));
        if n % 5 == 4 {
            tape.write().mark_placed(1_000_000, mark(0, 20 * (n + 1)));
        }
    }
    // 150 ms later than it was sent, and some marks are later than that.
    for n in 1..=10_u64 {
        let late = [0, 30, 10][n as usize % 3];
        tape.write().mark_returned((1_150 + 100 * n + late) * 1_000, mark(0, 100 * n));
    }
    tape.write().ended(9_000_000);
    let (_, right) = tape.mixed();
    assert_eq!(places(&right, LOUD), Some((9_200, 8_000)));
}

#[test]
fn what_a_clear_threw_away_is_absent() {
    let mut tape = Tape::new();
    tape.write().started(0);
    for n in 0..100_u64 {
        tape.agent(1_000, &level(LOUD));
        tape.write().mark_placed(1_000_000, mark(0, 20 * (n + 1)));
    }
    for n in 0..20_u64 {
        tape.write().mark_returned((1_020 + 20 * n) * 1_000, mark(0, 20 * (n + 1)));
    }
    tape.write().cleared(1_410_000);
    // The rest comes back at once, unplayed.
    for n in 20..100_u64 {
        tape.write().mark_returned(1_430_000, mark(0, 20 * (n + 1)));
    }
    tape.agent(2_000, &level(SOFT));
    tape.write().ended(8_000_000);
    let (_, right) = tape.mixed();
    assert_eq!(places(&right, LOUD), Some((8_000, 3_280)));
    assert_eq!(places(&right, SOFT), Some((16_000, 160)));
}

#[test]
fn what_was_not_played_when_the_stream_ended_is_absent() {
    for ends in [true, false] {
        let mut tape = Tape::new();
        tape.write().started(0);
        (0..100).for_each(|_| tape.agent(1_000, &level(LOUD)));
        // As far as was written before the process was killed.
        tape.caller(2_020, 2_000, &level(SOFT));
        if ends {
            tape.write().ended(2_020_000);
        }
        let (left, right) = tape.mixed();
        assert_eq!(places(&right, LOUD), Some((8_000, 8_160)));
        assert_eq!(left.len(), 16_160);
    }
}

#[test]
fn another_stream_goes_on_on_the_same_clock() {
    let mut tape = Tape::new();
    tape.write().started(7_000_000);
    tape.caller(7_040, 20, &level(LOUD));
    tape.agent(7_100, &level(LOUD));
    // Lost without a word, and back after an hour.
    tape.write().started(3_607_000_000);
    tape.caller(3_607_120, 100, &level(SOFT));
    tape.agent(3_607_500, &level(SOFT));
    tape.write().ended(3_608_000_000);
    let (left, right) = tape.mixed();
    assert_eq!(places(&left, LOUD), Some((160, 160)));
    // As far as is known the stream was lost before it was played.
    assert_eq!(places(&right, LOUD), None);
    let hour = 3_600 * 8_000;
    assert_eq!(places(&left, SOFT), Some((hour + 800, 160)));
    assert_eq!(places(&right, SOFT), Some((hour + 4_000, 160)));
    assert_eq!(left.len(), hour + 8_000);
}

/// Loud for 20 ms: half of what a decoder must put in its place.
fn burst() -> Vec<u8> {
    (0..FRAME).map(|n| mulaw::encode((16_000.0 * (n as f32 * 0.9).sin()) as i16)).collect()
}

/// A soft tone of 400 Hz, which goes on from frame to frame.
fn hum() -> Vec<u8> {
    let at = |n: usize| (n as f32 * std::f32::consts::TAU / 20.0).sin();
    (0..FRAME).map(|n| mulaw::encode((400.0 * at(n)) as i16)).collect()
}

/// What happens at a time, in microseconds.
type Act = Box<dyn FnOnce(&mut Tape, u64)>;

/// Half an hour on a clock of Twilio's that runs 50 parts in a million fast, on a network that
/// takes 30 to 60 ms: the caller and the agent each make a short sound in every minute, at places
/// that Twilio's clock says. Gaps, long replies and clears are in between.
fn half_an_hour(tape: &mut Tape) -> Vec<(u64, u64)> {
    const PPM: u64 = 50;
    let ours = |theirs_us: u64| 3_000_000 + theirs_us - theirs_us * PPM / 1_000_000;
    let network_us = |n: u64| 30_000 + n * 7_919 % 30_000;
    let quiet = level(mulaw::SILENCE);
    let mut events: Vec<(u64, u64, Act)> = Vec::new();
    let mut at = |us: u64, act: Act| {
        let order = events.len() as u64;
        events.push((us, order, act));
    };
    at(ours(0) + 30_000, Box::new(|tape, us| tape.write().started(us)));
    let mut expected = Vec::new();
    for minute in 0..30_u64 {
        let begins_ms = 60_000 * minute;
        let caller_ms = begins_ms + 20_000 + 20 * (minute % 7);
        // The first thing that is sent after a silence, and played 40 ms later.
        let agent_ms = begins_ms + 31_000 + 13 * minute;
        expected.push((caller_ms, agent_ms));
        for n in 0..3_000 {
            let stamp = begins_ms + 20 * n;
            // Comfort noise is not sent for a while.
            if (8_000..14_000).contains(&(20 * n)) {
                continue;
            }
            let audio = if stamp == caller_ms { burst() } else { quiet.clone() };
            let came = ours((stamp + 20) * 1_000) + network_us(n + minute);
            at(
                came,
                Box::new(move |tape, us| {
                    tape.write().caller(us, Some(stamp), &STANDARD.encode(&audio));
                }),
            );
        }
        let reply = u32::try_from(minute).unwrap();
        let sent = ours(agent_ms * 1_000) - 40_000;
        for n in 0..1_000_u64 {
            let audio = if n == 0 { burst() } else { hum() };
            // Six times as fast as it is played.
            at(
                sent + n * 3_300,
                Box::new(move |tape, us| {
                    tape.write().agent(us, &STANDARD.encode(&audio));
                    if n % 5 == 4 {
                        let mark =
                            Mark { generation: reply, reply: ReplyId(reply), ms: 20 * (n + 1) };
                        tape.write().mark_placed(us, mark);
                    }
                }),
            );
            let played_us = (agent_ms + 20 * (n + 1)) * 1_000;
            if n % 5 == 4 && n < 400 {
                at(
                    ours(played_us) + network_us(n),
                    Box::new(move |tape, us| {
                        let mark =
                            Mark { generation: reply, reply: ReplyId(reply), ms: 20 * (n + 1) };
                        tape.write().mark_returned(us, mark);
                    }),
                );
            }
        }
        // The caller interrupts after eight seconds.
        at(ours((agent_ms + 8_000) * 1_000), Box::new(|tape, us| tape.write().cleared(us)));
    }
    at(ours(1_800_000_000), Box::new(|tape, us| tape.write().ended(us)));
    events.sort_by_key(|(us, order, _)| (*us, *order));
    events.into_iter().for_each(|(us, _, act)| act(tape, us));
    expected
}

/// Where the loudest 20 ms of a stretch begin.
fn loudest(samples: &[i16], from_ms: u64, to_ms: u64) -> usize {
    let at = |ms: u64| usize::try_from(8 * ms).unwrap();
    let energy = |window: &[i16]| window.iter().map(|s| i64::from(*s).pow(2)).sum::<i64>();
    let stretch = &samples[at(from_ms)..at(to_ms).min(samples.len())];
    let starts = (0..stretch.len() - FRAME).step_by(8);
    at(from_ms) + starts.max_by_key(|start| energy(&stretch[*start..start + FRAME])).unwrap()
}

fn encoded(tape: &Tape) -> Vec<u8> {
    let mut writer = OggOpusWriter::new(Cursor::new(Vec::new()), 1, &[]).unwrap();
    let samples = tape.each_frame(|frame| writer.write(frame).unwrap());
    writer.finish(samples).unwrap().into_inner()
}

#[test]
fn after_half_an_hour_both_sides_are_where_they_were_within_20_ms() {
    let mut tape = Tape::new();
    let expected = half_an_hour(&mut tape);
    let file = encoded(&tape);
    if let Some(path) = std::env::var_os("FRONTDESK_KEEP_RECORDING") {
        std::fs::write(path, &file).unwrap();
    }
    let Decoded { left, right, .. } = read(Cursor::new(file)).unwrap();
    assert!(left.len().abs_diff(1_800 * 8_000) < 800, "{} samples", left.len());
    let mut worst = (0, 0);
    for (caller_ms, agent_ms) in expected {
        for (samples, ms, worst) in
            [(&left, caller_ms, &mut worst.0), (&right, agent_ms, &mut worst.1)]
        {
            let found = loudest(samples, ms - 1_000, ms + 1_000);
            let error = found as i64 - (8 * ms) as i64;
            assert!(error.abs() < 8 * 20, "{error} samples at {ms} ms");
            *worst = error.abs().max(*worst);
        }
        // Interrupted after eight seconds, and nothing of the twelve that were thrown away.
        let (from, to) = (agent_ms + 8_100, agent_ms + 20_000);
        let thrown_away = &right
            [usize::try_from(8 * from).unwrap()..usize::try_from(8 * to).unwrap().min(right.len())];
        assert!(thrown_away.iter().all(|sample| sample.abs() < 60), "after {from} ms");
        // The agent is not on the caller's side.
        let is_heard = right[usize::try_from(8 * (agent_ms + 7_000)).unwrap()..][..8 * 900]
            .iter()
            .any(|sample| sample.abs() > 200);
        assert!(is_heard, "before {from} ms");
        let agent = &left[usize::try_from(8 * (agent_ms + 1_000)).unwrap()..][..8 * 6_000];
        assert!(agent.iter().all(|sample| sample.abs() < 60), "at {agent_ms} ms");
    }
    println!("off by at most {} and {} samples", worst.0, worst.1);
}

#[test]
fn nothing_was_recorded() {
    assert_eq!(Tape::new().mixed(), (vec![], vec![]));
    let mut tape = Tape::new();
    tape.caller(10, 20, &level(LOUD));
    assert_eq!(tape.mixed(), (vec![], vec![]));
}

/// One record of a tape that anything may be on.
fn anything() -> impl Strategy<Value = (u64, u8, u32, usize)> {
    let step = prop_oneof![16 => 0..60_000_u64, 1 => 0..40_000_000_u64];
    let stamp = prop_oneof![4 => 0..20_000_u32, 1 => any::<u32>()];
    (step, 0..7_u8, stamp, 0..500_usize)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_tape_is_too_odd(records in prop::collection::vec(anything(), 0..200)) {
        let mut mixer = Mixer::new();
        let (mut at_us, mut frames) = (0_u64, 0_u64);
        let audio = vec![LOUD; 500];
        for (step, kind, stamp, length) in records {
            // Time may also go back.
            at_us = if kind == 5 { at_us.saturating_sub(step) } else { at_us + step };
            let mark = mark(stamp % 3, u64::from(stamp % 50));
            let recorded = match kind {
                0 => Recorded::Started,
                1 => Recorded::Caller { timestamp_ms: Some(stamp), audio: &audio[..length] },
                2 => Recorded::Agent { audio: &audio[..length] },
                3 => Recorded::MarkPlaced(mark),
                4 => Recorded::MarkReturned(mark),
                5 => Recorded::Cleared,
                _ => Recorded::Ended,
            };
            mixer.advance(at_us, &recorded);
            frames += std::iter::from_fn(|| mixer.take()).count() as u64;
            mixer.apply(at_us, &recorded);
            let held = mixer.caller.end() - mixer.taken;
            prop_assert!(held <= 40 * SECOND, "{held} samples are held");
        }
        mixer.finish();
        frames += std::iter::from_fn(|| mixer.take()).count() as u64;
        let samples = mixer.samples().unwrap();
        prop_assert!(samples <= LONGEST.unsigned_abs());
        prop_assert!(frames * FRAME as u64 >= samples);
    }
}

#[test]
fn a_time_that_no_call_has_ends_after_five_hours() {
    let mut mixer = Mixer::new();
    mixer.apply(0, &Recorded::Started);
    mixer.apply(u64::MAX, &Recorded::Ended);
    mixer.finish();
    assert_eq!(mixer.samples(), Some(LONGEST.unsigned_abs()));
}
