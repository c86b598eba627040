//! The agent's side: what was played of what was sent.
//!
//! Twilio plays what it is sent piece behind piece, and begins anew where it had run dry. So audio
//! is in runs: a run begins where its first piece was sent, later by what the network takes to
//! Twilio, which the marks behind it tell when they come back. What a clear leaves of a run is what
//! had been played.

use std::collections::VecDeque;

use super::{SECOND, Samples};
use crate::audio::mulaw::SILENCE;
use crate::call::Mark;

/// The latest that a run is believed to begin after it was sent.
const SHIFT_MAX: Samples = 2 * SECOND;
/// Marks that wait to come back. One stands behind every 100 ms of at most two minutes of audio.
const MARKS_MAX: usize = 4_096;

/// Audio that plays without a gap.
#[derive(Debug)]
struct Run {
    /// Its number, counted from the first.
    number: u64,
    /// Where its first piece was sent.
    sent: Samples,
    /// What is not taken of it.
    audio: VecDeque<u8>,
    /// How much is.
    taken: Samples,
    /// How much of it marks say was played.
    confirmed: Samples,
    /// How much later than sent it began, by the earliest mark.
    shift: Option<Samples>,
    /// Where it begins, once that is settled.
    begins: Option<Samples>,
}

impl Run {
    fn length(&self) -> Samples {
        self.taken + self.audio.len() as Samples
    }
}

/// A mark that has not come back.
#[derive(Debug)]
struct Placed {
    mark: Mark,
    run: u64,
    /// How much of the run is before it.
    before: Samples,
}

/// All that was sent and is not taken.
#[derive(Debug, Default)]
pub(super) struct AgentTrack {
    runs: VecDeque<Run>,
    runs_so_far: u64,
    marks: VecDeque<Placed>,
    /// Where Twilio runs dry, the network's time left out.
    dry: Samples,
    /// Where the last run that was taken ends, and how late it began.
    end: Samples,
    shift: Samples,
}

impl AgentTrack {
    /// Audio was sent at `position`.
    pub(super) fn put(&mut self, position: Samples, audio: &[u8]) {
        if position > self.dry || self.runs.is_empty() {
            let sent = position.max(self.dry);
            self.dry = sent;
            self.runs_so_far += 1;
            self.runs.push_back(Run {
                number: self.runs_so_far,
                sent,
                audio: VecDeque::new(),
                taken: 0,
                confirmed: 0,
                shift: None,
                begins: None,
            });
        }
        if let Some(run) = self.runs.back_mut() {
            run.audio.extend(audio);
            self.dry += audio.len() as Samples;
        }
    }

    /// A mark was sent.
    pub(super) fn mark_placed(&mut self, mark: Mark) {
        let Some(run) = self.runs.back() else { return };
        if self.marks.len() == MARKS_MAX {
            self.marks.pop_front();
        }
        self.marks.push_back(Placed { mark, run: run.number, before: run.length() });
    }

    /// A mark came back at `position`: what is before it was played by then.
    pub(super) fn mark_returned(&mut self, position: Samples, mark: Mark) {
        let Some(index) = self.marks.iter().position(|placed| placed.mark == mark) else { return };
        let Some(placed) = self.marks.drain(..=index).next_back() else { return };
        let Some(run) = self.runs.iter_mut().find(|run| run.number == placed.run) else { return };
        let shift = (position - run.sent - placed.before).clamp(0, SHIFT_MAX);
        run.shift = Some(run.shift.map_or(shift, |earlier| earlier.min(shift)));
        run.confirmed = run.confirmed.max(placed.before);
    }

    /// At `position` everything was thrown away that had not been played. Marks that come back now
    /// say nothing.
    pub(super) fn clear(&mut self, position: Samples) {
        self.marks.clear();
        for run in &mut self.runs {
            let played = (position - run.sent).max(run.confirmed);
            run.audio.truncate(usize::try_from(played - run.taken).unwrap_or(0));
        }
        self.runs.retain(|run| run.length() > 0);
        self.dry = self.dry.min(position);
    }

    /// Where the last of it ends.
    pub(super) fn end(&self) -> Samples {
        let mut end = self.end;
        for run in &self.runs {
            end = self.begins(run).max(end) + run.length();
        }
        end
    }

    /// Where a run begins unless the one before it still plays.
    fn begins(&self, run: &Run) -> Samples {
        run.begins.unwrap_or(run.sent + run.shift.unwrap_or(self.shift))
    }

    /// Takes the samples from `position` on; silence where nothing played.
    pub(super) fn take(&mut self, position: Samples, into: &mut [u8]) {
        into.fill(SILENCE);
        let until = position + into.len() as Samples;
        while let Some(run) = self.runs.front() {
            let begins = self.begins(run).max(self.end);
            let next = begins + run.taken;
            if next >= until {
                return;
            }
            let Some(run) = self.runs.front_mut() else { return };
            run.begins = Some(begins);
            let first = usize::try_from(next - position).unwrap_or(0);
            // Audio that was due before the samples already taken is lost.
            let late = usize::try_from(position - next).unwrap_or(0).min(run.audio.len());
            run.audio.drain(..late);
            let count = run.audio.len().min(into.len() - first);
            into[first..first + count]
                .iter_mut()
                .zip(run.audio.drain(..count))
                .for_each(|(to, from)| *to = from);
            run.taken += (late + count) as Samples;
            if !run.audio.is_empty() {
                return;
            }
            (self.end, self.shift) = (begins + run.taken, begins - run.sent);
            self.shift = self.shift.clamp(0, SHIFT_MAX);
            self.runs.pop_front();
        }
    }
}
