//! Calls: finding them, reading one, listening, taking them away, and deleting what is kept of a caller.

mod callers;
mod export;
mod list;
mod page;
mod recording;
mod voicemail;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::desk::Desk;

/// The caller of most calls here.
pub(crate) const CALLER: &str = "+447700900123";

/// Adds a call with these columns over the usual ones.
pub(crate) async fn add_call(desk: &Desk, agent: Uuid, columns: Value) -> Uuid {
    let mut row = json!({
        "call_start": "2026-11-27T12:38:00Z", "call_end": "2026-11-27T12:40:51Z",
        "caller_number": CALLER, "status": "completed", "transcript": null, "summary": null,
        "metadata": {"ended_by": "caller"}, "call_sid": format!("CA{}", Uuid::new_v4().simple()),
    });
    for (name, value) in columns.as_object().unwrap() {
        row[name] = value.clone();
    }
    sqlx::query_scalar(
        "insert into call_logs (voice_agent_id, call_start, call_end, duration, caller_number,
            status, transcript, summary, metadata, call_sid)
        select $1, (r ->> 'call_start')::timestamptz, (r ->> 'call_end')::timestamptz,
            (r ->> 'call_end')::timestamptz - (r ->> 'call_start')::timestamptz,
            r ->> 'caller_number', r ->> 'status', r ->> 'transcript',
            nullif(r -> 'summary', 'null'), r -> 'metadata', r ->> 'call_sid'
        from (select $2::jsonb) as given (r) returning id",
    )
    .bind(agent)
    .bind(row.to_string())
    .fetch_one(&desk.pool)
    .await
    .unwrap()
}
