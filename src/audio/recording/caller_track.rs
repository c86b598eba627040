//! The caller's side: frames that say where they belong, most of the time.

use std::collections::VecDeque;

use super::{Samples, media_clock::MediaClock};
use crate::audio::mulaw::SILENCE;

/// How far before its time a frame may say it is. Beyond, what it says is not believed.
const EARLY_US: i64 = 2_000_000;
/// How late it may come.
const LATE_US: i64 = 30_000_000;
/// A frame without a usable time stamp goes behind the last one unless that is so far from where it
/// came: 200 ms.
const LOOSE: Samples = 1_600;

/// The samples that are not taken yet, silence where nothing came.
#[derive(Debug, Default)]
pub(super) struct CallerTrack {
    /// Where the first of them is.
    taken: Samples,
    samples: VecDeque<u8>,
}

impl CallerTrack {
    /// Where what came ends.
    pub(super) fn end(&self) -> Samples {
        self.taken + self.samples.len() as Samples
    }

    /// Audio came at `at_us`.
    pub(super) fn put(
        &mut self,
        clock: &mut MediaClock,
        at_us: i64,
        timestamp_ms: Option<u32>,
        audio: &[u8],
    ) {
        let length = audio.len() as Samples;
        let expected_us = clock.media_us(at_us);
        let ends_us = timestamp_ms.map(|ms| i64::from(ms) * 1_000 + length * 125);
        let believed = |ends_us: &i64| (-LATE_US..=EARLY_US).contains(&(ends_us - expected_us));
        let position = match (timestamp_ms, ends_us.filter(believed)) {
            (Some(ms), Some(ends_us)) => {
                clock.compare(at_us, ends_us);
                clock.base() + i64::from(ms) * 8
            }
            _ => {
                let came = clock.position(at_us) - length;
                if (came - self.end()).abs() <= LOOSE { self.end() } else { came }
            }
        };
        self.write(position, audio);
    }

    /// Of two frames for one place the later one counts; what is taken stays as it was.
    fn write(&mut self, position: Samples, audio: &[u8]) {
        let late = usize::try_from(self.taken - position).unwrap_or(0).min(audio.len());
        let audio = &audio[late..];
        let Ok(first) = usize::try_from(position + late as Samples - self.taken) else { return };
        if audio.is_empty() {
            return;
        }
        if self.samples.len() < first + audio.len() {
            self.samples.resize(first + audio.len(), SILENCE);
        }
        self.samples.range_mut(first..first + audio.len()).zip(audio).for_each(|(to, from)| {
            *to = *from;
        });
    }

    /// Takes the next samples; silence where there are none.
    pub(super) fn take(&mut self, into: &mut [u8]) {
        self.taken += into.len() as Samples;
        into.iter_mut().for_each(|to| *to = self.samples.pop_front().unwrap_or(SILENCE));
    }
}
