//! How a call ends: what is said last, and what follows it.

use super::{CallTime, End, EndedBy, GoodbyeReason, ReplyId, Status, TransferTarget};

/// How the call ends, and what is said before.
#[derive(Default)]
pub(super) struct Goodbye {
    /// The call became as long as it may be while its line was lost: the agent says goodbye when it
    /// is back.
    pub(super) due: bool,
    /// The call is nearly over, and the caller has not been told.
    pub(super) warning_due: bool,
    pub(super) farewell: Option<Farewell>,
    /// The call has ended this way, but for the last words.
    pub(super) ending: Option<Ending>,
    pub(super) over: bool,
}

/// The agent is saying its last words, or is about to: what comes then comes when they were heard.
pub(super) struct Farewell {
    pub(super) then: Ending,
    /// The reply that is the last words, once it was asked for.
    pub(super) reply: Option<ReplyId>,
    /// Whether the caller may keep the agent from leaving by speaking.
    pub(super) withdrawable: bool,
    /// The agent leaves at this time, heard or not.
    pub(super) latest: CallTime,
}

/// How the call ends for the agent, as soon as the event that ended it has been seen to.
#[derive(Clone)]
pub(super) enum Ending {
    /// It is hung up.
    HangUp(End),
    /// The caller goes on to the agent's fallback, because of this.
    Fallback(String),
    /// The caller goes on to another party.
    Transfer(TransferTarget),
}

impl Ending {
    /// Whether the caller goes on to another party.
    pub(super) fn is_transfer(&self) -> bool {
        matches!(self, Self::Transfer(_))
    }
}

impl GoodbyeReason {
    /// How the call ends after a goodbye for this reason. (A server going down has its own.)
    pub(super) fn end(self) -> End {
        let ended_by = match self {
            Self::Done | Self::Idle => EndedBy::Agent,
            Self::Limit => EndedBy::Limit,
            Self::Ended => EndedBy::Owner,
        };
        End { status: Status::Completed, ended_by }
    }

    /// Whether a caller who speaks can keep the agent from hanging up.
    pub(super) fn may_be_withdrawn(self) -> bool {
        matches!(self, Self::Done | Self::Idle)
    }
}
