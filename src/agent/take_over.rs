//! The setting `live.take_over`: who may act on a live call.

use super::fault::{Faults, Fields};

/// Who may end a live call or put its caller through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakeOver {
    /// Support and up.
    Support,
    /// Maintainers and up.
    Maintainer,
}

impl TakeOver {
    /// Reads it from an agent's settings.
    pub(super) fn read(root: &Fields<'_>, faults: &mut Faults) -> Self {
        let fields = root.section("live", &["take_over"], faults);
        let who = fields.accept("take_over", "support or maintainer", faults, |value| match value
            .as_str()?
        {
            "support" => Some(Self::Support),
            "maintainer" => Some(Self::Maintainer),
            _ => None,
        });
        who.unwrap_or(Self::Maintainer)
    }
}
