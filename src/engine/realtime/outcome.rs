//! How a reply ended, in the core's words.

use serde_json::Value;

use super::wire::{ServerError, is_code, text};
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
pub(super) fn outcome(status: &str, details: &Value) -> ReplyOutcome {
    let reason = || text(&details["reason"]).filter(|reason| is_code(reason));
    match status {
        "completed" => ReplyOutcome::Completed,
        "cancelled" => ReplyOutcome::Cancelled,
        "incomplete" => {
            ReplyOutcome::Incomplete { why: reason().unwrap_or_else(|| "incomplete".into()) }
        }
        _ if details["error"].is_object() => ServerError::from(&details["error"]).outcome(),
        _ => {
            ReplyOutcome::Failed { fatal: false, why: reason().unwrap_or_else(|| "failed".into()) }
        }
    }
}
