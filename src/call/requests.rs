//! What the engine is asked for: one reply at a time, and what comes next.

use super::{CallTime, Purpose, ReplyId};

/// What the engine is asked for. It works on one reply at a time.
#[derive(Default)]
pub(super) struct Requests {
    /// The number of the last reply.
    pub(super) replies: u32,
    /// What the engine is working on.
    pub(super) response: Option<Response>,
    /// What it will be asked for next.
    pub(super) wanted: Option<Wanted>,
    /// How long the caller has waited for replies of which nothing was heard, since the last that
    /// was.
    pub(super) waited_ms: u64,
    /// Replies in a row that failed.
    pub(super) failed: u8,
}

/// The reply that the engine is working on.
#[derive(Clone)]
pub(super) struct Response {
    pub(super) reply: ReplyId,
    pub(super) purpose: Purpose,
    pub(super) attempt: u8,
    /// When the caller began to wait for it.
    pub(super) awaited_since: CallTime,
    /// It was told to stop, and has not yet said that it did.
    pub(super) cancelling: bool,
    /// It was told to stop because nothing came of it.
    pub(super) overdue: bool,
}

/// A reply that is to be asked for as soon as it can be.
pub(super) struct Wanted {
    pub(super) purpose: Purpose,
    pub(super) attempt: u8,
    /// It answers the caller's words, which came while an agent that may not be interrupted spoke:
    /// it is asked for when that was heard.
    pub(super) after_playout: bool,
}

impl Wanted {
    /// The first attempt at a reply that need not wait for the one before to be heard.
    pub(super) fn now(purpose: Purpose) -> Self {
        Self { purpose, attempt: 1, after_playout: false }
    }

    /// The first attempt at an answer to what the caller said or pressed.
    pub(super) fn answer_to_caller() -> Self {
        Self { purpose: Purpose::Answer, attempt: 1, after_playout: true }
    }

    pub(super) fn again(purpose: Purpose, attempt: u8) -> Self {
        Self { purpose, attempt, after_playout: false }
    }
}
