//! The caller's audio on its way to the service: bounded, and what is dropped is owed as silence, so
//! that the service's clock stays true.

use metrics::counter;

use super::{Realtime, State, wire};

/// How much of the caller's audio may wait to be sent, in base64 characters: two seconds.
pub(super) const BACKLOG_MAX: usize = 2 * 8000 / 3 * 4;
/// The most silence that is put in the place of dropped audio, in bytes of μ-law: ten seconds.
const SILENCE_MAX: usize = 10 * 8000;
/// So few messages are not counted. A message has 20 ms of audio.
const QUEUED_MIN: usize = 8;

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
            self.backlog += payload.len();
        }
        self.send_text(wire::append(payload));
    }

    /// Keeps two seconds of the caller's audio: beyond, the oldest is dropped and owed as silence.
    /// What waits for the connection is counted as it comes; what the socket has is looked through.
    fn limit_backlog(&mut self) {
        let dropped = match &mut self.state {
            State::Open(socket) if socket.queued() >= QUEUED_MIN => {
                let queue = socket.queue();
                let waiting: usize =
                    queue.iter().filter_map(|text| wire::append_payload_len(text)).sum();
                let oldest = || queue.iter().position(|text| wire::is_append(text));
                let oldest = (waiting > BACKLOG_MAX).then(oldest).flatten();
                oldest.and_then(|oldest| wire::append_payload_len(&queue.remove(oldest)?))
            }
            State::Dialling(_) if self.backlog > BACKLOG_MAX => {
                let oldest = self.waiting.iter().position(|text| wire::is_append(text));
                oldest.and_then(|oldest| wire::append_payload_len(&self.waiting.remove(oldest)?))
            }
            State::Open(_) | State::Dialling(_) | State::Lost => None,
        };
        if let Some(length) = dropped {
            let bytes = length / 4 * 3;
            self.backlog = self.backlog.saturating_sub(length);
            self.silence_owed = (self.silence_owed + bytes).min(SILENCE_MAX);
            counter!("frontdesk_caller_audio_dropped_bytes_total").increment(bytes as u64);
        }
    }
}
