//! What there is to do because of calls of every kind.

use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::agent::AgentSource;
use crate::agent::function::FunctionSource;

const CALLER: &str = "+15551230001";

fn agent() -> Agent {
    let agent = Agent::new(AgentSource {
        functions: vec![FunctionSource {
            id: Uuid::new_v4(),
            kind: Some("json_api".to_owned()),
            name: Some("order_status".to_owned()),
            data: json!({"method": "GET", "url": "https://a.example/x"}).into(),
            ..FunctionSource::default()
        }],
        ..AgentSource::default()
    });
    assert_eq!(agent.functions.rows.len(), 1, "{:?}", agent.faults);
    agent
}

fn call(status: &str, metadata: Value) -> EndedCall {
    EndedCall {
        agent_id: Uuid::nil(),
        caller: CALLER.to_owned().into(),
        status: status.to_owned(),
        transcript: String::new().into(),
        metadata: metadata.into(),
        started_us: 0,
        ended_us: 60_000_000,
    }
}

fn findings(summary: Value, unbacked: Value, appointments: Value) -> Findings {
    Findings {
        summary: summary.into(),
        metadata: json!({"unbacked_claims": unbacked}).into(),
        appointments: appointments.into(),
        tasks: Vec::new(),
    }
}

/// Kind, urgency and text of a task.
type Told<'a> = (&'static str, u8, &'a str);

fn told(tasks: &[NewTask]) -> Vec<Told<'_>> {
    tasks.iter().map(|t| (t.kind.name(), t.urgency, t.text.reveal().as_str())).collect()
}

#[test]
fn each_way_a_call_can_leave_something_to_do() {
    let closed = json!({"fallback_reason": "the business is closed", "ended_by": "agent"});
    let unanswered = json!([{"target": "sales", "answered": false}]);
    let cases: [(&str, Value, &[Told<'_>]); 15] = [
        ("completed", json!({}), &[]),
        ("completed", Value::Null, &[]),
        (
            "completed",
            json!({"messages": [{"text": "Late by ten\nminutes", "callback": CALLER},
                {"text": "Ring me!", "callback": "+15550007777"}, {"text": "Hm", "callback": null}]}),
            &[
                ("message", 2, "Message: Late by ten minutes."),
                ("message", 2, "Message: Ring me! Call back: +15550007777"),
                ("message", 2, "Message: Hm."),
            ],
        ),
        (
            "voicemail",
            json!({"voicemail": {"recording_url": "https://x", "seconds": 12}}),
            &[("voicemail", 2, "Voicemail, 12 seconds.")],
        ),
        ("no-answer", closed, &[("missed", 1, "Missed call: the business was closed.")]),
        (
            "no-answer",
            json!({"ended_by": "caller"}),
            &[("missed", 1, "Missed call: the caller hung up before anybody spoke.")],
        ),
        (
            "no-answer",
            json!({"ended_by": "agent", "fallback_reason": "the engine was refused"}),
            &[("missed", 1, "Missed call: the agent could not take it.")],
        ),
        (
            "no-answer",
            json!({"messages": [{"text": "Ring me."}]}),
            &[("message", 2, "Message: Ring me.")],
        ),
        (
            "completed",
            json!({"transfers": unanswered}),
            &[("transfer_unanswered", 2, "Asked to be put through to sales, and nobody answered.")],
        ),
        ("transferred", json!({"transfers": unanswered}), &[]),
        ("failed", json!({}), &[("call_failed", 1, "The call broke off: a problem on our side.")]),
        (
            "completed",
            json!({"gaps": ["Do you take BUPA?", "do you take Bupa", "…", 7]}),
            &[("gap", 0, "Asked: “Do you take BUPA?” — the agent had no answer.")],
        ),
        (
            "completed",
            json!({"functions": [{"id": "f", "name": "order_status", "ok": false},
                {"id": null, "name": "book_appointment", "ok": false},
                {"id": null, "name": "send_sms", "ok": false},
                {"id": null, "name": "made_up", "ok": false},
                {"id": "g", "name": "unfinished", "ok": null}]}),
            &[
                ("function_failed", 1, "“order_status” did not work in this call."),
                ("function_failed", 1, "A text to the caller could not be sent."),
            ],
        ),
        (
            "completed",
            json!({"functions": [{"id": "f", "name": "order_status", "ok": false},
                {"id": "f", "name": "order_status", "ok": true}]}),
            &[],
        ),
        ("completed", json!({"test": true, "messages": [{"text": "Ring me."}]}), &[]),
    ];
    for (status, metadata, expected) in cases {
        let call = call(status, metadata);
        assert_eq!(told(&tasks(&agent(), &call, None)), expected, "{status} {call:?}");
    }
    let test = json!({"call_sid": "FT1", "gaps": ["Do you take BUPA?"]});
    assert_eq!(tasks(&agent(), &call("completed", test), None), []);
}

#[test]
fn a_summary_adds_what_cannot_wait_and_what_was_not_done() {
    let summary = json!({"urgent": true, "urgent_reason": "tooth knocked out", "title": "Pain"});
    let unbacked = json!([{"text": "I've booked you", "claim": "booked", "at": "00:05"},
        {"text": "I sent a text", "claim": "text_sent", "at": "00:09"}]);
    let findings = findings(summary, unbacked, json!([]));
    let found = tasks(&agent(), &call("completed", json!({})), Some(&findings));
    assert_eq!(
        told(&found),
        [
            ("urgent", 3, "Urgent: tooth knocked out."),
            ("claim", 2, "Agent said “I've booked you”, but no booking was made."),
            ("claim", 2, "Agent said “I sent a text”, but no text was sent."),
        ]
    );
    assert_eq!(found[1].only_if, Some(OnlyIf::NoneWritten { none_written: true }));
    assert_eq!((found[2].only_if.clone(), found[2].ordinal), (None, 2));
    assert_eq!(found[0].caller, Some(CALLER.to_owned().into()));
    let taken_over = tasks(&agent(), &call("transferred", json!({})), Some(&findings));
    assert_eq!(told(&taken_over)[0].0, "claim", "whoever talked to them knows");
}

#[test]
fn an_appointment_is_to_be_checked_where_it_may_be_taken_for_agreed() {
    let told_of =
        json!({"name": "J. Reed", "service": "cleaning", "date": "2027-01-12", "time": "10:00"});
    let appointments = json!([
        {"told": told_of, "why": "it was only offered"},
        {"told": told_of, "start_us": 0},
        {"told": {"name": "Ann", "date": "tomorrow", "time": ""}, "why": "no time was said"},
        {"told": told_of, "why": "known"},
    ]);
    let findings = findings(json!({"urgent": false}), json!([]), appointments);
    let found = tasks(&agent(), &call("completed", json!({})), Some(&findings));
    let what = "Please check: J. Reed, cleaning, Tue 12 Jan 10:00";
    let expected = [
        format!("{what} — agreed by telephone and put into the calendar."),
        format!("{what} — agreed by telephone, but that time is taken."),
        "Please check: Ann, tomorrow — not booked: no time was said.".to_owned(),
    ];
    assert_eq!(found.iter().map(|task| task.text.reveal().clone()).collect::<Vec<_>>(), expected);
    let outcome = |outcome| Some(OnlyIf::Outcome { appointment: 2, outcome });
    assert_eq!(found[0].only_if, outcome("written"));
    assert_eq!(found[1].only_if, outcome("taken"));
    assert_eq!(found[2].only_if, None);
}

#[test]
fn a_task_is_short_and_a_call_has_not_too_many() {
    let message = json!({"text": "word ".repeat(500), "callback": null});
    let call = EndedCall {
        caller: "anonymous".to_owned().into(),
        ..call("completed", json!({"messages": vec![message; 50]}))
    };
    let found = tasks(&agent(), &call, None);
    assert_eq!(found.len(), KIND_MAX);
    assert!(found[0].text.reveal().chars().count() < QUOTED_CHARACTERS + 20);
    assert!(found[0].text.reveal().ends_with("word…"), "{}", found[0].text.reveal());
    assert_eq!(found[0].caller, None);
}
