//! How a reply ended, in the core's words.

use super::wire::{ServerError, StatusDetails, is_code};
use crate::call::ReplyOutcome;

impl ServerError {
    /// How a reply ends that it is the end of.
    pub(super) fn outcome(&self) -> ReplyOutcome {
        let why = self.class();
        if !self.is_fatal() && self.is_rate_limit() {
            ReplyOutcome::Busy { why }
        } else {
            ReplyOutcome::Failed { fatal: self.is_fatal(), why }
        }
    }
}

/// How a reply ended whose response has this status.
pub(super) fn outcome(status: &str, details: Option<StatusDetails>) -> ReplyOutcome {
    match status {
        "completed" => ReplyOutcome::Completed,
        "cancelled" => ReplyOutcome::Cancelled,
        "incomplete" => ReplyOutcome::Incomplete,
        _ => {
            let (reason, error) =
                details.map_or((None, None), |details| (details.reason, details.error));
            let reason = reason.filter(|reason| is_code(reason));
            let failed = || reason.unwrap_or_else(|| "failed".into());
            error.map_or_else(
                || ReplyOutcome::Failed { fatal: false, why: failed() },
                |error| error.outcome(),
            )
        }
    }
}
