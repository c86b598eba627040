//! The watchdog of the media stream: when it looks next, and what there was when it looked last.
//! [`keepalive`](super::keepalive) acts on it.

use std::time::Duration;

/// How long nothing at all comes from the phone before it is asked for a sign of life; and as long
/// again, and it is gone. Twilio sends 50 frames a second, but some carriers none in silence.
pub(super) const SILENT_PEER: Duration = Duration::from_secs(15);

/// When is looked next, and what there was when it was looked last.
#[derive(Default)]
pub(super) struct Watch {
    pub(super) peer_due: Option<Duration>,
    pub(super) received: u64,
    pub(super) is_asked: bool,
    pub(super) caller_due: Option<Duration>,
    pub(super) frames: u64,
    pub(super) filled: Duration,
}

impl Watch {
    /// When is looked next.
    pub(super) fn due(&self) -> Option<Duration> {
        self.peer_due.into_iter().chain(self.caller_due).min()
    }

    /// A stream has started.
    pub(super) fn begin(&mut self, now: Duration) {
        *self = Self { peer_due: Some(now + SILENT_PEER), ..Self::default() };
    }

    /// There is no stream any more.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }
}
