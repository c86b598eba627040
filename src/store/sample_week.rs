//! A week of calls for the sample business, so that a newcomer finds a console with something on it.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan as _};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnection, PgPool};
use uuid::Uuid;

use super::sample::SAMPLE_ZONE;
use crate::call::question_key;
use crate::clock::unix_now;

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
    /// What the agent said and nothing shows, as calls have it.
    #[serde(default)]
    claims: Vec<Value>,
    /// The message that the caller left, as calls have it.
    #[serde(default)]
    voicemail: Value,
    /// Kind, words, urgency.
    #[serde(default)]
    tasks: Vec<(String, String, i32)>,
    booking: Option<SampleBooking>,
}

/// An appointment that a call made or moved.
#[derive(Deserialize)]
struct SampleBooking {
    /// The first day on which one may come then, from so many days on.
    days_from_now: i64,
    time: String,
    name: String,
    service: String,
    /// Whether it was made in an earlier call, which is not kept any more.
    #[serde(default)]
    is_moved: bool,
}

impl SampleBooking {
    fn time(&self) -> Time {
        self.time.parse().expect("the week is tested")
    }

    /// What the function gave that booked or moved it.
    fn result(&self, day: Date) -> Value {
        let told = json!({"date": day.to_string(), "weekday": day.strftime("%A").to_string(),
            "time": self.time, "name": self.name, "service": self.service});
        json!({ (if self.is_moved { "rescheduled" } else { "booked" }): told })
    }

    /// Its day: one on which the sample business is open then.
    fn day(&self, today: Date) -> Date {
        let first = today.saturating_add(self.days_from_now.days());
        let days = std::iter::successors(Some(first), |day| day.tomorrow().ok()).take(7);
        let is_open = |day: &Date| match day.weekday() {
            Weekday::Sunday => false,
            Weekday::Saturday => self.time() <= SATURDAY_LAST,
            _ => true,
        };
        days.into_iter().find(is_open).unwrap_or(first)
    }
}

/// The last time on a Saturday for which the sample business takes an appointment.
const SATURDAY_LAST: Time = Time::constant(12, 15, 0, 0);
/// The functions that book and move.
const BOOKS: [&str; 2] = ["book_appointment", "reschedule_appointment"];
/// Stands in what was said for the day of the call's booking.
const DAY: &str = "{day}";

/// The day that it is at the sample business.
fn today() -> Date {
    let zone = TimeZoneDatabase::bundled().get(SAMPLE_ZONE).unwrap_or(TimeZone::UTC);
    let seconds = i64::try_from(unix_now().as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or_default().to_zoned(zone).date()
}

/// Puts the day of the call's booking where it is spoken of.
fn name_day(turns: &mut [Value], day: &str) {
    for words in
        turns.iter_mut().filter_map(Value::as_object_mut).flat_map(|turn| turn.values_mut())
    {
        if let Value::String(words) = words {
            *words = words.replace(DAY, day);
        }
    }
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
    let mut calls: Vec<SampleCall> = serde_json::from_str(WEEK).expect("the week is tested");
    let today = today();
    let mut transaction = pool.begin().await?;
    for (n, call) in (0_u64..).zip(&mut calls) {
        let day = call.booking.as_ref().map(|booking| booking.day(today));
        if let Some(day) = day {
            name_day(&mut call.turns, &day.strftime("%A").to_string());
        }
        let sid = format!("CA{:032x}", 0x5a3b_0000 + n);
        let id = add_call(&mut transaction, (agent, &sid), call, day).await?;
        add_tasks(&mut transaction, id, call).await?;
        if let (Some(booking), Some(day)) = (&call.booking, day) {
            let at = day.to_datetime(booking.time()).to_string();
            add_booking(&mut transaction, (agent, id), &call.number, (booking, &at)).await?;
        }
    }
    transaction.commit().await
}

async fn add_call(
    connection: &mut PgConnection,
    (agent, sid): (Uuid, &str),
    call: &SampleCall,
    day: Option<Date>,
) -> Result<Uuid, sqlx::Error> {
    let booked = || Some(call.booking.as_ref()?.result(day?));
    let used = call.turns.iter().flat_map(|turn| {
        let names = turn["functions"].as_array().into_iter().flatten().filter_map(Value::as_str);
        names.map(|name| {
            let result = if BOOKS.contains(&name) { booked() } else { None };
            json!({"turn": turn["n"], "name": name, "ok": true, "ms": 12, "result": result})
        })
    });
    let metadata = json!({
        "call_sid": sid, "ended_by": call.by, "engine": "realtime", "model": "rehearsal",
        "turns": call.turns, "gaps": call.gaps, "messages": call.messages,
        "unbacked_claims": call.claims, "functions": used.collect::<Vec<Value>>(),
        "usage": {"input_tokens": 900, "output_tokens": 300}, "voicemail": call.voicemail, "sample": true,
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
    (agent, call): (Uuid, Uuid),
    number: &str,
    (booking, at): (&SampleBooking, &str),
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into public.appointments (voice_agent_id, name, phone_number, service,
            schedule_time, duration_minutes, booking_key, change_key, created_at)
        select $1, $2, $3, $4, $5::text::timestamp at time zone 'America/New_York', 45,
            case when $7 then gen_random_uuid() else id end || ':sample',
            case when $7 then id || ':sample' end,
            call_end - case when $7 then interval '6 days' else interval '0' end
        from public.call_logs where id = $6",
    )
    .bind(agent)
    .bind(&booking.name)
    .bind(number)
    .bind(&booking.service)
    .bind(at)
    .bind(call)
    .bind(booking.is_moved)
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

    #[test]
    fn what_a_call_booked_is_in_its_words_and_functions() {
        let calls: Vec<SampleCall> = serde_json::from_str(WEEK).unwrap();
        for call in &calls {
            let all = call.turns.iter().flat_map(|turn| turn["functions"].as_array().unwrap());
            let used: Vec<&str> = all.filter_map(Value::as_str).collect();
            let expected =
                call.booking.as_ref().map(|booking| BOOKS[usize::from(booking.is_moved)]);
            let books = used.into_iter().find(|name| BOOKS.contains(name));
            assert_eq!(books, expected, "{}", call.number);
            let says = call.turns.iter().any(|turn| {
                let said = turn["heard"].as_str().unwrap();
                ["booked for", "moved it"].iter().any(|words| said.contains(words))
            });
            assert_eq!(says, expected.is_some() || !call.claims.is_empty(), "{}", call.number);
            for turn in &call.turns {
                let is_answered = turn["latency_ms"]["first_audio"].as_u64() > Some(0);
                assert_eq!(is_answered, turn["heard"] != "", "{}", call.number);
            }
        }
        let claim = calls.iter().find(|call| !call.claims.is_empty()).unwrap();
        assert!(claim.tasks[0].1.contains(claim.claims[0]["text"].as_str().unwrap()));
    }

    #[test]
    fn nobody_is_booked_while_the_business_is_closed_and_the_day_is_the_one_that_was_said() {
        let mut calls: Vec<SampleCall> = serde_json::from_str(WEEK).unwrap();
        for weekday in 23..30 {
            let today = jiff::civil::date(2026, 11, weekday);
            for call in &mut calls {
                let Some(booking) = &call.booking else {
                    assert!(!transcript(call).contains(DAY), "only a booking has a day");
                    continue;
                };
                let day = booking.day(today);
                assert_ne!(day.weekday(), Weekday::Sunday, "{today}");
                let is_late = day.weekday() == Weekday::Saturday && booking.time() > SATURDAY_LAST;
                assert!(!is_late && day >= today, "{today}");
            }
        }
        let moved = calls.iter_mut().find(|call| transcript(call).contains(DAY)).unwrap();
        name_day(&mut moved.turns, "Tuesday");
        assert!(transcript(moved).contains("I have moved it to Tuesday at 10:00."));
    }
}
