//! The caller's audio on its way to the service: bounded, and what is dropped is owed as silence, so
//! that the service's clock stays true.

use std::collections::VecDeque;
use std::ops::Deref;

use metrics::counter;

use super::{Realtime, State, wire};

/// How much of the caller's audio may wait to be sent, in base64 characters: two seconds.
pub(super) const BACKLOG_MAX: usize = 2 * 8000 / 3 * 4;
/// The most silence that is put in the place of dropped audio, in bytes of μ-law: ten seconds.
const SILENCE_MAX: usize = 10 * 8000;
/// So few messages are not counted. A message has 20 ms of audio.
const QUEUED_MIN: usize = 8;
/// A message counts as so many characters at least, what 20 ms have: so there are never more than a
/// hundred.
const MESSAGE_MIN: usize = 216;

impl Realtime {
    /// Forwards a piece of the caller's audio.
    pub(super) fn hear_audio(&mut self, payload: &str) {
        if matches!(self.state, State::Lost) {
            return;
        }
        self.limit_backlog();
        if self.silence_owed > 0 && matches!(&self.state, State::Open(s) if s.queued() == 0) {
            // 0xFF is silence, and its base64 is all slashes.
            let silence = "/".repeat(self.silence_owed / 3 * 4);
            self.silence_owed = 0;
            self.send_text(wire::append(&silence));
        }
        if matches!(self.state, State::Dialling(_)) {
            self.backlog += payload.len().max(MESSAGE_MIN);
        }
        self.send_text(wire::append(payload));
    }

    /// Keeps two seconds of the caller's audio: beyond, the oldest is dropped and owed as silence.
    /// What waits for the connection is counted as it comes; what the socket has is looked through.
    fn limit_backlog(&mut self) {
        let dropped = match &mut self.state {
            State::Open(socket) if socket.queued() >= QUEUED_MIN => {
                let queue = socket.queue();
                let lengths = queue.iter().filter_map(|text| wire::append_payload_len(text));
                let mut waiting = lengths.map(|length| length.max(MESSAGE_MIN)).sum();
                drop_oldest(queue, &mut waiting)
            }
            State::Dialling(_) => drop_oldest(&mut self.waiting, &mut self.backlog),
            State::Open(_) | State::Lost => 0,
        };
        if dropped > 0 {
            self.silence_owed = (self.silence_owed + dropped).min(SILENCE_MAX);
            counter!("frontdesk_caller_audio_dropped_bytes_total").increment(dropped as u64);
        }
    }
}

/// Drops the oldest audio of what waits until it is within its bound; gives its bytes.
fn drop_oldest<T: Deref<Target = str>>(queue: &mut VecDeque<T>, waiting: &mut usize) -> usize {
    let mut dropped = 0;
    while *waiting > BACKLOG_MAX {
        let oldest = queue.iter().position(|text| wire::is_append(text));
        let Some(oldest) = oldest.and_then(|oldest| queue.remove(oldest)) else { break };
        let length = wire::append_payload_len(&oldest).unwrap_or_default();
        *waiting = waiting.saturating_sub(length.max(MESSAGE_MIN));
        dropped += length / 4 * 3;
    }
    dropped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_stays_within_its_bound_whatever_a_message_has() {
        for (length, kept) in [(0, 98), (4, 98), (216, 98), (2_000, 10), (64_000, 0)] {
            let (mut queue, mut waiting) = (VecDeque::from(["other".to_owned()]), 0);
            for _ in 0..200 {
                queue.push_back(wire::append(&"A".repeat(length)));
                waiting += length.max(MESSAGE_MIN);
            }
            let dropped = drop_oldest(&mut queue, &mut waiting);
            assert_eq!((queue.len(), queue[0].as_str()), (1 + kept, "other"), "{length}");
            assert_eq!(dropped, (200 - kept) * (length / 4 * 3));
            assert!(waiting <= BACKLOG_MAX && waiting == kept * length.max(MESSAGE_MIN));
        }
    }
}
