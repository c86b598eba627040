//! What follows from what a reply is for.

use super::{GoodbyeReason, Purpose};

/// Of two replies that are wanted, the one of the higher rank is asked for.
pub(super) fn rank(purpose: &Purpose) -> u8 {
    match purpose {
        Purpose::Filler => 0,
        Purpose::Reprompt(_) => 1,
        Purpose::LimitWarning => 2,
        Purpose::WelcomeBack | Purpose::HandoverFailed(_) => 3,
        Purpose::Greeting => 4,
        Purpose::Answer => 5,
        Purpose::Handover(..) => 6,
        Purpose::Goodbye(GoodbyeReason::Done | GoodbyeReason::Idle, _) => 7,
        Purpose::Goodbye(GoodbyeReason::Limit | GoodbyeReason::Ended, _) => 8,
    }
}

/// Whether it is said even if the caller is speaking, and cannot be cut off.
pub(super) fn is_final(purpose: &Purpose) -> bool {
    matches!(purpose, Purpose::Goodbye(reason, _) if !reason.may_be_withdrawn())
}

/// Whether nothing comes after it but the end of the call for the agent.
pub(super) fn is_last_words(purpose: &Purpose) -> bool {
    matches!(purpose, Purpose::Goodbye(..) | Purpose::Handover(..))
}

/// Whether the caller waits for the rest of it when it breaks off: else nobody says anything until they do.
pub(super) fn is_waited_for(purpose: &Purpose) -> bool {
    match purpose {
        Purpose::Answer | Purpose::Greeting | Purpose::WelcomeBack | Purpose::HandoverFailed(_) => {
            true
        }
        // A prompt has its next, and what comes last goes on without the engine.
        Purpose::Filler
        | Purpose::Reprompt(_)
        | Purpose::LimitWarning
        | Purpose::Handover(..)
        | Purpose::Goodbye(..) => false,
    }
}
