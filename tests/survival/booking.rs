//! Two programs on one database, whose callers all want the same times at once.

use frontdesk::clock::unix_now;
use frontdesk::rehearsal::phone::Step;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::ended;
use crate::program::Bench;

/// Calls at once, half of them with each program.
const CALLS: usize = 10;
/// In each of its turns a call tries to book half of the times, all of them at once.
const TURNS: usize = 2;
const TIMES: usize = 20;

/// The turns of every call. A time is an hour of the day after next week, by UTC.
fn turns() -> Vec<Value> {
    let now = Timestamp::from_second(i64::try_from(unix_now().as_secs()).unwrap()).unwrap();
    let date = now.to_zoned(TimeZone::UTC).date() + 8.days();
    let book = |hour: usize| {
        let time = format!("{hour:02}:00");
        let arguments = json!({"date": date.to_string(), "time": time, "name": "Ana Pérez"});
        json!({"name": "book_appointment", "arguments": arguments})
    };
    let each = TIMES / TURNS;
    let turn = |n: usize| {
        let functions: Vec<Value> = (n * each..(n + 1) * each).map(book).collect();
        json!({"heard": "Any of these?", "functions": functions, "after_functions": "Well."})
    };
    (0..TURNS).map(turn).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_attempts_at_twenty_times_over_two_programs_twenty_are_booked() {
    let bench = Bench::with(&turns()).await;
    let programs = [bench.program_in("one").await, bench.program_in("two").await];
    let calls: Vec<_> =
        (0..CALLS).map(|n| bench.call(&programs[n % 2], TURNS, Some(Step::HangUp))).collect();
    let mut results: Vec<Value> = Vec::new();
    for call in calls {
        let sid = call.sid;
        // Nobody reads what happens at the phone.
        drop(call.events);
        let report = ended(call.task).await;
        assert_eq!(report.errors, Vec::<String>::new());
        bench.eventually(&sid, "status = 'completed' and call_end is not null").await;
        let row = bench.row(&sid).await;
        let functions = row["metadata"]["functions"].as_array().unwrap();
        results.extend(functions.iter().map(|function| function["result"].clone()));
    }
    let (booked, refused): (Vec<_>, Vec<_>) =
        results.into_iter().partition(|result| result["ok"] == true);
    assert_eq!((booked.len(), refused.len()), (TIMES, CALLS * TIMES - TIMES));
    for refused in refused {
        assert!(refused["error"].as_str().unwrap().starts_with("that time is taken"), "{refused}");
        assert_eq!(refused["offers"].as_array().unwrap().len(), 3, "{refused}");
    }
    let (rows, times): (i64, i64) = sqlx::query_as(
        "select count(*), count(distinct schedule_time) filter (where status = 'pending')
        from appointments",
    )
    .fetch_one(&bench.pool)
    .await
    .unwrap();
    assert_eq!((rows, times), (20, 20));
}
