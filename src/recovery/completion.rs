//! Completes a live call that no task of this process has, because a callback says what came of it.

use metrics::counter;
use uuid::Uuid;

use super::reconciler::{fold, record_of};
use crate::call::LogEvent;
use crate::call::lifecycle::{self, Plan, Question, Standing};
use crate::private::Private;
use crate::store::{Abandoned, CallRow, Completes, EventRow, Result, Store};

/// How often a call is read that is taken over each time before it can be completed.
const READS_MAX: usize = 3;
/// How many events of one kind callbacks may write into a call, beyond which theirs are dropped: a call
/// ends, is put through and loses streams a few times, and callbacks come as often as their sender
/// likes.
const OF_A_KIND_MAX: usize = 32;

/// What came of a call that no task has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CameTo {
    /// It is over, and that is all that is known.
    Over,
    /// The caller had nobody: a fallback's message was said, a forward was not answered, or nothing
    /// was recorded.
    Nobody,
    /// The party that was dialled answered, and the conversation with it is over.
    Answered,
    /// The caller left a message.
    Voicemail {
        /// Where the recording is.
        recording_url: Private<String>,
        /// How long it is.
        seconds: u64,
        /// Whether the agent's own account signed for it.
        own_account: bool,
    },
}

impl CameTo {
    /// As the lifecycle is asked about it.
    fn question(&self) -> Question {
        match self {
            Self::Over => Question::Over,
            Self::Nobody => Question::Unserved,
            Self::Answered => Question::Dialled { answered: true, over: false },
            Self::Voicemail { .. } => Question::Recorded,
        }
    }

    /// What is to be written down of it.
    fn note(&self) -> Option<LogEvent> {
        match self {
            Self::Over | Self::Nobody => None,
            Self::Answered => Some(LogEvent::TransferEnded { answered: true }),
            Self::Voicemail { recording_url, seconds, own_account } => {
                Some(LogEvent::VoicemailLeft {
                    recording_url: recording_url.reveal().clone(),
                    seconds: *seconds,
                    own_account: *own_account,
                })
            }
        }
    }
}

/// Completes the row of the agent's call `call_sid` if it is live, or was completed by a guess while its
/// caller was out and more is known now. `at_us`: when that became known, microseconds since the Unix
/// epoch. Gives whether a row was completed.
pub async fn complete_live(
    store: &Store,
    agent_id: Uuid,
    call_sid: &str,
    came_to: &CameTo,
    at_us: i64,
) -> Result<bool> {
    for _ in 0..READS_MAX {
        let Some(row) = store.call_by_sid(agent_id, call_sid).await? else { return Ok(false) };
        if let Some(is_completed) = complete_row(store, &row, call_sid, came_to, at_us).await? {
            return Ok(is_completed);
        }
        // It was taken over since it was read: what follows is asked of the call as it is now.
    }
    Ok(false)
}

/// The same, of the row as it was read. None: it is of another epoch by now.
async fn complete_row(
    store: &Store,
    row: &CallRow,
    call_sid: &str,
    came_to: &CameTo,
    at_us: i64,
) -> Result<Option<bool>> {
    let question = came_to.question();
    let complete = Standing::Complete { guessed: row.is_out };
    if row.ended && lifecycle::next(complete, question) == Plan::HangUp {
        return Ok(Some(false));
    }
    let mut events = store.events(row.id).await?;
    let record = record_of(&events);
    let live = Standing::Live { record: &record, is_out: row.is_out };
    let standing = if row.ended { complete } else { live };
    let Plan::Complete { end, certain, .. } = lifecycle::next(standing, question) else {
        return Ok(Some(false));
    };
    if record.end() != Some(end) {
        let happened = came_to.note().into_iter().chain([LogEvent::Ended(end)]);
        events.extend(write_behind(store, row, &events, happened, at_us).await?);
    }
    let call = Abandoned {
        id: row.id,
        call_sid: call_sid.to_owned(),
        agent_id: row.agent_id,
        instance_id: row.instance_id,
        epoch: row.epoch,
        started_us: row.started_us,
    };
    let completes = if certain { Completes::AfterOuting } else { Completes::IfLive };
    if store.complete(&fold(&call, &events, |_| end), completes).await? {
        return Ok(Some(true));
    }
    let now = store.call_by_sid(row.agent_id, call_sid).await?;
    Ok(now.is_none_or(|now| now.owner().is_as_before(row.owner())).then_some(false))
}

/// Writes down what happened in a call that no task of this process has, as far as there is room for
/// it. A call that was taken over since it was read is left alone.
pub async fn write(store: &Store, row: &CallRow, happened: &[LogEvent], at_us: i64) -> Result<()> {
    let before = store.events(row.id).await?;
    write_behind(store, row, &before, happened.iter().cloned(), at_us).await.map(drop)
}

/// Gives what was written; what there is no room for is dropped and counted.
async fn write_behind(
    store: &Store,
    row: &CallRow,
    before: &[EventRow],
    happened: impl IntoIterator<Item = LogEvent>,
    at_us: i64,
) -> Result<Vec<EventRow>> {
    let since_start_ms = at_us.saturating_sub(row.started_us) / 1000;
    let at_ms = before.last().map_or(0, |last| last.at_ms).max(since_start_ms);
    let mut rows = Vec::new();
    for event in happened {
        let kind = EventRow::new(row.id, row.epoch, 0, at_ms, &event).kind;
        if before.iter().filter(|event| event.kind == kind).count() >= OF_A_KIND_MAX {
            counter!("frontdesk_callbacks_dropped_total", "reason" => "call full").increment(1);
            continue;
        }
        rows.extend(store.append_note(row.id, row.epoch, at_ms, &event).await?);
    }
    Ok(rows)
}
