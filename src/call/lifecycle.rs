//! Who has a call, and what comes next: across streams, parties, fallbacks, processes and restarts.
//!
//! A call's task decides what happens in a conversation. Everything between and behind the
//! conversations is decided here, from three things: where the call stands, what was written of it,
//! and what is asked. Whoever asks (a webhook, a callback, the reconciler, the status poller, the
//! task itself) carries the plan out and decides nothing.
//!
//! ```text
//!             claim                       party or fallback
//!   (webhook) ─────► here ──────────────────────────────► out
//!                     │ ▲                                  │ │
//!        process dies │ │ taken over, given back           │ │ answered, message left, overdue
//!                     ▼ │        nobody answered           │ ▼
//!                    left ◄────────────────────────────────┘ complete
//! ```

use uuid::Uuid;

use super::{CallRecord, End, EndedBy, Status};

/// How often a caller is given back to the agent: after a lost stream, or when nobody answered whom
/// they were put through to.
pub const RETURNS_MAX: i32 = 2;
/// How often Twilio is asked about a call that is in progress and that no process has, before it is
/// given up. The first time it is left alone: Twilio may be about to ask what happens next.
const ASKS_MAX: i32 = 3;
/// How often about one of which Twilio says nothing.
const UNKNOWN_ASKS_MAX: i32 = 2;

/// The caller had nobody, and nothing says that they left.
pub const LOST: End = End { status: Status::Failed, ended_by: EndedBy::Error };
/// The caller has heard that nobody can take the call.
pub const UNANSWERED: End = End { status: Status::NoAnswer, ended_by: EndedBy::Agent };

/// Why a caller goes to the fallback, as `metadata.fallback_reason` says it.
const STREAM_LOST: &str = "the media stream was lost too often";
const NOBODY_ANSWERED: &str = "nobody answered, and the caller cannot come back once more";

/// Where a call stands, as far as whoever is asked knows.
#[derive(Clone, Copy)]
pub enum Standing<'a> {
    /// Its task runs here.
    Here(&'a Task),
    /// Its row is live, and no task here has it.
    Live {
        /// What was written of it.
        record: &'a CallRecord,
        /// Whether the caller is with another party or at the fallback.
        is_out: bool,
    },
    /// Its row is complete. `guessed`: while its caller was out, so that more may be known now.
    Complete {
        /// Whether the row was completed by a guess, while its caller was out.
        guessed: bool,
    },
    /// It has no row, or ended here.
    Gone,
    /// The database says nothing. `returns`: what this process remembers of a caller whom it sent to
    /// a party itself.
    Unread {
        /// How often they were given back to the agent.
        returns: Option<i32>,
    },
}

/// What the task of a call says of it, when the stream has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Task {
    /// The caller is known to have left.
    pub has_left: bool,
    /// Where the task has sent the caller, if it has.
    pub onward: Option<Onward>,
    /// The goodbye is said or being said.
    pub is_ending: bool,
    /// The question is about an earlier stream, in whose place another one is.
    pub is_past_stream: bool,
    /// How often the caller was given back to the agent.
    pub returns: i32,
}

/// Where a caller goes on to from the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Onward {
    /// Another party, by a transfer.
    Party,
    /// The agent's fallback: a number, a voicemail or a message.
    Fallback,
}

/// What is asked about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Twilio's `/twilio/after`: a stream has ended. What now?
    StreamEnded {
        /// The whole call has.
        over: bool,
    },
    /// Twilio's `/twilio/dial`: a party was dialled. What now?
    Dialled {
        /// The party answered, and the conversation is over.
        answered: bool,
        /// The whole call is.
        over: bool,
    },
    /// Twilio's `/twilio/voicemail`: the caller has left a message.
    Recorded,
    /// The caller has heard that nobody can take the call, or has left no message.
    Unserved,
    /// Twilio's `/twilio/status`, or its answer about a caller who is out: the call is over.
    Over,
    /// Nobody has said anything of a caller who is out until they had to be back.
    Overdue,
    /// No process has the call. Twilio was asked about it, for the `asks`th time.
    Abandoned {
        /// What Twilio said of the call.
        news: News,
        /// How often Twilio was asked, this time included.
        asks: i32,
    },
}

/// What Twilio says of a call that no process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// There is no account to ask with.
    NoAccount,
    /// It is in progress.
    Live,
    /// The call is over.
    Over {
        /// It was answered at all.
        answered: bool,
        /// Its process gave a sign of life after that: the end was not the process's doing.
        outlived: bool,
    },
    /// Twilio gave no answer this time.
    Silent,
    /// It refuses to say.
    Refused,
}

/// What comes next for a call, to be carried out by whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Nothing is left to do; whoever is on the line is hung up on.
    HangUp,
    /// The caller goes back to the task that is here.
    Return,
    /// The caller goes back to the agent here: the row is claimed and the return counted. If it
    /// cannot be had, the caller goes to the fallback because of `otherwise`.
    TakeOver {
        /// Why the caller goes to the fallback where the call cannot be taken over.
        otherwise: &'static str,
    },
    /// The caller goes back to the agent here, from what this process remembers.
    Remember,
    /// The caller is put through to whom the record names.
    PutThrough,
    /// The caller goes to the fallback. `why` is to be written; none: it was already.
    Fallback {
        /// What is written to the row as the reason, if anything.
        why: Option<&'static str>,
    },
    /// The row is completed, and the caller hears this.
    Complete {
        /// How the call ended.
        end: End,
        /// Twilio knows it: it counts also after a guess.
        certain: bool,
        /// What a caller who asked is told.
        caller: Told,
    },
    /// Twilio is told to ask what happens next, so that a process takes the call over.
    GiveBack,
    /// It is asked about again later.
    Wait,
}

/// What a caller who asked is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Nothing, the line is closed.
    HangUp,
    /// That nobody can take the call.
    Apology,
}

/// Decides what comes next.
pub fn next(standing: Standing<'_>, question: Question) -> Plan {
    match question {
        Question::StreamEnded { over } => stream_ended(standing, over),
        Question::Dialled { answered: true, .. } => {
            complete(standing, transferred(), true, Told::HangUp)
        }
        Question::Dialled { over: true, .. } => over(standing),
        Question::Dialled { .. } => unanswered(standing),
        Question::Recorded => complete(standing, voicemail(), true, Told::HangUp),
        Question::Over => over(standing),
        Question::Unserved => nobody(standing, Told::HangUp),
        Question::Overdue => match standing {
            Standing::Live { record, .. } => {
                let end = record.end().unwrap_or_else(|| unheard_of(record));
                complete(standing, end, false, Told::HangUp)
            }
            _ => Plan::HangUp,
        },
        Question::Abandoned { news, asks } => abandoned(standing, news, asks),
    }
}

/// Who has a call, as its row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The process that has it; none: no process has.
    pub instance_id: Option<Uuid>,
    /// The epoch in which it has it. Whoever takes the call over begins a new one.
    pub epoch: i32,
    /// The row is complete: nobody has the call any more.
    pub ended: bool,
}

impl Owner {
    /// Whether this process, which had the call in `epoch`, has it still; `epoch` none: in whichever it is
    /// now. A call that no process has is still its own. `is_sure`: the process knows how the call ended;
    /// then a row that somebody else has completed is still its own, too.
    pub fn is_still(self, instance_id: Uuid, epoch: Option<i32>, is_sure: bool) -> bool {
        self.instance_id.is_none_or(|owner| owner == instance_id)
            && epoch.is_none_or(|epoch| epoch == self.epoch)
            && (is_sure || !self.ended)
    }

    /// Whether another process has the call now, or no process: then this one, which gave it up, can
    /// forget it.
    pub fn is_gone_from(self, instance_id: Uuid) -> bool {
        self.ended || self.instance_id != Some(instance_id)
    }

    /// Whether nobody has taken the call since it was `before`.
    pub fn is_as_before(self, before: Self) -> bool {
        continues(before.epoch, self.epoch)
    }
}

/// Whether a process that had a call in the epoch `held` goes on where it was when it has it in `epoch`:
/// nobody had it between.
pub fn continues(held: i32, epoch: i32) -> bool {
    held == epoch
}

/// Whether a caller who was given back so often may come back to the agent once more.
pub fn may_return(returns: i32) -> bool {
    returns < RETURNS_MAX
}

fn transferred() -> End {
    End { status: Status::Transferred, ended_by: EndedBy::Agent }
}

fn voicemail() -> End {
    End { status: Status::Voicemail, ended_by: EndedBy::Caller }
}

/// A completed row stays as it is, unless it was a guess and now is certain.
fn complete(standing: Standing<'_>, end: End, certain: bool, caller: Told) -> Plan {
    match standing {
        Standing::Complete { guessed, .. } if !(guessed && certain) => Plan::HangUp,
        _ => Plan::Complete { end, certain, caller },
    }
}

fn over(standing: Standing<'_>) -> Plan {
    let end = match standing {
        Standing::Live { record, .. } => record.end().unwrap_or_else(|| record.end_by_caller()),
        // A later reader of the row corrects this guess.
        Standing::Unread { .. } => End { status: Status::Completed, ended_by: EndedBy::Caller },
        Standing::Here(_) | Standing::Complete { .. } | Standing::Gone => return Plan::HangUp,
    };
    complete(standing, end, false, Told::HangUp)
}

fn nobody(standing: Standing<'_>, caller: Told) -> Plan {
    let end = match standing {
        Standing::Live { record, .. } => record.end().unwrap_or(UNANSWERED),
        Standing::Here(_)
        | Standing::Complete { .. }
        | Standing::Gone
        | Standing::Unread { .. } => UNANSWERED,
    };
    complete(standing, end, false, caller)
}

fn stream_ended(standing: Standing<'_>, is_over: bool) -> Plan {
    match standing {
        Standing::Here(_) if is_over => Plan::HangUp,
        Standing::Here(task) => task_stream_ended(*task),
        Standing::Complete { .. } | Standing::Gone => Plan::HangUp,
        // Nothing is known of the call, but somebody is on the line.
        Standing::Unread { .. } => Plan::Fallback { why: None },
        Standing::Live { .. } if is_over => over(standing),
        // Asked again, or the process that was to put the caller through is gone.
        Standing::Live { record, .. } if record.transfer().is_some() => Plan::PutThrough,
        Standing::Live { is_out: true, .. } => Plan::Fallback { why: None },
        Standing::Live { record, .. } if record.is_at_fallback() => {
            Plan::Fallback { why: Some(STREAM_LOST) }
        }
        // They have heard the goodbye, and who said it is still writing so.
        Standing::Live { record, .. } if record.end().is_some() => over(standing),
        Standing::Live { .. } => Plan::TakeOver { otherwise: STREAM_LOST },
    }
}

fn task_stream_ended(task: Task) -> Plan {
    match task.onward {
        _ if task.is_past_stream => Plan::Return,
        _ if task.has_left => Plan::HangUp,
        Some(Onward::Party) => Plan::PutThrough,
        Some(Onward::Fallback) => Plan::Fallback { why: None },
        None if task.is_ending => Plan::HangUp,
        None if may_return(task.returns) => Plan::Return,
        None => Plan::Fallback { why: Some(STREAM_LOST) },
    }
}

/// A party was dialled and did not answer.
fn unanswered(standing: Standing<'_>) -> Plan {
    match standing {
        // Asked again: the caller is back already.
        Standing::Here(_) => Plan::Return,
        Standing::Complete { .. } => Plan::HangUp,
        Standing::Live { record, .. } if record.transfer().is_some() => {
            Plan::TakeOver { otherwise: NOBODY_ANSWERED }
        }
        Standing::Unread { returns: Some(returns) } if may_return(returns) => Plan::Remember,
        // The fallback forwards; or nothing is known but that somebody is on the line.
        Standing::Live { .. } | Standing::Gone | Standing::Unread { .. } => {
            nobody(standing, Told::Apology)
        }
    }
}

/// How a call ended whose caller was out and of which nothing more was heard. Nothing says that
/// anybody answered or that a message was left: at the fallback the caller had nobody, as far as is
/// known. One who was put through had the agent, so for them it is only not known.
fn unheard_of(record: &CallRecord) -> End {
    if record.transfer().is_some() { LOST } else { UNANSWERED }
}

fn abandoned(standing: Standing<'_>, news: News, asks: i32) -> Plan {
    let Standing::Live { record, .. } = standing else { return Plan::HangUp };
    let ended = |end: End| {
        let end = record.end().unwrap_or(end);
        Plan::Complete { end, certain: false, caller: Told::HangUp }
    };
    match news {
        News::Over { answered: false, .. } => {
            ended(End { status: Status::NoAnswer, ended_by: EndedBy::Caller })
        }
        News::Over { outlived: true, .. } => ended(record.end_by_caller()),
        News::Live if asks == 1 => Plan::Wait,
        News::Live if asks <= ASKS_MAX => Plan::GiveBack,
        News::Silent if asks < UNKNOWN_ASKS_MAX => Plan::Wait,
        News::Over { .. } | News::Live | News::Silent | News::Refused | News::NoAccount => {
            ended(LOST)
        }
    }
}

#[cfg(test)]
#[path = "lifecycle_tests.rs"]
mod tests;
