//! How a caller leaves the agent for another party or the fallback while the call goes on.
//!
//! The call's task ends then. The row says that the caller is out, and for how long at most. Twilio
//! reports what came of it to any process, perhaps hours later and after a restart; that process
//! completes the row, or takes the call on from its events. So there is one way back for every
//! process, no task or slot waits for a conversation between others, and a shutdown need not wait
//! for one either.

use std::time::Duration;

use tokio::sync::oneshot;

use super::command::Parting;
use crate::agent::Agent;
use crate::agent::settings::Fallback;
use crate::call::{End, TransferTarget};
use crate::private::Private;

/// How long a caller and the party that they were put through to may talk: as long as Twilio lets
/// them.
pub const TALK_LIMIT: Duration = Duration::from_secs(14_400);
/// The longest message that a caller can leave.
pub const MESSAGE_LIMIT: Duration = Duration::from_secs(120);
/// How long the longest words before the tone take to be spoken, and then some.
const WORDS_LIMIT: Duration = Duration::from_secs(480);
/// How much later than at the latest a callback may come.
const SLACK: Duration = Duration::from_secs(60);

/// How long a stream may take to come after its webhook, or the question what happens next after
/// a stream has ended.
pub(super) const STREAM_LIMIT: Duration = Duration::from_secs(15);

/// What happens after a stream.
#[derive(Debug, Clone, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum AfterPlan {
    /// The caller goes back to the agent.
    Return,
    /// The caller is put through to this number.
    Transfer(Private<String>),
    /// The caller goes to the agent's fallback.
    Fallback,
    /// Nothing follows: Twilio hangs up.
    #[strum(serialize = "hang up")]
    HangUp,
}

impl AfterPlan {
    /// How logs and metrics name it.
    pub fn name(&self) -> &'static str {
        self.into()
    }
}

/// The core has left the media stream, and Twilio has not asked yet what happens next.
pub(super) struct Leaving {
    pub(super) to: Onward,
    /// The time limit for the question.
    pub(super) due: Duration,
}

/// Where a caller goes on to.
pub(super) enum Onward {
    /// The agent's fallback: a number, a voicemail or a message.
    Fallback,
    /// Another party, by a transfer.
    Party(TransferTarget),
}

/// How the task of a call ends.
pub(super) enum Exit {
    /// The call has ended, says the core.
    Ended(End),
    /// The call has ended after the stream, which the core does not know.
    EndedOutside(End),
    /// Another process has the call. The sender is told when the call has no task here any more.
    Elsewhere(oneshot::Sender<bool>),
    /// The caller is out. The webhook that asked what happens next is answered when the call has no
    /// task here any more, because Twilio may report at once what came of it.
    Out { limit: Duration, plan: AfterPlan, answer: oneshot::Sender<AfterPlan> },
}

/// How long a transferred caller may be out.
pub fn dial_limit(agent: &Agent) -> Duration {
    Duration::from_secs(agent.ring_seconds.into()) + TALK_LIMIT + SLACK
}

/// How long a caller may be out at the agent's fallback. `None`: the fallback only speaks, and
/// Twilio does not report its end.
pub fn fallback_limit(agent: &Agent) -> Option<Duration> {
    match agent.settings.fallback {
        Fallback::Say => None,
        Fallback::Voicemail => Some(WORDS_LIMIT + MESSAGE_LIMIT + SLACK),
        Fallback::Forward(_) => Some(dial_limit(agent)),
    }
}

/// How far a call is on its way to another process.
pub(super) enum Handing {
    /// It waits for a quiet moment.
    Waits {
        /// The latest time to let go, unless functions still run.
        due: Duration,
        /// Where the mover waits for the answer.
        answer: oneshot::Sender<Parting>,
    },
    /// It has let go of the line.
    Parted,
}
