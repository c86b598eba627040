//! Since when the line has sound of which the engine hears nothing.

use super::CallTime;

/// What we hear of the caller ourselves, set beside what the engine reports.
#[derive(Default)]
pub(super) struct Deafness {
    pub(super) loud: bool,
    /// Sound of which the engine has reported nothing, in ms.
    pub(super) unheard_ms: u64,
    /// Since when that grows.
    pub(super) counting_since: Option<CallTime>,
    /// When it last grew.
    pub(super) counted_until: CallTime,
}

impl Deafness {
    /// Whether there is sound at the caller's end.
    pub(super) fn is_loud(&self) -> bool {
        self.loud
    }
}
