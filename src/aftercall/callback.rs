//! Completes a live call that no task of this process has, because a callback says that it is over.

use super::reconciler::fold;
use crate::call::{CallRecord, End, EndedBy, Status};
use crate::store::{Abandoned, Completes, Result, Store};

/// Completes the row of `call_sid` if it is live: as `end` says, or as what was written of it
/// says, or, with neither, as a call that the caller ended. Gives whether a row was completed.
///
/// # Errors
/// [`StoreError`](crate::store::StoreError).
pub async fn complete_live(store: &Store, call_sid: &str, end: Option<End>) -> Result<bool> {
    let Some(row) = store.call_by_sid(call_sid).await?.filter(|row| !row.ended) else {
        return Ok(false);
    };
    let call = Abandoned {
        id: row.id,
        call_sid: call_sid.to_owned(),
        instance_id: row.instance_id,
        started_us: row.started_us,
    };
    let events = store.events(call.id).await?;
    let completed = fold(&call, &events, |record| end.unwrap_or_else(|| caller_left(record)));
    store.complete(&completed, Completes::IfLive).await
}

/// The caller hung up: after hearing something, or before.
fn caller_left(record: &CallRecord) -> End {
    let status = if record.heard_anything() { Status::Completed } else { Status::NoAnswer };
    record.end().unwrap_or(End { status, ended_by: EndedBy::Caller })
}
