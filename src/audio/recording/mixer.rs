//! Both sides of a call on one clock.

use super::agent_track::AgentTrack;
use super::caller_track::CallerTrack;
use super::media_clock::MediaClock;
use super::tape::Recorded;
use super::{SECOND, Samples};
use crate::audio::mulaw::{self, SILENCE};

/// Samples of a frame and side: 20 ms.
pub const FRAME: usize = 160;

/// 20 ms of both sides, 16 bits: caller, agent, caller, agent, …
pub type StereoFrame = [i16; 2 * FRAME];

/// What comes within this time may still change what was: marks come back, frames change places.
const SETTLES: Samples = 3 * SECOND;
/// How far behind the caller's last frame others may come.
const REORDERED: Samples = SECOND;
/// How long the caller's frames are waited for.
const WAITED: Samples = 30 * SECOND;
/// The longest recording, five hours: a call is at most four hours with the agent.
const LONGEST: Samples = 5 * 3600 * SECOND;
/// A later time than any call has: a week.
const LATEST_US: i64 = 7 * 24 * 3600 * 1_000_000;

/// Takes what a tape holds, in its order, and gives frames.
#[derive(Debug, Default)]
pub struct Mixer {
    clock: MediaClock,
    caller: CallerTrack,
    agent: AgentTrack,
    has_begun: bool,
    is_open: bool,
    /// The time of the last record.
    last_us: i64,
    /// How far time has gone on.
    now_us: i64,
    /// Where the next frame is.
    taken: Samples,
    /// Where the recording ends; known when the tape does.
    end: Option<Samples>,
}

impl Mixer {
    /// An empty recording.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next thing that happened, happened `at_us` microseconds after the answer: what is settled
    /// by then can be taken before it is applied, so that a long silence is not held in memory.
    pub fn advance(&mut self, at_us: u64, recorded: &Recorded<'_>) {
        // A stream that broke off was over before the next one began.
        if *recorded != Recorded::Started {
            self.now_us = self.time(at_us);
        }
    }

    /// A time before the last one would be a broken tape's.
    fn time(&self, at_us: u64) -> i64 {
        i64::try_from(at_us).unwrap_or(LATEST_US).min(LATEST_US).max(self.last_us)
    }

    /// Something happened, `at_us` microseconds after the answer.
    pub fn apply(&mut self, at_us: u64, recorded: &Recorded<'_>) {
        let at_us = self.time(at_us);
        if let Recorded::Started = recorded {
            self.start(at_us);
        }
        (self.last_us, self.now_us) = (at_us, at_us);
        if !self.is_open {
            return;
        }
        let here = self.clock.position(at_us);
        match recorded {
            Recorded::Started => {}
            Recorded::Caller { timestamp_ms, audio } => {
                self.caller.put(&mut self.clock, at_us, *timestamp_ms, audio);
            }
            Recorded::Agent { audio } => self.agent.put(here, audio),
            Recorded::MarkPlaced(mark) => self.agent.mark_placed(*mark),
            Recorded::MarkReturned(mark) => self.agent.mark_returned(here, *mark),
            Recorded::Cleared => self.agent.clear(here),
            Recorded::Ended => self.close(here),
        }
    }

    /// A further stream goes on where our clock says that it does.
    fn start(&mut self, at_us: i64) {
        if self.is_open {
            let here = self.clock.position(self.last_us);
            self.close(here);
        }
        let base = match self.has_begun {
            true => self.clock.position(at_us).max(self.caller.end()),
            false => 0,
        };
        self.clock.begin(at_us, base);
        (self.has_begun, self.is_open) = (true, true);
    }

    /// What was not played by the end of its stream never is.
    fn close(&mut self, here: Samples) {
        self.agent.clear(here);
        self.is_open = false;
    }

    /// The tape has ended: all that is left can be taken.
    pub fn finish(&mut self) {
        let here = self.clock.position(self.last_us);
        if self.is_open {
            self.close(here);
        }
        let end =
            if self.has_begun { here.max(self.caller.end()).max(self.agent.end()) } else { 0 };
        self.end = Some(end.clamp(0, LONGEST));
    }

    /// How long the recording is, in samples, once it has ended.
    pub fn samples(&self) -> Option<u64> {
        self.end.map(|end| end.unsigned_abs())
    }

    /// The next frame, if nothing that comes can change it any more. The last one is filled up with
    /// silence.
    pub fn take(&mut self) -> Option<StereoFrame> {
        let until = self.taken + FRAME as Samples;
        let is_settled = match self.end {
            Some(end) => self.taken < end,
            None => until <= self.settled().min(LONGEST),
        };
        if !is_settled {
            return None;
        }
        let (mut caller, mut agent) = ([SILENCE; FRAME], [SILENCE; FRAME]);
        self.caller.take(&mut caller);
        self.agent.take(self.taken, &mut agent);
        self.taken = until;
        let mut frame = [0; 2 * FRAME];
        for (pair, (caller, agent)) in frame.chunks_exact_mut(2).zip(caller.iter().zip(&agent)) {
            pair.copy_from_slice(&[mulaw::decode(*caller), mulaw::decode(*agent)]);
        }
        Some(frame)
    }

    fn settled(&self) -> Samples {
        let here = self.clock.position(self.now_us);
        if !self.is_open {
            return here - SETTLES;
        }
        let caller = self.caller.end() - REORDERED;
        caller.min(here - SETTLES).max(here - WAITED)
    }
}

#[cfg(test)]
#[path = "mixer_tests.rs"]
mod tests;
