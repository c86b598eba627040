//! What a call's task is told from outside.

use tokio::sync::oneshot;

use super::exit::AfterPlan;
use crate::call::{LogEvent, TransferTarget};
use crate::private::Private;
use crate::socket::ServerSocket;
use crate::store::LogPosition;
use crate::twilio::media::Start;

/// What a call's task is told from outside.
#[derive(Debug)]
pub enum Command {
    /// The media stream has come.
    Stream(Box<ServerSocket>),
    /// The media stream of a test has come, and its first messages were read.
    Started(Box<ServerSocket>, Start),
    /// Twilio asks what happens next, because the stream has ended.
    After {
        /// The stream that has ended, if Twilio says which.
        stream_sid: Option<String>,
        /// Where the answer goes.
        answer: oneshot::Sender<AfterPlan>,
    },
    /// Another process has the call: the task ends, and the call goes on. The answer says whether
    /// it does, once the call's slot is free.
    LetGo {
        /// Only if the task waits to be asked where the caller goes on to.
        if_leaving: bool,
        /// Where the answer goes.
        answer: oneshot::Sender<bool>,
    },
    /// The caller is gone, says Twilio.
    CallerLeft,
    /// Whoever makes a test typed this, and it counts as said.
    CallerTypes(Private<String>),
    /// The owner ends the call.
    OwnerEnds {
        /// What the agent says last; none: a goodbye.
        words: Option<String>,
    },
    /// The owner has the caller put through.
    OwnerTransfers {
        /// To whom.
        target: TransferTarget,
    },
    /// The server goes down.
    Drain,
    /// The server goes down, and the call is to go on at another one: its task lets go of the line
    /// in a quiet moment. Not answered: the call ends here.
    Part {
        /// Where the answer goes.
        answer: oneshot::Sender<Parting>,
    },
    /// The call could not be moved: it has its line again.
    Rejoin,
    /// This happened; it is to be written down.
    Note(LogEvent),
}

/// How a call's task has let go of its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parting {
    /// The caller is still on the line, and hears nothing.
    Here {
        /// What its next event will be written with.
        position: LogPosition,
    },
    /// There is no line here: Twilio is about to ask what happens next.
    Away,
}

/// How far a call is on its way to another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parted {
    /// It has its line.
    No,
    /// It has let go of it.
    Here,
    /// And Twilio has been told, or is being told.
    Told,
}
