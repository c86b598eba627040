//! A week of calls for the sample business, so that a newcomer finds a console with something on it.

use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnection, PgPool};
use uuid::Uuid;

use crate::call::question_key;

/// The week, one object a call.
const WEEK: &str = include_str!("sample_week.json");

/// A call of the week.
#[derive(Deserialize)]
struct SampleCall {
    /// So many days ago in the business's zone; today it was so many minutes ago.
    days: i32,
    #[serde(default)]
    minutes_ago: i32,
    #[serde(default)]
    hour: i32,
    number: String,
    status: String,
    by: String,
    seconds: i32,
    summary: Value,
    turns: Vec<Value>,
    #[serde(default)]
    gaps: Vec<String>,
    #[serde(default)]
    messages: Vec<Value>,
    /// Kind, words, urgency.
    #[serde(default)]
    tasks: Vec<(String, String, i32)>,
    booking: Option<SampleBooking>,
}

/// An appointment that a call made.
#[derive(Deserialize)]
struct SampleBooking {
    days_from_now: i32,
    time: String,
    name: String,
    service: String,
}

/// `[mm:ss] Caller: …` and so on, as calls have it.
fn transcript(call: &SampleCall) -> String {
    let mut lines =
        vec!["[00:00] Agent: Thanks for calling Bright Smiles Dental, how can I help?".to_owned()];
    for turn in &call.turns {
        let ms = turn["started_ms"].as_u64().unwrap_or_default();
        let at = |ms: u64| format!("[{:02}:{:02}]", ms / 60_000, ms / 1000 % 60);
        let line = |who: &str, words: &Value, ms: u64| {
            words
                .as_str()
                .filter(|words| !words.is_empty())
                .map(|words| format!("{} {who}: {words}", at(ms)))
        };
        lines.extend(line("Caller", &turn["caller"], ms));
        lines.extend(line("Agent", &turn["heard"], ms + 3_000));
    }
    if call.turns.is_empty() { String::new() } else { lines.join("\n") }
}

/// Adds the week to an agent, in one transaction.
///
/// # Errors
/// If the database refuses it.
pub async fn add_week(pool: &PgPool, agent: Uuid) -> Result<(), sqlx::Error> {
    let calls: Vec<SampleCall> = serde_json::from_str(WEEK).expect("the week is tested");
    let mut transaction = pool.begin().await?;
    for (n, call) in (0_u64..).zip(&calls) {
        let sid = format!("CA{:032x}", 0x5a3b_0000 + n);
        let id = add_call(&mut transaction, agent, &sid, call).await?;
        add_tasks(&mut transaction, id, call).await?;
        if let Some(booking) = &call.booking {
            add_booking(&mut transaction, agent, id, &call.number, booking).await?;
        }
    }
    transaction.commit().await
}

async fn add_call(
    connection: &mut PgConnection,
    agent: Uuid,
    sid: &str,
    call: &SampleCall,
) -> Result<Uuid, sqlx::Error> {
    let used = call.turns.iter().flat_map(|turn| {
        let names = turn["functions"].as_array().into_iter().flatten();
        names.map(|name| json!({"turn": turn["n"], "name": name, "ok": true, "ms": 12}))
    });
    let metadata = json!({
        "call_sid": sid, "ended_by": call.by, "engine": "realtime", "model": "rehearsal",
        "turns": call.turns, "gaps": call.gaps, "messages": call.messages, "functions": used.collect::<Vec<Value>>(),
        "usage": {"input_tokens": 900, "output_tokens": 300}, "sample": true,
    });
    sqlx::query_scalar(
        "with at as (
            select case when $3 = 0 then now() - $4 * interval '1 minute'
                else (((now() at time zone 'America/New_York')::date - $3)::timestamp
                    + $5 * interval '1 hour') at time zone 'America/New_York' end as start
        )
        insert into public.call_logs (voice_agent_id, call_sid, call_start, call_end, duration,
            caller_number, status, transcript, summary, metadata)
        select $1, $2, start, start + $6 * interval '1 second', $6 * interval '1 second', $7, $8,
            nullif($9, ''), $10, $11 from at
        returning id",
    )
    .bind(agent)
    .bind(sid)
    .bind(call.days)
    .bind(call.minutes_ago)
    .bind(call.hour)
    .bind(call.seconds)
    .bind(&call.number)
    .bind(&call.status)
    .bind(transcript(call))
    .bind(&call.summary)
    .bind(metadata)
    .fetch_one(connection)
    .await
}

async fn add_tasks(
    connection: &mut PgConnection,
    id: Uuid,
    call: &SampleCall,
) -> Result<(), sqlx::Error> {
    let mut gaps = call.gaps.iter();
    for (n, (kind, text, urgency)) in (0_i32..).zip(&call.tasks) {
        let question = (kind == "gap").then(|| gaps.next()).flatten().map(|gap| question_key(gap));
        sqlx::query(
            "insert into public.call_tasks (voice_agent_id, call_log_id, kind, ordinal, text,
                urgency, caller_number, at, question_key)
            select voice_agent_id, id, $2, $3, $4, $5, caller_number, call_end, $6
            from public.call_logs where id = $1",
        )
        .bind(id)
        .bind(kind)
        .bind(n)
        .bind(text)
        .bind(*urgency)
        .bind(question)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn add_booking(
    connection: &mut PgConnection,
    agent: Uuid,
    call: Uuid,
    number: &str,
    booking: &SampleBooking,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into public.appointments (voice_agent_id, name, phone_number, service,
            schedule_time, duration_minutes, booking_key)
        values ($1, $2, $3, $4, (((now() at time zone 'America/New_York')::date + $5)::timestamp
            + $6::text::time) at time zone 'America/New_York', 45, $7 || ':sample')",
    )
    .bind(agent)
    .bind(&booking.name)
    .bind(number)
    .bind(&booking.service)
    .bind(booking.days_from_now)
    .bind(&booking.time)
    .bind(call.to_string())
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_week_is_read_and_its_calls_have_words() {
        let calls: Vec<SampleCall> = serde_json::from_str(WEEK).unwrap();
        assert!(calls.len() > 9 && calls.iter().any(|call| call.booking.is_some()));
        let first = transcript(&calls[0]);
        assert!(first.contains("[00:05] Caller: I've got terrible pain"), "{first}");
        assert!(!first.contains("put you through"), "what was not heard is not in it");
    }
}
