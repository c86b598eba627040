//! The two links of a call: the media stream to the caller, and the engine.

use super::deafness::Deafness;
use super::rollover::Rollover;
use super::{CallTime, Role};

/// The way to the caller.
#[derive(Default)]
pub(super) struct StreamLink {
    pub(super) line: Line,
    pub(super) opened_at: Option<CallTime>,
    /// Whether the engine hears what comes over it.
    pub(super) deafness: Deafness,
    /// Whoever did not answer when the caller was put through, until the caller is told.
    pub(super) unanswered: Option<String>,
}

/// The way to the speech service.
#[derive(Default)]
pub(super) struct EngineLink {
    pub(super) engine: Engine,
    /// When an engine that was ready was last lost.
    pub(super) engine_lost_at: Option<CallTime>,
    pub(super) rollover: Rollover,
    /// Messages that it could not be given yet.
    pub(super) messages: Vec<(Role, String)>,
}

/// The media stream.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Line {
    /// It has not opened yet.
    #[default]
    Waiting,
    Open,
    /// It was open and may come back.
    Lost,
}

/// The speech service.
pub(super) enum Engine {
    /// It was dialled, for the n-th time since there was one.
    Dialled(u8),
    /// It could not be reached, for the n-th time, and will be dialled again.
    Paused(u8),
    Ready,
    /// It will not come back, because of this.
    Gone(String),
}

impl Default for Engine {
    fn default() -> Self {
        Self::Dialled(1)
    }
}

impl Engine {
    /// Whether it can be spoken to.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self, Self::Ready)
    }
}
