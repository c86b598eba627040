//! Which appointments are written: by lines, verdicts, hours and what functions did.

use super::*;
use crate::agent::{AgentSource, BusinessSource};
use uuid::Uuid;

const CALLER: &str = "+15551230001";
const CLOSED: &str = "the business is closed then";
const TALK: &str = "[00:01] Caller: I am Maria Lopez, could I come for a cleaning?\n\
    [00:05] Agent: I can put you down for Tuesday, 2026-12-01, at 2:30 pm.\n\
    [00:09] Caller: Yes, that is fine.\n\
    [00:12] Agent: Good.\n[00:13] Agent: Anything else?\n[00:15] Agent: Hello?\n\
    [00:16] Agent: Hello?\n[00:17] Agent: Hello?\n\
    [00:20] Caller: Bye, bye.";

fn agent() -> Agent {
    Agent::new(AgentSource {
        business: Some(BusinessSource {
            timezone: Some("America/New_York".to_owned()),
            appointment_minutes: Some(30),
            operating_schedule: Some(json!({"tue": {"open": "09:00", "close": "17:00"},
                "mon": "closed", "fri": {"open": "09:00", "close": "18:00"}})),
            ..BusinessSource::default()
        }),
        ..AgentSource::default()
    })
}

fn proposed() -> Proposed {
    Proposed {
        name: "Maria Lopez".to_owned(),
        service: "cleaning".to_owned(),
        date: "2026-12-01".to_owned(),
        time: "14:30".to_owned(),
        notes: String::new(),
        offer_line: 2,
        answer_line: 3,
        day_line: 2,
        time_line: 2,
        retracted_line: 0,
        verdict: Verdict::Agreed,
    }
}

fn judged(caller: &str, done: &Done, proposed: &[Proposed]) -> Vec<Value> {
    let call = EndedCall {
        agent_id: Uuid::nil(),
        caller: caller.to_owned().into(),
        status: "completed".to_owned(),
        transcript: String::new().into(),
        metadata: Value::Null.into(),
        // 2026-11-27T19:55:00Z, a Friday
        started_us: 1_795_809_300_000_000,
        // 2026-11-27T20:00:00Z
        ended_us: 1_795_809_600_000_000,
    };
    let (agent, transcript) = (agent(), Transcript::read(TALK));
    let judge = Judge { agent: &agent, call: &call, transcript: &transcript, done };
    judge.all(proposed).into_iter().map(Judged::into_json).collect()
}

fn why(change: impl FnOnce(&mut Proposed)) -> String {
    let mut proposed = proposed();
    change(&mut proposed);
    let judged = judged(CALLER, &Done::default(), &[proposed]).remove(0);
    assert_eq!(judged.get("start_us").is_some(), judged.get("why").is_none(), "{judged}");
    judged["why"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn what_one_proposed_and_the_other_accepted_is_written_with_their_words() {
    let judged = judged(CALLER, &Done::default(), &[proposed()]).remove(0);
    // 2026-12-01T19:30:00Z
    assert_eq!(judged["start_us"], 1_796_153_400_000_000_i64, "{judged}");
    assert_eq!((&judged["minutes"], &judged["phone"]), (&json!(30), &json!(CALLER)));
    let (name, service) = (&judged["name"], &judged["service"]);
    assert_eq!((name, service), (&json!("Maria Lopez"), &json!("cleaning")));
    let notes = judged["notes"].as_str().unwrap();
    assert!(notes.ends_with(
        "Agent: \"I can put you down for Tuesday, 2026-12-01, at 2:30 pm.\" \
         Caller: \"Yes, that is fine.\""
    ));
    assert!(judged.get("why").is_none());
}

#[test]
fn the_lines_must_be_there_and_in_their_order() {
    let nobody = "nobody proposed it or nobody answered";
    for (lines, expected) in [
        ([2, 3, 2, 2], ""),
        // The caller proposes and the agent accepts.
        ([1, 2, 1, 1], ""),
        ([3, 4, 1, 2], ""),
        ([0, 3, 2, 2], nobody),
        ([2, 0, 2, 2], nobody),
        ([2, 10, 2, 2], nobody),
        ([-1, 3, 2, 2], nobody),
        ([i64::MAX, i64::MIN, 2, 2], nobody),
        ([2, 4, 2, 2], "only one of the two said it"),
        ([2, 2, 2, 2], "only one of the two said it"),
        ([3, 2, 2, 2], "the answer is to something else"),
        ([2, 9, 2, 2], "the answer is to something else"),
        ([2, 3, 0, 2], "no day was said"),
        ([2, 3, 2, 0], "no time was said"),
        // Whoever answered had not heard it yet.
        ([2, 3, 4, 2], "no day was said"),
        ([2, 3, 2, 4], "no time was said"),
    ] {
        let [offer_line, answer_line, day_line, time_line] = lines;
        let why = why(|p| {
            *p = Proposed { offer_line, answer_line, day_line, time_line, ..p.clone() };
        });
        assert_eq!(why, expected, "{lines:?}");
    }
}

#[test]
fn what_did_not_come_to_pass_is_not_written() {
    for (verdict, retracted, expected) in [
        (Verdict::Agreed, 0, ""),
        (Verdict::Agreed, 5, "it was taken back"),
        (Verdict::Retracted, 0, "it was taken back"),
        (Verdict::Offered, 0, "it was only offered"),
        (Verdict::Refused, 0, "it was refused"),
        (Verdict::Unclear, 0, "it is not clear what was agreed on"),
    ] {
        let why = why(|p| (p.verdict, p.retracted_line) = (verdict, retracted));
        assert_eq!(why, expected, "{verdict:?} {retracted}");
    }
    let times: [(&str, &str, &str); 7] = [
        ("2026-12-01", "14:30", ""),
        ("soon", "14:30", "no date and time"),
        ("2026-12-01", "half past two", "no date and time"),
        ("2026-11-27", "14:00", "the time had passed"),
        ("2026-11-27", "16:30", ""),
        ("2026-11-30", "14:30", CLOSED),
        ("2028-12-05", "14:30", "too far ahead"),
    ];
    for (date, time, expected) in times {
        let why = why(|p| (p.date, p.time) = (date.to_owned(), time.to_owned()));
        assert_eq!(why, expected, "{date} {time}");
    }
    let withheld = judged("anonymous", &Done::default(), &[proposed()]).remove(0);
    assert_eq!(withheld["why"], "the number is withheld");
}

#[test]
fn of_two_times_with_the_same_answer_neither_is_written() {
    let at = |time: &str| Proposed { time: time.to_owned(), ..proposed() };
    let written = |times: [&str; 2]| {
        let all = judged(CALLER, &Done::default(), &times.map(at));
        all.iter().filter(|one| !one["start_us"].is_null()).count()
    };
    assert_eq!(written(["14:30", "16:00"]), 0);
    // The same once more is no other; the database writes it once.
    assert_eq!(written(["14:30", "14:30"]), 2);
}

#[test]
fn what_a_function_did_is_known_and_nothing_else() {
    let at = |time: &str| json!({"date": "2026-12-01", "time": time});
    let run = |name: &str, result: Value| json!({"name": name, "ok": true, "result": result});
    for (run, why) in [
        (run("book_appointment", json!({"booked": at("14:30")})), "known"),
        (run("book_appointment", json!({"booked": at("09:00")})), ""),
        // One of the same weekday and time is taken for that.
        (
            run("book_appointment", json!({"booked": {"date": "2026-12-08", "time": "14:30"}})),
            "known",
        ),
        (
            run(
                "cancel_appointment",
                json!({"cancelled": {"date": "2026-12-08", "time": "14:30"}}),
            ),
            "",
        ),
        (run("cancel_appointment", json!({"cancelled": at("09:00")})), ""),
        (
            run(
                "reschedule_appointment",
                json!({"rescheduled": at("09:00"), "before": at("14:30")}),
            ),
            "known",
        ),
        (run("gone_since", json!({})), "a function of the owner's may have stored it"),
    ] {
        let done = Done::of(&agent(), std::slice::from_ref(&run), "completed");
        let judged = judged(CALLER, &done, &[proposed()]).remove(0);
        assert_eq!(judged["why"].as_str().unwrap_or_default(), why, "{run}");
    }
}

#[test]
fn a_name_that_nobody_said_is_left_out() {
    let other =
        Proposed { name: "John Smith".to_owned(), service: "root canal".to_owned(), ..proposed() };
    let judged = judged(CALLER, &Done::default(), &[other]).remove(0);
    assert_eq!((&judged["name"], &judged["service"]), (&json!(ANY_NAME), &json!(ANY_SERVICE)));
}
