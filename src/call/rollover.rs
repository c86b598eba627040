//! How far the change to the next session is.

use super::{CallTime, Said};

/// How the present session is to be replaced.
#[derive(Default)]
pub(super) struct Rollover {
    pub(super) stage: Stage,
    /// It has been quiet for a moment.
    pub(super) lull: bool,
    pub(super) successor: Option<Successor>,
    pub(super) failed: u8,
    pub(super) not_before: CallTime,
    pub(super) force_at: CallTime,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// There is time.
    #[default]
    Early,
    /// At the next quiet moment.
    Sought,
    /// As soon as it breaks nothing off.
    Forced,
}

/// The session that is to take the present one's place.
pub(super) struct Successor {
    /// What it was told.
    pub(super) history: Vec<Said>,
    /// Since when it can be spoken to, and how long it may last from then on.
    pub(super) ready: Option<(CallTime, Option<u64>)>,
}
