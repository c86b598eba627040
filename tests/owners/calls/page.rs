//! The page of one call.

use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{CALLER, add_call};
use crate::desk::Desk;

/// A text that would be markup, if it were not escaped.
const SCRIPT: &str = "<script>alert(1)</script>";

async fn add_event(desk: &Desk, call: Uuid, seq: i64, at_ms: i64, kind: &str, data: Value) {
    sqlx::query(
        "insert into call_events (call_log_id, seq, at_ms, kind, data) values ($1, $2, $3, $4, $5::jsonb)",
    )
    .bind(call)
    .bind(seq)
    .bind(at_ms)
    .bind(kind)
    .bind(data.to_string())
    .execute(&desk.pool)
    .await
    .unwrap();
}

/// What a call about a tooth comes to.
fn metadata() -> Value {
    json!({
        "ended_by": "caller", "engine": "realtime", "model": "gpt-realtime", "stream_sids": ["MZ1"],
        "turns": [
            {"n": 1, "started_ms": 7000, "caller": "My tooth hurts.", "agent": "Sorry to hear that. We could see you on Monday.",
             "heard": "Sorry to hear that.", "interrupted": true, "chunks": [{"id": 1, "similarity": 0.8}, {"id": 99, "similarity": 0.4}],
             "functions": ["check_availability"], "retrieval": "ready", "latency_ms": {"first_audio": 900}},
            {"n": 2, "started_ms": 19000, "caller": "Today, please.", "agent": "I've booked you.", "heard": "I've booked you.",
             "interrupted": false, "chunks": [], "functions": [], "latency_ms": {"first_audio": 2100}}],
        "prompts": [{"purpose": "greeting", "started_ms": 300, "agent": "Bright Smile, hello.", "heard": "Bright Smile, hello."}],
        "functions": [{"name": "check_availability", "ok": true, "ms": 300, "arguments": {"date": "2026-11-27"}, "result": {"free": 2}}],
        "gaps": ["Do you take BUPA?"], "messages": [{"text": "Please call me back.", "callback": "+447700900555"}],
        "unbacked_claims": [{"text": "I've booked you.", "claim": "booked", "at": "00:24"}],
        "extracted_appointments": [
            {"date": "2026-12-01", "time": "10:00", "name": "Mrs Okafor", "service": "Filling", "agent": "Ten on Tuesday?", "caller": "Yes", "written": true, "why": null},
            {"date": "2026-12-02", "time": "11:00", "name": "", "service": "Check", "written": false, "why": "it was only offered"},
            {"date": "2026-12-03", "time": "12:00", "service": "Known one", "written": false, "why": "known"}],
        "usage": {"input_tokens": 120, "output_tokens": 34}, "recording": null, "voicemail": null
    })
}

fn summary() -> Value {
    json!({"title": "Tooth pain", "summary": "Pain since Friday; wants to come today.",
        "action_items": ["Call back"], "data_collected": [{"name": "full_name", "value": "Mrs Okafor"}]})
}

async fn add_passage(desk: &Desk) {
    desk.sql(&format!(
        "insert into public.\"zz_{}\" (content, metadata) values
            ('Emergencies are seen on the same day.', '{{\"title\": \"Emergency policy\"}}')",
        desk.agent
    ))
    .await;
}

#[tokio::test]
async fn a_call_is_told_from_its_row() {
    let desk = Desk::open().await;
    let support = desk.sign_in("support@example.com").await;
    add_passage(&desk).await;
    let call = json!({"summary": summary(), "metadata": metadata()});
    let id = add_call(&desk, desk.agent, call).await;
    let page = support.get(&format!("/calls/{id}")).await;
    assert_eq!(page.status, StatusCode::OK);
    for shown in [
        "Mrs Okafor</bdi></h1>",
        "+44 7700 900123",
        "Fri 27 Nov 2026 12:38",
        "–12:40 (Europe/London)",
        "2 min 51 s",
        "href=\"tel:+447700900123\"",
        "href=\"/callers/+447700900123\"",
        "Pain since Friday",
        "no booking was made",
        "This appointment was agreed and stands in",
        "Why not: it was only offered.",
        "Do you take BUPA?",
        "Please call me back.",
        "<del><bdi>We could see you on Monday.</bdi></del>",
        "interrupted",
        "Looked for free times",
        "&quot;free&quot;: 2",
        "<a href=\"#p1\">“Emergency policy”</a>",
        "a passage that is not kept any more",
        "Emergencies are seen on the same day.",
        "middle 0.9 s, slowest 2.1 s",
        "<rect ",
        "This call was not recorded.",
        "120 read, 34 written",
    ] {
        assert!(page.text.contains(shown), "{shown} is not in {}", page.text);
    }
    assert!(!page.text.contains("Known one") && !page.text.contains("style="), "{}", page.text);
    let order: Vec<usize> = [
        "Bright Smile, hello.",
        "My tooth hurts.",
        "Looked for",
        "Sorry to hear",
        "Today, please.",
    ]
    .map(|text| page.text.rfind(text).unwrap())
    .to_vec();
    assert!(order.is_sorted(), "{order:?}");
}

/// The task that this call gives, in words as the list has them.
async fn add_task(desk: &Desk, call: Uuid, kind: &str, ordinal: i32, text: &str) {
    sqlx::query(
        "insert into call_tasks (voice_agent_id, call_log_id, kind, ordinal, text, urgency, at)
        values ($1, $2, $3, $4, $5, 1, now())",
    )
    .bind(desk.agent)
    .bind(call)
    .bind(kind)
    .bind(ordinal)
    .bind(text)
    .execute(&desk.pool)
    .await
    .unwrap();
}

#[tokio::test]
async fn what_no_task_says_whole_stands_on_the_page() {
    let desk = Desk::open().await;
    let support = desk.sign_in("support@example.com").await;
    let long = "Please bring the blue folder. ".repeat(15) + "And call Mrs Okafor.";
    let metadata = json!({
        "messages": [{"text": long}, {"text": "I am late"}, {"text": "Never mind."}],
        "gaps": ["Do you take BUPA?", "do you take bupa", "Is there parking?", "…?!"],
    });
    let id = add_call(&desk, desk.agent, json!({"metadata": metadata})).await;
    let cut = format!("Message: {}…", &long[..299]);
    add_task(&desk, id, "message", 1, &cut).await;
    add_task(&desk, id, "message", 2, "Message: I am late.").await;
    let asked = "Asked: “Do you take BUPA?” — the agent had no answer.";
    add_task(&desk, id, "gap", 1, asked).await;
    let page = support.get(&format!("/calls/{id}")).await.text;
    for shown in ["And call Mrs Okafor.", "Never mind.", "Is there parking?", "…?!"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let (_, notes) = page.split_once("<b>Message: </b>").expect("the notes");
    for twice in ["I am late", "BUPA", "bupa"] {
        assert!(!notes.contains(twice), "{twice} stands there already: {page}");
    }
}

#[tokio::test]
async fn what_was_written_as_it_happened_comes_first() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let id = add_call(&desk, desk.agent, json!({"metadata": metadata()})).await;
    for (seq, at_ms, kind, data) in [
        (
            1,
            2_000,
            "caller_said",
            json!({"utterance": "a", "turn": 1, "started_ms": 2_000, "text": SCRIPT, "settled": true}),
        ),
        (
            2,
            4_000,
            "function_called",
            json!({"run": 1, "turn": 1, "name": SCRIPT, "arguments": {"x": SCRIPT}}),
        ),
        (
            3,
            4_500,
            "function_finished",
            json!({"run": 1, "ok": false, "took_ms": 500, "result": SCRIPT}),
        ),
        (
            4,
            5_000,
            "agent_said",
            json!({"reply": 1, "turn": 1, "started_ms": 5_000, "generated": SCRIPT,
            "heard": "", "heard_ms": 0, "interrupted": true}),
        ),
        (
            5,
            6_000,
            "transfer_started",
            json!({"target": {"name": SCRIPT, "number": "+15550000001"}}),
        ),
        (6, 7_000, "transfer_ended", json!({"answered": false})),
    ] {
        add_event(&desk, id, seq, at_ms, kind, data).await;
    }
    let page = owner.get(&format!("/calls/{id}")).await;
    assert!(!page.text.contains(SCRIPT), "{}", page.text);
    assert!(!page.text.contains("Sorry to hear"), "the events say it better");
    assert!(page.text.contains("Nobody took the call.") && page.text.contains("failed</span>"));
    assert!(page.text.contains("<bdi>Tried to use “"), "what failed was not done: {}", page.text);

    let events = owner.get(&format!("/api/v1/calls/{id}/events?limit=4")).await.json();
    assert_eq!(events["items"][0]["kind"], "caller_said");
    let next = events["next"].as_str().unwrap();
    assert_eq!(events["items"][3]["seq"].to_string(), next);
    let rest = owner.get(&format!("/api/v1/calls/{id}/events?after={next}")).await.json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 2);
    assert_eq!(rest["next"], Value::Null);
    for (query, field) in [("after=x", "after"), ("limit=0", "limit"), ("limit=5000", "limit")] {
        let odd = owner.get(&format!("/api/v1/calls/{id}/events?{query}")).await;
        assert_eq!(
            (odd.status, &odd.json()["field"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!(field))
        );
    }
}

#[tokio::test]
async fn every_text_of_a_row_stays_text() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let mut summary = summary();
    for name in ["title", "summary"] {
        summary[name] = json!(SCRIPT);
    }
    summary["action_items"] = json!([SCRIPT, 7]);
    summary["data_collected"] =
        json!([{"name": SCRIPT, "value": SCRIPT}, {"name": "full_name", "value": SCRIPT}]);
    let said = json!({"started_ms": 1, "caller": SCRIPT, "agent": SCRIPT, "heard": "x", "functions": [SCRIPT]});
    let evil = json!({"recording_url": "javascript:alert(1)", "seconds": 5});
    let metadata = json!({
        "turns": [said, 3], "prompts": SCRIPT, "functions": [{"name": SCRIPT, "arguments": SCRIPT, "result": [SCRIPT]}],
        "gaps": [SCRIPT], "messages": [{"text": SCRIPT, "callback": SCRIPT}], "voicemail": evil,
        "unbacked_claims": [{"text": SCRIPT, "claim": SCRIPT, "at": SCRIPT}, SCRIPT],
        "extracted_appointments": [{"date": SCRIPT, "time": SCRIPT, "service": SCRIPT, "name": SCRIPT, "why": SCRIPT, "agent": SCRIPT}],
        "engine": SCRIPT, "model": SCRIPT, "ended_by": SCRIPT, "stream_sids": [SCRIPT], "fallback_reason": SCRIPT,
        "usage": SCRIPT, "recording": {"path": SCRIPT}, "removed": {"recording": SCRIPT},
    });
    let call = json!({"summary": summary, "metadata": metadata, "status": SCRIPT, "caller_number": SCRIPT});
    let id = add_call(&desk, desk.agent, call).await;
    let page = owner.get(&format!("/calls/{id}?words={SCRIPT}")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.text.contains(SCRIPT) && !page.text.contains("javascript:"), "{}", page.text);
    for odd in [
        json!(null),
        json!("x"),
        json!([]),
        json!({"turns": {"a": 1}, "voicemail": 3, "recording": []}),
    ] {
        let call =
            json!({"metadata": odd, "summary": odd, "transcript": "no time\n[00:01] Agent: <b>"});
        let id = add_call(&desk, desk.agent, call).await;
        let page = owner.get(&format!("/calls/{id}")).await;
        assert_eq!(page.status, StatusCode::OK, "{odd}");
        assert!(page.text.contains("&lt;b&gt;"), "{}", page.text);
        let row = owner.get(&format!("/api/v1/calls/{id}")).await.json();
        assert_eq!(row["metadata"], odd);
    }
}

#[tokio::test]
async fn one_goes_from_call_to_call_with_what_one_looks_for() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let mut ids = Vec::new();
    for (day, status) in
        [(1, "failed"), (2, "completed"), (3, "failed"), (4, "completed"), (5, "failed")]
    {
        let start = format!("2026-11-0{day}T10:00:00Z");
        ids.push(add_call(&desk, desk.agent, json!({"call_start": start, "status": status})).await);
    }
    let page = owner.get(&format!("/calls/{}?outcome=failed", ids[2])).await;
    for (rel, id) in [("prev", ids[4]), ("next", ids[0])] {
        let link = format!("rel=\"{rel}\" href=\"/calls/{id}?outcome=failed\"");
        assert!(page.text.contains(&link), "{link} is not in {}", page.text);
    }
    assert!(page.text.contains("href=\"/calls?outcome=failed\""));
    let first = owner.get(&format!("/calls/{}", ids[4])).await;
    assert!(!first.text.contains("rel=\"prev\"") && first.text.contains(&ids[3].to_string()));
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let removed = json!({"turns": [{"n": 1, "started_ms": 5, "latency_ms": {"first_audio": 700}}],
        "removed": {"transcript": "2026-11-28T03:00:00.123456+00:00", "recording": "2026-11-28T03:00:00+00:00"}});
    let old = add_call(&desk, desk.agent, json!({"metadata": removed})).await;
    let page = owner.get(&format!("/calls/{old}")).await.text;
    for shown in [
        "The words were removed on 28 Nov 2026",
        "The recording was removed on 28 Nov 2026",
        "middle 0.7 s",
    ] {
        assert!(page.contains(shown), "{shown} is not in {page}");
    }
    let live = add_call(
        &desk,
        desk.agent,
        json!({"call_end": null, "status": "in-progress", "caller_number": "anonymous"}),
    )
    .await;
    let page = owner.get(&format!("/calls/{live}")).await.text;
    for shown in [
        "on the phone now",
        "The call goes on.",
        "Number withheld",
        &format!("href=\"/live/{live}\""),
    ] {
        assert!(page.contains(shown), "{shown} is not in {page}");
    }
    assert!(!page.contains("tel:") && !page.contains("Call back"));
    let due = add_call(&desk, desk.agent, json!({})).await;
    desk.sql(&format!(
        "insert into aftercall_jobs (call_log_id, kind) values ('{due}', 'summary')"
    ))
    .await;
    assert!(owner.get(&format!("/calls/{due}")).await.text.contains("The summary is being made"));
    let row = owner.get(&format!("/api/v1/calls/{due}")).await.json();
    assert_eq!(
        (&row["caller_number"], &row["call_end"]),
        (&json!(CALLER), &json!("2026-11-27T12:40:51.000+00:00"))
    );
    for path in ["/calls/nothing", &format!("/calls/{}", Uuid::nil()), "/calls/%00"] {
        assert_eq!(owner.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(owner.get(&format!("/api/v1{path}")).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn another_businesss_call_is_not_there() {
    let desk = Desk::open().await;
    let other = desk.sign_in("other@example.com").await;
    let id = add_call(&desk, desk.agent, json!({"summary": {"title": "Secret matter"}})).await;
    for path in ["", "/events", "/recording", "/recording.wav"] {
        let answered = other.get(&format!("/api/v1/calls/{id}{path}")).await;
        assert_eq!(answered.status, StatusCode::NOT_FOUND, "{path}");
        assert!(!answered.text.contains("Secret"));
    }
    let page = other.get(&format!("/calls/{id}")).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(!page.text.contains("Secret"));
}

/// A call of ten minutes stays a small page.
#[tokio::test]
async fn a_call_of_ten_minutes_is_a_small_page() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let turns: Vec<Value> = (1..=45)
        .map(|n| {
            let words = |of: &str| {
                (0..25).map(|w| format!("{of}{}", (n * 7919 + w * 104_729) % 997)).collect::<Vec<_>>().join(" ")
            };
            json!({"n": n, "started_ms": n * 13_000, "caller": words("c"), "agent": words("a"), "heard": words("a"),
                "chunks": [{"id": 1}], "functions": [], "latency_ms": {"first_audio": 600 + (n * 37) % 900}})
        })
        .collect();
    let metadata = json!({"turns": turns, "recording": {"path": format!("{}/x.ogg", desk.agent), "ms": 600_000}});
    let id = add_call(&desk, desk.agent, json!({"metadata": metadata, "summary": summary()})).await;
    let (head, zipped) = owner.get_zipped(&format!("/calls/{id}")).await;
    assert_eq!(head.header("content-encoding"), "gzip");
    assert!(zipped < 15_000, "{zipped} bytes");
}

#[tokio::test]
async fn values_are_shown_where_the_owner_says_so_and_not_any_more_when_the_row_is_gone() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let id = add_call(&desk, desk.agent, json!({"metadata": metadata()})).await;
    let called = json!({"run": 1, "turn": 1, "name": "prices", "arguments": {"x": "the-value"}});
    let finished = json!({"run": 1, "ok": true, "took_ms": 1, "result": {}, "row": desk.function});
    add_event(
        &desk,
        id,
        1,
        1_000,
        "caller_said",
        json!({"utterance": "a", "turn": 1, "started_ms": 1, "text": "Hello", "settled": true}),
    )
    .await;
    add_event(&desk, id, 2, 2_000, "function_called", called).await;
    add_event(&desk, id, 3, 3_000, "function_finished", finished).await;
    let unfinished =
        json!({"run": 2, "turn": 1, "name": "prices", "arguments": {"x": "of-no-row"}});
    add_event(&desk, id, 4, 4_000, "function_called", unfinished).await;
    for (is_shown, sql) in [
        (false, "update functions set is_shownable = null"),
        (true, "update functions set is_shownable = true"),
        (false, "update functions set is_shownable = false"),
        (true, "update functions set is_shownable = true"),
        (false, "delete from functions"),
    ] {
        desk.sql(sql).await;
        let page = owner.get(&format!("/calls/{id}")).await.text;
        assert!(page.contains("“Prices”"), "{page}");
        assert_eq!(page.contains("the-value"), is_shown, "{sql}");
        assert!(!page.contains("of-no-row"), "it did not end: nobody knows whose it is");
    }
}

#[tokio::test]
async fn what_a_call_booked_and_changed_stands_under_its_head() {
    let desk = Desk::open().await;
    let support = desk.sign_in("support@example.com").await;
    let id = add_call(&desk, desk.agent, json!({})).await;
    let path = format!("/calls/{id}");
    assert!(!support.get(&path).await.text.contains("in this call: "), "nothing came of it yet");
    let add = |name: &str, key: &str, state: &str, of: &str| {
        format!(
            "insert into appointments (voice_agent_id, name, phone_number, service, schedule_time,
                status, {key}) values ('{}', '{name}', '', 'Check-up', '2026-12-01T10:00Z', '{state}',
                '{of}:fc_1') returning id::text",
            desk.agent
        )
    };
    let booked = desk.made(&add("Ann <b>", "booking_key", "pending", &id.to_string())).await;
    let moved = desk.made(&add("Bob", "change_key", "cancelled", &id.to_string())).await;
    let other = Uuid::new_v4().to_string();
    let others = desk.made(&add("Cyd", "booking_key", "completed", &other)).await;
    let page = support.get(&path).await.text;
    for shown in [
        &*format!("Booked in this call: </b><a href=\"/bookings/{booked}\">Tue 1 Dec 10:00, "),
        &format!("Moved or cancelled in this call: </b><a href=\"/bookings/{moved}\">"),
        "<bdi>Ann &lt;b&gt;</bdi>",
        "cancelled",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains(&others), "{page}");
}

/// A past tense beside “failed” reads as done.
#[tokio::test]
async fn what_failed_is_told_as_what_was_wanted() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let id = add_call(&desk, desk.agent, json!({})).await;
    for (seq, run, name, ok) in
        [(1, 1, "book_appointment", false), (3, 2, "reschedule_appointment", true)]
    {
        let called = json!({"run": run, "turn": 1, "name": name, "arguments": {}});
        add_event(&desk, id, seq, 1_000, "function_called", called).await;
        let finished = json!({"run": run, "ok": ok, "took_ms": 5, "result": {}});
        add_event(&desk, id, seq + 1, 1_100, "function_finished", finished).await;
    }
    let page = owner.get(&format!("/calls/{id}")).await.text;
    assert!(page.contains("Tried to book an appointment"), "{page}");
    assert!(
        !page.contains("Booked an appointment") && page.contains("Moved an appointment"),
        "{page}"
    );
}

/// What the agent's settings were when the call began says whether there is to be a recording, and no
/// recording is waited for without an end.
#[tokio::test]
async fn a_recording_is_waited_for_only_where_one_was_to_be_made() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let agent = format!("/api/v1/agents/{}", desk.agent);
    let now = desk
        .made("select to_char(now() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
        .await;
    let call = async |start: &str, end: &str, streams: Value| {
        let metadata = json!({"stream_sids": streams, "recording": null});
        let columns = json!({"call_start": start, "call_end": end, "metadata": metadata});
        add_call(&desk, desk.agent, columns).await
    };
    let before = call(&now, &now, json!(["MZ1"])).await;
    let on = owner.patch(&agent, json!({"settings": {"recording": {"enabled": true}}})).await;
    assert_eq!(on.status, StatusCode::OK, "{}", on.text);
    let page = owner.get(&format!("/calls/{before}")).await.text;
    assert!(page.contains("This call was not recorded."), "it was switched on later: {page}");

    let later = desk.made("select to_char(now() at time zone 'utc' + interval '2 s', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')").await;
    for (start, end, streams, words) in [
        (&*later, &*later, json!(["MZ1"]), "still being made"),
        (&*later, &*later, json!([]), "This call was not recorded."),
    ] {
        let id = call(start, end, streams).await;
        let page = owner.get(&format!("/calls/{id}")).await.text;
        assert!(page.contains(words), "{words}: {page}");
    }
    // Of a call of long ago, before which nothing is known to have changed.
    desk.sql("delete from agent_versions").await;
    let old = call("2026-11-27T12:38:00Z", "2026-11-27T12:40:51Z", json!(["MZ1"])).await;
    let page = owner.get(&format!("/calls/{old}")).await.text;
    assert!(
        page.contains("no recording came of it") && !page.contains("still being made"),
        "{page}"
    );
}

/// Why it cannot be heard, and that the caller said something.
#[tokio::test]
async fn a_message_that_cannot_be_heard_is_said_to_be_one() {
    let desk = Desk::open().await;
    let owner = desk.sign_in("owner@example.com").await;
    let left = async |metadata: Value| {
        let call = json!({"status": "voicemail", "metadata": metadata});
        let id = add_call(&desk, desk.agent, call).await;
        owner.get(&format!("/calls/{id}")).await.text
    };
    let sample =
        left(json!({"sample": true, "voicemail": {"recording_url": null, "seconds": 24}})).await;
    assert!(
        sample.contains("message</b> of 24 seconds. It is a sample: there is nothing to hear."),
        "{sample}"
    );
    assert!(sample.contains("sample week"), "{sample}");
    let lost = left(json!({})).await;
    assert!(lost.contains("Where it is has not come here"), "{lost}");
    for page in [sample, lost] {
        assert!(page.contains("What they said is in the message above."), "{page}");
        assert!(
            !page.contains("Nothing was said.") && !page.contains("This call was not recorded"),
            "{page}"
        );
    }
}
