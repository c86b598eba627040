//! What the caller does, and what goes wrong on purpose.

use std::time::Duration;

use super::sample::Sample;

/// One thing that the caller does on a media stream or into a recording, one after the other; while
/// TwiML speaks or another party is called they wait. When the last step is done the caller stays
/// on the line, silent, until the server ends the call.
#[derive(Debug, Clone)]
pub enum Step {
    /// Says this, frame by frame in real time.
    Say(Sample),
    /// Waits until the agent has spoken and then been silent for `quiet`; after `limit` that is
    /// an error of the call, and the caller goes on.
    WaitForAgent {
        /// How long the agent has to be silent to have finished.
        quiet: Duration,
        /// How long the caller has patience.
        limit: Duration,
    },
    /// Waits until the agent has been heard for this long without a pause, to speak into it;
    /// limited like [`Step::WaitForAgent`].
    Interrupt {
        /// How much of the agent the caller hears first.
        after: Duration,
        /// How long the caller has patience.
        limit: Duration,
    },
    /// Stays silent for so long.
    Wait(Duration),
    /// Presses keys, one every 200 ms.
    Press(String),
    /// Sends a text message that Twilio would never send, as it is.
    SendText(String),
    /// Sends a binary message, which the protocol does not have.
    SendBinary(Vec<u8>),
    /// Hangs up: `stop`, the socket closes, the `action` is told.
    HangUp,
    /// The socket is gone without a `stop` or a close.
    DropSocket(AfterDrop),
    /// The network loses so much of the caller: no frames come, and time goes on.
    Lose(Duration),
    /// From now on nothing more is read of this stream; the caller's audio goes on.
    StopReading,
    /// From now on nothing more is read or sent, and the socket stays open: a peer that is gone
    /// without anybody being told.
    Freeze,
    /// The voice webhook is posted once more in mid-call.
    RingAgain(AfterRing),
}

impl Step {
    /// Waits for the agent's answer as a patient person does: 0.7 s of silence, 20 s of patience.
    pub const fn wait_for_agent() -> Self {
        Self::WaitForAgent { quiet: Duration::from_millis(700), limit: Duration::from_secs(20) }
    }

    /// Hears the agent for `after`, then goes on to the next step; 20 s of patience.
    pub const fn interrupt(after: Duration) -> Self {
        Self::Interrupt { after, limit: Duration::from_secs(20) }
    }
}

/// What Twilio does when its media socket broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterDrop {
    /// The caller is still there: it asks the `action` how to go on.
    AskAction,
    /// Nothing at all, ever: the server has to notice by itself.
    Nothing,
}

/// What Twilio does with the answer to a webhook that it has posted once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterRing {
    /// Nothing: the stream that there is goes on.
    Stay,
    /// What it says: a second stream, while the first one is still open.
    Follow,
}

/// What is wrong with the call's first webhook.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WebhookFault {
    /// The webhook is as Twilio would send it.
    #[default]
    None,
    /// It is posted twice, one after the other; the second answer counts.
    Repeated,
    /// It carries no signature.
    Unsigned,
    /// It carries another key's signature.
    WrongSignature,
}

/// What is wrong with the media stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StreamFault {
    /// The stream is as Twilio would hold it.
    #[default]
    None,
    /// `connected` comes, `start` never, and no audio.
    NoStart,
    /// Audio comes before `start`.
    MediaBeforeStart,
    /// `start` comes, and never any audio.
    NoMedia,
    /// When the server breaks it Twilio does not ask what happens next, and keeps the call until it
    /// is told something.
    Unasked,
    /// A silent caller sends no frames at all, as when a carrier suppresses silence.
    NoSilentFrames,
    /// Each two frames change places.
    OutOfOrder,
}
