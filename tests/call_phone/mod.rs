//! Twilio's buffer in simulated time: plays what it is sent, returns marks when they were played or
//! thrown away.

use std::collections::VecDeque;

use frontdesk::call::{CallTime, Mark};

/// The buffer.
#[derive(Default)]
pub(crate) struct Phone {
    queue: VecDeque<Piece>,
    /// When everything in the queue has been played.
    free_at_ms: u64,
    /// Marks that were thrown away with the audio before them.
    flushed: VecDeque<(u64, Mark)>,
}

enum Piece {
    Audio,
    Mark(u64, Mark),
}

impl Phone {
    /// Takes in audio of that length.
    pub(crate) fn audio(&mut self, now: CallTime, ms: u64) {
        self.free_at_ms = self.free_at_ms.max(now.ms()) + ms;
        self.queue.push_back(Piece::Audio);
    }

    /// Takes in a mark.
    pub(crate) fn mark(&mut self, now: CallTime, mark: Mark) {
        self.queue.push_back(Piece::Mark(self.free_at_ms.max(now.ms()), mark));
    }

    /// Empties the buffer; all marks in it come back at once.
    pub(crate) fn clear(&mut self, now: CallTime) {
        for piece in self.queue.drain(..) {
            if let Piece::Mark(_, mark) = piece {
                self.flushed.push_back((now.ms(), mark));
            }
        }
        self.free_at_ms = now.ms();
    }

    /// The stream is gone with everything in it.
    pub(crate) fn lose(&mut self) {
        *self = Self::default();
    }

    /// When the next mark comes back.
    pub(crate) fn next(&mut self) -> Option<CallTime> {
        while let Some(Piece::Audio) = self.queue.front() {
            self.queue.pop_front();
        }
        let played = self.queue.front().and_then(|piece| match piece {
            Piece::Mark(at_ms, _) => Some(*at_ms),
            Piece::Audio => None,
        });
        let flushed = self.flushed.front().map(|(at_ms, _)| *at_ms);
        flushed.into_iter().chain(played).min().map(CallTime::from_ms)
    }

    /// Takes the next mark that comes back.
    pub(crate) fn take(&mut self) -> Option<Mark> {
        if let Some((_, mark)) = self.flushed.pop_front() {
            return Some(mark);
        }
        self.next()?;
        match self.queue.pop_front() {
            Some(Piece::Mark(_, mark)) => Some(mark),
            _ => None,
        }
    }
}
